"""Driving clocks, load, limits and exceed runs, on figures worked out by hand."""

import pytest

from jtgate.pipeline.derive.clock import Driven, Dwell, Stretch, continuous, in_24_hours, laden
from jtgate.pipeline.derive.exceed import Exceed, Sample, exceeds, limit_kmh

H, MIN, S = 3_600_000, 60_000, 1000


def test_a_rest_of_twenty_minutes_and_nothing_less_sets_the_clock_back() -> None:
    """2 h, 19 min 59 s of standing, 2 h: four hours; with 20 min: two."""
    for stood, expected in ((20 * MIN - S, Driven(4 * H, 0)), (20 * MIN, Driven(2 * H, 2 * H + 20 * MIN))):
        begin = 2 * H + stood
        stretches = [Stretch(0, 2 * H), Stretch(begin, begin + 2 * H)]
        assert continuous(stretches, "", begin + 2 * H) == expected


def test_several_short_stops_do_not_add_up() -> None:
    """Three stops of 15 minutes are no rest."""
    stretches = [Stretch(n * (H + 15 * MIN), n * (H + 15 * MIN) + H) for n in range(4)]
    assert continuous(stretches, "", 5 * H).drive_ms == 4 * H


def test_the_clock_is_read_in_the_middle_and_after() -> None:
    """Half of a stretch counts; 20 minutes after its end nothing does."""
    stretches = [Stretch(0, 4 * H)]
    assert continuous(stretches, "", 90 * MIN) == Driven(90 * MIN, 0)
    assert continuous(stretches, "", 4 * H + 19 * MIN).drive_ms == 4 * H
    assert continuous(stretches, "", 4 * H + 20 * MIN).drive_ms == 0
    assert continuous([], "", 5) == Driven(0, 5)


def test_while_the_other_one_drives_it_is_rest() -> None:
    """A two hours, B one, A two: A has two, the vehicle five."""
    stretches = [Stretch(0, 2 * H, "A"), Stretch(2 * H, 3 * H, "B"), Stretch(3 * H, 5 * H, "A")]
    assert continuous(stretches, "A", 5 * H) == Driven(2 * H, 3 * H)
    assert continuous(stretches, "", 5 * H) == Driven(5 * H, 0)
    assert in_24_hours(stretches, "A", 5 * H) == 4 * H


def test_the_last_24_hours_are_half_open() -> None:
    """What lies before them is cut off to the millisecond."""
    stretches = [Stretch(0, 10 * H), Stretch(20 * H, 22 * H)]
    assert in_24_hours(stretches, "", 24 * H) == 12 * H
    assert in_24_hours(stretches, "", 30 * H) == 6 * H
    assert in_24_hours(stretches, "", 46 * H) == 0


def test_laden_by_the_first_that_applies() -> None:
    """Waybill, status, then a dwell of 20 minutes where it is loaded, until it is unloaded; else nobody knows."""
    loaded = [Dwell("LOAD", 0, 20 * MIN)]
    assert laden(H, has_waybill=True, status=0, dwells=[]) is True
    assert laden(H, has_waybill=False, status=1 << 8, dwells=[]) is True
    assert laden(H, has_waybill=False, status=0, dwells=loaded) is True
    assert laden(H, has_waybill=False, status=None, dwells=[Dwell("LOAD", 0, 20 * MIN - 1)]) is None
    assert laden(10 * MIN, has_waybill=False, status=None, dwells=loaded) is None
    assert laden(3 * H, has_waybill=False, status=None, dwells=[*loaded, Dwell("UNLOAD", 2 * H, None)]) is None
    assert laden(H, has_waybill=False, status=None, dwells=[*loaded, Dwell("UNLOAD", 2 * H, None)]) is True


@pytest.mark.parametrize(
    ("road", "zone", "posted", "expected"),
    [
        ("expressway", None, None, 80),
        ("unknown", None, None, 80),
        ("other", None, None, 60),
        ("other", 30, None, 30),
        ("expressway", None, 60, 60),
        ("other", 70, 90, 60),
    ],
)
def test_the_lowest_limit_holds(road: str, zone: float | None, posted: float | None, expected: float) -> None:
    """Legal, zone, posted; an unknown road favours the driver."""
    assert limit_kmh(road, zone, posted) == expected


def run(*speeds: float, every_s: int = 10, start_s: int = 0, limit: float = 60) -> list[Sample]:
    """Points at a fixed interval."""
    return [Sample((start_s + n * every_s) * S, speed, limit) for n, speed in enumerate(speeds)]


def test_forty_seconds_ten_percent_over() -> None:
    """66 km/h at 60 counts, 65.9 does not; 40 s count, 30 s do not."""
    assert exceeds(run(66, 66, 66, 66, 66)) == [Exceed(0, 40 * S, pytest.approx(0.10), 5)]
    assert exceeds(run(65.9, 65.9, 65.9, 65.9, 65.9)) == []
    assert exceeds(run(80, 80, 80, 80)) == []
    assert exceeds(run(80, 80, every_s=40)) == [Exceed(0, 40 * S, pytest.approx(1 / 3), 2)]


def test_the_highest_point_of_five_is_left_out() -> None:
    """A single jump is a fault of the receiver; in a shorter run it counts."""
    assert exceeds(run(72, 72, 120, 72, 72))[0].ratio == pytest.approx(0.20)
    assert exceeds(run(72, 120, 72, every_s=20))[0].ratio == pytest.approx(1.0)


def test_gaps_end_a_run_and_near_runs_are_one() -> None:
    """61 s without a point end it; two runs 50 s apart are one event, 60 s apart two."""
    first, gap = run(72, 72, 72, 72, 72), run(72, 72, 72, 72, 72, start_s=101)
    assert [one.points for one in exceeds([*first, *gap])] == [5, 5]
    slow = Sample(60 * S, 50, 60)
    near, far = run(72, 72, 72, 72, 72, start_s=90), run(72, 72, 72, 72, 72, start_s=100)
    assert [one.points for one in exceeds([*first, slow, *near])] == [10]
    assert [one.points for one in exceeds([*first, slow, *far])] == [5, 5]
