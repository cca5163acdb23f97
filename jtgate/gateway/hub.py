"""What all links of a gateway share: the sessions by terminal, the limits, the sweep, the directory.

Newest connection wins: when a terminal goes online its older session is closed first, and the late close of
that older link finds a newer session in its place and leaves it alone. Session ids rise for ever (start time of
the gateway and a counter), so whoever holds two of them knows which is newer.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import structlog

from jtgate.codecs.parts import Abandoned, Missing, PartBuffer
from jtgate.codecs.timebase import now_ms, now_us
from jtgate.gateway import metrics, replies
from jtgate.gateway.committer import Committer
from jtgate.gateway.identity import Gatekeeper
from jtgate.gateway.link import Link, Member
from jtgate.gateway.readings import Readings
from jtgate.settings import Settings
from jtgate.storage.directory import KickRequest, LiveSession
from jtgate.storage.records import SessionEvent, pack_session

if TYPE_CHECKING:
    from jtgate.gateway.commands import Dispatcher

log = structlog.get_logger("gateway")

#: Links looked at in one go by the sweep, so that it never holds up the answers for more than a millisecond or two.
SWEEP_SLICE = 2_000

#: A difference between two looks at wall clock and monotonic clock that is no drift.
CLOCK_STEP_US = 2_000_000

#: Sessions described for the directory in one go, some 5 µs each.
PUBLISH_SLICE = 100

#: Milliseconds of the start time are shifted by so many bits: a million sessions a second, room until 2248.
_COUNTER_BITS = 20


class Hub:
    """See the module.

    Args:
        settings: of this gateway.
        gatekeeper: decides who may enter.
        readings: profiles of terminals and the key of the platform.
    """

    committer: Committer
    commands: Dispatcher | None = None  # while the gateway takes commands

    def __init__(self, settings: Settings, gatekeeper: Gatekeeper, readings: Readings) -> None:
        self.settings = settings
        self.gatekeeper = gatekeeper
        self.readings = readings
        self.counters = metrics.Counters()
        self.parts = PartBuffer(settings.parts_bytes_max)
        self.monotonic = time.monotonic
        self.links: set[Link] = set()
        self.draining = False
        self._refusing = False
        self._wall_ahead_us = now_us() - int(time.monotonic() * 1e6)
        self._online: dict[str, Member] = {}
        self._per_address: Tally[str] = Tally()
        self._forwarders = frozenset(settings.forwarders)
        self._session_ids = itertools.count(now_ms() << _COUNTER_BITS)
        self._gone: list[int] = []
        self._sweep_position: Iterator[Link] = iter(())

    # Identity and limits.

    def next_session_id(self) -> int:
        """A number greater than that of every session before."""
        return next(self._session_ids)

    def is_forwarder(self, address: str) -> bool:
        """Whether this address may carry many terminals on one link."""
        return address in self._forwarders

    def refusal(self, address: str) -> str | None:
        """Why a new connection from this address cannot be taken; None when it can."""
        if self.draining:
            return "shutting_down"
        if len(self.links) >= self.settings.connections_max:
            return "connections_max"
        if self._per_address[address] >= self.settings.connections_per_address_max:
            return "connections_per_address_max"
        return None

    # Life of links and sessions.

    def opened(self, link: Link) -> None:
        """A link exists."""
        self.links.add(link)
        self._per_address[link.address] += 1
        self.counters.opened[link.kind.name.lower()] += 1

    def closed(self, link: Link, reason: str) -> None:
        """A link is over."""
        self.links.discard(link)
        self._per_address[link.address] -= 1
        if not self._per_address[link.address]:
            del self._per_address[link.address]
        self.counters.closed[reason] += 1

    def went_online(self, member: Member) -> None:
        """A terminal was accepted on a link; an older session of it ends."""
        terminal = member.session.terminal
        older = self._online.get(terminal)
        self._online[terminal] = member
        if older is not None and older is not member:
            if self.commands is not None:
                self.commands.went_offline(terminal)
            older.link.release(older, "replaced")
        if self.commands is not None:
            self.commands.came_online(terminal)

    def went_offline(self, member: Member) -> None:
        """A session is over; nothing happens when a newer one has taken its place."""
        if self._online.get(member.session.terminal) is member:
            del self._online[member.session.terminal]
            if self.commands is not None:
                self.commands.went_offline(member.session.terminal)
        self._gone.append(member.session_id)

    def online(self, terminal: str) -> Member | None:
        """The session of a terminal, if it is online."""
        return self._online.get(terminal)

    @property
    def intake_stopped(self) -> bool:
        """Whether nothing may be read: the spool refuses, or the gateway is being shut down."""
        return self._refusing or self.draining

    def pause_all(self) -> None:
        """The spool refuses: take nothing that would have to be refused.

        Parts that were counted and not kept are forgotten, so that no message is called complete without them.
        """
        self._refusing = True
        self.parts.forget_open()
        for link in self.links:
            link.pause_reading()

    def resume_all(self) -> None:
        """Try again."""
        self._refusing = False
        for link in self.links:
            link.resume_reading()

    def soon(self, work: Callable[[], None]) -> None:
        """Do something after the other links had their turn."""
        asyncio.get_running_loop().call_soon(work)

    # Once a second.

    def tick(self) -> None:
        """Sweep the links, ask for missing sub-packages, carry the counts over."""
        self._ask_for_parts()
        self._follow_clock()
        self._sweep_position = iter(list(self.links))
        self._sweep_slice()
        if self.commands is not None:
            self.commands.tick()
        self.counters.flush()
        batch = self.committer.batch
        metrics.BYTES_IN.inc(batch.bytes_in)
        batch.bytes_in = 0
        metrics.CONNECTIONS.set(len(self.links))
        metrics.ONLINE.set(len(self._online))
        metrics.PENDING_BYTES.set(self.committer.pending_bytes)
        metrics.PARTS_BYTES.set(self.parts.bytes_held)

    def _follow_clock(self) -> None:
        """A wall clock that is set forward must not make every terminal look silent."""
        ahead_us = now_us() - int(self.monotonic() * 1e6)
        step_us = ahead_us - self._wall_ahead_us
        self._wall_ahead_us = ahead_us
        if abs(step_us) > CLOCK_STEP_US:
            self.counters.deviations["clock.stepped"] += 1
            log.warning("clock.stepped", seconds=step_us / 1e6)
            for link in self.links:
                link.shift(step_us)

    def _sweep_slice(self) -> None:
        now = now_us()
        for count, link in enumerate(self._sweep_position, 1):
            if not link.closed:
                link.sweep(now)
            if count >= SWEEP_SLICE:
                asyncio.get_running_loop().call_soon(self._sweep_slice)
                return

    def _ask_for_parts(self) -> None:
        """0x8003 补传分包请求 for messages whose parts have stopped coming (§8.2)."""
        for event in self.parts.due(self.monotonic()):
            if isinstance(event, Abandoned):
                self.counters.deviations[f"parts.abandoned_{event.reason}"] += 1
                continue
            member = self._online.get(event.terminal)
            if member is not None:
                self._send_missing(member, event)

    def _send_missing(self, member: Member, missing: Missing) -> None:
        self.counters.deviations["parts.asked_again"] += 1
        profile = self.readings.profile(member.session.terminal, member.link.listener)
        member.link.lane.write(replies.missing_parts(missing, member.link.lane.next_serial(), profile))

    # Directory: called from a task of the server, the calls into the directory on a thread.

    async def changes(self, part: int, parts: int) -> tuple[list[LiveSession], list[int]]:
        """One part of the sessions, as far as they changed, and ids of those that ended; in slices, between answers.

        Args:
            part: 0..parts-1, another one with each call.
            parts: calls in which every session has its turn.
        """
        changed: list[LiveSession] = []
        members = list(itertools.islice(self._online.values(), part, None, parts))
        for start in range(0, len(members), PUBLISH_SLICE):
            for member in members[start : start + PUBLISH_SLICE]:
                heard_us = max(member.link.lane.last_us, member.online_us)
                if heard_us > member.published_us and self._is_current(member):
                    member.published_us = heard_us
                    changed.append(live_session(member))
            await asyncio.sleep(0)
        gone, self._gone = self._gone, []
        ended = set(gone)
        return [session for session in changed if session.session_id not in ended], gone

    def unpublished(self, gone: list[int]) -> None:
        """The directory did not take the last changes: tell it everything again."""
        self._gone = gone + self._gone
        for member in self._online.values():
            member.published_us = 0

    def _is_current(self, member: Member) -> bool:
        return self._online.get(member.session.terminal) is member

    def kick(self, requests: Iterable[KickRequest]) -> list[tuple[int, str]]:
        """Close sessions that somebody wants closed; outcome by request id."""
        outcomes = []
        for request in requests:
            member = self._online.get(request.terminal)
            if member is not None:
                log.info("session.kicked", terminal=request.terminal, asked_by=request.asked_by)
                member.link.release(member, "kicked")
            outcomes.append((request.request_id, "closed" if member is not None else "not_online"))
        return outcomes

    def announce(self) -> None:
        """Put the start of this gateway into the spool: sessions of an earlier start are over."""
        record = pack_session(now_us(), self.next_session_id(), SessionEvent.GATEWAY_STARTED, {})
        self.committer.add_session_record(record)

    def close_all(self, reason: str) -> None:
        """Close every link."""
        for link in list(self.links):
            link.close(reason)


def live_session(member: Member) -> LiveSession:
    """A session in the form the directory publishes."""
    link, session = member.link, member.session
    link.refresh(member)
    return LiveSession(
        session_id=member.session_id,
        terminal=session.terminal,
        phone=session.phone,
        edition=str(session.edition),
        transport=link.kind.name.lower(),
        peer=link.peer,
        state=session.state.value,
        how=session.how,
        online_since_ms=member.online_us // 1000,
        last_received_ms=member.last_us // 1000,
        frames=member.frames,
        bad_frames=member.bad_frames,
        bytes_in=member.bytes_in,
        last_msg_id=member.last_msg_id,
    )
