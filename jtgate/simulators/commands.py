"""What a simulated terminal does when the platform tells it something (JT/T 808 §3.1, §8.2).

Every command is answered: with what it asks for, or with 0x0001 and the result. One that cannot be read gets result 2,
one that nobody knows result 3. Commands in parts are put together first; a 2019 terminal asks for missing parts.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from jtgate.codecs.edition import Edition
from jtgate.codecs.errors import ProtocolError
from jtgate.codecs.header import Header
from jtgate.codecs.parts import Complete, Missing, PartBuffer
from jtgate.simulators import messages

if TYPE_CHECKING:
    from jtgate.simulators.terminal import Terminal

GENERAL_ANSWER = 0x0001
PARTS_REQUEST = 0x0005

RESULT_OK, RESULT_MESSAGE_ERROR, RESULT_NOT_SUPPORTED = 0, 2, 3

#: Memory for commands in parts; the longest is an upgrade package.
PARTS_BYTES_MAX = 1 << 20
#: A part that stays away so long is asked for, so many times; then the command is given up.
PARTS_SILENCE_S = 5.0
PARTS_REQUESTS_MAX = 3
PARTS_KEEP_S = 60.0
#: How often incomplete commands are looked at.
PARTS_LOOK_S = 1.0


class Commands:
    """Commands to one terminal.

    Args:
        terminal: who obeys.
    """

    __slots__ = ("_look_at", "_obey", "_parts", "_terminal", "_tracking_until")

    def __init__(self, terminal: "Terminal") -> None:
        self._terminal = terminal
        asks = terminal.identity.edition is Edition.V2019
        self._parts = PartBuffer(
            PARTS_BYTES_MAX,
            silence_s=PARTS_SILENCE_S,
            requests_max=PARTS_REQUESTS_MAX if asks else 0,
            keep_s=PARTS_KEEP_S,
        )
        self._look_at = math.inf
        self._tracking_until = math.inf
        # Each returns the result for 0x0001, or None when it has answered with a message of its own.
        self._obey: dict[int, Callable[[int, bytes, float], int | None]] = {
            0x8103: self._set_parameters,
            0x8104: self._tell_parameters,
            0x8106: self._tell_given_parameters,
            0x8107: self._tell_attributes,
            0x8201: self._tell_location,
            0x8202: self._track,
            0x8203: self._note,  # 人工确认报警消息
            0x8204: self._note,  # 链路检测
            0x8300: self._note,  # 文本信息下发
        }

    @property
    def deadline(self) -> float:
        """When `tick` has something to do."""
        return min(self._tracking_until, self._look_at)

    def tick(self, now: float) -> None:
        """End a tracking that is over, ask for parts that stay away."""
        if self._tracking_until <= now:
            self._report_every(None, math.inf, now)
        if self._look_at > now:
            return
        for event in self._parts.due(now):
            if isinstance(event, Missing):
                body = messages.parts_request(self._terminal.identity.edition, event.first_serial, event.numbers)
                self._terminal.delivery.reply(PARTS_REQUEST, body, now)
        self._look_at = now + PARTS_LOOK_S if len(self._parts) else math.inf

    def new_link(self) -> None:
        """What came in parts on the last link is begun anew."""
        self._parts.forget_open()
        self._look_at = math.inf

    def take(self, header: Header, body: bytes, now: float) -> None:
        """Obey a command, or keep a part of one; its answer quotes the first part."""
        if header.is_part:
            whole = self._parts.add("", header, body, now)
            self._look_at = min(self._look_at, now + PARTS_LOOK_S)
            if not isinstance(whole, Complete):
                return
            header, body = whole.header, whole.body
        terminal, msg_id = self._terminal, header.msg_id
        terminal.tally.commands[msg_id] += 1
        obey = self._obey.get(msg_id, self._refuse)
        result: int | None
        try:
            result = obey(header.serial, body, now)
        except ProtocolError:
            terminal.tally.refused["malformed command"] += 1
            result = RESULT_MESSAGE_ERROR
        if result is not None:
            terminal.delivery.reply(GENERAL_ANSWER, messages.general(header.serial, msg_id, result), now)

    def _note(self, _serial: int, _body: bytes, _now: float) -> int:
        """There is nothing to be done about it but to say that it has come."""
        return RESULT_OK

    def _refuse(self, _serial: int, _body: bytes, _now: float) -> int:
        self._terminal.tally.refused["command"] += 1
        return RESULT_NOT_SUPPORTED

    def _set_parameters(self, _serial: int, body: bytes, now: float) -> int:
        """0x8103 设置终端参数: what changes takes effect at once."""
        terminal = self._terminal
        for parameter, value in messages.read_parameters(body, terminal.identity.edition):
            if not terminal.parameters.set(parameter, value):
                terminal.tally.refused["parameter"] += 1
        terminal.follow_parameters(now)
        return RESULT_OK

    def _tell_parameters(self, serial: int, _body: bytes, now: float) -> None:
        """0x8104 查询终端参数."""
        self._answer_parameters(serial, self._parameters(), now)

    def _tell_given_parameters(self, serial: int, body: bytes, now: float) -> None:
        """0x8106 查询指定终端参数; those it does not have are left out."""
        wanted = set(messages.read_parameter_ids(body, self._terminal.identity.edition))
        found = {number: value for number, value in self._parameters().items() if number in wanted}
        self._answer_parameters(serial, found, now)

    def _parameters(self) -> dict[int, bytes]:
        return self._terminal.parameters.all(self._terminal.vehicle.mileage_m)

    def _answer_parameters(self, serial: int, values: dict[int, bytes], now: float) -> None:
        body = messages.parameters(self._terminal.identity.edition, serial, values)
        self._terminal.delivery.reply(0x0104, body, now)

    def _tell_attributes(self, _serial: int, _body: bytes, now: float) -> None:
        """0x8107 查询终端属性."""
        self._terminal.delivery.reply(0x0107, messages.attributes(self._terminal.identity), now)

    def _tell_location(self, serial: int, _body: bytes, now: float) -> None:
        """0x8201 位置信息查询: the state of the last report, so that the vehicle does not depend on queries."""
        terminal = self._terminal
        body = messages.location_answer(terminal.identity.edition, serial, terminal.current_body())
        terminal.delivery.reply(0x0201, body, now)

    def _track(self, _serial: int, body: bytes, now: float) -> int:
        """0x8202 临时位置跟踪控制: another interval for a while; 0 ends it."""
        interval_s, validity_s = messages.read_tracking(body, self._terminal.identity.edition)
        if interval_s and validity_s:
            self._report_every(float(interval_s), now + validity_s, now)
        else:
            self._report_every(None, math.inf, now)
        return RESULT_OK

    def _report_every(self, interval_s: float | None, until: float, now: float) -> None:
        self._tracking_until = until
        self._terminal.parameters.tracking_s = interval_s
        self._terminal.follow_parameters(now)
