"""Evidence files 报警附件: the order to upload them and the messages of the link they come over (active-safety §4).

The link is an ordinary stream of JT/T 808 frames with raw data packets between them, see `filestream`. Its serial
numbers begin anew; S, the length of the identification number, does not follow from the version of the header.
"""
# ruff: noqa: ARG002, D102  the methods of a kind are told by kinds.Kind

from typing import Any, NamedTuple

import construct

from jtgate.codecs import deviations as dev
from jtgate.codecs.declare import (
    Message,
    Structure,
    byte,
    chars,
    count_of,
    dword,
    message,
    nested,
    of_kind,
    one_of,
    raw,
    repeat,
    string,
    structure,
    word,
)
from jtgate.codecs.edition import Edition
from jtgate.codecs.groups import Counted
from jtgate.codecs.jsatl12.alarm_number import (
    FORMS,
    SIZES_OF,
    AlarmNumber,
    AlarmNumberGd,
    AlarmNumberHlj,
    AlarmNumberSc,
    has_time,
    note_other_dialect,
    number_to_end,
)
from jtgate.codecs.jsatl12.by_dialect import CodeByDialect
from jtgate.codecs.jt808.upgrade import UPGRADE_TYPES
from jtgate.codecs.kinds import Text
from jtgate.codecs.profile import Dialect, Profile
from jtgate.codecs.tables import Choices
from jtgate.codecs.text import TextRule, WireText, decode_text, encode_text
from jtgate.codecs.wire import Scope, convert

#: 文件类型 (§4.3).
_FILE_TYPES = ((0x01, "音频", "audio"), (0x02, "视频", "video"), (0x03, "文本", "text"))
FILE_TYPES = Choices((0x00, "图片", "picture"), *_FILE_TYPES, (0x04, "其它", "other"))
FILE_TYPES_GD = Choices(
    (0x00, "全景图片", "panorama picture"),
    *_FILE_TYPES,
    (0x04, "面部特征图片", "face feature picture"),
    (0x05, "其它", "other"),
)
#: The same when the dialect is not known (§8 item 12).
FILE_TYPES_AUTO = Choices(
    (0x00, "图片", "picture"),
    *_FILE_TYPES,
    (0x04, "其它, 粤标面部特征图片", "other, in Guangdong a face feature picture"),
    (0x05, "粤标其它", "other in Guangdong"),
)

#: 信息类型 of 0x1210; a server does the same for both.
INFO_TYPES = Choices((0x00, "正常报警文件信息", "normal"), (0x01, "补传报警文件信息", "re-upload"))

#: 上传结果 of 0x9212.
COMPLETE, INCOMPLETE = 0x00, 0x01
UPLOAD_RESULTS = Choices((COMPLETE, "完成", "complete"), (INCOMPLETE, "需要补传", "needs re-upload"))

#: 升级状态 of 0x1FC4.
UPGRADE_STATES = Choices(
    (0x01, "下载中", "downloading"),
    (0x02, "下载完成", "downloaded"),
    (0x03, "下载失败", "download failed"),
    (0x04, "安装中", "installing"),
    (0x05, "安装完成", "installed"),
    (0x06, "安装失败", "installation failed"),
    (0x07, "未找到目标设备", "no target device"),
    (0x08, "硬件型号不支持", "hardware model not supported"),
    (0x09, "软件版本相同", "same software version"),
    (0x0A, "软件版本不支持", "software version not supported"),
    (0x0B, "其它", "other"),
)

#: Most ranges of a 0x9212 whose name has the usual 50 bytes: 1023 bytes of body, 8 each (§4.3).
RANGES_MAX = 121


def _file_types(_owner: object, profile: Profile) -> Choices:
    if profile.dialect is Dialect.AUTO:
        return FILE_TYPES_AUTO
    return FILE_TYPES_GD if profile.dialect is Dialect.GD else FILE_TYPES


class Address(Text):
    """Text to the end; for some models a NUL stands behind it (§4.8, `Profile.address_nul`)."""

    def __init__(self) -> None:
        super().__init__(None)

    def con(self, edition: Edition) -> Any:
        return convert(construct.GreedyBytes, _read_address, _write_address)


def _read_address(data: bytes, scope: Scope) -> str:
    text, deviation = decode_text(data, _ADDRESS)
    if scope.run.profile.address_nul and data == _terminated(text):
        return str(text)
    if scope.run.profile.address_nul and deviation is None:
        text, deviation = WireText(text, data), dev.TEXT_PADDING
    scope.run.note(deviation)
    return text


def _write_address(text: str, scope: Scope) -> bytes:
    if scope.run.profile.address_nul and not isinstance(text, WireText):
        return _terminated(text)
    return encode_text(text, _ADDRESS)


def _terminated(text: str) -> bytes:
    return encode_text(str(text), _ADDRESS) + b"\x00"


_ADDRESS = TextRule()


def _number_before_tail(rest: bytes, scope: Scope) -> type[AlarmNumber] | None:
    """The form that leaves the fields behind it their bytes."""
    fields = RequestAttachments
    tail = fields.min_bytes(scope.run.edition) - fields.offset_of("platform_number", scope.run.edition)
    return number_to_end(rest[:-tail], scope) if len(rest) > tail else None


@message(0x9208, clause="active-safety §4.2")
class RequestAttachments(Message):
    """0x9208 报警附件上传指令; the identification number is that of the alarm, byte for byte."""

    address: str = of_kind("附件服务器IP地址", Counted(1, Address()))
    tcp_port: int = word("附件服务器端口(TCP)")
    udp_port: int = word("附件服务器端口(UDP)", default=0)
    alarm_number: AlarmNumber = one_of("报警标识号", AlarmNumber, FORMS, _number_before_tail)
    platform_number: str = chars("报警编号", 32, en="alarm number of the platform")
    reserved: bytes = raw("预留", 16, default=bytes(16))


@structure(clause="active-safety §4.3")
class AlarmSource(Structure):
    """How 0x1210 of 苏标 says whose alarm it is: 终端ID of 7 bytes and 报警标识号 of 16."""

    terminal_id: str = chars("终端ID", 7)
    alarm_number: AlarmNumber = nested("报警标识号", AlarmNumber)


@structure(clause="active-safety §4.3")
class AlarmSourceGd(AlarmSource):
    """The same of 粤标, 30 and 40 bytes."""

    terminal_id: str = chars("终端ID", 30)
    alarm_number: AlarmNumberGd = nested("报警标识号", AlarmNumberGd)


@structure(clause="active-safety §4.3")
class AlarmSourceSc(AlarmSource):
    """The same of 川标 under a 2019 header, 30 and 39 bytes."""

    terminal_id: str = chars("终端ID", 30)
    alarm_number: AlarmNumberSc = nested("报警标识号", AlarmNumberSc)


@structure(clause="active-safety §4.3")
class AlarmSourceHlj(AlarmSource):
    """The same of 黑标, without a terminal id of its own, and 38 bytes."""

    terminal_id: str = chars("终端ID", 0)
    alarm_number: AlarmNumberHlj = nested("报警标识号", AlarmNumberHlj)


#: S -> form, in the order in which they are tried (§4.7).
ALARM_SOURCES: dict[int, type[AlarmSource]] = {
    16: AlarmSource,
    40: AlarmSourceGd,
    39: AlarmSourceSc,
    38: AlarmSourceHlj,
}


@structure(clause="active-safety §4.3")
class AttachedFile(Structure):
    """A file that the terminal holds for an alarm."""

    name: str = string("文件名称", prefix=1)
    size_bytes: int = dword("文件大小")


class _Fit(NamedTuple):
    """How well a form of 0x1210 suits a body."""

    size: int
    has_time: bool
    list_end: int


def _fit(body: bytes, size: int) -> _Fit:
    """Where the list of files would end if S were this, -1 when the body ends before it; and whether a time fits."""
    form, edition = ALARM_SOURCES[size], Edition.V2013
    fields = AlarmAttachments
    head = form.min_bytes(edition)
    at = head + fields.offset_of("count", edition) - fields.offset_of("platform_number", edition)
    has_calendar_time = has_time(body, size, form.offset_of("alarm_number", edition))
    if at >= len(body):
        return _Fit(size, has_calendar_time, -1)
    end = at + 1
    for _ in range(body[at]):
        if end >= len(body):
            return _Fit(size, has_calendar_time, -1)
        end += AttachedFile.min_bytes(edition) + body[end]
    return _Fit(size, has_calendar_time, end if end <= len(body) else -1)


def _source(body: bytes, scope: Scope) -> type[AlarmSource] | None:
    """The form whose time is a calendar time and whose list ends with the body (§4.7).

    For want of one, a form whose list ends there, then one whose list ends before; then that of the dialect.
    """
    own = SIZES_OF.get(scope.run.profile.dialect, ())
    fits = [_fit(body, size) for size in dict.fromkeys((*own, *ALARM_SOURCES))]
    exact = [fit for fit in fits if fit.list_end == len(body)]
    best = [fit.size for fit in exact if fit.has_time] + [fit.size for fit in exact]
    best += [fit.size for fit in fits if fit.has_time and fit.list_end >= 0]
    size = next(iter((*best, *own)), None)
    if size is None:
        return None
    note_other_dialect(size, scope)
    return ALARM_SOURCES[size]


@message(0x1210, clause="active-safety §4.3")
class AlarmAttachments(Message):
    """0x1210 报警附件信息消息; after a broken link it lists only the files not yet complete."""

    alarm: AlarmSource = one_of(
        "终端ID和报警标识号", AlarmSource, tuple(ALARM_SOURCES.values()), _source, en="terminal id and alarm number"
    )
    platform_number: str = chars("报警编号", 32, en="alarm number of the platform")
    info_type: int = byte("信息类型", table=INFO_TYPES, default=0)
    count: int = count_of("files", 1, "附件数量", default=None)
    files: tuple[AttachedFile, ...] = repeat("附件信息列表", AttachedFile, count="count")


@structure(clause="active-safety §4.3")
class FileBase(Structure):
    """What 0x1211 and 0x1212 say of a file."""

    name: str = string("文件名称", prefix=1)
    file_type: int = of_kind("文件类型", CodeByDialect(_file_types))
    size_bytes: int = dword("文件大小")


@message(0x1211, clause="active-safety §4.3")
class FileInformation(FileBase, Message):
    """0x1211 文件信息上传."""


@message(0x1212, clause="active-safety §4.3")
class FileFinished(FileBase, Message):
    """0x1212 文件上传完成消息; the answer is 0x9212, no 0x8001."""


@structure(clause="active-safety §4.3")
class MissingRange(Structure):
    """补传数据包: a stretch of a file that has not come; the length is at 4, although 苏标 prints 1 (§8 item 10)."""

    offset: int = dword("数据偏移量")
    length: int = dword("数据长度")


@message(0x9212, clause="active-safety §4.3")
class FileFinishedAnswer(Message):
    """0x9212 文件上传完成消息应答; name and type are those of the 0x1212 as they came."""

    name: str = string("文件名称", prefix=1)
    file_type: int = of_kind("文件类型", CodeByDialect(_file_types))
    result: int = byte("上传结果", table=UPLOAD_RESULTS)
    count: int = count_of("ranges", 1, "补传数据包数量", default=None)
    ranges: tuple[MissingRange, ...] = repeat("补传数据包列表", MissingRange, count="count", default=())


@message(0x1FC4, clause="active-safety §3.1")
class UpgradeProgress(Message):
    """0x1FC4 终端升级进度上报 of 粤标."""

    command_serial: int = word("升级指令流水号")
    upgrade_type: int = byte("升级类型", table=UPGRADE_TYPES)
    state: int = byte("升级状态", table=UPGRADE_STATES)
    progress_percent: int = byte("升级进度", unit="%", valid=(0, 100))
    error_code: int = byte("错误码")
