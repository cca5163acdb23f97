"""TCP and TLS: one protocol object per connection (JT/T 808 §10)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from jtgate.codecs.timebase import now_us
from jtgate.gateway.link import Link
from jtgate.storage.records import Transport

if TYPE_CHECKING:
    from jtgate.gateway.hub import Hub

#: Answers waiting for a terminal that does not read; above it we stop reading from that terminal. 20 bytes each.
UNREAD_ANSWERS_BYTES_MAX = 64 * 1024


class TcpLink(Link, asyncio.Protocol):
    """A terminal on a TCP or TLS connection."""

    __slots__ = ("_paused", "_transport", "data_received", "transmit")

    # Slots in place of methods: nothing stands between a read and the batch, or between the batch and a write.
    data_received: Callable[[bytes], None]  # type: ignore[assignment]
    transmit: Callable[[bytes], object]  # type: ignore[assignment]

    def __init__(self, hub: Hub, kind: Transport, transport: asyncio.Transport, peer: str, address: str) -> None:
        self._transport = transport
        self._paused = False
        transport.set_write_buffer_limits(high=UNREAD_ANSWERS_BYTES_MAX)
        self.transmit = transport.write
        super().__init__(hub, kind, peer, address)
        self.data_received = self.lane.receive

    def connection_lost(self, exc: Exception | None) -> None:
        """The terminal closed, or the network did."""
        self.close("peer_reset" if exc is not None else "peer_closed")

    def eof_received(self) -> bool:
        """The terminal sends no more; what it sent is answered, then the transport closes."""
        return False

    def pause_writing(self) -> None:
        """The terminal does not read its answers: stop listening to it."""
        self.stalled_us = now_us()
        self.hub.counters.paused_by_peer += 1
        self.pause_reading()

    def resume_writing(self) -> None:
        """It reads again."""
        self.stalled_us = 0
        self.resume_reading()

    def drop(self) -> None:
        """Close after what was written has gone out."""
        self._transport.close()

    def pause_reading(self) -> None:
        """Take no more bytes from the terminal."""
        if not self._paused and not self._transport.is_closing():
            self._paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Take bytes again, unless the terminal still does not read ours."""
        if self._paused and not self.stalled_us and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()


class Doorstep(asyncio.Protocol):
    """Takes or refuses a new connection, then steps aside for a TcpLink."""

    def __init__(self, hub: Hub, kind: Transport) -> None:
        self._hub = hub
        self._kind = kind

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A connection was accepted by the listener."""
        stream = cast("asyncio.Transport", transport)
        name = stream.get_extra_info("peername") or ("?", 0)
        address = str(name[0])
        refusal = self._hub.refusal(address)
        if refusal is not None:
            self._hub.counters.closed[refusal] += 1
            stream.abort()
            return
        stream.set_protocol(TcpLink(self._hub, self._kind, stream, f"{address}:{name[1]}", address))
