"""JT/T 808 §13 and §11, row by row: points where sources disagree, for areas, media, CAN, recorder and encryption.

Each test names its row. Rows that need more than a line have their test beside the message: 10 to 12 in
test_areas.py, 20 and §11 item 47 and 49 in test_media_messages.py, 29 and §11 items 50 and 57 in test_parameters.py.
"""

from typing import Any

import pytest

from jtgate.codecs import deviations as dev
from jtgate.codecs.describe import walk_wire
from jtgate.codecs.edition import ALL_EDITIONS, Edition
from jtgate.codecs.framing import wrap
from jtgate.codecs.header import build_header, encode_frames, parse_header
from jtgate.codecs.jt808.area_fields import AreaTime
from jtgate.codecs.jt808.areas import AreaQuery, SetPolygon, Vertex
from jtgate.codecs.jt808.can import CanItem, CanUpload, DayTime
from jtgate.codecs.jt808.media_commands import CameraAnswer
from jtgate.codecs.jt808.parameter_blocks import CollisionAlarm, CollisionTime, PhotoInterval
from jtgate.codecs.jt808.recorder import DataBlock
from jtgate.codecs.jt808.recorder_kinds import BcdNumber
from jtgate.codecs.kinds import Kind
from jtgate.codecs.profile import Profile
from jtgate.codecs.registry import decode_body, encode_body
from jtgate.codecs.timebase import RawTime

OLDEST, OLD, NEW = ALL_EDITIONS


@pytest.mark.parametrize("edition", [OLD, NEW])
def test_row_8_items_of_can_data_begin_at_7(edition: Edition) -> None:
    """2013 prints 8, 2019 prints 7; the BCD[5] time before them ends at 7."""
    body = CanUpload(time=RawTime(bytes(5)), items=(CanItem(can_id=1, data=bytes(8)),)).encode(edition)
    assert CanUpload.offset_of("items", edition) == 7
    assert body[7:11] == b"\x00\x00\x00\x01"


@pytest.mark.parametrize("edition", [OLD, NEW])
def test_row_9_offsets_are_computed(edition: Edition) -> None:
    """0x0805 has its list at 5, not 4, and the last id of 0x8608 stands at 5 + (n − 1)·4, not 1 + (n − 1)·4."""
    assert CameraAnswer(answer_serial=1, result=0, media_ids=(7,)).encode(edition)[5:] == b"\x00\x00\x00\x07"
    ids = AreaQuery(area_type=1, ids=(1, 2, 3)).encode(edition)
    assert ids[5 + 2 * 4 :] == b"\x00\x00\x00\x03"


def test_row_11_the_night_speed_of_a_polygon_follows_the_vertices() -> None:
    """2019 prints it there and four implementations agree; without a speed limit there is none."""
    limited = SetPolygon(
        area_id=1,
        attribute=2,
        speed_limit_kmh=80,
        overspeed_duration_s=5,
        vertices=(Vertex(latitude=1.0, longitude=2.0),),
        night_speed_limit_kmh=60,
        name="",
    ).encode(NEW)
    assert limited[-4:] == b"\x00\x3c\x00\x00"
    plain = SetPolygon(area_id=1, attribute=0, vertices=(), name="").encode(NEW)
    assert plain == bytes.fromhex("00000001" + "0000" + "0000" + "0000")


def test_row_12_times_and_speeds_by_their_bits_or_always() -> None:
    """Absent without the bit; a profile for the broker that always writes them."""
    body = bytes.fromhex("00000001" + "0000" + "00" * 12 + "0050" + "05" + "0000")
    message: Any = decode_body(0x8604, body, OLD, [], profile=Profile(area_fields="always"))
    assert message.speed_limit_kmh == 80
    assert encode_body(message, OLD, Profile(area_fields="always")) == body
    default: Any = decode_body(0x8604, body, OLD, [])
    assert default.speed_limit_kmh is None


def test_row_29_the_unit_of_the_collision_time() -> None:
    """4 ms in 2013, ms in 2019; a profile may say which edition a terminal follows."""
    body = bytes.fromhex("01" + "0000005d" + "02" + "0a05")
    for edition, time_ms in ((OLD, 20), (NEW, 5)):
        message: Any = decode_body(0x8103, body, edition, [])
        assert message.parameters[0].value == CollisionAlarm(acceleration_g=1.0, collision_time_ms=time_ms)
    forced: Any = decode_body(0x8103, body, OLD, [], profile=Profile(edition="2019"))
    assert forced.parameters[0].value.collision_time_ms == 5


@pytest.mark.parametrize("edition", [OLD, NEW])
@pytest.mark.parametrize("encryption", range(8))
def test_row_33_three_encryption_bits(edition: Edition, encryption: int) -> None:
    """All three bits are read and written; only 1 is RSA, the others go to whoever can open them."""
    head = build_header(0x0900, 3, phone="13912345678", serial=1, edition=edition, encryption=encryption)
    header, body = parse_header(head + b"\xf0ab")
    assert (header.encryption, body) == (encryption, b"\xf0ab")

    def opener(header: Any, body: bytes) -> bytes | None:
        return bytes(byte ^ 1 for byte in body) if header.encryption == 5 else None

    (described,) = walk_wire([wrap(head + b"\xf1`c")], opener=opener)
    if encryption == 5:
        assert described.json["body"]["data"] == b"ab".hex()  # type: ignore[index]
        assert described.json["deviations"] == []
    elif encryption:
        assert described.json["body"] == {"raw": b"\xf1`c".hex()}
        assert described.json["deviations"] == [dev.BODY_ENCRYPTED]


@pytest.mark.parametrize("edition", [OLD, NEW])
def test_item_16_encryption_bits_by_accident(edition: Edition) -> None:
    """§11 item 16: bits before a plain body; believed by default, read as plain and noted where the profile says so."""
    (wire,) = encode_frames(0x8805, bytes(4) + b"\x01", phone="1", serial=1, edition=edition, encryption=1)
    (believed,) = walk_wire([wire])
    assert believed.json["body"] == {"raw": "0000000001"}
    assert believed.json["deviations"] == [dev.BODY_ENCRYPTED]
    (ignored,) = walk_wire([wire], profile=Profile(encryption_bits="ignore"))
    assert ignored.json["body"] == {"media_id": 0, "delete": 1}
    assert ignored.json["deviations"] == [dev.ENCRYPTION_BITS_IGNORED]


# ------------------------------------------------------------------------ what the reference says of them


@pytest.mark.parametrize(
    ("kind", "wire_type", "possible"),
    [
        (AreaTime(), "BCD[6], YYMMDDhhmmss", "a time from 2001 to 2099, or daily hh:mm:ss, "),
        (DayTime(), "BCD[5], hhmmss and milliseconds", "a time of day, as 15:09:26.123"),
        (BcdNumber(), "BCD[4]", "0 to 9999999.9 in steps of 0.1"),
        (PhotoInterval("m", "km"), "WORD, 15 bits and 1 bit for the unit", "0 to 32767 m or km"),
        (CollisionTime(), "BYTE", "0 to 1020 in steps of 4"),
        (DataBlock({}), "data block by command", ""),
    ],
)
def test_kinds_say_what_they_are(kind: Kind, wire_type: str, possible: str) -> None:
    """The type as the standard names it, and what values can be written."""
    assert kind.wire_type(OLD) == wire_type
    assert kind.possible(OLD).startswith(possible)


def test_conditions_say_what_they_are() -> None:
    """Fields that are there by a bit say by which."""
    conditions = {spec.name: str(spec.presence_in(NEW)) for spec in SetPolygon.SPECS if spec.presence_in(NEW)}
    assert conditions["start"] == "when bit 0 of attribute is set"
    assert conditions["night_speed_limit_kmh"] == "when bit 1 of attribute is set"
    assert conditions["name"] == "always"
