"""Hourly figures of each terminal: what they are, and how a plain table of them is made from what is due.

Every write notes in `hours_due` which hours it has changed. A roll-up makes such an hour anew from its positions, so
doing it twice, or after a crash, changes nothing. Only sums, counts, least and greatest values: the server can keep
the same figures by itself where it has continuous aggregates (timescale.py).
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from jtgate.codecs import timebase
from jtgate.storage.postgres.connection import Connection
from jtgate.storage.postgres.days import HOUR_MS, KeptDays

#: The hour under way, the one before (whose rows still arrive) and any to come are made anew at most this often:
#: each time costs a pass over the whole hour.
REMAKE_MS: Final = 5 * 60_000
#: Terminals of one hour in one statement; the others come with the next call.
TERMINALS_MAX: Final = 10_000

#: 状态 bit 1: 定位.
_LOCATED: Final = "status & 2 <> 0 AND latitude IS NOT NULL AND longitude IS NOT NULL"
#: Slower than this a vehicle stands: receivers report such speeds at rest.
MOVING_KMH: Final = 5
#: Column -> expression over the positions of one terminal in one hour.
FIGURES: Final = {
    "point_count": "count(*)",
    "located_count": f"count(*) FILTER (WHERE {_LOCATED})",
    "moving_count": f"count(*) FILTER (WHERE speed_kmh >= {MOVING_KMH})",
    "first_time": "min(device_time)",
    "last_time": "max(device_time)",
    "mileage_min_km": "min(mileage_km)",
    "mileage_max_km": "max(mileage_km)",
    "speed_max_kmh": "max(speed_kmh)",
    "speed_sum_kmh": "sum(speed_kmh)",
}
#: `name AS` of every figure, for SELECT.
FIGURES_SELECTED: Final = ", ".join(f"{expression} AS {name}" for name, expression in FIGURES.items())

_CREATE: Final = b"""
CREATE TABLE position_hours (
    terminal_id integer NOT NULL,
    hour timestamptz NOT NULL,
    point_count bigint NOT NULL,
    located_count bigint NOT NULL,
    moving_count bigint NOT NULL, -- speed of 5 km/h and more
    first_time timestamptz NOT NULL,
    last_time timestamptz NOT NULL,
    mileage_min_km double precision,
    mileage_max_km double precision,
    speed_max_kmh double precision,
    speed_sum_kmh double precision,
    PRIMARY KEY (terminal_id, hour)
) WITH (fillfactor = 80); -- the hour under way is updated again and again
CREATE INDEX position_hours_time ON position_hours (hour);
"""
_NAMES: Final = ", ".join(FIGURES)
_MAKE: Final = (
    f"INSERT INTO position_hours (terminal_id, hour, {_NAMES}) SELECT terminal_id, %(hour)s, {FIGURES_SELECTED} "
    "FROM positions WHERE device_time >= %(hour)s AND device_time < %(end)s AND time_state = 0 {condition} "
    "GROUP BY terminal_id ON CONFLICT (terminal_id, hour) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in FIGURES)
    + f" WHERE ({', '.join(f'position_hours.{name}' for name in FIGURES)}) IS DISTINCT FROM "
    + f"({', '.join(f'excluded.{name}' for name in FIGURES)})"
)
_MAKE_ALL: Final = _MAKE.format(condition="").encode()
_MAKE_SOME: Final = _MAKE.format(condition="AND terminal_id = ANY(%(terminals)s)").encode()
_OLDEST: Final = b"SELECT DISTINCT hour FROM hours_due WHERE hour < %s AND NOT hour = ANY(%s) ORDER BY hour LIMIT %s"
#: Later than any hour that can be due.
_ALWAYS_MS: Final = 4_102_444_800_000  # 2100-01-01
_DUE: Final = b"SELECT terminal_id, due_since FROM hours_due WHERE hour = %s ORDER BY terminal_id LIMIT %s"
#: A write that came meanwhile has moved `due_since`, or moves it as soon as this waits for it: the row then stays.
_DONE: Final = b"""
DELETE FROM hours_due AS h USING unnest(%s::integer[], %s::timestamptz[]) AS done (terminal_id, due_since)
WHERE h.hour = %s AND h.terminal_id = done.terminal_id AND h.due_since = done.due_since
"""
_FORGET_DUE: Final = b"DELETE FROM hours_due WHERE hour < %s"
_FORGET_FIGURES: Final = b"DELETE FROM position_hours WHERE hour < %s"


class HoursDue:
    """`hours_due`: what the writes have noted.

    Args:
        kept: the days whose hours have figures.
    """

    def __init__(self, kept: KeptDays) -> None:
        self._kept = kept

    def oldest(
        self, connection: Connection, hours_max: int, *, before_ms: int = _ALWAYS_MS, without: Iterable[int] = ()
    ) -> list[int]:
        """The oldest hours that are due, milliseconds; those of days given up are forgotten.

        Args:
            connection: in autocommit.
            hours_max: most hours.
            before_ms: only hours that begin before it.
            without: hours to leave out.
        """
        self._kept.load(connection)
        if self._kept.from_ms:
            self.forget_before(connection, self._kept.from_ms)
        wait = [timebase.from_ms(hour_ms) for hour_ms in without]
        found = connection.execute(_OLDEST, (timebase.from_ms(before_ms), wait, hours_max)).fetchall()
        return [timebase.to_ms(hour) for (hour,) in found]

    def of(self, connection: Connection, hour_ms: int) -> list[tuple[int, datetime]]:
        """Terminals of an hour and since when it is due; terminal 0, for all of them, comes first."""
        found = connection.execute(_DUE, (timebase.from_ms(hour_ms), TERMINALS_MAX)).fetchall()
        return [(terminal_id, since) for terminal_id, since in found]

    def done(self, connection: Connection, hour_ms: int, due: Sequence[tuple[int, datetime]]) -> None:
        """Take off what was made, as `of` told it; what a write has noted since then stays."""
        terminals, since = [terminal_id for terminal_id, _ in due], [moment for _, moment in due]
        connection.execute(_DONE, (terminals, since, timebase.from_ms(hour_ms)))

    def forget_before(self, connection: Connection, day_ms: int) -> None:
        """Forget the hours before a day."""
        connection.execute(_FORGET_DUE, (timebase.from_ms(day_ms),))


class HoursTable:
    """`position_hours` as a table that `roll_up` fills.

    Args:
        due: what is to be made.
    """

    def __init__(self, due: HoursDue) -> None:
        self._due = due
        self._made_ms: dict[int, int] = {}  # hour -> when it was made, of the newest hours only

    def create(self, connection: Connection) -> None:
        """Make the table, inside a transaction of the caller."""
        connection.execute(_CREATE)

    def roll_up(self, connection: Connection, now_ms: int, hours_max: int) -> int:
        """Make the oldest due hours anew, each in a transaction of its own; how many. Wants autocommit."""
        newest_from = now_ms - now_ms % HOUR_MS - HOUR_MS
        self._made_ms = {hour: made for hour, made in self._made_ms.items() if hour >= newest_from}
        wait = [hour for hour, made in self._made_ms.items() if 0 <= now_ms - made < REMAKE_MS]
        hours = self._due.oldest(connection, hours_max, without=wait)
        for hour_ms in hours:
            with connection.transaction():
                self._make(connection, hour_ms)
            if hour_ms >= newest_from:
                self._made_ms[hour_ms] = now_ms
        return len(hours)

    def drop_before(self, connection: Connection, day_ms: int) -> None:
        """Forget the figures of the hours before a day."""
        connection.execute(_FORGET_FIGURES, (timebase.from_ms(day_ms),))

    def _make(self, connection: Connection, hour_ms: int) -> None:
        due = self._due.of(connection, hour_ms)
        if not due:
            return
        terminals = [terminal_id for terminal_id, _ in due]
        params = {"hour": timebase.from_ms(hour_ms), "end": timebase.from_ms(hour_ms + HOUR_MS), "terminals": terminals}
        connection.execute(_MAKE_ALL if terminals[0] == 0 else _MAKE_SOME, params)
        self._due.done(connection, hour_ms, due)
