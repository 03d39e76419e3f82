"""The command line: one verb is one call of one public function."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from emovoz.audit_cli import audit
from emovoz.errors import printable
from emovoz.explain_cli import explain
from emovoz.export_cli import export
from emovoz.lookup_cli import AsJson, encoders, recipe_of, recipes
from emovoz.options import (
    Adapt,
    AudioDir,
    Engine,
    Excluded,
    Manifest,
    Part,
    RecipeName,
    Settings,
    Workers,
    check_engine,
    corpus_of,
    part_of,
    with_adapt,
)
from emovoz.predict_cli import predict
from emovoz.program import main
from emovoz.serve_cli import serve
from emovoz.store_cli import Store, store_at, store_to_fill
from emovoz.store_cli import app as store_verbs
from emovoz.submit_cli import submit
from emovoz.train_cli import train
from emovoz.transcribe_cli import transcribe

__all__ = ["app", "main"]

app = typer.Typer(
    help="Emotion recognised from how something is said and what is said.",
    epilog="Every verb takes --debug, which shows the whole traceback of an error.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(store_verbs, name="store")


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
    workers: Annotated[
        int, typer.Option(help="Threads that decode audio; with --engine ray, processes that encode.", min=1)
    ] = 2,
    engine: Engine = "local",
    part: Part = None,
    as_json: AsJson = False,
) -> None:
    """Encode a corpus, and the views a recipe asks for, into the feature store; what is there is not done again."""
    from emovoz import InputError

    check_engine(engine)
    if part and engine == "ray":
        raise InputError("--part: only with --engine local; Ray divides the work by itself")
    chosen = recipe_of(recipe, settings)
    place = store_to_fill(store, engine)
    corpus = corpus_of(manifest, audio_dir, chosen, labels=False)
    if engine == "ray":
        from emovoz.scale.encoding import extract_on_ray

        done = extract_on_ray(corpus, chosen, place, workers=workers)
    else:
        from emovoz import extract as extract_corpus
        from emovoz.features import FrozenEncoders, extract_part, views_of

        # the first of those that a grid lets be chosen from holds what all of them keep
        encoders, *_ = FrozenEncoders.of_each(chosen.candidates())
        views = views_of(chosen.augmentation)
        if part:
            done = extract_part(corpus, encoders, place, *part_of(part), views=views, workers=workers)
        else:
            done = extract_corpus(corpus, encoders, place, views=views, workers=workers)
    if as_json:
        print(json.dumps(done.to_dict()))
        return
    encoded = ", ".join(f"{count} new {name}" for name, count in done.encoded.items())
    if not any(done.encoded.values()):
        print(f"{done.clips} clips: all are in {place.name} already ({encoded})")
        return
    print(
        f"{done.clips} clips ({encoded}); {done.audio_seconds / 3600:.2f} h encoded in {done.seconds:.1f} s, "
        f"{done.times_real_time:.0f}x real time; {done.stored_bytes / 1e6:.1f} MB added to {place.name}"
    )


app.command()(train)


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
    part: Part = None,
    as_json: AsJson = False,
) -> None:
    """Cross-validate a recipe, or compare several on the same folds; of a stopped one, OUT/runs has what is done."""
    from emovoz import InputError
    from emovoz import crossval as cross_validate
    from emovoz.evaluation import crossval_part
    from emovoz.files import check_folder

    if out:
        check_folder(out)
    elif resume or part:
        raise InputError("--resume and --part: name with --out the folder that the comparison is to be in")
    recipes = [recipe_of(name, with_adapt(settings, adapt)) for name in recipe or ["default"]]
    needs_audio = not all(one.reads for one in recipes)
    corpus = corpus_of(
        manifest, audio_dir, recipes[0], excluded=exclude_label, audio=needs_audio or audio_dir is not None
    )
    if part and out:
        number, of = part_of(part)
        fits = crossval_part(
            corpus,
            recipes,
            number,
            of,
            finished=out / "runs",
            folds=folds,
            group=group,
            seeds=seeds,
            store=store_at(store),
            workers=workers,
        )
        print(f"part {part}: {fits} fits are in {out / 'runs'}; once all parts are, the same with --resume reports")
        return
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
    corpus = corpus_of(manifest, audio_dir, recognizer.recipe, labels=False, excluded=exclude_label)
    evaluation = evaluate_recognizer(recognizer, corpus, adapt=enrolled, store=store_at(store), workers=workers)
    # saved before anything is printed: a reader that closes the pipe must not cost the results
    if out:
        evaluation.save(out)
        print(f"report: {out / 'report.html'}", file=sys.stderr)
    if submission:
        evaluation.save_submission(submission)
        print(f"submission: {submission}", file=sys.stderr)
    _show(evaluation.results, as_json)


app.command()(transcribe)
app.command()(predict)
app.command()(serve)
app.command()(explain)
app.command()(export)
app.command()(encoders)
app.command()(recipes)
app.command(context_settings={"ignore_unknown_options": True})(submit)


def _show(results: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(results, ensure_ascii=False))
        return
    from emovoz.evaluation.text import summary

    print(printable(summary(results)))
