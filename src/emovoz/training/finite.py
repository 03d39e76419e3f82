"""What must be finite in training: features, and the weights that come of them; NaN and infinity spread to all else."""

from collections.abc import Sequence

from emovoz.errors import InputError
from emovoz.features import ClipFeatures
from emovoz.model import Head
from emovoz.model.head import not_finite


def check_features(ids: Sequence[str], *features: Sequence[ClipFeatures]) -> None:
    """Raise InputError for every clip that has features which are not finite.

    Args:
        ids: of the clips.
        features: of each of them; of their views too.
    """
    strange = [ids[i] for of_view in features for i, clip in enumerate(of_view) if not _is_finite(clip)]
    if strange:
        raise InputError(
            f"{name}: its features are not finite (NaN or infinity), so nothing can be learned from it; delete what "
            "the store has of its encoder (emovoz store prune --encoder NAME) and run again, or leave the clip out"
            for name in dict.fromkeys(strange)
        )


def _is_finite(clip: ClipFeatures) -> bool:
    return all(bool(values.isfinite().all()) for piece in clip.pieces() for values in piece.by_modality.values())


def check_weights(head: Head) -> None:
    """Raise InputError where a head is poisoned; the last step may do it, after which no loss is told."""
    strange = not_finite(head)
    if strange:
        raise InputError(
            f"training has made {', '.join(strange)} infinite or NaN, so nothing is saved; lower "
            "training.learning_rate, or set training.gradient_clip"
        )
