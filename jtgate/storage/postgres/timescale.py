"""Positions in a hypertable; all SQL that only TimescaleDB knows is in this file.

What the server has is used, one feature at a time, and what is missing is done by ourselves:

    hypertable            always; chunks of one UTC day, made by the server
    columnstore           Timescale licence and 2.11: before, an INSERT … ON CONFLICT into a compressed chunk fails
    continuous aggregate  Timescale licence; else the table that the pipeline fills (hours.py)
    retention             drop_chunks by the pipeline, under every licence. A policy of the server would drop rows
                          without taking them off the count and without moving the first day kept, so that a late row
                          of a dropped day would make its chunk again.

The continuous aggregate is real-time: hours later than the newest one materialised are computed when they are read. A
policy materialises the hours that end now. Later changes of older hours it leaves alone: a transaction is known to it
only by its earliest and latest time, so one late row in a batch would have it make everything since anew. `roll_up`
refreshes just the hours that writes have noted as due.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import psycopg

from jtgate.codecs import timebase
from jtgate.storage.postgres.connection import Connection
from jtgate.storage.postgres.days import HOUR_MS, KeptDays, iso_day, remember_layout
from jtgate.storage.postgres.hours import FIGURES_SELECTED, HoursDue, HoursTable
from jtgate.storage.postgres.partitions import CREATE_ALL, CREATE_KEYS, DAYS_TOLD
from jtgate.storage.postgres.writes import add_count
from jtgate.storage.store import StoreError

#: First version for PostgreSQL 15.
VERSION_MIN: Final = (2, 9)
#: First version whose compressed chunks know unique keys, so that late and repeated rows stay correct.
COLUMNSTORE_FROM: Final = (2, 11)
#: First version that says "columnstore" where it was "compression".
_NEW_NAMES_FROM: Final = (2, 18)
_APACHE: Final = "apache"
#: A day goes to the columnstore this long after its end: what comes late has mostly come by then.
COMPRESS_AFTER: Final = "2 days"
#: The policy keeps this many hours materialised, of which the last is always computed when read.
_POLICY_HOURS: Final = 4

_SERVER: Final = b"""
SELECT extversion, extnamespace::regnamespace::text, coalesce(current_setting('timescaledb.license', true), '')
FROM pg_extension WHERE extname = 'timescaledb'
"""
_INSTALL: Final = b"CREATE EXTENSION IF NOT EXISTS timescaledb SCHEMA public"

_CREATE: Final = b"CREATE TABLE positions (LIKE positions_misdated INCLUDING DEFAULTS);"
_HYPERTABLE: Final = b"""
SELECT create_hypertable('positions', 'device_time', chunk_time_interval => interval '1 day',
                         create_default_indexes => false);
"""
_COLUMNSTORE: Final = f"""
ALTER TABLE positions SET (
    timescaledb.enable_columnstore, timescaledb.segmentby = 'terminal_id',
    timescaledb.orderby = 'device_time, fingerprint'
);
CALL add_columnstore_policy('positions', after => interval '{COMPRESS_AFTER}', if_not_exists => true);
""".encode()
_COMPRESSION: Final = f"""
ALTER TABLE positions SET (
    timescaledb.compress, timescaledb.compress_segmentby = 'terminal_id',
    timescaledb.compress_orderby = 'device_time, fingerprint'
);
SELECT add_compression_policy('positions', compress_after => interval '{COMPRESS_AFTER}', if_not_exists => true);
""".encode()
_AGGREGATE: Final = f"""
CREATE MATERIALIZED VIEW position_hours WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT terminal_id, time_bucket(interval '1 hour', device_time) AS hour, {FIGURES_SELECTED}
FROM positions WHERE time_state = 0 GROUP BY 1, 2
WITH NO DATA;
SELECT add_continuous_aggregate_policy('position_hours', start_offset => interval '{_POLICY_HOURS} hours',
    end_offset => interval '1 hour', schedule_interval => interval '10 minutes', if_not_exists => true);
""".encode()
_REFRESH: Final = b"CALL refresh_continuous_aggregate('position_hours', %s::timestamptz, %s::timestamptz)"
#: For every connection that writes positions; does nothing where TimescaleDB is not. To see whether a key is in the
#: columnstore, versions before 2.17 unpack the batches it might be in, and give up at 100,000 rows in a transaction: a
#: batch of late rows would fail for ever.
WRITER_SETTINGS: Final = """
SELECT set_config('timescaledb.max_tuples_decompressed_per_dml_transaction', '0', false)
WHERE current_setting('timescaledb.max_tuples_decompressed_per_dml_transaction', true) IS NOT NULL
"""

_CHUNKS: Final = b"""
SELECT format('%%I.%%I', chunk_schema, chunk_name), range_end FROM timescaledb_information.chunks
WHERE hypertable_schema = current_schema() AND hypertable_name = 'positions' AND range_end <= %s
ORDER BY range_end
"""
_DROP_CHUNKS: Final = b"SELECT drop_chunks('positions', older_than => %s::timestamptz)"
_COUNT_TIMEOUT: Final = b"SET LOCAL statement_timeout = '30min'"
_IS_AGGREGATE: Final = b"SELECT relkind = 'v' FROM pg_class WHERE oid = to_regclass('position_hours')"
_IS_COLUMNSTORE: Final = b"""
SELECT compression_enabled FROM timescaledb_information.hypertables
WHERE hypertable_schema = current_schema() AND hypertable_name = 'positions'
"""
_DAYS: Final = b"""
SELECT c.range_start, c.is_compressed, s.total_bytes
FROM timescaledb_information.chunks AS c
JOIN chunks_detailed_size('positions') AS s USING (chunk_schema, chunk_name)
WHERE c.hypertable_schema = current_schema() AND c.hypertable_name = 'positions'
ORDER BY c.range_start
"""
_BYTES: Final = b"""
SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint + coalesce(hypertable_size('positions'), 0)
FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' AND relname <> 'positions'
"""
_BYTES_OF_AGGREGATE: Final = b"SELECT coalesce(hypertable_size('position_hours'), 0)"

#: What a server says that has a feature not, or not for this user: the feature is left out. All else is a fault.
_REFUSALS: Final = (
    psycopg.errors.FeatureNotSupported,
    psycopg.errors.UndefinedFunction,
    psycopg.errors.UndefinedObject,
    psycopg.errors.InvalidParameterValue,
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.ObjectNotInPrerequisiteState,
)


@dataclass(frozen=True, slots=True)
class Server:
    """TimescaleDB as a database has it.

    Args:
        version: as the extension tells it.
        schema: of its functions.
        license: "timescale", "apache", or "" when the server does not tell: then it is tried.
    """

    version: str
    schema: str
    license: str

    @property
    def number(self) -> tuple[int, int]:
        """Major and minor version."""
        major, _, rest = self.version.partition(".")
        return int(major), int(rest.partition(".")[0] or 0)


def available(connection: Connection) -> Server | None:
    """TimescaleDB in the database of the connection, if it is there."""
    found = connection.execute(_SERVER).fetchone()
    return Server(*found) if found else None


def install(connection: Connection) -> None:
    """Make the extension in the database of the connection, unless it is there.

    Raises:
        StoreError: the server does not have it, or this user may not.
    """
    try:
        connection.execute(_INSTALL)
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        if connection.closed:
            raise
        raise _not_installed(error) from error
    except psycopg.Error as error:
        raise _not_installed(error) from error


def unfit(server: Server) -> str:
    """Why this TimescaleDB is of no use; "" when it is."""
    if server.number < VERSION_MIN:
        return f"TimescaleDB {server.version} is older than {_dotted(VERSION_MIN)}"
    if server.schema != "public":
        return f"TimescaleDB is in schema {server.schema} of the database, not in public"
    return ""


def without_columnstore(server: Server) -> str:
    """Why this server has no columnstore that takes late and repeated rows; "" when it has."""
    if server.license == _APACHE:
        return _licensed(server)
    if server.number < COLUMNSTORE_FROM:
        return f"TimescaleDB {server.version} cannot take repeated rows there; {_dotted(COLUMNSTORE_FROM)} can"
    return ""


def without_aggregate(server: Server) -> str:
    """Why this server has no continuous aggregates; "" when it has."""
    return _licensed(server) if server.license == _APACHE else ""


class TimescaleLayout:
    """`Layout` of a hypertable.

    Args:
        server: of the database.
    """

    name: Final = "hypertable"
    needs_hours: Final = True

    def __init__(self, server: Server) -> None:
        self._server = server
        self._kept = KeptDays()
        self._due = HoursDue(self._kept)
        self._hours = HoursTable(self._due)
        self._is_aggregate = False
        self._refused: dict[str, str] = {}  # feature -> what the server said

    def load(self, connection: Connection) -> None:
        """Read what a made store remembers."""
        self._kept.load(connection)
        self._is_aggregate = _is(connection, _IS_AGGREGATE)

    def create(self, connection: Connection) -> None:
        """See Layout."""
        connection.execute(_CREATE + CREATE_KEYS + _HYPERTABLE + CREATE_ALL)
        self._try_columnstore(connection)
        self._is_aggregate = not without_aggregate(self._server) and self._try(connection, _AGGREGATE, "aggregate")
        if not self._is_aggregate:
            self._hours.create(connection)
        remember_layout(connection, self.name)

    def window(self, now_ms: int) -> tuple[int, int]:
        """See Layout."""
        return self._kept.window(now_ms)

    def forget(self) -> None:
        """See Layout; the server knows the days."""

    def ensure_days(self, connection: Connection, days_ms: Sequence[int]) -> int:  # noqa: ARG002  # the interface
        """See Layout; the server makes them."""
        return 0

    def prepare(self, connection: Connection, now_ms: int) -> int:  # noqa: ARG002  # the interface
        """See Layout. A licence or version that has come since the store was made is used from here on."""
        self._kept.load(connection)
        if not _is(connection, _IS_COLUMNSTORE) and "columnstore" not in self._refused:
            with connection.transaction():
                self._try_columnstore(connection)
        return 0

    def drop_before(self, connection: Connection, before_ms: int) -> int:
        """See Layout."""
        kept_from_ms = self._kept.move(connection, before_ms)
        self._due.forget_before(connection, kept_from_ms)
        if not self._is_aggregate:
            self._hours.drop_before(connection, kept_from_ms)
        for chunk, end in connection.execute(_CHUNKS, (timebase.from_ms(kept_from_ms),)).fetchall():
            with connection.transaction():
                rows = _rows_of(connection, chunk)
                connection.execute(_DROP_CHUNKS, (end,))
                with connection.cursor() as cursor:
                    add_count(cursor, "positions", -rows)
            if self._is_aggregate:  # it keeps what it has made until it is told to look
                connection.execute(_REFRESH, (None, end))
            if rows:
                return rows
        return 0

    def roll_up(self, connection: Connection, now_ms: int, hours_max: int) -> int:
        """See Layout."""
        if not self._is_aggregate:
            return self._hours.roll_up(connection, now_ms, hours_max)
        hours = self._due.oldest(connection, hours_max, before_ms=now_ms - now_ms % HOUR_MS - _POLICY_HOURS * HOUR_MS)
        for hour_ms in hours:
            due = self._due.of(connection, hour_ms)
            connection.execute(_REFRESH, (timebase.from_ms(hour_ms), timebase.from_ms(hour_ms + HOUR_MS)))
            self._due.done(connection, hour_ms, due)
        return len(hours)

    def facts(self, connection: Connection) -> dict[str, Any]:
        """See Layout."""
        self.load(connection)
        days = connection.execute(_DAYS).fetchall()
        return {
            "layout": self.name,
            "server_version": connection.info.parameter_status("server_version") or "",
            "timescaledb_version": self._server.version,
            "timescaledb_license": self._server.license,
            "features": self._features(connection),
            "kept_from": iso_day(self._kept.from_ms) if self._kept.from_ms else None,
            "days": len(days),
            "days_compressed": sum(bool(is_compressed) for _, is_compressed, _ in days),
            "bytes_by_day": {
                iso_day(timebase.to_ms(start)): int(size or 0) for start, _, size in days[: -DAYS_TOLD - 1 : -1]
            },
        }

    def bytes_on_disk(self, connection: Connection) -> int:
        """See Layout."""
        found = connection.execute(_BYTES).fetchone()
        aggregate = connection.execute(_BYTES_OF_AGGREGATE).fetchone() if self._is_aggregate else None
        return int(found[0] if found else 0) + int(aggregate[0] if aggregate else 0)

    def _features(self, connection: Connection) -> dict[str, str]:
        columnstore = without_columnstore(self._server) or self._refused.get("columnstore", "")
        aggregate = without_aggregate(self._server) or self._refused.get("aggregate", "")
        return {
            "hypertable": "on",
            "columnstore": f"on: {COMPRESS_AFTER} after the end of a day"
            if _is(connection, _IS_COLUMNSTORE)
            else f"off: {columnstore or 'the store was made without'}",
            "continuous_aggregate": "on"
            if self._is_aggregate
            else f"off: {aggregate or 'the store was made without'}; position_hours is a table, made by the pipeline",
            "retention": "on: whole days, dropped by the pipeline",
        }

    def _try_columnstore(self, connection: Connection) -> None:
        if not without_columnstore(self._server):
            statement = _COLUMNSTORE if self._server.number >= _NEW_NAMES_FROM else _COMPRESSION
            self._try(connection, statement, "columnstore")

    def _try(self, connection: Connection, statement: bytes, feature: str) -> bool:
        """Use a feature; what the server refuses is left out and told, and nothing of it stays."""
        try:
            with connection.transaction():
                connection.execute(statement)
        except _REFUSALS as error:
            self._refused[feature] = error.diag.message_primary or type(error).__name__
            return False
        return True


def _rows_of(connection: Connection, chunk: str) -> int:
    """Rows of a chunk, into which none can come any more until the transaction ends."""
    connection.execute(_COUNT_TIMEOUT)
    connection.execute(f"LOCK TABLE {chunk} IN SHARE MODE".encode())
    found = connection.execute(f"SELECT count(*) FROM {chunk}".encode()).fetchone()
    return int(found[0]) if found else 0


def _is(connection: Connection, question: bytes) -> bool:
    found = connection.execute(question).fetchone()
    return bool(found and found[0])


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))


def _licensed(server: Server) -> str:
    return f"the server runs TimescaleDB under the licence {server.license}, which does not have it"


def _not_installed(error: psycopg.Error) -> StoreError:
    return StoreError(
        f"TimescaleDB cannot be made in this database: {error.diag.message_primary or type(error).__name__}"
    )
