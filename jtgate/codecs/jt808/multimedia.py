"""Multimedia 多媒体 (JT/T 808 §8.1)."""

from jtgate.codecs import deviations as dev
from jtgate.codecs.declare import (
    REST,
    LookAhead,
    Message,
    byte,
    count_of,
    dword,
    message,
    nested,
    raw,
    repeat,
    word,
)
from jtgate.codecs.edition import ONLY_2011, SINCE_2013, Edition
from jtgate.codecs.jt808.location import BASE_BYTES, TIME_AT, LocationBase, is_time
from jtgate.codecs.jt808.tables import MEDIA_EVENTS, MEDIA_FORMATS, MEDIA_TYPES
from jtgate.codecs.kinds import Number
from jtgate.codecs.wire import Scope

#: First bytes of the formats 多媒体格式编码: JPEG, TIF, TIF, MP3 with tag, MP3, WAV, WMV.
_MAGIC = (b"\xff\xd8", b"II*\x00", b"MM\x00*", b"ID3", b"\xff\xfb", b"RIFF", b"\x30\x26\xb2\x75")


@message(0x0800, clause="§8.1")
class MediaEvent(Message):
    """0x0800 多媒体事件信息上传."""

    media_id: int = dword("多媒体数据ID")
    media_type: int = byte("多媒体类型", table=MEDIA_TYPES)
    media_format: int = byte("多媒体格式编码", table=MEDIA_FORMATS)
    event: int = byte("事件项编码", table=MEDIA_EVENTS)
    channel: int = byte("通道ID")


def _upload_layout(body: bytes, header: Edition) -> Edition:
    """2011 has its own counters 1 ≤ number ≤ total where a location would stand (§8.1)."""
    if header is Edition.V2019 or len(body) < 16:
        return header
    total, number = int.from_bytes(body[8:12]), int.from_bytes(body[12:16])
    looks_2011 = 1 <= number <= total <= 0xFFFF and not is_time(body[8 + TIME_AT : 14 + TIME_AT])
    return Edition.V2011 if looks_2011 else Edition.V2013


def _has_location(rest: bytes, scope: Scope) -> bool:
    """28 bytes are there, and the data does not visibly begin where the location should (§8.1)."""
    if len(rest) >= BASE_BYTES and (rest[BASE_BYTES:].startswith(_MAGIC) or not rest.startswith(_MAGIC)):
        return True
    scope.run.note(dev.MEDIA_NO_LOCATION)
    return False


@message(0x0801, clause="§8.1", detect=_upload_layout)
class MediaUpload(Message):
    """0x0801 多媒体数据上传."""

    media_id: int = dword("多媒体数据ID")
    media_type: int = byte("多媒体类型", table=MEDIA_TYPES)
    media_format: int = byte("多媒体格式编码", table=MEDIA_FORMATS)
    event: int = byte("事件项编码", table=MEDIA_EVENTS)
    channel: int = byte("通道ID")
    package_total: int | None = dword("数据总包数", editions=ONLY_2011, default=None)
    package_no: int | None = dword("包ID", editions=ONLY_2011, default=None)
    location: LocationBase | None = nested(
        "位置信息汇报",
        LocationBase,
        editions=SINCE_2013,
        present=LookAhead(_has_location, "unless the data begins at once"),
        default=None,
    )
    data: bytes = raw("多媒体数据包")


def _upload_answer_layout(body: bytes, header: Edition) -> Edition:
    """Media id alone or with a list that fits is 2013; a serial before it is 2011 (§8.1)."""
    if header is Edition.V2019 or len(body) == 4 or (len(body) >= 5 and len(body) == 5 + 2 * body[4]):
        return header if header is Edition.V2019 else Edition.V2013
    is_2011 = len(body) == 6 or (len(body) >= 7 and len(body) == 7 + 2 * body[6])
    return Edition.V2011 if is_2011 else Edition.V2013


@message(0x8800, clause="§8.1", detect=_upload_answer_layout)
class MediaUploadAnswer(Message):
    """0x8800 多媒体数据上传应答; nothing follows the media id when everything arrived."""

    answer_serial: int | None = word("应答流水号", editions=ONLY_2011, default=None)
    media_id: int = dword("多媒体数据ID")
    count: int | None = count_of("part_numbers", 1, "重传包总数", present=REST, default=None)
    part_numbers: tuple[int, ...] = repeat("重传包ID列表", Number(2), count="count", default=())
