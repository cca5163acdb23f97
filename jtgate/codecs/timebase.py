"""The one place that knows about time zones and about what terminals call a time.

Terminals speak GMT+8 BCD with two-digit years (`YYMMDDhhmmss`); everything inside is UTC, as an
aware `datetime` or as integer milliseconds or microseconds since 1970. No other module may call
`datetime.now`, `utcnow`, `fromtimestamp` or `time.time`; a test sees to it.
"""

import time as _time
from datetime import UTC, date, datetime, timedelta, timezone
from typing import NamedTuple

GMT8 = timezone(timedelta(hours=8))

#: Two-digit years are 2000..2099 (JT/T 808 has no century).
CENTURY = 2000

#: A device clock further ahead of the receive time than this is not believed.
FUTURE_LIMIT_MS = 24 * 3600 * 1000

#: 2001-01-01 00:00 GMT+8. A clock that never had a fix counts from 2000, years before there were such terminals.
BELIEVED_FROM_MS = 978_278_400_000

TIME_GOOD = 0
TIME_NOT_A_DATE = 1
TIME_IN_FUTURE = 2


class RawTime(NamedTuple):
    """Six BCD bytes that are not a calendar time, kept as they came (`000000000000`, `ffff…`)."""

    raw: bytes

    def __str__(self) -> str:
        return f"raw:{self.raw.hex()}"


WireTime = datetime | RawTime


#: Nanoseconds since 1970, from the wall clock, for who must not pay for a call in between.
clock_ns = _time.time_ns


def now_us() -> int:
    """Microseconds since 1970, from the wall clock."""
    return _time.time_ns() // 1000


def now_ms() -> int:
    """Milliseconds since 1970, from the wall clock."""
    return _time.time_ns() // 1_000_000


def utc_now() -> datetime:
    """The wall clock as an aware UTC datetime, without the fraction of a second."""
    return datetime.now(UTC).replace(microsecond=0)


def decode_bcd_time(raw: bytes) -> WireTime:
    """Read `YYMMDDhhmmss` in GMT+8.

    Args:
        raw: six BCD bytes.

    Returns:
        An aware UTC datetime, or RawTime when the digits are no calendar time.
    """
    digits = raw.hex()
    if not digits.isdecimal():
        return RawTime(raw)
    try:
        local = datetime(
            CENTURY + int(digits[0:2]),
            int(digits[2:4]),
            int(digits[4:6]),
            int(digits[6:8]),
            int(digits[8:10]),
            int(digits[10:12]),
            tzinfo=GMT8,
        )
    except ValueError:
        return RawTime(raw)
    return local.astimezone(UTC)


def encode_bcd_time(value: WireTime) -> bytes:
    """Write an aware datetime as six BCD bytes in GMT+8; RawTime goes out as it came.

    Raises:
        ValueError: the datetime is naive or its year is outside 2000..2099.
    """
    if isinstance(value, RawTime):
        return value.raw
    if value.tzinfo is None:
        raise ValueError("a naive datetime has no place on the wire; give it a time zone")
    local = value.astimezone(GMT8)
    if not CENTURY <= local.year < CENTURY + 100:
        raise ValueError(f"year {local.year} does not fit two digits")
    return bytes.fromhex(local.strftime("%y%m%d%H%M%S"))


def to_ms(value: WireTime) -> int:
    """Milliseconds since 1970; 0 when the terminal gave no calendar time."""
    if isinstance(value, RawTime):
        return 0
    return int(value.timestamp()) * 1000


def from_ms(ms: int) -> datetime:
    """Aware UTC datetime of milliseconds since 1970."""
    return datetime.fromtimestamp(ms / 1000, UTC)


def iso(value: WireTime) -> str:
    """ISO 8601 with +08:00, the form of decoded JSON; `raw:` and the digits when it is no time."""
    if isinstance(value, RawTime):
        return str(value)
    return value.astimezone(GMT8).isoformat()


def iso_ms(ms: int) -> str:
    """ISO 8601 with +08:00 of milliseconds since 1970."""
    return from_ms(ms).astimezone(GMT8).isoformat(timespec="milliseconds")


def read_ms(text: str, *, last: bool = False) -> int:
    """Milliseconds since 1970 of a date or a time as people write it: GMT+8 unless it has an offset.

    Args:
        text: 2026-05-01, 2026-05-01T08:00 or 2026-05-01T00:00Z.
        last: a date alone means its last millisecond, not its first.

    Raises:
        ValueError: it is no time.
    """
    try:
        day = date.fromisoformat(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
        return _moment_ms(moment if moment.tzinfo else moment.replace(tzinfo=GMT8))
    return _moment_ms(datetime(day.year, day.month, day.day, tzinfo=GMT8)) + (24 * 3600 * 1000 - 1 if last else 0)


def _moment_ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def time_state(device_time_ms: int, received_ms: int) -> int:
    """Judge a device time: TIME_GOOD, TIME_NOT_A_DATE (0, or in 2000) or TIME_IN_FUTURE (over 24 h ahead)."""
    if device_time_ms < BELIEVED_FROM_MS:
        return TIME_NOT_A_DATE
    if device_time_ms > received_ms + FUTURE_LIMIT_MS:
        return TIME_IN_FUTURE
    return TIME_GOOD
