"""How a batch becomes rows: every statement is safe to repeat (design D6)."""

from collections.abc import Iterable, Sequence

import apsw

from jtgate.storage.model import (
    POSITION_COLUMNS,
    RESEND_WINDOW_MS,
    MessageRow,
    PartRow,
    PositionRow,
    SessionClosed,
    SessionOpened,
    StoreBatch,
    TerminalUpdate,
    Written,
)
from jtgate.storage.sqlite import rollup
from jtgate.storage.tables import FACTS, REPLACED, Table
from jtgate.storage.texts import without_halves

REASON_GATEWAY_LOST = "gateway_lost"

#: Tables whose rows `row_counts` counts.
COUNTED_TABLES = ("positions", "alarm_events", "card_events", "messages")


def _insert(verb: str, table: str, columns: Sequence[str]) -> str:
    names = ", ".join(f'"{name}"' for name in columns)
    return f"{verb} INTO {table} ({names}) VALUES ({', '.join('?' * len(columns))})"


_INSERT_POSITION = _insert("INSERT OR IGNORE", "positions", POSITION_COLUMNS)
_INSERT_PART = _insert("INSERT OR IGNORE", "parts", PartRow._fields)
_INSERT_MESSAGE = f"""
INSERT OR IGNORE INTO messages ({", ".join(MessageRow._fields)})
SELECT {", ".join(f"?{number}" for number in range(1, len(MessageRow._fields) + 1))}
WHERE NOT EXISTS (
    SELECT 1 FROM messages
    WHERE terminal_id = ?1 AND msg_id = ?2 AND serial = ?3 AND fingerprint = ?4
    AND received_ms BETWEEN ?5 - {RESEND_WINDOW_MS} AND ?5
)
"""


def _insert_fact(table: Table) -> str:
    if table.repeats == "keep":
        return _insert("INSERT OR IGNORE", table.name, table.columns)
    settings = ", ".join(f"{name} = excluded.{name}" for name in table.columns if name not in table.key)
    return (
        f"{_insert('INSERT', table.name, table.columns)} ON CONFLICT ({', '.join(table.key)}) DO UPDATE SET {settings} "
        f"WHERE {table.name}.updated_ms <= excluded.updated_ms"
    )


_INSERT_FACT = {table.name: _insert_fact(table) for table in FACTS}

_OPENED = SessionOpened._fields
_CLOSED = SessionClosed._fields


def _upsert_session(columns: Sequence[str]) -> str:
    settings = ", ".join(f"{name} = excluded.{name}" for name in columns[1:])
    return f"{_insert('INSERT', 'sessions', columns)} ON CONFLICT (session_id) DO UPDATE SET {settings}"


_UPSERT_OPENED = _upsert_session(_OPENED)
_UPSERT_CLOSED = _upsert_session(_CLOSED)
_CLOSE_BEFORE = f"""
UPDATE sessions SET closed_ms = ?2, reason = '{REASON_GATEWAY_LOST}' WHERE closed_ms IS NULL AND session_id < ?1
"""

_TERMINAL_FACTS = [name for name in TerminalUpdate._fields if name not in {"terminal_id", "at_ms", "last_seen_ms"}]


def _update_terminal() -> str:
    """An update fills what it knows; one that is older than what is stored only fills what is empty."""
    settings = [
        f"{name} = CASE WHEN :at_ms >= updated_ms THEN coalesce(:{name}, {name}) ELSE coalesce({name}, :{name}) END"
        for name in _TERMINAL_FACTS
    ]
    settings.append("last_seen_ms = max(coalesce(last_seen_ms, 0), coalesce(:last_seen_ms, 0))")
    settings.append("updated_ms = max(updated_ms, :at_ms)")
    return f"UPDATE terminals SET {', '.join(settings)} WHERE id = :terminal_id"


_UPDATE_TERMINAL = _update_terminal()
_DELETE_PART = "DELETE FROM parts WHERE terminal_id = ? AND msg_id = ? AND serial = ? AND received_us = ?"
_ADD_COUNT = """
INSERT INTO row_counts (name, rows) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET rows = rows + excluded.rows
"""
_SET_CURSOR = (
    "INSERT INTO cursors (consumer, seq) VALUES (?, ?) ON CONFLICT (consumer) DO UPDATE SET seq = excluded.seq"
)


def write_batch(connection: apsw.Connection, batch: StoreBatch) -> Written:
    """Write a batch inside a transaction of the caller."""
    new = total = 0
    for table, sql, rows in (
        ("positions", _INSERT_POSITION, _positions(batch)),
        ("messages", _INSERT_MESSAGE, batch.messages),
        *((name, sql, getattr(batch, name)) for name, sql in _INSERT_FACT.items()),
    ):
        if rows:
            inserted = _run(connection, sql, rows if table == "positions" else map(without_halves, rows))
            add_count(connection, table, inserted)
            if table not in REPLACED:
                new += inserted
                total += len(rows)
    rollup.note(connection, batch.hours())
    _write_sessions(connection, batch)
    if batch.terminals:
        connection.executemany(_UPDATE_TERMINAL, (_facts_of(update) for update in batch.terminals))
    if batch.zones:
        connection.executemany("INSERT OR IGNORE INTO terminal_zones VALUES (?, ?)", batch.zones)
    if batch.parts:
        connection.executemany(_INSERT_PART, batch.parts)
    if batch.parts_done:
        connection.executemany(_DELETE_PART, batch.parts_done)
    return Written(new, total - new)


def set_cursor(connection: apsw.Connection, consumer: str, seq: int) -> None:
    """Move a cursor inside a transaction of the caller."""
    connection.execute(_SET_CURSOR, (consumer, seq))


def add_count(connection: apsw.Connection, table: str, rows: int) -> None:
    """Keep the number of rows of the big tables, inside a transaction of the caller."""
    if rows and table in COUNTED_TABLES:
        connection.execute(_ADD_COUNT, (table, rows))


def _write_sessions(connection: apsw.Connection, batch: StoreBatch) -> None:
    """Beginnings and ends may come in any order; a real end overrides one that was inferred."""
    if batch.opened:
        connection.executemany(_UPSERT_OPENED, map(without_halves, batch.opened))
    if batch.closed:
        connection.executemany(_UPSERT_CLOSED, batch.closed)
    if batch.close_sessions_before:
        connection.executemany(_CLOSE_BEFORE, batch.close_sessions_before)


def _positions(batch: StoreBatch) -> list[PositionRow]:
    """Positions of both lanes; the texts of the fast one are ASCII of our own."""
    fast = batch.columns.rows() if batch.columns is not None else []
    return [*fast, *map(without_halves, batch.positions)]


def _facts_of(update: TerminalUpdate) -> dict[str, object]:
    return dict(zip(update._fields, without_halves(update), strict=True))


def _run(connection: apsw.Connection, sql: str, rows: Iterable[Sequence[object]]) -> int:
    """Insert rows; how many were new."""
    before = connection.total_changes()
    connection.executemany(sql, rows)
    return connection.total_changes() - before
