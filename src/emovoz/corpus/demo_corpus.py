"""The built-in demo corpus: synthetic speech, so that everything can be tried before any data is at hand."""

from importlib.resources import files
from pathlib import Path

from emovoz.corpus.corpus import Corpus


def demo_corpus() -> Corpus:
    """Six emotions spoken by eight espeak-ng voices; `split` holds voices out for dev and test."""
    folder = Path(str(files("emovoz.corpus"))) / "demo"
    return Corpus.from_manifest(folder / "manifest.csv", folder / "audio")
