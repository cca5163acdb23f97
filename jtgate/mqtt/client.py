"""A connection to an MQTT broker that acknowledges when it is told to; aiomqtt stands behind it.

    MqttError
    ├── MqttUnreachable   no connection to be had: network, name, TLS, no answer in time
    ├── MqttRefused       the broker says no: to the connection, a subscription or a message
    ├── MqttLost          the connection is over
    └── MqttBusy          more unacknowledged messages of ours than the window holds

What comes in goes straight to `on_message`, on the event loop, and is acknowledged by `ack`: a persistent session
delivers what was left over before anybody has subscribed, and once more what was never acknowledged. What goes out
with QoS 1 is a future that ends with the broker's PUBACK. A connection is used once; `keep_connected` makes new ones.
"""

import asyncio
import random
import socket
import ssl
from collections import deque
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Final, NamedTuple, Self

import aiomqtt
import structlog
from aiomqtt.exceptions import MqttConnectError
from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from jtgate.mqtt.address import MqttAddress
from jtgate.mqtt.packets import MqttMessage, puback_packet, publish_packet
from jtgate.mqtt.wire import Wire

__all__ = [
    "Backoff",
    "MqttBusy",
    "MqttConnection",
    "MqttError",
    "MqttLost",
    "MqttMessage",
    "MqttRefused",
    "MqttUnreachable",
    "keep_connected",
]

log = structlog.get_logger("jtgate.mqtt")  # "mqtt" is aiomqtt's, which holds back what is below a warning

#: Unacknowledged messages the broker may send us (MQTT 5; with 3.1.1 the broker's own limit holds).
RECEIVE_MAXIMUM: Final = 1000
#: Messages of ours the broker may not have acknowledged yet; usually as many may wait for their turn.
WINDOW: Final = 1000
#: Bytes of ours that the network has not taken; above it nothing more is sent.
BACKLOG_BYTES_MAX: Final = 16 << 20
#: How long the broker keeps a persistent session without us (MQTT 5; with 3.1.1 it decides alone).
SESSION_EXPIRY_S: Final = 7 * 86_400
#: Longest message that is read; of a longer one only topic and number are.
PACKET_BYTES_MAX: Final = 1 << 20
KEEPALIVE_S: Final = 30
#: For the answer to CONNECT, SUBSCRIBE and DISCONNECT.
ANSWER_S: Final = 10.0
#: First and longest pause before a new connection; each is twice the one before, less up to half of it by chance.
BACKOFF_FIRST_S: Final = 0.25
BACKOFF_MAX_S: Final = 30.0
#: A connection that held so long was a good one: the next pause is the first again.
GOOD_AFTER_S: Final = 10.0

#: Reason codes from here on are refusals.
_FAILURE: Final = 0x80
#: MQTT 5: send no retained messages upon a subscription.
_NO_RETAINED: Final = 2
_TOPIC_BYTES_MAX: Final = 65_535
#: Of a packet, beside topic and payload: first byte, length, length of the topic, number, no properties.
_HEAD_BYTES: Final = 1 + 4 + 2 + 2 + 1


class MqttError(Exception):
    """Something about MQTT did not work.

    Args:
        message: what, without user, password or payload.
    """

    code = "mqtt"


class MqttUnreachable(MqttError):
    """No connection to be had."""

    code = "mqtt.unreachable"


class MqttRefused(MqttError):
    """The broker says no."""

    code = "mqtt.refused"


class MqttLost(MqttError):
    """The connection is over."""

    code = "mqtt.lost"


class MqttBusy(MqttError):
    """The window of unacknowledged messages is full, or the network takes no more."""

    code = "mqtt.busy"


class _Waiting(NamedTuple):
    """A message of ours that waits for room in the window."""

    topic: bytes
    payload: bytes
    retain: bool
    done: "asyncio.Future[None] | None"


class MqttConnection:
    """One connection; see the module.

    Args:
        address: the broker.
        client_id: who we are to it; the same again to go on with a persistent session.
        version: "5" or "3.1.1".
        is_persistent: the broker keeps subscriptions and messages while we are away.
        on_message: gets every message, on the event loop; it must not block. None lets none come.
        receive_maximum: unacknowledged messages the broker may send us (MQTT 5), 1..65535.
        window: messages of ours that may be under way, 1..30000, less if the broker says so.
        waiting_max: messages of ours that may wait for room in the window.
        tls: for mqtts; None trusts what the system trusts (or SSL_CERT_FILE).
    """

    def __init__(
        self,
        address: MqttAddress,
        client_id: str,
        *,
        version: str = "5",
        is_persistent: bool = False,
        on_message: Callable[[MqttMessage], None] | None = None,
        receive_maximum: int = RECEIVE_MAXIMUM,
        window: int = WINDOW,
        waiting_max: int = WINDOW,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.address = address
        self.client_id = client_id
        self.is_session_present = False  # the broker knew us
        self.received = 0  # messages so far
        self._is_v5 = version == "5"
        self._is_persistent = is_persistent
        self._on_message = on_message
        self._receive_maximum = receive_maximum
        self._waiting_max = waiting_max
        self._window = window
        self._packet_bytes_max = 0
        self._tls = tls
        self._under_way: dict[int, asyncio.Future[None] | None] = {}  # messages of ours by number
        self._waiting: deque[_Waiting] = deque()
        self._wire: Wire | None = None
        self._closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._is_open = False

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent and acknowledged."""
        return self._is_open

    @property
    def unacknowledged(self) -> int:
        """Messages of ours that the broker has not acknowledged."""
        return len(self._under_way) + len(self._waiting)

    def closed(self) -> asyncio.Future[None]:
        """Done when the connection is over: without a result when we left, with MqttLost otherwise."""
        return self._closed

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            MqttUnreachable: nobody there, or no answer in time.
            MqttRefused: the broker does not let us in.
        """
        shown = self.address.shown
        wire = self._wire = self._make()
        try:
            await wire.__aenter__()
        except BaseException as error:
            wire.tear_down()
            self._end(MqttLost(f"there was no connection to {shown}"))
            if isinstance(error, MqttConnectError):
                raise MqttRefused(f"{shown} refuses the connection: {error.rc}") from None
            if isinstance(error, aiomqtt.MqttError):
                raise MqttUnreachable(f"{shown} cannot be reached: {error}") from None
            raise
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        """Write what was sent or acknowledged, say goodbye."""
        if self._wire is None:
            return
        was_open, self._is_open = self._is_open, False
        try:
            if was_open:
                await self._wire.leave()
        except aiomqtt.MqttError:
            pass  # it did not take the goodbye in time: it is gone all the same
        finally:
            self._wire.tear_down()
            self._end(None)

    async def subscribe(self, topic: str, qos: int = 1) -> None:
        """Subscribe; retained messages are not asked for where that can be said (MQTT 5).

        Args:
            topic: a filter, also $share/GROUP/FILTER.
            qos: highest quality of service wanted, 0 or 1.

        Raises:
            MqttRefused: the broker does not want it.
            MqttLost: the connection is over.
        """
        wire = self._open_wire()
        options = SubscribeOptions(qos, retainHandling=_NO_RETAINED) if self._is_v5 else None
        try:
            codes = await wire.subscribe(topic, 0 if options else qos, options)
        except aiomqtt.MqttError as error:
            raise MqttLost(f"{self.address.shown} did not answer a subscription: {error}") from None
        for code in codes:
            if (code.value if isinstance(code, ReasonCode) else code) >= _FAILURE:
                raise MqttRefused(f"{self.address.shown} refuses the subscription to {topic}: {code}")

    async def unsubscribe(self, topic: str) -> None:
        """End a subscription.

        Args:
            topic: the filter as it was subscribed to.

        Raises:
            MqttLost: the connection is over.
        """
        try:
            await self._open_wire().unsubscribe(topic)
        except aiomqtt.MqttError as error:
            raise MqttLost(f"{self.address.shown} did not answer: {error}") from None

    async def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> None:
        """Publish and wait until the broker has acknowledged it (QoS 0: until it is on its way).

        Raises:
            MqttBusy: the window is full.
            MqttLost: the connection ended before the acknowledgement.
            MqttRefused: the broker does not want the message, or it is too long for it.
        """
        await self.begin_publish(topic, payload, qos=qos, retain=retain)

    def begin_publish(
        self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False
    ) -> "asyncio.Future[None]":
        """Publish without waiting; the future ends as `publish` does, and need not be looked at.

        Raises:
            MqttBusy: the window is full.
            MqttLost: the connection is over.
            MqttRefused: the message is too long for the broker.
        """
        done: asyncio.Future[None] = self._closed.get_loop().create_future()
        if qos == 0:
            self._start(topic, payload, 0, retain, None)
            done.set_result(None)
        else:
            self._start(topic, payload, 1, retain, done)
        return done

    def send(self, topic: str, payload: bytes, qos: int = 1) -> None:
        """Publish and forget: it goes out in order, and nobody is told of the acknowledgement.

        Raises:
            MqttBusy: the window is full.
            MqttLost: the connection is over.
            MqttRefused: the message is too long for the broker.
        """
        self._start(topic, payload, qos, False, None)

    def ack(self, message: MqttMessage) -> None:
        """Acknowledge a message that came on this connection; nothing happens when that is over."""
        if self._is_open and message.qos and self._wire is not None:
            self._wire.write(puback_packet(message.mid))

    def drop(self) -> None:
        """End the connection without a goodbye: what is unacknowledged comes again on the next one."""
        if self._wire is not None:
            self._wire.tear_down()
        self._end(MqttLost(f"the connection to {self.address.shown} was given up"))

    # ------------------------------------------------------------------------------------------- steps

    def _make(self) -> Wire:
        address = self.address
        properties = None
        if self._is_v5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = SESSION_EXPIRY_S if self._is_persistent else 0
            properties.ReceiveMaximum = self._receive_maximum
        return Wire(
            self,
            PACKET_BYTES_MAX,
            self._is_v5,
            address.host,
            address.port,
            username=address.username or None,
            password=address.password or None,
            identifier=self.client_id,
            protocol=aiomqtt.ProtocolVersion.V5 if self._is_v5 else aiomqtt.ProtocolVersion.V311,
            clean_session=None if self._is_v5 else not self._is_persistent,
            clean_start=not self._is_persistent if self._is_v5 else MQTT_CLEAN_START_FIRST_ONLY,
            timeout=ANSWER_S,
            keepalive=KEEPALIVE_S,
            properties=properties,
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
            tls_context=(self._tls or ssl.create_default_context()) if address.is_tls else None,
        )

    def _open_wire(self) -> Wire:
        if not self._is_open or self._wire is None:
            raise MqttLost(f"there is no connection to {self.address.shown}")
        return self._wire

    def _start(self, topic: str, payload: bytes, qos: int, retain: bool, done: "asyncio.Future[None] | None") -> None:
        """Send now, or let it wait for room in the window."""
        wire = self._open_wire()
        name = topic.encode()
        if len(name) > _TOPIC_BYTES_MAX or len(name) + len(payload) > self._packet_bytes_max:
            raise MqttRefused(f"a message of {len(payload)} bytes is too long for {self.address.shown}")
        if wire.backlog_bytes > BACKLOG_BYTES_MAX:
            raise MqttBusy(f"the way to {self.address.shown} is blocked")
        if qos == 0:
            wire.write(publish_packet(name, payload, qos=0, retain=retain, mid=0, is_v5=self._is_v5))
        elif len(self._under_way) < self._window:
            self._go(wire, _Waiting(name, payload, retain, done))
        elif len(self._waiting) < self._waiting_max:
            self._waiting.append(_Waiting(name, payload, retain, done))
        else:
            raise MqttBusy(f"{self.address.shown} has {self.unacknowledged} messages of ours to acknowledge")

    def _go(self, wire: Wire, message: _Waiting) -> None:
        """Send one message with QoS 1."""
        mid = wire.next_mid()
        while mid in self._under_way:
            mid = wire.next_mid()
        self._under_way[mid] = message.done
        wire.write(
            publish_packet(message.topic, message.payload, qos=1, retain=message.retain, mid=mid, is_v5=self._is_v5)
        )

    # What the wire tells.

    def wire_opened(self, *, is_session_present: bool, receive_maximum: int, packet_bytes_max: int) -> None:
        """The broker has let us in."""
        self.is_session_present = is_session_present
        self._window = min(self._window, receive_maximum)
        self._packet_bytes_max = packet_bytes_max - _HEAD_BYTES
        self._is_open = True

    def wire_closed(self, why: str) -> None:
        """The connection was lost."""
        self._end(MqttLost(f"the connection to {self.address.shown} is lost: {why}"))

    def wire_message(self, message: MqttMessage) -> None:
        """A message came."""
        self.received += 1
        if self._on_message is None:
            return
        try:
            self._on_message(message)
        except Exception:
            log.exception("mqtt.message_failed")  # a bug; it comes again, after the pause of a new connection
            self.drop()

    def wire_acknowledged(self, mid: int, reason: int) -> None:
        """The broker has a message of ours."""
        if mid not in self._under_way:
            return
        done = self._under_way.pop(mid)
        if self._waiting and self._wire is not None:
            self._go(self._wire, self._waiting.popleft())
        if done is None or done.done():
            return
        if reason >= _FAILURE:
            _fail(done, MqttRefused(f"{self.address.shown} refuses a message: reason 0x{reason:02x}"))
        else:
            done.set_result(None)

    def _end(self, error: MqttLost | None) -> None:
        """The connection is over: whoever waits for an acknowledgement waits in vain."""
        self._is_open = False
        lost = [*self._under_way.values(), *(message.done for message in self._waiting)]
        self._under_way.clear()
        self._waiting.clear()
        for done in lost:
            if done is not None and not done.done():
                _fail(done, error or MqttLost(f"we left {self.address.shown}"))
        if not self._closed.done():
            if error is None:
                self._closed.set_result(None)
            else:
                _fail(self._closed, error)


def _fail(done: "asyncio.Future[None]", error: MqttError) -> None:
    done.set_exception(error)
    done.exception()  # nobody need look at it


# ---------------------------------------------------------------------------------------------- connecting again


class Backoff:
    """Pauses between attempts, each twice the one before, with some chance in it.

    Args:
        first_s: the first.
        max_s: the longest.
    """

    def __init__(self, first_s: float = BACKOFF_FIRST_S, max_s: float = BACKOFF_MAX_S) -> None:
        self._first_s = first_s
        self._max_s = max_s
        self._next_s = first_s

    def reset(self) -> None:
        """The last attempt was a success."""
        self._next_s = self._first_s

    def next_s(self) -> float:
        """How long to wait now, seconds."""
        pause_s = self._next_s
        self._next_s = min(2 * pause_s, self._max_s)
        return pause_s * random.uniform(0.5, 1.0)  # noqa: S311  so that not everybody comes back at once


async def keep_connected(
    make: Callable[[], MqttConnection],
    work: Callable[[MqttConnection], Awaitable[None]],
    *,
    on_lost: Callable[[MqttError], None] | None = None,
    backoff: Backoff | None = None,
) -> None:
    """Connect, work, and connect again when the connection is lost; ends when `work` returns.

    Args:
        make: a fresh connection.
        work: what is done with an open one; an MqttError out of it means: again, after a pause.
        on_lost: told of every failure, for counters.
        backoff: the pauses between attempts.
    """
    loop = asyncio.get_running_loop()
    backoff = backoff or Backoff()
    failing = False
    while True:
        connection = make()
        since: float | None = None
        try:
            async with connection:
                since = loop.time()
                log.info(
                    "mqtt.connected",
                    broker=connection.address.shown,
                    client_id=connection.client_id,
                    session_present=connection.is_session_present,
                )
                failing = False
                await work(connection)
                return
        except MqttError as error:
            if on_lost is not None:
                on_lost(error)
            if not failing:  # once per outage
                log.warning("mqtt.connection_failed", client_id=connection.client_id, code=error.code, error=str(error))
            failing = True
        if since is not None and loop.time() - since >= GOOD_AFTER_S:
            backoff.reset()
        await asyncio.sleep(backoff.next_s())
