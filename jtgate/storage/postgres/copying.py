"""Rows as tuples into fields of binary COPY: the slow twin of `LocationColumns.copy_rows`, for what is rare.

A row is the number of its fields, then each as its length and its bytes; a length of -1 is NULL. Types are those of
`codecs.column_tables.ROW`. Head and end of the copy are the caller's.
"""

import struct
from collections.abc import Callable, Iterable
from typing import Any, Final

from jtgate.codecs.column_tables import BYTES, POSTGRES_EPOCH_MS, ROW
from jtgate.storage.model import PositionRow

_NULL: Final = b"\xff\xff\xff\xff"
_FIELDS: Final = struct.pack("!h", len(ROW))


def pack_rows(rows: Iterable[PositionRow]) -> bytes:
    """Rows as fields of binary COPY.

    Args:
        rows: in the order of POSITION_COLUMNS.

    Raises:
        ValueError: a value does not fit its column, which is named.
    """
    packed = bytearray()
    for row in rows:
        packed += _FIELDS
        for field, pack, value in zip(ROW, _PACKERS, row, strict=True):
            try:
                packed += _NULL if value is None else pack(value)
            except (struct.error, TypeError, ValueError, OverflowError) as error:
                raise ValueError(f"{field.name}: {type(error).__name__}") from error
    return bytes(packed)


def _fixed(type_: str) -> Callable[[Any], bytes]:
    """Packs a value of so many bytes behind its length."""
    packer = struct.Struct("!i" + {"double precision": "d", "smallint": "h", "integer": "i"}.get(type_, "q"))
    length = BYTES[type_]
    return lambda value: packer.pack(length, value)


def _time(ms: int) -> bytes:
    return struct.pack("!iq", BYTES["timestamptz"], (ms - POSTGRES_EPOCH_MS) * 1000)


def _text(value: str) -> bytes:
    """A text; PostgreSQL has no NUL in a text and no lone surrogate in UTF-8: each becomes U+FFFD."""
    data = value.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
    return struct.pack("!i", len(data)) + data


_SPECIAL: Final[dict[str, Callable[[Any], bytes]]] = {"timestamptz": _time, "text": _text}
_PACKERS: Final = tuple(_SPECIAL.get(field.type_) or _fixed(field.type_) for field in ROW)
