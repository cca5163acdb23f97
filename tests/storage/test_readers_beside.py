"""A reader in another process sees whole batches only, while rows are written as fast as a busy platform sends them."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import beside_reader
from storage_backends import StoreUnderTest

from jtgate.codecs.timebase import now_ms
from jtgate.storage.contract.rows import position, write
from jtgate.storage.store import Store

HERE = Path(__file__).parent
BATCH_ROWS = 2000
ROWS_PER_S = 20_000
BATCHES = 25


def test_whole_batches_at_20_000_rows_a_second(backend: StoreUnderTest, open_store: Callable[[], Store]) -> None:
    """What counts as stored is whole, what does not is whole or not there, and last positions are of one batch."""
    store = open_store()
    store.migrate()
    terminals = list(store.terminal_ids([f"136{number:08d}" for number in range(BATCH_ROWS)], 1).values())
    first_ms = now_ms() - BATCHES * beside_reader.BATCH_MS
    first_ms -= first_ms % beside_reader.BATCH_MS
    batches = [
        [position(terminal, first_ms + seq * 1000, seq, session_id=seq) for terminal in terminals]
        for seq in range(1, BATCHES + 1)
    ]
    with reader_of(backend, first_ms) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "ready\n"
        started = time.monotonic()
        for seq, rows in enumerate(batches, 1):
            write(store, seq, positions=rows)
            time.sleep(max(0.0, started + seq * BATCH_ROWS / ROWS_PER_S - time.monotonic()))
        took_s = time.monotonic() - started
        output, _ = reader.communicate(timeout=30)
    seen = json.loads(output)

    assert seen["wrong"] == []
    assert seen["looks"] >= 10
    assert 1 < seen["newest"] <= BATCHES
    assert took_s < 3 * BATCHES * BATCH_ROWS / ROWS_PER_S  # it was under load


def reader_of(backend: StoreUnderTest, first_ms: int) -> "subprocess.Popen[str]":
    """The reader, as a program of its own."""
    facts = {"name": backend.name, "path": str(backend.path), "url": backend.url, "schema": backend.schema}
    paths = [str(HERE), str(HERE.parents[1]), os.environ.get("PYTHONPATH", "")]
    return subprocess.Popen(
        [sys.executable, str(HERE / "beside_reader.py"), str(BATCH_ROWS), str(first_ms)],
        env={**os.environ, "STORE_UNDER_TEST": json.dumps(facts), "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
