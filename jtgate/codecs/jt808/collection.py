"""Data collection: driver identity, e-waybill and transparent data (JT/T 808 §3.7)."""

from datetime import date

from jtgate.codecs import deviations as dev
from jtgate.codecs.declare import (
    BytesLeft,
    LookAhead,
    Message,
    WhenPresent,
    bcd_date,
    bcd_time,
    by_edition,
    byte,
    chars,
    count_of,
    dword,
    message,
    of_kind,
    raw,
    string,
    word,
)
from jtgate.codecs.edition import ONLY_2011, ONLY_2019, SINCE_2013, Edition
from jtgate.codecs.jsatl12.peripherals import QUERIES, REPORTS, TransparentContent, TransparentMessage
from jtgate.codecs.jt808.tables import CARD_RESULTS, CARD_STATES, TRANSPARENT_TYPES
from jtgate.codecs.timebase import RawTime, WireTime
from jtgate.codecs.wire import Scope

#: 状态 of 0x0702.
CARD_INSERTED = 1
CARD_REMOVED = 2

#: Bytes of the fields of 0x0702 since 2013, and of 人脸匹配度 and UID together.
_RESULT_BYTES, _CERTIFICATE_BYTES, _EXPIRY_BYTES, _ID_BYTES, _TAIL_BYTES = 1, 20, 4, 20, 21


def _identity_layout(body: bytes, header: Edition) -> Edition:
    """2011 begins with the length of a name, since 2013 with status 1 or 2 and a time (§2.4).

    2013 ends with the expiry date, 2019 has an id number behind it, and a draft 21 bytes more.
    """
    rest = _after_expiry(body)
    if header is Edition.V2019:
        return Edition.V2013 if rest == 0 else header
    if body[:1] in (b"\x01", b"\x02") and body[1:7].hex().isdecimal():
        return Edition.V2019 if rest in (_ID_BYTES, _ID_BYTES + _TAIL_BYTES) else Edition.V2013
    return Edition.V2011 if len(body) >= DriverIdentity.min_bytes(Edition.V2011) else Edition.V2013


def _after_expiry(body: bytes) -> int | None:
    """Bytes behind the expiry date of a body with status; None when it ends before that."""
    at = DriverIdentity.offset_of("driver_name", Edition.V2013) + _RESULT_BYTES
    for behind in (_CERTIFICATE_BYTES, _EXPIRY_BYTES):  # of the name, of the issuer
        if at >= len(body):
            return None
        at += 1 + body[at] + behind
    return len(body) - at if at <= len(body) else None


def _has_result(rest: bytes, scope: Scope) -> bool:
    """Whatever is left is read; after a removal it is more than the standard has."""
    if rest and scope["status"] == CARD_REMOVED:
        scope.run.note(dev.DRIVER_FIELDS_AFTER_REMOVAL)
    return bool(rest)


#: 2011 sends every field.
_RESULT = LookAhead(_has_result, "if bytes are left, which is with status 1")
_BEHIND_RESULT = BytesLeft(after="read_result")
_NAME = by_edition(None, _BEHIND_RESULT, _BEHIND_RESULT)
_DRIVER = by_edition(None, WhenPresent("driver_name"), WhenPresent("driver_name"))
_ID_NUMBER = by_edition(None, None, BytesLeft(after="driver_name"))


@message(
    0x0702,
    clause="§3.7",
    detect=_identity_layout,
    layouts={Edition.V2011: ("driver_name", "id_number", "certificate", "issuer")},
)
class DriverIdentity(Message):
    """0x0702 驾驶员身份信息采集上报; since 2013 the length says how far it goes (§11 item 58)."""

    status: int | None = byte("状态", table=CARD_STATES, editions=SINCE_2013, default=None)
    time: WireTime | None = bcd_time("时间", editions=SINCE_2013, default=None)
    read_result: int | None = byte(
        "IC卡读取结果", table=CARD_RESULTS, editions=SINCE_2013, present=_RESULT, default=None
    )
    driver_name: str | None = string("驾驶员姓名", prefix=1, present=_NAME, default=None)
    certificate: str | None = chars(
        "从业资格证编码", by_edition(40, _CERTIFICATE_BYTES, _CERTIFICATE_BYTES), present=_DRIVER, default=None
    )
    issuer: str | None = string("发证机构名称", prefix=1, present=_DRIVER, default=None)
    expiry: date | RawTime | None = bcd_date("证件有效期", editions=SINCE_2013, present=_DRIVER, default=None)
    id_number: str | None = chars(
        "驾驶员身份证号", _ID_BYTES, editions=(*ONLY_2011, *ONLY_2019), present=_ID_NUMBER, default=None
    )
    # of a draft of 2021 (§13 item 18)
    face_match: int | None = byte(
        "人脸匹配度", editions=ONLY_2019, present=BytesLeft(after="id_number", least=_TAIL_BYTES), default=None
    )
    uid: str | None = chars("UID", _TAIL_BYTES - 1, editions=ONLY_2019, present=WhenPresent("face_match"), default=None)


#: No transparent data of 2011 is so long; contents of 2013 that begin like its two lengths mostly say so.
_TOTAL_MAX = 1 << 24


def _transparent_layout(body: bytes, header: Edition) -> Edition:
    """2011 has two lengths before the content (§3.7); both must agree with the body."""
    if header is Edition.V2019 or len(body) < 7:
        return header
    total, package = int.from_bytes(body[1:5]), int.from_bytes(body[5:7])
    looks_2011 = _TOTAL_MAX > total >= package > 0 and len(body) == 7 + package
    return Edition.V2011 if looks_2011 else Edition.V2013


@message(0x8702, clause="§3.2")
class QueryDriverIdentity(Message):
    """0x8702 上报驾驶员身份信息请求, since 2013; the answer 0x0702 has no serial."""


@message(0x0701, clause="§3.7")
class WaybillReport(Message):
    """0x0701 电子运单上报; some vendors answer commands with it, as text."""

    length: int = count_of("content", 4, "电子运单长度", wrong=dev.WAYBILL_WRONG_LENGTH, default=None)
    content: bytes = raw("电子运单内容")


@message(0x0900, clause="§3.7", detect=_transparent_layout)
class UplinkTransparent(TransparentMessage):
    """0x0900 数据上行透传."""

    FORMS = REPORTS

    data_type: int = byte("透传消息类型", table=TRANSPARENT_TYPES)
    total_length: int | None = dword("数据总长度", editions=ONLY_2011, default=None)
    package_length: int | None = word("包数据长度", editions=ONLY_2011, default=None)
    data: bytes = of_kind("透传消息内容", TransparentContent(REPORTS, "透传消息内容", "§3.7"))


@message(0x8900, clause="§3.7", detect=_transparent_layout)
class DownlinkTransparent(TransparentMessage):
    """0x8900 数据下行透传."""

    FORMS = QUERIES

    data_type: int = byte("透传消息类型", table=TRANSPARENT_TYPES)
    total_length: int | None = dword("数据总长度", editions=ONLY_2011, default=None)
    package_length: int | None = word("包数据长度", editions=ONLY_2011, default=None)
    data: bytes = of_kind("透传消息内容", TransparentContent(QUERIES, "透传消息内容", "§3.7"))
