"""Parameters 0xF364–0xF367, 0xF370 and 0xF0E9 of the peripherals (active-safety §2).

Every provincial block of another length is opaque: no form fits and its bytes stay. A BYTE of 0xFF, a WORD of
0xFFFF and a DWORD of 0xFFFFFFFF mean "do not change"; they are None here, and what is left out when a block is
made. The 苏标 text prints 0xFF for three of the WORDs, which is taken for 255 (§8 item 11). Read a block before
writing it, and write as many bytes as were read.
"""

from typing import Any

from jtgate.codecs.declare import Structure, byte, chars, dword, nested, of_kind, raw, repeat, structure, word
from jtgate.codecs.edition import Edition
from jtgate.codecs.jt808.parameters import block
from jtgate.codecs.kinds import Number
from jtgate.codecs.tables import Bit, Bits, Choices


class Keep(Number):
    """A number whose largest value means "do not change".

    Args:
        width: bytes.
        table: as of Number.
    """

    def __init__(self, width: int, table: Choices | Bits | None = None) -> None:
        super().__init__(width, no_data=(1 << 8 * width) - 1, table=table)

    def meaning(self, value: Any, owner: object, edition: Edition) -> str:
        """What a code means."""
        return "不修改 keep" if value is None else super().meaning(value, owner, edition)


BYTE, WORD = Keep(1), Keep(2)

#: 主动拍照策略 of 0xF364 and 0xF365; 3 is reserved in the first, 4 in the second.
ADAS_PHOTO_STRATEGIES = Choices((0, "不开启", "off"), (1, "定时拍照", "timed"), (2, "定距拍照", "by distance"))
DSM_PHOTO_STRATEGIES = Choices(*ADAS_PHOTO_STRATEGIES, (3, "插卡触发", "card insertion"))

#: 拍照分辨率.
PHOTO_RESOLUTIONS = Choices(
    (1, "352×288", "352×288"),
    (2, "704×288", "704×288"),
    (3, "704×576", "704×576"),
    (4, "640×480", "640×480"),
    (5, "1280×720", "1280×720"),
    (6, "1920×1080", "1920×1080"),
)

#: 视频录制分辨率.
VIDEO_RESOLUTIONS = Choices(
    (1, "CIF", "CIF"),
    (2, "HD1", "HD1"),
    (3, "D1", "D1"),
    (4, "WD1", "WD1"),
    (5, "VGA", "VGA"),
    (6, "720P", "720P"),
    (7, "1080P", "1080P"),
)

#: 报警使能 of 0xF364.
ADAS_ALARMS = Bits(
    Bit(0, "障碍检测一级报警", "obstacle level 1"),
    Bit(1, "障碍检测二级报警", "obstacle level 2"),
    Bit(2, "频繁变道一级报警", "frequent lane change level 1"),
    Bit(3, "频繁变道二级报警", "frequent lane change level 2"),
    Bit(4, "车道偏离一级报警", "lane departure level 1"),
    Bit(5, "车道偏离二级报警", "lane departure level 2"),
    Bit(6, "前向碰撞一级报警", "forward collision level 1"),
    Bit(7, "前向碰撞二级报警", "forward collision level 2"),
    Bit(8, "行人碰撞一级报警", "pedestrian collision level 1"),
    Bit(9, "行人碰撞二级报警", "pedestrian collision level 2"),
    Bit(10, "车距过近一级报警", "headway too short level 1"),
    Bit(11, "车距过近二级报警", "headway too short level 2"),
    # 12–15 custom
    Bit(16, "道路标识超限报警", "road-sign limit exceeded"),
    # 17–29 custom, 30 and 31 reserved
)
ADAS_ALARMS_GD = Bits(
    *ADAS_ALARMS,
    Bit(17, "实线变道一级报警", "solid-line lane change level 1"),
    Bit(18, "实线变道二级报警", "solid-line lane change level 2"),
    Bit(19, "车厢过道行人检测报警", "pedestrian in carriage aisle"),
    # 20–29 custom, 30 and 31 reserved
)

#: 事件使能 of 0xF364.
ADAS_EVENTS = Bits(Bit(0, "道路标识识别", "road-sign recognition"), Bit(1, "主动拍照", "active photo"))

#: 报警使能 of 0xF365.
DSM_ALARMS = Bits(
    Bit(0, "疲劳驾驶一级报警", "fatigue level 1"),
    Bit(1, "疲劳驾驶二级报警", "fatigue level 2"),
    Bit(2, "接打电话一级报警", "phone call level 1"),
    Bit(3, "接打电话二级报警", "phone call level 2"),
    Bit(4, "抽烟一级报警", "smoking level 1"),
    Bit(5, "抽烟二级报警", "smoking level 2"),
    Bit(6, "分神驾驶一级报警", "distraction level 1"),
    Bit(7, "分神驾驶二级报警", "distraction level 2"),
    Bit(8, "驾驶员异常一级报警", "driver abnormal level 1"),
    Bit(9, "驾驶员异常二级报警", "driver abnormal level 2"),
    # 10–29 custom, 30 and 31 reserved
)
DSM_ALARMS_GD = Bits(
    *DSM_ALARMS,
    Bit(10, "摄像头遮挡一级报警", "camera covered level 1"),
    Bit(11, "摄像头遮挡二级报警", "camera covered level 2"),
    Bit(12, "不系安全带一级报警", "seat belt level 1"),
    Bit(13, "不系安全带二级报警", "seat belt level 2"),
    Bit(14, "红外墨镜阻断失效一级报警", "sunglasses level 1"),
    Bit(15, "红外墨镜阻断失效二级报警", "sunglasses level 2"),
    Bit(16, "双脱把一级报警", "both hands off wheel level 1"),
    Bit(17, "双脱把二级报警", "both hands off wheel level 2"),
    Bit(18, "玩手机一级报警", "playing with phone level 1"),
    Bit(19, "玩手机二级报警", "playing with phone level 2"),
    # 20–29 custom, 30 and 31 reserved
)

#: 事件使能 of 0xF365.
DSM_EVENTS = Bits(Bit(0, "驾驶员变更事件", "driver change"), Bit(1, "主动拍照事件", "active photo"))

#: 驾驶员身份识别触发.
IDENTITY_TRIGGERS = Choices(
    (0, "不开启", "off"),
    (1, "定时触发", "timed"),
    (2, "定距触发", "by distance"),
    (3, "插卡开始行驶触发", "card inserted and vehicle starts moving"),
    # 4 reserved
)

#: 胎压单位.
PRESSURE_UNITS = Choices((0, "kg/cm²", "kg/cm²"), (1, "bar", "bar"), (2, "kPa", "kPa"), (3, "PSI", "PSI"))

#: 使能 of 0xF370 in 川标 and 桂标.
HARSH_DRIVING_ENABLE = Bits(
    Bit(0, "急加速", "harsh acceleration"),
    Bit(1, "急减速", "harsh braking"),
    Bit(2, "急转弯", "sharp turn"),
    Bit(3, "怠速", "idling"),
    Bit(4, "异常熄火", "abnormal engine stop"),
    Bit(5, "空挡滑行", "coasting in neutral"),
    Bit(6, "发动机超转", "engine over-speed"),
)

SWITCH = Choices((0, "关闭", "off"), (1, "开启", "on"))
VOICE = Choices((1, "关闭", "off"), (2, "开启", "on"))

_KMH = (0, 220)


@structure(clause="active-safety §2.2")
class AdasEvidence(Structure):
    """What an ADAS alarm records."""

    video_s: int | None = of_kind("前后视频录制时间", BYTE, unit="s", valid=(0, 60), default=None)
    photos: int | None = of_kind("拍照张数", BYTE, valid=(0, 10), default=None)
    photo_interval_100ms: int | None = of_kind("拍照间隔", BYTE, unit="100 ms", valid=(1, 10), default=None)


@structure(clause="active-safety §2.3")
class DsmEvidence(Structure):
    """What a DSM alarm records."""

    video_s: int | None = of_kind("前后视频录制时间", BYTE, unit="s", valid=(0, 60), default=None)
    photos: int | None = of_kind("拍照张数", BYTE, valid=(0, 10), default=None)
    photo_interval_100ms: int | None = of_kind("拍照间隔", BYTE, unit="100 ms", valid=(1, 5), default=None)


@structure(clause="active-safety §2.3")
class FaceEvidence(Structure):
    """What an alarm of phone or smoking records: the driver's face."""

    video_s: int | None = of_kind("前后视频录制时间", BYTE, unit="s", valid=(0, 60), default=None)
    face_photos: int | None = of_kind("面部特征照片拍照张数", BYTE, valid=(1, 10), default=None)
    photo_interval_100ms: int | None = of_kind("面部特征照片拍照间隔", BYTE, unit="100 ms", valid=(1, 5), default=None)


def _grading(term: str) -> Any:
    """A speed above which an alarm is of level 2."""
    return of_kind(f"{term}分级速度阈值", BYTE, unit="km/h", valid=(0, 220), default=None)


def _adas_evidence(term: str) -> Any:
    return nested(f"{term}取证", AdasEvidence, default=AdasEvidence())


def _dsm_evidence(term: str) -> Any:
    return nested(f"{term}取证", DsmEvidence, default=DsmEvidence())


def _face_evidence(term: str) -> Any:
    return nested(f"{term}取证", FaceEvidence, default=FaceEvidence())


def _gap(term: str) -> Any:
    """A time to what is ahead."""
    return of_kind(term, BYTE, unit="100 ms", valid=(10, 50), default=None)


@structure(clause="active-safety §2.2")
class AdasParametersBase(Structure):
    """What the 苏标 and 粤标 forms of 0xF364 have in common, 52 bytes."""

    enable_speed_kmh: int | None = of_kind("报警判断速度阈值", BYTE, unit="km/h", valid=(0, 60), default=None)
    volume: int | None = of_kind("报警提示音量", BYTE, valid=(0, 8), default=None)
    photo_strategy: int | None = of_kind("主动拍照策略", Keep(1, ADAS_PHOTO_STRATEGIES), default=None)
    photo_timed_interval_s: int | None = of_kind("主动定时拍照时间间隔", WORD, unit="s", valid=(0, 3600), default=None)
    photo_distance_interval_m: int | None = of_kind(
        "主动定距拍照距离间隔", WORD, unit="m", valid=(0, 60000), default=None
    )
    photos_per_shot: int | None = of_kind("单次主动拍照张数", BYTE, valid=(1, 10), default=None)
    shot_interval_100ms: int | None = of_kind("单次主动拍照时间间隔", BYTE, unit="100 ms", valid=(1, 5), default=None)
    photo_resolution: int | None = of_kind("拍照分辨率", Keep(1, PHOTO_RESOLUTIONS), default=None)
    video_resolution: int | None = of_kind("视频录制分辨率", Keep(1, VIDEO_RESOLUTIONS), default=None)
    alarms_enabled: int | None = of_kind("报警使能", Keep(4, ADAS_ALARMS), default=None)
    events_enabled: int | None = of_kind("事件使能", Keep(4, ADAS_EVENTS), default=None)
    reserved_19: int = byte("预留字段", default=0)
    obstacle_distance_100ms: int | None = _gap("障碍物报警距离阈值")
    obstacle_grading_kmh: int | None = _grading("障碍物报警")
    obstacle: AdasEvidence = _adas_evidence("障碍物报警")
    lane_change_window_s: int | None = of_kind("频繁变道报警判断时间段", BYTE, unit="s", valid=(30, 120), default=None)
    lane_change_count: int | None = of_kind("频繁变道报警判断次数", BYTE, valid=(3, 10), default=None)
    lane_change_grading_kmh: int | None = _grading("频繁变道报警")
    lane_change: AdasEvidence = _adas_evidence("频繁变道报警")
    lane_departure_grading_kmh: int | None = _grading("车道偏离报警")
    lane_departure: AdasEvidence = _adas_evidence("车道偏离报警")
    forward_collision_time_100ms: int | None = _gap("前向碰撞报警时间阈值")
    forward_collision_grading_kmh: int | None = _grading("前向碰撞报警")
    forward_collision: AdasEvidence = _adas_evidence("前向碰撞报警")
    pedestrian_time_100ms: int | None = _gap("行人碰撞报警时间阈值")
    # no grading speed: the alarm is active below this one and off above
    pedestrian_enable_speed_kmh: int | None = of_kind(
        "行人碰撞报警使能速度阈值", BYTE, unit="km/h", valid=(0, 220), default=None
    )
    pedestrian: AdasEvidence = _adas_evidence("行人碰撞报警")
    headway_100ms: int | None = _gap("车距监控报警距离阈值")
    headway_grading_kmh: int | None = _grading("车距过近报警")
    headway: AdasEvidence = _adas_evidence("车距过近报警")
    road_sign_photos: int | None = of_kind("道路标志识别拍照张数", BYTE, valid=(0, 10), default=None)
    road_sign_photo_interval_100ms: int | None = of_kind(
        "道路标志识别拍照间隔", BYTE, unit="100 ms", valid=(1, 10), default=None
    )


@block(0xF364, clause="active-safety §2.2")
class AdasParameters(AdasParametersBase):
    """0xF364 高级驾驶辅助系统参数 of 苏标 and most others, 56 bytes."""

    reserved: bytes = raw("保留字段", 4, default=bytes(4))


@block(0xF364, clause="active-safety §2.2")
class AdasParametersGd(AdasParametersBase):
    """0xF364 高级驾驶辅助系统参数 of 粤标, 64 bytes."""

    alarms_enabled: int | None = of_kind("报警使能", Keep(4, ADAS_ALARMS_GD), default=None)
    solid_line_grading_kmh: int | None = _grading("实线变道报警")
    solid_line: AdasEvidence = _adas_evidence("实线变道报警")
    aisle_grading_kmh: int | None = _grading("车厢过道行人检测报警")
    aisle: AdasEvidence = _adas_evidence("车厢过道行人检测报警")
    reserved: bytes = raw("保留字段", 4, default=bytes(4))


@structure(clause="active-safety §2.3")
class DsmParametersBase(Structure):
    """What the 苏标 and 粤标 forms of 0xF365 have in common, 47 bytes."""

    enable_speed_kmh: int | None = of_kind("报警判断速度阈值", BYTE, unit="km/h", valid=(0, 60), default=None)
    volume: int | None = of_kind("报警音量", BYTE, valid=(0, 8), default=None)
    photo_strategy: int | None = of_kind("主动拍照策略", Keep(1, DSM_PHOTO_STRATEGIES), default=None)
    photo_timed_interval_s: int | None = of_kind(
        "主动定时拍照时间间隔", WORD, unit="s", valid=(60, 60000), default=None
    )
    photo_distance_interval_m: int | None = of_kind(
        "主动定距拍照距离间隔", WORD, unit="m", valid=(0, 60000), default=None
    )
    photos_per_shot: int | None = of_kind("单次主动拍照张数", BYTE, valid=(1, 10), default=None)
    shot_interval_100ms: int | None = of_kind("单次主动拍照时间间隔", BYTE, unit="100 ms", valid=(1, 5), default=None)
    photo_resolution: int | None = of_kind("拍照分辨率", Keep(1, PHOTO_RESOLUTIONS), default=None)
    video_resolution: int | None = of_kind("视频录制分辨率", Keep(1, VIDEO_RESOLUTIONS), default=None)
    alarms_enabled: int | None = of_kind("报警使能", Keep(4, DSM_ALARMS), default=None)
    events_enabled: int | None = of_kind("事件使能", Keep(4, DSM_EVENTS), default=None)
    smoking_interval_s: int | None = of_kind("吸烟报警判断时间间隔", WORD, unit="s", valid=(0, 3600), default=None)
    phone_interval_s: int | None = of_kind("接打电话报警判断时间间隔", WORD, unit="s", valid=(0, 3600), default=None)
    reserved_23: bytes = raw("预留字段", 3, default=bytes(3))
    fatigue_grading_kmh: int | None = _grading("疲劳驾驶报警")
    fatigue: DsmEvidence = _dsm_evidence("疲劳驾驶报警")
    phone_grading_kmh: int | None = _grading("接打电话报警")
    phone: FaceEvidence = _face_evidence("接打电话报警")
    smoking_grading_kmh: int | None = _grading("抽烟报警")
    smoking: FaceEvidence = _face_evidence("抽烟报警")
    distraction_grading_kmh: int | None = _grading("分神驾驶报警")
    distraction: DsmEvidence = _dsm_evidence("分神驾驶报警")
    abnormal_grading_kmh: int | None = _grading("驾驶行为异常")
    abnormal: DsmEvidence = _dsm_evidence("驾驶行为异常")
    identity_trigger: int | None = of_kind("驾驶员身份识别触发", Keep(1, IDENTITY_TRIGGERS), default=None)


@block(0xF365, clause="active-safety §2.3")
class DsmParameters(DsmParametersBase):
    """0xF365 驾驶员状态监测系统参数 of 苏标 and most others, 49 bytes."""

    reserved: bytes = raw("保留字段", 2, default=bytes(2))


@block(0xF365, clause="active-safety §2.3")
class DsmParametersGd(DsmParametersBase):
    """0xF365 驾驶员状态监测系统参数 of 粤标, 66 bytes."""

    alarms_enabled: int | None = of_kind("报警使能", Keep(4, DSM_ALARMS_GD), default=None)
    smoking_interval_s: int | None = of_kind("吸烟报警判断时间间隔", WORD, unit="s", valid=(0, 300), default=None)
    phone_interval_s: int | None = of_kind("接打电话报警判断时间间隔", WORD, unit="s", valid=(0, 300), default=None)
    camera_covered_grading_kmh: int | None = _grading("摄像机遮挡报警")
    seat_belt_grading_kmh: int | None = _grading("不系安全带报警")
    seat_belt: DsmEvidence = _dsm_evidence("不系安全带报警")
    sunglasses_grading_kmh: int | None = _grading("红外墨镜阻断失效报警")
    sunglasses: DsmEvidence = _dsm_evidence("红外墨镜阻断失效报警")
    hands_off_grading_kmh: int | None = _grading("双脱把报警")
    hands_off: DsmEvidence = _dsm_evidence("双脱把报警")
    phone_playing_grading_kmh: int | None = _grading("玩手机报警")
    phone_playing: DsmEvidence = _dsm_evidence("玩手机报警")
    reserved: bytes = raw("保留字段", 2, default=bytes(2))


@block(0xF366, clause="active-safety §2.4")
class TpmsParameters(Structure):
    """0xF366 胎压监测系统参数, 36 bytes; alarms are in kPa whatever unit stands here."""

    tyre_type: str = chars("轮胎规格型号", 12)
    pressure_unit: int | None = of_kind("胎压单位", Keep(2, PRESSURE_UNITS), default=None)
    normal_pressure: int | None = of_kind("正常胎压值", WORD, default=None)
    imbalance_percent: int | None = of_kind("胎压不平衡门限", WORD, unit="%", valid=(0, 100), default=None)
    slow_leak_percent: int | None = of_kind("慢漏气门限", WORD, unit="%", valid=(0, 100), default=None)
    low_pressure: int | None = of_kind("低压阈值", WORD, default=None)
    high_pressure: int | None = of_kind("高压阈值", WORD, default=None)
    high_temperature_c: int | None = of_kind("高温阈值", WORD, unit="°C", default=None)
    battery_percent: int | None = of_kind("电压阈值", WORD, unit="%", valid=(0, 100), default=None)
    report_interval_s: int | None = of_kind("定时上报时间间隔", WORD, unit="s", valid=(0, 3600), default=None)
    reserved: bytes = raw("保留项", 6, default=bytes(6))


@structure(clause="active-safety §2.5")
class BsdParametersBase(Structure):
    """The two thresholds of a blind-spot monitor."""

    rear_threshold_s: int | None = of_kind("后方接近报警时间阈值", BYTE, unit="s", valid=(1, 10), default=None)
    side_rear_threshold_s: int | None = of_kind("侧后方接近报警时间阈值", BYTE, unit="s", valid=(1, 10), default=None)


@block(0xF366, clause="active-safety §2.1, §8 item 15")
class BsdParametersZj(BsdParametersBase):
    """0xF366 of 浙标, 2 bytes: its 0x66 is the blind-spot monitor."""


@block(0xF367, clause="active-safety §2.5")
class BsdParameters(BsdParametersBase):
    """0xF367 盲区监测系统参数, 2 bytes."""


@block(0xF370, clause="active-safety §2.6")
class VideoProtocolVersion(Structure):
    """0xF370 智能视频协议版本信息 of 粤标, 1 byte, read-only."""

    version: int = byte("智能视频协议版本信息")


@structure(clause="active-safety §2.6")
class HarshThreshold(Structure):
    """Thresholds of one kind of harsh driving: of the first three kinds g in 1/100 g, of the others km/h and rpm."""

    time_threshold_s: int = word("时间阈值", unit="s")
    threshold_1: int = word("阈值1")
    threshold_2: int = word("阈值2")


@block(0xF370, clause="active-safety §2.6, §8 item 14")
class HarshDrivingParameters(Structure):
    """0xF370 激烈驾驶 of 川标 and 桂标, 54 bytes; the thresholds in the order of the enable bits."""

    alarms_enabled: int = dword("激烈驾驶报警使能", table=HARSH_DRIVING_ENABLE)
    thresholds: tuple[HarshThreshold, ...] = repeat("激烈驾驶报警阈值", HarshThreshold, count=len(HARSH_DRIVING_ENABLE))
    reserved: bytes = raw("预留", 8, default=bytes(8))


@structure(clause="active-safety §2.6")
class DriverComparisonBase(Structure):
    """What 鲁标 and 湘标 set of the comparison of faces."""

    offline_comparison: int = byte("离线人脸比对开关", table=SWITCH)
    dsm_threshold_percent: int = byte("DSM拍照比对成功阈值", unit="%", valid=(0, 100))
    phone_threshold_percent: int = byte("手机拍照比对成功阈值", unit="%", valid=(0, 100))


@block(0xF0E9, clause="active-safety §2.6")
class DriverComparison(DriverComparisonBase):
    """0xF0E9 驾驶员比对 of 鲁标, 3 bytes."""


@block(0xF0E9, clause="active-safety §2.6")
class DriverComparisonHn(DriverComparisonBase):
    """0xF0E9 驾驶员比对 of 湘标, 4 bytes."""

    voice: int = byte("语音播报", table=VOICE)
