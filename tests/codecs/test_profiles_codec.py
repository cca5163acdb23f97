"""Profiles in the codecs: every other reading of a field, and that what came in goes out again under each of them."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from declared_strategies import structures
from hypothesis import given, settings
from hypothesis import strategies as st

from jtgate.codecs import datum
from jtgate.codecs.declare import MESSAGES, Message
from jtgate.codecs.describe import walk_wire
from jtgate.codecs.deviations import DEVIATIONS
from jtgate.codecs.edition import ALL_EDITIONS, Edition
from jtgate.codecs.errors import BodyError, EncodeError
from jtgate.codecs.framing import Frame, FrameReader, wrap
from jtgate.codecs.header import build_header, encode_frames, parse_header
from jtgate.codecs.jt808 import LocationAnswer, LocationReport, TextMessage, TimeAnswer
from jtgate.codecs.profile import AUTO, Profile, profile_from
from jtgate.codecs.registry import UnknownMessage, body_edition, decode_body, encode_body
from jtgate.profiles import load

BUILT_IN = [entry.profile for entry in load().entries.values()]

#: Everything a location can mean otherwise at once.
STRANGE = profile_from(
    "strange",
    {
        "analog_order": "ad0_first",
        "temperature": "twos_complement",
        "signal_bits": "msb",
        "time_zone_minutes": -210,
        "speed_step_kmh": 1.852,
        "mileage_step_km": 0.001,
        "hemisphere": "none",
        "datum": "gcj02",
        "alarm_bits": {"1": 29, "15": -1, "16": 1},
        "item_shape": "2+2",
        "text_encoding": "utf8",
    },
)
PROFILES = [*BUILT_IN, STRANGE]

CLASSES: list[type[Message]] = [LocationReport, *MESSAGES.values()]


def profile(**settings: Any) -> Profile:
    """A profile with some settings."""
    return profile_from("test", settings)


def report(items: str = "", *, time: str = "251123201400", **values: int) -> bytes:
    """A location body near Beijing; `values` are alarm, status, latitude, longitude and speed."""
    given = {"alarm": 0, "status": 3, "latitude": 39_915_000, "longitude": 116_404_000, "speed": 600} | values
    head = b"".join(given[name].to_bytes(4) for name in ("alarm", "status", "latitude", "longitude"))
    return head + b"\x00\x05" + given["speed"].to_bytes(2) + b"\x00\x5a" + bytes.fromhex(time + items)


def read(body: bytes, **settings: Any) -> LocationReport:
    """Decode a location under a profile, and check that it goes out as it came."""
    chosen = profile(**settings)
    found = LocationReport.decode(body, Edition.V2013, profile=chosen)
    assert found.encode(Edition.V2013, chosen) == body
    return found


# --------------------------------------------------------------------------------------- one reading at a time


def test_analog_order() -> None:
    """§13 item 13: the first WORD is AD1 by the standard, AD0 by the swap."""
    body = report("2b0400010002")
    for order, wanted in (("ad1_first", (1, 2)), ("ad0_first", (2, 1))):
        (item,) = read(body, analog_order=order).items
        assert (item.value.analog_1, item.value.analog_0) == wanted


@pytest.mark.parametrize(
    ("raw", "auto", "magnitude", "complement"),
    [("8005", -5, -5, -32763), ("fffb", -5, -32763, -5), ("0019", 25, 25, 25), ("87d0", -2000, -2000, -30768)],
)
def test_temperature(raw: str, auto: int, magnitude: int, complement: int) -> None:
    """§13 item 14: sign and magnitude down to -2000 and two's complement beyond, or one of them throughout."""
    body = report("0602" + raw)
    for setting, wanted in (("auto", auto), ("sign_magnitude", magnitude), ("twos_complement", complement)):
        found = read(body, temperature=setting)
        (item,) = found.items
        assert item.value.temperature_c == wanted
        if setting != "auto":  # which has two ways to write what is just below zero
            assert item.value.encode(Edition.V2019, profile(temperature=setting)).hex() == raw


def test_signal_bits() -> None:
    """§13 item 31: bit 0 is the least significant, or the most."""
    body = report("250480000001")
    assert read(body).items[0].value.vehicle_signals == 0x80000001
    assert read(report("250480000000"), signal_bits="msb").items[0].value.vehicle_signals == 1
    assert read(report("250400000006"), signal_bits="msb").items[0].value.vehicle_signals == 0x60000000


@pytest.mark.parametrize(("minutes", "hour"), [(480, 12), (0, 20), (-300, 25), (330, 14.5)])
def test_time_zone(minutes: int, hour: float) -> None:
    """§11 item 34: digits of the terminal's own clock become the right moment, in reports and inside of items."""
    number = "30" * 7 + "251123201400" + "000000"
    alarm = "642f" + "00" * 12 + "00" * 11 + "251123201400" + "0000" + number
    wanted = datetime(2025, 11, 23, tzinfo=UTC).timestamp() + hour * 3600 + 14 * 60
    found = read(report(alarm), time_zone_minutes=minutes)
    times = [found.time, found.items[0].value.time, found.items[0].value.alarm_number.time]
    assert [moment.timestamp() for moment in times] == [wanted] * 3


def test_time_of_the_server() -> None:
    """§13 item 24: 0x8004 is UTC whatever the terminal's zone, or the time of its own clock."""
    answer = TimeAnswer(time=datetime(2025, 11, 23, 12, 14, tzinfo=UTC))
    local = profile(time_answer="local", time_zone_minutes=420)
    assert answer.encode(Edition.V2019).hex() == "251123121400"
    assert answer.encode(Edition.V2019, profile(time_zone_minutes=420)).hex() == "251123121400"
    assert answer.encode(Edition.V2019, local).hex() == "251123191400"
    assert TimeAnswer.decode(bytes.fromhex("251123191400"), Edition.V2019, profile=local) == answer


@pytest.mark.parametrize(("step", "wanted"), [(0.1, 60.0), (1.0, 600.0), (1.852, 1111.2)])
def test_speed_step(step: float, wanted: float) -> None:
    """§11 item 39: the speed of a location in another unit; that of the recorder stays."""
    found = read(report("03020258"), speed_step_kmh=step)
    assert (found.speed_kmh, found.items[0].value.recorder_speed_kmh) == (wanted, 60.0)


@pytest.mark.parametrize(("step", "wanted"), [(0.1, 100.0), (1.0, 1000.0), (0.001, 1.0)])
def test_mileage_step(step: float, wanted: float) -> None:
    """§11 item 39: mileage in km or m."""
    assert read(report("0104000003e8"), mileage_step_km=step).items[0].value.mileage_km == wanted


def test_hemisphere() -> None:
    """§11 item 36: status bits 2 and 3 say south and west, or nothing; two's complement counts in both."""
    body = report(status=0b1100)
    assert (read(body).latitude, read(body).longitude) == (-39.915, -116.404)
    assert (read(body, hemisphere="none").latitude, read(body, hemisphere="none").longitude) == (39.915, 116.404)
    south = report(status=0b0100, latitude=(1 << 32) - 5_000_000)
    assert [read(south, hemisphere=word).latitude for word in ("status", "none")] == [-5.0, -5.0]


def test_alarm_bits() -> None:
    """§11 item 40: bits move to those of the standard, are dropped, or stay."""
    table = {"15": -1, "16": 26, "18": 7}
    found = read(report(alarm=1 | 1 << 15 | 1 << 16 | 1 << 18), alarm_bits=table)
    assert found.alarm_flags == 1 | 1 << 26 | 1 << 7
    chosen = profile(alarm_bits=table)
    made = LocationReport.decode(report(), profile=chosen)
    sent = type(made)(**{spec.name: getattr(made, spec.name) for spec in made.SPECS} | {"alarm_flags": 1 << 7 | 2})
    assert int.from_bytes(sent.encode(Edition.V2013, chosen)[:4]) == 1 << 18 | 2


def test_alarm_bit_that_the_terminal_has_no_word_for_is_refused() -> None:
    """A flag whose bit means something else to this terminal, and that no other bit means."""
    made = LocationReport.decode(report(alarm=1 << 15))
    with pytest.raises(ValueError, match="alarm bit"):
        made.encode(Edition.V2013, profile(alarm_bits={"15": -1}))


@pytest.mark.parametrize(
    ("shape", "items"),
    [
        ("1+1", "300109" + "e10201ff"),
        ("2+1", "00300109" + "01e10201ff"),
        ("2+2", "0030000109" + "01e1000201ff"),
        ("1+4", "300000000109" + "e10000000201ff"),
    ],
)
def test_item_shape(shape: str, items: str) -> None:
    """§11 item 29: ids and lengths of other widths; known ids are decoded, others keep their bytes."""
    found = read(report(items), item_shape=shape)
    assert [item.raw.hex() for item in found.items] == ["09", "01ff"]
    assert found.items[0].value.signal_strength == 9
    assert found.items[1].id & 0xFF == 0xE1
    cut = read(report(items[:-2]), item_shape=shape)
    assert (len(cut.items), cut.trailing.hex()[-2:]) == (1, "01")


@pytest.mark.parametrize(
    ("setting", "raw", "wanted", "deviation"),
    [
        ("auto", "你好".encode("gbk"), "你好", None),
        ("auto", "你好".encode(), "你好", "text.utf8"),
        ("gbk", "你好".encode(), "你好".encode().decode("gb18030"), None),
        ("gbk", "你好".encode("gbk"), "你好", None),
        ("utf8", "你好".encode(), "你好", None),
        ("utf8", "你好".encode("gbk"), "你好", "text.gbk"),
        ("utf8", b"\xff\xff", "\ufffd\ufffd", "text.not_gbk"),
    ],
)
def test_text_encoding(setting: str, raw: bytes, wanted: str, deviation: str | None) -> None:
    """§11 item 51: GBK unless it cannot be, or what the profile says."""
    chosen = profile(text_encoding=setting)
    deviations: list[str] = []
    found = TextMessage.decode(b"\x08" + raw, Edition.V2013, deviations, profile=chosen)
    assert (found.text, deviations) == (wanted, [] if deviation is None else [deviation])
    assert found.encode(Edition.V2013, chosen) == b"\x08" + raw
    if setting == "utf8":
        assert TextMessage(flags=8, text="好").encode(Edition.V2013, chosen)[1:] == "好".encode()


def test_edition() -> None:
    """§2.4: the layout of the edition that the profile names, whatever the bytes look like."""
    body = report()
    found = decode_body(0x0201, body, Edition.V2013, [], profile=profile(edition="2011"))
    assert isinstance(found, LocationAnswer)
    assert found.answer_serial is None
    assert body_edition(0x0201, body, Edition.V2019, profile(edition="2013")) is Edition.V2013


def test_part_serials() -> None:
    """§13 item 30: parts carry consecutive serials, or all the same."""
    for same, wanted in ((False, [65535, 0, 1]), (True, [65535] * 3)):
        frames = encode_frames(
            0x8103, bytes(25), phone="1", serial=65535, edition=Edition.V2013, part_bytes=10, same_serial=same
        )
        events = FrameReader().feed(b"".join(frames))
        assert [parse_header(event.payload)[0].serial for event in events if isinstance(event, Frame)] == wanted


# ---------------------------------------------------------------------------------------------------- datum


def test_datum_of_a_place_that_is_known() -> None:
    """§11 item 37: a point in Beijing, as other converters have it."""
    moved = datum.to_gcj02(datum.Place(39.915, 116.404))
    assert moved == pytest.approx((39.91640428150164, 116.41024449916938), abs=1e-9)


@given(
    st.floats(datum.LATITUDES[0] + 0.1, datum.LATITUDES[1] - 0.1),
    st.floats(datum.LONGITUDES[0] + 0.1, datum.LONGITUDES[1] - 0.1),
)
def test_datum_and_back(latitude: float, longitude: float) -> None:
    """Inside the rectangle the way back is exact to less than a millimetre, and the shift is below 2 km."""
    place = datum.Place(latitude, longitude)
    moved = datum.to_gcj02(place)
    assert datum.to_wgs84(moved) == pytest.approx(place, abs=1e-8)
    assert moved == pytest.approx(place, abs=0.02)


@given(st.floats(-90, 90), st.floats(-180, 180))
def test_datum_outside_of_china_is_the_same(latitude: float, longitude: float) -> None:
    """Nothing is moved where GCJ-02 is not used."""
    place = datum.Place(latitude, longitude)
    if not datum.is_moved(place):
        assert datum.to_gcj02(place) is place
        assert datum.to_wgs84(place) is place


def test_datum_of_a_report() -> None:
    """A report in GCJ-02 becomes WGS-84 and goes out as it came; one that is made becomes GCJ-02."""
    moved = datum.to_gcj02(datum.Place(39.915, 116.404))
    body = report(latitude=round(moved.latitude * 1e6), longitude=round(moved.longitude * 1e6))
    found = read(body, datum="gcj02")
    assert (found.latitude, found.longitude) == pytest.approx((39.915, 116.404), abs=1e-6)
    made = LocationReport.decode(report())
    sent = made.encode(Edition.V2013, profile(datum="gcj02"))
    assert sent == body
    assert read(report(latitude=0, longitude=0), datum="gcj02").latitude == 0


# -------------------------------------------------------------------------------------- whatever the profile


@pytest.mark.parametrize("chosen", PROFILES, ids=lambda one: one.name)
def test_what_is_read_under_a_profile_is_written_again(chosen: Profile) -> None:
    """Encoding under the profile with which a body was read gives the same bytes, for every message."""

    @settings(max_examples=25, deadline=None)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        cls = data.draw(st.sampled_from(CLASSES))
        edition = data.draw(st.sampled_from(ALL_EDITIONS))
        made = data.draw(structures(cls, edition))
        try:
            body = made.encode(edition, chosen)
        except EncodeError:  # an alarm that this terminal has no bit for, text that is longer in its encoding
            body = made.encode(edition)
        survives(cls.INFO.msg_id, body, edition, chosen)

    check()


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(PROFILES), st.sampled_from([0x0200, 0x0201, 0x0704]), st.binary(max_size=120), st.booleans())
def test_random_locations_under_a_profile_come_out_as_they_went_in(
    chosen: Profile, msg_id: int, body: bytes, old: bool
) -> None:
    """Any bytes are errors of ours or go out as they came."""
    survives(msg_id, body, Edition.V2013 if old else Edition.V2019, chosen)


def survives(msg_id: int, body: bytes, edition: Edition, chosen: Profile) -> None:
    """Reading gives a message that goes out as it came, or a BodyError."""
    deviations: list[str] = []
    try:
        found = decode_body(msg_id, body, edition, deviations, profile=chosen)
    except BodyError:
        return
    assert set(deviations) <= set(DEVIATIONS)
    json.dumps(found.to_json())
    if isinstance(found, UnknownMessage) or "location_batch.item_overrun" in deviations:
        return
    assert encode_body(found, body_edition(msg_id, body, edition, chosen), chosen) == body


# ----------------------------------------------------------------------------------------- frames and bodies


def wire(body: bytes, *, encryption: int = 0) -> bytes:
    """A frame with a text message."""
    head = build_header(0x8300, len(body), phone="1", serial=7, edition=Edition.V2013, encryption=encryption)
    return wrap(head + body)


def test_bad_checksum_is_forgiven_where_the_profile_says_so() -> None:
    """§11 item 9: refused by default; taken, and noted, from a terminal that is known for it."""
    frame = bytearray(wire(b"\x08\x7d\x7e"))
    frame[-2] ^= 0x10
    (refused,) = walk_wire([bytes(frame)])
    assert refused.error is not None
    (taken,) = walk_wire([bytes(frame)], profile=profile(bad_checksum="accept"))
    assert (taken.error, taken.body, taken.json["deviations"]) == (None, b"\x08\x7d\x7e", ["frame.bad_checksum"])


def test_a_good_frame_after_a_forgiven_one_arrives() -> None:
    """Also when the two share a flag."""
    bad = bytearray(wire(b"\x08ab"))
    bad[-2] ^= 1
    reader = FrameReader(any_checksum=True)
    events = reader.feed(bytes(bad) + wire(b"\x08cd")[1:] + wire(b"\x08ef"))
    assert [event.deviation for event in events if isinstance(event, Frame)] == ["frame.bad_checksum", None, None]
    assert len(events) == 3


def test_encryption_bits_before_a_plain_body() -> None:
    """§11 item 16: believed by default, ignored where the profile says so."""
    (believed,) = walk_wire([wire(b"\x08hi", encryption=1)])
    assert (believed.json["body"], believed.json["deviations"]) == ({"raw": "086869"}, ["body.encrypted"])
    (plain,) = walk_wire([wire(b"\x08hi", encryption=1)], profile=profile(encryption_bits="ignore"))
    assert isinstance(plain.json["body"], dict)
    assert plain.json["body"]["text"] == "hi"
    assert plain.json["deviations"] == ["header.encryption_bits_ignored"]


def test_an_opener_decrypts() -> None:
    """What is opened is decoded and shown like any other body."""
    (found,) = walk_wire([wire(b"??", encryption=1)], opener=lambda header, body: b"\x08hi" if body == b"??" else None)
    assert isinstance(found.json["body"], dict)
    assert (found.json["body"]["text"], found.json["deviations"], found.body) == ("hi", [], b"\x08hi")
    assert found.rows()[-1].raw == b"hi"
    (closed,) = walk_wire([wire(b"!!", encryption=2)], opener=lambda header, body: None)
    assert closed.rows()[-1].name == "encrypted body"


def test_the_default_changes_nothing() -> None:
    """A profile without settings is the default but for its name."""
    assert profile_from("auto", {}) == AUTO
