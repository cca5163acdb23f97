"""A second decoder for the messages that matter most, written from the standard with nothing but `struct`.

It shares no line with `jtgate.codecs`, so that a vector cannot be wrong just because our codec is: the vectors
expect what both say. It reads good frames only, and only what the standard says of them: no detection of editions,
no tolerance. Names are those of the vectors, because there is one form of the result.
"""

import struct
from datetime import datetime
from typing import Any

Json = dict[str, Any]


class NotRead(Exception):
    """The bytes are not what the standard says; this decoder does not guess."""


# ------------------------------------------------------------------------------------- frame and header (§1, §2)


def unframe(wire: bytes) -> bytes:
    """Header and body of exactly one frame."""
    if wire[:1] != b"\x7e" or wire[-1:] != b"\x7e" or b"\x7e" in wire[1:-1]:
        raise NotRead("not one frame")
    data = wire[1:-1].replace(b"\x7d\x02", b"\x7e").replace(b"\x7d\x01", b"\x7d")
    check = 0
    for byte in data:
        check ^= byte
    if check or len(data) < 13:
        raise NotRead("check byte")
    return data[:-1]


def header(payload: bytes) -> tuple[Json, bool, bytes]:
    """Header, whether it is that of 2019, and body."""
    msg_id, properties = struct.unpack_from(">HH", payload)
    is_2019 = bool(properties & 0x4000)
    at = 5 if is_2019 else 4
    digits = 20 if is_2019 else 12
    phone = payload[at : at + digits // 2].hex().upper()
    at += digits // 2
    (serial,) = struct.unpack_from(">H", payload, at)
    at += 2
    total = number = None
    if properties & 0x2000:
        total, number = struct.unpack_from(">HH", payload, at)
        at += 4
    body = payload[at:]
    if len(body) != properties & 0x3FF:
        raise NotRead("length")
    found = {
        "msg_id": f"0x{msg_id:04x}",
        "phone": phone,
        "serial": serial,
        "encryption": properties >> 10 & 7,
        "packet_total": total,
        "packet_no": number,
        "body_length": len(body),
    }
    return found, is_2019, body


# --------------------------------------------------------------------------------------------------- small things


class Cursor:
    """Takes bytes from the front."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        """So many bytes."""
        if self.at + count > len(self.data):
            raise NotRead("too short")
        self.at += count
        return self.data[self.at - count : self.at]

    def rest(self) -> bytes:
        """What is left."""
        return self.take(len(self.data) - self.at)

    def number(self, form: str) -> int:
        """One number, big-endian."""
        (value,) = struct.unpack(f">{form}", self.take(struct.calcsize(f">{form}")))
        return int(value)

    def fixed(self, width: int) -> str:
        """Text of a fixed width without its padding."""
        return self.take(width).strip(b"\x00 ").decode("gbk")

    def counted(self) -> str:
        """A BYTE and so many bytes of text."""
        return self.take(self.number("B")).decode("gbk")

    def time(self) -> str:
        """BCD[6] in GMT+8."""
        digits = self.take(6).hex()
        try:
            return f"{datetime.strptime(f'20{digits}', '%Y%m%d%H%M%S').isoformat()}+08:00"  # noqa: DTZ007  the zone follows
        except ValueError:
            raise NotRead("no time") from None

    def end(self) -> None:
        """Nothing may be left."""
        if self.at != len(self.data):
            raise NotRead("bytes are left")


def _angle(raw: int, negative: bool) -> float:
    if raw > 0x7FFFFFFF:
        raise NotRead("two's complement")
    return (-raw if negative else raw) / 1e6


# ------------------------------------------------------------------------------------------------ location (§4)


def base(cursor: Cursor) -> Json:
    """The 28 bytes of 位置基本信息 (§4.1)."""
    alarm, status, latitude, longitude = struct.unpack(">IIII", cursor.take(16))
    altitude, speed, heading = struct.unpack(">hHH", cursor.take(6))
    return {
        "alarm_flags": alarm,
        "status": status,
        "latitude": _angle(latitude, bool(status & 4)),
        "longitude": _angle(longitude, bool(status & 8)),
        "altitude_m": altitude,
        "speed_kmh": speed / 10,
        "heading_deg": heading,
        "time": cursor.time(),
    }


#: Items of §4.4 and of 1078: id -> struct, names, divisors.
ITEMS: dict[int, tuple[str, tuple[tuple[str, int], ...]]] = {
    0x01: (">I", (("mileage_km", 10),)),
    0x02: (">H", (("fuel_l", 10),)),
    0x03: (">H", (("recorder_speed_kmh", 10),)),
    0x04: (">H", (("alarm_event_id", 1),)),
    0x12: (">BIB", (("place_type", 1), ("place_id", 1), ("direction", 1))),
    0x13: (">IHB", (("segment_id", 1), ("driving_time_s", 1), ("result", 1))),
    0x14: (">I", (("video_alarm_flags", 1),)),
    0x15: (">I", (("video_loss_channels", 1),)),
    0x16: (">I", (("video_cover_channels", 1),)),
    0x17: (">H", (("storage_fault_flags", 1),)),
    0x25: (">I", (("vehicle_signals", 1),)),
    0x2A: (">H", (("io_status", 1),)),
    0x2B: (">HH", (("analog_1", 1), ("analog_0", 1))),
    0x30: (">B", (("signal_strength", 1),)),
    0x31: (">B", (("satellites", 1),)),
}


def item_value(item_id: int, raw: bytes, status: int) -> Json | None:
    """The value of an item this decoder knows, None for others."""
    if item_id in ITEMS:
        form, names = ITEMS[item_id]
        if struct.calcsize(form) != len(raw):
            return None
        values = struct.unpack(form, raw)
        return {
            name: value if divisor == 1 else value / divisor
            for (name, divisor), value in zip(names, values, strict=True)
        }
    if item_id == 0x05 and len(raw) == 30:
        return {"wheels": [None if byte == 0xFF else byte for byte in raw]}
    if item_id == 0x06 and len(raw) == 2:
        value = int.from_bytes(raw)
        low = value & 0x7FFF
        return {"temperature_c": value if value < 0x8000 else -low if low <= 2000 else value - 0x10000}
    if item_id in (0x64, 0x65):
        return alarm_item(item_id, raw, status)
    return None


#: Length of the alarm identification number -> bytes of its terminal id, reserved bytes (active-safety §1.2).
IDENTIFICATION = {16: (7, 1), 38: (30, 0), 39: (30, 1), 40: (30, 2)}


def alarm_item(item_id: int, raw: bytes, status: int) -> Json | None:
    """0x64 and 0x65 (active-safety §1.5, §1.6)."""
    if len(raw) - 31 not in IDENTIFICATION:
        return None
    cursor = Cursor(raw)
    found: Json = {"alarm_id": cursor.number("I"), "flag": cursor.number("B"), "alarm_type": cursor.number("B")}
    found["level"] = cursor.number("B")
    if item_id == 0x64:
        for name in ("front_speed_kmh", "front_distance_100ms", "departure", "road_sign", "road_sign_value"):
            found[name] = cursor.number("B")
    else:
        found["fatigue"] = cursor.number("B")
        found["reserved"] = cursor.take(4).hex()
    found["speed_kmh"] = cursor.number("B")
    found["altitude_m"] = cursor.number("h")
    found["latitude"] = _angle(cursor.number("I"), bool(status & 4))
    found["longitude"] = _angle(cursor.number("I"), bool(status & 8))
    found["time"] = cursor.time()
    found["vehicle_status"] = cursor.number("H")
    width, reserved = IDENTIFICATION[len(raw) - 31]
    found["alarm_number"] = {
        "terminal_id": cursor.fixed(width),
        "time": cursor.time(),
        "sequence": cursor.number("B"),
        "attachment_count": cursor.number("B"),
        "reserved": cursor.take(reserved).hex(),
    }
    cursor.end()
    return found


def report(cursor: Cursor) -> Json:
    """位置信息汇报消息体: base and items to the end; an item that announces more than is left ends the list."""
    found = base(cursor)
    items = []
    while len(cursor.data) - cursor.at >= 2:
        item_id, length = cursor.data[cursor.at : cursor.at + 2]
        if length > len(cursor.data) - cursor.at - 2:
            break
        raw = cursor.take(2 + length)[2:]
        known = item_value(item_id, raw, found["status"])
        items.append({"id": f"0x{item_id:02x}", "raw": raw.hex(), **({} if known is None else {"value": known})})
    found["items"] = items
    if cursor.at < len(cursor.data):
        found["trailing"] = cursor.rest().hex()
    return found


# --------------------------------------------------------------------------------------------------- messages (§3)


def register(cursor: Cursor, edition: str) -> Json:
    """0x0100."""
    widths = {"2011": (5, 8, 7), "2013": (5, 20, 7), "2019": (11, 30, 30)}[edition]
    found: Json = {"province": cursor.number("H"), "city": cursor.number("H")}
    for name, width in zip(("manufacturer", "model", "terminal_id"), widths, strict=True):
        found[name] = cursor.fixed(width)
    found["plate_color"] = cursor.number("B")
    found["plate"] = cursor.rest().decode("gbk")
    return found


def authenticate(cursor: Cursor, edition: str) -> Json:
    """0x0102."""
    if edition != "2019":
        return {"auth_code": cursor.rest().decode("gbk"), "imei": None, "software_version": None}
    return {"auth_code": cursor.counted(), "imei": cursor.fixed(15), "software_version": cursor.fixed(20)}


def general_answer(cursor: Cursor, _edition: str) -> Json:
    """0x0001 and 0x8001."""
    return {
        "answer_serial": cursor.number("H"),
        "answer_id": f"0x{cursor.number('H'):04x}",
        "result": cursor.number("B"),
    }


def register_answer(cursor: Cursor, _edition: str) -> Json:
    """0x8100."""
    found: Json = {"answer_serial": cursor.number("H"), "result": cursor.number("B")}
    found["auth_code"] = cursor.rest().decode("gbk") if found["result"] == 0 else None
    return found


def set_parameters(cursor: Cursor, edition: str) -> Json:
    """0x8103: ids and bytes; the values of some."""
    found: Json = {"count": cursor.number("B")}
    found["package_count"] = cursor.number("B") if edition == "2011" else None
    items = []
    while cursor.at < len(cursor.data):
        parameter_id, length = cursor.number("I"), cursor.number("B")
        raw = cursor.take(length)
        item: Json = {"id": f"0x{parameter_id:08x}", "raw": raw.hex()}
        if parameter_id in (0x0001, 0x0018, 0x0029, 0x0055, 0x0056, 0x0057) and length == 4:
            item["value"] = int.from_bytes(raw)
        if parameter_id in (0x0010, 0x0013, 0x0040, 0x0083):
            item["value"] = raw.decode("gbk")
        items.append(item)
    found["parameters"] = items
    return found


def driver_identity(cursor: Cursor, edition: str) -> Json:
    """0x0702 (§3.7)."""
    names = ("status", "time", "read_result", "driver_name", "certificate", "issuer", "expiry", "id_number")
    found: Json = dict.fromkeys((*names, "face_match", "uid"))
    if edition == "2011":
        found["driver_name"] = cursor.counted()
        found["id_number"] = cursor.fixed(20)
        found["certificate"] = cursor.fixed(40)
        found["issuer"] = cursor.counted()
        cursor.end()
        return found
    found["status"] = cursor.number("B")
    found["time"] = cursor.time()
    # By status and result in the table; by what is there in practice (§11 item 58).
    if cursor.at < len(cursor.data):
        found["read_result"] = cursor.number("B")
    if cursor.at < len(cursor.data):
        found["driver_name"] = cursor.counted()
        found["certificate"] = cursor.fixed(20)
        found["issuer"] = cursor.counted()
        expiry = cursor.take(4).hex()
        found["expiry"] = f"{expiry[:4]}-{expiry[4:6]}-{expiry[6:]}"
        if edition == "2019":
            found["id_number"] = cursor.fixed(20)
        if edition == "2019" and cursor.at < len(cursor.data):  # the tail of a draft
            found["face_match"] = cursor.number("B")
            found["uid"] = cursor.fixed(20)
    cursor.end()
    return found


def batch(cursor: Cursor, _edition: str) -> Json:
    """0x0704 (§5.1)."""
    found: Json = {"count": cursor.number("H"), "batch_type": cursor.number("B")}
    found["items"] = [report(Cursor(cursor.take(cursor.number("H")))) for _ in range(found["count"])]
    cursor.end()
    return found


def media_upload(cursor: Cursor, edition: str) -> Json:
    """0x0801 (§8.1)."""
    found: Json = {"media_id": cursor.number("I")}
    for name in ("media_type", "media_format", "event", "channel"):
        found[name] = cursor.number("B")
    old = edition == "2011"
    found["package_total"] = cursor.number("I") if old else None
    found["package_no"] = cursor.number("I") if old else None
    found["location"] = None if old else base(cursor)
    found["data"] = cursor.rest().hex()
    return found


def set_circles(cursor: Cursor, edition: str) -> Json:
    """0x8600 (§7.2): the parts that are always there, and what the attribute announces."""
    found: Json = {"action": cursor.number("B"), "count": cursor.number("B")}
    if edition == "2011":
        found["package_count"] = cursor.number("B")
    regions = []
    while cursor.at < len(cursor.data):
        region: Json = {"area_id": cursor.number("I"), "attribute": cursor.number("H")}
        attribute = region["attribute"]
        region["latitude"] = _angle(cursor.number("I"), bool(attribute & 0x40))
        region["longitude"] = _angle(cursor.number("I"), bool(attribute & 0x80))
        region["radius_m"] = cursor.number("I")
        if attribute & 1:
            cursor.take(12)
        if attribute & 2:
            region["speed_limit_kmh"] = cursor.number("H")
            region["overspeed_duration_s"] = cursor.number("B")
            if edition == "2019":
                region["night_speed_limit_kmh"] = cursor.number("H")
        if edition == "2019":
            region["name"] = cursor.take(cursor.number("H")).decode("gbk")
        regions.append(region)
    if len(regions) != (found["package_count"] if edition == "2011" else found["count"]):
        raise NotRead("count")
    found["areas"] = regions
    return found


def live_request(cursor: Cursor, _edition: str) -> Json:
    """0x9101 (1078 §1.3)."""
    found: Json = {"server": cursor.counted(), "tcp_port": cursor.number("H"), "udp_port": cursor.number("H")}
    for name in ("channel", "data_type", "stream"):
        found[name] = cursor.number("B")
    cursor.end()
    return found


#: Message id -> its decoder.
MESSAGES = {
    0x0001: general_answer,
    0x0100: register,
    0x0102: authenticate,
    0x0200: lambda cursor, _edition: report(cursor),
    0x0702: driver_identity,
    0x0704: batch,
    0x0801: media_upload,
    0x8001: general_answer,
    0x8100: register_answer,
    0x8103: set_parameters,
    0x8600: set_circles,
    0x9101: live_request,
}


def decode(wire: bytes, edition: str) -> tuple[Json, Json | None]:
    """Header and body of one frame; body None when the id is not among MESSAGES.

    Args:
        wire: one frame with its flags.
        edition: whose layout the body has.

    Raises:
        NotRead: it is not what the standard says.
    """
    try:
        found, _, body = header(unframe(wire))
        read = MESSAGES.get(int(found["msg_id"], 16))
        return found, None if read is None else read(Cursor(body), edition)
    except (struct.error, UnicodeDecodeError) as error:
        raise NotRead(str(error)) from error
