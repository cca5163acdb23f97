"""The one place that opens a SQLite file: pragmas, transactions and typed errors.

Every file is in WAL mode, so that readers in other processes never wait for the writer. SQLite locks
files with POSIX record locks, which a process loses when it closes *any* descriptor of the file:
nobody may open these files except through apsw.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

#: How long a statement waits for another connection to finish writing.
BUSY_TIMEOUT_MS = 5000
#: SQLite does not wait when two connections switch a new file to WAL; we try again this often.
WAL_SWITCH_TRIES = 200
WAL_SWITCH_PAUSE_S = 0.01

Params = Sequence[object] | dict[str, object]

#: What may be gone in a while: locked, read-only, full, I/O errors, file not there (yet).
TEMPORARY_ERRORS = (
    apsw.BusyError,
    apsw.LockedError,
    apsw.ReadOnlyError,
    apsw.FullError,
    apsw.IOError,
    apsw.CantOpenError,
    apsw.PermissionsError,
    apsw.AuthError,
    apsw.ProtocolError,
    apsw.NoMemError,
)


def open_connection(
    path: Path,
    *,
    synchronous: str = "FULL",
    create: bool = True,
    page_bytes: int = 4096,
    checkpoint_bytes: int = 4 << 20,
    cache_bytes: int = 8 << 20,
) -> apsw.Connection:
    """Open a SQLite file in WAL mode.

    Args:
        path: the file.
        synchronous: FULL: a commit survives a power cut. NORMAL: a power cut may take the last commits.
        create: False when a missing file is an error.
        page_bytes: page size of a new file.
        checkpoint_bytes: size of the WAL at which a commit copies it into the file.
        cache_bytes: page cache of this connection.

    Raises:
        apsw.Error: as SQLite has it.
    """
    flags = apsw.SQLITE_OPEN_READWRITE | (apsw.SQLITE_OPEN_CREATE if create else 0)
    connection = apsw.Connection(str(path), flags=flags)
    try:
        connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        connection.execute(f"PRAGMA page_size={page_bytes}")
        _switch_to_wal(connection)
        connection.execute(f"PRAGMA synchronous={synchronous}")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute(f"PRAGMA wal_autocheckpoint={max(1, checkpoint_bytes // page_bytes)}")
        connection.execute(f"PRAGMA cache_size={-(cache_bytes // 1024)}")
    except BaseException:
        connection.close()
        raise
    return connection


def _switch_to_wal(connection: apsw.Connection) -> None:
    for tries_left in range(WAL_SWITCH_TRIES, 0, -1):
        try:
            if connection.pragma("journal_mode") != "wal":
                connection.execute("PRAGMA journal_mode=WAL")
            return
        except apsw.BusyError:
            if tries_left == 1:
                raise
            time.sleep(WAL_SWITCH_PAUSE_S)


class Database:
    """A SQLite file for one process; a lock lets one thread in at a time.

    Args:
        path: the file; its folder is made.
        unavailable: our error for what may pass (locked, read-only, full, not created yet).
        failed: our error for the rest (corrupt, our mistake).
        connect: opens the connection.
    """

    def __init__(
        self,
        path: Path,
        *,
        unavailable: Callable[[str], Exception],
        failed: Callable[[str], Exception],
        connect: Callable[[Path], apsw.Connection] = open_connection,
    ) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._unavailable = unavailable
        self._failed = failed
        self._connection: apsw.Connection | None = None
        with self.typed_errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = connect(path)

    @property
    def connection(self) -> apsw.Connection:
        """The connection.

        Raises:
            the `failed` error when the database has been closed.
        """
        if self._connection is None:
            raise self._failed(f"{self.path.name} is closed")
        return self._connection

    @contextmanager
    def typed_errors(self) -> Iterator[None]:
        """Turn errors of SQLite and of the file system into ours."""
        try:
            yield
        except (*TEMPORARY_ERRORS, OSError) as error:
            raise self._unavailable(f"{self.path.name}: {error}") from error
        except apsw.Error as error:
            if "no such table" in str(error):
                raise self._unavailable(f"{self.path.name} has no tables yet: nothing has migrated it") from error
            raise self._failed(f"{self.path.name}: {error}") from error

    def query(self, sql: str, params: Params = ()) -> list[tuple[Any, ...]]:
        """All rows of a statement, as tuples."""
        with self.locked() as connection:
            return list(connection.execute(sql, params))

    def rows(self, sql: str, params: Params = ()) -> list[dict[str, object]]:
        """All rows of a statement, as dicts by column name."""
        with self.locked() as connection:
            cursor = connection.execute(sql, params)
            first = cursor.fetchone()
            if first is None:
                return []
            names = [column[0] for column in cursor.get_description()]
            return [dict(zip(names, values, strict=True)) for values in (first, *cursor)]

    def number(self, sql: str, params: Params = ()) -> int:
        """First column of the first row as an integer; 0 when there is none or it is NULL."""
        found = self.query(sql, params)
        value = found[0][0] if found else None
        return value if isinstance(value, int) else 0

    @contextmanager
    def locked(self) -> Iterator[apsw.Connection]:
        """The connection, for one thread for a while."""
        with self._lock, self.typed_errors():
            yield self.connection

    @contextmanager
    def transaction(self) -> Iterator[apsw.Connection]:
        """A write transaction; rolled back when the block raises."""
        with self.locked() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Give up the file; safe to call twice."""
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()
