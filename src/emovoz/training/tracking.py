"""Telling trackers of a fit while it runs, through the callbacks that transformers has for them.

What the tools take from the environment (WANDB_MODE, WANDB_PROJECT, MLFLOW_TRACKING_URI, ...) comes before the recipe.
"""

import importlib.util
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emovoz.errors import InputError
from emovoz.files import check_folder
from emovoz.recipe import Recipe
from emovoz.settings import Tracking

if TYPE_CHECKING:
    from transformers import TrainerCallback


@dataclass(frozen=True)
class Run:
    """A fit as trackers show it.

    Attributes:
        tracking: where it is told.
        name: of the run.
        settings: of the recipe, by the names that --set has for them.
    """

    tracking: Tracking
    name: str
    settings: Mapping[str, Any]

    @classmethod
    def of(cls, recipe: Recipe, part: str) -> "Run":
        """The run of a recipe's fit, named after recipe, seed and the part of the work it is."""
        name = "-".join(filter(None, [recipe.name, f"seed{recipe.training.seed}", part]))
        settings: dict[str, Any] = {}
        for section, value in recipe.model_dump(mode="json", exclude={"tracking"}).items():
            keys = value if isinstance(value, dict) else {"": value}
            settings |= {f"{section}.{key}".rstrip("."): one for key, one in keys.items()}
        return cls(recipe.tracking, name, settings)


def check_tracker(tracking: Tracking) -> None:
    """Raise InputError where the tool is not installed or its folder cannot be; asked before long work."""
    if tracking.tool == "none":
        return
    if importlib.util.find_spec(tracking.tool) is None:
        raise InputError(f"tracking.tool {tracking.tool} is not installed: pip install 'emovoz[tracking]'")
    if "://" not in tracking.folder:
        check_folder(Path(tracking.folder))


@contextmanager
def tracked(run: Run | None) -> Iterator["list[TrainerCallback]"]:
    """The callbacks that tell a run's tracker, as long as the block lasts."""
    if run is None or run.tracking.tool == "none":
        yield []
        return
    opened = {"tensorboard": _tensorboard, "wandb": _wandb, "mlflow": _mlflow}[run.tracking.tool]
    with opened(run) as callback:
        yield [callback]


@contextmanager
def _tensorboard(run: Run) -> Iterator["TrainerCallback"]:
    """Events in folder/run/time: a second run of the same name is another curve."""
    from torch.utils.tensorboard import SummaryWriter
    from transformers.integrations.integration_utils import TensorBoardCallback

    folder = Path(os.environ.get("TENSORBOARD_LOGGING_DIR") or run.tracking.folder).expanduser()
    writer = SummaryWriter(str(folder / run.name / time.strftime("%Y-%m-%dT%H-%M-%S")))
    try:
        yield TensorBoardCallback(writer)
    finally:
        writer.close()


@contextmanager
def _wandb(run: Run) -> Iterator["TrainerCallback"]:
    import wandb
    from transformers.integrations.integration_utils import WandbCallback

    tracking = run.tracking
    folder = Path(os.environ.get("WANDB_DIR") or tracking.folder)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        opened = wandb.init(
            project=os.environ.get("WANDB_PROJECT") or tracking.project,
            entity=os.environ.get("WANDB_ENTITY") or tracking.account,
            name=os.environ.get("WANDB_NAME") or run.name,
            dir=str(folder),
            # what is printed stays on the terminal alone
            settings=wandb.Settings(console="off"),
        )
    except wandb.errors.Error as error:
        raise InputError(f"tracking.tool wandb: {error} WANDB_MODE=offline keeps runs on this machine.") from error
    with opened:
        yield WandbCallback()


@contextmanager
def _mlflow(run: Run) -> Iterator["TrainerCallback"]:
    # mlflow 3 asks to be told that runs shall be kept as files, the only way without a database; and it would print
    # addresses where results are printed
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    import mlflow
    from transformers.integrations.integration_utils import MLflowCallback

    ours = not mlflow.is_tracking_uri_set()
    if ours:
        folder = run.tracking.folder
        mlflow.set_tracking_uri(folder if "://" in folder else Path(folder).resolve().as_uri())
    try:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or run.tracking.project
        try:
            known = mlflow.get_experiment_by_name(name)
            experiment = known.experiment_id if known else mlflow.create_experiment(name)
            opened = mlflow.start_run(experiment_id=experiment, run_name=run.name)
        except mlflow.MlflowException as error:
            raise InputError(f"tracking.tool mlflow, {mlflow.get_tracking_uri()}: {error}") from error
        with opened:
            yield MLflowCallback()
    finally:
        if ours:
            nothing: Any = None
            mlflow.set_tracking_uri(nothing)
