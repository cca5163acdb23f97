"""Tokens: made, used, ended, revoked; the first one; and the audit log."""

import os
import stat
import time
from pathlib import Path

import pytest
from api_world import ApiWorld, problem, token

from jtgate.api import auth
from jtgate.api.auth import FIRST_TOKEN_FILE, make_first_token
from jtgate.api.operations import Caller, Scope
from jtgate.codecs.timebase import now_ms
from jtgate.storage.access import AccessUnavailable, digest_of
from jtgate.storage.open import open_access


def test_a_token_knows_who_it_is(world: ApiWorld) -> None:
    """Name, scopes and limits, for a token of any scope."""
    assert world.get("/v1/me", "limited").json() == {
        "name": "limited",
        "scopes": ["admin", "command", "read"],
        "enterprise": "E001",
        "county": "",
    }
    assert world.get("/v1/me", "command").json()["scopes"] == ["command"]


def test_a_token_is_made_used_and_revoked(world: ApiWorld) -> None:
    """Its text is told once; after it is revoked it lets nobody in."""
    made = world.ask("POST", "/v1/tokens", json={"name": "screen", "scopes": ["read"]})
    assert made.status_code == 201
    text, token_id = made.json()["token"], made.json()["id"]
    assert world.get("/v1/me", text).json()["name"] == "screen"

    rows = world.get("/v1/tokens").json()["items"]
    assert text not in str(rows)
    row = next(one for one in rows if one["name"] == "screen")
    assert row["last_used"] is not None

    assert world.ask("DELETE", f"/v1/tokens/{token_id}").status_code == 204
    deadline = time.monotonic() + auth.BELIEVED_S + 2
    while world.get("/v1/me", text).status_code != 401:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    problem(world.ask("DELETE", f"/v1/tokens/{token_id}"), 404)


def test_only_the_digest_is_kept(world: ApiWorld) -> None:
    """The text of a token is in no file of the data folder."""
    text = world.ask("POST", "/v1/tokens", json={"name": "screen", "scopes": ["read"]}).json()["token"].encode()

    files = [path for path in world.settings.data.rglob("*") if path.is_file()]
    assert any(path.name == "access.db-wal" for path in files)
    assert not [path for path in files if text in path.read_bytes()]


def test_names_are_unique(world: ApiWorld) -> None:
    """409 for a second token of a name."""
    found = problem(world.ask("POST", "/v1/tokens", json={"name": "read", "scopes": ["read"]}), 409)

    assert found["pointer"] == "$.name"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"scopes": ["read"]}, "$.name"),
        ({"name": "x", "scopes": []}, "$.scopes"),
        ({"name": "x", "scopes": ["all"]}, "$.scopes[0]"),
        ({"name": "x y", "scopes": ["read"]}, "$.name"),
        ({"name": "x", "scopes": ["read"], "expires": "tomorrow"}, "$.expires"),
        ({"name": "x", "scopes": ["read"], "expires": "2020-01-01"}, "$.expires"),
        ({"name": "x", "scopes": ["read"], "colour": "red"}, "$.colour"),
    ],
)
def test_what_is_wrong_with_a_body_is_pointed_at(world: ApiWorld, body: dict[str, object], pointer: str) -> None:
    """422 with the path of the field."""
    assert problem(world.ask("POST", "/v1/tokens", json=body), 422)["pointer"] == pointer


def test_a_token_ends(world: ApiWorld) -> None:
    """At its time, to the second, although it is believed for a while."""
    access = world.api.access
    text = token(access, "short", {"read"}, expires_ms=now_ms() + 400)
    assert world.get("/v1/me", text).status_code == 200

    time.sleep(0.45)

    assert problem(world.get("/v1/me", text), 401)["type"].endswith("bad-token")


def test_last_use_is_written_once_a_minute(world: ApiWorld) -> None:
    """Not with every request: that would be a write to disk for each."""
    found = []
    write = world.api.access.used
    world.api.access.used = lambda *given: (found.append(given), write(*given))[1]  # type: ignore[method-assign]

    for _ in range(5):
        world.get("/v1/me", "read")

    assert len(found) == 1


def test_tokens_and_audit_come_in_pages(world: ApiWorld) -> None:
    """Each row once, in order, however small the page."""
    for path, order in (("/v1/tokens", 1), ("/v1/audit", -1)):
        for number in range(3):
            world.api.note(Caller("somebody", frozenset()), "show", f"subject-{number}", number)
        whole = [row["id"] for row in world.get(path).json()["items"]]
        paged: list[int] = []
        cursor: str | None = ""
        while cursor is not None:
            page = world.get(path, limit=2, cursor=cursor).json()
            paged += [row["id"] for row in page["items"]]
            assert len(page["items"]) <= 2
            cursor = page["next"]
        assert paged == whole == sorted(whole)[::order]


@pytest.mark.parametrize("cursor", ["x", "é", "bnVsbA", "W10", "MA", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5"])
def test_a_cursor_of_ones_own_is_refused(world: ApiWorld, cursor: str) -> None:
    """400: not base64, null, a list, 0 and a number beyond all ids."""
    assert problem(world.get("/v1/audit", cursor=cursor), 400)["pointer"] == "$.cursor"


def test_the_audit_log_is_filtered(world: ApiWorld) -> None:
    """By token, subject and time."""
    world.api.note(Caller("one", frozenset()), "list_positions", "13800138000", 7)
    world.api.note(Caller("two", frozenset()), "list_positions", "13800138001", 8)

    def counts(**params: object) -> list[int]:
        return [row["count"] for row in world.get("/v1/audit", **params).json()["items"]]

    assert counts() == [8, 7]
    assert counts(who="one") == [7]
    assert counts(subject="13800138001") == [8]
    assert counts(to="2020-01-01") == []
    assert counts(**{"from": "2020-01-01"}) == [8, 7]


def test_making_and_revoking_is_noted(world: ApiWorld) -> None:
    """Who made which token, without its text."""
    made = world.ask("POST", "/v1/tokens", json={"name": "screen", "scopes": ["read"]}).json()
    world.ask("DELETE", f"/v1/tokens/{made['id']}")

    rows = world.get("/v1/audit").json()["items"]
    assert [(row["who"], row["what"], row["subject"]) for row in rows] == [
        ("admin", "revoke_token", "screen"),
        ("admin", "create_token", "screen"),
    ]


def test_nothing_is_told_when_it_cannot_be_noted(world: ApiWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 and when to come again."""

    def refuse(*_: object) -> None:
        raise AccessUnavailable("access.db: full")

    monkeypatch.setattr(world.api.access, "note", refuse)

    answer = world.ask("POST", "/v1/tokens", json={"name": "screen", "scopes": ["read"]})

    assert "access.unavailable" in problem(answer, 503)["detail"]
    assert answer.headers["Retry-After"] == "1"


# ----------------------------------------------------------------------------------------- the first one


def test_the_first_token_is_for_this_user_alone(tmp_path: Path) -> None:
    """Its text is in a file of mode 0600, whatever the umask; it may do everything."""
    access = open_access(tmp_path)
    before = os.umask(0)
    try:
        assert make_first_token(access, tmp_path)
    finally:
        os.umask(before)

    path = tmp_path / FIRST_TOKEN_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    found = access.find(digest_of(path.read_text(encoding="utf-8").strip()))
    assert found is not None
    assert found.new.scopes == {Scope.ADMIN}
    access.close()


def test_there_is_one_first_token(tmp_path: Path) -> None:
    """A second start makes none while a token without limits can make others."""
    access = open_access(tmp_path)
    make_first_token(access, tmp_path)
    text = (tmp_path / FIRST_TOKEN_FILE).read_text(encoding="utf-8")

    assert not make_first_token(access, tmp_path)
    assert (tmp_path / FIRST_TOKEN_FILE).read_text(encoding="utf-8") == text
    access.close()


@pytest.mark.parametrize("left", ["nothing", "limited", "read", "ended"])
def test_nobody_is_shut_out_for_good(tmp_path: Path, left: str) -> None:
    """When no token is left that may make others, the next start makes one, also under the name of one that ended."""
    access = open_access(tmp_path)
    if left == "limited":
        token(access, "l", {"admin"}, "E001")
    elif left == "read":
        token(access, "r", {"read"})
    elif left == "ended":
        token(access, "admin", {"admin"}, expires_ms=1)

    assert make_first_token(access, tmp_path)

    text = (tmp_path / FIRST_TOKEN_FILE).read_text(encoding="utf-8").strip()
    found = access.find(digest_of(text))
    assert found is not None
    assert found.is_valid(now_ms())
    access.close()
