"""Media (JT/T 808 §8.1): commands, the list of a search in its forms, uploads as they come; and CAN data (§5.2)."""

from datetime import UTC, datetime, time
from typing import Any

import pytest

from jtgate.codecs import deviations as dev
from jtgate.codecs.catalogue import CATALOGUE
from jtgate.codecs.describe import describe_wire
from jtgate.codecs.edition import ALL_EDITIONS, Edition
from jtgate.codecs.errors import EncodeError, Truncated
from jtgate.codecs.header import encode_frames
from jtgate.codecs.jt808 import LocationBase
from jtgate.codecs.jt808.can import CanItem, CanUpload
from jtgate.codecs.jt808.media_commands import (
    CAMERA_CHANNELS,
    PICTURE_SIZES,
    CameraAnswer,
    LongMediaItem,
    MediaItem,
    MediaItemWithoutId,
    MediaSearch,
    MediaSearchAnswer,
    RecordAudio,
    TakePicture,
    UploadOneMedia,
    UploadStoredMedia,
)
from jtgate.codecs.jt808.multimedia import LEAD_BYTES_MAX, MediaUpload
from jtgate.codecs.jt1078.times import NO_TIME
from jtgate.codecs.registry import body_edition, decode_body, encode_body
from jtgate.codecs.timebase import RawTime

OLDEST, OLD, NEW = ALL_EDITIONS
PLACE = "00000000000000030260d36106ee98e1003200000000250314152000"
WHERE = LocationBase.decode(bytes.fromhex(PLACE))


def decode(msg_id: int, body: bytes, edition: Edition = OLD) -> tuple[Any, list[str]]:
    """The message and the deviations; it goes out as it came."""
    deviations: list[str] = []
    message = decode_body(msg_id, body, edition, deviations)
    assert encode_body(message, body_edition(msg_id, body, edition)) == body
    return message, deviations


# ------------------------------------------------------------------------------------- commands


@pytest.mark.parametrize("edition", ALL_EDITIONS)
def test_taking_a_picture(edition: Edition) -> None:
    """12 bytes in every edition; 2019 adds the lowest and the highest resolution."""
    shot = TakePicture(
        channel=0x64,
        command=0xFFFF,
        interval_s=10,
        save=1,
        resolution=0xFF,
        quality=1,
        brightness=255,
        contrast=127,
        saturation=127,
        chroma=255,
    )
    body = shot.encode(edition)
    assert body.hex() == "64ffff000a01ff01ff7f7fff"
    spans: list[Any] = []
    assert TakePicture.decode(body, edition, [], spans) == shot
    meanings = {span.path: span.meaning for span in spans}
    assert meanings["channel"] == "ADAS摄像头 ADAS camera"
    assert meanings["command"] == "录像 record video"
    assert meanings["resolution"] == ("最高分辨率 highest" if edition is NEW else "")


def test_values_of_a_picture_out_of_range() -> None:
    """Channel 0 and contrast 128 are kept and noted."""
    _, deviations = decode(0x8801, bytes.fromhex("000001000000010aff806464"))
    assert deviations == [dev.VALUE_OUT_OF_RANGE]


def test_tables_of_a_picture() -> None:
    """Resolutions 1–8 in all editions, 0 and 0xFF since 2019; the two channels of active safety (§3.1 there)."""
    assert [row.code for row in PICTURE_SIZES if OLDEST in row.editions] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [row.code for row in PICTURE_SIZES if OLDEST not in row.editions] == [0, 0xFF]
    assert [row.code for row in CAMERA_CHANNELS] == [0x64, 0x65]


def test_the_answer_of_a_camera() -> None:
    """Ids follow a success only, from byte 5 on (§13 item 9); a list after a failure is read and noted."""
    answer = CameraAnswer(answer_serial=21, result=0, media_ids=(14, 15))
    assert answer.encode(OLD).hex() == "0015" + "00" + "0002" + "0000000e" + "0000000f"
    assert CameraAnswer(answer_serial=21, result=0).encode(NEW).hex() == "0015" + "00" + "0000"
    assert decode(0x0805, bytes.fromhex("001501")) == (CameraAnswer(answer_serial=21, result=1), [])
    message, deviations = decode(0x0805, bytes.fromhex("001502" + "0001" + "0000000e"))
    assert message.media_ids == (14,)
    assert deviations == [dev.CAMERA_IDS_AFTER_FAILURE]
    with pytest.raises(Truncated):
        decode(0x0805, bytes.fromhex("001500"))


def test_any_answer_to_a_picture_counts() -> None:
    """§11 item 49: 0x8801 may be answered by 0x0001, by 0x0805, by both, or just by the upload.

    So none of them is missed: 0x0001 is what is waited for, and the two others are messages of their own that need
    no request to be understood.
    """
    assert CATALOGUE[0x8801].answer == 0x0001
    assert CATALOGUE[0x0805].upward
    assert decode(0x0001, bytes.fromhex("0015880100"))[0].answer_id == 0x8801
    assert decode(0x0805, bytes.fromhex("0015000001" + "0000000e"))[0].answer_serial == 0x15


@pytest.mark.parametrize("edition", ALL_EDITIONS)
def test_searching_and_fetching(edition: Edition) -> None:
    """0x8802 to 0x8805; six zero bytes are no limit of the time and no deviation."""
    found = datetime(2018, 11, 16, 13, 0, 8, tzinfo=UTC)
    search = MediaSearch(media_type=2, channel=0, event=3, start=found, end=NO_TIME)
    assert search.encode(edition).hex() == "020003" + "181116210008" + "000000000000"
    deviations: list[str] = []
    assert MediaSearch.decode(search.encode(edition), edition, deviations) == search
    assert deviations == []
    assert search.to_json()["end"] == "raw:000000000000"
    fetch = UploadStoredMedia(media_type=0, channel=1, event=0, start=NO_TIME, end=NO_TIME, delete=1)
    assert fetch.encode(edition).hex() == "000100" + "00" * 12 + "01"
    record = RecordAudio(command=1, duration_s=30, save=0, sample_rate=3)
    assert record.encode(edition).hex() == "01001e0003"
    assert UploadOneMedia(media_id=10000, delete=0).encode(edition).hex() == "0000271000"


# --------------------------------------------------------------------------------------- 0x0802

WITH_ID = "00000102" + "007b01" + PLACE
WITHOUT = "007b01" + PLACE


@pytest.mark.parametrize(
    ("body", "header", "layout", "form", "count", "noted"),
    [
        ("0001" + "0002" + WITH_ID * 2, OLD, OLD, MediaItem, 2, []),
        ("0001" + "0002" + WITH_ID * 2, NEW, NEW, MediaItem, 2, []),
        ("0001" + "0002" + WITHOUT * 2, OLD, OLD, MediaItemWithoutId, 2, [dev.MEDIA_SEARCH_NO_ID]),
        ("0001" + "0005" + "0002" + WITHOUT * 2, OLD, OLDEST, MediaItemWithoutId, 2, []),
        ("0001" + "0002" + (WITH_ID + "0104000000ff") * 2, NEW, NEW, LongMediaItem, 2, []),
        ("0001" + "0003" + WITH_ID * 2, OLD, OLD, MediaItem, 2, [dev.LIST_WRONG_COUNT]),
        ("0001" + "0000", OLD, OLD, MediaItem, 0, []),
        ("0001" + "0000" + "0000", OLD, OLDEST, MediaItem, 0, []),
        ("0001" + "0002" + WITH_ID + "00", OLD, OLD, MediaItem, 1, [dev.LIST_WRONG_COUNT, dev.BODY_TRAILING_BYTES]),
    ],
)
def test_found_media(body: str, header: Edition, layout: Edition, form: type, count: int, noted: list[str]) -> None:
    """§13 item 20: 35 bytes an item, 31 without id, else what is left evenly divided; 2011 has a count of its own."""
    raw = bytes.fromhex(body)
    assert body_edition(0x0802, raw, header) is layout
    message, deviations = decode(0x0802, raw, header)
    assert [type(item) for item in message.items] == [form] * count
    assert all(item.location == WHERE for item in message.items)
    assert deviations == noted


def test_the_rest_of_a_long_location_is_kept() -> None:
    """2019 leaves the length of the location open: what is beyond 28 bytes stands beside it."""
    message, _ = decode(0x0802, bytes.fromhex("0001" + "0001" + WITH_ID + "0104000000ff"), NEW)
    assert message.items[0].location_rest == bytes.fromhex("0104000000ff")
    assert MediaSearchAnswer.from_json(message.to_json()) == message


# --------------------------------------------------------------------------------------- 0x0801

JPEG = b"\xff\xd8\xff\xe0" + bytes(range(40)) + b"\xff\xd9"
HEAD = bytes.fromhex("0000000700000102")


@pytest.mark.parametrize(
    ("data", "noted"),
    [
        (bytes.fromhex(PLACE) + JPEG, []),
        (JPEG, [dev.MEDIA_NO_LOCATION]),
        (bytes.fromhex(PLACE) + JPEG + bytes(9), [dev.MEDIA_PADDING]),
        (bytes.fromhex(PLACE) + JPEG + b"\xff" * 3, [dev.MEDIA_PADDING]),
        (JPEG + bytes(9), [dev.MEDIA_PADDING, dev.MEDIA_NO_LOCATION]),
        (bytes.fromhex(PLACE) + JPEG[:20] + bytes.fromhex(PLACE) + JPEG[20:], [dev.MEDIA_LOCATION_REPEATED]),
        (bytes.fromhex(PLACE) + JPEG[:20] + HEAD + bytes.fromhex(PLACE) + JPEG[20:], [dev.MEDIA_LOCATION_REPEATED]),
        (bytes.fromhex(PLACE) + b"\x00\x01" + JPEG, []),
    ],
)
def test_pictures_as_they_come(data: bytes, noted: list[str]) -> None:
    """§11 item 47: no location, a location in every part, filling, bytes before the picture: the picture comes out."""
    message, deviations = decode(0x0801, HEAD + data)
    assert message.content() == JPEG
    assert deviations == noted


def test_other_media_and_damage() -> None:
    """Other formats begin at their magic and end where they end; what has no magic near its begin stays whole."""

    def content(media_format: int, data: bytes) -> bytes:
        return MediaUpload(
            media_id=1, media_type=0, media_format=media_format, event=0, channel=1, location=WHERE, data=data
        ).content()

    assert content(3, b"\0\0RIFFxx\xff\xd9yy") == b"RIFFxx\xff\xd9yy"
    assert content(0, b"no picture") == b"no picture"
    assert content(0, bytes(LEAD_BYTES_MAX) + JPEG) == bytes(LEAD_BYTES_MAX) + JPEG
    assert content(0, JPEG[:-2]) == JPEG[:-2]
    assert content(9, b"anything") == b"anything"


def test_zeros_are_no_location() -> None:
    """A location of zeros that comes again is filling of the picture, and stays."""
    upload = MediaUpload(
        media_id=1,
        media_type=0,
        media_format=0,
        event=0,
        channel=1,
        location=LocationBase.decode(bytes(28)),
        data=JPEG[:4] + bytes(60) + JPEG[4:],
    )
    assert upload.content() == JPEG[:4] + bytes(60) + JPEG[4:]
    upload, deviations = decode(0x0801, upload.encode(OLD))
    assert dev.MEDIA_LOCATION_REPEATED not in deviations


# ------------------------------------------------------------------------------------------ CAN


def test_worked_frame_of_can_data() -> None:
    """F18 of §12: one frame of CAN1, extended, raw; both ways."""
    wire = "7e0705001301391234567800070001150926012358fef1000102030405060708607e"
    (described,) = describe_wire(bytes.fromhex(wire))
    upload = CanUpload(time=time(15, 9, 26, 123000), items=(CanItem(can_id=0x58FEF100, data=bytes(range(1, 9))),))
    assert described["deviations"] == []
    assert described["body"] == upload.to_json()
    body: Any = described["body"]
    assert body["time"] == "15:09:26.123"
    assert body["items"] == [{"can_id": "0x58fef100", "data": "0102030405060708"}]
    (frame,) = encode_frames(0x0705, upload.encode(OLD), phone="13912345678", serial=7, edition=OLD)
    assert frame.hex() == wire


@pytest.mark.parametrize(
    ("can_id", "meaning"),
    [
        (0x58FEF100, "id on the bus 419361024; 原始数据 raw data; 扩展帧 extended frame; CAN1"),
        (0xA0000123, "id on the bus 291; 采集区间的平均值 average; 标准帧 standard frame; CAN2"),
    ],
)
def test_bits_of_a_can_id(can_id: int, meaning: str) -> None:
    """31 channel, 30 frame, 29 raw or average, 28–0 the id (§5.2)."""
    spans: list[Any] = []
    body = bytes.fromhex("0001" + "0000000000") + can_id.to_bytes(4) + bytes(8)
    CanUpload.decode(body, OLD, [], spans)
    (row,) = [span for span in spans if span.path == "items[0].can_id"]
    assert row.meaning == f"CAN总线ID {meaning}"


@pytest.mark.parametrize(
    ("wire", "shown", "value"),
    [
        ("0000000000", "00:00:00.000", time(0)),
        ("2359590999", "23:59:59.999", time(23, 59, 59, 999000)),
        ("2359591000", "raw:2359591000", RawTime(bytes.fromhex("2359591000"))),
        ("2400000000", "raw:2400000000", RawTime(bytes.fromhex("2400000000"))),
        ("ffffffffff", "raw:ffffffffff", RawTime(b"\xff" * 5)),
    ],
)
def test_times_of_can_data(wire: str, shown: str, value: Any) -> None:
    """A time of day with milliseconds and no date; what is none is kept and noted."""
    message, deviations = decode(0x0705, bytes.fromhex("0001" + wire) + bytes(12))
    assert message.time == value
    assert message.to_json()["time"] == shown
    assert CanUpload.from_json(message.to_json()) == message
    assert deviations == ([dev.TIME_NOT_A_DATE] if shown.startswith("raw") else [])


def test_can_data_with_a_wrong_count() -> None:
    """What is there is read; a cut item is left over."""
    message, deviations = decode(0x0705, bytes.fromhex("0003" + "0000000000") + bytes(12 + 5))
    assert (len(message.items), message.trailing) == (1, bytes(5))
    assert deviations == [dev.LIST_WRONG_COUNT, dev.BODY_TRAILING_BYTES]
    with pytest.raises(EncodeError, match="is no time of day"):
        CanUpload.from_json({"time": "noon", "items": []})
