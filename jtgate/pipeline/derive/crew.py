"""Who and what was on a vehicle: driver, waybill and load of episodes, trips and visits (regulation §6, P8)."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from jtgate.codecs.timebase import now_ms
from jtgate.pipeline.derive import reading
from jtgate.pipeline.derive.binding_inputs import WAYBILLS_MAX, all_rows
from jtgate.pipeline.derive.enrich import WITH_PLATE, Plate
from jtgate.pipeline.derive.evidence_of_persons import active_waybills
from jtgate.pipeline.derive.facts import Rows
from jtgate.pipeline.derive.standing import bound_at, standing
from jtgate.pipeline.derive.timeline import row_of
from jtgate.storage.store import Row, Store
from jtgate.storage.tables import PAGED

#: What is bound to a vehicle is asked for again after this, and sooner when bindings were worked out anew.
CREW_S: Final = 60.0
#: Vehicles whose crew is remembered.
CREWS_MAX: Final = 20_000
#: Rows that began longer ago are not looked at again.
BACK_MS: Final = 40 * 86_400_000
#: The status of a vehicle is that of its first report so soon after a moment.
STATUS_MS: Final = 300_000

_LOAD_BITS: Final = 0b11 << 8  # 状态 bits 8 and 9: 00 空车, 01 半载, 11 满载


class Aboard(NamedTuple):
    """What was on a vehicle at a moment."""

    person: str | None
    confidence: float | None
    waybill: str | None


class _Known(NamedTuple):
    bindings: list[Row]
    waybills: list[tuple[Row, int, int | None]]
    read_at: float


class Crews:
    """What is bound to vehicles.

    Args:
        store: bindings and waybills.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: OrderedDict[Plate, _Known] = OrderedDict()

    def aboard(self, plate: Plate, at_ms: int) -> Aboard:
        """Who drove a vehicle at a time, and on which waybill; a person is "" when nobody knows who was driving.

        Raises:
            StoreError: the store cannot be read now.
        """
        known = self._of(plate)
        row: Any = bound_at(known.bindings, at_ms)
        waybill = _active(known.waybills, at_ms)
        if row is None:
            return Aboard(None, None, waybill)
        return Aboard(str(row["person"]), row["confidence"], waybill)

    def forget(self, plate: Plate) -> None:
        """What is bound to a vehicle has changed."""
        self._known.pop(plate, None)

    def _of(self, plate: Plate) -> _Known:
        known = self._known.get(plate)
        if known is None or time.monotonic() - known.read_at > CREW_S:
            at_ms = now_ms()
            vehicle: dict[str, object] = {"plate": plate.plate, "plate_color": plate.color}
            bindings = standing(all_rows(self._store, "bindings", at_ms - BACK_MS, at_ms, vehicle))
            waybills = self._store.registry_rows("waybills", matching=vehicle, at_ms=at_ms, limit=WAYBILLS_MAX)
            known = self._known[plate] = _Known(bindings, active_waybills(waybills), time.monotonic())
        self._known.move_to_end(plate)
        while len(self._known) > CREWS_MAX:
            self._known.popitem(last=False)
        return known


def _active(waybills: Iterable[tuple[Row, int, int | None]], at_ms: int) -> str | None:
    found = [str(row["waybill"]) for row, begin, end in waybills if begin <= at_ms and (end is None or at_ms < end)]
    return found[-1] if found else None


class Filler:
    """Fills in what machines do not know of rows.

    Args:
        store: positions and rows that are written.
        crews: see Crews.
        name_of: digits of a terminal by its number.
    """

    def __init__(self, store: Store, crews: Crews, name_of: Callable[[int], str]) -> None:
        self._store = store
        self._crews = crews
        self._name_of = name_of

    def fill(self, found: Rows) -> None:
        """Fill in rows that are about to be written and have a plate.

        Raises:
            StoreError: the store cannot be read now.
        """
        for table in WITH_PLATE:
            rows = found.tables.get(table, {})
            for key, row in rows.items():
                rows[key] = self.filled(table, row)

    def again(self, plate: Plate, terminals: Iterable[str], from_ms: int) -> Rows:
        """Rows of a vehicle since a time that have to be written anew, because something else was on it.

        Raises:
            StoreError: the store cannot be read now.
        """
        changed = Rows()
        matching: dict[str, Any] = {"plate": plate.plate, "plate_color": plate.color}
        for table in WITH_PLATE:
            columns = PAGED[table].key
            for terminal in terminals:
                for stored in reading.pages(self._store, table, terminal, from_ms, **matching):
                    row = row_of(table, stored)
                    after = self.filled(table, row)
                    if after != row:
                        changed.put(table, tuple(getattr(row, name) for name in columns), after)
        return changed

    def filled(self, table: str, row: Any) -> Any:
        """A row with driver, waybill and load as they are known now."""
        if row.plate is None or row.state == "withdrawn":
            return row
        at_ms: int = getattr(row, PAGED[table].time)
        if at_ms < now_ms() - BACK_MS:
            return row
        aboard = self._crews.aboard(Plate(row.plate, row.plate_color or 0), at_ms)
        if table == "episodes":
            return row._replace(person=aboard.person, person_confidence=aboard.confidence, waybill=aboard.waybill)
        laden = 1 if aboard.waybill is not None else self._laden(row.terminal_id, at_ms)
        if table == "trips":
            return row._replace(driver=aboard.person, waybill=aboard.waybill, laden=laden)
        return row._replace(person=aboard.person, waybill=aboard.waybill, laden=laden)

    def _laden(self, terminal_id: int, at_ms: int) -> int | None:
        """By the status bits (P8): they say that it is laden, or nothing."""
        name = self._name_of(terminal_id)
        rows = self._store.positions(terminal=name, from_ms=at_ms, to_ms=at_ms + STATUS_MS, limit=1) if name else []
        status: Any = rows[0]["status"] if rows else 0
        return 1 if status & _LOAD_BITS else None
