"""quickstart: the main job from end to end."""

import csv
import json
from pathlib import Path

from emovoz import Corpus


def test_it_says_the_score_with_its_interval_where_things_are_and_what_is_next(quickstart: Path) -> None:
    printed = (quickstart / "printed.txt").read_text()
    score = json.loads((quickstart / "results.json").read_text())["macro_f1"]
    low, high = score["ci95"]
    assert f"macro-F1 {score['value']:.3f} [{low:.3f}, {high:.3f}]" in printed
    assert str(quickstart / "report.html") in printed
    assert (quickstart / "report.html").stat().st_size > 5000
    assert "emovoz train" in printed
    assert "Synthetic" in printed


def test_it_learns_from_the_demo_corpus(quickstart: Path) -> None:
    low, _ = json.loads((quickstart / "results.json").read_text())["macro_f1"]["ci95"]
    assert low > 1 / 6


def test_it_is_scored_on_the_voices_held_out(quickstart: Path, demo: Corpus) -> None:
    with (quickstart / "predictions.csv").open(encoding="utf-8") as file:
        ids = [row["id"] for row in csv.DictReader(file)]
    assert ids == [clip.id for clip in demo.split("test")]


def test_the_saved_head_is_small(quickstart: Path) -> None:
    assert sum(file.stat().st_size for file in (quickstart / "model").iterdir()) < 10_000_000
