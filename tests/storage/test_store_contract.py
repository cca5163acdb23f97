"""What any store does, whatever stands behind it."""

import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from storage_rows import T0_MS, alarm, card, message, part, position, quarantined

from jtgate.codecs.timebase import now_ms
from jtgate.storage.model import (
    POSITION_COLUMNS,
    RESEND_WINDOW_MS,
    SessionClosed,
    SessionOpened,
    StoreBatch,
    TerminalUpdate,
    Written,
)
from jtgate.storage.store import Store, StoreError, StoreUnavailable

StoreOpener = Callable[[], Store]

ONE = "13800000001"
TWO = "13800000002"
DAY_MS = 86_400_000


def write(store: Store, seq: Any = 1, /, **rows: Any) -> Written:
    """Write a batch of the named rows as the pipeline does."""
    return store.write(StoreBatch(**rows), consumer="pipeline", seq=seq)


def counts(store: Store) -> Mapping[str, int]:
    """Rows per table, as the store tells."""
    rows = store.info()["rows"]
    assert isinstance(rows, dict)
    return rows


def opened(session_id: int = 100, terminal_id: int = 1, online_ms: int = T0_MS) -> SessionOpened:
    """A session comes online."""
    return SessionOpened(session_id, terminal_id, online_ms, "tcp", "192.0.2.1:4000", "2013", "authenticated")


def closed(session_id: int = 100, closed_ms: int = T0_MS + 5000, reason: str = "peer_closed") -> SessionClosed:
    """A session ends."""
    return SessionClosed(session_id, closed_ms, reason, 12, 1, 3400, T0_MS + 4000)


# ---------------------------------------------------------------------------------- schema and terminals


def test_a_store_that_nobody_has_migrated_is_unavailable(open_store: StoreOpener) -> None:
    """Reading and writing before the first migration is a typed error that may pass."""
    store = open_store()
    for ask in (store.terminals, store.sessions, store.info, store.open_parts, lambda: store.cursor("pipeline")):
        with pytest.raises(StoreUnavailable, match="migrated"):
            ask()
    with pytest.raises(StoreUnavailable):
        write(store, positions=[position()])

    assert store.migrate() != []
    assert store.cursor("pipeline") == 0


def test_migrating_twice_does_nothing(open_store: StoreOpener) -> None:
    """The second migration, by whomever, has nothing to do."""
    first, second = open_store(), open_store()
    assert first.migrate() != []
    assert second.migrate() == []
    assert first.migrate() == []


def test_two_that_migrate_at_once(open_store: StoreOpener) -> None:
    """Several processes that start together on a fresh folder migrate once."""
    applied: list[list[str]] = []
    threads = [threading.Thread(target=lambda: applied.append(open_store().migrate())) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(bool, applied)) == [False, False, False, False, False, True]


def test_terminals_keep_their_ids(store: Store, open_store: StoreOpener) -> None:
    """Asking for ids makes what is missing and repeats what is there, for every process alike."""
    ids = store.terminal_ids([ONE, "999", "", ONE], 7)
    assert set(ids) == {ONE, "999", ""}
    assert ids[ONE] == 1
    assert open_store().terminal_ids(["999"], 8) == {"999": ids["999"]}
    assert store.terminal_ids([], 9) == {}
    assert [row["terminal"] for row in store.terminals(prefix="9")] == ["999"]
    assert [row["first_seen_ms"] for row in store.terminals(prefix="9")] == [7]
    assert [row["terminal"] for row in store.terminals(limit=2)] == ["", ONE]


def test_terminal_updates_fill_and_replace(store: Store) -> None:
    """None keeps what is stored, newer replaces, older only fills what is empty; repeating changes nothing."""
    first = TerminalUpdate(1, T0_MS, edition="2013", plate="辽A12345", manufacturer="70001", last_seen_ms=T0_MS)
    newer = TerminalUpdate(1, T0_MS + 10, edition="2019", imei="860000000000000", last_seen_ms=T0_MS + 10)
    older = TerminalUpdate(1, T0_MS - 10, edition="2011", model="OLD", last_seen_ms=T0_MS - 10)
    expected = {
        "terminal": ONE,
        "terminal_id": 1,
        "edition": "2019",
        "plate": "辽A12345",
        "manufacturer": "70001",
        "imei": "860000000000000",
        "model": "OLD",
        "last_seen_ms": T0_MS + 10,
    }
    for updates in ([first], [newer], [older], [first, newer, older], [older, first]):
        write(store, terminals=updates)
    row = store.terminals(prefix=ONE)[0]

    assert {name: row[name] for name in expected} == expected


def test_models_are_those_of_registrations(store: Store) -> None:
    """Of who registered, manufacturer and model; of the others nothing."""
    store.terminal_ids(["2", "3"], 7)
    write(store, terminals=[TerminalUpdate(1, T0_MS, manufacturer="70111", model="BSJ"), TerminalUpdate(2, T0_MS)])
    write(store, terminals=[TerminalUpdate(3, T0_MS, manufacturer="70112")])
    assert store.models() == {1: ("70111", "BSJ"), 3: ("70112", "")}


def test_zones_add_up(store: Store, open_store: StoreOpener) -> None:
    """Every zone in which times of a terminal were read stays known."""
    assert store.zones() == {}
    write(store, zones=[(1, 420), (2, 0)])
    write(store, zones=[(1, 420), (1, -300)])
    assert open_store().zones() == {1: {420, -300}, 2: {0}}


def test_stored_keys(store: Store) -> None:
    """Of many keys those that have a row, in each of the tables that have such keys."""
    write(store, positions=[position(fingerprint=-(1 << 63)), position(fingerprint=8)], card_events=[card()])
    keys = [(1, T0_MS, print_) for print_ in (-(1 << 63), 7, 8, (1 << 63) - 1)] + [(2, T0_MS, 8), (1, 0, 8)]
    assert store.stored("positions", keys) == {keys[0], keys[2]}
    assert store.stored("card_events", keys) == {keys[1]}
    assert store.stored("positions", []) == set()
    with pytest.raises(StoreError):
        store.stored("messages", keys)


def test_transport_of_a_session(store: Store) -> None:
    """As it came online; nothing of a session that only ended."""
    write(store, opened=[opened(100)], closed=[closed(101)])
    assert [store.transport_of(number) for number in (100, 101, 102)] == ["tcp", "", ""]


# --------------------------------------------------------------------------------------- rows and cursor


def test_a_position_comes_back_with_every_column(store: Store) -> None:
    """All columns, signs, NULLs and 32-bit flags survive, and the terminal is told by its number."""
    row = position(fingerprint=-(1 << 63))
    assert write(store, positions=[row]) == Written(1, 0)
    assert store.positions(terminal=ONE) == [{"terminal": ONE, **dict(zip(POSITION_COLUMNS, row, strict=True))}]


def test_rows_come_back_with_their_values(store: Store) -> None:
    """Alarms, cards, messages and quarantine give back what was written, under the names of the model."""
    rows: dict[str, Any] = {
        "alarm_events": alarm(),
        "card_events": card(),
        "messages": message(),
        "quarantine": quarantined(),
    }
    write(store, **{name: [row] for name, row in rows.items()})
    for name, row in rows.items():
        (found,) = getattr(store, name)()
        assert row._asdict().items() <= found.items()
        assert found["terminal"] == ONE


def test_rows_and_cursor_move_together(store: Store, open_store: StoreOpener) -> None:
    """A batch that fails leaves neither rows nor cursor; the store works on."""
    write(store, 5, positions=[position(fingerprint=1)])
    with pytest.raises(StoreError):
        write(store, 6, positions=[position(fingerprint=2)], alarm_events=[alarm(alarm_type="not a number")])
    with pytest.raises(StoreError):
        write(store, 6, positions=[position(fingerprint=2)], messages=[message(fingerprint=1 << 64)])
    with pytest.raises(StoreError):
        write(store, "no number", positions=[position(fingerprint=2)])

    other = open_store()
    assert other.cursor("pipeline") == 5
    assert [row["fingerprint"] for row in other.positions()] == [1]
    assert counts(other)["positions"] == 1
    assert write(store, 6, positions=[position(fingerprint=2)]) == Written(1, 0)
    assert other.cursor("pipeline") == 6


def test_cursors_are_one_for_each_consumer(store: Store) -> None:
    """A consumer moves its own cursor, forward or (to replay) back."""
    store.write(StoreBatch(), consumer="pipeline", seq=9)
    store.write(StoreBatch(), consumer="replay", seq=3)
    store.write(StoreBatch(), consumer="pipeline", seq=4)
    assert (store.cursor("pipeline"), store.cursor("replay"), store.cursor("nobody")) == (4, 3, 0)
    assert store.info()["cursors"] == {"pipeline": 4, "replay": 3}


def test_a_resent_message_is_not_written_again(store: Store) -> None:
    """Same terminal, id, serial and body within the window are one message; later, or different, they are two."""
    first = message(received_ms=T0_MS)
    assert write(store, messages=[first]) == Written(1, 0)
    assert write(store, messages=[first, message(received_ms=T0_MS + 20_000)]) == Written(0, 2)
    assert write(store, messages=[message(received_ms=T0_MS + RESEND_WINDOW_MS)]) == Written(0, 1)
    assert write(store, messages=[message(received_ms=T0_MS + RESEND_WINDOW_MS + 1)]) == Written(1, 0)
    different = [
        message(terminal_id=2),
        message(serial=10),
        message(fingerprint=8),
        message(msg_id=0x0201),
    ]
    assert write(store, messages=different) == Written(4, 0)
    assert write(store, messages=[message(serial=77), message(serial=77, received_ms=T0_MS + 5)]) == Written(1, 1)


def test_open_parts_come_back_until_they_are_done(store: Store, open_store: StoreOpener) -> None:
    """Sub-packages survive a restart in the order received; a replay of a finished message leaves none."""
    parts = [part(serial=2, received_us=20), part(serial=1, received_us=10), part(serial=3, received_us=30)]
    write(store, parts=parts)
    write(store, parts=parts[:2])
    assert open_store().open_parts() == [parts[1], parts[0], parts[2]]

    write(store, parts_done=[row[:4] for row in parts[:2]])
    assert store.open_parts() == [parts[2]]
    write(store, parts=[part(serial=9)], parts_done=[part(serial=9)[:4]])
    assert store.open_parts() == [parts[2]]


# ----------------------------------------------------------------------------------------------- sessions


@pytest.mark.parametrize("replays", [1, 2])
@pytest.mark.parametrize("end_first", [False, True])
def test_a_session_is_one_row_in_any_order(store: Store, end_first: bool, replays: int) -> None:
    """Beginning and end may come in any order, and repeatedly."""
    batches: list[dict[str, list[Any]]] = [{"opened": [opened()]}, {"closed": [closed()]}]
    for _ in range(replays):
        for rows in reversed(batches) if end_first else batches:
            write(store, **rows)
    (row,) = store.sessions()

    assert row == {
        "terminal": ONE,
        "session_id": 100,
        "terminal_id": 1,
        "online_ms": T0_MS,
        "transport": "tcp",
        "peer": "192.0.2.1:4000",
        "edition": "2013",
        "how": "authenticated",
        "closed_ms": T0_MS + 5000,
        "reason": "peer_closed",
        "frames": 12,
        "bad_frames": 1,
        "bytes_in": 3400,
        "last_received_ms": T0_MS + 4000,
    }


def test_a_lost_gateway_closes_its_sessions(store: Store) -> None:
    """A gateway start closes what is still open of before, and nothing else; a replay changes nothing."""
    rows: dict[str, list[Any]] = {
        "opened": [opened(100), opened(101, terminal_id=2), opened(300, terminal_id=2)],
        "closed": [closed(100)],
        "close_sessions_before": [(200, T0_MS + 9000)],
    }
    for _ in range(2):
        write(store, **rows)
        found = {row["session_id"]: (row["closed_ms"], row["reason"]) for row in store.sessions()}
        assert found == {
            100: (T0_MS + 5000, "peer_closed"),
            101: (T0_MS + 9000, "gateway_lost"),
            300: (None, None),
        }
    assert [row["session_id"] for row in store.sessions(open_only=True)] == [300]
    assert [row["session_id"] for row in store.sessions(terminal=TWO)] == [300, 101]
    assert [row["session_id"] for row in store.sessions(limit=1)] == [300]
    assert store.sessions(terminal="unheard of") == []


# ----------------------------------------------------------------------------------------------- reading


def test_positions_by_terminal_and_time(store: Store) -> None:
    """Positions come by device time, both ends included, of one terminal or of all."""
    rows = [position(n % 2 + 1, T0_MS + n * 1000, n) for n in range(10)]
    write(store, positions=rows[::-1])

    def times(**query: Any) -> list[int]:
        return [(int(str(row["device_time_ms"])) - T0_MS) // 1000 for row in store.positions(**query)]

    assert times() == list(range(10))
    assert times(terminal=ONE) == [0, 2, 4, 6, 8]
    assert times(terminal=ONE, from_ms=T0_MS + 2000, to_ms=T0_MS + 6000) == [2, 4, 6]
    assert times(from_ms=T0_MS + 7500) == [8, 9]
    assert times(limit=3) == [0, 1, 2]
    assert times(terminal="unheard of") == []


def test_the_last_position_is_the_newest_live_one(store: Store) -> None:
    """Backfill, clocks in the future and reports without a time do not count while there is better."""
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

    assert [(row["terminal"], row["fingerprint"]) for row in store.last_positions()] == [(ONE, 2), (TWO, 6)]
    assert [row["fingerprint"] for row in store.last_positions(terminal=TWO)] == [6]
    assert len(store.last_positions(limit=1)) == 1
    assert store.last_flags() == {1: (now - 5000, 2, 0), 2: (0, 16, 0)}


def test_events_and_messages_come_newest_first(store: Store) -> None:
    """Alarms and cards by their own time, messages as they arrived; each by terminal, time and number."""
    write(
        store,
        alarm_events=[alarm(n % 2 + 1, T0_MS + n, n) for n in (3, 1, 2)],
        card_events=[card(n % 2 + 1, T0_MS + n, n) for n in (3, 1, 2)],
        messages=[message(n % 2 + 1, n, T0_MS + n, msg_id=n) for n in (1, 2, 3)],
    )
    assert [row["fingerprint"] for row in store.alarm_events()] == [3, 2, 1]
    assert [row["fingerprint"] for row in store.alarm_events(terminal=TWO)] == [3, 1]
    assert [row["fingerprint"] for row in store.alarm_events(from_ms=T0_MS + 2, limit=1)] == [3]
    assert [row["fingerprint"] for row in store.card_events()] == [3, 2, 1]
    assert [row["fingerprint"] for row in store.card_events(terminal=ONE, from_ms=T0_MS + 2)] == [2]
    assert [row["serial"] for row in store.messages()] == [3, 2, 1]
    assert [row["serial"] for row in store.messages(terminal=TWO)] == [3, 1]
    assert [row["serial"] for row in store.messages(msg_id=2)] == [2]
    assert [row["raw"] for row in store.messages(terminal=TWO, msg_id=3)] == [b"\x00\x7e\xff"]


def test_quarantine_is_held_until_replayed(store: Store) -> None:
    """Quarantined messages have a number; replayed ones leave the list of the held, and are marked once."""
    write(store, quarantine=[quarantined(n, n, terminal=(ONE, TWO)[n % 2]) for n in range(1, 6)])
    rows = store.quarantine()
    ids = [int(str(row["id"])) for row in rows]
    assert ids == sorted(ids)
    assert {(row["state"], row["replayed_ms"]) for row in rows} == {("held", None)}
    assert [row["id"] for row in store.quarantine(after_id=ids[2])] == ids[3:]
    assert [row["id"] for row in store.quarantine(terminal=ONE, limit=1)] == [ids[1]]

    assert store.mark_replayed(ids[:2], T0_MS) == 2
    assert store.mark_replayed([*ids[:3], 999], T0_MS + 1) == 1
    assert store.mark_replayed([], T0_MS) == 0
    assert [row["id"] for row in store.quarantine()] == ids[3:]
    everything = store.quarantine(held_only=False)
    assert [row["state"] for row in everything] == ["replayed"] * 3 + ["held"] * 2
    assert [row["replayed_ms"] for row in everything] == [T0_MS, T0_MS, T0_MS + 1, None, None]
    assert write(store, quarantine=[quarantined(1, 1)]) == Written(0, 1)


def test_info_counts_exactly(store: Store) -> None:
    """Rows per table are exact through repetition and deletion; times are those of believable positions."""
    for _ in range(2):
        write(
            store,
            positions=[position(fingerprint=n, device_time_ms=T0_MS + n) for n in range(5)] + [position(1, 0)],
            alarm_events=[alarm()],
            messages=[message()],
            quarantine=[quarantined()],
            opened=[opened()],
        )
    info = store.info()
    assert counts(store) == {
        "terminals": 3,
        "sessions": 1,
        "positions": 6,
        "alarm_events": 1,
        "card_events": 0,
        "messages": 1,
        "quarantine": 1,
        "parts": 0,
    }
    assert (info["first_position_ms"], info["last_position_ms"]) == (T0_MS, T0_MS + 4)
    assert isinstance(info["bytes_on_disk"], int)
    assert info["bytes_on_disk"] > 0

    store.retain(T0_MS + DAY_MS)
    assert {name: counts(store)[name] for name in ("positions", "alarm_events", "messages")} == {
        "positions": 0,
        "alarm_events": 0,
        "messages": 0,
    }


# ---------------------------------------------------------------------------------------------- retention


def test_retention_deletes_what_was_received_before(store: Store) -> None:
    """Old rows go whatever their device time says; young ones and open sessions stay."""
    old, young = T0_MS - DAY_MS, T0_MS + DAY_MS
    write(
        store,
        positions=[
            position(1, old, 1),
            position(1, 0, 2, received_ms=old),
            position(1, 4_000_000_000_000, 3, received_ms=old, time_state=2),
            position(1, old, 4, received_ms=young),
            position(1, 0, 5, received_ms=young),
            position(1, young, 6),
        ],
        alarm_events=[alarm(1, old, 1), alarm(1, old, 2, received_ms=young)],
        card_events=[card(1, old, 1), card(1, young, 2)],
        messages=[message(1, 1, old), message(1, 2, young)],
        quarantine=[quarantined(old * 1000, 1), quarantined(old * 1000, 2), quarantined(young * 1000, 3)],
        opened=[opened(1, 1, old), opened(2, 1, old), opened(3, 1, young)],
        closed=[closed(1, old), closed(3, young)],
    )
    store.mark_replayed([1, 3], T0_MS)

    assert store.retain(T0_MS) == 3 + 1 + 1 + 1 + 2 + 1
    assert store.retain(T0_MS) == 0
    assert sorted(int(str(row["fingerprint"])) for row in store.positions()) == [4, 5, 6]
    assert [row["fingerprint"] for row in store.alarm_events()] == [2]
    assert [row["fingerprint"] for row in store.card_events()] == [2]
    assert [row["serial"] for row in store.messages()] == [2]
    assert [row["id"] for row in store.quarantine(held_only=False)] == [3]
    assert [row["session_id"] for row in store.sessions()] == [3, 2]


def test_retention_works_in_small_steps(store: Store) -> None:
    """A step deletes no more than it is told, and repeated steps get everything."""
    write(
        store,
        positions=[position(1, T0_MS + n, n) for n in range(25)],
        messages=[message(1, n, T0_MS + n) for n in range(12)],
    )
    deleted = [store.retain(T0_MS + DAY_MS, rows_max=10) for _ in range(4)]
    assert deleted == [20, 12, 5, 0]


# --------------------------------------------------------------------------------------------- company


def test_readers_see_whole_batches_while_a_batch_is_written(store: Store, open_store: StoreOpener) -> None:
    """A reader in another process never sees half a batch, nor a cursor ahead of its rows."""
    stop, problems = threading.Event(), []

    def look() -> None:
        reader = open_store()
        while not stop.is_set():
            cursor = reader.cursor("pipeline")
            rows = len(reader.positions(limit=100_000))
            if rows % 50 or rows < cursor * 50:
                problems.append((cursor, rows))

    thread = threading.Thread(target=look)
    thread.start()
    for seq in range(1, 31):
        write(store, seq, positions=[position(1, T0_MS + seq * 100 + n, n) for n in range(50)])
    stop.set()
    thread.join()
    assert problems == []


def test_brief_writers_beside_the_pipeline(store: Store, open_store: StoreOpener) -> None:
    """An operator marks quarantine, and a CLI registers terminals, while batches are written: all of it stays."""
    write(store, quarantine=[quarantined(n, n) for n in range(1, 101)])

    def operate() -> None:
        operator = open_store()
        for number in range(1, 101):
            operator.mark_replayed([number], T0_MS)
            operator.terminal_ids([f"77{number}"], T0_MS)

    thread = threading.Thread(target=operate)
    thread.start()
    for seq in range(1, 31):
        write(store, seq, positions=[position(1, T0_MS + seq * 1000 + n, n) for n in range(300)])
    thread.join()

    assert store.quarantine() == []
    assert counts(store)["positions"] == 9000
    assert counts(store)["terminals"] == 103
    assert store.cursor("pipeline") == 30


def test_a_closed_store_says_so(store: Store) -> None:
    """Closing twice is harmless; asking afterwards is a typed error."""
    store.close()
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.terminals()
