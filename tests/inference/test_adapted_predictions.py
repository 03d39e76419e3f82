"""Predictions adapted to a voice: by the clips that are named, never by those that are judged."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emovoz import Clip, Corpus, FeatureStore, InputError, Recipe, Recognizer, Waveform, evaluate, train
from emovoz.cli import app
from helpers import emovoz, json_lines
from voices import LABELS, RATE, plain_recipe, voices


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adapted")
    train(voices(), plain_recipe(adapt="all"), store=FeatureStore(folder / "store")).save_pretrained(folder / "model")
    return folder / "model"


@pytest.fixture(scope="module")
def stranger() -> Corpus:
    """Twelve clips of a voice that was not trained on."""
    return Corpus(list(voices(1, seed=7)))


def values(of: dict[str, float]) -> list[float]:
    return [of[label] for label in LABELS]


def test_a_saved_model_predicts_what_evaluation_scores(saved: Path, stranger: Corpus, tmp_path: Path) -> None:
    recognizer = Recognizer.from_pretrained(saved)
    told = evaluate(recognizer, stranger, adapt="all", store=FeatureStore(tmp_path))
    found = recognizer.predict(stranger, enrolment=stranger)
    assert {one.adapted_from for one in found} == {12}
    for row, one in zip(told.predictions, found, strict=True):
        assert values(one.scores) == pytest.approx([row[f"score_{label}"] for label in LABELS], abs=1e-6)
    assert told.results["macro_f1"]["value"] > 0.8


def test_the_batch_is_not_looked_at(saved: Path, stranger: Corpus) -> None:
    recognizer = Recognizer.from_pretrained(saved)
    known = stranger.clips[:5]
    together = recognizer.predict(stranger, enrolment=known)
    for clip, one in zip(stranger, together, strict=True):
        alone = recognizer.predict(clip, enrolment=known)[0]
        assert alone.adapted_from == 5
        assert values(alone.scores) == pytest.approx(values(one.scores), abs=1e-6)
    turned = recognizer.predict(stranger.clips[0], enrolment=known[::-1], batch_size=2)[0]
    assert values(turned.scores) == pytest.approx(values(together[0].scores), abs=1e-6)
    plain = recognizer.predict(stranger)
    assert {one.adapted_from for one in plain} == {None}
    assert "adapted_from" not in plain[0].to_dict()
    assert values(plain[0].scores) != pytest.approx(values(together[0].scores), abs=0.01)


def test_words_are_not_adapted(tiny_bert: Path, stranger: Corpus, tmp_path: Path) -> None:
    given = plain_recipe(adapt="all").model_dump()
    given["text"], given["model"]["fusion"] = {"model": str(tiny_bert), "layers": "last"}, "pooled"
    recipe = Recipe.checked(given)
    spoken = Corpus([with_words(clip) for clip in voices(4)])
    recognizer = train(spoken, recipe, store=FeatureStore(tmp_path))
    words = Clip("words", transcription="qué alegría")
    both = with_words(stranger.clips[0])
    plain = recognizer.predict([words, both])
    adapted = recognizer.predict([words, both], enrolment=stranger)
    assert values(adapted[0].scores) == values(plain[0].scores)
    assert [one.adapted_from for one in adapted] == [None, 12]
    assert values(adapted[1].scores) != pytest.approx(values(plain[1].scores), abs=1e-3)
    with pytest.raises(InputError, match="words: no audio, so it tells nothing of the voice"):
        recognizer.predict(both, enrolment=[words, both])


def with_words(clip: Clip) -> Clip:
    return Clip(clip.id, clip.audio, transcription="hola", label=clip.label, speaker=clip.speaker)


def test_clips_that_cannot_be_heard_are_named(saved: Path, stranger: Corpus) -> None:
    recognizer = Recognizer.from_pretrained(saved)
    silent = Clip("quiet.wav", Waveform(np.zeros(RATE, dtype=np.float32), RATE))
    with pytest.raises(InputError) as caught:
        recognizer.predict(stranger, enrolment=[stranger.clips[0], silent, "nowhere.wav"])
    assert [fault.partition(":")[0] for fault in caught.value.faults] == ["quiet.wav", "nowhere.wav"]
    with pytest.raises(InputError, match="no clips to adapt"):
        recognizer.predict(stranger, enrolment=[])


def test_a_head_that_learns_before_pooling_cannot_adapt(tiny_bert: Path, stranger: Corpus, tmp_path: Path) -> None:
    recipe = Recipe.checked({"text": {"model": str(tiny_bert)}, "training": {"epochs": 1, "keep": "last"}})
    words = Corpus([Clip(clip.id, transcription="sí", label=clip.label) for clip in voices(1)])
    recognizer = train(words, recipe, store=FeatureStore(tmp_path))
    with pytest.raises(InputError, match="cannot adapt to a speaker"):
        recognizer.predict("clip.wav", enrolment=stranger)
    with pytest.raises(InputError, match="cannot adapt to a speaker"):
        evaluate(recognizer, stranger, adapt="all", store=FeatureStore(tmp_path))


@pytest.mark.parametrize(
    ("given", "faults"),
    [
        ({"text": {"model": "multilingual-e5-small"}}, ["training.adapt needs a section speech"]),
        ({"speech": {"model": "log-mel"}}, ["training.adapt needs pooling with nothing to learn before it; change "]),
    ],
)
def test_recipes_that_cannot_adapt_are_refused_by_name(given: dict[str, object], faults: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        Recipe.checked({**given, "training": {"adapt": "all"}})
    for fault in faults:
        assert any(fault in one for one in caught.value.faults)


def test_the_command_line_adapts_to_a_folder(saved: Path, stranger: Corpus, tmp_path: Path) -> None:
    for i, clip in enumerate(stranger):
        assert isinstance(clip.audio, Waveform)
        place = tmp_path / ("known" if i % 2 else "new") / f"{clip.id}.wav"
        place.parent.mkdir(exist_ok=True)
        soundfile.write(place, clip.audio.samples, RATE, subtype="FLOAT")
    done = emovoz("predict", str(saved), str(tmp_path / "new"), "--adapt-speaker", str(tmp_path / "known"))
    assert done.returncode == 0, done.stderr
    assert [line["adapted_from"] for line in json_lines(done.stdout)] == [6] * 6
    assert "strangers" not in done.stderr
    plain = emovoz("predict", str(saved), str(tmp_path / "new"))
    assert plain.returncode == 0, plain.stderr
    assert plain.stderr.count("strangers") == 1
    assert all("adapted_from" not in line for line in json_lines(plain.stdout))


def test_train_and_evaluate_take_adapt(stranger: Corpus, tmp_path: Path) -> None:
    rows = []
    for clip in [*voices(3), *stranger_named(stranger)]:
        assert isinstance(clip.audio, Waveform)
        soundfile.write(tmp_path / f"{clip.id}.wav", clip.audio.samples, RATE, subtype="FLOAT")
        rows.append([f"{clip.id}.wav", clip.label, clip.speaker])
    for name, some in (("train.csv", rows[:36]), ("test.csv", rows[36:])):
        lines = [",".join(map(str, row)) for row in [["id", "label", "speaker"], *some]]
        (tmp_path / name).write_text("\n".join(lines))
    (tmp_path / "plain.yaml").write_text(plain_recipe().to_yaml())
    common = ["--audio-dir", str(tmp_path), "--store", str(tmp_path / "store")]
    model, out = str(tmp_path / "model"), str(tmp_path / "out")
    trained = emovoz(
        "train", str(tmp_path / "train.csv"), *common, "--recipe", str(tmp_path / "plain.yaml"), "--adapt", "3",
        "--out", model,
    )  # fmt: skip
    assert trained.returncode == 0, trained.stderr
    assert Recipe.load(model).training.adapt == 3
    scored = emovoz("evaluate", model, str(tmp_path / "test.csv"), *common, "--adapt", "3", "--out", out)
    assert scored.returncode == 0, scored.stderr
    told = json.loads((tmp_path / "out" / "results.json").read_text())
    assert (told["n"], told["protocol"]["adapt"]) == (9, 3)
    with pytest.raises(InputError, match="--submission labels every clip"):
        app(
            ["evaluate", model, str(tmp_path / "test.csv"), "--adapt", "3", "--submission", "s.csv"],
            standalone_mode=False,
        )


def stranger_named(stranger: Corpus) -> list[Clip]:
    return [Clip(f"new-{clip.id}", clip.audio, label=clip.label, speaker="new") for clip in stranger]


def test_a_timeline_is_adapted_as_its_parts_are_and_tells_it(
    saved: Path, stranger: Corpus, speech_samples: np.ndarray
) -> None:
    recognizer, speech = Recognizer.from_pretrained(saved), Waveform(speech_samples[: 8 * 16000], 16000)
    timeline = recognizer.predict_timeline(speech, enrolment=stranger)
    assert timeline.to_dict()["adapted_from"] == 12
    assert "adapted_from" not in recognizer.predict_timeline(speech).to_dict()
    parts = [Clip("part", speech, start=one.start, end=one.end) for one in timeline.segments]
    assert parts
    for segment, one in zip(timeline.segments, recognizer.predict(parts, enrolment=stranger), strict=True):
        assert values(segment.scores) == pytest.approx(values(one.scores), abs=1e-4)
