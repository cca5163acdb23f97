"""TCP connections and UDP addresses of the attachment server: queues, threads, limits and times.

    socket ─► queue of the link ─► thread: Upload.feed ─► answers
       ▲          │ too much: reading pauses
       └──────────┘

A link has one piece of work on a thread at a time, so its bytes keep their order; the event loop waits for no disk.
UDP is left open by the standard: here a datagram holds whole frames and data packets, answers go to the address it came
from, and what was lost is asked for with 0x9212 like any other gap.
"""

from __future__ import annotations

import asyncio
from collections import Counter as Tally
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Final, cast

import structlog

from jtgate.gateway.attachments import metrics
from jtgate.gateway.attachments.shelf import DiskFault
from jtgate.gateway.attachments.upload import Upload

#: Links at a time, and the part of them that may be UDP addresses, which can be forged.
LINKS_MAX: Final = 2000
UDP_LINKS_MAX: Final = 1000
#: Bytes of one link that wait for a thread; above it reading from it pauses.
QUEUE_BYTES_MAX: Final = 256 << 10
#: The same of all links together.
QUEUES_BYTES_MAX: Final = 64 << 20
#: Bytes of unfinished packets of all links together; the link that goes beyond it is closed and comes again.
PENDING_BYTES_MAX: Final = 128 << 20
#: Answers that a terminal has not read.
UNREAD_BYTES_MAX: Final = 64 << 10
#: Silence after which a link is closed, while a file is half sent and otherwise, and how long it may last (§4.7).
IDLE_FILE_S: Final = 60.0
IDLE_S: Final = 30.0
LINK_S: Final = 15 * 60.0
#: How long what was answered last may take to go out.
LINGER_S: Final = 2.0
#: After the disk has failed nobody is let in for so long.
DISK_PAUSE_S: Final = 10.0
#: Bytes of answers in one datagram: what goes through an Ethernet without being cut in pieces.
DATAGRAM_BYTES: Final = 1400

Address = tuple[str, int]
_log = structlog.get_logger("attachments")


class Hub:
    """What all links share; lives on the event loop.

    Args:
        loop: the event loop.
        threads: do the work.
        make_upload: makes the core of a new link.
        per_address_max: links from one address.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        threads: Executor,
        make_upload: Callable[[], Upload],
        *,
        per_address_max: int = LINKS_MAX,
    ) -> None:
        self.loop = loop
        self.threads = threads
        self.make_upload = make_upload
        self._per_address_max = per_address_max
        self.links: set[Link] = set()
        self.queued_bytes = 0
        self.pending_bytes = 0
        self.is_stopping = False
        self._addresses: Tally[str] = Tally()
        self._udp_count = 0
        self._disk_failed_at = -DISK_PAUSE_S
        self._empty = asyncio.Event()
        self._empty.set()

    def refusal(self, address: str, *, is_udp: bool) -> str | None:
        """Why a new link is not taken, None when it is."""
        if self.is_stopping:
            return "shutdown"
        if self.loop.time() - self._disk_failed_at < DISK_PAUSE_S:
            return DiskFault.reason
        if len(self.links) >= LINKS_MAX or (is_udp and self._udp_count >= UDP_LINKS_MAX):
            return "links_max"
        return "per_address_max" if self._addresses[address] >= self._per_address_max else None

    def opened(self, link: Link) -> None:
        """A link is there."""
        self.links.add(link)
        self._addresses[link.address] += 1
        self._udp_count += isinstance(link, UdpLink)
        self._empty.clear()
        metrics.OPENED.labels(link.KIND).inc()
        metrics.LINKS.set(len(self.links))

    def gone(self, link: Link, reason: str) -> None:
        """A link is over, and its files are noted."""
        self.links.discard(link)
        self._addresses[link.address] -= 1
        if not self._addresses[link.address]:
            del self._addresses[link.address]
        self._udp_count -= isinstance(link, UdpLink)
        if reason == DiskFault.reason:
            self._disk_failed_at = self.loop.time()
        metrics.CLOSED.labels(reason).inc()
        metrics.LINKS.set(len(self.links))
        if not self.links:
            self._empty.set()

    def tick(self) -> None:
        """Once a second: close what is silent or lasts too long."""
        now = self.loop.time()
        for link in list(self.links):
            link.check(now)
        metrics.HELD_BYTES.set(self.queued_bytes + self.pending_bytes)

    async def close_all(self, within_s: float) -> bool:
        """Close every link and wait until the files of all are noted; False when that takes too long."""
        self.is_stopping = True
        for link in list(self.links):
            link.close("shutdown")
        try:
            await asyncio.wait_for(self._empty.wait(), within_s)
        except TimeoutError:
            return False
        return True


class Link:
    """One terminal at the other end."""

    KIND = ""

    def __init__(self, hub: Hub, address: str) -> None:
        self.hub = hub
        self.address = address
        self._upload = hub.make_upload()
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._pending_bytes = 0  # as the hub has counted it
        self._is_working = False
        self._reason: str | None = None  # why it is closed
        self._has_ended = False  # the terminal sends no more
        self._opened_at = self._heard_at = hub.loop.time()
        hub.opened(self)

    # What a kind of link does in its own way.

    def transmit(self, data: bytes) -> None:
        """Send answers."""
        raise NotImplementedError

    def drop(self) -> None:
        """Let go of the other end."""
        raise NotImplementedError

    def work(self, batch: list[bytes]) -> bytes:
        """Runs on a thread: what came since the last time; returns the answers."""
        raise NotImplementedError

    def balance(self) -> None:
        """Pause or resume reading."""

    # What they have in common.

    @property
    def is_over_full(self) -> bool:
        """Whether more waits for a thread than may."""
        waits = self._queued_bytes
        return waits > QUEUE_BYTES_MAX or (waits > 0 and self.hub.queued_bytes > QUEUES_BYTES_MAX)

    def received(self, data: bytes) -> None:
        """Bytes came."""
        self._heard_at = self.hub.loop.time()
        metrics.BYTES_IN.inc(len(data))
        if self._reason is not None:
            return
        self._queue.append(data)
        self._queued_bytes += len(data)
        self.hub.queued_bytes += len(data)
        self.balance()
        self._go_on()

    def ended(self) -> None:
        """The terminal sends no more; what it sent is still worked through."""
        self._has_ended = True
        self._go_on()

    def close(self, reason: str) -> None:
        """Answer what was answered so far, take nothing more, and note how far the files came."""
        if self._reason is not None:
            return
        self._reason = reason
        self._forget_queue()
        self.drop()
        self._go_on()

    def check(self, now: float) -> None:
        """Close it when it is silent or lasts too long."""
        if self._is_working or self._queue:
            self._heard_at = now  # it is us who are slow
        elif now - self._heard_at >= (IDLE_FILE_S if self._upload.is_file_open else IDLE_S):
            self.close("idle")
        if now - self._opened_at >= LINK_S:
            self.close("too_long")

    def _go_on(self) -> None:
        """Start what is to be done next, unless something is being done."""
        if self._is_working:
            return
        if self._reason is not None or (self._has_ended and not self._queue):
            self._is_working = True
            self.close("peer_closed")
            self.hub.loop.run_in_executor(self.hub.threads, self._upload.close).add_done_callback(self._noted)
        elif self._queue:
            self._is_working = True
            batch = list(self._queue)
            self._queue.clear()
            self.hub.loop.run_in_executor(self.hub.threads, self.work, batch).add_done_callback(self._worked)

    def _worked(self, done: asyncio.Future[bytes]) -> None:
        """A batch is through."""
        self._is_working = False
        self._account()
        error = done.exception()
        if error is not None:
            _log.error("attachments.link_failed", error=repr(error))
            self.close("failed")
            return
        answers = done.result()
        if answers and self._reason is None:
            self.transmit(answers)
        if self._upload.over is not None:
            self.close(self._upload.over)
        elif self.hub.pending_bytes > PENDING_BYTES_MAX and self._pending_bytes:
            self.close("memory")
        self.balance()
        self._go_on()

    def _account(self) -> None:
        """Bytes of the batch are worked through; those of an unfinished packet are still held."""
        left = sum(map(len, self._queue))
        self.hub.queued_bytes += left - self._queued_bytes
        self._queued_bytes = left
        pending = self._upload.pending
        self.hub.pending_bytes += pending - self._pending_bytes
        self._pending_bytes = pending

    def _forget_queue(self) -> None:
        self._queue.clear()

    def _noted(self, done: asyncio.Future[None]) -> None:
        """The files are noted."""
        error = done.exception()
        if error is not None:
            _log.error("attachments.link_failed", error=repr(error))
        self.hub.queued_bytes -= self._queued_bytes
        self.hub.pending_bytes -= self._pending_bytes
        self._queued_bytes = self._pending_bytes = 0
        self.hub.gone(self, self._reason or "?")


class TcpLink(Link, asyncio.Protocol):
    """A TCP connection."""

    KIND = "tcp"

    def __init__(self, hub: Hub, transport: asyncio.Transport, address: str) -> None:
        self._transport = transport
        self._is_paused = False
        self._linger: asyncio.TimerHandle | None = None
        super().__init__(hub, address)

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        self.received(data)

    def eof_received(self) -> bool:
        """The terminal sends no more; its last answers can still go out."""
        if self._reason is not None:
            return False
        self.ended()
        return True

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  the name is the interface
        """The connection is gone."""
        if self._linger is not None:
            self._linger.cancel()
        self.ended()

    def transmit(self, data: bytes) -> None:
        """Write answers; who reads none of them is closed."""
        self._transport.write(data)
        if self._transport.get_write_buffer_size() > UNREAD_BYTES_MAX:
            self.close("unread")

    def drop(self) -> None:
        """End our side, and wait a little for the other one: an answer is lost if bytes stand unread at the close."""
        if self._transport.is_closing():
            return
        loop = self.hub.loop
        self.balance()
        if self._has_ended or self._reason == "unread":
            loop.call_soon(self._transport.close)  # uvloop writes at the end of this round
        elif self._transport.can_write_eof():
            loop.call_soon(self._end_writing)
        self._linger = loop.call_later(LINGER_S, self._transport.abort)

    def _end_writing(self) -> None:
        if not self._transport.is_closing():
            self._transport.write_eof()

    def work(self, batch: list[bytes]) -> bytes:
        """See Link."""
        return self._upload.feed(batch[0] if len(batch) == 1 else b"".join(batch))

    def balance(self) -> None:
        """See Link."""
        if self._transport.is_closing():
            return
        wants_pause = self.is_over_full and self._reason is None
        if wants_pause and not self._is_paused:
            metrics.PAUSED.inc()
            self._transport.pause_reading()
        elif self._is_paused and not wants_pause:
            self._transport.resume_reading()
        self._is_paused = wants_pause


class TcpDoor(asyncio.Protocol):
    """Takes or refuses a new connection, then steps aside for a TcpLink."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A connection was accepted by the listener."""
        stream = cast("asyncio.Transport", transport)
        address = str((stream.get_extra_info("peername") or ("?", 0))[0])
        refusal = self._hub.refusal(address, is_udp=False)
        if refusal is not None:
            metrics.CLOSED.labels(refusal).inc()
            stream.abort()
            return
        stream.set_protocol(TcpLink(self._hub, stream, address))


class UdpLink(Link):
    """A terminal at one UDP address."""

    KIND = "udp"

    def __init__(self, hub: Hub, door: UdpDoor, where: Address) -> None:
        self._door = door
        self._where = where
        super().__init__(hub, where[0])

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

    def work(self, batch: list[bytes]) -> bytes:
        """See Link."""
        return b"".join(map(self._upload.datagram, batch))


class UdpDoor(asyncio.DatagramProtocol):
    """The UDP listener."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._links: dict[Address, UdpLink] = {}
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is bound."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """A datagram; what there is no room for is dropped, and comes again because it was not answered."""
        link = self._links.get(addr)
        if link is None:
            refusal = self._hub.refusal(addr[0], is_udp=True)
            if refusal is not None:
                metrics.DROPPED_DATAGRAMS.labels(refusal).inc()
                return
            link = self._links[addr] = UdpLink(self._hub, self, addr)
        if link.is_over_full:
            metrics.DROPPED_DATAGRAMS.labels("overload").inc()
            return
        link.received(data)

    def error_received(self, exc: Exception) -> None:  # noqa: ARG002  the name is the interface
        """An earlier answer could not be delivered; the terminal will ask again."""
        metrics.DROPPED_DATAGRAMS.labels("undeliverable").inc()

    def send(self, data: bytes, where: Address) -> None:
        """Send one datagram."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(data, where)

    def forget(self, where: Address) -> None:
        """A link is over."""
        self._links.pop(where, None)
