"""Facts for tests of episodes, and ways to fold them: at once, with stored states, and with some that come late."""

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from jtgate.pipeline.derive.facts import AlarmItem, Rows, Second
from jtgate.storage.model import EpisodeRow

T0 = 1_790_000_000_000
TERMINAL = 1


def item(at_s: float, phase: str = "instant", alarm_type: int = 2, **values: Any) -> AlarmItem:
    """A DSM item so many seconds after T0; its identification number has its own time, as terminals do it."""
    made = AlarmItem(
        time_ms=T0 + round(at_s * 1000),
        fingerprint=values.pop("fingerprint", round(at_s) * 100 + alarm_type),
        source="jsatl12:0x65",
        alarm_type=alarm_type,
        phase=phase,
        level=1,
        latitude=41.1,
        longitude=122.0,
        speed_kmh=60.0,
        alarm_number=f"{round(at_s):030x}00",
        attachment_count=0,
        serial=7,
        alarm_id=0,
    )
    return made._replace(**values)


def second(at_s: int, flags: int = 0, **values: Any) -> Second:
    """A second so many seconds after T0."""
    made = Second(
        time_ms=T0 + at_s * 1000,
        fingerprint=at_s,
        received_ms=T0 + at_s * 1000 + 300,
        backfill=0,
        alarm_flags=flags,
        video_alarm_flags=0,
        status=3,
        latitude=41.1,
        longitude=122.0,
        speed_kmh=60.0,
        recorder_speed_kmh=None,
        heading_deg=90,
        mileage_km=None,
        serial=at_s,
        alarm_event_id=None,
        extra_items=None,
        report_count=1,
    )
    return made._replace(**values)


def area(kind: int, number: int, direction: int) -> str:
    """Item 0x12 as a report has it."""
    raw = bytes([kind]) + number.to_bytes(4) + bytes([direction])
    return json.dumps([{"id": "0x12", "raw": raw.hex()}])


def in_order(facts: Sequence[Any]) -> list[Any]:
    """Facts as they are folded."""
    return sorted(facts, key=lambda fact: (fact.time_ms, fact.fingerprint))


def stored(state: Any) -> Any:
    """A state after it was written to a checkpoint and read back."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=type(state))


def fold(
    machine: Any,
    facts: Sequence[Any],
    *,
    until_s: float | None = None,
    cuts: Sequence[int] = (),
    start: Any = None,
    rows: Rows | None = None,
) -> tuple[Any, Rows]:
    """State and rows after facts in any order.

    Args:
        machine: of flags or of items.
        facts: each once.
        until_s: what has ended by then is told.
        cuts: before these facts the state goes through its stored form.
        start: state to begin with.
        rows: gets the rows.
    """
    state, rows = machine.start() if start is None else start, Rows() if rows is None else rows
    for number, fact in enumerate(in_order(facts)):
        if number in cuts:
            state = stored(state)
        state = machine.step(state, fact, rows, TERMINAL)
    if until_s is not None:
        state = machine.settle(state, T0 + round(until_s * 1000), rows, TERMINAL)
    return state, rows


def listed(rows: Rows, *, withdrawn: bool = False) -> list[EpisodeRow]:
    """Episodes that stand, or those that were withdrawn, oldest first."""
    found = [row for row in rows.tables.get("episodes", {}).values() if (row.state == "withdrawn") == withdrawn]
    return sorted(found, key=lambda row: (row.started_ms, row.source, row.alarm_type))


def fold_late(machine: Any, facts: Sequence[Any], late: Sequence[Any], kept: int, until_s: float) -> Rows:
    """What the store has when some facts came last: folded without them, then anew from a state before them.

    Args:
        machine: of flags or of items.
        facts: that came in order.
        late: that came after them.
        kept: a state was kept after so many of the facts, if none of those is later than what is late.
        until_s: see fold.
    """
    first_late = in_order(late)[0].time_ms if late else T0 * 2
    next_ms = in_order(facts)[kept].time_ms if kept < len(facts) else T0 * 2  # facts of one moment stay together
    before = [fact for fact in in_order(facts)[:kept] if fact.time_ms < min(first_late, next_ms)]
    after = in_order(facts)[len(before) :]
    checkpoint, store = fold(machine, before)
    checkpoint = stored(checkpoint)
    fold(machine, after, start=checkpoint, rows=store, until_s=until_s)
    anew = Rows()
    machine.held(checkpoint, anew, TERMINAL)
    fold(machine, [*after, *late], start=checkpoint, rows=anew, until_s=until_s)
    edge_ms = before[-1].time_ms if before else 0
    brought = anew.tables.get("episodes", {})
    for key, row in store.tables.get("episodes", {}).items():
        if row.started_ms > edge_ms and key not in brought:
            store.put("episodes", key, row._replace(state="withdrawn"))
    store.update(anew)
    return store


def spans(rows: Sequence[EpisodeRow]) -> list[tuple[float, float | None, str | None, int]]:
    """Beginning, end, why it ended, and reports of episodes."""
    return [
        (
            (row.started_ms - T0) / 1000,
            None if row.ended_ms is None else (row.ended_ms - T0) / 1000,
            row.ended_by,
            row.report_count,
        )
        for row in rows
    ]
