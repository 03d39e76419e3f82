"""What a voice is put into: noise and rooms, from the user's files or made up."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import soxr

from emovoz.corpus import load_parts, seconds_of
from emovoz.corpus.class_folders import is_no_audio, visible_files
from emovoz.corpus.manifest import is_manifest
from emovoz.corpus.recording import opened
from emovoz.corpus.tables import read_table
from emovoz.errors import ClipError, InputError
from emovoz.features.effects import coloured_noise, rms
from emovoz.features.keys import file_digest
from emovoz.progress import say

COLOURS = (0, 1, 2)
"""White, pink and brown: exponents of the frequency by which the power falls."""
ROOMS = 100
"""Simulated rooms; they are always the same."""

_NOISE, _RESPONSES = "augmentation.noise.source", "augmentation.reverb.folder"
_TRIES = 10
_HIGHEST_ORDER = 80


@dataclass(frozen=True)
class ColouredNoise:
    """White, pink or brown noise, of the kind `noise`."""

    digest: str = "coloured"

    def draw(self, length: int, rate: int, random: np.random.Generator) -> tuple[str, np.ndarray]:
        """Its kind, and so many samples of it."""
        return "noise", coloured_noise(length, rate, COLOURS[int(random.integers(len(COLOURS)))], random)


@dataclass(frozen=True)
class RecordedNoise:
    """Noise files by kind.

    Attributes:
        files: of each kind, in the order of their contents.
        digest: hash of kinds and contents, whatever the files are called.
    """

    files: Mapping[str, Sequence[Path]]
    digest: str

    def draw(self, length: int, rate: int, random: np.random.Generator) -> tuple[str, np.ndarray]:
        """A kind, and so many samples of a file of that kind: a stretch of it, or the whole of it again and again.

        Where a stretch is silent another one is drawn, a few times at most.
        """
        kinds = sorted(self.files)
        kind = kinds[int(random.integers(len(kinds)))]
        files = self.files[kind]
        for _ in range(_TRIES):
            noise = _stretch(files[int(random.integers(len(files)))], length, rate, random)
            if rms(noise):
                break
        return kind, noise


@dataclass(frozen=True)
class SimulatedRooms:
    """Rooms of a house nobody lives in."""

    digest: str = "simulated"

    def draw(self, rate: int, random: np.random.Generator) -> np.ndarray:
        """The impulse response [time] of one of them."""
        return _simulated(int(random.integers(ROOMS)), rate)


@dataclass(frozen=True)
class RecordedRooms:
    """Files of impulse responses in the order of their contents, and the hash of these."""

    files: Sequence[Path]
    digest: str

    def draw(self, rate: int, random: np.random.Generator) -> np.ndarray:
        """One of them [time]."""
        return _response(self.files[int(random.integers(len(self.files)))], rate)


def noise_of(source: str | None, kinds: Iterable[str]) -> ColouredNoise | RecordedNoise:
    """The noise of a folder with a subfolder a kind, or of a list (CSV with the columns path, kind); without, coloured.

    Args:
        source: folder or list.
        kinds: those whose signal-to-noise ratio is known.

    Raises:
        InputError: there is nothing, a kind of unknown ratio, or files that are no audio; all of them at once.
    """
    if source is None:
        return ColouredNoise()
    place = Path(source)
    files = _kinds_in_folder(place) if place.is_dir() else _kinds_in_list(place)
    if not any(files.values()):
        raise InputError(f"{_NOISE}: {place}: no noise in it; it takes a subfolder with audio files for each kind")
    strange = sorted(set(files) - set(kinds))
    if strange:
        raise InputError(
            f"{_NOISE}: {place} holds the kinds {', '.join(strange)}, for which augmentation.noise.snr_db says "
            f"nothing; it knows {', '.join(kinds)}"
        )
    say(f"files in {place}: {', '.join(f'{len(of_kind)} of {kind}' for kind, of_kind in sorted(files.items()))}")
    contents = _contents([file for of_kind in files.values() for file in of_kind], _NOISE)
    ordered = {kind: _in_order(of_kind, contents) for kind, of_kind in sorted(files.items())}
    return RecordedNoise(
        ordered, _digest((kind, contents[file]) for kind, of_kind in ordered.items() for file in of_kind)
    )


def rooms_of(folder: str | None) -> SimulatedRooms | RecordedRooms:
    """The impulse responses in a folder; without one, those of simulated rooms.

    Raises:
        InputError: there are none, or files that are no audio.
    """
    if folder is None:
        return SimulatedRooms()
    if not Path(folder).is_dir():
        raise InputError(f"{_RESPONSES}: {folder}: no such folder")
    files = _audio_files(Path(folder))
    if not files:
        raise InputError(f"{_RESPONSES}: {folder}: no audio files in it")
    contents = _contents(files, _RESPONSES)
    ordered = _in_order(files, contents)
    return RecordedRooms(ordered, _digest(("response", contents[file]) for file in ordered))


def _kinds_in_folder(folder: Path) -> dict[str, list[Path]]:
    entries = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    loose = [path for path in entries if path.is_file() and _may_be_audio(path)]
    if loose:
        raise InputError(
            f"{_NOISE}: {loose[0]}: lies in no subfolder of {folder}; the name of its subfolder is its kind, "
            "such as noise, speech or music"
        )
    found = {path.name: _audio_files(path) for path in entries if path.is_dir()}
    return {kind: files for kind, files in found.items() if files}


def _kinds_in_list(path: Path) -> dict[str, list[Path]]:
    if not is_manifest(path):
        raise InputError(f"{_NOISE}: {path}: no such folder, nor a list (CSV with the columns path,kind)")
    table = read_table(path)
    lacking = [name for name in ("path", "kind") if name not in table.columns]
    if lacking:
        raise InputError(f"{_NOISE}: {path}: no column {' and no column '.join(lacking)}; a list has path,kind")
    files: dict[str, list[Path]] = {}
    faults: list[str] = []
    for row in table.rows:
        name, kind = ((row.cells.get(column) or "").strip() for column in ("path", "kind"))
        # a path in a list is seen from the folder of the list
        file = path.parent / name
        here = list(row.faults) or [f"no {column}" for column, said in (("path", name), ("kind", kind)) if not said]
        if not here and not file.is_file():
            here = [f"no such file: {file}"]
        faults += [f"{_NOISE}: {path}: {row.place}: {fault}" for fault in here]
        files.setdefault(kind, []).append(file)
    if faults:
        raise InputError(faults)
    return files


def _audio_files(folder: Path) -> list[Path]:
    return [path for path in visible_files(folder) if _may_be_audio(path)]


def _may_be_audio(path: Path) -> bool:
    # collections of noise bring along files such as LICENSE and ANNOTATIONS
    return path.suffix != "" and not is_no_audio(path)


def _contents(files: Iterable[Path], setting: str) -> dict[Path, str]:
    """The hash of what each file holds.

    Raises:
        InputError: every one that is no audio.
    """
    found: dict[Path, str] = {}
    faults = []
    for path in files:
        try:
            if not seconds_of(path):
                raise ClipError("empty: it holds no samples")
            found[path] = file_digest(path).hex()
        except ClipError as error:
            faults.append(f"{setting}: {path}: {error}")
    if faults:
        raise InputError(faults)
    return found


def _in_order(files: Iterable[Path], contents: Mapping[Path, str]) -> list[Path]:
    """The files by their contents and not by their names; equal ones count once."""
    by_content = {contents[file]: file for file in files}
    return [by_content[content] for content in sorted(by_content)]


def _digest(entries: Iterable[tuple[str, str]]) -> str:
    return hashlib.sha256(repr(list(entries)).encode()).hexdigest()


def _stretch(path: Path, length: int, rate: int, random: np.random.Generator) -> np.ndarray:
    try:
        seconds, wanted = seconds_of(path), length / rate
        begin = float(random.uniform(0, max(0.0, seconds - wanted)))
        # rounding at another rate must not make it a sample too short
        part = (begin, min(seconds, begin + wanted + 0.01)) if seconds > wanted else (None, None)
        samples = next(load_parts(path, rate, [part]))
    except ClipError as error:
        raise InputError(f"{_NOISE}: {path}: {error}") from error
    shift = int(random.integers(len(samples))) if len(samples) < length else 0
    return np.resize(np.roll(samples, -shift), length)


@lru_cache(maxsize=1000)
def _response(path: Path, rate: int) -> np.ndarray:
    """The first channel of an impulse response: the mean of several would blur the direct path."""
    try:
        with opened(path) as recording:
            blocks = [block[:, 0] if block.ndim == 2 else block for block in recording.blocks(0, recording.frames)]
            samples = soxr.resample(np.concatenate(blocks), recording.rate, rate, quality="VHQ")
    except ClipError as error:
        raise InputError(f"{_RESPONSES}: {path}: {error}") from error
    if not np.isfinite(samples).all() or not rms(samples):
        raise InputError(f"{_RESPONSES}: {path}: no impulse response: silent, or with samples that are not finite")
    return samples


@lru_cache(maxsize=2 * ROOMS)
def _simulated(number: int, rate: int) -> np.ndarray:
    """The impulse response of a box of a room with a speaker and a listener in it, by its image sources."""
    import pyroomacoustics

    # on several threads it rounds differently with their number, and is no faster for a box
    pyroomacoustics.constants.set("num_threads", 1)
    random = np.random.default_rng(number)
    size = random.uniform([3, 3, 2.4], [7, 6, 3.5])
    reverberation_seconds = float(random.uniform(0.25, 0.7))
    absorption, order = pyroomacoustics.inverse_sabine(reverberation_seconds, size)
    room = pyroomacoustics.ShoeBox(
        size,
        fs=rate,
        materials=pyroomacoustics.Material(absorption),
        max_order=min(order, _HIGHEST_ORDER),
    )
    # both at least half a metre from every wall
    speaker, listener = random.uniform(0.5, size - 0.5, (2, 3))
    room.add_source(speaker)
    room.add_microphone(listener)
    room.compute_rir()
    return np.asarray(room.rir[0][0])
