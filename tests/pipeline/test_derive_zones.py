"""Zones: inside, outside and how far; visits with their beginning and end."""

from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_derive_flags import T0, second

from jtgate.pipeline.derive.facts import Rows, Second
from jtgate.pipeline.derive.visits import VISITS_MAX, VisitMachine, VisitsState
from jtgate.pipeline.derive.zones import Zone, ZoneMap, map_of
from jtgate.storage.model import ZoneVisitRow

LAT, LON = 41.0, 122.0
M_NORTH = 1 / 111_195.08  # degrees of a metre
M_EAST = M_NORTH / 0.7547096  # at 41°


def zone(number: str = "Z1", geometry: dict[str, Any] | None = None, **values: Any) -> dict[str, Any]:
    """A registry row; without a geometry a square of 1 km with its middle at 41, 122."""
    half_lat, half_lon = 500 * M_NORTH, 500 * M_EAST
    ring = [
        [LON - half_lon, LAT - half_lat],
        [LON + half_lon, LAT - half_lat],
        [LON + half_lon, LAT + half_lat],
        [LON - half_lon, LAT + half_lat],
        [LON - half_lon, LAT - half_lat],
    ]
    row: dict[str, Any] = {
        "zone": number,
        "zone_kind": "PARK",
        "valid_from_ms": 0,
        "valid_to_ms": None,
        "geometry": geometry or {"type": "Polygon", "coordinates": [ring]},
        "radius_m": None,
        "width_m": None,
    }
    return row | values


def north(metres: float, at_s: int = 0, **values: Any) -> Second:
    """A point so many metres north of the middle."""
    return second(at_s, latitude=LAT + metres * M_NORTH, longitude=LON, **values)


def visits_of(zones: ZoneMap, seconds: Iterable[Second], cut: int | None = None) -> list[ZoneVisitRow]:
    """Visits of a track, by their beginning."""
    machine, rows = VisitMachine(zones), Rows()
    state = machine.start()
    for number, one in enumerate(sorted(seconds, key=lambda each: each.time_ms)):
        if number == cut:
            state = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=VisitsState)
        state = machine.step(state, one, rows, 1)
    return sorted(rows.tables.get("zone_visits", {}).values(), key=lambda row: (row.entered_ms, row.zone))


def spans(rows: Iterable[ZoneVisitRow]) -> list[tuple[float, float | None, int]]:
    """Seconds of coming in and going out, and whether it is uncertain."""
    return [
        (
            (row.entered_ms - T0) / 1000,
            None if row.exited_ms is None else (row.exited_ms - T0) / 1000,
            row.uncertain,
        )
        for row in rows
    ]


@pytest.mark.parametrize("metres", [0.0, 400.0, 499.0, 501.0, 560.0])
def test_metres_to_the_border_of_a_square(metres: float) -> None:
    """Positive inside, negative outside, to a decimetre."""
    assert Zone(zone()).inside_m(LAT + metres * M_NORTH, LON) == pytest.approx(500 - metres, abs=0.1)


def test_circle_corridor_and_hole() -> None:
    """A Point has a radius, a LineString a width over both sides, a hole is outside."""
    circle = Zone(zone(geometry={"type": "Point", "coordinates": [LON, LAT]}, radius_m=300))
    assert circle.inside_m(LAT, LON + 290 * M_EAST) == pytest.approx(10, abs=0.3)
    assert circle.inside_m(LAT - 320 * M_NORTH, LON) == pytest.approx(-20, abs=0.3)
    line = {"type": "LineString", "coordinates": [[LON - 0.02, LAT], [LON + 0.02, LAT]]}
    road = Zone(zone(geometry=line, width_m=60))
    assert road.inside_m(LAT + 20 * M_NORTH, LON) == pytest.approx(10, abs=0.3)
    assert road.inside_m(LAT + 45 * M_NORTH, LON) == pytest.approx(-15, abs=0.3)
    outer = zone()["geometry"]["coordinates"][0]
    inner = [[LON + (x - LON) / 5, LAT + (y - LAT) / 5] for x, y in outer]
    holed = Zone(zone(geometry={"type": "Polygon", "coordinates": [outer, inner]}))
    assert holed.inside_m(LAT, LON) == pytest.approx(-100, abs=0.3)
    assert holed.inside_m(LAT + 150 * M_NORTH, LON) == pytest.approx(50, abs=0.3)


def test_versions_hold_at_their_times() -> None:
    """Of two versions of a zone only the one in force is seen; what cannot be used is told."""
    old = zone(valid_to_ms=T0)
    new = zone(valid_from_ms=T0, geometry={"type": "Point", "coordinates": [LON, LAT]}, radius_m=50)
    zones, bad = map_of([old, new, zone("bad", {"type": "Point", "coordinates": [LON, LAT]}, radius_m=None)])
    assert bad == ["bad"]
    assert zones.near(LAT, LON, T0 - 1)[0].inside_m == pytest.approx(500, abs=0.5)
    assert zones.near(LAT, LON, T0)[0].inside_m == pytest.approx(50, abs=0.5)
    assert zones.near(LAT + 0.1, LON, T0) == []


def test_a_visit_from_the_first_point_inside_to_the_first_far_outside() -> None:
    """Two points within 30 m of the border on either side; a bounce over the border changes nothing."""
    track = [north(520, 0), north(490, 10), north(480, 20), north(510, 30), north(100, 40, speed_kmh=0.0)]
    track += [north(100, 100, speed_kmh=20.0), north(529, 110), north(531, 120), north(540, 130), north(900, 140)]
    (row,) = visits_of(map_of([zone()])[0], track)
    assert spans([row]) == [(10, 120, 0)]
    assert (row.zone, row.zone_kind, row.stop_s, row.state) == ("Z1", "PARK", 60, "closed")


def test_one_point_deep_inside_is_enough_and_one_at_the_border_is_not() -> None:
    """30 m inside counts at once; 29 m inside needs another point."""
    zones = map_of([zone()])[0]
    assert spans(visits_of(zones, [north(600, 0), north(470, 10)])) == [(10, None, 0)]
    assert visits_of(zones, [north(600, 0), north(471, 10)]) == []
    assert visits_of(zones, [north(600, 0), north(471, 10), north(600, 20)]) == []
    assert spans(visits_of(zones, [north(600, 0), north(471, 10), north(499, 20)])) == [(10, None, 0)]


def test_one_point_outside_is_not_the_end() -> None:
    """A single jump out and back is the same visit."""
    zones = map_of([zone()])[0]
    track = [north(0, 0), north(600, 10), north(0, 20), north(600, 30), north(601, 40)]
    assert spans(visits_of(zones, track)) == [(0, 30, 0)]


def test_a_gap_across_a_border_makes_it_uncertain() -> None:
    """Nobody knows when it came in, or when it went out; a gap inside is none of that."""
    zones = map_of([zone()])[0]
    came = [north(900, 0), north(0, 301), north(0, 400)]
    assert spans(visits_of(zones, came)) == [(301, None, 1)]
    went = [north(0, 0), north(10, 10), north(900, 400), north(900, 410)]
    assert spans(visits_of(zones, went)) == [(0, 400, 1)]
    stayed = [north(0, 0), north(10, 1000), north(900, 1010), north(900, 1020)]
    assert spans(visits_of(zones, stayed)) == [(0, 1010, 0)]


def test_encrypted_and_invalid_points_are_not_used() -> None:
    """状态 bit 5, or no fix."""
    zones = map_of([zone()])[0]
    assert visits_of(zones, [north(0, n, status=3 | 1 << 5) for n in range(5)]) == []
    assert visits_of(zones, [north(0, n, status=1) for n in range(5)]) == []


def test_zones_inside_of_one_another_are_visits_of_their_own() -> None:
    """A yard in a park; more zones than a vehicle may be in are passed over."""
    yard = zone("Z2", {"type": "Point", "coordinates": [LON, LAT]}, radius_m=100)
    rows = visits_of(map_of([zone(), yard])[0], [north(400, 0), north(0, 10), north(400, 20), north(400, 30)])
    assert [(row.zone, *spans([row])[0]) for row in rows] == [("Z1", 0, None, 0), ("Z2", 10, 20, 0)]
    many = map_of([zone(f"Z{n:03}") for n in range(VISITS_MAX + 9)])[0]
    assert len(visits_of(many, [north(0, 0)])) == VISITS_MAX


@given(
    st.lists(
        st.tuples(st.integers(0, 200), st.sampled_from((0.0, 480.0, 495.0, 515.0, 535.0, 900.0))),
        max_size=30,
        unique_by=lambda one: one[0],
    ),
    st.integers(0, 30),
)
def test_a_state_that_was_stored_goes_on_the_same(track: list[tuple[int, float]], cut: int) -> None:
    """Stopping anywhere and going on from the stored state gives the same visits; visits do not overlap."""
    zones = map_of([zone()])[0]
    seconds = [north(metres, at_s * 20) for at_s, metres in track]
    rows = visits_of(zones, seconds)
    assert visits_of(zones, seconds, cut) == rows
    for before, after in zip(rows, rows[1:], strict=False):  # noqa: RUF007  of no more than two at a time
        assert before.exited_ms is not None
        assert before.exited_ms <= after.entered_ms
