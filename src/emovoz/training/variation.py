"""What training shows of a clip in an epoch: a stretch of it, partly hidden, mixed, without one of its modalities."""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot
from torch.utils.data import Dataset

from emovoz.features import ClipFeatures
from emovoz.randomness import clip_random
from emovoz.settings import Augmentation
from emovoz.training.examples import Example, Examples
from emovoz.training.spec_augment import spec_augment
from emovoz.training.word_places import words_between


class Varied(Dataset[Example]):
    """Examples as the epoch `epoch` shows them: themselves or a view, cropped, partly hidden, mixed, and without a
    modality, in this order.

    The seed, the epoch, the clip's id and how often the epoch has shown it before decide what happens to it, so a
    resumed run shows the same. Clip i is shown as item i, and where an epoch shows it again as i + n, i + 2n, ..., n
    being the number of clips (see `Balanced`).

    Args:
        examples: the clips.
        augmentation: what to vary.
        seed: of the training.
        classes: how many labels there are.
    """

    def __init__(self, examples: Examples, augmentation: Augmentation, seed: int, classes: int) -> None:
        self.examples, self.augmentation, self.seed, self.classes = examples, augmentation, seed, classes
        self.epoch = 0
        cut = augmentation.crop_seconds if augmentation.crop == "features" else None
        self.crop_frames = _crop_frames(cut, examples.frame_rate)
        # partners are drawn from the clips by name, so that their order plays no part
        self.by_id = sorted(range(len(examples)), key=lambda i: examples.ids[i])

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, item: int) -> Example:
        shown = self._mixed(item) if self.augmentation.mixup else self._hidden(item)
        chance = self.augmentation.modality_dropout
        if not chance:
            return shown
        return Example(drop_modality(shown.features, chance, self._random(item, "modality dropout")), shown.target)

    def _seen(self, item: int) -> Example:
        """The clip as it is, or as one of its views."""
        i = item % len(self)
        if not self.examples.views:
            return self.examples[i]
        random = self._random(item, "view")
        if random.random() >= self.augmentation.probability:
            return self.examples[i]
        return self.examples.view(int(random.integers(len(self.examples.views))), i)

    def _cropped(self, item: int) -> Example:
        example, frames = self._seen(item), self.crop_frames
        if frames is None or "speech" not in example.features.modalities():
            return example
        places = self.examples.word_places[item % len(self)] if self.examples.word_places else None
        features = crop(example.features, frames, self._random(item, "crop"), places)
        return Example(repeat(features, frames) if self.augmentation.padding == "repeat" else features, example.target)

    def _hidden(self, item: int) -> Example:
        shown, settings = self._cropped(item), self.augmentation.spec_augment
        if settings is None or "speech" not in shown.features.modalities():
            return shown
        known = shown.features.by_modality
        speech = spec_augment(known["speech"], settings, self._random(item, "spec_augment"))
        return Example(ClipFeatures({**known, "speech": speech}), shown.target)

    def _mixed(self, item: int) -> Example:
        random = self._random(item, "mixup")
        partner = self.by_id[int(random.integers(len(self.by_id)))]
        share = float(random.beta(self.augmentation.mixup, self.augmentation.mixup))
        return mix(self._hidden(item), self._hidden(partner), share, self.classes)

    def _random(self, item: int, purpose: str) -> np.random.Generator:
        before, i = divmod(item, len(self))
        drawn_for = f"{purpose}, after {before}" if before else purpose
        return clip_random(self.seed, self.epoch, self.examples.ids[i], drawn_for)


def crop(
    features: ClipFeatures, frames: int, random: np.random.Generator, places: Tensor | None = None
) -> ClipFeatures:
    """The clip with a random stretch of its speech, as many frames long; shorter speech stays whole.

    Args:
        features: with speech.
        frames: of the stretch.
        random: decides where it begins.
        places: of the words (see `word_places`); with them, the words in the stretch are left, else all.
    """
    known = features.by_modality
    speech = known["speech"]
    whole = speech.shape[-2]
    if whole <= frames:
        return features
    start = int(random.integers(whole - frames + 1))
    shown = ClipFeatures({**known, "speech": speech[..., start : start + frames, :]})
    return shown if places is None else words_between(shown, places, start / whole, (start + frames) / whole)


def repeat(features: ClipFeatures, frames: int) -> ClipFeatures:
    """The clip with its speech repeated up to as many frames; longer speech stays as it is."""
    known = features.by_modality
    there = known["speech"].shape[-2]
    if there >= frames:
        return features
    return ClipFeatures({**known, "speech": known["speech"][..., torch.arange(frames) % there, :]})


def mix(example: Example, partner: Example, share: float, classes: int) -> Example:
    """share x example + (1 - share) x partner, features and label (mixup, Zhang et al. 2018).

    Of sequences every frame is mixed with the partner's frame in its place, the partner cut or repeated to the
    example's length. A modality that only one of the two has is not in the mixture; where they have none in common,
    the example stays as it is.

    Args:
        example, partner: their targets are indices.
        share: of the example, 0 to 1.
        classes: how many labels there are.
    """
    ours, theirs = example.features.by_modality, partner.features.by_modality
    both = [name for name in ours if name in theirs]
    if not both:
        return Example(example.features, one_hot(example.target, classes).float())
    mixed = {
        name: share * ours[name].float() + (1 - share) * _as_long(theirs[name].float(), ours[name]) for name in both
    }
    labels = share * one_hot(example.target, classes) + (1 - share) * one_hot(partner.target, classes)
    return Example(ClipFeatures(mixed), labels.float())


def drop_modality(features: ClipFeatures, chance: float, random: np.random.Generator) -> ClipFeatures:
    """The clip, with this chance without one of its modalities, of words all branches; it never loses its only one."""
    modality = {name: "text" if name == "ngrams" else name for name in features.by_modality}
    there = sorted(set(modality.values()))
    if len(there) < 2 or random.random() >= chance:
        return features
    dropped = there[int(random.integers(len(there)))]
    return ClipFeatures({name: values for name, values in features.by_modality.items() if modality[name] != dropped})


def _as_long(values: Tensor, like: Tensor) -> Tensor:
    """A sequence [layer, time, dim] cut or repeated to another's length; a pooled vector [dim] as it is."""
    if values.ndim == 1:
        return values
    return values[..., torch.arange(like.shape[-2]) % values.shape[-2], :]


def _crop_frames(seconds: float | None, frame_rate: float | None) -> int | None:
    if seconds is None:
        return None
    if frame_rate is None:
        raise ValueError("augmentation.crop_seconds needs examples whose frame_rate is known")
    return max(1, round(seconds * frame_rate))
