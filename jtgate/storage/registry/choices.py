"""Closed sets of values in the registries."""

from typing import Final

from jtgate.codecs.jt808.tables import PLATE_COLOURS
from jtgate.storage.registry.fields import Choice

#: JT/T 697.7-2014, the numbers that terminals send.
COLORS: Final = tuple(
    Choice(row.code, row.zh, row.en, (row.zh.removesuffix("色"), f"{row.zh}牌")) for row in PLATE_COLOURS
)

VEHICLE_KINDS: Final = (
    Choice("TRUCK", "单体货车", "one vehicle that carries and drives", ("货车", "罐车", "单体车")),
    Choice("TRACTOR", "牵引车", "drives and carries nothing", ("半挂牵引车",)),
    Choice("TRAILER", "挂车", "carries and is drawn", ("半挂车", "全挂车")),
)

VEHICLE_STATES: Final = (
    Choice("OPERATING", "营运", "in operation", ("在营", "正常", "营运中")),
    Choice("STOPPED", "停运", "out of operation", ("停业", "报停")),
    Choice("MOVED", "转出", "moved to another place or owner", ("转籍", "过户")),
    Choice("SCRAPPED", "报废", "scrapped", ("注销",)),
)

GRADES: Final = (
    Choice(1, "一级", "grade one", ("一", "1级")),
    Choice(2, "二级", "grade two", ("二", "2级")),
    Choice(3, "三级", "grade three", ("三", "3级")),
)

ROLES: Final = (
    Choice("DRIVER", "驾驶员", "drives", ("驾驶人员", "驾驶人", "司机")),
    Choice("ESCORT", "押运员", "watches the goods on the way", ("押运人员",)),
    Choice("LOADER", "装卸管理人员", "is in charge of loading", ("装卸员", "装卸管理员")),
    Choice("MONITOR", "监控员", "watches the vehicles at a screen", ("监控人员", "专职监控员")),
    Choice("SAFETY", "安全管理员", "answers for safety in the enterprise", ("安全员", "安全管理人员")),
    Choice("DISPATCHER", "调度员", "makes waybills", ("调度人员",)),
)

PERSON_STATES: Final = (
    Choice("ACTIVE", "在岗", "at work", ("在职", "正常")),
    Choice("SUSPENDED", "停岗", "kept from work", ("暂停",)),
    Choice("LEFT", "离职", "no longer with the enterprise", ("注销",)),
)

INTEGRITY_GRADES: Final = (
    Choice("AAA", "优良", "AAA"),
    Choice("AA", "合格", "AA"),
    Choice("A", "基本合格", "A"),
    Choice("B", "不合格", "B"),
)

ENTERPRISE_STATES: Final = (
    Choice("OPERATING", "营业", "in business", ("营运", "正常", "存续")),
    Choice("SUSPENDED", "停业整顿", "told to stop until things are put right", ("停业",)),
    Choice("CLOSED", "终止", "out of business", ("注销", "吊销")),
)

TANK_KINDS: Final = (
    Choice("ATMOSPHERIC", "常压罐体", "atmospheric tank, GB 18564", ("常压",)),
    Choice("PRESSURE", "移动式压力容器", "mobile pressure vessel, TSG R0005", ("压力容器", "承压罐体")),
    Choice("CONTAINER", "罐式集装箱", "tank container", ("罐箱",)),
)

TANK_STATES: Final = (
    Choice("IN_USE", "在用", "in use", ("正常",)),
    Choice("STOPPED", "停用", "out of use"),
    Choice("SCRAPPED", "报废", "scrapped", ("注销",)),
)

POLICY_KINDS: Final = (
    Choice("CARRIER", "承运人责任险", "carrier liability", ("承运人责任保险", "道路危险货物承运人责任保险")),
    Choice("COMPULSORY", "交强险", "compulsory traffic liability", ("机动车交通事故责任强制保险",)),
    Choice("THIRD_PARTY", "商业三者险", "commercial third-party liability", ("三者险", "第三者责任险")),
    Choice("ENVIRONMENT", "环境污染责任险", "environmental liability"),
)

POLICY_STATES: Final = (
    Choice("ISSUED", "有效", "issued and in force", ("承保", "已承保")),
    Choice("CHANGED", "批改", "changed by an endorsement"),
    Choice("SURRENDERED", "退保", "given back by the insured"),
    Choice("CANCELLED", "注销", "cancelled by the insurer", ("作废",)),
)

WAYBILL_STATES: Final = (
    Choice("PLANNED", "待执行", "made, not on the way yet", ("已派发", "待发车", "未执行")),
    Choice("IN_TRANSIT", "运输中", "on the way", ("在途", "执行中")),
    Choice("DONE", "已完成", "closed after unloading", ("完成", "已办结", "办结")),
    Choice("CANCELLED", "已作废", "void", ("作废", "取消", "已取消")),
)

PACKING_GROUPS: Final = (
    Choice("I", "Ⅰ", "great danger", ("1", "Ⅰ类", "I类")),
    Choice("II", "Ⅱ", "medium danger", ("2", "Ⅱ类", "II类")),
    Choice("III", "Ⅲ", "minor danger", ("3", "Ⅲ类", "III类")),
)

UNITS: Final = (
    Choice("kg", "千克", "kilograms", ("公斤", "KG", "Kg")),
    Choice("t", "吨", "tonnes", ("T",)),
    Choice("L", "升", "litres", ("l",)),
    Choice("m3", "立方米", "cubic metres", ("m³", "方", "立方")),
    Choice("pcs", "件", "pieces", ("个", "箱", "桶", "瓶")),
)

ZONE_KINDS: Final = (
    Choice("PARK", "园区", "boundary of a chemical park", ("化工园区",)),
    Choice("GATE", "卡口", "gate of a park", ("出入口", "门岗")),
    Choice("YARD", "专用停车场", "yard for vehicles with dangerous goods", ("停车场",)),
    Choice("LOAD", "装货点", "where is loaded", ("装卸点",)),
    Choice("UNLOAD", "卸货点", "where is unloaded"),
    Choice("DEPOT", "企业停车场", "an enterprise's own yard", ("自有停车场",)),
    Choice("SERVICE", "服务区", "registered service area"),
    Choice("NOSTOP", "禁停区", "no stopping"),
    Choice("FORBID", "禁行区", "no entry at any time"),
    Choice("RESTRICT", "限行区", "no entry in certain hours or with certain goods"),
    Choice("SPEED", "限速区", "a lower speed limit"),
    Choice("APPROACH", "接近区", "ring around a park, in which arrivals are announced"),
    Choice("KEY", "重点区域", "school, hospital, water source", ("敏感区域",)),
)

DATUMS: Final = (
    Choice("WGS-84", "WGS-84", "that of satellites", ("WGS84", "EPSG:4326")),
    Choice("GCJ-02", "火星坐标", "that of maps sold in China", ("GCJ02", "高德", "国测局")),
)
