"""How a simulated terminal takes commands and answers them (JT/T 808 §3.1, §8.2, §10.3).

    parts ── put together ── heard before? ── obeyed (`duties`), or refused by a fault ── answered, right or wrong
                                  │                                                         ▲
                                  └── yes: not obeyed again, only answered again ───────────┘

Every command is answered: with what it asks for, or with 0x0001 and the result. One that cannot be read gets result 2,
one that nobody knows result 3. Commands in parts are put together first; a 2019 terminal asks for missing parts.
"""

import math
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from jtgate.codecs.edition import Edition
from jtgate.codecs.errors import ProtocolError
from jtgate.codecs.fingerprint import fingerprint
from jtgate.codecs.header import Header
from jtgate.codecs.parts import Complete, Missing, PartBuffer
from jtgate.simulators import messages
from jtgate.simulators.answers import NOT_SUPPORTED, RESULT_MESSAGE_ERROR, RESULT_OK, Answer, Duty, Reply
from jtgate.simulators.command_faults import COMMAND_FAULTS, CommandFault
from jtgate.simulators.duties import Duties
from jtgate.simulators.memory import Todo

if TYPE_CHECKING:
    from jtgate.simulators.terminal import Terminal

GENERAL_ANSWER = 0x0001
PARTS_REQUEST = 0x0005

#: Memory for commands in parts; the longest is an upgrade package.
PARTS_BYTES_MAX = 1 << 20
#: A part that stays away so long is asked for, so many times; then the command is given up.
PARTS_SILENCE_S = 5.0
PARTS_REQUESTS_MAX = 3
PARTS_KEEP_S = 60.0
#: How often incomplete commands are looked at.
PARTS_LOOK_S = 1.0

#: A command that comes again within this time is the same command; over links too, because answers get lost with them.
#: With T = 10 s a platform repeats after 10, 30, 90 s (§10.3).
HEARD_S = 180.0
#: Commands remembered for that; the oldest are forgotten first.
HEARD_MAX = 64
#: Late answers that wait for their time; above it nothing more is late.
LATE_MAX = 64
#: Pieces that an answer is cut into to lose one of them.
LOST_PART_PIECES = 3


class _Heard:
    """A command that was taken, and what is said to it each time it comes."""

    __slots__ = ("at", "copies", "fault", "reply")

    def __init__(self, at: float, reply: Reply, fault: CommandFault | None) -> None:
        self.at = at
        self.reply = reply
        self.fault = fault
        self.copies = 0


class _Late(NamedTuple):
    due: float
    msg_id: int
    serial: int
    reply: Reply


class Commands:
    """Commands to one terminal.

    Args:
        terminal: who obeys.
    """

    __slots__ = ("_drawn", "_heard", "_late", "_look_at", "_parts", "_plan", "_terminal", "duties")

    def __init__(self, terminal: "Terminal") -> None:
        self._terminal = terminal
        asks = terminal.identity.edition is Edition.V2019
        self._parts = PartBuffer(
            PARTS_BYTES_MAX,
            silence_s=PARTS_SILENCE_S,
            requests_max=PARTS_REQUESTS_MAX if asks else 0,
            keep_s=PARTS_KEEP_S,
        )
        self._look_at = math.inf
        self._plan = terminal.rules.command_faults
        self._drawn = 0
        self._heard: dict[tuple[int, int, int], _Heard] = {}  # by id, serial and fingerprint of the body
        self._late: deque[_Late] = deque()
        self.duties = Duties(terminal)

    @property
    def deadline(self) -> float:
        """When `tick` has something to do."""
        late = self._late[0].due if self._late else math.inf
        return min(self._look_at, late, self.duties.deadline)

    def tick(self, now: float) -> None:
        """Answer late, do what was planned, ask for parts that stay away."""
        while self._late and self._late[0].due <= now:
            late = self._late.popleft()
            self._say(late.msg_id, late.serial, late.reply, now)
        self.duties.tick(now)
        if self._look_at > now:
            return
        for event in self._parts.due(now):
            if isinstance(event, Missing):
                body = messages.parts_request(self._terminal.identity.edition, event.first_serial, event.numbers)
                self._terminal.delivery.reply(PARTS_REQUEST, body, now)
        self._look_at = now + PARTS_LOOK_S if len(self._parts) else math.inf

    def new_link(self) -> None:
        """What came in parts on the last link is begun anew; answers that were to be late are not given any more."""
        self._parts.forget_open()
        self._look_at = math.inf
        self._terminal.tally.replies_lost += len(self._late)
        self._late.clear()

    def take(self, header: Header, body: bytes, now: float) -> None:
        """Obey a command, or keep a part of one; its answer quotes the first part."""
        if header.is_part:
            whole = self._parts.add("", header, body, now)
            self._look_at = min(self._look_at, now + PARTS_LOOK_S)
            if not isinstance(whole, Complete):
                return
            header, body = whole.header, whole.body
        tally = self._terminal.tally
        key = (header.msg_id, header.serial, fingerprint(body))
        heard = self._heard.get(key)
        if heard is not None and now - heard.at <= HEARD_S:
            tally.commands_repeated += 1
        else:
            tally.commands[header.msg_id] += 1
            heard = self._obey(header, body, now)
            self._heard.pop(key, None)
            self._heard[key] = heard
            if len(self._heard) > HEARD_MAX:
                del self._heard[next(iter(self._heard))]
        heard.copies += 1
        self._answer(header, heard, now)

    def _obey(self, header: Header, body: bytes, now: float) -> _Heard:
        """Do what a command says, unless a fault keeps us from it."""
        terminal = self._terminal
        self._drawn += 1
        fault = self._plan.draw(terminal.dice, self._drawn)
        duty = self.duties.by_id.get(header.msg_id)
        if duty is None:
            terminal.tally.refused["command"] += 1
            return _Heard(now, NOT_SUPPORTED, None)
        if fault is not None:
            terminal.tally.command_faults[fault] += 1
            refused = COMMAND_FAULTS[fault].result
            if refused is not None:
                return _Heard(now, Reply(refused), fault)
        return _Heard(now, self._execute(duty, header, body, now), fault)

    def _execute(self, duty: Duty, header: Header, body: bytes, now: float) -> Reply:
        terminal = self._terminal
        try:
            reply = duty(header.serial, body, now)
        except ProtocolError:
            terminal.tally.refused["malformed command"] += 1
            return Reply(RESULT_MESSAGE_ERROR)
        if reply.result in (None, RESULT_OK):
            terminal.tally.commands_executed += 1
            if terminal.commands_ledger is not None:
                terminal.commands_ledger.add(terminal.identity.phone, header.msg_id, header.serial, body)
        return reply

    def _answer(self, header: Header, heard: _Heard, now: float) -> None:
        """Answer a command, each time it comes, as its fault has it."""
        msg_id, serial, reply = header.msg_id, header.serial, heard.reply
        match heard.fault:
            case CommandFault.NEVER:
                return
            case CommandFault.SECOND if heard.copies == 1:
                return
            case CommandFault.LATE if len(self._late) < LATE_MAX:
                self._late.append(_Late(now + self._plan.late_s, msg_id, serial, reply))
            case CommandFault.TWICE:
                self._say(msg_id, serial, reply, now, copies=2)
            case CommandFault.WRONG_SERIAL:
                self._say(msg_id, serial, _requoted(reply, serial + 1), now, quoted=serial + 1)
            case CommandFault.WRONG_ID:
                self._say(msg_id ^ 1, serial, Reply(RESULT_OK), now)
            case CommandFault.LOST_PART if heard.copies == 1:
                self._say(msg_id, serial, reply, now, lost_part=True)
            case _:
                self._say(msg_id, serial, reply, now)

    def _say(
        self,
        msg_id: int,
        serial: int,
        reply: Reply,
        now: float,
        *,
        copies: int = 1,
        quoted: int | None = None,
        lost_part: bool = False,
    ) -> None:
        """Put everything that answers a command on the wire.

        Args:
            msg_id: the command that is answered.
            serial: of the command.
            reply: what is answered.
            now: monotonic seconds.
            copies: of each frame.
            quoted: serial that 0x0001 quotes instead.
            lost_part: cut the last answer into parts and keep one of them back.
        """
        answers = list(reply.answers)
        if reply.result is not None:
            quoted = (serial if quoted is None else quoted) & 0xFFFF
            answers.insert(0, Answer(GENERAL_ANSWER, messages.general(quoted, msg_id, reply.result)))
        for number, answer in enumerate(answers, 1):
            if answer.is_report:
                self._terminal.memory.add(Todo(answer.msg_id, answer.body))
                continue
            pieces = LOST_PART_PIECES if lost_part and number == len(answers) else 1
            self._terminal.delivery.reply(answer.msg_id, answer.body, now, copies=copies, pieces=pieces)


def _requoted(reply: Reply, serial: int) -> Reply:
    """The reply with another serial in all answers that quote one."""
    quote = (serial & 0xFFFF).to_bytes(2)
    answers = (answer._replace(body=quote + answer.body[2:]) if answer.quotes else answer for answer in reply.answers)
    return Reply(reply.result, tuple(answers))
