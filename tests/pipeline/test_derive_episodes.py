"""Alarm items become episodes: repeats, pairs of start and end, gaps, silence; any order of arrival is the same."""

import itertools
import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from episode_world import T0, fold, fold_late, item, listed, spans
from hypothesis import given
from hypothesis import strategies as st

from jtgate.pipeline.derive import merging
from jtgate.pipeline.derive.episode import Episode, Report, begin
from jtgate.pipeline.derive.episodes import CURRENT_MAX, RECENT_MAX, STARTS_MAX, ItemMachine
from jtgate.pipeline.derive.facts import AlarmItem, Rows
from jtgate.pipeline.derive.tally import tally
from jtgate.storage.model import ALARM_NUMBERS_MAX, PLACES_MAX, EpisodeRow

FATIGUE, PHONE = 1, 2


def episodes(items: Sequence[AlarmItem], until_s: float | None = None) -> list[EpisodeRow]:
    """Episodes that stand."""
    return listed(fold(ItemMachine(), items, until_s=until_s)[1])


def test_instant_reports_within_the_gap_are_one_alarm() -> None:
    """Phone calls no more than 120 s apart are one; the next after that is another."""
    rows = episodes([item(0), item(120), item(240), item(361)])
    assert spans(rows) == [(0, 240, "instant", 3), (361, 361, "instant", 1)]
    assert {row.state for row in rows} == {"closed"}


def test_a_chain_of_reports_does_not_go_on_for_ever() -> None:
    """After the longest time of its type an alarm of separate reports ends, and the next one begins."""
    rows = episodes([item(number * 100) for number in range(9)])
    assert spans(rows) == [(0, 600, "instant", 7), (700, 800, "instant", 2)]


def test_start_and_end_are_one_episode() -> None:
    """From start to end, with the gravest level and the fastest place."""
    (row,) = episodes([item(0, "start", alarm_id=7), item(40, "end", alarm_id=7, level=2, speed_kmh=71.0)])
    assert spans([row]) == [(0, 40, "end", 2)]
    assert (row.state, row.level, row.speed_max_kmh, row.peak_ms) == ("closed", 2, 71.0, T0 + 40_000)


def test_a_condition_of_its_own_length_may_be_longer_than_the_longest() -> None:
    """The longest time cuts chains, not what has a start and an end."""
    items = [
        item(0, "start", FATIGUE, alarm_id=7),
        item(1790, "instant", FATIGUE),
        item(3500, "end", FATIGUE, alarm_id=7),
    ]
    assert spans(episodes(items[::2])) == [(0, 0, "silence", 1), (3500, 3500, "instant", 1)]
    (row,) = episodes(
        [
            items[0],
            item(590, "instant", FATIGUE),
            item(1100, "instant", FATIGUE),
            item(2500, "end", FATIGUE, alarm_id=7),
        ]
    )
    assert spans([row]) == [(0, 2500, "end", 4)]


def test_an_open_start_stays_open_until_the_silence_of_its_type() -> None:
    """It has then ended with its last report."""
    items = [item(0, "start"), item(30)]
    assert [row.state for row in episodes(items)] == ["open"]
    assert spans(episodes(items, 630)) == [(0, None, None, 2)]
    assert spans(episodes(items, 631)) == [(0, 30, "silence", 2)]


def test_starts_without_ends_are_alarms_of_their_own() -> None:
    """Terminals that never send an end do not make one alarm of a whole shift: the gap decides."""
    rows = episodes([item(at, "start", alarm_id=at + 1) for at in (0, 300, 600)], 2000)
    assert spans(rows) == [(at, at, "silence", 1) for at in (0, 300, 600)]


@pytest.mark.parametrize(
    ("first", "second", "end", "left"),
    [
        ({"alarm_id": 7}, {"alarm_id": 8}, {"alarm_id": 7}, 5),
        ({"alarm_number": "aa" * 15 + "00"}, {"alarm_number": "bb" * 15 + "00"}, {"alarm_number": "aa" * 15 + "09"}, 5),
        (
            {"alarm_id": 7, "alarm_number": "aa"},
            {"alarm_id": 8, "alarm_number": "bb"},
            {"alarm_id": 7, "alarm_number": "bb"},
            5,
        ),
        ({"alarm_number": "aa"}, {"alarm_number": "bb"}, {"alarm_id": 9, "alarm_number": "aa"}, 5),
        ({}, {"alarm_id": 8}, {"alarm_id": 9}, 0),
    ],
    ids=["alarm id", "number", "alarm id before number", "number for want of the alarm id", "newest start"],
)
def test_an_end_finds_its_start(first: dict[str, Any], second: dict[str, Any], end: dict[str, Any], left: int) -> None:
    """By alarm id, else by identification number, else by time: the other start is what stays open."""
    state, _ = fold(ItemMachine(), [item(0, "start", **first), item(5, "start", **second), item(9, "end", **end)])
    (current,) = state.current
    (start,) = current.starts
    assert start.time_ms == T0 + left * 1000
    assert current.episode.ended_ms is None


def test_an_end_without_a_start_is_an_instant() -> None:
    """There is nothing it could end: an alarm of its own; ten minutes are too long for a guess."""
    assert spans(episodes([item(0, "end", alarm_id=7)])) == [(0, 0, "instant", 1)]
    fatigue = [item(0, "start", FATIGUE), item(300, "instant", FATIGUE)]
    late = item(601, "end", FATIGUE, alarm_number="ff")
    assert spans(episodes([*fatigue, item(600, "end", FATIGUE, alarm_number="ff")])) == [(0, 600, "end", 3)]
    assert spans(episodes([*fatigue, late])) == [(0, None, None, 3)]


def test_types_and_sources_do_not_pair() -> None:
    """An end of smoking does not end a phone call, nor one of another system with the same type."""
    rows = episodes([item(0, "start"), item(5, "end", 3), item(6, "end", source="jsatl12:0x64")])
    assert [(row.source, row.alarm_type, row.state) for row in rows] == [
        ("jsatl12:0x65", 2, "open"),
        ("jsatl12:0x65", 3, "closed"),
        ("jsatl12:0x64", 2, "closed"),
    ]


def test_an_end_takes_in_what_looked_like_other_alarms() -> None:
    """Reports between a start and its end are the same alarm, though they came too late for the gap; rows withdrawn."""
    start, between, end = (
        item(0, "start", alarm_id=7),
        item(300, level=2, attachment_count=1),
        item(500, "end", alarm_id=7),
    )
    assert spans(episodes([start, between])) == [(0, None, None, 1), (300, 300, "instant", 1)]
    _, rows = fold(ItemMachine(), [start, between, item(430, speed_kmh=99.0), end])
    (row,) = listed(rows)
    assert spans([row]) == [(0, 500, "end", 4)]
    assert (row.level, row.speed_max_kmh, row.evidence_state) == (2, 99.0, "asked")
    assert json.loads(row.alarm_numbers) == [between.alarm_number]
    assert [place[0] - T0 for place in json.loads(row.places)] == [0, 300_000, 430_000, 500_000]
    assert [gone.started_ms - T0 for gone in listed(rows, withdrawn=True)] == [300_000, 430_000]


def test_repeats_of_what_was_taken_in_are_still_repeats() -> None:
    """What an alarm has taken in is known by it: its repeats before and after."""
    start, between, end = item(0, "start", alarm_id=7), item(300), item(400, "end", alarm_id=7)
    again = [between._replace(time_ms=between.time_ms + wait_ms) for wait_ms in (1000, 101_000)]
    (row,) = episodes([start, between, again[0], end, again[1]])
    assert (row.report_count, row.repeat_count, row.last_ms) == (3, 2, end.time_ms)


def test_overlapping_conditions_are_one_alarm() -> None:
    """Two starts far apart whose ends overlap: one alarm from the first start to the last end."""
    items = [
        item(0, "start", alarm_id=1),
        item(300, "start", alarm_id=2),
        item(400, "end", alarm_id=1),
        item(500, "end", alarm_id=2),
    ]
    assert spans(episodes(items[:3])) == [(0, None, None, 3)]
    assert spans(episodes(items)) == [(0, 500, "end", 4)]


def test_a_blind_area_changes_nothing() -> None:
    """Whichever report comes out of the tunnel last, the episodes are those of the tidy stream."""
    tidy = [item(0, "start", alarm_id=7), item(200), item(350, "end", alarm_id=7), item(2000)]
    expected = episodes(tidy, 3000)
    assert spans(expected) == [(0, 350, "end", 3), (2000, 2000, "instant", 1)]
    for number in range(4):
        late = [tidy[number]]
        others = [one for one in tidy if one not in late]
        for kept in range(4):
            assert listed(fold_late(ItemMachine(), others, late, kept, 3000)) == expected


def test_exact_repeats_are_counted_and_change_nothing() -> None:
    """The same identification number but for its reserved bytes, in the same phase: said twice, at most graver."""
    first = item(0, alarm_number="ab" * 15 + "00")
    again = first._replace(alarm_number="ab" * 15 + "07", fingerprint=first.fingerprint + 1, level=2)
    (row,) = episodes([first, again])
    assert (row.report_count, row.repeat_count, row.level) == (1, 1, 2)
    long = [item(0, alarm_number="ab" * 38 + end, fingerprint=number) for number, end in enumerate(("0000", "0102"))]
    assert [(row.report_count, row.repeat_count) for row in episodes(long)] == [(1, 1)]
    without_reserve = [
        item(0, alarm_number="ab" * 37 + end, fingerprint=number) for number, end in enumerate(("00", "01"))
    ]
    assert [(row.report_count, row.repeat_count) for row in episodes(without_reserve)] == [(2, 0)]
    other_phase = [item(0, "start", alarm_number="ab"), item(1, "end", alarm_number="ab")]
    assert [(row.report_count, row.repeat_count) for row in episodes(other_phase)] == [(2, 0)]


def test_types_do_not_mix_and_events_are_no_alarms() -> None:
    """Each type has its episodes; 0x10 to 0x1f have none, nor have periodic tyre reports."""
    events = [item(number, alarm_type=number) for number in range(0x10, 0x20)]
    rows = episodes(
        [item(0), item(1, alarm_type=FATIGUE), *events, *(one._replace(source="jsatl12:0x64") for one in events)]
    )
    assert [(row.alarm_type, row.report_count, row.risk_class) for row in rows] == [
        (PHONE, 1, "distraction"),
        (FATIGUE, 1, "fatigue"),
    ]
    assert episodes([item(0, source="jsatl12:0x66", alarm_type=1)]) == []
    assert len(episodes([item(0, source="jsatl12:0x66", alarm_type=5)])) == 1


def test_evidence_numbers_of_all_reports() -> None:
    """Numbers of reports that announced files, and of no others; the first of them stands by itself."""
    rows = episodes([item(0), item(1, attachment_count=2), item(2, attachment_count=1)])
    numbers = [f"{at:030x}00" for at in (1, 2)]
    assert [(row.alarm_number, json.loads(row.alarm_numbers), row.evidence_state) for row in rows] == [
        (numbers[0], numbers, "asked")
    ]
    assert [row.evidence_state for row in episodes([item(0)])] == ["none"]


def _of_a_thousand() -> Episode:
    episode: Episode | None = None
    for number in range(1000):
        report = Report(T0 + number * 1000, 41.0, 122.0, 90.0 if number == 333 else 50.0, alarm_number=f"{number:x}")
        episode = begin("jsatl12:0x65", PHONE, "distraction", report) if episode is None else episode.add(report)
    assert episode is not None
    return episode


def test_places_are_few_and_hold_first_peak_and_last() -> None:
    """Of a thousand reports some twenty places are kept, spread over the whole; so it is when one takes in another."""
    alone = _of_a_thousand()
    later = msgspec.structs.replace(alone, started_ms=T0 + 500_000, peak=(T0 + 777_000, 41.0, 122.0, 95.0))
    for episode, peak_s, speed, reports in ((alone, 333, 90.0, 1000), (alone.absorb(later), 777, 95.0, 2000)):
        row = episode.row(1)
        times = [(place[0] - T0) // 1000 for place in json.loads(row.places)]
        assert len(times) <= PLACES_MAX
        assert {0, peak_s, 999} <= set(times)
        assert max(after - before for before, after in itertools.pairwise(times)) <= 130
        assert len(json.loads(row.alarm_numbers)) == ALARM_NUMBERS_MAX
        assert (row.report_count, row.speed_max_kmh) == (reports, speed)


def test_the_state_of_a_hostile_stream_stays_small() -> None:
    """Starts that never end, numbers that never repeat and types without end do not pile up, and it is counted."""
    starts = [item(number / 10, "start", alarm_id=number + 1, alarm_number=f"{number:032x}00") for number in range(500)]
    state, rows = fold(ItemMachine(), starts)
    (current,) = state.current
    assert (len(current.starts), len(current.recent)) == (STARTS_MAX, RECENT_MAX)
    assert len(msgspec.msgpack.encode(state)) < 8000
    assert rows.limits == {"starts_max": 500 - STARTS_MAX}
    tyres = [item(number / 10, "start", 4 * number, source="jsatl12:0x66") for number in range(1, 500)]
    state, rows = fold(ItemMachine(), tyres)
    assert len(state.current) == CURRENT_MAX
    assert rows.limits == {"current_max": 499 - CURRENT_MAX}
    assert [row.ended_by for row in listed(rows)].count("silence") == 499 - CURRENT_MAX


items_of_a_day = st.lists(
    st.builds(
        item,
        st.integers(0, 3000),
        st.sampled_from(("start", "end", "instant")),
        st.sampled_from((FATIGUE, PHONE, 3, 0x11)),
        alarm_id=st.integers(0, 3),
        attachment_count=st.integers(0, 2),
        level=st.sampled_from((None, 0, 1, 2)),
        alarm_number=st.sampled_from(("", "aa" * 15 + "00", "aa" * 15 + "01", "bb" * 15 + "00", "cc" * 40)),
        fingerprint=st.integers(0, 1 << 40),
    ),
    max_size=40,
    unique_by=lambda one: (one.time_ms, one.fingerprint),
)


@given(items_of_a_day, st.lists(st.integers(0, 40), max_size=5), st.randoms(use_true_random=False))
def test_any_order_and_batching_gives_the_same(items: list[AlarmItem], cuts: list[int], shuffle: Any) -> None:
    """Stopping anywhere, going on from the stored state, and any order of arrival give the same rows."""
    expected = fold(ItemMachine(), items, until_s=9000)[1].tables
    shuffle.shuffle(items)
    assert fold(ItemMachine(), items, cuts=cuts, until_s=9000)[1].tables == expected


@given(items_of_a_day, st.sets(st.integers(0, 39), max_size=6), st.integers(0, 40))
def test_what_comes_late_gives_the_same(items: list[AlarmItem], late: set[int], kept: int) -> None:
    """Folding anew from a checkpoint leaves the same episodes as if everything had come in time."""
    expected = listed(fold(ItemMachine(), items, until_s=9000)[1])
    first = [one for number, one in enumerate(items) if number not in late]
    last = [one for number, one in enumerate(items) if number in late]
    assert listed(fold_late(ItemMachine(), first, last, kept, 9000)) == expected


@given(items_of_a_day)
def test_every_report_is_in_exactly_one_episode(items: list[AlarmItem]) -> None:
    """Reports and repeats of all episodes add up, and episodes of one type are apart from each other."""
    rows = episodes(items, 9000)
    found = tally([], items, rows)
    assert (found.missing, found.waiting, found.episodes) == (0, 0, len(rows))
    assert found.events == sum(one.alarm_type == 0x11 for one in items)
    assert all(row.state == "closed" and row.started_ms <= row.last_ms <= (row.ended_ms or 0) for row in rows)
    for kind in (FATIGUE, PHONE, 3):
        rule = merging.rule_of("jsatl12:0x65", kind)
        for before, after in itertools.pairwise(row for row in rows if row.alarm_type == kind):
            assert before.last_ms < after.started_ms
            is_near = after.started_ms - before.last_ms <= rule.gap_ms
            assert not is_near or after.started_ms - before.started_ms > rule.longest_ms


def test_the_tally_tells_what_is_missing() -> None:
    """A lost episode is seen, and so is one that counts twice."""
    items = [item(0), item(1), item(500), item(3, alarm_type=0x10)]
    rows = episodes(items)
    whole = tally([], items, rows)
    assert (whole.reports, whole.events, whole.episodes, whole.missing, whole.ratio) == (3, 1, 2, 0, 1.5)
    assert tally([], items, rows[1:]).missing == 2
    assert tally([], items, [*rows, rows[0]]).missing == -2
    assert whole.plus(whole).reports == 6
    assert tally([], [], []).ratio is None


def test_rows_of_what_may_go_on_are_brought_again() -> None:
    """Beginning at a checkpoint, a fold brings what was going on there, as it was."""
    state, rows = fold(ItemMachine(), [item(0), item(1, "start", FATIGUE)])
    held = Rows()
    ItemMachine().held(state, held, 1)
    assert held.tables == rows.tables
