"""The fast lane of a connection: frames that need nothing but storing and a general answer (twin).

For every frame of an authenticated terminal with an ordinary report (0x0200, 0x0704, 0x0002) there is
nothing to decide: it goes to the spool and is answered 0x8001 with result 0 once the spool has committed
it. `Lane.feed` does this for a whole read without making an object per frame: it unescapes straight into
the buffer of the next group commit and writes the answers beside it. Everything else (bad bytes, other
messages, sub-packages, another phone, another header) comes back, one event at a time and in order, to be
judged by the session; `jtgate.codecs.framing.FrameReader` is the slow truth of the framing and
`jtgate.storage.records.pack_frames` that of the record.

Sans-IO: bytes come in, bytes go out; the clock, the writing and the waking are callables that the shell gives.
`Lane.receive` has the shape of `data_received`, so that a transport can call it without a line of interpreted
code between the read and the batch. This file is Cython in pure-Python mode: it runs unchanged without a compiler.
"""

from collections.abc import Callable
from typing import Any

import cython

from jtgate.codecs.errors import FrameError, FrameTooLong, StrayBytes
from jtgate.codecs.framing import Frame, open_segment

#: Bytes of a frames record before its first payload: head, two 64-bit integers, transport, array16.
RECORD_HEAD_BYTES = cython.declare(cython.Py_ssize_t, 24)
#: Longest general answer on the wire: flags and 2 × (17 header + 5 body + check), all escaped.
ANSWER_BYTES_MAX = cython.declare(cython.Py_ssize_t, 48)
_FIRST_BUFFER_BYTES = 64 * 1024


@cython.cclass
class Batch:
    """What has arrived since the last group commit: records for the spool, answers for the terminals.

    Args:
        plain_ids: 65536 bytes; for message id i, 0 = not for the fast lane, else 1 + the least body length.
        clock_ns: gives nanoseconds since 1970.
        wake: called once when something is in the batch that was empty.
        bytes_max: records waiting here and in flight together; a lane that exceeds it presses its owner to pause.
    """

    #: Bytes handed to the commit that is under way; set by who commits.
    in_flight = cython.declare(cython.Py_ssize_t, visibility="public")
    #: Bytes received since somebody last took this to zero.
    bytes_in = cython.declare(cython.longlong, visibility="public")
    plain_ids: bytes
    frames: cython.Py_ssize_t
    _answers: list[Any]
    _clock_ns: Any
    _wake: Any
    _awake: cython.bint
    _bytes_max: cython.Py_ssize_t
    _spool: bytearray
    _size: cython.Py_ssize_t
    _out: bytearray

    def __init__(self, plain_ids: bytes, clock_ns: Callable[[], int], wake: Callable[[], None], bytes_max: int) -> None:
        if len(plain_ids) != 65536:
            raise ValueError(f"plain_ids has {len(plain_ids)} bytes, 65536 expected")
        self.plain_ids = plain_ids
        self.in_flight = 0
        self.bytes_in = 0
        self.frames = 0
        self._answers = []
        self._clock_ns = clock_ns
        self._wake = wake
        self._awake = False
        self._bytes_max = bytes_max
        self._spool = bytearray(_FIRST_BUFFER_BYTES)
        self._size = 0
        self._out = bytearray(_FIRST_BUFFER_BYTES)

    @property
    def size(self) -> int:
        """Bytes of records waiting for the spool."""
        return self._size

    @property
    def count(self) -> int:
        """Frames waiting for the spool."""
        return self.frames

    def add_record(self, record: bytes, frames: int) -> None:
        """Append a record packed elsewhere."""
        self._reserve(len(record))
        self._spool[self._size : self._size + len(record)] = record
        self._size += len(record)
        self.frames += frames
        self._stir()

    def add_answer(self, lane: object, data: bytes) -> None:
        """Queue bytes to be sent on a lane after the commit."""
        self._answers.append(lane)
        self._answers.append(data)

    def take(self) -> tuple[bytes, int, list[Any]]:
        """Hand over records, number of frames and answers, and start anew.

        Answers are a flat list: lane, bytes, lane, bytes, … (a tuple each would wake the garbage collector).
        """
        with memoryview(self._spool) as view:
            data = bytes(view[: self._size])
        taken = (data, self.frames, self._answers)
        self._size = 0
        self.frames = 0
        self._answers = []
        self._awake = False
        return taken

    @cython.cfunc
    def _stir(self) -> cython.void:
        if not self._awake:
            self._awake = True
            self._wake()

    @cython.cfunc
    def _reserve(self, more: cython.Py_ssize_t) -> cython.void:
        need: cython.Py_ssize_t = self._size + more
        if need > len(self._spool):
            self._spool.extend(bytes(max(need - len(self._spool), len(self._spool))))

    @cython.cfunc
    def _reserve_out(self, need: cython.Py_ssize_t) -> cython.void:
        if need > len(self._out):
            self._out.extend(bytes(need - len(self._out)))


@cython.cclass
class Lane:
    """Framing of one connection, and the fast lane once `open` has pinned the terminal.

    Args:
        owner: the connection; `owner.on_event(event, now_us)` gets what the lane does not take, `owner.press()`
            is called when too much waits for the commit.
        batch: shared by all connections.
        write: sends bytes to the terminal.
        frame_bytes_max: escaped bytes between two flags, as for FrameReader.
    """

    is_open = cython.declare(cython.bint, visibility="readonly")
    frames = cython.declare(cython.longlong, visibility="readonly")
    bytes_in = cython.declare(cython.longlong, visibility="readonly")
    bad_frames = cython.declare(cython.longlong, visibility="readonly")
    last_us = cython.declare(cython.longlong, visibility="public")
    last_msg_id = cython.declare(cython.int, visibility="public")
    serial_out = cython.declare(cython.int, visibility="public")
    _owner: Any
    _batch: Batch
    _write: Any
    _limit: cython.Py_ssize_t
    _rest: bytes
    _offset: cython.Py_ssize_t
    _position: cython.longlong
    _in_frame: cython.bint
    _after_frame: cython.bint
    _skipping: cython.bint
    _head: bytes
    _header_bytes: cython.Py_ssize_t
    _bits: cython.int
    _session_id: cython.ulonglong
    _transport: cython.uchar

    def __init__(self, owner: object, batch: Batch, write: Callable[[bytes], object], frame_bytes_max: int) -> None:
        self._owner = owner
        self._batch = batch
        self._write = write
        self.is_open = False
        self.frames = 0
        self.bytes_in = 0
        self.bad_frames = 0
        self.last_us = 0
        self.last_msg_id = 0
        self.serial_out = 0
        self._limit = frame_bytes_max
        self._rest = b""
        self._offset = 0
        self._position = 0
        self._in_frame = False
        self._after_frame = False
        self._skipping = False
        self._head = b""
        self._header_bytes = 12
        self._bits = 0
        self._session_id = 0
        self._transport = 0

    def open(self, raw_phone: bytes, protocol_version: int, session_id: int, transport: int) -> None:
        """Pin the terminal: frames with this phone and header may take the fast lane from now on.

        Args:
            raw_phone: 6 BCD bytes (2011/2013 header) or 10 (2019 header).
            protocol_version: version byte of the 2019 header, ignored for the others.
            session_id: goes into the records.
            transport: goes into the records.
        """
        long_header = len(raw_phone) == 10
        self._head = (bytes([protocol_version]) if long_header else b"") + raw_phone
        self._header_bytes = 17 if long_header else 12
        self._bits = 0x4000 if long_header else 0
        self._session_id = session_id
        self._transport = transport
        self.is_open = True

    def shut(self) -> None:
        """Send every frame to the session again."""
        self.is_open = False

    def close(self) -> None:
        """The connection is over: nothing is written any more, and nothing is held on to."""
        self.is_open = False
        self._write = None
        self._owner = None
        self._rest = b""

    def write(self, data: bytes) -> None:
        """Send bytes to the terminal; harmless after `close`."""
        if self._write is not None:
            self._write(data)

    def receive(self, data: bytes) -> None:
        """Take one read; what it makes of it is in the batch or with the owner afterwards."""
        batch: Batch = self._batch
        now_ns: cython.longlong = batch._clock_ns()
        batch.bytes_in += len(data)
        event = self.feed(data, batch, now_ns // 1000)
        if event is not None and self._owner is not None:
            self._owner.on_event(event, now_ns // 1000)
        if batch._size:
            batch._stir()
            if batch._size + batch.in_flight > batch._bytes_max and self._owner is not None:
                self._owner.press()

    def next_serial(self) -> int:
        """Serial number for the next message of ours to this terminal, 0..65535 with wrap (§10.4)."""
        serial = self.serial_out
        self.serial_out = (serial + 1) & 0xFFFF
        return serial

    @property
    def pending(self) -> int:
        """Bytes held back because their frame is not complete."""
        return len(self._rest) - self._offset

    def reset(self) -> FrameError | None:
        """Forget an unfinished frame (end of a datagram or of the stream); the error to count, if any."""
        rest = self._rest[self._offset :]
        skipping = self._skipping
        self._rest = b""
        self._offset = 0
        self._in_frame = False
        self._after_frame = False
        self._skipping = False
        position = self._position
        self._position += len(rest)
        if not rest or skipping:
            return None
        self.bad_frames += 1
        return StrayBytes("the stream ends inside a frame", offset=position, raw=rest)

    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.cdivision(True)
    def feed(self, more: bytes, batch: Batch, now_us: cython.longlong) -> Frame | FrameError | None:
        """Take bytes; handle what the fast lane can; stop at the first event that needs the session.

        Args:
            more: bytes as they arrived; b"" to go on after an event.
            batch: receives records and answers.
            now_us: receive time, microseconds since 1970.

        Returns:
            A frame or a frame error for the session, after which feed(b"") goes on; None when all
            bytes are used up.
        """
        data: bytes = more
        start: cython.Py_ssize_t = 0  # first byte of the open stretch
        if self._rest:
            if more:
                data = self._rest[self._offset :] + more
            else:
                data = self._rest
                start = self._offset
            self._rest = b""
        self._offset = 0
        end: cython.Py_ssize_t = len(data)
        if more:
            self.bytes_in += len(more)
            self.last_us = now_us
        # Worst case: every byte of the read becomes payload, every 15th an answer.
        batch._reserve(end - start + RECORD_HEAD_BYTES + 3 * ((end - start) // 13 + 2))
        batch._reserve_out(((end - start) // 13 + 2) * ANSWER_BYTES_MAX)
        # Typed as C pointers when compiled; as plain Python these are the bytes objects themselves.
        source: cython.p_uchar = data
        spool: cython.p_uchar = batch._spool
        out: cython.p_uchar = batch._out
        plain_ids: cython.p_uchar = batch.plain_ids
        base: cython.Py_ssize_t = batch._size  # where this feed's record begins
        at: cython.Py_ssize_t = base + RECORD_HEAD_BYTES  # where the next payload's length goes
        count: cython.Py_ssize_t = 0
        out_size: cython.Py_ssize_t = 0
        event: Any = None
        i: cython.Py_ssize_t = start
        while i < end:
            # One pass: copy up to the flag, unescaping and adding up the check byte.
            n: cython.Py_ssize_t = at + 3
            check: cython.uchar = 0
            byte: cython.uchar = 0
            faulty: cython.bint = False
            while i < end:
                byte = source[i]
                if byte == 0x7E:
                    break
                if byte == 0x7D and i + 1 < end:
                    follower: cython.uchar = source[i + 1]
                    if follower == 0x01:
                        i += 1
                    elif follower == 0x02:
                        byte = 0x7E
                        i += 1
                    else:
                        faulty = True
                spool[n] = byte
                n += 1
                check ^= byte
                i += 1
            if i >= end:  # no flag: wait for more, or give the stretch up
                event = self._keep(data, start)
                start = end
                break
            length: cython.Py_ssize_t = n - at - 4  # header and body, without the check byte
            good: cython.bint = False
            if i > start and not self._skipping:
                if self._in_frame and check == 0 and length >= 12 and i - start <= self._limit and not faulty:
                    good = True
                    if self.is_open and self._plain(spool, at + 3, length, plain_ids):
                        spool[at] = 0xC5
                        spool[at + 1] = (length >> 8) & 0xFF
                        spool[at + 2] = length & 0xFF
                        out_size = self._answer(spool, at + 3, out, out_size)
                        at += 3 + length
                        count += 1
                    else:
                        event = Frame(bytes(spool[at + 3 : at + 3 + length]), self._position)
                else:
                    event = self._judge(data[start:i])
                    good = isinstance(event, Frame)
            self._position += i - start + 1
            self._in_frame = True
            self._after_frame = good
            self._skipping = False
            if good:
                self.frames += 1
            i += 1
            start = i
            if event is not None:
                break
        if count:
            self._finish_record(batch, base, at, count, now_us)
            batch._answers.append(self)
            batch._answers.append(bytes(out[:out_size]))
        if start < end:
            self._rest = data
            self._offset = start
        if event is not None and not isinstance(event, Frame):
            self.bad_frames += 1
        return event

    @cython.cfunc
    def _keep(self, data: bytes, start: cython.Py_ssize_t) -> Any:
        """Hold an unfinished stretch, or give it up at the limit and skip to the next flag."""
        held: cython.Py_ssize_t = len(data) - start
        if self._skipping:
            self._position += held
            return None
        if held > self._limit:
            error = FrameTooLong(
                f"no flag within {self._limit} bytes",
                offset=self._position,
                raw=data[start : start + self._limit],
            )
            self._position += held
            self._skipping = True
            return error
        self._rest = data[start:]  # a copy, lest one byte keeps a whole read in memory
        self._offset = 0
        return None

    @cython.cfunc
    def _judge(self, segment: bytes) -> Any:
        """A stretch that is not plainly good: let the slow truth find the words for it."""
        if len(segment) > self._limit:
            return FrameTooLong(
                f"no flag within {self._limit} bytes", offset=self._position, raw=segment[: self._limit]
            )
        if not self._in_frame:
            return StrayBytes("bytes before the first flag", offset=self._position, raw=segment)
        return open_segment(segment, self._position, after_frame=self._after_frame)

    @cython.cfunc
    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.exceptval(check=False)
    def _plain(
        self, spool: cython.p_uchar, at: cython.Py_ssize_t, length: cython.Py_ssize_t, plain_ids: cython.p_uchar
    ) -> cython.bint:
        """True when this frame is an ordinary report of the pinned terminal with a regular header."""
        properties: cython.int = (spool[at + 2] << 8) | spool[at + 3]
        if (properties & 0x7C00) != self._bits:
            return False
        body: cython.int = properties & 0x03FF
        if body + self._header_bytes != length:
            return False
        msg_id: cython.int = (spool[at] << 8) | spool[at + 1]
        least: cython.int = plain_ids[msg_id]
        if least == 0 or body + 1 < least:
            return False
        head: cython.p_uchar = self._head
        k: cython.Py_ssize_t = 0
        head_bytes: cython.Py_ssize_t = self._header_bytes - 6
        while k < head_bytes:
            if spool[at + 4 + k] != head[k]:
                return False
            k += 1
        self.last_msg_id = msg_id
        return True

    @cython.cfunc
    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.exceptval(check=False)
    def _answer(
        self, spool: cython.p_uchar, at: cython.Py_ssize_t, out: cython.p_uchar, size: cython.Py_ssize_t
    ) -> cython.Py_ssize_t:
        """Write 0x8001 result 0 for the frame at `at`; returns the new size of `out`."""
        head: cython.p_uchar = self._head
        head_bytes: cython.Py_ssize_t = self._header_bytes - 6
        serial_at: cython.Py_ssize_t = at + 4 + head_bytes
        serial: cython.int = self.serial_out
        self.serial_out = (serial + 1) & 0xFFFF
        check: cython.int = 0x80 ^ 0x01 ^ (self._bits >> 8) ^ 0x05
        out[size] = 0x7E
        out[size + 1] = 0x80
        out[size + 2] = 0x01
        out[size + 3] = self._bits >> 8
        out[size + 4] = 0x05
        size += 5
        total: cython.Py_ssize_t = head_bytes + 8
        k: cython.Py_ssize_t = 0
        byte: cython.int = 0
        while k < total:
            j: cython.Py_ssize_t = k - head_bytes
            if j < 0:
                byte = head[k]
            elif j == 0:
                byte = serial >> 8
            elif j == 1:
                byte = serial & 0xFF
            elif j < 4:
                byte = spool[serial_at + j - 2]
            elif j < 6:
                byte = spool[at + j - 4]
            elif j == 6:
                byte = 0  # result 0, success
            else:
                byte = check
            check ^= byte
            if byte == 0x7D:
                out[size] = 0x7D
                out[size + 1] = 0x01
                size += 2
            elif byte == 0x7E:
                out[size] = 0x7D
                out[size + 1] = 0x02
                size += 2
            else:
                out[size] = byte
                size += 1
            k += 1
        out[size] = 0x7E
        return size + 1

    @cython.cfunc
    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.exceptval(check=False)
    def _finish_record(
        self,
        batch: Batch,
        base: cython.Py_ssize_t,
        end: cython.Py_ssize_t,
        count: cython.Py_ssize_t,
        now_us: cython.ulonglong,
    ) -> cython.void:
        """Write the head of the frames record whose payloads already stand behind it."""
        spool: cython.p_uchar = batch._spool
        spool[base] = 0x95
        spool[base + 1] = 0x01
        spool[base + 2] = 0xCF
        spool[base + 11] = 0xCF
        session_id: cython.ulonglong = self._session_id
        k: cython.int = 0
        while k < 8:
            shift: cython.int = 56 - 8 * k
            spool[base + 3 + k] = (now_us >> shift) & 0xFF
            spool[base + 12 + k] = (session_id >> shift) & 0xFF
            k += 1
        spool[base + 20] = self._transport
        spool[base + 21] = 0xDC
        spool[base + 22] = (count >> 8) & 0xFF
        spool[base + 23] = count & 0xFF
        batch._size = end
        batch.frames += count


def send_all(answers: list[Any]) -> int:
    """Write answers, as `Batch.take` gives them, each to its lane; returns how many could not be written.

    A connection that fails here fails alone; its transport reports the loss by itself.
    """
    failed: cython.Py_ssize_t = 0
    i: cython.Py_ssize_t = 0
    size: cython.Py_ssize_t = len(answers)
    while i < size:
        lane: Lane = answers[i]
        if lane._write is None:
            failed += 1
        else:
            try:
                lane._write(answers[i + 1])
            except (OSError, RuntimeError):
                failed += 1
        i += 2
    return failed
