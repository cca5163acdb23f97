"""Taking, searching and fetching media (JT/T 808 §8.1): 0x8801–0x8805, 0x0802 and 0x0805."""
# ruff: noqa: ARG002, D102  the methods of a kind are told by kinds.Kind

from io import BytesIO
from typing import Any

import construct

from jtgate.codecs import deviations as dev
from jtgate.codecs.declare import (
    Message,
    Structure,
    by_edition,
    byte,
    count_of,
    dword,
    message,
    nested,
    of_kind,
    repeat,
    structure,
    when,
    word,
)
from jtgate.codecs.edition import ONLY_2011, ONLY_2019, Edition
from jtgate.codecs.groups import OneOf
from jtgate.codecs.jt808.location import BASE_BYTES, LocationBase
from jtgate.codecs.jt808.tables import MEDIA_EVENTS, MEDIA_TYPES
from jtgate.codecs.jt1078.times import NO_BOUND, OpenTime
from jtgate.codecs.kinds import Number, Raw
from jtgate.codecs.tables import Choice, Choices
from jtgate.codecs.timebase import WireTime
from jtgate.codecs.wire import Scope, Wire, remaining

#: 通道ID: above 0; the two of active-safety terminals (active-safety §3.1).
CAMERA_CHANNELS = Choices((0x64, "ADAS摄像头", "ADAS camera"), (0x65, "DSM摄像头", "DSM camera"))
#: 通道ID of a search.
SEARCH_CHANNELS = Choices((0, "所有通道", "all channels"))

#: 拍摄命令; any other value is the number of pictures.
SHOT_COMMANDS = Choices((0, "停止拍摄", "stop"), (0xFFFF, "录像", "record video"))

#: 保存标志 of 0x8801.
SAVE_FLAGS = Choices((0, "实时上传", "upload at once"), (1, "保存", "store"))

#: 分辨率; what is not supported is taken as the nearest (2011 prints 320×210 and 701×576).
PICTURE_SIZES = Choices(
    Choice(0x00, "最低分辨率", "lowest", ONLY_2019),
    (0x01, "320×240", "320×240"),
    (0x02, "640×480", "640×480"),
    (0x03, "800×600", "800×600"),
    (0x04, "1024×768", "1024×768"),
    (0x05, "176×144 [QCIF]", "176×144 [QCIF]"),
    (0x06, "352×288 [CIF]", "352×288 [CIF]"),
    (0x07, "704×288 [HALF D1]", "704×288 [HALF D1]"),
    (0x08, "704×576 [D1]", "704×576 [D1]"),
    Choice(0xFF, "最高分辨率", "highest", ONLY_2019),
)

#: 结果 of 0x0805.
SHOT_RESULTS = Choices((0, "成功", "success"), (1, "失败", "failure"), (2, "通道不支持", "channel not supported"))

#: 删除标志.
DELETE_FLAGS = Choices((0, "保留", "keep"), (1, "删除", "delete"))

#: 录音命令, 保存标志 and 音频采样率 of 0x8804.
RECORD_COMMANDS = Choices((0, "停止录音", "stop"), (1, "开始录音", "start"))
RECORD_SAVE_FLAGS = Choices((0, "实时上传", "upload at once"), (1, "保存", "store"))
SAMPLE_RATES = Choices((0, "8K", "8K"), (1, "11K", "11K"), (2, "23K", "23K"), (3, "32K", "32K"))


@message(0x8801, clause="§8.1")
class TakePicture(Message):
    """0x8801 摄像头立即拍摄命令; 0x0001, 0x0805, both or just 0x0801 may come back (§11 item 49)."""

    channel: int = byte("通道ID", table=CAMERA_CHANNELS, valid=(1, 255))
    command: int = word("拍摄命令", table=SHOT_COMMANDS)
    interval_s: int = word("拍照间隔/录像时间", unit="s", en="interval or recording time")
    save: int = byte("保存标志", table=SAVE_FLAGS)
    resolution: int = byte("分辨率", table=PICTURE_SIZES)
    quality: int = byte("图像/视频质量", valid=(1, 10))
    brightness: int = byte("亮度")
    contrast: int = byte("对比度", valid=(0, 127))
    saturation: int = byte("饱和度", valid=(0, 127))
    chroma: int = byte("色度")


@message(0x0805, clause="§8.1, §13 item 9")
class CameraAnswer(Message):
    """0x0805 摄像头立即拍摄命令应答, since 2013; ids follow a success only, from 5 on whatever the tables print."""

    answer_serial: int = word("应答流水号")
    result: int = byte("结果", table=SHOT_RESULTS)
    count: int | None = count_of(
        "media_ids",
        2,
        "多媒体ID个数",
        present=when("result", 0, tolerated=dev.CAMERA_IDS_AFTER_FAILURE),
        default=None,
    )
    media_ids: tuple[int, ...] = repeat("多媒体ID列表", Number(4), count="count", default=())


@message(0x8802, clause="§8.1")
class MediaSearch(Message):
    """0x8802 存储多媒体数据检索."""

    media_type: int = byte("多媒体类型", table=MEDIA_TYPES)
    channel: int = byte("通道ID", table=SEARCH_CHANNELS)
    event: int = byte("事件项编码", table=MEDIA_EVENTS)
    start: WireTime = of_kind("起始时间", OpenTime(NO_BOUND))
    end: WireTime = of_kind("结束时间", OpenTime(NO_BOUND))


@message(0x8803, clause="§8.1")
class UploadStoredMedia(Message):
    """0x8803 存储多媒体数据上传命令."""

    media_type: int = byte("多媒体类型", table=MEDIA_TYPES)
    channel: int = byte("通道ID", table=SEARCH_CHANNELS)
    event: int = byte("事件项编码", table=MEDIA_EVENTS)
    start: WireTime = of_kind("起始时间", OpenTime(NO_BOUND))
    end: WireTime = of_kind("结束时间", OpenTime(NO_BOUND))
    delete: int = byte("删除标志", table=DELETE_FLAGS)


@message(0x8804, clause="§8.1")
class RecordAudio(Message):
    """0x8804 录音开始命令."""

    command: int = byte("录音命令", table=RECORD_COMMANDS)
    duration_s: int = word("录音时间", unit="s", en="duration, 0 without end")
    save: int = byte("保存标志", table=RECORD_SAVE_FLAGS)
    sample_rate: int = byte("音频采样率", table=SAMPLE_RATES)


@message(0x8805, clause="§8.1")
class UploadOneMedia(Message):
    """0x8805 单条存储多媒体数据检索上传命令, since 2013."""

    media_id: int = dword("多媒体ID")
    delete: int = byte("删除标志", table=DELETE_FLAGS)


# --------------------------------------------------------------------------------------- 0x0802


#: Bytes of an item since 2013, and in 2011.
ITEM_BYTES = 7 + BASE_BYTES
ITEM_BYTES_2011 = 3 + BASE_BYTES


@structure(clause="§8.1")
class SearchItem(Structure):
    """Base of the forms of 多媒体检索项."""


@structure(clause="§8.1")
class MediaItem(SearchItem):
    """多媒体检索项 since 2013, 35 bytes."""

    media_id: int = dword("多媒体ID")
    media_type: int = byte("多媒体类型", table=MEDIA_TYPES)
    channel: int = byte("通道ID")
    event: int = byte("事件项编码", table=MEDIA_EVENTS)
    location: LocationBase = nested("位置信息汇报", LocationBase)


def _to_come(scope: Scope | None) -> int:
    """Items that the count promises from the one now read on, with the scope of the message."""
    return 0 if scope is None else int(scope["count"]) - scope.index


class MediaItemRest(Raw):
    """What 2019, which leaves the length of the location open, has beyond the 28 bytes (§13 item 20).

    Every item has equally much: its share of what is left of the list.
    """

    def __init__(self) -> None:
        super().__init__(None)

    def con(self, edition: Edition) -> Any:
        return _MediaItemRestCon()

    def open_ended(self, edition: Edition) -> bool:
        return False


class _MediaItemRestCon(Wire):
    def read(self, stream: BytesIO, scope: Scope) -> bytes:
        after = _to_come(scope.parent) - 1
        width = (remaining(stream) - after * ITEM_BYTES) // (after + 1)
        data: bytes = construct.stream_read(stream, width, "")
        return data

    def write(self, value: bytes, stream: BytesIO, scope: Scope) -> None:
        stream.write(value)


@structure(clause="§8.1, §13 item 20")
class LongMediaItem(MediaItem):
    """多媒体检索项 whose location is longer than 28 bytes."""

    location_rest: bytes = of_kind("位置信息汇报其余字节", MediaItemRest(), en="rest of the location")


@structure(clause="§8.1")
class MediaItemWithoutId(SearchItem):
    """多媒体检索项 of 2011, 31 bytes."""

    media_type: int = byte("多媒体类型", table=MEDIA_TYPES)
    channel: int = byte("通道ID")
    event: int = byte("事件项编码", table=MEDIA_EVENTS)
    location: LocationBase = nested("位置信息汇报", LocationBase)


def _item_form(rest: bytes, scope: Scope) -> type[SearchItem]:
    """By the share that each item still to come has of what is left (§8.1, §13 item 20)."""
    to_come = _to_come(scope)
    if scope.run.edition is Edition.V2011:
        return MediaItemWithoutId
    if to_come > 0 and len(rest) == to_come * ITEM_BYTES_2011:
        scope.run.note(dev.MEDIA_SEARCH_NO_ID)
        return MediaItemWithoutId
    if to_come > 0 and len(rest) % to_come == 0 and len(rest) > to_come * ITEM_BYTES:
        return LongMediaItem
    return MediaItem


def _search_layout(body: bytes, header: Edition) -> Edition:
    """2011 has a second count and no media ids (§8.1)."""
    total, package = int.from_bytes(body[2:4]), int.from_bytes(body[4:6])
    if header is Edition.V2019 or len(body) - 4 in (total * ITEM_BYTES, total * ITEM_BYTES_2011):
        return header if header is Edition.V2019 else Edition.V2013
    return Edition.V2011 if len(body) - 6 == package * ITEM_BYTES_2011 else Edition.V2013


@message(0x0802, clause="§8.1", detect=_search_layout)
class MediaSearchAnswer(Message):
    """0x0802 存储多媒体数据检索应答."""

    answer_serial: int = word("应答流水号")
    count: int = count_of(
        "items", 2, "多媒体数据总项数", wrong=by_edition(None, dev.LIST_WRONG_COUNT, dev.LIST_WRONG_COUNT), default=None
    )
    package_count: int | None = count_of(
        "items", 2, "包项数", wrong=dev.LIST_WRONG_COUNT, editions=ONLY_2011, default=None
    )
    items: tuple[SearchItem, ...] = repeat(
        "检索项", OneOf(SearchItem, (MediaItem, LongMediaItem, MediaItemWithoutId), _item_form), lenient=True
    )
