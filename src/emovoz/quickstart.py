"""quickstart: the main job from end to end on the built-in demo corpus."""

import sys
from collections.abc import Mapping
from pathlib import Path

from emovoz.corpus import demo_corpus
from emovoz.evaluation import evaluate
from emovoz.evaluation.text import summary
from emovoz.files import check_folder
from emovoz.inference import Prediction
from emovoz.inference.model_folder import check_model_directory
from emovoz.progress import say
from emovoz.recipe import Recipe
from emovoz.training import train

NOTE = (
    "Synthetic speech: espeak-ng voices acting by rule. The score shows that the software works, "
    "not how well it hears people."
)


def run(out: Path) -> str:
    """Train on five demo voices, watch a sixth, evaluate on two others; what happened, as text.

    Args:
        out: folder for `model/`, `results.json`, `predictions.csv` and `report.html`.
    """
    check_folder(out)
    check_model_directory(out / "model")
    corpus = demo_corpus()
    training, dev, test = (corpus.split(name) for name in ("train", "dev", "test"))
    say(f"demo corpus: {len(corpus)} synthetic clips, {len(corpus.labels)} emotions, 8 voices (5 train, 1 dev, 2 test)")
    recognizer = train(training, Recipe.load("default"), dev=dev)
    recognizer.save_pretrained(out / "model")
    protocol: Mapping[str, object] = {"name": "hold-out", "group": "speaker", "data_note": NOTE}
    evaluation = evaluate(recognizer, test, protocol=protocol)
    evaluation.save(out, title="emovoz quickstart")
    (prediction,) = recognizer.predict(test.clips[0])
    return _told(out, summary(evaluation.results), prediction, str(test.clips[0].label))


def _told(out: Path, scores: str, prediction: Prediction, truth: str) -> str:
    # as it was called just now, so that the lines below can be copied
    command = sys.argv[0] if Path(sys.argv[0]).name == "emovoz" else "emovoz"
    ranked = sorted(prediction.scores.items(), key=lambda item: -item[1])[:3]
    chances = ", ".join(f"{label} {chance:.2f}" for label, chance in ranked)
    return f"""
Held-out voices (interval: 95 %):
{scores}
{NOTE}

One of them, {prediction.id}, says «{prediction.transcription}»:
{prediction.label} ({chances}); meant: {truth}

report       {out / "report.html"}
results      {out / "results.json"}
model        {out / "model"}

What next:
  {command} predict {out / "model"} some.wav --text "what is said"
  {command} predict {out / "model"} meeting.wav --timeline
  {command} serve {out / "model"}      (an HTTP API and a web page; needs the extra serve)
  {command} train my.csv --audio-dir my-audio --out my-model      (columns: id,label,transcription,speaker)
  {command} crossval my.csv --audio-dir my-audio --recipe speech --recipe default"""
