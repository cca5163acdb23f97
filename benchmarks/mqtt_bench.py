"""Frames through an MQTT broker: a real Mosquitto, `jtgate serve` with two subscribers, mqtt_load.py beside them.

    python benchmarks/mqtt_bench.py --rate 10000 --seconds 30

Prints what was acknowledged, what of it is in the store, processor time of every process and the times of answers.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from toolbox import ROOT, SOURCES, Server, judge, start, wait_until_stored

sys.path.insert(0, str(ROOT / "tests" / "servers"))
from mosquitto_server import MosquittoServer, program

HERTZ = os.sysconf("SC_CLK_TCK")
STORED_S = 120.0


def cpu_s(pid: int) -> float:
    """Processor time of a process so far, seconds (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / HERTZ


def measure(asked: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """One run."""
    ledger, data = folder / "ledger", folder / "data"
    with MosquittoServer(program()) as broker:
        settings = {
            "mqtt": broker.url,
            "mqtt-version": asked.version,
            "mqtt-subscribers": asked.subscribers,
            "connections-max": 1_000_000,
        }
        with Server(data, settings) as server:
            wait_until_subscribed(data, asked.subscribers)
            flags = {name: getattr(asked, name) for name in ("rate", "seconds", "terminals", "connections", "hear")}
            command = [sys.executable, str(SOURCES / "mqtt_load.py"), "--port", str(broker.port)]
            command += [text for name, value in flags.items() for text in (f"--{name}", str(value))]
            load = start([*command, "--ledger", str(ledger)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            assert load.stderr is not None
            assert load.stderr.readline() == "sending\n", load.stderr.read()
            assert broker.pid is not None
            pids = {name: server.must_have(name) for name in ("gateway", "pipeline")} | {"mosquitto": broker.pid}
            before, begun = {name: cpu_s(pid) for name, pid in pids.items()}, time.monotonic()
            time.sleep(asked.seconds)
            seconds = time.monotonic() - begun
            used = {name: round(100 * (cpu_s(pid) - before[name]) / seconds) for name, pid in pids.items()}
            out, complaints = load.communicate(timeout=asked.seconds + 120)
            sys.stderr.write(complaints[-2000:])
            wait_until_stored(data, STORED_S)
    report: dict[str, Any] = json.loads(out)
    verdict = judge(ledger, data / "store.db")
    report["cpu_percent"] = {**used, "load": report["cpu_percent"]}
    report["stored"] = {"rows": verdict.stored, "lost": verdict.lost, "repeated": verdict.repeated}
    return report


def wait_until_subscribed(data: Path, count: int, limit_s: float = 30.0) -> None:
    """Wait until the gateway says that all its connections stand."""
    deadline = time.monotonic() + limit_s
    while True:
        facts = json.loads((data / "run" / "gateway.json").read_text(encoding="utf-8"))
        if facts.get("mqtt", {}).get("connected") == count:
            return
        if time.monotonic() > deadline:
            raise TimeoutError("the gateway has not subscribed")
        time.sleep(0.05)


def main() -> int:
    """Entry; exit code 1 when something was lost or stored twice."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=10_000)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--terminals", type=int, default=1000)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--subscribers", type=int, default=2)
    parser.add_argument("--version", choices=("5", "3.1.1"), default="5")
    parser.add_argument("--hear", type=int, default=1, help="QoS with which terminals hear answers; -1 not at all")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="jtgate-mqtt-bench-") as folder:
        report = measure(asked, Path(folder))
    print(json.dumps(report, indent=2))
    return 0 if report["stored"]["lost"] == report["stored"]["repeated"] == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
