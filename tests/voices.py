"""A corpus whose speakers differ by what a mean takes away: each has a tone of its own under every clip."""

import numpy as np

from emovoz import Clip, Corpus, Recipe, Waveform

LABELS = {"anger": 1500, "joy": 2500, "sadness": 3500}
RATE = 16000


def voices(speakers: int = 6, clips: int = 4, *, named: bool = True, seed: int = 0) -> Corpus:
    """As many clips of each label of each speaker: noise whose level differs a little by label, a lot by speaker."""
    random = np.random.default_rng(seed)
    time = np.arange(RATE // 4) / RATE
    made = []
    for speaker in range(speakers):
        strength = {tone: random.uniform(-0.6, 0.6) for tone in LABELS.values()}
        for label, own in LABELS.items():
            for i in range(clips):
                levels = {
                    tone: strength[tone] + (0.3 if tone == own else 0) + random.normal(0, 0.05) for tone in strength
                }
                sound = sum(10**level * np.sin(2 * np.pi * tone * time) for tone, level in levels.items())
                noise = random.normal(0, 0.02, len(time))
                samples = np.asarray(0.002 * (sound + noise), dtype=np.float32)
                name = f"s{speaker}" if named else None
                made.append(Clip(f"s{speaker}-{label}-{i}", Waveform(samples, RATE), label=label, speaker=name))
    return Corpus(made)


def plain_recipe(**training: object) -> Recipe:
    """Logistic regression on the mean of the spectrogram."""
    return Recipe.checked(
        {
            "name": "plain",
            "speech": {"model": "log-mel", "layers": "last"},
            "model": {
                "layer_mix": "concatenate",
                "layer_norm": False,
                "pooling": "mean",
                "standardise": True,
                "hidden_layers": 0,
                "dropout": 0.0,
            },
            "training": {"method": "logistic_regression", "keep": "last", **training},
            "evaluation": {"bootstrap": 200},
        }
    )
