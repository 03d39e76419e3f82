"""The HTML report as a file: whole, inert, of nobody's help, and readable by all."""

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from emovoz.evaluation.report import render_report, write_report
from emovoz.evaluation.sounds import Sound
from report_page import Page, chosen, hard, mistake, one_run, unlabelled_run


def test_recipe_can_be_copied_out_as_yaml() -> None:
    run = one_run()
    run["recipe"]["description"] = "así: «voz & texto» <b>"
    blocks = Page(run).blocks
    assert yaml.safe_load(blocks[0]) == run["recipe"]
    assert "layers: [2, 3, 4]" in blocks[0]


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
    run["mistakes"] = [mistake(evil, evil, evil, [(evil, 0.5), (evil, -0.5)])]
    run["history"][0]["selected"] = {**chosen(evil), "by": evil}
    run["seconds"] = {evil: 1.0}
    sounds = {evil: Sound("data:audio/mpeg;base64,AA==", (0.5, 1.0))}
    page = Page({"runs": {evil: run, "other": one_run()}}, title=evil, sounds=sounds)
    assert not page.all("img")
    assert not page.all("script")
    assert not [given for _, given in page.elements if "onerror" in given]
    assert page.text.count(evil) >= 22


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
