"""Every operation of the list keeps out whom its declaration does not let in."""

import pytest
from api_world import OURS, TOKENS, ApiWorld, possible_request, problem

from jtgate.api.app import operations
from jtgate.api.operations import Caller, Operation, Scope

OPERATIONS = operations()
WITH_TOKEN = [one for one in OPERATIONS if one.scopes]
WHOLE = [one for one in OPERATIONS if one.is_whole]
#: Streams do not end, so only those who are kept out can be asked for.
STREAMS = {one.name for one in OPERATIONS if one.media_type != "application/json"}


def each(some: list[Operation]) -> pytest.MarkDecorator:
    """Run a test for each of some operations."""
    return pytest.mark.parametrize("operation", some, ids=[one.name for one in some])


def test_scopes_are_told_apart() -> None:
    """No two of read, command and admin open the same doors, so that the tests below tell them apart."""
    opened = {
        scope: {one.name for one in WITH_TOKEN if one.lets_in(Caller("x", frozenset({scope})))} for scope in Scope
    }

    assert opened[Scope.ADMIN] == {one.name for one in WITH_TOKEN}
    assert opened[Scope.READ] != opened[Scope.COMMAND]
    assert opened[Scope.READ] | opened[Scope.COMMAND] < opened[Scope.ADMIN]
    assert opened[Scope.READ] - opened[Scope.COMMAND] or opened[Scope.COMMAND] - opened[Scope.READ]


@each(OPERATIONS)
def test_without_a_token_nothing_is_told(shared_world: ApiWorld, operation: Operation) -> None:
    """401 and how to say who one is; only the description of the API needs no token."""
    path, more = possible_request(operation)

    answer = shared_world.ask(operation.method, path, None, **more)

    if operation.name == "show_openapi":
        assert answer.status_code == 200
        return
    assert problem(answer, 401)["type"] == "urn:jtgate:problem:no-token"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")


@each(WITH_TOKEN)
@pytest.mark.parametrize("text", ["jtg_" + "A" * 43, "Bearer", "é", "x" * 5000], ids=["unknown", "word", "é", "long"])
def test_what_is_no_token_opens_nothing(shared_world: ApiWorld, operation: Operation, text: str) -> None:
    """401 for each, before anything else is looked at."""
    path, more = possible_request(operation)
    headers = {"Authorization": f"Bearer {text}".encode()}

    answer = shared_world.client.request(operation.method, path, headers=headers, **more)  # type: ignore[arg-type]

    problem(answer, 401)


@each(WITH_TOKEN)
@pytest.mark.parametrize("scope", Scope)
def test_a_scope_opens_what_is_declared_and_nothing_else(
    shared_world: ApiWorld, operation: Operation, scope: Scope
) -> None:
    """403 to a token that lacks the scope; the others come through to the checks behind."""
    path, more = possible_request(operation)
    is_open = scope is Scope.ADMIN or scope in operation.scopes

    if is_open and operation.name in STREAMS:
        return
    answer = shared_world.ask(operation.method, path, scope, **more)

    if is_open:
        assert answer.status_code not in {401, 403}, answer.text
    else:
        assert problem(answer, 403)["type"] == "urn:jtgate:problem:scope-missing"


@each(WHOLE)
def test_limited_tokens_are_kept_from_what_is_whole(shared_world: ApiWorld, operation: Operation) -> None:
    """A token of one enterprise makes no tokens and reads no audit log, whatever its scopes."""
    path, more = possible_request(operation)

    assert problem(shared_world.ask(operation.method, path, "limited", **more), 403)["type"].endswith("token-limited")


def test_what_makes_tokens_and_shows_the_log_is_whole() -> None:
    """So that the test above cannot pass for want of operations."""
    whole = {one.name for one in OPERATIONS if one.is_whole}

    assert whole >= {"list_tokens", "create_token", "revoke_token", "list_audit"}


def test_a_limited_token_sees_the_terminals_of_its_vehicles(shared_world: ApiWorld) -> None:
    """Those the registry gives to its enterprise or county; all where it is not limited, none where it has none."""

    def seen(name: str) -> frozenset[str] | None:
        scopes, enterprise, county = TOKENS[name]
        return shared_world.api.visible(Caller(name, frozenset(map(Scope, scopes)), enterprise, county))

    assert seen("read") is None
    assert seen("limited") == set(OURS)
    assert seen("county") == {OURS[0], "13900139000"}
    assert seen("nothing-there") == frozenset()
