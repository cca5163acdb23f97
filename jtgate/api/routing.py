"""Requests to operations: token, scope, parameters and body are checked here; what goes wrong is a problem+json.

The order of checks is that of the answers: 404 and 405, 401 and 403, 400 of the parameters, 415, 413, 400 and 422 of
the body, then the operation itself.
"""

import asyncio
import inspect
import math
import traceback
from collections.abc import Iterable, Mapping
from time import perf_counter
from typing import Any, Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Send
from starlette.types import Scope as Connection

from jtgate import logs
from jtgate.api.auth import Doorkeeper, need_scope
from jtgate.api.context import Api, noted
from jtgate.api.counters import REQUESTS, SECONDS
from jtgate.api.openapi import PROBLEM_TYPE
from jtgate.api.operations import INTEGER_MAX, Call, Caller, Operation, Problem, ProblemError, Reply
from jtgate.api.times import read_special
from jtgate.storage.access import AccessUnavailable
from jtgate.storage.commands import CommandsUnavailable
from jtgate.storage.directory import DirectoryUnavailable
from jtgate.storage.evidence import EvidenceUnavailable
from jtgate.storage.files import FileStoreUnavailable
from jtgate.storage.spool import SpoolError
from jtgate.storage.store import StoreTooNew, StoreUnavailable

#: What a refused caller is told to wait before it tries again, seconds.
RETRY_AFTER_S: Final = 1
#: Time in which the body of a request must have come.
BODY_S: Final = 30.0

#: What passes when somebody else has done something about it.
_UNAVAILABLE: Final = (
    StoreUnavailable,
    StoreTooNew,
    DirectoryUnavailable,
    CommandsUnavailable,
    AccessUnavailable,
    EvidenceUnavailable,
    FileStoreUnavailable,
    SpoolError,
)
_HEADERS_OF: Final[dict[int, dict[str, str]]] = {
    401: {"WWW-Authenticate": 'Bearer realm="jtgate"'},
    429: {"Retry-After": str(RETRY_AFTER_S)},
    503: {"Retry-After": str(RETRY_AFTER_S)},
}
_NO_STORE: Final = {"Cache-Control": "no-store"}

_log = logs.get_logger("api")


def routes(operations: Iterable[Operation], api: Api) -> list[BaseRoute]:
    """A route for each path, paths without parameters first."""
    paths: dict[str, dict[str, Bound]] = {}
    door = Doorkeeper(api)
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method] = Bound(operation, api, door)
    return [Route(path, Endpoint(paths[path])) for path in sorted(paths, key=lambda path: ("{" in path, path))]


class Endpoint:
    """All operations of a path.

    Args:
        methods: method -> operation.
    """

    def __init__(self, methods: Mapping[str, "Bound"]) -> None:
        self._methods = methods
        self._allow = ", ".join(sorted(methods))

    async def __call__(self, connection: Connection, receive: Receive, send: Send) -> None:
        """Answer one request."""
        bound = self._methods.get(connection["method"])
        if bound is not None:
            await bound(connection, receive, send)
            return
        problem = Problem(_urn("method-not-allowed"), "This path has no such method", 405, f"it has {self._allow}")
        await problem_response(problem, {"Allow": self._allow})(connection, receive, send)


class Bound:
    """An operation with what it works on.

    Args:
        operation: what was declared.
        api: what handlers work with.
        door: finds the caller.
    """

    def __init__(self, operation: Operation, api: Api, door: Doorkeeper) -> None:
        self.operation = operation
        self._api = api
        self._door = door
        self._is_async = inspect.iscoroutinefunction(operation.function)
        self._statuses = {operation.status, *operation.also}
        self._lists = _list_names(operation.query)
        self._decoder: msgspec.json.Decoder[Any] | None = None
        if operation.body is not None:
            self._decoder = msgspec.json.Decoder(operation.body, dec_hook=read_special)

    async def __call__(self, connection: Connection, receive: Receive, send: Send) -> None:
        """Answer one request."""
        began = perf_counter()
        request = Request(connection, receive)
        try:
            response = await self._answer(request)
        except ClientDisconnect:
            return
        except Exception as error:  # noqa: BLE001  the last place that can turn it into an answer
            response = self._refusal(error)
        name = self.operation.name
        REQUESTS.labels(name, str(response.status_code)).inc()
        SECONDS.labels(name).observe(perf_counter() - began)
        try:
            await response(connection, receive, send)
        except ClientDisconnect:
            return

    async def _answer(self, request: Request) -> Response:
        operation = self.operation
        headers = _lowered(request)
        caller = _NOBODY
        if operation.scopes:
            caller = await self._door.caller(headers)
            need_scope(operation, caller)
        query = self._query(request)
        if operation.headers is not None:
            _check_headers(operation.headers, headers)
        body = None if self._decoder is None else self._decode(await self._body(request))
        call: Call[Any, Any] = Call(caller, query, body, headers, self._api)
        if not self._is_async:
            return await self._api.on_thread(self._run, call)
        counts: list[int] = []
        noted.set(counts)
        return self._response(await operation.function(call), counts)

    def _run(self, call: Call[Any, Any]) -> Response:
        """Call a plain handler; its answer is put into bytes on the same thread."""
        counts: list[int] = []
        noted.set(counts)
        return self._response(self.operation.function(call), counts)

    def _response(self, result: object, counts: list[int]) -> Response:
        operation = self.operation
        if operation.personal and not counts:
            raise RuntimeError("personal data were to be told without a note of who asked")
        if isinstance(result, Response):
            return result
        reply = result if isinstance(result, Reply) else Reply(result, operation.status)
        if reply.status not in self._statuses:
            raise RuntimeError(f"status {reply.status} is not declared")
        content = b"" if reply.body is None else msgspec.json.encode(reply.body)
        media_type = operation.media_type if content else None
        return Response(content, reply.status, {**_NO_STORE, **reply.headers}, media_type)

    # ------------------------------------------------------------------------------- parameters and body

    def _query(self, request: Request) -> Any:
        struct = self.operation.query
        given: dict[str, Any] = {}
        for name, value in request.query_params.multi_items():
            if name in self._lists:
                given.setdefault(name, []).append(value)
            elif name in given or name in request.path_params:
                raise _bad_parameter("it is given twice", name)
            else:
                given[name] = value
        given.update(request.path_params)
        if struct is None:
            if given:
                raise _bad_parameter("there is no such parameter", next(iter(given)))
            return None
        for name, value in given.items():
            _refuse_control_characters(name, value)
        try:
            query = msgspec.convert(given, struct, strict=False, dec_hook=read_special)
        except msgspec.ValidationError as error:
            raise _bad_parameter(*_explained(error)) from None
        for name, asked in zip(struct.__struct_fields__, struct.__struct_encode_fields__, strict=True):
            value = getattr(query, name)
            if value is None and asked in given:  # msgspec takes the text "null" for it
                raise _bad_parameter("null is no value; leave it out", asked)
            if isinstance(value, float) and not math.isfinite(value):
                raise _bad_parameter("Expected a finite number", asked)
            if isinstance(value, int) and abs(value) > INTEGER_MAX:
                raise _bad_parameter("the number is too large", asked)
        return query

    async def _body(self, request: Request) -> bytes:
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type != "application/json":
            raise ProblemError(
                415, "not-json", "The body must be application/json", "send Content-Type: application/json"
            )
        limit = self.operation.body_bytes_max
        chunks: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(BODY_S):
                async for chunk in request.stream():
                    size += len(chunk)
                    if size > limit:
                        raise ProblemError(413, "body-too-long", "The body is too long", f"at most {limit} bytes")
                    chunks.append(chunk)
        except TimeoutError:
            raise ProblemError(408, "body-too-slow", "The body did not come in time") from None
        return b"".join(chunks)

    def _decode(self, body: bytes) -> Any:
        assert self._decoder is not None  # noqa: S101  who calls has looked
        try:
            return self._decoder.decode(body)
        except msgspec.ValidationError as error:
            detail, pointer = _explained(error)
            raise ProblemError(422, "bad-body", "The body is not as it must be", detail, pointer) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            detail = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
            raise ProblemError(400, "bad-json", "The body is no JSON", detail) from None

    # ------------------------------------------------------------------------------------------ refusals

    def _refusal(self, error: Exception) -> Response:
        name = self.operation.name
        if isinstance(error, ProblemError):
            return problem_response(error.problem)
        if isinstance(error, _UNAVAILABLE):
            _log.warning("api.storage_unavailable", operation=name, code=error.code)
            problem = Problem(
                _urn("unavailable"), "What is kept cannot be reached now", 503, f"{error.code}: try again"
            )
            return problem_response(problem)
        # The text of an error may quote what was asked or found, so the log gets the place and the kind only.
        where = [
            f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)
        ]
        _log.error("api.operation_failed", operation=name, error=type(error).__name__, where=where[-6:])
        return problem_response(Problem(_urn("internal"), "Something is wrong on our side", 500))


def problem_response(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """The answer that a problem is."""
    every = {**_NO_STORE, **_HEADERS_OF.get(problem.status, {}), **(headers or {})}
    return Response(msgspec.json.encode(problem), problem.status, every, PROBLEM_TYPE)


def http_error(_request: Request, error: Exception) -> Response:
    """What Starlette refuses by itself: paths that are not there."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    kind, title = {404: ("not-found", "There is nothing at this path")}.get(
        status, ("refused", "This cannot be answered")
    )
    return problem_response(Problem(_urn(kind), title, status), getattr(error, "headers", None))


_NOBODY: Final = Caller("", frozenset())


def _lowered(request: Request) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers.raw}


def _urn(kind: str) -> str:
    return f"urn:jtgate:problem:{kind}"


def _bad_parameter(detail: str, pointer: str) -> ProblemError:
    pointer = pointer if pointer.startswith("$") else f"$.{pointer}"
    return ProblemError(400, "bad-parameter", "A parameter is not as it must be", detail, pointer)


def _refuse_control_characters(name: str, value: str | list[str]) -> None:
    """No database takes a NUL, and nobody means the others."""
    for text in [value] if isinstance(value, str) else value:
        if not text.isprintable() and any(ord(sign) < 0x20 or ord(sign) == 0x7F for sign in text):
            raise _bad_parameter("there are control characters in it", name)


def _explained(error: msgspec.ValidationError) -> tuple[str, str]:
    """Sentence and pointer of what msgspec says: "Expected `int` - at `$.limit`"."""
    detail, _, pointer = str(error).rpartition(" - at ")
    if not detail:
        detail, pointer = pointer, "$"
    pointer = pointer.strip("`")
    if detail.startswith(("Object contains unknown field", "Object missing required field")):
        pointer = f"{pointer}.{detail.split('`')[1]}"
    return detail.replace("`", ""), pointer


def _check_headers(struct: type[Any], headers: Mapping[str, str]) -> None:
    given = {
        one.encode_name: headers[one.encode_name.lower()]
        for one in msgspec.structs.fields(struct)
        if one.encode_name.lower() in headers
    }
    try:
        msgspec.convert(given, struct, strict=False)
    except msgspec.ValidationError as error:
        detail, pointer = _explained(error)
        raise ProblemError(400, "bad-header", "A header is not as it must be", detail, pointer) from None


def _list_names(struct: type[Any] | None) -> frozenset[str]:
    """Parameters that may be given several times."""
    if struct is None:
        return frozenset()
    found = msgspec.inspect.type_info(struct)
    assert isinstance(found, msgspec.inspect.StructType)  # noqa: S101  `operation` takes nothing else
    return frozenset(one.encode_name for one in found.fields if _has_list(one.type))


def _has_list(kind: msgspec.inspect.Type) -> bool:
    if isinstance(kind, msgspec.inspect.UnionType):
        return any(_has_list(one) for one in kind.types)
    if isinstance(kind, msgspec.inspect.Metadata):
        return _has_list(kind.type)
    return isinstance(kind, msgspec.inspect.ListType | msgspec.inspect.SetType | msgspec.inspect.FrozenSetType)
