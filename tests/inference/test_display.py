"""What notebooks show."""

from html.parser import HTMLParser

from emovoz import Recognizer
from emovoz.inference import Prediction

SCORES = {"<i>joy</i>": 0.8123, "fear": 0.1877}


class _Shown(HTMLParser):
    """The text that a reader sees, which tags make it, and how wide each bar is."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text: list[str] = []
        self.tags: set[str] = set()
        self.widths: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        style = dict(attrs).get("style") or ""
        self.widths += [part.removeprefix("width:") for part in style.split(";") if part.startswith("width:")]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_a_prediction_shows_its_label_words_and_probabilities_and_runs_nothing() -> None:
    words = "<script>alert(1)</script>"
    shown = _Shown(Prediction("a.wav", "<i>joy</i>", SCORES, 3.14, words, ("speech", "text"), "m")._repr_html_())
    assert shown.text[:3] == ["a.wav", "<i>joy</i>", f"«{words}»"]
    assert shown.text[3:] == ["<i>joy</i>", "0.81", "fear", "0.19", "3.1 s · speech + text · m"]
    assert shown.widths == ["81.2%", "18.8%"]
    assert shown.tags == {"div", "span"}


def test_an_error_is_shown_in_its_place() -> None:
    assert _Shown(Prediction("b.wav", error="silent")._repr_html_()).text == ["b.wav", "not judged:", " silent"]


def test_a_recogniser_shows_what_it_knows(untrained: Recognizer) -> None:
    text = " ".join(_Shown(untrained._repr_html_()).text)
    assert "anger, fear, joy" in text
    assert "recipe default" in text
    assert "calibrated" in text
    assert "learned from" not in text
