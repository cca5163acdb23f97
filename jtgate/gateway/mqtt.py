"""MQTT: terminals whose frames come through a broker; each has a topic for what it says and one for what it hears.

    mqtt_up    jt808/{phone}/up     one message = one or several whole frames, as in a UDP datagram
    mqtt_down  jt808/{phone}/down   answers and commands, in order

Several connections with persistent sessions share the load ($share/<group>/…). A message is acknowledged to the broker
(PUBACK) when what was in it is in the spool, and at once when there was nothing worth storing. What the spool refused
is not acknowledged: the connection is dropped, and the broker sends it again on the next one. A broker says nothing
when a terminal goes, so only time-outs end a session.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from jtgate.codecs.errors import HeaderError
from jtgate.codecs.header import parse_header
from jtgate.gateway import metrics
from jtgate.gateway.mqtt_sessions import SessionBook
from jtgate.gateway.packet_link import PacketLink
from jtgate.mqtt.address import parse_address
from jtgate.mqtt.client import Backoff, MqttConnection, MqttError, MqttMessage, keep_connected
from jtgate.settings import PHONE
from jtgate.storage.records import Transport

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from jtgate.gateway.hub import Hub
    from jtgate.gateway.link import Member
    from jtgate.settings import Settings

log = structlog.get_logger("gateway")

#: Longest message that is looked at; a terminal has no reason to collect more.
PAYLOAD_BYTES_MAX: Final = 64 * 1024
#: Digits of a phone in a topic: 20 in the header of 2019.
PHONE_DIGITS_MAX: Final = 20
#: Messages the broker may have under way to one connection; with MQTT 3.1.1 it decides (docs/mqtt.md).
RECEIVE_MAXIMUM: Final = 2000
#: Answers and commands that may wait on one connection while the broker is slow: some 3 MB; the rest is counted.
WAITING_MAX: Final = 20_000
#: First and longest pause before connecting again: the broker or the spool may be back any moment, and a broker that
#: forgot our shared subscription over its restart (Mosquitto does) takes messages for nobody until we are there.
RECONNECT_FIRST_S: Final = 0.05
RECONNECT_MAX_S: Final = 5.0
#: For the goodbye to the broker.
STOP_S: Final = 5.0
#: One of so many connections may be a topic: a broker may let anybody publish.
TOPICS_PART: Final = 2
#: A session that is no longer wanted is ended when nothing has come for so long after it was unsubscribed.
RETIRE_QUIET_S: Final = 2.0


class MqttLink(PacketLink):
    """A terminal at one topic."""

    __slots__ = ("_door", "_terminal", "down", "via")

    def __init__(self, hub: Hub, door: MqttDoor, topic: str, phone: str) -> None:
        self._door = door
        self._terminal = phone.lstrip("0")
        self.down = door.down_topic(phone)
        self.via: MqttConnection | None = None  # answers keep to one connection, for their order
        super().__init__(hub, Transport.MQTT, topic, topic)

    def transmit(self, data: bytes) -> None:
        """Publish answers or a command."""
        self._door.send(self, data)

    def drop(self) -> None:
        """Forget the topic."""
        self._door.forget(self)

    def _member_for(self, payload: bytes) -> Member | None:
        """A topic belongs to one terminal: a broker that checks who publishes where vouches for it."""
        try:
            terminal = parse_header(payload, self.hub.readings.header_edition(self.listener))[0].terminal
        except HeaderError:
            return super()._member_for(payload)  # the session has words for it
        if terminal != self._terminal:
            self.hub.counters.deviations["mqtt.other_phone"] += 1
            return None
        return super()._member_for(payload)


class MqttDoor:
    """The connections to one broker and the links behind it.

    Args:
        hub: the gateway's shared parts.
        settings: of this gateway; `mqtt` names a broker.
    """

    def __init__(self, hub: Hub, settings: Settings) -> None:
        self._hub = hub
        self._address = parse_address(settings.mqtt)
        self._version = settings.mqtt_version
        self._up = settings.mqtt_up.split(PHONE)
        self._down = settings.mqtt_down.split(PHONE)
        wanted = settings.mqtt_up.replace(PHONE, "+")
        self._filter = f"$share/{settings.mqtt_group}/{wanted}" if settings.mqtt_group else wanted
        self._is_shared = bool(settings.mqtt_group)
        self.subscribers = settings.mqtt_subscribers
        self._book = SessionBook(settings.data, self._address.shown)
        self._links: dict[str, MqttLink] = {}
        self._links_max = settings.connections_max // TOPICS_PART
        self._open: list[MqttConnection] = []  # connected and subscribed
        self._tasks: list[asyncio.Task[None]] = []
        self._holding: set[asyncio.Task[None] | None] = set()  # tasks whose connection stands
        self._unacknowledged = 0
        self._leaving = asyncio.Event()

    def start(self) -> None:
        """Connect, and connect again for ever; a broker that is away holds up nobody."""
        for number in range(self.subscribers):
            work = self._keep(self._book.client_id(number), self._subscribe)
            self._tasks.append(asyncio.create_task(work, name=f"gateway-mqtt-{number}"))
        for client_id in self._book.beyond(self.subscribers):
            self._tasks.append(asyncio.create_task(self._retire(client_id), name="gateway-mqtt-retire"))

    async def stop(self) -> None:
        """Say goodbye to the broker; it keeps what was not acknowledged for the next start."""
        self._leaving.set()
        for task in set(self._tasks) - self._holding:  # not connected, so there is nobody to say it to
            task.cancel()
        _, late = await asyncio.wait(self._tasks, timeout=STOP_S)
        for task in late:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.tick()

    def state(self) -> dict[str, object]:
        """Facts for the status file."""
        return {"broker": self._address.shown, "subscribers": self.subscribers, "connected": len(self._open)}

    def tick(self) -> None:
        """Once a second: gauges."""
        metrics.MQTT_CONNECTED.set(len(self._open))
        metrics.MQTT_UNACKNOWLEDGED.set(self._unacknowledged)

    # Connections.

    async def _keep(self, client_id: str, work: Callable[[MqttConnection], Awaitable[None]]) -> None:
        backoff = Backoff(RECONNECT_FIRST_S, RECONNECT_MAX_S)
        await keep_connected(partial(self._connection, client_id), work, on_lost=self._on_lost, backoff=backoff)

    def _connection(self, client_id: str) -> MqttConnection:
        connection = MqttConnection(
            self._address,
            client_id,
            version=self._version,
            is_persistent=True,
            on_message=lambda message: self.receive(connection, message),
            receive_maximum=RECEIVE_MAXIMUM,
            waiting_max=WAITING_MAX,
        )
        return connection

    async def _subscribe(self, connection: MqttConnection) -> None:
        """Hold one connection until it ends or we leave."""
        before = self._book.filter_of(connection.client_id)
        # Without a group every connection would get every message: one subscribes, the others carry answers.
        wanted = self._filter if self._is_shared or connection.client_id == self._book.client_id(0) else ""
        if before not in {"", wanted}:
            await connection.unsubscribe(before)
        if wanted:
            await connection.subscribe(wanted, 1)
        self._book.note(connection.client_id, wanted)
        self._open.append(connection)
        self._holding.add(asyncio.current_task())
        leaving = asyncio.ensure_future(self._leaving.wait())
        try:
            await asyncio.wait((leaving, connection.closed()), return_when=asyncio.FIRST_COMPLETED)
            if not self._leaving.is_set():
                connection.closed().result()
        finally:
            leaving.cancel()
            self._open.remove(connection)
            if not self._leaving.is_set():
                self._holding.discard(asyncio.current_task())

    async def _retire(self, client_id: str) -> None:
        """Take what is left in a session of earlier settings, then end it."""

        async def empty(connection: MqttConnection) -> None:
            if before := self._book.filter_of(client_id):
                await connection.unsubscribe(before)
            count = -1
            while count != connection.received:
                count = connection.received
                await asyncio.sleep(RETIRE_QUIET_S)
                if not connection.is_open:
                    connection.closed().result()

        await self._keep(client_id, empty)
        try:
            async with MqttConnection(self._address, client_id, version=self._version, is_persistent=False):
                pass
        except MqttError as error:  # the next start tries again
            log.warning("mqtt.session_not_ended", client_id=client_id, code=error.code, error=str(error))
        else:
            self._book.forget(client_id)
            log.info("mqtt.session_ended", client_id=client_id)

    def _on_lost(self, _error: MqttError) -> None:
        self._hub.counters.mqtt_reconnects += 1

    # Messages in.

    def receive(self, connection: MqttConnection, message: MqttMessage) -> None:
        """One message of the broker.

        Args:
            connection: where it came from and is acknowledged.
            message: one or several frames of one terminal.
        """
        hub = self._hub
        counts = hub.counters.mqtt_messages
        if hub.intake_stopped:
            # Not acknowledged: it comes again on the next connection, unless its sender did not care (QoS 0).
            counts["later" if message.qos else "lost"] += 1
            if not hub.draining:
                connection.drop()
            return
        is_long = message.is_cut or len(message.payload) > PAYLOAD_BYTES_MAX
        link = self._links.get(message.topic) or self._new_link(message)
        if link is None or message.is_retained or is_long:
            if link is not None:
                # A retained message tells of some time ago, not of a terminal that is there.
                counts["retained" if message.is_retained else "too_long"] += 1
            connection.ack(message)
            return
        if link.via is None or not link.via.is_open:
            link.via = connection  # it may be that nothing is subscribed yet, and this is what was left over
        batch = hub.committer.batch
        before = batch.size
        link.packet(message.payload)
        if batch.size == before:
            counts["empty"] += 1  # nothing in it worth storing: it would come for ever
            connection.ack(message)
            return
        self._unacknowledged += 1
        hub.committer.when_stored(partial(self._settle, connection, message))

    def _settle(self, connection: MqttConnection, message: MqttMessage, stored: bool) -> None:
        """The spool has what was in a message, or has refused it."""
        self._unacknowledged -= 1
        self._hub.counters.mqtt_messages["stored" if stored else "refused"] += 1
        if stored:
            connection.ack(message)
        elif connection.is_open:
            connection.drop()

    def _new_link(self, message: MqttMessage) -> MqttLink | None:
        """A link for a topic that has not been seen before; None when there can be none, and that is counted."""
        hub, topic = self._hub, message.topic
        begin, end = self._up
        phone = topic[len(begin) : len(topic) - len(end)]
        is_ours = topic == f"{begin}{phone}{end}" and phone.isascii() and phone.isdecimal()
        if not is_ours or len(phone) > PHONE_DIGITS_MAX:
            hub.counters.mqtt_messages["strange_topic"] += 1
            return None
        refusal = hub.refusal(topic) or ("mqtt_topics_max" if len(self._links) >= self._links_max else None)
        if refusal is not None:
            hub.counters.closed[refusal] += 1
            hub.counters.mqtt_messages["limit"] += 1
            return None
        link = self._links[topic] = MqttLink(hub, self, topic, phone)
        return link

    # Messages out.

    def down_topic(self, phone: str) -> str:
        """Where a terminal listens."""
        return self._down[0] + phone + self._down[1]

    def send(self, link: MqttLink, data: bytes) -> None:
        """Publish to a terminal; what cannot go out is counted, the terminal asks again."""
        if link.via is None or not link.via.is_open:
            link.via = self._some_connection(link)
        if link.via is None:
            self._hub.counters.mqtt_unsent["no_broker"] += 1
            return
        try:
            link.via.send(link.down, data)
        except MqttError as error:
            self._hub.counters.mqtt_unsent[error.code] += 1

    def _some_connection(self, link: MqttLink) -> MqttConnection | None:
        """An open connection, another one for the next terminal."""
        return self._open[hash(link.down) % len(self._open)] if self._open else None

    def forget(self, link: MqttLink) -> None:
        """A link is over."""
        if self._links.get(link.address) is link:
            del self._links[link.address]
