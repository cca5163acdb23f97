"""The pipeline process: read the spool, decode, write the store, publish progress; again and again.

    read ─► decode ─► write (rows and cursor in one transaction) ─► progress ─► metrics ─► read …
      │                 │
      │                 └ StoreUnavailable: wait, then the same batch again
      └ nothing new: due sub-packages, retention, a short sleep

A crash at any point loses nothing: the cursor moves with the rows, and what the decoder remembers is
rebuilt from the store (design D6, D8).
"""

import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from jtgate import logs
from jtgate.codecs.opening import Opener
from jtgate.codecs.timebase import now_ms, now_us
from jtgate.pipeline import CONSUMER, metrics, quarantine
from jtgate.pipeline.arrived import Origin
from jtgate.pipeline.steps import Decoder
from jtgate.profiles import Assignments
from jtgate.storage.model import StoreBatch, Written
from jtgate.storage.records import FramesRecord, pack_frames, pack_session, unpack
from jtgate.storage.spool import Group, SpoolError, SpoolProgress, SpoolReader
from jtgate.storage.store import Store, StoreError, StoreUnavailable

log = logs.get_logger("pipeline")


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits and times of the worker; times are seconds."""

    read_groups_max: int = 4096
    read_bytes_max: int = 4 << 20
    poll_s: float = 0.02  # when the spool has nothing new
    linger_s: float = 0.05  # after a small batch, so that the next one is worth a commit
    small_batch_frames: int = 2000
    backoff_first_s: float = 0.1
    backoff_max_s: float = 5.0
    progress_s: float = 1.0
    due_s: float = 1.0
    retain_first_s: float = 60.0
    retain_every_s: float = 3600.0
    retain_rows: int = 5000  # per step, so that decoding never waits long
    keep_days: float = 90.0


class Backoff:
    """Waiting times that double up to a limit, with jitter so that processes do not march in step."""

    def __init__(self, first_s: float, max_s: float) -> None:
        self._first_s = first_s
        self._max_s = max_s
        self.failures = 0

    def next_s(self) -> float:
        """How long to wait after one more failure."""
        self.failures += 1
        full: float = min(self._max_s, self._first_s * 2 ** min(self.failures - 1, 16))
        return full * random.uniform(0.5, 1.0)  # noqa: S311  no secret

    def succeeded(self) -> bool:
        """Start anew; True when there had been failures."""
        had, self.failures = self.failures > 0, 0
        return had


class Worker:
    """One pipeline.

    Args:
        store: where rows go.
        reader: the spool.
        progress: where the gateway learns what may be deleted.
        parts_bytes_max: memory for incomplete messages.
        limits: see Limits.
        stop: makes `run` return after the batch in hand.
        assignments: which terminal has which profile.
        opener: decrypts bodies; None where there is no key.

    Raises:
        StoreError: the store cannot be read at start.
    """

    def __init__(
        self,
        store: Store,
        reader: SpoolReader,
        progress: SpoolProgress,
        *,
        parts_bytes_max: int,
        limits: Limits | None = None,
        stop: threading.Event | None = None,
        assignments: Assignments | None = None,
        opener: Opener | None = None,
    ) -> None:
        self._store = store
        self._reader = reader
        self._progress = progress
        self._parts_bytes_max = parts_bytes_max
        self._assignments = assignments
        self._opener = opener
        self._limits = limits or Limits()
        self._stop = stop or threading.Event()
        self._store_backoff = Backoff(self._limits.backoff_first_s, self._limits.backoff_max_s)
        self._spool_backoff = Backoff(self._limits.backoff_first_s, self._limits.backoff_max_s)
        self._seq = store.cursor(CONSUMER)
        self._decoder: Decoder | None = None
        self._pending: list[Group] = []  # read, not yet decoded
        self._damaged_told = 0  # damaged segments in the metrics
        self._stored_until_us = now_us()  # what was spooled before is stored, as far as we know
        self._published_at = self._due_at = float("-inf")
        self._retain_at = time.monotonic() + self._limits.retain_first_s

    @property
    def seq(self) -> int:
        """Last group of the spool whose rows are stored."""
        return self._seq

    def run(self) -> None:
        """Work until `stop` is set."""
        log.info("pipeline.started", seq=self._seq)
        while not self._stop.is_set():
            frames = self.step()
            if frames is None:
                self._stop.wait(self._limits.poll_s)
            elif frames < self._limits.small_batch_frames and not self._pending:
                self._stop.wait(self._limits.linger_s)
        self._publish(force=True)
        log.info("pipeline.stopped", seq=self._seq)

    def run_until_caught_up(self) -> int:
        """Work until the spool holds nothing more; number of frames stored."""
        total = 0
        while not self._stop.is_set():
            frames = self.step()
            if frames is None:
                self._publish(force=True)
                return total
            total += frames
        return total

    def step(self) -> int | None:
        """Do one batch; frames in it (0 when the spool or the store failed), None when nothing more is spooled."""
        if not self._pending:
            read = self._read()
            if read is None:
                self._when_unreadable()
                return 0
            self._pending = read
        if not self._pending:
            self._when_idle()
            return None
        started = time.perf_counter()
        decoded = self._decode(self._pending)
        if decoded is None:
            return 0
        batch, taken = decoded
        metrics.BATCH_SECONDS.labels("decode").observe(time.perf_counter() - started)
        groups, self._pending = self._pending[:taken], self._pending[taken:]
        if not self._write_through(batch, groups):
            self._pending = []  # read again from the cursor
            return 0
        self._after(batch, groups)
        return sum(group.frames for group in groups)

    def _read(self) -> list[Group] | None:
        """What the spool holds behind the cursor; None when it cannot be read, after a while."""
        limits = self._limits
        try:
            groups = self._reader.read(self._seq, groups_max=limits.read_groups_max, bytes_max=limits.read_bytes_max)
        except SpoolError as error:
            if self._spool_backoff.failures == 0:
                log.warning("pipeline.spool_unreadable", code=error.code, error=str(error))
            metrics.EVENTS.labels("spool_unreadable").inc()
            self._stop.wait(self._spool_backoff.next_s())
            return None
        if self._spool_backoff.succeeded():
            log.info("pipeline.spool_readable")
        return groups

    def _ready_decoder(self) -> Decoder:
        """The decoder; made when there is none, which reads the state of every terminal from the store."""
        if self._decoder is None:
            self._decoder = Decoder(
                self._store,
                parts_bytes_max=self._parts_bytes_max,
                assignments=self._assignments,
                opener=self._opener,
            )
        return self._decoder

    def _decode(self, groups: Sequence[Group]) -> tuple[StoreBatch, int] | None:
        """Decode a batch; None, and a fresh decoder next time, when the store refused something."""
        try:
            return self._ready_decoder().decode(groups)
        except StoreError as error:
            self._decoder = None
            self._store_failed(error)
            return None

    def _write_through(self, batch: StoreBatch, groups: Sequence[Group]) -> bool:
        """Write a batch however long the store is away; False when it was given up and must be read again."""
        started = time.perf_counter()
        written: Written | None = None
        while written is None:
            try:
                written = self._store.write(batch, consumer=CONSUMER, seq=groups[-1].seq)
            except StoreUnavailable as error:
                self._store_failed(error)
                if self._stop.is_set():
                    return False
            except StoreError as error:
                self._store_failed(error)
                return self._one_by_one(groups)
        self._seq = groups[-1].seq
        self._store_works()
        metrics.BATCH_SECONDS.labels("write").observe(time.perf_counter() - started)
        metrics.count_batch(batch, written)
        return True

    def _one_by_one(self, groups: Sequence[Group]) -> bool:
        """The store refuses a value for good: find the frame that brings it and quarantine that one alone."""
        self._decoder = None  # it knows the batch that was refused
        try:
            for group in groups:
                if not self._write_alone(group, group.seq):
                    for single in _singles(group):
                        if not self._write_alone(single, group.seq - 1):
                            self._store.write(_refused(single), consumer=CONSUMER, seq=group.seq - 1)
                    self._store.write(StoreBatch(), consumer=CONSUMER, seq=group.seq)
                self._seq = group.seq
        except StoreUnavailable as error:
            self._decoder = None
            self._store_failed(error)
            return False
        return True

    def _write_alone(self, group: Group, seq: int) -> bool:
        """Write a group by itself; False, and a fresh decoder next time, when the store refuses it."""
        batch, _ = self._ready_decoder().decode([group])
        try:
            self._store.write(batch, consumer=CONSUMER, seq=seq)
        except StoreUnavailable:
            raise
        except StoreError:
            self._decoder = None
            return False
        return True

    def _after(self, batch: StoreBatch, groups: Sequence[Group]) -> None:
        """Metrics and progress after a batch."""
        metrics.BATCH_ROWS.observe(len(batch.positions) + len(batch.messages))
        self._stored_until_us = groups[-1].at_us
        self._tell_lag()
        if self._decoder is not None:
            metrics.count(metrics.DEVIATIONS, self._decoder.deviations)
            metrics.count(metrics.EVENTS, self._decoder.events)
            self._decoder.deviations.clear()
            self._decoder.events.clear()
        self._publish()

    def _tell_damage(self) -> None:
        metrics.SPOOL_DAMAGED.inc(self._reader.damaged_count - self._damaged_told)
        self._damaged_told = self._reader.damaged_count

    def _tell_lag(self) -> None:
        metrics.LAG_SECONDS.set(max(0.0, (now_us() - self._stored_until_us) / 1e6))

    def _when_unreadable(self) -> None:
        """Unread parts may lie in the spool: nothing is given up for its age, and the lag grows."""
        self._tell_lag()
        self._publish()

    def _when_idle(self) -> None:
        """Caught up: what time alone brings, then retention a little at a time."""
        now = time.monotonic()
        self._stored_until_us = now_us()
        self._publish()
        try:
            if now - self._due_at >= self._limits.due_s:
                self._due_at = now
                metrics.LAG_SECONDS.set(0.0)
                self._give_up_parts()
            if now >= self._retain_at:
                self._retain_some(now)
        except StoreError as error:
            self._decoder = None
            self._store_failed(error)
        else:
            self._store_works()

    def _give_up_parts(self) -> None:
        batch = self._ready_decoder().idle(now_us())
        if batch is not None:
            written = self._store.write(batch, consumer=CONSUMER, seq=self._seq)
            metrics.count_batch(batch, written)

    def _retain_some(self, now: float) -> None:
        """One step of retention; the next one follows at once while there is something to delete."""
        before_ms = now_ms() - int(self._limits.keep_days * 86_400_000)
        deleted = self._store.retain(before_ms, rows_max=self._limits.retain_rows)
        metrics.EVENTS.labels("rows_deleted").inc(deleted)
        if not deleted:
            self._retain_at = now + self._limits.retain_every_s

    def _publish(self, *, force: bool = False) -> None:
        """Tell the gateway what is stored, about once a second."""
        now = time.monotonic()
        if not force and now - self._published_at < self._limits.progress_s:
            return
        self._published_at = now
        self._tell_damage()
        try:
            last_seq = self._reader.last_seq()
            if last_seq < self._seq:
                # Another spool stands in its place and counts from the beginning. Rows have natural keys, so
                # reading all of it is safe; going on at the old number would pass over what is new.
                log.warning("pipeline.spool_replaced", stored_seq=self._seq, last_seq=last_seq)
                self._seq = 0
            self._progress.set(CONSUMER, self._seq)
            metrics.LAG_GROUPS.set(last_seq - self._seq)
        except SpoolError as error:
            metrics.EVENTS.labels("progress_failed").inc()
            log.debug("pipeline.progress_failed", code=error.code)

    def _store_failed(self, error: StoreError) -> None:
        """Count, log the first of a row, and wait."""
        metrics.STORE_ERRORS.labels(error.code).inc()
        self._tell_lag()
        if self._store_backoff.failures == 0:
            log.warning("pipeline.store_unavailable", code=error.code, error=str(error), seq=self._seq)
        self._stop.wait(self._store_backoff.next_s())

    def _store_works(self) -> None:
        if self._store_backoff.succeeded():
            log.info("pipeline.store_available", seq=self._seq)


def _singles(group: Group) -> list[Group]:
    """The same group as one group per frame or session record."""
    found = []
    for record in unpack(group.data):
        if isinstance(record, FramesRecord):
            for payload in record.payloads:
                data = pack_frames(record.received_us, record.session_id, record.transport, [payload])
                found.append(group._replace(frames=1, data=data))
        else:
            data = pack_session(record.at_us, record.session_id, record.event, record.facts)
            found.append(group._replace(frames=0, data=data))
    return found


def _refused(group: Group) -> StoreBatch:
    """A batch that quarantines a group of one record whose rows the store refuses."""
    (record,) = unpack(group.data)
    payload = record.payloads[0] if isinstance(record, FramesRecord) else group.data
    origin = Origin(group.at_us, record.session_id, group.seq)
    reason = "the store refuses what this decodes to"
    return StoreBatch(quarantine=[quarantine.row(origin, payload, quarantine.INTERNAL, reason)])
