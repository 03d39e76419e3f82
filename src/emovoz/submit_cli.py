"""The verb that hands another verb to a Slurm cluster."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emovoz.lookup_cli import AsJson

if TYPE_CHECKING:
    from emovoz import Recipe

ONE_JOB = ("audit", "evaluate", "export", "train", "transcribe")
IN_PARTS = ("crossval", "extract")


def submit(
    verb: Annotated[str, typer.Argument(help="train, crossval, extract, audit, evaluate, export or transcribe.")],
    arguments: Annotated[list[str] | None, typer.Argument(help="Its arguments and options, as without submit.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the batch scripts and submit nothing.")] = False,
    gpus: Annotated[int, typer.Option(help="On each machine; train takes several.", min=0)] = 0,
    nodes: Annotated[int, typer.Option(help="Machines; train takes several.", min=1)] = 1,
    cpus: Annotated[int, typer.Option(help="Processors on each machine.", min=1)] = 4,
    time: Annotated[str, typer.Option(help="Of each job: minutes, H:MM:SS or D-HH:MM:SS.")] = "12:00:00",
    partition: Annotated[str | None, typer.Option(help="Of the cluster.")] = None,
    shards: Annotated[
        int | None,
        typer.Option(
            help="Jobs next to each other; by default 1 for extract, and for crossval one for each fit.", min=1
        ),
    ] = None,
    logs: Annotated[Path, typer.Option(help="Folder of the jobs' logs, which all machines see.")] = Path("emovoz-jobs"),
    executor: Annotated[
        str, typer.Option(help="slurm; or local: processes of this machine, to try it; ends with them.")
    ] = "slurm",
    as_json: AsJson = False,
) -> None:
    """Run a verb as jobs of a Slurm cluster; what is stopped there is started again and goes on."""
    from importlib.util import find_spec

    from emovoz import InputError
    from emovoz.scale.submit import Resources, in_parts, run_here, scripts, submit_to_slurm

    given = arguments or []
    if find_spec("submitit") is None:
        raise InputError("submit needs submitit: pip install 'emovoz[slurm]'")
    if executor not in ("slurm", "local"):
        raise InputError(f"--executor {executor}: slurm or local")
    if verb not in (*ONE_JOB, *IN_PARTS):
        raise InputError(f"submit {verb}: no work for a cluster; these are: {', '.join(sorted((*ONE_JOB, *IN_PARTS)))}")
    if verb != "train" and (nodes > 1 or gpus > 1):
        raise InputError(f"{verb} takes one machine and at most one GPU a job; --shards divides crossval and extract")
    if verb not in IN_PARTS and shards:
        raise InputError(f"--shards: {verb} cannot be divided, crossval and extract can")
    if executor == "local" and nodes > 1:
        raise InputError("--executor local: this machine is one; leave --nodes out")
    resources = Resources(_minutes(time), cpus, gpus, nodes, partition)
    most = _most_parts(verb, given, forgiving=dry_run) or shards or 1
    parts = min(shards or (most if verb == "crossval" else 1), most)
    stages = in_parts(verb, given, parts)
    if dry_run:
        print("\n".join(scripts(stages, resources, logs)))
        return
    run = submit_to_slurm if executor == "slurm" else run_here
    ids = run(stages, resources, logs)
    told = {"jobs": ids, "stages": [stage.name for stage in stages], "parts": parts, "logs": str(logs)}
    if as_json:
        print(json.dumps(told))
        return
    what = f"{verb} in {parts} parts" if parts > 1 else verb
    print(f"{what}: {'job' if len(ids) == 1 else 'jobs'} {', '.join(ids)}; logs in {logs}")
    if executor == "slurm":
        print(f"squeue -j {','.join(ids)} tells how they are", file=sys.stderr)


def _most_parts(verb: str, arguments: list[str], *, forgiving: bool) -> int | None:
    """Into how many parts the work of a command line can be divided; it is checked before it waits in a queue.

    Where one is `forgiving`, the corpus need not be here yet: then what is wrong with it is only told, and the number
    of parts is unknown.
    """
    from emovoz import InputError
    from emovoz.cli import app
    from emovoz.lookup_cli import recipe_of
    from emovoz.options import with_adapt
    from emovoz.progress import say

    command: Any = typer.main.get_command(app)
    named = command.commands[verb].make_context(verb, list(arguments)).params
    if verb not in ("train", *IN_PARTS):
        return 1
    settings = with_adapt(named["settings"], named.get("adapt"))
    names = named["recipe"] if verb == "crossval" else [named["recipe"]]
    recipes = [recipe_of(name, settings) for name in names or ["default"]]
    try:
        return _parts_of_corpus(verb, named, recipes)
    except InputError as error:
        if not forgiving:
            raise
        for fault in error.faults:
            say(f"it would be refused: {fault}")
        return None


def _parts_of_corpus(verb: str, named: dict[str, Any], recipes: "list[Recipe]") -> int:
    from emovoz import InputError
    from emovoz.evaluation import fits_of
    from emovoz.files import check_folder
    from emovoz.options import corpus_of
    from emovoz.train_cli import place_of

    corpus = corpus_of(
        named["manifest"],
        named["audio_dir"],
        recipes[0],
        labels=verb != "extract",
        excluded=named.get("exclude_label"),
        audio=named["audio_dir"] is not None or not all(one.reads for one in recipes),
    )
    if verb == "extract":
        return len(corpus)
    if verb == "train":
        check_folder(place_of(named["out"]))
        return 1
    if named["out"] is None:
        raise InputError("--out: name the folder of the results, on a disk that all machines see")
    check_folder(named["out"])
    return fits_of(corpus, recipes, named["folds"], named["group"], named["seeds"])


def _minutes(time: str) -> int:
    """Minutes of a time as Slurm writes it.

    >>> _minutes("90"), _minutes("1:30:00"), _minutes("1-00:00:00")
    (90, 90, 1440)
    """
    from emovoz import InputError

    days, dash, clock = time.rpartition("-")
    parts = clock.split(":")
    if not all(part.isdecimal() for part in (*parts, *([days] if dash else []))) or len(parts) > 3:
        raise InputError(f"--time {time}: give minutes, H:MM:SS or D-HH:MM:SS")
    numbers = [int(part) for part in parts]
    minutes = numbers[0] if len(numbers) == 1 else numbers[0] * 60 + numbers[1] if len(numbers) == 3 else numbers[0]
    return max(1, minutes + 1440 * int(days or 0))
