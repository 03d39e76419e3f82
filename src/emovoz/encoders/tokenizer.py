"""Reading the tokenizer of a text model: by transformers, or without it where that gives the same to the letter."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emovoz.errors import InputError

FILE, SETTINGS = "tokenizer.json", "tokenizer_config.json"
FILES = (FILE, "vocab.txt", "vocab.json", "sentencepiece.bpe.model", "spiece.model", "spm.model", "tokenizer.model")
OLD_FILES = ("special_tokens_map.json", "added_tokens.json")
"""Which transformers merges into the tokenizer, where they are."""

GENERIC = ("TokenizersBackend", "PreTrainedTokenizerFast")
"""Classes of transformers that take tokenizer.json as it is; others put a tokenizer together anew."""

SPECIAL = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
SPOKEN = {*SPECIAL, "tokenizer_class", "model_max_length", "truncation_side"}
SILENT = {"backend", "clean_up_tokenization_spaces", "padding_side", "is_local", "local_files_only"}
"""Settings that change no token of a text."""

USUAL: dict[str, Any] = {"model_max_length": int(1e30), "truncation_side": "right"}
"""Where the settings say nothing."""


@dataclass(frozen=True)
class TextTokenizer:
    """What a text model's tokenizer is.

    Attributes:
        backend: of the library tokenizers.
        most: tokens of a text, special ones included.
        truncation_side: on which too long a text is cut.
        stand_in: the token of an empty text where the model knows no special ones, so that it has none at all.
    """

    backend: Any
    most: int
    truncation_side: str
    stand_in: int

    def cut_at(self, longest: int) -> Any:
        """The backend, which from now on cuts texts of more tokens than that."""
        self.backend.no_padding()
        self.backend.enable_truncation(longest, direction=self.truncation_side)
        return self.backend


def read_tokenizer(directory: Path, *, generic: bool) -> TextTokenizer:
    """The tokenizer of a Hugging Face directory.

    Args:
        directory: where its files are.
        generic: whether for this model transformers takes a generic tokenizer where the settings name one; for some
            families it knows better.

    Raises:
        InputError: none there, or none that can be read.
    """
    # without its files the library makes a tokenizer up that knows no word
    if not any((directory / name).is_file() for name in FILES):
        raise InputError(f"{directory}: holds no tokenizer (such as {FILES[0]})")
    settings = _generic_settings(directory) if generic else None
    as_it_is = None if settings is None else _as_it_is(directory, settings)
    return as_it_is or _of_transformers(directory)


def _generic_settings(directory: Path) -> dict[str, Any] | None:
    """The settings of a tokenizer that is all in tokenizer.json; None where more than that may count."""
    if not (directory / FILE).is_file() or any((directory / name).exists() for name in OLD_FILES):
        return None
    try:
        settings = json.loads((directory / SETTINGS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(settings, dict) or settings.keys() - SPOKEN - SILENT:
        return None
    settings = {**USUAL, **settings}
    generic = settings.get("tokenizer_class") in GENERIC and settings["truncation_side"] in ("left", "right")
    named = all(isinstance(settings.get(name, ""), str) for name in SPECIAL)
    return settings if generic and named and type(settings["model_max_length"]) is int else None


def _as_it_is(directory: Path, settings: dict[str, Any]) -> TextTokenizer | None:
    """The tokenizer of tokenizer.json; None where transformers would add something to it."""
    from tokenizers import Tokenizer

    try:
        backend: Any = Tokenizer.from_file(str(directory / FILE))
    except Exception as error:
        # the library raises no other class
        raise _unreadable(directory, error) from error
    special = {token.content for token in backend.get_added_tokens_decoder().values() if token.special}
    named = {name: settings[name] for name in SPECIAL if name in settings}
    whole = backend.post_processor is not None and backend.truncation is None and backend.padding is None
    if not whole or not special.issuperset(named.values()):
        return None
    ids = [backend.token_to_id(named[name]) for name in ("eos_token", "bos_token", "unk_token") if name in named]
    return TextTokenizer(backend, settings["model_max_length"], settings["truncation_side"], [*ids, 0][0])


def _of_transformers(directory: Path) -> TextTokenizer:
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(directory, local_files_only=True, trust_remote_code=False)
    except Exception as error:
        # a class takes for granted what lies in its files, and raises anything where it is not so
        raise _unreadable(directory, error) from error
    if not tokenizer.is_fast:
        raise InputError(f"{directory}: the tokenizer has no fast form; emovoz needs one (tokenizer.json)")
    special = (tokenizer.eos_token_id, tokenizer.bos_token_id, tokenizer.unk_token_id, 0)
    stand_in = next(one for one in special if one is not None)
    return TextTokenizer(tokenizer.backend_tokenizer, tokenizer.model_max_length, tokenizer.truncation_side, stand_in)


def _unreadable(directory: Path, error: Exception) -> InputError:
    return InputError(f"{directory}: the tokenizer cannot be loaded: {str(error).strip()}")
