"""The embedded spool: a folder of SQLite files, one row per group commit; `segments` shows the folder.

Cost of an append: one INSERT in WAL mode with synchronous=FULL, so one fsync (0.2 to 0.3 ms on an SSD); the
Python around it takes about 10 µs, and the interpreter is free for other threads meanwhile. The data is
written twice, once to the WAL and once when the WAL is copied into the file, every 8 MiB.
"""

import contextlib
import fcntl
import itertools
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import apsw
import structlog

from jtgate.storage.spool import SpoolFailed, SpoolFull, SpoolInfo
from jtgate.storage.sqlite.progress import FileSpoolProgress
from jtgate.storage.sqlite.segments import (
    DAMAGE,
    LOCK_NAME,
    SPARE_NAME,
    TEMPORARY_SUFFIX,
    Mark,
    Segment,
    bytes_on_disk,
    check_whole,
    close_quietly,
    first_mark,
    has_wal,
    last_mark,
    list_segments,
    make_segment,
    open_segment,
    probe,
    remove_files,
    remove_leftovers,
    segment_path,
    sync_folder,
)

log = structlog.get_logger(__name__)

SEGMENT_BYTES_MAX = 256 << 20
#: A segment is at most this part of the limit, so that retention by whole files has something to choose from.
SEGMENTS_MIN = 8
#: A segment is finished when its first group is older than this part of the keep time: a quiet spool ages too.
SEGMENT_KEEP_PARTS = 8
#: Consumed segments go before their time when the files take more than this part of the limit.
PRESSURE = 0.9
#: Finished segments that wait for `retain` to close them; more are closed by `append`.
FINISHED_MAX = 2
#: Numbers left out when files were lost: consumers are ahead of what they publish by a second or two.
LEAP = 1_000_000
#: Numbers left out after the first one of a damaged segment: more than a segment ever uses up. It is left for a new one
#: at the latest after an eighth of the keep time, and a thousand commits a second for a week are 0.6e9.
DAMAGE_LEAP = 1_000_000_000
#: How long closing a finished segment waits for readers in it.
FINISH_BUSY_MS = 100

_INSERT = "INSERT INTO groups (seq, at_us, frames, end_bytes, data) VALUES (?, ?, ?, ?, ?)"
#: What SQLite and the file system raise.
DISK_ERRORS = (apsw.Error, OSError)


@dataclass(slots=True)
class _Current:
    """The segment that the writer appends to."""

    segment: Segment
    connection: apsw.Connection
    cursor: apsw.Cursor
    begin_bytes: int  # `end_bytes` of what comes before this segment
    began_us: int | None = None  # time of its first group, None while there is none


class SqliteSpoolWriter:
    """`SpoolWriter` over a folder of SQLite files.

    `append` and `retain` may be called from two threads; `append` hardly waits for `retain`.

    Args:
        folder: made when it is missing.
        bytes_max: data that may be waiting for consumers; also the size at which consumed segments go early.
        keep_us: how long consumed groups are kept, microseconds.
        segment_bytes_max: data in one segment.

    Raises:
        SpoolFailed: another writer has the folder, or the disk fails.
    """

    def __init__(
        self, folder: Path, *, bytes_max: int, keep_us: int, segment_bytes_max: int = SEGMENT_BYTES_MAX
    ) -> None:
        self._folder = folder
        self._bytes_max = bytes_max
        self._keep_us = keep_us
        self._segment_bytes_max = max(1, min(segment_bytes_max, bytes_max // SEGMENTS_MIN))
        self._append_lock = threading.Lock()
        self._retain_lock = threading.Lock()
        self._current: _Current | None = None
        self._finished: list[apsw.Connection] = []
        self._seq = 0  # last number used, by a group or by a failure
        self._end_bytes = 0  # data ever appended
        self._consumed_bytes = 0  # data ever consumed
        self._disk_full = False
        self._lock_fd = -1
        self.full_count = 0  # appends refused because of the limit
        self.failed_count = 0  # appends refused by the disk
        self._damaged: set[Segment] = set()  # those told of, as far as they are still there
        self.damaged_count = 0  # segments found damaged
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock_fd = _lock_folder(folder)
            remove_leftovers(folder)
            self._open_newest()
            self._finish_older()
            self._consumed_bytes = self._bytes_until(FileSpoolProgress(folder).minimum())
        except DISK_ERRORS as error:
            self.close()
            raise SpoolFailed(f"the spool in {folder} cannot be opened: {error}") from error

    def append(self, data: bytes, frames: int, at_us: int) -> int:
        """See SpoolWriter. A number is not used again after a failure, so numbers can have gaps."""
        with self._append_lock:
            end_bytes = self._end_bytes + len(data)
            if end_bytes - self._consumed_bytes > self._bytes_max:
                self.full_count += 1
                raise SpoolFull(f"{self.unread_bytes()} bytes wait for consumers; {self._bytes_max} is the limit")
            seq = self._seq + 1
            try:
                current = self._current
                if current is None or self._end_bytes - current.begin_bytes >= self._segment_bytes_max:
                    current = self._go_on()
                current.cursor.execute(_INSERT, (seq, at_us, frames, end_bytes, data))
            except DISK_ERRORS as error:
                self._seq = max(self._seq, seq)
                self._note_failure(error)
                raise SpoolFailed(f"the spool cannot write: {error}") from error
            if current.began_us is None:
                current.began_us = at_us
            self._seq = seq
            self._end_bytes = end_bytes
            self._disk_full = False
            return seq

    def retain(self, consumed_seq: int, now_us: int) -> int:
        """See SpoolWriter. Also closes finished segments and prepares the next one.

        Raises:
            SpoolFailed: the disk refused something; what could be deleted has been deleted.
        """
        freed = 0
        problems: list[Exception] = []
        with self._retain_lock:
            if self._lock_fd < 0:
                raise SpoolFailed("the spool is closed")
            # Each step is tried whatever became of the one before: deletion is what a full disk waits for.
            with _collected(problems):
                self._consumed_bytes = self._bytes_until(consumed_seq)
            with _collected(problems):
                self._leave_old_segment(now_us)
            self._close_finished()
            with _collected(problems):
                freed = self._delete(consumed_seq, now_us)
            with _collected(problems):
                self._prepare_spare()
        if problems:
            raise SpoolFailed(f"the spool cannot be tidied: {problems[0]}") from problems[0]
        return freed

    def info(self) -> SpoolInfo:
        """See SpoolWriter."""
        segments = list_segments(self._folder)
        return SpoolInfo(
            first_seq=segments[0].first_seq if segments else self._seq + 1,
            last_seq=self._seq,
            bytes_on_disk=sum(bytes_on_disk(segment.path) for segment in segments),
            bytes_max=self._bytes_max,
            segments=len(segments),
        )

    def unread_bytes(self) -> int:
        """Data that waits for consumers, as of the last `retain`."""
        return self._end_bytes - self._consumed_bytes

    def close(self) -> None:
        """See SpoolWriter."""
        with self._retain_lock, self._append_lock:
            current, self._current = self._current, None
            finished, self._finished = self._finished, []
            for connection in (*finished, *([current.connection] if current else [])):
                close_quietly(connection)
            if self._lock_fd >= 0:
                os.close(self._lock_fd)
                self._lock_fd = -1

    def _open_newest(self) -> None:
        """Open the newest segment, or make the first one, and read from it where the spool stands."""
        segments = list_segments(self._folder) or [self._make(1)]
        newest = segments[-1]
        try:
            self._current = current = _open_current(newest)
            check_whole(current.connection)  # readers would wait at the fault for the end of the segment
            first, last = first_mark(current.connection), last_mark(current.connection)
        except DAMAGE as error:
            self._leave_damaged(segments, error)
        else:
            if first is None or last is None:
                self._end_bytes = current.begin_bytes = self._end_of(segments[:-1])
                self._seq = newest.first_seq - 1
            else:
                self._end_bytes = last.end_bytes
                current.begin_bytes, current.began_us = first.end_bytes, first.at_us
                self._seq = last.seq
        self._leap_over_lost_files()

    def _leave_damaged(self, segments: Sequence[Segment], error: Exception) -> None:
        """Go on after a newest segment that cannot be continued; it stays for readers and for whoever repairs it."""
        newest = segments[-1]
        self._note_damage(newest, error)
        current, self._current = self._current, None
        if current is not None:
            close_quietly(current.connection)
        self._end_bytes = self._end_of(segments[:-1]) + bytes_on_disk(newest.path)
        self._seq = newest.first_seq + DAMAGE_LEAP
        self._current = _open_current(self._make(self._seq + 1), self._end_bytes)

    def _end_of(self, segments: Sequence[Segment]) -> int:
        """Data of the spool up to the end of some segments, the oldest ones."""
        before = next((mark for segment in reversed(segments) if (mark := self._probe(segment, last_mark))), None)
        return before.end_bytes if before else 0

    def _probe(self, segment: Segment, look: Callable[..., Mark | None], *values: int) -> Mark | None:
        """Look into a segment for a moment; None when it is gone, empty or damaged."""
        try:
            return probe(segment.path, look, *values)
        except DAMAGE as error:
            self._note_damage(segment, error)
            return None

    def _note_damage(self, segment: Segment, error: Exception) -> None:
        """Tell once of a damaged segment."""
        if segment in self._damaged:
            return
        self._damaged.add(segment)
        self.damaged_count += 1
        log.error("spool.segment_damaged", segment=segment.path.name, error=str(error))

    def _leap_over_lost_files(self) -> None:
        """Where consumers are further than the files tell, files were lost: groups below would never be read."""
        published = max(FileSpoolProgress(self._folder).all().values(), default=0)
        if published > self._seq:
            log.warning("spool.files_lost", last_seq=self._seq, published_seq=published)
            self._seq = published + LEAP

    def _finish_older(self) -> None:
        """Fold in what a writer killed between two segments left in the WAL."""
        for segment in list_segments(self._folder)[:-1]:
            if has_wal(segment.path):
                with contextlib.suppress(apsw.Error):  # it is as safe in the WAL
                    _finish(open_segment(segment.path))

    def _leave_old_segment(self, now_us: int) -> None:
        """Go on in a new segment when the current one is old, so that a quiet spool can be deleted in time."""
        with self._append_lock:
            began_us = self._current.began_us if self._current is not None else None
            if began_us is not None and now_us - began_us > self._keep_us // SEGMENT_KEEP_PARTS:
                self._go_on()

    def _close_finished(self) -> None:
        """Close finished segments; appends go on meanwhile."""
        with self._append_lock:
            finished, self._finished = self._finished, []
        for connection in finished:
            _finish(connection)

    def _prepare_spare(self) -> None:
        """Make the next segment while nobody waits for it."""
        spare = self._folder / SPARE_NAME
        if not spare.exists():
            make_segment(spare.with_suffix(TEMPORARY_SUFFIX), spare)

    def _make(self, first_seq: int) -> Segment:
        path = segment_path(self._folder, first_seq)
        try:
            (self._folder / SPARE_NAME).rename(path)
        except FileNotFoundError:
            make_segment(path.with_suffix(TEMPORARY_SUFFIX), path)
        sync_folder(self._folder)
        return Segment(first_seq, path)

    def _go_on(self) -> _Current:
        """Go on in a new segment. Killed at any point, the next start finds a whole newest segment.

        Readers leave a segment for good once the next one has its name. So the old one is left first, and
        when this fails nothing is appended to it any more.
        """
        if self._lock_fd < 0:
            raise OSError("it is closed")
        old, self._current = self._current, None
        if old is not None:
            self._finished.append(old.connection)
        first_seq = self._seq + 1
        try:
            segment = self._make(first_seq)
            self._current = current = _open_current(segment, self._end_bytes)
        except DISK_ERRORS:
            self._seq = first_seq  # a file of this name may be there
            raise
        while len(self._finished) > FINISHED_MAX:
            _finish(self._finished.pop(0))
        return current

    def _note_failure(self, error: Exception) -> None:
        """Decide whether the segment can be trusted after a failed append.

        A full disk leaves it as it was. After an I/O error the kernel may hold pages for written that never
        reached the disk, and groups after them would be lost with them: what follows goes to a new segment.
        """
        self.failed_count += 1
        self._disk_full = isinstance(error, apsw.FullError)
        if isinstance(error, (apsw.FullError, apsw.BusyError)) or self._current is None:
            return
        current, self._current = self._current, None
        close_quietly(current.connection)
        if current.began_us is None:
            with contextlib.suppress(OSError):  # else every failure would leave an empty file
                remove_files(current.segment.path)

    def _bytes_until(self, seq: int) -> int:
        """Data from the beginning of the spool up to and including group `seq`."""
        segments = list_segments(self._folder)
        for segment in reversed(segments):
            if segment.first_seq <= seq and (mark := self._probe(segment, last_mark, seq)) is not None:
                return mark.end_bytes
        for segment in segments:  # all up to `seq` is deleted: what is left begins here
            if (mark := self._probe(segment, first_mark)) is not None:
                return mark.end_bytes
        return self._end_bytes

    def _delete(self, consumed_seq: int, now_us: int) -> int:
        """Delete segments from the oldest on, never the newest, as far as they are consumed and old or in the way."""
        segments = list_segments(self._folder)
        total = sum(bytes_on_disk(segment.path) for segment in segments)
        freed = deleted = 0
        for place, (segment, following) in enumerate(itertools.pairwise(segments)):
            if following.first_seq - 1 > consumed_seq:
                break
            in_the_way = total - freed > self._bytes_max * PRESSURE or (self._disk_full and not freed)
            if not in_the_way and self._is_young(segments[place:], now_us):
                break
            freed += remove_files(segment.path)
            self._damaged.discard(segment)
            deleted += 1
        if deleted:
            log.info("spool.segments_deleted", segments=deleted, bytes=freed, consumed_seq=consumed_seq)
        return freed

    def _is_young(self, segments: Sequence[Segment], now_us: int) -> bool:
        """Whether the first of some segments holds something to be kept; a damaged one is older than what follows."""
        mark = self._probe(segments[0], last_mark)
        if mark is None and segments[0] in self._damaged:
            mark = next((mark for segment in segments[1:] if (mark := self._probe(segment, first_mark))), None)
            if mark is None:
                return True
        return mark is not None and now_us - mark.at_us <= self._keep_us


def _open_current(segment: Segment, begin_bytes: int = 0) -> _Current:
    """Open a segment to append to it."""
    connection = open_segment(segment.path)
    return _Current(segment, connection, connection.cursor(), begin_bytes)


@contextlib.contextmanager
def _collected(problems: list[Exception]) -> Iterator[None]:
    """Put what the disk refuses aside."""
    try:
        yield
    except DISK_ERRORS as error:
        problems.append(error)


def _lock_folder(folder: Path) -> int:
    """Lock the folder for one writer; the kernel unlocks it when the process dies."""
    descriptor = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise OSError(f"another gateway writes to {folder}") from error
    return descriptor


def _finish(connection: apsw.Connection) -> None:
    """Fold the WAL of a finished segment into the file and close it, as far as readers and the disk allow."""
    with contextlib.suppress(apsw.Error):
        connection.set_busy_timeout(FINISH_BUSY_MS)
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    close_quietly(connection)
