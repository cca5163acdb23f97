"""Stops, trips and the quality of points of one terminal (regulation P2, P4, P9; q4, q5).

    valid points ─► intervals: DRIVE or STOP ─► runs of STOP: stops ─► 20 minutes: a rest ─► what lies between: trips

Between neighbouring valid points lies an interval. One of at most 300 s is DRIVE when the speed at its start is 5 km/h
or more; of a longer one the mean speed decides, and it is marked as inferred. Distance is that of DRIVE intervals; a
point that jumps away and back (drift) is left out of it.
"""

import json
from typing import Final

import msgspec

from jtgate.pipeline.derive import points
from jtgate.pipeline.derive.facts import Rows, Second
from jtgate.pipeline.derive.points import Fault, Place
from jtgate.storage.model import PointQualityRow, StopRow, TripRow

GAP_MS: Final = 300_000  # P4
MOVING_KMH: Final = 5.0  # P4
REST_MS: Final = 1_200_000  # R2: 停车休息 of 20 minutes
TRIP_M: Final = 2_000.0  # P9: shorter ones are dropped
#: Shorter stops are part of the trip and have no row: traffic lights.
STOP_MS: Final = 60_000
#: Rows of what goes on are written so often, in the terminal's own time.
WRITE_MS: Final = 60_000
QUALITY_WRITE_MS: Final = 600_000

_DAY_MS: Final = 86_400_000
_LOCAL_MS: Final = 8 * 3_600_000  # days are those of +08:00
_FAULTS: Final = tuple((fault.value, fault.name.lower()) for fault in Fault if fault.name is not None)


class Stop(msgspec.Struct, frozen=True):
    """A run of STOP intervals."""

    started_ms: int
    until_ms: int  # end of its last interval
    latitude: float
    longitude: float
    acc_off_ms: int | None
    points: int
    inferred_ms: int = 0
    written_ms: int = 0

    def row(self, terminal_id: int, ended_ms: int | None) -> StopRow:
        """Its row."""
        return StopRow(
            terminal_id=terminal_id,
            started_ms=self.started_ms,
            ended_ms=ended_ms,
            state="open" if ended_ms is None else "closed",
            latitude=self.latitude,
            longitude=self.longitude,
            is_rest=int(self.until_ms - self.started_ms >= REST_MS),
            acc_off_ms=self.acc_off_ms,
            point_count=self.points,
            inferred_s=self.inferred_ms // 1000,
            updated_ms=0,
        )


class Trip(msgspec.Struct, frozen=True):
    """What lies behind the last rest."""

    started_ms: int
    latitude: float
    longitude: float
    end_latitude: float  # of the last DRIVE interval
    end_longitude: float
    end_ms: int
    metres: float = 0.0
    drive_ms: int = 0
    stop_ms: int = 0
    speed_max_kmh: float = 0.0
    points: int = 1
    bad_points: int = 0
    inferred_ms: int = 0
    written_ms: int = 0

    def row(self, terminal_id: int, ended_ms: int | None) -> TripRow:
        """Its row, without what is filled in when it is written."""
        return TripRow(
            terminal_id=terminal_id,
            started_ms=self.started_ms,
            ended_ms=ended_ms,
            state="open" if ended_ms is None else "closed",
            plate=None,
            plate_color=None,
            start_latitude=self.latitude,
            start_longitude=self.longitude,
            end_latitude=self.end_latitude,
            end_longitude=self.end_longitude,
            distance_km=round(self.metres / 1000, 3),
            drive_s=self.drive_ms // 1000,
            stop_s=self.stop_ms // 1000,
            speed_max_kmh=self.speed_max_kmh,
            point_count=self.points,
            bad_point_count=self.bad_points,
            inferred_s=self.inferred_ms // 1000,
            laden=None,
            waybill=None,
            driver=None,
            updated_ms=0,
        )


class Quality(msgspec.Struct, frozen=True):
    """Points of one local day."""

    day_ms: int
    points: int = 0
    valid: int = 0
    faults: tuple[int, ...] = (0,) * len(_FAULTS)
    written_ms: int = 0

    def row(self, terminal_id: int) -> PointQualityRow:
        """Its row."""
        told = {name: count for (_, name), count in zip(_FAULTS, self.faults, strict=True) if count}
        return PointQualityRow(terminal_id, self.day_ms, self.points, self.valid, json.dumps(told), 0)


class TrackState(msgspec.Struct, frozen=True):
    """Where the vehicle was, and what it is doing."""

    last: Place | None = None
    acc_is_off: bool = False
    doubtful: Place | None = None  # the point before `last`, when the leg between them may be drift
    stop: Stop | None = None
    trip: Trip | None = None
    quality: Quality | None = None


class TrackMachine:
    """Folds the seconds of one terminal into stops, trips and the quality of its days.

    Args:
        has_recorder: whether item 0x03 is a calibrated speed (P3).
    """

    def __init__(self, *, has_recorder: bool = False) -> None:
        self._has_recorder = has_recorder

    def start(self) -> TrackState:
        """See Machine."""
        return TrackState()

    def step(self, state: TrackState, fact: Second, rows: Rows, terminal_id: int) -> TrackState:
        """See Machine."""
        found = points.faults(fact)
        quality = _counted(state.quality, fact, found, rows, terminal_id)
        if found:
            trip = state.trip
            if trip is not None:
                trip = msgspec.structs.replace(trip, bad_points=trip.bad_points + 1)
            return msgspec.structs.replace(state, trip=trip, quality=quality)
        latitude, longitude = fact.latitude, fact.longitude
        if latitude is None or longitude is None:
            raise AssertionError("a valid point has a place")
        speed_kmh = points.speed_of(fact, has_recorder=self._has_recorder)
        here = Place(fact.time_ms, latitude, longitude, speed_kmh)
        acc_is_off = not fact.status & points.ACC_ON
        if state.last is None:
            return TrackState(here, acc_is_off, quality=quality)
        return _moved(state, here, acc_is_off, quality, rows, terminal_id)

    def held(self, state: TrackState, rows: Rows, terminal_id: int) -> None:
        """See Machine."""
        if state.stop is not None and state.stop.written_ms:
            rows.put("stops", (state.stop.started_ms,), state.stop.row(terminal_id, None))
        if state.trip is not None and state.trip.written_ms > state.trip.started_ms:
            rows.put("trips", (state.trip.started_ms,), state.trip.row(terminal_id, None))


def _moved(
    state: TrackState, here: Place, acc_is_off: bool, quality: Quality, rows: Rows, terminal_id: int
) -> TrackState:
    """With the interval between the last point and this one."""
    last = state.last
    if last is None:
        raise AssertionError("an interval has two ends")
    length_m = points.metres(last, here)
    is_doubtful = points.is_drift_leg(last, here, length_m)
    begin, held_m = last, 0.0
    if state.doubtful is not None:
        if is_doubtful:  # `last` is a drift point: what counts is the way past it
            begin = state.doubtful
            length_m = points.metres(begin, here)
            is_doubtful = points.is_drift_leg(begin, here, length_m)
        else:
            held_m = points.metres(state.doubtful, last)
    driven_m = held_m if is_doubtful else held_m + length_m
    gap_ms = here.time_ms - last.time_ms
    is_inferred = gap_ms > GAP_MS
    drives = length_m * 3600 / gap_ms >= MOVING_KMH if is_inferred else last.speed_kmh >= MOVING_KMH
    inferred_ms = gap_ms if is_inferred else 0
    stop: Stop | None = None
    trip: Trip | None
    if drives:
        trip = _driven(state, here, driven_m, inferred_ms, rows, terminal_id)
    else:
        stop, trip = _stood(state, here, acc_is_off, inferred_ms, rows, terminal_id)
    return TrackState(here, acc_is_off, begin if is_doubtful else None, stop, trip, quality)


def _driven(state: TrackState, here: Place, driven_m: float, inferred_ms: int, rows: Rows, terminal_id: int) -> Trip:
    """A DRIVE interval: ends a stop, goes on with a trip or begins one."""
    last, trip, stop = state.last, state.trip, state.stop
    if last is None:
        raise AssertionError("an interval has two ends")
    stop_ms = stop_points = 0
    if stop is not None:
        stop_ms, stop_points = stop.until_ms - stop.started_ms, stop.points
        if stop_ms >= STOP_MS:
            rows.put("stops", (stop.started_ms,), stop.row(terminal_id, last.time_ms))
    if trip is None:
        trip = Trip(last.time_ms, last.latitude, last.longitude, 0.0, 0.0, 0, written_ms=last.time_ms)
        stop_ms = stop_points = 0
    trip = msgspec.structs.replace(
        trip,
        end_latitude=here.latitude,
        end_longitude=here.longitude,
        end_ms=here.time_ms,
        metres=trip.metres + driven_m,
        drive_ms=trip.drive_ms + here.time_ms - last.time_ms,
        stop_ms=trip.stop_ms + stop_ms,
        speed_max_kmh=max(trip.speed_max_kmh, last.speed_kmh, here.speed_kmh),
        points=trip.points + stop_points + 1,
        inferred_ms=trip.inferred_ms + inferred_ms,
    )
    if trip.metres >= TRIP_M and here.time_ms - trip.written_ms >= WRITE_MS:
        trip = msgspec.structs.replace(trip, written_ms=here.time_ms)
        rows.put("trips", (trip.started_ms,), trip.row(terminal_id, None))
    return trip


def _stood(
    state: TrackState, here: Place, acc_is_off: bool, inferred_ms: int, rows: Rows, terminal_id: int
) -> tuple[Stop, Trip | None]:
    """A STOP interval: goes on with a stop or begins one; the twentieth minute of it ends the trip."""
    last, stop, trip = state.last, state.stop, state.trip
    if last is None:
        raise AssertionError("an interval has two ends")
    if stop is None:
        off_ms = last.time_ms if state.acc_is_off else None
        stop = Stop(last.time_ms, last.time_ms, last.latitude, last.longitude, off_ms, 0)
    was_rest = stop.until_ms - stop.started_ms >= REST_MS
    stop = msgspec.structs.replace(
        stop,
        until_ms=here.time_ms,
        acc_off_ms=here.time_ms if acc_is_off and stop.acc_off_ms is None else stop.acc_off_ms,
        points=stop.points + 1,
        inferred_ms=stop.inferred_ms + inferred_ms,
    )
    lasted_ms = stop.until_ms - stop.started_ms
    is_rest = lasted_ms >= REST_MS
    had_acc_on = state.stop is None or state.stop.acc_off_ms is None
    is_news = (is_rest and not was_rest) or (had_acc_on and stop.acc_off_ms is not None)
    if lasted_ms >= STOP_MS and (stop.written_ms == 0 or is_news):
        stop = msgspec.structs.replace(stop, written_ms=here.time_ms)
        rows.put("stops", (stop.started_ms,), stop.row(terminal_id, None))
    if is_rest and trip is not None:
        if trip.metres >= TRIP_M:
            rows.put("trips", (trip.started_ms,), trip.row(terminal_id, stop.started_ms))
        trip = None
    return stop, trip


def _counted(before: Quality | None, fact: Second, found: int, rows: Rows, terminal_id: int) -> Quality:
    """The day with one second more."""
    day_ms = (fact.time_ms + _LOCAL_MS) // _DAY_MS * _DAY_MS - _LOCAL_MS
    if before is None or before.day_ms != day_ms:
        if before is not None:
            rows.put("point_quality", (before.day_ms,), before.row(terminal_id))
        before = Quality(day_ms)
    twice = fact.report_count - 1
    counts = before.faults
    if found or twice:
        marks = found | (Fault.DUPLICATE_TIME if twice else 0)
        counts = tuple(
            count + (twice if bit == Fault.DUPLICATE_TIME else 1 if marks & bit else 0)
            for (bit, _), count in zip(_FAULTS, counts, strict=True)
        )
    is_due = fact.time_ms - before.written_ms >= QUALITY_WRITE_MS
    after = Quality(
        day_ms,
        before.points + fact.report_count,
        before.valid + (0 if found else 1),
        counts,
        fact.time_ms if is_due else before.written_ms,
    )
    if is_due:
        rows.put("point_quality", (day_ms,), after.row(terminal_id))
    return after
