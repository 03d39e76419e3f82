"""Training with adapters inside the encoders: learned, stored, saved and used as everything else."""

import itertools
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file

from emovoz import (
    Clip,
    Corpus,
    FeatureStore,
    InputError,
    Recipe,
    Recognizer,
    Waveform,
    crossval,
    evaluate,
    train,
)
from emovoz.features import ClipFeatures, FrozenEncoders, LongClipFeatures, encode_clips, extract
from emovoz.inference import probabilities
from emovoz.inference.prediction import Prediction
from emovoz.training import new_head
from helpers import emovoz, json_lines

WORDS = ["qué", "alegría", "miedo", "no", "sí", "hola", "la", "casa"]
LORA = ["speech.lora={last: 1, rank: 4}", "text.lora={last: 2, learning_rate: 0.01}"]


def gap(ones: list[Prediction], others: list[Prediction]) -> float:
    """The largest difference of any score."""
    pairs = zip(ones, others, strict=True)
    return max(abs(one.scores[label] - other.scores[label]) for one, other in pairs for label in one.scores)


@pytest.fixture(scope="module")
def puzzle() -> Corpus:
    """Two words each; the label is joy where exactly one of them is of the first four: no word tells by itself."""
    pairs = itertools.product(enumerate(WORDS), repeat=2)
    return Corpus(
        [Clip(f"{a}-{b}", transcription=f"{a} {b}", label="joy" if (i < 4) != (j < 4) else "fear")
         for (i, a), (j, b) in pairs]
    )  # fmt: skip


@pytest.fixture(scope="module")
def clips(demo: Corpus) -> Corpus:
    """24 clips of the demo corpus, one of them without words."""
    chosen = demo.split("train").clips[::4][:24]
    return Corpus([Clip(chosen[0].id, chosen[0].audio, label=chosen[0].label), *chosen[1:]])


@pytest.fixture(scope="module")
def tiny(tiny_whisper: Path, tiny_bert: Path) -> list[str]:
    """Both encoders of random weights, and a head that is quickly trained."""
    encoders = [f"speech.model={tiny_whisper}", f"text.model={tiny_bert}", "speech.layers=all", "text.layers=[0,2]"]
    return [*encoders, "model.hidden_width=16", "training.epochs=3", "training.batch_size=8"]


@pytest.fixture(scope="module")
def tuned(clips: Corpus, tiny: list[str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Recognizer, Path]:
    """A tuned recogniser, and the folder it is saved in."""
    folder = tmp_path_factory.mktemp("tuned")
    recognizer = train(clips, Recipe.load("default-gradient", [*tiny, *LORA]), store=FeatureStore(folder / "store"))
    recognizer.save_pretrained(folder / "model")
    return recognizer, folder / "model"


def test_it_learns_what_the_frozen_encoder_does_not_tell(puzzle: Corpus, tiny_bert: Path, tmp_path: Path) -> None:
    settings = ["model.hidden_layers=0", "model.dropout=0", "model.input_dropout=0", "training.dev_fraction=0"]
    settings += [f"text.model={tiny_bert}", "text.layers=[2]", "training.learning_rate=0.01", "training.batch_size=16"]

    def learned(*lora: str) -> tuple[float, float, float]:
        """Loss of the first and the last epoch, and share of the clips it gets right."""
        recipe = Recipe.load("text-gradient", [*settings, "training.epochs=25", *lora])
        recognizer = train(puzzle, recipe, store=FeatureStore(tmp_path))
        right = [one.label == clip.label for one, clip in zip(recognizer.predict(puzzle), puzzle, strict=True)]
        return recognizer.history[0]["loss"], recognizer.history[-1]["loss"], float(np.mean(right))

    _, frozen_loss, frozen_right = learned()
    first, last, right = learned("text.lora={last: 2, learning_rate: 0.02}")
    assert frozen_right < 0.9
    assert right == 1
    assert last < 0.1 < frozen_loss < first


def test_adapters_learn_at_their_own_rate(puzzle: Corpus, tiny_bert: Path, tmp_path: Path) -> None:
    moved = {}
    for rate in (1e-9, 1e-2):
        settings = [f"text.model={tiny_bert}", "text.layers=[2]", "training.epochs=1", "training.dev_fraction=0"]
        recipe = Recipe.load("text-gradient", [*settings, f"text.lora={{last: 1, learning_rate: {rate}}}"])
        recognizer = train(puzzle, recipe, store=FeatureStore(tmp_path))
        recognizer.save_pretrained(tmp_path / "model")
        adapters = load_file(tmp_path / "model" / "text-adapter" / "adapter_model.safetensors")
        moved[rate] = max(float(tensor.abs().max()) for name, tensor in adapters.items() if "lora_B" in name)
    assert 0 < moved[1e-9] < 1e-7 < 1e-3 < moved[1e-2]


def test_adapters_lie_beside_a_head_that_holds_no_encoder(tuned: tuple[Recognizer, Path]) -> None:
    _, model = tuned
    files = {file.relative_to(model).as_posix() for file in model.rglob("*") if file.is_file()}
    head = {
        "config.json",
        "model.safetensors",
        "recipe.yaml",
        "recognizer.json",
        "training_data.json",
        "checksums.json",
    }
    adapters = {"adapter_config.json", "adapter_model.safetensors"}
    assert files == head | {f"{name}-adapter/{file}" for name in ("speech", "text") for file in adapters}
    assert not [name for name in load_file(model / "model.safetensors") if "lora" in name or "tuned" in name]
    speech = load_file(model / "speech-adapter" / "adapter_model.safetensors")
    assert set(speech) == {
        f"base_model.model.layers.1.self_attn.{name}_proj.lora_{side}.weight" for name in "qv" for side in "AB"
    }
    # 2 layers, queries and values, A and B
    assert len(load_file(model / "text-adapter" / "adapter_model.safetensors")) == 8


def test_a_saved_model_gives_what_the_trained_one_gave(tuned: tuple[Recognizer, Path], demo: Corpus) -> None:
    recognizer, model = tuned
    test = demo.split("test").clips[:6]
    before = recognizer.predict(test)
    assert gap(Recognizer.from_pretrained(model).predict(test), before) <= 1e-6
    untuned = new_head(recognizer.recipe, recognizer.encoders, recognizer.labels)
    assert gap(Recognizer(untuned, recognizer.encoders, recognizer.recipe).predict(test), before) > 1e-3


def test_the_command_line_predicts_in_a_process_of_its_own(tuned: tuple[Recognizer, Path], demo: Corpus) -> None:
    recognizer, model = tuned
    clip = demo.split("test").clips[0]
    done = emovoz("predict", str(model), str(clip.audio), "--text", "qué miedo")
    assert done.returncode == 0, done.stderr
    (line,) = json_lines(done.stdout)
    (expected,) = recognizer.predict(str(clip.audio), text="qué miedo")
    assert line["modalities"] == ["speech", "text"]
    assert list(line["scores"].values()) == pytest.approx(list(expected.scores.values()), abs=1e-6)


def test_predictions_are_what_evaluation_gave(tuned: tuple[Recognizer, Path], demo: Corpus, tmp_path: Path) -> None:
    recognizer, _ = tuned
    test = Corpus(demo.split("test").clips[:9])
    rows = evaluate(recognizer, test, store=FeatureStore(tmp_path)).predictions
    for one, row in zip(recognizer.predict(test, batch_size=4), rows, strict=True):
        for label, score in one.scores.items():
            assert score == pytest.approx(row[f"score_{label}"], abs=1e-4)


def test_the_store_holds_the_frozen_states_that_training_needs_and_no_others(
    clips: Corpus, tiny: list[str], tmp_path: Path
) -> None:
    store = FeatureStore(tmp_path)
    recipe = Recipe.load("default-gradient", [*tiny, *LORA])
    encoders = FrozenEncoders.of(recipe)
    extract(clips, encoders, store)
    # of speech 0, 1 and 2 are mixed and layer 2 is tuned; of text 0 and 2, and both layers are
    for name, there, absent in (("speech", [0, 1], [2]), ("text", [0], [1, 2])):
        keys = {piece.key for clip in clips for piece in encoders.pieces(clip).get(name, [])}
        fingerprint = encoders.branches[name].encoder.fingerprint
        assert not store.missing(fingerprint, keys, there)
        assert all(store.absent_layers(fingerprint, key, absent) == absent for key in keys)
    before = {file.name for file in tmp_path.rglob("*.safetensors")}
    train(clips, recipe, store=store)
    assert {file.name for file in tmp_path.rglob("*.safetensors")} == before


def test_without_a_store_the_same_is_learned(
    tuned: tuple[Recognizer, Path], clips: Corpus, tiny: list[str], tmp_path: Path
) -> None:
    recognizer, _ = tuned
    recipe = Recipe.load("default-gradient", [*tiny, *LORA, "features.cache=false"])
    other = train(clips, recipe, store=FeatureStore(tmp_path / "none"))
    assert not (tmp_path / "none").exists()
    assert gap(other.predict(clips), recognizer.predict(clips)) <= 1e-4


def test_the_best_epoch_is_kept_with_its_adapters(clips: Corpus, tiny: list[str], tmp_path: Path) -> None:
    settings = [*tiny, *LORA, "training.keep=best", "training.epochs=6", "training.learning_rate=0.01"]
    recognizer = train(clips, Recipe.load("default-gradient", settings), dev=clips, store=FeatureStore(tmp_path))
    scores = [epoch["dev_macro_f1"] for epoch in recognizer.history]
    results = evaluate(recognizer, clips, store=FeatureStore(tmp_path)).results
    assert results["macro_f1"]["value"] == pytest.approx(max(scores))


def test_cross_validation_tunes_afresh_in_every_fold(puzzle: Corpus, tiny_bert: Path, tmp_path: Path) -> None:
    settings = [f"text.model={tiny_bert}", "text.layers=[0,2]", "text.lora={last: 1}", "training.epochs=2"]
    settings += ["model.layer_mix=weighted", "model.standardise=false"]
    recipe = Recipe.load("text-gradient", settings)
    one, again = (crossval(puzzle, recipe, folds=2, seeds=1, store=FeatureStore(tmp_path)) for _ in range(2))
    assert one.predictions == again.predictions
    assert one.results["n"] == 64
    # the weights of the mix belong to the states that are mixed, tuned ones included
    assert "'layer': 2" in str(one.results)


def test_a_long_recording_is_judged_in_pieces(tuned: tuple[Recognizer, Path], speech_samples: np.ndarray) -> None:
    recognizer, _ = tuned
    long = Clip("long", Waveform(np.tile(speech_samples, 2), 16000))
    (features,) = encode_clips([long], recognizer.encoders)
    assert isinstance(features, LongClipFeatures)
    assert len(list(features.pieces())) > 1
    whole = probabilities(recognizer.head, [ClipFeatures(features.by_modality)])[0]
    np.testing.assert_allclose(probabilities(recognizer.head, [features])[0], whole, atol=1e-4)


def test_adapters_of_another_training_are_refused(tuned: tuple[Recognizer, Path], tmp_path: Path) -> None:
    recognizer, model = tuned
    other = tmp_path / "other"
    Recognizer(
        new_head(recognizer.recipe, recognizer.encoders, recognizer.labels), recognizer.encoders, recognizer.recipe
    ).save_pretrained(other)
    mixed = tmp_path / "mixed"
    shutil.copytree(model, mixed)
    shutil.copytree(other / "text-adapter", mixed / "text-adapter", dirs_exist_ok=True)
    with pytest.raises(InputError, match="mixed/text-adapter: not the adapters that were tuned with this head"):
        Recognizer.from_pretrained(mixed)
    shutil.rmtree(mixed / "text-adapter")
    with pytest.raises(InputError, match=r"text-adapter/adapter_model\.safetensors: the adapters of .* cannot be read"):
        Recognizer.from_pretrained(mixed)


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        (["speech.lora={last: 5}"], "speech.lora.last 5 needs as many layers below the highest hidden state of "),
        (["text.lora={last: 12}"], "text.lora.last 12 needs as many layers below the highest hidden state of "),
        (["speech.lora={}", "features.stride=2"], "speech.lora needs features.stride 1"),
        (
            ["text.lora={}", "model.hidden_layers=0", "training.method=logistic_regression"],
            "training.method logistic_regression can fit the last layer only; change text.lora",
        ),
        (["speech.lora={lst: 2}"], "did you mean 'last'"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_loaded(settings: list[str], fault: str) -> None:
    with pytest.raises(InputError) as caught:
        Recipe.load("default-gradient", settings)
    assert fault in str(caught.value)


def test_what_only_the_encoder_can_tell_is_told_before_training(tiny: list[str], clips: Corpus) -> None:
    with pytest.raises(InputError, match=r"speech\.lora\.last: 3 layers cannot be tuned; 2 of .* run up to"):
        train(clips, Recipe.load("default-gradient", [*tiny, "speech.lora={last: 3}"]))
    with pytest.raises(InputError, match=r"speech\.lora: log-mel"):
        train(clips, Recipe.load("default-gradient", [*tiny, "speech.model=log-mel", "speech.lora={last: 1}"]))


def test_frames_may_be_cropped_where_an_encoder_is_tuned(clips: Corpus, tiny: list[str], tmp_path: Path) -> None:
    settings = [*tiny, "speech.lora={last: 1}", "augmentation.crop_seconds=0.5", "augmentation.mixup=0.4"]
    history = train(clips, Recipe.load("default-gradient", settings), store=FeatureStore(tmp_path)).history
    assert all(np.isfinite(epoch["loss"]) for epoch in history)
