"""Padding, the words of a crop and SpecAugment: what is shown of a clip, and what the head makes of it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from emovoz import Clip, Corpus, FeatureStore, InputError, Recipe, TextEncoder, Waveform, crossval, train
from emovoz.encoders import load_speech_encoder
from emovoz.features import ClipFeatures, FrozenEncoders, encode_clips
from emovoz.inference import probabilities
from emovoz.inference.temperature import tempered
from emovoz.model import EmotionHead, EmotionHeadConfig
from emovoz.settings import Augmentation, Model, SpecAugment
from emovoz.training.examples import Examples, collate_examples
from emovoz.training.spec_augment import spec_augment
from emovoz.training.variation import Varied
from emovoz.training.word_places import word_places

RATE = 50


def speech_only(*lengths: int) -> Examples:
    """Clips of three layers of random frames."""
    random = torch.Generator().manual_seed(0)
    features = [ClipFeatures({"speech": torch.randn(3, length, 6, generator=random)}) for length in lengths]
    return Examples(features, [i % 2 for i in range(len(lengths))], [f"c{i}" for i in range(len(lengths))], False, RATE)


def varied(of: Examples, epoch: int = 0, **settings: Any) -> Varied:
    shown = Varied(of, Augmentation.model_validate(settings), 0, 2)
    shown.epoch = epoch
    return shown


def speech(of: Varied, i: int) -> Tensor:
    return of[i].features.by_modality["speech"]


def head() -> EmotionHead:
    torch.manual_seed(0)
    return EmotionHead(EmotionHeadConfig.of(Model(), {"speech": (3, 6)}, ["a", "b"])).eval()


def logits(of: Varied) -> Tensor:
    batch = collate_examples([of[i] for i in range(len(of))], {"speech": (3, 6)})
    with torch.no_grad():
        return head()(**batch).logits


def test_zero_padding_changes_nothing() -> None:
    of = speech_only(4, 30, 9)
    padded = logits(varied(of, crop_seconds=0.2))
    alone = [logits(varied(of.select([i]), crop_seconds=0.2)) for i in range(3)]
    torch.testing.assert_close(padded, torch.cat(alone))
    # what is shorter than the crop of ten frames is shown as it is
    torch.testing.assert_close(padded[[0, 2]], logits(varied(of))[[0, 2]])


def test_repeated_frames_fill_the_crop_and_count() -> None:
    of = speech_only(4, 30, 10)
    shown = varied(of, crop_seconds=0.2, padding="repeat")
    short, long, equal = (speech(shown, i) for i in range(3))
    assert short.shape[1] == long.shape[1] == equal.shape[1] == 10
    frames = of[0].features.by_modality["speech"]
    assert torch.equal(short, torch.cat([frames, frames, frames[:, :2]], 1))
    assert torch.equal(long, speech(varied(of, crop_seconds=0.2), 1))
    assert torch.equal(equal, of[2].features.by_modality["speech"])
    batch = collate_examples([shown[i] for i in range(3)], {"speech": (3, 6)})
    assert batch["speech_mask"].all()
    # frames 0 and 1 are there three times, 2 and 3 twice
    mean = (3 * frames[:, :2].sum(1) + 2 * frames[:, 2:].sum(1)) / 10
    torch.testing.assert_close(short.mean(1), mean)
    assert not torch.allclose(logits(shown)[0], logits(varied(of))[0], atol=1e-4)


def test_evaluation_sees_the_whole_clip(tiny_bert: Path, tiny_whisper: Path, tmp_path: Path) -> None:
    corpus = spoken()
    settings = ["augmentation.crop_seconds=0.3", "augmentation.padding=repeat", "augmentation.crop_words=true"]
    recognizer = train(corpus, recipe(tiny_bert, tiny_whisper, *settings), dev=corpus, store=FeatureStore(tmp_path))
    (prediction,) = recognizer.predict(corpus.clips[0])
    (whole,) = encode_clips(corpus.clips[:1], recognizer.encoders)
    assert isinstance(whole, ClipFeatures)
    assert whole.by_modality["speech"].shape[1] == 50
    expected = tempered(probabilities(recognizer.head, [whole]), recognizer.temperature)[0]
    assert list(prediction.scores.values()) == pytest.approx(list(expected), abs=1e-4)


WORDS = "«¿Cuántas veces?» preguntó; doble espacio"
TIMES = ((0.0, 0.4), (0.5, 0.7), (1.0, 1.4), (1.5, 1.5), (1.6, 2.0))
PREFIX = ["<s>", "▁que", "ry", ":"]
TOKENS = [["▁«", "¿", "Cu", "án", "tas"], ["▁veces", "?»"], ["▁pre", "gun", "tó", ";"], ["▁doble"], ["▁espacio"]]


def noise(seconds: float) -> Waveform:
    return Waveform(np.random.default_rng(0).normal(0, 0.1, int(16000 * seconds)).astype(np.float32), 16000)


def test_a_crop_shows_the_words_whose_middle_it_holds_with_prefix_and_special_tokens(
    e5: TextEncoder, tiny_whisper: Path
) -> None:
    settings = {"speech": {"model": str(tiny_whisper)}, "text": {"model": "multilingual-e5-small"}}
    encoders = FrozenEncoders.of(Recipe.checked(settings))
    clips = [Clip("a", noise(2), transcription=WORDS, word_times=TIMES), Clip("b", noise(2), transcription=WORDS)]
    (places, unknown) = word_places(Corpus(clips), encoders)
    assert places is not None
    assert unknown is None
    states = e5.encode_each([WORDS], [-1])[0]
    ids = e5.tokens([WORDS])[0]
    tokens = [e5.tokenizer.id_to_token(one) for one in ids]
    assert tokens == [*PREFIX, *(token for word in TOKENS for token in word), "</s>"]
    row_of = {tuple(row.tolist()): token for row, token in zip(states[0], tokens, strict=True)}
    frames = torch.arange(100.0).reshape(1, -1, 1)
    features = [ClipFeatures({"speech": frames, "text": states})] * 2
    of = Examples(features, [0, 1], ["a", "b"], False, RATE, word_places=[places, unknown])
    seen = set()
    for epoch in range(60):
        shown = varied(of, epoch, crop_seconds=0.5, crop_words=True)[0].features.by_modality
        start = shown["speech"][0, 0, 0].item() / RATE
        # the middles of the five words
        inside = [start <= middle < start + 0.5 for middle in (0.2, 0.6, 1.2, 1.5, 1.8)]
        expected = [token for own, word in zip(inside, TOKENS, strict=True) for token in word if own]
        if expected:
            # the very vectors of the whole sentence
            assert [row_of[tuple(row.tolist())] for row in shown["text"][0]] == [*PREFIX, *expected, "</s>"]
        else:
            assert "text" not in shown
        seen.add(tuple(inside))
        assert torch.equal(varied(of, epoch, crop_seconds=0.5, crop_words=True)[1].features.by_modality["text"], states)
    assert len(seen) >= 5


def test_of_a_crop_between_words_no_word_is_shown(tiny_bert: Path, tiny_whisper: Path) -> None:
    encoders = FrozenEncoders.of(recipe(tiny_bert, tiny_whisper))
    clip = Clip("a", noise(2), transcription="la casa", word_times=((0.0, 0.1), (1.9, 2.2)))
    places = word_places(Corpus([clip]), encoders)
    features = [ClipFeatures({"speech": torch.arange(100.0).reshape(1, -1, 1), "text": torch.zeros(1, 4, 24)})]
    of = Examples(features, [0], ["a"], False, RATE, word_places=places)
    for epoch in range(40):
        shown = varied(of, epoch, crop_seconds=1.0, crop_words=True)[0].features.by_modality
        # a crop of a second cannot hold both; a word that ends after the clip is still in its last stretch
        start = shown["speech"][0, 0, 0].item()
        assert shown.get("text", torch.zeros(1, 0, 24)).shape[1] == (3 if start <= 2 or start >= 50 else 0)
    whole = varied(of, crop_seconds=2.0, crop_words=True)[0].features.by_modality
    assert whole["text"].shape[1] == 4


def spoken(times: bool = True) -> Corpus:
    """Twelve clips of a second, two words each."""
    words = {"joy": "qué alegría", "fear": "miedo no"}
    return Corpus(
        [
            Clip(
                f"{label}{i}",
                noise(1 + i / 10),
                transcription=said,
                label=label,
                word_times=((0.0, 0.4), (0.5, 0.9)) if times else None,
            )
            for i in range(6)
            for label, said in words.items()
        ]
    )


def recipe(tiny_bert: Path, tiny_whisper: Path, *settings: str) -> Recipe:
    sections = [f"speech.model={tiny_whisper}", "speech.layers=[1]", f"text.model={tiny_bert}", "text.layers=[1]"]
    head = ["model.layer_mix=weighted", "model.standardise=false", "model.pooling=attention", "training.epochs=2"]
    return Recipe.load("default-gradient", [*sections, *head, *settings])


def test_crop_words_is_refused_where_no_clip_has_times_or_they_do_not_fit(
    tiny_bert: Path, tiny_whisper: Path, tmp_path: Path
) -> None:
    wanted = recipe(tiny_bert, tiny_whisper, "augmentation.crop_seconds=0.3", "augmentation.crop_words=true")
    store = FeatureStore(tmp_path)
    with pytest.raises(InputError, match="no clip has word times"):
        train(spoken(times=False), wanted, store=store)
    clips = [*spoken(), Clip("x", noise(1), transcription="no", label="joy", word_times=((0, 1), (1, 2)))]
    with pytest.raises(InputError, match=r"^x: word_times has 2 pairs for 1 word;"):
        crossval(Corpus(clips), wanted, store=store)


def test_spec_augment_hides_stretches_and_bands_alike_in_every_layer() -> None:
    features = torch.randn(3, 40, 20, generator=torch.Generator().manual_seed(0))
    settings = SpecAugment(time_masks=1, time_share=0.5, band_masks=1, band_share=0.3)
    lengths, widths = [], []
    for seed in range(400):
        shown = spec_augment(features, settings, np.random.default_rng(seed))
        changed = shown != features
        assert torch.equal(changed.all(0), changed.any(0))
        stretch, band = changed[0].all(1), changed[0].all(0)
        lengths.append(int(stretch.sum()))
        widths.append(int(band.sum()))
        for hidden in (stretch, band):
            where = hidden.nonzero().flatten()
            assert len(where) == 0 or len(where) == where[-1] - where[0] + 1
        mean_frame = features.mean(1, keepdim=True).expand(-1, lengths[-1], -1)
        torch.testing.assert_close(shown[:, stretch][..., ~band], mean_frame[..., ~band])
        mean = features.mean((1, 2)).reshape(3, 1, 1)
        torch.testing.assert_close(shown[..., band], mean.expand(-1, 40, widths[-1]))
        untouched = shown[:, ~stretch][..., ~band]
        assert torch.equal(untouched, features[:, ~stretch][..., ~band])
    # 0 to 20 frames and 0 to 6 bands, each as often
    assert set(lengths) == set(range(21))
    assert np.mean(lengths) == pytest.approx(10, abs=1)
    assert set(widths) == set(range(7))
    assert np.mean(widths) == pytest.approx(3, abs=0.4)


def test_spec_augment_leaves_the_stored_features_and_a_clip_of_one_frame_alone() -> None:
    one = torch.randn(2, 1, 8, generator=torch.Generator().manual_seed(0)).half()
    before = one.clone()
    settings = SpecAugment(time_masks=3, time_share=0.9, band_masks=1, band_share=0.5)
    for seed in range(50):
        shown = spec_augment(one, settings, np.random.default_rng(seed))
        assert shown.dtype == torch.float16
        # bands are hidden, time is not
        assert bool((shown == one).any())
    assert torch.equal(one, before)


def test_spec_augment_is_drawn_by_clip_and_epoch_and_comes_after_crop_and_padding() -> None:
    of = speech_only(4, 30)
    settings = {"crop_seconds": 0.2, "padding": "repeat", "spec_augment": {"time_share": 0.5, "band_share": 0.5}}
    first = varied(of, 3, **settings)
    assert all(torch.equal(speech(first, i), speech(varied(of, 3, **settings), i)) for i in range(2))
    assert torch.equal(speech(varied(of.select([1]), 3, **settings), 0), speech(first, 1))
    assert not torch.equal(speech(varied(of, 4, **settings), 0), speech(first, 0))
    plain = varied(of, 3, crop_seconds=0.2, padding="repeat")
    for i in range(2):
        shown, cut = speech(first, i), speech(plain, i)
        assert shown.shape == cut.shape
        assert bool((shown == cut).any())
    # a clip mixed with itself is what it shows without a partner
    alone = of.select([1])
    mixed = varied(alone, 3, mixup=0.5, **settings)
    torch.testing.assert_close(speech(mixed, 0), speech(first, 1))


@pytest.mark.parametrize("shown", ["augmentation.crop_seconds=0.2", "augmentation.spec_augment={}"])
def test_a_width_that_is_there_already_gives_nothing_to_show_stretches_to(
    demo: Corpus, tiny_whisper: Path, tmp_path: Path, shown: str
) -> None:
    store = FeatureStore(tmp_path)
    dim = load_speech_encoder(str(tiny_whisper)).dim
    settings = [f"speech.model={tiny_whisper}", "speech.layers=last", "model.standardise=false"]
    refused = Recipe.load("speech-gradient", [*settings, f"model.width={dim}", "model.pooling=mean", shown])
    for work in (train, crossval):
        with pytest.raises(InputError, match=rf"model\.width {dim} is the width that there is"):
            work(Corpus(demo.clips[:12]), refused, store=store)
    assert not list(tmp_path.rglob("*.safetensors"))
