"""The HTML report: what a reader sees in it, and what it must never do."""

import copy
import re
import statistics
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml
from scipy.stats import binom

from emovoz.evaluation.report import render_report, write_report

LABELS = ["anger", "joy", "sadness"]


def one_run() -> dict[str, Any]:
    scores = {
        "anger": {"precision": 0.811, "recall": 0.722, "f1": 0.764, "support": 41},
        "joy": {"precision": 0.533, "recall": 0.644, "f1": 0.583, "support": 42},
        "sadness": {"precision": 0.455, "recall": 0.466, "f1": 0.460, "support": 43},
    }
    return {
        "protocol": {"name": "leave-groups-out", "group": "speaker"},
        "n": 126,
        "macro_f1": {"value": 0.6021, "ci95": [0.5412, 0.6634]},
        "uar": {"value": 0.6107, "ci95": [0.5513, 0.6718]},
        "accuracy": {"value": 0.6209, "ci95": [0.5614, 0.6817]},
        "per_class": scores,
        "confusion": [[30, 8, 2], [5, 27, 10], [0, 0, 0]],
        "labels": LABELS,
        "ece": 0.0876,
        "seeds": [{"seed": 0, "macro_f1": 0.597}, {"seed": 1, "macro_f1": 0.607}],
        "folds": [
            {"fold": 0, "groups": ["spk00", "spk07"], "n": 60, "macro_f1": 0.571},
            {"fold": 1, "groups": ["spk03"], "n": 66, "macro_f1": 0.639},
        ],
        "recipe": {"name": "speech", "speech": {"model": "whisper-base", "layers": [2, 3, 4]}, "text": None},
        "data": {"fingerprint": "9f2c77a0", "n": 126, "speakers": 3},
        "speakers": [
            {"speaker": "spk00", "n": 42, "accuracy": 0.611, "uar": 0.621},
            {"speaker": "spk03", "n": 42, "accuracy": 0.711, "uar": 0.721},
            {"speaker": "spk07", "n": 40, "accuracy": 0.411, "uar": 0.421},
        ],
        "hardest": [
            hard("b.wav", "joy", 0.00004, "anger", 0.981, "spk07", "¡Qué alegría!"),
            hard("a.wav", "sadness", 0.012, "joy", 0.701, None, None),
        ],
        "layer_weights": {},
        "versions": {"emovoz": "0.1.0", "torch": "2.6.0"},
        "seconds": {"extract": 312.3, "train": 30.1},
        "history": [fit(0, 0, [2.0, 1.5, 1.0], [0.2, 0.4, 0.5]), fit(0, 1, [1.0, 0.8, 0.6], [0.3, 0.5, 0.6])],
    }


def hard(
    clip: str, label: str, given: float, predicted: str, most: float, speaker: str | None, words: str | None
) -> dict[str, Any]:
    chances = {"label_probability": given, "predicted_probability": most}
    return {"id": clip, "label": label, "predicted": predicted, **chances, "speaker": speaker, "transcription": words}


def weights(*rows: tuple[int, float, float, float]) -> list[dict[str, float]]:
    return [dict(zip(("layer", "weight", "min", "max"), row, strict=True)) for row in rows]


def fit(fold: int | None, seed: int, losses: list[float], scores: list[float | None]) -> dict[str, Any]:
    epochs = [
        {"epoch": epoch, "loss": loss, "dev_macro_f1": score}
        for epoch, (loss, score) in enumerate(zip(losses, scores, strict=True), 1)
    ]
    return {"fold": fold, "seed": seed, "epochs": epochs}


def unlabelled_run() -> dict[str, Any]:
    nothing = dict.fromkeys(["macro_f1", "uar", "accuracy", "per_class", "confusion", "ece"])
    more = {
        "speakers": [],
        "hardest": [],
        "n": 0,
        "seeds": [{"seed": 0}],
        "folds": [],
        "history": [{"fold": None, "seed": 0, "epochs": []}],
    }
    return one_run() | nothing | more


class Page(HTMLParser):
    """What a browser would make of the report."""

    def __init__(self, results: dict[str, Any], title: str = "emovoz report") -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.rows: list[list[str]] = []
        self.blocks: list[str] = []
        self.svg_titles: list[str] = []
        self.text = ""
        self.style = ""
        self._inside: list[str] = []
        self._gap = False
        self.feed(render_report(results, title=title))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in ("meta", "link", "img", "br"):
            self._inside.append(tag)
        if tag != "bdi":
            self.text += " "
            self._gap = True
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag == "pre":
            self.blocks.append("")
        if tag == "title" and "svg" in self._inside:
            self.svg_titles.append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._inside.pop() == tag, f"</{tag}> closes something else"
        if tag == "tr":
            self.rows[-1] = [" ".join(cell.split()) for cell in self.rows[-1]]

    def handle_data(self, data: str) -> None:
        if "style" in self._inside:
            self.style += data
        elif "title" in self._inside and "svg" in self._inside:
            self.svg_titles[-1] += data
        else:
            self.text += data
            if "pre" in self._inside:
                self.blocks[-1] += data
            if "td" in self._inside or "th" in self._inside:
                self.rows[-1][-1] += f" {data}" if self._gap else data
                self._gap = False

    def all(self, tag: str, **wanted: str) -> list[dict[str, str]]:
        wanted = {name.rstrip("_"): value for name, value in wanted.items()}
        return [given for name, given in self.elements if name == tag and wanted.items() <= given.items()]

    def words(self) -> str:
        return " ".join(self.text.split())


def test_headline_tells_every_score_with_its_interval() -> None:
    words = Page(one_run()).words()
    assert "macro-F1 0.602 95 % interval 0.541 – 0.663" in words
    assert "UAR 0.611 0.551 – 0.672" in words
    assert "accuracy 0.621 0.561 – 0.682" in words
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
    means = "Thresholds, fitted on dev clips: anger 0.50, joy 0.25, sadness 0.50 (means of 2 fits; in the others"
    assert means in some
    assert "joy 0.23, sadness 0.50 (means of 3 fits)" in every
    assert "Thresholds, fitted on dev clips: none would help on other clips, so the most probable" in none


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
    assert ["0", "spk00, spk07", "60", "0.571", ""] in page.rows
    assert ["1", "spk03", "66", "0.639", ""] in page.rows
    assert ["1", "0.607", ""] in page.rows
    assert "macro-F1 0.605 ± 0.048 (mean and standard deviation), from 0.571 to 0.639" in page.words()


def test_folds_without_groups_have_no_column_for_them() -> None:
    run = one_run()
    for fold in run["folds"]:
        fold["groups"] = []
    page = Page(run)
    assert ["0", "60", "0.571", ""] in page.rows
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


def test_recipe_can_be_copied_out_as_yaml() -> None:
    run = one_run()
    run["recipe"]["description"] = "así: «voz & texto» <b>"
    blocks = Page(run).blocks
    assert yaml.safe_load(blocks[0]) == run["recipe"]
    assert "layers: [2, 3, 4]" in blocks[0]


def test_provenance_is_told() -> None:
    words = Page(one_run()).words()
    for fact in ("group: speaker", "fingerprint: 9f2c77a0", "torch: 2.6.0", "extract: 5 min 12 s", "train: 30.1 s"):
        assert fact in words


def test_data_note_stands_before_the_scores() -> None:
    run = one_run()
    run["protocol"]["data_note"] = "synthetic demo speech"
    words = Page(run).words()
    assert 0 < words.index("synthetic demo speech") < words.index("macro-F1 0.602")


def test_html_in_user_text_is_inert() -> None:
    evil = "</script><img src=x onerror=alert(1)>\"'"
    run = one_run()
    run["labels"] = [evil, "joy", "sadness"]
    run["per_class"][evil] = run["per_class"].pop("anger")
    run["recipe"]["description"] = run["protocol"]["data_note"] = run["protocol"]["name"] = evil
    run["versions"]["torch"] = evil
    run["folds"][0]["groups"] = [evil]
    run["speakers"][0]["speaker"] = evil
    run["hardest"] = [hard(evil, evil, 0.1, evil, 0.9, evil, evil)]
    run["seconds"] = {evil: 1.0}
    page = Page({"runs": {evil: run, "other": one_run()}}, title=evil)
    assert not page.all("img")
    assert not page.all("script")
    assert not [given for _, given in page.elements if "onerror" in given]
    assert page.text.count(evil) >= 16


def test_names_that_run_from_right_to_left_do_not_turn_what_stands_beside_them() -> None:
    hebrew, turned = "כעס", "\u202eanger"
    run = one_run() | {"labels": [hebrew, turned, "sadness"]}
    scores = list(one_run()["per_class"].values())
    run["per_class"] = dict(zip(run["labels"], scores, strict=True))
    run["folds"][0]["groups"] = [hebrew, turned]
    run["speakers"][0]["speaker"] = run["speakers"][1]["speaker"] = hebrew
    run["hardest"] = [hard(turned, hebrew, 0.1, turned, 0.9, hebrew, turned)]
    page = render_report({"runs": {hebrew: run, turned: run}}, title=turned)
    body = page[page.index("<body>") :]
    for name in (hebrew, turned):
        assert body.count(name) == body.count(f"<bdi>{name}</bdi>") > 10


def test_of_many_groups_held_out_the_first_are_named() -> None:
    run = one_run()
    run["folds"][0]["groups"] = [f"spk{i:02d}" for i in range(64)]
    assert ["0", "spk00, spk01, spk02 and 61 more", "60", "0.571", ""] in Page(run).rows


@pytest.mark.parametrize("results", [one_run(), unlabelled_run(), {"runs": {"a": one_run(), "b": one_run()}}])
def test_nothing_is_asked_of_another_host(results: dict[str, Any]) -> None:
    results = copy.deepcopy(results)
    for run in results.get("runs", {"": results}).values():
        run["recipe"]["description"] = "see https://example.org/model and url(https://example.org/x)"
    page = Page(results)
    assert "https://example.org/model" in page.text
    assert not [tag for tag, _ in page.elements if tag in ("script", "link", "img", "iframe", "object", "image", "use")]
    for _, given in page.elements:
        assert not given.keys() & {"src", "href", "srcset", "xlink:href", "action", "data", "poster"}
        assert "url(" not in given.get("style", "")
    assert not re.search(r"url\(|@import|@font-face|//", page.style)


def test_unlabelled_clips_are_said_to_be_so() -> None:
    page = Page(unlabelled_run())
    assert "These clips carry no labels, so there are no scores to show." in page.words()
    assert "126 clips, none of them labelled" in page.words()
    assert "fingerprint: 9f2c77a0" in page.words()
    assert "Learning" not in page.words()
    assert not re.search(r"\b(None|nan|macro-F1)\b", page.words())


def test_comparison_shows_every_run() -> None:
    better = one_run() | {"macro_f1": {"value": 0.7123, "ci95": [0.65, 0.77]}}
    page = Page({"runs": {"speech": one_run(), "both": better, "wild": unlabelled_run()}})
    assert ["speech", "0.602", "", "0.541 – 0.663", "0.611", "0.621", "126"] in page.rows
    assert ["both", "0.712", "", "0.650 – 0.770", "0.611", "0.621", "126"] in page.rows
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
    assert ["a", "0.602", "", "–", "0.611", "0.621", "126"] in page.rows
    assert "95 % interval 0" not in page.words()


def test_tables_and_pictures_are_named_for_screen_readers() -> None:
    page = Page(one_run())
    assert all(given.get("scope") in ("row", "col") for given in page.all("th"))
    pictures = page.all("svg")
    assert pictures
    assert all(given.get("role") == "img" for given in pictures)
    assert all(page.svg_titles)


def test_written_file_is_whole_or_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "informe.html"
    write_report(one_run(), path, title="Título")
    written = path.read_text(encoding="utf-8")
    assert written == render_report(one_run(), title="Título")
    with pytest.raises(TypeError):
        write_report(one_run() | {"confusion": [None]}, path)
    assert path.read_text(encoding="utf-8") == written
    assert list(tmp_path.iterdir()) == [path]
