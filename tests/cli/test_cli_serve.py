"""jtgate serve: the real processes, from the first line to the last."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest
from click.testing import CliRunner

from jtgate import runfiles
from jtgate.cli import main, serve
from jtgate.settings import Settings
from jtgate.storage.sqlite.store import SqliteStore
from jtgate.supervisor import STOP_ORDER, ConfigurationStop, StartFailed, child_specs

ROOT = Path(__file__).resolve().parents[2]


class Serving:
    """A running `jtgate serve --json` on free ports."""

    def __init__(self, data: Path, *arguments: str) -> None:
        command = [sys.executable, "-m", "jtgate.cli", "serve", "--data", str(data), "--json"]
        self.data = data
        self.process = subprocess.Popen(
            [*command, "--port", "0", "--http", "127.0.0.1:0", "--host", "127.0.0.1", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )

    def ready(self) -> dict[str, object]:
        """The line it prints when everything listens."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.stderr and self.process.stderr.read()
        facts = json.loads(line)
        assert isinstance(facts, dict)
        return facts

    def stop(self) -> str:
        """SIGTERM; returns what it logged."""
        self.process.send_signal(signal.SIGTERM)
        _, log = self.process.communicate(timeout=30)
        return log

    def pid_of(self, name: str) -> int:
        """Process id of a running child, once it is ready."""
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            facts = runfiles.running(self.data, name)
            if facts is not None:
                return int(str(facts["pid"]))
            time.sleep(0.02)
        raise AssertionError(f"{name} did not come up")


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    """Everything runs; it is stopped at the end, gently or not."""
    running = Serving(tmp_path / "data")
    yield running
    if running.process.poll() is None:
        running.process.kill()
    running.process.communicate()


def events(log: str) -> list[dict[str, object]]:
    """The JSON lines of a log."""
    return [json.loads(line) for line in log.splitlines() if line.startswith("{")]


def test_it_says_when_it_is_ready_and_stops_in_order(serving: Serving) -> None:
    """Ports in the ready line are real; nothing is left after SIGTERM."""
    ready = serving.ready()
    assert (ready["event"], ready["tls_port"], ready["data"]) == ("ready", None, str(serving.data))
    with socket.create_connection(("127.0.0.1", int(str(ready["port"]))), timeout=5):
        pass
    with urllib.request.urlopen(f"http://{ready['http']}/health", timeout=5) as answer:
        assert json.loads(answer.read())["status"] == "ok"
    with urllib.request.urlopen(f"http://{ready['http']}/metrics", timeout=5) as answer:
        assert 'jtgate_child_up{child="gateway"} 1.0' in answer.read().decode()
    pids = [serving.pid_of("gateway"), serving.pid_of("api")]

    log = events(serving.stop())

    assert serving.process.returncode == 0
    assert [e["child"] for e in log if e["event"] == "supervisor.stopping"] == [
        *("gateway", "attachments", "pipeline", "deriver", "api")
    ]
    assert not [e for e in log if e["event"] == "supervisor.child_killed"]
    assert not [pid for pid in pids if runfiles.is_alive(pid)]
    assert runfiles.lock_holder(serving.data) is None
    assert not list((serving.data / "run").glob("*.json"))


def test_killed_gateway_comes_back_on_the_same_port(serving: Serving) -> None:
    """Terminals find it where it was, although any free port would have done at first."""
    ready = serving.ready()
    before = serving.pid_of("gateway")
    os.kill(before, signal.SIGKILL)
    deadline = time.monotonic() + 15
    while (now := serving.pid_of("gateway")) == before:
        assert time.monotonic() < deadline
        time.sleep(0.02)

    assert now != before
    with socket.create_connection(("127.0.0.1", int(str(ready["port"]))), timeout=5):
        pass
    with urllib.request.urlopen(f"http://{ready['http']}/metrics", timeout=5) as answer:
        assert 'jtgate_child_restarts_total{child="gateway"} 1.0' in answer.read().decode()


def test_two_on_one_data_folder_are_refused(serving: Serving) -> None:
    """The second names the first and goes."""
    serving.ready()
    second = Serving(serving.data)
    _, log = second.process.communicate(timeout=20)

    assert second.process.returncode == 78
    assert log == (
        f"error: another jtgate serve (process {serving.process.pid}) uses the data folder {serving.data}\n"
        f"  next: stop it with: kill {serving.process.pid}, or serve another folder with --data DIR\n"
    )


def test_port_in_use_stops_everything_with_78(tmp_path: Path) -> None:
    """No restarts: the message of the gateway, and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        serving = Serving(tmp_path / "data", "--port", str(taken.getsockname()[1]))
        _, log = serving.process.communicate(timeout=20)

    assert serving.process.returncode == 78
    assert "error: gateway cannot start: " in log
    assert "in use" in log
    assert [e["event"] for e in events(log)].count("supervisor.child_started") == 1
    assert runfiles.lock_holder(tmp_path / "data") is None


def test_killed_supervisor_takes_its_children_along(serving: Serving) -> None:
    """They notice, finish, and free the folder for the next one."""
    serving.ready()
    pids = [serving.pid_of("gateway"), serving.pid_of("api")]
    serving.process.kill()
    serving.process.wait()
    deadline = time.monotonic() + 20
    while any(runfiles.is_alive(pid) for pid in pids) or runfiles.lock_holder(serving.data) is not None:
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--workers", "2"), "more than one gateway shares its sessions through Redis"),
        (("--redis", "redis://x"), "Redis is not in this release"),
        (("--mqtt", "http://x"), "that is no address of a broker"),
        (("--store", "mysql://u:secret@h/d"), "--store: no store answers to mysql"),
    ],
)
def test_what_is_not_in_this_release_says_so(tmp_path: Path, flags: tuple[str, str], said: str) -> None:
    """Exit code 78 before anything is started; no password is repeated."""
    serving = Serving(tmp_path / "data", *flags)
    _, log = serving.process.communicate(timeout=20)

    assert serving.process.returncode == 78
    assert said in log
    assert "secret" not in log
    assert not (tmp_path / "data").exists()


def test_start_up_block_tells_what_a_new_user_needs(tmp_path: Path) -> None:
    """What listens where, what is kept, how to stop, what to try, what to beware of."""
    process = subprocess.Popen(
        [sys.executable, "-m", "jtgate.cli", "serve", "--data", "d", "--port", "0", "--http", "127.0.0.1:0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    block = ""
    while "warning:" not in block:
        line = process.stdout.readline()
        assert line, block
        block += line
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=30)

    port = block.split("0.0.0.0:")[1].split()[0]
    names = [line.split()[0] for line in block.splitlines() if line.startswith("  ") and " jtgate" not in line[:3]]
    assert names[:10] == [
        *("terminals", "TLS", "evidence", "HTTP", "API", "data", "store", "policy", "answers", "stop")
    ]
    assert int(port) > 0
    assert "sessions ls --data d\n" in block
    assert "tail --data d --count 10\n" in block
    assert "doctor --data d\n" in block
    assert "warning: policy is open" in block
    assert rest == "stopped; everything that was acknowledged is kept\n"
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("failure", "code", "said"),
    [
        (
            StartFailed("api", "one\ntwo\n\nthree\nfour"),
            69,
            "api was not ready in time; its last words: two; three; four",
        ),
        (
            ConfigurationStop("gateway", "certificate c.pem: expired"),
            78,
            "gateway cannot start: certificate c.pem: expired",
        ),
        (ConfigurationStop("gateway", ""), 78, "gateway cannot start: it said nothing"),
    ],
)
def test_failed_start_hands_on_the_words_of_the_child(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: StartFailed, code: int, said: str
) -> None:
    """The last lines it said, and what to do next."""

    async def supervise(*_arguments: object, **_options: object) -> None:
        raise failure

    monkeypatch.setattr(serve, "_supervise", supervise)

    result = CliRunner().invoke(main, ["serve", "--data", str(tmp_path), "--log-format", "json"])

    assert (result.exit_code, result.stderr.splitlines()[0]) == (code, f"error: {said}")
    assert result.stderr.splitlines()[1].endswith(f"or look with: jtgate doctor --data {tmp_path}")
    assert runfiles.lock_holder(tmp_path) is None


def test_store_of_a_later_release_is_refused(tmp_path: Path) -> None:
    """Nothing is touched, and one hears which release to use."""
    store = SqliteStore(tmp_path / "store.db")
    store.migrate()
    store.close()
    connection = apsw.Connection(str(tmp_path / "store.db"))
    connection.execute("INSERT INTO jtgate_migrations VALUES (999, 'from the future', 0)")
    connection.close()

    result = CliRunner().invoke(main, ["serve", "--data", str(tmp_path), "--log-format", "json"])

    assert result.exit_code == 78
    assert "has schema version 999" in result.stderr


def test_children_are_started_and_stopped_in_the_order_of_the_design() -> None:
    """The fleet comes last and goes first."""
    order = ["gateway", "attachments", "pipeline", "deriver", "api", "demo"]
    assert [spec.name for spec in child_specs(Settings(demo=5))] == order
    assert "attachments" not in [spec.name for spec in child_specs(Settings(attachment_port=-1))]
    assert STOP_ORDER == ("demo", "gateway", "attachments", "pipeline", "deriver", "publisher", "api")
    demo = child_specs(Settings(demo=5))[-1].command(Settings(demo=5, port=4242))
    assert demo[-6:] == ["--host", "127.0.0.1", "--port", "4242", "--terminals", "5"]
