"""Entries for the streams beside the signalling link: attachments of alarms, media."""

import json
from collections.abc import Iterable

from fuzz.inputs import Input, cut, stream
from fuzz.streams import frame_808
from jtgate.codecs.errors import BadPacket
from jtgate.codecs.framing import FRAME_BYTES_MAX, Frame
from jtgate.codecs.jsatl12.filestream import (
    MAGIC,
    BadStream,
    DataPacket,
    Event,
    FileStreamReader,
    data_packet,
)
from jtgate.codecs.jt1078 import packets
from jtgate.codecs.jt1078.packets import Packet, PacketReader, describe_packet, encode_packet
from jtgate.codecs.profile import Dialect

#: Small enough that it is reached.
_DATA_BYTES_MAX = 200
_NAMES = ("00_64_6401_0_5F2A9C0B7E4D41A6B3C8D9E0F1A2B3C4.jpg", "x", "02_65_0_1_" + "A" * 41)
_SIM_BYTES = ((6, 10), (10, 6), (6,), (10,))
_SIMS = ("013912345678", "00000000013912345678")


def _file_piece(given: Input, what: int) -> bytes:
    """A frame, or a data packet of either form."""
    kind, size = what >> 6, what & 0x3F
    if kind == 1:
        return frame_808(given, 0x80 | size)
    dialect = Dialect.HLJ if kind == 3 else Dialect.AUTO
    name, offset = given.one_of(_NAMES), given.number(2)
    return data_packet(name, offset, given.take(size * 4), dialect).encode()


def _files(chunks: Iterable[bytes], dialect: Dialect) -> tuple[list[Event], FileStreamReader]:
    reader = FileStreamReader(dialect, data_bytes_max=_DATA_BYTES_MAX)
    events = [event for chunk in chunks for event in reader.feed(chunk)]
    events += reader.eof()
    return events, reader


def _told(event: Event) -> object:
    if isinstance(event, Frame | DataPacket):
        return event
    return (event.code, event.offset, event.message, event.raw)


def filestream(data: bytes) -> None:
    """An attachment link: whole and in pieces; frames and packets stand in the stream in their order."""
    given = Input(data)
    step = given.number()
    dialect = given.one_of((Dialect.AUTO, Dialect.HLJ, Dialect.SU))
    sent = stream(given, _file_piece)
    events, reader = _files([sent], dialect)
    pieces, by_pieces = _files(cut(sent, step), dialect)
    assert list(map(_told, pieces)) == list(map(_told, events))
    assert (reader.broken is None) == (by_pieces.broken is None)
    assert by_pieces.deviations == reader.deviations
    assert sum(isinstance(event, BadStream) for event in events) == int(reader.broken is not None)
    at = 0
    for event in events:
        if isinstance(event, DataPacket):
            at = sent.index(event.encode(), at) + len(event.encode())
        elif not isinstance(event, Frame):
            assert 0 <= event.offset <= len(sent)


def filestream_limits(data: bytes) -> None:
    """What is held back of an endless stream is bounded, whatever it announces."""
    reader = FileStreamReader(data_bytes_max=_DATA_BYTES_MAX)
    most = max(FRAME_BYTES_MAX + 2, len(MAGIC) + 1 + 255 + 8 + _DATA_BYTES_MAX)
    for chunk in cut(data, 7):
        reader.feed(chunk)
        assert reader.pending <= most + len(chunk)


def _media_piece(given: Input, what: int) -> bytes:
    """A packet that is right but for its values."""
    data_type = given.number() % 5
    timed = data_type != packets.TRANSPARENT
    video = data_type in packets.VIDEO
    return encode_packet(
        Packet.of(
            data_type,
            given.number() & 0x7F,
            given.take(what & 0x3F),
            sim=_SIMS[what >> 7],
            channel=1 + given.number() % 4,
            serial=given.number(),
            mark=given.number() % 4,
            timestamp_ms=given.number(2) if timed else None,
            last_i_interval_ms=given.number() if video else None,
            last_interval_ms=given.number() if video else None,
        )
    )


def media(data: bytes) -> None:
    """A media stream: every byte is in one packet or one bad stretch, whole and in pieces."""
    given = Input(data)
    step, widths = given.number(), given.one_of(_SIM_BYTES)
    sent = stream(given, _media_piece)
    whole = _packets([sent], widths)
    assert b"".join(_bytes_of(event) for event in whole) == sent
    at = 0
    for event in whole:
        if isinstance(event, BadPacket):
            assert event.offset == at
        at += len(_bytes_of(event))
        json.dumps(describe_packet(event))
    pieces = _packets(cut(sent, step), widths)
    assert b"".join(_bytes_of(event) for event in pieces) == sent
    assert list(map(_told_packet, pieces)) == list(map(_told_packet, whole))
    reader = PacketReader(widths)
    alone = [_bytes_of(event) for piece in cut(sent, step) for event in reader.datagram(piece)]
    assert b"".join(alone) == sent


def _packets(chunks: Iterable[bytes], widths: tuple[int, ...]) -> list[Packet | BadPacket]:
    reader = PacketReader(widths)
    events = []
    for chunk in chunks:
        events += reader.feed(chunk)
        assert reader.pending <= packets.PACKET_BYTES_MAX + packets.STRAY_BYTES_MAX + len(chunk)
    return events + reader.eof()


def _bytes_of(event: Packet | BadPacket) -> bytes:
    return event.raw if isinstance(event, BadPacket) else encode_packet(event)


def _told_packet(event: Packet | BadPacket) -> object:
    return (event.code, event.offset, event.message, event.raw) if isinstance(event, BadPacket) else event
