"""A terminal's way to the platform: TCP, UDP, or topics of an MQTT broker (`mqtt_links`).

The state machine of a terminal knows none of them; they differ in how a link is opened and how bytes come and go.
"""

import asyncio
import ipaddress
import math
import socket
from collections.abc import Iterator
from typing import Protocol, cast

from jtgate.simulators.terminal import Terminal

#: Connections from one source address when the platform is on the loopback: below the 28,000 ports an
#: address has, and below what platforms usually allow one address.
PER_ADDRESS_MAX = 8_000
#: Bytes waiting in one connection above which the terminal counts as congested.
WRITE_HIGH_BYTES = 64 * 1024
#: IP_BIND_ADDRESS_NO_PORT of Linux: the port is chosen when connecting, so that one may serve many destinations.
_BIND_ADDRESS_NO_PORT = 24


class Seat:
    """One terminal with its link and its place in the heap of times."""

    __slots__ = ("armed_at", "index", "link", "opening", "terminal")

    def __init__(self, index: int, terminal: Terminal) -> None:
        self.index = index
        self.terminal = terminal
        self.link: Link | None = None
        self.opening = False
        self.armed_at = math.inf


class Shell(Protocol):
    """Who is told what happens on a link: the fleet."""

    def received(self, link: "Link", seat: Seat, data: bytes) -> None:
        """Bytes for a terminal."""
        ...

    def link_lost(self, link: "Link", seat: Seat, reason: str) -> None:
        """The link is gone, and nobody asked for it."""
        ...

    def serve(self, seat: Seat) -> None:
        """Look what a terminal has to say."""
        ...


class Link:
    """One link of one terminal."""

    __slots__ = ("_seat", "_shell", "gone")

    def __init__(self, shell: Shell, seat: Seat) -> None:
        self._shell = shell
        self._seat = seat
        self.gone = False

    def write(self, pieces: list[bytes]) -> None:
        """Send pieces in order."""
        raise NotImplementedError

    def close(self) -> None:
        """End it after everything has been written."""
        raise NotImplementedError

    def abort(self) -> None:
        """End it at once."""
        raise NotImplementedError

    def error_received(self, exc: Exception) -> None:
        """UDP: the other side is not there; retransmission and time-outs deal with it."""

    def connection_lost(self, exc: Exception | None) -> None:
        """The transport is gone."""
        self.gone = True
        self._shell.link_lost(self, self._seat, "reset" if exc is not None else "closed by platform")

    def pause_writing(self) -> None:
        """The platform does not read as fast as we write."""
        self._seat.terminal.congested = True

    def resume_writing(self) -> None:
        """It does again."""
        self._seat.terminal.congested = False
        self._shell.serve(self._seat)


class TcpLink(Link, asyncio.Protocol):
    """A TCP connection."""

    __slots__ = ("_transport",)

    _transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The transport is ready; the fleet is told when the connecting task ends."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=WRITE_HIGH_BYTES)

    def data_received(self, data: bytes) -> None:
        """Bytes of the stream."""
        self._shell.received(self, self._seat, data)

    def write(self, pieces: list[bytes]) -> None:
        """Send pieces in order."""
        self._transport.write(pieces[0] if len(pieces) == 1 else b"".join(pieces))

    def close(self) -> None:
        """End it after everything has been written."""
        self._transport.close()

    def abort(self) -> None:
        """End it at once."""
        self._transport.abort()


class UdpLink(Link, asyncio.DatagramProtocol):
    """A UDP socket, connected to the platform; each piece is a datagram."""

    __slots__ = ("_transport",)

    _transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The transport is ready."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, _addr: object) -> None:
        """A datagram."""
        self._shell.received(self, self._seat, data)

    def write(self, pieces: list[bytes]) -> None:
        """Send pieces in order."""
        for piece in pieces:
            self._transport.sendto(piece)

    def close(self) -> None:
        """End it."""
        self._transport.close()

    def abort(self) -> None:
        """End it."""
        self._transport.abort()


class Carrier(Protocol):
    """What opens the links of a fleet."""

    @property
    def files(self) -> int:
        """Open files it needs."""
        ...

    async def open(self, shell: Shell, seat: Seat) -> Link:
        """Open the link of a terminal.

        Raises:
            OSError: there is no link to be had now.
        """
        ...

    async def close(self) -> None:
        """The run is over; every link has been closed."""
        ...


class SocketCarrier:
    """A TCP connection or a UDP socket for each terminal.

    Args:
        host: address of the platform.
        port: its port.
        terminals: how many there are.
        datagrams: UDP instead of TCP.
    """

    def __init__(self, host: str, port: int, terminals: int, *, datagrams: bool) -> None:
        self._target = (host, port)
        self._datagrams = datagrams
        self.files = terminals
        self._sources = _source_addresses(host, terminals)

    async def open(self, shell: Shell, seat: Seat) -> Link:
        """Open the link of a terminal.

        Raises:
            OSError: nobody there.
        """
        loop = asyncio.get_running_loop()
        link = UdpLink(shell, seat) if self._datagrams else TcpLink(shell, seat)
        if self._sources is None:
            if isinstance(link, UdpLink):
                await loop.create_datagram_endpoint(lambda: link, remote_addr=self._target)
            else:
                await loop.create_connection(lambda: link, *self._target)
            return link
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if self._datagrams else socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
            sock.bind((self._sources[seat.index // PER_ADDRESS_MAX], 0))
            await loop.sock_connect(sock, self._target)
            if isinstance(link, UdpLink):
                await loop.create_datagram_endpoint(lambda: link, sock=sock)
            else:
                await loop.create_connection(lambda: link, sock=sock)
        except BaseException:
            sock.close()
            raise
        return link

    async def close(self) -> None:
        """Nothing is shared between the links."""


def _source_addresses(host: str, terminals: int) -> list[str] | None:
    """Loopback addresses to connect from, when one is not enough and the platform is there too."""
    if terminals <= PER_ADDRESS_MAX:
        return None
    try:
        target = ipaddress.ip_address(host)
    except ValueError:
        return None
    if target.version != 4 or not target.is_loopback:
        return None
    return list(_loopback_addresses(math.ceil(terminals / PER_ADDRESS_MAX)))


def _loopback_addresses(count: int) -> Iterator[str]:
    first = int(ipaddress.ip_address("127.0.0.2"))
    for number in range(count):
        yield str(ipaddress.ip_address(first + number))
