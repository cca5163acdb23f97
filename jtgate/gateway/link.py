"""One connection of a terminal, whatever carries it: lane, session and limits put together.

A transport hands its bytes to `lane.receive` and provides `transmit`, `drop`, `pause_reading`, `resume_reading`.
The ritual is always the same: feed → judge what comes back → wake the committer. No task and no timer per connection: a
sweep looks at all links once a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jtgate.codecs import twins
from jtgate.codecs.errors import ChecksumError, FrameError, HeaderError
from jtgate.codecs.framing import DEV_BAD_CHECKSUM, Frame, despite_checksum
from jtgate.codecs.header import parse_header
from jtgate.codecs.timebase import now_us
from jtgate.gateway.session import Session, Verdict
from jtgate.storage.records import SessionEvent, Transport, pack_frames, pack_session

if TYPE_CHECKING:
    from jtgate.gateway.hub import Hub

lane = twins.load("lane")

#: Bytes a connection may send without a single good frame (scanners, other protocols).
GARBAGE_BYTES_MAX = 64 * 1024

#: Events judged for one link before the others get their turn: at some 20 µs each, 4 ms.
EVENTS_PER_TURN = 200

#: Sessions of different terminals on one forwarder link; beyond it further phones are refused.
FORWARDED_SESSIONS_MAX = 20_000


class Member:
    """A session on a link, with what the directory and the store want to know of it."""

    __slots__ = (
        "bad_frames",
        "bytes_in",
        "frames",
        "last_msg_id",
        "last_us",
        "link",
        "online_us",
        "published_us",
        "session",
        "session_id",
    )

    def __init__(self, link: Link, session: Session, session_id: int) -> None:
        self.link = link
        self.session = session
        self.session_id = session_id
        self.online_us = 0
        self.published_us = 0
        self.frames = 0
        self.bad_frames = 0
        self.bytes_in = 0
        self.last_us = now_us()
        self.last_msg_id = 0


class Link:
    """Base of all transports.

    Args:
        hub: the gateway's shared parts.
        transport: which kind.
        peer: address and port of the other side, for people.
        address: address alone, for limits and for the list of forwarders.
    """

    __slots__ = (
        "_bad_run",
        "_forwarded",
        "_frames_at_bad",
        "_member",
        "address",
        "closed",
        "forgiven",
        "hub",
        "kind",
        "lane",
        "listener",
        "opened_us",
        "peer",
        "stalled_us",
    )

    def __init__(self, hub: Hub, transport: Transport, peer: str, address: str) -> None:
        self.hub = hub
        self.kind = transport
        self.listener = transport.name.lower()
        self.peer = peer
        self.address = address
        self.lane: Any = lane.Lane(self, hub.committer.batch, self.transmit, hub.settings.frame_bytes_max)
        self.opened_us = now_us()
        self.stalled_us = 0  # since when the terminal does not read our answers
        self.closed = False
        self.forgiven = 0  # frames taken in spite of their check byte
        self._bad_run = 0
        self._frames_at_bad = 0
        self._member: Member | None = None
        self._forwarded: dict[str, Member] | None = {} if hub.is_forwarder(address) else None
        hub.opened(self)

    # What a transport provides.

    def transmit(self, data: bytes) -> None:
        """Write bytes to the terminal; not called after `close`."""
        raise NotImplementedError

    def drop(self) -> None:
        """Close the transport after what was written has gone out."""
        raise NotImplementedError

    def pause_reading(self) -> bool:
        """Take no more bytes from the terminal; False when this transport cannot, or has paused already."""
        return False

    def resume_reading(self) -> None:
        """Take bytes again."""

    # What the hub asks.

    @property
    def members(self) -> list[Member]:
        """Sessions on this link."""
        if self._forwarded is not None:
            return list(self._forwarded.values())
        return [self._member] if self._member is not None else []

    @property
    def is_online(self) -> bool:
        """Whether any terminal on this link was accepted."""
        if self._forwarded is None:
            return self._member is not None and self._member.session.is_online
        return any(member.session.is_online for member in self._forwarded.values())

    def refresh(self, member: Member) -> None:
        """Bring the counts of a member up to date from the lane, which keeps them while frames are plain."""
        if self._forwarded is None:
            member.frames = self.lane.frames
            member.bad_frames = self.lane.bad_frames
            member.bytes_in = self.lane.bytes_in
            member.last_us = self.lane.last_us
            member.last_msg_id = self.lane.last_msg_id

    def on_event(self, event: Frame | FrameError | None, now: int) -> None:
        """What the lane does not take of a read, one event after the other.

        A link that brings nothing but such events pauses now and then, where it can, for the others' sake.
        """
        batch = self.hub.committer.batch
        turn = 0
        while event is not None and not self.closed:
            turn += 1
            if isinstance(event, Frame):
                self._judge(event.payload, now)
            elif not self._forgives(event, now):
                self._bad(event.code)
            if turn >= EVENTS_PER_TURN and self.pause_reading():
                self.hub.soon(self._go_on)
                return
            event = self.lane.feed(b"", batch, now)

    def _forgives(self, error: FrameError, now: int) -> bool:
        """Judge a frame in spite of its check byte, where the profile of its terminal says so (§11 item 9)."""
        readings = self.hub.readings
        if not readings.forgives_checksums or not isinstance(error, ChecksumError):
            return False
        frame = despite_checksum(error)
        try:
            header, _ = parse_header(frame.payload, readings.header_edition(self.listener))
        except HeaderError:
            return False
        if readings.profile(header.terminal, self.listener).bad_checksum != "accept":
            return False
        self.hub.counters.deviations[DEV_BAD_CHECKSUM] += 1
        self.forgiven += 1
        self._judge(frame.payload, now)
        return True

    def _go_on(self) -> None:
        """The next turn of a link that had many events."""
        if self.closed:
            return
        self.resume_reading()
        self.lane.receive(b"")

    def press(self) -> None:
        """Too much waits for the commit: stop reading until it is through."""
        self.hub.counters.paused_by_pending += 1
        if self.pause_reading():
            self.hub.committer.when_committed(self.resume_reading)

    def close(self, reason: str) -> None:
        """End the link: the sessions on it are over, the transport is closed. Harmless when repeated."""
        if self.closed:
            return
        self.closed = True
        for member in self.members:
            if member.session.is_online:
                self._report_closed(member, reason)
            member.session.close()
        self.lane.close()
        self.hub.closed(self, reason)
        self.drop()

    def release(self, member: Member, reason: str) -> None:
        """End one session: the link with it, unless it is a forwarder's, which goes on with its other terminals."""
        if self._forwarded is None:
            self.close(reason)
            return
        if member.session.is_online:
            self._report_closed(member, reason)
        member.session.close()
        self._forwarded = {key: other for key, other in self._forwarded.items() if other is not member}

    # How frames are judged.

    def _judge(self, payload: bytes, now: int) -> None:
        """A frame the lane did not take."""
        member = self._member_for(payload)
        if member is None:
            return
        verdict = member.session.receive(payload, self.hub.monotonic())
        for name in verdict.deviations:
            self.hub.counters.deviations[name] += 1
        if self._forwarded is not None:
            member.frames += 1
            member.bytes_in += len(payload)
            member.last_us = now
        member.last_msg_id = self.lane.last_msg_id = int.from_bytes(payload[:2])
        if verdict.went_online and not self._go_online(member, now):
            return
        self._carry_out(member, verdict, payload, now)
        if verdict.heard is not None and self.hub.commands is not None:
            self.hub.commands.heard(member, verdict.heard)
        if verdict.went_offline:
            self._report_closed(member, "unregistered")
            self.lane.shut()
            self.opened_us = now  # it may register again, and has the usual time for it
        elif self._forwarded is None and member.session.is_online:
            self._open_lane(member)

    def _member_for(self, payload: bytes) -> Member | None:
        """The session a frame belongs to; on a forwarder link there is one for each phone."""
        if self._forwarded is None:
            if self._member is None:
                self._member = self._new_member()
            return self._member
        try:
            terminal = parse_header(payload, self.hub.readings.header_edition(self.listener))[0].terminal
        except HeaderError:
            self._bad("header")
            return None
        member = self._forwarded.get(terminal)
        if member is None:
            if len(self._forwarded) >= FORWARDED_SESSIONS_MAX:
                self.hub.counters.deviations["limit.forwarded_sessions"] += 1
                return None
            member = self._forwarded[terminal] = self._new_member()
        return member

    def _new_member(self) -> Member:
        hub = self.hub
        session = Session(
            hub.gatekeeper,
            hub.parts,
            self.lane.next_serial,
            hub.settings.unknown_result,
            hub.readings,
            self.listener,
        )
        return Member(self, session, hub.next_session_id())

    def _carry_out(self, member: Member, verdict: Verdict, payload: bytes, now: int) -> None:
        """Store, then answer; an answer to a frame that is not stored goes out at once."""
        committer = self.hub.committer
        if verdict.store:
            committer.batch.add_record(pack_frames(now, member.session_id, self.kind, [payload]), 1)
            for answer in verdict.answers:
                committer.batch.add_answer(self.lane, answer)
        else:
            for answer in verdict.answers:
                self.lane.write(answer)

    def _go_online(self, member: Member, now: int) -> bool:
        """The terminal was accepted: newest connection wins, and the store learns of it first."""
        session = member.session
        if member.online_us:  # it unregistered and came back on the same link: a session of its own
            member.session_id = self.hub.next_session_id()
        member.online_us = now
        self.hub.went_online(member)
        self.hub.committer.add_session_record(
            pack_session(
                now,
                member.session_id,
                SessionEvent.ONLINE,
                {
                    "phone": session.phone,
                    "edition": str(session.edition),
                    "peer": self.peer,
                    "transport": self.kind.name.lower(),
                    "how": session.how,
                },
            )
        )
        return not self.closed

    def _open_lane(self, member: Member) -> None:
        """Let plain reports of this terminal take the fast lane, in the header form it uses now."""
        session = member.session
        raw_phone = bytes.fromhex(session.phone)
        self.lane.open(raw_phone, session.protocol_version, member.session_id, int(self.kind))

    def _report_closed(self, member: Member, reason: str) -> None:
        """Tell store and directory that a session is over; a later session of the terminal is not touched."""
        self.refresh(member)
        self.hub.went_offline(member)
        self.hub.committer.add_session_record(
            pack_session(
                now_us(),
                member.session_id,
                SessionEvent.CLOSED,
                {
                    "phone": member.session.phone,
                    "reason": reason,
                    "frames": member.frames,
                    "bad_frames": member.bad_frames,
                    "bytes_in": member.bytes_in,
                    "last_received_us": member.last_us,
                },
            )
        )

    def _bad(self, code: str) -> None:
        """A bad frame costs that frame, never the connection, until a counted limit is passed."""
        counters = self.hub.counters
        counters.rejected[code] += 1
        if self.lane.frames != self._frames_at_bad:
            self._frames_at_bad = self.lane.frames
            self._bad_run = 0
        self._bad_run += 1
        if self._bad_run > self.hub.settings.bad_frames_max:
            self.close("bad_frames")
        elif self._sends_garbage:
            self.close("garbage")

    @property
    def _sends_garbage(self) -> bool:
        """Whether there was much and no frame in it."""
        return bool(self.lane.frames == 0 and self.lane.bytes_in > GARBAGE_BYTES_MAX)

    def sweep(self, now: int) -> None:
        """Once a second: close what is silent, unidentified or does not read."""
        settings = self.hub.settings
        idle_us, auth_us = settings.idle_seconds * 1e6, settings.auth_seconds * 1e6
        if self.stalled_us and now - self.stalled_us > idle_us:
            self.close("not_reading")
        elif self._forwarded is not None:
            self._sweep_forwarded(now, idle_us, auth_us)
        elif self.is_online:
            if now - self.lane.last_us > idle_us:
                self.close("idle")
        elif self._sends_garbage:  # without a flag it is one bad stretch, however long: `_bad` hears of it only once
            self.close("garbage")
        elif now - self.opened_us > auth_us:
            self.close("not_identified")

    def _sweep_forwarded(self, now: int, idle_us: float, auth_us: float) -> None:
        """The terminals of a forwarder come and go; the link ends when all of it is silent."""
        if now - max(self.lane.last_us, self.opened_us) > idle_us:
            self.close("idle")
            return
        for member in self.members:
            if now - member.last_us > (idle_us if member.session.is_online else auth_us):
                self.release(member, "idle")

    def shift(self, step_us: int) -> None:
        """The wall clock was set: move what is compared with it along."""
        self.opened_us += step_us
        self.lane.last_us += step_us
        if self.stalled_us:
            self.stalled_us += step_us
        for member in self.members:
            member.last_us += step_us
