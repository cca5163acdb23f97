"""The session of one terminal 终端会话 as a table of states; it knows no transport, clock or file.

    state        register 0x0100   authenticate 0x0102   report (any other)   unregister 0x0003
    CONNECTED    → REGISTERED      → ONLINE              → ONLINE if `open`   answered, stays
    REGISTERED   → REGISTERED      → ONLINE              → ONLINE if `open`   → CONNECTED
    ONLINE       stays             stays                 stays                → CONNECTED
    CLOSED       nothing is taken any more

A refusal never changes the state. A frame goes in as `receive(payload)`, a Verdict comes out: what to store,
what to answer once it is stored, whether the terminal is now online, whether to close. Everything that can
change a session is in this file.
"""

import enum
from collections.abc import Callable
from dataclasses import dataclass, field

from jtgate.codecs.edition import Edition
from jtgate.codecs.errors import BodyError, HeaderError
from jtgate.codecs.header import Header, parse_header
from jtgate.codecs.jt808 import Authenticate, PlatformGeneralAnswer, RegisterAnswer
from jtgate.codecs.parts import Complete, PartBuffer, Refused
from jtgate.codecs.registry import decode_body
from jtgate.gateway import replies
from jtgate.gateway.identity import Gatekeeper


class State(enum.Enum):
    """States of a session."""

    CONNECTED = "connected"
    REGISTERED = "registered"
    ONLINE = "online"
    CLOSED = "closed"


class Kind(enum.Enum):
    """What a message means to the session."""

    REGISTER = "register"
    AUTHENTICATE = "authenticate"
    UNREGISTER = "unregister"
    REPORT = "report"


KINDS = {0x0100: Kind.REGISTER, 0x0102: Kind.AUTHENTICATE, 0x0003: Kind.UNREGISTER, 0x0101: Kind.UNREGISTER}

#: Where an accepted message leads. A pair that is missing is not taken.
TRANSITIONS: dict[tuple[State, Kind], State] = {
    (State.CONNECTED, Kind.REGISTER): State.REGISTERED,
    (State.CONNECTED, Kind.AUTHENTICATE): State.ONLINE,
    (State.CONNECTED, Kind.REPORT): State.ONLINE,
    (State.CONNECTED, Kind.UNREGISTER): State.CONNECTED,
    (State.REGISTERED, Kind.REGISTER): State.REGISTERED,
    (State.REGISTERED, Kind.AUTHENTICATE): State.ONLINE,
    (State.REGISTERED, Kind.REPORT): State.ONLINE,
    (State.REGISTERED, Kind.UNREGISTER): State.CONNECTED,
    (State.ONLINE, Kind.REGISTER): State.ONLINE,
    (State.ONLINE, Kind.AUTHENTICATE): State.ONLINE,
    (State.ONLINE, Kind.REPORT): State.ONLINE,
    (State.ONLINE, Kind.UNREGISTER): State.CONNECTED,
}

#: Results of 0x8001 (§3.2) and of 0x8100 (§3.3).
SUCCESS, FAILURE, MESSAGE_ERROR, NOT_SUPPORTED = 0, 1, 2, 3
NO_SUCH_TERMINAL = 4

DEV_UNAUTHENTICATED = "session.report_without_authentication"
DEV_ANY_CODE = "session.foreign_code_accepted"
DEV_OTHER_PHONE = "session.other_phone"
DEV_NO_PHONE = "session.no_phone"
DEV_ENCRYPTED = "session.encrypted_body"
DEV_UNKNOWN_ID = "session.unknown_id"
DEV_BAD_BODY = "session.bad_body"
DEV_REFUSED = "session.refused"


@dataclass(slots=True)
class Verdict:
    """What is to be done with one frame.

    Args:
        store: commit the frame to the spool.
        answers: frames to send once it is committed (at once when nothing is stored).
        went_online: the terminal has just become ONLINE.
        went_offline: the terminal has just left ONLINE.
        deviations: names to be counted.
    """

    store: bool = False
    answers: list[bytes] = field(default_factory=list)
    went_online: bool = False
    went_offline: bool = False
    deviations: list[str] = field(default_factory=list)


class Session:
    """State of one terminal on one link.

    Args:
        gatekeeper: decides who may enter.
        parts: sub-packages of all sessions.
        next_serial: gives the next serial number towards this terminal.
        unknown_result: result of 0x8001 to a message id nobody knows, 3 or 0.
    """

    __slots__ = (
        "_gatekeeper",
        "_next_serial",
        "_parts",
        "_unknown_result",
        "edition",
        "how",
        "phone",
        "protocol_version",
        "state",
        "terminal",
    )

    def __init__(
        self, gatekeeper: Gatekeeper, parts: PartBuffer, next_serial: Callable[[], int], unknown_result: int
    ) -> None:
        self._gatekeeper = gatekeeper
        self._parts = parts
        self._next_serial = next_serial
        self._unknown_result = unknown_result
        self.state = State.CONNECTED
        self.phone = ""
        self.terminal = ""
        self.edition = Edition.V2013
        self.protocol_version = 0
        self.how = ""

    @property
    def is_online(self) -> bool:
        """Whether reports of this terminal are taken."""
        return self.state is State.ONLINE

    def pin(self, header: Header) -> None:
        """Take the identity and the header form of a terminal that was accepted."""
        self.phone = header.phone
        self.terminal = header.terminal
        self.edition = header.edition
        self.protocol_version = header.protocol_version

    def receive(self, payload: bytes, now: float) -> Verdict:
        """Judge one frame.

        Args:
            payload: header and body, unescaped, check byte verified and removed.
            now: monotonic seconds, for the time limits of sub-packages.

        Returns:
            The verdict; it never raises for any payload.
        """
        verdict = Verdict()
        if self.state is State.CLOSED:
            return verdict
        try:
            header, body = parse_header(payload)
        except HeaderError:
            verdict.deviations.append("header.unreadable")
            return verdict
        verdict.deviations.extend(header.deviations)
        if header.terminal == "":
            return self._refuse(verdict, header, DEV_NO_PHONE)
        if self.terminal not in ("", header.terminal):
            return self._refuse(verdict, header, DEV_OTHER_PHONE)
        kind = KINDS.get(header.msg_id, Kind.REPORT)
        if self.state is State.ONLINE:  # a terminal may change between 12 and 20 digits; it is answered in kind
            self.edition, self.protocol_version, self.phone = header.edition, header.protocol_version, header.phone
        if self._accepts(kind, header, body, verdict, now):
            self._move(kind, header, verdict)
        return verdict

    def close(self) -> None:
        """The link is gone; nothing is taken any more.

        Sub-packages stay: the terminal may bring the missing ones on its next link.
        """
        self.state = State.CLOSED

    def _accepts(self, kind: Kind, header: Header, body: bytes, verdict: Verdict, now: float) -> bool:
        """Fill in the verdict; True when the state may follow the table."""
        match kind:
            case Kind.REGISTER:
                return self._on_register(header, body, verdict)
            case Kind.AUTHENTICATE:
                return self._on_authenticate(header, body, verdict)
            case Kind.UNREGISTER:
                return self._on_unregister(header, verdict)
            case Kind.REPORT:
                return self._on_report(header, body, verdict, now)

    def _move(self, kind: Kind, header: Header, verdict: Verdict) -> None:
        """Follow the table."""
        before = self.state
        self.state = TRANSITIONS[before, kind]
        if before is State.ONLINE and self.state is not State.ONLINE:
            verdict.went_offline = True
        elif before is not State.ONLINE:
            self.pin(header)
            verdict.went_online = self.state is State.ONLINE

    def _refuse(self, verdict: Verdict, header: Header, why: str) -> Verdict:
        """Answer failure; nothing is stored, so nothing may be called stored."""
        verdict.deviations.append(why)
        if header.msg_id not in replies.UNANSWERED:
            verdict.answers.append(self._general(header, FAILURE))
        return verdict

    def _general(self, header: Header, result: int) -> bytes:
        """0x8001 in the header form of the frame it answers."""
        answer = PlatformGeneralAnswer(answer_serial=header.serial, answer_id=header.msg_id, result=result)
        return replies.frame(answer, header, self._next_serial())

    def _on_register(self, header: Header, body: bytes, verdict: Verdict) -> bool:
        """0x0100 → 0x8100 with an authentication code, or the reason why not."""
        deviations: list[str] = []
        try:
            decode_body(header.msg_id, body, header.edition, deviations)
        except BodyError:
            verdict.store = self._gatekeeper.may_register(header.terminal)  # for the quarantine
            verdict.deviations.append(DEV_BAD_BODY)
            verdict.answers.append(self._general(header, MESSAGE_ERROR))
            return False
        verdict.deviations.extend(deviations)
        allowed = self._gatekeeper.may_register(header.terminal)
        answer = RegisterAnswer(
            answer_serial=header.serial,
            result=SUCCESS if allowed else NO_SUCH_TERMINAL,
            auth_code=self._gatekeeper.code_for(header.terminal) if allowed else None,
        )
        verdict.store = allowed
        if not allowed:
            verdict.deviations.append(DEV_REFUSED)
        verdict.answers.append(replies.frame(answer, header, self._next_serial()))
        return allowed

    def _on_authenticate(self, header: Header, body: bytes, verdict: Verdict) -> bool:
        """0x0102 → 0x8001 with 0, or 1 when the code is not ours."""
        deviations: list[str] = []
        try:
            message = decode_body(header.msg_id, body, header.edition, deviations)
        except BodyError:
            verdict.store = self._gatekeeper.may_register(header.terminal)
            verdict.deviations.append(DEV_BAD_BODY)
            verdict.answers.append(self._general(header, MESSAGE_ERROR))
            return False
        verdict.deviations.extend(deviations)
        code = message.auth_code if isinstance(message, Authenticate) else ""
        if not self._gatekeeper.may_enter(header.terminal, code):
            self._refuse(verdict, header, DEV_REFUSED)
            return False
        ours = code == self._gatekeeper.code_for(header.terminal)
        if not ours:
            verdict.deviations.append(DEV_ANY_CODE)
        self.how = "authenticated" if ours else "unverified"
        verdict.store = True
        verdict.answers.append(self._general(header, SUCCESS))
        return True

    def _on_unregister(self, header: Header, verdict: Verdict) -> bool:
        """0x0003 → 0x8001; the terminal may register again on the same link."""
        if self.state is State.CONNECTED and not self._gatekeeper.may_report_unauthenticated(header.terminal):
            self._refuse(verdict, header, DEV_REFUSED)
            return False
        verdict.store = True
        verdict.answers.append(self._general(header, SUCCESS))
        return True

    def _on_report(self, header: Header, body: bytes, verdict: Verdict, now: float) -> bool:
        """Any other message: store and answer, once the terminal is allowed to report."""
        if self.state is not State.ONLINE:
            if not self._gatekeeper.may_report_unauthenticated(header.terminal):
                self._refuse(verdict, header, DEV_REFUSED)
                return False
            verdict.deviations.append(DEV_UNAUTHENTICATED)
            self.how = "implicit"
        verdict.store = True
        if header.encryption:
            verdict.deviations.append(DEV_ENCRYPTED)
            self._answer(verdict, header, NOT_SUPPORTED)
        elif header.is_part:
            self._on_part(header, body, verdict, now)
        else:
            self._answer_whole(header, body, verdict)
        return True

    def _on_part(self, header: Header, body: bytes, verdict: Verdict, now: float) -> None:
        """A sub-package: each is answered at once, many terminals wait for that (§8.2)."""
        outcome = self._parts.add(header.terminal, header, body, now)
        if isinstance(outcome, Refused):
            verdict.deviations.append(DEV_BAD_BODY)
            self._answer(verdict, header, MESSAGE_ERROR)
            return
        verdict.answers.append(self._general(header, SUCCESS))
        if isinstance(outcome, Complete):
            self._answer_complete(outcome, header, verdict)

    def _answer_complete(self, message: Complete, last: Header, verdict: Verdict) -> None:
        """All parts are there: the specific answer, when the message has one."""
        try:
            specific = replies.specific_answer(message.header, message.body)
        except BodyError:
            verdict.deviations.append(DEV_BAD_BODY)  # the pipeline puts it into the quarantine
            return
        if specific is not None:
            verdict.answers.append(replies.frame(specific, last, self._next_serial()))

    def _answer_whole(self, header: Header, body: bytes, verdict: Verdict) -> None:
        """Answer a message that came in one piece."""
        if not replies.is_known_uplink(header.msg_id):
            verdict.deviations.append(DEV_UNKNOWN_ID)
            self._answer(verdict, header, self._unknown_result)
            return
        deviations: list[str] = []
        try:
            decode_body(header.msg_id, body, header.edition, deviations)
        except BodyError:
            verdict.deviations.append(DEV_BAD_BODY)
            self._answer(verdict, header, MESSAGE_ERROR)
            return
        verdict.deviations.extend(deviations)
        specific = replies.specific_answer(header, body)
        if specific is not None:
            verdict.answers.append(replies.frame(specific, header, self._next_serial()))
        else:
            self._answer(verdict, header, SUCCESS)

    def _answer(self, verdict: Verdict, header: Header, result: int) -> None:
        """The general answer, unless the message is itself an answer."""
        if header.msg_id not in replies.UNANSWERED:
            verdict.answers.append(self._general(header, result))
