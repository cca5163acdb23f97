"""The vehicle data record file 车辆状态数据记录文件 (.bin, file type 3) of an alarm: blocks of 64 bytes (§4.5)."""
# ruff: noqa: ARG002, D102  the methods of a kind are told by kinds.Kind

import dataclasses
from collections.abc import Iterable
from io import BytesIO
from typing import Any

from jtgate.codecs import deviations as dev
from jtgate.codecs.declare import (
    Structure,
    bcd_time,
    byte,
    dword,
    dword_latitude,
    dword_longitude,
    of_kind,
    raw,
    repeat,
    structure,
    word,
)
from jtgate.codecs.edition import Edition
from jtgate.codecs.jt808.tables import ALARM_FLAGS, STATUS
from jtgate.codecs.kinds import Number
from jtgate.codecs.tables import Choices
from jtgate.codecs.timebase import WireTime
from jtgate.codecs.wire import Scope, Wire, build, integer, parse

#: 档位.
GEARS = Choices(
    (0, "空挡", "neutral"),
    *((gear, f"{gear}挡", f"gear {gear}") for gear in range(1, 10)),
    (10, "倒挡", "reverse"),
    (11, "驻车挡", "park"),
)

BRAKE = Choices((0, "无制动", "no"), (1, "制动", "yes"))
TURN_SIGNALS = Choices((0, "无转向", "none"), (1, "左转向", "left"), (2, "右转向", "right"))


class SumByte(Number):
    """The low byte of the sum of all bytes of the block before it; a wrong one is kept and noted."""

    def __init__(self) -> None:
        super().__init__(1)

    def con(self, edition: Edition) -> Any:
        return _SumCon()


class _SumCon(Wire):
    def read(self, stream: BytesIO, scope: Scope) -> int:
        begin = stream.tell() + 1 - VehicleRecord.min_bytes(scope.run.edition)
        found: int = parse(integer(1), stream, scope)
        if found != sum(stream.getbuffer()[begin : stream.tell() - 1]) & 0xFF:
            scope.run.note(dev.VEHICLE_RECORD_CHECKSUM)
        return found

    def write(self, value: int, stream: BytesIO, scope: Scope) -> None:
        build(integer(1), value, stream, scope)


@structure(clause="active-safety §4.5")
class VehicleRecord(Structure):
    """A block, 64 bytes."""

    total: int = dword("总数据块数量")
    index: int = dword("当前数据块序号")
    alarm_flags: int = dword("报警标志", table=ALARM_FLAGS)
    status: int = dword("车辆状态", table=STATUS)
    latitude: float = dword_latitude("纬度")
    longitude: float = dword_longitude("经度")
    altitude_m: int = word("卫星高程", signed=True, unit="m")
    speed_kmh: float = word("卫星速度", scale=0.1, unit="km/h")
    heading_deg: int = word("卫星方向", unit="°", valid=(0, 359))
    time: WireTime = bcd_time("时间")
    acceleration_x: float = word("X轴加速度", scale=0.01, signed=True, unit="g")
    acceleration_y: float = word("Y轴加速度", scale=0.01, signed=True, unit="g")
    acceleration_z: float = word("Z轴加速度", scale=0.01, signed=True, unit="g")
    angular_rate_x: float = word("X轴角速度", scale=0.01, signed=True, unit="°/s")
    angular_rate_y: float = word("Y轴角速度", scale=0.01, signed=True, unit="°/s")
    angular_rate_z: float = word("Z轴角速度", scale=0.01, signed=True, unit="°/s")
    pulse_speed_kmh: float = word("脉冲速度", scale=0.1, unit="km/h")
    obd_speed_kmh: float = word("OBD速度", scale=0.1, unit="km/h")
    gear: int = byte("档位状态", table=GEARS)
    accelerator_percent: int = byte("加速踏板行程值", unit="%", valid=(0, 100))
    brake_percent: int = byte("制动踏板行程值", unit="%", valid=(0, 100))
    brake: int = byte("制动状态", table=BRAKE)
    engine_rpm: int = word("发动机转速", unit="rpm")
    steering_angle_deg: int = word("方向盘角度", signed=True, unit="°")
    turn_signal: int = byte("转向灯状态", table=TURN_SIGNALS)
    reserved: bytes = raw("预留", 2, default=bytes(2))
    checksum: int = of_kind("校验位", SumByte())


@structure(clause="active-safety §4.5")
class VehicleRecordFile(Structure):
    """The blocks of a file; a block that is cut off at the end is left over as trailing bytes."""

    records: tuple[VehicleRecord, ...] = repeat("数据块", VehicleRecord, lenient=True)


def record_file(records: Iterable[VehicleRecord]) -> VehicleRecordFile:
    """A file of these blocks, with their number and checksums put in."""
    given = tuple(records)
    counted = [dataclasses.replace(record, total=len(given), checksum=0) for record in given]
    sealed = [dataclasses.replace(record, checksum=sum(record.encode()) & 0xFF) for record in counted]
    return VehicleRecordFile(records=tuple(sealed))
