"""Profiles in the pipeline: who is read how, what that does to rows, and that a changed profile doubles no row."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pipeline_line import PHONE, START_US, Line, location, payload, tlv

from jtgate.codecs import deviations as dev
from jtgate.codecs.edition import Edition
from jtgate.codecs.errors import BodyError
from jtgate.codecs.header import parse_header
from jtgate.codecs.jt808 import LocationReport
from jtgate.codecs.profile import AUTO
from jtgate.codecs.twins import load as load_twin
from jtgate.pipeline.arrived import Arrived, Origin
from jtgate.pipeline.positions import row_of
from jtgate.pipeline.replay import replay_quarantine
from jtgate.pipeline.steps import Decoder
from jtgate.profiles import Assignments, load
from jtgate.storage.model import POSITION_COLUMNS, StoreBatch
from jtgate.storage.records import Transport

TERMINAL = PHONE.lstrip("0")
OTHER = "013900139000"
NOON_MS = 1_763_900_040_000  # 251123201400 in GMT+8
ZONE_MS = 60_000


@pytest.fixture
def assign(tmp_path: Path) -> Any:
    """Assignments from the text of a file; NAME alone gives that profile to PHONE."""

    def made(text: str) -> Assignments:
        if "\n" not in text:
            text = f'[[assign]]\nprofile = "{text}"\nterminal = "{PHONE}"\n'
        file = tmp_path / "profiles.toml"
        file.write_text(text, encoding="utf-8")
        return load([file]).assignments

    return made


def rows(line: Line, phone: str = PHONE) -> list[dict[str, Any]]:
    """Positions of one terminal."""
    return [row for row in line.rows("positions") if row["terminal"] == phone.lstrip("0")]


STRANGE = """
[profile.strange]
analog_order = "ad0_first"
signal_bits = "msb"
time_zone_minutes = 0
speed_step_kmh = 1.0
mileage_step_km = 0.001
hemisphere = "none"
alarm_bits = { 16 = 26, 17 = -1 }
[[assign]]
profile = "strange"
terminal = "13800138000"
"""

ITEMS = tlv(0x01, (1_234_567).to_bytes(4)) + tlv(0x25, b"\x80\0\0\0") + tlv(0x2B, b"\0\1\0\2") + tlv(0xE1, b"\x05")
BODY = location(alarm=1 << 16 | 1 << 17 | 1, status=0b1111, items=ITEMS)


# ------------------------------------------------------------------------------------------ what a profile does


def test_a_terminal_is_read_under_its_profile_and_the_others_are_not(line: Line, assign: Any) -> None:
    """Every column means what the profile says; fingerprint and extra items are the bytes as they came."""
    line.append([payload(0x0200, BODY), payload(0x0200, BODY, phone=OTHER)])
    line.assignments = assign(STRANGE)
    line.run()
    (strange,), (plain,) = rows(line), rows(line, OTHER)
    assert (plain["device_time_ms"], plain["speed_kmh"], plain["latitude"]) == (NOON_MS, 60.0, -41.12)
    assert strange["device_time_ms"] == NOON_MS + 480 * ZONE_MS
    assert (strange["speed_kmh"], strange["mileage_km"]) == (600.0, 1234.567)
    assert (strange["latitude"], strange["longitude"]) == (41.12, 122.07)
    assert (strange["analog_0"], strange["analog_1"], strange["vehicle_signals"]) == (1, 2, 1)
    assert strange["alarm_flags"] == 1 | 1 << 26
    assert strange["fingerprint"] == plain["fingerprint"]
    assert strange["extra_items"] == plain["extra_items"] == '[{"id":"0xe1","raw":"05"}]'
    events = {(row["alarm_type"], row["phase"]) for row in line.rows("alarm_events") if row["terminal"] == TERMINAL}
    assert events == {(0, "start"), (26, "start")}


def test_batches_and_answers_are_read_under_the_profile_too(line: Line, assign: Any) -> None:
    """0x0704 and 0x0201 carry the same reports as 0x0200: one row, whichever came first."""
    line.assignments = assign("utc-clock")
    batch = b"\x00\x01\x01" + len(BODY).to_bytes(2) + BODY
    line.append([payload(0x0200, BODY), payload(0x0704, batch), payload(0x0201, b"\x00\x01" + BODY)])
    line.run()
    (row,) = rows(line)
    assert (row["msg_id"], row["backfill"], row["device_time_ms"]) == (0x0200, 0, NOON_MS + 480 * ZONE_MS)


def test_items_of_another_shape(line: Line, assign: Any) -> None:
    """§11 item 29: known ids have their columns, others keep id and bytes."""
    line.assignments = assign("two-byte-items")
    line.append([payload(0x0200, location(items="000104000003e8" + "003101" + "07" + "01230100" + "0030"))])
    line.run()
    (row,) = rows(line)
    assert (row["mileage_km"], row["satellites"]) == (100.0, 7)
    assert json.loads(row["extra_items"]) == [{"id": "0x123", "raw": "00"}, {"id": None, "raw": "0030"}]


def test_alarm_items_are_read_in_the_dialect_and_zone_of_their_terminal(line: Line, assign: Any) -> None:
    """0x66 of 浙标 is a blind-spot alarm; times inside of items are those of the terminal's clock; numbers echo."""
    number = b"ID00001" + bytes.fromhex("251123201400") + b"\x00\x03\x00"
    bsd = bytes.fromhex("00000001" + "01" + "02" + "3c0005" + "00000000" * 2 + "251123201400" + "0000") + number
    line.assignments = assign(
        f'[profile.zj-utc]\nbase = "zj"\ntime_zone_minutes = 0\n[[assign]]\nprofile = "zj-utc"\nterminal = "{PHONE}"\n'
    )
    line.append([payload(0x0200, location(items=tlv(0x66, bsd)))])
    line.run()
    (event,) = line.rows("alarm_events")
    assert (event["source"], event["alarm_type"], event["phase"]) == ("jsatl12:0x66", 2, "start")
    assert event["alarm_time_ms"] == NOON_MS + 480 * ZONE_MS
    assert (event["alarm_number"], event["attachment_count"]) == (number.hex(), 3)


def test_a_dialect_alone_leaves_the_fast_lane_as_it_is(
    line: Line, assign: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Locations of a terminal whose profile reads them as everybody does never reach the declarations."""
    line.assignments = assign("gd")
    line.append([payload(0x0200, BODY), payload(0x0200, location("251123201410"), phone=OTHER)])
    with monkeypatch.context() as patch:
        patch.setattr(Decoder, "_slow", lambda *_: pytest.fail("the slow lane"))
        line.run()
    assert len(line.rows("positions")) == 2


def test_encryption_bits_before_plain_bodies(line: Line, assign: Any) -> None:
    """§11 item 16: ignored for the terminals that set them by accident, also on sub-packages."""
    line.assignments = assign("stray-encryption-bits")
    text = "你好".encode("gbk")
    parts = [payload(0x0900, b"\xf0" + text, encryption=1, serial=5, part=(1, 2))]
    parts.append(payload(0x0900, text, encryption=1, serial=6, part=(2, 2)))
    line.append([payload(0x0200, BODY, encryption=3), *parts, payload(0x0200, BODY, encryption=3, phone=OTHER)])
    worker = line.worker()
    worker.step()
    assert len(rows(line)) == 1
    assert [row["raw"] for row in line.rows("messages")] == [b"\xf0" + text + text]
    assert [row["terminal"] for row in line.rows("quarantine")] == [OTHER.lstrip("0")]


# -------------------------------------------------------------------------------------------- who gets which


def test_a_registration_chooses_the_profile_from_there_on(line: Line, assign: Any) -> None:
    """Manufacturer and model decide: at once, after a restart, and no more after another registration."""
    line.assignments = assign('[[assign]]\nprofile = "speed-in-kmh"\nmanufacturer = "MAKER"\nmodel = "MODEL-*"\n\n')

    def registration(model: bytes) -> bytes:
        body = b"\x00\x15\x00\x64" + b"MAKER" + model.ljust(20, b"\0") + b"ID00001" + b"\x02" + "辽A12345".encode("gbk")
        return payload(0x0100, body)

    def report(second: int) -> bytes:
        return payload(0x0200, location(f"2511232014{second:02}"))

    line.append([report(0), registration(b"MODEL-1"), report(1)])
    line.append([report(2)])
    line.run()
    line.append([report(3), registration(b"OTHER"), report(4)])
    line.run()
    assert [row["speed_kmh"] for row in rows(line)] == [60.0, 600.0, 600.0, 600.0, 60.0]


def test_a_listener_chooses_the_profile_of_who_has_no_other(line: Line, assign: Any) -> None:
    """Everybody on UDP, but not the same terminal on TCP, nor one that is named."""
    line.assignments = assign(
        f'[[assign]]\nprofile = "speed-in-kmh"\nlistener = "udp"\n[[assign]]\nprofile = "auto"\nterminal = "{OTHER}"\n'
    )
    for second, (phone, transport) in enumerate(
        [(PHONE, Transport.TCP), (PHONE, Transport.UDP), (PHONE, Transport.TCP), (OTHER, Transport.UDP)]
    ):
        line.append([payload(0x0200, location(f"2511232014{second:02}"), phone=phone)], transport=transport)
    line.run()
    assert [row["speed_kmh"] for row in line.rows("positions")] == [60.0, 600.0, 60.0, 60.0]


def test_a_listener_forces_the_edition_of_headers(line: Line, assign: Any) -> None:
    """§2.4: a 2013 terminal whose length field is wrong, which sets bit 14 and has a 1 for its version byte."""
    report = bytearray(payload(0x0200, location()))
    report[2:4] = (0x4000 | 27).to_bytes(2)
    line.append([bytes(report)], transport=Transport.UDP)
    line.assignments = assign('[[assign]]\nprofile = "forced-2013"\nlistener = "udp"\n')
    line.run()
    assert line.rows("positions") == []
    assert [row["terminal"] for row in line.rows("quarantine")] == [TERMINAL]  # 27 bytes, but whose is known
    line.append([bytes(report)], transport=Transport.TCP)
    line.run()
    assert line.rows("quarantine")[1]["terminal"] != TERMINAL


# ------------------------------------------------------------------------------------------ a changed profile


@pytest.mark.parametrize("order", [("auto", "strange"), ("strange", "auto"), ("utc-clock", "vietnam", "auto")])
def test_working_through_the_spool_under_another_profile_doubles_nothing(
    line: Line, assign: Any, order: tuple[str, ...]
) -> None:
    """Positions, alarm events and card events stay as they were read first, also when times would be others."""
    named = STRANGE.split("[[assign]]", maxsplit=1)[0] + "[profile.vietnam]\ntime_zone_minutes = 420\n"
    alarm = bytes.fromhex(
        "00000001" + "01" + "01" + "01" + "00" * 5 + "3c0005" + "00000000" * 2 + "251123201400" + "0000"
    )
    alarm += b"ID00001" + bytes.fromhex("251123201400") + b"\x00\x00\x00"
    card = (
        bytes.fromhex("01251123201400" + "00")
        + b"\x01A"
        + b"C123".ljust(20, b"\0")
        + b"\x01B"
        + bytes.fromhex("20300131")
    )
    body = location(alarm=1, items=tlv(0x64, alarm))
    batch = b"\x00\x01\x00" + len(body).to_bytes(2) + body
    line.append([payload(0x0200, body), payload(0x0200, location("000000000000"), serial=3), payload(0x0702, card)])
    line.append([payload(0x0704, batch), payload(0x0200, location("251123201500"))])
    seen = []
    for name in order:
        line.assignments = assign(f'{named}[[assign]]\nprofile = "{name}"\nterminal = "{PHONE}"\n')
        line.run_again()
        seen.append({table: line.rows(table) for table in ("positions", "alarm_events", "card_events", "messages")})
    assert [len(seen[0][table]) for table in seen[0]] == [3, 3, 1, 0]
    assert seen == [seen[0]] * len(order)


def test_a_resent_report_after_the_change_is_one_row_and_a_new_one_is_read_anew(line: Line, assign: Any) -> None:
    """A retransmission that straddles a change of the zone adds nothing."""
    line.append([payload(0x0200, BODY, serial=1)])
    line.run()
    line.assignments = assign("utc-clock")
    line.append([payload(0x0200, BODY, serial=1), payload(0x0200, location("251123201410"), serial=2)])
    line.run()
    assert [row["device_time_ms"] for row in rows(line)] == [NOON_MS, NOON_MS + 10_000 + 480 * ZONE_MS]


def test_a_replay_uses_the_profile_of_now(line: Line, assign: Any) -> None:
    """What was quarantined under one profile decodes under another, as one row, however often it is replayed."""
    line.append([payload(0x0200, BODY, encryption=1)])
    line.run()
    assert replay_quarantine(line.store, None, 5).replayed == 0
    assignments = assign(
        '[profile.x]\nbase = "stray-encryption-bits"\ntime_zone_minutes = 0\n'
        f'[[assign]]\nprofile = "x"\nterminal = "{PHONE}"\n'
    )
    report = replay_quarantine(line.store, None, 5, assignments=assignments)
    assert (report.replayed, report.rows_new) == (1, 1)
    line.assignments = assign("stray-encryption-bits")
    line.run_again()
    assert [row["device_time_ms"] for row in rows(line)] == [NOON_MS + 480 * ZONE_MS]


def test_a_replay_knows_the_listener_by_the_session(line: Line, assign: Any) -> None:
    """Quarantined messages keep no transport: their session has it."""
    line.session_record("online", 9, phone=PHONE, edition="2013", peer="x", transport="udp", how="implicit")
    line.append([payload(0x0200, BODY, encryption=1)], session=9, transport=Transport.UDP)
    line.run()
    assignments = assign('[[assign]]\nprofile = "stray-encryption-bits"\nlistener = "udp"\n')
    assert replay_quarantine(line.store, None, 5, assignments=assignments).replayed == 1


# --------------------------------------------------------------------------------------- the slow and the fast twin

_columns = load_twin("columns")


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Location bodies with items of every column, right and wrong, more or less often."""
    base = draw(st.binary(min_size=22, max_size=22)) + draw(
        st.just(bytes.fromhex("251123201400")) | st.just(bytes(6)) | st.binary(min_size=6, max_size=6)
    )
    known = [*_columns.TENTHS_ITEMS, *_columns.INTEGER_ITEMS, (0x18, 3, "")]
    good = st.sampled_from(known).flatmap(
        lambda row: st.binary(min_size=row[1], max_size=row[1]).map(lambda raw: bytes((row[0], row[1])) + raw)
    )
    odd = st.tuples(st.sampled_from([0x01, 0x18, 0x2B, 0x31, 0x55, 0xE1]), st.binary(max_size=6))
    items = st.lists(good | odd.map(lambda pair: bytes((pair[0], len(pair[1]))) + pair[1]), max_size=6)
    return base + b"".join(draw(items)) + draw(st.sampled_from([b"", b"\x01", b"\x31\x09\x00"]))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(bodies(), st.sampled_from([0x0200, 0x0201, 0x0704]), st.booleans())
def test_under_the_default_both_twins_give_the_same_row(body: bytes, msg_id: int, backfill: bool) -> None:
    """The row that is made of a decoded report is the one that the compiled columns make of its bytes."""
    header, _ = parse_header(payload(msg_id, b"", serial=0x1234))
    arrived = Arrived(5, header, body, 1, Origin(START_US, 6, 7), AUTO)
    columns = _columns.LocationColumns(1)
    assert columns.add_body(body, msg_id, 0x1234, backfill, 5, START_US // 1000, 6, 7) == 1
    deviations: list[str] = []
    try:
        report = LocationReport.decode(body, Edition.V2013, deviations)
    except BodyError:
        pytest.fail("a location that the columns take")
    if dev.ITEM_ONE_BYTE_MORE in deviations:
        return
    (fast,) = columns.rows()
    slow = row_of(report, body, arrived, backfill=backfill)
    assert dict(zip(POSITION_COLUMNS, slow, strict=True)) == dict(zip(POSITION_COLUMNS, fast, strict=True))


def test_zones_are_stored_once(line: Line, assign: Any) -> None:
    """The zone of a terminal is written with the first of its reports, and is there after a restart."""
    line.assignments = assign("utc-clock")
    line.append([payload(0x0200, BODY)])
    line.run()
    line.append([payload(0x0200, location("251123201410"))])
    line.run()
    assert line.store.zones() == {row["terminal_id"]: frozenset({0}) for row in line.rows("terminals")}
    assert line.store.write(StoreBatch(), consumer="x", seq=1).new == 0
