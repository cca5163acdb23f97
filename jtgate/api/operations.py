"""What an operation of the HTTP API is: one declaration gives route, checks, scope and its part of the OpenAPI page.

    @operation("GET", "/v1/sessions", scope=Scope.READ, query=SessionsQuery, answer=Page[Session])
    def list_sessions(call: Call[SessionsQuery, None]) -> Page[Session]: …

Handlers are plain functions: they block on stores, so they run on threads.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

import msgspec

Query = TypeVar("Query")
Body = TypeVar("Body")


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
    api: Any


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation.

    Args:
        method: of HTTP.
        path: with {names} of parameters.
        name: operationId: the name of its function.
        summary: first line of the docstring of its function.
        scope: a token needs it; None for everybody.
        query: msgspec.Struct of the parameters of path and query.
        body: msgspec.Struct of the request body; None for none.
        answer: type of the answer; None for an empty one.
        status: of the answer.
        problems: statuses of its own problems, beside those that every operation may have.
        personal: it tells personal data, so it is noted who asked.
        function: what it does.
    """

    method: str
    path: str
    name: str
    summary: str
    scope: Scope | None
    query: type[Any] | None
    body: type[Any] | None
    answer: Any
    status: int
    problems: tuple[int, ...]
    personal: bool
    function: Callable[[Any], Any]
