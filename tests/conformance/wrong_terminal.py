"""A little terminal that does one thing wrong at a time, so that the kit can show that it catches it.

Its seconds last a tenth of ours. Without a fault it is a correct terminal of any edition.
"""
# ruff: noqa: D102  asyncio calls these methods, and it says what they are

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from operator import xor
from typing import Any, NamedTuple, cast

from wrong_server import Drop, Framer

from jtgate.codecs import timebase
from jtgate.codecs.edition import Edition
from jtgate.codecs.errors import ProtocolError
from jtgate.codecs.framing import escape
from jtgate.codecs.header import Header, build_header, parse_header
from jtgate.codecs.jt808 import (
    Authenticate,
    Parameter,
    ParametersAnswer,
    QueryGivenParameters,
    Register,
    RegisterAnswer,
    SetParameters,
    TerminalPartsRequest,
)
from jtgate.codecs.jt808.attributes import AttributesAnswer

#: A second of the terminal.
SECOND_S = 0.1
TICK_S = 0.005
PHONE = "13800000009"
_LOGIN = (0x0100, 0x0102)
_QUIETLY_DONE = (0x8203, 0x8204, 0x8300)


class Fault(NamedTuple):
    """Which scenarios must fail, and in which edition."""

    scenarios: tuple[str, ...]
    edition: str = "2013"


def _by(*scenarios: str, edition: str = "2013") -> Fault:
    return Fault(scenarios, edition)


FAULTS: dict[str, Fault] = {
    "never_comes_back": _by("login.comes-back", "login.comes-back-after-reset"),
    "heartbeat_first": _by("login.first-message"),
    "reports_before_login": _by("login.waits-until-accepted"),
    "keeps_refused_code": _by("login.registers-when-refused"),
    "bad_plate_colour": _by("login.registration"),
    "code_cut": _by("login.code"),
    "forgets_code": _by("login.keeps-the-code"),
    "ignores_refusal": _by("login.registration-refused"),
    "query_wrong_serial": _by("commands.query-parameters"),
    "query_silent": _by("commands.query-parameters"),
    "wrong_count": _by("commands.parameter-count"),
    "tells_everything": _by("commands.query-given"),
    "set_not_done": _by("commands.set-parameters"),
    "attributes_short": _by("commands.attributes"),
    "location_without_serial": _by("commands.location"),
    "text_silent": _by("commands.text"),
    "answers_wrong_id": _by("commands.text"),
    "tracking_silent": _by("commands.tracking"),
    "tracking_ignored": _by("commands.tracking-interval"),
    "confirm_silent": _by("commands.confirm-alarm"),
    "link_check_refused": _by("commands.link-check", edition="2019"),
    "unknown_accepted": _by("commands.unknown"),
    "malformed_accepted": _by("commands.malformed"),
    "repetition_dropped": _by("commands.repeated"),
    "loses_glued": _by("commands.in-a-row"),
    "answers_twice": _by("commands.in-a-row"),
    "answers_reversed": _by("commands.in-order"),
    "stray_answer_closes": _by("commands.stray-answers"),
    "no_reassembly": _by("framing.drip"),
    "answers_not_escaped": _by("framing.escaped-serial"),
    "check_before_unescape": _by("framing.escaped-check"),
    "pairs_of_flags": _by("framing.shared-flag", "framing.lost-flag"),
    "garbage_between_closes": _by("framing.garbage"),
    "checksum_not_checked": _by("framing.bad-checksum"),
    "interval_ignored": _by("reports.interval"),
    "bad_heading": _by("reports.location"),
    "wrong_clock": _by("reports.time"),
    "no_heartbeats": _by("reports.heartbeat"),
    "header_changes": _by("reports.header"),
    "serial_constant": _by("reports.serials"),
    "never_resends": _by("delivery.resend"),
    "resends_as_new": _by("delivery.resend"),
    "resends_changed": _by("delivery.resend"),
    "resends_answered": _by("delivery.no-resend-after-answer"),
    "any_answer_settles": _by("delivery.wrong-answer"),
    "second_answer_closes": _by("delivery.answered-twice"),
    "parts_ignored": _by("parts.command"),
    "parts_in_order_only": _by("parts.out-of-order"),
    "parts_obeyed_alone": _by("parts.incomplete"),
    "never_asks_for_parts": _by("parts.asks-for-missing", edition="2019"),
}


@dataclass
class Pending:
    """A message that waits for its answer."""

    msg_id: int
    body: bytes
    wire: bytes
    due_s: float
    wait_s: float
    sends: int = 1


class WrongTerminal(asyncio.Protocol):
    """The terminal.

    Args:
        port: of the platform.
        edition: it speaks.
        fault: what it does wrong, a key of FAULTS; "" for nothing.
    """

    def __init__(self, port: int, edition: Edition, fault: str = "") -> None:
        assert fault in ("", "never_logs_in") or fault in FAULTS, fault
        self.port, self.edition, self.fault = port, edition, fault
        self.parameters: dict[int, int] = {0x0001: 60, 0x0002: 10, 0x0003: 3, 0x0020: 0, 0x0029: 30}
        self.code: str | None = None
        self.serial = 0
        self.online = False
        self.was_online = False
        self.transport: asyncio.Transport | None = None
        self.pending: dict[int, Pending] = {}
        self.settled: list[Pending] = []
        self.parts: dict[int, dict[int, bytes]] = {}
        self.asked: set[int] = set()
        self.seen: set[bytes] = set()
        self.tracking_s: float | None = None
        self.reported_s = self.beaten_s = self.login_s = 0.0
        self.frames = 0

    @property
    def now(self) -> float:
        """Seconds of the terminal."""
        return asyncio.get_running_loop().time() / SECOND_S

    async def live(self) -> None:
        """Connect, report, connect again; until it is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            away = self.transport is None and not (self.was_online and self.fault == "never_comes_back")
            if away:
                with contextlib.suppress(OSError):
                    await loop.create_connection(lambda: self, "127.0.0.1", self.port)
            elif self.transport is not None:
                self.tick()
            await asyncio.sleep(TICK_S)

    # The link.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.framer = Framer(self.fault)
        self.pending.clear()
        self.online = False
        if self.fault == "heartbeat_first":
            self.send(0x0002, b"")
        if self.fault == "forgets_code":
            self.code = None
        self.log_in()

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self.online = False
        self.parts.clear()
        self.asked.clear()

    def data_received(self, data: bytes) -> None:
        try:
            payloads = self.framer.feed(data)
            if self.fault == "answers_reversed":
                payloads.reverse()
            for payload in payloads:
                if self.fault == "repetition_dropped" and payload in self.seen:
                    continue
                self.seen.add(payload)
                header, body = parse_header(payload)
                self.take(header, body)
        except Drop:
            self.drop()

    def drop(self) -> None:
        """Hang up."""
        if self.transport is not None:
            self.transport.close()

    def frame(self, msg_id: int, body: bytes) -> tuple[int, bytes]:
        """A frame with the next serial."""
        serial = self.serial
        if self.fault != "serial_constant":
            self.serial = (serial + 1) & 0xFFFF
        edition = self.edition
        self.frames += 1
        if self.fault == "header_changes" and self.frames % 3 == 0:
            edition = Edition.V2013 if edition is Edition.V2019 else Edition.V2019
        payload = build_header(msg_id, len(body), phone=PHONE, serial=serial, edition=edition) + body
        data = payload + bytes([reduce(xor, payload, 0)])
        return serial, b"\x7e" + (data if self.fault == "answers_not_escaped" else escape(data)) + b"\x7e"

    def write(self, wire: bytes) -> None:
        """Put bytes on the link."""
        if self.transport is not None:
            self.transport.write(wire)

    def send(self, msg_id: int, body: bytes, *, wanted: bool = True) -> None:
        """A message; with `wanted` it is repeated until it is answered."""
        serial, wire = self.frame(msg_id, body)
        self.write(wire)
        if wanted:
            wait_s = float(self.parameters[0x0002])
            self.pending[serial] = Pending(msg_id, body, wire, self.now + wait_s, wait_s)

    def reply(self, header: Header, result: int) -> None:
        """0x0001."""
        msg_id = header.msg_id ^ (self.fault == "answers_wrong_id")
        for _ in range(2 if self.fault == "answers_twice" else 1):
            self.send(0x0001, header.serial.to_bytes(2) + msg_id.to_bytes(2) + bytes([result]), wanted=False)

    # What it does by itself.

    def log_in(self) -> None:
        """Register for a code, or authenticate."""
        self.login_s = self.now
        if self.code is None:
            colour = 77 if self.fault == "bad_plate_colour" else 2
            message = Register(
                province=21,
                city=1100,
                manufacturer="LITTL",
                model="ONE",
                terminal_id="L000009",
                plate_color=colour,
                plate="测A00009",
            )
            self.send(0x0100, message.encode(self.edition))
            return
        tail: dict[str, Any] = {}
        if self.edition is Edition.V2019:
            tail = {"imei": "860000000000009", "software_version": "1"}
        code = self.code[:-1] if self.fault == "code_cut" else self.code
        self.send(0x0102, Authenticate(auth_code=code, **tail).encode(self.edition))

    def location(self) -> bytes:
        """28 bytes of location."""
        time = timebase.utc_now()
        if self.fault == "wrong_clock":
            time = timebase.from_ms(timebase.to_ms(time) - 8 * 3_600_000)
        heading = 400 if self.fault == "bad_heading" else 90
        fixed = bytes.fromhex("0000000000000003 02737d00 0746a3f0 0005 025d")
        return fixed + heading.to_bytes(2) + timebase.encode_bcd_time(time)

    def tick(self) -> None:
        """Everything that is due."""
        now, fault = self.now, self.fault
        for serial, pending in list(self.pending.items()):
            if pending.due_s <= now:
                self.repeat(serial, pending)
        if fault == "resends_answered":
            for pending in [pending for pending in self.settled if pending.due_s + 1 <= now]:
                self.settled.remove(pending)
                self.write(pending.wire)
        if not self.online and not any(p.msg_id in _LOGIN for p in self.pending.values()) and now - self.login_s > 5:
            self.log_in()
        if not self.online and not (fault == "reports_before_login" and self.was_online):
            return
        interval_s = float(self.parameters[0x0029]) if fault != "interval_ignored" else 30.0
        if self.tracking_s is not None and fault != "tracking_ignored":
            interval_s = self.tracking_s
        if now - self.reported_s >= interval_s:
            self.reported_s = now
            self.send(0x0200, self.location())
        if now - self.beaten_s >= self.parameters[0x0001] and fault != "no_heartbeats":
            self.beaten_s = now
            self.send(0x0002, b"")

    def repeat(self, serial: int, pending: Pending) -> None:
        """T, then 2 T and so on; in the end the link is given up."""
        if pending.sends > self.parameters[0x0003]:
            self.drop()
            return
        pending.sends += 1
        pending.wait_s *= pending.sends - 1
        pending.due_s = self.now + pending.wait_s
        if self.fault == "never_resends":
            return
        if self.fault in ("resends_as_new", "resends_changed"):
            del self.pending[serial]
            if self.fault == "resends_changed":
                self.serial = serial
            self.send(pending.msg_id, pending.body[:-1] + bytes([pending.body[-1] ^ 1]) if pending.body else b"")
            return
        self.write(pending.wire)

    # What the platform says.

    def take(self, header: Header, body: bytes) -> None:
        """A frame of the platform."""
        if header.msg_id == 0x8001:
            self.general(int.from_bytes(body[:2]), int.from_bytes(body[2:4]), body[4])
        elif header.msg_id == 0x8100:
            answer = RegisterAnswer.decode(body, self.edition)
            self.pending.pop(answer.answer_serial, None)
            if answer.result == 0 or self.fault == "ignores_refusal":
                self.code = answer.auth_code or "NONE"
                if self.fault != "never_logs_in":
                    self.log_in()
        elif header.msg_id == 0x8800:
            if self.fault == "stray_answer_closes":
                raise Drop
        elif header.is_part and self.fault != "parts_obeyed_alone":
            self.part(header, body)
        else:
            self.command(header, body)

    def general(self, serial: int, msg_id: int, result: int) -> None:
        """0x8001."""
        pending = self.pending.get(serial)
        if self.fault == "any_answer_settles" and pending is None:
            pending = next((p for p in self.pending.values() if p.msg_id == msg_id), None)
            serial = next((s for s, p in self.pending.items() if p is pending), serial)
        if pending is None or pending.msg_id != msg_id:
            if self.fault == "second_answer_closes" and msg_id == 0x0200:
                raise Drop
            return
        del self.pending[serial]
        if msg_id == 0x0200:
            self.settled.append(pending)
        if msg_id != 0x0102:
            return
        if result == 0:
            self.online = self.was_online = True
            self.beaten_s = self.now
        elif self.fault != "keeps_refused_code":
            self.code = None
            self.log_in()

    def part(self, header: Header, body: bytes) -> None:
        """A command in parts."""
        if self.fault == "parts_ignored":
            return
        number, total = header.packet_no or 0, header.packet_total or 0
        first = (header.serial - number + 1) & 0xFFFF
        found = self.parts.setdefault(first, {})
        if self.fault == "parts_in_order_only" and number != len(found) + 1:
            return
        found[number] = body
        if len(found) == total:
            del self.parts[first]
            self.command(header, b"".join(found[at] for at in range(1, total + 1)))
        elif self.edition is Edition.V2019 and self.fault != "never_asks_for_parts":
            asyncio.get_running_loop().call_later(5 * SECOND_S, self.ask, first, total)

    def ask(self, first: int, total: int) -> None:
        """0x0005."""
        if first in self.parts and first not in self.asked:
            self.asked.add(first)
            missing = tuple(number for number in range(1, total + 1) if number not in self.parts[first])
            body = TerminalPartsRequest(first_serial=first, part_numbers=missing).encode(self.edition)
            self.send(0x0005, body, wanted=False)

    def command(self, header: Header, body: bytes) -> None:
        """Obey, and answer."""
        fault, msg_id = self.fault, header.msg_id
        silent = {0x8300: "text_silent", 0x8202: "tracking_silent", 0x8203: "confirm_silent", 0x8104: "query_silent"}
        if fault == silent.get(msg_id):
            return
        obey: dict[int, Callable[[Header, bytes], None]] = {
            0x8103: self.set_parameters,
            0x8104: self.tell_parameters,
            0x8106: self.tell_parameters,
            0x8107: self.tell_attributes,
            0x8201: self.tell_location,
            0x8202: self.track,
        }
        if msg_id in obey:
            obey[msg_id](header, body)
        elif msg_id in _QUIETLY_DONE and not (fault == "link_check_refused" and msg_id == 0x8204):
            self.reply(header, 0)
        else:
            self.reply(header, 0 if fault == "unknown_accepted" else 3)

    def set_parameters(self, header: Header, body: bytes) -> None:
        """0x8103."""
        try:
            message = SetParameters.decode(body, self.edition)
        except ProtocolError:
            message = SetParameters(parameters=(), trailing=b"?")
        if message.trailing and self.fault not in ("malformed_accepted", "parts_obeyed_alone"):
            self.reply(header, 2)
            return
        if self.fault != "set_not_done":
            self.parameters |= {item.id: int.from_bytes(item.raw) for item in message.parameters}
        self.reply(header, 0)

    def tell_parameters(self, header: Header, body: bytes) -> None:
        """0x8104 and 0x8106."""
        values = dict(self.parameters)
        if header.msg_id == 0x8106 and self.fault != "tells_everything":
            wanted = QueryGivenParameters.decode(body, self.edition).ids
            values = {number: value for number, value in values.items() if number in wanted}
        items = tuple(Parameter.of(number, value.to_bytes(4)) for number, value in sorted(values.items()))
        serial = header.serial ^ (self.fault == "query_wrong_serial")
        answer = bytearray(ParametersAnswer(answer_serial=serial, parameters=items).encode(self.edition))
        if self.fault == "wrong_count":
            answer[2] += 1
        self.send(0x0104, bytes(answer), wanted=False)

    def tell_attributes(self, header: Header, _body: bytes) -> None:
        """0x8107."""
        message = AttributesAnswer(
            terminal_type=2,
            manufacturer="LITTL",
            model="ONE",
            terminal_id="L000009",
            iccid="89860000000000000000",
            hardware_version="1",
            firmware_version="1",
            gnss_modules=3,
            communication_modules=32,
        )
        body = message.encode(Edition.V2019 if self.edition is Edition.V2019 else Edition.V2013)
        self.send(0x0107, body[:20] if self.fault == "attributes_short" else body, wanted=False)

    def tell_location(self, header: Header, _body: bytes) -> None:
        """0x8201; 2011 has no serial."""
        bare = self.edition is Edition.V2011 or self.fault == "location_without_serial"
        self.send(0x0201, (b"" if bare else header.serial.to_bytes(2)) + self.location(), wanted=False)

    def track(self, header: Header, body: bytes) -> None:
        """0x8202; how long it lasts does not matter here."""
        self.tracking_s = float(int.from_bytes(body[:2])) or None
        self.reply(header, 0)
