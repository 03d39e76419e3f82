"""`kill -9` at random moments: what is run again ends as if nothing had happened, and leaves nothing lying about."""

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from faults_tried import how_many, tally
from outcomes import features, files, names, results
from warm import Ended, Warm

KILLS = how_many(100, 2)
"""Of each verb."""
IN_A_ROW = 3
"""At most so many, before a run is left alone."""


@dataclass(frozen=True)
class Verb:
    """A command line that works in a folder.

    Attributes:
        arguments: by the folder.
        outcome: what it leaves there, but for times; fails where something lies about.
        again: what is added when it is run again.
    """

    arguments: Callable[[Path], list[Any]]
    outcome: Callable[[Path], Any]
    again: tuple[str, ...] = ()


@pytest.fixture(scope="module")
def verbs(
    few_clips: Path, tiny_options: list[str], gradient: list[str], small_model: Path, three_clips: Path
) -> dict[str, Verb]:
    views = ["augmentation.views=2", "augmentation.speed={}", "augmentation.noise={}"]
    altered = [*gradient, *(part for one in views for part in ("--set", one))]
    clips = [few_clips, "--audio-dir", "/"]

    def trained(folder: Path) -> Any:
        assert names(folder) == {"store", "model"}
        return features(folder / "store"), files(folder / "model")

    def compared(folder: Path) -> Any:
        assert names(folder) == {"store", "out"}
        tables = {"predictions-default.csv", "predictions-default-gradient.csv"}
        assert names(folder / "out") == {"runs", "results.json", "report.html", *tables}
        assert names(folder / "out" / "runs") == {"default.json", "default-gradient.json"}
        return results(folder / "out"), [(folder / "out" / name).read_text() for name in sorted(tables)]

    return {
        "extract": Verb(
            lambda folder: ["extract", *clips, *altered, "--store", folder / "store"],
            lambda folder: features(folder / "store"),
        ),
        "train": Verb(
            lambda folder: ["train", *clips, *altered, "--store", folder / "store", "--out", folder / "model"],
            trained,
            ("--resume",),
        ),
        "crossval": Verb(
            lambda folder: [
                *("crossval", *clips, "--folds", 2, "--seeds", 1, "--recipe", "default", *gradient),
                *("--store", folder / "store", "--out", folder / "out"),
            ],
            compared,
            ("--resume",),
        ),
        "predict": Verb(
            lambda folder: [
                "predict",
                small_model,
                three_clips,
                "--audio-dir",
                "/",
                "--timeline",
                "--out",
                folder / "out",
            ],
            lambda folder: files(folder / "out"),
        ),
    }


def alone(verb: Verb, warm: Warm, folder: Path) -> Ended:
    """A run that is left alone."""
    folder.mkdir()
    ended = warm.run(*verb.arguments(folder))
    assert ended.code == 0, ended.err
    return ended


@pytest.mark.parametrize("name", ["extract", "train", "crossval", "predict"])
def test_what_is_killed_and_run_again_ends_as_if_nothing_had_happened(
    verbs: dict[str, Verb], name: str, warm: Warm, tmp_path: Path
) -> None:
    verb = verbs[name]
    # the first imports what the verb needs
    _, second = (alone(verb, warm, tmp_path / name) for name in ("first", "second"))
    wanted, length = verb.outcome(tmp_path / "first"), second.seconds
    assert verb.outcome(tmp_path / "second") == wanted
    moments = random.Random(f"kills of {name}")
    killed = survived = 0
    wrong = []
    while killed < KILLS:
        folder = tmp_path / f"after-{killed}"
        folder.mkdir()
        plan = [moments.uniform(0, length) for _ in range(moments.randint(1, min(IN_A_ROW, KILLS - killed)))]
        done = [
            warm.run(*verb.arguments(folder), *(verb.again if turn else ()), kill_after=moment)
            for turn, moment in enumerate(plan)
        ]
        last = warm.run(*verb.arguments(folder), *verb.again)
        deaths = sum(run.killed for run in done)
        killed += deaths
        try:
            assert all(run.killed or run.code == 0 for run in done), [run.err for run in done]
            assert last.code == 0, last.err
            assert verb.outcome(folder) == wanted
            assert names(warm.temporary) == set()
        except AssertionError as error:
            wrong.append(f"killed after {plan}: {error}")
        else:
            survived += deaths
        shutil.rmtree(folder)
    tally(f"kill -9 of {name}", injected=killed, survived=survived, lost=len(wrong))
    assert not wrong, "\n".join(wrong)
