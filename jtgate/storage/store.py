"""The store: one interface, several back ends, one contract test (design D7).

The pipeline is its bulk writer; the command line and the API read it from other processes while it is
written. Every write is idempotent by the natural keys of `model`.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol

from jtgate.storage.model import PartRow, StoreBatch, Written

Row = Mapping[str, object]

#: terminal_id, device_time_ms, fingerprint: the key of a position or a card event.
TimedKey = tuple[int, int, int]
#: The natural key of a row, in the order of `tables.Table.key`.
Key = tuple[Any, ...]


class StoreError(Exception):
    """The store could not do what was asked; the transaction left nothing behind."""

    code = "store"


class StoreUnavailable(StoreError):
    """Locked, gone, read-only or full: try again later."""

    code = "store.unavailable"


class StoreTooNew(StoreError):
    """The store was written by a later release of jtgate; nothing was touched."""

    code = "store.too_new"


class StoreUrlError(StoreError):
    """No back end of this release answers to the URL of the store."""

    code = "store.url"


class Store(Protocol):
    """Interface of every back end."""

    def migrate(self) -> list[str]:
        """Bring the schema to this release; names of the migrations applied."""
        ...

    def pending(self) -> list[str]:
        """Names of the migrations that `migrate` would apply; nothing is changed."""
        ...

    def terminal_ids(self, phones: Iterable[str], now_ms: int) -> dict[str, int]:
        """Ids of terminals by key (digits without leading zeros), creating the missing ones."""
        ...

    def write(self, batch: StoreBatch, *, consumer: str, seq: int) -> Written:
        """Write a batch and move the cursor of `consumer` to `seq`, in one transaction.

        When this returns, rows and cursor survive a power cut, so the cursor may be published (SpoolProgress).

        Raises:
            StoreUnavailable: nothing was written; the same call may be repeated.
        """
        ...

    def cursor(self, consumer: str) -> int:
        """Sequence number up to which `consumer` has stored the spool; 0 at first."""
        ...

    def move_cursors(self, places: Mapping[str, int]) -> None:
        """Move cursors without writing anything else, in one transaction that survives a power cut.

        Args:
            places: consumer -> number.

        Raises:
            StoreUnavailable: none has moved.
        """
        ...

    def open_parts(self) -> list[PartRow]:
        """Sub-packages of incomplete messages, in the order received."""
        ...

    def last_flags(self) -> dict[int, tuple[int, int, int]]:
        """terminal_id -> (device_time_ms, alarm_flags, video_alarm_flags) of its newest live position."""
        ...

    def models(self) -> dict[int, tuple[str, str]]:
        """terminal_id -> manufacturer and model of its registration, of those that registered."""
        ...

    def zones(self) -> dict[int, frozenset[int]]:
        """terminal_id -> zones other than GMT+8 in which its times were ever read, minutes east of UTC."""
        ...

    def stored(self, table: str, keys: Collection[Key]) -> set[Key]:
        """Those of the keys that have a row; of messages also those that a row makes a retransmission.

        Args:
            table: one of `tables.BY_KEY`.
            keys: natural keys of its rows.

        Raises:
            StoreError: the rows of that table have no such key.
        """
        ...

    def transport_of(self, session_id: int) -> str:
        """How a session was connected: "tcp", "udp" …; "" when that is not known."""
        ...

    def terminals(
        self, *, prefix: str = "", terminals: Collection[str] | None = None, after: str | None = None, limit: int = 1000
    ) -> list[Row]:
        """Terminals with what registration told of them, in the order of their numbers.

        Args:
            prefix: first digits.
            terminals: these only; None for all.
            after: number of the last row of the page before.
            limit: rows.
        """
        ...

    def sessions(
        self,
        *,
        terminal: str | None = None,
        terminals: Collection[str] | None = None,
        open_only: bool = False,
        before: int | None = None,
        limit: int = 100,
    ) -> list[Row]:
        """Sessions, newest first.

        Args:
            terminal: of this one.
            terminals: of these only; None for all.
            open_only: without those that have ended.
            before: session id of the last row of the page before.
            limit: rows.
        """
        ...

    def positions(
        self,
        *,
        terminal: str | None = None,
        from_ms: int = 0,
        to_ms: int | None = None,
        after: TimedKey | None = None,
        limit: int = 1000,
    ) -> list[Row]:
        """Positions by device time, oldest first, with every column of POSITION_COLUMNS and `terminal`.

        Args:
            terminal: digits without leading zeros; None for all.
            from_ms: first device time.
            to_ms: last device time, included.
            after: key of the last row of the page before; its terminal, device time and fingerprint.
            limit: rows.
        """
        ...

    def last_positions(
        self,
        *,
        terminal: str | None = None,
        terminals: Collection[str] | None = None,
        after: str | None = None,
        limit: int = 1000,
    ) -> list[Row]:
        """The newest live position of each terminal, in the order of their numbers.

        Args:
            terminal: of this one.
            terminals: of these only; None for all.
            after: terminal of the last row of the page before.
            limit: rows.
        """
        ...

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
        """Rows of one of `tables.PAGED`, newest first by their time, with `id` and `terminal`.

        Args:
            table: its name.
            terminals: of these only; None for all.
            from_ms: first time.
            to_ms: last time, included.
            matching: column, or "id" -> value that it must have; of a frozenset one of its values.
            before: time and id of the last row of the page before.
            limit: rows.

        Raises:
            StoreError: there is no such table or column.
        """
        ...

    def changed(self, table: str, *, since_ms: int, after_id: int = 0, limit: int = 1000) -> list[Row]:
        """Rows of one of `tables.READABLE` that were written since a time, by `updated_ms` and `id`, with `terminal`.

        Args:
            table: its name.
            since_ms: first `updated_ms`. Whoever looks again and again goes back a few seconds each time: a row may be
                seen a moment after its time.
            after_id: of the rows of that very `updated_ms`, those with a higher `id` only.
            limit: rows.

        Raises:
            StoreError: there is no such table.
        """
        ...

    def alarm_events(self, *, terminal: str | None = None, from_ms: int = 0, limit: int = 1000) -> list[Row]:
        """Alarm events by alarm time, newest first."""
        ...

    def alarm_events_after(self, after_id: int, *, limit: int = 1000) -> list[Row]:
        """Alarm events in the order of their arrival, with `id` and `terminal`.

        Args:
            after_id: id of the last one that is known; ids rise with arrival and are seen in that order.
            limit: rows.
        """
        ...

    def last_alarm_id(self) -> int:
        """Id of the alarm event that arrived last, 0 when there is none."""
        ...

    def card_events(self, *, terminal: str | None = None, from_ms: int = 0, limit: int = 1000) -> list[Row]:
        """Driver card events, newest first."""
        ...

    def messages(self, *, terminal: str | None = None, msg_id: int | None = None, limit: int = 1000) -> list[Row]:
        """Other messages, newest first."""
        ...

    def facts(
        self, table: str, *, terminal: str | None = None, from_ms: int = 0, to_ms: int | None = None, limit: int = 1000
    ) -> list[Row]:
        """Rows of one of `tables.READABLE`, newest first, with `terminal` where they have a terminal_id."""
        ...

    def views(self) -> dict[str, list[tuple[str, str]]]:
        """The views for other programs: name without schema or prefix -> columns with their types."""
        ...

    def view(self, name: str, *, terminal: str | None = None, limit: int = 1000) -> list[Row]:
        """Rows of one of the views, as other programs see them.

        Raises:
            StoreError: there is no view of that name.
        """
        ...

    def registry_put(self, kind: str, rows: Sequence[Row], now_ms: int) -> list[str]:
        """Write rows of a registry, each as a version from its `valid_from_ms` on, in one transaction.

        Args:
            kind: one of `registry.KINDS`.
            rows: field -> value, as `registry.checked` gives them.
            now_ms: time of the import, milliseconds since 1970.

        Returns:
            For each row what it was: "new", "changed" or "unchanged".

        Raises:
            StoreUnavailable: nothing was written.
        """
        ...

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
        """Versions of rows of a registry, by key and beginning.

        Args:
            kind: one of `registry.KINDS`.
            key: values of its key, from the left; empty for all.
            at_ms: only those in force at this time; None for every version.
            after: key and `valid_from_ms` of the last row of the page before.
            matching: field -> value that it must have.
            limit: rows.
        """
        ...

    def quarantine(
        self,
        *,
        terminal: str | None = None,
        terminals: Collection[str] | None = None,
        held_only: bool = True,
        after_id: int = 0,
        limit: int = 1000,
    ) -> list[Row]:
        """Quarantined messages, oldest first, with id, state (held, replayed) and payload."""
        ...

    def mark_replayed(self, ids: Sequence[int], now_ms: int) -> int:
        """Mark quarantined messages as replayed; returns how many were held."""
        ...

    def info(self) -> Mapping[str, object]:
        """Back end, schema version, rows per table, bytes on disk, first and last times, cursors."""
        ...

    def prepare(self, now_ms: int) -> int:
        """Make room for the days to come (partitions ahead of time); how many were made."""
        ...

    def roll_up(self, now_ms: int, *, hours_max: int = 48) -> int:
        """Make the hourly figures of what has changed anew, oldest first, in any number of calls.

        Args:
            now_ms: the present; the hour under way is made anew at most every few minutes.
            hours_max: most hours in this call.

        Returns:
            How many hours were made; 0 when nothing is left to do, or the server does it by itself.
        """
        ...

    def retain(self, before_ms: int, *, rows_max: int = 20_000) -> int:
        """Delete at most `rows_max` rows received before a time from each time-series table; rows deleted."""
        ...

    def close(self) -> None:
        """Give up the connection; safe to call twice."""
        ...
