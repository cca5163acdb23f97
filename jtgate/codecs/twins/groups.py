# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The records of a group of the spool, without an object per frame (twin).

`storage.records.pack_frames` writes frames records in fixed widths: those are found here by their bytes, and what is
in them is told as numbers for `LocationColumns.add_many`. Any other record is handed over as it is, for
`storage.records.unpack`, which is the slow truth; a test holds the two against each other.

Cython in pure-Python mode: this file runs unchanged without a compiler.
"""

from array import array
from typing import Any

import cython

from jtgate.codecs.column_tables import by_id

#: Of each frame: where its payload begins, its length, receive time in microseconds, session.
INDEX_VALUES = 4

#: A frames record: array of 5, 1, uint64 receive time, uint64 session, transport, array16 of bin16.
_head_bytes = cython.declare(cython.Py_ssize_t, 24)
_received_at = cython.declare(cython.Py_ssize_t, 3)
_session_at = cython.declare(cython.Py_ssize_t, 12)
_transport_at = cython.declare(cython.Py_ssize_t, 20)
_count_at = cython.declare(cython.Py_ssize_t, 22)
_payload_head_bytes = cython.declare(cython.Py_ssize_t, 3)
_index_values = cython.declare(cython.Py_ssize_t, INDEX_VALUES)

# msgpack by its first byte: bytes that follow, or of the number that says how many follow (plus a type byte of ext).
_FIXED = cython.declare(
    bytes,
    by_id(
        [(0xCA, 4), (0xCB, 8), (0xCC, 1), (0xCD, 2), (0xCE, 4), (0xCF, 8), (0xD0, 1), (0xD1, 2), (0xD2, 4), (0xD3, 8)]
        + [(0xD4, 2), (0xD5, 3), (0xD6, 5), (0xD7, 9), (0xD8, 17)]
    ),
)
_LENGTH = cython.declare(
    bytes,
    by_id(
        [(0xC4, 1), (0xC5, 2), (0xC6, 4), (0xC7, 1), (0xC8, 2), (0xC9, 4), (0xD9, 1), (0xDA, 2), (0xDB, 4)]
        + [(0xDC, 2), (0xDD, 4), (0xDE, 2), (0xDF, 4)]
    ),
)


def split(data: bytes) -> list[Any]:
    """The records of a group in order.

    Returns:
        (transport, index) for frames records that follow each other, INDEX_VALUES numbers for each frame; the bytes
        of any other record.

    Raises:
        ValueError: the last record is cut short, or no msgpack.
    """
    p: cython.p_const_uchar = data
    size: cython.Py_ssize_t = len(data)
    at: cython.Py_ssize_t = 0
    parts: list[Any] = []
    while at < size:
        end: cython.Py_ssize_t = _frames_end(p, at, size)
        if end < 0:
            end = _record_end(p, at, size)
            if end < 0:
                raise ValueError(f"the record at byte {at} is cut short or no msgpack")
            parts.append(data[at:end])
            at = end
            continue
        begin: cython.Py_ssize_t = at
        transport: cython.int = p[at + _transport_at]
        frames: cython.Py_ssize_t = 0
        while end >= 0 and p[at + _transport_at] == transport:
            frames += _number(p, at + _count_at, 2)
            at = end
            end = _frames_end(p, at, size)
        parts.append((transport, _index_of(p, begin, at, frames)))
    return parts


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def _number(p: cython.p_const_uchar, at: cython.Py_ssize_t, size: cython.Py_ssize_t) -> cython.longlong:
    """Big-endian; of 8 bytes only what has no sign."""
    value: cython.longlong = 0
    i: cython.Py_ssize_t
    for i in range(size):
        value = (value << 8) | p[at + i]
    return value


@cython.cfunc
@cython.exceptval(check=False)
def _frames_end(p: cython.p_const_uchar, at: cython.Py_ssize_t, size: cython.Py_ssize_t) -> cython.Py_ssize_t:
    """Where a whole frames record in fixed widths ends; -1 when there is none."""
    if size - at < _head_bytes:
        return -1
    if p[at] != 0x95 or p[at + 1] != 1 or p[at + 2] != 0xCF or p[at + 11] != 0xCF or p[at + 21] != 0xDC:
        return -1
    if (p[at + _received_at] | p[at + _session_at] | p[at + _transport_at]) & 0x80:
        return -1
    left: cython.longlong = _number(p, at + _count_at, 2)
    at += _head_bytes
    while left > 0:
        if size - at < _payload_head_bytes or p[at] != 0xC5:
            return -1
        at += _payload_head_bytes + _number(p, at + 1, 2)
        left -= 1
    return at if at <= size else -1


@cython.cfunc
@cython.exceptval(check=False)
def _record_end(p: cython.p_const_uchar, at: cython.Py_ssize_t, size: cython.Py_ssize_t) -> cython.Py_ssize_t:
    """Where a value of msgpack ends; -1 when it is cut short or none."""
    fixed: cython.p_const_uchar = _FIXED
    length: cython.p_const_uchar = _LENGTH
    left: cython.longlong = 1
    while left > 0:
        if at >= size:
            return -1
        first: cython.int = p[at]
        at += 1
        left -= 1
        if first < 0x80 or first >= 0xE0:
            continue
        if first < 0x90:
            left += 2 * (first & 0x0F)
        elif first < 0xA0:
            left += first & 0x0F
        elif first < 0xC0:
            at += first & 0x1F
        elif first == 0xC1:
            return -1
        elif length[first] == 0:
            at += fixed[first]
        else:
            if size - at < length[first]:
                return -1
            number: cython.longlong = _number(p, at, length[first])
            at += length[first]
            if first >= 0xDE:
                left += 2 * number
            elif first >= 0xDC:
                left += number
            else:
                at += number + (1 if 0xC7 <= first <= 0xC9 else 0)
    return at if at <= size else -1


@cython.cfunc
def _index_of(p: cython.p_const_uchar, at: cython.Py_ssize_t, end: cython.Py_ssize_t, frames: cython.Py_ssize_t) -> Any:
    """The frames of whole records between two places."""
    index = array("q", bytes(8 * frames * _index_values))
    v: cython.longlong[::1] = index
    n: cython.Py_ssize_t = 0
    while at < end:
        received_us: cython.longlong = _number(p, at + _received_at, 8)
        session_id: cython.longlong = _number(p, at + _session_at, 8)
        left: cython.longlong = _number(p, at + _count_at, 2)
        at += _head_bytes
        while left > 0:
            length: cython.longlong = _number(p, at + 1, 2)
            v[n] = at + _payload_head_bytes
            v[n + 1] = length
            v[n + 2] = received_us
            v[n + 3] = session_id
            n += _index_values
            at += _payload_head_bytes + length
            left -= 1
    return index
