"""Whole days of simulated trucks through pipeline and deriver, held against what was worked out by hand.

The expectations of the scripted day stand in its file, with the reasons (regulation §6); none is made by our code.
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from pipeline_line import Line

from jtgate.codecs.framing import Frame, FrameReader
from jtgate.codecs.timebase import now_ms, to_ms
from jtgate.pipeline.derive import reading
from jtgate.pipeline.derive.binding_rows import standing
from jtgate.pipeline.derive.binding_watch import BindingWatch, Limits
from jtgate.pipeline.derive.crew import Crews, Filler
from jtgate.pipeline.derive.enrich import Plates
from jtgate.pipeline.derive.facts import second_of
from jtgate.pipeline.derive.media import Media
from jtgate.pipeline.derive.states import Machines
from jtgate.pipeline.derive.tally import NOTHING, Tally, tally
from jtgate.pipeline.derive.timeline import Timeline, row_of
from jtgate.pipeline.derive.worker import Deriver
from jtgate.pipeline.derive.zones import ZoneMap
from jtgate.pipeline.following import Follower
from jtgate.simulators import scenario as scenarios
from jtgate.simulators.scenario_files import face_results, phone_fixes
from jtgate.simulators.scenario_model import Scenario
from jtgate.simulators.scenario_run import Arrival, arrivals, conditions
from jtgate.storage.folder import FolderFiles
from jtgate.storage.model import POSITION_COLUMNS, FaceEventRow, PhoneFixRow, StoreBatch
from jtgate.storage.registry import checked

DAY_MS = 86_400_000
LOCAL_MS = 8 * 3_600_000  # the days of terminals begin eight hours before those of UTC

_TIME = POSITION_COLUMNS.index("device_time_ms")


class Office:
    """Pipeline, deriver and the watch over bindings, on one store.

    Args:
        folder: for its data.
        scenario: whose registries it has.
    """

    def __init__(self, folder: Path, scenario: Scenario) -> None:
        self.scenario = scenario
        self.line = Line(folder)
        self.store = self.line.store
        for kind, rows in scenario.registry_rows().items():
            found = [checked(kind, row, now_ms=scenario.start_ms) for row in rows]
            assert not [one.faults for one in found if one.faults]
            self.store.registry_put(kind, [one.row for one in found if one.row is not None], scenario.start_ms)
        plates, crews = Plates(self.store), Crews(self.store)
        filler = Filler(self.store, crews, plates.name_of)
        limits = Limits(again_ms=0, slow_ms=0, waybills_ms=0, work_s=60.0)
        self.bindings = BindingWatch(self.store, plates, crews, filler, limits)
        self.deriver = Deriver(
            self.store,
            Follower(self.store, self.line.reader, parts_bytes_max=1 << 20),
            Timeline(self.store, Machines(ZoneMap([]))),
            makers=[Media(self.store, FolderFiles(folder / "files"))],
            fill=filler.fill,
            plates=plates,
            listeners=[self.bindings],
        )
        self.bindings.write = self.deriver.write

    def take(self, found: Sequence[Arrival]) -> None:
        """Frames as they come in; what they change is derived."""
        for one in found:
            (frame,) = FrameReader().feed(one.frame)
            assert isinstance(frame, Frame)
            self.line.append([frame.payload], at_us=one.received_us)
        self.line.run()
        self.derive()

    def derive(self) -> None:
        """Until nothing is left to do."""
        while self.deriver.step():
            pass
        for _ in range(3):
            self.bindings.step(now_ms())

    def hear_phones(self) -> None:
        """Where phones were, from outside."""
        rows = [
            PhoneFixRow(
                person=str(fix["person"]),
                fix_time_ms=millis(fix["time"]),
                fingerprint=number,
                received_ms=millis(fix["time"]),
                latitude=float(str(fix["latitude"])),
                longitude=float(str(fix["longitude"])),
                accuracy_m=float(str(fix["accuracy_m"])),
                speed_kmh=None,
                heading_deg=None,
                source="phones",
                updated_ms=now_ms(),
            )
            for number, fix in enumerate(phone_fixes(self.scenario))
        ]
        self.store.write(StoreBatch(phone_fixes=rows), consumer="phones", seq=0)
        self.derive()

    def hear_faces(self) -> None:
        """What an engine outside has found."""
        events = {row["event_time_ms"]: row for row in self.store.facts("face_events")}
        rows = []
        for one in face_results(self.scenario):
            event = events[millis(one["time"])]
            values: dict[str, Any] = {name: event[name] for name in FaceEventRow._fields}
            told = {name: one[name] for name in ("engine", "score", "threshold", "person")}
            rows.append(FaceEventRow(**values | told | {"result": "match", "updated_ms": now_ms()}))
        self.store.write(StoreBatch(face_events=rows), consumer="faces", seq=0)
        self.derive()

    def minutes(self, at_ms: Any) -> str | None:
        """A time as hh:mm of the scenario's day."""
        if at_ms is None:
            return None
        minutes = (at_ms - self.scenario.start_ms) // 60_000
        return f"{minutes // 60:02}:{minutes % 60:02}"

    def judged(self) -> dict[str, list[tuple[Any, ...]]]:
        """What can be compared with the expectations."""
        facts, at = self.store.facts, self.minutes
        spans = standing(facts("bindings", limit=10_000))
        stands: list[Any] = [row for row in facts("binding_conflicts") if row["state"] != "withdrawn"]
        episodes: list[Any] = [row for row in facts("episodes", limit=10_000) if row["state"] != "withdrawn"]
        trips: list[Any] = [row for row in facts("trips") if row["state"] != "withdrawn"]
        return {
            "binding": sorted(
                (
                    row["role"],
                    row["person"],
                    at(row["started_ms"]),
                    at(row["ended_ms"]),
                    round(float(str(row["confidence"])), 5),
                )
                for row in spans
            ),
            "conflict": sorted(
                (row["role"], row["kind"], row["person"], row["other"], at(row["started_ms"]), at(row["ended_ms"]))
                for row in stands
            ),
            "episode": sorted(
                (
                    row["source"],
                    row["alarm_type"],
                    at(row["started_ms"]),
                    at(row["ended_ms"]),
                    row["report_count"] + (row["repeat_count"] if row["source"] == "jt808:flag" else 0),
                    row["person"],
                )
                for row in episodes
            ),
            "trip": sorted((at(row["started_ms"]), at(row["ended_ms"])) for row in trips),
        }

    def close(self) -> None:
        """Give up all files."""
        self.line.close()


def batched(found: Iterable[Arrival], size: int) -> Iterator[list[Arrival]]:
    """In pieces of a size; Python 3.11 has no itertools.batched."""
    rest = iter(found)
    while part := list(islice(rest, size)):
        yield part


def millis(text: object) -> int:
    """A time of a side file."""
    return to_ms(datetime.fromisoformat(str(text)))


def expected(day: Scenario) -> dict[str, list[tuple[Any, ...]]]:
    """What the file of the day says must come of it."""
    expect = day.expect
    return {
        "binding": sorted(
            (one["role"], one["person"], one["from"], one.get("until"), one["confidence"]) for one in expect["binding"]
        ),
        "conflict": sorted(
            (one["role"], one["kind"], one["person"], one["other"], one["from"], one["until"])
            for one in expect["conflict"]
        ),
        "episode": sorted(
            (one["source"], one["type"], one["from"], one["until"], one["reports"], one["driver"])
            for one in expect["episode"]
        ),
        "trip": sorted((one["from"], one["until"]) for one in expect["trip"]),
    }


@pytest.fixture(scope="module")
def day() -> Scenario:
    """Two drivers, a lent card, a wrong waybill, a blind area, a phone left in the yard: the day before yesterday."""
    midnight_ms = (now_ms() + LOCAL_MS) // DAY_MS * DAY_MS - LOCAL_MS
    return replace(scenarios.load("scripted-day"), start_ms=midnight_ms - 2 * DAY_MS)


@pytest.fixture(scope="module")
def frames(day: Scenario) -> list[Arrival]:
    """Of the day, as they arrive."""
    return list(arrivals(day))


@pytest.fixture
def office(tmp_path: Path, day: Scenario) -> Iterator[Office]:
    """One that has heard of nothing."""
    with closing(Office(tmp_path, day)) as made:
        yield made


def test_the_day_as_it_arrives(office: Office, day: Scenario, frames: list[Arrival]) -> None:
    """In six pieces, the phone at the end, the face last of all: intervals, conflicts, alarms and trips by the book."""
    for part in batched(frames, len(frames) // 6 + 1):
        office.take(part)
    office.hear_phones()
    office.hear_faces()
    found, wanted = office.judged(), expected(day)
    for name, rows in wanted.items():
        assert found[name] == rows, name
    distances = sorted(
        float(str(row["distance_km"])) for row in office.store.facts("trips") if row["state"] == "closed"
    )
    assert distances == pytest.approx(sorted(one["distance_km"] for one in day.expect["trip"]), rel=0.015)
    revisions = [row["revision"] for row in office.store.facts("bindings", limit=10_000)]
    assert max(revisions) >= 1  # type: ignore[type-var]  # the face came late: a closed interval was corrected


@pytest.mark.parametrize("seed", [1, 2])
def test_the_day_in_any_order(office: Office, day: Scenario, frames: list[Arrival], seed: int) -> None:
    """Shuffled, a third of it twice, in pieces, phones and faces in the middle: the same judgement."""
    dice = random.Random(seed)
    mixed = [*frames, *dice.sample(frames, len(frames) // 3)]
    dice.shuffle(mixed)
    for number, part in enumerate(batched(mixed, len(mixed) // 4 + 1)):
        latest = max(one.received_us for one in frames)
        office.take([one._replace(received_us=latest + number) for one in part])
        if number == 1:
            office.hear_phones()
    office.hear_faces()
    found = office.judged()
    for name, rows in expected(day).items():
        assert found[name] == rows, name


def test_every_alarm_of_a_fleet_is_one_episode(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Fifty trucks, eight hours: what happened is what is found, no report is missing, and the ratio is printed."""
    fleet = scenarios.load("fleet-day")
    with closing(Office(tmp_path, fleet)) as office:
        for part in batched(arrivals(fleet), 20_000):
            office.line.append([payload_of(one) for one in part], at_us=part[-1].received_us)
        office.line.run()
        while office.deriver.step():
            pass
        found = sorted(
            (row["terminal"], row["source"], row["alarm_type"], row["started_ms"])
            for row in office.store.facts("episodes", limit=100_000)
            if row["state"] != "withdrawn"
        )
        wanted = sorted((one.terminal, one.source, one.alarm_type, one.started_ms) for one in conditions(fleet))
        total = tallied(office)
    with capsys.disabled():
        print(  # noqa: T201
            f"\n{total.reports} alarm reports in, {total.episodes} episodes out: {total.ratio:.1f} to 1, "
            f"{total.missing} missing; {len(wanted)} alarms happened"
        )
    assert found == wanted
    assert total.missing == 0
    assert (total.ratio or 0) > 2


def payload_of(one: Arrival) -> bytes:
    """Header and body of a frame."""
    (frame,) = FrameReader().feed(one.frame)
    assert isinstance(frame, Frame)
    return frame.payload


def tallied(office: Office) -> Tally:
    """Reports and episodes of all terminals."""
    total = NOTHING
    for row in office.store.terminals(limit=1000):
        terminal = str(row["terminal"])
        seconds: dict[Any, list[Any]] = {}
        for position in reading.positions_after(office.store, terminal, 0):
            seconds.setdefault(position[_TIME], []).append(position)
        items = reading.items_after(office.store, terminal, 0)
        episodes = [row_of("episodes", one) for one in reading.pages(office.store, "episodes", terminal, 0)]
        total = total.plus(tally(map(second_of, seconds.values()), items, episodes))
    return total
