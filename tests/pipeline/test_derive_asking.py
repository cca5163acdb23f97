"""Evidence is asked for by itself: what is noted, when 0x9208 goes out, and when it is given up."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jtgate.codecs.edition import Edition
from jtgate.codecs.errors import BodyError
from jtgate.codecs.jsatl12.attachments import RequestAttachments
from jtgate.codecs.profile import Profile
from jtgate.pipeline.derive import asking
from jtgate.pipeline.derive.asking import GIVE_UP_MS, LOGIN_GAP_MS, RETRY_MS, TRIES_MAX, Asker, request_body
from jtgate.pipeline.derive.logins import LOOK_EVERY_MS, PAGE_ROWS, Logins
from jtgate.profiles import Assignments
from jtgate.profiles.assign import Assignment
from jtgate.storage.commands import Command, CommandBus, CommandChange, CommandsFull, CommandState
from jtgate.storage.contract.rows import alarm
from jtgate.storage.evidence import Ask, AskState, EvidenceDesk, FileFacts, FileState, NewAsk
from jtgate.storage.model import SessionOpened, StoreBatch
from jtgate.storage.open import open_commands, open_evidence, open_store
from jtgate.storage.store import Store

NOW = 1_790_000_000_000
ONE, TWO = "13800138000", "13900139000"
HOST, PORT = "203.0.113.10", 6810
MINUTE = 60_000


def number(sequence: int = 0, count: int = 3) -> bytes:
    """报警标识号 of 苏标 with a terminal id that is nobody's."""
    return b"A12BC4E" + bytes.fromhex("260921083015") + bytes((sequence, count, 0))


class World:
    """A store, a bus and a desk in a folder, a clock, and an asker that may be begun anew.

    Args:
        data: the folder.
        asks_max: open asks of one terminal.
    """

    def __init__(self, data: Path, asks_max: int = 20) -> None:
        self.now_ms = NOW
        self.store: Store = open_store("", data)
        self.store.migrate()
        self.bus: CommandBus = open_commands(data)
        self.desk: EvidenceDesk = open_evidence(data, asks_max=asks_max)
        self.asker = self.restart()
        self._sessions = 0
        self._seq = 0

    def restart(self, **more: Any) -> Asker:
        """A new process begins."""
        self.asker = Asker(self.desk, self.bus, self.store, **{"address": lambda: (HOST, PORT), **more})
        return self.asker

    def step(self, after_ms: int = 0) -> None:
        """Some time passes."""
        self.now_ms += after_ms
        self.asker.step(self.now_ms)

    def alarm(self, identification: bytes | None = None, terminal: str = ONE, **values: Any) -> None:
        """An alarm event is stored."""
        self._seq += 1
        told = number() if identification is None else identification
        row = alarm(
            self.store.terminal_ids([terminal], self.now_ms)[terminal],
            self.now_ms - 1000,
            self._seq,
            **{"alarm_number": told.hex(), "attachment_count": 3, "received_ms": self.now_ms, **values},
        )
        self.store.write(StoreBatch(alarm_events=[row]), consumer="pipeline", seq=self._seq)

    def login(self, terminal: str = ONE) -> None:
        """A session is stored."""
        self._sessions += 1
        terminal_id = self.store.terminal_ids([terminal], self.now_ms)[terminal]
        opened = SessionOpened(5000 + self._sessions, terminal_id, self.now_ms, "tcp", "127.0.0.1:9", "2013", "auth")
        self._seq += 1
        self.store.write(StoreBatch(opened=[opened]), consumer="pipeline", seq=self._seq)

    def commands(self, terminal: str = ONE) -> list[Command]:
        """All that were submitted, oldest first."""
        return self.bus.find(terminals=[terminal])[::-1]

    def becomes(self, state: CommandState, terminal: str = ONE, **more: Any) -> None:
        """What the gateway says of the last command."""
        attempts = 0 if state in (CommandState.OFFLINE, CommandState.EXPIRED) else 1
        last = self.commands(terminal)[-1]
        told = {"attempts": attempts, **more}
        self.bus.change([CommandChange(last.command_id, self.now_ms, state, **told)])

    def the_ask(self, terminal: str = ONE) -> Ask:
        """The only one."""
        (ask,) = [ask for ask, _ in self.desk.changes(0) if ask.new.terminal == terminal]
        return ask

    def close(self) -> None:
        """Give up all files."""
        for part in (self.store, self.bus, self.desk):
            part.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An empty one."""
    with closing(World(tmp_path)) as made:
        yield made


def test_an_alarm_with_attachments_is_asked_for_at_once(world: World) -> None:
    """With the bytes of its identification number, our address and a number that nobody can guess; UDP port 0."""
    world.alarm()
    world.step()

    (command,) = world.commands()
    body = bytes.fromhex(str(command.new.fields["raw"]))
    message = RequestAttachments.decode(body, Edition.V2013)
    ask = world.the_ask()
    assert (command.new.msg_id, command.new.is_queued, command.new.asked_by) == (0x9208, False, "evidence")
    assert (message.address, message.tcp_port, message.udp_port) == (HOST, PORT, 0)
    assert message.platform_number == ask.alarm_number
    assert number() in body
    assert body.endswith(ask.alarm_number.encode() + bytes(16))
    assert (ask.state, ask.tries, ask.command_id) == (AskState.ASKED, 1, command.command_id)
    assert command.new.expires_ms == ask.due_ms == NOW + MINUTE


def test_the_body_is_laid_out_as_the_standard_has_it() -> None:
    """Length and address, ports, identification number, number of the platform, 16 zero bytes (active-safety §4.2)."""
    told = bytes.fromhex("41314232433344250612083015000200")
    new = NewAsk(ONE, "jsatl12:0x64", told, NOW, 2)
    ask = Ask(1, new, "5F" * 16, AskState.WAITING, 0, NOW, None, NOW, 0, None, 1)
    body = request_body(ask, "203.0.113.10", 7100, 0)
    assert body == b"\x0c203.0.113.10\x1b\xbc\x00\x00" + told + b"5F" * 16 + bytes(16)


@given(st.sampled_from([16, 38, 39, 40]).flatmap(lambda size: st.binary(min_size=size, max_size=size)))
def test_any_identification_number_is_echoed_byte_for_byte(told: bytes) -> None:
    """Of any dialect, also when its time is none and its terminal id no text."""
    ask = Ask(1, NewAsk(ONE, "jsatl12:0x64", told, NOW, 2), "0" * 32, AskState.WAITING, 0, 0, None, NOW, 0, None, 1)
    body = request_body(ask, "files.example.org", 1, 65535)
    assert body == b"\x11files.example.org\x00\x01\xff\xff" + told + b"0" * 32 + bytes(16)


def test_nothing_is_sent_while_nobody_would_take_the_files(world: World) -> None:
    """It is sent when the attachment server runs, to where it is then."""
    where: list[tuple[str, int]] = []
    world.restart(address=lambda: where[-1] if where else None)
    world.alarm()
    world.step()
    world.login()
    world.step(10 * MINUTE)
    assert (world.the_ask().state, world.commands()) == (AskState.WAITING, [])
    where.append((HOST, 7))
    world.step(LOOK_EVERY_MS)
    body = bytes.fromhex(str(world.commands()[0].new.fields["raw"]))
    assert body[1 + len(HOST) :][:4] == b"\0\x07\0\0"


def test_what_is_not_asked_for(world: World) -> None:
    """Alarms without attachments, flag bits, numbers of no dialect, what the rules do not want, and what is old."""
    world.restart(wanted=lambda source, kind, level: (source, kind, level) != ("jsatl12:0x65", 9, 1))
    world.alarm(attachment_count=0)
    world.alarm(source="jt808:flag", alarm_number=None, attachment_count=None)
    world.alarm(b"short")
    world.alarm(alarm_number="no hex")
    world.alarm(alarm_type=9, level=1)
    world.alarm(received_ms=NOW - GIVE_UP_MS - 1)
    world.step()
    assert world.commands() == []
    assert not any(world.desk.counts().values())

    world.alarm(number(1), alarm_type=9, level=2)
    world.step()
    assert len(world.commands()) == 1


def test_the_same_number_is_asked_for_once(world: World) -> None:
    """Start and end of an alarm, and what is reported again; of another terminal or kind it is another one."""
    world.alarm(phase="start")
    world.alarm(phase="end")
    world.alarm(terminal=TWO)
    world.alarm(source="jsatl12:0x64", terminal=TWO)
    world.step()
    world.restart()
    world.step()
    assert (len(world.commands(ONE)), len(world.commands(TWO))) == (1, 2)


def test_it_is_repeated_and_then_waits_for_a_login(world: World) -> None:
    """After 60 s, 5 min and 30 min, not before; then only when the terminal comes anew."""
    world.alarm()
    world.step()
    for tries, wait_ms in enumerate(RETRY_MS, 1):
        world.becomes(CommandState.ANSWERED, result=0)
        world.step(wait_ms - 1)
        assert len(world.commands()) == tries
        world.step(1)
        assert len(world.commands()) == tries + 1
    world.becomes(CommandState.NO_ANSWER)
    for _ in range(4):
        world.step(60 * MINUTE)
    assert len(world.commands()) == 4

    world.login()
    world.step(LOOK_EVERY_MS)
    assert len(world.commands()) == 5
    assert len({command.new.idempotency_key for command in world.commands()}) == 5


def test_a_terminal_that_is_not_there_is_asked_when_it_comes(world: World) -> None:
    """Nothing is tried in between, however long it is away; once it is there the repetitions go on."""
    world.alarm()
    world.step()
    world.becomes(CommandState.OFFLINE)
    for _ in range(5):
        world.step(30 * MINUTE)
    assert len(world.commands()) == 1

    world.login()
    world.restart()  # the login came while nobody looked
    world.step(LOOK_EVERY_MS)
    assert len(world.commands()) == 2
    world.becomes(CommandState.NO_ANSWER)
    world.step(RETRY_MS[1])
    assert len(world.commands()) == 3


def test_one_login_is_one_repetition(world: World) -> None:
    """However often it is looked at; a terminal that comes and goes is not asked more often than once a minute."""
    world.alarm()
    world.step()
    world.becomes(CommandState.OFFLINE)
    world.login()
    world.step(LOOK_EVERY_MS)
    world.becomes(CommandState.SENT)
    for _ in range(3):
        world.step(LOOK_EVERY_MS)
        world.login()
    assert len(world.commands()) == 2

    world.becomes(CommandState.ANSWERED, result=0)
    world.step(LOOK_EVERY_MS)
    assert len(world.commands()) == 2
    for _ in range(TRIES_MAX + 5):
        world.now_ms += LOGIN_GAP_MS
        world.login()
        world.step(LOOK_EVERY_MS)
        world.becomes(CommandState.ANSWERED, result=0)
    assert len(world.commands()) == TRIES_MAX


def test_a_login_before_it_was_asked_is_none(world: World) -> None:
    """The session in which the alarm came does not make it be asked twice."""
    world.login()
    world.step()
    world.alarm()
    world.step(1)
    world.becomes(CommandState.ANSWERED, result=0)
    world.step(LOOK_EVERY_MS)
    assert len(world.commands()) == 1


def test_a_login_that_was_answered_is_not_answered_again(world: World) -> None:
    """It is read once more after a restart; the terminal has gone again meanwhile."""
    world.alarm()
    world.step()
    world.becomes(CommandState.OFFLINE)
    world.now_ms += 1
    world.login()
    for _ in range(3):
        world.restart()
        world.step(LOOK_EVERY_MS)
        if world.commands()[-1].state.is_open:
            world.becomes(CommandState.OFFLINE)
    assert len(world.commands()) == 2


def test_a_login_while_a_command_is_under_way_is_remembered(world: World) -> None:
    """The command may yet go out; when it did not, the next one goes out at its time."""
    world.alarm()
    world.step()
    world.now_ms += 1
    world.login()
    world.step(LOOK_EVERY_MS)
    assert len(world.commands()) == 1
    world.becomes(CommandState.OFFLINE)
    world.step(MINUTE)
    assert len(world.commands()) == 2


def test_a_terminal_that_says_no_is_asked_four_times(world: World) -> None:
    """Then it is refused, and the reason says what it answered."""
    world.alarm()
    world.step()
    for wait_ms in RETRY_MS:
        world.becomes(CommandState.REFUSED, result=3)
        world.step(wait_ms)
    assert world.the_ask().state is AskState.ASKED
    world.becomes(CommandState.REFUSED, result=3)
    world.step(asking.LAST_LOOK_MS)
    ask = world.the_ask()
    assert (ask.state, ask.reason, ask.tries) == (AskState.REFUSED, "the terminal answered 3 not supported", 4)


@pytest.mark.parametrize(
    ("state", "reason"),
    [(CommandState.ANSWERED, "no file came"), (CommandState.OFFLINE, "the terminal was not there")],
)
def test_after_a_day_it_is_given_up(world: World, state: CommandState, reason: str) -> None:
    """As refused when there is nothing of it."""
    world.alarm()
    world.step()
    for _ in range(24 * 4 - 1):
        if world.commands()[-1].state.is_open:
            world.becomes(state)
        world.step(15 * MINUTE)
    assert world.the_ask().state is AskState.ASKED
    world.step(15 * MINUTE)
    ask = world.the_ask()
    assert (ask.state, ask.reason) == (AskState.REFUSED, reason)
    sent = len(world.commands())
    world.login()
    world.step(LOOK_EVERY_MS)
    assert len(world.commands()) == sent


def test_files_that_stop_arriving_are_asked_for_again(world: World) -> None:
    """Half an hour after the last of it; after a day what there is stands as incomplete."""
    world.alarm()
    world.step()
    world.becomes(CommandState.ANSWERED, result=0)
    ask = world.the_ask()
    (file,) = world.desk.announce(ask.ask_id, [FileFacts("00_65_6501_0_x.jpg", 100)], world.now_ms)
    part: dict[str, Any] = {"state": FileState.ARRIVING, "received": ((0, 40),)}
    world.desk.save(replace(file, **part), world.now_ms)
    world.now_ms += 2 * LOGIN_GAP_MS
    world.login()
    world.step(LOOK_EVERY_MS)
    assert len(world.commands()) == 1  # it comes by itself
    world.step(31 * MINUTE)
    assert len(world.commands()) == 2
    world.becomes(CommandState.ANSWERED, result=0)
    for _ in range(24):
        world.step(60 * MINUTE)
        if world.commands()[-1].state.is_open:
            world.becomes(CommandState.ANSWERED, result=0)
    assert world.the_ask().state is AskState.INCOMPLETE


def test_complete_evidence_is_not_asked_for_again(world: World) -> None:
    """Whatever the terminal answered."""
    world.alarm()
    world.step()
    ask = world.the_ask()
    (file,) = world.desk.announce(ask.ask_id, [FileFacts("00_65_6501_0_x.jpg", 10)], world.now_ms)
    done: dict[str, Any] = {
        "state": FileState.COMPLETE,
        "received": ((0, 10),),
        "sha256": "0" * 64,
        "completed_ms": world.now_ms,
    }
    world.desk.save(replace(file, **done), world.now_ms)
    for _ in range(30):
        world.step(60 * MINUTE)
    assert len(world.commands()) == 1
    assert world.the_ask().state is AskState.COMPLETE


def test_a_vehicle_has_so_many_asks_open_and_no_more(tmp_path: Path) -> None:
    """The others wait for their turn, also over a restart; other vehicles do not wait."""
    with closing(World(tmp_path, asks_max=2)) as world:
        for sequence in range(5):
            world.alarm(number(sequence))
        world.alarm(terminal=TWO)
        world.step()
        assert (len(world.commands(ONE)), len(world.commands(TWO))) == (2, 1)

        world.restart()
        world.step(1)
        first = world.commands(ONE)[0]
        world.becomes(CommandState.OFFLINE)
        (ask,) = [ask for ask in world.desk.open_of(ONE) if ask.command_id == first.command_id]
        world.desk.end(ask.ask_id, AskState.REFUSED, "no", world.now_ms)
        world.step(1)
        world.step(1)
        asked = [ask.new.identification for ask, _ in sorted(world.desk.changes(0), key=lambda one: one[0].ask_id)]
        assert asked == [number(0), number(1), number(), number(2)]
        assert len(world.commands(ONE)) == 3


def test_who_waits_keeps_the_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new alarm does not overtake those that wait, and a vehicle that stays full keeps no other one waiting."""
    monkeypatch.setattr(asking, "HELD_TRIED_MAX", 1)
    with closing(World(tmp_path, asks_max=2)) as world:
        for terminal in (ONE, TWO):
            for sequence in range(4):
                world.alarm(number(sequence), terminal)
        world.step()
        for ask in world.desk.open_of(TWO):
            world.desk.end(ask.ask_id, AskState.REFUSED, "no", world.now_ms)
        world.alarm(number(9), TWO)
        world.step(1)
        world.step(1)
        world.step(1)
        world.step(1)
        asked = sorted(
            (ask.ask_id, ask.new.identification) for ask, _ in world.desk.changes(0) if ask.new.terminal == TWO
        )
        assert [told for _, told in asked] == [number(0), number(1), number(2), number(3)]


def test_what_waits_for_its_turn_too_long_is_left(tmp_path: Path) -> None:
    """A day after it was received; nothing else waits behind it."""
    with closing(World(tmp_path, asks_max=1)) as world:
        for sequence in range(3):
            world.alarm(number(sequence))
        world.step()
        world.becomes(CommandState.OFFLINE)
        world.now_ms += GIVE_UP_MS + 1
        world.step()
        world.step(1)
        world.alarm(number(9))
        world.step(1)
        world.step(1)
        assert [ask.new.identification for ask, _ in world.desk.changes(0)] == [number(0), number(9)]
        assert world.store.cursor("asking") == world.store.last_alarm_id()


def test_a_crash_between_bus_and_desk_sends_nothing_twice(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command that is there already is taken for the try that was under way."""
    world.alarm()
    with monkeypatch.context() as patched:
        patched.setattr(world.desk, "sent", _crash)
        with pytest.raises(_CrashError):
            world.step()
    assert (len(world.commands()), world.the_ask().tries) == (1, 0)
    world.restart()
    world.step(5)
    assert (len(world.commands()), world.the_ask().tries) == (1, 1)


def test_a_bus_without_room_is_tried_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute later, and the others are not kept waiting."""
    submit = world.bus.submit

    def full_for_one(new: Any, now_ms: int) -> Command:
        if new.terminal == ONE:
            raise CommandsFull("full")
        return submit(new, now_ms)

    world.alarm()
    world.alarm(terminal=TWO)
    with monkeypatch.context() as patched:
        patched.setattr(world.bus, "submit", full_for_one)
        world.step()
    assert (len(world.commands(ONE)), len(world.commands(TWO))) == (0, 1)
    world.step(MINUTE)
    assert len(world.commands(ONE)) == 1


def test_a_step_does_no_more_than_it_may(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many alarms are spread over steps, and none is lost."""
    monkeypatch.setattr(asking, "NEW_MAX", 3)
    monkeypatch.setattr(asking, "SENDS_MAX", 2)
    for sequence in range(8):
        world.alarm(number(sequence))
    counts = []
    for _ in range(4):
        world.step(1)
        counts.append((sum(world.desk.counts().values()), len(world.commands())))
    assert counts == [(3, 2), (6, 4), (8, 6), (8, 8)]


def test_the_address_ends_with_a_nul_where_the_model_wants_it(world: World) -> None:
    """The profile of a terminal is that of its number, registration or listener (active-safety §4.8)."""
    profile = Profile(address_nul=True)
    world.restart(assignments=Assignments([(Assignment(profile="x", terminals=(ONE,)), profile)]))
    world.alarm()
    world.alarm(terminal=TWO)
    world.step()
    bodies = [bytes.fromhex(str(world.commands(terminal)[0].new.fields["raw"])) for terminal in (ONE, TWO)]
    assert [body[: body[0] + 1] for body in bodies] == [b"\x0d203.0.113.10\0", b"\x0c203.0.113.10"]


def test_every_login_is_told_however_many_there_are(world: World) -> None:
    """A whole fleet that logs in at once takes several looks; one that was connected before others comes later."""
    logins = Logins(world.store)
    assert logins.take(NOW) == []
    terminals = [f"1{n:010}" for n in range(PAGE_ROWS * 2 + 5)]
    ids = world.store.terminal_ids(terminals, NOW)
    opened = [
        SessionOpened(10_000 + n, ids[terminal], NOW + n, "tcp", "", "2013", "auth")
        for n, terminal in enumerate(terminals)
    ]
    late = opened.pop(-3)
    world.store.write(StoreBatch(opened=opened), consumer="pipeline", seq=1)
    told = [login.terminal for _ in range(4) for login in logins.take(NOW + LOOK_EVERY_MS)]
    assert sorted(told) == sorted(set(terminals) - {terminals[-3]})

    world.store.write(StoreBatch(opened=[late]), consumer="pipeline", seq=2)
    assert [login.terminal for login in logins.take(NOW + 2 * LOOK_EVERY_MS)] == [terminals[-3]]
    assert logins.take(NOW + 3 * LOOK_EVERY_MS) == []


def test_numbers_of_other_lengths_are_refused_when_they_are_read() -> None:
    """So `request_body` is never asked for one."""
    new = NewAsk(ONE, "jsatl12:0x64", b"12", NOW, 2)
    with pytest.raises(BodyError):
        request_body(Ask(1, new, "0" * 32, AskState.WAITING, 0, 0, None, NOW, 0, None, 1), HOST, 1, 0)


class _CrashError(Exception):
    """The process ends here."""


def _crash(*_: object) -> None:
    raise _CrashError
