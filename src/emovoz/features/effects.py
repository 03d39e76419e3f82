"""Effects on a waveform: samples in, samples out; what is random in them is drawn elsewhere.

Samples are float32 [time]. Nothing is clipped: what becomes louder may go beyond 1, and encoders take it as it is.
"""

import numpy as np
import soxr

AUDIBLE_HZ = 20.0
"""Below it, coloured noise rises no more: what nobody hears would else make up most of it."""


def speed(samples: np.ndarray, rate: int, factor: float) -> np.ndarray:
    """Played `factor` times as fast, pitch and all (Ko et al. 2015).

    >>> speed(np.ones(11000, np.float32), 16000, 1.1).shape
    (10000,)
    """
    return soxr.resample(samples, rate * factor, rate, quality="VHQ")


def tempo(samples: np.ndarray, rate: int, factor: float) -> np.ndarray:
    """Spoken `factor` times as fast, at the same pitch.

    >>> tempo(np.ones(11000, np.float32), 16000, 1.1).shape
    (10000,)
    """
    from audiomentations import TimeStretch

    stretch = TimeStretch(factor, factor, leave_length_unchanged=False, method="signalsmith_stretch", p=1.0)
    # else it would draw from a generator that the whole process shares
    stretch.parameters = {"should_apply": True, "rate": factor}
    stretch.freeze_parameters()
    # it fades in and out, in silence instead of in a short clip
    margin = rate // 4
    stretched = stretch(np.pad(samples, margin).astype(np.float32), rate)
    first = round(margin / factor)
    return stretched[first : first + round(len(samples) / factor)]


def reverberate(samples: np.ndarray, response: np.ndarray) -> np.ndarray:
    """Heard in a room: convolved with its impulse response, as long, as loud (RMS) and as early as before.

    As early: the direct path, which is the first peak of the response that is at least a quarter as high as its
    strongest, makes no delay. The strongest itself may be a later sum of reflections.

    Args:
        samples: [time].
        response: [time] at the same rate, not all zeros.

    >>> reverberate(np.array([1.0, 0.5]), np.array([0.0, 0.8, 0.6])).round(3).tolist()
    [0.698, 0.873]
    """
    from scipy.signal import fftconvolve

    direct = _direct_path(response)
    heard = fftconvolve(samples.astype(np.float64), response)[direct : direct + len(samples)]
    return heard * (rms(samples) / rms(heard)) if rms(heard) else samples


def add_noise(samples: np.ndarray, noise: np.ndarray, snr_db: float) -> np.ndarray:
    """With noise [time] over the whole clip, at this ratio of their powers; where either is silent, as it was.

    >>> add_noise(np.array([2.0, -2.0]), np.array([5.0, 5.0]), snr_db=20.0).tolist()
    [2.2, -1.8]
    """
    if not rms(samples) or not rms(noise):
        return samples
    return samples + noise * (rms(samples) / rms(noise) * 10 ** (-snr_db / 20))


def coloured_noise(length: int, rate: int, exponent: float, random: np.random.Generator) -> np.ndarray:
    """Noise [length] whose power falls with frequency to the power of `exponent`: 0 white, 1 pink, 2 brown."""
    spectrum = np.fft.rfft(random.standard_normal(length))
    frequencies = np.maximum(np.fft.rfftfreq(length, 1 / rate), AUDIBLE_HZ)
    return np.fft.irfft(spectrum * frequencies ** (-exponent / 2), length)


def gain(samples: np.ndarray, db: float) -> np.ndarray:
    """Louder by so many dB; softer where they are negative.

    >>> gain(np.array([0.5]), 20.0).tolist()
    [5.0]
    """
    return samples * 10 ** (db / 20)


def _direct_path(response: np.ndarray) -> int:
    from scipy.signal import find_peaks

    heights = np.abs(response)
    # a first or last sample is a peak between silences
    peaks, _ = find_peaks(np.pad(heights, 1), height=heights.max() / 4)
    return int(peaks[0]) - 1


def rms(samples: np.ndarray) -> float:
    """Root of the mean square."""
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
