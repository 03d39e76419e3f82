"""Fitting by gradient: transformers' Trainer, with the recipe's loss, order of clips, optimiser and schedule."""

import gc
import math
import tempfile
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from pickle import UnpicklingError
from types import MappingProxyType
from typing import Any

import torch
from sklearn.metrics import f1_score
from torch import Tensor, nn
from torch.nn.functional import nll_loss
from torch.utils.data import Sampler
from transformers import Trainer, TrainingArguments
from transformers.trainer_callback import PrinterCallback

from emovoz import processes
from emovoz.encoders.placement import compute_device
from emovoz.encoders.pretrained import quiet_transformers
from emovoz.errors import InputError
from emovoz.features import read_ahead
from emovoz.files import write_faults
from emovoz.model import Head
from emovoz.progress import progress
from emovoz.settings import Augmentation, Training
from emovoz.training.callbacks import BestState, Epochs, Keeper, Validations
from emovoz.training.checkpoints import Checkpoint
from emovoz.training.examples import Examples, collate_examples
from emovoz.training.finite import check_weights
from emovoz.training.losses import Objective, class_counts, class_weights, objective_of, weight_of
from emovoz.training.optimiser import optimiser_of, schedule_of
from emovoz.training.pooled import Decider, collate_pooled_examples, fit_scales, pooled_examples, scored
from emovoz.training.sampling import Balanced, shown_counts
from emovoz.training.shares import OwnShare, Share, add_up_step, dropout_of_the_batch, shares_of
from emovoz.training.tracking import Run, tracked
from emovoz.training.variation import Varied


def fit_by_gradient(
    head: Head,
    examples: Examples,
    dev: Examples | None,
    training: Training,
    augmentation: Augmentation,
    checkpoint: Checkpoint | None = None,
    run: Run | None = None,
) -> tuple[Head, list[dict[str, Any]]]:
    """The fitted head in eval mode, and loss and dev macro-F1 of each validation; arguments as in `fit`."""
    model: nn.Module = head
    collate = partial(collate_examples, shapes=head.input_shapes)
    if head.pooling_is_fixed:
        examples, dev = pooled_examples(head, examples), dev and pooled_examples(head, dev)
        fit_scales(head, examples)
        model, collate = Decider(head), partial(collate_pooled_examples, dims=head.fusion.dims)
    elif head.join.measured:
        # the adapters of a tuned head change nothing yet, and n-grams are never changed
        fit_scales(head, pooled_examples(head, replace(examples, views=())))
    # where nobody has joined others, transformers must not do so in its own way
    processes.leave()
    processes.share_weights(head)
    classes = len(head.config.labels)
    varied = Varied(examples, augmentation, training.seed, classes)
    best = BestState(training.patience)
    state = processes.from_first(checkpoint.state() if checkpoint else None)
    if state:
        best.load(state)
    with (
        checkpoint.scratch()
        if checkpoint and processes.is_first()
        else nullcontext(Path(tempfile.gettempdir())) as scratch,
        quiet_transformers(),
        progress("training", training.epochs) as advance,
        tracked(run if processes.is_first() else None) as trackers,
        _nothing_to_collect(),
    ):
        trainer = _Trainer(
            head,
            training,
            examples.targets,
            dev,
            shows_norm=run is not None,
            model=model,
            args=_arguments(training, scratch, run),
            data_collator=collate,
            train_dataset=OwnShare(varied) if processes.count() > 1 else varied,
            callbacks=[
                Validations(training.validate_every, dev=dev is not None),
                *([best] if training.keep == "best" else []),
                Epochs(varied, advance),
                *([Keeper(checkpoint, best)] if checkpoint and processes.is_first() else []),
                *trackers,
            ],
            optimizers=(optimiser_of(model, training), None),
        )
        trainer.remove_callback(PrinterCallback)
        with closing(trainer), _plain(state):
            trainer.train(resume_from_checkpoint=str(state) if state else None)
    best.restore(model)
    return head.eval(), history_of(trainer.state.log_history)


class _Trainer(Trainer):
    """transformers' Trainer, told what it has no arguments for.

    Args:
        head: that is fitted, whose modules `model` trains.
        training: the settings.
        targets: index of each clip's label.
        dev: clips to score; None where there are none.
        shows_norm: whether a tracker shows the norm of the gradients.
        arguments: of the Trainer.
    """

    def __init__(
        self,
        head: Head,
        training: Training,
        targets: Sequence[int],
        dev: Examples | None,
        *,
        shows_norm: bool,
        **arguments: Any,
    ) -> None:
        self.shows_norm = shows_norm
        self.head, self.training, self.targets, self.dev = head, training, targets, dev
        self.classes = len(head.config.labels)
        counts = shown_counts(training, class_counts(targets, self.classes)).to(compute_device())
        self.weights = class_weights(training, counts)
        self._epoch: Iterator[Any] | None = None
        self._batches: Generator[Any, None, None] = read_ahead(iter(()))
        self._shares: Iterator[Share] = iter(())
        objective = objective_of(training, self.weights, counts)
        super().__init__(compute_loss_func=partial(_loss, objective=objective), **arguments)

    def get_batch_samples(self, epoch: Iterator[Any], number: int, *_: Any) -> tuple[list[dict[str, Tensor]], Tensor]:
        """The batches of a step, and what their clips weigh together: each batch's loss is divided by it.

        So the gradients of batches that are added up are those of one batch as large. The next batch of the epoch is
        read meanwhile.
        """
        if epoch is not self._epoch:
            # no further than the last: there the loader would count an epoch, while the Trainer says which the next is
            loader: Any = self.callback_handler.train_dataloader
            own = islice(epoch, len(loader))
            self._epoch, self._batches = epoch, read_ahead(own)
        batches = list(islice(self._batches, number))
        labels = [batch["labels"].to(self.args.device) for batch in batches]
        weighed = [weight_of(of_batch, self.weights, self.classes) for of_batch in labels]
        if processes.count() == 1:
            return batches, torch.stack(weighed).sum()
        batches, shares, total = shares_of(batches, weighed)
        self._shares = iter(shares)
        return batches, total

    def training_step(self, model: nn.Module, inputs: Any, num_items_in_batch: Any = None) -> Tensor:
        """The loss of a batch, whose gradients are added to those that the parameters have."""
        if processes.count() == 1:
            return super().training_step(model, inputs, num_items_in_batch)
        with dropout_of_the_batch(next(self._shares)):
            loss = super().training_step(model, inputs, num_items_in_batch)
        return add_up_step(model, loss, last=self.accelerator.sync_gradients)

    def close(self) -> None:
        """Read no further, where training has stopped within an epoch."""
        self._batches.close()

    def floating_point_ops(self, inputs: Any) -> int:
        """Not counted: going through all parameters costs a part of every step."""
        return 0

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        """Where nothing is clipped, only what shows it needs it."""
        return super()._get_grad_norm(model, grad_norm) if self.shows_norm else grad_norm

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int] | None:
        if self.training.sampling == "balanced":
            return Balanced(self.targets, self.training.seed)
        return super()._get_train_sampler(train_dataset)

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Cross-entropy and macro-F1 of the dev clips, whatever is learned by; as the fitted head would score them."""
        found = processes.from_first(self._found() if processes.is_first() else {})
        self.log(found)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, found)
        return found

    def _found(self) -> dict[str, float]:
        assert self.dev is not None
        targets, scores = torch.tensor(self.dev.targets), torch.from_numpy(scored(self.head, self.dev))
        return {
            "eval_loss": float(nll_loss(scores.log(), targets)),
            "eval_macro_f1": float(f1_score(targets, scores.argmax(1), average="macro", zero_division=0)),
        }

    def _save_checkpoint(self, *given: Any) -> None:
        """As the library does it, of weights that are sound; where torch cannot write, it does not say why."""
        check_weights(self.head)
        with write_faults(Path(str(self.args.output_dir))):
            try:
                super()._save_checkpoint(*given)
            except RuntimeError as error:
                raise InputError(
                    f"{self.args.output_dir}: the checkpoint cannot be written; is the disk full? The one before it is "
                    f"kept ({str(error).splitlines()[0]})"
                ) from error

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """The recipe's schedule."""
        schedule: Any = schedule_of(optimizer or self.optimizer, self.training, num_training_steps)
        self.lr_scheduler = schedule
        return schedule

    def compute_loss_context_manager(self) -> Any:
        """Reduced precision where clips are learned from."""
        if self.training.precision == "float32":
            return nullcontext()
        return torch.autocast(self.args.device.type, torch.bfloat16)


def _loss(outputs: Any, labels: Tensor, num_items_in_batch: Tensor | None = None, *, objective: Objective) -> Tensor:
    return objective(outputs.logits, labels, total=num_items_in_batch)


class _Arguments(TrainingArguments):
    """The Trainer's arguments, as which trackers show the recipe's settings: of its own, most are idle here."""

    shown: Mapping[str, Any] = MappingProxyType({})

    def to_dict(self) -> dict[str, Any]:
        return dict(self.shown)


def _arguments(training: Training, scratch: Path, run: Run | None) -> TrainingArguments:
    device = compute_device()
    arguments = _Arguments(
        # without checkpoints nothing is written there
        output_dir=str(scratch),
        num_train_epochs=training.epochs,
        per_device_train_batch_size=training.batch_size,
        gradient_accumulation_steps=training.accumulation,
        learning_rate=training.learning_rate,
        max_grad_norm=training.gradient_clip,
        seed=training.seed,
        data_seed=training.seed,
        # when to validate and to log is for a callback to say
        eval_strategy="no",
        logging_strategy="no",
        logging_nan_inf_filter=False,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        use_cpu=device.type == "cpu",
        dataloader_pin_memory=device.type == "cuda",
    )
    if run is not None:
        arguments.shown = run.settings
    # with several GPUs in sight the Trainer would multiply the recipe's batch size
    if arguments.n_gpu > 1:
        arguments._n_gpu = 1
    return arguments


def history_of(log: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """An entry a validation, or an epoch where none was scored: epoch, step, mean loss since the last, dev macro-F1.

    The epoch is a whole number at its end, and a fraction within it.

    Args:
        log: the Trainer's.

    >>> log = [{"loss": 2.0, "step": 3, "epoch": 0.5}, {"loss": 1.0, "step": 6, "epoch": 1.0}]
    >>> history_of([*log, {"eval_macro_f1": 0.4, "step": 6, "epoch": 1.0}])
    [{'epoch': 1, 'step': 6, 'loss': 1.5, 'dev_macro_f1': 0.4}]
    """
    scored = any("eval_macro_f1" in told for told in log)
    history = []
    costs: list[float] = []
    done = 0
    for told in log:
        if "loss" in told:
            costs += [told["loss"]] * (told["step"] - done)
            done = told["step"]
        if "eval_macro_f1" in told or ("loss" in told and not scored):
            epoch = told["epoch"]
            history.append(
                {
                    "epoch": int(epoch) if epoch == int(epoch) else epoch,
                    "step": told["step"],
                    "loss": math.fsum(costs) / len(costs),
                    "dev_macro_f1": told.get("eval_macro_f1"),
                }
            )
            costs = []
    return history


@contextmanager
def _plain(state: Path | None) -> Iterator[None]:
    """Say in a sentence that torch has met something in a checkpoint that could run code; it has not read it."""
    try:
        yield
    except UnpicklingError as error:
        raise InputError(
            f"{state}: holds something besides tensors and plain values, which is not read, for it could run any code; "
            "leave --resume out to start afresh"
        ) from error


@contextmanager
def _nothing_to_collect() -> Iterator[None]:
    """Without the objects that are there already in the Trainer's search for garbage, which takes half a second."""
    if gc.get_freeze_count():
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
