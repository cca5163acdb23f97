"""A platform in a page, made of framing and header only: it registers, answers, and misbehaves on request."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self, cast

from jtgate.codecs.framing import Frame, FrameReader, wrap
from jtgate.codecs.header import Header, build_header, parse_header

CODE = b"TEST-CODE"


@dataclass
class Seen:
    """A frame that arrived."""

    header: Header
    body: bytes
    payload: bytes


@dataclass
class TinyPlatform:
    """Answers one connection; `judge` may replace the answer to a frame.

    `judge(seen)` returns None for the ordinary answer, or a list of frames to send instead.
    """

    judge: Callable[[Seen], list[bytes] | None] | None = None
    seen: list[Seen] = field(default_factory=list)
    bad: int = 0
    serial: int = 0
    media: dict[int, dict[int, bytes]] = field(default_factory=dict)
    reader: FrameReader = field(default_factory=FrameReader)

    def feed(self, data: bytes) -> list[bytes]:
        """Bytes from a terminal; frames to send back."""
        out: list[bytes] = []
        for event in self.reader.feed(data):
            if not isinstance(event, Frame):
                self.bad += 1
                continue
            header, body = parse_header(event.payload)
            seen = Seen(header, body, event.payload)
            self.seen.append(seen)
            judged = self.judge(seen) if self.judge is not None else None
            out += self.ordinary(seen) if judged is None else judged
        return out

    def ordinary(self, seen: Seen) -> list[bytes]:
        """The right answer."""
        header = seen.header
        match header.msg_id:
            case 0x0100:
                return [self.frame(header, 0x8100, header.serial.to_bytes(2) + b"\0" + CODE)]
            case 0x0001 | 0x0104 | 0x0201:
                return []
            case 0x0801 if header.packet_no is None:
                return self.package_2011(seen)
            case 0x0801:
                return [self.general(seen), *self.media_part(seen)]
            case _:
                return [self.general(seen)]

    def media_part(self, seen: Seen) -> list[bytes]:
        """0x8800 when all parts of a picture are there."""
        header = seen.header
        assert header.packet_no is not None
        parts = self.media.setdefault((header.serial - header.packet_no + 1) & 0xFFFF, {})
        parts[header.packet_no] = seen.body
        if len(parts) == header.packet_total:
            return [self.frame(header, 0x8800, parts[1][:4])]
        return []

    def package_2011(self, seen: Seen) -> list[bytes]:
        """0x8001 to a package of a picture with counters of its own, 0x8800 to the last one."""
        total, number = int.from_bytes(seen.body[8:12]), int.from_bytes(seen.body[12:16])
        if number < total:
            return [self.general(seen)]
        return [self.frame(seen.header, 0x8800, seen.header.serial.to_bytes(2) + seen.body[:4])]

    def general(self, seen: Seen, result: int = 0, serial: int | None = None, msg_id: int | None = None) -> bytes:
        """0x8001 to a frame, or a wrong one."""
        header = seen.header
        answered = header.serial if serial is None else serial
        about = header.msg_id if msg_id is None else msg_id
        return self.frame(header, 0x8001, answered.to_bytes(2) + about.to_bytes(2) + bytes([result]))

    def frame(self, header: Header, msg_id: int, body: bytes) -> bytes:
        """A frame to the terminal of this header."""
        serial = self.serial
        self.serial = (serial + 1) & 0xFFFF
        edition = header.edition
        phone = header.phone[-edition.phone_bytes * 2 :]
        return wrap(build_header(msg_id, len(body), phone=phone, serial=serial, edition=edition) + body)

    def of(self, msg_id: int) -> list[Seen]:
        """The frames of one message, in order."""
        return [seen for seen in self.seen if seen.header.msg_id == msg_id]

    def count(self) -> Counter[int]:
        """Frames by message."""
        return Counter(seen.header.msg_id for seen in self.seen)


class _Connection(asyncio.Protocol):
    def __init__(self, server: "TinyServer") -> None:
        self.server = server
        self.platform = server.new_platform()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.server.connections.add(self)
        self.server.sources[transport.get_extra_info("peername")[0]] += 1

    def data_received(self, data: bytes) -> None:
        if out := self.platform.feed(data):
            self.transport.write(b"".join(out))

    def connection_lost(self, exc: Exception | None) -> None:
        self.server.connections.discard(self)


class _Datagrams(asyncio.DatagramProtocol):
    """Every source address is a terminal."""

    def __init__(self, server: "TinyServer") -> None:
        self.server = server
        self.platforms: dict[object, TinyPlatform] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if addr not in self.platforms:
            self.platforms[addr] = self.server.new_platform()
        for frame in self.platforms[addr].feed(data):
            self.transport.sendto(frame, addr)


class TinyServer:
    """TinyPlatform on a free port of 127.0.0.1, TCP and UDP."""

    def __init__(self, judge: Callable[[Seen], list[bytes] | None] | None = None, port: int = 0) -> None:
        self.judge = judge
        self.platforms: list[TinyPlatform] = []
        self.connections: set[_Connection] = set()
        self.sources: Counter[str] = Counter()
        self.port = port

    def new_platform(self) -> TinyPlatform:
        """One for a new connection."""
        platform = TinyPlatform(judge=self.judge)
        self.platforms.append(platform)
        return platform

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        self._udp, _ = await loop.create_datagram_endpoint(
            lambda: _Datagrams(self), local_addr=("127.0.0.1", self.port)
        )
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        self._udp.close()
        for connection in list(self.connections):
            connection.transport.abort()
        await asyncio.sleep(0.05)

    def count(self) -> Counter[int]:
        """Frames by message, over all connections."""
        return sum((platform.count() for platform in self.platforms), Counter())

    def peers(self) -> Counter[str]:
        """Connections by source address."""
        return self.sources

    @property
    def seen(self) -> list[Seen]:
        """Every frame."""
        return [seen for platform in self.platforms for seen in platform.seen]
