"""The packets of MQTT 3.1.1 that a fleet needs: connect, subscribe, publish with QoS 1, ping. Sans-IO.

A client of its own, not a library: a message costs a library for general use some 60 µs and three system calls, which
would be most of what a large fleet may spend; and a fleet that shares no code with the platform's client can test it.
"""

from typing import NamedTuple

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK = 0x10, 0x20, 0x30, 0x40, 0x82, 0x90
PINGREQ = b"\xc0\x00"
DISCONNECT = b"\xe0\x00"

#: The upper half of the first byte tells the packet, the lower half has flags.
KIND = 0xF0
QOS_SHIFT, QOS_MASK = 1, 0b11
QOS_1 = 0b10
#: Codes of SUBACK from here on are refusals.
REFUSED = 0x80
PACKET_IDS = 0xFFFF

#: Longest packet that is read: far above any frame.
PACKET_BYTES_MAX = 1 << 20

_LENGTH_BYTES_MAX = 4
_CLEAN, _USERNAME, _PASSWORD = 0x02, 0x80, 0x40

#: Why a broker refuses a connection.
CONNECT_REFUSALS = {
    1: "it does not speak MQTT 3.1.1",
    2: "it does not like the client id",
    3: "it is not available",
    4: "user or password is wrong",
    5: "not authorized",
}


class PacketError(Exception):
    """What comes is not MQTT."""


class Packet(NamedTuple):
    """A packet without its length."""

    first: int
    body: bytes


class Message(NamedTuple):
    """A PUBLISH that came in."""

    topic: bytes
    packet_id: int | None  # None with QoS 0
    payload: bytes


def connect_packet(client_id: str, username: str, password: str, keepalive_s: int) -> bytes:
    """CONNECT with a clean session.

    Args:
        client_id: who we are.
        username: "" for none.
        password: "" for none.
        keepalive_s: the broker may close the connection after one and a half times as long without a packet.
    """
    flags = _CLEAN | (_USERNAME if username else 0) | (_PASSWORD if password else 0)
    body = _text("MQTT") + bytes([4, flags]) + keepalive_s.to_bytes(2) + _text(client_id)
    body += _text(username) if username else b""
    body += _text(password) if password else b""
    return _packet(CONNECT, body)


def subscribe_packet(packet_id: int, topics: list[str]) -> bytes:
    """SUBSCRIBE to some topics with QoS 1."""
    return _packet(SUBSCRIBE, packet_id.to_bytes(2) + b"".join(_text(topic) + b"\x01" for topic in topics))


def publish_packet(topic: bytes, packet_id: int, payload: bytes) -> bytes:
    """PUBLISH with QoS 1."""
    head = len(topic).to_bytes(2) + topic + packet_id.to_bytes(2)
    return bytes([PUBLISH | QOS_1]) + _length(len(head) + len(payload)) + head + payload


def puback_packet(packet_id: int) -> bytes:
    """PUBACK."""
    return b"\x40\x02" + packet_id.to_bytes(2)


def read_message(packet: Packet) -> Message:
    """A PUBLISH.

    Raises:
        PacketError: it is cut off.
    """
    body = packet.body
    topic_end = 2 + int.from_bytes(body[:2])
    if not packet.first >> QOS_SHIFT & QOS_MASK:
        return Message(body[2:topic_end], None, body[topic_end:])
    if len(body) < topic_end + 2:
        raise PacketError("a message that is cut off")
    return Message(body[2:topic_end], int.from_bytes(body[topic_end : topic_end + 2]), body[topic_end + 2 :])


class PacketReader:
    """Cuts a stream into packets."""

    def __init__(self) -> None:
        self._left = b""

    def feed(self, data: bytes) -> list[Packet]:
        """The packets that are whole by now.

        Raises:
            PacketError: a length that cannot be.
        """
        data = self._left + data
        packets = []
        at = 0
        while (found := _read_length(data, at)) is not None:
            length, body_at = found
            if length > PACKET_BYTES_MAX:
                raise PacketError(f"a packet of {length} bytes")
            if len(data) < body_at + length:
                break
            packets.append(Packet(data[at], data[body_at : body_at + length]))
            at = body_at + length
        self._left = data[at:]
        return packets


def _read_length(data: bytes, at: int) -> tuple[int, int] | None:
    """Remaining length of the packet at a place and where its body begins; None when more bytes are needed."""
    length = 0
    for number in range(_LENGTH_BYTES_MAX):
        place = at + 1 + number
        if place >= len(data):
            return None
        length |= (data[place] & 0x7F) << 7 * number
        if not data[place] & 0x80:
            return length, place + 1
    raise PacketError("a length that does not end")


def _packet(first: int, body: bytes) -> bytes:
    return bytes([first]) + _length(len(body)) + body


def _length(length: int) -> bytes:
    digits = bytearray()
    while True:
        length, digit = length >> 7, length & 0x7F
        digits.append(digit | (0x80 if length else 0))
        if not length:
            return bytes(digits)


def _text(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(2) + data
