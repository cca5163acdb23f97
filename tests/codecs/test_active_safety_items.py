"""Alarm items in the dialects: which form, which words, and what terminals do wrong (active-safety §1, §4.8, §8)."""

from typing import Any

import pytest
from active_safety_frames import FRAMES

from jtgate.codecs import deviations as dev
from jtgate.codecs.declare import Structure
from jtgate.codecs.describe import describe_wire
from jtgate.codecs.edition import Edition
from jtgate.codecs.errors import BodyError
from jtgate.codecs.framing import Frame, FrameReader
from jtgate.codecs.header import encode_frames, parse_header
from jtgate.codecs.items import LocationItem
from jtgate.codecs.jsatl12.alarm_number import (
    ALARM_NUMBERS,
    SIZES_OF,
    AlarmNumber,
    AlarmNumberGd,
    AlarmNumberHlj,
    AlarmNumberSc,
    read_alarm_number,
)
from jtgate.codecs.jsatl12.by_dialect import TABLE_OF
from jtgate.codecs.jsatl12.items import (
    BsdAlarm,
    HarshDrivingAlarm,
    PassengerAlarm,
    PositioningAlarm,
    TpmsAlarm,
    TyreAlarm,
    WideTyreAlarm,
    ZjBsdAlarm,
    tyre_form,
)
from jtgate.codecs.jt808 import LocationBatch, LocationReport
from jtgate.codecs.profile import AUTO, Dialect, Profile
from jtgate.codecs.registry import decode_body, message_class
from jtgate.codecs.wire import Span

BASE = bytes.fromhex("00000000000000030260d36106ee98e100320064000a250314151000")

# Position block: speed 68, altitude 35, latitude, longitude, 2025-06-12 08:30:15, ACC and brake and fix.
POS = "44002301dc9a07073109f12506120830150411"
HEAD = "0000000701"  # alarm id 7, start
ADAS = HEAD + "01022a12000000" + POS
BSD = HEAD + "03" + POS
TPMS = "0000000701" + POS
PASSENGER = HEAD + "0102" + "0000000000" + POS
POSITIONING = HEAD + "01" + "03" + "50" + "46" + POS

TIME = "250612083015"
NUMBERS = {
    16: b"A1B2C3D".hex() + TIME + "000200",
    38: b"HLJ0001".ljust(30, b"\0").hex() + TIME + "0002",
    39: b"SC00001".ljust(30, b"\0").hex() + TIME + "000200",
    40: b"GD00001".ljust(30, b"\0").hex() + TIME + "00020000",
}


def of(dialect: Dialect, **settings: Any) -> Profile:
    """A terminal of a dialect."""
    return Profile(dialect=dialect, **settings)


def tlv(item_id: int, value: str, surplus: int = 0) -> str:
    """An item in hex; its length says `surplus` bytes more than it has."""
    return f"{item_id:02x}{len(value) // 2 + surplus:02x}{value}"


def read(
    items: str, profile: Profile = AUTO, deviations: list[str] | None = None, spans: list[Span] | None = None
) -> tuple[LocationItem, ...]:
    """The items of a report, which is written again byte for byte."""
    body = BASE + bytes.fromhex(items)
    report = LocationReport.decode(body, Edition.V2013, deviations, spans, profile=profile)
    assert report.encode(Edition.V2013, profile) == body
    return report.items


def only(items: str, profile: Profile = AUTO, deviations: list[str] | None = None) -> Any:
    """The value of the one item of a report."""
    (item,) = read(items, profile, deviations)
    return item.value


def meaning(items: str, profile: Profile = AUTO, path: str = "items[0].alarm_type") -> str:
    """What a field of an item means, in the annotated view."""
    spans: list[Span] = []
    read(items, profile, None, spans)
    return next(span.meaning for span in spans if span.path == path)


def coded(code: int, size: int = 16) -> str:
    """An ADAS or DSM value with a type."""
    return ADAS[:10] + f"{code:02x}" + ADAS[12:] + NUMBERS[size]


# ---------------------------------------------------------------------------------- worked examples


@pytest.mark.parametrize("name", FRAMES)
def test_worked_frames_go_both_ways(name: str) -> None:
    """§7: each frame decodes without a deviation, and its JSON encodes to the same bytes."""
    wire = bytes.fromhex(FRAMES[name])
    (described,) = describe_wire(wire)
    assert described["error"] is None
    assert described["deviations"] == []
    (frame,) = FrameReader().feed(wire)
    assert isinstance(frame, Frame)
    header, body = parse_header(frame.payload)
    cls = message_class(header.msg_id)
    assert cls is not None
    assert decode_body(header.msg_id, body, header.edition, []).encode(header.edition) == body  # type: ignore[union-attr]
    made = cls.from_json(described["body"]).encode(header.edition)
    assert encode_frames(header.msg_id, made, phone=header.phone, serial=header.serial, edition=header.edition) == [
        wire
    ]


def test_worked_harsh_driving_goes_both_ways() -> None:
    """§7.6: a sharp turn of 0.28 g in 1 s, by value and by byte."""
    raw = "0000000c00030001001c00002d001401dc9a07073109f1250613122000040141314232433344250613122000000200"
    value = only(tlv(0x70, raw))
    assert isinstance(value, HarshDrivingAlarm)
    assert (value.alarm_type, value.time_threshold_s, value.threshold_1, value.threshold_2) == (3, 1, 28, 0)
    assert HarshDrivingAlarm.from_json(value.to_json()).encode().hex() == raw


def test_captured_fatigue() -> None:
    """§7.12: alarm id anywhere, degree 0, no fix, and the tail of the SIM number for a terminal id."""
    raw = "08322ccf010101000000000000000001dc9f7b073c3cf82104291206390001" + "33353938393530210429120639000500"
    deviations: list[str] = []
    value = only(tlv(0x65, raw), AUTO, deviations)
    assert (value.alarm_id, value.flag, value.level, value.fatigue, value.vehicle_status) == (137505999, 1, 1, 0, 1)
    assert (value.alarm_number.terminal_id, value.alarm_number.attachment_count) == ("3598950", 5)
    assert deviations == []


def test_captured_sharp_turn() -> None:
    """§7.12: alarm id 0, and "0" with NULs for a terminal id, which goes out again as it came."""
    raw = "00000000000300" + "01001c00001700" + "8e0299ae1604c078d92510242145310401"
    number = "30000000000000251024214531000400"
    value = only(tlv(0x70, raw + number))
    assert (value.alarm_id, value.alarm_type, value.threshold_1) == (0, 3, 28)
    assert (value.speed_kmh, value.altitude_m) == (23, 142)
    assert (value.alarm_number.terminal_id, value.alarm_number.attachment_count) == ("0", 4)
    assert value.alarm_number.encode().hex() == number


# ------------------------------------------------------------------- length of the identification number (§1.9)

HEADS = {0x64: ADAS, 0x65: ADAS, 0x67: BSD, 0x68: PASSENGER, 0x70: ADAS, 0x71: POSITIONING}


@pytest.mark.parametrize("size", ALARM_NUMBERS)
@pytest.mark.parametrize("item_id", HEADS)
def test_lengths_of_the_table(item_id: int, size: int) -> None:
    """§1.9: 47/69/70/71, 41/63/64/65 and 44/66/67/68 bytes say S whatever the header; §8 item 5 is among them."""
    deviations: list[str] = []
    raw = HEADS[item_id] + NUMBERS[size]
    heads = {0x64: 31, 0x65: 31, 0x67: 25, 0x68: 31, 0x70: 31, 0x71: 28}
    assert len(raw) // 2 == heads[item_id] + size
    value = only(tlv(item_id, raw), AUTO, deviations)
    assert type(value.alarm_number) is ALARM_NUMBERS[size]
    assert value.alarm_number.encode().hex() == NUMBERS[size]
    assert deviations == []


@pytest.mark.parametrize(("dialect", "sizes"), SIZES_OF.items())
def test_a_dialect_says_its_length_and_the_bytes_overrule_it(dialect: Dialect, sizes: tuple[int, ...]) -> None:
    """The own S is no deviation, any other that fits exactly is read and noted; 湘标 has 16, not 32 (§8 item 4).

    38, 39 and 40 differ in reserved bytes only: a longer one is the own one with a surplus.
    """
    for size, form in ALARM_NUMBERS.items():
        deviations: list[str] = []
        value = only(tlv(0x64, ADAS + NUMBERS[size]), of(dialect), deviations)
        surplus = [own for own in sizes if 38 <= own < size]
        assert type(value.alarm_number) is (ALARM_NUMBERS[surplus[0]] if surplus else form)
        noted = dev.ITEM_TRAILING_BYTES if surplus else dev.ALARM_NUMBER_OTHER_DIALECT
        assert deviations == ([] if size in sizes else [noted])


@pytest.mark.parametrize(
    ("dialect", "size", "surplus"),
    [
        (Dialect.AUTO, 16, 1),
        (Dialect.AUTO, 40, 30),
        (Dialect.SU, 16, 1),
        (Dialect.SU, 16, 22),
        (Dialect.SU, 16, 30),
        (Dialect.SC, 39, 1),
        (Dialect.SC, 39, 7),
        (Dialect.HLJ, 38, 1),
        (Dialect.HLJ, 38, 2),
    ],
)
def test_a_longer_item_is_read_with_the_length_of_the_dialect(dialect: Dialect, size: int, surplus: int) -> None:
    """§1.9: the surplus is kept, also where it makes the length that of another dialect; the time tells."""
    deviations: list[str] = []
    (item,) = read(tlv(0x64, ADAS + NUMBERS[size] + "ee" * surplus), of(dialect), deviations)
    assert type(item.value.alarm_number) is ALARM_NUMBERS[size]
    assert item.value.trailing.hex() == "ee" * surplus
    assert deviations == [dev.ITEM_TRAILING_BYTES]


def test_a_number_too_short_for_its_dialect_is_told_by_its_length() -> None:
    """§1.9: auto is the fallback, and it is noted; less than the shortest stays raw."""
    deviations: list[str] = []
    assert type(only(tlv(0x65, ADAS + NUMBERS[16]), of(Dialect.GD), deviations).alarm_number) is AlarmNumber
    assert deviations == [dev.ALARM_NUMBER_OTHER_DIALECT]
    deviations.clear()
    assert only(tlv(0x65, ADAS + NUMBERS[16][2:]), of(Dialect.GD), deviations) is None
    assert deviations == [dev.ITEM_LENGTH_UNKNOWN]


def test_a_2019_header_with_a_number_of_16_bytes() -> None:
    """§4.8 row 1: S does not follow from the version of the header."""
    body = BASE + bytes.fromhex(tlv(0x64, ADAS + NUMBERS[16]))
    (wire,) = encode_frames(0x0200, body, phone="13812345678", serial=1, edition=Edition.V2019)
    (described,) = describe_wire(wire)
    found: Any = described["body"]
    assert (described["edition"], described["deviations"]) == ("2019", [])
    assert found["items"][0]["value"]["alarm_number"]["terminal_id"] == "A1B2C3D"


def test_any_length_that_no_dialect_has_is_refused() -> None:
    """read_alarm_number takes the bytes of a stored alarm; only the four lengths are numbers."""
    assert {size for size in range(60) if _is_number(bytes(size))} == set(ALARM_NUMBERS)


def _is_number(data: bytes) -> bool:
    try:
        return read_alarm_number(data).encode() == data
    except BodyError:
        return False


# ----------------------------------------------------------------------------------- one byte more (§1.9)


@pytest.mark.parametrize("item_id", HEADS)
def test_a_length_that_is_one_too_large_is_read_as_meant(item_id: int) -> None:
    """§1.9: the items behind it, or the end of the body, fit only so; it is noted and written as it came."""
    raw = HEADS[item_id] + NUMBERS[16]
    for others in ("", "01040000000a", "01040000000a" + tlv(0x65, ADAS + NUMBERS[16], 1) + "30011f"):
        deviations: list[str] = []
        items = read(tlv(item_id, raw, 1) + others, AUTO, deviations)
        assert [item.id for item in items] == [
            item_id,
            *([1] if others else []),
            *([0x65, 0x30] if len(others) > 12 else []),
        ]
        assert items[0].raw.hex() == raw
        assert items[0].value is not None
        assert deviations == [dev.ITEM_ONE_BYTE_MORE]


def test_one_byte_more_is_believed_where_the_items_fit() -> None:
    """§1.9: when the list ends as it should, the byte is a surplus of the alarm."""
    deviations: list[str] = []
    items = read(tlv(0x64, ADAS + NUMBERS[16] + "ee") + "01040000000a", AUTO, deviations)
    assert [item.id for item in items] == [0x64, 0x01]
    assert items[0].value.trailing == b"\xee"
    assert deviations == [dev.ITEM_TRAILING_BYTES]


@pytest.mark.parametrize("item", ["6430" + "00" * 10, tlv(0x01, "0000000a", 1), tlv(0x66, TPMS, 1), tlv(0x64, ADAS, 1)])
def test_other_overruns_stay_what_they_are(item: str) -> None:
    """Only alarms of known length are taken one byte shorter; all else is left over as ever."""
    deviations: list[str] = []
    body = BASE + bytes.fromhex("30011f" + item)
    report = LocationReport.decode(body, Edition.V2013, deviations)
    assert [one.id for one in report.items] == [0x30]
    assert report.trailing.hex() == item
    assert deviations == [dev.LOCATION_ITEMS_OVERRUN]
    assert report.encode() == body


# ---------------------------------------------------------------------------------------- tyres (§1.7)

TYRE = "0004020800290058"


def tyres(size: int, width: int, count: int) -> str:
    """A tyre alarm in hex."""
    position = "01" if width == 9 else "0001"
    return TPMS + NUMBERS[size] + f"{count:02x}" + (position + TYRE) * count


def test_the_list_of_tyres_begins_at_41() -> None:
    """§8 item 1: the count is at 40 and the list at 41, although 苏标 prints 39 and 40."""
    (described,) = describe_wire(bytes.fromhex(FRAMES["7.4 two tyres"]))
    body: Any = described["body"]
    raw = bytes.fromhex(body["items"][0]["raw"])
    assert raw[40] == body["items"][0]["value"]["count"] == 2
    assert raw[41] == body["items"][0]["value"]["tyres"][0]["position"] == 1


@pytest.mark.parametrize("width", [9, 10])
@pytest.mark.parametrize("size", ALARM_NUMBERS)
def test_width_of_a_tyre_is_computed(size: int, width: int) -> None:
    """§8 items 2 and 3: k = (L - 25 - S) / n, so 41 + 9n in 苏标; 40 + 9n is nothing."""
    for count in (1, 2, 6):
        raw = tyres(size, width, count)
        assert len(raw) // 2 == 25 + size + width * count
        value = only(tlv(0x66, raw))
        assert isinstance(value, TpmsAlarm)
        assert {type(tyre) for tyre in value.tyres} == {TyreAlarm if width == 9 else WideTyreAlarm}
        if width == 9:
            assert only(tlv(0x66, raw[:-2])) is None


@pytest.mark.parametrize("own", [9, 10])
@pytest.mark.parametrize("width", [9, 10])
def test_a_profile_prefers_a_width(own: int, width: int) -> None:
    """§8 item 2, the other reading: the profile's width comes first, and the other is still read where it fits."""
    value = only(tlv(0x66, tyres(40, width, 2)), of(Dialect.GD, tyre_item_bytes=own))
    assert [tyre.pressure_kpa for tyre in value.tyres] == [520, 520]


def test_a_profile_decides_where_both_widths_fit() -> None:
    """A length that S and 9n or another S and 10n explain: without a profile the smaller S comes first."""
    # S = 39 with one tyre of 9 and S = 38 with one of 10 have the same length; both counts read 1.
    number = b"AB".ljust(30, b"\0").hex() + TIME + "00" + "02"
    raw = TPMS + number + "01" + "01" + "00" + TYRE
    assert type(only(tlv(0x66, raw)).alarm_number) is AlarmNumberHlj
    assert type(only(tlv(0x66, raw), of(Dialect.SC)).alarm_number) is AlarmNumberSc
    preferred = only(tlv(0x66, raw), Profile(tyre_item_bytes=9))
    assert type(preferred.alarm_number) is AlarmNumberSc
    assert [type(tyre) for tyre in preferred.tyres] == [TyreAlarm]


def test_tyres_we_write_have_the_width_of_their_dialect() -> None:
    """§1.7: 9 bytes with S = 16, 10 with S = 40."""
    forms = {size: tyre_form(form.decode(bytes(size))) for size, form in ALARM_NUMBERS.items()}
    assert forms == {16: TyreAlarm, 38: TyreAlarm, 39: TyreAlarm, 40: WideTyreAlarm}


def test_periodic_report_of_tyres_says_what_it_is() -> None:
    """§1.7: type bits are named; a temperature may be below zero."""
    raw = TPMS + NUMBERS[16] + "01" + "00" + "0001" + "0208" + "fff6" + "0058"
    assert only(tlv(0x66, raw)).tyres[0].temperature_c == -10
    assert meaning(tlv(0x66, raw), AUTO, "items[0].tyres[0].alarm_flags") == "定时上报 periodic report"


# ------------------------------------------------------------------------------------ items of one dialect


def test_0x66_of_zhejiang_is_a_blind_spot_alarm() -> None:
    """§8 item 15: by dialect, and with auto by 41 bytes with a type at 5 that are no tyre alarm without tyres."""
    bsd = tlv(0x66, BSD + NUMBERS[16])
    for profile in (AUTO, of(Dialect.ZJ)):
        (item,) = read(bsd, profile)
        assert isinstance(item.value, ZjBsdAlarm)
        assert item.name == "bsd_alarm"
        assert (item.value.alarm_type, item.value.speed_kmh) == (3, 68)
        assert meaning(bsd, profile) == "右侧后方接近报警 right rear approach"
    assert isinstance(only(bsd, of(Dialect.SU)), TpmsAlarm)
    assert isinstance(only(tlv(0x67, BSD + NUMBERS[16]), of(Dialect.ZJ)), BsdAlarm)


@pytest.mark.parametrize("speed", ["01", "02", "03", "44"])
def test_a_tyre_alarm_without_tyres_is_no_blind_spot_alarm(speed: str) -> None:
    """§8 item 15: 41 bytes as well, and at a walking pace the byte at 5 looks like a type; its time decides."""
    raw = TPMS[:10] + speed + TPMS[12:] + NUMBERS[16] + "00"
    assert len(raw) // 2 == 41
    for profile in (AUTO, of(Dialect.SU)):
        assert isinstance(only(tlv(0x66, raw), profile), TpmsAlarm)


@pytest.mark.parametrize("kind", [0, 4, 0x44])
def test_0x66_with_no_type_of_a_blind_spot_alarm_is_none(kind: int) -> None:
    """§8 item 15: types are 1 to 3."""
    raw = BSD[:10] + f"{kind:02x}" + BSD[12:] + NUMBERS[16]
    assert not isinstance(only(tlv(0x66, raw)), ZjBsdAlarm)


def test_tyres_of_a_zhejiang_terminal_are_still_tyres() -> None:
    """The form of everybody is tried after that of the dialect."""
    assert isinstance(only(tlv(0x66, tyres(16, 9, 2)), of(Dialect.ZJ)), TpmsAlarm)


def test_0x68_is_of_shanghai_and_hunan() -> None:
    """§1.8: passengers; another dialect's 0x68 is nobody's, other lengths are left alone."""
    item = tlv(0x68, PASSENGER + NUMBERS[16])
    for profile in (AUTO, of(Dialect.SH), of(Dialect.HN)):
        value = only(item, profile)
        assert isinstance(value, PassengerAlarm)
        assert (value.alarm_type, value.level) == (1, 2)
        assert meaning(item, profile) == "超员报警 passenger overload"
    deviations: list[str] = []
    assert only(item, of(Dialect.SU), deviations) is None
    assert only("680132", AUTO, deviations) is None
    assert deviations == []


def test_0x71_is_speeding_in_sichuan_and_something_else_in_heilongjiang() -> None:
    """§8 item 16: the form of 川标 by dialect or length, raw in 黑标 and when shorter."""
    item = tlv(0x71, POSITIONING + NUMBERS[39])
    for profile in (AUTO, of(Dialect.SC)):
        value = only(item, profile)
        assert isinstance(value, PositioningAlarm)
        assert (value.terminal_threshold_kmh, value.road_threshold_kmh) == (0x50, 0x46)
        assert meaning(item, profile, "items[0].speeding_kind") == (
            "超过终端限速 over the limit of the terminal; 超过道路限速 over the limit of the road"
        )
    continuing = tlv(0x71, "0000000703" + POSITIONING[10:] + NUMBERS[16])
    assert meaning(continuing, AUTO, "items[0].flag") == "持续 continuing"
    deviations: list[str] = []
    assert only(item, of(Dialect.HLJ), deviations) is None
    assert deviations == []
    assert only(tlv(0x71, "00" * 43), of(Dialect.SC), deviations) is None
    assert deviations == [dev.ITEM_LENGTH_UNKNOWN]


def test_abnormalities_are_those_of_guangdong_only() -> None:
    """§1.8: a DWORD there; other vendors put an ICCID under 0xF1."""
    items = "f104000000" + "05" + "f20480000001"
    found = [item.value.to_json() for item in read(items, of(Dialect.GD))]
    assert found == [{"installation_abnormality_flags": 5}, {"algorithm_abnormality_flags": 0x80000001}]
    for profile in (AUTO, of(Dialect.SU)):
        assert [item.value for item in read(items, profile)] == [None, None]
    assert only("f10a" + "38" * 10, of(Dialect.GD)) is None


def test_road_network_item_of_heilongjiang_stays_raw() -> None:
    """§9: 0x32 has no published layout."""
    (item,) = read("3203010203", of(Dialect.HLJ))
    assert (item.value, item.name, item.raw.hex()) == (None, "", "010203")


def test_harsh_driving_is_an_alarm_of_its_own() -> None:
    """§4.8 row 10: 0x70 comes alone, with its own number and attachments."""
    value = only(tlv(0x70, HEAD + "03" + "0001001c0000" + POS + NUMBERS[16]))
    assert (value.threshold_1, value.alarm_number.attachment_count) == (28, 2)


# ----------------------------------------------------------------------------------------- words of codes


@pytest.mark.parametrize("dialect", [dialect for dialect in Dialect if dialect is not Dialect.AUTO])
def test_every_dialect_has_alarm_types(dialect: Dialect) -> None:
    """§0.2: a profile's dialect chooses the words whatever the length of the number."""
    for size in ALARM_NUMBERS:
        found = meaning(tlv(0x65, coded(0x04, size)), of(dialect))
        assert (
            found
            == {
                Dialect.SU: "分神驾驶报警 distracted",
                Dialect.DB32: "长时间不目视前方报警 not looking ahead",
                Dialect.GD: "不目视前方报警 not looking ahead",
                Dialect.HN: "分神驾驶报警 distracted",
            }[TABLE_OF[dialect]]
        )


@pytest.mark.parametrize(
    ("item_id", "code", "words"),
    [
        (0x64, 0x08, {"su": "", "db32": "驾驶辅助功能失效报警", "sc": "驾驶辅助功能失效报警", "gd": "", "hn": ""}),
        (0x64, 0x12, {"su": "", "db32": "", "gd": "实线变道报警", "hn": "设备失效提醒"}),
        (0x64, 0x13, {"su": "", "gd": "车厢过道行人检测报警", "hn": ""}),
        (0x65, 0x05, {"su": "驾驶员异常报警", "cq": "未检测到驾驶员报警", "gd": "驾驶员异常报警"}),
        (0x65, 0x06, {"su": "", "sc": "双手同时脱离方向盘报警", "gd": "探头遮挡报警", "hn": "双手同时脱离方向盘报警"}),
        (0x65, 0x08, {"sd": "", "db32": "未系安全带报警", "gd": "超时驾驶报警", "hn": "未系安全带报警"}),
        (0x65, 0x12, {"jl": "", "cq": "驾驶员身份异常报警", "gd": "", "hn": "墨镜失效"}),
        (0x65, 0x14, {"gx": "", "sh": "", "zj": "", "hlj": "", "hn": "点火抓拍"}),
    ],
)
def test_codes_mean_what_the_province_says(item_id: int, code: int, words: dict[str, str]) -> None:
    """§8 item 7: the tables of §1.5 and §1.6."""
    for name, word in words.items():
        assert meaning(tlv(item_id, coded(code)), of(Dialect(name))).split(" ")[0] == word


def test_capture_and_driver_change_of_guangdong() -> None:
    """§8 item 8: 0x10 and 0x11 as in the standard, not 0x11 and 0x12 as in one library."""
    found = [meaning(tlv(0x65, coded(code)), of(Dialect.GD)).split(" ")[0] for code in (0x10, 0x11, 0x12)]
    assert found == ["自动抓拍事件", "驾驶员变更事件", ""]


def test_a_model_has_names_of_its_own() -> None:
    """§4.8 row 6: export terminals with 苏标 layout send 0x06 for the seat belt; a table of the profile says so."""
    own = of(Dialect.SU, dsm_types={0x06: "seat belt", 0x01: "tired"})
    assert meaning(tlv(0x65, coded(0x06)), own) == "seat belt"
    assert meaning(tlv(0x65, coded(0x01)), own) == "tired"
    assert meaning(tlv(0x65, coded(0x02)), own) == "接打电话报警 phone call"
    assert meaning(tlv(0x64, coded(0x06)), own) == "道路标识超限报警 road-sign limit exceeded"
    alone = Profile(dsm_types={0x06: "seat belt"})
    assert meaning(tlv(0x65, coded(0x06, 40)), alone) == "seat belt"


@pytest.mark.parametrize("kind", [0x01, 0x02, 0x03, 0x07])
def test_speed_of_the_vehicle_ahead_is_read_with_every_type(kind: int) -> None:
    """§8 item 6: types 1 and 2, or 1 and 3; the byte is there with all."""
    assert only(tlv(0x64, coded(kind))).front_speed_kmh == 42


@pytest.mark.parametrize(("level", "fatigue"), [(0, 0), (1, 10), (3, 255)])
def test_levels_and_degrees_are_kept_as_they_come(level: int, fatigue: int) -> None:
    """§4.8 row 5, §8 item 9: level 0, degree 0 in a fatigue alarm, degrees of either range; none is a deviation."""
    deviations: list[str] = []
    raw = HEAD + f"01{level:02x}{fatigue:02x}" + "00000000" + POS + NUMBERS[16]
    value = only(tlv(0x65, raw), AUTO, deviations)
    assert (value.level, value.fatigue) == (level, fatigue)
    assert deviations == []


# ------------------------------------------------------------------------------------------ other rows of §4.8


def test_the_alarm_has_a_time_of_its_own() -> None:
    """§4.8 row 4: seconds before the position around it."""
    value = only(tlv(0x64, ADAS + NUMBERS[16]))
    assert value.to_json()["time"] == "2025-06-12T08:30:15+08:00"
    assert value.to_json()["time"] != LocationReport.decode(BASE).to_json()["time"]


def test_the_same_alarm_in_a_batch_has_the_same_bytes() -> None:
    """§4.8 row 13: what comes again in 0x0704 after a gap is told by them."""
    report = BASE + bytes.fromhex(tlv(0x64, ADAS + NUMBERS[16]))
    (first,) = LocationReport.decode(report).items
    batch = LocationBatch.decode(b"\x00\x01\x01" + len(report).to_bytes(2) + report)
    again: Any = batch.items[0]
    assert again.items == (first,)


def test_more_alarms_of_one_kind_in_a_report_are_all_kept() -> None:
    """§1: a list, never a dict by id."""
    values: list[Structure] = [item.value for item in read(tlv(0x65, coded(1)) + tlv(0x65, coded(2)))]
    assert [value.to_json()["alarm_type"] for value in values] == [1, 2]


def test_numbers_of_all_lengths_are_echoed_byte_for_byte() -> None:
    """§4.8 row 7: never rebuilt; odd padding, impossible times and reserved bytes go out as they came."""
    for size in ALARM_NUMBERS:
        odd = (b"0" + bytes(size))[: size - 9] + b"\xff" * 9
        assert read_alarm_number(odd).encode() == odd
    assert type(read_alarm_number(bytes(40))) is AlarmNumberGd
