"""Whatever is written again leaves one row, and what cannot be written leaves nothing (design D6)."""

from typing import Any, Final

from jtgate.storage.contract.checking import StoreOpener, promise, refused, same
from jtgate.storage.contract.derived_rows import (
    READABLE_ROWS,
    binding,
    conflict,
    episode,
    evidence,
    override,
    phone_fix,
    visit,
)
from jtgate.storage.contract.positions import packed_reports
from jtgate.storage.contract.rows import (
    DAY_MS,
    T0_MS,
    alarm,
    as_row,
    card,
    counts,
    message,
    opened,
    part,
    position,
    quarantined,
    write,
)
from jtgate.storage.model import RESEND_WINDOW_MS, StoreBatch, TerminalUpdate, Written
from jtgate.storage.store import Store, StoreError
from jtgate.storage.tables import BY_KEY, READABLE

_KEPT: Final = {"alarm_events": alarm, "card_events": card}


@promise
def rows_and_cursor_move_together(store: Store, open_store: StoreOpener) -> None:
    """Rows and cursor are one transaction: a batch that fails leaves neither, and the store works on."""
    write(store, 5, positions=[position(fingerprint=1)])
    good: dict[str, Any] = {
        "positions": [position(fingerprint=2), position(1, 0, 2), position(1, T0_MS - 900 * DAY_MS, 2)],
        "opened": [opened(77)],
        "terminals": [TerminalUpdate(1, T0_MS, plate="LOST")],
        "zones": [(1, 60)],
        "parts": [part()],
        "quarantine": [quarantined()],
    }
    failing: dict[str, dict[str, Any]] = {
        "an alarm whose type is no number": {"alarm_events": [alarm(alarm_type="not a number")]},
        "a message whose fingerprint has 65 bits": {"messages": [message(fingerprint=1 << 64)]},
        "reports in columns and an alarm that does not fit": {
            "columns": packed_reports(),
            "alarm_events": [alarm(level="high")],
        },
    }
    for what, bad in failing.items():
        with refused(StoreError, what):
            write(store, 6, **good, **bad)
    with refused(StoreError, "a cursor that is no number"):
        write(store, "no number", **good)

    other = open_store()
    same(other.cursor("pipeline"), 5, "cursor after batches that failed")
    same([row["fingerprint"] for row in other.positions()], [1], "positions after batches that failed")
    left = (other.sessions(), other.zones(), other.open_parts(), other.quarantine())
    same(left, ([], {}, [], []), "sessions, zones, parts and quarantine after batches that failed")
    same(other.terminals(limit=1)[0]["plate"], None, "plate of a terminal after batches that failed")
    same(counts(other).get("positions"), 1, "positions counted")
    same(write(store, 6, **good), Written(4, 0), "the good rows by themselves")
    same((other.cursor("pipeline"), len(other.positions())), (6, 4), "cursor and positions after that")


@promise
def cursors_move_without_rows(store: Store, open_store: StoreOpener) -> None:
    """Several at once, or none of them; those of others stay where they are."""
    write(store, 4)
    store.move_cursors({"out:spool": 7, "out:alarms": 1 << 40})
    store.move_cursors({"out:spool": 6})
    store.move_cursors({})
    other = open_store()
    found = [other.cursor(name) for name in ("pipeline", "out:spool", "out:alarms")]
    same(found, [4, 6, 1 << 40], "cursors after a move")


@promise
def cursors_are_one_for_each_consumer(store: Store) -> None:
    """A consumer moves its own cursor, forward or (to replay) back."""
    for consumer, seq in (("pipeline", 9), ("replay", 3), ("pipeline", 4), ("far", (1 << 62) + 1)):
        store.write(StoreBatch(), consumer=consumer, seq=seq)
    same([store.cursor(name) for name in ("pipeline", "replay", "far", "nobody")], [4, 3, (1 << 62) + 1, 0], "cursors")
    same(store.info()["cursors"], {"pipeline": 4, "replay": 3, "far": (1 << 62) + 1}, "cursors that info tells")


@promise
def the_first_fact_stands(store: Store) -> None:
    """Alarm and card events, quarantine and positions that come again, with whatever values, change nothing."""
    first: dict[str, Any] = {
        "positions": [position()],
        "alarm_events": [alarm()],
        "card_events": [card()],
        "quarantine": [quarantined()],
    }
    again: dict[str, Any] = {
        "positions": [position(speed_kmh=1.0, received_ms=T0_MS + DAY_MS)],
        "alarm_events": [alarm(level=9, received_ms=T0_MS + DAY_MS)],
        "card_events": [card(driver_name="李四")],
        "quarantine": [quarantined(message="another")],
    }
    same(write(store, **first), Written(4, 0), "first")
    same(write(store, **again), Written(0, 4), "again")
    same(store.positions(), [as_row(first["positions"][0])], "the position")
    for name in _KEPT:
        found = getattr(store, name)()
        same(len(found), 1, f"rows of {name}")
        same(found[0] | first[name][0]._asdict(), found[0], f"the row of {name}")
    same([row["message"] for row in store.quarantine()], [quarantined().message], "the quarantined message")


@promise
def each_part_of_a_key_counts(store: Store) -> None:
    """Rows that differ in one part of their key are different rows."""
    batches: dict[str, list[Any]] = {
        "positions": [position(1, T0_MS, 7), position(2, T0_MS, 7), position(1, T0_MS + 1, 7), position(1, T0_MS, 8)],
        "alarm_events": [alarm(), alarm(2), alarm(1, T0_MS + 1), alarm(1, T0_MS, 8), alarm(source="jt808:flag")],
        "card_events": [card(), card(2), card(1, T0_MS + 1), card(1, T0_MS, 8)],
        "quarantine": [quarantined(), quarantined(T0_MS * 1000 + 1), quarantined(fingerprint=8)],
    }
    for name, rows in batches.items():
        same(write(store, **{name: rows + rows}), Written(len(rows), len(rows)), f"{name} written twice in one batch")
        same(write(store, **{name: rows}), Written(0, len(rows)), f"{name} written again")
        columns = BY_KEY[name].columns
        found = store.quarantine() if name == "quarantine" else getattr(store, name)(limit=100)
        keys = {tuple(row[part] for part in BY_KEY[name].key) for row in found}
        expected = {_key_of(name, row) for row in rows}
        same((len(found), keys), (len(rows), expected), f"keys of {name} ({len(columns)} columns)")


@promise
def a_resent_message_is_not_written_again(store: Store) -> None:
    """Same terminal, id, serial and body within ten minutes are one message; later, or different, they are two."""
    first = message(received_ms=T0_MS)
    same(write(store, messages=[first]), Written(1, 0), "first")
    same(write(store, messages=[first, message(received_ms=T0_MS + 20_000)]), Written(0, 2), "again, and 20 s later")
    same(write(store, messages=[message(received_ms=T0_MS + RESEND_WINDOW_MS)]), Written(0, 1), "at the end of it")
    same(write(store, messages=[message(received_ms=T0_MS + RESEND_WINDOW_MS + 1)]), Written(1, 0), "just after it")
    different = [message(terminal_id=2), message(serial=10), message(fingerprint=8), message(msg_id=0x0201)]
    same(write(store, messages=different), Written(4, 0), "different in one part each")
    twice = [message(serial=77), message(serial=77, received_ms=T0_MS + 5)]
    same(write(store, messages=twice), Written(1, 1), "twice in one batch")
    same(len(store.messages()), 7, "messages")


@promise
def stored_tells_which_keys_have_a_row(store: Store) -> None:
    """Of many keys the store tells those that have a row, in each table that is asked by key."""
    times_ms = (0, T0_MS - 900 * DAY_MS, T0_MS, T0_MS + 400 * DAY_MS)
    rows: dict[str, list[Any]] = {
        "positions": [
            position(1, at_ms, print_, time_state=int(at_ms != T0_MS))
            for at_ms in times_ms
            for print_ in (-(1 << 63), 0, (1 << 63) - 1)
        ],
        "alarm_events": [alarm(1, at_ms, -5) for at_ms in times_ms] + [alarm(source="片:“x”\\'")],
        "card_events": [card(1, at_ms, -5) for at_ms in times_ms],
        "messages": [message(1, 65535, T0_MS, msg_id=0xFFFF, fingerprint=-5)],
        "quarantine": [quarantined(T0_MS * 1000 + 999, -5), quarantined(1, 1 << 62)],
    }
    same(set(rows), set(BY_KEY), "tables that are asked by key")
    write(store, **rows)
    for name, written in rows.items():
        there = {_key_of(name, row) for row in written}
        absent = {(*key[:-1], key[-1] + RESEND_WINDOW_MS + 1 if name == "messages" else key[-1] ^ 1) for key in there}
        same(store.stored(name, sorted(there | absent)), there, f"keys of {name}")
        same(store.stored(name, []), set(), f"no keys of {name}")
    with refused(StoreError, "a table that has no such key"):
        store.stored("terminals", [(1, 2, 3)])


@promise
def stored_knows_retransmissions(store: Store) -> None:
    """A message counts as stored also when a row within ten minutes before makes it a retransmission."""
    write(store, messages=[message(1, 9, T0_MS)])
    keys = {
        delay_ms: (1, 0x0104, 9, 7, T0_MS + delay_ms) for delay_ms in (-1, 0, 1, RESEND_WINDOW_MS, RESEND_WINDOW_MS + 1)
    }
    expected = {keys[delay_ms] for delay_ms in (0, 1, RESEND_WINDOW_MS)}
    same(store.stored("messages", [*keys.values(), (1, 0x0104, 10, 7, T0_MS)]), expected, "keys that are stored")


@promise
def a_newer_row_replaces(store: Store) -> None:
    """Of two rows of what grows (an episode, a file, a trip …) the one updated last stands, whole, in any order."""
    for name, make in READABLE_ROWS.items():
        row = make(1, T0_MS)
        optional = {"plate_color", "result", "path", "reason"} - set(READABLE[name].key)
        changed = {field: None for field in optional if field in row._fields}
        newer = row._replace(updated_ms=row.updated_ms + 1, **changed)
        equal = newer._replace(**_other_value(newer))
        for step, (rows, expected) in enumerate(
            (([row], row), ([newer], newer), ([row], newer), ([equal], equal), ([row, newer], newer))
        ):
            write(store, **{name: rows})
            _only_row(store, name, expected, f"{name}, step {step + 1}")
        latest = row._replace(updated_ms=row.updated_ms + 9)
        write(store, **{name: [latest, newer, row]})
        _only_row(store, name, latest, f"{name}, newest first in one batch")


@promise
def facts_have_their_keys(store: Store) -> None:
    """Derived rows that differ in one part of their key are different rows."""
    rows: dict[str, list[Any]] = {
        "episodes": [episode(), episode(2), episode(1, T0_MS + 1), episode(1, T0_MS, 2), episode(source="jt808:flag")],
        "evidence_files": [evidence(), evidence(2), evidence(number=1), evidence(alarm_number="01")],
        "bindings": [
            binding(),
            binding(2),
            binding(started_ms=T0_MS + 1),
            binding(number=1),
            binding(role="escort"),
            binding(revision=0),
        ],
        "binding_conflicts": [conflict(), conflict(2), conflict(other=""), conflict(kind="card_lent")],
        "driver_overrides": [override(), override(2), override(made_ms=T0_MS), override(role="escort")],
        "phone_fixes": [phone_fix(), phone_fix(2), phone_fix(fingerprint=1)],
        "zone_visits": [visit(), visit(2), visit(zone="Z002"), visit(entered_ms=T0_MS + 1)],
    }
    for name in ("face_events", "trips", "stops", "point_quality", "checkpoints"):
        make = READABLE_ROWS[name]
        rows[name] = [make(1, T0_MS), make(2, T0_MS), make(1, T0_MS + 1)]
    same(set(rows), set(READABLE), "tables of facts that grow")
    write(store, **rows)
    write(store, **rows)
    for name, written in rows.items():
        key = READABLE[name].key
        found = {tuple(row[part] for part in key) for row in store.facts(name)}
        same(found, {tuple(getattr(row, part) for part in key) for row in written}, f"keys of {name}")
        same(len(store.facts(name)), len(written), f"rows of {name}")


@promise
def a_replay_changes_nothing(store: Store) -> None:
    """The same batches again, from the beginning or from the middle, leave the store as it was."""
    batches: list[dict[str, Any]] = [
        {
            "columns": packed_reports(),
            "positions": [position(2, T0_MS + number * 1000, number)],
            "alarm_events": [alarm(2, T0_MS + number)],
            "messages": [message(2, number, T0_MS + number)],
            "parts": [part(2, number)],
            "parts_done": [part(2, number - 1)[:4]],
            "episodes": [episode(2, T0_MS, 3, report_count=number, updated_ms=T0_MS + number)],
            "opened": [opened(number, 2)],
            "close_sessions_before": [(number, T0_MS + number)],
        }
        for number in range(1, 6)
    ]

    def contents() -> list[object]:
        return [
            *(store.positions(), store.alarm_events(), store.messages(), store.open_parts()),
            *(_without_id(store.facts("episodes")), store.sessions(), counts(store)),
        ]

    for seq, batch in enumerate(batches, 1):
        write(store, seq, **batch)
    before = contents()
    for seq, batch in enumerate(batches[2:], 3):
        same(write(store, seq, **batch).new, 0, "new rows of a replay")
    after = contents()
    for found, expected in zip(after, before, strict=True):
        same(found, expected, "what a replay leaves")


def _key_of(table: str, row: Any) -> tuple[Any, ...]:
    columns = BY_KEY[table].columns
    return tuple(row[columns.index(name)] for name in BY_KEY[table].key)


def _only_row(store: Store, table: str, expected: Any, what: str) -> None:
    found = store.facts(table)
    same(len(found), 1, f"{what}: rows")
    same({name: found[0][name] for name in expected._fields}, expected._asdict(), what)


def _other_value(row: Any) -> dict[str, object]:
    """Another value of some field that is not in the key."""
    values: tuple[tuple[str, Any], ...] = (
        *(("state", "other"), ("state", b"other"), ("kind", "compare"), ("confidence", 0.5)),
        *(("drive_s", 1), ("source", "other"), ("evidence", "other"), ("faults", "{}")),
    )
    for name, value in values:
        if isinstance(getattr(row, name, None), type(value)):
            return {name: value}
    return {}


def _without_id(rows: list[Any]) -> list[dict[str, object]]:
    return [{name: value for name, value in row.items() if name != "id"} for row in rows]
