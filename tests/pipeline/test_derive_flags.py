"""Alarm bits become episodes: held bits as runs, answered bits as instants, areas apart."""

import itertools
import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jtgate.pipeline.derive.facts import Rows, Second, second_of
from jtgate.pipeline.derive.flags import RUNS_MAX, FlagMachine, FlagsState
from jtgate.storage.contract.rows import position
from jtgate.storage.model import POSITION_COLUMNS, EpisodeRow

T0 = 1_790_000_000_000
SOS, SPEEDING, AREA = 1 << 0, 1 << 1, 1 << 20


def second(at_s: int, flags: int = 0, **values: Any) -> Second:
    """A second so many seconds after T0."""
    made = Second(
        time_ms=T0 + at_s * 1000,
        fingerprint=at_s,
        received_ms=T0 + at_s * 1000 + 300,
        backfill=0,
        alarm_flags=flags,
        video_alarm_flags=0,
        status=3,
        latitude=41.1,
        longitude=122.0,
        speed_kmh=60.0,
        recorder_speed_kmh=None,
        heading_deg=90,
        mileage_km=None,
        serial=at_s,
        alarm_event_id=None,
        extra_items=None,
        report_count=1,
    )
    return made._replace(**values)


def area(kind: int, number: int, direction: int) -> str:
    """Item 0x12 as a report has it."""
    raw = bytes([kind]) + number.to_bytes(4) + bytes([direction])
    return json.dumps([{"id": "0x12", "raw": raw.hex()}])


def fold(seconds: Sequence[Second], cut: int | None = None) -> list[EpisodeRow]:
    """Rows of a fold, oldest first."""
    machine, rows = FlagMachine(), Rows()
    state = machine.start()
    for number, one in enumerate(sorted(seconds, key=lambda each: each.time_ms)):
        if number == cut:
            state = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=FlagsState)
        state = machine.step(state, one, rows, 1)
    found = rows.tables.get("episodes", {}).values()
    return sorted(found, key=lambda row: (row.started_ms, row.source, row.alarm_type))


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


def test_a_held_bit_is_an_episode_until_it_is_clear() -> None:
    """From the first second with the bit to the first without it."""
    rows = fold([second(0), second(10, SPEEDING), second(20, SPEEDING, speed_kmh=91.5), second(30), second(40)])
    assert spans(rows) == [(10, 30, "cleared", 2)]
    assert (rows[0].speed_max_kmh, rows[0].serial, rows[0].risk_class) == (91.5, 10, "driving")


def test_a_bit_that_comes_back_within_the_gap_is_the_same_alarm() -> None:
    """60 s for speeding; after that it is another one."""
    flags = {0: SPEEDING, 10: 0, 60: SPEEDING, 70: 0, 140: SPEEDING, 150: 0}
    assert spans(fold([second(at, on) for at, on in flags.items()])) == [
        (0, 70, "cleared", 2),
        (140, 150, "cleared", 1),
    ]


def test_an_answered_bit_is_one_alarm_however_often_it_is_repeated() -> None:
    """紧急报警 is repeated until the terminal is answered; clearing it is no end of anything."""
    flags = {0: SOS, 5: SOS, 10: SOS, 15: 0, 200: SOS, 205: 0, 600: SOS, 605: 0}
    assert spans(fold([second(at, on) for at, on in flags.items()])) == [
        (0, 200, "instant", 4),
        (600, 600, "instant", 1),
    ]


def test_areas_have_episodes_of_their_own() -> None:
    """Entering area 17 and leaving area 18 in one stretch are two alarms; a bit without its item is the bit's."""
    rows = fold(
        [
            second(0, AREA, extra_items=area(3, 17, 0)),
            second(5, AREA, extra_items=area(1, 18, 1)),
            second(10, AREA),
            second(15),
        ]
    )
    assert [row.source for row in rows] == ["jt808:area:3:17:0", "jt808:area:1:18:1", "jt808:flag"]
    assert spans(rows) == [(0, 0, "instant", 1), (5, 5, "instant", 1), (10, 10, "instant", 1)]
    (route,) = fold([second(0, 1 << 21, extra_items=area(4, 9, 0)), second(5)])
    assert (route.source, route.alarm_type) == ("jt808:area:4:9:0", 21)


@pytest.mark.parametrize("raw", ["", "01", "zz", "0300000011000000"])
def test_an_area_item_of_odd_length_is_left_to_the_bit(raw: str) -> None:
    """A length that is not the item's tells no area."""
    if raw == "zz":
        raw = "ff" * 40
    (row,) = fold([second(0, AREA, extra_items=json.dumps([{"id": "0x12", "raw": raw}]))])
    assert row.source == "jt808:flag"


def test_video_bits_are_of_their_own_source() -> None:
    """视频相关报警 of item 0x14."""
    rows = fold([second(0, video_alarm_flags=1 << 5), second(30)])
    assert [(row.source, row.alarm_type, row.risk_class) for row in rows] == [("jt1078:video", 5, "distraction")]


def test_a_long_alarm_is_written_once_a_minute() -> None:
    """An hour of reports with a fault bit is some sixty writes, and the end is exact."""
    machine, state, writes = FlagMachine(), FlagMachine().start(), 0
    for at in range(0, 3600, 5):
        rows = Rows()
        state = machine.step(state, second(at, 1 << 4), rows, 1)
        writes += len(rows.tables)
    rows = Rows()
    machine.step(state, second(3600), rows, 1)
    (row,) = rows.tables["episodes"].values()
    assert writes <= 61
    assert spans([row]) == [(0, 3600, "cleared", 720)]


def test_hostile_areas_do_not_pile_up() -> None:
    """A terminal that enters another area every second keeps a bounded state, and every episode has ended."""
    machine, state, rows = FlagMachine(), FlagMachine().start(), Rows()
    for at in range(400):
        state = machine.step(state, second(at, AREA, extra_items=area(1, at, 0)), rows, 1)
    assert len(state.runs) == RUNS_MAX
    ended = [row.state for row in rows.tables["episodes"].values()]
    assert (len(ended), ended.count("open")) == (400, 1)


def test_reports_of_one_second_are_one_fact_in_any_order() -> None:
    """Flags of both, the place of the one with the lower fingerprint, items of both."""
    columns = {name: number for number, name in enumerate(POSITION_COLUMNS)}

    def row(number: int, **values: Any) -> Any:
        made = list(position(1, T0, number))
        for name, value in values.items():
            made[columns[name]] = value
        return tuple(made)

    first = row(1, alarm_flags=SPEEDING, latitude=41.5, extra_items='[{"id":"0x12","raw":"01"}]', received_ms=T0 + 9)
    other = row(2, alarm_flags=SOS, latitude=42.5, extra_items='[{"id":"0x13","raw":"02"}]', received_ms=T0 + 5)
    one = second_of([first, other])
    assert one == second_of([other, first])
    assert (one.alarm_flags, one.latitude, one.received_ms, one.report_count) == (SOS | SPEEDING, 41.5, T0 + 5, 2)
    assert [item["id"] for item in json.loads(one.extra_items or "")] == ["0x12", "0x13"]


seconds_of_a_day = st.lists(
    st.builds(second, st.integers(0, 2000), st.sampled_from((0, 0, SOS, SPEEDING, SOS | SPEEDING, 1 << 4, AREA))),
    max_size=40,
    unique_by=lambda one: one.time_ms,
)


@given(seconds_of_a_day, st.integers(0, 40))
def test_a_state_that_was_stored_goes_on_the_same(seconds: list[Second], cut: int) -> None:
    """Stopping anywhere and going on from the stored state gives the same rows."""
    assert fold(seconds, cut) == fold(seconds)


@given(seconds_of_a_day)
def test_every_second_with_a_bit_is_counted_once(seconds: list[Second]) -> None:
    """What closed episodes count is what came; episodes of a bit do not overlap."""
    last = max((one.time_ms for one in seconds), default=T0)
    rows = fold([*seconds, second((last - T0) // 1000 + 10)])
    for bit in (0, 1, 4, 20):
        mine = [row for row in rows if row.alarm_type == bit]
        assert sum(row.report_count for row in mine) == sum(one.alarm_flags >> bit & 1 for one in seconds)
        for before, after in itertools.pairwise(mine):
            assert (before.ended_ms or 0) <= after.started_ms
