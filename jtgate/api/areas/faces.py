"""Faces 人脸比对: pictures of drivers for an engine outside to compare, and what it found."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from jtgate.api.areas.rows import moment, number
from jtgate.api.context import decode_cursor, encode_cursor
from jtgate.api.operations import (
    INTEGER_MAX,
    Asked,
    Call,
    Moment,
    Page,
    PageQuery,
    ProblemError,
    Scope,
    Terminal,
    operation,
)
from jtgate.api.times import FromTime, ToTime
from jtgate.codecs.timebase import now_ms
from jtgate.pipeline.derive.evidence_of_persons import face_result
from jtgate.storage.model import FaceEventRow, StoreBatch
from jtgate.storage.store import Row, Store

#: Results of one request.
RESULTS_MAX: Final = 500
#: Events of the store looked through for one page.
LOOKED_MAX: Final = 20_000
_STORE_ROWS: Final = 1000
#: Under this name the store notes who wrote; it has no place in the spool.
CONSUMER: Final = "api:faces"

_Place = tuple[Annotated[int, Meta(ge=0, le=INTEGER_MAX)], Annotated[int, Meta(ge=0, le=INTEGER_MAX)]]
_Score = Annotated[float, Meta(ge=0, le=100, description="In the engine's own unit, the same for both.")]


class Face(msgspec.Struct, kw_only=True):
    """A picture that nobody has compared yet; terminal, time and fingerprint together are its key.

    Args:
        kind: capture 自动抓拍, driver_change 驾驶员变更 or compare 身份识别.
        image_sha256: hash of the picture.
        image_path: where it lies below the folder of files.
        alarm_number: 报警标识号 as hex, where it came with an alarm.
    """

    terminal: str
    time: Moment
    fingerprint: str
    kind: str
    image_sha256: str | None
    image_path: str | None
    alarm_number: str | None


class FacesQuery(PageQuery):
    """Which pictures."""

    terminal: Annotated[Terminal | None, Meta(description="Of this terminal only.")] = None
    from_: Annotated[FromTime | None, Meta(description="Begin, included.")] = msgspec.field(name="from", default=None)
    to: Annotated[ToTime | None, Meta(description="End, included.")] = None


class FaceFound(Asked, kw_only=True):
    """What an engine found in one picture; who it is compared with is `person`, a key of the registry of persons."""

    terminal: Terminal
    time: Annotated[FromTime, Meta(description="As GET /v1/faces tells it.")]
    fingerprint: Annotated[str, Meta(pattern="^[0-9a-f]{16}$", description="As GET /v1/faces tells it.")]
    engine: Annotated[str, Meta(min_length=1, max_length=100, description="Name and version of the engine.")]
    score: _Score = 0
    threshold: _Score = 0
    person: Annotated[str, Meta(max_length=40, description="Key of the registry of persons; empty: nobody's.")] = ""
    no_face: Annotated[bool, Meta(description="There is no face in the picture.")] = False


class FacesBody(Asked):
    """What an engine found."""

    results: Annotated[list[FaceFound], Meta(min_length=1, max_length=RESULTS_MAX)]


class FacesTaken(msgspec.Struct):
    """What was made of results.

    Args:
        results: for each "match", "near" (at most 5 % below the threshold), "no_match" or "no_face".
    """

    results: list[str]


@operation("GET", "/v1/faces", scope=Scope.READ, query=FacesQuery, answer=Page[Face], personal=True)
def list_faces_to_compare(call: Call[FacesQuery, None]) -> Page[Face]:
    """Pictures of drivers that no engine has compared yet, newest first.

    A page may be shorter than asked for: go on while there is a `next`.
    """
    query, api = call.query, call.api
    terminals = _terminals(call)
    before = decode_cursor(query.cursor, _Place) if query.cursor else None
    found: list[Row] = []
    looked, is_more = 0, True
    with api.store() as store:
        while is_more and len(found) < query.limit and looked < LOOKED_MAX:
            page = store.page(
                "face_events",
                terminals=terminals,
                from_ms=query.from_ or 0,
                to_ms=query.to,
                before=before,
                limit=_STORE_ROWS,
            )
            is_more = len(page) == _STORE_ROWS
            for row in page:
                looked += 1
                before = number(row, "event_time_ms"), number(row, "id")
                if row["result"] is None and row["image_path"] is not None:
                    found.append(row)
                    if len(found) == query.limit:
                        is_more = is_more or row is not page[-1]
                        break
    api.note(call.caller, "list_faces_to_compare", query.terminal or "*", len(found))
    return Page([_told(row) for row in found], encode_cursor(before) if is_more and before else None)


@operation(
    "POST",
    "/v1/faces/results",
    scope=Scope.COMMAND,
    body=FacesBody,
    answer=FacesTaken,
    example={
        "results": [
            {
                "terminal": "13800138000",
                "time": "2026-05-11T08:10:00+08:00",
                "fingerprint": "00c0ffee00c0ffee",
                "engine": "engine 2.1",
                "score": 0.93,
                "threshold": 0.8,
                "person": "P0001",
            }
        ]
    },
)
def put_face_results(call: Call[None, FacesBody]) -> FacesTaken:
    """Tell what an engine found; all of it is taken, or nothing.

    A score from the threshold on is a match, one at most 5 % below is near, any other is evidence against the person.
    Telling the same again changes nothing, a later result of the same picture replaces the one before.
    """
    api, visible, at_ms = call.api, call.api.visible(call.caller), now_ms()
    rows = []
    with api.store() as store:
        for place, one in enumerate(call.body.results):
            pointer = f"$.results[{place}]"
            terminal = one.terminal.lstrip("0")
            event = _event(store, terminal, one) if visible is None or terminal in visible else None
            if event is None:
                raise ProblemError(422, "no-such-face", "There is no such picture", pointer=pointer)
            if one.threshold <= 0 and not one.no_face:
                raise ProblemError(422, "bad-result", "A result without a threshold says nothing", pointer=pointer)
            rows.append(_row(event, one, at_ms))
        store.write(StoreBatch(face_events=rows), consumer=CONSUMER, seq=0)
    api.note(call.caller, "put_face_results", "*", len(rows))
    return FacesTaken([str(row.result) for row in rows])


def _terminals(call: Call[FacesQuery, None]) -> frozenset[str] | None:
    visible = call.api.visible(call.caller)
    if call.query.terminal is None:
        return visible
    key = call.query.terminal.lstrip("0")
    return frozenset({key} if visible is None or key in visible else ())


def _event(store: Store, terminal: str, one: FaceFound) -> Row | None:
    value = int(one.fingerprint, 16)
    signed = value - (1 << 64) if value >> 63 else value
    found = store.page(
        "face_events",
        terminals=(terminal,),
        from_ms=one.time,
        to_ms=one.time,
        matching={"fingerprint": signed},
        limit=1,
    )
    return found[0] if found else None


def _row(event: Row, one: FaceFound, at_ms: int) -> FaceEventRow:
    values: dict[str, Any] = {name: event[name] for name in FaceEventRow._fields}
    found: Mapping[str, Any] = {
        "engine": one.engine,
        "score": None if one.no_face else one.score,
        "threshold": None if one.no_face else one.threshold,
        "result": "no_face" if one.no_face else face_result(one.score, one.threshold),
        "person": None if one.no_face else one.person or None,
        "updated_ms": at_ms,
    }
    return FaceEventRow(**values | dict(found))


def _told(row: Row) -> Face:
    text = {name: None if row[name] is None else str(row[name]) for name in ("image_sha256", "image_path")}
    return Face(
        terminal=str(row["terminal"]),
        time=moment(row["event_time_ms"]) or "",
        fingerprint=f"{number(row, 'fingerprint') & 0xFFFF_FFFF_FFFF_FFFF:016x}",
        kind=str(row["kind"]),
        alarm_number=None if row["alarm_number"] is None else str(row["alarm_number"]),
        **text,
    )
