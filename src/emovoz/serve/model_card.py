"""What a service tells of its model."""

from emovoz import __version__
from emovoz.serve.schemas import Model
from emovoz.serve.service import Service

NOTE = (
    "Labels are estimates learned from a corpus, not facts about a person. Models trained on acted speech describe "
    "acted speech; do not decide about people by them."
)


def card_of(service: Service) -> Model:
    """The answer to `GET /v1/model`."""
    recognizer = service.recognizer
    branches = recognizer.encoders.branches
    return Model(
        name=recognizer.name,
        labels=list(recognizer.labels),
        modalities=sorted({branch.modality for branch in branches.values()}),
        encoders={
            name: {"model": branch.model, "fingerprint": branch.encoder.fingerprint}
            for name, branch in branches.items()
        },
        recipe=recognizer.recipe.model_dump(mode="json", exclude={"tracking"}),
        trained_on=recognizer.data,
        held_out=recognizer.held_out,
        calibrated=recognizer.temperature is not None,
        transcribes=service.transcriber is not None,
        limits=service.settings.limits(),
        emovoz=__version__,
        note=NOTE,
    )
