"""A little platform that does one thing wrong at a time, so that the kit can show that it catches it.

Without a fault it is a correct platform with a strict policy: it knows who registered and refuses foreign codes.
It is written plainly and shares nothing with our gateway but the codecs' header and bodies.
"""
# ruff: noqa: D102  asyncio calls these methods, and it says what they are

import asyncio
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import reduce
from operator import xor
from typing import Self, cast

from wrong_server_faults import FAULTS

from jtgate.codecs import timebase
from jtgate.codecs.edition import Edition
from jtgate.codecs.errors import ProtocolError
from jtgate.codecs.framing import escape, unescape
from jtgate.codecs.header import Header, build_header, parse_header
from jtgate.codecs.jt808 import (
    Authenticate,
    LocationReport,
    MediaUpload,
    MediaUploadAnswer,
    PlatformPartsRequest,
    Register,
    RegisterAnswer,
    TimeAnswer,
)

#: Shortest time a part may stay away before it is asked for.
SILENCE_S = 0.15
IDLE_S = 0.3
#: Bytes after which the faulty framer takes nothing more.
STUCK_BYTES = 4000
#: A terminal that comes back sooner is not let in by the faulty platform.
TOO_SOON_S = 0.5
_NOT_ANSWERED = (0x0001, 0x0107, 0x0005)
_KNOWN = (0x0002, 0x0004, 0x0102, 0x0200, 0x0702, 0x0704, 0x0800, 0x0801, 0x0900)


class Drop(Exception):
    """The connection is closed at once."""


class Framer:
    """Bytes to payloads, in one of many wrong ways."""

    def __init__(self, fault: str) -> None:
        self.fault = fault
        self.data = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Payloads without check byte."""
        fault = self.fault
        if fault == "no_reassembly":
            self.data = b""  # every read is taken for whole frames
        if fault == "escape_lost_at_the_end" and data.endswith(b"\x7d"):
            data = data[:-1]
        self.data += data
        if fault == "garbage_first_closes" and self.data[:1] != b"\x7e":
            raise Drop
        if fault == "empty_closes" and b"\x7e\x7e\x7e" in self.data:
            raise Drop
        if fault == "waits_for_all" and not self.data.endswith(b"\x7e"):
            return []
        if fault == "stuck_without_flag" and len(self.data) > STUCK_BYTES:
            return []
        found = self._pairs() if fault == "pairs_of_flags" else self._split()
        return found[:1] if fault == "loses_glued" else found

    def _split(self) -> list[bytes]:
        *pieces, self.data = self.data.split(b"\x7e")
        if pieces and self.fault == "garbage_first_closes":
            self.data = b"\x7e" + self.data
        return [payload for piece in pieces for payload in self._open(piece)]

    def _pairs(self) -> list[bytes]:
        """Flags strictly two by two: a lost or shared one turns the stream inside out."""
        found: list[bytes] = []
        while self.data.count(b"\x7e") >= 2:
            _, inside, self.data = self.data.split(b"\x7e", 2)
            found += self._open(inside)
        return found

    def _open(self, piece: bytes) -> list[bytes]:
        """The payload between two flags, or nothing."""
        fault = self.fault
        if not piece or (fault == "limit_1024" and len(piece) > 1024):
            return []
        data, wrong = unescape(piece)
        if fault == "check_before_unescape":
            data = unescape(piece[:-1])[0] + piece[-1:]
        is_bad = len(data) < 13 or reduce(xor, data, 0) != 0
        if (
            (fault == "bad_escape_closes" and wrong is not None)
            or (fault == "short_closes" and len(data) < 13)
            or (fault == "bad_checksum_closes" and is_bad and len(data) >= 13)
            or (fault == "garbage_between_closes" and is_bad)
        ):
            raise Drop
        trusted = fault == "checksum_not_checked" and len(data) >= 13
        return [data[:-1]] if trusted or not is_bad else []


@dataclass
class Assembly:
    """Parts of a message."""

    total: int
    first_serial: int
    header: Header
    touched_s: float
    parts: dict[int, bytes] = field(default_factory=dict)
    order: list[int] = field(default_factory=list)
    asked: bool = False


@dataclass
class State:
    """What a platform remembers of all terminals."""

    codes: dict[str, str] = field(default_factory=dict)
    online: dict[str, "Connection"] = field(default_factory=dict)
    serials: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    assemblies: dict[tuple[object, ...], Assembly] = field(default_factory=dict)
    marks: set[tuple[object, ...]] = field(default_factory=set)  # what one fault or another wants to remember
    resets: Counter[str] = field(default_factory=Counter)
    closed_s: dict[str, float] = field(default_factory=dict)
    reports: int = 0
    is_dead: bool = False

    def first_time(self, *mark: object) -> bool:
        """True once for each mark."""
        new = mark not in self.marks
        self.marks.add(mark)
        return new


class Connection(asyncio.Protocol):
    """One terminal."""

    def __init__(self, server: "WrongServer", where: object = None) -> None:
        self.server = server
        self.state = server.state
        self.fault = server.fault
        self.framer = Framer(server.fault)
        self.where = where
        self.phone = ""
        self.accepted = False
        self.gone = False
        self.idle: asyncio.TimerHandle | None = None
        self.held: list[tuple[Header, bytes]] = []

    # Bytes.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone = True
        state, phone = self.state, self.phone
        self.server.connections.discard(self)
        if not phone:
            return
        state.resets[phone] += exc is not None
        state.closed_s[phone] = asyncio.get_running_loop().time()
        if self.fault == "half_frame_stays" and self.framer.data:
            state.marks.add(("half", phone))
        if self.fault == "repeated_parts_dropped":
            for key in [key for key in state.assemblies if key[0] == phone]:
                del state.assemblies[key]
        if state.online.get(phone) is self or self.fault == "late_close_ends_session":
            state.online.pop(phone, None)

    def data_received(self, data: bytes) -> None:
        if self.idle is not None:
            self.idle.cancel()
        if self.fault == "idle_closes":
            self.idle = asyncio.get_running_loop().call_later(IDLE_S, self.close)
        if self.fault == "http_kills" and data.startswith(b"GET"):
            self.state.is_dead = True
        if self.state.is_dead:
            return
        try:
            payloads = self.framer.feed(data)
            if self.fault == "reverse_order":
                payloads.reverse()
            if self.fault == "first_frame_of_datagram":
                del payloads[1:]
            for payload in payloads:
                self._payload(payload)
        except Drop:
            self.close()

    def close(self) -> None:
        """Hang up."""
        if self.where is None:
            self.transport.close()

    def write(self, data: bytes) -> None:
        """Send a frame."""
        if self.where is not None:
            self.server.udp.sendto(data, self.where)
        elif not self.gone:
            self.transport.write(data)

    def send(self, header: Header, msg_id: int, body: bytes) -> None:
        """A frame to the terminal of this header."""
        fault, edition = self.fault, header.edition
        if fault == "answers_first_address":
            self.where = self.server.first_address.setdefault(header.terminal, self.where)
        serial = self.state.serials[header.terminal]
        self.state.serials[header.terminal] = (serial + 1) & 0xFFFF
        if fault == "echoes_serials":
            serial = header.serial + 5
        if fault == "header_2013" and edition is Edition.V2019:
            edition = Edition.V2013
        version = 1 if fault == "version_1" else header.protocol_version
        phone = header.phone
        if fault == "phone_stripped":
            phone = phone.lstrip("0")[-11:]
        if edition is Edition.V2013:
            phone = phone[-12:]
        head = build_header(msg_id, len(body), phone=phone, serial=serial, edition=edition, protocol_version=version)
        payload = head + body
        data = payload + bytes([reduce(xor, payload, 0)])
        self.write(b"\x7e" + (data if fault == "answers_not_escaped" else escape(data)) + b"\x7e")

    def general(self, header: Header, result: int = 0) -> None:
        """0x8001."""
        serial, msg_id = header.serial, header.msg_id
        if self.fault == "wrong_serial":
            serial = (serial + 1) & 0xFFFF
        if self.fault == "wrong_id":
            msg_id ^= 1
        if self.fault == "serial_of_one_byte":
            serial &= 0xFF
        tail = b"\0" if self.fault == "long_general" else b""
        target = self.server.latest if self.fault == "answers_latest_connection" and self.server.latest else self
        for _ in range(2 if self.fault == "answers_twice" else 1):
            target.send(header, 0x8001, serial.to_bytes(2) + msg_id.to_bytes(2) + bytes([result]) + tail)

    # Frames.

    def terminal(self, header: Header) -> str:
        """Key of a terminal: the same with and without leading zeros."""
        return header.phone if self.fault == "phones_as_text" else header.terminal

    def _payload(self, payload: bytes) -> None:
        header, body = parse_header(payload)
        terminal, is_report, first_time = self.terminal(header), header.msg_id == 0x0200, self.state.first_time
        self.state.reports += is_report
        match self.fault:
            case "drops_repetitions":
                dropped = not first_time("seen", payload)
            case "repeated_parts_dropped":
                dropped = header.is_part and not first_time("seen", payload)
            case "half_frame_stays":
                dropped = is_report and ("half", terminal) in self.state.marks
            case "serial_must_rise":
                dropped = is_report and header.serial == 0 and not first_time("zero", terminal)
            case "loses_some":
                dropped = is_report and self.state.reports % 97 == 0
            case _:
                dropped = self._header_is_refused(header, payload)
        if dropped:
            return
        match header.msg_id:
            case 0x0100:
                self._register(header, body)
            case 0x0102:
                self._authenticate(header, body)
            case 0x0003 | 0x0101:
                self._unregister(header)
            case _:
                self._report(header, body)

    def _header_is_refused(self, header: Header, payload: bytes) -> bool:
        """Faults that concern headers only."""
        fault, properties = self.fault, int.from_bytes(payload[2:4])
        if fault == "hex_phone_closes" and not header.phone.isdecimal():
            raise Drop
        if fault in ("version_bit_trusted", "version_bit_needed") and bool(properties & 0x4000) != (
            header.edition is Edition.V2019
        ):
            return True
        if fault == "reserved_bit_refused" and properties & 0x8000:
            return True
        if fault in ("wrong_length_closes", "wrong_length_dropped") and "header.length_mismatch" in header.deviations:
            if fault == "wrong_length_closes":
                raise Drop
            return True
        if fault == "encryption_closes" and header.encryption:
            raise Drop
        return fault == "other_phone_dropped" and self.accepted and header.terminal != self.phone

    def _register(self, header: Header, body: bytes) -> None:
        fault, terminal = self.fault, self.terminal(header)
        if fault == "no_register_answer" or (fault == "register_once" and terminal in self.state.codes):
            return
        if fault == "dead_after_unregister" and ("gone", terminal) in self.state.marks:
            return
        try:
            layout = Register.layout_edition(body, header.edition)
            if fault == "plate_needed" and layout is Edition.V2011 and len(body) < 26:
                raise ProtocolError("no plate")
            Register.decode(body, layout)
        except ProtocolError:
            if fault not in ("malformed_register_silent", "plate_needed"):
                self.general(header, 2)
            return
        serial = header.serial + 1 if fault == "register_wrong_serial" else header.serial
        if terminal == "":
            failed = RegisterAnswer(answer_serial=serial, result=4).encode()
            self.send(header, 0x8100, failed + (b"CODE" if fault == "code_after_failure" else b""))
            return
        code = {"no_code": "", "long_code": "X" * 60}.get(fault, f"C{terminal[-9:]}")
        self.state.codes[terminal] = code
        answer = RegisterAnswer(answer_serial=serial, result=0, auth_code=code)
        self.send(header, 0x8100, answer.encode())

    def _authenticate(self, header: Header, body: bytes) -> None:
        fault, terminal, state = self.fault, self.terminal(header), self.state
        if fault == "no_authenticate_answer" or (fault == "empty_code_silent" and not body):
            return
        if fault == "resets_resented" and state.resets[terminal] > 1:
            return
        now = asyncio.get_running_loop().time()
        if fault == "comes_back_too_soon" and now - state.closed_s.get(terminal, -1.0) < TOO_SOON_S:
            return
        if not self._may_enter(header, body):
            self.general(header, 1)
            return
        older = state.online.get(terminal)
        self.phone, self.accepted = terminal, True
        state.online[terminal] = self
        self.server.latest = self
        if older not in (None, self) and fault != "old_stays_open":
            cast("Connection", older).close()
        self.general(header)

    def _may_enter(self, header: Header, body: bytes) -> bool:
        fault, terminal, codes = self.fault, self.terminal(header), self.state.codes
        layout = Authenticate.layout_edition(body, header.edition)
        message = Authenticate.decode(body, layout)
        if fault == "imei_needed" and layout is Edition.V2019 and message.software_version is None:
            return False
        if fault == "bare_code_refused" and layout is not header.edition:
            return False
        if fault == "oldest_wins" and terminal in self.state.online:
            return False
        code = message.auth_code
        good = (
            code == codes.get(terminal)
            or fault == "any_code"
            or (fault == "code_of_anybody" and code in codes.values())
        )
        if fault == "code_used_up" and good:
            codes.pop(terminal)
        return good

    def _unregister(self, header: Header) -> None:
        if self.fault == "no_logout_answer" or (self.fault == "annex_id_dropped" and header.msg_id == 0x0101):
            return
        self.general(header)
        self.accepted = False
        self.state.codes.pop(self.terminal(header), None)
        self.state.marks.add(("gone", self.terminal(header)))

    def _report(self, header: Header, body: bytes) -> None:
        fault = self.fault
        own = self.accepted and self.terminal(header) == self.phone
        if fault == "late_close_ends_session" and own:
            own = self.state.online.get(self.phone) is self
        if not own:
            if header.msg_id not in _NOT_ANSWERED and fault != "strangers_ignored":
                self.general(header, 1)
            return
        if header.encryption:
            self.general(header, 0 if fault == "encryption_accepted" else 3)
        elif header.packet_total is not None and (header.packet_total > 1 or fault == "one_of_one_waits"):
            self._part(header, body)
        elif fault == "parts_block_others" and any(key[0] == self.phone for key in self.state.assemblies):
            self.held.append((header, body))
        else:
            self._whole(header, body)

    def _whole(self, header: Header, body: bytes) -> None:
        fault, msg_id = self.fault, header.msg_id
        closed_by = {0x0107: "attributes_close", 0x0005: "parts_request_closes"}
        silent = {
            0x0002: ("no_heartbeat_answer",),
            0x0200: ("no_location_answer",),
            0x0702: ("no_driver_answer",),
            0x0800: ("no_media_event_answer",),
            0x0900: ("no_transparent_answer",),
        }
        if fault == closed_by.get(msg_id) or (fault == "batch_overrun_closes" and b"\x00\xff" in body):
            raise Drop
        if fault in silent.get(msg_id, ()) or (fault == "heartbeat_body_ignored" and msg_id == 0x0002 and body):
            return
        if msg_id in _NOT_ANSWERED:
            if fault == "answers_answers" and msg_id == 0x0001:
                self.general(header)
            return
        if msg_id not in _KNOWN and (fault == "unknown_closes" or (fault == "high_ids_close" and msg_id >= 0x1000)):
            raise Drop
        match msg_id:
            case 0x0004:
                self._time(header)
            case 0x0801:
                self._media(header, body)
            case 0x0200:
                self._location(header, body)
            case _:
                self.general(header, 0 if msg_id in _KNOWN else 3)
                if msg_id == 0x0704 and fault == "batch_answers_each_item":
                    self.general(header)

    def _location(self, header: Header, body: bytes) -> None:
        fault = self.fault
        try:
            report = LocationReport.decode(body, header.edition)
        except ProtocolError:
            if fault != "malformed_silent":
                self.general(header, 0 if fault == "malformed_accepted" else 2)
            return
        if fault == "unknown_items_refused" and any(item.value is None for item in report.items):
            self.general(header, 2)
        elif fault == "overrun_silent" and report.trailing:
            return
        elif fault == "times_checked" and not hasattr(report.time, "year"):
            self.general(header, 1)
        else:
            self.general(header)

    def _time(self, header: Header) -> None:
        if self.fault == "no_time_answer":
            return
        body = TimeAnswer(time=timebase.utc_now()).encode()
        if self.fault == "time_is_local":
            body = timebase.encode_bcd_time(timebase.utc_now())
        self.send(header, 0x8004, body)

    def _media(self, header: Header, body: bytes) -> None:
        """0x8800 when everything is there."""
        layout = MediaUpload.layout_edition(body, header.edition)
        upload = MediaUpload.decode(body, layout)
        if layout is Edition.V2011:
            if upload.package_no != upload.package_total:
                if self.fault != "packages_of_2011_silent":
                    self.general(header)
                return
            answer = MediaUploadAnswer(answer_serial=header.serial, media_id=upload.media_id)
            self.send(header, 0x8800, answer.encode(layout))
            return
        tail = b"\0" if self.fault == "media_count_zero" else b""
        lead = header.serial.to_bytes(2) if self.fault == "media_leading_serial" else b""
        self.send(header, 0x8800, lead + upload.media_id.to_bytes(4) + tail)

    # Sub-packages.

    def _part(self, header: Header, body: bytes) -> None:
        fault, total, number = self.fault, header.packet_total or 0, header.packet_no or 0
        if not 1 <= number <= total:
            if fault == "impossible_number_closes":
                raise Drop
            self.general(header, 2)
            return
        if (fault == "at_most_64_parts" and total > 64) or (fault == "one_of_one_waits" and total == 1):
            return
        base = header.serial - number + 1
        if fault != "no_wrap":
            base &= 0xFFFF
        if fault == "last_part_again_silent" and ("done", self.phone, base) in self.state.marks:
            return
        loop = asyncio.get_running_loop()
        key = self._key(header, base)
        found = self.state.assemblies.setdefault(key, Assembly(total, base, header, loop.time()))
        found.order.append(number)
        found.parts[number] = body
        found.touched_s = loop.time()
        if fault != "parts_unanswered" and (fault != "last_part_answered_only" or number == total):
            self.general(header)
        done = len(found.order) >= total if fault == "counts_duplicates" else len(found.parts) == total
        if fault == "parts_must_be_in_order" and found.order != sorted(found.order):
            done = False
        if done:
            self._complete(header, key, base)
        else:
            loop.call_later(SILENCE_S, self._ask, key, found)

    def _key(self, header: Header, base: int) -> tuple[object, ...]:
        key: tuple[object, ...] = (self.phone, header.msg_id, header.packet_total, base)
        if self.fault == "parts_by_id_only":
            return key[:3]
        if self.fault == "parts_need_rising_serials":
            return key
        same = (*key[:3], ("same", header.serial))
        if same in self.state.assemblies:
            return same
        number = header.packet_no or 0
        for known, found in list(self.state.assemblies.items()):  # every part so far carries this very serial
            if known[:3] == key[:3] and found.header.serial == header.serial and found.header.packet_no != number:
                self.state.assemblies[same] = self.state.assemblies.pop(known)
                found.first_serial = header.serial
                return same
        return key

    def _complete(self, header: Header, key: tuple[object, ...], base: int) -> None:
        found = self.state.assemblies.pop(key)
        self.state.marks.add(("done", self.phone, base))
        body = b"".join(found.parts.get(number, b"") for number in range(1, found.total + 1))
        if header.msg_id == 0x0801 and self.fault != "no_upload_answer":
            self._media(header, body)
        for waiting in self.held:
            self._whole(*waiting)
        self.held.clear()

    def _ask(self, key: tuple[object, ...], found: Assembly) -> None:
        """0x8003 when nothing has come for a while."""
        now = asyncio.get_running_loop().time()
        if self.state.assemblies.get(key) is not found or found.asked or self.gone or self.fault == "never_asks":
            return
        if now - found.touched_s < SILENCE_S * 0.9:
            return
        found.asked = True
        missing = tuple(number for number in range(1, found.total + 1) if number not in found.parts)
        if self.fault == "asks_for_all":
            missing = tuple(range(1, found.total + 1))
        edition = Edition.V2013 if self.fault == "byte_count" else found.header.edition
        first = found.first_serial + 1 if self.fault == "asks_with_wrong_serial" else found.first_serial
        request = PlatformPartsRequest(first_serial=first & 0xFFFF, part_numbers=missing)
        self.send(found.header, 0x8003, request.encode(edition))


class Datagrams(asyncio.DatagramProtocol):
    """Every address is a connection."""

    def __init__(self, server: "WrongServer") -> None:
        self.server = server
        self.known: dict[object, Connection] = {}
        self.dead = False

    def datagram_received(self, data: bytes, addr: object) -> None:
        if self.dead or self.server.fault == "no_udp":
            return
        if self.server.fault == "garbage_ends_udp" and data[:1] != b"\x7e":
            self.dead = True
            return
        connection = self.known.setdefault(addr, Connection(self.server, addr))
        connection.framer.data = b""
        connection.data_received(data)


class WrongServer:
    """The platform on a free port of 127.0.0.1, TCP and UDP.

    Args:
        fault: what it does wrong, a key of FAULTS; "" for nothing.
    """

    def __init__(self, fault: str = "") -> None:
        assert fault in ("", "no_udp") or fault in FAULTS, fault
        self.fault = fault
        self.state = State()
        self.connections: set[Connection] = set()
        self.first_address: dict[str, object] = {}
        self.latest: Connection | None = None
        self.port = 0

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self), "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self.udp, _ = await loop.create_datagram_endpoint(lambda: Datagrams(self), local_addr=("127.0.0.1", self.port))
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        self.udp.close()
        for connection in list(self.connections):
            connection.transport.abort()
        await asyncio.sleep(0)
