"""Areas and routes (JT/T 808 §7): layouts of the editions, periodic times, hemispheres, and the answer to a query."""

import json
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jtgate.codecs import deviations as dev
from jtgate.codecs.declare import Message
from jtgate.codecs.describe import describe_wire
from jtgate.codecs.edition import ALL_EDITIONS, Edition
from jtgate.codecs.errors import BodyError, EncodeError
from jtgate.codecs.header import encode_frames
from jtgate.codecs.jt808.area_fields import AreaTime, PeriodicTime
from jtgate.codecs.jt808.areas import (
    AREA_ATTRIBUTES,
    AreaQuery,
    AreaQueryAnswer,
    CircleArea,
    CircleBodies,
    CircleItems,
    DeleteCircles,
    DeletePolygons,
    DeleteRectangles,
    RectangleArea,
    RectangleItems,
    SetCircles,
    SetPolygon,
    SetRectangles,
    UnknownAreaData,
    Vertex,
)
from jtgate.codecs.jt808.routes import DeleteRoutes, RoutePoint, SetRoute
from jtgate.codecs.profile import Profile
from jtgate.codecs.registry import body_edition, decode_body, encode_body
from jtgate.codecs.timebase import RawTime

OLDEST, OLD, NEW = ALL_EDITIONS
VECTORS = Path(__file__).parents[3] / "shared" / "vectors" / "frames.jsonl"

DAILY: dict[str, Any] = {"start": PeriodicTime(0, 0, time(8, 30)), "end": PeriodicTime(0, 0, time(18))}
CIRCLE: dict[str, Any] = {"area_id": 1001, "latitude": 39.9, "longitude": 116.3, "radius_m": 500}
TIMED = bytes.fromhex("000000083000000000180000")


def decode(msg_id: int, body: bytes, header: Edition = OLD, **settings: Any) -> tuple[Any, list[str]]:
    """The message and the deviations; it goes out as it came."""
    profile = Profile(**settings)
    deviations: list[str] = []
    message = decode_body(msg_id, body, header, deviations, profile=profile)
    assert encode_body(message, body_edition(msg_id, body, header, profile), profile) == body
    return message, deviations


# --------------------------------------------------------------------------------- worked frame

F27 = (
    "7e8600402b010000000001391234567800080101000003e9002b0260d36006ee98e0000001f4000000083000000000180000003c0a0028"
    "0004b2d6bfe2a27e"
)
WAREHOUSE = SetCircles(
    action=1,
    areas=(
        CircleArea(
            **CIRCLE,
            **DAILY,
            attribute=0x2B,
            speed_limit_kmh=60,
            overspeed_duration_s=10,
            night_speed_limit_kmh=40,
            name="仓库",
        ),
    ),
)


def test_worked_frame_of_a_circle() -> None:
    """F27 of §12: a circle of 2019, its values and its bytes, both ways."""
    (described,) = describe_wire(bytes.fromhex(F27))
    assert described["edition"] == "2019"
    assert described["deviations"] == []
    body: Any = described["body"]
    assert body == WAREHOUSE.to_json()
    assert (body["areas"][0]["start"], body["areas"][0]["end"]) == ("daily 08:30:00", "daily 18:00:00")
    assert body["areas"][0]["name"] == "仓库"
    (wire,) = encode_frames(0x8600, WAREHOUSE.encode(NEW), phone="13912345678", serial=8, edition=NEW)
    assert wire.hex() == F27


# ------------------------------------------------------------------------------------- editions


def test_a_circle_in_each_edition() -> None:
    """2011 counts the package, 2019 adds night speed and name (§7.2)."""
    area: dict[str, Any] = {**CIRCLE, "attribute": 3, **DAILY, "speed_limit_kmh": 60, "overspeed_duration_s": 10}
    head, item = "000003e900030260d36006ee98e0000001f4", "003c0a"
    oldest = SetCircles(action=0, count=3, package_count=1, areas=(CircleArea(**area),))
    assert oldest.encode(OLDEST).hex() == f"000301{head}{TIMED.hex()}{item}"
    assert SetCircles(action=0, areas=(CircleArea(**area),)).encode(OLD).hex() == f"0001{head}{TIMED.hex()}{item}"
    new = SetCircles(action=0, areas=(CircleArea(**area, night_speed_limit_kmh=40, name="A"),))
    assert new.encode(NEW).hex() == f"0001{head}{TIMED.hex()}{item}0028000141"
    with pytest.raises(EncodeError, match="does not exist in edition 2013"):
        new.encode(OLD)


def test_a_rectangle_in_each_edition() -> None:
    """Two corners, then as a circle (§7.3)."""
    corners: dict[str, Any] = {
        "area_id": 2,
        "upper_left_latitude": 40.0,
        "upper_left_longitude": 116.0,
        "lower_right_latitude": 39.0,
        "lower_right_longitude": 117.0,
    }
    wire = "0000000200000262 5a0006ea0500 0253 17c006f94740".replace(" ", "")
    assert SetRectangles(action=2, areas=(RectangleArea(**corners, attribute=0),)).encode(OLD).hex() == f"0201{wire}"
    named = SetRectangles(action=2, areas=(RectangleArea(**corners, attribute=0, name=""),))
    assert named.encode(NEW).hex() == f"0201{wire}0000"
    oldest = SetRectangles(action=2, package_count=1, areas=(RectangleArea(**corners, attribute=0),))
    assert oldest.encode(OLDEST).hex() == f"020101{wire}"


POLYGON: dict[str, Any] = {
    "area_id": 7,
    "attribute": 2,
    "speed_limit_kmh": 80,
    "overspeed_duration_s": 5,
    "vertices": (Vertex(latitude=39.9, longitude=116.3), Vertex(latitude=39.8, longitude=116.4)),
}
VERTICES = "0260d36006ee98e0" + "025f4cc006f01f80"


def test_a_polygon_in_each_edition() -> None:
    """The night speed of 2019 stands after the vertices, not with the other speeds (§13 item 11)."""
    head = "00000007" + "0002" + "0050" + "05" + "0002"
    assert SetPolygon(**POLYGON).encode(OLD).hex() == head + VERTICES
    assert SetPolygon(**POLYGON, package_count=2).encode(OLDEST).hex() == head + "02" + VERTICES
    new = SetPolygon(**POLYGON, night_speed_limit_kmh=60, name="区")
    assert new.encode(NEW).hex() == head + VERTICES + "003c" + "0002" + "区".encode("gbk").hex()
    assert SetPolygon.decode(new.encode(NEW), NEW) == new


def test_a_route_in_each_edition() -> None:
    """2011 has no point id and one travel time; 2013 two; 2019 night speed and name (§7.5)."""
    point: dict[str, Any] = {
        "segment_id": 9,
        "latitude": 39.9,
        "longitude": 116.3,
        "width_m": 50,
        "segment_attribute": 3,
    }
    place = "0260d36006ee98e0" + "32" + "03"
    limits: dict[str, Any] = {"speed_limit_kmh": 80, "overspeed_duration_s": 5}
    oldest = RoutePoint(**point, travel_time_s=300, **limits)
    route: dict[str, Any] = {"route_id": 1, "attribute": 4}
    assert SetRoute(**route, package_count=1, points=(oldest,)).encode(OLDEST).hex() == (
        "00000001" + "0004" + "0001" + "01" + "00000009" + place + "012c" + "005005"
    )
    old = RoutePoint(**point, point_id=8, travel_time_max_s=600, travel_time_min_s=60, **limits)
    wire = "00000001" + "0004" + "0001" + "00000008" + "00000009" + place + "0258" + "003c" + "005005"
    assert SetRoute(**route, points=(old,)).encode(OLD).hex() == wire
    new = RoutePoint(
        **point, point_id=8, travel_time_max_s=600, travel_time_min_s=60, **limits, night_speed_limit_kmh=60
    )
    assert SetRoute(**route, points=(new,), name="R1").encode(NEW).hex() == wire + "003c" + "0002" + b"R1".hex()


@pytest.mark.parametrize("cls", [DeleteCircles, DeleteRectangles, DeletePolygons, DeleteRoutes])
@pytest.mark.parametrize("edition", ALL_EDITIONS)
def test_deletion(cls: Any, edition: Edition) -> None:
    """A count and ids; a count of 0 deletes all (§7.6)."""
    assert cls(ids=(1, 0xFFFFFFFF)).encode(edition).hex() == "0200000001ffffffff"
    assert cls().encode(edition) == b"\x00"
    assert cls.decode(b"\x00", edition).ids == ()
    deviations: list[str] = []
    cls.decode(bytes([126]) + bytes(4 * 126), edition, deviations)
    assert deviations == [dev.VALUE_OUT_OF_RANGE]


# ------------------------------------------------------------------------------------ detection


@pytest.mark.parametrize(
    ("body", "header", "layout"),
    [
        ("000301" + "000003e9" + "0000" + "0260d36006ee98e0000001f4", OLD, OLDEST),
        ("0001" + "000003e9" + "0000" + "0260d36006ee98e0000001f4", OLD, OLD),
        ("0001" + "000003e9" + "0000" + "0260d36006ee98e0000001f4" + "0000", OLD, NEW),
        ("0001" + "000003e9" + "0000" + "0260d36006ee98e0000001f4" + "0000", NEW, NEW),
        ("0001" + "000003e9" + "0000" + "0260d36006ee98e0000001f4", NEW, OLD),
        ("0101" + "000003e9", OLD, OLD),  # fits nothing: that of the header
    ],
)
def test_the_layout_of_circles_is_found_by_lengths(body: str, header: Edition, layout: Edition) -> None:
    """2011 and 2013 share a header; the layout whose lengths come out is taken (§2.4)."""
    assert body_edition(0x8600, bytes.fromhex(body), header) is layout


@pytest.mark.parametrize("edition", ALL_EDITIONS)
def test_the_layouts_of_the_others_are_found_too(edition: Edition) -> None:
    """Rectangles, polygons and routes of every edition under the header they have."""
    header = NEW if edition is NEW else OLD
    package: dict[str, Any] = {"package_count": 2} if edition is OLDEST else {}
    new: dict[str, Any] = {"night_speed_limit_kmh": 60, "name": "x"} if edition is NEW else {}
    polygon = SetPolygon(**POLYGON, **package, **new)
    assert body_edition(0x8604, polygon.encode(edition), header) is edition
    point_id: dict[str, Any] = {} if edition is OLDEST else {"point_id": 5}
    point = RoutePoint(**point_id, segment_id=9, latitude=39.9, longitude=116.3, width_m=50, segment_attribute=0)
    name: dict[str, Any] = {"name": "x"} if edition is NEW else {}
    route = SetRoute(route_id=1, attribute=0, points=(point, point), **package, **name)
    assert body_edition(0x8606, route.encode(edition), header) is edition
    assert decode_body(0x8606, route.encode(edition), header, []) == route


# ---------------------------------------------------------------------------------------- times


@pytest.mark.parametrize(
    ("wire", "shown", "value"),
    [
        ("000000083000", "daily 08:30:00", PeriodicTime(0, 0, time(8, 30))),
        ("000000000000", "daily 00:00:00", PeriodicTime(0, 0, time(0))),
        ("000015083000", "monthly 15 08:30:00", PeriodicTime(0, 15, time(8, 30))),
        ("001001000000", "yearly 10-01 00:00:00", PeriodicTime(10, 1, time(0))),
        ("000229120000", "yearly 02-29 12:00:00", PeriodicTime(2, 29, time(12))),
        ("250314083000", "2025-03-14T08:30:00+08:00", datetime(2025, 3, 14, 0, 30, tzinfo=UTC)),
        ("000000240000", "raw:000000240000", RawTime(bytes.fromhex("000000240000"))),
        ("000230000000", "raw:000230000000", RawTime(bytes.fromhex("000230000000"))),
        ("001000000000", "raw:001000000000", RawTime(bytes.fromhex("001000000000"))),
        ("ffffffffffff", "raw:ffffffffffff", RawTime(b"\xff" * 6)),
    ],
)
def test_times_of_areas(wire: str, shown: str, value: Any) -> None:
    """Leading zeros of the date mean "every"; what is neither date nor period is kept and noted (§7)."""
    body = bytes.fromhex("0001" + "000003e9" + "0001" + "0260d36006ee98e0000001f4" + wire + wire)
    message, deviations = decode(0x8600, body)
    assert message.areas[0].start == value
    assert message.to_json()["areas"][0]["end"] == shown
    assert deviations == ([dev.TIME_NOT_A_DATE] if shown.startswith("raw:") else [])
    assert AreaTime().from_json(shown) == value


@pytest.mark.parametrize("given", ["daily", "daily 25:00:00", "weekly 08:30:00", "yearly 08:30:00", 5])
def test_times_that_are_none(given: object) -> None:
    """What a person types is either a time or refused."""
    with pytest.raises(ValueError, match=r"time|hour|text"):
        AreaTime().from_json(given)


@pytest.mark.parametrize("start", [datetime(2000, 5, 1, tzinfo=UTC), PeriodicTime(2, 30, time(1))])
def test_times_that_cannot_be_written(start: Any) -> None:
    """The year 2000 stands for every year, and 30 February is no day."""
    with pytest.raises(EncodeError):
        SetPolygon(area_id=1, attribute=1, start=start, end=start, vertices=()).encode(OLD)


# ---------------------------------------------------------------------------------- hemispheres


def test_hemispheres_of_an_area() -> None:
    """Bits 6 and 7 of the attribute, which stands before the coordinates (§7.1)."""
    rio: dict[str, Any] = {"area_id": 1, "latitude": -22.906847, "longitude": -43.172897, "radius_m": 9}
    body = SetCircles(action=1, areas=(CircleArea(**rio, attribute=0xC0),)).encode(OLD)
    assert body.hex() == "0101" + "00000001" + "00c0" + "015d87df" + "0292c421" + "00000009"
    message, deviations = decode(0x8600, body)
    assert (message.areas[0].latitude, message.areas[0].longitude) == (-22.906847, -43.172897)
    assert deviations == []
    with pytest.raises(EncodeError, match="attribute bit 6 says positive"):
        SetCircles(action=1, areas=(CircleArea(**rio, attribute=0),)).encode(OLD)
    with pytest.raises(EncodeError, match="attribute bit 7 says negative"):
        SetCircles(action=1, areas=(CircleArea(**{**rio, "longitude": 43.0}, attribute=0xC0),)).encode(OLD)


@pytest.mark.parametrize("edition", ALL_EDITIONS)
def test_hemispheres_of_a_route_point(edition: Edition) -> None:
    """Bits 2 and 3 of the segment attribute, which stands after the coordinates (§7.5)."""
    point_id: dict[str, Any] = {} if edition is OLDEST else {"point_id": 1}
    name: dict[str, Any] = {"name": ""} if edition is NEW else {}
    package: dict[str, Any] = {"package_count": 1} if edition is OLDEST else {}
    point = RoutePoint(
        **point_id, segment_id=2, latitude=-22.906847, longitude=-43.172897, width_m=5, segment_attribute=0x0C
    )
    route = SetRoute(route_id=1, attribute=0, points=(point,), **package, **name)
    assert bytes.fromhex("015d87df0292c421050c") in route.encode(edition)
    assert SetRoute.decode(route.encode(edition), edition) == route


def test_the_vertices_of_a_polygon_share_its_hemispheres() -> None:
    """The attribute of the polygon is about every vertex."""
    south = SetPolygon(area_id=1, attribute=0x40, vertices=(Vertex(latitude=-1.0, longitude=2.0),))
    assert SetPolygon.decode(south.encode(OLD), OLD) == south


def test_a_coordinate_as_twos_complement_is_kept() -> None:
    """Some platform that ignores the bits is read all the same."""
    body = bytes.fromhex("0101" + "00000001" + "0000" + "fea27821" + "0292c421" + "00000009")
    message, deviations = decode(0x8600, body)
    assert message.areas[0].latitude == -22.906847
    assert deviations == [dev.LOCATION_SIGNED_COORDINATE]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 0xFFFFFFFF), st.integers(0, 0xFFFFFFFF), st.integers(0, 255), st.sampled_from(ALL_EDITIONS))
def test_any_coordinate_goes_out_as_it_came(latitude: int, longitude: int, attribute: int, edition: Edition) -> None:
    """Whatever the number and the bits, a point of a route is written again byte for byte."""
    attribute &= ~0x03
    ids = b"" if edition is OLDEST else bytes(4)
    package = b"\x01" if edition is OLDEST else b""
    point = ids + bytes(4) + latitude.to_bytes(4) + longitude.to_bytes(4) + bytes([9, attribute])
    body = bytes(6) + b"\x00\x01" + package + point + (bytes(2) if edition is NEW else b"")
    assert SetRoute.decode(body, edition).encode(edition) == body


# ---------------------------------------------------------------------------- query and its answer


def test_a_query() -> None:
    """A type and a DWORD count; no ids ask for all (§7.7, §13 item 9)."""
    assert AreaQuery(area_type=4, ids=(1, 2)).encode(NEW).hex() == "0400000002" + "00000001" + "00000002"
    assert AreaQuery(area_type=1).encode(NEW).hex() == "0100000000"


ITEM = "000003e9" + "0000" + "0260d36006ee98e0000001f4" + "000141"


@pytest.mark.parametrize(
    ("answer", "reading", "form", "noted"),
    [
        ("01" + "00000002" + ("0101" + ITEM) * 2, "auto", CircleBodies, []),
        ("01" + "00000002" + ITEM * 2, "auto", CircleItems, []),
        ("01" + "00000001" + "0102" + ITEM * 2, "auto", CircleBodies, []),
        ("01" + "00000002" + ("0101" + ITEM) * 2, "bodies", CircleBodies, []),
        ("01" + "00000002" + ("0101" + ITEM) * 2, "items", UnknownAreaData, [dev.AREA_ANSWER_UNDECODED]),
        ("01" + "00000002" + ITEM * 2, "bodies", UnknownAreaData, [dev.AREA_ANSWER_UNDECODED]),
        ("01" + "00000002" + ITEM * 2, "items", CircleItems, []),
        ("01" + "00000003" + ("0101" + ITEM) * 2, "auto", UnknownAreaData, [dev.AREA_ANSWER_UNDECODED]),
        ("01" + "00000002" + ("0101" + ITEM) * 2 + "00", "auto", UnknownAreaData, [dev.AREA_ANSWER_UNDECODED]),
        ("05" + "00000003" + "000000010000000200000003", "auto", UnknownAreaData, [dev.AREA_ANSWER_UNDECODED]),
    ],
)
def test_the_answer_to_a_query(answer: str, reading: str, form: type, noted: list[str]) -> None:
    """§13 item 10: whole bodies if as many as announced take all bytes, else items, else bytes; or by profile."""
    message, deviations = decode(0x0608, bytes.fromhex(answer), NEW, area_answer=reading)
    assert type(message.data) is form
    assert deviations == noted


def test_the_answer_is_annotated_once() -> None:
    """Trying the forms leaves no rows behind."""
    spans: list[Any] = []
    body = bytes.fromhex("01" + "00000002" + ITEM * 2)
    decode_body(0x0608, body, NEW, [], spans)
    assert b"".join(span.raw for span in sorted(spans, key=lambda span: span.offset)) == body
    assert [span.path for span in spans][2:4] == ["data.areas[0].area_id", "data.areas[0].attribute"]


def test_forms_of_the_answer_survive_json() -> None:
    """Bodies without an area look the same for circles and rectangles; the form is named then."""
    empty = AreaQueryAnswer(area_type=2, count=1, data=RectangleItems(areas=()))
    text = json.dumps(empty.to_json())
    assert AreaQueryAnswer.from_json(json.loads(text)) == empty


# ------------------------------------------------------------------------------- other readings


@pytest.mark.parametrize(
    ("msg_id", "body"),
    [
        (0x8600, "0001" + "000003e9" + "0000" + "0260d36006ee98e0000001f4" + TIMED.hex() + "003c0a"),
        (0x8604, "00000007" + "0000" + TIMED.hex() + "005005" + "0002" + VERTICES),
    ],
)
def test_fields_that_are_always_there(msg_id: int, body: str) -> None:
    """§13 item 12: a broker writes times and speeds whatever the bits say; a profile reads and writes it so."""
    message, deviations = decode(msg_id, bytes.fromhex(body), area_fields="always", edition="2013")
    area = message.areas[0] if msg_id == 0x8600 else message
    assert area.start == PeriodicTime(0, 0, time(8, 30))
    assert area.speed_limit_kmh in (60, 80)
    assert deviations == []
    with pytest.raises(EncodeError, match="only sent when bit 0 of attribute is set"):
        message.encode(OLD)


def test_a_name_only_with_a_speed_limit() -> None:
    """The same broker writes the name of 2019 only where there is a speed limit (§13 item 12)."""
    always: dict[str, Any] = {"area_fields": "always", "edition": "2019"}
    unlimited = bytes.fromhex("0001" + "000003e9" + "0000" + "0260d36006ee98e0000001f4" + TIMED.hex() + "003c0a0028")
    assert decode(0x8600, unlimited, NEW, **always)[0].areas[0].name is None
    limited = bytes.fromhex(
        "0001" + "000003e9" + "0002" + "0260d36006ee98e0000001f4" + TIMED.hex() + "003c0a0028000141"
    )
    assert decode(0x8600, limited, NEW, **always)[0].areas[0].name == "A"


# ---------------------------------------------------------------------------- damage and tables


@pytest.mark.parametrize("message", [WAREHOUSE, SetPolygon(**POLYGON, night_speed_limit_kmh=60, name="区")])
def test_a_body_that_is_cut_points_at_the_field(message: Message) -> None:
    """Wherever it is cut, the error has an offset inside and the name of a field."""
    body = message.encode(NEW)
    for length in range(len(body)):
        with pytest.raises(BodyError) as caught:
            type(message).decode(body[:length], NEW)
        assert 0 <= caught.value.offset <= length
        assert caught.value.field


def test_table_of_area_attributes() -> None:
    """§7.1: bits 8, 14 and 15 came in 2013; 9–13 are reserved."""
    assert [row.no for row in AREA_ATTRIBUTES] == [0, 1, 2, 3, 4, 5, 6, 7, 8, 14, 15]
    assert [row.no for row in AREA_ATTRIBUTES if OLDEST not in row.editions] == [8, 14, 15]


# ---------------------------------------------------------------------------------- shared frames


def _magnitudes(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _magnitudes(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_magnitudes(item) for item in value]
    return abs(value) if isinstance(value, float) else value


@pytest.mark.shared
@pytest.mark.parametrize("record_id", ["8600-001", "8600-002", "8602-001", "8606-001"])
def test_shared_frames_agree_but_for_the_sign(record_id: str) -> None:
    """The source of these frames ignores the hemisphere bits; everything else is what it published."""
    from vectors_areas import NAMES

    records = (json.loads(line) for line in VECTORS.read_text(encoding="utf-8").splitlines())
    (record,) = (one for one in records if one["id"] == f"sc808-jt808-{record_id}")
    (described,) = describe_wire(bytes.fromhex(record["hex"]))
    name = "route.points" if record_id.startswith("8606") else "area.items"
    ours = NAMES[int(record["msg_id"], 16), name](described["body"])
    assert _magnitudes(ours) == record["expect"][name]
