"""Alarm items become episodes: repeats, pairs of start and end, gaps, silence; any order of arrival is the same."""

import itertools
import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jtgate.pipeline.derive.episode import Episode, Report, begin
from jtgate.pipeline.derive.episodes import RECENT_MAX, STARTS_MAX, ItemMachine, ItemsState
from jtgate.pipeline.derive.facts import AlarmItem, Rows
from jtgate.storage.model import ALARM_NUMBERS_MAX, PLACES_MAX, EpisodeRow

T0 = 1_790_000_000_000
PHONE, FATIGUE = 2, 1


def item(at_s: float, phase: str = "instant", alarm_type: int = PHONE, **values: Any) -> AlarmItem:
    """A DSM item so many seconds after T0; its identification number has its own time, as terminals do it."""
    time_ms = T0 + round(at_s * 1000)
    made = AlarmItem(
        time_ms=time_ms,
        fingerprint=values.pop("fingerprint", hash((at_s, phase, alarm_type)) & 0xFFFF),
        source="jsatl12:0x65",
        alarm_type=alarm_type,
        phase=phase,
        level=1,
        latitude=41.1,
        longitude=122.0,
        speed_kmh=60.0,
        alarm_number=f"{round(at_s):030x}00",
        attachment_count=0,
        serial=7,
        alarm_id=0,
    )
    return made._replace(**values)


def fold(items: Sequence[AlarmItem], *, until_s: float | None = None, cut: int | None = None) -> list[EpisodeRow]:
    """Rows of a fold, oldest first; with a cut the state goes through its stored form there."""
    machine, rows = ItemMachine(), Rows()
    state = machine.start()
    for number, one in enumerate(sorted(items, key=lambda each: (each.time_ms, each.fingerprint))):
        if number == cut:
            state = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=ItemsState)
        state = machine.step(state, one, rows, 1)
    if until_s is not None:
        machine.settle(state, T0 + round(until_s * 1000), rows, 1)
    return sorted(rows.tables.get("episodes", {}).values(), key=lambda row: (row.started_ms, row.alarm_type))


def spans(rows: Sequence[EpisodeRow]) -> list[tuple[float, float | None, str | None, int]]:
    """Beginning, end, why it ended, and reports of episodes."""
    return [
        (
            (row.started_ms - T0) / 1000,
            None if row.ended_ms is None else (row.ended_ms - T0) / 1000,
            row.ended_by,
            row.report_count,
        )
        for row in rows
    ]


def test_instant_reports_within_the_gap_are_one_alarm() -> None:
    """Phone calls no more than 120 s apart are one; the next after that is another."""
    assert spans(fold([item(0), item(120), item(240), item(361)])) == [(0, 240, "instant", 3), (361, 361, "instant", 1)]


def test_a_chain_of_reports_does_not_go_on_for_ever() -> None:
    """After the longest time of its type an alarm of separate reports ends, and the next one begins."""
    rows = fold([item(number * 100) for number in range(9)])
    assert spans(rows) == [(0, 600, "instant", 7), (700, 800, "instant", 2)]


def test_start_and_end_are_one_episode() -> None:
    """From start to end, with the gravest level and the fastest place."""
    (row,) = fold([item(0, "start", alarm_id=7), item(40, "end", alarm_id=7, level=2, speed_kmh=71.0)])
    assert spans([row]) == [(0, 40, "end", 2)]
    assert (row.state, row.level, row.speed_max_kmh, row.peak_ms) == ("closed", 2, 71.0, T0 + 40_000)


def test_an_open_start_stays_open() -> None:
    """Without an end the episode is open until the silence of its type, and has then ended with its last report."""
    items = [item(0, "start"), item(30)]
    assert [row.state for row in fold(items)] == ["open"]
    assert spans(fold(items, until_s=629)) == [(0, None, None, 2)]
    assert spans(fold(items, until_s=631)) == [(0, 30, "silence", 2)]


@pytest.mark.parametrize(
    ("first", "second", "end", "left"),
    [
        ({"alarm_id": 7}, {"alarm_id": 8}, {"alarm_id": 7}, 8),
        ({"alarm_number": "aa"}, {"alarm_number": "bb"}, {"alarm_number": "aa"}, 0),
        ({}, {"alarm_id": 8}, {"alarm_id": 9}, 0),
    ],
    ids=["equal alarm id", "equal identification number", "newest start"],
)
def test_an_end_finds_its_start(first: dict[str, Any], second: dict[str, Any], end: dict[str, Any], left: int) -> None:
    """By alarm id, by identification number, by time: the other start is what stays open."""
    machine, rows = ItemMachine(), Rows()
    state = machine.start()
    for one in (item(0, "start", **first), item(5, "start", **second), item(9, "end", **end)):
        state = machine.step(state, one, rows, 1)
    (current,) = state.current
    (start,) = current.starts
    assert start.alarm_id == left
    assert start.time_ms == (T0 if not first else T0 + 5000)


def test_an_end_without_a_start_is_an_instant() -> None:
    """There is nothing it could end: an alarm of its own."""
    assert spans(fold([item(0, "end", alarm_id=7)])) == [(0, 0, "instant", 1)]
    assert spans(fold([item(0, "start"), item(601, "end", alarm_number="ff")])) == [
        (0, 0, "silence", 1),
        (601, 601, "instant", 1),
    ]


def test_exact_repeats_are_counted_and_change_nothing() -> None:
    """The same identification number but for its reserved byte, in the same phase: said twice."""
    first = item(0, alarm_number="ab" * 15 + "00")
    again = first._replace(alarm_number="ab" * 15 + "07", fingerprint=first.fingerprint + 1)
    (row,) = fold([first, again])
    assert (row.report_count, row.repeat_count) == (1, 1)


def test_types_do_not_mix_and_events_are_no_alarms() -> None:
    """Each type has its episodes; captures and driver changes have none, nor have periodic tyre reports."""
    rows = fold([item(0), item(1, alarm_type=FATIGUE), item(2, alarm_type=0x10), item(3, alarm_type=0x11)])
    assert [(row.alarm_type, row.report_count, row.risk_class) for row in rows] == [
        (PHONE, 1, "distraction"),
        (FATIGUE, 1, "fatigue"),
    ]
    assert fold([item(0, source="jsatl12:0x66", alarm_type=1)]) == []
    assert len(fold([item(0, source="jsatl12:0x66", alarm_type=5)])) == 1


def test_evidence_numbers_of_all_reports() -> None:
    """Numbers of reports that announced files, and of no others; the first of them stands by itself."""
    rows = fold([item(0), item(1, attachment_count=2), item(2, attachment_count=1)])
    numbers = [f"{at:030x}00" for at in (1, 2)]
    assert [(row.alarm_number, json.loads(row.alarm_numbers), row.evidence_state) for row in rows] == [
        (numbers[0], numbers, "asked")
    ]
    assert [row.evidence_state for row in fold([item(0)])] == ["none"]


def test_places_are_few_and_hold_first_peak_and_last() -> None:
    """Of a thousand reports some twenty places are kept, spread over the whole."""
    episode: Episode | None = None
    for number in range(1000):
        report = Report(T0 + number * 1000, 41.0, 122.0, 90.0 if number == 333 else 50.0, alarm_number=f"{number:x}")
        episode = begin("jsatl12:0x65", PHONE, "distraction", report) if episode is None else episode.add(report)
    assert episode is not None
    row = episode.row(1)
    times = [(place[0] - T0) // 1000 for place in json.loads(row.places)]
    assert len(times) <= PLACES_MAX
    assert {0, 333, 999} <= set(times)
    assert max(after - before for before, after in itertools.pairwise(times)) <= 130
    assert len(json.loads(row.alarm_numbers)) == ALARM_NUMBERS_MAX
    assert (row.report_count, row.speed_max_kmh) == (1000, 90.0)


def test_the_state_of_a_hostile_stream_stays_small() -> None:
    """Starts that never end and numbers that never repeat do not pile up."""
    machine, rows = ItemMachine(), Rows()
    state = machine.start()
    for number in range(500):
        state = machine.step(state, item(number, "start", alarm_id=number + 1), rows, 1)
    (current,) = state.current
    assert (len(current.starts), len(current.recent)) == (STARTS_MAX, RECENT_MAX)
    assert len(msgspec.msgpack.encode(state)) < 8000


items_of_a_day = st.lists(
    st.builds(
        item,
        st.integers(0, 3000),
        st.sampled_from(("start", "end", "instant")),
        st.sampled_from((FATIGUE, PHONE, 4, 0x11)),
        alarm_id=st.integers(0, 3),
        attachment_count=st.integers(0, 2),
        fingerprint=st.integers(0, 1 << 40),
    ),
    max_size=40,
    unique_by=lambda one: (one.time_ms, one.fingerprint),
)


@given(items_of_a_day, st.integers(0, 40))
def test_a_state_that_was_stored_goes_on_the_same(items: list[AlarmItem], cut: int) -> None:
    """Stopping anywhere and going on from the stored state gives the same rows."""
    assert fold(items, cut=cut, until_s=4000) == fold(items, until_s=4000)


@given(items_of_a_day)
def test_every_report_is_in_exactly_one_episode(items: list[AlarmItem]) -> None:
    """Reports and repeats of all episodes add up to the reports that came; none is missing, none counted twice."""
    rows = fold(items, until_s=4000)
    alarms = [one for one in items if one.alarm_type != 0x11]
    assert sum(row.report_count + row.repeat_count for row in rows) == len(alarms)
    for row in rows:
        assert row.started_ms <= row.last_ms
        assert row.ended_ms is None or row.ended_ms >= row.last_ms
        assert (row.state == "open") == (row.ended_ms is None)
