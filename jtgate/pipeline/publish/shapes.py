"""Rows as others get them: names with units, times with +08:00, nothing that is not known."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from jtgate.codecs.timebase import TIME_GOOD, TIME_IN_FUTURE, TIME_NOT_A_DATE, iso_ms
from jtgate.storage.model import POSITION_COLUMNS, PositionRow

Shape = dict[str, Any]

_TIME_STATES: Final = {TIME_NOT_A_DATE: "not_a_date", TIME_IN_FUTURE: "in_future"}
_AT: Final = {name: number for number, name in enumerate(POSITION_COLUMNS)}
#: Columns that are told as they are, when there is something in them.
_PLAIN: Final = tuple(
    (name, number)
    for name, number in _AT.items()
    if name
    not in ("terminal_id", "device_time_ms", "fingerprint", "received_ms", "time_state", "session_id", "spool_seq")
    and name not in ("msg_id", "backfill", "extra_items")
)
_TERMINAL, _TIME, _FINGERPRINT = _AT["terminal_id"], _AT["device_time_ms"], _AT["fingerprint"]
_RECEIVED, _STATE, _MESSAGE = _AT["received_ms"], _AT["time_state"], _AT["msg_id"]
_BACKFILL, _EXTRA = _AT["backfill"], _AT["extra_items"]
_read_json: Final = msgspec.json.Decoder().decode


class Times:
    """Milliseconds as text; most rows of a page share their seconds, so what was written last is remembered."""

    #: Texts remembered.
    KNOWN_MAX: Final = 4096

    def __init__(self) -> None:
        self._known: dict[int, str] = {}

    def text(self, ms: int) -> str:
        """ISO 8601 with +08:00."""
        found = self._known.get(ms)
        if found is None:
            if len(self._known) >= self.KNOWN_MAX:
                self._known.clear()
            found = iso_ms(ms).replace(".000+", "+")  # device times are whole seconds
            self._known[ms] = found
        return found


def position(row: PositionRow, terminal: str, times: Times) -> Shape:
    """A stored position 位置.

    Args:
        row: in the order of POSITION_COLUMNS.
        terminal: digits without leading zeros.
        times: of this page.

    Returns:
        Key first: terminal, time, fingerprint (hex, as JSON knows no 64-bit integers). `time` is None when the terminal
        gave no calendar time; `time_state` tells of a doubtful one.
    """
    values: Any = row
    time_ms = values[_TIME]
    shape: Shape = {
        "terminal": terminal,
        "time": times.text(time_ms) if time_ms else None,
        "fingerprint": f"{values[_FINGERPRINT] & 0xFFFF_FFFF_FFFF_FFFF:016x}",
        "received": times.text(values[_RECEIVED]),
        "message": f"0x{values[_MESSAGE]:04x}",
        "backfill": bool(values[_BACKFILL]),
    }
    if values[_STATE] != TIME_GOOD:
        shape["time_state"] = _TIME_STATES[values[_STATE]]
    for name, number in _PLAIN:
        value = values[number]
        if value is not None:
            shape[name] = value
    if values[_EXTRA] is not None:
        shape["extra_items"] = _read_json(values[_EXTRA])
    return shape


_ALARM_LEFT_OUT: Final = frozenset({"id", "terminal_id", "session_id", "spool_seq", "fingerprint", "body", "terminal"})


def alarm(row: Mapping[str, object], times: Times) -> Shape:
    """A stored alarm event 报警事件.

    Args:
        row: of Store.alarm_events_after.
        times: of this page.

    Returns:
        Key first: terminal, alarm_time, source, fingerprint (hex).
    """
    values: Any = row
    shape: Shape = {
        "terminal": values["terminal"],
        "alarm_time": times.text(values["alarm_time_ms"]) if values["alarm_time_ms"] else None,
        "source": values["source"],
        "fingerprint": f"{values['fingerprint'] & 0xFFFF_FFFF_FFFF_FFFF:016x}",
        "received": times.text(values["received_ms"]),
    }
    for name, value in values.items():
        if value is not None and name not in _ALARM_LEFT_OUT and not name.endswith("_ms"):
            shape[name] = value
    shape["body"] = _read_json(values["body"])
    return shape
