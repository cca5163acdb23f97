"""The words of declarations: what a field is, as one call beside its annotation."""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from jtgate.codecs.coordinates import Coordinate
from jtgate.codecs.edition import ALL_EDITIONS, Edition
from jtgate.codecs.groups import Counted, Nested, OneOf, Repeat, Tlv
from jtgate.codecs.kinds import Bcd, ByEdition, Date, Kind, Number, Raw, SignMagnitude, Table, Text, Time, in_edition
from jtgate.codecs.presence import Presence
from jtgate.codecs.text import Pad
from jtgate.codecs.wire import Scope

if TYPE_CHECKING:
    from jtgate.codecs.structures import Structure, TlvItem

by_edition = ByEdition

#: Endings of field names that say the unit; the English name leaves them out.
UNIT_SUFFIXES = {
    "km/h": "_kmh",
    "km": "_km",
    "m": "_m",
    "L": "_l",
    "°": "_deg",
    "s": "_s",
    "min": "_min",
    "%": "_percent",
    "°C": "_c",
    "kPa": "_kpa",
    "ms": "_ms",
    "100 ms": "_100ms",
}


@dataclasses.dataclass
class FieldSpec:
    """All that a declaration says of a field.

    Args:
        term: Chinese term of the standard.
        kind: how bytes become the value.
        unit: unit of the value; the field name must end with its suffix, see UNIT_SUFFIXES.
        valid: smallest and largest value the standard allows; others are kept and noted.
        editions: those that have the field.
        presence: condition, None when it is always there.
        counts: the list whose length this field holds.
        wrong_count: deviation when that length is wrong.
        en: English name, when the field name does not say it.
        clause: where the standard defines it, when not where the message is.
        name: name in the class.
    """

    term: str
    kind: Kind
    unit: str = ""
    valid: tuple[float, float] | None = None
    editions: tuple[Edition, ...] = ALL_EDITIONS
    presence: Presence | ByEdition[Presence | None] | None = None
    counts: str | None = None
    wrong_count: str | ByEdition[str | None] | None = None
    en: str = ""
    clause: str = ""
    name: str = ""

    @property
    def english(self) -> str:
        """English name for people."""
        suffix = UNIT_SUFFIXES.get(self.unit, "")
        return self.en or self.name.removesuffix(suffix).replace("_", " ")

    def presence_in(self, edition: Edition) -> Presence | None:
        """The condition in one edition."""
        return in_edition(self.presence, edition)

    def possible(self, edition: Edition) -> str:
        """What values can be written, with their unit."""
        return f"{self.kind.possible(edition)} {self.unit}".strip() if self.kind.possible(edition) else ""

    def wrong_count_in(self, edition: Edition) -> str | None:
        """The deviation of a wrong count in one edition."""
        return in_edition(self.wrong_count, edition)

    @property
    def always(self) -> bool:
        """True when every edition has the field unconditionally."""
        return self.presence is None and self.editions == ALL_EDITIONS

    @property
    def optional(self) -> bool:
        """True when the value may be None."""
        return not self.always or (isinstance(self.kind, Number) and self.kind.no_data is not None)


_MISSING = dataclasses.MISSING


def _declare(
    term: str,
    kind: Kind,
    *,
    unit: str = "",
    valid: tuple[float, float] | None = None,
    editions: tuple[Edition, ...] = ALL_EDITIONS,
    present: Presence | ByEdition[Presence | None] | None = None,
    default: Any = _MISSING,
    en: str = "",
    clause: str = "",
    counts: str | None = None,
    wrong: str | ByEdition[str | None] | None = None,
) -> Any:
    spec = FieldSpec(term, kind, unit, valid, editions, present, counts, wrong, en, clause)
    return dataclasses.field(default=default, metadata={"spec": spec})


def _number(
    width: int | ByEdition[int],
    term: str,
    scale: float | None,
    table: Table | Callable[[Any], Table] | None,
    signed: bool,
    no_data: int | None,
    as_hex: bool,
    options: dict[str, Any],
) -> Any:
    kind = Number(width, scale, signed=signed, no_data=no_data, table=table, as_hex=as_hex)
    return _declare(term, kind, **options)


def byte(
    term: str,
    *,
    scale: float | None = None,
    table: Table | Callable[[Any], Table] | None = None,
    signed: bool = False,
    no_data: int | None = None,
    as_hex: bool = False,
    **options: Any,
) -> Any:
    """BYTE; options as FieldSpec."""
    return _number(1, term, scale, table, signed, no_data, as_hex, options)


def word(
    term: str,
    *,
    scale: float | None = None,
    table: Table | Callable[[Any], Table] | None = None,
    signed: bool = False,
    no_data: int | None = None,
    as_hex: bool = False,
    **options: Any,
) -> Any:
    """WORD; options as FieldSpec."""
    return _number(2, term, scale, table, signed, no_data, as_hex, options)


def dword(
    term: str,
    *,
    scale: float | None = None,
    table: Table | Callable[[Any], Table] | None = None,
    signed: bool = False,
    no_data: int | None = None,
    as_hex: bool = False,
    **options: Any,
) -> Any:
    """DWORD; options as FieldSpec."""
    return _number(4, term, scale, table, signed, no_data, as_hex, options)


def qword(
    term: str,
    *,
    table: Table | Callable[[Any], Table] | None = None,
    as_hex: bool = False,
    **options: Any,
) -> Any:
    """64 bits; options as FieldSpec."""
    return _number(8, term, None, table, False, None, as_hex, options)


def of_kind(term: str, kind: Kind, **options: Any) -> Any:
    """A field of a kind that has no word of its own, because one message only has it."""
    return _declare(term, kind, **options)


def count_of(
    items: str,
    width: int | ByEdition[int],
    term: str,
    *,
    wrong: str | ByEdition[str | None] | None = None,
    **options: Any,
) -> Any:
    """The number of elements of a list that follows.

    Left out when a message is made, it becomes the length of the list. A received count that is wrong
    is kept, and noted as `wrong`.
    """
    return _declare(term, Number(width), counts=items, wrong=wrong, **options)


def dword_latitude(term: str, **options: Any) -> Any:
    """DWORD of 1e-6 degrees, south negative by status bit 2 of the report."""
    return _declare(term, Coordinate(2, 90), unit="°", **options)


def dword_longitude(term: str, **options: Any) -> Any:
    """DWORD of 1e-6 degrees, west negative by status bit 3 of the report."""
    return _declare(term, Coordinate(3, 180), unit="°", **options)


def word_temperature(term: str, **options: Any) -> Any:
    """WORD temperature whose top bit is the sign."""
    return _declare(term, SignMagnitude(), unit="°C", **options)


def chars(
    term: str,
    width: int | ByEdition[int],
    *,
    pad: Pad | ByEdition[Pad] = Pad.NUL_RIGHT,
    short: str | None = None,
    **options: Any,
) -> Any:
    """Text in a field of fixed width."""
    return _declare(term, Text(width, pad, short=short), **options)


def string(term: str, *, prefix: int | ByEdition[int] = 0, plate: bool = False, **options: Any) -> Any:
    """Text after a length of `prefix` bytes, or to the end of the body when 0."""
    return _declare(term, Counted(prefix, Text(None, plate=plate)), **options)


def raw(
    term: str, width: int | ByEdition[int] | None = None, *, prefix: int | ByEdition[int] = 0, **options: Any
) -> Any:
    """Bytes: a fixed number, as many as a length of `prefix` bytes says, or to the end of the body."""
    return _declare(term, Counted(prefix, Raw(width)) if prefix else Raw(width), **options)


def bcd(term: str, width: int, **options: Any) -> Any:
    """BCD[width] digits as text."""
    return _declare(term, Bcd(width), **options)


def bcd_time(term: str, *, utc: bool = False, **options: Any) -> Any:
    """BCD[6] time, GMT+8 unless declared UTC."""
    return _declare(term, Time(utc=utc), **options)


def bcd_date(term: str, **options: Any) -> Any:
    """BCD[4] date YYYYMMDD."""
    return _declare(term, Date(), **options)


def nested(term: str, cls: "type[Structure]", **options: Any) -> Any:
    """Another structure in this place."""
    return _declare(term, Nested(cls), **options)


def one_of(
    term: str,
    base: "type[Structure]",
    forms: "tuple[type[Structure], ...]",
    choose: "Callable[[bytes, Scope], type[Structure] | None]",
    **options: Any,
) -> Any:
    """One of several forms of a structure, see kinds.OneOf."""
    return _declare(term, OneOf(base, forms, choose), **options)


def repeat(
    term: str,
    element: "Kind | type[Structure]",
    *,
    count: str | int | None = None,
    lenient: bool = False,
    **options: Any,
) -> Any:
    """A list of elements: as many as the field `count` says (or a fixed number), or until the end."""
    kind = element if isinstance(element, Kind) else Nested(element)
    return _declare(term, Repeat(kind, count, lenient=lenient), **options)


def tlv(term: str, item: "type[TlvItem]", **options: Any) -> Any:
    """A list of id, length, value until the end."""
    return _declare(term, Tlv(item), **options)
