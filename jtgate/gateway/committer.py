"""Group commit: whatever arrived while the last commit was under way is the next commit (design D4).

    reads ──► Batch (being filled) ──take──► writer thread: spool.append ──► answers out, next batch

An idle gateway commits a single frame at once, a busy one commits thousands together; in between, commits keep
COMMIT_EVERY_S apart, because a disk that can sync 4,000 times a second should not have to. One commit is in flight at
a time, so memory is bounded by `pending_bytes_max`: above it the links that bring more stop reading until the commit
is through.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

import structlog

from jtgate.codecs import twins
from jtgate.codecs.errors import FrameError
from jtgate.codecs.framing import FrameReader, wrap
from jtgate.codecs.header import parse_header
from jtgate.codecs.timebase import clock_ns, now_us
from jtgate.gateway.metrics import Counters
from jtgate.gateway.session import FAILURE
from jtgate.storage.spool import SpoolError, SpoolFailed, SpoolFull, SpoolWriter

log = structlog.get_logger("gateway")
lane = twins.load("lane")

#: Least time between the starts of two commits. At 3,000 frames/s it takes the gateway from 2,000 commits and half a
#: core to 500 commits; it adds as much to the latency of an answer at most, and nothing when the disk is slower.
COMMIT_EVERY_S = 0.002

#: Seconds to stop reading after the spool refused, so that terminals are not told "failure" in a tight loop.
REFUSED_PAUSE_S = 1.0

#: Session records that failed to be committed and wait for the next commit; beyond it the oldest go (counted).
SESSION_RECORDS_MAX = 100_000


class Intake(Protocol):
    """What stops and resumes reading on all links."""

    def pause_all(self) -> None:
        """Stop reading everywhere."""
        ...

    def resume_all(self) -> None:
        """Read again."""
        ...


class Committer:
    """Owns the batch being filled and the thread that commits.

    Args:
        loop: the event loop of the gateway.
        spool: the writer; used by the commit thread only.
        plain_ids: table of the fast lane.
        counters: counts of the gateway.
        intake: stops and resumes reading when the spool refuses.
        pending_bytes_max: bytes received and not committed above which links pause.
        durable: False answers at once, before the commit (`ack = received`, for comparison only).
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        spool: SpoolWriter,
        plain_ids: bytes,
        counters: Counters,
        intake: Intake,
        *,
        pending_bytes_max: int,
        durable: bool = True,
    ) -> None:
        self._loop = loop
        self._spool = spool
        self._counters = counters
        self._intake = intake
        self._durable = durable
        self.batch: Any = lane.Batch(plain_ids, clock_ns, self._wake, pending_bytes_max)
        self._session_records: list[bytes] = []  # of the batch being filled
        self._work: queue.SimpleQueue[tuple[bytes, int, list[Any]] | None] = queue.SimpleQueue()
        self._in_flight = False
        self._in_flight_records: list[bytes] = []
        self._refusing = False
        self._not_before = 0.0
        self._waiting: list[Callable[[], None]] = []  # for the batch being filled
        self._waiting_in_flight: list[Callable[[], None]] = []
        self._owing: list[Callable[[bool], None]] = []  # who acknowledges what is in the batch being filled
        self._owing_in_flight: list[Callable[[bool], None]] = []
        self._resume_timer: asyncio.TimerHandle | None = None
        self._idle: asyncio.Event = asyncio.Event()
        self._thread = threading.Thread(target=self._commit_forever, name="spool-commit", daemon=True)
        self._thread.start()

    @property
    def pending_bytes(self) -> int:
        """Bytes received and not committed yet."""
        pending: int = self.batch.size + self.batch.in_flight
        return pending

    def _wake(self) -> None:
        """The batch is no longer empty: commit it as soon as the loop has read what is there."""
        if not self._in_flight:
            self._schedule()

    def _schedule(self) -> None:
        """Start the next commit as soon as the loop has read what is there, but not too soon after the last."""
        if self._loop.time() >= self._not_before:
            self._loop.call_soon(self._start)
        else:
            self._loop.call_at(self._not_before, self._start)

    def when_committed(self, resume: Callable[[], None]) -> None:
        """Call back, on the loop, once everything received so far is committed or refused and answered."""
        if self.batch.size:
            self._waiting.append(resume)
        elif self._in_flight:
            self._waiting_in_flight.append(resume)
        else:
            resume()

    def when_stored(self, settle: Callable[[bool], None]) -> None:
        """Call back, on the loop, with whether the spool has kept what is in the batch being filled.

        Args:
            settle: gets False when the spool refused; it must not raise.
        """
        self._owing.append(settle)

    def add_session_record(self, record: bytes) -> None:
        """Append what happened to a session; it is kept for the next commit if this one fails."""
        self.batch.add_record(record, 0)
        self._session_records.append(record)

    async def drain(self) -> bool:
        """Wait until everything received is committed and answered; False as soon as the spool refuses."""
        while self.batch.size or self._in_flight:
            self._idle.clear()
            await self._idle.wait()
            if self._refusing:
                return False
        return True

    def stop(self) -> None:
        """End the commit thread; call after `drain`."""
        self._work.put(None)
        self._thread.join()

    def _start(self) -> None:
        """Hand the batch to the commit thread."""
        if self._in_flight or not self.batch.size:
            return
        self._not_before = self._loop.time() + COMMIT_EVERY_S
        data, frames, answers = self.batch.take()
        if not self._durable:
            self._send(answers)
            answers = []
        self._in_flight = True
        self.batch.in_flight = len(data)
        self._waiting_in_flight, self._waiting = self._waiting, []
        self._owing_in_flight, self._owing = self._owing, []
        self._in_flight_records, self._session_records = self._session_records, []
        self._work.put((data, frames, answers))

    def _commit_forever(self) -> None:
        """The commit thread."""
        while (work := self._work.get()) is not None:
            data, frames, answers = work
            error: SpoolError | None = None
            started = time.perf_counter()
            try:
                self._spool.append(data, frames, now_us())
            except SpoolError as caught:
                error = caught
            except Exception as caught:
                log.exception("spool.append_failed")  # a bug; without this thread nothing would be answered again
                error = SpoolFailed(f"{type(caught).__name__}: {caught}")
            if error is not None:
                answers = [as_failure(part) if isinstance(part, bytes) else part for part in answers]
            self._loop.call_soon_threadsafe(self._done, error, frames, answers, time.perf_counter() - started)

    def _done(self, error: SpoolError | None, frames: int, answers: list[Any], seconds: float) -> None:
        """Back on the loop: send the answers, start the next commit."""
        self._in_flight = False
        self.batch.in_flight = 0
        waiting, self._waiting_in_flight = self._waiting_in_flight, []
        owing, self._owing_in_flight = self._owing_in_flight, []
        try:
            self._send(answers)
            if error is None:
                self._counters.committed(frames, seconds)
                self._refusing = False
            else:
                self._refused(error, frames)
            for settle in owing:
                settle(error is None)
            for resume in waiting:
                resume()
        finally:
            if self.batch.size:
                self._schedule()
            if error is not None or not self.batch.size:
                self._idle.set()

    def _send(self, answers: list[Any]) -> None:
        self._counters.unsent += lane.send_all(answers)

    def _refused(self, error: SpoolError, frames: int) -> None:
        """The spool kept nothing: stop reading for a moment, and try again with what must not be lost."""
        self._not_before = self._loop.time() + REFUSED_PAUSE_S
        self._counters.refused_by_spool(error.code, frames)
        if not self._refusing:
            self._refusing = True
            log.error("spool.refused", code=error.code, error=str(error), full=isinstance(error, SpoolFull))
        keep = (self._in_flight_records + self._session_records)[-SESSION_RECORDS_MAX:]
        self._counters.session_records_dropped += len(self._in_flight_records) + len(self._session_records) - len(keep)
        for record in self._in_flight_records:
            self.batch.add_record(record, 0)
        self._session_records = keep
        self._in_flight_records = []
        self._intake.pause_all()
        if self._resume_timer is None:
            self._resume_timer = self._loop.call_later(REFUSED_PAUSE_S, self._resume)

    def _resume(self) -> None:
        self._resume_timer = None
        self._intake.resume_all()


def as_failure(answers: bytes) -> bytes:
    """The same answers with result 1 (failure); specific answers, which would mean success, are left out."""
    out = bytearray()
    for event in FrameReader().feed(answers):
        if isinstance(event, FrameError):
            continue  # we wrote these bytes ourselves
        header, _ = parse_header(event.payload)
        if header.msg_id == 0x8001:
            out += wrap(event.payload[:-1] + bytes([FAILURE]))
    return bytes(out)
