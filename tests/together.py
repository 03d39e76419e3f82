"""Trainings by as many processes as started this; run by test_processes.py, alone and by torchrun.

Reads a JSON list of plans from the file that is named, and writes what came of each: `out`, `manifest`, `recipe`,
`settings`, `store`, and `stop`: the epoch at whose beginning the training is stopped, to be resumed.
"""

import json
import sys
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from emovoz import Corpus, FeatureStore, Recipe, processes, train
from emovoz.training.callbacks import Epochs


class StoppedError(Exception):
    pass


def carry_out(plan: dict[str, Any], out: Path) -> None:
    corpus = Corpus.from_manifest(plan["manifest"], "/")
    given: dict[str, Any] = {"dev": corpus.split("dev"), "store": FeatureStore(plan["store"])}
    if plan["stop"]:
        given |= {"checkpoint": out.with_name(f"{out.name}.checkpoint"), "checkpoint_seconds": 0}
        begin = Epochs.on_epoch_begin

        def stopping(self: Epochs, args: Any, state: Any, control: Any, **now: Any) -> None:
            if round(state.epoch or 0) == plan["stop"]:
                raise StoppedError
            begin(self, args, state, control, **now)

        Epochs.on_epoch_begin = stopping  # type: ignore[method-assign]
        try:
            train(corpus.split("train"), Recipe.load(plan["recipe"], plan["settings"]), **given)
        except StoppedError:
            given["resume"] = True
        Epochs.on_epoch_begin = begin  # type: ignore[method-assign]
    recognizer = train(corpus.split("train"), Recipe.load(plan["recipe"], plan["settings"]), **given)
    # every process has the whole model; each writes its own, to be compared
    own = out.with_name(f"{out.name}-{processes.number()}")
    own.mkdir()
    save_file(recognizer.head.state_dict(), own / "head.safetensors")
    (own / "told.json").write_text(json.dumps([recognizer.history, recognizer.temperature, "resume" in given]))


if __name__ == "__main__":
    plans, folder = Path(sys.argv[1]), Path(sys.argv[2])
    for name, plan in json.loads(plans.read_text()).items():
        carry_out(plan, folder / name)
