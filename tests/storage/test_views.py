"""The views for other programs: frozen within their version, the same on every back end, right."""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import apsw
import psycopg
import pytest
from storage_backends import StoreUnderTest

from jtgate.codecs.timebase import now_ms
from jtgate.storage.contract.derived_rows import binding, evidence
from jtgate.storage.contract.rows import (
    DAY_MS,
    HOUR_MS,
    ONE,
    T0_MS,
    TWO,
    alarm,
    card,
    closed,
    message,
    opened,
    position,
    quarantined,
    write,
)
from jtgate.storage.model import TerminalUpdate
from jtgate.storage.registry import checked
from jtgate.storage.store import Store

FROZEN: Mapping[str, Mapping[str, Mapping[str, str]]] = json.loads(
    (Path(__file__).parent / "views_v1.json").read_text(encoding="utf-8")
)
PAGE = Path(__file__).parents[2] / "docs" / "store.md"
#: T0 is 22:13:20 in GMT+8 on this day.
DAY = "2026-09-21"
PERSONAL = {
    "licence",
    "medical_on",
    "id_number",
    "phone",
    "born_on",
    "photo_path",
    "drivers",
    "escorts",
    "legal_person",
    "contact_phone",
}


def at_ms(value: object) -> int:
    """A time of a view as milliseconds, whatever the back end makes of it."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    assert isinstance(moment, datetime)
    return round(moment.timestamp() * 1000)


def only(rows: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The one row."""
    assert len(rows) == 1, rows
    return rows[0]


def roll_up(store: Store) -> None:
    """Every hour that is due."""
    while store.roll_up(now_ms()):
        pass


def test_the_views_of_a_version_never_change(store: Store, backend: StoreUnderTest) -> None:
    """Names, columns, their order and their types are those of the frozen file; a change needs the next number."""
    kind = "sqlite" if backend.name == "sqlite" else "postgresql"
    live = {name: [list(column) for column in columns] for name, columns in store.views().items()}
    assert live == {name: [[column, types[kind]] for column, types in view.items()] for name, view in FROZEN.items()}


def test_the_page_explains_every_view_and_column() -> None:
    """docs/store.md has a section for each view, which names each of its columns."""
    sections = dict(
        re.findall(r"^### `(\w+)`\n(.*?)(?=^#{2,3} |\Z)", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    )
    assert sections.keys() == FROZEN.keys()
    for name, columns in FROZEN.items():
        missing = [column for column in columns if f"`{column}`" not in sections[name]]
        assert not missing, f"docs/store.md does not name {missing} of {name}"


def test_no_view_tells_what_is_personal() -> None:
    """Numbers of identity cards, phones of persons, birth dates and pictures are for the tables only."""
    for name, columns in FROZEN.items():
        assert PERSONAL.isdisjoint(columns), name


def test_last_position_is_the_newest_live_one_with_a_fix(store: Store) -> None:
    """Not one without a fix, not one sent late, not one from the future."""
    write(
        store,
        positions=[
            position(1, T0_MS, 1, latitude=41.5),
            position(1, T0_MS + 1000, 2, status=1),
            position(1, T0_MS + 2000, 3, backfill=1),
            position(1, now_ms() + 3 * DAY_MS, 4, time_state=2, received_ms=T0_MS),
            position(2, T0_MS, 5, status=0),
        ],
    )
    last = only(store.view("last_position"))
    assert (last["terminal"], last["latitude"], last["device_time_ms"]) == (ONE, 41.5, T0_MS)
    assert (at_ms(last["device_time"]), at_ms(last["received"])) == (T0_MS, T0_MS + 400)


def test_a_track_is_every_report_with_a_time(store: Store) -> None:
    """Late ones and those of a clock that runs ahead too; not those without any time."""
    late = position(1, T0_MS - 900 * DAY_MS, 3, backfill=1)
    write(store, positions=[position(1, T0_MS, 1), position(1, 0, 2), late, position(2, T0_MS, 4)])
    rows = sorted(store.view("track", terminal=ONE), key=lambda row: row["device_time_ms"])  # type: ignore[arg-type,return-value]
    assert [(row["device_time_ms"], row["backfill"]) for row in rows] == [(T0_MS - 900 * DAY_MS, 1), (T0_MS, 0)]
    items = rows[0]["extra_items"]
    assert (json.loads(items) if isinstance(items, str) else items) == [{"id": "0xe1", "raw": "00"}]


def test_online_minutes_count_each_minute_once_and_by_day(store: Store) -> None:
    """Sessions that overlap, one within another, one over midnight, one that is still open."""
    midnight_ms = T0_MS - (T0_MS + 8 * HOUR_MS) % DAY_MS
    minute = 60_000
    write(
        store,
        opened=[
            opened(1, 1, midnight_ms + 10 * minute),
            opened(2, 1, midnight_ms + 20 * minute),  # overlaps the first for ten minutes
            opened(3, 1, midnight_ms + 25 * minute),  # lies within the second
            opened(4, 1, midnight_ms + DAY_MS - 30 * minute),  # over midnight
            opened(5, 2, midnight_ms + 60 * minute),  # open
        ],
        closed=[
            closed(1, midnight_ms + 30 * minute),
            closed(2, midnight_ms + 40 * minute),
            closed(3, midnight_ms + 30 * minute),
            closed(4, midnight_ms + DAY_MS + 15 * minute),
        ],
        terminals=[TerminalUpdate(2, T0_MS, last_seen_ms=midnight_ms + 75 * minute)],
    )
    found = {(row["terminal"], str(row["day"])): row["minutes"] for row in store.view("online_minutes")}
    assert found == {(ONE, DAY): 60.0, (ONE, "2026-09-22"): 15.0, (TWO, DAY): 15.0}
    assert len(store.view("online_minutes", terminal=TWO)) == 1


def test_mileage_of_a_day_follows_late_reports(store: Store) -> None:
    """Last reading less the first of the day in +08:00; a report that comes later is in it after the next roll-up."""
    write(
        store,
        positions=[
            position(1, T0_MS, 1, mileage_km=100.0),
            position(1, T0_MS + HOUR_MS, 2, mileage_km=150.5, status=0),
            position(1, T0_MS + 2 * HOUR_MS, 3, mileage_km=170.0),  # 00:13 of the next day
        ],
    )
    roll_up(store)
    days = {str(row["day"]): row for row in store.view("mileage_per_day", terminal=ONE)}
    assert {day: row["mileage_km"] for day, row in days.items()} == {DAY: 50.5, "2026-09-22": 0.0}
    assert (days[DAY]["point_count"], days[DAY]["located_count"], days[DAY]["moving_count"]) == (2, 1, 2)
    write(store, positions=[position(1, T0_MS - HOUR_MS, 4, mileage_km=90.0, received_ms=T0_MS + DAY_MS)])
    roll_up(store)
    days = {str(row["day"]): row for row in store.view("mileage_per_day", terminal=ONE)}
    assert days[DAY]["mileage_km"] == 60.5


def test_alarms_of_a_day_are_counted_without_their_ends(store: Store) -> None:
    """By source, type and level."""
    write(
        store,
        alarm_events=[
            alarm(1, T0_MS, 1),
            alarm(1, T0_MS + 1000, 2),
            alarm(1, T0_MS + 2000, 3, phase="end"),
            alarm(1, T0_MS + 3000, 4, level=1),
            alarm(2, T0_MS, 5),
        ],
    )
    rows = store.view("alarms_per_day", terminal=ONE)
    assert {(str(row["day"]), row["level"]): row["alarm_count"] for row in rows} == {(DAY, 2): 2, (DAY, 1): 1}


def test_evidence_stands_beside_its_alarm(store: Store) -> None:
    """One row for each file, and one without a file while none has come."""
    number = evidence().alarm_number
    write(
        store,
        alarm_events=[
            alarm(1, T0_MS, 1, alarm_number=number),
            alarm(1, T0_MS + 1000, 2, alarm_number="ff" * 16),
            alarm(1, T0_MS + 2000, 3, alarm_number=None),
        ],
        evidence_files=[evidence(file_name="a.jpg", state="complete"), evidence(file_name="b.mp4", state="announced")],
    )
    rows = store.view("evidence_of_alarm", terminal=ONE)
    found = sorted((row["alarm_number"] == number, row["file_name"] or "", row["file_state"] or "") for row in rows)
    assert found == [(False, "", ""), (True, "a.jpg", "complete"), (True, "b.mp4", "announced")]


def test_who_drove_what_names_people_as_they_were_then(store: Store) -> None:
    """The version of person and vehicle that was in force when the binding began."""
    who = binding(person="P1", plate="辽L12345", plate_color=2)
    for name, valid_from in (("张三", "2026-01-01"), ("张三丰", "2026-10-01")):
        person = checked(
            "persons", {"person": "P1", "name": name, "roles": ["driver"], "valid_from": valid_from}, now_ms=T0_MS
        )
        assert person.row is not None, person.faults
        store.registry_put("persons", [person.row], T0_MS)
    write(store, bindings=[who])
    row = only(store.view("who_drove_what"))
    assert (row["plate"], row["role"], row["person_name"], row["started_ms"]) == ("辽L12345", who.role, "张三", T0_MS)
    persons = store.view("persons")
    assert {found["name"] for found in persons if found["valid_to"] is None} == {"张三丰"}
    assert len(persons) == 2


def test_the_way_back_to_the_frame(store: Store) -> None:
    """Every row leads to the group of the spool that holds its frame; the quarantine shows no bytes."""
    write(store, positions=[position(spool_seq=77)], messages=[message(spool_seq=78)], quarantine=[quarantined()])
    rows = store.view("raw_frames", terminal=ONE)
    assert {(row["kind"], row["spool_seq"]) for row in rows} == {("position", 77), ("message", 78)}
    held = only(store.view("quarantine"))
    assert (held["code"], held["offset"], at_ms(held["received"])) == ("body.truncated", 4, T0_MS)


def test_cards_are_shown_without_the_identity_number(store: Store) -> None:
    """The name is on the card; the number of the identity card is not shown."""
    write(store, card_events=[card(id_number="secret")])
    row = only(store.view("driver_cards"))
    assert "secret" not in map(str, row.values())
    assert row["device_time_ms"] == T0_MS


def test_questions_of_readers_use_indexes(store: Store, backend: StoreUnderTest) -> None:
    """The track of a vehicle in a time range, and a last position, read no whole table."""
    write(store, positions=[position(1, T0_MS + number * 1000, number) for number in range(50)])
    if backend.name == "sqlite":
        question = "SELECT * FROM jtgate_v1_track WHERE terminal = ? AND device_time_ms BETWEEN ? AND ?"
        connection = apsw.Connection(str(backend.path))
        plan = " ".join(
            str(step[3]) for step in connection.execute(f"EXPLAIN QUERY PLAN {question}", (ONE, T0_MS, T0_MS + 9000))
        )
        connection.close()
        assert "positions_terminal (terminal_id=? AND device_time_ms>? AND device_time_ms<?)" in plan
        return
    with psycopg.connect(backend.url, autocommit=True) as server:
        server.execute("SET enable_seqscan = off")
        question = (
            f"EXPLAIN SELECT * FROM {backend.schema}_v1.track WHERE terminal = '{ONE}' "
            "AND device_time >= '2026-09-21T14:13:20Z' AND device_time < '2026-09-21T14:13:29Z'"
        )
        plan = "\n".join(str(line) for (line,) in server.execute(question.encode()))
    assert "Seq Scan" not in plan
    assert "device_time >=" in plan
    if backend.name == "postgres":
        assert "positions_20260921" in plan
        assert "positions_20260922" not in plan, "days that are not asked for are left out"


def test_the_reader_may_read_the_views_and_nothing_else(postgres_url: str) -> None:
    """A login with the role reads the views; tables and writing are refused."""
    from jtgate.storage.postgres.store import PostgresStore

    store = PostgresStore(postgres_url)
    store.migrate()
    try:
        with psycopg.connect(postgres_url, autocommit=True) as server:
            server.execute("SET ROLE jtgate_reader")
            assert server.execute("SELECT count(*) FROM jtgate_v1.track").fetchone() == (0,)
            assert server.execute("SELECT count(*) FROM jtgate_v1.online_minutes").fetchone() == (0,)
            for statement in (
                "SELECT count(*) FROM jtgate.positions",
                "SELECT count(*) FROM jtgate.persons",
                "DELETE FROM jtgate_v1.persons",
                "CREATE TABLE jtgate_v1.mine (id integer)",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    server.execute(statement.encode())
    finally:
        store.drop()
        store.close()
