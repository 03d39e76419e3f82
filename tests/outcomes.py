"""What a run has left in a folder, but for what tells how long it took: what two runs are compared by."""

import hashlib
import json
from pathlib import Path
from typing import Any

from safetensors import safe_open

from emovoz import FeatureStore
from emovoz.features.upkeep import verify


def features(store: Path) -> dict[str, str]:
    """The hash of everything in a store by its name; each is there once, and every checksum agrees."""
    found: dict[str, str] = {}
    checked = verify(FeatureStore(store))
    assert (checked.damaged, checked.leftovers, checked.strangers) == ((), (), ())
    for path in store.rglob("shard-*"):
        with safe_open(path, "pt") as shard:
            for name in shard.keys():  # noqa: SIM118
                entry = f"{path.parent.name}/{name}"
                assert entry not in found
                values = shard.get_tensor(name)
                found[entry] = hashlib.sha256(
                    f"{values.dtype}{values.shape}".encode() + values.numpy().tobytes()
                ).hexdigest()
    return found


def files(folder: Path) -> dict[str, str]:
    """The hash of every file below a folder by its name."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def results(folder: Path) -> Any:
    """results.json without what tells how long it took."""
    found = json.loads((folder / "results.json").read_text())
    for run in found.get("runs", {"": found}).values():
        del run["seconds"]
    return found
