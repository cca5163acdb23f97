"""Strategies for areas, routes, media lists, CAN, the driving recorder and compressed data."""

from dataclasses import replace
from typing import Any

import declared_strategies as base
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from jtgate.codecs.coordinates import Coordinate
from jtgate.codecs.edition import Edition
from jtgate.codecs.jt808.area_fields import AreaTime, PeriodicTime
from jtgate.codecs.jt808.areas import (
    AreaQueryAnswer,
    CircleArea,
    CircleBodies,
    CircleItems,
    PolygonBodies,
    RectangleArea,
    RectangleBodies,
    RectangleItems,
    RouteBodies,
    SetCircles,
    SetPolygon,
    SetRectangles,
    UnknownAreaData,
)
from jtgate.codecs.jt808.can import DayTime
from jtgate.codecs.jt808.compressed import Compressed, CompressedData
from jtgate.codecs.jt808.media_commands import LongMediaItem, MediaItem, MediaItemWithoutId, MediaSearchAnswer
from jtgate.codecs.jt808.parameter_blocks import CollisionTime, Interval, PhotoInterval
from jtgate.codecs.jt808.recorder import (
    BareAnswer,
    BareRequest,
    PartOfAnswer,
    RecorderAnswer,
    RecorderCollect,
    RecorderError,
    RecorderRequest,
    RecorderSet,
    RecorderUpload,
    UncheckedAnswer,
    UncheckedRequest,
)
from jtgate.codecs.jt808.recorder_blocks import (
    ANSWER_BLOCKS,
    REQUEST_BLOCKS,
    AccidentRecords,
    EmptyBlock,
    PositionRecords,
    RecorderPosition,
    SpeedLogs,
    SpeedRecords,
)
from jtgate.codecs.jt808.recorder_kinds import Angle, BcdNumber, Height, WireNone
from jtgate.codecs.jt808.routes import RoutePoint, SetRoute
from jtgate.codecs.timebase import RawTime

# ---------------------------------------------------------------------------------------- areas


def _area_times(kind: AreaTime, edition: Edition) -> SearchStrategy[Any]:
    day_times = st.times().map(lambda at: at.replace(microsecond=0))
    periodic = st.builds(PeriodicTime, st.just(0), st.integers(0, 31), day_times)
    yearly = st.builds(PeriodicTime, st.integers(1, 12), st.integers(1, 28), day_times)
    calendar = base.values(kind._calendar, edition).filter(lambda value: value != RawTime(bytes(6)))
    return periodic | yearly | calendar | st.just(RawTime(b"\xff" * 6))


def _with_hemispheres(flags: str) -> Any:
    """Coordinates whose signs are those of the flags, in the structure itself and in its vertices."""

    @st.composite
    def draw_one(draw: st.DrawFn, cls: Any, edition: Edition) -> Any:
        one: Any = draw(base.declared(cls, edition))
        return _signed(one, getattr(one, flags), flags)

    return draw_one


def _signed(one: Any, bits: int, flags: str) -> Any:
    fields = {spec.name: getattr(one, spec.name) for spec in one.SPECS}
    for spec in one.SPECS:
        kind = spec.kind
        if isinstance(kind, Coordinate) and kind.flags == flags:
            angle = abs(fields[spec.name])
            fields[spec.name] = -angle if bits >> kind.hemisphere_bit & 1 and angle else angle
    if isinstance(one, SetPolygon):
        fields["vertices"] = tuple(_signed(vertex, bits, flags) for vertex in one.vertices)
    return type(one)(**fields)


_ITEM_OF = {CircleItems: CircleArea, RectangleItems: RectangleArea}
_BODY_OF = {
    CircleBodies: SetCircles,
    RectangleBodies: SetRectangles,
    PolygonBodies: SetPolygon,
    RouteBodies: SetRoute,
}
_AREA_TYPE = {
    CircleBodies: 1,
    CircleItems: 1,
    RectangleBodies: 2,
    RectangleItems: 2,
    PolygonBodies: 3,
    RouteBodies: 4,
}


def _no_body(area_type: int, items: Any, edition: Edition) -> bool:
    """Items that are not as many whole bodies by accident."""
    body = AreaQueryAnswer(area_type=area_type, count=1, data=items).encode(edition)
    return isinstance(AreaQueryAnswer.decode(body, edition).data, type(items))


@st.composite
def _area_answer(draw: st.DrawFn, cls: Any, edition: Edition) -> Any:
    form: Any = draw(st.sampled_from([*_BODY_OF, *_ITEM_OF, UnknownAreaData]))
    if form is UnknownAreaData:
        return cls(area_type=9, count=draw(st.integers(0, 5)), data=UnknownAreaData(data=draw(st.binary(max_size=20))))
    area_type = _AREA_TYPE[form]
    if form in _BODY_OF:
        bodies = draw(st.lists(base.structures(_BODY_OF[form], edition), max_size=2))
        return cls(area_type=area_type, count=len(bodies), data=form(bodies=tuple(bodies)))
    area = base.structures(_ITEM_OF[form], edition).map(lambda one: form(areas=(one,)))
    items = draw(area.filter(lambda one: _no_body(area_type, one, edition)))
    return cls(area_type=area_type, count=1, data=items)


# ---------------------------------------------------------------------------------------- media


@st.composite
def _search_answer(draw: st.DrawFn, cls: Any, edition: Edition) -> Any:
    """Items of one form, with equally long rests."""
    item: Any = MediaItemWithoutId if edition is Edition.V2011 else draw(st.sampled_from([MediaItem, LongMediaItem]))
    if item is LongMediaItem:
        rest = draw(st.integers(1, 12))
        item_strategy = base.structures(MediaItem, edition).flatmap(
            lambda one: st.binary(min_size=rest, max_size=rest).map(
                lambda data: LongMediaItem(
                    media_id=one.media_id,
                    media_type=one.media_type,
                    channel=one.channel,
                    event=one.event,
                    location=one.location,
                    location_rest=data,
                )
            )
        )
    else:
        item_strategy = base.structures(item, edition)
    items = tuple(draw(st.lists(item_strategy, max_size=3)))
    package = {"package_count": len(items)} if edition is Edition.V2011 else {}
    return cls(answer_serial=draw(st.integers(0, 0xFFFF)), items=items, **package)


# ------------------------------------------------------------------------------------- recorder


def _angles(kind: Angle, _edition: Edition) -> SearchStrategy[Any]:
    steps = st.integers(-kind.limit_deg * 600_000, kind.limit_deg * 600_000).filter(lambda raw: raw != -1)
    return st.none() | st.just(WireNone(b"\x7f\xff\xff\xff")) | steps.map(lambda raw: raw / 600_000)


@st.composite
def _position(draw: st.DrawFn, cls: Any, edition: Edition) -> Any:
    longitude, latitude = (draw(base.values(spec.kind, edition)) for spec in cls.SPECS[:2])
    heights = st.integers(-0x8000, 0x7FFE)
    missing = st.none() | heights.filter(lambda height: height != -1) | st.just(WireNone(b"\x7f\xff"))
    altitude = draw(heights if isinstance(longitude, float) else missing)
    return cls(longitude=longitude, latitude=latitude, altitude_m=altitude)


def _bcd_numbers(_kind: BcdNumber, _edition: Edition) -> SearchStrategy[Any]:
    return st.integers(0, 99999999).map(lambda raw: raw / 10) | st.just(WireNone(b"\xff" * 4))


#: Blocks of hundreds of values, made of a few bytes that are repeated -> bytes of a record.
_LARGE = {SpeedRecords: 126, PositionRecords: 666, AccidentRecords: 234, SpeedLogs: 133}


def _blocks(forms: dict[int, Any]) -> SearchStrategy[tuple[int, Any]]:
    """A command with a block of it."""

    def of(command: int) -> SearchStrategy[tuple[int, Any]]:
        strategies = [
            _large(form) if form in _LARGE else base.structures(form, Edition.V2013) for form in forms.get(command, ())
        ]
        return st.tuples(st.just(command), st.one_of(*strategies, st.just(EmptyBlock())).map(_not_empty))

    return st.sampled_from([*forms, 0x00, 0xE0]).flatmap(of)


def _not_empty(block: Any) -> Any:
    """A block without bytes is the empty block."""
    return block if block.encode() else EmptyBlock()


def _large(form: Any) -> SearchStrategy[Any]:
    few = st.binary(min_size=2, max_size=20)
    blocks = few.map(lambda data: form.decode((data * _LARGE[form])[: _LARGE[form]]))
    return blocks.map(_with_plain_licence) if form is AccidentRecords else blocks


def _with_plain_licence(block: AccidentRecords) -> AccidentRecords:
    """JSON does not carry the bytes of text that is none."""
    return AccidentRecords(records=tuple(replace(record, licence="110101199001011234") for record in block.records))


@st.composite
def _recorder(draw: st.DrawFn, cls: Any, edition: Edition) -> Any:
    """What the carriers hold, in every form."""
    upward = cls is RecorderUpload
    whole: Any = RecorderAnswer if upward else RecorderRequest
    unchecked: Any = UncheckedAnswer if upward else UncheckedRequest
    bare: Any = BareAnswer if upward else BareRequest
    command, block = draw(_blocks(ANSWER_BLOCKS if upward else REQUEST_BLOCKS))
    size = len(block.encode())
    heads = st.sampled_from([0xAA75, 0x557A])
    head = {"head": draw(heads), "command": command, "reserved": draw(st.integers(0, 255))}
    forms = [whole(**head, block=block), unchecked(**head, block=block, length=size + draw(st.integers(0, 3)))]
    if size and not block.encode().startswith((b"\xaa\x75", b"\x55\x7a")):
        forms.append(bare(block=block))
    if upward:
        forms.append(RecorderError(command=draw(st.sampled_from([0xFA, 0xFB]))))
    packet = draw(st.sampled_from(forms))
    if cls is RecorderCollect and edition is Edition.V2011:
        return cls(command=command)
    if not upward:
        return cls(command=command, packet=draw(st.none() | st.just(packet)))
    if edition is not Edition.V2011:
        return cls(answer_serial=draw(st.integers(0, 0xFFFF)), command=command, packet=packet)
    length = len(packet.encode())
    if draw(st.booleans()):
        part = PartOfAnswer(data=draw(st.binary(min_size=6, max_size=40)))
        return cls(command=command, packet=part, package_length=len(part.data), total_length=len(part.data) + 100)
    return cls(command=command, packet=packet, package_length=length, total_length=length)


# -------------------------------------------------------------------------------------- the rest


def _day_times(_kind: DayTime, _edition: Edition) -> SearchStrategy[Any]:
    return st.times().map(lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000)) | st.just(
        RawTime(b"\x99" * 5)
    )


def _compressed(_kind: Compressed, _edition: Edition) -> SearchStrategy[bytes]:
    heartbeat = bytes.fromhex("7e000200000139123456780001337e")
    content = st.binary(max_size=60) | st.just(heartbeat) | st.just(heartbeat * 2) | st.just(heartbeat[1:-2])
    return content.map(lambda data: CompressedData.of(data).data) | st.binary(max_size=30)


def _collision_times(_kind: CollisionTime, edition: Edition) -> SearchStrategy[int]:
    return st.integers(0, 255).map(lambda raw: raw if edition is Edition.V2019 else raw * 4)


def _intervals(kind: PhotoInterval, _edition: Edition) -> SearchStrategy[Interval]:
    return st.builds(Interval, st.integers(0, 0x7FFF), st.sampled_from(kind.units))


base.KINDS.update(
    {
        AreaTime: _area_times,
        Angle: _angles,
        Height: lambda *_: st.nothing(),  # made with its position
        BcdNumber: _bcd_numbers,
        DayTime: _day_times,
        Compressed: _compressed,
        CollisionTime: _collision_times,
        PhotoInterval: _intervals,
    }
)

_BY_ATTRIBUTE = _with_hemispheres("attribute")
base.SPECIAL.update(
    {
        CircleArea: _BY_ATTRIBUTE,
        RectangleArea: _BY_ATTRIBUTE,
        SetPolygon: _BY_ATTRIBUTE,
        RoutePoint: _with_hemispheres("segment_attribute"),
        AreaQueryAnswer: _area_answer,
        MediaSearchAnswer: _search_answer,
        RecorderPosition: _position,
        RecorderCollect: _recorder,
        RecorderSet: _recorder,
        RecorderUpload: _recorder,
    }
)
