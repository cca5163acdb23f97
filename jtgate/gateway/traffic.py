"""Commands in flight: launched, repeated, answered, ended (JT/T 808 §10.3, §10.4); sans bus, which gets notes.

A command is held here only while its terminal is online. A message that nobody answers (0x8001, 0x8003, 0x8100,
0x8800 … by hand) is ANSWERED without a result as soon as it is out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import structlog

from jtgate.codecs.declare import Message
from jtgate.codecs.encryption import BLOCK_BYTES
from jtgate.codecs.errors import BodyError, EncodeError
from jtgate.codecs.jt808 import TerminalPartsRequest
from jtgate.codecs.registry import decode_body
from jtgate.codecs.timebase import now_ms
from jtgate.gateway import metrics
from jtgate.gateway.courier import Note
from jtgate.gateway.expected import (
    GENERAL,
    PARTS_REQUEST,
    RESULTS,
    SHOWN_BY,
    UNSOLICITED,
    Heard,
    answer_serial,
    is_last,
)
from jtgate.gateway.flights import (
    IN_FLIGHT_PER_TERMINAL,
    Ended,
    Flight,
    Outbox,
    match_general,
    match_specific,
    timeout_s,
)
from jtgate.gateway.outgoing import make_frames, serials_of
from jtgate.storage.commands import CommandChange, CommandState

if TYPE_CHECKING:
    from jtgate.gateway.hub import Hub
    from jtgate.gateway.link import Member

log = structlog.get_logger("gateway")

#: How long the message of its own is waited for after an 0x0001 that says it will come.
LATER_S: Final = 5.0
#: An acknowledged command ends so long before it expires, lest it counts as expired.
EXPIRY_MARGIN_S: Final = 0.25
#: Parts sent again for 0x0005 between two attempts, as a multiple of the parts there are.
PARTS_RESENT_FACTOR: Final = 4

#: An answer that was taken although it quotes a serial of nothing: only one command can have been meant (§10.4).
DEV_WRONG_SERIAL: Final = "session.answer_serial"

OFFLINE_TEXT: Final = "it went offline before it answered"
CUT_TEXT: Final = "the last of its answers did not come"


class Traffic:
    """See the module.

    Args:
        hub: sessions and settings.
        note: takes a change for the bus.
        ask: wants the commands of a terminal fetched from the bus.
    """

    def __init__(self, hub: Hub, note: Callable[[Note], None], ask: Callable[[str], None]) -> None:
        self._hub = hub
        self._tell = note
        self._ask = ask
        self._loop = asyncio.get_running_loop()
        self.outboxes: dict[str, Outbox] = {}
        self.held: dict[int, Flight] = {}
        self.bytes_held = 0
        self._ended = Ended()

    @property
    def in_flight(self) -> int:
        """Commands that are out, or about to be."""
        return sum(len(outbox.flying) for outbox in self.outboxes.values())

    def hold(self, flight: Flight, outbox: Outbox) -> None:
        """Take a command; it goes out when it is its turn."""
        self._ended.forget(flight.command_id)
        self.held[flight.command_id] = flight
        self.bytes_held += flight.bytes_held
        outbox.waiting.append(flight)
        self._pump(flight.terminal, outbox)

    def went_offline(self, terminal: str) -> None:
        """The session of a terminal is over; what was to be queued stays in the bus as it is."""
        outbox = self.outboxes.pop(terminal, None)
        if outbox is None:
            return
        for flight in outbox.all():
            self._let_go(flight)
            if flight.acknowledged is not None:
                self._note(flight, CommandState.ANSWERED)
            elif not flight.is_queued:
                is_out = flight.attempts > 0
                state = CommandState.NO_ANSWER if is_out else CommandState.OFFLINE
                self._note(flight, state, error=OFFLINE_TEXT if is_out else None)
            if flight.attempts:
                self._ended.add(flight)

    def expire(self, at_ms: int) -> None:
        """Let go of what has expired; the bus ends it by itself."""
        for flight in [flight for flight in self.held.values() if flight.expires_ms <= at_ms]:
            if flight.acknowledged is None:  # else its timer ends it
                self.drop(flight.command_id)

    def close(self) -> None:
        """Nothing is repeated any more."""
        for flight in self.held.values():
            flight.stop_timer()

    # Out.

    def _pump(self, terminal: str, outbox: Outbox) -> None:
        """Launch as many as may be in flight; ask the bus for more when all are through."""
        while outbox.waiting and len(outbox.flying) < IN_FLIGHT_PER_TERMINAL:
            flight = outbox.waiting.popleft()
            outbox.flying[flight.command_id] = flight
            if not self._launch(flight, outbox):
                del outbox.flying[flight.command_id]
        if not len(outbox) and self.outboxes.get(terminal) is outbox:
            del self.outboxes[terminal]
            if outbox.more:
                self._ask(terminal)

    def _launch(self, flight: Flight, outbox: Outbox) -> bool:
        """Mark it SENT with its bytes; it goes out when that is durable. False when it cannot be written."""
        member = self._hub.online(flight.terminal)
        if member is None:
            return False
        is_new = not flight.frames
        if is_new:
            lane, count = member.link.lane, serials_of(flight.body, flight.form)
            serial = lane.next_serial()
            others = [other for other in outbox.flying.values() if other is not flight]
            while clash := next((other for other in others if other.overlaps(serial, count)), None):
                others.remove(clash)  # it went out on an earlier link, which had serials of its own
                serial = lane.serial_out = (clash.serial + clash.serial_count) & 0xFFFF
                lane.next_serial()
            for _ in range(count - 1):
                lane.next_serial()
            try:
                frames = make_frames(flight.msg_id, flight.body, flight.encryption, flight.form, serial)
            except EncodeError as error:
                self._let_go(flight)
                self._note(flight, CommandState.IMPOSSIBLE, error=str(error))
                return False
            flight.frames, flight.serial, flight.serial_count, flight.body = frames, serial, count, b""
        flight.attempts += 1
        flight.parts_resent = 0
        change = CommandChange(
            flight.command_id,
            now_ms(),
            CommandState.SENT,
            edition=str(flight.form.layout),
            attempts=flight.attempts,
            serial=flight.serial,
            frames=flight.frames if is_new else None,  # a repetition is in the bus already
        )
        self._tell(Note(change, launch=flight))
        return True

    def transmit(self, flight: Flight) -> None:
        """Bytes out, unless something has happened while they were written to the bus."""
        member = self._hub.online(flight.terminal)
        if self.held.get(flight.command_id) is not flight or member is None:
            return
        if flight.expires_ms <= now_ms():
            self.drop(flight.command_id)
            return
        if not flight.sent_at:
            flight.sent_at = self._loop.time()
        metrics.COMMANDS_SENT.inc()
        self._write(member, b"".join(flight.frames))
        if flight.expected.nothing:
            self._end(flight, CommandState.ANSWERED)
        else:
            self._wait(flight, timeout_s(self._hub.settings.command_retry_seconds, flight.attempts))

    def _write(self, member: Member, data: bytes) -> None:
        try:
            member.link.lane.write(data)
        except (OSError, RuntimeError):
            self._hub.counters.unsent += 1  # the transport reports the loss by itself

    def _wait(self, flight: Flight, seconds: float) -> None:
        flight.stop_timer()
        flight.timer = self._loop.call_later(seconds, self._timed_out, flight)

    def _timed_out(self, flight: Flight) -> None:
        """Send it again, byte for byte, or give it up (§10.3)."""
        flight.timer = None
        outbox = self.outboxes.get(flight.terminal)
        if self.held.get(flight.command_id) is not flight or outbox is None:
            return
        if flight.begun is not None:
            msg_id = flight.begun.header.msg_id
            self._end(flight, CommandState.ANSWERED, answer_id=msg_id, heard=flight.begun, error=CUT_TEXT)
        elif flight.acknowledged is not None:
            self._end(flight, CommandState.ANSWERED)
        elif flight.attempts > self._hub.settings.command_retries:
            self._end(flight, CommandState.NO_ANSWER, error=f"no answer, sent {flight.attempts} times")
        elif flight.expires_ms > now_ms():
            metrics.COMMANDS_REPEATED.inc()
            self._launch(flight, outbox)

    # In.

    def heard(self, member: Member, heard: Heard) -> None:
        """A message that may answer a command."""
        terminal, msg_id = member.session.terminal, heard.header.msg_id
        outbox = self.outboxes.get(terminal)
        flying = list(outbox.flying.values()) if outbox is not None else []
        ended = self._ended.of(terminal)
        head: bytes | None = heard.body
        if heard.header.encryption and (flying or ended):
            head = self._hub.readings.key.peek(heard.header, heard.body[:BLOCK_BYTES])
        if head is None:
            self._unmatched("encrypted", msg_id)
        elif msg_id == PARTS_REQUEST:
            self._resend_parts(member, heard, head, flying)
        elif msg_id == GENERAL:
            self._general(heard, head, flying, ended)
        elif msg_id in SHOWN_BY.values():
            shown = next((f for f in flying if SHOWN_BY.get(f.msg_id) == msg_id and f.attempts), None)
            if shown is not None:
                self._end(shown, CommandState.ANSWERED, answer_id=msg_id)
        else:
            self._specific(heard, head, flying, ended)

    def _general(self, heard: Heard, head: bytes, flying: list[Flight], ended: list[Flight]) -> None:
        """0x0001 终端通用应答."""
        if len(head) < 5:
            self._unmatched("unreadable", GENERAL)
            return
        serial, answered, result = int.from_bytes(head[:2]), int.from_bytes(head[2:4]), head[4]
        flight, is_wrong = match_general(flying, answered, serial)
        if flight is None:
            self._late_general(heard, *match_general(ended, answered, serial), result)
            return
        if is_wrong:
            self._hub.counters.deviations[DEV_WRONG_SERIAL] += 1
        is_first, flight.acknowledged = flight.acknowledged is None, result
        if result:
            error = RESULTS.get(result, f"result {result}")
            self._end(flight, CommandState.REFUSED, result=result, answer_id=GENERAL, error=error)
        elif flight.expected.specific is None:
            self._end(flight, CommandState.ANSWERED, result=result, answer_id=GENERAL)
        elif is_first:
            patience_s = LATER_S
            if not flight.expected.general:
                settings = self._hub.settings
                patience_s = max(patience_s, timeout_s(settings.command_retry_seconds, flight.attempts))
            left_s = (flight.expires_ms - now_ms()) / 1000 - EXPIRY_MARGIN_S
            self._wait(flight, max(0.0, min(patience_s, left_s)))

    def _late_general(self, heard: Heard, flight: Flight | None, is_wrong: bool, result: int) -> None:
        """An 0x0001 to a command that is not in flight: its link was lost, it was given up, or it is a repetition."""
        if flight is None or is_wrong:
            self._unmatched("unknown", GENERAL)
        elif not flight.ended and not result and not flight.expected.general:
            pass  # its link was lost, its own answer is still to come: it is sent again
        elif not flight.ended:
            flight.acknowledged = result
            state = CommandState.REFUSED if result else CommandState.ANSWERED
            error = RESULTS.get(result, f"result {result}") if result else None
            self._note(flight, state, result=result, answer_id=GENERAL, error=error)
        elif flight.acknowledged is None and not flight.has_answer:
            flight.acknowledged = result
            self._note(flight, CommandState.ANSWERED, result=result, answer_id=GENERAL, heard=heard)
        else:
            self._unmatched("repeated", GENERAL)

    def _specific(self, heard: Heard, head: bytes, flying: list[Flight], ended: list[Flight]) -> None:
        """A message of its own."""
        msg_id = heard.header.msg_id
        profile = (flying or ended)[0].form.profile if flying or ended else None
        serial = None if profile is None else answer_serial(heard, head, profile)
        flight, is_wrong = match_specific(flying, msg_id, serial)
        if flight is not None:
            if is_wrong:
                self._hub.counters.deviations[DEV_WRONG_SERIAL] += 1
            if is_last(msg_id, head):
                flight.has_answer = True
                self._end(flight, CommandState.ANSWERED, answer_id=msg_id, heard=heard)
            else:
                flight.begun = heard
                self._wait(flight, timeout_s(self._hub.settings.command_retry_seconds, flight.attempts))
            return
        flight, is_wrong = match_specific(ended, msg_id, serial)
        if flight is not None and not is_wrong and is_last(msg_id, head):
            flight.has_answer = True
            self._note(flight, CommandState.ANSWERED, answer_id=msg_id, heard=heard)
        elif msg_id not in UNSOLICITED:
            self._unmatched("unknown", msg_id)

    def _resend_parts(self, member: Member, heard: Heard, head: bytes, flying: list[Flight]) -> None:
        """0x0005 终端补传分包请求: the listed parts once more, unchanged."""
        message: Message | None = None
        if len(head) >= len(heard.body) or not heard.header.encryption:
            try:
                found = decode_body(PARTS_REQUEST, head, heard.header.edition, [])
                message = found if isinstance(found, Message) else None
            except BodyError:
                message = None
        if not isinstance(message, TerminalPartsRequest):
            self._unmatched("unreadable", PARTS_REQUEST)
            return
        flight = next((f for f in flying if f.serial == message.first_serial and f.sent_at), None)
        if flight is None:
            self._unmatched("unknown", PARTS_REQUEST)
            return
        count = len(flight.frames)
        numbers = [number for number in dict.fromkeys(message.part_numbers) if 1 <= number <= count]
        if not numbers or flight.parts_resent + len(numbers) > count * PARTS_RESENT_FACTOR:
            self._unmatched("too_many_parts" if numbers else "no_such_part", PARTS_REQUEST)
            return
        flight.parts_resent += len(numbers)
        metrics.COMMAND_PARTS_RESENT.inc(len(numbers))
        self._write(member, b"".join(flight.frames[number - 1] for number in numbers))
        if flight.acknowledged is None and flight.timer is not None:
            self._wait(flight, timeout_s(self._hub.settings.command_retry_seconds, flight.attempts))

    def _unmatched(self, why: str, msg_id: int) -> None:
        """An answer that belongs to nothing, or to something else than it says."""
        metrics.COMMAND_ANSWERS_STRANGE.labels(why).inc()
        log.debug("command.strange_answer", why=why, msg_id=f"0x{msg_id:04x}")

    # Endings.

    def _end(
        self,
        flight: Flight,
        state: CommandState,
        *,
        result: int | None = None,
        answer_id: int | None = None,
        error: str | None = None,
        heard: Heard | None = None,
    ) -> None:
        """A command in flight is through, one way or the other."""
        if flight.sent_at and answer_id is not None:
            metrics.COMMAND_SECONDS.observe(self._loop.time() - flight.sent_at)
        self._let_go(flight)
        self._note(flight, state, result=result, answer_id=answer_id, error=error, heard=heard)
        self._ended.add(flight)
        self._next(flight)

    def drop(self, command_id: int) -> None:
        """It has ended in the bus: expired or cancelled."""
        flight = self.held.get(command_id)
        if flight is not None:
            self._let_go(flight)
            flight.ended = True
            self._ended.add(flight)
            self._next(flight)

    def _next(self, flight: Flight) -> None:
        """Another one may take its place."""
        outbox = self.outboxes.get(flight.terminal)
        if outbox is not None:
            if outbox.flying.pop(flight.command_id, None) is None and flight in outbox.waiting:
                outbox.waiting.remove(flight)
            self._pump(flight.terminal, outbox)

    def _let_go(self, flight: Flight) -> None:
        """It is not held any more."""
        flight.stop_timer()
        if self.held.pop(flight.command_id, None) is not None:
            self.bytes_held -= flight.bytes_held

    def _note(
        self,
        flight: Flight,
        state: CommandState,
        *,
        result: int | None = None,
        answer_id: int | None = None,
        error: str | None = None,
        heard: Heard | None = None,
    ) -> None:
        """Tell the bus how it ended, or what came of it later."""
        if result is None and flight.acknowledged is not None and not flight.ended:
            result = flight.acknowledged
            answer_id = GENERAL if answer_id is None else answer_id
        is_late, flight.ended = flight.ended, True
        change = CommandChange(flight.command_id, now_ms(), state, result=result, answer_id=answer_id, error=error)
        self._tell(Note(change, heard, flight.form.profile if heard is not None else None, is_late=is_late))
