"""Frames of every kind become the rows they should, and what cannot be decoded is kept and stops nothing."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import msgpack
import pytest
from pipeline_line import PHONE, START_US, Line, location, payload, tlv, vectors

from jtgate.codecs import deviations as dev
from jtgate.codecs.edition import Edition
from jtgate.codecs.jt808 import Authenticate
from jtgate.pipeline import CONSUMER, messages, metrics, quarantine
from jtgate.storage.model import StoreBatch
from jtgate.storage.records import SessionEvent

TERMINAL = PHONE.lstrip("0")


def test_report_becomes_a_position(line: Line) -> None:
    """0x0200: values, time in UTC, receive time, session and group of the spool."""
    seq = line.append([payload(0x0200, location(items="0104000003e8"), serial=9)], session=77)
    line.run()
    (row,) = line.rows("positions")
    assert (row["terminal"], row["latitude"], row["longitude"], row["speed_kmh"]) == (TERMINAL, 41.12, 122.07, 60.0)
    assert row["device_time_ms"] == 1_763_900_040_000
    assert (row["received_ms"], row["session_id"], row["spool_seq"], row["serial"]) == (
        START_US // 1000 + 1000,
        77,
        seq,
        9,
    )
    assert (row["mileage_km"], row["fuel_l"], row["extra_items"], row["backfill"]) == (100.0, None, None, 0)


def test_batch_and_report_of_the_same_moment_are_one_position(line: Line) -> None:
    """A 0x0704 type 1 that repeats a 0x0200 adds only what is new, marked as back-filled."""
    old, new = location("251123201400"), location("251123201410")
    batch = b"\x00\x02\x01" + b"".join(len(body).to_bytes(2) + body for body in (old, new))
    line.append([payload(0x0200, old), payload(0x0704, batch)])
    line.run()
    assert [(row["msg_id"], row["backfill"]) for row in line.rows("positions")] == [(0x0200, 0), (0x0704, 1)]
    assert line.rows("messages") == []


def test_damaged_batch_gives_what_can_be_saved_and_keeps_the_message(line: Line) -> None:
    """§5.1: an item whose length overruns is decoded as far as it goes; the whole body stays as a message."""
    good = location("251123201400")
    cut = location("251123201410", items=tlv(0x31, b"\x07"))
    body = b"\x00\x03\x00" + len(good).to_bytes(2) + good + b"\x00\xff" + cut
    line.append([payload(0x0704, body)])
    line.run()
    assert [(row["satellites"], row["fingerprint"] != 0) for row in line.rows("positions")] == [(None, True), (7, True)]
    (message,) = line.rows("messages")
    assert (message["name"], message["raw"]) == ("location_batch", body)
    assert line.rows("quarantine") == []


def test_location_answer_is_a_position_and_a_message(line: Line) -> None:
    """0x0201 of 2013: the location without its serial; an overrunning item is kept."""
    line.append([payload(0x0201, b"\x00\x07" + location(items="30ff01"))])
    line.run()
    (row,) = line.rows("positions")
    assert (row["msg_id"], row["latitude"]) == (0x0201, 41.12)
    assert json.loads(row["extra_items"]) == [{"id": None, "raw": "30ff01"}]
    (message,) = line.rows("messages")
    assert json.loads(message["body"])["answer_serial"] == 7


def test_registration_and_authentication_tell_of_the_terminal(line: Line) -> None:
    """0x0100 of 2011, then 0x0102 of 2019: each fills what it knows."""
    register = b"\x00\x15\x00\x64" + b"MAKER" + b"MODEL-1 " + b"ID00001" + b"\x02" + "辽A12345".encode("gbk")
    line.append([payload(0x0100, register)])
    code = b"\x03abc" + b"123456789012345" + b"v1.0".ljust(20, b"\0")
    line.append([payload(0x0102, code, edition=Edition.V2019)])
    line.append([payload(0x0003)])
    line.run()
    (terminal,) = line.rows("terminals")
    assert (terminal["manufacturer"], terminal["model"], terminal["device_id"]) == ("MAKER", "MODEL-1", "ID00001")
    assert (terminal["province"], terminal["city"], terminal["plate_color"]) == (21, 100, 2)
    assert (terminal["plate"], terminal["edition"]) == ("辽A12345", "2011")
    assert (terminal["imei"], terminal["software_version"]) == ("123456789012345", "v1.0")
    assert terminal["registered_ms"] < terminal["unregistered_ms"]
    assert [row["name"] for row in line.rows("messages")] == ["unregister", "authenticate", "register"]


def test_driver_card_is_an_event_and_its_repetition_is_not(line: Line) -> None:
    """0x0702: one card event however often it is resent; without a time the serial tells two apart."""
    inserted = bytes.fromhex("01251123201400" + "00") + b"\x04" + "张三".encode("gbk")
    inserted += b"C123".ljust(20, b"\0") + b"\x04" + "运管".encode("gbk") + bytes.fromhex("20300131")
    line.append([payload(0x0702, inserted, serial=1)])
    line.append([payload(0x0702, inserted, serial=1)])
    undated = bytes.fromhex("02000000000000")
    line.append([payload(0x0702, undated, serial=n) for n in (2, 3, 3)])
    line.run()
    rows = line.rows("card_events")
    (card,) = [row for row in rows if row["device_time_ms"]]
    assert (card["driver_name"], card["certificate"], card["issuer"], card["expiry"]) == (
        "张三",
        "C123",
        "运管",
        "2030-01-31",
    )
    assert (card["status"], card["read_result"], card["id_number"]) == (1, 0, None)
    assert sorted(row["serial"] for row in rows if not row["device_time_ms"]) == [2, 3]
    assert line.rows("messages") == []


def test_heartbeat_only_says_that_the_terminal_was_heard_of(line: Line) -> None:
    """0x0002, with or without vendor data behind it, leaves no row but moves last_seen."""
    line.append([payload(0x0002), payload(0x0002, b"\x64\x1f\x00", serial=1)])
    line.run()
    (terminal,) = line.rows("terminals")
    assert terminal["last_seen_ms"] == line.now_us // 1000
    assert line.rows("messages") == line.rows("quarantine") == []


def test_unknown_id_is_kept_as_it_came(line: Line) -> None:
    """An id nobody declared: a message row called unknown with its bytes, and no JSON."""
    line.append([payload(0x5501, b"\x01\x02\x03", serial=4)])
    line.run()
    (row,) = line.rows("messages")
    assert (row["name"], row["body"], row["raw"], row["serial"], row["parts"]) == ("unknown", None, b"\1\2\3", 4, 1)


def test_long_binary_is_not_repeated_in_the_json(line: Line) -> None:
    """A field of more than 256 bytes is told by its length and fingerprint; the row's raw has it."""
    short, long = bytes(256), bytes(257)
    line.append([payload(0x0900, b"\xf0" + short, serial=1), payload(0x0900, b"\xf0" + long, serial=2)])
    line.run()
    newest, oldest = line.rows("messages")
    assert json.loads(oldest["body"])["data"] == short.hex()
    assert json.loads(newest["body"])["data"] == {"bytes": 257, "fnv": messages.fingerprint(long)}
    assert newest["raw"] == b"\xf0" + long


def test_session_records_become_sessions(line: Line) -> None:
    """Online, closed, and a gateway start that ends what an earlier gateway left open."""
    line.online(session=5)
    line.online(session=6, phone="013800138001")
    facts = {"frames": 3, "bad_frames": 1, "bytes_in": 300, "last_received_us": START_US, "phone": PHONE}
    line.session_record(SessionEvent.CLOSED, 5, reason="idle", **facts)
    line.session_record(SessionEvent.GATEWAY_STARTED, 100)
    line.session_record("something_new", 101)
    line.run()
    left, idle = line.rows("sessions")
    assert (idle["session_id"], idle["reason"], idle["frames"], idle["how"]) == (5, "idle", 3, "authenticated")
    assert idle["last_received_ms"] == START_US // 1000
    assert (left["session_id"], left["reason"]) == (6, "gateway_lost")
    assert [row["phone"] for row in line.rows("terminals")] == [PHONE, "013800138001"]


def test_what_cannot_be_decoded_is_quarantined_and_the_next_frame_arrives(line: Line) -> None:
    """Header too short, body too short, encrypted, nobody's phone: each with code, offset and payload."""
    bad = [
        b"\x02\x00\x00",
        payload(0x0200, bytes(27)),
        payload(0x0200, location(), encryption=1),
        payload(0x0200, location(), phone="0"),
        payload(0x0702, b""),
    ]
    line.append([*bad, payload(0x0200, location())])
    line.run()
    held = line.rows("quarantine")
    assert [row["payload"] for row in held] == bad
    assert [row["code"] for row in held] == [
        "header",
        "body.truncated",
        quarantine.ENCRYPTED,
        quarantine.NO_PHONE,
        "body.truncated",
    ]
    assert [row["terminal"] for row in held] == ["", TERMINAL, TERMINAL, "", TERMINAL]
    assert held[1]["offset"] == 12 + 22  # the time, after header and what is before it
    assert held[1]["msg_id"] == 0x0200
    assert len(line.rows("positions")) == 1


def test_a_bug_of_ours_costs_one_frame(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception that is no ProtocolError quarantines that frame as internal; the others are stored."""

    def broken(message: Any, arrived: Any, rows: Any) -> None:
        raise ZeroDivisionError("张三")

    monkeypatch.setattr(messages, "_HANDLERS", {Authenticate: broken})
    line.append([payload(0x0102, b"x"), payload(0x0200, location())])
    line.run()
    (row,) = line.rows("quarantine")
    assert (row["code"], row["terminal"]) == (quarantine.INTERNAL, TERMINAL)
    assert "张三" not in row["message"]
    assert len(line.rows("positions")) == 1


def test_group_that_is_none_is_kept_and_passed(line: Line) -> None:
    """Data that is not what records writes: quarantined as it is, and the next group is stored."""
    bad = [b"\xc1garbage", msgpack.packb([1, START_US, 1, 0, ["no bytes"]]), msgpack.packb([1, 2]), msgpack.packb([9])]
    for data in bad:
        line.writer.append(data, 1, START_US)
    line.session_record(SessionEvent.ONLINE, 5, phone="000000000000")
    line.append([payload(0x0200, location())])
    line.run()
    held = line.rows("quarantine")
    assert {row["code"] for row in held} == {quarantine.UNREADABLE_GROUP}
    assert [row["payload"] for row in held] == bad
    assert len(line.rows("positions")) == 1


def test_one_terminal_under_both_headers_and_any_zeros(line: Line) -> None:
    """§2.5: the number with and without leading zeros, in 12 and in 20 digits, is one terminal."""
    line.append(
        [
            payload(0x0200, location("251123201400"), phone=PHONE),
            payload(0x0200, location("251123201401"), phone=TERMINAL, edition=Edition.V2019),
            payload(0x0200, location("251123201402"), phone="0" + TERMINAL, edition=Edition.V2019),
        ]
    )
    line.run()
    assert {row["terminal"] for row in line.rows("positions")} == {TERMINAL}
    assert len(line.rows("positions")) == 3


# ------------------------------------------------------------------------------ the shared vectors

LOCATION_NAMES = {
    "alarm_flags": "alarm_flags",
    "status": "status",
    "lat": "latitude",
    "lon": "longitude",
    "altitude": "altitude_m",
    "speed_kmh": "speed_kmh",
    "heading": "heading_deg",
    "mileage_km": "mileage_km",
    "fuel_l": "fuel_l",
}
DRIVER_NAMES = {
    "status": "status",
    "ic_result": "read_result",
    "name": "driver_name",
    "certificate": "certificate",
    "authority": "issuer",
    "id_number": "id_number",
}
REGISTER_NAMES = ("province", "city", "manufacturer", "model", "plate_color", "plate")


def spool_vectors(line: Line, records: list[dict[str, Any]]) -> dict[str, int]:
    """Each frame in a group of its own; id -> number of the group."""
    return {record["id"]: line.append([record["payload"]]) for record in records}


@pytest.mark.shared
def test_frames_from_the_field_end_in_rows_with_the_published_values(line: Line, shared_vectors: Path) -> None:
    """Every whole frame of an id we declare: position, card event, terminal or message with its values."""
    records = [r for r in vectors(shared_vectors) if not r["expect"].get("header.packet_total")]
    seqs = spool_vectors(line, records)
    line.run()
    stored = {row["spool_seq"]: row for row in line.rows("messages") + line.rows("card_events")}
    positions = {(row["fingerprint"], row["spool_seq"]): row for row in line.rows("positions")}
    at_group = {row["spool_seq"]: row for row in positions.values()}
    checked = 0
    for record in records:
        row = at_group.get(seqs[record["id"]]) or stored.get(seqs[record["id"]])
        expect = record["expect"]
        if row is None or expect.get("header.encryption"):
            continue
        names = LOCATION_NAMES if "latitude" in row else {}
        for name, column in names.items():
            wanted = expect.get(f"location.{name}")
            if wanted is not None and not (name == "lat" and abs(wanted) > 90):
                # §4.1: an altitude is signed, which not every publisher knows.
                found = row[column] % 0x10000 if name == "altitude" else row[column]
                assert found == pytest.approx(wanted), (record["id"], name)
                checked += 1
        if record["msg_id"] == "0x0702":
            for name, column in DRIVER_NAMES.items():
                found = row[column].rstrip() if isinstance(row[column], str) else row[column]
                assert found in (expect.get(f"driver.{name}"), None, ""), (record["id"], name)
                checked += expect.get(f"driver.{name}") is not None
        if record["msg_id"] == "0x0100":
            body = json.loads(row["body"])
            for name in REGISTER_NAMES:
                if f"register.{name}" in expect:
                    assert body[name] == expect[f"register.{name}"], (record["id"], name)
                    checked += 1
    assert checked > 600


@pytest.mark.shared
def test_every_frame_from_the_field_ends_somewhere_and_replaying_it_changes_nothing(
    line: Line, shared_vectors: Path
) -> None:
    """All vectors twice, then the whole spool again from its beginning: the same rows."""
    records = vectors(shared_vectors)
    payloads = [record["payload"] for record in records]
    line.append(payloads, at_us=START_US)
    line.run()
    once = line.everything()
    held = Counter(row["code"] for row in once["quarantine"])
    assert set(held) <= {quarantine.ENCRYPTED, quarantine.NO_PHONE, "body.truncated", quarantine.INCOMPLETE}
    assert held.total() < 10
    line.append(payloads, at_us=START_US + 1)
    line.run()
    twice = line.everything()
    for table in ("positions", "alarm_events", "card_events", "messages"):
        assert twice[table] == once[table], table
    line.store.write(StoreBatch(), consumer=CONSUMER, seq=0)
    line.run()
    again = line.everything()
    for table in ("positions", "alarm_events", "card_events", "messages", "quarantine"):
        assert again[table] == twice[table], table


def counted(name: str) -> float:
    """What the metric of deviations says of one."""
    value: float = metrics.DEVIATIONS.labels(name)._value.get()
    return value


def test_deviations_are_counted_in_both_lanes_and_once(line: Line) -> None:
    """A signed coordinate and a bad time of a plain report, and the same of one that a declaration reads."""
    odd = b"\0" * 8 + b"\xff\xff\xff\xff" + b"\0" * 10 + bytes(6)
    number = b"ID00001" + bytes(6) + b"\x00\x00\x00"
    alarm = tlv(0x67, b"\0\0\0\1\1\1" + bytes(11) + bytes(6) + bytes(2) + number)
    names = [dev.LOCATION_SIGNED_COORDINATE, dev.TIME_NOT_A_DATE]
    before = [counted(name) for name in names]
    line.append([payload(0x0200, odd), payload(0x0201, b"\0\1" + odd)])
    line.run()
    assert [counted(name) for name in names] == [number + 2 for number in before]
    line.append([payload(0x0200, location(items=alarm)), payload(0x0201, b"\0\1" + location(items=alarm))])
    line.run()
    assert [counted(name) for name in names] == [before[0] + 2, before[1] + 4]


def test_damaged_segments_of_the_spool_are_counted(line: Line) -> None:
    """What the reader left at a fault is told once."""
    before = metrics.SPOOL_DAMAGED._value.get()
    line.append([payload(0x0002)])
    line.reader.damaged_count = 2
    worker = line.run()
    assert metrics.SPOOL_DAMAGED._value.get() == before + 2
    worker._publish(force=True)
    assert metrics.SPOOL_DAMAGED._value.get() == before + 2
