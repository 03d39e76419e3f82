"""Recipes: the shipped ones load, and what is wrong with others is told in a sentence each."""

from pathlib import Path

import pytest
import yaml

from emovoz import Recipe
from emovoz.recipe import shipped_recipes
from emovoz.reference import setting_table
from helpers import emovoz, faults_of

RUNS = tuple(f"bsc-upc-{run}" for run in range(6))
GRADIENT = ("default-gradient", "speech-gradient", "text-gradient")
DEFAULT, SPEECH, TEXT = GRADIENT
BASELINES = ("baseline-compare-svm", "baseline-egemaps-svm", "baseline-logreg", "baseline-published", "baseline-tfidf")
SHIPPED = (*BASELINES, *RUNS, "default", *GRADIENT[:1], "spectrogram", "speech", *GRADIENT[1:2], "text", *GRADIENT[2:])
HEARD = {*BASELINES[:-1], *GRADIENT[:2], "default", "spectrogram", "speech", *RUNS}
READ = {"default", "text", GRADIENT[0], GRADIENT[2], *RUNS[1:]}


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_shipped_recipes_are_listed_with_a_description() -> None:
    recipes = shipped_recipes()
    assert tuple(recipes) == SHIPPED
    assert all(recipes.values())


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_recipe_loads_under_its_name(name: str) -> None:
    recipe = Recipe.load(name)
    assert recipe.name == name
    assert recipe.description == shipped_recipes()[name]
    assert (recipe.speech is not None, recipe.text is not None) == (name in HEARD, name in READ)


def test_every_setting_is_explained_on_the_command_line() -> None:
    rows = {row["setting"]: row for row in setting_table()}
    assert {name.partition(".")[0] for name in rows} == set(Recipe.model_fields) - {"name", "description"}
    assert all(row["meaning"] for row in rows.values())
    assert rows["training.label_smoothing"]["default"] == "0.0"
    assert rows["augmentation.noise.snr_db"]["default"].startswith('{"noise": [15, 25]')
    assert rows["augmentation.tempo"]["meaning"].startswith("speak faster or slower at the same pitch; an effect")
    printed = emovoz("recipes", "--settings").stdout
    assert "training.batch_size = 32\n    of fitting by gradient." in printed


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_recipe_survives_a_round_trip_through_a_file(tmp_path: Path, name: str) -> None:
    recipe = Recipe.load(name, ["training.seed=7", "description='una ñ: así'"])
    path = write(tmp_path, recipe.to_yaml())
    assert Recipe.load(path) == recipe
    assert Recipe.load(str(path)).training.seed == 7


def test_a_written_recipe_has_every_setting(tmp_path: Path) -> None:
    written = yaml.safe_load(Recipe.load("speech").to_yaml())
    assert set(written) == set(Recipe.model_fields)
    assert set(written["training"]) == set(type(Recipe.load("speech").training).model_fields)
    assert written["speech"] == {"model": "whisper-base", "layers": [2, 3, 4], "lora": None}
    assert written["text"] is None


def test_a_file_without_a_name_takes_that_of_the_file(tmp_path: Path) -> None:
    assert Recipe.load(write(tmp_path, "speech: {model: log-mel}")).name == "mine"
    assert Recipe.load(write(tmp_path, "name: otra\nspeech: {model: log-mel}")).name == "otra"


@pytest.mark.parametrize(
    ("override", "fault"),
    [
        ("training.lerning_rate=1", "training.lerning_rate: no such setting; did you mean 'learning_rate'?"),
        ("speech.layer=3", "speech.layer: no such setting; did you mean 'layers'?"),
        ("text.prefx=a", "text.prefx: no such setting; did you mean 'prefix'?"),
        ("modle.width=3", "modle: no such setting; did you mean 'model'?"),
        ("model.zzz=1", "model.zzz: no such setting"),
    ],
)
def test_an_unknown_setting_is_answered_with_the_nearest(override: str, fault: str) -> None:
    assert faults_of("default", override) == (f"recipe default: {fault}",)


@pytest.mark.parametrize(
    ("override", "fault"),
    [
        ("training.epochs=0", "training.epochs: Input should be greater than or equal to 1 (given: 0)"),
        ("training.epochs=tres", "training.epochs: Input should be a valid integer"),
        ("training.batch_size=0", "training.batch_size: "),
        ("training.learning_rate=0", "training.learning_rate: "),
        ("training.seed=-1", "training.seed: "),
        ("augmentation.crop_seconds=0", "augmentation.crop_seconds: "),
        ("augmentation.mixup=-1", "augmentation.mixup: "),
        ("augmentation.tempo={range: [0, 1]}", "augmentation.tempo.range.0: "),
        ("augmentation.speed={factors: []}", "augmentation.speed.factors: "),
        ("augmentation.gain={db: [3, -3]}", "augmentation.gain.db: give the lower end first"),
        ("augmentation.gain={db: [0, .inf]}", "augmentation.gain.db.1: "),
        ("augmentation.noise={snr_db: {}}", "augmentation.noise.snr_db: "),
        ("training.dev_fraction=0.6", "training.dev_fraction: "),
        ("model.dropout=1", "model.dropout: Input should be less than 1 (given: 1)"),
        ("model.pooling=median", "model.pooling: Input should be 'attention', "),
        ("speech.layers=[1, -2]", "speech.layers"),
        ("evaluation.bootstrap=5", "evaluation.bootstrap: "),
        ("training=3", "training: is a section with settings (method, seed, "),
    ],
)
def test_a_value_that_cannot_be_is_named_with_what_was_given(override: str, fault: str) -> None:
    first, *_ = faults_of(SPEECH, override)
    assert first.startswith(f"recipe speech-gradient: {fault}")
    assert "given: " in first


@pytest.mark.parametrize(
    ("override", "way"),
    [
        ("augmentation.speed=true", "(given: True); --set augmentation.speed={} takes the default of each"),
        ("speech=whisper-base", "(given: 'whisper-base'); name its encoder with --set speech.model=NAME"),
    ],
)
def test_a_value_in_the_place_of_a_section_is_answered_with_the_way(override: str, way: str) -> None:
    (fault,) = faults_of(SPEECH, override)
    assert fault.endswith(way)


def test_several_faults_are_told_at_once() -> None:
    faults = faults_of(SPEECH, "training.epochs=0", "model.dropout=1", "model.poling=mean", "extra=1")
    settings = [fault.removeprefix("recipe speech-gradient: ").split(":")[0] for fault in faults]
    assert sorted(settings) == ["extra", "model.dropout", "model.poling", "training.epochs"]


def test_overrides_are_typed_by_yaml() -> None:
    recipe = Recipe.load(
        SPEECH,
        [
            "training.epochs=3",
            "training.learning_rate=1e-4",
            "model.standardise=false",
            "model.width=16",
            "speech.layers=[0, 5]",
            "text={model: multilingual-e5-small, prefix: '12'}",
            "description=a=b",
        ],
    )
    assert (recipe.training.epochs, recipe.training.learning_rate) == (3, 1e-4)
    assert (recipe.model.standardise, recipe.model.width) == (False, 16)
    assert recipe.speech is not None
    assert recipe.speech.layers == [0, 5]
    assert recipe.text is not None
    assert recipe.text.prefix == "12"
    assert recipe.description == "a=b"


def test_a_section_can_be_switched_off_and_its_encoder_switches_it_on() -> None:
    alone = Recipe.load("default", ["text=null"])
    assert alone.text is None
    assert alone.speech == Recipe.load("default").speech
    both = Recipe.load("speech", ["model.fusion=pooled", "text.model=multilingual-e5-small", "text.layers=[6]"])
    assert both.text is not None
    assert (both.text.model, both.text.layers) == ("multilingual-e5-small", [6])
    fault = "recipe speech: text.model: not given; a section text begins with its encoder, --set text.model=NAME"
    assert faults_of("speech", "text.layers=[6]") == (fault,)


def test_the_last_override_wins() -> None:
    assert Recipe.load("speech", ["training.seed=1", "training.seed=2"]).training.seed == 2


@pytest.mark.parametrize("override", ["nonsense", "=3", "a..b=3", ".epochs=3", "training.=3", ""])
def test_an_override_that_is_none_is_answered_with_the_form(override: str) -> None:
    assert faults_of("speech", override) == (
        f"--set {override!r}: expected section.key=value, such as training.epochs=5",
    )


def test_an_override_whose_value_is_no_yaml_is_refused() -> None:
    assert faults_of("speech", "training.epochs=[1") == ("--set 'training.epochs=[1': the value is not valid YAML",)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("speech: [1", "mine.yaml: not valid YAML: "),
        ("speech:\n\t- 1", "mine.yaml: not valid YAML: "),
        ("", "mine.yaml: no settings in it"),
        ("- speech", "mine.yaml: no settings in it"),
        ("speech: {model: log-mel, 1: 2}", "mine.yaml: speech.1: "),
        ("speech: !!python/object:os.system {}", "mine.yaml: not valid YAML: "),
    ],
)
def test_a_file_that_is_no_recipe_is_refused(tmp_path: Path, text: str, fault: str) -> None:
    (told,) = faults_of(write(tmp_path, text))
    assert fault in told
    assert "\n" not in told


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    assert "cannot be read" in faults_of(tmp_path / "none.yaml")[0]
    path = tmp_path / "latin.yaml"
    path.write_bytes("description: añejo\nspeech: {model: log-mel}".encode("latin-1"))
    assert "cannot be read" in faults_of(path)[0]


def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    expected = (
        f"no recipe 'defalt': a .yaml file, a model's folder or one of {', '.join(SHIPPED)}; did you mean 'default'?"
    )
    assert faults_of("defalt") == (expected,)


def test_a_models_folder_is_a_recipe(tmp_path: Path) -> None:
    recipe = Recipe.load("speech", ["training.seed=7"])
    (tmp_path / "recipe.yaml").write_text(recipe.to_yaml())
    assert Recipe.load(tmp_path) == recipe
    assert Recipe.load(str(tmp_path), ["training.seed=8"]) == recipe.with_seed(8)
    (tmp_path / "recipe.yaml").unlink()
    assert "a model's folder" in faults_of(tmp_path)[0]


def test_a_local_encoder_directory_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models" / "mine").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    recipe = Recipe.load("speech", ["speech.model=models/mine"])
    assert recipe.speech is not None
    assert recipe.speech.model == str(tmp_path / "models" / "mine")
    other = Recipe.load("speech", ["speech.model=someone/on-the-hub"])
    assert other.speech is not None
    assert other.speech.model == "someone/on-the-hub"


def test_another_seed_changes_nothing_else() -> None:
    recipe = Recipe.load("speech")
    other = recipe.with_seed(5)
    assert other.training.seed == 5
    assert other.with_seed(recipe.training.seed) == recipe


def test_a_recipe_cannot_be_changed_in_place() -> None:
    recipe = Recipe.load("speech")
    with pytest.raises(ValueError, match="frozen"):
        recipe.training.epochs = 5
