"""Location report, its query and its batch (JT/T 808 §4, §5.1)."""

import jtgate.codecs.jsatl12.items
import jtgate.codecs.jt808.additional
import jtgate.codecs.jt1078.items  # noqa: F401
from jtgate.codecs import deviations as dev
from jtgate.codecs.declare import (
    Message,
    Structure,
    bcd_time,
    byte,
    count_of,
    dword,
    dword_latitude,
    dword_longitude,
    message,
    nested,
    of_kind,
    raw,
    repeat,
    structure,
    tlv,
    word,
)
from jtgate.codecs.edition import SINCE_2013, Edition
from jtgate.codecs.groups import Sized
from jtgate.codecs.items import LocationItem
from jtgate.codecs.jt808.layouts import first_clean
from jtgate.codecs.jt808.tables import ALARM_FLAGS, BATCH_TYPES, STATUS
from jtgate.codecs.readings import RereadBits, Stepped, from_alarm_bits, to_alarm_bits
from jtgate.codecs.timebase import RawTime, WireTime, decode_bcd_time


@structure(clause="§4.1")
class LocationBase(Structure):
    """位置基本信息, the 28 bytes every location begins with."""

    alarm_flags: int = of_kind(
        "报警标志", RereadBits(4, from_alarm_bits, to_alarm_bits, table=ALARM_FLAGS), clause="§4.2"
    )
    status: int = dword("状态", table=STATUS, clause="§4.3")
    latitude: float = dword_latitude("纬度")
    longitude: float = dword_longitude("经度")
    altitude_m: int = word("高程", signed=True, unit="m")
    speed_kmh: float = of_kind("速度", Stepped(2, "speed_step_kmh"), unit="km/h")
    heading_deg: int = word("方向", unit="°", valid=(0, 359))
    time: WireTime = bcd_time("时间")


#: 28 bytes.
BASE_BYTES = LocationBase.min_bytes(Edition.V2013)
#: 22; the 2013 and 2019 tables print 21.
TIME_AT = LocationBase.offset_of("time", Edition.V2013)


@message(0x0200, clause="§4", trailing=dev.LOCATION_ITEMS_OVERRUN)
class LocationReport(LocationBase, Message):
    """0x0200 位置信息汇报; `trailing` is an additional item longer than the body."""

    items: tuple[LocationItem, ...] = tlv("位置附加信息项列表", LocationItem, default=(), clause="§4.4")


@message(0x8201, clause="§3.2")
class LocationQuery(Message):
    """0x8201 位置信息查询."""


def is_time(six: bytes) -> bool:
    """True when six bytes are a calendar time."""
    return len(six) == 6 and not isinstance(decode_bcd_time(six), RawTime)


def _answer_layout(body: bytes, header: Edition) -> Edition:
    """2011 has no serial before the location: then a time stands two bytes earlier (§3.4).

    Day, hour, minute and second of a 2011 report, read two bytes late, are a calendar time again in one of ten: then it
    counts in which layout the items behind it come out even.
    """
    if header is Edition.V2019:
        return header
    is_late, is_early = is_time(body[2 + TIME_AT : 8 + TIME_AT]), is_time(body[TIME_AT : 6 + TIME_AT])
    if is_late and is_early:
        return first_clean(LocationAnswer, body, Edition.V2013, Edition.V2011)
    return Edition.V2011 if is_early else Edition.V2013


@message(0x0201, clause="§3.4", detect=_answer_layout, trailing=dev.LOCATION_ITEMS_OVERRUN)
class LocationAnswer(Message):
    """0x0201 位置信息查询应答; without serial in 2011."""

    answer_serial: int | None = word("应答流水号", editions=SINCE_2013, default=None)
    location: LocationReport = nested("位置信息汇报", LocationReport)


@structure(clause="§5.1")
class UndecodedReport(Structure):
    """An item of a batch that is no location report, as it came."""

    data: bytes = raw("位置汇报数据体")


@message(0x0704, clause="§5.1")
class LocationBatch(Message):
    """0x0704 定位数据批量上传, since 2013; what can be saved of a damaged batch is saved."""

    count: int = count_of("items", 2, "数据项个数", wrong=dev.BATCH_WRONG_COUNT, default=None)
    batch_type: int = byte("位置数据类型", table=BATCH_TYPES)
    items: tuple[LocationReport | UndecodedReport, ...] = repeat(
        "位置汇报数据项",
        Sized(2, LocationReport, UndecodedReport, dev.BATCH_ITEM_OVERRUN, dev.BATCH_ITEM_UNDECODED),
        lenient=True,
    )
