"""Bodies of JT/T 809 that are read so far: login and logout, and a vehicle's position (jt809 §2.2, §3.1, §4.1)."""

from datetime import UTC, datetime
from typing import Any, NamedTuple

import construct

from jtgate.codecs import deviations as dev
from jtgate.codecs.declare import Structure, byte, chars, dword, nested, of_kind, raw, structure, word
from jtgate.codecs.edition import ONLY_2019, Edition
from jtgate.codecs.jt808.tables import ALARM_FLAGS, PLATE_COLOURS, STATUS
from jtgate.codecs.kinds import Kind
from jtgate.codecs.tables import Choices
from jtgate.codecs.timebase import GMT8, RawTime, WireTime, iso
from jtgate.codecs.wire import Scope, convert

LOGIN_RESULTS = Choices(
    (0, "成功", "success"),
    (1, "IP地址不正确", "IP address wrong"),
    (2, "接入码不正确", "access code wrong"),
    (3, "用户没有注册", "user not registered"),
    (4, "密码错误", "password wrong"),
    (5, "资源紧张,稍后再连接", "busy, try later"),
    (6, "其他", "other"),
    (0xFF, "其他", "other (2019)"),
)


class BinaryTime(Kind):
    """Day, month, year (two bytes), hour, minute, second, binary, GMT+8 (§4.1)."""

    def con(self, edition: Edition) -> Any:  # noqa: ARG002  the same in every edition
        """Seven bytes as an aware UTC datetime; what is no calendar time stays a RawTime."""

        def decode(data: bytes, scope: Scope) -> WireTime:
            try:
                local = datetime(int.from_bytes(data[2:4]), data[1], data[0], *data[4:7], tzinfo=GMT8)  # type: ignore[misc]
                return local.astimezone(UTC)
            except ValueError:
                scope.run.note(dev.TIME_NOT_A_DATE)
                return RawTime(data)

        def encode(value: WireTime, _scope: Scope) -> bytes:
            if isinstance(value, RawTime):
                return value.raw
            local = value.astimezone(GMT8)
            day = bytes([local.day, local.month]) + local.year.to_bytes(2)
            return day + bytes([local.hour, local.minute, local.second])

        return convert(construct.Bytes(7), decode, encode)

    def types(self) -> frozenset[object]:
        """A datetime or a RawTime."""
        return frozenset({datetime, RawTime})

    def min_bytes(self, edition: Edition) -> int:  # noqa: ARG002  the same in every edition
        """Seven."""
        return 7

    def json(self, value: WireTime) -> object:
        """ISO 8601."""
        return iso(value)

    def from_json(self, value: object) -> WireTime:
        """ISO 8601 or raw: and hex digits."""
        text = str(value)
        return RawTime(bytes.fromhex(text[4:])) if text.startswith("raw:") else datetime.fromisoformat(text)


@structure(clause="jt809 §2.2")
class Login(Structure):
    """0x1001 主链路登录请求."""

    user_id: int = dword("用户名")
    password: str = chars("密码", 8)
    center_id: int | None = dword("下级平台接入码", editions=ONLY_2019, default=None)
    down_link_ip: str = chars("下级平台从链路服务端IP地址", 32)
    down_link_port: int = word("下级平台从链路服务端口号")


@structure(clause="jt809 §2.2")
class LoginAnswer(Structure):
    """0x1002 主链路登录应答."""

    result: int = byte("验证结果", table=LOGIN_RESULTS)
    verify_code: int = dword("校验码")


@structure(clause="jt809 §2.2")
class Logout(Structure):
    """0x1003 主链路注销请求."""

    user_id: int = dword("用户名")
    password: str = chars("密码", 8)


@structure(clause="jt809 §4.1")
class Position(Structure):
    """车辆定位信息 of 2011 and 2013, 36 bytes; the longitude comes first."""

    encrypted: int = byte("加密标识")
    time: WireTime = of_kind("日期时间", BinaryTime())
    longitude: float = dword("经度", scale=0.000001, unit="°")
    latitude: float = dword("纬度", scale=0.000001, unit="°")
    speed_kmh: int = word("卫星定位车载终端设备上传的行车速度", unit="km/h")
    recorder_speed_kmh: int = word("车辆行驶记录设备上传的行车速度", unit="km/h")
    mileage_km: int = dword("车辆当前总里程数", unit="km")
    heading_deg: int = word("方向", unit="°", valid=(0, 359))
    altitude_m: int = word("海拔高度", unit="m")
    status: int = dword("车辆状态", table=STATUS)
    alarm_flags: int = dword("报警状态", table=ALARM_FLAGS)


@structure(clause="jt809 §3.1")
class VehicleBody(Structure):
    """What 0x1200 and 0x9200 have in common: whose vehicle, which sub-business 子业务类型, and its bytes."""

    plate: str = chars("车牌号", 21)
    plate_color: int = byte("车辆颜色", table=PLATE_COLOURS)
    sub_id: int = word("子业务类型标识", as_hex=True)
    sub_length: int = dword("后续数据长度")
    data: bytes = raw("子业务数据")


@structure(clause="jt809 §3.3")
class RealLocation(Structure):
    """0x1202 实时上传车辆定位信息, 2011 and 2013."""

    location: Position = nested("定位信息", Position)


class Name809(NamedTuple):
    """A message or sub-message that is read here."""

    name: str
    term: str
    cls: type[Structure]


MESSAGES_809: dict[int, Name809] = {
    0x1001: Name809("up_connect_req", "主链路登录请求", Login),
    0x1002: Name809("up_connect_rsp", "主链路登录应答", LoginAnswer),
    0x1003: Name809("up_disconnect_req", "主链路注销请求", Logout),
    0x1200: Name809("up_exg_msg", "主链路车辆动态信息交换", VehicleBody),
    0x9200: Name809("down_exg_msg", "从链路车辆动态信息交换", VehicleBody),
}

SUB_MESSAGES_809: dict[int, Name809] = {
    0x1202: Name809("up_exg_msg_real_location", "实时上传车辆定位信息", RealLocation),
}
