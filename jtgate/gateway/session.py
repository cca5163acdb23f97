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
from dataclasses import dataclass, field, replace

from jtgate.codecs import deviations as dev
from jtgate.codecs.declare import Message
from jtgate.codecs.edition import Edition
from jtgate.codecs.encryption import BLOCK_BYTES
from jtgate.codecs.errors import BodyError, EncryptionError, HeaderError
from jtgate.codecs.header import Header, parse_header
from jtgate.codecs.jt808 import Authenticate, PlatformGeneralAnswer, Register, RegisterAnswer
from jtgate.codecs.jt808.rsa import PlatformRsaKey, TerminalRsaKey, key_of
from jtgate.codecs.parts import Complete, PartBuffer, Refused
from jtgate.codecs.profile import AUTO
from jtgate.codecs.registry import UnknownMessage, decode_body
from jtgate.gateway import replies
from jtgate.gateway.expected import LISTENED, Heard
from jtgate.gateway.identity import Gatekeeper
from jtgate.gateway.readings import Readings
from jtgate.storage.rsa_key import RsaKeyError


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


#: 终端RSA公钥, answered with ours.
TERMINAL_KEY = 0x0A00

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
DEV_UNUSABLE_KEY = "session.unusable_key"
DEV_NO_PLATFORM_KEY = "session.no_platform_key"
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
        heard: a whole message that may answer a command.
    """

    store: bool = False
    answers: list[bytes] = field(default_factory=list)
    went_online: bool = False
    went_offline: bool = False
    deviations: list[str] = field(default_factory=list)
    heard: Heard | None = None


class Session:
    """State of one terminal on one link.

    Args:
        gatekeeper: decides who may enter.
        parts: sub-packages of all sessions.
        next_serial: gives the next serial number towards this terminal.
        unknown_result: result of 0x8001 to a message id nobody knows, 3 or 0.
        readings: profiles of terminals and the key of the platform.
        listener: where the terminal is connected.
    """

    __slots__ = (
        "_gatekeeper",
        "_listener",
        "_next_serial",
        "_parts",
        "_profile",
        "_profile_of",
        "_readings",
        "_unknown_result",
        "edition",
        "how",
        "phone",
        "protocol_version",
        "state",
        "terminal",
    )

    def __init__(
        self,
        gatekeeper: Gatekeeper,
        parts: PartBuffer,
        next_serial: Callable[[], int],
        unknown_result: int,
        readings: Readings,
        listener: str,
    ) -> None:
        self._gatekeeper = gatekeeper
        self._readings = readings
        self._listener = listener
        self._profile = AUTO
        self._profile_of = ""  # the terminal it was looked up for
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
            header, body = parse_header(payload, self._readings.header_edition(self._listener))
        except HeaderError:
            verdict.deviations.append("header.unreadable")
            return verdict
        verdict.deviations.extend(header.deviations)
        if header.terminal == "":
            return self._refuse(verdict, header, DEV_NO_PHONE)
        if self.terminal not in ("", header.terminal):
            return self._refuse(verdict, header, DEV_OTHER_PHONE)
        self._choose_profile(header.terminal)
        if header.encryption and self._profile.encryption_bits == "ignore":
            verdict.deviations.append(dev.ENCRYPTION_BITS_IGNORED)
            header = replace(header, encryption=0)
        kind = KINDS.get(header.msg_id, Kind.REPORT)
        if self.state is State.ONLINE:  # a terminal may change between 12 and 20 digits; it is answered in kind
            self.edition, self.protocol_version, self.phone = header.edition, header.protocol_version, header.phone
        if self._accepts(kind, header, body, verdict, now):
            self._move(kind, header, verdict)
        return verdict

    def _choose_profile(self, terminal: str) -> None:
        """Look the profile up once per terminal, and again after a registration."""
        if self._profile_of != terminal:
            self._profile_of = terminal
            self._profile = self._readings.profile(terminal, self._listener)

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
        return self._framed(answer, header)

    def _framed(self, message: Message, header: Header) -> bytes:
        """A message of ours in the header form of the frame it answers."""
        return replies.frame(message, header, self._next_serial(), self._profile)

    def _read(self, header: Header, body: bytes, verdict: Verdict) -> Message | UnknownMessage | None:
        """A message that decides about the session, decrypted; None when it cannot be read, and that is answered."""
        plain = self._readings.key.peek(header, body) if header.encryption else body
        deviations: list[str] = []
        try:
            if plain is not None:
                found = decode_body(header.msg_id, plain, header.edition, deviations, profile=self._profile)
                verdict.deviations.extend(deviations)
                return found
        except BodyError:
            pass
        verdict.store = self._gatekeeper.may_register(header.terminal)  # for the quarantine
        verdict.deviations.append(DEV_ENCRYPTED if plain is None else DEV_BAD_BODY)
        verdict.answers.append(self._general(header, NOT_SUPPORTED if plain is None else MESSAGE_ERROR))
        return None

    def _on_register(self, header: Header, body: bytes, verdict: Verdict) -> bool:
        """0x0100 → 0x8100 with an authentication code, or the reason why not."""
        message = self._read(header, body, verdict)
        if message is None:
            return False
        allowed = self._gatekeeper.may_register(header.terminal)
        if allowed and isinstance(message, Register):
            self._readings.note_model(header.terminal, message.manufacturer, message.model)
            self._profile_of = ""
            self._choose_profile(header.terminal)
        answer = RegisterAnswer(
            answer_serial=header.serial,
            result=SUCCESS if allowed else NO_SUCH_TERMINAL,
            auth_code=self._gatekeeper.code_for(header.terminal) if allowed else None,
        )
        verdict.store = allowed
        if not allowed:
            verdict.deviations.append(DEV_REFUSED)
        verdict.answers.append(self._framed(answer, header))
        return allowed

    def _on_authenticate(self, header: Header, body: bytes, verdict: Verdict) -> bool:
        """0x0102 → 0x8001 with 0, or 1 when the code is not ours."""
        message = self._read(header, body, verdict)
        if message is None:
            return False
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
        if header.encryption and not self._readings.key.can_open(header):
            verdict.deviations.append(DEV_ENCRYPTED)
            self._answer(verdict, header, NOT_SUPPORTED)
        elif header.is_part:
            self._on_part(header, body, verdict, now)
        else:
            if header.msg_id in LISTENED:
                verdict.heard = Heard(header, body)
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
        header, body = message.header, message.body
        if header.msg_id in LISTENED:
            verdict.heard = Heard(header, body)
        if header.encryption:
            body = self._readings.key.peek(header, body[: replies.HEAD_BLOCKS * BLOCK_BYTES]) or b""
        try:
            specific = replies.specific_answer(header, body, self._profile)
        except BodyError:
            verdict.deviations.append(DEV_BAD_BODY)  # the pipeline puts it into the quarantine
            return
        if specific is not None:
            verdict.answers.append(self._framed(specific, last))

    def _answer_whole(self, header: Header, body: bytes, verdict: Verdict) -> None:
        """Answer a message that came in one piece."""
        if not replies.is_known_uplink(header.msg_id):
            verdict.deviations.append(DEV_UNKNOWN_ID)
            self._answer(verdict, header, self._unknown_result)
            return
        plain: bytes | None = body
        if header.encryption and header.msg_id in replies.READ_IDS:
            plain = self._readings.key.peek(header, body)
        elif header.encryption and len(body) % BLOCK_BYTES == 0:
            self._answer(verdict, header, SUCCESS)  # what is in it is seen later: see encryption.decrypt_at_rest
            return
        elif header.encryption:
            plain = None
        deviations: list[str] = []
        try:
            if plain is None:
                raise EncryptionError("not of our key", field="body", raw=body)
            message = decode_body(header.msg_id, plain, header.edition, deviations, profile=self._profile)
        except BodyError:
            verdict.deviations.append(DEV_BAD_BODY)
            self._answer(verdict, header, MESSAGE_ERROR)
            return
        verdict.deviations.extend(deviations)
        if isinstance(message, TerminalRsaKey):
            self._exchange_keys(message, header, verdict)
            return
        specific = replies.specific_answer(header, plain, self._profile)
        if specific is not None:
            verdict.answers.append(self._framed(specific, header))
        else:
            self._answer(verdict, header, SUCCESS)

    def _exchange_keys(self, message: TerminalRsaKey, header: Header, verdict: Verdict) -> None:
        """0x0A00 → 0x8A00 (§10.7): the key of the terminal is remembered, ours is made when it is the first."""
        theirs = key_of(message)
        if theirs.usable():
            self._readings.note_key(header.terminal, theirs)
        else:
            verdict.deviations.append(DEV_UNUSABLE_KEY)
        try:
            ours = self._readings.key.public()
        except RsaKeyError:
            verdict.deviations.append(DEV_NO_PLATFORM_KEY)
            self._answer(verdict, header, FAILURE)
            return
        verdict.answers.append(
            self._framed(PlatformRsaKey(exponent=ours.e, modulus=ours.n.to_bytes(BLOCK_BYTES)), header)
        )

    def _answer(self, verdict: Verdict, header: Header, result: int) -> None:
        """The general answer, unless the message is itself an answer."""
        if header.msg_id not in replies.UNANSWERED:
            verdict.answers.append(self._general(header, result))
