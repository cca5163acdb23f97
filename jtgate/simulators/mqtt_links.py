"""Terminals behind an MQTT broker: each publishes its frames to a topic and hears the platform on another.

A few connections carry all of them. A terminal's link is up when its connection is and its topic is subscribed; when
the connection goes, all links on it are lost, and each terminal comes back with a backoff of its own and sends again
what was not answered. Nothing of a lost connection is sent again by this layer.
"""

import asyncio
import secrets
import ssl
from collections import deque
from time import monotonic
from typing import cast

from jtgate.simulators.links import Link, Seat, Shell
from jtgate.simulators.mqtt_options import PHONE, MqttOptions
from jtgate.simulators.mqtt_packets import (
    CONNACK,
    CONNECT_REFUSALS,
    DISCONNECT,
    KIND,
    PACKET_IDS,
    PINGREQ,
    PUBACK,
    PUBLISH,
    REFUSED,
    SUBACK,
    Packet,
    PacketError,
    PacketReader,
    connect_packet,
    puback_packet,
    publish_packet,
    read_message,
    subscribe_packet,
)
from jtgate.simulators.tally import Tally

KEEPALIVE_S = 30
#: For the answers to CONNECT and SUBSCRIBE.
ANSWER_S = 10.0
#: Pause before a connection is tried again: first and longest; each is twice the one before.
BACKOFF_S = (0.5, 10.0)
#: Topics in one SUBSCRIBE.
TOPICS_MAX = 200
#: Messages that a broker has not acknowledged: above the first number the terminals count as congested until there are
#: only as many as the second; above the last one messages are dropped and counted, and terminals send them again.
CONGESTED_ABOVE, RESUMED_BELOW, UNDER_WAY_MAX = 4_000, 1_000, 50_000
#: Bytes that the network has not taken, above which the terminals count as congested too.
WRITE_HIGH_BYTES = 1 << 20
_GOODBYE_S = 1.0


class MqttLink(Link):
    """The topics of one terminal on one connection."""

    __slots__ = ("_line", "_topic", "down")

    def __init__(self, shell: Shell, seat: Seat, line: "MqttLine", up: str, down: str) -> None:
        super().__init__(shell, seat)
        self._line = line
        self._topic = up.encode()
        self.down = down.encode()

    def heard(self, payload: bytes) -> None:
        """A message on the topic of this terminal."""
        self._shell.received(self, self._seat, payload)

    def write(self, pieces: list[bytes]) -> None:
        """Publish each piece."""
        for piece in pieces:
            self._line.publish(self._topic, piece)

    def close(self) -> None:
        """Hear nothing any more; what was published is on its way."""
        self._line.leave(self)

    def abort(self) -> None:
        """The same: a connection that others use is not cut."""
        self._line.leave(self)

    def set_congested(self, *, is_congested: bool) -> None:
        """Whether the terminal has to hold back."""
        self._seat.terminal.congested = is_congested

    def resume(self) -> None:
        """Let the terminal send what has piled up."""
        self._shell.serve(self._seat)

    def lost(self) -> None:
        """The connection is gone."""
        self.gone = True
        self._shell.link_lost(self, self._seat, "broker lost")


class MqttLine(asyncio.Protocol):
    """One connection to the broker; it is made when a terminal needs it, and made again when it was lost.

    Args:
        options: broker and topics.
        client_id: who we are to it.
        tally: counters of the fleet.
        tls: for TLS.
    """

    def __init__(self, options: MqttOptions, client_id: str, tally: Tally, tls: ssl.SSLContext | None) -> None:
        self._options = options
        self._client_id = client_id
        self._tally = tally
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._attempt: asyncio.Task[None] | None = None
        self._failures = 0
        self._not_before = 0.0
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._forget()

    def _forget(self) -> None:
        """A new connection begins with nothing."""
        self._reader = PacketReader()
        self._is_open = False
        self._connack: asyncio.Future[int] | None = None
        self._links: dict[bytes, MqttLink] = {}
        self._subscribed: set[str] = set()
        self._wanted: deque[tuple[str, asyncio.Future[None]]] = deque()  # topics to subscribe in this turn
        self._asked: dict[int, list[tuple[str, asyncio.Future[None]]]] = {}  # by packet id
        self._under_way: set[int] = set()
        self._last_id = 0
        self._out: list[bytes] = []
        self._is_congested = False
        self._heard_at = monotonic()
        self._ping: asyncio.TimerHandle | None = None

    # Opening.

    async def open(self, link: MqttLink) -> None:
        """Let a terminal hear its topic.

        Raises:
            OSError: no connection to be had, or the broker refuses it.
        """
        while not self._is_open:
            if self._attempt is None:
                self._attempt = self._loop.create_task(self._connect(), name="fleet-mqtt")
                self._attempt.add_done_callback(self._attempted)
            await asyncio.shield(self._attempt)
        topic = link.down.decode()
        if topic not in self._subscribed:
            future: asyncio.Future[None] = self._loop.create_future()
            if not self._wanted:
                self._loop.call_soon(self._subscribe)
            self._wanted.append((topic, future))
            await future
            if topic not in self._subscribed:
                raise ConnectionResetError("the connection to the broker is gone")
        self._links[link.down] = link
        link.set_congested(is_congested=self._is_congested)

    def _attempted(self, task: asyncio.Task[None]) -> None:
        self._attempt = None
        if not task.cancelled():
            task.exception()  # those who wait have been told

    async def _connect(self) -> None:
        """One connection.

        Raises:
            OSError: it did not come about; the next one waits a little longer.
        """
        await asyncio.sleep(max(0.0, self._not_before - monotonic()))
        self._forget()
        options = self._options
        try:
            async with asyncio.timeout(ANSWER_S):
                self._connack = self._loop.create_future()
                await self._loop.create_connection(lambda: self, options.host, options.port, ssl=self._tls)
                self._send(connect_packet(self._client_id, options.username, options.password, KEEPALIVE_S))
                code = await self._connack
            if code:
                reason = CONNECT_REFUSALS.get(code, f"code {code}")
                self._tally.refused[f"broker: {reason}"] += 1
                raise ConnectionRefusedError(f"the broker refuses the connection: {reason}")
        except (OSError, TimeoutError):
            low, high = BACKOFF_S
            self._not_before = monotonic() + min(high, low * 2.0**self._failures)
            self._failures = min(self._failures + 1, 16)
            if self._transport is not None:
                self._transport.abort()
            raise
        self._failures = 0
        self._is_open = True
        self._ping = self._loop.call_later(KEEPALIVE_S / 2, self._keep_alive)

    def _subscribe(self) -> None:
        """Everything that is wanted in this turn of the event loop, with few packets."""
        while self._wanted:
            some = [self._wanted.popleft() for _ in range(min(TOPICS_MAX, len(self._wanted)))]
            packet_id = self._next_id()
            self._asked[packet_id] = some
            self._send(subscribe_packet(packet_id, [topic for topic, _ in some]))

    # Sending.

    def publish(self, topic: bytes, payload: bytes) -> None:
        """Send a message with QoS 1, together with whatever else is sent in this turn of the event loop."""
        if not self._is_open or len(self._under_way) >= UNDER_WAY_MAX:
            self._tally.publishes_dropped += 1
            return
        packet_id = self._next_id()
        self._under_way.add(packet_id)
        self._send(publish_packet(topic, packet_id, payload))
        if len(self._under_way) > CONGESTED_ABOVE:
            self.pause_writing()

    def _send(self, packet: bytes) -> None:
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(packet)

    def _flush(self) -> None:
        if self._transport is not None and self._out:
            self._transport.write(b"".join(self._out))
        self._out = []

    def _next_id(self) -> int:
        """A number that no packet under way has."""
        while True:
            self._last_id = self._last_id % PACKET_IDS + 1
            if self._last_id not in self._under_way and self._last_id not in self._asked:
                return self._last_id

    def leave(self, link: MqttLink) -> None:
        """A terminal is gone; the broker may go on sending, and nobody hears it."""
        if self._links.get(link.down) is link:
            del self._links[link.down]

    def _keep_alive(self) -> None:
        if self._transport is None:
            return
        if monotonic() - self._heard_at > 1.5 * KEEPALIVE_S:
            self._transport.abort()
            return
        self._send(PINGREQ)
        self._ping = self._loop.call_later(KEEPALIVE_S / 2, self._keep_alive)

    async def goodbye(self) -> None:
        """End the connection in order."""
        if self._attempt is not None:
            self._attempt.cancel()
        if self._ping is not None:
            self._ping.cancel()
        if self._transport is None:
            return
        self._send(DISCONNECT)
        self._flush()
        self._links.clear()
        self._transport.close()
        done, _ = await asyncio.wait([self._ended], timeout=_GOODBYE_S)
        if not done:
            self._transport.abort()

    # asyncio.Protocol.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The network is there; the broker has not let us in yet."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=WRITE_HIGH_BYTES)
        self._ended = self._loop.create_future()

    def data_received(self, data: bytes) -> None:
        """Packets, or parts of them."""
        self._heard_at = monotonic()
        try:
            for packet in self._reader.feed(data):
                self._take(packet)
        except PacketError:
            self._tally.frames_bad += 1
            if self._transport is not None:
                self._transport.abort()

    def _take(self, packet: Packet) -> None:
        match packet.first & KIND:
            case kind if kind == PUBLISH:
                message = read_message(packet)
                if message.packet_id is not None:
                    self._send(puback_packet(message.packet_id))
                link = self._links.get(message.topic)
                if link is None:
                    self._tally.messages_unheard += 1
                else:
                    link.heard(message.payload)
            case kind if kind == PUBACK:
                self._under_way.discard(int.from_bytes(packet.body[:2]))
                if self._is_congested and len(self._under_way) <= RESUMED_BELOW:
                    self.resume_writing()
            case kind if kind == SUBACK:
                self._subscribed_to(packet.body)
            case kind if kind == CONNACK and self._connack is not None and not self._connack.done():
                self._connack.set_result(packet.body[1] if len(packet.body) > 1 else REFUSED)

    def _subscribed_to(self, body: bytes) -> None:
        asked = self._asked.pop(int.from_bytes(body[:2]), [])
        for (topic, future), code in zip(asked, body[2:].ljust(len(asked), bytes([REFUSED])), strict=False):
            if future.done():
                continue
            if code >= REFUSED:
                self._tally.refused["broker: subscription"] += 1
                future.set_exception(PermissionError("the broker refuses a subscription"))
            else:
                self._subscribed.add(topic)
                future.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Every link on it is lost."""
        self._transport = None
        self._ended.set_result(None)
        if self._ping is not None:
            self._ping.cancel()
        why = ConnectionResetError("the connection to the broker is gone")
        if self._connack is not None and not self._connack.done():
            self._connack.set_exception(exc if isinstance(exc, OSError) else why)
        waiting = [future for asked in (self._wanted, *self._asked.values()) for _, future in asked]
        links = list(self._links.values())
        self._forget()
        for future in waiting:
            if not future.done():
                future.set_exception(why)
        for link in links:
            link.lost()

    def pause_writing(self) -> None:
        """The broker does not take as fast as we send."""
        if not self._is_congested:
            self._is_congested = True
            for link in self._links.values():
                link.set_congested(is_congested=True)

    def resume_writing(self) -> None:
        """It does again."""
        if not self._is_congested:
            return
        self._is_congested = False
        links = list(self._links.values())
        for link in links:
            link.set_congested(is_congested=False)
        for link in links:
            if self._is_congested:  # again; the others have their turn the next time
                return
            link.resume()


class MqttCarrier:
    """The connections of a fleet.

    Args:
        options: broker, topics, connections.
        tally: counters of the fleet.
    """

    def __init__(self, options: MqttOptions, tally: Tally) -> None:
        self._options = options
        self.files = options.connections
        run = secrets.token_hex(4)
        tls = ssl.create_default_context() if options.is_tls else None
        self._lines = [MqttLine(options, f"jtsim-{run}-{number}", tally, tls) for number in range(options.connections)]

    async def open(self, shell: Shell, seat: Seat) -> Link:
        """Open the link of a terminal.

        Raises:
            OSError: no connection to be had, or the broker refuses it.
        """
        line = self._lines[seat.index % len(self._lines)]
        phone = seat.terminal.identity.phone
        up, down = (topic.replace(PHONE, phone) for topic in (self._options.up, self._options.down))
        link = MqttLink(shell, seat, line, up, down)
        await line.open(link)
        return link

    async def close(self) -> None:
        """End every connection."""
        await asyncio.gather(*(line.goodbye() for line in self._lines))
