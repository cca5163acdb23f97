"""Making the schema and bringing it to this release; the layout of positions is made after the first file."""

from typing import Final

from psycopg import sql

from jtgate.storage.migrations import Migration
from jtgate.storage.postgres.connection import Connection, Cursor, Link
from jtgate.storage.postgres.layout import Layout
from jtgate.storage.postgres.migrations import migrations
from jtgate.storage.store import StoreTooNew

DEFAULT_SCHEMA: Final = "jtgate"
#: The word that stands for the schema of the views in our SQL files.
_VIEWS: Final = "jtgate_v1"
#: Only one process at a time migrates any one database.
_LOCK: Final = 0x6A74_6761_7465
#: A statement of a migration may take this long on a large store.
MIGRATION_TIMEOUT: Final = "6h"


def views_schema(schema: str) -> str:
    """Schema of the views of a store."""
    return f"{schema}_v1"


def version(link: Link, schema: str) -> int:
    """Schema version of a store; 0 when nothing has migrated it.

    Raises:
        StoreTooNew: a later release wrote it.
    """
    with link.connection() as connection:
        return _version(connection, schema)


def migrate(link: Link, schema: str, layout: Layout) -> list[str]:
    """Apply what is missing, each file in a transaction of its own; names of the files applied.

    Raises:
        StoreTooNew: a later release wrote the store.
    """
    applied: list[str] = []
    with link.connection() as connection:
        connection.execute(b"SELECT pg_advisory_lock(%s)", (_LOCK,))
        try:
            done = _version(connection, schema)
            for step in migrations():
                if step.version > done:
                    _apply(connection, schema, step, layout)
                    applied.append(step.name)
        finally:
            if not connection.closed:
                connection.execute(b"SELECT pg_advisory_unlock(%s)", (_LOCK,))
    return applied


def pending(link: Link, schema: str) -> list[str]:
    """Names of the files that `migrate` would apply."""
    done = version(link, schema)
    return [step.name for step in migrations() if step.version > done]


def drop(link: Link, schema: str) -> None:
    """Remove a store with all it holds; for scratch stores."""
    with link.transaction() as cursor:
        for name in (views_schema(schema), schema):
            cursor.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(name)))


def _version(connection: Connection, schema: str) -> int:
    table = connection.execute(b"SELECT to_regclass(%s)", (f'"{schema}".jtgate_migrations',)).fetchone()
    if table is None or table[0] is None:
        return 0
    row = connection.execute(b"SELECT coalesce(max(version), 0) FROM jtgate_migrations").fetchone()
    found = int(row[0]) if row else 0
    known = migrations()[-1].version
    if found > known:
        raise StoreTooNew(f"the store has schema version {found}, this release knows {known}: use the later release")
    return found


def _apply(connection: Connection, schema: str, step: Migration, layout: Layout) -> None:
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = '{MIGRATION_TIMEOUT}'".encode())
        if step.version == 1:
            _make_schema(cursor, schema)
        cursor.execute(step.sql.replace(_VIEWS, views_schema(schema)).encode())
        if step.version == 1:
            layout.create(connection)
        cursor.execute(b"INSERT INTO jtgate_migrations (version, name) VALUES (%s, %s)", (step.version, step.name))


def _make_schema(cursor: Cursor, schema: str) -> None:
    for name in (schema, views_schema(schema)):
        cursor.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(name)))
    cursor.execute(
        b"CREATE TABLE jtgate_migrations (version integer PRIMARY KEY, name text NOT NULL, "
        b"applied timestamptz NOT NULL DEFAULT clock_timestamp())"
    )
