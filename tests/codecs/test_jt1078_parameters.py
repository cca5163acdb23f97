"""Parameters 0x0075 to 0x007C of JT/T 1078 (§1.14): worked examples, layouts, tables."""

from typing import Any

import pytest
from declared_strategies import structures
from hypothesis import given, settings

from jtgate.codecs import deviations as dev
from jtgate.codecs.declare import Structure
from jtgate.codecs.edition import ALL_EDITIONS, Edition
from jtgate.codecs.jt808 import Parameter, SetParameters
from jtgate.codecs.jt808.parameters import PARAMETERS, blocks_of
from jtgate.codecs.jt1078.items import VIDEO_ALARMS
from jtgate.codecs.jt1078.parameters import (
    CODING_MODES,
    OSD,
    RESOLUTIONS,
    WAKE_CONDITIONS,
    WAKE_MODES,
    WAKE_PERIODS,
    WEEKDAYS,
    AvChannels,
    AvParameters,
    ChannelEntry,
    ChannelVideo,
    ChannelVideoParameters,
    ImageAnalysis,
    SleepWake,
    SpecialAlarmRecording,
    StreamCoding,
    VideoAlarmMask,
    WakePeriod,
)
from jtgate.codecs.wire import Span

LIVE = StreamCoding(coding_mode=1, resolution=5, key_frame_interval=25, frame_rate=15, bit_rate_kbps=1024)
STORED = StreamCoding(coding_mode=1, resolution=6, key_frame_interval=50, frame_rate=25, bit_rate_kbps=4096)
OFF = WakePeriod(wake_at="0000", off_at="0000")

# Id -> bytes and value: 0x0075, 0x0076 and 0x007C are worked examples of §5.6, the others follow §1.14.
EXAMPLES: dict[int, tuple[str, Structure]] = {
    0x0075: (
        "01 05 00 19 0F 00 00 04 00 01 06 00 32 19 00 00 10 00 00 07 01",
        AvParameters(live=LIVE, stored=STORED, osd_flags=7, audio_output=1),
    ),
    0x0076: (
        "02 01 00 01 01 00 00 02 02 00 01 03 24 01 00",
        AvChannels(
            av_channels=(
                ChannelEntry(physical_channel=1, channel=1, av_type=0, ptz=0),
                ChannelEntry(physical_channel=2, channel=2, av_type=0, ptz=1),
            ),
            audio_channels=(ChannelEntry(physical_channel=3, channel=36, av_type=1, ptz=0),),
        ),
    ),
    0x0077: (
        "01 02 01 05 00 19 0F 00 00 04 00 01 06 00 32 19 00 00 10 00 00 07",
        ChannelVideoParameters(channels=(ChannelVideo(channel=2, live=LIVE, stored=STORED, osd_flags=7),)),
    ),
    0x0079: ("14 05 01", SpecialAlarmRecording()),
    0x007A: ("00 00 00 21", VideoAlarmMask(masked_alarms=1 << 0 | 1 << 5)),
    0x007B: ("2D 50", ImageAnalysis(rated_passengers=45, fatigue_threshold=80)),
    0x007C: (
        "03 04 1F 01 07 30 09 00 00 00 00 00 00 00 00 00 00 00 00 00",
        SleepWake(
            wake_modes=3,
            wake_conditions=4,
            weekdays=0x1F,
            enabled_periods=1,
            periods=(WakePeriod(wake_at="0730", off_at="0900"), OFF, OFF, OFF),
        ),
    ),
}


def set_parameters(*items: tuple[int, bytes], spans: list[Span] | None = None) -> tuple[list[Parameter], list[str]]:
    """The parameters of a 0x8103, and the deviations; the bytes come out as they went in."""
    body = bytes([len(items)]) + b"".join(id_.to_bytes(4) + bytes([len(raw)]) + raw for id_, raw in items)
    deviations: list[str] = []
    message = SetParameters.decode(body, Edition.V2013, deviations, spans)
    assert message.encode() == body
    return list(message.parameters), deviations


@pytest.mark.parametrize("parameter_id", EXAMPLES)
def test_blocks_are_read_and_written_as_printed(parameter_id: int) -> None:
    """Both ways, byte for byte, alone and as an item of 0x8103."""
    printed, value = EXAMPLES[parameter_id]
    raw = bytes.fromhex(printed)
    assert value.encode() == raw
    assert type(value).decode(raw) == value
    (item,), deviations = set_parameters((parameter_id, raw))
    assert (item.value, deviations) == (value, [])
    assert Parameter.of(parameter_id, value) == item
    assert item.to_json()["value"] == value.to_json()
    assert item.to_json()["name"] == PARAMETERS[parameter_id].name


def test_worked_message_with_0x0075() -> None:
    """§5.6: the whole body of a 0x8103."""
    body = bytes.fromhex("01 00 00 00 75 15 01 05 00 19 0F 00 00 04 00 01 06 00 32 19 00 00 10 00 00 07 01")
    message = SetParameters(parameters=(Parameter.of(0x0075, EXAMPLES[0x0075][1]),))
    assert message.encode() == body
    assert SetParameters.decode(body) == message


def test_every_parameter_of_the_document_is_a_block() -> None:
    """0x0075 to 0x007C, but for 0x0078, which is not defined."""
    ids = set(range(0x0075, 0x007D)) - {0x0078}
    assert set(EXAMPLES) == ids
    assert {id_ for id_ in range(0x0070, 0x0080) if id_ in PARAMETERS} >= ids
    assert 0x0078 not in PARAMETERS
    assert [len(blocks_of(id_)) for id_ in sorted(ids)] == [1] * 7


@pytest.mark.parametrize(
    ("cls", "length"),
    [
        (AvParameters, 21),
        (AvChannels, 3),
        (ChannelEntry, 4),
        (ChannelVideoParameters, 1),
        (ChannelVideo, 21),
        (SpecialAlarmRecording, 3),
        (VideoAlarmMask, 4),
        (ImageAnalysis, 2),
        (SleepWake, 20),
    ],
)
def test_lengths_are_those_of_the_document(cls: type[Structure], length: int) -> None:
    """In every edition of JT/T 808."""
    assert {cls.min_bytes(edition) for edition in ALL_EDITIONS} == {length}


def test_offsets_of_0x0075_and_0x007c() -> None:
    """The columns "Off" of the document."""
    offsets = {spec.name: StreamCoding.offset_of(spec.name, Edition.V2013) for spec in StreamCoding.SPECS}
    assert offsets == {
        "coding_mode": 0,
        "resolution": 1,
        "key_frame_interval": 2,
        "frame_rate": 4,
        "bit_rate_kbps": 5,
    }
    assert [AvParameters.offset_of(name, Edition.V2013) for name in ("stored", "osd_flags", "audio_output")] == [
        9,
        18,
        20,
    ]
    assert [ChannelVideo.offset_of(name, Edition.V2013) for name in ("live", "stored", "osd_flags")] == [1, 10, 19]
    assert SleepWake.offset_of("periods", Edition.V2013) == 4


@pytest.mark.parametrize("parameter_id", EXAMPLES)
@pytest.mark.parametrize("change", [-1, 1])
def test_a_block_of_another_length_stays_raw(parameter_id: int, change: int) -> None:
    """The bytes are kept, and the parameter after it is read."""
    raw = bytes.fromhex(EXAMPLES[parameter_id][0])
    odd = raw + b"\0" if change > 0 else raw[:-1]
    (item, after), _ = set_parameters((parameter_id, odd), (0x0001, bytes.fromhex("0000003c")))
    assert item.raw == odd
    assert not isinstance(item.value, Structure)
    assert after.value == 60


def test_counts_of_0x0076_that_promise_too_much_leave_it_raw() -> None:
    """Three counts, one list: without them nothing can be told apart."""
    (item,), _ = set_parameters((0x0076, bytes.fromhex("0201010001 0100 00")))
    assert item.value is None


@pytest.mark.parametrize(
    ("parameter_id", "raw"),
    [
        (0x0079, "000501"),  # 0 %
        (0x0079, "640501"),  # 100 %
        (0x0075, "01 05 00 00 0F 00 00 04 00 01 06 00 32 19 00 00 10 00 00 07 01"),  # key-frame interval 0
        (0x0075, "01 05 00 19 79 00 00 04 00 01 06 00 32 19 00 00 10 00 00 07 01"),  # 121 frames/s
    ],
)
def test_values_out_of_their_range_are_kept_and_noted(parameter_id: int, raw: str) -> None:
    """1–99 %, 1–1000 frames, 1–120 frames/s."""
    (item,), deviations = set_parameters((parameter_id, bytes.fromhex(raw)))
    assert isinstance(item.value, Structure)
    assert deviations == [dev.VALUE_OUT_OF_RANGE]


def test_tables_have_the_rows_of_the_document() -> None:
    """Codes and bits, in its order."""
    assert [row.code for row in CODING_MODES] == [0, 1, 2]
    assert [row.zh for row in RESOLUTIONS] == ["QCIF", "CIF", "WCIF", "D1", "WD1", "720P", "1080P"]
    for bits, count in ((OSD, 7), (WAKE_MODES, 3), (WAKE_CONDITIONS, 3), (WEEKDAYS, 7), (WAKE_PERIODS, 4)):
        assert [row.no for row in bits] == list(range(count))
    assert VideoAlarmMask.SPECS[0].kind.table is VIDEO_ALARMS  # type: ignore[attr-defined]
    assert [row.no for row in VIDEO_ALARMS] == list(range(7))


def test_the_annotated_view_names_the_parts() -> None:
    """Rows with paths, units and meanings."""
    spans: list[Span] = []
    set_parameters(*((id_, bytes.fromhex(printed)) for id_, (printed, _) in EXAMPLES.items()), spans=spans)
    rows: dict[str, Any] = {row.path: row for row in spans}
    assert rows["parameters[0].live.resolution"].meaning == "720P"
    assert rows["parameters[0].stored.bit_rate_kbps"].unit == "kbit/s"
    assert rows["parameters[0].osd_flags"].meaning.startswith("日期和时间 date and time; ")
    assert rows["parameters[1].audio_channels[0].channel"].meaning.startswith("车厢前部(音频)")
    assert rows["parameters[4].masked_alarms"].meaning.endswith("异常驾驶行为 abnormal driving behaviour")
    assert rows["parameters[6].weekdays"].meaning.startswith("周一 Monday")
    assert rows["parameters[6].periods[0].wake_at"].value == "0730"


@pytest.mark.parametrize("cls", [type(value) for _, value in EXAMPLES.values()])
def test_every_value_comes_back(cls: type[Structure]) -> None:
    """From bytes and from JSON, as an item of a message."""

    @settings(max_examples=25, deadline=None)
    @given(structures(cls, Edition.V2013))
    def check(value: Structure) -> None:
        parameter_id = next(id_ for id_, (_, example) in EXAMPLES.items() if type(example) is cls)
        (item,), _ = set_parameters((parameter_id, value.encode()))
        assert item.value == value
        assert cls.from_json(value.to_json()) == value

    check()
