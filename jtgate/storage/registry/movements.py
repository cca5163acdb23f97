"""The registries of what moves and where: waybills 电子运单 and zones 区域."""

from typing import Final

from jtgate.storage.registry import choices
from jtgate.storage.registry.fields import Field, Kind, Need
from jtgate.storage.registry.kinds import (
    COUNTY,
    REMARK,
    choice,
    code,
    codes,
    color,
    date,
    flag,
    phone,
    plate,
    text,
)

#: Largest quantity of one line of goods, in its own unit.
QUANTITY_MAX: Final = 10_000_000

DATUM: Final = Field(
    "datum",
    "坐标系",
    "choice",
    "Datum of the coordinates in this row of the file; what is stored is always WGS-84.",
    choices=choices.DATUMS,
    stored=False,
)
SOURCE_DATUM: Final = choice(
    "source_datum", "原始坐标系", "Datum of the map that the coordinates were taken from.", choices.DATUMS
)


def time(name: str, term: str, about: str, need: Need = "may") -> Field:
    """A moment."""
    return Field(name, term, "time", about, need)


def _degrees(name: str, term: str, limit: int, about: str) -> Field:
    return Field(name, term, "number", about, "should", least=-limit, most=limit)


def _party(name: str, term: str, about: str) -> tuple[Field, Field]:
    return (
        text(name, term, f"Name of {about}.", "should", most=120),
        phone(f"{name}_phone", f"{term}电话", f"Telephone of {about}.", "should"),
    )


def _place(name: str, term: str, about: str) -> tuple[Field, ...]:
    return (
        text(f"{name}_address", f"{term}地址", f"Address of {about}.", "should", most=300),
        _degrees(f"{name}_latitude", f"{term}纬度", 90, f"Latitude of {about}, WGS-84 (HZ25)."),
        _degrees(f"{name}_longitude", f"{term}经度", 180, f"Longitude of {about}, WGS-84 (HZ25)."),
        code(f"{name}_zone", f"{term}区域", f"Zone of {about}, key of `zones`, where there is one (HZ31)."),
    )


#: A member of `drivers` or `escorts`.
CREW: Final = (
    code("person", "人员编码", "Key of `persons`, where it is known."),
    text("name", "姓名", "Name.", "should", most=60, personal=True),
    code("id_number", "身份证号", "Identity number.", "should", check="id_number", personal=True),
    code("certificate", "从业资格证号", "Number of the qualification.", "should", personal=True),
    phone("phone", "联系电话", "Telephone.", "should"),
)

#: A member of `goods`.
GOODS: Final = (
    code("un", "UN编号", "UN number.", "should", check="un"),
    text("name", "品名", "Proper shipping name.", "should", most=120),
    code("class", "类别", "Class or division.", "should", check="danger_class"),
    choice("packing_group", "包装类别", "Packing group.", choices.PACKING_GROUPS),
    text("packaging", "包装规格", "Kind and size of packages.", most=120),
    Field("quantity", "数量", "number", "Quantity in `unit`.", "should", least=0, most=QUANTITY_MAX),
    choice("unit", "单位", "Unit of the quantity.", choices.UNITS, "should"),
    Field("mass_kg", "质量", "number", "Mass, where the unit is no mass (HZ24).", least=0, most=QUANTITY_MAX),
    phone("emergency_phone", "应急电话", "Telephone for emergencies with these goods.", "should"),
)

WAYBILLS: Final = Kind(
    "waybills",
    "电子运单",
    "Electronic waybills: one vehicle, one run, one waybill (Order 29, article 24).",
    (
        code("waybill", "运单号", "Number of the waybill.", "key"),
        choice("state", "运单状态", "How far it is.", choices.WAYBILL_STATES, "must"),
        Field(
            "revision",
            "版本",
            "integer",
            "Version of the waybill, counted by who made it.",
            "should",
            least=0,
            most=9999,
        ),
        time("created_ms", "制单时间", "When it was made (HZ22).", "should"),
        time("plan_depart_ms", "计划出发时间", "Planned departure (HZ25).", "should"),
        time("depart_ms", "实际出发时间", "Actual departure (HZ22)."),
        time("plan_arrive_ms", "计划到达时间", "Planned arrival (HZ25).", "should"),
        time("arrive_ms", "实际到达时间", "Actual arrival."),
        flag("urban_delivery", "城市配送", "Whether it is delivery within a city.", "should"),
        *_party("consignor", "托运人", "the consignor"),
        *_party("loader", "装货人", "who loads"),
        *_party("consignee", "收货人", "the consignee"),
        *_place("load", "装货", "the loading point"),
        *_place("unload", "卸货", "the unloading point"),
        code("enterprise", "企业编码", "The carrier, key of `enterprises`."),
        text("carrier", "承运人", "Name of the carrier.", "should", most=120),
        code("carrier_permit", "承运人许可证号", "Number of the carrier's permit.", "should"),
        phone("carrier_phone", "承运人电话", "Telephone of the carrier.", "should"),
        COUNTY,
        plate("plate", "车牌号", "Plate of the tractor or truck.", "must"),
        color("plate_color", "车牌颜色", "Colour of that plate.", "must"),
        code("certificate", "道路运输证号", "Transport certificate of the tractor or truck.", "should"),
        plate("trailer_plate", "挂车车牌号", "Plate of the trailer."),
        color("trailer_plate_color", "挂车车牌颜色", "Colour of the trailer's plate."),
        code("trailer_certificate", "挂车道路运输证号", "Transport certificate of the trailer."),
        code("tank", "罐体编号", "Tank, key of `tanks` (HZ15)."),
        Field("tank_volume_m3", "罐体容积", "number", "Volume of the tank.", least=0, most=200),
        Field("drivers", "驾驶员", "list", "Drivers (HZ26).", "should", most=10, fields=CREW, personal=True),
        Field("escorts", "押运员", "list", "Escorts (HZ27).", "should", most=10, fields=CREW, personal=True),
        Field("goods", "货物", "list", "Goods (HZ23, HZ24).", "should", most=100, fields=GOODS),
        flag("full_load", "是否满载", "Whether the vehicle is full."),
        Field(
            "route",
            "计划路线",
            "geometry",
            "Planned line or points on the way, GeoJSON (HZ32).",
            shapes=("LineString", "MultiPoint"),
        ),
        Field("distance_km", "运输距离", "number", "Length of the way.", least=0, most=20_000),
        code("route_permit", "通行证号", "Pass of the police for route and time, such as the one for toxic goods."),
        text("dispatcher", "调度员", "Who sent the vehicle.", "should", most=60, personal=True),
        time("dispatched_ms", "调度时间", "When it was sent.", "should"),
        DATUM,
        SOURCE_DATUM,
        REMARK,
    ),
    (("plan_depart_ms", "plan_arrive_ms"), ("depart_ms", "arrive_ms")),
    {
        "waybill": "YD202611240001",
        "state": "PLANNED",
        "revision": 1,
        "created": "2026-11-24T06:10:00+08:00",
        "plan_depart": "2026-11-24T08:00:00+08:00",
        "plan_arrive": "2026-11-24T14:00:00+08:00",
        "urban_delivery": False,
        "consignor": "测试化工厂",
        "consignor_phone": "0427-0000001",
        "loader": "测试化工厂",
        "loader_phone": "0427-0000001",
        "consignee": "测试加油站",
        "consignee_phone": "0427-0000002",
        "load_address": "测试园区1号",
        "load_latitude": 41.12,
        "load_longitude": 122.07,
        "unload_address": "测试路2号",
        "unload_latitude": 41.3,
        "unload_longitude": 122.4,
        "enterprise": "E001",
        "carrier": "测试危货运输有限公司",
        "carrier_permit": "211100000001",
        "carrier_phone": "0427-0000000",
        "plate": "测A12345",
        "plate_color": "黄",
        "certificate": "211100012345",
        "tank": "T0001",
        "drivers": [
            {
                "person": "P0001",
                "name": "测试甲",
                "id_number": "110101190001010006",
                "certificate": "2111000000000001",
                "phone": "13900000001",
            }
        ],
        "escorts": [
            {
                "person": "P0002",
                "name": "测试乙",
                "id_number": "110101190001010022",
                "certificate": "2111000000000002",
                "phone": "13900000002",
            }
        ],
        "goods": [
            {
                "un": "1203",
                "name": "汽油",
                "class": "3",
                "packing_group": "II",
                "quantity": 10,
                "unit": "t",
                "emergency_phone": "0427-0000001",
            }
        ],
        "dispatcher": "测试丙",
        "dispatched": "2026-11-24T06:30:00+08:00",
    },
)

#: A member of `windows`: what is left out does not restrict.
WINDOW: Final = (
    Field(
        "weekdays",
        "星期",
        "list",
        "Days of the week, 1 Monday to 7 Sunday.",
        most=7,
        item=Field("weekdays", "星期", "integer", "A day of the week.", least=1, most=7),
    ),
    date("date_from", "起始日期", "First day."),
    date("date_to", "截止日期", "Last day."),
    Field("time_from", "起始时刻", "clock", "From this time of the day, +08:00."),
    Field("time_to", "截止时刻", "clock", "To this time of the day; earlier than the first: over midnight."),
)

#: A member of `capacity_by_class`: goods that may not stand together are counted apart.
CAPACITY: Final = (
    codes("classes", "类别", "Classes of the group.", check="danger_class", need="must"),
    Field("capacity", "容量", "integer", "Vehicles of the group.", "must", least=0, most=100_000),
)

ZONES: Final = Kind(
    "zones",
    "区域",
    "Areas and lines on the map with what holds there.",
    (
        code("zone", "区域编号", "Number of the zone.", "key"),
        text("name", "区域名称", "Name.", "must", most=120),
        choice("zone_kind", "区域类型", "What holds in it.", choices.ZONE_KINDS, "must"),
        COUNTY,
        Field(
            "geometry",
            "几何图形",
            "geometry",
            "GeoJSON: Polygon or MultiPolygon, Point with radius_m (a circle), LineString with width_m (a road).",
            "must",
            shapes=("Polygon", "MultiPolygon", "Point", "LineString"),
        ),
        Field("radius_m", "半径", "number", "Radius around a Point.", least=1, most=100_000),
        Field("width_m", "宽度", "number", "Width of a LineString, both sides together.", least=1, most=10_000),
        DATUM,
        SOURCE_DATUM,
        Field("windows", "生效时段", "list", "When it holds; none: always (HZ28).", most=50, fields=WINDOW),
        codes("goods_classes", "限制类别", "Classes that it is about; none: all (HZ28).", check="danger_class"),
        Field("speed_limit_kmh", "限速", "number", "Speed limit (HZ01 to HZ03).", least=1, most=200),
        Field("capacity", "容量", "integer", "Vehicles that it holds.", least=0, most=100_000),
        Field(
            "capacity_by_class",
            "分类容量",
            "list",
            "Vehicles that it holds, by group of classes.",
            most=20,
            fields=CAPACITY,
        ),
        Field("stay_limit_min", "停留时限", "integer", "Longest stay, minutes (HZ30, HZ31).", least=1, most=527_040),
        code("park", "所属园区", "Park that a gate, yard, ring or loading point belongs to, key of `zones`."),
        code("enterprise", "企业编码", "Whose depot or loading point it is, key of `enterprises`."),
        text("contact", "联系人", "Who is told.", most=60, personal=True),
        phone("contact_phone", "联系人电话", "Telephone of who is told."),
        REMARK,
    ),
    (),
    {
        "zone": "Z001",
        "name": "测试园区",
        "zone_kind": "PARK",
        "county": "211102",
        "geometry": {
            "type": "Polygon",
            "coordinates": [[[122.05, 41.1], [122.09, 41.1], [122.09, 41.13], [122.05, 41.13], [122.05, 41.1]]],
        },
        "datum": "WGS-84",
        "speed_limit_kmh": 30,
        "stay_limit_min": 360,
        "windows": [{"weekdays": [1, 2, 3, 4, 5], "time_from": "06:00", "time_to": "22:00"}],
    },
)
