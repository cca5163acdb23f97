"""Stream of bytes to frames and back (JT/T 808 §1.2, §1.3): the slow truth.

    0x7E | header 消息头 | body 消息体 | check 校验码 (1) | 0x7E
           └──────── escaped: 7D → 7D 01, 7E → 7D 02 ───────┘

Reading answers one of three things, never two: need more (an empty list), here is a frame, or
bad bytes with reason and offset. The recovery scenarios it must survive:

- garbage before the first flag, between frames, inside a frame, after the last one;
- one flag shared by two frames, or any number of flags between them;
- a lost flag: every 0x7E is tried both as an end and as a beginning, so the frame after a bad
  one always arrives;
- no flag for a long time: the stretch is given up at a limit and skipped to the next flag;
- an escape cut in two by the network; an escaped check byte.

`jtgate.codecs.twins.lane` is the compiled twin; the same tests run against both.
"""

from functools import reduce
from operator import xor
from typing import NamedTuple

from jtgate.codecs.errors import (
    ChecksumError,
    EscapeError,
    FrameError,
    FrameTooLong,
    FrameTooShort,
    StrayBytes,
)

FLAG = 0x7E
ESCAPE = 0x7D

#: Escaped bytes between two flags. The longest legal frame is 2 × (21 + 1023 + 1) = 2090 when
#: every byte needs escaping; 4096 leaves room for wrong length fields (§1.3).
FRAME_BYTES_MAX = 4096

#: Shortest header (2011/2013: 12 bytes) plus the check byte.
PAYLOAD_BYTES_MIN = 13


DEV_BAD_CHECKSUM = "frame.bad_checksum"  # from a terminal that is known for it


class Frame(NamedTuple):
    """One frame whose check byte is right, or forgiven.

    `payload` is header and body, unescaped, without the check byte; `position` is the offset in
    the stream of the first byte after the opening flag; `deviation` names what was tolerated.
    """

    payload: bytes
    position: int
    deviation: str | None = None


def check_byte(data: bytes) -> int:
    """Check byte 校验码: XOR of all bytes (JT/T 808 §1.2)."""
    return reduce(xor, data, 0)


def escape(data: bytes) -> bytes:
    """Escape 转义: 0x7D → 7D 01, then 0x7E → 7D 02."""
    return data.replace(b"\x7d", b"\x7d\x01").replace(b"\x7e", b"\x7d\x02")


def unescape(data: bytes) -> tuple[bytes, int | None]:
    """Undo `escape` in one pass.

    Returns:
        The bytes, and the offset in `data` of the first 0x7D that escapes nothing (it is kept as
        it is: the check byte decides), or None.
    """
    if ESCAPE not in data:
        return data, None
    out = bytearray()
    fault: int | None = None
    i = 0
    while i < len(data):
        byte = data[i]
        follower = data[i + 1] if byte == ESCAPE and i + 1 < len(data) else None
        if follower == 0x01:
            out.append(ESCAPE)
            i += 2
        elif follower == 0x02:
            out.append(FLAG)
            i += 2
        else:
            if byte == ESCAPE and fault is None:
                fault = i
            out.append(byte)
            i += 1
    return bytes(out), fault


def wrap(payload: bytes) -> bytes:
    """Frame a header and body: append the check byte, escape, add both flags."""
    return b"\x7e" + escape(payload + bytes([check_byte(payload)])) + b"\x7e"


def open_segment(segment: bytes, position: int, *, after_frame: bool) -> Frame | FrameError:
    """Judge the bytes between two flags.

    Args:
        segment: escaped bytes, at least one, no flag among them.
        position: offset in the stream of `segment[0]`.
        after_frame: the flag before `segment` also closed a good frame, so bytes that are no
            frame are stray rather than damaged.
    """
    data, fault = unescape(segment)
    if len(data) >= PAYLOAD_BYTES_MIN and check_byte(data) == 0:
        return Frame(data[:-1], position)
    if after_frame:
        return StrayBytes("bytes between two frames", offset=position, raw=segment)
    if len(data) < PAYLOAD_BYTES_MIN:
        return FrameTooShort(
            f"{len(data)} bytes between flags, a frame has at least {PAYLOAD_BYTES_MIN}",
            offset=position,
            raw=segment,
        )
    if fault is not None:
        return EscapeError(
            "0x7D is followed by neither 01 nor 02 and the check byte is wrong",
            offset=position + fault,
            raw=segment,
        )
    return ChecksumError(
        f"check byte is 0x{data[-1]:02x}, computed 0x{check_byte(data[:-1]):02x}",
        offset=position + len(segment) - 1,
        raw=segment,
    )


def despite_checksum(error: ChecksumError) -> Frame:
    """The frame that a wrong check byte spoiled, for a terminal that never has it right (§11 item 9)."""
    data, _ = unescape(error.raw)
    return Frame(data[:-1], error.offset - len(error.raw) + 1, DEV_BAD_CHECKSUM)


class FrameReader:
    """Splits one byte stream into frames.

    Args:
        frame_bytes_max: longest stretch of escaped bytes between two flags; a longer one is
            reported once as FrameTooLong and skipped up to the next flag.
        any_checksum: take frames with a wrong check byte as well, see `Profile.bad_checksum`.
    """

    def __init__(self, frame_bytes_max: int = FRAME_BYTES_MAX, *, any_checksum: bool = False) -> None:
        self._limit = frame_bytes_max
        self._any_checksum = any_checksum
        self._pending = bytearray()
        self._position = 0  # stream offset of _pending[0]
        self._in_frame = False  # a flag has been seen and nothing but data since
        self._after_frame = False  # that flag also closed a good frame
        self._skipping = False  # the stretch was given up as too long

    @property
    def pending(self) -> int:
        """Bytes held back because their frame is not complete."""
        return len(self._pending)

    def feed(self, data: bytes) -> list[Frame | FrameError]:
        """Take bytes as they arrive and return what has become complete, in order."""
        events: list[Frame | FrameError] = []
        start = 0
        while (flag := data.find(FLAG, start)) >= 0:
            self._take(data[start:flag], events)
            self._close(events)
            start = flag + 1
        self._take(data[start:], events)
        return events

    def eof(self) -> list[Frame | FrameError]:
        """Say that no more bytes will come; an unfinished frame is reported as stray bytes."""
        events: list[Frame | FrameError] = []
        if self._pending and not self._skipping:
            events.append(StrayBytes("the stream ends inside a frame", offset=self._position, raw=bytes(self._pending)))
        self._pending.clear()
        return events

    def _take(self, data: bytes, events: list[Frame | FrameError]) -> None:
        """Add bytes that hold no flag to the open stretch, unless it is already given up."""
        if self._skipping:
            self._position += len(data)
            return
        room = self._limit - len(self._pending)
        self._pending += data[:room]
        if len(data) > room:
            events.append(
                FrameTooLong(f"no flag within {self._limit} bytes", offset=self._position, raw=bytes(self._pending))
            )
            self._position += len(self._pending) + len(data) - room
            self._pending.clear()
            self._skipping = True

    def _close(self, events: list[Frame | FrameError]) -> None:
        """A flag: judge what lies before it, and let it open the next frame."""
        good = False
        if self._pending:
            segment = bytes(self._pending)
            if self._in_frame:
                event = open_segment(segment, self._position, after_frame=self._after_frame)
                if self._any_checksum and isinstance(event, ChecksumError):
                    event = despite_checksum(event)
                good = isinstance(event, Frame) and event.deviation is None
            else:
                event = StrayBytes("bytes before the first flag", offset=self._position, raw=segment)
            events.append(event)
            self._position += len(segment)
            self._pending.clear()
        self._position += 1
        self._in_frame = True
        self._after_frame = good
        self._skipping = False
