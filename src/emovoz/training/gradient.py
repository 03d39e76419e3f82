"""Fitting by gradient: transformers' Trainer, AdamW, and the best epoch by dev macro-F1."""

import json
import math
import shutil
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from sklearn.metrics import f1_score
from torch import Tensor, nn
from transformers import EvalPrediction, Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import PrinterCallback

from emovoz.encoders.placement import compute_device
from emovoz.encoders.pretrained import quiet_transformers
from emovoz.model import EmotionHead
from emovoz.model.tuned import TUNED, TunedHead
from emovoz.progress import progress, say
from emovoz.settings import Augmentation, Training
from emovoz.training.checkpoints import Checkpoint
from emovoz.training.examples import Examples, collate_examples
from emovoz.training.losses import inverse_frequency_weights, weighted_cross_entropy
from emovoz.training.pooled import Decider, collate_pooled_examples, fit_scales, pooled_examples
from emovoz.training.variation import Varied


def fit_by_gradient(
    head: EmotionHead,
    examples: Examples,
    dev: Examples | None,
    training: Training,
    augmentation: Augmentation,
    checkpoint: Checkpoint | None = None,
) -> tuple[EmotionHead, list[dict[str, Any]]]:
    """The fitted head in eval mode, and loss and dev macro-F1 of each epoch; arguments as in `fit`."""
    model: nn.Module = head
    collate = partial(collate_examples, shapes=head.input_shapes)
    if head.pooling_is_fixed:
        examples, dev = pooled_examples(head, examples), dev and pooled_examples(head, dev)
        fit_scales(head, examples)
        model, collate = Decider(head), partial(collate_pooled_examples, dims=head.fusion.dims)
    elif head.config.standardise:
        # the adapters of a tuned head change nothing yet
        fit_scales(head, pooled_examples(head, examples))
    classes = len(head.config.labels)
    weights = None
    if training.class_weights == "inverse":
        weights = inverse_frequency_weights(examples.targets, classes).to(compute_device())
    varied = Varied(examples, augmentation, training.seed, classes)
    best = _BestEpoch(training.patience)
    state = checkpoint.state() if checkpoint else None
    if state:
        best.load(state)
    with (
        tempfile.TemporaryDirectory() as scratch,
        quiet_transformers(),
        progress("training", training.epochs) as advance,
    ):
        trainer = Trainer(
            model=model,
            args=_arguments(training, scratch, validate=dev is not None),
            data_collator=collate,
            train_dataset=varied,
            eval_dataset=dev,
            compute_loss_func=partial(_loss, weights=weights),
            compute_metrics=_macro_f1,
            callbacks=[
                *([best] if training.keep == "best" else []),
                _Epochs(varied, advance),
                *([_Keeper(checkpoint, best)] if checkpoint else []),
            ],
            optimizers=(_optimiser(model, training), None),
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train(resume_from_checkpoint=str(state) if state else None)
    best.restore(model)
    return head.eval(), _history(trainer.state.log_history)


def _arguments(training: Training, scratch: str, *, validate: bool) -> TrainingArguments:
    device = compute_device()
    arguments = TrainingArguments(
        output_dir=scratch,
        num_train_epochs=training.epochs,
        per_device_train_batch_size=training.batch_size,
        per_device_eval_batch_size=training.batch_size,
        learning_rate=training.learning_rate,
        lr_scheduler_type="linear",
        seed=training.seed,
        data_seed=training.seed,
        eval_strategy="epoch" if validate else "no",
        logging_strategy="epoch",
        logging_nan_inf_filter=False,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        label_names=["labels"],
        use_cpu=device.type == "cpu",
        dataloader_pin_memory=device.type == "cuda",
    )
    # with several GPUs in sight the Trainer would multiply the recipe's batch size
    if arguments.n_gpu > 1:
        arguments._n_gpu = 1
    return arguments


def _optimiser(head: nn.Module, training: Training) -> torch.optim.Optimizer:
    """AdamW; layer weights learn at their own rate, and neither they nor biases, norms and lone vectors decay."""
    adapters = head.adapter_groups if isinstance(head, TunedHead) else []
    named = [(name, parameter) for name, parameter in head.named_parameters() if not name.startswith(TUNED)]
    layers = [parameter for name, parameter in named if name.endswith("layer_weights")]
    vectors = [parameter for name, parameter in named if parameter.ndim == 1 and not name.endswith("layer_weights")]
    matrices = [parameter for _, parameter in named if parameter.ndim > 1]
    groups = [
        {"params": matrices, "lr": training.learning_rate, "weight_decay": training.weight_decay},
        {"params": vectors, "lr": training.learning_rate, "weight_decay": 0.0},
        {"params": layers, "lr": training.layer_learning_rate, "weight_decay": 0.0},
        *({**group, "weight_decay": training.weight_decay} for group in adapters),
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], fused=True)


def _loss(outputs: Any, labels: Tensor, num_items_in_batch: Any = None, *, weights: Tensor | None) -> Tensor:
    return weighted_cross_entropy(outputs.logits, labels, weights)


def _macro_f1(prediction: EvalPrediction) -> dict[str, float]:
    guesses = np.asarray(prediction.predictions).argmax(1)
    return {"macro_f1": float(f1_score(prediction.label_ids, guesses, average="macro", zero_division=0))}


def _history(log: list[dict[str, Any]]) -> list[dict[str, Any]]:
    epochs: dict[int, dict[str, Any]] = {}
    for entry in log:
        epoch = epochs.setdefault(
            round(entry["epoch"]), {"epoch": round(entry["epoch"]), "loss": None, "dev_macro_f1": None}
        )
        if "loss" in entry:
            epoch["loss"] = entry["loss"]
        if "eval_macro_f1" in entry:
            epoch["dev_macro_f1"] = entry["eval_macro_f1"]
    return list(epochs.values())


class _BestEpoch(TrainerCallback):
    """Keeps the weights of the epoch with the best dev macro-F1, and stops when patience is at an end."""

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


class _Keeper(TrainerCallback):
    """Makes a checkpoint after an epoch, if the last is old enough: what the Trainer saves, and the best epoch."""

    def __init__(self, checkpoint: Checkpoint, best: _BestEpoch) -> None:
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


class _Epochs(TrainerCallback):
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
            raise FloatingPointError(
                f"the loss is {logs['loss']} in epoch {round(state.epoch)}; lower training.learning_rate"
            )
