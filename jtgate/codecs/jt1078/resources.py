"""Lists of recordings (JT/T 1078 §1.6, §1.7)."""

from jtgate.codecs import deviations as dev
from jtgate.codecs.declare import (
    Message,
    Structure,
    bcd_time,
    byte,
    count_of,
    dword,
    message,
    of_kind,
    qword,
    repeat,
    structure,
    word,
)
from jtgate.codecs.jt1078.tables import (
    AV_TYPES,
    AV_TYPES_WANTED,
    LOGICAL_CHANNELS,
    RESOURCE_ALARMS,
    STORE_KINDS,
    STORE_KINDS_WANTED,
    STREAMS,
    STREAMS_WANTED,
)
from jtgate.codecs.jt1078.times import NO_BOUND, NO_TIME, OpenTime
from jtgate.codecs.timebase import WireTime


@message(0x9205, clause="1078 §1.6")
class QueryResources(Message):
    """0x9205 查询资源列表."""

    channel: int = byte("逻辑通道号", table=LOGICAL_CHANNELS, clause="1078 §1.13")
    start: WireTime = of_kind("开始时间", OpenTime(NO_BOUND), default=NO_TIME)
    end: WireTime = of_kind("结束时间", OpenTime(NO_BOUND), default=NO_TIME)
    alarm_flags: int = qword("报警标志", table=RESOURCE_ALARMS, clause="1078 §1.12", default=0)
    av_type: int = byte("音视频资源类型", table=AV_TYPES_WANTED, en="AV type", default=0)
    stream: int = byte("码流类型", table=STREAMS_WANTED, default=0)
    store: int = byte("存储器类型", table=STORE_KINDS_WANTED, default=0)


@structure(clause="1078 §1.7")
class Resource(Structure):
    """音视频资源列表项, one recording."""

    channel: int = byte("逻辑通道号", table=LOGICAL_CHANNELS, clause="1078 §1.13")
    start: WireTime = bcd_time("开始时间")
    end: WireTime = bcd_time("结束时间")
    alarm_flags: int = qword("报警标志", table=RESOURCE_ALARMS, clause="1078 §1.12")
    av_type: int = byte("音视频资源类型", table=AV_TYPES, en="AV type")
    stream: int = byte("码流类型", table=STREAMS)
    store: int = byte("存储器类型", table=STORE_KINDS)
    size_bytes: int = dword("文件大小", en="file size")


@message(0x1205, clause="1078 §1.7", trailing=dev.RESOURCE_LIST_ITEM_CUT)
class ResourceList(Message):
    """0x1205 终端上传音视频资源列表; all items that are there are read, whatever the total says.

    A long list comes sub-packaged; an item may straddle two parts, so the parts are joined first, and only the
    first has serial and total. Some terminals may send several whole messages instead, each with the same total.
    """

    answer_serial: int = word("应答流水号")
    total: int = count_of("items", 4, "音视频资源总数", wrong=dev.RESOURCE_LIST_WRONG_TOTAL, default=None)
    items: tuple[Resource, ...] = repeat("音视频资源列表", Resource, lenient=True, default=())
