"""Evidence is asked for by itself: alarms that announce files → 0x9208 报警附件上传指令 through the command bus.

    alarm events ─► wanted? ─► desk: ask ─► due ─► 0x9208 ─► 60 s, 5 min, 30 min ─► at each login ─► given up after 24 h
                                 ▲                   │
              held: vehicle has enough asks open     └─ terminal is not there: at its next login

Files are asked for once for each identification number 报警标识号 of a terminal, which is echoed byte for byte. A
crash at any point repeats a step: an ask is known by its number, a command by the ask and its try.
"""

import zlib
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from jtgate import logs
from jtgate.codecs.edition import Edition
from jtgate.codecs.errors import ProtocolError
from jtgate.codecs.jsatl12.alarm_number import read_alarm_number
from jtgate.codecs.jsatl12.attachments import RequestAttachments
from jtgate.codecs.profile import AUTO, Profile
from jtgate.pipeline.derive import asking_metrics as metrics
from jtgate.pipeline.derive import merging
from jtgate.pipeline.derive.logins import Login, Logins
from jtgate.profiles import Assignments
from jtgate.storage.commands import Command, CommandBus, CommandsFull, CommandState, NewCommand, UnknownCommand
from jtgate.storage.evidence import Ask, AskState, EvidenceDesk, NewAsk, TooManyAsks
from jtgate.storage.store import Row, Store

log = logs.get_logger("deriver")

#: 0x9208 is sent again after these times without files (active-safety §4.2), then at each login.
RETRY_MS: Final = (60_000, 300_000, 1_800_000)
#: All of them are out; whatever the terminal answers to one more is looked at after this.
LAST_LOOK_MS: Final = 1_800_000
#: Nobody asks for longer than this.
GIVE_UP_MS: Final = 86_400_000
#: Most 0x9208 of one ask, however often the terminal logs in; and the least time between two because of logins.
TRIES_MAX: Final = 24
LOGIN_GAP_MS: Final = 60_000
#: A terminal for which the bus has no room is tried again after this.
FULL_MS: Final = 60_000
#: Asks that have ended are known for so long.
KEEP_MS: Final = 7 * 86_400_000

#: Of one step: pages of alarm events, events of one page, new asks, commands, held alarms tried, asks forgotten.
PAGES_MAX: Final = 5
PAGE_ROWS: Final = 1000
NEW_MAX: Final = 400
SENDS_MAX: Final = 200
HELD_TRIED_MAX: Final = 50
TRIM_MAX: Final = 1000
#: Alarms of vehicles that have enough asks open; they are in memory, and found again after a restart.
HELD_MAX: Final = 20_000

_TRIM_EVERY_MS: Final = 600_000
_CONSUMER: Final = "asking"
_ASKED_BY: Final = "evidence"
_MSG_ID: Final = 0x9208
#: What has become of a command that did not go out.
_UNHEARD: Final = (CommandState.OFFLINE, CommandState.EXPIRED, CommandState.WAITING, CommandState.CANCELLED)
_RESULTS: Final = {1: "failure", 2: "message error", 3: "not supported"}


class _Wanted(NamedTuple):
    """An alarm whose files are wanted."""

    event_id: int
    received_ms: int
    new: NewAsk


class Asker:
    """Asks terminals for the evidence that their alarms announce.

    Args:
        desk: keeps what was asked for.
        bus: takes the commands.
        store: alarm events, sessions and registrations.
        address: tells host (ASCII, 100 bytes at most) and TCP port that terminals bring files to; None while no
            attachment server runs: then nothing is sent, and it is due as soon as one does.
        udp_port: of the same, 0 for none (active-safety §4.1).
        wanted: whether files are asked for, by source, type and level of the alarm.
        assignments: which terminal has which profile.
    """

    name = "asking"

    def __init__(
        self,
        desk: EvidenceDesk,
        bus: CommandBus,
        store: Store,
        *,
        address: Callable[[], tuple[str, int] | None],
        udp_port: int = 0,
        wanted: Callable[[str, int, int | None], bool] = merging.wants_evidence,
        assignments: Assignments | None = None,
    ) -> None:
        self._desk = desk
        self._bus = bus
        self._store = store
        self._address = address
        self._udp_port = udp_port
        self._server = ("", 0)
        self._is_wanted = wanted
        self._assignments = assignments or Assignments()
        self._logins = Logins(store)
        self._logged_in: deque[Login] = deque()  # at most a page of them
        self._after_id: int | None = None  # last alarm event that was looked at
        self._place = 0  # the same as the store has it
        self._held: OrderedDict[str, deque[_Wanted]] = OrderedDict()
        self._held_count = 0
        self._trim_ms = 0
        self._sends = 0

    def step(self, now_ms: int) -> None:
        """Note what came in, send what is due; bounded by the limits above.

        Args:
            now_ms: the present, milliseconds since 1970.

        Raises:
            StoreError, EvidenceError, CommandError: one of them cannot be reached; the same call may be repeated.
        """
        self._try_held(now_ms)
        self._note_alarms(now_ms)
        server = self._address()
        if server is not None:
            self._server, self._sends = server, SENDS_MAX
            self._answer_logins(now_ms)
            for ask in self._desk.due(now_ms, limit=self._sends) if self._sends else ():
                self._take_turn(ask, now_ms)
        if now_ms >= self._trim_ms:
            self._trim_ms = now_ms + _TRIM_EVERY_MS
            metrics.EVENTS.labels("trimmed").inc(self._desk.trim(now_ms - KEEP_MS, limit=TRIM_MAX))
            counts = self._desk.counts()
            for state in AskState:
                metrics.ASKS.labels(state.value).set(counts.get(state, 0))

    # What is to be asked for.

    def _note_alarms(self, now_ms: int) -> None:
        if self._after_id is None:
            self._after_id = self._place = self._store.cursor(_CONSUMER)
        left = NEW_MAX
        for _ in range(PAGES_MAX):
            page = self._store.alarm_events_after(self._after_id, limit=PAGE_ROWS)
            for row in page:
                wanted = self._wanted(row, now_ms)
                if wanted is not None:
                    self._note(wanted, now_ms)
                    left -= 1
                self._after_id = _number(row, "id")
                if not left:
                    break
            if not left or len(page) < PAGE_ROWS:
                break
        self._save_place()

    def _save_place(self) -> None:
        """Alarms that are held are read again after a restart."""
        oldest = min((waiting[0].event_id for waiting in self._held.values()), default=None)
        place = (self._after_id or 0) if oldest is None else oldest - 1
        if place != self._place:
            self._store.move_cursors({_CONSUMER: place})
            self._place = place
        metrics.HELD.set(self._held_count)

    def _wanted(self, row: Row, now_ms: int) -> _Wanted | None:
        """What an alarm event announces; None when it announces nothing that would be asked for now."""
        number, count, terminal = row["alarm_number"], row["attachment_count"], row["terminal"]
        if not isinstance(number, str) or not isinstance(count, int) or count < 1 or not isinstance(terminal, str):
            return None
        received_ms = _number(row, "received_ms")
        if received_ms < now_ms - GIVE_UP_MS:
            return None
        source, level = str(row["source"]), row["level"]
        if not self._is_wanted(source, _number(row, "alarm_type"), level if isinstance(level, int) else None):
            metrics.EVENTS.labels("unwanted").inc()
            return None
        try:
            identification = bytes.fromhex(number)
            read_alarm_number(identification)
        except (ValueError, ProtocolError):
            metrics.EVENTS.labels("unreadable").inc()
            return None
        new = NewAsk(terminal, source, identification, _number(row, "alarm_time_ms"), count)
        return _Wanted(_number(row, "id"), received_ms, new)

    def _note(self, wanted: _Wanted, now_ms: int) -> None:
        terminal = wanted.new.terminal
        if terminal not in self._held:
            try:
                self._ask(wanted, now_ms)
            except TooManyAsks:
                pass
            else:
                return
        if self._held_count >= HELD_MAX:
            metrics.EVENTS.labels("left_out").inc()
            log.warning("asking.too_many_held", held=self._held_count)
            return
        metrics.EVENTS.labels("held").inc()
        self._held.setdefault(terminal, deque()).append(wanted)
        self._held_count += 1

    def _ask(self, wanted: _Wanted, now_ms: int) -> None:
        ask = self._desk.ask(wanted.new, now_ms)
        if ask.tries == 0 and ask.created_ms == now_ms:
            metrics.EVENTS.labels("noted").inc()

    def _try_held(self, now_ms: int) -> None:
        """Alarms of vehicles that had enough asks open, the first of each vehicle; every vehicle has its turn."""
        for terminal in list(self._held)[:HELD_TRIED_MAX]:
            waiting = self._held[terminal]
            self._held.move_to_end(terminal)
            if waiting[0].received_ms < now_ms - GIVE_UP_MS:
                metrics.EVENTS.labels("too_late").inc()
            else:
                try:
                    self._ask(waiting[0], now_ms)
                except TooManyAsks:
                    continue
            waiting.popleft()
            self._held_count -= 1
            if not waiting:
                del self._held[terminal]

    # When it is asked for.

    def _answer_logins(self, now_ms: int) -> None:
        if not self._logged_in:
            self._logged_in.extend(self._logins.take(now_ms))
        while self._logged_in and self._sends:
            login = self._logged_in[0]
            for ask in self._desk.open_of(login.terminal):
                self._after_login(ask, login.online_ms, now_ms)
            self._logged_in.popleft()

    def _after_login(self, ask: Ask, online_ms: int, now_ms: int) -> None:
        """The terminal is there again: send what it may not have heard; files on their way come by themselves."""
        if ask.state is not AskState.ASKED or now_ms >= ask.created_ms + GIVE_UP_MS or ask.tries >= TRIES_MAX:
            return
        command = self._command(ask)
        if command is None or _is_under_way(command, now_ms) or command.created_ms > online_ms:
            return
        if _was_heard(command) and now_ms < command.created_ms + LOGIN_GAP_MS:
            return
        self._send(ask, now_ms)

    def _take_turn(self, ask: Ask, now_ms: int) -> None:
        """What becomes of an ask whose time has come."""
        end_ms = ask.created_ms + GIVE_UP_MS
        if now_ms >= end_ms:
            self._give_up(ask, now_ms)
            return
        command = self._command(ask)
        if command is None:
            self._send(ask, now_ms)
        elif _is_under_way(command, now_ms):
            self._desk.postpone(ask.ask_id, min(command.new.expires_ms, end_ms))
        elif ask.tries < TRIES_MAX and self._came_since(ask.new.terminal, command.created_ms):
            self._send(ask, now_ms)
        elif not _was_heard(command):
            self._desk.postpone(ask.ask_id, end_ms)  # its next login comes first
        elif ask.tries <= len(RETRY_MS):
            self._send(ask, now_ms)
        elif command.state is CommandState.REFUSED:
            self._give_up(ask, now_ms)
        else:
            self._desk.postpone(ask.ask_id, end_ms)

    def _command(self, ask: Ask) -> Command | None:
        """The last command of an ask; None when there was none or the bus has forgotten it."""
        if ask.command_id is None:
            return None
        try:
            return self._bus.get(ask.command_id)
        except UnknownCommand:
            return None

    def _came_since(self, terminal: str, at_ms: int) -> bool:
        newest = self._store.sessions(terminal=terminal, limit=1)
        return bool(newest) and _number(newest[0], "online_ms") > at_ms

    def _send(self, ask: Ask, now_ms: int) -> None:
        """Hand a 0x9208 to the bus; it is worth nothing any more when the next one is due."""
        terminal = ask.new.terminal
        wait_ms = RETRY_MS[ask.tries] if ask.tries < len(RETRY_MS) else LAST_LOOK_MS
        next_ms = min(now_ms + wait_ms, ask.created_ms + GIVE_UP_MS)
        body = request_body(ask, *self._server, self._udp_port, profile=self._profile(terminal))
        new = NewCommand(
            terminal,
            _MSG_ID,
            {"raw": body.hex()},
            _ASKED_BY,
            expires_ms=next_ms,
            is_queued=False,
            idempotency_key=f"{ask.alarm_number}:{ask.tries}:{zlib.crc32(body):08x}",
        )
        try:
            command = self._bus.submit(new, now_ms)
        except CommandsFull:
            metrics.EVENTS.labels("not_taken").inc()
            self._desk.postpone(ask.ask_id, now_ms + FULL_MS)
            return
        self._desk.sent(ask.ask_id, command.command_id, now_ms, next_ms)
        self._sends = max(0, self._sends - 1)
        metrics.EVENTS.labels("sent").inc()

    def _give_up(self, ask: Ask, now_ms: int) -> None:
        has_some = any(file.received for file in self._desk.files(ask.ask_id))
        state = AskState.INCOMPLETE if has_some else AskState.REFUSED
        command = self._command(ask)
        if has_some:
            reason = "parts of files never came"
        elif command is None or not _was_heard(command):
            reason = "the terminal was not there"
        elif command.state is CommandState.REFUSED:
            reason = f"the terminal answered {command.result} {_RESULTS.get(command.result or 0, '')}".rstrip()
        elif command.state is CommandState.IMPOSSIBLE:
            reason = f"it could not be asked: {command.error}"
        else:
            reason = "no file came"
        self._desk.end(ask.ask_id, state, reason, now_ms)
        metrics.EVENTS.labels("given_up").inc()

    def _profile(self, terminal: str) -> Profile:
        if not self._assignments.rows:
            return AUTO
        known: list[Any] = list(self._store.terminals(terminals=[terminal], limit=1))
        session: list[Any] = list(self._store.sessions(terminal=terminal, limit=1))
        return self._assignments.choose(
            terminal,
            known[0]["manufacturer"] if known else None,
            known[0]["model"] if known else None,
            str(session[0]["transport"]) if session else "",
        )


def request_body(ask: Ask, address: str, tcp_port: int, udp_port: int, *, profile: Profile = AUTO) -> bytes:
    """The body of a 0x9208 (active-safety §4.2); it is the same in all editions.

    Args:
        ask: what is asked for.
        address: host of the attachment server.
        tcp_port: of the same.
        udp_port: of the same, 0 for none.
        profile: of the terminal.
    """
    message = RequestAttachments(
        address=address,
        tcp_port=tcp_port,
        udp_port=udp_port,
        alarm_number=read_alarm_number(ask.new.identification),
        platform_number=ask.alarm_number,
    )
    return message.encode(Edition.V2013, profile)


def _is_under_way(command: Command, now_ms: int) -> bool:
    return command.state.is_open and now_ms < command.new.expires_ms


def _was_heard(command: Command) -> bool:
    """Whether it went out to the terminal, as far as anybody knows."""
    return command.attempts > 0 or command.state not in (
        CommandState.OFFLINE,
        CommandState.EXPIRED,
        CommandState.WAITING,
    )


def _number(row: Row, name: str) -> int:
    value = row[name]
    return value if isinstance(value, int) else 0
