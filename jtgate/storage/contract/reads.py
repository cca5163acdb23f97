"""What readers ask: last positions, events, facts, views, and how much there is."""

from typing import Any

from jtgate.codecs.timebase import now_ms
from jtgate.storage.contract.checking import holds, integer, promise, refused, same
from jtgate.storage.contract.rows import (
    DAY_MS,
    ONE,
    READABLE_ROWS,
    T0_MS,
    TWO,
    alarm,
    binding,
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
    """Episodes, files, pictures, bindings and trips give back every field, and the number of their terminal."""
    same(set(READABLE_ROWS), set(READABLE), "tables of facts that grow")
    for name, make in READABLE_ROWS.items():
        row = make(1, T0_MS)
        empty = make(2, T0_MS + 1, **{field: None for field in row._fields if field in _MAY_BE_NULL[name]})
        write(store, **{name: [row, empty]})
        found = store.facts(name)
        same([item["terminal"] for item in found], [TWO, ONE], f"terminals of {name}")
        for item, expected in zip(found, (empty, row), strict=True):
            same({field: item[field] for field in row._fields}, expected._asdict(), f"row of {name}")


#: Fields that are unknown at first.
_MAY_BE_NULL = {
    "face_events": {"session_id", "spool_seq", "serial", "alarm_number", "image_sha256", "image_path", "engine"}
    | {"score", "threshold", "result", "person"},
    "episodes": {"ended_ms", "level", "latitude", "longitude", "speed_max_kmh", "alarm_number", "plate"}
    | {"plate_color", "person", "waybill"},
    "evidence_files": {"file_type", "channel", "announced_bytes", "stored_bytes", "sha256", "path", "completed_ms"},
    "bindings": {"ended_ms", "conflict", "corrects_ms", "reason"},
    "trips": {"ended_ms", "plate", "plate_color", "start_latitude", "start_longitude", "end_latitude"}
    | {"end_longitude", "laden", "waybill", "driver"},
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
        same(seconds(terminal=TWO), [3, 1], f"{name} of a terminal")
        same(seconds(from_ms=T0_MS + 1000, to_ms=T0_MS + 2000), [2, 1], f"{name} of a range")
        same(seconds(limit=1), [3], f"the newest of {name}")
        same(seconds(terminal="unheard of"), [], f"{name} of a terminal that is not there")
    with refused(StoreError, "facts of a table that is not read like this"):
        store.facts("positions")


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
