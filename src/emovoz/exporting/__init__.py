"""Exporting: a recogniser as ONNX graphs, which `emovoz.exported` runs without torch."""

from emovoz.exporting.exporter import export

__all__ = ["export"]
