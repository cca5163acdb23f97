"""The files of the embedded spool: one SQLite database per segment.

    spool-0000000000000001.db   groups 1 … 8412    finished: never written again
    spool-0000000000008413.db   groups 8413 …      newest: the writer appends here
    spare.db                    an empty segment, ready to be renamed when the newest is full
    *.tmp                       a segment being made; whatever is found of it at start is deleted
    writer.lock                 locked while a writer lives

The name carries the first sequence number the segment can hold, so a number is never used twice even
when every group has been deleted. A segment gets its name only when it is whole (made under another
name, then renamed), so a reader never meets a half-made one.
"""

import contextlib
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import apsw

from jtgate.storage.sqlite.connection import open_connection

#: Measured with groups of 300 B … 300 KB: 4096 and 16384 are no faster, 16384 doubles what a small group writes.
PAGE_BYTES = 8192
#: Copying the WAL into the file stalls one append for up to some 20 ms at 8 MiB, 50 ms at 32 MiB.
CHECKPOINT_BYTES = 8 << 20

SPARE_NAME = "spare.db"
LOCK_NAME = "writer.lock"
TEMPORARY_SUFFIX = ".tmp"
COMPANIONS = ("-wal", "-shm", "-journal")

#: What SQLite says of a file that is broken and stays so. Busy, I/O errors and the like may pass.
DAMAGE = (apsw.CorruptError, apsw.NotADBError)

_NAME = re.compile(r"spool-(\d{16})\.db")

_SCHEMA = """
CREATE TABLE groups (
    seq INTEGER PRIMARY KEY,
    at_us INTEGER NOT NULL,
    frames INTEGER NOT NULL,
    end_bytes INTEGER NOT NULL, -- data bytes of the spool up to and including this group, since it began
    data BLOB NOT NULL
) STRICT
"""


class Segment(NamedTuple):
    """One segment file, by the first sequence number it can hold."""

    first_seq: int
    path: Path


class Mark(NamedTuple):
    """A place in the spool."""

    seq: int
    end_bytes: int
    at_us: int


def segment_path(folder: Path, first_seq: int) -> Path:
    """Where the segment that starts at `first_seq` lies."""
    return folder / f"spool-{first_seq:016d}.db"


def list_segments(folder: Path) -> list[Segment]:
    """Segments in order; empty when the folder does not exist yet."""
    try:
        return parse_names(folder, (path.name for path in folder.iterdir()))
    except FileNotFoundError:
        return []


def parse_names(folder: Path, names: Iterable[str]) -> list[Segment]:
    """Segments among file names, in order."""
    return sorted(Segment(int(match[1]), folder / match[0]) for name in names if (match := _NAME.fullmatch(name)))


def open_segment(path: Path, *, create: bool = False) -> apsw.Connection:
    """Open a segment.

    Raises:
        DAMAGE: it is no whole database, or holds no table of groups.
        apsw.Error: it is gone, or the disk fails.
    """
    connection = open_connection(path, create=create, page_bytes=PAGE_BYTES, checkpoint_bytes=CHECKPOINT_BYTES)
    try:
        # A segment has its table before it has its name: without one the file was cut to nothing.
        if not create and not connection.table_exists(None, "groups"):
            raise apsw.CorruptError(f"{path.name} holds no groups table")
    except BaseException:
        close_quietly(connection)
        raise
    return connection


def make_segment(temporary: Path, path: Path) -> None:
    """Make an empty segment under a temporary name, then give it its own.

    Raises:
        apsw.Error, OSError: the disk fails; the leftovers are deleted at the next try.
    """
    remove_files(temporary)
    connection = open_segment(temporary, create=True)
    try:
        connection.execute(_SCHEMA)
    finally:
        connection.close()  # the last connection folds the WAL into the file and deletes it
    temporary.rename(path)


def remove_files(path: Path) -> int:
    """Delete a database and its companions, in an order that leaves no WAL without its file in use; bytes freed."""
    freed = 0
    for name in (path, *(path.with_name(path.name + suffix) for suffix in COMPANIONS)):
        try:
            size = name.stat().st_size
            name.unlink()
        except FileNotFoundError:
            continue
        freed += size
    return freed


def remove_leftovers(folder: Path) -> None:
    """Delete what a writer killed in mid-work left: temporary files, and companions of files that are gone."""
    for path in folder.iterdir():
        base = next((path.name.removesuffix(suffix) for suffix in COMPANIONS if path.name.endswith(suffix)), path.name)
        if base.endswith(TEMPORARY_SUFFIX) or not (folder / base).exists():
            path.unlink(missing_ok=True)


def probe(path: Path, look: Callable[..., Mark | None], *values: int) -> Mark | None:
    """Look into a segment for a moment; None when it is gone or empty."""
    try:
        connection = open_segment(path)
    except apsw.CantOpenError:
        if path.exists():
            raise
        return None
    try:
        return look(connection, *values)
    finally:
        connection.close()


def close_quietly(connection: apsw.Connection) -> None:
    """Close on a disk that may fail: what cannot be folded in stays in the WAL, where it is as safe."""
    with contextlib.suppress(apsw.Error):
        connection.close()


def bytes_on_disk(path: Path) -> int:
    """Size of a segment with its WAL; 0 when it is gone."""
    total = 0
    for name in (path, path.with_name(path.name + "-wal")):
        try:
            total += name.stat().st_size
        except FileNotFoundError:
            continue
    return total


def has_wal(path: Path) -> bool:
    """True when there is something in the WAL of a segment."""
    try:
        return path.with_name(path.name + "-wal").stat().st_size > 0
    except FileNotFoundError:
        return False


def sync_folder(folder: Path) -> None:
    """Make renames in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_whole(connection: apsw.Connection) -> None:
    """Read all of a segment; 256 MiB take some 0.2 s when they are in memory, else what the disk takes.

    Raises:
        DAMAGE: there is a fault in it.
    """
    for (finding,) in connection.execute("PRAGMA quick_check(1)"):
        if finding != "ok":
            raise apsw.CorruptError(str(finding))


def last_mark(connection: apsw.Connection, at_or_before: int | None = None) -> Mark | None:
    """The last group of a segment, or the last one at or before a sequence number."""
    limit = (1 << 62) if at_or_before is None else at_or_before
    sql = "SELECT seq, end_bytes, at_us FROM groups WHERE seq <= ? ORDER BY seq DESC LIMIT 1"
    return _mark(connection, sql, (limit,))


def first_mark(connection: apsw.Connection) -> Mark | None:
    """The first group of a segment, with `end_bytes` of the place just before it."""
    return _mark(connection, "SELECT seq, end_bytes - length(data), at_us FROM groups ORDER BY seq LIMIT 1", ())


def _mark(connection: apsw.Connection, sql: str, values: tuple[int, ...]) -> Mark | None:
    found = list(connection.execute(sql, values))
    if found and not all(isinstance(value, int) for value in found[0]):
        raise apsw.CorruptError("a group has no numbers")
    return Mark(*found[0]) if found else None
