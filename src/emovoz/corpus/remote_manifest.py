"""Manifests at URLs, and manifests whose audio lies at one."""

import tempfile
from dataclasses import replace
from pathlib import Path

from emovoz.corpus.clip import Clip
from emovoz.corpus.manifest import read_manifest
from emovoz.corpus.remote_folder import RemoteFolder
from emovoz.errors import InputError
from emovoz.remote import fetch, is_url, parent


def read_remote_manifest(
    place: Path | str, audio_dir: Path | str | None, *, need_audio: bool, need_labels: bool
) -> list[Clip]:
    """Clips of a manifest, as `read_manifest` gives them, where it or its audio lies at a URL.

    Raises:
        InputError: as in `read_manifest`, or something that cannot be had.
    """
    folder = RemoteFolder.at(str(audio_dir)) if is_url(audio_dir) else Path(audio_dir) if audio_dir else None
    if not is_url(place):
        return read_manifest(Path(place), folder, need_audio=need_audio, need_labels=need_labels)
    url = str(place)
    with tempfile.TemporaryDirectory(prefix="emovoz-") as scratch:
        copy = Path(scratch) / url.rsplit("/", 1)[1]
        fetch(url, copy)
        beside = None if folder else RemoteFolder.at(parent(url))
        try:
            clips = read_manifest(copy, folder, beside=beside, need_audio=need_audio, need_labels=need_labels)
        except InputError as error:
            raise InputError(fault.replace(str(copy), url) for fault in error.faults) from error
    return [replace(clip, place=clip.place and clip.place.replace(str(copy), url)) for clip in clips]
