"""Answers as the page shows them."""

from pathlib import Path

import numpy as np
import soundfile

from emovoz.inference.prediction import Prediction
from emovoz.inference.segment import Segment
from emovoz.inference.timeline import Timeline
from emovoz.serve.page_result import outline_of, problem_html, result_html

OUTLINE = np.ones(10)
SPITEFUL = "<script>alert(1)</script>"


def test_names_words_and_labels_of_others_are_no_html() -> None:
    scores = {SPITEFUL: 0.9, "joy": 0.1}
    answer = Prediction("x", SPITEFUL, scores, 2.0, SPITEFUL, ("speech", "text"), "model")
    for html in (result_html(answer, SPITEFUL, OUTLINE), problem_html(SPITEFUL)):
        assert "<script>" not in html
        assert "&lt;script&gt;" in html


def test_the_outline_follows_the_loudness(tmp_path: Path) -> None:
    loudness = np.repeat([0.25, 0.5, 0.125, 0.0], 8000)
    signs = np.where(np.arange(32000) % 2, 1, -1)
    soundfile.write(tmp_path / "steps.wav", np.stack([loudness * signs] * 2, 1), 16000, subtype="FLOAT")
    outline = outline_of(tmp_path / "steps.wav")
    assert [outline[int(len(outline) * place)] for place in (0.1, 0.4, 0.6, 0.9)] == [0.5, 1.0, 0.25, 0.0]


def test_a_recording_in_which_nobody_speaks_says_so_and_shows_no_probabilities() -> None:
    html = result_html(Timeline("x", seconds=12.0), "night.wav", OUTLINE)
    assert "nobody speaks" in html
    assert "%" not in html


def test_parts_lie_in_the_waveform_where_they_are_in_time() -> None:
    scores = {"joy": 0.75, "anger": 0.25}
    segments = (Segment(0.0, 5.0, "joy", scores), Segment(10.0, 20.0, "joy", scores))
    html = result_html(Timeline("x", "joy", scores, 20.0, None, ("speech",), segments=segments), "x.wav", OUTLINE)
    assert 'x="0.0" y="0" width="250.0"' in html
    assert 'x="500.0" y="0" width="500.0"' in html
    assert "0:00–0:05" in html
    assert "0:10–0:20" in html
