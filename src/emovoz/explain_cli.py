"""The verb `explain`."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from emovoz.errors import printable
from emovoz.lookup_cli import AsJson


def explain(
    model: Annotated[str, typer.Argument(help="Model folder or hub id.")],
    clip: Annotated[str, typer.Argument(metavar="CLIP", help="An audio file, of at most a minute.")],
    text: Annotated[
        str | None, typer.Option(help="What is said, in the place of a .txt of the same name beside it.")
    ] = None,
    label: Annotated[str | None, typer.Option(help="What to explain in the place of the decision.")] = None,
    transcribe: Annotated[
        bool, typer.Option("--transcribe", help="Recognise what is said, where nobody tells, by the packaged Whisper.")
    ] = False,
    start: Annotated[float | None, typer.Option(help="Where the part to explain begins, seconds.", min=0)] = None,
    end: Annotated[float | None, typer.Option(help="Where it ends, seconds.", min=0)] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for explanation.png, its dark twin and a JSON file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Tell which seconds and words of a clip carried the decision, how much each modality counted, and check it."""
    from emovoz import Clip, Recognizer
    from emovoz.corpus.sidecars import with_sidecar
    from emovoz.explanation.text import told
    from emovoz.files import check_folder
    from emovoz.transcription import Transcriber

    if out:
        check_folder(out)
    transcriber = Transcriber.load() if transcribe else None
    given = with_sidecar(Clip(clip, Path(clip), start=start, end=end))
    explanation = Recognizer.from_pretrained(model).explain(given, text=text, label=label, transcriber=transcriber)
    if out:
        explanation.save(out)
        print(f"picture: {out / 'explanation.png'}", file=sys.stderr)
    print(json.dumps(explanation.to_dict(), ensure_ascii=False) if as_json else printable(told(explanation)))
