"""The deriver after a pause: it catches up without folding anew again and again, over gaps and other spools."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pipeline_line import PHONE, Line, payload

from jtgate.codecs.timebase import now_us
from jtgate.pipeline.derive import CONSUMER
from jtgate.pipeline.derive.states import Machines
from jtgate.pipeline.derive.timeline import Timeline
from jtgate.pipeline.derive.worker import Deriver, Limits
from jtgate.pipeline.derive.zones import ZoneMap
from jtgate.pipeline.following import Follower
from jtgate.storage import open_spool_reader, open_spool_writer
from jtgate.storage.model import StoreBatch
from jtgate.storage.store import StoreError, StoreUnavailable

BEGIN = datetime.fromisoformat("2025-11-23T08:00:00+08:00")
#: When reports are received: some hours after they were made.
RECEIVED_US = int(datetime.fromisoformat("2025-11-23T20:00:00+08:00").timestamp() * 1e6)


class Place:
    """A line, and a deriver that can be made anew.

    Args:
        folder: for its data.
    """

    def __init__(self, folder: Path) -> None:
        self.line = Line(folder)
        self.line.now_us = RECEIVED_US
        self.begin = BEGIN  # reports are told in seconds since then
        self.restart()

    def restart(self, groups_max: int = 8) -> None:
        """A deriver that knows only what is stored."""
        follower = Follower(self.line.store, self.line.reader, parts_bytes_max=1 << 20)
        self.timeline = Timeline(self.line.store, Machines(ZoneMap([])))
        self.deriver = Deriver(self.line.store, follower, self.timeline, limits=Limits(groups_max=groups_max))

    def send(self, *at_s: int, alarm: int = 0, phone: str = PHONE) -> None:
        """One group with a report of each second."""
        frames = [
            payload(0x0200, body(self.begin + timedelta(seconds=at), alarm), serial=at % 65536, phone=phone)
            for at in at_s
        ]
        self.line.append(frames, at_us=self.line.now_us + 1_000_000)

    def derive(self) -> dict[str, int]:
        """Work through what is stored; what became of the facts."""
        counted: dict[str, int] = {}
        inner = self.timeline.fold

        def counting(*arguments: Any) -> Any:
            before = dict(self.timeline.counts)
            try:
                return inner(*arguments)
            finally:
                for what, count in self.timeline.counts.items():
                    counted[what] = counted.get(what, 0) + count - before.get(what, 0)

        self.timeline.fold = counting  # type: ignore[method-assign]
        try:
            while self.deriver.step():
                pass
        finally:
            self.timeline.fold = inner  # type: ignore[method-assign]
        return counted

    def episodes(self) -> list[tuple[int, int, int]]:
        """Alarm type, beginning and last report of each episode that stands."""
        zero_ms = int(self.begin.timestamp()) * 1000
        return sorted(
            (row["alarm_type"], (row["started_ms"] - zero_ms) // 1000, (row["last_ms"] - zero_ms) // 1000)  # type: ignore[operator]
            for row in self.line.store.facts("episodes", limit=1000)
            if row["state"] != "withdrawn"
        )


def body(at: datetime, alarm: int) -> bytes:
    """A location body."""
    when = bytes.fromhex(at.strftime("%y%m%d%H%M%S"))
    place = (41_000_000).to_bytes(4) + (122_000_000).to_bytes(4)
    return alarm.to_bytes(4) + (3).to_bytes(4) + place + (5).to_bytes(2) + bytes(4) + when


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """An empty one."""
    made = Place(tmp_path)
    with closing(made.line):
        yield made


def test_catching_up_folds_each_terminal_anew_once(place: Place) -> None:
    """A deriver that was away for long reads a terminal from the store once, not with each step."""
    phones = ("013800138001", "013800138002")
    for at in range(0, 6000, 10):
        for phone in phones:
            place.send(at, phone=phone)
    place.line.run()

    counted = place.derive()

    assert counted["anew"] == len(phones)


def test_a_late_report_that_comes_first_after_a_restart_is_not_passed_over(place: Place) -> None:
    """It is older than the newest checkpoint, with which the deriver begins."""
    for hour in range(9):
        place.send(hour * 3600, hour * 3600 + 60)
    place.line.run()
    place.derive()
    assert place.episodes() == []
    place.restart()
    place.send(1800, alarm=1)
    place.line.run()

    place.derive()

    assert place.episodes() == [(0, 1800, 1800)]


def test_a_late_report_behind_others_in_a_backlog_is_not_passed_over(place: Place) -> None:
    """What was stored before the deriver read the terminal back may still be older than where it began."""
    for hour in range(9):
        place.send(hour * 3600, hour * 3600 + 60)
    place.line.run()
    place.derive()
    place.restart(groups_max=1)
    place.send(9 * 3600)
    place.send(1800, alarm=1)
    place.line.run()

    place.derive()

    assert place.episodes() == [(0, 1800, 1800)]


def test_what_retention_has_deleted_is_read_back_from_the_store(place: Place) -> None:
    """Reports that came in the gap are in the store: of terminals that are silent since then as well."""
    line = place.line
    line.now_us = now_us() - 600_000_000
    place.begin = datetime.fromtimestamp(line.now_us // 1_000_000, BEGIN.tzinfo) - timedelta(hours=1)
    place.send(0, 10)
    line.run()
    place.derive()
    place.send(20, alarm=1, phone="013800138009")
    line.run()
    line.writer.close()
    line.writer = open_spool_writer(line.data, bytes_max=1 << 30, keep_us=1)
    line.now_us += 10**12
    place.send(30)
    line.run()
    for at in range(40, 90):
        with closing(open_spool_reader(line.data)) as reader:
            if reader.read(0, groups_max=1)[0].seq > 2:
                break
        line.writer.retain(line.reader.last_seq(), line.now_us + 10**12)
        place.send(at)
        line.run()
    line.reader.close()
    line.reader = open_spool_reader(line.data)
    assert line.reader.read(0, groups_max=1)[0].seq > 2, "the second group is gone"
    place.restart()

    place.derive()

    assert place.episodes() == [(0, 20, 20)]


def test_another_spool_in_its_place_is_read_from_its_beginning(place: Place) -> None:
    """Its numbers begin anew, below what the deriver has come to."""
    for at in range(0, 50, 10):
        place.send(at)
    place.line.run()
    place.derive()
    line = place.line
    line.writer.close()
    line.reader.close()
    shutil.rmtree(line.data / "spool")
    line.writer = open_spool_writer(line.data, bytes_max=1 << 30, keep_us=3_600_000_000)
    line.reader = open_spool_reader(line.data)
    place.send(60, alarm=1)
    place.send(70)
    line.run_again()
    place.restart()

    place.derive()

    assert place.episodes() == [(0, 60, 60)]


def test_one_row_that_the_store_refuses_does_not_keep_the_others(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is left out and told; everything else is written, and the deriver goes on."""
    store, write = place.line.store, place.line.store.write

    def refuses(batch: StoreBatch, *, consumer: str, seq: int) -> Any:
        if any(row.alarm_type == 1 for row in batch.episodes):
            raise StoreError("a value does not fit its column")
        return write(batch, consumer=consumer, seq=seq)

    monkeypatch.setattr(store, "write", refuses)
    place.send(0, alarm=1)
    place.send(10, alarm=2)
    place.send(20)
    place.line.run()

    place.derive()

    assert place.episodes() == [(0, 0, 0)]
    assert store.cursor(CONSUMER) == 3


def test_a_clock_that_is_wrong_by_years_costs_nothing(place: Place) -> None:
    """A terminal that begins in 2006, as satellites once told, is not folded anew from its first report."""
    place.send(0, 10)
    place.line.run()
    place.derive()
    place.send(-1024 * 7 * 86_400, alarm=1)
    place.line.run()

    counted = place.derive()

    assert counted.get("anew", 0) == 0
    assert place.episodes() == []


def test_a_store_that_is_away_is_waited_for(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop goes on by itself when it is back, with nothing lost and nothing twice."""
    store, write = place.line.store, place.line.store.write
    away = threading.Event()
    away.set()
    tries: list[int] = []

    def flaky(batch: StoreBatch, *, consumer: str, seq: int) -> Any:
        if consumer == CONSUMER and away.is_set():
            tries.append(seq)
            raise StoreUnavailable("locked")
        return write(batch, consumer=consumer, seq=seq)

    monkeypatch.setattr(store, "write", flaky)
    place.send(0, alarm=1)
    place.send(10)
    place.line.run()
    stop = threading.Event()
    limits = Limits(cycle_s=0.01, backoff_first_s=0.001, backoff_max_s=0.01)
    follower = Follower(store, place.line.reader, parts_bytes_max=1 << 20)
    deriver = Deriver(store, follower, Timeline(store, Machines(ZoneMap([]))), limits=limits, stop=stop)
    thread = threading.Thread(target=deriver.run)
    thread.start()
    try:
        until(lambda: len(tries) > 3)
        assert store.cursor(CONSUMER) == 0
        away.clear()
        until(lambda: store.cursor(CONSUMER) == 2)
    finally:
        stop.set()
        thread.join(10)
    assert place.episodes() == [(0, 0, 0)]


def test_while_the_pipeline_is_behind_one_waits_but_not_for_ever(place: Place) -> None:
    """Intake comes first; after some waiting a step is made all the same."""
    store = place.line.store
    place.send(0, alarm=1)
    place.line.run()
    for at in range(10, 60, 10):
        place.send(at)  # not stored
    stop = threading.Event()
    limits = Limits(cycle_s=0.01, lag_groups_max=3, yield_s=0.01, yields_max=5)
    follower = Follower(store, place.line.reader, parts_bytes_max=1 << 20)
    deriver = Deriver(store, follower, Timeline(store, Machines(ZoneMap([]))), limits=limits, stop=stop)
    thread = threading.Thread(target=deriver.run)
    started = time.monotonic()
    thread.start()
    try:
        until(lambda: store.cursor(CONSUMER) == 1)
    finally:
        stop.set()
        thread.join(10)
    assert time.monotonic() - started > 0.04


def until(is_so: Callable[[], bool]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.005)
