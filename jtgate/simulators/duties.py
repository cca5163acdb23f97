"""What a simulated terminal does about each command (JT/T 808 §3, JT/T 1078 §1, T/JSATL 12 §4.3).

One function for each command, found by its id. It does what is asked for and returns what is answered; what happens
later (a restart, the driver's answer to a question) is handed to `later`. A body that cannot be read raises
ProtocolError, and then nothing has been done. Commands of an edition that the terminal does not speak are obeyed all
the same where its own edition can express the answer.
"""

import heapq
import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from jtgate.codecs import registry, timebase
from jtgate.codecs.declare import Message
from jtgate.codecs.edition import Edition
from jtgate.codecs.jt808 import (
    AskQuestion,
    CallBack,
    ConfirmAlarm,
    DownlinkTransparent,
    InformationService,
    LinkDetection,
    PlatformRsaKey,
    PushUpgrade,
    QuestionAnswer,
    SetEvents,
    SetInformationMenu,
    SetPhoneBook,
    TerminalControl,
    TerminalRsaKey,
    TextMessage,
    UpgradeResult,
    VehicleControl,
)
from jtgate.codecs.jt808.control import (
    BACK_TO_DEFAULT,
    CONNECT_SERVER,
    CONTROL_COMMANDS,
    DOOR,
    WIRELESS_UPGRADE,
)
from jtgate.simulators import messages, video
from jtgate.simulators.answers import FAILED, NOT_SUPPORTED, OK, RESULT_OK, Answer, Duty, Reply, told
from jtgate.simulators.areas import AreaBook
from jtgate.simulators.dice import Purpose
from jtgate.simulators.memory import Todo
from jtgate.simulators.recorder import Recorder, RecorderState

if TYPE_CHECKING:
    from jtgate.simulators.terminal import Terminal

#: Things that will happen; a command that would need one more is refused with result 1.
PLANS_MAX = 32
#: After a command to restart or switch off the answer has so long to get out.
FAREWELL_S = 1.0
RESTART_S = 3.0
#: Somebody switches it on again.
OFF_S = 60.0
UPGRADE_S = 5.0
DRIVER_THINKS_S = 3.0
FILE_UPLOAD_S = 3.0

POWER_OFF, RESET, FACTORY_RESET, CLOSE_LINK, CLOSE_WIRELESS = 3, 4, 5, 6, 7
_ERASING = FACTORY_RESET
_LONG_OFF = (POWER_OFF, CLOSE_LINK, CLOSE_WIRELESS)
_LOCK_FLAG = 1
_OPEN_2019 = 1
_TERMINAL_UPGRADE = 0

RSA_EXPONENT = 65_537
RSA_BYTES = 128

#: Commands that are read, shown or noted, and confirmed.
CONFIRMED: dict[int, type[Message]] = {
    0x8204: LinkDetection,
    0x8300: TextMessage,
    0x8301: SetEvents,
    0x8303: SetInformationMenu,
    0x8304: InformationService,
    0x8400: CallBack,
    0x8401: SetPhoneBook,
    0x8900: DownlinkTransparent,
}


class Plans:
    """What a terminal is going to do."""

    __slots__ = ("_count", "_heap")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Callable[[float], None]]] = []
        self._count = 0

    @property
    def deadline(self) -> float:
        """When the next one is due."""
        return self._heap[0][0] if self._heap else math.inf

    @property
    def is_full(self) -> bool:
        """Whether there is no room for another one."""
        return len(self._heap) >= PLANS_MAX

    def add(self, at: float, do: Callable[[float], None]) -> None:
        """Do something at a time."""
        self._count += 1
        heapq.heappush(self._heap, (at, self._count, do))

    def tick(self, now: float) -> None:
        """Do what is due."""
        while self._heap and self._heap[0][0] <= now:
            heapq.heappop(self._heap)[2](now)


class Duties:
    """The duties of one terminal.

    Args:
        terminal: who obeys.
    """

    __slots__ = ("_terminal", "_tracking_until", "areas", "by_id", "plans")

    def __init__(self, terminal: "Terminal") -> None:
        self._terminal = terminal
        self._tracking_until = math.inf
        self.plans = Plans()
        self.areas = AreaBook(terminal.identity.edition)
        recorder = Recorder(terminal.identity, terminal.dice, self._recorder_state)
        edition = terminal.identity.edition
        self.by_id: dict[int, Duty] = {
            0x8103: self._set_parameters,
            0x8104: self._tell_parameters,
            0x8105: self._control,
            0x8106: self._tell_given_parameters,
            0x8107: self._tell_attributes,
            0x8108: self._upgrade,
            0x8201: self._tell_location,
            0x8202: self._track,
            0x8203: self._confirm_alarm,
            0x8302: self._ask_driver,
            0x8500: self._control_vehicle,
            0x8700: recorder.collect,
            0x8701: recorder.set,
            0x8702: self._tell_driver,
            0x8A00: self._swap_keys,
            0x9003: lambda _serial, _body, _now: video.attributes(edition),
            0x9101: lambda _serial, body, _now: video.stream(0x9101, body, edition),
            0x9201: lambda _serial, body, _now: video.stream(0x9201, body, edition),
            0x9205: self._tell_recordings,
            0x9206: self._upload_recordings,
            **{msg_id: partial(_confirm, cls, edition) for msg_id, cls in CONFIRMED.items()},
            **{msg_id: partial(_confirm, cls, edition) for msg_id, cls in video.CONFIRMED.items()},
            **self.areas.duties(),
            **terminal.gallery.duties(),
        }
        if terminal.evidence is not None:
            self.by_id[0x9208] = terminal.evidence.asked

    @property
    def deadline(self) -> float:
        """When `tick` has something to do."""
        return min(self._tracking_until, self.plans.deadline, self._terminal.gallery.deadline)

    def tick(self, now: float) -> None:
        """End a tracking that is over, do what was planned, go on uploading."""
        if self._tracking_until <= now:
            self._report_every(None, math.inf, now)
        self.plans.tick(now)
        self._terminal.gallery.tick(now)

    def _later(self, delay_s: float, do: Callable[[float], None], now: float) -> Reply:
        """Confirm, and do it after a while."""
        if self.plans.is_full:
            return FAILED
        self.plans.add(now + delay_s, do)
        return OK

    def _report_later(self, delay_s: float, msg_id: int, body: bytes, now: float) -> Reply:
        """Confirm, and send a message that the platform answers, after a while."""
        return self._later(delay_s, lambda _at: self._terminal.memory.add(Todo(msg_id, body)), now)

    # Parameters and attributes.

    def _set_parameters(self, _serial: int, body: bytes, now: float) -> Reply:
        """0x8103 设置终端参数: what changes takes effect at once."""
        terminal = self._terminal
        for parameter, value in messages.read_parameters(body, terminal.identity.edition):
            if not terminal.parameters.set(parameter, value):
                terminal.tally.refused["parameter"] += 1
        terminal.follow_parameters(now)
        return OK

    def _tell_parameters(self, serial: int, _body: bytes, _now: float) -> Reply:
        """0x8104 查询终端参数."""
        return self._parameters_answer(serial, self._parameters())

    def _tell_given_parameters(self, serial: int, body: bytes, _now: float) -> Reply:
        """0x8106 查询指定终端参数; those it does not have are left out."""
        wanted = set(messages.read_parameter_ids(body, self._terminal.identity.edition))
        found = {number: value for number, value in self._parameters().items() if number in wanted}
        return self._parameters_answer(serial, found)

    def _parameters(self) -> dict[int, bytes]:
        return self._terminal.parameters.all(self._terminal.vehicle.mileage_m)

    def _parameters_answer(self, serial: int, values: dict[int, bytes]) -> Reply:
        return told(0x0104, messages.parameters(self._terminal.identity.edition, serial, values))

    def _tell_attributes(self, _serial: int, _body: bytes, _now: float) -> Reply:
        """0x8107 查询终端属性."""
        return told(0x0107, messages.attributes(self._terminal.identity), quotes=False)

    # The terminal itself.

    def _control(self, _serial: int, body: bytes, now: float) -> Reply:
        """0x8105 终端控制: it restarts, or is off for a while; it stays with its platform."""
        edition = self._terminal.identity.edition
        order = messages.read(TerminalControl, body, edition)
        if CONTROL_COMMANDS.get(order.command, edition) is None:
            return NOT_SUPPORTED
        if order.command == CONNECT_SERVER:
            is_back = order.connection is not None and order.connection.connect_control == BACK_TO_DEFAULT
            return OK if is_back else NOT_SUPPORTED
        if order.command == WIRELESS_UPGRADE:
            return self._install(_TERMINAL_UPGRADE, now)
        if order.command in (RESET, FACTORY_RESET):
            erase = order.command == _ERASING
            return self._later(FAREWELL_S, lambda at: self._terminal.restart(at, RESTART_S, erase=erase), now)
        if order.command in _LONG_OFF:
            return self._later(FAREWELL_S, lambda at: self._terminal.restart(at, OFF_S), now)
        return OK  # of vendors

    def _upgrade(self, _serial: int, body: bytes, now: float) -> Reply:
        """0x8108 下发终端升级包: it restarts and reports 0x0108."""
        return self._install(messages.read(PushUpgrade, body, self._terminal.identity.edition).upgrade_type, now)

    def _install(self, upgrade_type: int, now: float) -> Reply:
        terminal = self._terminal
        report = registry.encode_body(UpgradeResult(upgrade_type=upgrade_type, result=0), terminal.identity.edition)

        def install(at: float) -> None:
            terminal.restart(at, RESTART_S)
            if terminal.identity.edition is not Edition.V2011:  # it has no 0x0108
                terminal.memory.add(Todo(0x0108, report))

        return self._later(UPGRADE_S, install, now)

    def _swap_keys(self, _serial: int, body: bytes, _now: float) -> Reply:
        """0x8A00 平台RSA公钥: it tells its own, and goes on without encryption."""
        edition = self._terminal.identity.edition
        messages.read(PlatformRsaKey, body, edition)
        modulus = bytearray(self._terminal.dice.octets(Purpose.RSA_KEY, 0, RSA_BYTES))
        modulus[0] |= 0x80
        modulus[-1] |= 1
        return told(0x0A00, TerminalRsaKey(exponent=RSA_EXPONENT, modulus=bytes(modulus)).encode(edition), quotes=False)

    # Location and alarms.

    def _tell_location(self, serial: int, _body: bytes, _now: float) -> Reply:
        """0x8201 位置信息查询: the state of the last report, so that the vehicle does not depend on queries."""
        terminal = self._terminal
        edition = terminal.identity.edition
        body = messages.location_answer(edition, serial, terminal.current_body())
        return told(0x0201, body, quotes=edition is not Edition.V2011)

    def _track(self, _serial: int, body: bytes, now: float) -> Reply:
        """0x8202 临时位置跟踪控制: another interval for a while; 0 ends it."""
        interval_s, validity_s = messages.read_tracking(body, self._terminal.identity.edition)
        if interval_s and validity_s:
            self._report_every(float(interval_s), now + validity_s, now)
        else:
            self._report_every(None, math.inf, now)
        return OK

    def _report_every(self, interval_s: float | None, until: float, now: float) -> None:
        self._tracking_until = until
        self._terminal.parameters.tracking_s = interval_s
        self._terminal.follow_parameters(now)

    def _confirm_alarm(self, _serial: int, body: bytes, _now: float) -> Reply:
        """0x8203 人工确认报警消息: flags that an answer clears are cleared."""
        message = messages.read(ConfirmAlarm, body, self._terminal.identity.edition)
        self._terminal.alarms.answered(message.alarm_types)
        return OK

    # The driver and the vehicle.

    def _ask_driver(self, serial: int, body: bytes, now: float) -> Reply:
        """0x8302 提问下发: the driver chooses the first answer after a while."""
        edition = self._terminal.identity.edition
        question = messages.read(AskQuestion, body, edition)
        if not question.answers:
            return OK
        answer = QuestionAnswer(answer_serial=serial, answer_id=question.answers[0].answer_id)
        return self._report_later(DRIVER_THINKS_S, 0x0302, answer.encode(edition), now)

    def _tell_driver(self, _serial: int, _body: bytes, _now: float) -> Reply:
        """0x8702 上报驾驶员身份信息请求: the card that is inserted, or that none is."""
        terminal = self._terminal
        edition, driver_no = terminal.identity.edition, terminal.vehicle.driver_no
        if driver_no or edition is Edition.V2011:
            body = messages.card_inserted(terminal.identity, driver_no or 1, terminal.device_ms())
        else:
            body = messages.card_removed(edition, terminal.device_ms())
        return told(0x0702, body, quotes=False, is_report=True)

    def _control_vehicle(self, serial: int, body: bytes, _now: float) -> Reply:
        """0x8500 车辆控制: 0x0001, then 0x0500 whose status shows the doors; 2019 may ask for what it does not have."""
        terminal = self._terminal
        order = messages.read(VehicleControl, body, terminal.identity.edition)
        for control in order.controls or ():
            if control.control_type != DOOR:
                return NOT_SUPPORTED
        for control in order.controls or ():
            terminal.vehicle.doors_locked = control.door != _OPEN_2019
        if order.flags is not None:
            terminal.vehicle.doors_locked = bool(order.flags & _LOCK_FLAG)
        answer = Answer(0x0500, serial.to_bytes(2) + terminal.current_body())
        return Reply(RESULT_OK, (answer,))

    def _recorder_state(self) -> RecorderState:
        vehicle = self._terminal.vehicle
        return RecorderState(
            timebase.from_ms(self._terminal.device_ms()),
            vehicle.driver_no,
            vehicle.mileage_m / 1000,
            vehicle.speed_kmh,
            vehicle.position(),
        )

    # Recordings.

    def _tell_recordings(self, serial: int, body: bytes, _now: float) -> Reply:
        """0x9205 查询资源列表."""
        now = timebase.from_ms(self._terminal.device_ms())
        return video.resources(serial, body, now, self._terminal.identity.edition)

    def _upload_recordings(self, serial: int, body: bytes, now: float) -> Reply:
        """0x9206 文件上传指令: 0x1206 says after a while that it is done."""
        edition = self._terminal.identity.edition
        finished = video.upload_finished(serial, body, edition)
        return self._report_later(FILE_UPLOAD_S, video.UPLOAD_FINISHED, finished, now)


def _confirm(cls: type[Message], edition: Edition, _serial: int, body: bytes, _now: float) -> Reply:
    """Nothing is to be done about it but to read it and say that it has come."""
    messages.read(cls, body, edition)
    return OK
