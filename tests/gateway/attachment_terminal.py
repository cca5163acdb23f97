"""What a terminal sends over an attachment link, byte by byte (active-safety §4.3), and how it reads the answers."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from jtgate.codecs.edition import Edition
from jtgate.codecs.framing import Frame, FrameReader
from jtgate.codecs.header import encode_frames, parse_header

PHONE = "13812345678"
NUMBER_SU = b"A1B2C3D" + bytes.fromhex("250612083015000200")


class Answer(NamedTuple):
    """What came back."""

    msg_id: int
    serial: int
    edition: Edition
    body: bytes

    @property
    def general(self) -> tuple[int, int, int]:
        """Serial, id and result of a 0x8001."""
        assert self.msg_id == 0x8001
        return struct.unpack(">HHB", self.body)

    @property
    def result(self) -> int:
        """Result of a 0x9212."""
        assert self.msg_id == 0x9212
        return self.body[self.body[0] + 2]

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """Offset and length of what a 0x9212 misses."""
        at = self.body[0] + 3
        count = self.body[at]
        assert len(self.body) == at + 1 + 8 * count
        return [struct.unpack(">II", self.body[at + 1 + 8 * n : at + 9 + 8 * n]) for n in range(count)]


def answers(data: bytes) -> list[Answer]:
    """Frames in what a server sent."""
    found = []
    for event in FrameReader().feed(data):
        assert isinstance(event, Frame)
        header, body = parse_header(event.payload)
        found.append(Answer(header.msg_id, header.serial, header.edition, body))
    return found


def number_of(size: int) -> bytes:
    """An identification number 报警标识号 of 16, 38, 39 or 40 bytes."""
    if size == 16:
        return NUMBER_SU
    return b"TERMINAL9".ljust(30, b"\0") + bytes.fromhex("2506120830150102").ljust(size - 30, b"\0")


@dataclass
class Sender:
    """Makes the bytes of one terminal.

    Args:
        alarm_number: 报警编号 of the platform.
        edition: of its headers.
        size: S, the length of the identification number; 38 is 黑标, which has data packets of its own.
    """

    alarm_number: str
    phone: str = PHONE
    edition: Edition = Edition.V2013
    size: int = 16
    serial: int = field(default=0)

    def frame(self, msg_id: int, body: bytes, part_bytes: int = 1023) -> bytes:
        """A message, in as many frames as it takes."""
        frames = encode_frames(
            msg_id, body, phone=self.phone, serial=self.serial + 1, edition=self.edition, part_bytes=part_bytes
        )
        self.serial += len(frames)
        return b"".join(frames)

    def files(self, *files: tuple[bytes, int], count: int | None = None, part_bytes: int = 1023) -> bytes:
        """0x1210: names and sizes."""
        lead = {16: 7, 40: 30, 39: 30, 38: 0}[self.size]
        number = number_of(self.size)
        body = number[:lead].ljust(lead, b"\0") + number + self.alarm_number.encode().ljust(32, b"\0")
        body += bytes([0, len(files) if count is None else count])
        body += b"".join(bytes([len(name)]) + name + struct.pack(">I", size) for name, size in files)
        return self.frame(0x1210, body, part_bytes)

    def begin(self, name: bytes, size: int, file_type: int = 0) -> bytes:
        """0x1211."""
        return self.frame(0x1211, bytes([len(name)]) + name + struct.pack(">BI", file_type, size))

    def done(self, name: bytes, size: int, file_type: int = 0) -> bytes:
        """0x1212."""
        return self.frame(0x1212, bytes([len(name)]) + name + struct.pack(">BI", file_type, size))

    def data(self, name: bytes, offset: int, data: bytes) -> bytes:
        """A data packet."""
        head = bytes([len(name)]) + name if self.size == 38 else name[:50].ljust(50, b"\0")
        return b"01cd" + head + struct.pack(">II", offset, len(data)) + data

    def whole(self, name: bytes, data: bytes, *, chunk: int = 65_536, missing: Sequence[int] = ()) -> bytes:
        """0x1211, data without the chunks of these numbers, 0x1212."""
        sent = self.begin(name, len(data))
        for number, offset in enumerate(range(0, len(data), chunk)):
            if number not in missing:
                sent += self.data(name, offset, data[offset : offset + chunk])
        return sent + self.done(name, len(data))
