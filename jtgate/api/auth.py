"""Who asks: the token of a request, and the first token of a new data folder."""

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from time import monotonic
from typing import Final

from jtgate import logs
from jtgate.api.context import Api
from jtgate.api.counters import LAST_USE_LOST
from jtgate.api.operations import Caller, Operation, ProblemError, Scope
from jtgate.codecs.timebase import now_ms
from jtgate.storage.access import Access, AccessError, NewToken, Token, TokenExists, UnknownToken, digest_of, new_secret

#: How long a token that was found is believed to be still there, and how many are remembered.
BELIEVED_S: Final = 2.0
REMEMBERED_MAX: Final = 4096
#: The time of last use of a token is written at most so often.
LAST_USE_MS: Final = 60_000
#: Longer than any token: not looked up.
TOKEN_LENGTH_MAX: Final = 100

FIRST_TOKEN_FILE: Final = "api-token"  # noqa: S105  the name of a file
FIRST_TOKEN_NAME: Final = "admin"  # noqa: S105  the name of a token

_log = logs.get_logger("api")


class Doorkeeper:
    """Finds the caller of a request.

    Args:
        api: where tokens are kept.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._known: dict[bytes, tuple[float, Token, Caller]] = {}
        self._last_use_ms: dict[int, int] = {}

    async def caller(self, headers: Mapping[str, str]) -> Caller:
        """Who asks.

        Args:
            headers: of the request, names in lower case.

        Raises:
            ProblemError: 401.
            AccessUnavailable: tokens cannot be looked up now.
        """
        scheme, _, text = headers.get("authorization", "").partition(" ")
        text = text.strip()
        if scheme.lower() != "bearer" or not text:
            raise ProblemError(401, "no-token", "A token is needed", "send Authorization: Bearer TOKEN")
        if len(text) > TOKEN_LENGTH_MAX or not text.isascii():
            raise _bad_token()
        digest = digest_of(text)
        known = self._known.get(digest)
        if known is None or monotonic() >= known[0]:
            known = await self._look_up(digest)
        _, token, caller = known
        at_ms = now_ms()
        if not token.is_valid(at_ms):
            raise _bad_token()
        last_ms = self._last_use_ms.get(token.token_id, token.last_used_ms or 0)
        if at_ms - last_ms >= LAST_USE_MS:
            await self._write_last_use(token.token_id, at_ms)
        return caller

    async def _look_up(self, digest: bytes) -> tuple[float, Token, Caller]:
        token = await self._api.on_thread(lambda: self._api.access.find(digest))
        if token is None:
            self._known.pop(digest, None)
            raise _bad_token()
        if len(self._known) >= REMEMBERED_MAX:
            self._known.clear()
            self._last_use_ms.clear()
        new = token.new
        known = {str(scope): scope for scope in Scope}  # a later release may have written others
        scopes = frozenset(known[name] for name in new.scopes if name in known)
        entry = monotonic() + BELIEVED_S, token, Caller(new.name, scopes, new.enterprise, new.county)
        self._known[digest] = entry
        return entry

    async def _write_last_use(self, token_id: int, at_ms: int) -> None:
        self._last_use_ms[token_id] = at_ms
        try:
            await self._api.on_thread(lambda: self._api.access.used(token_id, at_ms))
        except AccessError as error:  # worth a word, not worth refusing anybody
            LAST_USE_LOST.inc()
            _log.warning("api.last_use_not_written", code=error.code)


def need_scope(operation: Operation, caller: Caller) -> None:
    """Keep out whose token is not enough.

    Raises:
        ProblemError: 403.
    """
    if not operation.lets_in(caller):
        wanted = " or ".join(operation.scopes)
        raise ProblemError(403, "scope-missing", "This token may not do that", f"a token of scope {wanted} may")
    if operation.is_whole and caller.is_limited:
        raise ProblemError(403, "token-limited", "A token limited to a part of the vehicles may not do that")


def _bad_token() -> ProblemError:
    return ProblemError(401, "bad-token", "This token is not known, or has ended")


def make_first_token(access: Access, data: Path) -> bool:
    """When no token could make others, make one and write its text into the data folder for this user alone.

    Args:
        access: where tokens are kept.
        data: the data folder.

    Returns:
        Whether one was made.

    Raises:
        AccessError, OSError: it could not be made.
    """
    if _has_admin(access):
        return False
    text = new_secret()
    path = data / FIRST_TOKEN_FILE
    beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    beside.unlink(missing_ok=True)
    fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, f"{text}\n".encode())
        os.fsync(fd)
    finally:
        os.close(fd)
    beside.replace(path)  # first the file: a token whose text nobody has would shut everybody out
    with contextlib.suppress(UnknownToken):
        for one in _all_tokens(access):
            if one.new.name == FIRST_TOKEN_NAME:
                access.revoke(one.token_id)  # it has ended, or may not make others
    new = NewToken(FIRST_TOKEN_NAME, frozenset({Scope.ADMIN}))
    with contextlib.suppress(TokenExists):
        access.add(new, digest_of(text), now_ms())
    return True


def _has_admin(access: Access) -> bool:
    """Whether a valid token without limits may make others."""
    at_ms = now_ms()
    return any(
        Scope.ADMIN in one.new.scopes and not one.new.enterprise and not one.new.county and one.is_valid(at_ms)
        for one in _all_tokens(access)
    )


def _all_tokens(access: Access) -> list[Token]:
    found: list[Token] = []
    while page := access.tokens(after_id=found[-1].token_id if found else 0, limit=1000):
        found += page
    return found
