"""`jtgate areas`: circles, rectangles, polygons and routes that a terminal watches by itself."""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

from jtgate.cli.client import Client, with_api
from jtgate.cli.common import Failure, Group, examples, json_option, print_table
from jtgate.cli.sending import How, edition_of, finish, send, submit, tell, wait, with_how

#: 区域属性 and 路线属性 (§7.1, §7.5).
_LIMITED, _ENTER_DRIVER, _ENTER_PLATFORM, _LEAVE_DRIVER, _LEAVE_PLATFORM = 2, 4, 8, 16, 32
_ALARMS: Final = {
    "enter-driver": _ENTER_DRIVER,
    "enter-platform": _ENTER_PLATFORM,
    "leave-driver": _LEAVE_DRIVER,
    "leave-platform": _LEAVE_PLATFORM,
}
_SOUTH, _WEST = 64, 128
_SEGMENT_LIMITED, _SEGMENT_SOUTH, _SEGMENT_WEST = 2, 4, 8
_APPEND: Final = 1
_MAX_ID: Final = 0xFFFF_FFFF
#: Features of one call, and vertices of one of them.
FEATURES_MAX: Final = 500
VERTICES_MAX: Final = 2000

KINDS: Final = {"circles": 1, "rectangles": 2, "polygons": 3, "routes": 4}

Fields = dict[str, Any]


class Place(NamedTuple):
    """A message that sets a place, and its fields."""

    message: str
    fields: Fields


class Wish(NamedTuple):
    """What is wanted of every place.

    Args:
        first_id: id of the first place without one.
        alarms: bits of the attribute.
        speed_limit_kmh: None for none.
        overspeed_s: how long it may be passed.
        width_m: of a route.
        is_2019: the terminal has names and night speeds.
    """

    first_id: int
    alarms: int
    speed_limit_kmh: int | None
    overspeed_s: int
    width_m: int
    is_2019: bool


@click.group(
    cls=Group,
    epilog=examples(
        "jtgate areas push 13800138000 yards.geojson --alarm enter-platform --alarm leave-platform",
        "jtgate areas ls 13800138000",
        "jtgate areas delete 13800138000 circles 1 2",
    ),
)
def areas() -> None:
    """Areas and routes 区域 路线 that a terminal watches by itself."""


@areas.command(
    "push",
    epilog=examples(
        "jtgate areas push 13800138000 yards.geojson",
        "jtgate areas push 13800138000 --zone Z001 --zone Z002 --speed-limit 30",
        "jtgate areas push 13800138000 route.geojson --width 50 --queue",
    ),
)
@click.argument("phone")
@click.argument(
    "path", metavar="[FILE]", required=False, type=click.Path(path_type=Path, allow_dash=True, dir_okay=False)
)
@click.option("--zone", "zones", multiple=True, metavar="ZONE", help="A zone of the registry; may be repeated.")
@click.option("--first-id", type=click.IntRange(1, _MAX_ID), default=1, show_default=True, help="Id of the first.")
@click.option("--alarm", "alarms", multiple=True, type=click.Choice(tuple(_ALARMS)), help="Alarm; may be repeated.")
@click.option("--speed-limit", "speed_limit_kmh", type=click.IntRange(1, 255), help="km/h.")
@click.option("--overspeed", "overspeed_s", type=click.IntRange(0, 255), default=10, show_default=True, help="Seconds.")
@click.option("--width", "width_m", type=click.IntRange(1, 255), default=50, show_default=True, help="Of routes, m.")
@with_how
@with_api
@json_option
def push(
    phone: str,
    path: Path | None,
    zones: tuple[str, ...],
    first_id: int,
    alarms: tuple[str, ...],
    speed_limit_kmh: int | None,
    overspeed_s: int,
    width_m: int,
    how: How,
    client: Client,
    *,
    as_json: bool,
) -> None:
    """Set places of a GeoJSON file, or zones of the registry; those that are there already stay.

    A point with the property radius_m is a circle, a polygon with the property "rectangle": true
    a rectangle, other polygons are polygons, lines are routes. The property id is its id; without it
    they are counted from --first-id. Coordinates are WGS-84.
    """
    features = [*(_features(path) if path is not None else ()), *(_zone(client, name) for name in zones)]
    if not features:
        raise click.UsageError("name a GeoJSON file, or zones with --zone")
    bits = sum({_ALARMS[name] for name in alarms})
    is_2019 = edition_of(client, phone) == "2019"
    wish = Wish(first_id, bits, speed_limit_kmh, overspeed_s, width_m, is_2019)
    sent = [submit(client, phone, place.message, place.fields, how) for place in [*places(features, wish)]]
    found = wait(client, sent, how.wait_s)
    for one in found:
        tell(one, as_json=as_json)
    finish(found, how)


@areas.command(
    "delete", epilog=examples("jtgate areas delete 13800138000 circles 1 2", "jtgate areas delete 13800138000 routes")
)
@click.argument("phone")
@click.argument("kind", type=click.Choice(tuple(KINDS)))
@click.argument("ids", nargs=-1, type=click.IntRange(0, _MAX_ID), metavar="[ID]...")
@with_how
@with_api
@json_option
def delete(phone: str, kind: str, ids: tuple[int, ...], how: How, client: Client, *, as_json: bool) -> None:
    """Delete places of a kind by their ids; without ids all of that kind."""
    found = send(client, phone, f"delete_{kind}", {"ids": list(ids)}, how)
    tell(found, as_json=as_json)
    finish([found], how)


@areas.command("ls", epilog=examples("jtgate areas ls 13800138000", "jtgate areas ls 13800138000 circles 1 --json"))
@click.argument("phone")
@click.argument("kind", type=click.Choice(("all", *KINDS)), default="all")
@click.argument("ids", nargs=-1, type=click.IntRange(0, _MAX_ID), metavar="[ID]...")
@with_how
@with_api
@json_option
def ls(phone: str, kind: str, ids: tuple[int, ...], how: How, client: Client, *, as_json: bool) -> None:
    """Ask which places a terminal has 查询区域或线路数据; terminals of the edition of 2019 only."""
    found: list[Fields] = []
    rows: list[tuple[object, ...]] = []
    for name in KINDS if kind == "all" else (kind,):
        found.append(send(client, phone, "area_query", {"area_type": KINDS[name], "ids": list(ids)}, how))
        if as_json or found[-1]["state"] != "answered":
            tell(found[-1], as_json=as_json)
            if found[-1]["state"] != "answered":
                break  # the other kinds would fare no better
        else:
            rows += [_row(name, area) for area in told_areas(found[-1]["answer"]["body"])]
    if rows:
        print_table(("kind", "id", "name", "where…", "limit", "alarms…"), rows, right=("id",))
    elif not as_json and found[-1]["state"] == "answered":
        click.echo("the terminal has none")
    finish(found, how)


def told_areas(body: Fields) -> Iterator[Fields]:
    """Places in the body of a 0x0608, whichever way the terminal wrote them."""
    data = body.get("data")
    if not isinstance(data, dict):
        return
    yield from data.get("areas") or ()
    for one in data.get("bodies") or ():
        yield from one.get("areas", [one])


def _row(kind: str, area: Fields) -> tuple[object, ...]:
    bits = area.get("attribute") or 0
    alarms = ", ".join(name for name, bit in _ALARMS.items() if bits & bit)
    limits = [area.get("speed_limit_kmh"), *(one.get("speed_limit_kmh") for one in area.get("points", ()))]
    limit = next((f"{one} km/h" for one in limits if one), "")
    return kind, area.get("area_id", area.get("route_id")), area.get("name") or "", _where(area), limit, alarms


def _where(area: Fields) -> str:
    if "radius_m" in area:
        return f"{area['latitude']}, {area['longitude']}, radius {area['radius_m']} m"
    if "upper_left_latitude" in area:
        corners = [f"{area[f'{at}_latitude']}, {area[f'{at}_longitude']}" for at in ("upper_left", "lower_right")]
        return " to ".join(corners)
    line = area.get("vertices") or area.get("points") or []
    at = f" from {line[0]['latitude']}, {line[0]['longitude']}" if line else ""
    return f"{len(line)} points{at}"


def places(features: list[Mapping[str, Any]], wish: Wish) -> Iterator[Place]:
    """Messages that set features.

    Raises:
        Failure: a feature is nothing that a terminal can watch.
    """
    next_id = wish.first_id
    for number, feature in enumerate(features):
        told = feature.get("properties") or {}
        own = told.get("id", feature.get("id"))
        area_id = own if isinstance(own, int) else next_id
        next_id = max(next_id, area_id + 1)
        geometry = feature.get("geometry") or {}
        name = str(told.get("name") or told.get("zone") or f"area {area_id}")
        shape = (str(geometry.get("type")), geometry.get("coordinates"))
        match shape:
            case ("Point", [float() | int() as longitude, float() | int() as latitude, *_]) if told.get("radius_m"):
                area = _area(area_id, name, wish, latitude, longitude)
                area |= {"latitude": latitude, "longitude": longitude, "radius_m": round(float(told["radius_m"]))}
                yield Place("set_circles", {"action": _APPEND, "areas": [area]})
            case ("Polygon", [list() as ring, *_]) if told.get("rectangle"):
                yield _rectangle(area_id, name, wish, _ring(ring, number))
            case ("Polygon", [list() as ring, *_]):
                yield _polygon(area_id, name, wish, _ring(ring, number))
            case ("LineString", list() as line):
                own_width = told.get("width_m")
                width_m = min(round(own_width), 255) if isinstance(own_width, int | float) else wish.width_m
                yield _route(area_id, name, wish._replace(width_m=max(width_m, 1)), _ring(line, number))
            case _:
                raise Failure(
                    f"feature {number + 1} is no circle, rectangle, polygon or route: {shape[0]}",
                    "a circle is a Point with radius_m; others are Polygon or LineString",
                    2,
                )


def _area(area_id: int, name: str, wish: Wish, latitude: float, longitude: float) -> Fields:
    """What all areas have; latitude and longitude tell the hemisphere."""
    attribute = wish.alarms + _SOUTH * (latitude < 0) + _WEST * (longitude < 0)
    area: Fields = {"area_id": area_id, "attribute": attribute}
    if wish.speed_limit_kmh is not None:
        area["attribute"] += _LIMITED
        area |= {"speed_limit_kmh": wish.speed_limit_kmh, "overspeed_duration_s": wish.overspeed_s}
        if wish.is_2019:
            area["night_speed_limit_kmh"] = wish.speed_limit_kmh
    return area | ({"name": name} if wish.is_2019 else {})


def _rectangle(area_id: int, name: str, wish: Wish, ring: list[tuple[float, float]]) -> Place:
    longitudes, latitudes = zip(*ring, strict=True)
    area = _area(area_id, name, wish, latitudes[0], longitudes[0])
    area |= {"upper_left_latitude": max(latitudes), "upper_left_longitude": min(longitudes)}
    area |= {"lower_right_latitude": min(latitudes), "lower_right_longitude": max(longitudes)}
    return Place("set_rectangles", {"action": _APPEND, "areas": [area]})


def _polygon(area_id: int, name: str, wish: Wish, ring: list[tuple[float, float]]) -> Place:
    open_ring = ring[:-1] if len(ring) > 1 and ring[0] == ring[-1] else ring
    vertices = [{"latitude": latitude, "longitude": longitude} for longitude, latitude in open_ring]
    return Place("set_polygon", _area(area_id, name, wish, ring[0][1], ring[0][0]) | {"vertices": vertices})


def _route(area_id: int, name: str, wish: Wish, line: list[tuple[float, float]]) -> Place:
    points = []
    for number, (longitude, latitude) in enumerate(line, 1):
        point: Fields = {
            "point_id": number,
            "segment_id": number,
            "latitude": latitude,
            "longitude": longitude,
            "width_m": wish.width_m,
            "segment_attribute": _SEGMENT_SOUTH * (latitude < 0) + _SEGMENT_WEST * (longitude < 0),
        }
        if wish.speed_limit_kmh is not None:
            point["segment_attribute"] += _SEGMENT_LIMITED
            point |= {"speed_limit_kmh": wish.speed_limit_kmh, "overspeed_duration_s": wish.overspeed_s}
            if wish.is_2019:
                point["night_speed_limit_kmh"] = wish.speed_limit_kmh
        points.append(point)
    named = {"name": name} if wish.is_2019 else {}
    return Place("set_route", {"route_id": area_id, "attribute": wish.alarms, "points": points} | named)


def _ring(coordinates: list[Any], number: int) -> list[tuple[float, float]]:
    """Longitude and latitude of every vertex."""
    if not 2 <= len(coordinates) <= VERTICES_MAX:
        raise Failure(f"feature {number + 1} has {len(coordinates)} vertices", f"2 to {VERTICES_MAX} can be set", 2)
    try:
        return [(float(one[0]), float(one[1])) for one in coordinates]
    except (TypeError, ValueError, IndexError):
        raise Failure(
            f"feature {number + 1} has a vertex that is none", "a vertex is [longitude, latitude]", 2
        ) from None


def _features(path: Path) -> list[Mapping[str, Any]]:
    text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    try:
        found = json.loads(text)
    except ValueError as error:
        raise Failure(f"{path} is no GeoJSON: {error}", "look at it with: jq . FILE", 2) from None
    kind = found.get("type") if isinstance(found, dict) else None
    features = found["features"] if kind == "FeatureCollection" else [found] if kind == "Feature" else []
    if kind not in ("FeatureCollection", "Feature") or not 1 <= len(features) <= FEATURES_MAX:
        raise Failure(
            f"{path} holds no features, or too many", f"1 to {FEATURES_MAX} features of GeoJSON are wanted", 2
        )
    return list(features)


def _zone(client: Client, name: str) -> Mapping[str, Any]:
    """A zone of the registry as a feature."""
    rows = client.get("/v1/registries/zones", key=[name])["items"]
    if not rows:
        raise Failure(f"there is no zone {name} in the registry", "list them: jtgate registry ls zones")
    zone = rows[0]
    told = {"name": zone.get("name") or name, "radius_m": zone.get("radius_m"), "width_m": zone.get("width_m")}
    return {"type": "Feature", "geometry": zone["geometry"], "properties": told}
