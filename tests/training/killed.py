"""Trainings that are killed and resumed, each in a process of its own; run by test_resume.py.

Reads a JSON list of plans on stdin, prints what came of each. A plan: `folder`, `manifest`, `audio_dir`, `dev`,
`recipe`, `settings`, and `kills`: after how many examples shown a process dies by SIGKILL, one process after the other.
"""

import gc
import hashlib
import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

import torch

import emovoz.training.gradient  # noqa: F401  imported once, for all that are forked from here
from emovoz import Corpus, FeatureStore, Recipe, train
from emovoz.training.examples import Example
from emovoz.training.variation import Varied


def carry_out(plan: dict[str, Any], name: str, kill_after: int | None) -> int:
    """Train in a new process, resuming whatever lies there; its exit code, negative for a signal."""
    child = os.fork()
    if not child:
        torch.set_num_threads(1)
        code = 0
        try:
            _train(plan, name, kill_after)
        except BaseException:
            traceback.print_exc()
            code = 1
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _train(plan: dict[str, Any], name: str, kill_after: int | None) -> None:
    folder = Path(plan["folder"])
    _watch(folder / f"{name}.shown", kill_after)
    corpus = Corpus.from_manifest(plan["manifest"], plan["audio_dir"])
    recognizer = train(
        corpus.split("train"),
        Recipe.load(plan["recipe"], plan["settings"]),
        dev=corpus.split("dev") if plan["dev"] else None,
        store=FeatureStore(plan["store"]),
        checkpoint=None if name == "whole" else folder / "checkpoint",
        resume=True,
        checkpoint_seconds=0,
    )
    recognizer.save_pretrained(folder / name)
    files = sorted((folder / name).rglob("*.safetensors"))
    weights = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    (folder / f"{name}.json").write_text(json.dumps({"weights": weights, "history": recognizer.history}))


def _watch(path: Path, kill_after: int | None) -> None:
    """Note every example that is shown: size of the training set, epoch, id; die where it is time."""
    shown = 0
    show = Varied.__getitem__

    def noting(self: Varied, i: int) -> Example:
        nonlocal shown
        with path.open("a") as file:
            file.write(f"{len(self)} {self.epoch} {self.examples.ids[i % len(self)]}\n")
        if shown == kill_after:
            os.kill(os.getpid(), signal.SIGKILL)
        shown += 1
        return show(self, i)

    Varied.__getitem__ = noting  # type: ignore[method-assign]


def outcome(plan: dict[str, Any]) -> dict[str, Any]:
    """Exit codes of all processes; result and examples shown of the whole run and of the last resumed one."""
    folder = Path(plan["folder"])
    folder.mkdir(parents=True)
    names = [f"killed-{i}" for i in range(len(plan["kills"]))]
    codes = [
        carry_out(plan, name, kill_after)
        for name, kill_after in [("whole", None), *zip(names, plan["kills"], strict=True), ("resumed", None)]
    ]
    results = {name: json.loads((folder / f"{name}.json").read_text()) for name in ("whole", "resumed")}
    shown = {name: (folder / f"{name}.shown").read_text().split("\n") for name in ("whole", "resumed")}
    return {"codes": codes, **results, "shown": shown}


if __name__ == "__main__":
    # what is imported is not looked through for garbage in every process again
    gc.freeze()
    print(json.dumps([outcome(plan) for plan in json.load(sys.stdin)]))
