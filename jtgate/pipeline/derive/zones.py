"""Zones on the map: which are near a point, and how far inside or outside of each it is (regulation §7).

A zone is a registry row: Polygon or MultiPolygon (with holes), Point with radius_m, LineString with width_m. Distances
are taken in a flat map around the zone, in metres east and north of its middle: for zones of some tens of kilometres the
error is below a thousandth of the distance, and what matters here is 30 m.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

import shapely
from shapely import STRtree
from shapely.geometry import shape

#: Zones at most; the registry has far fewer, and a visit is kept for each one that a vehicle is in.
ZONES_MAX: Final = 20_000
#: A point so far outside of a zone is of no interest to it.
NEAR_M: Final = 200.0

_DEGREE_M: Final = 111_195.08  # of latitude, and of longitude at the equator
_SEGMENTS: Final = 64  # of a quarter circle: a circle of 3 km is 0.2 m too small at most


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
        if degrees.geom_type == "Point":
            flat = flat.buffer(float(row["radius_m"] or 0.0), quad_segs=_SEGMENTS)
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
        point = shapely.Point((longitude - self._longitude) * self._east_m, (latitude - self._latitude) * _DEGREE_M)
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
        self._tree = STRtree([shapely.box(*zone.box) for zone in self._zones])
        self._kinds = {zone.zone: zone.kind for zone in self._zones}

    def __len__(self) -> int:
        return len(self._zones)

    def kind_of(self, zone: str) -> str:
        """Kind of a zone, "" for one that is not there any more."""
        return self._kinds.get(zone, "")

    def near(self, latitude: float, longitude: float, at_ms: int) -> list[Near]:
        """Zones in force that a point is inside of or near to, by their numbers."""
        if not self._zones:
            return []
        found = [self._zones[index] for index in self._tree.query(shapely.Point(longitude, latitude))]
        return sorted(Near(zone.zone, zone.inside_m(latitude, longitude)) for zone in found if zone.holds_at(at_ms))


def map_of(rows: Iterable[Mapping[str, Any]]) -> tuple[ZoneMap, list[str]]:
    """The map of the rows of the registry, and the numbers of those whose geometry cannot be used."""
    zones, bad = [], []
    for row in rows:
        try:
            zones.append(Zone(row))
        except (ValueError, TypeError, KeyError, shapely.errors.ShapelyError):
            bad.append(str(row.get("zone")))
    return ZoneMap(zones), bad
