"""Additional items 附加信息 that JT/T 808 itself defines (§4.4)."""

from jtgate.codecs.declare import (
    REST,
    LookAhead,
    Structure,
    byte,
    count_of,
    dword,
    of_kind,
    raw,
    repeat,
    structure,
    tlv,
    word,
    word_temperature,
)
from jtgate.codecs.edition import ONLY_2019, SINCE_2013
from jtgate.codecs.items import LocationItem, item
from jtgate.codecs.jt808.tables import (
    CROSSING_DIRECTIONS,
    CROSSING_PLACES,
    IO_STATUS,
    OVERSPEED_PLACES,
    SEGMENT_RESULTS,
    VEHICLE_SIGNALS,
)
from jtgate.codecs.kinds import Number
from jtgate.codecs.profile import Profile
from jtgate.codecs.readings import RereadBits, Stepped, signals_in_order
from jtgate.codecs.wire import Scope


@item(0x01, "mileage", "里程", clause="§4.4")
class Mileage(Structure):
    """0x01 里程, the odometer reading."""

    mileage_km: float = of_kind("里程", Stepped(4, "mileage_step_km"), unit="km")


@item(0x02, "fuel", "油量", clause="§4.4")
class Fuel(Structure):
    """0x02 油量."""

    fuel_l: float = word("油量", scale=0.1, unit="L")


@item(0x03, "recorder_speed", "行驶记录功能获取的速度", clause="§4.4")
class RecorderSpeed(Structure):
    """0x03 行驶记录功能获取的速度."""

    recorder_speed_kmh: float = word("行驶记录速度", scale=0.1, unit="km/h")


@item(0x04, "alarm_event", "需要人工确认报警事件的ID", clause="§4.4", editions=SINCE_2013)
class AlarmEvent(Structure):
    """0x04 需要人工确认报警事件的ID."""

    alarm_event_id: int = word("报警事件ID")


@item(0x05, "tyre_pressure", "胎压", clause="§4.4, §13 item 15", editions=ONLY_2019)
class TyrePressure(Structure):
    """0x05 胎压: one byte per wheel, front to rear, left to right; the unit is up to the terminal."""

    wheels: tuple[int | None, ...] = repeat("胎压", Number(1, no_data=0xFF), count=30)


@item(0x06, "cabin_temperature", "车厢温度", clause="§4.4", editions=ONLY_2019)
class CabinTemperature(Structure):
    """0x06 车厢温度."""

    temperature_c: int = word_temperature("车厢温度")


@structure(clause="§4.4")
class Satellite(Structure):
    """One satellite of item 0x07."""

    number: int = byte("卫星编号")
    elevation_deg: int = byte("仰角", unit="°")
    azimuth_deg: int = word("方位角", unit="°")


@item(0x07, "satellites_in_view", "卫星状态", clause="§4.4, §13 item 17", editions=())
class SatellitesInView(Structure):
    """0x07 of the 2021 draft; the issued amendment has message 0x0205 instead."""

    beidou_count: int = count_of("beidou", 1, "北斗卫星数", default=None)
    beidou: tuple[Satellite, ...] = repeat("北斗卫星", Satellite, count="beidou_count")
    gps_count: int = count_of("gps", 1, "GPS卫星数", default=None)
    gps: tuple[Satellite, ...] = repeat("GPS卫星", Satellite, count="gps_count")
    glonass_count: int = count_of("glonass", 1, "GLONASS卫星数", default=None)
    glonass: tuple[Satellite, ...] = repeat("GLONASS卫星", Satellite, count="glonass_count")
    galileo_count: int = count_of("galileo", 1, "Galileo卫星数", default=None)
    galileo: tuple[Satellite, ...] = repeat("Galileo卫星", Satellite, count="galileo_count")


# 0x08–0x10 reserved


@item(0x11, "overspeed", "超速报警附加信息", clause="§4.4")
class Overspeed(Structure):
    """0x11 超速报警附加信息; no id when there is no specific place."""

    place_type: int = byte("位置类型", table=OVERSPEED_PLACES)
    place_id: int | None = dword("区域或路段ID", present=REST, default=None)


@item(0x12, "area_crossing", "进出区域/路线报警附加信息", clause="§4.4")
class AreaCrossing(Structure):
    """0x12 进出区域/路线报警附加信息."""

    place_type: int = byte("位置类型", table=CROSSING_PLACES)
    place_id: int = dword("区域或线路ID")
    direction: int = byte("方向", table=CROSSING_DIRECTIONS)


@item(0x13, "segment_time", "路段行驶时间不足/过长报警附加信息", clause="§4.4")
class SegmentTime(Structure):
    """0x13 路段行驶时间不足/过长报警附加信息."""

    segment_id: int = dword("路段ID")
    driving_time_s: int = word("路段行驶时间", unit="s")
    result: int = byte("结果", table=SEGMENT_RESULTS)


# 0x14–0x18 JT/T 1078, 0x19–0x24 reserved


@item(0x25, "vehicle_signals", "扩展车辆信号状态位", clause="§4.5", editions=SINCE_2013)
class VehicleSignals(Structure):
    """0x25 扩展车辆信号状态位."""

    vehicle_signals: int = of_kind(
        "扩展车辆信号状态位", RereadBits(4, signals_in_order, signals_in_order, table=VEHICLE_SIGNALS)
    )


@item(0x2A, "io_status", "IO状态位", clause="§4.4", editions=SINCE_2013)
class IoStatus(Structure):
    """0x2A IO状态位."""

    io_status: int = word("IO状态位", table=IO_STATUS)


@item(0x2B, "analog", "模拟量", clause="§4.4, §13 item 13", editions=SINCE_2013)
class Analog(Structure):
    """0x2B 模拟量: AD0 is the low half of the DWORD, so AD1 comes first on the wire, unless a profile swaps them."""

    analog_1: int = word("模拟量AD1")
    analog_0: int = word("模拟量AD0")

    @classmethod
    def order_of(cls, profile: Profile) -> tuple[str, ...] | None:
        """Some take the first WORD as AD0."""
        return ("analog_0", "analog_1") if profile.analog_order == "ad0_first" else None


@item(0x30, "signal_strength", "无线通信网络信号强度", clause="§4.4", editions=SINCE_2013)
class SignalStrength(Structure):
    """0x30 无线通信网络信号强度."""

    signal_strength: int = byte("无线通信网络信号强度")


@item(0x31, "satellites", "定位卫星数", clause="§4.4", editions=SINCE_2013)
class Satellites(Structure):
    """0x31 GNSS定位卫星数."""

    satellites: int = byte("定位卫星数")


def _is_length(rest: bytes, _scope: Scope) -> bool:
    return len(rest) == 1


def _is_custom_list(rest: bytes, _scope: Scope) -> bool:
    """Whole items with ids of the custom area, to the last byte."""
    at = 0
    while at + 2 <= len(rest) and rest[at] >= 0xE1:
        at += 2 + rest[at + 1]
    return at == len(rest) > 0


@item(0xE0, "custom_area", "后续自定义信息", clause="§4.4", editions=SINCE_2013)
class CustomArea(Structure):
    """0xE0 后续自定义信息: a block of custom items, or only its length before plain 0xE1… items."""

    custom_length: int | None = byte(
        "后续自定义信息长度", present=LookAhead(_is_length, "if it is one byte"), default=None
    )
    items: tuple[LocationItem, ...] | None = tlv(
        "自定义区域", LocationItem, present=LookAhead(_is_custom_list, "if it is a list of items"), default=None
    )
    data: bytes | None = raw("自定义信息", present=REST, default=None)
