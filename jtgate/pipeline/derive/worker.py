"""The deriver: follow what is stored, fold it, write what it shows; again and again.

    step of the spool ─► facts by terminal ─► timeline ─► rows ─► plates, risk events ─► store, with the cursor
                                                                                         │
                                                 chores: bindings, evidence, zones  ◄────┘

Rows and cursor are written in one transaction, and rows have natural keys: a crash at any point repeats a step, which
changes nothing. It has a low priority and yields while the pipeline is behind.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, cast

from jtgate import logs
from jtgate.codecs.timebase import now_ms
from jtgate.pipeline import CONSUMER as PIPELINE
from jtgate.pipeline.backoff import Backoff
from jtgate.pipeline.derive import CONSUMER, evidence_states, metrics, reading
from jtgate.pipeline.derive.enrich import Plates, with_plates, with_risk_events
from jtgate.pipeline.derive.facts import Rows
from jtgate.pipeline.derive.timeline import Timeline, Told
from jtgate.pipeline.following import Follower, Step
from jtgate.storage.files import FileStoreError
from jtgate.storage.model import POSITION_COLUMNS, CheckpointRow, PositionRow, StoreBatch
from jtgate.storage.spool import SpoolError
from jtgate.storage.store import Store, StoreError, StoreUnavailable
from jtgate.storage.tables import FACTS

_TERMINAL: Final = POSITION_COLUMNS.index("terminal_id")

#: Terminals looked at together after a gap of the spool.
FOLD_BACK_ROWS: Final = 1000

log = logs.get_logger("deriver")


class Stopped(StoreError):
    """Told to stop in the middle of a step; it is made again at the next start."""

    code = "deriver.stopped"


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits and times of the deriver; times are seconds."""

    cycle_s: float = 1.0  # between steps when there is little to do
    groups_max: int = 2048
    bytes_max: int = 4 << 20
    lag_groups_max: int = 500  # the pipeline is behind by more: yield
    yield_s: float = 0.5
    yields_max: int = 120  # in a row, then a step is made all the same
    backoff_first_s: float = 0.2
    backoff_max_s: float = 10.0


class Chore(Protocol):
    """Something that is done beside the folding, a little at a time."""

    name: str

    def step(self, now_ms: int) -> None:
        """Do what is due."""
        ...


class Listener(Protocol):
    """Somebody who has to know what was derived and what came in."""

    def wrote(self, batch: StoreBatch) -> None:
        """Rows that are in the store now."""
        ...

    def came(self, batch: StoreBatch) -> None:
        """What terminals sent, as the pipeline has stored it."""
        ...


class Maker(Protocol):
    """Makes rows of what terminals sent, beside those of the folds."""

    def add(self, batch: StoreBatch, name_of: Callable[[int], str], rows: Rows) -> None:
        """Put rows of a batch beside the others; digits of a terminal are told by its number."""
        ...


@dataclass(slots=True)
class _Chunk:
    """Facts of one step, by terminal."""

    rows: dict[int, list[PositionRow]] = field(default_factory=lambda: defaultdict(list))
    items: dict[int, list[Told]] = field(default_factory=lambda: defaultdict(list))

    def take(self, batch: StoreBatch) -> None:
        for row in batch.all_positions():
            if reading.is_of_use(row):
                self.rows[cast("int", row[_TERMINAL])].append(row)
        for event in batch.alarm_events:
            item = reading.item_of(event)
            if item is not None:
                self.items[event.terminal_id].append(Told(event.spool_seq, item))


class Deriver:
    """One deriver.

    Args:
        store: facts and derived rows.
        follower: what is stored, in the order of its arrival.
        timeline: the folds.
        makers: make rows beside the folds, which are written with them.
        fill: fills in what is known of rows besides, just before they are written.
        chores: done after each step.
        plates: which terminal is in which vehicle.
        listeners: told what came and what was written.
        limits: see Limits.
        stop: makes `run` return after the step in hand.

    Raises:
        StoreError: the store cannot be read at start.
    """

    def __init__(
        self,
        store: Store,
        follower: Follower,
        timeline: Timeline,
        *,
        makers: Sequence[Maker] = (),
        fill: Callable[[Rows], None] | None = None,
        plates: Plates | None = None,
        chores: Sequence[Chore] = (),
        listeners: Sequence[Listener] = (),
        limits: Limits | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        self._store = store
        self._follower = follower
        self._timeline = timeline
        self._makers = makers
        self._fill = fill
        self._chores = chores
        self._listeners = listeners
        self._limits = limits or Limits()
        self._stop = stop or threading.Event()
        self._backoff = Backoff(self._limits.backoff_first_s, self._limits.backoff_max_s)
        self._plates = plates or Plates(store)
        self._failing: dict[str, str] = {}  # chores that failed the last time -> why
        self._seq = store.cursor(CONSUMER)
        self._cursor = self._seq  # as the store has it: where a restart begins
        self._resume_seq = self._seq
        self._written_ms = 0
        self._yields = 0

    @property
    def seq(self) -> int:
        """Group of the spool up to which everything is derived."""
        return self._seq

    def run(self) -> None:
        """Work until `stop` is set."""
        log.info("deriver.started", seq=self._seq)
        while not self._stop.is_set():
            started = time.monotonic()
            groups = 0
            try:
                if not self._must_yield():
                    groups = self.step()
                if self._backoff.succeeded():
                    log.info("deriver.store_available", seq=self._seq)
            except (StoreError, SpoolError, FileStoreError) as error:
                self._failed(error)
                continue
            self._do_chores()
            if groups < self._limits.groups_max // 2:
                self._stop.wait(max(0.0, self._limits.cycle_s - (time.monotonic() - started)))
        log.info("deriver.stopped", seq=self._seq)

    def step(self) -> int:
        """Work through what was stored since the last step; how many groups.

        Raises:
            StoreError, SpoolError, FileStoreError: nothing was written; the same call may be repeated.
        """
        chunk = _Chunk()
        came: list[StoreBatch] = []

        def take(batch: StoreBatch) -> None:
            chunk.take(batch)
            rest = StoreBatch(card_events=batch.card_events, messages=batch.messages, alarm_events=batch.alarm_events)
            came.append(rest)

        limits = self._limits
        try:
            stored_seq = self._stored_seq()
            done = self._follower.step(self._resume_seq, take, groups_max=limits.groups_max, bytes_max=limits.bytes_max)
            if done.missed:
                metrics.MISSED.inc(done.missed)
                log.warning("deriver.spool_gap", groups=done.missed)
                self._fold_back(self._resume_seq, stored_seq)
            if done.groups:
                self._derive(chunk, came, done, stored_seq)
        except BaseException:
            self._timeline.forget()  # it knows facts whose rows were not written
            raise
        self._resume_seq = done.seq
        for batch in came:
            for listener in self._listeners:
                listener.came(batch)
        metrics.LAG_GROUPS.set(self._follower.lag(done.seq)[0])
        metrics.TERMINALS.set(len(self._timeline))
        return done.groups

    def _stored_seq(self) -> int:
        """How far the pipeline has come; where that is less far than we, another spool has taken the place of ours."""
        stored_seq = self._store.cursor(PIPELINE)
        if stored_seq < self._resume_seq:
            log.warning("deriver.spool_replaced", seq=self._resume_seq, stored_seq=stored_seq)
            self._fold_back(self._resume_seq, stored_seq)
            self._store.write(StoreBatch(), consumer=CONSUMER, seq=0)
            self._resume_seq = self._seq = self._cursor = 0
        return stored_seq

    def _fold_back(self, seq: int, stored_seq: int) -> None:
        """Fold the terminals anew of which the store has what the spool does not have any more.

        The cursor stays where it is, so whoever is stopped on the way begins anew.

        Args:
            seq: last group that was told.
            stored_seq: last group of the pipeline.
        """
        self._timeline.forget()
        after: str | None = None
        while True:
            page = self._store.last_positions(after=after, limit=FOLD_BACK_ROWS)
            for row in page:
                position: Any = row
                if position["spool_seq"] > seq and not self._stop.is_set():
                    rows, points = self._timeline.fold_back(position["terminal_id"], position["terminal"], stored_seq)
                    self._write_with(rows, points, self._cursor)
            if self._stop.is_set():
                raise Stopped("told to stop before what was missed is derived")
            if len(page) < FOLD_BACK_ROWS:
                return
            after = str(page[-1]["terminal"])

    def _derive(self, chunk: _Chunk, came: Sequence[StoreBatch], done: Step, stored_seq: int) -> None:
        found, checkpoints = Rows(), list[CheckpointRow]()
        for terminal_id in chunk.rows.keys() | chunk.items.keys():
            name = self._follower.names.name_of(terminal_id)
            rows, points = self._timeline.fold(
                terminal_id, name, chunk.rows.get(terminal_id, ()), chunk.items.get(terminal_id, ()), stored_seq
            )
            found.update(rows)
            checkpoints += points
        for batch in came:
            for maker in self._makers:
                maker.add(batch, self._follower.names.name_of, found)
        self._write_with(found, checkpoints, done.resume_seq)
        self._seq = done.seq
        for what, count in self._timeline.counts.items():
            metrics.EVENTS.labels(what).inc(count)
        for limit, count in found.limits.items():
            metrics.LIMITS.labels(limit).inc(count)
        self._timeline.counts.clear()

    def write(self, found: Rows) -> None:
        """Write derived rows that a chore has changed.

        Raises:
            StoreError: nothing was written.
        """
        self._write_with(found, (), self._cursor)

    def _write_with(self, found: Rows, checkpoints: Sequence[CheckpointRow], seq: int) -> None:
        """Write derived rows with plates, risk events and what else is known of them, and the cursor."""
        with_risk_events(self._store, self._plates, found)
        with_plates(self._plates, found)
        if self._fill is not None:
            self._fill(found)
        evidence_states.fill_in(self._store, self._plates.name_of, found)
        at_ms = self._written_ms = max(self._written_ms, now_ms())
        batch = StoreBatch(checkpoints=[row._replace(updated_ms=at_ms) for row in checkpoints])
        for table, rows in found.tables.items():
            target: list[Any] = getattr(batch, table)
            target.extend(row._replace(updated_ms=at_ms) for row in rows.values())
        try:
            self._store.write(batch, consumer=CONSUMER, seq=seq)
        except StoreUnavailable:
            raise
        except StoreError:
            self._write_singly(batch, seq)
        self._cursor = seq
        for table, rows in found.tables.items():
            metrics.ROWS.labels(table).inc(len(rows))
        metrics.CHECKPOINTS.inc(len(checkpoints))
        for listener in self._listeners:
            listener.wrote(batch)

    def _write_singly(self, batch: StoreBatch, seq: int) -> None:
        """The store refuses a value for good: that row alone is left out, and told, and all others are written."""
        for table in FACTS:
            for row in getattr(batch, table.name):
                single = StoreBatch()
                getattr(single, table.name).append(row)
                try:
                    self._store.write(single, consumer=CONSUMER, seq=self._cursor)
                except StoreUnavailable:
                    raise
                except StoreError as error:
                    metrics.ERRORS.labels("write", error.code).inc()
                    log.error("deriver.row_refused", table=table.name, code=error.code)  # noqa: TRY400  may quote a value
        self._store.write(StoreBatch(), consumer=CONSUMER, seq=seq)

    def _must_yield(self) -> bool:
        """Whether the pipeline is behind: intake comes first, for a while."""
        if self._follower.behind() <= self._limits.lag_groups_max or self._yields >= self._limits.yields_max:
            self._yields = 0
            return False
        self._yields += 1
        metrics.EVENTS.labels("yielded").inc()
        self._stop.wait(self._limits.yield_s)
        return True

    def _do_chores(self) -> None:
        for chore in self._chores:
            if self._stop.is_set():
                return
            try:
                chore.step(now_ms())
            except Exception as error:  # noqa: BLE001  one that fails must not keep the others from their work
                code = getattr(error, "code", type(error).__name__)
                metrics.ERRORS.labels(chore.name, code).inc()
                if self._failing.get(chore.name) != code:
                    log.warning("deriver.chore_failed", chore=chore.name, code=code)
                self._failing[chore.name] = code
            else:
                if self._failing.pop(chore.name, None) is not None:
                    log.info("deriver.chore_works", chore=chore.name)

    def _failed(self, error: StoreError | SpoolError | FileStoreError) -> None:
        if isinstance(error, Stopped):
            return
        metrics.ERRORS.labels("step", error.code).inc()
        if self._backoff.failures == 0:
            log.warning("deriver.store_unavailable", code=error.code, seq=self._seq)
        self._stop.wait(self._backoff.next_s())
