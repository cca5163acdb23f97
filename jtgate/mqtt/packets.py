"""The two packets of MQTT that come thousands of times a second: PUBLISH and PUBACK; no sockets, no clock.

Everything else (CONNECT, SUBSCRIBE, PINGREQ …) is left to paho. MQTT 3.1.1 §2–3.4, MQTT 5 §2–3.4.
"""

from typing import Final, NamedTuple

PUBLISH: Final = 0x30
PUBACK: Final = 0x40
#: Upper half of the first byte.
KIND: Final = 0xF0

#: Longest length field: 4 bytes of 7 bits.
_LENGTH_BYTES_MAX: Final = 4
REMAINING_MAX: Final = 268_435_455
#: The fixed header, a topic of the longest kind and a message number: enough to acknowledge what is not read.
_HEAD_BYTES_MAX: Final = 1 + _LENGTH_BYTES_MAX + 2 + 65_535 + 2


class PacketError(ValueError):
    """The broker sent what is no MQTT."""


class MqttMessage(NamedTuple):
    """A message from the broker.

    Args:
        topic: its topic; "" when it is no UTF-8.
        payload: its bytes.
        qos: 0, 1 or 2.
        is_retained: it was kept by the broker and is not new.
        mid: number by which it is acknowledged on its own connection.
        is_cut: it was longer than we read, and the payload is empty.
    """

    topic: str
    payload: bytes
    qos: int
    is_retained: bool
    mid: int
    is_cut: bool = False


class Packet(NamedTuple):
    """One packet: its first byte, and what stands behind its length."""

    first: int
    body: bytes
    is_cut: bool = False


class PacketReader:
    """Cuts what arrives into packets.

    Args:
        bytes_max: longest packet that is kept; of a longer PUBLISH only the head is.
    """

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._rest = b""
        self._skip = 0  # bytes to come of a packet that is too long

    def feed(self, data: bytes) -> list[Packet]:
        """Take bytes as they arrived; the packets that are complete now.

        Raises:
            PacketError: no MQTT, or a packet too long that is no PUBLISH.
        """
        if self._skip:
            skipped = min(self._skip, len(data))
            self._skip -= skipped
            data = data[skipped:]
        if self._rest:
            data = self._rest + data
        found: list[Packet] = []
        at, end = 0, len(data)
        while end - at >= 2:
            length = data[at + 1]
            body = at + 2
            if length & 0x80:
                length, body = _long_length(data, at + 1, end)
                if body == 0:
                    break
            if body + length <= end:
                found.append(Packet(data[at], data[body : body + length]))
                at = body + length
            elif length > self._bytes_max:
                if end - at < min(_HEAD_BYTES_MAX, length):
                    break  # the head is not here yet
                if data[at] & KIND != PUBLISH:
                    raise PacketError(f"a packet of {length} bytes that is no message")
                found.append(Packet(data[at], data[body:end], is_cut=True))
                self._skip = body + length - end
                at = end
            else:
                break
        self._rest = data[at:]
        return found


def _long_length(data: bytes, at: int, end: int) -> tuple[int, int]:
    """A length of more than one byte, and where it ends; (0, 0) when it is not all there."""
    length = 0
    for place in range(_LENGTH_BYTES_MAX):
        if at + place >= end:
            return 0, 0
        byte = data[at + place]
        length |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return length, at + place + 1
    raise PacketError("a length field of more than four bytes")


def read_publish(packet: Packet, *, is_v5: bool) -> MqttMessage:
    """What is in a PUBLISH.

    Raises:
        PacketError: it is shorter than it says.
    """
    first, body, is_cut = packet
    end = 2 + ((body[0] << 8) | body[1]) if len(body) >= 2 else 1
    qos = (first >> 1) & 3
    at = end + 2 if qos else end
    if at > len(body) or end < 2:
        raise PacketError("a message without its topic")
    try:
        topic = body[2:end].decode()
    except UnicodeDecodeError:
        topic = ""  # the standard forbids it; nobody knows such a topic
    mid = (body[end] << 8) | body[end + 1] if qos else 0
    if is_cut:
        return MqttMessage(topic, b"", qos, bool(first & 1), mid, is_cut=True)
    if is_v5:
        length, at = _long_length(body, at, len(body))
        at += length
        if not 0 < at <= len(body):
            raise PacketError("a message whose properties do not end")
    return MqttMessage(topic, body[at:], qos, bool(first & 1), mid)


def read_puback(body: bytes) -> tuple[int, int]:
    """Message number and reason code (0 when there is none, as in MQTT 3.1.1).

    Raises:
        PacketError: it is too short.
    """
    if len(body) < 2:
        raise PacketError("an acknowledgement without its number")
    return (body[0] << 8) | body[1], body[2] if len(body) > 2 else 0


def publish_packet(topic: bytes, payload: bytes, *, qos: int, retain: bool, mid: int, is_v5: bool) -> bytes:
    """A PUBLISH without properties.

    Args:
        topic: UTF-8, at most 65,535 bytes.
        payload: any bytes.
        qos: 0 or 1.
        retain: the broker keeps it for those who subscribe later.
        mid: 1..65535 with QoS 1.
        is_v5: there are properties, even if there are none.
    """
    tail = (mid.to_bytes(2) if qos else b"") + (b"\0" if is_v5 else b"")
    remaining = 2 + len(topic) + len(tail) + len(payload)
    head = bytes((PUBLISH | (qos << 1) | retain,)) + length_field(remaining) + len(topic).to_bytes(2)
    return b"".join((head, topic, tail, payload))


def puback_packet(mid: int) -> bytes:
    """A PUBACK: success, for which MQTT 5 needs no reason code either."""
    return b"\x40\x02" + mid.to_bytes(2)


def length_field(length: int) -> bytes:
    """The length of a packet, 7 bits a byte, least first.

    Raises:
        PacketError: MQTT has no packets of that length.
    """
    if length < 0x80:
        return bytes((length,))
    if length > REMAINING_MAX:
        raise PacketError(f"a packet of {length} bytes")
    out = bytearray()
    while length > 0x7F:
        out.append(length & 0x7F | 0x80)
        length >>= 7
    out.append(length)
    return bytes(out)
