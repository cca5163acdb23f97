"""Everything that can be wrong with bytes, as types.

    ProtocolError             the peer (or a file) sent something we cannot read
    ├── FrameError            between two flags: nothing of the frame can be trusted
    │   ├── ChecksumError         XOR over the frame is not zero
    │   ├── EscapeError           0x7D followed by neither 0x01 nor 0x02
    │   ├── FrameTooShort         fewer bytes than the shortest header
    │   ├── FrameTooLong          no closing flag within the limit
    │   └── StrayBytes            bytes outside of any frame
    ├── HeaderError           the frame is whole, its header makes no sense
    ├── BodyError             the header is fine, the body is not
    │   ├── Truncated             the body ends before the field does
    │   ├── OutOfRange            a value the field cannot hold
    │   └── EncryptionError       an encrypted body that our key does not open
    └── BadPacket             a stretch of a JT/T 1078 stream that is no packet
        ├── PacketStray           no packet begins where one should
        ├── PacketUndefined       a data type or sub-packet mark that the standard does not have
        ├── PacketCut             another packet begins inside
        └── PacketTruncated       the stream ends inside

    EncodeError               our own code asked for something that cannot be sent

A decoder raises nothing but ProtocolError for any bytes whatever; anything else out of it is
a bug of ours. Unknown ids are not errors: they are kept as raw bytes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar


class ProtocolError(Exception):
    """What is wrong with received bytes, and where.

    Args:
        message: one sentence for a person.
        offset: byte offset of the fault, counted in the unescaped frame from the first header byte
            for HeaderError and BodyError of a frame, in the body when only a body was given, and on
            the wire from the start of the bad stretch for FrameError.
        msg_id: message id, when the header could be read.
        field: dotted path of the field, when a field is to blame.
        raw: the bytes concerned.
    """

    code: ClassVar[str] = "protocol"

    def __init__(
        self,
        message: str,
        *,
        offset: int = 0,
        msg_id: int | None = None,
        field: str | None = None,
        raw: bytes = b"",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.msg_id = msg_id
        self.field = field
        self.raw = raw

    def as_json(self) -> dict[str, object]:
        """The `error` object of a decoded message."""
        return {
            "code": self.code,
            "offset": self.offset,
            "field": self.field,
            "message": self.message,
        }

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.message!r}, offset={self.offset}, field={self.field!r})"


class FrameError(ProtocolError):
    """Nothing between the two flags can be trusted."""

    code = "frame"


class ChecksumError(FrameError):
    """The XOR of header, body and check byte (校验码) is not zero."""

    code = "frame.checksum"


class EscapeError(FrameError):
    """0x7D is followed by neither 0x01 nor 0x02 and the check byte does not save the frame."""

    code = "frame.escape"


class FrameTooShort(FrameError):
    """Fewer unescaped bytes than header plus check byte."""

    code = "frame.too_short"


class FrameTooLong(FrameError):
    """No closing flag within the limit."""

    code = "frame.too_long"


class StrayBytes(FrameError):
    """Bytes before the first flag or after the last."""

    code = "frame.stray"


class HeaderError(ProtocolError):
    """The check byte is right and the header still cannot be read."""

    code = "header"


class BodyError(ProtocolError):
    """The body does not have the structure its message id announces."""

    code = "body"


class Truncated(BodyError):
    """The body ends before the field does."""

    code = "body.truncated"


class OutOfRange(BodyError):
    """A value that the field cannot hold."""

    code = "body.out_of_range"


class BadPacket(ProtocolError):
    """Bytes of a JT/T 1078 stream that are no packet; `offset` counts from the start of the stream."""

    code = "packet"


class PacketStray(BadPacket):
    """No packet begins where one should."""

    code = "packet.stray"


class PacketUndefined(BadPacket):
    """A packet with a data type or a sub-packet mark that the standard does not have."""

    code = "packet.undefined"


class PacketCut(BadPacket):
    """A packet that does not end where it says, and another begins inside."""

    code = "packet.cut"


class PacketTruncated(BadPacket):
    """A packet that does not end before the stream, or the datagram, does."""

    code = "packet.truncated"


class EncryptionError(BodyError):
    """An encrypted body that our key does not open."""

    code = "body.encryption"


class EncodeError(ValueError):
    """A message of ours that cannot be put on the wire; a mistake of the caller, not of the peer.

    Args:
        message: one sentence for a person.
        field: dotted path of the field to blame, "" when it is not one or the sentence names it.
    """

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.message = message
        self.field = field


@contextmanager
def in_field(name: str) -> Iterator[None]:
    """Put the name of a field (or "[n]" of an element) before the path of whatever value inside is wrong.

    Raises:
        EncodeError: for every ValueError inside.
    """
    try:
        yield
    except EncodeError as error:
        inner = error.field
        between = "." if inner and not inner.startswith("[") else ""
        raise EncodeError(error.message, f"{name}{between}{inner}") from error
    except ValueError as error:
        raise EncodeError(str(error), name) from error
