"""The stream of an attachment link: events of a whole session, both forms of packets, and what breaks it (§4.7)."""

from typing import Any

import pytest
from active_safety_frames import FRAMES, PACKETS, PICTURE, VIDEO
from declared_strategies import SPECIAL
from hypothesis import given, settings
from hypothesis import strategies as st

from jtgate.codecs.edition import Edition
from jtgate.codecs.errors import ChecksumError, FrameError, FrameTooShort
from jtgate.codecs.framing import FRAME_BYTES_MAX, Frame
from jtgate.codecs.header import encode_frames, parse_header
from jtgate.codecs.jsatl12.filestream import (
    CHUNK_BYTES,
    DATA_BYTES_MAX,
    MAGIC,
    NAME_BYTES,
    BadStream,
    DataPacket,
    DataPacketHlj,
    Event,
    FileStreamReader,
    OutOfSync,
    PacketTooLong,
    StreamCut,
    data_packet,
    find_file,
    is_same_file,
    name_bytes,
)
from jtgate.codecs.profile import Dialect
from jtgate.codecs.text import WireText

V = Edition.V2013

#: What the terminal of §7.7 sends, in order.
SESSION = [
    FRAMES["7.7.1 attachments"], FRAMES["7.7.3 picture"], PACKETS["7.7.5"], FRAMES["7.7.6 picture finished"],
    FRAMES["7.7.8 video"], PACKETS["7.7.10"], PACKETS["7.7.11"], FRAMES["7.7.12 video finished"], PACKETS["7.7.14"],
    FRAMES["7.7.15 video finished again"],
]  # fmt: skip
STREAM = bytes.fromhex("".join(SESSION))
FRAME = bytes.fromhex(FRAMES["7.7.3 picture"])
PACKET = bytes.fromhex(PACKETS["7.7.10"])


def pieces(data: bytes, sizes: list[int]) -> list[bytes]:
    """The bytes cut into pieces of these sizes, again and again."""
    found: list[bytes] = []
    at = 0
    while at < len(data):
        size = sizes[len(found) % len(sizes)]
        found.append(data[at : at + size])
        at += size
    return found


def fed(reader: FileStreamReader, chunks: list[bytes]) -> list[Event]:
    """All events of some pieces, and of the end."""
    return [event for chunk in chunks for event in reader.feed(chunk)] + reader.eof()


def shown(events: list[Event]) -> list[Any]:
    """Events to be compared; errors by what they say."""
    return [(type(e), e.offset, e.message, e.raw) if isinstance(e, FrameError) else e for e in events]


def packets(events: list[Event]) -> list[DataPacket]:
    """The data packets among events."""
    return [event for event in events if isinstance(event, DataPacket)]


# ------------------------------------------------------------------------------------ worked example (§7.7)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 37), min_size=1, max_size=40))
def test_the_worked_session_in_pieces_is_ten_events(sizes: list[int]) -> None:
    """§7.7: pieces of 1 to 37 bytes give exactly ten events, and both files."""
    events = fed(FileStreamReader(), pieces(STREAM, sizes))
    assert len(events) == 10
    files: dict[str, bytearray] = {PICTURE: bytearray(16), VIDEO: bytearray(32)}
    ids = []
    for event in events:
        if isinstance(event, Frame):
            ids.append(parse_header(event.payload)[0].msg_id)
        else:
            assert isinstance(event, DataPacket)
            files[event.name][event.offset : event.offset + len(event.data)] = event.data
    assert ids == [0x1210, 0x1211, 0x1212, 0x1211, 0x1212, 0x1212]
    assert files[PICTURE].hex() == "ffd8ffe000104a4649467e7d0100ffd9"
    assert files[VIDEO] == bytes(range(0x20, 0x40))


def test_position_of_a_frame_is_where_it_stands_in_the_stream() -> None:
    """The first byte behind the opening flag."""
    events = FileStreamReader().feed(STREAM)
    for event in events:
        if isinstance(event, Frame):
            assert STREAM[event.position - 1] == 0x7E
            assert STREAM[event.position : event.position + 2] == event.payload[:2]


@pytest.mark.parametrize(("name", "file", "offset", "length"), [
    ("7.7.5", PICTURE, 0, 16), ("7.7.10", VIDEO, 0, 8), ("7.7.11", VIDEO, 16, 16), ("7.7.14", VIDEO, 8, 8),
])  # fmt: skip
def test_worked_packets_go_both_ways(name: str, file: str, offset: int, length: int) -> None:
    """Flags and escapes in the data are data; made from its values a packet has the same bytes."""
    wire = bytes.fromhex(PACKETS[name])
    (packet,) = packets(FileStreamReader().feed(wire))
    assert (packet.name, packet.offset, len(packet.data)) == (file, offset, length)
    assert packet.encode() == wire
    assert data_packet(file, offset, packet.data).encode() == wire
    assert packet.to_json()["magic"] == "0x30316364"


def test_layout_of_a_packet() -> None:
    """§4.3: a head of 62 bytes; chunks of 64 K are within the limit."""
    offsets = {name: DataPacket.offset_of(name, V) for name in ("magic", "name", "offset", "data")}
    assert offsets == {"magic": 0, "name": 4, "offset": 54, "data": 58}
    assert DataPacket.min_bytes(V) == 62
    assert CHUNK_BYTES == 65536 <= DATA_BYTES_MAX == 1 << 20


# ----------------------------------------------------------------------------------- any stream in any pieces


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Frames and packets, good and damaged, and garbage."""
    frame = st.binary(max_size=60).map(
        lambda body: encode_frames(0x1211, body, phone="13812345678", serial=1, edition=V)[0]
    )
    damaged = frame.map(lambda wire: wire[:3] + bytes([wire[3] ^ 1]) + wire[4:])
    whole = SPECIAL[DataPacket](DataPacket, V) | SPECIAL[DataPacketHlj](DataPacketHlj, V)
    named = st.builds(
        data_packet, st.text("abx._", min_size=1, max_size=99), st.integers(0, 9999), st.binary(max_size=90)
    )
    of_hlj = named.map(lambda packet: DataPacketHlj(name=str(packet.name), offset=packet.offset, data=packet.data))
    whole |= named | of_hlj
    parts = st.one_of(frame, frame, damaged, whole.map(lambda packet: packet.encode()), st.binary(max_size=9))
    return b"".join(draw(st.lists(parts, max_size=6)))


@settings(max_examples=150, deadline=None)
@given(streams(), st.lists(st.integers(1, 90), min_size=1, max_size=20), st.sampled_from(list(Dialect)))
def test_cutting_the_stream_changes_nothing(stream: bytes, sizes: list[int], dialect: Dialect) -> None:
    """The same events at the same offsets, however the bytes arrive; and nothing but typed errors."""
    whole, cut = FileStreamReader(dialect), FileStreamReader(dialect)
    events = shown(fed(whole, [stream]))
    assert shown(fed(cut, pieces(stream, sizes))) == events
    assert (cut.dropped_bytes, cut.deviations, type(cut.broken)) == (
        whole.dropped_bytes, whole.deviations, type(whole.broken),
    )  # fmt: skip
    assert shown(fed(FileStreamReader(dialect), [stream[n : n + 1] for n in range(len(stream))])) == events


@settings(max_examples=150, deadline=None)
@given(st.lists(SPECIAL[DataPacket](DataPacket, V) | SPECIAL[DataPacketHlj](DataPacketHlj, V), max_size=4))
def test_packets_of_both_forms_are_found_without_a_dialect(sent: list[DataPacket]) -> None:
    """§8, §4.3: names as §4.4 has them tell the form of 黑标 from that of the others."""
    events = fed(FileStreamReader(), [b"".join(packet.encode() for packet in sent) + FRAME])
    assert events[:-1] == sent
    assert isinstance(events[-1], Frame)


# ------------------------------------------------------------------------------------------- 黑标


@pytest.mark.parametrize("length", [1, 20, 48, 49, 50, 51, 120, 255])
def test_a_name_with_its_length_before_it(length: int) -> None:
    """§4.3: any length; by dialect, and with auto, although 48 to 51 are digits of a name, too."""
    name = ("00_64_6401_0_" + "F" * 255)[:length]
    wire = data_packet(name, 65536, b"\x7e\x30" * 8, Dialect.HLJ).encode()
    assert wire[:5] == MAGIC + bytes([length])
    for dialect in (Dialect.HLJ, Dialect.AUTO) if length >= 3 else (Dialect.HLJ,):
        events = fed(FileStreamReader(dialect), [wire + FRAME])
        assert [type(event) for event in events] == [DataPacketHlj, Frame]
        assert packets(events)[0].encode() == wire
        assert (packets(events)[0].name, packets(events)[0].offset) == (name, 65536)


def test_names_of_no_pattern_are_told_by_what_makes_sense() -> None:
    """A standard packet with any name; one of 黑标 only where the other reading is nonsense."""
    for name in ("alarm.xlsx", "2024-11-22_10_00_00_data.txt", "x" * 49, "x" * 50):
        (packet,) = packets(FileStreamReader().feed(data_packet(name, 70000, bytes(70)).encode()))
        assert type(packet) is DataPacket
        assert packet.name == name
    for name in ("alarm.xlsx", "x" * 60, "x" * 255):
        wire = data_packet(name, 70000, bytes(70), Dialect.HLJ).encode()
        for chunks in ([wire], pieces(wire, [1])):
            (packet,) = packets(fed(FileStreamReader(), chunks))
            assert type(packet) is DataPacketHlj
            assert (packet.name, packet.offset) == (name, 70000)
    nonsense = MAGIC + b"\x01" * 300
    assert [type(event) for event in fed(FileStreamReader(), [nonsense])] == [PacketTooLong]
    assert [type(event) for event in fed(FileStreamReader(), pieces(nonsense, [1]))] == [PacketTooLong]


def test_a_packet_without_data_is_one() -> None:
    """Length 0 ends with the head."""
    for dialect in (Dialect.AUTO, Dialect.HLJ):
        events = fed(FileStreamReader(dialect), [data_packet(VIDEO, 8, b"", dialect).encode() + FRAME])
        assert [packet.data for packet in packets(events)] == [b""]
        assert len(events) == 2


# --------------------------------------------------------------------------------- names (§4.7, §4.8)


def test_a_long_name_is_cut_and_found_by_its_beginning() -> None:
    """§4.8 row 10: a sequence of two digits makes 51 bytes, the packet holds 50."""
    long = VIDEO.replace("_0_", "_10_")
    assert len(long) == NAME_BYTES + 1
    (packet,) = packets(FileStreamReader().feed(data_packet(long, 0, b"x").encode()))
    assert packet.name == long[:NAME_BYTES]
    assert is_same_file(packet.name, long)
    assert not is_same_file(packet.name, VIDEO)
    assert find_file(packet.name, [PICTURE, VIDEO, long]) == long


def test_a_name_cut_inside_a_character_is_found() -> None:
    """GBK: the fiftieth byte is half of a character."""
    name = "a" * 49 + "京A.jpg"
    (packet,) = packets(FileStreamReader().feed(data_packet(name, 0, b"x").encode()))
    assert len(name_bytes(packet.name)) == 50
    assert find_file(packet.name, [PICTURE, name]) == name
    assert packet.encode()[4:54] == name.encode("gb18030")[:50]


def test_a_short_name_is_no_beginning_of_another() -> None:
    """Only a name that fills its field may have been cut."""
    assert not is_same_file("00_64", "00_64_6401.jpg")
    assert find_file("00_64", ["00_64_6401.jpg"]) is None


def test_zeros_and_blanks_do_not_matter() -> None:
    """§4.8 row 9, on either side."""
    odd = WireText(PICTURE, PICTURE.encode() + b" \x00")
    assert is_same_file(odd, PICTURE)
    assert find_file(PICTURE, [VIDEO, odd]) == odd


def test_the_only_open_file_takes_what_nothing_fits() -> None:
    """§4.7: for want of exactly one name that fits."""
    first, second = VIDEO[:-1] + "41", VIDEO[:-1] + "42"
    assert find_file("other", [PICTURE, VIDEO], VIDEO) == VIDEO
    assert find_file(VIDEO[:-1] + "4", [first, second], second) == second
    assert find_file(VIDEO[:-1] + "4", [first, second]) is None
    assert find_file(PICTURE, [PICTURE, VIDEO], VIDEO) == PICTURE
    assert find_file("other", [PICTURE]) is None


def test_odd_padding_of_a_name_is_noted_and_kept() -> None:
    """Blanks instead of zeros; the reader remembers what it tolerated."""
    wire = MAGIC + PICTURE.encode().ljust(50) + bytes(4) + (1).to_bytes(4) + b"x"
    reader = FileStreamReader()
    (packet,) = packets(reader.feed(wire))
    assert packet.name == PICTURE
    assert packet.encode() == wire
    assert reader.deviations == ["text.padding"]


# ------------------------------------------------------------------------------------ frames that are wrong


@pytest.mark.parametrize("after", [FRAME, PACKET, FRAME[1:], b"\x7e" + FRAME, b"\x7e\x7e\x7e" + FRAME])
def test_a_bad_frame_costs_that_frame(after: bytes) -> None:
    """What follows arrives, also when the flag behind the bad one opens it (a lost flag)."""
    bad = FRAME[:5] + bytes([FRAME[5] ^ 1]) + FRAME[6:]
    events = fed(FileStreamReader(), [bad + after + PACKET])
    assert isinstance(events[0], ChecksumError)
    assert not isinstance(events[0], BadStream)
    assert [type(event) for event in events[1:]] == [DataPacket if after == PACKET else Frame, DataPacket]


def test_flags_between_frames_do_not_matter() -> None:
    """§4.7: two adjacent flags, drop the first."""
    events = fed(FileStreamReader(), [b"\x7e\x7e\x7e" + FRAME[1:] + FRAME + b"\x7e\x7e" + FRAME + b"\x7e"])
    assert [type(event) for event in events] == [Frame] * 3


def test_a_short_stretch_is_a_bad_frame() -> None:
    """Fewer bytes than a header."""
    events = fed(FileStreamReader(), [b"\x7e\x01\x02\x7e" + FRAME])
    assert [type(event) for event in events] == [FrameTooShort, Frame]


# ---------------------------------------------------------------------------------- streams that are lost


@pytest.mark.parametrize(
    ("garbage", "wanted", "offset"),
    [
        (b"\x00", OutOfSync, 0),
        (b"GET / HTTP/1.1\r\n", OutOfSync, 0),
        (b"0", StreamCut, 0),
        (b"01c", StreamCut, 0),
        (b"01cx", OutOfSync, 0),
        (MAGIC + b"\x81\xe2\x00\x01", OutOfSync, 0),
        (PACKET[:-1], StreamCut, 0),
        (FRAME[:-1], StreamCut, 0),
        (b"\x7e" + b"\x55" * (FRAME_BYTES_MAX + 1), OutOfSync, 0),
        (PACKET[:58] + (DATA_BYTES_MAX + 1).to_bytes(4), PacketTooLong, 58),
    ],
)
def test_what_breaks_a_stream(garbage: bytes, wanted: type[BadStream], offset: int) -> None:
    """§4.7: anything else is out of sync; the error points at the boundary, and nothing more is read."""
    for before in (b"", FRAME, PACKET, FRAME + PACKET):
        reader = FileStreamReader()
        events = fed(reader, [before + garbage])
        error = events[-1]
        assert type(error) is wanted
        assert isinstance(error, BadStream)
        assert error.offset == len(before) + offset
        assert error.code.startswith("stream.")
        assert reader.broken is error
        assert reader.pending == 0
        assert reader.feed(FRAME) == reader.eof() == []
        assert reader.dropped_bytes == len(garbage) + len(FRAME)
        assert len(events) == 1 + bool(before) + (len(before) == len(FRAME) + len(PACKET))


def test_the_largest_packet_is_taken() -> None:
    """1 MiB of data, and not a byte more is held back than its head and itself."""
    reader = FileStreamReader()
    wire = data_packet(VIDEO, 0, bytes(DATA_BYTES_MAX)).encode()
    assert reader.feed(wire[:-1]) == []
    assert reader.pending == DATA_BYTES_MAX + 61
    (packet,) = packets(reader.feed(wire[-1:]))
    assert len(packet.data) == DATA_BYTES_MAX
    assert reader.pending == 0


def test_limits_are_settings() -> None:
    """A server may allow less."""
    reader = FileStreamReader(data_bytes_max=7, frame_bytes_max=30)
    assert type(reader.feed(PACKET)[0]) is PacketTooLong
    assert type(FileStreamReader(frame_bytes_max=30).feed(FRAME)[0]) is OutOfSync


def test_a_whole_stream_ends_without_an_event() -> None:
    """Nothing is pending; a lone flag is nothing either."""
    reader = FileStreamReader()
    reader.feed(STREAM)
    assert (reader.pending, reader.eof(), reader.broken) == (0, [], None)
    reader.feed(b"\x7e")
    assert reader.eof() == []
