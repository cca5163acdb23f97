"""What a server is like that a store is to live on: nothing is written and no table is needed."""

from typing import Final, NamedTuple

from jtgate.codecs import timebase
from jtgate.storage.postgres.connection import Connection, Link, checked_url, shown_url
from jtgate.storage.postgres.schema import DEFAULT_SCHEMA, views_schema

_TIMEOUT_S: Final = 10
#: The clocks are compared this often; the quickest answer counts.
_CLOCK_LOOKS: Final = 5

_FACTS: Final = """
SELECT
    current_setting('server_version'),
    current_setting('server_encoding'),
    pg_is_in_recovery(),
    current_setting('transaction_read_only') = 'on',
    current_setting('fsync') = 'on',
    current_setting('full_page_writes') = 'on',
    current_setting('synchronous_commit'),
    current_user::text,
    has_database_privilege(current_database(), 'CREATE'),
    has_database_privilege(current_database(), 'TEMPORARY'),
    (
        SELECT coalesce(array_agg(n.nspname::text ORDER BY n.nspname), '{}') FROM pg_namespace AS n
        WHERE n.nspname = ANY(%(schemas)s)
    ),
    (
        SELECT coalesce(array_agg(n.nspname::text ORDER BY n.nspname), '{}') FROM pg_namespace AS n
        WHERE n.nspname = ANY(%(schemas)s)
        AND NOT (has_schema_privilege(n.oid, 'CREATE') AND has_schema_privilege(n.oid, 'USAGE'))
    ),
    (
        SELECT count(*) FROM pg_tables
        WHERE schemaname = ANY(%(schemas)s) AND NOT pg_has_role(tableowner, 'USAGE')
    ),
    current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer
    - (SELECT count(*)::integer FROM pg_stat_activity WHERE backend_type = 'client backend')
"""


class ServerFacts(NamedTuple):
    """What `examine` found."""

    address: str  # without user and password
    version: str
    encoding: str
    is_replica: bool
    is_read_only: bool
    fsync: bool
    full_page_writes: bool
    synchronous_commit: str  # "on", "off", "local", "remote_write", "remote_apply"
    user: str
    may_create: bool  # schemas in the database
    may_use_temporary: bool
    schemas: tuple[str, ...]  # of the store and of its views, those that are there
    closed_schemas: tuple[str, ...]  # those in which this user may not make tables
    foreign_tables: int  # tables in them that somebody else owns
    connections_free: int  # this one is taken already
    clock_ahead_ms: int  # of the server, against ours
    clock_doubt_ms: int  # the difference is known that well


def examine(url: str, *, schema: str = DEFAULT_SCHEMA) -> ServerFacts:
    """Look at a server.

    Args:
        url: as for PostgresStore.
        schema: of the tables of the store.

    Raises:
        StoreUrlError: the URL cannot be read.
        StoreUnavailable: the server cannot be reached, or is older than PostgreSQL 15.
    """
    link = Link(checked_url(url), schema, "doctor", _TIMEOUT_S)
    try:
        row = link.query(_FACTS, {"schemas": [schema, views_schema(schema)]})[0]
        with link.connection() as connection:
            ahead_ms, doubt_ms = _clock(connection)
    finally:
        link.close()
    return ServerFacts._make([shown_url(url), *row[:10], tuple(row[10]), tuple(row[11]), *row[12:], ahead_ms, doubt_ms])


def _clock(connection: Connection) -> tuple[int, int]:
    """How far the clock of the server is ahead of ours, and how well that is known, milliseconds."""
    looks = []
    for _ in range(_CLOCK_LOOKS):
        before = timebase.now_us()
        row = connection.execute(b"SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint").fetchone()
        after = timebase.now_us()
        there = int(row[0]) if row else after
        looks.append((after - before, there - (before + after) // 2))
    took_us, ahead_us = min(looks)
    return round(ahead_us / 1000), max(1, took_us // 2000)
