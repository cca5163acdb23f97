"""One person bound to two vehicles that move far from each other at the same time (regulation §6): both provisional."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Final

from jtgate.pipeline.derive import phones
from jtgate.pipeline.derive.binding import Conflict, Interval, Motion
from jtgate.pipeline.derive.binding_inputs import (
    LONGEST_MS,
    Inputs,
    Vehicle,
    all_rows,
    motion_of,
    motion_rows,
    terminals_of,
    vehicle_points,
)
from jtgate.pipeline.derive.binding_intervals import CHARGE
from jtgate.pipeline.derive.binding_limits import CUT
from jtgate.pipeline.derive.points import distance_m
from jtgate.pipeline.derive.standing import begin_of, end_of, standing
from jtgate.storage.store import Row, Store

APART_M: Final = 5_000.0
#: The most that such a binding is worth: not enough to charge anybody.
CONFIDENCE_MAX: Final = CHARGE - 0.01
#: How far apart in time places are compared, and how often at most.
STEP_MS: Final = 60_000
STEPS_MAX: Final = 2_880


def apart(
    store: Store, vehicle: Vehicle, intervals: Sequence[Interval], inputs: Inputs, now_ms: int
) -> tuple[list[Interval], list[Conflict]]:
    """Intervals, those of persons who are bound elsewhere as well made provisional, and the conflicts.

    Args:
        store: bindings, trips and positions of other vehicles.
        vehicle: whose intervals these are.
        intervals: of it.
        inputs: what they were worked out from.
        now_ms: the present.
    """
    found: list[Interval] = []
    conflicts: list[Conflict] = []
    for one in intervals:
        elsewhere = _elsewhere(store, vehicle, one, now_ms) if one.person else []
        plates = [
            (str(row["plate"]), row["plate_color"]) for row in elsewhere if _is_far(store, one, row, inputs, now_ms)
        ]
        if not plates:
            found.append(one)
            continue
        found.append(replace(one, confidence=min(one.confidence, CONFIDENCE_MAX)))
        facts = (("vehicles", [list(plate) for plate in sorted(set(plates))]), ("note", "county"))
        conflicts.append(Conflict(one.role, "two_vehicles", one.person, "", one.started_ms, one.ended_ms, facts))
    return found, conflicts


def _elsewhere(store: Store, vehicle: Vehicle, one: Interval, now_ms: int) -> list[Row]:
    """Rows of other vehicles that stand, of the same person and time."""
    begin_ms, end_ms = one.started_ms - LONGEST_MS, min(now_ms, one.end_ms)
    named = all_rows(store, "bindings", begin_ms, end_ms, {"person": one.person})
    others = {
        Vehicle(str(row["plate"]), int(str(row["plate_color"])))
        for row in named
        if one.overlaps(begin_of(row), end_of(row))
    }
    return [
        row
        for other in sorted(others - {vehicle}, key=lambda each: (each.plate, each.color))
        for row in standing(all_rows(store, "bindings", begin_ms, now_ms, other.matching))
        if row["person"] == one.person and one.overlaps(begin_of(row), end_of(row))
    ]


def _is_far(store: Store, one: Interval, row: Row, inputs: Inputs, now_ms: int) -> bool:
    """Whether both move at some time and are far apart then."""
    other = terminals_of(store, Vehicle(str(row["plate"]), int(str(row["plate_color"]))))
    begin_ms = max(one.started_ms, begin_of(row))
    end_ms = min(one.end_ms, end_of(row), now_ms)
    trips = motion_rows(store, "trips", other, begin_ms, now_ms)
    theirs = motion_of(trips, motion_rows(store, "stops", other, begin_ms, now_ms), now_ms)
    times = list(islice(_common(inputs.motion, theirs, begin_ms, end_ms), STEPS_MAX + 1))
    if len(times) > STEPS_MAX:
        CUT.labels("times").inc()
        times.pop()
    if not times:
        return False
    first_ms, last_ms = times[0] - phones.BESIDE_MS, times[-1] + phones.BESIDE_MS
    ours = vehicle_points(store, inputs.fitted, first_ms, last_ms)
    track = vehicle_points(store, other, first_ms, last_ms)
    for at_ms in times:
        here, there = phones.place_at(ours, at_ms), phones.place_at(track, at_ms)
        if here is not None and there is not None:
            far_m = distance_m(here.latitude, here.longitude, there.latitude, there.longitude)
            if far_m > APART_M:
                return True
    return False


def _common(ours: Motion, theirs: Motion, begin_ms: int, end_ms: int) -> Iterable[int]:
    """Times at which both vehicles drive."""
    for drive_ms, stop_ms in ours.drives:
        for other_ms, other_stop_ms in theirs.drives:
            first_ms = max(drive_ms, other_ms, begin_ms)
            yield from range(first_ms, min(stop_ms, other_stop_ms, end_ms), STEP_MS)
