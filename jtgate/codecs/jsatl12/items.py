"""Items of location reports: alarms 0x64–0x68, 0x70 and 0x71, abnormalities 0xF1 and 0xF2 (active-safety §1).

Each alarm ends with its identification number 报警标识号, whose length S differs by dialect, see `alarm_number`.
0x32 of 黑标 and its 0x71 have no published layout and stay raw.
"""

from jtgate.codecs import deviations as dev
from jtgate.codecs.declare import (
    Structure,
    bcd_time,
    byte,
    count_of,
    dword,
    dword_latitude,
    dword_longitude,
    of_kind,
    one_of,
    raw,
    repeat,
    structure,
    word,
)
from jtgate.codecs.edition import Edition
from jtgate.codecs.groups import OneOf
from jtgate.codecs.items import item, one_byte_more
from jtgate.codecs.jsatl12.alarm_number import (
    ALARM_NUMBERS,
    FORMS,
    TIME_BYTES,
    AlarmNumber,
    AlarmNumberGd,
    has_time,
    note_other_dialect,
    number_to_end,
    sizes_to_try,
)
from jtgate.codecs.jsatl12.by_dialect import CodeByDialect, types_in, with_own_names
from jtgate.codecs.jsatl12.tables import (
    ADAS_TYPES,
    BSD_TYPES,
    DEPARTURES,
    DSM_TYPES,
    FLAG_STATES,
    FLAG_STATES_SC,
    HARSH_DRIVING_TYPES,
    LEVELS,
    PASSENGER_TYPES,
    ROAD_SIGNS,
    SPEEDING_KINDS,
    TYRE_ALARMS,
    VEHICLE_STATUS,
)
from jtgate.codecs.profile import Dialect
from jtgate.codecs.timebase import RawTime, WireTime, decode_bcd_time
from jtgate.codecs.wire import Scope

__all__ = [
    "ALARM_NUMBERS",
    "AdasAlarm",
    "AlarmNumber",
    "AlgorithmAbnormality",
    "BsdAlarm",
    "DsmAlarm",
    "HarshDrivingAlarm",
    "InstallationAbnormality",
    "PassengerAlarm",
    "PositioningAlarm",
    "TpmsAlarm",
    "TyreAlarm",
    "WideTyreAlarm",
    "ZjBsdAlarm",
    "tyre_form",
]


def _lengths(alarm: type[Structure]) -> frozenset[int]:
    """Lengths that an alarm item has in the dialects (§1.9)."""
    head = alarm.offset_of("alarm_number", Edition.V2013)
    return frozenset(head + size for size in ALARM_NUMBERS)


#: Widths of an item of the tyre list (§8 item 2).
TYRE_WIDTHS = (9, 10)


def _tyre_list_fitting(rest: bytes, scope: Scope) -> type[AlarmNumber] | None:
    """The form after which the count and n items of 9 or 10 bytes end exactly (§1.9).

    Of several that of the profile's own width, then one whose time is a calendar time, then the first.
    """
    fitting = [
        (size, width)
        for size in sizes_to_try(scope)
        for width in TYRE_WIDTHS
        if size < len(rest) and len(rest) - size - 1 == rest[size] * width
    ]
    if not fitting:
        return None
    own = scope.run.profile.tyre_item_bytes
    size, _ = min(fitting, key=lambda fit: (fit[1] != own, not has_time(rest, fit[0])))
    note_other_dialect(size, scope)
    return ALARM_NUMBERS[size]


@item(
    0x64,
    "adas_alarm",
    "高级驾驶辅助系统报警",
    clause="active-safety §1.5",
    editions=(),
    trailing=dev.ITEM_TRAILING_BYTES,
)
class AdasAlarm(Structure):
    """0x64 高级驾驶辅助系统报警, 31 + S bytes."""

    alarm_id: int = dword("报警ID")
    flag: int = byte("标志状态", table=FLAG_STATES)
    alarm_type: int = of_kind("报警/事件类型", CodeByDialect(types_in(ADAS_TYPES)))
    level: int = byte("报警级别", table=LEVELS)
    front_speed_kmh: int = byte("前车车速", unit="km/h")
    front_distance_100ms: int = byte("前车/行人距离", unit="100 ms")
    departure: int = byte("偏离类型", table=DEPARTURES)
    road_sign: int = byte("道路标志识别类型", table=ROAD_SIGNS)
    road_sign_value: int = byte("道路标志识别数据")
    speed_kmh: int = byte("车速", unit="km/h")
    altitude_m: int = word("高程", signed=True, unit="m")
    latitude: float = dword_latitude("纬度")
    longitude: float = dword_longitude("经度")
    time: WireTime = bcd_time("日期时间")
    vehicle_status: int = word("车辆状态", table=VEHICLE_STATUS)
    alarm_number: AlarmNumber = one_of("报警标识号", AlarmNumber, FORMS, number_to_end)


@item(
    0x65,
    "dsm_alarm",
    "驾驶员状态监测系统报警",
    clause="active-safety §1.6",
    editions=(),
    trailing=dev.ITEM_TRAILING_BYTES,
)
class DsmAlarm(Structure):
    """0x65 驾驶员状态监测系统报警, 31 + S bytes."""

    alarm_id: int = dword("报警ID")
    flag: int = byte("标志状态", table=FLAG_STATES)
    alarm_type: int = of_kind("报警/事件类型", CodeByDialect(with_own_names(types_in(DSM_TYPES))))
    level: int = byte("报警级别", table=LEVELS)
    fatigue: int = byte("疲劳程度")
    reserved: bytes = raw("预留", 4)
    speed_kmh: int = byte("车速", unit="km/h")
    altitude_m: int = word("高程", signed=True, unit="m")
    latitude: float = dword_latitude("纬度")
    longitude: float = dword_longitude("经度")
    time: WireTime = bcd_time("日期时间")
    vehicle_status: int = word("车辆状态", table=VEHICLE_STATUS)
    alarm_number: AlarmNumber = one_of("报警标识号", AlarmNumber, FORMS, number_to_end)


@structure(clause="active-safety §1.7")
class TyreAlarm(Structure):
    """One tyre of 0x66, 9 bytes."""

    position: int = byte("胎压报警位置")
    alarm_flags: int = word("报警/事件类型", table=TYRE_ALARMS)
    pressure_kpa: int = word("胎压", unit="kPa")
    temperature_c: int = word("胎温", signed=True, unit="°C")
    battery_percent: int = word("电池电量", unit="%")


@structure(clause="active-safety §1.7")
class WideTyreAlarm(TyreAlarm):
    """One tyre of 0x66 as 粤标 prints it, 10 bytes."""

    position: int = word("胎压报警位置")


#: Form of the identification number -> form of a tyre for encoding; 9 bytes where nothing says otherwise (§1.7).
_TYRE_FORMS: dict[type[AlarmNumber], type[TyreAlarm]] = {AlarmNumberGd: WideTyreAlarm}


def tyre_form(number: AlarmNumber) -> type[TyreAlarm]:
    """The form of the tyres in an alarm with such a number, when we write one."""
    return _TYRE_FORMS.get(type(number), TyreAlarm)


def _tyre_form_fitting(rest: bytes, scope: Scope) -> type[TyreAlarm] | None:
    """9 or 10 bytes for each tyre still to come."""
    to_come = scope["count"] - scope.index
    return WideTyreAlarm if len(rest) == 10 * to_come else TyreAlarm


@item(0x66, "tpms_alarm", "胎压监测系统报警", clause="active-safety §1.7", editions=())
class TpmsAlarm(Structure):
    """0x66 胎压监测系统报警, 25 + S + n·k bytes, k 9 or 10."""

    alarm_id: int = dword("报警ID")
    flag: int = byte("标志状态", table=FLAG_STATES)
    speed_kmh: int = byte("车速", unit="km/h")
    altitude_m: int = word("高程", signed=True, unit="m")
    latitude: float = dword_latitude("纬度")
    longitude: float = dword_longitude("经度")
    time: WireTime = bcd_time("日期时间")
    vehicle_status: int = word("车辆状态", table=VEHICLE_STATUS)
    alarm_number: AlarmNumber = one_of("报警标识号", AlarmNumber, FORMS, _tyre_list_fitting)
    count: int = count_of("tyres", 1, "报警/事件列表总数", default=None)
    tyres: tuple[TyreAlarm, ...] = repeat(
        "报警/事件信息列表", OneOf(TyreAlarm, (TyreAlarm, WideTyreAlarm), _tyre_form_fitting), count="count"
    )


@item(0x67, "bsd_alarm", "盲区监测系统报警", clause="active-safety §1.8", editions=(), trailing=dev.ITEM_TRAILING_BYTES)
class BsdAlarm(Structure):
    """0x67 盲区监测系统报警, 25 + S bytes."""

    alarm_id: int = dword("报警ID")
    flag: int = byte("标志状态", table=FLAG_STATES)
    alarm_type: int = byte("报警/事件类型", table=BSD_TYPES)
    speed_kmh: int = byte("车速", unit="km/h")
    altitude_m: int = word("高程", signed=True, unit="m")
    latitude: float = dword_latitude("纬度")
    longitude: float = dword_longitude("经度")
    time: WireTime = bcd_time("日期时间")
    vehicle_status: int = word("车辆状态", table=VEHICLE_STATUS)
    alarm_number: AlarmNumber = one_of("报警标识号", AlarmNumber, FORMS, number_to_end)


def _is_zj_bsd(raw: bytes) -> bool:
    """41 bytes with a BSD type at 5, and no tyre alarm without tyres (§8 item 15).

    Those are the two things 41 bytes can be. A byte lies between their layouts: the time of a tyre alarm, read from
    a blind-spot alarm, has the year for its month and is no time.
    """
    if len(raw) != min(_lengths(BsdAlarm)) or raw[BsdAlarm.offset_of("alarm_type", Edition.V2013)] not in _BSD_CODES:
        return False
    time_at = TpmsAlarm.offset_of("time", Edition.V2013)
    time = decode_bcd_time(raw[time_at : time_at + TIME_BYTES])
    tyres = raw[TpmsAlarm.offset_of("alarm_number", Edition.V2013) + min(ALARM_NUMBERS)]
    return bool(tyres) or isinstance(time, RawTime)


_BSD_CODES = frozenset(row.code for row in BSD_TYPES)


@item(
    0x66,
    "bsd_alarm",
    "盲区监测系统报警",
    clause="active-safety §1.8",
    editions=(),
    dialects=(Dialect.ZJ,),
    fits=_is_zj_bsd,
)
class ZjBsdAlarm(BsdAlarm):
    """0x66 盲区监测系统报警 of 浙标, as 0x67 of the others."""


@item(
    0x68,
    "passenger_alarm",
    "不按规定上下客及超员检测报警",
    clause="active-safety §1.8",
    editions=(),
    trailing=dev.ITEM_TRAILING_BYTES,
    dialects=(Dialect.SH, Dialect.HN),
    fits=lambda raw: len(raw) in _lengths(PassengerAlarm),
)
class PassengerAlarm(Structure):
    """0x68 不按规定上下客及超员检测 of 沪标, 智能识别(超员) of 湘标, 31 + S bytes."""

    alarm_id: int = dword("报警ID")
    flag: int = byte("标志状态", table=FLAG_STATES)
    alarm_type: int = byte("报警/事件类型", table=PASSENGER_TYPES)
    level: int = byte("报警级别", table=LEVELS)
    reserved: bytes = raw("预留", 5)
    speed_kmh: int = byte("车速", unit="km/h")
    altitude_m: int = word("高程", signed=True, unit="m")
    latitude: float = dword_latitude("纬度")
    longitude: float = dword_longitude("经度")
    time: WireTime = bcd_time("日期时间")
    vehicle_status: int = word("车辆状态", table=VEHICLE_STATUS)
    alarm_number: AlarmNumber = one_of("报警标识号", AlarmNumber, FORMS, number_to_end)


@item(
    0x70,
    "harsh_driving_alarm",
    "激烈驾驶报警",
    clause="active-safety §1.8",
    editions=(),
    trailing=dev.ITEM_TRAILING_BYTES,
)
class HarshDrivingAlarm(Structure):
    """0x70 激烈驾驶报警, 31 + S bytes; no level."""

    alarm_id: int = dword("报警ID")
    flag: int = byte("标志状态", table=FLAG_STATES)
    alarm_type: int = byte("报警/事件类型", table=HARSH_DRIVING_TYPES)
    time_threshold_s: int = word("时间阈值", unit="s")
    threshold_1: int = word("阈值1")
    threshold_2: int = word("阈值2")
    speed_kmh: int = byte("车速", unit="km/h")
    altitude_m: int = word("高程", signed=True, unit="m")
    latitude: float = dword_latitude("纬度")
    longitude: float = dword_longitude("经度")
    time: WireTime = bcd_time("日期时间")
    vehicle_status: int = word("车辆状态", table=VEHICLE_STATUS)
    alarm_number: AlarmNumber = one_of("报警标识号", AlarmNumber, FORMS, number_to_end)


@item(
    0x71,
    "positioning_alarm",
    "卫星定位系统报警",
    clause="active-safety §1.8",
    editions=(),
    trailing=dev.ITEM_TRAILING_BYTES,
    dialects=(Dialect.SC,),
    fits=lambda raw: len(raw) in _lengths(PositioningAlarm),
)
class PositioningAlarm(Structure):
    """0x71 卫星定位系统报警 (speeding) of 川标, 28 + S bytes; that of 黑标 is another (§8 item 16)."""

    alarm_id: int = dword("报警ID")
    flag: int = byte("标志状态", table=FLAG_STATES_SC)
    alarm_type: int = byte("报警/事件类型")
    speeding_kind: int = byte("超速类型", table=SPEEDING_KINDS)
    terminal_threshold_kmh: int = byte("终端超速阈值", unit="km/h")
    road_threshold_kmh: int = byte("道路超速阈值", unit="km/h")
    speed_kmh: int = byte("车速", unit="km/h")
    altitude_m: int = word("高程", signed=True, unit="m")
    latitude: float = dword_latitude("纬度")
    longitude: float = dword_longitude("经度")
    time: WireTime = bcd_time("日期时间")
    vehicle_status: int = word("车辆状态", table=VEHICLE_STATUS)
    alarm_number: AlarmNumber = one_of("报警标识号", AlarmNumber, FORMS, number_to_end)


@item(
    0xF1,
    "installation_abnormality",
    "安装异常信息",
    clause="active-safety §1.8",
    editions=(),
    dialects=(Dialect.GD,),
)
class InstallationAbnormality(Structure):
    """0xF1 安装异常信息 of 粤标; the bits are the vendor's, and other vendors use the id for other things."""

    installation_abnormality_flags: int = dword("安装异常信息")


@item(0xF2, "algorithm_abnormality", "算法异常信息", clause="active-safety §1.8", editions=(), dialects=(Dialect.GD,))
class AlgorithmAbnormality(Structure):
    """0xF2 算法异常信息 of 粤标, like 0xF1."""

    algorithm_abnormality_flags: int = dword("算法异常信息")


# One simulator announces a byte more than its alarms have (§1.9).
for _item_id, _alarm in (
    (0x64, AdasAlarm),
    (0x65, DsmAlarm),
    (0x67, BsdAlarm),
    (0x68, PassengerAlarm),
    (0x70, HarshDrivingAlarm),
    (0x71, PositioningAlarm),
):
    one_byte_more(_item_id, _lengths(_alarm))
