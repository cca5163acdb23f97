"""Days of UTC, which of them the store keeps, and what it remembers about itself; the same for every layout."""

from datetime import UTC, datetime
from typing import Final

from jtgate.codecs import timebase
from jtgate.storage.postgres.connection import Connection

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
#: A good time further back than this goes to `positions_misdated`: old clocks and long blind spots (盲区补报) must not
#: make partitions without end. What is in `positions` already stays as long as the operator keeps it.
DAYS_BACK_MAX: Final = 400
#: Days made ahead of time, so that no write at midnight waits for one.
DAYS_AHEAD: Final = 3
#: A good time is at most a day ahead of its receipt (timebase.FUTURE_LIMIT_MS); one more for clocks that differ.
_DAYS_FORWARD: Final = 3

_LAYOUT: Final = "layout"
_KEPT_FROM: Final = "kept_from"
_RECALL: Final = b"SELECT value FROM facts_of_store WHERE name = %s"
_REMEMBER: Final = (
    b"INSERT INTO facts_of_store (name, value) VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
)
_MOVE_KEPT_FROM: Final = b"""
INSERT INTO facts_of_store (name, value) VALUES ('kept_from', %s)
ON CONFLICT (name) DO UPDATE SET value = greatest(facts_of_store.value, excluded.value)
"""
#: The schema may not exist yet, and current_schema() would then be the next one.
_HAS_FACTS: Final = (
    b"SELECT to_regclass(split_part(current_setting('search_path'), ',', 1) || '.facts_of_store') IS NOT NULL"
)


def day_of(at_ms: int) -> int:
    """Beginning of the UTC day of a time, milliseconds."""
    return at_ms - at_ms % DAY_MS


def iso_day(day_ms: int) -> str:
    """A day as YYYY-MM-DD."""
    return timebase.from_ms(day_ms).strftime("%Y-%m-%d")


def day_from_iso(text: str) -> int:
    """Beginning of a day written as YYYY-MM-DD or YYYYMMDD, milliseconds.

    Raises:
        ValueError: it is no date.
    """
    return timebase.to_ms(datetime.fromisoformat(text).replace(tzinfo=UTC))


def remembered_layout(connection: Connection) -> str:
    """How this store keeps its positions: "partitions", "hypertable", or "" while it is not made."""
    found = connection.execute(_HAS_FACTS).fetchone()
    return _recall(connection, _LAYOUT) if found and found[0] else ""


def remember_layout(connection: Connection, name: str) -> None:
    """Remember how this store keeps its positions, in the transaction that makes it."""
    remember(connection, _LAYOUT, name)


def remember(connection: Connection, name: str, value: str) -> None:
    """Remember a fact about this store."""
    connection.execute(_REMEMBER, (name, value))


class KeptDays:
    """The first day this store keeps, held in memory so that the window costs nothing."""

    def __init__(self) -> None:
        self._from_ms = 0

    def load(self, connection: Connection) -> None:
        """Ask the store again: another process may have dropped days."""
        text = _recall(connection, _KEPT_FROM)
        self._from_ms = day_from_iso(text) if text else 0

    @property
    def from_ms(self) -> int:
        """Beginning of the first day kept; 0 while none was ever dropped."""
        return self._from_ms

    def window(self, now_ms: int) -> tuple[int, int]:
        """Device times that go into `positions`: [from_ms, to_ms), both at the beginning of a day."""
        today = day_of(now_ms)
        return max(self._from_ms, today - DAYS_BACK_MAX * DAY_MS), today + _DAYS_FORWARD * DAY_MS

    def move(self, connection: Connection, before_ms: int) -> int:
        """Give up the days before a time; the first day kept, milliseconds. It never moves back, nor into the future.

        What comes for those days from now on goes to `positions_misdated`, so this is committed before any row goes.
        """
        day_ms = day_of(min(before_ms, timebase.now_ms()))
        if day_ms > 0:
            connection.execute(_MOVE_KEPT_FROM, (iso_day(day_ms),))
        self.load(connection)
        return self._from_ms


def _recall(connection: Connection, name: str) -> str:
    found = connection.execute(_RECALL, (name,)).fetchone()
    return str(found[0]) if found else ""
