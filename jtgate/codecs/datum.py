"""GCJ-02 火星坐标 and WGS-84: the datum of maps sold in China and that of satellites (JT/T 808 §11 item 37).

GCJ-02 moves every position inside China by 100 to 700 m, by a function of the position that was never published.
The one used here is the approximation that all open maps software shares: a sum of sines over the distance from
35° N 105° E, scaled to the Krassovsky ellipsoid. Against positions shifted by licensed software it agrees within
a few metres; the way back is found by iteration to within 1e-9 degrees (0.1 mm) of this function. The standard wants
WGS-84, so this is for the terminals that got it wrong, and never better than a few metres.

Outside of a rectangle around China nothing is moved. The rectangle also holds places that are not in China
(Mongolia, the north of India, Korea): a terminal there must not be given this datum.
"""

import math
from typing import Final, NamedTuple


class Place(NamedTuple):
    """Latitude and longitude, signed degrees."""

    latitude: float
    longitude: float


#: The rectangle: latitudes and longitudes, degrees.
LATITUDES: Final = (0.8293, 55.8271)
LONGITUDES: Final = (72.004, 137.8347)

#: Krassovsky 1940: semi-major axis, metres, and square of the first eccentricity.
_AXIS_M: Final = 6_378_245.0
_ECCENTRICITY_2: Final = 0.00669342162296594323

_ORIGIN: Final = Place(35.0, 105.0)

#: Each step shrinks what is wrong a few hundred times.
_STEPS: Final = 6


def is_moved(place: Place) -> bool:
    """Whether GCJ-02 differs from WGS-84 here."""
    return LATITUDES[0] <= place.latitude <= LATITUDES[1] and LONGITUDES[0] <= place.longitude <= LONGITUDES[1]


def to_gcj02(place: Place) -> Place:
    """WGS-84 to GCJ-02."""
    if not is_moved(place):
        return place
    north, east = _offset(place)
    return Place(place.latitude + north, place.longitude + east)


def to_wgs84(place: Place) -> Place:
    """GCJ-02 to WGS-84."""
    if not is_moved(place):
        return place
    guess = place
    for _ in range(_STEPS):
        north, east = _offset(guess)
        guess = Place(place.latitude - north, place.longitude - east)
    return guess


def _offset(place: Place) -> tuple[float, float]:
    """Degrees by which GCJ-02 lies north and east of WGS-84."""
    y, x = place.latitude - _ORIGIN.latitude, place.longitude - _ORIGIN.longitude
    waves = 20 * _sin(6 * x) + 20 * _sin(2 * x)
    north_m = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * math.sqrt(abs(x))
    north_m += (waves + 20 * _sin(y) + 40 * _sin(y / 3) + 160 * _sin(y / 12) + 320 * _sin(y / 30)) * 2 / 3
    east_m = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * math.sqrt(abs(x))
    east_m += (waves + 20 * _sin(x) + 40 * _sin(x / 3) + 150 * _sin(x / 12) + 300 * _sin(x / 30)) * 2 / 3
    latitude = math.radians(place.latitude)
    curve = 1 - _ECCENTRICITY_2 * math.sin(latitude) ** 2
    metres_north = _AXIS_M * (1 - _ECCENTRICITY_2) / (curve * math.sqrt(curve))  # per radian
    metres_east = _AXIS_M / math.sqrt(curve) * math.cos(latitude)
    return math.degrees(north_m / metres_north), math.degrees(east_m / metres_east)


def _sin(half_turns: float) -> float:
    return math.sin(half_turns * math.pi)
