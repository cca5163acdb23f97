"""Compressed data 0x0901 (JT/T 808 §3.7): what is inside is shown, bounded, and never followed further."""

import gzip
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jtgate.codecs import deviations as dev
from jtgate.codecs.describe import describe_wire
from jtgate.codecs.edition import ALL_EDITIONS, Edition
from jtgate.codecs.header import encode_frames
from jtgate.codecs.jt808.compressed import CONTENT_BYTES_MAX, CONTENT_FRAMES_MAX, CompressedData

HEARTBEAT = bytes.fromhex("7e000200000139123456780001337e")


def shown(content: bytes) -> Any:
    """What JSON says of the content of a message that carries it."""
    return CompressedData.of(content).to_json()["content"]


@pytest.mark.parametrize("edition", ALL_EDITIONS)
def test_a_frame_inside(edition: Edition) -> None:
    """Bytes that begin with a flag are frames; they are described like any other."""
    message = CompressedData.of(HEARTBEAT)
    deviations: list[str] = []
    assert CompressedData.decode(message.encode(edition), edition, deviations) == message
    assert deviations == []
    content = shown(HEARTBEAT * 2)
    assert (content["bytes"], content["frame_count"]) == (30, 2)
    assert content["frames"] == describe_wire(HEARTBEAT * 2)


def test_header_and_body_inside() -> None:
    """Without flags the bytes are header and body, if their length comes out and a standard knows the id."""
    assert shown(HEARTBEAT[1:-2])["frames"][0]["message"] == "heartbeat"
    assert shown(bytes.fromhex("0f42") + HEARTBEAT[3:-2]) == {"bytes": 12, "raw": "0f42" + HEARTBEAT[3:-2].hex()}
    assert shown(HEARTBEAT[1:-2] + b"x")["raw"]


@pytest.mark.parametrize("content", [b"", b"text", b"\x7e", b"\x7e\x01\x02\x7e"])
def test_anything_else_inside(content: bytes) -> None:
    """What is no message stays bytes."""
    assert shown(content) == {"bytes": len(content), "raw": content.hex()}


def test_what_is_compressed_twice_is_not_opened() -> None:
    """One level: a compressed message inside a compressed message is shown as it is."""
    inner = CompressedData.of(HEARTBEAT).encode()
    (wire,) = encode_frames(0x0901, inner, phone="1", serial=1, edition=Edition.V2013)
    (frame,) = shown(wire)["frames"]
    assert frame["message"] == "compressed_data"
    assert set(frame) == {"message", "raw"}


def test_many_frames_are_counted_and_not_all_described() -> None:
    """Only CONTENT_FRAMES_MAX are described."""
    content = shown(HEARTBEAT * (CONTENT_FRAMES_MAX + 5))
    assert content["frame_count"] == CONTENT_FRAMES_MAX + 5
    assert len(content["frames"]) == CONTENT_FRAMES_MAX


@pytest.mark.parametrize(
    ("data", "noted", "content"),
    [
        (b"no gzip", dev.COMPRESSED_NOT_GZIP, None),
        (b"", dev.COMPRESSED_NOT_GZIP, b""),
        (gzip.compress(b"x" * 50, mtime=0)[:-9], dev.COMPRESSED_NOT_GZIP, b"x" * 50),  # cut off
        (gzip.compress(b"x" * 50, mtime=0) + b"more", dev.COMPRESSED_NOT_GZIP, b"x" * 50),
        (gzip.compress(b"x", mtime=0)[:-8] + bytes(8), dev.COMPRESSED_NOT_GZIP, None),  # wrong CRC
        (zlib.compress(b"x"), dev.COMPRESSED_NOT_GZIP, None),
        (gzip.compress(bytes(CONTENT_BYTES_MAX), mtime=0), None, bytes(CONTENT_BYTES_MAX)),
        (gzip.compress(bytes(CONTENT_BYTES_MAX + 1), mtime=0), dev.COMPRESSED_TOO_LONG, None),
        (gzip.compress(bytes(30 << 20), mtime=0), dev.COMPRESSED_TOO_LONG, None),
    ],
)
def test_bad_and_large_gzip(data: bytes, noted: str | None, content: bytes | None) -> None:
    """Damage is noted and the bytes are kept; a few bytes never become more than the limit."""
    body = len(data).to_bytes(4) + data
    deviations: list[str] = []
    message = CompressedData.decode(body, Edition.V2013, deviations)
    assert message.encode() == body
    assert deviations == ([noted] if noted else [])
    assert message.content() == content
    assert ("content" in message.to_json()) == (content is not None)


def test_a_wrong_length() -> None:
    """The length field is kept and noted; the data goes to the end of the body."""
    deviations: list[str] = []
    message = CompressedData.decode((5).to_bytes(4) + gzip.compress(b"x", mtime=0), Edition.V2013, deviations)
    assert (message.length, message.content()) == (5, b"x")
    assert deviations == [dev.COMPRESSED_WRONG_LENGTH]


@given(st.binary(max_size=300))
def test_any_content_comes_back(content: bytes) -> None:
    """What is put in comes out, and JSON goes back to the same bytes without its `content`."""
    message = CompressedData.of(content)
    assert message.content() == content
    assert CompressedData.from_json(message.to_json()) == message
