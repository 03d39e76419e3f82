"""The verb audit."""

import json
from pathlib import Path
from typing import Annotated

import typer

from emovoz.errors import printable
from emovoz.lookup_cli import AsJson


def audit(
    manifests: Annotated[
        list[Path], typer.Argument(metavar="MANIFEST", help="One, or several: each is a split of its own.")
    ],
    audio_dir: Annotated[Path | None, typer.Option(help="Folder of the audio files.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for audit.html and audit.json.")] = None,
    workers: Annotated[int, typer.Option(help="Threads that decode and measure audio.", min=1)] = 2,
    as_json: AsJson = False,
) -> None:
    """What is in a corpus and what is wrong with it: rows, sound, words, labels, and leakage between splits."""
    from emovoz.auditing import audit as audit_corpus
    from emovoz.auditing.text import told
    from emovoz.files import check_folder

    if out:
        check_folder(out)
    done = audit_corpus(manifests, audio_dir, workers=workers)
    # saved before anything is printed: a reader that closes the pipe must not cost the results
    if out:
        done.save(out, title=f"emovoz audit: {', '.join(path.name for path in manifests)}")
        typer.echo(f"report: {out / 'audit.html'}", err=True)
    print(json.dumps(done.results, ensure_ascii=False) if as_json else printable(told(done.results)))
