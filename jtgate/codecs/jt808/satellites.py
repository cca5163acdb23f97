"""Satellites in view, message 0x0205 of Amendment 1 to the 2019 edition (JT/T 808 §3.4, §13 item 17)."""

from jtgate.codecs import deviations as dev
from jtgate.codecs.declare import (
    LookAhead,
    Message,
    Presence,
    Structure,
    by_edition,
    byte,
    count_of,
    message,
    nested,
    raw,
    repeat,
    structure,
    when,
    word,
)
from jtgate.codecs.edition import ONLY_2011, Edition
from jtgate.codecs.jt808.location import BASE_BYTES, LocationBase
from jtgate.codecs.wire import Scope

_SYSTEMS = 4
_RECORD_BYTES = 5


@structure(clause="§3.4")
class SatelliteSignal(Structure):
    """One satellite 卫星信息 of 0x0205."""

    number: int = byte("卫星编号", valid=(1, 200))
    elevation_deg: int = byte("仰角", unit="°", valid=(0, 90))
    azimuth_deg: int = word("方位角", unit="°", valid=(0, 359))
    carrier_to_noise_dbhz: int = byte("载噪比", unit="dBHz", valid=(0, 99), en="carrier to noise")


def _is_something_else(rest: bytes, scope: Scope) -> bool:
    """The four lists and the location do not fit: a terminal of before 2019 that uses the id for its own ends."""
    at = 0
    for _ in range(_SYSTEMS):
        at += 1 + _RECORD_BYTES * (rest[at] if at < len(rest) else 0)
    if at + BASE_BYTES <= len(rest):
        return False
    scope.run.note(dev.SATELLITES_OTHER_BODY)
    return True


#: Before 2019 the id is nobody's, so whatever comes is kept; a terminal of 2019 has to follow the amendment.
_STANDARD: Presence = when("other_data", None)
_HERE = by_edition(_STANDARD, _STANDARD, None)


@message(0x0205, clause="§3.4, §13 item 17")
class SatelliteStatus(Message):
    """0x0205 卫星状态参数, sent every 600 s."""

    other_data: bytes | None = raw(
        "其他数据",
        editions=(*ONLY_2011, Edition.V2013),
        present=LookAhead(_is_something_else, "if the lists do not fit"),
        default=None,
    )
    beidou_count: int | None = count_of(
        "beidou", 1, "北斗卫星数量", valid=(0, 100), present=_HERE, default=None, en="BeiDou count"
    )
    beidou: tuple[SatelliteSignal, ...] = repeat("北斗卫星信息", SatelliteSignal, count="beidou_count", default=())
    gps_count: int | None = count_of(
        "gps", 1, "GPS卫星数量", valid=(0, 100), present=_HERE, default=None, en="GPS count"
    )
    gps: tuple[SatelliteSignal, ...] = repeat("GPS卫星信息", SatelliteSignal, count="gps_count", default=())
    glonass_count: int | None = count_of(
        "glonass", 1, "GLONASS卫星数量", valid=(0, 100), present=_HERE, default=None, en="GLONASS count"
    )
    glonass: tuple[SatelliteSignal, ...] = repeat("GLONASS卫星信息", SatelliteSignal, count="glonass_count", default=())
    galileo_count: int | None = count_of(
        "galileo", 1, "Galileo卫星数量", valid=(0, 100), present=_HERE, default=None, en="Galileo count"
    )
    galileo: tuple[SatelliteSignal, ...] = repeat("Galileo卫星信息", SatelliteSignal, count="galileo_count", default=())
    location: LocationBase | None = nested("位置基本信息", LocationBase, present=_HERE, default=None)
