"""Loading a transformers module from a local directory: strictly, without pickle or foreign code."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from logging import CRITICAL
from pathlib import Path
from typing import Any

import torch

from emovoz.encoders.placement import PRECISION
from emovoz.errors import InputError

MOST_LAYERS = 1000
SPARE_VALUES = 50_000_000
"""That a module may have beyond those in its files: tables that it computes itself."""


def load_frozen(kind: Any, directory: Path, device: torch.device, **options: Any) -> Any:
    """An encoder in eval mode whose weights need no gradient; what it was trained with beside it is left out.

    Arguments and errors as in `load_strictly`.
    """
    return load_strictly(kind, directory, alone=False, **options).to(device).requires_grad_(False)


def load_strictly(
    kind: Any,
    directory: Path,
    *,
    alone: bool = True,
    rename: Mapping[str, str] | None = None,
    optional: tuple[str, ...] = (),
    **options: Any,
) -> Any:
    """A transformers module in eval mode from a local directory, every tensor accounted for.

    Args:
        kind: a transformers model class or `AutoModel`.
        directory: what `save_pretrained` wrote.
        alone: whether the file may hold nothing else; otherwise parts that the module does not have (the head of
            its training, a decoder) are left out, while an extra tensor within a part that it has is still a fault.
        rename: patterns of tensor names in the file, and what replaces them.
        optional: beginnings of names that may be missing in the file, of parts that the caller leaves out.
        options: passed on to `from_pretrained`.

    Raises:
        InputError: no safetensors file, or tensors that are missing, extra or of another shape, each by name.
    """
    _refuse_giants(kind, directory)
    try:
        with quiet_transformers():
            model, report = kind.from_pretrained(
                directory,
                key_mapping=dict(rename or {}) or None,
                dtype=PRECISION,
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
                **options,
            )
    except Exception as error:  # the library meets whatever somebody wrote into the files
        raise InputError(f"{directory}: the weights cannot be loaded: {str(error).strip()}") from error
    extra = [name for name in sorted(report["unexpected_keys"]) if alone or _within(model, name)]
    missing = [name for name in sorted(report["missing_keys"]) if not name.startswith(optional)]
    faults = [
        *(f"tensor {name} is missing" for name in missing),
        *(f"tensor {name} does not belong to this model" for name in extra),
        *(
            f"tensor {name[0]} has shape {list(name[1])}, expected {list(name[2])}"
            for name in report["mismatched_keys"]
        ),
    ]
    if faults:
        raise InputError(f"{directory}: {fault}" for fault in faults)
    return model.eval()


def _refuse_giants(kind: Any, directory: Path) -> None:
    """Raise InputError where config.json asks for much more than the files hold: what is missing would be made up."""
    from transformers import AutoConfig

    held = sum(file.stat().st_size for file in directory.glob("*.safetensors"))
    try:
        told = json.loads((directory / "config.json").read_text(encoding="utf-8"))
        deep = [f"{name} {many}" for name, many in told.items() if name.endswith("layers") and _many(many)]
        if deep:
            raise InputError(f"{directory / 'config.json'}: {deep[0]}, more than {MOST_LAYERS}")
        with quiet_transformers(), torch.device("meta"):
            if hasattr(kind, "from_config"):
                model = kind.from_config(AutoConfig.from_pretrained(directory, trust_remote_code=False))
            else:
                model = kind(kind.config_class.from_pretrained(directory))
    except InputError:
        raise
    except Exception as error:  # the library meets whatever somebody wrote into the file
        raise InputError(f"{directory}: the weights cannot be loaded: {str(error).strip()}") from error
    wanted = sum(tensor.numel() for tensor in [*model.parameters(), *model.buffers()])
    if wanted > held + SPARE_VALUES:
        raise InputError(f"{directory / 'config.json'}: asks for {wanted} values, where the files hold {held} bytes")


def _many(value: Any) -> bool:
    return isinstance(value, int) and value > MOST_LAYERS


def _within(model: Any, name: str) -> bool:
    """Whether a tensor's name lies in a part that the model has."""
    inner = name.removeprefix("model.").removeprefix(f"{model.base_model_prefix}.")
    return inner.partition(".")[0] in dict(model.named_children())


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Without transformers' own report and progress bar: what is wrong is told as an error."""
    from transformers.utils import logging

    spoken, barred = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(spoken)
        if barred:
            logging.enable_progress_bar()


def preprocessor(directory: Path) -> dict[str, Any]:
    """The settings of preprocessor_config.json, none where there is no such file.

    Raises:
        InputError: the file is no JSON object.
    """
    file = directory / "preprocessor_config.json"
    if not file.is_file():
        return {}
    try:
        settings = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: not readable as JSON") from error
    if not isinstance(settings, dict):
        raise InputError(f"{file}: not a JSON object")
    return settings
