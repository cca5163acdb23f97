"""Speed of the embedded storage, alone: appends of the spool by size of group, following it, rows into the store.

    python benchmarks/storage_bench.py [--folder DIR]

The folder decides the disk. Sketch of what to expect, for a disk that syncs in 0.25 ms: an append is one sync,
so about 3,500 groups/s whatever their size up to 10 KB, then the disk's bandwidth halved (WAL, then file).
A batch of positions is bound by the index on the terminal: one page for each of its terminals.
"""

import argparse
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from jtgate.storage.model import POSITION_COLUMNS, PositionRow, StoreBatch
from jtgate.storage.sqlite.spool import SqliteSpoolWriter
from jtgate.storage.sqlite.spool_reader import SqliteSpoolReader
from jtgate.storage.sqlite.store import SqliteStore

GROUP_BYTES = (300, 3_000, 30_000, 300_000)
SPOOL_SECONDS = 1.5
SPOOL_BYTES_MAX = 300 << 20
BATCH_ROWS = 20_000
BATCHES = 20
TERMINALS = (200, 10_000)
T0_MS = 1_790_000_000_000


def percentile(values: list[float], part: float) -> float:
    """A percentile in milliseconds of values in seconds."""
    return sorted(values)[min(len(values) - 1, int(len(values) * part))] * 1000


def spool(folder: Path, size: int, *, busy: bool) -> None:
    """Append groups of one size for a while, tidying beside it as the gateway does, then follow them."""
    data = os.urandom(size)
    seconds: list[float] = []
    stop = threading.Event()
    with closing(SqliteSpoolWriter(folder, bytes_max=1 << 40, keep_us=10**15)) as writer:
        threads = [threading.Thread(target=_repeat, args=(stop, 0.5, lambda: writer.retain(0, 1)))]
        if busy:
            threads.append(threading.Thread(target=_repeat, args=(stop, 0.0, lambda: sum(range(2000)))))
        for thread in threads:
            thread.start()
        began = time.perf_counter()
        while time.perf_counter() - began < SPOOL_SECONDS and len(seconds) * size < SPOOL_BYTES_MAX:
            before = time.perf_counter()
            writer.append(data, 10, 1)
            seconds.append(time.perf_counter() - before)
        elapsed = time.perf_counter() - began
        stop.set()
        for thread in threads:
            thread.join()
    count, megabytes = len(seconds), len(seconds) * size / 1e6
    read_mb_s, poll_us = follow(folder, count)
    print(
        f"spool {size:>7} B/group{' with a busy thread' if busy else '':>19}: {count / elapsed:>6.0f} commits/s "
        f"{megabytes / elapsed:>6.1f} MB/s  append p50 {percentile(seconds, 0.5):.2f} ms p99 "
        f"{percentile(seconds, 0.99):.2f} ms max {max(seconds) * 1000:.1f} ms  read {read_mb_s:.0f} MB/s, "
        f"empty poll {poll_us:.0f} us"
    )


def _repeat(stop: threading.Event, pause_s: float, work: Callable[[], object]) -> None:
    while not stop.wait(pause_s):
        work()


def follow(folder: Path, count: int) -> tuple[float, float]:
    """Read a spool to its end; MB/s, and microseconds of a poll that finds nothing."""
    with closing(SqliteSpoolReader(folder)) as reader:
        seq = size = found = 0
        began = time.perf_counter()
        while groups := reader.read(seq):
            seq, found = groups[-1].seq, found + len(groups)
            size += sum(len(group.data) for group in groups)
        elapsed = time.perf_counter() - began
        if found != count:
            raise SystemExit(f"appended {count} groups, read {found}")
        began = time.perf_counter()
        for _ in range(1000):
            reader.read(seq)
        return size / elapsed / 1e6, (time.perf_counter() - began) * 1000


def batch(number: int, terminals: int) -> list[PositionRow]:
    """A batch as the pipeline has it: each terminal reports every 10 s, in mixed order."""
    rows: list[PositionRow] = []
    filler = (None,) * (len(POSITION_COLUMNS) - 18)
    for at in range(number * BATCH_ROWS, (number + 1) * BATCH_ROWS):
        terminal = at % terminals * 7919 % terminals + 1
        time_ms = T0_MS + at // terminals * 10_000 + terminal * 31 % 10 * 1000
        head = (terminal, time_ms, at * 0x9E3779B97F4A7C15 % (1 << 64) - (1 << 63), time_ms + 350, 0, terminal, number)
        rows.append((*head, at & 0xFFFF, 0x0200, 0, 0, 3, 41.123456, 122.123456, 5, 60.5, 90, 6605.1, *filler))
    return rows


def store(folder: Path, terminals: int) -> None:
    """Write batches of positions, then the last one once more."""
    with closing(SqliteStore(folder / "store.db")) as target:
        target.migrate()
        target.terminal_ids([str(13_800_000_000 + number) for number in range(terminals)], T0_MS)
        seconds: list[float] = []
        rows = StoreBatch()
        for number in range(BATCHES):
            rows = StoreBatch(positions=batch(number, terminals))
            before = time.perf_counter()
            written = target.write(rows, consumer="bench", seq=number)
            seconds.append(time.perf_counter() - before)
            if written.new != BATCH_ROWS:
                raise SystemExit(f"{written} of {BATCH_ROWS} rows")
        before = time.perf_counter()
        written = target.write(rows, consumer="bench", seq=BATCHES)
        again = time.perf_counter() - before
        if written.repeated != BATCH_ROWS:
            raise SystemExit(f"{written} when repeated")
        steady = seconds[BATCHES // 2 :]
        size = target.info()["bytes_on_disk"]
        before = time.perf_counter()
        deleted = target.retain(T0_MS + 10**9)
        deletion = time.perf_counter() - before
    print(
        f"store {terminals:>6} terminals: {BATCH_ROWS * len(steady) / sum(steady):>7.0f} rows/s in batches of "
        f"{BATCH_ROWS} (slowest batch {BATCH_ROWS / max(steady):.0f} rows/s), "
        f"repeated {BATCH_ROWS / again:.0f} rows/s, "
        f"deleted {deleted / deletion:.0f} rows/s, {int(str(size)) / 1e6:.0f} MB on disk"
    )


def main() -> None:
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="where to write")
    folder = Path(tempfile.mkdtemp(prefix="jtgate-bench-", dir=parser.parse_args().folder))
    try:
        for size in GROUP_BYTES:
            spool(folder / f"spool-{size}", size, busy=False)
        spool(folder / "spool-busy", 30_000, busy=True)
        for terminals in TERMINALS:
            store(folder / str(terminals), terminals)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
