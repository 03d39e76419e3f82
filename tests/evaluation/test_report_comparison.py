"""The HTML report of several runs: what a reader sees of them beside each other."""

from typing import Any

from report_page import Page, one_run, unlabelled_run


def test_comparison_shows_every_run() -> None:
    better = one_run() | {"macro_f1": {"value": 0.7123, "ci95": [0.65, 0.77]}}
    page = Page({"runs": {"speech": one_run(), "both": better, "wild": unlabelled_run()}})
    common = ["0.605 ± 0.048", "0.611", "0.621", "126"]
    assert ["speech", "0.602", "", "0.541 – 0.663", "0.511 – 0.693", *common] in page.rows
    assert ["both", "0.712", "", "0.650 – 0.770", "–", *common] in page.rows
    assert ["wild", "no labels, so no scores", "0"] in page.rows
    assert [("open" in given) for given in page.all("details")] == [True, False, False]
    assert "macro-F1 0.602 95 % interval" in page.words()
    assert "macro-F1 0.712 95 % interval" in page.words()


def test_comparison_sets_the_f1_of_every_label_side_by_side() -> None:
    other = one_run()
    other["labels"] = ["anger", "joy", "surprise"]
    other["per_class"] = {
        "anger": {"precision": 0.8, "recall": 0.8, "f1": 0.801, "support": 41},
        "joy": {"precision": 0.8, "recall": 0.8, "f1": 0.5831, "support": 42},
        "surprise": {"precision": 0.8, "recall": 0.8, "f1": 0.803, "support": 43},
    }
    page = Page({"runs": {"speech": one_run(), "both": other, "wild": unlabelled_run()}})
    assert ["label", "speech", "both"] in page.rows
    for row in (["anger", "0.764", "0.801"], ["joy", "0.583", "0.583"], ["sadness", "0.460", "–"]):
        assert row in page.rows
    # anger: both; joy: as good as each other in the digits shown; the rest have one run each
    assert len(page.all("td", class_="best")) == 1 + 2 + 1 + 1


def test_one_run_has_nothing_to_stand_side_by_side_with() -> None:
    assert "F1 by label" not in Page({"runs": {"speech": one_run(), "wild": unlabelled_run()}}).words()


def test_forest_plot_puts_the_better_run_to_the_right_inside_its_interval() -> None:
    better = one_run() | {"macro_f1": {"value": 0.7123, "ci95": [0.65, 0.77]}}
    page = Page({"runs": {"speech": one_run(), "both": better}})
    first, second = (float(dot["cx"].rstrip("%")) for dot in page.all("circle", class_="dot")[:2])
    assert 0 <= first < second <= 100
    line = page.all("line", class_="interval")[1]
    assert float(line["x1"].rstrip("%")) < second < float(line["x2"].rstrip("%")) <= 100


def test_comparison_warns_when_the_data_differ() -> None:
    other = one_run() | {"data": {"fingerprint": "00aa", "n": 126, "speakers": 3}}
    warning = "not scored on the same data"
    assert warning in Page({"runs": {"a": one_run(), "b": other}}).words()
    assert warning not in Page({"runs": {"a": one_run(), "b": one_run()}}).words()


def test_comparison_tells_whose_note_it_is() -> None:
    noted = one_run()
    noted["protocol"]["data_note"] = "synthetic demo speech"
    assert "demo: synthetic demo speech" in Page({"runs": {"demo": noted, "real": one_run()}}).words()


def test_score_without_an_interval_is_shown_alone() -> None:
    page = Page({"runs": {"a": one_run() | {"macro_f1": {"value": 0.6021, "ci95": None}}}})
    assert ["a", "0.602", "", "–", "0.605 ± 0.048", "0.611", "0.621", "126"] in page.rows
    assert "95 % interval 0" not in page.words()


def pair(
    a: str, b: str, value: float, over_speakers: list[float] | None, alone: tuple[int, int], p: float
) -> dict[str, Any]:
    difference = {"value": value, "ci95": [value - 0.02, value + 0.02], "ci95_speakers": over_speakers}
    return {
        "a": a,
        "b": b,
        "difference": difference,
        "mcnemar": {"a_only_right": alone[0], "b_only_right": alone[1], "p": p},
    }


def three(over_speakers: bool = True) -> dict[str, Any]:
    wide = [-0.0312, 0.0512] if over_speakers else None
    runs = {name: one_run() for name in ("speech", "baseline-logreg", "both")}
    pairs = [
        pair("speech", "baseline-logreg", 0.0111, wide, (46, 38), 0.445),
        pair("speech", "both", -0.0522, wide, (10, 40), 0.0000123),
        pair("baseline-logreg", "both", -0.0633, wide, (9, 50), 0.0),
    ]
    return {"runs": runs, "comparisons": pairs}


def test_the_first_run_is_held_against_each_other_one() -> None:
    page = Page(three())
    assert [
        "baseline-logreg baseline",
        "+0.011",
        "",
        "−0.009 to +0.031",
        "−0.031 to +0.051",
        "46 : 38",
        "0.445",
    ] in page.rows
    assert ["both", "−0.052", "", "−0.072 to −0.032", "−0.031 to +0.051", "10 : 40", "< 0.001"] in page.rows
    assert "speech minus" in page.words()
    (folded,) = page.all("details", class_="more")
    assert "open" not in folded
    assert any(row[:2] == ["baseline-logreg minus both", "−0.063"] for row in page.rows)


def test_differences_are_drawn_around_zero() -> None:
    page = Page(three())
    zero, again = (float(line["x1"].rstrip("%")) for line in page.all("line", class_="zero")[:2])
    assert zero == again
    dots = page.all("circle", class_="dot")
    # the first three dots are those of the forest plot
    above, below = (float(dot["cx"].rstrip("%")) for dot in dots[3:5])
    assert below < zero < above


def test_the_interval_over_speakers_is_drawn_beside_that_over_clips() -> None:
    page = Page(three())
    assert "0.602, 95 % interval 0.541 to 0.663, over speakers 0.511 to 0.693" in page.svg_titles
    (clips, *_), (speakers, *_) = (page.all("line", class_=kind) for kind in ("interval", "over-speakers"))
    ends = [[float(line[key].rstrip("%")) for key in ("x1", "x2")] for line in (clips, speakers)]
    assert ends[1][0] < ends[0][0] < ends[0][1] < ends[1][1]


def test_without_named_speakers_differences_have_one_interval() -> None:
    page = Page(three(over_speakers=False))
    assert ["baseline-logreg baseline", "+0.011", "", "−0.009 to +0.031", "46 : 38", "0.445"] in page.rows


def test_baselines_are_marked() -> None:
    rows = Page({"runs": {name: one_run() for name in ("speech", "baseline-tfidf", "bsc-upc-3")}}).rows
    shown = [row[0] for row in rows if row[1:2] == ["0.602"]]
    assert shown == ["speech", "baseline-tfidf baseline", "bsc-upc-3 baseline"]


def test_calibration_stands_side_by_side() -> None:
    rows = Page(three()).rows
    assert ["run", "calibration error", "negative log-likelihood", "Brier score"] in rows
    assert ["speech", "0.088", "1.032", "0.543"] in rows


def test_runs_without_comparisons_have_no_differences() -> None:
    assert "Paired differences" not in Page({"runs": {"a": one_run(), "b": one_run()}}).words()
