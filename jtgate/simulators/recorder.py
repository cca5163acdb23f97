"""The driving recorder 行驶记录仪 of a simulated terminal (GB/T 19056-2012, JT/T 808 §9): 0x8700 and 0x8701.

What it tells of now is true of the vehicle; what it tells of the past is invented, the same every time.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from jtgate.codecs import registry
from jtgate.codecs.edition import Edition
from jtgate.codecs.jt808 import RecorderAnswer, RecorderCollect, RecorderSet, RecorderUpload
from jtgate.codecs.jt808 import recorder_blocks as blocks
from jtgate.codecs.jt808.recorder import BareAnswer, RecorderError
from jtgate.codecs.timebase import RawTime
from jtgate.simulators.answers import NOT_SUPPORTED, OK, Reply, told
from jtgate.simulators.dice import Dice, Purpose
from jtgate.simulators.identity import Identity, driver_of
from jtgate.simulators.messages import read

RECORDER_UPLOAD = 0x0700
COLLECT_FAILED = 0xFA

#: Blocks of one answer, whatever the request allows: an hour of positions has 666 bytes.
BLOCKS_MAX = 3
PULSES_PER_KM = 3600
#: The recorder was built in so long before now, and its mileage was so much then.
INSTALLED_BEFORE = timedelta(days=400)
INITIAL_MILEAGE_KM = 12.5
SETTABLE = frozenset({0x82, 0x83, 0x84, 0xC2, 0xC3, 0xC4, 0xE0, 0xE2, 0xE3, 0xE4})

_NORMAL, _LOGIN, _POWER_ON = 1, 1, 1
_SIGNALS = ("自定义0", "自定义1", "自定义2", "近光灯", "远光灯", "右转向", "左转向", "制动")


class RecorderState(NamedTuple):
    """What a recorder knows of its vehicle.

    Args:
        now: device time.
        driver_no: driver logged in, 0 for nobody.
        mileage_km: of the vehicle.
        speed_kmh: of the vehicle.
        position: latitude and longitude in degrees, altitude in metres.
    """

    now: datetime
    driver_no: int
    mileage_km: float
    speed_kmh: float
    position: tuple[float, float, float]


class Wanted(NamedTuple):
    """What part of the past is asked for.

    Args:
        end: time of the newest record.
        records: so many, at most.
    """

    end: datetime
    records: int

    def back(self, step: timedelta) -> list[datetime]:
        """Times of the records, the newest first."""
        return [self.end - number * step for number in range(self.records)]


_Collect = Callable[[RecorderState, Wanted], blocks.RecorderBlock]


class Recorder:
    """The recorder of one terminal.

    Args:
        identity: edition, plate, drivers.
        dice: chances of this terminal.
        state: tells how the vehicle is now.
    """

    __slots__ = ("_collect", "_dice", "_identity", "_state")

    def __init__(self, identity: Identity, dice: Dice, state: Callable[[], RecorderState]) -> None:
        self._identity = identity
        self._dice = dice
        self._state = state
        self._collect: dict[int, _Collect] = {
            0x00: lambda _state, _wanted: blocks.StandardVersion(year="12", amendment=0),
            0x01: lambda state, _wanted: blocks.CurrentDriver(licence=self._licence(state)),
            0x02: lambda state, _wanted: blocks.RecorderTime(time=state.now),
            0x03: self._mileage,
            0x04: lambda state, _wanted: blocks.PulseCoefficient(time=state.now, coefficient=PULSES_PER_KM),
            0x05: self._vehicle,
            0x06: lambda state, _wanted: blocks.StatusSignals(time=state.now, byte_count=1, names=_SIGNALS),
            0x07: lambda _state, _wanted: self._unique_number(),
            0x08: self._speeds,
            0x09: self._positions,
            0x10: self._accidents,
            0x11: self._overtime,
            0x12: self._drivers,
            0x13: self._power,
            0x14: self._changes,
            0x15: self._speed_logs,
            0xE1: self._mileage_error,
        }

    def collect(self, serial: int, body: bytes, _now: float) -> Reply:
        """0x8700 行驶记录数据采集命令; a command it does not have is answered with FAH."""
        edition = self._identity.edition
        request = read(RecorderCollect, body, edition)
        state = self._state()
        make = self._collect.get(request.command)
        block = None if make is None else make(state, _wanted(request, state.now))
        if edition is Edition.V2011:
            error = RecorderError(command=COLLECT_FAILED)
            length = len(error.encode() if block is None else block.encode())
            upload = RecorderUpload(
                command=request.command,
                total_length=length,
                package_length=length,
                packet=error if block is None else BareAnswer(block=block),
            )
        else:
            upload = RecorderUpload(
                answer_serial=serial,
                command=request.command,
                packet=RecorderError(command=COLLECT_FAILED)
                if block is None
                else RecorderAnswer(command=request.command, block=block),
            )
        return told(RECORDER_UPLOAD, registry.encode_body(upload, edition), quotes=edition is not Edition.V2011)

    def set(self, _serial: int, body: bytes, _now: float) -> Reply:
        """0x8701 行驶记录参数下传命令; it takes what it knows."""
        order = read(RecorderSet, body, self._identity.edition)
        return OK if order.command in SETTABLE else NOT_SUPPORTED

    # Blocks of now.

    def _licence(self, state: RecorderState) -> str:
        """机动车驾驶证号码; "" when nobody is logged in."""
        return driver_of(self._identity, state.driver_no).id_number if state.driver_no else ""

    def _mileage(self, state: RecorderState, _wanted: Wanted) -> blocks.RecorderMileage:
        return blocks.RecorderMileage(
            time=state.now,
            installed=state.now - INSTALLED_BEFORE,
            initial_mileage_km=INITIAL_MILEAGE_KM,
            mileage_km=round(state.mileage_km, 1),
        )

    def _vehicle(self, _state: RecorderState, _wanted: Wanted) -> blocks.VehicleInformation:
        identity = self._identity
        return blocks.VehicleInformation(
            vin=f"LSIM{identity.index % 10**13:013d}", plate=identity.plate, plate_class="大型汽车"
        )

    def _unique_number(self) -> blocks.UniqueNumber:
        return blocks.UniqueNumber(
            ccc_code="C000000",
            model="JTGATE-SIM",
            production_date="250101",
            production_serial=(self._identity.index & 0xFFFF_FFFF).to_bytes(4),
            reserved=bytes(5),
        )

    def _mileage_error(self, state: RecorderState, _wanted: Wanted) -> blocks.MileageError:
        return blocks.MileageError(
            unique_number=self._unique_number(),
            coefficient=PULSES_PER_KM,
            speed_kmh=round(state.speed_kmh, 1),
            mileage=round(state.mileage_km * 10),
        )

    # Records of the past.

    def _speed(self, at: datetime) -> int:
        """A speed of the past, km/h."""
        return int(self._dice.between(Purpose.RECORDER, int(at.timestamp()), 35.0, 75.0))

    def _steps(self, first: datetime, count: int, step: timedelta) -> tuple[blocks.SpeedStep, ...]:
        return tuple(
            blocks.SpeedStep(speed_kmh=self._speed(first + number * step), status=0) for number in range(count)
        )

    def _position(self, state: RecorderState) -> blocks.RecorderPosition:
        latitude, longitude, altitude_m = state.position
        return blocks.RecorderPosition(longitude=longitude, latitude=latitude, altitude_m=round(altitude_m))

    def _speeds(self, _state: RecorderState, wanted: Wanted) -> blocks.SpeedRecords:
        second = timedelta(seconds=1)
        return blocks.SpeedRecords(
            records=tuple(
                blocks.SpeedRecord(start=start, seconds=self._steps(start, blocks.MINUTE_S, second))
                for start in (at.replace(second=0) for at in wanted.back(timedelta(minutes=1)))
            )
        )

    def _positions(self, state: RecorderState, wanted: Wanted) -> blocks.PositionRecords:
        place = self._position(state)
        return blocks.PositionRecords(
            records=tuple(
                blocks.PositionRecord(
                    start=start,
                    minutes=tuple(
                        blocks.PositionStep(position=place, speed_kmh=self._speed(start + timedelta(minutes=minute)))
                        for minute in range(blocks.HOUR_MIN)
                    ),
                )
                for start in (at.replace(minute=0, second=0) for at in wanted.back(timedelta(hours=1)))
            )
        )

    def _accidents(self, state: RecorderState, wanted: Wanted) -> blocks.AccidentRecords:
        step = timedelta(milliseconds=200)
        return blocks.AccidentRecords(
            records=tuple(
                blocks.AccidentRecord(
                    end=end,
                    licence=self._licence(state),
                    steps=self._steps(end - blocks.ACCIDENT_STEPS * step, blocks.ACCIDENT_STEPS, step),
                    position=self._position(state),
                )
                for end in wanted.back(timedelta(days=3))
            )
        )

    def _overtime(self, state: RecorderState, wanted: Wanted) -> blocks.OvertimeRecords:
        return blocks.OvertimeRecords(
            records=tuple(
                blocks.OvertimeRecord(
                    licence=self._licence(state),
                    start=end - timedelta(hours=4, minutes=10),
                    end=end,
                    start_position=self._position(state),
                    end_position=self._position(state),
                )
                for end in wanted.back(timedelta(days=1))
            )
        )

    def _drivers(self, state: RecorderState, wanted: Wanted) -> blocks.DriverRecords:
        return blocks.DriverRecords(
            records=tuple(
                blocks.DriverRecord(time=at, licence=self._licence(state), event=_LOGIN)
                for at in wanted.back(timedelta(hours=14))
            )
        )

    def _power(self, _state: RecorderState, wanted: Wanted) -> blocks.PowerRecords:
        times = wanted.back(timedelta(days=7))
        return blocks.PowerRecords(records=tuple(blocks.PowerRecord(time=at, event=_POWER_ON) for at in times))

    def _changes(self, _state: RecorderState, wanted: Wanted) -> blocks.ParameterChanges:
        times = wanted.back(timedelta(days=30))
        return blocks.ParameterChanges(records=tuple(blocks.ParameterChange(time=at, command=0xC2) for at in times))

    def _speed_logs(self, _state: RecorderState, wanted: Wanted) -> blocks.SpeedLogs:
        logs = []
        for end in wanted.back(timedelta(hours=2)):
            start = end - timedelta(seconds=blocks.MINUTE_S)
            speeds = [self._speed(start + timedelta(seconds=second)) for second in range(blocks.MINUTE_S)]
            pairs = tuple(blocks.SpeedPair(recorder_kmh=speed, reference_kmh=speed + 1) for speed in speeds)
            logs.append(blocks.SpeedLog(state=_NORMAL, start=start, end=end, seconds=pairs))
        return blocks.SpeedLogs(records=tuple(logs))


def _wanted(request: RecorderCollect, now: datetime) -> Wanted:
    """By the range in the request, if it has one."""
    block = getattr(request.packet, "block", None)
    if not isinstance(block, blocks.RecordRange):
        return Wanted(now, BLOCKS_MAX)
    end = now if isinstance(block.end, RawTime) else min(now, block.end)
    return Wanted(end, min(BLOCKS_MAX, block.block_count_max))
