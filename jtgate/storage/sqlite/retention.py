"""Deletion of old rows in small batches, each a transaction of its own, so that readers and writers get in between.

Cost: positions are clustered on the device time, so what is old lies together at the low end; the other
tables rise with arrival, so only their low end is looked at. Nothing needs an index on the receive time.
"""

from jtgate.codecs import timebase
from jtgate.storage.sqlite.connection import Database
from jtgate.storage.sqlite.writes import add_count
from jtgate.storage.tables import CHECKPOINT_DAYS, CHECKPOINTS, ENDS, KEPT_LONG, KEPT_LONG_DAYS, PHONE_FIXES, Table

_DAY_MS = 86_400_000

#: A device time can be days earlier than the receive time (盲区补报), so both are asked.
_POSITIONS = """
DELETE FROM positions WHERE (device_time_ms, terminal_id, fingerprint) IN (
    SELECT device_time_ms, terminal_id, fingerprint FROM positions
    WHERE device_time_ms < :before_ms AND received_ms < :before_ms
    ORDER BY device_time_ms LIMIT :rows_max
)
"""
#: Without this, a row dated 2099 would stay until then.
_POSITIONS_BAD_TIME = """
DELETE FROM positions WHERE (device_time_ms, terminal_id, fingerprint) IN (
    SELECT device_time_ms, terminal_id, fingerprint FROM positions
    WHERE time_state <> 0 AND received_ms < :before_ms
    ORDER BY received_ms LIMIT :rows_max
)
"""
_BY_ARRIVAL = """
DELETE FROM {table} WHERE id IN (
    SELECT id FROM (SELECT id, received_ms FROM {table} ORDER BY id LIMIT :rows_max) WHERE received_ms < :before_ms
)
"""
_SESSIONS = """
DELETE FROM sessions WHERE session_id IN (
    SELECT session_id FROM sessions WHERE closed_ms < :before_ms ORDER BY closed_ms LIMIT :rows_max
)
"""
_QUARANTINE = """
DELETE FROM quarantine WHERE id IN (
    SELECT id FROM quarantine WHERE received_us < :before_ms * 1000
    ORDER BY received_us LIMIT :rows_max
)
"""
#: The newest of a terminal stays: with it, it goes on after weeks in which nothing was heard of it.
_CHECKPOINTS = """
DELETE FROM checkpoints WHERE id IN (
    SELECT id FROM checkpoints AS c WHERE at_ms < :checkpoints_before_ms
    AND EXISTS (SELECT 1 FROM checkpoints AS n WHERE n.terminal_id = c.terminal_id AND n.at_ms > c.at_ms)
    ORDER BY at_ms LIMIT :rows_max
)
"""
_HOURS = """
DELETE FROM position_hours WHERE (terminal_id, hour_ms) IN (
    SELECT terminal_id, hour_ms FROM position_hours WHERE hour_ms < :before_ms ORDER BY hour_ms LIMIT :rows_max
)
"""


def _by_time(table: Table, before: str) -> str:
    """Rows whose own time is past; what has not ended stays."""
    ended = "".join(f"AND {name} IS NOT NULL" for name in ENDS if name in table.columns)
    return f"""
        DELETE FROM {table.name} WHERE id IN (
            SELECT id FROM {table.name} WHERE {table.time} < {before} {ended}
            ORDER BY {table.time} LIMIT :rows_max
        )
    """


_DELETIONS = (
    ("positions", _POSITIONS),
    ("positions", _POSITIONS_BAD_TIME),
    ("alarm_events", _BY_ARRIVAL.format(table="alarm_events")),
    ("card_events", _BY_ARRIVAL.format(table="card_events")),
    ("messages", _BY_ARRIVAL.format(table="messages")),
    ("sessions", _SESSIONS),
    ("quarantine", _QUARANTINE),
    ("position_hours", _HOURS),
    *((table.name, _by_time(table, ":long_before_ms")) for table in KEPT_LONG),
    (PHONE_FIXES.name, _by_time(PHONE_FIXES, ":before_ms")),
    (CHECKPOINTS.name, _CHECKPOINTS),
)


def delete_before(database: Database, before_ms: int, rows_max: int) -> int:
    """Delete at most `rows_max` rows per statement that are older than `before_ms`; rows deleted."""
    deleted = 0
    now_ms = timebase.now_ms()
    params: dict[str, object] = {
        "before_ms": before_ms,
        "long_before_ms": min(before_ms, now_ms - KEPT_LONG_DAYS * _DAY_MS),
        "checkpoints_before_ms": now_ms - CHECKPOINT_DAYS * _DAY_MS,
        "rows_max": rows_max,
    }
    for table, sql in _DELETIONS:
        with database.transaction() as connection:
            connection.execute(sql, params)
            rows = connection.changes()
            add_count(connection, table, -rows)
        deleted += rows
    return deleted
