"""Loading a transformers module from a local directory: strictly, without pickle or foreign code."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from logging import CRITICAL
from pathlib import Path
from typing import Any

import torch

from emovoz.encoders.placement import PRECISION
from emovoz.errors import InputError
from emovoz.weights import config_told, refuse_faulty, refuse_giant, told_of


def load_frozen(kind: Any, directory: Path, device: torch.device, *, optional: tuple[str, ...] = ()) -> Any:
    """A transformers module in eval mode whose weights need no gradient, every tensor accounted for.

    Parts of the file that the module does not have (the head of its training, a decoder) are left out, while an extra
    tensor within a part that it has is a fault.

    Args:
        kind: a transformers model class or `AutoModel`.
        directory: what `save_pretrained` wrote.
        device: where it is to compute.
        optional: beginnings of names that may be missing in the file, of parts that the caller leaves out.

    Raises:
        InputError: no safetensors file, or tensors that are missing, extra or of another shape, each by name.
    """
    with told_of(directory), quiet_transformers():
        refuse_giant(_without_values(kind, directory), directory)
        model, report = kind.from_pretrained(
            directory,
            dtype=PRECISION,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
        )
    extra = [name for name in report["unexpected_keys"] if _within(model, name)]
    missing = [name for name in report["missing_keys"] if not name.startswith(optional)]
    refuse_faulty(directory, missing, extra, report["mismatched_keys"])
    return model.eval().to(device).requires_grad_(False)


def _without_values(kind: Any, directory: Path) -> Any:
    """The module as config.json wants it, which takes no memory."""
    from transformers import AutoConfig

    # which refuses more layers than anybody has made
    config_told(directory)
    with torch.device("meta"):
        if hasattr(kind, "from_config"):
            return kind.from_config(AutoConfig.from_pretrained(directory, trust_remote_code=False))
        return kind(kind.config_class.from_pretrained(directory))


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
