"""The HTML report of one run: what a reader sees in it."""

import re
import statistics
from typing import Any

import pytest
from scipy.stats import binom

from report_page import LABELS, Page, fit, hard, one_run, unlabelled_run, weights


def test_headline_tells_every_score_with_its_interval() -> None:
    words = Page(one_run()).words()
    assert "macro-F1 0.602 95 % interval 0.541 – 0.663 over clips 0.511 – 0.693 over speakers" in words
    assert "UAR 0.611 0.551 – 0.672 0.521 – 0.702" in words
    assert "accuracy 0.621 0.561 – 0.682 0.531 – 0.712" in words
    assert "calibration error 0.088" in words
    assert "126 clips · 3 speakers · 2 seeds" in words


def test_every_label_has_its_own_scores() -> None:
    rows = Page(one_run()).rows
    assert ["anger", "", "0.764", "0.811", "0.722", "41"] in rows
    assert ["joy", "", "0.583", "0.533", "0.644", "42"] in rows
    assert ["sadness", "", "0.460", "0.455", "0.466", "43"] in rows


def test_fitted_thresholds_are_told() -> None:
    fits = [fit(0, seed, [1.0], [0.5]) for seed in range(3)]
    even, one, other = (dict.fromkeys(LABELS, 0.5) | {"joy": joy} for joy in (0.5, 0.2, 0.3))
    assert "Thresholds" not in Page(one_run() | {"history": fits}).words()
    told = [
        one_run() | {"history": [fits[i] | {"thresholds": each[i]} for i in range(3)]}
        for each in ((even, one, other), (one, other, one), (even, even, even))
    ]
    some, every, none = (Page(run).words() for run in told)
    means = "Thresholds, fitted on clips held out: anger 0.50, joy 0.25, sadness 0.50 (means of 2 fits; in the others"
    assert means in some
    assert "joy 0.23, sadness 0.50 (means of 3 fits)" in every
    assert "Thresholds, fitted on clips held out: none would help on other clips, so the most probable" in none


def test_a_fitted_temperature_is_told() -> None:
    one = fit(0, 0, [1.0], [0.5])
    assert "Temperature" not in Page(one_run() | {"history": [one | {"temperature": None}]}).words()
    single = Page(one_run() | {"history": [one | {"temperature": 1.204}]}).words()
    assert "Temperature, fitted on clips held out of training: 1.20" in single
    assert "fits, from" not in single
    several = one_run() | {"history": [one | {"temperature": each} for each in (1.1, None, 1.8)]}
    assert "held out of training: 1.45 (mean of 2 fits, from 1.10 to 1.80)" in Page(several).words()


def test_without_named_speakers_there_is_one_interval() -> None:
    run = one_run()
    for key in ("macro_f1", "uar", "accuracy"):
        run[key]["ci95_speakers"] = None
    words = Page(run).words()
    assert "95 % interval 0.541 – 0.663 over clips UAR 0.611 0.551 – 0.672 accuracy" in words
    assert "over speakers" not in words
    assert "whole speakers" not in words


def test_the_reliability_diagram_has_a_bar_for_every_bin_with_clips() -> None:
    page = Page(one_run())
    assert "accuracy by confidence: 0.411 is right in 0.311 of 26; 0.811 is right in 0.711 of 100" in page.svg_titles
    assert "error 0.088, negative log-likelihood 1.032, Brier score 0.543." in page.words()
    low, high = (
        {key: float(value) for key, value in bar.items() if key != "class"} for bar in page.all("rect", class_="share")
    )
    # as high as the accuracy, up to where the diagonal is 1, and twice as wide for a bin of twice the width
    (diagonal,) = page.all("line", class_="equal")
    bottom, top = float(diagonal["y1"]), float(diagonal["y2"])
    for bar, accuracy in ((low, 0.311), (high, 0.711)):
        assert bar["height"] / (bottom - top) == pytest.approx(accuracy, abs=0.002)
        assert bar["y"] + bar["height"] == pytest.approx(bottom)
    assert high["width"] / low["width"] == pytest.approx(2, abs=0.05)
    few, many = (float(bar["height"]) for bar in page.all("rect", class_="count"))
    assert few / many == pytest.approx(0.26, abs=0.01)
    assert "26 100" in page.words()


def test_older_results_have_no_reliability_diagram() -> None:
    run = one_run()
    for key in ("nll", "brier", "reliability"):
        del run[key]
    words = Page(run).words()
    assert "calibration error 0.088" in words
    assert "accuracy by confidence" not in words


def test_folds_of_two_columns_are_a_matrix() -> None:
    parts = [(["ana", "leo"], ["s1"], 0.511), (["ana", "leo"], ["s2"], 0.522), (["eva"], ["s2"], 0.533)]
    folds = [
        {"fold": i, "groups": {"speaker": who, "sentence": what}, "n": 20 + i, "training_clips": 40 - i, "macro_f1": f1}
        for i, (who, what, f1) in enumerate(parts)
    ]
    page = Page(one_run() | {"folds": folds})
    assert ["", "s1", "s2"] in page.rows
    assert ["ana, leo", "0.511 20", "0.522 21"] in page.rows
    assert ["eva", "–", "0.533 22"] in page.rows
    assert "speaker of its row with the sentence of its column" in page.words()
    assert "trained on clips of neither, 38 to 40 clips" in page.words()


def test_f1_bars_are_as_long_as_the_scores() -> None:
    widths = [float(bar["style"].removeprefix("width: ").rstrip("%")) for bar in Page(one_run()).all("span")]
    assert widths == pytest.approx([76.4, 58.3, 46.0])


def test_confusion_shows_counts_and_shares_of_the_true_label() -> None:
    page = Page(one_run())
    assert ["", *LABELS] in page.rows
    assert ["anger", "30 75 %", "8 20 %", "2 5 %"] in page.rows
    assert ["sadness", "0 –", "0 –", "0 –"] in page.rows, "a label nobody spoke has no shares"
    shades = [cell["style"] for cell in page.all("td") if "--share" in cell.get("style", "")]
    assert shades[:3] == ["--share: 0.75", "--share: 0.2", "--share: 0.05"]


def test_confusion_averaged_over_seeds_keeps_a_decimal_in_every_cell() -> None:
    run = one_run() | {"confusion": [[30.5, 8, 1.5], [5, 27, 10], [0, 0, 0]]}
    assert ["anger", "30.5 76 %", "8.0 20 %", "1.5 4 %"] in Page(run).rows


def test_the_most_frequent_confusion_is_told_in_words() -> None:
    # sadness has no clips, joy taken for sadness is 10 of 42
    assert "Most often joy was taken for sadness: 24 % of its clips." in Page(one_run()).words()


def test_of_confusions_as_frequent_the_one_that_takes_the_greater_share_is_told() -> None:
    run = one_run() | {"confusion": [[70, 6, 2], [0, 8, 6], [0, 0, 9]]}
    assert "Most often joy was taken for sadness: 43 % of its clips." in Page(run).words()


def test_without_mistakes_no_confusion_is_told() -> None:
    assert "Most often" not in Page(one_run() | {"confusion": [[3, 0, 0], [0, 4, 0], [0, 0, 5]]}).words()


def test_speakers_are_listed_from_worst_to_best() -> None:
    page = Page(one_run())
    rows = [row for row in page.rows if row[0].startswith("spk")]
    assert rows == [
        ["spk07", "40", "0.411", "0.421", ""],
        ["spk00", "42", "0.611", "0.621", ""],
        ["spk03", "42", "0.711", "0.721", ""],
    ]
    mean, spread = statistics.fmean([0.421, 0.621, 0.721]), statistics.stdev([0.421, 0.621, 0.721])
    told = f"UAR {mean:.3f} ± {spread:.3f} (mean and standard deviation), from 0.421 to 0.721."
    assert told in page.words()
    assert "2 clips name no speaker" in page.words()


def test_the_spread_of_speakers_is_held_against_chance() -> None:
    # a speaker of 42 clips, each right with the mean chance: the deviation of a binomial share
    mean = statistics.fmean([0.421, 0.621, 0.721])
    by_chance = binom.std(42, mean) / 42
    told = f"equally hard speakers of 42 clips each (the median) would spread by about ± {by_chance:.3f}."
    assert told in Page(one_run()).words()


def test_of_hundreds_of_speakers_both_ends_are_shown() -> None:
    many = [{"speaker": f"voice{i:03d}", "n": 9, "accuracy": 0.5, "uar": i / 300} for i in range(300)]
    page = Page(one_run() | {"speakers": many[::-1]})
    shown = [row[0] for row in page.rows if row[0].startswith("voice")]
    assert shown == [f"voice{i:03d}" for i in [*range(15), *range(295, 300)]]
    assert ["280 speakers between", ""] in page.rows
    assert "280 between 0.050 and 0.980" in page.svg_titles


@pytest.mark.parametrize("speakers", [None, [], [{"speaker": "one", "n": 126, "accuracy": 0.6, "uar": 0.6}]])
def test_without_speakers_to_compare_the_section_is_left_out(speakers: Any) -> None:
    assert "By speaker" not in Page(one_run() | {"speakers": speakers}).words()


def test_layer_weights_are_shown_against_equal_shares() -> None:
    mix = {"speech": weights((2, 0.5, 0.4, 0.6), (3, 0.3, 0.2, 0.4), (6, 0.2, 0.2, 0.2))}
    page = Page(one_run() | {"layer_weights": mix})
    assert ["2", "0.500", "0.400 – 0.600", ""] in page.rows
    assert ["6", "0.200", "0.200 – 0.200", ""] in page.rows
    bars = [float(bar["width"].rstrip("%")) for bar in page.all("rect", class_="weight")]
    equal = float(page.all("line", class_="equal")[0]["x1"].rstrip("%"))
    assert bars == pytest.approx([equal * 3 * weight for weight in (0.5, 0.3, 0.2)])
    assert "0.500, from 0.400 to 0.600" in page.svg_titles


def test_layer_weights_of_one_fit_have_no_range() -> None:
    mix = {"speech": weights((0, 0.75, 0.75, 0.75), (1, 0.25, 0.25, 0.25)), "text": weights((0, 1, 1, 1))}
    page = Page(one_run() | {"layer_weights": mix})
    assert ["speech layer", "weight", "0.0 0.2 0.4 0.6 0.8"] in page.rows
    assert ["0", "0.750", ""] in page.rows
    assert "over the fits" not in page.words()


def test_concatenated_layers_have_no_section_of_weights() -> None:
    assert "Layer weights" not in Page(one_run()).words()


def test_hardest_clips_are_listed_with_what_they_were_taken_for() -> None:
    rows = Page(one_run()).rows
    assert ["b.wav", "spk07", "joy", "< 0.001", "anger", "0.981", "¡Qué alegría!"] in rows
    assert ["a.wav", "", "sadness", "0.012", "joy", "0.701", ""] in rows


def test_hardest_clips_without_words_or_speakers_have_no_column_for_them() -> None:
    page = Page(one_run() | {"hardest": [hard("a.wav", "sadness", 0.012, "joy", 0.701, None, None)]})
    assert ["a.wav", "sadness", "0.012", "joy", "0.701"] in page.rows
    assert "transcription" not in page.words()


def test_long_transcriptions_are_cut() -> None:
    page = Page(one_run() | {"hardest": [hard("a", "joy", 0.1, "anger", 0.9, None, "palabra " * 90)]})
    (words,) = (row[-1] for row in page.rows if row[0] == "a")
    assert words == ("palabra " * 15).strip()[:119] + "…"


def test_what_is_not_there_in_older_results_is_left_out() -> None:
    run = one_run()
    for key in ("speakers", "hardest", "layer_weights"):
        del run[key]
    assert not re.search("By speaker|Hardest|Layer weights", Page(run).words())


def test_folds_and_seeds_are_listed_and_summed_up() -> None:
    page = Page(one_run())
    assert ["0", "spk00, spk07", "60", "66", "0.571", ""] in page.rows
    assert ["1", "spk03", "66", "60", "0.639", ""] in page.rows
    assert ["1", "0.607", ""] in page.rows
    assert "macro-F1 0.605 ± 0.048 (mean and standard deviation), from 0.571 to 0.639" in page.words()


def test_folds_without_groups_have_no_column_for_them() -> None:
    run = one_run()
    for fold in run["folds"]:
        fold["groups"] = []
    page = Page(run)
    assert ["0", "60", "66", "0.571", ""] in page.rows
    assert "held out" not in page.words()


def test_one_seed_has_no_table_of_its_own() -> None:
    words = Page(one_run() | {"seeds": [{"seed": 5, "macro_f1": 0.6021}]}).words()
    assert "3 speakers · 1 seed " in words
    assert "By seed" not in words


def test_partly_labelled_data_is_said_to_be_so() -> None:
    assert "126 clips, 40 of them labelled" in Page(one_run() | {"n": 40}).words()


def test_closed_form_fits_do_not_count_as_curves() -> None:
    closed = {"fold": 1, "seed": 0, "epochs": []}
    assert "each of 2 fits" in Page(one_run() | {"history": [*one_run()["history"], closed]}).words()
    assert "Learning" not in Page(one_run() | {"history": [closed]}).words()


def test_learning_curves_draw_every_fit_and_their_mean() -> None:
    page = Page(one_run())
    assert "training loss by epoch: the mean goes from 1.500 at epoch 1 to 0.800 at epoch 3" in page.svg_titles
    assert "dev macro-F1 by epoch: the mean goes from 0.250 at epoch 1 to 0.550 at epoch 3" in page.svg_titles
    assert len(page.all("polyline", class_="fit")) == 4
    loss, score = (heights(line) for line in page.all("polyline", class_="mean"))
    assert loss == sorted(loss), "a falling loss goes down the page"
    assert score == sorted(score, reverse=True), "a rising score goes up the page"


def heights(line: dict[str, str]) -> list[float]:
    return [float(point.split(",")[1]) for point in line["points"].split()]


def test_mean_curve_ends_where_most_fits_have_stopped() -> None:
    long = fit(0, 2, [1.2, 0.9, 0.6, 0.1], [None] * 4)
    run = one_run()
    page = Page(run | {"history": [*run["history"], long]})
    assert any(title.startswith("training loss") and title.endswith("at epoch 3") for title in page.svg_titles)


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_leaves_a_gap(loss: float) -> None:
    page = Page(one_run() | {"history": [fit(None, 0, [2.0, loss, 1.0], [None] * 3)]})
    (line,) = page.all("polyline")
    assert len(heights(line)) == 2


def test_without_dev_scores_only_the_loss_is_drawn() -> None:
    page = Page(one_run() | {"history": [fit(None, 0, [2.0, 1.0], [None, None])]})
    assert "training loss" in page.words()
    assert "dev macro-F1" not in page.words()


@pytest.mark.parametrize("missing", ["history", "folds", "seeds", "versions", "seconds", "recipe", "data"])
def test_what_was_not_measured_is_left_out(missing: str) -> None:
    run = one_run()
    headings = {"history": "Learning", "folds": "By fold", "seeds": "By seed", "seconds": "Time"}
    heading = headings.get(missing, missing.capitalize())
    assert heading in Page(run).words()
    del run[missing]
    words = Page(run).words()
    assert heading not in words
    assert "macro-F1 0.602" in words


def test_provenance_is_told() -> None:
    words = Page(one_run()).words()
    for fact in ("group: speaker", "fingerprint: 9f2c77a0", "torch: 2.6.0", "extract: 5 min 12 s", "train: 30.1 s"):
        assert fact in words


def test_data_note_stands_before_the_scores() -> None:
    run = one_run()
    run["protocol"]["data_note"] = "synthetic demo speech"
    words = Page(run).words()
    assert 0 < words.index("synthetic demo speech") < words.index("macro-F1 0.602")


def test_of_many_groups_held_out_the_first_are_named() -> None:
    run = one_run()
    run["folds"][0]["groups"] = [f"spk{i:02d}" for i in range(64)]
    assert ["0", "spk00, spk01, spk02 and 61 more", "60", "66", "0.571", ""] in Page(run).rows


def test_unlabelled_clips_are_said_to_be_so() -> None:
    page = Page(unlabelled_run())
    assert "These clips carry no labels, so there are no scores to show." in page.words()
    assert "126 clips, none of them labelled" in page.words()
    assert "fingerprint: 9f2c77a0" in page.words()
    assert "Learning" not in page.words()
    assert not re.search(r"\b(None|nan|macro-F1)\b", page.words())
