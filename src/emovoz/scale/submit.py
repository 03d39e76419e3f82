"""Verbs of the command line as jobs of a Slurm cluster, by submitit.

What submitit pickles for a job is a `Task`: the words of a command line and a number, nothing of the user's.
"""

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emovoz.errors import InputError

WARNED = 90
"""Seconds before its time is up that a job is told, and lets itself be started again."""
STARTS = 1000
"""How often a job whose time was up is started again."""
FOR_EVER = 1e9
STOPPING = 30.0
"""Seconds that a verb is given to stop."""


@dataclass(frozen=True)
class Resources:
    """What each job is given.

    Attributes:
        minutes: of time; what is not done by then goes on in a next start.
        cpus: processors.
        gpus: on each machine.
        nodes: machines.
        partition: of the cluster; None takes its usual one.
    """

    minutes: int
    cpus: int
    gpus: int = 0
    nodes: int = 1
    partition: str | None = None


@dataclass(frozen=True)
class Stage:
    """Command lines (without `emovoz`) that run next to each other, after those of the stage before."""

    name: str
    commands: Sequence[Sequence[str]]


@dataclass
class Task:
    """What a job runs, on each of its machines.

    Attributes:
        arguments: the command line, without `emovoz`.
        processes: how many train together on each machine.
        again: whether it has been started before.
    """

    arguments: list[str]
    processes: int = 1
    again: bool = False

    def __call__(self) -> None:
        """Run it to its end; called by submitit within the job."""
        from submitit import JobEnvironment

        again = self.again or int(os.environ.get("SLURM_RESTART_COUNT", "0")) > 0
        command = launched(resumed(self.arguments) if again else self.arguments, self.processes, JobEnvironment())
        print(f"$ {shlex.join(command)}", flush=True)
        # in a session of its own: what is sent to this process is not for it
        self.running = subprocess.Popen(command, start_new_session=True)
        # with a limit, because a wait without one would not let `checkpoint` wait too
        code = self.running.wait(FOR_EVER)
        if code:
            raise RuntimeError(f"emovoz {self.arguments[0]} ended with code {code}; what it said stands in this log")

    def checkpoint(self) -> Any:
        """Stop, and say how to be started again; called by submitit where time is up or others need the machine."""
        from submitit.helpers import DelayedSubmission

        with suppress(ProcessLookupError):
            # what torchrun has started ends with it, but not if it is killed
            os.killpg(self.running.pid, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self.running.wait(STOPPING)
            os.killpg(self.running.pid, signal.SIGKILL)
        return DelayedSubmission(Task(self.arguments, self.processes, again=True))


def resumed(arguments: Sequence[str]) -> list[str]:
    """The command line that goes on with what another left."""
    takes_up = arguments[0] in ("train", "crossval") and "--resume" not in arguments and "--part" not in arguments
    return [*arguments, "--resume"] if takes_up else list(arguments)


def launched(arguments: Sequence[str], processes: int, job: Any) -> list[str]:
    """The command that runs a verb on this machine of a job.

    Args:
        arguments: the command line, without `emovoz`.
        processes: on each machine.
        job: submitit's JobEnvironment.
    """
    if processes * job.num_nodes == 1:
        return [sys.executable, "-m", "emovoz", *arguments]
    meeting = ["--standalone"]
    if job.num_nodes > 1:
        # the same for all machines of a job, and seldom that of another
        port = 20000 + int(job.raw_job_id) % 10000
        meeting = [f"--nnodes={job.num_nodes}", "--rdzv-backend=c10d", f"--rdzv-id={job.raw_job_id}"]
        meeting.append(f"--rdzv-endpoint={job.hostnames[0]}:{port}")
    torchrun = [sys.executable, "-m", "torch.distributed.run", *meeting, f"--nproc-per-node={processes}"]
    return [*torchrun, "-m", "emovoz", *arguments]


def in_parts(verb: str, arguments: Sequence[str], parts: int) -> list[Stage]:
    """The stages of a verb whose work is divided into so many jobs."""
    whole = [verb, *arguments]
    if parts == 1:
        return [Stage(verb, [whole])]
    stages = [Stage(verb, [[*whole, "--part", f"{part}/{parts}"] for part in range(1, parts + 1)])]
    # a cross-validation is put together at last; parts of a store put themselves in
    return [*stages, Stage(f"{verb}-report", [resumed(whole)])] if verb == "crossval" else stages


def scripts(stages: Sequence[Stage], resources: Resources, logs: Path) -> list[str]:
    """The batch script of each stage, as Slurm is given it; for this nothing has to run here but submitit."""
    from submitit.slurm import slurm

    found = []
    for number, stage in enumerate(stages):
        given = _parameters(stage, resources, after="JOB_ID_OF_THE_FIRST" if number else None)
        if len(stage.commands) > 1:
            given["map_count"] = len(stage.commands)
        command = f"{shlex.quote(sys.executable)} -u -m submitit.core._submit {shlex.quote(str(logs.absolute()))}"
        found.append(slurm._make_sbatch_string(command=command, folder=logs.absolute(), **given))
    return found


def submit_to_slurm(stages: Sequence[Stage], resources: Resources, logs: Path) -> list[str]:
    """Submit all stages, each to begin when the one before is done; the job ids.

    Raises:
        InputError: there is no Slurm here, or it refuses a job.
    """
    from submitit import SlurmExecutor
    from submitit.core.utils import FailedJobError

    if not shutil.which("sbatch") or not shutil.which("srun"):
        raise InputError("there is no Slurm on this machine (no sbatch): submit from a machine of the cluster")
    ids: list[str] = []
    for stage in stages:
        executor = SlurmExecutor(folder=logs.absolute(), max_num_timeout=STARTS)
        executor.update_parameters(**_parameters(stage, resources, after=ids[-1] if ids else None))
        try:
            jobs = executor.submit_array(_tasks(stage, resources))
        except FailedJobError as error:
            raise InputError(f"Slurm refuses the job: {' '.join(str(error).split())}") from error
        ids.append(str(jobs[0].job_id).split("_")[0])
    return ids


def run_here(stages: Sequence[Stage], resources: Resources, logs: Path) -> list[str]:
    """Run all stages as processes of this machine, one stage after the other; the job ids.

    Raises:
        InputError: a job failed, with the place of its log.
    """
    from submitit import LocalExecutor

    ids: list[str] = []
    for stage in stages:
        executor = LocalExecutor(folder=logs.absolute(), max_num_timeout=STARTS)
        executor.update_parameters(timeout_min=resources.minutes, gpus_per_node=resources.gpus, signal_delay_s=WARNED)
        jobs = executor.submit_array(_tasks(stage, resources))
        for job in jobs:
            job.wait()
        failed = [job for job in jobs if job.exception() is not None]
        if failed:
            raise InputError(f"job {job.job_id} failed; {job.paths.stderr} tells why" for job in failed)
        ids += [str(job.job_id) for job in jobs]
    return ids


def _tasks(stage: Stage, resources: Resources) -> list[Task]:
    return [Task(list(command), max(resources.gpus, 1)) for command in stage.commands]


def _parameters(stage: Stage, resources: Resources, after: str | None) -> dict[str, Any]:
    """What submitit makes a batch script from."""
    # a comment ends with its line
    commands = [f"# emovoz {shlex.join(command)}".replace("\n", " ") for command in stage.commands]
    return {
        "job_name": f"emovoz-{stage.name}",
        "time": resources.minutes,
        "nodes": resources.nodes,
        "ntasks_per_node": 1,
        "cpus_per_task": resources.cpus,
        # since 22.05 Slurm does not tell srun by itself
        "srun_args": [f"--cpus-per-task={resources.cpus}"],
        "signal_delay_s": WARNED,
        "setup": commands,
        "additional_parameters": {"requeue": True, "kill-on-invalid-dep": "yes"},
        **({"gpus_per_node": resources.gpus} if resources.gpus else {}),
        **({"partition": resources.partition} if resources.partition else {}),
        **({"dependency": f"afterok:{after}"} if after else {}),
    }
