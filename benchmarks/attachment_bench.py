"""Evidence of many terminals at once: every file identical, memory flat, megabytes a second beside a plain copy.

    python benchmarks/attachment_bench.py [--json] [--quick] [--terminals N] [--video-mb M]

200 terminals connect at the same moment, each with a photo of 200 kB and a video of 10 MB, and lose their connection
at random moments; they come again and go on, from where they were or from the beginning, as terminals do. The server is
`python -m jtgate.gateway.attachments`, on a core of its own; every file it keeps is compared by hash. Beside it, on the
same core and disk: as many connections that send the same bytes to a plain server, which writes what it reads into
files and syncs each of them, without protocol, hash or database. Told are both speeds, how often links broke, and the
resident memory of the server over time.
"""

import argparse
import asyncio
import hashlib
import json
import os
import random
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop
from toolbox import SOURCES, BenchmarkError, start, stop

from jtgate.codecs.edition import Edition
from jtgate.codecs.framing import Frame, FrameReader
from jtgate.codecs.header import encode_frames, parse_header
from jtgate.codecs.timebase import now_ms
from jtgate.storage.evidence import FileState, NewAsk
from jtgate.storage.open import open_evidence, open_files

TERMINALS = 200
VIDEO_MB = 10
PHOTO_BYTES = 200_000
CHUNK = 65_536
#: A link breaks after so much of a terminal's bytes at the latest; about every second file meets a break.
BREAK_PART = 1.2
SERVER_CORE, LOAD_CORE = 0, 1
PHONE_BASE = 13_900_000_000
PHOTO, VIDEO = b"00_64_6401_0_%032X.jpg", b"02_64_6401_0_%032X.h264"
#: Growth of the server's memory, from the second fifth of the time to the last, that still is flat.
FLAT_MB = 16.0
SAMPLE_S = 0.1
READY_S = 20.0


# ------------------------------------------------------------------------------------------ terminals, one process


class Content:
    """Bytes of files: random, different for each file, and quick to make.

    Args:
        seed: of all of them.
    """

    def __init__(self, seed: int = 1) -> None:
        self._block = random.Random(seed).randbytes(CHUNK)  # noqa: S311  it is no secret

    def chunk(self, file: int, number: int, length: int) -> bytes:
        """A chunk of a file."""
        return (struct.pack(">QQ", file, number) + self._block)[:length]

    def piece(self, file: int, offset: int, length: int) -> bytes:
        """Any bytes of a file."""
        first, last = offset // CHUNK, (offset + length - 1) // CHUNK
        whole = b"".join(self.chunk(file, number, CHUNK) for number in range(first, last + 1))
        return whole[offset - first * CHUNK :][:length]

    def digest(self, file: int, size: int) -> str:
        """SHA-256 of a file."""
        digest = hashlib.sha256()
        for offset in range(0, size, CHUNK):
            digest.update(self.chunk(file, offset // CHUNK, min(CHUNK, size - offset)))
        return digest.hexdigest()


class Broken(Exception):
    """The link is gone."""


@dataclass
class Uploader:
    """A terminal with two files.

    Args:
        index: which one.
        port: of the server.
        alarm_number: it was told.
        sizes: of photo and video.
        content: what is in them.
    """

    index: int
    port: int
    alarm_number: str
    sizes: tuple[int, int]
    content: Content
    breaks: int = 0
    sent_bytes: int = 0
    done: set[int] = field(default_factory=set)
    reached: int = 0  # offset that the last link came to

    def __post_init__(self) -> None:
        self._luck = random.Random(self.index)  # noqa: S311  a repeatable run
        self._serial = 0
        self._names = (PHOTO % self.index, VIDEO % self.index)

    async def run(self) -> None:
        """Upload until both files are confirmed."""
        while len(self.done) < len(self.sizes):
            reader, self._writer = await asyncio.open_connection("127.0.0.1", self.port)
            self._reader, self._frames = reader, FrameReader()
            self._budget = self._luck.randint(1, int(sum(self.sizes) * BREAK_PART))
            try:
                await self._session()
            except (Broken, ConnectionError):
                self.breaks += 1
                self._writer.transport.abort()
                await asyncio.sleep(self._luck.random() / 20)
            else:
                self._writer.close()

    async def _session(self) -> None:
        left = [number for number in range(len(self.sizes)) if number not in self.done]
        number = b"A1B2C3D" + bytes.fromhex("250612083015") + struct.pack(">BBB", self.index % 256, 2, 0)
        body = b"A1B2C3D" + number + self.alarm_number.encode() + bytes([0, len(left)])
        for one in left:
            body += bytes([len(self._names[one])]) + self._names[one] + struct.pack(">I", self.sizes[one])
        await self._ask(0x1210, body)
        for one in left:
            await self._file(one)

    async def _file(self, number: int) -> None:
        name, size = self._names[number], self.sizes[number]
        about = bytes([len(name)]) + name + struct.pack(">BI", number * 2, size)
        await self._ask(0x1211, about)
        begin = self._luck.choice((0, self.reached // CHUNK * CHUNK)) if number else 0
        ranges = [(begin, size - begin)]
        while True:
            for offset, length in ranges:
                await self._data(number, offset, length)
            answer = await self._ask(0x1212, about, 0x9212)
            at = answer[0] + 2
            if not answer[at]:
                self.done.add(number)
                return
            ranges = [struct.unpack_from(">II", answer, at + 2 + 8 * item) for item in range(answer[at + 1])]

    async def _data(self, number: int, offset: int, length: int) -> None:
        head = b"01cd" + self._names[number][:50].ljust(50, b"\0")
        end = offset + length
        while offset < end:
            size = min(CHUNK, end - offset)
            data = self.content.piece(self.index * 2 + number, offset, size)
            self._budget -= size
            if self._budget < 0:
                self._writer.write(head + struct.pack(">II", offset, size) + data[: size // 2])
                raise Broken
            self._writer.write(head + struct.pack(">II", offset, size) + data)
            await self._writer.drain()
            self.sent_bytes += size
            offset += size
            if number:
                self.reached = offset

    async def _ask(self, msg_id: int, body: bytes, answer_id: int = 0x8001) -> bytes:
        """Send a message; the body of its answer."""
        self._serial += 1
        for frame in encode_frames(
            msg_id, body, phone=str(PHONE_BASE + self.index), serial=self._serial, edition=Edition.V2013
        ):
            self._writer.write(frame)
        while True:
            data = await self._reader.read(CHUNK)
            if not data:
                raise Broken
            for event in self._frames.feed(data):
                if isinstance(event, Frame):
                    header, found = parse_header(event.payload)
                    if header.msg_id == answer_id:
                        if answer_id == 0x8001 and found[-1]:
                            raise BenchmarkError(f"0x{msg_id:04x} was refused with {found[-1]}")
                        return found


async def be_terminals(port: int, numbers: list[str], sizes: tuple[int, int]) -> None:
    """Upload everything; one line of JSON about it."""
    content = Content()
    uploaders = [Uploader(index, port, number, sizes, content) for index, number in enumerate(numbers)]
    started = time.monotonic()
    await asyncio.gather(*(uploader.run() for uploader in uploaders))
    seconds = time.monotonic() - started
    breaks, sent = sum(one.breaks for one in uploaders), sum(one.sent_bytes for one in uploaders)
    print(json.dumps({"seconds": seconds, "breaks": breaks, "sent_bytes": sent}))


async def be_plain_senders(port: int, count: int, sizes: tuple[int, int]) -> None:
    """Send the same bytes on as many connections, and wait until the other side says that they are on disk."""
    content = Content()

    async def send(index: int) -> None:
        for number, size in enumerate(sizes):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for offset in range(0, size, CHUNK):
                writer.write(content.piece(index * 2 + number, offset, min(CHUNK, size - offset)))
                await writer.drain()
            writer.write_eof()
            await reader.read()
            writer.close()

    started = time.monotonic()
    await asyncio.gather(*(send(index) for index in range(count)))
    print(json.dumps({"seconds": time.monotonic() - started}))


# -------------------------------------------------------------------------------------------- the plain copy


def be_plain_server(folder: Path) -> None:
    """A thread for each connection: read into a buffer, write to a file, sync, say so."""

    def copy(link: socket.socket, path: Path) -> None:
        buffer = memoryview(bytearray(4 * CHUNK))
        with link, path.open("wb", buffering=0) as file:
            while count := link.recv_into(buffer):
                file.write(buffer[:count])
            os.fsync(file.fileno())
            link.sendall(b"1")

    with socket.create_server(("127.0.0.1", 0), backlog=1024) as door:
        print(door.getsockname()[1], flush=True)
        number = 0
        while True:
            link, _ = door.accept()
            number += 1
            threading.Thread(target=copy, args=(link, folder / str(number)), daemon=True).start()


# --------------------------------------------------------------------------------------------- measuring


@dataclass
class Memory:
    """Resident memory of a process over time.

    Args:
        pid: its id.
    """

    pid: int
    samples: list[tuple[float, float]] = field(default_factory=list)  # seconds, MB

    def __post_init__(self) -> None:
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Take no more samples."""
        self._stopping.set()
        self._thread.join()

    def during(self, seconds: float) -> list[tuple[float, float]]:
        """Samples of the last so many seconds, counted from their beginning."""
        begin = self.samples[-1][0] - seconds
        return [(at - begin, rss) for at, rss in self.samples if at >= begin]

    def _watch(self) -> None:
        started = time.monotonic()
        page = os.sysconf("SC_PAGE_SIZE")
        statm = Path(f"/proc/{self.pid}/statm")
        while not self._stopping.is_set():
            try:
                resident = int(statm.read_text(encoding="ascii").split()[1]) * page
            except OSError:
                return
            self.samples.append((time.monotonic() - started, resident / 1e6))
            self._stopping.wait(SAMPLE_S)


def upload(folder: Path, terminals: int, sizes: tuple[int, int]) -> dict[str, Any]:
    """All terminals to the attachment server; figures and whether every file is the one that was sent."""
    data = folder / "data"
    with open_evidence_at(data) as desk:
        numbers = [desk_ask(desk, index) for index in range(terminals)]
    settings = {"data": str(data), "host": "127.0.0.1", "attachment_port": 0, "log_level": "warning"}
    server = start(
        [sys.executable, "-m", "jtgate.gateway.attachments", "--settings", json.dumps(settings)],
        core=SERVER_CORE,
        stdin=subprocess.PIPE,
    )
    try:
        port = port_of(data, server)
        memory = Memory(server.pid)
        found = of_this_script("--be-terminals", json.dumps([port, numbers, sizes]))
        memory.end()
        samples = memory.during(found["seconds"])
        cpu_s = cpu_seconds(server.pid)
    finally:
        stop(server)
    total = terminals * sum(sizes)
    return {
        "mb_per_s": total / 1e6 / found["seconds"],
        **found,
        "file_bytes": total,
        "server_cpu_s": cpu_s,
        "identical": check(data, terminals, sizes),
        "files": terminals * len(sizes),
        "rss_mb": [[round(at, 1), round(rss, 1)] for at, rss in thin(samples)],
        "rss_peak_mb": max(rss for _, rss in samples),
        "rss_grown_mb": grown(samples),
    }


def copy(folder: Path, terminals: int, sizes: tuple[int, int]) -> float:
    """The same bytes through the plain server; MB/s."""
    folder.mkdir()
    command = [sys.executable, str(Path(__file__)), "--be-plain-server", str(folder)]
    server = start(command, core=SERVER_CORE, stdout=subprocess.PIPE)
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        found = of_this_script("--be-plain-senders", json.dumps([port, terminals, sizes]))
    finally:
        stop(server)
    for path in folder.iterdir():
        path.unlink()
    return terminals * sum(sizes) / 1e6 / float(found["seconds"])


def open_evidence_at(data: Path) -> Any:
    """The desk of a folder, closed at the end of the block."""
    from contextlib import closing  # noqa: PLC0415

    return closing(open_evidence(data))


def desk_ask(desk: Any, index: int) -> str:
    """An ask whose number was issued; the number."""
    identification = b"A1B2C3D" + bytes.fromhex("250612083015") + struct.pack(">BBB", index % 256, 2, 0)
    ask = desk.ask(NewAsk(str(PHONE_BASE + index), "jsatl12:0x64", identification, now_ms(), 2), now_ms())
    return str(desk.sent(ask.ask_id, 1, now_ms(), 0).alarm_number)


def check(data: Path, terminals: int, sizes: tuple[int, int]) -> int:
    """How many files are on disk, complete, and the very bytes that were sent."""
    content, files = Content(), open_files(data)
    good = 0
    with open_evidence_at(data) as desk:
        for index in range(terminals):
            for row in desk.files(index + 1):
                number = 0 if row.facts.name.startswith("00") else 1
                expected = content.digest(index * 2 + number, sizes[number])
                if row.state is FileState.COMPLETE and row.sha256 == expected and row.path is not None:
                    with files.open(row.path).open("rb") as file:
                        good += hashlib.file_digest(file, "sha256").hexdigest() == expected
    return good


def port_of(data: Path, server: Any) -> int:
    """Where the server listens."""
    path = data / "run" / "attachments.json"
    deadline = time.monotonic() + READY_S
    while not path.exists():
        if server.poll() is not None or time.monotonic() > deadline:
            raise BenchmarkError("the attachment server did not come up")
        time.sleep(0.05)
    return int(json.loads(path.read_text(encoding="utf-8"))["port"])


def of_this_script(*arguments: str) -> dict[str, Any]:
    """What this script prints in another role, on the core of the load."""
    process = start([sys.executable, str(Path(__file__)), *arguments], core=LOAD_CORE, stdout=subprocess.PIPE)
    out, _ = process.communicate()
    if process.returncode:
        raise BenchmarkError(f"{arguments[0]} ended with exit code {process.returncode}")
    found: dict[str, Any] = json.loads(out)
    return found


def cpu_seconds(pid: int) -> float:
    """Processor time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def grown(samples: list[tuple[float, float]]) -> float:
    """From the median of the second fifth to that of the last one, MB."""
    fifth = max(1, len(samples) // 5)
    rows = [rss for _, rss in samples]
    return statistics.median(rows[-fifth:]) - statistics.median(rows[fifth : 2 * fifth] or rows)


def thin(samples: list[tuple[float, float]], most: int = 20) -> list[tuple[float, float]]:
    """At most so many samples, evenly."""
    step = max(1, len(samples) // most)
    return samples[::step]


def measure(terminals: int, video_mb: float) -> dict[str, Any]:
    """Everything, in turns: copy, upload, copy."""
    sizes = (PHOTO_BYTES, int(video_mb * 1e6))
    (SOURCES / "results").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=SOURCES / "results", prefix="attachment-") as name:
        folder = Path(name)
        before = copy(folder / "before", terminals, sizes)
        os.sync()
        found = upload(folder, terminals, sizes)
        os.sync()
        after = copy(folder / "after", terminals, sizes)
    plain = statistics.mean((before, after))
    return {
        "terminals": terminals,
        "video_mb": video_mb,
        **found,
        "copy_mb_per_s": plain,
        "copies_mb_per_s": [before, after],
        "ratio": found["mb_per_s"] / plain,
        "flat_mb": FLAT_MB,
    }


def tell(found: dict[str, Any], say: Callable[[str], object] = print) -> None:
    """The figures in sentences."""
    say(
        f"{found['terminals']} terminals, {found['files']} files, {found['file_bytes'] / 1e6:,.0f} MB in "
        f"{found['seconds']:.1f} s; {found['breaks']} links broke, {found['sent_bytes'] / 1e6:,.0f} MB were sent"
    )
    say(f"identical by hash: {found['identical']} of {found['files']}")
    say(
        f"{found['mb_per_s']:,.0f} MB/s; a plain copy to disk {found['copy_mb_per_s']:,.0f} MB/s "
        f"({', '.join(f'{one:,.0f}' for one in found['copies_mb_per_s'])}): ratio {found['ratio']:.2f}; "
        f"{found['server_cpu_s'] / found['file_bytes'] * 1e9:.1f} ms of processor time per MB"
    )
    say("resident memory, MB: " + "  ".join(f"{at:.0f}s {rss:.0f}" for at, rss in found["rss_mb"]))
    say(f"peak {found['rss_peak_mb']:.0f} MB, grown by {found['rss_grown_mb']:.1f} MB (flat: ≤ {found['flat_mb']:.0f})")


def main() -> int:
    """Print the figures; 1 when a file is not the one that was sent."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--quick", action="store_true", help="50 terminals, 2 MB each")
    parser.add_argument("--terminals", type=int)
    parser.add_argument("--video-mb", type=float)
    for role in ("--be-terminals", "--be-plain-senders", "--be-plain-server"):
        parser.add_argument(role, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.be_terminals:
        port, numbers, sizes = json.loads(options.be_terminals)
        uvloop.run(be_terminals(port, numbers, tuple(sizes)))
    elif options.be_plain_senders:
        port, count, sizes = json.loads(options.be_plain_senders)
        uvloop.run(be_plain_senders(port, count, tuple(sizes)))
    elif options.be_plain_server:
        be_plain_server(Path(options.be_plain_server))
    else:
        terminals = options.terminals or (50 if options.quick else TERMINALS)
        found = measure(terminals, options.video_mb or (2 if options.quick else VIDEO_MB))
        if options.json:
            print(json.dumps(found))
        else:
            tell(found)
        return 0 if found["identical"] == found["files"] else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
