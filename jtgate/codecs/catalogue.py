"""Names of every message id the standards define, decoded here or not.

One table per standard and direction, in the order of the standard: id, English name, Chinese term, editions of
JT/T 808 that list it, and the message it is answered with (None: it is an answer itself, or needs none).
"""

from typing import NamedTuple

from jtgate.codecs.edition import ALL_EDITIONS, ONLY_2011, ONLY_2019, SINCE_2013, Edition

JT808 = "JT/T 808"
JT1078 = "JT/T 1078"
ACTIVE_SAFETY = "T/JSATL 12"
DRIVER_IDENTITY = "T/JLYSXH 1.3"
VENDOR = "vendor"


class MessageName(NamedTuple):
    """A row of the catalogue.

    Args:
        msg_id: 消息ID.
        name: English, lower case with underscores.
        term: name in the standard.
        upward: True from terminal to platform.
        standard: the document that defines it, "" for ids of nobody.
        editions: of JT/T 808 whose terminals use it.
        answer: message it is answered with, None for answers and what needs none.
    """

    msg_id: int
    name: str
    term: str
    upward: bool
    standard: str = ""
    editions: tuple[Edition, ...] = ()
    answer: int | None = None


_Row = tuple[int, str, str, tuple[Edition, ...], int | None]

# §3.1 of jt808
_JT808_UP: tuple[_Row, ...] = (
    (0x0001, "terminal_general_answer", "终端通用应答", ALL_EDITIONS, None),
    (0x0002, "heartbeat", "终端心跳", ALL_EDITIONS, 0x8001),
    (0x0003, "unregister", "终端注销", ALL_EDITIONS, 0x8001),
    (0x0004, "time_query", "查询服务器时间请求", ONLY_2019, 0x8004),
    (0x0005, "terminal_parts_request", "终端补传分包请求", ONLY_2019, None),
    (0x0100, "register", "终端注册", ALL_EDITIONS, 0x8100),
    # a slip of the 2011 annex that terminals followed (§13 item 25)
    (0x0101, "unregister_as_printed", "终端注销", ONLY_2011, 0x8001),
    (0x0102, "authenticate", "终端鉴权", ALL_EDITIONS, 0x8001),
    (0x0104, "parameters_answer", "查询终端参数应答", ALL_EDITIONS, None),
    (0x0107, "attributes_answer", "查询终端属性应答", SINCE_2013, None),
    (0x0108, "upgrade_result", "终端升级结果通知", SINCE_2013, 0x8001),
    (0x0200, "location_report", "位置信息汇报", ALL_EDITIONS, 0x8001),
    (0x0201, "location_query_answer", "位置信息查询应答", ALL_EDITIONS, None),
    (0x0205, "satellite_status", "卫星状态参数", ONLY_2019, 0x8001),
    (0x0301, "event_report", "事件报告", ALL_EDITIONS, 0x8001),
    (0x0302, "question_answer", "提问应答", ALL_EDITIONS, 0x8001),
    (0x0303, "information_demand", "信息点播/取消", ALL_EDITIONS, 0x8001),
    (0x0500, "vehicle_control_answer", "车辆控制应答", ALL_EDITIONS, None),
    (0x0608, "area_query_answer", "查询区域或线路数据应答", ONLY_2019, None),
    (0x0700, "recorder_upload", "行驶记录数据上传", ALL_EDITIONS, None),
    (0x0701, "waybill_report", "电子运单上报", ALL_EDITIONS, 0x8001),
    (0x0702, "driver_identity", "驾驶员身份信息采集上报", ALL_EDITIONS, 0x8001),
    (0x0704, "location_batch", "定位数据批量上传", SINCE_2013, 0x8001),
    (0x0705, "can_upload", "CAN总线数据上传", SINCE_2013, 0x8001),
    (0x0800, "media_event", "多媒体事件信息上传", ALL_EDITIONS, 0x8001),
    (0x0801, "media_upload", "多媒体数据上传", ALL_EDITIONS, 0x8800),
    (0x0802, "media_search_answer", "存储多媒体数据检索应答", ALL_EDITIONS, None),
    (0x0805, "camera_answer", "摄像头立即拍摄命令应答", SINCE_2013, None),
    (0x0900, "uplink_transparent", "数据上行透传", ALL_EDITIONS, 0x8001),
    (0x0901, "compressed_data", "数据压缩上报", ALL_EDITIONS, 0x8001),
    (0x0A00, "terminal_rsa_key", "终端RSA公钥", ALL_EDITIONS, 0x8A00),
    # 0x0F00–0x0FFF 终端上行消息保留 reserved, 0xE000–0xEFFF 厂商自定义上行消息 vendor
)

_JT808_DOWN: tuple[_Row, ...] = (
    (0x8001, "platform_general_answer", "平台通用应答", ALL_EDITIONS, None),
    (0x8003, "platform_parts_request", "服务器补传分包请求", SINCE_2013, None),
    (0x8004, "time_answer", "查询服务器时间应答", ONLY_2019, None),
    (0x8100, "register_answer", "终端注册应答", ALL_EDITIONS, None),
    (0x8103, "set_parameters", "设置终端参数", ALL_EDITIONS, 0x0001),
    (0x8104, "query_parameters", "查询终端参数", ALL_EDITIONS, 0x0104),
    (0x8105, "terminal_control", "终端控制", ALL_EDITIONS, 0x0001),
    (0x8106, "query_given_parameters", "查询指定终端参数", SINCE_2013, 0x0104),
    (0x8107, "query_attributes", "查询终端属性", SINCE_2013, 0x0107),
    (0x8108, "push_upgrade", "下发终端升级包", SINCE_2013, 0x0001),
    (0x8201, "location_query", "位置信息查询", ALL_EDITIONS, 0x0201),
    (0x8202, "tracking_control", "临时位置跟踪控制", ALL_EDITIONS, 0x0001),
    (0x8203, "confirm_alarm", "人工确认报警消息", SINCE_2013, 0x0001),
    (0x8204, "link_detection", "链路检测", ONLY_2019, 0x0001),
    (0x8300, "text_message", "文本信息下发", ALL_EDITIONS, 0x0001),
    (0x8301, "set_events", "事件设置", ALL_EDITIONS, 0x0001),
    (0x8302, "ask_question", "提问下发", ALL_EDITIONS, 0x0001),
    (0x8303, "set_information_menu", "信息点播菜单设置", ALL_EDITIONS, 0x0001),
    (0x8304, "information_service", "信息服务", ALL_EDITIONS, 0x0001),
    (0x8400, "call_back", "电话回拨", ALL_EDITIONS, 0x0001),
    (0x8401, "set_phone_book", "设置电话本", ALL_EDITIONS, 0x0001),
    (0x8500, "vehicle_control", "车辆控制", ALL_EDITIONS, 0x0001),
    (0x8600, "set_circles", "设置圆形区域", ALL_EDITIONS, 0x0001),
    (0x8601, "delete_circles", "删除圆形区域", ALL_EDITIONS, 0x0001),
    (0x8602, "set_rectangles", "设置矩形区域", ALL_EDITIONS, 0x0001),
    (0x8603, "delete_rectangles", "删除矩形区域", ALL_EDITIONS, 0x0001),
    (0x8604, "set_polygon", "设置多边形区域", ALL_EDITIONS, 0x0001),
    (0x8605, "delete_polygons", "删除多边形区域", ALL_EDITIONS, 0x0001),
    (0x8606, "set_route", "设置路线", ALL_EDITIONS, 0x0001),
    (0x8607, "delete_routes", "删除路线", ALL_EDITIONS, 0x0001),
    (0x8608, "area_query", "查询区域或线路数据", ONLY_2019, 0x0608),
    # 0x8609 is in none of the three editions
    (0x8700, "recorder_collect", "行驶记录数据采集命令", ALL_EDITIONS, 0x0700),
    (0x8701, "recorder_set", "行驶记录参数下传命令", ALL_EDITIONS, 0x0001),
    (0x8702, "query_driver_identity", "上报驾驶员身份信息请求", SINCE_2013, 0x0702),
    (0x8800, "media_upload_answer", "多媒体数据上传应答", ALL_EDITIONS, None),
    (0x8801, "take_picture", "摄像头立即拍摄命令", ALL_EDITIONS, 0x0001),
    (0x8802, "media_search", "存储多媒体数据检索", ALL_EDITIONS, 0x0802),
    (0x8803, "upload_stored_media", "存储多媒体数据上传命令", ALL_EDITIONS, 0x0001),
    (0x8804, "record_audio", "录音开始命令", ALL_EDITIONS, 0x0001),
    (0x8805, "upload_one_media", "单条存储多媒体数据检索上传命令", SINCE_2013, 0x0001),
    (0x8900, "downlink_transparent", "数据下行透传", ALL_EDITIONS, 0x0001),
    (0x8A00, "platform_rsa_key", "平台RSA公钥", ALL_EDITIONS, 0x0A00),
    # 0x8F00–0x8FFF 平台下行消息保留 reserved, 0xF000–0xFFFF 厂商自定义下行消息 vendor
)

_JT1078_UP: tuple[_Row, ...] = (
    (0x1003, "av_attributes", "终端上传音视频属性", ALL_EDITIONS, None),
    (0x1005, "passenger_flow", "终端上传乘客流量", ALL_EDITIONS, 0x8001),
    (0x1205, "resource_list", "终端上传音视频资源列表", ALL_EDITIONS, 0x8001),
    (0x1206, "file_upload_finished", "文件上传完成通知", ALL_EDITIONS, 0x8001),
)

_JT1078_DOWN: tuple[_Row, ...] = (
    (0x9003, "query_av_attributes", "查询终端音视频属性", ALL_EDITIONS, 0x1003),
    (0x9101, "live_request", "实时音视频传输请求", ALL_EDITIONS, 0x0001),
    (0x9102, "live_control", "音视频实时传输控制", ALL_EDITIONS, 0x0001),
    (0x9105, "live_status", "实时音视频传输状态通知", ALL_EDITIONS, 0x0001),
    (0x9201, "playback_request", "远程录像回放请求", ALL_EDITIONS, 0x1205),
    (0x9202, "playback_control", "远程录像回放控制", ALL_EDITIONS, 0x0001),
    (0x9205, "query_resources", "查询资源列表", ALL_EDITIONS, 0x1205),
    (0x9206, "file_upload", "文件上传指令", ALL_EDITIONS, 0x0001),
    (0x9207, "file_upload_control", "文件上传控制", ALL_EDITIONS, 0x0001),
    (0x9301, "ptz_rotate", "云台旋转", ALL_EDITIONS, 0x0001),
    (0x9302, "ptz_focus", "云台调整焦距控制", ALL_EDITIONS, 0x0001),
    (0x9303, "ptz_iris", "云台调整光圈控制", ALL_EDITIONS, 0x0001),
    (0x9304, "ptz_wiper", "云台雨刷控制", ALL_EDITIONS, 0x0001),
    (0x9305, "ptz_infrared", "红外补光控制", ALL_EDITIONS, 0x0001),
    (0x9306, "ptz_zoom", "云台变倍控制", ALL_EDITIONS, 0x0001),
)

_ACTIVE_SAFETY_UP: tuple[_Row, ...] = (
    (0x1210, "alarm_attachments", "报警附件信息消息", ALL_EDITIONS, 0x8001),
    (0x1211, "file_information", "文件信息上传", ALL_EDITIONS, 0x8001),
    (0x1212, "file_finished", "文件上传完成消息", ALL_EDITIONS, 0x9212),
    # 粤标 T/GDRTA 002-2020
    (0x1FC4, "upgrade_progress", "终端升级进度上报", ONLY_2019, 0x8001),
)

_ACTIVE_SAFETY_DOWN: tuple[_Row, ...] = (
    (0x9208, "request_attachments", "报警附件上传指令", ALL_EDITIONS, 0x0001),
    (0x9212, "file_finished_answer", "文件上传完成消息应答", ALL_EDITIONS, None),
)

# 吉标, taken over by 鲁标; the ids ending in 2x are of 湘标 (active-safety §5.4)
_DRIVER_IDENTITY_UP: tuple[_Row, ...] = (
    (0x0E10, "identity_comparison", "驾驶员身份识别上报", ALL_EDITIONS, 0x8E10),
    (0x0E11, "face_library_download_answer", "驾驶员身份库数据下载应答", ALL_EDITIONS, None),
    (0x0E12, "face_library_query_answer", "驾驶员身份库查询应答", ALL_EDITIONS, None),
    (0x0E22, "face_library_query_answer_hn", "驾驶员身份库查询应答(湘标)", ALL_EDITIONS, None),
)

_DRIVER_IDENTITY_DOWN: tuple[_Row, ...] = (
    (0x8E10, "identity_comparison_answer", "驾驶员身份识别上报应答", ALL_EDITIONS, None),
    (0x8E11, "face_library_download", "驾驶员身份信息库下发", ALL_EDITIONS, 0x0E11),
    (0x8E12, "face_library_query", "驾驶员身份库信息查询", ALL_EDITIONS, 0x0E12),
    (0x8E21, "face_library_synchronise_hn", "驾驶员身份信息库同步(湘标)", ALL_EDITIONS, 0x0E11),
    (0x8E22, "face_library_query_hn", "驾驶员身份库信息查询(湘标)", ALL_EDITIONS, 0x0E22),
)

# Of no standard, but met in the field (§3.1); only what is described there has a name.
_VENDOR_UP: tuple[_Row, ...] = (
    (0x0109, "vendor_time_request", "厂商校时请求", ALL_EDITIONS, 0x8109),
    (0x0210, "vendor_location_batch", "厂商位置批量上传", ALL_EDITIONS, 0x8001),
    (0x0506, "vendor_heartbeat", "厂商休眠心跳", ALL_EDITIONS, 0x8001),
    (0x1007, "vendor_time_zone", "厂商时区同步", ALL_EDITIONS, 0x8001),
    (0x1107, "vendor_attributes", "厂商终端属性", ALL_EDITIONS, 0x8001),
    (0x1300, "vendor_text_answer_utf16", "厂商文本指令应答(UTF-16)", ALL_EDITIONS, 0x8001),
    (0x2070, "vendor_acceleration", "厂商加速度数据", ALL_EDITIONS, 0x8001),
    (0x6006, "vendor_text_answer", "厂商文本指令应答", ALL_EDITIONS, 0x8001),
)

_VENDOR_DOWN: tuple[_Row, ...] = ((0x8109, "vendor_time_answer", "厂商校时应答", ALL_EDITIONS, None),)

#: Every id that has a name here, in the order of the tables.
CATALOGUE: dict[int, MessageName] = {
    msg_id: MessageName(msg_id, name, term, upward, standard, editions, answer)
    for standard, upward, rows in (
        (JT808, True, _JT808_UP),
        (JT808, False, _JT808_DOWN),
        (JT1078, True, _JT1078_UP),
        (JT1078, False, _JT1078_DOWN),
        (ACTIVE_SAFETY, True, _ACTIVE_SAFETY_UP),
        (ACTIVE_SAFETY, False, _ACTIVE_SAFETY_DOWN),
        (DRIVER_IDENTITY, True, _DRIVER_IDENTITY_UP),
        (DRIVER_IDENTITY, False, _DRIVER_IDENTITY_DOWN),
        (VENDOR, True, _VENDOR_UP),
        (VENDOR, False, _VENDOR_DOWN),
    )
    for msg_id, name, term, editions, answer in rows
}

UNKNOWN_NAME = "unknown"
UNKNOWN_TERM = "未知消息"


def message_name(msg_id: int) -> MessageName:
    """The row of an id; name "unknown" for ids of nobody, whose direction is told by the top bit."""
    known = CATALOGUE.get(msg_id)
    return known or MessageName(msg_id, UNKNOWN_NAME, UNKNOWN_TERM, msg_id < 0x8000)
