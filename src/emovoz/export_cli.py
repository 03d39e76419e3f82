"""The verb that turns a model into what runs without torch."""

from pathlib import Path
from typing import Annotated

import typer


def export(
    model: Annotated[str, typer.Argument(help="Model folder or hub id.")],
    out: Annotated[Path, typer.Option(help="Folder of the export; an earlier export there is replaced.")],
    quantize: Annotated[
        bool, typer.Option("--quantize", help="Weights of the encoders' matrix products in int8: smaller, and faster.")
    ] = False,
) -> None:
    """Write a model as ONNX graphs, by which `emovoz predict` works without torch and transformers."""
    from emovoz import Recognizer
    from emovoz import export as export_recognizer
    from emovoz.exporting.exporter import check_export_directory
    from emovoz.exporting.onnx_file import check_tools

    check_export_directory(out.resolve())
    check_tools()
    exported = export_recognizer(Recognizer.from_pretrained(model), out, quantize=quantize)
    for name, told in exported.card.files.items():
        print(f"{told['bytes'] / 1e6:8.1f} MB  {name}")
    print(f"export: {out}")
