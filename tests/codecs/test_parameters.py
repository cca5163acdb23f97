"""Terminal parameters (JT/T 808 §6): the table per edition, words and blocks, lengths of all kinds."""

from typing import Any

import pytest

from jtgate.codecs import deviations as dev
from jtgate.codecs.declare import Structure
from jtgate.codecs.describe import describe_wire
from jtgate.codecs.edition import ALL_EDITIONS, Edition
from jtgate.codecs.errors import EncodeError
from jtgate.codecs.header import encode_frames
from jtgate.codecs.jt808 import Parameter, ParametersAnswer, SetParameters
from jtgate.codecs.jt808.parameter_blocks import (
    CanIdCollection,
    CollisionAlarm,
    DistancePhoto,
    ForbiddenPeriod,
    Interval,
    TimedPhoto,
)
from jtgate.codecs.jt808.parameters import PARAMETER_ROWS, PARAMETERS, ServerAddress, blocks_of, server_addresses
from jtgate.codecs.registry import decode_body, encode_body

OLDEST, OLD, NEW = ALL_EDITIONS


def _ids(*ranges: int | tuple[int, int]) -> set[int]:
    found: set[int] = set()
    for one in ranges:
        found.update(range(one[0], one[1] + 1) if isinstance(one, tuple) else (one,))
    return found


#: The rows of §6 that every edition has, without those of JT/T 1078 and of active safety.
ALL = _ids(
    (0x01, 0x07),
    (0x10, 0x17),
    (0x20, 0x22),
    (0x27, 0x29),
    (0x2C, 0x30),
    (0x40, 0x49),
    (0x50, 0x5A),
    (0x70, 0x74),
    (0x80, 0x84),
)
SINCE_2013 = _ids((0x1A, 0x1D), 0x31, (0x5B, 0x5E), 0x64, 0x65, (0x90, 0x95), (0x0100, 0x0103), 0x0110)
UNTIL_2013 = _ids(0x18, 0x19)
SINCE_2019 = _ids((0x23, 0x26), 0x32)
VIDEO = _ids((0x75, 0x77), (0x79, 0x7C))


@pytest.mark.parametrize(
    ("edition", "ids", "count"),
    [
        (OLDEST, ALL | UNTIL_2013, 59),
        (OLD, ALL | UNTIL_2013 | SINCE_2013, 81),
        (NEW, ALL | SINCE_2013 | SINCE_2019, 84),
    ],
)
def test_rows_of_each_edition(edition: Edition, ids: set[int], count: int) -> None:
    """Every row of the table is there, in the editions that have it, and no other."""
    ours = {row.id for row in PARAMETER_ROWS if edition in row.editions and row.id < 0xF000} - VIDEO
    assert ours == ids
    assert len(ids) == count
    assert len(PARAMETERS) == len(PARAMETER_ROWS)
    assert set(PARAMETERS) >= VIDEO


def test_rows_stand_in_their_order_with_types_of_the_table() -> None:
    """Sorted by id; the few that are no DWORD and no text are WORD, BYTE or blocks."""
    below = [row for row in PARAMETER_ROWS if row.id < 0xF000]
    assert [row.id for row in below] == sorted(row.id for row in below)
    assert {row.id for row in below if row.type == "WORD"} == _ids(0x31, (0x5B, 0x5E), 0x81, 0x82, 0x0101, 0x0103)
    assert {row.id for row in below if row.type == "BYTE"} == _ids(0x84, (0x90, 0x92), 0x94)
    assert {row.id for row in below if row.type == "BYTE[n]"} == _ids(0x32, 0x0110, (0x75, 0x77), 0x79, 0x7B, 0x7C)
    text = _ids((0x10, 0x17), 0x1A, 0x1D, (0x23, 0x26), (0x40, 0x44), 0x48, 0x49, 0x83)
    assert {row.id for row in below if row.type == "STRING"} == text


# --------------------------------------------------------------------------------------- blocks


def read(parameter_id: int, raw: bytes, edition: Edition = OLD) -> Any:
    """The one parameter of 0x8103."""
    body = b"\x01" + parameter_id.to_bytes(4) + bytes([len(raw)]) + raw
    if edition is OLDEST:
        body = body[:1] + body
    (parameter,) = SetParameters.decode(body, edition).parameters
    assert SetParameters.decode(body, edition).encode(edition) == body
    return parameter.value


@pytest.mark.parametrize(
    ("parameter_id", "wire", "edition", "value"),
    [
        (0x0032, "16320a1e", NEW, ForbiddenPeriod(start_hour=22, start_minute=50, end_hour=10, end_minute=30)),
        (0x005D, "0a05", NEW, CollisionAlarm(acceleration_g=1.0, collision_time_ms=5)),
        (0x005D, "0a05", OLD, CollisionAlarm(acceleration_g=1.0, collision_time_ms=20)),
        (0x0064, "000b0103", OLD, TimedPhoto(interval=Interval(5, "min"), upload_channels=1, channels=3)),
        (0x0064, "001e0000", NEW, TimedPhoto(interval=Interval(15, "s"), upload_channels=0, channels=0)),
        (0x0064, "ffffffff", NEW, TimedPhoto(interval=Interval(0x7FFF, "min"), upload_channels=255, channels=255)),
        (0x0065, "00031f1f", OLD, DistancePhoto(interval=Interval(1, "km"), upload_channels=31, channels=31)),
        (0x0065, "01900001", NEW, DistancePhoto(interval=Interval(200, "m"), upload_channels=0, channels=1)),
        (0x0110, "000003e898fef100", OLD, CanIdCollection(interval_ms=1000, can_id=0x98FEF100)),
        (0x0111, "0000000000000123", NEW, CanIdCollection(interval_ms=0, can_id=0x123)),
        (0x01FF, "0000000000000123", NEW, CanIdCollection(interval_ms=0, can_id=0x123)),
    ],
)
def test_blocks(parameter_id: int, wire: str, edition: Edition, value: Structure) -> None:
    """Values made of several things, both ways; the item keeps its bytes."""
    assert read(parameter_id, bytes.fromhex(wire), edition) == value
    made = Parameter.of(parameter_id, value, edition)
    assert made.raw.hex() == wire
    again = Parameter.from_json({"id": made.to_json()["id"], "value": made.to_json()["value"]})
    package: Any = {"package_count": 1} if edition is OLDEST else {}
    body = SetParameters(parameters=(again,), **package)
    assert body.encode(edition)[-len(made.raw) :].hex() == wire


def test_a_collision_time_that_2013_cannot_have() -> None:
    """§13 item 29: steps of 4 ms in 2013, of 1 ms in 2019."""
    odd = CollisionAlarm(acceleration_g=1.0, collision_time_ms=5)
    assert odd.encode(NEW) == b"\x0a\x05"
    with pytest.raises(EncodeError, match="0 to 1020 in steps of 4"):
        odd.encode(OLD)
    with pytest.raises(EncodeError):
        CollisionAlarm(acceleration_g=1.0, collision_time_ms=256).encode(NEW)


@pytest.mark.parametrize("given", ["5 h", "min", "-5 min", "99999 min", 5])
def test_an_interval_that_is_none(given: object) -> None:
    """Only the two units of the parameter, and 15 bits."""
    with pytest.raises(EncodeError):
        TimedPhoto.from_json({"interval": given, "upload_channels": 0, "channels": 1}).encode()


def test_the_id_of_the_bus_has_29_bits() -> None:
    """One library masks 25; the meaning shows all 29 and the three bits above."""
    spans: list[Any] = []
    body = bytes.fromhex("01" + "00000110" + "08" + "000003e8" + "bfffffff")
    SetParameters.decode(body, OLD, [], spans)
    (row,) = [span for span in spans if span.path.endswith("can_id")]
    assert row.meaning.startswith(f"CAN总线ID id on the bus {0x1FFFFFFF}; 采集区间的平均值 average")


# ---------------------------------------------------------------------------------------- words


def meaning(parameter_id: int, value: int | str, edition: Edition = NEW) -> str:
    """What the annotated view says of a value."""
    spans: list[Any] = []
    item = Parameter.of(parameter_id, value)
    SetParameters.decode(SetParameters(parameters=(item,)).encode(NEW), edition, [], spans)
    return str(spans[-1].meaning)


@pytest.mark.parametrize(
    ("parameter_id", "value", "words"),
    [
        (0x0020, 2, "定时和定距汇报 by time and distance"),
        (0x0021, 0, "根据ACC状态 by ACC"),
        (0x0045, 0, "自动接听 automatic"),
        (0x0050, 0x6, "超速报警 overspeed; 疲劳驾驶 fatigue driving"),
        (0x0054, 0x1, "紧急报警 emergency"),
        (0x0084, 2, "黄色 yellow"),
        (0x0090, 3, "GPS; 北斗 BeiDou"),
        (0x0091, 5, "115200"),
        (0x0092, 1, "1000ms 1000 ms"),
        (0x0094, 0x0B, "按累计时间上传 by accumulated time"),
        (0x0094, 0x0E, ""),
        (0x0013, "a.example:7018;10.0.0.1", "地址 host a.example, 端口 port 7018; 地址 host 10.0.0.1"),
        (0x0040, "13900000000", ""),
        (0x0001, 60, ""),
    ],
)
def test_words(parameter_id: int, value: int | str, words: str) -> None:
    """Codes, bits and servers are told in words; the value stays the number or text."""
    assert meaning(parameter_id, value) == words


@pytest.mark.parametrize("parameter_id", [0x50, 0x51, 0x52, 0x53, 0x54])
def test_alarm_masks_speak_of_the_flags_of_their_edition(parameter_id: int) -> None:
    """Bit 3 is another alarm in each edition (§4.2)."""
    assert meaning(parameter_id, 8, OLD) == "危险预警 danger warning"
    assert meaning(parameter_id, 8, NEW) == "危险驾驶行为报警 dangerous driving behaviour"


def test_words_can_be_given() -> None:
    """Where a person types the word of a table, its code is written."""
    items = {"report_strategy": "by distance", "gnss_mode": "BeiDou; Galileo", "plate_color": "黄色"}
    message = SetParameters.from_json({"parameters": [{name: value} for name, value in items.items()]})
    assert [parameter.raw.hex() for parameter in message.parameters] == ["00000001", "0a", "02"]
    with pytest.raises(EncodeError, match="is no word of the table"):
        SetParameters.from_json({"parameters": [{"plate_color": "pink"}]})


@pytest.mark.parametrize(
    ("value", "servers"),
    [
        ("a.example:7018;10.0.0.1:80", (ServerAddress("a.example", 7018), ServerAddress("10.0.0.1", 80))),
        ("a.example", (ServerAddress("a.example", None),)),
        (" a.example ; ", (ServerAddress("a.example", None),)),
        ("[::1]:7018", (ServerAddress("[::1]", 7018),)),
        ("a.example:port", (ServerAddress("a.example:port", None),)),
        ("", ()),
    ],
)
def test_server_addresses(value: str, servers: tuple[ServerAddress, ...]) -> None:
    """host:port, several joined by ';', or a host alone as before 2019."""
    assert server_addresses(value) == servers


def test_an_address_before_2019_is_a_host() -> None:
    """2013 has the port in a parameter of its own, so nothing is made of the text."""
    assert meaning(0x0013, "a.example", OLD) == ""


# -------------------------------------------------------------------------------------- lengths


@pytest.mark.parametrize(
    ("parameter_id", "raw", "value"),
    [
        (0x0084, "00000002", 2),
        (0x0081, "0000000b", 11),
        (0x0001, "3c", 60),
        (0x0031, "000001f4", 500),
        (0x005D, "00000a05", 0x0A05),
        (0x0064, "0001", 1),
        (0x0001, "00003c", None),
        (0x0001, "", None),
        (0x0032, "1632", None),
        (0x0110, "000003e8", None),
        (0xF0FF, "0102", None),
    ],
)
def test_parameters_of_other_lengths(parameter_id: int, raw: str, value: int | None) -> None:
    """§11 item 57: a number is decoded by the length it has; what fits no form is kept as bytes."""
    assert read(parameter_id, bytes.fromhex(raw)) == value


@pytest.mark.parametrize("edition", ALL_EDITIONS)
def test_a_wrong_count_of_parameters(edition: Edition) -> None:
    """§11 item 57: 0x0104 whose count is wrong is read by the lengths of its items, and noted."""
    package = b"\x07" if edition is OLDEST else b""
    body = b"\x00\x05\x07" + package + bytes.fromhex("00000001040000003c" + "000000840102")
    deviations: list[str] = []
    message = decode_body(0x0104, body, NEW if edition is NEW else OLD, deviations)
    assert isinstance(message, ParametersAnswer)
    assert [parameter.value for parameter in message.parameters] == [60, 2]
    assert deviations == [dev.PARAMETERS_WRONG_COUNT]
    assert encode_body(message, edition) == body


@pytest.mark.parametrize("edition", [OLD, NEW])
def test_a_large_answer_in_parts(edition: Edition) -> None:
    """§11 item 50: 0x0104 in parts is joined under 2013 as under 2019, and then every id is there."""
    items = tuple(Parameter.of(0x0013, f"{number:0>200}") for number in range(20))
    body = ParametersAnswer(answer_serial=9, parameters=items).encode(edition)
    frames = encode_frames(0x0104, body, phone="13912345678", serial=65534, edition=edition)
    assert len(frames) == 5
    described = describe_wire(b"".join(reversed(frames)))
    whole: Any = described[-1]["body"]
    assert [parameter["value"] for parameter in whole["parameters"]] == [f"{number:0>200}" for number in range(20)]
    assert described[-1]["deviations"] == []


def test_forms_are_tried_for_every_can_id() -> None:
    """0x0110 to 0x01FF have one form; the ids beside them none."""
    assert blocks_of(0x0110) == blocks_of(0x01FF) == (CanIdCollection,)
    assert blocks_of(0x010F) == blocks_of(0x0200) == ()
