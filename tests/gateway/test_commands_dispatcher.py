"""The dispatcher alone: a real bus in this process, links that only write down what they are given."""

import asyncio
import functools
import time
from collections import Counter as Tally
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import REGISTRY

from jtgate.codecs.edition import Edition
from jtgate.codecs.framing import Frame, FrameReader
from jtgate.codecs.header import Header, parse_header
from jtgate.codecs.profile import AUTO, profile_from
from jtgate.codecs.timebase import now_ms
from jtgate.gateway import commands as dispatching
from jtgate.gateway.commands import Dispatcher
from jtgate.gateway.expected import LISTENED, Expected, Heard, answer_serial, expected
from jtgate.gateway.flights import ENDED_PER_TERMINAL_MAX, Ended, Flight, match_general, timeout_s
from jtgate.gateway.outgoing import Form
from jtgate.gateway.readings import Readings
from jtgate.profiles import Assignments
from jtgate.storage.commands import Command, CommandChange, CommandState, CommandsUnavailable, NewCommand
from jtgate.storage.open import open_commands
from jtgate.storage.rsa_key import PlatformKey


def on_a_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test on an event loop of its own."""

    @functools.wraps(test)
    def run(*arguments: Any, **fixtures: Any) -> None:
        asyncio.run(test(*arguments, **fixtures))

    return run


class Lane:
    """Writes down what goes to a terminal."""

    def __init__(self) -> None:
        self.serial_out = 0
        self.frames: list[tuple[Header, bytes]] = []

    def next_serial(self) -> int:
        """As the real one."""
        serial, self.serial_out = self.serial_out, (self.serial_out + 1) & 0xFFFF
        return serial

    def write(self, data: bytes) -> None:
        """Take what is sent."""
        self.frames += [parse_header(event.payload) for event in FrameReader().feed(data) if isinstance(event, Frame)]


class Hub:
    """As much of a hub as the dispatcher asks."""

    def __init__(self, folder: Path) -> None:
        self.settings = SimpleNamespace(command_retry_seconds=30.0, command_retries=3)
        self.readings = Readings(Assignments(), PlatformKey(folder))
        self.counters = SimpleNamespace(unsent=0, deviations=Tally[str]())
        self.members: dict[str, Any] = {}
        self.commands: Any = None

    def online(self, terminal: str) -> Any:
        """The session of a terminal."""
        return self.members.get(terminal)

    def come(self, terminal: str) -> Lane:
        """A terminal comes online."""
        session = SimpleNamespace(
            terminal=terminal, phone=terminal.rjust(12, "0"), edition=Edition.V2013, protocol_version=0
        )
        link = SimpleNamespace(listener="tcp", lane=Lane())
        self.members[terminal] = SimpleNamespace(session=session, link=link, online_us=now_ms() * 1000)
        self.commands.came_online(terminal)
        lane: Lane = link.lane
        return lane

    def answer(self, terminal: str, header: Header) -> None:
        """0x0001 with result 0."""
        body = header.serial.to_bytes(2) + header.msg_id.to_bytes(2) + b"\0"
        self.commands.heard(self.members[terminal], Heard(Header(0x0001, terminal.rjust(12, "0"), 1), body))


@asynccontextmanager
async def dispatching_in(folder: Path) -> AsyncIterator[tuple[Hub, Any]]:
    """A dispatcher and its bus."""
    hub, bus = Hub(folder), open_commands(folder)
    hub.commands = Dispatcher(hub, bus, lambda _: None)  # type: ignore[arg-type]
    hub.commands.start()
    try:
        yield hub, bus
    finally:
        await hub.commands.stop()


def new(terminal: str, text: str = "x", **options: Any) -> NewCommand:
    """A text message."""
    return NewCommand(terminal, 0x8300, {"flags": 8, "text": text}, "test", now_ms() + 3_600_000, **options)


async def until(true: Any, within_s: float = 10.0) -> None:
    """Wait on the loop."""
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.005)


def counted(name: str, **labels: str) -> float:
    """A metric."""
    return REGISTRY.get_sample_value(f"jtgate_gateway_{name}", labels) or 0.0


@on_a_loop
async def test_nothing_goes_out_before_it_is_in_the_bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the bus refuses the change nothing is sent; afterwards it is, once, and the failure was counted."""
    monkeypatch.setattr(dispatching, "RETRY_S", 0.05)
    failures = counted("command_bus_failures_total")
    async with dispatching_in(tmp_path) as (hub, bus):
        lane = hub.come("1")
        change, broken = bus.change, True

        def refusing(changes: Sequence[CommandChange]) -> set[int]:
            if broken:
                raise CommandsUnavailable("commands.db: locked")
            done: set[int] = change(changes)
            return done

        bus.change = refusing
        command = bus.submit(new("1"), now_ms())
        await asyncio.sleep(0.2)
        assert lane.frames == []
        assert bus.get(command.command_id).state is CommandState.WAITING
        broken = False
        await until(lambda: lane.frames)
        assert bus.get(command.command_id).state is CommandState.SENT
        hub.answer("1", lane.frames[0][0])
        await until(lambda: bus.get(command.command_id).state is CommandState.ANSWERED)
        assert len(lane.frames) == 1
    assert counted("command_bus_failures_total") > failures


@on_a_loop
async def test_one_that_was_cancelled_meanwhile_is_not_sent(tmp_path: Path) -> None:
    """Cancelled between the fetching and the marking: `change` says so."""
    async with dispatching_in(tmp_path) as (hub, bus):
        lane = hub.come("1")
        change = bus.change

        def cancelling(changes: Sequence[CommandChange]) -> set[int]:
            bus.cancel(changes[0].command_id, 1)
            done: set[int] = change(changes)
            return done

        bus.change = cancelling
        command = bus.submit(new("1"), now_ms())
        await asyncio.sleep(0.2)
        assert (lane.frames, bus.get(command.command_id).state) == ([], CommandState.CANCELLED)
        bus.change = change
        bus.submit(new("1", "next"), now_ms())
        await until(lambda: lane.frames)


@on_a_loop
async def test_what_finds_no_room_stays_in_the_bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three can be held; the commands of ten terminals go out as others are answered, each once."""
    monkeypatch.setattr(dispatching, "HELD_MAX", 3)
    async with dispatching_in(tmp_path) as (hub, bus):
        commands = [bus.submit(new(str(number)), now_ms()) for number in range(1, 11)]
        lanes = {str(number): hub.come(str(number)) for number in range(1, 11)}
        await until(lambda: sum(len(lane.frames) for lane in lanes.values()) == 3)
        answered: set[str] = set()
        for _ in range(200):
            for terminal, lane in lanes.items():
                if lane.frames and terminal not in answered:
                    answered.add(terminal)
                    hub.answer(terminal, lane.frames[0][0])
            hub.commands.tick()
            assert len(hub.commands.traffic.held) <= 3
            if len(answered) == 10:
                break
            await asyncio.sleep(0.02)
        await until(lambda: all(not bus.get(command.command_id).state.is_open for command in commands))
        assert [len(lane.frames) for lane in lanes.values()] == [1] * 10
    assert counted("commands_no_room_total") > 0


@on_a_loop
async def test_a_storm_of_reconnects_asks_in_batches(tmp_path: Path) -> None:
    """50,000 terminals within a moment: few queries, the loop stays free, and commands among them go out."""
    async with dispatching_in(tmp_path) as (hub, bus):
        waiting = [bus.submit(new(str(number)), now_ms()) for number in range(1, 50_001, 5000)]
        asked: list[int] = []
        open_of = bus.open_of

        def counting(terminals: Sequence[str], limit: int) -> list[Command]:
            asked.append(len(terminals))
            found: list[Command] = open_of(terminals, limit)
            return found

        bus.open_of = counting
        lanes = [hub.come(str(number)) for number in range(1, 50_001)]
        slowest, started = 0.0, time.monotonic()
        while sum(asked) < 50_000:
            before = time.monotonic()
            await asyncio.sleep(0)
            slowest = max(slowest, time.monotonic() - before)
            assert time.monotonic() < started + 10
        await until(lambda: sum(len(lane.frames) for lane in lanes) == len(waiting))
        assert len(asked) <= 105
        assert slowest < 0.25


@on_a_loop
async def test_endings_are_counted_once(tmp_path: Path) -> None:
    """By state; a late answer that is added counts no second time."""
    before = {state: counted("commands_total", state=state) for state in CommandState}
    async with dispatching_in(tmp_path) as (hub, bus):
        lane = hub.come("1")
        command = bus.submit(new("1"), now_ms())
        offline = bus.submit(new("2", is_queued=False), now_ms())
        await until(lambda: lane.frames and not bus.get(offline.command_id).state.is_open)
        hub.answer("1", lane.frames[0][0])
        hub.answer("1", lane.frames[0][0])
        await until(lambda: not bus.get(command.command_id).state.is_open)
        await asyncio.sleep(0.05)
    after = {state: counted("commands_total", state=state) for state in CommandState}
    assert {state: after[state] - before[state] for state in after if after[state] != before[state]} == {
        CommandState.ANSWERED: 1,
        CommandState.OFFLINE: 1,
    }


# --------------------------------------------------------------------------------------------------- tables


def test_the_time_outs_are_those_of_the_standard() -> None:
    """T(N+1) = T(N) × (N+1), five minutes at most (§10.3)."""
    assert [timeout_s(10, attempts) for attempts in range(1, 7)] == [10, 20, 60, 240, 300, 300]
    assert timeout_s(10, 1000) == 300


@pytest.mark.parametrize(
    ("msg_id", "answers"),
    [
        (0x8300, (True, None)),
        (0x8104, (False, 0x0104)),
        (0x8106, (False, 0x0104)),
        (0x8201, (False, 0x0201)),
        (0x8500, (True, 0x0500)),
        (0x8702, (False, 0x0702)),
        (0x8801, (True, 0x0805)),
        (0x8E12, (False, 0x0E12)),
        (0x9003, (False, 0x1003)),
        (0x9201, (True, 0x1205)),
        (0x9205, (False, 0x1205)),
        (0x8001, (False, None)),
        (0x8800, (False, None)),
        (0xF123, (True, None)),
    ],
)
def test_what_answers_what(msg_id: int, answers: tuple[bool, int | None]) -> None:
    """General answer, message of its own, both, or nothing; everything that answers is listened for."""
    found = expected(msg_id, AUTO)
    assert tuple(found) == answers
    assert found.nothing == (answers == (False, None))
    assert found.specific is None or found.specific in LISTENED


def test_a_terminal_of_2011_sends_no_answer_to_a_picture() -> None:
    """0x0805 came with 2013."""
    old = profile_from("test", {"edition": "2011"})
    assert expected(0x8801, old) == Expected(general=True, specific=None)


def test_serials_of_answers() -> None:
    """They stand in front, where the message has one; 0x0107 and the 0x0201 of 2011 have none."""
    header = Header(0x0104, "013912345678", 1)
    assert answer_serial(Heard(header, b"\x12\x34\x00"), b"\x12\x34\x00", AUTO) == 0x1234
    header = Header(0x0107, "013912345678", 1)
    assert answer_serial(Heard(header, bytes(50)), bytes(50), AUTO) is None
    header = Header(0x0104, "013912345678", 1)
    assert answer_serial(Heard(header, b"\x12"), b"\x12", AUTO) is None


def flight(command_id: int, serial: int, count: int = 1) -> Flight:
    """A text message that is out."""
    form = Form("013912345678", Edition.V2013, 0, AUTO)
    return Flight(
        *(command_id, "1", 0x8300, 0, True, form, Expected(general=True, specific=None)),
        serial=serial,
        serial_count=count,
        attempts=1,
    )


def test_a_range_of_serials_goes_round() -> None:
    """Parts 65535, 0 and 1 are of one command."""
    one, other = flight(1, 65535, 3), flight(2, 2)
    assert [match_general([one, other], 0x8300, serial)[0] for serial in (65535, 0, 1, 2)] == [one, one, one, other]
    assert match_general([one, other], 0x8300, 3) == (None, False)
    assert match_general([one], 0x8300, 3) == (one, True)
    assert one.overlaps(65530, 6)
    assert one.overlaps(1, 1)
    assert not one.overlaps(2, 10)


def test_few_ended_commands_are_remembered_of_a_terminal() -> None:
    """The oldest are forgotten."""
    ended = Ended()
    for number in range(ENDED_PER_TERMINAL_MAX + 5):
        ended.add(flight(number, number))
    assert [one.command_id for one in ended.of("1")] == list(range(ENDED_PER_TERMINAL_MAX + 4, 4, -1))
