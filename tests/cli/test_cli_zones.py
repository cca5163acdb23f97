"""jtgate zones: GeoJSON and files of the registry in, who is in a zone, who was."""

import json
from pathlib import Path
from typing import Any

import pytest
from cli_world import NOW_MS, World

from jtgate.cli import zones
from jtgate.storage import open_store
from jtgate.storage.contract.derived_rows import visit
from jtgate.storage.model import StoreBatch
from jtgate.storage.registry import KINDS

SQUARE = [[[122.0, 41.0], [122.1, 41.0], [122.1, 41.1], [122.0, 41.1], [122.0, 41.0]]]


def feature(number: str | None, geometry: Any = None, **properties: Any) -> dict[str, Any]:
    """A feature with the least that a zone needs."""
    found: dict[str, Any] = {
        "type": "Feature",
        "geometry": geometry or {"type": "Polygon", "coordinates": SQUARE},
        "properties": {"name": f"zone {number}", "zone_kind": "PARK", "valid_from": "2026-01-01", **properties},
    }
    return found if number is None else found | {"id": number}


def collection(*features: dict[str, Any]) -> str:
    """A file of them."""
    return json.dumps({"type": "FeatureCollection", "features": features}, ensure_ascii=False)


@pytest.fixture
def standing(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A store, and a clock that stands at NOW_MS."""
    monkeypatch.setattr(zones, "now_ms", lambda: NOW_MS)
    store = open_store("", world.data)
    store.migrate()
    store.close()
    return world


def stored(world: World) -> dict[str, dict[str, Any]]:
    """Zones as they are stored."""
    store = open_store("", world.data)
    found = {str(row["zone"]): dict(row) for row in store.registry_rows("zones")}
    store.close()
    return found


def write_visits(world: World, *visits: dict[str, Any]) -> None:
    """Visits of one vehicle."""
    store = open_store("", world.data)
    number = store.terminal_ids(["13800138000"], NOW_MS)["13800138000"]
    rows = [visit(number, one.pop("entered_ms"), plate="测A1", person="P-17", **one) for one in visits]
    store.write(StoreBatch(zone_visits=rows), consumer="test", seq=0)
    store.close()


def test_a_collection_of_features_is_imported(standing: World) -> None:
    """Polygon, circle and road, by id or property, in both languages; what is no field is named, not stored."""
    text = collection(
        feature("PARK-1", fill="#f00", stroke="red"),
        feature(None, {"type": "Point", "coordinates": [122.0, 41.0]}, 区域编号="Z2", radius_m=200),
        feature("Z3", {"type": "LineString", "coordinates": [[122.0, 41.0], [122.2, 41.0]]}, width_m=30),
    )
    result = standing.run("zones", "import", "-", stdin=text)
    assert result.exit_code == 0, result.output
    assert result.stdout == "3 rows, 3 new, 0 changed, 0 unchanged, 0 refused, 0 warnings\n"
    assert result.stderr == "note: not used are the properties fill, stroke\n"
    assert sorted(stored(standing)) == ["PARK-1", "Z2", "Z3"]
    again = standing.run("zones", "import", "-", stdin=text)
    assert again.stdout == "3 rows, 0 new, 0 changed, 3 unchanged, 0 refused, 0 warnings\n"


def test_kind_and_datum_for_those_that_do_not_say_it(standing: World) -> None:
    """GCJ-02 is shifted to WGS-84; what a feature says itself stands."""
    plain = feature("A")
    del plain["properties"]["zone_kind"]
    text = collection(plain, feature("B", datum="WGS-84", zone_kind="GATE"))
    result = standing.run("zones", "import", "-", "--kind", "YARD", "--datum", "GCJ-02", stdin=text)
    assert result.exit_code == 0, result.output
    found = stored(standing)
    assert {key: row["zone_kind"] for key, row in found.items()} == {"A": "YARD", "B": "GATE"}
    assert "122.0,41.0" in str(found["B"]["geometry"]).replace(" ", "")
    assert "122.0,41.0" not in str(found["A"]["geometry"]).replace(" ", "")


def test_one_bad_feature_keeps_all_out(standing: World) -> None:
    """Each fault with the number of its feature; the good ones with --skip-bad; nothing with --dry-run."""
    open_ring = {"type": "Polygon", "coordinates": [SQUARE[0][:3]]}
    text = collection(feature("A"), feature("B", open_ring), {"type": "Thing"}, feature("A"))
    result = standing.run("zones", "import", "-", stdin=text)
    assert result.exit_code == 1
    assert [line.partition(":")[0] for line in result.stdout.splitlines()[:3]] == ["line 2", "line 3", "line 4"]
    assert stored(standing) == {}
    assert standing.run("zones", "import", "-", "--skip-bad", "--dry-run", stdin=text).exit_code == 1
    assert stored(standing) == {}
    assert standing.run("zones", "import", "-", "--skip-bad", stdin=text).exit_code == 1
    assert list(stored(standing)) == ["A"]


@pytest.mark.parametrize(
    "text", ['{"type": "FeatureCollection"}', '{"type": "FeatureCollection", "features": 7}', "", "zone,colour\nA,1\n"]
)
def test_a_file_that_is_none(standing: World, text: str) -> None:
    """Is refused as a whole, with advice."""
    result = standing.run("zones", "import", "-", stdin=text)
    assert result.exit_code == 1
    assert "jtgate registry template zones" in result.stderr


def test_files_of_the_registry_are_taken_too(standing: World, tmp_path: Path) -> None:
    """What `registry export zones` prints, as CSV and as lines of JSON; a single feature."""
    standing.run("zones", "import", "-", stdin=json.dumps(feature("A")))
    for words in ([], ["--json"]):
        exported = standing.run("registry", "export", "zones", *words).stdout
        file = tmp_path / ("zones.json" if words else "zones.csv")
        file.write_text(exported, encoding="utf-8")
        result = standing.run("zones", "import", str(file))
        assert result.stdout.startswith("1 rows, 0 new, 0 changed, 1 unchanged"), result.output


def test_zones_with_who_is_in_them(standing: World) -> None:
    """Vehicles inside now; by kind; only those with somebody in them; no person is told."""
    standing.run("zones", "import", "-", stdin=collection(feature("A", capacity=40), feature("B", zone_kind="GATE")))
    write_visits(
        standing,
        {"entered_ms": NOW_MS - 600_000, "zone": "A", "exited_ms": None, "state": "open", "uncertain": 1},
        {"entered_ms": NOW_MS - 900_000, "zone": "A", "exited_ms": NOW_MS - 800_000, "state": "closed"},
        {"entered_ms": NOW_MS - 900_000, "zone": "B", "exited_ms": None, "state": "withdrawn"},
    )
    found = [json.loads(line) for line in standing.lines("zones", "ls", "--json")]
    assert {one["zone"]: one["vehicles_inside"] for one in found} == {"A": 1, "B": 0}
    lines = standing.lines("zones", "ls", "--occupied")
    assert lines[1].split()[:6] == ["A", "zone", "A", "PARK", "园区", "1"]
    assert len(lines) == 2
    assert standing.lines("zones", "ls", "--kind", "DEPOT") == ["no such zone"]
    told = "\n".join(standing.lines("zones", "show", "A"))
    assert "inside 在内: 1" in told
    assert "10 min 0 s" in told
    assert "P-17" not in told
    visits = [json.loads(line) for line in standing.lines("zones", "visits", "--json")]
    assert [(one["zone"], one["state"]) for one in visits] == [("A", "open"), ("A", "closed")]
    assert len(standing.lines("zones", "visits", "A", "--open")) == 2
    assert standing.lines("zones", "visits", "B") == ["no such visit"]
    assert standing.run("zones", "show", "C").exit_code == 1


def test_there_are_no_zones(standing: World) -> None:
    """It is said how to bring some."""
    assert standing.lines("zones", "ls") == ["there are no zones; bring some with: jtgate zones import FILE"]
    assert set(zones._KINDS) == {str(one.value) for one in KINDS["zones"].by_heading["zone_kind"].choices}
