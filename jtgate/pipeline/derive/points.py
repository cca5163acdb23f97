"""Valid points (regulation P2, q4), the speed that rules use (P3), distances and drift (q3, q5)."""

import math
from enum import IntFlag
from typing import Final, NamedTuple

from jtgate.pipeline.derive.facts import Second

LOCATED: Final = 1 << 1  # 状态 bit 1
ACC_ON: Final = 1 << 0
ENCRYPTED: Final = 1 << 5  # 经纬度已经保密插件加密

LATITUDES: Final = (3.86, 53.55)
LONGITUDES: Final = (73.66, 135.05)
SPEED_MAX_KMH: Final = 160.0
#: How long before its receipt a report that is no backfill may be from, and how far ahead a clock may be.
LATE_MAX_MS: Final = 86_400_000
AHEAD_MAX_MS: Final = 300_000

#: A leg faster than SPEED_MAX_KMH and longer than this is a drift leg, when the next one is so too (q5).
DRIFT_M: Final = 500.0

_EARTH_M: Final = 6_371_008.8
_RADIANS: Final = math.pi / 180


class Fault(IntFlag):
    """The checks of 数据合格率 (q4) that a report failed."""

    UNKNOWN_VEHICLE = 1
    NOT_LOCATED = 2
    LATITUDE = 4
    LONGITUDE = 8
    SPEED = 16
    HEADING = 32
    TIME = 64
    DUPLICATE_TIME = 128


class Place(NamedTuple):
    """A valid point."""

    time_ms: int
    latitude: float
    longitude: float
    speed_kmh: float


def faults(second: Second, *, is_known: bool = True) -> int:
    """Which of the checks a report fails, as bits of Fault; 0 for a valid point.

    A second report of the same second is counted by the caller: see `Second.report_count`.

    Args:
        second: reports of one second.
        is_known: whether its terminal is assigned to a vehicle.
    """
    found = 0
    latitude, longitude = second.latitude, second.longitude
    if not is_known:
        found |= 1
    if not second.status & LOCATED:
        found |= 2
    if latitude is None or not LATITUDES[0] <= latitude <= LATITUDES[1]:
        found |= 4
    if longitude is None or not LONGITUDES[0] <= longitude <= LONGITUDES[1]:
        found |= 8
    if not 0.0 <= second.speed_kmh <= SPEED_MAX_KMH:
        found |= 16
    if not 0 <= second.heading_deg <= 359:
        found |= 32
    late_ms = second.received_ms - second.time_ms
    if late_ms < -AHEAD_MAX_MS or (late_ms > LATE_MAX_MS and not second.backfill):
        found |= 64
    return found


def speed_of(second: Second, *, has_recorder: bool = False) -> float:
    """Speed that rules use, km/h (P3).

    Args:
        second: reports of one second.
        has_recorder: whether the recorder's speed (item 0x03 行驶记录功能获取的速度) is calibrated.
    """
    if has_recorder and second.recorder_speed_kmh is not None:
        return second.recorder_speed_kmh
    return second.speed_kmh


def metres(one: Place, other: Place) -> float:
    """Distance of two places along the great circle, metres."""
    return distance_m(one.latitude, one.longitude, other.latitude, other.longitude)


def distance_m(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> float:
    """Distance along the great circle, metres; degrees."""
    south, north = latitude * _RADIANS, other_latitude * _RADIANS
    across = math.sin((north - south) / 2)
    along = math.sin((other_longitude - longitude) * _RADIANS / 2)
    inner = across * across + math.cos(south) * math.cos(north) * along * along
    return 2 * _EARTH_M * math.asin(min(1.0, math.sqrt(inner)))


def is_drift_leg(one: Place, other: Place, length_m: float) -> bool:
    """Whether a leg is too long and too fast to be driven (q5); a point with two of them is a drift point."""
    hours = (other.time_ms - one.time_ms) / 3_600_000
    return length_m > DRIFT_M and length_m > SPEED_MAX_KMH * 1000 * hours
