"""evaluate: a trained recogniser scored on clips it has not seen."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emovoz.corpus import Clip, Corpus
from emovoz.corpus.enrolment import Adapt, enrolment_of, scored_with
from emovoz.errors import InputError
from emovoz.evaluation.breakdown import layer_weights, named_weights
from emovoz.evaluation.contamination import contamination, contamination_told
from emovoz.evaluation.mistakes import mistakes_of
from emovoz.evaluation.results import decided_where_scored, prediction_rows, results_of, save_results, table
from emovoz.explanation import Judge
from emovoz.features import FeatureStore, default_store, features_of
from emovoz.files import write_whole
from emovoz.inference import Recognizer, pooled
from emovoz.inference.adaptation import adaptation_told, adapted_by_speaker, advise, check_adapts
from emovoz.inference.thresholds import threshold_row
from emovoz.progress import say


@dataclass(frozen=True)
class Evaluation:
    """Results (the schema of results.json) and the prediction for each clip, in the corpus's order.

    Clips that were drawn to adapt to their speaker have no prediction. The clips are for the players of the report.
    """

    results: dict[str, Any]
    predictions: list[dict[str, Any]]
    clips: Sequence[Clip] = ()

    def save(self, directory: Path | str, title: str = "emovoz evaluation") -> None:
        """Write results.json, predictions.csv and report.html."""
        save_results(Path(directory), self.results, {"predictions.csv": self.predictions}, title, self.clips)

    def save_submission(self, path: Path | str) -> None:
        """Write `id,label` of every clip, as the challenge wants it.

        Raises:
            InputError: clips that were drawn to adapt to their speaker, and so have no label.
        """
        unjudged = self.results["data"]["n"] - len(self.predictions)
        if unjudged:
            raise InputError(
                f"a submission labels every clip, but {unjudged} were drawn to adapt to their speakers; "
                "adapt by all clips (--adapt all), or not"
            )
        write_whole(Path(path), table([{"id": row["id"], "label": row["predicted"]} for row in self.predictions]))


def evaluate(
    recognizer: Recognizer,
    corpus: Corpus,
    *,
    adapt: Adapt = "none",
    store: FeatureStore | None = None,
    workers: int = 2,
    protocol: Mapping[str, Any] | None = None,
) -> Evaluation:
    """Score a recogniser by its decisions; clips without a label are predicted and not scored.

    Where it knows what it was trained on, `contamination` in the results says which of the clips are among that.

    Args:
        recognizer: trained.
        corpus: the clips.
        adapt: to each speaker by unlabelled clips: `all` of the speaker's in this corpus; or how many, drawn by the
            recipe's seed, neither predicted nor scored; or `none`. Needs the speaker of every clip.
        store: where features are kept; by default in the user's cache.
        workers: threads that decode audio.
        protocol: what the results say of how this was done.

    Raises:
        InputError: clips that cannot be used, labels that the recogniser does not know, speakers with too few clips,
            or a recogniser that cannot adapt.

    >>> evaluation = evaluate(Recognizer.from_pretrained(model), corpus.split("test"))
    >>> evaluation.results["n"], len(evaluation.predictions)
    (48, 48)
    """
    labels = recognizer.labels
    corpus.check_labels(labels, "the model's labels")
    seed = recognizer.recipe.training.seed
    enrolment = enrolment_of(corpus, adapt, seed)
    if enrolment:
        check_adapts(recognizer.head)
    else:
        advise(recognizer.recipe, "evaluate it with --adapt")
    store = store or FeatureStore(default_store())
    features, extraction = features_of(corpus, recognizer.encoders, store, workers=workers)
    started = time.perf_counter()
    vectors = plain = pooled(recognizer.head, features)
    if enrolment:
        speakers = [clip.speaker or "" for clip in corpus]
        vectors = adapted_by_speaker(recognizer.head, plain, speakers, enrolment, range(len(corpus)))
    scores = recognizer.decided(vectors)
    scores[~scored_with(len(corpus), adapt, enrolment)] = np.nan
    limits = np.broadcast_to(threshold_row(recognizer.thresholds, labels), scores.shape)
    results = results_of(
        corpus,
        scores[None],
        labels,
        recognizer.recipe,
        protocol={**(protocol or {"name": "hold-out", "model": recognizer.name}), **adaptation_told(adapt)},
        seeds=[seed],
        layers=layer_weights([named_weights(recognizer.head, recognizer.encoders)]),
        history=[
            {
                "fold": None,
                "seed": seed,
                "epochs": recognizer.history,
                "thresholds": recognizer.thresholds,
                "temperature": recognizer.temperature,
                "selected": recognizer.selected,
            }
        ],
        seconds={"extract": extraction.seconds, "train": 0.0, "evaluate": time.perf_counter() - started},
        thresholds=limits[None],
    )
    known = results["contamination"] = contamination(recognizer, corpus, workers=workers)
    if known is None:
        say(f"{recognizer.name} does not say what it was trained on: whether these clips are among it is not known")
    for sentence in contamination_told(known):
        say(f"warning: {sentence}")

    def judge_for(clip: Clip) -> Judge:
        voice = [plain[i] for i in enrolment.get(clip.speaker or "", ())]
        return Judge.of(recognizer.head, recognizer.encoders, recognizer.temperature, voice)

    mistakes = mistakes_of(judge_for, labels, corpus.clips, scores, decided_where_scored(scores, limits))
    results["mistakes"] = [one.told(store) for one in mistakes]
    rows = prediction_rows(corpus, scores, labels, limits)
    return Evaluation(results, [row for row in rows if row["predicted"]], corpus.clips)
