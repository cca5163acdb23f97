"""The embedded store: one SQLite file; the pipeline writes it in bulk, others read it meanwhile (design D7).

Every commit is synced (synchronous=FULL): a batch is one commit, so that costs one fsync per batch, and a
cursor that `write` has moved survives a power cut. So progress may be published, and the spool deleted
behind it, as soon as `write` has returned.

Opening makes no table. A file that nobody has migrated answers every question with StoreUnavailable.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import apsw

from jtgate.codecs import timebase
from jtgate.storage.model import POSITION_COLUMNS, RESEND_WINDOW_MS, PartRow, StoreBatch, Written
from jtgate.storage.sqlite import registry
from jtgate.storage.sqlite.connection import Database, open_connection
from jtgate.storage.sqlite.migrations import migrations
from jtgate.storage.sqlite.retention import delete_before
from jtgate.storage.sqlite.rollup import HourlyFigures
from jtgate.storage.sqlite.writes import COUNTED_TABLES, set_cursor, write_batch
from jtgate.storage.store import Key, Row, StoreError, StoreTooNew, StoreUnavailable, TimedKey
from jtgate.storage.tables import BY_KEY, Table, paged, readable

#: The hot pages of the index on the terminal: about one page of 4 KiB for each of 10,000 terminals.
CACHE_BYTES = 64 << 20
#: A page written by many batches is copied once: at 16 MiB the store is a third slower.
CHECKPOINT_BYTES = 64 << 20

_MIGRATIONS_TABLE = """
CREATE TABLE IF NOT EXISTS jtgate_migrations (
    version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_ms INTEGER NOT NULL
) STRICT
"""
_SMALL_TABLES = ("terminals", "sessions", "quarantine", "parts")
#: Views for other programs begin with this.
_VIEWS = "jtgate_v1_"
_ANY_TIME_MS = 1 << 62
_AND_HELD = "AND q.state = 'held'"

#: Key of the newest live position of terminal `t`; the bound steps over what lies in the future.
_NEWEST_LIVE = f"""
positions AS p ON (p.device_time_ms, p.terminal_id, p.fingerprint) = (
    SELECT n.device_time_ms, n.terminal_id, n.fingerprint FROM positions AS n
    WHERE n.terminal_id = t.id AND n.backfill = 0 AND n.time_state <> {timebase.TIME_IN_FUTURE}
    AND n.device_time_ms <= :future_ms
    ORDER BY n.device_time_ms DESC, n.received_ms DESC LIMIT 1
)
"""
_POSITION_FIELDS = "t.terminal, " + ", ".join(f"p.{name}" for name in POSITION_COLUMNS)


class SqliteStore:
    """`Store` in one SQLite file.

    Args:
        path: the file; made when missing, with its folder.

    Raises:
        StoreTooNew: a later release wrote it.
        StoreUnavailable: it cannot be opened now.
    """

    def __init__(self, path: Path) -> None:
        self._db = Database(path, unavailable=StoreUnavailable, failed=StoreError, connect=_connect)
        self._figures = HourlyFigures(self._db)
        try:
            self._refuse_newer()
        except BaseException:
            self._db.close()
            raise

    def migrate(self) -> list[str]:
        """See Store."""
        with self._db.transaction() as connection:
            connection.execute(_MIGRATIONS_TABLE)
            self._refuse_newer()
            done = {version for (version,) in connection.execute("SELECT version FROM jtgate_migrations")}
            pending = [migration for migration in migrations() if migration.version not in done]
            for migration in pending:
                connection.execute(migration.sql)
                connection.execute(
                    "INSERT INTO jtgate_migrations VALUES (?, ?, ?)",
                    (migration.version, migration.name, timebase.now_ms()),
                )
        return [migration.name for migration in pending]

    def pending(self) -> list[str]:
        """See Store."""
        table = self._db.number("SELECT count(*) FROM sqlite_master WHERE name = 'jtgate_migrations'")
        found = self._db.query("SELECT version FROM jtgate_migrations") if table else []
        done = {version for (version,) in found}
        return [migration.name for migration in migrations() if migration.version not in done]

    def terminal_ids(self, phones: Iterable[str], now_ms: int) -> dict[str, int]:
        """See Store."""
        wanted = set(phones)
        ids = self._known_ids(wanted)
        missing = sorted(wanted - ids.keys())
        if missing:
            with self._db.transaction() as connection:
                connection.executemany(
                    "INSERT OR IGNORE INTO terminals (terminal, first_seen_ms) VALUES (?, ?)",
                    [(terminal, now_ms) for terminal in missing],
                )
            ids |= self._known_ids(missing)
        return ids

    def write(self, batch: StoreBatch, *, consumer: str, seq: int) -> Written:
        """See Store. Counted are positions, alarm events, card events, messages and quarantined messages.

        Raises:
            StoreUnavailable: nothing was written; the same call may be repeated.
            StoreError: a value does not fit its column; nothing was written.
        """
        try:
            with self._db.transaction() as connection:
                written = write_batch(connection, batch)
                set_cursor(connection, consumer, seq)
        except (TypeError, ValueError, OverflowError) as error:
            raise StoreError(f"a value does not fit its column: {type(error).__name__}") from error
        return written

    def cursor(self, consumer: str) -> int:
        """See Store."""
        return self._db.number("SELECT seq FROM cursors WHERE consumer = ?", (consumer,))

    def move_cursors(self, places: Mapping[str, int]) -> None:
        """See Store."""
        with self._db.transaction() as connection:
            for consumer, seq in places.items():
                set_cursor(connection, consumer, seq)

    def open_parts(self) -> list[PartRow]:
        """See Store."""
        columns = ", ".join(PartRow._fields)
        found = self._db.query(f"SELECT {columns} FROM parts ORDER BY received_us, spool_seq, rowid")
        return [PartRow._make(values) for values in found]

    def last_flags(self) -> dict[int, tuple[int, int, int]]:
        """See Store. Flags that the terminal did not send are 0."""
        found = self._db.query(
            "SELECT t.id, p.device_time_ms, coalesce(p.alarm_flags, 0), coalesce(p.video_alarm_flags, 0) "
            f"FROM terminals AS t JOIN {_NEWEST_LIVE}",
            {"future_ms": _future_ms()},
        )
        return {int(values[0]): (values[1], values[2], values[3]) for values in found}

    def models(self) -> dict[int, tuple[str, str]]:
        """See Store."""
        found = self._db.query(
            "SELECT id, coalesce(manufacturer, ''), coalesce(model, '') FROM terminals "
            "WHERE manufacturer IS NOT NULL OR model IS NOT NULL"
        )
        return {int(values[0]): (values[1], values[2]) for values in found}

    def zones(self) -> dict[int, frozenset[int]]:
        """See Store."""
        found: dict[int, set[int]] = {}
        for terminal_id, minutes in self._db.query("SELECT terminal_id, zone_minutes FROM terminal_zones"):
            found.setdefault(terminal_id, set()).add(minutes)
        return {terminal_id: frozenset(minutes) for terminal_id, minutes in found.items()}

    def stored(self, table: str, keys: Collection[Key]) -> set[Key]:
        """See Store."""
        known = BY_KEY.get(table)
        if known is None:
            raise StoreError(f"rows of {table} are not asked for by key")
        given = [tuple(key) for key in keys]
        same = [f"r.{name} = k.value ->> {number}" for number, name in enumerate(known.key)]
        if table == "messages":
            same[-1] = f"r.received_ms BETWEEN (k.value ->> 4) - {RESEND_WINDOW_MS} AND k.value ->> 4"
        found = self._db.query(
            f"SELECT k.key FROM json_each(?) AS k WHERE EXISTS (SELECT 1 FROM {table} AS r WHERE {' AND '.join(same)})",
            (json.dumps(given),),
        )
        return {given[number] for (number,) in found}

    def transport_of(self, session_id: int) -> str:
        """See Store."""
        found = self._db.query("SELECT coalesce(transport, '') FROM sessions WHERE session_id = ?", (session_id,))
        return str(found[0][0]) if found else ""

    def terminals(
        self, *, prefix: str = "", terminals: Collection[str] | None = None, after: str | None = None, limit: int = 1000
    ) -> list[Row]:
        """See Store."""
        return self._rows(
            "SELECT id AS terminal_id, * FROM terminals WHERE terminal >= :prefix AND terminal < :prefix_end "
            f"{'AND terminal > :after' if after is not None else ''} AND {_among('terminal', terminals)} "
            "ORDER BY terminal LIMIT :limit",
            prefix=prefix,
            prefix_end=prefix + "\U0010ffff",
            terminals=_listed(terminals),
            after=after,
            limit=limit,
        )

    def sessions(
        self,
        *,
        terminal: str | None = None,
        terminals: Collection[str] | None = None,
        open_only: bool = False,
        before: int | None = None,
        limit: int = 100,
    ) -> list[Row]:
        """See Store. `closed_ms` and `reason` are None while a session is open."""
        return self._rows(
            f"SELECT t.terminal, s.* FROM sessions AS s LEFT JOIN terminals AS t ON t.id = s.terminal_id "
            f"WHERE {_of_terminal('s', terminal)} AND {_of_terminals('s', terminals)} "
            f"{'AND s.closed_ms IS NULL' if open_only else ''} "
            f"{'AND s.session_id < :before' if before is not None else ''} ORDER BY s.session_id DESC LIMIT :limit",
            terminal=terminal,
            terminals=_listed(terminals),
            before=before,
            limit=limit,
        )

    def positions(
        self,
        *,
        terminal: str | None = None,
        from_ms: int = 0,
        to_ms: int | None = None,
        after: TimedKey | None = None,
        limit: int = 1000,
    ) -> list[Row]:
        """See Store. `to_ms` is included."""
        beyond = ""
        if after is not None:
            from_ms = max(from_ms, after[1])
            beyond = (
                "AND (p.device_time_ms, p.terminal_id, p.fingerprint) > (:after_time_ms, :after_id, :after_fingerprint)"
            )
        after_id, after_time_ms, after_fingerprint = after or (None, None, None)
        return self._rows(
            f"SELECT {_POSITION_FIELDS} FROM positions AS p JOIN terminals AS t ON t.id = p.terminal_id "
            f"WHERE {_of_terminal('p', terminal)} AND p.device_time_ms BETWEEN :from_ms AND :to_ms {beyond} "
            "ORDER BY p.device_time_ms, p.terminal_id, p.fingerprint LIMIT :limit",
            terminal=terminal,
            after_id=after_id,
            after_time_ms=after_time_ms,
            after_fingerprint=after_fingerprint,
            from_ms=from_ms,
            to_ms=_ANY_TIME_MS if to_ms is None else to_ms,
            limit=limit,
        )

    def last_positions(
        self,
        *,
        terminal: str | None = None,
        terminals: Collection[str] | None = None,
        after: str | None = None,
        limit: int = 1000,
    ) -> list[Row]:
        """See Store."""
        return self._rows(
            f"SELECT {_POSITION_FIELDS} FROM terminals AS t JOIN {_NEWEST_LIVE} "
            f"WHERE {'t.terminal = :terminal' if terminal is not None else '1'} "
            f"{'AND t.terminal > :after' if after is not None else ''} AND {_among('t.terminal', terminals)} "
            "ORDER BY t.terminal LIMIT :limit",
            terminal=terminal,
            terminals=_listed(terminals),
            after=after,
            future_ms=_future_ms(),
            limit=limit,
        )

    def page(
        self,
        table: str,
        *,
        terminals: Collection[str] | None = None,
        from_ms: int = 0,
        to_ms: int | None = None,
        matching: Mapping[str, object] | None = None,
        before: tuple[int, int] | None = None,
        limit: int = 100,
    ) -> list[Row]:
        """See Store."""
        known = paged(table, matching or {})
        same = "".join(f" AND {_matches(name, value)}" for name, value in (matching or {}).items())
        time_ms, row_id = before or (None, None)
        theirs = _of_terminals("e", terminals) if known.has_terminal or terminals is None else "0"
        return self._rows(
            f"{_select(known)} WHERE {theirs} AND e.{known.time} BETWEEN :from_ms AND :to_ms {same} "
            f"{f'AND (e.{known.time}, e.id) < (:time_ms, :row_id)' if before is not None else ''} "
            f"ORDER BY e.{known.time} DESC, e.id DESC LIMIT :limit",
            terminals=_listed(terminals),
            from_ms=from_ms,
            to_ms=min(_ANY_TIME_MS if to_ms is None else to_ms, _ANY_TIME_MS if time_ms is None else time_ms),
            time_ms=time_ms,
            row_id=row_id,
            limit=limit,
            **{f"m_{name}": _bound(value) for name, value in (matching or {}).items()},
        )

    def changed(self, table: str, *, since_ms: int, after_id: int = 0, limit: int = 1000) -> list[Row]:
        """See Store."""
        return self._rows(
            f"{_select(readable(table))} WHERE (e.updated_ms, e.id) > (:since_ms, :after_id) "
            "ORDER BY e.updated_ms, e.id LIMIT :limit",
            since_ms=since_ms,
            after_id=after_id,
            limit=limit,
        )

    def alarm_events(self, *, terminal: str | None = None, from_ms: int = 0, limit: int = 1000) -> list[Row]:
        """See Store."""
        return self._rows(
            "SELECT t.terminal, e.* FROM alarm_events AS e JOIN terminals AS t ON t.id = e.terminal_id "
            f"WHERE {_of_terminal('e', terminal)} AND e.alarm_time_ms >= :from_ms "
            "ORDER BY e.alarm_time_ms DESC, e.id DESC LIMIT :limit",
            terminal=terminal,
            from_ms=from_ms,
            limit=limit,
        )

    def alarm_events_after(self, after_id: int, *, limit: int = 1000) -> list[Row]:
        """See Store."""
        return self._rows(
            "SELECT t.terminal, e.* FROM alarm_events AS e JOIN terminals AS t ON t.id = e.terminal_id "
            "WHERE e.id > :after_id ORDER BY e.id LIMIT :limit",
            after_id=after_id,
            limit=limit,
        )

    def last_alarm_id(self) -> int:
        """See Store."""
        return self._db.number("SELECT max(id) FROM alarm_events")

    def card_events(self, *, terminal: str | None = None, from_ms: int = 0, limit: int = 1000) -> list[Row]:
        """See Store."""
        return self._rows(
            "SELECT t.terminal, e.* FROM card_events AS e JOIN terminals AS t ON t.id = e.terminal_id "
            f"WHERE {_of_terminal('e', terminal)} AND e.device_time_ms >= :from_ms "
            "ORDER BY e.device_time_ms DESC, e.id DESC LIMIT :limit",
            terminal=terminal,
            from_ms=from_ms,
            limit=limit,
        )

    def messages(self, *, terminal: str | None = None, msg_id: int | None = None, limit: int = 1000) -> list[Row]:
        """See Store. In the order of arrival."""
        return self._rows(
            "SELECT t.terminal, m.* FROM messages AS m JOIN terminals AS t ON t.id = m.terminal_id "
            f"WHERE {_of_terminal('m', terminal)} {'AND m.msg_id = :msg_id' if msg_id is not None else ''} "
            "ORDER BY m.id DESC LIMIT :limit",
            terminal=terminal,
            msg_id=msg_id,
            limit=limit,
        )

    def facts(
        self, table: str, *, terminal: str | None = None, from_ms: int = 0, to_ms: int | None = None, limit: int = 1000
    ) -> list[Row]:
        """See Store."""
        known = readable(table)
        theirs = _of_terminal("e", terminal) if known.has_terminal or terminal is None else "0"
        return self._rows(
            f"{_select(known)} WHERE {theirs} AND e.{known.time} BETWEEN :from_ms AND :to_ms "
            f"ORDER BY e.{known.time} DESC, e.id DESC LIMIT :limit",
            terminal=terminal,
            from_ms=from_ms,
            to_ms=_ANY_TIME_MS if to_ms is None else to_ms,
            limit=limit,
        )

    def views(self) -> dict[str, list[tuple[str, str]]]:
        """See Store. SQLite gives the type of a column only where it is a column of a table."""
        names = self._db.query(
            "SELECT name FROM sqlite_master WHERE type = 'view' AND name GLOB ? ORDER BY name", (f"{_VIEWS}*",)
        )
        return {
            name.removeprefix(_VIEWS): [
                (column, kind) for column, kind in self._db.query(f"SELECT name, type FROM pragma_table_info('{name}')")
            ]
            for (name,) in names
        }

    def view(self, name: str, *, terminal: str | None = None, limit: int = 1000) -> list[Row]:
        """See Store."""
        columns = {column for column, _ in self.views().get(name, ())}
        if not columns:
            raise StoreError(f"there is no view {name}")
        if terminal is not None and "terminal" not in columns:
            raise StoreError(f"rows of the view {name} are not of one terminal")
        own = "terminal = :terminal" if terminal is not None else "1"
        return self._rows(
            f"SELECT * FROM {_VIEWS}{name} WHERE {own} LIMIT :limit",
            terminal=terminal,
            limit=limit,
        )

    def registry_put(self, kind: str, rows: Sequence[Row], now_ms: int) -> list[str]:
        """See Store."""
        with self._db.transaction() as connection:
            return registry.put(connection, kind, rows, now_ms)

    def registry_rows(
        self,
        kind: str,
        *,
        key: Sequence[object] = (),
        at_ms: int | None = None,
        after: Sequence[object] = (),
        matching: Mapping[str, object] | None = None,
        limit: int = 1000,
    ) -> list[Row]:
        """See Store."""
        with self._db.locked() as connection:
            return registry.rows(connection, kind, key, at_ms, after, matching or {}, limit)

    def prepare(self, now_ms: int) -> int:
        """See Store. A file needs no preparation."""
        _ = now_ms
        return 0

    def roll_up(self, now_ms: int, *, hours_max: int = 48) -> int:
        """See Store."""
        return self._figures.roll_up(now_ms, hours_max)

    def quarantine(
        self,
        *,
        terminal: str | None = None,
        terminals: Collection[str] | None = None,
        held_only: bool = True,
        after_id: int = 0,
        limit: int = 1000,
    ) -> list[Row]:
        """See Store."""
        return self._rows(
            "SELECT q.*, q.received_us / 1000 AS received_ms FROM quarantine AS q WHERE q.id > :after_id "
            f"{'AND q.terminal = :terminal' if terminal is not None else ''} AND {_among('q.terminal', terminals)} "
            f"{_AND_HELD if held_only else ''} ORDER BY q.id LIMIT :limit",
            terminal=terminal,
            terminals=_listed(terminals),
            after_id=after_id,
            limit=limit,
        )

    def mark_replayed(self, ids: Sequence[int], now_ms: int) -> int:
        """See Store."""
        with self._db.transaction() as connection:
            connection.execute(
                "UPDATE quarantine SET state = 'replayed', replayed_ms = ? "
                "WHERE state = 'held' AND id IN (SELECT value FROM json_each(?))",
                (now_ms, json.dumps(list(ids))),
            )
            return connection.changes()

    def info(self) -> Mapping[str, object]:
        """See Store. All counts are exact: of the big tables as kept by the writes, of the others counted."""
        rows: dict[str, int] = dict.fromkeys(COUNTED_TABLES, 0)
        rows |= {str(name): int(count) for name, count in self._db.query("SELECT name, rows FROM row_counts")}
        rows |= {table: self._db.number(f"SELECT count(*) FROM {table}") for table in _SMALL_TABLES}
        files = (self._db.path, self._db.path.with_name(self._db.path.name + "-wal"))
        first = self._db.number("SELECT min(device_time_ms) FROM positions WHERE device_time_ms > 0")
        last = self._db.number("SELECT max(device_time_ms) FROM positions WHERE device_time_ms <= ?", (_future_ms(),))
        return {
            "backend": "sqlite",
            "path": str(self._db.path),
            "schema_version": self._db.number("SELECT max(version) FROM jtgate_migrations"),
            "rows": rows,
            "bytes_on_disk": sum(file.stat().st_size for file in files if file.exists()),
            "first_position_ms": first,
            "last_position_ms": last,
            "cursors": dict(self._db.query("SELECT consumer, seq FROM cursors")),
        }

    def retain(self, before_ms: int, *, rows_max: int = 20_000) -> int:
        """See Store. Open sessions and terminals are not deleted; of facts about alarms and trips see `retention`."""
        return delete_before(self._db, before_ms, rows_max)

    def close(self) -> None:
        """See Store."""
        self._db.close()

    def _rows(self, sql: str, **values: object) -> list[Row]:
        return list(self._db.rows(sql, values))

    def _known_ids(self, phones: Iterable[str]) -> dict[str, int]:
        found = self._db.query(
            "SELECT terminal, id FROM terminals WHERE terminal IN (SELECT value FROM json_each(?))",
            (json.dumps(list(phones)),),
        )
        return dict(found)

    def _refuse_newer(self) -> None:
        """Raise StoreTooNew when a later release has migrated the file."""
        table = self._db.number("SELECT count(*) FROM sqlite_master WHERE name = 'jtgate_migrations'")
        found = self._db.number("SELECT max(version) FROM jtgate_migrations") if table else 0
        known = migrations()[-1].version
        if found > known:
            raise StoreTooNew(
                f"{self._db.path.name} has schema version {found}, this release knows {known}: use the later release"
            )


def _connect(path: Path) -> apsw.Connection:
    return open_connection(path, cache_bytes=CACHE_BYTES, checkpoint_bytes=CHECKPOINT_BYTES)


def _among(field: str, terminals: Collection[str] | None) -> str:
    """Condition that a number of a terminal is one of those in the parameter `terminals`."""
    return "1" if terminals is None else f"{field} IN (SELECT value FROM json_each(:terminals))"


def _select(table: Table) -> str:
    """Rows of a table with their terminal; some tables have none."""
    own = "t.id = e.terminal_id" if table.has_terminal else "0"
    return f"SELECT t.terminal, e.* FROM {table.name} AS e LEFT JOIN terminals AS t ON {own}"


def _matches(name: str, value: object) -> str:
    """Condition that a column has a value, or one of several."""
    several = f"IN (SELECT value FROM json_each(:m_{name}))"
    return f"e.{name} {several if isinstance(value, frozenset) else f'= :m_{name}'}"


def _bound(value: object) -> object:
    return json.dumps(sorted(value)) if isinstance(value, frozenset) else value


def _of_terminals(alias: str, terminals: Collection[str] | None) -> str:
    """Condition on the terminals, in a form that uses the index on their ids."""
    own = f"SELECT id FROM terminals WHERE {_among('terminal', terminals)}"
    return "1" if terminals is None else f"{alias}.terminal_id IN ({own})"


def _listed(terminals: Collection[str] | None) -> str | None:
    return None if terminals is None else json.dumps(list(terminals))


def _of_terminal(alias: str, terminal: str | None) -> str:
    """Condition on the terminal, in a form that uses the index on its id."""
    if terminal is None:
        return "1"
    return f"{alias}.terminal_id = (SELECT id FROM terminals WHERE terminal = :terminal)"


def _future_ms() -> int:
    return timebase.now_ms() + timebase.FUTURE_LIMIT_MS
