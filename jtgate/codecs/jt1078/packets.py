"""Packets of the media stream 码流数据报文 (JT/T 1078 §2): the declaration, and the reader of a stream.

    30 31 63 64 | V P X CC | M PT | serial | SIM     | channel | type, mark | time | intervals | length | body
    4           | 1        | 1    | 2      | 6 or 10 | 1       | 1          | 8    | 2 + 2     | 2      | n
                                                                              │      └ video only
                                                                              └ not in transparent data

There is no escape and no check byte, and the four bytes of the magic may stand in a payload, so a stream is split
by lengths. The reader answers one of three things: need more (an empty list), here is a packet, or bad bytes with
reason and offset. Every byte belongs to exactly one packet or one bad stretch. It survives:

- packets cut and glued anywhere, because nothing depends on how the bytes arrive;
- garbage before, between and after packets: it looks for the magic followed by 0x81, and takes what it finds for
  a packet when the next one begins behind it, or at least when its header makes sense;
- a packet that is shorter than it says: when another begins inside and none behind it, the inner one counts (and a
  packet whose payload holds a whole other one, with garbage behind it, is taken for cut);
- a SIM of 6 bytes (the standard) or 10 (terminals of 808-2019), of which nothing in the packet tells.
"""
# ruff: noqa: D102  the methods of a kind are told by kinds.Kind

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from itertools import takewhile
from typing import Any, NamedTuple, Self

from jtgate.codecs import deviations as dev
from jtgate.codecs.declare import Structure, byte, dword, of_kind, qword, raw, structure, word
from jtgate.codecs.edition import Edition
from jtgate.codecs.errors import BadPacket, PacketCut, PacketStray, PacketTruncated, PacketUndefined
from jtgate.codecs.jt1078.tables import LOGICAL_CHANNELS, PAYLOAD_TYPES
from jtgate.codecs.kinds import Bcd
from jtgate.codecs.presence import Presence
from jtgate.codecs.tables import Bit, Bits, Choices
from jtgate.codecs.wire import Scope, Span

PROTOCOL = "jt1078"

#: Of JT/T 1078, which has one edition only.
STANDARD_EDITION = "2016"

#: 帧头标识, "01cd" in ASCII.
MAGIC = b"01cd"

#: V = 2, P = 0, X = 0, CC = 1: the byte after the magic.
FLAGS = 0x81

_SYNC = MAGIC + bytes([FLAGS])

#: Bytes of a body by the standard; more are tolerated.
BODY_BYTES_STANDARD = 950

#: Longest body that the length field can announce.
BODY_BYTES_MAX = 0xFFFF

#: Longest stretch of bad bytes that is reported as one; what is longer is reported in such pieces.
STRAY_BYTES_MAX = 64 << 10

#: Bytes without a packet after which a connection is hopeless (§3.5 item 4).
NO_SYNC_BYTES_MAX = 1 << 20

#: 数据类型 (§2.2).
DATA_TYPES = Choices(
    (0, "视频I帧", "video I frame"),
    (1, "视频P帧", "video P frame"),
    (2, "视频B帧", "video B frame"),
    (3, "音频帧", "audio frame"),
    (4, "透传数据", "transparent data"),
)
I_FRAME, P_FRAME, B_FRAME, AUDIO, TRANSPARENT = (row.code for row in DATA_TYPES)
VIDEO = frozenset({I_FRAME, P_FRAME, B_FRAME})
TIMED = VIDEO | {AUDIO}

#: 分包处理标记 (§2.2): first, last, middle; not first, middle, last.
SUBPACKET_MARKS = Choices(
    (0, "原子包", "atomic"),
    (1, "第一个包", "first"),
    (2, "最后一个包", "last"),
    (3, "中间包", "middle"),
)
ATOMIC, FIRST, LAST, MIDDLE = (row.code for row in SUBPACKET_MARKS)

_FLAG_BITS = Bits(
    Bit(6, "V", "version", width=2),
    Bit(5, "P", "padding"),
    Bit(4, "X", "extension"),
    Bit(0, "CC", "CSRC count", width=4),
)
_MARKER_BITS = Bits(
    Bit(7, "M 完整数据帧的边界", "last packet of a frame"),
    Bit(0, "PT", "payload type", width=7, choices=PAYLOAD_TYPES),
)
_TYPE_BITS = Bits(
    Bit(4, "数据类型", "data type", width=4, choices=DATA_TYPES),
    Bit(0, "分包处理标记", "sub-packet mark", width=4, choices=SUBPACKET_MARKS),
)


class Sim(Bcd):
    """SIM卡号: 6 bytes by the standard, 10 in the form that 808-2019 terminals use (§2.1)."""

    def __init__(self) -> None:
        super().__init__(6)
        self.narrow = Bcd(self.width)
        self.wide = Bcd(10)

    def _in(self, edition: Edition) -> Bcd:
        """As wide as a phone number of the edition."""
        return self.wide if edition is Edition.V2019 else self.narrow

    def con(self, edition: Edition) -> Any:
        return self._in(edition).con(edition)

    def min_bytes(self, edition: Edition) -> int:
        return self._in(edition).width

    def from_json(self, value: object) -> str:
        return (self.wide if len(str(value).strip()) > 2 * self.width else self.narrow).from_json(value)

    def wire_type(self, edition: Edition) -> str:
        return self._in(edition).wire_type(edition)

    def possible(self, edition: Edition) -> str:
        return self._in(edition).possible(edition)


@dataclass(frozen=True)
class _OfTypes(Presence):
    """There for some data types only."""

    types: frozenset[int]

    def reading(self, scope: Scope, stream: BytesIO) -> bool:
        """By the type read before."""
        return self.writing(scope, stream)

    def writing(self, scope: Scope, _value: object) -> bool:
        """By the type."""
        return scope["type_and_mark"] >> 4 in self.types

    def __str__(self) -> str:
        return "in packets of " + ", ".join(DATA_TYPES.meaning(data_type) for data_type in sorted(self.types))


@structure(clause="1078 §2.1")
class Packet(Structure):
    """One packet; edition 2019 of its layout is the form with a SIM of 10 bytes."""

    magic: int = dword("帧头标识", as_hex=True, default=int.from_bytes(MAGIC))
    flags: int = byte("V P X CC", table=_FLAG_BITS, default=FLAGS)
    marker_and_type: int = byte("M PT", table=_MARKER_BITS, en="marker and payload type")
    serial: int = word("包序号", en="packet serial")
    sim: str = of_kind("SIM卡号", Sim(), en="SIM")
    channel: int = byte("逻辑通道号", table=LOGICAL_CHANNELS, clause="1078 §1.13")
    type_and_mark: int = byte("数据类型 分包处理标记", table=_TYPE_BITS, en="data type and sub-packet mark")
    timestamp_ms: int | None = qword("时间戳", unit="ms", present=_OfTypes(TIMED), default=None)
    last_i_interval_ms: int | None = word(
        "Last I Frame Interval", unit="ms", present=_OfTypes(VIDEO), default=None, en="since the last I frame"
    )
    last_interval_ms: int | None = word(
        "Last Frame Interval", unit="ms", present=_OfTypes(VIDEO), default=None, en="since the last frame"
    )
    body: bytes = raw("数据体", prefix=2)

    @classmethod
    def of(
        cls,
        data_type: int,
        payload_type: int,
        body: bytes,
        *,
        sim: str,
        channel: int,
        serial: int,
        mark: int = ATOMIC,
        timestamp_ms: int | None = None,
        last_i_interval_ms: int | None = None,
        last_interval_ms: int | None = None,
    ) -> Self:
        """A packet as the standard wants it, with the marker bit on the last packet of a frame.

        Args:
            data_type: of DATA_TYPES.
            payload_type: of PAYLOAD_TYPES.
            body: up to BODY_BYTES_STANDARD bytes.
            sim: 12 digits, or 20 for terminals of 808-2019.
            channel: 逻辑通道号.
            serial: 包序号, 0..65535.
            mark: of SUBPACKET_MARKS.
            timestamp_ms: for all but transparent data.
            last_i_interval_ms: for video.
            last_interval_ms: for video.
        """
        return cls(
            marker_and_type=(mark in (ATOMIC, LAST)) << 7 | payload_type,
            serial=serial,
            sim=sim,
            channel=channel,
            type_and_mark=data_type << 4 | mark,
            timestamp_ms=timestamp_ms,
            last_i_interval_ms=last_i_interval_ms,
            last_interval_ms=last_interval_ms,
            body=body,
        )

    @property
    def marker(self) -> int:
        """M: 1 in the last packet of a frame."""
        return self.marker_and_type >> 7

    @property
    def payload_type(self) -> int:
        """PT, of PAYLOAD_TYPES."""
        return self.marker_and_type & 0x7F

    @property
    def data_type(self) -> int:
        """数据类型, of DATA_TYPES."""
        return self.type_and_mark >> 4

    @property
    def mark(self) -> int:
        """分包处理标记, of SUBPACKET_MARKS."""
        return self.type_and_mark & 0x0F

    @property
    def terminal(self) -> str:
        """Key of the terminal, as of 808 headers: the digits without leading zeros, whatever the width (§2.3)."""
        return self.sim.lstrip("0")

    @property
    def form(self) -> Edition:
        """The layout that has a SIM of this width."""
        return Edition.V2019 if len(self.sim) > 2 * SIM_BYTES[0] else Edition.V2013

    def deviations(self) -> list[str]:
        """Names of what is not as the standard wants it, see `deviations.DEVIATIONS`."""
        found = {
            dev.BCD_NOT_DIGITS: not self.sim.isdecimal(),
            dev.MEDIA_PACKET_FLAGS: self.flags != FLAGS,
            dev.MEDIA_PACKET_MARKER: bool(self.marker) != (self.mark in (ATOMIC, LAST)),
            dev.MEDIA_PACKET_LONG: len(self.body) > BODY_BYTES_STANDARD,
            dev.MEDIA_PACKET_EMPTY: not self.body,
        }
        return [name for name, is_so in found.items() if is_so]


def encode_packet(packet: Packet) -> bytes:
    """The packet as it goes over the wire; the number of SIM digits decides the form.

    Raises:
        EncodeError: a value does not fit, or a field is missing that the data type has.
    """
    return packet.encode(packet.form)


def packet_rows(packet: Packet) -> list[Span]:
    """The bytes of a packet with their meaning."""
    spans: list[Span] = []
    Packet.decode(encode_packet(packet), packet.form, spans=spans)
    return spans


def describe_packet(packet: Packet | BadPacket) -> dict[str, object]:
    """A packet, or bad bytes of a stream, as the object of design section 5; the body is hex."""
    described: dict[str, object] = {
        "protocol": PROTOCOL,
        "edition": None,
        "message": None,
        "term": None,
        "header": None,
        "body": None,
        "deviations": [],
        "error": None,
    }
    if isinstance(packet, BadPacket):
        return described | {"body": {"raw": packet.raw.hex()}, "error": packet.as_json()}
    return described | {
        "edition": STANDARD_EDITION,
        "message": "media_packet",
        "term": "码流数据报文",
        "header": {
            "version": packet.flags >> 6,
            "padding": packet.flags >> 5 & 1,
            "extension": packet.flags >> 4 & 1,
            "csrc_count": packet.flags & 0x0F,
            "marker": packet.marker,
            "payload_type": packet.payload_type,
            "serial": packet.serial,
            "sim": packet.sim,
            "channel": packet.channel,
            "data_type": packet.data_type,
            "mark": packet.mark,
            "timestamp_ms": packet.timestamp_ms,
            "last_i_interval_ms": packet.last_i_interval_ms,
            "last_interval_ms": packet.last_interval_ms,
            "body_length": len(packet.body),
        },
        "body": {"data": packet.body.hex()},
        "deviations": packet.deviations(),
    }


class Form(NamedTuple):
    """Where the fields stand that a reader needs before it knows the packet; made of the declaration.

    Args:
        edition: of the layout.
        sim_at: offset of the SIM.
        channel_at: offset of the channel.
        type_at: offset of data type and mark.
        timestamp_at: offset of the timestamp.
        length_at: offset of the length of the body, by data type.
    """

    edition: Edition
    sim_at: int
    channel_at: int
    type_at: int
    timestamp_at: int
    length_at: tuple[int, ...]


def _offset(name: str, edition: Edition, data_type: int) -> int:
    """Bytes before a field in packets of one data type."""
    before = takewhile(lambda spec: spec.name != name, Packet.LAYOUTS[edition])
    presences = ((spec, spec.presence_in(edition)) for spec in before)
    return sum(
        spec.kind.min_bytes(edition)
        for spec, presence in presences
        if not isinstance(presence, _OfTypes) or data_type in presence.types
    )


def _form(edition: Edition) -> Form:
    return Form(
        edition,
        sim_at=_offset("sim", edition, I_FRAME),
        channel_at=_offset("channel", edition, I_FRAME),
        type_at=_offset("type_and_mark", edition, I_FRAME),
        timestamp_at=_offset("timestamp_ms", edition, I_FRAME),
        length_at=tuple(_offset("body", edition, row.code) for row in DATA_TYPES),
    )


_EDITIONS = (Edition.V2013, Edition.V2019)

#: Widths of the SIM, in the order in which they are believed.
SIM_BYTES = tuple(Sim().min_bytes(edition) for edition in _EDITIONS)

#: Width of the SIM -> form of the packet.
FORMS = {width: _form(edition) for width, edition in zip(SIM_BYTES, _EDITIONS, strict=True)}

#: The longest packet: video with a SIM of 10 bytes.
PACKET_BYTES_MAX = FORMS[10].length_at[I_FRAME] + 2 + BODY_BYTES_MAX

#: Later timestamps are not milliseconds of anything (the year 2248).
_TIMESTAMP_MAX = 1 << 43

#: Channels that occur (§2.3 item 3).
_CHANNELS = frozenset(range(1, 65)) | frozenset(range(100, 128))


class _Reading(NamedTuple):
    """What a place in the stream is in one form."""

    form: Form
    total: int  # bytes of the packet
    plausible: bool  # the values of its header make sense too


class PacketReader:
    """Splits one media stream into packets (§2.3, §3.5).

    What is held is less than PACKET_BYTES_MAX and the bytes of one call, and up to STRAY_BYTES_MAX of bad bytes.

    Args:
        sim_bytes: widths of the SIM that are possible, the more likely first; (10, 6) for a stream that an
            808-2019 session asked for, one alone when it is known. The first packet that another follows
            decides for the rest of the stream.

    Raises:
        ValueError: there is no such width.
    """

    def __init__(self, sim_bytes: tuple[int, ...] = SIM_BYTES) -> None:
        if not sim_bytes or not set(sim_bytes) <= set(SIM_BYTES):
            raise ValueError(f"the width of a SIM is one of {SIM_BYTES}, not {sim_bytes}")
        self._forms = tuple(FORMS[width] for width in dict.fromkeys(sim_bytes))
        self._tried: Form | None = None  # form of the packet before, while that is not certain
        self._buffer = bytearray()
        self._position = 0  # stream offset of _buffer[0]
        self._synced = True  # a packet begins at _buffer[0], unless the peer is wrong
        self._bad = bytearray()  # the bad stretch before _buffer[0]
        self._fault: tuple[type[BadPacket], str] = (PacketStray, "")
        #: Bytes that belonged to no packet, in all and since the last packet.
        self.skipped_bytes = 0
        self.bytes_without_sync = 0

    @property
    def pending(self) -> int:
        """Bytes held back because their packet, or bad stretch, is not complete."""
        return len(self._buffer) + len(self._bad)

    @property
    def hopeless(self) -> bool:
        """True when so much came without a packet that the connection should be closed."""
        return self.bytes_without_sync > NO_SYNC_BYTES_MAX

    @property
    def sim_bytes(self) -> int | None:
        """Width of the SIM, once it is certain."""
        if len(self._forms) > 1:
            return None
        return self._forms[0].channel_at - self._forms[0].sim_at

    def feed(self, data: bytes) -> list[Packet | BadPacket]:
        """Take bytes of a TCP stream as they arrive and return what has become complete, in order."""
        self._buffer += data
        return list(self._take(final=False))

    def datagram(self, data: bytes) -> list[Packet | BadPacket]:
        """Take a UDP datagram, which begins with a packet and ends with the end of one."""
        self._buffer += data
        events = list(self._take(final=True))
        self._synced = True
        return events

    def eof(self) -> list[Packet | BadPacket]:
        """Say that no more bytes will come; what is left is a last packet or bad."""
        return self.datagram(b"")

    def _take(self, *, final: bool) -> Iterator[Packet | BadPacket]:
        """Packets and bad stretches from the front of the buffer; `final` when nothing will follow it."""
        buffer = self._buffer
        at = 0
        while at < len(buffer):  # every turn but the last takes a byte at least
            after_fault = not self._synced
            if after_fault:
                begin = buffer.find(_SYNC, at)
                end = begin if begin >= 0 else len(buffer) - (0 if final else _begun(buffer, len(buffer)))
                yield from self._skip(at, max(at, end))
                at = max(at, end)
                if begin < 0:
                    break
            elif not MAGIC.startswith(buffer[at : at + 4]):
                self._lose(PacketStray, "no packet begins here")
                continue
            elif len(buffer) - at >= 4 and self._tried is not None:
                self._forms = (self._tried,)
            verdict = self._judge(at, after_fault=after_fault, final=final)
            if verdict is None:
                break
            if isinstance(verdict, _Reading):
                yield from self._end_of_bad(at)
                end = at + verdict.total
                yield Packet.decode(bytes(buffer[at:end]), verdict.form.edition)
                self._tried = verdict.form
                self._synced = True
                self.bytes_without_sync = 0
                at = end
                if final and at == len(buffer):
                    self._forms = (verdict.form,)
            else:
                self._lose(*verdict)
                yield from self._skip(at, at + 1)
                at += 1
        if final:
            yield from self._end_of_bad(at)
        del buffer[:at]
        self._position += at

    def _judge(self, at: int, *, after_fault: bool, final: bool) -> _Reading | tuple[type[BadPacket], str] | None:
        """What begins at `at` with the magic: a whole packet, a fault, or None when more bytes must come first."""
        buffer = self._buffer
        readings = [self._read(form, at) for form in self._forms]
        if None in readings and not final:
            return None
        possible = [reading for reading in readings if isinstance(reading, _Reading)]
        if not possible:
            if None in readings:
                return PacketTruncated, "the stream ends inside a header"
            return PacketUndefined, "no such data type or sub-packet mark"
        reading = self._choose(at, possible, final)
        if reading is None:
            return None
        end = at + reading.total
        if end > len(buffer):
            return (PacketTruncated, "the stream ends before the packet does") if final else None
        if _begun(buffer, end) and len(buffer) < end + 4 and not final:
            return None
        another_inside = buffer.find(_SYNC, at + 1, end + 4) >= 0
        doubtful = not reading.plausible and (after_fault or len(self._forms) > 1)
        if another_inside or doubtful or after_fault:
            followed = self._followed(end, final)
            if followed is None:
                return None
            if another_inside and (doubtful or not followed):
                return PacketCut, "another packet begins inside"
            if not followed and doubtful:
                return PacketStray, "a header that makes no sense, and no packet behind it"
        return reading

    def _choose(self, at: int, possible: list[_Reading], final: bool) -> _Reading | None:
        """The right one of several readings: the one that makes sense, else the one that a packet follows."""
        if len(possible) == 1:
            return possible[0]
        plausible = [reading for reading in possible if reading.plausible]
        if len(plausible) == 1 and not final:  # most packets need not wait for the next one
            return plausible[0]
        followed = [self._followed(at + reading.total, final) for reading in possible]
        if None in followed:
            return None
        sure = [reading for reading, is_followed in zip(possible, followed, strict=True) if is_followed]
        best = [reading for reading in sure if reading.plausible]
        return (best or sure or plausible or possible)[0]

    def _read(self, form: Form, at: int) -> _Reading | bool | None:
        """The packet at `at` in one form; None when its header is not complete, False when it cannot be one."""
        buffer = self._buffer
        held = len(buffer) - at
        if held <= form.type_at:
            return None
        data_type, mark = divmod(buffer[at + form.type_at], 16)
        if DATA_TYPES.get(data_type) is None or SUBPACKET_MARKS.get(mark) is None:
            return False
        length_at = form.length_at[data_type]
        if held < length_at + 2:
            return None
        length = int.from_bytes(buffer[at + length_at : at + length_at + 2])
        timestamp_at = at + form.timestamp_at
        plausible = (
            buffer[at + len(MAGIC)] == FLAGS
            and length <= BODY_BYTES_STANDARD
            and buffer[at + form.channel_at] in _CHANNELS
            and buffer[at + form.sim_at : at + form.channel_at].hex().isdecimal()
            and (data_type not in TIMED or int.from_bytes(buffer[timestamp_at : timestamp_at + 8]) < _TIMESTAMP_MAX)
        )
        return _Reading(form, length_at + 2 + length, plausible)

    def _followed(self, end: int, final: bool) -> bool | None:
        """Whether a packet begins at `end`, or the stream ends there; None when that is not known yet."""
        head = self._buffer[end : end + 4]
        if len(head) == 4:
            return head == MAGIC
        return end == len(self._buffer) if final else None

    def _lose(self, fault: type[BadPacket], message: str) -> None:
        """The place is no packet; the first fault of a bad stretch is the one that is reported."""
        if self._synced:
            self._fault = (fault, message)
            self._synced = False
            self._tried = None

    def _skip(self, begin: int, end: int) -> Iterator[BadPacket]:
        """Count bytes of the buffer as bad."""
        self.skipped_bytes += end - begin
        self.bytes_without_sync += end - begin
        while begin < end:
            piece = min(end - begin, STRAY_BYTES_MAX - len(self._bad))
            self._bad += self._buffer[begin : begin + piece]
            begin += piece
            if len(self._bad) == STRAY_BYTES_MAX:
                yield from self._end_of_bad(begin)

    def _end_of_bad(self, at: int) -> Iterator[BadPacket]:
        """The bad stretch that ends at `at` of the buffer, if there is one."""
        if self._bad:
            fault, message = self._fault
            yield fault(message, offset=self._position + at - len(self._bad), raw=bytes(self._bad))
            self._bad.clear()


def _begun(buffer: bytearray, end: int) -> int:
    """How many bytes before `end` may be the beginning of a packet that goes on behind it."""
    return next((size for size in range(len(_SYNC) - 1, 0, -1) if buffer.endswith(_SYNC[:size], 0, end)), 0)
