"""What the parts of the published system give, one changed at a time, on the embedded encoders.

On spanish-elicited by one `emovoz crossval` with a recipe for each variant; on the text of EmoSPeech 2024 by `emovoz
train` with its dev set and `emovoz evaluate`. Needs the development data beside the project (`../shared/data`) and the
extra `augment`.
Run: python benchmarks/ablation.py heard; python benchmarks/ablation.py read
Writes what it measured into benchmarks/RESULTS.md, under a heading for each of the two.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml
from record import EMOSPEECH, SPANISH, machine, need_data, score, write_section

EFFECTS: dict[str, Any] = {"speed": {}, "reverb": {}, "noise": {}}
HEARD: dict[str, Any] = {
    "speech": {"model": "whisper-base", "layers": "all"},
    "features": {"stride": 4},
    "model": {"width": 128, "hidden_layers": 1, "hidden_width": 256, "dropout": 0.3},
    "training": {"epochs": 12, "batch_size": 32, "keep": "last"},
}
READ: dict[str, Any] = {
    "text": {"model": "multilingual-e5-small", "layers": [6, 9, 11]},
    "model": {"hidden_layers": 1, "hidden_width": 256, "dropout": 0.3},
    "training": {"epochs": 15, "batch_size": 32, "keep": "last"},
}
"""The bases: attention pooling, no sequence layer, cross-entropy by inverse frequency, a learned mix of layers."""

POOLINGS: dict[str, dict[str, Any]] = {
    name: {"model": {"pooling": name}}
    for name in (
        "multi_head_attention",
        "double_multi_head_attention",
        "mean",
        "mean_std",
        "attentive_statistics",
        "max",
    )
}
LOSSES: dict[str, dict[str, Any]] = {
    "cross-entropy, unweighted": {"training": {"class_weights": "none"}},
    "effective number": {"training": {"class_weights": "effective"}},
    "focal, gamma 2": {"training": {"loss": "focal"}},
    "label smoothing 0.1": {"training": {"label_smoothing": 0.1}},
    "logit adjustment 1": {"training": {"class_weights": "none", "logit_adjustment": 1.0}},
}
SEQUENCES: dict[str, dict[str, Any]] = {
    "self_attention": {"model": {"sequence": "self_attention"}},
    "multi_head_attention": {"model": {"sequence": "multi_head_attention"}},
    "reduced_multi_head_attention": {"model": {"sequence": "reduced_multi_head_attention"}},
    "transformer, 1 block": {"model": {"sequence": "transformer"}},
}
HEARD_VARIANTS = {
    "pooling": ("attention", POOLINGS),
    "sequence layer": ("none", SEQUENCES),
    "loss": ("cross-entropy, inverse frequency", LOSSES),
    "layers": (
        "learned mix of all 7",
        {"last": {"speech": {"layers": "last"}}, "layer 3 alone": {"speech": {"layers": [3]}}},
    ),
    "views": (
        "0",
        {str(views): {"augmentation": {"views": views, "probability": 0.5, **EFFECTS}} for views in (2, 4)},
    ),
}
READ_VARIANTS = {
    "pooling": ("attention", POOLINGS),
    "loss": ("cross-entropy, inverse frequency", LOSSES),
}


def main() -> None:
    """Measure one of the two, then write it down."""
    parser = argparse.ArgumentParser(description="what the parts of the published system give")
    parser.add_argument("part", choices=["heard", "read"])
    parser.add_argument("--seeds", default="3", help="of the cross-validation of what is heard")
    parser.add_argument("--store", type=Path, help="where features may be already")
    given = parser.parse_args()
    need_data()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        store = given.store or scratch / "store"
        if given.part == "heard":
            write_section("## Ablations: sound", "\n".join([machine(), "", *_heard(scratch, store, given.seeds)]))
        else:
            write_section("## Ablations: words", "\n".join([machine(), "", *_read(scratch, store)]))


def _heard(scratch: Path, store: Path, seeds: str) -> list[str]:
    recipes = _written(scratch, HEARD, HEARD_VARIANTS)
    out = scratch / "crossval"
    command = ["crossval", str(SPANISH / "manifest.csv"), "--audio-dir", str(SPANISH / "audio"), "--out", str(out)]
    command += ["--exclude-label", "surprise", "--group", "speaker", "--folds", "7", "--seeds", seeds]
    for recipe in recipes.values():
        command += ["--recipe", str(recipe)]
    seconds = _run([*command, "--store", str(store)])
    runs = json.loads((out / "results.json").read_text())["runs"]
    clips = runs["base"]["n"]
    return [
        "One `emovoz crossval` with a `--recipe` for each row on spanish-elicited: six classes, 14 speakers, 7 folds",
        f"by speaker, {clips} clips, seeds: {seeds}; Whisper base, frames of 80 ms brought to a width of 128, 12",
        "epochs, the last kept; nothing was tuned; the first row of each part is the same base. Intervals: bootstrap",
        f"over clips. The whole command took {seconds / 60:.0f} min.",
        "",
        *_table(HEARD_VARIANTS, runs),
    ]


def _read(scratch: Path, store: Path) -> list[str]:
    runs = {}
    for name, recipe in _written(scratch, READ, READ_VARIANTS).items():
        model, out, keep = scratch / name, scratch / f"{name}-scores", ["--store", str(store)]
        given = ["--dev", str(EMOSPEECH / "dev.csv"), "--recipe", str(recipe)]
        _run(["train", str(EMOSPEECH / "train.csv"), *given, "--out", str(model), *keep])
        _run(["evaluate", str(model), str(EMOSPEECH / "dev.csv"), "--out", str(out), *keep])
        runs[name] = json.loads((out / "results.json").read_text())
    clips = runs["base"]["n"]
    return [
        "`emovoz train train.csv --dev dev.csv`, then `evaluate`, on the text of EmoSPeech 2024: e5-small,",
        f"15 epochs, the last kept, so that dev chose nothing; one seed, {clips} clips, 4 of them fear.",
        "",
        *_table(READ_VARIANTS, runs),
    ]


def _written(scratch: Path, base: dict[str, Any], variants: dict[str, Any]) -> dict[str, Path]:
    """A recipe file for the base and for each variant, by the variant's file name."""
    changes = {"base": {}} | {
        _file(part, name): change for part, (_, of) in variants.items() for name, change in of.items()
    }
    paths = {}
    for name, change in changes.items():
        sections = {section: base.get(section, {}) | change.get(section, {}) for section in {**base, **change}}
        paths[name] = scratch / f"{name}.yaml"
        paths[name].write_text(yaml.safe_dump(sections))
    return paths


def _file(part: str, name: str) -> str:
    return "-".join(f"{part} {name}".replace(",", "").split())


def _table(variants: dict[str, Any], runs: dict[str, Any]) -> list[str]:
    lines = ["| part | variant | macro-F1 [95 %] | UAR [95 %] |", "|---|---|---|---|"]
    for part, (usual, others) in variants.items():
        named = {usual: "base"} | {name: _file(part, name) for name in others}
        lines += [
            f"| {part} | {name} | {score(runs[run], 'macro_f1')} | {score(runs[run], 'uar')} |"
            for name, run in named.items()
        ]
    return lines


def _run(arguments: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "from emovoz.cli import main; main()", *arguments], check=True)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
