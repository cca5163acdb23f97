"""The registries: vehicles 车辆, persons 从业人员, enterprises 企业, tanks 罐体, policies 保险.

Waybills and zones stand in `movements`. What the rules of supervision ask of a registry has a field of its own; the
rest of an archive belongs into the system it comes from. Dates are local days (+08:00).
"""

from collections.abc import Sequence
from typing import Final

from jtgate.storage.registry import choices
from jtgate.storage.registry.fields import Choice, Field, Kind, Need

PHONE_MAX: Final = 20
CODE_MAX: Final = 40
MASS_KG_MAX: Final = 500_000


def code(name: str, term: str, about: str, need: Need = "may", *, check: str = "", personal: bool = False) -> Field:
    """A number or code of something: no blanks, half-width characters."""
    return Field(name, term, "code", about, need, most=CODE_MAX, check=check, personal=personal)


def text(name: str, term: str, about: str, need: Need = "may", *, most: int = 200, personal: bool = False) -> Field:
    """Words."""
    return Field(name, term, "text", about, need, most=most, personal=personal)


def date(name: str, term: str, about: str, need: Need = "may", *, personal: bool = False) -> Field:
    """A local day."""
    return Field(name, term, "date", about, need, personal=personal)


def flag(name: str, term: str, about: str, need: Need = "may") -> Field:
    """Yes or no."""
    return Field(name, term, "flag", about, need)


def choice(name: str, term: str, about: str, options: tuple[Choice, ...], need: Need = "may") -> Field:
    """One of a closed set."""
    return Field(name, term, "choice", about, need, choices=options)


def phone(name: str, term: str, about: str, need: Need = "may") -> Field:
    """A telephone number."""
    return Field(name, term, "code", about, need, most=PHONE_MAX, check="phone", personal=True)


def mass(name: str, term: str, about: str) -> Field:
    """A mass in kilograms."""
    return Field(name, term, "integer", about, least=0, most=MASS_KG_MAX)


def plate(name: str, term: str, about: str, need: Need = "may") -> Field:
    """A number plate."""
    return Field(name, term, "code", about, need, most=12, check="plate", personal=True)


def color(name: str, term: str, about: str, need: Need = "may") -> Field:
    """The colour of a plate."""
    return choice(name, term, about, choices.COLORS, need)


def codes(name: str, term: str, about: str, *, check: str = "", need: Need = "may", item: str = "") -> Field:
    """A list of codes."""
    return Field(name, term, "list", about, need, item=code(item or name, term, about, check=check))


def classes(about: str) -> Field:
    """Classes of dangerous goods that something may carry."""
    return codes("permitted_classes", "许可类别", about, check="danger_class")


def un_numbers(name: str, term: str, about: str) -> Field:
    """A list of UN numbers."""
    return codes(name, term, about, check="un")


def photos(about: str) -> Field:
    """Where photographs lie: addresses or paths, never the pictures."""
    return Field("photos", "照片", "list", about, item=text("photos", "照片", about, most=500), personal=True)


COUNTY: Final = code("county", "区县代码", "Administrative code GB/T 2260, 6 digits: who supervises.", check="county")
REMARK: Final = text("remark", "备注", "What else there is to say.", most=500)


def _kind(
    name: str,
    term: str,
    about: str,
    facts: Sequence[Field],
    example: dict[str, object],
    orders: Sequence[tuple[str, str]] = (),
) -> Kind:
    return Kind(name, term, about, tuple(facts), tuple(orders), example)


VEHICLES: Final = _kind(
    "vehicles",
    "车辆",
    "Vehicles of transport enterprises; tractors and trailers are vehicles of their own.",
    (
        plate("plate", "车牌号", "Number plate.", "key"),
        color("plate_color", "车牌颜色", "Colour of the plate, by JT/T 697.7.", "key"),
        choice("vehicle_kind", "车辆种类", "What it does in a combination.", choices.VEHICLE_KINDS, "must"),
        code("enterprise", "企业编码", "Who operates it, key of `enterprises`.", "must"),
        Field("county", "区县代码", "code", COUNTY.about, "must", most=CODE_MAX, check="county"),
        choice("state", "营运状态", "Whether it operates.", choices.VEHICLE_STATES),
        code("terminal", "终端手机号", "Phone number of the terminal installed in it.", check="terminal"),
        date("terminal_installed_on", "终端安装日期", "Day on which the terminal was installed."),
        code("vin", "车架号", "Vehicle identification number, 17 characters.", check="vin"),
        text("vehicle_type", "车辆类型", "Type of the driving licence 行驶证, as it is written there.", most=40),
        text("brand_model", "厂牌型号", "Make and model.", most=60),
        date("registered_on", "注册登记日期", "First registration: intervals of inspection follow its age."),
        plate("trailer_plate", "挂车车牌号", "Trailer that it usually draws."),
        color("trailer_plate_color", "挂车车牌颜色", "Colour of the plate of that trailer."),
        code("tank", "罐体编号", "Tank that it carries, key of `tanks`."),
        code("certificate", "道路运输证号", "Number of the road transport certificate."),
        date("certificate_valid_to", "道路运输证有效期止", "Last day of the transport certificate (HZ14)."),
        date("reviewed_on", "年审日期", "Day of the last annual review (HZ33: insurance given back after it)."),
        date("review_valid_to", "年审有效期止", "Last day for which the annual review holds (HZ14)."),
        date("inspection_valid_to", "检验有效期止", "Last day of the safety inspection (HZ14)."),
        choice("technical_grade", "技术等级", "Technical grade; dangerous goods want grade one.", choices.GRADES),
        date("grade_valid_to", "技术等级有效期止", "Last day for which the grade holds."),
        mass("rated_load_kg", "核定载质量", "Mass that it may carry (HZ24)."),
        mass("curb_mass_kg", "整备质量", "Mass of the empty vehicle."),
        mass("gross_mass_kg", "总质量", "Largest mass with load."),
        mass("towed_mass_kg", "准牵引总质量", "Largest mass that it may draw."),
        classes("Classes on its transport certificate (HZ23)."),
        un_numbers("permitted_un", "许可品名", "UN numbers on its certificate, where it names them (HZ23)."),
        flag("blacklisted", "黑名单", "Whether it is on the black list."),
        photos("Where pictures from several sides lie."),
        REMARK,
    ),
    {
        "plate": "测A12345",
        "plate_color": "黄",
        "vehicle_kind": "TRACTOR",
        "enterprise": "E001",
        "county": "211102",
        "state": "OPERATING",
        "terminal": "13800138000",
        "certificate": "211100012345",
        "certificate_valid_to": "2029-05-31",
        "reviewed_on": "2026-05-12",
        "review_valid_to": "2027-05-31",
        "inspection_valid_to": "2027-05-31",
        "technical_grade": 1,
        "rated_load_kg": 0,
        "permitted_classes": ["2.1", "3"],
    },
)

PERSONS: Final = _kind(
    "persons",
    "从业人员",
    "Drivers, escorts and others who need a qualification.",
    (
        code("person", "人员编码", "The city's own code of a person.", "key"),
        text("name", "姓名", "Name.", "must", most=60, personal=True),
        code(
            "id_number",
            "身份证号",
            "Identity number with its check digit (GB 11643).",
            check="id_number",
            personal=True,
        ),
        phone("phone", "联系电话", "Telephone."),
        code("enterprise", "企业编码", "Employer, key of `enterprises`."),
        COUNTY,
        choice("state", "从业状态", "Whether at work.", choices.PERSON_STATES),
        Field(
            "roles",
            "岗位",
            "list",
            "What the person may do.",
            "must",
            item=choice("roles", "岗位", "What the person may do.", choices.ROLES),
        ),
        code("certificate", "从业资格证号", "Number of the qualification; driver cards tell it.", personal=True),
        text("certificate_issuer", "发证机关", "Who issued the qualification.", most=100),
        date("driver_valid_to", "驾驶员资格有效期止", "Last day of the qualification as driver (HZ12)."),
        code("escort_certificate", "押运员资格证号", "Number as escort, where it is another one.", personal=True),
        date("escort_valid_to", "押运员资格有效期止", "Last day of the qualification as escort (HZ27)."),
        date("loader_valid_to", "装卸管理资格有效期止", "Last day of the qualification for loading."),
        classes("Classes of goods that the qualification covers; none: all but 1 and 7 (HZ12)."),
        code("licence", "驾驶证号", "Number of the driving licence.", personal=True),
        codes("licence_classes", "准驾车型", "Classes of vehicles that may be driven, A2.", check="licence_class"),
        date("licence_valid_to", "驾驶证有效期止", "Last day of the driving licence (HZ12)."),
        date("learner_until", "实习期止", "Last day of the learner year 实习期, without dangerous goods (HZ12)."),
        date("medical_on", "体检日期", "Day of the last medical examination.", personal=True),
        date("medical_valid_to", "体检有效期止", "Last day for which it holds (HZ12).", personal=True),
        date("born_on", "出生日期", "Day of birth (age limit).", personal=True),
        date("contract_valid_to", "劳动合同有效期止", "Last day of the labour contract (HZ40)."),
        choice("integrity_grade", "诚信考核等级", "Grade of the integrity assessment.", choices.INTEGRITY_GRADES),
        date("integrity_on", "诚信考核日期", "Day of that assessment."),
        flag("blacklisted", "黑名单", "Whether on the black list (HZ12)."),
        flag("location_consent", "位置比对同意", "Whether the person was told and agreed that the phone is located."),
        text("photo_path", "人脸照片", "Where the photograph lies, never the picture.", most=500, personal=True),
        code("photo_sha256", "人脸照片摘要", "SHA-256 of that photograph.", check="sha256", personal=True),
        REMARK,
    ),
    {
        "person": "P0001",
        "name": "测试甲",
        "id_number": "110101190001010006",
        "phone": "13900000001",
        "enterprise": "E001",
        "county": "211102",
        "state": "ACTIVE",
        "roles": ["DRIVER", "ESCORT"],
        "certificate": "2111000000000001",
        "driver_valid_to": "2029-08-31",
        "escort_valid_to": "2029-08-31",
        "licence_classes": ["A2"],
        "licence_valid_to": "长期",
        "medical_valid_to": "2027-10-31",
    },
)

ENTERPRISES: Final = _kind(
    "enterprises",
    "企业",
    "Transport enterprises.",
    (
        code("enterprise", "企业编码", "The city's own code of an enterprise.", "key"),
        text("name", "企业名称", "Name.", "must", most=120),
        Field("county", "区县代码", "code", COUNTY.about, "must", most=CODE_MAX, check="county"),
        code("credit_code", "统一社会信用代码", "Unified social credit code (GB 32100).", check="credit_code"),
        choice("state", "经营状态", "Whether in business.", choices.ENTERPRISE_STATES),
        code("permit", "道路运输经营许可证号", "Number of the operating permit."),
        date("permit_valid_to", "经营许可证有效期止", "Last day of the operating permit."),
        classes("Classes in the scope of the permit (HZ23)."),
        un_numbers("permitted_un", "许可品名", "UN numbers in the scope, where it names them (HZ23)."),
        text("address", "地址", "Address.", most=300),
        text("legal_person", "法定代表人", "Legal representative.", most=60, personal=True),
        text("safety_manager", "安全负责人", "Who answers for safety.", most=60, personal=True),
        phone("safety_manager_phone", "安全负责人电话", "Telephone of who answers for safety."),
        phone("duty_phone", "值班电话", "Telephone that is answered day and night, told in incidents."),
        Field("monitor_count", "专职监控员人数", "integer", "Monitors on the roster (HZ36).", least=0, most=10_000),
        code("yard_zone", "停车场区域", "Its yard, key of `zones` (HZ30)."),
        Field("yard_area_m2", "停车场面积", "number", "Area of the yard.", least=0, most=10_000_000),
        date("yard_valid_to", "停车场使用期止", "Last day of lease or ownership of the yard (HZ40)."),
        Field(
            "platform_code",
            "平台接入码",
            "integer",
            "MSG_GNSSCENTERID of its platform under JT/T 809.",
            least=0,
            most=4_294_967_295,
        ),
        text("monitored_by", "第三方监控机构", "Who watches and handles alarms in its place.", most=120),
        date("monitored_from", "第三方监控合同起", "First day of that contract."),
        date("monitored_valid_to", "第三方监控合同止", "Last day of that contract."),
        flag("blacklisted", "黑名单", "Whether on the black list."),
        REMARK,
    ),
    {
        "enterprise": "E001",
        "name": "测试危货运输有限公司",
        "county": "211102",
        "credit_code": "91000000000000000K",
        "state": "OPERATING",
        "permit": "211100000001",
        "permit_valid_to": "2028-12-31",
        "permitted_classes": ["2.1", "3", "8"],
        "duty_phone": "0427-0000000",
        "monitor_count": 2,
    },
    (("monitored_from", "monitored_valid_to"),),
)

TANKS: Final = _kind(
    "tanks",
    "罐体",
    "Tanks with their own reports of inspection; a trailer may change its tank.",
    (
        code("tank", "罐体编号", "Number of the tank.", "key"),
        choice("tank_kind", "罐体类别", "By which rules it is inspected.", choices.TANK_KINDS, "must"),
        code("enterprise", "企业编码", "Owner, key of `enterprises`."),
        COUNTY,
        choice("state", "使用状态", "Whether in use.", choices.TANK_STATES),
        code("design_code", "罐体设计代码", "Tank code, such as LGBF."),
        Field("volume_m3", "罐体容积", "number", "Volume.", least=0, most=200),
        mass("filling_max_kg", "最大允许充装量", "Largest mass of goods in it (HZ24)."),
        un_numbers("media_un", "适装介质UN编号", "UN numbers on its list of media (HZ23)."),
        Field(
            "media",
            "适装介质",
            "list",
            "Names on its list of media, as written in the report.",
            item=text("media", "适装介质", "Name of a medium.", most=100),
        ),
        date("made_on", "制造日期", "Day of manufacture."),
        text("maker", "制造单位", "Manufacturer.", most=120),
        code("report", "检验报告号", "Number of the report of inspection; none: no report on file (HZ15)."),
        text("inspected_by", "检验机构", "Who inspected it.", most=120),
        date("inspected_on", "检验日期", "Day of the inspection."),
        date("report_valid_to", "检验有效期止", "Last day for which the report holds (HZ15)."),
        date("inspection_next_on", "下次检验日期", "Day by which a pressure vessel is to be inspected again (HZ15)."),
        REMARK,
    ),
    {
        "tank": "T0001",
        "tank_kind": "ATMOSPHERIC",
        "enterprise": "E001",
        "volume_m3": 32.5,
        "filling_max_kg": 24000,
        "media_un": ["1203", "1202"],
        "media": ["汽油", "柴油"],
        "report": "R2026-0001",
        "inspected_on": "2026-03-02",
        "report_valid_to": "2027-03-01",
    },
    (("made_on", "inspected_on"), ("inspected_on", "report_valid_to"), ("inspected_on", "inspection_next_on")),
)

YUAN_MAX: Final = 1_000_000_000

POLICIES: Final = _kind(
    "policies",
    "保险",
    "Insurance policies, above all carrier liability 承运人责任险.",
    (
        code("policy", "保单号", "Number of the policy.", "key"),
        choice("policy_kind", "险种", "What is insured.", choices.POLICY_KINDS, "must"),
        text("insurer", "保险公司", "Insurer.", "must", most=120),
        code("enterprise", "企业编码", "The insured, key of `enterprises`.", "must"),
        plate("plate", "车牌号", "Vehicle that is insured; none: every vehicle of the enterprise."),
        color("plate_color", "车牌颜色", "Colour of its plate."),
        choice("state", "保单状态", "What became of it.", choices.POLICY_STATES, "must"),
        date("begins_on", "保险起期", "First day that is covered.", "must"),
        date("ends_on", "保险止期", "Last day that is covered.", "must"),
        date("issued_on", "签单日期", "Day on which it was issued."),
        date("surrendered_on", "退保日期", "Day on which it was given back (HZ33)."),
        Field(
            "accident_sum_yuan",
            "每次事故责任限额",
            "integer",
            "Sum insured for one accident (HZ33).",
            least=0,
            most=YUAN_MAX,
        ),
        Field("total_sum_yuan", "累计责任限额", "integer", "Sum insured in all.", least=0, most=YUAN_MAX),
        codes("covered_classes", "承保类别", "Classes of goods that are covered; none: all.", check="danger_class"),
        REMARK,
    ),
    {
        "policy": "PL20260001",
        "policy_kind": "CARRIER",
        "insurer": "测试财产保险公司",
        "enterprise": "E001",
        "plate": "测A12345",
        "plate_color": "黄",
        "state": "ISSUED",
        "begins_on": "2026-06-01",
        "ends_on": "2027-05-31",
        "accident_sum_yuan": 300000,
    },
    (("begins_on", "ends_on"), ("begins_on", "surrendered_on")),
)
