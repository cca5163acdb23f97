"""Driver identity: the face library of the terminal and its comparisons (active-safety §5.4).

The family is that of 吉标 T/JLYSXH 1.3-2019, taken over by 鲁标; 湘标 has ids of its own (0x8E21, 0x8E22, 0x0E22),
which are read like those they replace. 鲁标 adds the driver's name to 0x8E11, nobody knows where.
"""

from jtgate.codecs.declare import (
    REST,
    Message,
    Structure,
    WhenPresent,
    byte,
    count_of,
    message,
    nested,
    of_kind,
    raw,
    repeat,
    string,
    structure,
    word,
)
from jtgate.codecs.edition import Edition
from jtgate.codecs.jt808.location import LocationBase
from jtgate.codecs.kinds import Number
from jtgate.codecs.profile import Profile
from jtgate.codecs.profiled import ProfiledCount
from jtgate.codecs.tables import Choices

#: 比对结果; 鲁标 has 0–5 with 5 "no driver picture", 湘标 0–6 with 6 "library empty".
COMPARISON_RESULTS = Choices(
    (0, "匹配成功", "match"),
    (1, "匹配失败", "mismatch"),
    (2, "超时", "timeout"),
    (3, "没有启用该功能", "function not enabled"),
    (4, "连接异常", "connection error"),
    (5, "无指定人脸图片", "no picture for the designated face"),
    (6, "无人脸库", "no face library"),
)

#: 比对类型.
COMPARISON_KINDS = Choices(
    (0, "插卡比对", "card inserted"),
    (1, "巡检比对", "patrol"),
    (2, "点火比对", "ignition"),
    (3, "离开返回比对", "left and came back"),
    (4, "动态比对", "dynamic"),
)

PICTURE_FORMATS = Choices((0, "JPEG", "JPEG"))

#: 设置类型 of 0x8E11.
LIBRARY_SETTINGS = Choices(
    (0, "全部替换", "replace all"),
    (1, "全部删除", "delete all"),
    (2, "删除指定条目", "delete the listed entries"),
    (3, "修改", "modify: replace the picture of a known face id, else add"),
)
PICTURE_PROTOCOLS = Choices((0, "FTP", "FTP"), (1, "HTTP", "HTTP"))
PICTURE_SOURCES = Choices((0, "本终端拍摄", "taken by this terminal"), (1, "第三方", "third party"))
DOWNLOAD_RESULTS = Choices((0, "成功", "ok"), (1, "失败", "failed"))


@message(0x0E10, clause="active-safety §5.4")
class IdentityComparison(Message):
    """0x0E10 驾驶员身份识别上报; the picture, there when the result is 0 or 1, makes it sub-packaged."""

    result: int = byte("比对结果", table=COMPARISON_RESULTS)
    threshold_percent: int = byte("比对相似度阈值", unit="%", valid=(0, 100))
    similarity_percent: float = word("比对相似度", scale=0.01, unit="%", valid=(0, 100))
    comparison_kind: int = byte("比对类型", table=COMPARISON_KINDS)
    face_id: str = string("比对人脸ID", prefix=1)
    location: LocationBase = nested("位置基本信息", LocationBase)
    picture_format: int | None = byte("图片格式", table=PICTURE_FORMATS, present=REST, default=None)
    picture: bytes | None = raw("图片数据", present=WhenPresent("picture_format"), default=None)


def _count_bytes(profile: Profile, _edition: Edition) -> int:
    return {"word": 2, "byte": 1}[profile.comparison_count]


@message(0x8E10, clause="active-safety §5.4, §8 item 19")
class IdentityComparisonAnswer(Message):
    """0x8E10 驾驶员身份识别上报应答; no numbers when every part has come."""

    first_serial: int = word("原始消息流水号")
    count: int = of_kind("重传包总数", ProfiledCount(2, _count_bytes), counts="part_numbers", default=None)
    part_numbers: tuple[int, ...] = repeat("重传包ID列表", Number(2), count="count", default=())


@structure(clause="active-safety §5.4")
class FaceEntry(Structure):
    """A driver of the library."""

    face_id: str = string("人脸ID", prefix=1)
    certificate: str = string("从业资格证编码", prefix=1)
    address_protocol: int = byte("图片地址协议", table=PICTURE_PROTOCOLS)
    address: str = string("图片地址", prefix=1)
    picture_source: int = byte("图片来源", table=PICTURE_SOURCES)


@structure(clause="active-safety §5.4")
class FaceLibraryBase(Structure):
    """What 0x8E11 and 0x8E21 set."""

    setting: int = byte("设置类型", table=LIBRARY_SETTINGS)
    count: int = count_of("entries", 1, "总个数", default=None)
    entries: tuple[FaceEntry, ...] = repeat("驾驶员列表", FaceEntry, count="count", default=())


@message(0x8E11, clause="active-safety §5.4")
class FaceLibraryDownload(FaceLibraryBase, Message):
    """0x8E11 驾驶员身份信息库下发."""


@message(0x8E21, clause="active-safety §5.4")
class FaceLibrarySynchronise(FaceLibraryBase, Message):
    """0x8E21 驾驶员身份信息库同步 of 湘标; replaces 0x8E11, no layout of its own is published."""


@message(0x0E11, clause="active-safety §5.4")
class FaceDownloadAnswer(Message):
    """0x0E11 驾驶员身份库数据下载应答, one for each picture."""

    answer_serial: int = word("应答流水号")
    result: int = byte("下载结果", table=DOWNLOAD_RESULTS)
    total: int = byte("需下载总数")
    index: int = byte("当前下载序号")
    face_id: str = string("人脸ID", prefix=1)


@message(0x8E12, clause="active-safety §5.4")
class FaceLibraryQuery(Message):
    """0x8E12 驾驶员身份库信息查询."""


@message(0x8E22, clause="active-safety §5.4")
class FaceLibraryQueryHn(Message):
    """0x8E22 驾驶员身份库信息查询 of 湘标."""


@structure(clause="active-safety §5.4")
class FaceId(Structure):
    """A face of the library."""

    face_id: str = string("人脸ID", prefix=1)


@structure(clause="active-safety §5.4")
class FaceIdsBase(Structure):
    """The faces that a terminal knows."""

    count: int = count_of("faces", 1, "人脸ID个数", default=None)
    faces: tuple[FaceId, ...] = repeat("人脸ID列表", FaceId, count="count")


@message(0x0E12, clause="active-safety §5.4")
class FaceLibraryQueryAnswer(FaceIdsBase, Message):
    """0x0E12 驾驶员身份库查询应答."""


@message(0x0E22, clause="active-safety §5.4")
class FaceLibraryQueryAnswerHn(FaceIdsBase, Message):
    """0x0E22 驾驶员身份库查询应答 of 湘标."""
