"""The upkeep beside the pipeline: days ahead, hourly figures and retention, at any load, whatever fails."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from jtgate.codecs.timebase import now_ms
from jtgate.pipeline.upkeep import Upkeep, UpkeepLimits
from jtgate.storage import open_store
from jtgate.storage.contract.rows import DAY_MS, FIRST_TERMINALS, HOUR_MS, position, write
from jtgate.storage.store import Store, StoreUnavailable

SOON = UpkeepLimits(
    roll_up_first_s=0.0,
    roll_up_every_s=0.01,
    roll_up_again_s=0.0,
    retain_first_s=0.0,
    retain_every_s=0.01,
    retain_again_s=0.0,
    retain_rows=7,
    keep_days=1 / 24,
    backoff_first_s=0.001,
    backoff_max_s=0.01,
)


class Wrapped:
    """A store some of whose methods are others."""

    def __init__(self, store: Store, **methods: Callable[..., Any]) -> None:
        self._store = store
        self.__dict__.update(methods)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A migrated store with three terminals."""
    with closing(open_store("", tmp_path)) as found:
        found.migrate()
        found.terminal_ids(FIRST_TERMINALS, 5)
        yield found


@contextmanager
def upkeep_of(store: Any, limits: UpkeepLimits = SOON) -> Iterator[Upkeep]:
    """An upkeep that runs."""
    upkeep = Upkeep(store, limits)
    upkeep.start()
    try:
        yield upkeep
    finally:
        upkeep.close()
    assert not any(thread.name == "jtgate-upkeep" for thread in threading.enumerate()), "its thread has ended"


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for what another thread does."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def errors(task: str, code: str) -> float:
    """What the metric counts."""
    return REGISTRY.get_sample_value("jtgate_pipeline_upkeep_errors_total", {"task": task, "code": code}) or 0.0


def test_what_is_past_its_time_goes_little_by_little_while_rows_come(store: Store) -> None:
    """Retention does not wait for a quiet moment: it deletes in small steps between the writes."""
    old_ms, young_ms = now_ms() - DAY_MS, now_ms()
    write(store, positions=[position(1, old_ms + number, number) for number in range(30)])
    asked: list[tuple[int, int]] = []

    def retain(before_ms: int, *, rows_max: int) -> int:
        asked.append((before_ms, rows_max))
        return store.retain(before_ms, rows_max=rows_max)

    written = 0
    with upkeep_of(Wrapped(store, retain=retain)):
        while any(row["received_ms"] < young_ms - HOUR_MS for row in store.positions(limit=100_000)):  # type: ignore[operator]
            write(store, 2 + written, positions=[position(2, young_ms + written, 1000 + written)])
            written += 1
            assert written < 5000
    assert len(store.positions(terminal=FIRST_TERMINALS[1], limit=100_000)) == written
    assert {rows_max for _, rows_max in asked} == {7}
    assert len(asked) >= 5
    assert abs(asked[0][0] - (young_ms - HOUR_MS)) < 5_000


def test_hourly_figures_follow_the_writes(store: Store) -> None:
    """Hours that are over are rolled up; one that is touched later is made anew."""
    hour_ms = now_ms() - now_ms() % HOUR_MS - 10 * HOUR_MS
    write(store, positions=[position(1, hour_ms, 1, mileage_km=10.0), position(1, hour_ms + 1, 2, mileage_km=12.0)])
    limits = UpkeepLimits(roll_up_first_s=0.0, roll_up_every_s=0.01, keep_days=30)

    def kilometres() -> list[float]:
        return [round(float(str(row["mileage_km"])), 1) for row in store.view("mileage_per_day")]

    with upkeep_of(store, limits):
        wait_until(lambda: kilometres() == [2.0])
        write(store, 2, positions=[position(1, hour_ms + 2, 3, mileage_km=15.5, received_ms=now_ms())])
        wait_until(lambda: kilometres() == [5.5])


@pytest.mark.parametrize(("late_s", "put_off"), [(900.0, 3.0), (0.0, 0.0)])
def test_hourly_figures_wait_while_the_store_is_behind_but_not_for_ever(
    store: Store, late_s: float, put_off: float
) -> None:
    """Catching up goes first; when that takes long, the figures are made all the same."""
    lags = iter([9.0, 9.0, 9.0])
    rolled: list[float] = []

    def so_far() -> float:
        return REGISTRY.get_sample_value("jtgate_pipeline_events_total", {"event": "roll_up_put_off"}) or 0.0

    def roll_up(now: int, *, hours_max: int) -> int:
        rolled.append(so_far())
        return 0

    before = so_far()
    limits = UpkeepLimits(roll_up_first_s=0.0, roll_up_every_s=0.005, keep_days=30, roll_up_late_s=late_s)
    upkeep = Upkeep(Wrapped(store, roll_up=roll_up), limits, lambda: next(lags, 0.0))  # type: ignore[arg-type]
    upkeep.start()
    wait_until(lambda: bool(rolled))
    upkeep.close()

    assert rolled[0] - before == put_off


def test_a_task_that_fails_is_counted_and_tried_again(store: Store) -> None:
    """A store that is away, and a bug of our own, stop neither the task nor the others."""
    failures = iter([StoreUnavailable("gone"), ZeroDivisionError(), StoreUnavailable("gone")])
    worked = threading.Event()
    rolled = threading.Event()

    def retain(before_ms: int, *, rows_max: int) -> int:
        error = next(failures, None)
        if error is not None:
            raise error
        worked.set()
        return 0

    def roll_up(now: int, *, hours_max: int) -> int:
        rolled.set()
        return 0

    away, bug = errors("retain", "store.unavailable"), errors("retain", "ZeroDivisionError")
    with upkeep_of(Wrapped(store, retain=retain, roll_up=roll_up)):
        assert worked.wait(10)
        assert rolled.wait(10)
    assert (errors("retain", "store.unavailable") - away, errors("retain", "ZeroDivisionError") - bug) == (2, 1)


def test_days_are_prepared_at_once(store: Store) -> None:
    """The first thing it does is to make room for the days to come."""
    asked: list[int] = []
    prepared = threading.Event()

    def prepare(now: int) -> int:
        asked.append(now)
        prepared.set()
        return 3

    with upkeep_of(Wrapped(store, prepare=prepare), UpkeepLimits()):
        assert prepared.wait(10)
    assert abs(asked[0] - now_ms()) < 10_000
