"""What is old goes, in small steps; what is young, open or held stays."""

from typing import Final

from jtgate.codecs.timebase import now_ms
from jtgate.storage.contract.checking import holds, integer, promise, same
from jtgate.storage.contract.derived_rows import READABLE_ROWS, checkpoint, phone_fix
from jtgate.storage.contract.rows import (
    DAY_MS,
    LAST_TIME_MS,
    T0_MS,
    alarm,
    card,
    closed,
    counts,
    message,
    opened,
    position,
    quarantined,
    write,
)
from jtgate.storage.model import Written
from jtgate.storage.store import Store
from jtgate.storage.tables import CHECKPOINT_DAYS, ENDS, KEPT_LONG, KEPT_LONG_DAYS

#: Days away from T0, so that a back end that deletes whole days has nothing to decide.
_OLD_MS: Final = T0_MS - 5 * DAY_MS
_YOUNG_MS: Final = T0_MS + 5 * DAY_MS
_STEPS_MAX: Final = 200


@promise
def what_was_received_before_goes(store: Store) -> None:
    """Rows received before a time are deleted whatever their device time says; what was received later stays.

    Only a late report of a day that is deleted may go with its day.
    """
    write(
        store,
        positions=[
            position(1, _OLD_MS, 1),
            position(1, 0, 2, received_ms=_OLD_MS),
            position(1, LAST_TIME_MS, 3, received_ms=_OLD_MS, time_state=2),
            position(1, 0, 5, received_ms=_YOUNG_MS),
            position(1, _YOUNG_MS, 6),
            position(1, T0_MS - 900 * DAY_MS, 7, received_ms=_YOUNG_MS),
            position(1, T0_MS - 900 * DAY_MS, 8),
        ],
        alarm_events=[alarm(1, _OLD_MS, 1), alarm(1, _OLD_MS, 2, received_ms=_YOUNG_MS)],
        card_events=[card(1, _OLD_MS, 1), card(1, _YOUNG_MS, 2)],
        messages=[message(1, 1, _OLD_MS), message(1, 2, _YOUNG_MS)],
    )
    deleted = _retain(store, T0_MS)
    same(sorted(integer(row["fingerprint"]) for row in store.positions()), [5, 6, 7], "positions that stay")
    same([row["fingerprint"] for row in store.alarm_events()], [2], "alarms that stay")
    same([row["fingerprint"] for row in store.card_events()], [2], "cards that stay")
    same([row["serial"] for row in store.messages()], [2], "messages that stay")
    same(deleted, 4 + 1 + 1 + 1, "rows told as deleted")
    found = counts(store)
    same([found.get(name) for name in ("positions", "alarm_events", "card_events", "messages")], [3, 1, 1, 1], "counts")


@promise
def open_sessions_stay(store: Store) -> None:
    """A session that is still open stays however old it is; one that ended long ago goes."""
    write(
        store,
        opened=[opened(1, 1, _OLD_MS), opened(2, 1, _OLD_MS), opened(3, 1, _YOUNG_MS)],
        closed=[closed(1, _OLD_MS), closed(3, _YOUNG_MS)],
    )
    _retain(store, T0_MS)
    same([row["session_id"] for row in store.sessions()], [3, 2], "sessions that stay")


@promise
def quarantine_goes_by_age(store: Store) -> None:
    """Quarantined messages go when they are old, replayed or not; numbers are not used twice."""
    write(store, quarantine=[quarantined(_OLD_MS * 1000, 1), quarantined(_YOUNG_MS * 1000, 2)])
    write(store, quarantine=[quarantined(_OLD_MS * 1000, 3)])
    ids = [integer(row["id"]) for row in store.quarantine()]
    store.mark_replayed(ids[:1], T0_MS)
    _retain(store, T0_MS)
    same([row["id"] for row in store.quarantine(held_only=False)], ids[1:2], "quarantine that stays")
    write(store, quarantine=[quarantined(_YOUNG_MS * 1000, 4)])
    holds(integer(store.quarantine()[-1]["id"]) > max(ids), "a number of the quarantine is used twice")


@promise
def ids_of_alarm_events_are_not_used_twice(store: Store) -> None:
    """Whoever follows them by id would not hear of one that has an id of before."""
    write(store, alarm_events=[alarm(1, _OLD_MS, 1), alarm(1, _OLD_MS, 2)])
    known = store.last_alarm_id()
    _retain(store, T0_MS)
    same((store.last_alarm_id(), store.alarm_events_after(known)), (0, []), "alarm events when all are gone")
    write(store, alarm_events=[alarm(1, _YOUNG_MS, 3)])
    same([row["fingerprint"] for row in store.alarm_events_after(known)], [3], "alarm events since then")


@promise
def what_alarms_and_trips_tell_stays_for_years(store: Store) -> None:
    """Episodes, files, pictures and trips outlive the days kept; then what has ended goes, what is open stays."""
    now = now_ms()
    ages_ms = {"young": now - DAY_MS * (KEPT_LONG_DAYS - 2), "old": now - DAY_MS * (KEPT_LONG_DAYS + 2)}
    for table in KEPT_LONG:
        make = READABLE_ROWS[table.name]
        rows = {age: make(1, at_ms) for age, at_ms in ages_ms.items()}
        for end in set(ENDS) & set(table.columns):
            rows["open"] = make(2, ages_ms["old"], **{end: None})
        write(store, **{table.name: list(rows.values())})
        _retain(store, now)
        left = {tuple(row[name] for name in table.key) for row in store.facts(table.name)}
        expected = {tuple(getattr(row, name) for name in table.key) for age, row in rows.items() if age != "old"}
        same(left, expected, f"keys of {table.name} that stay")


@promise
def checkpoints_and_phones_go_early(store: Store) -> None:
    """Checkpoints go after a few days however long all else is kept; where phones were goes with the positions."""
    now = now_ms()
    ages_ms = [now - DAY_MS * days for days in (CHECKPOINT_DAYS - 1, CHECKPOINT_DAYS + 1, 20)]
    write(
        store,
        checkpoints=[*(checkpoint(1, at_ms) for at_ms in ages_ms), *(checkpoint(2, at_ms) for at_ms in ages_ms[1:])],
        phone_fixes=[phone_fix(1, at_ms) for at_ms in ages_ms],
    )
    _retain(store, now - DAY_MS * 10)
    left = [(row["terminal_id"], row["at_ms"]) for row in store.facts("checkpoints")]
    same(left, [(1, ages_ms[0]), (2, ages_ms[1])], "checkpoints that stay: the newest of a silent terminal does")
    same([row["fix_time_ms"] for row in store.facts("phone_fixes")], ages_ms[:2], "phone fixes that stay")


@promise
def terminals_and_cursors_stay(store: Store) -> None:
    """Retention takes neither terminals nor cursors nor the parts of unfinished messages."""
    write(store, 17, positions=[position(1, _OLD_MS, 1)])
    _retain(store, _YOUNG_MS)
    same((len(store.terminals()), store.cursor("pipeline")), (3, 17), "terminals, and the cursor")
    same(store.terminal_ids(["13800000001"], _YOUNG_MS), {"13800000001": 1}, "id of a terminal")


@promise
def small_steps_get_everything(store: Store) -> None:
    """Steps that may delete ten rows of a table each get everything that is old, and then find nothing."""
    write(
        store,
        positions=[position(1, _OLD_MS + n, n) for n in range(25)] + [position(1, 0, n) for n in range(15)],
        messages=[message(1, n, _OLD_MS + n) for n in range(12)],
        alarm_events=[alarm(1, _OLD_MS + n, n) for n in range(31)],
    )
    same(_retain(store, T0_MS + DAY_MS, rows_max=10), 25 + 15 + 12 + 31, "rows deleted in all steps")
    same(store.retain(T0_MS + DAY_MS, rows_max=10), 0, "rows deleted when nothing is left")
    left = (store.positions(), store.messages(), store.alarm_events())
    same(left, ([], [], []), "positions, messages and alarms that are left")
    found = counts(store)
    same([found.get(name) for name in ("positions", "alarm_events", "messages")], [0, 0, 0], "counts")


@promise
def what_was_deleted_may_come_again(store: Store) -> None:
    """A report of a time before the days that are kept is stored once, found, and deleted by its receipt."""
    write(store, positions=[position(1, _OLD_MS, 1)])
    _retain(store, T0_MS)
    late = position(1, _OLD_MS, 1, received_ms=_YOUNG_MS, backfill=1)
    same(write(store, positions=[late]), Written(1, 0), "written after its day was deleted")
    same(write(store, positions=[late]), Written(0, 1), "written again")
    same(len(store.positions(from_ms=_OLD_MS, to_ms=_OLD_MS)), 1, "found by its time")
    _retain(store, T0_MS)
    same(len(store.positions()), 1, "there when a later one cleans up")
    _retain(store, _YOUNG_MS + 2 * DAY_MS)
    same(len(store.positions()), 0, "there when its receipt is old")


@promise
def room_for_the_days_to_come(store: Store) -> None:
    """Room is made ahead of time, once; positions of those days, and of days without room, are stored."""
    now = now_ms()
    holds(store.prepare(now) >= 0, "how many were made")
    same(store.prepare(now), 0, "made again")
    rows = [position(1, now + days * DAY_MS, 1, received_ms=now + days * DAY_MS) for days in (-9, 0, 1, 2, 30)]
    same(write(store, positions=rows), Written(len(rows), 0), "written")
    same(len(store.positions(from_ms=now)), 4, "positions from today on")


def _retain(store: Store, before_ms: int, *, rows_max: int = 20_000) -> int:
    """Delete until nothing is left to delete; rows deleted."""
    deleted = 0
    for _ in range(_STEPS_MAX):
        step = store.retain(before_ms, rows_max=rows_max)
        deleted += step
        if not step:
            return deleted
    holds(False, f"retention is not done after {_STEPS_MAX} steps")
    return deleted
