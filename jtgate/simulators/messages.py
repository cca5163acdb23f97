"""Bodies a terminal sends and reads, made from the declarations in `jtgate.codecs`.

Location reports are in `reports.py`: they come too often for this.
"""

import struct
from collections.abc import Sequence
from datetime import date
from typing import TypeVar

from jtgate.codecs import registry, timebase
from jtgate.codecs.declare import Message
from jtgate.codecs.edition import Edition
from jtgate.codecs.errors import Truncated
from jtgate.codecs.jsatl12.identity import IdentityComparison
from jtgate.codecs.jt808 import (
    Authenticate,
    DriverIdentity,
    LocationBase,
    MediaUploadAnswer,
    Parameter,
    ParametersAnswer,
    PlatformPartsRequest,
    QueryGivenParameters,
    Register,
    RegisterAnswer,
    SetParameters,
    TerminalGeneralAnswer,
    TerminalPartsRequest,
)
from jtgate.codecs.jt808.attributes import AttributesAnswer
from jtgate.codecs.jt808.collection import CARD_INSERTED, CARD_REMOVED
from jtgate.codecs.jt808.control import TrackingControl
from jtgate.simulators.identity import CITY, PLATE_YELLOW, PROVINCE, Driver, Identity, driver_of

MANUFACTURER = "JTSIM"
MODEL = "SIM-1"
MODEL_2019 = "JTGATE-SIMULATED-1"
SOFTWARE_VERSION = "sim-1.0"
HARDWARE_VERSION = "sim"
ICCID = "89860000000000000000"
#: 终端类型: dangerous goods. GNSS模块属性: GPS and BeiDou. 通信模块属性: TD-LTE.
TERMINAL_TYPE, GNSS_GPS_BEIDOU, COMMUNICATION_LTE = 0b10, 0b11, 0b10_0000
CARD_EXPIRY = date(2031, 12, 31)
#: 比对类型 of 0x0E10: 巡检比对.
PATROL = 1

#: Bytes of a 0x0704 before its items, and of an item before its body.
BATCH_HEAD_BYTES = 3
BATCH_ITEM_HEAD_BYTES = 2

M = TypeVar("M", bound=Message)

_GENERAL = struct.Struct(">HHB")  # 应答流水号, 应答ID, 结果: read for every frame sent


def registration(identity: Identity) -> bytes:
    """0x0100 终端注册."""
    return registration_of(identity.edition, identity.terminal_id, identity.plate, PLATE_YELLOW)


def registration_of(edition: Edition, terminal_id: str, plate: str, plate_color: int) -> bytes:
    """0x0100 of anybody."""
    message = Register(
        province=PROVINCE,
        city=CITY,
        manufacturer=MANUFACTURER,
        model=MODEL_2019 if edition is Edition.V2019 else MODEL,
        terminal_id=terminal_id,
        plate_color=plate_color,
        plate=plate,
    )
    return registry.encode_body(message, edition)


def authentication(identity: Identity, code: str) -> bytes:
    """0x0102 终端鉴权."""
    return authentication_of(identity.edition, code, identity.imei)


def authentication_of(edition: Edition, code: str, imei: str) -> bytes:
    """0x0102 of anybody; only 2019 tells the IMEI."""
    if edition is Edition.V2019:
        message = Authenticate(auth_code=code, imei=imei, software_version=SOFTWARE_VERSION)
    else:
        message = Authenticate(auth_code=code)
    return registry.encode_body(message, edition)


def general(serial: int, msg_id: int, result: int) -> bytes:
    """0x0001 终端通用应答."""
    return TerminalGeneralAnswer(answer_serial=serial, answer_id=msg_id, result=result).encode()


def batch(bodies: Sequence[bytes], *, backfill: bool) -> bytes:
    """0x0704 定位数据批量上传.

    Args:
        bodies: location bodies in the order of time.
        backfill: 盲区补报 (type 1) instead of a normal batch (type 0).
    """
    items = b"".join(len(body).to_bytes(BATCH_ITEM_HEAD_BYTES) + body for body in bodies)
    return len(bodies).to_bytes(2) + bytes([backfill]) + items


def card_inserted(identity: Identity, driver_no: int, device_ms: int) -> bytes:
    """0x0702 驾驶员身份信息采集上报 of the first or second driver of a vehicle."""
    return card_read(driver_of(identity, driver_no), identity.edition, device_ms)


def card_read(driver: Driver, edition: Edition, device_ms: int) -> bytes:
    """0x0702, 插卡上班; in 2011 a message without state and time."""
    if edition is Edition.V2011:
        message = DriverIdentity(
            driver_name=driver.name, id_number=driver.id_number, certificate=driver.certificate, issuer=driver.issuer
        )
    else:
        message = DriverIdentity(
            status=CARD_INSERTED,
            time=timebase.from_ms(device_ms),
            read_result=0,
            driver_name=driver.name,
            certificate=driver.certificate,
            issuer=driver.issuer,
            expiry=CARD_EXPIRY,
            id_number=driver.id_number if edition is Edition.V2019 else None,
        )
    return registry.encode_body(message, edition)


def face_compared(
    base: bytes, edition: Edition, *, face_id: str, score: float, threshold: float, picture: bytes
) -> bytes:
    """0x0E10 驾驶员身份识别上报 of 吉标: a patrol comparison, with its picture.

    Args:
        base: 位置基本信息 of its moment.
        edition: decides the layout of that.
        face_id: whom it was compared with.
        score: 0..1.
        threshold: from which on it is a match, 0..1.
        picture: JPEG.
    """
    return IdentityComparison(
        result=int(score < threshold),
        threshold_percent=round(threshold * 100),
        similarity_percent=round(score * 100, 2),
        comparison_kind=PATROL,
        face_id=face_id,
        location=LocationBase.decode(base, edition),
        picture_format=0,
        picture=picture,
    ).encode(edition)


def card_removed(edition: Edition, device_ms: int) -> bytes:
    """0x0702, 拔卡下班; since 2013."""
    return registry.encode_body(DriverIdentity(status=CARD_REMOVED, time=timebase.from_ms(device_ms)), edition)


def location_answer(edition: Edition, serial: int, body: bytes) -> bytes:
    """0x0201 位置信息查询应答; in 2011 without the serial."""
    return body if edition is Edition.V2011 else serial.to_bytes(2) + body


def parameters(edition: Edition, serial: int, values: dict[int, bytes]) -> bytes:
    """0x0104 查询终端参数应答; `values` by parameter id."""
    items = tuple(Parameter.of(parameter, value) for parameter, value in sorted(values.items()))
    return registry.encode_body(ParametersAnswer(answer_serial=serial, parameters=items), edition)


def parts_request(edition: Edition, first_serial: int, numbers: tuple[int, ...]) -> bytes:
    """0x0005 终端补传分包请求, 2019."""
    return TerminalPartsRequest(first_serial=first_serial, part_numbers=numbers).encode(edition)


def attributes(identity: Identity) -> bytes:
    """0x0107 查询终端属性应答; 2011 has none, and gets that of 2013."""
    is_2019 = identity.edition is Edition.V2019
    message = AttributesAnswer(
        terminal_type=TERMINAL_TYPE,
        manufacturer=MANUFACTURER,
        model=MODEL_2019 if is_2019 else MODEL,
        terminal_id=identity.terminal_id,
        iccid=ICCID,
        hardware_version=HARDWARE_VERSION,
        firmware_version=SOFTWARE_VERSION,
        gnss_modules=GNSS_GPS_BEIDOU,
        communication_modules=COMMUNICATION_LTE,
    )
    return message.encode(Edition.V2019 if is_2019 else Edition.V2013)


def read_general(body: bytes) -> tuple[int, int, int]:
    """0x8001 平台通用应答: serial, id and result.

    Raises:
        Truncated: it is shorter.
    """
    if len(body) < _GENERAL.size:
        raise Truncated(f"{len(body)} bytes are no general answer", offset=len(body), raw=body)
    serial, msg_id, result = _GENERAL.unpack_from(body)
    return serial, msg_id, result


def read_registered(body: bytes, edition: Edition) -> tuple[int, int, str]:
    """0x8100 终端注册应答: serial, result, code.

    Raises:
        ProtocolError: it is something else.
    """
    message = read(RegisterAnswer, body, edition)
    return message.answer_serial, message.result, message.auth_code or ""


def read_upload_answer(body: bytes, edition: Edition) -> tuple[int, tuple[int, ...], int | None]:
    """0x8800 多媒体数据上传应答: media id, the parts that are missing, and the serial that only 2011 quotes.

    Raises:
        ProtocolError: it is something else.
    """
    message = read(MediaUploadAnswer, body, edition)
    return message.media_id, message.part_numbers or (), message.answer_serial


def read_missing(body: bytes, edition: Edition) -> tuple[int, tuple[int, ...]]:
    """0x8003 补传分包请求: serial of the first part and the parts that are missing.

    Raises:
        ProtocolError: it is something else.
    """
    message = read(PlatformPartsRequest, body, edition)
    return message.first_serial, message.part_numbers


def read_parameter_ids(body: bytes, edition: Edition) -> tuple[int, ...]:
    """0x8106 查询指定终端参数: the ids that are asked for.

    Raises:
        ProtocolError: it is something else.
    """
    return read(QueryGivenParameters, body, edition).ids


def read_tracking(body: bytes, edition: Edition) -> tuple[int, int]:
    """0x8202 临时位置跟踪控制: interval and length, seconds; an interval of 0 ends it.

    Raises:
        ProtocolError: it is something else.
    """
    message = read(TrackingControl, body, edition)
    return message.interval_s, message.validity_s or 0


def read_parameters(body: bytes, edition: Edition) -> list[tuple[int, bytes]]:
    """0x8103 设置终端参数: ids and values.

    Raises:
        ProtocolError: it is something else.
    """
    message = read(SetParameters, body, edition)
    if message.trailing:
        raise Truncated("the last value is longer than the body", offset=len(body), raw=message.trailing)
    return [(parameter.id, parameter.raw) for parameter in message.parameters]


def read(cls: type[M], body: bytes, edition: Edition) -> M:
    """A body in the layout it has, whatever the edition of the terminal.

    Raises:
        ProtocolError: it is something else.
    """
    return cls.decode(body, cls.layout_edition(body, edition))
