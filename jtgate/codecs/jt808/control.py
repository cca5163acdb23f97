"""Control of the terminal and of the vehicle (JT/T 808 §3.3, §3.4, §3.6): 0x8105, 0x8202 to 0x8204, 0x8500, 0x0500."""

import re
from collections.abc import Callable
from io import BytesIO

from jtgate.codecs import deviations as dev
from jtgate.codecs.declare import (
    Message,
    Presence,
    Structure,
    byte,
    dword,
    message,
    nested,
    of_kind,
    raw,
    repeat,
    string,
    structure,
    unless,
    when,
    word,
)
from jtgate.codecs.edition import ONLY_2011, ONLY_2019, Edition
from jtgate.codecs.jt808.joined import FILLED, Joined, JoinedFields, JoinedNumber, JoinedText
from jtgate.codecs.jt808.layouts import first_clean
from jtgate.codecs.jt808.location import LocationReport
from jtgate.codecs.profile import Profile
from jtgate.codecs.profiled import ProfiledCount
from jtgate.codecs.tables import Bit, Bits, Choice, Choices
from jtgate.codecs.wire import Scope, peek

_OLD = (*ONLY_2011, Edition.V2013)

# ------------------------------------------------------------------------------------- 0x8105

WIRELESS_UPGRADE = 1
CONNECT_SERVER = 2
#: First byte of the text commands "#0;1" and "#0;0" of one vendor.
VENDOR_TEXT = ord("#")

#: 命令字 of 0x8105.
CONTROL_COMMANDS = Choices(
    Choice(WIRELESS_UPGRADE, "无线升级", "wireless upgrade", _OLD),
    (CONNECT_SERVER, "控制终端连接指定服务器", "connect to given server"),
    Choice(3, "终端关机", "power off", _OLD),
    (4, "终端复位", "reset"),
    (5, "终端恢复出厂设置", "factory reset"),
    Choice(6, "关闭数据通信", "close data link", _OLD),
    Choice(7, "关闭所有无线通信", "close all wireless", _OLD),
    # of vendors
    (VENDOR_TEXT, "厂商文本命令", "vendor text command"),
    (0x64, "厂商断油电", "vendor: cut engine"),
    (0x65, "厂商恢复油电", "vendor: restore engine"),
    (0xF0, "厂商断油电", "vendor: cut engine"),
    (0xF1, "厂商恢复油电", "vendor: restore engine"),
)
_STANDARD_COMMANDS = range(WIRELESS_UPGRADE, 8)

#: 连接控制.
BACK_TO_DEFAULT = 1
CONNECT_CONTROLS = Choices(
    (0, "切换到指定监管平台服务器", "switch to the given server"),
    (BACK_TO_DEFAULT, "切换回原缺省监控平台服务器", "back to the default server"),
)

#: 设备类型 at the beginning of the name of an upgrade file (active-safety §3.1).
UPGRADE_DEVICES = Choices(
    (1, "终端", "terminal"),
    # 02 reserved
    (3, "高级驾驶辅助系统", "ADAS"),
    (4, "驾驶状态监控系统", "DSM"),
    (5, "盲区监测系统", "BSD"),
    (6, "轮胎气压监测系统", "TPMS"),
)
_UPGRADE_FILE = re.compile(r"(?:.*/)?(\d\d)_([^_/]+)_([^_/]+)_([^_/]+)_([^_/]+)\.[^./]+")


class UpgradeUrl(JoinedText):
    """URL of an upgrade file; with active safety its name says for which device it is."""

    def meaning(self, value: str, owner: object, edition: Edition) -> str:  # noqa: ARG002  as kinds.Kind has it
        """Device, maker, model, required version and version, as far as the name has them."""
        found = _UPGRADE_FILE.fullmatch(value)
        device = UPGRADE_DEVICES.meaning(int(found[1])) if found else ""
        return f"{device}, {found[2]} {found[3]}, {found[4]} → {found[5]}" if found and device else ""


@structure(clause="§3.3")
class WirelessUpgrade(JoinedFields):
    """Parameters of command 1 无线升级; what is not given is an empty field."""

    url: str = of_kind("URL地址", UpgradeUrl(), default="", en="URL")
    apn: str = of_kind("拨号点名称", JoinedText(), default="", en="APN")
    dial_user: str = of_kind("拨号用户名", JoinedText(), default="")
    dial_password: str = of_kind("拨号密码", JoinedText(), default="")
    address: str = of_kind("地址", JoinedText(), default="")
    tcp_port: int | None = of_kind("TCP端口", JoinedNumber(2), present=FILLED, default=None, en="TCP port")
    udp_port: int | None = of_kind("UDP端口", JoinedNumber(2), present=FILLED, default=None, en="UDP port")
    manufacturer: str = of_kind("制造商ID", JoinedText(), default="")
    hardware_version: str = of_kind("硬件版本", JoinedText(), default="")
    firmware_version: str = of_kind("固件版本", JoinedText(), default="")
    time_limit_min: int | None = of_kind(
        "连接到指定升级服务器时限", JoinedNumber(2), present=FILLED, default=None, unit="min"
    )


@structure(clause="§3.3")
class ServerConnection(JoinedFields):
    """Parameters of command 2 连接指定服务器; nothing follows the order to go back to the default server."""

    connect_control: int | None = of_kind("连接控制", JoinedNumber(1, CONNECT_CONTROLS), present=FILLED, default=None)
    auth_code: str = of_kind("监管平台鉴权码", JoinedText(), default="")
    apn: str = of_kind("拨号点名称", JoinedText(), default="", en="APN")
    dial_user: str = of_kind("拨号用户名", JoinedText(), default="")
    dial_password: str = of_kind("拨号密码", JoinedText(), default="")
    address: str = of_kind("地址", JoinedText(), default="")
    tcp_port: int | None = of_kind("TCP端口", JoinedNumber(2), present=FILLED, default=None, en="TCP port")
    udp_port: int | None = of_kind("UDP端口", JoinedNumber(2), present=FILLED, default=None, en="UDP port")
    time_limit_min: int | None = of_kind(
        "连接到指定服务器时限", JoinedNumber(2), present=FILLED, default=None, unit="min"
    )

    def is_short(self) -> bool:
        """Back to the default server, and nothing else is given."""
        others = (spec.name for spec in self.SPECS if spec.name not in ("field_count", "connect_control"))
        return self.connect_control == BACK_TO_DEFAULT and not any(getattr(self, name) for name in others)


class _ForCommand(Presence):
    """There when the command is the one of these parameters and the bytes are such parameters.

    Args:
        command: 命令字.
        fits: whether bytes are the parameters.
        words: what they must be, for people.
    """

    def __init__(self, command: int, fits: Callable[[bytes, Scope], bool], words: str) -> None:
        self.command = command
        self.fits = fits
        self.words = words

    def reading(self, scope: Scope, stream: BytesIO) -> bool:
        """By the command and the bytes."""
        rest = peek(stream)
        return scope["command"] == self.command and bool(rest) and self.fits(rest, scope)

    def writing(self, scope: Scope, value: object) -> bool:
        """By the command, if it is given."""
        return value is not None and scope["command"] == self.command

    def __str__(self) -> str:
        return f"when command is {self.command} and they are {self.words}"


class _OtherParameters(Presence):
    """What is none of the above."""

    def reading(self, scope: Scope, stream: BytesIO) -> bool:
        """By the bytes left; a command of the standard should not have any."""
        rest = b"" if self._known(scope) else peek(stream)
        if rest and scope["command"] in _STANDARD_COMMANDS:
            scope.run.note(dev.CONTROL_OTHER_PARAMETERS)
        return bool(rest)

    def writing(self, scope: Scope, value: object) -> bool:
        """By its value, when nothing else is there."""
        return value is not None and not self._known(scope)

    def _known(self, scope: Scope) -> bool:
        return any(scope[name] is not None for name in ("upgrade", "connection", "text"))

    def __str__(self) -> str:
        return "alone, if bytes are left"


_UPGRADE = Joined(WirelessUpgrade)
_CONNECTION = Joined(ServerConnection)


def _is_printable(rest: bytes, _scope: Scope) -> bool:
    return all(0x20 <= char < 0x7F for char in rest)


@message(0x8105, clause="§3.3, §13 item 21")
class TerminalControl(Message):
    """0x8105 终端控制; parameters that are not those of the standard's commands are kept as they came."""

    command: int = byte("命令字", table=CONTROL_COMMANDS)
    upgrade: WirelessUpgrade | None = of_kind(
        "无线升级参数",
        _UPGRADE,
        present=_ForCommand(WIRELESS_UPGRADE, lambda rest, scope: _UPGRADE.fits(rest, scope.run), "11 fields"),
        default=None,
    )
    connection: ServerConnection | None = of_kind(
        "连接指定服务器参数",
        _CONNECTION,
        present=_ForCommand(CONNECT_SERVER, lambda rest, scope: _CONNECTION.fits(rest, scope.run), "9 fields"),
        default=None,
    )
    text: str | None = string(
        "厂商文本命令", present=_ForCommand(VENDOR_TEXT, _is_printable, "printable"), default=None
    )
    parameters: bytes | None = raw("命令参数", present=_OtherParameters(), default=None)


# --------------------------------------------------------------------------- 0x8202 to 0x8204

#: 人工确认报警类型 of 0x8203; other bits are reserved.
CONFIRMED_ALARMS = Bits(
    Bit(0, "确认紧急报警", "emergency"),
    Bit(3, "确认危险预警", "danger warning"),
    Bit(20, "确认进出区域报警", "region in/out"),
    Bit(21, "确认进出路线报警", "route in/out"),
    Bit(22, "确认路段行驶时间不足/过长报警", "segment time too short/long"),
    Bit(27, "确认车辆非法点火报警", "illegal ignition"),
    Bit(28, "确认车辆非法位移报警", "illegal displacement"),
)


@message(0x8202, clause="§3.4")
class TrackingControl(Message):
    """0x8202 临时位置跟踪控制; nothing follows the interval 0, which stops the tracking."""

    interval_s: int = word("时间间隔", unit="s")
    validity_s: int | None = dword(
        "位置跟踪有效期", unit="s", present=unless("interval_s", 0, tolerated=dev.TRACKING_AFTER_STOP), default=None
    )


@message(0x8203, clause="§3.4, §13 item 32")
class ConfirmAlarm(Message):
    """0x8203 人工确认报警消息, since 2013; the serial is that of the report with the alarm, 0 for all of the types."""

    alarm_serial: int = word("报警消息流水号")
    alarm_types: int = dword("人工确认报警类型", table=CONFIRMED_ALARMS)


@message(0x8204, clause="§3.2")
class LinkDetection(Message):
    """0x8204 链路检测, 2019."""


# --------------------------------------------------------------------------- 0x8500 and 0x0500

#: 控制标志 of 0x8500 before 2019; the other bits are reserved.
VEHICLE_CONTROL_FLAGS = Bits(Bit(0, "车门加锁", "lock doors", "车门解锁", "unlock doors"), clear_shown=(0,))

DOOR = 0x0001

#: 控制类型 of 2019.
CONTROL_TYPES = Choices(
    (DOOR, "车门", "door"),
    # 0x0002–0x8000 reserved for the standard, 0xF001–0xFFFF of vendors
)

#: 车门 of 2019, the other way round than bit 0 before (§13 item 7).
DOOR_CONTROLS = Choices((0, "车门锁闭", "lock"), (1, "车门开启", "open"))


@structure(clause="§3.6")
class ControlItem(Structure):
    """One control of 0x8500 of 2019; of an unknown type, whose length nobody tells, everything that is left."""

    control_type: int = word("控制类型", table=CONTROL_TYPES, as_hex=True)
    door: int | None = byte("车门控制", table=DOOR_CONTROLS, present=when("control_type", DOOR), default=None)
    parameter: bytes | None = raw("控制参数", present=unless("control_type", DOOR), default=None)


def _count_bytes(profile: Profile, _edition: Edition) -> int:
    return {"none": 0, "byte": 1, "word": 2}[profile.control_count]


def _control_layout(body: bytes, header: Edition) -> Edition:
    """A byte of flags, or a list (§3.6)."""
    if header is Edition.V2019:
        return Edition.V2013 if len(body) == 1 else header
    return header if len(body) <= 1 else first_clean(VehicleControl, body, header, Edition.V2019)


@message(0x8500, clause="§3.6, §13 items 6 and 7", detect=_control_layout)
class VehicleControl(Message):
    """0x8500 车辆控制; the terminal answers 0x0001 at once, and 0x0500 when it is done."""

    flags: int | None = byte("控制标志", table=VEHICLE_CONTROL_FLAGS, editions=_OLD, default=None)
    count: int | None = of_kind(
        "控制类型数量",
        ProfiledCount(2, _count_bytes),
        editions=ONLY_2019,
        counts="controls",
        wrong=dev.LIST_WRONG_COUNT,
        default=None,
    )
    controls: tuple[ControlItem, ...] | None = repeat("控制类型列表", ControlItem, editions=ONLY_2019, default=None)

    @classmethod
    def doors(cls, edition: Edition, *, lock: bool) -> "VehicleControl":
        """The message that locks or unlocks the doors, in the sense of each edition."""
        if edition is Edition.V2019:
            return cls(controls=(ControlItem(control_type=DOOR, door=0 if lock else 1),))
        return cls(flags=1 if lock else 0)


@message(0x0500, clause="§3.6", trailing=dev.LOCATION_ITEMS_OVERRUN)
class VehicleControlAnswer(Message):
    """0x0500 车辆控制应答; the status of its location shows the result."""

    answer_serial: int = word("应答流水号")
    location: LocationReport = nested("位置信息汇报", LocationReport)
