"""The worker: crashes, a store that is away or refuses a value, limits of a batch, retention, progress, stopping."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest
from pipeline_line import PHONE, Line, location, payload
from prometheus_client import REGISTRY

from jtgate.codecs.timebase import encode_bcd_time, from_ms, now_us
from jtgate.pipeline import CONSUMER, quarantine, steps
from jtgate.pipeline.backoff import Backoff
from jtgate.pipeline.worker import Limits, Worker
from jtgate.settings import Settings
from jtgate.storage.model import StoreBatch, Written
from jtgate.storage.spool import SpoolFailed
from jtgate.storage.store import StoreError, StoreUnavailable

FAST = Limits(backoff_first_s=0.001, backoff_max_s=0.01, poll_s=0.001, linger_s=0.001)


class Wrapped:
    """A store or reader with one method replaced."""

    def __init__(self, inner: Any, **replaced: Callable[..., Any]) -> None:
        self._inner = inner
        self._replaced = replaced

    def __getattr__(self, name: str) -> Any:
        return self._replaced.get(name) or getattr(self._inner, name)


def report(second: int, *, serial: int = 0, phone: str = PHONE, alarm: int = 0) -> bytes:
    """A 0x0200 of some second."""
    time_ = encode_bcd_time(from_ms(1_763_899_200_000 + second * 1000)).hex()
    return payload(0x0200, location(time_, alarm=alarm), serial=serial, phone=phone)


def counted(name: str, **labels: str) -> float:
    """A metric now."""
    return REGISTRY.get_sample_value(name, labels) or 0.0


def part(number: int, total: int, serial: int) -> bytes:
    """A part of a 0x0900 message."""
    return payload(0x0900, b"\xf0" + bytes((number,)) * 50, serial=serial + number - 1, part=(number, total))


class Died(Exception):
    """SIGKILL, as far as a test can play it."""


@pytest.mark.parametrize("seed", range(4))
def test_crashes_between_and_inside_batches_lose_and_double_nothing(line: Line, seed: int) -> None:
    """Workers die before a write, after it, and anywhere between; the last one ends where one alone would."""
    chance = random.Random(seed)
    line.now_us = now_us() - 100_000_000
    for n in range(60):
        frames = [report(n * 10 + k, serial=n, phone=f"0138001380{k:02}", alarm=n // 7 % 2) for k in range(3)]
        frames.append(part(n % 4 + 1, 4, n // 4 * 4))
        line.append([*frames, payload(0x5500, bytes((n,)), serial=n)])
    expected_positions = {(f"138001380{k:02}", n * 10 + k) for n in range(60) for k in range(3)}

    def dying_write(batch: StoreBatch, *, consumer: str, seq: int) -> Written:
        fate = chance.random()
        if fate < 0.2:
            raise Died
        written = line.store.write(batch, consumer=consumer, seq=seq)
        if fate < 0.4:
            raise Died
        return written

    limits = Limits(read_groups_max=3, backoff_first_s=0.001, small_batch_frames=0)
    deaths = 0
    while True:
        store = Wrapped(line.store, write=dying_write)
        worker = Worker(store, line.reader, line.progress, parts_bytes_max=1 << 20, limits=limits)
        try:
            worker.run_until_caught_up()
            break
        except Died:
            deaths += 1
    assert deaths > 3
    found = [(row["terminal"], (row["device_time_ms"] - 1_763_899_200_000) // 1000) for row in line.rows("positions")]
    assert len(found) == len(expected_positions)
    assert set(found) == expected_positions
    messages = line.rows("messages")
    assert sorted(row["raw"] for row in messages if row["msg_id"] == 0x5500) == [bytes((n,)) for n in range(60)]
    assert [row["parts"] for row in messages if row["msg_id"] == 0x0900] == [4] * 15
    assert line.store.open_parts() == []
    edges = [row for row in line.rows("alarm_events") if row["terminal"] == "13800138000"]
    assert len(edges) == 8  # flags change every 7 groups: 60 // 7 times
    assert line.rows("quarantine") == []


def test_store_that_is_away_delays_and_loses_nothing(line: Line) -> None:
    """Ten refusals in a row: the same batch again, counted each time, logged once, progress only afterwards."""
    refusals = iter(range(10))
    batches: list[StoreBatch] = []

    def write(batch: StoreBatch, *, consumer: str, seq: int) -> Written:
        batches.append(batch)
        if next(refusals, None) is not None:
            raise StoreUnavailable("locked")
        return line.store.write(batch, consumer=consumer, seq=seq)

    line.append([report(1)])
    before = counted("jtgate_pipeline_store_errors_total", code="store.unavailable")
    worker = Worker(Wrapped(line.store, write=write), line.reader, line.progress, parts_bytes_max=1 << 20, limits=FAST)
    assert worker.run_until_caught_up() == 1
    assert len(batches) == 11
    assert all(batch is batches[0] for batch in batches)
    assert counted("jtgate_pipeline_store_errors_total", code="store.unavailable") == before + 10
    assert len(line.rows("positions")) == 1
    assert line.progress.all() == {CONSUMER: worker.seq}


def test_store_that_is_away_when_a_terminal_is_new(line: Line) -> None:
    """No id for a new terminal: the batch is decoded again from what the store knows."""
    refusals = iter(range(3))

    def terminal_ids(phones: Any, now_ms: int) -> dict[str, int]:
        if next(refusals, None) is not None:
            raise StoreUnavailable("locked")
        return line.store.terminal_ids(phones, now_ms)

    line.append([part(1, 2, 5), report(1), part(2, 2, 5)])
    store = Wrapped(line.store, terminal_ids=terminal_ids)
    Worker(store, line.reader, line.progress, parts_bytes_max=1 << 20, limits=FAST).run_until_caught_up()
    assert len(line.rows("positions")) == 1
    assert [row["parts"] for row in line.rows("messages")] == [2]


def test_stopping_while_the_store_is_away_writes_nothing_and_loses_nothing(line: Line) -> None:
    """SIGTERM during an outage: the worker returns at once; the next one stores the batch."""
    stop = threading.Event()

    def write(batch: StoreBatch, *, consumer: str, seq: int) -> Written:
        stop.set()
        raise StoreUnavailable("locked")

    line.append([report(1)])
    store = Wrapped(line.store, write=write)
    Worker(store, line.reader, line.progress, parts_bytes_max=1 << 20, limits=FAST, stop=stop).run()
    assert line.store.cursor(CONSUMER) == 0
    line.run()
    assert len(line.rows("positions")) == 1


def test_value_that_the_store_refuses_costs_its_frame_only(line: Line) -> None:
    """A StoreError that will not pass: the frame behind it is quarantined, all others are stored."""

    def write(batch: StoreBatch, *, consumer: str, seq: int) -> Written:
        if any(row.raw == b"poison" for row in batch.messages):
            raise StoreError("a value does not fit its column")
        return line.store.write(batch, consumer=consumer, seq=seq)

    line.append([report(1)])
    line.append([report(2), payload(0x5500, b"poison"), report(3), payload(0x5500, b"good")])
    line.online(session=9)
    last = line.append([report(4)])
    store = Wrapped(line.store, write=write)
    worker = Worker(store, line.reader, line.progress, parts_bytes_max=1 << 20, limits=FAST)
    worker.run_until_caught_up()
    assert worker.seq == last
    assert len(line.rows("positions")) == 4
    assert [row["raw"] for row in line.rows("messages")] == [b"good"]
    assert [row["session_id"] for row in line.rows("sessions")] == [9]
    (row,) = line.rows("quarantine")
    assert (row["code"], row["payload"]) == (quarantine.INTERNAL, payload(0x5500, b"poison"))


def test_state_is_read_again_after_a_refusal_only(line: Line) -> None:
    """`last_flags` reads all terminals: not for every frame of the group. Edges and parts go on between frames."""
    reads = 0

    def last_flags() -> Any:
        nonlocal reads
        reads += 1
        return line.store.last_flags()

    def write(batch: StoreBatch, *, consumer: str, seq: int) -> Written:
        if any(row.raw == b"poison" for row in batch.messages):
            raise StoreError("a value does not fit its column")
        return line.store.write(batch, consumer=consumer, seq=seq)

    frames = [report(n, serial=n, alarm=n % 2) for n in range(20)]
    parts = [payload(0x0900, b"\xf0" + bytes(9), serial=5, part=(n, 3)) for n in (1, 2, 3)]
    line.append([parts[0], *frames[:10], parts[1], payload(0x5500, b"poison"), *frames[10:], parts[2]])
    store = Wrapped(line.store, write=write, last_flags=last_flags)
    Worker(store, line.reader, line.progress, parts_bytes_max=1 << 20, limits=FAST).run_until_caught_up()
    assert reads == 4  # for the batch, and after each refusal: of the batch, of the group, of the frame
    assert len(line.rows("positions")) == 20
    assert len(line.rows("alarm_events")) == 19
    assert [row["parts"] for row in line.rows("messages")] == [3]
    assert [row["payload"] for row in line.rows("quarantine")] == [payload(0x5500, b"poison")]
    assert line.store.open_parts() == []


def test_store_that_goes_away_while_a_refused_value_is_looked_for(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was not stored is read again from the cursor, and nothing is passed over."""
    monkeypatch.setattr(steps, "BATCH_ROWS_MAX", 1)
    away = iter([False, False, True, False, False, True, True])

    def write(batch: StoreBatch, *, consumer: str, seq: int) -> Written:
        if any(row.raw == b"poison" for row in batch.messages):
            raise StoreError("a value does not fit its column")
        if next(away, False):
            raise StoreUnavailable("locked")
        return line.store.write(batch, consumer=consumer, seq=seq)

    for n in range(4):
        line.append([report(n), payload(0x5500, b"poison" if n == 2 else b"good", serial=n)])
    store = Wrapped(line.store, write=write)
    Worker(store, line.reader, line.progress, parts_bytes_max=1 << 20, limits=FAST).run_until_caught_up()
    assert len(line.rows("positions")) == 4
    assert [row["serial"] for row in line.rows("messages")] == [3, 1, 0]
    assert [row["payload"] for row in line.rows("quarantine")] == [payload(0x5500, b"poison", serial=2)]


def test_batches_are_bounded_by_rows_and_by_time(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch ends with the group that reaches a limit; the next one goes on there."""
    for n in range(6):
        line.append([report(n * 10 + k, serial=k) for k in range(5)])
    decoder = steps.Decoder(line.store, parts_bytes_max=1 << 20)
    groups = line.reader.read(0)
    monkeypatch.setattr(steps, "BATCH_ROWS_MAX", 10)
    batch, taken = decoder.decode(groups)
    assert (batch.position_count, taken) == (10, 2)
    monkeypatch.setattr(steps, "BATCH_SECONDS_MAX", 0.0)
    assert decoder.decode(groups[2:])[1] == 1
    line.run()
    assert len(line.rows("positions")) == 30


def test_spool_that_cannot_be_read_is_tried_again(line: Line) -> None:
    """A disk error while reading is waited out."""
    failures = iter(range(3))

    def read(after_seq: int, **limits: int) -> Any:
        if next(failures, None) is not None:
            raise SpoolFailed("I/O error")
        return line.reader.read(after_seq, **limits)

    line.append([report(1)])
    reader = Wrapped(line.reader, read=read)
    worker = Worker(line.store, reader, line.progress, parts_bytes_max=1 << 20, limits=FAST)
    assert [worker.step() for _ in range(4)] == [0, 0, 0, 1]
    assert len(line.rows("positions")) == 1


def test_spool_that_cannot_be_read_is_not_idle(line: Line) -> None:
    """What it still holds may complete what waits: nothing is given up, and the lag grows."""
    line.now_us = now_us() - 400_000_000  # longer ago than parts are kept
    broken = False

    def read(after_seq: int, **limits: int) -> Any:
        if broken:
            raise SpoolFailed("I/O error")
        return line.reader.read(after_seq, **{**limits, "groups_max": 1})

    line.append([part(1, 2, 9)], at_us=line.now_us)
    line.append([part(2, 2, 9)], at_us=line.now_us + 1)
    limits = Limits(backoff_first_s=0.001, backoff_max_s=0.01, due_s=0.0, progress_s=0.0)
    reader = Wrapped(line.reader, read=read)
    worker = Worker(line.store, reader, line.progress, parts_bytes_max=1 << 20, limits=limits)
    assert worker.step() == 1
    broken = True
    assert [worker.step() for _ in range(3)] == [0, 0, 0]
    assert counted("jtgate_pipeline_lag_seconds") == pytest.approx(400, abs=30)
    assert counted("jtgate_pipeline_lag_groups") == 1
    broken = False
    assert [worker.step(), worker.step()] == [1, None]
    assert [row["parts"] for row in line.rows("messages")] == [2]
    assert line.rows("quarantine") == []
    assert counted("jtgate_pipeline_lag_seconds") == counted("jtgate_pipeline_lag_groups") == 0


def test_lag_grows_again_when_a_spool_that_was_empty_cannot_be_read(line: Line) -> None:
    """From 0, when all was stored, by the time since then."""

    def read(after_seq: int, **limits: int) -> Any:
        raise SpoolFailed("I/O error")

    line.append([report(1)])
    worker = line.run()
    worker._reader = Wrapped(line.reader, read=read)
    ended = time.monotonic()
    while time.monotonic() < ended + 0.05:
        worker.step()
    assert 0.05 <= counted("jtgate_pipeline_lag_seconds") < 10.0


def test_another_spool_in_the_place_of_the_old_one_is_read_from_its_beginning(line: Line, tmp_path: Path) -> None:
    """Numbers that begin anew below the cursor are not passed over."""
    for n in range(5):
        line.append([report(n)])
    line.run()
    line.close()
    shutil.rmtree(tmp_path / "spool")
    line = Line(tmp_path)
    line.append([report(100)])
    worker = line.worker()
    worker.run_until_caught_up()
    worker.run_until_caught_up()
    assert len(line.rows("positions")) == 6
    assert (worker.seq, line.store.cursor(CONSUMER)) == (1, 1)
    line.close()


def test_backoff_grows_to_its_limit_with_jitter() -> None:
    """Waiting doubles up to the limit, never above it, and starts anew after a success."""
    backoff = Backoff(0.1, 5.0)
    waits = [backoff.next_s() for _ in range(40)]
    assert all(0.05 <= wait <= 5.0 for wait in waits)
    assert waits[0] <= 0.1
    assert min(waits[8:]) >= 2.5
    assert len(set(waits[8:])) > 10
    assert backoff.succeeded()
    assert not backoff.succeeded()
    assert backoff.next_s() <= 0.1


def test_rows_and_faults_are_counted(line: Line) -> None:
    """Metrics by table, by code, new and repeated."""
    names = {
        "positions": ("jtgate_pipeline_rows_total", {"table": "positions"}),
        "new": ("jtgate_pipeline_rows_written_total", {"state": "new"}),
        "repeated": ("jtgate_pipeline_rows_written_total", {"state": "repeated"}),
        "held": ("jtgate_pipeline_quarantined_total", {"code": "body.truncated"}),
    }
    before = {key: counted(name, **labels) for key, (name, labels) in names.items()}
    line.append([report(1), report(1), payload(0x0200, b"")])
    line.run()
    after = {key: counted(name, **labels) - before[key] for key, (name, labels) in names.items()}
    assert after == {"positions": 2, "new": 2, "repeated": 1, "held": 1}
    assert counted("jtgate_pipeline_lag_groups") == 0


# ----------------------------------------------------------------------------------- the process


def start(data: Path, **popen: Any) -> subprocess.Popen[bytes]:
    """The pipeline process on a data folder."""
    settings = json.dumps({"data": str(data), "log_format": "json"})
    environment = {name: value for name, value in os.environ.items() if name != "PROMETHEUS_MULTIPROC_DIR"}
    command = [sys.executable, "-m", "jtgate.pipeline", "--settings", settings]
    return subprocess.Popen(command, stderr=subprocess.PIPE, env=environment, **popen)


def wait_for(condition: Callable[[], bool], seconds: float = 15.0) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


@pytest.mark.parametrize("end", ["sigterm", "parent"])
def test_process_stores_what_is_spooled_and_stops_when_told_or_orphaned(line: Line, end: str) -> None:
    """It follows the spool, publishes progress, and ends with 0 on SIGTERM or when its standard input closes."""
    line.append([report(1)])
    with start(line.data, stdin=subprocess.PIPE) as process:
        try:
            wait_for(lambda: len(line.rows("positions")) == 1)
            last = line.append([report(2)])
            wait_for(lambda: len(line.rows("positions")) == 2)
            if end == "sigterm":
                process.send_signal(signal.SIGTERM)
            else:
                assert process.stdin is not None
                process.stdin.close()
            assert process.wait(10) == 0
        finally:
            process.kill()
        assert process.stderr is not None
        events = [json.loads(text)["event"] for text in process.stderr.read().splitlines()]
    assert (events[0], events[-1]) == ("pipeline.started", "pipeline.stopped")
    assert line.progress.all() == {CONSUMER: last}


def test_process_refuses_a_store_of_a_later_release_as_a_configuration_error(line: Line) -> None:
    """Exit code 78, one sentence, and nothing touched; the same for settings it cannot read."""
    connection = apsw.Connection(str(line.data / "store.db"))
    connection.execute("INSERT INTO jtgate_migrations VALUES (9999, 'later', 0)")
    connection.close()
    with start(line.data, stdin=subprocess.DEVNULL) as process:
        _, errors = process.communicate(timeout=20)
        assert process.returncode == 78
        assert b"9999" in errors
        assert b"Traceback" not in errors
    assert Settings.from_json(json.dumps({"data": "x"})).data == Path("x")
    command = [sys.executable, "-m", "jtgate.pipeline", "--settings", "{"]
    assert subprocess.run(command, check=False, capture_output=True, timeout=20).returncode == 78
