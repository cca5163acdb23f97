"""What is checked before an operation is called, and what becomes of its failures; on operations of the test's own."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import httpx
import msgspec
import pytest
from api_world import ApiWorld, problem
from msgspec import Meta
from starlette.applications import Starlette

from jtgate.api import context, routing
from jtgate.api.context import Api
from jtgate.api.operations import DECLARED, Answer, Asked, Call, Operation, PageQuery, Reply, Scope, operation
from jtgate.api.times import FromTime, ToTime
from jtgate.settings import Settings
from jtgate.storage.directory import DirectoryUnavailable
from jtgate.storage.spool import SpoolFailed
from jtgate.storage.store import StoreError, StoreTooNew, StoreUnavailable


class Query(Asked):
    """Parameters of every kind."""

    name: str
    count: Annotated[int, Meta(ge=0)] = 1
    share: float = 0.5
    words: list[str] = msgspec.field(default_factory=list)
    level: int | None = None
    from_: FromTime | None = msgspec.field(name="from", default=None)
    to: ToTime | None = None


class Body(Asked):
    """A small body."""

    text: Annotated[str, Meta(max_length=5)]
    anything: Any = None


Declare = Callable[..., Callable[[Callable[..., Any]], Operation]]


@pytest.fixture
def declare() -> Iterator[Declare]:
    """`operation` that forgets what was declared when the test is over, and gives the declaration."""
    before = len(DECLARED)

    def made(*given: Any, **more: Any) -> Callable[[Callable[..., Any]], Operation]:
        def take(function: Callable[..., Any]) -> Operation:
            operation(*given, **{"scope": None, **more})(function)
            return DECLARED[-1]

        return take

    yield made
    del DECLARED[before:]


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    """What handlers work with, over an empty folder."""
    made = Api(Settings(data=tmp_path))
    yield made
    made.close()


def ask(api: Api, one: Operation, *requests: tuple[str, str, dict[str, Any]]) -> list[httpx.Response]:
    """Send requests at the same time to one operation."""

    async def run() -> list[httpx.Response]:
        app = Starlette(routes=routing.routes([one], api))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
            return await asyncio.gather(*(client.request(method, path, **more) for method, path, more in requests))

    return asyncio.run(run())


def ask_one(api: Api, one: Operation, path: str = "/v1/x", **more: Any) -> httpx.Response:
    """Send one request."""
    return ask(api, one, (one.method, path, more))[0]


# ------------------------------------------------------------------------------------------- parameters


def echo(call: Call[Query, None]) -> dict[str, Any]:
    """Tell what was asked."""
    query = call.query
    times = {"from": query.from_ and int(query.from_), "to": query.to and int(query.to)}
    return {"name": query.name, "count": query.count, "words": query.words, **times}


def test_parameters_of_path_and_query_come_together(api: Api, declare: Declare) -> None:
    """Converted to their types; lists are given several times; dates are days of GMT+8."""
    one = declare("GET", "/v1/x/{name}", query=Query, answer=dict[str, Any])(echo)

    answer = ask_one(api, one, "/v1/x/a%20b?count=7&words=p&words=q&from=2026-05-01&to=2026-05-01")

    assert answer.json() == {
        "name": "a b",
        "count": 7,
        "words": ["p", "q"],
        "from": 1777564800000,
        "to": 1777564800000 + 86_400_000 - 1,
    }
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("", "$.name"),
        ("name=a&colour=red", "$.colour"),
        ("name=a&name=b", "$.name"),
        ("name=a&count=-1", "$.count"),
        ("name=a&count=x", "$.count"),
        ("name=a&count=99999999999999999999", "$.count"),
        ("name=a&share=nan", "$.share"),
        ("name=a&share=inf", "$.share"),
        ("name=a%00", "$.name"),
        ("name=a&words=%0A", "$.words"),
        ("name=a&from=yesterday", "$.from"),
        ("name=a&from=null", "$.from"),
        ("name=a&level=null", "$.level"),
        ("name=a&to=2026-02-30", "$.to"),
    ],
)
def test_a_wrong_parameter_is_pointed_at(api: Api, declare: Declare, query: str, pointer: str) -> None:
    """400 with its name."""
    one = declare("GET", "/v1/x", query=Query, answer=dict[str, Any])(echo)

    assert problem(ask_one(api, one, f"/v1/x?{query}"), 400)["pointer"] == pointer


def test_a_plus_in_a_time_may_come_as_a_blank(api: Api, declare: Declare) -> None:
    """Many programs forget to escape it in a query."""
    one = declare("GET", "/v1/x", query=Query, answer=dict[str, Any])(echo)

    answer = ask_one(api, one, "/v1/x?name=a&from=2026-05-01T08:00:00+08:00")

    assert answer.json()["from"] == 1777593600000


# ------------------------------------------------------------------------------------------------- body


def length(call: Call[None, Body]) -> int:
    """Tell how long the text is."""
    return len(call.body.text)


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b'{"text": "abc"}', "application/json", 200),
        (b'{"text": "abc"}', "Application/JSON; charset=utf-8", 200),
        (b'{"text": "abc"}', "text/plain", 415),
        (b"{}", "application/json", 422),
        (b'{"text": "abcdef"}', "application/json", 422),
        (b'{"text": "abc", "more": 1}', "application/json", 422),
        (b"[]", "application/json", 422),
        (b"", "application/json", 400),
        (b'{"text": "abc"', "application/json", 400),
        (b'{"text": "\xff"}', "application/json", 400),
        (b"[" * 100_000, "application/json", 413),
        (b'{"anything": ' + b"[" * 5000, "application/json", 400),
        (b'{"text": "' + b"a" * 20_000 + b'"}', "application/json", 413),
    ],
)
def test_bodies(api: Api, declare: Declare, content: bytes, kind: str, status: int) -> None:
    """Type, length, syntax and values are looked at in this order."""
    one = declare("POST", "/v1/x", body=Body, answer=int, body_bytes_max=10_000)(length)

    answer = ask_one(api, one, content=content, headers={"Content-Type": kind})

    if status == 200:
        assert answer.json() == 3
    else:
        problem(answer, status)


def test_a_body_in_drops_is_given_up(api: Api, declare: Declare, monkeypatch: pytest.MonkeyPatch) -> None:
    """408 after a while, so that nobody holds a request for ever."""
    monkeypatch.setattr(routing, "BODY_S", 0.05)
    one = declare("POST", "/v1/x", body=Body, answer=int)(length)

    async def drops() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(1)

    async def run() -> httpx.Response:
        sent: list[dict[str, Any]] = []
        chunks = drops()

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": await anext(chunks), "more_body": True}

        async def send(message: Any) -> None:
            sent.append(message)

        connection = {
            "type": "http", "method": "POST", "path": "/v1/x", "query_string": b"", "root_path": "",
            "headers": [(b"content-type", b"application/json")],
        }  # fmt: skip
        await Starlette(routes=routing.routes([one], api))(connection, receive, send)
        return httpx.Response(sent[0]["status"], headers=sent[0]["headers"], content=sent[1]["body"])

    problem(asyncio.run(run()), 408)


# --------------------------------------------------------------------------------------------- failures


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (StoreUnavailable("locked by 张三"), 503),
        (StoreTooNew("张三"), 503),
        (DirectoryUnavailable("张三"), 503),
        (SpoolFailed("张三"), 503),
        (StoreError("张三"), 500),
        (KeyError("张三"), 500),
    ],
)
def test_a_failure_tells_nobody_what_it_was_about(
    api: Api, declare: Declare, caplog: pytest.LogCaptureFixture, error: Exception, status: int
) -> None:
    """503 for what passes, 500 for the rest; neither answer nor log quote the error, which may quote personal data."""

    def fail(_call: Call[None, None]) -> None:
        """Fail."""
        raise error

    async def fail_later(_call: Call[None, None]) -> None:
        """Fail on the event loop."""
        raise error

    for function in (fail, fail_later):
        with caplog.at_level(logging.INFO):
            answer = ask_one(api, declare("GET", f"/v1/{function.__name__}")(function), f"/v1/{function.__name__}")
        found = problem(answer, status)
        assert "张三" not in json.dumps(found, ensure_ascii=False) + caplog.text
        assert ("Retry-After" in answer.headers) == (status == 503)


def test_personal_data_are_never_told_without_a_note(api: Api, declare: Declare) -> None:
    """An operation that is declared personal and forgets to note who asked is a fault of ours: 500, nothing told."""

    @declare("GET", "/v1/x", answer=str, personal=True)
    def forgets(_call: Call[None, None]) -> str:
        """Tell a secret."""
        return "张三"

    @declare("GET", "/v1/y", answer=str, personal=True)
    def notes(call: Call[None, None]) -> str:
        """Tell a secret and who heard it."""
        call.api.note(call.caller, "notes", "x", 1)
        return "张三"

    assert "张三" not in ask_one(api, forgets).text
    assert ask_one(api, forgets).status_code == 500
    assert ask_one(api, notes, "/v1/y").json() == "张三"


def test_only_declared_statuses_go_out(api: Api, declare: Declare) -> None:
    """A reply with another status would be one that the document does not tell of."""

    @declare("GET", "/v1/x", answer=int, also={202: Answer(int, "later")})
    def reply(call: Call[None, None]) -> Reply:
        """Answer with the status of a header."""
        return Reply(1, int(call.headers["x-status"]), {"Location": "/v1/y"})

    assert ask_one(api, reply, headers={"X-Status": "202"}).status_code == 202
    assert ask_one(api, reply, headers={"X-Status": "206"}).status_code == 500


def test_requests_beyond_the_limit_are_refused(api: Api, declare: Declare, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 and when to come again, while as many as allowed are under way."""
    monkeypatch.setattr(context, "CALLS_MAX", 3)

    @declare("GET", "/v1/x", answer=int)
    def slow(_call: Call[None, None]) -> int:
        """Take a while."""
        asyncio.run(asyncio.sleep(0.2))
        return 1

    answers = ask(api, slow, *[("GET", "/v1/x", {})] * 5)

    assert sorted(one.status_code for one in answers) == [200, 200, 200, 503, 503]
    assert {one.headers.get("Retry-After") for one in answers} == {None, "1"}


# ---------------------------------------------------------------------------------------- declarations


@pytest.mark.parametrize(
    "more",
    [
        {"path": "/v1/x/{other}", "query": Query},
        {"path": "/v1/x/{other}"},
        {"query": msgspec.defstruct("Loose", ["name"])},
        {"body": msgspec.defstruct("Loose", ["name"])},
        {"path": "/v1/me"},
    ],
    ids=["path", "no query", "loose query", "loose body", "twice"],
)
def test_a_slip_in_a_declaration_shows_at_once(declare: Declare, more: dict[str, Any]) -> None:
    """When the module is imported, not when somebody asks."""
    with pytest.raises(TypeError):
        declare("GET", **{"path": "/v1/x", **more})(echo)


def test_what_is_not_there(shared_world: ApiWorld) -> None:
    """404 and 405 are problems too; a path with a slash too many is another one."""
    problem(shared_world.get("/v1/nothing"), 404)
    problem(shared_world.get("/v1/me/"), 404)
    problem(shared_world.get("/"), 404)
    answer = shared_world.ask("PATCH", "/v1/tokens")
    problem(answer, 405)
    assert answer.headers["Allow"] == "GET, POST"


def test_page_queries_have_limits() -> None:
    """No list can be asked for without a bound."""
    assert {one.encode_name for one in msgspec.structs.fields(PageQuery)} == {"limit", "cursor"}
    assert all(
        issubclass(one.query, PageQuery) for one in DECLARED if one.query and "limit" in one.query.__struct_fields__
    )
    assert Scope.ADMIN == "admin"
