"""Values as JSON carries them and people type them; a reader that is given something else says what."""
# ruff: noqa: TRY004  whoever reads JSON wants one type of error: the value is wrong

from collections.abc import Sequence
from datetime import UTC, date, datetime

from jtgate.codecs.timebase import GMT8, RawTime, WireTime, decode_bcd_time

#: Characters of a wrong value that its error shows.
_SHOWN_CHARS = 60
_RAW = "raw:"


def shown(value: object) -> str:
    """A wrong value for an error, cut when it is long."""
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 1] + "…"


def is_number(value: object) -> bool:
    """True for what `whole` or `real` can read, whole or not."""
    try:
        real(value)
    except ValueError:
        return False
    return True


def whole(value: object) -> int:
    """An integer, also as text: decimal, 0x…, 0b….

    Raises:
        ValueError: it is none.
    """
    if isinstance(value, str):
        try:
            text = value.strip()
            return int(text, 0) if text[:2].lower() in ("0x", "0b") else int(text)
        except ValueError:
            raise ValueError(f"{shown(value)} is no whole number") from None
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        raise ValueError(f"{shown(value)} is no whole number")
    return int(value)


def real(value: object) -> float:
    """A number, also as text.

    Raises:
        ValueError: it is none, or infinite.
    """
    if isinstance(value, str):
        try:
            text = value.strip()
            value = int(text, 0) if text[:2].lower() in ("0x", "0b") else float(text)
        except ValueError:
            raise ValueError(f"{shown(value)} is no number") from None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < float("inf"):
        raise ValueError(f"{shown(value)} is no number")
    return float(value)


def text(value: object) -> str:
    """Text.

    Raises:
        ValueError: it is something else.
    """
    if not isinstance(value, str):
        raise ValueError(f"{shown(value)} is no text")
    return value


def hex_bytes(value: object) -> bytes:
    """Bytes as hex digits, blanks between them allowed.

    Raises:
        ValueError: they are none.
    """
    try:
        return bytes.fromhex(text(value))
    except ValueError:
        raise ValueError(f"{shown(value)} is not bytes in hex, two digits each") from None


def digits(value: object, width: int) -> str:
    """BCD digits (nibbles A–F included), filled up with zeros on the left.

    Args:
        value: text, or a whole number.
        width: bytes, two digits each.

    Raises:
        ValueError: they are no digits, or too many.
    """
    found = str(value).strip().upper() if isinstance(value, str) else str(whole(value))
    if any(char not in "0123456789ABCDEF" for char in found) or len(found) > 2 * width:
        raise ValueError(f"{shown(value)} is not {2 * width} digits")
    return found.rjust(2 * width, "0")


def moment(value: object) -> WireTime:
    """A time: ISO 8601, GMT+8 when it names no zone; YYMMDDhhmmss as on the wire; or "raw:" and hex.

    Raises:
        ValueError: it is none of these.
    """
    given = text(value).strip()
    if given.startswith(_RAW):
        return _raw(given, 6)
    if len(given) == 12 and given.isdecimal():
        return decode_bcd_time(bytes.fromhex(given))
    try:
        found = datetime.fromisoformat(given)
    except ValueError:
        raise ValueError(f"{shown(value)} is no time; give it as 2026-11-23T10:20:30+08:00 or 261123102030") from None
    return (found if found.tzinfo else found.replace(tzinfo=GMT8)).astimezone(UTC).replace(microsecond=0)


def day(value: object) -> date | RawTime:
    """A date: ISO 8601, YYYYMMDD, or "raw:" and hex.

    Raises:
        ValueError: it is none of these.
    """
    given = text(value).strip()
    if given.startswith(_RAW):
        return _raw(given, 4)
    try:
        return date.fromisoformat(given)
    except ValueError:
        raise ValueError(f"{shown(value)} is no date; give it as 2026-11-23 or 20261123") from None


def _raw(given: str, width: int) -> RawTime:
    data = hex_bytes(given.removeprefix(_RAW))
    if len(data) != width:
        raise ValueError(f"{shown(given)} is not {width} bytes")
    return RawTime(data)


def elements(value: object) -> Sequence[object]:
    """A list, also as text with commas between.

    Raises:
        ValueError: it is something else.
    """
    if isinstance(value, str):
        return [word.strip() for word in value.split(",")] if value.strip() else []
    if not isinstance(value, list | tuple):
        raise ValueError(f"{shown(value)} is no list")
    return value
