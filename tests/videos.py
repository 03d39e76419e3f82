"""Videos that tests write: a picture, and speech."""

from fractions import Fraction
from pathlib import Path

import numpy as np


def write_video(path: Path, samples: np.ndarray, rate: int) -> Path:
    """A grey picture for as long as the samples [time] last, with them in AAC."""
    import av

    with av.open(str(path), "w") as container:
        film = container.add_stream("mpeg4", rate=5)
        film.width, film.height, film.pix_fmt = 64, 64, "yuv420p"
        track = container.add_stream("aac", rate=rate, layout="mono")
        for _ in range(int(5 * len(samples) / rate)):
            grey = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 128, np.uint8), format="rgb24")
            container.mux(film.encode(grey))
        container.mux(film.encode(None))
        for at in range(0, len(samples), 1024):
            block = np.ascontiguousarray(samples[None, at : at + 1024], np.float32)
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = rate, at, Fraction(1, rate)
            container.mux(track.encode(frame))
        container.mux(track.encode(None))
    return path
