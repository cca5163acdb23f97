"""Tables of JT/T 808: result codes, plate colours, alarm flags, status bits and other codes."""

from typing import NamedTuple

from jtgate.codecs.edition import ALL_EDITIONS, ONLY_2011, ONLY_2019, SINCE_2013, Edition
from jtgate.codecs.tables import Bit, Bits, Choice, Choices

#: 结果 of 0x0001 and 0x8001 (§3.2).
RESULTS = Choices(
    (0, "成功/确认", "success"),
    (1, "失败", "failure"),
    (2, "消息有误", "message error"),
    (3, "不支持", "not supported"),
    Choice(4, "报警处理确认", "alarm handled", SINCE_2013),  # 0x8001 only
)

#: 结果 of 0x8100 (§3.3).
REGISTER_RESULTS = Choices(
    (0, "成功", "success"),
    (1, "车辆已被注册", "vehicle already registered"),
    (2, "数据库中无该车辆", "no such vehicle"),
    (3, "终端已被注册", "terminal already registered"),
    (4, "数据库中无该终端", "no such terminal"),
)

#: 车牌颜色: JT/T 415-2006 5.4.12 (2011, 2013), JT/T 697.7-2014 (2019); 91–94 from platform practice (§3.3).
PLATE_COLOURS = Choices(
    Choice(0, "未上牌", "not plated", SINCE_2013),
    (1, "蓝色", "blue"),
    (2, "黄色", "yellow"),
    (3, "黑色", "black"),
    (4, "白色", "white"),
    Choice(5, "绿色", "green", ONLY_2019),
    (9, "其他", "other"),
    (91, "农黄色", "farm yellow"),
    (92, "农绿色", "farm green"),
    (93, "黄绿色", "yellow-green"),
    (94, "渐变绿", "gradient green"),
)

#: Colours that make a byte plausible as a plate colour in any edition (§2.4).
PLAUSIBLE_PLATE_COLOURS = frozenset(row.code for row in PLATE_COLOURS)


class AlarmFlag(NamedTuple):
    """A row of the table of alarm flags; the three last columns say how the flag is cleared per edition.

    "A": after the platform's answer 收到应答后清零. "H": held until the condition ends 标志维持至报警条件解除.
    "-": reserved.
    """

    no: int
    zh: str
    en: str
    v2011: str
    v2013: str
    v2019: str

    def clears(self, edition: Edition) -> str:
        """The column of one edition."""
        return {Edition.V2011: self.v2011, Edition.V2013: self.v2013, Edition.V2019: self.v2019}[edition]


#: 报警标志位 (§4.2). Bit 3 and bit 29 changed their names, so they stand in several rows.
ALARM_FLAG_ROWS = (
    AlarmFlag(0, "紧急报警", "emergency", "A", "A", "A"),
    AlarmFlag(1, "超速报警", "overspeed", "H", "H", "H"),
    AlarmFlag(2, "疲劳驾驶", "fatigue driving", "H", "H", "H"),
    AlarmFlag(3, "预警", "early warning", "A", "-", "-"),
    AlarmFlag(3, "危险预警", "danger warning", "-", "A", "-"),
    AlarmFlag(3, "危险驾驶行为报警", "dangerous driving behaviour", "-", "-", "H"),
    AlarmFlag(4, "GNSS模块发生故障", "GNSS module fault", "H", "H", "H"),
    AlarmFlag(5, "GNSS天线未接或被剪断", "GNSS antenna missing or cut", "H", "H", "H"),
    AlarmFlag(6, "GNSS天线短路", "GNSS antenna short circuit", "H", "H", "H"),
    AlarmFlag(7, "终端主电源欠压", "main power under-voltage", "H", "H", "H"),
    AlarmFlag(8, "终端主电源掉电", "main power lost", "H", "H", "H"),
    AlarmFlag(9, "终端LCD或显示器故障", "display fault", "H", "H", "H"),
    AlarmFlag(10, "TTS模块故障", "TTS module fault", "H", "H", "H"),
    AlarmFlag(11, "摄像头故障", "camera fault", "H", "H", "H"),
    AlarmFlag(12, "道路运输证IC卡模块故障", "IC card module fault", "-", "H", "H"),
    AlarmFlag(13, "超速预警", "overspeed pre-warning", "-", "H", "H"),
    AlarmFlag(14, "疲劳驾驶预警", "fatigue pre-warning", "-", "H", "H"),
    AlarmFlag(15, "违规行驶报警", "driving in forbidden period", "-", "-", "H"),
    AlarmFlag(16, "胎压预警", "tyre pressure warning", "-", "-", "H"),
    AlarmFlag(17, "右转盲区异常报警", "right-turn blind zone", "-", "-", "H"),
    AlarmFlag(18, "当天累计驾驶超时", "daily driving time exceeded", "H", "H", "H"),
    AlarmFlag(19, "超时停车", "parking too long", "H", "H", "H"),
    AlarmFlag(20, "进出区域", "region in/out", "A", "A", "A"),
    AlarmFlag(21, "进出路线", "route in/out", "A", "A", "A"),
    AlarmFlag(22, "路段行驶时间不足/过长", "segment time too short/long", "A", "A", "A"),
    AlarmFlag(23, "路线偏离", "route deviation", "H", "H", "H"),
    AlarmFlag(24, "车辆VSS故障", "VSS fault", "H", "H", "H"),
    AlarmFlag(25, "车辆油量异常", "abnormal fuel", "H", "H", "H"),
    AlarmFlag(26, "车辆被盗", "vehicle stolen", "H", "H", "H"),
    AlarmFlag(27, "车辆非法点火", "illegal ignition", "A", "A", "A"),
    AlarmFlag(28, "车辆非法位移", "illegal displacement", "A", "A", "A"),
    AlarmFlag(29, "碰撞预警", "collision warning", "-", "H", "-"),
    AlarmFlag(29, "碰撞侧翻报警", "collision or rollover", "-", "-", "H"),
    AlarmFlag(30, "侧翻预警", "rollover warning", "-", "H", "H"),
    AlarmFlag(31, "非法开门报警", "illegal door opening", "-", "A", "-"),
)

ALARM_FLAGS = Bits(
    *(
        Bit(
            row.no,
            row.zh,
            row.en,
            editions=tuple(edition for edition in ALL_EDITIONS if row.clears(edition) != "-"),
        )
        for row in ALARM_FLAG_ROWS
    )
)


def acknowledged_alarms(edition: Edition) -> int:
    """Mask of the alarm flags a terminal clears after the platform's answer ("A" rows)."""
    return sum(1 << row.no for row in ALARM_FLAG_ROWS if row.clears(edition) == "A")


LOADS = Choices(
    (0, "空车", "empty"),
    (1, "半载", "half loaded"),
    # 2 reserved
    (3, "满载", "fully loaded"),
)

#: 状态位 (§4.3); the second pair of names is for a bit that is 0.
STATUS = Bits(
    Bit(0, "ACC开", "ACC on", "ACC关", "ACC off"),
    Bit(1, "定位", "positioned", "未定位", "not positioned"),
    Bit(2, "南纬", "south", "北纬", "north"),
    Bit(3, "西经", "west", "东经", "east"),
    Bit(4, "停运状态", "out of operation", "运营状态", "in operation"),
    Bit(5, "经纬度已经保密插件加密", "coordinates encrypted", "经纬度未加密", "coordinates plain"),
    Bit(6, "紧急刹车系统采集的前撞预警", "forward collision warning", editions=ONLY_2019),
    Bit(7, "车道偏移预警", "lane departure warning", editions=ONLY_2019),
    Bit(8, "载重", "load", editions=SINCE_2013, width=2, choices=LOADS),
    Bit(10, "车辆油路断开", "oil circuit cut", "车辆油路正常", "oil circuit normal"),
    Bit(11, "车辆电路断开", "electric circuit cut", "车辆电路正常", "electric circuit normal"),
    Bit(12, "车门加锁", "doors locked", "车门解锁", "doors unlocked"),
    Bit(13, "门1开(前门)", "door 1 (front) open", "门1关", "door 1 closed", SINCE_2013),
    Bit(14, "门2开(中门)", "door 2 (middle) open", "门2关", "door 2 closed", SINCE_2013),
    Bit(15, "门3开(后门)", "door 3 (rear) open", "门3关", "door 3 closed", SINCE_2013),
    Bit(16, "门4开(驾驶席门)", "door 4 (driver) open", "门4关", "door 4 closed", SINCE_2013),
    Bit(17, "门5开(自定义)", "door 5 (custom) open", "门5关", "door 5 closed", SINCE_2013),
    Bit(18, "使用GPS卫星进行定位", "GPS used", editions=SINCE_2013),
    Bit(19, "使用北斗卫星进行定位", "BeiDou used", editions=SINCE_2013),
    Bit(20, "使用GLONASS卫星进行定位", "GLONASS used", editions=SINCE_2013),
    Bit(21, "使用Galileo卫星进行定位", "Galileo used", editions=SINCE_2013),
    Bit(22, "车辆处于行驶状态", "moving", "车辆处于停止状态", "stopped", ONLY_2019),
    # 23–31 reserved
    clear_shown=(0, 1),
)

#: 位置类型 of item 0x11 (§4.4).
OVERSPEED_PLACES = Choices(
    (0, "无特定位置", "no specific place"),
    (1, "圆形区域", "circle"),
    (2, "矩形区域", "rectangle"),
    (3, "多边形区域", "polygon"),
    (4, "路段", "segment"),
)

#: 位置类型 of item 0x12.
CROSSING_PLACES = Choices(
    (1, "圆形区域", "circle"),
    (2, "矩形区域", "rectangle"),
    (3, "多边形区域", "polygon"),
    (4, "路线", "route"),
)
CROSSING_DIRECTIONS = Choices((0, "进", "in"), (1, "出", "out"))
SEGMENT_RESULTS = Choices((0, "不足", "too short"), (1, "过长", "too long"))

#: 扩展车辆信号状态位, item 0x25 (§4.5).
VEHICLE_SIGNALS = Bits(
    Bit(0, "近光灯", "low beam"),
    Bit(1, "远光灯", "high beam"),
    Bit(2, "右转向灯", "right turn"),
    Bit(3, "左转向灯", "left turn"),
    Bit(4, "制动", "brake"),
    Bit(5, "倒档", "reverse"),
    Bit(6, "雾灯", "fog lamp"),
    Bit(7, "示廓灯", "clearance lamp"),
    Bit(8, "喇叭", "horn"),
    Bit(9, "空调", "air conditioning"),
    Bit(10, "空挡", "neutral"),
    Bit(11, "缓速器工作", "retarder working"),
    Bit(12, "ABS工作", "ABS working"),
    Bit(13, "加热器工作", "heater working"),
    Bit(14, "离合器状态", "clutch"),
    # 15–31 reserved
)

#: IO状态位, item 0x2A.
IO_STATUS = Bits(
    Bit(0, "深度休眠", "deep sleep"),
    Bit(1, "休眠", "sleep"),
    # 2–15 reserved
)

#: 位置数据类型 of 0x0704 (§5.1).
BATCH_TYPES = Choices((0, "正常位置批量汇报", "normal batch"), (1, "盲区补报", "blind-area back-fill"))

#: 状态 of 0x0702 (§3.7).
CARD_STATES = Choices((1, "插卡上班", "card inserted, on duty"), (2, "拔卡下班", "card removed, off duty"))

#: IC卡读取结果 of 0x0702.
CARD_RESULTS = Choices(
    (0, "读卡成功", "card read"),
    (1, "卡片密钥认证未通过", "key authentication failed"),
    (2, "卡片已被锁定", "card locked"),
    (3, "卡片被拔出", "card removed"),
    (4, "数据校验错误", "data check error"),
)

#: 多媒体类型, 多媒体格式编码, 事件项编码 (§8.1).
MEDIA_TYPES = Choices((0, "图像", "image"), (1, "音频", "audio"), (2, "视频", "video"))
MEDIA_FORMATS = Choices((0, "JPEG", "JPEG"), (1, "TIF", "TIF"), (2, "MP3", "MP3"), (3, "WAV", "WAV"), (4, "WMV", "WMV"))
MEDIA_EVENTS = Choices(
    (0, "平台下发指令", "platform command"),
    (1, "定时动作", "timed"),
    (2, "抢劫报警触发", "robbery alarm"),
    (3, "碰撞侧翻报警触发", "collision or rollover"),
    Choice(4, "门开拍照", "door opened", SINCE_2013),
    Choice(5, "门关拍照", "door closed", SINCE_2013),
    Choice(6, "车门由开变关且车速超过20公里", "door closed and speed above 20 km/h", SINCE_2013),
    Choice(7, "定距拍照", "distance", SINCE_2013),
)

#: 透传消息类型 of 0x0900 and 0x8900 (§3.7); 0xF0–0xFF are user defined.
TRANSPARENT_TYPES = Choices(
    (0x00, "GNSS模块详细定位数据", "detailed GNSS data"),
    (0x0B, "道路运输证IC卡信息", "road transport IC card"),
    (0x41, "串口1透传", "serial port 1"),
    (0x42, "串口2透传", "serial port 2"),
    (0xF7, "外设状态信息", "peripheral status"),
    (0xF8, "外设系统信息", "peripheral information"),
)

#: 文本信息标志 of 0x8300 (§3.5).
TEXT_KINDS = Choices((1, "服务", "service"), (2, "紧急", "urgent"), (3, "通知", "notice"))
TEXT_FLAGS = Bits(
    Bit(0, "紧急", "urgent", editions=(*ONLY_2011, Edition.V2013)),
    Bit(0, "信息类型", "kind", editions=ONLY_2019, width=2, choices=TEXT_KINDS),
    Bit(2, "终端显示器显示", "show on display"),
    Bit(3, "终端TTS播读", "read aloud"),
    Bit(4, "广告屏显示", "show on advertising screen", editions=(*ONLY_2011, Edition.V2013)),
    Bit(5, "CAN故障码信息", "CAN fault code", "中心导航信息", "navigation", SINCE_2013),
    # 6–7 reserved
)
TEXT_TYPES = Choices((1, "通知", "notice"), (2, "服务", "service"))
