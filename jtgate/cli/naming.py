"""Names of messages, flags and states in both languages, and a frame in a few words."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from jtgate.codecs.alarm_names import alarm_name
from jtgate.codecs.catalogue import CATALOGUE, message_name
from jtgate.codecs.jt808.tables import ALARM_FLAGS, CARD_STATES, STATUS
from jtgate.codecs.jt1078.items import VIDEO_ALARMS
from jtgate.codecs.tables import Bits

#: Body fields told of a message that has no summary of its own, and characters of each.
_FIELDS_MAX: Final = 6
_VALUE_CHARS_MAX: Final = 40


def message_title(msg_id: int) -> str:
    """Id and both names of a message: "0x0200 位置信息汇报 location_report"."""
    name = message_name(msg_id)
    return f"0x{msg_id:04x} {name.term} {name.name}"


def message_ids(wanted: str) -> frozenset[int]:
    """Ids that a text means: "0x0200", "0200" or a name, English or Chinese.

    Raises:
        LookupError: no message is called so.
    """
    named = frozenset(row.msg_id for row in CATALOGUE.values() if wanted in (row.name, row.term))
    if named:
        return named
    digits = wanted.lower().removeprefix("0x")
    if len(digits) == 4 and all(c in "0123456789abcdef" for c in digits):
        return frozenset({int(digits, 16)})
    close = [row.name for row in CATALOGUE.values() if wanted and (wanted in row.name or wanted in row.term)]
    hint = (
        f"; did you mean {', '.join(close[:4])}?" if close else ": give an id as 0x0200, or a name as location_report"
    )
    raise LookupError(f"no message is called {wanted!r}{hint}")


def alarm_names(flags: int) -> list[tuple[int, str]]:
    """Set bits of 报警标志 with their names."""
    return list(_set_bits(ALARM_FLAGS, flags))


def video_alarm_names(flags: int) -> list[tuple[int, str]]:
    """Set bits of 视频相关报警 with their names."""
    return list(_set_bits(VIDEO_ALARMS, flags))


def alarm_title(alarm: Mapping[str, Any]) -> str:
    """What an alarm event or an episode is called, Chinese then English, with its level.

    Args:
        alarm: as the API tells it, or as the store has it: `source`, `alarm_type`, `level`.
    """
    number, level = alarm["alarm_type"], alarm["level"]
    name = str(alarm_name(str(alarm["source"]), number if isinstance(number, int) else 0))
    return f"{name}, level {level}" if level else name


def status_text(status: int) -> str:
    """What the status word 状态 says."""
    return STATUS.meaning(status)


def card_state(status: int) -> str:
    """What a driver card event 0x0702 says; "" for the form of 2011, which has no state."""
    return CARD_STATES.meaning(status)


def _set_bits(table: Bits, flags: int) -> Iterator[tuple[int, str]]:
    for number in range(flags.bit_length()):
        if flags >> number & 1:
            row = table.get(number)
            yield number, f"{row.zh} {row.en}" if row else f"保留位 reserved bit {number}"


def frame_summary(described: Mapping[str, object], received_at: str) -> str:
    """A frame in a few words, or what is wrong with it.

    Args:
        described: as `describe_frame` gives it.
        received_at: ISO 8601; a device time of the same day is told without the date.
    """
    error = described.get("error")
    if isinstance(error, Mapping):
        return f"!! {error.get('code')} at byte {error.get('offset')}: {error.get('message')}"
    body = described.get("body")
    if not isinstance(body, Mapping):
        return ""
    if "latitude" in body and "speed_kmh" in body:
        return _location_summary(body, received_at)
    told = [f"{name}={_short(value)}" for name, value in body.items() if value not in (None, "", [])]
    more = " …" if len(told) > _FIELDS_MAX else ""
    return " ".join(told[:_FIELDS_MAX]) + more


def _location_summary(body: Mapping[str, object], received_at: str) -> str:
    """Place, speed, time of the device, alarms, and the items that are rare enough to be news."""
    parts = []
    latitude, longitude, speed = body["latitude"], body["longitude"], body["speed_kmh"]
    if isinstance(latitude, int | float) and isinstance(longitude, int | float):
        parts.append(f"{latitude:.5f},{longitude:.5f}")
    if isinstance(speed, int | float):
        parts.append(f"{speed:g} km/h")
    time = str(body.get("time", ""))[:19]
    parts.append("at " + (time[11:] if time[:10] == received_at[:10] else time.replace("T", " ")))
    flags = body.get("alarm_flags")
    if isinstance(flags, int) and flags:
        parts.append("[" + ", ".join(name for _, name in alarm_names(flags)) + "]")
    items = body.get("items")
    if isinstance(items, list):
        news = [i for i in items if isinstance(i, Mapping) and str(i.get("id", "")) >= "0x64"]
        parts += [f"<{i.get('id')} {i.get('term') or ''} {i.get('name') or ''}>".replace("  ", " ") for i in news]
    return "  ".join(part for part in parts if part)


def _short(value: object) -> str:
    if isinstance(value, list):
        return f"[{len(value)}]"
    text = str(value)
    return text if len(text) <= _VALUE_CHARS_MAX else text[: _VALUE_CHARS_MAX - 1] + "…"
