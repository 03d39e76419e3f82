"""`emovoz predict` by an export, where neither typer nor torch need be installed."""

import argparse
from pathlib import Path
from typing import Any, NoReturn

from emovoz.errors import InputError
from emovoz.exported.card import is_export


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One clear sentence, as for all that is the user's to mend."""
        raise InputError(f"{message} (emovoz predict --help)")


def predict(arguments: list[str]) -> int | None:
    """Predict as `emovoz predict` does; the exit code, or None where the model is no export.

    Raises:
        InputError: what is wrong with the arguments.
    """
    if not any(is_export(Path(argument)) for argument in arguments):
        return None
    if "--timeline" in arguments:
        raise InputError("--timeline: an exported model makes none; predict with the model itself")
    given = _parser().parse_intermixed_args(_joined(arguments))
    if not is_export(Path(given.model)):
        return None
    return _predicted(given)


def _joined(arguments: list[str]) -> list[str]:
    """The same, what is said joined to its option: it may begin with a dash."""
    if "--text" not in arguments[:-1]:
        return arguments
    at = arguments.index("--text")
    return [*arguments[:at], f"--text={arguments[at + 1]}", *arguments[at + 2 :]]


def _predicted(given: Any) -> int:
    from emovoz.exported.recognizer import ExportedRecognizer
    from emovoz.inference.inputs import clips_of, with_stdin, with_text
    from emovoz.inference.lines import check_form, print_each
    from emovoz.inference.thresholds import read_thresholds

    check_form(given.form)
    if given.adapt_speaker is not None:
        raise InputError("--adapt-speaker: an exported model does not adapt to a voice; predict with the model itself")
    if given.transcribe:
        raise InputError("--transcribe: an exported model is told the words; recognise them with the model itself")
    if given.batch_size < 1:
        raise InputError(f"--batch-size {given.batch_size}: at least 1")
    thresholds = read_thresholds(given.threshold)
    recognizer = ExportedRecognizer.from_pretrained(given.model)
    inputs = given.inputs
    clips = clips_of(with_stdin(inputs) if len(inputs) > 1 or "-" in inputs else inputs[0], audio_dir=given.audio_dir)
    predictions = recognizer.predict_each(
        with_text(clips, given.text), batch_size=given.batch_size, thresholds=thresholds
    )
    return print_each(predictions, recognizer.labels, given.form)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="emovoz predict",
        description="Label clips by an exported model: a line each, also for one that cannot be judged; then the exit "
        "code is 2.",
        allow_abbrev=False,
    )
    parser.add_argument("model", help="Folder that emovoz export has written.")
    parser.add_argument("inputs", metavar="INPUT", nargs="+", help="Files, folders, a manifest, - for paths on stdin.")
    parser.add_argument("--format", dest="form", default="jsonl", help="jsonl or csv.")
    parser.add_argument("--text", help="What is said, where there is one clip.")
    parser.add_argument("--audio-dir", type=Path, help="Folder of the audio files.")
    parser.add_argument("--batch-size", type=int, default=16, help="Clips whose audio is in memory at once.")
    parser.add_argument(
        "--threshold", action="append", default=[], metavar="LABEL=VALUE", help="For this label; repeatable."
    )
    parser.add_argument("--adapt-speaker", metavar="DIR", help=argparse.SUPPRESS)
    parser.add_argument("--transcribe", action="store_true", help=argparse.SUPPRESS)
    return parser
