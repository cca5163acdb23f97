"""Positions as files: the same rows, in order, in little memory, and whole or not at all."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jtgate.codecs.datum import Place, to_gcj02
from jtgate.codecs.timebase import from_ms, iso_ms
from jtgate.storage.contract.rows import T0_MS, position
from jtgate.storage.export import FORMATS, Facts, Selection, Vehicle, located, output, pages
from jtgate.storage.export.parquet import GROUP_ROWS
from jtgate.storage.export.source import GCJ02
from jtgate.storage.model import StoreBatch
from jtgate.storage.store import Row, Store

ONE, TWO = Vehicle("13800000001", "京A<1&\x07"), Vehicle("13800000002")
GPX = "{http://www.topografix.com/GPX/1/1}"
OURS = "{urn:jtgate:gpx:1}"


@pytest.fixture
def driven(store: Store) -> Store:
    """Two vehicles: 20 reports with a gap of an hour, back-filled ones, one without a fix, one without a time."""
    rows = [
        position(1, T0_MS + n * 10_000 + (n >= 12) * 3_600_000, n, latitude=41 + n / 1e6, longitude=122.5, speed_kmh=n)
        for n in range(20)
    ]
    rows[5] = position(1, T0_MS + 50_000, 5, latitude=41.000005, longitude=122.5, backfill=1, speed_kmh=99.5)
    rows.append(position(1, T0_MS + 55_000, 90, status=0))
    rows.append(position(1, T0_MS + 56_000, 91, latitude=None))
    rows.append(position(1, 0, 92))
    rows.append(position(2, T0_MS, 93, latitude=-33.0, longitude=-70.6543219))
    store.write(StoreBatch(positions=rows), consumer="store", seq=1)
    return store


def written(store: Store, name: str, selection: Selection, *, rows_max: int = 7, **options: Any) -> bytes:
    """The file."""
    form = FORMATS[name]
    file = io.BytesIO()
    writer = form.writer(file, Facts("9.9", selection), **options)
    for vehicle, rows in pages(store, selection, rows_max=rows_max):
        chosen = located(rows) if form.geometric else rows
        if chosen:
            writer.page(vehicle, chosen)
    writer.finish()
    return file.getvalue()


def in_order(store: Store, *vehicles: Vehicle) -> list[Row]:
    """All positions of the vehicles, one after the other."""
    return [row for vehicle in vehicles for row in store.positions(terminal=vehicle.terminal, limit=100_000)]


def test_pages_hold_every_row_once_in_order(driven: Store) -> None:
    """Whatever the size of a page; equal times and borders of pages lose none."""
    for rows_max in (1, 2, 7, 23, 1000):
        found = list(pages(driven, Selection([ONE, TWO]), rows_max=rows_max))
        assert [row for _, rows in found for row in rows] == in_order(driven, ONE, TWO)
        assert max(len(rows) for _, rows in found) <= rows_max


def test_a_range_includes_both_ends(driven: Store) -> None:
    """As Store.positions has it."""
    ((_, rows),) = pages(driven, Selection([ONE], T0_MS + 10_000, T0_MS + 30_000))

    assert [row["device_time_ms"] for row in rows] == [T0_MS + 10_000, T0_MS + 20_000, T0_MS + 30_000]


def test_parquet_read_back_is_what_the_store_holds(driven: Store) -> None:
    """Every column with its type; times are timestamps in UTC; the file says what it is."""
    data = written(driven, "parquet", Selection([ONE, TWO], 0, T0_MS * 2))
    file = pq.ParquetFile(pa.BufferReader(data))

    assert [_as_stored(row) for row in file.read().to_pylist()] == in_order(driven, ONE, TWO)
    types = {field.name: str(field.type) for field in file.schema_arrow}
    assert types["device_time"] == types["received"] == "timestamp[ms, tz=UTC]"
    assert (types["latitude"], types["backfill"], types["terminal"]) == ("double", "bool", "string")
    metadata = {key.decode(): value.decode() for key, value in file.schema_arrow.metadata.items()}
    assert metadata["jtgate.version"] == "9.9"
    assert metadata["jtgate.terminals"] == "13800000001,13800000002"
    assert (metadata["jtgate.from"], metadata["jtgate.to"]) == ("", iso_ms(T0_MS * 2))
    group = file.metadata.row_group(0)
    assert group.column(0).compression == "ZSTD"
    assert [column.column_index for column in group.sorting_columns] == [0, 2]


def _as_stored(row: dict[str, Any]) -> dict[str, Any]:
    for name in ("device_time", "received"):
        moment = row.pop(name)
        row[f"{name}_ms"] = 0 if moment is None else round(moment.timestamp() * 1000)
    return row


def test_geojson_has_a_line_for_every_run(driven: Store) -> None:
    """Points in order of time, back-filled ones in their place; an hour of silence is no line, one report a point."""
    found = json.loads(written(driven, "geojson", Selection([ONE, TWO])))

    first, second, single = found["features"]
    assert [one["geometry"]["type"] for one in found["features"]] == ["LineString", "LineString", "Point"]
    assert first["geometry"]["coordinates"] == [[122.5, round(41 + n / 1e6, 6)] for n in range(12)]
    assert second["geometry"]["coordinates"] == [[122.5, round(41 + n / 1e6, 6)] for n in range(12, 20)]
    assert single["geometry"]["coordinates"] == [-70.654322, -33]
    assert first["properties"] == {
        "terminal": ONE.terminal,
        "plate": ONE.plate,
        "datum": "WGS-84",
        "start": iso_ms(T0_MS),
        "end": iso_ms(T0_MS + 110_000),
        "points": 12,
        "backfilled": 1,
        "speed_max_kmh": 99.5,
        "mileage_start_km": 6605.1,
        "mileage_end_km": 6605.1,
    }
    assert single["properties"]["points"] == 1
    assert found["jtgate"] == {"release": "9.9", "datum": "WGS-84"}


def test_geojson_is_the_same_whatever_the_pages(driven: Store) -> None:
    """A line that goes over the border of a page stays one."""
    sizes = [written(driven, "geojson", Selection([ONE, TWO]), rows_max=rows_max) for rows_max in (1, 3, 100)]
    assert sizes == [sizes[0]] * 3
    gaps = json.loads(written(driven, "geojson", Selection([ONE]), gap_minutes=0.1))
    assert [one["geometry"]["type"] for one in gaps["features"]] == ["Point"] * 20


def test_geojson_points_tell_of_every_report(driven: Store) -> None:
    """One feature each, with time and speed."""
    found = json.loads(written(driven, "geojson", Selection([ONE]), points=True))["features"]

    assert len(found) == 20
    assert [one["properties"]["time"] for one in found] == sorted(one["properties"]["time"] for one in found)
    properties = found[5]["properties"]
    assert (properties["backfill"], properties["speed_kmh"], properties["altitude_m"]) == (True, 99.5, -3)
    assert "satellites" not in properties


def test_gpx_has_the_structure_of_its_schema(driven: Store) -> None:
    """Tracks, segments, points; times in UTC; what XML cannot hold is left out, what it can is escaped."""
    root = ET.fromstring(written(driven, "gpx", Selection([ONE, TWO])))

    assert (root.tag, root.get("version"), root.get("creator")) == (f"{GPX}gpx", "1.1", "jtgate 9.9")
    assert [child.tag for child in root] == [f"{GPX}metadata", f"{GPX}trk", f"{GPX}trk"]
    track = root[1]
    assert [child.tag for child in track] == [f"{GPX}name", f"{GPX}trkseg", f"{GPX}trkseg"]
    assert track[0].text == "京A<1& 13800000001"
    assert [len(segment) for segment in root.iter(f"{GPX}trkseg")] == [12, 8, 1]
    points = list(track.iter(f"{GPX}trkpt"))
    assert [(point.get("lat"), point.get("lon")) for point in points[:2]] == [
        ("41.000000", "122.500000"),
        ("41.000001", "122.500000"),
    ]
    times = [str(point.findtext(f"{GPX}time")) for point in points]
    assert times[0] == from_ms(T0_MS).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert times == sorted(times)
    assert [child.tag for child in points[5]] == [f"{GPX}ele", f"{GPX}time", f"{GPX}extensions"]
    extensions = {child.tag: child.text for child in points[5][2]}
    assert (extensions[f"{OURS}speed_kmh"], extensions[f"{OURS}backfill"]) == ("99.5", "true")


def test_csv_has_a_line_for_every_report(driven: Store) -> None:
    """Names in the first line; times as people read them, nothing for no value."""
    lines = list(csv.DictReader(io.StringIO(written(driven, "csv", Selection([ONE])).decode(), newline="")))

    assert len(lines) == 23
    assert (lines[0]["device_time"], lines[1]["device_time"]) == ("", iso_ms(T0_MS))
    assert (lines[1]["latitude"], lines[1]["fuel_l"], lines[1]["terminal"]) == ("41.000000", "", ONE.terminal)
    assert json.loads(lines[1]["extra_items"]) == [{"id": "0xe1", "raw": "00"}]


@pytest.mark.parametrize("name", ["geojson", "gpx"])
def test_a_datum_moves_the_places_and_is_named(driven: Store, name: str) -> None:
    """GCJ-02, as maps sold in China want it."""
    text = written(driven, name, Selection([ONE], datum=GCJ02)).decode()

    moved = to_gcj02(Place(41.0, 122.5))
    assert f"{moved.latitude:.6f}" in text
    assert "41.000000" not in text
    assert "GCJ-02" in text


def test_row_groups_are_bounded(store: Store) -> None:
    """Reading a file needs no more memory than writing it."""
    rows: Sequence[Row] = [dict(row, terminal="1") for row in _rows(store)] * 100
    file = io.BytesIO()
    writer = FORMATS["parquet"].writer(file, Facts("9", Selection([ONE])))
    for _ in range(3 * GROUP_ROWS // len(rows)):
        writer.page(ONE, rows)
    writer.finish()

    metadata = pq.ParquetFile(pa.BufferReader(file.getvalue())).metadata
    sizes = [metadata.row_group(at).num_rows for at in range(metadata.num_row_groups)]
    assert len(sizes) == 3
    assert max(sizes) < GROUP_ROWS + len(rows)


def _rows(store: Store) -> list[Row]:
    store.write(StoreBatch(positions=[position(1, T0_MS + n, n) for n in range(50)]), consumer="store", seq=1)
    return store.positions(limit=50)


def test_a_file_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    """What fails on the way, Ctrl-C included, leaves what was there before, and nothing beside it."""
    path = tmp_path / "track.gpx"

    def interrupted() -> None:
        with output(path) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []
    with output(path) as file:
        file.write(b"whole")
        assert not path.exists()
    assert path.read_bytes() == b"whole"


def test_a_file_that_is_there_is_not_replaced_unasked(tmp_path: Path) -> None:
    """Not one that was there, nor one that came meanwhile."""
    path = tmp_path / "track.gpx"
    path.write_bytes(b"mine")
    with pytest.raises(FileExistsError), output(path):
        pytest.fail("it was opened")
    path.unlink()

    def overtaken() -> None:
        with output(path) as file:
            file.write(b"other")
            path.write_bytes(b"mine")

    with pytest.raises(FileExistsError):
        overtaken()
    assert path.read_bytes() == b"mine"
    assert list(tmp_path.iterdir()) == [path]
    with output(path, force=True) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"
