"""Several processes that train one model together, as torchrun and `accelerate launch` start them.

The launcher tells each by its environment how many there are and which it is. Whoever does not join is alone.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

T = TypeVar("T")

PATIENCE = timedelta(days=30)
"""How long a process waits for the others, for one of them may encode for days; a launcher ends all if one ends."""
_OF_LAUNCHERS = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "GROUP_RANK", "ROLE_RANK")


@dataclass(frozen=True)
class _Place:
    """Which of how many processes this is, and what all of them can write notes to."""

    number: int = 0
    count: int = 1
    notes: Any = None


_place = _Place()


def count() -> int:
    """How many processes train together."""
    return _place.count


def number() -> int:
    """Which of them this is, from 0."""
    return _place.number


def is_first() -> bool:
    """Whether this is the one that encodes, writes and speaks."""
    return _place.number == 0


def started_as() -> tuple[int, int]:
    """Which process of how many the launcher says that this is."""
    if "RANK" not in os.environ:
        return 0, 1
    return int(os.environ["RANK"]), int(os.environ.get("WORLD_SIZE", "1"))


def leave() -> None:
    """Be alone, whatever the launcher has said.

    What it says of itself is taken out of the environment, where libraries would go by it: each would divide the work
    once more, by rules of its own.
    """
    if "RANK" not in os.environ:
        return
    for name in [name for name in os.environ if name in _OF_LAUNCHERS or name.startswith("ACCELERATE_")]:
        del os.environ[name]


def join() -> None:
    """Find the other processes that the launcher has started; where there are none, or they are found, do nothing.

    Raises:
        InputError: there are fewer GPUs than processes on this machine.
    """
    global _place
    own, of = started_as()
    if of < 2:
        return
    import torch
    import torch.distributed as dist
    from torch.distributed import distributed_c10d as c10d
    from torch.distributed.rendezvous import rendezvous

    local, on_machine = int(os.environ.get("LOCAL_RANK", "0")), int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    _take_gpu(local, on_machine)
    notes, own, of = next(iter(rendezvous("env://", timeout=PATIENCE)))
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, store=c10d.PrefixStore("group", notes), rank=own, world_size=of, timeout=PATIENCE)
    _place = _Place(own, of, c10d.PrefixStore("notes", notes))
    leave()


def go_on_alone() -> bool:
    """For work that cannot be shared: the first process has no others any more; whether this is the first."""
    global _place
    first = is_first()
    _place = _Place()
    return first


def wait() -> None:
    """Until all processes have come here."""
    if _place.count > 1:
        import torch

        gathered(torch.zeros(1))


def from_first(value: T) -> T:
    """What the first process gives here, in every process; what others give is of no account."""
    if _place.count == 1:
        return value
    import torch
    import torch.distributed as dist

    values: list[Any] = [value]
    dist.broadcast_object_list(values, src=0, device=torch.device("cpu"))
    return values[0]


@contextmanager
def first_then_others() -> Iterator[None]:
    """The block is worked through by the first process, and only then by the others, who find what it has done."""
    if not is_first():
        wait()
    yield
    if is_first():
        wait()


def gathered(values: Any) -> Any:
    """A tensor [...] of the processor's memory from every process, as large in each: [process, ...]."""
    import torch
    import torch.distributed as dist

    found = [torch.empty_like(values) for _ in range(_place.count)]
    dist.all_gather(found, values)
    return torch.stack(found)


def share_weights(module: Any) -> None:
    """Give all processes the parameters and buffers of the first."""
    if _place.count > 1:
        import torch.distributed as dist

        for tensor in (*module.parameters(), *module.buffers()):
            dist.broadcast(tensor.detach(), src=0)


def add_up(values: Any) -> Any:
    """The sum of a tensor over all processes, in its place."""
    if _place.count > 1:
        import torch.distributed as dist

        dist.all_reduce(values)
    return values


def add_up_gradients(parameters: Iterable[Any]) -> None:
    """Give every parameter the sum of its gradients over all processes; one that has none anywhere keeps none."""
    import torch

    trained = [one for one in parameters if one.requires_grad]
    flags = torch.tensor([one.grad is not None for one in trained], dtype=torch.float32, device=trained[0].device)
    parts = [(torch.zeros_like(one) if one.grad is None else one.grad).flatten() for one in trained]
    total = add_up(torch.cat([flags, *parts]))
    known, *sums = total.split([len(trained), *(one.numel() for one in trained)])
    for parameter, there, gradient in zip(trained, known.tolist(), sums, strict=True):
        parameter.grad = gradient.view_as(parameter).clone() if there else None


def fails_first(code: int) -> tuple[bool, int]:
    """Whether no other process has failed before this one, and the exit code of the one that has.

    What is at fault for one is mostly at fault for all, or leaves the others waiting for it; so the first tells it.

    Args:
        code: that this one is about to end with.
    """
    if _place.count == 1:
        return True, code
    try:
        first = _place.notes.add("fails", 1) == 1
        if first:
            _place.notes.set("code", str(code))
        return first, int(_place.notes.get("code"))
    except RuntimeError:
        # the notes lie with a process that is gone: it has failed before
        return False, code


def _take_gpu(local: int, on_machine: int) -> None:
    """Let this process see one GPU of its own, where there are any and the user has not named a device."""
    import torch

    # asked of the driver: nothing may have used a GPU before it is chosen
    there = torch.cuda.device_count()
    if os.environ.get("EMOVOZ_DEVICE") or there == 0:
        return
    if there < on_machine:
        from emovoz.errors import InputError

        raise InputError(
            f"{on_machine} processes on this machine, which has {there} GPU{'s' if there > 1 else ''}: start "
            "as many as there are GPUs, or set EMOVOZ_DEVICE=cpu"
        )
    seen = os.environ.get("CUDA_VISIBLE_DEVICES")
    os.environ["CUDA_VISIBLE_DEVICES"] = seen.split(",")[local] if seen else str(local)
