"""What the benchmarks and the ledger test share: C programs, a server in its own folder, the verdict on a ledger."""

import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import apsw
import psycopg

from jtgate.pipeline import CONSUMER
from jtgate.storage import open_spool_reader, open_store

ROOT = Path(__file__).resolve().parents[1]
SOURCES = Path(__file__).resolve().parent
BIN = SOURCES / "bin"

#: Phone of the first terminal of load.c; the others count up.
PHONE_BASE = 13_000_000_000
SERIALS = 65_536
READY_S = 60.0
STOP_S = 40.0
LOOK_S = 0.02


class BenchmarkError(Exception):
    """Something that was started did not do what it should."""


def compiler() -> str | None:
    """The C compiler, None when there is none."""
    return shutil.which(os.environ.get("CC", "cc"))


def build(name: str) -> Path:
    """Compile benchmarks/NAME.c unless that has been done; the path of the program.

    Raises:
        BenchmarkError: there is no C compiler, or it failed.
    """
    program = BIN / name
    sources = [SOURCES / f"{name}.c", *SOURCES.glob("*.h")]
    if program.exists() and all(program.stat().st_mtime >= source.stat().st_mtime for source in sources):
        return program
    command = compiler()
    if command is None:
        raise BenchmarkError("no C compiler was found; on Debian or Ubuntu: apt-get install gcc libc6-dev")
    BIN.mkdir(exist_ok=True)
    fresh = BIN / f"{name}.{os.getpid()}"  # two test processes may build at the same time
    done = subprocess.run(
        [command, "-O2", "-Wall", "-Wextra", "-o", str(fresh), str(sources[0])],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise BenchmarkError(f"{command} could not compile {sources[0].name}:\n{done.stderr}")
    fresh.replace(program)
    return program


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start(
    command: Sequence[str], *, core: int | None = None, variables: Mapping[str, str] | None = None, **options: Any
) -> subprocess.Popen[str]:
    """Start a program, on one core if that is asked for, with variables beside those of this process."""
    if core is not None:
        command = ["taskset", "-c", str(core), *command]
    environment = os.environ | {"PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT), **(variables or {})}
    return subprocess.Popen(command, text=True, cwd=ROOT, env=environment, **options)


def stop(process: subprocess.Popen[str], timeout_s: float = STOP_S) -> None:
    """SIGTERM, then SIGKILL when that was not enough."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()


class Server:
    """`jtgate serve`, or the gateway process alone, in a data folder of its own.

    Args:
        data: data folder; made if it is missing.
        settings: settings beside data, port and http.
        gateway_only: start `python -m jtgate.gateway`, without pipeline, API and supervisor.
        core: the core it is tied to, None for all of them.
        store: URL of the store; it may hold a password, so it goes by the environment.
    """

    def __init__(
        self,
        data: Path,
        settings: Mapping[str, object] | None = None,
        *,
        gateway_only: bool = False,
        core: int | None = None,
        store: str = "",
    ) -> None:
        self.data = data
        self._store = store
        self.port = free_port()
        self.log = data / "server.log"
        self._settings = {"policy": "open", **(settings or {})}
        self._gateway_only = gateway_only
        self._core = core
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self.begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def begin(self) -> None:
        """Start it and wait until the gateway listens."""
        self.data.mkdir(parents=True, exist_ok=True)
        before = self.pid("gateway")
        with self.log.open("a", encoding="utf-8") as log:
            self._process = start(
                self._command(),
                core=self._core,
                variables={"JTGATE_STORE": self._store} if self._store else {},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + READY_S
        while (pid := self.pid("gateway")) is None or pid == before:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise BenchmarkError(f"the server did not come up; the end of {self.log}:\n{self.tail()}")
            time.sleep(LOOK_S)

    def end(self) -> None:
        """Stop it in its own good order; harmless when it is gone."""
        if self._process is not None:
            stop(self._process)
            self._process = None

    def pid(self, child: str) -> int | None:
        """Process id of a child that is there now, else None."""
        name = child if self._gateway_only or child == "gateway" else "supervisor"
        try:
            facts = json.loads((self.data / "run" / f"{name}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        found = facts["children"].get(child, {}).get("pid") if name == "supervisor" else facts["pid"]
        return found if isinstance(found, int) and Path(f"/proc/{found}").exists() else None

    def must_have(self, child: str) -> int:
        """Process id of a child.

        Raises:
            BenchmarkError: it is not there.
        """
        pid = self.pid(child)
        if pid is None:
            raise BenchmarkError(f"{child} is gone; the end of {self.log}:\n{self.tail()}")
        return pid

    def kill(self, child: str) -> bool:
        """SIGKILL one child; False when it is not there just now."""
        pid = self.pid(child)
        if pid is None:
            return False
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        return True

    def kill_all(self) -> None:
        """SIGKILL the supervisor and every child in one go, as the power would, and wait until they are gone."""
        process = self._process
        if process is None:
            raise BenchmarkError("the server does not run")
        names = ("gateway", "attachments", "pipeline", "api")
        pids = [process.pid, *(pid for name in names if (pid := self.pid(name)))]
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        stop(process)
        self._process = None
        while any(Path(f"/proc/{pid}").exists() for pid in pids):
            time.sleep(LOOK_S)

    def tail(self, lines: int = 30) -> str:
        """The last lines of its log."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])

    def _command(self) -> list[str]:
        if self._gateway_only:
            settings = {"data": str(self.data), "host": "127.0.0.1", "port": self.port, **self._settings}
            return [sys.executable, "-m", "jtgate.gateway", "--settings", json.dumps(settings)]
        flags = [text for name, value in self._settings.items() for text in (f"--{name}", str(value))]
        return [
            *(sys.executable, "-m", "jtgate.cli"),
            *("serve", "--data", str(self.data), "--host", "127.0.0.1", "--port", str(self.port)),
            *("--http", f"127.0.0.1:{free_port()}", "--attachment-port", "0", *flags),
        ]


def load(port: int, *flags: object, core: int | None = None, timeout_s: float = 900) -> dict[str, Any]:
    """Run load.c to its end; its report.

    Raises:
        BenchmarkError: it printed none.
    """
    command = [str(build("load")), "--port", str(port), *(str(flag) for flag in flags)]
    process = start(command, core=core, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = process.communicate(timeout=timeout_s)
    try:
        report: dict[str, Any] = json.loads(out)
    except ValueError:
        raise BenchmarkError(f"load ended with exit code {process.returncode}: {err}") from None
    return report


@contextmanager
def postgres_server(*, core: int | None = None, settings: Mapping[str, str] | None = None) -> Iterator[Any]:
    """A private PostgreSQL that survives a power cut; see tests/servers.

    Args:
        core: the core it is tied to, None for all of them.
        settings: of postgresql.conf.

    Raises:
        BenchmarkError: there is none on this machine.
    """
    sys.path.insert(0, str(ROOT / "tests" / "servers"))
    from postgres_server import PostgresMissing, PostgresServer, programs  # noqa: PLC0415  tests have it already

    try:
        folder = programs()
    except PostgresMissing as missing:
        raise BenchmarkError(str(missing)) from missing
    with PostgresServer(folder, durable=True, settings=settings) as server:
        if core is not None and server.pid is not None:
            for pid in [server.pid, *children_of(server.pid)]:  # backends to come inherit it
                with suppress(ProcessLookupError):
                    os.sched_setaffinity(pid, {core})
        yield server


@contextmanager
def postgres(*, core: int | None = None, settings: Mapping[str, str] | None = None) -> Iterator[str]:
    """The URL of such a server."""
    with postgres_server(core=core, settings=settings) as server:
        yield server.url


def children_of(pid: int) -> list[int]:
    """Processes that a process has started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


def wait_until_stored(data: Path, limit_s: float, url: str = "") -> None:
    """Wait until the pipeline has stored all that the spool holds.

    Args:
        data: data folder of the server.
        limit_s: how long.
        url: of the store; empty for the one in the data folder.

    Raises:
        BenchmarkError: it did not within `limit_s` seconds.
    """
    reader, store = open_spool_reader(data), open_store(url, data)
    deadline = time.monotonic() + limit_s
    try:
        while (stored := store.cursor(CONSUMER)) < (spooled := reader.last_seq()):
            if time.monotonic() > deadline:
                raise BenchmarkError(f"the pipeline stands at group {stored} of {spooled} after {limit_s:.0f} s")
            time.sleep(LOOK_S)
    finally:
        reader.close()
        store.close()


# ------------------------------------------------------------------------------------------------ the ledger


@dataclass(frozen=True, slots=True)
class Verdict:
    """The ledger of acknowledged reports against the rows of the store."""

    acknowledged: int
    stored: int
    missing: list[tuple[int, int]]  # (terminal, serial), the first few
    lost: int  # acknowledged and not in the store
    repeated: int  # rows beyond the first of one (terminal, serial)

    @property
    def good(self) -> bool:
        """Every acknowledged report is there, once."""
        return self.lost == 0 and self.repeated == 0


def read_ledger(path: Path) -> dict[int, bytearray]:
    """Terminal -> flags by serial: 1 for every acknowledged report that load.c wrote down."""
    flags: dict[int, bytearray] = {}
    entries = memoryview(path.read_bytes()).cast("I")
    for terminal, serial in zip(entries[::2], entries[1::2], strict=True):
        flags.setdefault(terminal, bytearray(SERIALS))[serial] = 1
    return flags


@contextmanager
def rows_of_sqlite(path: Path) -> Iterator[tuple[dict[int, str], Iterator[tuple[int, int]]]]:
    """Terminals by their id, and (terminal id, serial) of every position."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        terminals = dict(connection.execute("SELECT id, terminal FROM terminals"))
        yield terminals, iter(connection.execute("SELECT terminal_id, serial FROM positions"))
    finally:
        connection.close()


@contextmanager
def rows_of_postgres(url: str) -> Iterator[tuple[dict[int, str], Iterator[tuple[int, int]]]]:
    """The same out of PostgreSQL."""
    with psycopg.connect(url, options="-c search_path=jtgate") as connection:
        terminals = {
            int(number): str(name) for number, name in connection.execute("SELECT id, terminal FROM terminals")
        }
        with connection.cursor().copy(
            "COPY (SELECT terminal_id, serial FROM positions_all) TO STDOUT (FORMAT BINARY)"
        ) as copy:
            yield terminals, _copied_pairs(copy)


def _copied_pairs(copy: psycopg.Copy) -> Iterator[tuple[int, int]]:
    """Two integers a row of a binary COPY: a head of 19 bytes, then 18 bytes a row, then -1."""
    pair = struct.Struct(">hiiii")
    waiting = b""
    head = 19
    for data in copy:
        waiting += bytes(data)
        if head and len(waiting) >= head:
            waiting, head = waiting[head:], 0
        whole = 0 if head else len(waiting) - len(waiting) % pair.size
        for _, _, terminal_id, _, serial in pair.iter_unpack(waiting[:whole]):
            yield terminal_id, serial
        waiting = waiting[whole:]


def judge(ledger: Path, store: Path | str) -> Verdict:
    """Hold a ledger against a store.

    Args:
        ledger: file of load.c.
        store: the SQLite file of the store, or the URL of a PostgreSQL.
    """
    acknowledged = read_ledger(ledger)
    found: dict[int, bytearray] = {}
    stored = repeated = 0
    with rows_of_sqlite(store) if isinstance(store, Path) else rows_of_postgres(store) as (terminals, rows):
        for number, serial in rows:
            flags = found.get(number)
            if flags is None:
                flags = found[number] = bytearray(SERIALS)
            stored += 1
            repeated += flags[serial]
            flags[serial] = 1
    found = {int(terminals[number]) - PHONE_BASE: flags for number, flags in found.items()}
    nothing = bytes(SERIALS)
    missing: list[tuple[int, int]] = []
    for terminal, flags in acknowledged.items():
        there = found.get(terminal, nothing)
        if flags != there:
            missing += [(terminal, serial) for serial in range(SERIALS) if flags[serial] and not there[serial]]
    return Verdict(sum(map(sum, acknowledged.values())), stored, missing[:10], len(missing), repeated)
