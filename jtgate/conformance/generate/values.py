"""Values of the kinds of fields, in a style."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, date, datetime
from enum import StrEnum
from io import BytesIO
from typing import Any, NamedTuple

from jtgate.codecs.coordinates import Coordinate
from jtgate.codecs.declare import Structure
from jtgate.codecs.edition import Edition
from jtgate.codecs.errors import EncodeError
from jtgate.codecs.fields import FieldSpec
from jtgate.codecs.groups import Counted, Nested, OneOf, Repeat, Sized, Tlv
from jtgate.codecs.items import ITEMS, LocationItem
from jtgate.codecs.jt808.parameters import PARAMETER_ROWS, B, D, Parameter, W
from jtgate.codecs.kinds import Bcd, Date, Kind, Number, Raw, SignMagnitude, Text, Time, in_edition
from jtgate.codecs.tables import Bits, Choices
from jtgate.codecs.wire import Run, Scope, parse
from jtgate.conformance.generate import chosen


class WrongChoice(Exception):
    """A value of `chosen` is none of its field."""


class Style(StrEnum):
    """What the values of a sample have in common."""

    TYPICAL = "typical"
    MINIMUM = "minimum"
    MAXIMUM = "maximum"
    ESCAPED = "escaped"


#: Bytes that have to be escaped, as often as a field has room.
ESCAPES = bytes.fromhex("7d7e7e7d7d7e7d7e")
#: The same as text.
ESCAPE_TEXT = "}~~}"
#: Bytes of a text or of raw bytes that may have any length, before it is made longer to fill a body.
SMALL_BYTES = 8
#: Bytes of the types of parameters that are numbers.
INTEGER_BYTES = {D: 4, W: 2, B: 1}
#: Elements of a typical list.
TYPICAL_ELEMENTS = 2

_LAST_TIME = datetime(2099, 12, 31, 15, 59, 59, tzinfo=UTC)
_FIRST_TIME = datetime(1999, 12, 31, 16, 0, 0, tzinfo=UTC)  # 2000-01-01 in GMT+8

#: Typical numbers of fields that nobody chose a value for, by unit.
_BY_UNIT = {
    "km/h": 60,
    "km": 12345.6,
    "m": 35,
    "L": 45.5,
    "°": 90,
    "s": 30,
    "min": 10,
    "%": 80,
    "°C": 25,
    "kPa": 830,
    "ms": 500,
    "100 ms": 18,
}


class Place(NamedTuple):
    """Where a value is wanted.

    Args:
        edition: whose layout applies.
        style: of the values.
        owner: class of the structure with the field.
        spec: the field.
        position: of the element of a list around it.
    """

    edition: Edition
    style: Style
    owner: type[Structure]
    spec: FieldSpec
    position: int = 0


def candidates(kind: Kind, place: Place) -> Iterator[Any]:
    """Values of a kind for a place, the best first; none when the style has nothing for it."""
    if place.style is Style.TYPICAL:
        given = chosen.value_of(place.owner, place.spec.name, place.position, place.edition)
        if given is None:
            if isinstance(kind, Number) and kind.no_data is not None:
                yield None
            return
        if given is not chosen.NOTHING and not isinstance(kind, Repeat | Nested | OneOf | Tlv | Sized):
            try:
                value = kind.from_json(given)
                if isinstance(kind, Number) and not _fits(kind, value, place.edition):
                    raise ValueError(f"{value} does not fit")
                yield value
            except ValueError as error:
                raise WrongChoice(f"{place.owner.__name__}.{place.spec.name}: {error}") from error
            return
    match kind:
        case Counted():
            yield from candidates(kind.inner, place)
        case Number():
            yield from _numbers(kind, place)
        case Coordinate():
            yield from _coordinates(kind, place.style)
        case SignMagnitude():
            yield {Style.TYPICAL: -5, Style.MINIMUM: 0, Style.MAXIMUM: 32767, Style.ESCAPED: 0x7D7E}[place.style]
        case Text():
            yield from _texts(kind, place)
        case Raw():
            yield _raw(kind, place)
        case Bcd():
            if place.style is not Style.ESCAPED:
                digit = {Style.TYPICAL: "1234567890", Style.MINIMUM: "0", Style.MAXIMUM: "9"}[place.style]
                yield (digit * (2 * kind.width))[: 2 * kind.width]
        case Time() | Date():
            yield from _times(kind, place.style)
        case _:
            yield from _groups(kind, place)


def _fits(kind: Number, value: float, edition: Edition) -> bool:
    low, high = kind.limits(edition)
    return low <= value <= high


def _numbers(kind: Number, place: Place) -> Iterator[Any]:
    low, high = kind.limits(place.edition)
    valid = place.spec.valid
    match place.style:
        case Style.TYPICAL:
            yield _typical_number(kind, place)
        case Style.MINIMUM:
            yield valid[0] if valid else max(low, 0)
            yield low
        case Style.MAXIMUM:
            yield valid[1] if valid else high
        case Style.ESCAPED:
            raw = int.from_bytes(ESCAPES[: in_edition(kind.width, place.edition)])
            value = raw if kind.per is None else raw / kind.per
            if valid is None or valid[0] <= value <= valid[1]:
                yield value


def _typical_number(kind: Number, place: Place) -> Any:
    table = kind.table
    if isinstance(table, Choices):
        codes = [row.code for row in table.rows if place.edition in row.editions]
        return codes[min(1, len(codes) - 1)]
    if isinstance(table, Bits):
        return 1 << next(row.no for row in table.rows if place.edition in row.editions)
    if kind.as_hex:
        return 0x0200
    value = _BY_UNIT.get(place.spec.unit, 1 + place.position)
    valid = place.spec.valid
    if valid is not None and not valid[0] <= value <= valid[1]:
        value = (valid[0] + valid[1]) // 2
    return float(value) if kind.per is not None else int(value)


def _coordinates(kind: Coordinate, style: Style) -> Iterator[float]:
    match style:
        case Style.TYPICAL:
            yield 39.908722 if kind.limit_deg == 90 else 116.397496
        case Style.MINIMUM:
            yield 0.0
        case Style.MAXIMUM:
            yield float(-kind.limit_deg)
            yield float(kind.limit_deg)
        case Style.ESCAPED:
            raw = 0x017D7E7D if kind.limit_deg == 90 else 0x067D7E7D
            yield -raw / Coordinate.PER_DEGREE
            yield raw / Coordinate.PER_DEGREE


def _texts(kind: Text, place: Place) -> Iterator[str]:
    width = SMALL_BYTES if kind.width is None else in_edition(kind.width, place.edition)
    match place.style:
        case Style.TYPICAL:
            yield "TEXT"[:width]
        case Style.MINIMUM:
            yield ""
        case Style.MAXIMUM:
            yield "Z" * width
        case Style.ESCAPED:
            yield ESCAPE_TEXT[:width]
            yield f"A{ESCAPE_TEXT}"[:width]


def _raw(kind: Raw, place: Place) -> bytes:
    width = None if kind.width is None else in_edition(kind.width, place.edition)
    match place.style:
        case Style.TYPICAL:
            return bytes(range(1, 1 + (SMALL_BYTES if width is None else width)))
        case Style.MINIMUM:
            return bytes(width or 0)
        case Style.MAXIMUM:
            return b"\xff" * (SMALL_BYTES if width is None else width)
        case Style.ESCAPED:
            return (ESCAPES * 8)[: SMALL_BYTES if width is None else width]


def _times(kind: Time | Date, style: Style) -> Iterator[Any]:
    if isinstance(kind, Date):
        days = {Style.TYPICAL: date(2030, 6, 30), Style.MINIMUM: date(1900, 1, 1), Style.MAXIMUM: date(9999, 12, 31)}
        if style in days:
            yield days[style]
        return
    if style is Style.TYPICAL:
        yield datetime(2026, 11, 23, 2, 20, 30, tzinfo=UTC)
    elif style is Style.MINIMUM:
        yield _FIRST_TIME
        yield _FIRST_TIME + kind.ahead
    elif style is Style.MAXIMUM:
        yield _LAST_TIME
        yield _LAST_TIME + kind.ahead


def _groups(kind: Kind, place: Place) -> Iterator[Any]:
    """Values of the kinds that are made of others; of kinds that are not known here, what plain bytes mean."""
    match kind:
        case Nested() | Sized():
            yield from _made((kind.cls,), place)
        case OneOf():
            yield from _made(kind.forms[::-1] if place.style is Style.MAXIMUM else kind.forms, place)
        case Tlv():
            yield tuple(_items(kind, place))
        case Repeat():
            count = _count(kind, place.style)
            yield tuple(elements(kind, place, count))
            if isinstance(kind.element, OneOf):
                for form in kind.element.forms[1:]:
                    yield tuple(structure(form, place._replace(position=at)) for at in range(count))
            if count > 1 and not isinstance(kind.counted_by, int):  # where so many are too long for a frame
                yield tuple(elements(kind, place, 1))
        case _:
            yield from _from_bytes(kind, place)


def _made(forms: Iterable[type[Structure]], place: Place) -> Iterator[Structure]:
    """A structure of each form that can have values of the style."""
    for form in forms:
        with suppress(EncodeError):
            yield structure(form, place)


def _count(kind: Repeat, style: Style) -> int:
    if isinstance(kind.counted_by, int):
        return kind.counted_by
    return {Style.TYPICAL: TYPICAL_ELEMENTS, Style.MINIMUM: 0, Style.MAXIMUM: 1, Style.ESCAPED: 1}[style]


def elements(kind: Repeat, place: Place, count: int) -> Iterator[Any]:
    """So many elements of a list."""
    for index in range(count):
        found = next(candidates(kind.element, place._replace(position=index)), chosen.NOTHING)
        if found is chosen.NOTHING:  # the style has nothing for it
            found = next(candidates(kind.element, place._replace(position=index, style=Style.TYPICAL)))
        yield found


def _items(kind: Tlv, place: Place) -> Iterator[Any]:
    """Items with ids: those that were chosen, none, all there are, or such that have to be escaped."""
    if kind.item is Parameter:
        yield from _parameters(place.style)
    elif kind.item is LocationItem:
        yield from _location_items(place)


def _parameters(style: Style) -> Iterator[Parameter]:
    if style is Style.TYPICAL:
        for parameter_id, value in chosen.PARAMETERS:
            yield Parameter.of(parameter_id, value)
    elif style is Style.ESCAPED:
        yield Parameter.of(0x0001, ESCAPES[:4])
        yield Parameter.of(0x0013, ESCAPE_TEXT)
    elif style is Style.MAXIMUM:
        for row in PARAMETER_ROWS:
            if row.type in INTEGER_BYTES:
                yield Parameter.of(row.id, (1 << 8 * INTEGER_BYTES[row.type]) - 1)


def _location_items(place: Place) -> Iterator[LocationItem]:
    if place.style is Style.TYPICAL:
        for item_id, value in chosen.ITEMS:
            yield LocationItem.of(LocationItem.of_value(item_id, None, value).value)
    elif place.style is Style.ESCAPED:
        for item_id, size in ((0x01, 4), (0x7D, 2), (0x7E, 8), (0x2B, 4)):
            yield LocationItem.read(item_id, ESCAPES[:size], 0, Scope(Run(place.edition), {}))
    elif place.style is Style.MAXIMUM:
        for forms in ITEMS.values():
            # A coordinate in an item goes by the hemisphere bits of the report around it; see the vectors of items.
            plain = [form for form in forms if not form.dialects and not _is_special(form.cls)]
            for form in plain[:1]:
                yield LocationItem.of(structure(form.cls, place))


def _is_special(cls: type[Structure]) -> bool:
    return any(isinstance(spec.kind, Coordinate | Tlv) for spec in cls.SPECS)


def _from_bytes(kind: Kind, place: Place) -> Iterator[Any]:
    width = kind.min_bytes(place.edition) or SMALL_BYTES
    pattern = {
        Style.TYPICAL: b"\x31" * width,
        Style.MINIMUM: bytes(kind.min_bytes(place.edition)),
        Style.MAXIMUM: b"\xff" * width,
        Style.ESCAPED: (ESCAPES * 8)[:width],
    }[place.style]
    run = Run(place.edition)
    try:
        value = parse(kind.con(place.edition), BytesIO(pattern), Scope(run, {}))
    except Exception:  # noqa: BLE001  a kind of somebody else; it has no value in this style then
        return
    if not run.deviations and value is not None:
        yield value


def structure(cls: type[Structure], around: Place) -> Structure:
    """A structure with the first candidate of every field; fields that may be missing are there in typical ones."""
    values: dict[str, Any] = {}
    for spec in cls.LAYOUTS[around.edition]:
        if spec.counts is None:
            place = Place(around.edition, around.style, cls, spec, around.position)
            values[spec.name] = field_value(place, values)
    return assemble(cls, around.edition, values)


def field_value(place: Place, before: dict[str, Any]) -> Any:
    """The first candidate for a field, None where it is not on the wire.

    Args:
        place: of the field.
        before: the fields before it, by name.
    """
    if not chosen.is_there(place.spec, place.edition, before, optional=place.style is not Style.MINIMUM):
        return None
    found = next(candidates(place.spec.kind, place), None)
    if found is None and place.style is not Style.TYPICAL:
        found = next(candidates(place.spec.kind, place._replace(style=Style.TYPICAL)), None)
    return found


def assemble(cls: type[Structure], edition: Edition, values: dict[str, Any]) -> Structure:
    """A structure from its fields, with the counts that go with the lists.

    Raises:
        EncodeError: a field that has to be there is None.
    """
    fields = dict(values)
    for spec in cls.LAYOUTS[edition]:
        if spec.counts is not None and chosen.is_there(spec, edition, fields, optional=False):
            fields[spec.name] = len(fields.get(spec.counts) or ())
    for spec in cls.LAYOUTS[edition]:
        if fields.get(spec.name) is None and isinstance(spec.kind, Repeat | Tlv) and not spec.optional:
            fields[spec.name] = ()
    try:
        return cls(**fields)
    except TypeError as error:
        raise EncodeError(str(error)) from error
