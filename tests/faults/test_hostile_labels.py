"""Labels that are markup, formulas or orders to a terminal: text everywhere, in pages, pictures, lines and tables."""

import csv
import json
import re
from html import escape
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import pytest
import soundfile
from matplotlib.image import imread
from playwright.sync_api import expect

from browsers import chromium
from emovoz import Corpus, Recognizer
from emovoz.evaluation.report import render_report
from emovoz.inference.segment import Segment
from emovoz.inference.segment_lines import segment_lines
from emovoz.inference.timeline import Timeline
from helpers import write_manifest
from served import started
from warm import Warm

LABELS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "${alert(3)} {{ 7 * 7 }} {% raw %}",
    r"$\frac{",
    "\u202ejoy\x1b[31m",
    "anger\n\n2\n00:00:00,000 --> 00:00:09,000\tfear",
]
PATIENCE = 60_000
"""Milliseconds, on a machine that others keep busy."""
STEERING = re.compile("[\x07\x1b\x9b\u202e]")


class Parts(HTMLParser):
    """What a browser would make of a page that could run something."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.live: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "script" or any(name.startswith("on") for name, _ in attrs) or ("src", "x") in attrs:
            self.live.append(tag)


@pytest.fixture(scope="module")
def manifest(demo: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four clips of each label."""
    rows = [
        {"id": clip.id, "audio": str(clip.audio), "label": LABELS[i % len(LABELS)], "speaker": clip.speaker or ""}
        for i, clip in enumerate(demo.clips[: 4 * len(LABELS)])
    ]
    return write_manifest(tmp_path_factory.mktemp("labels") / "clips.csv", rows)


@pytest.fixture(scope="module")
def model(manifest: Path, warm: Warm, gradient: list[str]) -> Path:
    out = manifest.with_name("model")
    done = warm.run("train", manifest, *gradient, "--store", manifest.with_name("store"), "--out", out)
    assert done.code == 0, done.err
    assert not STEERING.search(done.out + done.err)
    return out


@pytest.fixture(scope="module")
def judge(model: Path) -> Recognizer:
    recognizer = Recognizer.from_pretrained(model)
    assert sorted(recognizer.labels) == sorted(LABELS)
    return recognizer


def test_reports_show_them_as_text(model: Path, manifest: Path, warm: Warm, tmp_path: Path) -> None:
    done = warm.run("evaluate", model, manifest, "--out", tmp_path)
    assert done.code == 0, done.err
    assert not STEERING.search(done.out + done.err)
    results = json.loads((tmp_path / "results.json").read_text())
    compared = render_report({"runs": {LABELS[0]: results, LABELS[1]: results}})
    for html in ((tmp_path / "report.html").read_text(), compared):
        assert all(str(escape(label)).replace("&#x27;", "&#39;").replace("&quot;", "&#34;") in html for label in LABELS)
        assert Parts(html).live == []


def test_the_audit_shows_them_as_text(manifest: Path, warm: Warm, tmp_path: Path) -> None:
    done = warm.run("audit", manifest, "--out", tmp_path)
    assert done.code == 0, done.err
    assert not STEERING.search(done.out + done.err)
    html = (tmp_path / "audit.html").read_text()
    assert "&lt;script&gt;alert(1)" in html
    assert Parts(html).live == []


@pytest.mark.parametrize(
    ("form", "line"), [("audacity", r"[\d.]+\t[\d.]+\t[^\t\n]+\n"), ("srt", r"\d+\n[\d:,]+ --> [\d:,]+\n\[[^\n]+\n\n")]
)
def test_lines_for_other_programs_keep_their_form(form: str, line: str) -> None:
    lines = list(segment_lines("a.wav", _segments(), LABELS, form))
    assert len(lines) == len(LABELS)
    for one in lines:
        assert re.fullmatch(line, one)
        assert not STEERING.search(one)


def test_tables_give_them_as_they_are() -> None:
    header, *rows = csv.reader("".join(segment_lines("a.wav", _segments(), LABELS, "csv")).splitlines(keepends=True))
    assert header[-len(LABELS) :] == [f"score_{label}" for label in LABELS]
    assert [row[3] for row in rows] == LABELS
    lines = list(segment_lines("a.wav", _segments(), LABELS, "jsonl"))
    assert [json.loads(line)["label"] for line in lines] == LABELS


def _segments() -> list[Segment]:
    scores = dict.fromkeys(LABELS, 1 / len(LABELS))
    return [Segment(i, i + 1.0, label, scores, transcription=label) for i, label in enumerate(LABELS)]


@pytest.mark.filterwarnings("ignore:Glyph")
def test_pictures_draw_them_as_they_are(judge: Recognizer, demo: Corpus) -> None:
    timeline = Timeline("a.wav", seconds=9.0, model="m", segments=tuple(_segments()), labels=tuple(LABELS))
    assert imread(BytesIO(timeline.to_png())).ndim == 3
    explanation = judge.explain(demo.clips[0], label=LABELS[3])
    assert imread(BytesIO(explanation.png())).ndim == 3
    for html in (
        explanation._repr_html_(),
        judge._repr_html_(),
        *(one._repr_html_() for one in judge.predict(demo.clips[0])),
    ):
        assert Parts(html).live == []


def test_the_service_and_its_page_show_them_as_text(model: Path, demo: Corpus, tmp_path: Path) -> None:
    audio = demo.clips[0].audio
    assert isinstance(audio, Path)
    heard = tmp_path / "heard.wav"
    soundfile.write(heard, *soundfile.read(audio))
    asked: list[str] = []
    (tmp_path / "served").mkdir()
    with started(model, tmp_path / "served") as service, service.client() as client:
        told = client.post("/v1/predict", files={"audio": audio.read_bytes()})
        assert told.headers["content-type"] == "application/json"
        assert sorted(told.json()["scores"]) == sorted(LABELS)
        assert Parts(client.get("/docs").text).live == []
        with chromium(heard) as browser:
            page = browser.new_page()
            page.on("dialog", lambda dialog: asked.append(dialog.message))
            page.goto(service.url)
            expect(page.locator("#result li")).to_have_count(len(LABELS), timeout=PATIENCE)
            page.locator("#from-upload input[type=file]").set_input_files(audio)
            expect(page.locator("#result[aria-busy=false] .verdict h2")).to_be_visible(timeout=PATIENCE)
            shown = page.locator(".bars .name").all_text_contents()
            assert sorted(shown) == sorted(LABELS)
            assert page.locator("main img[src=x], #result script").count() == 0
    assert asked == []
