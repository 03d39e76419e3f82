"""Utterances in a stream: where silero-vad itself finds them, however the stream comes, and cut where it is quiet."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from emovoz import Corpus, InputError
from emovoz.corpus import load_audio
from emovoz.utterances import Limits, utterances
from emovoz.utterances.cutting import Cutter, Span
from emovoz.utterances.speech import WINDOW

RATE = 16000
ENDLESS = 3600.0


@pytest.fixture(scope="module")
def conversation(demo: Corpus) -> np.ndarray:
    """Half a minute of demo speech with pauses from a tenth of a second to two, float32 [time]."""
    random, parts = np.random.default_rng(0), []
    for clip in demo.clips[:10]:
        assert clip.audio is not None
        pause = 1e-4 * random.standard_normal(int(RATE * random.uniform(0.1, 2)))
        parts += [load_audio(clip.audio), pause.astype(np.float32)]
    return np.concatenate(parts)


def found(samples: np.ndarray, limits: Limits, block: int = 7777) -> list[tuple[int, int]]:
    blocks = [samples[at : at + block] for at in range(0, len(samples), block)]
    return [(round(one.start * RATE), round(one.end * RATE)) for one in utterances(blocks, limits)]


@pytest.mark.parametrize(
    "limits",
    [
        Limits(longest=ENDLESS),
        Limits(shortest=0.5, longest=ENDLESS, pause=0.2, padding=0.05),
        Limits(shortest=0.1, longest=ENDLESS, pause=1.5, padding=0.3),
        Limits(shortest=2.5, longest=ENDLESS, pause=0.1, padding=0.0),
    ],
    ids=str,
)
def test_they_are_where_silero_vad_finds_them_in_the_whole(conversation: np.ndarray, limits: Limits) -> None:
    from silero_vad import get_speech_timestamps, load_silero_vad  # type: ignore[import-untyped]

    expected = get_speech_timestamps(
        torch.from_numpy(conversation),
        load_silero_vad(),
        min_speech_duration_ms=1000 * limits.shortest,
        min_silence_duration_ms=1000 * limits.pause,
        speech_pad_ms=1000 * limits.padding,
    )
    assert len(expected) > 3
    assert found(conversation, limits) == [(one["start"], one["end"]) for one in expected]


def test_they_do_not_depend_on_how_the_stream_is_cut_into_blocks(conversation: np.ndarray) -> None:
    limits = Limits(longest=2)
    whole = found(conversation, limits, len(conversation))
    for block in (160, 511, 100_000):
        assert found(conversation, limits, block) == whole


def test_each_holds_its_samples(conversation: np.ndarray) -> None:
    for one in utterances(np.array_split(conversation, 50), Limits(longest=1.5)):
        part = conversation[round(one.start * RATE) : round(one.end * RATE)]
        np.testing.assert_array_equal(one.samples, part)


def test_speech_that_is_too_long_is_cut_without_losing_any(conversation: np.ndarray) -> None:
    speech = found(conversation, Limits(longest=ENDLESS))
    pieces = found(conversation, Limits(longest=1.5))
    assert max(last - first for first, last in pieces) <= 1.5 * RATE
    assert min(last - first for first, last in pieces) >= 0.25 * RATE
    joined = [list(pieces[0])]
    for (_, before), (first, last) in pairwise(pieces):
        if first == before:
            joined[-1][1] = last
        else:
            joined.append([first, last])
    assert [tuple(one) for one in joined] == speech


def test_a_cut_falls_into_the_breath_of_a_speaker(demo: Corpus) -> None:
    first, second = (load_audio(clip.audio) for clip in demo.clips[:2] if clip.audio is not None)
    breath = np.zeros(int(0.25 * RATE), np.float32)
    one, other = utterances([np.concatenate([first, breath, second])], Limits(longest=3.5, pause=1))
    assert one.end == other.start
    # the clips themselves end and begin quietly
    assert len(first) / RATE - 0.1 < one.end < (len(first) + len(breath)) / RATE + 0.1


def test_what_is_neither_speech_nor_quiet_does_not_go_on_for_ever() -> None:
    cutter = Cutter(Limits(longest=4, pause=1))
    windows = [0.9] * 20 + [0.3] + [0.4] * 100_000
    spans = [span for probability in windows for span in cutter(probability)]
    assert spans == [Span(0, 20 * WINDOW + RATE // 10)]
    assert 100_021 * WINDOW - cutter.needed_from < RATE


def test_nobody_speaks_in_silence_noise_or_nothing() -> None:
    noise = 0.05 * np.random.default_rng(0).standard_normal(10 * RATE)
    for samples in (np.zeros(10 * RATE), noise, np.empty(0), np.zeros(100)):
        assert found(samples.astype(np.float32), Limits()) == []


def test_the_number_of_torchs_threads_stays() -> None:
    before = torch.get_num_threads()
    list(utterances([np.zeros(1000, np.float32)]))
    assert torch.get_num_threads() == before


def test_limits_that_contradict_each_other_are_told_all_at_once() -> None:
    with pytest.raises(InputError) as caught:
        Limits(shortest=3, longest=5, pause=0.1, padding=0.2)
    assert len(caught.value.faults) == 2
    with pytest.raises(InputError, match=r"pause -1: seconds are wanted"):
        Limits(pause=-1)
