# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Location reports straight into columns: 0x0200, 0x0201 and 0x0704 without an object per frame (twin).

The slow truth is the declaration of 0x0200 (JT/T 808 §4) with `header.parse_header`, `timebase` and
`codecs.fingerprint`; tests hold compiled, plain and slow against each other. Two flat arrays grow with
the batch, one stripe of integers and one of doubles per row; text of items without a column goes into a
third. What can be read out of them stands in `column_rows`.

Fingerprint: FNV-1a 64 over the location body alone, so that a report resent by itself, in a batch or
after a query leaves one row. Without a calendar time that key would merge reports that only look alike
(a parked terminal before its first fix sends the same bytes again and again), so for a 0x0200 without
a time the two bytes of the header serial are mixed in as well: a retransmission keeps its serial.

What is tolerated on the way is counted, see `deviations`: a few comparisons whose branches are hardly ever taken.

Cython in pure-Python mode: this file runs unchanged without a compiler.
"""

from array import array
from typing import Any

import cython

from jtgate.codecs import column_tables as tables
from jtgate.codecs import deviations as dev
from jtgate.codecs import fingerprint as fnv
from jtgate.codecs import header, timebase
from jtgate.codecs.column_tables import (
    ALARM_ITEMS,
    INTEGER_ITEMS,
    LOCATION_BATCH,
    LOCATION_REPORT,
    NOTED,
    ONE_BYTE_MORE_ITEMS,
    OTHER_LENGTHS,
    OVERSPEED_BYTES,
    OVERSPEED_ITEM,
    TENTHS_ITEMS,
    by_id,
)
from jtgate.codecs.twins import load, load_pure

#: Read out by machine code of what machine code has filled.
_out = load("column_rows") if cython.compiled else load_pure("column_rows")

#: `add` answers: the body is not as the standard says; the slow truth tells how, and what can be saved.
IRREGULAR = -1
#: `add` answers: no 0x0200 or 0x0704, or sub-packaged, encrypted, or shorter than its header.
NOT_PLAIN = -2

_WITH_COLUMN = TENTHS_ITEMS + INTEGER_ITEMS
_SLOT_OF = cython.declare(bytes, by_id([(item[0], slot) for slot, item in enumerate(_WITH_COLUMN, 1)]))  # 0: no column
_LENGTH_OF = cython.declare(bytes, by_id([(item[0], item[1]) for item in _WITH_COLUMN]))
_OTHER_LENGTH_OF = cython.declare(bytes, by_id([(item_id, length) for item_id, length in OTHER_LENGTHS]))
_ONE_MORE_SHORT = cython.declare(bytes, by_id([(item_id, length) for item_id, length, _ in ONE_BYTE_MORE_ITEMS]))
_ONE_MORE_LONG = cython.declare(bytes, by_id([(item_id, length) for item_id, _, length in ONE_BYTE_MORE_ITEMS]))
_IS_ALARM = cython.declare(bytes, by_id([(item_id, 1) for item_id in ALARM_ITEMS]))
_MONTH_DAYS = cython.declare(bytes, bytes((0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)))
_HEX = cython.declare(bytes, b"0123456789abcdef")
_BEFORE_ID = cython.declare(bytes, b'{"id":')
_NULL = cython.declare(bytes, b"null")
_ZERO_X = cython.declare(bytes, b'"0x')
_BEFORE_RAW = cython.declare(bytes, b',"raw":"')
_before_id_bytes = cython.declare(cython.Py_ssize_t, len(_BEFORE_ID))
_before_raw_bytes = cython.declare(cython.Py_ssize_t, len(_BEFORE_RAW))

# Facts of other modules as C variables: a lookup of a Python global per use would cost more than the use.
_length_mask = cython.declare(cython.uint, header.LENGTH_MASK)
_encryption_mask = cython.declare(cython.uint, 7 << header.ENCRYPTION_SHIFT)
_part_bit = cython.declare(cython.uint, header.PART_BIT)
_version_bit = cython.declare(cython.uint, header.VERSION_BIT)
_century = cython.declare(cython.int, timebase.CENTURY)
_future_limit_ms = cython.declare(cython.longlong, timebase.FUTURE_LIMIT_MS)
_believed_from_ms = cython.declare(cython.longlong, timebase.BELIEVED_FROM_MS)
_time_good = cython.declare(cython.int, timebase.TIME_GOOD)
_time_not_a_date = cython.declare(cython.int, timebase.TIME_NOT_A_DATE)
_time_in_future = cython.declare(cython.int, timebase.TIME_IN_FUTURE)
_fnv_offset = cython.declare(cython.ulonglong, fnv.FNV_OFFSET)
_fnv_prime = cython.declare(cython.ulonglong, fnv.FNV_PRIME)
_tenths_items = cython.declare(cython.Py_ssize_t, len(TENTHS_ITEMS))
_irregular = cython.declare(cython.int, IRREGULAR)
_not_plain = cython.declare(cython.int, NOT_PLAIN)

BASE_BYTES = 28  # 位置基本信息
BATCH_HEAD_BYTES = 3
_base_bytes = cython.declare(cython.Py_ssize_t, BASE_BYTES)
_batch_head_bytes = cython.declare(cython.Py_ssize_t, BATCH_HEAD_BYTES)

# Stripes: where a value of a row lies in its stripe of integers, and of doubles; the rest is in `column_tables.ROW`.
_INTEGERS = tables.INTEGERS
_REALS = tables.REALS
_int_stripe = cython.declare(cython.Py_ssize_t, tables.INTEGERS)
_int_items = cython.declare(cython.Py_ssize_t, tables.FIRST_ITEM)
_int_analog_1 = cython.declare(cython.Py_ssize_t, tables.ANALOG_1)
_int_fatigue = cython.declare(cython.Py_ssize_t, tables.FATIGUE)
_int_present = cython.declare(cython.Py_ssize_t, tables.PRESENT)
_int_text_start = cython.declare(cython.Py_ssize_t, tables.TEXT_START)
_int_text_end = cython.declare(cython.Py_ssize_t, tables.TEXT_END)
_real_stripe = cython.declare(cython.Py_ssize_t, tables.REALS)
_real_tenths = cython.declare(cython.Py_ssize_t, tables.FIRST_TENTHS)

_one = cython.declare(cython.uint, 1)
_noted_count = cython.declare(cython.int, len(NOTED))
_version_bit_set = cython.declare(cython.uint, 1 << NOTED.index(header.DEV_VERSION_BIT_SET))
_version_bit_missing = cython.declare(cython.uint, 1 << NOTED.index(header.DEV_VERSION_BIT_MISSING))
_part_bit_wrong = cython.declare(cython.uint, 1 << NOTED.index(header.DEV_PART_BIT_WRONG))
_length_mismatch = cython.declare(cython.uint, 1 << NOTED.index(header.DEV_LENGTH_MISMATCH))
_phone_not_bcd = cython.declare(cython.uint, 1 << NOTED.index(header.DEV_PHONE_NOT_BCD))
_signed_coordinate = cython.declare(cython.uint, 1 << NOTED.index(dev.LOCATION_SIGNED_COORDINATE))
_out_of_range = cython.declare(cython.uint, 1 << NOTED.index(dev.VALUE_OUT_OF_RANGE))
_no_date = cython.declare(cython.uint, 1 << NOTED.index(dev.TIME_NOT_A_DATE))
_length_unknown = cython.declare(cython.uint, 1 << NOTED.index(dev.ITEM_LENGTH_UNKNOWN))
_overrun = cython.declare(cython.uint, 1 << NOTED.index(dev.LOCATION_ITEMS_OVERRUN))
_overspeed_item = cython.declare(cython.int, OVERSPEED_ITEM)
_overspeed_bytes = cython.declare(cython.Py_ssize_t, OVERSPEED_BYTES)
_alarm_bit = cython.declare(cython.uint, 1 << tables.HAS_ALARM)
_fatigue_bit = cython.declare(cython.uint, 1 << tables.HAS_FATIGUE)
_latitude_bit = cython.declare(cython.uint, 1 << tables.HAS_LATITUDE)
_longitude_bit = cython.declare(cython.uint, 1 << tables.HAS_LONGITUDE)
_abnormal_item = cython.declare(cython.int, 0x18)
_analog_item = cython.declare(cython.int, 0x2B)

#: Most bytes of text that one byte of items can turn into: an empty item, 2 bytes, is 24 bytes of JSON.
_text_per_byte = cython.declare(cython.Py_ssize_t, 12)
_text_spare = cython.declare(cython.Py_ssize_t, 64)


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def _u16(p: cython.p_const_uchar, at: cython.Py_ssize_t) -> cython.uint:
    high: cython.uint = p[at]
    return (high << 8) | p[at + 1]


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def _u32(p: cython.p_const_uchar, at: cython.Py_ssize_t) -> cython.uint:
    high: cython.uint = _u16(p, at)
    return (high << 16) | _u16(p, at + 2)


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def _fnv_mix(
    value: cython.ulonglong, p: cython.p_const_uchar, at: cython.Py_ssize_t, end: cython.Py_ssize_t
) -> cython.ulonglong:
    i: cython.Py_ssize_t
    if cython.compiled:
        for i in range(at, end):
            value = (value ^ p[i]) * _fnv_prime
        return value
    for i in range(at, end):
        value = ((value ^ p[i]) * _fnv_prime) & 0xFFFFFFFFFFFFFFFF
    return value


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def _signed(value: cython.ulonglong) -> cython.longlong:
    if not cython.compiled and value >> 63:
        return value - (1 << 64)
    return cython.cast(cython.longlong, value)


@cython.cfunc
@cython.exceptval(check=False)
def _plain_header(p: cython.p_const_uchar, at: cython.Py_ssize_t, length: cython.Py_ssize_t) -> cython.Py_ssize_t:
    """Header bytes by the arithmetic of `header.parse_header`; NOT_PLAIN for parts, encryption, short ones."""
    if length < 12:
        return _not_plain
    properties: cython.uint = _u16(p, at + 2)
    if properties & _encryption_mask:
        return _not_plain
    versioned: cython.bint = 1 <= p[at + 4] <= 0x0F
    size: cython.Py_ssize_t = length - (properties & _length_mask)
    if size in (17, 21) and not properties & _version_bit and not versioned:
        size = 0
    if size == 16 or size == 21:
        return _not_plain
    if size != 12 and size != 17:
        if properties & _part_bit:
            return _not_plain
        size = 17 if properties & _version_bit and versioned else 12
    return size if length >= size else _not_plain


@cython.cfunc
@cython.exceptval(check=False)
def _device_time_ms(p: cython.p_const_uchar, at: cython.Py_ssize_t) -> cython.longlong:
    """BCD YYMMDDhhmmss in GMT+8 as milliseconds since 1970; 0 when it is no calendar time."""
    i: cython.Py_ssize_t
    for i in range(at, at + 6):
        if (p[i] & 0x0F) > 9 or (p[i] >> 4) > 9:
            return 0
    year: cython.longlong = _century + (p[at] >> 4) * 10 + (p[at] & 0x0F)
    month: cython.longlong = (p[at + 1] >> 4) * 10 + (p[at + 1] & 0x0F)
    day: cython.longlong = (p[at + 2] >> 4) * 10 + (p[at + 2] & 0x0F)
    hour: cython.longlong = (p[at + 3] >> 4) * 10 + (p[at + 3] & 0x0F)
    minute: cython.longlong = (p[at + 4] >> 4) * 10 + (p[at + 4] & 0x0F)
    second: cython.longlong = (p[at + 5] >> 4) * 10 + (p[at + 5] & 0x0F)
    if month < 1 or month > 12 or day < 1 or hour > 23 or minute > 59 or second > 59:
        return 0
    month_days: cython.p_const_uchar = _MONTH_DAYS
    last_day: cython.longlong = month_days[month]
    if month == 2 and year % 4 == 0:  # right for 2000..2099
        last_day = 29
    if day > last_day:
        return 0
    # Days from civil, with years that begin in March so that the leap day is the last.
    if month <= 2:
        year -= 1
    of_era: cython.longlong = year % 400
    of_year: cython.longlong = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    days: cython.longlong = (year // 400) * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468
    return (((days * 24 + hour - 8) * 60 + minute) * 60 + second) * 1000


def fingerprint(data: bytes) -> int:
    """Twin of `codecs.fingerprint.fingerprint`."""
    p: cython.p_const_uchar = data
    return _signed(_fnv_mix(_fnv_offset, p, 0, len(data)))


def location_phone(payload: bytes) -> bytes:
    """The phone bytes of the header when `LocationColumns.add` would take this payload, else b"".

    Args:
        payload: header and body, unescaped, without the check byte.
    """
    p: cython.p_const_uchar = payload
    size: cython.Py_ssize_t = _plain_header(p, 0, len(payload))
    if size < 0:
        return b""
    msg_id: cython.uint = _u16(p, 0)
    if msg_id != LOCATION_REPORT and msg_id != LOCATION_BATCH:
        return b""
    return payload[4:10] if size == 12 else payload[5:15]


@cython.cclass
class LocationColumns:
    """A growing batch of location reports as columns.

    It never gives memory back before `clear` and grows as long as reports are added: whoever adds
    bounds the batch by `len()`.

    Args:
        capacity: rows to make room for at first, at least 1.
    """

    _count: cython.Py_ssize_t
    _capacity: cython.Py_ssize_t
    _found: cython.uint  # bits of what is tolerated in the row being read
    _seen: list[int]
    _text_used: cython.Py_ssize_t
    _text_capacity: cython.Py_ssize_t
    _integer_array: Any
    _real_array: Any
    _text_array: Any
    _integers: cython.longlong[::1]
    _reals: cython.double[::1]
    _text: cython.uchar[::1]

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"a capacity of {capacity} rows")
        self._count = 0
        self._capacity = 0
        self._found = 0
        self._seen = [0] * len(NOTED)
        self._text_used = 0
        self._text_capacity = 0
        self._integer_array = array("q")
        self._real_array = array("d")
        self._text_array = bytearray()
        self._grow_rows(capacity)
        self._grow_text(capacity * 64)

    def __len__(self) -> int:
        return self._count

    def clear(self) -> None:
        """Forget all rows; the memory is kept for the next batch."""
        self._count = 0
        self._text_used = 0

    def deviations(self) -> dict[str, int]:
        """How often each deviation was tolerated by `add`, by frame or by location, since this was last asked."""
        found = {name: number for name, number in zip(NOTED, self._seen, strict=True) if number}
        self._seen = [0] * len(NOTED)
        return found

    def add(
        self,
        payload: bytes,
        terminal_id: cython.longlong,
        received_ms: cython.longlong,
        session_id: cython.longlong,
        spool_seq: cython.longlong,
    ) -> int:
        """Take a frame with a 0x0200 or 0x0704.

        Args:
            payload: header and body, unescaped, without the check byte.
            terminal_id: key of the terminal in the store.
            received_ms: receive time, milliseconds since 1970.
            session_id: session it came on.
            spool_seq: group of the spool that holds it.

        Returns:
            Number of rows added; IRREGULAR or NOT_PLAIN when none was.
        """
        p: cython.p_const_uchar = payload
        length: cython.Py_ssize_t = len(payload)
        size: cython.Py_ssize_t = _plain_header(p, 0, length)
        if size < 0:
            return _not_plain
        return self._frame(p, 0, length, size, terminal_id, received_ms, session_id, spool_seq)

    def add_many(
        self, data: bytes, index: Any, first: cython.Py_ssize_t, ids: dict[bytes, int], spool_seq: cython.longlong
    ) -> int:
        """Take frames of a group of the spool, up to one that has to be looked at otherwise.

        Args:
            data: the group.
            index: where its frames are, as `groups.split` says.
            first: number of the first frame to take.
            ids: phone bytes of a header -> key of the terminal in the store.
            spool_seq: number of the group.

        Returns:
            Number of the first frame that was not taken: its phone is not in `ids`, or `add` would refuse it.
        """
        p: cython.p_const_uchar = data
        frames: cython.longlong[::1] = index
        count: cython.Py_ssize_t = len(index) // 4
        n: cython.Py_ssize_t = first
        while n < count:
            at: cython.Py_ssize_t = frames[n * 4]
            length: cython.Py_ssize_t = frames[n * 4 + 1]
            size: cython.Py_ssize_t = _plain_header(p, at, length)
            if size < 0:
                break
            terminal_id: object = ids.get(p[at + 4 : at + 10] if size == 12 else p[at + 5 : at + 15])
            if terminal_id is None:
                break
            received_ms: cython.longlong = frames[n * 4 + 2] // 1000
            session_id: cython.longlong = frames[n * 4 + 3]
            if self._frame(p, at, length, size, terminal_id, received_ms, session_id, spool_seq) <= 0:
                break
            n += 1
        return n

    @cython.cfunc
    def _frame(
        self,
        p: cython.p_const_uchar,
        at: cython.Py_ssize_t,
        length: cython.Py_ssize_t,
        size: cython.Py_ssize_t,
        terminal_id: cython.longlong,
        received_ms: cython.longlong,
        session_id: cython.longlong,
        spool_seq: cython.longlong,
    ) -> cython.longlong:
        """What `add` does with a payload of `length` bytes at `at`, of which `size` are its header."""
        start: cython.Py_ssize_t = at + size
        end: cython.Py_ssize_t = start + (_u16(p, at + 2) & _length_mask)
        end = min(end, at + length)
        serial: cython.uint = _u16(p, start - 2)
        msg_id: cython.uint = _u16(p, at)
        added: cython.longlong = _not_plain
        if msg_id == 0x0200:
            text_before: cython.Py_ssize_t = self._text_used
            added = _irregular
            if end - start >= _base_bytes:
                self._row(p, start, end, msg_id, serial, 0, terminal_id, received_ms, session_id, spool_seq)
                added = 1
                if self._found:
                    if self._found & _overrun and _is_one_too_long(p, start + _base_bytes, end):
                        self._count -= 1
                        self._text_used = text_before
                        return _irregular
                    self._note(self._found)
        elif msg_id == 0x0704:
            added = self._batch(p, start, end, serial, terminal_id, received_ms, session_id, spool_seq)
        if added > 0:
            tolerated: cython.uint = _header_deviations(p, at, size, length)
            if tolerated:
                self._note(tolerated)
        return added

    def add_body(
        self,
        body: bytes,
        msg_id: cython.uint,
        serial: cython.uint,
        backfill: cython.bint,
        terminal_id: cython.longlong,
        received_ms: cython.longlong,
        session_id: cython.longlong,
        spool_seq: cython.longlong,
    ) -> int:
        """Take one bare location body 位置信息汇报消息体 (inside a 0x0201, reassembled, or one item of a 0x0704).

        Args:
            body: base information and items.
            msg_id: id of the message it came in.
            serial: serial of its header.
            backfill: it came in a 0x0704 of type 1, 盲区补报.
            terminal_id: as for `add`.
            received_ms: as for `add`.
            session_id: as for `add`.
            spool_seq: as for `add`.

        Returns:
            1, or IRREGULAR when the body is shorter than the base information.
        """
        p: cython.p_const_uchar = body
        if len(body) < _base_bytes:
            return _irregular
        self._row(p, 0, len(body), msg_id, serial, backfill, terminal_id, received_ms, session_id, spool_seq)
        return 1

    @cython.cfunc
    def _batch(
        self,
        p: cython.p_const_uchar,
        start: cython.Py_ssize_t,
        end: cython.Py_ssize_t,
        serial: cython.uint,
        terminal_id: cython.longlong,
        received_ms: cython.longlong,
        session_id: cython.longlong,
        spool_seq: cython.longlong,
    ) -> cython.longlong:
        """All items of a 0x0704 (§5.1), or none when anything about it is irregular."""
        rows_before: cython.Py_ssize_t = self._count
        text_before: cython.Py_ssize_t = self._text_used
        seen_before: Any = None
        if end - start < _batch_head_bytes:
            return _irregular
        announced: cython.Py_ssize_t = _u16(p, start)
        backfill: cython.bint = p[start + 2] == 1
        at: cython.Py_ssize_t = start + _batch_head_bytes
        item_end: cython.Py_ssize_t
        while end - at >= 2:
            item_end = at + 2 + _u16(p, at)
            if item_end > end or item_end - at - 2 < _base_bytes:
                break
            self._row(p, at + 2, item_end, 0x0704, serial, backfill, terminal_id, received_ms, session_id, spool_seq)
            if self._found:
                if self._found & _overrun and _is_one_too_long(p, at + 2 + _base_bytes, item_end):
                    break
                if seen_before is None:
                    seen_before = list(self._seen)
                self._note(self._found)
            at = item_end
        added: cython.Py_ssize_t = self._count - rows_before
        if at != end or added != announced or added == 0:
            self._count = rows_before
            self._text_used = text_before
            if seen_before is not None:
                self._seen = seen_before
            return _irregular
        return added

    @cython.cfunc
    def _note(self, found: cython.uint) -> cython.int:
        """Count what the bits say."""
        seen: list[int] = self._seen
        i: cython.int
        for i in range(_noted_count):
            if found >> i & 1:
                seen[i] += 1
        return 0

    @cython.cfunc
    def _row(
        self,
        p: cython.p_const_uchar,
        start: cython.Py_ssize_t,
        end: cython.Py_ssize_t,
        msg_id: cython.uint,
        serial: cython.uint,
        backfill: cython.bint,
        terminal_id: cython.longlong,
        received_ms: cython.longlong,
        session_id: cython.longlong,
        spool_seq: cython.longlong,
    ) -> cython.int:
        """Decode one location body of at least BASE_BYTES."""
        if self._count == self._capacity:
            self._grow_rows(self._capacity * 2)
        if self._text_capacity - self._text_used < (end - start) * _text_per_byte + _text_spare:
            self._grow_text(self._text_capacity * 2 + (end - start) * _text_per_byte + _text_spare)
        integers: cython.longlong[::1] = self._integers
        reals: cython.double[::1] = self._reals
        row: cython.Py_ssize_t = self._count * _int_stripe
        real: cython.Py_ssize_t = self._count * _real_stripe
        time_ms: cython.longlong = _device_time_ms(p, start + 22)
        print_: cython.ulonglong = _fnv_mix(_fnv_offset, p, start, end)
        self._found = 0
        if time_ms == 0 and msg_id == 0x0200:
            print_ = _mix_serial(print_, serial)
        integers[row] = terminal_id
        integers[row + 1] = time_ms
        integers[row + 2] = _signed(print_)
        integers[row + 3] = received_ms
        if time_ms < _believed_from_ms:
            integers[row + 4] = _time_not_a_date
            if time_ms == 0:
                self._found |= _no_date
        else:
            integers[row + 4] = _time_in_future if time_ms > received_ms + _future_limit_ms else _time_good
        integers[row + 5] = session_id
        integers[row + 6] = spool_seq
        integers[row + 7] = serial
        integers[row + 8] = msg_id
        integers[row + 9] = backfill
        integers[row + 10] = _u32(p, start)
        status: cython.uint = _u32(p, start + 4)
        integers[row + 11] = status
        altitude: cython.longlong = _u16(p, start + 16)
        integers[row + 12] = altitude - 0x10000 if altitude > 0x7FFF else altitude
        heading: cython.uint = _u16(p, start + 20)
        integers[row + 13] = heading
        if heading > 359:
            self._found |= _out_of_range
        present: cython.uint = 0
        degrees: cython.longlong = _micro_degrees(_u32(p, start + 8), status & 4)
        if -90_000_000 <= degrees <= 90_000_000:
            present |= _latitude_bit
            reals[real] = degrees / 1e6
        else:
            self._found |= _out_of_range
        degrees = _micro_degrees(_u32(p, start + 12), status & 8)
        if -180_000_000 <= degrees <= 180_000_000:
            present |= _longitude_bit
            reals[real + 1] = degrees / 1e6
        else:
            self._found |= _out_of_range
        if (p[start + 8] | p[start + 12]) & 0x80:
            self._found |= _signed_coordinate
        reals[real + 2] = _u16(p, start + 18) / 10.0
        integers[row + _int_text_start] = self._text_used
        integers[row + _int_present] = present | self._items(p, start + _base_bytes, end, row, real)
        integers[row + _int_text_end] = self._text_used
        self._count += 1
        return 0

    @cython.cfunc
    def _items(
        self,
        p: cython.p_const_uchar,
        at: cython.Py_ssize_t,
        end: cython.Py_ssize_t,
        row: cython.Py_ssize_t,
        real: cython.Py_ssize_t,
    ) -> cython.uint:
        """Items 附加信息 (§4.4) into their columns, all else into text; returns which columns are filled."""
        integers: cython.longlong[::1] = self._integers
        slot_of: cython.p_const_uchar = _SLOT_OF
        is_alarm: cython.p_const_uchar = _IS_ALARM
        length_of: cython.p_const_uchar = _LENGTH_OF
        present: cython.uint = 0
        value: cython.uint
        slot: cython.int
        length: cython.Py_ssize_t
        opened: cython.bint = False
        while end - at >= 2:
            length = p[at + 1]
            if length > end - at - 2:
                break
            slot = slot_of[p[at]]
            bit: cython.uint = _one << slot
            if slot == 0 or present & bit or not _fits(p[at], length, length_of[p[at]]):
                self._write_item(p, at, at + 2, at + 2 + length, opened)
                opened = True
                if is_alarm[p[at]]:
                    present |= _alarm_bit
                if slot and not _fits(p[at], length, length_of[p[at]]):
                    self._found |= _length_unknown
                elif slot == 0 and _is_odd(p[at], length):
                    self._found |= _length_unknown
            else:
                if length == 4:
                    value = _u32(p, at + 2)
                elif length == 1:
                    value = p[at + 2]
                else:
                    value = _u16(p, at + 2)
                present |= bit
                if slot <= _tenths_items:
                    self._reals[real + _real_tenths + slot - 1] = value / 10.0
                elif p[at] == _analog_item:
                    integers[row + _int_items + slot - 1] = value & 0xFFFF
                    integers[row + _int_analog_1] = value >> 16
                else:
                    integers[row + _int_items + slot - 1] = value
                if length == 3:
                    present |= _fatigue_bit
                    integers[row + _int_fatigue] = p[at + 4]
                    if p[at + 4] > 100:
                        self._found |= _out_of_range
            at += 2 + length
        if at < end:
            self._write_item(p, -1, at, end, opened)
            opened = True
            self._found |= _overrun
        if opened:
            self._text[self._text_used] = 0x5D  # ]
            self._text_used += 1
        return present

    @cython.cfunc
    @cython.exceptval(check=False)
    def _write_item(
        self,
        p: cython.p_const_uchar,
        id_at: cython.Py_ssize_t,
        start: cython.Py_ssize_t,
        end: cython.Py_ssize_t,
        opened: cython.bint,
    ) -> cython.void:
        """One element of the JSON list: {"id":"0x64","raw":"…"}, or id null for what is no item."""
        text: cython.uchar[::1] = self._text
        digits: cython.p_const_uchar = _HEX
        at: cython.Py_ssize_t = self._text_used
        text[at] = 0x2C if opened else 0x5B  # , or [
        at = _copy(text, at + 1, _BEFORE_ID, _before_id_bytes)
        if id_at < 0:
            at = _copy(text, at, _NULL, 4)
        else:
            at = _copy(text, at, _ZERO_X, 3)
            text[at] = digits[p[id_at] >> 4]
            text[at + 1] = digits[p[id_at] & 0x0F]
            text[at + 2] = 0x22  # "
            at += 3
        at = _copy(text, at, _BEFORE_RAW, _before_raw_bytes)
        i: cython.Py_ssize_t
        for i in range(start, end):
            text[at] = digits[p[i] >> 4]
            text[at + 1] = digits[p[i] & 0x0F]
            at += 2
        text[at] = 0x22  # "
        text[at + 1] = 0x7D  # }
        self._text_used = at + 2

    @cython.cfunc
    def _grow_rows(self, capacity: cython.Py_ssize_t) -> cython.int:
        more: cython.Py_ssize_t = capacity - self._capacity
        integers = array("q", self._integer_array)
        integers.frombytes(bytes(more * _int_stripe * 8))
        reals = array("d", self._real_array)
        reals.frombytes(bytes(more * _real_stripe * 8))
        self._integer_array = integers
        self._integers = integers
        self._real_array = reals
        self._reals = reals
        self._capacity = capacity
        return 0

    @cython.cfunc
    def _grow_text(self, capacity: cython.Py_ssize_t) -> cython.int:
        text = bytearray(capacity)
        text[: self._text_used] = self._text_array[: self._text_used]
        self._text_array = text
        self._text = text
        self._text_capacity = capacity
        return 0

    def rows(self) -> list[tuple[object, ...]]:
        """The rows, each in the order of POSITION_COLUMNS."""
        found: list[tuple[object, ...]] = _out.rows(
            self._integer_array, self._real_array, self._text_array, 0, self._count
        )
        return found

    def row(self, number: int) -> tuple[object, ...]:
        """One of the rows, counted from 0.

        Raises:
            IndexError: there is none of that number.
        """
        if not 0 <= number < self._count:
            raise IndexError(f"row {number} of {self._count}")
        found: tuple[object, ...] = _out.rows(
            self._integer_array, self._real_array, self._text_array, number, number + 1
        )[0]
        return found

    def copy_rows(self, part: int = 0, parts: int = 1) -> bytes:
        """Rows as fields of PostgreSQL's binary COPY, without its head and end.

        Args:
            part: which part of the rows, from 0.
            parts: into how many they are dealt out, by their terminal.
        """
        packed: bytes = _out.copy_rows(
            self._integer_array, self._real_array, self._text_array, self._count, part, parts
        )
        return packed

    def misdated(self, from_ms: int, to_ms: int) -> int:
        """How many rows have a doubtful time, or one that is not in [from_ms, to_ms)."""
        found: int = _out.misdated(self._integer_array, self._count, from_ms, to_ms)
        return found

    def days(self) -> list[int]:
        """Days of UTC (milliseconds of their beginning) on which the good times lie, rising."""
        found: list[int] = _out.days(self._integer_array, self._count)
        return found

    def hours(self) -> list[tuple[int, int]]:
        """(hour_ms, terminal_id) of good times, rising; terminal 0 in the hour of receipt and the one before."""
        found: list[tuple[int, int]] = _out.hours(self._integer_array, self._count)
        return found

    def alarm_rows(self) -> list[int]:
        """Numbers of the rows with an item of `column_tables.ALARM_ITEMS`."""
        found: list[int] = _out.alarm_rows(self._integer_array, self._count)
        return found

    def heard(self, last_seen: dict[int, int], step_ms: int) -> list[tuple[int, int]]:
        """See `column_rows.heard`."""
        found: list[tuple[int, int]] = _out.heard(self._integer_array, self._count, last_seen, step_ms)
        return found

    def flag_changes(self, slots: dict[int, int], state: Any) -> list[tuple[int, int, int, int, int]]:
        """See `column_rows.flag_changes`."""
        found: list[tuple[int, int, int, int, int]] = _out.flag_changes(self._integer_array, self._count, slots, state)
        return found


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def _mix_serial(value: cython.ulonglong, serial: cython.uint) -> cython.ulonglong:
    value = (value ^ (serial >> 8)) * _fnv_prime
    if not cython.compiled:
        value &= 0xFFFFFFFFFFFFFFFF
    value = (value ^ (serial & 0xFF)) * _fnv_prime
    if not cython.compiled:
        value &= 0xFFFFFFFFFFFFFFFF
    return value


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def _micro_degrees(raw: cython.uint, negative: cython.uint) -> cython.longlong:
    """Magnitude and hemisphere bit, or two's complement when the top bit is set (§4.1)."""
    value: cython.longlong = raw
    if value > 0x7FFFFFFF:
        return value - 0x100000000
    return -value if negative else value


@cython.cfunc
@cython.exceptval(check=False)
def _header_deviations(
    p: cython.p_const_uchar, at: cython.Py_ssize_t, size: cython.Py_ssize_t, length: cython.Py_ssize_t
) -> cython.uint:
    """What `header.parse_header` notes of a header that `_plain_header` has taken."""
    properties: cython.uint = _u16(p, at + 2)
    found: cython.uint = 0
    if size + (properties & _length_mask) != length:
        found |= _length_mismatch
    if size == 12 and properties & _version_bit:
        found |= _version_bit_set
    if size == 17 and not properties & _version_bit:
        found |= _version_bit_missing
    if properties & _part_bit:
        found |= _part_bit_wrong
    i: cython.Py_ssize_t
    for i in range(at + (4 if size == 12 else 5), at + (10 if size == 12 else 15)):
        if p[i] > 0x99 or (p[i] & 0x0F) > 9:
            found |= _phone_not_bcd
    return found


@cython.cfunc
@cython.exceptval(check=False)
def _is_one_too_long(p: cython.p_const_uchar, at: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.bint:
    """Whether a list that overruns ends as it should when alarms that announce a byte too many are taken without."""
    short: cython.p_const_uchar = _ONE_MORE_SHORT
    long: cython.p_const_uchar = _ONE_MORE_LONG
    length: cython.Py_ssize_t
    while end - at >= 2:
        length = p[at + 1]
        if length and (length == short[p[at]] or length == long[p[at]]):
            length -= 1
        at += 2 + length
    return at == end


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def _is_odd(item_id: cython.int, length: cython.Py_ssize_t) -> cython.bint:
    """Whether a known item without a column has a length the table does not have."""
    expected: cython.p_const_uchar = _OTHER_LENGTH_OF
    if expected[item_id] == 0 or length == expected[item_id]:
        return False
    return not (item_id == _overspeed_item and length == _overspeed_bytes)


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def _fits(item_id: cython.int, length: cython.Py_ssize_t, expected: cython.Py_ssize_t) -> cython.bint:
    return length == expected or (length == 3 and item_id == _abnormal_item)


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def _copy(
    text: cython.uchar[::1], at: cython.Py_ssize_t, source: cython.p_const_uchar, length: cython.Py_ssize_t
) -> cython.Py_ssize_t:
    i: cython.Py_ssize_t
    for i in range(length):
        text[at + i] = source[i]
    return at + length
