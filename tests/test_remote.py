"""Files at URLs, in memory."""

from pathlib import Path

import pytest

from emovoz import Clip, Corpus, InputError
from emovoz.corpus import load_audio
from emovoz.errors import ClipError
from emovoz.features.keys import audio_key
from emovoz.inference.inputs import clips_of
from emovoz.remote import RemoteFile, fetch_folder, listing, stat, write


def test_remote_audio_has_the_key_and_the_samples_of_the_same_file_here(demo: Corpus) -> None:
    here = demo.clips[0]
    assert isinstance(here.audio, Path)
    write("memory://audio/a.wav", here.audio.read_bytes())
    remote = stat("memory://audio/a.wav")
    assert audio_key(Clip("a", remote)) == audio_key(here)
    assert (load_audio(remote) == load_audio(here.audio)).all()


def test_a_file_that_has_changed_is_fetched_anew() -> None:
    write("memory://changing/a.txt", b"one")
    assert stat("memory://changing/a.txt").fetched().read_bytes() == b"one"
    write("memory://changing/a.txt", b"other")
    assert stat("memory://changing/a.txt").fetched().read_bytes() == b"other"


def test_a_file_that_changes_between_listing_and_fetching_is_refused() -> None:
    write("memory://racing/a.wav", b"long before")
    (listed,) = listing("memory://racing").values()
    write("memory://racing/a.wav", b"after")
    with pytest.raises(ClipError, match="it has changed since it was looked at"):
        listed.fetched()


def test_a_folder_at_a_url_is_predicted_like_one_here(demo: Corpus, tmp_path: Path) -> None:
    audio = demo.clips[0].audio
    assert isinstance(audio, Path)
    for name, content in {"b.wav": audio.read_bytes(), "b.txt": b"hola", "deep/a.wav": b"", ".hidden": b""}.items():
        write(f"memory://folder/{name}", content)
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    remote, local = list(clips_of("memory://folder")), list(clips_of(tmp_path))
    assert [(clip.id, clip.transcription) for clip in remote] == [(clip.id, clip.transcription) for clip in local]
    assert next(clip.id for clip in clips_of(["memory://folder"])) == "memory://folder/b.wav"


def test_names_that_lead_out_of_a_folder_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hostile = {"../out": RemoteFile("memory://x/../out", "1")}
    monkeypatch.setattr("emovoz.remote.listing", lambda url: hostile)
    with pytest.raises(InputError, match="leads out of the folder"):
        fetch_folder("memory://x", tmp_path)


def test_an_unknown_kind_of_place_is_told() -> None:
    with pytest.raises(InputError, match="no such kind of place as nowhere://"):
        listing("nowhere://bucket")
