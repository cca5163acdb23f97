"""How a batch becomes rows: every statement is safe to repeat (design D6).

Positions are copied in binary form, straight to where they belong. When one of them is there already the same
batch is copied into a temporary table of the connection instead, and inserted from there where its keys are new
(design D7): that costs about twice as much, and repetitions are rare. The rest is small: prepared statements, sent
without waiting.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from psycopg.errors import UniqueViolation

from jtgate.storage.model import (
    POSITION_COLUMNS,
    RESEND_WINDOW_MS,
    MessageRow,
    PartRow,
    SessionClosed,
    SessionOpened,
    StoreBatch,
    TerminalUpdate,
    Written,
)
from jtgate.storage.postgres.connection import Cursor
from jtgate.storage.postgres.times import column, columns, moment, values
from jtgate.storage.tables import FACTS, Table

REASON_GATEWAY_LOST: Final = "gateway_lost"
#: Tables whose rows `row_counts` counts.
COUNTED_TABLES: Final = ("positions", "alarm_events", "card_events", "messages")

#: What every connection that writes positions makes for itself.
STAGE: Final = """
SET temp_buffers = '32MB';
CREATE TEMPORARY TABLE IF NOT EXISTS positions_stage (LIKE positions_misdated) ON COMMIT DELETE ROWS
"""
_POSITION_FIELDS: Final = columns(POSITION_COLUMNS)
_COPY: Final = f"COPY positions ({_POSITION_FIELDS}) FROM STDIN (FORMAT BINARY)".encode()
_COPY_TO_STAGE: Final = f"COPY positions_stage ({_POSITION_FIELDS}) FROM STDIN (FORMAT BINARY)".encode()
_COPY_HEAD: Final = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_COPY_END: Final = b"\xff\xff"
_IS_DATED: Final = "s.time_state = 0 AND s.device_time >= %(from)s AND s.device_time < %(to)s"


def _insert_positions(table: str, condition: str, other: str = "") -> bytes:
    elsewhere = (
        f"AND NOT EXISTS (SELECT FROM {other} AS o WHERE o.terminal_id = s.terminal_id "
        "AND o.device_time = s.device_time AND o.fingerprint = s.fingerprint)"
        if other
        else ""
    )
    return (
        f"INSERT INTO {table} ({_POSITION_FIELDS}) SELECT {_POSITION_FIELDS} FROM positions_stage AS s "
        f"WHERE {condition} {elsewhere} ON CONFLICT DO NOTHING"
    ).encode()


_DATED: Final = _insert_positions("positions", _IS_DATED)
_DATED_CAREFULLY: Final = _insert_positions("positions", _IS_DATED, "positions_misdated")
_MISDATED: Final = _insert_positions("positions_misdated", f"NOT ({_IS_DATED})", "positions")
_SOME_MISDATED: Final = b"SELECT EXISTS (SELECT FROM positions_misdated WHERE device_time >= %s AND device_time < %s)"


class Window(NamedTuple):
    """Device times that go into `positions`, milliseconds, [from_ms, to_ms)."""

    from_ms: int
    to_ms: int

    def holds(self, time_ms: int) -> bool:
        """Whether a device time lies in it."""
        return self.from_ms <= time_ms < self.to_ms


class PositionRepeated(Exception):
    """A position is there already, and its transaction is lost: it has to go by the temporary table."""


class Packed(NamedTuple):
    """Positions ready to be copied."""

    data: Sequence[bytes]
    misdated: int  # rows that are not for `positions`
    has_dated: bool  # some are


def write_positions(cursor: Cursor, packed: Packed, window: Window, *, straight: bool) -> int:
    """Write positions inside a transaction of the caller; how many were new.

    Args:
        cursor: of the transaction.
        packed: the positions.
        window: what goes into `positions`.
        straight: try without the temporary table, if all of them belong into `positions`.

    Raises:
        PositionRepeated: that did not work; the transaction is lost, nothing was written.
    """
    params = {"from": moment(window.from_ms), "to": moment(window.to_ms)}
    # A report that came from the future once may come again when its time is good.
    cursor.execute(_SOME_MISDATED, (params["from"], params["to"]))
    found = cursor.fetchone()
    look_elsewhere = bool(found and found[0])
    if straight and not packed.misdated and not look_elsewhere:
        try:
            _copy(cursor, _COPY, packed)
        except UniqueViolation as error:
            raise PositionRepeated from error
        return cursor.rowcount
    _copy(cursor, _COPY_TO_STAGE, packed)
    new = 0
    if packed.has_dated:
        cursor.execute(_DATED_CAREFULLY if look_elsewhere else _DATED, params)
        new += cursor.rowcount
    if packed.misdated:
        cursor.execute(_MISDATED, params)
        new += cursor.rowcount
    return new


def _copy(cursor: Cursor, statement: bytes, packed: Packed) -> None:
    with cursor.copy(statement) as copy:
        copy.write(_COPY_HEAD)
        for part in packed.data:
            copy.write(part)
        copy.write(_COPY_END)


# -------------------------------------------------------------------------------------------- everything else


def _insert(table: str, fields: Sequence[str]) -> str:
    return f"INSERT INTO {table} ({columns(fields)}) VALUES ({', '.join(['%s'] * len(fields))})"


def _insert_fact(table: Table) -> bytes:
    if table.repeats == "keep":
        return f"{_insert(table.name, table.columns)} ON CONFLICT DO NOTHING".encode()
    settings = ", ".join(f"{column(name)} = excluded.{column(name)}" for name in table.columns if name not in table.key)
    return (
        f"{_insert(table.name, table.columns)} ON CONFLICT ({columns(table.key)}) DO UPDATE SET {settings} "
        f"WHERE {table.name}.updated <= excluded.updated"
    ).encode()


_INSERT_FACT: Final = {table.name: _insert_fact(table) for table in FACTS}
_MESSAGE_VALUES: Final = ", ".join(f"%({name})s" for name in MessageRow._fields)
_INSERT_MESSAGE: Final = f"""
INSERT INTO messages ({columns(MessageRow._fields)}) SELECT {_MESSAGE_VALUES}
WHERE NOT EXISTS (
    SELECT FROM messages AS m
    WHERE m.terminal_id = %(terminal_id)s AND m.msg_id = %(msg_id)s AND m.serial = %(serial)s
    AND m.fingerprint = %(fingerprint)s
    AND m.received BETWEEN %(received_ms)s - interval '{RESEND_WINDOW_MS} milliseconds' AND %(received_ms)s
)
ON CONFLICT DO NOTHING
""".encode()
_INSERT_PART: Final = f"{_insert('parts', PartRow._fields)} ON CONFLICT DO NOTHING".encode()
_DELETE_PART: Final = b"DELETE FROM parts WHERE terminal_id = %s AND msg_id = %s AND serial = %s AND received_us = %s"
_INSERT_ZONE: Final = b"INSERT INTO terminal_zones VALUES (%s, %s) ON CONFLICT DO NOTHING"


def _upsert_session(fields: Sequence[str]) -> bytes:
    settings = ", ".join(f"{column(name)} = excluded.{column(name)}" for name in fields[1:])
    return f"{_insert('sessions', fields)} ON CONFLICT (session_id) DO UPDATE SET {settings}".encode()


_UPSERT_OPENED: Final = _upsert_session(SessionOpened._fields)
_UPSERT_CLOSED: Final = _upsert_session(SessionClosed._fields)
_CLOSE_BEFORE: Final = (
    f"UPDATE sessions SET closed = %(at)s, reason = '{REASON_GATEWAY_LOST}' "
    "WHERE closed IS NULL AND session_id < %(id)s"
).encode()


def _update_terminal() -> bytes:
    """An update fills what it knows; one that is older than what is stored only fills what is empty."""
    settings = []
    for name in TerminalUpdate._fields:
        if name not in {"terminal_id", "at_ms", "last_seen_ms"}:
            own, new = column(name), f"%({name})s"
            settings.append(
                f"{own} = CASE WHEN %(at_ms)s >= updated THEN coalesce({new}, {own}) ELSE coalesce({own}, {new}) END"
            )
    settings.append("last_seen = greatest(last_seen, %(last_seen_ms)s)")
    settings.append("updated = greatest(updated, %(at_ms)s)")
    return f"UPDATE terminals SET {', '.join(settings)} WHERE id = %(terminal_id)s".encode()


_UPDATE_TERMINAL: Final = _update_terminal()
_ADD_COUNT: Final = b"""
INSERT INTO row_counts (name, writer, rows) VALUES (%s, %s, %s)
ON CONFLICT (name, writer) DO UPDATE SET rows = row_counts.rows + excluded.rows
"""
_SET_CURSOR: Final = (
    b"INSERT INTO cursors (consumer, seq) VALUES (%s, %s) ON CONFLICT (consumer) DO UPDATE SET seq = excluded.seq"
)
#: Until the end of the transaction nobody else gives out ids of alarm events (a replay may write beside the pipeline),
#: so whoever has seen one has seen all before it.
_ONE_AT_A_TIME: Final = b"SELECT pg_advisory_xact_lock('alarm_events'::regclass::oid::bigint)"
_HOURS_DUE: Final = b"""
INSERT INTO hours_due (hour, terminal_id)
SELECT * FROM unnest(%s::timestamptz[], %s::integer[])
ON CONFLICT (hour, terminal_id) DO UPDATE SET due_since = clock_timestamp()
"""


def write_facts(cursor: Cursor, batch: StoreBatch) -> Written:
    """Write all of a batch but its positions, inside a transaction of the caller; counted are rows that can repeat."""
    if batch.alarm_events:
        cursor.execute(_ONE_AT_A_TIME)
    new = total = 0
    for table in FACTS:
        rows: Sequence[Sequence[object]] = getattr(batch, table.name)
        if rows:
            inserted = _run(cursor, _INSERT_FACT[table.name], (values(table.columns, row) for row in rows))
            add_count(cursor, table.name, inserted)
            if table.repeats == "keep":  # what grows is replaced: neither new nor there already
                new += inserted
                total += len(rows)
    if batch.messages:
        inserted = _run(cursor, _INSERT_MESSAGE, (_named(row) for row in batch.messages))
        add_count(cursor, "messages", inserted)
        new += inserted
        total += len(batch.messages)
    _write_sessions(cursor, batch)
    # Always in the same order: two transactions that lock the same terminals must not wait for each other.
    _run(cursor, _UPDATE_TERMINAL, (_named(update) for update in sorted(batch.terminals, key=_terminal_of)))
    _run(cursor, _INSERT_ZONE, batch.zones)
    _run(cursor, _INSERT_PART, batch.parts)
    _run(cursor, _DELETE_PART, batch.parts_done)
    return Written(new, total - new)


def set_cursor(cursor: Cursor, consumer: str, seq: int) -> None:
    """Move a cursor inside a transaction of the caller."""
    cursor.execute(_SET_CURSOR, (consumer, seq))


def add_count(cursor: Cursor, table: str, rows: int, writer: int = 0) -> None:
    """Keep the number of rows of the big tables, inside a transaction of the caller."""
    if rows and table in COUNTED_TABLES:
        cursor.execute(_ADD_COUNT, (table, writer, rows))


def note_hours(cursor: Cursor, hours: Iterable[tuple[int, int]]) -> None:
    """Say which hours have to be rolled up again, inside a transaction of the caller."""
    due = sorted(set(hours))
    if due:
        cursor.execute(_HOURS_DUE, ([moment(hour_ms) for hour_ms, _ in due], [terminal_id for _, terminal_id in due]))


def _write_sessions(cursor: Cursor, batch: StoreBatch) -> None:
    """Beginnings and ends may come in any order; a real end overrides one that was inferred."""
    _run(cursor, _UPSERT_OPENED, (values(SessionOpened._fields, row) for row in batch.opened))
    _run(cursor, _UPSERT_CLOSED, (values(SessionClosed._fields, row) for row in batch.closed))
    _run(cursor, _CLOSE_BEFORE, ({"id": before, "at": moment(at_ms)} for before, at_ms in batch.close_sessions_before))


def _run(cursor: Cursor, statement: bytes, rows: Iterable[Any]) -> int:
    """Run a statement for every row, without waiting for each; rows it has changed."""
    known = list(rows)
    if not known:
        return 0
    cursor.executemany(statement, known)
    return cursor.rowcount


def _named(row: MessageRow | TerminalUpdate) -> dict[str, object]:
    return dict(zip(row._fields, values(row._fields, row), strict=True))


def _terminal_of(update: TerminalUpdate) -> tuple[int, int]:
    return update.terminal_id, update.at_ms
