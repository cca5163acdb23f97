"""The embedded command bus: one SQLite file that everybody who wants something shares with the gateway.

Every call that changes something is one synced transaction, and then rings the doorbells of whoever watches.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import apsw
import msgpack

from jtgate.storage.commands import (
    ANSWER_BYTES_MAX,
    FIELDS_BYTES_MAX,
    HISTORY_MAX,
    KEY_LENGTH_MAX,
    OPEN_MAX,
    OPEN_PER_TERMINAL_MAX,
    Command,
    CommandChange,
    CommandConflict,
    CommandError,
    CommandsFull,
    CommandState,
    CommandsUnavailable,
    CommandTooLong,
    NewCommand,
    UnknownCommand,
    Watch,
)
from jtgate.storage.doorbell import Doorbells
from jtgate.storage.sqlite.connection import Database, open_connection

#: Version of the tables below, kept in the file.
_VERSION: Final = 1

_SCHEMA: Final = """
CREATE TABLE commands (
    command_id INTEGER PRIMARY KEY AUTOINCREMENT,
    terminal TEXT NOT NULL, -- 终端手机号, digits without leading zeros
    msg_id INTEGER NOT NULL, -- 消息ID
    fields TEXT NOT NULL, -- JSON
    asked_by TEXT NOT NULL,
    expires_ms INTEGER NOT NULL,
    is_queued INTEGER NOT NULL,
    is_encrypted INTEGER NOT NULL,
    idempotency_key TEXT, -- NULL: none was given
    created_ms INTEGER NOT NULL,
    state TEXT NOT NULL,
    sent_ms INTEGER,
    finished_ms INTEGER, -- NULL: something may still happen to it
    result INTEGER, -- 结果
    answer_id INTEGER,
    answer TEXT, -- JSON
    error TEXT NOT NULL DEFAULT '',
    edition TEXT NOT NULL DEFAULT '',
    attempts INTEGER NOT NULL DEFAULT 0,
    serial INTEGER, -- 流水号 of the first frame
    frames BLOB, -- msgpack; NULL before it is sent and after it has ended
    news INTEGER NOT NULL -- rises with submission and cancelling
) STRICT;
CREATE UNIQUE INDEX commands_key ON commands (asked_by, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX commands_terminal ON commands (terminal, command_id);
CREATE INDEX commands_open ON commands (terminal, command_id) WHERE finished_ms IS NULL;
CREATE INDEX commands_expiry ON commands (expires_ms) WHERE finished_ms IS NULL;
CREATE INDEX commands_finished ON commands (finished_ms) WHERE finished_ms IS NOT NULL;
CREATE INDEX commands_news ON commands (news);
CREATE TABLE numbers (open_count INTEGER NOT NULL, news INTEGER NOT NULL) STRICT;
INSERT INTO numbers VALUES (0, 0);
CREATE TRIGGER commands_opened AFTER INSERT ON commands BEGIN
    UPDATE numbers SET open_count = open_count + 1;
END;
CREATE TRIGGER commands_ended AFTER UPDATE OF finished_ms ON commands
WHEN old.finished_ms IS NULL AND new.finished_ms IS NOT NULL BEGIN
    UPDATE numbers SET open_count = open_count - 1;
END;
"""

_COLUMNS: Final = (
    "command_id, terminal, msg_id, fields, asked_by, expires_ms, is_queued, is_encrypted, idempotency_key, created_ms, "
    "state, sent_ms, finished_ms, result, answer_id, answer, error, edition, attempts, serial, frames"
)
_SELECT: Final = f"SELECT {_COLUMNS} FROM commands"
_INSERT: Final = """
INSERT INTO commands (terminal, msg_id, fields, asked_by, expires_ms, is_queued, is_encrypted, idempotency_key,
    created_ms, state, news)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_CHANGE: Final = """
UPDATE commands SET state = :state, result = coalesce(:result, result), answer_id = coalesce(:answer_id, answer_id),
    answer = coalesce(:answer, answer), error = coalesce(:error, error), edition = coalesce(:edition, edition),
    attempts = coalesce(:attempts, attempts), serial = coalesce(:serial, serial),
    frames = iif(:finished_ms IS NULL, coalesce(:frames, frames), NULL), sent_ms = coalesce(sent_ms, :sent_ms),
    finished_ms = :finished_ms
WHERE command_id = :command_id AND finished_ms IS NULL
"""
_ADD_ANSWER: Final = """
UPDATE commands SET answer_id = :answer_id, answer = :answer
WHERE command_id = :command_id AND finished_ms IS NOT NULL AND answer IS NULL AND :answer IS NOT NULL
"""
_END: Final = """
UPDATE commands SET state = ?, finished_ms = ?, frames = NULL WHERE command_id IN (
    SELECT command_id FROM commands WHERE finished_ms IS NULL AND expires_ms <= ? ORDER BY expires_ms LIMIT ?
)
"""
_TRIM_OLD: Final = """
DELETE FROM commands WHERE command_id IN (
    SELECT command_id FROM commands WHERE finished_ms < ? ORDER BY finished_ms LIMIT ?
)
"""
_TRIM_MANY: Final = f"""
DELETE FROM commands WHERE command_id IN (
    SELECT command_id FROM commands WHERE finished_ms IS NOT NULL
        AND command_id <= (SELECT max(command_id) FROM commands) - {HISTORY_MAX} ORDER BY command_id LIMIT ?
)
"""

#: An answer that is too long is kept with lists, and texts, of so many elements and characters at most.
_SHORTER: Final = (1000, 100, 10, 1)
_SHORTENED: Final = "the answer was too long to be kept whole"


class SqliteCommandBus:
    """`CommandBus` in one SQLite file.

    Args:
        path: the file; made when missing, with its folder.
        bells: folder of the doorbells.

    Raises:
        CommandsUnavailable: it cannot be opened now.
        CommandError: a later release wrote it.
    """

    def __init__(self, path: Path, bells: Path) -> None:
        self._db = Database(path, unavailable=CommandsUnavailable, failed=CommandError, connect=_connect)
        self._bells = Doorbells(bells)
        self._changes = 0  # made here; others' are seen by the version of the file
        self._news = self._db.number("SELECT news FROM numbers")

    # For whoever wants something.

    def submit(self, new: NewCommand, now_ms: int) -> Command:
        """See CommandBus."""
        fields = json.dumps(new.fields, ensure_ascii=False, sort_keys=True)
        if len(fields.encode()) > FIELDS_BYTES_MAX:
            raise CommandTooLong(f"the fields take more than {FIELDS_BYTES_MAX} bytes")
        if len(new.idempotency_key) > KEY_LENGTH_MAX:
            raise CommandTooLong(f"the idempotency key is longer than {KEY_LENGTH_MAX} characters")
        with self._db.transaction() as connection:
            if new.idempotency_key:
                known = _by_key(connection, new)
                if known is not None:
                    return _same(known, new, fields)
            _check_room(connection, new.terminal)
            connection.execute(
                _INSERT,
                (
                    *(new.terminal, new.msg_id, fields, new.asked_by, new.expires_ms, new.is_queued),
                    *(new.is_encrypted, new.idempotency_key or None, now_ms, CommandState.WAITING.value),
                    _next_news(connection),
                ),
            )
            command_id = connection.last_insert_rowid()
        self._changed()
        return Command(command_id, new, now_ms)

    def get(self, command_id: int) -> Command:
        """See CommandBus."""
        found = self._db.query(f"{_SELECT} WHERE command_id = ?", (command_id,))
        if not found:
            raise UnknownCommand(f"there is no command {command_id}")
        return _command(found[0])

    def find(
        self,
        *,
        terminals: Collection[str] | None = None,
        states: Collection[CommandState] = (),
        from_ms: int = 0,
        to_ms: int | None = None,
        before_id: int | None = None,
        limit: int = 100,
    ) -> list[Command]:
        """See CommandBus."""
        conditions: dict[str, object] = {"created_ms >= ?": from_ms}
        if to_ms is not None:
            conditions["created_ms < ?"] = to_ms
        if before_id is not None:
            conditions["command_id < ?"] = before_id
        if terminals is not None:
            conditions["terminal IN (SELECT value FROM json_each(?))"] = json.dumps(list(terminals))
        if states:
            conditions["state IN (SELECT value FROM json_each(?))"] = json.dumps([state.value for state in states])
        found = self._db.query(
            f"{_SELECT} WHERE {' AND '.join(conditions)} ORDER BY command_id DESC LIMIT ?",
            (*conditions.values(), limit),
        )
        return [_command(row) for row in found]

    def cancel(self, command_id: int, now_ms: int) -> Command:
        """See CommandBus."""
        with self._db.transaction() as connection:
            connection.execute(
                "UPDATE commands SET state = ?, finished_ms = ?, frames = NULL, news = ? "
                "WHERE command_id = ? AND finished_ms IS NULL",
                (CommandState.CANCELLED.value, now_ms, _next_news(connection), command_id),
            )
            was_open = connection.changes() > 0
        if was_open:
            self._changed()
        return self.get(command_id)

    # For a gateway.

    def arrivals(self, limit: int = 1000) -> list[Command]:
        """See CommandBus."""
        found = self._db.query(
            f"SELECT news, {_COLUMNS} FROM commands WHERE news > ? AND (finished_ms IS NULL OR state = ?) "
            "ORDER BY news LIMIT ?",
            (self._news, CommandState.CANCELLED.value, limit),
        )
        if found:
            self._news = found[-1][0]
        return [_command(row[1:]) for row in found]

    def open_of(self, terminals: Collection[str], limit: int = OPEN_PER_TERMINAL_MAX) -> list[Command]:
        """See CommandBus."""
        found = self._db.query(
            f"{_SELECT} WHERE finished_ms IS NULL AND terminal IN (SELECT value FROM json_each(?)) "
            "ORDER BY command_id LIMIT ?",
            (json.dumps(list(terminals)), limit),
        )
        return [_command(row) for row in found]

    def change(self, changes: Sequence[CommandChange]) -> set[int]:
        """See CommandBus."""
        if not changes:
            return set()
        ended = set()
        with self._db.transaction() as connection:
            for change in changes:
                values = _values(change)
                connection.execute(_CHANGE, values)
                if not connection.changes():
                    connection.execute(_ADD_ANSWER, values)
                    if not connection.changes():
                        ended.add(change.command_id)
        self._changed()
        return ended

    def expire(self, now_ms: int, limit: int = 1000) -> int:
        """See CommandBus."""
        if not self._db.number(
            "SELECT count(*) FROM commands WHERE finished_ms IS NULL AND expires_ms <= ?", (now_ms,)
        ):
            return 0
        with self._db.transaction() as connection:
            connection.execute(_END, (CommandState.EXPIRED.value, now_ms, now_ms, limit))
            count = int(connection.changes())
        self._changed()
        return count

    def trim(self, before_ms: int, limit: int = 1000) -> int:
        """See CommandBus."""
        with self._db.transaction() as connection:
            connection.execute(_TRIM_OLD, (before_ms, limit))
            count = int(connection.changes())
            connection.execute(_TRIM_MANY, (limit - count,))
            return count + int(connection.changes())

    # For both.

    def watch(self, callback: Callable[[], None]) -> Watch:
        """See CommandBus."""
        seen = self._version()

        def looks() -> bool:
            nonlocal seen
            try:
                now = self._version()
            except CommandError:
                return False  # closed, or away: whoever asks for commands hears of it
            before, seen = seen, now
            return now != before

        return self._bells.answer(callback, looks=looks)

    def counts(self) -> dict[CommandState, int]:
        """See CommandBus."""
        found = self._db.query("SELECT state, count(*) FROM commands GROUP BY state")
        return {CommandState(state): count for state, count in found}

    def close(self) -> None:
        """See CommandBus."""
        self._db.close()

    def _changed(self) -> None:
        self._changes += 1
        self._bells.ring()

    def _version(self) -> tuple[int, int]:
        return self._db.number("PRAGMA data_version"), self._changes


def _connect(path: Path) -> apsw.Connection:
    connection = open_connection(path)
    try:
        connection.execute("BEGIN IMMEDIATE")
        version = _number(connection, "PRAGMA user_version")
        if version == 0:
            connection.execute(f"{_SCHEMA} PRAGMA user_version = {_VERSION};")
        connection.execute("COMMIT")
        if version > _VERSION:
            raise CommandError(f"{path.name} has schema version {version}; this release knows {_VERSION}")
    except BaseException:
        connection.close()
        raise
    return connection


def _number(connection: apsw.Connection, sql: str, params: tuple[object, ...] = ()) -> int:
    return int(next(connection.execute(sql, params))[0])


def _next_news(connection: apsw.Connection) -> int:
    return _number(connection, "UPDATE numbers SET news = news + 1 RETURNING news")


def _by_key(connection: apsw.Connection, new: NewCommand) -> Command | None:
    found = list(
        connection.execute(f"{_SELECT} WHERE asked_by = ? AND idempotency_key = ?", (new.asked_by, new.idempotency_key))
    )
    return _command(found[0]) if found else None


def _same(known: Command, new: NewCommand, fields: str) -> Command:
    """The command of a key that was used before.

    Raises:
        CommandConflict: it was another one.
    """
    before = json.dumps(known.new.fields, ensure_ascii=False, sort_keys=True)
    what = (known.new.terminal, known.new.msg_id, before, known.new.is_encrypted)
    if what != (new.terminal, new.msg_id, fields, new.is_encrypted):
        raise CommandConflict(f"the idempotency key belongs to command {known.command_id}, which is another one")
    return known


def _check_room(connection: apsw.Connection, terminal: str) -> None:
    """Refuse what goes beyond the limits.

    Raises:
        CommandsFull: a limit is reached.
    """
    if _number(connection, "SELECT open_count FROM numbers") >= OPEN_MAX:
        raise CommandsFull(f"{OPEN_MAX} commands are open already: is a gateway running?")
    count = "SELECT count(*) FROM commands WHERE finished_ms IS NULL AND terminal = ?"
    if _number(connection, count, (terminal,)) >= OPEN_PER_TERMINAL_MAX:
        raise CommandsFull(f"{OPEN_PER_TERMINAL_MAX} commands to this terminal are open already")


def _values(change: CommandChange) -> dict[str, object]:
    answer, note = _written(change.answer)
    error = change.error
    if note:
        error = f"{error}; {note}" if error else note
    return {
        **change._asdict(),
        "state": change.state.value,
        "answer": answer,
        "error": error,
        "frames": None if change.frames is None else msgpack.packb(change.frames),
        "sent_ms": change.at_ms if change.state is CommandState.SENT else None,
        "finished_ms": None if change.state.is_open else change.at_ms,
    }


def _written(answer: Mapping[str, object] | None) -> tuple[str | None, str]:
    """An answer as JSON, and what is to be noted about it."""
    if answer is None:
        return None, ""
    text = json.dumps(answer, ensure_ascii=False)
    for most in _SHORTER:
        if len(text.encode()) <= ANSWER_BYTES_MAX:
            return text, "" if most == _SHORTER[0] else _SHORTENED
        text = json.dumps(_shortened(answer, most), ensure_ascii=False)
    return (text if len(text.encode()) <= ANSWER_BYTES_MAX else "{}"), _SHORTENED


def _shortened(value: Any, most: int) -> Any:
    if isinstance(value, Mapping):
        return {name: _shortened(inner, most) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_shortened(inner, most) for inner in value[:most]]
    return value[:most] if isinstance(value, str) else value


def _command(row: tuple[Any, ...]) -> Command:
    (command_id, terminal, msg_id, fields, asked_by, expires_ms, is_queued, is_encrypted, key, *rest) = row
    (created_ms, state, sent_ms, finished_ms, result, answer_id, answer, error, edition, attempts, serial, frames) = (
        rest
    )
    return Command(
        command_id=command_id,
        new=NewCommand(
            terminal, msg_id, json.loads(fields), asked_by, expires_ms, bool(is_queued), bool(is_encrypted), key or ""
        ),
        created_ms=created_ms,
        state=CommandState(state),
        sent_ms=sent_ms,
        finished_ms=finished_ms,
        result=result,
        answer_id=answer_id,
        answer=None if answer is None else json.loads(answer),
        error=error,
        edition=edition,
        attempts=attempts,
        serial=serial,
        frames=() if frames is None else tuple(msgpack.unpackb(frames)),
    )
