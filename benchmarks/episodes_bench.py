"""What the folds of alarms cost for each fact: seconds without a bit, with bits, and alarm items.

    python benchmarks/episodes_bench.py [--facts N] [--json]

One thread, facts in memory, no store. The median of five runs; "us" is microseconds for one fact.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

from jtgate.pipeline.derive.episodes import ItemMachine
from jtgate.pipeline.derive.facts import AlarmItem, Rows, Second
from jtgate.pipeline.derive.flags import FlagMachine

T0 = 1_790_000_000_000
TICK_MS = 10_000
RUNS = 5


def second(number: int, flags: int) -> Second:
    """A report of a driving truck."""
    at_ms = T0 + number * TICK_MS
    speed = 60.0 + number % 20
    return Second(at_ms, number, at_ms + 300, 0, flags, 0, 3, 41.1, 122.0, speed, None, 90, 1.0, number, None, None, 1)


def item(number: int, apart_ms: int, phase: str) -> AlarmItem:
    """A camera's alarm, one of four types in turn."""
    at_ms = T0 + number * apart_ms
    name = f"{number:030x}00"
    return AlarmItem(
        at_ms, number, "jsatl12:0x65", 1 + number % 4, phase, 1, 41.1, 122.0, 60.0, name, 2, number, number
    )


def cases(facts: int) -> dict[str, tuple[Any, Sequence[Any]]]:
    """Name -> machine and its facts."""
    numbers = range(facts)
    return {
        "seconds without a bit": (FlagMachine(), [second(number, 0) for number in numbers]),
        "seconds with a bit that stays set": (FlagMachine(), [second(number, 1 << 5) for number in numbers]),
        "seconds with a bit that comes and goes": (
            FlagMachine(),
            [second(number, 2 * (number % 2)) for number in numbers],
        ),
        "items, instant, 10 s apart": (ItemMachine(), [item(number, 10_000, "instant") for number in numbers]),
        "items, instant, 10 min apart": (ItemMachine(), [item(number, 600_000, "instant") for number in numbers]),
        "items, starts without ends": (ItemMachine(), [item(number, 10_000, "start") for number in numbers]),
    }


def run(machine: Any, facts: Sequence[Any], clock: Callable[[], float] = time.perf_counter) -> float:
    """Microseconds for each fact."""
    state, rows = machine.start(), Rows()
    began = clock()
    for fact in facts:
        state = machine.step(state, fact, rows, 1)
    return (clock() - began) * 1e6 / len(facts)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--facts", type=int, default=20_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = {
        name: round(statistics.median(run(machine, facts) for _ in range(RUNS)), 2)
        for name, (machine, facts) in cases(options.facts).items()
    }
    if options.json:
        print(json.dumps(found))
        return
    for name, took_us in found.items():
        print(f"{name:42} {took_us:8.2f} us")


if __name__ == "__main__":
    main()
