"""What happens while the Trainer trains: validation, the best state, checkpoints, progress."""

import json
import math
import shutil
import time
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import TrainerCallback

from emovoz.errors import InputError
from emovoz.progress import say
from emovoz.training.checkpoints import Checkpoint
from emovoz.training.finite import check_features
from emovoz.training.optimiser import Plateau
from emovoz.training.variation import Varied


class Validations(TrainerCallback):
    """Has the loss told and the dev clips scored when it is time, and a plateau schedule told of the score.

    Args:
        every: steps between two validations, of which the last comes with the last step; None: after each epoch.
        dev: whether there are dev clips.
    """

    def __init__(self, every: int | None, *, dev: bool) -> None:
        self.every, self.dev = every if dev else None, dev

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self.every and (state.global_step % self.every == 0 or state.global_step == state.max_steps):
            control.should_log = control.should_evaluate = True

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        # the loss here too, for a checkpoint keeps only what has been told of it
        control.should_log = True
        control.should_evaluate = self.dev and not self.every

    def on_evaluate(self, args: Any, state: Any, control: Any, **now: Any) -> None:
        if isinstance(now["lr_scheduler"], Plateau):
            now["lr_scheduler"].judge(now["metrics"]["eval_macro_f1"])


class BestState(TrainerCallback):
    """Keeps the weights with the best dev macro-F1, and stops when patience is at an end."""

    def __init__(self, patience: int) -> None:
        self.patience, self.since, self.best = patience, 0, -math.inf
        self.state: dict[str, Tensor] | None = None

    def on_evaluate(self, args: Any, state: Any, control: Any, **now: Any) -> None:
        metrics, model = now["metrics"], now["model"]
        if metrics["eval_macro_f1"] > self.best:
            self.best, self.since = metrics["eval_macro_f1"], 0
            self.state = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
        else:
            self.since += 1
            control.should_training_stop |= 0 < self.patience <= self.since

    def restore(self, head: nn.Module) -> None:
        if self.state is not None:
            head.load_state_dict(self.state)

    def save(self, folder: Path) -> None:
        (folder / "best.json").write_text(json.dumps({"best": self.best, "since": self.since}))
        if self.state is not None:
            save_file(self.state, folder / "best.safetensors")

    def load(self, folder: Path) -> None:
        told = json.loads((folder / "best.json").read_text())
        self.best, self.since = told["best"], told["since"]
        if (folder / "best.safetensors").is_file():
            self.state = load_file(folder / "best.safetensors")


class Keeper(TrainerCallback):
    """Makes a checkpoint after an epoch, if the last is old enough: what the Trainer saves, and the best state."""

    def __init__(self, checkpoint: Checkpoint, best: BestState) -> None:
        self.checkpoint, self.best = checkpoint, best
        self.last = time.monotonic()

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        due = time.monotonic() - self.last >= self.checkpoint.seconds
        # the last epoch needs none: the fitted head follows at once
        control.should_save = due and not control.should_training_stop

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        # patience may have come to its end just now
        control.should_save &= not control.should_training_stop

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        saved = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        # the Trainer's own settings: nothing reads them, and only unpickling could
        (saved / "training_args.bin").unlink()
        self.best.save(saved)
        with self.checkpoint.writing() as folder:
            shutil.copytree(saved, folder, dirs_exist_ok=True)
        shutil.rmtree(saved)
        self.last = time.monotonic()


class Epochs(TrainerCallback):
    """Tells the examples which epoch it is, shows progress, and stops a run whose loss is no number."""

    def __init__(self, examples: Varied, advance: Any) -> None:
        self.examples, self.advance = examples, advance

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.epoch:
            say(f"training goes on after epoch {round(state.epoch)} of {args.num_train_epochs}")
            self.advance(round(state.epoch))

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.examples.epoch = round(state.epoch or 0)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.advance(1)

    def on_log(self, args: Any, state: Any, control: Any, **now: Any) -> None:
        logs = now["logs"]
        if not math.isfinite(logs.get("loss", 0.0)):
            clips = self.examples.examples
            check_features(clips.ids, clips.features, *clips.views)
            raise InputError(
                f"the loss is {logs['loss']} in epoch {math.ceil(state.epoch)}, so training stops and nothing is "
                "saved; lower training.learning_rate, or set training.gradient_clip"
            )
