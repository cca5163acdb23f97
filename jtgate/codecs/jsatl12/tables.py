"""Tables of the alarms of T/JSATL 12 and its relatives (active-safety §1.3–§1.8), alarm types by dialect as data."""

from jtgate.codecs.profile import Dialect
from jtgate.codecs.tables import Bit, Bits, Choices

#: 标志状态 (§1.4).
FLAG_STATES = Choices((0, "不可用", "instant"), (1, "开始", "start"), (2, "结束", "end"))

#: 标志状态 of 0x71 (§1.8).
FLAG_STATES_SC = Choices(*FLAG_STATES, (3, "持续", "continuing"))

#: 报警级别 (§1.5).
LEVELS = Choices(
    # 0 is seen in the field
    (1, "一级报警", "level 1"),
    (2, "二级报警", "level 2"),
    (3, "三级报警", "level 3"),  # Beijing
)

#: 偏离类型 and 道路标志识别类型 of 0x64.
DEPARTURES = Choices((1, "左侧偏离", "left"), (2, "右侧偏离", "right"))
ROAD_SIGNS = Choices(
    (1, "限速", "speed limit"),
    (2, "限高", "height limit"),
    (3, "限重", "weight limit"),
    (4, "禁行", "no entry"),  # GD
    (5, "禁停", "no stopping"),  # GD
)

#: 车辆状态 (§1.3).
VEHICLE_STATUS = Bits(
    Bit(0, "ACC打开", "ACC on"),
    Bit(1, "左转向", "left turn"),
    Bit(2, "右转向", "right turn"),
    Bit(3, "雨刮器打开", "wiper on"),
    Bit(4, "制动", "brake"),
    Bit(5, "已插卡", "driver card inserted"),
    # 6–9 custom
    Bit(10, "已定位", "positioned"),
    # 11–15 custom
)

_ADAS_COMMON = (
    (0x01, "前向碰撞报警", "forward collision"),
    (0x02, "车道偏离报警", "lane departure"),
    (0x03, "车距过近报警", "headway too short"),
    (0x04, "行人碰撞报警", "pedestrian collision"),
)
_ADAS_SU = (
    (0x05, "频繁变道报警", "frequent lane change"),
    (0x06, "道路标识超限报警", "road-sign limit exceeded"),
    (0x07, "障碍物报警", "obstacle"),
)
_ADAS_EVENTS = (
    (0x10, "道路标志识别事件", "road-sign recognition event"),
    (0x11, "主动抓拍事件", "active capture event"),
)

#: 报警/事件类型 of 0x64 (§1.5); codes not listed are custom.
ADAS_TYPES = {
    Dialect.SU: Choices(*_ADAS_COMMON, *_ADAS_SU, *_ADAS_EVENTS),
    Dialect.DB32: Choices(
        *_ADAS_COMMON, *_ADAS_SU, (0x08, "驾驶辅助功能失效报警", "driving-assist failure"), *_ADAS_EVENTS
    ),
    Dialect.GD: Choices(
        *_ADAS_COMMON,
        *_ADAS_SU,
        *_ADAS_EVENTS,
        (0x12, "实线变道报警", "solid-line lane change"),
        (0x13, "车厢过道行人检测报警", "pedestrian in carriage aisle"),
    ),
    Dialect.HN: Choices(*_ADAS_COMMON, *_ADAS_EVENTS, (0x12, "设备失效提醒", "device failure reminder")),
}

_DSM_EVENTS = (
    (0x10, "自动抓拍事件", "automatic capture event"),
    (0x11, "驾驶员变更事件", "driver change event"),
)

#: 报警/事件类型 of 0x65 (§1.6); codes not listed are custom.
DSM_TYPES = {
    Dialect.SU: Choices(
        (0x01, "疲劳驾驶报警", "fatigue"),
        (0x02, "接打电话报警", "phone call"),
        (0x03, "抽烟报警", "smoking"),
        (0x04, "分神驾驶报警", "distracted"),
        (0x05, "驾驶员异常报警", "driver abnormal"),
        *_DSM_EVENTS,
    ),
    Dialect.DB32: Choices(
        (0x01, "疲劳驾驶报警", "fatigue"),
        (0x02, "接打手持电话报警", "hand-held phone"),
        (0x03, "抽烟报警", "smoking"),
        (0x04, "长时间不目视前方报警", "not looking ahead"),
        (0x05, "未检测到驾驶员报警", "driver not detected"),
        (0x06, "双手同时脱离方向盘报警", "both hands off wheel"),
        (0x07, "驾驶员行为监测功能失效报警", "driver-monitoring failure"),
        (0x08, "未系安全带报警", "seat belt not fastened"),
        (0x0E, "夜间禁行报警", "night driving ban"),
        (0x0F, "超时驾驶报警", "over-time driving"),
        *_DSM_EVENTS,
        (0x12, "驾驶员身份异常报警", "driver identity abnormal"),
    ),
    Dialect.GD: Choices(
        (0x01, "疲劳驾驶报警", "fatigue"),
        (0x02, "接打手持电话报警", "hand-held phone"),
        (0x03, "抽烟报警", "smoking"),
        (0x04, "不目视前方报警", "not looking ahead"),
        (0x05, "驾驶员异常报警", "driver abnormal"),
        (0x06, "探头遮挡报警", "camera covered"),
        (0x08, "超时驾驶报警", "over-time driving"),
        (0x0A, "未系安全带报警", "seat belt not fastened"),
        (0x0B, "红外阻断型墨镜失效报警", "infra-red blocking sunglasses"),
        (0x0C, "双脱把报警", "both hands off wheel"),
        (0x0D, "玩手机报警", "playing with phone"),
        *_DSM_EVENTS,
    ),
    Dialect.HN: Choices(
        (0x01, "疲劳驾驶报警", "fatigue"),
        (0x02, "接打电话报警", "phone call"),
        (0x03, "抽烟报警", "smoking"),
        (0x04, "分神驾驶报警", "distracted"),
        (0x05, "驾驶员异常报警", "driver abnormal"),
        (0x06, "双手同时脱离方向盘报警", "both hands off wheel"),
        (0x07, "功能失效报警", "function failure"),
        (0x08, "未系安全带报警", "seat belt not fastened"),
        (0x09, "玩手机报警", "playing with phone"),
        *_DSM_EVENTS,
        (0x12, "墨镜失效", "sunglasses"),
        (0x13, "探头遮挡", "camera covered"),
        (0x14, "点火抓拍", "capture at ignition"),
    ),
}

#: 报警/事件类型 bits of a tyre in 0x66 (§1.7).
TYRE_ALARMS = Bits(
    Bit(0, "定时上报", "periodic report"),
    Bit(1, "胎压过高报警", "pressure high"),
    Bit(2, "胎压过低报警", "pressure low"),
    Bit(3, "胎温过高报警", "temperature high"),
    Bit(4, "传感器异常报警", "sensor fault"),
    Bit(5, "胎压不平衡报警", "imbalance"),
    Bit(6, "慢漏气报警", "slow leak"),
    Bit(7, "电池电量低报警", "battery low"),
    # 8–15 custom
)

#: 报警/事件类型 of 0x67 (§1.8).
BSD_TYPES = Choices(
    (1, "后方接近报警", "rear approach"),
    (2, "左侧后方接近报警", "left rear approach"),
    (3, "右侧后方接近报警", "right rear approach"),
)

#: 报警/事件类型 of 0x68 (§1.8).
PASSENGER_TYPES = Choices(
    (0x01, "超员报警", "passenger overload"),
    (0x02, "不按规定上下客报警", "irregular boarding or alighting"),  # SH, presumed
    (0x80, "未巡检乘客安全带事件", "passenger seat belts not checked event"),  # HN
)

#: 超速类型 bits of 0x71 (§1.8).
SPEEDING_KINDS = Bits(
    Bit(0, "超过终端限速", "over the limit of the terminal"),
    Bit(1, "超过道路限速", "over the limit of the road"),
)

#: 报警/事件类型 of 0x70 (§1.8); 0x12 and above are custom.
HARSH_DRIVING_TYPES = Choices(
    (1, "急加速报警", "harsh acceleration"),
    (2, "急减速报警", "harsh braking"),
    (3, "急转弯报警", "sharp turn"),
    (4, "怠速报警", "idling"),
    (5, "异常熄火报警", "abnormal engine stop"),
    (6, "空挡滑行报警", "coasting in neutral"),
    (7, "发动机超转报警", "engine over-speed"),
)
