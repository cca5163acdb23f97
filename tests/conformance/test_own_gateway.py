"""`jtgate serve` passes our own kit, from outside, with no exception."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jtgate.codecs.edition import Edition
from jtgate.conformance.play import Patience
from jtgate.conformance.report import Report, Status, Verdict
from jtgate.conformance.scenario import Role, Severity, load
from jtgate.conformance.server import ServerOptions, run

pytestmark = [pytest.mark.xdist_group("conformance_gateway"), pytest.mark.timeout(180)]

READY_S = 30.0
#: Terminals of the installation with policy `known`; four are played at a time.
KNOWN = tuple(f"1380808000{number}" for number in range(4))


def jtgate(*arguments: str, data: Path) -> list[str]:
    """The command line of `jtgate`."""
    return [sys.executable, "-m", "jtgate.cli", *arguments, "--data", str(data)]


@contextmanager
def serving(data: Path, policy: str) -> Iterator[int]:
    """A whole jtgate on free ports of 127.0.0.1; the port for terminals."""
    command = jtgate(
        "serve", "--host", "127.0.0.1", "--port", "0", "--http", "127.0.0.1:0", "--policy", policy, data=data
    )
    log = data.parent / "serve.log"
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT) as process:
        status = data / "run" / "gateway.json"
        deadline = time.monotonic() + READY_S
        try:
            while not status.exists():
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, "the gateway is not ready"
                time.sleep(0.05)
            yield json.loads(status.read_text())["port"]
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def play(port: int, *topics: str, **changes: object) -> Report:
    """Play scenarios; waiting times (silence, flood) are a third of those of a real run."""
    scenarios = tuple(s for s in load(Role.SERVER) if not topics or s.id.startswith(topics))
    values = {"probe_udp": False, "patience": Patience(5.0, 0.34), **changes}
    options = ServerOptions("127.0.0.1", port, scenarios, **values)  # type: ignore[arg-type]
    return asyncio.run(run(options, "test", lambda _done, _total, _result: None))


def failures(report: Report) -> str:
    """What did not pass, a line each."""
    return "\n".join(f"{r.scenario.id} {r.edition} {r.transport}: {r.status} {r.problem}" for r in report.failures)


def test_our_gateway_passes_its_own_kit(tmp_path: Path) -> None:
    """Every rule and every recommendation, in every edition, over TCP and UDP."""
    with serving(tmp_path / "data", "open") as port:
        report = play(port)

    assert failures(report) == ""
    assert report.verdict is Verdict.PASS
    assert {(r.edition, r.transport) for r in report.results} == {(e, t) for e in Edition for t in ("tcp", "udp")}
    assert report.counts()[Status.SKIPPED.value] == 0
    assert report.score(Severity.MUST).total > 200


def test_with_a_strict_policy_foreign_codes_are_refused(tmp_path: Path) -> None:
    """Only registered terminals come in, only with their own codes."""
    data = tmp_path / "data"
    # A gateway that runs hears of new terminals within a quarter of a second: these are known from the start.
    subprocess.run(jtgate("terminals", "add", *KNOWN, data=data), check=True, capture_output=True, timeout=60)
    with serving(data, "known") as port:
        topics = ("session.", "delivery.takeover", "header.phone", "udp.")
        report = play(port, *topics, policy="strict", phones=KNOWN)

    assert failures(report) == ""
    assert {r.status for r in report.results if r.scenario.policy == "strict"} == {Status.PASS}
