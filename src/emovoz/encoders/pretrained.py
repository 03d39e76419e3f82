"""Loading a transformers module from a local directory: strictly, without pickle or foreign code."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from logging import CRITICAL
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from emovoz.encoders.placement import PRECISION
from emovoz.errors import InputError


def load_frozen(kind: Any, directory: Path, device: torch.device, **options: Any) -> Any:
    """An encoder in eval mode whose weights need no gradient; arguments and errors as in `load_strictly`."""
    return load_strictly(kind, directory, **options).to(device).requires_grad_(False)


def load_strictly(
    kind: Any,
    directory: Path,
    *,
    rename: Mapping[str, str] | None = None,
    ignore: tuple[str, ...] = (),
    **options: Any,
) -> Any:
    """A transformers module in eval mode from a local directory, every tensor accounted for.

    Args:
        kind: a transformers model class or `AutoModel`.
        directory: what `save_pretrained` wrote.
        rename: patterns of tensor names in the file, and what replaces them.
        ignore: beginnings of names, after an optional `model.`, that belong to parts not wanted.
        options: passed on to `from_pretrained`.

    Raises:
        InputError: no safetensors file, or tensors that are missing, extra or of another shape, each by name.
    """
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
    except (OSError, ValueError, TypeError, RuntimeError, SafetensorError) as error:
        raise InputError(f"{directory}: the weights cannot be loaded: {str(error).strip()}") from error
    faults = _faults(report, ignore)
    if faults:
        raise InputError(f"{directory}: {fault}" for fault in faults)
    return model.eval()


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


def _faults(report: Mapping[str, Any], ignore: tuple[str, ...]) -> list[str]:
    extra = [
        name for name in report["unexpected_keys"] if not name.removeprefix("model.").startswith(ignore or ("\0",))
    ]
    return [
        *(f"tensor {name} is missing" for name in sorted(report["missing_keys"])),
        *(f"tensor {name} does not belong to this model" for name in sorted(extra)),
        *(
            f"tensor {name[0]} has shape {list(name[1])}, expected {list(name[2])}"
            for name in report["mismatched_keys"]
        ),
    ]
