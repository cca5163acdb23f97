"""Routes 路线 (JT/T 808 §7.5, §7.6): setting one and deleting some."""

from jtgate.codecs.coordinates import Coordinate
from jtgate.codecs.declare import (
    Message,
    Structure,
    byte,
    count_of,
    dword,
    message,
    of_kind,
    repeat,
    string,
    structure,
    word,
)
from jtgate.codecs.edition import ONLY_2011, ONLY_2019, SINCE_2013
from jtgate.codecs.groups import Nested
from jtgate.codecs.jt808.area_fields import AreaMoment, AreaTime, PackagedList, WhenBit, layout_that_fits
from jtgate.codecs.kinds import Number
from jtgate.codecs.tables import Bit, Bits

TIME_BIT = 0
SPEED_BIT = 1
SOUTH_BIT = 2
WEST_BIT = 3

#: 路线属性 (§7.5).
ROUTE_ATTRIBUTES = Bits(
    Bit(TIME_BIT, "根据时间", "by time"),
    # 1 reserved
    Bit(2, "进路线报警给驾驶员", "alarm to driver on enter"),
    Bit(3, "进路线报警给平台", "alarm to platform on enter"),
    Bit(4, "出路线报警给驾驶员", "alarm to driver on leave"),
    Bit(5, "出路线报警给平台", "alarm to platform on leave"),
    # 6–15 reserved
)

#: 路段属性 (§7.5).
SEGMENT_ATTRIBUTES = Bits(
    Bit(TIME_BIT, "行驶时间", "travel time"),
    Bit(SPEED_BIT, "限速", "speed limit"),
    Bit(SOUTH_BIT, "南纬", "south", "北纬", "north"),
    Bit(WEST_BIT, "西经", "west", "东经", "east"),
    # 4–7 reserved
)

_TIMED = WhenBit("attribute", (TIME_BIT,))
_SEGMENT_TIMED = WhenBit("segment_attribute", (TIME_BIT,))
_SEGMENT_LIMITED = WhenBit("segment_attribute", (SPEED_BIT,))

# The attribute with the hemispheres follows longitude and width.
_LATITUDE = Coordinate(SOUTH_BIT, 90, "segment_attribute", ahead=5)
_LONGITUDE = Coordinate(WEST_BIT, 180, "segment_attribute", ahead=1)


@structure(clause="§7.5")
class RoutePoint(Structure):
    """An inflection point 拐点; the segment 路段 runs from it to the next."""

    point_id: int | None = dword("拐点ID", editions=SINCE_2013, default=None)
    segment_id: int = dword("路段ID")
    latitude: float = of_kind("拐点纬度", _LATITUDE, unit="°")
    longitude: float = of_kind("拐点经度", _LONGITUDE, unit="°")
    width_m: int = byte("路段宽度", unit="m")
    segment_attribute: int = byte("路段属性", table=SEGMENT_ATTRIBUTES)
    travel_time_s: int | None = word("路段行驶时长", unit="s", editions=ONLY_2011, present=_SEGMENT_TIMED, default=None)
    travel_time_max_s: int | None = word(
        "路段行驶过长阈值", unit="s", editions=SINCE_2013, present=_SEGMENT_TIMED, default=None
    )
    travel_time_min_s: int | None = word(
        "路段行驶不足阈值", unit="s", editions=SINCE_2013, present=_SEGMENT_TIMED, default=None
    )
    speed_limit_kmh: int | None = word("路段最高速度", unit="km/h", present=_SEGMENT_LIMITED, default=None)
    overspeed_duration_s: int | None = byte("路段超速持续时间", unit="s", present=_SEGMENT_LIMITED, default=None)
    night_speed_limit_kmh: int | None = word(
        "路段夜间最高速度", unit="km/h", editions=ONLY_2019, present=_SEGMENT_LIMITED, default=None
    )


@message(0x8606, clause="§7.5", detect=layout_that_fits(0x8606))
class SetRoute(Message):
    """0x8606 设置路线: one route a message."""

    route_id: int = dword("路线ID")
    attribute: int = word("路线属性", table=ROUTE_ATTRIBUTES)
    start: AreaMoment | None = of_kind("起始时间", AreaTime(), present=_TIMED, default=None)
    end: AreaMoment | None = of_kind("结束时间", AreaTime(), present=_TIMED, default=None)
    count: int = count_of("points", 2, "路线总拐点数", default=None)
    package_count: int | None = count_of("points", 1, "包拐点数", editions=ONLY_2011, default=None)
    points: tuple[RoutePoint, ...] = of_kind("拐点项", PackagedList(Nested(RoutePoint)))
    name: str | None = string("路线名称", prefix=2, editions=ONLY_2019, default=None)


@message(0x8607, clause="§7.6")
class DeleteRoutes(Message):
    """0x8607 删除路线; no ids mean all."""

    count: int = count_of("ids", 1, "路线数", valid=(0, 125), default=None)
    ids: tuple[int, ...] = repeat("路线ID列表", Number(4), count="count", default=())
