"""Alarm items 0x64–0x67 and 0x70 of location reports (active-safety §1).

The length S of the alarm identification number 报警标识号 differs by dialect (16, 38, 39, 40) and moves
all that contains it; it is found from the length of the item (§1.9).
"""

from typing import Any

from jtgate.codecs import deviations as dev
from jtgate.codecs.declare import (
    Structure,
    bcd_time,
    byte,
    chars,
    count_of,
    dword,
    dword_latitude,
    dword_longitude,
    one_of,
    raw,
    repeat,
    structure,
    word,
)
from jtgate.codecs.groups import OneOf
from jtgate.codecs.items import item
from jtgate.codecs.jsatl12.tables import (
    ADAS_TYPES,
    BSD_TYPES,
    DEPARTURES,
    DSM_TYPES,
    FLAG_STATES,
    HARSH_DRIVING_TYPES,
    LEVELS,
    ROAD_SIGNS,
    TYRE_ALARMS,
    VEHICLE_STATUS,
)
from jtgate.codecs.profile import Dialect
from jtgate.codecs.tables import Choices
from jtgate.codecs.timebase import WireTime
from jtgate.codecs.wire import Scope


@structure(clause="active-safety §1.2")
class AlarmNumber(Structure):
    """报警标识号 of 苏标, 16 bytes; echo its bytes in 0x9208, never rebuild it."""

    terminal_id: str = chars("终端ID", 7)
    time: WireTime = bcd_time("时间")
    sequence: int = byte("序号")
    attachment_count: int = byte("附件数量")
    reserved: bytes = raw("预留", 1)


@structure(clause="active-safety §1.2")
class AlarmNumberHlj(AlarmNumber):
    """报警标识号 of 黑标, 38 bytes."""

    terminal_id: str = chars("终端ID", 30)
    reserved: bytes = raw("预留", 0)


@structure(clause="active-safety §1.2")
class AlarmNumberSc(AlarmNumber):
    """报警标识号 of 川标 under a 2019 header, 39 bytes."""

    terminal_id: str = chars("终端ID", 30)


@structure(clause="active-safety §1.2")
class AlarmNumberGd(AlarmNumber):
    """报警标识号 of 粤标, 40 bytes."""

    terminal_id: str = chars("终端ID", 30)
    reserved: bytes = raw("预留", 2)


#: S -> form.
ALARM_NUMBERS: dict[int, type[AlarmNumber]] = {
    16: AlarmNumber,
    38: AlarmNumberHlj,
    39: AlarmNumberSc,
    40: AlarmNumberGd,
}

#: Form -> dialect whose alarm types apply; 黑标 is not published, so its codes are read as 苏标.
DIALECT_OF: dict[type[AlarmNumber], Dialect] = {
    AlarmNumber: Dialect.SU,
    AlarmNumberHlj: Dialect.SU,
    AlarmNumberSc: Dialect.DB32,
    AlarmNumberGd: Dialect.GD,
}


def _longest_fitting(rest: bytes, _scope: Scope) -> type[AlarmNumber] | None:
    """The form that takes all that is left, else the longest that fits (§1.9)."""
    fitting = [size for size in ALARM_NUMBERS if size <= len(rest)]
    return ALARM_NUMBERS[max(fitting)] if fitting else None


def _tyre_list_fitting(rest: bytes, _scope: Scope) -> type[AlarmNumber] | None:
    """The form after which the count and n items of 9 or 10 bytes end exactly (§1.9)."""
    for size, form in ALARM_NUMBERS.items():
        if size < len(rest) and len(rest) - size - 1 in (rest[size] * 9, rest[size] * 10):
            return form
    return None


def _types_of(tables: dict[Dialect, Choices]) -> Any:
    def table(alarm: Any) -> Choices:
        return tables[DIALECT_OF[type(alarm.alarm_number)]]

    return table


_FORMS = tuple(ALARM_NUMBERS.values())


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
    alarm_type: int = byte("报警/事件类型", table=_types_of(ADAS_TYPES))
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
    alarm_number: AlarmNumber = one_of("报警标识号", AlarmNumber, _FORMS, _longest_fitting)


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
    alarm_type: int = byte("报警/事件类型", table=_types_of(DSM_TYPES))
    level: int = byte("报警级别", table=LEVELS)
    fatigue: int = byte("疲劳程度")
    reserved: bytes = raw("预留", 4)
    speed_kmh: int = byte("车速", unit="km/h")
    altitude_m: int = word("高程", signed=True, unit="m")
    latitude: float = dword_latitude("纬度")
    longitude: float = dword_longitude("经度")
    time: WireTime = bcd_time("日期时间")
    vehicle_status: int = word("车辆状态", table=VEHICLE_STATUS)
    alarm_number: AlarmNumber = one_of("报警标识号", AlarmNumber, _FORMS, _longest_fitting)


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


def _tyre_form(rest: bytes, scope: Scope) -> type[TyreAlarm] | None:
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
    alarm_number: AlarmNumber = one_of("报警标识号", AlarmNumber, _FORMS, _tyre_list_fitting)
    count: int = count_of("tyres", 1, "报警/事件列表总数", default=None)
    tyres: tuple[TyreAlarm, ...] = repeat(
        "报警/事件信息列表", OneOf(TyreAlarm, (TyreAlarm, WideTyreAlarm), _tyre_form), count="count"
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
    alarm_number: AlarmNumber = one_of("报警标识号", AlarmNumber, _FORMS, _longest_fitting)


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
    alarm_number: AlarmNumber = one_of("报警标识号", AlarmNumber, _FORMS, _longest_fitting)
