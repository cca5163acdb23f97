"""Which layout a body has, what is tolerated in it, and where it is wrong (JT/T 808 §2.4, §3, §11)."""

import dataclasses
from datetime import UTC, datetime
from typing import Any

import pytest

from jtgate.codecs import deviations as dev
from jtgate.codecs.catalogue import ACTIVE_SAFETY, CATALOGUE, DRIVER_IDENTITY, JT808, JT1078
from jtgate.codecs.edition import ALL_EDITIONS, Edition
from jtgate.codecs.errors import BodyError, EncodeError, Truncated
from jtgate.codecs.jt808 import (
    Authenticate,
    DriverIdentity,
    Heartbeat,
    LocationAnswer,
    LocationBatch,
    LocationReport,
    MediaUpload,
    MediaUploadAnswer,
    Parameter,
    ParametersAnswer,
    PlatformPartsRequest,
    QueryGivenParameters,
    Register,
    RegisterAnswer,
    SetParameters,
    TextMessage,
    TimeAnswer,
    UndecodedReport,
    UplinkTransparent,
)
from jtgate.codecs.registry import (
    BODY_BYTES_MIN,
    body_edition,
    decode_body,
    encode_body,
    is_known,
    message_class,
    message_name,
)
from jtgate.codecs.text import WireText
from jtgate.codecs.timebase import RawTime

OLD, NEW = Edition.V2013, Edition.V2019
BASE = bytes.fromhex("00000000000000030260d36106ee98e100320064000a250314151000")


def decode(msg_id: int, body: bytes, edition: Edition = OLD) -> tuple[Any, list[str]]:
    """The message and the deviations."""
    deviations: list[str] = []
    message = decode_body(msg_id, body, edition, deviations)
    assert encode_body(message, body_edition(msg_id, body, edition)) == body
    return message, deviations


# ------------------------------------------------------------------------------------- 0x0100

HEAD = bytes.fromhex("000b0064") + b"70111"


@pytest.mark.parametrize(
    ("body", "header", "layout"),
    [
        (HEAD + b"BSJ-A6  0567872\x02", OLD, Edition.V2011),
        (HEAD + b"BSJ-A6  0567872\x02" + b"\xbe\xa9A1234", OLD, Edition.V2011),
        (HEAD + b"BSJ-A6  0567872\x02" + b"L" * 17, OLD, Edition.V2011),  # 42 bytes: a VIN, and "L" is no colour
        (HEAD + b"BSJ-A6".ljust(20, b"\0") + b"0567872\x02", OLD, Edition.V2013),  # 37 bytes, no plate
        (HEAD + b"BSJ-A6".ljust(20, b"\0") + b"0567872\x5e" + b"\xbe\xa9AD12345", OLD, Edition.V2013),
        (HEAD + bytes(90), NEW, Edition.V2019),
        (HEAD + b"BSJ-A6".ljust(20, b"\0") + b"0567872\x02" + b"\xbe\xa9A1234", NEW, Edition.V2013),
    ],
)
def test_layout_of_a_registration(body: bytes, header: Edition, layout: Edition) -> None:
    """Length first, then the byte where the plate colour would be."""
    assert body_edition(0x0100, body, header) is layout
    message, deviations = decode(0x0100, body, header)
    assert message.manufacturer.startswith("70111")
    assert (dev.BODY_OLD_LAYOUT in deviations) == (header is NEW and layout is OLD)


def test_registration_with_odd_padding() -> None:
    """Models padded on the other side or with spaces read the same; the bytes are kept."""
    left = HEAD + b"BSJ-A6".rjust(20, b"\0") + b"0567872\x02"
    spaces = HEAD + b"BSJ-A6".ljust(20, b" ") + b"0567872\x02"
    for body in (left, spaces):
        message, deviations = decode(0x0100, body)
        assert message.model == "BSJ-A6"
        assert isinstance(message.model, WireText)
        assert deviations == [dev.TEXT_PADDING]


@pytest.mark.parametrize(
    ("plate", "shown", "deviation"),
    [
        ("京A12345".encode("gbk"), "京A12345", None),
        ("京A12345".encode(), "京A12345", dev.TEXT_UTF8),
        ("京A12345".encode("gbk") + b"\0", "京A12345", dev.TEXT_PADDING),
        ("京Ａ１２３４５".encode("gbk"), "京A12345", dev.TEXT_FULL_WIDTH),
        (b"\xbe\xa9A\xff\xff", "京A\ufffd\ufffd", dev.TEXT_NOT_GBK),
        (b"", "", None),
        (b"\0" * 17, "", dev.TEXT_PADDING),  # an all-zero VIN
    ],
)
def test_plates_as_they_come(plate: bytes, shown: str, deviation: str | None) -> None:
    """GBK, UTF-8, terminators, full-width letters and garbage; every byte is kept."""
    message, deviations = decode(0x0100, HEAD + b"BSJ-A6".ljust(20, b"\0") + b"0567872\x02" + plate)
    assert message.plate == shown
    assert deviations == ([] if deviation is None else [deviation])


# ------------------------------------------------------------------------------------- 0x0102


@pytest.mark.parametrize(
    ("body", "code", "imei", "version", "deviations"),
    [
        (b"\x04CODE" + b"8" * 15 + b"V1".ljust(20, b"\0"), "CODE", "8" * 15, "V1", []),
        (b"\x04CODE" + b"8" * 15 + b"V1", "CODE", "8" * 15, "V1", [dev.AUTHENTICATE_SHORT_TAIL, dev.TEXT_PADDING]),
        (b"\x04CODE" + b"8" * 15, "CODE", "8" * 15, None, [dev.AUTHENTICATE_SHORT_TAIL]),
        (b"\x04CODE8888", "CODE", "8888", None, [dev.AUTHENTICATE_SHORT_TAIL, dev.TEXT_PADDING]),
        (b"\x04CODE", "CODE", None, None, [dev.AUTHENTICATE_SHORT_TAIL]),
        (b"CODE", "CODE", None, None, [dev.BODY_OLD_LAYOUT]),
        (b"", "", None, None, [dev.BODY_OLD_LAYOUT]),
    ],
)
def test_authentication_of_2019(
    body: bytes, code: str, imei: str | None, version: str | None, deviations: list[str]
) -> None:
    """The tail may be short or missing, and the code may stand alone as in 2013."""
    message, found = decode(0x0102, body, NEW)
    assert (message.auth_code, message.imei, message.software_version) == (code, imei, version)
    assert found == deviations


def test_authentication_of_2013_is_the_whole_body() -> None:
    """A code that begins with a small byte is still a code."""
    assert decode(0x0102, b"\x04CODE8888")[0] == Authenticate(auth_code="\x04CODE8888")


# ------------------------------------------------------------------------------------- others


def test_register_answer_with_and_without_code() -> None:
    """The code follows result 0; a code after a failure is tolerated."""
    assert RegisterAnswer(answer_serial=1, result=3).encode() == b"\0\1\3"
    assert decode(0x8100, b"\0\1\0") == (RegisterAnswer(answer_serial=1, result=0, auth_code=""), [])
    message, deviations = decode(0x8100, b"\0\1\1abc")
    assert (message.auth_code, deviations) == ("abc", [dev.REGISTER_ANSWER_CODE_AFTER_FAILURE])
    with pytest.raises(EncodeError, match="auth_code is needed"):
        RegisterAnswer(answer_serial=1, result=0).encode()


@pytest.mark.parametrize("header", [OLD, NEW])
@pytest.mark.parametrize("msg_id", [0x8003, 0x0005])
def test_missing_parts_with_byte_and_word_count(msg_id: int, header: Edition) -> None:
    """Whichever count fits the length is read, under any header."""
    narrow, narrow_deviations = decode(msg_id, bytes.fromhex("0010 02 0002 0005"), header)
    wide, wide_deviations = decode(msg_id, bytes.fromhex("0010 0002 0002 0005"), header)
    assert narrow.part_numbers == wide.part_numbers == (2, 5)
    assert narrow.count == wide.count == 2
    assert narrow_deviations == ([dev.BODY_OLD_LAYOUT] if header is NEW else [])
    assert wide_deviations == ([dev.BODY_NEW_LAYOUT] if header is OLD else [])


def test_location_answer_without_serial() -> None:
    """2011 sends the bare location; a time two bytes earlier gives it away."""
    assert decode(0x0201, BASE)[0] == LocationAnswer(location=LocationReport.decode(BASE))
    assert body_edition(0x0201, BASE, OLD) is Edition.V2011
    message, _ = decode(0x0201, b"\x12\x34" + BASE + bytes.fromhex("30011f"))
    assert (message.answer_serial, message.location.items[0].id) == (0x1234, 0x30)
    no_time = BASE[:22] + bytes.fromhex("ffffffffffff")
    assert decode(0x0201, b"\x12\x34" + no_time)[0].answer_serial == 0x1234


@pytest.mark.parametrize(
    ("hexed", "fields", "deviations"),
    [
        ("02250314153000", {"status": 2, "driver_name": None}, []),
        ("0125031415300001", {"status": 1, "read_result": 1, "driver_name": None}, []),
        ("01250314153000", {"status": 1, "read_result": None}, []),
        ("021a0117110513", {"time": RawTime(bytes.fromhex("1a0117110513"))}, [dev.TIME_NOT_A_DATE]),
        (
            "012503141530000000" + "00" * 20 + "00" + "20300101",
            {"driver_name": "", "issuer": "", "certificate": "", "id_number": None},
            [dev.BODY_OLD_LAYOUT],
        ),
        (
            "022503141530000002d5c5" + "31" * 20 + "00" + "20300101" + "32" * 20 + "63" + "33" * 20,
            {"driver_name": "张", "id_number": "2" * 20, "face_match": 99, "uid": "3" * 20},
            [dev.BODY_NEW_LAYOUT, dev.DRIVER_FIELDS_AFTER_REMOVAL],
        ),
    ],
)
@pytest.mark.parametrize("header", [OLD, NEW])
def test_driver_identity_goes_as_far_as_its_bytes(
    hexed: str, fields: dict[str, object], deviations: list[str], header: Edition
) -> None:
    """Removal, failed reading, empty names, and all fields although the card was removed; 2019 has an id number."""
    message, found = decode(0x0702, bytes.fromhex(hexed), header)
    assert {name: getattr(message, name) for name in fields} == fields
    agrees = dev.BODY_NEW_LAYOUT if header is NEW else dev.BODY_OLD_LAYOUT
    assert found == [name for name in deviations if name != agrees]


def test_driver_identity_of_2011() -> None:
    """Name, id number, certificate and issuer, without a status."""
    message = DriverIdentity(driver_name="张三", id_number="1" * 18, certificate="2" * 30, issuer="北京")
    body = message.encode(Edition.V2011)
    assert len(body) == 62 + 4 + 4
    assert body_edition(0x0702, body, OLD) is Edition.V2011
    assert decode(0x0702, body) == (message, [])


def test_parameters_of_2011_have_two_counts() -> None:
    """A second count before the items is recognised by the ids that come out."""
    items = (Parameter.of(0x0001, 60), Parameter.of(0x0055, 100))
    answer = ParametersAnswer(answer_serial=5, count=9, package_count=2, parameters=items)
    body = answer.encode(Edition.V2011)
    assert body_edition(0x0104, body, OLD) is Edition.V2011
    assert decode(0x0104, body) == (answer, [])  # the other seven come in another package
    cut = dataclasses.replace(answer, package_count=3)
    assert decode(0x0104, cut.encode(Edition.V2011)) == (cut, [dev.PARAMETERS_WRONG_COUNT])
    order = SetParameters(count=2, package_count=2, parameters=items)
    assert decode(0x8103, order.encode(Edition.V2011)) == (order, [])
    with pytest.raises(EncodeError, match="does not exist in edition 2013"):
        order.encode(OLD)


def test_parameters_with_a_wrong_count_and_a_cut_item() -> None:
    """The items count, not the number before them; what is cut is kept."""
    message, deviations = decode(0x0104, bytes.fromhex("0005 07 0000000104 0000003c 0000005504 00"))
    assert (message.count, len(message.parameters), message.trailing.hex()) == (7, 1, "000000550400")
    assert deviations == [dev.PARAMETERS_WRONG_COUNT, dev.PARAMETERS_OVERRUN]


def test_query_of_given_parameters() -> None:
    """0x8106: ids as 0x strings in JSON."""
    message = QueryGivenParameters(ids=(0x0001, 0xF364))
    assert message.encode().hex() == "02000000010000f364"
    assert message.to_json() == {"count": 2, "ids": ["0x00000001", "0x0000f364"]}


def test_time_answer_is_utc() -> None:
    """§13 item 24: the one time that is not GMT+8."""
    message, _ = decode(0x8004, bytes.fromhex("170315170923"), NEW)
    assert message == TimeAnswer(time=datetime(2017, 3, 15, 17, 9, 23, tzinfo=UTC))


def test_text_of_each_edition() -> None:
    """The type exists in 2019 only, and is needed there."""
    assert TextMessage(flags=8, text="你好").encode(OLD) == b"\x08" + "你好".encode("gbk")
    assert TextMessage(flags=8, text_type=1, text="你好").encode(NEW) == b"\x08\x01" + "你好".encode("gbk")
    with pytest.raises(EncodeError, match="text_type is needed"):
        TextMessage(flags=8, text="你好").encode(NEW)
    with pytest.raises(EncodeError, match="does not exist in edition 2013"):
        TextMessage(flags=8, text_type=1, text="你好").encode(OLD)


def test_transparent_data_of_2011() -> None:
    """Two lengths that agree with the body."""
    body = bytes.fromhex("41 00000002 0002 abcd")
    assert decode(0x0900, body)[0] == UplinkTransparent(
        data_type=0x41, total_length=2, package_length=2, data=b"\xab\xcd"
    )
    assert decode(0x0900, body[:-1])[0].data == body[1:-1]


@pytest.mark.parametrize(
    ("tail", "layout", "has_location", "data"),
    [
        (BASE + b"\xff\xd8\xff", OLD, True, b"\xff\xd8\xff"),
        (BASE + b"data", OLD, True, b"data"),
        (b"\xff\xd8" + bytes(60), OLD, False, b"\xff\xd8" + bytes(60)),
        (b"\xff\xd8" + BASE[2:] + b"\xff\xd8", OLD, True, b"\xff\xd8"),  # alarm flags that look like a JPEG
        (b"RIFF", OLD, False, b"RIFF"),
        (b"", OLD, False, b""),
        (bytes.fromhex("00000003 00000001") + b"\xff\xd8" + bytes(30), Edition.V2011, False, b"\xff\xd8" + bytes(30)),
    ],
)
def test_media_with_and_without_location(tail: bytes, layout: Edition, has_location: bool, data: bytes) -> None:
    """§8.1: 28 bytes of location, none, or the counters of 2011."""
    body = bytes.fromhex("00000007 00 00 01 02") + tail
    assert body_edition(0x0801, body, OLD) is layout
    message, deviations = decode(0x0801, body)
    assert isinstance(message, MediaUpload)
    assert (message.location is not None, message.data) == (has_location, data)
    assert deviations == ([dev.MEDIA_NO_LOCATION] if layout is OLD and not has_location else [])


@pytest.mark.parametrize(
    ("hexed", "layout", "expected"),
    [
        ("00000007", OLD, MediaUploadAnswer(media_id=7)),
        ("0000000700", OLD, MediaUploadAnswer(media_id=7, count=0)),
        ("00000007020002 0003", OLD, MediaUploadAnswer(media_id=7, part_numbers=(2, 3))),
        ("000900000007", Edition.V2011, MediaUploadAnswer(answer_serial=9, media_id=7)),
        ("000900000007010002", Edition.V2011, MediaUploadAnswer(answer_serial=9, media_id=7, part_numbers=(2,))),
    ],
)
def test_media_upload_answers(hexed: str, layout: Edition, expected: MediaUploadAnswer) -> None:
    """Four bytes when complete; a serial in front in 2011."""
    body = bytes.fromhex(hexed)
    assert body_edition(0x8800, body, OLD) is layout
    assert decode(0x8800, body) == (expected, [])


# ------------------------------------------------------------------------------------- 0x0704


def batch(*items: bytes, count: int | None = None) -> bytes:
    """A batch of items with right lengths."""
    head = (len(items) if count is None else count).to_bytes(2) + b"\x01"
    return head + b"".join(len(item).to_bytes(2) + item for item in items)


def test_batch_with_a_wrong_count() -> None:
    """The bytes decide."""
    message, deviations = decode(0x0704, batch(BASE, BASE, count=9))
    assert (message.count, len(message.items)) == (9, 2)
    assert deviations == [dev.BATCH_WRONG_COUNT]


def test_batch_with_an_item_that_is_no_location() -> None:
    """It is kept as bytes between the good ones."""
    message, deviations = decode(0x0704, batch(BASE, b"\1\2\3", BASE))
    assert [type(item) for item in message.items] == [LocationReport, UndecodedReport, LocationReport]
    assert message.items[1] == UndecodedReport(data=b"\1\2\3")
    assert deviations == [dev.BATCH_ITEM_UNDECODED]


def test_batch_whose_last_item_is_cut() -> None:
    """What is left of the last item is decoded, with its own cut item as trailing."""
    body = batch(BASE, BASE + bytes.fromhex("0104000000070202002d"))[:-3]
    deviations: list[str] = []
    message = LocationBatch.decode(body, OLD, deviations)
    last = message.items[1]
    assert isinstance(last, LocationReport)
    assert ([item.id for item in last.items], last.trailing.hex()) == ([1], "02")
    assert deviations == [dev.BATCH_ITEM_OVERRUN, dev.LOCATION_ITEMS_OVERRUN]


@pytest.mark.parametrize("cut", [1, 2, 10, 27])
def test_batch_cut_inside_a_location(cut: int) -> None:
    """Good items survive wherever the rest is cut."""
    body = batch(BASE, BASE)[: 3 + 30 + cut]
    deviations: list[str] = []
    message = LocationBatch.decode(body, OLD, deviations)
    assert message.items[0] == LocationReport.decode(BASE)
    assert message.trailing == (b"\0" if cut == 1 else b"")
    assert len(message.items) == (1 if cut == 1 else 2)


# -------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize("length", range(28))
def test_a_short_location_names_the_field_that_is_cut(length: int) -> None:
    """Truncated points at the first byte of the field that is not whole."""
    starts = {
        0: "alarm_flags",
        4: "status",
        8: "latitude",
        12: "longitude",
        16: "altitude_m",
        18: "speed_kmh",
        20: "heading_deg",
        22: "time",
    }
    with pytest.raises(Truncated) as caught:
        decode_body(0x0200, BASE[:length], OLD, [])
    start = max(at for at in starts if at <= length)
    assert (caught.value.offset, caught.value.field, caught.value.msg_id) == (start, starts[start], 0x0200)
    assert caught.value.raw == BASE[start:length]


@pytest.mark.parametrize(
    ("msg_id", "hexed", "offset", "field"),
    [
        (0x0001, "000100", 2, "answer_id"),
        (0x0201, "0001" + "00" * 10, 10, "location.latitude"),
        (0x0704, "0001", 2, "batch_type"),
        (0x8003, "0010 05 0002", 5, "part_numbers[1]"),
        (0x0702, "01250314153000000a31", 8, "driver_name"),
        (0x8106, "02 00000001 0000", 5, "ids[1]"),
    ],
)
def test_errors_say_where(msg_id: int, hexed: str, offset: int, field: str) -> None:
    """Offset in the body and path of the field."""
    with pytest.raises(BodyError) as caught:
        decode_body(msg_id, bytes.fromhex(hexed), OLD, [])
    assert (caught.value.offset, caught.value.field) == (offset, field)


def test_heartbeat_with_a_body() -> None:
    """§11 item 55: kept as trailing, noted, answered like any other."""
    message, deviations = decode(0x0002, b"\x64\x1f\x00")
    assert message == Heartbeat(trailing=b"\x64\x1f\x00")
    assert message.to_json() == {"trailing": "641f00"}
    assert deviations == [dev.BODY_TRAILING_BYTES]


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        (PlatformPartsRequest(first_serial=70_000, part_numbers=()), "first_serial"),
        (PlatformPartsRequest(first_serial=1, part_numbers=(1, -1)), "part_numbers"),
        (
            Register(province=1, city=1, manufacturer="123456", model="", terminal_id="", plate_color=1, plate=""),
            "limit",
        ),
        (Register(province=1, city=1, manufacturer=" 1", model="", terminal_id="", plate_color=1, plate=""), "padding"),
        (LocationAnswer(answer_serial=1, location=Heartbeat()), "LocationReport wanted"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_sent_is_an_encode_error(message: Any, complaint: str) -> None:
    """Our own mistakes are EncodeError and name the field or the reason."""
    with pytest.raises(EncodeError, match=complaint):
        message.encode(OLD)


def test_a_positive_angle_cannot_be_sent_as_southern() -> None:
    """The hemisphere is the status bit's business."""
    report = LocationReport.decode(BASE)
    fields = {spec.name: getattr(report, spec.name) for spec in report.SPECS}
    with pytest.raises(EncodeError, match="status bit 2"):
        LocationReport(**{**fields, "status": 4}).encode()


@pytest.mark.parametrize("status", ["00000003", "0000000f"])
@pytest.mark.parametrize("latitude", ["fea2781f", "80000001", "ffffffff"])
def test_twos_complement_angles(status: str, latitude: str) -> None:
    """§4.1: above 0x7FFFFFFF the sign is in the number, whatever the bits say, and it goes out the same."""
    body = BASE[:4] + bytes.fromhex(status + latitude) + BASE[12:]
    message, deviations = decode(0x0200, body)
    assert message.latitude == (int(latitude, 16) - (1 << 32)) / 1e6
    assert dev.LOCATION_SIGNED_COORDINATE in deviations


def test_angles_and_headings_out_of_range_are_kept_and_noted() -> None:
    """A latitude above 90 and a heading of 360 survive."""
    body = BASE[:8] + (95_000_000).to_bytes(4) + BASE[12:20] + (360).to_bytes(2) + BASE[22:]
    message, deviations = decode(0x0200, body)
    assert (message.latitude, message.heading_deg, deviations) == (95.0, 360, [dev.VALUE_OUT_OF_RANGE])


def test_altitudes_below_the_sea() -> None:
    """0xFF9C is -100 m."""
    assert decode(0x0200, BASE[:16] + b"\xff\x9c" + BASE[18:])[0].altitude_m == -100


# ------------------------------------------------------------------------------------ registry


def test_names_of_the_catalogue() -> None:
    """Every id has one English name, one term, and its direction by the top bit."""
    names = [row.name for row in CATALOGUE.values()]
    assert len(set(names)) == len(names)
    assert all(row.upward == (row.msg_id < 0x8000) for row in CATALOGUE.values())
    assert message_name(0x0200)[1:3] == ("location_report", "位置信息汇报")
    assert message_name(0x0F42)[1:3] == ("unknown", "未知消息")
    assert is_known(0x8606)
    assert not is_known(0x8609)
    assert message_class(0x8609) is None


@pytest.mark.parametrize(
    ("standard", "up", "down"),
    [(JT808, 31, 42), (JT1078, 4, 15), (ACTIVE_SAFETY, 4, 2), (DRIVER_IDENTITY, 4, 5)],
)
def test_every_id_of_a_standard_is_in_the_catalogue(standard: str, up: int, down: int) -> None:
    """As many ids per direction as the tables of the standard have."""
    ways = [row.upward for row in CATALOGUE.values() if row.standard == standard]
    assert (ways.count(True), ways.count(False)) == (up, down)


def test_minimum_lengths() -> None:
    """Derived from the declarations: the shortest layout of any edition."""
    least = {
        0x0001: 5, 0x0002: 0, 0x0003: 0, 0x0004: 0, 0x0005: 3, 0x0100: 25, 0x0102: 0, 0x0104: 3, 0x0200: 28,
        0x0201: 28, 0x0702: 7, 0x0704: 3, 0x0800: 8, 0x0801: 8, 0x0900: 1,
    }  # fmt: skip
    assert {msg_id: BODY_BYTES_MIN[msg_id] for msg_id in least} == least


def test_register_lengths_of_each_edition() -> None:
    """25, 37 and 76 bytes before the plate."""
    assert [Register.min_bytes(edition) for edition in ALL_EDITIONS] == [25, 37, 76]


def test_offsets_come_from_the_declaration() -> None:
    """Where the plate colour stands in each edition (§2.4), and the time of a location (§4.1)."""
    assert [Register.offset_of("plate_color", edition) for edition in ALL_EDITIONS] == [24, 36, 75]
    assert LocationReport.offset_of("time", OLD) == 22
    with pytest.raises(KeyError):
        Register.offset_of("colour", OLD)
