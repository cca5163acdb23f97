"""Attributes of a terminal, 0x8107 and 0x0107 (JT/T 808 §3.3).

Sources disagree on the widths of three fields, and real terminals of 2019 exist with a maker's id of 5 and of 11
bytes, so the widths are those with which the lengths in the body add up (§13 item 2, §11 item 25).
"""
# ruff: noqa: ARG002, D102  the methods of a kind are told by kinds.Kind; not every kind depends on the edition

from io import BytesIO
from typing import Any, ClassVar, NamedTuple

from jtgate.codecs import deviations as dev
from jtgate.codecs import jsonvalues
from jtgate.codecs.declare import LookAhead, Message, bcd, byte, message, of_kind, string, word
from jtgate.codecs.edition import ONLY_2019, Edition
from jtgate.codecs.kinds import ByEdition, Kind, Text
from jtgate.codecs.profile import Profile
from jtgate.codecs.tables import Bit, Bits
from jtgate.codecs.wire import Scope, Wire, build, parse, peek

#: 终端类型.
TERMINAL_TYPES = Bits(
    Bit(0, "客运车辆", "passenger"),
    Bit(1, "危险品车辆", "dangerous goods"),
    Bit(2, "普通货运车辆", "freight"),
    Bit(3, "出租车辆", "taxi"),
    # 4–5 reserved
    Bit(6, "硬盘录像", "hard-disk video"),
    Bit(7, "分体机", "split", "一体机", "one-piece"),
    Bit(8, "挂车", "trailer", editions=ONLY_2019),
    # 9–15 reserved
    clear_shown=(7,),
)

#: GNSS模块属性.
GNSS_MODULES = Bits(
    Bit(0, "GPS定位", "GPS"),
    Bit(1, "北斗定位", "BeiDou"),
    Bit(2, "GLONASS定位", "GLONASS"),
    Bit(3, "Galileo定位", "Galileo"),
    # 4–7 reserved
)

#: 通信模块属性.
COMMUNICATION_MODULES = Bits(
    Bit(0, "GPRS通信", "GPRS"),
    Bit(1, "CDMA通信", "CDMA"),
    Bit(2, "TD-SCDMA通信", "TD-SCDMA"),
    Bit(3, "WCDMA通信", "WCDMA"),
    Bit(4, "CDMA2000通信", "CDMA2000"),
    Bit(5, "TD-LTE通信", "TD-LTE"),
    # 6 reserved
    Bit(7, "其他通信方式", "other"),
)


class Widths(NamedTuple):
    """Bytes of 制造商ID, 终端型号 and 终端ID."""

    manufacturer: int
    model: int
    terminal_id: int

    def __str__(self) -> str:
        return "+".join(map(str, self))


#: Widths that were met, in the order in which those of 2019 are tried.
WIDTHS = (Widths(5, 30, 30), Widths(11, 30, 30), Widths(5, 20, 30), Widths(5, 20, 7), Widths(11, 20, 7))
_OLD = Widths(5, 20, 7)
_BY_NAME = {str(widths): widths for widths in WIDTHS}

_ICCID_BYTES = 10


def standard_widths(edition: Edition, profile: Profile) -> Widths:
    """The widths we write; in 2019 a profile may want a maker's id of 11 bytes."""
    if edition is not Edition.V2019:
        return _OLD
    return Widths(profile.manufacturer_bytes or 5, 30, 30)


def find_widths(rest: bytes, edition: Edition, profile: Profile) -> Widths:
    """The widths with which the lengths of what follows the terminal type add up; ours when none do.

    Args:
        rest: the body from the maker's id on.
        edition: whose widths are tried first.
        profile: in 2019 it may fix the width of the maker's id.
    """
    standard = standard_widths(edition, profile)
    only = profile.manufacturer_bytes if edition is Edition.V2019 else 0
    candidates = [widths for widths in WIDTHS if only in (0, widths.manufacturer)]
    candidates.sort(key=lambda widths: widths != standard)  # stable: the others keep their order
    return next((widths for widths in candidates if _adds_up(rest, widths)), standard)


def _adds_up(rest: bytes, widths: Widths) -> bool:
    hardware_at = sum(widths) + _ICCID_BYTES
    if hardware_at >= len(rest):
        return False
    firmware_at = hardware_at + 1 + rest[hardware_at]
    return firmware_at < len(rest) and len(rest) == firmware_at + 1 + rest[firmware_at] + 2


class FoundWidths(Kind):
    """The widths of the fields that follow, as "5+30+30"; no bytes of its own."""

    def con(self, edition: Edition) -> Any:
        return _FoundWidthsCon(edition)

    def types(self) -> frozenset[object]:
        return frozenset({str})

    def min_bytes(self, edition: Edition) -> int:
        return 0

    def from_json(self, value: object) -> str:
        if not isinstance(value, str) or value not in _BY_NAME:
            raise ValueError(f"{jsonvalues.shown(value)} is not one of {', '.join(_BY_NAME)}")
        return str(value)

    def wire_type(self, edition: Edition) -> str:
        return "no bytes; the widths found"

    def possible(self, edition: Edition) -> str:
        return ", ".join(_BY_NAME)


class _FoundWidthsCon(Wire):
    def __init__(self, edition: Edition) -> None:
        super().__init__()
        self.edition = edition

    def read(self, stream: BytesIO, scope: Scope) -> str:
        scope.run.note(dev.ATTRIBUTES_OTHER_WIDTHS)
        return str(find_widths(peek(stream), self.edition, scope.run.profile))

    def write(self, value: str, stream: BytesIO, scope: Scope) -> None:
        if value not in _BY_NAME:
            raise ValueError(f"the widths are one of {', '.join(_BY_NAME)}")


def _are_others(rest: bytes, scope: Scope) -> bool:
    edition, profile = scope.run.edition, scope.run.profile
    return find_widths(rest, edition, profile) != standard_widths(edition, profile)


class IdentityText(Text):
    """One of the three fields whose width was found.

    Args:
        index: which one, in the order of Widths.
    """

    #: For who asks without a body at hand.
    STANDARD: ClassVar[ByEdition[Widths]] = ByEdition(_OLD, _OLD, WIDTHS[0])

    def __init__(self, index: int) -> None:
        super().__init__(ByEdition(*(widths[index] for widths in self.STANDARD)))
        self.index = index

    def con(self, edition: Edition) -> Any:
        cons = {width: Text(width).con(edition) for width in sorted({widths[self.index] for widths in WIDTHS})}
        return _IdentityCon(self.index, edition, cons)

    def min_bytes(self, edition: Edition) -> int:
        return min(widths[self.index] for widths in WIDTHS)


class _IdentityCon(Wire):
    def __init__(self, index: int, edition: Edition, cons: dict[int, Any]) -> None:
        super().__init__()
        self.index = index
        self.edition = edition
        self.cons = cons

    def read(self, stream: BytesIO, scope: Scope) -> Any:
        return parse(self._con(scope), stream, scope)

    def write(self, value: str, stream: BytesIO, scope: Scope) -> None:
        build(self._con(scope), value, stream, scope)

    def _con(self, scope: Scope) -> Any:
        found = scope["widths"]
        widths = standard_widths(self.edition, scope.run.profile) if found is None else _BY_NAME[found]
        return self.cons[widths[self.index]]


@message(0x8107, clause="§3.2")
class QueryAttributes(Message):
    """0x8107 查询终端属性, since 2013."""


@message(0x0107, clause="§3.3, §13 item 2")
class AttributesAnswer(Message):
    """0x0107 查询终端属性应答, since 2013; no serial of the query, and some terminals send it unasked (§11 item 26)."""

    terminal_type: int = word("终端类型", table=TERMINAL_TYPES)
    widths: str | None = of_kind(
        "字段宽度", FoundWidths(), present=LookAhead(_are_others, "if they are not those of the edition"), default=None
    )
    manufacturer: str = of_kind("制造商ID", IdentityText(0))
    model: str = of_kind("终端型号", IdentityText(1))
    terminal_id: str = of_kind("终端ID", IdentityText(2))
    iccid: str = bcd("终端SIM卡ICCID", _ICCID_BYTES, en="ICCID")
    hardware_version: str = string("终端硬件版本号", prefix=1)
    firmware_version: str = string("终端固件版本号", prefix=1)
    gnss_modules: int = byte("GNSS模块属性", table=GNSS_MODULES, en="GNSS modules")
    communication_modules: int = byte("通信模块属性", table=COMMUNICATION_MODULES)
