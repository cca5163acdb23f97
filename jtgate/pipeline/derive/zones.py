"""Zones on the map: which are near a point, and how far inside or outside of each it is (regulation §7).

A zone is a registry row: Polygon or MultiPolygon (with holes), Point with radius_m, LineString with width_m. Distances
are taken in a flat map around the zone, in metres east and north of its middle: for zones of some tens of kilometres
the error is below a thousandth of the distance, and what matters here is 30 m.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

import shapely
from shapely.geometry import shape

#: Zones at most; the registry has far fewer, and a visit is kept for each one that a vehicle is in.
ZONES_MAX: Final = 20_000
#: A point so far outside of a zone is of no interest to it.
NEAR_M: Final = 200.0

_DEGREE_M: Final = 111_195.08  # of latitude, and of longitude at the equator
_NONE: Final[list["Zone"]] = []


#: Zones are found by the cell of the map that a point is in, about 2 km wide. One that has more cells than this is
#: looked at for every point.
CELL_DEGREES: Final = 0.02
CELLS_MAX: Final = 4_000


class TooManyZones(ValueError):
    """More zones than ZONES_MAX."""


class Near(NamedTuple):
    """A zone and where a point is to it.

    Args:
        zone: its number.
        inside_m: metres to the border; negative outside.
    """

    zone: str
    inside_m: float


class Zone:
    """One zone in a flat map of its own.

    Args:
        row: of the registry `zones`.

    Raises:
        ValueError: its geometry cannot be used.
    """

    def __init__(self, row: Mapping[str, Any]) -> None:
        self.zone = str(row["zone"])
        self.kind = str(row["zone_kind"])
        self.valid_from_ms = int(row["valid_from_ms"] or 0)
        self.valid_to_ms = row["valid_to_ms"]
        degrees = shape(row["geometry"])
        if degrees.is_empty:
            raise ValueError("an empty geometry")
        west, south, east, north = degrees.bounds
        self._longitude = (west + east) / 2
        self._latitude = (south + north) / 2
        self._east_m = _DEGREE_M * math.cos(math.radians(self._latitude))
        flat = shapely.transform(degrees, self._flat)
        self._radius_m: float | None = None
        if degrees.geom_type == "Point":
            self._radius_m = float(row["radius_m"] or 0.0)
            flat = flat.buffer(self._radius_m)
        elif degrees.geom_type == "LineString":
            flat = flat.buffer(float(row["width_m"] or 0.0) / 2, quad_segs=8)
        if flat.is_empty or flat.area <= 0:
            raise ValueError("a zone without area")
        shapely.prepare(flat)
        self._area = flat
        self._border = flat.boundary
        margin = flat.buffer(NEAR_M).bounds
        #: West, south, east, north of what is near, degrees.
        self.box = (
            self._longitude + margin[0] / self._east_m,
            self._latitude + margin[1] / _DEGREE_M,
            self._longitude + margin[2] / self._east_m,
            self._latitude + margin[3] / _DEGREE_M,
        )

    def _flat(self, places: Any) -> Any:
        moved = places.copy()
        moved[:, 0] = (places[:, 0] - self._longitude) * self._east_m
        moved[:, 1] = (places[:, 1] - self._latitude) * _DEGREE_M
        return moved

    def holds_at(self, at_ms: int) -> bool:
        """Whether this version is in force."""
        return self.valid_from_ms <= at_ms and (self.valid_to_ms is None or at_ms < int(self.valid_to_ms))

    def inside_m(self, latitude: float, longitude: float) -> float:
        """Metres from a point to the border; negative for a point outside."""
        east_m, north_m = (longitude - self._longitude) * self._east_m, (latitude - self._latitude) * _DEGREE_M
        if self._radius_m is not None:
            return self._radius_m - math.hypot(east_m, north_m)
        point = shapely.points(east_m, north_m)
        away_m = float(self._border.distance(point))
        return away_m if self._area.intersects(point) else -away_m


class ZoneMap:
    """Every zone, found by place.

    Args:
        zones: all versions.

    Raises:
        TooManyZones: there are more than ZONES_MAX.
    """

    def __init__(self, zones: Iterable[Zone]) -> None:
        self._zones = list(zones)
        if len(self._zones) > ZONES_MAX:
            raise TooManyZones(f"{len(self._zones)} zones; at most {ZONES_MAX}")
        self._kinds = {zone.zone: zone.kind for zone in self._zones}
        self._wide: list[Zone] = []
        self._cells: dict[tuple[int, int], list[Zone]] = {}
        for zone in self._zones:
            west, south, east, north = (math.floor(degrees / CELL_DEGREES) for degrees in zone.box)
            if (east - west + 1) * (north - south + 1) > CELLS_MAX:
                self._wide.append(zone)
                continue
            for across in range(west, east + 1):
                for along in range(south, north + 1):
                    self._cells.setdefault((across, along), []).append(zone)

    def __len__(self) -> int:
        return len(self._zones)

    def kind_of(self, zone: str) -> str:
        """Kind of a zone, "" for one that is not there any more."""
        return self._kinds.get(zone, "")

    def near(self, latitude: float, longitude: float, at_ms: int) -> list[Near]:
        """Zones in force that a point is inside of or near to, by their numbers."""
        cell = math.floor(longitude / CELL_DEGREES), math.floor(latitude / CELL_DEGREES)
        zones = self._cells.get(cell, _NONE)
        if self._wide:
            zones = [*zones, *self._wide]
        found = [
            Near(zone.zone, zone.inside_m(latitude, longitude))
            for zone in zones
            if zone.box[0] <= longitude <= zone.box[2]
            and zone.box[1] <= latitude <= zone.box[3]
            and zone.holds_at(at_ms)
        ]
        return sorted(found) if len(found) > 1 else found


def map_of(rows: Iterable[Mapping[str, Any]]) -> tuple[ZoneMap, list[str]]:
    """The map of the rows of the registry, and the numbers of those whose geometry cannot be used."""
    zones, bad = [], []
    for row in rows:
        try:
            zones.append(Zone(row))
        except (ValueError, TypeError, KeyError, shapely.errors.ShapelyError):
            bad.append(str(row.get("zone")))
    return ZoneMap(zones), bad
