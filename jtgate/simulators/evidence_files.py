"""Evidence files 报警附件 of a simulated terminal: their names, and bytes that follow from a key (T/JSATL 12 §4.4).

No file is stored: any stretch of it can be made at any time, so that a thousand videos need no memory.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

#: 文件类型.
PICTURE, AUDIO, VIDEO = 0x00, 0x01, 0x02
FACE_PICTURE_GD = 0x04  # 面部特征图片 of 粤标

#: Bytes are made in cells of this length: a label of their own, then a piece of the tape.
CELL_BYTES = 16 * 1024
_LABEL_BYTES = 16
_TAPE_BYTES = 1 << 20
#: Stretches in which a file is hashed.
_HASH_BYTES = 1 << 20

_BEGINNINGS = {
    "jpg": bytes.fromhex("ffd8ffe000104a464946000101"),
    "h264": bytes.fromhex("00000001674d001e"),
    "mp4": bytes.fromhex("000000186674797069736f6d"),
}


@dataclass(frozen=True, slots=True)
class EvidenceFile:
    """A file that belongs to an alarm.

    Args:
        file_type: 文件类型, 0 picture, 2 video.
        channel: 64 for the ADAS camera, 65 for that of DSM.
        alarm: peripheral id and alarm type in hex, such as 6401.
        sequence: distinguishes files of one type and channel, from 0.
        suffix: jpg, h264 or mp4.
        size_bytes: length.
        key: what its bytes follow from.
    """

    file_type: int
    channel: int
    alarm: str
    sequence: int
    suffix: str
    size_bytes: int
    key: bytes

    def name(self, platform_number: str) -> str:
        """Its name, with the alarm number 报警编号 of the platform in it."""
        return f"{self.file_type:02d}_{self.channel}_{self.alarm}_{self.sequence}_{platform_number}.{self.suffix}"

    def read(self, offset: int, length: int) -> bytes:
        """A stretch of it; nothing from behind its end."""
        end = min(offset + length, self.size_bytes)
        if offset >= end:
            return b""
        first = offset // CELL_BYTES
        cells = b"".join(self._cell(number) for number in range(first, (end - 1) // CELL_BYTES + 1))
        begin = offset - first * CELL_BYTES
        return cells[begin : begin + end - offset]

    def pieces(self) -> Iterator[bytes]:
        """All of it, piece by piece."""
        for offset in range(0, self.size_bytes, _HASH_BYTES):
            yield self.read(offset, _HASH_BYTES)

    def sha256(self) -> str:
        """Hash of all its bytes, hexadecimal."""
        digest = hashlib.sha256()
        for piece in self.pieces():
            digest.update(piece)
        return digest.hexdigest()

    def _cell(self, number: int) -> bytes:
        label = hashlib.blake2b(self.key + number.to_bytes(4), digest_size=_LABEL_BYTES).digest()
        tape = _tape()
        begin = int.from_bytes(label[:4]) % (len(tape) - CELL_BYTES)
        cell = label + tape[begin : begin + CELL_BYTES - _LABEL_BYTES]
        if number == 0:
            beginning = _BEGINNINGS.get(self.suffix, b"")
            cell = beginning + cell[len(beginning) :]
        return cell


@cache
def _tape() -> bytes:
    """Bytes without a pattern, the same in every run."""
    return hashlib.shake_256(b"evidence of simulated terminals").digest(_TAPE_BYTES)
