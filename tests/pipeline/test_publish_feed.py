"""The feed: every stored position and alarm event in the order of arrival, from any place on."""

import json
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from pipeline_line import PHONE, Line, location, payload, tlv

from jtgate.codecs.edition import Edition
from jtgate.codecs.framing import Frame, FrameReader
from jtgate.codecs.header import encode_frames
from jtgate.codecs.timebase import now_us
from jtgate.pipeline.publish import feed as feeds
from jtgate.pipeline.publish.feed import Cursor, Feed, Page
from jtgate.pipeline.publish.topics import FORMATS, Topics
from jtgate.storage import open_spool_reader, open_spool_writer

START = Cursor(0, 0)


@pytest.fixture
def line(tmp_path: Any) -> Iterator[Line]:
    """An empty line whose frames arrive now."""
    with closing(Line(tmp_path)) as made:
        made.now_us = now_us() - 60_000_000
        yield made


def feed_of(line: Line) -> Feed:
    """A listener of its own."""
    return Feed(line.store, line.reader, parts_bytes_max=1 << 20)


def read_all(feed: Feed, after: Cursor = START) -> tuple[list[dict[str, Any]], Page]:
    """Everything from a cursor on, page by page, and the last page."""
    shapes: list[dict[str, Any]] = []
    while True:
        page = feed.read(after)
        shapes += [told.shape | {"kind": told.kind} for told in page.told]
        if page.cursor == after:
            return shapes, page
        after = page.cursor


def reports(count: int, first: int = 0) -> list[bytes]:
    """So many reports, a second apart."""
    return [
        payload(0x0200, location(f"2511232014{number % 60:02d}", status=3 + (number << 8)), serial=number)
        for number in range(first, first + count)
    ]


def test_positions_are_told_in_the_order_of_arrival_and_only_when_stored(line: Line) -> None:
    """A late report comes last, though its own time is earlier; what is not stored yet is not told."""
    line.append([payload(0x0200, location("251123201405"), serial=1)])
    line.append([payload(0x0200, location("251123201401"), serial=2)])
    feed = feed_of(line)
    assert feed.read(START).told == []

    line.run()
    shapes, _ = read_all(feed)

    assert [shape["time"] for shape in shapes] == ["2025-11-23T20:14:05+08:00", "2025-11-23T20:14:01+08:00"]
    assert [shape["terminal"] for shape in shapes] == [PHONE.lstrip("0")] * 2


def test_a_position_has_what_the_store_has(line: Line) -> None:
    """Key, units, items; nothing for what is not known."""
    line.append([payload(0x0200, location(items=tlv(0x01, (66051).to_bytes(4)) + tlv(0xE9, b"\x01\x02")), serial=7)])
    line.run()
    ((shape,), _) = read_all(feed_of(line))
    (row,) = line.rows("positions")

    assert int(shape["fingerprint"], 16) == row["fingerprint"] & 0xFFFF_FFFF_FFFF_FFFF
    assert (shape["latitude"], shape["longitude"], shape["speed_kmh"]) == (41.12, 122.07, 60.0)
    assert (shape["altitude_m"], shape["heading_deg"], shape["mileage_km"]) == (5, 90, 6605.1)
    assert (shape["message"], shape["serial"], shape["backfill"]) == ("0x0200", 7, False)
    assert shape["extra_items"] == [{"id": "0xe9", "raw": "0102"}]
    assert "fuel_l" not in shape
    assert "time_state" not in shape
    assert json.loads(FORMATS["json"](shape)) == shape


def test_a_report_without_a_time_says_so(line: Line) -> None:
    """Its time is null and its state is named."""
    line.append([payload(0x0200, location("000000000000"), serial=7)])
    line.run()
    ((shape,), _) = read_all(feed_of(line))
    assert (shape["time"], shape["time_state"]) == (None, "not_a_date")


def test_alarm_events_are_told_once_each(line: Line) -> None:
    """Flag edges and active-safety items, by the id of their arrival."""
    line.append([payload(0x0200, location("251123201401", alarm=1), serial=1)])
    line.append([payload(0x0200, location("251123201402"), serial=2)])
    line.run()
    feed = feed_of(line)
    shapes, page = read_all(feed)
    alarms = [shape for shape in shapes if shape["kind"] == "alarm"]

    assert [(alarm["alarm_type"], alarm["phase"]) for alarm in alarms] == [(0, "start"), (0, "end")]
    assert len(alarms) == len(line.rows("alarm_events"))
    assert feed.read(page.cursor).told == []


def parts_of_a_batch(count: int) -> list[bytes]:
    """Sub-packages of a 0x0704 with so many reports."""
    bodies = [location(f"2511232014{number:02d}", status=3 + (number << 8)) for number in range(count)]
    batch = count.to_bytes(2) + b"\x01" + b"".join(len(body).to_bytes(2) + body for body in bodies)
    wire = b"".join(encode_frames(0x0704, batch, phone=PHONE, serial=5, edition=Edition.V2013, part_bytes=400))
    return [frame.payload for frame in FrameReader().feed(wire) if isinstance(frame, Frame)]


@pytest.mark.parametrize("page_groups", [1, 3, 256])
def test_pages_join_without_a_seam(line: Line, monkeypatch: pytest.MonkeyPatch, page_groups: int) -> None:
    """However long pages are, and whoever reads on, nothing is left out and nothing is told twice."""
    monkeypatch.setattr(feeds, "PAGE_GROUPS", page_groups)
    for number in range(10):
        line.append(reports(7, 7 * number))
    line.run()

    shapes, _ = read_all(feed_of(line))
    first = feed_of(line).read(START)
    rest, _ = read_all(feed_of(line), first.cursor)

    assert [shape["serial"] for shape in shapes] == list(range(70))
    assert [told.shape["serial"] for told in first.told] + [shape["serial"] for shape in rest] == list(range(70))


def test_a_batch_in_parts_is_not_lost_when_another_reader_goes_on(line: Line) -> None:
    """`resume` lies before the first part of a message that is not whole: who begins there misses nothing."""
    parts = parts_of_a_batch(30)
    line.append(reports(1))
    line.append(parts[:1])
    line.append(reports(1, 1))
    line.run()
    before, page = read_all(feed_of(line))
    line.append(parts[1:])
    line.run()

    after, end = read_all(feed_of(line), page.resume)
    missed, _ = read_all(feed_of(line), page.cursor)

    assert len(before) == 2
    assert len([shape for shape in after if shape["backfill"]]) == 30
    assert not [shape for shape in missed if shape["backfill"]], "that is what resume is for"
    assert end.resume.spool_seq == end.cursor.spool_seq


def test_who_begins_at_the_present_gets_a_message_whose_first_part_came_before(line: Line) -> None:
    """The parts that the store holds are known to a new listener; of before it hears nothing."""
    first, *others = parts_of_a_batch(20)
    line.append([*reports(3), first])
    line.run()
    feed = feed_of(line)
    present = feed.present()
    line.append(others)
    line.run()
    shapes, _ = read_all(feed, present)

    assert present.spool_seq == 1
    assert [shape["backfill"] for shape in shapes] == [True] * 20
    assert {shape["terminal"] for shape in shapes} == {PHONE.lstrip("0")}


def test_how_far_one_is_behind(line: Line) -> None:
    """In groups that are stored, and the age of the first of them."""
    feed = feed_of(line)
    for number in range(3):
        line.append(reports(1, number))
    assert feed.lag(START) == (0, 0.0)
    line.run()
    groups, seconds = feed.lag(Cursor(1, 0))
    assert groups == 2
    assert 50 < seconds < 120, "the second group came a minute ago"
    assert feed.lag(Cursor(3, 0)) == (0, 0.0)


def test_what_retention_has_deleted_is_told_as_a_gap(line: Line) -> None:
    """The spool is not held back by who listens."""
    line.append(reports(3))
    line.run()
    page = feed_of(line).read(START)
    assert page.missed == 0
    line.append(reports(3, 3))
    line.run()
    line.writer.close()
    line.writer = open_spool_writer(line.data, bytes_max=1 << 30, keep_us=1)
    line.append(reports(3, 6), at_us=now_us() + 10**12)
    line.run()
    deadline = time.monotonic() + 10
    while open_spool_reader(line.data).read(0, groups_max=1)[0].seq <= page.cursor.spool_seq + 1:
        line.writer.retain(line.reader.last_seq(), now_us() + 2 * 10**12)
        assert time.monotonic() < deadline
        line.append(reports(1, 9), at_us=now_us() + 2 * 10**12)
        line.run()

    with closing(open_spool_reader(line.data)) as reader:
        page = Feed(line.store, reader, parts_bytes_max=1 << 20).read(page.cursor)
        first = reader.read(0, groups_max=1)[0].seq

    assert page.missed == first - 2
    assert page.told


def test_the_newest_position_is_retained(line: Line) -> None:
    """An older one that comes late, and one of a batch sent afterwards, are published without being kept."""
    for serial, at in enumerate(("05", "01", "06")):
        line.append([payload(0x0200, location(f"2511232014{at}"), serial=serial)])
    body = location("251123201407")
    line.append([payload(0x0704, b"\x00\x01\x01" + len(body).to_bytes(2) + body, serial=9)])
    line.run()
    topics = Topics("city", "json")
    page = feed_of(line).read(START)
    messages = [topics.message(told) for told in page.told if told.kind == "position"]

    assert [message.retain for message in messages] == [True, False, True, False]
    assert {message.topic for message in messages} == {"city/v1/position/" + PHONE.lstrip("0")}
