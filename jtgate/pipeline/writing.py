"""Writing beside decoding: one batch is on its way into the store while the next one is decoded.

    decoder ──► batch N+1 ──┐ waits for N          reads of the decoder wait for N as well (`ReadsAfterWrites`)
    BatchWriter: batch N ───┴──► store

There are never more than these two, so that two sets of columns, used in turn, are enough.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

from jtgate import logs
from jtgate.pipeline import CONSUMER, metrics
from jtgate.pipeline.backoff import Backoff
from jtgate.storage.model import PartRow, StoreBatch, Written
from jtgate.storage.spool import Group
from jtgate.storage.store import Key, Store, StoreError, StoreUnavailable

log = logs.get_logger("pipeline")


class BatchNotWritten(StoreError):
    """The batch before was not written: what is decoded on top of it is worth nothing."""

    code = "store.batch_not_written"


class Decoded(NamedTuple):
    """A batch, the groups it was made of, and what was counted meanwhile."""

    batch: StoreBatch
    groups: list[Group]
    deviations: Counter[str]
    events: Counter[str]

    @property
    def frames(self) -> int:
        """Frames in its groups."""
        return sum(group.frames for group in self.groups)

    @property
    def seq(self) -> int:
        """Its last group."""
        return self.groups[-1].seq


class Outage:
    """Failures of the store in a row: each is counted and waited out, the first is told. For any thread.

    Args:
        backoff: how long to wait.
        stop: ends the waiting.
        on_failure: called at each failure.
    """

    def __init__(self, backoff: Backoff, stop: threading.Event, on_failure: Callable[[], None]) -> None:
        self._backoff = backoff
        self._stop = stop
        self._on_failure = on_failure
        self._lock = threading.Lock()

    def failed(self, error: StoreError, seq: int) -> None:
        """Count, tell the first of a row, and wait."""
        metrics.STORE_ERRORS.labels(error.code).inc()
        self._on_failure()
        with self._lock:
            is_first = self._backoff.failures == 0
            wait_s = self._backoff.next_s()
        if is_first:
            log.warning("pipeline.store_unavailable", code=error.code, error=str(error), seq=seq)
        self._stop.wait(wait_s)

    def over(self, seq: int) -> None:
        """The store has done what it was asked."""
        with self._lock:
            had = self._backoff.succeeded()
        if had:
            log.info("pipeline.store_available", seq=seq)


class BatchWriter:
    """The thread that writes batches, one at a time.

    Args:
        store: where rows go.
        outage: waits while the store is away.
        stop: a store that is away is then waited for no longer.
    """

    def __init__(self, store: Store, outage: Outage, stop: threading.Event) -> None:
        self._store = store
        self._outage = outage
        self._stop = stop
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="jtgate-store")
        self._future: Future[tuple[Written, float]] | None = None
        #: The batch under way, until `result` was asked for.
        self.work: Decoded | None = None

    def begin(self, work: Decoded) -> None:
        """Write a batch; the one before must have been asked for its result."""
        if self.work is not None:
            raise AssertionError("a batch is under way")
        self.work = work
        self._future = self._executor.submit(self._write, work)

    def result(self) -> tuple[Written, float]:
        """Wait until the batch under way is written: what was new, and the seconds that took.

        Raises:
            StoreUnavailable: the worker was told to stop before the store came back; nothing was written.
            StoreError: the store refuses a value of the batch for good; nothing was written.
        """
        future, self._future, self.work = self._future, None, None
        if future is None:
            raise AssertionError("no batch is under way")
        return future.result()

    def wait(self) -> None:
        """Wait until the batch under way, if there is one, is in the store; its result can still be asked for.

        Raises:
            BatchNotWritten: it is not, and will not be as it is.
        """
        if self._future is not None and self._future.exception() is not None:
            raise BatchNotWritten("the batch before was not written")

    def close(self) -> None:
        """End the thread after the batch under way."""
        self._executor.shutdown()

    def _write(self, work: Decoded) -> tuple[Written, float]:
        """Write a batch however long the store is away."""
        started = time.perf_counter()
        while True:
            try:
                written = self._store.write(work.batch, consumer=CONSUMER, seq=work.seq)
            except StoreUnavailable as error:
                self._outage.failed(error, work.groups[0].seq)
                if self._stop.is_set():
                    raise
            else:
                self._outage.over(work.seq)
                return written, time.perf_counter() - started


class ReadsAfterWrites:
    """The part of a store that a decoder uses; what it reads holds every batch that was decoded before.

    Args:
        store: the store.
        wait: returns when the batch under way is in the store.
    """

    def __init__(self, store: Store, wait: Callable[[], None]) -> None:
        self._store = store
        self._wait = wait

    def terminal_ids(self, phones: Iterable[str], now_ms: int) -> dict[str, int]:
        """See Store.terminal_ids. Ids do not wait: no batch makes any."""
        return self._store.terminal_ids(phones, now_ms)

    def open_parts(self) -> list[PartRow]:
        """See Store.open_parts."""
        self._wait()
        return self._store.open_parts()

    def last_flags(self) -> dict[int, tuple[int, int, int]]:
        """See Store.last_flags."""
        self._wait()
        return self._store.last_flags()

    def models(self) -> dict[int, tuple[str, str]]:
        """See Store.models."""
        self._wait()
        return self._store.models()

    def zones(self) -> dict[int, frozenset[int]]:
        """See Store.zones."""
        self._wait()
        return self._store.zones()

    def stored(self, table: str, keys: Collection[Key]) -> set[Key]:
        """See Store.stored."""
        self._wait()
        return self._store.stored(table, keys)

    def transport_of(self, session_id: int) -> str:
        """See Store.transport_of."""
        self._wait()
        return self._store.transport_of(session_id)
