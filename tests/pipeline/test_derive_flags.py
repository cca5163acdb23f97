"""Alarm bits become episodes: held bits as runs, answered bits as instants, areas apart."""

import itertools
import json
from collections.abc import Sequence
from typing import Any

import pytest
from episode_world import T0, area, fold, fold_late, listed, second, spans
from hypothesis import given
from hypothesis import strategies as st

from jtgate.pipeline.derive.facts import Rows, Second, second_of
from jtgate.pipeline.derive.flags import RUNS_MAX, WRITE_MS, FlagMachine
from jtgate.pipeline.derive.tally import tally
from jtgate.storage.contract.rows import position
from jtgate.storage.model import POSITION_COLUMNS, EpisodeRow

SOS, SPEEDING, DANGER, ANTENNA, AREA, ROUTE = 1 << 0, 1 << 1, 1 << 3, 1 << 5, 1 << 20, 1 << 21


def episodes(seconds: Sequence[Second], until_s: float | None = None) -> list[EpisodeRow]:
    """Episodes that stand."""
    return listed(fold(FlagMachine(), seconds, until_s=until_s)[1])


def of_bits(flags: dict[int, int], until_s: float | None = None) -> list[EpisodeRow]:
    """Episodes of seconds with these bits."""
    return episodes([second(at, on) for at, on in flags.items()], until_s)


def test_a_held_bit_is_an_episode_until_it_is_clear() -> None:
    """From the first second with the bit to the first without it."""
    rows = episodes([second(0), second(10, SPEEDING), second(20, SPEEDING, speed_kmh=91.5), second(30), second(40)])
    assert spans(rows) == [(10, 30, "cleared", 2)]
    assert (rows[0].speed_max_kmh, rows[0].serial, rows[0].risk_class) == (91.5, 10, "driving")


def test_a_bit_that_comes_back_within_the_gap_is_the_same_alarm() -> None:
    """60 s for speeding, counted from the second without it; after that it is another one."""
    assert spans(of_bits({0: SPEEDING, 10: 0, 70: SPEEDING, 80: 0, 141: SPEEDING, 150: 0})) == [
        (0, 80, "cleared", 2),
        (141, 150, "cleared", 1),
    ]


def test_a_bit_that_comes_and_goes_does_not_go_on_for_ever() -> None:
    """After half an hour of speeding now and then it is another alarm; half an hour of speeding is one."""
    rows = of_bits({at: SPEEDING * (at // 40 % 2) for at in range(0, 4001, 40)})
    assert [(row.started_ms - T0) // 1000 for row in rows] == [40, 1880, 3720]
    assert spans(of_bits({**dict.fromkeys(range(0, 4000, 40), SPEEDING), 4000: 0})) == [(0, 4000, "cleared", 100)]


def test_an_answered_bit_is_one_alarm_however_often_it_is_repeated() -> None:
    """紧急报警 is repeated until the terminal is answered; clearing it is no end of anything."""
    rows = of_bits({0: SOS, 5: SOS, 10: SOS, 15: 0, 200: SOS, 205: 0, 600: SOS, 605: 0})
    assert spans(rows) == [(0, 200, "instant", 1), (600, 600, "instant", 1)]
    assert [(row.state, row.repeat_count, row.serial) for row in rows] == [("closed", 3, 0), ("closed", 0, 600)]
    assert [(row.state, row.ended_by) for row in of_bits({0: SOS})] == [("closed", "instant")]


def test_danger_warning_is_held() -> None:
    """Bit 3 is A before 2019, H since; a report does not tell its edition. Either way it is one alarm."""
    since_2019 = of_bits({0: DANGER, 30: DANGER, 60: DANGER, 90: 0})
    before_2019 = of_bits({0: DANGER, 10: 0, 60: DANGER, 70: 0})  # answered, and again
    assert spans(since_2019) == [(0, 90, "cleared", 3)]
    assert spans(before_2019) == [(0, 70, "cleared", 2)]


def test_a_terminal_that_says_nothing_for_long_holds_no_bit() -> None:
    """Speeding before a night without reports and after it is not speeding all night; a broken antenna is broken."""
    flags = {0: SPEEDING | ANTENNA, 30: SPEEDING | ANTENNA, 30_000: SPEEDING | ANTENNA}
    assert [(row.alarm_type, row.state, row.ended_by, row.report_count) for row in of_bits(flags)] == [
        (1, "closed", "silence", 2),
        (5, "open", None, 3),
        (1, "open", None, 1),
    ]
    assert spans(of_bits({0: SPEEDING, 30: SPEEDING}, 1830)) == [(0, None, None, 1)]  # written once a minute
    assert spans(of_bits({0: SPEEDING, 30: SPEEDING}, 1831)) == [(0, 30, "silence", 2)]


def test_a_blind_area_changes_nothing() -> None:
    """What comes out of the tunnel later closes the hole in a run of seconds, and the other episode is withdrawn."""
    tidy = [second(at, SPEEDING if 1000 <= at <= 5000 else 0) for at in range(0, 7001, 500)]
    expected = episodes(tidy)
    assert spans(expected) == [(1000, 5500, "cleared", 9)]
    in_time = [one for one in tidy if not 2000 < one.serial < 4500]
    assert len(episodes(in_time)) == 2
    for kept in range(len(in_time)):
        late = [one for one in tidy if one not in in_time]
        rows = fold_late(FlagMachine(), in_time, late, kept, 7000)
        assert listed(rows) == expected
        assert [row.started_ms - T0 for row in listed(rows, withdrawn=True)] == [4_500_000]


def test_areas_have_episodes_of_their_own() -> None:
    """Entering area 17 and leaving area 18 in one stretch are two alarms; repeated without item it is the last one."""
    rows = episodes(
        [
            second(0, AREA, extra_items=area(3, 17, 0)),
            second(5, AREA, extra_items=area(1, 18, 1)),
            second(10, AREA),
            second(15),
            second(20, AREA),
        ]
    )
    assert [row.source for row in rows] == ["jt808:area:3:17:0", "jt808:area:1:18:1", "jt808:flag"]
    assert spans(rows) == [(0, 0, "instant", 1), (5, 10, "instant", 1), (20, 20, "instant", 1)]
    assert [row.repeat_count for row in rows] == [0, 1, 0]
    (route,) = episodes([second(0, ROUTE, extra_items=area(4, 9, 0)), second(5)])
    assert (route.source, route.alarm_type, route.risk_class) == ("jt808:area:4:9:0", 21, "area")


def test_one_second_may_tell_of_several_areas() -> None:
    """Leaving one area and entering the next are two alarms, the same item twice is one."""
    items = json.dumps([item for one in ((1, 1, 1), (1, 2, 0), (1, 2, 0)) for item in json.loads(area(*one))])
    rows = episodes([second(0, AREA, extra_items=items), second(5)])
    assert [(row.source, row.alarm_type, row.report_count) for row in rows] == [
        ("jt808:area:1:1:1", 20, 1),
        ("jt808:area:1:2:0", 20, 1),
    ]


def test_speeding_and_time_in_a_segment_tell_their_area() -> None:
    """Items 0x11 and 0x13; speeding in an area is held, the time in a segment waits for its answer."""
    speeding = json.dumps([{"id": "0x11", "raw": "0200000007"}])
    anywhere = json.dumps([{"id": "0x11", "raw": "00"}])
    segment = json.dumps([{"id": "0x13", "raw": "00000009001e01"}])
    rows = episodes(
        [
            second(0, SPEEDING, extra_items=speeding),
            second(10, SPEEDING, extra_items=speeding),
            second(20),
            second(30, 1 << 22, extra_items=segment),
            second(200, SPEEDING, extra_items=anywhere),
            second(210),
        ]
    )
    assert [row.source for row in rows] == ["jt808:area:2:7", "jt808:area:4:9:1", "jt808:flag"]
    assert spans(rows) == [(0, 20, "cleared", 2), (30, 30, "instant", 1), (200, 210, "cleared", 1)]


@pytest.mark.parametrize("raw", ["", "01", "ff" * 40, "0300000011000000"])
def test_an_area_item_of_odd_length_is_left_to_the_bit(raw: str) -> None:
    """A length that is not the item's tells no area."""
    (row,) = episodes([second(0, AREA, extra_items=json.dumps([{"id": "0x12", "raw": raw}]))])
    assert row.source == "jt808:flag"


def test_video_bits_are_of_their_own_source() -> None:
    """视频相关报警 of item 0x14; 异常驾驶行为 by what the driver did, where item 0x18 tells."""
    driving = {"video_alarm_flags": 1 << 5, "abnormal_driving_flags": 0b110}
    rows = episodes(
        [
            second(0, video_alarm_flags=0b100001),
            second(30),
            second(1000, **driving),
            second(1010, **driving),
            second(1020),
        ]
    )
    assert [(row.source, row.alarm_type, row.risk_class) for row in rows] == [
        ("jt1078:video", 0, "vehicle"),
        ("jt1078:video", 5, "distraction"),
        ("jt1078:driving", 1, "distraction"),
        ("jt1078:driving", 2, "distraction"),
    ]
    assert spans(rows)[2:] == [(1000, 1020, "cleared", 2)] * 2


def test_a_long_alarm_is_written_once_a_minute() -> None:
    """An hour of reports with a fault bit is some sixty writes, and the end is exact."""
    machine, state, writes = FlagMachine(), FlagMachine().start(), 0
    for at in range(0, 3600, 5):
        rows = Rows()
        state = machine.step(state, second(at, ANTENNA), rows, 1)
        writes += len(rows.tables)
    held, rows = Rows(), Rows()
    machine.held(state, held, 1)
    assert [row.report_count for row in listed(held)] == [709]  # as it was written last
    machine.step(state, second(3600), rows, 1)
    assert writes == 60
    assert spans(listed(rows)) == [(0, 3600, "cleared", 720)]


def test_hostile_areas_do_not_pile_up() -> None:
    """A terminal that enters another area every second keeps a bounded state, and it is counted."""
    state, rows = fold(FlagMachine(), [second(at, AREA, extra_items=area(1, at, 0)) for at in range(400)])
    assert len(state.runs) == RUNS_MAX
    assert rows.limits == {"runs_max": 400 - RUNS_MAX}
    assert [row.state for row in listed(rows)] == ["closed"] * 400
    speeding = json.dumps([{"id": "0x11", "raw": f"02{number:08x}"} for number in range(RUNS_MAX + 9)])
    _, rows = fold(FlagMachine(), [second(0, SPEEDING, extra_items=speeding)])
    assert [row.ended_by for row in listed(rows)].count("silence") == 9


def test_reports_of_one_second_are_one_fact_in_any_order() -> None:
    """Flags of both, the place of the one with the lower fingerprint, items of both."""
    columns = {name: number for number, name in enumerate(POSITION_COLUMNS)}

    def row(number: int, **values: Any) -> Any:
        made = list(position(1, T0, number))
        for name, value in values.items():
            made[columns[name]] = value
        return tuple(made)

    first = row(
        1,
        alarm_flags=SPEEDING,
        abnormal_driving_flags=2,
        latitude=41.5,
        extra_items='[{"id":"0x12","raw":"01"}]',
        received_ms=T0 + 9,
    )
    other = row(2, alarm_flags=SOS, latitude=42.5, extra_items='[{"id":"0x13","raw":"02"}]', received_ms=T0 + 5)
    one = second_of([first, other])
    assert one == second_of([other, first])
    assert (one.alarm_flags, one.latitude, one.received_ms, one.report_count) == (SOS | SPEEDING, 41.5, T0 + 5, 2)
    assert [item["id"] for item in json.loads(one.extra_items or "")] == ["0x12", "0x13"]
    assert one.abnormal_driving_flags == 2


seconds_of_a_day = st.lists(
    st.builds(
        second,
        st.integers(0, 6000),
        st.sampled_from((0, 0, SOS, SPEEDING, SOS | SPEEDING, ANTENNA, AREA, AREA | SPEEDING)),
        extra_items=st.sampled_from((None, None, area(1, 17, 0), area(1, 17, 1))),
        video_alarm_flags=st.sampled_from((0, 0, 1 << 5)),
        abnormal_driving_flags=st.sampled_from((0, 0, 1)),
        speed_kmh=st.floats(0, 120),
    ),
    max_size=40,
    unique_by=lambda one: one.time_ms,
)


@given(seconds_of_a_day, st.lists(st.integers(0, 40), max_size=5), st.randoms(use_true_random=False))
def test_any_order_and_batching_gives_the_same(seconds: list[Second], cuts: list[int], shuffle: Any) -> None:
    """Stopping anywhere, going on from the stored state, and any order of arrival give the same rows."""
    expected = fold(FlagMachine(), seconds)[1].tables
    shuffle.shuffle(seconds)
    assert fold(FlagMachine(), seconds, cuts=cuts)[1].tables == expected


@given(seconds_of_a_day, st.sets(st.integers(0, 39), max_size=6), st.integers(0, 40))
def test_what_comes_late_gives_the_same(seconds: list[Second], late: set[int], kept: int) -> None:
    """Folding anew from a checkpoint leaves the same episodes as if everything had come in time."""
    expected = episodes(seconds, 9000)
    first = [one for number, one in enumerate(seconds) if number not in late]
    last = [one for number, one in enumerate(seconds) if number in late]
    assert listed(fold_late(FlagMachine(), first, last, kept, 9000)) == expected


@given(seconds_of_a_day)
def test_every_second_with_a_bit_is_counted_once(seconds: list[Second]) -> None:
    """Reports and repeats add up, at any moment but for what waits to be written; episodes of a bit do not overlap."""
    last_s = max(((one.time_ms - T0) // 1000 for one in seconds), default=0)
    assert tally(seconds, [], episodes(seconds)).missing == 0
    ended = [*seconds, second(last_s + WRITE_MS // 1000)]
    rows = episodes(ended)
    found = tally(ended, [], rows)
    assert (found.missing, found.waiting, found.episodes) == (0, 0, len(rows))
    for _, mine in itertools.groupby(sorted(rows, key=_kind), _kind):
        for before, after in itertools.pairwise(mine):
            assert (before.ended_ms or 0) <= after.started_ms


def _kind(row: EpisodeRow) -> tuple[str, int]:
    return row.source, row.alarm_type
