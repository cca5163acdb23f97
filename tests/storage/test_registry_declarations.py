"""The registries: declarations, tables and versions agree on every back end; every fault of a row is told."""

from collections.abc import Mapping
from typing import Any

import psycopg
import pytest
from storage_backends import StoreUnderTest

from jtgate.codecs.timebase import now_ms
from jtgate.storage.contract.rows import DAY_MS, T0_MS
from jtgate.storage.registry import KINDS, Kind, checked, written
from jtgate.storage.sqlite.connection import open_connection
from jtgate.storage.store import Row, Store, StoreError

PERSON = {"person": "P1", "name": "张三", "roles": "driver;escort"}


def row_of(kind: str, raw: Mapping[str, object], at_ms: int = T0_MS) -> Row:
    """A row that must be good."""
    found = checked(kind, raw, now_ms=at_ms)
    assert found.row is not None, found.faults
    return found.row


def faults_of(kind: str, raw: Mapping[str, object]) -> set[str]:
    """Fields that are wrong."""
    found = checked(kind, raw, now_ms=T0_MS)
    assert found.row is None
    return {fault.field for fault in found.faults}


def example(kind: Kind, **other: object) -> dict[str, object]:
    """The example of a registry with other values."""
    return {**kind.example, **other}


def versions(store: Store, kind: str = "persons", key: tuple[object, ...] = ("P1",)) -> list[tuple[Any, ...]]:
    """Name, begin and end of each version, in days from T0."""

    def days(ms: object) -> int | None:
        return None if ms is None else (int(str(ms)) - T0_MS) // DAY_MS

    rows = store.registry_rows(kind, key=key)
    return [(row["name"], days(row["valid_from_ms"]), days(row["valid_to_ms"])) for row in rows]


def put(store: Store, name: str, day: int) -> str:
    """Import a version of P1 that begins so many days after T0."""
    (outcome,) = store.registry_put(
        "persons", [row_of("persons", PERSON | {"name": name}, T0_MS + day * DAY_MS)], T0_MS
    )
    return outcome


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_the_example_is_good_and_comes_back_unchanged(store: Store, kind: Kind) -> None:
    """The example of each registry is stored, written out and read again as the same row, twice without a change."""
    row = row_of(kind.name, kind.example)
    assert store.registry_put(kind.name, [row], T0_MS) == ["new"]
    (stored,) = store.registry_rows(kind.name, key=[row[name] for name in kind.key])
    assert {name: stored[name] for name in row} == row
    again = row_of(kind.name, written(kind, stored), T0_MS + DAY_MS)
    assert store.registry_put(kind.name, [again], T0_MS + DAY_MS) == ["unchanged"]
    assert len(store.registry_rows(kind.name)) == 1


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_tables_have_the_columns_of_the_declarations(store: Store, backend: StoreUnderTest, kind: Kind) -> None:
    """In the same order, on every back end; times are without `_ms` in PostgreSQL."""
    if backend.name == "sqlite":
        connection = open_connection(backend.path)
        found = [name for (name,) in connection.execute(f"SELECT name FROM pragma_table_info('{kind.name}')")]
        connection.close()
        assert found == list(kind.columns)
        return
    with psycopg.connect(backend.url) as server:
        rows = server.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = %s AND table_name = %s "
            "ORDER BY ordinal_position",
            (backend.schema, kind.name),
        )
        assert [name for (name,) in rows] == [name.removesuffix("_ms") for name in kind.columns]


def test_versions_follow_one_another(store: Store) -> None:
    """A change ends what was in force; the same again changes nothing; one for the past goes between."""
    assert put(store, "甲", 0) == "new"
    assert put(store, "甲", 5) == "unchanged"
    assert put(store, "乙", 10) == "changed"
    assert versions(store) == [("甲", 0, 10), ("乙", 10, None)]
    assert put(store, "丙", 4) == "changed"
    assert versions(store) == [("甲", 0, 4), ("丙", 4, 10), ("乙", 10, None)]
    assert put(store, "丁", 10) == "changed"
    assert versions(store) == [("甲", 0, 4), ("丙", 4, 10), ("丁", 10, None)]
    (then,) = store.registry_rows("persons", key=("P1",), at_ms=T0_MS + 5 * DAY_MS)
    assert then["name"] == "丙"
    assert store.registry_rows("persons", at_ms=T0_MS - 1) == []


def test_rows_of_one_import_follow_one_another(store: Store) -> None:
    """Two versions of one key in the same file are both stored, in whatever order they stand."""
    rows = [row_of("persons", PERSON | {"name": name}, T0_MS + day * DAY_MS) for name, day in (("乙", 3), ("甲", 0))]
    store.registry_put("persons", rows, T0_MS)
    assert [(name, begin) for name, begin, _ in versions(store)] == [("甲", 0), ("乙", 3)]


def test_a_registry_that_is_not_there(store: Store) -> None:
    """Its name is refused before anything is written."""
    with pytest.raises(StoreError, match="no registry"):
        store.registry_put("terminals; --", [], T0_MS)
    with pytest.raises(StoreError, match="no registry"):
        store.registry_rows("terminals")


def test_every_fault_of_a_row_is_told() -> None:
    """Not only the first; messages never quote the value."""
    raw = {
        "person": "",
        "name": "x" * 1000,
        "roles": "pilot",
        "born_on": "2026-02-30",
        "id_number": "11010519491231002Y",
    }
    assert faults_of("persons", raw) == {"person", "name", "roles[1]", "born_on", "id_number"}
    found = checked("persons", raw, now_ms=T0_MS)
    assert not any("1101051949" in str(fault) or "x" * 50 in str(fault) for fault in found.faults)


def test_headings_may_be_chinese() -> None:
    """The Chinese terms of the fields are taken as their names."""
    row = row_of("persons", {"人员编码": "P1", "姓名": "张三", "岗位": "driver"})
    assert (row["person"], row["name"]) == ("P1", "张三")


def test_a_zone_of_a_chinese_map_is_converted() -> None:
    """GCJ-02 becomes WGS-84, some hundred metres away, and the row says where it came from."""
    zones = KINDS["zones"]
    plain = row_of("zones", zones.example)
    shifted = row_of("zones", example(zones, datum="GCJ-02"))
    assert shifted["source_datum"] == "GCJ-02"
    assert shifted["geometry"] != plain["geometry"]


@pytest.mark.parametrize(
    "geometry",
    [
        '{"type": "Polygon", "coordinates": [[[122, 41], [122.1, 41]]]}',
        '{"type": "Blob"}',
        "[1, 2",
        '{"type": "Point"}',
    ],
)
def test_a_zone_that_is_no_shape_is_refused(geometry: str) -> None:
    """A ring that does not close, an unknown type, what is no JSON."""
    assert "geometry" in faults_of("zones", example(KINDS["zones"], geometry=geometry))


def test_a_version_without_a_begin_holds_from_now(store: Store) -> None:
    """The time of the import is its begin."""
    at_ms = now_ms()
    store.registry_put("persons", [row_of("persons", PERSON, at_ms)], at_ms)
    assert store.registry_rows("persons")[0]["valid_from_ms"] == at_ms
