"""Facts as terminals tell them: alarm events, cards and faces of drivers."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from msgspec import Meta

from jtgate.api.areas.listing import FactsQuery, listed, note_persons
from jtgate.api.areas.rows import answer_type, number, page_of
from jtgate.api.operations import Call, Page, Scope, operation
from jtgate.codecs.alarm_names import alarm_name
from jtgate.storage.model import AlarmEventRow, CardEventRow, FaceEventRow
from jtgate.storage.store import Row

#: What an alarm is called, beside its numbers.
NAMES: Final[Mapping[str, Any]] = {"term": str, "name": str}


class AlarmsQuery(FactsQuery):
    """Which alarm events."""

    source: Annotated[str, Meta(max_length=40, description="Where they come from.", examples=["jsatl12:0x65"])] = ""
    alarm_type: Annotated[
        Annotated[int, Meta(ge=0, le=0xFFFF_FFFF)] | None, Meta(description="Type of the item, or number of the bit.")
    ] = None
    phase: Annotated[str, Meta(pattern="^(start|end|instant)?$", description="start, end or instant.")] = ""
    level: Annotated[Annotated[int, Meta(ge=0, le=255)] | None, Meta(description="报警级别.")] = None


Alarm: Final = answer_type(
    "Alarm", AlarmEventRow, "A report of an alarm, or an edge of an alarm flag 报警事件.", also=NAMES
)
DriverCard: Final = answer_type("DriverCard", CardEventRow, "A card of a driver was put in or taken out 驾驶员身份.")
#: Pictures of faces are evidence files, asked for as such.
_PICTURES: Final = frozenset({"image_path"})
FaceEvent: Final = answer_type(
    "FaceEvent", FaceEventRow, "A picture of a driver and what a comparison made of it.", without=_PICTURES
)


def names_of(row: Row) -> dict[str, Any]:
    """What an alarm event or an episode is called."""
    name = alarm_name(str(row["source"]), number(row, "alarm_type"))
    return {"term": name.zh, "name": name.en}


@operation("GET", "/v1/alarms", scope=Scope.READ, query=AlarmsQuery, answer=page_of(Alarm))
def list_alarms(call: Call[AlarmsQuery, None]) -> Page[Any]:
    """Alarm events by their time, newest first.

    An alarm may be reported several times; episodes tell what belongs together.
    """
    query = call.query
    matching = {"source": query.source, "alarm_type": query.alarm_type, "phase": query.phase, "level": query.level}
    return listed(call, "alarm_events", matching, also=names_of)


@operation("GET", "/v1/driver-cards", scope=Scope.READ, query=FactsQuery, answer=page_of(DriverCard), personal=True)
def list_driver_cards(call: Call[FactsQuery, None]) -> Page[Any]:
    """Cards of drivers that were put in or taken out, newest first."""
    page = listed(call, "card_events", {})
    note_persons(call, "list_driver_cards", page, call.query.terminal or "")
    return page


@operation("GET", "/v1/face-events", scope=Scope.READ, query=FactsQuery, answer=page_of(FaceEvent), personal=True)
def list_face_events(call: Call[FactsQuery, None]) -> Page[Any]:
    """Pictures of drivers and what comparisons made of them, newest first."""
    page = listed(call, "face_events", {}, hidden=_PICTURES)
    note_persons(call, "list_face_events", page, call.query.terminal or "")
    return page
