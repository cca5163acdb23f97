"""Commands from the bus to terminals, and their answers back (design D10, JT/T 808 §10.3, §10.4).

    bus ─► found ─► waiting ─► SENT in the bus, durable ─► bytes out ─► answer, or T × (N+1) and again ─► bus

Everything here happens on the event loop and without waiting; the bus is called by rounds on one thread, see
`courier`. A command is held here only while its terminal is online: when the link is lost it stays in the bus, and is
fetched when the terminal is online again. After a crash it is the same. What does not fit into the limits stays in the
bus and is fetched later.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import structlog

from jtgate.codecs.encryption import PublicKey
from jtgate.codecs.timebase import now_ms
from jtgate.gateway import metrics
from jtgate.gateway.courier import TERMINALS_PER_ROUND, Courier, Errand, Note, Report
from jtgate.gateway.expected import Heard, expected
from jtgate.gateway.flights import HELD_PER_TERMINAL_MAX, OVERHEAD_BYTES, Flight, Outbox
from jtgate.gateway.outgoing import Prepared, form_of
from jtgate.gateway.traffic import OFFLINE_TEXT, Traffic
from jtgate.storage.commands import CommandBus, CommandChange, CommandState, CommandsUnavailable, Watch

if TYPE_CHECKING:
    from jtgate.gateway.hub import Hub
    from jtgate.gateway.link import Member

log = structlog.get_logger("gateway")

#: Commands held for all terminals together, and bytes of them; the others stay in the bus.
HELD_MAX: Final = 20_000
HELD_BYTES_MAX: Final = 64 << 20
#: Terminals that came online are asked for together, so that a storm of reconnects is not a storm of queries.
ASK_EVERY_S: Final = 0.02
#: After the bus has failed.
RETRY_S: Final = 1.0
#: Rounds to bring what is known to the bus at the end.
LAST_ROUNDS_MAX: Final = 20
#: Old history is looked for so often.
TRIM_EVERY_S: Final = 3600.0


class Dispatcher:
    """See the module.

    Args:
        hub: sessions and settings.
        bus: of the data folder; called on a thread of the dispatcher only, and closed by `stop`.
        key_of: 终端RSA公钥 of a terminal; called on that thread.
    """

    def __init__(self, hub: Hub, bus: CommandBus, key_of: Callable[[str], PublicKey | None]) -> None:
        self._hub = hub
        self._bus = bus
        self._loop = asyncio.get_running_loop()
        self._courier = Courier(bus, hub.readings, hub.online, key_of)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="commands")
        self._watch: Watch | None = None
        self.traffic = Traffic(hub, self._add_note, self.came_online)
        # For the next round.
        self._notes: list[Note] = []
        self._asked: dict[str, None] = {}
        self._asking: asyncio.TimerHandle | None = None
        self._ask = False
        self._rung = False
        self._expire = False
        self._trim = True
        self._trimmed_at = self._loop.time()
        # Terminals whose commands found no room.
        self._no_room: dict[str, None] = {}
        self._round: asyncio.Future[Report] | None = None
        self._scheduled = False
        self._retry: asyncio.TimerHandle | None = None
        self._failing = False
        self._stopped = False

    def start(self) -> None:
        """Be told of submissions from now on; what is there already is asked for when its terminal comes online."""
        self._watch = self._bus.watch(lambda: self._from_thread(self._ring))

    async def stop(self) -> None:
        """Bring what is known to the bus and close it; call when all links are closed."""
        self._stopped = True
        if self._watch is not None:
            self._watch.close()
        for timer in (self._retry, self._asking):
            if timer is not None:
                timer.cancel()
        self.traffic.close()
        for _ in range(LAST_ROUNDS_MAX):
            if self._round is not None:
                await asyncio.wait([self._round])
                await asyncio.sleep(0)  # its callback
            elif self._notes and not self._failing:
                self._begin()
            else:
                break
        self._thread.shutdown()
        self._bus.close()

    def _from_thread(self, call: Callable[[], None]) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call)

    # What the hub tells.

    def came_online(self, terminal: str) -> None:
        """A terminal was accepted: what waits for it in the bus is asked for soon, together with others."""
        self._asked[terminal] = None
        self._ask_soon()

    def went_offline(self, terminal: str) -> None:
        """The session of a terminal is over; what was to be queued stays in the bus as it is."""
        self._asked.pop(terminal, None)
        self._no_room.pop(terminal, None)
        self.traffic.went_offline(terminal)

    def heard(self, member: Member, heard: Heard) -> None:
        """A message that may answer a command."""
        self.traffic.heard(member, heard)

    def tick(self) -> None:
        """Once a second: what has expired, what finds room now, what is counted."""
        self.traffic.expire(now_ms())
        if self._has_room:
            for terminal in list(itertools.islice(self._no_room, TERMINALS_PER_ROUND)):
                del self._no_room[terminal]
                self._asked[terminal] = None
            self._ask_soon()
        if self._loop.time() - self._trimmed_at > TRIM_EVERY_S:
            self._trimmed_at = self._loop.time()
            self._trim = True
        self._expire = self._rung = True
        self._schedule()
        metrics.COMMANDS_HELD.set(len(self.traffic.held))
        metrics.COMMANDS_IN_FLIGHT.set(self.traffic.in_flight)

    # Rounds.

    def _add_note(self, note: Note) -> None:
        """A change for the bus; it goes with the next round."""
        self._notes.append(note)
        self._schedule()

    def _ring(self) -> None:
        self._rung = True
        self._schedule()

    def _ask_soon(self) -> None:
        if self._asked and self._asking is None and not self._stopped:
            self._asking = self._loop.call_later(ASK_EVERY_S, self._ask_now)

    def _ask_now(self) -> None:
        self._asking = None
        self._ask = True
        self._schedule()

    def _schedule(self) -> None:
        """Begin a round when the loop has done what is there, unless one is under way or the bus has just failed."""
        if self._round is None and not self._scheduled and self._retry is None and not self._stopped:
            self._scheduled = True
            self._loop.call_soon(self._begin_scheduled)

    def _begin_scheduled(self) -> None:
        self._scheduled = False
        if self._round is None and not self._stopped:
            self._begin()

    def _begin(self) -> None:
        errand = Errand(notes=self._notes, rung=self._rung, expire=self._expire, trim=self._trim, room=self._room)
        if self._ask and errand.room:
            errand.asked = list(itertools.islice(self._asked, TERMINALS_PER_ROUND))
            for terminal in errand.asked:
                del self._asked[terminal]
            self._ask = bool(self._asked)
        self._notes, self._rung, self._expire, self._trim = [], False, False, False
        self._round = self._loop.run_in_executor(self._thread, self._courier.run, errand)
        self._round.add_done_callback(lambda done: self._done(errand, done.result()))

    def _done(self, errand: Errand, report: Report) -> None:
        """Back on the loop: send what is in the bus now, take what was found, begin the next round."""
        self._round = None
        if report.written:
            self._written(errand.notes, report.had_ended)
        else:
            self._notes = errand.notes + self._notes
        if report.expired:
            metrics.COMMANDS.labels(CommandState.EXPIRED).inc(report.expired)
        self._rung = self._rung or report.rung
        self._expire = self._expire or report.expire
        self._trim = self._trim or report.trim
        if report.error is not None:
            self._failed(errand, report.error)
        elif self._failing:
            self._failing = False
            log.info("commands.bus_recovered")
        for command_id in report.cancelled:
            self.traffic.drop(command_id)
        self._take_all(report)
        if self._notes or self._rung or self._expire or self._trim or (self._ask and self._has_room):
            self._schedule()

    def _failed(self, errand: Errand, error: Exception) -> None:
        """The bus did not do everything: all that was asked of it is asked again after a while."""
        self._rung = self._rung or errand.rung
        self._asked = dict.fromkeys(errand.asked) | self._asked
        self._ask = bool(self._asked)
        if not self._failing:
            if isinstance(error, CommandsUnavailable):
                log.warning("commands.bus_failed", error=str(error))
            else:
                log.error("commands.bus_failed", exc_info=error)
        self._failing = True
        metrics.COMMAND_BUS_FAILURES.inc()
        if not self._stopped:
            self._retry = self._loop.call_later(RETRY_S, self._try_again)

    def _try_again(self) -> None:
        self._retry = None
        self._schedule()

    def _written(self, notes: Iterable[Note], had_ended: set[int]) -> None:
        """What is in the bus may go out."""
        for note in notes:
            command_id, state = note.change.command_id, note.change.state
            if note.launch is not None:
                if command_id in had_ended:
                    self.traffic.drop(command_id)
                else:
                    self.traffic.transmit(note.launch)
            elif command_id not in had_ended and not note.is_late:
                metrics.COMMANDS.labels(state).inc()

    # What was found in the bus.

    @property
    def _room(self) -> int:
        """How many further commands can be held."""
        return HELD_MAX - len(self.traffic.held) if self.traffic.bytes_held < HELD_BYTES_MAX else 0

    @property
    def _has_room(self) -> bool:
        return self._room > 0

    def _take_all(self, report: Report) -> None:
        """Older ones before those that have just been submitted."""
        ending = {note.change.command_id for note in self._notes if note.is_final}
        found = [
            report.found[command_id]
            for command_id in sorted(report.found)
            if command_id not in ending and command_id not in self.traffic.held
        ]
        for prepared in found:
            if not prepared.is_new:
                self._take(prepared)
        for terminal in report.more:
            outbox = self.traffic.outboxes.get(terminal)
            if outbox is not None:
                outbox.more = True
            elif terminal not in self._no_room and self._hub.online(terminal) is not None:
                self._asked[terminal] = None
                self._ask = True
        for prepared in found:
            if prepared.is_new:
                self._take(prepared)

    def _take(self, found: Prepared) -> None:
        """Hold a command, or say at once why not."""
        command, new = found.command, found.command.new
        member = self._hub.online(new.terminal)
        if new.expires_ms <= now_ms():
            self._expire = True
        elif member is None or (not found.is_new and not new.is_queued and self._is_too_late(found, member)):
            if not new.is_queued:
                is_out = command.state is CommandState.SENT
                state = CommandState.NO_ANSWER if is_out else CommandState.OFFLINE
                self._end_unheld(found, state, OFFLINE_TEXT if is_out else "")
        elif found.is_new and self._must_wait(new.terminal):
            pass  # it is fetched with the older ones
        elif found.form is None or found.form != form_of(member, self._hub.readings) or not self._has_room:
            self._later(new.terminal, no_room=not self._has_room)
        elif found.error:
            self._end_unheld(found, CommandState.IMPOSSIBLE, found.error)
        elif command.attempts > self._hub.settings.command_retries:
            self._end_unheld(found, CommandState.NO_ANSWER, f"no answer, sent {command.attempts} times")
        else:
            self._hold(found)

    def _is_too_late(self, found: Prepared, member: Member) -> bool:
        """Whether a command that was not to be queued is from before its terminal came online."""
        command = found.command
        return command.state is CommandState.SENT or command.created_ms < member.online_us // 1000

    def _must_wait(self, terminal: str) -> bool:
        """Whether older commands of a terminal are still in the bus."""
        outbox = self.traffic.outboxes.get(terminal)
        return terminal in self._asked or terminal in self._no_room or (outbox is not None and outbox.more)

    def _later(self, terminal: str, *, no_room: bool) -> None:
        """Leave the commands of a terminal in the bus for now."""
        outbox = self.traffic.outboxes.get(terminal)
        if outbox is not None:
            outbox.more = True
        elif no_room:
            metrics.COMMANDS_NO_ROOM.inc()
            self._no_room[terminal] = None
        else:
            self.came_online(terminal)

    def _hold(self, found: Prepared) -> None:
        command, new = found.command, found.command.new
        outbox = self.traffic.outboxes.get(new.terminal)
        if outbox is None:
            outbox = self.traffic.outboxes[new.terminal] = Outbox()
        if len(outbox) >= HELD_PER_TERMINAL_MAX:
            outbox.more = True
            return
        if found.form is None:
            raise AssertionError("a command without a form is not held")
        flight = Flight(
            command.command_id,
            new.terminal,
            new.msg_id,
            new.expires_ms,
            new.is_queued,
            found.form,
            expected(new.msg_id, found.form.profile),
            body=found.body,
            encryption=found.encryption,
            frames=found.frames,
            attempts=command.attempts,
        )
        if found.frames and command.serial is not None:
            flight.serial = command.serial
            flight.serial_count = 1 if found.form.profile.part_serials == "same" else len(found.frames)
        flight.bytes_held = OVERHEAD_BYTES + len(found.body) + sum(len(frame) for frame in found.frames)
        self.traffic.hold(flight, outbox)

    def _end_unheld(self, found: Prepared, state: CommandState, error: str) -> None:
        change = CommandChange(found.command.command_id, now_ms(), state, error=error)
        self._add_note(Note(change))
