"""Positions in plain PostgreSQL: one partition for each UTC day of device time, positions_YYYYMMDD.

Neither making nor dropping a day may hold up who reads or writes the others, and both get ACCESS EXCLUSIVE locks on
`positions` when they are done the short way (CREATE TABLE … PARTITION OF, DROP TABLE of a partition): a lock that
waits behind one long query, and everybody behind it. So a day is made on its own and attached, which takes a lock
that readers and writers do not feel, and is detached CONCURRENTLY and then dropped. An interrupted detaching leaves
a partition "pending", which the next call finishes.

Retention publishes the first day kept before it touches a table, so a day that another process is dropping is never
made anew: making days asks for it again, under a lock of its own.
"""

from collections.abc import Sequence
from typing import Any, Final

from psycopg import sql

from jtgate.codecs import timebase
from jtgate.storage.postgres.connection import Connection
from jtgate.storage.postgres.days import DAY_MS, DAYS_AHEAD, KeptDays, day_from_iso, day_of, iso_day, remember_layout
from jtgate.storage.postgres.hours import HoursDue, HoursTable
from jtgate.storage.postgres.writes import add_count
from jtgate.storage.store import StoreUnavailable

#: Days told one by one in `facts`, newest first.
DAYS_TOLD: Final = 14
#: Counting the rows of a large day takes longer than any other statement.
_COUNT_TIMEOUT: Final = b"SET LOCAL statement_timeout = '30min'"

#: The key serves the track of one vehicle, the other index whatever asks for a time: the hourly figures, exports.
CREATE_KEYS: Final = b"""
ALTER TABLE positions ADD PRIMARY KEY (terminal_id, device_time, fingerprint);
CREATE INDEX positions_time ON positions (device_time);
"""
CREATE_ALL: Final = b"""
CREATE VIEW positions_all AS SELECT * FROM positions UNION ALL SELECT * FROM positions_misdated;
"""
_CREATE: Final = (
    b"CREATE TABLE positions (LIKE positions_misdated INCLUDING DEFAULTS) PARTITION BY RANGE (device_time);"
)

# Rows are only ever inserted: pages are filled (no room for updates), and vacuum comes for what was inserted. It runs
# at every tenth more, not fifth, so that the map of visible pages is good for the day under way, and freezes at once,
# so that a day is not written once more when its transactions are old.
_CREATE_DAY: Final = """
CREATE TABLE {day} (LIKE positions INCLUDING ALL) WITH (
    autovacuum_vacuum_insert_scale_factor = 0.1, autovacuum_freeze_min_age = 0
)
"""
# The table is empty, so attaching has nothing to scan.
_ATTACH: Final = "ALTER TABLE positions ATTACH PARTITION {day} FOR VALUES FROM ({first}) TO ({end})"
_DETACH: Final = "ALTER TABLE positions DETACH PARTITION {day} CONCURRENTLY"
_FINISH_DETACHING: Final = "ALTER TABLE positions DETACH PARTITION {day} FINALIZE"
_DROP: Final = "DROP TABLE {day}"
_COUNT: Final = "SELECT count(*) FROM {day}"

_MAKING: Final = b"SELECT pg_advisory_xact_lock(hashtextextended('jtgate.days.made.' || current_schema(), 0))"
_TRY_DROPPING: Final = b"SELECT pg_try_advisory_lock(hashtextextended('jtgate.days.dropped.' || current_schema(), 0))"
_DROPPING_ENDS: Final = b"SELECT pg_advisory_unlock(hashtextextended('jtgate.days.dropped.' || current_schema(), 0))"
#: Tables of days, whether they are attached, and whether that is ending.
_DAYS: Final = b"""
SELECT c.relname::text, i.inhrelid IS NOT NULL, coalesce(i.inhdetachpending, false)
FROM pg_class AS c LEFT JOIN pg_inherits AS i ON i.inhrelid = c.oid AND i.inhparent = 'positions'::regclass
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND c.relname ~ '^positions_[0-9]{8}$'
ORDER BY c.relname
"""
_BYTES_OF: Final = b"SELECT name, pg_total_relation_size(to_regclass(name)) FROM unnest(%s::text[]) AS name"
_BYTES: Final = b"""
SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class
WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'm')
"""
_PREFIX: Final = "positions_"


class _Day:
    """The table of one day as it is found."""

    def __init__(self, table: str, is_attached: bool, is_pending: bool) -> None:
        self.table = table
        self.day_ms = day_from_iso(table.removeprefix(_PREFIX))
        self.is_attached = is_attached and not is_pending
        self.is_pending = is_pending


class PlainLayout:
    """`Layout` of daily partitions.

    Args:
        without_timescale: why a server that has TimescaleDB is used without.
    """

    name: Final = "partitions"
    needs_hours: Final = True

    def __init__(self, without_timescale: str = "") -> None:
        self._without_timescale = without_timescale
        self._kept = KeptDays()
        self._due = HoursDue(self._kept)
        self._hours = HoursTable(self._due)
        self._days: set[int] = set()

    def load(self, connection: Connection) -> None:
        """Read what a made store remembers."""
        self._kept.load(connection)

    def create(self, connection: Connection) -> None:
        """See Layout."""
        connection.execute(_CREATE + CREATE_KEYS + CREATE_ALL)
        self._hours.create(connection)
        remember_layout(connection, self.name)

    def window(self, now_ms: int) -> tuple[int, int]:
        """See Layout."""
        return self._kept.window(now_ms)

    def forget(self) -> None:
        """See Layout."""
        self._days = set()

    def ensure_days(self, connection: Connection, days_ms: Sequence[int]) -> int:
        """See Layout.

        Raises:
            StoreUnavailable: an operator has detached a day and left its table where it was.
        """
        if self._days.issuperset(days_ms):
            return 0
        with connection.transaction():
            connection.execute(_MAKING)
            self._kept.load(connection)
            found = {day.day_ms: day for day in _days(connection)}
            wanted = {day_of(day_ms) for day_ms in days_ms}
            missing = sorted(day_ms for day_ms in wanted - found.keys() if day_ms >= self._kept.from_ms)
            for day_ms in missing:
                _make_day(connection, day_ms)
        attached = {day.day_ms for day in found.values() if day.is_attached}
        self._days = attached.union(missing)
        astray = [day_ms for day_ms in wanted - self._days if day_ms >= self._kept.from_ms]
        if astray:
            table = _table(astray[0])
            raise StoreUnavailable(f"table {table} is not part of positions: attach it again, or rename or drop it")
        return len(missing)

    def prepare(self, connection: Connection, now_ms: int) -> int:
        """See Layout."""
        self.forget()
        today = day_of(now_ms)
        return self.ensure_days(connection, [today + number * DAY_MS for number in range(DAYS_AHEAD + 1)])

    def drop_before(self, connection: Connection, before_ms: int) -> int:
        """See Layout. A process that comes while another one drops does nothing."""
        locked = connection.execute(_TRY_DROPPING).fetchone()
        if not locked or not locked[0]:
            return 0
        try:
            return self._drop_before(connection, before_ms)
        finally:
            if not connection.closed:
                connection.execute(_DROPPING_ENDS)

    def roll_up(self, connection: Connection, now_ms: int, hours_max: int) -> int:
        """See Layout."""
        return self._hours.roll_up(connection, now_ms, hours_max)

    def facts(self, connection: Connection) -> dict[str, Any]:
        """See Layout."""
        self._kept.load(connection)
        days = [day for day in _days(connection) if day.is_attached]
        why = self._without_timescale or "the store does not use TimescaleDB"
        return {
            "layout": self.name,
            "server_version": connection.info.parameter_status("server_version") or "",
            "timescaledb_version": None,
            "timescaledb_license": None,
            "features": {
                "hypertable": f"off: {why}",
                "columnstore": f"off: {why}",
                "continuous_aggregate": "off: position_hours is a table, made by the pipeline",
                "retention": "on: whole days, dropped by the pipeline",
            },
            "kept_from": iso_day(self._kept.from_ms) if self._kept.from_ms else None,
            "days": len(days),
            "days_compressed": 0,
            "bytes_by_day": _bytes_by_day(connection, days[: -DAYS_TOLD - 1 : -1]),
        }

    def bytes_on_disk(self, connection: Connection) -> int:
        """See Layout."""
        found = connection.execute(_BYTES).fetchone()
        return int(found[0]) if found else 0

    def _drop_before(self, connection: Connection, before_ms: int) -> int:
        kept_from_ms = self._kept.move(connection, before_ms)
        self.forget()
        self._due.forget_before(connection, kept_from_ms)
        self._hours.drop_before(connection, kept_from_ms)
        days = [day for day in _days(connection) if day.day_ms < kept_from_ms]
        for day in sorted(days, key=lambda day: not day.is_pending):  # only one can be pending at a time
            if day.is_attached or day.is_pending:
                _run(connection, _FINISH_DETACHING if day.is_pending else _DETACH, day.table)
            rows = _drop_day(connection, day.table)
            if rows:
                return rows
        return 0


def _days(connection: Connection) -> list[_Day]:
    return [_Day(*row) for row in connection.execute(_DAYS)]


def _bytes_by_day(connection: Connection, days: Sequence[_Day]) -> dict[str, int]:
    sizes: dict[str, int | None] = dict(connection.execute(_BYTES_OF, ([day.table for day in days],)).fetchall())
    return {iso_day(day.day_ms): int(sizes[day.table] or 0) for day in days}


def _table(day_ms: int) -> str:
    return f"{_PREFIX}{timebase.from_ms(day_ms):%Y%m%d}"


def _run(connection: Connection, statement: str, table: str) -> None:
    connection.execute(sql.SQL(statement).format(day=sql.Identifier(table)))


def _make_day(connection: Connection, day_ms: int) -> None:
    table = _table(day_ms)
    _run(connection, _CREATE_DAY, table)
    bounds = {"first": sql.Literal(timebase.from_ms(day_ms)), "end": sql.Literal(timebase.from_ms(day_ms + DAY_MS))}
    connection.execute(sql.SQL(_ATTACH).format(day=sql.Identifier(table), **bounds))


def _drop_day(connection: Connection, table: str) -> int:
    """Drop a detached day and take its rows off the count, in one transaction; its rows."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute(_COUNT_TIMEOUT)
        found = cursor.execute(sql.SQL(_COUNT).format(day=sql.Identifier(table))).fetchone()
        rows = int(found[0]) if found else 0
        _run(connection, _DROP, table)
        add_count(cursor, "positions", -rows)
    return rows
