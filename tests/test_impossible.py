"""Settings that cannot go together are named, before anything is loaded."""

import pytest

from emovoz import Recipe
from emovoz.errors import InputError
from helpers import faults_of

DEFAULT, SPEECH, TEXT = "default-gradient", "speech-gradient", "text-gradient"
VIEWS = "augmentation.views=2"
GAIN = (VIEWS, "augmentation.gain={}")
CROP = (VIEWS, "augmentation.crop=waveform", "augmentation.crop_seconds=2")
LOGISTIC = ("training.method=logistic_regression", "model.hidden_layers=0")


@pytest.mark.parametrize(
    ("source", "overrides", "fault"),
    [
        (SPEECH, ["speech=null"], "a recipe needs a section speech, text or ngrams, or several of them"),
        (SPEECH, ["model.pooling=attention"], "model.standardise needs .* change model.pooling attention"),
        (SPEECH, ["model.layer_norm=true"], "model.standardise needs .* change model.layer_norm true"),
        (SPEECH, ["model.width=64"], "model.standardise needs .* change model.width"),
        (SPEECH, ["model.layer_mix=weighted"], "model.standardise needs .* change model.layer_mix weighted"),
        (DEFAULT, ["model.fusion=time"], "model.standardise needs .* change model.fusion time"),
        (SPEECH, LOGISTIC[:1], "logistic_regression can fit the last layer only; set model.hidden_layers 0"),
        (
            SPEECH,
            [*LOGISTIC, "model.standardise=false", "model.pooling=attention", "model.width=8"],
            "logistic_regression can fit the last layer only; change model.width, model.pooling attention",
        ),
        (SPEECH, ["training.patience=3"], "training.patience needs training.keep best"),
        (
            SPEECH,
            ["training.regularisation=9"],
            "training.regularisation needs training.method logistic_regression or svm",
        ),
        (
            SPEECH,
            ["augmentation.modality_dropout=0.1"],
            "augmentation.modality_dropout needs both speech and text",
        ),
        (DEFAULT, ["text=null"], "augmentation.modality_dropout needs both speech and text"),
        ("baseline-logreg", ["augmentation.mixup=0.2"], "augmentation.mixup needs training.method gradient"),
        (DEFAULT, LOGISTIC, "augmentation.modality_dropout needs training.method gradient"),
        (TEXT, ["augmentation.crop_seconds=2"], "augmentation.crop_seconds needs a section speech"),
        (
            SPEECH,
            ["augmentation.crop_seconds=2"],
            "augmentation.crop_seconds needs a head that learns before pooling, .*",
        ),
        (SPEECH, ["augmentation.speed={}"], "augmentation.speed needs augmentation.views"),
        (SPEECH, ["augmentation.probability=0.3"], "augmentation.probability needs augmentation.views"),
        (SPEECH, ["augmentation.seed=1"], "augmentation.seed needs augmentation.views"),
        (SPEECH, [VIEWS], "augmentation.views needs an effect, such as .*"),
        (
            SPEECH,
            [VIEWS, "augmentation.gain={probability: 0}"],
            "augmentation.views needs an effect whose .* not 0",
        ),
        (
            SPEECH,
            [*GAIN, "augmentation.probability=0"],
            "augmentation.probability 0 shows none of the views; .*",
        ),
        (
            SPEECH,
            [VIEWS, "augmentation.noise={snr_db: {music: [1, 2]}}"],
            ".*snr_db needs the kind noise: .*",
        ),
        (
            SPEECH,
            [*GAIN, "augmentation.crop=waveform"],
            "augmentation.crop waveform needs augmentation.crop_seconds",
        ),
        (
            SPEECH,
            [*CROP, "augmentation.crop_seconds=0.02"],
            "augmentation.crop_seconds must be at least 0.025 .*",
        ),
        (
            DEFAULT,
            [*CROP, "augmentation.crop_words=true"],
            "augmentation.crop_words needs augmentation.crop features.*",
        ),
        (TEXT, GAIN, "augmentation.views needs a section speech"),
        (
            TEXT,
            ["ngrams={}", "model.fusion=time"],
            "a section ngrams needs .* pooled or late, not time: .*",
        ),
        (
            DEFAULT,
            ["ngrams={}", "model.fusion=gated"],
            "a section ngrams needs .* pooled or late, not gated: .*",
        ),
        (TEXT, ["model.ngrams_weight=9"], "model.ngrams_weight needs a section ngrams"),
        (
            "baseline-tfidf",
            ["augmentation.modality_dropout=0.1", "training.method=gradient", "training.regularisation=1"],
            "augmentation.modality_dropout needs both speech and text",
        ),
        (
            "bsc-upc-3",
            ["ngrams={}", "model.fusion=pooled", "augmentation.crop_words=true"],
            "augmentation.crop_words needs a recipe without a section ngrams: .*",
        ),
        ("baseline-logreg", GAIN, "augmentation.views needs training.method gradient"),
    ],
)
def test_impossible_combinations_are_named(source: str, overrides: list[str], fault: str) -> None:
    with pytest.raises(InputError, match=rf"^recipe {source}: .*{fault}$"):
        Recipe.load(source, overrides)


@pytest.mark.parametrize(
    ("source", "overrides", "fault"),
    [
        (
            DEFAULT,
            ["sequence=transformer", "sequence_heads=5"],
            "model.sequence_heads 5 does not divide 384, .*\nrecipe default-gradient: .* 5 does not divide 512, .*",
        ),
        (
            SPEECH,
            ["sequence=multi_head_attention", "sequence_heads=3"],
            ".* to one of 1, 2, 4, 8, 16, 32, or .*",
        ),
        (
            DEFAULT,
            ["fusion=cross_attention", "sequence_heads=7"],
            ".* 7 does not divide 512, .* cross_attention .*",
        ),
        # pooled by themselves, words are 384 wide
        (
            DEFAULT,
            ["fusion=pooled", "pooling=multi_head_attention", "pooling_heads=256"],
            ".* does not divide 384.*",
        ),
        (
            SPEECH,
            ["width=10", "sequence=transformer"],
            "model.sequence_heads 4 does not divide 10, the width .*",
        ),
        (SPEECH, ["sequence_heads=8"], "model.sequence_heads needs model.sequence .*, or model.fusion .*"),
        (SPEECH, ["fusion=gated"], "model.fusion gated needs both speech and text"),
    ],
)
def test_heads_that_do_not_divide_the_width_are_named_before_anything_is_loaded(
    source: str, overrides: list[str], fault: str
) -> None:
    learning = ["model.layer_mix=weighted", "model.standardise=false"]
    with pytest.raises(InputError, match=rf"^recipe {source}: {fault}$"):
        Recipe.load(source, [*learning, *(f"model.{override}" for override in overrides)])


def test_concatenated_layers_are_as_wide_as_all_of_them() -> None:
    wide = ["model.standardise=false", "model.sequence=transformer", "model.sequence_heads=3"]
    assert Recipe.load(SPEECH, wide).model.sequence_heads == 3
    fault = faults_of(SPEECH, *wide, "speech.layers=[1, 2]")[0]
    assert "3 does not divide 1024" in fault


def test_heads_of_an_encoder_that_is_not_known_are_left_to_be_told_when_it_is() -> None:
    Recipe.load(SPEECH, ["speech.model=someone/unheard-of", "model.standardise=false", "model.sequence=transformer"])


def test_a_closed_form_cannot_fit_a_gate() -> None:
    fault = faults_of("baseline-logreg", "text.model=multilingual-e5-small", "model.fusion=gated")[0]
    assert fault.endswith("can fit the last layer only; change model.fusion gated")


def test_n_grams_of_nothing_are_refused() -> None:
    fault = faults_of("baseline-tfidf", "ngrams.characters=null")[0]
    assert "ngrams: give the sizes of n-grams of characters, or of words, or both" in fault


def test_time_fusion_of_a_single_branch_has_nothing_to_learn() -> None:
    assert Recipe.load(SPEECH, ["model.fusion=time"]).model.standardise
