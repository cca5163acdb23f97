"""What alarms are called: source and type of an alarm event or an episode in words, out of the tables of the codecs.

Sources:

    jt808:flag            bit of 报警标志
    jt808:area:K:ID:D     the same with its area: kind, number, direction
    jt1078:video          bit of 视频相关报警
    jt1078:driving        bit of 异常驾驶行为
    jsatl12:0x64 …        type of an alarm item of active safety
"""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from jtgate.codecs.jsatl12 import tables as jsatl12
from jtgate.codecs.jt808.tables import ALARM_FLAG_ROWS, CROSSING_DIRECTIONS, OVERSPEED_PLACES, SEGMENT_RESULTS
from jtgate.codecs.jt1078.items import ABNORMAL_DRIVING, VIDEO_ALARMS
from jtgate.codecs.profile import Dialect
from jtgate.codecs.tables import Bit, Choice, Choices

#: Bits of 报警标志 with an area of its own item: speeding in it, driving time on it.
_SPEEDING: Final = 1
_DRIVING_TIME: Final = 22
#: Names of one type in several dialects that are told at most.
_NAMES_MAX: Final = 2


class AlarmName(NamedTuple):
    """What an alarm is called."""

    zh: str
    en: str

    def __str__(self) -> str:
        return f"{self.zh} {self.en}" if self.zh != self.en else self.zh


#: Source of an alarm item -> the peripheral.
_ITEMS: Final = {
    "jsatl12:0x64": AlarmName("高级驾驶辅助", "ADAS"),
    "jsatl12:0x65": AlarmName("驾驶员状态监测", "DSM"),
    "jsatl12:0x66": AlarmName("胎压", "tyre pressure"),
    "jsatl12:0x67": AlarmName("盲区监测", "BSD"),
    "jsatl12:0x68": AlarmName("客运", "passengers"),
    "jsatl12:0x70": AlarmName("激烈驾驶", "harsh driving"),
    "jsatl12:0x71": AlarmName("卫星定位", "positioning"),
}
#: Source of an alarm item -> tables of its types, that of 苏标 first.
_TYPES: Final[Mapping[str, tuple[Choices, ...]]] = {
    "jsatl12:0x64": (jsatl12.ADAS_TYPES[Dialect.SU], *jsatl12.ADAS_TYPES.values()),
    "jsatl12:0x65": (jsatl12.DSM_TYPES[Dialect.SU], *jsatl12.DSM_TYPES.values()),
    "jsatl12:0x67": (jsatl12.BSD_TYPES,),
    "jsatl12:0x68": (jsatl12.PASSENGER_TYPES,),
    "jsatl12:0x70": (jsatl12.HARSH_DRIVING_TYPES,),
}
_TYRES: Final = "jsatl12:0x66"
_BITS: Final[Mapping[str, Iterable[Bit]]] = {"jt1078:video": VIDEO_ALARMS, "jt1078:driving": ABNORMAL_DRIVING}


def alarm_name(source: str, alarm_type: int) -> AlarmName:
    """What an alarm is called.

    Types that no table names, and sources that nobody knows, are told by their numbers. Some types mean different
    things in different dialects, and 苏标 does not name them: then they are all told.

    Args:
        source: as of `alarm_events` or `episodes`.
        alarm_type: number of the bit, or type byte of the item.
    """
    if source.startswith("jt808:"):
        return _in_area(_flag(alarm_type), source, alarm_type)
    if source in _BITS:
        return _bit(_BITS[source], alarm_type)
    if source == _TYRES:
        set_bits = [_bit(jsatl12.TYRE_ALARMS, bit) for bit in range(alarm_type.bit_length()) if alarm_type >> bit & 1]
        return _joined(set_bits) if set_bits else _ITEMS[source]
    return _of_item(source, alarm_type)


def _flag(bit: int) -> AlarmName:
    """A bit of 报警标志, by the latest edition that names it."""
    row = next((row for row in reversed(ALARM_FLAG_ROWS) if row.no == bit), None)
    return AlarmName(row.zh, row.en) if row is not None else _reserved(bit)


def _bit(table: Iterable[Bit], bit: int) -> AlarmName:
    row = next((row for row in table if row.no == bit), None)
    return AlarmName(row.zh, row.en) if row is not None else _reserved(bit)


def _reserved(bit: int) -> AlarmName:
    return AlarmName(f"保留位{bit}", f"reserved bit {bit}")


def _of_item(source: str, alarm_type: int) -> AlarmName:
    tables = _TYPES.get(source, ())
    rows = [row for table in tables if (row := table.get(alarm_type)) is not None]
    if rows and tables[0].get(alarm_type) is not None:
        rows = rows[:1]
    if rows:
        return _joined(AlarmName(row.zh, row.en) for row in _different(rows))
    item = _ITEMS.get(source)
    if item is None:
        return AlarmName(f"{source} type {alarm_type}", f"{source} type {alarm_type}")
    return AlarmName(f"{item.zh}类型0x{alarm_type:02x}", f"{item.en} type 0x{alarm_type:02x}")


def _different(rows: Iterable[Choice]) -> list[Choice]:
    """One row of each English name: dialects write the same in several Chinese ways."""
    return list({row.en: row for row in reversed(list(rows))}.values())[::-1][:_NAMES_MAX]


def _joined(names: Iterable[AlarmName]) -> AlarmName:
    found = list(names)
    return AlarmName(" / ".join(one.zh for one in found), " / ".join(one.en for one in found))


def _in_area(name: AlarmName, source: str, bit: int) -> AlarmName:
    """With kind and number of the area, and whether it was entered or left."""
    parts = source.split(":")[2:]
    if len(parts) < 2 or not all(part.isdecimal() for part in parts):
        return name
    place = OVERSPEED_PLACES.get(int(parts[0]))
    zh, en = (place.zh, place.en) if place is not None and parts[0] != "0" else ("区域", "area")
    table = None if bit == _SPEEDING else SEGMENT_RESULTS if bit == _DRIVING_TIME else CROSSING_DIRECTIONS
    how = table.get(int(parts[2])) if table is not None and len(parts) > 2 else None
    return AlarmName(
        f"{name.zh}({zh}{parts[1]}{how.zh if how else ''})",
        f"{name.en} ({en} {parts[1]}{f', {how.en}' if how else ''})",
    )
