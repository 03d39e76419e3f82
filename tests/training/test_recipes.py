"""Recipes of training: every setting can be named, and what would do nothing or cannot be is refused by name."""

import pytest
import yaml

from emovoz import InputError, Recipe

NAMED = [
    "training.accumulation=2",
    "training.optimiser=rmsprop",
    "training.momentum=0.5",
    "training.schedule=plateau",
    "training.warmup=0.1",
    "training.plateau_factor=0.9",
    "training.plateau_patience=10",
    "training.gradient_clip=0",
    "training.precision=bfloat16",
    "training.loss=focal",
    "training.focal_gamma=1",
    "training.class_weights=effective",
    "training.effective_beta=0.99",
    "training.label_smoothing=0.1",
    "training.logit_adjustment=0.5",
    "training.validate_every=50",
    "training.keep=best",
    "training.patience=4",
    "tracking.tool=wandb",
    "tracking.account=the-lab",
]


def test_all_settings_can_be_named_together_and_come_back_from_a_saved_recipe() -> None:
    recipe = Recipe.load("speech-gradient", NAMED)
    assert Recipe.checked(yaml.safe_load(recipe.to_yaml())) == recipe


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        (["training.momentum=0.5"], "training.momentum needs training.optimiser sgd or rmsprop"),
        (["training.plateau_factor=0.5"], "training.plateau_factor needs training.schedule plateau"),
        (["training.plateau_patience=5"], "training.plateau_patience needs training.schedule plateau"),
        (["training.focal_gamma=1"], "training.focal_gamma needs training.loss focal"),
        (["training.effective_beta=0.9"], "training.effective_beta needs training.class_weights effective"),
        (
            ["training.sampling=balanced", "training.logit_adjustment=1"],
            "training.logit_adjustment needs training.sampling shuffled",
        ),
        (
            ["training.sampling=balanced", "training.class_weights=effective"],
            "training.class_weights effective needs training.sampling shuffled",
        ),
    ],
    ids=str,
)
def test_what_would_do_nothing_is_refused(settings: list[str], fault: str) -> None:
    with pytest.raises(InputError, match=fault):
        Recipe.load("speech-gradient", settings)


@pytest.mark.parametrize(
    "setting",
    [
        "accumulation=2",
        "optimiser=sgd",
        "schedule=cosine",
        "warmup=0.1",
        "gradient_clip=2",
        "precision=bfloat16",
        "loss=focal",
        "label_smoothing=0.1",
        "logit_adjustment=1",
        "sampling=balanced",
        "validate_every=5",
    ],
)
def test_a_closed_form_takes_no_setting_of_fitting_by_gradient(setting: str) -> None:
    with pytest.raises(InputError, match=rf"training.{setting.split('=')[0]} needs training.method gradient"):
        Recipe.load("baseline-logreg", [f"training.{setting}"])
    assert Recipe.load("baseline-logreg", ["training.class_weights=effective"]).training.class_weights == "effective"
