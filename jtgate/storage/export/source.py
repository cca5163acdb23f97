"""What is exported: the positions of some vehicles in a range of device times, by pages."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, cast

from jtgate.codecs.datum import Place, to_gcj02
from jtgate.codecs.timebase import TIME_GOOD
from jtgate.storage.store import Row, Store, TimedKey

#: Rows read together.
PAGE_ROWS: Final = 5000

WGS84: Final = "WGS-84"
GCJ02: Final = "GCJ-02"

#: 状态 bit 1, 定位: the report has a fix.
_POSITIONED: Final = 1 << 1


class Vehicle(NamedTuple):
    """A terminal, and the plate of the vehicle it registered for; "" when it did not say."""

    terminal: str
    plate: str = ""

    @property
    def name(self) -> str:
        """Plate and number, or the number alone."""
        return f"{self.plate} {self.terminal}".strip()


@dataclass(frozen=True, slots=True)
class Selection:
    """Whose positions, and of when.

    Args:
        vehicles: one after the other, by number.
        from_ms: first device time; 0 for all, those without a time included.
        to_ms: last device time, included; None for no end.
        datum: WGS84, or GCJ02 for maps sold in China.
    """

    vehicles: Sequence[Vehicle]
    from_ms: int = 0
    to_ms: int | None = None
    datum: str = WGS84


class Facts(NamedTuple):
    """What a file says of itself."""

    release: str
    selection: Selection


def pages(store: Store, selection: Selection, *, rows_max: int = PAGE_ROWS) -> Iterator[tuple[Vehicle, list[Row]]]:
    """Positions of each vehicle by device time, at most `rows_max` together; never an empty page.

    Raises:
        StoreError: the store failed.
    """
    for vehicle in selection.vehicles:
        after: TimedKey | None = None
        while rows := store.positions(
            terminal=vehicle.terminal,
            from_ms=selection.from_ms,
            to_ms=selection.to_ms,
            after=after,
            limit=rows_max,
        ):
            last = rows[-1]
            after = cast("TimedKey", (last["terminal_id"], last["device_time_ms"], last["fingerprint"]))
            yield vehicle, [_moved(row) for row in rows] if selection.datum == GCJ02 else rows
            if len(rows) < rows_max:
                break


def located(rows: Sequence[Row]) -> list[Row]:
    """Those with a fix and a time that can be: what has a place on the way that was driven."""
    return [
        row
        for row in rows
        if row["latitude"] is not None
        and row["longitude"] is not None
        and row["time_state"] == TIME_GOOD
        and cast("int", row["status"] or 0) & _POSITIONED
    ]


def _moved(row: Row) -> Row:
    if row["latitude"] is None or row["longitude"] is None:
        return row
    place = to_gcj02(Place(cast("float", row["latitude"]), cast("float", row["longitude"])))
    return {**row, **place._asdict()}
