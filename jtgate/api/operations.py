"""What an operation of the HTTP API is: one declaration gives route, checks, scope and its part of the OpenAPI page.

    class SessionsQuery(PageQuery):
        transport: Literal["tcp", "udp"] | None = None

    @operation("GET", "/v1/sessions", scope=Scope.READ, query=SessionsQuery, answer=Page[Session])
    def list_sessions(call: Call[SessionsQuery, None]) -> Page[Session]:
        ...  # the first line of its docstring is the summary

Handlers are plain functions: they block on stores, so they run on threads. One that waits for something else than a
store is an `async def` and calls what blocks by `await call.api.on_thread(…)`. What goes beyond a body with the usual
status is answered as a `Reply`, or as a Response of Starlette where bytes are streamed.
"""

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final, Generic, TypeVar

import msgspec

if TYPE_CHECKING:
    from jtgate.api.context import Api

Query = TypeVar("Query")
Body = TypeVar("Body")
Function = TypeVar("Function", bound=Callable[..., Any])
Item = TypeVar("Item")

#: Largest body of a request, bytes, unless the operation says otherwise.
BODY_BYTES_MAX: Final = 2 << 20
#: Rows of a page: most, and when nobody says.
PAGE_ROWS_MAX: Final = 1000
PAGE_ROWS: Final = 100
#: Largest whole number that every reader of JSON understands.
INTEGER_MAX: Final = 2**53 - 1

#: Types that many declarations use.
Id = Annotated[int, msgspec.Meta(ge=1, le=INTEGER_MAX)]
Terminal = Annotated[
    str,
    msgspec.Meta(
        pattern="^[0-9]{1,20}$",
        description="终端手机号: digits of the phone number of a terminal; leading zeros mean nothing.",
        examples=["13800138000"],
    ),
]
Moment = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]


class Asked(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Base of queries and bodies: what is not declared is refused."""


class PageQuery(Asked):
    """Base of the queries of what comes in pages."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=PAGE_ROWS_MAX, description="Rows of a page.")] = PAGE_ROWS
    cursor: Annotated[
        str, msgspec.Meta(max_length=1000, description="`next` of the page before; without it the first page.")
    ] = ""


class Page(msgspec.Struct, Generic[Item]):
    """A part of a list.

    Args:
        items: the rows.
        next: cursor of the page that follows; null when this is the last.
    """

    items: list[Item]
    next: str | None = None


class Scope(StrEnum):
    """What a token may do; ADMIN may do everything."""

    READ = "read"
    COMMAND = "command"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    Args:
        name: of the token.
        scopes: what it may do.
        enterprise: 企业编码 it is limited to; "" for all.
        county: 区县代码 it is limited to; "" for all.
    """

    name: str
    scopes: frozenset[Scope]
    enterprise: str = ""
    county: str = ""

    @property
    def is_limited(self) -> bool:
        """Whether it sees only a part of the vehicles."""
        return bool(self.enterprise or self.county)


class Problem(msgspec.Struct, omit_defaults=True):
    """An error answer, application/problem+json (RFC 9457)."""

    type: str  # "urn:jtgate:problem:…", constant for each kind of error
    title: str  # the kind in words
    status: int
    detail: str = ""  # this one in words
    pointer: str = ""  # where in the query or body, "$.fields.text"


class ProblemError(Exception):
    """Raised by a handler: the answer is the problem.

    Args:
        status: HTTP status.
        kind: last part of its type, for example "terminal-not-found".
        title: the kind in words.
        detail: this one in words, without personal data of somebody else.
        pointer: where in the query or body.
    """

    def __init__(self, status: int, kind: str, title: str, detail: str = "", pointer: str = "") -> None:
        super().__init__(title)
        self.status = status
        self.problem = Problem(f"urn:jtgate:problem:{kind}", title, status, detail, pointer)


@dataclass(frozen=True, slots=True)
class Call(Generic[Query, Body]):
    """One request, checked.

    Args:
        caller: who asks.
        query: parameters of the path and of the query together.
        body: of the request.
        headers: of the request, names in lower case.
        api: what handlers work with, see `jtgate.api.context`.
    """

    caller: Caller
    query: Query
    body: Body
    headers: Mapping[str, str]
    api: "Api"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that is more than a body.

    Args:
        body: as of the operation.
        status: one of those that the operation declares.
        headers: those that the operation declares for this status.
    """

    body: Any
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """A further status with which an operation may succeed.

    Args:
        body: type of the body; None for none.
        about: what it means.
        headers: name -> what it tells.
    """

    body: Any
    about: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation.

    Args:
        method: of HTTP.
        path: with {names} of parameters.
        name: operationId: the name of its function.
        summary: first line of the docstring of its function.
        about: the rest of that docstring.
        scopes: a token needs one of them; empty for everybody, also without a token.
        query: msgspec.Struct of the parameters of path and query.
        body: msgspec.Struct of the request body; None for none.
        headers: msgspec.Struct of the headers it reads, by their names; None for none.
        answer: type of the answer; None for an empty one.
        status: of the answer.
        also: further statuses of success.
        problems: statuses of its own problems, beside those that every operation may have.
        personal: it tells personal data, so it is noted who asked (`Api.note`).
        is_whole: a token limited to a part of the vehicles is refused.
        media_type: of the answer.
        example: of the request body.
        body_bytes_max: largest body of a request.
        function: what it does.
    """

    method: str
    path: str
    name: str
    summary: str
    about: str
    scopes: tuple[Scope, ...]
    query: type[Any] | None
    body: type[Any] | None
    headers: type[Any] | None
    answer: Any
    status: int
    also: Mapping[int, Answer]
    problems: tuple[int, ...]
    personal: bool
    is_whole: bool
    media_type: str
    example: Mapping[str, object] | None
    body_bytes_max: int
    function: Callable[[Any], Any]

    @property
    def path_names(self) -> tuple[str, ...]:
        """Names of the parameters in the path."""
        return tuple(_PATH_NAME.findall(self.path))

    @property
    def area(self) -> str:
        """The noun it is about: the first word behind the version."""
        return self.path.split("/")[2].partition(".")[0]

    def lets_in(self, caller: Caller) -> bool:
        """Whether the scopes of a token are enough."""
        return Scope.ADMIN in caller.scopes or not caller.scopes.isdisjoint(self.scopes)


_PATH_NAME: Final = re.compile(r"\{(\w+)\}")

#: Every operation, in the order of declaration; `jtgate.api.app` imports the modules that fill it.
DECLARED: Final[list[Operation]] = []


def operation(
    method: str,
    path: str,
    *,
    scope: Scope | tuple[Scope, ...] | None,
    query: type[Any] | None = None,
    body: type[Any] | None = None,
    headers: type[Any] | None = None,
    answer: Any = None,
    status: int = 200,
    also: Mapping[int, Answer] | None = None,
    problems: tuple[int, ...] = (),
    personal: bool = False,
    is_whole: bool = False,
    media_type: str = "application/json",
    example: Mapping[str, object] | None = None,
    body_bytes_max: int = BODY_BYTES_MAX,
) -> Callable[[Function], Function]:
    """Declare a function as an operation.

    The arguments are those of `Operation`; of several scopes one is enough, None is for everybody, also without token.

    Raises:
        TypeError: the declaration contradicts itself.
    """

    def declare(function: Function) -> Function:
        summary, _, about = inspect.cleandoc(function.__doc__ or "").partition("\n")
        made = Operation(
            method,
            path,
            function.__name__,
            summary,
            about.strip(),
            (scope,) if isinstance(scope, Scope) else scope or (),
            query,
            body,
            headers,
            answer,
            status,
            also or {},
            problems,
            personal,
            is_whole,
            media_type,
            example,
            body_bytes_max,
            function,
        )
        _check(made)
        DECLARED.append(made)
        return function

    return declare


def _check(made: Operation) -> None:
    """A slip in a declaration shows when it is imported, not when it is called."""
    known = {one.encode_name for one in msgspec.structs.fields(made.query)} if made.query else set()
    if missing := set(made.path_names) - known:
        raise TypeError(f"{made.name}: the query has no {', '.join(sorted(missing))}, which the path has")
    for struct in (made.query, made.body):
        if struct is not None and not struct.__struct_config__.forbid_unknown_fields:
            raise TypeError(f"{made.name}: {struct.__name__} takes what it does not know; make it an Asked")
    if not made.summary:
        raise TypeError(f"{made.name}: the docstring is missing, and with it the summary")
    if any(one.name == made.name or (one.method, one.path) == (made.method, made.path) for one in DECLARED):
        raise TypeError(f"{made.name}: {made.method} {made.path} or its name is declared twice")
