"""The facts that are folded: seconds of a terminal, and its alarm items.

Two reports of one second are one `Second`, whichever came first: flags of both, place and speed of the one whose
fingerprint is lower. So the order of arrival never shows.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Any, Final, NamedTuple, Protocol, TypeVar, cast

from jtgate.storage.model import POSITION_COLUMNS, PositionRow

_FINGERPRINT_OF: Final[Callable[[PositionRow], Any]] = itemgetter(POSITION_COLUMNS.index("fingerprint"))
_EXTRA: Final = POSITION_COLUMNS.index("extra_items")
_COLUMN: Final = {name: index for index, name in enumerate(POSITION_COLUMNS)}


class Second(NamedTuple):
    """Every report of a terminal for one second, as one; times that are no dates or in the future never get here."""

    time_ms: int
    fingerprint: int  # of the report whose place this is
    received_ms: int  # of the first of them
    backfill: int
    alarm_flags: int  # of all of them
    video_alarm_flags: int
    status: int
    latitude: float | None
    longitude: float | None
    speed_kmh: float  # of 0x0200
    recorder_speed_kmh: float | None
    heading_deg: int
    mileage_km: float | None
    serial: int
    alarm_event_id: int | None
    extra_items: str | None  # JSON of items without a column, among them 0x11 to 0x13, of all of them
    report_count: int
    abnormal_driving_flags: int = 0  # of all of them


class AlarmItem(NamedTuple):
    """An alarm item of a terminal as `alarm_events` has it (source "jsatl12:…")."""

    time_ms: int
    fingerprint: int
    source: str
    alarm_type: int
    phase: str  # "start", "end", "instant"
    level: int | None
    latitude: float | None
    longitude: float | None
    speed_kmh: float | None
    alarm_number: str | None
    attachment_count: int | None
    serial: int
    alarm_id: int  # 报警ID, 0 when not given


def second_of(rows: Sequence[PositionRow]) -> Second:
    """One second of the positions that a terminal has for it, at least one, in any order.

    Args:
        rows: with the same terminal and device time.
    """
    ordered = sorted(rows, key=_FINGERPRINT_OF) if len(rows) > 1 else rows
    first: Any = ordered[0]
    extra = first[_EXTRA] if len(ordered) == 1 else _all_items(ordered)
    alarm = video = driving = 0
    received = first[_COLUMN["received_ms"]]
    for row in cast("list[Any]", ordered):
        alarm |= row[_COLUMN["alarm_flags"]]
        video |= row[_COLUMN["video_alarm_flags"]] or 0
        driving |= row[_COLUMN["abnormal_driving_flags"]] or 0
        received = min(received, row[_COLUMN["received_ms"]])
    return Second(
        time_ms=first[_COLUMN["device_time_ms"]],
        fingerprint=first[_COLUMN["fingerprint"]],
        received_ms=received,
        backfill=min(cast("int", row[_COLUMN["backfill"]]) for row in ordered),
        alarm_flags=alarm,
        video_alarm_flags=video,
        status=first[_COLUMN["status"]],
        latitude=first[_COLUMN["latitude"]],
        longitude=first[_COLUMN["longitude"]],
        speed_kmh=first[_COLUMN["speed_kmh"]],
        recorder_speed_kmh=first[_COLUMN["recorder_speed_kmh"]],
        heading_deg=first[_COLUMN["heading_deg"]],
        mileage_km=first[_COLUMN["mileage_km"]],
        serial=first[_COLUMN["serial"]],
        alarm_event_id=first[_COLUMN["alarm_event_id"]],
        extra_items=extra,
        report_count=len(ordered),
        abnormal_driving_flags=driving,
    )


def _all_items(rows: Iterable[PositionRow]) -> str | None:
    """Items of several reports, as one list: each may tell of another area."""
    found = [item for row in rows if row[_EXTRA] is not None for item in json.loads(cast("str", row[_EXTRA]))]
    return json.dumps(found) if found else None


Key = tuple[Any, ...]


class Rows:
    """Rows that a fold brings, the newest of each key; a table is a field of StoreBatch.

    Rows of machines have None where plate, person or waybill stand: those are filled in when they are written, and
    `updated_ms` as well (0 here).
    """

    def __init__(self) -> None:
        self.tables: dict[str, dict[Key, Any]] = {}
        self.limits: Counter[str] = Counter()  # how often a fold came to a limit of its state, by the limit's name

    def put(self, table: str, key: Key, row: Any) -> None:
        """Note a row, in place of an earlier one of the same key."""
        self.tables.setdefault(table, {})[key] = row

    def update(self, other: "Rows") -> None:
        """Note the rows of another one, in place of those of the same keys."""
        for table, found in other.tables.items():
            self.tables.setdefault(table, {}).update(found)
        self.limits.update(other.limits)


F_contra = TypeVar("F_contra", contravariant=True)
S = TypeVar("S")


class Machine(Protocol[S, F_contra]):
    """A fold over the facts of one terminal in the order of (time_ms, fingerprint), each fact once.

    States are frozen msgspec Structs of plain values (they are stored as msgpack), so a state that was kept can be
    gone back to. A step must depend on nothing but its arguments: no clock, no store.
    """

    def start(self) -> S:
        """State before the first fact."""
        ...

    def step(self, state: S, fact: F_contra, rows: Rows, terminal_id: int) -> S:
        """State after a fact; rows that it makes or changes go into `rows`, those still open as well."""
        ...

    def held(self, state: S, rows: Rows, terminal_id: int) -> None:
        """Rows of what goes on or may go on, as they are in a state."""
        ...
