"""Parameters of the peripherals, and their state and information (active-safety §2, §3, §8)."""

from typing import Any

import pytest
from active_safety_frames import FRAMES
from declared_strategies import structures
from hypothesis import given, settings

from jtgate.codecs import deviations as dev
from jtgate.codecs.declare import Structure
from jtgate.codecs.describe import annotate_frame, describe_wire
from jtgate.codecs.edition import ALL_EDITIONS, Edition
from jtgate.codecs.errors import EncodeError
from jtgate.codecs.framing import Frame, FrameReader
from jtgate.codecs.jsatl12.parameters import (
    ADAS_ALARMS,
    ADAS_ALARMS_GD,
    DSM_ALARMS,
    DSM_ALARMS_GD,
    HARSH_DRIVING_ENABLE,
    IDENTITY_TRIGGERS,
    PHOTO_RESOLUTIONS,
    VIDEO_RESOLUTIONS,
    AdasEvidence,
    AdasParameters,
    AdasParametersGd,
    BsdParameters,
    BsdParametersZj,
    DriverComparison,
    DriverComparisonHn,
    DsmEvidence,
    DsmParameters,
    DsmParametersGd,
    FaceEvidence,
    HarshDrivingParameters,
    HarshThreshold,
    TpmsParameters,
    VideoProtocolVersion,
)
from jtgate.codecs.jsatl12.peripherals import (
    INFORMATION,
    PERIPHERAL_ALARMS,
    PERIPHERALS,
    STATE,
    WORKING_STATES,
    PeripheralQuery,
    PeripheralStates,
)
from jtgate.codecs.jt808 import Parameter, ParametersAnswer, SetParameters, UplinkTransparent
from jtgate.codecs.jt808.parameters import blocks_of
from jtgate.codecs.wire import Span

V = Edition.V2013

# Parameter id and form -> length and the offsets of the table of §2.
LAYOUTS: list[tuple[int, type[Structure], int, dict[str, int]]] = [
    (
        0xF364,
        AdasParameters,
        56,
        {
            "enable_speed_kmh": 0, "volume": 1, "photo_strategy": 2, "photo_timed_interval_s": 3,
            "photo_distance_interval_m": 5, "photos_per_shot": 7, "shot_interval_100ms": 8, "photo_resolution": 9,
            "video_resolution": 10, "alarms_enabled": 11, "events_enabled": 15, "reserved_19": 19,
            "obstacle_distance_100ms": 20, "obstacle_grading_kmh": 21, "obstacle": 22, "lane_change_window_s": 25,
            "lane_change_count": 26, "lane_change_grading_kmh": 27, "lane_change": 28,
            "lane_departure_grading_kmh": 31, "lane_departure": 32, "forward_collision_time_100ms": 35,
            "forward_collision_grading_kmh": 36, "forward_collision": 37, "pedestrian_time_100ms": 40,
            "pedestrian_enable_speed_kmh": 41, "pedestrian": 42, "headway_100ms": 45, "headway_grading_kmh": 46,
            "headway": 47, "road_sign_photos": 50, "road_sign_photo_interval_100ms": 51, "reserved": 52,
        },
    ),
    (
        0xF364,
        AdasParametersGd,
        64,
        {
            "alarms_enabled": 11, "road_sign_photo_interval_100ms": 51, "solid_line_grading_kmh": 52, "solid_line": 53,
            "aisle_grading_kmh": 56, "aisle": 57, "reserved": 60,
        },
    ),
    (
        0xF365,
        DsmParameters,
        49,
        {
            "enable_speed_kmh": 0, "photo_timed_interval_s": 3, "photo_distance_interval_m": 5, "photos_per_shot": 7,
            "alarms_enabled": 11, "events_enabled": 15, "smoking_interval_s": 19, "phone_interval_s": 21,
            "reserved_23": 23, "fatigue_grading_kmh": 26, "fatigue": 27, "phone_grading_kmh": 30, "phone": 31,
            "smoking_grading_kmh": 34, "smoking": 35, "distraction_grading_kmh": 38, "distraction": 39,
            "abnormal_grading_kmh": 42, "abnormal": 43, "identity_trigger": 46, "reserved": 47,
        },
    ),
    (
        0xF365,
        DsmParametersGd,
        66,
        {
            "identity_trigger": 46, "camera_covered_grading_kmh": 47, "seat_belt_grading_kmh": 48, "seat_belt": 49,
            "sunglasses_grading_kmh": 52, "sunglasses": 53, "hands_off_grading_kmh": 56, "hands_off": 57,
            "phone_playing_grading_kmh": 60, "phone_playing": 61, "reserved": 64,
        },
    ),
    (
        0xF366,
        TpmsParameters,
        36,
        {
            "tyre_type": 0, "pressure_unit": 12, "normal_pressure": 14, "imbalance_percent": 16,
            "slow_leak_percent": 18, "low_pressure": 20, "high_pressure": 22, "high_temperature_c": 24,
            "battery_percent": 26, "report_interval_s": 28, "reserved": 30,
        },
    ),
    (0xF366, BsdParametersZj, 2, {"rear_threshold_s": 0, "side_rear_threshold_s": 1}),
    (0xF367, BsdParameters, 2, {"rear_threshold_s": 0, "side_rear_threshold_s": 1}),
    (0xF370, VideoProtocolVersion, 1, {"version": 0}),
    (0xF370, HarshDrivingParameters, 54, {"alarms_enabled": 0, "thresholds": 4, "reserved": 46}),
    (0xF0E9, DriverComparison, 3, {"offline_comparison": 0, "phone_threshold_percent": 2}),
    (0xF0E9, DriverComparisonHn, 4, {"dsm_threshold_percent": 1, "phone_threshold_percent": 2, "voice": 3}),
]  # fmt: skip


def answer(parameter_id: int, raw: bytes, deviations: list[str] | None = None) -> Parameter:
    """The one parameter of a 0x0104."""
    body = b"\x00\x01\x01" + parameter_id.to_bytes(4) + bytes([len(raw)]) + raw
    message = ParametersAnswer.decode(body, V, deviations)
    assert message.encode(V) == body
    (parameter,) = message.parameters
    return parameter


# ---------------------------------------------------------------------------------- layouts


@pytest.mark.parametrize(("parameter_id", "form", "length", "offsets"), LAYOUTS)
def test_a_block_has_the_layout_of_its_table(
    parameter_id: int, form: type[Structure], length: int, offsets: dict[str, int]
) -> None:
    """§2.1 to §2.6: total length, and each field at the offset that is printed."""
    assert form in blocks_of(parameter_id)
    for edition in ALL_EDITIONS:
        assert form.min_bytes(edition) == length
        assert {name: form.offset_of(name, edition) for name in offsets} == offsets
    assert type(answer(parameter_id, bytes(length)).value) is form


@pytest.mark.parametrize(("parameter_id", "form"), [(row[0], row[1]) for row in LAYOUTS])
def test_a_block_comes_back_as_it_went_out(parameter_id: int, form: type[Structure]) -> None:
    """Every value of every block, in a message and through JSON."""

    @settings(max_examples=30, deadline=None)
    @given(structures(form, V))
    def check(value: Structure) -> None:
        found = answer(parameter_id, value.encode())
        assert found.value == value
        assert form.from_json(value.to_json()).encode() == found.raw

    check()


@pytest.mark.parametrize(
    ("parameter_id", "length"),
    [
        (0xF364, 95), (0xF364, 112), (0xF364, 57), (0xF365, 56), (0xF365, 62), (0xF365, 109), (0xF365, 126),
        (0xF365, 47), (0xF365, 65), (0xF366, 109), (0xF367, 1), (0xF368, 38), (0xF368, 52), (0xF370, 2),
        (0xF0E9, 5), (0xE138, 22), (0xE141, 45), (0xFF01, 20),
    ],
)  # fmt: skip
def test_a_block_of_another_length_stays_as_it_is(parameter_id: int, length: int) -> None:
    """§2.1, §8 item 18: blocks of other provinces (and of libraries that forget bytes) are opaque and go out again."""
    deviations: list[str] = []
    parameter = answer(parameter_id, bytes(range(length)), deviations)
    assert (parameter.value, parameter.raw) == (None, bytes(range(length)))
    assert deviations == []


# ------------------------------------------------------------------------------- keep, codes and bits


def test_what_is_left_out_is_kept() -> None:
    """§2: 0xFF, 0xFFFF and 0xFFFFFFFF mean "do not change"; reserved bytes are zero."""
    raw = AdasParameters(enable_speed_kmh=40, headway=AdasEvidence(photos=2)).encode()
    assert raw.hex() == (
        "28ffff" + "ffff" * 2 + "ff" * 4 + "ffffffff" * 2 + "00" + "ff" * 28 + "02" + "ff" * 3 + "00000000"
    )
    value: Any = answer(0xF364, raw).value
    assert (value.enable_speed_kmh, value.volume, value.alarms_enabled) == (40, None, None)
    assert value.headway == AdasEvidence(photos=2)


def test_keep_values_are_shown_as_such() -> None:
    """None in JSON, "keep" for people; no deviation although 255 is out of range."""
    body = bytes.fromhex("01 0000f367 02 ff05")
    spans: list[Span] = []
    deviations: list[str] = []
    message = SetParameters.decode(body, V, deviations, spans)
    assert message.parameters[0].to_json()["value"] == {"rear_threshold_s": None, "side_rear_threshold_s": 5}
    assert [(span.value, span.meaning) for span in spans[-2:]] == [("-", "不修改 keep"), ("5", "")]
    assert deviations == []
    with pytest.raises(EncodeError):
        BsdParameters(rear_threshold_s=255).encode()


def test_a_word_of_0xff_is_255() -> None:
    """§8 item 11: 苏标 prints 0xFF for three WORDs of 0xF365; the keep value of a WORD is 0xFFFF."""
    raw = bytearray(DsmParameters().encode())
    for at in (3, 19, 21):
        assert raw[at : at + 2] == b"\xff\xff"
        raw[at : at + 2] = b"\x00\xff"
    value: Any = answer(0xF365, bytes(raw)).value
    assert [value.photo_timed_interval_s, value.smoking_interval_s, value.phone_interval_s] == [255, 255, 255]


@pytest.mark.parametrize(
    ("table", "codes"),
    [
        (ADAS_ALARMS, (*range(12), 16)),
        (ADAS_ALARMS_GD, (*range(12), 16, 17, 18, 19)),
        (DSM_ALARMS, range(10)),
        (DSM_ALARMS_GD, range(20)),
        (HARSH_DRIVING_ENABLE, range(7)),
        (PHOTO_RESOLUTIONS, range(1, 7)),
        (VIDEO_RESOLUTIONS, range(1, 8)),
        (IDENTITY_TRIGGERS, range(4)),
        (PERIPHERALS, range(0x64, 0x68)),
        (WORKING_STATES, (1, 2, 3, 4, 0x10)),
        (PERIPHERAL_ALARMS, (0, 1, 2, 3, 4, 5, 10, 11)),
    ],
)
def test_codes_of_a_table(table: Any, codes: Any) -> None:
    """The table has the rows of the document, in its order."""
    assert [row.code for row in table] == list(codes)


def test_enable_bits_are_named_by_province() -> None:
    """§2.2, §2.3: bits above 16 and 9 are those of 粤标; the default of 苏标 leaves abnormal level 2 off."""
    assert ADAS_ALARMS.meaning(1 << 17).startswith("保留位")
    assert ADAS_ALARMS_GD.meaning(1 << 17) == "实线变道一级报警 solid-line lane change level 1"
    assert "driver abnormal level 2" not in DSM_ALARMS.meaning(0x1FF)
    assert "driver abnormal level 1" in DSM_ALARMS.meaning(0x1FF)
    for form, meaning in ((AdasParameters, "保留位 reserved bit 19"), (AdasParametersGd, "车厢过道行人检测报警")):
        spans: list[Span] = []
        raw = form(alarms_enabled=1 << 19).encode()
        form.decode(raw, V, [], spans)
        (row,) = [span for span in spans if span.path == "alarms_enabled"]
        assert row.meaning.startswith(meaning)


def test_values_outside_their_range_are_kept_and_noted() -> None:
    """§2: the ranges of the table; 粤标 has narrower ones for smoking and phone."""
    for form, noted in ((DsmParameters, []), (DsmParametersGd, [dev.VALUE_OUT_OF_RANGE])):
        deviations: list[str] = []
        form.decode(form(smoking_interval_s=3600, phone=FaceEvidence(face_photos=1)).encode(), V, deviations)
        assert deviations == noted
    deviations = []
    DsmEvidence.decode(bytes.fromhex("3d0006"), V, deviations)
    assert deviations == [dev.VALUE_OUT_OF_RANGE]


def test_tyre_type_is_text_without_a_keep_value() -> None:
    """§2.4: twelve characters; the block of the defaults that are printed."""
    made = TpmsParameters(
        tyre_type="900R20", pressure_unit=3, normal_pressure=140, imbalance_percent=20, slow_leak_percent=5,
        low_pressure=110, high_pressure=189, high_temperature_c=80, battery_percent=10, report_interval_s=60,
    )  # fmt: skip
    assert made.encode().hex() == b"900R20".hex() + "00" * 6 + "0003008c00140005006e00bd0050000a003c" + "00" * 6
    with pytest.raises(EncodeError, match="12"):
        TpmsParameters(tyre_type="195/65R15 91V").encode()


def test_0xf370_is_told_by_its_length() -> None:
    """§8 item 14: the version of 粤标, or the harsh driving of 川标 and 桂标 in groups of three WORDs."""
    assert answer(0xF370, b"\x01").value == VideoProtocolVersion(version=1)
    raw = bytes.fromhex("0000007f" + "0001001c0000" * 3 + "000a003c03e8" * 4 + "00" * 8)
    value: Any = answer(0xF370, raw).value
    assert value.thresholds[0] == HarshThreshold(time_threshold_s=1, threshold_1=28, threshold_2=0)
    assert value.thresholds[6] == HarshThreshold(time_threshold_s=10, threshold_1=60, threshold_2=1000)


def test_0xf366_of_two_bytes_is_the_blind_spot_monitor_of_zhejiang() -> None:
    """§8 item 15, for the parameter."""
    assert answer(0xF366, b"\x02\x03").value == BsdParametersZj(rear_threshold_s=2, side_rear_threshold_s=3)


def test_headways_of_either_document_are_in_range() -> None:
    """§8 item 17: 10 by the platform table, 30 by the peripheral table."""
    for headway in (10, 30):
        deviations: list[str] = []
        value = AdasParameters.decode(AdasParameters(headway_100ms=headway).encode(), V, deviations)
        assert (value.headway_100ms, deviations) == (headway, [])


# --------------------------------------------------------------------------------- peripherals (§3)


def body_of(name: str) -> dict[str, Any]:
    """The JSON body of a worked frame."""
    (described,) = describe_wire(bytes.fromhex(FRAMES[name]))
    found: Any = described["body"]
    return dict(found)


def test_query_of_peripherals() -> None:
    """§7.8: 0x8900 asks for the states of ADAS and DSM."""
    assert body_of("7.8 query of states")["content"] == {"count": 2, "peripheral_ids": [0x64, 0x65]}


def test_states_of_peripherals() -> None:
    """§7.8: ADAS normal, DSM at fault with camera and infra-red light; the bytes stand beside."""
    body = body_of("7.8 states")
    assert body["data"] == "026405010000000065050400000009"
    assert body["content"]["peripherals"] == [
        {"peripheral_id": 0x64, "state": {"working_state": 1, "alarm_flags": 0, "extra": None}},
        {"peripheral_id": 0x65, "state": {"working_state": 4, "alarm_flags": 9, "extra": None}},
    ]


def test_information_of_a_peripheral() -> None:
    """§7.8: six texts."""
    (found,) = body_of("7.8 information")["content"]["peripherals"]
    assert found["information"] == {
        "company": "ACME", "model": "DSM-X1", "hardware_version": "HV1.0", "software_version": "SV1.1.0",
        "device_id": "A1B2C3D", "customer_code": "0001", "extra": None,
    }  # fmt: skip


def test_annotated_view_goes_into_the_content() -> None:
    """Every byte of a known content has a row with its words; that of an unknown one is a row of bytes."""
    (frame,) = FrameReader().feed(bytes.fromhex(FRAMES["7.8 states"]))
    assert isinstance(frame, Frame)
    rows = {span.path: span for span in annotate_frame(frame.payload)}
    assert rows["data.peripherals[1].state.working_state"].meaning == "设备异常 device fault"
    assert rows["data.peripherals[1].state.alarm_flags"].meaning == (
        "摄像头异常 camera fault; 红外补光异常 infra-red light fault"
    )
    assert b"".join(span.raw for span in annotate_frame(frame.payload)) == frame.payload
    spans: list[Span] = []
    UplinkTransparent.decode(b"\xf7\x01\x64\x05", V, [], spans)
    assert [(span.path, span.raw) for span in spans] == [("data_type", b"\xf7"), ("data", b"\x01\x64\x05")]


def test_extra_bytes_of_a_state_are_kept() -> None:
    """§3: more than five bytes are skipped."""
    message = UplinkTransparent.decode(bytes.fromhex("f70164070100000000abcd"))
    content: Any = message.to_json()["content"]
    assert content["peripherals"][0]["state"] == {"working_state": 1, "alarm_flags": 0, "extra": "abcd"}


@pytest.mark.parametrize(
    "body",
    [
        "f7", "f702640501000000", "f7016405010000000000", "f7016404010000", "f80164", "f8016403010203",
        "000164050100000000", "f10164050100000000",
    ],
)  # fmt: skip
def test_other_data_under_these_types_is_left_alone(body: str) -> None:
    """§3: 0xF0 to 0xFF are everybody's types; only what is exactly such a structure is one."""
    deviations: list[str] = []
    message = UplinkTransparent.decode(bytes.fromhex(body), V, deviations)
    assert message.content() is None
    assert "content" not in message.to_json()
    assert message.encode().hex() == body
    assert deviations == []


def test_content_can_be_written() -> None:
    """JSON with `content` in place of `data` makes the bytes; with both, the bytes win."""
    content = {"peripherals": [{"peripheral_id": "ADAS", "state": {"working_state": "normal", "alarm_flags": 0}}]}
    made = UplinkTransparent.from_json({"data_type": STATE, "content": content})
    assert made.encode().hex() == "f70164050100000000"
    assert isinstance(made.content(), PeripheralStates)
    assert UplinkTransparent.from_json({"data_type": STATE, "data": "00", "content": content}).data == b"\x00"
    assert UplinkTransparent.from_json(made.to_json()) == made
    with pytest.raises(EncodeError, match="247 and 248"):
        UplinkTransparent.from_json({"data_type": 1, "content": content})


def test_names_in_gbk_are_read() -> None:
    """§3: ASCII by the standard, GBK as fallback."""
    texts = ["公司", "", "", "", "", ""]
    content = b"".join(bytes([len(text.encode("gbk"))]) + text.encode("gbk") for text in texts)
    message = UplinkTransparent.decode(bytes([INFORMATION, 1, 0x65, len(content)]) + content)
    found: Any = message.to_json()["content"]
    assert found["peripherals"][0]["information"]["company"] == "公司"
    assert PeripheralQuery(peripheral_ids=(0x64, 0x67)).encode().hex() == "026467"
