"""UDP: the terminal is known by its phone, answers go to where its last datagram came from (JT/T 808 §10.5).

One datagram normally holds one frame; several are accepted, a frame cut by the end of a datagram is bad. An address
that has not been seen before gets a link of its own; when its terminal is online elsewhere, the newest address wins
as the newest connection does.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from jtgate.gateway.packet_link import PacketLink
from jtgate.storage.records import Transport

if TYPE_CHECKING:
    from jtgate.gateway.hub import Hub

Address = tuple[str, int]

#: Bytes of answers in one datagram: what goes through an Ethernet without being cut in pieces.
DATAGRAM_BYTES = 1400
#: One of so many connections may be a UDP address.
ADDRESSES_PART = 2


class UdpLink(PacketLink):
    """A terminal at one UDP address."""

    __slots__ = ("_door", "_where")

    def __init__(self, hub: Hub, door: UdpDoor, where: Address) -> None:
        self._door = door
        self._where = where
        super().__init__(hub, Transport.UDP, f"{where[0]}:{where[1]}", where[0])

    def transmit(self, data: bytes) -> None:
        """Send answers: in one datagram when they fit an ordinary network, else each in one of its own."""
        if len(data) <= DATAGRAM_BYTES:
            self._door.send(data, self._where)
            return
        for frame in data.split(b"\x7e"):
            if frame:
                self._door.send(b"\x7e" + frame + b"\x7e", self._where)

    def drop(self) -> None:
        """Forget the address."""
        self._door.forget(self._where)


class UdpDoor(asyncio.DatagramProtocol):
    """The UDP listener."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._links: dict[Address, UdpLink] = {}
        self._transport: asyncio.DatagramTransport | None = None
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is bound."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """A datagram; those of addresses over the limit are counted and dropped unanswered."""
        hub = self._hub
        if hub.intake_stopped or hub.committer.pending_bytes > hub.settings.pending_bytes_max:
            hub.counters.rejected["udp.overload"] += 1  # the terminal sends it again: it was not answered
            return
        link = self._links.get(addr)
        if link is None:
            refusal = hub.refusal(addr[0]) or self._full()
            if refusal is not None:
                hub.counters.closed[refusal] += 1
                return
            link = self._links[addr] = UdpLink(hub, self, addr)
        link.packet(data)

    def _full(self) -> str | None:
        """UDP addresses can be forged, so they get a part of the connections only."""
        limit = self._hub.settings.connections_max // ADDRESSES_PART
        return "udp_addresses_max" if len(self._links) >= limit else None

    def error_received(self, exc: Exception) -> None:  # noqa: ARG002  the name is the interface
        """An earlier answer could not be delivered; the terminal will ask again."""
        self._hub.counters.rejected["udp.undeliverable"] += 1

    def send(self, data: bytes, where: Address) -> None:
        """Send one datagram."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(data, where)

    def forget(self, where: Address) -> None:
        """A link is over."""
        self._links.pop(where, None)
