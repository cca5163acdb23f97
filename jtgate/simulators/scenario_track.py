"""Where a vehicle of a scenario is at any moment, and how fast; nothing is left to chance.

A vehicle drives at the very speed that is told, from the very second that is told, along the shortest ways between its
places, to and fro when it has passed them all. So its trips and stops can be worked out with pencil and paper.
"""

import math
from bisect import bisect_right
from itertools import pairwise
from typing import NamedTuple

from jtgate.simulators.roads import Leg, Node, RoadGraph, distance_m, heading_deg
from jtgate.simulators.scenario_model import DRIVE, PARK, Place, ScenarioError, Truck
from jtgate.simulators.vehicle import Activity

#: So far from where it stands a way may begin, metres.
JUMP_M = 50.0
#: Every vehicle has gone so far before.
MILEAGE_M = 50_000_000.0
FUEL_L = 300.0


class Moment(NamedTuple):
    """The state of a vehicle, as reports tell it."""

    latitude: float
    longitude: float
    altitude_m: float
    speed_mps: float
    heading_deg: int
    mileage_m: float
    ignition: bool
    loaded: bool
    activity: Activity
    driver_no: int = 0
    fuel_l: float = FUEL_L
    braking: bool = False
    turning: int = 0
    doors_locked: bool = False

    @property
    def speed_kmh(self) -> float:
        """Speed over ground."""
        return self.speed_mps * 3.6

    def position(self) -> tuple[float, float, float]:
        """Latitude and longitude in degrees, altitude in metres."""
        return self.latitude, self.longitude, self.altitude_m


class _Way:
    """A way between places, driven to and fro."""

    def __init__(self, graph: RoadGraph, via: tuple[Place, ...]) -> None:
        nodes = [node_of(graph, place) for place in via]
        legs: list[Leg] = []
        along_m = 0.0
        for one, other in pairwise(nodes):
            known = one.id in graph.nodes and other.id in graph.nodes
            pieces = graph.route(one.id, other.id).legs if known else (_straight(one, other),)
            for leg in pieces:
                legs.append(Leg(along_m, leg.length_m, leg.start, leg.end, leg.heading_deg, leg.limit_mps, leg.light))
                along_m += leg.length_m
        self._legs = legs
        self._starts = [leg.start_m for leg in legs]
        self.length_m = along_m
        self.first = nodes[0]

    def at(self, driven_m: float) -> tuple[Node, int]:
        """The point after so many metres, and the direction there."""
        folded = driven_m % (2 * self.length_m)
        is_back = folded > self.length_m
        along_m = 2 * self.length_m - folded if is_back else folded
        leg = self._legs[max(0, bisect_right(self._starts, along_m) - 1)]
        share = min(1.0, (along_m - leg.start_m) / leg.length_m)
        one, other = leg.start, leg.end
        point = Node(
            "",
            one.latitude + (other.latitude - one.latitude) * share,
            one.longitude + (other.longitude - one.longitude) * share,
            one.altitude_m + (other.altitude_m - one.altitude_m) * share,
            "",
            "",
        )
        return point, (leg.heading_deg + 180 * is_back) % 360


class _Phase(NamedTuple):
    at_s: int
    way: _Way | None
    place: Node
    driven_m: float  # along the way at the beginning
    mileage_m: float
    mps: float
    kind: str
    loaded: bool


class Track:
    """The motion of a vehicle.

    Args:
        truck: whose.
        graph: roads.

    Raises:
        ScenarioError: a way begins far from where the vehicle is, or leads nowhere.
    """

    def __init__(self, truck: Truck, graph: RoadGraph) -> None:
        self._phases: list[_Phase] = []
        for move in truck.moves:
            before = self._phases[-1] if self._phases else None
            way, driven_m, mileage_m = None, 0.0, MILEAGE_M
            if before is not None:
                gone_m = before.mps * (move.at_s - before.at_s)
                way, driven_m, mileage_m = before.way, before.driven_m + gone_m, before.mileage_m + gone_m
            here = node_of(graph, move.place) if move.place is not None else None
            if here is None and before is not None:
                here = before.place if way is None else way.at(driven_m)[0]
            if here is None and not move.via:
                raise ScenarioError(f"{truck.phone}: nobody knows where it is at the beginning")
            if move.via:
                way, driven_m = self._way(truck, graph, move.via), 0.0
                if here is not None and distance_m(here, way.first) > JUMP_M:
                    raise ScenarioError(f"{truck.phone}: a way begins where the vehicle is not")
                here = way.first
            if move.kind == DRIVE and way is None:
                raise ScenarioError(f"{truck.phone}: it drives, and nobody knows where")
            place = here if here is not None else node_of(graph, (0.0, 0.0))
            mps = move.kmh / 3.6
            self._phases.append(_Phase(move.at_s, way, place, driven_m, mileage_m, mps, move.kind, move.loaded))
        self._starts = [phase.at_s for phase in self._phases]

    @staticmethod
    def _way(truck: Truck, graph: RoadGraph, via: tuple[Place, ...]) -> _Way:
        try:
            way = _Way(graph, via)
        except (ValueError, KeyError) as error:
            raise ScenarioError(f"{truck.phone}: {error}") from error
        if way.length_m <= 0:
            raise ScenarioError(f"{truck.phone}: a way has no length")
        return way

    def at(self, at_s: float, driver_no: int = 0) -> Moment:
        """The state at a moment; before the first move as at its beginning."""
        phase = self._phases[max(0, bisect_right(self._starts, at_s) - 1)]
        gone_m = phase.mps * max(0.0, at_s - phase.at_s)
        point, heading = phase.place, 0
        if phase.way is not None:
            point, heading = phase.way.at(phase.driven_m + gone_m)
        is_parked = phase.kind == PARK
        return Moment(
            point.latitude,
            point.longitude,
            point.altitude_m,
            phase.mps,
            heading,
            phase.mileage_m + gone_m,
            not is_parked,
            phase.loaded,
            Activity.DRIVING if phase.mps else Activity.PARKED if is_parked else Activity.WAITING,
            driver_no,
        )


def node_of(graph: RoadGraph, place: Place) -> Node:
    """A place as a point.

    Raises:
        ScenarioError: the road graph has no such node.
    """
    if isinstance(place, str):
        if place not in graph.nodes:
            raise ScenarioError(f"the road graph has no place {place!r}")
        return graph.nodes[place]
    return Node("", *place, 5.0, "", "")


def _straight(one: Node, other: Node) -> Leg:
    return Leg(0.0, max(distance_m(one, other), math.ulp(1.0)), one, other, heading_deg(one, other), 60 / 3.6, False)
