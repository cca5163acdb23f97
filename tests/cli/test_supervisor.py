"""The supervisor with small children of its own: restart, configuration error, order, death of the parent."""

import asyncio
import errno
import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from jtgate import runfiles
from jtgate.settings import Settings
from jtgate.supervisor import ChildSpec, ConfigurationStop, Limits, StartFailed, Supervisor, _Child

#: A child: announces itself, writes what happens to it into events.txt, ends on SIGTERM or end of input.
CHILD = """
import json, os, select, signal, sys, pathlib, time
name, data, mode = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3]
def note(event):
    with open(data / "events.txt", "a") as f:
        f.write(f"{name} {event}\\n")
def stop(*_):
    note("terminated")
    if mode != "stubborn":
        sys.exit(0)
signal.signal(signal.SIGTERM, stop)
note("started")
if mode == "config":
    print("port 6808 is taken", file=sys.stderr, flush=True)
    sys.exit(78)
if mode == "config-later" and (data / "ran").exists():
    sys.exit(78)
(data / "ran").touch()
if mode != "mute":
    path = data / "run" / f"{name}.json"
    path.with_suffix(".x").write_text(json.dumps({"pid": os.getpid(), "port": 4242, "lifeline": True}))
    path.with_suffix(".x").replace(path)
if mode.startswith("crash"):
    sys.exit(3)
while True:
    if select.select([0], [], [], 5)[0] and not os.read(0, 1):
        note("orphaned")
        sys.exit(0)
"""

FAST = Limits(backoff_first_s=0.02, backoff_max_s=0.1, ready_s=5.0, kill_s=1.0)


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Callable[..., ChildSpec]]:
    """Makes specs of small children that behave as told."""
    script = tmp_path / "child.py"
    script.write_text(CHILD)

    def spec(name: str, mode: str = "good", *, stop_s: float = 5.0) -> ChildSpec:
        command = [sys.executable, "-S", "-E", str(script), name, str(tmp_path), mode]
        return ChildSpec(name, lambda _settings: command, announces=True, stop_s=stop_s)

    yield spec
    runfiles.remove_metrics_folder(tmp_path)  # of a supervisor that was killed


def events(data: Path) -> list[str]:
    """What the children noted, in order."""
    path = data / "events.txt"
    return path.read_text().splitlines() if path.exists() else []


def state_of(data: Path, name: str) -> dict[str, object]:
    """What the supervisor tells of a child."""
    children = (runfiles.read_run_file(data, "supervisor") or {}).get("children")
    return children[name] if isinstance(children, dict) else {"state": "unknown"}


async def until(condition: Callable[[], object], seconds: float = 8.0) -> None:
    """Wait for something to come true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.02)


def supervise(
    data: Path,
    specs: Sequence[ChildSpec],
    story: Callable[[Supervisor], Coroutine[None, None, None]],
    limits: Limits = FAST,
    order: Sequence[str] = ("demo", "gateway", "pipeline", "api"),
) -> None:
    """Run a supervisor, and beside it what the test does to it."""

    async def run() -> None:
        supervisor = Supervisor(Settings(data=data), specs, stop_order=order, limits=limits)
        running = asyncio.create_task(supervisor.run())
        beside = asyncio.create_task(story(supervisor))
        try:
            await running
        finally:
            await beside

    asyncio.run(run())


def test_children_start_and_stop_in_the_written_order(tmp_path: Path, child: Callable[..., ChildSpec]) -> None:
    """Gateway first, api last; the fleet stops before the gateway, the gateway before the pipeline."""
    seen: list[Mapping[str, Mapping[str, object]]] = []

    async def run() -> None:
        names = ("gateway", "pipeline", "api", "demo")

        def ready(facts: Mapping[str, Mapping[str, object]]) -> None:
            seen.append(facts)
            supervisor.stop()

        supervisor = Supervisor(
            Settings(data=tmp_path),
            [child(name) for name in names],
            stop_order=("demo", "gateway", "pipeline", "api"),
            limits=FAST,
            on_ready=ready,
        )
        await supervisor.run()

    asyncio.run(run())

    order = ["gateway", "pipeline", "api", "demo"]
    stopped = ["demo", "gateway", "pipeline", "api"]
    assert [f"{n} started" for n in order] + [f"{n} terminated" for n in stopped] == events(tmp_path)
    assert seen[0]["gateway"]["port"] == 4242
    assert runfiles.read_run_file(tmp_path, "supervisor") is None


def test_killed_child_is_restarted_and_counted(tmp_path: Path, child: Callable[..., ChildSpec]) -> None:
    """SIGKILL of a child costs a restart, which the run file tells."""

    async def story(supervisor: Supervisor) -> None:
        await until(lambda: state_of(tmp_path, "gateway")["state"] == "running")
        os.kill(int(str(state_of(tmp_path, "gateway")["pid"])), signal.SIGKILL)
        await until(lambda: events(tmp_path).count("gateway started") == 2)
        await until(lambda: state_of(tmp_path, "gateway")["state"] == "running")
        assert state_of(tmp_path, "gateway")["restarts"] == 1
        supervisor.stop()

    supervise(tmp_path, [child("gateway")], story)


def test_back_off_grows_to_its_limit(tmp_path: Path, child: Callable[..., ChildSpec]) -> None:
    """A child that always crashes is tried less and less often: 0.05, 0.1, 0.2, 0.2 … seconds apart."""

    async def story(supervisor: Supervisor) -> None:
        await asyncio.sleep(1.2)
        supervisor.stop()

    limits = Limits(backoff_first_s=0.05, backoff_max_s=0.2, ready_s=5.0)
    supervise(tmp_path, [child("gateway", "crash")], story, limits)

    assert 3 <= events(tmp_path).count("gateway started") <= 8


def test_configuration_error_of_a_child_stops_everything(tmp_path: Path, child: Callable[..., ChildSpec]) -> None:
    """Exit code 78 is not retried, and the words of the child are handed on."""

    async def story(_supervisor: Supervisor) -> None:
        await asyncio.sleep(0)

    with pytest.raises(ConfigurationStop) as raised:
        supervise(tmp_path, [child("gateway"), child("pipeline", "config")], story)

    assert (raised.value.child, raised.value.output) == ("pipeline", "port 6808 is taken")
    assert events(tmp_path) == ["gateway started", "pipeline started", "gateway terminated"]


def test_child_that_was_ready_may_find_its_port_taken_for_a_while(
    tmp_path: Path, child: Callable[..., ChildSpec]
) -> None:
    """After a crash 78 is retried a few times, then it counts."""

    async def story(_supervisor: Supervisor) -> None:
        await until(lambda: state_of(tmp_path, "gateway")["state"] == "running")
        os.kill(int(str(state_of(tmp_path, "gateway")["pid"])), signal.SIGKILL)

    limits = Limits(backoff_first_s=0.01, backoff_max_s=0.02, config_retries_max=3)
    with pytest.raises(ConfigurationStop):
        supervise(tmp_path, [child("gateway", "config-later")], story, limits)

    assert events(tmp_path).count("gateway started") == 4


def test_child_that_never_gets_ready_fails_the_start(tmp_path: Path, child: Callable[..., ChildSpec]) -> None:
    """The start has a deadline."""

    async def story(_supervisor: Supervisor) -> None:
        await asyncio.sleep(0)

    with pytest.raises(StartFailed, match="gateway did not start"):
        supervise(tmp_path, [child("gateway", "mute")], story, Limits(ready_s=0.4))


def test_stubborn_child_is_killed_after_its_deadline(tmp_path: Path, child: Callable[..., ChildSpec]) -> None:
    """Stopping takes a known time at most."""
    times: list[float] = []

    async def story(supervisor: Supervisor) -> None:
        await until(lambda: runfiles.running(tmp_path, "gateway"))
        times.append(time.monotonic())
        supervisor.stop()

    supervise(tmp_path, [child("gateway", "stubborn", stop_s=0.3)], story)

    assert 0.3 <= time.monotonic() - times[0] < 3.0


def test_second_signal_kills(tmp_path: Path, child: Callable[..., ChildSpec]) -> None:
    """An impatient operator need not wait for the deadline."""

    async def story(supervisor: Supervisor) -> None:
        await until(lambda: runfiles.running(tmp_path, "gateway"))
        supervisor.stop()
        await until(lambda: "gateway terminated" in events(tmp_path))
        supervisor.stop()

    started = time.monotonic()
    supervise(tmp_path, [child("gateway", "stubborn", stop_s=60.0)], story)

    assert time.monotonic() - started < 10.0


def test_children_notice_the_death_of_the_supervisor(tmp_path: Path, child: Callable[..., ChildSpec]) -> None:
    """SIGKILL of the supervisor ends the standard input of every child, and frees the folder only then."""
    script = tmp_path / "parent.py"
    script.write_text(
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from jtgate.settings import Settings\n"
        "from jtgate.supervisor import ChildSpec, Supervisor\n"
        "data = Path(sys.argv[1])\n"
        "def spec(name):\n"
        "    command = [sys.executable, '-S', str(data / 'child.py'), name, str(data), 'good']\n"
        "    return ChildSpec(name, lambda s: command, announces=True)\n"
        "async def main():\n"
        "    names = ['gateway', 'api']\n"
        "    await Supervisor(Settings(data=data), [spec(n) for n in names], stop_order=names).run()\n"
        "asyncio.run(main())\n"
    )
    child("any")  # writes child.py
    with subprocess.Popen(
        [sys.executable, str(script), str(tmp_path)],
        env=os.environ | {"PYTHONPATH": str(Path.cwd())},
        stderr=subprocess.PIPE,
    ) as parent:
        asyncio.run(until(lambda: runfiles.running(tmp_path, "api")))
        parent.kill()
        parent.wait()
        asyncio.run(until(lambda: {"gateway orphaned", "api orphaned"} <= set(events(tmp_path))))


def test_lock_refuses_a_second_serve_and_names_the_first(tmp_path: Path) -> None:
    """Two supervisors never share a data folder; the lock goes with its last holder."""
    assert runfiles.lock_holder(tmp_path) is None
    fd = runfiles.take_lock(tmp_path)
    copy = os.dup(fd)

    with pytest.raises(runfiles.DataFolderBusy) as raised:
        runfiles.take_lock(tmp_path, wait_s=0)

    assert (os.getpid(), True) == (raised.value.pid, raised.value.supervisor_alive)
    os.close(fd)
    assert os.getpid() == runfiles.lock_holder(tmp_path)  # a child still holds it
    os.close(copy)
    assert runfiles.lock_holder(tmp_path) is None


def test_run_file_of_a_dead_process_is_not_running(tmp_path: Path) -> None:
    """A left-over file does not fool anybody."""
    with subprocess.Popen([sys.executable, "-S", "-c", ""]) as gone:
        gone.wait()
    runfiles.write_run_file(tmp_path, "gateway", {"pid": gone.pid, "port": 1})

    assert {"pid": gone.pid, "port": 1} == runfiles.read_run_file(tmp_path, "gateway")
    assert runfiles.running(tmp_path, "gateway") is None
    assert json.loads(runfiles.run_file(tmp_path, "gateway").read_text())["port"] == 1


def test_back_off_survives_any_number_of_failures(tmp_path: Path, child: Callable[..., ChildSpec]) -> None:
    """The two thousandth crash in a row is followed by a start like the others."""

    async def story(supervisor: Supervisor) -> None:
        supervisor._children["gateway"].failures = 2000
        await until(lambda: events(tmp_path).count("gateway started") >= 3)
        supervisor.stop()

    supervise(tmp_path, [child("gateway", "crash")], story)


def test_child_that_cannot_be_started_is_tried_again(
    tmp_path: Path, child: Callable[..., ChildSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No process, no descriptor: a failed run like any other, with back-off; then the child comes up."""
    refusals = [BlockingIOError(errno.EAGAIN, "fork"), OSError(errno.EMFILE, "pipe"), RuntimeError("no thread")]
    spawn = Supervisor._spawn

    async def refuse(self: Supervisor, spec: ChildSpec, lifeline_read: int) -> asyncio.subprocess.Process:
        if refusals:
            raise refusals.pop()
        return await spawn(self, spec, lifeline_read)

    async def story(supervisor: Supervisor) -> None:
        await until(lambda: state_of(tmp_path, "gateway")["state"] == "running")
        assert state_of(tmp_path, "gateway")["restarts"] == 3
        supervisor.stop()

    monkeypatch.setattr(Supervisor, "_spawn", refuse)
    supervise(tmp_path, [child("gateway")], story)

    assert events(tmp_path) == ["gateway started", "gateway terminated"]


def test_child_that_can_never_be_started_says_why(
    tmp_path: Path, child: Callable[..., ChildSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report of a failed start carries the words of the system."""

    async def refuse(*_: object) -> asyncio.subprocess.Process:
        raise OSError(errno.EMFILE, "Too many open files")

    async def story(_supervisor: Supervisor) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr(Supervisor, "_spawn", refuse)
    with pytest.raises(StartFailed) as raised:
        supervise(tmp_path, [child("gateway")], story, Limits(backoff_first_s=0.05, ready_s=0.3))

    assert "Too many open files" in raised.value.output


def test_tidying_that_fails_keeps_no_child_from_its_restart(
    tmp_path: Path, child: Callable[..., ChildSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a read-only disk a crashed child is started again all the same."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    async def story(supervisor: Supervisor) -> None:
        await until(lambda: events(tmp_path).count("gateway started") >= 3)
        supervisor.stop()

    monkeypatch.setattr("jtgate.supervisor.mark_process_dead", refuse)
    monkeypatch.setattr("jtgate.runfiles.remove_run_file", refuse)
    supervise(tmp_path, [child("gateway", "crash")], story)


def test_stopping_reaches_every_child(
    tmp_path: Path, child: Callable[..., ChildSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What goes wrong while one child is stopped does not leave the next one running."""
    keep = Supervisor._keep

    async def fail_for_gateway(self: Supervisor, kept: _Child) -> None:
        await keep(self, kept)
        if kept.spec.name == "gateway":
            raise OSError(errno.EIO, "after its end")

    async def story(supervisor: Supervisor) -> None:
        await until(lambda: runfiles.running(tmp_path, "api"))
        supervisor.stop()

    monkeypatch.setattr(Supervisor, "_keep", fail_for_gateway)
    supervise(tmp_path, [child(name) for name in ("gateway", "pipeline", "api")], story)

    assert events(tmp_path)[-3:] == ["gateway terminated", "pipeline terminated", "api terminated"]


def environment_of(data: Path, child: Callable[..., ChildSpec]) -> dict[str, str]:
    """What a child finds in its environment, while the supervisor runs."""
    found: dict[str, str] = {}

    async def story(supervisor: Supervisor) -> None:
        await until(lambda: state_of(data, "gateway")["state"] == "running")
        raw = Path(f"/proc/{state_of(data, 'gateway')['pid']}/environ").read_text()  # noqa: ASYNC240  a test
        found.update(entry.partition("=")[::2] for entry in raw.split("\0") if entry)
        folder = found.get("PROMETHEUS_MULTIPROC_DIR")
        assert folder is None or stat.S_IMODE(Path(folder).stat().st_mode) == 0o700  # noqa: ASYNC240
        supervisor.stop()

    supervise(data, [child("gateway")], story)
    return found


def test_counters_are_in_a_private_folder_off_the_disk(tmp_path: Path, child: Callable[..., ChildSpec]) -> None:
    """A full data disk must not kill who maps a file; the folder is made at the start and gone at the end."""
    stale = runfiles.make_metrics_folder(tmp_path) / "counter_1.db"
    stale.write_bytes(b"of an earlier run")
    other = tmp_path / "other"
    other.mkdir()

    folder = Path(environment_of(tmp_path, child)["PROMETHEUS_MULTIPROC_DIR"])

    assert folder == runfiles.metrics_folder(tmp_path) == stale.parent
    assert tmp_path not in folder.parents
    assert folder != runfiles.metrics_folder(other)
    assert not folder.exists()


@pytest.mark.parametrize("trouble", ["full", "foreign"])
def test_a_child_does_without_counters_where_there_is_no_room(
    tmp_path: Path, child: Callable[..., ChildSpec], monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    """A full memory file system, or a name that somebody else holds: a warning, and everything runs."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("jtgate.runfiles._MEMORY_FOLDER", tmp_path)
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    if trouble == "full":
        monkeypatch.setattr(os, "posix_fallocate", full)
    else:
        (tmp_path / "elsewhere").mkdir()
        runfiles.metrics_folder(tmp_path).symlink_to(tmp_path / "elsewhere")

    with capture_logs() as logs:
        found = environment_of(tmp_path, child)

    assert "PROMETHEUS_MULTIPROC_DIR" not in found
    assert [entry["log_level"] for entry in logs if entry["event"] == "supervisor.metrics_off"] == ["warning"]
    assert not list(tmp_path.rglob("room-*"))
