"""Fixes of drivers' phones 手机定位, derived from where vehicles are, with noise and gaps; or of a phone left behind.

What a phone tells goes out as JSON lines, as `jtgate bindings import-phones` takes them.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from jtgate.codecs import timebase
from jtgate.simulators.dice import Dice, Purpose
from jtgate.simulators.roads import RoadGraph, shipped_graph
from jtgate.simulators.scenario_model import PhonePlan, Scenario
from jtgate.simulators.scenario_track import Track, node_of

#: Fixes scatter by this share of the accuracy that is told: two thirds of them are within it.
SPREAD: Final = 0.66
_METRES_PER_DEGREE: Final = 111_195.0
#: Numbers drawn for one fix.
_DRAWS: Final = 4


class PhoneFix(NamedTuple):
    """Where a phone says it is."""

    person: str
    at_s: float
    latitude: float
    longitude: float
    accuracy_m: float
    speed_kmh: float
    heading_deg: int
    check_in: bool = False

    def told(self, scenario: Scenario) -> dict[str, object]:
        """As a line of a file has it."""
        return {
            "person": self.person,
            "time": timebase.iso_ms(scenario.time_ms(self.at_s)),
            "latitude": round(self.latitude, 6),
            "longitude": round(self.longitude, 6),
            "accuracy_m": self.accuracy_m,
            "speed_kmh": round(self.speed_kmh, 1),
            "heading_deg": self.heading_deg,
            "check_in": self.check_in,
        }


def fixes(scenario: Scenario, graph: RoadGraph | None = None) -> list[PhoneFix]:
    """What all phones of a scenario tell, in the order of time.

    Raises:
        ScenarioError: a motion makes no sense, or a place is not on the map.
    """
    graph = graph or shipped_graph()
    tracks = {truck.phone: Track(truck, graph) for truck in scenario.trucks}
    found = [
        fix
        for number, plan in enumerate(scenario.phones)
        for fix in _fixes(plan, tracks, graph, Dice(scenario.seed, number))
    ]
    return sorted(found, key=lambda fix: (fix.at_s, fix.person))


def _fixes(plan: PhonePlan, tracks: Mapping[str, Track], graph: RoadGraph, dice: Dice) -> Iterator[PhoneFix]:
    for stay in plan.stays:
        check_ins = {at_s for at_s in plan.check_ins if stay.from_s <= at_s < stay.until_s}
        for at_s in sorted({*range(stay.from_s, stay.until_s, plan.every_s), *check_ins}):
            if at_s not in check_ins and dice.roll(Purpose.PHONE, at_s * _DRAWS) < plan.lost:
                continue
            north_m, east_m = _scatter(dice, at_s, plan.accuracy_m * SPREAD)
            if stay.place is None:
                moment = tracks[stay.truck].at(at_s)
                latitude, longitude, _ = moment.position()
                speed_kmh, heading = moment.speed_kmh, moment.heading_deg
            else:
                place = node_of(graph, stay.place)
                latitude, longitude, speed_kmh, heading = place.latitude, place.longitude, 0.0, 0
            yield PhoneFix(
                plan.person,
                at_s,
                latitude + north_m / _METRES_PER_DEGREE,
                longitude + east_m / (_METRES_PER_DEGREE * math.cos(math.radians(latitude))),
                plan.accuracy_m,
                speed_kmh,
                heading,
                at_s in check_ins,
            )


def _scatter(dice: Dice, at_s: int, spread_m: float) -> tuple[float, float]:
    """How far a fix is off, north and east: a normal distribution of this spread, cut at three times it."""
    radius_m = spread_m * math.sqrt(-2.0 * math.log(1.0 - dice.roll(Purpose.PHONE, at_s * _DRAWS + 1)))
    radius_m = min(radius_m, 3.0 * spread_m)
    angle = 2.0 * math.pi * dice.roll(Purpose.PHONE, at_s * _DRAWS + 2)
    return radius_m * math.cos(angle), radius_m * math.sin(angle)
