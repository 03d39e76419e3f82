"""The same seed on the same machine, twice: the same bytes of results.json, but for times."""

import json
from pathlib import Path
from typing import Any

import pytest

from faults_tried import how_many, tally
from outcomes import files, results
from warm import Warm

VIEWS = ["augmentation.views=2", "augmentation.speed={}", "augmentation.noise={}", "augmentation.mixup=0.4"]
SAMPLED = [
    "training.thresholds=true",
    "training.sampling=balanced",
    "training.loss=focal",
    "augmentation.modality_dropout=0.3",
]
SEQUENCES = ["model.standardise=false", "model.layer_mix=weighted", "model.pooling=attention", "training.keep=best"]
RECIPES = {
    "default": ("default", ["ngrams.buckets=256"]),
    "views and sampling": (
        "default-gradient",
        ["training.epochs=3", "model.hidden_width=16", "training.thresholds=true", *VIEWS, *SAMPLED],
    ),
    "sequences": ("default-gradient", ["training.epochs=3", "model.hidden_width=16", *SEQUENCES]),
}
TIMES = how_many(6, 2)


@pytest.mark.parametrize("name", RECIPES)
def test_the_same_again_gives_the_same_bytes(
    name: str, tiny_options: list[str], few_clips: Path, warm: Warm, tmp_path: Path
) -> None:
    recipe, settings = RECIPES[name]
    options = [
        "--audio-dir",
        "/",
        "--recipe",
        recipe,
        *tiny_options,
        *(part for one in settings for part in ("--set", one)),
    ]
    found = []
    for turn in range(TIMES):
        folder = tmp_path / str(turn)
        store = ["--store", folder / "store"]
        folds = ["--folds", 2, "--seeds", 1, "--out", folder / "crossval"]
        commands: list[list[Any]] = [
            ["train", few_clips, *options, *store, "--seed", 7, "--out", folder / "model"],
            ["evaluate", folder / "model", few_clips, "--audio-dir", "/", *store, "--out", folder / "evaluated"],
            ["crossval", few_clips, *options, *store, *folds],
        ]
        for command in commands:
            ended = warm.run(*command)
            assert ended.code == 0, ended.err
        told = [json.dumps(results(folder / one)).encode() for one in ("evaluated", "crossval")]
        tables = [(folder / one / "predictions.csv").read_bytes() for one in ("evaluated", "crossval")]
        found.append([*told, *tables, files(folder / "model")])
    assert all(one == found[0] for one in found[1:])
    tally("the same run again", injected=TIMES - 1, survived=TIMES - 1)
