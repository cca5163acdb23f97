"""Alarm events: edges of flag bits, alarm items, and that working through the same frames again adds none."""

import json
from typing import Any

import pytest
from pipeline_line import Line, location, payload, tlv

from jtgate.codecs import column_tables
from jtgate.codecs.timebase import encode_bcd_time, from_ms
from jtgate.pipeline import CONSUMER, alarms
from jtgate.pipeline.alarms import FlagEdges
from jtgate.storage.model import POSITION_COLUMNS, StoreBatch

T = ["251123201400", "251123201410", "251123201420", "251123201430"]


def edges(line: Line) -> list[tuple[str, int, str, int]]:
    """(source, bit, phase, second) of the flag events, oldest first."""
    rows = [row for row in line.rows("alarm_events") if ":0x" not in row["source"]]
    found = [(row["source"], row["alarm_type"], row["phase"], row["alarm_time_ms"] // 1000 % 100) for row in rows]
    return sorted(found, key=lambda edge: (edge[3], edge))


def report(time: str, alarm: int = 0, video: int | None = None) -> bytes:
    """A 0x0200 with alarm flags."""
    items = "" if video is None else tlv(0x14, video.to_bytes(4))
    return payload(0x0200, location(time, alarm=alarm, items=items))


def test_bits_that_rise_and_fall_are_starts_and_ends(line: Line) -> None:
    """0→1 is a start, 1→0 an end, with bit, position and speed of the report; a bit that stays is nothing."""
    line.append([report(T[0], 0b101), report(T[1], 0b101), report(T[2], 0b100, video=0b10), report(T[3], 0)])
    line.run()
    assert edges(line) == [
        ("jt808:flag", 0, "start", 40),
        ("jt808:flag", 2, "start", 40),
        ("jt1078:video", 1, "start", 60),
        ("jt808:flag", 0, "end", 60),
        ("jt1078:video", 1, "end", 70),
        ("jt808:flag", 2, "end", 70),
    ]
    row = line.rows("alarm_events")[0]
    assert (row["latitude"], row["longitude"], row["speed_kmh"], row["body"]) == (41.12, 122.07, 60.0, "{}")


def test_edges_are_the_same_in_one_batch_and_across_restarts(line: Line) -> None:
    """The state is rebuilt from the store: a new worker for every group finds the same edges."""
    flags = [0b1, 0b11, 0b10, 0b0]
    for time, alarm in zip(T, flags, strict=True):
        line.append([report(time, alarm)])
        line.run()
    assert edges(line) == [
        ("jt808:flag", 0, "start", 40),
        ("jt808:flag", 1, "start", 50),
        ("jt808:flag", 0, "end", 60),
        ("jt808:flag", 1, "end", 70),
    ]


def test_replay_of_the_spool_adds_no_edge(line: Line) -> None:
    """Resent reports, and the whole spool from its beginning, never look like a change."""
    for time, alarm in zip(T, [0b1, 0b0, 0b1, 0b0], strict=True):
        line.append([report(time, alarm)])
    line.run()
    before = line.rows("alarm_events")
    assert len(before) == 4
    line.append([report(time, alarm) for time, alarm in zip(T, [0b1, 0b0, 0b1, 0b0], strict=True)])
    line.run()
    line.store.write(StoreBatch(), consumer=CONSUMER, seq=0)
    line.run()
    assert line.rows("alarm_events") == before


def test_late_and_backfilled_reports_never_move_the_state(line: Line) -> None:
    """An older report and a back-filled newer one change nothing; the next live one is compared with the last."""
    line.append([report(T[1], 0b1)])
    line.append([report(T[0], 0b0)])
    back = location(T[2], alarm=0)
    line.append([payload(0x0704, b"\x00\x01\x01" + len(back).to_bytes(2) + back)])
    line.append([report(T[3], 0b1)])
    line.run()
    assert edges(line) == [("jt808:flag", 0, "start", 50)]


def test_reports_without_a_believable_time_never_move_the_state(line: Line) -> None:
    """No calendar time, or more than a day ahead: the position is stored, its flags are not judged."""
    ahead = encode_bcd_time(from_ms(line.now_us // 1000 + 3 * 86_400_000)).hex()
    line.append([report("000000000000", 0b1), report(ahead, 0b1), report(T[0], 0b10)])
    line.run()
    assert len(line.rows("positions")) == 3
    assert edges(line) == [("jt808:flag", 1, "start", 40)]


def test_second_report_in_one_second_may_raise_a_bit_but_clears_none(line: Line) -> None:
    """Device times are whole seconds: a bit cleared within one shows with the next second."""
    line.append([report(T[0], 0b01), report(T[0], 0b10), report(T[1], 0b10)])
    line.run()
    assert edges(line) == [
        ("jt808:flag", 0, "start", 40),
        ("jt808:flag", 1, "start", 40),
        ("jt808:flag", 0, "end", 50),
    ]


def test_flags_of_a_terminal_that_never_had_a_time_start_from_nothing() -> None:
    """What the store gives for time 0 is no state."""
    row = dict.fromkeys(POSITION_COLUMNS, 0) | {"terminal_id": 1, "device_time_ms": 5, "alarm_flags": 1}
    assert len(list(FlagEdges({1: (0, 1, 0)}).scan([tuple(row.values())]))) == 1


# -------------------------------------------------------------------------------- alarm items

TAIL = "3c0005" + (41_000_000).to_bytes(4).hex() + (122_000_000).to_bytes(4).hex() + "251123201355" + "0401"
NUMBER = "49443030303031" + "251123201355" + "01" + "02" + "00"
DSM = "00000007" + "01" + "02" + "02" + "00" + "00000000" + TAIL + NUMBER
BSD = "00000008" + "02" + "01" + TAIL + NUMBER
TPMS = "00000009" + "00" + TAIL + NUMBER + "02" + "00" + "0002" + "0320" + "0019" + "0050" + "01" + "0004" + "0320" * 3
HARSH = "0000000a" + "00" + "02" + "0001" + "001c" + "0000" + TAIL + NUMBER


def alarm_rows(line: Line, item_id: int, raw: str, **report_facts: Any) -> list[dict[str, Any]]:
    """Events of one report with one alarm item."""
    line.append([payload(0x0200, location(items=tlv(item_id, bytes.fromhex(raw)), **report_facts))])
    line.run()
    return line.rows("alarm_events")


@pytest.mark.parametrize(
    ("item_id", "raw", "alarm_type", "phase", "level"),
    [
        (0x64, DSM, 2, "start", 2),
        (0x65, DSM, 2, "start", 2),
        (0x66, TPMS, 0b110, "instant", None),
        (0x67, BSD, 1, "end", None),
        (0x70, HARSH, 2, "instant", None),
    ],
)
def test_alarm_items_are_events(
    line: Line, item_id: int, raw: str, alarm_type: int, phase: str, level: int | None
) -> None:
    """Each of the five items: source, type, phase, level, its own time and place, identification number."""
    (row,) = alarm_rows(line, item_id, raw)
    assert (row["source"], row["alarm_type"], row["phase"], row["level"]) == (
        f"jsatl12:0x{item_id:02x}",
        alarm_type,
        phase,
        level,
    )
    assert row["alarm_time_ms"] == 1_763_900_035_000
    assert (row["latitude"], row["longitude"], row["speed_kmh"]) == (41.0, 122.0, 60.0)
    assert (row["alarm_number"], row["attachment_count"]) == (NUMBER, 2)
    assert json.loads(row["body"])["latitude"] == 41.0


def test_hemisphere_and_missing_place_come_from_the_report_around(line: Line) -> None:
    """§1.1: the item has no hemisphere; with 0/0 the place of the report is taken."""
    (row,) = alarm_rows(line, 0x65, DSM, status=0b1111)
    assert (row["latitude"], row["longitude"]) == (-41.0, -122.0)
    nowhere = DSM.replace((41_000_000).to_bytes(4).hex() + (122_000_000).to_bytes(4).hex(), "00" * 8)
    rows = alarm_rows(line, 0x65, nowhere)
    assert (41.12, 122.07) in [(row["latitude"], row["longitude"]) for row in rows]


def test_alarm_item_without_a_time_takes_that_of_the_report(line: Line) -> None:
    """Six zero bytes are no time: the report around it has one."""
    (row,) = alarm_rows(line, 0x65, DSM.replace("251123201355", "000000000000", 1))
    assert row["alarm_time_ms"] == 1_763_900_040_000


def test_same_alarm_item_in_two_reports_is_one_event(line: Line) -> None:
    """A terminal repeats its alarm item in the next report and in a batch: one fact."""
    item = tlv(0x65, bytes.fromhex(DSM))
    later = location(T[1], items=item)
    line.append([payload(0x0200, location(T[0], items=item)), payload(0x0200, later)])
    line.append([payload(0x0704, b"\x00\x01\x01" + len(later).to_bytes(2) + later)])
    line.run()
    assert len(line.rows("alarm_events")) == 1


def test_alarm_item_of_no_known_form_stays_with_the_position(line: Line) -> None:
    """0x64 of 4 bytes (§4.6): no event, the bytes are kept."""
    assert alarm_rows(line, 0x64, "00000001") == []
    (row,) = line.rows("positions")
    assert json.loads(row["extra_items"]) == [{"id": "0x64", "raw": "00000001"}]


def test_a_bug_in_an_alarm_item_costs_that_event_only(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """The position is stored with the item's bytes; the pipeline goes on."""

    def broken(*arguments: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(alarms, "alarm_type_of", broken)
    assert alarm_rows(line, 0x65, DSM) == []
    assert len(line.rows("positions")) == 1


def test_every_alarm_item_is_looked_for() -> None:
    """Rows with these items are what the columns tell of."""
    assert tuple(alarms.ALARM_ITEMS.values()) == column_tables.ALARM_ITEMS


def test_an_alarm_that_announces_a_byte_too_many_is_an_event(line: Line) -> None:
    """active-safety §1.9: what follows it is read as well, and the alarm keeps its own bytes only."""
    number = b"ID00001" + bytes.fromhex("251123201400") + b"\x00\x03\x00"
    alarm = (
        bytes.fromhex("00000001" + "01" + "02" + "01" + "00" * 5 + "3c0005" + "00" * 8 + "2511232014000000") + number
    )
    items = "6430" + alarm.hex() + tlv(0x31, b"\x07")
    body = location(items=items)
    batch = b"\x00\x01\x00" + len(body).to_bytes(2) + body
    line.append([payload(0x0200, body), payload(0x0704, batch)])
    line.run()
    (row,) = line.rows("positions")
    assert (row["satellites"], json.loads(row["extra_items"])) == (7, [{"id": "0x64", "raw": alarm.hex()}])
    (event,) = line.rows("alarm_events")
    assert (event["alarm_type"], event["alarm_number"]) == (2, number.hex())
