"""The store in PostgreSQL: the pipeline writes it in bulk, others read it meanwhile (design D7).

Connections live as long as the store and are made again when they are lost: writers (one batch at a time, its
positions dealt out among them), one that reads, one for upkeep. A batch is safe when `write` returns: the
transaction with the cursor is committed last.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from jtgate.codecs import timebase
from jtgate.storage.model import HOUR_MS, PositionRow, StoreBatch, Written
from jtgate.storage.postgres import registry, retention, schema
from jtgate.storage.postgres.connection import (
    READ_TIMEOUT_S,
    WRITE_TIMEOUT_S,
    Link,
    checked_url,
    shown_url,
)
from jtgate.storage.postgres.copying import pack_rows
from jtgate.storage.postgres.layout import Layout, probe
from jtgate.storage.postgres.reads import Reader
from jtgate.storage.postgres.times import as_ms, moment
from jtgate.storage.postgres.timescale import WRITER_SETTINGS
from jtgate.storage.postgres.writes import (
    COUNTED_TABLES,
    STAGE,
    Packed,
    PositionRepeated,
    Window,
    add_count,
    note_hours,
    set_cursor,
    write_facts,
    write_positions,
)
from jtgate.storage.store import Row, StoreError, StoreUnavailable

#: Roll-ups and the deletion of old rows may take longer than a question.
UPKEEP_TIMEOUT_S: Final = 600
WRITERS_MAX: Final = 8
#: Fewer positions than this are not worth a second connection.
SLICE_ROWS_MIN: Final = 4_000
#: Only reports of days that began at most so long ago are tried without the temporary table.
STRAIGHT_DAYS: Final = 2
#: Most batches that go by the temporary table before one is tried without it again.
CAREFUL_BATCHES_MAX: Final = 64
DAY_MS: Final = 24 * HOUR_MS
_ADD_TERMINALS: Final = (
    b"INSERT INTO terminals (terminal, first_seen) SELECT unnest(%s::text[]), %s ON CONFLICT DO NOTHING"
)
_FIRST: Final = "(SELECT min(device_time) FROM positions_all WHERE device_time > 'epoch')"
_LAST: Final = "(SELECT max(device_time) FROM positions_all WHERE device_time <= %s)"
_SMALL_TABLES: Final = ("terminals", "sessions", "quarantine", "parts")


class Straight:
    """Whether the next batch is worth trying without the temporary table: after a repetition not, for a while.

    Terminals repeat themselves in bouts (a connection comes back, a spool is read again), and each try that
    fails costs as much as a batch.
    """

    def __init__(self) -> None:
        self._wait = 0  # batches still to go by the temporary table
        self._bout = 1

    def next(self) -> bool:
        """Whether to try with this batch."""
        if self._wait:
            self._wait -= 1
            return False
        return True

    def failed(self) -> None:
        """A batch held a repetition."""
        self._bout = min(self._bout * 2, CAREFUL_BATCHES_MAX)
        self._wait = self._bout

    def succeeded(self) -> None:
        """A batch was new from end to end."""
        self._bout = 1


class PostgresStore(Reader):
    """`Store` in one schema of a PostgreSQL database.

    Args:
        url: postgresql://USER:PASSWORD@HOST:PORT/DATABASE, or any connection string of libpq.
        schema: of our tables; the views are in `<schema>_v1`.
        writers: connections that write positions at the same time, 1..8.
        timescale: None uses TimescaleDB when the database has it, True wants it, False leaves it alone.

    Raises:
        StoreTooNew: a later release wrote it.
        StoreUnavailable: it cannot be reached now.
        StoreUrlError: the URL cannot be read.
    """

    def __init__(
        self, url: str, *, schema: str = schema.DEFAULT_SCHEMA, writers: int = 1, timescale: bool | None = None
    ) -> None:
        self._url = checked_url(url)
        self._timescale = timescale
        super().__init__(Link(self._url, schema, "reader", READ_TIMEOUT_S), schema)
        names = [f"writer {number}" for number in range(min(max(writers, 1), WRITERS_MAX))]
        self._writers = [Link(self._url, schema, name, WRITE_TIMEOUT_S, f"{STAGE};{WRITER_SETTINGS}") for name in names]
        self._upkeep = Link(self._url, schema, "upkeep", UPKEEP_TIMEOUT_S)
        self._layout: Layout | None = None
        self._straight = Straight()
        self._pool = ThreadPoolExecutor(len(names), thread_name_prefix="store")
        try:
            self._schema_version()
        except BaseException:
            self.close()
            raise

    def migrate(self) -> list[str]:
        """See Store."""
        return schema.migrate(self._upkeep, self._schema, self._ready_layout())

    def pending(self) -> list[str]:
        """See Store."""
        return schema.pending(self._reads, self._schema)

    def terminal_ids(self, phones: Iterable[str], now_ms: int) -> dict[str, int]:
        """See Store."""
        wanted = sorted(set(phones))
        ids = self._known_ids(wanted)
        missing = [terminal for terminal in wanted if terminal not in ids]
        if missing:
            with self._reads.connection() as connection:
                connection.execute(_ADD_TERMINALS, (missing, moment(now_ms)))
            ids |= self._known_ids(missing)
        return ids

    def write(self, batch: StoreBatch, *, consumer: str, seq: int) -> Written:
        """See Store. Counted are positions, alarm events, card events, messages and quarantined messages.

        With several writers the positions of all but the first are committed before the cursor moves: a crash in
        between leaves rows that are found again by their keys.

        Raises:
            StoreUnavailable: the cursor has not moved; the same call may be repeated.
            StoreError: a value does not fit its column; the cursor has not moved.
        """
        try:
            try:
                return self._write(batch, consumer, seq, straight=self._straight.next())
            except PositionRepeated:
                self._straight.failed()
                return self._write(batch, consumer, seq, straight=False)
        except StoreUnavailable:
            if self._layout is not None:
                self._layout.forget()  # another process may have made or dropped days
            raise
        except (TypeError, ValueError, OverflowError) as error:
            raise StoreError(f"a value does not fit its column: {type(error).__name__}") from error

    def _write(self, batch: StoreBatch, consumer: str, seq: int, *, straight: bool) -> Written:
        layout = self._ready_layout()
        now_ms = timebase.now_ms()
        window = Window(*layout.window(now_ms))
        days = self._make_days(layout, batch, window)
        # What is older has often come before, and may be in a columnstore, which wants the careful way.
        straight = straight and all(day >= now_ms - STRAIGHT_DAYS * DAY_MS for day in days)
        slices = _slices(batch, window, len(self._writers))
        others: list[Future[int]] = []
        with self._writers[0].transaction() as cursor:
            try:
                others = [
                    self._pool.submit(self._write_slice, number, packed, window, straight=straight)
                    for number, packed in enumerate(slices[1:], 1)
                ]
                new = write_positions(cursor, slices[0], window, straight=straight) if slices else 0
                add_count(cursor, "positions", new)
                if layout.needs_hours:
                    note_hours(cursor, (due for due in batch.hours() if window.holds(due[0])))
                written = write_facts(cursor, batch)
                set_cursor(cursor, consumer, seq)
            finally:
                elsewhere = [future.exception() for future in others]  # waits; the cursor goes last
            for error in elsewhere:
                if error is not None:
                    raise error
            new += sum(future.result() for future in others)
        if straight:
            self._straight.succeeded()
        return Written(written.new + new, written.repeated + batch.position_count - new)

    def _write_slice(self, number: int, packed: Packed, window: Window, *, straight: bool) -> int:
        with self._writers[number].transaction() as cursor:
            new = write_positions(cursor, packed, window, straight=straight)
            add_count(cursor, "positions", new, number)
        return new

    def _make_days(self, layout: Layout, batch: StoreBatch, window: Window) -> set[int]:
        days = set(batch.columns.days()) if batch.columns is not None else set()
        days |= {time_ms - time_ms % DAY_MS for time_ms, _, state in _times(batch.positions) if state == 0}
        days = {day for day in days if window.holds(day) or window.holds(day + DAY_MS - 1)}
        if days:
            with self._writers[0].connection() as connection:
                layout.ensure_days(connection, sorted(days))
        return days

    def move_cursors(self, places: Mapping[str, int]) -> None:
        """See Store."""
        with self._upkeep.transaction() as cursor:
            for consumer in sorted(places):  # always in the same order: two that move the same ones do not lock up
                set_cursor(cursor, consumer, places[consumer])

    def mark_replayed(self, ids: Sequence[int], now_ms: int) -> int:
        """See Store."""
        with self._reads.connection() as connection:
            return connection.execute(
                b"UPDATE quarantine SET state = 'replayed', replayed = %s WHERE state = 'held' AND id = ANY(%s)",
                (moment(now_ms), list(ids)),
            ).rowcount

    def registry_put(self, kind: str, rows: Sequence[Row], now_ms: int) -> list[str]:
        """See Store."""
        with self._upkeep.connection() as connection, connection.transaction():
            return registry.put(connection, kind, rows, now_ms)

    def info(self) -> Mapping[str, object]:
        """See Store. All counts are exact: of the big tables as kept by the writes, of the others counted."""
        rows: dict[str, int] = dict.fromkeys(COUNTED_TABLES, 0)
        counted = self._reads.query("SELECT name, sum(rows)::bigint FROM row_counts GROUP BY name")
        rows |= {str(name): int(count) for name, count in counted}
        rows |= {table: self._reads.number(f"SELECT count(*) FROM {table}") for table in _SMALL_TABLES}
        layout = self._ready_layout()
        with self._reads.connection() as connection:
            facts = layout.facts(connection)
        first, last = self._first_and_last()
        return {
            "backend": "postgresql",
            "path": f"{shown_url(self._url)} schema {self._schema}",
            "schema_version": self._schema_version(),
            "rows": rows,
            "bytes_on_disk": (total := self._bytes_on_disk()),
            "bytes": self._bytes_by_table(total),
            "first_position_ms": first,
            "last_position_ms": last,
            "cursors": dict(self._reads.query("SELECT consumer, seq FROM cursors")),
            "layout": facts,
        }

    def prepare(self, now_ms: int) -> int:
        """See Store."""
        with self._upkeep.connection() as connection:
            return self._ready_layout().prepare(connection, now_ms)

    def roll_up(self, now_ms: int, *, hours_max: int = 48) -> int:
        """See Store."""
        with self._upkeep.connection() as connection:
            return self._ready_layout().roll_up(connection, now_ms, hours_max)

    def retain(self, before_ms: int, *, rows_max: int = 20_000) -> int:
        """See Store. Positions go by whole days; open sessions and terminals stay."""
        deleted = retention.delete_before(self._upkeep, before_ms, rows_max)
        with self._upkeep.connection() as connection:
            return deleted + self._ready_layout().drop_before(connection, before_ms)

    def drop(self) -> None:
        """Remove this store with all it holds; for scratch stores."""
        schema.drop(self._upkeep, self._schema)

    def close(self) -> None:
        """See Store."""
        self._pool.shutdown()
        for link in (*self._writers, self._upkeep, self._reads):
            link.close()

    def _ready_layout(self) -> Layout:
        if self._layout is None:
            with self._upkeep.connection() as connection:
                self._layout = probe(connection, self._timescale)
        return self._layout

    def _schema_version(self) -> int:
        return schema.version(self._reads, self._schema)

    def _known_ids(self, phones: Collection[str]) -> dict[str, int]:
        found = self._reads.query("SELECT terminal, id FROM terminals WHERE terminal = ANY(%s)", (list(phones),))
        return {str(terminal): int(number) for terminal, number in found}

    def _first_and_last(self) -> tuple[int, int]:
        """Device times of the oldest and newest position with a time, milliseconds."""
        ((first, last),) = self._reads.query(
            f"SELECT {as_ms(_FIRST)}, {as_ms(_LAST)}",
            (moment(timebase.now_ms() + timebase.FUTURE_LIMIT_MS),),
        )
        return first or 0, last or 0

    def _bytes_on_disk(self) -> int:
        with self._reads.connection() as connection:
            return self._ready_layout().bytes_on_disk(connection)

    def _bytes_by_table(self, total: int) -> dict[str, int]:
        """Tables with their indexes; positions, whatever their layout, are what the others leave of the total."""
        found = self._reads.query(
            "SELECT relname, pg_total_relation_size(oid) FROM pg_class WHERE relkind = 'r' AND NOT relispartition "
            "AND relnamespace = to_regnamespace(%s) AND relname <> 'positions' ORDER BY relname",
            (f'"{self._schema}"',),
        )
        sizes = {str(name): int(size) for name, size in found}
        return {"positions": max(total - sum(sizes.values()), 0), **sizes}


def _times(rows: Sequence[PositionRow]) -> Iterable[tuple[int, int, int]]:
    """Device time, receive time and state of the time of each row."""
    for row in rows:
        _, time_ms, _, received_ms, state = row[:5]
        if isinstance(time_ms, int) and isinstance(received_ms, int) and isinstance(state, int):
            yield time_ms, received_ms, state


def _slices(batch: StoreBatch, window: Window, writers: int) -> list[Packed]:
    """The positions of a batch, dealt out among the writers by their terminals.

    Two writers must never have the same key: each would wait for the other to commit, and the first waits for all.
    """
    if not batch.position_count:
        return []
    misdated = sum(state != 0 or not window.holds(time_ms) for time_ms, _, state in _times(batch.positions))
    if batch.columns is not None:
        misdated += batch.columns.misdated(*window)
    parts = 1 if misdated else max(1, min(writers, batch.position_count // SLICE_ROWS_MIN))
    found = []
    for part in range(parts):
        data = []
        if batch.columns is not None:
            data.append(batch.columns.copy_rows(part, parts))
        if batch.positions:
            own = [row for row in batch.positions if isinstance(row[0], int) and row[0] % parts == part]
            data.append(pack_rows(own))
        found.append(Packed([rows for rows in data if rows], misdated, misdated < batch.position_count))
    return [packed for packed in found if packed.data]
