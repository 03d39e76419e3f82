"""A Slurm of one machine: munge, a controller and a node, with all their files in one folder."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

NEEDED = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "squeue")

CONFIGURATION = """\
ClusterName=here
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# what is started again has to wait as long as cred_expire, by default two minutes
AuthInfo=socket={folder}/munge/socket,cred_expire=5
CryptoType=crypto/munge
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
ReturnToService=2
JobRequeue=1
KillWait=5
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=2000 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def why_not() -> str | None:
    """Why no Slurm can be started here; None where one can."""
    missing = [name for name in NEEDED if not shutil.which(name)]
    if missing:
        return f"not installed: {', '.join(missing)} (Debian: slurmctld slurmd slurm-client munge)"
    return None if os.geteuid() == 0 else "a Slurm of one's own is started as root"


@contextmanager
def started(folder: Path) -> Iterator[dict[str, str]]:
    """The environment in which its commands are run, as long as the block lasts."""
    for name in ("munge", "state", "spool"):
        (folder / name).mkdir()
    key = folder / "munge" / "key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o600)
    host, configuration = socket.gethostname().split(".")[0], folder / "slurm.conf"
    configuration.write_text(
        CONFIGURATION.format(host=host, folder=folder, ports=_free_ports(2), cpus=len(os.sched_getaffinity(0)))
    )
    environment = {**os.environ, "SLURM_CONF": str(configuration), "OMP_NUM_THREADS": "1"}
    munge = [f"--{name}={folder}/munge/{name}" for name in ("socket", "pid-file", "log-file", "seed-file")]
    daemons = [
        ["munged", "--force", "--foreground", f"--key-file={key}", *munge],
        ["slurmctld", "-D", "-f", str(configuration)],
        ["slurmd", "-D", "-N", host, "-f", str(configuration)],
    ]
    running = []
    try:
        for command in daemons:
            with (folder / f"{command[0]}.out").open("w") as out:
                running.append(subprocess.Popen(command, env=environment, stdout=out, stderr=out))
            if command[0] == "munged":
                _until((folder / "munge" / "socket").exists)
        _until(lambda: "idle" in _told(["sinfo", "-h", "-o", "%T"], environment))
        yield environment
    finally:
        # once its daemons are gone, nobody ends a job that a failed test leaves
        subprocess.run(["scancel", "--user", "root"], env=environment, check=False)
        with suppress(AssertionError):
            _until(lambda: not _told(["squeue", "-h"], environment))
        for daemon in reversed(running):
            daemon.terminate()
            daemon.wait(30)


def _until(true: Callable[[], bool], seconds: float = 60.0) -> None:
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends, "Slurm does not start"
        time.sleep(0.1)


def _told(command: list[str], environment: dict[str, str]) -> str:
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stdout


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
