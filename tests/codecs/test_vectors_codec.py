"""Frames from the field (shared vectors): values as published, and bytes that come out as they went in."""

import importlib
import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from jtgate.codecs.describe import describe_wire
from jtgate.codecs.framing import Frame, FrameReader
from jtgate.codecs.header import Header, parse_header
from jtgate.codecs.registry import UnknownMessage, body_edition, decode_body, encode_body, message_class

VECTORS = Path(__file__).parents[3] / "shared" / "vectors" / "frames.jsonl"

pytestmark = pytest.mark.shared


@cache
def records() -> list[dict[str, Any]]:
    """All JT/T 808 records of ids that are decoded here."""
    found = [json.loads(line) for line in VECTORS.read_text(encoding="utf-8").splitlines()]
    return [r for r in found if r["protocol"] == "jt808" and message_class(int(r["msg_id"], 16)) is not None]


def opened(record: dict[str, Any]) -> tuple[Header, bytes]:
    """Header and body of a record."""
    (frame,) = FrameReader().feed(bytes.fromhex(record["hex"]))
    assert isinstance(frame, Frame), record["id"]
    return parse_header(frame.payload)


def whole(records: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], Header, bytes]]:
    """Records whose body is neither part of a longer message nor encrypted."""
    for record in records:
        header, body = opened(record)
        if not header.is_part and not header.encryption:
            yield record, header, body


# Records whose published values are not what the standard says; the id, the name of the value, and why.
EXCEPTIONS = {
    # §13 item 24: 0x8004 is the one time that is UTC; both records were read as GMT+8.
    ("sc808-jt808-8004-001", "server.time"),
    ("sc808-jt808-8004-002", "server.time"),
    # §4.1: heights from 0x8000 on are below sea level; the source reads them as unsigned.
    ("gojt-jt808-0201-001", "location.altitude"),
    # §7.1, §7.5: bits 6 and 7 of an area and bits 2 and 3 of a segment say south and west; the source reads
    # magnitudes. Apart from the sign they agree: test_areas.py.
    ("sc808-jt808-8600-001", "area.items"),
    ("sc808-jt808-8600-002", "area.items"),
    ("sc808-jt808-8602-001", "area.items"),
    ("sc808-jt808-8606-001", "route.points"),
}

LOCATION = {
    "alarm_flags": "alarm_flags",
    "status": "status",
    "lat": "latitude",
    "lon": "longitude",
    "altitude": "altitude_m",
    "speed_kmh": "speed_kmh",
    "heading": "heading_deg",
    "time": "time",
}

# Neutral name -> item id and field.
ITEM = {
    "mileage_km": (0x01, "mileage_km"),
    "fuel_l": (0x02, "fuel_l"),
    "recorder_speed_kmh": (0x03, "recorder_speed_kmh"),
    "manual_alarm_event": (0x04, "alarm_event_id"),
    "overspeed_type": (0x11, "place_type"),
    "overspeed_id": (0x11, "place_id"),
    "area_io_type": (0x12, "place_type"),
    "area_io_id": (0x12, "place_id"),
    "area_io_direction": (0x12, "direction"),
    "route_id": (0x13, "segment_id"),
    "route_seconds": (0x13, "driving_time_s"),
    "route_result": (0x13, "result"),
    "video_alarm": (0x14, "video_alarm_flags"),
    "video_loss_channels": (0x15, "video_loss_channels"),
    "video_cover_channels": (0x16, "video_cover_channels"),
    "storage_fault": (0x17, "storage_fault_flags"),
    "abnormal_driving": (0x18, "abnormal_driving_flags"),
    "signal_status": (0x25, "vehicle_signals"),
    "io_status": (0x2A, "io_status"),
    "rssi": (0x30, "signal_strength"),
    "satellites": (0x31, "satellites"),
}

ALARM = {
    "alarm_id": "alarm_id",
    "flag": "flag",
    "type": "alarm_type",
    "level": "level",
    "front_speed": "front_speed_kmh",
    "front_distance": "front_distance_100ms",
    "deviation": "departure",
    "sign_type": "road_sign",
    "sign_data": "road_sign_value",
    "fatigue": "fatigue",
    "reserved": "reserved",
    "speed": "speed_kmh",
    "altitude": "altitude_m",
    "lat": "latitude",
    "lon": "longitude",
    "time": "time",
    "vehicle_status": "vehicle_status",
    "count": "count",
}
ALARM_ITEM = {"adas": 0x64, "dsm": 0x65, "tpms": 0x66, "bsd": 0x67}

BODY = {
    "ack.serial": "answer_serial",
    "ack.msg_id": "answer_id",
    "ack.result": "result",
    "register.province": "province",
    "register.city": "city",
    "register.manufacturer": "manufacturer",
    "register.model": "model",
    "register.terminal_id": "terminal_id",
    "register.plate_color": "plate_color",
    "register.plate": "plate",
    "auth.code": "auth_code",
    "auth.imei": "imei",
    "auth.software_version": "software_version",
    "driver.status": "status",
    "driver.time": "time",
    "driver.ic_result": "read_result",
    "driver.name": "driver_name",
    "driver.certificate": "certificate",
    "driver.authority": "issuer",
    "driver.id_number": "id_number",
    "media.id": "media_id",
    "media.type": "media_type",
    "media.format": "media_format",
    "media.event": "event",
    "media.channel": "channel",
    "batch.count": "count",
    "batch.type": "batch_type",
    "retransmit.serial": "first_serial",
    "retransmit.count": "count",
    "retransmit.packet_ids": "part_numbers",
    "transparent.type": "data_type",
    "transparent.hex": "data",
    "text.flag": "flags",
    "text.text": "text",
    "text.type": "text_type",
    "params.count": "count",
    "params.ids": "ids",
    "server.time": "time",
}


def neutral_location(body: dict[str, Any], name: str) -> Any:
    """The value of a `location.` name in our JSON of a location."""
    items = body.get("items", [])
    if name in LOCATION:
        return body[LOCATION[name]]
    if name == "tlv":
        return [{"id": item["id"], "hex": item["raw"]} for item in items]
    if name == "tlv_trailing":
        return body.get("trailing")
    if name == "encrypted":
        return bool(body["status"] >> 5 & 1)
    if name == "analog":
        value = item_value(items, 0x2B)
        return value["analog_1"] << 16 | value["analog_0"]
    item_id, field = ITEM[name]
    return item_value(items, item_id)[field]


def item_value(items: list[dict[str, Any]], item_id: int) -> dict[str, Any]:
    """The value of the last item with an id that has one: a repeated item replaces the earlier."""
    values = [i["value"] for i in items if i["id"] == f"0x{item_id:02x}" and i["value"] is not None]
    found: dict[str, Any] = values[-1]
    return found


def neutral_alarm(items: list[dict[str, Any]], group: str, name: str) -> Any:
    """The value of an `adas.`, `dsm.`, `tpms.` or `bsd.` name."""
    value = item_value(items, ALARM_ITEM[group])
    if name.startswith("identifier."):
        found = value["alarm_number"][name.removeprefix("identifier.")]
        return int(found, 16) if name.endswith("reserved") and found else found
    if name == "items":
        return [
            {
                "position": tyre["position"],
                "alarm_type": tyre["alarm_flags"],
                "pressure": tyre["pressure_kpa"],
                "temperature": tyre["temperature_c"],
                "battery": tyre["battery_percent"],
            }
            for tyre in value["tyres"]
        ]
    return value[ALARM[name]]


#: (message id, neutral name) -> its value from our JSON of the body, for what is not in the tables above.
#: Each family of messages adds its own in a file vectors_<family>.py, as a dict of that shape called NAMES.
NAMES: dict[tuple[int, str], Callable[[Any], Any]] = {
    key: value
    for path in sorted(Path(__file__).parent.glob("vectors_*.py"))
    for key, value in importlib.import_module(path.stem).NAMES.items()
}


def neutral(msg_id: int, body: dict[str, Any], name: str) -> Any:
    """The value of a neutral name in our JSON of a body."""
    if (msg_id, name) in NAMES:
        return NAMES[msg_id, name](body)
    group, _, rest = name.partition(".")
    location = body if "latitude" in body else body.get("location") or {}
    if group == "location":
        return neutral_location(location, rest)
    if group in ALARM_ITEM:
        return neutral_alarm(location["items"], group, rest)
    special: dict[str, Callable[[], Any]] = {
        "params.items": lambda: [{"id": p["id"], "hex": p["raw"]} for p in body["parameters"]],
        "driver.expiry": lambda: (body["expiry"] or "").replace("-", ""),
        "media.data_length": lambda: len(body["data"]) // 2,
        "media.data_head": lambda: body["data"][:32],
        "batch.items": lambda: body["items"],
    }
    return special[name]() if name in special else body[BODY[name]]


def same(name: str, ours: Any, theirs: Any) -> bool:
    """Equal, times that are none in either spelling."""
    if name == "batch.items":
        return len(ours) == len(theirs) and all(
            neutral_location(one, key) == value
            for one, other in zip(ours, theirs, strict=True)
            for key, value in other.items()
        )
    if isinstance(theirs, str) and theirs.startswith(("raw:", "hex:")):
        return str(ours).removeprefix("raw:") == theirs.partition(":")[2]
    return bool(ours == theirs)


def test_every_published_value_is_ours() -> None:
    """Each `expect` value of a record is the value we decode, but for the named exceptions."""
    compared = 0
    differences = []
    for record, _, _ in whole(records()):
        (described,) = describe_wire(bytes.fromhex(record["hex"]))
        body: Any = described["body"]
        assert described["error"] is None, (record["id"], described["error"])
        for name, theirs in record["expect"].items():
            if name.startswith(("header.", "body.", "vendor.")) or (record["id"], name) in EXCEPTIONS:
                continue
            try:
                ours = neutral(int(record["msg_id"], 16), body, name)
            except (LookupError, TypeError) as error:
                ours = repr(error)
            compared += 1
            if not same(name, ours, theirs):
                differences.append((record["id"], name, ours, theirs))
    assert not differences, "\n".join(map(str, differences))
    assert compared > 2000


def test_exceptions_are_still_needed() -> None:
    """An exception that has become superfluous is removed."""
    needed = set()
    for record, header, body in whole(records()):
        for name, theirs in record["expect"].items():
            if (record["id"], name) in EXCEPTIONS:
                value = decode_body(header.msg_id, body, header.edition, []).to_json()
                if not same(name, neutral(header.msg_id, value, name), theirs):
                    needed.add((record["id"], name))
    assert needed == EXCEPTIONS


def test_bodies_come_out_as_they_went_in() -> None:
    """Decoding a body and encoding it again gives the same bytes, whatever was odd about it."""
    different = []
    count = 0
    for record, header, body in whole(records()):
        message = decode_body(header.msg_id, body, header.edition, [])
        assert not isinstance(message, UnknownMessage)
        count += 1
        if encode_body(message, body_edition(header.msg_id, body, header.edition)) != body:
            different.append(record["id"])
    assert not different
    assert count > 250


# "2011" in the source, although the body has neither the counters of 2011 nor a location: §11 item 47.
NO_EDITION = {"sc808-jt808-0801-002"}


def test_body_edition_is_that_of_the_record() -> None:
    """Where the layout of 2011 differs from that of 2013, the body tells which it is."""
    seen = set()
    for record, header, body in whole(records()):
        if record["msg_id"] in {"0x0100", "0x0801"} and record["id"] not in NO_EDITION:
            found = str(body_edition(header.msg_id, body, header.edition))
            assert found == record["version"], record["id"]
            seen.add((record["msg_id"], found))
    assert seen >= {("0x0100", "2011"), ("0x0100", "2013"), ("0x0100", "2019"), ("0x0801", "2013")}


def test_ten_parts_of_a_picture_are_joined() -> None:
    """The sub-packaged picture of a real terminal comes out whole, after its last part."""
    wire = b"".join(bytes.fromhex(r["hex"]) for r in records() if r["id"].startswith("incar-jt808-0801"))
    described = describe_wire(wire)
    assert [set(d["body"]) for d in described[:-1]] == [{"part"}] * 10  # type: ignore[call-overload]
    body: Any = described[-1]["body"]
    picture = bytes.fromhex(body["data"])
    assert picture.startswith(b"\xff\xd8")
    assert picture.rstrip(b"\x00").endswith(b"\xff\xd9")
    assert body["location"]["latitude"] == 30.477284
