"""Many terminals in one process: links, timers and the order of starting and stopping.

One object per terminal and one per link, no task per terminal: whatever is due is found in one heap of
times. Tasks exist only while a connection is being opened.
"""

import asyncio
import contextlib
import heapq
import ipaddress
import math
import resource
import signal
import socket
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import cast

import uvloop

from jtgate.codecs import timebase
from jtgate.codecs.edition import Edition
from jtgate.simulators.clock import RunClock
from jtgate.simulators.dice import Dice, Purpose
from jtgate.simulators.identity import identity_of
from jtgate.simulators.ledger import Ledger
from jtgate.simulators.roads import shipped_graph
from jtgate.simulators.rules import Rules
from jtgate.simulators.states import LinkOrder, State
from jtgate.simulators.tally import Tally
from jtgate.simulators.terminal import Terminal

#: Connections being opened at the same time.
OPENING_MAX = 256
OPEN_TIMEOUT_S = 10.0
#: Things that are due are done together, this close to each other, seconds.
GRAIN_S = 0.005
#: Terminals served in one turn of the event loop before sockets are looked at again.
TURN_MAX = 500
#: Connections from one source address when the platform is on the loopback: below the 28,000 ports an
#: address has, and below what platforms usually allow one address.
PER_ADDRESS_MAX = 8_000
#: A half-open connection is closed after so long, seconds; there are never more than this many.
HALF_OPEN_S = 30.0
HALF_OPEN_MAX = 1_000
#: A reconnect storm comes so often, seconds, or three times in a shorter run.
STORM_EVERY_S = 60.0
#: Bytes waiting in one connection above which the terminal counts as congested.
WRITE_HIGH_BYTES = 64 * 1024
#: Files besides the connections.
SPARE_FILES = 64
#: IP_BIND_ADDRESS_NO_PORT of Linux: the port is chosen when connecting, so that one may serve many destinations.
_BIND_ADDRESS_NO_PORT = 24


class FleetError(Exception):
    """The fleet cannot run as asked; the message says what to do."""


@dataclass(frozen=True, slots=True)
class FleetOptions:
    """What a run is to be.

    Args:
        host: address of the platform.
        port: TCP or UDP port.
        terminals: how many.
        rules: what they do.
        datagrams: UDP instead of TCP.
        ramp: connections begun per second.
        duration_s: length of the run; infinite without.
        speedup: simulated seconds per second.
        seed: decides everything that chance decides.
        phone_base: phone number of the first terminal; the others follow.
        edition: None for the mix.
        start_ms: device time at the start; None to end at the present time (with no end: to start there).
        ledger: file for what was acknowledged.
        drain_s: how long answers are waited for at the end.
    """

    host: str = "127.0.0.1"
    port: int = 6808
    terminals: int = 100
    rules: Rules = field(default_factory=Rules)
    datagrams: bool = False
    ramp: float = 200.0
    duration_s: float = math.inf
    speedup: float = 1.0
    seed: int = 1
    phone_base: int = 13_800_000_000
    edition: Edition | None = None
    start_ms: int | None = None
    ledger: Path | None = None
    drain_s: float = 5.0

    def device_start_ms(self) -> int:
        """Device time at the start: faster time must not run into the future when the end is known."""
        if self.start_ms is not None:
            return self.start_ms
        ahead_s = self.duration_s * (self.speedup - 1.0) if math.isfinite(self.duration_s) else 0.0
        return timebase.now_ms() - int(max(0.0, ahead_s) * 1000)


class Seat:
    """One terminal with its link and its place in the heap of times."""

    __slots__ = ("armed_at", "index", "link", "opening", "terminal")

    def __init__(self, index: int, terminal: Terminal) -> None:
        self.index = index
        self.terminal = terminal
        self.link: Link | None = None
        self.opening = False
        self.armed_at = math.inf


class Link:
    """One connection or UDP socket of one terminal; the two kinds differ in how bytes come and go."""

    __slots__ = ("_fleet", "_seat", "gone")

    def __init__(self, fleet: "Fleet", seat: Seat) -> None:
        self._fleet = fleet
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
        self._fleet.link_lost(self, self._seat, "reset" if exc is not None else "closed by platform")

    def pause_writing(self) -> None:
        """The platform does not read as fast as we write."""
        self._seat.terminal.congested = True

    def resume_writing(self) -> None:
        """It does again."""
        self._seat.terminal.congested = False
        self._fleet.serve(self._seat)


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
        self._fleet.received(self, self._seat, data)

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
        self._fleet.received(self, self._seat, data)

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


class Fleet:
    """A run of many terminals.

    Args:
        options: what it is to be.

    Raises:
        FleetError: the machine or the options do not allow it.
    """

    def __init__(self, options: FleetOptions) -> None:
        self.options = options
        self.tally = Tally()
        self.elapsed_s = 0.0
        self.interrupted = False
        self._seats: list[Seat] = []
        self._due: list[tuple[float, int]] = []
        self._waiting: deque[Seat] = deque()  # for a turn to open a connection
        self._opening: set[asyncio.Task[None]] = set()
        self._half_open: deque[tuple[float, Link]] = deque()
        self._timer: asyncio.TimerHandle | asyncio.Handle | None = None
        self._timer_at = math.inf
        self._stop = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._closed = False
        self._at_once = False
        self._storms = 0
        self._ledger = Ledger(options.ledger) if options.ledger is not None else None
        self._sources = _source_addresses(options)

    @property
    def online(self) -> int:
        """Terminals that are authenticated now."""
        return sum(seat.terminal.state is State.ONLINE for seat in self._seats)

    @property
    def in_flight(self) -> int:
        """Frames that wait for their answer."""
        return sum(seat.terminal.delivery.in_flight for seat in self._seats)

    def interrupt(self) -> None:
        """Stop: send nothing new, wait a little for answers, then end. A second call does not wait."""
        self._at_once = self.interrupted
        self.interrupted = True
        self._stop.set()

    async def run(self, progress: Callable[["Fleet"], None] | None = None, progress_s: float = 1.0) -> Tally:
        """Run to the end of the duration, or until `interrupt`.

        Args:
            progress: called every `progress_s`.
            progress_s: seconds.

        Returns:
            The counters.

        Raises:
            FleetError: too many connections for this machine.
        """
        _raise_file_limit(self.options.terminals)
        started_at = monotonic()
        self._build(started_at)
        self._arm_timer()
        try:
            await self._live(started_at, progress, progress_s)
            self._drain(flush=not self.interrupted)
            await self._wait_for_answers(progress, progress_s)
        finally:
            self.elapsed_s = monotonic() - started_at
            await self._close()
        return self.tally

    def _build(self, now: float) -> None:
        options = self.options
        clock = RunClock(now, options.device_start_ms(), options.speedup)
        graph = shipped_graph()
        for index in range(options.terminals):
            dice = Dice(options.seed, index)
            terminal = Terminal(
                identity_of(index, options.phone_base, options.edition, dice),
                options.rules,
                clock,
                self.tally,
                dice,
                graph,
                first_connect_s=index / options.ramp,
                ledger=self._ledger,
            )
            seat = Seat(index, terminal)
            self._seats.append(seat)
            self._arm(seat)

    async def _live(self, started_at: float, progress: Callable[["Fleet"], None] | None, progress_s: float) -> None:
        """The run itself: the timer does the work, this looks after the rest once in a while."""
        end_at = started_at + self.options.duration_s
        every_s = min(STORM_EVERY_S, self.options.duration_s / 4)
        storm_at = started_at + every_s
        while not self._stop.is_set() and (now := monotonic()) < end_at:
            if now >= storm_at:
                storm_at = now + every_s
                self._storm(now)
            self._housekeeping(now, progress)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), max(0.01, min(progress_s, end_at - now, storm_at - now)))

    def _housekeeping(self, now: float, progress: Callable[["Fleet"], None] | None) -> None:
        while self._half_open and self._half_open[0][0] <= now:
            self._half_open.popleft()[1].abort()
        if self._ledger is not None:
            self._ledger.flush()
        if progress is not None:
            progress(self)

    def _drain(self, *, flush: bool) -> None:
        now = monotonic()
        for seat in self._seats:
            seat.terminal.drain(now, flush=flush)
            self._arm(seat)
        self._arm_timer()

    async def _wait_for_answers(self, progress: Callable[["Fleet"], None] | None, progress_s: float) -> None:
        end_at = monotonic() + self.options.drain_s
        looked_at = 0.0
        while (now := monotonic()) < end_at and not self._at_once:
            if all(self._settled(seat) for seat in self._seats):
                return
            if now - looked_at >= progress_s:
                looked_at = now
                self._housekeeping(now, progress)
            await asyncio.sleep(0.05)

    def _settled(self, seat: Seat) -> bool:
        terminal = seat.terminal
        if not terminal.delivery.idle or seat.opening:
            return False
        return self.interrupted or terminal.quiet

    async def _close(self) -> None:
        """The end: count what is open, then close every link and file."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        for task in self._opening:
            task.cancel()
        await asyncio.gather(*self._opening, return_exceptions=True)
        for seat in self._seats:
            seat.terminal.finish()
            if seat.link is not None:
                seat.link.close()
                self.tally.disconnects["end of run"] += 1
        for _, link in self._half_open:
            link.abort()
        if self._ledger is not None:
            self._ledger.close()
        await asyncio.sleep(0)

    def summary(self) -> dict[str, object]:
        """The counters and what they mean, as one JSON object."""
        elapsed_s = max(self.elapsed_s, 1e-9)
        return {
            "ok": not self.failed,
            "interrupted": self.interrupted,
            "terminals": self.options.terminals,
            "elapsed_s": round(self.elapsed_s, 3),
            "sent_per_s": round(sum(self.tally.sent.values()) / elapsed_s, 1),
            "answered_per_s": round(sum(self.tally.answered.values()) / elapsed_s, 1),
            "ledger_lines": self._ledger.count if self._ledger is not None else None,
            **self.tally.as_json(),
        }

    @property
    def failed(self) -> bool:
        """Something was not answered or was lost."""
        return self.tally.failed(interrupted=self.interrupted)

    # Times.

    def _arm(self, seat: Seat) -> None:
        """Put the next deadline of a terminal into the heap, unless an earlier one is there."""
        deadline = seat.terminal.deadline
        if deadline < seat.armed_at:
            seat.armed_at = deadline
            heapq.heappush(self._due, (deadline, seat.index))
            if deadline < self._timer_at:
                self._arm_timer()

    def _arm_timer(self) -> None:
        if self._closed or not self._due:
            return
        at = math.ceil(self._due[0][0] / GRAIN_S) * GRAIN_S
        if self._timer is not None:
            if self._timer_at <= at:
                return
            self._timer.cancel()
        self._timer_at = at
        # Not call_at: uvloop counts its own time in whole milliseconds, too coarse for latencies.
        self._timer = self._loop.call_later(max(0.0, at - monotonic()), self._turn)

    def _turn(self) -> None:
        """Serve the terminals whose time has come."""
        self._timer = None
        self._timer_at = math.inf
        now = monotonic()
        served = 0
        while self._due and self._due[0][0] <= now and served < TURN_MAX:
            at, index = heapq.heappop(self._due)
            seat = self._seats[index]
            if at != seat.armed_at:
                continue  # an earlier deadline has come and gone since
            seat.armed_at = math.inf
            served += 1
            seat.terminal.tick(now)
            self.serve(seat)
        self._arm_timer()

    def serve(self, seat: Seat) -> None:
        """Write what a terminal has to say, do with its link what it wants, and note its next deadline."""
        now = monotonic()
        terminal = seat.terminal
        link = seat.link
        if link is not None and (pieces := terminal.output(now)):
            link.write(pieces)
            self.tally.bytes_out += sum(map(len, pieces))
        order = terminal.take_order()
        if order is not None:
            self._obey(seat, order, now)
        self._arm(seat)

    # Links.

    def _obey(self, seat: Seat, order: LinkOrder, now: float) -> None:
        if order is LinkOrder.OPEN:
            seat.opening = True
            self._waiting.append(seat)
            self._open_more()
            return
        link, seat.link = seat.link, None
        seat.terminal.congested = False
        if link is None:
            return
        if order is LinkOrder.CLOSE:
            link.close()
        elif order is LinkOrder.ABANDON and len(self._half_open) < HALF_OPEN_MAX:
            self._half_open.append((now + HALF_OPEN_S, link))
        else:
            link.abort()

    def _open_more(self) -> None:
        while self._waiting and len(self._opening) < OPENING_MAX and not self._closed:
            task = self._loop.create_task(self._open(self._waiting.popleft()), name="fleet-open")
            self._opening.add(task)
            task.add_done_callback(self._opened)

    def _opened(self, task: asyncio.Task[None]) -> None:
        self._opening.discard(task)
        if not task.cancelled():
            task.result()
        self._open_more()

    async def _open(self, seat: Seat) -> None:
        link = UdpLink(self, seat) if self.options.datagrams else TcpLink(self, seat)
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                await self._connect(seat, link)
        except (OSError, TimeoutError):
            seat.opening = False
            seat.terminal.connect_failed(monotonic())
        else:
            seat.opening = False
            if link.gone:  # accepted and closed at once
                seat.terminal.connect_failed(monotonic())
                self.serve(seat)
                return
            seat.link = link
            seat.terminal.connected(monotonic())
        self.serve(seat)

    async def _connect(self, seat: Seat, link: TcpLink | UdpLink) -> None:
        options = self.options
        target = (options.host, options.port)
        if self._sources is None:
            if isinstance(link, UdpLink):
                await self._loop.create_datagram_endpoint(lambda: link, remote_addr=target)
            else:
                await self._loop.create_connection(lambda: link, *target)
            return
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if options.datagrams else socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
            sock.bind((self._sources[seat.index // PER_ADDRESS_MAX], 0))
            await self._loop.sock_connect(sock, target)
            if isinstance(link, UdpLink):
                await self._loop.create_datagram_endpoint(lambda: link, sock=sock)
            else:
                await self._loop.create_connection(lambda: link, sock=sock)
        except BaseException:
            sock.close()
            raise

    def received(self, link: Link, seat: Seat, data: bytes) -> None:
        """Bytes for a terminal; those for a connection it has left behind go nowhere."""
        if seat.link is not link or self._closed:
            return
        seat.terminal.received(data, monotonic())
        self.serve(seat)

    def link_lost(self, link: Link, seat: Seat, reason: str) -> None:
        """A transport is gone; only the present link of a terminal matters to it."""
        if seat.link is not link or self._closed:
            return
        seat.link = None
        seat.terminal.congested = False
        seat.terminal.lost(monotonic(), reason)
        self.serve(seat)

    def _storm(self, now: float) -> None:
        """A share of all terminals drops out and comes back, all at the same moment."""
        share = self.options.rules.faults.storm
        self._storms += 1
        if not share:
            return
        for seat in self._seats:
            if Dice(self.options.seed, seat.index).roll(Purpose.STORM, self._storms) < share:
                seat.terminal.storm(now)
                self.serve(seat)


def run_fleet(options: FleetOptions, progress: Callable[[Fleet], None] | None = None, progress_s: float = 1.0) -> Fleet:
    """Run a fleet in an event loop of its own; SIGINT and SIGTERM end it in order.

    Args:
        options: what it is to be.
        progress: called every `progress_s`.
        progress_s: seconds.

    Returns:
        The fleet after its run, with its counters.

    Raises:
        FleetError: the machine or the options do not allow it.
    """

    async def live() -> Fleet:
        fleet = Fleet(options)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, fleet.interrupt)
        await fleet.run(progress, progress_s)
        return fleet

    return uvloop.run(live())


def _source_addresses(options: FleetOptions) -> list[str] | None:
    """Loopback addresses to connect from, when one is not enough and the platform is there too."""
    if options.terminals <= PER_ADDRESS_MAX:
        return None
    try:
        target = ipaddress.ip_address(options.host)
    except ValueError:
        return None
    if target.version != 4 or not target.is_loopback:
        return None
    return list(_loopback_addresses(math.ceil(options.terminals / PER_ADDRESS_MAX)))


def _loopback_addresses(count: int) -> Iterator[str]:
    first = int(ipaddress.ip_address("127.0.0.2"))
    for number in range(count):
        yield str(ipaddress.ip_address(first + number))


def _raise_file_limit(terminals: int) -> None:
    """Allow as many open files as there are terminals.

    Raises:
        FleetError: the hard limit is lower.
    """
    needed = terminals + HALF_OPEN_MAX + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        if hard != resource.RLIM_INFINITY and hard < terminals + SPARE_FILES:
            raise FleetError(
                f"{terminals} terminals need about {needed} open files, this machine allows {hard}; "
                "raise the limit (ulimit -Hn) or take fewer terminals"
            )
        allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
