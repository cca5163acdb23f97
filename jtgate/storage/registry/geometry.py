"""GeoJSON of zones and routes: checked, shifted to WGS-84, and brought to a form that compares.

Rings are checked for what breaks a decision of inside or outside: too few points, an open end, no area, lines that
cross. Points have 7 decimals, a centimetre.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from jtgate.codecs.datum import Place, to_wgs84

#: Points of one geometry; crossing lines are looked for in time that can grow with the square.
POINTS_MAX: Final = 5_000
_DECIMALS: Final = 7
#: Rings smaller than this, in square degrees (a square metre or so), are a line.
_AREA_MIN: Final = 1e-10

Point = list[float]


class GeometryFault(ValueError):
    """What is wrong with a geometry, in words without its coordinates."""


def checked_geometry(value: object, shapes: Sequence[str], *, shifted: bool) -> dict[str, Any]:
    """Check a geometry.

    Args:
        value: GeoJSON.
        shapes: the types that are allowed.
        shifted: whether it is in GCJ-02.

    Returns:
        It in WGS-84, with nothing but type and coordinates of two numbers each.

    Raises:
        GeometryFault: it is none, or one of no use.
    """
    if not isinstance(value, Mapping) or "type" not in value:
        raise GeometryFault('is no GeoJSON: write {"type": "Polygon", "coordinates": [...]}')
    shape = value["type"]
    if shape not in shapes:
        raise GeometryFault(f"is none of the types {', '.join(shapes)}")
    points = _Points(shifted)
    coordinates = value.get("coordinates")
    if shape == "Point":
        return {"type": shape, "coordinates": points.one(coordinates)}
    if shape in ("LineString", "MultiPoint"):
        return {"type": shape, "coordinates": points.many(coordinates, 2 if shape == "LineString" else 1)}
    if shape == "Polygon":
        return {"type": shape, "coordinates": _polygon(points, coordinates)}
    return {"type": shape, "coordinates": [_polygon(points, part) for part in _members(coordinates, "polygons")]}


def shifted_place(latitude: float, longitude: float) -> tuple[float, float]:
    """Latitude and longitude in WGS-84 of a place in GCJ-02."""
    place = to_wgs84(Place(latitude, longitude))
    return round(place.latitude, _DECIMALS), round(place.longitude, _DECIMALS)


class _Points:
    """Reads points and counts them.

    Args:
        shifted: whether they are in GCJ-02.
    """

    def __init__(self, shifted: bool) -> None:
        self._shifted = shifted
        self._count = 0

    def one(self, value: object) -> Point:
        self._count += 1
        if self._count > POINTS_MAX:
            raise GeometryFault(f"has more than {POINTS_MAX} points")
        if not isinstance(value, Sequence) or isinstance(value, str) or not 2 <= len(value) <= 3:
            raise GeometryFault("has a point that is not [longitude, latitude]")
        longitude, latitude = value[0], value[1]
        for number, limit in ((longitude, 180), (latitude, 90)):
            if isinstance(number, bool) or not isinstance(number, int | float) or not abs(number) <= limit:
                raise GeometryFault("has a point outside of longitude -180 to 180, latitude -90 to 90")
        if self._shifted:
            latitude, longitude = shifted_place(latitude, longitude)
        return [round(float(longitude), _DECIMALS), round(float(latitude), _DECIMALS)]

    def many(self, value: object, least: int) -> list[Point]:
        points = [self.one(point) for point in _members(value, "points")]
        if len(points) < least:
            raise GeometryFault(f"has fewer than {least} points")
        return points


def _members(value: object, what: str) -> Sequence[object]:
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise GeometryFault(f"has no list of {what} as coordinates")
    return value


def _polygon(points: _Points, value: object) -> list[list[Point]]:
    rings = [points.many(ring, 4) for ring in _members(value, "rings")]
    for ring in rings:
        if ring[0] != ring[-1]:
            raise GeometryFault("has a ring whose last point is not its first")
        if abs(_area(ring)) < _AREA_MIN:
            raise GeometryFault("has a ring without area")
    if _crosses(rings):
        raise GeometryFault("has lines that cross")
    for hole in rings[1:]:
        if not any(_is_inside(point, rings[0]) for point in hole[:-1]):
            raise GeometryFault("has a hole that is not in it")
    return rings


def _area(ring: Sequence[Point]) -> float:
    """Signed area, square degrees; about the first point, so that no digits are lost."""
    x0, y0 = ring[0]
    return math.fsum((x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0) for (x1, y1), (x2, y2) in pairwise(ring)) / 2


def _crosses(rings: Sequence[Sequence[Point]]) -> bool:
    """Whether two lines cross; touching is allowed. Lines are taken from west to east, each against those around it."""
    lines = sorted(
        ((a, b) if a <= b else (b, a) for ring in rings for a, b in pairwise(ring)),
        key=lambda line: line[0],
    )
    open_lines: list[tuple[Point, Point]] = []
    for line in lines:
        open_lines = [other for other in open_lines if other[1][0] >= line[0][0]]
        if any(_cross(line, other) for other in open_lines):
            return True
        open_lines.append(line)
    return False


def _cross(one: tuple[Point, Point], other: tuple[Point, Point]) -> bool:
    (a, b), (c, d) = one, other
    if max(a[1], b[1]) <= min(c[1], d[1]) or max(c[1], d[1]) <= min(a[1], b[1]):
        return False
    return _side(a, b, c) * _side(a, b, d) < 0 and _side(c, d, a) * _side(c, d, b) < 0


def _side(a: Point, b: Point, c: Point) -> int:
    turn = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
    return (turn > 0) - (turn < 0)


def _is_inside(point: Point, ring: Sequence[Point]) -> bool:
    x, y = point
    crossings = sum(
        (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1 for (x1, y1), (x2, y2) in pairwise(ring)
    )
    return crossings % 2 == 1
