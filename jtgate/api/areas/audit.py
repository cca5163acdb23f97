"""The audit log: who asked for personal data, and who made or revoked tokens."""

from typing import Annotated

import msgspec
from msgspec import Meta

from jtgate.api.context import decode_cursor, encode_cursor
from jtgate.api.operations import Call, Id, Moment, Page, PageQuery, Scope, operation
from jtgate.api.times import FromTime, ToTime
from jtgate.codecs.timebase import iso_ms
from jtgate.storage.access import AUDIT_SUBJECT_MAX


class AuditQuery(PageQuery):
    """Which rows."""

    who: Annotated[str, Meta(max_length=100, description="Name of a token.")] = ""
    subject: Annotated[str, Meta(max_length=AUDIT_SUBJECT_MAX, description="What it was asked about.")] = ""
    from_: Annotated[FromTime | None, Meta(description="Begin, included.")] = msgspec.field(name="from", default=None)
    to: Annotated[ToTime | None, Meta(description="End, included.")] = None


class AuditRow(msgspec.Struct):
    """Somebody asked for something.

    Args:
        id: rises with time.
        at: when.
        who: name of the token.
        what: operationId.
        subject: what it was asked about: a terminal, a key, a name.
        count: rows that were told.
    """

    id: int
    at: Moment
    who: str
    what: str
    subject: str
    count: int


@operation("GET", "/v1/audit", scope=Scope.ADMIN, query=AuditQuery, answer=Page[AuditRow], is_whole=True)
def list_audit(call: Call[AuditQuery, None]) -> Page[AuditRow]:
    """Who asked for personal data and who made or revoked tokens, newest first."""
    query = call.query
    found = call.api.access.audit(
        who=query.who,
        subject=query.subject,
        from_ms=query.from_ or 0,
        to_ms=query.to,
        before_id=decode_cursor(query.cursor, Id) if query.cursor else None,
        limit=query.limit + 1,
    )
    page = found[: query.limit]
    rows = [AuditRow(one.entry_id, iso_ms(one.at_ms), one.who, one.what, one.subject, one.count) for one in page]
    return Page(rows, None if len(found) == len(page) else encode_cursor(page[-1].entry_id))
