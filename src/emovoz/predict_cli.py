"""The verb `predict`."""

from typing import Annotated

import typer

from emovoz.options import AudioDir


def predict(
    model: Annotated[str, typer.Argument(help="Model folder or hub id.")],
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT...", help="Files, folders, a manifest, - for paths on stdin.")
    ],
    form: Annotated[str, typer.Option("--format", help="jsonl or csv.")] = "jsonl",
    text: Annotated[str | None, typer.Option(help="What is said, where there is one clip.")] = None,
    adapt_speaker: Annotated[
        str | None,
        typer.Option(
            metavar="DIR", help="Unlabelled clips of the one voice that all inputs are of; the speech is adapted to it."
        ),
    ] = None,
    audio_dir: AudioDir = None,
    batch_size: Annotated[int, typer.Option(help="Clips encoded together.", min=1)] = 16,
    threshold: Annotated[
        list[str] | None,
        typer.Option(help="LABEL=VALUE, such as fear=0.2, for this label instead of the model's (or 0.5); repeatable."),
    ] = None,
) -> None:
    """Label clips: a line each, also for one that cannot be judged; then the exit code is 2."""
    from emovoz import Recognizer
    from emovoz.inference.inputs import clips_of, with_stdin, with_text
    from emovoz.inference.lines import check_form, print_each
    from emovoz.inference.thresholds import read_thresholds

    check_form(form)
    thresholds = read_thresholds(threshold or [])
    recognizer = Recognizer.from_pretrained(model)
    given = with_stdin(inputs) if len(inputs) > 1 or "-" in inputs else inputs[0]
    clips = with_text(clips_of(given, audio_dir=audio_dir), text)
    voice = clips_of(adapt_speaker, audio_dir=audio_dir) if adapt_speaker else None
    predictions = recognizer.predict_each(clips, batch_size=batch_size, thresholds=thresholds, enrolment=voice)
    raise typer.Exit(print_each(predictions, recognizer.labels, form))
