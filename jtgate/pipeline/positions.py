"""A position row out of a decoded location report: for terminals that the compiled columns cannot read.

It is the slow twin of `codecs.twins.columns`: under the recommended readings both give the same row, a test holds
them against each other. Under another profile the values are those of the profile; fingerprint and extra items are
the bytes as they came.
"""

import json
from typing import Final

from jtgate.codecs import timebase
from jtgate.codecs.declare import Structure
from jtgate.codecs.items import LocationItem
from jtgate.codecs.jt808 import LocationReport
from jtgate.codecs.twins import load
from jtgate.pipeline.arrived import Arrived
from jtgate.storage.model import POSITION_COLUMNS, PositionRow

_columns = load("columns")

#: Items that have a column are called as their columns are.
_ITEM_COLUMNS: Final = frozenset(POSITION_COLUMNS[POSITION_COLUMNS.index("mileage_km") : -1])
_WITH_COLUMN: Final = frozenset(item[0] for item in (*_columns.TENTHS_ITEMS, *_columns.INTEGER_ITEMS))


def row_of(report: LocationReport, body: bytes, arrived: Arrived, *, backfill: bool) -> PositionRow:
    """The row of one report.

    Args:
        report: decoded under the profile of the terminal.
        body: the bytes it was decoded from.
        arrived: the message it came in.
        backfill: it came in a 0x0704 of type 1, 盲区补报.
    """
    header, origin = arrived.header, arrived.origin
    time_ms = timebase.to_ms(report.time)
    # Without a time the serial tells a report from one that only looks like it, as in the columns.
    keyed = body if time_ms or header.msg_id != _columns.LOCATION_REPORT else body + header.serial.to_bytes(2)
    items, extra = _split(report)
    values: dict[str, object] = {
        "terminal_id": arrived.terminal_id,
        "device_time_ms": time_ms,
        "fingerprint": _columns.fingerprint(keyed),
        "received_ms": origin.received_ms,
        "time_state": timebase.time_state(time_ms, origin.received_ms),
        "session_id": origin.session_id,
        "spool_seq": origin.spool_seq,
        "serial": header.serial,
        "msg_id": header.msg_id,
        "backfill": int(backfill),
        "alarm_flags": int(report.alarm_flags),
        "status": report.status,
        "latitude": float(report.latitude) if abs(report.latitude) <= 90 else None,
        "longitude": float(report.longitude) if abs(report.longitude) <= 180 else None,
        "altitude_m": report.altitude_m,
        "speed_kmh": report.speed_kmh,
        "heading_deg": report.heading_deg,
        **items,
        "extra_items": extra,
    }
    return tuple(values.get(name) for name in POSITION_COLUMNS)


def _split(report: LocationReport) -> tuple[dict[str, object], str | None]:
    """Values of the items that have columns, and all others as JSON."""
    found: dict[str, object] = {}
    others: list[dict[str, object]] = []
    for item in report.items:
        values = _values(item)
        if values and found.keys().isdisjoint(values):
            found |= values
        else:
            others.append({"id": f"0x{item.id:02x}", "raw": item.raw.hex()})
    if report.trailing:
        others.append({"id": None, "raw": report.trailing.hex()})
    return found, json.dumps(others, separators=(",", ":")) if others else None


def _values(item: LocationItem) -> dict[str, object]:
    """Column -> value of an item that has columns and a length they can be read from."""
    if item.id not in _WITH_COLUMN or not isinstance(item.value, Structure):
        return {}
    values = {name: value for spec in item.value.SPECS if (value := getattr(item.value, name := spec.name)) is not None}
    plain = {name: int(value) if isinstance(value, int) else value for name, value in values.items()}
    return plain if plain.keys() <= _ITEM_COLUMNS else {}
