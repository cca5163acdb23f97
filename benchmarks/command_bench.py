"""Commands to connected terminals: what the bus and the gateway add to the terminal's own time.

    python benchmarks/command_bench.py [--json] [--quick] [--connections N] [--rate R]

5,000 terminals are connected and report 1,000 times a second together; a hundred of them take commands, in a process
of their own. This process submits 0x8300 through the bus, as any other process would, and waits on `bus.watch` until
it sees ANSWERED: first one command after the other, then as many a second as --rate says. What is told is the time
from before `submit` until ANSWERED was seen, less what the terminal took between reading and answering. The bar:
5 ms in the median. The gateway has a core of its own, everything else shares the other one.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from toolbox import SOURCES, BenchmarkError, Server, build, start, stop

from jtgate.codecs.edition import Edition
from jtgate.codecs.framing import Frame, FrameReader
from jtgate.codecs.header import encode_frames, parse_header
from jtgate.codecs.timebase import now_ms
from jtgate.storage.commands import CommandBus, CommandState, NewCommand
from jtgate.storage.open import open_commands

BAR_MS = 5.0
CONNECTIONS = 5_000
REPORTS_PER_S = 1_000
#: Terminals that take commands; the others only report.
COMMANDED = 100
COMMANDED_BASE = 13_900_000_000
COMMANDS_PER_S = 100
SERVER_CORE, LOAD_CORE = 0, 1
ANSWER_S = 10.0
LOCATION = bytes.fromhex("00000000000000030260f57206f015b8003402670058250314150926")
REPORT_EVERY_S = 5.0


# ------------------------------------------------------------------------------- terminals, in a process of their own


class Commanded:
    """A terminal that reports and answers commands at once.

    Args:
        phone: digits.
        times: number in the text of a command -> nanoseconds of reading and of answering.
    """

    def __init__(self, phone: str, times: dict[int, tuple[int, int]]) -> None:
        self._phone = phone
        self._times = times

    def _frame(self, msg_id: int, body: bytes) -> bytes:
        return encode_frames(msg_id, body, phone=self._phone, serial=1, edition=Edition.V2013)[0]

    async def live(self, port: int) -> None:
        """Connect, and do what it does until the connection ends."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        report = asyncio.create_task(self._report(writer))
        frames = FrameReader()
        while data := await reader.read(65536):
            read_ns = time.monotonic_ns()
            for event in frames.feed(data):
                if isinstance(event, Frame):
                    header, body = parse_header(event.payload)
                    if header.msg_id != 0x8001:
                        answer = header.serial.to_bytes(2) + header.msg_id.to_bytes(2) + b"\0"
                        writer.write(self._frame(0x0001, answer))
                        self._times[int(body[1:])] = (read_ns, time.monotonic_ns())
        report.cancel()

    async def _report(self, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(self._frame(0x0200, LOCATION))
            await asyncio.sleep(REPORT_EVERY_S)


async def be_terminals(port: int) -> None:
    """Terminals until standard input ends; then their times on standard output."""
    times: dict[int, tuple[int, int]] = {}
    tasks = []
    for number in range(COMMANDED):
        tasks.append(asyncio.create_task(Commanded(str(COMMANDED_BASE + number), times).live(port)))
        await asyncio.sleep(0.005)
    await asyncio.sleep(0.5)
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    print(json.dumps(times))


# ----------------------------------------------------------------------------------------------------- who commands


class Commander:
    """Submits commands and notes when their answers are seen.

    Args:
        bus: of the gateway's data folder.
    """

    def __init__(self, bus: CommandBus) -> None:
        self._bus = bus
        self._rung = threading.Event()
        self._watch = bus.watch(self._rung.set)
        self._number = 0
        self.submitted: dict[int, tuple[int, int]] = {}  # number -> before and after `submit`
        self.seen: dict[int, int] = {}  # number -> when ANSWERED was seen

    def close(self) -> None:
        """Watch no more."""
        self._watch.close()

    def submit(self) -> tuple[int, int]:
        """One command to the next terminal: its number and its id."""
        self._number += 1
        number, at = self._number, now_ms()
        terminal = str(COMMANDED_BASE + number % COMMANDED)
        new = NewCommand(terminal, 0x8300, {"flags": 8, "text": str(number)}, "bench", at + 60_000)
        before = time.monotonic_ns()
        command = self._bus.submit(new, at)
        self.submitted[number] = (before, time.monotonic_ns())
        return number, command.command_id

    def await_all(self, waiting: dict[int, int], until: float) -> None:
        """Look at what waits whenever the bell rings, until a moment or until nothing waits.

        Args:
            waiting: number -> id; those that are answered leave it.
            until: monotonic seconds.
        """
        while waiting:
            left = until - time.monotonic()
            if left <= 0 or not self._rung.wait(left):
                return
            self._rung.clear()
            for number, command_id in list(waiting.items()):
                if self._bus.get(command_id).state is CommandState.ANSWERED:
                    self.seen[number] = time.monotonic_ns()
                    del waiting[number]

    def one_by_one(self, count: int) -> None:
        """Each command after the answer to the one before."""
        for _ in range(count):
            number, command_id = self.submit()
            self.await_all(waiting := {number: command_id}, time.monotonic() + ANSWER_S)
            if waiting:
                raise BenchmarkError(f"command {command_id} is {self._bus.get(command_id).state}")

    def at_rate(self, per_s: int, seconds: float) -> None:
        """So many a second, whatever becomes of them."""
        waiting: dict[int, int] = {}
        begin = time.monotonic()
        for turn in range(int(per_s * seconds)):
            self.await_all(waiting, begin + turn / per_s)
            time.sleep(max(0.0, begin + turn / per_s - time.monotonic()))
            number, command_id = self.submit()
            waiting[number] = command_id
        self.await_all(waiting, time.monotonic() + ANSWER_S)
        if waiting:
            raise BenchmarkError(f"{len(waiting)} commands were not answered")


@contextmanager
def reporting(port: int, connections: int) -> Iterator[subprocess.Popen[str]]:
    """Terminals that report all the time."""
    flags = ("--connections", connections, "--rate", REPORTS_PER_S, "--window", 4, "--seconds", 600)
    command = [str(build("load")), "--port", str(port), *(str(flag) for flag in flags)]
    process = start(command, core=LOAD_CORE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        stop(process)


@contextmanager
def commanded(port: int, times: dict[int, tuple[int, int]]) -> Iterator[None]:
    """Terminals that take commands; their times are there afterwards."""
    command = [sys.executable, str(SOURCES / "command_bench.py"), "--terminals", str(port)]
    process = start(command, core=LOAD_CORE, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    if process.stdout is None or process.stdout.readline() != "ready\n":
        raise BenchmarkError("the terminals did not come online")
    try:
        yield
    finally:
        out, _ = process.communicate("", timeout=30)
        times.update({int(number): (read, wrote) for number, (read, wrote) in json.loads(out).items()})


def figures(commander: Commander, times: dict[int, tuple[int, int]], numbers: range) -> dict[str, float]:
    """Milliseconds beyond the terminal's own time, and where they went."""
    beyond, submit, there, back = [], [], [], []
    for number in numbers:
        (before, after), (read, wrote) = commander.submitted[number], times[number]
        seen = commander.seen[number]
        beyond.append((seen - before - (wrote - read)) / 1e6)
        submit.append((after - before) / 1e6)
        there.append((read - after) / 1e6)
        back.append((seen - wrote) / 1e6)
    parts = {"submit": submit, "to_terminal": there, "answer_seen": back}
    return {
        "commands": len(beyond),
        "median_ms": statistics.median(beyond),
        "p99_ms": p99(beyond),
        "max_ms": max(beyond),
        **{f"{name}_ms": statistics.median(values) for name, values in parts.items()},
        **{f"{name}_p99_ms": p99(values) for name, values in parts.items()},
    }


def p99(values: list[float]) -> float:
    """What one in a hundred is above."""
    return sorted(values)[int(len(values) * 0.99)]


def measure(connections: int, rate: int, count: int, seconds: float) -> dict[str, Any]:
    """Both parts against one gateway."""
    os.sched_setaffinity(0, {LOAD_CORE})
    settings = {"connections_per_address_max": connections + COMMANDED, "connections_max": connections + COMMANDED}
    times: dict[int, tuple[int, int]] = {}
    with tempfile.TemporaryDirectory(dir=SOURCES / "results", prefix="command-") as name:
        folder = Path(name)
        with (
            Server(folder / "data", settings, gateway_only=True, core=SERVER_CORE) as server,
            reporting(server.port, connections - COMMANDED) as load,
            commanded(server.port, times),
        ):
            time.sleep(max(3.0, connections / 1000))  # until all are online
            bus = open_commands(folder / "data")
            commander = Commander(bus)
            commander.one_by_one(50)  # to warm up
            commander.one_by_one(count)
            commander.at_rate(rate, seconds)
            commander.close()
            bus.close()
            if load.poll() is not None:
                raise BenchmarkError("the reporting terminals are gone")
    last = 50 + count
    return {
        "bar_ms": BAR_MS,
        "connections": connections,
        "reports_per_s": REPORTS_PER_S,
        "one_by_one": figures(commander, times, range(51, last + 1)),
        "rate_per_s": rate,
        "at_rate": figures(commander, times, range(last + 1, last + 1 + int(rate * seconds))),
    }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--quick", action="store_true", help="fewer commands")
    parser.add_argument("--connections", type=int, default=CONNECTIONS)
    parser.add_argument("--rate", type=int, default=COMMANDS_PER_S, help="commands a second in the second part")
    parser.add_argument("--terminals", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.terminals is not None:
        asyncio.run(be_terminals(options.terminals))
        return
    count, seconds = (200, 2.0) if options.quick else (1000, 10.0)
    found = measure(options.connections, options.rate, count, seconds)
    if options.json:
        print(json.dumps(found))
        return
    for title, part in (("one after the other", "one_by_one"), (f"{found['rate_per_s']}/s", "at_rate")):
        figure = found[part]
        print(
            f"{title}: {figure['commands']:,} commands, beyond the terminal's own time median "
            f"{figure['median_ms']:.2f}, p99 {figure['p99_ms']:.2f}, max {figure['max_ms']:.2f} ms (bar: median "
            f"{BAR_MS:.0f}); submit {figure['submit_ms']:.2f}, to the terminal {figure['to_terminal_ms']:.2f}, "
            f"answer to sight {figure['answer_seen_ms']:.2f}"
        )


if __name__ == "__main__":
    main()
