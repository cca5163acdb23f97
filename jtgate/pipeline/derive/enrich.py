"""What machines do not know: the plate of a terminal, and the risk event of an episode."""

import time
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from jtgate.codecs.timebase import now_ms
from jtgate.pipeline.derive import merging, reading
from jtgate.pipeline.derive.facts import Rows
from jtgate.pipeline.derive.timeline import row_of
from jtgate.storage.store import Store
from jtgate.storage.tables import PAGED

#: Plates are asked for again after this.
PLATES_S: Final = 30.0
#: Vehicles of the registry that are read at a time.
PAGE_ROWS: Final = 2000
#: Episodes so long before and after a changed one may be in its risk event.
RISK_AROUND_MS: Final = 3_600_000

#: Tables whose rows have a plate.
WITH_PLATE: Final = ("episodes", "trips", "zone_visits")


class Plate(NamedTuple):
    """A number plate 车牌号 and its colour."""

    plate: str
    color: int


class Plates:
    """Which terminal is in which vehicle: as the registry says, else as the terminal registered.

    Args:
        store: registry and terminals.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._by_terminal: dict[str, Plate] = {}
        self._names: dict[int, str] = {}
        self._read_at = float("-inf")

    def of(self, terminal_id: int) -> Plate | None:
        """The plate of a terminal by its number; None when nobody knows.

        Raises:
            StoreError: the store cannot be read now.
        """
        if time.monotonic() - self._read_at > PLATES_S:
            self._read()
        name = self._names.get(terminal_id)
        return None if name is None else self._by_terminal.get(name)

    def name_of(self, terminal_id: int) -> str:
        """Digits of a terminal by its number; "" for one that is not there.

        Raises:
            StoreError: the store cannot be read now.
        """
        if terminal_id not in self._names:
            self._read()
        return self._names.get(terminal_id, "")

    def terminals_of(self, plate: Plate) -> list[str]:
        """Terminals that are in a vehicle now."""
        if time.monotonic() - self._read_at > PLATES_S:
            self._read()
        return [terminal for terminal, found in self._by_terminal.items() if found == plate]

    def _read(self) -> None:
        names: dict[int, str] = {}
        found: dict[str, Plate] = {}
        after: str | None = None
        while True:
            rows = self._store.terminals(after=after, limit=PAGE_ROWS)
            for row in rows:
                terminal: Any = row["terminal"]
                terminal_id: Any = row["terminal_id"]
                plate: Any = row["plate"]
                color: Any = row["plate_color"]
                names[terminal_id] = terminal
                if plate:
                    found[terminal] = Plate(plate, color or 0)
                after = terminal
            if len(rows) < PAGE_ROWS:
                break
        self._read_registry(found)
        self._by_terminal, self._names, self._read_at = found, names, time.monotonic()

    def _read_registry(self, found: dict[str, Plate]) -> None:
        after: tuple[object, ...] = ()
        while True:
            rows = self._store.registry_rows("vehicles", at_ms=now_ms(), after=after, limit=PAGE_ROWS)
            for row in rows:
                terminal: Any = row["terminal"]
                plate: Any = row["plate"]
                color: Any = row["plate_color"]
                if terminal:
                    found[terminal.lstrip("0")] = Plate(plate, color)
                after = (plate, color, row["valid_from_ms"])
            if len(rows) < PAGE_ROWS:
                return


def with_plates(plates: Plates, found: Rows) -> None:
    """Fill the plates in that are not there yet."""
    for table in WITH_PLATE:
        rows = found.tables.get(table, {})
        for key, row in rows.items():
            if row.plate is None:
                plate = plates.of(row.terminal_id)
                if plate is not None:
                    rows[key] = row._replace(plate=plate.plate, plate_color=plate.color)


def with_risk_events(store: Store, plates: Plates, found: Rows) -> None:
    """Put the episodes of each vehicle and risk class together to risk events; neighbours that change are added."""
    by_terminal: dict[int, list[Any]] = defaultdict(list)
    for row in found.tables.get("episodes", {}).values():
        by_terminal[row.terminal_id].append(row)
    for terminal_id, rows in by_terminal.items():
        name = plates.name_of(terminal_id)
        starts = [row.started_ms for row in rows]
        around = reading.pages(store, "episodes", name, min(starts) - RISK_AROUND_MS, max(starts) + RISK_AROUND_MS)
        all_rows = {_key(row): row for row in (row_of("episodes", one) for one in around)}
        all_rows |= {_key(row): row for row in rows}
        _put_risk_events(all_rows.values(), found)


def _put_risk_events(rows: Iterable[Any], found: Rows) -> None:
    """Those of one vehicle."""
    by_class: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        if row.state != "withdrawn":
            by_class[row.risk_class].append(row)
    for members in by_class.values():
        members.sort(key=_key)
        members.sort(key=lambda row: int(row.started_ms))
        for row, start_ms in zip(members, merging.risk_starts(one.started_ms for one in members), strict=True):
            if row.risk_started_ms != start_ms:
                found.put("episodes", _key(row), row._replace(risk_started_ms=start_ms))


def _key(row: Any) -> tuple[Any, ...]:
    return tuple(getattr(row, name) for name in PAGED["episodes"].key)
