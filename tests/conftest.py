"""What holds for every test: the long forms, the shared vectors, database servers, and no mercy in CI."""

import os
import secrets
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import mosquitto_server
import pytest
from mosquitto_server import MosquittoMissing, MosquittoServer
from postgres_server import PostgresMissing, PostgresServer, database_on, drop_schemas, lacking, programs

SHARED_VECTORS = Path(__file__).resolve().parents[2] / "shared" / "vectors"


def pytest_configure() -> None:
    """Have Ctrl-C work in the processes that tests start: a job in the background of a shell is begun without it.

    None of them takes the usual port for evidence: several run at a time.
    """
    os.environ.setdefault("JTGATE_ATTACHMENT_PORT", "0")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip long forms unless asked for, and tests of the shared vectors where there are none (in CI they fail)."""
    if item.get_closest_marker("soak") and os.environ.get("JTGATE_SOAK", "") in {"", "0"}:
        pytest.skip("long form; runs with make soak")
    if item.get_closest_marker("shared") and not SHARED_VECTORS.is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail(f"no folder {SHARED_VECTORS}, and CI=true")
        pytest.skip("no folder ../shared/vectors")


@pytest.fixture(scope="session")
def shared_vectors() -> Path:
    """The folder of vectors that is shared beside the repository; for tests with the marker `shared`."""
    return SHARED_VECTORS


@pytest.fixture(scope="session")
def postgres_programs() -> Path:
    """Folder of the programs of PostgreSQL; they are installed when that is possible."""
    try:
        return programs()
    except PostgresMissing as missing:
        lacking(str(missing))


@pytest.fixture(scope="session")
def postgres_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty database for the tests of this process: on JTGATE_TEST_POSTGRES, else on a private server."""
    given = os.environ.get("JTGATE_TEST_POSTGRES", "")
    if given:
        with database_on(given) as url:
            yield url
    else:
        with PostgresServer(request.getfixturevalue("postgres_programs")) as server:
            yield server.url


@pytest.fixture(scope="session")
def timescale_url() -> Iterator[str]:
    """An empty database on the server of JTGATE_TEST_TIMESCALE, where the extension is to be had; skipped without."""
    given = os.environ.get("JTGATE_TEST_TIMESCALE", "")
    if not given:
        pytest.skip("JTGATE_TEST_TIMESCALE does not give the address of a server with TimescaleDB")
    with database_on(given, extension="timescaledb") as url:
        yield url


@pytest.fixture
def postgres_schema(postgres_url: str) -> Iterator[str]:
    """A schema name that nobody uses; the schema and that of its views are dropped afterwards."""
    name = f"t_{secrets.token_hex(6)}"
    yield name
    drop_schemas(postgres_url, name)


@pytest.fixture
def timescale_schema(timescale_url: str) -> Iterator[str]:
    """The same as postgres_schema in the database of timescale_url."""
    name = f"t_{secrets.token_hex(6)}"
    yield name
    drop_schemas(timescale_url, name)


@pytest.fixture
def postgres_server(postgres_programs: Path) -> Iterator[Callable[..., PostgresServer]]:
    """Starts servers of the test's own, which it may stop, kill, make read-only or fill; see PostgresServer."""
    with ExitStack() as stack:

        def make(**options: Any) -> PostgresServer:
            server = PostgresServer(postgres_programs, **options)
            stack.callback(server.close)
            server.start()
            return server

        yield make


@pytest.fixture(scope="session")
def mosquitto_program() -> Path:
    """The broker's program; it is installed when that is possible."""
    try:
        return mosquitto_server.program()
    except MosquittoMissing as missing:
        lacking(str(missing))


@pytest.fixture(scope="session")
def mosquitto_url(mosquitto_program: Path) -> Iterator[str]:
    """A broker that all tests of this process share, each with topics and client ids of its own."""
    with MosquittoServer(mosquitto_program) as broker:
        yield broker.url


@pytest.fixture
def mosquitto(mosquitto_program: Path) -> Iterator[Callable[..., MosquittoServer]]:
    """Starts brokers of the test's own, which it may stop, kill, freeze and restart; see MosquittoServer."""
    with ExitStack() as stack:

        def make(**options: Any) -> MosquittoServer:
            broker = MosquittoServer(mosquitto_program, **options)
            stack.callback(broker.close)
            broker.start()
            return broker

        yield make
