"""Every store that a release ever made comes forward to this one with all it holds; released files never change."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import apsw
import psycopg
import pytest
from psycopg import sql
from storage_backends import STORE_BACKENDS, StoreUnderTest

from jtgate.codecs.timebase import now_ms
from jtgate.storage.contract.derived_rows import READABLE_ROWS
from jtgate.storage.contract.rows import (
    FIRST_TERMINALS,
    ONE,
    T0_MS,
    alarm,
    as_row,
    card,
    closed,
    message,
    opened,
    part,
    position,
    quarantined,
    write,
)
from jtgate.storage.model import POSITION_COLUMNS, Written
from jtgate.storage.postgres import times
from jtgate.storage.postgres.migrations import migrations as postgres_migrations
from jtgate.storage.sqlite.migrations import migrations as sqlite_migrations
from jtgate.storage.store import Store, StoreError, StoreTooNew, StoreUnavailable
from jtgate.storage.tables import BY_KEY, READABLE

ROOT = Path(__file__).resolve().parents[2]
#: SHA-256 of every migration that was part of a release, as sha256sum writes it. Lines are only ever added.
RELEASED = Path(__file__).with_name("released_migrations.sha256")

POSITIONS = [position(1, T0_MS + n * 1000, n, speed_kmh=36.0, mileage_km=100.0 + n) for n in range(5)]
ROWS: dict[str, list[Any]] = {
    "positions": [*POSITIONS, position(1, 0, 9)],
    "alarm_events": [alarm()],
    "card_events": [card()],
    "messages": [message()],
    "quarantine": [quarantined()],
    "parts": [part()],
    **{name: [make(1, T0_MS)] for name, make in READABLE_ROWS.items()},
}
COLUMNS: dict[str, Sequence[str]] = {
    **{name: table.columns for name, table in {**BY_KEY, **READABLE}.items()},
    "parts": part()._fields,
}


def all_migrations(name: str) -> list[Any]:
    """The migrations of a back end."""
    return sqlite_migrations() if name == "sqlite" else postgres_migrations()


def versions() -> list[Any]:
    """Every back end with every version that can have been left behind."""
    return [
        pytest.param(name, step.version, id=f"{name}-{step.name}")
        for name in STORE_BACKENDS
        for step in all_migrations(name)
    ]


@contextmanager
def release_with(monkeypatch: pytest.MonkeyPatch, change: Callable[[list[Any]], list[Any]]) -> Iterator[None]:
    """A release with other migrations than this one."""
    with monkeypatch.context() as patch:
        for module, made in (("sqlite.store", sqlite_migrations()), ("postgres.schema", postgres_migrations())):
            patch.setattr(f"jtgate.storage.{module}.migrations", lambda made=made: change(made))
        yield


def tables_of(backend: StoreUnderTest) -> dict[str, set[str]]:
    """Tables of a store with their columns."""
    found: dict[str, set[str]] = {}
    if backend.name == "sqlite":
        with closing(apsw.Connection(str(backend.path))) as connection:
            statement = "SELECT m.name, c.name FROM sqlite_master AS m, pragma_table_info(m.name) AS c"
            pairs = list(connection.execute(statement))
    else:
        with psycopg.connect(backend.url) as server:
            statement = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = %s"
            pairs = server.execute(statement.encode(), (backend.schema,)).fetchall()
    for table, column in pairs:
        found.setdefault(str(table), set()).add(str(column))
    return found


def insert(backend: StoreUnderTest, table: str, fields: Sequence[str], row: Sequence[object]) -> None:
    """Put a row into a table as a release of its time did."""
    marks = ", ".join(["?" if backend.name == "sqlite" else "%s"] * len(fields))
    if backend.name == "sqlite":
        names = ", ".join(f'"{field}"' for field in fields)
        with closing(apsw.Connection(str(backend.path))) as connection:
            connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(row))
        return
    with psycopg.connect(backend.url, autocommit=True) as server:
        server.execute(sql.SQL("SET search_path = {}, public").format(sql.Identifier(backend.schema)))
        statement = f"INSERT INTO {table} ({times.columns(fields)}) VALUES ({marks})"
        server.execute(statement.encode(), times.values(fields, row))


def fill(backend: StoreUnderTest) -> set[str]:
    """Rows in every table that this version of the store has; the tables that were filled."""
    tables = tables_of(backend)
    for number, terminal in enumerate(FIRST_TERMINALS, 1):
        insert(backend, "terminals", ("id", "terminal", "first_seen_ms"), (number, terminal, T0_MS))
    for name in ROWS.keys() & tables.keys():
        columns = COLUMNS[name] if backend.name == "sqlite" else [times.column(field)[1:-1] for field in COLUMNS[name]]
        if not tables[name].issuperset(columns):
            tables.pop(name)  # of an older form, which no release has filled
            continue
        for row in ROWS[name]:
            table = name
            if name == "positions" and backend.name != "sqlite" and row[1] == 0:
                table = "positions_misdated"
            insert(backend, table, COLUMNS[name], row)
    session = {**opened()._asdict(), **closed()._asdict()}
    insert(backend, "sessions", list(session), list(session.values()))
    insert(backend, "cursors", ("consumer", "seq"), ("pipeline", 41))
    if "terminal_zones" in tables:
        insert(backend, "terminal_zones", ("terminal_id", "zone_minutes"), (1, 420))
    return set(tables)


@pytest.mark.parametrize(("backend", "version"), versions(), indirect=["backend"])
def test_forward_from_every_version(
    backend: StoreUnderTest, version: int, monkeypatch: pytest.MonkeyPatch, open_store: Callable[[], Store]
) -> None:
    """Rows of a store that stopped at a version are there, whole, after the migrations behind it; views tell them."""
    with release_with(monkeypatch, lambda made: [step for step in made if step.version <= version]):
        old = backend.open()
        old.migrate()
        old.prepare(T0_MS) if backend.name != "sqlite" else None
        old.close()
        filled = fill(backend)

    store = open_store()
    assert store.migrate() == [step.name for step in all_migrations(backend.name) if step.version > version]
    assert store.pending() == []

    assert store.cursor("pipeline") == 41
    assert [row["terminal"] for row in store.terminals()] == list(FIRST_TERMINALS)
    assert store.positions(terminal=ONE) == [as_row(row) for row in sorted(ROWS["positions"], key=lambda row: row[1])]
    for name in ("alarm_events", "card_events", "messages", "quarantine"):
        (found,) = getattr(store, name)()
        assert found.items() >= ROWS[name][0]._asdict().items()
    assert store.open_parts() == ROWS["parts"]
    assert [row["reason"] for row in store.sessions()] == ["peer_closed"]
    assert store.zones() == ({1: {420}} if "terminal_zones" in filled else {})
    for name in READABLE:
        found = store.facts(name)
        assert [{field: row[field] for field in COLUMNS[name]} for row in found] == (
            [ROWS[name][0]._asdict()] if name in filled else []
        )
    store_works(store)


def store_works(store: Store) -> None:
    """A store that came forward takes rows, knows those it has, rolls up and answers every view."""
    again = {name: rows for name, rows in ROWS.items() if name in ("positions", "alarm_events", "card_events")}
    assert write(store, 42, **again) == Written(0, len(ROWS["positions"]) + 2)
    assert write(store, 43, **ROWS | {"positions": [position(1, T0_MS, 777)]}).new == 1
    while store.roll_up(now_ms()):
        pass
    for name in store.views():
        store.view(name)
    (last,) = store.view("last_position")
    assert last["terminal"] == ONE


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_mileage_of_before_is_told(backend: StoreUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was stored before there were hourly figures is in them after the migration."""
    with release_with(monkeypatch, lambda made: made[:1]):
        old = backend.open()
        old.migrate()
        old.prepare(T0_MS) if backend.name != "sqlite" else None
        old.close()
        fill(backend)
    with closing(backend.open()) as store:
        store.migrate()
        while store.roll_up(now_ms()):
            pass
        days = store.view("mileage_per_day", terminal=ONE)
    assert [round(float(str(day["mileage_km"])), 1) for day in days] == [4.0]


def mark_as_later(backend: StoreUnderTest) -> None:
    """Leave the mark of a later release's migration."""
    applied = ", applied_ms" if backend.name == "sqlite" else ""
    value = ", 1" if applied else ""
    backend.execute(f"INSERT INTO jtgate_migrations (version, name{applied}) VALUES (9999, '9999_later'{value})")


def test_a_store_of_a_later_release_is_refused(backend: StoreUnderTest, open_store: Callable[[], Store]) -> None:
    """It is neither opened nor migrated nor written, and says which version it has."""
    store = open_store()
    store.migrate()
    mark_as_later(backend)

    with pytest.raises(StoreTooNew, match="9999"):
        store.migrate()
    with pytest.raises(StoreTooNew, match="later release"):
        write(open_store(), positions=[position()])


def test_a_migration_that_fails_leaves_nothing(backend: StoreUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a failure the store is at the version before, whole, and the next try can succeed."""
    broken = "CREATE TABLE made_in_vain (x INTEGER); CREATE TABLE terminals (again INTEGER);"
    with closing(backend.open()) as store:
        with release_with(monkeypatch, lambda made: [made[0]._replace(sql=made[0].sql + broken)]):
            with pytest.raises((StoreError, StoreUnavailable)):
                store.migrate()
            with pytest.raises(StoreUnavailable):
                store.terminals()
        assert store.migrate() == [step.name for step in all_migrations(backend.name)]
    assert "made_in_vain" not in tables_of(backend)


@pytest.mark.parametrize("name", ["sqlite", "postgres"])
def test_migrations_are_numbered_without_gaps(name: str) -> None:
    """Every migration has the next number and a name of its own."""
    made = all_migrations(name)
    assert [step.version for step in made] == list(range(1, len(made) + 1))
    assert len({step.name for step in made}) == len(made)


def test_released_migrations_never_change() -> None:
    """A store in the field has the tables of the file as it was: a change belongs into a new file."""
    released = [line.split("  ") for line in RELEASED.read_text().splitlines()]
    assert len(released) >= 2
    for digest, name in released:
        assert hashlib.sha256((ROOT / name).read_bytes()).hexdigest() == digest, (
            f"{name} was released: write a new file"
        )


def test_the_order_of_position_columns_is_that_of_the_rows() -> None:
    """What this file writes into old tables are the columns of today's rows; a new one needs a thought here."""
    assert COLUMNS["positions"] == POSITION_COLUMNS
    assert len(POSITION_COLUMNS) == 34
