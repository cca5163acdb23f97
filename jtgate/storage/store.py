"""The store: one interface, several back ends, one contract test (design D7).

The pipeline is its bulk writer; the command line and the API read it from other processes while it is
written. Every write is idempotent by the natural keys of `model`.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

from jtgate.storage.model import PartRow, StoreBatch, Written

Row = Mapping[str, object]

#: terminal_id, device_time_ms, fingerprint: the key of a position or a card event.
TimedKey = tuple[int, int, int]


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

    def stored(self, table: str, keys: Collection[TimedKey]) -> set[TimedKey]:
        """Those of the keys that have a row.

        Args:
            table: "positions" or "card_events".
            keys: (terminal_id, device_time_ms, fingerprint).
        """
        ...

    def transport_of(self, session_id: int) -> str:
        """How a session was connected: "tcp", "udp" …; "" when that is not known."""
        ...

    def terminals(self, *, prefix: str = "", limit: int = 1000) -> list[Row]:
        """Terminals with what registration told of them."""
        ...

    def sessions(self, *, terminal: str | None = None, open_only: bool = False, limit: int = 100) -> list[Row]:
        """Sessions, newest first."""
        ...

    def positions(
        self, *, terminal: str | None = None, from_ms: int = 0, to_ms: int | None = None, limit: int = 1000
    ) -> list[Row]:
        """Positions by device time, oldest first, with every column of POSITION_COLUMNS and `terminal`."""
        ...

    def last_positions(self, *, terminal: str | None = None, limit: int = 1000) -> list[Row]:
        """The newest live position of each terminal."""
        ...

    def alarm_events(self, *, terminal: str | None = None, from_ms: int = 0, limit: int = 1000) -> list[Row]:
        """Alarm events by alarm time, newest first."""
        ...

    def card_events(self, *, terminal: str | None = None, from_ms: int = 0, limit: int = 1000) -> list[Row]:
        """Driver card events, newest first."""
        ...

    def messages(self, *, terminal: str | None = None, msg_id: int | None = None, limit: int = 1000) -> list[Row]:
        """Other messages, newest first."""
        ...

    def quarantine(
        self, *, terminal: str | None = None, held_only: bool = True, after_id: int = 0, limit: int = 1000
    ) -> list[Row]:
        """Quarantined messages, oldest first, with id, state (held, replayed) and payload."""
        ...

    def mark_replayed(self, ids: Sequence[int], now_ms: int) -> int:
        """Mark quarantined messages as replayed; returns how many were held."""
        ...

    def info(self) -> Mapping[str, object]:
        """Back end, schema version, rows per table, bytes on disk, first and last times, cursors."""
        ...

    def retain(self, before_ms: int, *, rows_max: int = 20_000) -> int:
        """Delete at most `rows_max` rows received before a time from each time-series table; rows deleted."""
        ...

    def close(self) -> None:
        """Give up the connection; safe to call twice."""
        ...
