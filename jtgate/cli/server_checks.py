"""The checks of `jtgate doctor` on a database server that holds the store."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from jtgate import runfiles
from jtgate.cli.checks import FAIL, OK, WARN, Check
from jtgate.codecs.timebase import from_ms, now_ms
from jtgate.settings import Settings
from jtgate.storage import open_store
from jtgate.storage.open import store_server
from jtgate.storage.store import StoreError, StoreTooNew, StoreUrlError

if TYPE_CHECKING:
    from jtgate.storage.postgres.examine import ServerFacts

_ENCODING: Final = "UTF8"
#: Connections of pipeline, API and one command, beside those that write positions.
_CONNECTIONS: Final = 6
_CLOCK_WARN_MS: Final = 2_000
_CLOCK_FAIL_MS: Final = 60_000
#: Commits that are on the disk of the server before they are answered.
_DURABLE_COMMITS: Final = ("on", "local", "remote_write", "remote_apply")


def run(config: Settings) -> Iterator[Check]:
    """Every check of the server, in the order in which one would fix things; none when the store is a file."""
    named = store_server(config.store)
    if named is None:
        return
    from jtgate.storage.postgres.examine import examine

    try:
        facts = examine(named.url)
    except StoreUrlError as error:
        yield Check("store server", FAIL, str(error), "mend the setting, then run this again")
        return
    except StoreError as error:
        advice = "is it running, does it listen for this machine, and do user and password fit (pg_hba.conf)?"
        yield Check("store server", FAIL, str(error), advice)
        return
    yield server(facts)
    yield rights(facts)
    yield durability(facts)
    yield server_clock(facts)
    yield connections(facts, config.store_writers)
    yield from tables(config)


def server(facts: "ServerFacts") -> Check:
    """Whether it is a server that takes rows, of any language."""
    found = f"PostgreSQL {facts.version} at {facts.address}, user {facts.user}"
    if facts.is_replica:
        return Check("store server", FAIL, f"{found}: a standby, which only reads", "name the primary server")
    if facts.is_read_only:
        advice = "look at default_transaction_read_only of the server, the database and the user"
        return Check("store server", FAIL, f"{found}: transactions are read-only", advice)
    if facts.encoding != _ENCODING:
        advice = "make a database with ENCODING 'UTF8': names and plates are Chinese"
        return Check("store server", FAIL, f"{found}: encoding {facts.encoding}", advice)
    return Check("store server", OK, found)


def rights(facts: "ServerFacts") -> Check:
    """Whether the user may make what a store needs."""
    name, user = "store rights", facts.user
    if facts.closed_schemas:
        found = f"{user} may not make tables in schema {', '.join(facts.closed_schemas)}"
        return Check(name, FAIL, found, f"ALTER SCHEMA {facts.closed_schemas[0]} OWNER TO {user}")
    if facts.foreign_tables:
        found = f"{facts.foreign_tables} tables of the store belong to somebody else"
        return Check(name, FAIL, found, f"REASSIGN OWNED BY the other user TO {user}, or connect as that user")
    if not facts.schemas and not facts.may_create:
        advice = f"GRANT CREATE ON DATABASE … TO {user}, or make the schemas and give them to {user}"
        return Check(name, FAIL, f"{user} may not make schemas in the database", advice)
    if not facts.may_use_temporary:
        return Check(name, FAIL, f"{user} may not make temporary tables", f"GRANT TEMPORARY ON DATABASE … TO {user}")
    return Check(name, OK, f"{user} may make schemas, tables and temporary tables")


def durability(facts: "ServerFacts") -> Check:
    """Whether what the server has committed survives a power cut: the spool is deleted behind it."""
    name = "store durability"
    found = (
        f"fsync {_on(facts.fsync)}, full_page_writes {_on(facts.full_page_writes)}, "
        f"synchronous_commit {facts.synchronous_commit}"
    )
    if not facts.fsync or not facts.full_page_writes:
        return Check(name, FAIL, found, "switch fsync and full_page_writes on: a power cut can destroy the database")
    if facts.synchronous_commit not in _DURABLE_COMMITS:
        advice = f"ALTER ROLE {facts.user} SET synchronous_commit = on: a power cut takes rows that count as stored"
        return Check(name, FAIL, found, advice)
    return Check(name, OK, found)


def server_clock(facts: "ServerFacts") -> Check:
    """Whether the server has the same time: its views compare rows with it."""
    away_ms = abs(facts.clock_ahead_ms)
    if away_ms <= facts.clock_doubt_ms:
        return Check("store clock", OK, f"the same as here, within {facts.clock_doubt_ms} ms")
    side = "ahead of" if facts.clock_ahead_ms > 0 else "behind"
    found = f"{away_ms / 1000:.3f} s {side} this machine"
    if away_ms <= _CLOCK_WARN_MS:
        return Check("store clock", OK, found)
    return Check("store clock", FAIL if away_ms > _CLOCK_FAIL_MS else WARN, found, "set both by NTP")


def connections(facts: "ServerFacts", writers: int) -> Check:
    """Whether the server has connections left for us."""
    needed = _CONNECTIONS + writers
    found = f"{facts.connections_free} free, up to {needed} are used"
    if facts.connections_free < needed:
        return Check(
            "store connections", WARN, found, "raise max_connections, or find who holds them: pg_stat_activity"
        )
    return Check("store connections", OK, found)


def tables(config: Settings) -> Iterator[Check]:
    """What release the tables are of, and how positions are laid out."""
    try:
        store = open_store(config.store, config.data)
    except StoreTooNew as error:
        yield Check("store schema", FAIL, str(error), "use the jtgate that wrote it, or a later one")
        return
    except StoreError as error:
        yield Check("store schema", FAIL, str(error), "look at the log of the server")
        return
    try:
        pending = store.pending()
        version: object = 0
        layout: object = None
        if len(pending) < _all_migrations():
            info = store.info()
            version, layout = info["schema_version"], info.get("layout")
    except StoreError as error:
        yield Check("store schema", FAIL, str(error), "look at the log of the server")
        return
    finally:
        store.close()
    yield schema(version, pending)
    if isinstance(layout, Mapping):
        yield timescale(layout)
        yield from days_ahead(layout, is_serving=runfiles.lock_holder(config.data) is not None)


def schema(version: object, pending: list[str]) -> Check:
    """Whether the tables are those of this release."""
    if not pending:
        return Check("store schema", OK, f"version {version}")
    if not version:
        return Check("store schema", OK, "no tables yet: `jtgate serve` makes them")
    found = f"version {version}; not applied yet: {', '.join(pending)}"
    return Check("store schema", WARN, found, "`jtgate store migrate`, or the next `jtgate serve`, applies them")


def timescale(layout: Mapping[str, object]) -> Check:
    """Which features of TimescaleDB the store uses, and why one is off."""
    features = layout.get("features")
    known = {str(name): str(state) for name, state in features.items()} if isinstance(features, Mapping) else {}
    if layout.get("layout") != "hypertable":
        return Check("timescaledb", OK, f"not used: {known.get('hypertable', '').removeprefix('off: ')}")
    told = "; ".join(f"{name.replace('_', ' ')} {state}" for name, state in known.items())
    found = f"{layout.get('timescaledb_version')} ({layout.get('timescaledb_license')}): {told}"
    if any(state.startswith("off") for state in known.values()):
        return Check("timescaledb", WARN, found, "the store is complete without; docs/store.md says what it costs")
    return Check("timescaledb", OK, found)


def days_ahead(layout: Mapping[str, object], *, is_serving: bool) -> Iterator[Check]:
    """Whether the days to come have their partitions; made by whoever serves."""
    days = layout.get("bytes_by_day")
    if layout.get("layout") != "partitions" or not isinstance(days, Mapping):
        return
    today = from_ms(now_ms()).date().isoformat()
    ahead = sum(str(day) > today for day in days)
    found = f"{ahead} partitions ready for the days to come, {layout.get('days')} in all"
    if ahead:
        yield Check("store days", OK, found)
    elif is_serving:
        yield Check("store days", WARN, found, "the pipeline makes them: read the log of `jtgate serve`")
    else:
        yield Check("store days", OK, f"{found}; `jtgate serve` makes them")


def _all_migrations() -> int:
    from jtgate.storage.postgres.migrations import migrations

    return len(migrations())


def _on(value: bool) -> str:
    return "on" if value else "off"
