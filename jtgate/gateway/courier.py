"""Between the gateway and the command bus: rounds of bus calls on a thread of their own.

    round:  changes, in one transaction ─► what expired ─► what was submitted ─► what waits for new sessions

One round is under way at a time, and whatever is to be done meanwhile goes with the next one: many commands share a
transaction under load, and a single one does not wait.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import structlog

from jtgate.codecs.describe import open_whole
from jtgate.codecs.encryption import PublicKey
from jtgate.codecs.profile import Profile
from jtgate.codecs.timebase import now_ms
from jtgate.gateway.expected import Heard
from jtgate.gateway.flights import HELD_PER_TERMINAL_MAX, Flight
from jtgate.gateway.link import Member
from jtgate.gateway.outgoing import Prepared, form_of, prepare
from jtgate.gateway.readings import Readings
from jtgate.storage.commands import Command, CommandBus, CommandChange

log = structlog.get_logger("gateway")

#: Commands fetched in one round, submitted ones and waiting ones each: some 3 ms of the event loop together.
COMMANDS_PER_ROUND: Final = 100
#: Terminals asked for in one round.
TERMINALS_PER_ROUND: Final = 500
#: Rows ended or deleted in one round.
ROWS_PER_ROUND: Final = 1000
#: How long finished commands are kept.
HISTORY_MS: Final = 190 * 86_400_000


@dataclass(slots=True)
class Note:
    """A change for the bus.

    Args:
        change: without the answer.
        heard: the answer, to be decoded on the thread.
        profile: of the terminal, for that.
        launch: goes out when the change is in the bus.
        is_late: the command had ended before.
    """

    change: CommandChange
    heard: Heard | None = None
    profile: Profile | None = None
    launch: Flight | None = None
    is_late: bool = False

    @property
    def is_final(self) -> bool:
        """Whether the command ends with it."""
        return not self.change.state.is_open


@dataclass(slots=True)
class Errand:
    """What one round has to do.

    Args:
        notes: changes, in order.
        asked: terminals whose waiting commands are wanted.
        rung: something may have been submitted.
        room: commands that can be held.
        expire: look for expired ones.
        trim: look for old history.
    """

    notes: list[Note] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    rung: bool = False
    room: int = 0
    expire: bool = False
    trim: bool = False


@dataclass(slots=True)
class Report:
    """What came of a round.

    Args:
        written: the changes are in the bus.
        had_ended: ids of changes that came too late.
        found: commands to be sent, by id; those there was no room for have no form.
        cancelled: ids.
        more: terminals with further commands in the bus.
        rung: there are more arrivals.
        expired: how many ended by expiry; None when it was not looked for.
        expire: there is more to expire.
        trim: there is more to delete.
        error: why the round was not finished.
    """

    written: bool = False
    had_ended: set[int] = field(default_factory=set)
    found: dict[int, Prepared] = field(default_factory=dict)
    cancelled: list[int] = field(default_factory=list)
    more: list[str] = field(default_factory=list)
    rung: bool = False
    expired: int | None = None
    expire: bool = False
    trim: bool = False
    error: Exception | None = None


class Courier:
    """Runs rounds; everything here happens on the thread of the bus.

    Args:
        bus: of the data folder.
        readings: profiles of terminals and the key of the platform.
        online: the session of a terminal; called from this thread, so what it says is checked again on the loop.
        key_of: 终端RSA公钥 of a terminal.
    """

    def __init__(
        self,
        bus: CommandBus,
        readings: Readings,
        online: Callable[[str], Member | None],
        key_of: Callable[[str], PublicKey | None],
    ) -> None:
        self._bus = bus
        self._readings = readings
        self._online = online
        self._key_of = key_of

    def run(self, errand: Errand) -> Report:
        """One round; it never raises, what failed is in the report."""
        report = Report()
        try:
            if errand.notes:
                report.had_ended = self._bus.change([self._change(note) for note in errand.notes])
            report.written = True
            if errand.expire:
                report.expired = self._bus.expire(now_ms(), ROWS_PER_ROUND)
                report.expire = report.expired >= ROWS_PER_ROUND
            if errand.trim:
                report.trim = self._bus.trim(now_ms() - HISTORY_MS, ROWS_PER_ROUND) >= ROWS_PER_ROUND
            if errand.rung:
                self._arrivals(errand, report)
            if errand.asked:
                self._waiting(errand, report)
        except Exception as error:  # noqa: BLE001  told on the loop, which logs it and tries again
            report.error = error
        return report

    def _arrivals(self, errand: Errand, report: Report) -> None:
        """What was submitted or cancelled."""
        arrived = self._bus.arrivals(COMMANDS_PER_ROUND)
        report.rung = bool(arrived)  # there may be more, and those that have ended since are not told
        for command in arrived:
            if command.state.is_open:
                self._prepare(command, errand, report, is_new=True)
            else:
                report.cancelled.append(command.command_id)

    def _waiting(self, errand: Errand, report: Report) -> None:
        """What waits for terminals that came online; those beyond the limit are asked for again."""
        rows = self._bus.open_of(errand.asked, COMMANDS_PER_ROUND)
        taken: dict[str, int] = {}
        more: dict[str, None] = {}
        if len(rows) >= COMMANDS_PER_ROUND:  # of some there is more, of others nothing was told
            more = dict.fromkeys(errand.asked)
        for command in rows:
            terminal = command.new.terminal
            taken[terminal] = taken.get(terminal, 0) + 1
            if taken[terminal] > HELD_PER_TERMINAL_MAX:
                more[terminal] = None
            else:
                self._prepare(command, errand, report, is_new=False)
        report.more = list(more)

    def _prepare(self, command: Command, errand: Errand, report: Report, *, is_new: bool) -> None:
        """Write the body, as long as there is room for it."""
        if command.command_id in report.found:
            return
        member = self._online(command.new.terminal)
        if member is None or len(report.found) >= errand.room:
            report.found[command.command_id] = Prepared(command, is_new=is_new)
        else:
            form = form_of(member, self._readings)
            report.found[command.command_id] = prepare(command, form, self._key_of, is_new=is_new)

    def _change(self, note: Note) -> CommandChange:
        """The change, with the fields of the answer."""
        if note.heard is None or note.profile is None:
            return note.change
        header, body = note.heard
        try:
            described = open_whole(header, body, profile=note.profile, opener=self._readings.key.open)
        except Exception as caught:  # noqa: BLE001  a bug; without this no command would be answered again
            kind = type(caught).__name__
            log.warning("command.answer_not_read", command=note.change.command_id, error=kind)
            return note.change._replace(answer={"raw": body.hex()}, error=f"the answer cannot be read ({kind})")
        fields = described.json["body"]
        error = note.change.error
        if described.error is not None:
            error = f"the answer cannot be read: {described.error.message}"
        elif described.encrypted:
            error = "the answer cannot be decrypted"
        return note.change._replace(answer=fields if isinstance(fields, Mapping) else {}, error=error)
