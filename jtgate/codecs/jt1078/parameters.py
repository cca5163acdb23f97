"""Terminal parameters 0x0075–0x007C as blocks (JT/T 1078 §1.14); 0x0078 is not defined."""

from jtgate.codecs.declare import Structure, bcd, byte, count_of, dword, nested, repeat, structure, word
from jtgate.codecs.jt808.parameters import block
from jtgate.codecs.jt1078.items import VIDEO_ALARMS
from jtgate.codecs.jt1078.tables import AV_TYPES, LOGICAL_CHANNELS
from jtgate.codecs.tables import Bit, Bits, Choices

#: 编码模式; 100–127 custom.
CODING_MODES = Choices(
    (0, "CBR(固定码率)", "constant bit rate"),
    (1, "VBR(可变码率)", "variable bit rate"),
    (2, "ABR(平均码率)", "average bit rate"),
)

#: 分辨率; 100–127 custom.
RESOLUTIONS = Choices(
    (0, "QCIF", "QCIF"),
    (1, "CIF", "CIF"),
    (2, "WCIF", "WCIF"),
    (3, "D1", "D1"),
    (4, "WD1", "WD1"),
    (5, "720P", "720P"),
    (6, "1080P", "1080P"),
)

#: OSD字幕叠加设置.
OSD = Bits(
    Bit(0, "日期和时间", "date and time"),
    Bit(1, "车牌号码", "plate"),
    Bit(2, "逻辑通道号", "logical channel"),
    Bit(3, "经纬度", "longitude and latitude"),
    Bit(4, "行驶记录速度", "recorder speed"),
    Bit(5, "卫星定位速度", "satellite speed"),
    Bit(6, "连续驾驶时间", "continuous driving time"),
    # 7–10 reserved, 11–15 custom
)

#: 休眠唤醒模式.
WAKE_MODES = Bits(
    Bit(0, "条件唤醒", "by condition"),
    Bit(1, "定时唤醒", "timed"),
    Bit(2, "手动唤醒", "manual"),
)

#: 唤醒条件类型.
WAKE_CONDITIONS = Bits(
    Bit(0, "紧急报警", "emergency alarm"),
    Bit(1, "碰撞侧翻报警", "collision or rollover"),
    Bit(2, "车辆开门", "door opened"),
)

#: 定时唤醒日.
WEEKDAYS = Bits(
    Bit(0, "周一", "Monday"),
    Bit(1, "周二", "Tuesday"),
    Bit(2, "周三", "Wednesday"),
    Bit(3, "周四", "Thursday"),
    Bit(4, "周五", "Friday"),
    Bit(5, "周六", "Saturday"),
    Bit(6, "周日", "Sunday"),
)

#: 定时唤醒启用标志.
WAKE_PERIODS = Bits(*(Bit(no, f"时间段{no + 1}", f"period {no + 1}") for no in range(4)))


@structure(clause="1078 §1.14")
class StreamCoding(Structure):
    """How a stream is coded: the live stream 实时流 or the stored one 存储流."""

    coding_mode: int = byte("编码模式", table=CODING_MODES)
    resolution: int = byte("分辨率", table=RESOLUTIONS)
    key_frame_interval: int = word("关键帧间隔", unit="frames", valid=(1, 1000))
    frame_rate: int = byte("目标帧率", unit="frames/s", valid=(1, 120))
    bit_rate_kbps: int = dword("目标码率", unit="kbit/s", en="bit rate")


@block(0x0075, clause="1078 §1.14")
class AvParameters(Structure):
    """0x0075 音视频参数."""

    live: StreamCoding = nested("实时流", StreamCoding)
    stored: StreamCoding = nested("存储流", StreamCoding)
    osd_flags: int = word("OSD字幕叠加设置", table=OSD, en="OSD overlay")
    audio_output: int = byte("是否启用音频输出", table=Choices((0, "不启用", "disabled"), (1, "启用", "enabled")))


@structure(clause="1078 §1.14")
class ChannelEntry(Structure):
    """音视频通道对照表, one channel."""

    physical_channel: int = byte("物理通道号")
    channel: int = byte("逻辑通道号", table=LOGICAL_CHANNELS, en="logical channel", clause="1078 §1.13")
    av_type: int = byte("通道类型", table=AV_TYPES, en="AV type")
    # Means something for channels with video only.
    ptz: int = byte("是否连接云台", table=Choices((0, "未连接", "not connected"), (1, "连接", "connected")), en="PTZ")


@block(0x0076, clause="1078 §1.14")
class AvChannels(Structure):
    """0x0076 音视频通道列表."""

    av_count: int = count_of("av_channels", 1, "音视频通道总数", default=None)
    audio_count: int = count_of("audio_channels", 1, "音频通道总数", default=None)
    video_count: int = count_of("video_channels", 1, "视频通道总数", default=None)
    av_channels: tuple[ChannelEntry, ...] = repeat("音视频通道", ChannelEntry, count="av_count", default=())
    audio_channels: tuple[ChannelEntry, ...] = repeat("音频通道", ChannelEntry, count="audio_count", default=())
    video_channels: tuple[ChannelEntry, ...] = repeat("视频通道", ChannelEntry, count="video_count", default=())


@structure(clause="1078 §1.14")
class ChannelVideo(Structure):
    """单独视频通道参数设置列表, one channel; it takes precedence over parameter 0x0075."""

    channel: int = byte("逻辑通道号", table=LOGICAL_CHANNELS, clause="1078 §1.13")
    live: StreamCoding = nested("实时流", StreamCoding)
    stored: StreamCoding = nested("存储流", StreamCoding)
    osd_flags: int = word("OSD字幕叠加设置", table=OSD, en="OSD overlay")


@block(0x0077, clause="1078 §1.14")
class ChannelVideoParameters(Structure):
    """0x0077 单独视频通道参数."""

    count: int = count_of("channels", 1, "需单独设置视频参数的通道数量", default=None)
    channels: tuple[ChannelVideo, ...] = repeat("单独视频通道参数设置列表", ChannelVideo, count="count", default=())


@block(0x0079, clause="1078 §1.14")
class SpecialAlarmRecording(Structure):
    """0x0079 特殊报警录像参数."""

    storage_percent: int = byte("特殊报警录像存储阈值", unit="%", valid=(1, 99), default=20)
    duration_min: int = byte("特殊报警录像持续时间", unit="min", default=5)
    pre_recording_min: int = byte("特殊报警标识起始时间", unit="min", default=1)


@block(0x007A, clause="1078 §1.14")
class VideoAlarmMask(Structure):
    """0x007A 视频相关报警屏蔽字; the bits are those of item 0x14."""

    masked_alarms: int = dword("视频相关报警屏蔽字", table=VIDEO_ALARMS)


@block(0x007B, clause="1078 §1.14")
class ImageAnalysis(Structure):
    """0x007B 图像分析报警参数."""

    rated_passengers: int = byte("车辆核载人数")
    fatigue_threshold: int = byte("疲劳程度阈值")


@structure(clause="1078 §1.14")
class WakePeriod(Structure):
    """定时唤醒时间段; both times are hhmm, "0000" when it is not used."""

    wake_at: str = bcd("唤醒时间", 2)
    off_at: str = bcd("关闭时间", 2)


@block(0x007C, clause="1078 §1.14")
class SleepWake(Structure):
    """0x007C 终端休眠唤醒模式."""

    wake_modes: int = byte("休眠唤醒模式", table=WAKE_MODES)
    wake_conditions: int = byte("唤醒条件类型", table=WAKE_CONDITIONS)
    weekdays: int = byte("定时唤醒日设置", table=WEEKDAYS)
    enabled_periods: int = byte("日定时唤醒启用标志", table=WAKE_PERIODS)
    periods: tuple[WakePeriod, ...] = repeat("日定时唤醒参数列表", WakePeriod, count=4)
