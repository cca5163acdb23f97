"""Deletion of old rows in small batches, each a transaction of its own; positions with a good time go by whole days.

The tables rise with arrival, so only the low end of their `id` is looked at: nothing needs an index on the receive
time.
"""

from typing import Final

from jtgate.codecs import timebase
from jtgate.storage.postgres.connection import Link
from jtgate.storage.postgres.times import column, moment
from jtgate.storage.postgres.writes import add_count
from jtgate.storage.tables import CHECKPOINT_DAYS, CHECKPOINTS, ENDS, KEPT_LONG, KEPT_LONG_DAYS, PHONE_FIXES, Table

_DAY_MS: Final = 86_400_000

_BY_ARRIVAL: Final = """
DELETE FROM {table} WHERE id IN (
    SELECT id FROM (SELECT id, {time} AS at FROM {table} ORDER BY id LIMIT %(rows_max)s) AS oldest
    WHERE at < %(before)s
)
"""
_MISDATED: Final = """
DELETE FROM positions_misdated WHERE (terminal_id, device_time, fingerprint) IN (
    SELECT terminal_id, device_time, fingerprint FROM positions_misdated
    WHERE received < %(before)s ORDER BY received LIMIT %(rows_max)s
)
"""
_SESSIONS: Final = """
DELETE FROM sessions WHERE session_id IN (
    SELECT session_id FROM sessions WHERE closed < %(before)s ORDER BY closed LIMIT %(rows_max)s
)
"""
_QUARANTINE: Final = """
DELETE FROM quarantine WHERE id IN (
    SELECT id FROM quarantine WHERE received_us < %(before_ms)s * 1000 ORDER BY received_us LIMIT %(rows_max)s
)
"""
#: The newest of a terminal stays: with it, it goes on after weeks in which nothing was heard of it.
_CHECKPOINTS: Final = """
DELETE FROM checkpoints WHERE id IN (
    SELECT id FROM checkpoints AS c WHERE at < %(checkpoints_before)s
    AND EXISTS (SELECT 1 FROM checkpoints AS n WHERE n.terminal_id = c.terminal_id AND n.at > c.at)
    ORDER BY at LIMIT %(rows_max)s
)
"""


def _by_time(table: Table, before: str) -> str:
    """Rows whose own time is past; what has not ended stays."""
    ended = "".join(f"AND {column(name)} IS NOT NULL" for name in ENDS if name in table.columns)
    at = column(table.time)
    return f"""
        DELETE FROM {table.name} WHERE id IN (
            SELECT id FROM {table.name} WHERE {at} < %({before})s {ended} ORDER BY {at} LIMIT %(rows_max)s
        )
    """


_DELETIONS: Final = (
    ("positions", _MISDATED),
    ("alarm_events", _BY_ARRIVAL.format(table="alarm_events", time="received")),
    ("card_events", _BY_ARRIVAL.format(table="card_events", time="received")),
    ("messages", _BY_ARRIVAL.format(table="messages", time="received")),
    ("sessions", _SESSIONS),
    ("quarantine", _QUARANTINE),
    *((table.name, _by_time(table, "long_before")) for table in KEPT_LONG),
    (PHONE_FIXES.name, _by_time(PHONE_FIXES, "before")),
    (CHECKPOINTS.name, _CHECKPOINTS),
)


def delete_before(link: Link, before_ms: int, rows_max: int) -> int:
    """Delete at most `rows_max` rows per statement that are older than `before_ms`; rows deleted."""
    deleted = 0
    now_ms = timebase.now_ms()
    params = {
        "before": moment(before_ms),
        "before_ms": before_ms,
        "long_before": moment(min(before_ms, now_ms - KEPT_LONG_DAYS * _DAY_MS)),
        "checkpoints_before": moment(now_ms - CHECKPOINT_DAYS * _DAY_MS),
        "rows_max": rows_max,
    }
    for table, statement in _DELETIONS:
        with link.transaction() as cursor:
            cursor.execute(statement.encode(), params)
            rows = cursor.rowcount
            add_count(cursor, table, -rows)
        deleted += rows
    return deleted
