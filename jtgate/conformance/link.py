"""A connection of the kit, TCP or UDP, from either side: what came is in its inbox."""

import asyncio
import socket
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Final, cast

from jtgate.codecs.errors import ProtocolError
from jtgate.codecs.framing import Frame, FrameReader, wrap
from jtgate.codecs.header import Header, parse_header
from jtgate.conformance.frames import Sent, Stamp
from jtgate.conformance.trace import Trace, frame_text

#: Frames that wait in an inbox; above it the oldest are dropped and counted.
INBOX_MAX: Final = 20_000
#: Bytes that wait to be written to a side that does not read.
UNWRITTEN_BYTES_MAX: Final = 16 << 20
#: Answers that wait until a frame in pieces is out.
WAITING_MAX: Final = 1_000
#: SO_LINGER that makes a close a reset.
_RESET: Final = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Received:
    """A frame that came.

    Args:
        header: its header.
        body: its body.
        payload: header and body as they came, unescaped.
        at_s: monotonic time.
    """

    header: Header
    body: bytes
    payload: bytes
    at_s: float

    @property
    def msg_id(self) -> int:
        """消息ID."""
        return self.header.msg_id

    @property
    def quoted(self) -> tuple[int, int] | None:
        """Serial and id that a general answer quotes; None for anything else."""
        if self.msg_id not in (0x0001, 0x8001) or len(self.body) < 5:
            return None
        return int.from_bytes(self.body[:2]), int.from_bytes(self.body[2:4])


class Link(asyncio.Protocol, asyncio.DatagramProtocol):
    """One connection.

    Args:
        name: in the scenario.
        stamp: header of what we send.
        trace: where its bytes are noted.
        on_frame: called with every frame as it comes, before it is put into the inbox; None for nobody.
        is_datagrams: whether it is UDP.
    """

    def __init__(
        self,
        name: str,
        stamp: Stamp,
        trace: Trace,
        on_frame: "Callable[[Link, Received], None] | None" = None,
        *,
        is_datagrams: bool = False,
    ) -> None:
        self.is_datagrams = is_datagrams
        self.name = name
        self.stamp = stamp
        self.trace = trace
        self.inbox: list[Received] = []
        self.dropped = 0
        self.bad: list[str] = []
        self.sent: Counter[tuple[int, int]] = Counter()  # (serial, id) -> how often
        self.answered: Counter[tuple[int, int]] = Counter()
        self.closed = ""
        self.changed = asyncio.Event()
        self._on_frame = on_frame
        self._waiting: list[tuple[bytes, str]] | None = None
        self._reader = FrameReader()
        self._stream: asyncio.Transport | None = None
        self._datagrams: asyncio.DatagramTransport | None = None

    # asyncio.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The link is up."""
        if self.is_datagrams:
            self._datagrams = cast("asyncio.DatagramTransport", transport)
        else:
            self._stream = cast("asyncio.Transport", transport)
            found = self._stream.get_extra_info("socket")
            if found is not None:
                found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.trace.add(self.name, "event", "connected")
        if self.closed:  # ended while it was coming up
            transport.close()

    def data_received(self, data: bytes) -> None:
        """Bytes of a stream."""
        now = monotonic()
        for event in self._reader.feed(data):
            if isinstance(event, Frame):
                self._take(event.payload, now)
            else:
                self._note_bad(f"{event.code}: {event}", event.raw)
        self.changed.set()

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002  the name is the interface
        """A datagram; what is cut by its end is bad."""
        self.data_received(data)
        for event in self._reader.eof():
            if not isinstance(event, Frame):
                self._note_bad(f"{event.code}: {event}", event.raw)
        self._reader = FrameReader()

    def error_received(self, exc: Exception) -> None:
        """An earlier datagram could not be delivered: nobody listens there."""
        self.trace.add(self.name, "event", f"refused: {exc}")
        self.changed.set()

    def eof_received(self) -> bool:
        """The other side sends no more."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The link is down, whoever ended it."""
        if not self.closed:
            self.closed = "reset by the other side" if exc is not None else "closed by the other side"
            self.trace.add(self.name, "event", self.closed)
        self.changed.set()

    def _take(self, payload: bytes, now: float) -> None:
        try:
            header, body = parse_header(payload)
        except ProtocolError as error:
            self._note_bad(f"{error.code}: {error}", payload)
            return
        received = Received(header, body, payload, now)
        self.trace.add(self.name, "received", frame_text(header, body), wrap(payload))
        if self._on_frame is not None:
            self._on_frame(self, received)
        if len(self.inbox) >= INBOX_MAX:
            del self.inbox[0]
            self.dropped += 1
        self.inbox.append(received)

    def _note_bad(self, why: str, raw: bytes) -> None:
        self.bad.append(why)
        del self.bad[100:]
        self.trace.add(self.name, "bad", why, raw)

    # What a scenario does.

    def note(self, frame: Sent) -> None:
        """This frame goes out: an answer to it is expected or at least allowed."""
        self.sent[frame.serial, frame.msg_id] += 1

    @contextmanager
    def undisturbed(self) -> Iterator[Callable[[bytes, str], None]]:
        """Write pieces of a frame; whatever else is written meanwhile goes out behind them."""
        self._waiting = []
        try:
            yield self._put
        finally:
            waiting, self._waiting = self._waiting, None
            for data, text in waiting:
                self._put(data, text)

    def write(self, data: bytes, text: str) -> None:
        """Send bytes.

        Args:
            data: whole frames; on UDP one datagram.
            text: what they are, for the trace.
        """
        if self._waiting is not None and len(self._waiting) < WAITING_MAX:
            self._waiting.append((data, text))
        else:
            self._put(data, text)

    def _put(self, data: bytes, text: str) -> None:
        self.trace.add(self.name, "sent", text, data)
        if self._datagrams is not None:
            self._datagrams.sendto(data)
        elif self._stream is not None and not self.closed and not self._stream.is_closing():
            if self._stream.get_write_buffer_size() > UNWRITTEN_BYTES_MAX:
                self.kill("the other side does not read")
                return
            self._stream.write(data)

    def close(self) -> None:
        """End it in order."""
        self._end("closed by us")
        if self._stream is not None:
            self._stream.close()
        if self._datagrams is not None:
            self._datagrams.close()

    def kill(self, why: str = "reset by us") -> None:
        """End it as a lost network does: with a reset."""
        self._end(why)
        if self._stream is not None:
            found = self._stream.get_extra_info("socket")
            if found is not None and found.fileno() >= 0:  # the other side may have ended it already
                found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._stream.abort()
        if self._datagrams is not None:
            self._datagrams.close()

    def _end(self, why: str) -> None:
        if not self.closed:
            self.closed = why
            self.trace.add(self.name, "event", why)
        self.changed.set()

    async def until(self, deadline_s: float) -> bool:
        """Wait until something has happened on the link; False when the time is over.

        Args:
            deadline_s: monotonic.
        """
        self.changed.clear()
        left_s = deadline_s - monotonic()
        if left_s <= 0:
            return False
        try:
            await asyncio.wait_for(self.changed.wait(), left_s)
        except TimeoutError:
            return False
        return True


async def open_link(link: Link, host: str, port: int, timeout_s: float) -> None:
    """Connect a link.

    Args:
        link: a new one.
        host: of the platform.
        port: of the platform.
        timeout_s: to wait for it.

    Raises:
        OSError: it does not come up.
    """
    loop = asyncio.get_running_loop()
    if link.is_datagrams:
        await loop.create_datagram_endpoint(lambda: link, remote_addr=(host, port))
        return
    await asyncio.wait_for(loop.create_connection(lambda: link, host, port), timeout_s)
