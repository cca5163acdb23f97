"""Messages about evidence files: worked examples, dialects, and what terminals do wrong (active-safety §4, §8)."""

from typing import Any

import pytest
from active_safety_frames import FRAMES, PICTURE, PLATFORM_NUMBER, VIDEO
from declared_strategies import SPECIAL
from hypothesis import given, settings
from hypothesis import strategies as st

from jtgate.codecs import deviations as dev
from jtgate.codecs.catalogue import message_name
from jtgate.codecs.describe import describe_wire
from jtgate.codecs.edition import Edition
from jtgate.codecs.errors import BodyError
from jtgate.codecs.header import encode_frames
from jtgate.codecs.jsatl12.alarm_number import ALARM_NUMBERS, SIZES_OF, AlarmNumber, read_alarm_number
from jtgate.codecs.jsatl12.attachments import (
    ALARM_SOURCES,
    COMPLETE,
    FILE_TYPES,
    FILE_TYPES_AUTO,
    FILE_TYPES_GD,
    INCOMPLETE,
    INFO_TYPES,
    RANGES_MAX,
    UPGRADE_STATES,
    UPLOAD_RESULTS,
    AlarmAttachments,
    AttachedFile,
    FileFinished,
    FileFinishedAnswer,
    FileInformation,
    MissingRange,
    RequestAttachments,
    UpgradeProgress,
)
from jtgate.codecs.jsatl12.filestream import is_same_file
from jtgate.codecs.jsatl12.record_file import GEARS, VehicleRecord, VehicleRecordFile, record_file
from jtgate.codecs.profile import AUTO, Dialect, Profile
from jtgate.codecs.wire import Span

V = Edition.V2013
TIME = "250612083015"
IDS = {
    16: b"A1B2C3D".hex(),
    38: b"HLJ0001".ljust(30, b"\0").hex(),
    39: b"SC00001".ljust(30, b"\0").hex(),
    40: b"GD00001".ljust(30, b"\0").hex(),
}
TAILS = {16: "000200", 38: "0002", 39: "000200", 40: "00020000"}
NUMBERS = {size: IDS[size] + TIME + TAILS[size] for size in IDS}
#: The terminal id before the number in 0x1210; 黑标 has none.
LEADS = {16: IDS[16], 38: "", 39: IDS[39], 40: IDS[40]}


def files(*names: str) -> str:
    """A list of files in hex, with its count."""
    return f"{len(names):02x}" + "".join(f"{len(name):02x}{name.encode().hex()}00000010" for name in names)


def attachments(size: int, *names: str, number: str = "") -> bytes:
    """The body of a 0x1210 of a dialect."""
    return bytes.fromhex(
        LEADS[size] + (number or NUMBERS[size]) + PLATFORM_NUMBER.encode().hex() + "00" + files(*names)
    )


def described(name: str) -> Any:
    """The JSON body of a worked frame."""
    (one,) = describe_wire(bytes.fromhex(FRAMES[name]))
    return one["body"]


# --------------------------------------------------------------------------------- worked examples (§7.7)


def test_worked_order() -> None:
    """0x9208 names server, alarm and the number that the platform gave it."""
    assert described("7.7 order") == {
        "address": "203.0.113.10",
        "tcp_port": 7612,
        "udp_port": 0,
        "alarm_number": {
            "terminal_id": "A1B2C3D", "time": "2025-06-12T08:30:15+08:00", "sequence": 0, "attachment_count": 2,
            "reserved": "00",
        },
        "platform_number": PLATFORM_NUMBER,
        "reserved": "00" * 16,
    }  # fmt: skip


def test_worked_list_of_attachments() -> None:
    """0x1210 lists a picture and a video whose name has exactly 50 bytes."""
    body = described("7.7.1 attachments")
    assert body["alarm"]["terminal_id"] == "A1B2C3D"
    assert body["alarm"]["alarm_number"] == described("7.7 order")["alarm_number"]
    assert (body["platform_number"], body["info_type"], body["count"]) == (PLATFORM_NUMBER, 0, 2)
    assert body["files"] == [{"name": PICTURE, "size_bytes": 16}, {"name": VIDEO, "size_bytes": 32}]
    assert len(VIDEO) == 50


def test_worked_messages_of_files() -> None:
    """0x1211, 0x1212 and both answers 0x9212."""
    assert described("7.7.3 picture") == {"name": PICTURE, "file_type": 0, "size_bytes": 16}
    assert described("7.7.12 video finished") == {"name": VIDEO, "file_type": 2, "size_bytes": 32}
    assert described("7.7.7 picture complete") == {
        "name": PICTURE, "file_type": 0, "result": COMPLETE, "count": 0, "ranges": [],
    }  # fmt: skip
    incomplete = described("7.7.13 video incomplete")
    assert (incomplete["result"], incomplete["ranges"]) == (INCOMPLETE, [{"offset": 8, "length": 8}])


def test_worked_list_of_guangdong_without_files() -> None:
    """§7.11: 104 bytes of 粤标 under a 2019 header."""
    body = described("7.11 attachments of 粤标, none")
    assert body["alarm"]["terminal_id"] == "GD20250613A1B2C3D4E5F6"
    assert body["alarm"]["alarm_number"]["reserved"] == "0000"
    assert (body["count"], body["files"]) == (0, [])


def test_answers_say_what_they_answer() -> None:
    """§4.3: 0x1210 and 0x1211 get 0x8001, 0x1212 gets 0x9212 instead."""
    answers = {msg_id: message_name(msg_id).answer for msg_id in (0x9208, 0x1210, 0x1211, 0x1212, 0x9212, 0x1FC4)}
    assert answers == {0x9208: 1, 0x1210: 0x8001, 0x1211: 0x8001, 0x1212: 0x9212, 0x9212: None, 0x1FC4: 0x8001}


@pytest.mark.parametrize(
    ("table", "codes"),
    [
        (FILE_TYPES, range(5)),
        (FILE_TYPES_GD, range(6)),
        (FILE_TYPES_AUTO, range(6)),
        (INFO_TYPES, (0, 1)),
        (UPLOAD_RESULTS, (0, 1)),
        (UPGRADE_STATES, range(1, 12)),
        (GEARS, range(12)),
    ],
)
def test_codes_of_a_table(table: Any, codes: Any) -> None:
    """The table has the rows of the document, in its order."""
    assert [row.code for row in table] == list(codes)


# ------------------------------------------------------------------------------------- 0x1210 in the dialects


@pytest.mark.parametrize("names", [(), (PICTURE,), (PICTURE, VIDEO, "x"), tuple(f"{n:02}" * 20 for n in range(30))])
@pytest.mark.parametrize("size", ALARM_SOURCES)
def test_dialect_of_a_list_is_found(size: int, names: tuple[str, ...]) -> None:
    """§4.7: (lead, S) is the one whose time is a time and whose list ends with the body."""
    deviations: list[str] = []
    body = attachments(size, *names)
    message = AlarmAttachments.decode(body, V, deviations)
    assert type(message.alarm) is ALARM_SOURCES[size]
    assert message.alarm.alarm_number.encode().hex() == NUMBERS[size]
    assert message.alarm.terminal_id == bytes.fromhex(LEADS[size]).rstrip(b"\0").decode()
    assert [file.name for file in message.files] == list(names)
    assert deviations == []
    assert message.encode() == body
    assert AlarmAttachments.from_json(message.to_json()).encode() == body


@pytest.mark.parametrize("size", ALARM_SOURCES)
@pytest.mark.parametrize(("dialect", "sizes"), SIZES_OF.items())
def test_a_dialect_is_tried_first_and_the_bytes_overrule_it(
    dialect: Dialect, sizes: tuple[int, ...], size: int
) -> None:
    """§4.7: what fits is read, and noted when it is another dialect's."""
    deviations: list[str] = []
    message = AlarmAttachments.decode(attachments(size, PICTURE), V, deviations, profile=Profile(dialect=dialect))
    assert type(message.alarm) is ALARM_SOURCES[size]
    assert deviations == ([] if size in sizes else [dev.ALARM_NUMBER_OTHER_DIALECT])


@pytest.mark.parametrize("size", ALARM_SOURCES)
def test_a_list_without_a_time_is_told_by_its_end(size: int) -> None:
    """A terminal without a clock: the list still ends with the body in one dialect only."""
    deviations: list[str] = []
    number = IDS[size] + "000000000000" + TAILS[size]
    message = AlarmAttachments.decode(attachments(size, PICTURE, VIDEO, number=number), V, deviations)
    assert type(message.alarm) is ALARM_SOURCES[size]
    assert deviations == [dev.TIME_NOT_A_DATE]


@pytest.mark.parametrize("size", [16, 40])
def test_bytes_behind_the_list_are_kept(size: int) -> None:
    """A surplus is no reason to lose the list; the time tells the dialect."""
    deviations: list[str] = []
    body = attachments(size, PICTURE) + b"\xee\xee"
    message = AlarmAttachments.decode(body, V, deviations)
    assert type(message.alarm) is ALARM_SOURCES[size]
    assert message.trailing == b"\xee\xee"
    assert deviations == [dev.BODY_TRAILING_BYTES]
    assert message.encode() == body


def test_a_body_of_no_dialect_is_refused_with_its_place() -> None:
    """With auto nothing can be said; a profile's dialect says how far it can be read."""
    body = attachments(16, PICTURE)[:-1]
    with pytest.raises(BodyError, match="no known form"):
        AlarmAttachments.decode(body)
    with pytest.raises(BodyError) as caught:
        AlarmAttachments.decode(body, profile=Profile(dialect=Dialect.SU))
    assert caught.value.field == "files[0].size_bytes"


def test_a_2019_header_with_the_list_of_jiangsu() -> None:
    """§4.8 row 1: the version of the header says nothing about S."""
    (wire,) = encode_frames(0x1210, attachments(16, PICTURE), phone="13812345678", serial=1, edition=Edition.V2019)
    (one,) = describe_wire(wire)
    body: Any = one["body"]
    assert (one["edition"], one["deviations"]) == ("2019", [])
    assert body["alarm"]["terminal_id"] == "A1B2C3D"


def test_a_long_list_comes_in_parts() -> None:
    """§4.3: eighteen names of 49 bytes are more than one frame holds; joined they are read."""
    names = [f"00_64_6401_{n:02}_{PLATFORM_NUMBER}.jp" for n in range(18)]
    body = attachments(16, *names)
    wire = encode_frames(0x1210, body, phone="13812345678", serial=65535, edition=V)
    assert len(wire) == 2
    whole: Any = describe_wire(b"".join(wire))[-1]
    assert [file["name"] for file in whole["body"]["files"]] == names


@settings(max_examples=200)
@given(st.data(), st.sampled_from(sorted(ALARM_SOURCES)))
def test_any_list_of_any_dialect_is_found(data: st.DataObject, size: int) -> None:
    """Random ids, reserved bytes and files with names of §4.4."""
    source = data.draw(SPECIAL[ALARM_SOURCES[size]](ALARM_SOURCES[size], V))
    names = st.from_regex(r"0[0-5]_6[45]_640[1-7]_[0-9]{1,2}_[0-9A-F]{32}\.(jpg|h264|mp4|bin)", fullmatch=True)
    entries = st.builds(AttachedFile, name=names, size_bytes=st.integers(0, 0xFFFFFFFF))
    message = AlarmAttachments(
        alarm=source, platform_number=PLATFORM_NUMBER, files=tuple(data.draw(st.lists(entries, max_size=6)))
    )
    assert AlarmAttachments.decode(message.encode()) == message


# --------------------------------------------------------------------------------------- 0x9208


@pytest.mark.parametrize("size", ALARM_NUMBERS)
def test_an_order_echoes_the_number_byte_for_byte(size: int) -> None:
    """§4.2, §4.8 row 7: 53 + k + S bytes, and whatever bytes the alarm had stand in it."""
    odd = (b"0" + bytes(size))[: size - 9] + b"\xff" * 6 + b"\x01\x02\x03"
    message = RequestAttachments(
        address="203.0.113.10", tcp_port=7612, alarm_number=read_alarm_number(odd), platform_number=PLATFORM_NUMBER
    )
    body = message.encode()
    assert len(body) == 53 + 12 + size
    assert body[17 : 17 + size] == odd
    again = RequestAttachments.decode(body)
    assert type(again.alarm_number) is ALARM_NUMBERS[size]
    assert again == message


@pytest.mark.parametrize(
    ("dialect", "size", "surplus"), [(Dialect.SC, 39, 1), (Dialect.SU, 16, 3), (Dialect.AUTO, 40, 5)]
)
def test_an_order_with_surplus_bytes(dialect: Dialect, size: int, surplus: int) -> None:
    """The longest number that leaves the fields behind it their bytes, the dialect's own first."""
    tail = PLATFORM_NUMBER.encode() + bytes(16 + surplus)
    body = b"\x011\x00\x01\x00\x00" + bytes.fromhex(NUMBERS[size]) + tail
    message = RequestAttachments.decode(body, profile=Profile(dialect=dialect))
    assert type(message.alarm_number) is ALARM_NUMBERS[size]
    assert (message.platform_number, len(message.trailing)) == (PLATFORM_NUMBER, surplus)
    assert message.encode() == body


def order(address: str, profile: Profile = AUTO) -> bytes:
    """The bytes of an order to some address."""
    number = AlarmNumber.decode(bytes.fromhex(NUMBERS[16]))
    made = RequestAttachments(address=address, tcp_port=1, alarm_number=number, platform_number=PLATFORM_NUMBER)
    return made.encode(V, profile)


def test_a_nul_behind_the_address_is_tolerated() -> None:
    """§4.8 row 8: 12 for an address of 11 characters; it is stripped for use and written again."""
    body = b"\x0c10.20.30.40\x00" + order("")[1:]
    deviations: list[str] = []
    message = RequestAttachments.decode(body, V, deviations)
    assert message.address == "10.20.30.40"
    assert deviations == [dev.TEXT_PADDING]
    assert message.encode() == body


def test_a_profile_adds_the_nul() -> None:
    """§4.8 row 8: without NUL by default, with it for models that want it; then its lack is noted."""
    own = Profile(address_nul=True)
    assert order("10.20.30.40")[:12] == b"\x0b10.20.30.40"
    assert order("10.20.30.40", own)[:13] == b"\x0c10.20.30.40\x00"
    for body, noted in ((order("a.example", own), []), (order("a.example"), [dev.TEXT_PADDING])):
        deviations: list[str] = []
        message = RequestAttachments.decode(body, V, deviations, profile=own)
        assert message.address == "a.example"
        assert deviations == noted
        assert message.encode(V, own) == body


@pytest.mark.parametrize("length", range(6, 54))
def test_an_order_too_short_is_refused(length: int) -> None:
    """A number that is cut off is no number."""
    with pytest.raises(BodyError):
        RequestAttachments.decode(order("1")[: length + 1])


# ------------------------------------------------------------------------------------- files and their names


@pytest.mark.parametrize("end", [b"", b"\x00", b"\x00\x00\x00", b"  ", b" \x00"])
def test_zeros_and_blanks_counted_in_a_name(end: bytes) -> None:
    """§4.8 row 9: stripped for matching, echoed as they came."""
    raw = PICTURE.encode() + end
    information = FileInformation.decode(bytes([len(raw)]) + raw + b"\x00\x00\x00\x00\x10")
    listed = AlarmAttachments.decode(attachments(16, raw.decode())).files[0]
    assert information.name == listed.name == PICTURE
    assert is_same_file(information.name, listed.name)
    answer = FileFinishedAnswer(name=information.name, file_type=information.file_type, result=COMPLETE).encode()
    assert answer == bytes([len(raw)]) + raw + b"\x00\x00\x00"


@pytest.mark.parametrize(
    ("dialect", "meaning"),
    [
        (Dialect.AUTO, "其它, 粤标面部特征图片 other, in Guangdong a face feature picture"),
        (Dialect.SU, "其它 other"),
        (Dialect.HLJ, "其它 other"),
        (Dialect.GD, "面部特征图片 face feature picture"),
    ],
)
def test_file_type_4_is_named_by_dialect(dialect: Dialect, meaning: str) -> None:
    """§8 item 12."""
    spans: list[Span] = []
    body = FileFinished(name="a", file_type=4, size_bytes=1).encode()
    FileFinished.decode(body, V, [], spans, profile=Profile(dialect=dialect))
    assert [span.meaning for span in spans if span.path == "file_type"] == [meaning]


def test_names_with_either_video_suffix_are_kept() -> None:
    """§8 item 13: h264 or mp4, whatever is inside; the name is a hint."""
    for suffix in ("h264", "mp4"):
        assert (
            FileFinished.decode(FileFinished(name=f"02.{suffix}", file_type=2, size_bytes=1).encode()).name
            == f"02.{suffix}"
        )


def test_ranges_are_eight_bytes_each() -> None:
    """§8 item 10: offset at 0 and length at 4; as many as a frame holds with a name of 50 bytes."""
    ranges = tuple(MissingRange(offset=n * 8, length=4) for n in range(RANGES_MAX))
    body = FileFinishedAnswer(name=VIDEO, file_type=2, result=INCOMPLETE, ranges=ranges).encode()
    assert body[51:70].hex(" ", -1) == "02 01 79 00 00 00 00 00 00 00 04 00 00 00 08 00 00 00 04"
    assert len(body) <= 1023 < len(body) + 8
    assert FileFinishedAnswer.decode(body).ranges == ranges


def test_upgrade_progress_of_guangdong() -> None:
    """§3.1: six bytes."""
    spans: list[Span] = []
    message = UpgradeProgress.decode(bytes.fromhex("000265013200"), V, [], spans)
    assert message.to_json() == {
        "command_serial": 2, "upgrade_type": 0x65, "state": 1, "progress_percent": 50, "error_code": 0,
    }  # fmt: skip
    assert [span.meaning for span in spans][1:3] == ["驾驶状态监控系统 DSM", "下载中 downloading"]
    deviations: list[str] = []
    UpgradeProgress.decode(bytes.fromhex("000265016500"), V, deviations)
    assert deviations == [dev.VALUE_OUT_OF_RANGE]


# ------------------------------------------------------------------------------ vehicle data record file (§4.5)

RECORD = (
    "00000001 00000000 00000002 00000003 01dc9a07 073109f1 0023 02a8 005a 250612083015 "
    "0001 ff9c 0064 0000 fff6 000a 02a8 02a6 0b 32 00 01 05dc ffd3 02 0000"
)


def test_a_record_has_the_layout_of_its_table() -> None:
    """§4.5: 64 bytes, each field at the offset that is printed, signs where values can be negative."""
    raw = bytes.fromhex(RECORD)
    deviations: list[str] = []
    record = VehicleRecord.decode(raw + bytes([sum(raw) & 0xFF]), V, deviations)
    assert deviations == []
    offsets = {
        "total": 0, "index": 4, "alarm_flags": 8, "status": 12, "latitude": 16, "longitude": 20, "altitude_m": 24,
        "speed_kmh": 26, "heading_deg": 28, "time": 30, "acceleration_x": 36, "acceleration_z": 40,
        "angular_rate_x": 42, "angular_rate_z": 46, "pulse_speed_kmh": 48, "obd_speed_kmh": 50, "gear": 52,
        "accelerator_percent": 53, "brake_percent": 54, "brake": 55, "engine_rpm": 56, "steering_angle_deg": 58,
        "turn_signal": 60, "reserved": 61, "checksum": 63,
    }  # fmt: skip
    assert {name: VehicleRecord.offset_of(name, V) for name in offsets} == offsets
    assert VehicleRecord.min_bytes(V) == 64
    assert (record.latitude, record.longitude, record.speed_kmh) == (31.234567, 120.654321, 68.0)
    assert (record.acceleration_x, record.acceleration_y, record.acceleration_z) == (0.01, -1.0, 1.0)
    assert (record.angular_rate_y, record.angular_rate_z, record.steering_angle_deg) == (-0.1, 0.1, -45)
    assert (record.gear, record.engine_rpm, record.turn_signal) == (11, 1500, 2)


@settings(max_examples=30)
@given(st.lists(SPECIAL[VehicleRecord](VehicleRecord, V), max_size=3))
def test_a_record_file_goes_both_ways(records: list[VehicleRecord]) -> None:
    """Blocks one after the other, numbered and with the low byte of their sum."""
    made = record_file(records)
    data = made.encode()
    assert len(data) == 64 * len(records)
    deviations: list[str] = []
    assert VehicleRecordFile.decode(data, V, deviations) == made
    assert dev.VEHICLE_RECORD_CHECKSUM not in deviations
    assert [sum(data[at : at + 63]) & 0xFF for at in range(0, len(data), 64)] == [one.checksum for one in made.records]


def test_a_wrong_checksum_is_noted_and_a_cut_block_kept() -> None:
    """What can be read of a damaged file is read."""
    raw = bytes.fromhex(RECORD)
    good = raw + bytes([sum(raw) & 0xFF])
    bad = raw + bytes([sum(raw) + 1 & 0xFF])
    deviations: list[str] = []
    found = VehicleRecordFile.decode(good + bad + good[:40], V, deviations)
    assert len(found.records) == 2
    assert found.trailing == good[:40]
    assert deviations == [dev.VEHICLE_RECORD_CHECKSUM, dev.BODY_TRAILING_BYTES]
    assert found.encode() == good + bad + good[:40]
