"""A corpus whose labels its words tell by chance only, and a recipe of a closed form for it."""

from pathlib import Path
from typing import Any

import numpy as np

from emovoz import Clip, Corpus, Recipe

WORDS = ("qué", "alegría", "miedo", "no", "sí", "hola", "la", "casa")
SAID = {"joy": "alegría", "fear": "miedo"}


def noisy(seed: int = 0, speakers: int = 8, clips: int = 20) -> Corpus:
    """In three quarters of the clips a word says the label; the others are words at random, eight a clip."""
    random = np.random.default_rng(seed)
    made = []
    for speaker in range(speakers):
        for i in range(clips):
            words = list(random.choice(WORDS, 8))
            label = ("joy", "fear")[i % 2]
            if random.random() < 0.75:
                words = [SAID[label] if word in SAID.values() else word for word in words]
            made.append(
                Clip(f"{seed}-s{speaker}-{i}", transcription=" ".join(words), label=label, speaker=f"s{speaker}")
            )
    return Corpus(made)


def closed(tiny_bert: Path, selection: dict[str, Any] | None = None, **training: Any) -> Recipe:
    """Logistic regression on the mean of a tiny encoder's states, nearly unregularised by default."""
    model = {"layer_mix": "concatenate", "layer_norm": False, "pooling": "mean", "hidden_layers": 0, "dropout": 0}
    return Recipe.checked(
        {
            "name": "closed",
            "text": {"model": str(tiny_bert), "layers": [0, 2]},
            "model": {**model, "standardise": True},
            "training": {"method": "logistic_regression", "regularisation": 1e4, **training},
            "selection": selection or {},
        }
    )
