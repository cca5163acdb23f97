"""Hypothesis strategies made from declarations: every message, item and group in every edition."""

import importlib
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from jtgate.codecs.coordinates import Coordinate
from jtgate.codecs.declare import Structure, TlvItem
from jtgate.codecs.edition import Edition
from jtgate.codecs.groups import Counted, Nested, OneOf, Repeat, Sized, Tlv
from jtgate.codecs.items import ITEMS, LocationItem
from jtgate.codecs.jsatl12.items import ALARM_NUMBERS, TpmsAlarm, TyreAlarm, WideTyreAlarm
from jtgate.codecs.jt808 import LocationBase, LocationReport, MediaUpload, Parameter, UndecodedReport
from jtgate.codecs.jt808.additional import CustomArea
from jtgate.codecs.jt808.parameters import PARAMETERS
from jtgate.codecs.kinds import Bcd, Date, Kind, Number, Raw, SignMagnitude, Text, Time, in_edition
from jtgate.codecs.presence import ByField, WhenPresent
from jtgate.codecs.timebase import RawTime

REST_BYTES_MAX = 40

_ALPHABET = "京沪粤苏测试驾驶员王李张危险品货运ABCXYZ abc019-_.:;#"
_NOT_A_TIME = RawTime(bytes(6))


def texts(bytes_max: int) -> SearchStrategy[str]:
    """Text that fits a field and does not begin or end like padding."""
    return (
        st.text(_ALPHABET, max_size=bytes_max)
        .map(str.strip)
        .filter(lambda text: len(text.encode("gb18030")) <= bytes_max)
    )


def numbers(kind: Number, edition: Edition) -> SearchStrategy[Any]:
    """Every integer of the width, as the value it stands for."""
    bits = 8 * in_edition(kind.width, edition)
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if kind.signed else (0, (1 << bits) - 1)
    steps = st.integers(low, high)
    if kind.no_data is not None:
        return st.none() | steps.filter(lambda raw: raw != kind.no_data)
    per = kind.per
    return steps if per is None else steps.map(lambda raw: raw / per)


def values(kind: Kind, edition: Edition) -> SearchStrategy[Any]:
    """Every value a kind can carry."""
    if type(kind) in KINDS:
        return KINDS[type(kind)](kind, edition)
    if isinstance(kind, Number):
        return numbers(kind, edition)
    if isinstance(kind, Coordinate):
        return st.integers(-kind.limit_deg * 1_000_000, kind.limit_deg * 1_000_000).map(lambda raw: raw / 1_000_000)
    if isinstance(kind, SignMagnitude):
        return st.integers(-30767, 32767)
    if isinstance(kind, Text):
        return texts(REST_BYTES_MAX if kind.width is None else in_edition(kind.width, edition))
    if isinstance(kind, Raw):
        if kind.width is None:
            return st.binary(max_size=REST_BYTES_MAX)
        width = in_edition(kind.width, edition)
        return st.binary(min_size=width, max_size=width)
    if isinstance(kind, Bcd):
        return st.binary(min_size=kind.width, max_size=kind.width).map(lambda raw: raw.hex().upper())
    if isinstance(kind, Time):
        moments = st.datetimes(datetime(2001, 1, 1), datetime(2098, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
        return st.just(_NOT_A_TIME) | moments.map(lambda moment: moment.replace(microsecond=0))
    if isinstance(kind, Date):
        return st.just(RawTime(bytes(4))) | st.dates(date(1900, 1, 1), date(2999, 12, 31))
    return groups(kind, edition)


def groups(kind: Kind, edition: Edition) -> SearchStrategy[Any]:
    """Values of the kinds that are made of others."""
    if isinstance(kind, Counted):
        return values(kind.inner, edition)
    if isinstance(kind, Nested):
        return structures(kind.cls, edition)
    if isinstance(kind, OneOf):
        return st.one_of([structures(form, edition) for form in kind.forms])
    if isinstance(kind, Sized):
        return structures(kind.cls, edition) | structures(kind.fallback, edition)
    if isinstance(kind, Tlv):
        return st.lists(tlv_items(kind.item), max_size=4).map(tuple)
    if isinstance(kind, Repeat):
        low, high = (kind.counted_by,) * 2 if isinstance(kind.counted_by, int) else (0, 4)
        return st.lists(values(kind.element, edition), min_size=low, max_size=high).map(tuple)
    return KINDS[type(kind)](kind, edition)


def tlv_items(item: type[TlvItem]) -> SearchStrategy[TlvItem]:
    """Known items, items of known ids with any bytes, and unknown items."""
    if item is Parameter:
        ids = st.sampled_from(sorted(PARAMETERS)) | st.integers(0, 0xFFFF)
        return st.builds(Parameter, ids, st.binary(max_size=30))
    forms = [form.cls for forms in ITEMS.values() for form in forms if form.fits is None and not form.dialects]
    known = st.sampled_from(forms).flatmap(lambda form: structures(form, Edition.V2013))
    anything = st.builds(LocationItem, st.integers(0, 255), st.binary(max_size=40))
    return known.map(LocationItem.of) | anything


def structures(cls: type[Structure], edition: Edition) -> SearchStrategy[Any]:
    """Every value of a structure that can be written in an edition."""
    return SPECIAL.get(cls, declared)(cls, edition)


@st.composite
def declared(draw: st.DrawFn, cls: type[Structure], edition: Edition) -> Structure:
    """A structure as its declaration says, field by field."""
    fields: dict[str, Any] = {}
    missing = False
    counts = {spec.counts: spec.presence_in(edition) for spec in cls.LAYOUTS[edition] if spec.counts is not None}
    for spec in cls.LAYOUTS[edition]:
        if spec.counts is not None:
            continue
        presence = spec.presence_in(edition)
        count = counts.get(spec.name)
        if isinstance(count, ByField) and not count.wanted(fields[count.field]):
            fields[spec.name] = ()  # as there should be no count, there should be no list
        elif "bytes are left" in str(presence):
            missing = missing or draw(st.booleans())
            fields[spec.name] = None if missing else draw(values(spec.kind, edition))
        elif isinstance(presence, ByField):
            there = presence.wanted(fields[presence.field])
            fields[spec.name] = draw(values(spec.kind, edition)) if there else None
        elif isinstance(presence, WhenPresent):
            there = fields[presence.field] is not None
            fields[spec.name] = draw(values(spec.kind, edition)) if there else None
        else:
            fields[spec.name] = draw(values(spec.kind, edition))
    for spec in cls.LAYOUTS[edition]:
        presence = spec.presence_in(edition)
        there = presence.wanted(fields[presence.field]) if isinstance(presence, ByField) else presence is None
        if spec.counts is not None and not spec.always and there:
            fields[spec.name] = len(fields[spec.counts])
    return cls(**fields)


@st.composite
def _location(draw: st.DrawFn, cls: type[Structure], edition: Edition) -> Structure:
    fields: dict[str, Any] = {
        spec.name: 0.0 if isinstance(spec.kind, Coordinate) else draw(values(spec.kind, edition)) for spec in cls.SPECS
    }
    for spec in cls.SPECS:
        if isinstance(spec.kind, Coordinate):
            angle = abs(draw(values(spec.kind, edition)))
            negative = fields["status"] >> spec.kind.hemisphere_bit & 1
            fields[spec.name] = -angle if negative and angle else angle
    return cls(**fields)


@st.composite
def _media(draw: st.DrawFn, cls: type[Structure], edition: Edition) -> Structure:
    """Without a location the data has to begin with the magic number of its format, or to be short."""
    one = draw(declared(cls, edition))
    fields = {spec.name: getattr(one, spec.name) for spec in cls.SPECS}
    if edition is not Edition.V2011 and draw(st.booleans()):
        fields["location"] = None
        fields["data"] = draw(st.just(b"\xff\xd8" + bytes(40)) | st.binary(max_size=27))
    return cls(**fields)


@st.composite
def _custom(draw: st.DrawFn, cls: type[Structure], edition: Edition) -> Structure:
    """Exactly one of the three forms, or nothing."""
    custom = st.builds(LocationItem, st.integers(0xE1, 0xFF), st.binary(max_size=10))
    forms: list[SearchStrategy[dict[str, Any]]] = [
        st.just({}),
        st.integers(0, 255).map(lambda length: {"custom_length": length}),
        st.lists(custom, min_size=1, max_size=3).map(lambda items: {"items": tuple(items)}),
        st.binary(min_size=2, max_size=20).map(lambda data: {"data": b"\x00" + data}),
    ]
    return cls(**draw(st.one_of(forms)))


@st.composite
def _tpms(draw: st.DrawFn, cls: type[Structure], edition: Edition) -> Structure:
    """All tyres of one width; reserved bytes are zero, so that the length decides the form."""
    one = draw(declared(cls, edition))
    fields = {spec.name: getattr(one, spec.name) for spec in cls.SPECS if spec.counts is None}
    form = draw(st.sampled_from(list(ALARM_NUMBERS.values())))
    number = draw(structures(form, edition))
    known = {spec.name: getattr(number, spec.name) for spec in form.SPECS}
    fields["alarm_number"] = form(**{**known, "reserved": bytes(len(number.reserved))})
    tyre = draw(st.sampled_from([TyreAlarm, WideTyreAlarm]))
    fields["tyres"] = tuple(draw(st.lists(declared(tyre, edition), max_size=3)))
    return cls(**fields)


def _undecoded(cls: type[Structure], edition: Edition) -> SearchStrategy[Any]:
    """Too short for a location."""
    return st.builds(cls, data=st.binary(max_size=27))


#: Kinds that one family of messages has to itself.
KINDS: dict[type[Kind], Callable[[Any, Edition], SearchStrategy[Any]]] = {}

#: Structures whose fields depend on each other in ways the declaration does not say.
SPECIAL: dict[type[Structure], Callable[[Any, Edition], SearchStrategy[Any]]] = {
    LocationBase: _location,
    LocationReport: _location,
    MediaUpload: _media,
    CustomArea: _custom,
    TpmsAlarm: _tpms,
    UndecodedReport: _undecoded,
}

# Each family adds its own kinds and structures in a file of its own.
for _family in sorted(Path(__file__).parent.glob("strategies_*.py")):
    importlib.import_module(_family.stem)
