"""What real terminals do wrong, and where sources disagree, row by row, as far as no other test has the row.

docs/disagreements.md says which test shows which row. "§11" and "§13" are those of JT/T 808, "AS" is active safety.
"""

from typing import Any

import pytest

from jtgate.codecs import deviations as dev
from jtgate.codecs import header as headers
from jtgate.codecs.edition import ALL_EDITIONS, Edition
from jtgate.codecs.errors import EscapeError, StrayBytes
from jtgate.codecs.framing import Frame, FrameReader, check_byte, escape, wrap
from jtgate.codecs.header import Header, build_header, parse_header
from jtgate.codecs.jsatl12.attachments import AlarmAttachments
from jtgate.codecs.jt808 import (
    AttributesAnswer,
    LocationBatch,
    LocationReport,
    RegisterAnswer,
)
from jtgate.codecs.profile import AUTO, Profile
from jtgate.codecs.registry import body_edition, decode_body, encode_body
from jtgate.codecs.timebase import RawTime

V2011, OLD, NEW = ALL_EDITIONS
BASE = bytes.fromhex("00000000000000030260d36106ee98e100320064000a250314151000")
HEARTBEAT = wrap(build_header(0x0002, 0, phone="13912345678", serial=7, edition=OLD))


def decode(msg_id: int, body: bytes, edition: Edition = OLD, profile: Profile = AUTO) -> tuple[Any, list[str]]:
    """The message and the deviations; it goes out as it came."""
    deviations: list[str] = []
    message = decode_body(msg_id, body, edition, deviations, profile=profile)
    assert encode_body(message, body_edition(msg_id, body, edition, profile), profile) == body
    return message, deviations


def report(items: str, deviations: list[str] | None = None) -> LocationReport:
    """A location report with some additional items in hex; it goes out as it came."""
    body = BASE + bytes.fromhex(items)
    found = LocationReport.decode(body, OLD, deviations)
    assert found.encode() == body
    return found


def with_head(properties: int, after: bytes, msg_id: int = 0x0200) -> Header:
    """The header of a payload whose properties are given."""
    return parse_header(msg_id.to_bytes(2) + properties.to_bytes(2) + after)[0]


# --------------------------------------------------------------------------------------------- frames (§11, 1–9)


def test_row_6_of_section_11_an_escape_that_is_none() -> None:
    """§11 item 6: 0x7D before another byte stays, and the check byte decides whether that was right."""
    payload = build_header(0x0002, 0, phone="13912345678", serial=0x7D05, edition=OLD)
    unescaped = b"\x7e" + payload + bytes([check_byte(payload)]) + b"\x7e"
    (event,) = FrameReader().feed(unescaped)
    assert isinstance(event, Frame)
    assert event.payload == payload

    spoiled = HEARTBEAT[:6] + b"\x7d\x05" + HEARTBEAT[6:]
    error, good = FrameReader().feed(spoiled + HEARTBEAT)
    assert isinstance(error, EscapeError)
    assert error.offset == 6
    assert isinstance(good, Frame)


@pytest.mark.parametrize(
    "foreign",
    [
        bytes.fromhex("e7 0002 0000 01391234567800 0007 5b e601 e7"),
        b"(013612345678BP05356823032345678080525A2934.0133N10627.2544E000.0141830309.62000000000L00000023)",
        b"$$\xff\xff*HQ,4209951296,V1,104154,A,2231.8444,N,11403.4354,E#",
    ],
    ids=["flag E7", "(…)", "$$"],
)
def test_row_7_of_section_11_other_protocols_are_ignored(foreign: bytes) -> None:
    """§11 item 7: what has no 7E is reported as stray bytes, and the next frame arrives."""
    before, frame, between, last = FrameReader().feed(foreign + HEARTBEAT + foreign + HEARTBEAT)
    assert (type(before), type(between)) == (StrayBytes, StrayBytes)
    assert isinstance(before, StrayBytes)
    assert before.raw == foreign
    assert isinstance(frame, Frame)
    assert isinstance(last, Frame)


#: Errors of the length field with which the length arithmetic finds another header, that of a 2013 part.
LOOKS_LIKE_A_PART = {(NEW, 1)}


@pytest.mark.parametrize(
    ("edition", "error"),
    sorted({(edition, error) for edition in (OLD, NEW) for error in (-20, -3, 1, 2, 3, 40)} - LOOKS_LIKE_A_PART),
)
def test_row_8_of_section_11_a_wrong_length_field(edition: Edition, error: int) -> None:
    """§11 item 8: the bits decide which header it is, the body is what is there, and it is noted."""
    head = build_header(0x0200, len(BASE) + error, phone="13912345678", serial=7, edition=edition)
    found, body = parse_header(head + BASE)
    assert headers.DEV_LENGTH_MISMATCH in found.deviations
    assert (found.edition, found.serial, found.terminal) == (edition, 7, "13912345678")
    assert BASE.startswith(body)
    assert len(body) == min(len(BASE), len(BASE) + error)


def test_row_8_of_section_11_a_length_counted_after_escaping() -> None:
    """§11 item 8: two bytes that had to be escaped make the length field 2 too large."""
    body = BASE[:10] + b"\x7d\x7e" + BASE[12:]
    head = build_header(0x0200, len(escape(body)), phone="13912345678", serial=7, edition=OLD)
    (event,) = FrameReader().feed(wrap(head + body))
    assert isinstance(event, Frame)
    found, rest = parse_header(event.payload)
    assert (rest, found.deviations) == (body, (headers.DEV_LENGTH_MISMATCH,))


# ------------------------------------------------------------------------------------------ headers (§11, 10–18)


def test_row_10_of_section_11_bit_14_before_an_old_header() -> None:
    """§11 item 10: 12 bytes are the header of 2013, whatever bit 14 says."""
    old = build_header(0x0200, len(BASE), phone="13912345678", serial=7, edition=OLD)
    found = with_head(0x4000 | len(BASE), old[4:] + BASE)
    assert (found.edition, found.phone, found.deviations) == (OLD, "013912345678", (headers.DEV_VERSION_BIT_SET,))


def test_row_11_of_section_11_a_2019_header_without_bit_14() -> None:
    """§11 item 11: 17 bytes with a version byte are the header of 2019."""
    new = build_header(0x0200, len(BASE), phone="13912345678", serial=7, edition=NEW)
    found = with_head(len(BASE), new[4:] + BASE)
    assert (found.edition, found.size, found.deviations) == (NEW, 17, (headers.DEV_VERSION_BIT_MISSING,))
    assert found.phone == "00000000013912345678"


def test_row_11_of_section_11_17_bytes_by_accident() -> None:
    """§11 items 8 and 11: a wrong length that makes 17 bytes is no header of 2019 where no version byte stands."""
    old = build_header(0x0200, len(BASE) - 5, phone="139123456789", serial=7, edition=OLD)
    found, _ = parse_header(old + BASE)
    assert (found.edition, found.phone, found.deviations) == (OLD, "139123456789", (headers.DEV_LENGTH_MISMATCH,))


@pytest.mark.parametrize("version", [0, 1, 2, 15])
def test_row_13_of_section_11_any_version_byte(version: int) -> None:
    """§11 item 13: behind bit 14 every version byte is taken and kept, so that it can be echoed."""
    payload = build_header(0x0002, 0, phone="1", serial=7, edition=NEW, protocol_version=version)
    found, _ = parse_header(payload)
    assert (found.edition, found.protocol_version, found.deviations) == (NEW, version, ())


@pytest.mark.parametrize(
    ("phone", "terminal", "deviations"),
    [
        ("013912345678", "13912345678", ()),
        ("139123456789", "139123456789", ()),
        ("00000000013912345678", "13912345678", ()),
        ("0318B8F2A4C6", "318B8F2A4C6", (headers.DEV_PHONE_NOT_BCD,)),
        ("000000000000", "", ()),
    ],
)
def test_row_14_of_section_11_phones(phone: str, terminal: str, deviations: tuple[str, ...]) -> None:
    """§11 item 14: leading zeros make no other terminal, hex digits are kept, an all-zero number is nobody."""
    edition = OLD if len(phone) == 12 else NEW
    found, _ = parse_header(build_header(0x0002, 0, phone=phone, serial=7, edition=edition))
    assert (found.phone, found.terminal, found.deviations) == (phone, terminal, deviations)


# ------------------------------------------------------------------------------------ registration (§11, 19–27)

REGISTER_HEAD = bytes.fromhex("000b0064") + b"70111"


@pytest.mark.parametrize(
    ("body", "edition", "terminal_id", "plate"),
    [
        (REGISTER_HEAD + b"BSJ-A6  0567872\x02", V2011, "0567872", ""),
        (REGISTER_HEAD + b"BSJ-A6".ljust(20, b"\0") + bytes.fromhex("00013912345678") + b"\x00", OLD, None, ""),
        (REGISTER_HEAD + b"BSJ-A6".ljust(20, b"\0") + b"0567872\x00" + bytes(17), OLD, "0567872", ""),
    ],
    ids=["25 bytes", "BCD phone as terminal id", "colour 0 and 17 zero bytes"],
)
def test_row_23_of_section_11_odd_registrations(
    body: bytes, edition: Edition, terminal_id: str | None, plate: str
) -> None:
    """§11 item 23: all are read, and every byte is kept."""
    message, _ = decode(0x0100, body)
    assert body_edition(0x0100, body, OLD) is edition
    assert (message.manufacturer, message.plate) == ("70111", plate)
    assert terminal_id is None or message.terminal_id == terminal_id


def test_row_20_of_section_11_nothing_behind_a_refusal() -> None:
    """§11 item 20: a 0x8100 that refuses has no code, which some terminals would take for theirs."""
    assert len(RegisterAnswer(answer_serial=7, result=4).encode()) == 3


# -------------------------------------------------------------------------------------------- items (§11, 28–43)


@pytest.mark.parametrize(
    "item", ["05012a", "060163", "140101", "15020001", "160401020304aa"[:12], "170401020304", "180401020304",
             "640400000bb8", "650155"]
)  # fmt: skip
def test_row_28_of_section_11_ids_used_for_something_else(item: str) -> None:
    """§11 item 28: an item is decoded when its length is that of the table; else its bytes are kept, and noted."""
    deviations: list[str] = []
    (found,) = report(item, deviations).items
    fits = item.startswith("1604")  # the one id of the list whose other use has the same length
    assert (found.value is None, deviations) == ((False, []) if fits else (True, [dev.ITEM_LENGTH_UNKNOWN]))
    assert found.raw.hex() == item[4:]


def test_row_30_of_section_11_a_list_inside_of_an_item() -> None:
    """§11 item 30: whatever lengths stand inside of 0xEB, the item after it begins where 0xEB says that it ends."""
    found = report("eb0c ffff 00ce 0a57 0004 00a8 64 00 3001 1f".replace(" ", ""))
    assert [item.id for item in found.items] == [0xEB, 0x30]
    assert found.items[1].raw == b"\x1f"


def test_row_31_of_section_11_bytes_that_are_no_items() -> None:
    """§11 item 31: 20 bytes of something else behind a good item never cost the report."""
    deviations: list[str] = []
    found = report("30011f" + "ff" * 20, deviations)
    assert found.items[0].raw == b"\x1f"
    assert found.trailing == b"\xff" * 20
    assert deviations == [dev.LOCATION_ITEMS_OVERRUN]


@pytest.mark.parametrize("time", ["000000000000", "ffffffffffff", "250014151000", "251301000000", "25031415100a"])
def test_row_33_of_section_11_times_that_are_none(time: str) -> None:
    """§11 item 33: the six bytes are kept and noted, the report is as good as any."""
    body = BASE[:22] + bytes.fromhex(time)
    message, deviations = decode(0x0200, body)
    assert message.time == RawTime(bytes.fromhex(time))
    assert deviations == [dev.TIME_NOT_A_DATE]
    assert message.to_json()["time"] == f"raw:{time}"


def test_row_42_of_section_11_signal_0_is_the_last_bit() -> None:
    """§11 item 42: 0x00000001 is the low beam, not signal 31."""
    (item,) = report("250400000001").items
    value: Any = item.value
    assert value.vehicle_signals == 1


# ------------------------------------------------------------------------------------------ disagreements (§13)


def test_row_9_of_section_13_offsets_are_computed() -> None:
    """§13 item 9: fields stand where the types before them end, whatever start bytes are printed."""
    assert (LocationBatch.offset_of("batch_type", OLD), LocationBatch.offset_of("items", OLD)) == (2, 3)
    assert LocationReport.offset_of("time", OLD) == 22
    assert AttributesAnswer.offset_of("iccid", OLD) == 34


def test_row_17_of_section_13_satellites_as_an_item() -> None:
    """§13 item 17: item 0x07 of the draft, four-byte records in four groups, is read as well as 0x0205."""
    (item,) = report("0710" + "01 07 2d 00b4 02 0c 1e 005a 0d 1f 005b 00 00".replace(" ", "")).items
    value: Any = item.value
    assert [satellite.azimuth_deg for satellite in (*value.beidou, *value.gps)] == [180, 90, 91]
    assert (value.glonass, value.galileo) == ((), ())


# ------------------------------------------------------------------------------------------ active safety (§4.8)


@pytest.mark.parametrize("held", [0, 1, 4])
def test_row_14_of_as_4_8_another_number_of_files(held: int) -> None:
    """AS §4.8 row 14: the alarm said 4 files; 0x1210 lists what there is, and both are kept."""
    number = b"A1B2C3D" + bytes.fromhex("250612083015") + b"\x00\x04\x00"
    file = b"\x05a.jpg" + (9).to_bytes(4)
    message, deviations = decode(0x1210, b"A1B2C3D" + number + bytes(32) + bytes([0, held]) + file * held)
    assert isinstance(message, AlarmAttachments)
    assert (message.count, len(message.files), message.alarm.alarm_number.attachment_count) == (held, held, 4)
    assert deviations == []
