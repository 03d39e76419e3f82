"""What tensorboard reads of a fit."""

from pathlib import Path


def events(folder: Path) -> dict[str, dict[int, float]]:
    """Values by step, by name."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(folder))
    read.Reload()
    return {name: {event.step: event.value for event in read.Scalars(name)} for name in read.Tags()["scalars"]}
