"""A gateway and a pipeline under load, their database, and a terminal that looks at every answer it gets."""

import errno
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

import psycopg
from postgres_server import PostgresServer, lacking, temporary_folder
from toolbox import (
    PHONE_BASE,
    SOURCES,
    BenchmarkError,
    Server,
    Verdict,
    build,
    compiler,
    judge,
    start,
    wait_until_stored,
)

from jtgate.codecs.edition import Edition
from jtgate.codecs.framing import Frame, FrameReader
from jtgate.codecs.header import encode_frames, parse_header
from jtgate.codecs.timebase import encode_bcd_time, from_ms, now_ms
from jtgate.pipeline import CONSUMER

REGISTER, AUTHENTICATE, LOCATION, GENERAL_ANSWER, REGISTER_ANSWER = 0x0100, 0x0102, 0x0200, 0x8001, 0x8100
STORED, REFUSED = 0, 1  # results of 0x8001

#: Number of the probe among the terminals of the load.
PROBE = 900_000
PROBE_EVERY_S = 0.05
#: An answer that takes longer is a fault of the gateway.
ANSWER_S = 15.0
CONNECTIONS = 100
WAIT_S = 60.0
DRAIN_S = 90.0
LOOK_S = 0.05


def wait_until(true: Callable[[], bool], what: Callable[[], str], within_s: float = WAIT_S) -> None:
    """Wait for something that other processes do; `what` tells why it failed."""
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, what()
        time.sleep(LOOK_S)


class Answer(NamedTuple):
    """One answer to one report of the probe."""

    at_s: float  # monotonic, when it came
    took_s: float
    result: int


class Probe(threading.Thread):
    """A terminal that reports, waits for the answer, and goes on with the next report whatever the answer was."""

    def __init__(self, port: int) -> None:
        super().__init__(name="probe", daemon=True)
        self.answers: list[Answer] = []
        self.acknowledged: list[int] = []
        self.error: BaseException | None = None
        self._port = port
        self._ended = threading.Event()
        self._begin_ms = now_ms() // 1000 * 1000 - 20 * 86_400_000
        self._frames = FrameReader()

    def run(self) -> None:
        """Live until `end`."""
        try:
            with socket.create_connection(("127.0.0.1", self._port), ANSWER_S) as link:
                link.settimeout(ANSWER_S)
                self._live(link)
        except BaseException as error:  # noqa: BLE001  told by whoever looks at the answers
            self.error = error

    def end(self) -> None:
        """Hang up after the answer in hand."""
        self._ended.set()
        self.join(2 * ANSWER_S)

    def results_since(self, at_s: float) -> list[int]:
        """Results of the answers that came after a moment."""
        assert self.error is None, f"the terminal lost its gateway: {self.error!r}"
        return [answer.result for answer in self.answers if answer.at_s >= at_s]

    def _live(self, link: socket.socket) -> None:
        body = bytes(4) + b"BENCH" + b"LOAD".ljust(20, b"\0") + b"PROBE00" + b"\x02BENCH"
        code = self._ask(link, REGISTER, 65_000, body, REGISTER_ANSWER)[3:]
        assert self._ask(link, AUTHENTICATE, 65_001, code, GENERAL_ANSWER)[4] == 0
        serial = 0
        while not self._ended.wait(PROBE_EVERY_S):
            place = struct.pack(">IIIIHHH", 0, 3, 31_000_000 + serial, 121_000_000, 10, 600, serial % 360)
            report = place + encode_bcd_time(from_ms(self._begin_ms + serial * 1000))
            sent_s = time.monotonic()
            result = self._ask(link, LOCATION, serial, report, GENERAL_ANSWER)[4]
            now = time.monotonic()
            self.answers.append(Answer(now, now - sent_s, result))
            if result == STORED:
                self.acknowledged.append(serial)
            serial += 1

    def _ask(self, link: socket.socket, msg_id: int, serial: int, body: bytes, expected: int) -> bytes:
        (frame,) = encode_frames(msg_id, body, phone=str(PHONE_BASE + PROBE), serial=serial, edition=Edition.V2013)
        link.sendall(frame)
        while data := link.recv(65_536):
            for event in self._frames.feed(data):
                if isinstance(event, Frame):
                    header, answer = parse_header(event.payload)
                    if header.msg_id == expected and struct.unpack(">H", answer[:2]) == (serial,):
                        return answer
        raise EOFError("the gateway hung up")


class World:
    """`jtgate serve` with its store in a database, under load from the beginning to `judged`.

    Args:
        folder: for data, ledger and logs.
        database: a server that runs.
        rate: reports a second.
        seconds_max: the load ends by itself after so long.
        settings: flags of `jtgate serve`.
    """

    def __init__(
        self,
        folder: Path,
        database: PostgresServer,
        *,
        rate: float,
        seconds_max: float,
        settings: Mapping[str, object] | None = None,
    ) -> None:
        self.data = folder / "data"
        self.database = database
        self._ledger = folder / "ledger"
        self._rate = rate
        self._seconds_max = seconds_max
        self._server = Server(self.data, settings, store=database.url)
        self._load: subprocess.Popen[str] | None = None
        self._pids: list[int] = []
        self.probe = Probe(self._server.port)

    def __enter__(self) -> Self:
        self._server.begin()
        try:
            program = [str(build("load"))] if compiler() else [sys.executable, str(SOURCES / "slow_load.py")]
            flags = {"port": self._server.port, "connections": CONNECTIONS, "rate": self._rate, "window": 8}
            flags |= {"seconds": self._seconds_max, "warmup": 0, "drain": 30}
            command = [*program, *(text for name, value in flags.items() for text in (f"--{name}", str(value)))]
            self._load = start([*command, "--ledger", str(self._ledger)], stdout=subprocess.PIPE)
            self.probe.start()
            self.wait_until_stored_more()
            self._pids = [self._server.must_have(child) for child in ("gateway", "pipeline")]
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        self.probe.end()
        if self._load is not None and self._load.poll() is None:
            self._load.kill()
            self._load.communicate()
        self._server.end()

    # ------------------------------------------------------------------------------------ looking

    def log(self) -> str:
        """What the processes said."""
        return self._server.log.read_text(encoding="utf-8", errors="replace")

    def stored_seq(self) -> int:
        """Cursor of the pipeline in the database; 0 while it cannot be read."""
        with suppress(psycopg.Error, IndexError):  # IndexError: nothing is stored yet
            return int(self.database.execute(f"SELECT seq FROM jtgate.cursors WHERE consumer = '{CONSUMER}'")[0][0])
        return 0

    def wait_until_stored_more(self, within_s: float = WAIT_S) -> None:
        """Wait until batches are stored that were not stored before."""
        before = self.stored_seq()
        wait_until(
            lambda: self.stored_seq() > before, lambda: f"nothing more is stored\n{self._server.tail()}", within_s
        )

    def complaints(self) -> int:
        """How often the pipeline began to complain of its store."""
        return self.log().count("pipeline.store_unavailable")

    def wait_for_answers(self, result: int, count: int, since_s: float, within_s: float = WAIT_S) -> None:
        """Wait until the probe got so many answers with one result after a moment."""
        wait_until(
            lambda: self.probe.results_since(since_s).count(result) >= count,
            lambda: f"too few answers {result}: {self.probe.results_since(since_s)}\n{self._server.tail()}",
            within_s,
        )

    # ------------------------------------------------------------------------------------ judging

    def judged(self) -> tuple[Verdict, dict[str, Any]]:
        """End the load, wait until all is stored, and hold every acknowledged report against the database."""
        assert self._load is not None
        self._load.send_signal(signal.SIGTERM)
        out, _ = self._load.communicate(timeout=DRAIN_S)
        self.probe.end()
        assert self.probe.error is None, self.probe.error
        try:
            wait_until_stored(self.data, DRAIN_S, self.database.url)
        except BenchmarkError as error:
            raise AssertionError(f"{error}\n{self._server.tail()}") from error
        assert [self._server.must_have(child) for child in ("gateway", "pipeline")] == self._pids, "a process died"
        password = urlsplit(self.database.url).password
        assert password is not None
        assert password not in self.log()
        with self._ledger.open("ab") as ledger:
            ledger.write(b"".join(struct.pack("=II", PROBE, serial) for serial in self.probe.acknowledged))
        return judge(self._ledger, self.database.url), json.loads(out)


def check(world: World, *, refusals: bool) -> None:
    """Every acknowledged report is stored once, and what was refused is not stored.

    Args:
        world: under load until now.
        refusals: whether there must have been refusals with result 1; otherwise there must be none.
    """
    verdict, report = world.judged()
    told = f"{verdict}, {report}"
    assert verdict.acknowledged > 1000, f"too little load to mean anything: {told}"
    assert report["unanswered"] == 0, told
    assert report.get("lost_connections", 0) == 0, told
    assert set(report["refused"]) == ({str(REFUSED)} if refusals else set()), told
    assert verdict.lost == 0, f"acknowledged and lost: {told}"
    assert verdict.repeated == 0, f"stored twice: {told}"
    assert verdict.stored == verdict.acknowledged, f"refused, and stored all the same: {told}"


# ------------------------------------------------------------------------------------------------- a small disk


#: A server writes while its disk is being filled, so the room may be another one than was measured.
FILL_TRIES = 20


class SmallDisk:
    """A file system in memory with a fixed size, which can grow later."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def free_bytes(self) -> int:
        """Room that is left."""
        facts = os.statvfs(self.folder)
        return facts.f_bavail * facts.f_frsize

    def fill_up(self, but_bytes: int) -> None:
        """Put a file in the way, so that only so much room is left."""
        size = self.free_bytes() - but_bytes
        assert size > 0, f"there is less than {but_bytes} bytes of room already"
        with (self.folder / "in-the-way").open("wb") as file:
            for _ in range(FILL_TRIES):
                try:
                    os.posix_fallocate(file.fileno(), 0, size)
                except OSError as error:  # the server took more than was to be left since the room was measured
                    if error.errno != errno.ENOSPC:
                        raise
                    file.truncate(0)
                    size = max(1, self.free_bytes() - but_bytes)
                else:
                    return
        raise AssertionError(f"the room was taken {FILL_TRIES} times while it was measured")

    def grow(self, size: str) -> None:
        """Give it more room."""
        subprocess.run(["mount", "-o", f"remount,size={size}", str(self.folder)], check=True)


@contextmanager
def small_disk(size: str) -> Iterator[SmallDisk]:
    """A file system of a size such as "200M"; skips where we may not mount."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        lacking("only root can mount the small disk of this test")
    folder = Path(tempfile.mkdtemp(prefix="jtgate-small-disk-", dir=temporary_folder()))
    command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "jtgate-test", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        folder.rmdir()
        lacking(f"the small disk of this test cannot be mounted: {done.stderr.strip()}")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()
