"""Position comparison: near, moving along, far away, checked in; the numbers of regulation §6."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jtgate.pipeline.derive import phones
from jtgate.pipeline.derive.phones import (
    Fix,
    Point,
    away,
    checked_in,
    co_moves,
    near_limit_m,
    pairs,
    place_at,
    together,
)

MINUTE_MS = 60_000
KM = 1 / 111.195  # degrees of latitude


def vehicle(minutes: float, kmh: float = 60.0, step_s: int = 30, stop_at: float | None = None) -> list[Point]:
    """A drive to the north from 41° on, standing from a minute on."""
    found = []
    for second in range(0, round(minutes * 60) + 1, step_s):
        driven_s = second if stop_at is None else min(second, stop_at * 60)
        speed = kmh if stop_at is None or second < stop_at * 60 else 0.0
        found.append(Point(second * 1000, 41.0 + kmh * driven_s / 3600 * KM, 122.0, speed))
    return found


def phone(
    minutes: Sequence[float], kmh: float = 60.0, east_m: float = 0.0, accuracy_m: float = 10.0, start_km: float = 0.0
) -> list[Fix]:
    """Fixes beside the drive."""
    east = east_m / 1000 * KM / 0.7547  # cosine of 41°
    return [
        Fix(round(minute * MINUTE_MS), 41.0 + (start_km + kmh * minute / 60) * KM, 122.0 + east, accuracy_m)
        for minute in minutes
    ]


EVERY_MINUTE = [float(minute) for minute in range(11)]


@pytest.mark.parametrize(
    ("accuracy_m", "speed_kmh", "limit_m"),
    [(10, 0, 60), (10, 4.9, 60), (100, 0, 150), (10, 5, 116.94), (0, 80, 211.11), (20, 80, 231.11)],
)
def test_how_far_is_near(accuracy_m: float, speed_kmh: float, limit_m: float) -> None:
    """Standing 50 m and the accuracy; moving 100 m, the accuracy, and five seconds of the way: 111 m at 80 km/h."""
    assert near_limit_m(accuracy_m, speed_kmh) == pytest.approx(limit_m, abs=0.01)


def test_the_place_between_two_points() -> None:
    """By the share of time, when both are at most 60 s away."""
    one, other = Point(0, 41.0, 122.0, 60.0), Point(60_000, 41.01, 122.02, 30.0)

    middle = place_at([one, other], 30_000)

    assert middle is not None
    assert middle[1:] == pytest.approx((41.005, 122.01, 45.0))
    assert place_at([one, other], 60_000) == other
    assert place_at([one, other], 60_001) is None
    assert place_at([one, other._replace(time_ms=61_000)], 500) is None
    assert place_at([one, other._replace(time_ms=120_000)], 60_000) is not None


def test_inaccurate_fixes_are_dropped() -> None:
    """Over 100 m."""
    track = vehicle(10)

    assert len(pairs(phone([1], accuracy_m=100.0), track)) == 1
    assert pairs(phone([1], accuracy_m=100.1), track) == []


@pytest.mark.parametrize(
    ("track", "fixes", "moves"),
    [
        (vehicle(10), phone(EVERY_MINUTE), True),
        (vehicle(10), phone(EVERY_MINUTE, east_m=185), True),  # limit 100 + 10 + 83 = 193 m at 60 km/h
        (vehicle(10), phone(EVERY_MINUTE, east_m=200), False),
        (vehicle(10), phone([0, 2, 4, 6, 8]), True),  # five pairs over eight minutes of ten
        (vehicle(10), phone([0, 2, 4, 6]), False),  # four pairs
        (vehicle(10), phone([0, 1, 2, 3, 5.9]), False),  # spread over 59 %
        (vehicle(10), phone([0, 1, 2, 3, 6]), True),  # over 60 %
        (vehicle(10, kmh=17), phone(EVERY_MINUTE, kmh=17), False),  # 2.8 km
        (vehicle(10, kmh=18.5), phone(EVERY_MINUTE, kmh=18.5), True),  # 3.08 km
        (vehicle(10, stop_at=4), phone([5, 6, 7, 8, 9, 10], kmh=0, start_km=4), False),  # both stand: no binding
        (vehicle(10), [one._replace(latitude=41.05) for one in phone(EVERY_MINUTE)], False),  # left behind
    ],
)
def test_moving_along(track: list[Point], fixes: list[Fix], moves: bool) -> None:
    """Ten minutes, 3 km, five pairs over 60 % of the time, 80 % near."""
    assert co_moves(pairs(fixes, track), track, 0, 10 * MINUTE_MS) is moves


def test_eight_of_ten_are_enough() -> None:
    """Near share 80 %, but the way must be as long as that of the vehicle, within 0.80 to 1.25."""
    track = vehicle(9)
    track += vehicle(10)[len(track) :]
    aside = phone(EVERY_MINUTE[:10], east_m=0)
    for at in (3, 6):
        aside[at] = aside[at]._replace(longitude=aside[at].longitude + 0.0035)  # 294 m to the east

    assert co_moves(pairs(aside, track), track, 0, 10 * MINUTE_MS)
    aside[8] = aside[8]._replace(longitude=aside[8].longitude + 0.0035)
    assert not co_moves(pairs(aside, track), track, 0, 10 * MINUTE_MS)


def test_a_way_of_another_length_or_direction_is_no_moving_along() -> None:
    """A phone that jumps about beside the road goes further than the vehicle."""
    track = vehicle(10)
    zigzag = [
        fix._replace(longitude=fix.longitude + (0.0018 if number % 2 else -0.0018))  # 150 m to each side
        for number, fix in enumerate(phone([minute / 4 for minute in range(41)]))
    ]

    assert all(one.is_near for one in pairs(zigzag, track))
    assert not co_moves(pairs(zigzag, track), track, 0, 10 * MINUTE_MS)


def test_windows_of_a_trip_are_put_together() -> None:
    """From the first near pair to the last window; standing near afterwards keeps it, going away does not."""
    track = vehicle(60, stop_at=40)
    moving = phone([float(minute) for minute in range(41)])
    standing = phone([45, 50, 55], kmh=0, start_km=40)

    (told,) = together(pairs([*moving, *standing], track), track, 0, 60 * MINUTE_MS)

    assert (told.from_ms, told.near_share) == (0, 1.0)
    assert told.last_ms == 55 * MINUTE_MS
    gone = phone([45, 50, 55], kmh=0, start_km=41)
    (told,) = together(pairs([*moving, *gone], track), track, 0, 60 * MINUTE_MS)
    assert told.last_ms <= 45 * MINUTE_MS


@pytest.mark.parametrize(
    ("minutes", "found"),
    [([10, 12.5, 15], 1), ([10, 12.5], 0), ([10, 12, 14.9], 0), ([3, 5, 8], 1), ([1, 3, 5], 0)],
)
def test_far_away(minutes: list[float], found: int) -> None:
    """Three pairs in a row over five minutes, more than 2 km from a vehicle that moves: it is 2 km away after 2 min."""
    track = vehicle(30)
    fixes = phone(minutes, kmh=0)

    assert len(away(pairs(fixes, track))) == found


def test_a_vehicle_that_stands_shows_nothing() -> None:
    """And a pair that is near breaks the row."""
    track = vehicle(30, stop_at=5)
    assert away(pairs(phone([6, 10, 15, 20], kmh=0), track)) == []
    track = vehicle(30)
    near = phone([12])
    assert away(pairs([*phone([8, 11], kmh=0), *near, *phone([14, 15], kmh=0)], track)) == []


@pytest.mark.parametrize(
    ("north_m", "minutes_before", "counts"),
    [(0, 0, True), (199, 30, True), (201, 10, False), (100, 30.1, False), (0, -1, False)],
)
def test_a_check_in(north_m: float, minutes_before: float, counts: bool) -> None:
    """Within 200 m of the vehicle, in the 30 minutes before it sets out."""
    begin_ms = 100 * MINUTE_MS
    fix = Fix(begin_ms - round(minutes_before * MINUTE_MS), 41.0 + north_m / 1000 * KM, 122.0, 10.0)

    assert checked_in(fix, 41.0, 122.0, begin_ms) is counts


@given(st.lists(st.floats(0, 30), max_size=12), st.floats(-400, 400), st.floats(20, 120))
def test_nothing_but_a_phone_on_board_moves_along(minutes: list[float], east_m: float, kmh: float) -> None:
    """Whatever the fixes, what is told lies within the trip, and a phone that is too far aside is never on board."""
    track = vehicle(30, kmh)
    found = together(pairs(sorted(phone(minutes, kmh, east_m)), track), track, 0, 30 * MINUTE_MS)

    for one in found:
        assert 0 <= one.from_ms <= one.last_ms <= 30 * MINUTE_MS
        assert one.near_share >= phones.NEAR_SHARE
        assert one.pair_count >= phones.PAIRS_MIN
    if abs(east_m) > near_limit_m(10, kmh) + 5:
        assert found == []
