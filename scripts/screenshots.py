"""Take the pictures of the web page that the documentation shows.

Run it as

    python scripts/screenshots.py MODEL [--out docs]

MODEL is one that `emovoz quickstart` has trained. It needs the extras serve and asr, playwright and a Chromium, starts
the service itself, and writes page.png, page-phone.png and page-dark.png.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from playwright.sync_api import Page, expect, sync_playwright

from emovoz.corpus import demo_corpus, load_audio

SPOKEN = ("voice07_joy_1", "voice08_fear_4", "voice07_sadness_3", "voice08_anger_4", "voice08_disgust_4")
"""Held-out clips of the demo corpus, said clearly enough to be transcribed; the longer recording, with pauses."""
RATE = 16000


def main() -> None:
    """Take all pictures."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("model")
    options.add_argument("--out", type=Path, default=Path("docs"))
    given = options.parse_args()
    with served(given.model) as address, tempfile.TemporaryDirectory() as scratch:
        recording = conversation(Path(scratch) / "conversation.flac")
        desktop: dict[str, Any] = {"viewport": {"width": 1040, "height": 760}}
        phone: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "has_touch": True}
        with looked_at(address, desktop) as page:
            page.get_by_label("Transcribe for me").check()
            page.locator("#from-upload input[type=file]").set_input_files(recording)
            expect(page.locator(".parts .spoken").first).not_to_be_empty(timeout=60_000)
            page.screenshot(path=given.out / "page.png", full_page=True)
        with looked_at(address, phone) as page:
            page.get_by_role("button", name="joy").click()
            expect(page.locator(".verdict")).to_be_in_viewport()
            page.wait_for_timeout(1000)  # the smooth way there
            page.screenshot(path=given.out / "page-phone.png")
        with looked_at(address, {**desktop, "color_scheme": "dark"}) as page:
            page.get_by_role("button", name="joy").click()
            page.get_by_role("button", name="Why?").click(timeout=60_000)
            expect(page.locator("#reasons img.in-dark")).to_be_visible(timeout=60_000)
            page.screenshot(path=given.out / "page-dark.png", full_page=True)


@contextmanager
def served(model: str) -> Iterator[str]:
    """The address of a service that runs meanwhile."""
    command = [sys.executable, "-c", "from emovoz.program import main; main()", "serve", model]
    with subprocess.Popen([*command, "--port", "0", "--language", "es"], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        found = (re.search(r"http://\S+", line) for line in process.stderr)
        yield next(one.group() for one in found if one)
        process.terminate()


@contextmanager
def looked_at(address: str, how: dict[str, Any]) -> Iterator[Page]:
    """The page in a browser of its own."""
    with sync_playwright() as playwright:
        program = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(**how)
        page.goto(address)
        expect(page.locator(".waiting")).to_be_visible()
        yield page
        browser.close()


def conversation(path: Path) -> Path:
    """A recording of several utterances."""
    audio = {clip.id.removesuffix(".ogg"): clip.audio for clip in demo_corpus()}
    spoken = [load_audio(sound, RATE) for name in SPOKEN if (sound := audio[name]) is not None]
    pause = np.random.default_rng(0).normal(0, 1e-4, RATE).astype(np.float32)
    soundfile.write(path, np.concatenate([part for one in spoken for part in (one, pause)]), RATE)
    return path


if __name__ == "__main__":
    main()
