"""jtgate doctor on the store: what a server must be like, and the contract tried out beside the operator's own rows."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cli_world import World

from jtgate.cli import server_checks
from jtgate.settings import Settings
from jtgate.storage import contract
from jtgate.storage.contract import Check, ContractBroken, StoreOpener
from jtgate.storage.contract.checking import promise
from jtgate.storage.contract.rows import write
from jtgate.storage.contract.scratch import SCHEMA_PREFIX, scratch_place
from jtgate.storage.model import StoreBatch
from jtgate.storage.open import open_store
from jtgate.storage.postgres.examine import ServerFacts, examine
from jtgate.storage.store import Store, StoreError, StoreUnavailable

GOOD = ServerFacts(
    address="postgresql://127.0.0.1:5432/jtgate",
    version="15.4",
    encoding="UTF8",
    is_replica=False,
    is_read_only=False,
    fsync=True,
    full_page_writes=True,
    synchronous_commit="on",
    user="jtgate",
    may_create=True,
    may_use_temporary=True,
    schemas=(),
    closed_schemas=(),
    foreign_tables=0,
    connections_free=90,
    clock_ahead_ms=0,
    clock_doubt_ms=1,
)


# ---------------------------------------------------------------------------------------------- the server


@pytest.mark.parametrize(
    ("check", "changes", "state", "says"),
    [
        (server_checks.server, {}, "ok", "PostgreSQL 15.4 at postgresql://127.0.0.1:5432/jtgate, user jtgate"),
        (server_checks.server, {"is_replica": True, "is_read_only": True}, "fail", "a standby"),
        (server_checks.server, {"is_read_only": True}, "fail", "read-only"),
        (server_checks.server, {"encoding": "SQL_ASCII"}, "fail", "encoding SQL_ASCII"),
        (server_checks.rights, {}, "ok", "may make schemas"),
        (server_checks.rights, {"may_create": False}, "fail", "may not make schemas"),
        (server_checks.rights, {"may_create": False, "schemas": ("jtgate", "jtgate_v1")}, "ok", "may make"),
        (server_checks.rights, {"schemas": ("jtgate",), "closed_schemas": ("jtgate",)}, "fail", "in schema jtgate"),
        (server_checks.rights, {"foreign_tables": 3}, "fail", "3 tables"),
        (server_checks.rights, {"may_use_temporary": False}, "fail", "temporary"),
        (server_checks.durability, {}, "ok", "fsync on, full_page_writes on, synchronous_commit on"),
        (server_checks.durability, {"fsync": False}, "fail", "fsync off"),
        (server_checks.durability, {"full_page_writes": False}, "fail", "full_page_writes off"),
        (server_checks.durability, {"synchronous_commit": "off"}, "fail", "synchronous_commit off"),
        (server_checks.durability, {"synchronous_commit": "remote_apply"}, "ok", "remote_apply"),
        (server_checks.server_clock, {}, "ok", "the same as here, within 1 ms"),
        (server_checks.server_clock, {"clock_ahead_ms": -900}, "ok", "0.900 s behind"),
        (server_checks.server_clock, {"clock_ahead_ms": 3000}, "warn", "3.000 s ahead of"),
        (server_checks.server_clock, {"clock_ahead_ms": -61_000}, "fail", "61.000 s behind"),
    ],
)
def test_what_a_server_must_be_like(check: Any, changes: dict[str, Any], state: str, says: str) -> None:
    """Each fact by itself decides; whatever fails or warns says what to do."""
    found = check(GOOD._replace(**changes))

    assert (found.state, says in found.found) == (state, True), found
    assert bool(found.advice) == (state != "ok")


def test_connections_that_are_left() -> None:
    """Fewer than we need is a warning."""
    assert server_checks.connections(GOOD, 2).state == "ok"
    assert server_checks.connections(GOOD._replace(connections_free=7), 2).state == "warn"


def test_the_release_of_the_tables() -> None:
    """No tables are no fault: `serve` makes them; old ones come forward by themselves."""
    assert server_checks.schema(3, []).found == "version 3"
    assert server_checks.schema(0, ["0001_tables"]).state == "ok"
    assert server_checks.schema(2, ["0003_views"])[1:3] == ("warn", "version 2; not applied yet: 0003_views")


def test_features_of_timescaledb_and_why_one_is_off() -> None:
    """Without the extension nothing is missing; with it, what is off is told with its reason."""
    features = {"hypertable": "on", "columnstore": "on: 7 days", "continuous_aggregate": "on"}
    layout = {"layout": "hypertable", "timescaledb_version": "2.17.2", "timescaledb_license": "timescale"}
    assert server_checks.timescale({**layout, "features": features}).state == "ok"

    found = server_checks.timescale({**layout, "features": features | {"columnstore": "off: the licence is apache"}})
    assert (found.state, "columnstore off: the licence is apache" in found.found) == ("warn", True)

    plain = {"layout": "partitions", "features": {"hypertable": "off: the database has no TimescaleDB"}}
    assert server_checks.timescale(plain)[1:3] == ("ok", "not used: the database has no TimescaleDB")


def test_days_ahead_matter_while_somebody_serves() -> None:
    """A serving pipeline has made days ahead; without one they come with the next start."""
    layout = {"layout": "partitions", "days": 2, "bytes_by_day": {"2026-01-02": 1, "2026-01-01": 1}}
    assert [check.state for check in server_checks.days_ahead(layout, is_serving=True)] == ["warn"]
    assert [check.state for check in server_checks.days_ahead(layout, is_serving=False)] == ["ok"]
    ahead = {**layout, "bytes_by_day": {"2999-01-01": 1}}
    assert [check.found for check in server_checks.days_ahead(ahead, is_serving=True)] == [
        "1 partitions ready for the days to come, 2 in all"
    ]
    assert list(server_checks.days_ahead({"layout": "hypertable"}, is_serving=True)) == []


def test_a_store_in_a_file_has_no_server(tmp_path: Path) -> None:
    """Nothing is asked."""
    assert list(server_checks.run(Settings(data=tmp_path))) == []


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    """One failure with advice, and no password in it."""
    config = Settings(data=tmp_path, store="postgresql://jtgate:hidden-word@127.0.0.1:1/jtgate")

    (found,) = server_checks.run(config)

    assert (found.name, found.state) == ("store server", "fail")
    assert "hidden-word" not in str(found)


def test_a_real_server(postgres_url: str, tmp_path: Path) -> None:
    """What is asked of a server, in this order; an empty database has no tables yet and nothing is made by asking."""
    facts = examine(postgres_url)
    assert (facts.encoding, facts.is_replica, facts.is_read_only, facts.may_create) == ("UTF8", False, False, True)
    assert abs(facts.clock_ahead_ms) < 1000

    found = {check.name: check for check in server_checks.run(Settings(data=tmp_path, store=postgres_url))}

    assert list(found) == [
        "store server",
        "store rights",
        "store durability",
        "store clock",
        "store connections",
        "store schema",
    ]
    assert {check.state for name, check in found.items() if name != "store durability"} == {"ok"}
    assert schemas(postgres_url) == set()


def test_a_user_without_rights(postgres_url: str, tmp_path: Path) -> None:
    """Somebody who may read only is told so before anything is started."""
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute("CREATE ROLE doctor_reader")
        try:
            server.execute("GRANT doctor_reader TO CURRENT_USER")
            server.execute("CREATE SCHEMA t_doctor")
            reader = f"{postgres_url}{'&' if '?' in postgres_url else '?'}options=-c%20role%3Ddoctor_reader"
            facts = examine(reader, schema="t_doctor")
        finally:
            server.execute("DROP SCHEMA IF EXISTS t_doctor")
            server.execute("DROP ROLE doctor_reader")

    assert (facts.schemas, facts.closed_schemas, facts.may_create) == (("t_doctor",), ("t_doctor",), False)
    assert server_checks.rights(facts).state == "fail"


# -------------------------------------------------------------------------------------------- the contract


def schemas(url: str) -> set[str]:
    """Schemas of stores in a database."""
    with psycopg.connect(url) as server:
        found = server.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'jtgate%'").fetchall()
    return {str(name) for (name,) in found}


def few(monkeypatch: pytest.MonkeyPatch, *checks: Check) -> None:
    """Promise less: all of them take half a minute."""
    monkeypatch.setattr(contract, "CHECKS", checks)


def named(name: str) -> Check:
    """A promise by its name."""
    return next(check for check in contract.CHECKS if check.name == name)


KEPT = named("every_column_comes_back")


@promise
def is_broken(store: Store) -> None:
    """Cannot be kept."""
    write(store, positions=[])
    raise ContractBroken("found 1 instead of 2")


@pytest.fixture(params=["sqlite", "postgres"])
def served(request: pytest.FixtureRequest, world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A world whose store is of each kind; afterwards it is as it was."""
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
        monkeypatch.setenv("JTGATE_STORE", url)
        yield world
        assert schemas(url) == set()
        return
    with closing(open_store("", world.data)) as store:
        store.migrate()
        store.write(StoreBatch(), consumer="pipeline", seq=7)
    yield world
    with closing(open_store("", world.data)) as store:
        assert (store.cursor("pipeline"), store.positions()) == (7, [])


def test_every_promise_is_kept_here(world: World) -> None:
    """All of them on the disk of the data folder, without a trace; the store itself is not opened."""
    result = world.run("doctor", "--store-contract", "--json")

    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["name"] for row in found] == [check.name for check in contract.CHECKS]
    assert {(row["name"], row["fault"]) for row in found if row["state"] != "kept"} == set()
    assert result.exit_code == 0
    assert list(world.data.iterdir()) == []


def test_a_broken_promise_is_exit_code_1(served: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table of all promises, and what was found instead."""
    few(monkeypatch, KEPT, is_broken)

    result = served.run("doctor", "--store-contract")

    lines = result.stdout.splitlines()
    assert result.exit_code == 1
    assert [line.split()[:2] for line in lines[1:3]] == [["kept", "positions"], ["broken", "test_cli_doctor_store"]]
    assert lines[3] == "broken: test_cli_doctor_store, is_broken: found 1 instead of 2"
    assert lines[4] == "1 kept, 1 broken"


def test_kept_promises_are_exit_code_0(served: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """And JSON has an object for each."""
    few(monkeypatch, KEPT)

    result = served.run("doctor", "--store-contract", "--json")

    assert result.exit_code == 0
    row = json.loads(result.stdout)
    assert (row["theme"], row["name"], row["state"], row["fault"]) == ("positions", KEPT.name, "kept", "")


def test_interrupting_leaves_nothing(served: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the middle of a check removes what was made."""
    before = sorted(served.data.iterdir())

    def interrupted(_check: Check, open_store: StoreOpener, _limit_s: float) -> str:
        open_store().migrate()
        raise KeyboardInterrupt

    monkeypatch.setattr("jtgate.storage.contract.running._fault_of", interrupted)

    result = served.run("doctor", "--store-contract")

    assert result.exit_code == 1
    assert "kept" not in result.stdout
    assert sorted(served.data.iterdir()) == before


def test_a_store_that_nobody_can_reach(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Said in one line with what to do, and no password in it."""
    monkeypatch.setenv("JTGATE_STORE", "postgresql://jtgate:hidden-word@127.0.0.1:1/jtgate")

    result = world.run("doctor", "--store-contract")

    assert result.exit_code == 69
    assert "the store cannot be tried out: " in result.stderr
    assert "dropped" not in result.stderr  # nothing was made
    assert "hidden-word" not in result.output


def test_the_place_is_beside_the_store(postgres_url: str, tmp_path: Path) -> None:
    """A schema of its own in the same database, gone afterwards; a store that is kept open is closed."""
    with scratch_place(postgres_url, tmp_path) as (where, place):
        assert where.startswith(f"schema {SCHEMA_PREFIX}")
        with place() as open_store_there:
            store = open_store_there()
            store.migrate()
            assert schemas(postgres_url) == {where.split()[1], f"{where.split()[1]}_v1"}
        assert schemas(postgres_url) == set()
        with pytest.raises(StoreError):
            store.terminals()
        with pytest.raises(StoreError, match="given up"):
            open_store_there()


def test_the_folder_of_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    """There is no room beside a file in a folder that is not there."""
    with pytest.raises(StoreUnavailable, match="no folder can be made"), scratch_place("", tmp_path / "missing"):
        pass
