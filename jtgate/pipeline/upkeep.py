"""What the store needs from time to time, at any load: days ahead, hourly figures, deletion of what is old.

One thread beside the pipeline. Every step is small and may be repeated, so that a step that fails, or a process
that dies within one, costs nothing but the step.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from jtgate import logs
from jtgate.codecs.timebase import now_ms
from jtgate.pipeline import metrics
from jtgate.pipeline.backoff import Backoff
from jtgate.storage.store import Store, StoreError

log = logs.get_logger("pipeline")

_DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class UpkeepLimits:
    """Times and sizes of the upkeep; times are seconds."""

    prepare_every_s: float = 3600.0
    roll_up_first_s: float = 30.0
    roll_up_every_s: float = 60.0
    roll_up_again_s: float = 1.0  # while there is more
    roll_up_hours: int = 48  # per step
    roll_up_lag_s: float = 5.0  # while the store is further behind than this, hourly figures wait …
    roll_up_late_s: float = 900.0  # … but not for longer than this
    retain_first_s: float = 60.0
    retain_every_s: float = 3600.0
    retain_again_s: float = 0.02  # while there is more
    retain_rows: int = 5000  # per step and table, so that writing never waits long
    keep_days: float = 190.0
    backoff_first_s: float = 1.0
    backoff_max_s: float = 60.0
    stop_s: float = 10.0  # how long the end of a step is waited for


class _Task:
    """One thing to do again and again.

    Args:
        name: for logs and metrics.
        step: does a part of it; True when there is more to do at once.
        first_s: from now.
        every_s: when nothing is left.
        again_s: when there is more.
        backoff: after failures.
    """

    def __init__(
        self, name: str, step: Callable[[], bool], *, first_s: float, every_s: float, again_s: float, backoff: Backoff
    ) -> None:
        self._name = name
        self._step = step
        self._every_s = every_s
        self._again_s = again_s
        self._backoff = backoff
        self.due_at = time.monotonic() + first_s

    def do(self) -> None:
        """One step; whatever fails is counted, told once for a row of failures, and tried again."""
        try:
            wait_s = self._again_s if self._step() else self._every_s
        except StoreError as error:
            wait_s = self._failed(error.code)
        except Exception as error:  # noqa: BLE001  a bug of ours must not end the upkeep of the other tasks
            wait_s = self._failed(type(error).__name__)
        else:
            if self._backoff.succeeded():
                log.info("pipeline.upkeep_works", task=self._name)
        self.due_at = time.monotonic() + wait_s

    def _failed(self, code: str) -> float:
        metrics.UPKEEP_ERRORS.labels(self._name, code).inc()
        if self._backoff.failures == 0:
            log.warning("pipeline.upkeep_failed", task=self._name, code=code)
        return self._backoff.next_s()


class Upkeep:
    """The upkeep of a store in a thread of its own, from `start` to `close`.

    Args:
        store: migrated; its methods may be called from any thread.
        limits: see UpkeepLimits.
        lag_s: how far the store is behind the spool, seconds.
    """

    def __init__(self, store: Store, limits: UpkeepLimits, lag_s: Callable[[], float] = lambda: 0.0) -> None:
        self._store = store
        self._limits = limits
        self._lag_s = lag_s
        self._rolled_up_at = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="jtgate-upkeep", daemon=True)

    def start(self) -> None:
        """Begin, with the days ahead."""
        self._thread.start()

    def close(self) -> None:
        """End after the step under way; one that takes too long ends with the process."""
        self._stop.set()
        self._thread.join(self._limits.stop_s)

    def _run(self) -> None:
        tasks = self._tasks()
        while not self._stop.is_set():
            task = min(tasks, key=lambda task: task.due_at)
            if not self._stop.wait(max(0.0, task.due_at - time.monotonic())):
                task.do()

    def _tasks(self) -> list[_Task]:
        limits = self._limits

        def backoff() -> Backoff:
            return Backoff(limits.backoff_first_s, limits.backoff_max_s)

        every_s = limits.prepare_every_s
        return [
            _Task("prepare", self._prepare, first_s=0.0, every_s=every_s, again_s=every_s, backoff=backoff()),
            _Task(
                "roll_up",
                self._roll_up,
                first_s=limits.roll_up_first_s,
                every_s=limits.roll_up_every_s,
                again_s=limits.roll_up_again_s,
                backoff=backoff(),
            ),
            _Task(
                "retain",
                self._retain,
                first_s=limits.retain_first_s,
                every_s=limits.retain_every_s,
                again_s=limits.retain_again_s,
                backoff=backoff(),
            ),
        ]

    def _prepare(self) -> bool:
        metrics.EVENTS.labels("days_prepared").inc(self._store.prepare(now_ms()))
        return False

    def _roll_up(self) -> bool:
        """Hourly figures, when there is time for them: catching up goes first, for a while."""
        is_late = time.monotonic() - self._rolled_up_at > self._limits.roll_up_late_s
        if self._lag_s() > self._limits.roll_up_lag_s and not is_late:
            metrics.EVENTS.labels("roll_up_put_off").inc()
            return False
        self._rolled_up_at = time.monotonic()
        hours = self._store.roll_up(now_ms(), hours_max=self._limits.roll_up_hours)
        metrics.EVENTS.labels("hours_rolled_up").inc(hours)
        return hours > 0

    def _retain(self) -> bool:
        before_ms = now_ms() - int(self._limits.keep_days * _DAY_MS)
        deleted = self._store.retain(before_ms, rows_max=self._limits.retain_rows)
        metrics.EVENTS.labels("rows_deleted").inc(deleted)
        return deleted > 0
