"""Where vehicles were: trips, stops, visits of zones."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from msgspec import Meta

from jtgate.api.areas.listing import (
    PERSONS,
    FactsQuery,
    Person,
    Plate,
    State,
    WithPersons,
    id_of,
    in_state,
    listed,
    note_persons,
)
from jtgate.api.areas.rows import answer_type, page_of
from jtgate.api.operations import Call, Page, Scope, operation
from jtgate.storage.model import StopRow, TripRow, ZoneVisitRow

_ID: Final[Mapping[str, Any]] = {"id": int}

Trip: Final = answer_type("Trip", TripRow, "A run between two stops of 20 minutes 行程.", also=_ID)
Stop: Final = answer_type("Stop", StopRow, "A stop 停车; a rest when it lasts 20 minutes.", also=_ID)
ZoneVisit: Final = answer_type("ZoneVisit", ZoneVisitRow, "A vehicle in a zone 区域驻留.", also=_ID)


class TripsQuery(FactsQuery):
    """Which trips."""

    plate: Plate = ""
    driver: Person = ""
    state: State = ""
    with_persons: WithPersons = False


class StopsQuery(FactsQuery):
    """Which stops."""

    state: State = ""
    rests: Annotated[bool, Meta(description="Only those of 20 minutes and more.")] = False


class VisitsQuery(FactsQuery):
    """Which visits."""

    zone: Annotated[str, Meta(max_length=100, description="Key of the registry of zones.")] = ""
    plate: Plate = ""
    person: Person = ""
    state: State = ""
    with_persons: WithPersons = False


@operation("GET", "/v1/trips", scope=Scope.READ, query=TripsQuery, answer=page_of(Trip))
def list_trips(call: Call[TripsQuery, None]) -> Page[Any]:
    """Trips by their beginning, newest first.

    `driver` is null unless persons are asked for.
    """
    query = call.query
    matching = {"plate": query.plate, "driver": query.driver, "state": in_state(query.state)}
    told = query.with_persons or bool(query.driver)
    page = listed(call, "trips", matching, blank=frozenset() if told else PERSONS, also=id_of)
    if told:
        note_persons(call, "list_trips", page, query.driver or query.plate or query.terminal or "")
    return page


@operation("GET", "/v1/stops", scope=Scope.READ, query=StopsQuery, answer=page_of(Stop))
def list_stops(call: Call[StopsQuery, None]) -> Page[Any]:
    """Stops by their beginning, newest first."""
    query = call.query
    matching = {"state": in_state(query.state), "is_rest": 1 if query.rests else None}
    return listed(call, "stops", matching, also=id_of)


@operation("GET", "/v1/zone-visits", scope=Scope.READ, query=VisitsQuery, answer=page_of(ZoneVisit))
def list_zone_visits(call: Call[VisitsQuery, None]) -> Page[Any]:
    """Visits of zones by the time of entering, newest first.

    `person` is null unless persons are asked for.
    """
    query = call.query
    matching = {
        "zone": query.zone,
        "plate": query.plate,
        "person": query.person,
        "state": in_state(query.state),
    }
    told = query.with_persons or bool(query.person)
    page = listed(call, "zone_visits", matching, blank=frozenset() if told else PERSONS, also=id_of)
    if told:
        note_persons(call, "list_zone_visits", page, query.person or query.plate or query.zone or query.terminal or "")
    return page
