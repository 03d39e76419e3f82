"""What the terminal tells of results."""

import re
from typing import Any

from emovoz.evaluation.text import summary
from report_page import one_run, unlabelled_run

MORE = ["UAR", "accuracy", "ECE"]


def comparison(*names: str) -> dict[str, Any]:
    pairs = [
        {
            "a": names[0],
            "b": name,
            "difference": {"value": 0.0111, "ci95": [-0.009, 0.031], "ci95_speakers": [-0.0312, 0.0512]},
            "mcnemar": {"a_only_right": 46, "b_only_right": 38, "p": 0.445},
        }
        for name in names[1:]
    ]
    by_fold = {"macro_f1": {"mean": 0.605, "sd": 0.048}}
    return {"runs": {name: one_run() | {"by_fold": by_fold} for name in names}, "comparisons": pairs}


def test_one_run_is_told_with_both_intervals_and_its_folds() -> None:
    spread = {name: {"mean": 0.6, "sd": 0.05} for name in ("macro_f1", "uar", "accuracy")}
    first, second, third, *rest = summary(one_run() | {"by_fold": spread}).splitlines()
    assert first.startswith("speech: macro-F1 0.602 [0.541, 0.663], UAR 0.611 [0.551, 0.672], accuracy")
    assert second == (
        "these intervals: 95 %, over clips; over speakers, as for new voices: "
        "macro-F1 [0.511, 0.693], UAR [0.521, 0.702], accuracy [0.531, 0.712]"
    )
    assert third.startswith("2 folds, mean ± standard deviation: macro-F1 0.600 ± 0.050, UAR")
    assert rest[0].split() == ["label", "precision", "recall", "F1", "clips"]


def test_several_runs_are_a_table_and_the_differences_to_the_first() -> None:
    lines = summary(comparison("speech", "baseline-logreg", "bsc-upc-3")).splitlines()
    assert re.split("  +", lines[0]) == ["recipe", "macro-F1", "over clips", "over speakers", "by fold", *MORE]
    assert lines[1].split("  ")[0] == "speech"
    assert lines[1].split()[1:4] == ["0.602", "[0.541,", "0.663]"]
    assert "[0.511, 0.693]  0.605 ± 0.048" in lines[1]
    assert lines[4] == "126 clips, 2 seeds; intervals: 95 %; by fold: mean ± deviation"
    assert lines[6].startswith("macro-F1 of speech minus")
    assert lines[7].split()[1:] == ["+0.011", "[-0.009,", "+0.031]", "[-0.031,", "+0.051]", "46", ":", "38", "0.445"]
    assert "not adjusted" in lines[9]
    # columns end at the same place
    assert len({len(line) for line in lines[:4]}) == 1
    assert len({len(line) for line in lines[6:9]}) == 1


def test_baselines_are_marked() -> None:
    lines = summary(comparison("speech", "baseline-logreg", "bsc-upc-3")).splitlines()
    assert [line.split("  ")[0] for line in lines[1:4]] == ["speech", "baseline-logreg", "bsc-upc-3 (baseline)"]


def test_runs_without_labels_are_said_to_have_no_score() -> None:
    both = {"runs": {"wild": unlabelled_run(), "speech": one_run()}, "comparisons": []}
    assert summary(both).splitlines()[0] == "wild: 126 clips predicted; none has a label, so there is no score"
