"""Stops, trips and the quality of points, on tracks whose figures are worked out by hand."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_derive_flags import T0, second

from jtgate.pipeline.derive import points
from jtgate.pipeline.derive.facts import Rows, Second
from jtgate.pipeline.derive.points import Fault
from jtgate.pipeline.derive.track import TrackMachine, TrackState
from jtgate.storage.model import PointQualityRow, StopRow, TripRow

#: Degrees of latitude for one kilometre.
KM = 1 / 111.1950797


def at(seconds: int, km: float, speed_kmh: float = 60.0, **values: Any) -> Second:
    """A point so many kilometres north of the start."""
    return second(seconds, latitude=41.0 + km * KM, speed_kmh=speed_kmh, **values)


def drive(start_s: int, start_km: float, minutes: int) -> list[Second]:
    """A minute, a kilometre: at 60 km/h, a report every 30 s, the last one included."""
    return [at(start_s + half * 30, start_km + half / 2) for half in range(2 * minutes + 1)]


def stand(start_s: int, km: float, minutes: int, **values: Any) -> list[Second]:
    """Standing, a report every 30 s, the last one not included."""
    return [at(start_s + half * 30, km, 0.0, **values) for half in range(2 * minutes)]


def fold(seconds: Iterable[Second], cut: int | None = None) -> Rows:
    """Rows of a fold; with a cut the state goes through its stored form there."""
    machine, rows = TrackMachine(), Rows()
    state = machine.start()
    for number, one in enumerate(sorted(seconds, key=lambda each: each.time_ms)):
        if number == cut:
            state = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=TrackState)
        state = machine.step(state, one, rows, 1)
    return rows


def trips(rows: Rows) -> list[TripRow]:
    """Trips, oldest first."""
    return sorted(rows.tables.get("trips", {}).values(), key=lambda row: row.started_ms)


def stops(rows: Rows) -> list[StopRow]:
    """Stops, oldest first."""
    return sorted(rows.tables.get("stops", {}).values(), key=lambda row: row.started_ms)


def seconds_of(*times_ms: int | None) -> tuple[float | None, ...]:
    """Seconds since T0."""
    return tuple(None if at_ms is None else (at_ms - T0) / 1000 for at_ms in times_ms)


def a_day() -> list[Second]:
    """10 min standing, 30 min driving, 5 min standing, 30 min driving, 25 min standing, 10 min driving, standing.

    Speeds are those at the beginning of an interval, so the last report of a drive, which stands where the next stretch
    begins, is left to that one.
    """
    return [
        *stand(0, 0, 10),
        *drive(600, 0, 30)[:-1],
        *stand(2400, 30, 5),
        *drive(2700, 30, 30)[:-1],
        *stand(4500, 60, 25, status=2),
        *drive(6000, 60, 10)[:-1],
        *stand(6600, 70, 30),
    ]


def test_trips_lie_between_rests() -> None:
    """The stop of 5 minutes is part of the first trip; that of 25 minutes ends it where it began."""
    first, second_trip = trips(fold(a_day()))
    assert seconds_of(first.started_ms, first.ended_ms) == (600, 4500)
    assert first.distance_km == pytest.approx(60.0, abs=0.01)
    assert (first.drive_s, first.stop_s, first.inferred_s) == (3600, 300, 0)
    assert (first.speed_max_kmh, first.state) == (60.0, "closed")
    assert first.end_latitude == pytest.approx(41.0 + 60 * KM)
    assert seconds_of(second_trip.started_ms, second_trip.ended_ms) == (6000, 6600)
    assert second_trip.distance_km == pytest.approx(10.0, abs=0.01)


def test_stops_are_runs_of_standing() -> None:
    """Four of them; rests are those of 20 minutes; the ignition is off in the one whose status says so."""
    found = stops(fold(a_day()))
    assert [(*seconds_of(row.started_ms, row.ended_ms), row.is_rest) for row in found] == [
        (0, 600, 0),
        (2400, 2700, 0),
        (4500, 6000, 1),
        (6600, None, 1),
    ]
    assert [seconds_of(row.acc_off_ms) for row in found] == [(None,), (None,), (4500,), (None,)]


def test_a_trip_of_less_than_two_kilometres_is_dropped() -> None:
    """Shunting in the yard is no trip; its stops are stops."""
    seconds = [*stand(0, 0, 25), *[at(1500 + n * 30, n * 0.1, 12.0) for n in range(10)], *stand(1800, 1, 30)]
    rows = fold(seconds)
    assert trips(rows) == []
    assert len(stops(rows)) == 2


def test_twenty_minutes_to_the_second() -> None:
    """1,199 s are no rest, 1,200 s are one."""
    for lasted_s, expected in ((1199, 1), (1200, 2)):
        seconds = [*drive(0, 0, 5)[:-1], at(300, 5, 0.0), at(599, 5, 0.0)]
        seconds += [at(t, 5, 0.0) for t in range(800, 300 + lasted_s, 250)]
        seconds += drive(300 + lasted_s, 5, 5)
        assert len(trips(fold(seconds))) == expected, lasted_s


def test_gaps_are_judged_by_their_mean_speed() -> None:
    """40 km in an hour without a report were driven; 100 m in an hour were not, whatever the last speed was."""
    moved = fold([*drive(0, 0, 5), at(3900, 45, 60.0), at(3930, 45.5, 60.0), at(3990, 46.5)])
    (trip,) = trips(moved)
    assert (trip.distance_km, trip.drive_s, trip.inferred_s) == (pytest.approx(46.5, abs=0.01), 3990, 3600)
    rested = fold([*drive(0, 0, 5), at(3900, 5.1, 0.0), at(3930, 5.1, 0.0)])
    (stop,) = stops(rested)
    assert (*seconds_of(stop.started_ms), stop.is_rest, stop.inferred_s) == (300, 1, 3600)
    assert [seconds_of(row.ended_ms) for row in trips(rested)] == [(300,)]


def test_a_point_that_jumps_away_and_back_adds_nothing() -> None:
    """A drift point 30 km off in the middle of a drive of 10 km: 10 km; two that stay away are believed."""
    track = drive(0, 0, 10)
    jumped = [*track[:9], track[9]._replace(longitude=122.36), *track[10:], *stand(630, 10, 25)]
    (trip,) = trips(fold(jumped))
    assert trip.distance_km == pytest.approx(10.0, abs=0.05)
    moved_for_good = [
        one._replace(longitude=122.36) if number >= 9 else one
        for number, one in enumerate([*track, *stand(630, 10, 25)])
    ]
    (far,) = trips(fold(moved_for_good))
    assert far.distance_km > 35


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"status": 1}, Fault.NOT_LOCATED),
        ({"latitude": None}, Fault.LATITUDE),
        ({"latitude": 3.85}, Fault.LATITUDE),
        ({"longitude": 135.06}, Fault.LONGITUDE),
        ({"speed_kmh": 160.1}, Fault.SPEED),
        ({"heading_deg": 360}, Fault.HEADING),
        ({"received_ms": T0 + 86_400_001}, Fault.TIME),
        ({"received_ms": T0 - 300_001}, Fault.TIME),
    ],
)
def test_each_check_of_a_point(values: dict[str, Any], fault: Fault) -> None:
    """Just beyond its limit a report fails one check; the report before it fails none."""
    assert points.faults(second(0)) == 0
    assert points.faults(second(0, **values)) == fault
    assert points.faults(second(0), is_known=False) == Fault.UNKNOWN_VEHICLE


def test_limits_of_a_point_belong_to_it() -> None:
    """Values at the limits are valid; a backfilled report may be as late as it likes."""
    assert points.faults(second(0, latitude=3.86, longitude=73.66, speed_kmh=160.0, heading_deg=359)) == 0
    assert points.faults(second(0, received_ms=T0 + 86_400_000)) == 0
    assert points.faults(second(0, received_ms=T0 + 9 * 86_400_000, backfill=1)) == 0


def test_speed_of_the_recorder_only_when_it_is_calibrated() -> None:
    """P3."""
    one = second(0, speed_kmh=60.0, recorder_speed_kmh=63.0)
    assert points.speed_of(one) == 60.0
    assert points.speed_of(one, has_recorder=True) == 63.0
    assert points.speed_of(second(0), has_recorder=True) == 60.0


def test_quality_of_a_day_counts_every_report() -> None:
    """Reports, valid points and what was wrong; a second report of one second is a duplicate time."""
    seconds = [at(n, n / 60) for n in range(100)]
    seconds[3] = seconds[3]._replace(status=1)
    seconds[7] = seconds[7]._replace(report_count=3)
    rows = fold([*seconds, at(86_400, 2)])
    quality: dict[Any, PointQualityRow] = rows.tables["point_quality"]
    first, _ = (quality[key] for key in sorted(quality))
    assert (first.point_count, first.valid_count) == (102, 99)
    assert json.loads(first.faults) == {"not_located": 1, "duplicate_time": 2}
    assert (first.day_ms + 8 * 3_600_000) % 86_400_000 == 0


def test_a_long_drive_is_written_once_a_minute() -> None:
    """Writing a row for every report would be most of the work of the store."""
    machine, state, writes = TrackMachine(), TrackMachine().start(), 0
    for n in range(3600):
        rows = Rows()
        state = machine.step(state, at(n, n / 60), rows, 1)
        writes += "trips" in rows.tables
    assert 50 <= writes <= 60


def test_distance_on_the_sphere() -> None:
    """A degree of latitude, and a degree of longitude at 60°."""
    assert points.distance_m(41, 122, 42, 122) == pytest.approx(111_195, abs=1)
    assert points.distance_m(60, 10, 60, 11) == pytest.approx(55_597, abs=3)
    assert points.distance_m(41, 122, 41, 122) == 0


tracks = st.lists(
    st.builds(
        lambda at_s, km, speed, status: at(at_s * 20, km, speed, status=status),
        st.integers(0, 400),
        st.floats(0, 3, width=32),
        st.sampled_from((0.0, 4.9, 5.0, 30.0, 200.0)),
        st.sampled_from((2, 3, 1)),
    ),
    max_size=50,
    unique_by=lambda one: one.time_ms,
)


@given(tracks, st.integers(0, 50))
def test_a_state_that_was_stored_goes_on_the_same(seconds: list[Second], cut: int) -> None:
    """Stopping anywhere and going on from the stored state gives the same rows."""
    assert fold(seconds, cut).tables == fold(seconds).tables


@given(tracks)
def test_time_is_either_driven_or_stood(seconds: Sequence[Second]) -> None:
    """Trips and stops of a minute and more do not overlap but for short stops inside a trip."""
    rows = fold(seconds)
    for trip in trips(rows):
        end_ms = trip.ended_ms
        if end_ms is not None:
            assert trip.drive_s + trip.stop_s == (end_ms - trip.started_ms) // 1000
        rests = [row for row in stops(rows) if row.is_rest]
        assert not any(trip.started_ms < rest.started_ms < (end_ms or rest.started_ms) for rest in rests)
