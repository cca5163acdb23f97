"""JSON back into messages: what `to_json` shows can be written again, and what people type is read or refused."""

import json
from datetime import date
from typing import Any

import pytest
from declared_strategies import structures
from hypothesis import given, settings
from test_messages_properties import CASES, damaged, decoded

from jtgate.codecs import deviations as dev
from jtgate.codecs.compose import LOST_IN_JSON
from jtgate.codecs.declare import (
    MESSAGES,
    Message,
    Structure,
    bcd,
    bcd_date,
    bcd_time,
    byte,
    chars,
    dword,
    dword_latitude,
    one_of,
    raw,
    repeat,
    string,
    structure,
    word,
    word_temperature,
)
from jtgate.codecs.edition import Edition
from jtgate.codecs.errors import BodyError, EncodeError
from jtgate.codecs.items import LocationItem
from jtgate.codecs.jt808 import LocationReport, Parameter, SetParameters
from jtgate.codecs.kinds import Number
from jtgate.codecs.registry import UnknownMessage, body_edition
from jtgate.codecs.tables import Bit, Bits, Choices
from jtgate.codecs.timebase import RawTime, WireTime

#: Random values of each message in each edition; the declarations are many, their kinds few.
EXAMPLES = 5

# Beside what `compose` names, angles beyond 180 degrees: JSON has them, but not whether they were two's complement.
LOST = LOST_IN_JSON | {dev.VALUE_OUT_OF_RANGE}


@pytest.mark.parametrize(("cls", "edition"), CASES)
def test_json_goes_back_to_the_same_bytes(cls: type[Message], edition: Edition) -> None:
    """Every value of every message, through JSON text, encodes to the bytes it had."""

    @settings(max_examples=EXAMPLES, deadline=None)
    @given(structures(cls, edition))
    def check(message: Message) -> None:
        text = json.dumps(message.to_json())
        assert cls.from_json(json.loads(text)).encode(edition) == message.encode(edition)

    check()


@pytest.mark.parametrize(("cls", "edition"), CASES)
def test_json_of_odd_bodies_goes_back_too(cls: type[Message], edition: Edition) -> None:
    """Whatever a terminal sent, apart from the named deviations that JSON does not carry."""

    @settings(max_examples=EXAMPLES, deadline=None)
    @given(damaged(cls, edition))
    def check(body: bytes) -> None:
        deviations: list[str] = []
        message = decoded(cls.INFO.msg_id, body, edition, deviations)
        if isinstance(message, BodyError | UnknownMessage) or LOST.intersection(deviations):
            return
        again = type(message).from_json(json.loads(json.dumps(message.to_json())))
        assert again.encode(body_edition(cls.INFO.msg_id, body, edition)) == body

    check()


# ----------------------------------------------------------------------------------- as people type it


@structure()
class Short(Structure):
    """A name of four bytes."""

    name: str = chars("名称", 4)


@structure()
class Long(Short):
    """A name of eight bytes."""

    name: str = chars("名称", 8)


@structure()
class Other(Short):
    """Something with another field."""

    name: str = chars("名称", 4)
    number: int = byte("编号")


RESULTS = Choices((0, "成功", "success"), (1, "失败", "failure"))
STATES = Bits(
    Bit(0, "ACC开", "ACC on", "ACC关", "ACC off"),
    Bit(1, "定位", "positioned"),
    Bit(4, "车门", "door", width=2, choices=Choices((0, "关", "closed"), (2, "开", "open"))),
    Bit(8, "长度", "length", width=4),
)


def _table(owner: Any) -> Choices:
    return RESULTS if owner.number == 5 else Choices((9, "成功", "success"))


@structure()
class Typed(Structure):
    """One field of each kind."""

    depends: int = byte("依赖", table=_table, default=0)
    number: int = byte("数", default=0)
    result: int = byte("结果", table=RESULTS, default=0)
    state: int = word("状态", table=STATES, default=0)
    id: int = word("ID", as_hex=True, default=0)
    speed_kmh: float = word("速度", scale=0.1, unit="km/h", default=0.0)
    wheel: int | None = byte("轮", no_data=0xFF, default=None)
    latitude: float = dword_latitude("纬度", default=0.0)
    temperature_c: int = word_temperature("温度", default=0)
    digits: str = bcd("号码", 3, default="000000")
    time: WireTime = bcd_time("时间", default=RawTime(bytes(6)))
    utc: WireTime = bcd_time("时间", utc=True, default=RawTime(bytes(6)))
    day: date | RawTime = bcd_date("日期", default=RawTime(bytes(4)))
    data: bytes = raw("数据", 2, default=b"\0\0")
    text: str = string("文本", prefix=1, default="")
    numbers: tuple[int, ...] = repeat("数", Number(1), count=2, default=(0, 0))
    form: Short = one_of("形式", Short, (Short, Long, Other), lambda *_: Short, default=Short(name=""))


@pytest.fixture(scope="module", autouse=True)
def _typed() -> None:
    """The declarations above are no messages."""
    assert not {"Typed", "Short"} & {cls.__name__ for cls in MESSAGES.values()}


@pytest.mark.parametrize(
    ("field", "given", "read"),
    [
        ("number", "7", 7),
        ("number", "0x07", 7),
        ("number", 7.0, 7),
        ("result", "failure", 1),
        ("result", "失败 failure", 1),
        ("result", "Success", 0),
        ("result", "1", 1),
        ("state", ["ACC on", "定位"], 3),
        ("state", "ACC开 ACC on; 开 open; 长度 length 5", 0x521),
        ("state", "ACC off", 0),
        ("state", "0x21", 0x21),
        ("id", "0x0200", 0x200),
        ("id", 512, 512),
        ("speed_kmh", "60.5", 60.5),
        ("speed_kmh", 60, 60.0),
        ("wheel", None, None),
        ("latitude", "-41.5", -41.5),
        ("temperature_c", "-5", -5),
        ("digits", 42, "000042"),
        ("digits", "ab", "0000AB"),
        ("time", "raw:ffffffffffff", RawTime(b"\xff" * 6)),
        ("data", "AB cd", b"\xab\xcd"),
        ("text", "测试", "测试"),
        ("numbers", "1, 0x02", (1, 2)),
        ("form", {"name": "abc"}, Short(name="abc")),
        ("form", {"name": "abcdefg"}, Long(name="abcdefg")),
        ("form", {"form": "long", "name": "abc"}, Long(name="abc")),
        ("form", {"name": "abc", "number": 1}, Other(name="abc", number=1)),
    ],
)
def test_values_as_people_type_them(field: str, given: object, read: object) -> None:
    """Numbers as text, words of tables in both languages, digits, hex."""
    assert getattr(Typed.from_json({field: given}), field) == read


@pytest.mark.parametrize("given", ["2026-11-23T10:20:30+08:00", "2026-11-23 02:20:30Z", "2026-11-23 10:20:30"])
def test_a_time_without_a_zone_is_that_of_the_terminals(given: str) -> None:
    """GMT+8, in both kinds of time fields; digits stand as on the wire, in the zone of the field."""
    at = Typed.from_json({"time": given, "utc": given})
    assert at.time == at.utc == Typed.from_json({"time": "261123102030"}).time
    assert Typed.from_json({"utc": "261123022030"}).utc == at.utc
    assert at.to_json()["utc"] == "2026-11-23T10:20:30+08:00"


def test_a_date_may_be_digits() -> None:
    """ISO or as on the wire."""
    assert Typed.from_json({"day": "20261123"}) == Typed.from_json({"day": "2026-11-23"})
    assert Typed.from_json({"day": "raw:00000000"}).day == RawTime(bytes(4))


def test_words_of_a_table_that_depends_on_another_field() -> None:
    """The other fields are read first, whatever the order."""
    assert Typed.from_json({"depends": "success", "number": 5}).depends == 0
    assert Typed.from_json({"depends": "success", "number": 6}).depends == 9


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"number": "x"}, "number: 'x' is no whole number"),
        ({"number": 1.5}, "number: 1.5 is no whole number"),
        ({"number": True}, "number: True is no whole number"),
        ({"number": None}, "number: None is no whole number"),
        ({"result": "sucess"}, "result: 'sucess' is no word of the table; did you mean success?"),
        ({"state": ["door"]}, "state: 'door' is no word of the table; did you mean"),
        ({"state": [1]}, "state: 1 is no text"),
        ({"speed_kmh": "fast"}, "speed_kmh: 'fast' is no number"),
        ({"latitude": "nan"}, "latitude: 'nan' is no number|latitude: nan is no number"),
        ({"digits": "1234567"}, "digits: '1234567' is not 6 digits"),
        ({"time": "yesterday"}, "time: 'yesterday' is no time; give it as"),
        ({"time": "raw:00"}, "time: 'raw:00' is not 6 bytes"),
        ({"day": "23.11."}, "day: '23.11.' is no date"),
        ({"data": "abc"}, "data: 'abc' is not bytes in hex"),
        ({"text": 5}, "text: 5 is no text"),
        ({"numbers": 5}, "numbers: 5 is no list"),
        ({"numbers": [1, "x"]}, r"numbers\[1\]: 'x' is no whole number"),
        ({"form": {"form": "wide", "name": ""}}, "form.form: 'wide' is not one of short, long, other"),
        ({"form": {"nme": ""}}, "form.nme: there is no such field; did you mean name"),
        ({"form": {}}, "form.name: is needed"),
        ({"form": 5}, "form: 5 is no object with fields"),
        ({"sped_kmh": 5}, "sped_kmh: there is no such field; did you mean speed_kmh"),
        ({"trailing": "x"}, "trailing: 'x' is not bytes"),
    ],
)
def test_what_is_wrong_is_said_with_the_path(given: dict[str, object], complaint: str) -> None:
    """The field, what it was given, and what to do."""
    with pytest.raises(EncodeError, match=complaint):
        Typed.from_json(given)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"number": 256}, "number: 256 cannot be sent: possible is 0 to 255"),
        ({"speed_kmh": 6553.6}, "speed_kmh: 6553.6 cannot be sent: possible is 0 to 6553.5 in steps of 0.1 km/h"),
        ({"data": "abcdef"}, "data: .* cannot be sent: possible is 2 bytes in hex"),
        ({"form": {"form": "short", "name": "abcde"}}, "form.name: 'abcde' cannot be sent: .* 4 is the limit"),
        ({"numbers": [1]}, "numbers: .* 2 elements wanted, 1 given"),
        ({"numbers": [1, 300]}, r"numbers: .* cannot be sent: "),
    ],
)
def test_what_cannot_be_sent_is_said_with_what_is_possible(given: dict[str, object], complaint: str) -> None:
    """Range, steps and unit."""
    with pytest.raises(EncodeError, match=complaint):
        Typed.from_json(given).encode()


# ------------------------------------------------------------------------------------------- items


REPORT = {
    "alarm_flags": 0,
    "status": "0x02",
    "latitude": 41.5,
    "longitude": 122,
    "altitude_m": 5,
    "speed_kmh": 60,
    "heading_deg": 90,
    "time": "2026-11-23T10:20:30+08:00",
}


@pytest.mark.parametrize(
    ("item", "wire"),
    [
        ({"id": "0x01", "value": {"mileage_km": 1.5}}, "01040000000f"),
        ({"id": 1, "mileage_km": 1.5}, "01040000000f"),
        ({"mileage_km": 1.5}, "01040000000f"),
        ({"name": "mileage", "value": {"mileage_km": "1.5"}}, "01040000000f"),
        ({"name": "里程", "value": {"mileage_km": "1.5"}}, "01040000000f"),
        ({"id": "0x01", "raw": "0001"}, "01020001"),
        ({"id": "0xfb", "name": None, "term": None, "value": None, "raw": ""}, "fb00"),
        ({"id": "0x30", "name": "signal_strength", "value": {"signal_strength": 9}, "trailing": "aa"}, "300209aa"),
    ],
)
def test_an_item_by_id_or_name(item: dict[str, object], wire: str) -> None:
    """With its value, with the fields of its value, or with its bytes."""
    report = LocationReport.from_json({**REPORT, "items": [item]})
    assert report.encode()[28:].hex() == wire


@pytest.mark.parametrize(
    ("item", "complaint"),
    [
        (5, r"items\[0\]: 5 is no item"),
        ({"raw": "00"}, r"items\[0\].id: is needed beside raw"),
        ({"id": 256, "raw": ""}, r"items\[0\].id: 0x100 does not fit 1 bytes"),
        ({"id": "0xfb", "value": {"x": 1}}, r"items\[0\].raw: is needed; no value of item 0xfb"),
        ({"name": "milage", "value": {}}, r"items\[0\].name: no item is called 'milage'; did you mean mileage"),
        ({"id": 1, "value": {"mileage_km": 1}, "extra": 1}, r"items\[0\].extra: an item has"),
        ({"id": 1, "value": {"km": 1}}, r"items\[0\].value.km: there is no such field"),
        ({}, r"items\[0\].id: is needed"),
    ],
)
def test_a_wrong_item_is_named(item: object, complaint: str) -> None:
    """With its place in the list."""
    with pytest.raises(EncodeError, match=complaint):
        LocationReport.from_json({**REPORT, "items": [item]})


def test_an_item_is_written_inside_of_its_report() -> None:
    """Its angles follow the hemisphere of the report around it, like those that were received."""
    alarm = {
        "alarm_id": 1, "flag": 1, "alarm_type": 1, "level": 1, "front_speed_kmh": 0, "front_distance_100ms": 0,
        "departure": 0, "road_sign": 0, "road_sign_value": 0, "speed_kmh": 5, "altitude_m": 5, "latitude": -41.5,
        "longitude": 122, "time": REPORT["time"], "vehicle_status": 0,
        "alarm_number": {
            "terminal_id": "A", "time": REPORT["time"], "sequence": 1, "attachment_count": 0, "reserved": "00"
        },
    }  # fmt: skip
    report = LocationReport.from_json(
        {**REPORT, "status": 6, "latitude": -41.5, "items": [{"name": "adas_alarm", "value": alarm}]}
    )
    body = report.encode()
    assert body[8:12] == body[28 + 2 + 15 : 28 + 2 + 19] == (41_500_000).to_bytes(4)
    assert LocationReport.decode(body).items[0].value.latitude == -41.5


@pytest.mark.parametrize(
    ("parameter", "wire"),
    [
        ({"id": "0x0001", "value": 60}, "00000001040000003c"),
        ({"name": "heartbeat_interval_s", "value": "60"}, "00000001040000003c"),
        ({"heartbeat_interval_s": 60}, "00000001040000003c"),
        ({"name": "车牌颜色", "value": 2}, "000000840102"),
        ({"id": 0x13, "value": "a.b"}, "0000001303612e62"),
        ({"id": 0x84, "raw": "00000002"}, "000000840400000002"),
    ],
)
def test_a_parameter_by_id_or_name(parameter: dict[str, object], wire: str) -> None:
    """In the width of its type."""
    body = SetParameters.from_json({"parameters": [parameter]}).encode()
    assert body.hex() == "01" + wire
    assert Parameter.from_json(parameter).id == int(wire[:8], 16)


@pytest.mark.parametrize(
    ("parameter", "complaint"),
    [
        ({"id": 1, "value": 1 << 32}, "value: 4294967296 does not fit; possible is 0 to 4294967295"),
        ({"id": 1, "value": "x"}, "value: 'x' is no whole number"),
        ({"heartbeat": 60}, "name: no parameter is called 'heartbeat'; did you mean heartbeat_interval_s"),
        ({"id": "0xffff", "value": 1}, "value: the value of this parameter is not a number or text"),
        ({}, "id: is needed"),
    ],
)
def test_a_wrong_parameter_is_named(parameter: dict[str, object], complaint: str) -> None:
    """What it is, and what is possible."""
    with pytest.raises(EncodeError, match=complaint):
        Parameter.from_json(parameter)


def test_raw_wins_over_a_value() -> None:
    """What was received goes out as it came, whatever stands beside it."""
    item = LocationItem.from_json({"id": 1, "value": {"mileage_km": 5}, "raw": "00000001"})
    assert item.raw == bytes.fromhex("00000001")


def test_a_long_item_is_refused() -> None:
    """One byte of length."""
    with pytest.raises(EncodeError, match=r"items: .* cannot be sent"):
        LocationReport.from_json({**REPORT, "items": [{"id": 1, "raw": "00" * 256}]}).encode()


def test_missing_fields_are_named_together() -> None:
    """Those that have no default."""

    @structure()
    class Two(Structure):
        """Two fields that are needed."""

        one: int = dword("一")
        two: int = dword("二")

    with pytest.raises(EncodeError, match="one, two: are needed"):
        Two.from_json({})
