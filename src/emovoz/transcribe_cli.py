"""The verb `transcribe`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from emovoz.errors import printable


def transcribe(
    manifest: Annotated[Path, typer.Argument(help="CSV, TSV, Parquet or JSON Lines, or a folder of class folders.")],
    out: Annotated[Path, typer.Option(help="CSV: the manifest with the words of clips that had none.")],
    audio_dir: Annotated[Path | None, typer.Option(help="Folder of the audio files.")] = None,
    asr: Annotated[
        str,
        typer.Option(help="whisper-base (packaged), a CTranslate2 folder, or from the hub small, ... or owner/name."),
    ] = "whisper-base",
    language: Annotated[
        str | None, typer.Option(help="That is spoken, such as es; by default the column language, or detected.")
    ] = None,
) -> None:
    """Fill in the words of a manifest, and their times; stopped, the same command goes on where it was."""
    from emovoz.transcription import Transcriber
    from emovoz.transcription.manifest import transcribe_manifest

    done = transcribe_manifest(manifest, out, Transcriber.load(asr, language), audio_dir)
    print(f"{out}: {done.clips} clips, {done.given} had words, {done.recognised} have recognised ones")
    for fault in done.faults:
        print(printable(fault), file=sys.stderr)
    raise typer.Exit(2 if done.faults else 0)
