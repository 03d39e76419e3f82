"""Functionals by openSMILE: one vector of acoustic statistics a clip, in the place of a pretrained encoder."""

import warnings
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from emovoz.corpus.audio import RESAMPLER
from emovoz.encoders.fingerprint import fingerprint
from emovoz.encoders.speech import SpeechEncoder
from emovoz.errors import InputError
from emovoz.progress import say

FEATURE_SETS = {"egemaps": "eGeMAPSv02", "compare": "ComParE_2016"}
"""What openSMILE calls them."""

PIECE_SECONDS = 50
FEWEST_SAMPLES = 960


class Functionals(SpeechEncoder):
    """A feature set of openSMILE (Eyben et al. 2010), its functionals over a whole clip: one hidden state, one frame.

    A recording over 100 s goes through in pieces of 50 to 100 s, each with functionals of its own, of which the head
    pools the mean: not what openSMILE gives for the recording at once. Clips under 60 ms are filled up with zeros,
    for openSMILE has nothing to say of them. The values span from 1e-7 to 1e11, so float16 does not hold them.

    Args:
        model: `egemaps` (eGeMAPSv02, Eyben et al. 2016) or `compare` (ComParE_2016, Schuller et al. 2016).

    Raises:
        InputError: openSMILE is not installed.
    """

    sample_rate = 16000
    layers = 1
    frame_rate = 1 / PIECE_SECONDS
    window_frames = 1
    overlap_frames = 0
    precision = "float32"
    # openSMILE does not work in several threads
    most_at_once = 1
    device = torch.device("cpu")

    def __init__(self, model: str) -> None:
        try:
            import opensmile
        except ImportError as error:
            raise InputError(
                f"{model} needs openSMILE, which is free for research only: pip install 'emovoz[opensmile]'"
            ) from error
        _tell_licence()
        feature_set = FEATURE_SETS[model]
        self.smile = opensmile.Smile(feature_set, opensmile.FeatureLevel.Functionals)
        self.dim = len(self.smile.feature_names)
        self.fingerprint = fingerprint(
            f"opensmile {opensmile.__version__}",
            feature_set=feature_set,
            level="functionals",
            fewest_samples=FEWEST_SAMPLES,
            sample_rate=self.sample_rate,
            resampler=RESAMPLER,
        )

    def _windows(self, waveform: np.ndarray) -> list[np.ndarray]:
        return [waveform]

    def _encode_batch(self, waveforms: list[np.ndarray], layers: list[int]) -> list[Tensor]:
        return [self._functionals(waveform)[[0] * len(layers)] for waveform in waveforms]

    def _functionals(self, waveform: np.ndarray) -> Tensor:
        """[1, 1, dim] of one clip."""
        filled = np.pad(waveform, (0, max(0, FEWEST_SAMPLES - len(waveform)))).astype(np.float32)
        with warnings.catch_warnings():
            # what it gives nothing for comes out as NaN, which is told by the clip's name
            warnings.filterwarnings("ignore", "Segment too short", UserWarning)
            return torch.from_numpy(self.smile(filled, self.sample_rate).reshape(1, 1, -1).copy())


@lru_cache(1)
def _tell_licence() -> None:
    """Once in a process."""
    say(
        "egemaps and compare are computed by openSMILE, whose licence allows research, teaching and private use; "
        "products need a licence of audEERING GmbH"
    )
