"""The embedded desk of evidence: one SQLite file that asks, receives and mirrors from several processes.

Every call that changes something is one synced transaction. The attachment server notes the progress of a file now
and then only, and always after its bytes are on disk, so that what stands here is never more than what there is.
"""

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import apsw
import msgpack

from jtgate.storage.evidence import (
    Ask,
    AskState,
    EvidenceError,
    EvidenceFile,
    EvidenceUnavailable,
    FileFacts,
    FileState,
    NewAsk,
    TooManyAsks,
)
from jtgate.storage.sqlite.connection import Database, open_connection

#: Open asks of one terminal, unless the setting evidence_asks_max says otherwise.
ASKS_MAX: Final = 20
#: Files of one ask: what one 0x1210 can list.
FILES_MAX: Final = 255
#: An ask whose files stopped arriving falls due again after so long.
QUIET_MS: Final = 30 * 60 * 1000

#: Version of the tables below, kept in the file.
_VERSION: Final = 1

_SCHEMA: Final = """
CREATE TABLE asks (
    ask_id INTEGER PRIMARY KEY AUTOINCREMENT,
    terminal TEXT NOT NULL, -- 终端手机号, digits without leading zeros
    source TEXT NOT NULL,
    identification BLOB NOT NULL, -- 报警标识号
    alarm_time_ms INTEGER NOT NULL,
    count INTEGER NOT NULL, -- 附件数量
    alarm_number TEXT NOT NULL UNIQUE, -- 报警编号
    state TEXT NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    due_ms INTEGER NOT NULL, -- 0: never
    command_id INTEGER,
    created_ms INTEGER NOT NULL,
    issued_ms INTEGER NOT NULL DEFAULT 0, -- 0: not yet
    ended_ms INTEGER, -- NULL: something may still come
    reason TEXT,
    change INTEGER NOT NULL,
    UNIQUE (terminal, source, identification)
) STRICT;
CREATE INDEX asks_open ON asks (terminal, ask_id) WHERE ended_ms IS NULL;
CREATE INDEX asks_due ON asks (due_ms) WHERE due_ms > 0;
CREATE INDEX asks_ended ON asks (ended_ms) WHERE ended_ms IS NOT NULL;
CREATE INDEX asks_state ON asks (state);
CREATE INDEX asks_change ON asks (change);
CREATE TABLE files (
    ask_id INTEGER NOT NULL REFERENCES asks ON DELETE CASCADE,
    name TEXT NOT NULL, -- 文件名称
    position INTEGER NOT NULL, -- in the order announced
    size INTEGER NOT NULL, -- bytes; 0: not told
    file_type INTEGER,
    state TEXT NOT NULL,
    received BLOB NOT NULL, -- msgpack: [[offset, end], …]
    sha256 TEXT,
    path TEXT,
    announced_ms INTEGER NOT NULL,
    completed_ms INTEGER,
    change INTEGER NOT NULL,
    PRIMARY KEY (ask_id, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE numbers (change INTEGER NOT NULL) STRICT;
INSERT INTO numbers VALUES (0);
"""

_ASK: Final = (
    "SELECT ask_id, terminal, source, identification, alarm_time_ms, count, alarm_number, state, tries, due_ms, "
    "command_id, created_ms, issued_ms, reason, change FROM asks"
)
_FILE: Final = (
    "SELECT ask_id, name, size, file_type, state, received, sha256, path, announced_ms, completed_ms, change FROM files"
)
_INSERT: Final = """
INSERT INTO asks
    (terminal, source, identification, alarm_time_ms, count, alarm_number, state, due_ms, created_ms, change)
VALUES (?, ?, ?, ?, ?, ?, 'waiting', ?, ?, ?)
"""
_SENT: Final = """
UPDATE asks SET tries = tries + 1, command_id = :command_id, change = :change,
    issued_ms = iif(issued_ms = 0, :now_ms, issued_ms), state = iif(state = 'waiting', 'asked', state),
    due_ms = iif(ended_ms IS NULL, :due_ms, 0)
WHERE ask_id = :ask_id
"""
_END: Final = """
UPDATE asks SET state = ?, reason = ?, ended_ms = ?, due_ms = 0, change = ? WHERE ask_id = ? AND ended_ms IS NULL
"""
_AGAIN: Final = """
UPDATE asks SET state = 'waiting', reason = NULL, ended_ms = NULL, command_id = NULL, created_ms = :now_ms,
    due_ms = :now_ms, change = :change
WHERE ask_id = :ask_id
"""
#: What there is of a file stays until it has come altogether; it comes from its beginning.
_AGAIN_FILES: Final = """
UPDATE files SET state = 'announced', received = :none, completed_ms = NULL, change = :change
WHERE ask_id = :ask_id AND state = 'incomplete'
"""
_ANNOUNCE: Final = """
INSERT INTO files (ask_id, name, position, size, file_type, state, received, announced_ms, change)
VALUES (:ask_id, :name, (SELECT count(*) FROM files WHERE ask_id = :ask_id), :size, :file_type, 'announced', :none,
    :now_ms, :change)
ON CONFLICT DO UPDATE SET size = iif(excluded.size > 0, excluded.size, size),
    file_type = coalesce(excluded.file_type, file_type), change = excluded.change
WHERE state != 'complete' AND ((excluded.size > 0 AND excluded.size != size)
    OR (excluded.file_type IS NOT NULL AND excluded.file_type IS NOT file_type))
"""
_SAVE: Final = """
UPDATE files SET size = ?, file_type = ?, state = ?, received = ?, sha256 = ?, path = ?, completed_ms = ?, change = ?
WHERE ask_id = ? AND name = ?
"""
_FOLLOW: Final = """
UPDATE asks SET state = ?, reason = ?, ended_ms = iif(?, NULL, coalesce(ended_ms, ?)), due_ms = ?, change = ?
WHERE ask_id = ?
"""
_TRIM: Final = """
DELETE FROM asks WHERE ask_id IN (SELECT ask_id FROM asks WHERE ended_ms < ? ORDER BY ended_ms LIMIT ?)
"""

_NOTHING: Final = msgpack.packb([])
NO_FILES: Final = "the terminal lists no files"
PARTS_MISSING: Final = "parts of files never came"


class TooManyFiles(EvidenceError):
    """The terminal announces more files for one alarm than it may."""

    code = "evidence.too_many_files"


class UnknownAsk(EvidenceError):
    """There is no such ask, or no such file of it."""

    code = "evidence.unknown"


class SqliteEvidenceDesk:
    """`EvidenceDesk` in one SQLite file.

    Args:
        path: the file; made when missing, with its folder.
        asks_max: open asks of one terminal, 1 and more.

    Raises:
        EvidenceUnavailable: it cannot be opened now.
        EvidenceError: a later release wrote it.
    """

    def __init__(self, path: Path, *, asks_max: int = ASKS_MAX) -> None:
        self._db = Database(path, unavailable=EvidenceUnavailable, failed=EvidenceError, connect=_connect)
        self._asks_max = asks_max

    # For whoever asks.

    def ask(self, new: NewAsk, now_ms: int) -> Ask:
        """See EvidenceDesk."""
        key = (new.terminal, new.source, new.identification)
        with self._db.transaction() as connection:
            known = _ask(connection, "terminal = ? AND source = ? AND identification = ?", key)
            if known is not None:
                return known
            self._need_room(connection, new.terminal)
            number = secrets.token_hex(16).upper()
            connection.execute(
                _INSERT, (*key, new.alarm_time_ms, new.count, number, now_ms, now_ms, _next_change(connection))
            )
            return _known(connection, connection.last_insert_rowid())

    def again(self, ask_id: int, now_ms: int) -> Ask:
        """See EvidenceDesk.

        Raises:
            UnknownAsk: there is no such ask.
        """
        with self._db.transaction() as connection:
            known = _known(connection, ask_id)
            if known.state not in (AskState.INCOMPLETE, AskState.REFUSED):
                return known
            self._need_room(connection, known.new.terminal)
            values = {"ask_id": ask_id, "now_ms": now_ms, "change": _next_change(connection)}
            connection.execute(_AGAIN, values)
            connection.execute(_AGAIN_FILES, {**values, "none": _NOTHING})
            return _known(connection, ask_id)

    def of_alarm(self, terminal: str, identification: bytes) -> list[Ask]:
        """See EvidenceDesk."""
        return self._asks("terminal = ? AND identification = ? ORDER BY ask_id", (terminal, identification))

    def due(self, now_ms: int, limit: int = 100) -> list[Ask]:
        """See EvidenceDesk."""
        return self._asks("due_ms > 0 AND due_ms <= ? ORDER BY due_ms LIMIT ?", (now_ms, limit))

    def open_of(self, terminal: str) -> list[Ask]:
        """See EvidenceDesk."""
        return self._asks("terminal = ? AND ended_ms IS NULL ORDER BY ask_id", (terminal,))

    def sent(self, ask_id: int, command_id: int, now_ms: int, next_due_ms: int) -> Ask:
        """See EvidenceDesk."""
        with self._db.transaction() as connection:
            values = {"ask_id": ask_id, "command_id": command_id, "now_ms": now_ms, "due_ms": next_due_ms}
            connection.execute(_SENT, {**values, "change": _next_change(connection)})
            return _known(connection, ask_id)

    def postpone(self, ask_id: int, due_ms: int) -> None:
        """See EvidenceDesk."""
        with self._db.transaction() as connection:
            connection.execute("UPDATE asks SET due_ms = ? WHERE ask_id = ? AND ended_ms IS NULL", (due_ms, ask_id))

    def end(self, ask_id: int, state: AskState, reason: str, now_ms: int) -> Ask:
        """See EvidenceDesk; one that has ended stays as it is."""
        if state not in (AskState.REFUSED, AskState.INCOMPLETE):
            raise EvidenceError(f"an ask is not given up as {state.value}")
        with self._db.transaction() as connection:
            connection.execute(_END, (state.value, reason, now_ms, _next_change(connection), ask_id))
            return _known(connection, ask_id)

    # For whoever receives.

    def issued(self, alarm_number: str) -> Ask | None:
        """See EvidenceDesk."""
        found = self._asks("alarm_number = ? AND issued_ms > 0", (alarm_number,))
        return found[0] if found else None

    def get(self, ask_id: int) -> Ask | None:
        """See EvidenceDesk."""
        found = self._asks("ask_id = ?", (ask_id,))
        return found[0] if found else None

    def announce(self, ask_id: int, files: Sequence[FileFacts], now_ms: int) -> list[EvidenceFile]:
        """See EvidenceDesk; no file at all refuses.

        Raises:
            TooManyFiles: the ask would have more than FILES_MAX.
            UnknownAsk: there is no such ask.
        """
        with self._db.transaction() as connection:
            _known(connection, ask_id)
            change = _next_change(connection)
            for file in files:
                values = {"ask_id": ask_id, "name": file.name, "size": file.size, "file_type": file.file_type}
                connection.execute(_ANNOUNCE, {**values, "none": _NOTHING, "now_ms": now_ms, "change": change})
            found = _files(connection, ask_id)
            if len(found) > FILES_MAX:
                raise TooManyFiles(f"more than {FILES_MAX} files of one alarm")
            _follow(connection, ask_id, found, now_ms, change)
            return found

    def files(self, ask_id: int) -> list[EvidenceFile]:
        """See EvidenceDesk."""
        with self._db.locked() as connection:
            return _files(connection, ask_id)

    def save(self, file: EvidenceFile, now_ms: int) -> EvidenceFile:
        """See EvidenceDesk.

        Raises:
            UnknownAsk: the file was never announced.
        """
        return self.save_all([file], now_ms)[0]

    def save_all(self, files: Sequence[EvidenceFile], now_ms: int) -> list[EvidenceFile]:
        """The same for several files at the cost of one.

        Raises:
            UnknownAsk: one of them was never announced; none is saved.
        """
        with self._db.transaction() as connection:
            change = _next_change(connection)
            for file in files:
                facts = file.facts
                connection.execute(
                    _SAVE,
                    (
                        *(facts.size, facts.file_type, file.state.value, msgpack.packb(file.received), file.sha256),
                        *(file.path, file.completed_ms, change, file.ask_id, facts.name),
                    ),
                )
                if not connection.changes():
                    raise UnknownAsk(f"ask {file.ask_id} has no such file")
            for ask_id in {file.ask_id for file in files}:
                _follow(connection, ask_id, _files(connection, ask_id), now_ms, change)
            return [_file(connection, file.ask_id, file.facts.name) for file in files]

    # For both.

    def changes(self, after_change: int, limit: int = 1000) -> list[tuple[Ask, list[EvidenceFile]]]:
        """See EvidenceDesk."""
        with self._db.locked() as connection:
            connection.execute("BEGIN")  # asks and files of one moment
            try:
                rows = list(
                    connection.execute(f"{_ASK} WHERE change > ? ORDER BY change LIMIT ?", (after_change, limit))
                )
                return [(_as_ask(row), _files(connection, row[0])) for row in rows]
            finally:
                connection.execute("COMMIT")

    def trim(self, before_ms: int, limit: int = 1000) -> int:
        """See EvidenceDesk."""
        with self._db.transaction() as connection:
            connection.execute(_TRIM, (before_ms, limit))
            return int(connection.changes())

    def counts(self) -> dict[AskState, int]:
        """See EvidenceDesk."""
        return {
            AskState(state): count for state, count in self._db.query("SELECT state, count(*) FROM asks GROUP BY 1")
        }

    def close(self) -> None:
        """See EvidenceDesk."""
        self._db.close()

    def _need_room(self, connection: apsw.Connection, terminal: str) -> None:
        count = "SELECT count(*) FROM asks WHERE terminal = ? AND ended_ms IS NULL"
        if _number(connection, count, (terminal,)) >= self._asks_max:
            raise TooManyAsks(f"{self._asks_max} asks of this terminal are open already")

    def _asks(self, condition: str, params: tuple[object, ...]) -> list[Ask]:
        return [_as_ask(row) for row in self._db.query(f"{_ASK} WHERE {condition}", params)]


def _connect(path: Path) -> apsw.Connection:
    connection = open_connection(path)
    try:
        connection.execute("BEGIN IMMEDIATE")
        version = _number(connection, "PRAGMA user_version")
        if version == 0:
            connection.execute(f"{_SCHEMA} PRAGMA user_version = {_VERSION};")
        connection.execute("COMMIT")
        if version > _VERSION:
            raise EvidenceError(f"{path.name} has schema version {version}; this release knows {_VERSION}")
    except BaseException:
        connection.close()
        raise
    return connection


def _number(connection: apsw.Connection, sql: str, params: tuple[object, ...] = ()) -> int:
    return int(next(connection.execute(sql, params))[0])


def _next_change(connection: apsw.Connection) -> int:
    return _number(connection, "UPDATE numbers SET change = change + 1 RETURNING change")


def _ask(connection: apsw.Connection, condition: str, params: tuple[object, ...]) -> Ask | None:
    found = list(connection.execute(f"{_ASK} WHERE {condition}", params))
    return _as_ask(found[0]) if found else None


def _known(connection: apsw.Connection, ask_id: int) -> Ask:
    found = _ask(connection, "ask_id = ?", (ask_id,))
    if found is None:
        raise UnknownAsk(f"there is no ask {ask_id}")
    return found


def _files(connection: apsw.Connection, ask_id: int) -> list[EvidenceFile]:
    return [_as_file(row) for row in connection.execute(f"{_FILE} WHERE ask_id = ? ORDER BY position", (ask_id,))]


def _file(connection: apsw.Connection, ask_id: int, name: str) -> EvidenceFile:
    return _as_file(next(connection.execute(f"{_FILE} WHERE ask_id = ? AND name = ?", (ask_id, name))))


def _follow(connection: apsw.Connection, ask_id: int, files: Sequence[EvidenceFile], now_ms: int, change: int) -> None:
    """Give an ask the state that its files have together."""
    states = {file.state for file in files}
    is_open = bool(states & {FileState.ANNOUNCED, FileState.ARRIVING})
    if is_open:
        state, reason = AskState.ARRIVING, None
    elif not states:
        state, reason = AskState.REFUSED, NO_FILES
    elif FileState.INCOMPLETE in states:
        state, reason = AskState.INCOMPLETE, PARTS_MISSING
    else:
        state, reason = AskState.COMPLETE, None
    due_ms = now_ms + QUIET_MS if is_open else 0
    connection.execute(_FOLLOW, (state.value, reason, is_open, now_ms, due_ms, change, ask_id))


def _as_ask(row: tuple[Any, ...]) -> Ask:
    ask_id, terminal, source, identification, alarm_time_ms, count, alarm_number, state, *rest = row
    new = NewAsk(terminal, source, identification, alarm_time_ms, count)
    tries, due_ms, command_id, created_ms, issued_ms, reason, change = rest
    return Ask(
        *(ask_id, new, alarm_number, AskState(state), tries, due_ms, command_id, created_ms, issued_ms, reason, change)
    )


def _as_file(row: tuple[Any, ...]) -> EvidenceFile:
    ask_id, name, size, file_type, state, received, sha256, path, announced_ms, completed_ms, change = row
    return EvidenceFile(
        ask_id=ask_id,
        facts=FileFacts(name, size, file_type),
        state=FileState(state),
        received=tuple((start, end) for start, end in msgpack.unpackb(received)),
        sha256=sha256,
        path=path,
        announced_ms=announced_ms,
        completed_ms=completed_ms,
        change=change,
    )
