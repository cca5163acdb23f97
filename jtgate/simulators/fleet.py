"""Many terminals in one process: links, timers and the order of starting and stopping.

One object per terminal and one per link, no task per terminal: whatever is due is found in one heap of
times. Tasks exist only while a connection is being opened.
"""

import asyncio
import contextlib
import heapq
import math
import resource
import signal
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import uvloop

from jtgate.codecs import timebase
from jtgate.codecs.edition import Edition
from jtgate.simulators.clock import RunClock
from jtgate.simulators.dice import Dice, Purpose
from jtgate.simulators.evidence_link import Senders
from jtgate.simulators.identity import identity_of
from jtgate.simulators.ledger import CommandsLedger, EvidenceLedger, Ledger
from jtgate.simulators.links import Carrier, Link, Seat, SocketCarrier
from jtgate.simulators.mqtt_links import MqttCarrier
from jtgate.simulators.mqtt_options import MqttOptions
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
#: A half-open connection is closed after so long, seconds; there are never more than this many.
HALF_OPEN_S = 30.0
HALF_OPEN_MAX = 1_000
#: A reconnect storm comes so often, seconds, or three times in a shorter run.
STORM_EVERY_S = 60.0
#: Files besides the connections.
SPARE_FILES = 64


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
        mqtt: a broker instead of both; host and port mean nothing then.
        ramp: connections begun per second.
        duration_s: length of the run; infinite without.
        speedup: simulated seconds per second.
        seed: decides everything that chance decides.
        phone_base: phone number of the first terminal; the others follow.
        edition: None for the mix.
        start_ms: device time at the start; None to end at the present time (with no end: to start there).
        ledger: file for what was acknowledged.
        commands_ledger: file for commands that were executed.
        evidence_ledger: file for evidence files that were served.
        drain_s: how long answers are waited for at the end.
    """

    host: str = "127.0.0.1"
    port: int = 6808
    terminals: int = 100
    rules: Rules = field(default_factory=Rules)
    datagrams: bool = False
    mqtt: MqttOptions | None = None
    ramp: float = 200.0
    duration_s: float = math.inf
    speedup: float = 1.0
    seed: int = 1
    phone_base: int = 13_800_000_000
    edition: Edition | None = None
    start_ms: int | None = None
    ledger: Path | None = None
    commands_ledger: Path | None = None
    evidence_ledger: Path | None = None
    drain_s: float = 5.0

    def device_start_ms(self) -> int:
        """Device time at the start: faster time must not run into the future when the end is known."""
        if self.start_ms is not None:
            return self.start_ms
        ahead_s = self.duration_s * (self.speedup - 1.0) if math.isfinite(self.duration_s) else 0.0
        return timebase.now_ms() - int(max(0.0, ahead_s) * 1000)


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
        commands_path = options.commands_ledger
        self._commands_ledger = CommandsLedger(commands_path) if commands_path is not None else None
        evidence_path = options.evidence_ledger
        self._evidence_ledger = EvidenceLedger(evidence_path) if evidence_path is not None else None
        self._senders = Senders(self.tally, self._evidence_ledger)
        self._carrier = self._choose_carrier()

    def _choose_carrier(self) -> Carrier:
        options = self.options
        if options.mqtt is not None:
            return MqttCarrier(options.mqtt, self.tally)
        return SocketCarrier(options.host, options.port, options.terminals, datagrams=options.datagrams)

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
        _raise_file_limit(self._carrier.files)
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
                commands_ledger=self._commands_ledger,
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
            if self._senders.idle and all(self._settled(seat) for seat in self._seats):
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
        await self._senders.close()
        for seat in self._seats:
            seat.terminal.finish()
            if seat.link is not None:
                seat.link.close()
                self.tally.disconnects["end of run"] += 1
        for _, link in self._half_open:
            link.abort()
        if self._ledger is not None:
            self._ledger.close()
        if self._commands_ledger is not None:
            self._commands_ledger.close()
        if self._evidence_ledger is not None:
            self._evidence_ledger.close()
        await self._carrier.close()
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
        if terminal.evidence is not None:
            for evidence_order in terminal.evidence.take():
                self._senders.begin(evidence_order, terminal.dice, terminal.evidence.done)
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
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                link = await self._carrier.open(self, seat)
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


def _raise_file_limit(connections: int) -> None:
    """Allow as many open files as there are connections.

    Raises:
        FleetError: the hard limit is lower.
    """
    needed = connections + HALF_OPEN_MAX + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        if hard != resource.RLIM_INFINITY and hard < connections + SPARE_FILES:
            raise FleetError(
                f"{connections} connections need about {needed} open files, this machine allows {hard}; "
                "raise the limit (ulimit -Hn) or take fewer terminals"
            )
        allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
