"""Processes are killed under load; nothing acknowledged is lost and nothing is stored twice.

A client keeps a ledger of every report that was answered with result 0, reconnects when it is cut off, and sends
again byte for byte what was not answered. Meanwhile the gateway, the pipeline, or both get SIGKILL at random moments.
Afterwards every entry of the ledger is one row of the store.
"""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from toolbox import SERIALS, SOURCES, Server, Verdict, build, compiler, judge, start, wait_until_stored

CHILDREN = (("gateway",), ("pipeline",), ("gateway", "pipeline"))
#: A child is given this long to be there again after a kill; the supervisor's pause grows with every one.
BACK_S = 15.0
DRAIN_S = 60.0


def client(port: int, ledger: Path, seconds: float, connections: int, rate: float) -> "subprocess.Popen[str]":
    """Start the load: load.c, or where there is no C compiler a smaller one in Python."""
    program = [str(build("load"))] if compiler() else [sys.executable, str(SOURCES / "slow_load.py")]
    flags = {"port": port, "connections": connections, "rate": rate, "seconds": seconds}
    flags |= {"window": 8, "warmup": 0, "drain": 30}
    command = [*program, *(text for name, value in flags.items() for text in (f"--{name}", str(value)))]
    return start([*command, "--ledger", str(ledger), "--reconnect"], stdout=subprocess.PIPE)


def kill_at_random(server: Server, dice: random.Random, kills: int, pause_s: tuple[float, float]) -> int:
    """SIGKILL children, one pair of dice per kill; how many processes died of it."""
    dead = 0
    for _ in range(kills):
        time.sleep(dice.uniform(*pause_s))
        for child in dice.choice(CHILDREN):
            deadline = time.monotonic() + BACK_S
            while not server.kill(child):
                assert time.monotonic() < deadline, f"{child} did not come back\n{server.tail()}"
                time.sleep(0.02)
            dead += 1
    return dead


def check(verdict: Verdict, report: dict[str, object], seed: int) -> None:
    """The point of it all."""
    told = f"seed {seed}, {verdict}, {report}"
    assert verdict.acknowledged > 1000, f"too little load to mean anything: {told}"
    assert report["unanswered"] == 0, told
    assert report["refused"] == {}, told
    assert verdict.lost == 0, f"acknowledged and lost: {told}"
    assert verdict.repeated == 0, f"stored twice: {told}"


@pytest.mark.timeout(150)
@pytest.mark.xdist_group("heavy")
def test_nothing_acknowledged_is_lost_when_processes_are_killed(tmp_path: Path) -> None:
    """Six kills within half a minute under 3,000 reports a second: every acknowledged serial is there, once."""
    seed = random.SystemRandom().randrange(1 << 32)
    dice = random.Random(seed)
    ledger, store = tmp_path / "ledger", tmp_path / "data" / "store.db"
    with Server(tmp_path / "data") as server:
        load = client(server.port, ledger, 26, 100, 3000)
        kill_at_random(server, dice, 6, (1.0, 3.0))
        out, _ = load.communicate(timeout=120)
        wait_until_stored(tmp_path / "data", DRAIN_S)
    check(judge(ledger, store), json.loads(out), seed)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_nothing_acknowledged_is_lost_in_the_long_run(tmp_path: Path) -> None:
    """Many kills of children, and of everything at once as a power cut would, with a fresh start each time."""
    seed = int(os.environ.get("JTGATE_SOAK_SEED", random.SystemRandom().randrange(1 << 32)))
    rounds = int(os.environ.get("JTGATE_SOAK_ROUNDS", "20"))
    dice = random.Random(seed)
    ledger, store = tmp_path / "ledger", tmp_path / "data" / "store.db"
    server = Server(tmp_path / "data")
    server.begin()
    try:
        connections, rate, round_s = 1000, 10_000, 45.0
        assert rate * rounds * round_s / connections < SERIALS, "serials would wrap"
        load = client(server.port, ledger, rounds * round_s, connections, rate)
        for _ in range(rounds):
            over = time.monotonic() + round_s
            kill_at_random(server, dice, 6, (0.5, 6.0))
            while time.monotonic() < over - 10:
                time.sleep(0.1)
            server.kill_all()
            server.begin()
        out, _ = load.communicate(timeout=300)
        wait_until_stored(tmp_path / "data", DRAIN_S)
    finally:
        server.end()
    check(judge(ledger, store), json.loads(out), seed)
