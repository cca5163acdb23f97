"""The body of a location report 位置信息汇报 0x0200 from the state of a vehicle.

A fleet makes hundreds of these a second, so they are packed directly; a test holds every body against the
declaration of the message in `jtgate.codecs.jt808`.
"""

import struct
from typing import Protocol

from jtgate.codecs import timebase
from jtgate.codecs.edition import Edition
from jtgate.simulators.dice import Dice, Purpose
from jtgate.simulators.vehicle import Activity

#: 报警标志, 状态, 纬度, 经度, 高程, 速度, 方向; six BCD bytes of time follow.
_BASE = struct.Struct(">IIIIHHH")
#: Items 0x01 mileage 里程, 0x02 fuel 油量, 0x03 recorder speed 行驶记录速度: every edition.
_ITEMS = struct.Struct(">BBIBBHBBH")
#: Items 0x25 signals, 0x2A IO, 0x2B analogue (AD1, AD0), 0x30 signal strength, 0x31 satellites: since 2013.
_ITEMS_2013 = struct.Struct(">BBIBBHBBHHBBBBBB")
#: Items 0x14 video alarms 视频相关报警, 0x15 video signal lost 视频信号丢失 (JT/T 1078).
_ITEMS_VIDEO = struct.Struct(">BBIBBI")

STATUS_ACC = 1 << 0
STATUS_POSITIONED = 1 << 1
STATUS_OUT_OF_OPERATION = 1 << 4
STATUS_FULL = 3 << 8
STATUS_DOORS_LOCKED = 1 << 12
STATUS_GPS = 1 << 18
STATUS_BEIDOU = 1 << 19
STATUS_MOVING = 1 << 22

SIGNAL_LOW_BEAM = 1 << 0
SIGNAL_RIGHT = 1 << 2
SIGNAL_LEFT = 1 << 3
SIGNAL_BRAKE = 1 << 4
SIGNAL_NEUTRAL = 1 << 10

IO_SLEEP = 1 << 1

#: Bytes of the base information; the items follow.
BASE_BYTES = 28


class VehicleState(Protocol):
    """What reports tell of a vehicle."""

    @property
    def activity(self) -> Activity:
        """What it is doing."""

    @property
    def braking(self) -> bool:
        """Brake 制动."""

    @property
    def doors_locked(self) -> bool:
        """车门加锁."""

    @property
    def driver_no(self) -> int:
        """0 when no card is inserted."""

    @property
    def fuel_l(self) -> float:
        """油量."""

    @property
    def heading_deg(self) -> int:
        """方向, 0..359."""

    @property
    def ignition(self) -> bool:
        """ACC."""

    @property
    def loaded(self) -> bool:
        """满载."""

    @property
    def mileage_m(self) -> float:
        """里程."""

    @property
    def speed_kmh(self) -> float:
        """速度."""

    @property
    def speed_mps(self) -> float:
        """The same in metres a second."""

    @property
    def turning(self) -> int:
        """-1 left, 1 right, 0 neither."""

    def position(self) -> tuple[float, float, float]:
        """Latitude and longitude in degrees, altitude in metres."""


def status_of(vehicle: VehicleState, edition: Edition) -> int:
    """The status word 状态 (table 4.3)."""
    status = STATUS_POSITIONED
    if vehicle.ignition:
        status |= STATUS_ACC
    if vehicle.activity is Activity.PARKED:
        status |= STATUS_OUT_OF_OPERATION
    if vehicle.doors_locked:
        status |= STATUS_DOORS_LOCKED
    if edition is not Edition.V2011:
        status |= STATUS_GPS | STATUS_BEIDOU
        if vehicle.loaded:
            status |= STATUS_FULL
    if edition is Edition.V2019 and vehicle.speed_mps > 0:
        status |= STATUS_MOVING
    return status


def base_of(vehicle: VehicleState, edition: Edition, *, alarm_flags: int, device_ms: int) -> bytes:
    """The base information 位置基本信息, 28 bytes.

    Args:
        vehicle: where and how it is.
        edition: decides the status bits.
        alarm_flags: 报警标志.
        device_ms: device time, ms since 1970.
    """
    latitude, longitude, altitude_m = vehicle.position()
    return _BASE.pack(
        alarm_flags,
        status_of(vehicle, edition),
        round(latitude * 1e6),
        round(longitude * 1e6),
        round(altitude_m),
        round(vehicle.speed_kmh * 10),
        vehicle.heading_deg,
    ) + timebase.encode_bcd_time(timebase.from_ms(device_ms))


def body_of(
    vehicle: VehicleState,
    edition: Edition,
    *,
    alarm_flags: int,
    device_ms: int,
    dice: Dice,
    count: int,
    items: bytes = b"",
    video_lost: int = 0,
) -> bytes:
    """A whole body of 0x0200.

    Args:
        vehicle: where and how it is.
        edition: decides status bits and items.
        alarm_flags: 报警标志.
        device_ms: device time, ms since 1970.
        dice: for signal strength and satellites.
        count: number of the report.
        items: more items, complete with id and length, put at the end.
        video_lost: channels without a picture, bit 0 = channel 1.
    """
    base = base_of(vehicle, edition, alarm_flags=alarm_flags, device_ms=device_ms)
    recorder_speed = round(vehicle.speed_kmh * 0.985 * 10)  # the wheel sensor reads a little less than GNSS
    common = _ITEMS.pack(
        0x01, 4, round(vehicle.mileage_m / 100), 0x02, 2, round(vehicle.fuel_l * 10), 0x03, 2, recorder_speed
    )
    if edition is Edition.V2011:
        return base + common + items
    chance = dice.bits(Purpose.SIGNAL, count)
    later = _ITEMS_2013.pack(
        0x25,
        4,
        _signals(vehicle, device_ms),
        0x2A,
        2,
        IO_SLEEP if vehicle.activity is Activity.PARKED else 0,
        0x2B,
        4,
        round(vehicle.fuel_l),  # AD1
        2400 + chance % 80,  # AD0: supply, 10 mV
        0x30,
        1,
        14 + (chance >> 8) % 18,
        0x31,
        1,
        9 + (chance >> 16) % 16,
    )
    video = _ITEMS_VIDEO.pack(0x14, 4, 1 if video_lost else 0, 0x15, 4, video_lost)
    return base + common + video + later + items


def _signals(vehicle: VehicleState, device_ms: int) -> int:
    """扩展车辆信号状态位 (table 4.5)."""
    signals = 0
    if vehicle.braking:
        signals |= SIGNAL_BRAKE
    if vehicle.turning > 0:
        signals |= SIGNAL_RIGHT
    elif vehicle.turning < 0:
        signals |= SIGNAL_LEFT
    if vehicle.ignition and vehicle.speed_mps == 0:
        signals |= SIGNAL_NEUTRAL
    hour = (device_ms // 3_600_000 + 8) % 24
    if vehicle.ignition and not 6 <= hour < 18:
        signals |= SIGNAL_LOW_BEAM
    return signals
