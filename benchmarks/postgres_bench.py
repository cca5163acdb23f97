"""Rows stored per second in PostgreSQL: the whole pipeline against bare staged COPY of the same rows, in turns.

    python benchmarks/postgres_bench.py [--json] [--quick] [--positions N] [--terminals N] [--repeats N] [--writers N]

A spool is filled with 0x0200 frames of 107 bytes. *bare*: the same rows, packed beforehand, are copied into a
temporary table and inserted from there, 20,000 at a time, by one connection that does nothing else. *pipeline*: a
worker reads the spool, decodes, and stores, from its first group to its last. The server is tied to one core, the
client to another; every turn begins with an empty store. The bar: 0.7. Bytes per position are those of the last turn.
"""

import argparse
import json
import os
import secrets
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline_bench import fill
from toolbox import postgres

from jtgate.codecs.twins import load
from jtgate.pipeline.steps import BATCH_ROWS_MAX
from jtgate.pipeline.worker import Worker
from jtgate.storage import open_spool_progress, open_spool_reader
from jtgate.storage.postgres.connection import WRITE_TIMEOUT_S, Link
from jtgate.storage.postgres.store import PostgresStore
from jtgate.storage.postgres.writes import STAGE, Packed, Window, write_positions
from jtgate.storage.records import FramesRecord, unpack

BAR = 0.7
SERVER_CORE, CLIENT_CORE = 0, 1
#: As an operator sets them who has read docs/operations.md.
SETTINGS = {"shared_buffers": "1GB", "max_wal_size": "8GB", "checkpoint_timeout": "15min", "wal_compression": "lz4"}


@contextmanager
def empty_store(url: str, writers: int = 1) -> Iterator[PostgresStore]:
    """A store in a schema of its own, dropped afterwards."""
    store = PostgresStore(url, schema=f"bench_{secrets.token_hex(4)}", writers=writers)
    try:
        store.migrate()
        yield store
        store.drop()
    finally:
        store.close()


def packed_rows(data: Path) -> tuple[list[tuple[bytes, int]], set[int]]:
    """Everything in a spool as binary COPY, in batches of the pipeline's size, and the days it lies on."""
    columns = load("columns").LocationColumns(BATCH_ROWS_MAX)
    reader = open_spool_reader(data)
    found: list[tuple[bytes, int]] = []
    days: set[int] = set()
    terminals: dict[bytes, int] = {}

    def take() -> None:
        if len(columns):
            found.append((columns.copy_rows(), len(columns)))
            days.update(columns.days())
            columns.clear()

    seq = 0
    while groups := reader.read(seq):
        for group in groups:
            for record in unpack(group.data):
                for payload in record.payloads if isinstance(record, FramesRecord) else ():
                    terminal_id = terminals.setdefault(payload[4:10], len(terminals) + 1)
                    columns.add(payload, terminal_id, group.at_us // 1000, 1, group.seq)
            if len(columns) >= BATCH_ROWS_MAX:
                take()
        seq = groups[-1].seq
    take()
    reader.close()
    return found, days


def bare(url: str, batches: Sequence[tuple[bytes, int]], days: set[int]) -> float:
    """Rows per second of staged COPY and nothing else."""
    with empty_store(url) as store:
        with store._upkeep.connection() as connection:  # noqa: SLF001  the days of these rows have to be there
            store._ready_layout().ensure_days(connection, sorted(days))  # noqa: SLF001
        link = Link(url, store._schema, "bench", WRITE_TIMEOUT_S, STAGE)  # noqa: SLF001
        window = Window(min(days), max(days) + 86_400_000)
        started = time.perf_counter()
        stored = 0
        for data, _ in batches:
            with link.transaction() as cursor:
                stored += write_positions(cursor, Packed([data], 0, has_dated=True), window, straight=False)
        seconds = time.perf_counter() - started
        link.close()
    rows = sum(count for _, count in batches)
    if stored != rows:
        raise AssertionError(f"{rows} rows copied, {stored} stored")
    return rows / seconds


def pipeline(url: str, data: Path, positions: int, writers: int) -> tuple[float, float, float]:
    """Rows per second of the whole pipeline, its processor time per row in µs, and bytes per row in the store."""
    with empty_store(url, writers) as store:
        reader = open_spool_reader(data)
        worker = Worker(store, reader, open_spool_progress(data), parts_bytes_max=1 << 20)
        store.prepare(0)
        cpu, started = time.process_time(), time.perf_counter()
        worker.run_until_caught_up()
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
        reader.close()
        facts = store.info()
        rows = facts["rows"]
        stored = rows["positions"] if isinstance(rows, dict) else 0
        size = facts["bytes_on_disk"]
        if stored != positions or not isinstance(size, int):
            raise AssertionError(f"{positions} spooled, {stored} stored")
    return positions / seconds, cpu / positions * 1e6, size / positions


def measure(positions: int, terminals: int, repeats: int, writers: int) -> dict[str, Any]:
    """Turn about; medians."""
    with tempfile.TemporaryDirectory() as folder, postgres(core=SERVER_CORE, settings=SETTINGS) as url:
        data = Path(folder)
        fill(data, positions, terminals)
        batches, days = packed_rows(data)
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {CLIENT_CORE})
        limits: list[float] = []
        ours: list[tuple[float, float, float]] = []
        for _ in range(repeats):
            limits.append(bare(url, batches, days))
            ours.append(pipeline(url, data, positions, writers))
    rate = statistics.median(found[0] for found in ours)
    return {
        "positions": positions,
        "terminals": terminals,
        "writers": writers,
        "bare_per_second": limits,
        "pipeline_per_second": [found[0] for found in ours],
        "ratio": rate / statistics.median(limits),
        "bar": BAR,
        "cpu_us": statistics.median(found[1] for found in ours),
        "bytes_per_position": ours[-1][2],
    }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--quick", action="store_true", help="100,000 positions, one turn")
    parser.add_argument("--positions", type=int, default=600_000)
    parser.add_argument("--terminals", type=int, default=5_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--writers", type=int, default=1)
    options = parser.parse_args()
    positions, repeats = (100_000, 1) if options.quick else (options.positions, options.repeats)
    found = measure(positions, options.terminals, repeats, options.writers)
    if options.json:
        print(json.dumps(found))
        return
    rates = {
        name: " ".join(f"{rate:,.0f}" for rate in found[name]) for name in ("bare_per_second", "pipeline_per_second")
    }
    print(f"bare staged COPY: {rates['bare_per_second']} rows/s; pipeline: {rates['pipeline_per_second']} rows/s")
    print(
        f"ratio of the medians {found['ratio']:.2f} (bar {BAR}); {found['cpu_us']:.2f} µs of CPU a row, "
        f"{found['bytes_per_position']:.0f} bytes on disk"
    )


if __name__ == "__main__":
    main()
