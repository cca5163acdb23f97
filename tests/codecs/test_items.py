"""Additional items of location reports: tables as in the standards, and every rule about lengths."""

from typing import Any

import pytest
from declared_strategies import structures
from hypothesis import given, settings

from jtgate.codecs import deviations as dev
from jtgate.codecs.describe import describe_wire
from jtgate.codecs.edition import ALL_EDITIONS, Edition
from jtgate.codecs.items import ITEMS, ItemForm, LocationItem
from jtgate.codecs.jsatl12.items import ALARM_NUMBERS, AdasAlarm, AlarmNumber, TpmsAlarm, WideTyreAlarm
from jtgate.codecs.jsatl12.tables import (
    ADAS_TYPES,
    BSD_TYPES,
    DSM_TYPES,
    FLAG_STATES,
    FLAG_STATES_SC,
    HARSH_DRIVING_TYPES,
    PASSENGER_TYPES,
    SPEEDING_KINDS,
    TYRE_ALARMS,
)
from jtgate.codecs.jt808 import LocationReport, SetParameters
from jtgate.codecs.jt808.additional import Mileage
from jtgate.codecs.jt808.parameter_blocks import CanIdCollection
from jtgate.codecs.jt808.parameters import PARAMETER_ROWS, Parameter
from jtgate.codecs.jt808.tables import (
    ALARM_FLAG_ROWS,
    ALARM_FLAGS,
    PLATE_COLOURS,
    STATUS,
    VEHICLE_SIGNALS,
    acknowledged_alarms,
)
from jtgate.codecs.jt1078.items import VIDEO_ALARMS
from jtgate.codecs.profile import Dialect, Profile
from jtgate.codecs.wire import Span

BASE = bytes.fromhex("00000000000000030260d36106ee98e100320064000a250314151000")


def report(tlv: str, deviations: list[str] | None = None) -> LocationReport:
    """A report with some additional items in hex."""
    return LocationReport.decode(BASE + bytes.fromhex(tlv), Edition.V2013, deviations)


def only(tlv: str) -> LocationItem:
    """The one item of a report."""
    (item,) = report(tlv).items
    return item


# ----------------------------------------------------------------------------------- tables


def test_known_item_ids_are_those_of_the_standards() -> None:
    """§4.4, 1078 §1.12 and active-safety §1: these ids and no others."""
    of_808 = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x11, 0x12, 0x13, 0x25, 0x2A, 0x2B, 0x30, 0x31, 0xE0}
    of_1078 = {0x14, 0x15, 0x16, 0x17, 0x18}
    of_jsatl12 = {0x64, 0x65, 0x66, 0x67, 0x68, 0x70, 0x71, 0xF1, 0xF2}
    assert set(ITEMS) == of_808 | of_1078 | of_jsatl12
    assert {i for i, forms in ITEMS.items() if forms[-1].editions == ALL_EDITIONS} == {1, 2, 3, 0x11, 0x12, 0x13}
    assert {i for i, forms in ITEMS.items() if forms[-1].editions == (Edition.V2019,)} == {0x05, 0x06}


def test_alarm_flags_per_edition() -> None:
    """§4.2: which bits an edition has, and which of them the platform's answer clears."""
    bits = {edition: {row.no for row in ALARM_FLAGS if edition in row.editions} for edition in ALL_EDITIONS}
    assert bits[Edition.V2011] == {*range(12), *range(18, 29)}
    assert bits[Edition.V2013] == set(range(32)) - {15, 16, 17}
    assert bits[Edition.V2019] == set(range(31))
    cleared = {edition: acknowledged_alarms(edition) for edition in ALL_EDITIONS}
    always = 1 << 0 | 1 << 20 | 1 << 21 | 1 << 22 | 1 << 27 | 1 << 28
    assert cleared == {
        Edition.V2011: always | 1 << 3,
        Edition.V2013: always | 1 << 3 | 1 << 31,
        Edition.V2019: always,
    }
    assert [row.no for row in ALARM_FLAG_ROWS] == sorted(row.no for row in ALARM_FLAG_ROWS)


def test_alarm_flag_names_follow_the_edition() -> None:
    """Bits 3 and 29 are called otherwise in each edition."""
    assert ALARM_FLAGS.meaning(1 << 3, Edition.V2011) == "预警 early warning"
    assert ALARM_FLAGS.meaning(1 << 3, Edition.V2013) == "危险预警 danger warning"
    assert ALARM_FLAGS.meaning(1 << 3 | 1 << 29, Edition.V2019) == (
        "危险驾驶行为报警 dangerous driving behaviour; 碰撞侧翻报警 collision or rollover"
    )
    assert ALARM_FLAGS.meaning(1 << 16 | 1 << 17, Edition.V2013) == "保留位 reserved bit 16,17"


def test_status_bits() -> None:
    """§4.3: bits 0 to 22, bits 8 and 9 one number."""
    assert {row.no for row in STATUS} == set(range(23)) - {9}
    assert {row.no for row in STATUS if Edition.V2011 in row.editions} == {0, 1, 2, 3, 4, 5, 10, 11, 12}
    assert {row.no for row in STATUS if row.editions == (Edition.V2019,)} == {6, 7, 22}
    assert STATUS.meaning(0x300, Edition.V2013) == "ACC关 ACC off; 未定位 not positioned; 满载 fully loaded"


@pytest.mark.parametrize(
    ("table", "codes"),
    [
        (VEHICLE_SIGNALS, range(15)),
        (VIDEO_ALARMS, range(7)),
        (TYRE_ALARMS, range(8)),
        (BSD_TYPES, (1, 2, 3)),
        (PASSENGER_TYPES, (1, 2, 0x80)),
        (SPEEDING_KINDS, (0, 1)),
        (FLAG_STATES, (0, 1, 2)),
        (FLAG_STATES_SC, (0, 1, 2, 3)),
        (HARSH_DRIVING_TYPES, range(1, 8)),
        (PLATE_COLOURS, (0, 1, 2, 3, 4, 5, 9, 91, 92, 93, 94)),
        (ADAS_TYPES[Dialect.SU], (1, 2, 3, 4, 5, 6, 7, 0x10, 0x11)),
        (ADAS_TYPES[Dialect.DB32], (1, 2, 3, 4, 5, 6, 7, 8, 0x10, 0x11)),
        (ADAS_TYPES[Dialect.GD], (1, 2, 3, 4, 5, 6, 7, 0x10, 0x11, 0x12, 0x13)),
        (ADAS_TYPES[Dialect.HN], (1, 2, 3, 4, 0x10, 0x11, 0x12)),
        (DSM_TYPES[Dialect.SU], (1, 2, 3, 4, 5, 0x10, 0x11)),
        (DSM_TYPES[Dialect.DB32], (1, 2, 3, 4, 5, 6, 7, 8, 0x0E, 0x0F, 0x10, 0x11, 0x12)),
        (DSM_TYPES[Dialect.GD], (1, 2, 3, 4, 5, 6, 8, 0x0A, 0x0B, 0x0C, 0x0D, 0x10, 0x11)),
        (DSM_TYPES[Dialect.HN], (1, 2, 3, 4, 5, 6, 7, 8, 9, 0x10, 0x11, 0x12, 0x13, 0x14)),
    ],
)
def test_codes_of_a_table(table: Any, codes: Any) -> None:
    """The table has the rows of the document, in its order."""
    assert [row.code for row in table] == list(codes)


def test_parameter_ids() -> None:
    """§6: ids in order, the reserved ones left out, and which types they have."""
    ids = [row.id for row in PARAMETER_ROWS]
    assert ids == sorted(set(ids))
    standard = {i for i in ids if i < 0xF000}
    assert standard == {
        *range(0x01, 0x08), *range(0x10, 0x1E), *range(0x20, 0x2A), *range(0x2C, 0x33), *range(0x40, 0x4A),
        *range(0x50, 0x5F), 0x64, 0x65, *range(0x70, 0x78), 0x79, 0x7A, 0x7B, 0x7C, *range(0x80, 0x85),
        *range(0x90, 0x96), *range(0x100, 0x104), 0x110,
    }  # fmt: skip
    words = {row.id for row in PARAMETER_ROWS if row.type == "WORD"}
    assert words == {0x31, 0x5B, 0x5C, 0x5D, 0x5E, 0x81, 0x82, 0x101, 0x103}
    bytes_ = {row.id for row in PARAMETER_ROWS if row.type == "BYTE"}
    assert bytes_ == {0x84, 0x90, 0x91, 0x92, 0x94}


def test_parameter_is_decoded_by_its_length() -> None:
    """Terminals send 0x0084 as DWORD; what is no integer stays raw; CAN ids up to 0x01FF share one row."""
    assert Parameter.of(0x0084, 2).raw == b"\x02"
    (long, odd, text, can, vendor) = SetParameters.decode(
        bytes.fromhex(
            "05 0000008404 00000002 0000008403 000002 0000001003 434d00 0000011208 0102030405060708 0000f00101 07"
        )
    ).parameters
    assert (long.value, odd.value, text.value, vendor.value) == (2, None, "CM", None)
    assert can.value == CanIdCollection(interval_ms=0x01020304, can_id=0x05060708)
    assert can.to_json()["name"] == "can_id_collection"
    assert vendor.to_json() == {"id": "0x0000f001", "name": None, "term": None, "value": None, "raw": "07"}


# ------------------------------------------------------------------------------------ rules


FORMS = [form for forms in ITEMS.values() for form in forms]


def form_id(form: ItemForm) -> str:
    """For the names of tests."""
    return f"{form.id:02x}-{form.name}"


def of_dialect(form: ItemForm) -> Profile:
    """A terminal that has this form; auto where everybody may have it."""
    return Profile(dialect=form.dialects[0] if form.dialects else Dialect.AUTO)


@pytest.mark.parametrize("form", FORMS, ids=form_id)
def test_item_decode_undoes_encode(form: ItemForm) -> None:
    """Every value of every form of an item comes back, and the item it is put into carries it."""
    profile = of_dialect(form)

    @settings(max_examples=25, deadline=None)
    @given(structures(form.cls, Edition.V2013))
    def check(value: Any) -> None:
        item = LocationItem.of(value)
        assert item.id == form.id
        assert type(value).decode(item.raw) == value
        deviations: list[str] = []
        body = BASE + bytes([item.id, len(item.raw)]) + item.raw
        (read,) = LocationReport.decode(body, Edition.V2013, deviations, profile=profile).items
        assert read == item
        assert read.value is not None
        assert dev.ITEM_LENGTH_UNKNOWN not in deviations

    check()


@pytest.mark.parametrize("form", [form for form in FORMS if form.id not in {0x07, 0xE0}], ids=form_id)
def test_a_wrong_length_leaves_a_known_item_raw(form: ItemForm) -> None:
    """Trackers use the same ids for other things: then the value is null, the bytes stay, and it is noted."""
    deviations: list[str] = []
    tlv = f"{form.id:02x}03ffffff" if form.id != 0x18 else "1801ff"
    body = BASE + bytes.fromhex(tlv)
    (item,) = LocationReport.decode(body, Edition.V2013, deviations, profile=of_dialect(form)).items
    assert item.value is None
    assert item.to_json()["value"] is None
    assert item.to_json()["raw"] in {"ffffff", "ff"}
    assert deviations == [dev.ITEM_LENGTH_UNKNOWN]


def test_an_unknown_item_is_kept_and_written_again() -> None:
    """Unknown ids are no deviation and go out as they came."""
    deviations: list[str] = []
    found = report("eb06000100ce0a57 0000 6102 04dc", deviations)
    assert [(item.id, item.raw.hex()) for item in found.items] == [(0xEB, "000100ce0a57"), (0, ""), (0x61, "04dc")]
    assert found.items[0].to_json() == {
        "id": "0xeb",
        "name": None,
        "term": None,
        "value": None,
        "raw": "000100ce0a57",
    }
    assert not deviations
    assert found.encode() == BASE + bytes.fromhex("eb06000100ce0a57 0000 6102 04dc")


def test_repeated_items_are_all_kept() -> None:
    """A list, never a dict: more than one alarm of a kind can be in a report."""
    found = report("0104000000010104000000020104 00000003".replace(" ", ""))
    assert [item.value for item in found.items] == [Mileage(mileage_km=km) for km in (0.1, 0.2, 0.3)]


@pytest.mark.parametrize("rest", ["3101", "0104000000", "31", "64ff00"])
def test_an_item_longer_than_the_body_is_left_as_trailing(rest: str) -> None:
    """The report survives, the rest is kept, and it goes out again."""
    deviations: list[str] = []
    body = BASE + bytes.fromhex("30011f" + rest)
    found = LocationReport.decode(body, Edition.V2013, deviations)
    assert [item.id for item in found.items] == [0x30]
    assert found.trailing.hex() == rest
    assert found.to_json()["trailing"] == rest
    assert deviations == [dev.LOCATION_ITEMS_OVERRUN]
    assert found.encode() == body


@pytest.mark.parametrize(
    ("tlv", "value"),
    [
        ("06020000", {"temperature_c": 0}),
        ("06027fff", {"temperature_c": 32767}),
        ("06028005", {"temperature_c": -5}),
        ("060287d0", {"temperature_c": -2000}),
        ("060287d1", {"temperature_c": -30767}),
        ("0602fffb", {"temperature_c": -5}),
        ("110100", {"place_type": 0, "place_id": None}),
        ("11050400000007", {"place_type": 4, "place_id": 7}),
        ("12060400000007 01", {"place_type": 4, "place_id": 7, "direction": 1}),
        ("130700000009003c01", {"segment_id": 9, "driving_time_s": 60, "result": 1}),
        ("18020005", {"abnormal_driving_flags": 5, "fatigue_degree": None}),
        ("180300055a", {"abnormal_driving_flags": 5, "fatigue_degree": 90}),
        ("2b0401020304", {"analog_1": 0x0102, "analog_0": 0x0304}),
        ("e0012a", {"custom_length": 42, "items": None, "data": None}),
        ("e003102030", {"custom_length": None, "items": None, "data": "102030"}),
        ("e000", {"custom_length": None, "items": None, "data": None}),
    ],
)
def test_values_of_items(tlv: str, value: dict[str, object]) -> None:
    """Both forms of items that have two, and the signs of §13 item 14."""
    item = only(tlv)
    assert item.to_json()["value"] == value
    assert item.raw == bytes.fromhex(tlv)[2:]


def test_custom_area_with_items_in_it() -> None:
    """0xE0 whose value is a list of custom items is shown as such."""
    value: Any = only("e007e101 2ae2020102").to_json()["value"]
    assert [(one["id"], one["raw"]) for one in value["items"]] == [("0xe1", "2a"), ("0xe2", "0102")]


def test_tyre_pressure_without_data() -> None:
    """0xFF means no data."""
    value: Any = only("051e" + "f8ff00" + "ff" * 27).value
    assert value.wheels == (0xF8, None, 0, *[None] * 27)


def test_fatigue_degree_above_100_is_noted() -> None:
    """A value out of its range is kept and noted."""
    deviations: list[str] = []
    report("1803000165", deviations)
    assert deviations == [dev.VALUE_OUT_OF_RANGE]


# ----------------------------------------------------------------------------------- alarms

# Worked examples of active-safety §7: the frame, and what its alarm says.
POSITION = {"latitude": 31.234567, "longitude": 120.654321}
ALARMS = {
    "7.1 forward collision": (
        ("7e020000530138123456780021000000000000000301dc9a07073109f1002302a8005a25061208301601040001e24064"
        "2f000000070101022a1200000044002301dc9a07073109f1250612083015041141314232433344250612083015000200"
        "1a7e"),
        {
            "alarm_id": 7, "flag": 1, "alarm_type": 1, "level": 2, "front_speed_kmh": 42, "front_distance_100ms": 18,
            "departure": 0, "road_sign": 0, "road_sign_value": 0, "speed_kmh": 68, "altitude_m": 35, **POSITION,
            "time": "2025-06-12T08:30:15+08:00", "vehicle_status": 0x0411,
            "alarm_number": {
                "terminal_id": "A1B2C3D", "time": "2025-06-12T08:30:15+08:00", "sequence": 0, "attachment_count": 2,
                "reserved": "00",
            },
        },
    ),
    "7.2 fatigue": (
        ("7e0200004d0138123456780022000000000000000301dc9a07073109f100230334005a250612231503652f0000000801"
        "0102070000000052002301dc9a07073109f1250612231502042141314232433344250612231502000400367e"),
        {
            "alarm_id": 8, "flag": 1, "alarm_type": 1, "level": 2, "fatigue": 7, "reserved": "00000000",
            "speed_kmh": 82, "altitude_m": 35, **POSITION,
            "time": "2025-06-12T23:15:02+08:00", "vehicle_status": 0x0421,
            "alarm_number": {
                "terminal_id": "A1B2C3D", "time": "2025-06-12T23:15:02+08:00", "sequence": 0, "attachment_count": 4,
                "reserved": "00",
            },
        },
    ),
    "7.3 phone, 40-byte number": (
        ("7e0200406501000000000138123456780023000000000000000301dc9a07073109f1000c0168005a2506131011236547"
        "00000009000201000000000024000c01dc9a07073109f125061310112204034744323032353036313341314232433344"
        "34453546360000000000000000250613101122010200001c7e"),
        {
            "alarm_id": 9, "flag": 0, "alarm_type": 2, "level": 1, "fatigue": 0, "reserved": "00000000",
            "speed_kmh": 36, "altitude_m": 12, **POSITION,
            "time": "2025-06-13T10:11:22+08:00", "vehicle_status": 0x0403,
            "alarm_number": {
                "terminal_id": "GD20250613A1B2C3D4E5F6", "time": "2025-06-13T10:11:22+08:00", "sequence": 1,
                "attachment_count": 2, "reserved": "0000",
            },
        },
    ),
    "7.4 two tyres": (
        ("7e020000590138123456780024000000000000000301dc9a07073109f100140258005a250613120001663b0000000a00"
        "3c001401dc9a07073109f125061312000004014131423243334425061312000000000002010004020800290058030088"
        "033e00560009a17e"),
        {
            "alarm_id": 10, "flag": 0, "speed_kmh": 60, "altitude_m": 20, **POSITION,
            "time": "2025-06-13T12:00:00+08:00", "vehicle_status": 0x0401,
            "alarm_number": {
                "terminal_id": "A1B2C3D", "time": "2025-06-13T12:00:00+08:00", "sequence": 0, "attachment_count": 0,
                "reserved": "00",
            },
            "count": 2,
            "tyres": [
                {"position": 1, "alarm_flags": 4, "pressure_kpa": 520, "temperature_c": 41, "battery_percent": 88},
                {"position": 3, "alarm_flags": 136, "pressure_kpa": 830, "temperature_c": 86, "battery_percent": 9},
            ],
        },
    ),
    "7.5 right rear": (
        ("7e020000470138123456780025000000000000000301dc9a07073109f1001400fa005a25061312153167290000000b00"
        "0319001401dc9a07073109f12506131215300405413142324333442506131215300001009f7e"),
        {
            "alarm_id": 11, "flag": 0, "alarm_type": 3, "speed_kmh": 25, "altitude_m": 20, **POSITION,
            "time": "2025-06-13T12:15:30+08:00", "vehicle_status": 0x0405,
            "alarm_number": {
                "terminal_id": "A1B2C3D", "time": "2025-06-13T12:15:30+08:00", "sequence": 0, "attachment_count": 1,
                "reserved": "00",
            },
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ALARMS)
def test_worked_alarm(name: str) -> None:
    """The alarm of a worked frame says what the document says."""
    wire, expected = ALARMS[name]
    (described,) = describe_wire(bytes.fromhex(wire))
    body: Any = described["body"]
    assert body["items"][-1]["value"] == expected
    assert described["deviations"] == []


def test_worked_harsh_driving() -> None:
    """Active-safety §7.6: a sharp turn of 0.28 g."""
    raw = "0000000c00030001001c00002d001401dc9a07073109f1250613122000040141314232433344250613122000000200"
    value: Any = only(f"70{len(raw) // 2:02x}{raw}").value
    assert (value.alarm_type, value.time_threshold_s, value.threshold_1, value.speed_kmh) == (3, 1, 28, 45)
    assert value.alarm_number.attachment_count == 2


ADAS_HEAD = "000000070101022a1200000044002301dc9a07073109f12506120830150411"


@pytest.mark.parametrize("size", ALARM_NUMBERS)
@pytest.mark.parametrize(
    ("item_id", "head"), [(0x64, ADAS_HEAD), (0x65, ADAS_HEAD), (0x67, ADAS_HEAD[:12] + ADAS_HEAD[24:])]
)
def test_length_of_the_alarm_number_is_found(size: int, item_id: int, head: str) -> None:
    """§1.9: S follows from the length of the item, and the number is given back byte for byte."""
    number = b"AB" + bytes(size - 2)
    raw = bytes.fromhex(head) + number
    value: Any = only(bytes([item_id, len(raw)]).hex() + raw.hex()).value
    assert type(value.alarm_number) is ALARM_NUMBERS[size]
    assert value.alarm_number.terminal_id == "AB"
    assert value.alarm_number.encode() == number
    assert len(value.encode()) == len(raw)


@pytest.mark.parametrize("surplus", [1, 5, 21])
def test_an_alarm_longer_than_known_keeps_the_surplus(surplus: int) -> None:
    """§1.9: decoded with the longest number that fits, the rest is the item's trailing."""
    deviations: list[str] = []
    raw = ADAS_HEAD + (b"A1B2C3D" + bytes(9)).hex() + "ee" * surplus
    item = report(f"64{len(raw) // 2:02x}{raw}", deviations).items[0]
    assert isinstance(item.value, AdasAlarm)
    assert item.to_json()["trailing"] == "ee" * surplus
    assert dev.ITEM_TRAILING_BYTES in deviations
    assert item.raw.hex() == raw


@pytest.mark.parametrize("length", [4, 30, 46])
def test_an_alarm_shorter_than_known_stays_raw(length: int) -> None:
    """§1.9: smaller than the smallest form."""
    assert only(f"64{length:02x}" + "00" * length).value is None


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("size", ALARM_NUMBERS)
@pytest.mark.parametrize("count", [0, 1, 4])
def test_tyres_of_nine_and_ten_bytes(size: int, count: int, wide: bool) -> None:
    """§1.7: S and k are found together from length and count."""
    tyre = ("0001" if wide else "01") + "0004020800290058"
    raw = "0000000a003c001401dc9a07073109f12506131200000401" + (b"AB" + bytes(size - 2)).hex()
    raw += f"{count:02x}" + tyre * count
    value = only(f"66{len(raw) // 2:02x}{raw}").value
    assert isinstance(value, TpmsAlarm)
    assert type(value.alarm_number) is ALARM_NUMBERS[size]
    assert [(t.position, t.pressure_kpa, isinstance(t, WideTyreAlarm)) for t in value.tyres] == [(1, 520, wide)] * count
    assert value.encode().hex() == raw


def test_a_southern_report_makes_its_alarms_southern() -> None:
    """Active-safety §1.1: alarms have magnitudes only; the hemisphere is that of the report."""
    raw = ADAS_HEAD + (b"A1B2C3D" + bytes(9)).hex()
    south_west = BASE[:4] + bytes.fromhex("0000000f") + BASE[8:]
    body = south_west + bytes.fromhex(f"64{len(raw) // 2:02x}{raw}")
    found = LocationReport.decode(body)
    assert (found.latitude, found.longitude) == (-39.900001, -116.300001)
    value: Any = found.items[0].value
    assert (value.latitude, value.longitude) == (-31.234567, -120.654321)
    assert found.encode() == body


def test_types_are_named_by_dialect() -> None:
    """DSM type 4 is distraction in 苏标 and "not looking ahead" in 粤标."""

    def meaning(size: int) -> str:
        head = ADAS_HEAD[:10] + "04" + ADAS_HEAD[12:]
        raw = head + bytes(size).hex()
        spans: list[Span] = []
        LocationReport.decode(BASE + bytes.fromhex(f"65{len(raw) // 2:02x}{raw}"), spans=spans)
        return next(span.meaning for span in spans if span.path == "items[0].alarm_type")

    assert meaning(16) == "分神驾驶报警 distracted"
    assert meaning(39) == "长时间不目视前方报警 not looking ahead"
    assert meaning(40) == "不目视前方报警 not looking ahead"


def test_alarm_number_of_any_bytes_is_echoed() -> None:
    """0x9208 must quote the very bytes: odd padding and impossible times survive."""
    number = bytes.fromhex("30000000000031" + "ffffffffffff" + "07" + "02" + "09")
    assert AlarmNumber.decode(number).encode() == number
