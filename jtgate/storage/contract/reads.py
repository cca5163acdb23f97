"""What readers ask: last positions, events, facts, views, and how much there is."""

import json
from typing import Any

from jtgate.codecs.timebase import now_ms
from jtgate.storage.contract.checking import holds, integer, promise, refused, same
from jtgate.storage.contract.derived_rows import READABLE_ROWS, binding
from jtgate.storage.contract.rows import (
    DAY_MS,
    ONE,
    T0_MS,
    TWO,
    alarm,
    card,
    counts,
    message,
    opened,
    position,
    quarantined,
    write,
)
from jtgate.storage.store import Store, StoreError
from jtgate.storage.tables import READABLE


@promise
def the_last_position_is_the_newest_live_one(store: Store) -> None:
    """Backfill, clocks in the future and reports without a time do not count as last while there is better."""
    now = now_ms()
    write(
        store,
        positions=[
            position(1, now - 9000, 1, alarm_flags=1, video_alarm_flags=4),
            position(1, now - 5000, 2, alarm_flags=2),
            position(1, now - 1000, 3, alarm_flags=8, backfill=1),
            position(1, now + 2 * DAY_MS, 4, alarm_flags=8, time_state=2),
            position(1, 0, 5, alarm_flags=8),
            position(2, 0, 6, alarm_flags=16, video_alarm_flags=None, received_ms=now),
            position(3, now - 1000, 7, backfill=1),
        ],
    )
    last = [(row["terminal"], row["fingerprint"]) for row in store.last_positions()]
    same(last, [(ONE, 2), (TWO, 6)], "last positions")
    same([row["fingerprint"] for row in store.last_positions(terminal=TWO)], [6], "the last one of a terminal")
    same(len(store.last_positions(limit=1)), 1, "rows when one is asked for")
    same(store.last_flags(), {1: (now - 5000, 2, 0), 2: (0, 16, 0)}, "flags of the last positions")


@promise
def alarm_events_are_told_in_the_order_of_arrival(store: Store) -> None:
    """Whatever their own times say; who knows the last id misses none and hears none twice."""
    same((store.last_alarm_id(), store.alarm_events_after(0)), (0, []), "alarm events of an empty store")
    write(store, alarm_events=[alarm(1, T0_MS + 5000, 1), alarm(2, T0_MS, 2)])
    known = store.last_alarm_id()
    write(store, 2, alarm_events=[alarm(1, T0_MS - DAY_MS, 3), alarm(1, T0_MS + 5000, 1)])
    found = store.alarm_events_after(0)
    same([row["fingerprint"] for row in found], [1, 2, 3], "alarm events in the order of arrival")
    same([row["terminal"] for row in found], [ONE, TWO, ONE], "their terminals")
    same([row["fingerprint"] for row in store.alarm_events_after(known)], [3], "those after the last known one")
    same([row["id"] for row in store.alarm_events_after(0, limit=2)], [row["id"] for row in found[:2]], "two of them")
    same(store.last_alarm_id(), found[-1]["id"], "the last id")


@promise
def a_last_position_of_long_ago(store: Store) -> None:
    """The last position of a terminal that has been silent for years is still told."""
    long_ago = now_ms() - 3000 * DAY_MS
    write(store, positions=[position(1, long_ago, 1, alarm_flags=3), position(1, long_ago - 1000, 2)])
    write(store, positions=[position(2, 0, 3, received_ms=long_ago), position(2, 0, 4, received_ms=long_ago + 5)])
    last = [(row["terminal"], row["fingerprint"]) for row in store.last_positions()]
    same(last, [(ONE, 1), (TWO, 4)], "last positions")
    same(store.last_flags()[1][:2], (long_ago, 3), "its flags")


@promise
def events_and_messages_come_newest_first(store: Store) -> None:
    """Alarms and cards come by their own time, messages as they arrived; each by terminal, time and number."""
    write(
        store,
        alarm_events=[alarm(n % 2 + 1, T0_MS + n, n) for n in (3, 1, 2)],
        card_events=[card(n % 2 + 1, T0_MS + n, n) for n in (3, 1, 2)],
        messages=[message(n % 2 + 1, n, T0_MS + n, msg_id=n) for n in (1, 2, 3)],
    )
    for name, ask in (("alarms", store.alarm_events), ("cards", store.card_events)):
        same([row["fingerprint"] for row in ask()], [3, 2, 1], f"{name} of all")
        same([row["fingerprint"] for row in ask(terminal=TWO)], [3, 1], f"{name} of a terminal")
        same([row["fingerprint"] for row in ask(from_ms=T0_MS + 2, limit=1)], [3], f"the newest of {name} from a time")
        same([row["fingerprint"] for row in ask(terminal=ONE, from_ms=T0_MS + 2)], [2], f"{name} of both")
    same([row["serial"] for row in store.messages()], [3, 2, 1], "messages of all")
    same([row["serial"] for row in store.messages(terminal=TWO)], [3, 1], "messages of a terminal")
    same([row["serial"] for row in store.messages(msg_id=2)], [2], "messages of an id")
    same([row["serial"] for row in store.messages(terminal=TWO, msg_id=3)], [3], "messages of both")
    same([row["serial"] for row in store.messages(limit=2)], [3, 2], "the newest two messages")


@promise
def facts_come_back_with_their_values(store: Store) -> None:
    """Everything derived gives back every field, and the number of its terminal where it has one."""
    same(set(READABLE_ROWS), set(READABLE), "tables of facts that grow")
    for name, make in READABLE_ROWS.items():
        row = make(1, T0_MS)
        empty = make(2, T0_MS + 1, **{field: None for field in row._fields if field in _MAY_BE_NULL[name]})
        write(store, **{name: [row, empty]})
        found = store.facts(name)
        terminals = [TWO, ONE] if READABLE[name].has_terminal else [None, None]
        same([item["terminal"] for item in found], terminals, f"terminals of {name}")
        for item, expected in zip(found, (empty, row), strict=True):
            same({field: item[field] for field in row._fields}, expected._asdict(), f"row of {name}")


#: Fields that are unknown at first.
_MAY_BE_NULL = {
    "face_events": {"session_id", "spool_seq", "serial", "alarm_number", "image_sha256", "image_path", "engine"}
    | {"score", "threshold", "result", "person"},
    "episodes": {"ended_ms", "level", "latitude", "longitude", "speed_max_kmh", "alarm_number", "plate", "ended_by"}
    | {"plate_color", "person", "person_confidence", "waybill", "peak_ms", "serial", "alarm_event_id", "confirmed_ms"},
    "evidence_files": {"file_type", "channel", "announced_bytes", "stored_bytes", "sha256", "path", "completed_ms"}
    | {"missing"},
    "bindings": {"ended_ms", "conflict", "corrects", "reason"},
    "binding_conflicts": {"ended_ms"},
    "phone_fixes": {"speed_kmh", "heading_deg"},
    "driver_overrides": {"ended_ms"},
    "stops": {"ended_ms", "latitude", "longitude", "acc_off_ms"},
    "zone_visits": {"exited_ms", "enter_latitude", "enter_longitude", "speed_max_kmh", "plate", "plate_color"}
    | {"person", "waybill", "laden"},
    "point_quality": set(),
    "checkpoints": set(),
    "trips": {"ended_ms", "plate", "plate_color", "start_latitude", "start_longitude", "end_latitude"}
    | {"end_longitude", "laden", "waybill", "driver", "speed_max_kmh"},
}


@promise
def facts_by_terminal_and_time(store: Store) -> None:
    """Facts come newest first, of one terminal or of all, in a range of time with both ends."""
    for name, make in READABLE_ROWS.items():
        write(store, **{name: [make(n % 2 + 1, T0_MS + n * 1000) for n in (3, 0, 2, 1)]})
        time = READABLE[name].time

        def seconds(table: str = name, field: str = time, **query: Any) -> list[int]:
            return [(integer(row[field]) - T0_MS) // 1000 for row in store.facts(table, **query)]

        same(seconds(), [3, 2, 1, 0], f"{name} of all")
        same(seconds(terminal=TWO), [3, 1] if READABLE[name].has_terminal else [], f"{name} of a terminal")
        same(seconds(from_ms=T0_MS + 1000, to_ms=T0_MS + 2000), [2, 1], f"{name} of a range")
        same(seconds(limit=1), [3], f"the newest of {name}")
        same(seconds(terminal="unheard of"), [], f"{name} of a terminal that is not there")
    with refused(StoreError, "facts of a table that is not read like this"):
        store.facts("positions")


@promise
def what_changed_is_told_in_order(store: Store) -> None:
    """Rows come by the time of their writing, page by page; one that is written again comes again."""
    for name, make in READABLE_ROWS.items():
        rows = [make(1, T0_MS + n * 1000, updated_ms=T0_MS + (3 - n) * 10) for n in range(3)]
        write(store, **{name: rows})

        def times(table: str = name, **query: Any) -> list[int]:
            return [integer(row["updated_ms"]) - T0_MS for row in store.changed(table, **query)]

        same(times(since_ms=0), [10, 20, 30], f"changed {name}")
        same(times(since_ms=T0_MS + 20), [20, 30], f"changed {name} since a time")
        first = store.changed(name, since_ms=0, limit=1)[0]
        after = times(since_ms=integer(first["updated_ms"]), after_id=integer(first["id"]))
        same(after, [20, 30], f"changed {name} after a row")
        write(store, **{name: [rows[2]._replace(updated_ms=T0_MS + 99)]})
        same(times(since_ms=0), [20, 30, 99], f"changed {name} after a row was written again")
    with refused(StoreError, "changes of a table that is not read like this"):
        store.changed("positions", since_ms=0)


@promise
def views_leave_out_what_does_not_stand(store: Store) -> None:
    """Rows that were withdrawn, and bindings that a later revision corrects, are in the tables and not in the views."""
    for name in ("episodes", "trips", "stops", "zone_visits", "binding_conflicts"):
        make = READABLE_ROWS[name]
        write(store, **{name: [make(1, T0_MS), make(1, T0_MS + 1000, state="withdrawn")]})
        same((len(store.facts(name)), len(store.view(name))), (2, 1), f"rows and view of {name}")
    first = binding(1, T0_MS, revision=0, corrects=None)
    corrects = json.dumps({"person": first.person, "started_ms": first.started_ms, "revision": 0})
    second = binding(1, T0_MS, revision=1, corrects=corrects, ended_ms=T0_MS + 5000)
    nothing = binding(1, T0_MS + 9000, revision=0, corrects=None, ended_ms=T0_MS + 9000)
    write(store, bindings=[first, second, nothing])
    found = store.view("who_drove_what")
    same([(row["ended_ms"], row["revision"]) for row in found], [(T0_MS + 5000, 1)], "bindings that stand")


@promise
def a_binding_without_a_terminal(store: Store) -> None:
    """Who was on a vehicle is told also when no terminal said so."""
    write(store, bindings=[binding(None)])
    same([row["terminal"] for row in store.facts("bindings")], [None], "terminals of bindings")


@promise
def info_counts_exactly(store: Store) -> None:
    """Rows per table are exact through repetition; first and last time are those of believable positions."""
    for _ in range(2):
        write(
            store,
            positions=[position(1, T0_MS + n, n) for n in range(5)] + [position(1, 0)],
            alarm_events=[alarm()],
            messages=[message()],
            quarantine=[quarantined()],
            opened=[opened()],
        )
    expected = {
        "terminals": 3,
        "sessions": 1,
        "positions": 6,
        "alarm_events": 1,
        "card_events": 0,
        "messages": 1,
        "quarantine": 1,
        "parts": 0,
    }
    found = counts(store)
    same({name: found.get(name) for name in expected}, expected, "rows per table")
    info = store.info()
    same((info["first_position_ms"], info["last_position_ms"]), (T0_MS, T0_MS + 4), "first and last time")
    holds(integer(info["bytes_on_disk"]) > 0, "a store takes room on the disk")
    holds(isinstance(info["backend"], str), "a store has a back end")
    holds(integer(info["schema_version"]) > 0, "a migrated store has a schema version")


@promise
def every_view_can_be_read(store: Store) -> None:
    """Every view answers, empty and with rows, for all and for one terminal, with the columns it promises."""
    views = store.views()
    holds(bool(views), "there are views for readers")
    for rows in ({}, _a_day_of_all_kinds()):
        write(store, **rows)
        _roll_up(store)
        for name, columns in views.items():
            names = [column for column, _ in columns]
            found = store.view(name, limit=50)
            if "terminal" in names:
                found += store.view(name, terminal=ONE)
            for row in found:
                same(list(row), names, f"columns of {name}")
    with refused(StoreError, "rows of one terminal in a view without terminals"):
        store.view("enterprises", terminal=ONE)
    holds(
        bool(store.view("last_position", terminal=ONE)), "the view last_position has a row of a terminal that reported"
    )
    same(store.view("last_position", terminal=TWO), [], "the view last_position of a terminal that never did")
    with refused(StoreError, "a view that is not there"):
        store.view("no_such_view")
    with refused(StoreError, "a view whose name is none"):
        store.view("terminals; --")


def _a_day_of_all_kinds() -> dict[str, Any]:
    at_ms = now_ms() - DAY_MS
    return {
        "positions": [position(1, at_ms + n * 30_000, n) for n in range(300)],
        "alarm_events": [alarm(1, at_ms)],
        "card_events": [card(1, at_ms)],
        "messages": [message(1, 1, at_ms)],
        "opened": [opened(5, 1, at_ms)],
        **{name: [make(1, at_ms)] for name, make in READABLE_ROWS.items()},
    }


def _roll_up(store: Store) -> None:
    for _ in range(50):
        if not store.roll_up(now_ms()):
            return
    holds(False, "rolling up does not come to an end")
