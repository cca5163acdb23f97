"""A spool and a store with their back ends, for tests that know only the interface."""

from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import apsw
import psycopg
from psycopg import sql

from jtgate.storage.spool import SpoolProgress, SpoolReader, SpoolWriter
from jtgate.storage.sqlite.progress import FileSpoolProgress
from jtgate.storage.sqlite.spool import SqliteSpoolWriter
from jtgate.storage.sqlite.spool_reader import SqliteSpoolReader
from jtgate.storage.sqlite.store import SqliteStore
from jtgate.storage.store import Store

#: Every back end of the store. "timescale" is skipped where JTGATE_TEST_TIMESCALE names no server.
STORE_BACKENDS = ["sqlite", "postgres", "timescale"]

#: Tables of rows in a schema; partitions go with theirs.
_TABLES = b"""
SELECT relname FROM pg_class WHERE relnamespace = %s::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
AND relname NOT IN ('jtgate_migrations', 'facts_of_store')
"""


@dataclass(frozen=True)
class StoreUnderTest:
    """A place for one store.

    Args:
        name: one of STORE_BACKENDS.
        path: file of SQLite.
        url: database of PostgreSQL.
        schema: in that database.
    """

    name: str
    path: Path = Path()
    url: str = ""
    schema: str = ""

    def open(self) -> Store:
        """Open it once more."""
        if self.name == "sqlite":
            return SqliteStore(self.path)
        from jtgate.storage.postgres.store import PostgresStore

        return PostgresStore(self.url, schema=self.schema, timescale=self.name == "timescale")

    def clear(self) -> None:
        """Take every row out of a migrated store: cheaper than a new one."""
        if self.name == "sqlite":
            for file in self.path.parent.glob(f"{self.path.name}*"):
                file.unlink()
            with closing(SqliteStore(self.path)) as store:
                store.migrate()
            return
        with psycopg.connect(self.url, autocommit=True) as server:
            found = server.execute(_TABLES, (self.schema,)).fetchall()
            tables = sql.SQL(", ").join(sql.Identifier(self.schema, name) for (name,) in found)
            server.execute(sql.SQL("TRUNCATE {} RESTART IDENTITY").format(tables))

    def execute(self, statement: str) -> None:
        """Do something behind the back of the store; tables are named bare."""
        if self.name == "sqlite":
            with closing(apsw.Connection(str(self.path))) as connection:
                connection.set_busy_timeout(5000)
                connection.execute(statement)
            return
        with psycopg.connect(self.url, autocommit=True) as server:
            server.execute(sql.SQL("SET search_path = {}, public").format(sql.Identifier(self.schema)))
            server.execute(statement.encode())


class SpoolUnderTest:
    """Opens the spool of a test."""

    def __init__(self, folder: Path, cleanup: ExitStack) -> None:
        self.folder = folder
        self._cleanup = cleanup

    def writer(self, *, bytes_max: int = 1 << 30, keep_us: int = 10**15, segment_bytes: int = 4096) -> SpoolWriter:
        """The writer; close it before opening another."""
        writer = SqliteSpoolWriter(self.folder, bytes_max=bytes_max, keep_us=keep_us, segment_bytes_max=segment_bytes)
        return self._cleanup.enter_context(closing(writer))

    def reader(self) -> SpoolReader:
        """One more reader."""
        return self._cleanup.enter_context(closing(SqliteSpoolReader(self.folder)))

    def progress(self) -> SpoolProgress:
        """What consumers publish."""
        return FileSpoolProgress(self.folder)
