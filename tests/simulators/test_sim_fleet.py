"""Fleets over real sockets against a small platform in the same process."""

import asyncio
import json
import resource
import socket
from itertools import pairwise
from pathlib import Path

import pytest
from tiny_platform import Seen, TinyPlatform, TinyServer

from jtgate.codecs.edition import Edition
from jtgate.codecs.fingerprint import fingerprint
from jtgate.simulators import faults, links, terminal
from jtgate.simulators.faults import FaultPlan
from jtgate.simulators.fleet import Fleet, FleetError, FleetOptions
from jtgate.simulators.rules import Rules


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses that a person would not notice take too much of a test."""
    monkeypatch.setattr(faults, "DAMAGE_RESEND_S", 0.3)
    monkeypatch.setattr(terminal, "BACKOFF_S", (0.3, 2.0))


def options(port: int, **changes: object) -> FleetOptions:
    """A short, busy run."""
    rules = changes.pop("rules", None) or Rules(interval_s=0.5, answer_wait_s=2.0)
    values: dict[str, object] = {"port": port, "terminals": 50, "duration_s": 2.5, "ramp": 500.0, "rules": rules}
    return FleetOptions(**(values | changes))  # type: ignore[arg-type]


def run(server: TinyServer | None = None, **changes: object) -> tuple[Fleet, TinyServer]:
    """Run a fleet against a platform."""

    async def live() -> tuple[Fleet, TinyServer]:
        async with server or TinyServer() as platform:
            fleet = Fleet(options(platform.port, **changes))
            await fleet.run()
            return fleet, platform

    return asyncio.run(live())


def test_fifty_terminals_leave_nothing_unanswered() -> None:
    """Five seconds over TCP: all online, every frame sent is seen and answered, no more and no fewer."""
    fleet, platform = run(duration_s=5.0)
    tally = fleet.tally

    assert not fleet.failed
    assert (tally.connected, tally.registered, tally.authenticated) == (50, 50, 50)
    assert tally.sent[0x0200] >= 50 * 8
    assert tally.answered == tally.sent == platform.count()
    assert tally.unanswered.total() == tally.resent.total() == 0
    assert tally.latency.total == tally.answered.total()
    assert tally.disconnects == {"end of run": 50}
    assert {seen.header.edition for seen in platform.seen} == {Edition.V2013, Edition.V2019}
    assert len({seen.header.terminal for seen in platform.seen}) == 50


def test_all_faults_at_once_lose_nothing() -> None:
    """Faults, network losses, storms and pictures: every position made is acknowledged in the end."""
    rules = Rules(
        interval_s=0.5,
        answer_wait_s=2.0,
        alarm_rate=0.2,
        blind_rate=0.02,
        media_rate=0.02,
        faults=FaultPlan.parse("all:0.05,drip:0.005,storm:0.2"),
    )
    fleet, platform = run(rules=rules)
    tally = fleet.tally

    assert not fleet.failed
    assert len(tally.faults) >= 8
    assert tally.disconnects["network lost (simulated)"] > 2
    assert tally.disconnects["storm (simulated)"] > 3
    assert tally.answers_to_damaged == 0
    assert sum(platform_.bad for platform_ in platform.platforms) >= tally.faults["checksum"]
    sent = tally.sent
    ends = tally.answered + tally.unanswered + tally.carried_over + tally.abandoned
    assert ends == sent


def test_a_fleet_speaks_udp() -> None:
    """One socket for each terminal, each piece a datagram, faults that make sense there included."""
    rules = Rules(interval_s=0.5, answer_wait_s=2.0, faults=FaultPlan.parse("all:0.05", datagrams=True))
    fleet, platform = run(datagrams=True, rules=rules, terminals=20, duration_s=2.0)

    assert not fleet.failed
    assert fleet.tally.authenticated >= 20
    assert fleet.tally.faults["glue"] > 0
    assert platform.count()[0x0200] >= 20 * 2


def test_the_ledger_holds_exactly_what_was_acknowledged(tmp_path: Path) -> None:
    """A line for each answered frame, with the fingerprint of the body the platform has seen."""
    path = tmp_path / "ledger.jsonl"
    rules = Rules(interval_s=0.3, answer_wait_s=2.0, blind_rate=0.05)
    fleet, platform = run(ledger=path, rules=rules, terminals=20, duration_s=2.5)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    seen = {
        (seen.header.terminal, seen.header.serial, fingerprint(seen.body))
        for seen in platform.seen
        if seen.header.msg_id == 0x0200
    }
    noted = {(line["phone"], line["serial"], line["fingerprint"]) for line in lines if line["msg_id"] == "0x0200"}

    assert len(lines) == fleet.summary()["ledger_lines"]
    assert sum(line["device_time"] is not None for line in lines) == fleet.tally.positions_acknowledged
    assert noted
    assert noted <= seen
    assert {line["msg_id"] for line in lines} >= {"0x0200", "0x0704", "0x0702"}
    assert all(line["device_time"].endswith("+08:00") for line in lines if line["msg_id"] == "0x0704")


def test_a_silent_platform_is_told_by_the_summary() -> None:
    """Nothing is answered after the login: unanswered, and the run has failed."""

    def judge(seen: Seen) -> list[bytes] | None:
        return [] if seen.header.msg_id == 0x0200 else None

    rules = Rules(interval_s=0.5, answer_wait_s=0.3, retries=1)
    fleet, _ = run(TinyServer(judge), rules=rules, terminals=5, duration_s=1.5, drain_s=0.3)

    assert fleet.failed
    assert fleet.tally.unanswered[0x0200] > 0
    assert fleet.tally.resent[0x0200] > 0
    assert fleet.tally.disconnects["unanswered"] > 0
    assert fleet.summary()["ok"] is False


def test_a_platform_that_restarts_gets_everything_in_the_end() -> None:
    """All connections are cut and the port is closed for a second; terminals come back and send what they kept."""

    async def live() -> tuple[Fleet, list[TinyPlatform]]:
        server = TinyServer()
        async with server:
            port = server.port
            fleet = Fleet(options(port, duration_s=3.5, terminals=20))
            task = asyncio.create_task(fleet.run())
            await asyncio.sleep(1.2)
        await asyncio.sleep(0.8)
        async with TinyServer(port=port) as again:
            await task
            return fleet, server.platforms + again.platforms

    fleet, platforms = asyncio.run(live())
    batches = sum(platform.count()[0x0704] for platform in platforms)

    assert not fleet.failed
    assert fleet.tally.connect_failed > 0
    assert fleet.tally.authenticated == 40
    assert fleet.tally.registered == 20
    assert batches > 5


def test_an_interrupt_stops_sending_and_waits_for_answers() -> None:
    """Answers that are late by a moment still count; nothing new is sent; the run is no failure."""

    async def live() -> tuple[Fleet, int, float]:
        async with TinyServer() as platform:
            fleet = Fleet(options(platform.port, duration_s=60.0, terminals=20))
            task = asyncio.create_task(fleet.run())
            await asyncio.sleep(1.2)
            fleet.interrupt()
            began = asyncio.get_running_loop().time()
            sent = fleet.tally.sent.total()
            await task
            return fleet, fleet.tally.sent.total() - sent, asyncio.get_running_loop().time() - began

    fleet, sent_after, seconds = asyncio.run(live())

    assert fleet.interrupted
    assert not fleet.failed
    assert sent_after == 0
    assert seconds < 10.0  # of 60
    assert fleet.tally.answered == fleet.tally.sent


def test_nobody_listens() -> None:
    """Every attempt fails, is counted, and comes less and less often."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    async def live() -> Fleet:
        fleet = Fleet(options(port, terminals=10, duration_s=1.5, drain_s=0.1))
        await fleet.run()
        return fleet

    fleet = asyncio.run(live())

    assert fleet.failed
    assert fleet.tally.connected == 0
    assert 10 < fleet.tally.connect_failed <= 60
    assert fleet.tally.never_online == 10


def test_many_terminals_come_from_several_loopback_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """One address has too few ports; the next terminals take the next address."""
    monkeypatch.setattr(links, "PER_ADDRESS_MAX", 10)
    fleet, platform = run(terminals=25, duration_s=1.0)

    assert not fleet.failed
    assert sorted(platform.peers().items()) == [("127.0.0.2", 10), ("127.0.0.3", 10), ("127.0.0.4", 5)]


def test_more_terminals_than_the_machine_allows_are_refused_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the limit and what to do."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 4096))

    async def live() -> None:
        await Fleet(options(1, terminals=5000)).run()

    with pytest.raises(FleetError, match=r"allows 4096.*ulimit"):
        asyncio.run(live())


def test_faster_time_does_not_run_into_the_future() -> None:
    """With a known end the device clocks arrive at the present; the interval between reports is stretched."""
    from jtgate.codecs import timebase
    from jtgate.codecs.jt808 import LocationReport

    fleet, platform = run(speedup=60.0, duration_s=1.6, terminals=5, edition=Edition.V2013)
    times: dict[str, list[int]] = {}
    for seen in platform.seen:
        if seen.header.msg_id == 0x0200:
            report = LocationReport.decode(seen.body, Edition.V2013)
            times.setdefault(seen.header.terminal, []).append(timebase.to_ms(report.time))

    assert not fleet.failed
    for stamps in times.values():
        assert stamps[-1] <= timebase.now_ms()
        assert {round((after - before) / 1000) for before, after in pairwise(stamps)} == {30}
