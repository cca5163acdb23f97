"""A real gateway process and a blocking terminal, for tests from outside."""

import json
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import pytest

from jtgate.codecs.edition import Edition
from jtgate.codecs.framing import Frame, FrameReader
from jtgate.codecs.header import Header, encode_frames, parse_header
from jtgate.storage.open import open_spool_reader
from jtgate.storage.records import FramesRecord, Record, unpack

READY_S = 20.0


class Terminal:
    """A terminal with a blocking socket.

    Args:
        port: where the gateway listens.
        phone: digits.
        udp: datagrams instead of a connection.
        tls: context of a TLS client.
    """

    made: ClassVar[list["Terminal"]] = []

    def __init__(
        self,
        port: int,
        phone: str = "13912345678",
        *,
        udp: bool = False,
        tls: ssl.SSLContext | None = None,
        edition: Edition = Edition.V2013,
        source: str = "127.0.0.1",
    ) -> None:
        self.phone = phone
        self.edition = edition
        self.reader = FrameReader()
        self.waiting: list[tuple[Header, bytes]] = []
        if udp:
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.socket.connect(("127.0.0.1", port))
        else:
            self.socket = socket.create_connection(("127.0.0.1", port), 5, source_address=(source, 0))
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self.socket.settimeout(20)
        Terminal.made.append(self)

    def frame(self, msg_id: int, body: bytes = b"", serial: int = 0) -> bytes:
        """One frame of this terminal."""
        return encode_frames(msg_id, body, phone=self.phone, serial=serial, edition=self.edition)[0]

    def send(self, msg_id: int, body: bytes = b"", serial: int = 0) -> None:
        """Send one frame."""
        self.socket.sendall(self.frame(msg_id, body, serial))

    def answer(self) -> tuple[Header, bytes]:
        """The next frame of the platform."""
        while not self.waiting:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError
            self.waiting += [
                parse_header(event.payload) for event in self.reader.feed(data) if isinstance(event, Frame)
            ]
        return self.waiting.pop(0)

    def ask(self, msg_id: int, body: bytes = b"", serial: int = 0) -> tuple[Header, bytes]:
        """Send and wait for the answer."""
        self.send(msg_id, body, serial)
        return self.answer()

    def is_closed(self, within_s: float = 20.0) -> bool:
        """Whether the platform closes the connection."""
        self.socket.settimeout(within_s)
        try:
            while self.socket.recv(65536):
                pass
        except TimeoutError:
            return False
        except ConnectionError:
            return True
        return True

    def close(self) -> None:
        """Hang up."""
        self.socket.close()


class Running:
    """A gateway process."""

    def __init__(self, process: subprocess.Popen[bytes], data: Path, port: int, tls_port: int) -> None:
        self.process = process
        self.data = data
        self.port = port
        self.tls_port = tls_port

    def records(self) -> list[Record]:
        """Everything in the spool."""
        reader = open_spool_reader(self.data)
        groups, seq = [], 0
        while batch := reader.read(seq):
            groups += batch
            seq = batch[-1].seq
        reader.close()
        return [record for group in groups for record in unpack(group.data)]

    def payloads(self) -> list[bytes]:
        """Every frame in the spool."""
        return [payload for record in self.records() if isinstance(record, FramesRecord) for payload in record.payloads]

    def events(self) -> list[tuple[str, dict[str, object]]]:
        """Every session event in the spool."""
        return [(record.event, record.facts) for record in self.records() if not isinstance(record, FramesRecord)]

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(15)


@contextmanager
def running(data: Path, **settings: object) -> Iterator[Running]:
    """Start a gateway on a free port and stop it afterwards."""
    values = {"data": str(data), "host": "127.0.0.1", "port": 0, "tls_port": 0, "policy": "open", **settings}
    process = subprocess.Popen(
        [sys.executable, "-m", "jtgate.gateway", "--settings", json.dumps(values)], stdin=subprocess.DEVNULL
    )
    status = data / "run" / "gateway.json"
    deadline = time.monotonic() + READY_S
    try:
        while not status.exists() or json.loads(status.read_text())["pid"] != process.pid:
            assert process.poll() is None, f"the gateway ended with {process.returncode}"
            assert time.monotonic() < deadline, "the gateway is not ready"
            time.sleep(0.02)
        facts = json.loads(status.read_text())
        yield Running(process, data, facts["port"], facts["tls_port"])
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(5)


def wait_until(true: Callable[[], bool], within_s: float = 20.0) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture(autouse=True)
def hang_up() -> Iterator[None]:
    """Close the sockets of every terminal of a test."""
    yield
    while Terminal.made:
        Terminal.made.pop().close()


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Running]:
    """A gateway with policy open."""
    with running(tmp_path / "data") as found:
        yield found
