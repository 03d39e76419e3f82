"""The verb train."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emovoz.errors import printable
from emovoz.lookup_cli import AsJson, recipe_of
from emovoz.options import Adapt, AudioDir, Excluded, Manifest, RecipeName, Settings, Workers, corpus_of, with_adapt
from emovoz.store_cli import Store, store_at

if TYPE_CHECKING:
    from emovoz import Recognizer

USUAL_PLACE = Path("emovoz-model")


def train(
    manifest: Manifest,
    out: Annotated[
        Path | None,
        typer.Option(
            help=f"Folder of the model, by default {USUAL_PLACE} if there is none yet; checkpoints lie in "
            "OUT.checkpoint meanwhile."
        ),
    ] = None,
    audio_dir: AudioDir = None,
    dev: Annotated[str | None, typer.Option(help="Manifest of the dev clips.")] = None,
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
    from emovoz import processes
    from emovoz import train as train_recognizer
    from emovoz.inference.model_folder import CARD, check_model_directory
    from emovoz.inference.thresholds import told
    from emovoz.progress import say
    from emovoz.training.checkpoints import checkpoint_beside, has_checkpoint, remove_checkpoint
    from emovoz.training.selected import selected_by

    chosen = recipe_of(recipe, with_adapt(settings, adapt))
    chosen = chosen if seed is None else chosen.with_seed(seed)
    if chosen.closed_form and not processes.go_on_alone():
        return
    out = place_of(out)
    check_model_directory(out)
    corpus = corpus_of(manifest, audio_dir, chosen, excluded=exclude_label)
    judges = corpus_of(dev, audio_dir, chosen, excluded=exclude_label) if dev else None
    if (out / CARD).is_file():
        say(f"{out} holds a model; it is replaced once the new one is trained")
    checkpoint = checkpoint_beside(out)
    try:
        recognizer = train_recognizer(
            corpus, chosen, dev=judges, store=store_at(store), workers=workers, checkpoint=checkpoint, resume=resume
        )
        if not processes.is_first():
            return
        recognizer.save_pretrained(out)
    except KeyboardInterrupt:
        if not has_checkpoint(checkpoint):
            raise
        say("stopped; the same command with --resume goes on from the last checkpoint")
        raise typer.Exit(130) from None
    remove_checkpoint(checkpoint)
    held_out = recognizer.held_out
    summary = {
        "model": str(out),
        "clips": len(corpus),
        "labels": recognizer.labels,
        "dev_macro_f1": held_out and held_out["macro_f1"],
        "selected": recognizer.selected,
        "temperature": recognizer.temperature,
        "thresholds": recognizer.thresholds,
    }
    if as_json:
        print(json.dumps(summary))
        return
    labels = printable(", ".join(recognizer.labels))
    print(f"trained on {len(corpus)} clips, {len(recognizer.labels)} labels: {labels}")
    if held_out:
        print(f"dev macro-F1 {held_out['macro_f1']:.3f} ({_dev_meaning(recognizer, given=dev is not None)})")
    if recognizer.selected:
        print(f"selected: {selected_by(recognizer.selected)}")
    if recognizer.temperature is not None:
        print(f"temperature: {recognizer.temperature:.2f}")
    if recognizer.thresholds:
        print(f"thresholds: {printable(told(recognizer.thresholds))}")
    print(f"model: {out}")


def place_of(out: Path | None) -> Path:
    """Where the model goes: where the user says, else to the usual place, unless that would replace a model."""
    from emovoz import InputError
    from emovoz.inference.model_folder import CARD

    if out is None and (USUAL_PLACE / CARD).is_file():
        raise InputError(
            f"{USUAL_PLACE} holds a model; name a folder for the new one with --out (that one replaces it)"
        )
    return out or USUAL_PLACE


def _dev_meaning(recognizer: "Recognizer", *, given: bool) -> str:
    recipe, held_out = recognizer.recipe, recognizer.held_out
    if held_out and (recognizer.selected or recipe.closed_form):
        what = "chose the settings" if recognizer.selected else "gave the temperature"
        return f"on {held_out['clips']} clips, {held_out['by']}, which {what}; evaluate on other clips"
    if recipe.training.keep == "best":
        return "it chose the state, so it flatters; evaluate on other clips"
    if given:
        return "it chose nothing; evaluate for an interval"
    return "on a part held out only to measure it; the saved model has learned from all clips"
