"""Texts that a database cannot hold: terminals send any bytes, and a code page can make any characters of them."""

import re
from collections.abc import Iterable
from typing import Final

#: Stands for a character that cannot be held.
REPLACEMENT: Final = "\ufffd"
_NUL_OR_HALF: Final = re.compile("[\x00\ud800-\udfff]")
_HALF: Final = re.compile("[\ud800-\udfff]")


def without_nul(text: str) -> str:
    """The text with U+FFFD for each NUL and each half of a surrogate pair."""
    return _NUL_OR_HALF.sub(REPLACEMENT, text)


def without_halves(values: Iterable[object]) -> tuple[object, ...]:
    """Values of a row, their texts with U+FFFD for each half of a surrogate pair."""
    return tuple(_HALF.sub(REPLACEMENT, value) if isinstance(value, str) else value for value in values)
