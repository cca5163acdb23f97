"""The client of the HTTP API against canned answers: what goes wrong, in a sentence, and where the token goes."""

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cli_world import NOW_MS
from click.testing import CliRunner, Result
from rich.console import Console

from jtgate import runfiles
from jtgate.cli import main, watch, watch_screen, watching
from jtgate.cli.client import Client
from jtgate.cli.common import Failure
from jtgate.codecs.timebase import iso_ms

SECRET = "jtg_not-a-real-token"
PROBLEM = {"type": "urn:jtgate:problem:x", "title": "Something is wrong", "status": 0, "detail": "in detail"}

Answers = dict[str, tuple[int, object]]


class Canned:
    """A server that answers what it is told to, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: Answers = {}
        self.asked: list[tuple[str, str, str]] = []
        canned = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                path = self.path.partition("?")[0]
                canned.asked.append((self.command, self.path, self.headers.get("Authorization", "")))
                status, body = canned.answers.get(path, (404, PROBLEM))
                content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_DELETE = _answer  # noqa: N815

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self._thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        """End it."""
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()


@pytest.fixture
def canned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Canned]:
    """The server, and an environment and folder that say nothing of another one."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("JTGATE_")]:
        monkeypatch.delenv(name)
    made = Canned()
    yield made
    made.close()


def run(*arguments: str, **variables: str) -> Result:
    """A command with variables of the environment."""
    return CliRunner().invoke(main, arguments, env=variables, prog_name="jtgate")


def remote(canned: Canned) -> dict[str, str]:
    """Address and token as variables."""
    return {"JTGATE_API": canned.url, "JTGATE_TOKEN": SECRET}


@pytest.mark.parametrize(
    ("status", "code", "advice"),
    [
        (400, 2, "--help"),
        (401, 78, "JTGATE_TOKEN"),
        (403, 78, "use a token that may do it"),
        (404, 1, "jtgate terminals ls"),
        (409, 1, "another --key"),
        (422, 2, "jtgate messages"),
        (429, 69, "jtgate commands ls"),
        (500, 1, "report this"),
        (503, 69, "jtgate doctor"),
    ],
)
def test_a_problem_is_a_sentence_with_advice(canned: Canned, status: int, code: int, advice: str) -> None:
    """Title, detail and pointer of the answer, what to do, and an exit code that tells the kind; never the token."""
    canned.answers["/v1/commands"] = (status, PROBLEM | {"status": status, "pointer": "$.fields.text"})
    result = run("send", "13800138000", "link_detection", **remote(canned))

    error, following = result.stderr.splitlines()
    assert error == "error: Something is wrong: in detail (at $.fields.text)"
    assert advice in following
    assert result.exit_code == code
    assert SECRET not in result.output


@pytest.mark.parametrize("answer", [(502, "<html>bad gateway</html>"), (200, "<html>hello</html>"), (500, "[]")])
def test_another_server_is_told_from_a_gateway(canned: Canned, answer: tuple[int, str]) -> None:
    """What is no JSON of ours comes from a proxy or a stranger."""
    canned.answers["/v1/commands"] = answer
    result = run("commands", "ls", **remote(canned))
    assert (result.exit_code, "does not answer as jtgate does" in result.stderr) == (69, True)


@pytest.mark.usefixtures("canned")
def test_nobody_there() -> None:
    """Without a gateway on this machine, and with an address where nobody listens."""
    local = run("commands", "ls")
    assert (local.exit_code, local.stderr.splitlines()[0]) == (69, "error: no gateway is running over data")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    gone = run("commands", "ls", JTGATE_API=f"127.0.0.1:{port}", JTGATE_TOKEN=SECRET)
    assert (gone.exit_code, "cannot be reached" in gone.stderr) == (69, True)
    assert SECRET not in gone.output


@pytest.mark.parametrize("url", ["ftp://gateway", "http://", "http://host:99999", "http://user:pw@host"])
def test_an_address_that_is_none(canned: Canned, url: str) -> None:
    """A sentence, exit code 78; a password in it is not repeated."""
    result = run("commands", "ls", "--api", url, JTGATE_TOKEN=SECRET)
    assert result.exit_code == 78
    assert "pw" not in result.output
    assert not canned.asked


@pytest.fixture
def own_gateway(canned: Canned, tmp_path: Path) -> Path:
    """A data folder whose gateway the canned server seems to be."""
    data = tmp_path / "data"
    data.mkdir()
    address = canned.url.removeprefix("http://")
    runfiles.write_run_file(data, runfiles.API, {"pid": os.getpid(), "http": address})
    (data / runfiles.API_TOKEN).write_text(f"{SECRET}\n", encoding="utf-8")
    return data


def test_the_token_of_the_folder_is_for_its_gateway_only(canned: Canned, own_gateway: Path) -> None:
    """It is sent to the gateway of the folder, and never to another address: that needs a token of its own."""
    canned.answers["/v1/commands"] = (200, {"items": [], "next": None})
    assert run("commands", "ls", "--data", str(own_gateway)).stdout == "no such command\n"
    assert canned.asked.pop()[2] == f"Bearer {SECRET}"
    assert run("commands", "ls", "--data", str(own_gateway), "--api", canned.url).exit_code == 0
    canned.asked.clear()

    other = canned.url.replace("127.0.0.1", "localhost")
    refused = run("commands", "ls", "--data", str(own_gateway), "--api", other)
    assert (refused.exit_code, f"there is no token for {other}" in refused.stderr) == (78, True)
    assert not canned.asked


def test_a_proxy_is_not_asked_for_the_own_gateway(canned: Canned, own_gateway: Path) -> None:
    """HTTP_PROXY of the environment is for other machines."""
    canned.answers["/v1/commands"] = (200, {"items": [], "next": None})
    result = run("commands", "ls", "--data", str(own_gateway), HTTP_PROXY="http://127.0.0.1:9", NO_PROXY="")
    assert result.exit_code == 0, result.output


def test_a_file_without_a_token(canned: Canned, tmp_path: Path) -> None:
    """Missing, empty or something else: a sentence that does not repeat it."""
    file = tmp_path / "token"
    for text in (None, "", "two\nlines", "Zeichen ü"):
        if text is not None:
            file.write_text(text, encoding="utf-8")
        result = run("commands", "ls", "--api", canned.url, "--token-file", str(file))
        assert result.exit_code == 78, result.output
        assert not text or text not in result.output
    assert not canned.asked


def test_lists_are_put_together_from_their_pages(canned: Canned) -> None:
    """Page after page until there is none, or enough."""
    canned.answers["/v1/tokens"] = (200, {"items": [{"id": 1}], "next": "x"})
    with_pages = Client(canned.url, SECRET)
    assert [row["id"] for row in with_pages.rows("/v1/tokens", limit=3)] == [1, 1, 1]
    assert [path for _, path, _ in canned.asked] == [
        "/v1/tokens?limit=3",
        "/v1/tokens?limit=2&cursor=x",
        "/v1/tokens?limit=1&cursor=x",
    ]
    with_pages.close()


# ----------------------------------------------------------------------------------------- sessions watch


SESSION = {
    "session_id": "7",
    "terminal": "13800138000",
    "edition": "2019",
    "transport": "mqtt",
    "online_since": iso_ms(NOW_MS - 100_000),
    "last_received": iso_ms(NOW_MS - 5_000),
    "frames": 50,
    "last_message": "0x0200",
}
ALARM = {"terminal": "13800138000", "source": "jt808:flag", "alarm_type": 1, "level": None, "phase": "start"}
FIGURES = "jtgate_gateway_frames_total {}\njtgate_gateway_sessions_online 3000.0\n# nothing\nodd\n"


def gateway(counted: int = 100, **session: object) -> Answers:
    """Answers of a gateway that was asked to be watched."""
    alarms = [
        ALARM | {"alarm_time": iso_ms(NOW_MS - 61_000)},
        ALARM | {"terminal": "999", "alarm_time": iso_ms(NOW_MS - 86_400_000), "source": "jtx:1", "level": 2},
    ]
    return {
        "/metrics": (200, FIGURES.format(counted)),
        "/health": (503, {"problems": ["no gateway is listening"], "pipeline": {"lag_seconds": 7.25}}),
        "/v1/sessions": (200, {"items": [SESSION | session], "next": "more"}),
        "/v1/positions/last": (200, {"items": [{"terminal": "13800138000", "speed_kmh": 62.4}], "next": None}),
        "/v1/terminals/13800138000": (200, {"plate": "测A12345"}),
        "/v1/alarms": (200, {"items": alarms, "next": None}),
    }


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Time that passes when it is told to."""
    at_s = [0.0]
    for module in (watching, watch_screen):
        monkeypatch.setattr(module, "now_ms", lambda: NOW_MS + round(at_s[0] * 1000))
        monkeypatch.setattr(module, "monotonic", lambda: at_s[0])

    def pass_by(seconds: float) -> None:
        at_s[0] += seconds

    monkeypatch.setattr(watch.time, "sleep", pass_by)
    return pass_by


@pytest.mark.usefixtures("clock")
def test_watch_once_shows_rates_sessions_and_alarms(canned: Canned) -> None:
    """One screen, from two looks a second apart; what fails is said, what did not fit is counted."""
    canned.answers = gateway()
    result = run("sessions", "watch", "--once", **remote(canned))

    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == f"jtgate {canned.url}   02:00:01   no gateway is listening"
    assert lines[1].split("    ") == ["3,000 online", "0.0 frames/s", "0.0 alarms/min", "7.2 s behind"]
    assert lines[4].split()[:6] == ["13800138000", "测A12345", "mqtt", "2019", "1", "min"]
    assert "0.50    62 " in lines[4]
    assert "0x0200 位置信息汇报 location_report" in lines[4]
    assert lines[5] == "… and 2,999 more"
    assert [line.split() for line in lines[8:]] == [
        ["01:58:59", "13800138000", "start", "超速报警", "overspeed"],
        ["11-23", "02:00:00", "999", "start", "jtx:1", "type", "1,", "level", "2"],
    ]


def test_rates_are_of_the_last_seconds(canned: Canned, clock: Callable[[float], None]) -> None:
    """Of the gateway over ten seconds; a gateway that was started anew begins again."""
    client = Client(canned.url, SECRET)
    watcher = watching.Watcher(client)
    told = []
    for frames, seconds in ((100, 5), (150, 5), (400, 5), (450, 5), (10, 5), (60, 5)):
        canned.answers = gateway(frames, frames=frames)
        told.append(watcher.look(10, 10).frames_per_s)
        clock(seconds)
    client.close()
    assert told == [None, 10.0, 30.0, 30.0, None, 10.0]


def test_watch_asks_again_until_the_gateway_is_back(
    canned: Canned, clock: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a terminal: the last screen stays with the news that nobody answers; a token that has ended ends it."""
    shown: list[str] = []
    looks = iter(
        [
            gateway(),
            gateway() | {"/v1/sessions": (503, PROBLEM)},
            gateway() | {"/metrics": (502, "proxy")},
            gateway(),
            gateway() | {"/v1/sessions": (401, PROBLEM)},
        ]
    )

    def look_on(seconds: float) -> None:
        clock(seconds)
        canned.answers = next(looks)

    monkeypatch.setattr(watch.time, "sleep", look_on)
    canned.answers = gateway()
    client = Client(canned.url, SECRET)
    target = Console(force_terminal=True, width=100, height=30, file=open(os.devnull, "w"))  # noqa: PTH123, SIM115
    monkeypatch.setattr(watch, "screen", lambda _w, _l, outage, *_: shown.append(outage and outage.message) or [])
    with pytest.raises(Failure, match="Something is wrong"):
        watch._follow(watching.Watcher(client), 2.0, target)
    target.file.close()
    client.close()
    assert [bool(one) for one in shown] == [False, False, True, True, False]
