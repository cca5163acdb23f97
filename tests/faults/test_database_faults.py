"""The database fails under load: the gateway answers from the spool, then refuses; nothing acknowledged is lost.

A load and a terminal that looks at each of its answers run all the time. What was answered with result 0 is one row of
the store afterwards, what was refused with result 1 is none.
"""

import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from faults_world import REFUSED, STORED, World, check, small_disk, wait_until
from postgres_server import PostgresServer, temporary_folder

Servers = Callable[..., PostgresServer]

#: Full after some seconds of load.
SMALL_SPOOL = {"spool-bytes-max": "2M", "store-writers": 2}
RATE = 2500.0
SECONDS_MAX = 110.0
#: Answers of the gateway, one every 50 ms, by which we know that it answers.
ENOUGH_ANSWERS = 8

#: A disk that holds a fresh server, and one with plenty of room.
SMALL, LARGE = "220M", "2G"
ROOM_BYTES = 2 << 20


def rode_out(world: World, fail: Callable[[], object], mend: Callable[[], object]) -> None:
    """One outage: answers go on while the spool has room, then come refusals; after it all is as before."""
    complaints = world.complaints()
    fail()
    wait_until(lambda: world.complaints() > complaints, lambda: "the pipeline did not notice")
    failed_s = time.monotonic()
    world.wait_for_answers(STORED, ENOUGH_ANSWERS, failed_s)
    world.wait_for_answers(REFUSED, 3, failed_s)
    mend()
    world.wait_until_stored_more()
    mended_s = time.monotonic()
    world.wait_for_answers(STORED, ENOUGH_ANSWERS, mended_s)


@pytest.mark.timeout(240)
@pytest.mark.xdist_group("heavy")
def test_the_database_is_stopped_and_started_again(tmp_path: Path, postgres_server: Servers) -> None:
    """While nobody listens at the address of the database the spool takes everything, until it is full."""
    database = postgres_server()
    with World(tmp_path, database, rate=RATE, seconds_max=SECONDS_MAX, settings=SMALL_SPOOL) as world:
        rode_out(world, database.stop, database.start)
        check(world, refusals=True)


@pytest.mark.timeout(240)
@pytest.mark.xdist_group("heavy")
def test_the_database_becomes_read_only_and_writable_again(tmp_path: Path, postgres_server: Servers) -> None:
    """A database that can be read and not written is as good as none, and comes back by itself."""
    database = postgres_server()
    with World(tmp_path, database, rate=RATE, seconds_max=SECONDS_MAX, settings=SMALL_SPOOL) as world:
        rode_out(world, lambda: database.set_read_only(True), lambda: database.set_read_only(False))
        check(world, refusals=True)


@pytest.mark.timeout(240)
@pytest.mark.xdist_group("heavy")
@pytest.mark.parametrize(
    "wal_apart", [pytest.param(True, id="tables"), pytest.param(False, id="everything", marks=pytest.mark.soak)]
)
def test_the_disk_of_the_database_is_full_until_it_is_given_room(
    tmp_path: Path, postgres_server: Servers, wal_apart: bool
) -> None:
    """A server without room for tables refuses, one without room for its log ends; both go on once there is room."""
    with small_disk(SMALL) as disk:
        wal_base = temporary_folder() if wal_apart else None
        database = postgres_server(base=disk.folder, wal_base=wal_base)

        def give_room() -> None:
            disk.grow(LARGE)
            if database.pid is None:
                database.start()

        with World(tmp_path, database, rate=RATE, seconds_max=SECONDS_MAX, settings=SMALL_SPOOL) as world:
            rode_out(world, lambda: disk.fill_up(ROOM_BYTES), give_room)
            if wal_apart:
                assert "No space left on device" in world.log()
            check(world, refusals=True)
        database.close()


# ------------------------------------------------------------------------------------ in the middle of a transaction


@contextmanager
def writer_stuck(database: PostgresServer) -> Iterator[None]:
    """Within, a writer has written the rows of a batch and waits for a lock to write its cursor."""
    waiting = (
        "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'jtgate writer%' "
        "AND wait_event_type = 'Lock' AND xact_start IS NOT NULL"
    )
    holder = psycopg.connect(database.url)
    try:
        holder.execute("LOCK TABLE jtgate.cursors IN EXCLUSIVE MODE")
        wait_until(lambda: database.execute(waiting)[0][0] > 0, lambda: "no writer came to its cursor")
        yield
    finally:
        holder.close()  # the server may have ended it with the others


def end_transactions(database: PostgresServer) -> None:
    """End the connections of those that are in a transaction."""
    assert database.terminate_backends(busy_only=True) > 0


def restart(mode: str) -> Callable[[PostgresServer], None]:
    """A restart of the server in one of its modes."""
    return lambda database: database.restart(mode)


INTERRUPTIONS = [end_transactions, restart("fast"), restart("immediate"), restart("kill")]


@pytest.mark.timeout(240)
@pytest.mark.xdist_group("heavy")
def test_the_database_is_restarted_in_the_middle_of_transactions(tmp_path: Path, postgres_server: Servers) -> None:
    """Rows written, the cursor not: connections ended, the server restarted, stopped, killed; no row is double."""
    database = postgres_server(durable=True)
    with World(tmp_path, database, rate=RATE, seconds_max=SECONDS_MAX, settings={"store-writers": 2}) as world:
        began_s = time.monotonic()
        for interrupt in INTERRUPTIONS:
            with writer_stuck(database):
                interrupt(database)
            world.wait_until_stored_more()
        assert set(world.probe.results_since(began_s)) == {STORED}
        assert max(answer.took_s for answer in world.probe.answers) < 5.0
        check(world, refusals=False)


# --------------------------------------------------------------------------------------------------- the long forms


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_the_database_is_away_for_minutes(tmp_path: Path, postgres_server: Servers) -> None:
    """Three minutes without a database, three of one that only reads: nobody is refused, and all of it is caught up."""
    database = postgres_server(durable=True)
    with World(tmp_path, database, rate=5000.0, seconds_max=1200, settings={"store-writers": 2}) as world:
        outages: list[tuple[Callable[[], None], Callable[[], None]]] = [
            (database.stop, database.start),
            (lambda: database.set_read_only(True), lambda: database.set_read_only(False)),
        ]
        for fail, mend in outages:
            failed_s = time.monotonic()
            fail()
            time.sleep(180)
            assert set(world.probe.results_since(failed_s)) == {STORED}
            assert len(world.probe.results_since(failed_s)) > 1000
            mend()
            world.wait_until_stored_more()
            time.sleep(20)
        check(world, refusals=False)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_the_disk_of_the_database_is_full_for_minutes(tmp_path: Path, postgres_server: Servers) -> None:
    """Full for two minutes, refusing most of that time, then with room."""
    with small_disk(SMALL) as disk:
        database = postgres_server(base=disk.folder, wal_base=temporary_folder(), durable=True)
        settings = {"spool-bytes-max": "32M", "store-writers": 2}
        with World(tmp_path, database, rate=5000.0, seconds_max=1200, settings=settings) as world:

            def give_room() -> None:
                time.sleep(120)
                disk.grow(LARGE)

            rode_out(world, lambda: disk.fill_up(ROOM_BYTES), give_room)
            check(world, refusals=True)
        database.close()


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_the_database_fails_again_and_again(tmp_path: Path, postgres_server: Servers) -> None:
    """Many faults at random moments, some in the middle of a transaction, under load."""
    seed = int(os.environ.get("JTGATE_SOAK_SEED", random.SystemRandom().randrange(1 << 32)))
    rounds = int(os.environ.get("JTGATE_SOAK_ROUNDS", "20"))
    dice = random.Random(seed)
    database = postgres_server(durable=True)
    with World(tmp_path, database, rate=5000.0, seconds_max=1200, settings={"store-writers": 2}) as world:
        for _ in range(rounds):
            time.sleep(dice.uniform(1.0, 6.0))
            if dice.random() < 0.5:
                dice.choice(INTERRUPTIONS[1:])(database)
            else:
                with writer_stuck(database):
                    dice.choice(INTERRUPTIONS)(database)
            world.wait_until_stored_more()
        check(world, refusals=False)
