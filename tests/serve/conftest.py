"""A service of the quickstart's model."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from emovoz import Clip, Corpus, Recognizer
from served import Served, started


@pytest.fixture(scope="session")
def recognizer(quickstart: Path) -> Recognizer:
    return Recognizer.from_pretrained(quickstart / "model")


@pytest.fixture(scope="session")
def served(quickstart: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A process that serves, with the limits of everyday."""
    with started(quickstart / "model", tmp_path_factory.mktemp("served")) as one:
        yield one


@pytest.fixture(scope="session")
def client(served: Served) -> Iterator[httpx.Client]:
    with served.client() as one:
        yield one


@pytest.fixture(scope="session")
def clips(demo: Corpus) -> list[Clip]:
    """Demo clips of voices that the model has not learned from."""
    return list(demo.split("test").clips)
