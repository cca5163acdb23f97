"""The OpenAPI document: valid, complete, and served to everybody."""

import json
from typing import Any, Final

import pytest
from api_world import ApiWorld
from openapi_spec_validator import OpenAPIV31SpecValidator

from jtgate.api.app import operations
from jtgate.api.openapi import document
from jtgate.api.operations import Operation
from jtgate.api.page import page

DOCUMENT: Final[dict[str, Any]] = json.loads(json.dumps(document(operations())))
EACH = pytest.mark.parametrize("operation", operations(), ids=[one.name for one in operations()])


def test_the_document_is_valid() -> None:
    """OpenAPI 3.1, by its own schema."""
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_the_document_is_served(shared_world: ApiWorld) -> None:
    """The same operations, without a token."""
    served = shared_world.get("/v1/openapi.json", None).json()

    assert {path: set(found) for path, found in served["paths"].items()} == {
        path: set(found) for path, found in DOCUMENT["paths"].items()
    }


def test_nothing_of_our_own_invention_is_in_it() -> None:
    """No key of an object begins with x-, which other programs would not know."""

    def keys(value: object) -> set[str]:
        if isinstance(value, dict):
            return set(value).union(*map(keys, value.values()))
        return set().union(*map(keys, value)) if isinstance(value, list) else set()

    assert not [key for key in keys(DOCUMENT) if key.lower().startswith("x-")]


@EACH
def test_every_operation_is_told_of(operation: Operation) -> None:
    """With a name, a summary, its scopes, and what each parameter means; and it stands in docs/api.md."""
    found = DOCUMENT["paths"][operation.path][operation.method.lower()]

    assert found["operationId"] == operation.name
    assert found["summary"].endswith(".")
    told = [scope for one in found["security"] for scope in one["token"]]
    assert set(told) == ({*operation.scopes, "admin"} if operation.scopes else set())
    for parameter in found.get("parameters", ()):
        if parameter["in"] != "path":
            assert parameter.get("description"), parameter["name"]
    assert f"\n### {operation.method} {operation.path}\n" in page()
