"""Hourly figures: made anew from the rows whenever some of them have changed, so they are right in the end."""

from typing import Any

from jtgate.codecs.timebase import now_ms
from jtgate.storage.contract.checking import holds, promise, same
from jtgate.storage.contract.rows import DAY_MS, ONE, T0_MS, TWO, position, write
from jtgate.storage.model import Written
from jtgate.storage.store import Store

#: Calls of roll_up after which it must have nothing left to do.
_CALLS_MAX = 200
_FIGURES = ("mileage_km", "point_count", "moving_count", "speed_max_kmh")


@promise
def hours_follow_their_rows(store: Store) -> None:
    """The figures of a day are those of its rows, also of rows that come late; making them again changes nothing."""
    write(store, positions=[_driving(n * 60_000, 10.0 * n, 100.0 + n) for n in range(90)])
    _roll_up(store)
    same(_days(store), [(89.0, 90, 89, 890.0)], "figures of the first day")
    same((store.roll_up(now_ms()), _days(store)), (0, [(89.0, 90, 89, 890.0)]), "figures made again")

    late = [_driving(30 * 60_000 + 1, 999.0, 80.0, backfill=1), _driving(100 * 60_000, 4.9, 300.0)]
    same(write(store, positions=late), Written(2, 0), "late rows")
    _roll_up(store)
    same(_days(store), [(220.0, 92, 90, 999.0)], "figures with late rows")
    same(write(store, positions=late), Written(0, 2), "late rows again")
    _roll_up(store)
    same(_days(store), [(220.0, 92, 90, 999.0)], "figures with late rows that came again")


@promise
def hours_of_each_terminal_and_day(store: Store) -> None:
    """Figures are kept apart by terminal and day, and rows without a good time are in none."""
    write(
        store,
        positions=[
            _driving(0, 60.0, 5.0),
            _driving(0, 70.0, 6.0, terminal_id=2),
            _driving(-3 * DAY_MS, 80.0, 1.0),
            _driving(-3 * DAY_MS + 1000, 90.0, 3.5),
            position(1, 0, 1, mileage_km=9999.0),
            position(1, T0_MS + 40 * DAY_MS, 1, mileage_km=9999.0, time_state=2),
        ],
    )
    _roll_up(store)
    same(_days(store), [(2.5, 2, 2, 90.0), (0.0, 1, 1, 60.0)], "figures of one terminal, day by day")
    same(_days(store, TWO), [(0.0, 1, 1, 70.0)], "figures of another")


@promise
def hours_go_with_their_rows(store: Store) -> None:
    """When the rows of a day are deleted because they are old, making figures anew still comes to an end."""
    write(store, positions=[_driving(-5 * DAY_MS, 80.0, 1.0), _driving(5 * DAY_MS, 70.0, 2.0)])
    for _ in range(_CALLS_MAX):
        if not store.retain(T0_MS):
            break
    _roll_up(store)
    holds((0.0, 1, 1, 70.0) in _days(store), f"the figures of the day that is kept are missing: {_days(store)}")
    same([row["speed_kmh"] for row in store.positions()], [70.0], "positions that stay")


def _driving(after_ms: int, speed_kmh: float, mileage_km: float, *, terminal_id: int = 1, backfill: int = 0) -> Any:
    at_ms = T0_MS + after_ms
    return position(
        terminal_id, at_ms, after_ms, speed_kmh=speed_kmh, mileage_km=mileage_km, backfill=backfill, received_ms=at_ms
    )


def _roll_up(store: Store) -> None:
    for _ in range(_CALLS_MAX):
        if not store.roll_up(now_ms()):
            return
    holds(False, f"making figures is not done after {_CALLS_MAX} calls")


def _days(store: Store, terminal: str = ONE) -> list[tuple[Any, ...]]:
    """Kilometres, rows, rows of a moving vehicle and highest speed of each day, oldest first."""
    rows = sorted(store.view("mileage_per_day", terminal=terminal), key=lambda row: str(row["day"]))
    return [tuple(row[name] for name in _FIGURES) for row in rows]
