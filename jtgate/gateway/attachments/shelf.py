"""Files on their way: their bytes on disk, their stretches on the desk, until they are complete or given up.

    bytes ─► <files>/arriving/<ask>-<name's hash>.part ─► all there ─► fsync, rename to the hash ─► desk ─► result 0

What the desk says of a file is never more than what is on disk: bytes are flushed before progress is noted. That
happens now and then only, so a crash costs some bytes, which are asked for again. Everything here blocks and runs on
threads; links of the same terminal may share a file.

    UploadFault        the link cannot go on
    ├── BeyondSize        bytes behind the announced end of a file
    ├── TooBig            more bytes for one alarm than allowed
    └── DiskFault         disk or desk refuse: the terminal must come again
"""

import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from jtgate.codecs.timebase import now_ms
from jtgate.gateway.attachments import metrics
from jtgate.gateway.attachments.stretches import Stretch, Stretches
from jtgate.storage.evidence import EvidenceDesk, EvidenceError, EvidenceFile, FileFacts, FileState
from jtgate.storage.files import FileStoreError
from jtgate.storage.folder import FolderFiles
from jtgate.storage.suffixes import HEAD_BYTES, suffix_of
from jtgate.storage.texts import without_nul

#: Progress is noted after so many new bytes, or after so long.
NOTE_BYTES: Final = 4 << 20
NOTE_S: Final = 5.0
#: 0x1212 in a row that brought nothing new, and in all, after which a file is given up (§4.7).
STALLED_ROUNDS_MAX: Final = 5
ROUNDS_MAX: Final = 100
#: A partial file to which nothing was added for so long is put away.
STALE_MS: Final = 26 * 3600 * 1000
#: Partial files looked at in one sweep.
SWEEP_MAX: Final = 1000

_PART: Final = ".part"
_log = structlog.get_logger("attachments")


class UploadFault(Exception):
    """The link cannot go on; `reason` is the label it is counted under."""

    reason = "fault"


class BeyondSize(UploadFault):
    """Bytes behind the announced end of a file."""

    reason = "beyond_size"


class TooBig(UploadFault):
    """More bytes for one alarm than allowed."""

    reason = "too_big"


class DiskFault(UploadFault):
    """Disk or desk refuse; nothing is confirmed that is not on disk."""

    reason = "disk"


class Finish(NamedTuple):
    """What becomes of a file after 0x1212."""

    is_over: bool  # complete, or given up: the terminal goes on with the next
    gaps: list[Stretch]


class ArrivingFile:
    """A file of an ask; its methods may be called from any thread.

    Args:
        shelf: where it lies.
        row: what the desk knows of it.
    """

    def __init__(self, shelf: "Shelf", row: EvidenceFile) -> None:
        self._shelf = shelf
        self._lock = threading.RLock()
        self._row = row
        self._part = shelf.files.arriving / part_name(row.ask_id, row.facts.name)
        self._stretches = Stretches(self._still_there(row))
        self._noted_bytes = self._stretches.covered
        self._noted_at = time.monotonic()
        self._rounds = self._stalled = 0
        self._covered_last = self._stretches.covered
        self.links = 0  # that use it; guarded by the shelf

    @property
    def name(self) -> str:
        """As in 0x1210."""
        return self._row.facts.name

    @property
    def ask_id(self) -> int:
        """Whose."""
        return self._row.ask_id

    @property
    def is_complete(self) -> bool:
        """Whether nothing is missing."""
        return self._row.state is FileState.COMPLETE

    @property
    def told_bytes(self) -> int:
        """Its size as the terminal told it; 0 for not told."""
        return self._row.facts.size

    @property
    def bytes_bound(self) -> int:
        """How long it is or may become."""
        return max(self.told_bytes, self._stretches.end)

    def differs(self, facts: FileFacts) -> bool:
        """Whether the terminal tells other size or type than before."""
        known = self._row.facts
        return facts.size not in (0, known.size) or facts.file_type not in (None, known.file_type)

    def told(self, row: EvidenceFile) -> None:
        """The desk has heard more of it: size and type."""
        with self._lock:
            self._row = replace(self._row, facts=row.facts)

    def write(self, offset: int, data: bytes) -> None:
        """Put bytes where they belong; those of a complete file change nothing.

        Raises:
            DiskFault: they could not be written.
        """
        with self._lock:
            if self.is_complete:
                metrics.IGNORED.labels("complete").inc()
                metrics.REPEATED_BYTES.inc(len(data))
                return
            if not self._stretches.fits(offset, offset + len(data)):
                metrics.IGNORED.labels("too_many_stretches").inc()
                return
            try:
                _write_at(self._part, offset, data)
            except OSError as error:
                raise _disk_fault("write", error) from error
            new = self._stretches.add(offset, offset + len(data))
            metrics.DATA_BYTES.inc(new)
            metrics.REPEATED_BYTES.inc(len(data) - new)
            if self._stretches.covered - self._noted_bytes >= NOTE_BYTES or time.monotonic() - self._noted_at >= NOTE_S:
                self.note()

    def note(self) -> None:
        """Bring what has come to disk and tell the desk, if there is anything new to tell.

        Raises:
            DiskFault: it could not be brought to disk.
        """
        with self._lock:
            self._noted_at = time.monotonic()
            if self.is_complete or self._stretches.covered == self._noted_bytes:
                return
            try:
                _flush(self._part)
            except OSError as error:
                self._lost()
                raise _disk_fault("flush", error) from error
            row = replace(self._row, state=FileState.ARRIVING, received=self._stretches.to_tuple())
            try:
                self._row = self._shelf.desk.save(row, now_ms())
            except EvidenceError as error:  # it is on disk; the desk hears of it next time
                _disk_fault("desk", error)
                return
            self._noted_bytes = self._stretches.covered

    def finish(self, size: int, file_type: int | None) -> Finish:
        """0x1212: the terminal has sent all it wanted to.

        Args:
            size: as 0x1212 tells it, 0 for the size told before.
            file_type: as 0x1212 tells it.

        Raises:
            DiskFault: the file is all there, and could not be kept.
        """
        with self._lock:
            if self.is_complete:
                return Finish(is_over=True, gaps=[])
            size = size or self.told_bytes or self._stretches.end
            self._row = replace(self._row, facts=replace(self._row.facts, size=size, file_type=file_type))
            gaps = self._stretches.gaps(size)
            if not gaps:
                self._keep(FileState.COMPLETE, size)
                return Finish(is_over=True, gaps=[])
            self._rounds += 1
            has_moved = self._stretches.covered > self._covered_last
            self._stalled = 0 if has_moved else self._stalled + 1
            self._covered_last = self._stretches.covered
            if self._stalled >= STALLED_ROUNDS_MAX or self._rounds >= ROUNDS_MAX:
                self._keep(FileState.INCOMPLETE, size)
                return Finish(is_over=True, gaps=gaps)
            metrics.ROUNDS.inc()
            self.note()
            return Finish(is_over=False, gaps=gaps)

    def put_away(self) -> None:
        """Keep what there is of a file that nobody adds to any more.

        Raises:
            DiskFault: it could not be kept.
        """
        with self._lock:
            if not self.is_complete:
                self._keep(FileState.INCOMPLETE, self.bytes_bound)

    def _keep(self, state: FileState, size: int) -> None:
        """Give the file its place by its hash, then tell the desk."""
        started = time.monotonic()
        received = ((0, size),) if state is FileState.COMPLETE and size else self._stretches.to_tuple()
        sha256 = path = None
        try:
            if state is FileState.COMPLETE or self._stretches.covered:
                sha256, path = self._shelf.keep(self._part, self.name, min(size, self._stretches.end))
            row = replace(
                self._row,
                state=state,
                received=received,
                sha256=sha256,
                path=path,
                completed_ms=now_ms(),
            )
            self._row = self._shelf.desk.save(row, now_ms())
        except (OSError, FileStoreError, EvidenceError) as error:
            self._lost()
            raise _disk_fault("keep", error) from error
        if state is FileState.INCOMPLETE:  # should more come after all, it comes from the beginning
            self._stretches = Stretches()
            self._noted_bytes = self._covered_last = self._rounds = self._stalled = 0
        metrics.FILES.labels(state.value).inc()
        metrics.KEEP_SECONDS.observe(time.monotonic() - started)
        _log.info("attachments.file_ended", ask_id=self.ask_id, state=state.value, bytes=size, rounds=self._rounds)

    def _lost(self) -> None:
        """Nobody knows what of it is on disk: begin anew."""
        with suppress(OSError):
            self._part.unlink(missing_ok=True)
        self._stretches = Stretches()
        self._noted_bytes = self._covered_last = 0

    def _still_there(self, row: EvidenceFile) -> Iterable[Stretch]:
        """What the desk has noted, if the partial file holds it."""
        if row.state in (FileState.COMPLETE, FileState.INCOMPLETE) or not row.received:
            return ()
        try:
            length = self._part.stat().st_size
        except OSError:
            return ()
        return row.received if length >= row.received[-1][1] else ()


class Shelf:
    """All files on their way.

    Args:
        desk: notes their progress.
        files: where they lie, and where they go.
    """

    def __init__(self, desk: EvidenceDesk, files: FolderFiles) -> None:
        self.desk = desk
        self.files = files
        self._lock = threading.Lock()
        self._open: dict[tuple[int, str], ArrivingFile] = {}

    def take(self, rows: Iterable[EvidenceFile]) -> list[ArrivingFile]:
        """The files of these rows for a link; to be given back with `release`."""
        with self._lock:
            found = []
            for row in rows:
                file = self._open.get((row.ask_id, row.facts.name))
                if file is None:
                    file = self._open[row.ask_id, row.facts.name] = ArrivingFile(self, row)
                else:
                    file.told(row)
                file.links += 1
                found.append(file)
            return found

    def release(self, files: Iterable[ArrivingFile]) -> None:
        """A link needs them no more: note how far they came."""
        for file in files:
            with suppress(DiskFault):  # counted; it is asked for again
                file.note()
            with self._lock:
                file.links -= 1
                if not file.links:
                    self._open.pop((file.ask_id, file.name), None)

    def keep(self, part: Path, name: str, size: int) -> tuple[str, str]:
        """Give a partial file its place.

        Args:
            part: the file; made when it is missing, for a file without bytes.
            name: as the terminal calls it; only a suffix is taken of it.
            size: bytes; what is behind them was a lie.

        Raises:
            OSError: the disk refuses.
            FileStoreError: the store refuses.
        """
        fd = os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            if os.fstat(fd).st_size != size:
                os.ftruncate(fd, size)
            head = os.pread(fd, HEAD_BYTES, 0)
        finally:
            os.close(fd)
        return self.files.keep(part, suffix_of(name, head))

    def sweep(self, clock: Callable[[], int] = now_ms) -> int:
        """Put partial files away to which nothing was added for STALE_MS; how many."""
        count = 0
        for path in list(self.files.arriving.iterdir())[:SWEEP_MAX]:
            with suppress(OSError, DiskFault, EvidenceError):
                if clock() - path.stat().st_mtime_ns // 1_000_000 >= STALE_MS:
                    self._sweep_one(path)
                    count += 1
        return count

    def _sweep_one(self, path: Path) -> None:
        ask_id, _, _ = path.stem.partition("-")
        rows = self.desk.files(int(ask_id)) if path.suffix == _PART and ask_id.isdigit() else []
        for row in rows:
            if part_name(row.ask_id, row.facts.name) != path.name:
                continue
            (file,) = self.take([row])
            try:
                if file.links > 1:
                    return
                file.put_away()
            finally:
                self.release([file])
            metrics.SWEPT.labels("kept").inc()
        if path.exists():
            path.unlink()
            metrics.SWEPT.labels("deleted").inc()


def part_name(ask_id: int, name: str) -> str:
    """What a partial file is called: by us, so that no name of a terminal becomes one."""
    return f"{ask_id}-{hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()[:24]}{_PART}"


def facts_of(name: str, size: int = 0, file_type: int | None = None) -> FileFacts:
    """A file as the desk takes it: without the zeros and blanks that some count in its name."""
    return FileFacts(clean_name(name), size, file_type)


def clean_name(name: str) -> str:
    """The name as it is kept; characters that no database holds are replaced."""
    return without_nul(str(name).rstrip("\0 "))


def _write_at(path: Path, offset: int, data: bytes) -> None:
    """Write all of it; the file is not held open, so that no number of files is too many."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        view = memoryview(data)
        while view:
            written = os.pwrite(fd, view, offset)
            offset += written
            view = view[written:]
    finally:
        os.close(fd)


def _flush(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fdatasync(fd)
    finally:
        os.close(fd)


def _disk_fault(what: str, error: Exception) -> DiskFault:
    metrics.DISK_FAILURES.labels(what).inc()
    _log.warning("attachments.disk_failed", what=what, error=str(error))
    return DiskFault(f"{what}: {error}")
