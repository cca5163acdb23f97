"""CAN data (JT/T 808 §5.2)."""
# ruff: noqa: ARG002, D102  the methods of a kind are told by kinds.Kind; not every kind depends on the edition

from datetime import time
from typing import Any

import construct

from jtgate.codecs import deviations as dev
from jtgate.codecs import jsonvalues
from jtgate.codecs.declare import Message, Structure, count_of, dword, message, of_kind, raw, repeat, structure
from jtgate.codecs.edition import Edition
from jtgate.codecs.kinds import Kind
from jtgate.codecs.tables import Bit, Bits
from jtgate.codecs.timebase import RawTime
from jtgate.codecs.wire import Scope, convert

#: CAN ID: the number on the bus and how it was collected; also in parameters 0x0110–0x01FF.
CAN_IDS = Bits(
    Bit(0, "CAN总线ID", "id on the bus", width=29),
    Bit(29, "采集区间的平均值", "average", "原始数据", "raw data"),
    Bit(30, "扩展帧", "extended frame", "标准帧", "standard frame"),
    Bit(31, "CAN2", "CAN2", "CAN1", "CAN1"),
    clear_shown=(29, 30, 31),
)


#: A time of day, or five bytes that are none.
DayMoment = time | RawTime


class DayTime(Kind):
    """BCD[5] hh mm ss and four digits of milliseconds, GMT+8; the date is not transmitted."""

    def con(self, edition: Edition) -> Any:
        return convert(construct.Bytes(5), self._decode, self._encode)

    def _decode(self, raw: bytes, scope: Scope) -> DayMoment:
        digits = raw.hex()
        try:
            milliseconds = int(digits[6:])
            return time(int(digits[:2]), int(digits[2:4]), int(digits[4:6]), milliseconds * 1000)
        except ValueError:
            scope.run.note(dev.TIME_NOT_A_DATE)
            return RawTime(raw)

    def _encode(self, value: DayMoment, scope: Scope) -> bytes:
        if isinstance(value, RawTime):
            return value.raw
        return bytes.fromhex(f"{value:%H%M%S}{value.microsecond // 1000:04}")

    def types(self) -> frozenset[object]:
        return frozenset({time, RawTime})

    def min_bytes(self, edition: Edition) -> int:
        return 5

    def json(self, value: DayMoment) -> object:
        return str(value) if isinstance(value, RawTime) else value.isoformat(timespec="milliseconds")

    def from_json(self, value: object) -> DayMoment:
        given = jsonvalues.text(value).strip()
        if given.startswith("raw:") and len(given) == len("raw:") + 10:
            return RawTime(jsonvalues.hex_bytes(given.removeprefix("raw:")))
        try:
            return time.fromisoformat(given)
        except ValueError:
            raise ValueError(f"{jsonvalues.shown(value)} is no time of day; give it as 15:09:26.123") from None

    def wire_type(self, edition: Edition) -> str:
        return "BCD[5], hhmmss and milliseconds"

    def possible(self, edition: Edition) -> str:
        return "a time of day, as 15:09:26.123"


@structure(clause="§5.2")
class CanItem(Structure):
    """One frame of the bus CAN总线数据项, 12 bytes."""

    can_id: int = dword("CAN ID", table=CAN_IDS, as_hex=True)
    data: bytes = raw("CAN DATA", 8)


@message(0x0705, clause="§5.2, §13 item 8")
class CanUpload(Message):
    """0x0705 CAN总线数据上传, since 2013; the items begin at 7, whatever the tables print."""

    count: int = count_of("items", 2, "数据项个数", wrong=dev.LIST_WRONG_COUNT, default=None)
    time: DayMoment = of_kind("CAN总线数据接收时间", DayTime())
    items: tuple[CanItem, ...] = repeat("CAN总线数据项", CanItem, lenient=True)
