"""Signalling of JT/T 1078: worked examples, tables, what is tolerated, and where the sources disagree (§7)."""

from datetime import datetime
from typing import Any

import pytest

from jtgate.codecs import deviations as dev
from jtgate.codecs.catalogue import CATALOGUE, JT1078
from jtgate.codecs.declare import MESSAGES, Message
from jtgate.codecs.describe import annotate_frame, describe_wire
from jtgate.codecs.edition import ALL_EDITIONS, Edition
from jtgate.codecs.errors import BodyError, EncodeError, Truncated
from jtgate.codecs.framing import wrap
from jtgate.codecs.items import LocationItem
from jtgate.codecs.jt808 import LocationReport, TerminalGeneralAnswer
from jtgate.codecs.jt1078 import (
    AvAttributes,
    FileUpload,
    FileUploadControl,
    FileUploadFinished,
    LiveControl,
    LiveRequest,
    LiveStatus,
    PassengerFlow,
    PlaybackControl,
    PlaybackRequest,
    PtzFocus,
    PtzInfrared,
    PtzIris,
    PtzRotate,
    PtzWiper,
    PtzZoom,
    QueryAvAttributes,
    QueryResources,
    Resource,
    ResourceList,
    tables,
)
from jtgate.codecs.jt1078.items import CHANNELS, STORES, VIDEO_ALARMS, AbnormalDriving, VideoLoss
from jtgate.codecs.jt1078.times import NO_TIME
from jtgate.codecs.registry import decode_body, message_class
from jtgate.codecs.tables import Choices
from jtgate.codecs.timebase import GMT8, RawTime

BASE = bytes.fromhex("00000000000000030260d36106ee98e100320064000a250314151000")


def at(hour: int, minute: int = 0, second: int = 0) -> datetime:
    """A time of the day of the worked examples."""
    return datetime(2025, 3, 1, hour, minute, second, tzinfo=GMT8)


# ------------------------------------------------------------------- worked examples of §5.6

EXAMPLES: dict[str, tuple[str, Message]] = {
    "0x9101": (
        "0A 31 39 32 2E 30 2E 32 2E 31 30 04 36 00 00 01 00 01",
        LiveRequest(server="192.0.2.10", tcp_port=1078, channel=1, data_type=0, stream=1),
    ),
    "0x9102 switch to main": ("01 01 00 00", LiveControl(channel=1, command=1, stream=0)),
    "0x9102 close": ("01 00 00 00", LiveControl(channel=1, command=0)),
    "0x9102 close talk": ("01 04 00 00", LiveControl(channel=1, command=4)),
    "0x9205": (
        "01 25 03 01 08 00 00 25 03 01 09 00 00 00 00 00 00 00 00 00 00 00 00 00",
        QueryResources(channel=1, start=at(8), end=at(9)),
    ),
    "0x1205": (
        "00 25 00 00 00 01 01 25 03 01 08 00 00 25 03 01 08 10 00 00 00 00 02 00 00 00 01 00 01 01 00 A0 00 00",
        ResourceList(
            answer_serial=0x25,
            items=(
                Resource(
                    channel=1,
                    start=at(8),
                    end=at(8, 10),
                    alarm_flags=1 << 33 | 1,
                    av_type=0,
                    stream=1,
                    store=1,
                    size_bytes=10_485_760,
                ),
            ),
        ),
    ),
    "0x9201": (
        "0A 31 39 32 2E 30 2E 32 2E 31 30 04 37 00 00 01 00 01 01 00 00 25 03 01 08 00 00 25 03 01 08 10 00",
        PlaybackRequest(
            server="192.0.2.10", tcp_port=1079, channel=1, av_type=0, stream=1, store=1, start=at(8), end=at(8, 10)
        ),
    ),
    "0x9202 seek": ("01 05 00 25 03 01 08 03 30", PlaybackControl(channel=1, control=5, position=at(8, 3, 30))),
    "0x9202 fast forward": ("01 03 03 00 00 00 00 00 00", PlaybackControl(channel=1, control=3, speed=3)),
    "0x9206": (
        (
            "0A 31 39 32 2E 30 2E 32 2E 31 30 00 15 05 76 69 64 65 6F 04 70 77 30 31 04 2F 72 65 63 01 25 03 01 08 00 "
            "00 25 03 01 08 10 00 00 00 00 00 00 00 00 00 00 01 01 04"
        ),
        FileUpload(
            server="192.0.2.10",
            port=21,
            user="video",
            password="pw01",
            path="/rec",
            channel=1,
            start=at(8),
            end=at(8, 10),
            stream=1,
            store=1,
            condition=4,
        ),
    ),
    "0x1206": ("00 31 00", FileUploadFinished(answer_serial=0x31, result=0)),
    "0x9207": ("00 31 02", FileUploadControl(answer_serial=0x31, control=2)),
    "0x1003": (
        "06 01 00 01 01 40 00 62 08 08",
        AvAttributes(
            audio_codec=6,
            audio_channels=1,
            sample_rate=0,
            sample_bits=1,
            audio_frame_bytes=320,
            audio_output=0,
            video_codec=98,
            audio_channels_max=8,
            video_channels_max=8,
        ),
    ),
    "0x1005": (
        "25 03 01 08 00 00 25 03 01 08 05 00 00 0C 00 07",
        PassengerFlow(start=at(8), end=at(8, 5), boarded=12, alighted=7),
    ),
    # Not among the worked examples; the layouts of §1.1, §1.5 and §1.11.
    "0x9003": ("", QueryAvAttributes()),
    "0x9105": ("02 03", LiveStatus(channel=2, loss_percent=3)),
    "0x9301": ("01 04 FF", PtzRotate(channel=1, direction=4, speed=255)),
    "0x9302": ("01 01", PtzFocus(channel=1, focus=1)),
    "0x9303": ("02 00", PtzIris(channel=2, iris=0)),
    "0x9304": ("01 01", PtzWiper(channel=1, wiper=1)),
    "0x9305": ("03 00", PtzInfrared(channel=3, infrared=0)),
    "0x9306": ("01 01", PtzZoom(channel=1, zoom=1)),
}


@pytest.mark.parametrize("edition", ALL_EDITIONS)
@pytest.mark.parametrize("name", EXAMPLES)
def test_worked_example(name: str, edition: Edition) -> None:
    """The message is written as the document prints it, and read from there, under the header of any edition."""
    printed, message = EXAMPLES[name]
    body = bytes.fromhex(printed)
    deviations: list[str] = []
    assert message.encode(edition) == body
    assert decode_body(int(name[:6], 16), body, edition, deviations) == message
    assert deviations == []


def test_every_message_has_an_example() -> None:
    """All ids of JT/T 1078 in the catalogue are declared and shown above."""
    ids = {row.msg_id for row in CATALOGUE.values() if row.standard == JT1078}
    assert len(ids) == 19
    assert ids <= set(MESSAGES)
    assert {int(name[:6], 16) for name in EXAMPLES} == ids


@pytest.mark.parametrize(
    ("frame", "edition"),
    [
        ("7E 91 01 00 12 01 39 12 34 56 78 00 25 0A 31 39 32 2E 30 2E 32 2E 31 30 04 36 00 00 01 00 01 B8 7E", "2013"),
        (
            (
                "7E 91 01 40 12 01 00 00 00 00 01 39 12 34 56 78 00 25 0A 31 39 32 2E 30 2E 32 2E 31 30 04 36 00 00 "
                "01 00 01 F9 7E"
            ),
            "2019",
        ),
    ],
)
def test_worked_frame(frame: str, edition: str) -> None:
    """§5.6: the whole frame of a 0x9101, under both headers."""
    (described,) = describe_wire(bytes.fromhex(frame))
    assert described["edition"] == edition
    assert described["message"] == "live_request"
    assert described["term"] == "实时音视频传输请求"
    assert described["body"] == EXAMPLES["0x9101"][1].to_json()
    assert (described["deviations"], described["error"]) == ([], None)
    assert bytes.fromhex(EXAMPLES["0x9101"][0]) in bytes.fromhex(frame)


def test_worked_additional_items() -> None:
    """§5.6: items 0x14 to 0x18 of a location report."""
    body = BASE + bytes.fromhex("14 04 00 00 00 21 15 04 00 00 00 04 16 04 00 00 00 00 17 02 10 01 18 03 00 02 23")
    report = LocationReport.decode(body)
    values: list[Any] = [item.to_json()["value"] for item in report.items]
    assert values == [
        {"video_alarm_flags": 1 << 0 | 1 << 5},
        {"video_loss_channels": 1 << 2},
        {"video_cover_channels": 0},
        {"storage_fault_flags": 1 << 12 | 1},
        {"abnormal_driving_flags": 1 << 1, "fatigue_degree": 35},
    ]
    assert report.encode() == body
    assert STORES.meaning(0x1001) == "主存储器1 main store 1; 灾备存储1 backup store 1"


# ----------------------------------------------------------------------------------- lengths

LENGTHS = {
    0x1003: 10,
    0x1005: 16,
    0x1205: 6,
    0x1206: 3,
    0x9003: 0,
    0x9101: 8,
    0x9102: 4,
    0x9105: 2,
    0x9201: 23,
    0x9202: 9,
    0x9205: 24,
    0x9206: 31,
    0x9207: 3,
    0x9301: 3,
    0x9302: 2,
    0x9303: 2,
    0x9304: 2,
    0x9305: 2,
    0x9306: 2,
}


@pytest.mark.parametrize(("msg_id", "length"), LENGTHS.items())
def test_lengths_are_those_of_the_document(msg_id: int, length: int) -> None:
    """Without text and items; a byte less is an error of ours, in every edition."""
    cls = message_class(msg_id)
    assert cls is not None
    assert {cls.min_bytes(edition) for edition in ALL_EDITIONS} == {length}
    if length:
        with pytest.raises(Truncated):
            cls.decode(bytes(length - 1))


# ------------------------------------------------------------------------------------ tables


@pytest.mark.parametrize(
    ("table", "codes"),
    [
        (tables.SAMPLE_RATES, range(4)),
        (tables.SAMPLE_BITS, range(3)),
        (tables.SUPPORTED, range(2)),
        (tables.LIVE_DATA_TYPES, range(6)),
        (tables.LIVE_STREAMS, range(2)),
        (tables.LIVE_CONTROLS, range(5)),
        (tables.CLOSE_KINDS, range(3)),
        (tables.AV_TYPES, range(3)),
        (tables.AV_TYPES_WANTED, range(4)),
        (tables.STREAMS, range(1, 3)),
        (tables.STREAMS_WANTED, range(3)),
        (tables.STORE_KINDS, range(1, 3)),
        (tables.STORE_KINDS_WANTED, range(3)),
        (tables.PLAYBACK_MODES, range(5)),
        (tables.PLAYBACK_SPEEDS, range(6)),
        (tables.PLAYBACK_CONTROLS, range(7)),
        (tables.UPLOAD_RESULTS, range(2)),
        (tables.UPLOAD_CONTROLS, range(3)),
        (tables.PTZ_DIRECTIONS, range(5)),
        (tables.PTZ_ADJUSTMENTS, range(2)),
        (tables.PTZ_SWITCH, range(2)),
        (tables.PTZ_ZOOMS, range(2)),
        (tables.LOGICAL_CHANNELS, [*range(14), 33, 36, 37, 0x64, 0x65, 0x67]),
        (tables.PAYLOAD_TYPES, [*range(1, 29), 91, 98, 99, 100, 101]),
    ],
)
def test_tables_have_the_codes_of_the_document(table: Choices, codes: Any) -> None:
    """In its order, and no more."""
    assert [row.code for row in table] == list(codes)


def test_the_trap_of_main_and_sub() -> None:
    """§1.6: the main stream is 0 in 0x9101 and 0x9102, and 1 everywhere else."""

    def main(cls: type[Message]) -> int:
        spec = next(spec for spec in cls.SPECS if spec.name == "stream")
        table: Any = spec.kind.table  # type: ignore[attr-defined]
        code: int = next(row.code for row in table if row.en == "main stream")
        return code

    assert [main(cls) for cls in (LiveRequest, LiveControl)] == [0, 0]
    assert [main(cls) for cls in (PlaybackRequest, QueryResources, FileUpload)] == [1, 1, 1]
    assert tables.STREAMS.meaning(1) == "主码流 main stream"
    assert tables.LIVE_STREAMS.meaning(1) == "子码流 sub-stream"


def test_the_annotated_view_says_what_codes_mean() -> None:
    """A frame with rows for channel, type and stream."""
    header = bytes.fromhex("9101 0012 013912345678 0025".replace(" ", ""))
    rows = {row.path: row for row in annotate_frame(header + bytes.fromhex(EXAMPLES["0x9101"][0]))}
    assert rows["channel"].meaning == "驾驶员 driver"
    assert rows["data_type"].meaning == "音视频 audio and video"
    assert rows["stream"].meaning == "子码流 sub-stream"
    assert rows["server"].value == "192.0.2.10"


def test_conditions_of_an_upload_are_bits() -> None:
    """§1.10: several links may be allowed."""
    body = FileUpload(server="", port=21, user="", password="", path="", channel=1, start=NO_TIME, end=NO_TIME).encode()
    assert body[-1] == 7
    rows = {row.path: row for row in annotate_frame(bytes.fromhex("9206001f0139123456780025") + body)}
    assert rows["condition"].meaning == "WiFi下可下载 over WiFi; LAN连接时可下载 over LAN; 3G/4G连接时可下载 over 3G/4G"


# ---------------------------------------------------------------------------- all-zero times


@pytest.mark.parametrize(
    ("msg_id", "body", "fields", "words"),
    [
        (0x9205, "01" + "00" * 23, ("start", "end"), "不限 no bound"),
        (0x9201, "00" + "00" * 4 + "01" + "00" * 5 + "250301080000" + "00" * 6, ("end",), "一直回放 play on"),
        (0x9202, "0102" + "00" * 7, ("position",), "无效 not used"),
        (0x9206, "00" + "0015" + "000000" + "01" + "00" * 24, ("start", "end"), "不限 no bound"),
    ],
)
def test_all_zero_times_are_no_deviation(msg_id: int, body: str, fields: tuple[str, ...], words: str) -> None:
    """No bound, or not used: shown as such, and the same bytes again."""
    data = bytes.fromhex(body)
    deviations: list[str] = []
    message = decode_body(msg_id, data, Edition.V2013, deviations)
    assert isinstance(message, Message)
    assert deviations == []
    assert message.encode() == data
    header = bytes.fromhex(f"{msg_id:04x}{len(data):04x}0139123456780025")
    rows = {row.path: row for row in annotate_frame(header + data)}
    for field in fields:
        assert getattr(message, field) == NO_TIME
        assert message.to_json()[field] == "raw:000000000000"
        assert rows[field].meaning == words
    assert type(message).from_json(message.to_json()) == message


def test_other_times_that_are_none_are_noted() -> None:
    """Only zeros have a meaning."""
    deviations: list[str] = []
    body = bytes.fromhex("0105 00 259901080330".replace(" ", ""))
    control = PlaybackControl.decode(body, deviations=deviations)
    assert control.position == RawTime(bytes.fromhex("259901080330"))
    assert deviations == [dev.TIME_NOT_A_DATE]
    assert control.encode() == body


# ------------------------------------------------------------------------------ 0x1205 (§1.7)

ITEM = bytes.fromhex("01250301080000250301081000000000020000000100010100a00000")


def resources(total: int, rest: bytes) -> tuple[ResourceList, list[str]]:
    """A list, and the deviations; the bytes come out as they went in."""
    deviations: list[str] = []
    body = bytes.fromhex("0025") + total.to_bytes(4) + rest
    message = decode_body(0x1205, body, Edition.V2013, deviations)
    assert isinstance(message, ResourceList)
    assert message.encode() == body
    return message, deviations


@pytest.mark.parametrize(
    ("total", "rest", "items", "trailing", "deviations"),
    [
        (0, b"", 0, b"", []),
        (2, ITEM * 2, 2, b"", []),
        (3, ITEM * 2, 2, b"", [dev.RESOURCE_LIST_WRONG_TOTAL]),
        (1, ITEM * 2, 2, b"", [dev.RESOURCE_LIST_WRONG_TOTAL]),
        (0xFFFFFFFF, b"", 0, b"", [dev.RESOURCE_LIST_WRONG_TOTAL]),
        (2, ITEM + ITEM[:27], 1, ITEM[:27], [dev.RESOURCE_LIST_WRONG_TOTAL, dev.RESOURCE_LIST_ITEM_CUT]),
        (1, ITEM + b"\0", 1, b"\0", [dev.RESOURCE_LIST_ITEM_CUT]),
    ],
)
def test_the_total_is_clamped_to_what_is_there(
    total: int, rest: bytes, items: int, trailing: bytes, deviations: list[str]
) -> None:
    """§1.7: (length - 6) // 28 items, whatever the total; a cut one is kept as bytes."""
    message, found = resources(total, rest)
    assert (len(message.items), message.total, message.trailing) == (items, total, trailing)
    assert found == deviations
    assert message.to_json()["total"] == total


def test_a_total_left_out_is_the_number_of_items() -> None:
    """What we send is right."""
    item = Resource.decode(ITEM)
    assert ResourceList(answer_serial=7, items=(item, item, item)).encode()[:6] == bytes.fromhex("000700000003")


@pytest.mark.parametrize("part_bytes", [6, 17, 28, 100])
def test_an_item_may_straddle_two_parts(part_bytes: int) -> None:
    """§1.7: parts are joined first, then read; only the first has the head."""
    body = bytes.fromhex("002500000005") + ITEM * 5
    parts = [body[begin : begin + part_bytes] for begin in range(0, len(body), part_bytes)]
    wire = b"".join(
        wrap(
            bytes.fromhex("1205")
            + (0x2000 | len(part)).to_bytes(2)
            + bytes.fromhex("013912345678")
            + (7 + number).to_bytes(2)
            + len(parts).to_bytes(2)
            + (number + 1).to_bytes(2)
            + part
        )
        for number, part in enumerate(parts)
    )
    whole = describe_wire(wire)[-1]
    found: Any = whole["body"]
    assert (len(found["items"]), whole["deviations"], whole["error"]) == (5, [], None)


# ----------------------------------------------------------- where sources disagree (§7), one by one


def test_row_tlv_0x18_length() -> None:
    """§7 "TLV 0x18 length": send 3, accept 2 and 3."""
    item = LocationItem.of(AbnormalDriving(abnormal_driving_flags=2, fatigue_degree=35))
    assert item.raw == bytes.fromhex("000223")
    for raw, degree in (("180200 02", None), ("180300 02 23", 35)):
        deviations: list[str] = []
        report = LocationReport.decode(BASE + bytes.fromhex(raw), deviations=deviations)
        value = report.items[0].value
        assert isinstance(value, AbnormalDriving)
        assert (value.abnormal_driving_flags, value.fatigue_degree, deviations) == (2, degree, [])


def test_row_payload_type_table() -> None:
    """§7 "PT table number": table 12, which is not the one of RTP."""
    assert len(tables.PAYLOAD_TYPES) == 33
    known = {6: "G.711A", 7: "G.711U", 8: "G.726", 19: "AAC", 26: "ADPCMA", 98: "H.264", 99: "H.265"}
    assert {code: tables.PAYLOAD_TYPES.meaning(code) for code in known} == known
    assert tables.PAYLOAD_TYPES.meaning(91) == "透传 transparent"
    assert [tables.PAYLOAD_TYPES.meaning(code) for code in (0, 29, 90, 92, 97, 102, 127)] == [""] * 7


def test_row_64_bit_alarm_table() -> None:
    """§7 "64-bit alarm table references": 808 flags below, video flags from 32 on, so the video half comes first."""
    field = Resource.decode(ITEM).alarm_flags
    assert field == 1 << 33 | 1
    assert tables.RESOURCE_ALARMS.meaning(field) == "紧急报警 emergency; 视频信号遮挡 video signal covered"
    assert [row.no for row in tables.RESOURCE_ALARMS if row.no >= 32] == [32 + row.no for row in VIDEO_ALARMS]
    assert ITEM[13:21] == bytes.fromhex("0000000200000001")
    # Bit 3 means something else in each edition of 808; so it does here.
    named = {tables.RESOURCE_ALARMS.meaning(1 << 3, edition) for edition in ALL_EDITIONS}
    assert len(named) == 3


def test_row_audio_frame_length() -> None:
    """§7 "Audio frame length range": 16 bits, whatever the text says."""
    attributes = EXAMPLES["0x1003"][1]
    assert isinstance(attributes, AvAttributes)
    fields = {spec.name: getattr(attributes, spec.name) for spec in AvAttributes.SPECS}
    assert AvAttributes(**{**fields, "audio_frame_bytes": 65535}).encode()[4:6] == b"\xff\xff"
    with pytest.raises(EncodeError):
        AvAttributes(**{**fields, "audio_frame_bytes": 65536}).encode()


def test_row_answer_to_0x9201() -> None:
    """§7 "Answer to 0x9201": 0x1205 by the standard; both answers name the request by its serial."""
    assert CATALOGUE[0x9201].answer == CATALOGUE[0x9205].answer == 0x1205
    listed = ResourceList.decode(bytes.fromhex("0025 00000000".replace(" ", "")))
    general = TerminalGeneralAnswer.decode(bytes.fromhex("0025 9201 00".replace(" ", "")))
    assert listed.answer_serial == general.answer_serial == 0x25
    assert (listed.items, general.answer_id) == ((), 0x9201)


@pytest.mark.parametrize("data_type", [2, 4])
def test_row_broadcast(data_type: int) -> None:
    """§7 "Broadcast: 0x9101 type 4 or 2": both can be asked for."""
    request = LiveRequest(server="192.0.2.10", tcp_port=1078, channel=1, data_type=data_type, stream=0)
    assert LiveRequest.decode(request.encode()) == request
    assert tables.LIVE_DATA_TYPES.get(data_type) is not None


def test_row_loss_bit_numbering() -> None:
    """§7 "Loss-bit numbering 0x15": bit 0 is channel 1, bit 31 channel 32."""
    assert VideoLoss.SPECS[0].kind.meaning(0x80000005, None, Edition.V2013) == (
        "通道1 channel 1; 通道3 channel 3; 通道32 channel 32"
    )
    assert len(CHANNELS) == 32


# ------------------------------------------------------- what real terminals do wrong (§4.3), and others


def test_a_wrong_length_of_the_address_is_an_error() -> None:
    """§4.3 "Ack to 0x9101 but no connection … wrong IP length byte": seen at once, with its place."""
    body = bytearray(bytes.fromhex(EXAMPLES["0x9101"][0]))
    body[0] = 0x20
    with pytest.raises(BodyError) as caught:
        decode_body(0x9101, bytes(body), Edition.V2013, [])
    assert caught.value.field == "server"
    body[0] = 0x09
    deviations: list[str] = []
    request = decode_body(0x9101, bytes(body), Edition.V2013, deviations)
    assert isinstance(request, LiveRequest)
    assert (request.server, request.trailing) == ("192.0.2.1", b"\x01")
    assert deviations == [dev.BODY_TRAILING_BYTES]


def test_an_address_that_does_not_fit_its_length_is_refused() -> None:
    """256 bytes have no length byte."""
    with pytest.raises(EncodeError):
        LiveRequest(server="h" * 256, tcp_port=1, channel=1, data_type=0, stream=0).encode()


def test_a_loss_rate_above_100_is_noted() -> None:
    """Kept, and written again."""
    deviations: list[str] = []
    status = LiveStatus.decode(b"\x01\xc8", deviations=deviations)
    assert (status.loss_percent, deviations) == (200, [dev.VALUE_OUT_OF_RANGE])


def test_channels_are_numbers_first() -> None:
    """§1.13: a channel that the table does not have is as good as any."""
    deviations: list[str] = []
    request = QueryResources.decode(b"\xe7" + bytes(23), deviations=deviations)
    assert (request.channel, deviations) == (231, [])
    assert tables.LOGICAL_CHANNELS.meaning(231) == ""
    assert tables.LOGICAL_CHANNELS.meaning(0) == "所有通道 all channels"
