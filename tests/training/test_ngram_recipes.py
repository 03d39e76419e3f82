"""Recipes with n-grams: words counted, alone or beside encoders, the same in training, evaluation and prediction."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from emovoz import Clip, Corpus, FeatureStore, Recipe, Recognizer, crossval, evaluate, train
from emovoz.features import ClipFeatures, FrozenEncoders, features_of
from emovoz.inference import probabilities
from emovoz.model import EmotionHead, EmotionHeadConfig
from emovoz.settings import Augmentation, Model, Training
from emovoz.training import closed_form, fit
from emovoz.training.examples import Examples
from emovoz.training.variation import Varied

SMALL = ["ngrams.buckets=1024"]
CLOSED = ["training.method=logistic_regression", "model.hidden_layers=0"]
PHRASES = {
    "anger": ["no me grites más", "déjame en paz", "esto es intolerable"],
    "joy": ["qué alegría verte", "me encanta la fiesta", "qué bien que viniste"],
    "sadness": ["lo echo mucho de menos", "no puedo dejar de llorar", "me siento tan solo"],
}


@pytest.fixture(scope="module")
def texts() -> Corpus:
    """Three phrases a label, each said in six ways."""
    endings = ["", " hoy", ", de verdad", " otra vez", " aquí", ", mamá"]
    return Corpus(
        [
            Clip(f"{label}{i}{k}", transcription=phrase + ending, label=label)
            for label, phrases in PHRASES.items()
            for i, phrase in enumerate(phrases)
            for k, ending in enumerate(endings)
        ]
    )


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    return FeatureStore(tmp_path / "store")


def heard_and_read(demo: Corpus, clips: int = 24) -> Corpus:
    """Demo clips of every label, a third of them without words and a third without sound."""
    chosen = demo.clips[:clips]
    without: list[dict[str, None]] = [{}, {"transcription": None}, {"audio": None}]
    return Corpus([replace(clip, **without[i % 3]) for i, clip in enumerate(chosen)])  # type: ignore[arg-type]


@pytest.mark.parametrize("few", [0, 1000], ids=["sparse", "of few clips"])
def test_a_recipe_of_n_grams_is_tf_idf_and_logistic_regression(
    texts: Corpus, store: FeatureStore, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closed_form, "FEW", few)
    plain = ["selection.grid={}", "training.temperature=false", "training.regularisation=0.2", "model.ngrams_weight=2"]
    recipe = Recipe.load("baseline-tfidf", [*SMALL, *plain])
    recognizer = train(texts, recipe, store=store)
    words = [clip.transcription or "" for clip in texts]
    counts = HashingVectorizer(analyzer="char_wb", ngram_range=(2, 5), n_features=1024, norm=None, alternate_sign=False)
    tf_idf = make_pipeline(counts, TfidfTransformer(sublinear_tf=True))
    vectors = tf_idf.fit_transform(words).toarray()
    # relative to the squared length about the mean; so alone, the weight of n-grams changes nothing
    strength = 0.2 / ((vectors - vectors.mean(0)) ** 2).sum(1).mean()
    model = LogisticRegression(C=strength, class_weight="balanced", max_iter=5000, tol=1e-6)
    theirs = make_pipeline(tf_idf, model.fit(vectors, [clip.label for clip in texts]))
    new = ["no me dejes de gritar", "¡qué fiesta!", "solo", ""]
    ours = recognizer.predict([Clip(str(i), transcription=text) for i, text in enumerate(new)])
    np.testing.assert_allclose([[*one.scores.values()] for one in ours], theirs.predict_proba(new), atol=2e-3)
    assert {one.modalities for one in ours} == {("text",)}


def test_training_evaluation_crossval_and_prediction_agree_and_the_store_stays_empty(
    texts: Corpus, store: FeatureStore, tmp_path: Path
) -> None:
    recipe = Recipe.load("baseline-tfidf", SMALL)
    train(texts, recipe, store=store).save_pretrained(tmp_path / "model")
    loaded = Recognizer.from_pretrained(tmp_path / "model")
    evaluation = evaluate(loaded, texts, store=store)
    assert evaluation.results["macro_f1"]["value"] == 1
    for prediction, row in zip(loaded.predict(texts), evaluation.predictions, strict=True):
        assert prediction.label == row["predicted"]
        for label, score in prediction.scores.items():
            assert score == pytest.approx(row[f"score_{label}"], abs=1e-5)
    # every ending is in every fold, so the phrases are known
    assert crossval(texts, recipe, folds=3, store=store).results["macro_f1"]["value"] > 0.9
    assert not list(store.root.rglob("*.safetensors"))


def test_a_saved_model_refuses_n_grams_that_were_counted_otherwise(
    texts: Corpus, store: FeatureStore, tmp_path: Path
) -> None:
    train(texts, Recipe.load("baseline-tfidf", SMALL), store=store).save_pretrained(tmp_path / "model")
    recipe = tmp_path / "model" / "recipe.yaml"
    assert "- 5\n" in recipe.read_text()
    recipe.write_text(recipe.read_text().replace("- 5\n", "- 4\n"))
    with pytest.raises(Exception, match="trained on ngrams features"):
        Recognizer.from_pretrained(tmp_path / "model")


@pytest.mark.parametrize("cache", [True, False])
def test_clips_with_words_sound_or_both_are_judged_by_what_they_have(
    demo: Corpus, tiny_whisper: Path, tiny_bert: Path, store: FeatureStore, cache: bool
) -> None:
    corpus = heard_and_read(demo)
    encoders = [f"speech.model={tiny_whisper}", "speech.layers=all", f"text.model={tiny_bert}", "text.layers=all"]
    settings = [*encoders, *SMALL, *CLOSED, f"features.cache={cache}", "augmentation.modality_dropout=0"]
    recognizer = train(corpus, Recipe.load("default", settings), store=store)
    assert set(recognizer.encoders.branches) == {"speech", "text", "ngrams"}
    predictions = recognizer.predict(corpus)
    assert [one.modalities for one in predictions[:3]] == [("speech", "text"), ("speech",), ("text",)]
    assert [one.transcription is None for one in predictions[:3]] == [False, True, False]
    # what a clip has not is the same however it is not there
    mute = replace(corpus.clips[1], transcription="")
    assert recognizer.predict(mute)[0].scores == recognizer.predict(corpus.clips[1])[0].scores
    (lacking,) = recognizer.predict(Clip("nothing"))
    assert str(lacking.error).startswith("no audio and no transcription, ")


@pytest.mark.parametrize("base", ["speech", "text"])
def test_n_grams_stand_beside_one_encoder(
    demo: Corpus, tiny_whisper: Path, tiny_bert: Path, store: FeatureStore, base: str
) -> None:
    encoder = {"speech": tiny_whisper, "text": tiny_bert}[base]
    settings = [f"{base}.model={encoder}", f"{base}.layers=all", *SMALL, *CLOSED, "model.fusion=pooled"]
    recipe = Recipe.load(base, settings)
    recognizer = train(Corpus(demo.clips[:24]), recipe, store=store)
    assert recognizer.predict(demo.clips[0])[0].modalities == {"speech": ("speech", "text"), "text": ("text",)}[base]
    results = evaluate(recognizer, Corpus(demo.clips[:24]), store=store).results
    # the phrases of the demo are few, and counted
    assert results["accuracy"]["value"] > 0.9


def counted(texts: Corpus, store: FeatureStore) -> Examples:
    """Random frames of speech with no label in them, beside n-grams."""
    encoders = FrozenEncoders.of(Recipe.load("baseline-tfidf", SMALL))
    features, _ = features_of(texts, encoders, store)
    random = torch.Generator().manual_seed(0)
    both = [
        ClipFeatures({"speech": torch.randn(1, 4, 8, generator=random), "ngrams": one.by_modality["ngrams"]})
        for one in features
    ]
    return Examples(both, [texts.labels.index(str(clip.label)) for clip in texts], [clip.id for clip in texts])


@pytest.mark.parametrize("pooling", ["mean", "attention"])
def test_a_head_that_learns_by_gradient_knows_how_rare_every_n_gram_is(
    texts: Corpus, store: FeatureStore, pooling: str
) -> None:
    clips = counted(texts, store)
    config = EmotionHeadConfig.of(
        Model(layer_norm=pooling == "attention", layer_mix="concatenate", pooling=pooling, fusion="pooled"),  # type: ignore[arg-type]
        {"speech": (1, 8), "ngrams": (1, 1024)},
        texts.labels,
    )
    torch.manual_seed(0)
    training = Training(epochs=15, keep="last", learning_rate=3e-3)
    fitted = fit(EmotionHead(config), clips, None, training, augmentation=Augmentation(mixup=0.2))
    frequencies = torch.stack([clip.by_modality["ngrams"].flatten() for clip in clips.features])
    expected = TfidfTransformer().fit((frequencies > 0).numpy()).idf_
    scale = fitted.head.join.measured["ngrams"]
    np.testing.assert_allclose(scale.state_dict()["idf"].numpy(), expected, rtol=1e-5)
    assert (probabilities(fitted.head, clips.features).argmax(1) == clips.targets).mean() > 0.9


def test_a_long_recording_has_its_n_grams_in_the_first_piece(texts: Corpus, store: FeatureStore) -> None:
    clip = counted(texts, store).features[0].by_modality
    config = EmotionHeadConfig.of(
        Model(pooling="mean_std", fusion="pooled"), {"speech": (1, 8), "ngrams": (1, 1024)}, texts.labels
    )
    head = EmotionHead(config).eval()
    speech, mask = clip["speech"][None], torch.ones(1, 4, dtype=torch.bool)
    words = {"ngrams": clip["ngrams"][None], "ngrams_mask": torch.ones(1, 1, dtype=torch.bool)}
    whole = head.parts(speech=speech, speech_mask=mask, **words)
    first = {"speech": speech[:, :, :1], "speech_mask": mask[:, :1], **words}
    pieces = head.parts_in_pieces([first, {"speech": speech[:, :, 1:], "speech_mask": mask[:, 1:]}])
    for name in ("speech", "ngrams"):
        torch.testing.assert_close(pieces[name].vector, whole[name].vector)


def test_modality_dropout_takes_all_that_is_known_of_the_words_at_once() -> None:
    vectors = {name: torch.ones(2) for name in ("speech", "text", "ngrams")}
    clips = Examples([ClipFeatures(vectors)] * 400, [0] * 400, [str(i) for i in range(400)], pooled=True)
    varied = Varied(clips, Augmentation(modality_dropout=0.5), seed=0, classes=2)
    kept = [tuple(varied[i].features.by_modality) for i in range(400)]
    assert set(kept) == {("speech", "text", "ngrams"), ("speech",), ("text", "ngrams")}
    assert kept.count(("speech",)) == pytest.approx(100, abs=30)
    words = Examples([ClipFeatures({"text": vectors["text"], "ngrams": vectors["ngrams"]})], [0], ["a"], pooled=True)
    assert len(Varied(words, Augmentation(modality_dropout=0.9), 0, 2)[0].features.by_modality) == 2
