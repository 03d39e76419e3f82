"""Work spread over processes by Ray Data: on the cluster that RAY_ADDRESS names, or else on this machine."""

import os
import pickle
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from emovoz.errors import InputError

_OBJECT_STORE_BYTES = 500_000_000
"""For what travels between processes on this machine: names of clips and answers, never audio or features."""
_TRIES = 4
"""Of one piece of work whose process dies each time."""


class Make(Protocol):
    """Makes in a worker process what does the work there, once."""

    def __call__(self) -> Callable[[Any], Any]:
        """What takes a task and gives its result."""


@dataclass(frozen=True)
class Cluster:
    """Processes to be had.

    Attributes:
        workers: processes that work at a time.
        gpus: whether each of them has a GPU.
        precision: in which encoders multiply there.
    """

    workers: int
    gpus: bool
    precision: str

    def run(self, make: Make, tasks: Sequence[Any]) -> Iterator[Any]:
        """The result of each task, in order, as they come; no more of them are under way than can be worked on.

        A task whose process dies is given to another.

        Raises:
            InputError: what a task raises, or its process has died several times.
        """
        import ray
        from ray.data import ActorPoolStrategy

        if not tasks:
            return
        rows = [{"task": pickle.dumps(task)} for task in tasks]
        with warnings.catch_warnings():
            # there is no other way yet to end what would be tried for ever
            warnings.filterwarnings("ignore", message=".*ray_remote_args.* is deprecated")
            results = ray.data.from_items(rows, override_num_blocks=min(len(rows), 10_000)).map_batches(
                _Worker,
                fn_constructor_args=(make, self.precision, str(Path.cwd())),
                batch_size=1,
                compute=ActorPoolStrategy(min_size=1, max_size=self.workers, initial_size=self.workers),
                num_cpus=1,
                num_gpus=1 if self.gpus else None,
                max_restarts=-1,
                max_task_retries=_TRIES - 1,
            )
        try:
            for batch in results.iter_batches(batch_size=1):
                result = pickle.loads(batch["result"][0])
                if isinstance(result, _Stop):
                    raise InputError(result.faults)
                yield result
        except (ray.exceptions.RayActorError, ray.exceptions.OutOfMemoryError) as error:
            raise InputError(
                f"a process has died {_TRIES} times at the same work; what was done before is kept. Is there enough "
                "memory for so many workers?"
            ) from error


@dataclass(frozen=True)
class _Stop:
    """Why no more can be done."""

    faults: tuple[str, ...]


class _Worker:
    """Lives in a process of its own; what it works with is made when the first task comes, so that errors are told."""

    def __init__(self, make: Make, precision: str, folder: str) -> None:
        # paths are said from where the command runs
        with suppress(OSError):
            os.chdir(folder)
        # a GPU's usual precision would give features other than those that have been looked for
        os.environ["EMOVOZ_PRECISION"] = precision
        self.make = make
        self.work: Callable[[Any], Any] | None = None

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[bytes]]:
        return {"result": [pickle.dumps(self._result(pickle.loads(task))) for task in batch["task"]]}

    def _result(self, task: Any) -> Any:
        try:
            self.work = self.work or self.make()
            return self.work(task)
        except InputError as error:
            return _Stop(error.faults)


@contextmanager
def cluster(workers: int) -> Iterator[Cluster]:
    """A cluster: the one this process is connected to, the one RAY_ADDRESS names, or one on this machine meanwhile.

    Args:
        workers: processes that work at a time.

    Raises:
        InputError: no Ray, no such cluster, or one without as many processors or GPUs.
    """
    # nothing is told to anyone, and nothing of this folder is sent anywhere
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise InputError("--engine ray needs Ray: pip install 'emovoz[ray]'") from error
    started = not ray.is_initialized()
    if started:
        _connect(workers)
    _quiet()
    try:
        # Ray tells of processes that have died on stdout, where results are printed
        with redirect_stdout(sys.stderr):
            yield _reckoned(workers)
    finally:
        if started:
            ray.shutdown()


def _connect(workers: int) -> None:
    import logging

    import ray

    address = os.environ.get("RAY_ADDRESS")
    if not address:
        processors = max(workers, os.cpu_count() or 1)
        ray.init(
            "local",
            num_cpus=processors,
            include_dashboard=False,
            object_store_memory=_OBJECT_STORE_BYTES,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
        return
    try:
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise InputError(f"RAY_ADDRESS={address}: no cluster there ({error})") from error


def _quiet() -> None:
    import logging

    import ray

    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _reckoned(workers: int) -> Cluster:
    import ray

    there = ray.cluster_resources()
    gpus = there.get("GPU", 0) >= 1
    most = int(there.get("GPU" if gpus else "CPU", 0))
    if most < workers:
        raise InputError(f"--workers {workers}: the cluster has {most} {'GPUs' if gpus else 'processors'}")
    precision = os.environ.get("EMOVOZ_PRECISION") or ("float16" if gpus else "float32")
    return Cluster(workers, gpus, precision)
