"""Chance, histogram, roads and vehicles of the simulator."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jtgate.simulators.dice import Dice, Purpose
from jtgate.simulators.histogram import VALUE_US_MAX, Histogram
from jtgate.simulators.roads import Node, RoadGraph, distance_m, shipped_graph
from jtgate.simulators.vehicle import Activity, Vehicle


def test_a_draw_depends_on_nothing_but_its_key() -> None:
    """The 17th draw is the same number whatever was drawn before it."""
    fresh, used = Dice(5, 42), Dice(5, 42)
    for count in range(100):
        used.roll(Purpose.ALARM, count)

    assert used.roll(Purpose.FAULT, 17) == fresh.roll(Purpose.FAULT, 17)


def test_seed_stream_purpose_and_count_each_change_a_draw() -> None:
    """No two of the four play the same part."""
    draws = {
        Dice(seed, stream).bits(purpose, count)
        for seed in range(4)
        for stream in range(4)
        for purpose in (Purpose.ALARM, Purpose.FAULT)
        for count in range(-2, 4)
    }

    assert len(draws) == 4 * 4 * 2 * 6


def test_draws_are_even() -> None:
    """A tenth of the numbers lies in each tenth of the range."""
    tenths = [0] * 10
    for stream in range(100):
        dice = Dice(1, stream)
        for count in range(200):
            tenths[int(dice.roll(Purpose.ALARM, count) * 10)] += 1

    assert all(1800 < share < 2200 for share in tenths)


@given(st.lists(st.floats(0, 60), min_size=1, max_size=200), st.sampled_from([50.0, 90.0, 99.0, 100.0]))
def test_a_percentile_is_never_too_small_and_at_most_a_bucket_too_large(values: list[float], percent: float) -> None:
    """Held against sorting all values."""
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    true_us = int(sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)] * 1e6)

    told_us = histogram.percentile_us(percent)

    assert told_us is not None
    assert true_us <= told_us <= true_us * (1 + 1 / 32) + 1


def test_a_histogram_stays_small_and_takes_any_duration() -> None:
    """Negative counts as none, a year as the longest."""
    histogram = Histogram()
    histogram.add(-1)
    histogram.add(365 * 86400)

    assert histogram.percentile_us(50) == 0
    assert histogram.percentile_us(100) == VALUE_US_MAX
    assert Histogram().percentiles().p99_ms is None


def test_every_place_of_the_shipped_graph_can_be_reached() -> None:
    """From the yard to every node; there are yards, loading places, customers, rest areas and a chemical park."""
    graph = shipped_graph()

    assert 60 <= len(graph.nodes) <= 150
    for kind in ("yard", "loading_terminal", "chemical_park", "customer", "rest_area"):
        assert graph.places(kind)
    for node in graph.nodes.values():
        if node.id != "yard":
            assert graph.route("yard", node.id).length_m > 0


def test_a_route_is_made_of_legs_that_touch() -> None:
    """Each leg begins where the one before ends, and the lengths add up."""
    route = shipped_graph().route("yard", "cust_5")

    for before, after in zip(route.legs, route.legs[1:], strict=False):
        assert before.end == after.start
        assert after.start_m == pytest.approx(before.end_m)
    assert route.legs[-1].end.id == "cust_5"
    assert route.length_m == pytest.approx(sum(leg.length_m for leg in route.legs))
    assert all(0 <= leg.heading_deg <= 359 for leg in route.legs)


def test_a_route_takes_the_quicker_road() -> None:
    """A detour over a fast road beats a short slow one; no road is an error."""
    graph = RoadGraph(
        {
            "nodes": [
                {"id": name, "lat": 41.0, "lon": 122.0 + east, "altitude_m": 0, "kind": "crossing"}
                for name, east in (("a", 0.0), ("b", 0.05), ("c", 0.1), ("far", 0.2))
            ],
            "roads": [
                {"from": "a", "to": "c", "limit_kmh": 20, "kind": "street"},
                {"from": "a", "to": "b", "limit_kmh": 80, "kind": "street"},
                {"from": "b", "to": "c", "limit_kmh": 80, "kind": "street"},
            ],
        }
    )

    assert [leg.end.id for leg in graph.route("a", "c").legs] == ["b", "c"]
    with pytest.raises(ValueError, match="no way"):
        graph.route("a", "far")


@pytest.mark.parametrize("stream", range(6))
def test_a_day_of_driving_is_plausible(stream: int) -> None:
    """Over a day: speed near the limit at most, no jumps, mileage equals the way, ACC off when parked."""
    vehicle = Vehicle(Dice(3, stream), shipped_graph())
    activities = set()
    for step in range(1, 24 * 360):
        before, mileage_before = vehicle.position(), vehicle.mileage_m
        speed_before = vehicle.speed_mps
        vehicle.advance(step * 10.0)
        activities.add(vehicle.activity)
        moved_m = vehicle.mileage_m - mileage_before
        straight_m = distance_m(_node(before), _node(vehicle.position()))

        assert straight_m <= moved_m + 1.0
        assert moved_m <= 10 * 84 / 3.6
        assert vehicle.speed_kmh <= 84
        assert vehicle.speed_mps - speed_before <= 0.6 * 10 + 1.1
        assert 0 < vehicle.fuel_l <= 400
        assert vehicle.ignition or vehicle.speed_mps == 0
        assert (vehicle.driver_no == 0) == (vehicle.activity is Activity.PARKED)
        assert 40 < vehicle.position()[0] < 42.5
        assert 120 < vehicle.position()[1] < 124
    assert {Activity.DRIVING, Activity.WAITING, Activity.LOADING, Activity.UNLOADING, Activity.PARKED} <= activities


def _node(position: tuple[float, float, float]) -> Node:
    return Node("", position[0], position[1], position[2], "", "")


def test_two_vehicles_of_one_seed_drive_the_same_way() -> None:
    """Same dice, same calls: same place, speed and mileage to the last bit."""
    one, two = (Vehicle(Dice(9, 7), shipped_graph()) for _ in range(2))
    for step in range(1, 2000):
        one.advance(step * 10.0)
        two.advance(step * 10.0)

    assert (one.position(), one.speed_mps, one.mileage_m) == (two.position(), two.speed_mps, two.mileage_m)


def test_a_jump_in_time_takes_few_steps_and_still_arrives_somewhere() -> None:
    """A day in one call is quick and leaves the vehicle on the map."""
    vehicle = Vehicle(Dice(1, 1), shipped_graph())
    vehicle.advance(86_400.0)

    assert vehicle.time_s == 86_400.0
    assert 40 < vehicle.position()[0] < 42.5
