"""`jtgate conformance server` and `terminal` as a user meets them: exit codes, reports, lists."""
# ruff: noqa: D102  asyncio calls these methods, and it says what they are

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from jtgate.cli import main
from jtgate.codecs.framing import Frame, FrameReader
from jtgate.codecs.header import encode_frames, parse_header
from jtgate.codecs.jt808 import RegisterAnswer

HEARTBEATS = ["--only", "answers.heartbeat", "--transport", "tcp", "--edition", "2013", "--timeout", "0.5"]


def call(*arguments: str) -> Result:
    """Run a command."""
    return CliRunner().invoke(main, ["conformance", *arguments], prog_name="jtgate")


class Minimal(asyncio.Protocol):
    """Registers and authenticates; answers everything else with a result."""

    result = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.reader = FrameReader()

    def data_received(self, data: bytes) -> None:
        for event in self.reader.feed(data):
            if not isinstance(event, Frame):
                continue
            header, _ = parse_header(event.payload)
            quoted = header.serial.to_bytes(2) + header.msg_id.to_bytes(2)
            msg_id, body = 0x8001, quoted + bytes([0 if header.msg_id == 0x0102 else self.result])
            if header.msg_id == 0x0100:
                msg_id = 0x8100
                body = RegisterAnswer(answer_serial=header.serial, result=0, auth_code="C").encode()
            frames = encode_frames(msg_id, body, phone=header.phone, serial=0, edition=header.edition)
            self.transport.write(frames[0])  # type: ignore[attr-defined]


@pytest.fixture
def platform() -> Iterator[int]:
    """Its port; it lives in a thread of its own."""
    ready, done = threading.Event(), threading.Event()
    ports: list[int] = []

    async def live() -> None:
        server = await asyncio.get_running_loop().create_server(Minimal, "127.0.0.1", 0)
        ports.append(server.sockets[0].getsockname()[1])
        ready.set()
        while not done.is_set():  # noqa: ASYNC110  the event belongs to another thread
            await asyncio.sleep(0.02)
        server.close()

    thread = threading.Thread(target=lambda: asyncio.run(live()), name="minimal-platform")
    thread.start()
    assert ready.wait(5)
    yield ports[0]
    done.set()
    thread.join(5)
    Minimal.result = 0


def test_a_pass_ends_with_0(platform: int) -> None:
    """The rule, its editions and the score."""
    result = call("server", f"127.0.0.1:{platform}", *HEARTBEATS)

    assert result.exit_code == 0, result.output
    assert "✓ answers.heartbeat " in result.output
    assert "must 1/1" in result.output
    assert result.output.endswith("verdict: pass\n")


def test_a_failure_ends_with_1_and_names_clause_and_bytes(platform: int, tmp_path: Path) -> None:
    """In the text, in the JSON and in the page."""
    Minimal.result = 1
    files = ["--json", str(tmp_path / "r.json"), "--html", str(tmp_path / "r.html")]
    result = call("server", f"127.0.0.1:{platform}", *HEARTBEATS, *files)
    report = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    page = (tmp_path / "r.html").read_text(encoding="utf-8")

    assert result.exit_code == 1
    assert "✗ answers.heartbeat" in result.output
    assert "clause  JT/T 808 §3.1" in result.output
    assert "result 1 to 0x0002 serial 4660: expected result 0" in result.output
    assert (report["verdict"], report["results"][0]["status"]) == ("fail", "fail")
    assert any(entry["kind"] == "received" and entry["hex"] for entry in report["results"][0]["trace"])
    assert "result 1 to 0x0002 serial 4660" in page


def test_json_on_standard_output_stands_alone(platform: int) -> None:
    """For programs."""
    result = call("server", f"127.0.0.1:{platform}", *HEARTBEATS, "--json", "-")

    assert json.loads(result.stdout)["score"]["must"] == {"passed": 1, "total": 1}


def test_nobody_there_ends_with_3() -> None:
    """With what to do next."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        result = call("server", f"127.0.0.1:{port}", *HEARTBEATS)

    assert result.exit_code == 3
    assert f"no connection to 127.0.0.1:{port}: Connection refused" in result.output


def test_no_terminal_ends_with_3() -> None:
    """After the time that was given."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    result = call("terminal", "--listen", f"127.0.0.1:{port}", "--wait", "0.2")

    assert result.exit_code == 3
    assert f"waiting for the terminal on 127.0.0.1:{port}" in result.output
    assert "no terminal connected" in result.output


def test_a_port_that_is_taken_ends_with_3() -> None:
    """And says so."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = call("terminal", "--listen", f"127.0.0.1:{taken.getsockname()[1]}")

    assert result.exit_code == 3
    assert "cannot listen" in result.output


@pytest.mark.parametrize(
    "arguments",
    [
        ["server"],
        ["server", "nowhere"],
        ["server", "host:99999"],
        ["server", "127.0.0.1:1", "--only", "no.such"],
        ["server", "127.0.0.1:1", "--phone", "12a"],
        ["server", "127.0.0.1:1", "--timeout", "nan"],
        ["terminal"],
        ["terminal", "--listen", "abc"],
    ],
)
def test_a_command_line_without_sense_ends_with_2(arguments: list[str]) -> None:
    """Nothing is started."""
    assert call(*arguments).exit_code == 2


@pytest.mark.parametrize("role", ["server", "terminal"])
def test_the_list_names_every_scenario_with_its_clause(role: str) -> None:
    """Nothing is connected to."""
    lines = call(role, "--list").stdout.splitlines()

    assert len(lines) > {"server": 100, "terminal": 40}[role]
    assert [line for line in lines[1:] if "JT/T 808 §" not in line] == []
