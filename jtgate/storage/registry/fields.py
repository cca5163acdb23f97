"""What a registry is declared of: fields, the kinds of value they hold, and what is wrong with a value.

A value in a row of the store is text (also dates, "2026-11-24", and times of day, "06:00"), int, float, bool, a list
(of texts, of numbers or of dicts), a dict (GeoJSON), or None for none. Times are integer milliseconds since 1970.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal, NamedTuple

#: What a value is. "code" is a text whose full-width characters and inner blanks are made plain.
ValueKind = Literal["text", "code", "integer", "number", "date", "clock", "time", "flag", "choice", "list", "geometry"]
#: "key": part of the key. "must": a row without it is refused. "should": its absence is told as a warning and left to
#: the rules of supervision (a waybill with holes is a finding, HZ22, and cannot be one when nobody may store it).
Need = Literal["key", "must", "should", "may"]

#: Longest text, characters, where the declaration says nothing else.
TEXT_MAX: Final = 200
#: Most members of a list where the declaration says nothing else.
ITEMS_MAX: Final = 200
#: Largest integer, where the declaration says nothing else: what fits the columns of every back end.
INTEGER_MAX: Final = 2**31 - 1


class Choice(NamedTuple):
    """One value of a closed set."""

    value: str | int
    zh: str
    en: str
    #: Other ways in which people write it.
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class Field:
    """One field of a registry.

    Args:
        name: of the field in rows; its column is the same (PostgreSQL: without `_ms`).
        term: the Chinese term, also taken as a heading of CSV.
        kind: what a value is.
        about: one sentence.
        need: see Need.
        least: smallest number, or fewest characters of a text.
        most: largest number, most characters of a text, or most members of a list.
        choices: the values of a choice.
        check: name of a further check, a key of `values.CHECKS`.
        item: what the members of a simple list are.
        fields: what the members of a list of objects consist of.
        shapes: types of GeoJSON a geometry may have.
        personal: whether it tells about a person, and is to be kept from logs and from who has no need of it.
        stored: False for what only says how the rest of a row is to be read.
    """

    name: str
    term: str
    kind: ValueKind
    about: str
    need: Need = "may"
    least: float | None = None
    most: float | None = None
    choices: tuple[Choice, ...] = ()
    check: str = ""
    item: "Field | None" = None
    fields: "tuple[Field, ...]" = ()
    shapes: tuple[str, ...] = ()
    personal: bool = False
    stored: bool = True

    @property
    def heading(self) -> str:
        """Name in CSV and JSON files, where times are written out and not counted in milliseconds."""
        return self.name.removesuffix("_ms") if self.kind == "time" else self.name


@dataclass(frozen=True)
class Kind:
    """One registry.

    Args:
        name: of the registry and of its table.
        term: the Chinese term.
        about: one sentence.
        facts: its fields, key first, without those of the version.
        orders: pairs of fields of which the first must not be greater than the second.
        example: a row as it may stand in a file, by heading.
    """

    name: str
    term: str
    about: str
    facts: tuple[Field, ...]
    orders: tuple[tuple[str, str], ...]
    example: Mapping[str, object]

    @cached_property
    def key(self) -> tuple[str, ...]:
        """Names of the fields of its key."""
        return tuple(field.name for field in self.facts if field.need == "key")

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """Everything a file may say of a row."""
        return self.facts + VERSION

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Names of everything in a row of the store."""
        return tuple(field.name for field in self.facts if field.stored) + VERSION_COLUMNS

    @cached_property
    def compared(self) -> tuple[str, ...]:
        """Names of the facts that make a version: when one of them differs, it is another version."""
        return tuple(field.name for field in self.facts if field.stored and field.need != "key")

    @cached_property
    def stored(self) -> tuple[Field, ...]:
        """Fields in the order of `columns`, without `imported_ms`."""
        return tuple(field for field in self.fields if field.stored)

    @cached_property
    def by_heading(self) -> dict[str, Field]:
        """What may stand above a column: our name, with or without `_ms`, or the Chinese term."""
        names = {field.heading: field for field in self.fields}
        names |= {field.name: field for field in self.fields}
        return names | {field.term: field for field in self.fields}


class RegistryFault(NamedTuple):
    """What is wrong with a field of a row; never says the value, which may be about a person."""

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


#: The fields that every version has.
VERSION: Final = (
    Field("valid_from_ms", "生效时间", "time", "Begin of this version; without it the time of the import."),
    Field("valid_to_ms", "失效时间", "time", "End of this version, not included; none while it is open."),
    Field("source", "数据来源", "text", "Where the row came from: a file, a feed, a person in charge.", most=100),
)
VERSION_COLUMNS: Final = ("valid_from_ms", "valid_to_ms", "source", "imported_ms")
