"""Packets of the media stream of JT/T 1078: worked examples, splitting of streams, and what real terminals do."""

import json
from itertools import pairwise
from typing import Any

import pytest
from declared_strategies import structures
from hypothesis import given, settings
from hypothesis import strategies as st

from jtgate.codecs import deviations as dev
from jtgate.codecs.deviations import DEVIATIONS
from jtgate.codecs.edition import Edition
from jtgate.codecs.errors import BadPacket, EncodeError, PacketCut, PacketStray, PacketTruncated, PacketUndefined
from jtgate.codecs.jt1078.packets import (
    ATOMIC,
    AUDIO,
    DATA_TYPES,
    FIRST,
    FORMS,
    I_FRAME,
    LAST,
    MIDDLE,
    NO_SYNC_BYTES_MAX,
    P_FRAME,
    PACKET_BYTES_MAX,
    STRAY_BYTES_MAX,
    SUBPACKET_MARKS,
    TRANSPARENT,
    Packet,
    PacketReader,
    describe_packet,
    encode_packet,
    packet_rows,
)

Event = Packet | BadPacket

SIM = "013912345678"
TIME_MS = 1566919211506


def video(serial: int, body: bytes = b"\0\0\0\1\x61\xe0\x22\x3f\x8c", **changed: Any) -> Packet:
    """A P frame like that of §5.1."""
    fields: dict[str, Any] = {
        "sim": SIM,
        "channel": 1,
        "timestamp_ms": TIME_MS,
        "last_i_interval_ms": 3000,
        "last_interval_ms": 40,
    }
    return Packet.of(P_FRAME, 98, body, serial=serial, **(fields | changed))


def wire(*packets: Packet) -> bytes:
    """Packets one after the other."""
    return b"".join(map(encode_packet, packets))


def key(event: Event) -> tuple[object, ...]:
    """What can be compared of an event."""
    return (event.code, event.offset, event.raw) if isinstance(event, BadPacket) else (event,)


def read(data: bytes, *, cuts: tuple[int, ...] = (), reader: PacketReader | None = None) -> list[Event]:
    """What a reader makes of a stream cut at some places; every byte must be in exactly one event."""
    reader = reader or PacketReader()
    events: list[Event] = []
    places = [0, *sorted(cuts), len(data)]
    for begin, end in pairwise(places):
        events += reader.feed(data[begin:end])
    events += reader.eof()
    offset = 0
    for event in events:
        raw = event.raw if isinstance(event, BadPacket) else encode_packet(event)
        assert raw == data[offset : offset + len(raw)]
        if isinstance(event, BadPacket):
            assert event.offset == offset
        offset += len(raw)
    assert offset == len(data)
    assert reader.pending == 0
    assert reader.skipped_bytes == sum(len(event.raw) for event in events if isinstance(event, BadPacket))
    return events


def packets_of(events: list[Event]) -> list[Packet]:
    """The packets among them."""
    return [event for event in events if isinstance(event, Packet)]


# ------------------------------------------------------------------------------ worked examples of §5

I_BODY = bytes(range(250)) * 8
MOMENT: dict[str, int] = {"timestamp_ms": TIME_MS + 40, "last_i_interval_ms": 3000, "last_interval_ms": 40}
WORKED: dict[str, tuple[str, Packet]] = {
    "5.1 P frame": (
        "30316364 81E20102 013912345678 0110 0000016CD3A9B9F2 0BB8 0028 0009 000000 0161E0223F8C",
        video(258),
    ),
    "5.2 first": (
        "30316364 8162FFFF 013912345678 0101 0000016CD3A9BA1A 0BB8 0028 03B6" + I_BODY[:950].hex(),
        Packet.of(I_FRAME, 98, I_BODY[:950], sim=SIM, channel=1, serial=65535, mark=FIRST, **MOMENT),
    ),
    "5.2 middle": (
        "30316364 81620000 013912345678 0103 0000016CD3A9BA1A 0BB8 0028 03B6"
        + I_BODY[950:1900].hex(),
        Packet.of(I_FRAME, 98, I_BODY[950:1900], sim=SIM, channel=1, serial=0, mark=MIDDLE, **MOMENT),
    ),
    "5.2 last": (
        "30316364 81E20001 013912345678 0102 0000016CD3A9BA1A 0BB8 0028 0064"
        + I_BODY[1900:].hex(),
        Packet.of(I_FRAME, 98, I_BODY[1900:], sim=SIM, channel=1, serial=1, mark=LAST, **MOMENT),
    ),
    "5.3 audio": (
        "30316364 81860007 013912345678 0130 0000016CD3A9B9F2 00A4 00015000" + "D5" * 160,
        Packet.of(
            AUDIO, 6, b"\0\1\x50\0" + b"\xd5" * 160, sim=SIM, channel=1, serial=7, timestamp_ms=TIME_MS
        ),
    ),
    "5.3 short audio": (
        "30316364 81860008 013912345678 0130 0000016CD3A9BA06 000C 00010400 D5D5D454D5D55455",
        Packet.of(
            AUDIO,
            6,
            bytes.fromhex("00010400d5d5d454d5d55455"),
            sim=SIM,
            channel=1,
            serial=8,
            timestamp_ms=TIME_MS + 20,
        ),
    ),
    "5.4 transparent": (
        "30316364 81DB0009 013912345678 0240 0007 41542B43535100",
        Packet.of(TRANSPARENT, 91, b"AT+CSQ\0", sim=SIM, channel=2, serial=9),
    ),
    "5.5 SIM of 10 bytes": (
        "30316364 81E30001 00000000013912345678 0310 0000016CD3A9B9F2 0041 0028 0007 000000010201D0",
        Packet.of(
            P_FRAME,
            99,
            bytes.fromhex("000000010201d0"),
            sim="00000000013912345678",
            channel=3,
            serial=1,
            timestamp_ms=TIME_MS,
            last_i_interval_ms=65,
            last_interval_ms=40,
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WORKED)
def test_worked_packet(name: str) -> None:
    """Read and written byte for byte, without a deviation."""
    printed, packet = WORKED[name]
    data = bytes.fromhex(printed)
    assert encode_packet(packet) == data
    assert read(data) == [packet]
    assert PacketReader().datagram(data) == [packet]
    assert packet.deviations() == []
    assert packet.terminal == "13912345678"


@pytest.mark.parametrize("name", WORKED)
def test_the_width_of_the_sim_is_found_for_every_worked_packet(name: str) -> None:
    """§5.5: only 10 for that example and only 6 for the others; the wrong width alone finds nothing."""
    data = bytes.fromhex(WORKED[name][0])
    width = 10 if name.startswith("5.5") else 6
    for order in ((6, 10), (10, 6)):
        reader = PacketReader(order)
        assert len(packets_of(read(data * 2, reader=reader))) == 2
        assert reader.sim_bytes == width
    assert packets_of(read(data, reader=PacketReader((16 - width,)))) == []


def test_the_parts_of_a_worked_frame() -> None:
    """§5.2: 01 first, 03 middle, 02 last; the serial wraps, M is set in the last."""
    parts = [WORKED[f"5.2 {which}"][1] for which in ("first", "middle", "last")]
    assert [(part.mark, part.marker, part.serial) for part in parts] == [(1, 0, 65535), (3, 0, 0), (2, 1, 1)]
    assert b"".join(part.body for part in packets_of(read(wire(*parts)))) == I_BODY


# --------------------------------------------------------------------------- layout and tables of §2


@pytest.mark.parametrize(
    ("width", "lengths", "headers"),
    [(6, (28, 28, 28, 24, 16), (30, 30, 30, 26, 18)), (10, (32, 32, 32, 28, 20), (34, 34, 34, 30, 22))],
)
def test_offsets_are_those_of_the_document(width: int, lengths: tuple[int, ...], headers: tuple[int, ...]) -> None:
    """§2.1: place of the length, and size of the header, by data type and width."""
    form = FORMS[width]
    assert form.length_at == lengths
    assert (form.sim_at, form.channel_at, form.type_at, form.timestamp_at) == (8, 8 + width, 9 + width, 10 + width)
    sim = "0" * (2 * width)
    for data_type, header in enumerate(headers):
        timed = {"timestamp_ms": 0} if data_type != TRANSPARENT else {}
        more = {"last_i_interval_ms": 0, "last_interval_ms": 0} if data_type < AUDIO else {}
        packet = Packet.of(data_type, 98, b"", sim=sim, channel=1, serial=0, **timed, **more)
        assert len(encode_packet(packet)) == header
    assert max(FORMS[10].length_at) + 2 + 65535 == PACKET_BYTES_MAX


def test_tables_have_the_rows_of_the_document() -> None:
    """§2.2: the order of the marks is atomic, first, last, middle."""
    assert [row.zh for row in SUBPACKET_MARKS] == ["原子包", "第一个包", "最后一个包", "中间包"]
    assert [row.code for row in SUBPACKET_MARKS] == [ATOMIC, FIRST, LAST, MIDDLE] == [0, 1, 2, 3]
    assert [row.code for row in DATA_TYPES] == [0, 1, 2, 3, 4]


def test_a_packet_as_json() -> None:
    """The object of design section 5."""
    assert describe_packet(WORKED["5.1 P frame"][1]) == {
        "protocol": "jt1078",
        "edition": "2016",
        "message": "media_packet",
        "term": "码流数据报文",
        "header": {
            "version": 2,
            "padding": 0,
            "extension": 0,
            "csrc_count": 1,
            "marker": 1,
            "payload_type": 98,
            "serial": 258,
            "sim": SIM,
            "channel": 1,
            "data_type": 1,
            "mark": 0,
            "timestamp_ms": TIME_MS,
            "last_i_interval_ms": 3000,
            "last_interval_ms": 40,
            "body_length": 9,
        },
        "body": {"data": "0000000161e0223f8c"},
        "deviations": [],
        "error": None,
    }


def test_bad_bytes_as_json() -> None:
    """The same object, with the error."""
    (bad, _) = read(b"????" + wire(video(1)))
    assert isinstance(bad, BadPacket)
    described: Any = describe_packet(bad)
    assert described["body"] == {"raw": "3f3f3f3f"}
    assert described["error"] == {
        "code": "packet.stray",
        "offset": 0,
        "field": None,
        "message": "no packet begins here",
    }
    assert list(described) == list(describe_packet(video(1)))
    json.dumps(described)


@pytest.mark.parametrize("name", WORKED)
def test_rows_of_a_packet_cover_it(name: str) -> None:
    """The annotated view has every byte, in order, and says what codes mean."""
    printed, packet = WORKED[name]
    rows = packet_rows(packet)
    assert b"".join(row.raw for row in sorted(rows, key=lambda row: row.offset)) == bytes.fromhex(printed)
    meanings = {row.path: row.meaning for row in rows}
    assert meanings["type_and_mark"].startswith(DATA_TYPES.meaning(packet.data_type))
    if name.startswith("5.1"):
        assert meanings["marker_and_type"] == "M 完整数据帧的边界 last packet of a frame; H.264"
        assert meanings["flags"] == "V version 2; CC CSRC count 1"
        assert meanings["type_and_mark"] == "视频P帧 video P frame; 原子包 atomic"


@pytest.mark.parametrize(
    "wrong",
    [
        {"timestamp_ms": None},
        {"last_interval_ms": None},
        {"serial": 65536},
        {"channel": 256},
        {"sim": "1391234567"},
        {"sim": "0139123456789012"},
        {"body": bytes(65536)},
        {"timestamp_ms": 1 << 64},
    ],
)
def test_a_packet_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    """Fields that are missing or too large, SIMs of other widths."""
    with pytest.raises(EncodeError):
        encode_packet(video(**({"serial": 1} | wrong)))


def test_a_field_of_another_data_type_is_refused() -> None:
    """Audio has no intervals, transparent data no time."""
    for data_type, extra in ((AUDIO, {"timestamp_ms": 1, "last_interval_ms": 1}), (TRANSPARENT, {"timestamp_ms": 1})):
        with pytest.raises(EncodeError):
            encode_packet(Packet.of(data_type, 6, b"", sim=SIM, channel=1, serial=1, **extra))


def test_a_sim_is_described_in_both_widths() -> None:
    """For the page of a message, and from what a person types."""
    kind = next(spec.kind for spec in Packet.SPECS if spec.name == "sim")
    assert [kind.wire_type(form.edition) for form in FORMS.values()] == ["BCD[6]", "BCD[10]"]
    assert [kind.possible(form.edition) for form in FORMS.values()] == ["12 digits", "20 digits"]
    assert [kind.from_json(value) for value in ("13912345678", "0000000013912345678")] == [SIM, "00000000" + SIM]


@pytest.mark.parametrize("width", FORMS)
def test_every_packet_comes_back(width: int) -> None:
    """Encode, decode and JSON undo each other; deviations have names."""

    @settings(max_examples=60, deadline=None)
    @given(structures(Packet, FORMS[width].edition))
    def check(packet: Packet) -> None:
        data = encode_packet(packet)
        assert Packet.decode(data, packet.form) == packet
        assert Packet.from_json(packet.to_json()) == packet
        assert set(packet.deviations()) <= set(DEVIATIONS)
        json.dumps(describe_packet(packet))
        # Twice, so that each is followed by a packet: then nothing in the header needs to make sense.
        assert read(data * 2, reader=PacketReader((width,))) == [packet] * 2

    check()


# -------------------------------------------------------------------------------- splitting of streams

GOOD = (video(1), WORKED["5.3 audio"][1], video(2, bytes(950)), WORKED["5.4 transparent"][1], video(3, b""), video(4))


def test_a_stream_is_split_the_same_wherever_it_is_cut() -> None:
    """In two pieces at every place, and byte by byte."""
    data = wire(*GOOD)
    assert read(data) == list(GOOD)
    for at in range(len(data)):
        assert read(data, cuts=(at,)) == list(GOOD)
    assert read(data, cuts=tuple(range(len(data)))) == list(GOOD)


def test_a_packet_does_not_wait_for_the_next_one() -> None:
    """The delay of a packet would be that of a picture: it is delivered with its last byte."""
    for width, name in ((6, "5.1 P frame"), (10, "5.5 SIM of 10 bytes")):
        data = bytes.fromhex(WORKED[name][0])
        reader = PacketReader()
        assert reader.feed(data[:-1]) == []
        assert reader.feed(data[-1:]) == [WORKED[name][1]]
        assert reader.sim_bytes is None
        assert reader.feed(data[:4]) == []
        assert reader.sim_bytes == width


@pytest.mark.parametrize("missing", range(1, 39))
def test_a_good_packet_after_a_cut_one_arrives(missing: int) -> None:
    """A packet that lacks its last bytes costs itself, not the one behind it."""
    cut = encode_packet(video(0))[:-missing]
    for before in ((), (video(8), video(9))):
        data = wire(*before) + cut + wire(video(1, bytes(50)), video(2), video(3))
        events = read(data)
        assert [packet.serial for packet in packets_of(events)] == [*(p.serial for p in before), 1, 2, 3]
        assert [event.raw for event in events if isinstance(event, BadPacket)] == [cut]
        for at in range(0, len(data), 7):
            assert list(map(key, read(data, cuts=(at,)))) == list(map(key, events))


@pytest.mark.parametrize("length", [0, 8, 10, 300, 65535])
def test_a_good_packet_after_a_wrong_length_arrives(length: int) -> None:
    """Too short, too long, far too long."""
    wrong = bytearray(encode_packet(video(0)))
    wrong[28:30] = length.to_bytes(2)
    following = [video(serial, bytes(20 + serial)) for serial in range(1, 9)]
    events = read(wire(video(9)) + bytes(wrong) + wire(*following))
    assert [packet for packet in packets_of(events) if packet.serial] == [video(9), *following]


@pytest.mark.parametrize("kind", [0x50, 0x90, 0xF0, 0x14, 0x0F])
def test_undefined_types_and_marks_are_skipped(kind: int) -> None:
    """Nobody knows how long such a packet is: the next one counts."""
    odd = bytearray(encode_packet(video(0)))
    odd[15] = kind
    events = read(wire(video(1)) + bytes(odd) + wire(video(2), video(3)))
    assert [packet.serial for packet in packets_of(events)] == [1, 2, 3]
    assert isinstance(events[1], PacketUndefined)
    assert (events[1].offset, events[1].raw) == (39, bytes(odd))


def test_the_magic_in_a_payload_is_payload() -> None:
    """§3.5 item 2: a stream is not split on the magic, because the four bytes can occur in a payload."""
    inside = b"\0\0\0\1" + b"01cd" + encode_packet(video(7)) + b"01cd\x81"
    stream = [video(1), video(2, inside), video(3), video(4, b"01cd"), video(5, b"..01c"), video(6)]
    data = wire(*stream)
    assert read(data) == stream
    for at in range(len(data)):
        assert read(data, cuts=(at,)) == stream


def test_the_magic_in_a_sim_is_a_sim() -> None:
    """30 31 63 64 are BCD digits too."""
    stream = [video(serial, sim="303163648139") for serial in range(3)]
    assert read(wire(*stream)) == stream


def test_the_first_packet_may_look_like_both_widths() -> None:
    """§2.3 item 3: a header that makes sense in both forms waits until the next packet decides."""
    odd = [
        Packet.of(
            P_FRAME,
            98,
            bytes(7),
            sim="00000000000001100000",
            channel=3,
            serial=serial,
            timestamp_ms=TIME_MS,
            last_i_interval_ms=65,
            last_interval_ms=40,
        )
        for serial in range(4)
    ]
    data = wire(*odd)
    reader = PacketReader()
    assert reader.feed(data[:98]) == []
    assert reader.feed(data[98:]) == odd
    assert reader.sim_bytes == 10
    for at in range(len(data)):
        assert read(data, cuts=(at,)) == odd
    # Alone, the more likely width decides; prior knowledge says which that is.
    (first, *_) = read(data[:41], reader=PacketReader((10, 6)))
    assert first == odd[0]
    assert PacketReader().datagram(data[:41]) == odd[:1]


def test_a_width_that_does_not_exist_is_refused() -> None:
    """6 and 10 are all there are."""
    for sim_bytes in ((), (8,), (6, 12)):
        with pytest.raises(ValueError, match="width of a SIM"):
            PacketReader(sim_bytes)


def test_datagrams() -> None:
    """§3.5 item 5: one packet or several per datagram; a cut one does not reach into the next."""
    reader = PacketReader()
    assert reader.datagram(wire(video(1))) == [video(1)]
    assert reader.sim_bytes == 6
    (bad,) = reader.datagram(wire(video(2))[:-1])
    assert isinstance(bad, PacketTruncated)
    assert (bad.offset, len(bad.raw)) == (39, 38)
    (bad,) = reader.datagram(wire(video(2))[:20])
    assert isinstance(bad, PacketTruncated)
    assert reader.datagram(wire(video(3), video(4))) == [video(3), video(4)]
    assert reader.datagram(b"") == []
    (bad,) = reader.datagram(b"hello")
    assert isinstance(bad, PacketStray)
    assert reader.datagram(wire(video(5))) == [video(5)]
    # The size decides even where channel and SIM make no sense.
    odd = video(6, channel=0, sim="FFFFFFFFFFFF")
    assert PacketReader().datagram(wire(odd)) == [odd]


def test_the_end_of_a_stream_inside_a_packet() -> None:
    """What is left is reported, wherever it ends."""
    data = wire(video(1), video(2))
    for end in range(40, len(data)):
        events = read(data[:end])
        assert events[0] == video(1)
        assert isinstance(events[1], PacketTruncated | PacketStray)
        assert len(events) == 2


def test_a_packet_with_another_one_inside_is_cut_when_none_follows() -> None:
    """The code says why."""
    events = read(encode_packet(video(0))[:-3] + wire(video(1), video(2)))
    assert isinstance(events[0], PacketCut)
    assert events[1:] == [video(1), video(2)]


# ------------------------------------------------------------------------------------- limits


def test_bad_bytes_are_reported_in_pieces_and_counted() -> None:
    """Nothing that is held grows without bound, and the shell is told when to close."""
    reader = PacketReader()
    events = reader.feed(wire(video(1)))
    total = NO_SYNC_BYTES_MAX + 1
    chunk = bytes(10_000)
    held = 0
    sent = 0
    while sent < total:
        piece = chunk[: total - sent]
        events += reader.feed(piece)
        sent += len(piece)
        held = max(held, reader.pending)
    assert held <= STRAY_BYTES_MAX
    assert {len(event.raw) for event in events if isinstance(event, BadPacket)} == {STRAY_BYTES_MAX}
    assert [event.offset for event in events[1:3] if isinstance(event, BadPacket)] == [39, 39 + STRAY_BYTES_MAX]
    assert (reader.hopeless, reader.skipped_bytes, reader.bytes_without_sync) == (True, total, total)
    assert packets_of(reader.feed(wire(video(2), video(3)))) == [video(2), video(3)]
    assert (reader.hopeless, reader.skipped_bytes, reader.bytes_without_sync) == (False, total, 0)


def test_what_is_held_is_at_most_one_packet() -> None:
    """A header that announces 65535 bytes, and then nothing but false beginnings."""
    reader = PacketReader((10,))
    packet = video(1, bytes(65535), sim="0" * 20)
    data = encode_packet(packet)
    assert len(data) == PACKET_BYTES_MAX
    for begin in range(0, len(data), 1000):
        assert reader.feed(data[begin : begin + 1000]) == [] or begin + 1000 >= len(data)
    assert reader.pending == 0
    lure = b"01cd\x81\x62\xff\xff"
    for _ in range(40):
        reader.feed(lure * 1000)
        assert reader.pending <= PACKET_BYTES_MAX + STRAY_BYTES_MAX + len(lure) * 1000


# ------------------------------------------------------------------------------------- any bytes

PLAUSIBLE = st.builds(
    video,
    st.integers(0, 65535),
    st.binary(max_size=40).filter(lambda body: b"\x81" not in body),
    sim=st.text("0123456789", min_size=12, max_size=12),
    channel=st.integers(1, 64),
)
FRAGMENTS = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([b"0", b"01", b"01c", b"01cd", b"01cd\x81", bytes(30)]),
    PLAUSIBLE.map(encode_packet),
    structures(Packet, Edition.V2013).map(encode_packet),
    structures(Packet, Edition.V2019).map(encode_packet),
    st.tuples(PLAUSIBLE.map(encode_packet), st.integers(0, 60)).map(lambda cut: cut[0][: cut[1]]),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(FRAGMENTS, max_size=8).map(b"".join), st.lists(st.integers(0, 600), max_size=6))
def test_any_bytes_give_packets_and_bad_stretches_only(data: bytes, cuts: list[int]) -> None:
    """Nothing is raised, nothing is lost, and cutting changes nothing."""
    events = read(data)
    assert all(isinstance(event, Packet | BadPacket) for event in events)
    within = tuple(min(cut, len(data)) for cut in cuts)
    assert list(map(key, read(data, cuts=within))) == list(map(key, events))


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.binary(max_size=60).map(lambda garbage: garbage.replace(b"d", b"")), PLAUSIBLE), max_size=5)
)
def test_garbage_between_packets_costs_no_packet(parts: list[tuple[bytes, Packet]]) -> None:
    """§4.3 "Garbage between packets": every packet is found, and the garbage is reported as it came."""
    events = read(b"".join(garbage + encode_packet(packet) for garbage, packet in parts), reader=PacketReader((6,)))
    expected = [event for garbage, packet in parts for event in ((garbage,) if garbage else ()) + (packet,)]
    assert [event.raw if isinstance(event, BadPacket) else event for event in events] == expected


# --------------------------------------------- what real terminals do wrong (§4.3) and disagreements (§7)


def test_row_2019_terminal() -> None:
    """§4.3 "Nothing decodes from a 2019 terminal", §7 "SIM width": both widths are found, one key for both."""
    wide = [video(serial, sim="00000000" + SIM) for serial in range(3)]
    narrow = [video(serial) for serial in range(3)]
    assert read(wire(*wide)) == wide
    assert read(wire(*narrow)) == narrow
    assert {packet.terminal for packet in wide + narrow} == {"13912345678"}
    # A 2019 session is no proof: the stream decides.
    assert read(wire(*narrow), reader=PacketReader((10, 6))) == narrow


def test_row_packets_coalesced_and_split() -> None:
    """§4.3 "Broken frames under load": one read is not one packet."""
    reader = PacketReader()
    data = wire(*GOOD)
    assert reader.feed(data[:100]) + reader.feed(data[100:1200]) + reader.feed(data[1200:]) == list(GOOD)


@pytest.mark.parametrize("times", [(0, 0, 0), (80, 40, 0), (0, TIME_MS, 40), (TIME_MS,) * 3])
def test_row_timestamps(times: tuple[int, ...]) -> None:
    """§4.3 "Constant or backward timestamps", §7 "Timestamp": relative, epoch, constant, backward: all are kept."""
    packets = [video(serial, timestamp_ms=time) for serial, time in enumerate(times)]
    assert [packet.timestamp_ms for packet in packets_of(read(wire(*packets)))] == list(times)


@pytest.mark.parametrize("serials", [(0, 1, 2), (65535, 0, 1), (7, 7, 7), (5, 3, 900)])
def test_row_sequence(serials: tuple[int, ...]) -> None:
    """§7 "Sequence": per channel or per kind; a gap costs nothing when packets are split."""
    assert [packet.serial for packet in packets_of(read(wire(*map(video, serials))))] == list(serials)


def test_row_marks_wrong() -> None:
    """§4.3 "Marks wrong (all 0, or no last)": delivered as sent; a marker bit that contradicts them is noted."""
    packets = [video(serial, mark=mark) for serial, mark in enumerate((FIRST, MIDDLE, MIDDLE, FIRST))]
    assert read(wire(*packets)) == packets
    silent = Packet.decode(wire(video(1))[:5] + b"\x62" + wire(video(1))[6:])
    assert silent.marker == 0
    assert silent.deviations() == [dev.MEDIA_PACKET_MARKER]
    assert read(wire(silent, silent)) == [silent, silent]


@pytest.mark.parametrize(
    ("size", "deviation"), [(0, dev.MEDIA_PACKET_EMPTY), (951, dev.MEDIA_PACKET_LONG), (65535, dev.MEDIA_PACKET_LONG)]
)
def test_row_body_sizes(size: int, deviation: str) -> None:
    """§4.3 "Body > 950 or = 0": accepted, and noted."""
    packets = [video(1, bytes(size)), video(2), video(3, bytes(size))]
    assert read(wire(*packets)) == packets
    assert packets[0].deviations() == [deviation]
    assert video(1, bytes(950)).deviations() == []


def test_row_two_vehicles_in_one_stream() -> None:
    """§4.3 "Two vehicles in one stream": every packet says whose it is; an all-zero SIM is nobody's."""
    packets = [video(1), video(1, sim="013912345679"), video(2, sim="000000000000"), video(2, channel=2)]
    found = packets_of(read(wire(*packets)))
    assert [(packet.terminal, packet.channel) for packet in found] == [
        ("13912345678", 1),
        ("13912345679", 1),
        ("", 1),
        ("13912345678", 2),
    ]


def test_other_flags_and_sims_are_noted() -> None:
    """A byte other than 0x81 and nibbles that are no digits cost nothing at a boundary."""
    odd = Packet.decode(wire(video(2, sim="01391234567F"))[:4] + b"\x80" + wire(video(2, sim="01391234567F"))[5:])
    assert read(wire(video(1), odd, video(3))) == [video(1), odd, video(3)]
    assert odd.deviations() == [dev.BCD_NOT_DIGITS, dev.MEDIA_PACKET_FLAGS]
    assert odd.flags == 0x80
