"""Areas 区域 (JT/T 808 §7): circles, rectangles and polygons, their deletion, and the query of what is set."""

from typing import Any

from jtgate.codecs import deviations as dev
from jtgate.codecs.coordinates import Coordinate
from jtgate.codecs.declare import (
    Message,
    Structure,
    byte,
    count_of,
    dword,
    message,
    of_kind,
    one_of,
    raw,
    repeat,
    string,
    structure,
    word,
)
from jtgate.codecs.edition import ONLY_2011, ONLY_2019, SINCE_2013
from jtgate.codecs.errors import ProtocolError
from jtgate.codecs.groups import Nested
from jtgate.codecs.jt808.area_fields import AreaMoment, AreaTime, NameBlock, PackagedList, WhenBit, layout_that_fits
from jtgate.codecs.jt808.routes import SetRoute
from jtgate.codecs.kinds import Number
from jtgate.codecs.tables import Bit, Bits, Choices
from jtgate.codecs.wire import Run, Scope

#: 设置属性 of 0x8600 and 0x8602 (§7.2).
AREA_ACTIONS = Choices((0, "更新区域", "update, replacing all"), (1, "追加区域", "append"), (2, "修改区域", "modify"))

TIME_BIT = 0
SPEED_BIT = 1
SOUTH_BIT = 6
WEST_BIT = 7

#: 区域属性 (§7.1).
AREA_ATTRIBUTES = Bits(
    Bit(TIME_BIT, "根据时间", "by time"),
    Bit(SPEED_BIT, "限速", "speed limit"),
    Bit(2, "进区域报警给驾驶员", "alarm to driver on enter"),
    Bit(3, "进区域报警给平台", "alarm to platform on enter"),
    Bit(4, "出区域报警给驾驶员", "alarm to driver on leave"),
    Bit(5, "出区域报警给平台", "alarm to platform on leave"),
    Bit(SOUTH_BIT, "南纬", "south", "北纬", "north"),
    Bit(WEST_BIT, "西经", "west", "东经", "east"),
    Bit(8, "禁止开门", "doors must not open", "允许开门", "doors may open", SINCE_2013),
    # 9–13 reserved
    Bit(14, "进区域关闭通信模块", "communication module off inside", editions=SINCE_2013),
    Bit(15, "进区域采集GNSS详细定位数据", "detailed GNSS data inside", editions=SINCE_2013),
)

_TIMED = WhenBit("attribute", (TIME_BIT,))
_LIMITED = WhenBit("attribute", (SPEED_BIT,))
_NAMED = NameBlock("attribute", (SPEED_BIT,))


def area_latitude(term: str) -> Any:
    """DWORD of 1e-6 degrees, south by the attribute of the area."""
    return of_kind(term, Coordinate(SOUTH_BIT, 90, "attribute"), unit="°")


def area_longitude(term: str) -> Any:
    """DWORD of 1e-6 degrees, west by the attribute of the area."""
    return of_kind(term, Coordinate(WEST_BIT, 180, "attribute"), unit="°")


@structure(clause="§7.2")
class CircleArea(Structure):
    """A circle 圆形区域."""

    area_id: int = dword("区域ID")
    attribute: int = word("区域属性", table=AREA_ATTRIBUTES, clause="§7.1")
    latitude: float = area_latitude("中心点纬度")
    longitude: float = area_longitude("中心点经度")
    radius_m: int = dword("半径", unit="m")
    start: AreaMoment | None = of_kind("起始时间", AreaTime(), present=_TIMED, default=None)
    end: AreaMoment | None = of_kind("结束时间", AreaTime(), present=_TIMED, default=None)
    speed_limit_kmh: int | None = word("最高速度", unit="km/h", present=_LIMITED, default=None)
    overspeed_duration_s: int | None = byte("超速持续时间", unit="s", present=_LIMITED, default=None)
    night_speed_limit_kmh: int | None = word(
        "夜间最高速度", unit="km/h", editions=ONLY_2019, present=_LIMITED, default=None
    )
    name: str | None = string("区域名称", prefix=2, editions=ONLY_2019, present=_NAMED, default=None)


@structure(clause="§7.3")
class RectangleArea(Structure):
    """A rectangle 矩形区域."""

    area_id: int = dword("区域ID")
    attribute: int = word("区域属性", table=AREA_ATTRIBUTES, clause="§7.1")
    upper_left_latitude: float = area_latitude("左上点纬度")
    upper_left_longitude: float = area_longitude("左上点经度")
    lower_right_latitude: float = area_latitude("右下点纬度")
    lower_right_longitude: float = area_longitude("右下点经度")
    start: AreaMoment | None = of_kind("起始时间", AreaTime(), present=_TIMED, default=None)
    end: AreaMoment | None = of_kind("结束时间", AreaTime(), present=_TIMED, default=None)
    speed_limit_kmh: int | None = word("最高速度", unit="km/h", present=_LIMITED, default=None)
    overspeed_duration_s: int | None = byte("超速持续时间", unit="s", present=_LIMITED, default=None)
    night_speed_limit_kmh: int | None = word(
        "夜间最高速度", unit="km/h", editions=ONLY_2019, present=_LIMITED, default=None
    )
    name: str | None = string("区域名称", prefix=2, editions=ONLY_2019, present=_NAMED, default=None)


@message(0x8600, clause="§7.2", detect=layout_that_fits(0x8600))
class SetCircles(Message):
    """0x8600 设置圆形区域."""

    action: int = byte("设置属性", table=AREA_ACTIONS)
    count: int = count_of("areas", 1, "区域总数", default=None)
    package_count: int | None = count_of("areas", 1, "包区域数", editions=ONLY_2011, default=None)
    areas: tuple[CircleArea, ...] = of_kind("区域项", PackagedList(Nested(CircleArea)))


@message(0x8602, clause="§7.3", detect=layout_that_fits(0x8602))
class SetRectangles(Message):
    """0x8602 设置矩形区域."""

    action: int = byte("设置属性", table=AREA_ACTIONS)
    count: int = count_of("areas", 1, "区域总数", default=None)
    package_count: int | None = count_of("areas", 1, "包区域数", editions=ONLY_2011, default=None)
    areas: tuple[RectangleArea, ...] = of_kind("区域项", PackagedList(Nested(RectangleArea)))


@structure(clause="§7.4")
class Vertex(Structure):
    """A vertex 顶点 of a polygon."""

    latitude: float = area_latitude("顶点纬度")
    longitude: float = area_longitude("顶点经度")


@message(0x8604, clause="§7.4", detect=layout_that_fits(0x8604))
class SetPolygon(Message):
    """0x8604 设置多边形区域: one polygon a message; the night speed stands after the vertices (§13 item 11)."""

    area_id: int = dword("区域ID")
    attribute: int = word("区域属性", table=AREA_ATTRIBUTES, clause="§7.1")
    start: AreaMoment | None = of_kind("起始时间", AreaTime(), present=_TIMED, default=None)
    end: AreaMoment | None = of_kind("结束时间", AreaTime(), present=_TIMED, default=None)
    speed_limit_kmh: int | None = word("最高速度", unit="km/h", present=_LIMITED, default=None)
    overspeed_duration_s: int | None = byte("超速持续时间", unit="s", present=_LIMITED, default=None)
    count: int = count_of("vertices", 2, "区域总顶点数", default=None)
    package_count: int | None = count_of("vertices", 1, "包顶点数", editions=ONLY_2011, default=None)
    vertices: tuple[Vertex, ...] = of_kind("顶点项", PackagedList(Nested(Vertex)))
    night_speed_limit_kmh: int | None = word(
        "夜间最高速度", unit="km/h", editions=ONLY_2019, present=_LIMITED, default=None
    )
    name: str | None = string("区域名称", prefix=2, editions=ONLY_2019, present=_NAMED, default=None)


# ------------------------------------------------------------------------------------- deletion

#: Most ids of one order to delete (§7.6).
DELETED_MAX = 125


@structure(clause="§7.6")
class AreaIds(Structure):
    """The areas to delete; none means all of that type."""

    count: int = count_of("ids", 1, "区域数", valid=(0, DELETED_MAX), default=None)
    ids: tuple[int, ...] = repeat("区域ID列表", Number(4), count="count", default=())


@message(0x8601, clause="§7.6")
class DeleteCircles(AreaIds, Message):
    """0x8601 删除圆形区域."""


@message(0x8603, clause="§7.6")
class DeleteRectangles(AreaIds, Message):
    """0x8603 删除矩形区域."""


@message(0x8605, clause="§7.6")
class DeletePolygons(AreaIds, Message):
    """0x8605 删除多边形区域."""


# ---------------------------------------------------------------------------------------- query

CIRCLES, RECTANGLES, POLYGONS, ROUTES = 1, 2, 3, 4

#: 查询类型 (§7.7).
AREA_TYPES = Choices(
    (CIRCLES, "圆形区域", "circles"),
    (RECTANGLES, "矩形区域", "rectangles"),
    (POLYGONS, "多边形区域", "polygons"),
    (ROUTES, "路线", "routes"),
)


@message(0x8608, clause="§7.7")
class AreaQuery(Message):
    """0x8608 查询区域或线路数据; without ids all of that type."""

    area_type: int = byte("查询类型", table=AREA_TYPES)
    count: int = count_of("ids", 4, "要查询的区域或线路的ID数量", default=None)
    ids: tuple[int, ...] = repeat("查询的区域或线路的ID", Number(4), count="count", default=())


@structure(clause="§7.7")
class AreaData(Structure):
    """Base of the forms of DATA in 0x0608."""


@structure(clause="§7.7")
class CircleBodies(AreaData):
    """Whole bodies of 0x8600."""

    bodies: tuple[SetCircles, ...] = repeat("设置圆形区域", SetCircles)


@structure(clause="§7.7")
class CircleItems(AreaData):
    """Items of 0x8600."""

    areas: tuple[CircleArea, ...] = repeat("圆形区域项", CircleArea)


@structure(clause="§7.7")
class RectangleBodies(AreaData):
    """Whole bodies of 0x8602."""

    bodies: tuple[SetRectangles, ...] = repeat("设置矩形区域", SetRectangles)


@structure(clause="§7.7")
class RectangleItems(AreaData):
    """Items of 0x8602."""

    areas: tuple[RectangleArea, ...] = repeat("矩形区域项", RectangleArea)


@structure(clause="§7.7")
class PolygonBodies(AreaData):
    """Bodies of 0x8604, which are items at the same time."""

    bodies: tuple[SetPolygon, ...] = repeat("设置多边形区域", SetPolygon)


@structure(clause="§7.7")
class RouteBodies(AreaData):
    """Bodies of 0x8606, which are items at the same time."""

    bodies: tuple[SetRoute, ...] = repeat("设置路线", SetRoute)


@structure(clause="§7.7")
class UnknownAreaData(AreaData):
    """DATA that is none of these, as it came."""

    data: bytes = raw("数据")


_BODIES: dict[int, type[AreaData]] = {
    CIRCLES: CircleBodies,
    RECTANGLES: RectangleBodies,
    POLYGONS: PolygonBodies,
    ROUTES: RouteBodies,
}
_ITEMS: dict[int, type[AreaData]] = {
    CIRCLES: CircleItems,
    RECTANGLES: RectangleItems,
    POLYGONS: PolygonBodies,
    ROUTES: RouteBodies,
}
_WAYS = {"auto": (_BODIES, _ITEMS), "bodies": (_BODIES,), "items": (_ITEMS,)}


def _fits(form: type[AreaData], rest: bytes, count: int, run: Run) -> bool:
    """Whether bytes are `count` elements of a form and nothing else."""
    try:
        data: Any = form.decode(rest, run.edition, profile=run.profile)
    except ProtocolError:
        return False
    return not data.trailing and len(data.bodies if hasattr(data, "bodies") else data.areas) == count


def _data_form(rest: bytes, scope: Scope) -> type[AreaData]:
    """Whole bodies if as many as announced take all bytes, else items (§13 item 10); a profile may name one."""
    for forms in _WAYS[scope.run.profile.area_answer]:
        form = forms.get(scope["area_type"])
        if form is not None and _fits(form, rest, scope["count"], scope.run):
            return form
    scope.run.note(dev.AREA_ANSWER_UNDECODED)
    return UnknownAreaData


_FORMS: tuple[type[AreaData], ...] = (
    CircleBodies,
    CircleItems,
    RectangleBodies,
    RectangleItems,
    PolygonBodies,
    RouteBodies,
    UnknownAreaData,
)


@message(0x0608, clause="§7.7")
class AreaQueryAnswer(Message):
    """0x0608 查询区域或线路数据应答; no serial, it is matched by its id."""

    area_type: int = byte("查询类型", table=AREA_TYPES)
    count: int = dword("查询的区域或线路数量")
    data: AreaData = one_of("查询返回的数据", AreaData, _FORMS, _data_form)
