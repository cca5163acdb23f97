"""The OpenAPI 3.1 document, made of the declarations."""

import functools
import inspect
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, get_args

import msgspec
from starlette.responses import Response

from jtgate import release
from jtgate.api.operations import DECLARED, Answer, Call, Operation, Problem, Scope, operation
from jtgate.api.times import special_schema

Json = dict[str, Any]

_SCHEMAS: Final = "#/components/schemas/"
_JSON: Final = "application/json"
PROBLEM_TYPE: Final = "application/problem+json"

#: What each status of refusal means, wherever it is answered.
REFUSALS: Final[dict[int, str]] = {
    400: "A parameter is wrong or not known, or the body is no JSON.",
    401: "No token, or one that is not known or has ended.",
    403: "The token lacks the scope, or is limited to a part of the vehicles.",
    404: "There is no such thing, or not for this token.",
    408: "The body did not come in time.",
    409: "It contradicts what is there.",
    410: "It was there, and is no longer.",
    413: "The body is too long.",
    415: "The body is not application/json.",
    422: "The body is JSON, and what it says is wrong; `pointer` tells where.",
    429: "A limit is reached; try again later.",
    500: "Something is wrong on our side; the log of the api process tells what.",
    503: "Too busy, or what is kept cannot be reached now; try again later.",
}
_EVERY: Final = (400, 500, 503)
_WITH_TOKEN: Final = (401, 403)
_WITH_BODY: Final = (408, 413, 415, 422)

_RETRY_AFTER: Final = {"Retry-After": "Seconds after which another attempt makes sense."}
_REFUSAL_HEADERS: Final[dict[int, dict[str, str]]] = {
    401: {"WWW-Authenticate": "How to say who one is."},
    429: _RETRY_AFTER,
    503: _RETRY_AFTER,
}

ABOUT: Final = """\
Sessions, positions, alarms, registries and commands of one gateway.

Every request needs a token, sent as `Authorization: Bearer TOKEN`. What is wrong is answered as a problem (RFC 9457)
of media type application/problem+json. A path that is not there is a 404, a method that a path does not have a 405
with `Allow`. Lists come in pages: `next` of one page is `cursor` of the next. Parameters and fields that are not
declared here are refused."""


def document(operations: Iterable[Operation]) -> Json:
    """The document.

    Args:
        operations: what it tells of.
    """
    operations = list(operations)
    schemas = _Schemas(operations)
    paths: dict[str, Json] = {}
    for one in operations:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one, schemas)
    used = sorted({status for one in operations for status in refusals(one)})
    return {
        "openapi": "3.1.0",
        "info": {"title": "jtgate", "version": release(), "description": ABOUT},
        "servers": [{"url": "/"}],
        "tags": [{"name": name} for name in dict.fromkeys(one.area for one in operations)],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "responses": {f"Problem{status}": _refusal(status, schemas) for status in used},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "A token made by POST /v1/tokens."}
            },
        },
    }


def refusals(one: Operation) -> tuple[int, ...]:
    """Statuses with which an operation may be refused."""
    found = {*_EVERY, *one.problems, *(_WITH_TOKEN if one.scopes else ()), *(_WITH_BODY if one.body else ())}
    return tuple(sorted(found))


@operation("GET", "/v1/openapi.json", scope=None, answer=dict[str, Any])
def show_openapi(_call: Call[None, None]) -> Response:
    """The description of this API as an OpenAPI 3.1 document; it needs no token."""
    return Response(_served(), media_type=_JSON)


@functools.cache
def _served() -> bytes:
    return msgspec.json.encode(document(DECLARED))


class _Schemas:
    """Schemas of all types, and which of them stand in the document under a name."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        asked = [struct for one in operations for struct in (one.query, one.headers) if struct is not None]
        told: list[Any] = [Problem]
        for one in operations:
            told += [kind for kind in (one.body, one.answer, *(also.body for also in one.also.values())) if kind]
        self._by_type: dict[int, Json] = {}
        made, components = _schema_components(told)
        for kind, schema in zip(told, made, strict=True):
            self._by_type[id(kind)] = schema
        self.components = {name: _with_words(schema) for name, schema in sorted(components.items())}
        for kind in told:
            for cls in (kind, *get_args(kind)):
                self._add_inherited(cls)
        self._asked: dict[int, Json] = {}
        for struct in asked:
            (reference,), found = _schema_components([struct])
            name = reference["$ref"].removeprefix(_SCHEMAS)
            self._asked[id(struct)] = _with_words(found.pop(name))
            self.components |= found

    def _add_inherited(self, cls: Any) -> None:
        """What the bases of a class say of their fields."""
        if isinstance(cls, type) and cls.__name__ in self.components:
            for base in cls.__mro__[1:]:
                _add_words(self.components[cls.__name__], base.__doc__ or "")

    def of(self, kind: Any) -> Json:
        """The schema of an answer or a body."""
        return self._by_type[id(kind)]

    def parameters(self, struct: type[Any] | None) -> tuple[dict[str, Json], frozenset[str]]:
        """Schemas of the fields of a query, and the names of those that are required."""
        if struct is None:
            return {}, frozenset()
        schema = self._asked[id(struct)]
        return schema.get("properties", {}), frozenset(schema.get("required", ()))


def _schema_components(kinds: list[Any]) -> tuple[tuple[Json, ...], dict[str, Json]]:
    return msgspec.json.schema_components(kinds, schema_hook=special_schema, ref_template=_SCHEMAS + "{name}")


def _operation(one: Operation, schemas: _Schemas) -> Json:
    found: Json = {
        "operationId": one.name,
        "tags": [one.area],
        "summary": one.summary,
        "security": [{"token": [scope]} for scope in dict.fromkeys((*one.scopes, Scope.ADMIN))] if one.scopes else [],
    }
    if about := _about(one):
        found["description"] = about
    properties, required = schemas.parameters(one.query)
    parameters = [
        _parameter(name, "path", schema, is_required=True)
        for name, schema in properties.items()
        if name in one.path_names
    ]
    parameters += [
        _parameter(name, "query", schema, is_required=name in required)
        for name, schema in properties.items()
        if name not in one.path_names
    ]
    headers, required = schemas.parameters(one.headers)
    parameters += [_parameter(name, "header", schema, is_required=name in required) for name, schema in headers.items()]
    if parameters:
        found["parameters"] = parameters
    if one.body is not None:
        body: Json = {"schema": schemas.of(one.body)}
        if one.example is not None:
            body["example"] = one.example
        found["requestBody"] = {"required": True, "content": {_JSON: body}}
    answers = {one.status: Answer(one.answer, one.summary), **one.also}
    found["responses"] = {str(status): _answer(one, answer, schemas) for status, answer in sorted(answers.items())}
    for status in refusals(one):
        found["responses"][str(status)] = {"$ref": f"#/components/responses/Problem{status}"}
    return found


def _about(one: Operation) -> str:
    """What its docstring and its declaration say beyond the summary."""
    told = [one.about.partition("Args:")[0].strip()]
    if one.personal:
        told.append("It tells personal data: the audit log notes who asked.")
    if one.is_whole:
        told.append("A token limited to a part of the vehicles is refused.")
    return "\n\n".join(part for part in told if part)


def _parameter(name: str, where: str, schema: Json, *, is_required: bool) -> Json:
    schema = _without_null(schema)
    found: Json = {"name": name, "in": where, "required": is_required}
    if "description" in schema:
        found["description"] = schema.pop("description")
    return {**found, "schema": schema}


def _without_null(schema: Json) -> Json:
    """The schema of a parameter that may be left out: a query has no null."""
    found = {key: value for key, value in schema.items() if not (key == "default" and value is None)}
    kinds = [kind for kind in found.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) == 1:
        del found["anyOf"]
        return {**kinds[0], **found}
    if kinds:
        found["anyOf"] = kinds
    return found


def _answer(one: Operation, answer: Answer, schemas: _Schemas) -> Json:
    found: Json = {"description": answer.about}
    if answer.headers:
        found["headers"] = _headers(answer.headers)
    if answer.body is not None:
        schema = schemas.of(answer.body) if one.media_type == _JSON else {"type": "string"}
        found["content"] = {one.media_type: {"schema": schema}}
    return found


def _refusal(status: int, schemas: _Schemas) -> Json:
    found: Json = {"description": REFUSALS[status]}
    if status in _REFUSAL_HEADERS:
        found["headers"] = _headers(_REFUSAL_HEADERS[status])
    return {**found, "content": {PROBLEM_TYPE: {"schema": schemas.of(Problem)}}}


def _headers(headers: Mapping[str, str]) -> Json:
    return {name: {"description": about, "schema": {"type": "string"}} for name, about in headers.items()}


_ARGUMENT: Final = re.compile(r"^    (\w+): (.+(?:\n {5,}\S.*)*)", re.MULTILINE)


def _with_words(schema: Json) -> Json:
    """A schema whose description, the docstring of the class, is spread over its fields."""
    if "description" in schema:
        schema["description"] = _add_words(schema, schema["description"])
    return schema


def _add_words(schema: Json, docstring: str) -> str:
    """Tell of each field what the Args of a docstring tell; what stands before them."""
    about, _, arguments = inspect.cleandoc(docstring).partition("\n\nArgs:\n")
    for name, words in _ARGUMENT.findall(arguments):
        field = schema.get("properties", {}).get(name)
        if field is not None and "description" not in field:
            field["description"] = " ".join(words.split())
    return " ".join(about.split())
