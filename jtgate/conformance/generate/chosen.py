"""Values that were chosen by hand, as JSON has them: of a field by its name, of one field of a class, of lists."""

from typing import Any, Final

from jtgate.codecs.declare import Structure, WhenPresent
from jtgate.codecs.edition import Edition
from jtgate.codecs.fields import FieldSpec
from jtgate.codecs.jt808.parameters import ParameterRow
from jtgate.codecs.presence import ByField

NOTHING: Final = object()

#: 终端手机号 of the terminal that all vectors are of; a number nobody has.
PHONE = "013800138000"

_TIME = "2026-11-23T10:20:30+08:00"
_MOVIE = "2026-11-23T08:00:00+08:00"
_MOVIE_END = "2026-11-23T08:10:00+08:00"
_FILE = "00_65_6502_0_5F2A9C0B7E4D41A6B3C8D9E0F1A2B3C4.jpg"
_JPEG = "ffd8ffe000104a46494600010101004800480000ffd9"

#: Field -> values, of which elements of a list take one after the other.
BY_NAME: dict[str, tuple[Any, ...]] = {
    # header-like and answers
    "answer_serial": (258,),
    "alarm_serial": (258,),
    "first_serial": (16,),
    "part_numbers": (2, 5),
    "ids": ("0x00000001", "0x00000013", "0x00000055"),
    # 位置
    "alarm_flags": (0,),
    "status": (0x000C0003,),
    "latitude": (39.908722, 41.123456, 22.543096),
    "longitude": (116.397496, 122.070123, 114.057865),
    "altitude_m": (52, -3, 20),
    "speed_kmh": (61, 58, 0),
    "heading_deg": (88, 271, 0),
    "time": (_TIME, "2026-11-23T10:20:40+08:00"),
    "start": (_MOVIE, _MOVIE_END),
    "end": (_MOVIE_END, "2026-11-23T08:20:00+08:00"),
    # 终端
    "province": (21,),
    "city": (200,),
    "manufacturer": ("70111",),
    "model": ("JG-T80",),
    "terminal_id": ("A1B2C3D",),
    "plate_color": (2,),
    "plate": ("辽B12345",),
    "auth_code": ("AUTH-0001",),
    "imei": ("861234567890123",),
    "iccid": ("89860012345678901234",),
    "software_version": ("V3.1.0",),
    "hardware_version": ("HW1.2",),
    "firmware_version": ("FW3.4.5",),
    "terminal_type": (0x0042,),
    "gnss_modules": (3,),
    "communication_modules": (8,),
    # 驾驶员
    "driver_name": ("李四",),
    "certificate": ("21020019900101001X",),
    "id_number": ("21020019900101001X",),
    "issuer": ("大连市交通运输局",),
    "expiry": ("2030-06-30",),
    "read_result": (0,),
    # 区域与路线
    "area_id": (1001, 1002),
    "route_id": (2001,),
    "segment_id": (31, 32),
    "point_id": (1, 2),
    "radius_m": (500, 1200),
    "width_m": (30, 20),
    "attribute": (0x002B,),
    "segment_attribute": (3, 0),
    "upper_left_latitude": (39.95, 41.2),
    "upper_left_longitude": (116.25, 122.0),
    "lower_right_latitude": (39.85, 41.1),
    "lower_right_longitude": (116.45, 122.2),
    "speed_limit_kmh": (60, 40),
    "overspeed_duration_s": (10, 15),
    "night_speed_limit_kmh": (40, 30),
    "travel_time_s": (900,),
    "travel_time_max_s": (900, 600),
    "travel_time_min_s": (300, 120),
    # 文本
    "text": ("前方危险品车辆检查站,请减速",),
    "question": ("是否到达卸货点?",),
    "content": ("已到达", "未到达"),
    "name": ("仓库", "加油站"),
    "phone": ("13800138000", "041182345678"),
    "interval_s": (10,),
    "validity_s": (600,),
    # 多媒体
    "media_id": (7, 8),
    "media_ids": (7, 8),
    "result": (0,),
    "command": (1,),
    "sample_rate": (0,),
    "quality": (5,),
    "brightness": (125,),
    "contrast": (60,),
    "saturation": (64,),
    "chroma": (128,),
    "exponent": (65537,),
    "modulus": ("c5" * 127 + "a7",),
    "number": (7, 21, 33, 9),
    "elevation_deg": (45, 30, 60, 15),
    "azimuth_deg": (180, 90, 300, 10),
    "carrier_to_noise_dbhz": (42, 38, 25, 30),
    "media_type": (0,),
    "media_format": (0,),
    "event": (1,),
    "channel": (1, 2),
    "data": (_JPEG,),
    # 音视频
    "server": ("192.0.2.10",),
    "address": ("192.0.2.10",),
    "apn": ("cmiot",),
    "dial_user": ("user",),
    "dial_password": ("secret",),
    "tcp_port": (1078,),
    "udp_port": (0,),
    "port": (21,),
    "user": ("video",),
    "password": ("pw01",),
    "path": ("/rec",),
    "size_bytes": (10_485_760,),
    "loss_percent": (3,),
    "audio_frame_bytes": (320,),
    # 主动安全
    "alarm_id": (7,),
    "flag": (1,),
    "alarm_type": (1,),
    "level": (2,),
    "sequence": (0,),
    "attachment_count": (2,),
    "vehicle_status": (0x0411,),
    "fatigue": (7,),
    "front_speed_kmh": (42,),
    "front_distance_100ms": (18,),
    "pressure_kpa": (520, 830),
    "temperature_c": (41, 86),
    "battery_percent": (88, 9),
    "alarm_number_id": ("5F2A9C0B7E4D41A6B3C8D9E0F1A2B3C4",),
    "road_sign": (1,),
    "road_sign_value": (60,),
    "departure": (0,),
    "threshold_1": (28,),
    "threshold_2": (0,),
    "time_threshold_s": (1,),
    "platform_number": ("5F2A9C0B7E4D41A6B3C8D9E0F1A2B3C4",),
    "file_type": (0, 2),
    "offset": (8, 64),
    "length": (8, 16),
    "similarity_percent": (92.5,),
    "threshold_percent": (80,),
    "face_id": ("FACE0001", "FACE0002"),
    "progress_percent": (60,),
    # 项
    "mileage_km": (12345.6,),
    "fuel_l": (45.5,),
    "recorder_speed_kmh": (60.2,),
    "alarm_event_id": (3,),
    "wheels": (0xF8, 0xF7, 0xFA, 0xFB, *(None,) * 26),
    "place_id": (1001,),
    "driving_time_s": (480,),
    "vehicle_signals": (0x12,),
    "analog_0": (0x0304,),
    "analog_1": (0x0102,),
    "signal_strength": (23,),
    "satellites": (11,),
    "video_loss_channels": (5,),
    "video_cover_channels": (2,),
    "fatigue_degree": (60,),
    # 参数
    "channels": (3,),
    "start_hour": (22,),
    "end_hour": (6,),
    "acceleration_g": (2.5,),
    "collision_time_ms": (20,),
    "storage_percent": (20,),
    "pre_recording_min": (1,),
    "rated_passengers": (45,),
    "fatigue_threshold": (60,),
    "key_frame_interval": (25,),
    "frame_rate": (25,),
    "bit_rate_kbps": (2048,),
    "wake_at": ("0730", "1200", "0000", "0000"),
    "off_at": ("0900", "1330", "0000", "0000"),
}

#: Class and field, or class, field and edition -> value; None leaves an optional field out.
BY_CLASS: dict[str, Any] = {
    "TakePicture.command": 3,
    "RecorderPosition.longitude": (116.3975, 122.07),
    "RecorderPosition.latitude": (39.90875, 41.1235),
    "SpeedStep.status": (0, 0x80),
    "StatusSignals.status": 0x88,
    "MileageError.status": 0,
    "ParameterChange.command": ("0xc2", "0x82"),
    "PlaybackControl.position": "2026-11-23T08:03:30+08:00",
    "PlaybackControl.control": 5,
    "PlaybackControl.speed": 0,
    "PassengerFlow.boarded": 12,
    "PassengerFlow.alighted": 5,
    "LiveControl.command": 1,
    "LiveControl.close_kind": 0,
    "VendorTimeAnswer.result": 0,
    "Resource.alarm_flags": (1, 1 << 33),
    "SetPolygon.attribute": 0x0003,
    "SetRoute.attribute": 0x0003,
    "MissingRange.length": (8, 16),
    "LocationBase.speed_kmh": 61.5,
    "TerminalGeneralAnswer.answer_id": "0x8103",
    "PlatformGeneralAnswer.answer_id": "0x0200",
    "TyreAlarm.position": (1, 3),
    "WaybillReport.content": "电子运单".encode("gbk").hex(),
    "AlarmNumber.reserved": "00",
    "AlarmNumberGd.reserved": "0000",
    "AlarmNumberHlj.reserved": "",
    "AlarmNumberGd.terminal_id": "GD20261123A1B2C3D4E5F6",
    "Authenticate.software_version": "V3.1.0",
    "CabinTemperature.temperature_c": -5,
    "CameraAnswer.result": 0,
    "CanItem.data": "0102030405060708",
    "CanItem.can_id": ("0x58fef100", "0x000007df"),
    "CanUpload.time": "15:09:26.123",
    "CompressedData.data": "1f8b08000000000002ff6360626060b460106e005200faff81c90c000000",
    "CustomArea.data": None,
    "DriverIdentity.status": 1,
    "DriverIdentity.face_match": None,
    "DriverIdentity.id_number@2013": None,
    "DriverIdentity.uid": None,
    "DsmAlarm.reserved": "00000000",
    "AreaIds.ids": (1001, 1002),
    "AreaQuery.ids": (1001, 1002),
    "AvAttributes.audio_codec": 6,
    "AvAttributes.video_codec": 98,
    "AvAttributes.audio_channels_max": 8,
    "AvAttributes.video_channels_max": 8,
    "Contact.name": ("张三", "调度室"),
    "DownlinkTransparent.package_length": 8,
    "DownlinkTransparent.total_length": 8,
    "FileFinished.name": _FILE,
    "FileFinishedAnswer.name": _FILE,
    "FileInformation.name": _FILE,
    "AttachedFile.name": (_FILE, "02_65_6502_0_5F2A9C0B7E4D41A6B3C8D9E0F1A2B3C4.h264"),
    "InformationService.content": "前方道路施工",
    "InformationService.total_length": 12,
    "MenuItem.name": ("路况", "天气"),
    "RequestAttachments.reserved": "00" * 16,
    "UplinkTransparent.package_length": 8,
    "UplinkTransparent.total_length": 8,
    "PtzRotate.speed": 64,
    "PushUpgrade.version": "V3.4.5",
    "PushUpgrade.data": "504b0304" + "00" * 12,
    "Register.manufacturer@2019": "44030070111",
    "Register.model@2019": "DVR-2019",
    "Register.terminal_id@2019": "ID2019000001",
    "SatelliteStatus.other_data": None,
    "TerminalControl.parameters": None,
    "TerminalControl.text": None,
    "WirelessUpgrade.url": "http://192.0.2.10/up/01_JG_T80_1.0.0_1.0.1.zip",
    "UplinkTransparent.data_type": 0x41,
    "UplinkTransparent.data": "0102030405060708",
    "DownlinkTransparent.data_type": 0x41,
    "DownlinkTransparent.data": "0102030405060708",
    "VendorTimeAnswer.year": 2026,
    "VendorTimeAnswer.month": 11,
    "VendorTimeAnswer.day": 23,
    "VendorTimeAnswer.hour": 2,
    "VendorTimeAnswer.minute": 20,
    "VendorTimeAnswer.second": 30,
}

#: Class, or class and edition -> a whole body in hex, for messages whose fields depend on one another.
BODIES: dict[str, str] = {
    # one circle, as in the set message
    "AreaQueryAnswer": "01 00000001 0101 000003e9 0028 0260d360 06ee98e0 000001f4 0004 b2d6bfe2",
    # 02H: ask for the clock; C2H: set it
    "RecorderCollect@2011": "02",
    "RecorderCollect": "02 aa7502 0000 00 dd",
    "RecorderSet@2011": "c2 261123102030",
    "RecorderSet@2019": "c2 261123102030",
    "RecorderSet": "c2 aa75c2 0006 00 261123102030 0f",
    # 02H, the clock of the recorder
    "RecorderUpload@2011": "02 000d 000d 557a02 0006 00 261123102030 3f",
    "RecorderUpload": "0006 02 557a02 0006 00 261123102030 3f",
}

#: Additional items of a typical location: id and value.
ITEMS: tuple[tuple[int, Any], ...] = (
    (0x01, {"mileage_km": 12345.6}),
    (0x02, {"fuel_l": 45.5}),
    (0x03, {"recorder_speed_kmh": 60.2}),
    (0x25, {"vehicle_signals": 0x12}),
    (0x30, {"signal_strength": 23}),
    (0x31, {"satellites": 11}),
)

#: A typical list of parameters: id and value.
PARAMETERS: tuple[tuple[int, Any], ...] = (
    (0x0001, 60),
    (0x0013, "gps.example.com"),
    (0x0055, 80),
    (0x0083, "辽B12345"),
    (0x0084, 2),
)


def value_of(owner: type[Structure], name: str, index: int, edition: Edition) -> Any:
    """The value of a field, NOTHING when none was chosen.

    Args:
        owner: class with the field; its bases count as well.
        name: of the field.
        index: of the element of a list.
        edition: whose layout applies.
    """
    for cls in owner.__mro__:
        for key in (f"{cls.__name__}.{name}@{edition}", f"{cls.__name__}.{name}"):
            if key in BY_CLASS:
                value = BY_CLASS[key]
                return value[index % len(value)] if isinstance(value, tuple) else value
    values = BY_NAME.get(name)
    return NOTHING if values is None else values[index % len(values)]


def body_of(cls_name: str, edition: Edition) -> bytes | None:
    """The body that was chosen for a message, None for those that are made field by field."""
    digits = BODIES.get(f"{cls_name}@{edition}", BODIES.get(cls_name))
    return None if digits is None else bytes.fromhex(digits)


def is_there(spec: FieldSpec, edition: Edition, before: dict[str, Any], *, optional: bool) -> bool:
    """Whether a field is on the wire.

    Args:
        spec: the field.
        edition: whose layout applies.
        before: the fields before it.
        optional: the answer where its presence depends on nothing but itself.
    """
    presence = spec.presence_in(edition)
    if presence is None:
        return True
    if isinstance(presence, ByField):
        return presence.wanted(before.get(presence.field))
    if isinstance(presence, WhenPresent):
        return before.get(presence.field) is not None
    return optional and spec.counts is None


#: Texts of parameters, by the end of their name.
_PARAMETER_TEXTS: tuple[tuple[str, str], ...] = (
    ("apn", "cmiot"),
    ("user", "user"),
    ("password", "secret"),
    ("server", "gps.example.com"),
    ("phone", "13800138000"),
    ("number", "13800138000"),
    ("plate", "辽B12345"),
)

#: Numbers of parameters that are not told by their unit.
_PARAMETER_NUMBERS: dict[str, int] = {
    "province": 21,
    "city": 200,
    "plate_color": 2,
    "speed_limit_kmh": 80,
    "odometer_0_1_km": 123456,
}


def parameter_text(row: ParameterRow) -> str:
    """A plausible text of a parameter."""
    return next((text for end, text in _PARAMETER_TEXTS if row.name.endswith(end)), "TEXT")


def parameter_number(row: ParameterRow) -> int:
    """A plausible number of a parameter."""
    if row.name.endswith("port"):
        return 7018
    return _PARAMETER_NUMBERS.get(row.name, {"s": 30, "m": 500, "°": 30, "km/h": 60, "ms": 500}.get(row.unit, 1))
