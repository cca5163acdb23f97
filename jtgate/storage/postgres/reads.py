"""The questions to the store: one statement each, by indexes, in autocommit, on a connection of their own."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from jtgate.codecs import timebase
from jtgate.storage.model import (
    POSITION_COLUMNS,
    RESEND_WINDOW_MS,
    AlarmEventRow,
    MessageRow,
    PartRow,
    QuarantineRow,
    SessionClosed,
    SessionOpened,
    TerminalUpdate,
)
from jtgate.storage.postgres import registry
from jtgate.storage.postgres.connection import Link
from jtgate.storage.postgres.schema import views_schema
from jtgate.storage.postgres.times import column, moment, selected
from jtgate.storage.store import Key, Row, StoreError, TimedKey
from jtgate.storage.tables import ALARM_EVENTS, BY_KEY, CARD_EVENTS, POSITIONS, Table, paged, readable

#: The newest live position of terminal `t`; the bound steps over what lies in the future.
_NEWEST_LIVE: Final = f"""
CROSS JOIN LATERAL (
    SELECT n.* FROM positions_all AS n
    WHERE n.terminal_id = t.id AND n.backfill = 0 AND n.time_state <> {timebase.TIME_IN_FUTURE}
    AND n.device_time <= %(future)s
    ORDER BY n.device_time DESC, n.received DESC LIMIT 1
) AS p
"""
_POSITION_FIELDS: Final = f"t.terminal, {selected('p', POSITION_COLUMNS)}"
_TERMINAL_FIELDS: Final = selected(
    "t", ["id", "terminal", "first_seen_ms", "updated_ms", *(f for f in TerminalUpdate._fields[2:])]
)
_SESSION_FIELDS: Final = selected("s", [*SessionOpened._fields, *SessionClosed._fields[1:]])
_AND_AFTER: Final = 'AND t.terminal COLLATE "C" > %(after)s'
_AND_HELD: Final = "AND q.state = 'held'"


class Reader:
    """The reading half of the store.

    Args:
        reads: a connection for it.
        schema: of our tables.
    """

    def __init__(self, reads: Link, schema: str) -> None:
        self._reads = reads
        self._schema = schema

    def cursor(self, consumer: str) -> int:
        """See Store."""
        return self._reads.number("SELECT seq FROM cursors WHERE consumer = %s", (consumer,))

    def open_parts(self) -> list[PartRow]:
        """See Store."""
        fields = ", ".join(PartRow._fields)
        found = self._reads.query(f"SELECT {fields} FROM parts ORDER BY received_us, spool_seq, id")
        return [PartRow._make(values) for values in found]

    def last_flags(self) -> dict[int, tuple[int, int, int]]:
        """See Store. Flags that the terminal did not send are 0."""
        found = self._reads.query(
            f"SELECT t.id, {selected('p', ['device_time_ms'])}, coalesce(p.alarm_flags, 0), "
            f"coalesce(p.video_alarm_flags, 0) FROM terminals AS t {_NEWEST_LIVE}",
            {"future": _future()},
        )
        return {int(values[0]): (values[1], values[2], values[3]) for values in found}

    def models(self) -> dict[int, tuple[str, str]]:
        """See Store."""
        found = self._reads.query(
            "SELECT id, coalesce(manufacturer, ''), coalesce(model, '') FROM terminals "
            "WHERE manufacturer IS NOT NULL OR model IS NOT NULL"
        )
        return {int(values[0]): (values[1], values[2]) for values in found}

    def zones(self) -> dict[int, frozenset[int]]:
        """See Store."""
        found: dict[int, set[int]] = {}
        for terminal_id, minutes in self._reads.query("SELECT terminal_id, zone_minutes FROM terminal_zones"):
            found.setdefault(terminal_id, set()).add(minutes)
        return {terminal_id: frozenset(minutes) for terminal_id, minutes in found.items()}

    def stored(self, table: str, keys: Collection[Key]) -> set[Key]:
        """See Store."""
        known = BY_KEY.get(table)
        if known is None:
            raise StoreError(f"rows of {table} are not asked for by key")
        if not keys:
            return set()
        given = [tuple(key) for key in keys]
        numbers = self._reads.query(_stored_statement(known), [list(part) for part in _by_column(known, given)])
        return {given[number - 1] for (number,) in numbers}

    def transport_of(self, session_id: int) -> str:
        """See Store."""
        found = self._reads.query("SELECT coalesce(transport, '') FROM sessions WHERE session_id = %s", (session_id,))
        return str(found[0][0]) if found else ""

    def terminals(
        self, *, prefix: str = "", terminals: Collection[str] | None = None, after: str | None = None, limit: int = 1000
    ) -> list[Row]:
        """See Store."""
        return self._rows(
            f"SELECT t.id AS terminal_id, {_TERMINAL_FIELDS} FROM terminals AS t "
            f"WHERE starts_with(t.terminal, %(prefix)s) {_AND_AFTER if after is not None else ''} "
            f'AND {_among("t.terminal", terminals)} ORDER BY t.terminal COLLATE "C" LIMIT %(limit)s',
            prefix=prefix,
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
            f"SELECT t.terminal, {_SESSION_FIELDS} FROM sessions AS s LEFT JOIN terminals AS t ON t.id = s.terminal_id "
            f"WHERE {_of_terminal('s', terminal)} AND {_of_terminals('s', terminals)} "
            f"{'AND s.closed IS NULL' if open_only else ''} "
            f"{'AND s.session_id < %(before)s' if before is not None else ''} "
            "ORDER BY s.session_id DESC LIMIT %(limit)s",
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
        key = "p.device_time, p.terminal_id, p.fingerprint" if terminal is None else "p.device_time, p.fingerprint"
        beyond = ""
        if after is not None:
            from_ms = max(from_ms, after[1])
            own = "%(after_time)s, %(after_id)s, %(after_print)s"
            beyond = f"AND ({key}) > ({own if terminal is None else own.replace('%(after_id)s, ', '')})"
        until = "" if to_ms is None else "AND p.device_time <= %(to)s"
        return self._rows(
            f"SELECT {_POSITION_FIELDS} FROM positions_all AS p JOIN terminals AS t ON t.id = p.terminal_id "
            f"WHERE {_of_terminal('p', terminal)} AND p.device_time >= %(from)s {until} {beyond} "
            f"ORDER BY {key} LIMIT %(limit)s",
            terminal=terminal,
            limit=limit,
            **{
                "from": moment(from_ms),
                "to": moment(to_ms),
                "after_time": moment(after[1]) if after else None,
                "after_id": after[0] if after else None,
                "after_print": after[2] if after else None,
            },
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
            f"SELECT {_POSITION_FIELDS} FROM terminals AS t {_NEWEST_LIVE} "
            f"WHERE {'t.terminal = %(terminal)s' if terminal is not None else 'true'} "
            f"{_AND_AFTER if after is not None else ''} AND {_among('t.terminal', terminals)} "
            'ORDER BY t.terminal COLLATE "C" LIMIT %(limit)s',
            terminal=terminal,
            terminals=_listed(terminals),
            after=after,
            future=_future(),
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
        at = f"e.{column(known.time)}"
        theirs = _of_terminals("e", terminals) if known.has_terminal or terminals is None else "false"
        conditions = [theirs, f"{at} >= %(from)s"]
        conditions += [_matches(name, value) for name, value in (matching or {}).items()]
        if to_ms is not None:
            conditions.append(f"{at} <= %(to)s")
        if before is not None:
            conditions.append(f"({at}, e.id) < (%(time)s, %(row_id)s)")
        return self._rows(
            f"{_select(known)} WHERE {' AND '.join(conditions)} ORDER BY {at} DESC, e.id DESC LIMIT %(limit)s",
            terminals=_listed(terminals),
            limit=limit,
            row_id=before[1] if before else None,
            time=moment(before[0]) if before else None,
            **{"from": moment(from_ms), "to": moment(to_ms)},
            **{f"m_{name}": _bound(value) for name, value in (matching or {}).items()},
        )

    def changed(self, table: str, *, since_ms: int, after_id: int = 0, limit: int = 1000) -> list[Row]:
        """See Store."""
        return self._rows(
            f"{_select(readable(table))} WHERE (e.updated, e.id) > (%(since)s, %(after_id)s) "
            "ORDER BY e.updated, e.id LIMIT %(limit)s",
            since=moment(since_ms),
            after_id=after_id,
            limit=limit,
        )

    def alarm_events(self, *, terminal: str | None = None, from_ms: int = 0, limit: int = 1000) -> list[Row]:
        """See Store."""
        return self._newest(ALARM_EVENTS, terminal, from_ms, None, limit)

    def alarm_events_after(self, after_id: int, *, limit: int = 1000) -> list[Row]:
        """See Store. One transaction at a time gives out their ids (`writes`), so they are seen in order."""
        return self._rows(
            f"SELECT t.terminal, e.id, {selected('e', AlarmEventRow._fields)} FROM alarm_events AS e "
            "JOIN terminals AS t ON t.id = e.terminal_id WHERE e.id > %(after_id)s ORDER BY e.id LIMIT %(limit)s",
            after_id=after_id,
            limit=limit,
        )

    def last_alarm_id(self) -> int:
        """See Store."""
        return self._reads.number("SELECT coalesce(max(id), 0) FROM alarm_events")

    def card_events(self, *, terminal: str | None = None, from_ms: int = 0, limit: int = 1000) -> list[Row]:
        """See Store."""
        return self._newest(CARD_EVENTS, terminal, from_ms, None, limit)

    def facts(
        self, table: str, *, terminal: str | None = None, from_ms: int = 0, to_ms: int | None = None, limit: int = 1000
    ) -> list[Row]:
        """See Store."""
        return self._newest(readable(table), terminal, from_ms, to_ms, limit)

    def messages(self, *, terminal: str | None = None, msg_id: int | None = None, limit: int = 1000) -> list[Row]:
        """See Store. In the order of arrival."""
        return self._rows(
            f"SELECT t.terminal, m.id, {selected('m', MessageRow._fields)} FROM messages AS m "
            "JOIN terminals AS t ON t.id = m.terminal_id "
            f"WHERE {_of_terminal('m', terminal)} {'AND m.msg_id = %(msg_id)s' if msg_id is not None else ''} "
            "ORDER BY m.id DESC LIMIT %(limit)s",
            terminal=terminal,
            msg_id=msg_id,
            limit=limit,
        )

    def views(self) -> dict[str, list[tuple[str, str]]]:
        """See Store."""
        found: dict[str, list[tuple[str, str]]] = {}
        for view, name, kind in self._reads.query(
            "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_class AS c "
            "JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped "
            "WHERE c.relnamespace = to_regnamespace(%s) AND c.relkind = 'v' ORDER BY c.relname, a.attnum",
            (f'"{views_schema(self._schema)}"',),
        ):
            found.setdefault(view, []).append((name, kind))
        return found

    def view(self, name: str, *, terminal: str | None = None, limit: int = 1000) -> list[Row]:
        """See Store."""
        names = {column for column, _ in self.views().get(name, ())}
        if not names:
            raise StoreError(f"there is no view {name}")
        if terminal is not None and "terminal" not in names:
            raise StoreError(f"rows of the view {name} are not of one terminal")
        return self._rows(
            f'SELECT * FROM "{views_schema(self._schema)}"."{name}" '
            f"WHERE {'terminal = %(terminal)s' if terminal is not None else 'true'} LIMIT %(limit)s",
            terminal=terminal,
            limit=limit,
        )

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
        with self._reads.connection() as connection:
            return registry.rows(connection, kind, key, at_ms, after, matching or {}, limit)

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
        fields = selected("q", ["id", *QuarantineRow._fields, "state", "replayed_ms"])
        return self._rows(
            f"SELECT {fields}, q.received_us / 1000 AS received_ms FROM quarantine AS q WHERE q.id > %(after_id)s "
            f"{'AND q.terminal = %(terminal)s' if terminal is not None else ''} "
            f"AND {_among('q.terminal', terminals)} {_AND_HELD if held_only else ''} ORDER BY q.id LIMIT %(limit)s",
            terminal=terminal,
            terminals=_listed(terminals),
            after_id=after_id,
            limit=limit,
        )

    def _newest(
        self,
        table: Table,
        terminal: str | None,
        from_ms: int,
        to_ms: int | None,
        limit: int,
    ) -> list[Row]:
        at = f"e.{column(table.time)}"
        theirs = _of_terminal("e", terminal) if table.has_terminal or terminal is None else "false"
        return self._rows(
            f"{_select(table)} WHERE {theirs} AND {at} >= %(from)s "
            f"{'' if to_ms is None else f'AND {at} <= %(to)s'} ORDER BY {at} DESC, e.id DESC LIMIT %(limit)s",
            terminal=terminal,
            limit=limit,
            **{"from": moment(from_ms), "to": moment(to_ms)},
        )

    def _rows(self, statement: str, **values: object) -> list[Row]:
        return list(self._reads.rows(statement, values))


def _select(table: Table) -> str:
    """Rows of a table with their terminal; some tables have none."""
    own = "t.id = e.terminal_id" if table.has_terminal else "false"
    return (
        f"SELECT t.terminal, e.id, {selected('e', table.columns)} FROM {table.name} AS e "
        f"LEFT JOIN terminals AS t ON {own}"
    )


def _of_terminal(alias: str, terminal: str | None) -> str:
    """Condition on the terminal, in a form that uses the index on its id."""
    if terminal is None:
        return "true"
    return f"{alias}.terminal_id = (SELECT id FROM terminals WHERE terminal = %(terminal)s)"


def _among(field: str, terminals: Collection[str] | None) -> str:
    """Condition that a number of a terminal is one of those in the parameter `terminals`."""
    return "true" if terminals is None else f"{field} = ANY(%(terminals)s)"


def _matches(name: str, value: object) -> str:
    """Condition that a column has a value, or one of several."""
    return f"e.{column(name)} = {f'ANY(%(m_{name})s)' if isinstance(value, frozenset) else f'%(m_{name})s'}"


def _bound(value: object) -> object:
    return list(value) if isinstance(value, frozenset) else value


def _of_terminals(alias: str, terminals: Collection[str] | None) -> str:
    """Condition on the terminals, in a form that uses the index on their ids."""
    own = f"SELECT id FROM terminals WHERE {_among('terminal', terminals)}"
    return "true" if terminals is None else f"{alias}.terminal_id IN ({own})"


def _listed(terminals: Collection[str] | None) -> list[str] | None:
    return None if terminals is None else list(terminals)


def _future() -> Any:
    return moment(timebase.now_ms() + timebase.FUTURE_LIMIT_MS)


# ------------------------------------------------------------------------------------------ rows by natural key

_TYPES: Final = {"source": "text", "terminal_id": "integer", "msg_id": "integer", "serial": "integer"}


def _stored_statement(table: Table) -> str:
    """Numbers, from 1, of the keys that have a row; the keys come as one array for each of their parts."""
    arrays = ", ".join(f"%s::{_type(name)}[]" for name in table.key)
    parts = ", ".join(f"k{number}" for number in range(len(table.key)))
    same = [f"r.{column(name)} = k.k{number}" for number, name in enumerate(table.key)]
    if table.name == "messages":
        same[-1] = f"r.received BETWEEN k.k4 - interval '{RESEND_WINDOW_MS} milliseconds' AND k.k4"
    rows = "positions_all" if table is POSITIONS else table.name
    return (
        f"SELECT k.number FROM unnest({arrays}) WITH ORDINALITY AS k ({parts}, number) "
        f"WHERE EXISTS (SELECT FROM {rows} AS r WHERE {' AND '.join(same)})"
    )


def _type(field: str) -> str:
    return "timestamptz" if field.endswith("_ms") else _TYPES.get(field, "bigint")


def _by_column(table: Table, keys: Sequence[Key]) -> Iterable[Iterable[object]]:
    for name, part in zip(table.key, zip(*keys, strict=True), strict=True):
        yield map(moment, part) if name.endswith("_ms") else part
