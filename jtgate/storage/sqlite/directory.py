"""The embedded directory: one SQLite file that the gateway and the command line share.

Live sessions are published without a sync (synchronous=NORMAL: a power cut may take the last ones, and
the file stays whole); known terminals and requests are synced before the call returns.
"""

import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from operator import attrgetter
from pathlib import Path

import apsw

from jtgate.codecs.encryption import BLOCK_BYTES, PublicKey
from jtgate.storage.directory import (
    DirectoryError,
    DirectoryFull,
    DirectoryUnavailable,
    KickRequest,
    LiveSession,
    TerminalNote,
)
from jtgate.storage.sqlite.connection import Database, open_connection

#: Requests that may be open at once.
REQUESTS_OPEN_MAX = 10_000
#: Finished requests whose outcome can still be asked for.
REQUESTS_FINISHED_MAX = 10_000
#: Known terminals.
KNOWN_MAX = 1_000_000
#: Terminals with notes.
NOTES_MAX = 1_000_000

OUTCOME_NOT_ONLINE = "not_online"

_COLUMNS = tuple(field.name for field in fields(LiveSession))
_values = attrgetter(*_COLUMNS)
_UPSERT = (
    f"INSERT INTO live_sessions ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))}) "
    f"ON CONFLICT (session_id) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _COLUMNS[1:])}"
)
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM live_sessions"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS live_sessions (
    session_id INTEGER PRIMARY KEY,
    terminal TEXT NOT NULL,
    phone TEXT NOT NULL,
    edition TEXT NOT NULL,
    transport TEXT NOT NULL,
    peer TEXT NOT NULL,
    state TEXT NOT NULL,
    how TEXT NOT NULL,
    online_since_ms INTEGER NOT NULL,
    last_received_ms INTEGER NOT NULL,
    frames INTEGER NOT NULL,
    bad_frames INTEGER NOT NULL,
    bytes_in INTEGER NOT NULL,
    last_msg_id INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS live_sessions_terminal ON live_sessions (terminal);
CREATE TABLE IF NOT EXISTS kick_requests (
    request_id INTEGER PRIMARY KEY AUTOINCREMENT,
    terminal TEXT NOT NULL,
    asked_by TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    outcome TEXT -- NULL: open
) STRICT;
CREATE INDEX IF NOT EXISTS kick_requests_open ON kick_requests (request_id) WHERE outcome IS NULL;
CREATE TABLE IF NOT EXISTS known_terminals (terminal TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS terminal_notes (
    id INTEGER PRIMARY KEY, -- rises with the first note of a terminal
    terminal TEXT NOT NULL UNIQUE,
    manufacturer TEXT,
    model TEXT,
    key_exponent INTEGER,
    key_modulus BLOB
) STRICT;
"""
#: The table that came last: where it is missing, the schema is of an earlier release or of nobody yet.
_LAST_TABLE = "terminal_notes"

_NOTE = """
INSERT INTO terminal_notes (terminal, manufacturer, model, key_exponent, key_modulus) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (terminal) DO UPDATE SET
    manufacturer = coalesce(excluded.manufacturer, manufacturer), model = coalesce(excluded.model, model),
    key_exponent = coalesce(excluded.key_exponent, key_exponent),
    key_modulus = coalesce(excluded.key_modulus, key_modulus)
"""


class SqliteDirectory:
    """`Directory` in one SQLite file.

    Args:
        path: the file; made when missing, with its folder.

    Raises:
        DirectoryUnavailable: it cannot be opened now.
    """

    def __init__(self, path: Path) -> None:
        self._db = Database(path, unavailable=DirectoryUnavailable, failed=DirectoryError, connect=_connect)
        self._open_requests: list[KickRequest] | None = None  # None: look again
        self._requests_version = -1

    def start(self, at_ms: int) -> None:
        """See Directory. Requests of before are answered: nobody of then is online."""
        with self._durable() as connection:
            connection.execute("DELETE FROM live_sessions")
            connection.execute(
                "UPDATE kick_requests SET outcome = ? WHERE outcome IS NULL AND created_ms < ?",
                (OUTCOME_NOT_ONLINE, at_ms),
            )
        self._open_requests = None

    def publish(self, changed: Sequence[LiveSession], gone: Sequence[int]) -> None:
        """See Directory."""
        if not changed and not gone:
            return
        with self._db.transaction() as connection:
            connection.executemany("DELETE FROM live_sessions WHERE session_id = ?", ((number,) for number in gone))
            connection.executemany(_UPSERT, map(_values, changed))

    def sessions(
        self,
        *,
        terminal_prefix: str = "",
        terminals: Collection[str] | None = None,
        transport: str = "",
        before: tuple[int, int] | None = None,
        limit: int = 1000,
    ) -> list[LiveSession]:
        """See Directory."""
        prefix = terminal_prefix.lstrip("0")
        conditions: dict[str, tuple[object, ...]] = {"terminal >= ? AND terminal < ?": (prefix, prefix + "\U0010ffff")}
        if terminals is not None:
            conditions["terminal IN (SELECT value FROM json_each(?))"] = (json.dumps(list(terminals)),)
        if transport:
            conditions["transport = ?"] = (transport,)
        if before is not None:
            conditions["(online_since_ms, session_id) < (?, ?)"] = before
        found = self._db.query(
            f"{_SELECT} WHERE {' AND '.join(conditions)} ORDER BY online_since_ms DESC, session_id DESC LIMIT ?",
            (*(value for values in conditions.values() for value in values), limit),
        )
        return [LiveSession(*values) for values in found]

    def session(self, terminal: str) -> LiveSession | None:
        """See Directory. The newest, while an old connection of the terminal lingers."""
        found = self._db.query(
            f"{_SELECT} WHERE terminal = ? ORDER BY session_id DESC LIMIT 1", (terminal.lstrip("0"),)
        )
        return LiveSession(*found[0]) if found else None

    def count(self) -> int:
        """See Directory."""
        return self._db.number("SELECT count(*) FROM live_sessions")

    def ask_kick(self, terminal: str, asked_by: str, now_ms: int) -> int:
        """See Directory."""
        with self._durable() as connection:
            if _count(connection, "SELECT count(*) FROM kick_requests WHERE outcome IS NULL") >= REQUESTS_OPEN_MAX:
                raise DirectoryFull(f"{REQUESTS_OPEN_MAX} requests are open already: is a gateway running?")
            connection.execute(
                "INSERT INTO kick_requests (terminal, asked_by, created_ms) VALUES (?, ?, ?)",
                (terminal.lstrip("0"), asked_by, now_ms),
            )
            request_id = connection.last_insert_rowid()
        self._open_requests = None
        return request_id

    def take_requests(self) -> list[KickRequest]:
        """See Directory."""
        version = self.version()
        if self._open_requests is None or version != self._requests_version:
            found = self._db.query(
                "SELECT request_id, terminal, asked_by, created_ms FROM kick_requests "
                "WHERE outcome IS NULL ORDER BY request_id"
            )
            self._open_requests = [KickRequest(*values) for values in found]
            self._requests_version = version
        return list(self._open_requests)

    def finish(self, request_id: int, outcome: str) -> None:
        """See Directory."""
        with self._durable() as connection:
            connection.execute(
                "UPDATE kick_requests SET outcome = ? WHERE request_id = ? AND outcome IS NULL", (outcome, request_id)
            )
            connection.execute(
                "DELETE FROM kick_requests WHERE outcome IS NOT NULL AND request_id <= ?",
                (request_id - REQUESTS_FINISHED_MAX,),
            )
        self._open_requests = None

    def outcome(self, request_id: int) -> str | None:
        """See Directory."""
        found = self._db.query("SELECT outcome FROM kick_requests WHERE request_id = ?", (request_id,))
        return found[0][0] if found else None

    def add_known(self, terminals: Sequence[str]) -> int:
        """See Directory."""
        with self._durable() as connection:
            before = connection.total_changes()
            connection.executemany(
                "INSERT OR IGNORE INTO known_terminals VALUES (?)", ((terminal.lstrip("0"),) for terminal in terminals)
            )
            added = connection.total_changes() - before
            if _count(connection, "SELECT count(*) FROM known_terminals") > KNOWN_MAX:
                raise DirectoryFull(f"more than {KNOWN_MAX} known terminals")
        return added

    def remove_known(self, terminals: Sequence[str]) -> int:
        """See Directory."""
        with self._durable() as connection:
            before = connection.total_changes()
            connection.executemany(
                "DELETE FROM known_terminals WHERE terminal = ?", ((terminal.lstrip("0"),) for terminal in terminals)
            )
            return connection.total_changes() - before

    def known(self) -> frozenset[str]:
        """See Directory."""
        return frozenset(terminal for (terminal,) in self._db.query("SELECT terminal FROM known_terminals"))

    def note(self, notes: Sequence[TerminalNote]) -> None:
        """See Directory. Of more than NOTES_MAX terminals those noted first are forgotten."""
        if notes:
            with self._durable() as connection:
                connection.executemany(_NOTE, map(_note_values, notes))
                connection.execute(
                    "DELETE FROM terminal_notes WHERE id <= (SELECT max(id) FROM terminal_notes) - ?", (NOTES_MAX,)
                )

    def models(self) -> dict[str, tuple[str, str]]:
        """See Directory."""
        found = self._db.query(
            "SELECT terminal, coalesce(manufacturer, ''), coalesce(model, '') FROM terminal_notes "
            "WHERE manufacturer IS NOT NULL OR model IS NOT NULL"
        )
        return {values[0]: (values[1], values[2]) for values in found}

    def key_of(self, terminal: str) -> PublicKey | None:
        """See Directory."""
        found = self._db.query(
            "SELECT key_exponent, key_modulus FROM terminal_notes WHERE terminal = ? AND key_modulus IS NOT NULL",
            (terminal.lstrip("0"),),
        )
        return PublicKey(found[0][0], int.from_bytes(found[0][1])) if found else None

    def version(self) -> int:
        """See Directory."""
        return self._db.number("PRAGMA data_version")

    def close(self) -> None:
        """See Directory."""
        self._db.close()

    @contextmanager
    def _durable(self) -> Iterator[apsw.Connection]:
        """A transaction that survives a power cut."""
        with self._db.locked() as connection:
            connection.execute("PRAGMA synchronous=FULL")
            try:
                with self._db.transaction():
                    yield connection
            finally:
                connection.execute("PRAGMA synchronous=NORMAL")


def _connect(path: Path) -> apsw.Connection:
    connection = open_connection(path, synchronous="NORMAL")
    try:
        if not _count(connection, f"SELECT count(*) FROM sqlite_master WHERE name = '{_LAST_TABLE}'"):
            connection.execute(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


def _note_values(note: TerminalNote) -> tuple[object, ...]:
    key = note.key
    modulus = None if key is None else key.n.to_bytes(BLOCK_BYTES)
    return note.terminal, note.manufacturer, note.model, None if key is None else key.e, modulus


def _count(connection: apsw.Connection, sql: str) -> int:
    return int(next(connection.execute(sql))[0])
