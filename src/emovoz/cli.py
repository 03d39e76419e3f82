"""The command line: one verb is one call of one public function."""

import io
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emovoz.audit_cli import audit
from emovoz.lookup_cli import AsJson, encoders, recipe_of, recipes
from emovoz.store_cli import Store, store_at
from emovoz.store_cli import app as store_verbs

if TYPE_CHECKING:
    from emovoz import Corpus
    from emovoz import Recipe as RecipeOf

app = typer.Typer(
    help="Emotion recognised from how something is said and what is said.",
    epilog="Every verb takes --debug, which shows the whole traceback of an error.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(store_verbs, name="store")

Manifest = Annotated[
    Path, typer.Argument(help="CSV, TSV, Parquet or JSON Lines with a column id, or a folder of class folders.")
]
AudioDir = Annotated[Path | None, typer.Option(help="Folder of the audio files.")]
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
Excluded = Annotated[
    list[str] | None, typer.Option("--exclude-label", help="Leave out clips of this label; repeatable.")
]


def main() -> None:
    """Run the command line; what the user can mend ends with code 2 and a sentence, all else with code 1."""
    from emovoz.errors import InputError
    from emovoz.progress import show_progress

    debug = "--debug" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    # advice of libraries about themselves is not for the user of this program
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    for stream in (sys.stdout, sys.stderr):
        # a file name that is no valid text must not end a run
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    show_progress()
    try:
        code = app(arguments, standalone_mode=False)
        sys.stdout.flush()
    except InputError as error:
        _fail(error, debug, 2, error.faults)
    except BrokenPipeError:
        _end_unread()
    except SystemExit as end:
        # typer catches a closed pipe first and makes a failure of it
        if isinstance(end.__context__, BrokenPipeError):
            _end_unread()
        raise
    except typer.Abort:
        _fail(None, debug, 130, ["stopped"])
    except KeyboardInterrupt as error:
        _fail(error, debug, 130, ["stopped"])
    except OSError as error:
        if error.filename is None:
            _fail(error, debug, 1, [f"emovoz failed: {error}", "run again with --debug for details"])
        _fail(error, debug, 2, [f"{error.filename}: cannot be read or written ({error.strerror})"])
    except Exception as error:
        if hasattr(error, "format_message"):
            _fail(error, debug, 2, [error.format_message()])
        _fail(
            error, debug, 1, [f"emovoz failed: {type(error).__name__}: {error}", "run again with --debug for details"]
        )
    sys.exit(code or 0)


def _end_unread() -> None:
    """Whoever read the output has had enough; what Python would still flush goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.exit(0)


def _fail(error: BaseException | None, debug: bool, code: int, sentences: Any) -> None:
    if debug and error is not None:
        raise error
    for sentence in sentences:
        print(sentence, file=sys.stderr)
    sys.exit(code)


def _tell_version(asked: bool) -> None:
    if asked:
        from emovoz import __version__

        print(f"emovoz {__version__}")
        raise typer.Exit


@app.callback()
def _of_all_verbs(
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """What stands before the verb."""


@app.command()
def quickstart(
    out: Annotated[Path, typer.Option(help="Folder of the model and the report.")] = Path("emovoz-quickstart"),
) -> None:
    """The main job on the built-in demo corpus: encode, train, evaluate on held-out voices, predict, report."""
    from emovoz.quickstart import run

    print(run(out))


app.command()(audit)


@app.command()
def extract(
    manifest: Manifest,
    audio_dir: AudioDir = None,
    recipe: RecipeName = "default",
    settings: Settings = None,
    store: Store = None,
    workers: Workers = 2,
    as_json: AsJson = False,
) -> None:
    """Encode a corpus, and the views a recipe asks for, into the feature store; what is there is not done again."""
    from emovoz import extract as extract_corpus
    from emovoz.features import FrozenEncoders, views_of

    chosen = recipe_of(recipe, settings)
    corpus = _corpus(manifest, audio_dir, chosen, labels=False)
    views = views_of(chosen.augmentation)
    # the first of those that a grid lets be chosen from holds what all of them keep
    encoders, *_ = FrozenEncoders.of_each(chosen.candidates())
    done = extract_corpus(corpus, encoders, store_at(store), views=views, workers=workers)
    if as_json:
        print(json.dumps(done.to_dict()))
        return
    encoded = ", ".join(f"{count} new {name}" for name, count in done.encoded.items())
    if not any(done.encoded.values()):
        print(f"{done.clips} clips: all are in {store_at(store).root} already ({encoded})")
        return
    print(
        f"{done.clips} clips ({encoded}); {done.audio_seconds / 3600:.2f} h encoded in {done.seconds:.1f} s, "
        f"{done.times_real_time:.0f}x real time; {done.stored_bytes / 1e6:.1f} MB added to {store_at(store).root}"
    )


@app.command()
def train(
    manifest: Manifest,
    out: Annotated[Path, typer.Option(help="Folder of the model; checkpoints lie in OUT.checkpoint meanwhile.")],
    audio_dir: AudioDir = None,
    dev: Annotated[Path | None, typer.Option(help="Manifest of the dev clips.")] = None,
    recipe: RecipeName = "default",
    settings: Settings = None,
    store: Store = None,
    seed: Annotated[int | None, typer.Option(help="Instead of the recipe's.", min=0, max=2**31 - 1)] = None,
    exclude_label: Excluded = None,
    adapt: Adapt = None,
    workers: Workers = 2,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the checkpoint of a stopped training, if there is one.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Train a recogniser; without --dev a part of the corpus, with other speakers where known, serves as dev."""
    from emovoz import train as train_recognizer
    from emovoz.inference.recognizer import CARD, check_model_directory
    from emovoz.inference.thresholds import told
    from emovoz.progress import say
    from emovoz.training.checkpoints import checkpoint_beside, has_checkpoint, remove_checkpoint
    from emovoz.training.selected import selected_by

    chosen = recipe_of(recipe, _with_adapt(settings, adapt))
    chosen = chosen if seed is None else chosen.with_seed(seed)
    check_model_directory(out)
    corpus = _corpus(manifest, audio_dir, chosen, excluded=exclude_label)
    judges = _corpus(dev, audio_dir, chosen, excluded=exclude_label) if dev else None
    if (out / CARD).is_file():
        say(f"{out} holds a model; it is replaced once the new one is trained")
    checkpoint = checkpoint_beside(out)
    try:
        recognizer = train_recognizer(
            corpus, chosen, dev=judges, store=store_at(store), workers=workers, checkpoint=checkpoint, resume=resume
        )
        recognizer.save_pretrained(out)
    except KeyboardInterrupt:
        if not has_checkpoint(checkpoint):
            raise
        print("stopped; the same command with --resume goes on from the last checkpoint", file=sys.stderr)
        raise typer.Exit(130) from None
    remove_checkpoint(checkpoint)
    scores = [entry["dev_macro_f1"] for entry in recognizer.history if entry["dev_macro_f1"] is not None]
    dev_score = (max(scores) if chosen.training.keep == "best" else scores[-1]) if scores else None
    held_out = recognizer.held_out
    if dev_score is None and held_out:
        dev_score = held_out["macro_f1"]
    summary = {
        "model": str(out),
        "clips": len(corpus),
        "labels": recognizer.labels,
        "dev_macro_f1": dev_score,
        "selected": recognizer.selected,
        "temperature": recognizer.temperature,
        "thresholds": recognizer.thresholds,
    }
    if as_json:
        print(json.dumps(summary))
        return
    print(f"trained on {len(corpus)} clips, {len(recognizer.labels)} labels: {', '.join(recognizer.labels)}")
    if dev_score is not None:
        meaning = _dev_meaning(chosen, given=dev is not None)
        if held_out and (recognizer.selected or not scores):
            what = "chose the settings" if recognizer.selected else "gave the temperature"
            meaning = f"on {held_out['clips']} clips, {held_out['by']}, which {what}; evaluate on other clips"
        print(f"dev macro-F1 {dev_score:.3f} ({meaning})")
    if recognizer.selected:
        print(f"selected: {selected_by(recognizer.selected)}")
    if recognizer.temperature is not None:
        print(f"temperature: {recognizer.temperature:.2f}")
    if recognizer.thresholds:
        print(f"thresholds: {told(recognizer.thresholds)}")
    print(f"model: {out}")


@app.command()
def crossval(
    manifest: Manifest,
    audio_dir: AudioDir = None,
    recipe: Annotated[list[str] | None, typer.Option(help="Repeatable: compares.")] = None,
    settings: Settings = None,
    folds: Annotated[
        str | None,
        typer.Option(
            help="A number, or all: as many as groups; 7,all: one for each column. By default 5, or fewer with few "
            "groups or clips."
        ),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(
            help="Column kept apart; by default speaker, where known. Of several (speaker,sentence), test clips share "
            "a value of none with those trained on."
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(help="Runs with different seeds.", min=1)] = 3,
    exclude_label: Excluded = None,
    adapt: Adapt = None,
    store: Store = None,
    out: Annotated[Path | None, typer.Option(help="Folder for results.json, predictions and report.html.")] = None,
    workers: Workers = 2,
    resume: Annotated[
        bool, typer.Option("--resume", help="Take what is finished in OUT/runs, where it is of the same run.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Cross-validate a recipe, or compare several on the same folds; of a stopped one, OUT/runs has what is done."""
    from emovoz import InputError
    from emovoz import crossval as cross_validate
    from emovoz.files import check_folder

    if out:
        check_folder(out)
    elif resume:
        raise InputError("--resume: name with --out the folder in which the stopped comparison was to be")
    recipes = [recipe_of(name, _with_adapt(settings, adapt)) for name in recipe or ["default"]]
    needs_audio = not all(one.reads for one in recipes)
    corpus = _corpus(
        manifest, audio_dir, recipes[0], excluded=exclude_label, audio=needs_audio or audio_dir is not None
    )
    try:
        result = cross_validate(
            corpus,
            recipes,
            folds=folds,
            group=group,
            seeds=seeds,
            store=store_at(store),
            workers=workers,
            finished=out / "runs" if out else None,
            resume=resume,
        )
    except KeyboardInterrupt:
        if not out or not any((out / "runs").glob("*.json")):
            raise
        print(
            f"stopped; what is finished lies in {out / 'runs'}: the same command with --resume takes it",
            file=sys.stderr,
        )
        raise typer.Exit(130) from None
    # saved before anything is printed: a reader that closes the pipe must not cost the results
    if out:
        result.save(out)
        print(f"report: {out / 'report.html'}", file=sys.stderr)
    _show(result.results, as_json)


@app.command()
def evaluate(
    model: Annotated[str, typer.Argument(help="Model folder or hub id.")],
    manifest: Manifest,
    audio_dir: AudioDir = None,
    out: Annotated[Path | None, typer.Option(help="Folder for results.json, predictions.csv and report.html.")] = None,
    submission: Annotated[
        Path | None, typer.Option(help="CSV id,label of every clip, in the manifest's order.")
    ] = None,
    exclude_label: Excluded = None,
    adapt: Adapt = None,
    store: Store = None,
    workers: Workers = 2,
    as_json: AsJson = False,
) -> None:
    """Score a saved model; clips without a label are predicted and not scored."""
    from emovoz import InputError, Recognizer
    from emovoz import evaluate as evaluate_recognizer
    from emovoz.corpus.enrolment import read_adapt
    from emovoz.files import check_file, check_folder

    if out:
        check_folder(out)
    enrolled = read_adapt(adapt or "none")
    if submission and isinstance(enrolled, int):
        raise InputError(
            f"--submission labels every clip, but with --adapt {enrolled} some are heard to adapt to their speaker; "
            "choose --adapt all or none"
        )
    if submission:
        check_file(submission)
    recognizer = Recognizer.from_pretrained(model)
    corpus = _corpus(manifest, audio_dir, recognizer.recipe, labels=False, excluded=exclude_label)
    evaluation = evaluate_recognizer(recognizer, corpus, adapt=enrolled, store=store_at(store), workers=workers)
    # saved before anything is printed: a reader that closes the pipe must not cost the results
    if out:
        evaluation.save(out)
        print(f"report: {out / 'report.html'}", file=sys.stderr)
    if submission:
        evaluation.save_submission(submission)
        print(f"submission: {submission}", file=sys.stderr)
    _show(evaluation.results, as_json)


@app.command()
def predict(
    model: Annotated[str, typer.Argument(help="Model folder or hub id.")],
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT...", help="Files, folders, a manifest, - for paths on stdin.")
    ],
    form: Annotated[str, typer.Option("--format", help="jsonl or csv.")] = "jsonl",
    text: Annotated[str | None, typer.Option(help="What is said, where there is one clip.")] = None,
    adapt_speaker: Annotated[
        str | None,
        typer.Option(
            metavar="DIR", help="Unlabelled clips of the one voice that all inputs are of; the speech is adapted to it."
        ),
    ] = None,
    audio_dir: AudioDir = None,
    batch_size: Annotated[int, typer.Option(help="Clips encoded together.", min=1)] = 16,
    threshold: Annotated[
        list[str] | None,
        typer.Option(help="LABEL=VALUE, such as fear=0.2, for this label instead of the model's (or 0.5); repeatable."),
    ] = None,
) -> None:
    """Label clips: a line each, also for one that cannot be judged; then the exit code is 2."""
    from emovoz import InputError, Recognizer
    from emovoz.inference.inputs import clips_of, with_text
    from emovoz.inference.lines import WRITERS
    from emovoz.inference.thresholds import read_thresholds
    from emovoz.progress import say

    if form not in WRITERS:
        raise InputError(f"--format {form}: choose {' or '.join(WRITERS)}")
    thresholds = read_thresholds(threshold or [])
    recognizer = Recognizer.from_pretrained(model)
    given = _with_stdin(inputs) if len(inputs) > 1 or "-" in inputs else inputs[0]
    clips = with_text(clips_of(given, audio_dir=audio_dir), text)
    judged = failed = 0
    voice = clips_of(adapt_speaker, audio_dir=audio_dir) if adapt_speaker else None
    predictions = recognizer.predict_each(clips, batch_size=batch_size, thresholds=thresholds, enrolment=voice)
    for line, prediction in WRITERS[form](predictions, recognizer.labels):
        print(line, flush=True)
        judged += prediction is not None and prediction.error is None
        failed += prediction is not None and prediction.error is not None
    say(f"{judged} judged{f', {failed} not: their lines say why' if failed else ''}")
    raise typer.Exit(2 if failed else 0)


app.command()(encoders)
app.command()(recipes)


def _dev_meaning(recipe: "RecipeOf", *, given: bool) -> str:
    if recipe.training.keep == "best":
        return "it chose the state, so it flatters; evaluate on other clips"
    if given:
        return "it chose nothing; evaluate for an interval"
    return "on a part held out only to measure it; the saved model has learned from all clips"


def _corpus(
    manifest: Path,
    audio_dir: Path | None,
    recipe: "RecipeOf",
    *,
    labels: bool = True,
    excluded: list[str] | None = None,
    audio: bool | None = None,
) -> "Corpus":
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


def _with_adapt(settings: list[str] | None, adapt: str | None) -> list[str] | None:
    """The settings, and that of --adapt where it is given."""
    from emovoz.corpus.enrolment import read_adapt

    return settings if adapt is None else [*(settings or ()), f"training.adapt={read_adapt(adapt)}"]


def _with_stdin(inputs: list[str]) -> Iterator[str]:
    for one in inputs:
        if one == "-":
            yield from (line.rstrip("\r\n") for line in sys.stdin if line.strip())
        else:
            yield one


def _show(results: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(results, ensure_ascii=False))
        return
    from emovoz.evaluation.text import summary

    print(summary(results))
