"""Multimedia 多媒体 (JT/T 808 §8.1)."""

from jtgate.codecs import deviations as dev
from jtgate.codecs.declare import (
    BytesLeft,
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
from jtgate.codecs.timebase import RawTime
from jtgate.codecs.wire import Scope

JPEG = 0
_JPEG_BEGIN, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
#: What terminals fill the last part of a picture with.
_FILLING = b"\x00\xff"

#: First bytes by 多媒体格式编码.
_MAGIC_OF: dict[int, tuple[bytes, ...]] = {
    JPEG: (_JPEG_BEGIN,),
    1: (b"II*\x00", b"MM\x00*"),  # TIF
    2: (b"ID3", b"\xff\xfb"),  # MP3 with and without tag
    3: (b"RIFF",),  # WAV
    4: (b"\x30\x26\xb2\x75",),  # WMV
}
_MAGIC = tuple(first for firsts in _MAGIC_OF.values() for first in firsts)

#: Bytes before the first byte of a medium that are skipped: the 36 that lead in 2013, or a location, and some more.
LEAD_BYTES_MAX = 64


#: Most part numbers of one 0x8800.
PARTS_MAX = 125


@message(0x0800, clause="§8.1")
class MediaEvent(Message):
    """0x0800 多媒体事件信息上传."""

    media_id: int = dword("多媒体数据ID")
    media_type: int = byte("多媒体类型", table=MEDIA_TYPES)
    media_format: int = byte("多媒体格式编码", table=MEDIA_FORMATS)
    event: int = byte("事件项编码", table=MEDIA_EVENTS)
    channel: int = byte("通道ID")


def _upload_layout(body: bytes, header: Edition) -> Edition:
    """2011 has its own counters 1 ≤ number ≤ total where a location would stand (§8.1).

    Alarm flags and status of a terminal that has no time yet may look like that, but then a medium begins behind it.
    """
    if header is Edition.V2019 or len(body) < 16:
        return header
    total, number = int.from_bytes(body[8:12]), int.from_bytes(body[12:16])
    has_location = is_time(body[8 + TIME_AT : 14 + TIME_AT]) or body.startswith(_MAGIC, 8 + BASE_BYTES)
    return Edition.V2011 if 1 <= number <= total <= 0xFFFF and not has_location else Edition.V2013


def _has_location(rest: bytes, scope: Scope) -> bool:
    """28 bytes are there, and the data does not visibly begin where the location should (§8.1)."""
    run = scope.run
    if rest.rstrip(_FILLING).endswith(_JPEG_END) and not rest.endswith(_JPEG_END):
        run.note(dev.MEDIA_PADDING)
    if len(rest) >= BASE_BYTES and (rest[BASE_BYTES:].startswith(_MAGIC) or not rest.startswith(_MAGIC)):
        location = rest[:BASE_BYTES]
        if is_time(location[TIME_AT:]) and location in rest[BASE_BYTES:]:
            run.note(dev.MEDIA_LOCATION_REPEATED)
        return True
    run.note(dev.MEDIA_NO_LOCATION)
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

    def content(self) -> bytes:
        """The medium as a file: from its first byte to its last, whatever terminals put around it (§11 item 47).

        A location that is repeated in every part is taken out, bytes before the magic number of the format and
        filling after the end of a JPEG are left away. `data` keeps everything.
        """
        data = self.data
        if self.location is not None and not isinstance(self.location.time, RawTime):
            location = self.location.encode()
            head = bytes((self.media_type, self.media_format, self.event, self.channel))
            data = data.replace(self.media_id.to_bytes(4) + head + location, b"").replace(location, b"")
        starts = [data.find(magic, 0, LEAD_BYTES_MAX) for magic in _MAGIC_OF.get(self.media_format, ())]
        data = data[min((start for start in starts if start >= 0), default=0) :]
        if self.media_format == JPEG and data.startswith(_JPEG_BEGIN) and _JPEG_END in data:
            data = data[: data.rindex(_JPEG_END) + len(_JPEG_END)]
        return data


def _upload_answer_layout(body: bytes, header: Edition) -> Edition:
    """Media id alone or with a rising list that fits is 2013; a serial before it is 2011 (§8.1)."""
    if header is Edition.V2019:
        return header
    is_2011 = len(body) == 6 or (len(body) >= 7 and len(body) == 7 + 2 * body[6])
    is_2013 = len(body) >= 5 and len(body) == 5 + 2 * body[4]
    numbers = [body[at : at + 2] for at in range(5, len(body), 2)]
    return Edition.V2011 if is_2011 and not (is_2013 and numbers == sorted(numbers)) else Edition.V2013


class _PartsMissing(BytesLeft):
    """There when parts are missing, or when the profile wants a count of 0 for none (§13 item 19)."""

    def writing(self, scope: Scope, value: object) -> bool:
        """By its value or the profile."""
        return value is not None or scope.run.profile.upload_answer_complete == "zero"


@message(0x8800, clause="§8.1, §13 item 19", detect=_upload_answer_layout)
class MediaUploadAnswer(Message):
    """0x8800 多媒体数据上传应答; nothing follows the media id when everything arrived."""

    answer_serial: int | None = word("应答流水号", editions=ONLY_2011, default=None)
    media_id: int = dword("多媒体数据ID")
    count: int | None = count_of(
        "part_numbers", 1, "重传包总数", valid=(0, PARTS_MAX), present=_PartsMissing(), default=None
    )
    part_numbers: tuple[int, ...] = repeat("重传包ID列表", Number(2), count="count", default=())
