"""Neutral names of the shared vectors, for areas, routes, media commands, CAN, recorder, keys and compressed data."""

from collections.abc import Callable
from typing import Any

from jtgate.codecs.edition import Edition
from jtgate.codecs.jt808.areas import AreaQueryAnswer
from jtgate.codecs.jt808.recorder import RecorderCollect, RecorderSet, RecorderUpload

_LIMITS = {
    "start": "start",
    "end": "end",
    "max_speed": "speed_limit_kmh",
    "overspeed_seconds": "overspeed_duration_s",
    "night_max_speed": "night_speed_limit_kmh",
    "name": "name",
}
_CIRCLE = {"id": "area_id", "attr": "attribute", "lat": "latitude", "lon": "longitude", "radius_m": "radius_m"}
_RECTANGLE = {
    "id": "area_id",
    "attr": "attribute",
    "lat1": "upper_left_latitude",
    "lon1": "upper_left_longitude",
    "lat2": "lower_right_latitude",
    "lon2": "lower_right_longitude",
}
_POINT = {
    "point_id": "point_id",
    "segment_id": "segment_id",
    "lat": "latitude",
    "lon": "longitude",
    "width": "width_m",
    "attr": "segment_attribute",
    "max_seconds": "travel_time_max_s",
    "min_seconds": "travel_time_min_s",
    "max_speed": "speed_limit_kmh",
    "overspeed_seconds": "overspeed_duration_s",
    "night_max_speed": "night_speed_limit_kmh",
}
_VERTEX = {"lat": "latitude", "lon": "longitude"}
_MEDIA = {"id": "media_id", "type": "media_type", "channel": "channel", "event": "event"}
_LOCATION = {
    "alarm_flags": "alarm_flags",
    "status": "status",
    "lat": "latitude",
    "lon": "longitude",
    "altitude": "altitude_m",
    "speed_kmh": "speed_kmh",
    "heading": "heading_deg",
    "time": "time",
}


def _field(name: str) -> Callable[[Any], Any]:
    return lambda body: body[name]


def _renamed(names: dict[str, str], item: Any) -> dict[str, Any]:
    """The fields of an item that are there, by their neutral names."""
    return {theirs: item[ours] for theirs, ours in names.items() if item[ours] is not None}


def _list(field: str, names: dict[str, str]) -> Callable[[Any], Any]:
    return lambda body: [_renamed(names, item) for item in body[field]]


def _polygon(body: Any) -> list[dict[str, Any]]:
    points = [_renamed(_VERTEX, vertex) for vertex in body["vertices"]]
    return [{**_renamed({"id": "area_id", "attr": "attribute", **_LIMITS}, body), "points": points}]


def _found_media(body: Any) -> list[dict[str, Any]]:
    return [
        {**_renamed(_MEDIA, item), **{f"location.{key}": item["location"][ours] for key, ours in _LOCATION.items()}}
        for item in body["items"]
    ]


#: Messages that carry the recorder -> class, and bytes of the body before what is carried.
_RECORDER: dict[int, tuple[Any, int]] = {
    0x0700: (RecorderUpload, 3),
    0x8700: (RecorderCollect, 1),
    0x8701: (RecorderSet, 1),
}


def _carried(msg_id: int) -> Callable[[Any], Any]:
    cls, at = _RECORDER[msg_id]
    return lambda body: cls.from_json(body).encode()[at:].hex()


_DELETED = {
    (msg_id, name): _field(field)
    for msg_id in (0x8601, 0x8603, 0x8605, 0x8607)
    for name, field in (("area.count", "count"), ("area.items", "ids"))
}

_SET = {
    (msg_id, name): _field(field)
    for msg_id in (0x8600, 0x8602)
    for name, field in (("area.action", "action"), ("area.count", "count"))
}

_MEDIA_SEARCH = {
    (msg_id, f"media.{name}"): _field(field)
    for msg_id in (0x8802, 0x8803)
    for name, field in (
        ("type", "media_type"),
        ("channel", "channel"),
        ("event", "event"),
        ("start", "start"),
        ("end", "end"),
    )
}

_CAMERA = {
    (0x8801, f"camera.{name}"): _field("interval_s" if name == "interval" else name)
    for name in (
        "channel",
        "command",
        "interval",
        "save",
        "resolution",
        "quality",
        "brightness",
        "contrast",
        "saturation",
        "chroma",
    )
}

#: (message id, neutral name) -> its value from our JSON of the body.
NAMES: dict[tuple[int, str], Callable[[Any], Any]] = {
    **_SET,
    **_DELETED,
    (0x8600, "area.items"): _list("areas", {**_CIRCLE, **_LIMITS}),
    (0x8602, "area.items"): _list("areas", {**_RECTANGLE, **_LIMITS}),
    (0x8604, "area.items"): _polygon,
    (0x8606, "route.id"): _field("route_id"),
    (0x8606, "route.attr"): _field("attribute"),
    (0x8606, "route.start"): _field("start"),
    (0x8606, "route.end"): _field("end"),
    (0x8606, "route.name"): _field("name"),
    (0x8606, "route.points"): _list("points", _POINT),
    (0x8608, "area.query_type"): _field("area_type"),
    (0x8608, "area.count"): _field("count"),
    (0x8608, "area.items"): _field("ids"),
    (0x0608, "area.query_type"): _field("area_type"),
    (0x0608, "area.count"): _field("count"),
    (0x0608, "area.hex"): lambda body: AreaQueryAnswer.from_json(body).encode(Edition.V2019)[5:].hex(),
    (0x0705, "can.count"): _field("count"),
    (0x0705, "can.time"): lambda body: body["time"].replace(":", "").replace(".", "0"),
    (0x0705, "can.items"): lambda body: [{"id": item["can_id"], "hex": item["data"]} for item in body["items"]],
    **_CAMERA,
    (0x0805, "ack.serial"): _field("answer_serial"),
    (0x0805, "ack.result"): _field("result"),
    (0x0805, "media.count"): _field("count"),
    (0x0805, "media.ids"): _field("media_ids"),
    **_MEDIA_SEARCH,
    (0x8803, "media.delete"): _field("delete"),
    (0x0802, "ack.serial"): _field("answer_serial"),
    (0x0802, "media.count"): _field("count"),
    (0x0802, "media.items"): _found_media,
    (0x8804, "record.command"): _field("command"),
    (0x8804, "record.seconds"): _field("duration_s"),
    (0x8804, "record.save"): _field("save"),
    (0x8804, "record.sample_rate"): _field("sample_rate"),
    (0x8805, "media.id"): _field("media_id"),
    (0x8805, "media.delete"): _field("delete"),
    **{(msg_id, "recorder.command"): lambda body: int(body["command"], 16) for msg_id in _RECORDER},
    **{(msg_id, "recorder.hex"): _carried(msg_id) for msg_id in _RECORDER},
    (0x0700, "recorder.ack_serial"): _field("answer_serial"),
    (0x0901, "compressed.length"): _field("length"),
    (0x0901, "compressed.hex"): _field("data"),
    **{(msg_id, "rsa.e"): _field("exponent") for msg_id in (0x8A00, 0x0A00)},
    **{(msg_id, "rsa.n"): _field("modulus") for msg_id in (0x8A00, 0x0A00)},
}
