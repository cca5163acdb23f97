"""Control of terminal and vehicle, tracking, alarm confirmation, satellites; the rows of §13 about them (JT/T 808)."""

import pickle
from datetime import UTC, datetime
from typing import Any

import pytest

from jtgate.codecs import deviations as dev
from jtgate.codecs.edition import ALL_EDITIONS, Edition
from jtgate.codecs.errors import BodyError, EncodeError, Truncated
from jtgate.codecs.examples import example
from jtgate.codecs.framing import Frame, FrameReader, wrap
from jtgate.codecs.header import parse_header
from jtgate.codecs.jt808 import (
    ConfirmAlarm,
    ControlItem,
    LinkDetection,
    LocationBase,
    LocationReport,
    SatelliteSignal,
    SatelliteStatus,
    ServerConnection,
    TerminalControl,
    TrackingControl,
    VehicleControl,
    VehicleControlAnswer,
    WirelessUpgrade,
)
from jtgate.codecs.jt808.control import (
    CONFIRMED_ALARMS,
    CONNECT_CONTROLS,
    CONTROL_COMMANDS,
    DOOR_CONTROLS,
    UPGRADE_DEVICES,
    VEHICLE_CONTROL_FLAGS,
)
from jtgate.codecs.jt808.joined import WireInt
from jtgate.codecs.jt808.tables import ALARM_FLAG_ROWS
from jtgate.codecs.profile import AUTO, Profile, profile_from
from jtgate.codecs.registry import body_edition, decode_body, encode_body
from jtgate.codecs.wire import Span

OLD, NEW = Edition.V2013, Edition.V2019
BINARY = profile_from("binary", {"control_numbers": "binary"})
BASE = bytes.fromhex("00000000000000030260d36106ee98e100320064000a250314151000")


def decode(msg_id: int, body: bytes, edition: Edition = OLD, profile: Profile = AUTO) -> tuple[Any, list[str]]:
    """The message and the deviations; it goes out as it came."""
    deviations: list[str] = []
    message = decode_body(msg_id, body, edition, deviations, profile=profile)
    assert encode_body(message, body_edition(msg_id, body, edition, profile), profile) == body
    return message, deviations


# --------------------------------------------------------------------------------- 0x8105


def test_commands_of_the_standard() -> None:
    """1 to 7, of which 2019 keeps 2, 4 and 5."""
    standard = [row.code for row in CONTROL_COMMANDS if row.code <= 7]
    assert standard == [1, 2, 3, 4, 5, 6, 7]
    assert [code for code in standard if CONTROL_COMMANDS.get(code, NEW)] == [2, 4, 5]
    assert [row.code for row in CONNECT_CONTROLS] == [0, 1]


@pytest.mark.parametrize("command", [3, 4, 5, 6, 7])
@pytest.mark.parametrize("edition", ALL_EDITIONS)
def test_commands_without_parameters(command: int, edition: Edition) -> None:
    """The command alone; anything behind it is kept and noted."""
    assert decode(0x8105, bytes([command]), edition) == (TerminalControl(command=command), [])
    message, deviations = decode(0x8105, bytes([command]) + b"x;y", edition)
    assert (message.parameters, deviations) == (b"x;y", [dev.CONTROL_OTHER_PARAMETERS])


UPGRADE = WirelessUpgrade(
    url="ftp://h/03_ACME_M1_V1_V2.bin",
    apn="cmnet",
    dial_user="u",
    dial_password="p",
    address="10.0.0.1",
    tcp_port=7018,
    udp_port=15163,  # 0x3B3B: in binary it looks like two separators
    manufacturer="70111",
    hardware_version="H1",
    firmware_version="F1",
    time_limit_min=60,
)
UPGRADE_TEXT = b"\x01ftp://h/03_ACME_M1_V1_V2.bin;cmnet;u;p;10.0.0.1;7018;15163;70111;H1;F1;60"


@pytest.mark.parametrize("edition", ALL_EDITIONS)
def test_row_21_of_section_13_numbers_as_text(edition: Edition) -> None:
    """§13 item 21: eleven fields of command 1 in decimal text."""
    message = TerminalControl(command=1, upgrade=UPGRADE)
    assert message.encode(edition) == UPGRADE_TEXT
    assert decode(0x8105, UPGRADE_TEXT, edition) == (message, [])


def test_row_21_of_section_13_numbers_as_binary_words() -> None:
    """§13 item 21: a terminal whose profile wants WORDs gets WORDs."""
    server = ServerConnection(connect_control=0, address="a", tcp_port=7018, udp_port=0x3132, time_limit_min=0)
    message = TerminalControl(command=2, connection=server)
    binary = b"\x02\x00;;;;;a;\x1b\x6a;12;\x00\x00"
    assert message.encode(OLD, BINARY) == binary
    assert message.encode(OLD) == b"\x020;;;;;a;7018;12594;0"
    assert decode(0x8105, binary, OLD, BINARY) == (message, [])


def test_row_21_of_section_13_binary_words_without_a_profile() -> None:
    """§13 item 21: what cannot be text is read as a WORD, noted, and goes out as it came."""
    message, deviations = decode(0x8105, b"\x02\x00;;;;;a;\x1b\x6a;\x22f;\x00\x3c")
    found = message.connection
    assert (found.connect_control, found.tcp_port, found.udp_port, found.time_limit_min) == (0, 7018, 0x2266, 60)
    assert deviations == [dev.CONTROL_BINARY_NUMBER]
    held = decode(0x8105, b"\x020;;;;;a;A;;;5")[0].connection
    assert (held.tcp_port, held.udp_port, held.time_limit_min) == (0x413B, None, 5)


def test_a_number_remembers_its_bytes() -> None:
    """Binary, padded and oversized numbers are copied and sent between processes with their bytes."""
    padded, deviations = decode(0x8105, b"\x020;;;;;a;07018;70000;0")
    assert (padded.connection.tcp_port, padded.connection.udp_port) == (7018, 70000)
    assert deviations == [dev.CONTROL_BINARY_NUMBER, dev.VALUE_OUT_OF_RANGE]
    assert pickle.loads(pickle.dumps(padded)).encode() == padded.encode()
    assert isinstance(padded.connection.tcp_port, WireInt)
    assert padded.to_json()["connection"]["tcp_port"] == 7018


def test_back_to_the_default_server() -> None:
    """Nothing follows connect control 1; empty fields behind it are read too."""
    back = TerminalControl(command=2, connection=ServerConnection(connect_control=1))
    assert back.encode() == b"\x021"
    assert decode(0x8105, b"\x021") == (back, [])
    message, deviations = decode(0x8105, b"\x021;;;;;;;;")
    assert (message.connection.connect_control, message.connection.field_count, deviations) == (1, 9, [])


def test_lists_that_end_early() -> None:
    """Missing fields are empty, and go out missing again."""
    message, deviations = decode(0x8105, b"\x01http://h/f.bin;cmnet")
    assert message.upgrade == WirelessUpgrade(url="http://h/f.bin", apn="cmnet", field_count=2)
    assert deviations == [dev.CONTROL_SHORT]
    with pytest.raises(EncodeError, match="1 fields do not hold"):
        TerminalControl(command=1, upgrade=WirelessUpgrade(url="u", apn="a", field_count=1)).encode()
    with pytest.raises(EncodeError, match="0 fields"):
        TerminalControl(command=1, upgrade=WirelessUpgrade(field_count=0)).encode()


@pytest.mark.parametrize(
    "parameters",
    [b"u;;;;;80;80;m;h;f;1;", b"u;;;;;port;80;m;h;f;1", b";;;;;;;;;;;;", b"u;;;;;" + b"9" * 5000 + b";80;m;h;f;1"],
)
def test_parameters_of_other_forms_are_kept_whole(parameters: bytes) -> None:
    """Too many fields, or text where a number should be: the bytes, and a deviation."""
    message, deviations = decode(0x8105, b"\x01" + parameters)
    assert (message.upgrade, message.parameters, deviations) == (None, parameters, [dev.CONTROL_OTHER_PARAMETERS])


@pytest.mark.parametrize(
    ("body", "command", "field", "value"),
    [
        (b"#0;1", 0x23, "text", "0;1"),
        (b"#0;0", 0x23, "text", "0;0"),
        (b"#\x00\xff", 0x23, "parameters", b"\x00\xff"),
        (b"\x64", 0x64, "parameters", None),
        (b"\xf0\x01", 0xF0, "parameters", b"\x01"),
    ],
)
def test_commands_of_vendors(body: bytes, command: int, field: str, value: object) -> None:
    """Kept raw, without a deviation; "#0;1" stands directly after the id of the message and is shown as text."""
    message, deviations = decode(0x8105, body)
    assert (message.command, getattr(message, field), deviations) == (command, value, [])
    assert "厂商" in CONTROL_COMMANDS.meaning(command)


def test_parameters_of_the_wrong_command_are_refused() -> None:
    """Neither structured parameters under another command nor the separator inside a text can be sent."""
    with pytest.raises(EncodeError, match="only sent when command is 1"):
        TerminalControl(command=4, upgrade=UPGRADE).encode()
    with pytest.raises(EncodeError, match="alone"):
        TerminalControl(command=1, upgrade=UPGRADE, parameters=b";").encode()
    with pytest.raises(EncodeError, match=r"upgrade\.apn.*separator"):
        TerminalControl(command=1, upgrade=WirelessUpgrade(apn="a;b")).encode()
    with pytest.raises(EncodeError, match=r"upgrade\.tcp_port"):
        TerminalControl(command=1, upgrade=WirelessUpgrade(tcp_port=70000)).encode()


def test_rows_of_joined_fields() -> None:
    """Each field with the separator behind it, and what the name of an upgrade file says (active safety §3.1)."""
    spans: list[Span] = []
    TerminalControl.decode(UPGRADE_TEXT, OLD, [], spans)
    assert b"".join(span.raw for span in spans) == UPGRADE_TEXT
    url, apn = spans[1], spans[2]
    assert (url.path, url.offset, url.raw[-1:]) == ("upgrade.url", 1, b";")
    assert url.meaning == "高级驾驶辅助系统 ADAS, ACME M1, V1 → V2"
    assert (apn.path, apn.value, apn.raw) == ("upgrade.apn", "cmnet", b"cmnet;")
    assert [row.code for row in UPGRADE_DEVICES] == [1, 3, 4, 5, 6]
    back: list[Span] = []
    TerminalControl.decode(b"\x021", OLD, [], back)
    assert back[1].meaning == "切换回原缺省监控平台服务器 back to the default server"


def test_joined_fields_from_json() -> None:
    """As people type them, numbers as text too."""
    typed = {"command": "无线升级", "upgrade": {"url": "u", "tcp_port": "80"}}
    assert TerminalControl.from_json(typed).encode() == b"\x01u;;;;;80;;;;;"
    named = {"command": 2, "connection": {"connect_control": "back to the default server"}}
    assert TerminalControl.from_json(named).encode() == b"\x021"
    short = {"command": 1, "upgrade": {"url": "u", "field_count": "2"}}
    assert TerminalControl.from_json(short).encode() == b"\x01u;"


def test_joined_fields_stand_alone_too() -> None:
    """Read and written without the message around them, they are joined as well; the examples show complete ones."""
    shown: Any = example(TerminalControl, NEW)
    assert shown.connection.address
    assert shown.connection.field_count is None
    assert UPGRADE.encode() == UPGRADE_TEXT[1:]
    assert WirelessUpgrade.decode(UPGRADE_TEXT[1:]) == UPGRADE


def test_joined_fields_say_what_they_are() -> None:
    """Types and possible values for the page of the message."""
    (control, connection) = (TerminalControl.LAYOUTS[NEW][2], ServerConnection.LAYOUTS[NEW])
    assert control.kind.wire_type(NEW) == "ServerConnection, joined by ';'"
    assert [spec.kind.wire_type(NEW) for spec in connection[:3]] == [
        "no bytes; the fields found",
        "decimal STRING to the next ';'",
        "STRING to the next ';'",
    ]
    assert connection[1].possible(NEW) == "0 to 255"
    assert (ServerConnection.min_bytes(NEW), TerminalControl.min_bytes(NEW)) == (0, 1)
    assert {spec.kind.min_bytes(NEW) for spec in (control, *connection)} == {0}


# ------------------------------------------------------------------------- 0x8202 to 0x8204


@pytest.mark.parametrize("edition", ALL_EDITIONS)
def test_tracking_is_stopped_by_the_interval_alone(edition: Edition) -> None:
    """Interval and validity, or interval 0 and nothing; a validity behind 0 is read and noted."""
    assert decode(0x8202, b"\0\x05\0\0\x02\x58", edition) == (TrackingControl(interval_s=5, validity_s=600), [])
    assert decode(0x8202, b"\0\0", edition) == (TrackingControl(interval_s=0), [])
    assert TrackingControl(interval_s=0).encode(edition) == b"\0\0"
    message, deviations = decode(0x8202, b"\0\0\0\0\0\1", edition)
    assert (message.validity_s, deviations) == (1, [dev.TRACKING_AFTER_STOP])
    with pytest.raises(EncodeError, match="validity_s is needed"):
        TrackingControl(interval_s=5).encode(edition)
    with pytest.raises(Truncated):
        decode(0x8202, b"\0\5\0\0", edition)


def test_alarms_that_can_be_confirmed() -> None:
    """Bits 0, 3, 20, 21, 22, 27 and 28: those of 2013 that are cleared by an answer, but for the door."""
    assert [row.no for row in CONFIRMED_ALARMS] == [0, 3, 20, 21, 22, 27, 28]
    assert {row.no for row in ALARM_FLAG_ROWS if row.v2013 == "A"} - {31} == {row.no for row in CONFIRMED_ALARMS}
    message, deviations = decode(0x8203, b"\x15\xb2\x18\x00\x00\x01")
    assert message == ConfirmAlarm(alarm_serial=0x15B2, alarm_types=0x18000001)
    assert not deviations
    assert "reserved bit 1" in CONFIRMED_ALARMS.meaning(2)


def test_link_detection_is_empty() -> None:
    """0x8204 of 2019."""
    assert decode(0x8204, b"", NEW) == (LinkDetection(), [])


# ------------------------------------------------------------------------- 0x8500 and 0x0500


def test_row_7_of_section_13_the_sense_of_the_door() -> None:
    """§13 item 7: 1 locks before 2019, 0 locks in 2019."""
    for edition in (Edition.V2011, OLD):
        assert VehicleControl.doors(edition, lock=True).encode(edition) == b"\x01"
        assert VehicleControl.doors(edition, lock=False).encode(edition) == b"\x00"
    assert VehicleControl.doors(NEW, lock=True).encode(NEW) == b"\0\x01\0\x01\x00"
    assert VehicleControl.doors(NEW, lock=False).encode(NEW) == b"\0\x01\0\x01\x01"
    assert VEHICLE_CONTROL_FLAGS.meaning(0, OLD) == "车门解锁 unlock doors"
    assert VEHICLE_CONTROL_FLAGS.meaning(1, OLD) == "车门加锁 lock doors"
    assert DOOR_CONTROLS.meaning(0) == "车门锁闭 lock"


@pytest.mark.parametrize(("control_count", "head"), [("word", b"\0\x02"), ("byte", b"\x02"), ("none", b"")])
def test_row_6_of_section_13_the_number_of_controls(control_count: str, head: bytes) -> None:
    """§13 item 6: a WORD, a BYTE or nothing before the list, by the profile."""
    profile = profile_from("count", {"control_count": control_count})
    message = VehicleControl(
        controls=(ControlItem(control_type=1, door=0), ControlItem(control_type=0xF001, parameter=b"\x01"))
    )
    body = head + bytes.fromhex("000100 f00101")
    assert message.encode(NEW, profile) == body
    assert decode(0x8500, body, NEW, profile) == (message, [])


def test_controls_of_an_unknown_type_go_to_the_end() -> None:
    """Nobody says how long they are, so what follows is theirs, and the count does not fit."""
    message, deviations = decode(0x8500, bytes.fromhex("0002 f00101 000100"), NEW)
    assert message.controls == (ControlItem(control_type=0xF001, parameter=bytes.fromhex("01000100")),)
    assert (message.count, deviations) == (2, [dev.LIST_WRONG_COUNT])
    assert decode(0x8500, bytes.fromhex("0001 f002"), NEW)[0].controls[0].parameter == b""
    with pytest.raises(Truncated):
        decode(0x8500, bytes.fromhex("0001 0001"), NEW)


def test_vehicle_control_under_the_other_header() -> None:
    """One byte is the flags of before 2019, a list that fits is that of 2019."""
    message, deviations = decode(0x8500, b"\x01", NEW)
    assert (message, deviations) == (VehicleControl(flags=1), [dev.BODY_OLD_LAYOUT])
    message, deviations = decode(0x8500, bytes.fromhex("0001 0001 00"), OLD)
    assert (message, deviations) == (VehicleControl.doors(NEW, lock=True), [dev.BODY_NEW_LAYOUT])
    message, deviations = decode(0x8500, b"\x01\x00", OLD)
    assert (message.flags, message.trailing, deviations) == (1, b"\0", [dev.BODY_TRAILING_BYTES])


def test_vehicle_control_answer_holds_a_location() -> None:
    """The serial, then a whole location report."""
    message, deviations = decode(0x0500, b"\x03\xe8" + BASE + bytes.fromhex("30011f"))
    assert message == VehicleControlAnswer(
        answer_serial=1000, location=LocationReport.decode(BASE + bytes.fromhex("30011f"))
    )
    assert not deviations
    cut, deviations = decode(0x0500, b"\x03\xe8" + BASE + bytes.fromhex("3005"))
    assert (cut.trailing, deviations) == (bytes.fromhex("3005"), [dev.LOCATION_ITEMS_OVERRUN])
    with pytest.raises(Truncated):
        decode(0x0500, b"\x03\xe8" + BASE[:-1])


# --------------------------------------------------------------------------------- 0x0205


def test_satellites_of_a_terminal_of_2019() -> None:
    """Values out of range are noted; lists that do not fit are an error."""
    good = b"\x01\xc9\x5b\x01\x68\x64\0\0\0" + BASE
    message, deviations = decode(0x0205, good, NEW)
    assert (message.beidou_count, message.gps, message.location.time.year) == (1, (), 2025)
    assert deviations == [dev.VALUE_OUT_OF_RANGE]
    assert decode(0x0205, good, OLD) == (message, deviations)
    with pytest.raises(Truncated) as caught:
        decode(0x0205, b"\x02" + good[1:], NEW)
    assert caught.value.field == "location.time"


def test_the_id_of_satellites_before_the_amendment() -> None:
    """A terminal of 2013 that means something else by 0x0205 is not refused; its bytes are kept."""
    message, deviations = decode(0x0205, b"HBM601CVM0563", OLD)
    assert (message.other_data, message.location, deviations) == (b"HBM601CVM0563", None, [dev.SATELLITES_OTHER_BODY])
    with pytest.raises(BodyError):
        decode(0x0205, b"HBM601CVM0563", NEW)


# --------------------------------------------------------------------------- worked frames

FRAMES = {
    "F26": (
        "7e85004005010000000001391234567800070001000100f67e",
        VehicleControl(count=1, controls=(ControlItem(control_type=1, door=0),)),
    ),
    "F31": (
        (
            "7e0205402a0100000000013912345678000601072d00b42a010c1e005a26000000000000000c00030260f57206f015b8"
            "003400000000250314160000217e"
        ),
        SatelliteStatus(
            beidou=(SatelliteSignal(number=7, elevation_deg=45, azimuth_deg=180, carrier_to_noise_dbhz=42),),
            beidou_count=1,
            gps=(SatelliteSignal(number=12, elevation_deg=30, azimuth_deg=90, carrier_to_noise_dbhz=38),),
            gps_count=1,
            glonass_count=0,
            galileo_count=0,
            location=LocationBase(
                alarm_flags=0,
                status=0x000C0003,
                latitude=39.908722,
                longitude=116.397496,
                altitude_m=52,
                speed_kmh=0.0,
                heading_deg=0,
                time=datetime(2025, 3, 14, 8, 0, 0, tzinfo=UTC),
            ),
        ),
    ),
}


@pytest.mark.parametrize("name", FRAMES)
def test_worked_frame(name: str) -> None:
    """§12, value by value and back to the same bytes."""
    wire, expected = FRAMES[name]
    (frame,) = FrameReader().feed(bytes.fromhex(wire))
    assert isinstance(frame, Frame)
    header, body = parse_header(frame.payload)
    assert decode(header.msg_id, body, header.edition) == (expected, [])
    assert expected.encode(NEW) == body
    assert wrap(frame.payload).hex() == wire
