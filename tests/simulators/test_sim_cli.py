"""`jtgate simulate fleet` and `python -m jtgate.simulators` as a user meets them."""

import asyncio
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from tiny_platform import Seen, TinyServer

from jtgate.cli.simulate import simulate


@pytest.fixture
def platform() -> Iterator[TinyServer]:
    """A platform in a thread of its own."""
    server = TinyServer()
    ready, done = threading.Event(), threading.Event()

    async def live() -> None:
        async with server:
            ready.set()
            while not done.is_set():  # noqa: ASYNC110  the event belongs to another thread
                await asyncio.sleep(0.02)

    thread = threading.Thread(target=lambda: asyncio.run(live()), name="tiny-platform")
    thread.start()
    assert ready.wait(5)
    yield server
    done.set()
    thread.join(5)


def test_a_good_run_prints_its_summary_and_ends_with_0(platform: TinyServer) -> None:
    """Tables for people: messages with both names, latency, what was acknowledged."""
    command = ["fleet", "--port", str(platform.port), "--terminals", "5", "--interval", "0.3", "--duration", "1.5"]
    result = CliRunner().invoke(simulate, command)

    assert result.exit_code == 0, result.output
    assert "0x0200 位置信息汇报 location_report" in result.output
    assert "everything was answered, nothing lost" in result.output
    assert "p99" in result.output


def test_json_is_one_object(platform: TinyServer, tmp_path: Path) -> None:
    """For programs; the ledger has as many lines as it says."""
    ledger = tmp_path / "ledger.jsonl"
    command = ["fleet", "--port", str(platform.port), "--terminals", "5", "--interval", "0.3", "--duration", "1.5"]
    result = CliRunner().invoke(simulate, [*command, "--edition", "2019", "--ledger", str(ledger), "--json"])
    summary = json.loads(result.stdout)

    assert result.exit_code == 0
    assert summary["ok"] is True
    assert summary["sent"] == summary["answered"] > 10
    assert summary["latency_ms"]["p99"] > 0
    assert summary["ledger_lines"] == len(ledger.read_text().splitlines())


def test_unanswered_frames_end_with_1(platform: TinyServer) -> None:
    """A platform that never answers a report."""
    platform.judge = lambda seen: [] if seen.header.msg_id == 0x0200 else None
    command = ["fleet", "--port", str(platform.port), "--terminals", "2", "--interval", "0.3", "--duration", "1"]
    result = CliRunner().invoke(simulate, [*command, "--answer-timeout", "0.2", "--retries", "0"])

    assert result.exit_code == 1
    assert "failed: see unanswered" in result.output


def test_a_platform_that_is_not_there_ends_with_69() -> None:
    """With what to do next."""
    result = CliRunner().invoke(simulate, ["fleet", "--port", "1", "--terminals", "2", "--duration", "0.3"])

    assert result.exit_code == 69
    assert "nothing answers at 127.0.0.1:1" in result.output
    assert "jtgate serve" in result.output


def test_a_port_that_answers_nothing_ends_with_69(platform: TinyServer) -> None:
    """Something takes connections there, and it is no platform."""
    platform.judge = lambda _seen: []
    command = ["fleet", "--port", str(platform.port), "--terminals", "1", "--duration", "0.5"]
    result = CliRunner().invoke(simulate, [*command, "--answer-timeout", "0.2", "--retries", "0"])

    assert result.exit_code == 69
    assert f"nothing answers at 127.0.0.1:{platform.port}" in result.output


def test_a_host_without_address_ends_with_69() -> None:
    """A name that cannot be, so that nobody is asked for it."""
    result = CliRunner().invoke(simulate, ["fleet", "--host", "a..b", "--duration", "0.1"])

    assert result.exit_code == 69
    assert "'a..b' cannot be found" in result.output


@pytest.mark.parametrize(
    "wrong",
    [
        ["--faults", "hlf"],
        ["--interval", "0"],
        ["--duration", "nan"],
        ["--transport", "udp", "--faults", "drip"],
        ["--phone-base", "999999999999"],
    ],
)
def test_a_command_line_without_sense_ends_with_2(wrong: list[str]) -> None:
    """Nothing is started."""
    assert CliRunner().invoke(simulate, ["fleet", *wrong]).exit_code == 2


def test_the_demo_fleet_obeys_commands(platform: TinyServer) -> None:
    """So that there is somebody to try commands on: each first report is answered with a query."""
    asked: set[str] = set()

    def judge(seen: Seen) -> list[bytes] | None:
        if seen.header.msg_id != 0x0200 or seen.header.phone in asked:
            return None
        asked.add(seen.header.phone)
        one = platform.platforms[0]
        return [one.general(seen), one.frame(seen.header, 0x8201, b""), one.frame(seen.header, 0x8300, b"\x08hello")]

    platform.judge = judge
    command = [sys.executable, "-m", "jtgate.simulators", "--port", str(platform.port), "--terminals", "2"]
    with subprocess.Popen([*command, "--interval", "0.3"]) as process:
        deadline = time.monotonic() + 20
        while platform.count()[0x0201] < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=10)

    assert (platform.count()[0x0201], platform.count()[0x0001]) == (2, 2)


def test_the_demo_fleet_stops_when_told(platform: TinyServer) -> None:
    """SIGTERM: no new reports, answers awaited, exit 0 within a few seconds and nothing printed."""
    command = [sys.executable, "-m", "jtgate.simulators", "--port", str(platform.port), "--terminals", "3"]
    with subprocess.Popen([*command, "--interval", "0.3"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        deadline = time.monotonic() + 20
        while platform.count()[0x0200] < 3 and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=10)

    assert platform.count()[0x0200] >= 3
    assert process.returncode == 0
    assert output == b""
