"""jtgate doctor: ok, warn or fail for everything that has to be right."""

import json
import os
import socket
from pathlib import Path

import apsw
import pytest
from cli_world import World

from jtgate import runfiles
from jtgate.cli import checks
from jtgate.cli.common import OTHER_USER
from jtgate.codecs.timebase import now_us
from jtgate.settings import Settings
from jtgate.storage import open_spool_writer, open_store
from jtgate.storage.records import SessionEvent, pack_session


@pytest.fixture
def config(tmp_path: Path) -> Settings:
    """Settings with a data folder of its own."""
    data = tmp_path / "data"
    data.mkdir()
    return Settings(data=data, port=0)


def spool_one(config: Settings, age_s: float) -> None:
    """One group of a certain age, and a store that has read nothing."""
    at_us = now_us() - int(age_s * 1e6)
    writer = open_spool_writer(config.data, bytes_max=1 << 30, keep_us=10**12)
    writer.append(pack_session(at_us, 0, SessionEvent.GATEWAY_STARTED, {}), 0, at_us)
    writer.close()
    store = open_store("", config.data)
    store.migrate()
    store.close()


def test_report_has_a_line_per_check_and_advice_below(world: World) -> None:
    """A fresh machine: nothing fails."""
    result = world.run("doctor")

    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert lines[0].split() == ["check", "found"]
    assert [line[:4].strip() in ("ok", "warn") for line in lines[1 : len(checks.ALL) + 1]] == [True] * len(checks.ALL)
    assert any(line.startswith("warn: settings: ") for line in lines[len(checks.ALL) + 1 :])


def test_json_has_an_object_per_check(world: World) -> None:
    """For monitoring."""
    found = [json.loads(line) for line in world.run("doctor", "--json").stdout.splitlines()]

    assert len(found) == len(checks.ALL)
    assert {"name", "state", "found", "advice"} == set(found[0])


def test_a_failure_is_exit_code_1(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scripts can ask."""
    monkeypatch.setenv("JTGATE_REDIS", "redis://x")

    result = world.run("doctor")

    assert result.exit_code == 1
    assert "fail: settings: leave --redis out" in result.stdout


def test_a_check_that_breaks_is_a_failure_of_its_own(config: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are still made."""

    def broken(_config: Settings) -> checks.Check:
        raise RuntimeError("oops")

    monkeypatch.setattr(checks, "ALL", (broken, checks.python_version))

    assert [check.state for check in checks.run(config)] == ["fail", "ok"]


def test_port_that_somebody_else_has(config: Settings) -> None:
    """Named with the way to find out who."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        found = checks.port(Settings(data=config.data, host="127.0.0.1", port=number))

    assert found.state == "fail"
    assert found.found == f"TCP 127.0.0.1:{number}: Address already in use"


def test_port_of_our_own_gateway_is_fine(config: Settings) -> None:
    """Doctor can be asked while serving."""
    runfiles.write_run_file(config.data, runfiles.GATEWAY, {"pid": os.getpid(), "port": 6808})

    assert checks.port(config) == checks.Check(
        "port", "ok", f"6808 held by the running gateway (process {os.getpid()})"
    )


def test_corrupt_database_is_found(config: Settings) -> None:
    """A file that is no database, and one with damaged pages."""
    assert checks.databases(config) == checks.Check("databases", "ok", "none yet")
    spool_one(config, 0)
    assert checks.databases(config).state == "ok"

    (config.data / "broken.db").write_bytes(b"this is no database at all" * 100)

    found = checks.databases(config)
    assert found.state == "fail"
    assert found.found.startswith("broken.db: ")


@pytest.mark.parametrize(
    ("age_s", "serving", "state"), [(1, False, "warn"), (1, True, "ok"), (60, True, "fail")], ids=str
)
def test_lag_of_the_pipeline(config: Settings, age_s: float, serving: bool, state: str) -> None:
    """What is not stored yet matters by its age, and only while somebody should store it."""
    spool_one(config, age_s)
    fd = runfiles.take_lock(config.data) if serving else None

    found = checks.lag(config)

    assert found.state == state
    assert found.found.startswith("1 commits of the spool not stored yet")
    if fd is not None:
        os.close(fd)


def test_frames_from_the_future_mean_that_the_clock_was_set_back(config: Settings) -> None:
    """A warning, because everything after it is out of order."""
    assert checks.clock(config).state == "ok"
    spool_one(config, -3600)

    assert checks.clock(config).state == "warn"


def test_restarts_and_dead_children_are_told(config: Settings) -> None:
    """From the run file of the supervisor."""
    children = {"gateway": {"state": "running", "restarts": 0}, "api": {"state": "running", "restarts": 0}}
    runfiles.write_run_file(config.data, runfiles.SUPERVISOR, {"pid": os.getpid(), "children": children})
    assert checks.crashes(config) == checks.Check("processes", "ok", "gateway running, api running")

    children["gateway"]["restarts"] = 3
    runfiles.write_run_file(config.data, runfiles.SUPERVISOR, {"pid": os.getpid(), "children": children})
    assert checks.crashes(config)[1:3] == ("warn", "gateway running (3 restarts), api running")

    children["api"]["state"] = "waiting"
    runfiles.write_run_file(config.data, runfiles.SUPERVISOR, {"pid": os.getpid(), "children": children})
    assert checks.crashes(config).state == "fail"


def test_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """A file where the folder should be."""
    (tmp_path / "data").write_text("")

    assert checks.data_folder(Settings(data=tmp_path / "data")).state == "fail"


def test_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    """Fine when it can be made; looking does not make it."""
    config = Settings(data=tmp_path / "a" / "b")

    assert checks.data_folder(config).state == "ok"
    assert checks.sync_latency(config).state in ("ok", "warn")
    assert not (tmp_path / "a").exists()


def test_too_little_disk_fails(config: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Less than the spool may take warns, next to nothing fails."""
    usage = type("Usage", (), {"free": 1 << 30})
    monkeypatch.setattr("shutil.disk_usage", lambda _path: usage)
    assert checks.free_disk(config).state == "warn"

    usage.free = 1 << 20  # type: ignore[attr-defined]
    assert checks.free_disk(config).state == "fail"


def test_a_store_of_a_later_release_fails(config: Settings) -> None:
    """`serve` would refuse it, so doctor says so."""
    spool_one(config, 1)
    connection = apsw.Connection(str(config.data / "store.db"))
    connection.execute("INSERT INTO jtgate_migrations VALUES (99, '0099_later', 0)")
    connection.close()

    found = checks.lag(config)

    assert (found.state, "schema version 99" in found.found) == (checks.FAIL, True)


def test_a_folder_that_is_closed_is_no_bug(config: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The advice is to be somebody else."""

    def refused(_config: Settings) -> checks.Check:
        raise PermissionError(13, "Permission denied", "closed")

    monkeypatch.setattr(checks, "ALL", (refused,))

    assert list(checks.run(config)) == [checks.Check("refused", "fail", "closed: Permission denied", OTHER_USER)]


def test_files_that_are_not_ours_are_left_alone(config: Settings) -> None:
    """Only the store, the directory and the spool are databases of ours."""
    (config.data / "metrics").mkdir()
    (config.data / "metrics" / "counter_1.db").write_bytes(b"x" * 5000)

    assert checks.databases(config).found == "none yet"


def test_brokers_are_tried_and_their_passwords_are_not_told(tmp_path: Path) -> None:
    """One that listens is fine, one that does not is named with what to do."""
    with socket.create_server(("127.0.0.1", 0)) as broker:
        port = broker.getsockname()[1]
        config = Settings(data=tmp_path, mqtt=f"mqtt://u:hush@127.0.0.1:{port}")
        assert checks.brokers(config) == checks.Check("MQTT", "ok", f"mqtt://127.0.0.1:{port} can be reached")
    found = checks.brokers(Settings(data=tmp_path, mqtt_out=(f"mqtt://u:hush@127.0.0.1:{port}?name=city",)))
    assert found.state == "fail"
    assert found.found == f"mqtt://127.0.0.1:{port}: Connection refused"
    assert checks.brokers(Settings(data=tmp_path)).found == "no broker is set"
