"""`make bench`: the bars of docs/performance.md, each measured in one run on this machine.

The server is tied to one core and the load to another, so that neither takes the other's time. A figure that is
compared with a limit is measured beside that limit, in turns, and the medians are compared. The table goes to
standard output and benchmarks/results/bench.md, everything measured to bench.json beside it. --quick takes a minute
instead of five.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import apsw
from rich.console import Console
from rich.table import Table
from toolbox import (
    ROOT,
    SOURCES,
    BenchmarkError,
    Server,
    Verdict,
    build,
    judge,
    load,
    postgres,
    start,
    stop,
    wait_until_stored,
)

from jtgate.codecs.twins import is_compiled
from jtgate.codecs.twins import load as load_twin

RESULTS = SOURCES / "results"
SERVER_CORE, LOAD_CORE = 0, 1
CONNECTIONS = 2000
IDLE_CONNECTIONS = 10_000
#: Reports a terminal has on the way: one, as the standard has it; and enough of them that the server is never idle.
WINDOWS = (1, 16)
RATE = 10_000
CATCH_UP_S = 120.0
#: Locations answered and stored per second, everything on one machine; and how late the last one may be stored.
STORED_BAR = 80_000
STORED_RATES = (80_000, 100_000)  # offered to PostgreSQL, one after the other
#: Of postgresql.conf, as docs/operations.md advises.
POSTGRES_SETTINGS = {
    "shared_buffers": "2GB",
    "max_wal_size": "16GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "lz4",
}
BEHIND_S = 2.0

console = Console(width=None if sys.stdout.isatty() else 130)


@dataclass(frozen=True, slots=True)
class Plan:
    """How long everything takes, in seconds, and how often a comparison is repeated."""

    seconds: float
    repeats: int
    store_s: float
    postgres_s: float
    flags: tuple[str, ...] = ()  # for the smaller benchmarks


FULL = Plan(seconds=5, repeats=3, store_s=30, postgres_s=60)
QUICK = Plan(seconds=2, repeats=1, store_s=8, postgres_s=15, flags=("--quick",))


@dataclass(slots=True)
class Row:
    """One line of the table."""

    what: str
    measured: str
    bar: str
    good: bool | None  # None: nothing to hold it against
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """In a word."""
        return "" if self.good is None else "pass" if self.good else "short"


def say(text: str) -> None:
    """Progress for whoever waits."""
    console.print(f"[dim]{time.strftime('%H:%M:%S')}[/dim] {text}", highlight=False)


@contextmanager
def echo_server() -> Iterator[tuple[int, int]]:
    """The C echo server on the server's core; its port and process id."""
    process = start([str(build("echo"))], core=SERVER_CORE, stdout=subprocess.PIPE)
    if process.stdout is None:
        raise BenchmarkError("the echo server has no standard output")
    try:
        yield json.loads(process.stdout.readline())["port"], process.pid
    finally:
        stop(process)


def cpu_seconds(pid: int) -> float:
    """Processor time a process has used."""
    user, system = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def resident_kib(pid: int) -> int:
    """Resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise BenchmarkError(f"process {pid} has no VmRSS")


# ------------------------------------------------------------------------------------------------- the rows


@dataclass(slots=True)
class Rates:
    """What one server reached, turn by turn."""

    per_s: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)  # processor time of the server per answer

    def measure(self, port: int, pid: int, *flags: object) -> None:
        """One turn."""
        before = cpu_seconds(pid)
        report = load(port, *flags, core=LOAD_CORE)
        self.per_s.append(report["answered_per_s"])
        self.cpu_us.append((cpu_seconds(pid) - before) * 1e6 / max(report["total_answered"], 1))


def answered_per_second(plan: Plan, folder: Path) -> Iterator[Row]:
    """Durable answers on one core against the C echo server, in turns."""
    gateway = Server(folder / "answers", gateway_only=True, core=SERVER_CORE)
    with echo_server() as (echo_port, echo_pid), gateway:
        for window in WINDOWS:
            ours, echo = Rates(), Rates()
            flags = ("--connections", CONNECTIONS, "--seconds", plan.seconds, "--window", window)
            for turn in range(plan.repeats):
                say(f"answers, window {window}: turn {turn + 1} of {plan.repeats}")
                echo.measure(echo_port, echo_pid, *flags, "--no-auth", "--fifo")
                ours.measure(gateway.port, gateway.must_have("gateway"), *flags)
            mine, limit = statistics.median(ours.per_s), statistics.median(echo.per_s)
            cpu = f"{statistics.median(ours.cpu_us):.1f} against {statistics.median(echo.cpu_us):.1f} µs of CPU each"
            yield Row(
                f"answered/s, durable, one core, {CONNECTIONS} connections, window {window}",
                f"{mine:,.0f} = {mine / limit:.2f} of the echo's {limit:,.0f}; {cpu}",
                "≥ 0.70 of a C epoll echo",
                mine / limit >= 0.7,
                {"gateway": asdict(ours), "echo": asdict(echo)},
            )


def latency(plan: Plan, folder: Path) -> Iterator[Row]:
    """Time from the moment a report was due until its answer came."""
    with Server(folder / "latency", gateway_only=True, core=SERVER_CORE) as gateway:
        say(f"latency at {RATE:,}/s")
        flags = ("--connections", CONNECTIONS, "--window", 64, "--rate", RATE, "--seconds", plan.seconds * 2)
        report = load(gateway.port, *flags, core=LOAD_CORE)
    times = report["latency_us"]
    yield Row(
        f"answer latency at {RATE:,}/s",
        f"p50 {times['p50'] / 1000:.1f}, p99 {times['p99'] / 1000:.1f}, max {times['max'] / 1000:.1f} ms",
        "p99 ≤ 10 ms",
        times["p99"] <= 10_000 and report["answered_per_s"] > 0.99 * RATE,
        report,
    )


def idle_memory(_plan: Plan, folder: Path) -> Iterator[Row]:
    """What an authenticated connection costs while nothing happens."""
    settings = {"connections_per_address_max": IDLE_CONNECTIONS + 1}
    with Server(folder / "memory", settings, gateway_only=True, core=SERVER_CORE) as gateway:
        say(f"memory of {IDLE_CONNECTIONS:,} idle connections")
        load(gateway.port, "--connections", 100, "--seconds", 1, core=LOAD_CORE)
        pid = gateway.must_have("gateway")
        before = resident_kib(pid)
        command = [str(build("load")), "--port", str(gateway.port), "--connections", str(IDLE_CONNECTIONS), "--idle"]
        idle = start(command, core=LOAD_CORE, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if idle.stdout is None:
            raise BenchmarkError("the load has no standard output")
        ready = json.loads(idle.stdout.readline())["ready"]
        time.sleep(2)
        after = resident_kib(pid)
        stop(idle)
    if ready < IDLE_CONNECTIONS:
        raise BenchmarkError(f"only {ready} of {IDLE_CONNECTIONS} terminals came online")
    each = (after - before) / IDLE_CONNECTIONS
    yield Row(
        f"memory per idle authenticated connection, of {IDLE_CONNECTIONS:,}",
        f"{each:.1f} KiB",
        "≤ 5 KiB",
        each <= 5,
        {"before_kib": before, "after_kib": after},
    )


def stored_per_second(plan: Plan, folder: Path) -> Iterator[Row]:
    """Gateway, pipeline and load share two cores, first at the rate of the bar, then at what they can."""
    everything = "gateway, pipeline, SQLite and load on two cores"
    report, verdict, took_s = offer(folder / "steady", plan.store_s, "--rate", STORED_BAR, "--window", 64)
    behind_s = took_s - plan.store_s
    yield Row(
        f"{everything}: {STORED_BAR:,}/s offered for {plan.store_s:.0f} s",
        f"{report['answered_per_s']:,.0f} answered/s, p99 {report['latency_us']['p99'] / 1000:.0f} ms; "
        f"all stored {behind_s:.1f} s after the last",
        f"{STORED_BAR:,}/s (set for PostgreSQL)",
        report["answered_per_s"] >= 0.99 * STORED_BAR and behind_s <= BEHIND_S,
        {"report": report, "took_s": took_s, **asdict(verdict)},
    )
    acknowledged, lost, repeated = verdict.acknowledged, verdict.lost, verdict.repeated
    report, verdict, took_s = offer(folder / "full", plan.store_s / 2, "--window", 16)
    yield Row(
        f"{everything}: as much as they take for {plan.store_s / 2:.0f} s",
        f"{report['answered_per_s']:,.0f} answered/s; {verdict.stored / took_s:,.0f} stored/s until all was stored",
        "",
        None,
        {"report": report, "took_s": took_s, **asdict(verdict)},
    )
    acknowledged, lost, repeated = acknowledged + verdict.acknowledged, lost + verdict.lost, repeated + verdict.repeated
    yield Row(
        "acknowledged serials found once in the store, in both runs",
        f"{acknowledged:,} acknowledged, {lost} lost, {repeated} repeated",
        "all of them",
        lost == repeated == 0,
    )


def stored_in_postgres(plan: Plan, _folder: Path) -> Iterator[Row]:
    """The whole of it with PostgreSQL: gateway, pipeline, database and load share the machine."""
    found = json.loads(of_script("postgres_bench.py", "--json", *plan.flags, core=None))
    ours = statistics.median(found["pipeline_per_second"])
    yield Row(
        "spool to PostgreSQL, decoding included, against bare staged COPY of the same rows",
        f"{ours:,.0f} rows/s = {found['ratio']:.2f} of {statistics.median(found['bare_per_second']):,.0f}; "
        f"{found['cpu_us']:.1f} µs of CPU a row in the pipeline",
        "≥ 0.70",
        found["ratio"] >= 0.7,
        found,
    )
    for rate in STORED_RATES:
        # The data folders lie below the folder for temporary files: the server's user may not enter a checkout.
        with postgres(settings=POSTGRES_SETTINGS) as url, tempfile.TemporaryDirectory(prefix="jtgate-bench-") as name:
            report, verdict, took_s = offer(Path(name), plan.postgres_s, "--rate", rate, "--window", 64, url=url)
        behind_s = took_s - plan.postgres_s
        yield Row(
            f"gateway, pipeline, PostgreSQL and load on two cores: {rate:,}/s offered for {plan.postgres_s:.0f} s",
            f"{report['answered_per_s']:,.0f} answered/s, p99 {report['latency_us']['p99'] / 1000:.0f} ms; all stored "
            f"{behind_s:.1f} s after the last; {verdict.acknowledged:,} acknowledged, {verdict.lost} lost, "
            f"{verdict.repeated} repeated",
            f"{rate:,}/s, every serial once",
            report["answered_per_s"] >= 0.99 * rate and behind_s <= BEHIND_S and verdict.good,
            {"report": report, "took_s": took_s, **asdict(verdict)},
        )


def offer(folder: Path, seconds: float, *flags: object, url: str = "") -> tuple[dict[str, Any], Verdict, float]:
    """Run the load against `jtgate serve`; its report, the ledger's verdict, and seconds until all was stored."""
    data, ledger = folder / "data", folder / "ledger"
    with Server(data, store=url) as server:
        say(f"gateway, pipeline and load on {os.cpu_count()} cores for {seconds:.0f} s ({folder.name})")
        timing = ("--connections", CONNECTIONS, "--warmup", 0, "--seconds", seconds, "--drain", 30)
        report = load(server.port, *timing, *flags, "--ledger", ledger)
        ended = time.monotonic()
        wait_until_stored(data, CATCH_UP_S, url)
        took_s = seconds + time.monotonic() - ended
    say("holding the ledger against the store")
    return report, judge(ledger, url or data / "store.db"), took_s


def of_script(name: str, *flags: str, core: int | None = SERVER_CORE) -> str:
    """What one of the smaller benchmarks prints, run on the server's core unless it chooses itself.

    Raises:
        BenchmarkError: it failed.
    """
    say(name)
    command = [sys.executable, str(SOURCES / name), *flags]
    process = start(command, core=core, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = process.communicate()
    if process.returncode != 0:
        raise BenchmarkError(f"{name} failed:\n{err}")
    return out


def decoding(plan: Plan, _folder: Path) -> Iterator[Row]:
    """One location report into columns."""
    found = json.loads(of_script("decode_bench.py", "--json", *plan.flags))
    yield Row(
        "decode of a 107-byte 0x0200 with 12 items, into columns",
        f"{found['columns_ns'] / 1000:.2f} µs; the declaration takes {found['declaration_ratio']:,.0f} times as long",
        "≤ 0.70 µs",
        found["columns_ns"] <= 700,
        found,
    )


def pipeline(plan: Plan, _folder: Path) -> Iterator[Row]:
    """The pipeline alone, from a full spool."""
    found = json.loads(of_script("pipeline_bench.py", "--json", *plan.flags))
    bar = found["bar_per_second"]
    yield Row(
        "spool to SQLite, pipeline alone on one core",
        f"{found['per_second']:,.0f} positions/s (decode {found['decode_us']:.1f}, write {found['write_us']:.1f} µs)",
        f"≥ {bar:,}/s",
        found["per_second"] >= bar,
        found,
    )


def commands(plan: Plan, _folder: Path) -> Iterator[Row]:
    """Commands to connected terminals, from `submit` until the answer is seen by who submitted."""
    found = json.loads(of_script("command_bench.py", "--json", *plan.flags, core=None))
    for title, part in (("one after the other", "one_by_one"), (f"{found['rate_per_s']}/s", "at_rate")):
        figure = found[part]
        yield Row(
            f"command to one of {found['connections']:,} terminals that report {found['reports_per_s']:,}/s, {title}: "
            "beyond the terminal's own time",
            f"median {figure['median_ms']:.1f}, p99 {figure['p99_ms']:.1f} ms",
            f"median ≤ {found['bar_ms']:.0f} ms",
            figure["median_ms"] <= found["bar_ms"],
            figure,
        )


def evidence(plan: Plan, _folder: Path) -> Iterator[Row]:
    """Files of many terminals at once, beside a plain copy of the same bytes."""
    found = json.loads(of_script("attachment_bench.py", "--json", *plan.flags, core=None))
    what = f"evidence of {found['terminals']} terminals at once, a photo and {found['video_mb']:g} MB each"
    yield Row(
        f"{what}, {found['breaks']} links broke: files identical by hash",
        f"{found['identical']} of {found['files']}",
        "all",
        found["identical"] == found["files"],
        found,
    )
    yield Row(
        f"{what}: speed beside a plain TCP copy to disk",
        f"{found['mb_per_s']:,.0f} MB/s, copy {found['copy_mb_per_s']:,.0f} MB/s: ratio {found['ratio']:.2f}",
        "",
        good=None,
    )
    yield Row(
        f"{what}: memory of the server",
        f"peak {found['rss_peak_mb']:.0f} MB, grown by {found['rss_grown_mb']:.1f} MB on the way",
        f"≤ {found['flat_mb']:.0f} MB",
        found["rss_grown_mb"] <= found["flat_mb"],
    )


def storage(_plan: Plan, folder: Path) -> Iterator[Row]:
    """Spool and store alone, on the disk of the others."""
    for line in of_script("storage_bench.py", "--folder", str(folder)).splitlines():
        what, _, measured = line.partition(":")
        yield Row(" ".join(what.split()), " ".join(measured.split()), "", good=None)


# --------------------------------------------------------------------------------------------------- output


def facts_of_this_machine(folder: Path) -> dict[str, str]:
    """What a reader must know to compare figures."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    kind = subprocess.run(
        ["stat", "--file-system", "--format=%T", str(folder)], capture_output=True, text=True, check=False
    )
    return {
        "cpu": f"{os.cpu_count()} × {model}",
        "system": platform.platform(),
        "python": platform.python_version(),
        "sqlite": apsw.sqlite_lib_version(),
        "twins": "compiled" if is_compiled(load_twin("lane")) else "plain Python",
        "file_system": kind.stdout.strip(),
    }


def show(rows: list[Row], machine: dict[str, str]) -> None:
    """The table, on the screen and as Markdown for docs/performance.md."""
    table = Table(title="jtgate bench", title_justify="left")
    for heading in ("what", "measured", "bar", ""):
        table.add_column(heading, overflow="fold")
    colours = {"pass": "green", "short": "yellow", "": ""}
    for row in rows:
        table.add_row(row.what, row.measured, row.bar, row.verdict, style=colours[row.verdict])
    console.print(table)
    lines = ["| what | measured | bar | |", "|---|---|---|---|"]
    lines += [f"| {row.what} | {row.measured} | {row.bar} | {row.verdict} |" for row in rows]
    (RESULTS / "bench.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    console.print("; ".join(f"{name} {value}" for name, value in machine.items()), highlight=False)


PARTS: dict[str, Callable[[Plan, Path], Iterator[Row]]] = {
    "answers": answered_per_second,
    "latency": latency,
    "memory": idle_memory,
    "decode": decoding,
    "pipeline": pipeline,
    "storage": storage,
    "commands": commands,
    "evidence": evidence,
    "store": stored_per_second,
    "postgres": stored_in_postgres,
}


def main() -> int:
    """Run the parts that were asked for; 0 also when a bar is missed, 1 when a part could not run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"any of: {', '.join(PARTS)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="short forms")
    asked = parser.parse_args()
    unknown = set(asked.parts) - set(PARTS)
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    plan = QUICK if asked.quick else FULL
    rows: list[Row] = []
    failed = False
    RESULTS.mkdir(exist_ok=True)
    # On the disk of the checkout, not in a temporary file system that lives in memory: commits have to cost.
    with tempfile.TemporaryDirectory(dir=RESULTS, prefix="run-") as name:
        folder = Path(name)
        machine = facts_of_this_machine(folder)
        for part in asked.parts or PARTS:
            os.sync()  # what the part before wrote would otherwise hold up the commits of this one
            try:
                rows += PARTS[part](plan, folder)
            except BenchmarkError as error:
                failed = True
                console.print(f"[red]{part} could not be measured:[/red] {error}", highlight=False)
    show(rows, machine)
    result = {
        "machine": machine,
        "quick": asked.quick,
        "rows": [{**asdict(row), "verdict": row.verdict} for row in rows],
    }
    path = RESULTS / "bench.json"
    path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    console.print(f"all figures: {path.relative_to(ROOT)}", highlight=False)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
