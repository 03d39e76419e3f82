"""The web page in a real browser, on a real server."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile
from playwright.sync_api import Browser, Page, expect

from browsers import Visit, chromium
from emovoz import Corpus

# on a busy machine an answer takes its time
expect.set_options(timeout=30_000)
RIGHTMOST = "Math.max(...[...document.querySelectorAll('main *')].map((one) => one.getBoundingClientRect().right))"


@dataclass
class Server:
    """A service at work, and the only folder where it may write."""

    address: str
    folder: Path

    def files(self) -> list[str]:
        """What lies in the folder, locks aside."""
        return [one.name for one in self.folder.rglob("*") if one.is_file() and one.name != "in-use"]


@pytest.fixture(scope="module")
def server(quickstart: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("served")
    command = [sys.executable, "-c", "from emovoz.program import main; main()", "serve", str(quickstart / "model")]
    process = subprocess.Popen(
        [*command, "--port", "0"], stderr=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(folder)}
    )
    assert process.stderr is not None
    found = next(filter(None, (re.search(r"http://\S+", line) for line in process.stderr)))
    yield Server(found.group(), folder)
    process.terminate()
    process.wait(30)
    assert list(folder.iterdir()) == []


@pytest.fixture(scope="module")
def browser(demo: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    heard = tmp_path_factory.mktemp("microphone") / "heard.wav"
    soundfile.write(heard, *soundfile.read(clip_of(demo)))
    with chromium(heard) as browser:
        yield browser


@pytest.fixture
def visit(browser: Browser, server: Server, request: pytest.FixtureRequest) -> Iterator[Visit]:
    how: dict[str, Any] = getattr(request, "param", {})
    context = browser.new_context(**{"viewport": {"width": 1200, "height": 800}, **how})
    visit = Visit(context.new_page())
    visit.page.goto(server.address)
    expect(visit.page.locator("#result")).to_contain_text("The answer appears here")
    yield visit
    context.close()


def clip_of(demo: Corpus, label: str = "anger") -> Path:
    """A clip of a voice that the model has not learned from."""
    clip = next(clip for clip in demo.split("test") if clip.label == label)
    assert isinstance(clip.audio, Path)
    return clip.audio


def drop(page: Page, path: Path) -> None:
    page.locator("#from-upload input[type=file]").set_input_files(path)


def answer(page: Page) -> str:
    """The label, once there is one."""
    expect(page.locator("#result[aria-busy=false] .verdict h2")).to_be_visible()
    return page.locator(".verdict h2").text_content() or ""


def test_a_dropped_file_gets_the_answer_of_the_api_and_leaves_nothing_behind(
    visit: Visit, server: Server, demo: Corpus
) -> None:
    page, clip = visit.page, clip_of(demo)
    drop(page, clip)
    label = answer(page)
    told = httpx.post(f"{server.address}/v1/predict", files={"audio": clip.read_bytes()}).json()
    assert label == told["label"]
    rows = [row.split("\n") for row in page.locator(".bars li").all_inner_texts()]
    assert [row[0].lower() for row in rows] == sorted(told["scores"], key=lambda one: -told["scores"][one])
    assert rows[0][-1] == f"{100 * max(told['scores'].values()):.0f} %"
    assert "voice alone" in page.locator(".basis").inner_text()
    assert server.files() == []
    # what the server has forgotten is still here to be heard
    page.get_by_role("button", name="Play").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    assert visit.hosts == {server.address.removeprefix("http://")}
    assert visit.refused == []


def test_words_can_be_added_to_what_was_dropped_and_belong_to_nothing_else(visit: Visit, demo: Corpus) -> None:
    page = visit.page
    drop(page, clip_of(demo))
    answer(page)
    before = page.locator(".bars").inner_text()
    page.get_by_label("What is said").fill("¡Cállate de una vez!")
    page.get_by_role("button", name="Judge again").click()
    expect(page.locator(".words")).to_have_text("¡Cállate de una vez!")
    assert "voice and the words" in page.locator(".basis").inner_text()
    assert page.locator(".bars").inner_text() != before
    drop(page, clip_of(demo, "sadness"))
    expect(page.locator(".said")).to_contain_text("sadness")
    expect(page.get_by_label("What is said")).to_have_value("")
    assert "voice alone" in page.locator(".basis").inner_text()


@pytest.mark.parametrize("visit", [{"color_scheme": "dark"}], indirect=True)
def test_an_example_is_judged_and_explained_by_keyboard_alone_in_the_dark(visit: Visit, server: Server) -> None:
    page = visit.page
    expect(page.locator("button", has_text="Record").first).to_be_visible()
    reached: list[str] = []
    while not reached or reached[-1] != "Joy":
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.innerText || document.activeElement.ariaLabel").strip())
    assert any("Record" in one for one in reached)
    assert any("Drop" in one for one in reached)
    page.keyboard.press("Enter")
    assert answer(page) == "joy"
    assert "«" in page.evaluate("getComputedStyle(document.querySelector('.words'), '::before').content")
    page.get_by_role("button", name="Why?").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#reasons img.in-dark")).to_be_visible()
    expect(page.locator("#reasons img.in-light")).to_be_hidden()
    assert "".join(page.locator("#reasons mark").all_inner_texts()) == page.locator(".words").inner_text().replace(
        " ", ""
    )
    red, green, blue = map(
        int, re.findall(r"\d+", page.evaluate("getComputedStyle(document.body).backgroundColor"))[:3]
    )
    assert max(red, green, blue) < 60
    assert server.files() == []
    assert visit.hosts == {server.address.removeprefix("http://")}
    assert visit.refused == []


def test_the_microphone_is_heard(visit: Visit, server: Server) -> None:
    page = visit.page
    page.locator("#from-microphone button.record-button").click()
    # the clock of the recorder has gone on
    expect(page.locator("#from-microphone")).to_contain_text("0:01")
    page.locator("#from-microphone button.stop-button").click()
    answer(page)
    assert "voice alone" in page.locator(".basis").inner_text()
    assert server.files() == []


@pytest.mark.parametrize("visit", [{"viewport": {"width": 390, "height": 844}, "has_touch": True}], indirect=True)
def test_a_phone_shows_a_long_recording_and_a_fault_without_scrolling_sideways(
    visit: Visit, server: Server, demo: Corpus, tmp_path: Path
) -> None:
    page = visit.page
    letter = tmp_path / "letter.wav"
    letter.write_text("Dear friend, this is no recording.")
    drop(page, letter)
    expect(page.get_by_role("alert")).to_contain_text("letter.wav: not readable as audio")
    assert "Traceback" not in page.content()
    drop(page, utterances(demo, tmp_path / f"{'long' * 20}.flac"))
    answer(page)
    assert page.locator(".parts button").count() >= 3
    assert page.locator(".wave .band").count() == page.locator(".parts button").count()
    expect(page.locator(".verdict")).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate(RIGHTMOST) <= 390
    page.locator(".parts button").nth(1).click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    assert server.files() == []


def utterances(demo: Corpus, path: Path) -> Path:
    """A recording of several clips with pauses."""
    pause = np.random.default_rng(0).normal(0, 1e-4, 16000)
    spoken = [soundfile.read(clip_of(demo, label))[0] for label in ("joy", "anger", "sadness", "fear")]
    soundfile.write(path, np.concatenate([part for one in spoken for part in (one, pause)]), 16000)
    return path


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file=http://127.0.0.1:1/",
        "/gradio_api/proxy=https://example.org/",
        "/gradio_api/info",
        "/gradio_api/vibe-code",
        "/monitoring",
        "/examples/nothing.ogg",
        "/gradio_api/openapi.json",
    ],
)
def test_only_what_the_page_needs_of_gradio_is_there(server: Server, path: str) -> None:
    assert httpx.get(server.address + path).status_code == 404


def test_the_page_tells_the_browser_to_ask_nobody_else(server: Server) -> None:
    got = httpx.get(server.address)
    assert "default-src 'self'" in got.headers["content-security-policy"]
    assert not re.findall(r"""(?:src|href|content)=["']https?://(?!127\.0\.0\.1)""", got.text)
    assert "acted speech" in got.text
