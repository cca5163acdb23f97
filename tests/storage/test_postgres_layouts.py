"""Days and hours of positions in PostgreSQL: partitions or a hypertable, made, dropped and rolled up."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest
from psycopg import sql

from jtgate.codecs import timebase
from jtgate.storage.postgres.connection import Connection
from jtgate.storage.postgres.days import DAY_MS, DAYS_AHEAD, DAYS_BACK_MAX, HOUR_MS, day_of
from jtgate.storage.postgres.hours import REMAKE_MS
from jtgate.storage.postgres.layout import Layout, probe
from jtgate.storage.postgres.migrations import migrations
from jtgate.storage.postgres.partitions import PlainLayout
from jtgate.storage.postgres.timescale import (
    WRITER_SETTINGS,
    Server,
    TimescaleLayout,
    available,
    unfit,
    without_aggregate,
    without_columnstore,
)
from jtgate.storage.store import StoreError, StoreUnavailable

TODAY = day_of(timebase.now_ms())
NOON = TODAY + 12 * HOUR_MS

Connect = Callable[[], Connection]

INSERT = """
INSERT INTO positions (device_time, received, fingerprint, terminal_id, status, latitude, longitude, speed_kmh,
    mileage_km, time_state, backfill)
VALUES (%s, %s, %s, %s, %s, 30, 120, %s, %s, 0, 0) ON CONFLICT DO NOTHING
"""
NOTE = """
INSERT INTO hours_due (hour, terminal_id) VALUES (%s, %s)
ON CONFLICT (hour, terminal_id) DO UPDATE SET due_since = clock_timestamp()
"""


@pytest.fixture
def schema_of(request: pytest.FixtureRequest) -> Callable[[str], tuple[str, str]]:
    """URL and schema for the tests of "postgres" or "timescale"."""
    return lambda server: (request.getfixturevalue(f"{server}_url"), request.getfixturevalue(f"{server}_schema"))


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    """Closes what a test opened."""
    with ExitStack() as stack:
        yield stack


def connecting(place: tuple[str, str], opened: ExitStack) -> Connect:
    """Opens connections as the store does, each with the settings of its own."""
    url, schema = place

    def connect() -> Connection:
        connection = opened.enter_context(psycopg.connect(url, autocommit=True))
        connection.execute(sql.SQL("SET search_path = {}, public").format(sql.Identifier(schema)))
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET lock_timeout = '10s'")
        return connection

    return connect


def made(connection: Connection, layout: Layout, schema: str) -> None:
    """Make a store of that layout, as far as it is the layout's business."""
    with connection.transaction():
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
        connection.execute(migrations()[0].sql.encode())
        layout.create(connection)


@pytest.fixture
def plain(schema_of: Any, opened: ExitStack) -> Connect:
    """A store of daily partitions; opens connections to it."""
    place = schema_of("postgres")
    connect = connecting(place, opened)
    made(connect(), PlainLayout(), place[1])
    return connect


@pytest.fixture
def hypertable(schema_of: Any, opened: ExitStack) -> Connect:
    """A store of a hypertable; opens connections to it."""
    place = schema_of("timescale")
    connect = connecting(place, opened)
    layout = probe(connect(), True)
    made(connect(), layout, place[1])
    return connect


@pytest.fixture(params=["plain", "hypertable"])
def connect(request: pytest.FixtureRequest) -> Connect:
    """A store of either layout; opens connections to it."""
    opener: Connect = request.getfixturevalue(request.param)
    return opener


def put(connection: Connection, times_ms: list[int], *, terminal_id: int = 1, speed_kmh: float = 36.0) -> int:
    """Write positions as the store does: rows, their count, the hours they change; how many were new."""
    new = 0
    with connection.transaction():
        for at_ms in times_ms:
            at = timebase.from_ms(at_ms)
            mileage_km = at_ms % DAY_MS / HOUR_MS
            new += connection.execute(INSERT, (at, at, at_ms, terminal_id, 3, speed_kmh, mileage_km)).rowcount
            connection.execute(NOTE, (timebase.from_ms(at_ms - at_ms % HOUR_MS), terminal_id))
        connection.execute(
            "INSERT INTO row_counts VALUES ('positions', 1, %s) ON CONFLICT (name, writer) "
            "DO UPDATE SET rows = row_counts.rows + excluded.rows",
            (new,),
        )
    return new


def put_days(connection: Connection, layout: Layout, days: dict[int, int]) -> None:
    """Write so many rows, a minute apart, into days before today."""
    layout.ensure_days(connection, [TODAY - back * DAY_MS for back in days])
    for back, rows in days.items():
        put(connection, [TODAY - back * DAY_MS + number * 60_000 for number in range(rows)])


def number(connection: Connection, statement: str) -> Any:
    """The one value of a statement."""
    found = connection.execute(statement.encode()).fetchone()
    assert found is not None
    return found[0]


def columns(connection: Connection, table: str) -> list[tuple[Any, ...]]:
    """Names, types and whether they may be empty of the columns of a table."""
    return connection.execute(
        "SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute "
        "WHERE attrelid = %s::regclass AND attnum > 0 ORDER BY attnum",
        (table,),
    ).fetchall()


def figures(connection: Connection) -> dict[tuple[int, int], tuple[int, ...]]:
    """(hours before today's beginning, terminal) -> counts and first and last time, in minutes of the hour."""
    rows = connection.execute(
        "SELECT hour, terminal_id, point_count, located_count, moving_count, first_time, last_time FROM position_hours"
    ).fetchall()
    found = {}
    for hour, terminal_id, points, located, moving, first, last in rows:
        hour_ms = timebase.to_ms(hour)
        minutes = [(timebase.to_ms(at) - hour_ms) // 60_000 for at in (first, last)]
        found[(TODAY - hour_ms) // HOUR_MS, terminal_id] = (points, located, moving, *minutes)
    return found


# ----------------------------------------------------------------------------------------- both layouts


def test_positions_have_the_columns_and_the_key_of_the_misdated(connect: Connect) -> None:
    """All three relations have the same columns, and a repeated key leaves one row."""
    connection = connect()
    layout = probe(connection, None)
    wanted = columns(connection, "positions_misdated")
    assert columns(connection, "positions") == wanted
    assert [column[:2] for column in columns(connection, "positions_all")] == [column[:2] for column in wanted]
    layout.ensure_days(connection, [TODAY])
    assert put(connection, [NOON, NOON + 1000]) == 2
    assert put(connection, [NOON, NOON + 1000, NOON + 2000]) == 1
    assert number(connection, "SELECT count(*) FROM positions_all") == 3


def test_a_store_remembers_its_layout(connect: Connect) -> None:
    """Whoever opens it later finds the same layout, and is told when they want the other."""
    layout = probe(connect(), None)
    is_plain = layout.name == "partitions"
    assert number(connect(), "SELECT value FROM facts_of_store WHERE name = 'layout'") == layout.name
    assert probe(connect(), not is_plain).name == layout.name
    with pytest.raises(StoreError, match="was made with"):
        probe(connect(), is_plain)


def test_the_window_holds_the_days_kept(connect: Connect) -> None:
    """It ends after the day after tomorrow, begins so many days back, and never before a day that was given up."""
    connection = connect()
    layout = probe(connection, None)
    assert layout.window(NOON) == (TODAY - DAYS_BACK_MAX * DAY_MS, TODAY + 3 * DAY_MS)
    assert layout.drop_before(connection, TODAY - 5 * DAY_MS + 7 * HOUR_MS) == 0
    kept = (TODAY - 5 * DAY_MS, TODAY + 3 * DAY_MS)
    assert layout.window(NOON) == kept
    assert probe(connect(), None).window(NOON) == kept
    layout.drop_before(connection, TODAY - 9 * DAY_MS)
    assert layout.window(NOON) == kept, "a day that was given up comes back"
    layout.drop_before(connection, TODAY + 300 * DAY_MS)
    assert layout.window(NOON)[0] <= day_of(timebase.now_ms()), "nothing could be stored any more"


def test_whole_days_are_dropped_one_call_each(connect: Connect) -> None:
    """Rows, their count, what is due and the hourly figures of the days before go; the day cut into stays whole."""
    connection = connect()
    layout = probe(connection, None)
    put_days(connection, layout, {6: 3, 5: 2, 4: 4, 3: 5, 1: 1})
    assert layout.roll_up(connection, NOON, 3) == 3
    before_ms = TODAY - 3 * DAY_MS + 60_000
    assert [layout.drop_before(connection, before_ms) for _ in range(4)] == [3, 2, 4, 0]
    assert number(connection, "SELECT count(*) FROM positions") == 6
    assert number(connection, "SELECT sum(rows)::integer FROM row_counts WHERE name = 'positions'") == 6
    while layout.roll_up(connection, NOON, 10):
        pass
    assert {hours for hours, _ in figures(connection)} == {72, 24}
    assert layout.facts(connection)["days"] == 2 if layout.name == "hypertable" else True


def test_hours_are_made_as_their_rows_say(connect: Connect) -> None:
    """Figures count points, fixes and movement; doing it again changes nothing; late rows come in when due again."""
    connection = connect()
    layout = probe(connection, None)
    layout.ensure_days(connection, [TODAY - 2 * DAY_MS])
    hour = TODAY - 40 * HOUR_MS
    put(connection, [hour, hour + 60_000, hour + 59 * 60_000, hour + HOUR_MS])
    put(connection, [hour + 30 * 60_000], terminal_id=2, speed_kmh=4.9)
    assert layout.roll_up(connection, NOON, 1) == 1
    assert layout.roll_up(connection, NOON, 100) == 1
    assert layout.roll_up(connection, NOON, 100) == 0
    expected = {(40, 1): (3, 3, 3, 0, 59), (40, 2): (1, 1, 0, 30, 30), (39, 1): (1, 1, 1, 0, 0)}
    assert figures(connection) == expected
    assert connection.execute(
        "SELECT mileage_min_km, mileage_max_km, speed_max_kmh, speed_sum_kmh FROM position_hours "
        "WHERE terminal_id = 1 ORDER BY hour LIMIT 1"
    ).fetchone() == (pytest.approx(8.0), pytest.approx(8 + 59 / 60), 36.0, 108.0)
    assert put(connection, [hour, hour + 10 * 60_000, hour + 59 * 60_000]) == 1
    assert layout.roll_up(connection, NOON, 100) == 1
    assert figures(connection) == expected | {(40, 1): (4, 4, 4, 0, 59)}


def test_a_row_that_comes_after_an_hour_was_made_is_not_lost(connect: Connect) -> None:
    """With 0 for every terminal of an hour, all of them are made."""
    connection = connect()
    layout = probe(connection, None)
    layout.ensure_days(connection, [TODAY - DAY_MS])
    hour = TODAY - 10 * HOUR_MS
    for terminal_id in (1, 2, 3):
        put(connection, [hour + 60_000], terminal_id=terminal_id)
    connection.execute("TRUNCATE hours_due")
    connection.execute(NOTE, (timebase.from_ms(hour), 0))
    assert layout.roll_up(connection, NOON, 10) == 1
    assert set(figures(connection)) == {(10, 1), (10, 2), (10, 3)}


def test_facts_tell_features_and_reasons(connect: Connect) -> None:
    """Every feature is on, or off with the reason; days and bytes are there."""
    connection = connect()
    layout = probe(connection, None)
    put_days(connection, layout, {2: 1, 1: 1})
    facts = layout.facts(connection)
    assert facts["layout"] == layout.name
    assert all(state.startswith(("on", "off: ")) for state in facts["features"].values())
    assert facts["days"] == len(facts["bytes_by_day"]) == 2
    assert all(size > 0 for size in facts["bytes_by_day"].values())
    assert layout.bytes_on_disk(connection) >= sum(facts["bytes_by_day"].values())


def test_settings_of_a_writer_do_no_harm(connect: Connect) -> None:
    """They are the same text for every server."""
    connect().execute(WRITER_SETTINGS.encode())


# ------------------------------------------------------------------------------------------- partitions


def test_days_are_made_once(plain: Connect) -> None:
    """Days ahead, days on demand, again in the same and in another process."""
    connection = plain()
    layout = probe(connection, None)
    assert layout.prepare(connection, NOON) == DAYS_AHEAD + 1
    assert layout.prepare(connection, NOON) == 0
    assert layout.ensure_days(connection, [TODAY - DAY_MS, TODAY, TODAY - 30 * DAY_MS]) == 2
    assert probe(plain(), None).ensure_days(plain(), [TODAY, TODAY - DAY_MS]) == 0
    connection.close()
    assert layout.ensure_days(connection, [TODAY, TODAY - DAY_MS]) == 0, "asks the server again for a day it knows"


def test_processes_may_make_the_same_days_at_the_same_time(plain: Connect) -> None:
    """Together they make each day once, and none of them fails."""
    days = [TODAY - back * DAY_MS for back in range(8)]
    workers = [(probe(plain(), None), plain()) for _ in range(4)]
    with ThreadPoolExecutor(len(workers)) as pool:
        counts = list(pool.map(lambda worker: worker[0].ensure_days(worker[1], days), workers))
    assert sum(counts) == len(days)


def test_nobody_waits_for_a_day_that_is_made(plain: Connect) -> None:
    """A reader and a writer in the middle of their transactions neither block it nor are blocked by it."""
    layout = probe(plain(), None)
    layout.ensure_days(plain(), [TODAY])
    reader, writer, maker = plain(), plain(), plain()
    maker.execute("SET lock_timeout = '300ms'")
    with reader.transaction(), writer.transaction():
        assert number(reader, "SELECT count(*) FROM positions") == 0
        put(writer, [NOON])
        assert layout.ensure_days(maker, [TODAY - DAY_MS]) == 1
        assert number(reader, "SELECT count(*) FROM positions_all") == 0
        put(writer, [NOON + 1000])


def test_a_day_dropped_elsewhere_is_not_made_again(plain: Connect) -> None:
    """Who still remembers the day gets an error that passes, and then knows that such rows are misdated now."""
    connection = plain()
    layout, other = probe(connection, None), probe(plain(), None)
    day = TODAY - 4 * DAY_MS
    layout.ensure_days(connection, [day])
    other.drop_before(plain(), TODAY - 3 * DAY_MS)
    assert layout.ensure_days(connection, [day]) == 0
    with pytest.raises(psycopg.errors.CheckViolation, match="no partition"):
        put(connection, [day])
    layout.forget()
    assert layout.ensure_days(connection, [day]) == 0
    assert layout.window(NOON)[0] == TODAY - 3 * DAY_MS
    assert number(connection, "SELECT to_regclass(%L)".replace("%L", f"'{_table(day)}'")) is None


def test_dropping_waits_for_a_long_reader_and_is_finished_by_the_next_call(plain: Connect) -> None:
    """Interrupted in the middle of detaching, the day is out of sight but not counted off; the next call ends it."""
    connection = plain()
    layout = probe(connection, None)
    put_days(connection, layout, {5: 2, 4: 3, 1: 1})
    reader = plain()
    connection.execute("SET lock_timeout = '200ms'")
    with reader.transaction():
        reader.execute("SELECT count(*) FROM positions")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            layout.drop_before(connection, TODAY - 3 * DAY_MS)
        assert put(plain(), [NOON - DAY_MS]) == 1, "a writer waits for the dropping"
    assert [layout.drop_before(connection, TODAY - 3 * DAY_MS) for _ in range(3)] == [2, 3, 0]
    assert number(connection, "SELECT sum(rows)::integer FROM row_counts") == 2


def test_a_day_detached_before_a_crash_is_dropped(plain: Connect) -> None:
    """Detached but not dropped, it is found by its name, and its rows are taken off the count."""
    connection = plain()
    layout = probe(connection, None)
    put_days(connection, layout, {5: 2, 1: 1})
    connection.execute(f"ALTER TABLE positions DETACH PARTITION {_table(TODAY - 5 * DAY_MS)}".encode())
    assert layout.drop_before(connection, TODAY - 3 * DAY_MS) == 2
    assert number(connection, "SELECT sum(rows)::integer FROM row_counts") == 1


def test_a_day_detached_by_an_operator_stands_in_the_way(plain: Connect) -> None:
    """It is not made over; the error names it and says what to do."""
    connection = plain()
    layout = probe(connection, None)
    layout.ensure_days(connection, [TODAY])
    connection.execute(f"ALTER TABLE positions DETACH PARTITION {_table(TODAY)}".encode())
    layout.forget()
    with pytest.raises(StoreUnavailable, match=f"{_table(TODAY)} is not part of positions"):
        layout.ensure_days(connection, [TODAY])


def test_only_one_process_drops_at_a_time(plain: Connect) -> None:
    """The second does nothing meanwhile."""
    connection = plain()
    layout = probe(connection, None)
    put_days(connection, layout, {5: 2})
    other = plain()
    other.execute("SELECT pg_advisory_lock(hashtextextended('jtgate.days.dropped.' || current_schema(), 0))")
    assert layout.drop_before(connection, TODAY) == 0
    other.close()
    _wait_for(lambda: layout.drop_before(connection, TODAY) == 2)


def test_the_hour_under_way_is_made_every_few_minutes(plain: Connect) -> None:
    """However often writes note it, and the hour before too; older hours at once."""
    connection = plain()
    layout = probe(connection, None)
    layout.prepare(connection, NOON)
    put(connection, [NOON + 60_000, NOON - HOUR_MS, NOON - 3 * HOUR_MS])
    now_ms = NOON + 120_000
    assert layout.roll_up(connection, now_ms, 10) == 3
    put(connection, [NOON + 90_000, NOON - HOUR_MS + 60_000, NOON - 3 * HOUR_MS + 60_000])
    assert layout.roll_up(connection, now_ms + 60_000, 10) == 1
    assert layout.roll_up(connection, now_ms + REMAKE_MS, 10) == 2
    assert layout.roll_up(connection, now_ms + REMAKE_MS, 10) == 0
    assert [points for points, *_ in figures(connection).values()] == [2, 2, 2]


def test_a_write_during_the_roll_up_leaves_the_hour_due(plain: Connect) -> None:
    """Its rows were not seen when the figures were made, so the next roll-up makes them once more."""
    connection, writer = plain(), plain()
    layout = probe(connection, None)
    layout.ensure_days(connection, [TODAY - DAY_MS])
    hour = TODAY - 10 * HOUR_MS
    put(connection, [hour])
    rolled: list[int] = []
    with writer.transaction():
        put(writer, [hour + 60_000])
        roll = threading.Thread(target=lambda: rolled.append(layout.roll_up(connection, NOON, 10)))
        roll.start()
        _wait_for(lambda: number(writer, "SELECT count(*) FROM pg_locks WHERE NOT granted") > 0)
    roll.join(10)
    assert rolled == [1]
    assert figures(connection) == {(10, 1): (1, 1, 1, 0, 0)}
    assert layout.roll_up(connection, NOON, 10) == 1
    assert figures(connection) == {(10, 1): (2, 2, 2, 0, 1)}


def test_a_server_without_timescaledb_says_so(plain: Connect, schema_of: Any, opened: ExitStack) -> None:
    """Wanted, it is an error with what to do; else partitions are made."""
    if available(plain()) is not None:
        pytest.skip("this server has TimescaleDB")
    url, schema = schema_of("postgres")
    connection = connecting((url, f"{schema}_other"), opened)()
    assert probe(connection, None).name == "partitions"
    with pytest.raises(StoreError, match="TimescaleDB"):
        probe(connection, True)


# ------------------------------------------------------------------------------------------- TimescaleDB


def test_what_versions_and_licences_allow() -> None:
    """Each feature is left out with a reason where version or licence does not have it."""
    assert unfit(Server("2.8.1", "public", "timescale"))
    assert unfit(Server("2.22.0", "ts", "timescale"))
    assert not unfit(Server("2.9.0", "public", "apache"))
    assert "2.11" in without_columnstore(Server("2.10.3", "public", "timescale"))
    assert "apache" in without_columnstore(Server("2.22.1", "public", "apache"))
    assert not without_columnstore(Server("2.11.0", "public", "timescale"))
    assert "apache" in without_aggregate(Server("2.22.1", "public", "apache"))
    assert not without_aggregate(Server("2.23.0-dev", "public", "timescale"))


def test_late_and_repeated_rows_in_a_compressed_day_stay_correct(hypertable: Connect) -> None:
    """A day in the columnstore takes late rows, and none twice; its figures follow."""
    connection = hypertable()
    layout = probe(connection, None)
    if not layout.facts(connection)["features"]["columnstore"].startswith("on"):
        pytest.skip("this server has no columnstore")
    connection.execute(WRITER_SETTINGS.encode())
    hour = TODAY - 5 * DAY_MS
    put(connection, [hour + minute * 60_000 for minute in range(40)])
    compress = "SELECT count(compress_chunk(c)) FROM show_chunks('positions') AS c"
    assert number(connection, compress) == 1
    assert layout.facts(connection)["days_compressed"] == 1
    assert put(connection, [hour + minute * 60_000 for minute in range(30, 50)]) == 10
    assert put(connection, [hour + minute * 60_000 for minute in range(50)]) == 0
    assert number(connection, "SELECT count(*) FROM positions") == 50
    while layout.roll_up(connection, NOON, 10):
        pass
    assert figures(connection) == {(120, 1): (50, 50, 50, 0, 49)}
    assert layout.drop_before(connection, TODAY) == 50
    assert figures(connection) == {}


@pytest.mark.parametrize(("version", "licence"), [("2.17.2", "timescale"), ("2.22.0", "apache"), ("2.10.0", "apache")])
def test_older_and_poorer_servers(schema_of: Any, opened: ExitStack, version: str, licence: str) -> None:
    """The statements of older versions work, and without a licence the pipeline makes the hours by itself."""
    place = schema_of("timescale")
    connection = connecting(place, opened)()
    made(connection, layout := TimescaleLayout(Server(version, "public", licence)), place[1])
    features = layout.facts(connection)["features"]
    is_on = licence == "timescale" and without_columnstore(_server(connection)) == ""
    assert features["columnstore"].startswith("on") == is_on
    put_days(connection, layout, {6: 3, 1: 1})
    assert layout.roll_up(connection, NOON, 10) == 2
    assert figures(connection) == {(144, 1): (3, 3, 3, 0, 2), (24, 1): (1, 1, 1, 0, 0)}
    assert layout.drop_before(connection, TODAY - DAY_MS) == 3
    assert set(figures(connection)) == {(24, 1)}
    assert layout.prepare(connection, NOON) == 0


def _server(connection: Connection) -> Server:
    server = available(connection)
    assert server is not None
    return server


def _table(day_ms: int) -> str:
    return f"positions_{timebase.from_ms(day_ms):%Y%m%d}"


def _wait_for(happened: Callable[[], bool], timeout_s: float = 5.0) -> None:
    until = time.monotonic() + timeout_s
    while not happened():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)
