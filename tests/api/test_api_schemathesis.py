"""What the OpenAPI document promises, held against a running api process with requests made from the document."""

import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import apsw
import pytest
import requests
import schemathesis
from api_world import OURS, fill
from hypothesis import HealthCheck, settings
from schemathesis import Case
from schemathesis.checks import CHECKS
from test_api_commands import answered, gateway

from jtgate import runfiles
from jtgate.api.app import operations
from jtgate.api.openapi import document
from jtgate.codecs.timebase import now_ms
from jtgate.settings import Settings
from jtgate.storage.commands import NewCommand
from jtgate.storage.open import open_access, open_commands, open_directory

#: Examples for each operation and token.
EXAMPLES: Final = 6
EXAMPLES_LONG: Final = 300

#: Every id that a request may guess is far below: nobody revokes the token that asks.
FIRST_TOKEN_ID: Final = 2**40

#: What schemathesis looks at. Not looked at: whether what fits the schema is taken, since a cursor or a message of the
#: standard knows more rules than a schema, and what concerns a chain of requests.
LOOKED_AT: Final = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "unsupported_method",
    "ignored_auth",
)

#: Tokens in turn; those that may do more come more often.
TURNS: Final = ("admin", "read", "admin", "command", "admin", "limited")

SCHEMA = schemathesis.openapi.from_dict(document([one for one in operations() if one.media_type == "application/json"]))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str]]]:
    """Address of a real process over a small filled store, with a gateway that ends every command; and the tokens."""
    data: Path = tmp_path_factory.mktemp("api")
    open_access(data).close()
    connection = apsw.Connection(str(data / "access.db"))
    connection.execute("INSERT INTO sqlite_sequence VALUES ('tokens', ?)", (FIRST_TOKEN_ID,))
    connection.close()
    texts = fill(data)
    bus = open_commands(data)  # so that there is one of number 1, which requests like to ask for
    first = bus.submit(NewCommand(OURS[0], 0x8201, {}, "test", now_ms() + 3_600_000), now_ms())
    bus.cancel(first.command_id, now_ms())  # nobody would end it, and who asks for it would wait
    bus.close()
    command = [sys.executable, "-m", "jtgate.api", "--settings"]
    command.append(Settings(data=data, http="127.0.0.1:0", log_format="json").to_json())
    with gateway(data, answered), nobody_online(data), subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        while (facts := runfiles.running(data, runfiles.API)) is None:
            assert process.poll() is None
            time.sleep(0.02)
        yield f"http://{facts['http']}", texts
        assert process.poll() is None
        process.terminate()


@contextmanager
def nobody_online(data: Path) -> Iterator[None]:
    """The part of a gateway that closes sessions on request: it finds none."""
    directory, stopped = open_directory(data), threading.Event()

    def run() -> None:
        while not stopped.wait(0.01):
            for one in directory.take_requests():
                directory.finish(one.request_id, "not_online")

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
        directory.close()


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    """One connection for all requests."""
    with requests.Session() as made:
        yield made


@pytest.mark.parametrize("turns", [TURNS], ids=["in turn"])  # without it all these tests have one name
@SCHEMA.parametrize()
@settings(max_examples=EXAMPLES, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_document_is_true(
    case: Case, turns: tuple[str, ...], running: tuple[str, dict[str, str]], session: requests.Session
) -> None:
    """No 5xx, no status that is not documented, and every answer fits its schema; with a token of each scope in turn.

    Which one follows from the request, so that a failure comes again.
    """
    turn = zlib.crc32(repr((case.path_parameters, case.query, case.body, case.method)).encode())
    look(case, turns[turn % len(turns)], running, session)


@pytest.mark.soak
@pytest.mark.parametrize("token", ["read", "command", "admin", "limited"])
@SCHEMA.parametrize()
@settings(max_examples=EXAMPLES_LONG, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_document_is_true_for_long(
    case: Case, token: str, running: tuple[str, dict[str, str]], session: requests.Session
) -> None:
    """The same with many more requests."""
    look(case, token, running, session)


def look(case: Case, token: str, running: tuple[str, dict[str, str]], session: requests.Session) -> None:
    """Send a request that was made up and look at the answer."""
    address, texts = running
    wanted = set(LOOKED_AT)
    if any(value is None or value in ([], {}) for value in (case.query or {}).values()):
        wanted.discard("negative_data_rejection")  # what makes it wrong is not sent
    case.call_and_validate(
        base_url=address,
        session=session,
        headers={"Authorization": f"Bearer {texts[token]}"},
        checks=[one for one in CHECKS.get_all() if one.__name__ in wanted],
        timeout=20,
    )
