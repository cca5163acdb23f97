# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""What is read out of location columns: rows for the stores, and what others ask about all rows at once (twin).

`LocationColumns` hands its arrays over; where a value lies in them is told by `column_tables.ROW`. `rows` knows that
by heart, a loop over the table takes three times as long; tests hold it against the declarations, and all else here
against what the same question says of its tuples.

Cython in pure-Python mode: this file runs unchanged without a compiler.
"""

from typing import Any

import cython

from jtgate.codecs import column_tables as tables
from jtgate.codecs import timebase

_KINDS = {"smallint": 0, "integer": 1, "bigint": 2, "timestamptz": 3, "double precision": 4, "text": 5}
_KIND = cython.declare(bytes, bytes(_KINDS[field.type_] for field in tables.ROW))
_IS_REAL = cython.declare(bytes, bytes(field.is_real for field in tables.ROW))
_AT = cython.declare(bytes, bytes(field.at for field in tables.ROW))
_BIT = cython.declare(bytes, bytes(field.bit or 0 for field in tables.ROW))  # bit 0 is nobody's: always there
_BYTES = cython.declare(bytes, bytes(tables.BYTES[field.type_] for field in tables.ROW))
_PLACE = {field.name: field for field in tables.ROW}

_fields = cython.declare(cython.Py_ssize_t, len(tables.ROW))
_values = cython.declare(cython.Py_ssize_t, len(tables.ROW) - 1)  # all but the text
_ints = cython.declare(cython.Py_ssize_t, tables.INTEGERS)
_reals = cython.declare(cython.Py_ssize_t, tables.REALS)
_present = cython.declare(cython.Py_ssize_t, tables.PRESENT)
_text_start = cython.declare(cython.Py_ssize_t, tables.TEXT_START)
_text_end = cython.declare(cython.Py_ssize_t, tables.TEXT_END)
_terminal = cython.declare(cython.Py_ssize_t, _PLACE["terminal_id"].at)
_time = cython.declare(cython.Py_ssize_t, _PLACE["device_time_ms"].at)
_received = cython.declare(cython.Py_ssize_t, _PLACE["received_ms"].at)
_time_state = cython.declare(cython.Py_ssize_t, _PLACE["time_state"].at)
_backfill = cython.declare(cython.Py_ssize_t, _PLACE["backfill"].at)
_alarm_flags = cython.declare(cython.Py_ssize_t, _PLACE["alarm_flags"].at)
_video_flags = cython.declare(cython.Py_ssize_t, _PLACE["video_alarm_flags"].at)
_video_bit = cython.declare(cython.int, _PLACE["video_alarm_flags"].bit or 0)
_alarm_bit = cython.declare(cython.int, tables.HAS_ALARM)
_fatigue_bit = cython.declare(cython.int, tables.HAS_FATIGUE)
_latitude_bit = cython.declare(cython.int, tables.HAS_LATITUDE)
_longitude_bit = cython.declare(cython.int, tables.HAS_LONGITUDE)
_fatigue = cython.declare(cython.Py_ssize_t, tables.FATIGUE)
_analog_1 = cython.declare(cython.Py_ssize_t, tables.ANALOG_1)
_kind_integer = cython.declare(cython.int, _KINDS["integer"])
_kind_smallint = cython.declare(cython.int, _KINDS["smallint"])
_kind_time = cython.declare(cython.int, _KINDS["timestamptz"])
#: Bytes of a row without its text: the number of fields, then length and value of each.
_row_bytes = cython.declare(cython.Py_ssize_t, 2 + 4 * len(tables.ROW) + sum(_BYTES))
_epoch_ms = cython.declare(cython.longlong, tables.POSTGRES_EPOCH_MS)
_time_good = cython.declare(cython.longlong, timebase.TIME_GOOD)
_hour_ms = cython.declare(cython.longlong, 3_600_000)
_day_ms = cython.declare(cython.longlong, 86_400_000)
_null = cython.declare(cython.longlong, -1)

#: Values of a terminal in the state of flags: device time, alarm flags, video alarm flags.
FLAG_VALUES = 3
_flag_values = cython.declare(cython.Py_ssize_t, FLAG_VALUES)


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def _put_8(to: cython.p_uchar, at: cython.Py_ssize_t, value: cython.longlong) -> cython.void:
    to[at] = (value >> 56) & 0xFF
    to[at + 1] = (value >> 48) & 0xFF
    to[at + 2] = (value >> 40) & 0xFF
    to[at + 3] = (value >> 32) & 0xFF
    to[at + 4] = (value >> 24) & 0xFF
    to[at + 5] = (value >> 16) & 0xFF
    to[at + 6] = (value >> 8) & 0xFF
    to[at + 7] = value & 0xFF


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def _put_4(to: cython.p_uchar, at: cython.Py_ssize_t, value: cython.longlong) -> cython.void:
    to[at] = (value >> 24) & 0xFF
    to[at + 1] = (value >> 16) & 0xFF
    to[at + 2] = (value >> 8) & 0xFF
    to[at + 3] = value & 0xFF


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def _put_2(to: cython.p_uchar, at: cython.Py_ssize_t, value: cython.longlong) -> cython.void:
    to[at] = (value >> 8) & 0xFF
    to[at + 1] = value & 0xFF


def copy_rows(
    integers: Any,
    reals: Any,
    text: bytearray,
    count: cython.Py_ssize_t,
    part: cython.Py_ssize_t,
    parts: cython.Py_ssize_t,
) -> bytes:
    """Rows as fields of PostgreSQL's binary COPY, without its head and end.

    Args:
        integers: stripes of the rows.
        reals: stripes of the rows.
        text: of their extra items.
        count: rows.
        part: which part of the rows, from 0.
        parts: into how many they are dealt out, by their terminal.
    """
    v: cython.longlong[::1] = integers
    r: cython.longlong[::1] = memoryview(reals).cast("B").cast("q")  # the bits of a double as an integer
    from_text: cython.p_uchar = text
    kinds: cython.p_const_uchar = _KIND
    is_real: cython.p_const_uchar = _IS_REAL
    places: cython.p_const_uchar = _AT
    bits: cython.p_const_uchar = _BIT
    sizes: cython.p_const_uchar = _BYTES
    text_used: cython.Py_ssize_t = v[(count - 1) * _ints + _text_end] if count else 0
    out: bytearray = bytearray(count * _row_bytes + text_used)
    to: cython.p_uchar = out
    at: cython.Py_ssize_t = 0
    n: cython.Py_ssize_t
    c: cython.Py_ssize_t
    k: cython.Py_ssize_t
    for n in range(count):
        i: cython.Py_ssize_t = n * _ints
        if parts > 1 and v[i + _terminal] % parts != part:
            continue
        f: cython.Py_ssize_t = n * _reals
        has: cython.longlong = v[i + _present]
        _put_2(to, at, _fields)
        at += 2
        for c in range(_values):
            if bits[c] and not has >> bits[c] & 1:
                _put_4(to, at, _null)
                at += 4
                continue
            value: cython.longlong = r[f + places[c]] if is_real[c] else v[i + places[c]]
            size: cython.Py_ssize_t = sizes[c]
            _put_4(to, at, size)
            if kinds[c] == _kind_integer:
                _put_4(to, at + 4, value)
            elif kinds[c] == _kind_smallint:
                _put_2(to, at + 4, value)
            elif kinds[c] == _kind_time:
                _put_8(to, at + 4, (value - _epoch_ms) * 1000)
            else:
                _put_8(to, at + 4, value)
            at += 4 + size
        start: cython.Py_ssize_t = v[i + _text_start]
        length: cython.Py_ssize_t = v[i + _text_end] - start
        _put_4(to, at, length or _null)
        at += 4
        for k in range(length):
            to[at + k] = from_text[start + k]
        at += length
    return bytes(memoryview(out)[:at])


def rows(
    integers: Any, reals: Any, text: bytearray, first: cython.Py_ssize_t, end: cython.Py_ssize_t
) -> list[tuple[object, ...]]:
    """Some rows as tuples in the order of POSITION_COLUMNS.

    Args:
        integers: as for `copy_rows`.
        reals: as for `copy_rows`.
        text: as for `copy_rows`.
        first: number of the first row.
        end: number behind the last one.
    """
    v: cython.longlong[::1] = integers
    r: cython.double[::1] = reals
    result: list[tuple[object, ...]] = []
    if end <= first:
        return result
    base: cython.longlong = v[first * _ints + _text_start]
    words: str = text[base : v[(end - 1) * _ints + _text_end]].decode("ascii")
    n: cython.Py_ssize_t
    for n in range(first, end):
        i: cython.Py_ssize_t = n * _ints
        f: cython.Py_ssize_t = n * _reals
        has: cython.longlong = v[i + _present]
        start: cython.Py_ssize_t = v[i + _text_start] - base
        stop: cython.Py_ssize_t = v[i + _text_end] - base
        result.append(
            (
                v[i],
                v[i + 1],
                v[i + 2],
                v[i + 3],
                v[i + 4],
                v[i + 5],
                v[i + 6],
                v[i + 7],
                v[i + 8],
                v[i + 9],
                v[i + 10],
                v[i + 11],
                r[f] if has >> _latitude_bit & 1 else None,
                r[f + 1] if has >> _longitude_bit & 1 else None,
                v[i + 12],
                r[f + 2],
                v[i + 13],
                r[f + 3] if has & (1 << 1) else None,
                r[f + 4] if has & (1 << 2) else None,
                r[f + 5] if has & (1 << 3) else None,
                v[i + 17] if has & (1 << 4) else None,
                v[i + 18] if has & (1 << 5) else None,
                v[i + 19] if has & (1 << 6) else None,
                v[i + 20] if has & (1 << 7) else None,
                v[i + 21] if has & (1 << 8) else None,
                v[i + 22] if has & (1 << 9) else None,
                v[i + _fatigue] if has >> _fatigue_bit & 1 else None,
                v[i + 23] if has & (1 << 10) else None,
                v[i + 24] if has & (1 << 11) else None,
                v[i + 25] if has & (1 << 12) else None,
                v[i + _analog_1] if has & (1 << 12) else None,
                v[i + 26] if has & (1 << 13) else None,
                v[i + 27] if has & (1 << 14) else None,
                words[start:stop] if stop > start else None,
            )
        )
    return result


def misdated(integers: Any, count: cython.Py_ssize_t, from_ms: cython.longlong, to_ms: cython.longlong) -> int:
    """How many rows have a doubtful time, or one that is not in [from_ms, to_ms)."""
    v: cython.longlong[::1] = integers
    found: cython.Py_ssize_t = 0
    n: cython.Py_ssize_t
    for n in range(count):
        i: cython.Py_ssize_t = n * _ints
        if v[i + _time_state] != _time_good or v[i + _time] < from_ms or v[i + _time] >= to_ms:
            found += 1
    return found


def days(integers: Any, count: cython.Py_ssize_t) -> list[int]:
    """Beginnings of the days of UTC on which good times lie, rising."""
    v: cython.longlong[::1] = integers
    found: set[int] = set()
    last: cython.longlong = -1
    n: cython.Py_ssize_t
    for n in range(count):
        i: cython.Py_ssize_t = n * _ints
        if v[i + _time_state] != _time_good:
            continue
        day: cython.longlong = v[i + _time] - v[i + _time] % _day_ms
        if day != last:
            last = day
            found.add(day)
    return sorted(found)


def hours(integers: Any, count: cython.Py_ssize_t) -> list[tuple[int, int]]:
    """(hour, terminal) of good times, rising; terminal 0 in the hour of receipt and the one before."""
    v: cython.longlong[::1] = integers
    found: set[tuple[int, int]] = set()
    last_hour: cython.longlong = -1
    last_terminal: cython.longlong = -1
    n: cython.Py_ssize_t
    for n in range(count):
        i: cython.Py_ssize_t = n * _ints
        if v[i + _time_state] != _time_good:
            continue
        hour: cython.longlong = v[i + _time] - v[i + _time] % _hour_ms
        receipt: cython.longlong = v[i + _received] - v[i + _received] % _hour_ms
        terminal: cython.longlong = 0 if receipt - _hour_ms <= hour <= receipt else v[i + _terminal]
        if hour != last_hour or terminal != last_terminal:
            last_hour = hour
            last_terminal = terminal
            found.add((hour, terminal))
    return sorted(found)


def alarm_rows(integers: Any, count: cython.Py_ssize_t) -> list[int]:
    """Numbers of the rows with an item of `column_tables.ALARM_ITEMS`."""
    v: cython.longlong[::1] = integers
    return [n for n in range(count) if v[n * _ints + _present] >> _alarm_bit & 1]


def heard(
    integers: Any, count: cython.Py_ssize_t, last_seen: dict[int, int], step_ms: cython.longlong
) -> list[tuple[int, int]]:
    """(terminal_id, newest receive time) of terminals last seen at least `step_ms` before that.

    Args:
        integers: as for `copy_rows`.
        count: rows.
        last_seen: terminal id -> when it was last said to be seen; brought up to date.
        step_ms: least time between two of these.
    """
    v: cython.longlong[::1] = integers
    newest: dict[int, int] = {}
    n: cython.Py_ssize_t
    for n in range(count):
        i: cython.Py_ssize_t = n * _ints
        received: cython.longlong = v[i + _received]
        terminal: Any = v[i + _terminal]
        seen: Any = last_seen.get(terminal)
        if seen is not None and received - cython.cast(cython.longlong, seen) < step_ms:
            continue
        known: Any = newest.get(terminal)
        if known is None or received > cython.cast(cython.longlong, known):
            newest[terminal] = received
    last_seen.update(newest)
    return list(newest.items())


def flag_changes(
    integers: Any, count: cython.Py_ssize_t, slots: dict[int, int], state: Any
) -> list[tuple[int, int, int, int, int]]:
    """Rows whose flags are not those their terminal had; what they are is `pipeline.alarms.FlagEdges`.

    Args:
        integers: as for `copy_rows`.
        count: rows.
        slots: terminal id -> its place in the state, counted from 0; those missing are added.
        state: FLAG_VALUES of each place, 0 behind the last one used; room for `count` more than there are slots.

    Returns:
        Number of the row, alarm flags before and now, video alarm flags before and now.
    """
    v: cython.longlong[::1] = integers
    last: cython.longlong[::1] = state
    found: list[tuple[int, int, int, int, int]] = []
    n: cython.Py_ssize_t
    for n in range(count):
        i: cython.Py_ssize_t = n * _ints
        if v[i + _backfill] or v[i + _time_state] != _time_good:
            continue
        terminal: Any = v[i + _terminal]
        slot: Any = slots.get(terminal)
        if slot is None:
            slot = len(slots)
            slots[terminal] = slot
        s: cython.Py_ssize_t = cython.cast(cython.Py_ssize_t, slot) * _flag_values
        time_ms: cython.longlong = v[i + _time]
        if time_ms < last[s]:
            continue
        alarm: cython.longlong = v[i + _alarm_flags]
        video: cython.longlong = v[i + _video_flags] if v[i + _present] >> _video_bit & 1 else 0
        if time_ms == last[s]:
            alarm |= last[s + 1]
            video |= last[s + 2]
        last[s] = time_ms
        if alarm != last[s + 1] or video != last[s + 2]:
            found.append((n, last[s + 1], alarm, last[s + 2], video))
            last[s + 1] = alarm
            last[s + 2] = video
    return found
