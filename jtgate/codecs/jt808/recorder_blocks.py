"""Data blocks of the driving recorder 行驶记录仪 (GB/T 19056-2012), by command word (JT/T 808 §9.3, §9.4).

GB/T 19056-2003 gives other meanings to the commands and -2021 other blocks; what does not fit is kept as bytes.
"""

from jtgate.codecs import deviations as dev
from jtgate.codecs.declare import (
    Structure,
    bcd,
    bcd_time,
    byte,
    chars,
    dword,
    nested,
    of_kind,
    raw,
    repeat,
    structure,
    word,
)
from jtgate.codecs.jt808.recorder_kinds import Angle, BcdNumber, Height, WireNone
from jtgate.codecs.kinds import Text
from jtgate.codecs.presence import REST
from jtgate.codecs.tables import Bit, Bits, Choices
from jtgate.codecs.timebase import WireTime

#: 命令字; hexadecimal, 10H is 0x10.
COMMANDS = Choices(
    (0x00, "采集记录仪执行标准版本", "standard version"),
    (0x01, "采集当前驾驶人信息", "current driver"),
    (0x02, "采集记录仪实时时间", "real time"),
    (0x03, "采集累计行驶里程", "accumulated mileage"),
    (0x04, "采集记录仪脉冲系数", "pulse coefficient"),
    (0x05, "采集车辆信息", "vehicle information"),
    (0x06, "采集记录仪状态信号配置信息", "status signals"),
    (0x07, "采集记录仪唯一性编号", "unique number"),
    (0x08, "采集指定的行驶速度记录", "speed records"),
    (0x09, "采集指定的位置信息记录", "position records"),
    (0x10, "采集指定的事故疑点记录", "accident records"),
    (0x11, "采集指定的超时驾驶记录", "overtime driving records"),
    (0x12, "采集指定的驾驶人身份记录", "driver identity records"),
    (0x13, "采集指定的外部供电记录", "external power records"),
    (0x14, "采集指定的参数修改记录", "parameter changes"),
    (0x15, "采集指定的速度状态日志", "speed status logs"),
    # 16H–1FH reserved
    (0x82, "设置车辆信息", "set vehicle information"),
    (0x83, "设置记录仪初次安装日期", "set installation date"),
    (0x84, "设置状态量配置信息", "set status signals"),
    (0xC2, "设置记录仪时间", "set time"),
    (0xC3, "设置记录仪脉冲系数", "set pulse coefficient"),
    (0xC4, "设置初始里程", "set initial mileage"),
    # C5H–CFH reserved
    (0xE0, "进入或保持检定状态", "enter or keep verification"),
    (0xE1, "进入里程误差测量", "measure mileage error"),
    (0xE2, "进入脉冲系数误差测量", "measure pulse coefficient error"),
    (0xE3, "进入实时时间误差测量", "measure real time error"),
    (0xE4, "返回正常工作状态", "back to normal work"),
    (0xFA, "采集出错", "collection failed"),
    (0xFB, "设置出错", "setting failed"),
)

#: The two commands that a terminal answers an error with.
ERROR_COMMANDS = (0xFA, 0xFB)

#: 状态信号; D2–D0 are named by the user.
STATUS_SIGNALS = Bits(
    Bit(7, "制动", "brake"),
    Bit(6, "左转向", "left turn"),
    Bit(5, "右转向", "right turn"),
    Bit(4, "远光", "high beam"),
    Bit(3, "近光", "low beam"),
    Bit(2, "自定义D2", "custom D2"),
    Bit(1, "自定义D1", "custom D1"),
    Bit(0, "自定义D0", "custom D0"),
)

#: 事件类型 of 12H, 13H and 记录仪的速度状态 of 15H.
DRIVER_EVENTS = Choices((1, "登录", "login"), (2, "退出", "logout"))
POWER_EVENTS = Choices((1, "供电", "power on"), (2, "断电", "power off"))
SPEED_STATES = Choices((1, "正常", "normal"), (2, "异常", "abnormal"))

NO_SPEED = 0xFF
SIGNALS = 8
SIGNAL_NAME_BYTES = 10
LICENCE_BYTES = 18
MINUTE_S = 60
HOUR_MIN = 60
#: 20 s in steps of 0.2 s.
ACCIDENT_STEPS = 100


@structure(clause="§9.3")
class RecorderBlock(Structure):
    """Base of all data blocks 数据块."""


@structure(clause="§9.2")
class EmptyBlock(RecorderBlock):
    """No data: most requests, and the answer to a setting."""


@structure(clause="§9.3")
class UnknownBlock(RecorderBlock):
    """Data of an unknown command, or of a length that its command does not have."""

    data: bytes = raw("数据块")


# ---------------------------------------------------------------------------------- 00H to 07H


@structure(clause="§9.3")
class StandardVersion(RecorderBlock):
    """00H 执行标准版本, 2 bytes."""

    year: str = bcd("记录仪执行标准年号后2位", 1)
    amendment: int = byte("修改单号")


@structure(clause="§9.3")
class CurrentDriver(RecorderBlock):
    """01H 当前驾驶人信息, 18 bytes; empty when nobody is logged in."""

    licence: str = chars("机动车驾驶证号码", LICENCE_BYTES)


@structure(clause="§9.3, §9.4")
class RecorderTime(RecorderBlock):
    """02H, C2H 记录仪时间 and 83H 初次安装日期, 6 bytes."""

    time: WireTime = bcd_time("时间")


@structure(clause="§9.3, §9.4")
class RecorderMileage(RecorderBlock):
    """03H 累计行驶里程 and C4H 初始里程, 20 bytes."""

    time: WireTime = bcd_time("记录仪实时时间")
    installed: WireTime = bcd_time("记录仪初次安装时间")
    initial_mileage_km: float | WireNone = of_kind("初始里程", BcdNumber(), unit="km")
    mileage_km: float | WireNone = of_kind("累计行驶里程", BcdNumber(), unit="km")


@structure(clause="§9.3, §9.4")
class PulseCoefficient(RecorderBlock):
    """04H, C3H 脉冲系数, 8 bytes."""

    time: WireTime = bcd_time("记录仪当前时间")
    coefficient: int = word("脉冲系数")


@structure(clause="§9.3, §9.4")
class VehicleInformation(RecorderBlock):
    """05H, 82H 车辆信息, 41 bytes."""

    vin: str = chars("车辆识别代号", 17)
    plate: str = chars("机动车号牌号码", 12)
    plate_class: str = chars("机动车号牌分类", 12)


@structure(clause="§9.4")
class ShortVehicleInformation(VehicleInformation):
    """82H 车辆信息 as one library writes it, with a class of 10 bytes."""

    plate_class: str = chars("机动车号牌分类", 10)


@structure(clause="§9.3, §9.4")
class StatusSignals(RecorderBlock):
    """06H, and 84H of some, 状态信号配置信息, 87 bytes; the names are those of D0 to D7."""

    time: WireTime = bcd_time("记录仪实时时间")
    byte_count: int = byte("状态信号字节个数")
    names: tuple[str, ...] = repeat("状态信号名称", Text(SIGNAL_NAME_BYTES), count=SIGNALS)


@structure(clause="§9.4")
class SignalNames(RecorderBlock):
    """84H 状态量配置信息, 80 bytes, or a multiple of that."""

    names: tuple[str, ...] = repeat("状态信号名称", Text(SIGNAL_NAME_BYTES))


@structure(clause="§9.3")
class UniqueNumber(RecorderBlock):
    """07H 记录仪唯一性编号, 35 bytes."""

    ccc_code: str = chars("生产厂CCC认证代码", 7)
    model: str = chars("认证产品型号", 16)
    production_date: str = bcd("记录仪的生产日期", 3)
    production_serial: bytes = raw("产品生产流水号", 4)
    reserved: bytes = raw("备用", 5)


# ---------------------------------------------------------------------------------- 08H to 15H


@structure(clause="§9.3")
class RecordRange(RecorderBlock):
    """Data of a request 08H–15H, 14 bytes."""

    start: WireTime = bcd_time("开始时间")
    end: WireTime = bcd_time("结束时间")
    block_count_max: int = word("最大单位数据块个数")


@structure(clause="§9.3")
class RecorderPosition(Structure):
    """位置信息, 10 bytes: all FF, or the largest numbers, when there is none."""

    longitude: float | WireNone | None = of_kind("经度", Angle(180), unit="°")
    latitude: float | WireNone | None = of_kind("纬度", Angle(90), unit="°")
    altitude_m: int | WireNone | None = of_kind("海拔高度", Height(), unit="m")


@structure(clause="§9.3")
class SpeedStep(Structure):
    """A speed with the signals of the same moment."""

    speed_kmh: int | None = byte("行驶速度", unit="km/h", no_data=NO_SPEED)
    status: int = byte("状态信号", table=STATUS_SIGNALS)


@structure(clause="§9.3")
class SpeedRecord(Structure):
    """08H 行驶速度记录, a minute, 126 bytes."""

    start: WireTime = bcd_time("开始时间")
    seconds: tuple[SpeedStep, ...] = repeat("每秒平均速度与状态信号", SpeedStep, count=MINUTE_S)


@structure(clause="§9.3")
class PositionStep(Structure):
    """Where the vehicle was in one minute."""

    position: RecorderPosition = nested("位置信息", RecorderPosition)
    speed_kmh: int | None = byte("平均速度", unit="km/h", no_data=NO_SPEED)


@structure(clause="§9.3")
class PositionRecord(Structure):
    """09H 位置信息记录, an hour, 666 bytes."""

    start: WireTime = bcd_time("开始时间")
    minutes: tuple[PositionStep, ...] = repeat("每分钟位置信息与平均速度", PositionStep, count=HOUR_MIN)


@structure(clause="§9.3")
class AccidentRecord(Structure):
    """10H 事故疑点记录, 234 bytes."""

    end: WireTime = bcd_time("行驶结束时间")
    licence: str = chars("机动车驾驶证号码", LICENCE_BYTES)
    steps: tuple[SpeedStep, ...] = repeat("速度与状态信号", SpeedStep, count=ACCIDENT_STEPS)
    position: RecorderPosition = nested("有效位置信息", RecorderPosition)


@structure(clause="§9.3")
class OvertimeRecord(Structure):
    """11H 超时驾驶记录, 50 bytes."""

    licence: str = chars("机动车驾驶证号码", LICENCE_BYTES)
    start: WireTime = bcd_time("连续驾驶开始时间")
    end: WireTime = bcd_time("连续驾驶结束时间")
    start_position: RecorderPosition = nested("连续驾驶开始位置", RecorderPosition)
    end_position: RecorderPosition = nested("连续驾驶结束位置", RecorderPosition)


@structure(clause="§9.3")
class DriverRecord(Structure):
    """12H 驾驶人身份记录, 25 bytes."""

    time: WireTime = bcd_time("事件发生时间")
    licence: str = chars("机动车驾驶证号码", LICENCE_BYTES)
    event: int = byte("事件类型", table=DRIVER_EVENTS)


@structure(clause="§9.3")
class PowerRecord(Structure):
    """13H 外部供电记录, 7 bytes."""

    time: WireTime = bcd_time("事件发生时间")
    event: int = byte("事件类型", table=POWER_EVENTS)


@structure(clause="§9.3")
class ParameterChange(Structure):
    """14H 参数修改记录, 7 bytes."""

    time: WireTime = bcd_time("事件发生时间")
    command: int = byte("事件类型", table=COMMANDS, as_hex=True, en="command that changed it")


@structure(clause="§9.3")
class SpeedPair(Structure):
    """Two speeds of the same second."""

    recorder_kmh: int | None = byte("记录速度", unit="km/h", no_data=NO_SPEED)
    reference_kmh: int | None = byte("参考速度", unit="km/h", no_data=NO_SPEED)


@structure(clause="§9.3")
class SpeedLog(Structure):
    """15H 速度状态日志, 133 bytes."""

    state: int = byte("记录仪的速度状态", table=SPEED_STATES)
    start: WireTime = bcd_time("速度状态判定的开始时间")
    end: WireTime = bcd_time("速度状态判定的结束时间")
    seconds: tuple[SpeedPair, ...] = repeat("记录速度与参考速度", SpeedPair, count=MINUTE_S)


@structure(clause="§9.3", trailing=dev.RECORDER_REMAINDER)
class SpeedRecords(RecorderBlock):
    """08H 行驶速度记录."""

    records: tuple[SpeedRecord, ...] = repeat("行驶速度记录", SpeedRecord, lenient=True)


@structure(clause="§9.3", trailing=dev.RECORDER_REMAINDER)
class PositionRecords(RecorderBlock):
    """09H 位置信息记录."""

    records: tuple[PositionRecord, ...] = repeat("位置信息记录", PositionRecord, lenient=True)


@structure(clause="§9.3", trailing=dev.RECORDER_REMAINDER)
class AccidentRecords(RecorderBlock):
    """10H 事故疑点记录."""

    records: tuple[AccidentRecord, ...] = repeat("事故疑点记录", AccidentRecord, lenient=True)


@structure(clause="§9.3", trailing=dev.RECORDER_REMAINDER)
class OvertimeRecords(RecorderBlock):
    """11H 超时驾驶记录."""

    records: tuple[OvertimeRecord, ...] = repeat("超时驾驶记录", OvertimeRecord, lenient=True)


@structure(clause="§9.3", trailing=dev.RECORDER_REMAINDER)
class DriverRecords(RecorderBlock):
    """12H 驾驶人身份记录."""

    records: tuple[DriverRecord, ...] = repeat("驾驶人身份记录", DriverRecord, lenient=True)


@structure(clause="§9.3", trailing=dev.RECORDER_REMAINDER)
class PowerRecords(RecorderBlock):
    """13H 外部供电记录."""

    records: tuple[PowerRecord, ...] = repeat("外部供电记录", PowerRecord, lenient=True)


@structure(clause="§9.3", trailing=dev.RECORDER_REMAINDER)
class ParameterChanges(RecorderBlock):
    """14H 参数修改记录."""

    records: tuple[ParameterChange, ...] = repeat("参数修改记录", ParameterChange, lenient=True)


@structure(clause="§9.3", trailing=dev.RECORDER_REMAINDER)
class SpeedLogs(RecorderBlock):
    """15H 速度状态日志."""

    records: tuple[SpeedLog, ...] = repeat("速度状态日志", SpeedLog, lenient=True)


@structure(clause="§9.4")
class MileageError(RecorderBlock):
    """E1H 里程误差测量, 43 bytes, or 44 with a status."""

    unique_number: UniqueNumber = nested("记录仪唯一性编号", UniqueNumber)
    coefficient: int = word("脉冲系数")
    speed_kmh: float = word("速度", scale=0.1, unit="km/h")
    mileage: int = dword("累计行驶里程")
    status: int | None = byte("状态信号", table=STATUS_SIGNALS, present=REST, default=None)


# ------------------------------------------------------------------------------------- by command

Forms = tuple[type[RecorderBlock], ...]

#: Data that a terminal answers with, by command, in the order in which the forms are tried; none is EmptyBlock.
ANSWER_BLOCKS: dict[int, Forms] = {
    0x00: (StandardVersion,),
    0x01: (CurrentDriver,),
    0x02: (RecorderTime,),
    0x03: (RecorderMileage,),
    0x04: (PulseCoefficient,),
    0x05: (VehicleInformation,),
    0x06: (StatusSignals,),
    0x07: (UniqueNumber,),
    0x08: (SpeedRecords,),
    0x09: (PositionRecords,),
    0x10: (AccidentRecords,),
    0x11: (OvertimeRecords,),
    0x12: (DriverRecords,),
    0x13: (PowerRecords,),
    0x14: (ParameterChanges,),
    0x15: (SpeedLogs,),
    0xE1: (MileageError,),
}

#: Data that a platform asks or sets with; none is EmptyBlock.
REQUEST_BLOCKS: dict[int, Forms] = {
    **dict.fromkeys((0x08, 0x09, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15), (RecordRange,)),
    0x82: (VehicleInformation, ShortVehicleInformation),
    0x83: (RecorderTime,),
    0x84: (StatusSignals, SignalNames),
    0xC2: (RecorderTime,),
    0xC3: (PulseCoefficient,),
    0xC4: (RecorderMileage,),
}
