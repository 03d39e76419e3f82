"""An exported model at work: numpy, soundfile, soxr, tokenizers and onnxruntime are all it takes."""

from emovoz.exported.recognizer import ExportedRecognizer

__all__ = ["ExportedRecognizer"]
