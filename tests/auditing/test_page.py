"""The page of an audit: what a reader sees in it, and what it must never do."""

import copy
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from audited import broken_corpus
from emovoz import Clip, Corpus, audit
from emovoz.auditing import Audit
from emovoz.auditing.page import EXAMPLES, SPEAKERS, render_page
from emovoz.auditing.plots import ROWS, histogram, strips


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Audit:
    return broken_corpus(tmp_path_factory.mktemp("broken"))


class Page(HTMLParser):
    """Its text, and that every element closes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.attributes: list[tuple[str, str]] = []
        self._inside: list[str] = []
        self.feed(html)
        assert not self._inside

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag != "meta":
            self._inside.append(tag)
        if tag in ("li", "p", "td", "th", "h3", "title"):
            self.text += "\n"

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self._inside.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        if "style" not in self._inside:
            self.text += data

    def lines(self) -> list[str]:
        return [" ".join(line.split()) for line in self.text.split("\n")]


def test_every_finding_is_told_with_its_examples_and_what_to_do(broken: Audit) -> None:
    lines = Page(render_page(broken.results)).lines()
    for finding in broken.findings:
        assert f"{finding.severity} {finding.what}" in lines
        assert finding.advice in lines
        for example in finding.examples[:EXAMPLES]:
            assert any(example.detail in line and example.clips[0][0] in line for line in lines)


def test_it_asks_nothing_of_the_network_and_runs_nothing(broken: Audit) -> None:
    html = render_page(broken.results)
    assert not re.search(r"<script|<link|<img|https?://|url\(|@import", html)
    assert "default-src 'none'" in html
    assert "prefers-color-scheme: dark" in html


def test_names_of_the_user_are_text_and_never_markup() -> None:
    evil = "<script>alert(1)</script>&\u202e"
    said = f"{evil} a b c " * 6
    clips = [Clip(f"{evil}{i}", transcription=said, label=evil, speaker=evil, split=evil) for i in range(2)]
    html = render_page(audit(Corpus(clips)).results, title=evil)
    assert "<script" not in html
    assert evil in Page(html).text
    # what ends a line from right to left stays within its element
    assert all("<bdi>" in line for line in html.splitlines() if "\u202e" in line and "<title>" not in line)


def test_of_many_examples_some_are_shown_and_all_are_counted(broken: Audit) -> None:
    results = copy.deepcopy(broken.results)
    (finding,) = (one for one in results["findings"] if one["kind"] == "unusable_audio")
    finding["examples"] = finding["examples"][:1] * 30
    assert f"the first {EXAMPLES} of 30" in render_page(results)


def test_many_speakers_do_not_make_a_page_without_end() -> None:
    clips = [
        Clip(f"c{i}-{label}", transcription=f"frase {i}", label=label, speaker=f"voice{i}")
        for i in range(SPEAKERS + 5)
        for label in ("joy", "fear")
    ]
    page = Page(render_page(audit(Corpus(clips)).results))
    assert "And 5 speakers more: audit.json has all." in page.lines()
    told = strips({f"voice{i}": [float(i), i + 1.0] for i in range(200)})
    assert told is not None
    assert (len(told["rows"]), told["between"]) == (ROWS, 200 - ROWS)
    assert (told["rows"][0]["name"], told["rows"][-1]["name"]) == ("voice0", "voice199")


def test_a_histogram_counts_every_value_also_those_far_out() -> None:
    panel = histogram("length", "seconds", [*(0.1 * i for i in range(1, 501)), 4000.0, 9000.0])
    assert panel is not None
    assert sum(int(bar["title"].rpartition(": ")[2]) for bar in panel["bars"]) == 500
    assert (panel["far"]["count"], panel["far"]["most"]) == (2, 9000.0)
    frame = panel["frame"]
    for bar in [*panel["bars"], panel["beyond"]]:
        assert frame["left"] <= bar["x"]
        assert bar["x"] + bar["width"] <= frame["right"]
        assert frame["top"] <= bar["y"]
        assert bar["y"] + bar["height"] == pytest.approx(frame["bottom"], abs=0.1)


@pytest.mark.parametrize("values", [[3.0], [0.0, 0.0], [-20.0, -20.0], [1e-9, 5e8]])
def test_a_histogram_of_hardly_anything_is_drawn(values: list[float]) -> None:
    panel = histogram("length", "seconds", values)
    assert panel is not None
    bars = [*panel["bars"], *([panel["beyond"]] if panel["beyond"] else [])]
    assert sum(int(bar["title"].rpartition(": ")[2]) for bar in bars) == len(values)
    assert histogram("length", "seconds", []) is None


def test_a_corpus_of_one_clip_has_a_page() -> None:
    html = render_page(audit(Corpus([Clip("a", transcription="sí")])).results)
    assert "1 clip" in Page(html).text


def test_both_files_are_written_and_the_page_can_be_made_of_the_other(tmp_path: Path, broken: Audit) -> None:
    broken.save(tmp_path / "out", title="mine")
    results: dict[str, Any] = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert render_page(results, title="mine") == (tmp_path / "out" / "audit.html").read_text()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["audit.html", "audit.json"]
