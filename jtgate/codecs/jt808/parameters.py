"""Terminal parameters 终端参数 (JT/T 808 §6): the table, and items of 0x8103 and 0x0104."""

from collections.abc import Callable, Mapping
from typing import ClassVar, NamedTuple, Self, TypeVar

from jtgate.codecs import declare, jsonvalues
from jtgate.codecs import deviations as dev
from jtgate.codecs.declare import Structure, TlvItem, try_whole
from jtgate.codecs.edition import ALL_EDITIONS, ONLY_2019, SINCE_2013, Edition
from jtgate.codecs.errors import EncodeError, in_field
from jtgate.codecs.fields import UNIT_SUFFIXES
from jtgate.codecs.groups import from_first
from jtgate.codecs.jt808.tables import ALARM_FLAGS, PLATE_COLOURS
from jtgate.codecs.kinds import shorten
from jtgate.codecs.tables import Bit, Bits, Choices, is_called, nearest
from jtgate.codecs.text import CODEC, TextRule, decode_text, encode_text
from jtgate.codecs.wire import Scope, Span

D = "DWORD"
W = "WORD"
B = "BYTE"
S = "STRING"
X = "BYTE[n]"

_INTEGERS = (D, W, B)
_OLD = (Edition.V2011, Edition.V2013)


#: 位置汇报策略, parameter 0x0020.
REPORT_STRATEGIES = Choices(
    (0, "定时汇报", "by time"), (1, "定距汇报", "by distance"), (2, "定时和定距汇报", "by time and distance")
)

#: 位置汇报方案, parameter 0x0021.
REPORT_SCHEMES = Choices(
    (0, "根据ACC状态", "by ACC"), (1, "先判断登录状态, 若登录再根据ACC状态", "by login, then by ACC")
)

#: 终端电话接听策略, parameter 0x0045.
CALL_STRATEGIES = Choices(
    (0, "自动接听", "automatic"), (1, "ACC ON时自动接听, OFF时手动接听", "automatic with ACC on, else by hand")
)

#: GNSS定位模式, parameter 0x0090.
GNSS_MODES = Bits(
    Bit(0, "GPS", "GPS"), Bit(1, "北斗", "BeiDou"), Bit(2, "GLONASS", "GLONASS"), Bit(3, "Galileo", "Galileo")
)

#: GNSS波特率, parameter 0x0091.
GNSS_BAUDS = Choices(
    (0, "4800", "4800"),
    (1, "9600", "9600"),
    (2, "19200", "19200"),
    (3, "38400", "38400"),
    (4, "57600", "57600"),
    (5, "115200", "115200"),
)

#: GNSS模块详细定位数据输出频率, parameter 0x0092.
GNSS_RATES = Choices(
    (0, "500ms", "500 ms"),
    (1, "1000ms", "1000 ms"),
    (2, "2000ms", "2000 ms"),
    (3, "3000ms", "3000 ms"),
    (4, "4000ms", "4000 ms"),
)

#: GNSS模块详细定位数据上传方式, parameter 0x0094.
GNSS_UPLOADS = Choices(
    (0x00, "本地存储, 不上传", "store only"),
    (0x01, "按时间间隔上传", "by time"),
    (0x02, "按距离间隔上传", "by distance"),
    (0x0B, "按累计时间上传", "by accumulated time"),
    (0x0C, "按累计距离上传", "by accumulated distance"),
    (0x0D, "按累计条数上传", "by accumulated count"),
)


class ParameterRow(NamedTuple):
    """A row of the table.

    `type` is DWORD, WORD, BYTE, STRING (GBK) or BYTE[n]; a value of another length than its type is
    decoded by its length (terminals send 0x0084 as DWORD). `table` says what codes or bits mean.
    """

    id: int
    type: str
    name: str
    term: str
    unit: str = ""
    editions: tuple[Edition, ...] = ALL_EDITIONS
    table: Choices | Bits | None = None

    @property
    def english(self) -> str:
        """English name; it leaves the unit out, which the name ends with."""
        ending = _UNIT_ENDINGS.get(self.unit, "")
        return self.name.removesuffix(ending).replace("_", " ")


_UNIT_ENDINGS = {**UNIT_SUFFIXES, "0.1 km/h": "_0_1_kmh", "0.1 km": "_0_1_km"}

PARAMETER_ROWS = (
    ParameterRow(0x0001, D, "heartbeat_interval_s", "终端心跳发送间隔", "s"),
    ParameterRow(0x0002, D, "tcp_answer_timeout_s", "TCP消息应答超时时间", "s"),
    ParameterRow(0x0003, D, "tcp_retransmissions", "TCP消息重传次数"),
    ParameterRow(0x0004, D, "udp_answer_timeout_s", "UDP消息应答超时时间", "s"),
    ParameterRow(0x0005, D, "udp_retransmissions", "UDP消息重传次数"),
    ParameterRow(0x0006, D, "sms_answer_timeout_s", "SMS消息应答超时时间", "s"),
    ParameterRow(0x0007, D, "sms_retransmissions", "SMS消息重传次数"),
    # 0x0008–0x000F reserved
    ParameterRow(0x0010, S, "main_apn", "主服务器APN"),
    ParameterRow(0x0011, S, "main_dial_user", "主服务器无线通信拨号用户名"),
    ParameterRow(0x0012, S, "main_dial_password", "主服务器无线通信拨号密码"),
    ParameterRow(0x0013, S, "main_server", "主服务器地址"),
    ParameterRow(0x0014, S, "backup_apn", "备份服务器APN"),
    ParameterRow(0x0015, S, "backup_dial_user", "备份服务器无线通信拨号用户名"),
    ParameterRow(0x0016, S, "backup_dial_password", "备份服务器无线通信拨号密码"),
    ParameterRow(0x0017, S, "backup_server", "备份服务器地址"),
    ParameterRow(0x0018, D, "server_tcp_port", "服务器TCP端口", "", _OLD),
    ParameterRow(0x0019, D, "server_udp_port", "服务器UDP端口", "", _OLD),
    ParameterRow(0x001A, S, "ic_card_server", "道路运输证IC卡认证主服务器IP地址或域名", "", SINCE_2013),
    ParameterRow(0x001B, D, "ic_card_tcp_port", "道路运输证IC卡认证主服务器TCP端口", "", SINCE_2013),
    ParameterRow(0x001C, D, "ic_card_udp_port", "道路运输证IC卡认证主服务器UDP端口", "", SINCE_2013),
    ParameterRow(0x001D, S, "ic_card_backup_server", "道路运输证IC卡认证备份服务器IP地址或域名", "", SINCE_2013),
    # 0x001E–0x001F reserved
    ParameterRow(0x0020, D, "report_strategy", "位置汇报策略", table=REPORT_STRATEGIES),
    ParameterRow(0x0021, D, "report_scheme", "位置汇报方案", table=REPORT_SCHEMES),
    ParameterRow(0x0022, D, "interval_not_logged_in_s", "驾驶员未登录汇报时间间隔", "s"),
    ParameterRow(0x0023, S, "secondary_apn", "从服务器APN", "", ONLY_2019),
    ParameterRow(0x0024, S, "secondary_dial_user", "从服务器无线通信拨号用户名", "", ONLY_2019),
    ParameterRow(0x0025, S, "secondary_dial_password", "从服务器无线通信拨号密码", "", ONLY_2019),
    ParameterRow(0x0026, S, "secondary_server", "从服务器备份地址", "", ONLY_2019),
    ParameterRow(0x0027, D, "interval_sleeping_s", "休眠时汇报时间间隔", "s"),
    ParameterRow(0x0028, D, "interval_emergency_s", "紧急报警时汇报时间间隔", "s"),
    ParameterRow(0x0029, D, "interval_default_s", "缺省时间汇报间隔", "s"),
    # 0x002A–0x002B reserved
    ParameterRow(0x002C, D, "distance_default_m", "缺省距离汇报间隔", "m"),
    ParameterRow(0x002D, D, "distance_not_logged_in_m", "驾驶员未登录汇报距离间隔", "m"),
    ParameterRow(0x002E, D, "distance_sleeping_m", "休眠时汇报距离间隔", "m"),
    ParameterRow(0x002F, D, "distance_emergency_m", "紧急报警时汇报距离间隔", "m"),
    ParameterRow(0x0030, D, "inflection_angle_deg", "拐点补传角度", "°"),
    ParameterRow(0x0031, W, "fence_radius_m", "电子围栏半径", "m", SINCE_2013),
    ParameterRow(0x0032, X, "forbidden_period", "违规行驶时段范围", "", ONLY_2019),
    # 0x0033–0x003F reserved
    ParameterRow(0x0040, S, "platform_phone", "监控平台电话号码"),
    ParameterRow(0x0041, S, "reset_phone", "复位电话号码"),
    ParameterRow(0x0042, S, "factory_reset_phone", "恢复出厂设置电话号码"),
    ParameterRow(0x0043, S, "platform_sms_number", "监控平台SMS电话号码"),
    ParameterRow(0x0044, S, "sms_alarm_number", "接收终端SMS文本报警号码"),
    ParameterRow(0x0045, D, "answering_strategy", "终端电话接听策略", table=CALL_STRATEGIES),
    ParameterRow(0x0046, D, "call_limit_s", "每次最长通话时间", "s"),
    ParameterRow(0x0047, D, "monthly_call_limit_s", "当月最长通话时间", "s"),
    ParameterRow(0x0048, S, "monitor_phone", "监听电话号码"),
    ParameterRow(0x0049, S, "privileged_sms_number", "监管平台特权短信号码"),
    # 0x004A–0x004F reserved
    ParameterRow(0x0050, D, "alarm_mask", "报警屏蔽字", table=ALARM_FLAGS),
    ParameterRow(0x0051, D, "alarm_sms_switch", "报警发送文本SMS开关", table=ALARM_FLAGS),
    ParameterRow(0x0052, D, "alarm_photo_switch", "报警拍摄开关", table=ALARM_FLAGS),
    ParameterRow(0x0053, D, "alarm_photo_store", "报警拍摄存储标志", table=ALARM_FLAGS),
    ParameterRow(0x0054, D, "key_alarms", "关键标志", table=ALARM_FLAGS),
    ParameterRow(0x0055, D, "speed_limit_kmh", "最高速度", "km/h"),
    ParameterRow(0x0056, D, "overspeed_duration_s", "超速持续时间", "s"),
    ParameterRow(0x0057, D, "continuous_driving_limit_s", "连续驾驶时间门限", "s"),
    ParameterRow(0x0058, D, "daily_driving_limit_s", "当天累计驾驶时间门限", "s"),
    ParameterRow(0x0059, D, "minimum_rest_s", "最小休息时间", "s"),
    ParameterRow(0x005A, D, "maximum_parking_s", "最长停车时间", "s"),
    ParameterRow(0x005B, W, "overspeed_prewarning_0_1_kmh", "超速报警预警差值", "0.1 km/h", SINCE_2013),
    ParameterRow(0x005C, W, "fatigue_prewarning_s", "疲劳驾驶预警差值", "s", SINCE_2013),
    ParameterRow(0x005D, W, "collision_alarm", "碰撞报警参数设置", "", SINCE_2013),
    ParameterRow(0x005E, W, "rollover_angle_deg", "侧翻报警参数设置", "°", SINCE_2013),
    # 0x005F–0x0063 reserved
    ParameterRow(0x0064, D, "timed_photo", "定时拍照控制", "", SINCE_2013),
    ParameterRow(0x0065, D, "distance_photo", "定距拍照控制", "", SINCE_2013),
    # 0x0066–0x006F reserved
    ParameterRow(0x0070, D, "media_quality", "图像/视频质量"),
    ParameterRow(0x0071, D, "brightness", "亮度"),
    ParameterRow(0x0072, D, "contrast", "对比度"),
    ParameterRow(0x0073, D, "saturation", "饱和度"),
    ParameterRow(0x0074, D, "chroma", "色度"),
    ParameterRow(0x0075, X, "av_parameters", "音视频参数设置"),  # 0x0075–0x007C: JT/T 1078
    ParameterRow(0x0076, X, "av_channels", "音视频通道列表设置"),
    ParameterRow(0x0077, X, "channel_video_parameters", "单独视频通道参数设置"),
    ParameterRow(0x0079, X, "special_alarm_recording", "特殊报警录像参数设置"),
    ParameterRow(0x007A, D, "video_alarm_mask", "视频相关报警屏蔽字"),
    ParameterRow(0x007B, X, "image_analysis_alarm", "图像分析报警参数设置"),
    ParameterRow(0x007C, X, "sleep_wake", "终端休眠唤醒模式设置"),
    # 0x007D–0x007F reserved
    ParameterRow(0x0080, D, "odometer_0_1_km", "车辆里程表读数", "0.1 km"),
    ParameterRow(0x0081, W, "province", "车辆所在的省域ID"),
    ParameterRow(0x0082, W, "city", "车辆所在的市域ID"),
    ParameterRow(0x0083, S, "plate", "机动车号牌"),
    ParameterRow(0x0084, B, "plate_color", "车牌颜色", table=PLATE_COLOURS),
    # 0x0085–0x008F reserved
    ParameterRow(0x0090, B, "gnss_mode", "GNSS定位模式", "", SINCE_2013, table=GNSS_MODES),
    ParameterRow(0x0091, B, "gnss_baud", "GNSS波特率", "", SINCE_2013, table=GNSS_BAUDS),
    ParameterRow(0x0092, B, "gnss_output_rate", "GNSS模块详细定位数据输出频率", "", SINCE_2013, table=GNSS_RATES),
    ParameterRow(0x0093, D, "gnss_collection_s", "GNSS模块详细定位数据采集频率", "s", SINCE_2013),
    ParameterRow(0x0094, B, "gnss_upload_mode", "GNSS模块详细定位数据上传方式", "", SINCE_2013, table=GNSS_UPLOADS),
    ParameterRow(0x0095, D, "gnss_upload_setting", "GNSS模块详细定位数据上传设置", "", SINCE_2013),
    # 0x0096–0x00FF reserved
    ParameterRow(0x0100, D, "can1_collection_ms", "CAN总线通道1采集时间间隔", "ms", SINCE_2013),
    ParameterRow(0x0101, W, "can1_upload_s", "CAN总线通道1上传时间间隔", "s", SINCE_2013),
    ParameterRow(0x0102, D, "can2_collection_ms", "CAN总线通道2采集时间间隔", "ms", SINCE_2013),
    ParameterRow(0x0103, W, "can2_upload_s", "CAN总线通道2上传时间间隔", "s", SINCE_2013),
    # 0x0104–0x010F reserved
    ParameterRow(0x0110, X, "can_id_collection", "CAN总线ID单独采集设置", "", SINCE_2013),
    # 0x0111–0x01FF further CAN ids, see _row
    # 0xF000–0xFFFF vendor; of active safety profiles:
    ParameterRow(0xF0E9, X, "driver_comparison", "驾驶员比对"),
    ParameterRow(0xF364, X, "adas_parameters", "高级驾驶辅助系统参数"),
    ParameterRow(0xF365, X, "dsm_parameters", "驾驶员状态监测系统参数"),
    ParameterRow(0xF366, X, "tpms_parameters", "胎压监测系统参数"),
    ParameterRow(0xF367, X, "bsd_parameters", "盲区监测系统参数"),
    ParameterRow(0xF370, X, "intelligent_video_version", "智能视频协议版本信息"),
)

PARAMETERS = {row.id: row for row in PARAMETER_ROWS}

#: Parameters from 0x0111 on are like 0x0110, each for another CAN id.
_CAN_ID = 0x0110
_LAST_CAN_ID = 0x01FF


def _base_id(parameter_id: int) -> int:
    return _CAN_ID if _CAN_ID < parameter_id <= _LAST_CAN_ID else parameter_id


def _row(parameter_id: int) -> ParameterRow | None:
    row = PARAMETERS.get(_base_id(parameter_id))
    return row._replace(id=parameter_id) if row is not None and row.id != parameter_id else row


C = TypeVar("C", bound="type[Structure]")

#: Forms of the values that are blocks, by parameter id, in the order in which they are tried; filled by `@block`.
BLOCKS: dict[int, tuple[type[Structure], ...]] = {}


def block(parameter_id: int, *, clause: str, trailing: str = dev.BODY_TRAILING_BYTES) -> Callable[[C], C]:
    """Declare a form of a parameter whose value is a block or a word made of several things.

    An id may have several forms; the first that reads the value to its last byte is taken, so they differ in
    length or say by their own fields what they are not.

    Args:
        parameter_id: 参数ID.
        clause: where it is defined.
        trailing: as in `declare.structure`.
    """

    def decorate(cls: C) -> C:
        made = declare.structure(clause=clause, trailing=trailing)(cls)
        BLOCKS[parameter_id] = (*BLOCKS.get(parameter_id, ()), made)
        return made

    return decorate


def blocks_of(parameter_id: int) -> tuple[type[Structure], ...]:
    """Forms of the value of a parameter; () when it is a number or text."""
    return BLOCKS.get(_base_id(parameter_id), ())


class Parameter(TlvItem):
    """A parameter item 参数项: DWORD id, BYTE length, value."""

    __slots__ = ()

    ID_BYTES: ClassVar[int] = 4
    ID_TERM: ClassVar[str] = "参数ID"

    @classmethod
    def of(
        cls, parameter_id: int, value: int | str | bytes | Structure, edition: Edition = Edition.V2013
    ) -> "Parameter":
        """The item of a parameter; integers take the width of its type, text is GBK, blocks encode themselves.

        Args:
            parameter_id: 参数ID.
            value: its value; bytes are taken as they are.
            edition: that of the message, which decides a few blocks (0x005D).

        Raises:
            KeyError: an integer for a parameter that is not in the table.
            OverflowError: the integer does not fit its type.
        """
        if isinstance(value, Structure):
            return cls(parameter_id, value.encode(edition), value)
        if isinstance(value, bytes):
            data = value
        elif isinstance(value, str):
            data = value.encode(CODEC)
        else:
            data = value.to_bytes({D: 4, W: 2, B: 1}[PARAMETERS[parameter_id].type])
        return cls(parameter_id, data, _decode(_row(parameter_id), data))

    @classmethod
    def names(cls, item_id: int) -> tuple[str, str, str]:
        """Snake-case name, Chinese term and English name of an id."""
        row = _row(item_id)
        return (row.name, row.term, row.english) if row else ("", "", "")

    @classmethod
    def of_value(cls, item_id: int | None, name: str | None, value: object) -> Self:
        """The item of a parameter; without id and name, the one key of the value is the name."""
        if item_id is None and name is None and isinstance(value, Mapping) and len(value) == 1:
            ((name, value),) = value.items()
        if item_id is None:
            if name is None:
                raise EncodeError("is needed, or the name of a parameter", "id")
            item_id = _id_of(name)
        with in_field("value"):
            if isinstance(value, Mapping) and blocks_of(item_id):
                return cls(item_id, b"", from_first(blocks_of(item_id), value))
            return cls(item_id, _encode(item_id, value))

    @classmethod
    def read(cls, item_id: int, raw: bytes, at: int, scope: Scope) -> Self:
        """Make an item of received bytes."""
        row = _row(item_id)
        for form in blocks_of(item_id):
            structure = try_whole(form, raw, at, scope)
            if structure is not None:
                return cls(item_id, raw, structure)
        value = _decode(row, raw, scope.run.profile.text_encoding)
        run = scope.run
        if run.spans is not None:
            term, english, unit = (row.term, row.english, row.unit) if row else ("未知参数", "unknown parameter", "")
            with run.inside("value"):
                shown = shorten(raw) if value is None else str(value)
                meaning = _meaning(row, value, run.edition)
                place = run.where(), run.base + at, len(raw), raw
                run.spans.append(Span(*place, term, english, shown, unit, meaning, "§6"))
        return cls(item_id, raw, value)


#: Parameters with addresses of servers.
_SERVERS = frozenset({0x0013, 0x0017, 0x0026})


class ServerAddress(NamedTuple):
    """One of the servers of parameters 0x0013, 0x0017 and 0x0026.

    Args:
        host: IP address or name.
        port: None where the edition or the terminal has it in a parameter of its own.
    """

    host: str
    port: int | None


def server_addresses(value: str) -> tuple[ServerAddress, ...]:
    """The servers of a parameter: "host:port;host:port" in 2019, one host before (§6)."""
    found = []
    for one in value.split(";"):
        host, colon, port = one.strip().rpartition(":")
        if colon and port.isdecimal():
            found.append(ServerAddress(host, int(port)))
        elif one.strip():
            found.append(ServerAddress(one.strip(), None))
    return tuple(found)


def _meaning(row: ParameterRow | None, value: int | str | None, edition: Edition) -> str:
    """What a code, bits or an address mean."""
    if row is None or value is None:
        return ""
    if isinstance(value, str):
        servers = server_addresses(value) if row.id in _SERVERS and edition is Edition.V2019 else ()
        return "; ".join(
            f"地址 host {one.host}" + f", 端口 port {one.port}" * (one.port is not None) for one in servers
        )
    return "" if row.table is None else row.table.meaning(value, edition)


def _id_of(name: str) -> int:
    """The id of a parameter from its English or Chinese name."""
    for row in PARAMETER_ROWS:
        if is_called(name, row.term, row.name):
            return row.id
    names = [row.name for row in PARAMETER_ROWS]
    raise EncodeError(f"no parameter is called {name!r}{nearest(name, names)}", "name")


def _encode(parameter_id: int, value: object) -> bytes:
    """The bytes of a plain value from JSON."""
    row = _row(parameter_id)
    if row is not None and row.type == S:
        return encode_text(jsonvalues.text(value), TextRule())
    width = {D: 4, W: 2, B: 1}.get(row.type) if row is not None else None
    if width is None:
        raise ValueError("the value of this parameter is not a number or text; give its bytes as raw")
    table = None if row is None or jsonvalues.is_number(value) else row.table
    if isinstance(table, Choices):
        number = table.code(jsonvalues.text(value))
    elif isinstance(table, Bits):
        number = table.value([word.strip() for word in jsonvalues.text(value).split(";")])
    else:
        number = jsonvalues.whole(value)
    if not 0 <= number < 1 << 8 * width:
        raise ValueError(f"{number} does not fit; possible is 0 to {(1 << 8 * width) - 1}")
    return number.to_bytes(width)


def _decode(row: ParameterRow | None, raw: bytes, encoding: str = "auto") -> int | str | None:
    """Value by type and announced length; None for blocks and unknown ids."""
    if row is None or row.type == X:
        return None
    if row.type == S:
        return decode_text(raw, TextRule(encoding=encoding))[0]
    return int.from_bytes(raw) if len(raw) in (1, 2, 4) else None


def parameters_layout(count_at: int) -> Callable[[bytes, Edition], Edition]:
    """Tell the 2011 layout, which has a second count, by the ids that come out (§3.3).

    Args:
        count_at: body offset of the first count.
    """

    def detect(body: bytes, header: Edition) -> Edition:
        if header is Edition.V2019:
            return header
        if len(body) == count_at + 2:  # both counts and nothing else
            return Edition.V2011
        one, two = body[count_at + 1 : count_at + 5], body[count_at + 2 : count_at + 6]
        if len(one) == 4 and _plausible(one):
            return Edition.V2013
        return Edition.V2011 if len(two) == 4 and _plausible(two) else Edition.V2013

    return detect


def _plausible(parameter_id: bytes) -> bool:
    """Ids are above 0 and at most 0xFFFF."""
    return 0 < int.from_bytes(parameter_id) <= 0xFFFF
