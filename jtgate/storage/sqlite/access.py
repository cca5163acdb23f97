"""The embedded form of tokens and audit log: one SQLite file that the api process writes."""

from pathlib import Path
from typing import Any, Final

import apsw

from jtgate.storage.access import (
    AUDIT_KEEP_MS,
    AUDIT_ROWS_MAX,
    AUDIT_SUBJECT_MAX,
    TOKENS_MAX,
    AccessError,
    AccessFull,
    AccessUnavailable,
    AuditEntry,
    NewToken,
    Token,
    TokenExists,
    UnknownToken,
)
from jtgate.storage.sqlite.connection import Database, open_connection

#: The audit log is cut after so many new rows, by at most so many at once.
TRIM_EVERY: Final = 256
TRIM_ROWS: Final = 4 * TRIM_EVERY

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS tokens (
    token_id INTEGER PRIMARY KEY AUTOINCREMENT,
    digest BLOB NOT NULL UNIQUE, -- SHA-256 of the text
    name TEXT NOT NULL UNIQUE,
    scopes TEXT NOT NULL, -- blanks between
    enterprise TEXT NOT NULL,
    county TEXT NOT NULL,
    expires_ms INTEGER,
    created_ms INTEGER NOT NULL,
    last_used_ms INTEGER
) STRICT;
CREATE TABLE IF NOT EXISTS audit (
    entry_id INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms INTEGER NOT NULL,
    who TEXT NOT NULL,
    what TEXT NOT NULL,
    subject TEXT NOT NULL,
    count INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS audit_at ON audit (at_ms);
CREATE INDEX IF NOT EXISTS audit_who ON audit (who, entry_id);
CREATE INDEX IF NOT EXISTS audit_subject ON audit (subject, entry_id);
"""

_TOKEN: Final = "SELECT token_id, name, scopes, enterprise, county, expires_ms, created_ms, last_used_ms FROM tokens"  # noqa: S105


class SqliteAccess:
    """`Access` in one SQLite file.

    Args:
        path: the file; made when missing, with its folder, for this user alone.

    Raises:
        AccessUnavailable: it cannot be opened now.
    """

    def __init__(self, path: Path) -> None:
        self._db = Database(path, unavailable=AccessUnavailable, failed=AccessError, connect=_connect)

    def add(self, new: NewToken, digest: bytes, now_ms: int) -> Token:
        """See Access."""
        with self._db.transaction() as connection:
            if _count(connection, "SELECT count(*) FROM tokens") >= TOKENS_MAX:
                raise AccessFull(f"there are {TOKENS_MAX} tokens already")
            if _count(connection, "SELECT count(*) FROM tokens WHERE name = ?", new.name):
                raise TokenExists("there is a token of that name")
            connection.execute(
                "INSERT INTO tokens (digest, name, scopes, enterprise, county, expires_ms, created_ms) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (digest, new.name, " ".join(sorted(new.scopes)), new.enterprise, new.county, new.expires_ms, now_ms),
            )
            return Token(connection.last_insert_rowid(), new, now_ms)

    def find(self, digest: bytes) -> Token | None:
        """See Access."""
        found = self._db.query(f"{_TOKEN} WHERE digest = ?", (digest,))
        return _token(found[0]) if found else None

    def tokens(self, *, after_id: int = 0, limit: int = 100) -> list[Token]:
        """See Access."""
        found = self._db.query(f"{_TOKEN} WHERE token_id > ? ORDER BY token_id LIMIT ?", (after_id, limit))
        return [_token(values) for values in found]

    def revoke(self, token_id: int) -> Token:
        """See Access."""
        with self._db.transaction() as connection:
            found = list(connection.execute(f"{_TOKEN} WHERE token_id = ?", (token_id,)))
            if not found:
                raise UnknownToken("there is no token of that id")
            connection.execute("DELETE FROM tokens WHERE token_id = ?", (token_id,))
        return _token(found[0])

    def used(self, token_id: int, now_ms: int) -> None:
        """See Access."""
        with self._db.transaction() as connection:
            connection.execute("UPDATE tokens SET last_used_ms = ? WHERE token_id = ?", (now_ms, token_id))

    def note(self, entry: AuditEntry) -> None:
        """See Access."""
        with self._db.transaction() as connection:
            connection.execute(
                "INSERT INTO audit (at_ms, who, what, subject, count) VALUES (?, ?, ?, ?, ?)",
                (entry.at_ms, entry.who, entry.what, entry.subject[:AUDIT_SUBJECT_MAX], entry.count),
            )
            newest = connection.last_insert_rowid()
            if newest % TRIM_EVERY == 0:
                connection.execute(
                    "DELETE FROM audit WHERE entry_id IN (SELECT entry_id FROM audit "
                    "WHERE entry_id <= ? OR at_ms < ? ORDER BY entry_id LIMIT ?)",
                    (newest - AUDIT_ROWS_MAX, entry.at_ms - AUDIT_KEEP_MS, TRIM_ROWS),
                )

    def audit(
        self,
        *,
        who: str = "",
        subject: str = "",
        from_ms: int = 0,
        to_ms: int | None = None,
        before_id: int | None = None,
        limit: int = 100,
    ) -> list[AuditEntry]:
        """See Access."""
        wanted: list[tuple[str, object]] = [
            ("who = ?", who or None),
            ("subject = ?", subject or None),
            ("at_ms >= ?", from_ms or None),
            ("at_ms <= ?", to_ms),
            ("entry_id < ?", before_id),
        ]
        conditions = [(sql, value) for sql, value in wanted if value is not None]
        found = self._db.query(
            "SELECT at_ms, who, what, subject, count, entry_id FROM audit "
            f"WHERE {' AND '.join(['1', *(sql for sql, _ in conditions)])} ORDER BY entry_id DESC LIMIT ?",
            (*(value for _, value in conditions), limit),
        )
        return [AuditEntry(*values) for values in found]

    def close(self) -> None:
        """See Access."""
        self._db.close()


def _connect(path: Path) -> apsw.Connection:
    if not path.exists():
        path.touch(mode=0o600)  # SQLite gives its other files the same mode
    connection = open_connection(path)
    try:
        if not _count(connection, "SELECT count(*) FROM sqlite_master WHERE name = 'audit_subject'"):
            connection.execute(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


def _token(values: tuple[Any, ...]) -> Token:
    token_id, name, scopes, enterprise, county, expires_ms, created_ms, last_used_ms = values
    new = NewToken(name, frozenset(scopes.split()), enterprise, county, expires_ms)
    return Token(token_id, new, created_ms, last_used_ms)


def _count(connection: apsw.Connection, sql: str, *params: str) -> int:
    return int(next(connection.execute(sql, params))[0])
