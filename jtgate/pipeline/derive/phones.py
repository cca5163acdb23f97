"""Position comparison 位置比对: whether a phone was on board of a vehicle (regulation §6).

Pure functions over fixes of one phone and valid points of one vehicle, both in the order of time and in WGS-84.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import Final, NamedTuple

from jtgate.pipeline.derive.points import distance_m

ACCURACY_MAX_M: Final = 100.0
#: A vehicle's place is known between two valid points that are each so close in time.
BESIDE_MS: Final = 60_000
STANDING_KMH: Final = 5.0
NEAR_STANDING_M: Final = 50.0
NEAR_MOVING_M: Final = 100.0
SKEW_S: Final = 5.0  # clocks may differ by so much

WINDOW_MS: Final = 600_000
MOVED_M: Final = 3_000.0
PAIRS_MIN: Final = 5
SPREAD: Final = 0.60
NEAR_SHARE: Final = 0.80
PATH_RATIO: Final = (0.80, 1.25)
HEADING_DEG: Final = 30.0
#: Windows begin so far apart, and grow by so much until the vehicle has moved far enough, up to an hour.
STEP_MS: Final = 300_000
WINDOW_MAX_MS: Final = 3_600_000
#: Shorter legs have no heading.
LEG_M: Final = 30.0

AWAY_M: Final = 2_000.0
AWAY_PAIRS: Final = 3
AWAY_MS: Final = 300_000

YARD_M: Final = 200.0
YARD_MS: Final = 30 * 60_000


class Fix(NamedTuple):
    """Where a phone was."""

    time_ms: int
    latitude: float
    longitude: float
    accuracy_m: float


class Point(NamedTuple):
    """A valid point of a vehicle (P2)."""

    time_ms: int
    latitude: float
    longitude: float
    speed_kmh: float


class Pair(NamedTuple):
    """A fix, and where the vehicle was at that moment."""

    time_ms: int
    distance_m: float
    speed_kmh: float
    is_near: bool
    fix: Fix
    vehicle: Point


class Together(NamedTuple):
    """A phone moved along with the vehicle; `last_ms`: it was near without a break until then."""

    from_ms: int
    until_ms: int
    last_ms: int
    near_share: float
    pair_count: int


class Away(NamedTuple):
    """A phone was far away while the vehicle moved."""

    from_ms: int
    until_ms: int
    pair_count: int


def place_at(points: Sequence[Point], at_ms: int) -> Point | None:
    """Where a vehicle was, between the two valid points around; None when one of them is over 60 s away."""
    at = bisect_left(points, at_ms, key=_time)
    if at < len(points) and points[at].time_ms == at_ms:
        return points[at]
    if at == 0 or at == len(points):
        return None
    one, other = points[at - 1], points[at]
    if at_ms - one.time_ms > BESIDE_MS or other.time_ms - at_ms > BESIDE_MS:
        return None
    part = (at_ms - one.time_ms) / (other.time_ms - one.time_ms)
    return Point(
        at_ms,
        one.latitude + part * (other.latitude - one.latitude),
        one.longitude + part * (other.longitude - one.longitude),
        one.speed_kmh + part * (other.speed_kmh - one.speed_kmh),
    )


def near_limit_m(accuracy_m: float, speed_kmh: float) -> float:
    """How far a phone on board may seem to be, metres."""
    if speed_kmh < STANDING_KMH:
        return NEAR_STANDING_M + min(accuracy_m, 100.0)
    return NEAR_MOVING_M + min(accuracy_m, 100.0) + speed_kmh / 3.6 * SKEW_S


def pairs(fixes: Sequence[Fix], points: Sequence[Point]) -> list[Pair]:
    """Fixes that are accurate enough, with the place of the vehicle, where it is known."""
    found = []
    for fix in fixes:
        place = place_at(points, fix.time_ms) if fix.accuracy_m <= ACCURACY_MAX_M else None
        if place is not None:
            far_m = distance_m(fix.latitude, fix.longitude, place.latitude, place.longitude)
            is_near = far_m <= near_limit_m(fix.accuracy_m, place.speed_kmh)
            found.append(Pair(fix.time_ms, far_m, place.speed_kmh, is_near, fix, place))
    return found


def together(found: Sequence[Pair], points: Sequence[Point], begin_ms: int, end_ms: int) -> list[Together]:
    """When a phone moved along with the vehicle within a trip.

    Windows begin every five minutes of the trip. Each is the shortest of ten minutes or more in which the vehicle has
    moved three kilometres. Windows that pass and overlap are one.

    Args:
        found: what `pairs` gives, in the order of time.
        points: of the vehicle.
        begin_ms: start of the trip.
        end_ms: its end, or how far it is known.
    """
    passed: list[tuple[int, int]] = []
    for start_ms in range(begin_ms, end_ms, STEP_MS):
        window_ms = _window(points, start_ms, end_ms)
        if window_ms is not None and co_moves(found, points, start_ms, start_ms + window_ms):
            if passed and start_ms <= passed[-1][1]:
                passed[-1] = (passed[-1][0], max(passed[-1][1], start_ms + window_ms))
            else:
                passed.append((start_ms, start_ms + window_ms))
    return [_told(found, begin, end) for begin, end in passed]


def co_moves(found: Sequence[Pair], points: Sequence[Point], begin_ms: int, end_ms: int) -> bool:
    """Whether a phone moved along with the vehicle in a window.

    Args:
        found: what `pairs` gives, in the order of time.
        points: of the vehicle.
        begin_ms: of the window.
        end_ms: of the window, included.
    """
    inside = _between(found, begin_ms, end_ms)
    if end_ms - begin_ms < WINDOW_MS or len(inside) < PAIRS_MIN or moved_m(points, begin_ms, end_ms) < MOVED_M:
        return False
    if inside[-1].time_ms - inside[0].time_ms < SPREAD * (end_ms - begin_ms):
        return False
    if sum(one.is_near for one in inside) < NEAR_SHARE * len(inside):
        return False
    phone_m = sum(_leg_m(one.fix, other.fix) for one, other in pairwise(inside))
    vehicle_m = moved_m(points, inside[0].time_ms, inside[-1].time_ms)
    if not PATH_RATIO[0] * vehicle_m <= phone_m <= PATH_RATIO[1] * vehicle_m:
        return False
    turns = _heading_differences(inside)
    return bool(turns) and median(turns) <= HEADING_DEG


def away(found: Sequence[Pair]) -> list[Away]:
    """When a phone was far away: three pairs in a row, over five minutes, more than 2 km, the vehicle moving.

    Pairs while the vehicle stands neither count nor break the row.
    """
    runs: list[list[Pair]] = [[]]
    for one in found:
        if one.speed_kmh < STANDING_KMH:
            continue
        if one.distance_m > AWAY_M:
            runs[-1].append(one)
        elif runs[-1]:
            runs.append([])
    return [
        Away(run[0].time_ms, run[-1].time_ms, len(run))
        for run in runs
        if len(run) >= AWAY_PAIRS and run[-1].time_ms - run[0].time_ms >= AWAY_MS
    ]


def checked_in(fix: Fix, latitude: float, longitude: float, trip_start_ms: int) -> bool:
    """Whether a check-in was beside a vehicle that set out soon after.

    Args:
        fix: of the check-in.
        latitude: of the vehicle, where the trip began.
        longitude: of the vehicle.
        trip_start_ms: when it set out.
    """
    if not 0 <= trip_start_ms - fix.time_ms <= YARD_MS or fix.accuracy_m > ACCURACY_MAX_M:
        return False
    return distance_m(fix.latitude, fix.longitude, latitude, longitude) <= YARD_M


def moved_m(points: Sequence[Point], begin_ms: int, end_ms: int) -> float:
    """How far a vehicle went between two times, metres, along its points."""
    inner = list(points[bisect_right(points, begin_ms, key=_time) : bisect_left(points, end_ms, key=_time)])
    way = [one for one in (place_at(points, begin_ms), *inner, place_at(points, end_ms)) if one is not None]
    return sum(_leg_m(one, other) for one, other in pairwise(way))


def _window(points: Sequence[Point], start_ms: int, end_ms: int) -> int | None:
    """Length of the shortest window from a time on in which the vehicle has moved far enough."""
    for length_ms in range(WINDOW_MS, WINDOW_MAX_MS + 1, STEP_MS):
        if start_ms + length_ms > end_ms:
            return None
        if moved_m(points, start_ms, start_ms + length_ms) >= MOVED_M:
            return length_ms
    return None


def _told(found: Sequence[Pair], begin_ms: int, end_ms: int) -> Together:
    """Begins with its first near pair; fixes that go on being near, also of a vehicle that stands, keep it."""
    inside = _between(found, begin_ms, end_ms)
    near = [one for one in inside if one.is_near]
    last_ms = near[-1].time_ms
    for one in found[bisect_right(found, end_ms, key=_time_of_pair) :]:
        if not one.is_near:
            break
        last_ms = one.time_ms
    return Together(near[0].time_ms, end_ms, last_ms, round(len(near) / len(inside), 3), len(inside))


def _heading_differences(inside: Sequence[Pair]) -> list[float]:
    """Between the legs of the phone and those of the vehicle, degrees 0..180."""
    found = []
    for one, other in pairwise(inside):
        if _leg_m(one.fix, other.fix) >= LEG_M and _leg_m(one.vehicle, other.vehicle) >= LEG_M:
            turn = abs(_bearing(one.fix, other.fix) - _bearing(one.vehicle, other.vehicle)) % 360
            found.append(min(turn, 360 - turn))
    return found


def _bearing(one: Fix | Point, other: Fix | Point) -> float:
    north = other.latitude - one.latitude
    east = (other.longitude - one.longitude) * math.cos(math.radians(one.latitude))
    return math.degrees(math.atan2(east, north)) % 360


def _leg_m(one: Fix | Point, other: Fix | Point) -> float:
    return distance_m(one.latitude, one.longitude, other.latitude, other.longitude)


def _between(found: Sequence[Pair], begin_ms: int, end_ms: int) -> Sequence[Pair]:
    return found[bisect_left(found, begin_ms, key=_time_of_pair) : bisect_right(found, end_ms, key=_time_of_pair)]


def _time(one: Point) -> int:
    return one.time_ms


def _time_of_pair(one: Pair) -> int:
    return one.time_ms
