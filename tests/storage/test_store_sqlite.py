"""What the embedded store does beyond the contract: its schema, its views, its failures."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from jtgate.storage.contract.rows import T0_MS, alarm, position
from jtgate.storage.model import (
    POSITION_COLUMNS,
    AlarmEventRow,
    CardEventRow,
    MessageRow,
    PartRow,
    QuarantineRow,
    SessionClosed,
    SessionOpened,
    StoreBatch,
    TerminalUpdate,
)
from jtgate.storage.sqlite.migrations import migrations
from jtgate.storage.sqlite.store import SqliteStore
from jtgate.storage.store import StoreError, StoreTooNew, StoreUnavailable


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A migrated store in a file, closed, with terminal 13800000001 as 1."""
    path = tmp_path / "store.db"
    with closing(SqliteStore(path)) as store:
        store.migrate()
        store.terminal_ids(["13800000001"], T0_MS)
    return path


@pytest.fixture
def raw(path: Path) -> Iterator[apsw.Connection]:
    """The same file, seen by another program."""
    with closing(apsw.Connection(str(path))) as connection:
        yield connection


def columns(connection: apsw.Connection, table: str) -> list[str]:
    """Names of the columns of a table, in order."""
    return [str(name) for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))]


def test_tables_have_the_columns_of_the_model(raw: apsw.Connection) -> None:
    """The schema names what the model names, in the same order, and adds only what it says."""
    assert columns(raw, "positions") == list(POSITION_COLUMNS)
    assert columns(raw, "alarm_events") == ["id", *AlarmEventRow._fields]
    assert columns(raw, "card_events") == ["id", *CardEventRow._fields]
    assert columns(raw, "messages") == ["id", *MessageRow._fields]
    assert columns(raw, "quarantine") == ["id", *QuarantineRow._fields, "state", "replayed_ms"]
    assert columns(raw, "parts") == list(PartRow._fields)
    assert set(columns(raw, "sessions")) == {*SessionOpened._fields, *SessionClosed._fields}
    assert set(TerminalUpdate._fields) - {"terminal_id", "at_ms"} <= set(columns(raw, "terminals"))


def test_migrations_are_numbered_without_gaps() -> None:
    """Every migration has the next number and a name of its own."""
    assert [migration.version for migration in migrations()] == list(range(1, len(migrations()) + 1))
    assert len({migration.name for migration in migrations()}) == len(migrations())


def test_a_store_of_a_later_release_is_not_touched(path: Path, raw: apsw.Connection) -> None:
    """Opening it fails with advice, and so does migrating one that was opened before."""
    with closing(SqliteStore(path)) as store:
        raw.execute("INSERT INTO jtgate_migrations VALUES (9999, '9999_later', 1)")
        with pytest.raises(StoreTooNew, match="9999"):
            store.migrate()
    with pytest.raises(StoreTooNew, match="later release"):
        SqliteStore(path)


def test_a_migration_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A migration is one transaction: after a failure the store is as it was, and the next try can succeed."""
    good = migrations()
    broken = good[0]._replace(sql=good[0].sql + "\nCREATE TABLE terminals (again);")
    with closing(SqliteStore(tmp_path / "store.db")) as store:
        monkeypatch.setattr("jtgate.storage.sqlite.store.migrations", lambda: [broken])
        with pytest.raises(StoreError):
            store.migrate()
        with pytest.raises(StoreUnavailable):
            store.terminals()
        monkeypatch.undo()
        assert store.migrate() == [migration.name for migration in good]


def test_views_for_other_programs(path: Path, raw: apsw.Connection) -> None:
    """The documented views give numbers of terminals and ISO times."""
    with closing(SqliteStore(path)) as store:
        batch = StoreBatch(
            positions=[position(1, T0_MS - 5000, 1), position(1, T0_MS, 2)],
            alarm_events=[alarm(1, T0_MS)],
            opened=[SessionOpened(5, 1, T0_MS, "tcp", "192.0.2.1:4000", "2013", "implicit")],
        )
        store.write(batch, consumer="pipeline", seq=1)
    (last,) = raw.execute("SELECT terminal, device_time, received FROM jtgate_v1_last_position")
    assert last == ("13800000001", "2026-09-21T22:13:20.000+08:00", "2026-09-21T22:13:20.400+08:00")
    (event,) = raw.execute("SELECT terminal, alarm_time FROM jtgate_v1_alarm_events")
    assert event == ("13800000001", "2026-09-21T22:13:20.000+08:00")
    (session,) = raw.execute("SELECT terminal, online, closed FROM jtgate_v1_sessions")
    assert session == ("13800000001", "2026-09-21T22:13:20.000+08:00", None)


def test_reading_uses_indexes(raw: apsw.Connection) -> None:
    """No question that an operator asks of a big table reads all of it."""
    questions = (
        "SELECT * FROM positions WHERE terminal_id = 1 AND device_time_ms BETWEEN 5 AND 9 ORDER BY device_time_ms",
        "SELECT * FROM positions WHERE device_time_ms BETWEEN 5 AND 9 ORDER BY device_time_ms LIMIT 5",
        "SELECT * FROM alarm_events WHERE terminal_id = 1 AND alarm_time_ms >= 5 ORDER BY alarm_time_ms DESC LIMIT 5",
        "SELECT * FROM alarm_events WHERE alarm_time_ms >= 5 ORDER BY alarm_time_ms DESC LIMIT 5",
        "SELECT * FROM messages WHERE terminal_id = 1 ORDER BY id DESC LIMIT 5",
        "SELECT * FROM messages WHERE msg_id = 1 ORDER BY id DESC LIMIT 5",
        "SELECT * FROM sessions WHERE closed_ms IS NULL ORDER BY session_id DESC LIMIT 5",
        "SELECT * FROM quarantine WHERE state = 'held' AND id > 5 ORDER BY id LIMIT 5",
    )
    for question in questions:
        plan = " ".join(str(step[3]) for step in raw.execute("EXPLAIN QUERY PLAN " + question))
        assert "SEARCH" in plan or "USING INDEX" in plan, (question, plan)
        assert "TEMP B-TREE" not in plan, (question, plan)


def test_every_commit_is_synced(path: Path) -> None:
    """What publishing progress rests on: WAL and synchronous=FULL."""
    with closing(SqliteStore(path)) as store:
        assert store._db.connection.pragma("journal_mode") == "wal"
        assert store._db.connection.pragma("synchronous") == 2


def test_a_store_that_is_locked_for_long_is_unavailable(
    path: Path, raw: apsw.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer that does not let go is a typed error; the same batch can be written afterwards."""
    monkeypatch.setattr("jtgate.storage.sqlite.connection.BUSY_TIMEOUT_MS", 50)
    with closing(SqliteStore(path)) as store:
        batch = StoreBatch(positions=[position()])
        raw.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="locked"):
            store.write(batch, consumer="pipeline", seq=1)
        raw.execute("ROLLBACK")
        assert store.write(batch, consumer="pipeline", seq=1).new == 1


def test_a_full_disk_is_unavailable_and_leaves_nothing(path: Path) -> None:
    """A batch that does not fit is rolled back as a whole; with room it can be written."""
    with closing(SqliteStore(path)) as store:
        batch = StoreBatch(positions=[position(1, T0_MS + n, n) for n in range(5000)])
        store._db.connection.execute("PRAGMA max_page_count=100")
        with pytest.raises(StoreUnavailable, match="full"):
            store.write(batch, consumer="pipeline", seq=1)
        assert store.cursor("pipeline") == 0
        assert store.positions() == []
        store._db.connection.execute("PRAGMA max_page_count=1000000")
        assert store.write(batch, consumer="pipeline", seq=1).new == 5000


def test_a_file_that_is_no_store_is_a_typed_error(tmp_path: Path) -> None:
    """Neither rubbish nor a folder is taken for a store."""
    (tmp_path / "rubbish.db").write_bytes(b"this is not a database, and long enough to be looked at" * 100)
    with pytest.raises(StoreError):
        SqliteStore(tmp_path / "rubbish.db")
    with pytest.raises(StoreUnavailable):
        SqliteStore(tmp_path)


def test_readable_by_plain_sqlite(path: Path) -> None:
    """Views work in any SQLite of the last years, for people with their own tools."""
    copy = path.with_name("copy.db")
    copy.write_bytes(path.read_bytes())
    with closing(sqlite3.connect(copy)) as connection:
        if sqlite3.sqlite_version_info >= (3, 38):
            assert connection.execute("SELECT count(*) FROM jtgate_v1_last_position").fetchall() == [(0,)]
