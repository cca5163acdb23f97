"""What areas and routes have in common (JT/T 808 §7): periodic times, fields by attribute bit, lists of a package."""
# ruff: noqa: ARG002, D102  the methods of a kind are told by kinds.Kind; not every kind depends on the edition

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time
from io import BytesIO
from typing import Any, NamedTuple, cast

import construct

from jtgate.codecs import deviations as dev
from jtgate.codecs import jsonvalues
from jtgate.codecs.declare import MESSAGES
from jtgate.codecs.edition import Edition
from jtgate.codecs.groups import Repeat
from jtgate.codecs.jt808.layouts import first_clean
from jtgate.codecs.kinds import Kind, Time
from jtgate.codecs.presence import ByField
from jtgate.codecs.timebase import CENTURY, RawTime, decode_bcd_time, encode_bcd_time
from jtgate.codecs.wire import Scope, convert

#: A leap year: on the wire it stands for "every year", and 29 February must be possible.
_ANY_YEAR = CENTURY

_PERIODIC = re.compile(r"(daily|monthly (\d{1,2})|yearly (\d{1,2})-(\d{1,2})) (\d{1,2}:\d{2}:\d{2})")


class PeriodicTime(NamedTuple):
    """A time that comes again: every day, every month or every year, by the parts of the date that are zero.

    Args:
        month: 1..12, 0 for every month.
        day: 1..31, 0 for every day.
        at: time of day, GMT+8.
    """

    month: int
    day: int
    at: time

    def __str__(self) -> str:
        if self.month:
            return f"yearly {self.month:02}-{self.day:02} {self.at}"
        return f"monthly {self.day:02} {self.at}" if self.day else f"daily {self.at}"


#: 起始时间 and 结束时间 of an area or a route.
AreaMoment = datetime | PeriodicTime | RawTime


class AreaTime(Kind):
    """BCD[6] YYMMDDhhmmss, GMT+8, whose leading zero parts mean "every" (§7)."""

    _calendar = Time()

    def con(self, edition: Edition) -> Any:
        return convert(construct.Bytes(6), self._decode, self._encode)

    def _decode(self, raw: bytes, scope: Scope) -> AreaMoment:
        value = _periodic(raw) or decode_bcd_time(raw)
        if isinstance(value, RawTime):
            scope.run.note(dev.TIME_NOT_A_DATE)
        return value

    def _encode(self, value: AreaMoment, scope: Scope) -> bytes:
        if isinstance(value, PeriodicTime):
            raw = bytes.fromhex(f"00{value.month:02}{value.day:02}{value.at:%H%M%S}")
            if _periodic(raw) != value:
                raise ValueError(f"{value} cannot be")
            return raw
        raw = encode_bcd_time(value)
        if isinstance(value, datetime) and raw[0] == 0:
            raise ValueError(f"the year {_ANY_YEAR} means every year; give it as yearly MM-DD hh:mm:ss")
        return raw

    def types(self) -> frozenset[object]:
        return frozenset({datetime, PeriodicTime, RawTime})

    def min_bytes(self, edition: Edition) -> int:
        return 6

    def json(self, value: AreaMoment) -> object:
        return str(value) if isinstance(value, PeriodicTime) else self._calendar.json(value)

    def from_json(self, value: object) -> AreaMoment:
        """Also "daily 08:30:00", "monthly 15 08:30:00" and "yearly 10-01 08:30:00"."""
        found = _PERIODIC.fullmatch(jsonvalues.text(value).strip())
        if found is None:
            return cast("AreaMoment", self._calendar.from_json(value))
        _, monthly, month, day, at = found.groups()
        return PeriodicTime(int(month or 0), int(day or monthly or 0), time.fromisoformat(at.zfill(8)))

    def wire_type(self, edition: Edition) -> str:
        return self._calendar.wire_type(edition)

    def possible(self, edition: Edition) -> str:
        return "a time from 2001 to 2099, or daily hh:mm:ss, monthly DD hh:mm:ss, yearly MM-DD hh:mm:ss"


def _periodic(raw: bytes) -> PeriodicTime | None:
    """The periodic time of six bytes, None when they have a year or make no sense."""
    digits = raw.hex()
    if raw[0] or not digits.isdecimal():
        return None
    month, day, hour, minute, second = (int(digits[at : at + 2]) for at in range(2, 12, 2))
    try:
        if month:
            date(_ANY_YEAR, month, day)
        elif day:
            date(_ANY_YEAR, 1, day)
        return PeriodicTime(month, day, time(hour, minute, second))
    except ValueError:
        return None


@dataclass(frozen=True)
class WhenBit(ByField):
    """There when a bit of the attribute is set, or always for terminals whose profile says so (§13 item 12)."""

    def wanted(self, value: object) -> bool:
        """The bit is set."""
        (bit,) = self.values
        return bool(cast("int", value) >> cast("int", bit) & 1)

    def reading(self, scope: Scope, stream: BytesIO) -> bool:
        """By the attribute read before."""
        return scope.run.profile.area_fields == "always" or super().reading(scope, stream)

    def writing(self, scope: Scope, value: object) -> bool:
        """By the attribute."""
        return scope.run.profile.area_fields == "always" or super().writing(scope, value)

    def __str__(self) -> str:
        return f"when bit {self.values[0]} of {self.field} is set"


class NameBlock(ByField):
    """The name of 2019: always there, but where all fields always are, only with a speed limit (§13 item 12)."""

    def wanted(self, value: object) -> bool:
        """By the standard, whatever the attribute."""
        return True

    def reading(self, scope: Scope, stream: BytesIO) -> bool:
        """By the attribute, for terminals whose profile says so."""
        return self.writing(scope, None)

    def writing(self, scope: Scope, value: object) -> bool:
        """By the attribute, for terminals whose profile says so."""
        (bit,) = self.values
        return scope.run.profile.area_fields != "always" or bool(scope[self.field] >> cast("int", bit) & 1)

    def __str__(self) -> str:
        return "always"


class PackagedList(Repeat):
    """A list as long as `package_count` says in 2011, which cuts long lists itself, and as `count` says since."""

    def __init__(self, element: Kind) -> None:
        super().__init__(element, "count")

    def con(self, edition: Edition) -> Any:
        counted_by = "package_count" if edition is Edition.V2011 else "count"
        return Repeat(self.element, counted_by).con(edition)


def layout_that_fits(msg_id: int) -> Callable[[bytes, Edition], Edition]:
    """Detection of the edition by the lengths that come out: each edition is tried, that of the header first.

    Args:
        msg_id: of the message.
    """

    def detect(body: bytes, header: Edition) -> Edition:
        others = (Edition.V2013,) if header is Edition.V2019 else (Edition.V2013, Edition.V2011, Edition.V2019)
        return first_clean(MESSAGES[msg_id], body, header, *others)

    return detect
