"""Make the demo corpus bundled with emovoz: 192 short clips of synthetic Spanish speech.

Run it as

    python scripts/make_demo_corpus.py [--out DIR]

It needs the espeak-ng program and the Python packages numpy, soundfile and soxr. It reads
`demo_sentences.csv` from its own folder and writes DIR/manifest.csv and DIR/audio/*.ogg
(16 kHz mono, Ogg Opus); DIR is by default the corpus folder of the package.

Everything it makes is synthetic: no person is heard. Eight espeak-ng voices say four sentences for
each of six emotions, each sentence once. Rate, pitch, pitch range and loudness follow what is
reported of acted vocal emotion (Banse and Scherer 1996; Juslin and Laukka 2003), scaled by how
expressive the voice is, with jitter for each clip. Each voice has its own level, spectral tilt and
background noise. On one machine, the same versions of the program and packages give the same files
byte for byte.
"""

from __future__ import annotations

import argparse
import csv
import random
import shutil
import struct
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

Samples = NDArray[np.float64]

HERE = Path(__file__).resolve().parent
SENTENCES = HERE / "demo_sentences.csv"
DEFAULT_OUT = HERE.parent / "src" / "emovoz" / "corpus" / "demo"

SEED = 1
RATE_HZ = 16_000
TAKES = 4
MIN_SECONDS, MAX_SECONDS = 1.0, 4.0
MAX_PEAK = 0.9
BASE_LEVEL_DB = -27.0
BASE_WORDS_PER_MINUTE = 172.0
COMPRESSION_LEVEL = 0.85

# Below espeak-ng's default of 100, at which its louder voices clip inside the program.
ENGINE_AMPLITUDE = 60
# Measured on these voices: one step of espeak-ng's pitch setting is about a sixth of a semitone.
PITCH_STEPS_PER_SEMITONE = 6.0
# The Ogg checksum is not the CRC-32 of zlib: it is unreflected, starts at zero and is not inverted.
OGG_CRC_POLYNOMIAL = 0x04C11DB7


class CorpusError(Exception):
    """The corpus cannot be made; the message says why."""


@dataclass(frozen=True)
class Voice:
    """A synthetic speaker and the room and microphone it is heard through."""

    name: str
    engine_voice: str
    split: str
    semitones: float
    rate: float
    expressivity: float
    level_db: float
    tilt_db_per_octave: float
    noise_db: float
    noise_db_per_octave: float


@dataclass(frozen=True)
class Prosody:
    """How something is said, relative to the voice's own habits."""

    rate: float
    semitones: float
    range_percent: float
    level_db: float


@dataclass(frozen=True)
class Clip:
    """One row of the manifest, with what is needed to make its audio."""

    file_name: str
    emotion: str
    sentence: str
    voice: Voice


VOICES = (
    Voice("voice01", "es+f2", "train", 0.5, 0.98, 1.00, 0.0, 0.0, -62.0, -3.0),
    Voice("voice02", "es-419+m3", "train", 1.0, 1.04, 0.85, -3.0, -1.0, -56.0, -5.0),
    Voice("voice03", "es-419+f4", "train", 0.0, 0.97, 1.15, 2.0, 0.6, -58.0, 0.0),
    Voice("voice04", "es+m1", "train", 2.0, 0.95, 1.05, -1.5, 0.4, -66.0, -1.5),
    Voice("voice05", "es+f1", "train", 2.5, 1.03, 0.90, -4.0, -0.6, -61.0, -4.0),
    Voice("voice06", "es-419+m6", "dev", 0.5, 0.98, 0.95, 1.0, -0.5, -59.0, -2.0),
    Voice("voice07", "es-419+f3", "test", -1.0, 1.03, 1.05, -2.0, 0.4, -60.0, -2.5),
    Voice("voice08", "es+m7", "test", 2.5, 0.97, 0.90, 1.5, -0.3, -63.0, -4.5),
)

STYLES = {
    "neutral": Prosody(1.00, 0.0, 85.0, 0.0),
    "disgust": Prosody(0.88, -1.6, 105.0, -1.0),
    "anger": Prosody(1.13, 0.8, 150.0, 5.5),
    "sadness": Prosody(0.81, -1.6, 45.0, -5.0),
    "joy": Prosody(1.05, 3.0, 165.0, 2.0),
    "fear": Prosody(1.18, 3.4, 60.0, -0.5),
}
JITTER = Prosody(rate=0.05, semitones=0.8, range_percent=18.0, level_db=1.3)


def read_sentences(path: Path) -> dict[str, list[str]]:
    """Read the sentences of each emotion, and check that the corpus can be made of them."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = [(row["emotion"], row["sentence"]) for row in csv.DictReader(file)]
    if len({sentence for _, sentence in rows}) != len(rows):
        raise CorpusError(f"{path.name} has a repeated sentence")
    by_emotion = {emotion: [said for label, said in rows if label == emotion] for emotion in STYLES}
    wanted = len(VOICES) * TAKES
    for emotion, sentences in by_emotion.items():
        if len(sentences) != wanted:
            raise CorpusError(f"{path.name} has {len(sentences)} sentences of {emotion}, not {wanted}")
    return by_emotion


def plan_clips(sentences: dict[str, list[str]]) -> list[Clip]:
    """Give each voice its own sentences; neighbours in the file go to different voices."""
    clips = [
        Clip(f"{voice.name}_{emotion}_{take + 1}.ogg", emotion, sentences[emotion][take * len(VOICES) + index], voice)
        for index, voice in enumerate(VOICES)
        for emotion in STYLES
        for take in range(TAKES)
    ]
    return sorted(clips, key=lambda clip: clip.file_name)


def draw_prosody(clip: Clip, rng: random.Random) -> Prosody:
    """Draw how this clip is said: the emotion's style, as marked as the voice makes it, with jitter."""
    style, neutral, voice = STYLES[clip.emotion], STYLES["neutral"], clip.voice

    def draw(target: float, middle: float, spread: float) -> float:
        return middle + voice.expressivity * (target - middle) + rng.gauss(0.0, spread)

    return Prosody(
        rate=voice.rate * draw(style.rate, neutral.rate, JITTER.rate),
        semitones=voice.semitones + draw(style.semitones, neutral.semitones, JITTER.semitones),
        range_percent=draw(style.range_percent, neutral.range_percent, JITTER.range_percent),
        level_db=voice.level_db + draw(style.level_db, neutral.level_db, JITTER.level_db),
    )


def clamp(value: float, low: int, high: int) -> int:
    return max(low, min(high, round(value)))


def speak(clip: Clip, prosody: Prosody, wav: Path) -> Samples:
    """Have espeak-ng say the clip's sentence and return it at the corpus sampling rate."""
    pitch_range = clamp(prosody.range_percent, 15, 220)
    # The pitch range is the one setting that espeak-ng takes only from markup.
    markup = f'<speak><prosody range="{pitch_range}%">{escape(clip.sentence)}</prosody></speak>'
    command = ["espeak-ng", "-m", "-z", "-v", clip.voice.engine_voice, "-a", str(ENGINE_AMPLITUDE), "-w", str(wav)]
    command += ["-s", str(clamp(BASE_WORDS_PER_MINUTE * prosody.rate, 90, 260))]
    command += ["-p", str(clamp(50 + PITCH_STEPS_PER_SEMITONE * prosody.semitones, 5, 99))]
    result = subprocess.run([*command, markup], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise CorpusError(f"espeak-ng could not say {clip.file_name}: {result.stderr.strip()}")
    samples, rate_hz = soundfile.read(wav, dtype="float64")
    return np.asarray(soxr.resample(samples, rate_hz, RATE_HZ), dtype=np.float64)


def trim(samples: Samples) -> Samples:
    """Cut the silence that espeak-ng leaves before and after the speech."""
    loud = np.flatnonzero(np.abs(samples) > 0.01 * np.abs(samples).max())
    return samples[loud[0] : loud[-1] + 1]


def tilt(samples: Samples, db_per_octave: float) -> Samples:
    """Tilt the spectrum around 1 kHz; flat below 60 Hz so that a falling tilt does not make rumble."""
    spectrum = np.fft.rfft(samples)
    hertz = np.maximum(np.fft.rfftfreq(samples.size, 1.0 / RATE_HZ), 60.0)
    gain = 10.0 ** (db_per_octave * np.log2(hertz / 1000.0) / 20.0)
    return np.asarray(np.fft.irfft(spectrum * gain, samples.size), dtype=np.float64)


def set_level(samples: Samples, level_db: float) -> Samples:
    rms = float(np.sqrt(np.mean(samples**2)))
    gain = 10.0 ** (level_db / 20.0) / rms
    return np.asarray(gain * samples, dtype=np.float64)


def record(speech: Samples, voice: Voice, level_db: float, rng: random.Random) -> Samples:
    """Put the speech in the voice's room: its level, its colour, its noise, and a moment of noise on each side."""
    spoken = set_level(tilt(trim(speech), voice.tilt_db_per_octave), BASE_LEVEL_DB + level_db)
    spoken *= min(1.0, MAX_PEAK / float(np.abs(spoken).max()))
    before, after = (round(rng.uniform(0.05, 0.15) * RATE_HZ) for _ in range(2))
    padded = np.pad(spoken, (before, after))
    white = np.random.default_rng(rng.getrandbits(64)).standard_normal(padded.size)
    return padded + set_level(tilt(white, voice.noise_db_per_octave), voice.noise_db)


def make_crc_table() -> list[int]:
    table = []
    for byte in range(256):
        remainder = byte << 24
        for _ in range(8):
            remainder = (remainder << 1) ^ (OGG_CRC_POLYNOMIAL if remainder & 0x80000000 else 0)
        table.append(remainder & 0xFFFFFFFF)
    return table


def fix_serial(path: Path, serial: int, crc_table: list[int]) -> None:
    """Rewrite the stream serial number, which libsndfile draws from the clock, and the page checksums."""
    data = bytearray(path.read_bytes())
    start = 0
    while start < len(data):
        segments = data[start + 26]
        end = start + 27 + segments + sum(data[start + 27 : start + 27 + segments])
        struct.pack_into("<I", data, start + 14, serial)
        struct.pack_into("<I", data, start + 22, 0)
        crc = 0
        for byte in data[start:end]:
            crc = ((crc << 8) & 0xFFFFFFFF) ^ crc_table[(crc >> 24) ^ byte]
        struct.pack_into("<I", data, start + 22, crc)
        start = end
    path.write_bytes(data)


def check_clip(path: Path) -> None:
    """Check what a reader will get, since lossy coding can raise the peaks."""
    samples, rate_hz = soundfile.read(path, dtype="float64")
    seconds = samples.size / rate_hz
    if rate_hz != RATE_HZ or samples.ndim != 1 or not MIN_SECONDS <= seconds <= MAX_SECONDS:
        raise CorpusError(f"{path.name} came out at {rate_hz} Hz and {seconds:.2f} s")
    if not np.isfinite(samples).all() or float(np.abs(samples).max()) >= 0.99:
        raise CorpusError(f"{path.name} is clipped or not finite")


def make_audio(clips: list[Clip], audio: Path, wav: Path) -> None:
    crc_table = make_crc_table()
    for serial, clip in enumerate(clips, start=1):
        # A generator for each clip: changing one voice or sentence leaves the other clips as they were.
        rng = random.Random(f"{SEED}:{clip.file_name}")
        prosody = draw_prosody(clip, rng)
        samples = record(speak(clip, prosody, wav), clip.voice, prosody.level_db, rng)
        path = audio / clip.file_name
        soundfile.write(path, samples, RATE_HZ, format="OGG", subtype="OPUS", compression_level=COMPRESSION_LEVEL)
        fix_serial(path, serial, crc_table)
        check_clip(path)


def write_manifest(clips: list[Clip], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["id", "label", "transcription", "speaker", "split"])
        for clip in clips:
            writer.writerow([clip.file_name, clip.emotion, clip.sentence, clip.voice.name, clip.voice.split])


def check_out(out: Path, clips: list[Clip]) -> None:
    """Refuse a folder whose `audio` holds other files, because that folder will be replaced."""
    audio = out / "audio"
    if audio.exists() and {path.name for path in audio.iterdir()} - {clip.file_name for clip in clips}:
        raise CorpusError(f"{audio} holds files that are not of this corpus; choose another folder")


def make_corpus(out: Path) -> int:
    """Make the whole corpus in a temporary folder, then put it in place; return the number of clips."""
    if shutil.which("espeak-ng") is None:
        raise CorpusError("the espeak-ng program is needed and was not found")
    clips = plan_clips(read_sentences(SENTENCES))
    check_out(out, clips)
    out.mkdir(parents=True, exist_ok=True)
    # Inside `out`, so that the final renames stay on one file system.
    with tempfile.TemporaryDirectory(dir=out, prefix=".making-") as name:
        work = Path(name)
        (work / "audio").mkdir()
        make_audio(clips, work / "audio", work / "speech.wav")
        write_manifest(clips, work / "manifest.csv")
        if (out / "audio").exists():
            (out / "audio").rename(work / "old-audio")
        (work / "audio").rename(out / "audio")
        (work / "manifest.csv").replace(out / "manifest.csv")
    return len(clips)


def main() -> int:
    parser = argparse.ArgumentParser(description="Make the demo corpus of synthetic Spanish emotional speech.")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="the folder to write (default: the package's)")
    out: Path = parser.parse_args().out
    try:
        count = make_corpus(out)
    except (CorpusError, OSError) as error:
        print(f"make_demo_corpus: {error}.", file=sys.stderr)
        return 2
    print(f"{count} clips written to {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
