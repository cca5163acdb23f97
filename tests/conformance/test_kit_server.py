"""The scenarios for platforms against a little platform that is right, and then wrong in one thing at a time."""

import asyncio
from collections import Counter

import pytest
from wrong_server import FAULTS, WrongServer

from jtgate.codecs.edition import Edition
from jtgate.conformance.play import Patience, Unreachable
from jtgate.conformance.report import Report, Status, Verdict
from jtgate.conformance.scenario import Role, Severity, load
from jtgate.conformance.server import ServerOptions, run

#: All of them share what is played once, so they belong on one worker.
pytestmark = pytest.mark.xdist_group("conformance_server")

SCENARIOS = {scenario.id: scenario for scenario in load(Role.SERVER)}
#: Everything ten times as fast; an answer that takes half a second does not come.
FAST = Patience(answer_s=0.5, scale=0.1)
#: Who answers rightly is not hurried: the machine may be busy.
PATIENT = Patience(answer_s=3.0, scale=0.1)
#: Wrong platforms tested at a time.
AT_A_TIME = 12


async def play(server: WrongServer, ids: tuple[str, ...] = (), **changes: object) -> Report:
    """Play scenarios against a server."""
    chosen = tuple(SCENARIOS[name] for name in ids) or tuple(SCENARIOS.values())
    values = {"policy": "strict", "probe_udp": False, "patience": FAST, **changes}
    options = ServerOptions("127.0.0.1", server.port, chosen, **values)  # type: ignore[arg-type]
    return await run(options, "test", lambda _done, _total, _result: None)


def problems(report: Report) -> list[str]:
    """What did not pass, in a form that can be read in a failed test."""
    return [
        f"{r.scenario.id} {r.edition} {r.transport}: {r.status} {r.problem}"
        for r in report.results
        if r.status is not Status.PASS and r.severity is not Severity.INFO
    ]


def test_a_right_platform_passes_everything() -> None:
    """Every scenario, in every edition and over both transports."""

    async def check() -> Report:
        async with WrongServer() as server:
            return await play(server, patience=PATIENT)

    report = asyncio.run(check())

    assert problems(report) == []
    assert report.verdict is Verdict.PASS
    assert {(r.edition, r.transport) for r in report.results} == {(e, t) for e in Edition for t in ("tcp", "udp")}
    assert len({r.scenario.id for r in report.results}) == len(SCENARIOS)


@pytest.fixture(scope="module")
def reports() -> dict[str, Report]:
    """What the kit says of every wrong platform."""
    gate = asyncio.Semaphore(AT_A_TIME)

    async def test(name: str) -> tuple[str, Report]:
        fault = FAULTS[name]
        async with gate, WrongServer(name) as server:
            report = await play(
                server, fault.scenarios, editions=(Edition(fault.edition),), transports=(fault.transport,)
            )
            return name, report

    async def all_of_them() -> dict[str, Report]:
        return dict(await asyncio.gather(*(test(name) for name in FAULTS)))

    return asyncio.run(all_of_them())


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_caught_by_the_scenario_of_its_rule(reports: dict[str, Report], name: str) -> None:
    """It does not pass, and the report says what was expected and shows the bytes."""
    report = reports[name]
    missed = [result.scenario.id for result in report.results if result.status is Status.PASS]

    assert {result.scenario.id for result in report.results} == set(FAULTS[name].scenarios)
    assert not missed
    assert all(result.problem and result.trace for result in report.results)


def test_every_scenario_can_fail() -> None:
    """There is a fault for each one that is scored."""
    scored = {name for name, scenario in SCENARIOS.items() if scenario.severity is not Severity.INFO}
    caught = Counter(name for fault in FAULTS.values() for name in fault.scenarios)

    assert scored - set(caught) == set()
    assert set(caught) - scored == set()


def test_nobody_there_is_no_verdict() -> None:
    """Neither over TCP nor over UDP."""

    async def check() -> None:
        async with WrongServer("no_udp") as server:
            with pytest.raises(Unreachable, match="over UDP"):
                await play(server, ("session.register",), transports=("udp",))
            port = server.port
        server.port = port
        with pytest.raises(Unreachable, match="refused"):
            await play(server, ("session.register",))

    asyncio.run(check())


def test_a_platform_without_udp_is_scored_over_tcp() -> None:
    """The report says that UDP was left out."""

    async def check() -> Report:
        async with WrongServer("no_udp") as server:
            return await play(server, ("session.register", "udp.garbage"), probe_udp=True)

    report = asyncio.run(check())

    assert {(r.scenario.id, r.transport) for r in report.results} == {("session.register", "tcp")}
    assert report.verdict is Verdict.PASS
    assert "UDP" in report.notes[0]


def test_with_given_phones_only_those_are_used() -> None:
    """Scenarios with more terminals than were named are skipped, and say so."""

    async def check() -> tuple[Report, WrongServer]:
        async with WrongServer() as server:
            ids = ("delivery.resend", "delivery.two-terminals", "answers.location")
            return await play(server, ids, phones=("13800000001",), transports=("tcp",)), server

    report, server = asyncio.run(check())

    assert {r.scenario.id: r.status for r in report.results} == {
        "delivery.resend": Status.PASS,
        "delivery.two-terminals": Status.SKIPPED,
        "answers.location": Status.PASS,
    }
    assert set(server.state.codes) == {"13800000001"}
    assert "--phone" in next(r.problem for r in report.results if r.status is Status.SKIPPED)


def test_an_open_policy_is_an_observation() -> None:
    """A platform that takes any code is told so, and loses no points for it."""

    async def check(policy: str) -> Report:
        async with WrongServer("any_code") as server:
            return await play(
                server, ("session.wrong-code", "session.authenticate"), policy=policy, transports=("tcp",)
            )

    auto, declared = asyncio.run(check("auto")), asyncio.run(check("open"))

    assert {r.severity for r in auto.results if r.scenario.id == "session.wrong-code"} == {Severity.INFO}
    assert auto.verdict is Verdict.PASS
    assert {r.status for r in declared.results if r.scenario.id == "session.wrong-code"} == {Status.SKIPPED}
