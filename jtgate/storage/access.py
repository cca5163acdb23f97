"""Who may use the API, and who asked for personal data: tokens and the audit log.

Of a token only the SHA-256 is kept: its text is 256 random bits, so there is nothing to guess and nothing to salt.
"""

import base64
import hashlib
import secrets
from dataclasses import dataclass
from typing import Final, Protocol

TOKEN_PREFIX: Final = "jtg_"  # noqa: S105  what every token begins with
_SECRET_BYTES: Final = 32

#: Tokens at a time.
TOKENS_MAX: Final = 10_000
#: Rows of the audit log and how long they stay: three years, as PIPL (个人信息保护法) article 56 wants of such records.
AUDIT_ROWS_MAX: Final = 5_000_000
AUDIT_KEEP_MS: Final = 3 * 366 * 24 * 3600 * 1000
#: Longest subject of a row of the audit log, characters; the rest is cut.
AUDIT_SUBJECT_MAX: Final = 200


class AccessError(Exception):
    """Tokens or audit log could not do what was asked; nothing was changed."""

    code = "access"


class AccessUnavailable(AccessError):
    """Locked, gone, read-only or full: try again later."""

    code = "access.unavailable"


class AccessFull(AccessError):
    """TOKENS_MAX is reached."""

    code = "access.full"


class TokenExists(AccessError):
    """There is a token of that name."""

    code = "access.token_exists"


class UnknownToken(AccessError):
    """There is no token of that id."""

    code = "access.unknown_token"


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token to be.

    Args:
        name: unique; what the token does shows under it.
        scopes: what it may do, see `jtgate.api.operations.Scope`.
        enterprise: 企业编码 it is limited to; "" for all.
        county: 区县代码 it is limited to; "" for all.
        expires_ms: when it ends, milliseconds since 1970; None for never.
    """

    name: str
    scopes: frozenset[str]
    enterprise: str = ""
    county: str = ""
    expires_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it is kept; times are milliseconds since 1970."""

    token_id: int
    new: NewToken
    created_ms: int
    last_used_ms: int | None = None  # to the minute

    def is_valid(self, now_ms: int) -> bool:
        """Whether it has not ended."""
        return self.new.expires_ms is None or now_ms < self.new.expires_ms


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Somebody asked for something that is noted.

    Args:
        at_ms: when, milliseconds since 1970.
        who: name of the token.
        what: name of the operation.
        subject: what it was asked about, as it was asked: a terminal, a key; no other personal data.
        count: rows that were told.
        entry_id: rises with time; 0 before it is kept.
    """

    at_ms: int
    who: str
    what: str
    subject: str
    count: int
    entry_id: int = 0


class Access(Protocol):
    """Interface of tokens and audit log; what is written survives a power cut, but for the time of last use.

    All methods raise AccessUnavailable when it cannot be reached.
    """

    def add(self, new: NewToken, digest: bytes, now_ms: int) -> Token:
        """Keep a token by the SHA-256 of its text.

        Raises:
            TokenExists, AccessFull: it was not kept.
        """
        ...

    def find(self, digest: bytes) -> Token | None:
        """The token of a SHA-256, also one that has ended."""
        ...

    def tokens(self, *, after_id: int = 0, limit: int = 100) -> list[Token]:
        """Tokens by id."""
        ...

    def revoke(self, token_id: int) -> Token:
        """Forget a token; what it was.

        Raises:
            UnknownToken: there is none.
        """
        ...

    def used(self, token_id: int, now_ms: int) -> None:
        """Remember when a token was last used."""
        ...

    def note(self, entry: AuditEntry) -> None:
        """Write a row of the audit log; now and then the oldest beyond its limits go."""
        ...

    def audit(
        self,
        *,
        who: str = "",
        subject: str = "",
        from_ms: int = 0,
        to_ms: int | None = None,
        before_id: int | None = None,
        limit: int = 100,
    ) -> list[AuditEntry]:
        """Rows of the audit log, newest first.

        Args:
            who: of this token only; "" for all.
            subject: about this only; "" for all.
            from_ms: at or after.
            to_ms: at or before; None for no end.
            before_id: id of the last row of the page before.
            limit: rows.
        """
        ...

    def close(self) -> None:
        """Give up what is open; safe to call twice."""
        ...


def new_secret() -> str:
    """The text of a new token."""
    return TOKEN_PREFIX + base64.urlsafe_b64encode(secrets.token_bytes(_SECRET_BYTES)).decode().rstrip("=")


def digest_of(text: str) -> bytes:
    """The SHA-256 under which a token is kept."""
    return hashlib.sha256(text.encode()).digest()
