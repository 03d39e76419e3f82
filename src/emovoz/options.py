"""What verbs share: options, and the corpus that they name."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from emovoz import Corpus
    from emovoz import Recipe as RecipeOf

Manifest = Annotated[
    str,
    typer.Argument(
        help="CSV, TSV, Parquet or JSON Lines with a column id, here or at a URL; or a folder of class folders."
    ),
]
AudioDir = Annotated[str | None, typer.Option(help="Folder of the audio files, here or at a URL (s3://, ...).")]
ENGINES = ("local", "ray")
Engine = Annotated[
    str, typer.Option(help="local, this process; or ray, processes on this machine or a cluster (docs/ray.md).")
]
RecipeName = Annotated[str, typer.Option("--recipe", help="A shipped recipe, a YAML file or a model's folder.")]
Settings = Annotated[list[str] | None, typer.Option("--set", help="section.key=value, repeatable.")]
Adapt = Annotated[
    str | None,
    typer.Option(
        help="Speaker adaptation by unlabelled clips of each speaker: none, all of them, or how many, which are not "
        "scored."
    ),
]
Workers = Annotated[int, typer.Option(help="Threads that decode audio.", min=1)]
Part = Annotated[
    str | None, typer.Option(help="K/N: of N equal parts of the work the Kth alone, for jobs next to each other.")
]
Excluded = Annotated[
    list[str] | None, typer.Option("--exclude-label", help="Leave out clips of this label; repeatable.")
]


def corpus_of(
    manifest: str,
    audio_dir: str | None,
    recipe: "RecipeOf",
    *,
    labels: bool = True,
    excluded: list[str] | None = None,
    audio: bool | None = None,
) -> "Corpus":
    """The clips of a manifest, with the audio that a recipe needs, and without those of excluded labels."""
    from emovoz import Corpus, InputError
    from emovoz.progress import say

    needed = audio_dir is not None or not recipe.reads if audio is None else audio
    corpus = Corpus.from_manifest(manifest, audio_dir, audio=needed, labels=labels)
    if labels and audio_dir is None and recipe.speech and recipe.reads and not any(clip.audio for clip in corpus):
        raise InputError(
            f"{manifest}: no clip has audio, and recipe {recipe.name} is to hear it too: "
            "name its folder with --audio-dir, or choose a recipe for words alone (--recipe text)"
        )
    there = [label for label in excluded or () if label in corpus.labels]
    for label in set(excluded or ()) - set(there):
        say(f"{manifest}: no clip is labelled {label!r}, so none is left out; labels: {', '.join(corpus.labels)}")
    return corpus.without(*there) if there else corpus


def part_of(part: str) -> tuple[int, int]:
    """Which part of how many an option --part names.

    >>> part_of("2/8")
    (2, 8)
    """
    from emovoz import InputError

    number, _, of = part.partition("/")
    if not (number.isdecimal() and of.isdecimal() and 0 < int(number) <= int(of)):
        raise InputError(f"--part {part}: give K/N, such as 2/8, the second of eight")
    return int(number), int(of)


def check_engine(engine: str) -> None:
    """Raise InputError where there is no such engine."""
    from emovoz import InputError

    if engine not in ENGINES:
        raise InputError(f"--engine {engine}: choose {' or '.join(ENGINES)}")


def with_adapt(settings: list[str] | None, adapt: str | None) -> list[str] | None:
    """The settings, and that of --adapt where it is given."""
    from emovoz.corpus.enrolment import read_adapt

    return settings if adapt is None else [*(settings or ()), f"training.adapt={read_adapt(adapt)}"]
