"""Decisions of inspectors about who drove: they stand over every other source (regulation §6, rank 0)."""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from jtgate.api.areas.registries import may_see
from jtgate.api.areas.rows import moment, number
from jtgate.api.context import decode_cursor, encode_cursor
from jtgate.api.operations import INTEGER_MAX, Asked, Call, Moment, Page, PageQuery, ProblemError, Scope, operation
from jtgate.api.times import FromTime
from jtgate.codecs.timebase import now_ms
from jtgate.storage.model import DriverOverrideRow, StoreBatch
from jtgate.storage.store import Row, Store

#: Under this name the store notes who wrote; it has no place in the spool.
CONSUMER: Final = "api:overrides"
#: Longest stretch that one decision may cover.
LONGEST_MS: Final = 31 * 86_400_000

_Place = tuple[Annotated[int, Meta(ge=0, le=INTEGER_MAX)], Annotated[int, Meta(ge=0, le=INTEGER_MAX)]]
_Plate = Annotated[str, Meta(min_length=1, max_length=20, description="车牌号.")]
_Color = Annotated[int, Meta(ge=0, le=255, description="车牌颜色 by JT/T 697.7; 2, yellow, when left out.")]


class Override(msgspec.Struct, kw_only=True):
    """A decision about who was on board.

    Args:
        person: key of the registry of persons; "" takes back what was said for this beginning before.
        made: when it was entered; of those with one beginning the newest stands.
        made_by: name of the token.
    """

    plate: str
    plate_color: int
    role: str
    person: str
    started: Moment
    ended: Moment | None
    made: Moment
    made_by: str
    evidence: str


class OverridesQuery(PageQuery, kw_only=True):
    """Of which vehicle."""

    plate: _Plate
    plate_color: _Color = 2


class OverrideBody(Asked, kw_only=True):
    """Who was on board, from when to when, and what that rests on."""

    plate: _Plate
    plate_color: _Color = 2
    role: Annotated[Literal["driver", "escort"], Meta(description="驾驶员 or 押运员.")] = "driver"
    person: Annotated[
        str, Meta(max_length=40, description="Key of the registry of persons; empty takes an earlier decision back.")
    ]
    from_: Annotated[FromTime, Meta(description="Begin, included.")] = msgspec.field(name="from")
    to: Annotated[
        FromTime | None, Meta(description="End; without it: until the ignition is off for 20 minutes, 12 h at most.")
    ] = None
    evidence: Annotated[str, Meta(min_length=1, max_length=1000, description="What the decision rests on.")]


@operation(
    "POST",
    "/v1/bindings/overrides",
    scope=Scope.COMMAND,
    body=OverrideBody,
    answer=Override,
    problems=(404,),
    personal=True,
    example={
        "plate": "测A12345",
        "person": "P0002",
        "from": "2026-05-11T08:00:00+08:00",
        "to": "2026-05-11T12:00:00+08:00",
        "evidence": "roadside inspection no. 17: licence seen",
    },
)
def put_override(call: Call[None, OverrideBody]) -> Override:
    """Decide who was on board; bindings are worked out anew within seconds, closed ones get a correcting row.

    City and county only: a token limited to an enterprise is refused, one limited to a county decides for its vehicles.
    """
    body, api, at_ms = call.body, call.api, now_ms()
    _keep_enterprises_out(call)
    end_ms = None if body.to is None else int(body.to)
    if end_ms is not None and not 0 < end_ms - body.from_ <= LONGEST_MS:
        raise ProblemError(422, "bad-override", "The end does not fit", "after the begin, within 31 days", "$.to")
    if body.from_ > at_ms:
        raise ProblemError(422, "bad-override", "The begin does not fit", "it is in the future", "$.from")
    with api.store() as store:
        _need_vehicle(call, store, body.plate, body.plate_color)
        if body.person and not store.registry_rows("persons", key=(body.person,), at_ms=at_ms, limit=1):
            raise ProblemError(422, "no-such-person", "There is no such person on file", pointer="$.person")
        row = DriverOverrideRow(
            body.plate, body.plate_color, body.role, int(body.from_), at_ms, end_ms, body.person, call.caller.name,
            body.evidence, at_ms,
        )  # fmt: skip
        standing = _standing(store, row)
        if standing is None:
            store.write(StoreBatch(driver_overrides=[row]), consumer=CONSUMER, seq=0)
    api.note(call.caller, "put_override", body.plate, 1)
    return _told(standing if standing is not None else row._asdict())


@operation(
    "GET",
    "/v1/bindings/overrides",
    scope=Scope.READ,
    query=OverridesQuery,
    answer=Page[Override],
    problems=(404,),
    personal=True,
)
def list_overrides(call: Call[OverridesQuery, None]) -> Page[Override]:
    """Decisions of inspectors about a vehicle, newest beginning first, those that were replaced among them."""
    query = call.query
    with call.api.store() as store:
        if call.caller.is_limited:
            _need_vehicle(call, store, query.plate, query.plate_color)
        found = store.page(
            "driver_overrides",
            matching={"plate": query.plate, "plate_color": query.plate_color},
            before=decode_cursor(query.cursor, _Place) if query.cursor else None,
            limit=query.limit + 1,
        )
    rows = found[: query.limit]
    call.api.note(call.caller, "list_overrides", query.plate, len(rows))
    is_more = len(found) > len(rows)
    place = encode_cursor((number(rows[-1], "started_ms"), number(rows[-1], "id"))) if is_more else None
    return Page([_told(row) for row in rows], place)


def _keep_enterprises_out(call: Call[Any, Any]) -> None:
    if call.caller.enterprise:
        raise ProblemError(
            403, "token-limited", "A token of an enterprise may not do that", "city and county decide who drove"
        )


def _need_vehicle(call: Call[Any, Any], store: Store, plate: str, color: int) -> None:
    rows = store.registry_rows("vehicles", key=(plate, color), at_ms=now_ms(), limit=1)
    if not rows or not may_see(call.api, call.caller, "vehicles", rows[0]):
        raise ProblemError(404, "vehicle-not-found", "There is no such vehicle in the registry")


def _standing(store: Store, row: DriverOverrideRow) -> Row | None:
    """The newest decision with this beginning, when it says the same."""
    names = ("plate", "plate_color", "role", "started_ms")
    values = row._asdict()
    matching = {name: values[name] for name in names}
    known = store.page("driver_overrides", from_ms=row.started_ms, to_ms=row.started_ms, matching=matching, limit=1000)
    newest = max(known, key=lambda one: number(one, "made_ms"), default=None)
    if newest is None or any(newest[name] != values[name] for name in ("person", "ended_ms", "evidence", "made_by")):
        return None
    return newest


def _told(row: Row) -> Override:
    return Override(
        plate=str(row["plate"]),
        plate_color=number(row, "plate_color"),
        role=str(row["role"]),
        person=str(row["person"]),
        started=moment(row["started_ms"]) or "",
        ended=moment(row["ended_ms"]),
        made=moment(row["made_ms"]) or "",
        made_by=str(row["made_by"]),
        evidence=str(row["evidence"]),
    )
