"""The command bus: every promise of the interface, on every back end there is."""

import multiprocessing
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from jtgate.storage import commands as bus_interface
from jtgate.storage.commands import (
    ANSWER_BYTES_MAX,
    FIELDS_BYTES_MAX,
    KEY_LENGTH_MAX,
    OPEN_PER_TERMINAL_MAX,
    Command,
    CommandBus,
    CommandChange,
    CommandConflict,
    CommandError,
    CommandsFull,
    CommandState,
    CommandsUnavailable,
    CommandTooLong,
    NewCommand,
    UnknownCommand,
)
from jtgate.storage.open import open_commands
from jtgate.storage.sqlite import commands as sqlite_bus

NOW = 1_790_000_000_000
ONE, TWO = "13800138000", "13900139000"
TEXT = NewCommand(ONE, 0x8300, {"flags": 1, "text": "前方限速60"}, "tests", NOW + 60_000)
SENT, ANSWERED, WAITING = CommandState.SENT, CommandState.ANSWERED, CommandState.WAITING

#: Makes a bus over a folder; a further back end is a further line.
BACK_ENDS: dict[str, Callable[[Path], CommandBus]] = {"sqlite": open_commands}
OpenBus = Callable[[], CommandBus]


@pytest.fixture(params=BACK_ENDS)
def open_bus(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenBus]:
    """Opens the same bus again and again; all are closed at the end."""
    opened: list[CommandBus] = []

    def make() -> CommandBus:
        opened.append(BACK_ENDS[request.param](tmp_path))
        return opened[-1]

    yield make
    for bus in opened:
        bus.close()


@pytest.fixture
def bus(open_bus: OpenBus) -> CommandBus:
    """One of them."""
    return open_bus()


def sent(command: Command, **more: Any) -> CommandChange:
    """It goes out."""
    told: dict[str, Any] = {"edition": "2013", "attempts": 1, "serial": 7, "frames": (b"~\x83\x00~",)} | more
    return CommandChange(command.command_id, NOW + 1, SENT, **told)


def ended(command: Command, state: CommandState = ANSWERED, **more: Any) -> CommandChange:
    """It is over."""
    return CommandChange(command.command_id, NOW + 2, state, **more)


def test_a_command_comes_back_as_it_was_submitted(bus: CommandBus, open_bus: OpenBus) -> None:
    """To everybody, with an id that rises."""
    new = replace(TEXT, is_queued=False, is_encrypted=True, idempotency_key="k")
    first, second = bus.submit(new, NOW), bus.submit(replace(TEXT, terminal=TWO), NOW + 1)

    assert second.command_id > first.command_id
    assert (first.new, first.created_ms, first.state) == (new, NOW, WAITING)
    assert open_bus().get(first.command_id) == first
    with pytest.raises(UnknownCommand):
        bus.get(second.command_id + 1)


def test_the_same_key_is_the_same_command(bus: CommandBus) -> None:
    """Of the same asker, whatever became of it; another command under that key is refused."""
    keyed = replace(TEXT, idempotency_key="once")
    first = bus.submit(keyed, NOW)
    bus.change([sent(first), ended(first, result=0)])

    again = bus.submit(replace(keyed, expires_ms=NOW + 90_000), NOW + 5)
    other = bus.submit(replace(keyed, asked_by="somebody else"), NOW)

    assert (again.command_id, again.state) == (first.command_id, ANSWERED)
    assert other.command_id != first.command_id
    for changed in ({"fields": {"flags": 1, "text": "x"}}, {"terminal": TWO}, {"msg_id": 0x8301}):
        with pytest.raises(CommandConflict):
            bus.submit(replace(keyed, **changed), NOW)  # type: ignore[arg-type]


def test_many_at_once_with_one_key_make_one_command(open_bus: OpenBus) -> None:
    """Threads with buses of their own, and threads that share one."""
    buses = [open_bus() for _ in range(4)]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda n: buses[n % 4].submit(replace(TEXT, idempotency_key="k"), NOW + n), range(40)))
    assert len({command.command_id for command in found}) == 1


def test_limits_are_told_and_nothing_is_taken(bus: CommandBus, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one terminal, of all, of the fields and of the key."""
    for _ in range(OPEN_PER_TERMINAL_MAX):
        bus.submit(TEXT, NOW)
    with pytest.raises(CommandsFull):
        bus.submit(TEXT, NOW)
    other = bus.submit(replace(TEXT, terminal=TWO), NOW)
    monkeypatch.setattr(sqlite_bus, "OPEN_MAX", OPEN_PER_TERMINAL_MAX + 1)
    with pytest.raises(CommandsFull):
        bus.submit(replace(TEXT, terminal=TWO), NOW)
    bus.cancel(other.command_id, NOW)
    bus.submit(replace(TEXT, terminal=TWO), NOW)
    with pytest.raises(CommandTooLong):
        bus.submit(replace(TEXT, terminal="1", fields={"text": "x" * FIELDS_BYTES_MAX}), NOW)
    with pytest.raises(CommandTooLong):
        bus.submit(replace(TEXT, terminal="1", idempotency_key="x" * (KEY_LENGTH_MAX + 1)), NOW)
    assert bus.counts() == {WAITING: OPEN_PER_TERMINAL_MAX + 1, CommandState.CANCELLED: 1}


def test_a_command_goes_out_and_is_answered(bus: CommandBus, open_bus: OpenBus) -> None:
    """What was sent is kept while it is open; the answer stays."""
    command = bus.submit(TEXT, NOW)
    assert bus.change([sent(command)]) == set()
    out = open_bus().get(command.command_id)
    assert (out.state, out.sent_ms, out.serial, out.attempts, out.edition) == (SENT, NOW + 1, 7, 1, "2013")
    assert out.frames == (b"~\x83\x00~",)

    assert bus.change([sent(command, attempts=2, frames=None, serial=None, edition=None)]) == set()
    assert bus.change([ended(command, result=0, answer_id=0x0104, answer={"count": 2, "text": "好"})]) == set()
    done = open_bus().get(command.command_id)
    assert (done.state, done.sent_ms, done.finished_ms, done.attempts) == (ANSWERED, NOW + 1, NOW + 2, 2)
    assert (done.result, done.answer_id, done.answer, done.frames) == (0, 0x0104, {"count": 2, "text": "好"}, ())


def test_what_has_ended_changes_no_more_but_an_answer_may_be_added(bus: CommandBus) -> None:
    """Whoever comes too late is told."""
    command = bus.submit(TEXT, NOW)
    bus.cancel(command.command_id, NOW + 1)
    assert bus.change([sent(command)]) == {command.command_id}
    assert bus.change([ended(command)]) == {command.command_id}
    late = ended(command, answer_id=0x0805, answer={"ids": [1]})
    assert bus.change([late]) == set()
    assert bus.change([ended(command, answer_id=0x0805, answer={"ids": [2]})]) == {command.command_id}
    found = bus.get(command.command_id)
    assert (found.state, found.answer_id, found.answer) == (CommandState.CANCELLED, 0x0805, {"ids": [1]})


def test_changes_are_one_transaction(bus: CommandBus) -> None:
    """One that cannot be written leaves none."""
    command = bus.submit(TEXT, NOW)
    with pytest.raises((CommandError, TypeError)):
        bus.change([sent(command), ended(command, answer={"what": object()})])
    assert bus.get(command.command_id).state is WAITING


def test_an_answer_that_is_too_long_is_shortened(bus: CommandBus) -> None:
    """It never keeps a command open."""
    command = bus.submit(TEXT, NOW)
    answer = {"count": 300_000, "items": [{"id": number, "name": "n" * 10} for number in range(300_000)]}
    bus.change([ended(command, answer_id=0x0802, answer=answer, error="odd")])
    found = bus.get(command.command_id)
    assert found.answer is not None
    assert found.answer["count"] == 300_000
    assert 1 <= len(found.answer["items"]) < 300_000  # type: ignore[arg-type]
    assert found.error == "odd; the answer was too long to be kept whole"
    assert len(str(found.answer)) < 2 * ANSWER_BYTES_MAX


def test_lists_by_terminal_state_and_time(bus: CommandBus) -> None:
    """Newest first, page by page."""
    made = [bus.submit(replace(TEXT, terminal=(ONE, TWO)[n % 2]), NOW + n) for n in range(10)]
    bus.change([ended(command) for command in made[:4]])

    def numbers(**how: Any) -> list[int]:
        return [made.index(next(c for c in made if c.command_id == one.command_id)) for one in bus.find(**how)]

    assert numbers() == list(range(9, -1, -1))
    assert numbers(terminals=[TWO]) == [9, 7, 5, 3, 1]
    assert numbers(terminals=[]) == []
    assert numbers(states=[WAITING], terminals=[ONE, "5"]) == [8, 6, 4]
    assert numbers(from_ms=NOW + 2, to_ms=NOW + 5) == [4, 3, 2]
    assert numbers(limit=3) == [9, 8, 7]
    assert numbers(before_id=made[7].command_id, limit=2) == [6, 5]


def test_a_gateway_hears_of_what_is_new_and_asks_for_the_rest(bus: CommandBus, open_bus: OpenBus) -> None:
    """Submissions and cancellations, in order and once; what was there before is asked for by terminal."""
    before = [bus.submit(TEXT, NOW), bus.submit(replace(TEXT, terminal=TWO), NOW)]
    gateway = open_bus()
    assert gateway.arrivals() == []
    assert [one.command_id for one in gateway.open_of([ONE, TWO])] == [one.command_id for one in before]
    assert [one.command_id for one in gateway.open_of([TWO, "5"])] == [before[1].command_id]

    new = bus.submit(TEXT, NOW)
    gone = bus.submit(TEXT, NOW)
    bus.change([ended(gone)])
    bus.cancel(before[0].command_id, NOW)
    heard = gateway.arrivals()
    assert [(one.command_id, one.state) for one in heard] == [
        (new.command_id, WAITING),
        (before[0].command_id, CommandState.CANCELLED),
    ]
    assert gateway.arrivals() == []
    more = [bus.submit(TEXT, NOW).command_id for _ in range(5)]
    assert [one.command_id for one in gateway.arrivals(3)] == more[:3]
    assert [one.command_id for one in gateway.arrivals(3)] == more[3:]
    assert len(gateway.open_of([ONE], limit=2)) == 2


def test_what_expires_ends_in_pieces(bus: CommandBus) -> None:
    """Whether it waits or is out; what has ended stays as it was."""
    made = [bus.submit(replace(TEXT, expires_ms=NOW + n), NOW) for n in range(10)]
    bus.change([sent(made[1]), ended(made[2])])
    assert bus.expire(NOW + 5, limit=3) == 3
    assert bus.expire(NOW + 5, limit=3) == 2
    assert bus.expire(NOW + 5) == 0
    states = [bus.get(one.command_id).state for one in made]
    assert states == [*[CommandState.EXPIRED] * 2, ANSWERED, *[CommandState.EXPIRED] * 3, *[WAITING] * 4]
    assert bus.change([sent(made[0])]) == {made[0].command_id}


def test_history_is_trimmed_and_what_is_open_stays(bus: CommandBus) -> None:
    """By age, a bounded number at a time."""
    made = [bus.submit(TEXT, NOW) for _ in range(10)]
    bus.change([ended(one) for one in made[:6]])
    assert bus.trim(NOW + 2) == 0
    assert bus.trim(NOW + 3, limit=4) == 4
    assert bus.trim(NOW + 10**9) == 2
    assert [one.command_id for one in bus.find()] == [one.command_id for one in made[:5:-1]]


def test_watchers_hear_of_every_change(bus: CommandBus, open_bus: OpenBus) -> None:
    """Of submissions, changes and cancellations by others, soon; not after close."""
    rung = threading.Event()
    watch = open_bus().watch(rung.set)
    command = bus.submit(TEXT, NOW)
    for change in (
        lambda: bus.submit(TEXT, NOW),
        lambda: bus.change([sent(command)]),
        lambda: bus.cancel(command.command_id, NOW),
    ):
        assert rung.wait(5)
        time.sleep(0.05)
        rung.clear()
        change()
    assert rung.wait(5)
    watch.close()
    watch.close()
    rung.clear()
    bus.submit(TEXT, NOW)
    assert not rung.wait(0.4)


def _answer_all(data: Path, ready: Any) -> None:
    bus = open_commands(data)
    rung = threading.Event()
    bus.watch(rung.set)
    ready.set()
    while True:
        rung.wait(5)
        rung.clear()
        bus.change([ended(one) for one in bus.arrivals()])


def test_two_processes_hear_of_each_other_within_milliseconds(tmp_path: Path) -> None:
    """From submission in one to the answer of the other and back."""
    bus = open_commands(tmp_path)
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=_answer_all, args=(tmp_path, ready), daemon=True)
    process.start()
    try:
        assert ready.wait(30)
        rung = threading.Event()
        watch = bus.watch(rung.set)
        took_s = []
        for _ in range(40):
            began = time.monotonic()
            command = bus.submit(TEXT, NOW)
            while bus.get(command.command_id).state.is_open:
                assert rung.wait(10)
                rung.clear()
            took_s.append(time.monotonic() - began)
        watch.close()
    finally:
        process.kill()
        process.join()
        bus.close()
    assert sorted(took_s)[20] < 0.2, "looking by itself alone would take a quarter of a second, twice"


SUBMIT = """
import sys
from pathlib import Path
from jtgate.storage.commands import NewCommand
from jtgate.storage.open import open_commands
bus = open_commands(Path(sys.argv[1]))
for number in range(100_000):
    new = NewCommand(str(number % 500), 0x8300, {}, "t", 2_000_000_000_000, idempotency_key=str(number))
    print(bus.submit(new, number).command_id, flush=True)
"""


def test_what_was_taken_survives_the_end_of_who_took_it(tmp_path: Path) -> None:
    """SIGKILL in the middle: every id that was given back is there, and the bus goes on."""
    with subprocess.Popen([sys.executable, "-c", SUBMIT, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        given = [int(process.stdout.readline()) for _ in range(1000)]
        process.send_signal(signal.SIGKILL)
        given += [int(line) for line in process.stdout.read().splitlines()]
    bus = open_commands(tmp_path)
    found = {one.command_id for one in bus.find(limit=200_000)}
    again = bus.submit(NewCommand("0", 0x8300, {}, "t", 2_000_000_000_000, idempotency_key="0"), 0)
    bus.close()
    assert set(given) <= found
    assert again.command_id == given[0]


def test_a_later_release_is_not_touched(tmp_path: Path) -> None:
    """Its file is refused in a sentence."""
    bus = open_commands(tmp_path)
    with bus._db.locked() as connection:  # type: ignore[attr-defined]
        connection.execute("PRAGMA user_version = 99")
    bus.close()
    with pytest.raises(CommandError, match="schema version 99"):
        open_commands(tmp_path)


def test_a_disk_that_takes_nothing_is_unavailable(tmp_path: Path) -> None:
    """In a process of its own, whose files may not grow; what was there can still be read."""
    bus = open_commands(tmp_path)
    command = bus.submit(TEXT, NOW)
    bus.close()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            limited = open_commands(tmp_path)
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            size = (tmp_path / "commands.db").stat().st_size
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
            try:
                for _ in range(3000):
                    limited.submit(replace(TEXT, terminal=str(_)), NOW)
            except CommandsUnavailable:
                code = 0 if limited.get(command.command_id) == command else 2
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert open_commands(tmp_path).get(command.command_id) == command


class BusAgainstModel(RuleBasedStateMachine):
    """Random doings on a bus and on a dictionary."""

    @initialize()
    def start(self) -> None:
        """An empty bus in memory."""
        self.folder = Path(os.environ.get("TMPDIR", "/tmp")) / f"bus-{os.getpid()}-{time.monotonic_ns()}"
        self.bus = open_commands(self.folder)
        self.gateway = open_commands(self.folder)
        self.model: dict[int, CommandState] = {}
        self.expires: dict[int, int] = {}
        self.heard: list[int] = []

    @rule(terminal=st.sampled_from([ONE, TWO]), after=st.integers(0, 20))
    def submit(self, terminal: str, after: int) -> None:
        """A new one."""
        command = self.bus.submit(replace(TEXT, terminal=terminal, expires_ms=NOW + after), NOW)
        self.model[command.command_id] = WAITING
        self.expires[command.command_id] = NOW + after
        self.heard.append(command.command_id)

    @rule(data=st.data(), state=st.sampled_from(list(CommandState)))
    def change(self, data: st.DataObject, state: CommandState) -> None:
        """Some of them at once."""
        ids = data.draw(st.lists(st.sampled_from(sorted(self.model)), unique=True)) if self.model else []
        late = self.bus.change([CommandChange(one, NOW, state) for one in ids])
        assert late == {one for one in ids if not self.model[one].is_open}
        self.model |= {one: state for one in ids if self.model[one].is_open}

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        """One of them."""
        if self.model:
            one = data.draw(st.sampled_from(sorted(self.model)))
            if self.model[one].is_open:
                self.model[one] = CommandState.CANCELLED
                self.heard.append(one)
            assert self.bus.cancel(one, NOW).state is self.model[one]

    @rule(after=st.integers(0, 20))
    def expire(self, after: int) -> None:
        """What is due."""
        due = [one for one, state in self.model.items() if state.is_open and self.expires[one] <= NOW + after]
        assert self.bus.expire(NOW + after) == len(due)
        self.model |= dict.fromkeys(due, CommandState.EXPIRED)

    @rule()
    def hear(self) -> None:
        """What is new since the last time and still matters, in the order of what happened to it last."""
        heard, self.heard = self.heard, []
        last = [one for at, one in enumerate(heard) if one not in heard[at + 1 :]]
        wanted = [one for one in last if self.model[one].is_open or self.model[one] is CommandState.CANCELLED]
        found = [one.command_id for one in self.gateway.arrivals()]
        assert [one for one in found if one in wanted] == wanted
        assert all(self.model[one].is_open or self.model[one] is CommandState.CANCELLED for one in found)

    @invariant()
    def agree(self) -> None:
        """Both know the same."""
        if not hasattr(self, "model"):
            return
        assert {one.command_id: one.state for one in self.bus.find(limit=10_000)} == self.model
        open_ids = {one for one, state in self.model.items() if state.is_open}
        assert {one.command_id for one in self.gateway.open_of([ONE, TWO])} == open_ids

    def teardown(self) -> None:
        """Remove the folder."""
        self.bus.close()
        self.gateway.close()
        shutil.rmtree(self.folder)


TestBusAgainstModel = BusAgainstModel.TestCase
TestBusAgainstModel.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)


def test_the_interface_says_what_is_open() -> None:
    """Two states, and no other."""
    assert [state for state in CommandState if state.is_open] == [WAITING, SENT]
    assert issubclass(CommandsUnavailable, bus_interface.CommandError)
