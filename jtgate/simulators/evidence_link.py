"""Attachment links 附件链路 of simulated terminals: TCP connections, or UDP, opened as orders come and closed by us.

Every order has a task of its own while it lasts; only so many links are open at once, the others wait for their turn.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol, cast

from jtgate.codecs.errors import ProtocolError
from jtgate.codecs.framing import Frame, FrameReader
from jtgate.codecs.header import parse_header
from jtgate.simulators.dice import Dice
from jtgate.simulators.evidence import Order
from jtgate.simulators.evidence_upload import Drop, Received, Upload, Wait
from jtgate.simulators.ledger import EvidenceLedger
from jtgate.simulators.tally import Tally

#: Links open at once, of all terminals together.
LINKS_AT_ONCE_MAX = 1000
#: Links for one order; then it is given up.
LINKS_MAX = 12
#: Seconds between a drop and the next link, doubled each time up to the second.
BACKOFF_S = (0.5, 8.0)
CONNECT_TIMEOUT_S = 10.0
#: Nobody takes what is sent for so long: the link is dead.
STUCK_S = 30.0
_READ_BYTES = 1 << 16
#: Bytes that wait in a connection before sending pauses.
_HIGH_BYTES = 256 << 10
#: Datagrams sent without a pause, the pause, and datagrams received and not read yet.
_BURST = 16
_PAUSE_S = 0.002
_INBOX_MAX = 256


class _Wire(Protocol):
    async def send(self, data: bytes) -> None: ...
    async def receive(self) -> bytes: ...
    def close(self, *, at_once: bool) -> None: ...


class _Tcp:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        writer.transport.set_write_buffer_limits(high=_HIGH_BYTES)

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        async with asyncio.timeout(STUCK_S):
            await self._writer.drain()

    async def receive(self) -> bytes:
        return await self._reader.read(_READ_BYTES)

    def close(self, *, at_once: bool) -> None:
        if at_once:
            self._writer.transport.abort()
        else:
            self._writer.close()


class _Udp(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self._inbox: asyncio.Queue[bytes] = asyncio.Queue(_INBOX_MAX)
        self._sent = 0
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, _addr: object) -> None:
        with suppress(asyncio.QueueFull):  # as the network would
            self._inbox.put_nowait(data)

    def error_received(self, exc: Exception) -> None:
        """Nobody there: what is not answered is sent again."""

    async def send(self, data: bytes) -> None:
        if self.transport is not None:
            self.transport.sendto(data)
        self._sent += 1
        if self._sent % _BURST == 0:
            await asyncio.sleep(_PAUSE_S)

    async def receive(self) -> bytes:
        return await self._inbox.get()

    def close(self, *, at_once: bool) -> None:  # noqa: ARG002  a socket without a connection just closes
        if self.transport is not None:
            self.transport.close()


class Senders:
    """Everybody who hands over files now.

    Args:
        tally: counters of the fleet.
        ledger: where it is noted what was served, if anywhere.
        links_at_once: most links open at once.
    """

    def __init__(
        self, tally: Tally, ledger: EvidenceLedger | None = None, *, links_at_once: int = LINKS_AT_ONCE_MAX
    ) -> None:
        self._tally = tally
        self._ledger = ledger
        self._gate = asyncio.Semaphore(links_at_once)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def idle(self) -> bool:
        """Whether nobody hands over anything."""
        return not self._tasks

    def begin(self, order: Order, dice: Dice, done: Callable[[Order], None]) -> None:
        """Carry out an order.

        Args:
            order: bounded by the terminal, which gives only so many at once.
            dice: chances of the terminal.
            done: called when it is over.
        """
        task = asyncio.get_running_loop().create_task(self._serve(Upload(order, dice), done), name="evidence")
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def finished(self, wait_s: float) -> bool:
        """Wait until nobody hands over anything, at most so long; whether that is so."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=wait_s)
        return self.idle

    async def close(self) -> None:
        """End all of them at once."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.result()

    async def _serve(self, upload: Upload, done: Callable[[Order], None]) -> None:
        tally = self._tally
        if upload.fault is not None:
            tally.evidence_faults[upload.fault] += 1
        try:
            await asyncio.sleep(upload.delay_s)
            low, high = BACKOFF_S
            for number in range(LINKS_MAX):
                if number:
                    await asyncio.sleep(min(high, low * 2.0 ** (number - 1)))
                async with self._gate:
                    await self._link(upload)
                if upload.ending is not None:
                    break
            else:
                upload.give_up()
        finally:
            tally.evidence["bytes"] += upload.data_bytes
            tally.evidence["files"] += len(upload.finished)
            tally.evidence[upload.ending or "interrupted"] += 1
            if self._ledger is not None:
                self._ledger.add(upload)
            done(upload.order)

    async def _link(self, upload: Upload) -> None:
        """One link, from its opening to its end."""
        steps = upload.link()
        try:
            step = next(steps, None)
            if step is None:
                return
            wire = await self._open(upload)
        except (OSError, TimeoutError):
            self._tally.evidence["link_failed"] += 1
            steps.close()
            return
        self._tally.evidence["links"] += 1
        is_lost = True
        try:
            inbox = _Inbox(wire)
            answer: Received | None = None
            while step is not None:
                match step:
                    case Wait(timeout_s):
                        answer = await inbox.get(timeout_s)
                    case Drop():
                        return
                    case _:
                        await wire.send(step)
                        answer = None
                try:
                    step = steps.send(answer)
                except StopIteration:
                    step = None
            is_lost = upload.ending is None
        except (OSError, TimeoutError, EOFError):
            self._tally.evidence["link_lost"] += 1
        finally:
            steps.close()
            wire.close(at_once=is_lost)

    @staticmethod
    async def _open(upload: Upload) -> _Wire:
        order = upload.order
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            if upload.is_udp:
                loop = asyncio.get_running_loop()
                _, wire = await loop.create_datagram_endpoint(_Udp, remote_addr=(order.host, order.udp_port))
                return wire
            return _Tcp(*await asyncio.open_connection(order.host, order.tcp_port))


class _Inbox:
    """Messages of the server, one by one."""

    def __init__(self, wire: _Wire) -> None:
        self._wire = wire
        self._reader = FrameReader()
        self._ready: list[Received] = []

    async def get(self, timeout_s: float) -> Received | None:
        """The next one; None when none comes in time.

        Raises:
            EOFError: the server has hung up.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while not self._ready:
                    data = await self._wire.receive()
                    if not data:
                        raise EOFError
                    for event in self._reader.feed(data):
                        with suppress(ProtocolError):
                            if isinstance(event, Frame):
                                self._ready.append(Received(*parse_header(event.payload)))
        except TimeoutError:
            return None
        return self._ready.pop(0)
