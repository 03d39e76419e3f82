"""A page of the report as a browser would make it, and results to make it of."""

from html.parser import HTMLParser
from typing import Any

from emovoz.evaluation.report import render_report
from emovoz.evaluation.sounds import Sound

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
        "macro_f1": {"value": 0.6021, "ci95": [0.5412, 0.6634], "ci95_speakers": [0.5112, 0.6934]},
        "uar": {"value": 0.6107, "ci95": [0.5513, 0.6718], "ci95_speakers": [0.5213, 0.7018]},
        "accuracy": {"value": 0.6209, "ci95": [0.5614, 0.6817], "ci95_speakers": [0.5314, 0.7117]},
        "per_class": scores,
        "confusion": [[30, 8, 2], [5, 27, 10], [0, 0, 0]],
        "labels": LABELS,
        "ece": 0.0876,
        "nll": 1.0321,
        "brier": 0.5432,
        "reliability": [
            {"low": 0.0, "high": 0.25, "n": 0.0, "confidence": None, "accuracy": None},
            {"low": 0.25, "high": 0.5, "n": 26.0, "confidence": 0.411, "accuracy": 0.311},
            {"low": 0.5, "high": 1.0, "n": 100.0, "confidence": 0.811, "accuracy": 0.711},
        ],
        "seeds": [{"seed": 0, "macro_f1": 0.597}, {"seed": 1, "macro_f1": 0.607}],
        "folds": [
            {"fold": 0, "groups": ["spk00", "spk07"], "n": 60, "training_clips": 66, "macro_f1": 0.571},
            {"fold": 1, "groups": ["spk03"], "n": 66, "training_clips": 60, "macro_f1": 0.639},
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


def mistake(clip: str, label: str, predicted: str, words: list[tuple[str, float]]) -> dict[str, Any]:
    seconds = [{"start": i / 4, "end": (i + 1) / 4, "score": score} for i, score in enumerate([-0.2, 0.1, 0.4, -0.3])]
    parts = {"together": 0.9, "alone": {"speech": 0.8, "text": 0.4}, "neither": 0.3}
    evidence = {
        "label": predicted,
        "seconds": seconds,
        "words": [{"text": text, "score": score} for text, score in words],
        "modalities": {**parts, "evidence": {"speech": 2.25, "text": -0.5}},
    }
    return {**hard(clip, label, 0.01, predicted, 0.98, "spk03", "dicho"), "evidence": evidence}


def chosen(value: Any, *scores: float) -> dict[str, Any]:
    settings = [{"training.regularisation": one} for one in (value, "other")]
    candidates = [
        {"settings": one, "macro_f1": score} for one, score in zip(settings, scores or (0.6, 0.5), strict=True)
    ]
    return {"settings": settings[0], "macro_f1": 0.6, "by": "5 inner folds", "clips": 90, "candidates": candidates}


def weights(*rows: tuple[int, float, float, float]) -> list[dict[str, float]]:
    return [dict(zip(("layer", "weight", "min", "max"), row, strict=True)) for row in rows]


def fit(fold: int | None, seed: int, losses: list[float], scores: list[float | None]) -> dict[str, Any]:
    epochs = [
        {"epoch": epoch, "loss": loss, "dev_macro_f1": score}
        for epoch, (loss, score) in enumerate(zip(losses, scores, strict=True), 1)
    ]
    return {"fold": fold, "seed": seed, "epochs": epochs}


def unlabelled_run() -> dict[str, Any]:
    nothing = dict.fromkeys(
        ["macro_f1", "uar", "accuracy", "per_class", "confusion", "ece", "nll", "brier", "reliability"]
    )
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

    def __init__(
        self, results: dict[str, Any], title: str = "emovoz report", sounds: dict[str, Sound] | None = None
    ) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.rows: list[list[str]] = []
        self.blocks: list[str] = []
        self.svg_titles: list[str] = []
        self.text = ""
        self.style = ""
        self._inside: list[str] = []
        self._gap = False
        self.feed(render_report(results, title=title, sounds=sounds or {}))

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
