"""Tokens: who may use the API."""

from typing import Annotated

import msgspec
from msgspec import Meta

from jtgate.api.context import decode_cursor, encode_cursor
from jtgate.api.operations import (
    Asked,
    Call,
    Id,
    Moment,
    Page,
    PageQuery,
    ProblemError,
    Reply,
    Scope,
    operation,
)
from jtgate.api.times import ToTime
from jtgate.codecs.timebase import iso_ms, now_ms
from jtgate.storage.access import AccessFull, NewToken, Token, TokenExists, UnknownToken, digest_of, new_secret

Code = Annotated[str, Meta(max_length=40, pattern="^[^\\s]*$")]


class Me(msgspec.Struct):
    """Who asks.

    Args:
        name: of the token.
        scopes: what it may do; admin may do everything.
        enterprise: 企业编码 whose vehicles it may see; empty for all.
        county: 区县代码 whose vehicles it may see; empty for all.
    """

    name: str
    scopes: list[Scope]
    enterprise: str
    county: str


class NewTokenBody(Asked):
    """A token to be made."""

    name: Annotated[
        str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="What it does shows under this name.")
    ]
    scopes: Annotated[list[Scope], Meta(min_length=1, max_length=3, description="What it may do.")]
    enterprise: Annotated[Code, Meta(description="企业编码: it sees and commands the vehicles of this one only.")] = ""
    county: Annotated[Code, Meta(description="区县代码: it sees and commands the vehicles of this one only.")] = ""
    expires: Annotated[ToTime | None, Meta(description="When it ends; without it never.")] = None


class TokenAnswer(msgspec.Struct):
    """A token; its text is shown once, when it is made.

    Args:
        id: rises with time.
        name: what it does shows under it.
        scopes: what it may do; admin may do everything.
        enterprise: 企业编码 whose vehicles it may see; empty for all.
        county: 区县代码 whose vehicles it may see; empty for all.
        created: when it was made.
        expires: when it ends; null for never.
        last_used: to the minute; null before.
    """

    id: int
    name: str
    scopes: list[Scope]
    enterprise: str
    county: str
    created: Moment
    expires: Moment | None
    last_used: Moment | None


class MadeToken(TokenAnswer):
    """A token that was just made."""

    token: Annotated[str, Meta(description="The text to send as Authorization: Bearer TOKEN; nobody can see it again.")]


class TokenPath(Asked):
    """Which token."""

    token_id: Id


@operation("GET", "/v1/me", scope=tuple(Scope), answer=Me)
def show_me(call: Call[None, None]) -> Me:
    """Who I am: name and scopes of the token that asks."""
    caller = call.caller
    return Me(caller.name, sorted(caller.scopes), caller.enterprise, caller.county)


@operation("GET", "/v1/tokens", scope=Scope.ADMIN, query=PageQuery, answer=Page[TokenAnswer], is_whole=True)
def list_tokens(call: Call[PageQuery, None]) -> Page[TokenAnswer]:
    """Tokens, without their text."""
    query = call.query
    after_id = decode_cursor(query.cursor, int) if query.cursor else 0
    found = call.api.access.tokens(after_id=after_id, limit=query.limit + 1)
    page = found[: query.limit]
    is_last = len(found) == len(page)
    return Page([_answer(one) for one in page], None if is_last else encode_cursor(page[-1].token_id))


@operation(
    "POST",
    "/v1/tokens",
    scope=Scope.ADMIN,
    body=NewTokenBody,
    answer=MadeToken,
    status=201,
    problems=(409,),
    example={"name": "screen", "scopes": ["read"], "enterprise": "E001", "expires": "2099-12-31"},
    is_whole=True,
)
def create_token(call: Call[None, NewTokenBody]) -> Reply:
    """Make a token; the answer is the only place where its text can be seen."""
    body = call.body
    at_ms = now_ms()
    if body.expires is not None and body.expires <= at_ms:
        raise ProblemError(422, "bad-body", "The body is not as it must be", "that is in the past", "$.expires")
    new = NewToken(body.name, frozenset(body.scopes), body.enterprise, body.county, body.expires)
    text = new_secret()
    call.api.note(call.caller, "create_token", body.name, 1)
    try:
        made = call.api.access.add(new, digest_of(text), at_ms)
    except TokenExists:
        raise ProblemError(
            409, "token-exists", "There is a token of that name", "revoke it first, or choose another name", "$.name"
        ) from None
    except AccessFull as error:
        raise ProblemError(409, "too-many-tokens", "There are too many tokens", str(error)) from None
    shown = _answer(made)
    return Reply(MadeToken(**msgspec.structs.asdict(shown), token=text), 201)


@operation(
    "DELETE", "/v1/tokens/{token_id}", scope=Scope.ADMIN, query=TokenPath, status=204, problems=(404,), is_whole=True
)
def revoke_token(call: Call[TokenPath, None]) -> None:
    """Revoke a token: it lets nobody in any more, two seconds later at the latest."""
    try:
        gone = call.api.access.revoke(call.query.token_id)
    except UnknownToken:
        raise ProblemError(404, "token-not-found", "There is no such token") from None
    call.api.note(call.caller, "revoke_token", gone.new.name, 1)


def _answer(token: Token) -> TokenAnswer:
    new = token.new
    return TokenAnswer(
        token.token_id,
        new.name,
        [scope for scope in Scope if scope in new.scopes],
        new.enterprise,
        new.county,
        iso_ms(token.created_ms),
        None if new.expires_ms is None else iso_ms(new.expires_ms),
        None if token.last_used_ms is None else iso_ms(token.last_used_ms),
    )
