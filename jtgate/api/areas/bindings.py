"""Who was on which vehicle: intervals, the timeline of one vehicle, and what does not agree 人车关联."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from jtgate.api.areas.listing import FactsQuery, Person, Plate, State, id_of, in_state, listed, note_persons, told_of
from jtgate.api.areas.rows import answer_type, list_of, number, page_of, struct_of
from jtgate.api.context import Api
from jtgate.api.operations import Asked, Call, Caller, Page, PageQuery, ProblemError, Scope, operation
from jtgate.api.times import FromTime, ToTime
from jtgate.pipeline.derive.standing import standing
from jtgate.storage.model import BindingConflictRow, BindingRow
from jtgate.storage.store import Row, Store

#: Rows of a timeline at most: of one vehicle some ten a day.
TIMELINE_ROWS_MAX: Final = 2000
#: An interval that lasts into a stretch, or is corrected by one behind it, began no further away than this.
AROUND_MS: Final = 31 * 86_400_000
#: Kinds of conflicts.
CONFLICTS: Final = (
    "presence",
    "card_lent",
    "not_on_waybill",
    "phone_away",
    "no_binding",
    "no_escort",
    "two_vehicles",
)

_ID: Final[Mapping[str, Any]] = {"id": int}
Binding: Final = answer_type(
    "Binding", BindingRow, "Who was on a vehicle, from when to when, and how sure that is 人车关联.", also=_ID
)
BindingConflict: Final = answer_type(
    "BindingConflict", BindingConflictRow, "Evidence about persons that does not agree.", also=_ID
)
NamedBinding: Final = answer_type(
    "NamedBinding",
    BindingRow,
    "An interval with the name of the person, and whether it holds or was corrected since.",
    also={"id": int, "name": str | None, "standing": bool},
)
Timeline: Final = struct_of(
    "Timeline",
    "Who was on a vehicle in a stretch of time, oldest first.",
    plate=str,
    plate_color=int | None,
    bindings=list_of(NamedBinding),
    conflicts=list_of(BindingConflict),
    more=bool,
)


class BindingsQuery(FactsQuery):
    """Which intervals."""

    plate: Plate = ""
    person: Person = ""


class ConflictsQuery(PageQuery):
    """Which conflicts."""

    plate: Plate = ""
    person: Person = ""
    kind: Annotated[str, Meta(pattern=f"^({'|'.join(CONFLICTS)})?$", description="Kind of the conflict.")] = ""
    state: State = ""
    from_: Annotated[FromTime | None, Meta(description="Begin, included.")] = msgspec.field(name="from", default=None)
    to: Annotated[ToTime | None, Meta(description="End, included.")] = None


class TimelineQuery(Asked):
    """Which vehicle, and when."""

    plate: Annotated[str, Meta(min_length=1, max_length=20, description="车牌号.")]
    plate_color: Annotated[
        Annotated[int, Meta(ge=0, le=255)] | None, Meta(description="车牌颜色; without it any colour.")
    ] = None
    from_: Annotated[FromTime | None, Meta(description="Begin, included.")] = msgspec.field(name="from", default=None)
    to: Annotated[ToTime | None, Meta(description="End, included.")] = None
    history: Annotated[bool, Meta(description="Also intervals that were corrected since.")] = False
    names: Annotated[bool, Meta(description="With the names of the persons.")] = False


@operation("GET", "/v1/bindings", scope=Scope.READ, query=BindingsQuery, answer=page_of(Binding), personal=True)
def list_bindings(call: Call[BindingsQuery, None]) -> Page[Any]:
    """Who was on which vehicle, by the beginning of the interval, newest first, with every correction."""
    query = call.query
    page = listed(call, "bindings", {"plate": query.plate, "person": query.person}, also=id_of)
    note_persons(call, "list_bindings", page, query.plate or query.person or query.terminal or "")
    return page


@operation(
    "GET",
    "/v1/binding-conflicts",
    scope=Scope.READ,
    query=ConflictsQuery,
    answer=page_of(BindingConflict),
    personal=True,
)
def list_binding_conflicts(call: Call[ConflictsQuery, None]) -> Page[Any]:
    """Evidence about persons that does not agree, by its beginning, newest first."""
    query = call.query
    matching = {
        "plate": query.plate,
        "person": query.person,
        "kind": query.kind,
        "state": in_state(query.state),
    }
    page = listed(call, "binding_conflicts", matching, also=id_of, plates=True)
    note_persons(call, "list_binding_conflicts", page, query.plate or query.person)
    return page


@operation(
    "GET",
    "/v1/binding-timeline",
    scope=Scope.READ,
    query=TimelineQuery,
    answer=Timeline,
    problems=(404,),
    personal=True,
)
def show_timeline(call: Call[TimelineQuery, None]) -> dict[str, Any]:
    """Who was on a vehicle, and what does not agree, oldest first.

    Only what holds, unless the history is asked for: a row of a later revision corrects one before it.
    """
    query, api = call.query, call.api
    need_plate(api, call.caller, query.plate, query.plate_color)
    vehicle = {"plate": query.plate}
    if query.plate_color is not None:
        vehicle |= {"plate_color": query.plate_color}  # type: ignore[dict-item]
    with api.store() as store:
        rows = _page(store, "bindings", vehicle, query.from_, query.to, AROUND_MS)
        conflicts = _page(store, "binding_conflicts", vehicle, query.from_, query.to, 0)
        kept = {number(row, "id") for row in standing(rows)}
        shown = [row for row in rows if query.history or number(row, "id") in kept]
        shown = [row for row in shown if _lies_in(row, query.from_, query.to)]
        names = names_of_persons(store, shown) if query.names else {}
    api.note(call.caller, "show_timeline", query.plate, len(shown) + len(conflicts))
    bindings = [
        {"name": names.get(str(row["person"])), "standing": number(row, "id") in kept, **_told("bindings", row)}
        for row in reversed(shown)
    ]
    return {
        "plate": query.plate,
        "plate_color": query.plate_color,
        "bindings": bindings,
        "conflicts": [_told("binding_conflicts", row) for row in reversed(conflicts) if row["state"] != "withdrawn"],
        "more": len(rows) == TIMELINE_ROWS_MAX,
    }


def _told(table: str, row: Row) -> dict[str, Any]:
    return told_of(table, row, also=id_of)


def _page(
    store: Store, table: str, matching: Mapping[str, object], from_ms: int | None, to_ms: int | None, around_ms: int
) -> list[Row]:
    return store.page(
        table,
        from_ms=max((from_ms or 0) - around_ms, 0),
        to_ms=None if to_ms is None else to_ms + around_ms,
        matching=matching,
        limit=TIMELINE_ROWS_MAX,
    )


def _lies_in(row: Row, from_ms: int | None, to_ms: int | None) -> bool:
    """Whether an interval has something of a stretch of time."""
    ended: Any = row["ended_ms"]
    return (to_ms is None or number(row, "started_ms") <= to_ms) and (ended is None or ended >= (from_ms or 0))


def need_plate(api: Api, caller: Caller, plate: str, color: int | None) -> None:
    """Refuse a vehicle that a caller may not see, in the words for one that is not there.

    Raises:
        ProblemError: 404.
    """
    visible = api.visible_plates(caller)
    if visible is not None and not any(plate == one and color in (None, other) for one, other in visible):
        raise ProblemError(404, "vehicle-not-found", "There is no such vehicle")


def names_of_persons(store: Store, rows: Iterable[Row], at_ms: int | None = None) -> dict[str, str]:
    """Names of the persons of some intervals, out of the registry, as they were then.

    Args:
        store: with the registry.
        rows: with `person` and `started_ms`.
        at_ms: a time for all of them; None for the beginning of each.
    """
    found: dict[str, str] = {}
    for row in rows:
        person = str(row["person"] or "")
        if not person or person in found:
            continue
        at = number(row, "started_ms") if at_ms is None else at_ms
        known = store.registry_rows("persons", key=(person,), at_ms=at, limit=1)
        known = known or store.registry_rows("persons", key=(person,), limit=1)
        if known and known[0]["name"]:
            found[person] = str(known[0]["name"])
    return found
