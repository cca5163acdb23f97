"""Additional items 0x14–0x18 of location reports (JT/T 1078 §1.12)."""

from jtgate.codecs.declare import REST, Structure, byte, dword, word
from jtgate.codecs.items import item
from jtgate.codecs.tables import Bit, Bits

#: 视频相关报警 (item 0x14 and parameter 0x007A). Bits 0–5 are held, bit 6 is cleared when acknowledged.
VIDEO_ALARMS = Bits(
    Bit(0, "视频信号丢失", "video signal lost"),
    Bit(1, "视频信号遮挡", "video signal covered"),
    Bit(2, "存储单元故障", "storage unit fault"),
    Bit(3, "其他视频设备故障", "other video device fault"),
    Bit(4, "客车超员", "passenger overload"),
    Bit(5, "异常驾驶行为", "abnormal driving behaviour"),
    Bit(6, "特殊报警录像达到存储阈值", "special-alarm recording reached its threshold"),
    # 7–31 reserved
)

#: Bit n is logical channel n + 1.
CHANNELS = Bits(*(Bit(no, f"通道{no + 1}", f"channel {no + 1}") for no in range(32)))

#: 存储器故障.
STORES = Bits(
    *(Bit(no, f"主存储器{no + 1}", f"main store {no + 1}") for no in range(12)),
    *(Bit(no, f"灾备存储{no - 11}", f"backup store {no - 11}") for no in range(12, 16)),
)

#: 异常驾驶行为.
ABNORMAL_DRIVING = Bits(
    Bit(0, "疲劳", "fatigue"),
    Bit(1, "打电话", "phone call"),
    Bit(2, "抽烟", "smoking"),
    # 3–10 reserved, 11–15 custom
)


@item(0x14, "video_alarm", "视频相关报警", clause="1078 §1.12", editions=())
class VideoAlarm(Structure):
    """0x14 视频相关报警."""

    video_alarm_flags: int = dword("视频相关报警", table=VIDEO_ALARMS)


@item(0x15, "video_loss", "视频信号丢失报警状态", clause="1078 §1.12", editions=())
class VideoLoss(Structure):
    """0x15 视频信号丢失."""

    video_loss_channels: int = dword("视频信号丢失通道", table=CHANNELS)


@item(0x16, "video_cover", "视频信号遮挡报警状态", clause="1078 §1.12", editions=())
class VideoCover(Structure):
    """0x16 视频信号遮挡."""

    video_cover_channels: int = dword("视频信号遮挡通道", table=CHANNELS)


@item(0x17, "storage_fault", "存储器故障报警状态", clause="1078 §1.12", editions=())
class StorageFault(Structure):
    """0x17 存储器故障."""

    storage_fault_flags: int = word("存储器故障", table=STORES)


@item(0x18, "abnormal_driving", "异常驾驶行为报警详细描述", clause="1078 §1.12, 808 §13 item 16", editions=())
class AbnormalDriving(Structure):
    """0x18 异常驾驶行为: two bytes by the id table, three by the detail table."""

    abnormal_driving_flags: int = word("异常驾驶行为类型", table=ABNORMAL_DRIVING)
    fatigue_degree: int | None = byte("疲劳程度", valid=(0, 100), present=REST, default=None)
