"""The pipeline process: read the spool, decode, write the store, publish progress; again and again.

    read ─► decode batch N+1 ─► N is written? ─► write N+1 ─► read …
                                │      └ StoreUnavailable: wait, then the same batch again
                                └ progress, metrics
      nothing new: due sub-packages, a short sleep

While a batch is written the next one is decoded, if there is enough for one (see `writing`). A crash at any point
loses nothing: the cursor moves with the rows, and what the decoder remembers is rebuilt from the store (design D6, D8).
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

from jtgate import logs
from jtgate.codecs.opening import Opener
from jtgate.codecs.timebase import now_ms, now_us
from jtgate.pipeline import CONSUMER, metrics, quarantine, steps
from jtgate.pipeline.arrived import Origin
from jtgate.pipeline.backoff import Backoff
from jtgate.pipeline.steps import Decoder
from jtgate.pipeline.upkeep import Upkeep, UpkeepLimits
from jtgate.pipeline.writing import BatchNotWritten, BatchWriter, Decoded, Outage, ReadsAfterWrites
from jtgate.profiles import Assignments
from jtgate.storage.model import StoreBatch
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
    small_batch_frames: int = 2000  # fewer are not decoded while a batch is written: they wait and grow
    backoff_first_s: float = 0.1
    backoff_max_s: float = 5.0
    progress_s: float = 1.0
    due_s: float = 1.0
    upkeep: UpkeepLimits = field(default_factory=UpkeepLimits)


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
        backoff = Backoff(self._limits.backoff_first_s, self._limits.backoff_max_s)
        self._outage = Outage(backoff, self._stop, self._tell_lag)
        self._spool_backoff = Backoff(self._limits.backoff_first_s, self._limits.backoff_max_s)
        self._writer = BatchWriter(store, self._outage, self._stop)
        self._seq = store.cursor(CONSUMER)
        self._read_seq = self._seq  # last group that was read
        self._prepared = False
        self._decoder: Decoder | None = None
        self._pending: list[Group] = []  # read, not yet decoded
        self._frames_stored = 0
        self._damaged_told = 0  # damaged segments in the metrics
        self._stored_until_us = now_us()  # what was spooled before is stored, as far as we know
        self._published_at = self._due_at = float("-inf")

    @property
    def seq(self) -> int:
        """Last group of the spool whose rows are stored."""
        return self._seq

    def run(self) -> None:
        """Work until `stop` is set."""
        log.info("pipeline.started", seq=self._seq)
        upkeep = Upkeep(self._store, self._limits.upkeep, self._lag_s)
        upkeep.start()
        try:
            while not self._stop.is_set():
                if not self._advance():
                    self._stop.wait(self._limits.poll_s)
                elif self._is_quiet():
                    self._settle()
                    self._stop.wait(self._limits.linger_s)
            self._settle()
        finally:
            self._writer.close()
            upkeep.close()
        self._publish(force=True)
        log.info("pipeline.stopped", seq=self._seq)

    def run_until_caught_up(self) -> int:
        """Work until the spool holds nothing more; number of frames stored."""
        before = self._frames_stored
        while not self._stop.is_set():
            if not self._advance():
                self._publish(force=True)
                break
        self._settle()
        return self._frames_stored - before

    def step(self) -> int | None:
        """Do one batch; frames in it (0 when the spool or the store failed), None when nothing more is spooled."""
        before = self._frames_stored
        has_work = self._advance()
        self._settle()
        return self._frames_stored - before if has_work else None

    def _advance(self) -> bool:
        """Decode a batch and hand it to the writer when that has done the one before; False when there is none."""
        if not self._fetch():
            self._when_unreadable()
            return True
        if not self._pending:
            if self._writer.work is None:
                self._when_idle()
                return False
            self._settle()
            return True
        work = self._decode()
        if work is not None and self._settle():
            self._writer.begin(work)
        return True

    def _is_quiet(self) -> bool:
        """Little is coming: the batch under way is small, and nothing waits behind it."""
        work = self._writer.work
        return not self._pending and (work is None or work.frames < self._limits.small_batch_frames)

    def _fetch(self) -> bool:
        """Have groups to decode, unless there are none; False when the spool cannot be read.

        What is too little for a batch of its own waits until the one under way is written, and grows.
        """
        is_readable = self._top_up()
        if self._writer.work is not None and self._pending_frames() < self._limits.small_batch_frames:
            self._settle()
            is_readable = is_readable and self._top_up()
        return is_readable or bool(self._pending)

    def _top_up(self) -> bool:
        """Read on, unless there is enough for a batch; False when the spool cannot be read, after a while."""
        limits = self._limits
        if self._pending_frames() >= steps.BATCH_ROWS_MAX:
            return True
        after_seq = self._pending[-1].seq if self._pending else self._read_seq
        try:
            self._pending += self._reader.read(
                after_seq, groups_max=limits.read_groups_max, bytes_max=limits.read_bytes_max
            )
        except SpoolError as error:
            if self._spool_backoff.failures == 0:
                log.warning("pipeline.spool_unreadable", code=error.code, error=str(error))
            metrics.EVENTS.labels("spool_unreadable").inc()
            self._stop.wait(self._spool_backoff.next_s())
            return False
        if self._spool_backoff.succeeded():
            log.info("pipeline.spool_readable")
        return True

    def _pending_frames(self) -> int:
        return sum(group.frames for group in self._pending)

    def _rewind(self) -> None:
        """Forget what was read, and what the decoder made of it: both begin anew behind what is stored."""
        self._decoder = None
        self._pending = []
        self._read_seq = self._seq

    def _ready_decoder(self) -> Decoder:
        """The decoder; made when there is none, which reads the state of every terminal from the store."""
        if not self._prepared:
            self._store.prepare(now_ms())
            self._prepared = True
        if self._decoder is None:
            self._decoder = Decoder(
                cast("Store", ReadsAfterWrites(self._store, self._writer.wait)),  # all of it that a decoder uses
                parts_bytes_max=self._parts_bytes_max,
                assignments=self._assignments,
                opener=self._opener,
            )
        return self._decoder

    def _decode(self) -> Decoded | None:
        """Decode a batch; None, and a fresh decoder next time, when the store refused something."""
        started = time.perf_counter()
        try:
            decoder = self._ready_decoder()
            batch, taken = decoder.decode(self._pending)
        except BatchNotWritten:
            self._settle()
            return None
        except StoreError as error:
            self._decoder = None
            self._outage.failed(error, self._seq)
            return None
        metrics.BATCH_SECONDS.labels("decode").observe(time.perf_counter() - started)
        groups, self._pending = self._pending[:taken], self._pending[taken:]
        self._read_seq = groups[-1].seq
        return Decoded(batch, groups, *decoder.take_counts())

    def _settle(self) -> bool:
        """Wait for the batch under way; False when what was decoded since then, on top of it, is worth nothing."""
        work = self._writer.work
        if work is None:
            return True
        try:
            written, seconds = self._writer.result()
        except StoreUnavailable:  # we are told to stop
            self._rewind()
            return False
        except StoreError as error:
            self._outage.failed(error, self._seq)
            if self._one_by_one(work.groups):
                self._after(work)
            self._pending = []
            self._read_seq = self._seq
            return False
        self._seq = work.seq
        metrics.BATCH_SECONDS.labels("write").observe(seconds)
        metrics.count_batch(work.batch, written)
        self._after(work)
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
            self._outage.failed(error, self._seq)
            return False
        self._outage.over(self._seq)
        return True

    def _write_alone(self, group: Group, seq: int) -> bool:
        """Write a group by itself; False, and a fresh decoder next time, when the store refuses it."""
        decoder = self._ready_decoder()
        batch, _ = decoder.decode([group])
        decoder.take_counts()  # they were counted in the batch
        try:
            self._store.write(batch, consumer=CONSUMER, seq=seq)
        except StoreUnavailable:
            raise
        except StoreError:
            self._decoder = None
            return False
        return True

    def _after(self, work: Decoded) -> None:
        """Metrics and progress after a batch."""
        self._frames_stored += work.frames
        metrics.BATCH_ROWS.observe(work.batch.position_count + len(work.batch.messages))
        self._stored_until_us = work.groups[-1].at_us
        self._tell_lag()
        metrics.count(metrics.DEVIATIONS, work.deviations)
        metrics.count(metrics.EVENTS, work.events)
        self._publish()

    def _tell_damage(self) -> None:
        metrics.SPOOL_DAMAGED.inc(self._reader.damaged_count - self._damaged_told)
        self._damaged_told = self._reader.damaged_count

    def _lag_s(self) -> float:
        """How long ago what is stored last was spooled; near 0 when nothing waits."""
        return max(0.0, (now_us() - self._stored_until_us) / 1e6)

    def _tell_lag(self) -> None:
        metrics.LAG_SECONDS.set(self._lag_s())

    def _when_unreadable(self) -> None:
        """Unread parts may lie in the spool: nothing is given up for its age, and the lag grows."""
        self._tell_lag()
        self._publish()

    def _when_idle(self) -> None:
        """Caught up: what time alone brings."""
        now = time.monotonic()
        self._stored_until_us = now_us()
        self._publish()
        if now - self._due_at < self._limits.due_s:
            return
        self._due_at = now
        metrics.LAG_SECONDS.set(0.0)
        try:
            self._give_up_parts()
        except StoreError as error:
            self._decoder = None
            self._outage.failed(error, self._seq)
        else:
            self._outage.over(self._seq)

    def _give_up_parts(self) -> None:
        batch = self._ready_decoder().idle(now_us())
        if batch is not None:
            written = self._store.write(batch, consumer=CONSUMER, seq=self._seq)
            metrics.count_batch(batch, written)

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
                self._seq = self._read_seq = 0
                self._pending = []
            self._progress.set(CONSUMER, self._seq)
            metrics.LAG_GROUPS.set(last_seq - self._seq)
        except SpoolError as error:
            metrics.EVENTS.labels("progress_failed").inc()
            log.debug("pipeline.progress_failed", code=error.code)


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
