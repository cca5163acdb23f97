"""The scenarios for terminals against a little terminal that is right, and then wrong in one thing at a time."""

import asyncio
import gc
import socket
from collections import Counter

import pytest
from wrong_terminal import FAULTS, PHONE, SECOND_S, WrongTerminal

from jtgate.codecs.edition import Edition
from jtgate.conformance.play import Patience, Unreachable
from jtgate.conformance.report import Report, Status, Verdict
from jtgate.conformance.scenario import Role, Severity, load
from jtgate.conformance.terminal import Bench, TerminalOptions, run, stop_listening

#: All of them share what is played once, so they belong on one worker.
pytestmark = pytest.mark.xdist_group("conformance_terminal")

SCENARIOS = {scenario.id: scenario for scenario in load(Role.TERMINAL)}
FAST = Patience(answer_s=0.5, scale=SECOND_S)
PATIENT = Patience(answer_s=3.0, scale=SECOND_S)
#: Wrong terminals tested at a time.
AT_A_TIME = 30


async def play(edition: Edition, fault: str = "", ids: tuple[str, ...] = (), **changes: object) -> Report:
    """Play scenarios against a terminal."""
    tasks: list[asyncio.Task[None]] = []

    def start(where: str) -> None:
        terminal = WrongTerminal(int(where.rpartition(":")[2]), edition, fault)
        tasks.append(asyncio.create_task(terminal.live(), name="wrong terminal"))

    chosen = tuple(SCENARIOS[name] for name in ids) or tuple(SCENARIOS.values())
    values = {"edition": edition, "wait_s": 2.0, "patience": FAST, **changes}
    options = TerminalOptions("127.0.0.1", 0, chosen, **values)  # type: ignore[arg-type]
    try:
        return await run(options, "test", lambda _done, _total, _result: None, start)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture(scope="module")
def right() -> dict[Edition, Report]:
    """What the kit says of a right terminal of each edition."""

    async def one(edition: Edition) -> Report:
        """Its seconds are short, so on a busy machine it may be late: what failed has a second chance."""
        report = await play(edition, patience=PATIENT)
        late = {result.scenario.id for result in report.failures}
        if late:
            again = await play(edition, ids=tuple(late), patience=PATIENT)
            report.results = [r for r in report.results if r.scenario.id not in late] + again.results
        return report

    async def all_of_them() -> list[Report]:
        return await asyncio.gather(*(one(edition) for edition in Edition))

    return dict(zip(Edition, asyncio.run(all_of_them()), strict=True))


@pytest.fixture(scope="module")
def reports() -> dict[str, Report]:
    """What the kit says of every wrong terminal."""
    gate = asyncio.Semaphore(AT_A_TIME)

    async def test(name: str) -> tuple[str, Report]:
        fault = FAULTS[name]
        async with gate:
            return name, await play(Edition(fault.edition), name, fault.scenarios)

    async def all_of_them() -> dict[str, Report]:
        return dict(await asyncio.gather(*(test(name) for name in FAULTS)))

    return asyncio.run(all_of_them())


@pytest.mark.parametrize("edition", list(Edition))
def test_a_right_terminal_passes_everything(right: dict[Edition, Report], edition: Edition) -> None:
    """Every scenario of its edition."""
    report = right[edition]
    problems = "\n".join(f"{r.scenario.id}: {r.status} {r.problem}" for r in report.failures)

    assert problems == ""
    assert report.verdict is Verdict.PASS
    assert {r.scenario.id for r in report.results} == {s.id for s in SCENARIOS.values() if edition in s.editions}
    assert [r.scenario.id for r in report.results if r.status is Status.SKIPPED] == []


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_caught_by_the_scenario_of_its_rule(reports: dict[str, Report], name: str) -> None:
    """It does not pass, and the report says what was expected and shows the bytes."""
    report = reports[name]
    missed = [result.scenario.id for result in report.results if result.status in (Status.PASS, Status.SKIPPED)]

    assert {result.scenario.id for result in report.results} == set(FAULTS[name].scenarios)
    assert not missed
    assert all(result.problem for result in report.results)


def test_every_scenario_can_fail() -> None:
    """There is a fault for each one that is scored."""
    scored = {name for name, scenario in SCENARIOS.items() if scenario.severity is not Severity.INFO}
    caught = Counter(name for fault in FAULTS.values() for name in fault.scenarios)

    assert scored - set(caught) == set()
    assert set(caught) - scored == set()


def test_parameters_are_set_back() -> None:
    """What a scenario changed is as it was before."""
    terminals: list[WrongTerminal] = []

    async def check() -> Report:
        tasks: list[asyncio.Task[None]] = []

        def start(where: str) -> None:
            terminals.append(WrongTerminal(int(where.rpartition(":")[2]), Edition.V2019))
            tasks.append(asyncio.create_task(terminals[0].live(), name="terminal"))

        ids = ("commands.set-parameters", "reports.interval", "delivery.resend")
        options = TerminalOptions("127.0.0.1", 0, tuple(SCENARIOS[name] for name in ids), wait_s=2.0, patience=FAST)
        report = await run(options, "test", lambda _done, _total, _result: None, start)
        for task in tasks:
            task.cancel()
        return report

    report = asyncio.run(check())

    assert report.verdict is Verdict.PASS
    assert terminals[0].parameters == WrongTerminal(0, Edition.V2019).parameters


def test_without_a_terminal_there_is_no_verdict() -> None:
    """Nobody comes; somebody else comes; it comes and never logs in."""
    with pytest.raises(Unreachable, match="no terminal connected"):
        asyncio.run(play(Edition.V2013, phone="13999999999", wait_s=0.4))
    with pytest.raises(Unreachable, match=f"{PHONE} connected to .* and did not log in"):
        asyncio.run(play(Edition.V2013, "never_logs_in", wait_s=0.4))


def test_who_comes_while_the_kit_leaves_is_hung_up_on() -> None:
    """A connection that is being accepted when the listener closes is closed, not forgotten."""

    async def check() -> bytes:
        loop = asyncio.get_running_loop()
        bench = Bench()
        server = await loop.create_server(bench.accept, "127.0.0.1", 0)
        with socket.create_connection(server.sockets[0].getsockname()) as late:
            for _ in range(2):  # the loop takes it off the listener, and has not made a connection of it yet
                await asyncio.sleep(0)
            await stop_listening(server)
            bench.close()
            late.setblocking(False)
            return await asyncio.wait_for(loop.sock_recv(late, 1), 5)

    assert asyncio.run(check()) == b""
    gc.collect()
