"""Visits of zones (regulation §7): when a vehicle came in and when it went out.

    in    two valid points in a row inside, or one that is 30 m inside; since the first of them
    out   two valid points in a row that are 30 m outside; since the first of them

Reports missing for more than 300 s across a border make the visit uncertain. Points with encrypted coordinates are
not used.
"""

from typing import Final

import msgspec

from jtgate.pipeline.derive import points
from jtgate.pipeline.derive.facts import Rows, Second
from jtgate.pipeline.derive.track import GAP_MS, MOVING_KMH
from jtgate.pipeline.derive.zones import ZoneMap
from jtgate.storage.model import ZoneVisitRow

TABLE: Final = "zone_visits"
DEEP_M: Final = 30.0
#: Zones that one vehicle can be in or near at a time; zones beyond it are passed over, by their numbers.
VISITS_MAX: Final = 64


class Visit(msgspec.Struct, frozen=True):
    """A zone that the vehicle is in, may have come into, or may have left."""

    zone: str
    kind: str
    entered_ms: int
    latitude: float
    longitude: float
    is_in: bool = False  # the second point, or a deep one, has confirmed it
    left_ms: int | None = None  # first point outside
    uncertain: bool = False
    speed_max_kmh: float = 0.0
    stop_ms: int = 0

    def row(self, terminal_id: int, exited_ms: int | None) -> ZoneVisitRow:
        """Its row, without what is filled in when it is written."""
        return ZoneVisitRow(
            terminal_id=terminal_id,
            zone=self.zone,
            entered_ms=self.entered_ms,
            exited_ms=exited_ms,
            zone_kind=self.kind,
            state="open" if exited_ms is None else "closed",
            uncertain=int(self.uncertain),
            enter_latitude=self.latitude,
            enter_longitude=self.longitude,
            speed_max_kmh=self.speed_max_kmh,
            stop_s=self.stop_ms // 1000,
            plate=None,
            plate_color=None,
            person=None,
            waybill=None,
            laden=None,
            updated_ms=0,
        )


class VisitsState(msgspec.Struct, frozen=True):
    """Zones that the vehicle is in or may be in, and its last usable point."""

    visits: tuple[Visit, ...] = ()
    last_ms: int = 0
    last_speed_kmh: float = 0.0


class VisitMachine:
    """Folds the seconds of one terminal into visits of zones.

    Args:
        zones: the map. With another map another machine is made; the state goes on.
    """

    def __init__(self, zones: ZoneMap) -> None:
        self._zones = zones

    def start(self) -> VisitsState:
        """See Machine."""
        return VisitsState()

    def step(self, state: VisitsState, fact: Second, rows: Rows, terminal_id: int) -> VisitsState:
        """See Machine."""
        if fact.status & points.ENCRYPTED or points.faults(fact):
            return state
        latitude, longitude = fact.latitude, fact.longitude
        if latitude is None or longitude is None:
            raise AssertionError("a valid point has a place")
        near = self._zones.near(latitude, longitude, fact.time_ms)
        if not near and not state.visits:
            return VisitsState((), fact.time_ms, fact.speed_kmh)
        depth = {one.zone: one.inside_m for one in near}
        had_gap = state.last_ms > 0 and fact.time_ms - state.last_ms > GAP_MS
        stood_ms = fact.time_ms - state.last_ms if state.last_ms and state.last_speed_kmh < MOVING_KMH else 0
        visits: list[Visit] = []
        for visit in state.visits:
            inside_m = depth.pop(visit.zone, float("-inf"))
            after = _went_on(visit, fact, inside_m, 0 if had_gap else stood_ms, had_gap=had_gap)
            if after is None:
                if visit.is_in:
                    _leave(visit, fact, had_gap=had_gap, rows=rows, terminal_id=terminal_id)
                continue
            if after.is_in and not visit.is_in:
                rows.put(TABLE, (after.zone, after.entered_ms), after.row(terminal_id, None))
            visits.append(after)
        for zone, inside_m in depth.items():
            if inside_m >= 0 and len(visits) < VISITS_MAX:
                new = Visit(
                    zone,
                    self._zones.kind_of(zone),
                    fact.time_ms,
                    latitude,
                    longitude,
                    is_in=inside_m >= DEEP_M,
                    uncertain=had_gap,
                    speed_max_kmh=fact.speed_kmh,
                )
                if new.is_in:
                    rows.put(TABLE, (new.zone, new.entered_ms), new.row(terminal_id, None))
                visits.append(new)
        return VisitsState(tuple(visits), fact.time_ms, fact.speed_kmh)

    def held(self, state: VisitsState, rows: Rows, terminal_id: int) -> None:
        """See Machine."""
        for visit in state.visits:
            if visit.is_in:
                rows.put(TABLE, (visit.zone, visit.entered_ms), visit.row(terminal_id, None))


def _went_on(visit: Visit, fact: Second, inside_m: float, stood_ms: int, *, had_gap: bool) -> Visit | None:
    """A visit with one point more; None when it is over, or never was one."""
    if inside_m >= 0:
        return msgspec.structs.replace(
            visit,
            is_in=True,
            left_ms=None,
            speed_max_kmh=max(visit.speed_max_kmh, fact.speed_kmh),
            stop_ms=visit.stop_ms + stood_ms,
        )
    if not visit.is_in:
        return None
    if inside_m > -DEEP_M:  # at the border: neither in nor out
        return msgspec.structs.replace(visit, left_ms=None)
    if visit.left_ms is None:
        return msgspec.structs.replace(visit, left_ms=fact.time_ms, uncertain=visit.uncertain or had_gap)
    return None


def _leave(visit: Visit, fact: Second, *, had_gap: bool, rows: Rows, terminal_id: int) -> None:
    exited_ms = visit.left_ms or fact.time_ms
    ended = msgspec.structs.replace(visit, uncertain=visit.uncertain or (had_gap and visit.left_ms is None))
    rows.put(TABLE, (visit.zone, visit.entered_ms), ended.row(terminal_id, exited_ms))
