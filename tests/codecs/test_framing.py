"""Framing: the slow truth and the compiled and plain twins must tell the same story about any bytes."""

import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jtgate.codecs import twins
from jtgate.codecs.edition import Edition
from jtgate.codecs.errors import (
    ChecksumError,
    EscapeError,
    FrameError,
    FrameTooLong,
    FrameTooShort,
    StrayBytes,
)
from jtgate.codecs.framing import FRAME_BYTES_MAX, Frame, FrameReader, check_byte, escape, unescape, wrap
from jtgate.codecs.header import encode_frames, parse_header

LIMIT = 300
PLAIN = bytearray(65536)
PLAIN[0x0002] = 1
PLAIN[0x0200] = 29
TABLE = bytes(PLAIN)

Story = list[tuple[object, ...]]


def told(event: Frame | FrameError) -> tuple[object, ...]:
    """An event in a form that compares."""
    if isinstance(event, Frame):
        return ("frame", event.payload, event.position)
    return (event.code, event.offset, event.message, event.raw)


def by_truth(chunks: list[bytes], limit: int = LIMIT) -> Story:
    """Events of the slow truth."""
    reader = FrameReader(limit)
    events = [told(event) for chunk in chunks for event in reader.feed(chunk)]
    return events + [told(event) for event in reader.eof()]


def fast_lane(module: Any, limit: int = FRAME_BYTES_MAX) -> tuple[Any, Any]:
    """A batch and a lane with nothing around them."""
    batch = module.Batch(TABLE, lambda: 123_456_000, lambda: None, 1 << 20)
    return batch, module.Lane(None, batch, lambda _: None, limit)


def by_twin(module: Any, chunks: list[bytes], limit: int = LIMIT) -> Story:
    """Events of a twin whose fast lane is shut."""
    batch, lane = fast_lane(module, limit)
    events = []
    for chunk in chunks:
        event = lane.feed(chunk, batch, 1)
        while event is not None:
            events.append(told(event))
            event = lane.feed(b"", batch, 1)
    rest = lane.reset()
    return events + ([told(rest)] if rest is not None else [])


READERS: list[Any] = [
    pytest.param(by_truth, id="truth"),
    pytest.param(lambda chunks, limit=LIMIT: by_twin(twins.load("lane"), chunks, limit), id="twin"),
    pytest.param(lambda chunks, limit=LIMIT: by_twin(twins.load_pure("lane"), chunks, limit), id="pure"),
]
Reader = Callable[..., Story]

HEARTBEAT = wrap(bytes.fromhex("000200000139123456780001"))
ESCAPED = wrap(bytes.fromhex("000200000139123456787d7e"))

payloads = st.binary(min_size=12, max_size=60)
frames = payloads.map(wrap)
junk = st.binary(min_size=0, max_size=30)
streams = st.lists(
    st.one_of(frames, junk, st.just(b"\x7e"), st.just(b"\x7d"), frames.map(lambda f: f[:-1])), max_size=8
)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """Cut a stream at places taken modulo its length."""
    marks = sorted({place % (len(data) + 1) for place in places})
    return [data[a:b] for a, b in zip([0, *marks], [*marks, len(data)], strict=True)]


@given(streams, st.lists(st.integers(0, 10_000), max_size=6))
def test_twins_tell_what_the_truth_tells(parts: list[bytes], places: list[int]) -> None:
    """For any stream, cut anywhere, events, offsets and messages are the same."""
    chunks = cut(b"".join(parts), places)

    truth = by_truth(chunks)

    assert by_twin(twins.load("lane"), chunks) == truth
    assert by_twin(twins.load_pure("lane"), chunks) == truth


@given(st.lists(st.binary(min_size=0, max_size=500), max_size=6))
def test_random_bytes_give_only_frames_and_typed_errors(chunks: list[bytes]) -> None:
    """Nothing but frames and frame errors comes out of noise."""
    reader = FrameReader(LIMIT)

    for chunk in chunks:
        assert all(isinstance(event, Frame | FrameError) for event in reader.feed(chunk))
        assert reader.pending <= LIMIT


@pytest.mark.parametrize("read", READERS)
@given(st.lists(payloads, min_size=1, max_size=4), st.integers(0, 10_000))
def test_splitting_and_gluing_change_nothing(read: Reader, bodies: list[bytes], place: int) -> None:
    """Frames arrive whole however the network cuts them."""
    stream = b"".join(wrap(body) for body in bodies)

    events = read(cut(stream, [place]))

    assert [event[1] for event in events] == bodies


@pytest.mark.parametrize("read", READERS)
def test_every_cut_of_a_stream_gives_the_same_frames(read: Reader) -> None:
    """Byte by byte, cut at each place, and glued, the story is one."""
    stream = HEARTBEAT + ESCAPED + b"\x7e" + HEARTBEAT
    whole = read([stream])

    assert [event[0] for event in whole] == ["frame", "frame", "frame"]
    assert read([bytes([byte]) for byte in stream]) == whole
    for place in range(len(stream)):
        assert read([stream[:place], stream[place:]]) == whole


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    ("before", "code"),
    [
        (b"GET /robots.txt HTTP/1.1\r\n\r\n", StrayBytes.code),
        (HEARTBEAT[:-2] + b"\xff\x7e", ChecksumError.code),
        (b"\x7e\x00\x02\x7e", FrameTooShort.code),
        (HEARTBEAT[:6] + b"\x7d\x05" + HEARTBEAT[6:], EscapeError.code),
        (b"\x7e" + bytes(LIMIT + 1), FrameTooLong.code),
        (HEARTBEAT + b"junk", StrayBytes.code),
    ],
)
def test_a_bad_stretch_costs_itself_only(read: Reader, before: bytes, code: str) -> None:
    """The frame after bytes that are none always arrives, and the fault has its name."""
    events = read([before + ESCAPED])

    assert events[-1][0] == "frame"
    assert events[-1][1] == bytes.fromhex("000200000139123456787d7e")
    assert [event[0] for event in events if event[0] != "frame"] == [code]


@pytest.mark.parametrize("read", READERS)
def test_one_flag_may_serve_two_frames(read: Reader) -> None:
    """A shared flag, and a lost one, lose no frame."""
    assert [event[0] for event in read([HEARTBEAT[:-1] + ESCAPED])] == ["frame", "frame"]


@pytest.mark.parametrize("read", READERS)
def test_an_endless_stretch_is_reported_once_and_not_kept(read: Reader) -> None:
    """A stream without flags costs a bounded buffer and one error."""
    events = read([b"\x7e"] + [b"x" * 100] * 50)

    assert [event[0] for event in events] == [FrameTooLong.code]


def test_one_unfinished_byte_does_not_keep_a_whole_read_in_memory() -> None:
    """What is held back is the unfinished frame, not the read it came in."""
    module = twins.load("lane")
    batch = module.Batch(TABLE, lambda: 0, lambda: None, 1 << 20)
    lanes = [module.Lane(None, batch, lambda _: None, FRAME_BYTES_MAX) for _ in range(50)]
    flags = b"\x7e" * 200_000 + b"\x02"
    tracemalloc.start()
    for lane in lanes:
        assert lane.feed(flags + b"", batch, 1) is None
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert {lane.pending for lane in lanes} == {1}
    assert held < 1_000_000


@given(st.binary(max_size=200))
def test_unescape_undoes_escape(data: bytes) -> None:
    """What was escaped comes back, and holds no flag in between."""
    assert b"\x7e" not in escape(data)
    assert unescape(escape(data)) == (data, None)


def test_the_example_of_the_standard() -> None:
    """30 7E 08 7D 55 travels as 7E 30 7D 02 08 7D 01 55 7E (JT/T 808 §4.4.2 of the editions)."""
    assert escape(bytes.fromhex("307e087d55")).hex() == "307d02087d0155"


def test_check_byte_that_needs_escaping() -> None:
    """Worked frames F10 and F11: the check byte itself is 7E or 7D."""
    assert wrap(bytes.fromhex("00020000013912345678004c")).hex() == "7e00020000013912345678004c7d027e"
    assert wrap(bytes.fromhex("00020000013912345678004f")).hex() == "7e00020000013912345678004f7d017e"
    assert check_byte(bytes.fromhex("00020000013912345678004c")) == 0x7E


def plain_frames(edition: Edition, count: int) -> bytes:
    """Reports that the fast lane may take, escapes among them."""
    body = bytes.fromhex("7d7e" * 14)
    return b"".join(
        frame
        for serial in range(count)
        for frame in encode_frames(0x0200, body, phone="13912345678", serial=0x7D00 + serial, edition=edition)
    )


@pytest.mark.parametrize("pure", [False, True])
@pytest.mark.parametrize("edition", [Edition.V2013, Edition.V2019])
@given(places=st.lists(st.integers(0, 10_000), max_size=5))
def test_the_open_lane_stores_and_answers_every_plain_frame(pure: bool, edition: Edition, places: list[int]) -> None:
    """Records are those of pack_frames, answers those of the declared codec, however the stream is cut."""
    from jtgate.storage.records import unpack

    module = twins.load_pure("lane") if pure else twins.load("lane")
    stream = plain_frames(edition, 5)
    expected = [event.payload for event in FrameReader().feed(stream)]  # type: ignore[union-attr]
    batch, lane = fast_lane(module)
    phone = bytes.fromhex("13912345678".rjust(edition.phone_bytes * 2, "0"))
    lane.open(phone, 1, 77, 2)
    lane.serial_out = 0xFFFE

    for chunk in cut(stream, places):
        assert lane.feed(chunk, batch, 123_456) is None
    data, frames, answers = batch.take()

    records = list(unpack(data))
    assert frames == 5
    assert [payload for record in records for payload in record[3]] == expected
    assert {record[:3] for record in records} == {(123_456, 77, 2)}
    assert set(answers[::2]) == {lane}
    sent = b"".join(answers[1::2])
    heads = [parse_header(event.payload) for event in FrameReader().feed(sent)]  # type: ignore[union-attr]
    assert [head.serial for head, _ in heads] == [0xFFFE, 0xFFFF, 0, 1, 2]
    assert [body.hex() for _, body in heads] == [f"{0x7D00 + serial:04x}020000" for serial in range(5)]
    assert {(head.msg_id, head.edition, head.terminal) for head, _ in heads} == {(0x8001, edition, "13912345678")}


@pytest.mark.parametrize("module", [twins.load("lane"), twins.load_pure("lane")])
@pytest.mark.parametrize(
    "frame",
    [
        encode_frames(0x0200, bytes(27), phone="13912345678", serial=1, edition=Edition.V2013)[0],
        encode_frames(0x0200, bytes(28), phone="13912345679", serial=1, edition=Edition.V2013)[0],
        encode_frames(0x0200, bytes(28), phone="13912345678", serial=1, edition=Edition.V2019)[0],
        encode_frames(0x0900, bytes(28), phone="13912345678", serial=1, edition=Edition.V2013)[0],
        wrap(bytes.fromhex("0200041c0139123456780001") + bytes(28)),
        wrap(bytes.fromhex("0200201c013912345678000100020001") + bytes(28)),
        wrap(bytes.fromhex("0200401c0139123456780001") + bytes(28)),
    ],
    ids=["short_body", "other_phone", "other_edition", "other_message", "encrypted", "part", "odd_version_bit"],
)
def test_the_open_lane_leaves_the_rest_to_the_session(module: Any, frame: bytes) -> None:
    """Whatever is not plain comes back, in its place between plain frames."""
    plain = plain_frames(Edition.V2013, 1)
    batch, lane = fast_lane(module)
    lane.open(bytes.fromhex("013912345678"), 0, 1, 0)

    event = lane.feed(plain + frame + plain, batch, 1)

    assert isinstance(event, Frame)
    assert event.payload == FrameReader().feed(frame)[0].payload  # type: ignore[union-attr]
    assert batch.count == 1
    assert lane.feed(b"", batch, 1) is None
    assert batch.count == 2
