"""The deriver on a real spool and store: any order, repetition, batching and restart gives the same rows."""

import random
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from pipeline_line import Line, payload, tlv

from jtgate.pipeline.derive import CONSUMER
from jtgate.pipeline.derive import timeline as timelines
from jtgate.pipeline.derive.states import Machines, unpack
from jtgate.pipeline.derive.timeline import ENDS, Timeline
from jtgate.pipeline.derive.worker import Deriver
from jtgate.pipeline.derive.zones import ZoneMap, map_of
from jtgate.pipeline.following import Follower
from jtgate.storage.model import StoreBatch
from jtgate.storage.registry import checked
from jtgate.storage.store import StoreUnavailable

#: Beginning of the morning, in the time of terminals.
BEGIN = datetime.fromisoformat("2025-11-23T08:00:00+08:00")
#: Reports are received some hours after they were made, all of them within a day.
RECEIVED_US = int(datetime.fromisoformat("2025-11-23T20:00:00+08:00").timestamp() * 1e6)
NORTH = 1_000_000 / 111_195.08  # of a metre, in millionths of a degree
#: Counted by arrival, or of the frame in which a report came first: may differ between two ways to the same rows.
OF_ARRIVAL = {"id", "updated_ms", "terminal", "terminal_id", "serial"}


class Report(NamedTuple):
    """A report to be sent."""

    at_s: int
    metres: float = 0.0  # north of the start
    speed_kmh: float = 0.0
    alarm: int = 0
    dsm: tuple[int, int] | None = None  # phase 0 1 2, type
    status: int = 3
    variant: int = 0  # tells two reports of one second apart


def bcd(at_s: int) -> bytes:
    """A time as the wire has it."""
    return bytes.fromhex((BEGIN + timedelta(seconds=at_s)).strftime("%y%m%d%H%M%S"))


def body(report: Report) -> bytes:
    """A location body."""
    place = round(41_000_000 + report.metres * NORTH).to_bytes(4) + (122_000_000).to_bytes(4)
    items = ""
    if report.dsm is not None:
        phase, kind = report.dsm
        number = b"ABCDEFG" + bcd(report.at_s) + bytes((report.variant, 1, 0))
        value = (0).to_bytes(4) + bytes((phase, kind, 1, 0, 0, 0, 0, 0)) + bytes((round(report.speed_kmh),))
        items = tlv(0x65, value + b"\0\5" + place + bcd(report.at_s) + b"\4\1" + number)
    return (
        report.alarm.to_bytes(4)
        + report.status.to_bytes(4)
        + place
        + (5 + report.variant).to_bytes(2)
        + round(report.speed_kmh * 10).to_bytes(2)
        + (0).to_bytes(2)
        + bcd(report.at_s)
        + bytes.fromhex(items)
    )


def batch_of(reports: Sequence[Report]) -> bytes:
    """A 0x0704 盲区补报 of reports."""
    parts = [body(report) for report in reports]
    data = b"".join(len(part).to_bytes(2) + part for part in parts)
    return payload(0x0704, len(parts).to_bytes(2) + b"\1" + data, serial=9)


def send(line: Line, reports: Sequence[Report], *, backfill: bool = False) -> None:
    """One group of the spool."""
    if backfill:
        frames = [batch_of(reports[at : at + 10]) for at in range(0, len(reports), 10)]
    else:
        frames = [payload(0x0200, body(one), serial=one.at_s % 65536) for one in reports]
    line.append(frames, at_us=line.now_us + 1_000_000)


PARK = {
    "zone": "Z1",
    "name": "园区",
    "zone_kind": "PARK",
    "geometry": {"type": "Point", "coordinates": [122.0, 41.0]},
    "radius_m": 800,
}


def zones_of(line: Line) -> ZoneMap:
    """A park around the start, read through the registry."""
    found = checked("zones", PARK, now_ms=1)
    assert found.row is not None, found.faults
    line.store.registry_put("zones", [found.row], 1)
    zones, bad = map_of(line.store.registry_rows("zones"))
    assert not bad
    return zones


class Office:
    """A line with a deriver that can be restarted.

    Args:
        folder: for its data; emptied first.
    """

    def __init__(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        self.line = Line(folder)
        self.line.now_us = RECEIVED_US
        self.zones = ZoneMap([])
        self.restart()

    def restart(self) -> None:
        """A new deriver that knows only what is stored."""
        follower = Follower(self.line.store, self.line.reader, parts_bytes_max=1 << 20)
        self.timeline = Timeline(self.line.store, Machines(self.zones))
        self.deriver = Deriver(self.line.store, follower, self.timeline)

    def derive(self) -> None:
        """Store what was sent and work through it."""
        self.line.run()
        while self.deriver.step():
            pass

    def rows(self) -> dict[str, list[tuple[tuple[str, Any], ...]]]:
        """Derived rows that stand."""
        return {
            table: sorted(
                tuple((name, value) for name, value in row.items() if name not in OF_ARRIVAL)
                for row in self.line.store.facts(table, limit=10_000)
                if row["state"] != "withdrawn"
            )
            for table in ENDS
        }

    def close(self) -> None:
        """Give up all files."""
        self.line.close()


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """An empty one."""
    with closing(Office(tmp_path / "data")) as made:
        yield made


def a_morning() -> list[Report]:
    """Standing in the park, a drive of 20 km with a phone alarm and speeding, a rest, and back."""
    stand = [Report(at) for at in range(0, 600, 60)]
    out = [Report(600 + n * 30, n * 500, 60.0) for n in range(40)]
    out[10] = out[10]._replace(dsm=(0, 2))
    out[12] = out[12]._replace(dsm=(0, 2))
    out[20] = out[20]._replace(alarm=2, speed_kmh=95.0)
    out[21] = out[21]._replace(alarm=2, speed_kmh=97.0)
    out[30] = out[30]._replace(dsm=(1, 1))
    out[34] = out[34]._replace(dsm=(2, 1))
    rest = [Report(1800 + n * 60, 20_000, status=2) for n in range(30)]
    back = [Report(3600 + n * 30, 20_000 - n * 500, 60.0) for n in range(41)]
    home = [Report(4860 + n * 60, 0.0) for n in range(25)]
    return [*stand, *out, *rest, *back, *home]


def tidy(office: Office) -> dict[str, Any]:
    """What a morning in good order gives."""
    send(office.line, a_morning())
    office.derive()
    return office.rows()


def test_a_tidy_morning(office: Office) -> None:
    """Two trips, stops, the park left and entered again, and three alarms, each once."""
    office.zones = zones_of(office.line)
    office.restart()
    rows = tidy(office)
    facts = {table: [dict(row) for row in found] for table, found in rows.items()}
    assert sorted((row["source"], row["alarm_type"], row["report_count"]) for row in facts["episodes"]) == [
        ("jsatl12:0x65", 1, 2),
        ("jsatl12:0x65", 2, 2),
        ("jt808:flag", 1, 2),
    ]
    assert sorted(row["distance_km"] for row in facts["trips"]) == pytest.approx([20.0, 20.5], abs=0.6)
    assert [row["is_rest"] for row in sorted(facts["stops"], key=lambda row: row["started_ms"])] == [0, 1, 1]
    assert [row["state"] for row in sorted(facts["zone_visits"], key=lambda row: row["entered_ms"])] == [
        "closed",
        "open",
    ]
    assert office.timeline.counts["anew"] == 0  # taken over into the metrics


@pytest.mark.parametrize("way", ["reversed", "shuffled", "one by one", "twice", "blind area", "restarted"])
def test_every_way_to_the_store_gives_the_same_rows(office: Office, tmp_path: Path, way: str) -> None:
    """Reports backwards, in disorder, one at a time, doubled, half of them late, with restarts between."""
    expected = tidy(office)
    reports = a_morning()
    with closing(Office(tmp_path / "other")) as other:
        line = other.line
        if way == "reversed":
            for one in reversed(reports[::4]):
                send(line, [one])
                other.derive()
            send(line, list(reversed(reports)))
        elif way == "shuffled":
            random.Random(4).shuffle(reports)
            for at in range(0, len(reports), 20):
                send(line, reports[at : at + 20])
                other.derive()
        elif way == "one by one":
            for one in reports:
                send(line, [one])
                other.derive()
        elif way == "twice":
            for at in range(0, len(reports), 10):
                send(line, reports[max(0, at - 10) : at + 10])
                other.derive()
        elif way == "blind area":
            send(line, reports[:25])
            other.derive()
            send(line, reports[65:])
            other.derive()
            send(line, reports[20:70], backfill=True)
        else:
            for at in range(0, len(reports), 15):
                send(line, reports[at : at + 15])
                other.derive()
                other.restart()
        other.derive()
        assert other.rows() == expected


def test_what_late_reports_show_to_be_wrong_is_withdrawn(office: Office) -> None:
    """Forty minutes without reports looked like a rest between two trips; those that come late make it one trip."""
    before = [Report(n * 30, n * 500, 60.0) for n in range(20)]
    turn = Report(600, 10_000, 0.0)
    after = [Report(3000 + n * 30, 10_000 + n * 500, 60.0) for n in range(20)]
    end = [Report(3600 + n * 60, 20_000) for n in range(25)]
    send(office.line, [*before, turn, *after, *end])
    office.derive()
    assert [len(office.rows()[table]) for table in ("trips", "stops")] == [2, 2]
    loop = [Report(630 + n * 30, 10_000 + 400 * min(n, 78 - n), 48.0) for n in range(79)]
    send(office.line, loop, backfill=True)
    office.derive()
    (trip,) = (dict(row) for row in office.rows()["trips"])
    assert trip["distance_km"] == pytest.approx(10 + 2 * 39 * 0.4 + 10, abs=0.5)
    assert (len(office.rows()["stops"]), trip["inferred_s"]) == (1, 0)
    gone = [row["started_ms"] for row in office.line.store.facts("trips") if row["state"] == "withdrawn"]
    assert len(gone) == 1
    assert len(office.line.store.view("trips")) == 1


def test_a_crash_between_reading_and_writing_loses_nothing(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that fails once: the step is made again from the same place, and nothing is there twice."""
    expected = tidy(office)
    with closing(Office(tmp_path / "other")) as other:
        reports = a_morning()
        write = other.line.store.write
        failures = iter([True, False] * 100)

        def fails(batch: StoreBatch, *, consumer: str, seq: int) -> Any:
            if consumer == CONSUMER and next(failures):
                raise StoreUnavailable("busy")
            return write(batch, consumer=consumer, seq=seq)

        monkeypatch.setattr(other.line.store, "write", fails)
        for at in range(0, len(reports), 30):
            send(other.line, reports[at : at + 30])
            other.line.run()
            with pytest.raises(StoreUnavailable):
                other.deriver.step()
            other.derive()
        assert other.rows() == expected


def test_checkpoints_are_few_and_can_be_read(office: Office) -> None:
    """One for each two hours in which the terminal was heard of; what another release wrote is not read."""
    send(office.line, [Report(n * 120, n * 100, 40.0) for n in range(360)])
    office.derive()
    kept = office.line.store.facts("checkpoints")
    assert len(kept) == 5  # 08:00 to 20:00: at 10, 12, 14, 16, 18
    assert all(unpack(row["state"]) is not None for row in kept)  # type: ignore[arg-type]
    assert unpack(b"\x91\x01") is None
    assert unpack(b"") is None


moves = st.lists(
    st.builds(
        Report,
        st.integers(0, 240).map(lambda at: at * 20),
        st.sampled_from((0.0, 700.0, 5000.0, 9000.0)),
        st.sampled_from((0.0, 60.0)),
        st.sampled_from((0, 0, 0, 1, 2)),
        st.sampled_from((None, None, (0, 2), (1, 1), (2, 1))),
        st.just(3),
        st.integers(0, 1),
    ),
    min_size=1,
    max_size=25,
    unique_by=lambda one: (one.at_s, one.variant),
)


# Every example makes two stores: to shrink one would take minutes.
@settings(
    max_examples=20,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@example(  # late facts of a terminal that is not in memory: its newest checkpoint knows too much
    reports=[Report(4400, 0.0, 60.0), Report(2340, dsm=(2, 1)), Report(2120, 5000.0, alarm=2, variant=1)],
    order=random.Random(1),
    cuts=6,
    restart=True,
)
@given(reports=moves, order=st.randoms(use_true_random=False), cuts=st.integers(1, 6), restart=st.booleans())
def test_any_permutation_repetition_and_batching(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    reports: list[Report],
    order: random.Random,
    cuts: int,
    restart: bool,
) -> None:
    """The set of reports decides, not how it came; checkpoints lie close, so that folds begin at many of them."""
    monkeypatch.setattr(timelines, "CHECKPOINT_MS", 600_000)
    closing_report = Report(86_000, 9000.0)  # what goes on is written in full when something follows
    with closing(Office(tmp_path / "one")) as one:
        send(one.line, [*sorted(reports, key=lambda report: (report.at_s, report.variant)), closing_report])
        one.derive()
        expected = one.rows()
    mixed = [*reports, *order.sample(reports, len(reports) // 2), closing_report]
    order.shuffle(mixed)
    with closing(Office(tmp_path / "two")) as two:
        size = max(1, len(mixed) // cuts)
        for at in range(0, len(mixed), size):
            send(two.line, mixed[at : at + size])
            two.derive()
            if restart:
                two.restart()
        assert two.rows() == expected
