"""Clips held out in training, adapted as test clips will be."""

from dataclasses import replace

import torch

from emovoz.model import EmotionHead, EmotionHeadConfig
from emovoz.settings import Model
from emovoz.training.adapted import adapted_examples, fit_adaptation
from emovoz.training.examples import Examples
from emovoz.training.pooled import pooled_examples
from fits import LABELS, examples

MODEL = Model(layer_mix="concatenate", layer_norm=False, pooling="mean", fusion="pooled")


def known() -> tuple[EmotionHead, Examples]:
    """A head that knows what is usual of six clips of each of two speakers, and these, pooled."""
    head = EmotionHead(EmotionHeadConfig.of(MODEL, {"speech": (2, 8)}, LABELS, adapts=True))
    pooled = pooled_examples(head, replace(examples(12), speakers=["ana"] * 6 + ["leo"] * 6))
    fit_adaptation(head, pooled)
    return head, pooled


def vectors(of: Examples) -> torch.Tensor:
    return torch.stack([clip.by_modality["speech"] for clip in of.features])


def test_all_is_by_every_clip_of_the_speaker() -> None:
    head, given = known()
    assert head.adaptation is not None
    found, plain = vectors(adapted_examples(head, given, "all", 0)), vectors(given)
    assert torch.allclose(found[:6], head.adaptation(plain[:6], plain[:6]))
    assert torch.allclose(found[6:], head.adaptation(plain[6:], plain[6:]))
    assert torch.equal(vectors(adapted_examples(head, given, "none", 0)), plain)


def test_a_number_is_by_others_of_the_speaker_whatever_the_order_of_the_clips() -> None:
    head, given = known()
    assert head.adaptation is not None
    plain, whole = vectors(given), vectors(adapted_examples(head, given, 99, 0))
    # fewer than asked for: all others, never the clip itself
    assert torch.allclose(whole[0], head.adaptation(plain[0], plain[1:6]), atol=1e-6)
    drawn = vectors(adapted_examples(head, given, 2, 0))
    turned = vectors(adapted_examples(head, given.select(range(11, -1, -1)), 2, 0))
    assert torch.allclose(drawn, turned.flip(0), atol=1e-6)
    assert not torch.allclose(drawn, vectors(adapted_examples(head, given, 2, 1)))
