"""A blocking terminal behind a broker, for tests from outside."""

import queue
import secrets
import socket
import threading
from types import TracebackType
from typing import Any, Self

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from jtgate.codecs.edition import Edition
from jtgate.codecs.framing import Frame, FrameReader
from jtgate.codecs.header import Header, encode_frames, parse_header
from jtgate.mqtt.address import parse_address

WAIT_S = 20.0


class MqttTerminal:
    """One client of the broker, which comes back by itself when the broker was away.

    Args:
        url: of the broker.
        topics: (up, down) with {phone}.
        phone: digits, in the header.
        topic_phone: digits in the topics; as in the header without it.
        version: "5" or "3.1.1".
        edition: of the header.
    """

    def __init__(
        self,
        url: str,
        topics: tuple[str, str],
        phone: str = "13912345678",
        *,
        topic_phone: str = "",
        version: str = "5",
        edition: Edition = Edition.V2013,
    ) -> None:
        address = parse_address(url)
        self.phone = phone
        self.edition = edition
        self.up, self.down = (topic.replace("{phone}", topic_phone or phone) for topic in topics)
        self._messages: queue.Queue[bytes] = queue.Queue()
        self._waiting: list[tuple[Header, bytes]] = []
        self._ready = threading.Event()
        self._client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"terminal-{secrets.token_hex(6)}",
            protocol=MQTTv5 if version == "5" else MQTTv311,
        )
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = lambda *_: self._ready.clear()
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_message = self._on_message
        self._client.on_socket_open = lambda _client, _data, opened: opened.setsockopt(  # type: ignore[attr-defined]
            socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
        )
        self._client.connect(address.host, address.port)
        self._client.loop_start()

    def __enter__(self) -> Self:
        """Wait until it can hear."""
        assert self._ready.wait(WAIT_S), "the broker does not answer"
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        """Leave."""
        self._client.disconnect()
        self._client.loop_stop()

    def frame(self, msg_id: int, body: bytes = b"", serial: int = 0) -> bytes:
        """One frame of this terminal."""
        return encode_frames(msg_id, body, phone=self.phone, serial=serial, edition=self.edition)[0]

    def publish(self, payload: bytes, *, qos: int = 1, retain: bool = False, topic: str = "") -> None:
        """Publish, and wait until the broker has it; it is waited for when it is away."""
        assert self._ready.wait(WAIT_S), "the broker is away"
        sent = self._client.publish(topic or self.up, payload, qos, retain)
        sent.wait_for_publish(WAIT_S)
        assert sent.is_published(), "the broker did not take it"

    def send(self, msg_id: int, body: bytes = b"", serial: int = 0) -> None:
        """Publish one frame."""
        self.publish(self.frame(msg_id, body, serial))

    def message(self, within_s: float = WAIT_S) -> bytes:
        """The next message of the platform, as it is.

        Raises:
            queue.Empty: none came.
        """
        return self._messages.get(timeout=within_s)

    def answer(self, within_s: float = WAIT_S) -> tuple[Header, bytes]:
        """The next frame of the platform."""
        while not self._waiting:
            events = FrameReader().feed(self.message(within_s))
            self._waiting += [parse_header(event.payload) for event in events if isinstance(event, Frame)]
        return self._waiting.pop(0)

    def ask(self, msg_id: int, body: bytes = b"", serial: int = 0) -> tuple[Header, bytes]:
        """Publish and wait for the answer."""
        self.send(msg_id, body, serial)
        return self.answer()

    def _on_connect(
        self, client: Client, _data: Any, _flags: ConnectFlags, _reason: ReasonCode, _properties: Properties | None
    ) -> None:
        client.subscribe(self.down, 1)

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        self._messages.put(bytes(message.payload))
