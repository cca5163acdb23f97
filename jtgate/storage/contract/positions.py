"""Positions come back as they were written, whatever their clock says, by either lane and page by page."""

import struct
from collections.abc import Iterator
from typing import Any, Final

from jtgate.codecs.edition import Edition
from jtgate.codecs.header import build_header
from jtgate.codecs.timebase import encode_bcd_time, from_ms, time_state
from jtgate.codecs.twins import load
from jtgate.storage.contract.checking import holds, integer, promise, same
from jtgate.storage.contract.rows import (
    DAY_MS,
    LAST_TIME_MS,
    ONE,
    T0_MS,
    TWO,
    as_row,
    counts,
    position,
    write,
)
from jtgate.storage.model import POSITION_COLUMNS, PositionRow, Written
from jtgate.storage.store import Row, Store, TimedKey

#: No time of a terminal lies behind it.
_FAR_MS: Final = 253_402_300_799_000  # 9999-12-31
#: Device times of all kinds, with the state that `timebase` gives them when they are received at T0.
TIMES_MS: Final = (
    0,  # no calendar time
    946_656_000_000,  # 2000-01-01 in GMT+8: a clock that was never set
    978_278_400_000,  # a year later, the first that is believed
    1_420_041_600_000,  # 2015
    T0_MS - 400 * DAY_MS,
    T0_MS,
    T0_MS + DAY_MS,  # the last that is no future
    T0_MS + DAY_MS + 1000,
    LAST_TIME_MS,
)
_ALL_BITS: Final = 0xFFFFFFFF
_LARGEST: Final[dict[str, object]] = {
    "session_id": (1 << 63) - 1,
    "spool_seq": (1 << 63) - 1,
    "serial": 0xFFFF,
    "msg_id": 0xFFFF,
    "backfill": 1,
    "alarm_flags": _ALL_BITS,
    "status": _ALL_BITS,
    "latitude": 90.0,
    "longitude": 180.0,
    "altitude_m": 0xFFFF,
    "speed_kmh": 6553.5,
    "heading_deg": 0xFFFF,
    "mileage_km": 429496729.5,
    "fuel_l": 6553.5,
    "recorder_speed_kmh": 6553.5,
    "alarm_event_id": 0xFFFF,
    "video_alarm_flags": _ALL_BITS,
    "video_loss_channels": _ALL_BITS,
    "video_cover_channels": _ALL_BITS,
    "storage_fault_flags": 0xFFFF,
    "abnormal_driving_flags": 0xFFFF,
    "fatigue_degree": 0xFF,
    "vehicle_signals": _ALL_BITS,
    "io_status": 0xFFFF,
    "analog_0": 0xFFFF,
    "analog_1": 0xFFFF,
    "signal_strength": 0xFF,
    "satellites": 0xFF,
    "extra_items": '[{"id": "0xff", "raw": "' + "ff" * 255 + '"}]',
}
_NOT_NULL: Final = ("terminal_id", "device_time_ms", "fingerprint", "received_ms", "time_state", "backfill")


@promise
def every_column_comes_back(store: Store) -> None:
    """All columns of a position survive, with sign, fraction and NULL, and its terminal is told by its number."""
    row = position(fingerprint=-(1 << 63))
    same(write(store, positions=[row]), Written(1, 0), "written")
    same(store.positions(terminal=ONE), [as_row(row)], "the position")


@promise
def largest_and_smallest_values(store: Store) -> None:
    """Every field of a position takes the largest and the smallest value that fits its place in the report."""
    smallest = {name: 0.0 if isinstance(value, float) else 0 for name, value in _LARGEST.items()}
    south_west = smallest | {"latitude": -90.0, "longitude": -180.0, "altitude_m": -0x8000, "extra_items": "[]"}
    nothing = {name: None for name in POSITION_COLUMNS if name not in _NOT_NULL}
    rows = [
        position(1, T0_MS, (1 << 63) - 1, **_LARGEST),
        position(1, T0_MS, 0, **(smallest | {"extra_items": None})),
        position(1, T0_MS + 1, -(1 << 63), **south_west),
        position(1, T0_MS + 2, -1, **nothing),
        position(1, 0, 1, **_LARGEST),
        position(1, LAST_TIME_MS, 1, time_state=2, **_LARGEST),
    ]
    for row in rows:  # one by one, so that a message tells which
        same(write(store, positions=[row]), Written(1, 0), "written")
        found = store.positions(terminal=ONE, from_ms=integer(row[1]), to_ms=integer(row[1]))
        holds(as_row(row) in found, f"the position came back as {found}")


@promise
def any_device_time(store: Store) -> None:
    """Positions without a calendar time, from years ago and from the future are kept, found and counted like others."""
    rows = [
        position(1, at_ms, number, received_ms=T0_MS, time_state=time_state(at_ms, T0_MS))
        for number, at_ms in enumerate(TIMES_MS)
    ]
    same(write(store, positions=rows), Written(len(rows), 0), "written")
    same(store.positions(terminal=ONE), [as_row(row) for row in rows], "all of them")
    for row in rows:
        at_ms = integer(row[1])
        same(store.positions(from_ms=at_ms, to_ms=at_ms), [as_row(row)], f"the one at {at_ms} ms")
    same(store.positions(from_ms=TIMES_MS[4], to_ms=_FAR_MS), [as_row(row) for row in rows[4:]], "those of a range")
    keys = [_key(row) for row in rows]
    same(store.stored("positions", keys), set(keys), "their keys")
    same(counts(store).get("positions"), len(rows), "rows counted")


@promise
def any_device_time_repeated(store: Store) -> None:
    """A position of any device time that is written twice, in one batch or in two, leaves one row."""
    rows = [position(1, at_ms, 7, time_state=time_state(at_ms, T0_MS)) for at_ms in TIMES_MS]
    same(write(store, positions=rows), Written(len(rows), 0), "first")
    same(write(store, positions=rows[::-1]), Written(0, len(rows)), "again")
    other = [position(2, at_ms, 7, time_state=time_state(at_ms, T0_MS)) for at_ms in TIMES_MS]
    same(write(store, positions=other + other), Written(len(other), len(other)), "twice in one batch")
    same(len(store.positions()), 2 * len(rows), "rows")


@promise
def a_doubtful_time_that_becomes_good(store: Store) -> None:
    """A report that was from the future when it first came, and is resent once its time is good, leaves one row.

    So does the other way round: the key of a position does not tell what its receipt made of it.
    """
    at_ms = T0_MS + 3 * DAY_MS
    early = position(1, at_ms, 7, received_ms=T0_MS, time_state=2)
    late = position(1, at_ms, 7, received_ms=at_ms + 400, time_state=0)
    same(write(store, positions=[early]), Written(1, 0), "while it is from the future")
    same(write(store, positions=[late]), Written(0, 1), "resent when its time is good")
    same(len(store.positions()), 1, "rows")
    same(write(store, positions=[position(2, at_ms, 7), position(2, at_ms, 7, time_state=2)]), Written(1, 1), "at once")
    same(write(store, positions=[position(2, at_ms, 7, time_state=2)]), Written(0, 1), "the other way round")
    same(len(store.positions()), 2, "rows")
    same(counts(store).get("positions"), 2, "rows counted")


@promise
def by_terminal_and_time(store: Store) -> None:
    """Positions come by device time, oldest first, both ends included, of one terminal or of all."""
    write(store, positions=[position(n % 2 + 1, T0_MS + n * 1000, n) for n in range(10)][::-1])

    def seconds(**query: Any) -> list[int]:
        return [(integer(row["device_time_ms"]) - T0_MS) // 1000 for row in store.positions(**query)]

    same(seconds(), list(range(10)), "all")
    same(seconds(terminal=ONE), [0, 2, 4, 6, 8], "of one terminal")
    same(seconds(terminal=ONE, from_ms=T0_MS + 2000, to_ms=T0_MS + 6000), [2, 4, 6], "of one terminal in a range")
    same(seconds(from_ms=T0_MS + 7500), [8, 9], "from a time on")
    same(seconds(limit=3), [0, 1, 2], "the first three")
    same(seconds(terminal="unheard of"), [], "of a terminal that is not there")


@promise
def page_by_page(store: Store) -> None:
    """Whoever asks for the positions after the last one gets each exactly once, in the order of one long answer."""
    times_ms = [0, 0, T0_MS, T0_MS, T0_MS + 1, T0_MS + DAY_MS, LAST_TIME_MS]
    rows = [
        position(terminal_id, at_ms, fingerprint, time_state=time_state(at_ms, T0_MS))
        for terminal_id in (2, 1, 3)
        for at_ms, fingerprint in zip(times_ms, (5, -5, 5, -(1 << 63), 7, 7, 7), strict=True)
    ]
    write(store, positions=rows)
    for query in ({}, {"terminal": TWO}, {"from_ms": T0_MS, "to_ms": T0_MS + DAY_MS}):
        expected = store.positions(limit=1000, **query)
        same(len(expected), {0: 21, 1: 7, 2: 12}[len(query)], f"rows of {query}")
        for limit in (1, 2, 5):
            same(list(_pages(store, limit, query)), expected, f"pages of {limit} of {query}")


def _pages(store: Store, limit: int, query: dict[str, Any]) -> Iterator[Row]:
    after: TimedKey | None = None
    for _ in range(100):
        page = store.positions(limit=limit, after=after, **query)
        yield from page
        if not page:
            return
        last = page[-1]
        after = (integer(last["terminal_id"]), integer(last["device_time_ms"]), integer(last["fingerprint"]))
    holds(False, "paging does not come to an end")


@promise
def large_batches(store: Store) -> None:
    """A batch of many thousand positions, of many terminals and days, is stored whole."""
    rows = [position(n % 3 + 1, T0_MS + n * 60_000, n) for n in range(8000)]
    same(write(store, positions=rows), Written(8000, 0), "written")
    same(write(store, positions=rows[4000:] + rows[:10]), Written(0, 4010), "written again in part")
    same(len(store.positions(limit=100_000)), 8000, "rows")
    keys = [_key(row) for row in rows]
    same(store.stored("positions", [*keys, (1, 1, 1)]), set(keys), "their keys")


@promise
def the_fast_lane_gives_the_same_rows(store: Store) -> None:
    """Reports in packed columns leave the rows that they leave as tuples, and neither lane repeats the other."""
    columns = packed_reports()
    rows = columns.rows()
    kept = {_key(row): row for row in reversed(rows)}
    first = write(store, columns=columns)
    same(first, Written(len(kept), len(rows) - len(kept)), "written as columns")
    _same_rows(store, kept)
    same(write(store, positions=rows), Written(0, len(rows)), "written again as tuples")
    same(write(store, columns=columns, positions=[position(3, T0_MS, 1)]), Written(1, len(rows)), "again as columns")

    both = packed_reports(terminal_id=2)
    half = both.rows()[::2]
    unique = {_key(row): row for row in reversed(both.rows())}
    written = write(store, positions=half, columns=both)
    same(written, Written(len(unique), len(half) + len(both) - len(unique)), "both lanes of one batch overlap")
    _same_rows(store, unique, TWO)


def packed_reports(terminal_id: int = 1) -> Any:
    """Location reports of all kinds of time as the compiled columns hold them; the first is there twice."""
    columns = load("columns").LocationColumns(4)
    frames = [_frame(1, T0_MS), _frame(1, T0_MS)]
    frames += [_frame(number, at_ms) for number, at_ms in enumerate(TIMES_MS, 2)]
    frames += [_frame(number, T0_MS - number * DAY_MS) for number in range(100, 103)]
    frames.append(_frame(200, T0_MS + 5000, items=b"", status=0, latitude=0, longitude=0))
    frames.append(_frame(201, T0_MS + 6000, latitude=_ALL_BITS, longitude=_ALL_BITS))
    for number, frame in enumerate(frames):
        holds(columns.add(frame, terminal_id, T0_MS + 400, 11, number + 1) == 1, "the columns take a plain report")
    return columns


#: Mileage, fuel, an item without a column, alarms of video, analogue values, satellites.
_ITEMS: Final = bytes.fromhex("0104000102ff 0202ffff e10300ff7e 1404ffffffff 2b04fffeffff 310109")


def _frame(
    serial: int,
    device_time_ms: int,
    *,
    status: int = 0x000C0007,
    latitude: int = 41_123_456,
    longitude: int = 122_500_001,
    items: bytes = _ITEMS,
) -> bytes:
    """A 0x0200 as it arrives, unescaped and without the check byte."""
    time = encode_bcd_time(from_ms(device_time_ms)) if device_time_ms else bytes(6)
    body = struct.pack(">IIIIHHH", _ALL_BITS, status, latitude, longitude, 0xFFFF, 1234, 359) + time + items
    return build_header(0x0200, len(body), phone=ONE, serial=serial, edition=Edition.V2013) + body


def _same_rows(store: Store, expected: dict[TimedKey, PositionRow], terminal: str = ONE) -> None:
    found = {_key(tuple(row[name] for name in POSITION_COLUMNS)): row for row in store.positions(terminal=terminal)}
    same(set(found), set(expected), "keys of the rows")
    for key, row in expected.items():
        same(found[key], as_row(row, terminal), f"the row {key}")


def _key(row: PositionRow) -> TimedKey:
    return integer(row[0]), integer(row[1]), integer(row[2])
