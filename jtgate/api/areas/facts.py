"""Alarm events and what is made of them: episodes, evidence, bindings, trips, cards and faces of drivers."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from jtgate.api.areas.rows import answer_type, number, page_of, told
from jtgate.api.context import decode_cursor, encode_cursor
from jtgate.api.operations import INTEGER_MAX, Call, Page, PageQuery, Scope, Terminal, operation
from jtgate.api.times import FromTime, ToTime
from jtgate.storage.model import (
    AlarmEventRow,
    BindingRow,
    CardEventRow,
    EpisodeRow,
    EvidenceFileRow,
    FaceEventRow,
    TripRow,
)
from jtgate.storage.tables import PAGED

#: What a cursor holds: time and id of the last row.
_Place = tuple[Annotated[int, Meta(ge=0, le=INTEGER_MAX)], Annotated[int, Meta(ge=0, le=INTEGER_MAX)]]


class FactsQuery(PageQuery):
    """Which rows."""

    terminal: Annotated[Terminal | None, Meta(description="Of this terminal only.")] = None
    from_: Annotated[FromTime | None, Meta(description="Begin, included.")] = msgspec.field(name="from", default=None)
    to: Annotated[ToTime | None, Meta(description="End, included.")] = None


class AlarmsQuery(FactsQuery):
    """Which alarm events."""

    source: Annotated[str, Meta(max_length=40, description="Where they come from.", examples=["jsatl12:0x65"])] = ""
    alarm_type: Annotated[
        Annotated[int, Meta(ge=0, le=0xFFFF_FFFF)] | None, Meta(description="Type of the item, or number of the bit.")
    ] = None
    phase: Annotated[str, Meta(pattern="^(start|end|instant)?$", description="start, end or instant.")] = ""
    level: Annotated[Annotated[int, Meta(ge=0, le=255)] | None, Meta(description="报警级别.")] = None


class EvidenceQuery(FactsQuery):
    """Which files."""

    alarm_number: Annotated[str, Meta(max_length=100, description="报警标识号 as hex.")] = ""


class BindingsQuery(FactsQuery):
    """Which intervals."""

    plate: Annotated[str, Meta(max_length=20, description="车牌号.")] = ""
    person: Annotated[str, Meta(max_length=64, description="Key of the registry of persons.")] = ""


Alarm: Final = answer_type("Alarm", AlarmEventRow, "A report of an alarm, or an edge of an alarm flag 报警事件.")
Episode: Final = answer_type("Episode", EpisodeRow, "Reports that are one and the same alarm.")
Evidence: Final = answer_type("Evidence", EvidenceFileRow, "A file of evidence 报警附件.", without=("path",))
Binding: Final = answer_type("Binding", BindingRow, "Who was on a vehicle, from when to when 人车关联.")
Trip: Final = answer_type("Trip", TripRow, "A run between two stops.")
DriverCard: Final = answer_type("DriverCard", CardEventRow, "A card of a driver was put in or taken out 驾驶员身份.")
FaceEvent: Final = answer_type(
    "FaceEvent", FaceEventRow, "A picture of a driver and what a comparison made of it.", without=("image_path",)
)


def _page(
    call: Call[Any, None], table: str, matching: Mapping[str, object], without: tuple[str, ...] = ()
) -> Page[Any]:
    """A page of a table, of terminals that the caller may see; what is None or "" in `matching` is not asked for."""
    query, api = call.query, call.api
    visible = api.visible(call.caller)
    terminals = visible
    if query.terminal is not None:
        key = query.terminal.lstrip("0")
        terminals = frozenset({key} if visible is None or key in visible else ())
    with api.store() as store:
        found = store.page(
            table,
            terminals=terminals,
            from_ms=query.from_ or 0,
            to_ms=query.to,
            matching={name: value for name, value in matching.items() if value not in (None, "")},
            before=decode_cursor(query.cursor, _Place) if query.cursor else None,
            limit=query.limit + 1,
        )
    known = PAGED[table]
    rows = found[: query.limit]
    place = encode_cursor((number(rows[-1], known.time), number(rows[-1], "id"))) if len(found) > len(rows) else None
    return Page([told(row, known.columns, without) for row in rows], place)


@operation("GET", "/v1/alarms", scope=Scope.READ, query=AlarmsQuery, answer=page_of(Alarm))
def list_alarms(call: Call[AlarmsQuery, None]) -> Page[Any]:
    """Alarm events by their time, newest first.

    An alarm may be reported several times; episodes tell what belongs together.
    """
    query = call.query
    matching = {"source": query.source, "alarm_type": query.alarm_type, "phase": query.phase, "level": query.level}
    return _page(call, "alarm_events", matching)


@operation("GET", "/v1/episodes", scope=Scope.READ, query=FactsQuery, answer=page_of(Episode))
def list_episodes(call: Call[FactsQuery, None]) -> Page[Any]:
    """Episodes of alarms by their beginning, newest first."""
    return _page(call, "episodes", {})


@operation("GET", "/v1/evidence", scope=Scope.READ, query=EvidenceQuery, answer=page_of(Evidence))
def list_evidence(call: Call[EvidenceQuery, None]) -> Page[Any]:
    """Files of evidence by the time they were announced, newest first, and how much of each has come."""
    return _page(call, "evidence_files", {"alarm_number": call.query.alarm_number}, without=("path",))


@operation("GET", "/v1/bindings", scope=Scope.READ, query=BindingsQuery, answer=page_of(Binding), personal=True)
def list_bindings(call: Call[BindingsQuery, None]) -> Page[Any]:
    """Who was on which vehicle, by the beginning of the interval, newest first."""
    query = call.query
    page = _page(call, "bindings", {"plate": query.plate, "person": query.person})
    _note(call, "list_bindings", page, query.plate or query.person)
    return page


@operation("GET", "/v1/trips", scope=Scope.READ, query=FactsQuery, answer=page_of(Trip))
def list_trips(call: Call[FactsQuery, None]) -> Page[Any]:
    """Trips by their beginning, newest first."""
    return _page(call, "trips", {})


@operation("GET", "/v1/driver-cards", scope=Scope.READ, query=FactsQuery, answer=page_of(DriverCard), personal=True)
def list_driver_cards(call: Call[FactsQuery, None]) -> Page[Any]:
    """Cards of drivers that were put in or taken out, newest first."""
    page = _page(call, "card_events", {})
    _note(call, "list_driver_cards", page)
    return page


@operation("GET", "/v1/face-events", scope=Scope.READ, query=FactsQuery, answer=page_of(FaceEvent), personal=True)
def list_face_events(call: Call[FactsQuery, None]) -> Page[Any]:
    """Pictures of drivers and what comparisons made of them, newest first."""
    page = _page(call, "face_events", {}, without=("image_path",))
    _note(call, "list_face_events", page)
    return page


def _note(call: Call[Any, None], what: str, page: Page[Any], subject: str = "") -> None:
    call.api.note(call.caller, what, subject or call.query.terminal or "*", len(page.items))
