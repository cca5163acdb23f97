"""Compressed data 数据压缩上报 0x0901 (JT/T 808 §3.7).

The standard does not say what the decompressed bytes are. Read here as whole frames when they begin with a flag, else
as header and body, else they stay bytes. What is found inside is shown, never followed: no second decompression.
"""

import zlib
from collections.abc import Mapping
from typing import Any, Self

from jtgate.codecs import deviations as dev
from jtgate.codecs.declare import Message, count_of, message, of_kind
from jtgate.codecs.edition import Edition
from jtgate.codecs.errors import ProtocolError
from jtgate.codecs.framing import FLAG, Frame, FrameReader
from jtgate.codecs.header import DEV_LENGTH_MISMATCH, parse_header
from jtgate.codecs.kinds import Raw
from jtgate.codecs.wire import Scope, convert

#: Decompressed bytes of one body; more is not read, so that a few bytes cannot become gigabytes.
CONTENT_BYTES_MAX = 1 << 20
#: Frames inside that are described; those beyond are only counted.
CONTENT_FRAMES_MAX = 100

#: zlib's name for gzip with the largest window.
_GZIP = 16 + zlib.MAX_WBITS

MSG_ID = 0x0901


def decompress(data: bytes) -> tuple[bytes | None, str | None]:
    """Undo gzip.

    Returns:
        The bytes, None when they are not to be had; and the deviation to note, None without one. Of data that is
        cut off, what there is.
    """
    inflater = zlib.decompressobj(_GZIP)
    try:
        content = inflater.decompress(data, CONTENT_BYTES_MAX)
    except zlib.error:
        return None, dev.COMPRESSED_NOT_GZIP
    if inflater.unconsumed_tail or (len(content) == CONTENT_BYTES_MAX and not inflater.eof):
        return None, dev.COMPRESSED_TOO_LONG
    return content, None if inflater.eof and not inflater.unused_data else dev.COMPRESSED_NOT_GZIP


class Compressed(Raw):
    """Bytes to the end, noted when they are no gzip."""

    def __init__(self) -> None:
        super().__init__(None)

    def con(self, edition: Edition) -> Any:
        """The bytes as they are; what they hold is looked at for the deviations."""

        def decode(data: bytes, scope: Scope) -> bytes:
            scope.run.note(decompress(data)[1])
            return data

        return convert(super().con(edition), decode, lambda data, _: data)


@message(MSG_ID, clause="§3.7")
class CompressedData(Message):
    """0x0901 数据压缩上报; JSON shows what is inside as `content`, which is ignored when it is read back."""

    length: int = count_of("data", 4, "压缩消息长度", wrong=dev.COMPRESSED_WRONG_LENGTH, default=None)
    data: bytes = of_kind("压缩消息体", Compressed())

    @classmethod
    def of(cls, content: bytes) -> Self:
        """The message that carries some bytes."""
        deflater = zlib.compressobj(wbits=_GZIP)
        return cls(data=deflater.compress(content) + deflater.flush())

    def content(self) -> bytes | None:
        """The bytes inside, None when they are no gzip or more than CONTENT_BYTES_MAX."""
        return decompress(self.data)[0]

    def to_json(self) -> dict[str, object]:
        """The fields, and `content` when it can be read."""
        fields = Message.to_json(self)
        content = self.content()
        return fields if content is None else {**fields, "content": _shown(content)}

    @classmethod
    def from_json(cls, value: object) -> Self:
        """The fields; `content` is made of them, so it is left out."""
        if isinstance(value, Mapping):
            value = {name: field for name, field in value.items() if name != "content"}
        return super(CompressedData, cls).from_json(value)  # noqa: UP008  a class with slots is not the one of super()


def _shown(content: bytes) -> dict[str, object]:
    """What is inside: {"bytes", "frames"} or {"bytes", "raw"}."""
    payloads = _payloads(content)
    if not payloads:
        return {"bytes": len(content), "raw": content.hex()}
    frames = [_described(payload) for payload in payloads[:CONTENT_FRAMES_MAX]]
    return {"bytes": len(content), "frame_count": len(payloads), "frames": frames}


def _payloads(content: bytes) -> list[bytes]:
    """Header and body of each message inside; [] when there is none."""
    if content[:1] == bytes([FLAG]):
        return [event.payload for event in FrameReader().feed(content) if isinstance(event, Frame)]
    try:
        header, _ = parse_header(content)
    except ProtocolError:
        return []
    from jtgate.codecs.registry import is_known  # noqa: PLC0415  the registry needs this module

    return [content] if DEV_LENGTH_MISMATCH not in header.deviations and is_known(header.msg_id) else []


def _described(payload: bytes) -> dict[str, object]:
    """The object of a frame inside; one that is compressed again is not opened."""
    from jtgate.codecs.describe import open_frame  # noqa: PLC0415  describing needs every message, so this one too

    if payload[:2] == MSG_ID.to_bytes(2):
        return {"message": "compressed_data", "raw": payload.hex()}
    return open_frame(payload).json
