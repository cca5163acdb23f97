"""The quarantine: what could not be decoded, as it came."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from jtgate.api.areas.rows import moment, number
from jtgate.api.context import decode_cursor, encode_cursor
from jtgate.api.operations import Asked, Call, Id, Moment, Page, PageQuery, ProblemError, Scope, Terminal, operation
from jtgate.storage.store import Row

_SHOWN_BYTES: Final = 4096


class Quarantined(msgspec.Struct):
    """A message in quarantine.

    Args:
        terminal: "" when its header cannot be read.
        message: 消息ID; null when its header cannot be read.
        code: kind of the fault.
        offset: byte of the payload where it lies.
        field: path of the field.
        reason: the fault in words.
        state: held or replayed.
        payload: header and body, unescaped, as hex; of a long one the first bytes.
        payload_bytes: its length.
    """

    id: int
    terminal: str
    message: str | None
    received: Moment | None
    code: str
    offset: int
    field: str | None
    reason: str
    state: str
    replayed: Moment | None
    payload: str
    payload_bytes: int


class QuarantineQuery(PageQuery):
    """Which messages."""

    terminal: Annotated[Terminal | None, Meta(description="Of this terminal only.")] = None
    all: Annotated[bool, Meta(description="Also what was replayed since.")] = False


class EntryQuery(Asked):
    """Which message."""

    id: Id


@operation("GET", "/v1/quarantine", scope=Scope.READ, query=QuarantineQuery, answer=Page[Quarantined], personal=True)
def list_quarantine(call: Call[QuarantineQuery, None]) -> Page[Quarantined]:
    """Messages that could not be decoded, oldest first.

    Their bytes may tell of drivers, so it is noted who reads them.
    """
    query = call.query
    with call.api.store() as store:
        found = store.quarantine(
            terminal=query.terminal.lstrip("0") if query.terminal else None,
            terminals=call.api.visible(call.caller),
            held_only=not query.all,
            after_id=decode_cursor(query.cursor, Id) if query.cursor else 0,
            limit=query.limit + 1,
        )
    page = found[: query.limit]
    call.api.note(call.caller, "list_quarantine", query.terminal or "*", len(page))
    return Page([_told(row) for row in page], encode_cursor(page[-1]["id"]) if len(found) > len(page) else None)


@operation(
    "GET",
    "/v1/quarantine/{id}",
    scope=Scope.READ,
    query=EntryQuery,
    answer=Quarantined,
    problems=(404,),
    personal=True,
)
def get_quarantined(call: Call[EntryQuery, None]) -> Quarantined:
    """One message that could not be decoded, with all of its bytes."""
    api, wanted = call.api, call.query.id
    with api.store() as store:
        found = store.quarantine(terminals=api.visible(call.caller), held_only=False, after_id=wanted - 1, limit=1)
    if not found or found[0]["id"] != wanted:
        raise ProblemError(404, "quarantine-not-found", "There is no such message in quarantine")
    api.note(call.caller, "get_quarantined", str(wanted), 1)
    return _told(found[0], whole=True)


def _told(row: Row, *, whole: bool = False) -> Quarantined:
    payload = row["payload"]
    raw = payload if isinstance(payload, bytes) else b""
    msg_id, replayed = row["msg_id"], row["replayed_ms"]
    return Quarantined(
        number(row, "id"),
        str(row["terminal"]),
        f"0x{msg_id:04x}" if isinstance(msg_id, int) else None,
        moment(row["received_ms"]),
        str(row["code"]),
        number(row, "offset"),
        None if row["field"] is None else str(row["field"]),
        str(row["message"]),
        str(row["state"]),
        moment(replayed),
        (raw if whole else raw[:_SHOWN_BYTES]).hex(),
        len(raw),
    )
