"""Alarm events out of stored positions: alarm items of the active-safety dialects, and edges of the flag bits.

An edge is the change of one bit between two live reports of a terminal with rising device times: 0→1 is
"start", 1→0 is "end" (§4.2). Back-filled reports, reports without a good time and reports older than the last one never
move the state, so working through the same frames again finds no edge twice.
"""

import json
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from operator import or_
from typing import Any, Final

import jtgate.codecs.jt808.location  # noqa: F401  fills the table of items
from jtgate import logs
from jtgate.codecs.edition import Edition
from jtgate.codecs.items import ITEMS, LocationItem
from jtgate.codecs.jsatl12.items import TpmsAlarm
from jtgate.codecs.profile import AUTO, Profile
from jtgate.codecs.timebase import TIME_GOOD, to_ms
from jtgate.codecs.twins import load
from jtgate.codecs.wire import Run, Scope
from jtgate.storage.model import POSITION_COLUMNS, AlarmEventRow

fingerprint = load("columns").fingerprint
FLAG_VALUES: Final = load("column_rows").FLAG_VALUES

log = logs.get_logger("pipeline")

SOURCE_FLAG: Final = "jt808:flag"  # 报警标志
SOURCE_VIDEO: Final = "jt1078:video"  # 视频相关报警

START: Final = "start"
END: Final = "end"
INSTANT: Final = "instant"

_COLUMN: Final = {name: index for index, name in enumerate(POSITION_COLUMNS)}
_TERMINAL: Final = _COLUMN["terminal_id"]
_TIME: Final = _COLUMN["device_time_ms"]
_TIME_STATE: Final = _COLUMN["time_state"]
_BACKFILL: Final = _COLUMN["backfill"]
_ALARM: Final = _COLUMN["alarm_flags"]
_VIDEO: Final = _COLUMN["video_alarm_flags"]
_EXTRA: Final = _COLUMN["extra_items"]
_RECEIVED: Final = _COLUMN["received_ms"]
_SESSION: Final = _COLUMN["session_id"]
_SEQ: Final = _COLUMN["spool_seq"]
_SERIAL: Final = _COLUMN["serial"]
_STATUS: Final = _COLUMN["status"]
_LATITUDE: Final = _COLUMN["latitude"]
_LONGITUDE: Final = _COLUMN["longitude"]
_SPEED: Final = _COLUMN["speed_kmh"]

#: Ids of alarm items, of whatever dialect: they carry an identification number 报警标识号.
ALARM_ITEMS: Final = {
    f"0x{item_id:02x}": item_id
    for item_id, forms in ITEMS.items()
    if any(spec.name == "alarm_number" for form in forms for spec in form.cls.SPECS)
}
#: 标志状态 of an alarm item; anything else is an alarm without duration as well.
_PHASES: Final = {1: START, 2: END}
_SOUTH: Final = 1 << 2
_WEST: Final = 1 << 3

Row = tuple[Any, ...]  # a PositionRow
Flags = tuple[int, int, int]  # device_time_ms, alarm flags, video alarm flags


def items(
    row: Row, profiles: Mapping[int, Profile], events: Counter[str], deviations: Counter[str] | None = None
) -> Iterator[AlarmEventRow]:
    """Alarm events of the alarm items in a row, a back-filled one included: they are facts.

    Args:
        row: a position.
        profiles: terminal id -> profile, of those that do not have the default.
        events: counts items that have no form we know; the position keeps their bytes.
        deviations: counts what is tolerated in the items; None when that was done.
    """
    if row[_EXTRA] is None:
        return
    profile = profiles.get(row[_TERMINAL], AUTO)
    for item in json.loads(row[_EXTRA]):
        if item["id"] not in ALARM_ITEMS:
            continue
        raw = bytes.fromhex(item["raw"])
        run = Run(Edition.V2013, profile=profile)
        try:
            alarm = LocationItem.read(ALARM_ITEMS[item["id"]], raw, 0, Scope(run, {})).value
            if deviations is not None:
                deviations.update(run.deviations)
            if hasattr(alarm, "alarm_number"):
                yield _item_event(row, item["id"], raw, alarm, profile)
            else:
                events["alarm_item_undecoded"] += 1
        except Exception as error:  # noqa: BLE001  a bug of ours; the position keeps the item's bytes
            events["alarm_item_failed"] += 1
            log.error("pipeline.alarm_item_failed", item=item["id"], error=type(error).__name__)  # noqa: TRY400


def _item_event(row: Row, item_id: str, raw: bytes, alarm: Any, profile: Profile) -> AlarmEventRow:
    """The event of a decoded item; its coordinates have no hemisphere, the report around it has (§1.1)."""
    latitude, longitude = row[_LATITUDE], row[_LONGITUDE]
    status = 0 if profile.hemisphere == "none" else row[_STATUS]
    body = alarm.to_json()
    if alarm.latitude or alarm.longitude:
        latitude = _signed(alarm.latitude, status & _SOUTH, 90)
        longitude = _signed(alarm.longitude, status & _WEST, 180)
        body["latitude"], body["longitude"] = latitude, longitude
    return AlarmEventRow(
        terminal_id=row[_TERMINAL],
        source=f"jsatl12:{item_id}",
        alarm_time_ms=to_ms(alarm.time) or row[_TIME],
        fingerprint=fingerprint(raw),
        received_ms=row[_RECEIVED],
        session_id=row[_SESSION],
        spool_seq=row[_SEQ],
        serial=row[_SERIAL],
        alarm_type=alarm_type_of(alarm),
        phase=_PHASES.get(alarm.flag, INSTANT),
        level=getattr(alarm, "level", None),
        latitude=latitude,
        longitude=longitude,
        speed_kmh=float(alarm.speed_kmh),
        alarm_number=alarm.alarm_number.encode(profile=profile).hex(),
        attachment_count=alarm.alarm_number.attachment_count,
        body=json.dumps(body, ensure_ascii=False, separators=(",", ":")),
    )


def alarm_type_of(alarm: Any) -> int:
    """The type byte of an alarm item; of a tyre alarm, which has none, the bits of all its tyres."""
    if isinstance(alarm, TpmsAlarm):
        return reduce(or_, (tyre.alarm_flags for tyre in alarm.tyres), 0)
    kind: int = alarm.alarm_type
    return kind


def _signed(degrees: float, negative: int, limit: int) -> float | None:
    if abs(degrees) > limit:
        return None
    return -abs(degrees) if negative else float(degrees)


class FlagEdges:
    """Alarm flags of every terminal as its newest live report had them.

    Device times are whole seconds. Of several reports in one second each may raise bits, none clears any:
    which came last cannot be told from a repetition, so what was cleared shows with the next second.

    Args:
        known: terminal id -> Flags, from `Store.last_flags`.
    """

    def __init__(self, known: Mapping[int, Flags]) -> None:
        told = {terminal_id: flags for terminal_id, flags in known.items() if flags[0]}
        self._slots = {terminal_id: slot for slot, terminal_id in enumerate(told)}
        self._state = array("q", [value for flags in told.values() for value in flags])

    def scan_columns(self, columns: Any) -> Iterator[AlarmEventRow]:
        """Edges that the rows of a LocationColumns bring, in their order; nothing is done here for a row without."""
        self._make_room(len(columns))
        for number, *flags in columns.flag_changes(self._slots, self._state):
            yield from _changes(columns.row(number), *flags)

    def scan(self, rows: Sequence[Row]) -> Iterator[AlarmEventRow]:
        """Edges that these rows bring, in their order."""
        self._make_room(len(rows))
        last = self._state
        for row in rows:
            if row[_BACKFILL] or row[_TIME_STATE] != TIME_GOOD:
                continue
            at = FLAG_VALUES * self._slots.setdefault(row[_TERMINAL], len(self._slots))
            before_ms, alarm_before, video_before = last[at : at + FLAG_VALUES]
            time_ms, alarm, video = row[_TIME], row[_ALARM], row[_VIDEO] or 0
            if time_ms < before_ms:
                continue
            if time_ms == before_ms:
                alarm, video = alarm | alarm_before, video | video_before
            last[at : at + FLAG_VALUES] = array("q", (time_ms, alarm, video))
            yield from _changes(row, alarm_before, alarm, video_before, video)

    def _make_room(self, rows: int) -> None:
        """Each of so many rows may bring a new terminal."""
        missing = FLAG_VALUES * (len(self._slots) + rows) - len(self._state)
        if missing > 0:
            self._state.frombytes(bytes(self._state.itemsize * (missing + len(self._state))))


def _changes(row: Row, alarm_before: int, alarm: int, video_before: int, video: int) -> Iterator[AlarmEventRow]:
    yield from _edges(row, SOURCE_FLAG, alarm_before, alarm)
    yield from _edges(row, SOURCE_VIDEO, video_before, video)


def _edges(row: Row, source: str, before: int, now: int) -> Iterator[AlarmEventRow]:
    changed = before ^ now
    for bit in range(changed.bit_length()):
        if changed >> bit & 1:
            started = bool(now >> bit & 1)
            yield AlarmEventRow(
                terminal_id=row[_TERMINAL],
                source=source,
                alarm_time_ms=row[_TIME],
                fingerprint=fingerprint(bytes((bit, started))),
                received_ms=row[_RECEIVED],
                session_id=row[_SESSION],
                spool_seq=row[_SEQ],
                serial=row[_SERIAL],
                alarm_type=bit,
                phase=START if started else END,
                level=None,
                latitude=row[_LATITUDE],
                longitude=row[_LONGITUDE],
                speed_kmh=row[_SPEED],
                alarm_number=None,
                attachment_count=None,
                body="{}",
            )
