"""SpeakerAdaptation: voices brought to the usual one, as far as their clips tell them."""

import numpy as np
import pytest
import torch

from emovoz.model import EmotionHead, EmotionHeadConfig
from emovoz.model.adaptation import SpeakerAdaptation
from emovoz.settings import Model

DIM = 4
FIXED = {"layer_mix": "concatenate", "layer_norm": False, "pooling": "mean", "fusion": "pooled"}


def fitted(speakers: int = 6, clips: int = 20, *, named: bool = True) -> tuple[SpeakerAdaptation, np.ndarray]:
    random = np.random.default_rng(0)
    voices = random.normal(0, 2, (speakers, 1, DIM))
    vectors = (voices + random.normal(3, 1, (speakers, clips, DIM))).astype(np.float32)
    adaptation = SpeakerAdaptation(DIM)
    names = [f"s{i}" if named else None for i in range(speakers) for _ in range(clips)]
    adaptation.fit(torch.tensor(vectors.reshape(-1, DIM)), names)
    return adaptation, vectors.astype(np.float64)


@pytest.mark.parametrize("n", [1, 3, 30])
def test_it_is_the_posterior_of_the_docstring(n: int) -> None:
    adaptation, training = fitted()
    random = np.random.default_rng(1)
    own, new = random.normal(7, 3, (n, DIM)), random.normal(7, 3, (5, DIM))
    m, v = training.mean((0, 1)), training.var(1).mean(0)
    x, s = own.mean(0), own.var(0) * n
    offset = n / (n + 3) * (x - m)
    variance = (3 * v + s + 3 * n / (n + 3) * (x - m) ** 2) / (3 + n)
    expected = m + (new - m - offset) * np.sqrt(v / variance)
    found = adaptation(torch.tensor(new), torch.tensor(own))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5)


def test_without_a_clip_nothing_changes_and_many_clips_make_a_voice_usual() -> None:
    adaptation, training = fitted()
    voice = torch.tensor(np.random.default_rng(2).normal(-5, 4, (20000, DIM)))
    assert adaptation(voice, voice[:0]) is voice
    after = adaptation(voice, voice)
    np.testing.assert_allclose(after.mean(0), training.mean((0, 1)), atol=0.01)
    np.testing.assert_allclose(after.std(0), training.std(1).mean(0), rtol=0.05)


def test_a_value_that_never_varied_stays_as_it_is() -> None:
    adaptation = SpeakerAdaptation(2)
    adaptation.fit(torch.tensor([[1.0, 0.0], [1.0, 2.0]]), ["ana", "ana"])
    after = adaptation(torch.tensor([[1.0, 5.0]]), torch.tensor([[1.0, 4.0], [1.0, 6.0]]))
    assert after[0, 0] == 1
    assert torch.isfinite(after).all()


def test_where_training_names_no_speaker_the_deviation_is_that_over_all() -> None:
    nameless, training = fitted(named=False)
    np.testing.assert_allclose(nameless.deviation, training.reshape(-1, DIM).std(0), rtol=1e-5)
    assert (fitted()[0].deviation < nameless.deviation).all()


@pytest.mark.parametrize(
    ("shapes", "settings", "part"),
    [
        (["speech"], {}, "speech"),
        (["speech"], {"fusion": "time"}, "joint"),
        (["speech", "text"], {}, "speech"),
        (["speech", "text"], {"fusion": "gated"}, "speech"),
        (["text"], {}, None),
        (["text"], {"fusion": "time"}, None),
        (["speech"], {"pooling": "attention"}, None),
    ],
)
def test_only_speech_is_adapted_and_only_where_pooling_is_fixed(
    shapes: list[str], settings: dict[str, str], part: str | None
) -> None:
    model = Model.model_validate({**FIXED, **settings})
    head = EmotionHead(EmotionHeadConfig.of(model, dict.fromkeys(shapes, (2, 8)), ["a", "b"], adapts=True))
    assert (head.adaptation is not None) == (part is not None)
    if part is not None:
        assert head.speech_part == part
    plain = EmotionHead(EmotionHeadConfig.of(model, dict.fromkeys(shapes, (2, 8)), ["a", "b"]))
    assert plain.adaptation is None
