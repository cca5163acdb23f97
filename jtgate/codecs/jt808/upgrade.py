"""Wireless upgrade 0x8108 and its result 0x0108 (JT/T 808 §3.3, active-safety §3.1)."""

from jtgate.codecs.declare import Message, byte, message, of_kind, raw, string
from jtgate.codecs.edition import Edition
from jtgate.codecs.profile import Profile
from jtgate.codecs.profiled import ProfiledText
from jtgate.codecs.tables import Choices

#: 升级类型.
UPGRADE_TYPES = Choices(
    (0, "终端", "terminal"),
    (12, "道路运输证IC卡读卡器", "road transport IC card reader"),
    (52, "北斗卫星定位模块", "BeiDou positioning module"),
    # active safety
    (0x64, "高级驾驶辅助系统", "ADAS"),
    (0x65, "驾驶状态监控系统", "DSM"),
    (0x66, "轮胎气压监测系统", "TPMS"),
    (0x67, "盲区监测系统", "BSD"),
)

#: 升级结果.
UPGRADE_RESULTS = Choices(
    (0, "成功", "success"),
    (1, "失败", "failure"),
    (2, "取消", "cancelled"),
    # active safety
    (0x10, "未找到目标设备", "no target device"),
    (0x11, "硬件型号不支持", "hardware model not supported"),
    (0x12, "软件版本相同", "same software version"),
    (0x13, "软件版本不支持", "software version not supported"),
)


def _manufacturer_bytes(profile: Profile, edition: Edition) -> int | None:
    """The standard has 5 bytes; one library writes 11 in 2019 (§13 item 3)."""
    return profile.manufacturer_bytes or None if edition is Edition.V2019 else None


@message(0x8108, clause="§3.3, §13 item 3")
class PushUpgrade(Message):
    """0x8108 下发终端升级包, since 2013; in practice always sub-packaged."""

    upgrade_type: int = byte("升级类型", table=UPGRADE_TYPES)
    manufacturer: str = of_kind("制造商ID", ProfiledText(5, _manufacturer_bytes))
    version: str = string("终端固件版本号", prefix=1)
    data: bytes = raw("升级数据包", prefix=4)


@message(0x0108, clause="§3.3")
class UpgradeResult(Message):
    """0x0108 终端升级结果通知, since 2013; sent after the terminal has connected again."""

    upgrade_type: int = byte("升级类型", table=UPGRADE_TYPES)
    result: int = byte("升级结果", table=UPGRADE_RESULTS)
