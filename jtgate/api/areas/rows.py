"""Rows of the store as answers: types for the document and values, both out of the rows' own declarations."""

from collections.abc import Collection, Mapping
from typing import Any, Final, get_type_hints

import msgspec

from jtgate.api.operations import Moment, Page
from jtgate.codecs.timebase import iso_ms
from jtgate.storage.store import Row

#: Numbers of our own, which mean nothing to anybody else.
_OURS: Final = frozenset({"terminal_id", "session_id", "spool_seq"})
_JSON: Final = frozenset(
    {"body", "sources", "conflict", "corrects", "facts", "places", "alarm_numbers", "missing", "faults"}
)
_read_json: Final = msgspec.json.Decoder().decode


def answer_type(
    name: str, declared: type[Any], about: str, without: Collection[str] = (), also: Mapping[str, Any] | None = None
) -> Any:
    """The type of an answer that tells rows.

    Args:
        name: of the type in the document.
        declared: NamedTuple of the rows.
        about: one sentence.
        without: further columns that are not told.
        also: further fields, told first.
    """
    fields: list[tuple[str, Any]] = [*(also or {}).items(), ("terminal", str | None)]
    for column, kind in get_type_hints(declared).items():
        if column not in _OURS and column not in without:
            fields.append((_name(column), _type(column, kind)))
    made = msgspec.defstruct(name, fields)
    made.__doc__ = about
    return made


def struct_of(name: str, about: str, **fields: Any) -> Any:
    """The type of an answer that is put together of types that were made at run time."""
    made = msgspec.defstruct(name, list(fields.items()))
    made.__doc__ = about
    return made


def list_of(kind: Any) -> Any:
    """The type of a list of rows of a type that was made at run time."""
    return list[kind]


def page_of(kind: Any) -> Any:
    """The type of a page of rows of a type that was made at run time."""
    return Page[kind]


def _name(column: str) -> str:
    return column.removesuffix("_ms").removesuffix("_us")


def _type(column: str, kind: Any) -> Any:
    if column.endswith(("_ms", "_us")):
        return Moment | None
    if column == "fingerprint":
        return str
    if column in _JSON:
        return Any
    return str if kind is bytes else kind


def told(row: Row, columns: Collection[str], without: Collection[str] = ()) -> dict[str, Any]:
    """What is told of a row.

    Args:
        row: of the store.
        columns: of its table.
        without: further columns that are not told.
    """
    shape: dict[str, Any] = {"terminal": row.get("terminal")}
    for column in columns:
        if column not in _OURS and column not in without:
            shape[_name(column)] = _value(column, row[column])
    return shape


def _value(column: str, value: Any) -> Any:
    if value is None:
        return None
    if column.endswith("_ms"):
        return moment(value)
    if column.endswith("_us"):
        return moment(value // 1000)
    if column == "fingerprint":
        return f"{value & 0xFFFF_FFFF_FFFF_FFFF:016x}"
    if column in _JSON:
        return _read_json(value)
    return value.hex() if isinstance(value, bytes) else value


def moment(ms: object) -> str | None:
    """A time with +08:00; None for none."""
    return iso_ms(ms) if isinstance(ms, int) and ms else None


def number(row: Mapping[str, object], column: str) -> int:
    """An integer of a row."""
    value = row[column]
    return value if isinstance(value, int) else 0
