"""Frames of JT/T 809 (jt809 §1): flags, escapes, header, CRC and the cipher of the body.

    0x5B | header 数据头 (22, 2019: 30) | body 数据体 | CRC (2) | 0x5D
           └────────────── escaped: 5B → 5A 01, 5A → 5A 02, 5D → 5E 01, 5E → 5E 02 ──────────────┘

Unlike JT/T 808 the two flags differ and neither can stand inside a frame, so a stretch begins anew at every 5B.
"""

import struct
from binascii import crc_hqx
from dataclasses import dataclass
from typing import Final, NamedTuple

from jtgate.codecs.edition import Edition
from jtgate.codecs.errors import (
    ChecksumError,
    EscapeError,
    FrameError,
    FrameTooLong,
    FrameTooShort,
    HeaderError,
    StrayBytes,
)

BEGIN: Final = 0x5B
END: Final = 0x5D

#: Escaped bytes between the flags; answers with photographs are long (§1.5).
FRAME_BYTES_MAX: Final = 1 << 20

HEADER_BYTES: Final = 22
HEADER_BYTES_2019: Final = 30
CRC_BYTES: Final = 2

#: A header of 2019 has a sending time where a body of 2011 may have anything; these are the years that count as one.
_PLAUSIBLE_S: Final = range(1_420_070_400, 4_102_444_800)  # 2015 to 2099

_ESCAPES: Final = {0x5B: b"\x5a\x01", 0x5A: b"\x5a\x02", 0x5D: b"\x5e\x01", 0x5E: b"\x5e\x02"}
_UNESCAPES: Final = {escaped: raw for raw, escaped in _ESCAPES.items()}
_HEADER: Final = struct.Struct(">IIHI3sBI")


class Cipher(NamedTuple):
    """The constants of a link's cipher 加密算法 (§1.4), each 32 bits."""

    m1: int
    ia1: int
    ic1: int


@dataclass(frozen=True, slots=True)
class Frame809:
    """A frame whose CRC and length are right.

    Args:
        length: 数据长度, with both flags and the CRC.
        serial: 报文序列号.
        msg_id: 业务数据类型.
        center_id: 下级平台接入码.
        version: 版本号, three bytes; tells nothing about the edition.
        encrypted: 报文加密标识位.
        key: 数据加密密钥 of this frame.
        time_s: sending time in seconds since 1970, 2019 only.
        body: as it came.
        position: offset in the stream of the opening flag.
    """

    length: int
    serial: int
    msg_id: int
    center_id: int
    version: bytes
    encrypted: int
    key: int
    time_s: int | None
    body: bytes
    position: int = 0

    @property
    def edition(self) -> Edition:
        """2019 with a sending time, else 2011 (whose header 2013 shares)."""
        return Edition.V2011 if self.time_s is None else Edition.V2019

    def encode(self) -> bytes:
        """The frame as it goes over the wire; the length is computed."""
        tail = b"" if self.time_s is None else self.time_s.to_bytes(8)
        length = HEADER_BYTES + len(tail) + len(self.body) + CRC_BYTES + 2
        head = _HEADER.pack(length, self.serial, self.msg_id, self.center_id, self.version, self.encrypted, self.key)
        data = head + tail + self.body
        return bytes([BEGIN]) + escape(data + crc_hqx(data, 0xFFFF).to_bytes(2)) + bytes([END])


def escape(data: bytes) -> bytes:
    """Escape flags and escape leads (§1.1)."""
    return b"".join(_ESCAPES.get(byte) or bytes([byte]) for byte in data)


def unescape(data: bytes, position: int) -> bytes:
    """Undo `escape`.

    Args:
        data: what stands between the flags.
        position: offset of it in the stream, for the error.

    Raises:
        EscapeError: 5A or 5E is followed by neither 01 nor 02.
    """
    out = bytearray()
    at = 0
    while at < len(data):
        if data[at] in (0x5A, 0x5E):
            raw = _UNESCAPES.get(data[at : at + 2])
            if raw is None:
                message = f"0x{data[at]:02X} is followed by neither 01 nor 02"
                raise EscapeError(message, offset=position + at, raw=data)
            out.append(raw)
            at += 2
        else:
            out.append(data[at])
            at += 1
    return bytes(out)


def crypt(body: bytes, key: int, cipher: Cipher) -> bytes:
    """Encrypt or decrypt a body 数据体加密 (§1.4); the routine undoes itself."""
    key = key or 1
    modulus = cipher.m1 or 1
    out = bytearray(len(body))
    for at, byte in enumerate(body):
        key = (cipher.ia1 * (key % modulus) + cipher.ic1) & 0xFFFFFFFF
        out[at] = byte ^ (key >> 20 & 0xFF)
    return bytes(out)


class Reader809:
    """Splits the byte stream of one link into frames.

    Args:
        edition: of the link; None tells it frame by frame (§1.2).
        frame_bytes_max: longest stretch of escaped bytes between flags.
    """

    def __init__(self, edition: Edition | None = None, frame_bytes_max: int = FRAME_BYTES_MAX) -> None:
        self._edition = edition
        self._limit = frame_bytes_max
        self._pending = bytearray()
        self._position = 0  # stream offset of _pending[0]
        self._inside = False
        self._skipping = False  # the stretch was given up as too long

    def feed(self, data: bytes) -> list[Frame809 | FrameError | HeaderError]:
        """Take bytes as they arrive and return what has become complete, in order."""
        events: list[Frame809 | FrameError | HeaderError] = []
        start = 0
        while start < len(data):
            ends = [at for at in (data.find(BEGIN, start), data.find(END, start)) if at >= 0]
            stop = min(ends, default=len(data))
            self._take(data[start:stop], events)
            if stop < len(data):
                self._flag(data[stop], events)
            start = stop + 1
        return events

    def eof(self) -> list[Frame809 | FrameError | HeaderError]:
        """Say that no more bytes will come; an unfinished frame is reported as stray bytes."""
        events: list[Frame809 | FrameError | HeaderError] = []
        self._give_up("the stream ends inside a frame", events)
        return events

    def _take(self, data: bytes, events: list[Frame809 | FrameError | HeaderError]) -> None:
        if self._skipping:
            self._position += len(data)
            return
        room = self._limit - len(self._pending)
        self._pending += data[:room]
        if len(data) > room:
            error = FrameTooLong(f"no flag within {self._limit} bytes", offset=self._position, raw=bytes(self._pending))
            events.append(error)
            self._drop(len(data) - room)
            self._inside = False
            self._skipping = True

    def _flag(self, flag: int, events: list[Frame809 | FrameError | HeaderError]) -> None:
        if flag == END and self._inside:
            try:
                events.append(_open(bytes(self._pending), self._position, self._edition))
            except (FrameError, HeaderError) as error:
                events.append(error)
            self._drop(1)
        else:
            self._give_up(
                "bytes outside of flags" if flag == BEGIN else "a closing flag without an opening one", events
            )
            self._position += 1
        self._inside = flag == BEGIN
        self._skipping = False

    def _give_up(self, why: str, events: list[Frame809 | FrameError | HeaderError]) -> None:
        if self._pending:
            events.append(StrayBytes(why, offset=self._position, raw=bytes(self._pending)))
        self._drop(0)

    def _drop(self, more: int) -> None:
        self._position += len(self._pending) + more
        self._pending.clear()


def _open(segment: bytes, position: int, edition: Edition | None) -> Frame809:
    data = unescape(segment, position)
    if len(data) < HEADER_BYTES + CRC_BYTES:
        message = f"{len(data)} bytes between flags, a frame has at least {HEADER_BYTES + CRC_BYTES}"
        raise FrameTooShort(message, offset=position, raw=segment)
    content, crc = data[:-CRC_BYTES], int.from_bytes(data[-CRC_BYTES:])
    if crc_hqx(content, 0xFFFF) != crc:
        message = f"CRC is 0x{crc:04x}, computed 0x{crc_hqx(content, 0xFFFF):04x}"
        raise ChecksumError(message, offset=position + len(segment) - CRC_BYTES, raw=segment)
    length, serial, msg_id, center_id, version, encrypted, key = _HEADER.unpack_from(content)
    if length != len(data) + 2:
        message = f"the length field says {length}, the frame has {len(data) + 2} bytes"
        raise HeaderError(message, offset=0, msg_id=msg_id, field="length", raw=segment)
    time_s = int.from_bytes(content[HEADER_BYTES:HEADER_BYTES_2019]) if _has_time(content, edition) else None
    body = content[HEADER_BYTES if time_s is None else HEADER_BYTES_2019 :]
    return Frame809(length, serial, msg_id, center_id, version, encrypted, key, time_s, body, position - 1)


def _has_time(content: bytes, edition: Edition | None) -> bool:
    """Whether the header is that of 2019: eight bytes that are a time of this century follow (§1.2)."""
    if len(content) < HEADER_BYTES_2019:
        return False
    if edition is not None:
        return edition is Edition.V2019
    return int.from_bytes(content[HEADER_BYTES:HEADER_BYTES_2019]) in _PLAUSIBLE_S
