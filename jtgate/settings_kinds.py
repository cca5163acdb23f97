"""How values of settings are written and read: as text from a flag or a variable, or as what TOML made of them.

Every parser takes either, and raises ValueError with half a sentence ("expected a whole number"); `settings`
says the other half, where it stood.
"""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple


class Kind(NamedTuple):
    """How values of one kind are written and read."""

    metavar: str
    parse: Callable[[object], object]


SIZE_UNITS: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SIZE: Final = re.compile(r"(\d+)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)
_ADDRESS: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]\s]+):(\d{1,5})")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("expected text")  # noqa: TRY004
    return value


def _integer(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError("expected a whole number")  # noqa: TRY004
    try:
        return int(value)
    except ValueError:
        raise ValueError("expected a whole number") from None


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("expected a number")  # noqa: TRY004
    try:
        number = float(value)
    except ValueError:
        raise ValueError("expected a number") from None
    if not math.isfinite(number):
        raise ValueError("expected a finite number")
    return number


def _size(value: object) -> int:
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is not None:
        return int(match[1]) * SIZE_UNITS[match[2].upper()]
    if isinstance(value, str):
        raise ValueError("expected bytes, or a number with K, M, G or T (64M)")  # noqa: TRY004
    return _integer(value)


def _path(value: object) -> Path:
    if isinstance(value, Path):
        return value
    if not isinstance(value, str) or not value:
        raise ValueError("expected a path")
    return Path(value)


def _optional_path(value: object) -> Path | None:
    return None if value is None or value == "" else _path(value)


def _address(value: object) -> str:
    match = _ADDRESS.fullmatch(value) if isinstance(value, str) else None
    if match is None or int(match[2]) > 65_535:
        raise ValueError("expected HOST:PORT, for example 127.0.0.1:8080")
    return match[0]


def _listed(value: object, what: str) -> tuple[str, ...]:
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        raise ValueError(f"expected a list of {what}, or one text with commas between them")
    return tuple(one.strip() for one in value if one.strip())


def _names(value: object) -> tuple[str, ...]:
    return _listed(value, "addresses")


def _urls(value: object) -> tuple[str, ...]:
    return _listed(value, "URLs")


def _files(value: object) -> tuple[str, ...]:
    return _listed(value, "files")


TEXT: Final = Kind("TEXT", _text)
URL: Final = Kind("URL", _text)
INTEGER: Final = Kind("N", _integer)
NUMBER: Final = Kind("NUMBER", _number)
SIZE: Final = Kind("BYTES", _size)
FOLDER: Final = Kind("DIR", _path)
FILE: Final = Kind("FILE", _optional_path)
ADDRESS: Final = Kind("HOST:PORT", _address)
NAMES: Final = Kind("A,B,…", _names)
FILES: Final = Kind("FILE,…", _files)
URLS: Final = Kind("URL,…", _urls)
