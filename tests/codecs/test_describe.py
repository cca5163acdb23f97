"""Frames as the JSON of design section 5, and as annotated bytes."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from jtgate.codecs import deviations as dev
from jtgate.codecs.describe import annotate_frame, describe_frame, describe_wire, open_frame, open_whole, walk_wire
from jtgate.codecs.deviations import DEVIATIONS
from jtgate.codecs.edition import Edition
from jtgate.codecs.framing import wrap
from jtgate.codecs.header import build_header, encode_frames, parse_header
from jtgate.codecs.jt808 import Heartbeat, Register, TextMessage

PHONE = "13800138000"
BASE = bytes.fromhex("000000000000000302736040074699f000050258005a261123102030")
KEYS = ["protocol", "edition", "message", "term", "header", "body", "deviations", "error"]


def frame(msg_id: int, body: bytes, edition: Edition = Edition.V2013, **header: Any) -> bytes:
    """Header and body of a frame, as `describe_frame` takes it."""
    return build_header(msg_id, len(body), phone=PHONE, serial=7, edition=edition, **header) + body


def test_the_shape_is_that_of_the_design() -> None:
    """A report, key by key and in order."""
    described = describe_frame(frame(0x0200, BASE + bytes.fromhex("010400010203")))
    assert described == {
        "protocol": "jt808",
        "edition": "2013",
        "message": "location_report",
        "term": "位置信息汇报",
        "header": {
            "msg_id": "0x0200",
            "phone": "013800138000",
            "serial": 7,
            "encryption": 0,
            "packet_total": None,
            "packet_no": None,
            "body_length": 34,
        },
        "body": {
            "alarm_flags": 0,
            "status": 3,
            "latitude": 41.115712,
            "longitude": 122.06744,
            "altitude_m": 5,
            "speed_kmh": 60.0,
            "heading_deg": 90,
            "time": "2026-11-23T10:20:30+08:00",
            "items": [
                {"id": "0x01", "name": "mileage", "term": "里程", "value": {"mileage_km": 6605.1}, "raw": "00010203"}
            ],
        },
        "deviations": [],
        "error": None,
    }
    assert list(described) == KEYS
    body: Any = described["body"]
    assert list(body) == [
        "alarm_flags", "status", "latitude", "longitude", "altitude_m", "speed_kmh", "heading_deg", "time", "items",
    ]  # fmt: skip


def test_the_edition_is_that_of_the_body_when_the_header_leaves_it_open() -> None:
    """2011 and 2013 share a header; 2019 has its own."""
    register = Register(province=1, city=2, manufacturer="m", model="x", terminal_id="t", plate_color=1, plate="")
    for edition in Edition:
        assert describe_frame(frame(0x0100, register.encode(edition), edition))["edition"] == str(edition)


def test_a_wrong_body_says_where_in_the_frame() -> None:
    """The offset counts from the header, whose size depends on the edition."""
    for edition, size in ((Edition.V2013, 12), (Edition.V2019, 17)):
        described = describe_frame(frame(0x0200, BASE[:10], edition))
        assert list(described) == KEYS
        assert described["body"] == {"raw": BASE[:10].hex()}
        assert described["error"] == {
            "code": "body.truncated",
            "offset": size + 8,
            "field": "latitude",
            "message": "纬度 latitude does not fit in the 2 bytes left",
        }


def test_an_unknown_message_is_no_error() -> None:
    """Its body stays raw."""
    described = describe_frame(frame(0x0F42, b"\1\2"))
    assert (described["message"], described["body"], described["error"]) == ("unknown", {"raw": "0102"}, None)


def test_an_id_that_is_not_decoded_has_its_name() -> None:
    """The catalogue knows more than the declarations."""
    described = describe_frame(frame(0x0705, b"\1\2"))
    assert (described["message"], described["term"]) == ("can_upload", "CAN总线数据上传")


def test_an_encrypted_body_stays_raw() -> None:
    """No error, a deviation."""
    described = describe_frame(frame(0x0200, b"\1\2\3", encryption=1))
    assert (described["body"], described["error"]) == ({"raw": "010203"}, None)
    assert described["deviations"] == [dev.BODY_ENCRYPTED]


def test_deviations_of_header_and_body_come_together() -> None:
    """Header first."""
    payload = bytearray(frame(0x0002, b"\x64"))
    payload[2] |= 0x40
    assert describe_frame(bytes(payload))["deviations"] == ["header.version_bit_set", dev.BODY_TRAILING_BYTES]


def test_the_edition_can_be_forced() -> None:
    """Against the arithmetic; the header is read as told."""
    described = describe_frame(frame(0x0200, BASE), force=Edition.V2019)
    header: Any = described["header"]
    assert (described["edition"], len(header["phone"])) == ("2019", 20)
    assert "header.length_mismatch" in str(described["deviations"])


def test_a_payload_too_short_for_a_header() -> None:
    """The same keys, no header."""
    described = describe_frame(bytes(5))
    assert list(described) == KEYS
    error: Any = described["error"]
    assert (described["header"], described["message"], error["code"]) == (None, None, "header")


TEXT = TextMessage(flags=8, text="测试" * 30)


def parts(serial: int = 1) -> list[bytes]:
    """A text message in parts of 50 bytes."""
    return encode_frames(0x8300, TEXT.encode(), phone=PHONE, serial=serial, edition=Edition.V2013, part_bytes=50)


def test_parts_are_joined_when_the_last_one_is_there() -> None:
    """Each part has its bytes, and the whole comes after the part that completed it, in any order."""
    first, second, third = parts()
    beat = wrap(frame(0x0002, b""))
    described = describe_wire(third + first + beat + second)
    bodies: list[Any] = [one["body"] for one in described]
    assert [list(body) for body in bodies] == [["part"], ["part"], [], ["part"], ["flags", "text_type", "text"]]
    assert bodies[-1]["text"] == TEXT.text
    header: Any = described[-1]["header"]
    assert (header["packet_total"], header["packet_no"], header["serial"]) == (3, None, 1)
    assert header["body_length"] == len(TEXT.encode())
    assert [one["body"] for one in describe_wire(first + second)] == bodies[1:2] + bodies[3:4]


def test_errors_in_a_whole_message_count_in_its_body() -> None:
    """There is no one header to count from."""
    frames = encode_frames(0x0200, BASE[:25], phone=PHONE, serial=1, edition=Edition.V2013, part_bytes=20)
    error: Any = describe_wire(b"".join(frames))[-1]["error"]
    assert (error["offset"], error["field"]) == (22, "time")


def test_everything_on_the_wire_is_described() -> None:
    """Garbage, a good frame, a damaged one, a good one, an unfinished one: in order, with offsets on the wire."""
    good = wrap(frame(0x0002, b""))
    damaged = bytearray(good)
    damaged[-2] ^= 1
    described = describe_wire(b"abc" + good + bytes(damaged) + good + good[:5])
    errors: list[Any] = [one["error"] for one in described]
    assert [error and (error["code"], error["offset"]) for error in errors] == [
        ("frame.stray", 0),
        None,
        ("frame.checksum", 3 + 15 + 13),
        None,
        ("frame.stray", 3 + 45 + 1),
    ]
    assert all(list(one) == KEYS for one in described)


def test_bytes_can_come_in_any_pieces() -> None:
    """Cutting the stream changes nothing."""
    wire = b"".join(parts()) + wrap(frame(0x0002, b""))
    whole = describe_wire(wire)
    assert [one.json for one in walk_wire([wire[i : i + 1] for i in range(len(wire))])] == whole


# ----------------------------------------------------------------------------------- annotated


def test_every_byte_of_a_frame_is_annotated_once() -> None:
    """Header, package item, body, without holes and overlaps."""
    for edition in (Edition.V2013, Edition.V2019):
        payload = frame(0x0200, BASE + bytes.fromhex("010400010203e10101"), edition)
        spans = annotate_frame(payload)
        assert b"".join(span.raw for span in spans) == payload
        assert [span.offset for span in spans] == [sum(s.length for s in spans[:i]) for i in range(len(spans))]
        assert all(span.term and span.name for span in spans)
    part = parts()[1]
    (described,) = walk_wire([part])
    assert b"".join(span.raw for span in described.rows()) == described.payload


def test_rows_say_what_the_bytes_mean() -> None:
    """Term, English name, value, unit and meaning."""
    spans = {span.path: span for span in annotate_frame(frame(0x0200, BASE + bytes.fromhex("010400010203")))}
    speed, status, mileage = spans["speed_kmh"], spans["status"], spans["items[0].mileage_km"]
    assert (speed.offset, speed.term, speed.name, speed.value, speed.unit) == (30, "速度", "speed", "60.0", "km/h")
    assert status.meaning == "ACC开 ACC on; 定位 positioned; 空车 empty"
    assert (mileage.offset, mileage.value, mileage.unit) == (42, "6605.1", "km")
    assert spans["items[0].id"].meaning == "里程 mileage"
    assert spans["properties"].meaning == "消息体长度 body length 34"


def test_a_broken_frame_is_annotated_up_to_the_fault() -> None:
    """What could be read is shown."""
    spans = annotate_frame(frame(0x0200, BASE[:10]))
    assert [span.path for span in spans][-2:] == ["alarm_flags", "status"]


def test_a_whole_message_is_annotated_from_its_body() -> None:
    """Offsets count in the joined body."""
    header, _ = parse_header(frame(0x8300, b"", packet_total=2, packet_no=1))
    rows = open_whole(header, TEXT.encode()).rows()
    assert [(row.path, row.offset) for row in rows] == [("flags", 0), ("text", 1)]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=80), st.sampled_from([None, Edition.V2013, Edition.V2019]))
def test_any_payload_is_described(payload: bytes, force: Edition | None) -> None:
    """No bytes make it raise, the object is JSON, and rows stay inside of the payload."""
    described = open_frame(payload, force=force)
    json.dumps(described.json)
    assert list(described.json) == KEYS
    assert (described.json["error"] is None) == (described.error is None)
    assert all(row.raw == payload[row.offset : row.offset + row.length] for row in described.rows())


@settings(max_examples=150, deadline=None)
@given(st.lists(st.binary(max_size=40) | st.just(wrap(frame(0x0002, b""))) | st.sampled_from(parts()), max_size=8))
def test_any_wire_bytes_are_described(pieces: list[bytes]) -> None:
    """Whatever comes, there are only objects of the one shape."""
    assert all(list(one) == KEYS for one in describe_wire(b"\x7e".join(pieces)))


def test_every_deviation_has_a_sentence() -> None:
    """The names are in one table, and each module constant is in it."""
    names = {value for name, value in vars(dev).items() if name.isupper() and isinstance(value, str)}
    assert names <= set(DEVIATIONS)
    assert all(text.endswith(".") for text in DEVIATIONS.values())


def test_a_heartbeat_has_an_empty_body() -> None:
    """An object, not null."""
    assert describe_frame(frame(0x0002, Heartbeat().encode()))["body"] == {}
