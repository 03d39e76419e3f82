"""The verb `predict`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emovoz.options import AudioDir, Engine, check_engine
from emovoz.timeline_cli import TimelineOptions

if TYPE_CHECKING:
    from emovoz.transcription import Transcriber


def predict(
    model: Annotated[str, typer.Argument(help="Model folder or hub id.")],
    inputs: Annotated[
        list[str] | None, typer.Argument(metavar="INPUT...", help="Files, folders, a manifest, - for paths on stdin.")
    ] = None,
    form: Annotated[
        str, typer.Option("--format", help="jsonl or csv; with --timeline also srt (subtitles) or audacity (labels).")
    ] = "jsonl",
    text: Annotated[str | None, typer.Option(help="What is said, where there is one clip.")] = None,
    transcribe: Annotated[
        bool,
        typer.Option(
            "--transcribe",
            help="Recognise the words of clips that come without: none by --text, in the manifest, or in a .txt of the "
            "same name beside the file. A model that reads no words shows them.",
        ),
    ] = False,
    asr: Annotated[
        str | None,
        typer.Option(
            help="With --transcribe: by what; whisper-base (packaged) by default, or a CTranslate2 folder, or from the "
            "hub small, large-v3, ... or owner/name."
        ),
    ] = None,
    language: Annotated[
        str | None,
        typer.Option(help="With --transcribe: the language, such as es; detected in each clip by default."),
    ] = None,
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
    timeline: Annotated[
        bool, typer.Option("--timeline", help="Label every utterance of each recording, however long it is.")
    ] = False,
    out: Annotated[
        str | None,
        typer.Option(
            help="With --timeline: folder for JSON, table, subtitles, label track and picture of each. With --engine "
            "ray: folder or URL for the predictions, which are kept as they are made and not made again."
        ),
    ] = None,
    smooth: Annotated[
        float | None,
        typer.Option(help="With --timeline: seconds within which neighbouring utterances count, such as 10."),
    ] = None,
    shortest: Annotated[
        float | None, typer.Option(help="With --timeline: seconds of speech that are left out; by default 0.25.")
    ] = None,
    longest: Annotated[
        float | None, typer.Option(help="With --timeline: seconds at which utterances are cut; by default 10.")
    ] = None,
    pause: Annotated[
        float | None, typer.Option(help="With --timeline: seconds of pause that end an utterance; by default 0.4.")
    ] = None,
    padding: Annotated[
        float | None, typer.Option(help="With --timeline: seconds kept around an utterance; by default 0.1.")
    ] = None,
    stdin: Annotated[
        str | None,
        typer.Option(
            metavar="wav|RATE",
            help="With --timeline: listen to stdin, a wav or raw 16-bit samples of this rate in Hz; a line for each "
            "utterance as soon as it is over.",
        ),
    ] = None,
    channels: Annotated[int, typer.Option(help="Of raw samples on stdin.", min=1)] = 1,
    engine: Engine = "local",
    workers: Annotated[int, typer.Option(help="With --engine ray: processes that judge.", min=1)] = 2,
) -> None:
    """Label clips: a line each, also for one that cannot be judged; then the exit code is 2."""
    from emovoz import InputError, Recognizer
    from emovoz.inference.inputs import clips_of, with_stdin, with_text
    from emovoz.inference.lines import check_form, print_each
    from emovoz.inference.thresholds import read_thresholds

    inputs = inputs or []
    limits = {"shortest": shortest, "longest": longest, "pause": pause, "padding": padding}
    check_engine(engine)
    on_ray = engine == "ray"
    options = TimelineOptions(Path(out) if out and not on_ray else None, smooth, limits, stdin, channels)
    if on_ray and (timeline or stdin or adapt_speaker):
        raise InputError("--engine ray labels each clip by itself: no --timeline, --stdin or --adapt-speaker")
    if timeline:
        options.check(inputs, text, form)
    else:
        options.check_unused()
        check_form(form)
    if not inputs and stdin is None:
        raise InputError("nothing to predict: name files, folders, a manifest, or - for paths on stdin")
    thresholds = read_thresholds(threshold or [])
    given = with_stdin(inputs) if len(inputs) != 1 or "-" in inputs else inputs[0]
    clips = with_text(clips_of(given, audio_dir=audio_dir), text)
    if on_ray:
        from emovoz.scale.predict_verb import run

        transcription = _transcription(asr, language, transcribe)
        raise typer.Exit(run(model, clips, form, out, workers, batch_size, thresholds, transcription))
    transcriber = _transcriber(asr, language, transcribe)
    recognizer = Recognizer.from_pretrained(model)
    voice = clips_of(adapt_speaker, audio_dir=audio_dir) if adapt_speaker else None
    if timeline:
        settings = {"batch_size": batch_size, "thresholds": thresholds, "enrolment": voice, "transcriber": transcriber}
        raise typer.Exit(options.run(recognizer, clips, form, **settings))
    predictions = recognizer.predict_each(
        clips, batch_size=batch_size, thresholds=thresholds, enrolment=voice, transcriber=transcriber
    )
    raise typer.Exit(print_each(predictions, recognizer.labels, form))


def _transcriber(asr: str | None, language: str | None, wanted: bool) -> "Transcriber | None":
    """What recognises words, where that is wanted."""
    from emovoz.transcription import Transcriber

    chosen = _transcription(asr, language, wanted)
    return Transcriber.load(*chosen) if chosen else None


def _transcription(asr: str | None, language: str | None, wanted: bool) -> tuple[str, str | None] | None:
    """By what words are recognised and their language, where that is wanted."""
    from emovoz import InputError

    if not wanted and (asr or language):
        raise InputError("--asr and --language: only with --transcribe")
    return (asr or "whisper-base", language) if wanted else None
