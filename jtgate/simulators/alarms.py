"""Alarms of one terminal: flags of 0x0200 with their clearing rules, ADAS and DSM items of T/JSATL 12.

A flag of class A is cleared by the terminal after the platform has answered the report that carried it
(收到应答后清零); a flag of class H stays until the condition ends (标志维持至报警条件解除), and its end is
reported at once (JT/T 808 table 4.2).
"""

from dataclasses import dataclass
from typing import Any

from jtgate.codecs import timebase
from jtgate.codecs.declare import Structure
from jtgate.codecs.edition import Edition
from jtgate.codecs.items import LocationItem
from jtgate.codecs.jsatl12.items import AdasAlarm, AlarmNumber, DsmAlarm
from jtgate.codecs.jt808.additional import AreaCrossing
from jtgate.codecs.jt808.tables import acknowledged_alarms
from jtgate.simulators.dice import Dice, Purpose
from jtgate.simulators.evidence import EvidenceShelf, alarm_number
from jtgate.simulators.reports import VehicleState
from jtgate.simulators.vehicle import Activity, Vehicle

#: Flags of class A 收到应答后清零; all others are of class H.
CLEARED_BY_ANSWER = {edition: acknowledged_alarms(edition) for edition in Edition}

ADAS = 0x64  # 高级驾驶辅助系统报警
DSM = 0x65  # 驾驶员状态监测系统报警

INSTANT, START, END = 0, 1, 2  # 标志状态

FORWARD_COLLISION, LANE_DEPARTURE, HEADWAY, PEDESTRIAN = 0x01, 0x02, 0x03, 0x04  # ADAS types
FATIGUE, PHONE, SMOKING, DISTRACTION, DRIVER_ABNORMAL = 0x01, 0x02, 0x03, 0x04, 0x05  # DSM types
CIRCLE = 1  # 圆形区域

#: Above this speed an ADAS or DSM alarm is of the second, severe level (T/JSATL 12).
SEVERE_KMH = 50

BIT_OVERSPEED = 1
BIT_CAMERA_FAULT = 11
BIT_REGION = 20

#: Conditions of one terminal that last at the same time; more are not begun.
OPEN_MAX = 8


@dataclass(frozen=True, slots=True)
class AlarmKind:
    """Something that can happen.

    Args:
        name: for the summary.
        bit: alarm flag, None for an item of T/JSATL 12.
        item: ADAS or DSM, 0 for a flag.
        kind: type byte of the item.
        lasts_s: shortest and longest simulated time of the condition; (0, 0) for a moment only.
        driving: only while the vehicle moves.
        since_2013: not in the 2011 edition.
    """

    name: str
    bit: int | None = None
    item: int = 0
    kind: int = 0
    lasts_s: tuple[float, float] = (0.0, 0.0)
    driving: bool = True
    since_2013: bool = False


#: As likely as each other; a name that stands twice happens twice as often.
ALARM_KINDS = (
    AlarmKind("emergency", bit=0, driving=False),
    AlarmKind("overspeed", bit=BIT_OVERSPEED, lasts_s=(30, 120)),
    AlarmKind("overspeed", bit=BIT_OVERSPEED, lasts_s=(30, 120)),
    AlarmKind("fatigue", bit=2, lasts_s=(60, 300)),
    AlarmKind("danger_warning", bit=3, lasts_s=(10, 30)),  # 2011 and 2013: class A, then the time is not used
    AlarmKind("under_voltage", bit=7, lasts_s=(60, 600), driving=False),
    AlarmKind("camera_fault", bit=BIT_CAMERA_FAULT, lasts_s=(60, 600), driving=False),
    AlarmKind("overspeed_prewarning", bit=13, lasts_s=(15, 60), since_2013=True),
    AlarmKind("fatigue_prewarning", bit=14, lasts_s=(30, 120), since_2013=True),
    AlarmKind("region_in_out", bit=BIT_REGION),
    AlarmKind("route_deviation", bit=23, lasts_s=(60, 300)),
    AlarmKind("adas_forward_collision", item=ADAS, kind=FORWARD_COLLISION, since_2013=True),
    AlarmKind("adas_lane_departure", item=ADAS, kind=LANE_DEPARTURE, since_2013=True),
    AlarmKind("adas_headway", item=ADAS, kind=HEADWAY, lasts_s=(5, 25), since_2013=True),
    AlarmKind("adas_pedestrian", item=ADAS, kind=PEDESTRIAN, since_2013=True),
    AlarmKind("dsm_fatigue", item=DSM, kind=FATIGUE, since_2013=True),
    AlarmKind("dsm_phone", item=DSM, kind=PHONE, lasts_s=(10, 40), since_2013=True),
    AlarmKind("dsm_smoking", item=DSM, kind=SMOKING, lasts_s=(20, 60), since_2013=True),
    AlarmKind("dsm_distraction", item=DSM, kind=DISTRACTION, since_2013=True),
    AlarmKind("dsm_driver_abnormal", item=DSM, kind=DRIVER_ABNORMAL, since_2013=True),
)

#: 驾驶员变更事件: no alarm; its pictures show who drives.
DRIVER_CHANGE = AlarmKind("driver_change", item=DSM, kind=0x11, driving=False, since_2013=True)


@dataclass(slots=True)
class _Open:
    """A condition that lasts."""

    kind: AlarmKind
    end_s: float
    alarm_id: int


class AlarmDesk:
    """The alarms of one terminal.

    Args:
        edition: decides classes and what exists.
        terminal_id: 终端ID, seven characters, part of each alarm number.
        dice: chances of this terminal.
        shelf: where files of alarms are kept; without one alarms announce none.
    """

    __slots__ = (
        "_alarm_id",
        "_dice",
        "_edition",
        "_open",
        "_sequence",
        "_shelf",
        "_terminal_id",
        "flags",
        "video_lost",
    )

    def __init__(self, edition: Edition, terminal_id: str, dice: Dice, shelf: EvidenceShelf | None = None) -> None:
        self._edition = edition
        self._shelf = shelf
        self._terminal_id = terminal_id
        self._dice = dice
        self._open: list[_Open] = []
        self._alarm_id = 0
        self._sequence = 0
        self.flags = 0  # 报警标志 of the next report
        self.video_lost = 0  # channels without a picture

    @property
    def next_end_s(self) -> float | None:
        """Simulated time at which the next condition ends and must be reported."""
        return min((entry.end_s for entry in self._open), default=None)

    def begin(self, count: int, now_s: float, device_ms: int, vehicle: Vehicle) -> tuple[str, bytes] | None:
        """Let something happen with the `count`-th report, if it can.

        Args:
            count: number of the report.
            now_s: simulated time.
            device_ms: device time, ms since 1970.
            vehicle: where it happens.

        Returns:
            Its name and the items to put into the report, or None.
        """
        kind = self._dice.pick(Purpose.ALARM_KIND, count, ALARM_KINDS)
        if not self._possible(kind, vehicle):
            return None
        lasts_s = self._dice.between(Purpose.ALARM_LENGTH, count, *kind.lasts_s)
        if kind.bit is not None:
            self._raise_flag(kind, now_s + lasts_s, vehicle)
            items = b""
            if kind.bit == BIT_REGION:
                crossing = AreaCrossing(place_type=CIRCLE, place_id=1001 + count % 4, direction=count & 1)
                items = _item_bytes(crossing)
            return kind.name, items
        alarm_id = self._alarm_id
        self._alarm_id = (alarm_id + 1) & 0xFFFFFFFF
        if lasts_s:
            self._open.append(_Open(kind, now_s + lasts_s, alarm_id))
        return kind.name, self._item(kind, START if lasts_s else INSTANT, alarm_id, device_ms, vehicle)

    def end_due(self, now_s: float, device_ms: int, vehicle: Vehicle) -> bytes:
        """End what is over; the items that say so."""
        items = b""
        for entry in [entry for entry in self._open if entry.end_s <= now_s]:
            self._open.remove(entry)
            if entry.kind.bit is None:
                items += self._item(entry.kind, END, entry.alarm_id, device_ms, vehicle)
                continue
            self.flags &= ~(1 << entry.kind.bit)
            if entry.kind.bit == BIT_OVERSPEED:
                vehicle.hurry = 1.0
            elif entry.kind.bit == BIT_CAMERA_FAULT:
                self.video_lost = 0
        return items

    def answered(self, flags: int) -> None:
        """The platform has answered a report that carried these flags: those of class A are cleared."""
        self.flags &= ~(flags & CLEARED_BY_ANSWER[self._edition])

    def _possible(self, kind: AlarmKind, vehicle: Vehicle) -> bool:
        if kind.since_2013 and self._edition is Edition.V2011:
            return False
        if kind.driving and vehicle.activity is not Activity.DRIVING:
            return False
        if kind.bit is not None and self.flags >> kind.bit & 1:
            return False
        return len(self._open) < OPEN_MAX

    def _raise_flag(self, kind: AlarmKind, end_s: float, vehicle: Vehicle) -> None:
        if kind.bit is None:
            return
        flag = 1 << kind.bit
        self.flags |= flag
        if flag & CLEARED_BY_ANSWER[self._edition]:
            return
        self._open.append(_Open(kind, end_s, 0))
        if kind.bit == BIT_OVERSPEED:
            vehicle.hurry = 1.3
        elif kind.bit == BIT_CAMERA_FAULT:
            self.video_lost = 1 << 1

    def _item(self, kind: AlarmKind, phase: int, alarm_id: int, device_ms: int, vehicle: Vehicle) -> bytes:
        """One item 0x64 or 0x65; what begins or happens has files, what ends has none."""
        time = timebase.from_ms(device_ms)
        self._sequence = (self._sequence + 1) & 0xFF
        if self._shelf is not None and phase != END:
            number = self._shelf.number(kind.item, kind.kind, time, self._sequence)
        else:
            form = AlarmNumber if self._shelf is None else self._shelf.form
            number = alarm_number(form, self._terminal_id, time, self._sequence, 0)
        return item_of(kind, phase, alarm_id, number, vehicle)


def item_of(
    kind: AlarmKind, phase: int, alarm_id: int, number: AlarmNumber, vehicle: VehicleState, *, level: int = 0
) -> bytes:
    """An item 0x64 or 0x65, with its id and length.

    Args:
        kind: what happens.
        phase: 标志状态.
        alarm_id: 报警ID.
        number: 报警标识号; its time is that of the alarm.
        vehicle: where it happens.
        level: 报警级别; 0: from the speed.
    """
    latitude, longitude, altitude_m = vehicle.position()
    common: dict[str, Any] = {
        "alarm_id": alarm_id,
        "flag": phase,
        "alarm_type": kind.kind,
        "level": level or (2 if vehicle.speed_kmh > SEVERE_KMH else 1),
        "speed_kmh": round(vehicle.speed_kmh),
        "altitude_m": round(altitude_m),
        "latitude": latitude,
        "longitude": longitude,
        "time": number.time,
        "vehicle_status": _vehicle_status(vehicle),
        "alarm_number": number,
    }
    if kind.item == DSM:
        tired = 3 + alarm_id % 7 if kind.kind == FATIGUE else 0
        return _item_bytes(DsmAlarm(fatigue=tired, reserved=bytes(4), **common))
    ahead_kmh = round(vehicle.speed_kmh * 0.9) if kind.kind in (FORWARD_COLLISION, HEADWAY) else 0
    return _item_bytes(
        AdasAlarm(
            front_speed_kmh=ahead_kmh,
            front_distance_100ms=12 if ahead_kmh else 0,
            departure=1 + alarm_id % 2 if kind.kind == LANE_DEPARTURE else 0,
            road_sign=0,
            road_sign_value=0,
            **common,
        )
    )


def _item_bytes(value: Structure) -> bytes:
    """An additional item as it stands in the report."""
    entry = LocationItem.of(value)
    return bytes([entry.id, len(entry.raw)]) + entry.raw


def _vehicle_status(vehicle: VehicleState) -> int:
    """车辆状态 of T/JSATL 12: ACC, turn signals, brake, driver card, fix."""
    return (
        vehicle.ignition
        | (vehicle.turning < 0) << 1
        | (vehicle.turning > 0) << 2
        | vehicle.braking << 4
        | (vehicle.driver_no > 0) << 5
        | 1 << 10
    )
