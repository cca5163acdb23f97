"""What the spool holds: msgpack records, one after the other, in the data of a group commit.

    frames record   [1, received_us, session_id, transport, [payload, payload, …]]
    session record  [2, at_us, session_id, event, {fact: value, …}]

A payload is header and body of a frame, unescaped, without the check byte; framing it again gives
the bytes that came (escaping and check byte are functions of it). The compiled lane writes frames
records byte for byte as `pack_frames` does; a test compares the two.
"""

from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum
from typing import NamedTuple

import msgpack


class Transport(IntEnum):
    """How a terminal reaches us."""

    TCP = 0
    UDP = 1
    TLS = 2
    MQTT = 3


class SessionEvent:
    """Names of session events, with the facts each carries."""

    GATEWAY_STARTED = "gateway_started"  # every session with a smaller id is over
    ONLINE = "online"  # phone, edition, peer, transport, how: authenticated|implicit
    CLOSED = "closed"  # phone, reason, frames, bad_frames, bytes_in, last_received_us


class FramesRecord(NamedTuple):
    """Frames that arrived together on one session."""

    received_us: int
    session_id: int
    transport: int
    payloads: list[bytes]


class SessionRecord(NamedTuple):
    """Something that happened to a session."""

    at_us: int
    session_id: int
    event: str
    facts: dict[str, object]


Record = FramesRecord | SessionRecord

_FRAMES = 1
_SESSION = 2


def pack_frames(received_us: int, session_id: int, transport: int, payloads: Sequence[bytes]) -> bytes:
    """One frames record as bytes: fixed-width integers, array16 and bin16, whatever the values.

    The widths are fixed so that the compiled lane can write the head before it knows the count.
    """
    head = b"\x95\x01\xcf" + received_us.to_bytes(8) + b"\xcf" + session_id.to_bytes(8) + bytes([transport])
    body = b"".join(b"\xc5" + len(payload).to_bytes(2) + payload for payload in payloads)
    return head + b"\xdc" + len(payloads).to_bytes(2) + body


def pack_session(at_us: int, session_id: int, event: str, facts: Mapping[str, object]) -> bytes:
    """One session record as bytes."""
    packed: bytes = msgpack.packb((_SESSION, at_us, session_id, event, dict(facts)))
    return packed


def unpack(data: bytes) -> Iterator[Record]:
    """The records of one group, in order.

    Raises:
        ValueError: the data is not what `pack_frames` and `pack_session` write.
    """
    unpacker = msgpack.Unpacker(max_buffer_size=max(len(data), 1))
    unpacker.feed(data)
    for fields in unpacker:
        kind = fields[0]
        if kind == _FRAMES:
            yield FramesRecord(*fields[1:])
        elif kind == _SESSION:
            yield SessionRecord(*fields[1:])
        else:
            raise ValueError(f"unknown record kind {kind!r} in the spool")
