"""Terminal parameters whose value is made of several things (JT/T 808 §6): forbidden period, collision, photos, CAN."""
# ruff: noqa: ARG002, D102  the methods of a kind are told by kinds.Kind

import re
from typing import Any, NamedTuple

from jtgate.codecs import jsonvalues
from jtgate.codecs.declare import Structure, byte, dword, of_kind
from jtgate.codecs.edition import Edition
from jtgate.codecs.jt808.can import CAN_IDS
from jtgate.codecs.jt808.parameters import block
from jtgate.codecs.kinds import Kind, Number
from jtgate.codecs.tables import Bit, Bits
from jtgate.codecs.wire import Scope, convert, integer

CHANNELS = 5


@block(0x0032, clause="§6")
class ForbiddenPeriod(Structure):
    """0x0032 违规行驶时段范围, in binary: 16 32 0A 1E is 22:50 to 10:30."""

    start_hour: int = byte("开始时间的小时部分", valid=(0, 23))
    start_minute: int = byte("开始时间的分钟部分", valid=(0, 59))
    end_hour: int = byte("结束时间的小时部分", valid=(0, 23))
    end_minute: int = byte("结束时间的分钟部分", valid=(0, 59))


class CollisionTime(Number):
    """A BYTE of milliseconds in 2019, of 4 ms before (§13 item 29)."""

    def __init__(self) -> None:
        super().__init__(1)

    def con(self, edition: Edition) -> Any:
        step = _collision_step_ms(edition)

        def encode(value: int, _scope: Scope) -> int:
            if value % step:
                raise ValueError(f"possible is {self.possible(edition)}")
            return value // step

        return convert(integer(1), lambda raw, _: raw * step, encode)

    def possible(self, edition: Edition) -> str:
        step = _collision_step_ms(edition)
        return f"0 to {255 * step} in steps of {step}"


def _collision_step_ms(edition: Edition) -> int:
    return 1 if edition is Edition.V2019 else 4


@block(0x005D, clause="§6, §13 item 29")
class CollisionAlarm(Structure):
    """0x005D 碰撞报警参数设置."""

    acceleration_g: float = byte("碰撞加速度", scale=0.1, unit="g", valid=(0, 7.9))
    collision_time_ms: int = of_kind("碰撞时间", CollisionTime(), unit="ms")


# --------------------------------------------------------------------------------------- photos


class Interval(NamedTuple):
    """How often: a number and its unit, as "5 min" or "1 km".

    Args:
        number: 0..32767.
        unit: one of the two that the parameter knows.
    """

    number: int
    unit: str

    def __str__(self) -> str:
        return f"{self.number} {self.unit}"


class PhotoInterval(Kind):
    """A WORD: bit 0 chooses the unit, bits 1–15 are the number (bits 16–31 of the whole parameter).

    Args:
        small: unit of bit 0 clear.
        large: unit of bit 0 set.
    """

    _MAX = 0x7FFF

    def __init__(self, small: str, large: str) -> None:
        self.units = (small, large)

    def con(self, edition: Edition) -> Any:
        return convert(integer(2), lambda raw, _: Interval(raw >> 1, self.units[raw & 1]), self._encode)

    def _encode(self, value: Interval, scope: Scope) -> int:
        if not 0 <= value.number <= self._MAX or value.unit not in self.units:
            raise ValueError(f"possible is {self.possible(scope.run.edition)}")
        return value.number << 1 | self.units.index(value.unit)

    def types(self) -> frozenset[object]:
        return frozenset({Interval})

    def min_bytes(self, edition: Edition) -> int:
        return 2

    def json(self, value: Interval) -> object:
        return str(value)

    def from_json(self, value: object) -> Interval:
        found = re.fullmatch(r"(\d{1,5}) ?([a-z]+)", jsonvalues.text(value).strip())
        if found is None or found[2] not in self.units:
            raise ValueError(f"{jsonvalues.shown(value)} is no interval; give it as 5 {' or 5 '.join(self.units)}")
        return Interval(int(found[1]), found[2])

    def wire_type(self, edition: Edition) -> str:
        return "WORD, 15 bits and 1 bit for the unit"

    def possible(self, edition: Edition) -> str:
        return f"0 to {self._MAX} {' or '.join(self.units)}"


#: 拍照通道 in bits 0–4, and 存储/上传 in bits 8–12 of the whole parameter; bits 5–7 and 13–15 are reserved.
PHOTO_CHANNELS = Bits(*(Bit(no, f"摄像通道{no + 1}定时拍照", f"channel {no + 1}") for no in range(CHANNELS)))
DISTANCE_CHANNELS = Bits(*(Bit(no, f"摄像通道{no + 1}定距拍照", f"channel {no + 1}") for no in range(CHANNELS)))
PHOTO_UPLOADS = Bits(*(Bit(no, f"摄像通道{no + 1}上传", f"upload channel {no + 1}") for no in range(CHANNELS)))


@block(0x0064, clause="§6.1")
class TimedPhoto(Structure):
    """0x0064 定时拍照控制; less than 5 s counts as 5 s."""

    interval: Interval = of_kind("定时时间间隔", PhotoInterval("s", "min"))
    upload_channels: int = byte("定时拍照存储标志", table=PHOTO_UPLOADS, en="channels that upload, others store")
    channels: int = byte("定时拍照开关标志", table=PHOTO_CHANNELS)


@block(0x0065, clause="§6.1")
class DistancePhoto(Structure):
    """0x0065 定距拍照控制; less than 100 m counts as 100 m."""

    interval: Interval = of_kind("定距距离间隔", PhotoInterval("m", "km"))
    upload_channels: int = byte("定距拍照存储标志", table=PHOTO_UPLOADS, en="channels that upload, others store")
    channels: int = byte("定距拍照开关标志", table=DISTANCE_CHANNELS)


@block(0x0110, clause="§6")
class CanIdCollection(Structure):
    """0x0110–0x01FF CAN总线ID单独采集设置."""

    interval_ms: int = dword("此ID采集时间间隔", unit="ms")  # 0 is off
    can_id: int = dword("CAN ID", table=CAN_IDS, as_hex=True)
