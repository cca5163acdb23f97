"""An example of every message, made from its declaration: typical values, round-tripped before it is shown.

A field gets what its name or unit suggests, else the first code of its table, else a small number. Where fields
depend on each other in ways a declaration does not say, `SEEDS` gives them.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime
from io import BytesIO
from typing import Any, Final

from jtgate.codecs.coordinates import Coordinate
from jtgate.codecs.edition import Edition
from jtgate.codecs.errors import BodyError, EncodeError
from jtgate.codecs.fields import FieldSpec
from jtgate.codecs.groups import FORM, Counted, Nested, OneOf, Repeat, Sized, Tlv
from jtgate.codecs.items import LocationItem
from jtgate.codecs.jt808.parameters import Parameter
from jtgate.codecs.kinds import Bcd, Date, Kind, Number, Raw, SignMagnitude, Text, Time, in_edition
from jtgate.codecs.registry import body_edition
from jtgate.codecs.structures import Message, Structure, TlvItem
from jtgate.codecs.tables import Bits, Choices
from jtgate.codecs.wire import Run, Scope, build, parse

#: 2026-11-23 10:20:30 in GMT+8.
_MOMENT: Final = datetime(2026, 11, 23, 2, 20, 30, tzinfo=UTC)

_TIME: Final = "2026-11-23T10:20:30+08:00"

#: Values by field name; one that does not fit its field is passed over.
NAMED: Final[Mapping[str, Any]] = {
    "alarm_flags": 0b10,
    "status": 0b11,
    "latitude": 41.115712,
    "longitude": 122.06744,
    "altitude_m": 5,
    "speed_kmh": 60,
    "heading_deg": 90,
    "province": 21,
    "city": 1102,
    "plate": "辽C12345",
    "answer_serial": 7,
    "answer_id": 0x0200,
    "phone": "13800138000",
    "driver_name": "张三",
    "id_number": "210102199003071234",
    "certificate": "2101020012345678",
    "issuer": "沈阳市交通运输局",
    "auth_code": "AUTH2026",
    "manufacturer": "70111",
    "model": "JT-100",
    "terminal_id": "T000001",
    "software_version": "V1.0",
    "imei": "860000000000001",
    "text": "前方限速60",
    "server": "203.0.113.7",
    "host": "203.0.113.7",
    "ip": "203.0.113.7",
    "tcp_port": 6808,
    "udp_port": 6808,
    "url": "203.0.113.7/upgrade.bin",
    "user": "user",
    "password": "secret",
    "file_name": "00_64_6401_01_T0000012611231020300101.jpg",
}

#: Values by unit of the field.
_BY_UNIT: Final[Mapping[str, float]] = {
    "km/h": 60,
    "km": 6605.1,
    "m": 500,
    "L": 40.5,
    "°": 90,
    "s": 30,
    "min": 10,
    "%": 80,
    "°C": 25,
    "kPa": 850,
    "ms": 500,
}

#: Items of lists of id, length, value, as JSON.
ITEMS_SHOWN: Final[dict[type[TlvItem], list[dict[str, object]]]] = {
    LocationItem: [
        {"id": "0x01", "value": {"mileage_km": 6605.1}},
        {"id": "0x30", "value": {"signal_strength": 31}},
        {"id": "0x31", "value": {"satellites": 12}},
    ],
    Parameter: [{"id": "0x0001", "value": 60}, {"id": "0x0013", "value": "203.0.113.7"}],
}

#: Fields of structures, by name of the class, that the rules above cannot find; JSON.
SEEDS: Final[dict[str, dict[str, object]]] = {
    "MediaUpload": {"data": "ffd8ffe000104a464946"},
    "UplinkTransparent": {"total_length": 4, "package_length": 4, "data": "01020304"},
    "DownlinkTransparent": {"total_length": 4, "package_length": 4, "data": "01020304"},
    "TerminalControl": {
        "command": 2,
        "connection": {
            "connect_control": 0,
            "auth_code": "AUTH2026",
            "apn": "",
            "dial_user": "",
            "dial_password": "",
            "address": "203.0.113.7",
            "tcp_port": 6808,
            "udp_port": 6808,
            "time_limit_min": 0,
        },
    },
    # a heartbeat inside
    "CompressedData": {"data": "1f8b0800000000000003ab6360626060b460106e6060e058500700605ea4790f000000"},
    "RecorderCollect": {"command": "0x00", "packet": {"command": "0x00"}},
    "RecorderUpload": {
        "command": "0x00",
        "total_length": 9,
        "package_length": 9,
        "packet": {"command": "0x00", "block": {"form": "standard_version", "year": "21", "amendment": 0}},
    },
    "RecorderSet": {
        "command": "0xc3",
        "packet": {
            "command": "0xc3",
            "block": {"form": "pulse_coefficient", "time": "2026-11-23T10:20:30+08:00", "coefficient": 600},
        },
    },
}

#: Codes of each table that are tried.
_FIRST_CODES: Final = 3
_TEXT: Final = "TEST"
_DIGITS: Final = "1234567890"
_REST: Final = b"\x01\x02\x03\x04"


def example(cls: type[Structure], edition: Edition) -> Structure:
    """A structure with typical values that is read back as it was written.

    Args:
        cls: a message, an item or a group.
        edition: whose layout it is to have.

    Raises:
        LookupError: none was found; give its fields in SEEDS.
    """
    for maker in _makers(edition):
        try:
            made = maker.structure(cls, {})
            body = made.encode(edition)
            deviations: list[str] = []
            read = cls.decode(body, edition, deviations)
            if not deviations and read.encode(edition) == body and _is_told(read, body, edition):
                return read
        except (BodyError, ValueError):
            continue
    raise LookupError(f"no example of {cls.__name__} in edition {edition}; give its fields in examples.SEEDS")


def _is_told(made: Structure, body: bytes, edition: Edition) -> bool:
    """Whether a receiver finds the edition of a body, as far as bodies differ between editions."""
    if not isinstance(made, Message):
        return True
    told = body_edition(made.INFO.msg_id, body, edition)
    return told is edition or type(made).decode(body, told) == made


def as_given(made: Structure) -> dict[str, Any]:
    """A structure as JSON the way one would write it by hand: without counts, nulls, and the bytes of known items."""
    return {
        spec.name: _given(spec.kind, value)
        for spec in made.SPECS
        if spec.counts is None and (value := getattr(made, spec.name)) is not None
    }


def _given(kind: Kind, value: Any) -> Any:
    shown = kind.json(value)
    if isinstance(kind, Repeat):
        return [_given(kind.element, one) for one in value]
    if isinstance(kind, Tlv) and isinstance(shown, list):
        return [_item_given(item, one) for item, one in zip(value, shown, strict=True)]
    if isinstance(value, Structure) and isinstance(shown, Mapping):
        form = {FORM: shown[FORM]} if FORM in shown else {}
        return {**form, **as_given(value)}
    return shown


def _item_given(item: TlvItem, shown: Mapping[str, Any]) -> dict[str, Any]:
    if shown.get("value") is None:
        return {"id": shown["id"], "raw": shown["raw"]}
    value = as_given(item.value) if isinstance(item.value, Structure) else shown["value"]
    return {"id": shown["id"], "name": shown["name"], "value": value}


def _makers(edition: Edition) -> Iterator["_Maker"]:
    """From the fullest to the barest; when none fits, the same with the next codes of all tables."""
    for first_code in range(_FIRST_CODES):
        for with_optional in (True, False):
            for length in (2, 1, 0):
                yield _Maker(edition, first_code, with_optional=with_optional, length=length)


class _Maker:
    """Makes values of one edition.

    Args:
        edition: whose layouts apply.
        first_code: index of the code taken from each table.
        with_optional: whether parts are there that may be missing.
        length: elements of lists.
    """

    def __init__(self, edition: Edition, first_code: int, *, with_optional: bool, length: int) -> None:
        self.edition = edition
        self.first_code = first_code
        self.with_optional = with_optional
        self.length = length

    def structure(self, cls: type[Structure], around: Mapping[str, Any]) -> Structure:
        """Field by field, in the order of the wire."""
        seeds = SEEDS.get(cls.__name__, {})
        fields: dict[str, Any] = {}
        scope = Scope(Run(self.edition), fields, Scope(Run(self.edition), dict(around)))
        layout = cls.LAYOUTS[self.edition]
        for spec in layout:
            if spec.counts is not None:
                fields[spec.name] = None
                continue
            value = self.seed(spec, seeds[spec.name]) if spec.name in seeds else self.field(spec, fields)
            presence = spec.presence_in(self.edition)
            if presence is not None and not (presence.writing(scope, value) and self.wants(spec, scope)):
                value = None
            fields[spec.name] = value
        for spec in layout:
            counted = fields.get(spec.counts) if spec.counts is not None else None
            if counted is not None:
                fields[spec.name] = len(counted)
        return cls(**{name: value for name, value in fields.items() if value is not None})

    def seed(self, spec: FieldSpec, value: object) -> Any:
        """A given value; null leaves the field out."""
        return None if value is None else spec.kind.from_json(value)

    def wants(self, spec: FieldSpec, scope: Scope) -> bool:
        """Whether a field is made that may be there: what must be, and with `with_optional` the rest."""
        presence = spec.presence_in(self.edition)
        return self.with_optional or (presence is not None and presence.writing(scope, None))

    def field(self, spec: FieldSpec, fields: Mapping[str, Any]) -> Any:
        """By name, by unit, by kind: the first that can be written."""
        kind = spec.kind.inner if isinstance(spec.kind, Counted) else spec.kind
        if spec.name in NAMED and self.fits(kind, NAMED[spec.name]):
            return float(NAMED[spec.name]) if isinstance(kind, Number) and kind.per else NAMED[spec.name]
        if isinstance(kind, Number):
            wanted = [_BY_UNIT[spec.unit]] if kind.table is None and spec.unit in _BY_UNIT else []
            for number in (*wanted, *([1] if spec.valid is not None or wanted else ())):
                value = self.number(kind, number, spec.valid)
                if self.can_write(kind, value):
                    return value
            value = self.value(kind, fields)
            return value if self.can_write(kind, value) else self.of_one_family(kind, fields)
        return self.value(spec.kind, fields)

    def can_write(self, kind: Number, value: object) -> bool:
        """Whether a number, which may be one of a family with rules of its own, takes a value."""
        with suppress(Exception):  # whatever a construct raises
            build(kind.con(self.edition), value, BytesIO(), Scope(Run(self.edition), {}))
            return True
        return False

    def fits(self, kind: Kind, value: object) -> bool:
        """Whether a kind can write a value in this edition."""
        text = isinstance(kind, Text | Bcd)
        if text != isinstance(value, str) or not isinstance(kind, Text | Bcd | Number | Coordinate):
            return False
        if isinstance(kind, Bcd) and len(str(value)) != 2 * kind.width:
            return False
        if isinstance(kind, Number) and isinstance(value, int | float):
            if isinstance(kind.table, Choices) and all(row.code != value for row in kind.table):
                return False
            low, high = kind.limits(self.edition)
            return low <= value <= high and (kind.per is not None or value == int(value))
        width = in_edition(kind.width, self.edition) if isinstance(kind, Text) and kind.width is not None else None
        return width is None or len(str(value).encode("gb18030")) <= width

    def number(self, kind: Number, wanted: float, valid: tuple[float, float] | None) -> int | float:
        """The nearest to a wanted number that the field can hold and the standard allows."""
        low, high = kind.limits(self.edition)
        if valid is not None:
            low, high = max(low, valid[0]), min(high, valid[1])
        value = min(max(wanted, low), high)
        return int(value) if kind.per is None else round(value * kind.per) / kind.per

    def value(self, kind: Kind, fields: Mapping[str, Any], index: int = 0) -> Any:
        """By kind; `index` makes the elements of a list differ."""
        if isinstance(kind, Number):
            return self.code(kind, index)
        if isinstance(kind, Coordinate):
            return round((41.115712 if kind.limit_deg == 90 else 122.06744) + index / 100, 6)
        if isinstance(kind, SignMagnitude):
            return 25
        if isinstance(kind, Text):
            width = None if kind.width is None else in_edition(kind.width, self.edition)
            return _TEXT if width is None else _TEXT[:width]
        if isinstance(kind, Raw):
            width = None if kind.width is None else in_edition(kind.width, self.edition)
            return _REST if width is None else bytes(width)
        if isinstance(kind, Bcd):
            return (_DIGITS * kind.width)[: 2 * kind.width]
        if isinstance(kind, Time):
            return _MOMENT
        if isinstance(kind, Date):
            return date(2030, 12, 31)
        return self.group(kind, fields, index)

    def code(self, kind: Number, index: int) -> int | float:
        """The first code of the table, its lowest bit, or a small number."""
        table = kind.table
        if isinstance(table, Choices):
            codes = [row.code for row in table if self.edition in row.editions] or [0]
            return codes[(self.first_code + index) % len(codes)]
        if isinstance(table, Bits):
            rows = [row for row in table if self.edition in row.editions and row.width == 1]
            return 1 << rows[0].no if rows else 0
        return self.number(kind, index + 1, None)

    def group(self, kind: Kind, fields: Mapping[str, Any], index: int) -> Any:
        """Kinds that are made of others; a kind of one family is read from zero bytes."""
        if isinstance(kind, Counted):
            return self.value(kind.inner, fields, index)
        if isinstance(kind, Nested | Sized):
            return self.structure(kind.cls, fields)
        if isinstance(kind, OneOf):
            return self.structure(kind.forms[0], fields)
        if isinstance(kind, Repeat):
            length = kind.counted_by if isinstance(kind.counted_by, int) else self.length
            return tuple(self.value(kind.element, fields, index) for index in range(length))
        if isinstance(kind, Tlv):
            return tuple(kind.item.from_json(item) for item in ITEMS_SHOWN.get(kind.item, ())[: self.length + 1])
        return self.of_one_family(kind, fields)

    def of_one_family(self, kind: Kind, fields: Mapping[str, Any]) -> Any:
        """A kind that is not known here: what zero bytes are, else the first plain value that it takes."""
        with suppress(Exception):  # whatever a construct raises
            stream = BytesIO(bytes(kind.min_bytes(self.edition)))
            return parse(kind.con(self.edition), stream, Scope(Run(self.edition), dict(fields)))
        for value in (1, _TEXT, _DIGITS):
            with suppress(ValueError):
                return kind.from_json(value)
        raise EncodeError(f"no example of {type(kind).__name__}")
