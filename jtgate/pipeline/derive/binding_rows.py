"""Bindings of a vehicle as rows: what was worked out is compared with what stands, and only the difference is written.

An interval that is still open is written in place. A closed one is never rewritten: a row of a later revision says
which row it corrects, and why; one that was wrong altogether is corrected to nothing, a row that ends when it begins.
"""

import json
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

from jtgate.pipeline.derive import two_vehicles
from jtgate.pipeline.derive.binding import Conflict, Interval, bind
from jtgate.pipeline.derive.binding_inputs import LONGEST_MS, LOOK_BACK_MS, Vehicle, all_rows, read_inputs
from jtgate.pipeline.derive.standing import FOREVER_MS, begin_of, bound_at, corrected_key, end_of, row_key, standing
from jtgate.storage.model import BindingConflictRow, BindingRow, StoreBatch
from jtgate.storage.store import Row, Store

#: Rows that end so long before what has changed are left alone.
COMPARED_MS: Final = LOOK_BACK_MS // 2
#: How often the beginning of the look-back is moved out of intervals that stand.
_STEPS_MAX: Final = 16

_REASONS: Final = {
    "gone": "later evidence: nobody was on board then",
    "person": "later evidence: it was somebody else",
    "begin": "later evidence: it began at another time",
    "end": "later evidence: it ended at another time",
    "sources": "later evidence: other sources speak for it",
    "back": "later evidence: it holds after all",
}

__all__ = ["LONGEST_MS", "bound_at", "persons_elsewhere", "recompute", "standing"]


def recompute(
    store: Store,
    plate: str,
    plate_color: int,
    from_ms: int,
    now_ms: int,
    *,
    terminals: Collection[str] = (),
) -> StoreBatch:
    """Work out who was on a vehicle, from all that is stored, and what has to be written for it.

    Args:
        store: facts, trips and stops, registries, and the bindings that stand.
        plate: of the vehicle.
        plate_color: of the plate.
        from_ms: the oldest fact that has changed, milliseconds since 1970.
        now_ms: the present; what ends later is still open.
        terminals: in the vehicle now, beside those that the registry of vehicles tells.

    Returns:
        Rows of bindings and conflicts that differ from what stands; empty when nothing does.

    Raises:
        StoreError: the store cannot be read now.
    """
    vehicle = Vehicle(plate, plate_color)
    rows = all_rows(store, "bindings", from_ms - LONGEST_MS, now_ms, vehicle.matching)
    stands = standing(rows)
    read_from_ms = _gap_before(from_ms - LOOK_BACK_MS, stands)
    inputs = read_inputs(store, vehicle, read_from_ms, now_ms, terminals)
    intervals, conflicts = bind(inputs.evidence, inputs.motion, now_ms)
    since_ms = from_ms - COMPARED_MS
    intervals = [_begun_before(one, stands, read_from_ms) for one in intervals if one.end_ms > since_ms]
    intervals, apart = two_vehicles.apart(store, vehicle, intervals, inputs, now_ms)
    compared = [row for row in stands if end_of(row) > since_ms]
    terminal_id = inputs.terminal_id
    bindings = _Difference(vehicle, terminal_id, rows, now_ms).rows(intervals, compared)
    found = [one for one in (*conflicts, *apart) if _ends(one.ended_ms) > since_ms]
    known = all_rows(store, "binding_conflicts", from_ms - LONGEST_MS, now_ms, vehicle.matching)
    return StoreBatch(
        bindings=bindings,
        binding_conflicts=_conflict_rows(vehicle, found, [row for row in known if end_of(row) > since_ms], now_ms),
    )


def persons_elsewhere(store: Store, batch: StoreBatch, now_ms: int) -> dict[tuple[str, int], int]:
    """Other vehicles to which persons of these rows are bound: they have to be worked out anew (§6, two vehicles).

    Args:
        store: where the bindings are, the batch among them.
        batch: what `recompute` gave.
        now_ms: the present.

    Returns:
        Plate and colour, and since when; it comes to an end because `recompute` gives nothing when nothing differs.
    """
    since: dict[str, int] = {}
    own = {(row.plate, row.plate_color) for row in batch.bindings}
    for row in batch.bindings:
        before = corrected_key(row._asdict())
        for person in {row.person, before[0] if before else row.person} - {""}:
            since[person] = min(since.get(person, row.started_ms), row.started_ms)
    found: dict[tuple[str, int], int] = {}
    for person, begin_ms in since.items():
        for other in all_rows(store, "bindings", begin_ms - LONGEST_MS, now_ms, {"person": person}):
            key = str(other["plate"]), int(str(other["plate_color"]))
            if key not in own and end_of(other) > begin_ms:
                found[key] = min(found.get(key, FOREVER_MS), begin_of(other))
    return found


class _Difference:
    """What has to be written so that intervals stand.

    Args:
        vehicle: whose they are.
        terminal_id: in it now.
        rows: every row of it, also those that are corrected.
        now_ms: the present.
    """

    def __init__(self, vehicle: Vehicle, terminal_id: int | None, rows: Sequence[Row], now_ms: int) -> None:
        self._vehicle = vehicle
        self._terminal_id = terminal_id
        self._now_ms = now_ms
        self._latest: dict[tuple[str, str, int], Row] = {}
        for row in sorted(rows, key=lambda one: row_key(one)[3]):
            self._latest[row_key(row)[:3]] = row

    def rows(self, intervals: Sequence[Interval], stands: Sequence[Row]) -> list[BindingRow]:
        """Rows to write.

        Args:
            intervals: that were worked out.
            stands: rows of the same stretch that stand.
        """
        by_key = {row_key(row)[:3]: row for row in stands}
        found: list[BindingRow] = []
        new: list[Interval] = []
        for one in intervals:
            row = by_key.pop((one.role, one.person, one.started_ms), None)
            if row is None:
                new.append(one)
            else:
                found += self._changed(one, row)
        left = [by_key[key] for key in sorted(by_key)]
        for one in new:
            row = _most_alike(one, left)
            if row is None:
                found.append(self._begun(one))
                continue
            left.remove(row)
            found.append(self._row(one, row, "begin" if one.person == row["person"] else "person"))
        for row in left:
            begin_ms = begin_of(row)
            nothing = Interval(str(row["role"]), str(row["person"]), begin_ms, begin_ms, 0.0, ())
            found.append(self._row(nothing, row, "gone"))
        return found

    def _begun(self, one: Interval) -> BindingRow:
        """A new interval; one that was taken back before corrects that."""
        before = self._latest.get((one.role, one.person, one.started_ms))
        return self._row(one, before, "back" if before is not None else "")

    def _changed(self, one: Interval, row: Row) -> list[BindingRow]:
        made = self._row(one, None, "")
        told = ("ended_ms", "confidence", "sources", "conflict")
        if all(getattr(made, name) == row[name] for name in told):
            return []
        if row["ended_ms"] is None:  # still open: in place
            corrects, reason = row["corrects"], row["reason"]
            return [
                made._replace(
                    revision=row_key(row)[3],
                    corrects=None if corrects is None else str(corrects),
                    reason=None if reason is None else str(reason),
                )
            ]
        return [self._row(one, row, "end" if made.ended_ms != row["ended_ms"] else "sources")]

    def _row(self, one: Interval, corrected: Row | None, reason: str) -> BindingRow:
        revision = 0
        if corrected is not None:
            same = self._latest.get((one.role, one.person, one.started_ms), corrected)
            revision = max(row_key(corrected)[3], row_key(same)[3]) + 1
        corrects = None
        if corrected is not None:
            names = ("person", "started_ms", "revision")
            corrects = json.dumps({name: corrected[name] for name in names}, ensure_ascii=False)
        return BindingRow(
            plate=self._vehicle.plate,
            plate_color=self._vehicle.color,
            role=one.role,
            person=one.person,
            started_ms=one.started_ms,
            revision=revision,
            ended_ms=one.ended_ms,
            confidence=one.confidence,
            sources=_json([source.told() for source in one.sources]),
            conflict=_conflict_of(one),
            terminal_id=self._terminal_id,
            corrects=corrects,
            reason=_REASONS[reason] if reason else None,
            updated_ms=self._now_ms,
        )


def _conflict_of(one: Interval) -> str | None:
    if not one.others:
        return None
    return _json(
        [
            {
                "person": other.person,
                "confidence": other.confidence,
                "sources": [source.told() for source in other.sources],
            }
            for other in one.others
        ]
    )


def _conflict_rows(
    vehicle: Vehicle, found: Iterable[Conflict], known: Iterable[Row], now_ms: int
) -> list[BindingConflictRow]:
    """Conflicts that are new, changed or gone."""
    before = {_conflict_key(row): row for row in known}
    made = []
    for one in found:
        row = before.pop(one.key, None)
        state = "open" if one.ended_ms is None else "closed"
        facts = _json(dict(one.facts))
        if row is not None and (row["ended_ms"], row["state"], row["facts"]) == (one.ended_ms, state, facts):
            continue
        made.append(
            BindingConflictRow(
                vehicle.plate, vehicle.color, one.role, one.kind, one.person, one.other, one.started_ms, one.ended_ms,
                facts, state, now_ms,
            )
        )  # fmt: skip
    for row in before.values():
        if row["state"] != "withdrawn":
            values: dict[str, Any] = {name: row[name] for name in BindingConflictRow._fields}
            made.append(BindingConflictRow(**values | {"state": "withdrawn", "updated_ms": now_ms}))
    return made


def _most_alike(one: Interval, rows: Sequence[Row]) -> Row | None:
    """The row that an interval corrects: of those that it overlaps one of the same person, then the longest overlap."""
    there = [
        (row["person"] == one.person, min(end_of(row), one.end_ms) - max(begin_of(row), one.started_ms), row)
        for row in rows
        if row["role"] == one.role and begin_of(row) < one.end_ms and end_of(row) > one.started_ms
    ]
    return max(there, key=lambda found: found[:2], default=(False, 0, None))[2]


def _gap_before(at_ms: int, rows: Sequence[Row]) -> int:
    """A time before, in none of the intervals: what is read must not begin in the middle of one."""
    for _ in range(_STEPS_MAX):
        begun = [begin_of(row) for row in rows if begin_of(row) < at_ms <= end_of(row)]
        if not begun:
            break
        at_ms = min(begun) - 1
    return at_ms


def _begun_before(one: Interval, rows: Sequence[Row], read_from_ms: int) -> Interval:
    """An interval that goes on since before what was read keeps the beginning that stands."""
    for row in rows:
        begin_ms = begin_of(row)
        is_same = (row["role"], row["person"]) == (one.role, one.person)
        if is_same and begin_ms < read_from_ms < end_of(row) and begin_ms < one.started_ms < end_of(row):
            return Interval(one.role, one.person, begin_ms, one.ended_ms, one.confidence, one.sources, one.others)
    return one


def _conflict_key(row: Row) -> tuple[str, str, str, str, int]:
    role, kind, person, other = (str(row[name]) for name in ("role", "kind", "person", "other"))
    return role, kind, person, other, begin_of(row)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _ends(ended_ms: int | None) -> int:
    return FOREVER_MS if ended_ms is None else ended_ms
