"""The parent behind `jtgate serve`: it starts the processes, restarts what crashes and stops them in order.

Start: gateway, attachments, pipeline, deriver, api, demo. Stop, on SIGTERM or SIGINT: demo (nothing new is sent),
gateway (commits, answers, closes), attachments (notes how far files came), pipeline (stores what is spooled), deriver
(ends its step), api (was there to watch). A second signal kills what is left.

    starting ──ready──► running ──exit──► waiting (0.2 s … 30 s) ──► starting
        │                  │
        └──exit 78─────────┴──► configuration error: everything stops, because a restart would not help

The standard input of every child is a pipe of its own, whose other end the supervisor alone holds and never writes
to. So end of file there means that the supervisor is gone, however it died. (One pipe for all would do, were it not
that a child which makes it non-blocking does so for all.)
"""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from prometheus_client.multiprocess import mark_process_dead

from jtgate import logs, runfiles
from jtgate.codecs.timebase import now_ms
from jtgate.settings import EX_CONFIG, SECRET, Settings

_METRICS_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
#: Bytes of a child's last output that are kept for the report of a configuration error.
_TAIL_BYTES: Final = 8192
#: Longest line of a child that is passed on in one piece.
_LINE_BYTES_MAX: Final = 64 << 10
_READY_LOOK_S: Final = 0.03
#: The back-off doubles so often at most, whatever its limits are.
_DOUBLINGS_MAX: Final = 30

_log = logs.get_logger("supervisor")


@dataclass(frozen=True, slots=True)
class Limits:
    """Times of the supervisor, in seconds, and other limits."""

    backoff_first_s: float = 0.2
    backoff_max_s: float = 30.0
    healthy_s: float = 60.0  # a child that ran so long starts again at the first back-off
    ready_s: float = 30.0  # from the first start of a child to its run file
    kill_s: float = 2.0  # for what remains after SIGKILL
    config_retries_max: int = 5  # of a child that was ready before: its port may be taken for a moment
    dead_metrics_max: int = 64  # crashed processes whose counters are still added up


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """How one child is started and stopped.

    Args:
        name: name of its run file and of its counters.
        command: its command line, from settings that hold the real ports.
        announces: it writes its run file when it is ready.
        writes: it writes below the data folder, so it keeps the lock until it is done.
        stop_s: time between SIGTERM and SIGKILL.
    """

    name: str
    command: Callable[[Settings], Sequence[str]]
    announces: bool = False
    writes: bool = False
    stop_s: float = 5.0


class StartFailed(Exception):
    """A child did not come up; everything was stopped.

    Args:
        child: its name.
        output: the last it said.
    """

    def __init__(self, child: str, output: str) -> None:
        super().__init__(f"{child} did not start")
        self.child = child
        self.output = output


class ConfigurationStop(StartFailed):
    """A child ended with EX_CONFIG: port in use, bad certificate and the like."""


@dataclass(slots=True)
class _Child:
    """A child and what became of it so far."""

    spec: ChildSpec
    process: asyncio.subprocess.Process | None = None
    state: str = "starting"
    since_ms: int = 0
    restarts: int = 0
    failures: int = 0  # in a row, without a healthy stretch between them
    was_ready: bool = False
    tail: bytearray = field(default_factory=bytearray)
    ready: asyncio.Event = field(default_factory=asyncio.Event)

    def move(self, state: str) -> None:
        self.state = state
        self.since_ms = now_ms()

    def last_words(self) -> str:
        """The end of its output, whole lines."""
        return self.tail.decode("utf-8", "replace").strip()


class Supervisor:
    """Runs children until a signal or a configuration error.

    Args:
        settings: handed to the children; ports of 0 are replaced by the real ones after the first start.
        specs: the children in the order of their start.
        stop_order: their names in the order in which they are stopped.
        lock_fd: the lock of the data folder, inherited by children that write; None in tests.
        on_ready: called once when every child is up.
        limits: times and counts.
    """

    def __init__(
        self,
        settings: Settings,
        specs: Sequence[ChildSpec],
        *,
        stop_order: Sequence[str],
        lock_fd: int | None = None,
        on_ready: Callable[[Mapping[str, Mapping[str, object]]], None] = lambda _facts: None,
        limits: Limits | None = None,
    ) -> None:
        self._settings = settings
        self._children = {spec.name: _Child(spec) for spec in specs}
        self._stop_order = stop_order
        self._lock_fd = lock_fd
        self._on_ready = on_ready
        self._limits = limits or Limits()
        self._stopping = asyncio.Event()
        self._killing = asyncio.Event()
        self._failure: StartFailed | None = None
        self._dead_pids: deque[int] = deque()

    async def run(self) -> None:
        """Start everything, keep it running, stop it in order.

        Raises:
            ConfigurationStop: a child found its configuration impossible.
            StartFailed: a child was not ready in time.
        """
        self._clean_folders()
        self._install_signals()
        keepers: dict[str, asyncio.Task[None]] = {}
        try:
            for name, child in self._children.items():
                keepers[name] = asyncio.create_task(self._keep(child), name=f"keep {name}")
                if not await self._until_ready(child):
                    break
            else:
                self._on_ready({name: self._facts(name) for name in self._children})
                await self._stopping.wait()
        finally:
            await self._stop_all(keepers)
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Stop in order; a second call kills."""
        if self._stopping.is_set():
            _log.warning("supervisor.killing", reason="second signal")
            self._killing.set()
        self._stopping.set()

    # ------------------------------------------------------------------------------------------ one child

    async def _keep(self, child: _Child) -> None:
        """Start a child again and again until everything stops."""
        while not self._stopping.is_set():
            started = time.monotonic()
            try:
                ended = _ending(code := await self._run_once(child))
            except Exception as error:  # noqa: BLE001  no fork, no descriptor: whatever it is, the child is tried again
                code, ended = None, f"{type(error).__name__}: {error}"
                self._give_up(child, ended)
            if self._stopping.is_set():
                return
            if code == EX_CONFIG and (not child.was_ready or child.failures >= self._limits.config_retries_max):
                self._failure = ConfigurationStop(child.spec.name, child.last_words())
                self._stopping.set()
                return
            if time.monotonic() - started >= self._limits.healthy_s:
                child.failures = 0
            doubled_s = self._limits.backoff_first_s * 2 ** min(child.failures, _DOUBLINGS_MAX)
            delay_s = min(doubled_s, self._limits.backoff_max_s)
            child.failures += 1
            child.restarts += 1
            child.move("waiting")
            self._publish()
            _log.warning("supervisor.child_died", child=child.spec.name, ended=ended, restart_in_s=delay_s)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay_s)

    async def _run_once(self, child: _Child) -> int:
        """Start a child, pass its output on, wait for its end, clean up after it."""
        child.tail.clear()
        lifeline_read, lifeline_write = os.pipe()
        try:
            child.process = process = await self._spawn(child.spec, lifeline_read)
        except BaseException:
            os.close(lifeline_write)
            raise
        finally:
            os.close(lifeline_read)
        if self._stopping.is_set():  # asked while it was being started
            _send(child, signal.SIGTERM)
        child.move("starting")
        self._publish()
        _log.info("supervisor.child_started", child=child.spec.name, pid=process.pid)
        relay = asyncio.create_task(_relay(process, child.tail), name=f"relay {child.spec.name}")
        watch = asyncio.create_task(self._watch_ready(child, process.pid), name=f"ready {child.spec.name}")
        try:
            code = await process.wait()
            with contextlib.suppress(TimeoutError):  # a grandchild may hold the pipe for ever
                await asyncio.wait_for(relay, self._limits.kill_s)
        finally:
            os.close(lifeline_write)
            watch.cancel()
            relay.cancel()
        child.process = None
        self._bury(child.spec.name, process.pid)
        return code

    def _give_up(self, child: _Child, reason: str) -> None:
        """Leave nothing running of a start that failed half-way, and keep the reason for the report."""
        child.tail += f"cannot be run: {reason}\n".encode()
        _send(child, signal.SIGKILL)
        child.process = None

    async def _spawn(self, spec: ChildSpec, lifeline_read: int) -> asyncio.subprocess.Process:
        environment = os.environ | {"PYTHONUNBUFFERED": "1"}
        environment.pop(_METRICS_VARIABLE, None)
        try:
            environment[_METRICS_VARIABLE] = str(runfiles.make_metrics_folder(self._settings.data))
        except OSError as error:  # it counts for itself then, which nobody sees; mapping files would be its death
            _log.warning("supervisor.metrics_off", child=spec.name, error=str(error))
        if logs.wants_colour():
            environment["FORCE_COLOR"] = "1"
        environment |= self._settings.secrets()
        shared = (self._lock_fd,) if spec.writes and self._lock_fd is not None else ()
        return await asyncio.create_subprocess_exec(
            *spec.command(self._settings),
            stdin=lifeline_read,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            pass_fds=shared,
            env=environment,
            start_new_session=True,  # Ctrl-C reaches the supervisor only, which stops the children in order
        )

    async def _watch_ready(self, child: _Child, pid: int) -> None:
        """Note when a started child is ready, and pin the ports it got."""
        name = child.spec.name
        while child.spec.announces and self._facts(name).get("pid") != pid:  # noqa: ASYNC110  another process sets it
            await asyncio.sleep(_READY_LOOK_S)
        self._pin_ports(name, self._facts(name))
        child.was_ready = True
        child.move("running")
        child.ready.set()
        self._publish()

    def _pin_ports(self, name: str, facts: Mapping[str, object]) -> None:
        """A restarted child must come back where its peers look for it, also when any free port would do at first."""
        port, tls_port, http = facts.get("port"), facts.get("tls_port"), facts.get("http")
        if name == runfiles.GATEWAY and isinstance(port, int):
            self._settings = replace(self._settings, port=port)
            if isinstance(tls_port, int) and tls_port:
                self._settings = replace(self._settings, tls_port=tls_port)
        elif name == runfiles.ATTACHMENTS and isinstance(port, int):
            self._settings = replace(self._settings, attachment_port=port)
        elif name == runfiles.API and isinstance(http, str):
            self._settings = replace(self._settings, http=http)

    async def _until_ready(self, child: _Child) -> bool:
        """Wait for a child to come up; False when everything stops instead."""
        ready = asyncio.create_task(child.ready.wait())
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({ready, stopping}, timeout=self._limits.ready_s, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        stopping.cancel()
        if self._stopping.is_set():
            return False
        if not child.ready.is_set():
            self._failure = StartFailed(child.spec.name, child.last_words())
            self._stopping.set()
            return False
        return True

    # ------------------------------------------------------------------------------------------- stopping

    async def _stop_all(self, keepers: Mapping[str, asyncio.Task[None]]) -> None:
        self._stopping.set()
        for name in self._stop_order:
            keeper = keepers.get(name)
            if keeper is None:
                continue
            child = self._children[name]
            _log.info("supervisor.stopping", child=name)
            child.move("stopping")
            self._publish()
            await self._stop_child(child, keeper)
            child.move("stopped")
        with _tolerated("run file"):
            runfiles.remove_run_file(self._settings.data, runfiles.SUPERVISOR)
        runfiles.remove_metrics_folder(self._settings.data)
        _log.info("supervisor.stopped")

    async def _stop_child(self, child: _Child, keeper: asyncio.Task[None]) -> None:
        """SIGTERM, a deadline, SIGKILL."""
        _send(child, signal.SIGTERM)
        killing = asyncio.create_task(self._killing.wait())
        await asyncio.wait({keeper, killing}, timeout=child.spec.stop_s, return_when=asyncio.FIRST_COMPLETED)
        killing.cancel()
        if not keeper.done():
            _log.warning("supervisor.child_killed", child=child.spec.name, after_s=child.spec.stop_s)
            _send(child, signal.SIGKILL)
            await asyncio.wait({keeper}, timeout=self._limits.kill_s * 2)
        keeper.cancel()
        outcomes = await asyncio.gather(keeper, return_exceptions=True)
        for error in outcomes:  # whatever became of this one, the others are to be stopped
            if isinstance(error, Exception):
                _log.error("supervisor.keeper_failed", child=child.spec.name, error=repr(error))

    # ---------------------------------------------------------------------------------------------- files

    def _clean_folders(self) -> None:
        """Nothing of an earlier run may be taken for ours."""
        runfiles.remove_metrics_folder(self._settings.data)
        folder = self._settings.data / "run"
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.glob("*.json"):
            path.unlink(missing_ok=True)

    def _bury(self, name: str, pid: int) -> None:
        """Remove the run file and the live gauges of a dead process; keep counters, up to a limit of dead processes."""
        with _tolerated("run file"):
            runfiles.remove_run_file(self._settings.data, name)
        folder = runfiles.metrics_folder(self._settings.data)
        self._dead_pids.append(pid)
        with _tolerated("metrics"):
            mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]
        if len(self._dead_pids) > self._limits.dead_metrics_max:
            oldest_pid = self._dead_pids.popleft()
            with _tolerated("metrics"):
                for path in folder.glob(f"*_{oldest_pid}.db"):
                    path.unlink(missing_ok=True)

    def _publish(self) -> None:
        """Tell /metrics, /health and `doctor` how the children are."""
        children = {
            name: {
                "state": child.state,
                "pid": child.process.pid if child.process else None,
                "since_ms": child.since_ms,
                "restarts": child.restarts,
            }
            for name, child in self._children.items()
        }
        try:
            runfiles.write_run_file(
                self._settings.data, runfiles.SUPERVISOR, {"pid": os.getpid(), "children": children}
            )
        except OSError as error:  # a full disk must not stop the restarts
            _log.warning("supervisor.state_not_written", error=str(error))

    def _facts(self, name: str) -> dict[str, object]:
        return runfiles.read_run_file(self._settings.data, name) or {}

    def _install_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self.stop)


def child_specs(settings: Settings) -> list[ChildSpec]:
    """The children of `jtgate serve`, in the order of their start."""

    def module(name: str) -> Callable[[Settings], list[str]]:
        return lambda now: [sys.executable, "-m", f"jtgate.{name}", "--settings", now.to_json(without=SECRET)]

    specs = [
        ChildSpec(runfiles.GATEWAY, module("gateway"), announces=True, writes=True, stop_s=10.0),
        ChildSpec(runfiles.PIPELINE, module("pipeline"), writes=True, stop_s=20.0),
        ChildSpec(runfiles.DERIVER, module("pipeline.derive"), writes=True, stop_s=10.0),
        ChildSpec(runfiles.API, module("api"), announces=True, stop_s=5.0),
    ]
    if settings.attachment_port >= 0:
        attachments = ChildSpec(
            runfiles.ATTACHMENTS, module("gateway.attachments"), announces=True, writes=True, stop_s=10.0
        )
        specs.insert(1, attachments)
    if settings.mqtt_out:
        specs.append(ChildSpec(runfiles.PUBLISHER, module("pipeline.publish"), stop_s=10.0))
    if settings.demo:
        specs.append(ChildSpec(runfiles.DEMO, _demo_command, stop_s=5.0))
    return specs


STOP_ORDER: Final = (
    runfiles.DEMO,
    runfiles.GATEWAY,
    runfiles.ATTACHMENTS,
    runfiles.PIPELINE,
    runfiles.DERIVER,
    runfiles.PUBLISHER,
    runfiles.API,
)


def _demo_command(settings: Settings) -> list[str]:
    """A small fleet that drives until it is stopped, connected to the port the gateway got."""
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::", "") else settings.host  # noqa: S104
    return [
        *(sys.executable, "-m", "jtgate.simulators"),
        *("--host", host, "--port", str(settings.port), "--terminals", str(settings.demo)),
    ]


async def _relay(process: asyncio.subprocess.Process, tail: bytearray) -> None:
    """Pass the output of a child on to standard error, line by line, and keep the end of it."""
    if process.stdout is None:
        return
    waiting = b""
    while chunk := await process.stdout.read(_LINE_BYTES_MAX):
        tail += chunk
        del tail[:-_TAIL_BYTES]
        lines, newline, waiting = (waiting + chunk).rpartition(b"\n")
        if len(waiting) > _LINE_BYTES_MAX:
            lines, newline, waiting = lines + newline + waiting, b"\n", b""
        _write_stderr(lines + newline)
    _write_stderr(waiting)


def _write_stderr(data: bytes) -> None:
    with contextlib.suppress(OSError, ValueError, AttributeError):  # nobody reads any more: carry on serving
        sys.stderr.buffer.write(data)
        sys.stderr.buffer.flush()


@contextlib.contextmanager
def _tolerated(what: str) -> Iterator[None]:
    """Log what the disk refuses: tidying is not worth a child that is not started or stopped."""
    try:
        yield
    except OSError as error:
        _log.warning("supervisor.not_tidied", what=what, error=str(error))


def _send(child: _Child, number: signal.Signals) -> None:
    if child.process is not None:
        with contextlib.suppress(ProcessLookupError):
            child.process.send_signal(number)


def _ending(code: int) -> str:
    """How a process ended: "exit 1" or "SIGKILL"."""
    if code >= 0:
        return f"exit {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
