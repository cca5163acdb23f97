"""The ledger behind a broker: what the broker has acknowledged to a sender is in the store, once, whatever dies.

Two subscribers share the load. Meanwhile the broker is restarted (in good order: it says what it keeps when it is
killed, and that is not everything), and the gateway gets SIGKILL. A sender that is cut off connects again and sends
byte for byte what was not acknowledged to it.
"""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from mosquitto_server import MosquittoServer
from mqtt_bench import wait_until_subscribed
from toolbox import SOURCES, Server, judge, start, wait_until_stored

BACK_S = 20.0
STORED_S = 60.0
SUBSCRIBERS = 2


def disturb(broker: MosquittoServer, server: Server, dice: random.Random, times: int, pause_s: float) -> None:
    """Restart the broker and kill the gateway, in turn, so that both happen at least once."""
    for number in range(times):
        time.sleep(dice.uniform(0.5, 1.0) * pause_s)
        if number % 2 == 0:
            deadline = time.monotonic() + BACK_S
            while not server.kill("gateway"):
                assert time.monotonic() < deadline, f"the gateway did not come back\n{server.tail()}"
                time.sleep(0.02)
        else:
            broker.restart()


def run(folder: Path, broker: MosquittoServer, seconds: float, rate: float, disturbances: int, group: str) -> None:
    """Load, disturbances, verdict.

    Mosquitto forgets shared subscriptions over a restart. Until the gateway has subscribed again it tells senders of
    MQTT 5 that a message found nobody, so they send it again; those of 3.1.1 need a subscription of the plain kind.
    """
    version = "5" if group else "3.1.1"
    seed = int(os.environ.get("JTGATE_SOAK_SEED", random.SystemRandom().randrange(1 << 32)))
    dice = random.Random(seed)
    data, ledger = folder / "data", folder / "ledger"
    settings = {"mqtt": broker.url, "mqtt-version": version, "mqtt-subscribers": SUBSCRIBERS, "mqtt-group": group}
    with Server(data, settings) as server:
        wait_until_subscribed(data, SUBSCRIBERS)
        flags: dict[str, object] = {
            "port": broker.port,
            "rate": rate,
            "seconds": seconds,
            "terminals": 60,
            "hear": 0,
            "drain": 60,
        }
        flags |= {"version": version}
        command = [sys.executable, str(SOURCES / "mqtt_load.py"), "--ledger", str(ledger), "--ledger-only"]
        load = start([*command, *(f"--{name}={value}" for name, value in flags.items())], stdout=subprocess.PIPE)
        disturb(broker, server, dice, disturbances, seconds / disturbances)
        out, _ = load.communicate(timeout=seconds + 120)
        wait_until_broker_is_empty(data)
        wait_until_stored(data, STORED_S)
    verdict, report = judge(ledger, data / "store.db"), json.loads(out)
    told = f"seed {seed}, {verdict}, {report}"
    assert verdict.acknowledged > seconds * rate / 3, f"too little load to mean anything: {told}"
    assert report["unacknowledged"] == 0, told
    assert report["reconnects"] > 0, f"nothing was disturbed: {told}"
    assert verdict.lost == 0, f"acknowledged and lost: {told}"
    assert verdict.repeated == 0, f"stored twice: {told}"


def wait_until_broker_is_empty(data: Path, quiet_s: float = 1.0) -> None:
    """Wait until the gateway stands and nothing more comes out of the broker: the spool does not grow any more."""
    wait_until_subscribed(data, SUBSCRIBERS)
    spool = data / "spool"
    deadline, last, since = time.monotonic() + BACK_S, -1, time.monotonic()
    while time.monotonic() - since < quiet_s:
        assert time.monotonic() < deadline, "messages come without end"
        grown = sum(path.stat().st_mtime_ns for path in spool.rglob("*") if path.is_file())
        if grown != last:
            last, since = grown, time.monotonic()
        time.sleep(0.05)


@pytest.mark.timeout(120)
@pytest.mark.xdist_group("heavy")
@pytest.mark.parametrize("group", ["jtgate", ""], ids=["shared", "plain"])
def test_nothing_the_broker_acknowledged_is_lost(
    mosquitto: Callable[..., MosquittoServer], tmp_path: Path, group: str
) -> None:
    """One SIGKILL of the gateway and one restart of the broker within five seconds of 2,000 frames/s."""
    run(tmp_path, mosquitto(), 5, 2000, 2, group)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("group", ["jtgate", ""], ids=["shared", "plain"])
def test_nothing_the_broker_acknowledged_is_lost_in_the_long_run(
    mosquitto: Callable[..., MosquittoServer], tmp_path: Path, group: str
) -> None:
    """Forty disturbances in five minutes of 5,000 frames/s."""
    run(tmp_path, mosquitto(), 300, 5000, 40, group)
