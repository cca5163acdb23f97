"""Times and names between rows and tables: a field `x_ms` of a row is the column `x`, a timestamptz."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from jtgate.codecs import timebase
from jtgate.storage.texts import without_nul

_SUFFIX: Final = "_ms"


def column(field: str) -> str:
    """Name of the column of a field, quoted."""
    return f'"{field.removesuffix(_SUFFIX)}"'


def columns(fields: Iterable[str]) -> str:
    """Columns of some fields, for INSERT."""
    return ", ".join(map(column, fields))


def selected(alias: str, fields: Iterable[str]) -> str:
    """Columns of some fields, for SELECT, under the names of the fields and with times as milliseconds."""
    return ", ".join(
        f"{as_ms(f'{alias}.{column(field)}')} AS {field}" if field.endswith(_SUFFIX) else f'{alias}."{field}"'
        for field in fields
    )


def as_ms(expression: str) -> str:
    """A timestamptz as milliseconds since 1970."""
    return f"(extract(epoch FROM {expression}) * 1000)::bigint"


def moment(at_ms: int | None) -> datetime | None:
    """Milliseconds since 1970 as PostgreSQL takes them."""
    return None if at_ms is None else timebase.from_ms(at_ms)


def values(fields: Sequence[str], row: Sequence[object]) -> list[object]:
    """A row as parameters: times as times, texts as PostgreSQL can hold them."""
    return [
        moment(value)
        if isinstance(value, int) and field.endswith(_SUFFIX)
        else without_nul(value)
        if isinstance(value, str)
        else value
        for field, value in zip(fields, row, strict=True)
    ]
