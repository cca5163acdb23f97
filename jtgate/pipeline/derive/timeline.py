"""Folding the facts of terminals: one step for what comes in order, anew from a checkpoint for what comes late.

Folding anew reads the facts behind the checkpoint from the store. Derived rows that the store has of that stretch and
the fold does not bring are withdrawn. "Of that stretch" are rows that begin or end after the checkpoint or have not
ended, because nothing else can depend on later facts; and what goes on at the checkpoint is brought as well (`held`).
"""

import json
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from jtgate.pipeline.derive import reading
from jtgate.pipeline.derive.facts import AlarmItem, Key, Rows
from jtgate.pipeline.derive.media import media_numbers
from jtgate.pipeline.derive.states import Kept, Machines, Terminal, sorted_rows, unpack
from jtgate.pipeline.derive.zones import ZoneMap
from jtgate.storage.model import (
    ALARM_NUMBERS_MAX,
    POSITION_COLUMNS,
    CheckpointRow,
    EpisodeRow,
    PositionRow,
    StopRow,
    TripRow,
    ZoneVisitRow,
)
from jtgate.storage.store import Row, Store
from jtgate.storage.tables import PAGED

#: Terminals in memory, about 30 KB each; beyond it the one heard of longest ago is folded anew when it comes again.
TERMINALS_MAX: Final = 30_000
#: A checkpoint is kept for each so long stretch of a terminal's time in which it was heard of.
CHECKPOINT_MS: Final = 2 * 3_600_000
#: What was missed may be older than the newest checkpoint by so much: reports of a blind area.
GAP_BACK_MS: Final = 86_400_000
#: Derived rows that began so long before a checkpoint are looked at too: they may have ended after it.
LOOK_BACK_MS: Final = 3 * 86_400_000
#: Derived tables with a state, and the end of their rows.
ENDS: Final = {"episodes": "ended_ms", "trips": "ended_ms", "stops": "ended_ms", "zone_visits": "exited_ms"}
_ROWS: Final[dict[str, Any]] = {
    "episodes": EpisodeRow,
    "trips": TripRow,
    "stops": StopRow,
    "zone_visits": ZoneVisitRow,
}
#: Columns that others fill in: the machines know nothing of them.
FILLED_IN: Final = frozenset(
    {"plate", "plate_color", "person", "person_confidence", "waybill", "driver", "laden", "updated_ms", "confirmed_ms"}
    | {"evidence_state", "risk_started_ms"}
)
#: Tables of whose rows every column is the machines'.
OURS: Final = frozenset({"stops", "point_quality"})

_TIME: Final = POSITION_COLUMNS.index("device_time_ms")
_SEQ: Final = POSITION_COLUMNS.index("spool_seq")


class Told(msgspec.Struct, frozen=True):
    """A fact of the feed with the group that it came in."""

    seq: int
    item: AlarmItem


class Timeline:
    """All terminals in memory.

    Args:
        store: facts, checkpoints and derived rows.
        machines: see Machines.
    """

    def __init__(self, store: Store, machines: Machines) -> None:
        self._store = store
        self.machines = machines
        self._terminals: OrderedDict[int, Terminal] = OrderedDict()
        self.counts: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._terminals)

    def forget(self) -> None:
        """Forget every terminal: what was folded was not written, or the machines are others now."""
        self._terminals.clear()

    def use_zones(self, zones: ZoneMap) -> None:
        """Use another map of zones from now on; visits go on as they are."""
        self.machines.use_zones(zones)

    def fold(
        self,
        terminal_id: int,
        name: str,
        rows: Sequence[PositionRow],
        items: Sequence[Told],
        stored_seq: int,
    ) -> tuple[Rows, list[CheckpointRow]]:
        """Fold what is new of a terminal.

        Args:
            terminal_id: its number.
            name: its digits.
            rows: positions with good times, in any order.
            items: alarm items.
            stored_seq: group of the spool up to which the store has everything, those that are still to come too.

        Returns:
            Derived rows that may have changed, and checkpoints.

        Raises:
            StoreError: the store cannot be read now.
        """
        terminal = self._terminals.get(terminal_id)
        if terminal is None:  # what is new may be older than its newest checkpoint
            times = [*map(_time, rows), *(told.item.time_ms for told in items)]
            return self._anew(terminal_id, name, min(times, default=None), stored_seq)
        self._terminals.move_to_end(terminal_id)
        found, checkpoints = Rows(), list[CheckpointRow]()
        late_ms: list[int] = []
        for row in sorted_rows(row for row in rows if not terminal.has_read(_seq(row), _time(row), items=False)):
            if terminal.seconds.has(row):
                self.counts["repeated"] += 1
                continue
            self._checkpoint(terminal, _time(row), checkpoints)
            if not terminal.seconds.add(row, found):
                late_ms.append(_time(row))
        new = (told.item for told in items if not terminal.has_read(told.seq, told.item.time_ms, items=True))
        for item in sorted(new, key=reading.order_of):
            if terminal.items.has(item):
                self.counts["repeated"] += 1
            elif not terminal.items.add(item, found):
                late_ms.append(item.time_ms)
        if late_ms:
            self.counts["late"] += len(late_ms)
            return self._anew(terminal_id, name, min(late_ms), stored_seq)
        terminal.settle(found)
        self.counts["folded"] += len(rows) + len(items)
        return self._with_filled_in(name, found), checkpoints

    def fold_back(self, terminal_id: int, name: str, stored_seq: int) -> tuple[Rows, list[CheckpointRow]]:
        """Fold a terminal anew, from GAP_BACK_MS before its newest checkpoint: nobody knows which facts were missed.

        Args:
            terminal_id: its number.
            name: its digits.
            stored_seq: see `fold`.

        Raises:
            StoreError: the store cannot be read now.
        """
        newest = self._store.page("checkpoints", terminals=[name], limit=1)
        at_ms: Any = newest[0]["at_ms"] if newest else 0
        return self._anew(terminal_id, name, at_ms - GAP_BACK_MS, stored_seq)

    def _checkpoint(self, terminal: Terminal, time_ms: int, checkpoints: list[CheckpointRow]) -> None:
        """Keep what is settled when the time enters another stretch."""
        newest_ms = terminal.seconds.newest_ms
        if newest_ms and time_ms // CHECKPOINT_MS > newest_ms // CHECKPOINT_MS:
            at_ms = time_ms // CHECKPOINT_MS * CHECKPOINT_MS
            data = msgspec.msgpack.encode(terminal.kept())
            checkpoints.append(CheckpointRow(terminal.terminal_id, at_ms, data, 0))

    def _anew(
        self, terminal_id: int, name: str, late_ms: int | None, stored_seq: int
    ) -> tuple[Rows, list[CheckpointRow]]:
        """Fold a terminal from the newest checkpoint before a time (None: the newest one), out of the store."""
        self.counts["anew"] += 1
        kept = self._kept(name, late_ms) or self.machines.start()
        terminal = Terminal(terminal_id, self.machines, kept, stored_seq)
        found, checkpoints = Rows(), list[CheckpointRow]()
        self.machines.held(kept, found, terminal_id)
        for row in reading.positions_after(self._store, name, kept.seconds_ms):
            self._checkpoint(terminal, _time(row), checkpoints)
            terminal.seconds.add(row, found)
        for item in reading.items_after(self._store, name, kept.items_ms):
            terminal.items.add(item, found)
        terminal.settle(found)
        self._terminals[terminal_id] = terminal
        self._terminals.move_to_end(terminal_id)
        while len(self._terminals) > TERMINALS_MAX:
            self._terminals.popitem(last=False)
            self.counts["forgotten"] += 1
        return self._compared(name, found, kept), checkpoints

    def _kept(self, name: str, late_ms: int | None) -> Kept | None:
        """The newest checkpoint that knows nothing of a time or what came after it."""
        before_ms = None if late_ms is None else late_ms + CHECKPOINT_MS
        for row in self._checkpoints(name, before_ms):
            kept = unpack(row["state"])  # type: ignore[arg-type]
            if kept is not None and (late_ms is None or max(kept.seconds_ms, kept.items_ms) < late_ms):
                return kept
        return None

    def _checkpoints(self, name: str, to_ms: int | None) -> Iterator[Row]:
        yield from reading.pages(self._store, "checkpoints", name, 0, to_ms)

    def _with_filled_in(self, name: str, found: Rows) -> Rows:
        """Rows that differ from what is stored, with what others have filled in."""
        changed = Rows()
        for table, rows in found.tables.items():
            if table in OURS:
                changed.tables[table] = dict(zip(_full_keys(table, rows), rows.values(), strict=True))
                continue
            time = PAGED[table].time
            times = [getattr(row, time) for row in rows.values()]
            stored = _by_key(table, reading.pages(self._store, table, name, min(times), max(times)))
            _put_changed(changed, table, rows, stored)
        changed.limits.update(found.limits)
        return changed

    def _compared(self, name: str, found: Rows, kept: Kept) -> Rows:
        """The same, and rows of the stretch that the fold does not bring, withdrawn."""
        changed = Rows()
        for table in {*found.tables, *ENDS}:
            rows = found.tables.get(table, {})
            time = PAGED[table].time
            since_ms = max(0, min(kept.seconds_ms, kept.items_ms) - LOOK_BACK_MS)
            times = [since_ms, *(getattr(row, time) for row in rows.values())]
            stored = _by_key(table, reading.pages(self._store, table, name, min(times)))
            if table in ENDS:
                open_rows = reading.pages(self._store, table, name, 0, state="open")
                stored |= _by_key(table, open_rows)
            _put_changed(changed, table, rows, stored)
            if table not in ENDS:
                continue
            brought = set(_full_keys(table, rows))
            for key, row in stored.items():
                if key not in brought and _is_after(table, row, kept):
                    self.counts["withdrawn"] += 1
                    changed.put(table, key, row_of(table, row)._replace(state="withdrawn"))
        changed.limits.update(found.limits)
        return changed


def _time(row: PositionRow) -> int:
    value: Any = row[_TIME]
    return int(value)


def _seq(row: PositionRow) -> int:
    value: Any = row[_SEQ]
    return int(value or 0)


def _full_keys(table: str, rows: dict[Key, Any]) -> list[Key]:
    return [tuple(getattr(row, name) for name in PAGED[table].key) for row in rows.values()]


def _by_key(table: str, rows: Iterable[Row]) -> dict[Key, Row]:
    return {tuple(row[name] for name in PAGED[table].key): row for row in rows}


def row_of(table: str, row: Row) -> Any:
    """A row of one of ENDS as the store takes it, out of what it gives."""
    return _ROWS[table](**{name: row[name] for name in PAGED[table].columns})


def _is_after(table: str, row: Row, kept: Kept) -> bool:
    """Whether a stored row depends on facts after a checkpoint."""
    if row["state"] == "withdrawn":
        return False
    is_item = table == "episodes" and str(row["source"]).startswith(reading.ITEM_PREFIX)
    at_ms = kept.items_ms if is_item else kept.seconds_ms
    ended: Any = row[ENDS[table]]
    started: Any = row[PAGED[table].time]
    return ended is None or ended >= at_ms or started >= at_ms


def _put_changed(changed: Rows, table: str, rows: dict[Key, Any], stored: dict[Key, Row]) -> None:
    """Rows that are new or differ; what others have filled in is taken over."""
    for row in rows.values():
        key = tuple(getattr(row, name) for name in PAGED[table].key)
        before = stored.get(key)
        if before is None:
            changed.put(table, key, row)
            continue
        filled: dict[str, Any] = {name: before[name] for name in FILLED_IN if name in row._fields}
        if isinstance(row, EpisodeRow) and len(json.loads(row.alarm_numbers)) > _announced(before):
            filled["evidence_state"] = row.evidence_state  # more was announced than is known of
        if isinstance(row, EpisodeRow) and (media := media_numbers(_numbers(before))):
            filled["alarm_numbers"] = json.dumps([*json.loads(row.alarm_numbers), *media][:ALARM_NUMBERS_MAX])
        after = row._replace(**filled)
        if any(getattr(after, name) != before[name] for name in row._fields):
            changed.put(table, key, after)


def _announced(row: Row) -> int:
    """How many alarms announced files."""
    numbers = _numbers(row)
    return len(numbers) - len(media_numbers(numbers))


def _numbers(row: Row) -> list[str]:
    found: list[str] = json.loads(str(row["alarm_numbers"]))
    return found
