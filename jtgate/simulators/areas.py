"""Areas 区域 and routes 路线 that a platform has set in a simulated terminal (JT/T 808 §7): 0x8600 to 0x8608."""

from collections.abc import Iterable
from typing import Any

from jtgate.codecs import registry
from jtgate.codecs.edition import Edition
from jtgate.codecs.jt808 import (
    AreaQuery,
    AreaQueryAnswer,
    DeleteCircles,
    DeletePolygons,
    DeleteRectangles,
    DeleteRoutes,
    SetCircles,
    SetPolygon,
    SetRectangles,
    SetRoute,
)
from jtgate.codecs.jt808.areas import (
    CIRCLES,
    POLYGONS,
    RECTANGLES,
    ROUTES,
    AreaData,
    CircleBodies,
    PolygonBodies,
    RectangleBodies,
    RouteBodies,
)
from jtgate.simulators.answers import FAILED, NOT_SUPPORTED, OK, Duty, Reply, told
from jtgate.simulators.messages import read

QUERY_ANSWER = 0x0608

#: Areas of one type that a terminal has room for; more are refused with result 1.
AREAS_MAX = 100

UPDATE, APPEND, MODIFY = 0, 1, 2


class AreaBook:
    """The areas of one terminal.

    Args:
        edition: decides the layouts.
    """

    __slots__ = ("_edition", "_kept")

    def __init__(self, edition: Edition) -> None:
        self._edition = edition
        # By type and id, in the order in which they came: an item of 0x8600 and 0x8602, else the whole message.
        self._kept: dict[int, dict[int, Any]] = {CIRCLES: {}, RECTANGLES: {}, POLYGONS: {}, ROUTES: {}}

    def duties(self) -> dict[int, Duty]:
        """What is done about each command."""
        return {
            0x8600: lambda _serial, body, _now: self._set_some(read(SetCircles, body, self._edition), CIRCLES),
            0x8601: lambda _serial, body, _now: self._delete(read(DeleteCircles, body, self._edition), CIRCLES),
            0x8602: lambda _serial, body, _now: self._set_some(read(SetRectangles, body, self._edition), RECTANGLES),
            0x8603: lambda _serial, body, _now: self._delete(read(DeleteRectangles, body, self._edition), RECTANGLES),
            0x8604: lambda _serial, body, _now: self._set_one(read(SetPolygon, body, self._edition), POLYGONS),
            0x8605: lambda _serial, body, _now: self._delete(read(DeletePolygons, body, self._edition), POLYGONS),
            0x8606: lambda _serial, body, _now: self._set_one(read(SetRoute, body, self._edition), ROUTES),
            0x8607: lambda _serial, body, _now: self._delete(read(DeleteRoutes, body, self._edition), ROUTES),
            0x8608: self._tell,
        }

    def ids(self, area_type: int) -> list[int]:
        """Ids of the areas of a type 查询类型, in the order in which they came."""
        return list(self._kept[area_type])

    def _set_some(self, message: SetCircles | SetRectangles, area_type: int) -> Reply:
        """0x8600 and 0x8602: replace all 更新, add 追加 or change 修改."""
        kept = self._kept[area_type]
        items = {area.area_id: area for area in message.areas}
        if message.action == MODIFY and not items.keys() <= kept.keys():
            return FAILED  # one that is not there cannot be changed
        wanted = items if message.action == UPDATE else {**kept, **items}
        return self._keep(area_type, wanted)

    def _set_one(self, message: SetPolygon | SetRoute, area_type: int) -> Reply:
        """0x8604 and 0x8606: one of the same id is replaced."""
        number = message.area_id if isinstance(message, SetPolygon) else message.route_id
        return self._keep(area_type, {**self._kept[area_type], number: message})

    def _keep(self, area_type: int, wanted: dict[int, Any]) -> Reply:
        if len(wanted) > AREAS_MAX:
            return FAILED
        self._kept[area_type] = wanted
        return OK

    def _delete(self, message: Any, area_type: int) -> Reply:
        """0x8601, 0x8603, 0x8605, 0x8607: those given, or all when none is; one that is not there is gone already."""
        ids: Iterable[int] = message.ids or self.ids(area_type)
        for number in ids:
            self._kept[area_type].pop(number, None)
        return OK

    def _tell(self, _serial: int, body: bytes, _now: float) -> Reply:
        """0x8608 查询区域或线路数据, 2019: whole bodies, one for each area (§7.7)."""
        if self._edition is not Edition.V2019:
            return NOT_SUPPORTED
        query = read(AreaQuery, body, self._edition)
        kept = self._kept.get(query.area_type)
        if kept is None:
            return NOT_SUPPORTED
        found = [kept[number] for number in query.ids or kept if number in kept]
        data = _bodies(query.area_type, found)
        answer = AreaQueryAnswer(area_type=query.area_type, count=len(found), data=data)
        return told(QUERY_ANSWER, registry.encode_body(answer, self._edition), quotes=False)


def _bodies(area_type: int, found: list[Any]) -> AreaData:
    """DATA of 0x0608."""
    if area_type == CIRCLES:
        return CircleBodies(bodies=tuple(SetCircles(action=APPEND, areas=(area,)) for area in found))
    if area_type == RECTANGLES:
        return RectangleBodies(bodies=tuple(SetRectangles(action=APPEND, areas=(area,)) for area in found))
    if area_type == POLYGONS:
        return PolygonBodies(bodies=tuple(found))
    return RouteBodies(bodies=tuple(found))
