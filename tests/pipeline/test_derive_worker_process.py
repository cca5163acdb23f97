"""The deriver as a process of its own: killed at any moment, it loses nothing and derives nothing twice."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pipeline_line import Line, payload

from jtgate.pipeline.derive import CONSUMER
from jtgate.pipeline.derive.enrich import Plates
from jtgate.pipeline.derive.states import Machines
from jtgate.pipeline.derive.timeline import ENDS, Timeline
from jtgate.pipeline.derive.worker import Deriver
from jtgate.pipeline.derive.zones import ZoneMap
from jtgate.pipeline.following import Follower
from jtgate.settings import Settings

BEGIN = datetime.fromisoformat("2025-11-23T08:00:00+08:00")
TERMINALS = 30
REPORTS = 150
OF_ARRIVAL = {"id", "updated_ms"}


def report(terminal: int, number: int) -> bytes:
    """Five minutes of driving, with an alarm in the third, then half an hour of standing, and so on."""
    at_s, minute = number * 20, number // 3
    drives = minute % 35 < 5
    metres = (minute // 35 * 5 + min(minute % 35, 5)) * 1000 + (number % 3 * 330 if drives else 0)
    place = (41_000_000 + round(metres / 0.111195)).to_bytes(4) + (122_000_000 + terminal * 5000).to_bytes(4)
    when = bytes.fromhex((BEGIN + timedelta(seconds=at_s)).strftime("%y%m%d%H%M%S"))
    alarm = 1 if minute % 35 == 3 else 0
    speed = (600 if drives else 0).to_bytes(2)
    body = alarm.to_bytes(4) + (3).to_bytes(4) + place + (5).to_bytes(2) + speed + bytes(2) + when
    return payload(0x0200, body, serial=number, phone=f"{13800138000 + terminal:012d}")


def fill(folder: Path) -> int:
    """A spool with a group for each report, some of them late, all of it stored; its last group."""
    order = [(number, terminal) for number in range(REPORTS) for terminal in range(TERMINALS)]
    late = random.Random(6)
    order.sort(key=lambda one: one[0] + (late.randrange(40) if late.random() < 0.02 else 0))
    with closing(Line(folder)) as line:
        line.now_us = int((BEGIN + timedelta(hours=2)).timestamp() * 1e6)
        for number, terminal in order:
            line.append([report(terminal, number)], at_us=line.now_us + 1000)
        line.run()
        return line.reader.last_seq()


def rows(line: Line) -> dict[str, list[dict[str, Any]]]:
    """Derived rows that stand."""
    return {
        table: sorted(
            (
                {name: value for name, value in row.items() if name not in OF_ARRIVAL}
                for row in line.store.facts(table, limit=10_000)
                if row["state"] != "withdrawn"
            ),
            key=lambda row: (row["terminal_id"], row["started_ms" if "started_ms" in row else "entered_ms"]),
        )
        for table in ENDS
    }


@contextmanager
def running(data: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The process; killed at the end."""
    settings = Settings(data=data, attachment_port=-1).to_json()
    process = subprocess.Popen(
        [sys.executable, "-m", "jtgate.pipeline.derive", "--settings", settings],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for(line: Line, seq: int, process: subprocess.Popen[bytes]) -> None:
    """Until the deriver has come so far."""
    deadline = time.monotonic() + 30
    while line.store.cursor(CONSUMER) < seq:
        assert process.poll() is None, process.stderr and process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_killed_again_and_again_it_derives_the_same(tmp_path: Path) -> None:
    """Two SIGKILL on the way and a SIGTERM at the end; the rows are those of a deriver that nobody disturbed."""
    data, other = tmp_path / "data", tmp_path / "other"
    data.mkdir()
    last = fill(data)
    shutil.copytree(data, other)
    with closing(Line(other)) as line:
        follower = Follower(line.store, line.reader, parts_bytes_max=1 << 20)
        timeline = Timeline(line.store, Machines(ZoneMap([])))
        deriver = Deriver(line.store, follower, timeline, plates=Plates(line.store))
        while deriver.step():
            pass
        expected = rows(line)
    assert len(expected["episodes"]) == 2 * TERMINALS
    assert len(expected["trips"]) == 2 * TERMINALS

    with closing(Line(data)) as line:
        for first in (1, last // 2 + 1):
            with running(data) as process:
                wait_for(line, first, process)
                process.send_signal(signal.SIGKILL)
        with running(data) as process:
            wait_for(line, last, process)
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
        assert rows(line) == expected
