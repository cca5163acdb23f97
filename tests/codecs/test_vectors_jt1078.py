"""Packets and streams from the field (shared vectors), and lists of recordings in parts."""

import hashlib
import json
import random
import re
from collections import Counter
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from jtgate.codecs.describe import describe_wire
from jtgate.codecs.errors import BadPacket
from jtgate.codecs.jt1078.packets import (
    AUDIO,
    I_FRAME,
    P_FRAME,
    VIDEO,
    Packet,
    PacketReader,
    describe_packet,
    encode_packet,
)
from jtgate.codecs.jt1078.tables import PAYLOAD_TYPES

VECTORS = Path(__file__).parents[3] / "shared" / "vectors"
STREAMS = ("smallchi_1.bin", "smallchi_2.bin", "gojt808_data.bin", "gojt808_audio.bin")

pytestmark = pytest.mark.shared

# Neutral name -> key of our header.
HEADER = {
    "version": "version",
    "padding": "padding",
    "extension": "extension",
    "csrc_count": "csrc_count",
    "marker": "marker",
    "payload_type": "payload_type",
    "serial": "serial",
    "sim": "sim",
    "channel": "channel",
    "data_type": "data_type",
    "subpacket": "mark",
    "timestamp_ms": "timestamp_ms",
    "last_i_interval": "last_i_interval_ms",
    "last_interval": "last_interval_ms",
    "body_length": "body_length",
}


@cache
def records() -> list[dict[str, Any]]:
    """All records of frames.jsonl."""
    return [json.loads(line) for line in (VECTORS / "frames.jsonl").read_text(encoding="utf-8").splitlines()]


@cache
def stream(name: str) -> tuple[bytes, dict[str, Any]]:
    """The bytes of a stream, and what is known of it."""
    facts = json.loads((VECTORS / "streams" / "streams.json").read_text(encoding="utf-8"))
    return (VECTORS / "streams" / name).read_bytes(), facts[name]


def test_every_packet_is_read_as_published_and_written_as_it_came() -> None:
    """All 64 single packets, each as a datagram."""
    packets = [record for record in records() if record["protocol"] == "jt1078"]
    assert len(packets) == 64
    compared = 0
    for record in packets:
        wire = bytes.fromhex(record["hex"])
        (packet,) = PacketReader().datagram(wire)
        assert isinstance(packet, Packet), record["id"]
        assert encode_packet(packet) == wire, record["id"]
        described: Any = describe_packet(packet)
        expect = {name.removeprefix("media."): value for name, value in record["expect"].items()}
        assert described["body"]["data"].startswith(expect.pop("body_head")), record["id"]
        ours = {name: described["header"][HEADER[name]] for name in expect}
        assert ours == expect, record["id"]
        compared += len(expect)
    assert compared > 900


def split(data: bytes, sizes: list[int]) -> list[Packet | BadPacket]:
    """What a reader makes of a stream that arrives in pieces of these sizes, over and over."""
    reader = PacketReader()
    events: list[Packet | BadPacket] = []
    at = turn = 0
    while at < len(data):
        size = sizes[turn % len(sizes)]
        events += reader.feed(data[at : at + size])
        at += size
        turn += 1
    events += reader.eof()
    assert reader.sim_bytes == 6
    assert reader.pending == 0
    return events


@pytest.mark.parametrize("name", STREAMS)
def test_streams_hold_what_is_published(name: str) -> None:
    """Packets, bytes, channels, terminals, codecs, and the video and audio themselves, by their hashes."""
    data, facts = stream(name)
    assert hashlib.sha256(data).hexdigest() == facts["sha256"]
    packets = [event for event in split(data, [65536]) if isinstance(event, Packet)]
    assert len(packets) == facts["packets"]
    assert b"".join(map(encode_packet, packets)) == data

    def counted(values: Any) -> dict[str, int]:
        return {str(key): count for key, count in Counter(values).items()}

    assert counted(packet.sim for packet in packets) == facts["sims"]
    assert counted(packet.channel for packet in packets) == facts["channels"]
    assert counted(packet.payload_type for packet in packets) == facts["payload_types"]
    assert {PAYLOAD_TYPES.meaning(packet.payload_type) for packet in packets} == set(facts["codecs"])
    names = {I_FRAME: "video_I", P_FRAME: "video_P", AUDIO: "audio"}
    assert counted(names[packet.data_type] for packet in packets) == facts["packets_by_data_type"]
    for kind, types in (("video", VIDEO), ("audio", {AUDIO})):
        joined = b"".join(packet.body for packet in packets if packet.data_type in types)
        assert len(joined) == facts[f"{kind}_bytes"]
        if joined:
            assert hashlib.sha256(joined).hexdigest() == facts[f"{kind}_sha256"]
    gaps = sum(later.serial != (one.serial + 1) % 65536 for one, later in pairwise(packets))
    assert gaps == facts["serial_gaps"]


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("sizes", [[1], [7], [1460], [980, 1], [3, 4096, 29]], ids=str)
def test_streams_are_split_the_same_however_they_are_cut(name: str, sizes: list[int]) -> None:
    """Byte by byte, in segments of Ethernet, next to the boundaries of packets."""
    data, facts = stream(name)
    assert split(data, sizes) == split(data, [len(data)])
    assert facts["skipped_bytes"] == 0


@pytest.mark.parametrize("name", STREAMS)
def test_streams_are_split_the_same_when_cut_at_random(name: str) -> None:
    """Twenty ways of cutting, the same each run."""
    data, _ = stream(name)
    whole = split(data, [len(data)])
    dice = random.Random(name)
    for _ in range(20):
        assert split(data, [dice.randint(1, 3000) for _ in range(50)]) == whole


def test_a_stream_in_two_pieces_at_every_place() -> None:
    """The first packets of a stream, cut once at each of their bytes."""
    data, _ = stream("smallchi_2.bin")
    data = data[: 980 * 3]
    for at in range(len(data)):
        reader = PacketReader()
        events = reader.feed(data[:at]) + reader.feed(data[at:]) + reader.eof()
        assert [type(event) for event in events] == [Packet] * 3


@pytest.mark.parametrize(
    ("prefix", "total"), [("gojt-jt808-1205-0(0[1-9]|1[0-8])", 180), ("sc808-jt808-1205-00[23]", 35)]
)
def test_parts_of_a_list_of_recordings_are_joined_first(prefix: str, total: int) -> None:
    """§1.7 and §4.3 "0x1205 list incomplete": the parts of real terminals make one list with all its items."""
    wire = b"".join(bytes.fromhex(record["hex"]) for record in records() if re.fullmatch(prefix, record["id"]))
    described = describe_wire(wire)
    body: Any = described[-1]["body"]
    assert described[-1]["deviations"] == []
    assert body["total"] == len(body["items"]) == total
    assert {item["store"] for item in body["items"]} == {1}


def test_an_item_that_straddles_two_parts() -> None:
    """§1.7: in this list of six parts item 35 begins in part 1 and ends in part 2.

    From item 82 on the published bytes have a byte too many in some items and one too few in others: all are kept.
    """
    wire = b"".join(
        bytes.fromhex(record["hex"])
        for record in records()
        if "gojt-jt808-1205-022" <= record["id"] <= "gojt-jt808-1205-027"
    )
    described = describe_wire(wire)
    body: Any = described[-1]["body"]
    assert [set(d["body"]) for d in described[:-1]] == [{"part"}] * 6  # type: ignore[call-overload]
    assert body["items"][35] == {
        "channel": 1,
        "start": "2020-07-17T01:30:24+08:00",
        "end": "2020-07-17T01:35:06+08:00",
        "alarm_flags": 0,
        "av_type": 0,
        "stream": 1,
        "store": 1,
        "size_bytes": 62378095,
    }
    assert body["total"] == len(body["items"]) == 180
    odd = [index for index, item in enumerate(body["items"]) if item["start"].startswith("raw:")]
    assert odd[0] == 82
    assert described[-1]["deviations"] == ["time.not_a_date"]


def test_one_fault_in_a_stream_costs_two_packets_at_most() -> None:
    """A byte changed, bytes lost or bytes added, anywhere: all packets but those beside the fault arrive."""
    data = stream("gojt808_audio.bin")[0][:30000]
    whole = {encode_packet(event) for event in split(data, [len(data)]) if isinstance(event, Packet)}
    dice = random.Random(1078)
    for _ in range(150):
        faulty = bytearray(data)
        place = dice.randrange(len(faulty))
        size = dice.randrange(1, 60)
        faulty[place : place + dice.choice((0, 1, size))] = dice.randbytes(dice.choice((0, 1, size)))
        reader = PacketReader((6,))
        events = reader.feed(bytes(faulty)) + reader.eof()
        found = {encode_packet(event) for event in events if isinstance(event, Packet)}
        assert len(whole - found) <= 2, place
