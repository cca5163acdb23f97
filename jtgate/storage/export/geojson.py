"""GeoJSON (RFC 7946): a line for every run of reports without a long gap, or a point for every report.

A run of one report is a point. Coordinates are longitude and latitude with 6 digits, as the wire has them.
"""

import json
from collections.abc import Sequence
from typing import BinaryIO, cast

from jtgate.codecs.timebase import iso_ms
from jtgate.storage.export.runs import Runs
from jtgate.storage.export.source import Facts, Vehicle
from jtgate.storage.store import Row

#: What a point tells of its report.
_POINT_PROPERTIES = (
    "altitude_m",
    "speed_kmh",
    "heading_deg",
    "mileage_km",
    "fuel_l",
    "satellites",
    "status",
    "alarm_flags",
    "video_alarm_flags",
)


class _Collection:
    """A FeatureCollection that is written feature by feature."""

    def __init__(self, file: BinaryIO, facts: Facts) -> None:
        self._file = file
        self._datum = facts.selection.datum
        about = json.dumps({"release": facts.release, "datum": self._datum})
        self._put(f'{{"type":"FeatureCollection","jtgate":{about},"features":[')
        self._between = "\n"

    def _put(self, text: str) -> None:
        self._file.write(text.encode())

    def _begin(self, geometry: str) -> str:
        """Text up to the coordinates of the next feature."""
        text = f'{self._between}{{"type":"Feature","geometry":{{"type":"{geometry}","coordinates":'
        self._between = ",\n"
        return text

    def _properties(self, vehicle: Vehicle, values: dict[str, object]) -> str:
        """Text behind the coordinates."""
        facts = {"terminal": vehicle.terminal, "plate": vehicle.plate or None, "datum": self._datum, **values}
        return f'}},"properties":{json.dumps(facts, ensure_ascii=False, separators=(",", ":"))}}}'

    def _end(self) -> None:
        self._put("\n]}\n")


class PointFile(_Collection):
    """`Writer` of a point for every report."""

    def page(self, vehicle: Vehicle, rows: Sequence[Row]) -> None:
        """See Writer."""
        self._put("".join(self._begin("Point") + _place(row) + self._told(vehicle, row) for row in rows))

    def _told(self, vehicle: Vehicle, row: Row) -> str:
        values = {name: row[name] for name in _POINT_PROPERTIES if row[name] is not None}
        times = {"time": _time(row), "backfill": bool(row["backfill"])}
        return self._properties(vehicle, times | values)

    def finish(self) -> None:
        """See Writer."""
        self._end()


class LineFile(_Collection):
    """`Writer` of a line for every run of reports.

    Args:
        file: is written from its beginning.
        facts: what the file says of itself.
        gap_minutes: longer than this without a report ends a line.
    """

    def __init__(self, file: BinaryIO, facts: Facts, gap_minutes: float) -> None:
        super().__init__(file, facts)
        self._runs = Runs(gap_minutes)
        self._vehicle = Vehicle("")
        self._first: Row | None = None  # of the run under way
        self._last: Row | None = None
        self._points = self._backfilled = 0
        self._speed_max_kmh = 0.0

    def page(self, vehicle: Vehicle, rows: Sequence[Row]) -> None:
        """See Writer."""
        text: list[str] = []
        for begins, row in self._runs.cut(vehicle, rows):
            if begins:
                text.append(self._ended())
                self._first, self._vehicle = row, vehicle
                self._points = self._backfilled = 0
                self._speed_max_kmh = 0.0
            elif self._points == 1 and self._first is not None:
                text += self._begin("LineString"), "[", _place(self._first), ",", _place(row)
            else:
                text += ",", _place(row)
            self._last = row
            self._points += 1
            self._backfilled += bool(row["backfill"])
            self._speed_max_kmh = max(self._speed_max_kmh, cast("float", row["speed_kmh"] or 0))
        self._put("".join(text))

    def finish(self) -> None:
        """See Writer."""
        self._put(self._ended())
        self._end()

    def _ended(self) -> str:
        """Text that ends the run under way; "" when there is none."""
        first, last = self._first, self._last
        if first is None or last is None:
            return ""
        values: dict[str, object] = {
            "start": _time(first),
            "end": _time(last),
            "points": self._points,
            "backfilled": self._backfilled,
            "speed_max_kmh": self._speed_max_kmh,
            "mileage_start_km": first["mileage_km"],
            "mileage_end_km": last["mileage_km"],
        }
        begin = self._begin("Point") + _place(first) if self._points == 1 else "]"
        return begin + self._properties(self._vehicle, values)


def _place(row: Row) -> str:
    return f"[{row['longitude']:.6f},{row['latitude']:.6f}]"


def _time(row: Row) -> str:
    return iso_ms(cast("int", row["device_time_ms"]))
