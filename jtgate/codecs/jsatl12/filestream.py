"""The stream of an attachment link: JT/T 808 frames, and raw data packets between them (active-safety §4.3, §4.7).

    0x7E … 0x7E                                                          frame, escaped as ever
    magic 4 | file name 50, zero padded | offset 4 | length 4 | data     data packet, nothing in it is escaped
    magic 4 | n 1 | file name n         | offset 4 | length 4 | data     the same of 黑标

Every boundary shows which of them follows. A frame with a wrong check byte costs that frame; anything else that is
wrong costs the stream, because nothing tells where the next thing begins:

    FrameError            one frame is lost
    └── BadStream             nothing more can be read
        ├── OutOfSync             neither a flag nor the magic number at a boundary, or a frame without an end
        ├── PacketTooLong         a data packet announces more than the limit
        └── StreamCut             the stream ends inside a frame or packet

The bytes of 黑标 are told from the others by the name: `dd_` begins one, `0` to `3` may well be its length.
"""

from collections.abc import Iterable
from typing import ClassVar

from jtgate.codecs.declare import Structure, chars, dword, raw, string, structure
from jtgate.codecs.edition import Edition
from jtgate.codecs.errors import FrameError
from jtgate.codecs.framing import FLAG, FRAME_BYTES_MAX, Frame, open_segment
from jtgate.codecs.profile import Dialect
from jtgate.codecs.text import CODEC, WireText

#: 帧头标识; the packets of JT/T 1078 begin so too, with 0x81 behind it.
MAGIC = bytes.fromhex("30316364")
MEDIA_MARK = 0x81

#: Bytes of a name in a data packet; a longer one is cut.
NAME_BYTES = 50

#: Usual bytes of data in one packet (§4.3).
CHUNK_BYTES = 1 << 16

#: Most bytes of data in one packet (§4.7).
DATA_BYTES_MAX = 1 << 20

#: No file is so long; bytes that say so have the other form.
PLAUSIBLE_FILE_BYTES = 1 << 28

_EDITION = Edition.V2013  # nothing here differs between editions
_LENGTH_BYTES = 4


@structure(clause="active-safety §4.3")
class DataPacket(Structure):
    """文件数据上传: a stretch of a file; not answered."""

    magic: int = dword("帧头标识", as_hex=True, default=int.from_bytes(MAGIC))
    name: str = chars("文件名称", NAME_BYTES)
    offset: int = dword("数据偏移量")
    data: bytes = raw("数据体", prefix=_LENGTH_BYTES)


@structure(clause="active-safety §4.3")
class DataPacketHlj(DataPacket):
    """文件数据上传 of 黑标."""

    name: str = string("文件名称", prefix=1)


def data_packet(name: str, offset: int, data: bytes, dialect: Dialect = Dialect.AUTO) -> DataPacket:
    """A packet as a terminal of a dialect sends it, the name cut to its field.

    Args:
        name: as in 0x1210.
        offset: of the data in the file.
        data: up to DATA_BYTES_MAX bytes, CHUNK_BYTES usually.
        dialect: 黑标 has a form of its own.
    """
    if dialect is Dialect.HLJ:
        return DataPacketHlj(name=name, offset=offset, data=data)
    cut = name_bytes(name)[:NAME_BYTES]
    return DataPacket(
        name=WireText(cut.decode(CODEC, "replace"), cut.ljust(NAME_BYTES, b"\x00")), offset=offset, data=data
    )


def name_bytes(name: str) -> bytes:
    """The bytes of a file name as they came, without zeros and blanks behind it (§4.8)."""
    data = name.raw if isinstance(name, WireText) else name.encode(CODEC)
    return data.rstrip(b"\x00 ")


def is_same_file(packet_name: str, listed_name: str) -> bool:
    """Whether the name in a data packet is that of a listed file; one that fills its field may be cut (§4.7)."""
    found, listed = name_bytes(packet_name), name_bytes(listed_name)
    return found == listed or (len(found) == NAME_BYTES and listed.startswith(found))


def find_file(packet_name: str, listed: Iterable[str], only_open: str | None = None) -> str | None:
    """Which file a data packet belongs to.

    Args:
        packet_name: name in the data packet.
        listed: names of the files of the 0x1210.
        only_open: name of the 0x1211, when that is the only file now open.

    Returns:
        The listed name; the open file for want of exactly one that fits; else None.
    """
    names = list(listed)
    same = [name for name in names if name_bytes(name) == name_bytes(packet_name)]
    fitting = same or [name for name in names if is_same_file(packet_name, name)]
    return fitting[0] if len(fitting) == 1 or same else only_open


class BadStream(FrameError):
    """Nothing more can be read from this stream; close the link."""

    code: ClassVar[str] = "stream"


class OutOfSync(BadStream):
    """Neither a frame nor a data packet where one should begin."""

    code = "stream.out_of_sync"


class PacketTooLong(BadStream):
    """A data packet announces more bytes than are allowed."""

    code = "stream.packet_too_long"


class StreamCut(BadStream):
    """The stream ends inside a frame or a data packet."""

    code = "stream.cut"


Event = Frame | DataPacket | FrameError


class FileStreamReader:
    """Splits the stream of one attachment link.

    Args:
        dialect: of the terminal; auto finds the form of each data packet from its bytes.
        data_bytes_max: most bytes of data in one packet; with the head of a packet it bounds what is held back.
        frame_bytes_max: longest stretch of escaped bytes between two flags.
    """

    def __init__(
        self,
        dialect: Dialect = Dialect.AUTO,
        *,
        data_bytes_max: int = DATA_BYTES_MAX,
        frame_bytes_max: int = FRAME_BYTES_MAX,
    ) -> None:
        self._dialect = dialect
        self._data_bytes_max = data_bytes_max
        self._frame_bytes_max = frame_bytes_max
        self._pending = bytearray()
        self._position = 0  # stream offset of _pending[0]
        self._searched = 1  # no flag between _pending[0] and here
        self._after_bad_frame = False  # the flag at _pending[0] closed a bad frame, and may open the next
        #: Bytes from where the stream was lost.
        self.dropped_bytes = 0
        #: What was tolerated in data packets, each name once.
        self.deviations: list[str] = []
        #: Why nothing more is read, None while all is well.
        self.broken: BadStream | None = None

    @property
    def pending(self) -> int:
        """Bytes held back because their frame or packet is not complete."""
        return len(self._pending)

    def feed(self, data: bytes) -> list[Event]:
        """Take bytes as they arrive and return what has become complete, in order; a BadStream is the last ever."""
        if self.broken is not None:
            self.dropped_bytes += len(data)
            return []
        self._pending += data
        events: list[Event] = []
        while self._pending and self.broken is None:  # every event takes bytes away or is the last
            event = self._frame() if self._pending[0] == FLAG else self._packet()
            if event is None:
                break
            events.append(event)
        return events

    def eof(self) -> list[Event]:
        """Say that no more bytes will come."""
        lone_flag = len(self._pending) == 1 and self._pending[0] == FLAG
        if self.broken is not None or not self._pending or lone_flag:
            return []
        return [self._break(StreamCut("the stream ends inside of something", offset=self._position))]

    def _frame(self) -> Event | None:
        """The frame that the flag in front opens, if its end is there."""
        pending = self._pending
        while len(pending) > 1 and pending[1] == FLAG:
            self._skip(1)
            self._after_bad_frame = False
        if self._after_bad_frame and pending.startswith(MAGIC, 1):
            self._skip(1)
            self._after_bad_frame = False
            return self._packet()
        end = pending.find(FLAG, self._searched)
        stretch = (len(pending) if end < 0 else end) - 1
        if stretch > self._frame_bytes_max:
            message = f"no flag within {self._frame_bytes_max} bytes"
            return self._break(OutOfSync(message, offset=self._position))
        if end < 0:
            self._searched = len(pending)
            return None
        event = open_segment(bytes(pending[1:end]), self._position + 1, after_frame=False)
        self._after_bad_frame = not isinstance(event, Frame)
        self._skip(end if self._after_bad_frame else end + 1)
        return event

    def _packet(self) -> Event | None:
        """The data packet in front, if all of it is there."""
        pending = self._pending
        begin = bytes(pending[: len(MAGIC)])
        if not MAGIC.startswith(begin):
            return self._break(OutOfSync("neither a frame nor a data packet begins here", offset=self._position))
        if len(pending) <= len(MAGIC):
            return None
        if pending[len(MAGIC)] == MEDIA_MARK and self._dialect is not Dialect.HLJ:
            return self._break(OutOfSync("a media packet of JT/T 1078", offset=self._position))
        form = self._form()
        if form is None:
            return None
        head = _head_bytes(form, pending)
        if len(pending) < head:
            return None
        length = int.from_bytes(pending[head - _LENGTH_BYTES : head])
        if length > self._data_bytes_max:
            message = f"{length} bytes of data in one packet, {self._data_bytes_max} is the limit"
            return self._break(PacketTooLong(message, offset=self._position + head - _LENGTH_BYTES))
        if len(pending) < head + length:
            return None
        packet = form.decode(bytes(pending[: head + length]), _EDITION, self.deviations)
        self._skip(head + length)
        return packet

    def _form(self) -> type[DataPacket] | None:
        """The form of the packet in front; None when that takes more bytes to see."""
        if self._dialect is not Dialect.AUTO:
            return DataPacketHlj if self._dialect is Dialect.HLJ else DataPacket
        pending = self._pending
        at = len(MAGIC)
        if len(pending) < at + 4:
            return None
        if _begins_name(pending, at):
            return DataPacket
        if _begins_name(pending, at + 1):
            return DataPacketHlj
        for form in (DataPacket, DataPacketHlj):
            if len(pending) < _head_bytes(form, pending):
                return None
            if _is_plausible(form, pending):
                return form
        return DataPacket

    def _skip(self, count: int) -> None:
        del self._pending[:count]
        self._position += count
        self._searched = 1

    def _break(self, error: BadStream) -> BadStream:
        self.broken = error
        self.dropped_bytes += len(self._pending)
        self._pending.clear()
        return error


def _head_bytes(form: type[DataPacket], pending: bytearray) -> int:
    """Bytes before the data; the length of a name is there."""
    return form.min_bytes(_EDITION) + (0 if form is DataPacket else pending[len(MAGIC)])


def _begins_name(pending: bytearray, at: int) -> bool:
    """Two digits and an underscore, as the names of §4.4 begin."""
    return pending[at : at + 2].isdigit() and pending[at + 2] == ord("_")


def _is_plausible(form: type[DataPacket], pending: bytearray) -> bool:
    """Whether the name would be text, and offset and length those of a file."""
    head = _head_bytes(form, pending)
    end = head - 2 * _LENGTH_BYTES
    name = pending[len(MAGIC) + (form is not DataPacket) : end].rstrip(b"\x00")
    offset = int.from_bytes(pending[end : end + _LENGTH_BYTES])
    length = int.from_bytes(pending[end + _LENGTH_BYTES : head])
    return bool(name) and min(name) >= ord(" ") and offset + length <= PLAUSIBLE_FILE_BYTES and length <= DATA_BYTES_MAX
