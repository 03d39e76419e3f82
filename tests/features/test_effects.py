"""Effects on the waveform do what their names say, by measurements that know nothing of how they are made."""

import numpy as np
import pytest
import scipy.signal

from emovoz.features.effects import add_noise, coloured_noise, gain, reverberate, speed, tempo
from sounds import noise, peak_frequency, rms, tone

RATE = 16000
SHORTEST = 400
"""25 ms, the shortest clip that is taken at all."""


def real(samples: np.ndarray) -> np.ndarray:
    return samples.astype(np.float32)


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.1, 2.0])
def test_speed_changes_duration_and_pitch_by_its_factor(factor: float) -> None:
    fast = speed(real(tone(RATE, 2)), RATE, factor)
    assert len(fast) == pytest.approx(2 * RATE / factor, abs=1)
    assert peak_frequency(fast, RATE) == pytest.approx(440 * factor, abs=1)
    assert rms(fast) == pytest.approx(rms(tone(RATE)), rel=0.01)


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.1, 2.0])
def test_tempo_changes_duration_by_its_factor_and_keeps_pitch_and_level(factor: float) -> None:
    fast = tempo(real(tone(RATE, 2)), RATE, factor)
    assert len(fast) == pytest.approx(2 * RATE / factor, abs=1)
    assert peak_frequency(fast, RATE) == pytest.approx(440, abs=1)
    assert rms(fast) == pytest.approx(rms(tone(RATE)), rel=0.02)


@pytest.mark.parametrize("factor", [0.8, 1.25])
def test_tempo_moves_every_sound_to_its_new_time(factor: float) -> None:
    samples = np.zeros(2 * RATE, np.float32)
    samples[RATE - 200 : RATE + 200] = tone(RATE, 400 / RATE)
    power = np.square(tempo(samples, RATE, factor), dtype=np.float64)
    assert (np.arange(len(power)) * power).sum() / power.sum() / RATE == pytest.approx(1 / factor, abs=0.01)


def test_tempo_gives_the_same_bits_again_and_leaves_the_process_its_randomness(speech_samples: np.ndarray) -> None:
    before = str(np.random.get_state())
    first, second = (tempo(speech_samples[: 3 * RATE], RATE, 1.07) for _ in range(2))
    assert np.array_equal(first, second)
    assert str(np.random.get_state()) == before


@pytest.mark.parametrize("seconds", [0.025, 0.1, 3.0])
def test_clips_of_any_length_keep_their_level_through_speed_and_tempo(
    speech_samples: np.ndarray, seconds: float
) -> None:
    clip = speech_samples[8000 : 8000 + round(seconds * RATE)]
    for effect in (speed, tempo):
        for factor in (0.9, 1.1):
            changed = effect(clip, RATE, factor)
            assert len(changed) == pytest.approx(len(clip) / factor, abs=1)
            assert rms(changed) == pytest.approx(rms(clip), rel=0.1)


@pytest.mark.parametrize("delay", [0, 1, 777])
def test_a_response_that_is_a_pure_delay_gives_the_clip_back(speech_samples: np.ndarray, delay: int) -> None:
    clip = speech_samples[: 2 * RATE]
    delta = np.zeros(delay + 50)
    delta[delay] = -0.01 if delay else 3.0
    sign = np.sign(delta[delay])
    np.testing.assert_allclose(sign * reverberate(clip, delta), clip, atol=1e-6)


def test_reverberation_keeps_length_energy_and_direct_path(speech_samples: np.ndarray) -> None:
    clip = speech_samples[: 2 * RATE]
    random = np.random.default_rng(0)
    tail = random.standard_normal(4000) * np.exp(-np.arange(4000) / 800) * 0.1
    response = np.concatenate([np.zeros(320), [1.0], tail])
    heard = reverberate(clip, response)
    assert len(heard) == len(clip)
    assert rms(heard) == pytest.approx(rms(clip), rel=1e-6)
    # by plain convolution: what the room does, from the moment the direct path arrives
    expected = scipy.signal.oaconvolve(clip.astype(float), response)[320 : 320 + len(clip)]
    np.testing.assert_allclose(heard, expected * rms(clip) / rms(expected), atol=1e-6)
    lag = scipy.signal.correlate(heard, clip, method="fft").argmax() - (len(clip) - 1)
    assert lag == 0


def test_the_direct_path_makes_no_delay_where_reflections_together_are_louder(speech_samples: np.ndarray) -> None:
    clip = speech_samples[: 2 * RATE]
    response = np.zeros(1000)
    # sound arrives at 300; what ripples before it is the filter of a simulation
    response[[296, 298, 300, 420]] = 0.05, -0.1, 0.6, 1.0
    expected = scipy.signal.oaconvolve(clip.astype(float), response)[300 : 300 + len(clip)]
    np.testing.assert_allclose(reverberate(clip, response), expected * rms(clip) / rms(expected), atol=1e-6)


@pytest.mark.parametrize("snr", [-5.0, 0.0, 17.3, 60.0])
@pytest.mark.parametrize("seconds", [0.1, 2.0])
def test_the_signal_to_noise_ratio_is_exact_over_the_whole_clip(
    speech_samples: np.ndarray, seconds: float, snr: float
) -> None:
    clip = speech_samples[: round(seconds * RATE)]
    added = add_noise(clip, 7 * noise(seconds), snr) - clip
    assert 10 * np.log10(np.mean(clip.astype(float) ** 2) / np.mean(added**2)) == pytest.approx(snr, abs=1e-4)
    quarters = [rms(part) for part in np.array_split(added, 4)]
    assert min(quarters) > 0.8 * max(quarters)


def test_silence_gets_no_noise_and_silent_noise_adds_nothing() -> None:
    silence, sound = np.zeros(RATE, np.float32), real(tone(RATE))
    assert not add_noise(silence, noise(1), 10).any()
    assert np.array_equal(add_noise(sound, silence, 10), sound)
    assert np.array_equal(reverberate(silence, noise(0.1)), silence)


@pytest.mark.parametrize(("exponent", "fall"), [(0, 0), (1, 3), (2, 6)])
def test_coloured_noise_falls_by_as_many_decibels_an_octave(exponent: int, fall: int) -> None:
    samples = coloured_noise(30 * RATE, RATE, exponent, np.random.default_rng(0))
    frequencies, power = scipy.signal.welch(samples, RATE, nperseg=4096)
    levels = [
        10 * np.log10(power[(frequencies >= low) & (frequencies < 1.25 * low)].mean())
        for low in (100, 200, 400, 800, 1600, 3200)
    ]
    assert np.diff(levels) == pytest.approx([-fall] * 5, abs=0.6)


@pytest.mark.parametrize("length", [1, 2, 7, SHORTEST])
def test_there_is_coloured_noise_of_any_length(length: int) -> None:
    for exponent in (0, 1, 2):
        samples = coloured_noise(length, RATE, exponent, np.random.default_rng(0))
        assert samples.shape == (length,)
        assert np.isfinite(samples).all()


def test_gain_changes_the_level_by_its_decibels_and_never_clips() -> None:
    loud = gain(real(tone(RATE)), 20)
    assert 20 * np.log10(rms(loud) / rms(tone(RATE))) == pytest.approx(20, abs=1e-4)
    assert loud.max() == pytest.approx(3, rel=1e-4)
