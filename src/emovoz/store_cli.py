"""The verbs of `emovoz store`: what the feature store holds, whether it is sound, what may go."""

import json
import re
from collections import Counter
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from emovoz.features import FeatureStore
    from emovoz.features.upkeep import EncoderFeatures, Found

app = typer.Typer(
    help="Look after the feature store: list what is in it, verify it, prune it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Store = Annotated[
    str | None, typer.Option(help="Folder of the feature store, or its URL; by default in the user's cache.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]

_SHOWN = 10


@app.command(name="list")
def list_encoders(store: Store = None, as_json: AsJson = False) -> None:
    """What is kept: encoder by encoder, how many contents, which views and layers, how much room."""
    from emovoz.features.disk import megabytes
    from emovoz.features.upkeep import list_features
    from emovoz.table import print_table

    chosen = _kept_here(store)
    features = list_features(chosen)
    if as_json:
        rows = [asdict(one) | {"last_written": _moment(one).isoformat(timespec="seconds")} for one in features]
        _print_json(chosen, encoders=rows, bytes=sum(one.bytes for one in features), free_bytes=chosen.free_bytes())
        return
    if not features:
        print(_empty(chosen))
        return
    print_table([_row(one) for one in features], as_json=False)
    total = megabytes(sum(one.bytes for one in features))
    print(f"{total} in {chosen.root}, {megabytes(chosen.free_bytes())} free on its disk")
    unreadable = sum(one.unreadable for one in features)
    if unreadable:
        print(f"shards that cannot be read: {unreadable}; `emovoz store verify{_option(store)}` names them")


@app.command()
def verify(store: Store = None, as_json: AsJson = False) -> None:
    """Compare the checksum of everything kept; ends with code 2 if something is damaged."""
    from emovoz.features.disk import megabytes
    from emovoz.features.upkeep import verify as verify_store

    chosen = _kept_here(store)
    done = verify_store(chosen)
    if as_json:
        found = {"damaged": _plain(done.damaged), "leftovers": _plain(done.leftovers)}
        counts = {"shards": done.shards, "bytes": done.bytes, "seconds": round(done.seconds, 3)}
        _print_json(chosen, **counts, **found, strangers=[str(path) for path in done.strangers])
        raise typer.Exit(2 if done.damaged else 0)
    for one in (*done.damaged, *done.leftovers):
        print(f"{one.path}: {one.fault} ({megabytes(one.bytes)})")
    _say_strangers(done.strangers)
    read = f"{_count(done.shards, 'shard')}, {megabytes(done.bytes)}, in {done.seconds:.1f} s"
    prune_it = f"`emovoz store prune{_option(store)}`"
    if done.damaged:
        print(f"damaged: {len(done.damaged)} (of {read})")
        print(f"{prune_it} removes what is damaged; the next extract encodes anew what it held")
        raise typer.Exit(2)
    if not done.shards:
        print(_empty(chosen))
    else:
        print(f"all sound: {read}")
    if done.leftovers:
        print(f"{prune_it} removes unfinished files, unless a process is still writing them")


@app.command()
def prune(
    encoder: Annotated[
        list[str] | None,
        typer.Option(help="Delete all features of this encoder (name or beginning of fingerprint); repeatable."),
    ] = None,
    store: Store = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete damaged shards and what killed runs left or, with --encoder, all features of an encoder."""
    from emovoz.features.disk import megabytes
    from emovoz.features.upkeep import prune as prune_store

    chosen = _kept_here(store)
    done = prune_store(chosen, encoder or (), dry_run=dry_run)
    if as_json:
        strangers = [str(path) for path in done.strangers]
        _print_json(chosen, dry_run=dry_run, deleted=_plain(done.deleted), bytes=done.bytes, strangers=strangers)
        return
    for one in done.deleted:
        print(f"{one.path}: {one.fault} ({megabytes(one.bytes)})")
    _say_strangers(done.strangers)
    if done.deleted:
        did = "would delete" if dry_run else "deleted"
        print(f"{did} {_count(len(done.deleted), 'file')}, {megabytes(done.bytes)}")
    else:
        print(f"nothing to delete in {chosen.root}")


def _row(features: "EncoderFeatures") -> dict[str, Any]:
    return {
        "fingerprint": features.fingerprint[:8],
        "encoder": ", ".join(features.models) or "unnamed",
        "contents": features.contents,
        "views": _view_names(features.views),
        "layers": _ranges(features.layers),
        "MB": f"{features.bytes / 1e6:.1f}",
        "last written": f"{_moment(features):%Y-%m-%d %H:%M}",
    }


def _view_names(views: tuple[str, ...]) -> str | int:
    """What a store calls its views, altered copies that belong together drawn together; only how many, where many.

    >>> _view_names(("clean", "view-00ff-0", "view-00ff-1", "view-00ff-0-mean2"))
    'clean, view-00ff x 2, view-00ff-mean2'
    """
    alike = Counter(re.sub(r"^(view-[0-9a-f]+)-\d+", r"\1", view) for view in views)
    names = [name if count == 1 else f"{name} x {count}" for name, count in alike.items()]
    return ", ".join(names) if len(names) <= 3 else len(views)


def _moment(features: "EncoderFeatures") -> datetime:
    return datetime.fromtimestamp(features.last_written).astimezone()


def _ranges(numbers: tuple[int, ...]) -> str:
    """Ascending numbers, runs of them drawn together.

    >>> _ranges((0, 1, 2, 3, 6, 8, 9))
    '0-3 6 8 9'
    """
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return " ".join(f"{run[0]}-{run[-1]}" if len(run) > 2 else " ".join(map(str, run)) for run in runs)


def store_to_fill(folder: str | None, engine: str) -> "FeatureStore":
    """The store that an extraction adds to; one at a URL is written to by Ray alone."""
    from emovoz import InputError
    from emovoz.remote import is_url

    if not folder or not is_url(folder):
        return store_at(folder)
    if engine != "ray":
        raise InputError(
            f"{folder}: a store at a URL is filled by --engine ray (--workers 1 where one process is enough)"
        )
    from emovoz.scale.object_store import ObjectStore

    return ObjectStore(folder)


def _kept_here(folder: str | None) -> "FeatureStore":
    from emovoz import InputError
    from emovoz.remote import is_url

    if is_url(folder):
        raise InputError(f"{folder}: looked after by the tools of its file system; each object there is one shard")
    return store_at(folder)


def store_at(folder: str | None) -> "FeatureStore":
    """The store in a folder, by default that of the user's cache; of one at a URL, its local copy."""
    from emovoz.features import FeatureStore, default_store
    from emovoz.remote import is_url

    if folder and is_url(folder):
        from emovoz.scale.object_store import MirroredStore

        return MirroredStore(folder)
    return FeatureStore(folder or default_store())


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _empty(store: "FeatureStore") -> str:
    return f"no features in {store.root}" + ("" if store.root.exists() else ": there is no such folder yet")


def _option(folder: str | None) -> str:
    import shlex

    return f" --store {shlex.quote(str(folder))}" if folder else ""


def _plain(found: "tuple[Found, ...]") -> list[dict[str, Any]]:
    return [{"path": str(one.path), "fault": one.fault, "bytes": one.bytes} for one in found]


def _say_strangers(strangers: tuple[Path, ...]) -> None:
    for path in strangers[:_SHOWN]:
        print(f"{path}: not the store's, left alone")
    if len(strangers) > _SHOWN:
        print(f"... and {len(strangers) - _SHOWN} more that are not the store's")


def _print_json(store: "FeatureStore", **values: Any) -> None:
    print(json.dumps({"store": str(store.root), **values}, ensure_ascii=False))
