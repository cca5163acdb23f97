"""An attachment server in a page: keeps files in memory by alarm number and name, asks for what is missing."""

import asyncio
import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Self, cast

from jtgate.codecs.framing import Frame
from jtgate.codecs.header import Header, encode_frames, parse_header
from jtgate.codecs.jsatl12.attachments import (
    AlarmAttachments,
    FileFinished,
    FileFinishedAnswer,
    FileInformation,
    MissingRange,
)
from jtgate.codecs.jsatl12.filestream import DataPacket, FileStreamReader, find_file
from jtgate.codecs.parts import Complete, PartBuffer

ROUNDS_MAX = 5
RANGES_MAX = 100


@dataclass
class Kept:
    """A file on its way."""

    size: int
    data: bytearray = field(default_factory=bytearray)
    there: bytearray = field(default_factory=bytearray)
    state: str = "arriving"
    rounds: int = 0
    covered: int = 0

    def write(self, offset: int, data: bytes) -> None:
        """Put bytes where they belong."""
        end = offset + len(data)
        if end > len(self.data):
            self.data.extend(bytes(end - len(self.data)))
            self.there.extend(bytes(end - len(self.there)))
        self.data[offset:end] = data
        self.there[offset:end] = b"\1" * len(data)

    def gaps(self) -> list[tuple[int, int]]:
        """What is missing."""
        there = bytes(self.there[: self.size].ljust(self.size, b"\0"))
        found, at = [], 0
        while (begin := there.find(b"\0", at)) >= 0:
            end = there.find(b"\1", begin)
            at = len(there) if end < 0 else end
            found.append((begin, at - begin))
        return found

    @property
    def sha256(self) -> str:
        """Of what is there."""
        return hashlib.sha256(bytes(self.data[: self.size])).hexdigest()


@dataclass
class Link:
    """What one link says is answered here."""

    server: "EvidenceServer"
    reader: FileStreamReader = field(default_factory=FileStreamReader)
    parts: PartBuffer = field(default_factory=lambda: PartBuffer(1 << 20))
    alarm: str = ""
    listed: list[str] = field(default_factory=list)
    open: str | None = None
    serial: int = 0
    over: bool = False

    def feed(self, data: bytes) -> bytes:
        """Bytes of the terminal; the answers."""
        out = b""
        for event in self.reader.feed(data):
            if isinstance(event, DataPacket):
                self.data(event)
            elif isinstance(event, Frame):
                header, body = parse_header(event.payload)
                out += self.frame(header, body)
            else:
                self.server.broken += 1
                self.over = True
        return out

    def data(self, packet: DataPacket) -> None:
        """A data packet."""
        name = find_file(str(packet.name), self.listed, self.open)
        if name is None:
            self.server.broken += 1
            return
        kept = self.server.files[self.alarm, name]
        if packet.offset + len(packet.data) > max(kept.size, 0):
            self.server.broken += 1
            self.over = True
        elif kept.state == "arriving":
            kept.write(packet.offset, packet.data)

    def frame(self, header: Header, body: bytes) -> bytes:
        """A message; its answer."""
        if header.is_part:
            whole = self.parts.add("", header, body, 0.0)
            if not isinstance(whole, Complete):
                return self.say(header, 0x8001, self.general(header, 0))
            body = whole.body
        self.server.seen[header.msg_id] += 1
        if self.server.mute(header.msg_id):
            return b""
        match header.msg_id:
            case 0x1210:
                return self.say(header, 0x8001, self.general(header, self.announced(header, body)))
            case 0x1211:
                told = FileInformation.decode(body, header.edition)
                self.open = self.server.named(told.name)
                self.server.files[self.alarm, self.open].size = told.size_bytes
                return self.say(header, 0x8001, self.general(header, 0))
            case 0x1212:
                return self.say(header, 0x9212, self.finished(FileFinished.decode(body, header.edition)))
            case _:
                return self.say(header, 0x8001, self.general(header, 0))

    def announced(self, header: Header, body: bytes) -> int:
        """0x1210; the result."""
        told = AlarmAttachments.decode(body, header.edition)
        self.alarm = str(told.platform_number)
        if self.server.only and self.alarm not in self.server.only:
            return 1
        self.server.lists.append((self.alarm, told.info_type, [str(file.name) for file in told.files]))
        for file in told.files:
            name = self.server.named(file.name)
            self.listed.append(name)
            self.server.files.setdefault((self.alarm, name), Kept(file.size_bytes))
        return 0

    def finished(self, told: FileFinished) -> bytes:
        """0x1212; the body of 0x9212."""
        kept = self.server.files[self.alarm, self.server.named(told.name)]
        kept.size = told.size_bytes
        covered = sum(kept.there)
        kept.rounds = 0 if covered > kept.covered else kept.rounds + 1
        kept.covered = covered
        gaps = kept.gaps()
        if not gaps or kept.rounds > ROUNDS_MAX:
            kept.state = "incomplete" if gaps else "complete"
            gaps = []
        ranges = tuple(MissingRange(offset=at, length=length) for at, length in gaps[:RANGES_MAX])
        return FileFinishedAnswer(
            name=told.name, file_type=told.file_type, result=int(bool(gaps)), ranges=ranges
        ).encode()

    @staticmethod
    def general(header: Header, result: int) -> bytes:
        """Body of 0x8001."""
        return header.serial.to_bytes(2) + header.msg_id.to_bytes(2) + bytes([result])

    def say(self, header: Header, msg_id: int, body: bytes) -> bytes:
        """Frames to the terminal."""
        phone = header.phone.lstrip("0")
        frames = encode_frames(msg_id, body, phone=phone, serial=self.serial, edition=header.edition)
        self.serial += len(frames)
        return b"".join(frames)


class _Tcp(asyncio.Protocol):
    def __init__(self, server: "EvidenceServer") -> None:
        self.link = Link(server)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.link.server.connections.add(self.transport)
        self.link.server.links += 1

    def data_received(self, data: bytes) -> None:
        if out := self.link.feed(data):
            self.transport.write(out)
        if self.link.over:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.link.server.connections.discard(self.transport)


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, server: "EvidenceServer") -> None:
        self.server = server
        self.links: dict[object, Link] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if self.server.loses():
            return
        if out := self.links.setdefault(addr, Link(self.server)).feed(data):
            self.transport.sendto(out, addr)


class EvidenceServer:
    """On a free port of 127.0.0.1, TCP and UDP.

    Args:
        only: alarm numbers that were given out; empty: all.
        mute_first: message -> how often it is not answered at first.
        lose_every: one of so many datagrams is lost; 0: none.
    """

    def __init__(
        self, only: frozenset[str] = frozenset(), mute_first: dict[int, int] | None = None, lose_every: int = 0
    ) -> None:
        self.only = only
        self.mute_first = dict(mute_first or {})
        self.lose_every = lose_every
        self.files: dict[tuple[str, str], Kept] = {}
        self.lists: list[tuple[str, int, list[str]]] = []
        self.seen: Counter[int] = Counter()
        self.links = 0
        self.broken = 0
        self.datagrams = 0
        self.connections: set[asyncio.Transport] = set()
        self.port = 0

    def named(self, name: str) -> str:
        """A name without what is padded."""
        return str(name).rstrip("\0 ")

    def mute(self, msg_id: int) -> bool:
        """Whether a message is left without answer now."""
        left = self.mute_first.get(msg_id, 0)
        self.mute_first[msg_id] = max(0, left - 1)
        return left > 0

    def loses(self) -> bool:
        """Whether the next datagram is lost."""
        self.datagrams += 1
        return bool(self.lose_every) and self.datagrams % self.lose_every == 0

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Tcp(self), "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self._udp, _ = await loop.create_datagram_endpoint(lambda: _Udp(self), local_addr=("127.0.0.1", self.port))
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        self._udp.close()
        for transport in list(self.connections):
            transport.abort()
        await asyncio.sleep(0.05)
