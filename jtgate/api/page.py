"""docs/api.md, printed from the declarations by way of the OpenAPI document."""

from typing import Any, Final

import msgspec

from jtgate.api.app import operations
from jtgate.api.openapi import REFUSALS, Json, document, refusals
from jtgate.api.operations import PAGE_ROWS, PAGE_ROWS_MAX, Operation, Scope

_ABOUT: Final = f"""\
# HTTP API

Printed from the declarations in `jtgate/api/` by `python -m jtgate.cli.reference`. A running gateway gives the same as
an OpenAPI 3.1 document: `GET /v1/openapi.json`.

## Address and token

`jtgate serve` listens on `127.0.0.1:8080` unless `--http HOST:PORT` says otherwise. There is no TLS here: to reach it
from other machines, put a proxy that speaks TLS before it.

There is no default password. The first start makes a token that may do everything and writes it to `api-token` in the
data folder, readable by the user that serves alone. The command line finds it there.

```sh
curl -H "Authorization: Bearer $(cat data/api-token)" http://127.0.0.1:8080/v1/me
curl -H "Authorization: Bearer $(cat data/api-token)" -H "Content-Type: application/json" \\
    -d '{{"name": "screen", "scopes": ["read"]}}' http://127.0.0.1:8080/v1/tokens
```

| scope | may |
|---|---|
| `read` | read what is known |
| `command` | send commands to terminals, and see what became of them |
| `admin` | everything, also make and revoke tokens |

A token can be limited to an enterprise 企业 or a county 区县. It then sees, and commands, the terminals that the
registry of vehicles gives to that enterprise or county now; all others are not there for it. What tells of no single
vehicle is closed to it, also with the scope `admin`. Of a token only a SHA-256 is kept. When no token is left that
could make others, the next start makes a new one. `/metrics`, `/health` and `/v1/openapi.json` need no token.

The audit log (`GET /v1/audit`) keeps who asked for personal data, about what, and how many rows were told, for three
years. It is written before the answer goes out; when it cannot be written, nothing is told.

## Conventions

- Times are ISO 8601 with +08:00. `from` and `to` take a date (2026-05-01) or a time; without an offset it is GMT+8, a
  date alone is the whole day, both ends are included.
- Lists come in pages of {PAGE_ROWS} rows, or of `limit` (1 to {PAGE_ROWS_MAX}): `items` holds the rows, `next` is
  the `cursor` of the page that follows, null in the last one.
- Parameters and fields that are not listed are refused. A parameter that is a list is given several times.
- A request is `application/json`. What is wrong is answered as `application/problem+json` (RFC 9457): `type` is
  constant for each kind of problem, `pointer` says which parameter or field.

| status | meaning |
|---|---|
{{refusals}}
"""


#: What the names of pages begin with in the document: Page_TokenAnswer_ is a page of TokenAnswer.
_PAGE: Final = "Page_"


def page() -> str:
    """The text of docs/api.md."""
    every = operations()
    told = document(every)
    meanings = {status: REFUSALS[status] for one in every for status in refusals(one)}
    meanings[405] = "The path has no such method; `Allow` lists those it has."
    rows = [f"| {status} | {_cell(meaning)} |" for status, meaning in sorted(meanings.items())]
    lines = [_ABOUT.replace("{refusals}", "\n".join(rows)), "## Operations", ""]
    lines += ["| | path | scope | |", "|---|---|---|---|"]
    lines += [
        f"| {one.method} | [`{one.path}`](#{_anchor(one)}) | {_scopes(one)} | {_cell(one.summary)} |" for one in every
    ]
    for one in every:
        lines += _operation(one, told)
    lines += ["", "## Objects"]
    for name, schema in told["components"]["schemas"].items():
        if name.startswith(_PAGE):
            continue
        if schema.get("properties"):
            lines += ["", f"### {name}", "", *_about(schema), *_fields(schema)]
        elif "enum" in schema:
            lines += ["", f"### {name}", "", *_about(schema), _kind(schema)]
    return "\n".join(lines) + "\n"


def _operation(one: Operation, told: Json) -> list[str]:
    found = told["paths"][one.path][one.method.lower()]
    lines = ["", f"### {one.method} {one.path}", "", f"{one.summary} Scope: {_scopes(one)}."]
    if "description" in found:
        lines += ["", found["description"]]
    if "parameters" in found:
        lines += ["", "| parameter | in | type | |", "|---|---|---|---|"]
        for parameter in found["parameters"]:
            about = _cell(parameter.get("description", ""))
            lines.append(f"| `{parameter['name']}` | {parameter['in']} | {_kind(parameter['schema'])} | {about} |")
    if "requestBody" in found:
        body = found["requestBody"]["content"]["application/json"]
        lines += ["", f"Body: {_kind(body['schema'])}."]
        if "example" in body:
            text = msgspec.json.format(msgspec.json.encode(body["example"]), indent=2).decode()
            lines += ["", "```json", text, "```"]
    answers = []
    for status, answer in found["responses"].items():
        if "$ref" in answer:
            continue
        (content,) = answer.get("content", {"": {}}).items()
        kind = _kind(content[1]["schema"]) if content[0] == "application/json" else content[0] or "nothing"
        beyond = f" ({_cell(answer['description'])})" if int(status) != one.status else ""
        answers.append(f"{status} {kind}{beyond}")
    refused = ", ".join(map(str, refusals(one)))
    return [*lines, "", f"Answers: {'; '.join(answers)}. Problems: {refused}."]


def _about(schema: Json) -> list[str]:
    return [schema["description"], ""] if schema.get("description") else []


def _fields(schema: Json) -> list[str]:
    needed = set(schema.get("required", ()))
    lines = ["| field | type | |", "|---|---|---|"]
    for name, field in schema["properties"].items():
        default = field.get("default")
        about = _cell(field.get("description", ""))
        if name not in needed and default not in (None, "", [], {}):
            about = f"{about} Default: {_value(default)}.".strip()
        lines.append(f"| `{name}` | {_kind(field)} | {about} |")
    return lines


def _kind(schema: Json) -> str:
    """A type in words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if name.startswith(_PAGE):
            name = name.removeprefix(_PAGE).removesuffix("_")
            return f"page of [{name}](#{name.lower()})"
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_kind(one) for one in schema["anyOf"]))
    if "enum" in schema:
        return ", ".join(_value(one) for one in schema["enum"])
    if "const" in schema:
        return _value(schema["const"])
    kind = schema.get("type")
    if kind == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    words = {"string": _FORMATS.get(schema.get("format", ""), "text"), "integer": "integer", "number": "number"}
    words |= {"boolean": "true or false", "null": "null", "object": "object"}
    return words.get(str(kind), "anything") + _bounds(schema)


_FORMATS: Final = {"date-time": "time", "date": "date"}


def _bounds(schema: Json) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f" {low} to {high}"
    if low is not None:
        return f" ≥ {low}"
    return f" ≤ {high}" if high is not None else ""


def _value(value: Any) -> str:
    return f"`{msgspec.json.encode(value).decode()}`"


def _scopes(one: Operation) -> str:
    if not one.scopes:
        return "none"
    if set(one.scopes) == set(Scope):
        return "any"
    return " or ".join(one.scopes)


def _anchor(one: Operation) -> str:
    """The anchor of a heading as forges make it."""
    kept = [sign for sign in f"{one.method} {one.path}".lower() if sign.isalnum() or sign in " -_"]
    return "".join(kept).replace(" ", "-")


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
