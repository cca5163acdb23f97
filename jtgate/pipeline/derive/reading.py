"""Reading facts and derived rows of one terminal back from the store."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

import msgspec

from jtgate.codecs.timebase import TIME_GOOD, time_state
from jtgate.pipeline.derive.facts import AlarmItem
from jtgate.storage.model import POSITION_COLUMNS, AlarmEventRow, PositionRow
from jtgate.storage.store import Row, Store, TimedKey
from jtgate.storage.tables import PAGED

ITEM_PREFIX: Final = "jsatl12:"
#: Rows that one call to the store gives.
PAGE_ROWS: Final = 2000

#: Reports that come later than this are not derived from: no blind area lasts so long, but clocks go wrong by years.
OLDEST_MS: Final = 31 * 86_400_000

_TIME_STATE: Final = POSITION_COLUMNS.index("time_state")
_TIME: Final = POSITION_COLUMNS.index("device_time_ms")
_RECEIVED: Final = POSITION_COLUMNS.index("received_ms")


class _AlarmId(msgspec.Struct):
    alarm_id: int = 0


_body = msgspec.json.Decoder(_AlarmId)


def item_of(row: AlarmEventRow | Mapping[str, Any]) -> AlarmItem | None:
    """The alarm item of an alarm event; None for a flag bit, and for one whose time is no good."""
    facts: Mapping[str, Any] = row._asdict() if isinstance(row, AlarmEventRow) else row
    if not facts["source"].startswith(ITEM_PREFIX):
        return None
    time_ms = facts["alarm_time_ms"]
    if time_state(time_ms, facts["received_ms"]) != TIME_GOOD or facts["received_ms"] - time_ms > OLDEST_MS:
        return None
    try:
        alarm_id = _body.decode(facts["body"]).alarm_id
    except msgspec.MsgspecError:
        alarm_id = 0
    return AlarmItem(
        time_ms=time_ms,
        fingerprint=facts["fingerprint"],
        source=facts["source"],
        alarm_type=facts["alarm_type"],
        phase=facts["phase"],
        level=facts["level"],
        latitude=facts["latitude"],
        longitude=facts["longitude"],
        speed_kmh=facts["speed_kmh"],
        alarm_number=facts["alarm_number"],
        attachment_count=facts["attachment_count"],
        serial=facts["serial"],
        alarm_id=alarm_id,
    )


def is_of_use(row: PositionRow) -> bool:
    """Whether the time of a position can be believed."""
    time_ms, received_ms = cast("int", row[_TIME]), cast("int", row[_RECEIVED])
    return row[_TIME_STATE] == TIME_GOOD and received_ms - time_ms <= OLDEST_MS


def positions_after(store: Store, terminal: str, after_ms: int) -> Iterator[PositionRow]:
    """Positions of a terminal that are of use after a time, by time and fingerprint as the store has them."""
    after: TimedKey | None = None
    while True:
        page = store.positions(terminal=terminal, from_ms=after_ms + 1, after=after, limit=PAGE_ROWS)
        for row in page:
            found = tuple(row[name] for name in POSITION_COLUMNS)
            if is_of_use(found):
                yield found
        if len(page) < PAGE_ROWS:
            return
        last = page[-1]
        after = cast("TimedKey", (last["terminal_id"], last["device_time_ms"], last["fingerprint"]))


def items_after(store: Store, terminal: str, after_ms: int) -> list[AlarmItem]:
    """Alarm items of a terminal after a time, in their order."""
    rows = pages(store, "alarm_events", terminal, after_ms + 1)
    return sorted((item for item in map(item_of, rows) if item is not None), key=order_of)


def order_of(item: AlarmItem) -> tuple[int, int, str]:
    """What alarm items are sorted by; the rest of two that are equal in it may be told otherwise by their reports."""
    return item.time_ms, item.fingerprint, item.source


def pages(
    store: Store, table: str, terminal: str, from_ms: int, to_ms: int | None = None, **matching: Any
) -> list[Row]:
    """All rows of a terminal in a stretch of time, newest first."""
    found: list[Row] = []
    time = PAGED[table].time
    before: tuple[int, int] | None = None
    while True:
        page = store.page(
            table, terminals=[terminal], from_ms=from_ms, to_ms=to_ms, matching=matching, before=before, limit=PAGE_ROWS
        )
        found += page
        if len(page) < PAGE_ROWS:
            return found
        before = cast("tuple[int, int]", (page[-1][time], page[-1]["id"]))
