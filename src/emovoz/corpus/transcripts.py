"""Transcriptions compared by their words."""

import unicodedata

Words = tuple[str, ...]


def normalised(text: str) -> Words:
    """The words of a text without case, punctuation and accents; each Chinese or Japanese character is a word.

    >>> normalised("¡Qué alegría, Ana! 3-1")
    ('que', 'alegria', 'ana', '3', '1')
    """
    plain = "".join(mark for mark in unicodedata.normalize("NFKD", text.casefold()) if not "\u0300" <= mark <= "\u036f")
    return tuple("".join(_spaced(mark) for mark in unicodedata.normalize("NFKC", plain)).split())


def _spaced(mark: str) -> str:
    if unicodedata.category(mark)[0] in "PSZC":
        return " "
    return f" {mark} " if "\u3040" <= mark <= "\u30ff" or "\u3400" <= mark <= "\u9fff" else mark
