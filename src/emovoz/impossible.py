"""What a recipe asks for and cannot have: told all at once, before anything is loaded."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from emovoz.settings import Augmentation, default_of, layer_numbers
from emovoz.widths import HEADED, branch_widths, indivisible, splits_width

if TYPE_CHECKING:
    from emovoz.recipe import Recipe

_MULTI_HEAD_POOLINGS = ("multi_head_attention", "double_multi_head_attention")
_RELATING = ("pooled_attention", "gated", "cross_attention")
_NEEDS: dict[tuple[str, str], tuple[str, tuple[str, ...]]] = {
    ("model", "vgg_channels"): ("front_end", ("vgg",)),
    ("model", "sequence_head_width"): ("sequence", ("multi_head_attention",)),
    ("model", "sequence_blocks"): ("sequence", ("transformer",)),
    ("model", "sequence_expansion"): ("sequence", ("transformer",)),
    ("model", "sequence_dropout"): ("sequence", ("transformer",)),
    ("model", "pooling_heads"): ("pooling", _MULTI_HEAD_POOLINGS),
    ("training", "momentum"): ("optimiser", ("sgd", "rmsprop")),
    ("training", "plateau_factor"): ("schedule", ("plateau",)),
    ("training", "plateau_patience"): ("schedule", ("plateau",)),
    ("training", "focal_gamma"): ("loss", ("focal",)),
    ("training", "effective_beta"): ("class_weights", ("effective",)),
    ("training", "logit_adjustment"): ("sampling", ("shuffled",)),
    ("training", "patience"): ("keep", ("best",)),
    ("training", "regularisation"): ("method", ("logistic_regression", "svm")),
}
"""A setting that does something only where another of its section has one of these values."""

_SELECTABLE = ("speech", "text", "features", "augmentation", "model", "training")
_NOT_SELECTABLE = ("seed", "dev_fraction", "temperature", "thresholds", "adapt")
"""They decide the clips held out, how clips are tested, or nothing that is told of these by macro-F1."""

_BY_GRADIENT = (
    "accumulation", "optimiser", "schedule", "warmup", "gradient_clip", "precision", "loss", "label_smoothing",
    "logit_adjustment", "sampling", "validate_every",
)  # fmt: skip


def impossible(recipe: "Recipe") -> Iterator[str]:
    """Every fault of a recipe whose settings are sound one by one, as a sentence."""
    if recipe.speech is None and not recipe.reads:
        yield "a recipe needs a section speech, text or ngrams, or several of them"
    yield from _idle(recipe)
    yield from _without_a_modality(recipe)
    yield from _with_ngrams(recipe)
    yield from _in_the_head(recipe)
    yield from _of_one_state(recipe)
    yield from _in_tuning(recipe)
    yield from _in_training(recipe)
    yield from _in_selection(recipe)
    yield from _in_augmentation(recipe)


def _idle(recipe: "Recipe") -> Iterator[str]:
    for (name, key), (other, values) in _NEEDS.items():
        section = getattr(recipe, name)
        if getattr(section, key) != default_of(type(section), key) and getattr(section, other) not in values:
            yield f"{name}.{key} needs {name}.{other} {' or '.join(values)}"


def _without_a_modality(recipe: "Recipe") -> Iterator[str]:
    model, augmentation = recipe.model, recipe.augmentation
    if recipe.speech is None:
        speech = {
            "model.front_end": model.front_end != "none",
            "model.speech_adapter": model.speech_adapter != "none",
            "augmentation.views": augmentation.views > 0,
            "augmentation.crop_seconds": augmentation.crop_seconds is not None,
            "augmentation.spec_augment": augmentation.spec_augment is not None,
            "training.adapt": recipe.training.adapt != "none",
        }
        yield from (f"{name} needs a section speech" for name, asked in speech.items() if asked)
        if recipe.features.stride > 1:
            yield "features.stride needs a section speech: words are not averaged"
    if recipe.text is None:
        text = {"model.text_adapter": model.text_adapter != "none", "augmentation.crop_words": augmentation.crop_words}
        yield from (f"{name} needs a section text" for name, asked in text.items() if asked)
    if (recipe.speech is None or recipe.text is None) and model.fusion in _RELATING:
        yield f"model.fusion {model.fusion} needs both speech and text"
    if model.fusion == "late" and recipe.training.class_weights != "inverse":
        yield "model.fusion late needs training.class_weights inverse: else it counts how frequent labels are twice"
    if model.fusion == "late" and len([part for part in (recipe.speech, recipe.text, recipe.ngrams) if part]) < 2:
        yield "model.fusion late needs two of speech, text and ngrams, or all"
    if augmentation.modality_dropout and (recipe.speech is None or not recipe.reads):
        yield "augmentation.modality_dropout needs both speech and text"


def _with_ngrams(recipe: "Recipe") -> Iterator[str]:
    model = recipe.model
    if recipe.ngrams is None:
        if model.ngrams_weight != default_of(type(model), "ngrams_weight"):
            yield "model.ngrams_weight needs a section ngrams"
        return
    if model.fusion not in ("pooled", "late"):
        yield f"a section ngrams needs model.fusion pooled or late, not {model.fusion}: n-grams have no place in time"
    if recipe.augmentation.crop_words:
        yield "augmentation.crop_words needs a recipe without a section ngrams: they are counted in all the words"


def _in_the_head(recipe: "Recipe") -> Iterator[str]:
    model, training = recipe.model, recipe.training
    learns = _learns_in_head(recipe)
    heads = model.sequence_heads != default_of(type(model), "sequence_heads")
    if heads and model.sequence not in HEADED and model.fusion != "cross_attention":
        yield f"model.sequence_heads needs model.sequence {' or '.join(HEADED)}, or model.fusion cross_attention"
    yield from indivisible(model, _known_widths(recipe))
    if model.standardise and learns:
        yield f"model.standardise needs pooling with nothing to learn before it; change {learns}"
    if training.adapt != "none" and _learns(recipe):
        yield f"training.adapt needs pooling with nothing to learn before it; change {_learns(recipe)}"
    if training.method == "gradient":
        if model.fusion == "late":
            yield "model.fusion late needs training.method logistic_regression or svm"
        return
    learns = _learns(recipe)
    only = f"training.method {training.method} can fit the last layer only"
    if learns:
        yield f"{only}; change {learns}"
    if model.fusion in ("pooled_attention", "gated"):
        yield f"{only}; change model.fusion {model.fusion}"
    if model.hidden_layers:
        yield f"{only}; set model.hidden_layers 0"


def _known_widths(recipe: "Recipe") -> dict[str, int]:
    """Width of each branch, where it can be known before the encoders are loaded."""
    model = recipe.model
    if model.width is not None:
        return {"speech": model.width}
    if not splits_width(model) and model.fusion != "cross_attention" and model.pooling not in _MULTI_HEAD_POOLINGS:
        return {}  # nobody asks
    from emovoz.encoders.known import known_encoder

    sections = {"speech": recipe.speech, "text": recipe.text}
    widths = {}
    for name, section in sections.items():
        if section is None:
            continue
        known = known_encoder(section.model)
        if known is None or (name == "speech" and model.front_end != "none"):
            return {}
        layers = len(layer_numbers(section.layers, known.layers))
        widths[name] = known.dim * (layers if model.layer_mix == "concatenate" else 1)
    return branch_widths(model, widths) if widths else {}


def _of_one_state(recipe: "Recipe") -> Iterator[str]:
    """What needs frames, where an encoder gives one state a clip."""
    augmentation = recipe.augmentation
    framed = {
        "features.stride": recipe.features.stride > 1,
        "augmentation.crop_seconds": augmentation.crop_seconds is not None and augmentation.crop == "features",
        "augmentation.spec_augment": augmentation.spec_augment is not None,
    }
    if recipe.speech is None or not any(framed.values()):
        return  # nobody asks
    from emovoz.encoders.known import known_encoder

    known = known_encoder(recipe.speech.model)
    if known is not None and known.frame_rate is None:
        yield from (
            f"{name} needs frames; {known.name} gives one state a clip" for name, asked in framed.items() if asked
        )


def _in_tuning(recipe: "Recipe") -> Iterator[str]:
    for name, section in (("speech", recipe.speech), ("text", recipe.text)):
        if section is None or section.lora is None:
            continue
        last, layers = section.lora.last, section.layers
        if isinstance(layers, list) and last > max(layers):
            yield (
                f"{name}.lora.last {last} needs as many layers below the highest hidden state of {name}.layers, "
                f"which is {max(layers)}"
            )
    if recipe.speech is not None and recipe.speech.lora is not None and recipe.features.stride > 1:
        yield "speech.lora needs features.stride 1: the tuned layers take every frame"


def _in_training(recipe: "Recipe") -> Iterator[str]:
    training, augmentation = recipe.training, recipe.augmentation
    if not recipe.features.cache and recipe.features.layers != "used":
        yield "features.layers needs features.cache true: without a store nothing is kept"
    if training.sampling == "balanced" and training.class_weights == "effective":
        yield "training.class_weights effective needs training.sampling shuffled: balanced labels weigh the same"
    if training.method == "gradient":
        return
    changed = [key for key in _BY_GRADIENT if getattr(training, key) != default_of(type(training), key)]
    yield from (f"training.{key} needs training.method gradient" for key in changed)
    varied = ("mixup", "views", "modality_dropout")
    yield from (f"augmentation.{name} needs training.method gradient" for name in varied if getattr(augmentation, name))


def _in_selection(recipe: "Recipe") -> Iterator[str]:
    selection, training = recipe.selection, recipe.training
    for name, values in selection.grid.items():
        section, dot, key = name.partition(".")
        if not dot or section not in _SELECTABLE or (section == "training" and key in _NOT_SELECTABLE):
            yield (
                f"selection.grid: {name} cannot be chosen; give settings of {', '.join(_SELECTABLE)}, such as "
                f"model.dropout, but not training.{', training.'.join(_NOT_SELECTABLE)}"
            )
        if any(value in values[:i] for i, value in enumerate(values)):
            yield f"selection.grid: {name} has a value twice: {values}"
    if selection.folds and not selection.grid and training.temperature is False and not training.thresholds:
        yield "selection.folds needs a selection.grid, training.temperature or training.thresholds"


def _in_augmentation(recipe: "Recipe") -> Iterator[str]:
    augmentation = recipe.augmentation
    waveform = augmentation.crop == "waveform"
    if augmentation.views and not augmentation.effects and not waveform:
        yield "augmentation.views needs an effect, such as augmentation.speed={}, or augmentation.crop waveform"
    if augmentation.views:
        yield from _in_views(augmentation)
    elif "views" not in augmentation.model_fields_set:
        # a recipe whose views are switched off may keep their settings
        changed = [
            name for name in ("probability", "seed") if getattr(augmentation, name) != default_of(Augmentation, name)
        ]
        yield from (f"augmentation.{name} needs augmentation.views" for name in (*changed, *augmentation.effects))
    if waveform and not augmentation.views:
        yield "augmentation.crop waveform needs augmentation.views: the crops of each clip, encoded once"
    if augmentation.crop_seconds is None:
        cropping = {
            "crop waveform": waveform,
            "crop_words": augmentation.crop_words,
            "padding repeat": augmentation.padding == "repeat",
        }
        yield from (f"augmentation.{name} needs augmentation.crop_seconds" for name, asked in cropping.items() if asked)
    learns = _learns(recipe)
    shown = {
        "augmentation.crop_seconds": augmentation.crop_seconds is not None and not waveform,
        "augmentation.spec_augment": augmentation.spec_augment is not None,
    }
    for name, asked in shown.items():
        if asked and recipe.speech is not None and not learns:
            yield (
                f"{name} needs a head that learns before pooling, such as one with model.pooling attention; "
                "this one sees each clip as one vector, made once from the whole clip"
            )


def _in_views(augmentation: Augmentation) -> Iterator[str]:
    from emovoz.corpus.audio import SHORTEST_SECONDS

    waveform = augmentation.crop == "waveform"
    if not augmentation.probability:
        yield "augmentation.probability 0 shows none of the views; set augmentation.views 0 to have none"
    chances = [effect.probability for effect in augmentation.effects.values()]
    if chances and not any(chances) and not waveform:
        yield "augmentation.views needs an effect whose probability is not 0"
    noise = augmentation.noise
    if noise and noise.source is None and "noise" not in noise.snr_db:
        yield "augmentation.noise.snr_db needs the kind noise: without augmentation.noise.source that is what is made"
    if waveform and augmentation.crop_words:
        yield "augmentation.crop_words needs augmentation.crop features: the words of a view are those of the clip"
    if waveform and augmentation.crop_seconds is not None and augmentation.crop_seconds < SHORTEST_SECONDS:
        yield (
            f"augmentation.crop_seconds must be at least {SHORTEST_SECONDS} where the waveform is cut; in less, "
            "nothing is heard"
        )


def _learns(recipe: "Recipe") -> str | None:
    """The settings that give something to learn before pooling, in the head or in an encoder."""
    sections = {"speech": recipe.speech, "text": recipe.text}
    tuned = [f"{name}.lora" for name, section in sections.items() if section is not None and section.lora is not None]
    return ", ".join([*filter(None, [_learns_in_head(recipe)]), *tuned]) or None


def _learns_in_head(recipe: "Recipe") -> str | None:
    branches = (recipe.speech is not None) + (recipe.text is not None)
    return recipe.model.learns_before_pooling(branches) if branches else None
