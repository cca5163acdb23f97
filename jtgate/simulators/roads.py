"""The road graph simulated vehicles drive on, and shortest routes over it.

The graph is data (`data/roads.json`): crossings, motorways, ring road, loading places, customers, yards and
rest areas with their speed limits. It is invented and needs no licence.
"""

import heapq
import json
import math
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import NamedTuple

_METRES_PER_DEGREE = 111_195.0

#: Roads whose far end may be a red light.
LIGHT_ROADS = frozenset({"street", "ring"})


class Node(NamedTuple):
    """A point of the graph; degrees north and east (WGS-84), metres above the sea."""

    id: str
    latitude: float
    longitude: float
    altitude_m: float
    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Leg:
    """A straight piece of a route.

    Args:
        start_m: distance from the start of the route.
        length_m: metres, above 0.
        start: first point.
        end: last point.
        heading_deg: 0..359, north 0, clockwise.
        limit_mps: speed limit.
        light: a red light may stand at the end.
    """

    start_m: float
    length_m: float
    start: Node
    end: Node
    heading_deg: int
    limit_mps: float
    light: bool

    @property
    def end_m(self) -> float:
        """Distance from the start of the route to the end of this leg."""
        return self.start_m + self.length_m


@dataclass(frozen=True, slots=True)
class Route:
    """The way from one place to another."""

    legs: tuple[Leg, ...]
    length_m: float


class RoadGraph:
    """Nodes and roads, with shortest routes by driving time; a route is searched for once."""

    def __init__(self, data: dict[str, list[dict[str, object]]]) -> None:
        self.nodes: dict[str, Node] = {}
        self._roads: dict[str, list[tuple[str, float, str]]] = {}
        for entry in data["nodes"]:
            node = Node(
                str(entry["id"]),
                float(str(entry["lat"])),
                float(str(entry["lon"])),
                float(str(entry["altitude_m"])),
                str(entry["kind"]),
                str(entry.get("name", "")),
            )
            self.nodes[node.id] = node
            self._roads[node.id] = []
        for entry in data["roads"]:
            ends = str(entry["from"]), str(entry["to"])
            limit_mps = float(str(entry["limit_kmh"])) / 3.6
            for a, b in (ends, ends[::-1]):
                self._roads[a].append((b, limit_mps, str(entry["kind"])))
        self._routes: dict[tuple[str, str], Route] = {}

    def places(self, *kinds: str) -> list[Node]:
        """The nodes of these kinds, in the order of the data."""
        return [node for node in self.nodes.values() if node.kind in kinds]

    def route(self, start: str, end: str) -> Route:
        """The quickest way between two different nodes.

        Raises:
            ValueError: there is no way, or both are the same node.
        """
        key = (start, end)
        if key not in self._routes:
            self._routes[key] = self._search(start, end)
        return self._routes[key]

    def _search(self, start: str, end: str) -> Route:
        best = {start: 0.0}
        came: dict[str, tuple[str, float, str]] = {}
        queue = [(0.0, start)]
        while queue:
            cost, here = heapq.heappop(queue)
            if here == end:
                break
            if cost > best[here]:
                continue
            for there, limit_mps, kind in self._roads[here]:
                total = cost + distance_m(self.nodes[here], self.nodes[there]) / limit_mps
                if total < best.get(there, math.inf):
                    best[there] = total
                    came[there] = (here, limit_mps, kind)
                    heapq.heappush(queue, (total, there))
        if end not in came:
            raise ValueError(f"no way from {start!r} to {end!r}")
        steps: list[tuple[str, str, float, str]] = []
        node = end
        while node != start:
            before, limit_mps, kind = came[node]
            steps.append((before, node, limit_mps, kind))
            node = before
        return self._route_of(steps[::-1])

    def _route_of(self, steps: list[tuple[str, str, float, str]]) -> Route:
        legs: list[Leg] = []
        along_m = 0.0
        for before, after, limit_mps, kind in steps:
            a, b = self.nodes[before], self.nodes[after]
            length_m = distance_m(a, b)
            legs.append(Leg(along_m, length_m, a, b, heading_deg(a, b), limit_mps, kind in LIGHT_ROADS))
            along_m += length_m
        return Route(tuple(legs), along_m)


def distance_m(a: Node, b: Node) -> float:
    """Metres between two near points, on a plane."""
    north = b.latitude - a.latitude
    east = (b.longitude - a.longitude) * math.cos(math.radians(a.latitude))
    return math.hypot(north, east) * _METRES_PER_DEGREE


def heading_deg(a: Node, b: Node) -> int:
    """Direction 方向 from a to b: 0..359, north 0, clockwise."""
    north = b.latitude - a.latitude
    east = (b.longitude - a.longitude) * math.cos(math.radians(a.latitude))
    return round(math.degrees(math.atan2(east, north))) % 360


@cache
def shipped_graph() -> RoadGraph:
    """The graph that comes with the package."""
    text = files("jtgate.simulators.data").joinpath("roads.json").read_text(encoding="utf-8")
    return RoadGraph(json.loads(text))
