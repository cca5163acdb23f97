"""Kinds of fields: what bytes become which Python value, and how a value is shown.

A kind gives the construct of a field for an edition (`con`), the Python types its annotation must
have (`types`), the fewest bytes it takes (`min_bytes`), and the value as text and JSON. `declare`
wraps kinds into field specifiers; a new kind is needed only when the standard has a new one.
"""
# ruff: noqa: ARG002, D102  the methods of a kind are told by Kind; not every kind depends on the edition

from collections.abc import Callable
from datetime import date, datetime, timedelta
from io import BytesIO
from typing import Any, ClassVar, Generic, NamedTuple, Self, TypeVar

import construct

from jtgate.codecs import deviations as dev
from jtgate.codecs import jsonvalues
from jtgate.codecs.edition import Edition
from jtgate.codecs.profile import AUTO, Profile
from jtgate.codecs.tables import Bits, Choices
from jtgate.codecs.text import Pad, TextRule, decode_text, encode_text
from jtgate.codecs.timebase import RawTime, WireTime, decode_bcd_time, encode_bcd_time, iso
from jtgate.codecs.wire import Scope, Wire, convert, integer

T = TypeVar("T")
Table = Choices | Bits

#: Bytes of a binary field that the annotated view shows before it says how many there are.
SHOWN_BYTES = 24


class ByEdition(NamedTuple, Generic[T]):
    """A value that differs between editions, in the order 2011, 2013, 2019."""

    v2011: T
    v2013: T
    v2019: T

    def of(self, edition: Edition) -> T:
        """The value of one edition."""
        if edition is Edition.V2019:
            return self.v2019
        return self.v2013 if edition is Edition.V2013 else self.v2011


def in_edition(value: T | ByEdition[T], edition: Edition) -> T:
    """The value of one edition, of a ByEdition or one that is the same in all."""
    return value.of(edition) if isinstance(value, ByEdition) else value


def _width(width: int | ByEdition[int] | None, edition: Edition) -> int | None:
    return None if width is None else in_edition(width, edition)


class WireFloat(float):
    """A number together with the integer it came from, when that is not the one we would write."""

    __slots__ = ("raw",)
    raw: int

    def __new__(cls, value: float, raw: int) -> Self:
        """Attach the integer to the number."""
        self = super().__new__(cls, value)
        self.raw = raw
        return self

    def __reduce__(self) -> tuple[type["WireFloat"], tuple[float, int]]:
        return WireFloat, (float(self), self.raw)


class Kind:
    """What all kinds have in common."""

    #: True when the field is one row of the annotated view, False when its parts are rows of their own.
    leaf: bool = True

    def con(self, edition: Edition) -> Any:
        """The construct that reads and writes the Python value."""
        raise NotImplementedError

    def types(self) -> frozenset[object]:
        """Members of the annotation, without None."""
        raise NotImplementedError

    def min_bytes(self, edition: Edition) -> int:
        """Fewest bytes on the wire."""
        raise NotImplementedError

    def lead(self, edition: Edition) -> int:
        """Bytes before the value proper that are a row of their own (a length)."""
        return 0

    def open_ended(self, edition: Edition) -> bool:
        """True when the field goes to the end of the body."""
        return False

    def text(self, value: Any) -> str:
        """The value for a person."""
        return str(self.json(value))

    def json(self, value: Any) -> object:
        """The value for JSON."""
        return value

    def from_json(self, value: object) -> Any:
        """The value for encoding, from what `json` gives or a person would type; the inverse of `json`.

        Raises:
            ValueError: it is no value of this kind.
        """
        return value

    def wire_type(self, edition: Edition) -> str:
        """The type as the standard names it, e.g. BYTE, WORD, BCD[6], STRING."""
        return f"BYTE[{self.min_bytes(edition)}]"

    def possible(self, edition: Edition) -> str:
        """What values can be written, in a few words; "" when that goes without saying."""
        return ""

    def meaning(self, value: Any, owner: object, edition: Edition) -> str:
        """What a code or bits mean; `owner` is the structure the field belongs to."""
        return ""

    def meaning_for(self, value: Any, owner: object, edition: Edition, profile: Profile) -> str:
        """As `meaning`, in the words of one kind of terminal."""
        return self.meaning(value, owner, edition)


class Number(Kind):
    """An unsigned or signed integer, optionally scaled to a float.

    Args:
        width: bytes.
        scale: unit per step, e.g. 0.1; None for a plain integer.
        signed: two's complement.
        no_data: the raw integer that stands for "no value" and becomes None.
        table: what codes or bits mean, or a function from the structure to such a table.
        as_hex: an id, shown as 0x…
    """

    def __init__(
        self,
        width: int | ByEdition[int],
        scale: float | None = None,
        *,
        signed: bool = False,
        no_data: int | None = None,
        table: Table | Callable[[Any], Table] | None = None,
        as_hex: bool = False,
    ) -> None:
        self.width = width
        self.per = None if scale is None else round(1 / scale)
        if scale is not None and (not self.per or abs(1 / self.per - scale) > 1e-12):
            raise ValueError(f"scale {scale} is not 1/n")
        self.signed = signed
        self.no_data = no_data
        self.table = table
        self.as_hex = as_hex
        narrowest = min(width) if isinstance(width, ByEdition) else width
        if isinstance(table, Choices | Bits) and table.bits_needed() > narrowest * 8:
            raise ValueError("the table needs more bits than the field has")

    def con(self, edition: Edition) -> Any:
        con = integer(in_edition(self.width, edition), signed=self.signed)
        if self.per is None and self.no_data is None:
            return con
        return convert(con, self._decode, self._encode)

    def _decode(self, raw: int, scope: Scope) -> int | float | None:
        if raw == self.no_data:
            return None
        return raw if self.per is None else raw / self.per

    def _encode(self, value: Any, scope: Scope) -> int:
        if value is None and self.no_data is not None:
            return self.no_data
        raw = int(value) if self.per is None else round(value * self.per)
        if raw == self.no_data:
            raise ValueError("this value stands for no data; give None")
        return raw

    def types(self) -> frozenset[object]:
        return frozenset({int if self.per is None else float})

    def min_bytes(self, edition: Edition) -> int:
        return in_edition(self.width, edition)

    def text(self, value: Any) -> str:
        if value is None:
            return "-"
        digits = 2 * self.min_bytes(Edition.V2019)
        return f"0x{value:0{digits}x}" if self.as_hex or isinstance(self.table, Bits) else str(value)

    def json(self, value: Any) -> object:
        return f"0x{value:0{2 * self.min_bytes(Edition.V2019)}x}" if self.as_hex and value is not None else value

    def from_json(self, value: object, owner: object = None) -> int | float | None:
        """Numbers, also as text; the words of its table. `owner` chooses the table where that depends on it."""
        if value is None and self.no_data is not None:
            return None
        if self.table is None or jsonvalues.is_number(value):
            return jsonvalues.whole(value) if self.per is None else jsonvalues.real(value)
        table = self.table
        if callable(table):
            if owner is None:
                raise ValueError(f"{jsonvalues.shown(value)}: what codes mean depends on other fields; give the number")
            table = table(owner)
        if isinstance(table, Bits):
            words = value.split(";") if isinstance(value, str) else jsonvalues.elements(value)
            return table.value([jsonvalues.text(word).strip() for word in words])
        return table.code(jsonvalues.text(value))

    def wire_type(self, edition: Edition) -> str:
        width = in_edition(self.width, edition)
        name = {1: "BYTE", 2: "WORD", 4: "DWORD"}.get(width, f"BYTE[{width}]")
        return f"{name}, signed" if self.signed else name

    def limits(self, edition: Edition) -> tuple[float, float]:
        """Smallest and largest value, scaled, that the width can hold."""
        bits = 8 * in_edition(self.width, edition)
        low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if self.signed else (0, (1 << bits) - 1)
        if self.no_data == high:
            high -= 1
        return (low, high) if self.per is None else (low / self.per, high / self.per)

    def possible(self, edition: Edition) -> str:
        low, high = self.limits(edition)
        if self.as_hex:
            return f"0x{int(low):x} to 0x{int(high):x}"
        if self.per is None:
            return f"{low} to {high}"
        return f"{_plain(low)} to {_plain(high)} in steps of {1 / self.per:g}"

    def meaning(self, value: Any, owner: object, edition: Edition) -> str:
        if value is None:
            return "无数据 no data"
        table = self.table(owner) if callable(self.table) else self.table
        return table.meaning(value, edition) if table is not None else ""


def _plain(value: float) -> str:
    """A number without a fraction that is zero."""
    return str(int(value)) if value == int(value) else str(value)


class SignMagnitude(Kind):
    """A WORD whose top bit means minus; beyond -2000 it is two's complement (JT/T 808 §13 item 14).

    A profile may name one of the two for all values.
    """

    LIMIT: ClassVar[int] = 2000

    def con(self, edition: Edition) -> Any:
        return convert(integer(2), self._decode, self._encode)

    def _decode(self, raw: int, scope: Scope) -> int:
        magnitude = raw & 0x7FFF
        if raw == magnitude:
            return raw
        return -magnitude if magnitude <= self._limit(scope) else raw - 0x10000

    def _encode(self, value: int, scope: Scope) -> int:
        if value >= 0:
            return value
        return 0x8000 | -value if value >= -self._limit(scope) else value + 0x10000

    def _limit(self, scope: Scope) -> int:
        """Largest magnitude that is written as sign and magnitude."""
        return {"sign_magnitude": 0x7FFF, "twos_complement": -1}.get(scope.run.profile.temperature, self.LIMIT)

    def types(self) -> frozenset[object]:
        return frozenset({int})

    def min_bytes(self, edition: Edition) -> int:
        return 2

    def from_json(self, value: object) -> int:
        return jsonvalues.whole(value)

    def wire_type(self, edition: Edition) -> str:
        return "WORD, top bit is minus"

    def possible(self, edition: Edition) -> str:
        return "-30767 to 32767"


class ShortBytes(Wire):
    """At most `width` bytes: what is there when the stream ends earlier."""

    def __init__(self, width: int, deviation: str) -> None:
        super().__init__()
        self.width = width
        self.deviation = deviation

    def read(self, stream: BytesIO, scope: Scope) -> bytes:
        data = stream.read(self.width)
        if len(data) < self.width:
            scope.run.note(self.deviation)
        return data

    def write(self, value: bytes, stream: BytesIO, scope: Scope) -> None:
        stream.write(value)


class Text(Kind):
    """GBK text: of fixed width, or as long as what is left (`width` None).

    Args:
        width: bytes, None for the rest.
        pad: filling of a fixed field.
        plate: a number plate, see TextRule.
        short: name of the deviation when a fixed field may be cut by the end of the body.
    """

    def __init__(
        self,
        width: int | ByEdition[int] | None,
        pad: Pad | ByEdition[Pad] = Pad.NUL_RIGHT,
        *,
        plate: bool = False,
        short: str | None = None,
    ) -> None:
        self.width = width
        self.pad = pad
        self.plate = plate
        self.short = short

    def con(self, edition: Edition) -> Any:
        width = _width(self.width, edition)
        rule = TextRule(width, in_edition(self.pad, edition), self.plate)

        def decode(raw: bytes, scope: Scope) -> str:
            text, deviation = decode_text(raw, rule.in_encoding(scope.run.profile.text_encoding))
            scope.run.note(deviation)
            return text

        def encode(text: str, scope: Scope) -> bytes:
            return encode_text(text, rule.in_encoding(scope.run.profile.text_encoding))

        con = construct.GreedyBytes if width is None else construct.Bytes(width)
        if width is not None and self.short is not None:
            con = ShortBytes(width, self.short)
        return convert(con, decode, encode)

    def open_ended(self, edition: Edition) -> bool:
        return _width(self.width, edition) is None

    def types(self) -> frozenset[object]:
        return frozenset({str})

    def min_bytes(self, edition: Edition) -> int:
        return 0 if self.short else _width(self.width, edition) or 0

    def json(self, value: str) -> object:
        return str(value)

    def from_json(self, value: object) -> str:
        return jsonvalues.text(value)

    def wire_type(self, edition: Edition) -> str:
        width = _width(self.width, edition)
        return "STRING" if width is None else f"BYTE[{width}], text"

    def possible(self, edition: Edition) -> str:
        width = _width(self.width, edition)
        return "" if width is None else f"text of at most {width} bytes in GBK"


class Raw(Kind):
    """Bytes as they are: a fixed number, or the rest (`width` None)."""

    def __init__(self, width: int | ByEdition[int] | None) -> None:
        self.width = width

    def con(self, edition: Edition) -> Any:
        width = _width(self.width, edition)
        return construct.GreedyBytes if width is None else construct.Bytes(width)

    def open_ended(self, edition: Edition) -> bool:
        return _width(self.width, edition) is None

    def types(self) -> frozenset[object]:
        return frozenset({bytes})

    def min_bytes(self, edition: Edition) -> int:
        return _width(self.width, edition) or 0

    def text(self, value: bytes) -> str:
        return shorten(value)

    def json(self, value: bytes) -> object:
        return value.hex()

    def from_json(self, value: object) -> bytes:
        return jsonvalues.hex_bytes(value)

    def wire_type(self, edition: Edition) -> str:
        width = _width(self.width, edition)
        return "BYTE[n]" if width is None else f"BYTE[{width}]"

    def possible(self, edition: Edition) -> str:
        width = _width(self.width, edition)
        return "" if width is None else f"{width} bytes in hex"


def shorten(data: bytes) -> str:
    """Bytes as hex, the middle of nothing lost: long ones are cut and counted."""
    return data.hex() if len(data) <= SHOWN_BYTES else f"{data[:SHOWN_BYTES].hex()}… ({len(data)} bytes)"


class Bcd(Kind):
    """BCD[n] digits as text; nibbles A–F stay upper-case hex."""

    def __init__(self, width: int) -> None:
        self.width = width

    def con(self, edition: Edition) -> Any:
        def decode(raw: bytes, scope: Scope) -> str:
            digits = raw.hex().upper()
            if not digits.isdecimal():
                scope.run.note(dev.BCD_NOT_DIGITS)
            return digits

        return convert(construct.Bytes(self.width), decode, lambda digits, _: bytes.fromhex(digits))

    def types(self) -> frozenset[object]:
        return frozenset({str})

    def min_bytes(self, edition: Edition) -> int:
        return self.width

    def from_json(self, value: object) -> str:
        return jsonvalues.digits(value, self.width)

    def wire_type(self, edition: Edition) -> str:
        return f"BCD[{self.width}]"

    def possible(self, edition: Edition) -> str:
        return f"{2 * self.width} digits"


class Time(Kind):
    """BCD[6] YYMMDDhhmmss in the zone of the terminal's clock, GMT+8 unless its profile names another (§11 item 34).

    `utc` is for the one field declared UTC (0x8004), which a profile can make local as well.
    """

    def __init__(self, *, utc: bool = False) -> None:
        self.ahead = timedelta(hours=8 if utc else 0)

    def con(self, edition: Edition) -> Any:
        def decode(raw: bytes, scope: Scope) -> WireTime:
            value = decode_bcd_time(raw)
            if isinstance(value, RawTime):
                scope.run.note(dev.TIME_NOT_A_DATE)
                return value
            return value + self._ahead_in(scope)

        def encode(value: WireTime, scope: Scope) -> bytes:
            return encode_bcd_time(value if isinstance(value, RawTime) else value - self._ahead_in(scope))

        return convert(construct.Bytes(6), decode, encode)

    def _ahead_in(self, scope: Scope) -> timedelta:
        """What is added to a time that was read as GMT+8."""
        profile = scope.run.profile
        if self.ahead and profile.time_answer == "utc":
            return self.ahead
        return timedelta(minutes=AUTO.time_zone_minutes - profile.time_zone_minutes)

    def types(self) -> frozenset[object]:
        return frozenset({datetime, RawTime})

    def min_bytes(self, edition: Edition) -> int:
        return 6

    def json(self, value: WireTime) -> object:
        return iso(value)

    def from_json(self, value: object) -> WireTime:
        found = jsonvalues.moment(value)
        as_digits = isinstance(value, str) and value.strip().isdecimal()
        return found + self.ahead if as_digits and not isinstance(found, RawTime) else found

    def wire_type(self, edition: Edition) -> str:
        return "BCD[6], YYMMDDhhmmss" + (" UTC" if self.ahead else "")

    def possible(self, edition: Edition) -> str:
        return "a time from 2000 to 2099, with its zone"


class Date(Kind):
    """BCD[4] YYYYMMDD; what is no calendar date stays a RawTime."""

    def con(self, edition: Edition) -> Any:
        def decode(raw: bytes, scope: Scope) -> date | RawTime:
            digits = raw.hex()
            try:
                return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
            except ValueError:
                scope.run.note(dev.TIME_NOT_A_DATE)
                return RawTime(raw)

        def encode(value: date | RawTime, _scope: Scope) -> bytes:
            return value.raw if isinstance(value, RawTime) else bytes.fromhex(f"{value.year:04}{value:%m%d}")

        return convert(construct.Bytes(4), decode, encode)

    def types(self) -> frozenset[object]:
        return frozenset({date, RawTime})

    def min_bytes(self, edition: Edition) -> int:
        return 4

    def json(self, value: date | RawTime) -> object:
        return str(value)

    def from_json(self, value: object) -> date | RawTime:
        return jsonvalues.day(value)

    def wire_type(self, edition: Edition) -> str:
        return "BCD[4], YYYYMMDD"

    def possible(self, edition: Edition) -> str:
        return "a date"
