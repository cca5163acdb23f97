"""Entries for parsers of byte streams: what they say must not depend on how the network cut the bytes."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from fuzz.inputs import Input, cut, stream
from jtgate.codecs import twins
from jtgate.codecs.describe import Described, walk_wire
from jtgate.codecs.edition import Edition
from jtgate.codecs.errors import FrameError, HeaderError
from jtgate.codecs.framing import FRAME_BYTES_MAX, Frame, FrameReader, escape, wrap
from jtgate.codecs.header import build_header
from jtgate.codecs.jt809.describe import describe_809
from jtgate.codecs.jt809.framing import Cipher, Frame809, Reader809
from jtgate.storage.records import FramesRecord, unpack

Story = list[tuple[object, ...]]

#: Escaped bytes between two flags, so short that the limit is reached.
LIMITS = (FRAME_BYTES_MAX, 300, 40)

#: Ids that the fast lane takes: 1 + the fewest bytes of the body.
_PLAIN = bytearray(1 << 16)
_PLAIN[0x0002] = 1
_PLAIN[0x0200] = 29
_PLAIN[0x0704] = 4

#: Phones that the open lane is pinned to: 6 bytes, and 10 with the version byte of the 2019 header.
_PHONES = (bytes.fromhex("013912345678"), bytes.fromhex("00000000013912345678"))
_NOW_US = 123_456
_CIPHER = Cipher(10_000_000, 20_000_000, 30_000_000)


def frame_808(given: Input, what: int) -> bytes:
    """A frame with the right check byte: of any payload, or with a header that fits (2013, 2019)."""
    kind, size = what >> 6, what & 0x3F
    if kind == 1:
        return wrap(given.take(size))
    edition = (Edition.V2013, Edition.V2019)[kind - 2]
    msg_id, serial, phone = given.number(2), given.number(2), given.one_of(("13912345678", "1"))
    # One size in four makes it a part of a longer message.
    total, number = (given.number() % 4, given.number() % 4) if size % 4 == 3 else (None, None)
    body = given.take(size * 4)
    head = build_header(
        msg_id, len(body), phone=phone, serial=serial, edition=edition, packet_total=total, packet_no=number
    )
    return wrap(head + body)


def frame_809(given: Input, what: int) -> bytes:
    """A frame with the right length and CRC."""
    return Frame809(
        length=0,
        serial=given.number(),
        msg_id=given.number(2),
        center_id=given.number(),
        version=b"\x01\x00\x00",
        encrypted=given.number() & 1,
        key=given.number(2),
        time_s=1_700_000_000 if what & 0x40 else None,
        body=given.take((what & 0x3F) * 4),
    ).encode()


def told(event: Frame | FrameError) -> tuple[object, ...]:
    """An event in a form that compares."""
    if isinstance(event, Frame):
        return ("frame", event.payload, event.position)
    return (event.code, event.offset, event.message, event.raw)


def by_truth(chunks: Iterable[bytes], limit: int) -> Story:
    """Events of `FrameReader`."""
    reader = FrameReader(limit)
    events = []
    for chunk in chunks:
        events += [told(event) for event in reader.feed(chunk)]
        assert reader.pending <= limit
    return events + [told(event) for event in reader.eof()]


def by_lane(module: Any, chunks: Iterable[bytes], limit: int, phone: bytes) -> tuple[Story, list[bytes]]:
    """Events and answers of a lane; `phone` opens it for the fast way, b"" leaves it shut."""
    batch = module.Batch(bytes(_PLAIN), lambda: _NOW_US * 1000, lambda: None, 1 << 20)
    lane = module.Lane(None, batch, lambda _: None, limit)
    if phone:
        lane.open(phone, 1, 77, 2)
    events: Story = []
    answers: list[bytes] = []
    for chunk in chunks:
        event = lane.feed(chunk, batch, _NOW_US)
        while True:
            records, _, sent = batch.take()
            for record in unpack(records):
                assert isinstance(record, FramesRecord)
                events += [("frame", payload) for payload in record.payloads]
            answers += sent[1::2]
            if event is None:
                break
            events.append(told(event))
            event = lane.feed(b"", batch, _NOW_US)
    rest = lane.reset()
    return events + ([told(rest)] if rest is not None else []), answers


def framing(data: bytes) -> None:
    """Frames of JT/T 808: whole, in pieces, byte by byte, and in both twins with the fast lane shut and open."""
    given = Input(data)
    step, limit = given.number(), given.one_of(LIMITS)
    phone = given.one_of((b"", *_PHONES))
    sent = stream(given, frame_808)
    truth = by_truth([sent], limit)
    assert by_truth(cut(sent, step), limit) == truth
    for module in (twins.load("lane"), twins.load_pure("lane")):
        assert by_lane(module, cut(sent, step), limit, b"")[0] == truth
    assert by_lane(twins.load_pure("lane"), (bytes([byte]) for byte in sent), limit, b"")[0] == truth
    for kind, *rest in truth:
        if kind == "frame":
            payload, position = rest
            assert isinstance(payload, bytes)
            assert isinstance(position, int)
            _is_in(sent, payload, position)
        else:
            assert isinstance(rest[0], int)
            assert 0 <= rest[0] <= len(sent)
    compiled, answers = by_lane(twins.load("lane"), cut(sent, step), limit, phone)
    assert by_lane(twins.load_pure("lane"), cut(sent, step), limit, phone) == (compiled, answers)
    assert [event[:2] for event in compiled] == [event[:2] for event in truth]
    for answer in answers:
        assert all(isinstance(event, Frame) for event in FrameReader().feed(answer))


def _is_in(sent: bytes, payload: bytes, position: int) -> None:
    """A frame stands where it says, but for escapes that are none."""
    wire_bytes = wrap(payload)
    if sent[position - 1 : position - 1 + len(wire_bytes)] == wire_bytes:
        return
    end = sent.index(b"\x7e", position)
    assert sent[position - 1] == 0x7E
    assert len(payload) + 1 <= end - position <= len(escape(payload)) + 2


def jt809(data: bytes) -> None:
    """Frames and bodies of JT/T 809: whole and in pieces; what is read is written again."""
    given = Input(data)
    step, limit = given.number(), given.one_of(LIMITS)
    edition = given.one_of((None, Edition.V2011, Edition.V2019))
    sent = stream(given, frame_809)
    truth = _read_809([sent], edition, limit)
    assert [_told_809(event) for event in _read_809(cut(sent, step), edition, limit)] == list(map(_told_809, truth))
    for event in truth:
        if isinstance(event, Frame809):
            assert _read_809([event.encode()], edition, limit * 2)[0] == _moved(event)
            for cipher in (None, _CIPHER):
                json.dumps(describe_809(event, cipher))
        else:
            assert 0 <= event.offset <= len(sent)


def _read_809(
    chunks: Iterable[bytes], edition: Edition | None, limit: int
) -> list[Frame809 | FrameError | HeaderError]:
    reader = Reader809(edition, limit)
    events = [event for chunk in chunks for event in reader.feed(chunk)]
    return events + reader.eof()


def _moved(frame: Frame809) -> Frame809:
    """The same frame at the start of a stream."""
    known = {name: getattr(frame, name) for name in Frame809.__slots__}
    return Frame809(**{**known, "position": 0})


def _told_809(event: Frame809 | FrameError | HeaderError) -> object:
    if isinstance(event, Frame809):
        return event
    return (event.code, event.offset, event.message, event.raw)


def wire(data: bytes) -> None:
    """The description of a stream: the same however it is cut, in JSON, and every byte of a frame in its rows."""
    given = Input(data)
    step = given.number()
    force = given.one_of((None, Edition.V2013, Edition.V2019))
    sent = stream(given, frame_808)
    whole = list(walk_wire([sent], force=force))
    assert [one.json for one in walk_wire(cut(sent, step), force=force)] == [one.json for one in whole]
    for described in whole:
        json.dumps(described.json).encode()
        assert (described.error is not None) == (described.json["error"] is not None)
        if described.error is not None:
            longest = len(described.payload) if described.header is not None else len(sent)
            assert 0 <= described.error.offset <= longest
        rows = list(_rows(described))
        if described.error is None and described.header is not None:
            first = 0 if described.is_whole else described.header.size
            shown = b"".join(rows)
            assert shown == described.payload[: first + len(described.body)]


def _rows(described: Described) -> Iterator[bytes]:
    """Bytes of the rows in their order; each stands where it says."""
    for row in sorted(described.rows(), key=lambda row: row.offset):
        assert row.raw == described.payload[row.offset : row.offset + row.length]
        yield row.raw
