"""Lists of facts and of what is made of them, page by page, of the terminals that a caller may see."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from jtgate.api.areas.rows import number, told
from jtgate.api.context import decode_cursor, encode_cursor
from jtgate.api.operations import INTEGER_MAX, Call, Page, PageQuery, Terminal
from jtgate.api.times import FromTime, ToTime
from jtgate.storage.store import Row
from jtgate.storage.tables import PAGED

#: What a cursor holds: time and id of the last row.
_Place = tuple[Annotated[int, Meta(ge=0, le=INTEGER_MAX)], Annotated[int, Meta(ge=0, le=INTEGER_MAX)]]

#: Columns that say who it was; told when it is asked for, and then it is noted who asked.
PERSONS: Final = frozenset({"person", "person_confidence", "driver"})
#: What rows that still hold are; what later facts have shown to be wrong is withdrawn.
STANDING: Final = frozenset({"open", "closed"})

Plate = Annotated[str, Meta(max_length=20, description="车牌号.")]
Person = Annotated[str, Meta(max_length=64, description="Key of the registry of persons.")]
WithPersons = Annotated[bool, Meta(description="Tell who it was; the audit log notes who asked.")]
State = Annotated[
    str, Meta(pattern="^(open|closed|withdrawn)?$", description="open, closed or withdrawn; without it the first two.")
]


class FactsQuery(PageQuery):
    """Which rows."""

    terminal: Annotated[Terminal | None, Meta(description="Of this terminal only.")] = None
    from_: Annotated[FromTime | None, Meta(description="Begin, included.")] = msgspec.field(name="from", default=None)
    to: Annotated[ToTime | None, Meta(description="End, included.")] = None


def in_state(state: str) -> str | frozenset[str]:
    """What the column must be for a query."""
    return state or STANDING


def listed(
    call: Call[Any, None],
    table: str,
    matching: Mapping[str, object],
    *,
    blank: frozenset[str] = frozenset(),
    hidden: frozenset[str] = frozenset(),
    also: Callable[[Row], Mapping[str, Any]] | None = None,
    plates: bool = False,
) -> Page[Any]:
    """A page of a table.

    Args:
        call: its query is a FactsQuery, or a PageQuery with `from_` and `to`.
        table: one of PAGED.
        matching: column -> value; what is None or "" is not asked for.
        blank: columns that are told as null.
        hidden: columns that are not told.
        also: further fields of a row, told first.
        plates: a limited caller sees rows of its plates, because the rows are of no terminal.
    """
    query, api = call.query, call.api
    visible = api.visible(call.caller)
    terminals = visible
    if getattr(query, "terminal", None) is not None:
        key = query.terminal.lstrip("0")
        terminals = frozenset({key} if visible is None or key in visible else ())
    wanted = {name: value for name, value in matching.items() if value not in (None, "")}
    if plates:
        terminals = None
        theirs = api.visible_plates(call.caller)
        if theirs is not None:
            names = frozenset(plate for plate, _color in theirs)
            wanted["plate"] = names & {wanted["plate"]} if "plate" in wanted else names
    with api.store() as store:
        found = store.page(
            table,
            terminals=terminals,
            from_ms=query.from_ or 0,
            to_ms=query.to,
            matching=wanted,
            before=decode_cursor(query.cursor, _Place) if query.cursor else None,
            limit=query.limit + 1,
        )
    known = PAGED[table]
    rows = found[: query.limit]
    place = encode_cursor((number(rows[-1], known.time), number(rows[-1], "id"))) if len(found) > len(rows) else None
    return Page([told_of(table, row, blank, hidden, also) for row in rows], place)


def told_of(
    table: str,
    row: Row,
    blank: frozenset[str] = frozenset(),
    hidden: frozenset[str] = frozenset(),
    also: Callable[[Row], Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """What is told of a row, see `listed`."""
    shown = {**row, **dict.fromkeys(blank & row.keys())}
    return {**(also(row) if also is not None else {}), **told(shown, PAGED[table].columns, hidden)}


def id_of(row: Row) -> dict[str, Any]:
    """Its number, by which it is asked for."""
    return {"id": number(row, "id")}


def note_persons(call: Call[Any, None], what: str, page: Page[Any], subject: str) -> None:
    """Note in the audit log who was told of persons."""
    call.api.note(call.caller, what, subject or "*", len(page.items))
