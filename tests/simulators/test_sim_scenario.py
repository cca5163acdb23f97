"""Scenarios: read from files, motion with pencil and paper, what is sent and when, what is told on the side."""

import asyncio
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tiny_platform import TinyServer

from jtgate.codecs import registry, timebase
from jtgate.codecs.edition import Edition
from jtgate.codecs.framing import Frame, FrameReader
from jtgate.codecs.header import parse_header
from jtgate.codecs.parts import Complete, PartBuffer
from jtgate.simulators.phones import fixes
from jtgate.simulators.roads import Node, distance_m, shipped_graph
from jtgate.simulators.scenario import load, parse, shipped
from jtgate.simulators.scenario_files import face_results, phone_fixes, write_files
from jtgate.simulators.scenario_model import Scenario, ScenarioError, seconds_of
from jtgate.simulators.scenario_play import PlayError, PlayOptions, moved, play
from jtgate.simulators.scenario_run import Arrival, arrivals, conditions
from jtgate.simulators.scenario_track import Track
from jtgate.storage.registry import checked

#: Time of arrival, id and decoded body of each message.
Messages = list[tuple[int, int, Any]]

HEAD = """
start = 2026-05-11T00:00:00+08:00

[[person]]
key = "A"
name = "王建国"
certificate = "211100000000000A01"
id_number = "211103198001010018"
"""

TRUCK = """
[[terminal]]
phone = "13911110009"
plate = "辽L10009"
from = "06:00"
until = "07:00"
motion = [
    { at = "06:00", do = "stand", place = "yard" },
    { at = "06:10", do = "drive", kmh = 36, via = ["yard", "cust_5"] },
    { at = "06:40", do = "park" },
]
"""


def messages_of(found: list[Arrival], edition: Edition = Edition.V2013) -> Messages:
    """Time of arrival, id and decoded body of every message."""
    decoded, parts = [], PartBuffer(1 << 20)
    for one in found:
        (event,) = FrameReader().feed(one.frame)
        assert isinstance(event, Frame)
        header, body = parse_header(event.payload)
        assert header.phone.lstrip("0") == one.terminal
        if header.is_part:
            whole = parts.add(one.terminal, header, body, 0.0)
            if not isinstance(whole, Complete):
                continue
            body = whole.body
        decoded.append((one.received_us, header.msg_id, registry.decode_body(header.msg_id, body, edition, [])))
    return decoded


def second(scenario: Scenario, time: Any) -> int:
    """Seconds of the scenario of a device time."""
    return (timebase.to_ms(time) - scenario.start_ms) // 1000


@pytest.fixture(scope="module")
def day() -> Scenario:
    """The scripted day."""
    return load("scripted-day")


@pytest.fixture(scope="module")
def day_messages(day: Scenario) -> Messages:
    """What arrives on it."""
    return messages_of(list(arrivals(day)))


def test_what_is_shipped_can_be_read() -> None:
    """Every file that comes along is a scenario, and tells what it is about."""
    assert shipped() == ["fleet-day", "scripted-day"]
    for name in shipped():
        assert load(name).about


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "start is missing"),
        ("start = 2026-05-11T00:00:00", "no offset"),
        (HEAD, "no terminal"),
        (HEAD + TRUCK.replace('"stand"', '"fly"'), "do is park"),
        (HEAD + TRUCK.replace("kmh = 36, ", ""), "kmh"),
        (HEAD + TRUCK + 'colour = "red"', "nobody knows colour"),
        (HEAD + TRUCK.replace('"06:10"', '"6 h"'), "no time"),
        (HEAD + TRUCK.replace('"06:10"', '"05:10"'), "order"),
        (HEAD + TRUCK + 'card = [{ at = "06:05", person = "Z" }]', "nobody is called Z"),
        (HEAD + TRUCK + 'alarm = [{ kind = "meteor", at = "06:05" }]', "no alarm is called"),
        (HEAD + TRUCK + TRUCK, "one phone number"),
        (HEAD + TRUCK + 'blind = [{ from = "06:20", until = "06:10" }]', "blind area"),
        ("start = [", "scenario"),
        (HEAD + "[fleet]\ntrucks = 5000\nfrom = '06:00'\nuntil = '07:00'", "1 to 1000"),
    ],
)
def test_what_is_no_scenario_is_refused(text: str, why: str) -> None:
    """The message says where and what."""
    with pytest.raises(ScenarioError, match=why):
        parse(text, "scenario")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (('"yard", "cust_5"', '"cust_4", "cust_5"'), "begins where the vehicle is not"),
        (('"yard", "cust_5"', '"yard", "atlantis"'), "no place"),
        ((', via = ["yard", "cust_5"]', ""), "nobody knows where"),
    ],
)
def test_what_cannot_be_driven_is_refused(change: tuple[str, str], why: str) -> None:
    """A way that jumps or leads nowhere is no way."""
    scenario = parse(HEAD + TRUCK.replace(*change), "scenario")
    with pytest.raises(ScenarioError, match=why):
        list(arrivals(scenario))


def test_motion_is_as_told() -> None:
    """36 km/h for half an hour are 18 km, from the very second on and until the very second."""
    truck = parse(HEAD + TRUCK, "scenario").trucks[0]
    track = Track(truck, shipped_graph())
    begin, later, end = track.at(22_200), track.at(22_200 + 900), track.at(24_000)
    assert track.at(22_199).speed_kmh == 0
    assert begin.speed_kmh == pytest.approx(36)
    assert (later.mileage_m - begin.mileage_m, end.mileage_m - begin.mileage_m) == pytest.approx((9000, 18_000))
    assert end.speed_kmh == 0
    assert (begin.ignition, end.ignition) == (True, False)
    steps = [track.at(at_s) for at_s in range(22_200, 24_001, 10)]
    points = [Node("", each.latitude, each.longitude, 0, "", "") for each in steps]
    apart_m = [distance_m(one, other) for one, other in pairwise(points)]
    assert max(apart_m) == pytest.approx(100, abs=0.5)
    assert sum(apart_m) > 17_800  # straight over a bend is shorter


def test_a_way_is_driven_to_and_fro() -> None:
    """After its end the vehicle comes back on the same way, heading the other way."""
    text = TRUCK.replace('"yard", "cust_5"', "[41.0, 122.0], [41.01, 122.0]").replace(
        'place = "yard"', "place = [41.0, 122.0]"
    )
    track = Track(parse(HEAD + text, "scenario").trucks[0], shipped_graph())
    length_s = 0.01 * 111_195 / 10
    there, back = track.at(22_200 + 50), track.at(22_200 + 2 * length_s - 50)
    assert there.latitude == pytest.approx(back.latitude)
    assert (there.heading_deg, back.heading_deg) == (0, 180)
    assert track.at(22_200 + 2 * length_s).latitude == pytest.approx(41.0)


def test_reports_come_on_the_grid_and_at_once_with_alarms(day: Scenario, day_messages: Messages) -> None:
    """Every 10 s with ACC on, every minute parked; the points of what moves say so."""
    live = [second(day, body.time) for _, msg_id, body in day_messages if msg_id == 0x0200]
    assert live == sorted(live)
    assert [at for at in live if 25_200 <= at <= 25_260] == list(range(25_200, 25_261, 10))
    assert [at for at in live if 36_000 <= at <= 36_180] == [36_000, 36_060, 36_120, 36_180]


def test_the_blind_area_comes_late_and_whole(day: Scenario, day_messages: Messages) -> None:
    """25 minutes of positions arrive from 11:52 on as 0x0704 of type 1, after younger ones, and none is missing."""
    batches = [(at_us, body) for at_us, msg_id, body in day_messages if msg_id == 0x0704]
    assert {body.batch_type for _, body in batches} == {1}
    found = [second(day, item.time) for _, body in batches for item in body.items]
    assert found == list(range(40_800, 42_300, 10))
    first_us = min(at_us for at_us, _ in batches)
    assert first_us // 1_000_000 - day.start_ms // 1000 == 42_720
    live = [second(day, body.time) for _, msg_id, body in day_messages if msg_id == 0x0200]
    assert not [at for at in live if 40_800 <= at < 42_300]
    assert [msg_id for _, msg_id, _ in day_messages].count(0x0102) == 2


def test_an_alarm_ends_before_it_begins(day: Scenario, day_messages: Messages) -> None:
    """The fatigue alarm of 11:40 begins in the blind area: its end arrives first."""
    seen = []
    for at_us, msg_id, body in day_messages:
        reports = {0x0200: (body,), 0x0704: getattr(body, "items", ())}.get(msg_id, ())
        for report in reports:
            for item in report.items:
                value = getattr(item, "value", None)
                if getattr(value, "alarm_type", None) == 1 and getattr(item, "id", 0) == 0x65:
                    seen.append((at_us, second(day, value.time), value.flag))
    blind = [(at_s, flag) for _, at_s, flag in sorted(seen) if at_s >= 42_000]
    assert blind == [(42_600, 2), (42_000, 1)]


def test_conditions_are_those_expected_by_hand(day: Scenario) -> None:
    """What the runner says of alarms is what stands in the file, written down by hand."""
    told = [(one.source, one.alarm_type, one.started_ms, one.ended_ms, one.report_count) for one in conditions(day)]
    assert told == [
        (
            one["source"],
            one["type"],
            day.time_ms(seconds_of(one["from"])),
            day.time_ms(seconds_of(one["until"])),
            one["reports"],
        )
        for one in day.expect["episode"]
    ]


def test_cards_and_faces(day: Scenario, day_messages: Messages) -> None:
    """Cards go in and out as told; the engine's result names the picture of the driver-change event."""
    cards = [
        (second(day, body.time), body.status, body.certificate) for _, msg_id, body in day_messages if msg_id == 0x0702
    ]
    a, b = (day.persons[key].certificate for key in "AB")
    assert cards == [
        (21_120, 1, a),
        (36_120, 2, None),
        (37_500, 1, b),
        (46_920, 2, None),
        (49_500, 1, a),
        (59_520, 2, None),
    ]
    (found,) = face_results(day)
    assert (found["person"], found["time"], found["terminal"]) == ("B", "2026-05-11T14:05:00.000+08:00", "13911110001")
    assert len(str(found["fingerprint"])) == 16


def test_a_terminal_compares_faces_itself() -> None:
    """0x0E10 with its picture, in parts; a score below the threshold is a mismatch."""
    face = 'face = [{ at = "06:20", person = "A", score = 0.71, threshold = 0.8, by = "terminal" }]'
    scenario = parse(HEAD + TRUCK + face, "scenario")
    (body,) = [body for _, msg_id, body in messages_of(list(arrivals(scenario))) if msg_id == 0x0E10]
    assert (body.result, body.threshold_percent, body.similarity_percent, body.face_id) == (1, 80, 71.0, "A")
    assert second(scenario, body.location.time) == 22_800
    assert body.picture.startswith(b"\xff\xd8")
    assert not face_results(scenario)


def test_a_phone_left_behind_and_one_on_board(day: Scenario) -> None:
    """A's phone never moves; one on board is where the vehicle is, give or take its accuracy."""
    left = fixes(day)
    home = Node("", 41.0905, 122.1405, 0, "", "")
    assert len(left) == 690
    assert all(distance_m(home, Node("", fix.latitude, fix.longitude, 0, "", "")) < 31 for fix in left)
    phone = """
[[phone]]
person = "A"
every_s = 30
accuracy_m = 20
lost = 0.2
check_in = ["06:05:10"]
stay = [{ from = "06:00", until = "06:40", in = "13911110009" }]
"""
    scenario = parse(HEAD + TRUCK + phone, "scenario")
    track = Track(scenario.trucks[0], shipped_graph())
    found = fixes(scenario)
    assert 50 <= len(found) < 80
    for fix in found:
        moment = track.at(fix.at_s)
        apart_m = distance_m(
            Node("", fix.latitude, fix.longitude, 0, "", ""), Node("", moment.latitude, moment.longitude, 0, "", "")
        )
        assert apart_m < 41
    assert [fix.at_s for fix in found if fix.check_in] == [21_910]
    assert set(phone_fixes(scenario)[0]) == {
        "person",
        "time",
        "latitude",
        "longitude",
        "accuracy_m",
        "speed_kmh",
        "heading_deg",
        "check_in",
    }


def test_the_same_file_gives_the_same_frames(day: Scenario) -> None:
    """Nothing depends on the clock or on chance that is not of the seed."""
    assert list(arrivals(day)) == list(arrivals(load("scripted-day")))


def test_everything_is_written_to_files(day: Scenario, tmp_path: Path) -> None:
    """One file for each feed; times of registry rows are written out."""
    counts = write_files(day, tmp_path)
    assert counts["phones.jsonl"] == 690
    assert counts["frames.jsonl"] == len(list(arrivals(day)))
    rows = [json.loads(line) for line in (tmp_path / "waybills.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["depart"] for row in rows] == ["2026-05-11T06:00:00.000+08:00", "2026-05-11T10:30:00.000+08:00"]


def test_registry_rows_are_taken(day: Scenario) -> None:
    """The rows of the registries pass the checks of an import."""
    for kind, rows in day.registry_rows().items():
        for row in rows:
            assert checked(kind, row, now_ms=day.start_ms).faults == ()


def test_a_fleet_tells_far_more_than_happens() -> None:
    """Fifty trucks: conditions of a kind lie so far apart that no window joins them, and none is outside of a trip."""
    fleet = load("fleet-day")
    found = conditions(fleet)
    assert len(fleet.trucks) == 50
    assert len(found) > 1000
    assert sum(one.report_count for one in found) > 4 * len(found)
    last: dict[tuple[str, str, int], int] = {}
    for one in found:
        key = one.terminal, one.source, one.alarm_type
        assert one.started_ms - last.get(key, 0) > 1_800_000
        last[key] = one.ended_ms
    trucks = {truck.edition for truck in fleet.trucks}
    assert trucks == {Edition.V2013, Edition.V2019}


def test_repetitions_are_byte_for_byte() -> None:
    """Some frames come twice, the second time later."""
    scenario = parse("repeats = 0.2\n" + HEAD + TRUCK, "scenario")
    found = list(arrivals(scenario))
    assert found == sorted(found)
    twice = len(found) - len({one.frame for one in found})
    assert 10 < twice < len(found) // 2


def test_played_over_tcp() -> None:
    """The terminal logs in, reports, loses the network and comes back; every message is answered."""
    text = (
        TRUCK
        + """
blind = [{ from = "06:20", until = "06:30" }]
card = [{ at = "06:05", person = "A" }]
alarm = [{ kind = "dsm_phone", at = "06:15" }]
"""
    )
    scenario = moved(parse(HEAD + text, "scenario"), 3600.0)

    async def live() -> tuple[Any, TinyServer]:
        async with TinyServer() as server:
            return await play(scenario, PlayOptions(port=server.port, speed=3600.0, linger_s=0.0)), server

    played, server = asyncio.run(live())
    assert not played.failed
    counts = server.count()
    assert (counts[0x0100], counts[0x0102], counts[0x0702]) == (1, 2, 1)
    assert counts[0x0704] == 6
    assert played.sent == counts
    assert len(server.platforms) == 2
    last = max(
        second(scenario, registry.decode_body(0x0200, seen.body, Edition.V2013, []).time)
        for seen in server.seen
        if seen.header.msg_id == 0x0200
    )
    assert last == 25_200
    assert abs(scenario.time_ms(25_200) - timebase.now_ms()) < 5000


def test_a_platform_that_is_away_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody there: after some tries the play is over."""
    monkeypatch.setattr("jtgate.simulators.scenario_play.CONNECT_PAUSE_S", 0.01)
    scenario = parse(HEAD + TRUCK, "scenario")
    with pytest.raises(PlayError, match="nothing answers"):
        asyncio.run(play(scenario, PlayOptions(port=1, speed=3600.0)))
