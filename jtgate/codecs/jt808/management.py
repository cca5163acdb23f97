"""Registration, authentication and parameters (JT/T 808 §3.3)."""

from jtgate.codecs import deviations as dev
from jtgate.codecs.declare import (
    BytesLeft,
    Message,
    by_edition,
    byte,
    chars,
    count_of,
    message,
    repeat,
    string,
    tlv,
    when,
    word,
)
from jtgate.codecs.edition import ONLY_2011, ONLY_2019, Edition
from jtgate.codecs.jt808.parameters import Parameter, parameters_layout
from jtgate.codecs.jt808.tables import PLATE_COLOURS, PLAUSIBLE_PLATE_COLOURS, REGISTER_RESULTS
from jtgate.codecs.kinds import Number
from jtgate.codecs.profile import AUTO, Profile
from jtgate.codecs.text import Pad


def _register_layout(body: bytes, header: Edition) -> Edition:
    """Length, then the plausibility of the byte where the plate colour would be (§2.4)."""

    def plausible(edition: Edition) -> bool:
        colour_at = Register.offset_of("plate_color", edition)
        return len(body) > colour_at and body[colour_at] in PLAUSIBLE_PLATE_COLOURS

    if header is Edition.V2019 and (len(body) >= Register.min_bytes(header) or not plausible(Edition.V2013)):
        return header
    if len(body) < Register.min_bytes(Edition.V2013):
        return Edition.V2011
    if not plausible(Edition.V2013) and plausible(Edition.V2011):
        return Edition.V2011
    return Edition.V2013


@message(0x0100, clause="§3.3", detect=_register_layout)
class Register(Message):
    """0x0100 终端注册."""

    province: int = word("省域ID")
    city: int = word("市县域ID")
    manufacturer: str = chars("制造商ID", by_edition(5, 5, 11))
    model: str = chars("终端型号", by_edition(8, 20, 30), pad=by_edition(Pad.SPACE_RIGHT, Pad.NUL_RIGHT, Pad.NUL_LEFT))
    terminal_id: str = chars("终端ID", by_edition(7, 7, 30))
    plate_color: int = byte("车牌颜色", table=PLATE_COLOURS)
    plate: str = string("车辆标识", plate=True)


@message(0x8100, clause="§3.3")
class RegisterAnswer(Message):
    """0x8100 终端注册应答; the code 鉴权码 follows only when the result is 0."""

    answer_serial: int = word("应答流水号")
    result: int = byte("结果", table=REGISTER_RESULTS)
    auth_code: str | None = string(
        "鉴权码", present=when("result", 0, tolerated=dev.REGISTER_ANSWER_CODE_AFTER_FAILURE), default=None
    )


@message(0x0003, clause="§3.2, §13 item 25")
class Unregister(Message):
    """0x0003 终端注销."""


@message(0x0101, clause="§3.1, §13 item 25")
class UnregisterAsPrinted(Unregister):
    """0x0101 终端注销 by the annex of 2011, whose body chapter has 0x0003."""


def unregister(profile: Profile = AUTO) -> Unregister:
    """The message with which a terminal logs out: 0x0003, or 0x0101 where its profile says so (§13 item 25)."""
    return Unregister() if profile.logout_id == Unregister.INFO.msg_id else UnregisterAsPrinted()


def _authenticate_layout(body: bytes, header: Edition) -> Edition:
    """2019 terminals may send the code alone, as 2013 does (§3.3)."""
    if header is Edition.V2019 and not (body and body[0] < len(body)):
        return Edition.V2013
    return header


_SHORT = dev.AUTHENTICATE_SHORT_TAIL


@message(0x0102, clause="§3.3", detect=_authenticate_layout)
class Authenticate(Message):
    """0x0102 终端鉴权; in 2019 the code has a length and is followed by IMEI and software version."""

    auth_code: str = string("鉴权码", prefix=by_edition(0, 0, 1))
    imei: str | None = chars("终端IMEI", 15, short=_SHORT, editions=ONLY_2019, present=BytesLeft(_SHORT), default=None)
    software_version: str | None = chars(
        "软件版本号", 20, short=_SHORT, editions=ONLY_2019, present=BytesLeft(_SHORT, after="imei"), default=None
    )


_WRONG_COUNT = dev.PARAMETERS_WRONG_COUNT
#: In 2011 the total may exceed what one package holds.
_WRONG_TOTAL = by_edition(None, _WRONG_COUNT, _WRONG_COUNT)


@message(0x8103, clause="§3.3", detect=parameters_layout(0), trailing=dev.PARAMETERS_OVERRUN)
class SetParameters(Message):
    """0x8103 设置终端参数."""

    count: int = count_of("parameters", 1, "参数总数", wrong=_WRONG_TOTAL, default=None)
    package_count: int | None = count_of(
        "parameters", 1, "包参数个数", wrong=_WRONG_COUNT, editions=ONLY_2011, default=None
    )
    parameters: tuple[Parameter, ...] = tlv("参数项列表", Parameter)


@message(0x0104, clause="§3.3", detect=parameters_layout(2), trailing=dev.PARAMETERS_OVERRUN)
class ParametersAnswer(Message):
    """0x0104 查询终端参数应答."""

    answer_serial: int = word("应答流水号")
    count: int = count_of("parameters", 1, "应答参数个数", wrong=_WRONG_TOTAL, default=None)
    package_count: int | None = count_of(
        "parameters", 1, "包参数个数", wrong=_WRONG_COUNT, editions=ONLY_2011, default=None
    )
    parameters: tuple[Parameter, ...] = tlv("参数项列表", Parameter)


@message(0x8104, clause="§3.2")
class QueryParameters(Message):
    """0x8104 查询终端参数."""


@message(0x8106, clause="§3.3")
class QueryGivenParameters(Message):
    """0x8106 查询指定终端参数, since 2013."""

    count: int = count_of("ids", 1, "参数总数", default=None)
    ids: tuple[int, ...] = repeat("参数ID列表", Number(4, as_hex=True), count="count")
