"""PostgreSQL servers for tests: one given by the environment, or private ones that tests may stop, kill and fill.

A private server lives in a folder of its own directly below the folder for temporary files, listens on a free port of
127.0.0.1 and on a socket in that folder, and has a password made up when it starts. `keeper.py` stops it when the test
process is gone, however that came about.
"""

import fcntl
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql

VERSION_MIN = 15
#: Roles and databases of this name are made on private servers.
NAME = "jtgate"
START_S = 60.0
STOP_S = 30.0
INSTALL_S = 600.0
LOOK_S = 0.02
#: Another process may take a free port between looking and listening.
PORT_TRIES = 5
#: Longest path of a unix socket, less the file name that PostgreSQL adds.
SOCKET_FOLDER_CHARS_MAX = 80

KEEPER = Path(__file__).resolve().parent / "keeper.py"
STOP_SIGNALS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}

#: Small, quick to start; a time zone that is not UTC, so that nothing leans on the server being set to UTC.
SETTINGS = {
    "max_connections": "60",
    "shared_buffers": "64MB",
    "max_locks_per_transaction": "256",
    "max_wal_size": "256MB",
    "min_wal_size": "32MB",
    "timezone": "Asia/Shanghai",
    "jit": "off",
    "log_min_messages": "warning",
    "log_line_prefix": "%m [%p] ",
}
#: For tests in which no power is cut.
NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class PostgresMissing(Exception):
    """No PostgreSQL server to be had on this machine; the text says why and what to do."""


class PostgresFailed(Exception):
    """A private server did not do what it was told; the text ends with its log."""


def lacking(reason: str) -> NoReturn:
    """Skip a test for what the machine lacks; in CI that is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason} (a failure because of CI=true)")
    pytest.skip(reason)


# ---------------------------------------------------------------------------------------------- the programs


def version_of(folder: Path) -> int:
    """Major version of the server in a folder of programs; 0 when there is none."""
    if not (folder / "postgres").is_file() or not (folder / "initdb").is_file():
        return 0
    done = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"\(PostgreSQL\) (\d+)", done.stdout)
    return int(found[1]) if found else 0


def installed() -> Path | None:
    """Folder of the newest server programs on this machine, from VERSION_MIN on; None when there are none."""
    folders = {Path(found).resolve().parent for found in [shutil.which("postgres")] if found}
    if shutil.which("pg_config"):
        done = subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True, check=False)
        folders.add(Path(done.stdout.strip() or "."))
    for pattern in ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin", "usr/local/pgsql/bin"):
        folders.update(Path("/").glob(pattern))
    version, folder = max(((version_of(folder), folder) for folder in folders), default=(0, Path()))
    return folder if version >= VERSION_MIN else None


@contextmanager
def one_at_a_time(name: str) -> Iterator[None]:
    """Hold a lock against other test processes of this machine; it is given up with the process."""
    with (Path(tempfile.gettempdir()) / f"{name}-{os.getuid()}.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def install(package: str = "postgresql") -> str:
    """Install a server with apt; "" or why that did not work."""
    apt = shutil.which("apt-get")
    if os.geteuid() != 0 or apt is None:
        return "it is installed for root where there is apt-get"
    # Runlevel 1: the package does not start a server of its own.
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for command in ([apt, "update", "-q"], [apt, "install", "-q", "-y", "--no-install-recommends", package]):
        try:
            subprocess.run(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=INSTALL_S,
                check=True,
            )
        except subprocess.TimeoutExpired:
            return f"{' '.join(command)} took longer than {INSTALL_S:.0f} s"
        except subprocess.CalledProcessError as failed:
            return f"{' '.join(command)} failed: {failed.stderr.strip()[-500:]}"
    return ""


def programs() -> Path:
    """Folder of the server programs, installing them when that is possible.

    Raises:
        PostgresMissing: there are none from VERSION_MIN on.
    """
    found = installed()
    if found is not None:
        return found
    with one_at_a_time("jtgate-apt"):
        found = installed()  # another test process may have been first
        why = "" if found else install()
    found = found or installed()
    if found is None:
        reason = why or f"the one that apt-get installs is older than {VERSION_MIN}"
        raise PostgresMissing(
            f"no PostgreSQL from {VERSION_MIN} on: {reason}; install one, or give the address of a server where "
            "databases may be made in JTGATE_TEST_POSTGRES"
        )
    return found


def server_user() -> str | None:
    """The user a server has to run as, since it refuses to run as root; None where we are not root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def temporary_folder() -> Path:
    """Where folders of servers are made: one that the user of the server can reach."""
    folder = Path(tempfile.gettempdir()).resolve()
    reachable = all(parent.stat().st_mode & 0o001 for parent in (folder, *folder.parents))
    return folder if reachable or os.geteuid() != 0 else Path("/tmp")


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


# ----------------------------------------------------------------------------------------- a private server


class PostgresServer:
    """A private server; nothing runs before `start`.

    Args:
        bin_folder: programs of the server, see `programs`.
        durable: it survives a power cut, as outside of tests; otherwise nothing is synced to disk.
        settings: of postgresql.conf, beside SETTINGS.
        base: folder in which its own is made; it must be reachable by `server_user`.
        wal_base: the same for its write-ahead log, when that goes to another disk: a server that cannot write its log
            stops, one that only cannot write tables refuses statements.
    """

    def __init__(
        self,
        bin_folder: Path,
        *,
        durable: bool = False,
        settings: Mapping[str, str] | None = None,
        base: Path | None = None,
        wal_base: Path | None = None,
    ) -> None:
        self.port = free_port()
        self._wal = Path(tempfile.mkdtemp(prefix="jtgate-postgres-wal-", dir=wal_base)) if wal_base else None
        self.folder = Path(tempfile.mkdtemp(prefix="jtgate-postgres-", dir=base or temporary_folder()))
        self.data = self.folder / "data"
        self.log = self.folder / "server.log"
        self._bin = bin_folder
        self._user = server_user()
        self._password = secrets.token_urlsafe(24)
        self._settings = {**SETTINGS, **({} if durable else NOT_DURABLE), **(settings or {})}
        self._keeper: subprocess.Popen[bytes] | None = None
        self._pid: int | None = None
        self._made = False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        """Address of its database, with the password."""
        return f"postgresql://{NAME}:{quote(self._password)}@127.0.0.1:{self.port}/{NAME}"

    @property
    def pid(self) -> int | None:
        """Process id of the server while it runs."""
        return None if self._keeper is None or self._keeper.poll() is not None else self._pid

    def start(self) -> None:
        """Start it, the first time with an empty database, and wait until it takes connections.

        Raises:
            PostgresFailed: it does not come up.
        """
        if not self._made:
            self._make()
        for tries_left in reversed(range(1 if self._made else PORT_TRIES)):
            try:
                self._run()
                break
            except PostgresFailed:
                self._reap("immediate")
                if not tries_left:
                    raise
                self.port = free_port()
        if not self._made:
            with self._connect("postgres") as connection:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(NAME)))
            self._made = True

    def stop(self, mode: str = "fast") -> None:
        """Stop it; harmless when it does not run.

        Args:
            mode: "smart" waits for clients to leave, "fast" rolls back what they do, "immediate" drops everything and
                recovers at the next start.

        Raises:
            PostgresFailed: it did not stop in time.
        """
        self._reap(mode)

    def restart(self, mode: str = "fast") -> None:
        """Stop it in a mode of `stop`, or "kill" it, and start it again on the same port."""
        if mode == "kill":
            self.kill()
        else:
            self.stop(mode)
        self.start()

    def kill(self) -> None:
        """SIGKILL the server and every process of it at once, as a power cut would."""
        pid = self.pid
        if pid is None:
            return
        family = [pid, *children_of(pid)]
        for member in family:
            with suppress(ProcessLookupError):
                os.kill(member, signal.SIGKILL)
        self._reap("immediate")
        deadline = time.monotonic() + STOP_S
        while any(is_alive(member) for member in family) and time.monotonic() < deadline:
            time.sleep(LOOK_S)

    def close(self) -> None:
        """Stop it for good and remove its folder."""
        with suppress(PostgresFailed):
            self._reap("immediate")
        for folder in self._folders():
            shutil.rmtree(folder, ignore_errors=True)

    def execute(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Run one statement as superuser, outside of a transaction; rows, when it gives any."""
        with self._connect(NAME) as connection:
            done = connection.execute(statement.encode(), parameters or None)
            return done.fetchall() if done.description else []

    def terminate_backends(self, *, busy_only: bool = False) -> int:
        """End the connections of all other clients; how many there were.

        Args:
            busy_only: only those in a transaction.
        """
        busy = "AND xact_start IS NOT NULL " if busy_only else ""
        found = self.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            f"WHERE backend_type = 'client backend' {busy}AND pid <> pg_backend_pid()"
        )
        count: int = found[0][0]
        return count

    def set_read_only(self, on: bool) -> None:
        """Let no new transaction write, or let them write again; connections that are there are ended."""
        self.execute(f"ALTER SYSTEM SET default_transaction_read_only = {'on' if on else 'off'}")
        self.execute("SELECT pg_reload_conf()")
        deadline = time.monotonic() + START_S
        while self._new_clients_write() is on:
            if time.monotonic() > deadline:
                raise PostgresFailed(f"the setting did not change{self._end_of_log()}")
            time.sleep(LOOK_S)
        self.terminate_backends()

    # ------------------------------------------------------------------------------------------- steps

    def _new_clients_write(self) -> bool:
        """Whether a client that connects now may write; the reload takes the server a moment."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            found = connection.execute("SHOW default_transaction_read_only").fetchone()
        return found == ("off",)

    def _connect(self, database: str) -> "psycopg.Connection[tuple[Any, ...]]":
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=NAME,
            password=self._password,
            dbname=database,
            autocommit=True,
            connect_timeout=10,
            options="-c default_transaction_read_only=off",
        )

    def _folders(self) -> list[Path]:
        """What goes with the server."""
        return [self.folder, *([self._wal] if self._wal else [])]

    def _make(self) -> None:
        """Make the data folder, owned by the user of the server."""
        if self.data.exists():
            return
        password_file = self.folder / "password"
        password_file.touch(0o600)
        password_file.write_text(self._password, encoding="utf-8")
        identity: dict[str, Any] = {}
        if self._user is not None:
            user = pwd.getpwnam(self._user)
            identity = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
            for path in (*self._folders(), password_file):
                os.chown(path, user.pw_uid, user.pw_gid)
        where = ["--pgdata", str(self.data), "--username", NAME, "--pwfile", str(password_file)]
        how = ["--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync"]
        wal = ["--waldir", str(self._wal)] if self._wal else []
        command = [str(self._bin / "initdb"), *where, *wal, *how]
        done = subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, timeout=START_S, check=False, **identity
        )
        password_file.unlink()
        if done.returncode != 0:
            raise PostgresFailed(f"initdb failed: {done.stderr.strip()}")

    def _run(self) -> None:
        """Start the keeper with the server and wait for the word "ready" in the server's own file."""
        short = len(str(self.folder)) <= SOCKET_FOLDER_CHARS_MAX
        settings = {
            **self._settings,
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.folder) if short else "",
        }
        flags = [text for name, value in settings.items() for text in ("-c", f"{name}={value}")]
        user = ["--user", self._user] if self._user else []
        remove = [text for folder in self._folders() for text in ("--remove", str(folder))]
        keeper = [sys.executable, str(KEEPER), *user, *remove, "--"]
        server = [str(self._bin / "postgres"), "-D", str(self.data), *flags]
        with self.log.open("ab") as log:
            self._keeper = subprocess.Popen(
                [*keeper, *server],
                cwd=self.folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the tests; the server goes when they are through
            )
        assert self._keeper.stdout is not None
        self._pid = int(self._keeper.stdout.readline() or 0) or None
        self._keeper.stdout.close()
        deadline = time.monotonic() + START_S
        while not self._is_ready():
            if self._keeper.poll() is not None or time.monotonic() > deadline:
                raise PostgresFailed(f"the server did not come up{self._end_of_log()}")
            time.sleep(LOOK_S)

    def _is_ready(self) -> bool:
        try:
            lines = (self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[0] == str(self._pid) and lines[7].strip() == "ready"

    def _reap(self, mode: str) -> None:
        """Tell the server to stop and wait for its keeper."""
        keeper, pid = self._keeper, self.pid
        if keeper is None:
            return
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, STOP_SIGNALS[mode])
        try:
            keeper.wait(STOP_S)
        except subprocess.TimeoutExpired:
            raise PostgresFailed(f"the server did not stop in {STOP_S:.0f} s{self._end_of_log()}") from None
        finally:
            if keeper.poll() is not None:
                self._keeper = None
            if keeper.stdin is not None and self._keeper is None:
                keeper.stdin.close()

    def _end_of_log(self) -> str:
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:]
        except OSError:
            return ""
        return "\n" + "\n".join(lines)


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that only waits for its parent to take notice does not (Linux)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def children_of(pid: int) -> list[int]:
    """Process ids of the children of a process (Linux)."""
    try:
        return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]
    except OSError:
        return []


# ----------------------------------------------------------------------------------- a server that is given


@contextmanager
def database_on(url: str, *, extension: str = "") -> Iterator[str]:
    """A fresh database on a server that is there; its URL. It is dropped afterwards, whoever is connected.

    Args:
        url: of a server where we may create databases; any scheme.
        extension: made in the database.
    """
    name = f"{NAME}_test_{secrets.token_hex(4)}"
    url = with_database(url, url_database(url) or "postgres")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} ENCODING 'UTF8' TEMPLATE template0").format(sql.Identifier(name))
        )
    fresh = with_database(url, name)
    try:
        if extension:
            with psycopg.connect(fresh, autocommit=True) as connection:
                connection.execute(sql.SQL("CREATE EXTENSION IF NOT EXISTS {}").format(sql.Identifier(extension)))
        yield fresh
    finally:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def url_database(url: str) -> str:
    """The database of postgresql://user:password@host:port/NAME?options; "" when it names none."""
    return url.partition("://")[2].partition("?")[0].partition("/")[2]


def with_database(url: str, name: str) -> str:
    """The same URL with another database, and the scheme that libpq knows."""
    rest, question, options = url.partition("://")[2].partition("?")
    return f"postgresql://{rest.partition('/')[0]}/{name}{question}{options}"


def drop_schemas(url: str, schema: str) -> None:
    """Drop a store's schema and the schema of its views; a transaction left open fails this instead of hanging it."""
    with psycopg.connect(url, autocommit=True, options="-c lock_timeout=10s") as connection:
        for name in (f"{schema}_v1", schema):
            connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(name)))
