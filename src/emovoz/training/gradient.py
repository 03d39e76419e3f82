"""Fitting by gradient: transformers' Trainer, AdamW, and the best epoch by dev macro-F1."""

import math
import tempfile
from functools import partial
from typing import Any

import numpy as np
import torch
from sklearn.metrics import f1_score
from torch import Tensor, nn
from transformers import EvalPrediction, Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import PrinterCallback

from emovoz.encoders.placement import compute_device
from emovoz.model import EmotionHead
from emovoz.progress import progress
from emovoz.recipe import Training
from emovoz.training.examples import Examples, collate_examples
from emovoz.training.losses import inverse_frequency_weights, weighted_cross_entropy
from emovoz.training.pooled import Decider, collate_pooled_examples, fit_scales, pooled_examples
from emovoz.training.variation import Varied


def fit_by_gradient(
    head: EmotionHead, examples: Examples, dev: Examples | None, training: Training
) -> tuple[EmotionHead, list[dict[str, Any]]]:
    """The fitted head in eval mode, and loss and dev macro-F1 of each epoch; arguments as in `fit`."""
    model: nn.Module = head
    collate = partial(collate_examples, shapes=head.config.shapes)
    if head.pooling_is_fixed:
        examples, dev = pooled_examples(head, examples), dev and pooled_examples(head, dev)
        fit_scales(head, examples)
        model, collate = Decider(head), partial(collate_pooled_examples, dims=head.fusion.dims)
    best = _BestEpoch(training.patience)
    watchers = [best] if training.keep == "best" else []
    classes = len(head.config.labels)
    varied = Varied(examples, training, classes)
    weights = None
    if training.class_weights == "inverse":
        weights = inverse_frequency_weights(examples.targets, classes).to(compute_device())
    with tempfile.TemporaryDirectory() as scratch, progress("training", training.epochs) as advance:
        trainer = Trainer(
            model=model,
            args=_arguments(training, scratch, validate=dev is not None),
            data_collator=collate,
            train_dataset=varied,
            eval_dataset=dev,
            compute_loss_func=partial(_loss, weights=weights),
            compute_metrics=_macro_f1,
            callbacks=[*watchers, _Epochs(varied, advance)],
            optimizers=(_optimiser(model, training), None),
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
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
    named = [(name, parameter) for name, parameter in head.named_parameters() if parameter.requires_grad]
    layers = [parameter for name, parameter in named if name.endswith("layer_weights")]
    vectors = [parameter for name, parameter in named if parameter.ndim == 1 and not name.endswith("layer_weights")]
    matrices = [parameter for _, parameter in named if parameter.ndim > 1]
    groups = [
        {"params": matrices, "lr": training.learning_rate, "weight_decay": training.weight_decay},
        {"params": vectors, "lr": training.learning_rate, "weight_decay": 0.0},
        {"params": layers, "lr": training.layer_learning_rate, "weight_decay": 0.0},
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


class _Epochs(TrainerCallback):
    """Tells the examples which epoch it is, shows progress, and stops a run whose loss is no number."""

    def __init__(self, examples: Varied, advance: Any) -> None:
        self.examples, self.advance = examples, advance

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
