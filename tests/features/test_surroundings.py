"""Noise and rooms: from the user's files whatever they are called, or made up; faults told by name, all at once."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from emovoz import InputError
from emovoz.features.effects import rms
from emovoz.features.surroundings import ColouredNoise, SimulatedRooms, _simulated, noise_of, rooms_of
from helpers import write_manifest
from sounds import noise, peak_frequency, tone

KINDS = ("noise", "speech", "music")


def write(path: Path, samples: np.ndarray, rate: int = 16000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tone of 300 Hz as noise, and one of 900 Hz as music, at other rates and in stereo."""
    write(tmp_path / "noise" / "deep" / "fan.wav", tone(16000, 2.0, 300))
    write(tmp_path / "music" / "flute.flac", np.stack([tone(44100, 0.3, 900)] * 2, axis=1), 44100)
    (tmp_path / "noise" / "LICENSE").write_text("free")
    (tmp_path / "noise" / "list.txt").write_text("fan.wav")
    (tmp_path / ".cache").mkdir()
    return tmp_path


def draws(source: str, length: int = 16000, count: int = 40) -> list[tuple[str, np.ndarray]]:
    noises = noise_of(source, KINDS)
    return [noises.draw(length, 16000, np.random.default_rng(i)) for i in range(count)]


def test_the_name_of_a_subfolder_is_the_kind_and_kinds_are_drawn_evenly(folder: Path) -> None:
    drawn = draws(str(folder))
    assert 10 <= sum(kind == "music" for kind, _ in drawn) <= 30
    for kind, samples in drawn:
        assert peak_frequency(samples, 16000) == pytest.approx({"noise": 300, "music": 900}[kind], abs=5)


@pytest.mark.parametrize("length", [400, 1600, 16000, 90001])
def test_noise_covers_the_whole_clip_whatever_the_lengths(folder: Path, length: int) -> None:
    for _, samples in draws(str(folder), length, 8):
        assert samples.shape == (length,)
        parts = [rms(part) for part in np.array_split(samples, max(1, length // 400))]
        assert min(parts) > 0.7 * max(parts)


def test_stretches_of_longer_noise_begin_anywhere(tmp_path: Path) -> None:
    ramp = np.linspace(0.01, 0.9, 10 * 16000)
    write(tmp_path / "noise" / "ramp.wav", ramp)
    begins = [samples[0] for _, samples in draws(str(tmp_path), 1600)]
    assert min(begins) < 0.2
    assert max(begins) > 0.7
    assert all(np.all(np.diff(samples) > -1e-3) for _, samples in draws(str(tmp_path), 1600))


def test_where_a_stretch_is_silent_another_one_is_drawn(tmp_path: Path) -> None:
    write(tmp_path / "noise" / "bursts.wav", np.concatenate([np.zeros(16000), noise(1)]))
    assert all(rms(samples) > 0 for _, samples in draws(str(tmp_path), 1600))
    write(tmp_path / "noise" / "bursts.wav", np.zeros(16000))
    assert all(rms(samples) == 0 and len(samples) == 1600 for _, samples in draws(str(tmp_path), 1600))


def test_a_list_serves_as_well_as_a_folder_and_contents_count_not_names(folder: Path) -> None:
    rows = [{"path": "noise/deep/fan.wav", "kind": "noise"}, {"path": "music/flute.flac", "kind": "music"}]
    listed = noise_of(str(write_manifest(folder / "list.csv", rows)), KINDS)
    foldered = noise_of(str(folder), KINDS)
    assert listed.digest == foldered.digest
    (folder / "noise" / "deep" / "fan.wav").rename(folder / "noise" / "a.wav")
    assert noise_of(str(folder), KINDS).digest == foldered.digest
    write(folder / "noise" / "a.wav", tone(16000, 2.0, 301))
    assert noise_of(str(folder), KINDS).digest != foldered.digest


def test_a_kind_without_a_ratio_is_named(folder: Path) -> None:
    with pytest.raises(InputError, match=r"kinds music, for which .*snr_db says nothing; it knows noise, babble"):
        noise_of(str(folder), ["noise", "babble"])


def test_what_cannot_be_noise_is_told_by_name(folder: Path, tmp_path: Path) -> None:
    def refused(source: Path) -> str:
        with pytest.raises(InputError) as caught:
            noise_of(str(source), KINDS)
        return str(caught.value)

    (folder / "music" / "broken.wav").write_text("not audio")
    (folder / "noise" / "empty.wav").write_bytes(b"")
    assert refused(folder).count("\n") == 1
    assert "broken.wav: not readable as audio" in refused(folder)
    write(folder / "loose.wav", noise(1))
    assert "loose.wav: lies in no subfolder" in refused(folder)
    for no_list in (tmp_path / "nowhere", tmp_path / "music" / "flute.flac"):
        assert f"augmentation.noise.source: {no_list}: no such folder, nor a list" in refused(no_list)
    (tmp_path / "bare").mkdir()
    assert "no noise in it" in refused(tmp_path / "bare")
    assert "no column kind" in refused(write_manifest(tmp_path / "a.csv", [{"path": "x.wav"}]))
    rows = [{"path": "x.wav", "kind": "noise"}, {"path": "music/flute.flac", "kind": ""}]
    faults = refused(write_manifest(tmp_path / "b.csv", rows)).splitlines()
    assert ["no such file" in faults[0], "row 3: no kind" in faults[1], len(faults)] == [True, True, 2]


def test_without_files_noise_is_coloured_and_rooms_are_simulated() -> None:
    assert isinstance(noise_of(None, KINDS), ColouredNoise)
    assert isinstance(rooms_of(None), SimulatedRooms)


def test_impulse_responses_may_have_any_rate_and_their_first_channel_counts(tmp_path: Path) -> None:
    sound = np.zeros((4410, 2))
    sound[441, 0], sound[2000, 1] = 0.5, 0.9
    write(tmp_path / "rooms" / "hall.wav", sound, 44100)
    response = rooms_of(str(tmp_path)).draw(16000, np.random.default_rng(0))
    assert len(response) == pytest.approx(1600, abs=1)
    assert np.abs(response).argmax() == 160


def test_what_cannot_be_a_room_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no audio files in it"):
        rooms_of(str(tmp_path))
    with pytest.raises(InputError, match="no such folder"):
        rooms_of(str(tmp_path / "nowhere"))
    write(tmp_path / "silent.wav", np.zeros(1600))
    with pytest.raises(InputError, match=r"silent\.wav: no impulse response"):
        rooms_of(str(tmp_path)).draw(16000, np.random.default_rng(0))


def test_simulated_rooms_are_the_same_on_any_number_of_threads() -> None:
    import pyroomacoustics

    def room(threads: int) -> np.ndarray:
        pyroomacoustics.constants.set("num_threads", threads)
        _simulated.cache_clear()
        return _simulated(3, 16000)

    assert np.array_equal(room(2), room(3))


def test_simulated_rooms_are_rooms_and_always_the_same() -> None:
    first, again, other = (SimulatedRooms().draw(16000, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert len(first) != len(other) or not np.array_equal(first, other)
    direct = int(np.abs(first).argmax())
    # the voice arrives after at most 9 m, and what follows dies away
    assert direct < 9 / 343 * 16000 + 50
    early, late = first[direct : direct + 1600], first[direct + 1600 : direct + 3200]
    assert rms(late) < 0.5 * rms(early)
