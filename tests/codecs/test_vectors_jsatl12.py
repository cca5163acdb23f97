"""File data packets from the field (shared vectors, protocol jsatl12)."""

import json
from pathlib import Path
from typing import Any

import pytest

from jtgate.codecs.jsatl12.filestream import DataPacket, FileStreamReader

pytestmark = pytest.mark.shared


def records(folder: Path) -> list[dict[str, Any]]:
    """All records of data packets."""
    lines = (folder / "frames.jsonl").read_text(encoding="utf-8").splitlines()
    return [record for record in map(json.loads, lines) if record["protocol"] == "jsatl12"]


def neutral(packet: DataPacket) -> dict[str, Any]:
    """A packet by its neutral names."""
    return {
        "file.name": packet.name,
        "file.offset": packet.offset,
        "file.length": len(packet.data),
        "file.data_head": packet.data[:16].hex(),
    }


def test_every_packet_is_read_as_published(shared_vectors: Path) -> None:
    """Whole and byte by byte; encoded again it has the bytes it came with."""
    found = records(shared_vectors)
    assert len(found) == 4
    for record in found:
        wire = bytes.fromhex(record["hex"])
        reader = FileStreamReader()
        (packet,) = reader.feed(wire)
        assert isinstance(packet, DataPacket), record["id"]
        assert neutral(packet) == record["expect"], record["id"]
        assert packet.encode() == wire
        assert (reader.pending, reader.deviations) == (0, [])
        slow = FileStreamReader()
        assert [event for byte in wire for event in slow.feed(bytes([byte]))] == [packet]


def test_packets_one_after_the_other(shared_vectors: Path) -> None:
    """All of them in one stream."""
    found = records(shared_vectors)
    events = FileStreamReader().feed(b"".join(bytes.fromhex(record["hex"]) for record in found))
    assert [neutral(event) for event in events if isinstance(event, DataPacket)] == [one["expect"] for one in found]
