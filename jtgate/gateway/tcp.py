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


#: How long the last answers to a link that was closed by us may take to go out.
LINGER_S = 5.0


class TcpLink(Link, asyncio.Protocol):
    """A terminal on a TCP or TLS connection."""

    __slots__ = ("_linger", "_paused", "_transport", "data_received", "transmit")

    # Slots in place of methods: nothing stands between a read and the batch, or between the batch and a write.
    data_received: Callable[[bytes], None]  # type: ignore[assignment]
    transmit: Callable[[bytes], object]  # type: ignore[assignment]

    def __init__(self, hub: Hub, kind: Transport, transport: asyncio.Transport, peer: str, address: str) -> None:
        self._transport = transport
        self._paused = False
        self._linger: asyncio.TimerHandle | None = None
        transport.set_write_buffer_limits(high=UNREAD_ANSWERS_BYTES_MAX)
        self.transmit = transport.write
        super().__init__(hub, kind, peer, address)
        self.data_received = self.lane.receive

    def connection_lost(self, exc: Exception | None) -> None:
        """The terminal closed, or the network did."""
        if self._linger is not None:
            self._linger.cancel()
        self.close("peer_reset" if exc is not None else "peer_closed")

    def eof_received(self) -> bool:
        """The terminal sends no more; what it sent is answered, then the link ends (with TLS it ends at once)."""
        if self.kind is Transport.TLS:
            return False
        self.hub.committer.when_committed(lambda: self.close("peer_closed"))
        return True

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
        """Close after what was written has gone out, but do not wait for ever for one who does not read."""
        if self.stalled_us:
            self._transport.abort()
            return
        if not self._transport.get_write_buffer_size():
            self._transport.close()
            return
        loop = asyncio.get_running_loop()
        loop.call_soon(self._transport.close)  # uvloop writes at the end of this round and forgets a close before it
        self._linger = loop.call_later(LINGER_S, self._transport.abort)

    def pause_reading(self) -> bool:
        """Take no more bytes from the terminal; False when that is so already."""
        if self._paused or self._transport.is_closing():
            return False
        self._paused = True
        self._transport.pause_reading()
        return True

    def resume_reading(self) -> None:
        """Take bytes again, unless the terminal still does not read ours or nobody may."""
        if self._paused and not (self.stalled_us or self.hub.intake_stopped or self._transport.is_closing()):
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
        link = TcpLink(self._hub, self._kind, stream, f"{address}:{name[1]}", address)
        stream.set_protocol(link)
        if self._hub.intake_stopped:
            link.pause_reading()
