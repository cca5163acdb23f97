"""The private PostgreSQL server of the tests is itself tested: what it promises to the tests of faults."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import postgres_server as servers
import psycopg
import pytest
from postgres_server import PostgresMissing, PostgresServer, children_of, database_on, drop_schemas, is_alive
from psycopg.conninfo import make_conninfo

GONE_S = 15.0

#: A test process that starts a server and then does nothing until it is killed.
OWNER = """
import sys, time
sys.path[:0] = [{folder!r}]
from postgres_server import PostgresServer, programs
server = PostgresServer(programs())
server.start()
print(server.pid, server._keeper.pid, server.folder, flush=True)
time.sleep(120)
"""


def wait_until(true: Callable[[], bool], what: str) -> None:
    """Wait for something that other processes do."""
    deadline = time.monotonic() + GONE_S
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


@pytest.mark.parametrize("victim", ["owner", "owner and keeper"])
def test_no_server_is_left_behind_when_the_test_process_is_killed(postgres_programs: Path, victim: str) -> None:
    """After SIGKILL of the process that started it the server ends; its folder goes if the keeper lives."""
    code = OWNER.format(folder=str(Path(servers.__file__).parent))
    owner = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    server_text, keeper_text, folder_text = owner.stdout.readline().split()
    server, keeper, folder = int(server_text), int(keeper_text), Path(folder_text)
    family = [server, *filter(is_alive, children_of(server))]  # a backend of the owner may just be leaving
    assert len(family) > 3
    assert is_alive(server)

    if victim == "owner and keeper":
        os.kill(keeper, signal.SIGKILL)
    owner.kill()
    owner.communicate()

    wait_until(lambda: not any(map(is_alive, [keeper, *family])), "the server outlives its owner")
    if victim == "owner":
        wait_until(lambda: not folder.exists(), "the folder stays")
    else:
        shutil.rmtree(folder)


def test_what_was_committed_is_there_after_every_kind_of_stop(
    postgres_server: Callable[..., PostgresServer],
) -> None:
    """Stopped, stopped at once, killed: the same port and the same rows; an open transaction is rolled back."""
    server = postgres_server(durable=True)
    url = server.url
    server.execute("CREATE TABLE kept (n integer)")
    ways: list[Callable[[], None]] = [lambda: server.stop("fast"), lambda: server.stop("immediate"), server.kill]
    for number, way in enumerate(ways):
        server.execute("INSERT INTO kept VALUES (%s)", number)
        with psycopg.connect(url) as client:
            client.execute("INSERT INTO kept VALUES (-1)")
            way()
            assert server.pid is None
            with pytest.raises(psycopg.OperationalError):
                client.execute("SELECT 1")
            with pytest.raises(psycopg.OperationalError):
                psycopg.connect(url)
        server.start()
        assert server.url == url
        assert server.execute("SELECT array_agg(n ORDER BY n) FROM kept") == [(list(range(number + 1)),)]


def test_connections_are_ended_in_the_middle_of_a_transaction(
    postgres_server: Callable[..., PostgresServer],
) -> None:
    """terminate_backends takes all clients, or only those in a transaction, and says how many."""
    server = postgres_server()
    with psycopg.connect(server.url, autocommit=True) as idle, psycopg.connect(server.url) as busy:
        busy.execute("SELECT 1")
        assert server.terminate_backends(busy_only=True) == 1
        with pytest.raises(psycopg.OperationalError):
            busy.execute("SELECT 1")
        assert idle.execute("SELECT 1").fetchone() == (1,)
        assert server.terminate_backends() == 1
        with pytest.raises(psycopg.OperationalError):
            idle.execute("SELECT 1")


def test_a_read_only_server_refuses_to_write_until_it_is_told_otherwise(
    postgres_server: Callable[..., PostgresServer],
) -> None:
    """Clients are cut off, new ones may read only, also after a restart; then they write again."""
    server = postgres_server()
    server.execute("CREATE TABLE kept (n integer)")
    with psycopg.connect(server.url, autocommit=True) as before:
        server.set_read_only(True)
        with pytest.raises(psycopg.OperationalError):
            before.execute("INSERT INTO kept VALUES (1)")
    for again in (False, True):
        if again:
            server.restart("immediate")
        with psycopg.connect(server.url, autocommit=True) as client:
            assert client.execute("SELECT count(*) FROM kept").fetchone() == (0,)
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                client.execute("INSERT INTO kept VALUES (1)")
    server.set_read_only(False)
    with psycopg.connect(server.url, autocommit=True) as client:
        client.execute("INSERT INTO kept VALUES (1)")


def test_each_server_has_a_password_of_its_own(postgres_server: Callable[..., PostgresServer]) -> None:
    """Nobody connects without it, over TCP or the socket, and it lies in no file."""
    server = postgres_server()
    password = urlsplit(server.url).password
    assert password is not None
    assert len(password) >= 30
    for host in ("127.0.0.1", str(server.folder)):
        facts = {"host": host, "port": str(server.port), "user": servers.NAME, "dbname": servers.NAME}
        psycopg.connect(make_conninfo(password=password, **facts)).close()
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(make_conninfo(password="another", **facts))
    assert not [path for path in server.folder.glob("*") if path.is_file() and password.encode() in path.read_bytes()]
    server.close()
    assert not server.folder.exists()


def test_settings_of_a_test_reach_the_server(postgres_server: Callable[..., PostgresServer]) -> None:
    """Settings are added to ours; a durable server syncs, the others do not."""
    server = postgres_server(settings={"work_mem": "3MB"})
    assert server.execute("SHOW work_mem") == [("3MB",)]
    assert server.execute("SHOW fsync") == [("off",)]
    server.close()
    server = postgres_server(durable=True)
    assert server.execute("SHOW fsync") == [("on",)]
    assert server.execute("SHOW synchronous_commit") == [("on",)]


def test_a_server_that_cannot_start_says_why(postgres_programs: Path) -> None:
    """The error ends with the server's own words."""
    server = PostgresServer(postgres_programs, settings={"shared_buffers": "much"})
    try:
        with pytest.raises(servers.PostgresFailed, match="shared_buffers"):
            server.start()
    finally:
        server.close()


def test_a_database_on_a_given_server_goes_although_somebody_is_connected(postgres_url: str) -> None:
    """Each gets a database of its own; it is dropped with its last clients."""
    with database_on(postgres_url) as url:
        name = servers.url_database(url)
        client = psycopg.connect(url)
        assert client.execute("SELECT current_database()").fetchone() == (name,)
    with psycopg.connect(postgres_url) as connection:
        assert connection.execute("SELECT count(*) FROM pg_database WHERE datname = %s", (name,)).fetchone() == (0,)
    client.close()


def test_schemas_of_a_store_go_with_their_views(postgres_url: str, postgres_schema: str) -> None:
    """The schema and that of its views are dropped, and dropping what is gone is harmless."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        for statement in ("CREATE SCHEMA {0}", "CREATE SCHEMA {0}_v1", "CREATE TABLE {0}.a (n integer)"):
            connection.execute(statement.format(postgres_schema).encode())
        connection.execute(f"CREATE VIEW {postgres_schema}_v1.b AS SELECT * FROM {postgres_schema}.a".encode())
        for _ in range(2):
            drop_schemas(postgres_url, postgres_schema)
            found = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 't\\_%'").fetchall()
            assert not [name for (name,) in found if name.startswith(postgres_schema)]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgres://u:p%40@h:1/d?sslmode=disable", "postgresql://u:p%40@h:1/new?sslmode=disable"),
        ("timescaledb://h", "postgresql://h/new"),
        ("postgresql:///d?host=/run/x", "postgresql:///new?host=/run/x"),
    ],
)
def test_the_database_of_a_url_is_replaced(url: str, expected: str) -> None:
    """Everything else stays, but for the scheme, which becomes the one that libpq knows."""
    assert servers.with_database(url, "new") == expected


def test_programs_are_installed_once_and_only_by_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Root gets them from apt; others are told what to do; a failure of apt is quoted."""
    monkeypatch.setattr(servers, "installed", lambda: None)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(PostgresMissing, match=r"for root where there is apt-get.*JTGATE_TEST_POSTGRES"):
        servers.programs()

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(servers, "install", lambda: "the disk is full")
    with pytest.raises(PostgresMissing, match="the disk is full"):
        servers.programs()

    found: list[Path | None] = [None, None, Path("bin")]
    monkeypatch.setattr(servers, "installed", lambda: found.pop(0))
    monkeypatch.setattr(servers, "install", lambda: "")
    assert servers.programs() == Path("bin")


@pytest.mark.parametrize(("exit_code", "expected"), [(0, ""), (100, "apt-get install .* failed: no such package")])
def test_apt_is_asked_to_install_without_questions_and_without_starting_a_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exit_code: int, expected: str
) -> None:
    """Update, then install, not interactive, in runlevel 1; what apt says of a failure is handed on."""
    apt = tmp_path / "apt-get"
    apt.write_text(
        f'#!/bin/sh\necho "$* $DEBIAN_FRONTEND $RUNLEVEL" >> {tmp_path}/calls\n'
        f'[ "$1" = update ] && exit 0\necho "no such package" >&2\nexit {exit_code}\n'
    )
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert re.search(expected or "^$", servers.install())
    update, install = (tmp_path / "calls").read_text().splitlines()
    assert update.startswith("update")
    assert install.startswith("install")
    assert install.endswith("postgresql noninteractive 1")


def test_a_missing_server_is_a_skip_and_in_ci_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason is told either way."""
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="none here"):
        servers.lacking("none here")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="none here"):
        servers.lacking("none here")
