"""Several at the same store: readers while the pipeline writes, and brief writers beside it."""

import threading
from collections import Counter
from typing import Any, Final

from jtgate.storage.contract.checking import StoreOpener, holds, integer, promise, same, together
from jtgate.storage.contract.rows import (
    DAY_MS,
    T0_MS,
    alarm,
    card,
    counts,
    message,
    opened,
    position,
    quarantined,
    write,
)
from jtgate.storage.store import Store, StoreUnavailable

#: Positions of one batch, and how many looks of the reader are enough.
_BATCH: Final = 50
_LOOKS: Final = 8
_BATCHES_MAX: Final = 300
#: How often a batch is tried that met another writer.
_TRIES: Final = 10
_ALL: Final = 1_000_000


@promise
def readers_see_whole_batches(store: Store, open_store: StoreOpener) -> None:
    """A reader beside the pipeline never sees a part of a batch, nor a cursor ahead of the rows it stands for."""
    looked, stop = threading.Event(), threading.Event()

    def read() -> None:
        reader, looks = open_store(), 0
        try:
            while not stop.is_set():
                cursor = reader.cursor("pipeline")
                positions = Counter(row["session_id"] for row in reader.positions(limit=_ALL))
                alarms = Counter(row["session_id"] for row in reader.alarm_events(limit=_ALL))
                same(set(positions.values()) - {_BATCH}, set(), "positions of one batch that a reader sees")
                same(set(alarms.values()) - {3}, set(), "alarms of one batch that a reader sees")
                holds(
                    cursor <= len(positions) <= len(alarms),
                    f"a reader saw cursor {cursor}, then positions of {len(positions)} batches, then alarms of "
                    f"{len(alarms)}: what it asks for later must not be older",
                )
                looks += 1
                if looks >= _LOOKS and positions:
                    looked.set()
        finally:
            looked.set()

    def pipeline() -> None:
        try:
            for seq in range(1, _BATCHES_MAX + 1):
                times_ms = [T0_MS + seq * 1000, 0, T0_MS - 900 * DAY_MS + seq, T0_MS + DAY_MS * (seq % 3)]
                rows = [
                    position(n % 3 + 1, times_ms[n % 4], seq * _BATCH + n, session_id=seq, received_ms=T0_MS + seq)
                    for n in range(_BATCH)
                ]
                facts = [alarm(n + 1, T0_MS + seq, n, session_id=seq) for n in range(3)]
                write(store, seq, positions=rows, alarm_events=facts)
                if looked.is_set():
                    return
            holds(looked.is_set(), f"a reader has not looked {_LOOKS} times while {_BATCHES_MAX} batches were written")
        finally:
            stop.set()

    together([read, pipeline])


@promise
def a_row_never_comes_before_its_terminal(store: Store, open_store: StoreOpener) -> None:
    """Who sees a row of a new terminal finds that terminal, and no row is hidden because of it."""
    stop = threading.Event()

    def read() -> None:
        reader = open_store()
        while not stop.is_set():
            seen = Counter(row["terminal"] for row in reader.positions(limit=_ALL))
            known = {row["terminal"] for row in reader.terminals(limit=_ALL)}
            same(set(seen) - known, set(), "terminals of positions that nobody knows")
            same(set(seen.values()) - {5}, set(), "positions of a new terminal that a reader sees")

    def pipeline() -> None:
        try:
            for number in range(40):
                (terminal_id,) = store.terminal_ids([f"1360000{number:04d}"], T0_MS).values()
                write(store, number, positions=[position(terminal_id, T0_MS + n, n) for n in range(5)])
        finally:
            stop.set()

    together([read, read, pipeline])
    same(len(store.positions()), 200, "positions in the end")


@promise
def brief_writers_beside_the_pipeline(store: Store, open_store: StoreOpener) -> None:
    """An operator marks quarantine, and another process makes terminals, while batches are written: all of it stays."""
    write(store, quarantine=[quarantined(n, n) for n in range(1, 61)])
    ids = [integer(row["id"]) for row in store.quarantine()]

    def operate() -> None:
        operator = open_store()
        for number in ids:
            operator.mark_replayed([number], T0_MS)
            operator.terminal_ids([f"77{number}"], T0_MS)

    def pipeline() -> None:
        for seq in range(1, 31):
            write(store, seq, positions=[position(1, T0_MS + seq * 1000 + n, n) for n in range(100)])

    together([operate, pipeline])
    found = counts(store)
    same(store.quarantine(), [], "quarantine still held")
    same((found.get("positions"), found.get("terminals")), (3000, 63), "positions and terminals counted")
    same(store.cursor("pipeline"), 30, "cursor of the pipeline")


@promise
def two_that_write_the_same_rows(store: Store, open_store: StoreOpener) -> None:
    """Two processes that store the same reports at once leave one row each; either may have to repeat a batch."""
    new = Counter[str]()

    def insist(own: Store, seq: int, **rows: Any) -> int:
        for _ in range(_TRIES):
            try:
                return write(own, seq, **rows).new
            except StoreUnavailable:
                continue  # the other one was there first
        return write(own, seq, **rows).new

    def replay(name: str, step: int) -> None:
        own = open_store()
        for seq in range(10):
            times_ms = [(T0_MS + seq * 1000 + n, int(n % 3 == 0)) for n in range(30)][::step]
            rows = [position(1, at_ms, 7, time_state=state) for at_ms, state in times_ms]
            facts = [alarm(1, at_ms) for at_ms, _ in times_ms]
            messages = [message(1, seq * 100 + n, T0_MS) for n in range(5)][::step]
            new[name] += insist(own, seq, positions=rows, alarm_events=facts, messages=messages, opened=[opened()])

    together([lambda: replay("forward", 1), lambda: replay("backward", -1)])
    same((len(store.positions()), len(store.alarm_events())), (300, 300), "positions and alarms")
    found = counts(store)
    same((found.get("positions"), found.get("alarm_events")), (300, 300), "positions and alarms counted")
    same(new.total(), 300 + 300 + found.get("messages", 0), "rows told as new by both")


@promise
def alarm_events_are_seen_in_order_beside_two_writers(store: Store, open_store: StoreOpener) -> None:
    """Who follows them by id misses none, also while a replay writes beside the pipeline."""
    still_writing = [True, True]

    def write_some(number: int) -> None:
        own = open_store()
        try:
            for seq in range(40):
                facts = [alarm(number + 1, T0_MS + seq * 1000 + n, n) for n in range(5)]
                cards = [card(number + 1, T0_MS + seq * 1000 + n, n) for n in range(20)]  # so that it takes some time
                write(own, seq, alarm_events=facts, card_events=cards)
        finally:
            still_writing[number] = False

    def follow() -> None:
        own, seen, last_id = open_store(), 0, 0
        while True:
            is_last_look = not any(still_writing)
            for row in own.alarm_events_after(last_id):
                last_id, seen = integer(row["id"]), seen + 1
            if is_last_look:
                break
        same(seen, len(store.alarm_events()), "alarm events that somebody saw who followed them")

    together([follow, lambda: write_some(0), lambda: write_some(1)])
    same(len(store.alarm_events()), 400, "alarm events in the end")
