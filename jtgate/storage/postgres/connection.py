"""Long-lived connections to PostgreSQL: opened when needed, opened again when lost, errors in our types.

A message of the server can quote a value (DETAIL) and a fault in a URL can quote a password, so of the first only the
primary message goes into our errors, of the second nothing.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from psycopg import conninfo, sql
from psycopg.rows import TupleRow, dict_row

from jtgate.storage.store import StoreError, StoreUnavailable, StoreUrlError

Connection = psycopg.Connection[TupleRow]
Cursor = psycopg.Cursor[TupleRow]
Params = Sequence[object] | Mapping[str, object]

SERVER_VERSION_MIN: Final = 150_000
CONNECT_TIMEOUT_S: Final = 5
#: A server that says nothing for this long while data is on the way is given up.
SILENCE_S: Final = 30
LOCK_TIMEOUT_S: Final = 20
READ_TIMEOUT_S: Final = 60
WRITE_TIMEOUT_S: Final = 120

#: Classes of errors that lie in the value: data exceptions, and broken constraints.
_OF_THE_VALUE: Final = ("22", "23")
_NOTHING_MIGRATED: Final = ("42P01", "3F000")
#: No partition takes the row, though we thought so: another process has changed the days meanwhile.
NO_PARTITION: Final = "23514"


def checked_url(url: str) -> str:
    """The URL as libpq takes it.

    Raises:
        StoreUrlError: libpq cannot read it; the message does not quote it.
    """
    try:
        ports = str(conninfo.conninfo_to_dict(url).get("port") or "").split(",")
        # An "@" or ":" of a password that is not written as %XX makes a host or a port of the rest of it.
        is_split = "://" in url and url.partition("?")[0].count("@") > 1
        if is_split or not all(port.isdigit() or not port for port in ports):
            raise psycopg.ProgrammingError
    except psycopg.ProgrammingError:
        raise StoreUrlError(
            "the URL of the store cannot be read: use postgresql://USER:PASSWORD@HOST:PORT/DATABASE, "
            "with every character of the password that is no letter or digit as %XX"
        ) from None
    return url


def shown_url(url: str) -> str:
    """The URL without user and password."""
    facts = conninfo.conninfo_to_dict(url)
    host, port = facts.get("host") or "localhost", facts.get("port") or 5432
    return f"postgresql://{host}:{port}/{facts.get('dbname') or ''}"


class Link:
    """One connection for one purpose; a lock lets one thread in at a time.

    Args:
        url: as `checked_url` gives it.
        schema: of our tables; made by a migration.
        purpose: one word, for the server's list of connections.
        timeout_s: most seconds for one statement.
        prepared: SQL that every new connection runs.
    """

    def __init__(self, url: str, schema: str, purpose: str, timeout_s: int, prepared: str = "") -> None:
        self._url = url
        self._schema = schema
        self._purpose = purpose
        self._timeout_s = timeout_s
        self._prepared = prepared
        self._lock = threading.RLock()
        self._connection: Connection | None = None
        self._closed = False

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """The connection, in autocommit, for one thread for a while.

        Raises:
            StoreUnavailable: there is none now, or it was lost on the way.
            StoreError: a value does not fit.
        """
        with self._lock:
            try:
                yield self._open()
            except psycopg.Error as error:
                if self._connection is not None and self._connection.closed:
                    self._connection = None
                raise typed(error) from error

    @contextmanager
    def transaction(self) -> Iterator[Cursor]:
        """A transaction; rolled back when the block raises."""
        with self.connection() as connection, connection.transaction(), connection.cursor() as cursor:
            yield cursor

    def query(self, statement: str, params: Params = ()) -> list[TupleRow]:
        """All rows of a statement, as tuples."""
        with self.connection() as connection:
            return connection.execute(statement.encode(), params).fetchall()

    def rows(self, statement: str, params: Params = ()) -> list[dict[str, Any]]:
        """All rows of a statement, as dicts by column name."""
        with self.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(statement.encode(), params).fetchall()

    def number(self, statement: str, params: Params = ()) -> int:
        """First column of the first row as an integer; 0 when there is none or it is NULL."""
        found = self.query(statement, params)
        return int(found[0][0]) if found and found[0][0] is not None else 0

    def close(self) -> None:
        """Give up the connection; safe to call twice."""
        with self._lock:
            self._closed = True
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()

    def _open(self) -> Connection:
        if self._closed:
            raise StoreError("the store is closed")
        if self._connection is not None and not self._connection.closed:
            return self._connection
        self._connection = None
        connection = psycopg.connect(
            self._url,
            autocommit=True,
            connect_timeout=CONNECT_TIMEOUT_S,
            application_name=f"jtgate {self._purpose}",
            keepalives=1,
            keepalives_idle=10,
            keepalives_interval=5,
            keepalives_count=3,
            tcp_user_timeout=SILENCE_S * 1000,
        )
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection

    def _prepare(self, connection: Connection) -> None:
        if connection.info.server_version < SERVER_VERSION_MIN:
            version = connection.info.server_version // 10_000
            raise StoreUnavailable(f"the server is PostgreSQL {version}; jtgate needs 15 or later")
        limits = f"SET statement_timeout = '{self._timeout_s}s'; SET lock_timeout = '{LOCK_TIMEOUT_S}s'"
        connection.execute(sql.SQL("SET search_path = {}, public").format(sql.Identifier(self._schema)))
        connection.execute(f"SET TimeZone = 'UTC'; {limits}".encode())
        if self._prepared:
            connection.execute(self._prepared.encode())


def typed(error: psycopg.Error) -> StoreError:
    """Our error for one of the server or of libpq."""
    code = error.sqlstate or ""
    said = error.diag.message_primary or str(error).partition("\n")[0]
    if code in _NOTHING_MIGRATED:
        return StoreUnavailable("the store has no tables yet: nothing has migrated it")
    if code == NO_PARTITION and "no partition" in said:
        return StoreUnavailable("the days of the store have changed meanwhile")
    if code[:2] in _OF_THE_VALUE:
        return StoreError(f"a value does not fit its column ({code})")
    if not code and isinstance(error, psycopg.DataError | psycopg.ProgrammingError):
        return StoreError(f"a value does not fit its column ({type(error).__name__})")
    return StoreUnavailable(f"{said} ({code})" if code else said)
