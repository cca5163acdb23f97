"""The api process, started as the supervisor starts it."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from jtgate import runfiles
from jtgate.api import health
from jtgate.codecs.timebase import now_us
from jtgate.pipeline import CONSUMER
from jtgate.settings import Settings
from jtgate.storage import open_spool_writer, open_store
from jtgate.storage.model import StoreBatch
from jtgate.storage.records import SessionEvent, pack_session

COUNTING_CHILD = """
import sys
from prometheus_client import Counter, Gauge
Counter("jtgate_gateway_frames_total", "Frames").inc(int(sys.argv[1]))
Gauge("jtgate_gateway_connections", "Connections", multiprocess_mode="livesum").set(2)
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A data folder with a migrated store, nothing spooled, and HTTP on any free port."""
    store = open_store("", tmp_path)
    store.migrate()
    store.close()
    return Settings(data=tmp_path, http="127.0.0.1:0", log_format="json")


@pytest.fixture
def api(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    """The running process; its standard input is held open."""
    command = [sys.executable, "-m", "jtgate.api", "--settings", settings.to_json()]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 10
        while runfiles.running(settings.data, runfiles.API) is None:
            assert process.poll() is None, process.stderr and process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield process
        process.kill()


def get(settings: Settings, path: str) -> tuple[int, str]:
    """Status and body of a request."""
    facts = runfiles.read_run_file(settings.data, runfiles.API)
    assert facts is not None
    try:
        with urllib.request.urlopen(f"http://{facts['http']}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def spool_one(settings: Settings, at_us: int) -> None:
    """Put one group into the spool."""
    writer = open_spool_writer(settings.data, bytes_max=1 << 30, keep_us=10**12)
    writer.append(pack_session(at_us, 0, SessionEvent.GATEWAY_STARTED, {}), 0, at_us)
    writer.close()


def test_metrics_add_up_all_processes_and_tell_of_the_children(
    settings: Settings, api: subprocess.Popen[bytes], request: pytest.FixtureRequest
) -> None:
    """Counters of two processes are summed; restarts come from the supervisor's file."""
    folder = runfiles.metrics_folder(settings.data)
    request.addfinalizer(lambda: runfiles.remove_metrics_folder(settings.data))
    folder.mkdir(mode=0o700)
    for count in ("3", "4"):
        subprocess.run(
            [sys.executable, "-c", COUNTING_CHILD, count],
            env=os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(folder)},
            check=True,
        )
    runfiles.write_run_file(
        settings.data,
        runfiles.SUPERVISOR,
        {"pid": os.getpid(), "children": {"gateway": {"state": "running", "restarts": 2}, "api": {"state": "waiting"}}},
    )

    status, body = get(settings, "/metrics")

    assert status == 200
    lines = body.splitlines()
    assert "jtgate_gateway_frames_total 7.0" in lines
    assert "jtgate_gateway_connections 4.0" in lines
    assert 'jtgate_child_restarts_total{child="gateway"} 2.0' in lines
    assert 'jtgate_child_up{child="gateway"} 1.0' in lines
    assert 'jtgate_child_up{child="api"} 0.0' in lines


def test_health_fails_without_a_gateway(settings: Settings, api: subprocess.Popen[bytes]) -> None:
    """503, and the body says why."""
    status, body = get(settings, "/health")

    assert status == 503
    assert json.loads(body)["problems"] == ["no gateway is listening"]


def test_health_is_fine_while_a_gateway_lives_and_everything_is_stored(
    settings: Settings, api: subprocess.Popen[bytes]
) -> None:
    """200 with the facts."""
    runfiles.write_run_file(settings.data, runfiles.GATEWAY, {"pid": os.getpid(), "port": 6808})
    spool_one(settings, 1)
    store = open_store("", settings.data)
    store.write(StoreBatch(), consumer=CONSUMER, seq=1)
    store.close()

    status, body = get(settings, "/health")

    facts = json.loads(body)
    assert (status, facts["status"], facts["gateway"]["port"]) == (200, "ok", 6808)
    assert facts["pipeline"] == {"spooled_seq": 1, "stored_seq": 1, "lag_groups": 0, "lag_seconds": 0.0}


def test_health_fails_when_the_store_falls_behind(settings: Settings) -> None:
    """The age of the oldest group that is not stored counts, not the number of groups."""
    runfiles.write_run_file(settings.data, runfiles.GATEWAY, {"pid": os.getpid(), "port": 6808})
    spool_one(settings, now_us() - 5_000_000)
    assert health.check(settings).ok

    spool_one(settings, now_us())
    store = open_store("", settings.data)
    store.write(StoreBatch(), consumer=CONSUMER, seq=1)
    store.close()
    assert health.check(settings).ok

    spool_one(replace(settings), now_us() - 60_000_000)
    store = open_store("", settings.data)
    store.write(StoreBatch(), consumer=CONSUMER, seq=2)
    store.close()

    assert health.check(settings).problems == ["the store is 60 s behind (limit 30 s)"]


def test_health_tells_of_a_store_that_cannot_be_read(tmp_path: Path) -> None:
    """A store that nobody made is a problem, not a crash."""
    problems = health.check(Settings(data=tmp_path)).problems

    assert len(problems) == 2
    assert problems[1].startswith("spool or store cannot be read: ")


def test_unknown_path_is_not_found(settings: Settings, api: subprocess.Popen[bytes]) -> None:
    """Also the root."""
    assert get(settings, "/")[0] == 404


def test_the_first_start_makes_a_token(settings: Settings, api: subprocess.Popen[bytes]) -> None:
    """It is there when the process says where it listens, for this user alone, and it opens the API."""
    path = settings.data / "api-token"
    token = path.read_text(encoding="utf-8").strip()
    assert path.stat().st_mode & 0o777 == 0o600

    facts = runfiles.read_run_file(settings.data, runfiles.API) or {}
    request = urllib.request.Request(f"http://{facts['http']}/v1/me", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=5) as answer:
        assert json.load(answer)["scopes"] == ["admin"]
    assert get(settings, "/v1/me")[0] == 401
    api.terminate()
    assert api.stderr is not None
    assert token not in api.stderr.read().decode()


def test_who_waits_does_not_hold_up_the_end(settings: Settings, api: subprocess.Popen[bytes]) -> None:
    """A request that waits for a command is answered when the process is told to end."""
    facts = runfiles.read_run_file(settings.data, runfiles.API) or {}
    token = (settings.data / "api-token").read_text(encoding="utf-8").strip()
    body = {"terminal": "13800138000", "message": "location_query", "wait_seconds": 60, "queue": True}
    host, _, port = str(facts["http"]).rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    connection.request("POST", "/v1/commands", json.dumps(body), headers)
    time.sleep(0.5)

    began = time.monotonic()
    api.terminate()
    answer = connection.getresponse()

    assert (answer.status, json.loads(answer.read())["state"]) == (202, "waiting")
    connection.close()
    assert api.wait(5) == 0
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("how", ["sigterm", "parent gone"])
def test_it_ends_cleanly(settings: Settings, api: subprocess.Popen[bytes], how: str) -> None:
    """SIGTERM and the end of standard input both end it with exit code 0."""
    if how == "sigterm":
        api.send_signal(signal.SIGTERM)
    else:
        assert api.stdin is not None
        api.stdin.close()

    assert api.wait(5) == 0


def test_port_in_use_is_a_configuration_error(settings: Settings) -> None:
    """Exit code 78 and a sentence, so that the supervisor does not try again."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        command = [sys.executable, "-m", "jtgate.api", "--settings", replace(settings, http=address).to_json()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)

    advice = "stop what holds the address or choose another with --http HOST:PORT"
    said = f"cannot listen for HTTP on {address}: Address already in use; {advice}\n"
    assert (done.returncode, done.stderr) == (78, said)
