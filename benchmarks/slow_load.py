"""load.c in Python, for the ledger test on machines without a C compiler: same flags, same ledger, fewer frames."""

import argparse
import asyncio
import json
import signal
import struct
import time
from dataclasses import dataclass, field
from pathlib import Path

from toolbox import PHONE_BASE

from jtgate.codecs.edition import Edition
from jtgate.codecs.framing import Frame, FrameReader
from jtgate.codecs.header import encode_frames, parse_header
from jtgate.codecs.timebase import encode_bcd_time, from_ms, now_ms

REGISTER, AUTHENTICATE, LOCATION = 0x0100, 0x0102, 0x0200
REGISTER_ANSWER, GENERAL_ANSWER = 0x8100, 0x8001
MANAGEMENT_SERIAL = 65_000
BEGIN_MS = now_ms() // 1000 * 1000 - 30 * 86_400_000
RETRY_S = 0.2
RATE_MAX = 1500.0


@dataclass
class Times:
    """When sending ends, and then the waiting for the last answers; moments of time.monotonic."""

    end: float
    drain_s: float

    @property
    def sending(self) -> bool:
        """Whether new reports are sent."""
        return time.monotonic() < self.end

    @property
    def draining(self) -> bool:
        """Whether answers are still awaited."""
        return time.monotonic() < self.end + self.drain_s

    def end_now(self) -> None:
        """Send nothing more."""
        self.end = min(self.end, time.monotonic())


@dataclass
class Tally:
    """What all terminals did together."""

    sent: int = 0
    answered: int = 0
    resent: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    ledger: list[bytes] = field(default_factory=list)


class Terminal:
    """One terminal that reports, reconnects, and sends again what was not answered."""

    def __init__(self, index: int, port: int, window: int, tally: Tally) -> None:
        self.index = index
        self.waiting: dict[int, bytes] = {}
        self._port = port
        self._window = window
        self._tally = tally
        self._next = 0
        self._code = b""

    def _frame(self, msg_id: int, serial: int, body: bytes) -> bytes:
        return encode_frames(msg_id, body, phone=str(PHONE_BASE + self.index), serial=serial, edition=Edition.V2013)[0]

    def _report(self) -> bytes:
        serial, self._next = self._next, self._next + 1
        place = struct.pack(">IIIIHHH", 0, 3, 31_000_000 + serial, 120_000_000 + self.index, 10, 600, serial % 360)
        body = place + encode_bcd_time(from_ms(BEGIN_MS + serial * 1000))
        self.waiting[serial] = self._frame(LOCATION, serial, body)
        self._tally.sent += 1
        return self.waiting[serial]

    async def run(self, every_s: float, times: Times) -> None:
        """Live until the end, then wait for the last answers."""
        while times.sending or (self.waiting and times.draining):
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            except OSError:
                await asyncio.sleep(RETRY_S)
                continue
            try:
                await self._live(reader, writer, every_s, times)
            except (OSError, EOFError):
                await asyncio.sleep(RETRY_S)
            finally:
                writer.close()

    async def _live(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, every_s: float, times: Times
    ) -> None:
        frames = FrameReader()
        if not self._code:
            body = bytes(4) + b"BENCH".ljust(5) + b"LOAD".ljust(20, b"\0") + f"{self.index:07d}".encode() + b"\x02BENCH"
            writer.write(self._frame(REGISTER, MANAGEMENT_SERIAL, body))
            answer = await self._expect(reader, frames, REGISTER_ANSWER)
            self._code = answer[3:]
        writer.write(self._frame(AUTHENTICATE, MANAGEMENT_SERIAL + 1, self._code))
        answer = await self._expect(reader, frames, GENERAL_ANSWER)
        if answer[4] != 0:
            self._code = b""
            raise EOFError
        for frame in list(self.waiting.values()):
            self._tally.resent += 1
            writer.write(frame)
        due = time.monotonic()
        while times.sending or (self.waiting and times.draining):
            if times.sending and time.monotonic() >= due and len(self.waiting) < self._window:
                writer.write(self._report())
                due += every_s
            try:
                async with asyncio.timeout(max(due - time.monotonic(), 0.001)):
                    self._take(await self._read(reader, frames))
            except TimeoutError:
                continue

    async def _read(self, reader: asyncio.StreamReader, frames: FrameReader) -> list[tuple[int, bytes]]:
        data = await reader.read(65_536)
        if not data:
            raise EOFError
        found = [parse_header(event.payload) for event in frames.feed(data) if isinstance(event, Frame)]
        return [(header.msg_id, body) for header, body in found]

    async def _expect(self, reader: asyncio.StreamReader, frames: FrameReader, msg_id: int) -> bytes:
        while True:
            for found, body in await self._read(reader, frames):
                if found == msg_id:
                    return body

    def _take(self, answers: list[tuple[int, bytes]]) -> None:
        for msg_id, body in answers:
            serial, replied_id, result = struct.unpack(">HHB", body[:5])
            if msg_id != GENERAL_ANSWER or replied_id != LOCATION or self.waiting.pop(serial, None) is None:
                continue
            if result:
                self._tally.refused[str(result)] = self._tally.refused.get(str(result), 0) + 1
            else:
                self._tally.answered += 1
                self._tally.ledger.append(struct.pack("=II", self.index, serial))


async def drive(terminals: list[Terminal], every_s: float, times: Times) -> None:
    """Run all terminals to the end, which SIGTERM brings early."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, times.end_now)
    async with asyncio.TaskGroup() as group:
        for terminal in terminals:
            group.create_task(terminal.run(every_s, times), name=f"terminal {terminal.index}")


def main() -> None:
    """Run, write the ledger, print the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("port", "connections", "window"):
        parser.add_argument(f"--{name}", type=int)
    for name in ("rate", "seconds", "warmup", "drain"):
        parser.add_argument(f"--{name}", type=float)
    parser.add_argument("--ledger", type=Path)
    parser.add_argument("--reconnect", action="store_true")
    asked = parser.parse_args()
    tally = Tally()
    times = Times(time.monotonic() + asked.seconds, asked.drain)
    every_s = asked.connections / min(asked.rate, RATE_MAX)
    terminals = [Terminal(index, asked.port, asked.window, tally) for index in range(asked.connections)]
    asyncio.run(drive(terminals, every_s, times))
    asked.ledger.write_bytes(b"".join(tally.ledger))
    unanswered = sum(len(terminal.waiting) for terminal in terminals)
    report = {"total_sent": tally.sent, "total_answered": tally.answered, "resent": tally.resent}
    print(json.dumps({**report, "unanswered": unanswered, "refused": tally.refused}))


if __name__ == "__main__":
    main()
