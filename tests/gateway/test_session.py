"""The session as a table of states: what is taken, what is answered, what changes the state."""

from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jtgate.codecs.edition import Edition
from jtgate.codecs.framing import Frame, FrameReader
from jtgate.codecs.header import Header, encode_frames, parse_header
from jtgate.codecs.parts import PartBuffer
from jtgate.gateway import session as sessions
from jtgate.gateway.identity import Gatekeeper
from jtgate.gateway.readings import Readings
from jtgate.gateway.session import KINDS, TRANSITIONS, Kind, Session, State, Verdict
from jtgate.profiles import Assignments
from jtgate.storage.rsa_key import PlatformKey

PHONE = "13912345678"
LOCATION = bytes.fromhex("00000000000000030260f57206f015b8003402670058250314150926")
PLATE = b"\x02" + "京A12345".encode("gbk")
REGISTER_2013 = bytes.fromhex("000b0064") + b"70111" + b"BSJ-A6".ljust(20, b"\0") + b"0567872" + PLATE


class Answer(NamedTuple):
    """An answer, taken apart."""

    header: Header
    body: bytes

    @property
    def result(self) -> int:
        """Last byte of 0x8001."""
        return self.body[4]


def payloads(
    msg_id: int, body: bytes, *, phone: str = PHONE, serial: int = 9, edition: Edition = Edition.V2013
) -> list[bytes]:
    """What the framing hands to the session."""
    wire = b"".join(encode_frames(msg_id, body, phone=phone, serial=serial, edition=edition, part_bytes=200))
    return [event.payload for event in FrameReader().feed(wire) if isinstance(event, Frame)]


def make(policy: str = "open", known: frozenset[str] = frozenset(), unknown_result: int = 3) -> Session:
    """A session with a fixed secret, without profiles and without a key."""
    numbers = iter(range(1000))
    return Session(
        Gatekeeper(b"k" * 32, policy, lambda: known),
        PartBuffer(1 << 20),
        lambda: next(numbers),
        unknown_result,
        Readings(Assignments(), PlatformKey(Path("nowhere"))),
        "tcp",
    )


def tell(session: Session, msg_id: int, body: bytes, now: float = 0.0, **how: object) -> Verdict:
    """Send one message in one frame."""
    (payload,) = payloads(msg_id, body, **how)  # type: ignore[arg-type]
    return session.receive(payload, now)


def answers(verdict: Verdict) -> list[Answer]:
    """The answers of a verdict, taken apart."""
    events = [event for wire in verdict.answers for event in FrameReader().feed(wire)]
    return [Answer(*parse_header(event.payload)) for event in events if isinstance(event, Frame)]


def code_of(session: Session) -> bytes:
    """Register and take the authentication code out of the answer."""
    (answer,) = answers(tell(session, 0x0100, REGISTER_2013))
    assert answer.header.msg_id == 0x8100
    assert answer.body[:3] == bytes.fromhex("000900")
    return answer.body[3:]


def test_the_table_is_complete_and_closed_takes_nothing() -> None:
    """Every open state knows every kind of message; CLOSED knows none."""
    assert set(TRANSITIONS) == {(state, kind) for state in State if state is not State.CLOSED for kind in Kind}
    session = make()
    session.close()

    assert tell(session, 0x0200, LOCATION) == Verdict()


@pytest.mark.parametrize("policy", ["open", "known"])
def test_register_authenticate_report(policy: str) -> None:
    """The ordinary life of a terminal, under both policies."""
    session = make(policy, frozenset({PHONE}))
    code = code_of(session)
    assert session.state is State.REGISTERED
    assert len(code) <= 32
    assert code.isascii()

    verdict = tell(session, 0x0102, code)
    assert (verdict.store, verdict.went_online, session.how) == (True, True, "authenticated")
    assert answers(verdict)[0].result == sessions.SUCCESS

    verdict = tell(session, 0x0200, LOCATION)
    assert (verdict.store, verdict.went_online, answers(verdict)[0].result) == (True, False, 0)
    assert answers(verdict)[0].body.hex() == "0009020000"


def test_known_policy_keeps_strangers_out() -> None:
    """Not registered: 0x8100 result 4; no or a wrong code: result 1; nothing is stored."""
    session = make("known")
    verdict = tell(session, 0x0100, REGISTER_2013)
    assert (verdict.store, answers(verdict)[0].body.hex()) == (False, "000904")
    for msg_id, body in ((0x0102, b"anything"), (0x0200, LOCATION), (0x0003, b"")):
        verdict = tell(session, msg_id, body)
        assert (verdict.store, answers(verdict)[0].result, session.state) == (False, 1, State.CONNECTED)


def test_a_code_belongs_to_one_terminal() -> None:
    """The code issued to one phone does not open the door for another."""
    known = frozenset({PHONE, "13912345679"})
    code = code_of(make("known", known))

    verdict = tell(make("known", known), 0x0102, code, phone="13912345679")

    assert (verdict.store, answers(verdict)[0].result) == (False, 1)


def test_open_policy_takes_a_terminal_at_its_word() -> None:
    """A terminal that never registers reports at once, and the peculiarity is counted."""
    session = make()

    verdict = tell(session, 0x0200, LOCATION)

    assert (verdict.store, verdict.went_online, session.how) == (True, True, "implicit")
    assert verdict.deviations == [sessions.DEV_UNAUTHENTICATED]


def test_leading_zeros_do_not_make_another_terminal() -> None:
    """12 and 20 digits of one number are one terminal, answered in the header it used (§2.5, §2.4)."""
    session = make()
    tell(session, 0x0200, LOCATION)

    verdict = tell(session, 0x0002, b"", phone="00000000013912345678", edition=Edition.V2019)

    (answer,) = answers(verdict)
    assert (verdict.store, answer.header.edition, answer.header.phone) == (True, Edition.V2019, "00000000013912345678")


def test_identity_is_pinned() -> None:
    """Another phone on the same link is refused and not stored."""
    session = make()
    tell(session, 0x0200, LOCATION)

    verdict = tell(session, 0x0200, LOCATION, phone="13900000000")

    assert (verdict.store, answers(verdict)[0].result, verdict.deviations) == (False, 1, [sessions.DEV_OTHER_PHONE])
    assert session.terminal == PHONE


def test_an_all_zero_phone_is_nobody() -> None:
    """It would be one device shared by all who send it (§2.5)."""
    verdict = tell(make(), 0x0200, LOCATION, phone="0")

    assert (verdict.store, answers(verdict)[0].result) == (False, 1)


@pytest.mark.parametrize(
    ("msg_id", "body", "result", "deviation"),
    [
        (0x0200, LOCATION[:27], 2, sessions.DEV_BAD_BODY),
        (0x0704, b"\x00", 2, sessions.DEV_BAD_BODY),
        (0x0F99, b"xyz", 3, sessions.DEV_UNKNOWN_ID),
        (0x9101, b"xyz", 3, sessions.DEV_UNKNOWN_ID),
        (0x0506, b"", 0, None),
        (0x0705, b"\x00\x01" + bytes(17), 0, None),
    ],
)
def test_results_of_the_general_answer(msg_id: int, body: bytes, result: int, deviation: str | None) -> None:
    """Structurally wrong: 2. Unknown: stored raw, 3. Known or commonly used: 0. All of it is kept."""
    session = make()
    tell(session, 0x0002, b"")

    verdict = tell(session, msg_id, body)

    assert verdict.store
    assert [(answer.header.msg_id, answer.result) for answer in answers(verdict)] == [(0x8001, result)]
    assert verdict.deviations == ([deviation] if deviation else [])


def test_unknown_ids_can_be_answered_with_success() -> None:
    """For terminals that send the same frame for ever when they are told 3."""
    assert answers(tell(make(unknown_result=0), 0x0F99, b"xyz"))[0].result == 0


def test_answers_of_the_terminal_are_not_answered() -> None:
    """0x0001 ends an exchange."""
    verdict = tell(make(), 0x0001, bytes.fromhex("0001810300"))

    assert (verdict.store, verdict.answers) == (True, [])


def test_an_encrypted_body_is_kept_and_not_understood() -> None:
    """Result 3, stored for whoever has the key (§10.7)."""
    (payload,) = payloads(0x0200, LOCATION)
    properties = int.from_bytes(payload[2:4]) | 0x0400

    verdict = make().receive(payload[:2] + properties.to_bytes(2) + payload[4:], 0.0)

    assert (verdict.store, answers(verdict)[0].result) == (True, 3)


def test_unregister_ends_the_session_and_allows_a_new_one() -> None:
    """0x0003 is answered; the link may go on."""
    session = make()
    tell(session, 0x0200, LOCATION)

    verdict = tell(session, 0x0003, b"")
    assert (verdict.store, verdict.went_offline, session.state) == (True, True, State.CONNECTED)

    assert tell(session, 0x0200, LOCATION).went_online


@given(st.permutations(range(4)), st.lists(st.integers(0, 3), max_size=3))
def test_parts_are_answered_each_and_the_message_once(order: list[int], repeated: list[int]) -> None:
    """0x0801 in four parts, in any order and with repetitions: every part 0x8001, at the end one 0x8800."""
    session = make()
    media = bytes.fromhex("0000000700000102") + LOCATION + bytes(700)
    parts = payloads(0x0801, media)
    assert len(parts) == 4
    sequence = order[:3] + [number for number in repeated if number != order[3]] + order[3:]

    seen = [answers(session.receive(parts[number], 0.0)) for number in sequence]

    assert [part[0].header.msg_id for part in seen] == [0x8001] * len(sequence)
    assert [[(a.header.msg_id, a.body.hex()) for a in part[1:]] for part in seen[:-1]] == [[]] * (len(seen) - 1)
    assert [(a.header.msg_id, a.body.hex()) for a in seen[-1][1:]] == [(0x8800, "00000007")]


def test_a_part_number_beyond_the_total_is_an_error() -> None:
    """Result 2; kept for the quarantine."""
    (first, *_) = payloads(0x0801, bytes(700))
    wrong = first[:12] + bytes.fromhex("00040005") + first[16:]

    verdict = make().receive(wrong, 0.0)

    assert (verdict.store, answers(verdict)[0].result) == (True, 2)


@given(st.binary(min_size=12, max_size=80))
def test_no_payload_makes_a_session_raise(payload: bytes) -> None:
    """Whatever a hostile terminal frames correctly, there is a verdict; what is answered 0 is stored."""
    for policy in ("open", "known"):
        verdict = make(policy).receive(payload, 0.0)
        for answer in answers(verdict):
            if answer.header.msg_id == 0x8001 and answer.result == 0:
                assert verdict.store


def test_kinds_are_the_management_messages() -> None:
    """0x0101 is the id that one annex prints for the logout (§13 item 25)."""
    assert KINDS == {0x0100: Kind.REGISTER, 0x0102: Kind.AUTHENTICATE, 0x0003: Kind.UNREGISTER, 0x0101: Kind.UNREGISTER}
