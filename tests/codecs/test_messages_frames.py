"""The worked frames of JT/T 808 §12, value by value, and back to the same bytes."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from jtgate.codecs.declare import Structure
from jtgate.codecs.edition import Edition
from jtgate.codecs.framing import Frame, FrameReader, wrap
from jtgate.codecs.header import Header, parse_header
from jtgate.codecs.items import LocationItem
from jtgate.codecs.jt808 import (
    Authenticate,
    DriverIdentity,
    Heartbeat,
    LocationBase,
    LocationBatch,
    LocationReport,
    MediaUpload,
    MediaUploadAnswer,
    Parameter,
    ParametersAnswer,
    PlatformGeneralAnswer,
    PlatformPartsRequest,
    Register,
    RegisterAnswer,
    SetParameters,
    TerminalGeneralAnswer,
)
from jtgate.codecs.jt808.additional import (
    Analog,
    CabinTemperature,
    Fuel,
    IoStatus,
    Mileage,
    RecorderSpeed,
    Satellites,
    SignalStrength,
    TyrePressure,
    VehicleSignals,
)
from jtgate.codecs.jt1078.items import VideoAlarm, VideoLoss
from jtgate.codecs.registry import body_edition, decode_body, encode_body


def gmt8(*fields: int) -> datetime:
    """A time of day as terminals count it, in UTC."""
    year, month, day, hour, minute, second = fields
    return datetime.fromisoformat(f"{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}+08:00").astimezone(UTC)


def items(*values: Structure) -> tuple[LocationItem, ...]:
    """Additional items of some values."""
    return tuple(LocationItem.of(value) for value in values)


def place(**fields: Any) -> dict[str, Any]:
    """Fields of a location, with zeros for what is not given."""
    return {"alarm_flags": 0, "altitude_m": 0, "speed_kmh": 0.0, "heading_deg": 0, **fields}


FRAMES: dict[str, tuple[str, int, str, Edition, Structure]] = {
    "F01": ("7e000200000139123456780001337e", 1, "013912345678", Edition.V2013, Heartbeat()),
    "F02": (
        "7e8001000501391234567800000001000200b77e",
        0,
        "013912345678",
        Edition.V2013,
        PlatformGeneralAnswer(answer_serial=1, answer_id=2, result=0),
    ),
    "F03": (
        "7e010000210139123456780002000b0064373031313142534a2d413620203035363738373202bea9413132333435167e",
        2,
        "013912345678",
        Edition.V2011,
        Register(
            province=11,
            city=100,
            manufacturer="70111",
            model="BSJ-A6",
            terminal_id="0567872",
            plate_color=2,
            plate="京A12345",
        ),
    ),
    "F04": (
        (
            "7e0100002d0139123456780002000b0064373031313142534a2d41362d42440000000000000000000000303536373837"
            "3202bea9413132333435317e"
        ),
        2,
        "013912345678",
        Edition.V2013,
        Register(
            province=11,
            city=100,
            manufacturer="70111",
            model="BSJ-A6-BD",
            terminal_id="0567872",
            plate_color=2,
            plate="京A12345",
        ),
    ),
    "F05": (
        "7e8100000c0139123456780001000200415554482d303030319a7e",
        1,
        "013912345678",
        Edition.V2013,
        RegisterAnswer(answer_serial=2, result=0, auth_code="AUTH-0001"),
    ),
    "F06": (
        "7e010200090139123456780003415554482d303030311d7e",
        3,
        "013912345678",
        Edition.V2013,
        Authenticate(auth_code="AUTH-0001"),
    ),
    "F07": (
        (
            "7e02000040013912345678000400000002000c00030260f57206f015b800340267005825031415092601040001e24002"
            "0201c70302025a2504000000122a0200022b040102030430011731010bd27e"
        ),
        4,
        "013912345678",
        Edition.V2013,
        LocationReport(
            **place(alarm_flags=2, altitude_m=52, speed_kmh=61.5, heading_deg=88),
            status=0x000C0003,
            latitude=39.908722,
            longitude=116.397496,
            time=gmt8(2025, 3, 14, 15, 9, 26),
            items=items(
                Mileage(mileage_km=12345.6),
                Fuel(fuel_l=45.5),
                RecorderSpeed(recorder_speed_kmh=60.2),
                VehicleSignals(vehicle_signals=1 << 1 | 1 << 4),
                IoStatus(io_status=2),
                Analog(analog_0=0x0304, analog_1=0x0102),
                SignalStrength(signal_strength=23),
                Satellites(satellites=11),
            ),
        ),
    ),
    "F08": (
        "7e0200001c0139123456780005000000000000000f015d87df0292c421000a00000167250314150927307e",
        5,
        "013912345678",
        Edition.V2013,
        LocationReport(
            **place(altitude_m=10, heading_deg=359),
            status=0x0F,
            latitude=-22.906847,
            longitude=-43.172897,
            time=gmt8(2025, 3, 14, 15, 9, 27),
        ),
    ),
    "F09": (
        "7e000100050139123456787d027d017d017d02810300b67e",
        0x7E7D,
        "013912345678",
        Edition.V2013,
        TerminalGeneralAnswer(answer_serial=0x7D7E, answer_id=0x8103, result=0),
    ),
    "F10": ("7e00020000013912345678004c7d027e", 0x4C, "013912345678", Edition.V2013, Heartbeat()),
    "F11": ("7e00020000013912345678004f7d017e", 0x4F, "013912345678", Edition.V2013, Heartbeat()),
    "F12": (
        (
            "7e070400450139123456780006000201001c00000000000000030260d36106ee98e100320064000a2503141510000022"
            "00000000000000030260d36206ee98e20033006e000b250314151010010400000007557e"
        ),
        6,
        "013912345678",
        Edition.V2013,
        LocationBatch(
            batch_type=1,
            items=(
                LocationReport(
                    **place(altitude_m=50, speed_kmh=10.0, heading_deg=10),
                    status=3,
                    latitude=39.900001,
                    longitude=116.300001,
                    time=gmt8(2025, 3, 14, 15, 10, 0),
                ),
                LocationReport(
                    **place(altitude_m=51, speed_kmh=11.0, heading_deg=11),
                    status=3,
                    latitude=39.900002,
                    longitude=116.300002,
                    time=gmt8(2025, 3, 14, 15, 10, 10),
                    items=items(Mileage(mileage_km=0.7)),
                ),
            ),
        ),
    ),
    "F15": (
        "7e8003000501391234567800020010010002a77e",
        2,
        "013912345678",
        Edition.V2013,
        PlatformPartsRequest(first_serial=0x10, part_numbers=(2,)),
    ),
    "F16": (
        "7e88000004013912345678000300000007b87e",
        3,
        "013912345678",
        Edition.V2013,
        MediaUploadAnswer(media_id=7),
    ),
    "F17": (
        "7e88000007013912345678000400000007010002bf7e",
        4,
        "013912345678",
        Edition.V2013,
        MediaUploadAnswer(media_id=7, part_numbers=(2,)),
    ),
    "F19": (
        (
            "7e8103003a01391234567800050500000001040000003c000000130f6770732e6578616d706c652e636f6d0000001804"
            "00001b6a0000008308bea9413132333435000000840102c67e"
        ),
        5,
        "013912345678",
        Edition.V2013,
        SetParameters(
            parameters=(
                Parameter.of(0x0001, 60),
                Parameter.of(0x0013, "gps.example.com"),
                Parameter.of(0x0018, 7018),
                Parameter.of(0x0083, "京A12345"),
                Parameter.of(0x0084, 2),
            )
        ),
    ),
    "F22": ("7e0002400001000000000139123456780001727e", 1, "00000000013912345678", Edition.V2019, Heartbeat()),
    "F23": (
        (
            "7e0100405501000000000139123456780002002c012c3434303330303730313131000000000000000000000000000000"
            "000000000000004456522d3230313949443230313930303030303100000000000000000000000000000000000005d4c1"
            "42443132333435557e"
        ),
        2,
        "00000000013912345678",
        Edition.V2019,
        Register(
            province=44,
            city=300,
            manufacturer="44030070111",
            model="DVR-2019",
            terminal_id="ID2019000001",
            plate_color=5,
            plate="粤BD12345",
        ),
    ),
    "F24": (
        (
            "7e0102402d0100000000013912345678000309415554482d3030303138363132333435363738393031323356332e312e"
            "3000000000000000000000000000002a7e"
        ),
        3,
        "00000000013912345678",
        Edition.V2019,
        Authenticate(auth_code="AUTH-0001", imei="861234567890123", software_version="V3.1.0"),
    ),
    "F25": (
        (
            "7e0200404c0100000000013912345678000400010000004800030157faf806cc62890014012c010e250314153000051e"
            "f8f7fafbffffffffffffffffffffffffffffffffffffffffffffffffffff06028005140400000001150400000005b47e"
        ),
        4,
        "00000000013912345678",
        Edition.V2019,
        LocationReport(
            **place(alarm_flags=1 << 16, altitude_m=20, speed_kmh=30.0, heading_deg=270),
            status=0x00480003,
            latitude=22.543096,
            longitude=114.057865,
            time=gmt8(2025, 3, 14, 15, 30, 0),
            items=items(
                TyrePressure(wheels=(0xF8, 0xF7, 0xFA, 0xFB, *[None] * 26)),
                CabinTemperature(temperature_c=-5),
                VideoAlarm(video_alarm_flags=1),
                VideoLoss(video_loss_channels=0b101),
            ),
        ),
    ),
    "F28": (
        "7e80034008010000000001391234567800090010000200020005e67e",
        9,
        "00000000013912345678",
        Edition.V2019,
        PlatformPartsRequest(first_serial=0x10, part_numbers=(2, 5)),
    ),
    "F30": (
        (
            "7e0702404401000000000139123456780005012503141530000004d5c5c8fd3131303130313139383030313031303031"
            "5800000ab1b1bea9bdbbcda8bed6203001013131303130313139383030313031303031580000047e"
        ),
        5,
        "00000000013912345678",
        Edition.V2019,
        DriverIdentity(
            status=1,
            time=gmt8(2025, 3, 14, 15, 30, 0),
            read_result=0,
            driver_name="张三",
            certificate="11010119800101001X",
            issuer="北京交通局",
            expiry=date(2030, 1, 1),
            id_number="11010119800101001X",
        ),
    ),
}


def opened(wire: str) -> tuple[bytes, Header, bytes]:
    """Payload, header and body of one frame in hex."""
    (frame,) = FrameReader().feed(bytes.fromhex(wire))
    assert isinstance(frame, Frame)
    return frame.payload, *parse_header(frame.payload)


@pytest.mark.parametrize("name", FRAMES)
def test_worked_frame(name: str) -> None:
    """The frame is the message, and the message is the frame."""
    wire, serial, phone, edition, expected = FRAMES[name]
    payload, header, body = opened(wire)
    deviations: list[str] = []
    assert (header.serial, header.phone, header.deviations) == (serial, phone, ())
    assert body_edition(header.msg_id, body, header.edition) is edition
    message = decode_body(header.msg_id, body, header.edition, deviations)
    assert message == expected
    assert not deviations
    assert encode_body(message, edition) == body
    assert expected.encode(edition) == body
    assert wrap(payload).hex() == wire


F13 = (
    "7e08012030013912345678001000020001000000070000010200000000000000030260d36106ee98e100320000000025"
    "0314152000ffd8ffe000104a4649460070127e"
)
F14 = "7e080120210139123456780011000200027172737475767778797a7b7c7d017d027f808182838485868788898a8b8c8d8e8fffd97f7e"


def test_worked_parts_of_a_picture() -> None:
    """F13 and F14: two parts, joined 81 bytes, 45 of them data behind the location."""
    _, first, head = opened(F13)
    _, second, tail = opened(F14)
    assert [(h.packet_total, h.packet_no, h.serial) for h in (first, second)] == [(2, 1, 16), (2, 2, 17)]
    message = MediaUpload.decode(head + tail)
    assert message == MediaUpload(
        media_id=7,
        media_type=0,
        media_format=0,
        event=1,
        channel=2,
        location=LocationBase(
            **place(altitude_m=50),
            status=3,
            latitude=39.900001,
            longitude=116.300001,
            time=gmt8(2025, 3, 14, 15, 20, 0),
        ),
        data=message.data,
    )
    assert len(message.data) == 45
    assert message.data.startswith(b"\xff\xd8\xff\xe0")
    assert message.data.endswith(bytes(range(0x71, 0x90)) + b"\xff\xd9")


def test_worked_part_of_a_parameter_list() -> None:
    """F29: the first part of 0x0104, as far as it goes."""
    wire = "7e0104600c010000000001391234567800ff0002000100090200000001040000003c967e"
    _, header, body = opened(wire)
    assert (header.serial, header.packet_total, header.packet_no) == (255, 2, 1)
    message = ParametersAnswer.decode(body, Edition.V2019)
    assert (message.answer_serial, message.count, message.parameters) == (9, 2, (Parameter.of(1, 60),))
