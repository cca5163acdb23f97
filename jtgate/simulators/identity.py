"""Who a simulated terminal is: phone, edition, plate, the drivers and their cards. All of it invented."""

from dataclasses import dataclass

from jtgate.codecs.edition import Edition
from jtgate.simulators.dice import Dice, Purpose

#: Shares of `--edition mix`.
EDITION_MIX = ((Edition.V2011, 0.05), (Edition.V2013, 0.55), (Edition.V2019, 0.40))

PROVINCE = 21  # 省域 Liaoning, GB/T 2260
CITY = 1100  # 市县域 Panjin
PLATE_YELLOW = 2  # 黄色, large vehicles

_FAMILY = "王李张刘陈杨赵黄周吴"
_GIVEN = ("建国", "志强", "海涛", "晓东", "立新", "春明", "玉柱", "长江")


@dataclass(frozen=True, slots=True)
class Identity:
    """The fixed facts of one terminal.

    Args:
        index: number in the fleet, from 0.
        phone: digits without leading zeros.
        edition: the edition it speaks.
    """

    index: int
    phone: str
    edition: Edition

    @property
    def plate(self) -> str:
        """车牌, made from the index."""
        return f"辽L{self.index % 100_000:05d}"

    @property
    def terminal_id(self) -> str:
        """终端ID: seven capitals and digits."""
        return f"S{self.index % 1_000_000:06d}"

    @property
    def imei(self) -> str:
        """Fifteen digits."""
        return f"86{self.index % 10**13:013d}"


@dataclass(frozen=True, slots=True)
class Driver:
    """A driver's card 从业资格证IC卡."""

    name: str
    certificate: str
    issuer: str
    id_number: str


def identity_of(index: int, phone_base: int, edition: Edition | None, dice: Dice) -> Identity:
    """The terminal of this number.

    Args:
        index: from 0.
        phone_base: phone of number 0; the others follow.
        edition: None for the mix.
        dice: chances of this terminal.
    """
    if edition is None:
        left = dice.roll(Purpose.EDITION, 0)
        for edition, share in EDITION_MIX:  # noqa: B007, PLR1704  the last one stays when rounding leaves a rest
            if left < share:
                break
            left -= share
    return Identity(index, str(phone_base + index), edition or Edition.V2013)


def driver_of(identity: Identity, driver_no: int) -> Driver:
    """The first or second driver of a vehicle.

    Args:
        identity: the terminal of the vehicle.
        driver_no: 1 or 2.
    """
    number = identity.index * 2 + driver_no
    return Driver(
        name=_FAMILY[number % len(_FAMILY)] + _GIVEN[number // len(_FAMILY) % len(_GIVEN)],
        certificate=f"2111{number:015d}",
        issuer="盘锦市交通运输局",
        id_number=f"21110019{60 + number % 40}0101{number % 10_000:04d}",
    )
