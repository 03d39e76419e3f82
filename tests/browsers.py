"""A real Chromium, and what it asked for."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)


@contextmanager
def chromium(microphone: Path) -> Iterator[Browser]:
    """A browser whose microphone hears a wav file; the test is skipped where there is no browser."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        arguments = [*QUIET, f"--use-file-for-fake-audio-capture={microphone}"]
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        yield browser
        browser.close()


class Visit:
    """A page that is looked at, and what happened.

    Attributes:
        page: of playwright.
        hosts: that were asked, tried ones included.
        refused: what the page's own policy kept the browser from.
    """

    def __init__(self, page: Page) -> None:
        self.page, self.hosts, self.refused = page, set[str](), list[str]()
        page.on("request", lambda request: self._asked(request.url))
        page.on("console", lambda message: self._told(message.text))

    def _asked(self, address: str) -> None:
        if urlsplit(address).scheme not in ("data", "blob"):
            self.hosts.add(urlsplit(address).netloc)

    def _told(self, text: str) -> None:
        if "Content Security Policy" in text:
            self.refused.append(text)
