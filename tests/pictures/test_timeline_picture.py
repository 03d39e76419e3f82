"""The picture of a timeline, from ten seconds to hours: its emotions can be seen, and its size stays."""

from io import BytesIO

import numpy as np
import pytest
from matplotlib.image import imread

from emovoz.corpus.envelope import Envelope
from emovoz.inference.segment import Segment
from emovoz.inference.timeline import Timeline
from emovoz.pictures.palette import LOOKS, colours

LABELS = ("anger", "joy", "sadness")


def timeline(seconds: int, *labels: str) -> Timeline:
    """Three seconds of speech and one of silence in turn, and the labels in turn."""
    envelope, random = Envelope(16000), np.random.default_rng(0)
    second = 0.1 * random.standard_normal(16000).astype(np.float32)
    for _ in range(seconds):
        envelope.add(second)
    segments = []
    for i in range(seconds // 4 if labels else 0):
        label = labels[i % len(labels)]
        scores = {name: 0.6 if name == label else 0.2 for name in LABELS}
        segments.append(Segment(4.0 * i, 4.0 * i + 3, label, scores))
    return Timeline("a.wav", seconds=seconds, model="m", segments=tuple(segments), labels=LABELS, envelope=envelope)


def share(picture: np.ndarray, colour: str) -> float:
    """Of the dots that have a colour, to a rounding."""
    values = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return float((np.abs(picture[..., :3] - values).max(axis=-1) < 0.02).mean())


@pytest.mark.parametrize(("seconds", "look"), [(10, "light"), (3600, "dark")])
def test_the_emotions_that_are_there_are_seen_and_no_other(seconds: int, look: str) -> None:
    picture = imread(BytesIO(timeline(seconds, "joy", "sadness").to_png(look)))
    assert picture.shape == (832, 1920, 4)
    colour = colours(LABELS, LOOKS[look])
    assert share(picture, LOOKS[look].paper) > 0.4
    # a joy of half of the time: the strip alone is a twentieth of the picture
    assert share(picture, colour["joy"]) > 0.015
    assert share(picture, colour["sadness"]) > 0.015
    # in the legend, and its curve
    assert share(picture, colour["anger"]) < 0.006


def test_a_recording_without_speech_has_a_picture_that_says_so() -> None:
    silent, spoken = timeline(10), timeline(10, "joy")
    assert silent.to_png() != spoken.to_png()
    assert share(imread(BytesIO(silent.to_png())), colours(LABELS)["joy"]) < 0.001


def test_a_notebook_shows_it() -> None:
    assert timeline(10, "joy")._repr_html_().startswith('<img alt="Timeline of emotions"')


def test_the_outline_is_that_of_the_whole_however_it_comes() -> None:
    samples = np.random.default_rng(0).standard_normal(10 * 16000).astype(np.float32)
    samples[77_777] = 9.0
    whole = Envelope(16000)
    for at in range(0, len(samples), 999):
        whole.add(samples[at : at + 999])
    size = round(whole.bin_seconds * 16000)
    bins = samples[: len(whole.lows) * size].reshape(-1, size)
    np.testing.assert_array_equal(whole.lows, bins.min(axis=1))
    np.testing.assert_array_equal(whole.highs, bins.max(axis=1))
    assert whole.seconds == 10


def test_the_outline_of_hours_is_small_and_right() -> None:
    envelope = Envelope(16000)
    for minute in range(180):
        envelope.add(np.full(16000 * 60, minute / 180, np.float32))
    assert len(envelope.lows) < 4096
    times = (np.arange(len(envelope.lows)) + 0.5) * envelope.bin_seconds
    np.testing.assert_allclose(envelope.highs, times // 60 / 180, atol=1.01 / 180)
    assert envelope.seconds == 180 * 60


def test_a_dollar_sign_begins_no_formula() -> None:
    formula = r"$\no{formula$"
    scores = {formula: 0.9, "joy": 0.1}
    told = Timeline(
        f"{formula}.wav", seconds=4.0, model=formula, segments=(Segment(0, 4, formula, scores),), labels=(*scores,)
    )
    assert imread(BytesIO(told.to_png())).shape == (832, 1920, 4)
