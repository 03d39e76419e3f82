"""How the head is fitted, who is told of it, and how it is scored."""

from typing import Annotated, Literal

from pydantic import Field

from emovoz.settings.base import Count, Fraction, NotNegative, Positive, Section


class Training(Section):
    """How the head is fitted.

    Attributes:
        method: `gradient`; or in closed form, on the pooled vectors, `logistic_regression` or `svm` (linear, one label
            against the rest, squared hinge; scores are a softmax of the distances from its planes, no probabilities).
        seed: decides initial weights, order and dropout; the same seed gives the same result.
        epochs, batch_size: of fitting by gradient.
        accumulation: batches that make one step together, as one batch as large would, at the memory of each.
        optimiser: `adamw`, `adam`, `sgd` or `rmsprop`.
        learning_rate, weight_decay: of the optimiser; only matrices decay.
        layer_learning_rate: of the layer weights, which do not decay.
        momentum: of sgd and rmsprop.
        schedule: of the learning rate: `linear` or `cosine` to zero, `plateau`, which needs dev clips, or none.
        warmup: share of the steps in which the rate rises from zero.
        plateau_factor, plateau_patience: on plateau, what the rate is multiplied by at this many validations in a row
            without a better dev macro-F1; then the count starts again.
        gradient_clip: largest norm of the gradient; 0 clips nothing.
        precision: `float32`, or `bfloat16` where the device computes in it; weights and dev scores stay in float32.
        loss: `cross_entropy` or `focal` (Lin et al. 2017); the dev loss is the plain cross-entropy always.
        focal_gamma: exponent of the focal loss.
        class_weights: weight every class by its `inverse` frequency, by its `effective` number of clips (Cui et al.
            2019), or not at all; their scale does not matter, for the loss is the weighted mean.
        effective_beta: of the effective number.
        label_smoothing: share of the target that is spread over all labels (Szegedy et al. 2016).
        logit_adjustment: how much of the log frequency of the labels is added to the logits in training (tau of Menon
            et al. 2021); 0 adds nothing. It does what class weights do: meant for `class_weights` none.
        sampling: show every clip once an epoch (`shuffled`), or draw as many clips of every label (`balanced`), as many
            in all; labels shown equally often weigh the same.
        validate_every: steps between two validations, and one after the last; by default one after each epoch.
        keep: the `best` state by dev macro-F1, or the `last`, for which dev clips are only a measurement.
        patience: stop after this many validations without a better dev macro-F1; 0 never stops.
        dev_fraction: share held out of the training data as dev clips when none are given. They choose the state
            where `keep` is best; where it is last, they are scored first and then trained on like the others.
        temperature: divide the logits by one number, fitted to clips held out (see `selection`) or to the dev clips, so
            that probabilities are as high as they are often right (Guo et al. 2017). By default wherever that takes no
            further fit by gradient.
        thresholds: fit a threshold a label on the same clips: the label whose probability is the largest multiple of
            its threshold is the decision. All stay equal, which changes nothing, unless that helps on clips left out.
        regularisation: inverse strength of logistic regression and svm: their `C` for vectors of mean squared length
            1 about their mean, so that it need not follow the number of values.
        adapt: speaker adaptation: pooled speech normalised by unlabelled clips of its speaker: `all` of them, or how
            many, drawn by seed and not scored (docs/adaptation.md). Training speakers are normalised by all their
            clips in any case; the number says how dev and test clips are. Needs speech, the speaker of every clip,
            and pooling with nothing to learn before it.
    """

    method: Literal["gradient", "logistic_regression", "svm"] = "gradient"
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    epochs: Count = 30
    batch_size: Count = 32
    accumulation: Count = 1
    optimiser: Literal["adamw", "adam", "sgd", "rmsprop"] = "adamw"
    learning_rate: Positive = 1e-3
    layer_learning_rate: Positive = 1e-2
    weight_decay: NotNegative = 0.01
    momentum: Fraction = 0.9
    schedule: Literal["linear", "cosine", "plateau", "none"] = "linear"
    warmup: Fraction = 0.0
    plateau_factor: Annotated[float, Field(gt=0, lt=1)] = 0.9
    plateau_patience: Count = 10
    gradient_clip: NotNegative = 1.0
    precision: Literal["float32", "bfloat16"] = "float32"
    loss: Literal["cross_entropy", "focal"] = "cross_entropy"
    focal_gamma: NotNegative = 2.0
    class_weights: Literal["inverse", "effective", "none"] = "inverse"
    effective_beta: Fraction = 0.999
    label_smoothing: Fraction = 0.0
    logit_adjustment: NotNegative = 0.0
    sampling: Literal["shuffled", "balanced"] = "shuffled"
    validate_every: Count | None = None
    keep: Literal["best", "last"] = "best"
    patience: Annotated[int, Field(ge=0)] = 0
    dev_fraction: Annotated[float, Field(ge=0, le=0.5)] = 0.15
    temperature: bool | None = None
    thresholds: bool = False
    regularisation: Positive = 1.0
    adapt: Literal["none", "all"] | Count = "none"

    @property
    def chooses_epoch(self) -> bool:
        """Whether dev clips decide which state is kept."""
        return self.method == "gradient" and self.keep == "best"


class Tracking(Section):
    """Where the course of a training is told while it runs; nowhere by default.

    Every fit is a run, named after recipe, seed and fold. What these tools take from the environment, such as
    WANDB_MODE, WANDB_PROJECT or MLFLOW_TRACKING_URI, comes first. A training that is resumed begins a new run.

    Attributes:
        tool: `tensorboard`, `wandb` or `mlflow` (the extra `tracking`), or none.
        project: of wandb; experiment of mlflow.
        account: of wandb: entity; by default that of whoever is logged in.
        folder: where tensorboard and wandb write; what mlflow writes to, a folder or an address (`http://...`).
    """

    tool: Literal["none", "tensorboard", "wandb", "mlflow"] = "none"
    project: str = "emovoz"
    account: str | None = None
    folder: str = "emovoz-runs"


class Evaluation(Section):
    """How scores are given.

    Attributes:
        bootstrap: resamples behind every 95 % interval.
        seed: of the resampling.
    """

    bootstrap: Annotated[int, Field(ge=100)] = 2000
    seed: Annotated[int, Field(ge=0)] = 0
