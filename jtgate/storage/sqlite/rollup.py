"""Hourly figures of each terminal, made anew for the hours that writes have touched.

Every write notes its hours in `hours_due`. A roll-up makes such an hour anew from its positions, so doing it twice, or
after a crash, changes nothing; a row whose `change` has moved meanwhile stays due.
"""

from collections.abc import Iterable
from typing import Final

import apsw

from jtgate.storage.model import HOUR_MS
from jtgate.storage.sqlite.connection import Database

#: The hour under way, the one before (whose rows still arrive) and any to come are made anew at most this often:
#: each time costs a pass over the whole hour.
REMAKE_MS: Final = 5 * 60_000
#: Terminals of one hour in one transaction; the others come with the next call.
TERMINALS_MAX: Final = 10_000
#: Slower than this a vehicle stands: receivers report such speeds at rest.
MOVING_KMH: Final = 5

_NOTE: Final = """
INSERT INTO hours_due (hour_ms, terminal_id) VALUES (?, ?)
ON CONFLICT (hour_ms, terminal_id) DO UPDATE SET change = change + 1
"""
_OLDEST: Final = "SELECT DISTINCT hour_ms FROM hours_due ORDER BY hour_ms LIMIT ?"
_DUE: Final = "SELECT terminal_id, change FROM hours_due WHERE hour_ms = ? ORDER BY terminal_id LIMIT ?"
_MAKE: Final = f"""
INSERT OR REPLACE INTO position_hours
SELECT
    terminal_id, :hour_ms, count(*),
    count(*) FILTER (WHERE status & 2 AND latitude IS NOT NULL AND longitude IS NOT NULL),
    count(*) FILTER (WHERE speed_kmh >= {MOVING_KMH}),
    min(device_time_ms), max(device_time_ms), min(mileage_km), max(mileage_km), max(speed_kmh), sum(speed_kmh)
FROM positions
WHERE device_time_ms >= :hour_ms AND device_time_ms < :hour_ms + {HOUR_MS} AND time_state = 0
"""
_MAKE_ALL: Final = f"{_MAKE} GROUP BY terminal_id"
_MAKE_ONE: Final = f"{_MAKE} AND terminal_id = :terminal_id GROUP BY terminal_id"
_DONE: Final = "DELETE FROM hours_due WHERE hour_ms = ? AND terminal_id = ? AND change = ?"


def note(connection: apsw.Connection, hours: Iterable[tuple[int, int]]) -> None:
    """Say which hours have to be rolled up again, inside a transaction of the caller."""
    connection.executemany(_NOTE, hours)


class HourlyFigures:
    """`position_hours`, and when its newest hours were made.

    Args:
        database: of the store.
    """

    def __init__(self, database: Database) -> None:
        self._db = database
        self._made_ms: dict[int, int] = {}  # hour -> when it was made, of the newest hours only

    def roll_up(self, now_ms: int, hours_max: int) -> int:
        """Make the oldest due hours anew, each in a transaction of its own; how many."""
        newest_from = now_ms - now_ms % HOUR_MS - HOUR_MS
        self._made_ms = {hour: made for hour, made in self._made_ms.items() if hour >= newest_from}
        wait = {hour for hour, made in self._made_ms.items() if 0 <= now_ms - made < REMAKE_MS}
        oldest = [int(hour) for (hour,) in self._db.query(_OLDEST, (hours_max + len(wait),))]
        hours = [hour for hour in oldest if hour not in wait][:hours_max]
        for hour_ms in hours:
            with self._db.transaction() as connection:
                self._make(connection, hour_ms)
            if hour_ms >= newest_from:
                self._made_ms[hour_ms] = now_ms
        return len(hours)

    def _make(self, connection: apsw.Connection, hour_ms: int) -> None:
        due = connection.execute(_DUE, (hour_ms, TERMINALS_MAX)).fetchall()
        if any(terminal_id == 0 for terminal_id, _ in due):
            connection.execute(_MAKE_ALL, {"hour_ms": hour_ms})
        else:
            connection.executemany(
                _MAKE_ONE, ({"hour_ms": hour_ms, "terminal_id": terminal_id} for terminal_id, _ in due)
            )
        connection.executemany(_DONE, ((hour_ms, terminal_id, change) for terminal_id, change in due))
