"""The attachment server as a process: connections, datagrams, drops, times and limits (active-safety §4)."""

import asyncio
import json
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from attachment_terminal import NUMBER_SU, PHONE, Answer, Sender, answers

from jtgate.codecs.timebase import now_ms
from jtgate.gateway.attachments import links as links_module
from jtgate.gateway.attachments.links import Hub, TcpDoor, UdpDoor
from jtgate.gateway.attachments.shelf import Shelf
from jtgate.gateway.attachments.upload import Upload
from jtgate.settings import EX_CONFIG
from jtgate.storage.evidence import Ask, AskState, EvidenceDesk, NewAsk
from jtgate.storage.folder import FolderFiles
from jtgate.storage.open import open_evidence, open_files

READY_S = 20.0
PICTURE, VIDEO = b"00_64_6401_0_A.jpg", b"02_64_6401_0_A.h264"


@dataclass
class Running:
    """A server process."""

    process: subprocess.Popen[bytes]
    data: Path
    port: int
    desk: EvidenceDesk

    def ask(self, number: int = 0, phone: str = PHONE) -> Ask:
        """Ask for the evidence of another alarm."""
        identification = NUMBER_SU[:-3] + number.to_bytes(2) + b"\0"
        ask = self.desk.ask(NewAsk(phone, "jsatl12:0x64", identification, now_ms(), 2), now_ms())
        return self.desk.sent(ask.ask_id, 1, now_ms(), 0)

    def kept(self, ask: Ask) -> dict[str, bytes]:
        """Complete files of an ask by name."""
        files = open_files(self.data)
        rows = self.desk.files(ask.ask_id)
        return {row.facts.name: files.open(row.path).read_bytes() for row in rows if row.path is not None}


def launch(data: Path, **settings: object) -> tuple[subprocess.Popen[bytes], int]:
    """Start a server on a free port; the process and the port."""
    values = {"data": str(data), "host": "127.0.0.1", "attachment_port": 0, **settings}
    process = subprocess.Popen(
        [sys.executable, "-m", "jtgate.gateway.attachments", "--settings", json.dumps(values)],
        stdin=subprocess.DEVNULL,
    )
    status = data / "run" / "attachments.json"
    deadline = time.monotonic() + READY_S
    while not status.exists() or json.loads(status.read_text())["pid"] != process.pid:
        assert process.poll() is None, f"the server ended with {process.returncode}"
        assert time.monotonic() < deadline, "the server is not ready"
        time.sleep(0.02)
    return process, json.loads(status.read_text())["port"]


@contextmanager
def running(data: Path, **settings: object) -> Iterator[Running]:
    """A server that is stopped afterwards."""
    process, port = launch(data, **settings)
    desk = open_evidence(data)
    try:
        yield Running(process, data, port, desk)
    finally:
        desk.close()
        process.kill()
        process.wait(5)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One server for the tests that do not stop it."""
    with running(tmp_path_factory.mktemp("attachments")) as made:
        yield made


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    """A connection of a terminal."""
    with socket.create_connection(("127.0.0.1", port), 5) as link:
        link.settimeout(10)
        yield link


def hear(link: socket.socket, count: int) -> list[Answer]:
    """Wait for so many answers."""
    data = b""
    while len(answers(data)) < count:
        more = link.recv(65_536)
        assert more, "the server closed"
        data += more
    return answers(data)


def hung_up(link: socket.socket) -> bool:
    """Whether the server ends the link, after whatever it still says."""
    try:
        while link.recv(65_536):
            pass
    except ConnectionResetError:
        pass
    return True


def wait_until(true: Callable[[], bool], within_s: float = 10.0) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def test_a_picture_and_a_video_over_tcp(server: Running) -> None:
    """The whole way over a socket, in pieces as the network likes them."""
    ask = server.ask(1)
    sender = Sender(ask.alarm_number)
    picture, video = random.Random(1).randbytes(3_000), random.Random(2).randbytes(400_000)
    with connected(server.port) as link:
        link.sendall(sender.frame(0x0102, b"code") + sender.files((PICTURE, 3_000), (VIDEO, 400_000)))
        assert [answer.general[2] for answer in hear(link, 2)] == [0, 0]
        link.sendall(sender.whole(PICTURE, picture) + sender.whole(VIDEO, video, missing=(2, 4)))
        *_, done = hear(link, 4)
        assert done.ranges == [(2 * 65_536, 65_536), (4 * 65_536, 65_536)]
        for offset, length in done.ranges:
            link.sendall(sender.data(VIDEO, offset, video[offset : offset + length]))
        link.sendall(sender.done(VIDEO, len(video)))
        assert hear(link, 1)[0].result == 0
    assert server.kept(ask) == {PICTURE.decode(): picture, VIDEO.decode(): video}


def test_over_udp(server: Running) -> None:
    """Frames and packets in datagrams, some of them lost; answers come to the address they came from."""
    ask = server.ask(2)
    sender = Sender(ask.alarm_number)
    data = random.Random(3).randbytes(30_000)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.connect(("127.0.0.1", server.port))
        link.settimeout(10)
        link.send(sender.data(VIDEO, 0, b"too early"))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.connect(("127.0.0.1", server.port))
            stranger.settimeout(10)
            stranger.send(Sender("E" * 32).files((VIDEO, 1)))
            assert answers(stranger.recv(2048))[0].general[2] == 1
        link.send(sender.files((VIDEO, len(data))))
        assert answers(link.recv(2048))[0].general[1:] == (0x1210, 0)
        link.send(sender.begin(VIDEO, len(data)))
        assert answers(link.recv(2048))[0].general[1:] == (0x1211, 0)
        for offset in range(0, len(data), 1000):
            if offset % 7000:
                link.send(sender.data(VIDEO, offset, data[offset : offset + 1000]))
        link.send(sender.data(VIDEO, 0, data[:1000])[:-1])  # cut
        link.send(sender.done(VIDEO, len(data)))
        (done,) = answers(link.recv(2048))
        assert done.ranges == [(offset, 1000) for offset in range(0, len(data), 7000)]
        for offset, length in done.ranges:
            link.send(sender.data(VIDEO, offset, data[offset : offset + length]))
        link.send(sender.done(VIDEO, len(data)))
        assert answers(link.recv(2048))[0].result == 0
    assert server.kept(ask) == {VIDEO.decode(): data}


def test_a_refusal_is_heard_before_the_link_ends(server: Running) -> None:
    """The terminal sends on without waiting: it still gets the answer, then the end."""
    with connected(server.port) as link:
        sender = Sender("F" * 32)
        link.sendall(sender.files((PICTURE, 3000)) + sender.whole(PICTURE, bytes(3000)) * 20)
        assert hear(link, 1)[0].general == (1, 0x1210, 1)
        assert hung_up(link)
    for rubbish in (b"GET / HTTP/1.1\r\n\r\n", random.Random(4).randbytes(5000), b"01cd" + b"\xff" * 300):
        with connected(server.port) as link:
            link.sendall(rubbish)
            assert hung_up(link)


def test_many_terminals_with_drops_in_the_middle(server: Running) -> None:
    """Links that break anywhere, again and again: every file arrives whole."""

    def upload(number: int) -> tuple[Ask, bytes]:
        luck = random.Random(number)
        phone = f"139{number:08d}"
        ask = server.ask(number, phone)
        sender = Sender(ask.alarm_number, phone)
        data = luck.randbytes(300_000)
        for _ in range(3):
            with connected(server.port) as link:
                stream = sender.files((VIDEO, len(data))) + sender.whole(VIDEO, data)
                link.sendall(stream[: luck.randrange(len(stream) - 10)])
        with connected(server.port) as link:
            link.sendall(sender.files((VIDEO, len(data))) + sender.done(VIDEO, len(data)))
            *_, done = hear(link, 2)
            for offset, length in done.ranges:
                link.sendall(sender.data(VIDEO, offset, data[offset : offset + length]))
            if done.result:
                link.sendall(sender.done(VIDEO, len(data)))
                (done,) = hear(link, 1)
            assert done.result == 0
        return ask, data

    with ThreadPoolExecutor(8) as terminals:
        for ask, data in terminals.map(upload, range(100, 116)):
            assert server.kept(ask) == {VIDEO.decode(): data}


def test_killed_and_started_again(tmp_path: Path) -> None:
    """SIGKILL in the middle: the desk knows what is on disk, and the rest is asked for. SIGTERM notes everything."""
    data = random.Random(5).randbytes(6 << 20)
    process, port = launch(tmp_path)
    desk = open_evidence(tmp_path)
    server = Running(process, tmp_path, port, desk)
    try:
        ask = server.ask(1)
        sender = Sender(ask.alarm_number)
        with connected(port) as link:
            link.sendall(sender.files((VIDEO, len(data))) + sender.whole(VIDEO, data)[: 5 << 20])
            wait_until(lambda: bool(desk.files(ask.ask_id)) and bool(desk.files(ask.ask_id)[0].received))
            process.kill()
            process.wait(5)
        process, port = launch(tmp_path)
        with connected(port) as link:
            link.sendall(sender.files((VIDEO, len(data))) + sender.done(VIDEO, len(data)))
            *_, done = hear(link, 2)
            ((offset, _),) = done.ranges
            assert 4 << 20 <= offset < len(data), "what was noted does not come again"
            link.sendall(sender.data(VIDEO, offset, data[offset : offset + 1000]))
            time.sleep(0.1)
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
        assert desk.files(ask.ask_id)[0].received == ((0, offset + 1000),)
        assert not (tmp_path / "run" / "attachments.json").exists()
        process, port = launch(tmp_path)
        with connected(port) as link:
            link.sendall(sender.files((VIDEO, len(data))))
            hear(link, 1)
            at = offset + 1000
            for start in range(at, len(data), 65_536):
                link.sendall(sender.data(VIDEO, start, data[start : start + 65_536]))
            link.sendall(sender.done(VIDEO, len(data)))
            assert hear(link, 1)[0].result == 0
        assert server.kept(ask) == {VIDEO.decode(): data}
    finally:
        desk.close()
        process.kill()
        process.wait(5)


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    """The process ends with the exit code of a configuration error and says what to change."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        values = {"data": str(tmp_path), "host": "127.0.0.1", "attachment_port": taken.getsockname()[1]}
        done = subprocess.run(
            [sys.executable, "-m", "jtgate.gateway.attachments", "--settings", json.dumps(values)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=20,
            check=False,
        )
    assert done.returncode == EX_CONFIG
    assert b"--attachment-port" in done.stderr


# ------------------------------------------------------------------------------- limits, with a short patience


@dataclass
class Inside:
    """A server in this process."""

    hub: Hub
    desk: EvidenceDesk
    port: int
    clients: list[asyncio.StreamWriter] = field(default_factory=list)

    def ask(self) -> Ask:
        """Ask for evidence."""
        ask = self.desk.ask(NewAsk(PHONE, "jsatl12:0x64", NUMBER_SU, now_ms(), 2), now_ms())
        return self.desk.sent(ask.ask_id, 1, now_ms(), 0)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection of a terminal."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.clients.append(writer)
        return reader, writer

    async def hang_up(self) -> None:
        """All terminals go."""
        for writer in self.clients:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


@asynccontextmanager
async def inside(data: Path, **options: int) -> AsyncIterator[Inside]:
    """A server in this event loop."""
    desk, files = open_evidence(data), FolderFiles(data / "files")
    shelf = Shelf(desk, files)
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(2) as threads:
        hub = Hub(loop, threads, lambda: Upload(shelf, bytes_max=64 << 20), **options)
        server = await loop.create_server(lambda: TcpDoor(hub), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        udp, _ = await loop.create_datagram_endpoint(lambda: UdpDoor(hub), local_addr=("127.0.0.1", port))
        made = Inside(hub, desk, port)
        try:
            yield made
        finally:
            await made.hang_up()
            server.close()
            assert await hub.close_all(5)
            udp.close()
            assert (hub.queued_bytes, hub.pending_bytes) == (0, 0), "every byte is accounted for"
    desk.close()


async def until(true: Callable[[], bool]) -> None:
    """Wait for something that the server does."""
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110  nobody tells
            await asyncio.sleep(0.01)


def test_silent_links_end(tmp_path: Path) -> None:
    """Without a file 30 s, with one 60 s, and 15 min however lively it is."""

    async def run() -> None:
        async with inside(tmp_path) as server:
            sender = Sender(server.ask().alarm_number)
            loop = asyncio.get_running_loop()
            for sent, answered, patience_s in (
                (sender.frame(0x0002, b""), 1, 30),
                (sender.files((VIDEO, 100)) + sender.begin(VIDEO, 100), 2, 60),
            ):
                reader, writer = await server.connect()
                writer.write(sent)
                heard = b""
                while len(answers(heard)) < answered:
                    heard += await reader.read(1000)
                (link,) = server.hub.links
                link.check(loop.time() + patience_s - 1)
                assert link in server.hub.links
                link.check(loop.time() + patience_s)
                assert await reader.read() == b""
                writer.close()
                await until(lambda: not server.hub.links)
            await server.connect()
            await until(lambda: len(server.hub.links) == 1)
            (link,) = server.hub.links
            link._opened_at -= 15 * 60
            server.hub.tick()
            await until(lambda: not server.hub.links)

    asyncio.run(run())


def test_so_many_links_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Per address and in all; a place that is given back is free again."""
    monkeypatch.setattr(links_module, "LINKS_MAX", 5)
    monkeypatch.setattr(links_module, "LINGER_S", 0.1)

    async def run() -> None:
        async with inside(tmp_path, per_address_max=3) as server:
            first = [await server.connect() for _ in range(3)]
            await until(lambda: len(server.hub.links) == 3)
            reader, _ = await server.connect()
            with suppress(ConnectionResetError):
                assert await reader.read() == b""
            assert server.hub.refusal("10.0.0.1", is_udp=False) is None
            first[0][1].close()
            await until(lambda: len(server.hub.links) == 2)
            monkeypatch.setattr(links_module, "LINKS_MAX", 2)
            assert server.hub.refusal("10.0.0.1", is_udp=False) == "links_max"

    asyncio.run(run())


def test_a_slow_disk_pauses_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the disk cannot take stays with the sender: memory does not grow with what is sent."""
    gate = threading.Event()
    feed = Upload.feed

    def slow_feed(upload: Upload, data: bytes) -> bytes:
        gate.wait(10)
        return feed(upload, data)

    monkeypatch.setattr(Upload, "feed", slow_feed)

    async def run() -> None:
        async with inside(tmp_path) as server:
            ask = server.ask()
            sender, data = Sender(ask.alarm_number), random.Random(6).randbytes(8 << 20)
            reader, writer = await server.connect()
            writer.write(sender.files((VIDEO, len(data))) + sender.whole(VIDEO, data))
            await until(lambda: any(link.is_over_full for link in server.hub.links))
            await asyncio.sleep(0.2)
            (link,) = server.hub.links
            assert server.hub.queued_bytes <= links_module.QUEUE_BYTES_MAX + (1 << 20)
            assert link.is_over_full
            gate.set()
            heard = b""
            while len(answers(heard)) < 3:
                heard += await reader.read(65_536)
            assert answers(heard)[-1].result == 0

    asyncio.run(run())


def test_halves_of_packets_do_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Links that hold more unfinished bytes than all may are closed; their files go on later."""
    monkeypatch.setattr(links_module, "PENDING_BYTES_MAX", 300_000)
    monkeypatch.setattr(links_module, "LINGER_S", 0.1)

    async def run() -> None:
        async with inside(tmp_path) as server:
            sender = Sender(server.ask().alarm_number)
            half = sender.data(VIDEO, 0, bytes(1 << 20))[:200_000]
            ended = []
            for _ in range(4):
                reader, writer = await server.connect()
                writer.write(sender.files((VIDEO, 2 << 20)) + half)
                ended.append(asyncio.create_task(reader.read()))
            await until(lambda: sum(task.done() for task in ended) >= 3)
            await until(lambda: len(server.hub.links) <= 1)
            assert server.hub.pending_bytes <= 300_000

    asyncio.run(run())


def test_after_a_failed_disk_nobody_is_let_in_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Terminals come again later instead of sending what cannot be kept."""
    monkeypatch.setattr(links_module, "DISK_PAUSE_S", 0.3)
    monkeypatch.setattr(links_module, "LINGER_S", 0.1)

    def full(_path: Path, _offset: int, _data: bytes) -> None:
        raise OSError(28, "No space left on device")

    async def run() -> None:
        async with inside(tmp_path) as server:
            ask = server.ask()
            sender = Sender(ask.alarm_number)
            with monkeypatch.context() as disk:
                disk.setattr("jtgate.gateway.attachments.shelf._write_at", full)
                reader, writer = await server.connect()
                writer.write(sender.files((PICTURE, 4)) + sender.whole(PICTURE, b"pict"))
                heard = answers(await reader.read())
                assert [answer.msg_id for answer in heard] == [0x8001, 0x8001]
                await until(lambda: server.hub.refusal("127.0.0.1", is_udp=False) == "disk")
            await until(lambda: server.hub.refusal("127.0.0.1", is_udp=False) is None)
            reader, writer = await server.connect()
            writer.write(sender.files((PICTURE, 4)) + sender.whole(PICTURE, b"pict"))
            writer.write_eof()
            assert answers(await reader.read())[-1].result == 0
            found = server.desk.get(ask.ask_id)
            assert found is not None
            assert found.state is AskState.COMPLETE

    asyncio.run(run())
