"""General messages: answers, heartbeat, missing parts, server time (JT/T 808 §3.2)."""

from jtgate.codecs.declare import Message, bcd_time, by_edition, byte, message, of_kind, repeat, word
from jtgate.codecs.edition import Edition
from jtgate.codecs.jt808.tables import RESULTS
from jtgate.codecs.kinds import Number
from jtgate.codecs.profile import Profile
from jtgate.codecs.profiled import ProfiledCount
from jtgate.codecs.tables import Choices
from jtgate.codecs.timebase import WireTime

ALARM_HANDLED = 4

#: 结果 of 0x0001: that an alarm was handled is for the platform to say.
TERMINAL_RESULTS = Choices(*(row for row in RESULTS if row.code != ALARM_HANDLED))


@message(0x0001, clause="§3.2")
class TerminalGeneralAnswer(Message):
    """0x0001 终端通用应答."""

    answer_serial: int = word("应答流水号")
    answer_id: int = word("应答ID", as_hex=True)
    result: int = byte("结果", table=TERMINAL_RESULTS)


@message(0x8001, clause="§3.2")
class PlatformGeneralAnswer(Message):
    """0x8001 平台通用应答."""

    answer_serial: int = word("应答流水号")
    answer_id: int = word("应答ID", as_hex=True)
    result: int = byte("结果", table=RESULTS)


@message(0x0002, clause="§3.2")
class Heartbeat(Message):
    """0x0002 终端心跳; the vendor data some terminals add is `trailing` (§11 item 55)."""


@message(0x0004, clause="§3.2")
class TimeQuery(Message):
    """0x0004 查询服务器时间请求, 2019."""


@message(0x8004, clause="§3.2, §13 item 24")
class TimeAnswer(Message):
    """0x8004 查询服务器时间应答, 2019."""

    time: WireTime = bcd_time("服务器时间", utc=True)


def _parts_layout(body: bytes, header: Edition) -> Edition:
    """BYTE or WORD count, whichever fits the length (§3.2); they cannot both fit."""
    if len(body) >= 3 and len(body) == 3 + 2 * body[2]:
        return Edition.V2013 if header is Edition.V2019 else header
    if len(body) >= 4 and len(body) == 4 + 2 * int.from_bytes(body[2:4]):
        return Edition.V2019
    return header


def _count_bytes(profile: Profile, _edition: Edition) -> int | None:
    return {"auto": None, "byte": 1, "word": 2}[profile.parts_count]


#: BYTE since 2013, WORD in 2019 (§13 item 5).
_COUNT = ProfiledCount(by_edition(1, 1, 2), _count_bytes)


@message(0x8003, clause="§3.2, §13 item 5", detect=_parts_layout)
class PlatformPartsRequest(Message):
    """0x8003 服务器补传分包请求, since 2013."""

    first_serial: int = word("原始消息流水号")
    count: int = of_kind("重传包总数", _COUNT, counts="part_numbers", default=None)
    part_numbers: tuple[int, ...] = repeat("重传包ID列表", Number(2), count="count")


@message(0x0005, clause="§3.2, §13 item 5", detect=_parts_layout)
class TerminalPartsRequest(Message):
    """0x0005 终端补传分包请求, 2019."""

    first_serial: int = word("原始消息流水号")
    count: int = of_kind("重传包总数", _COUNT, counts="part_numbers", default=None)
    part_numbers: tuple[int, ...] = repeat("重传包ID列表", Number(2), count="count")
