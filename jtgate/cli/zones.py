"""`jtgate zones`: places with rules, who is in them, and who was."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, Final

import click

from jtgate.cli import registry_files
from jtgate.cli.common import (
    EX_FAULTS,
    Failure,
    Group,
    duration,
    examples,
    json_option,
    local_time,
    print_facts,
    print_json,
    print_table,
    store_of,
    with_settings,
)
from jtgate.cli.registry import FAULTS_SHOWN, Import
from jtgate.cli.registry_files import FILE_BYTES_MAX, FileFault, RawRow
from jtgate.cli.times import LocalTime, Since
from jtgate.codecs.timebase import iso_ms, now_ms
from jtgate.settings import Settings
from jtgate.storage.registry import KINDS, heading_fault, written
from jtgate.storage.store import Row, Store

ZONES: Final = KINDS["zones"]
_KINDS: Final = {str(one.value): one.zh for one in ZONES.by_heading["zone_kind"].choices}
#: Zones of one listing, open visits counted, visits read at a time.
_ZONES_MAX: Final = 100_000
_VISITS_MAX: Final = 200_000
_PAGE: Final = 1000
#: Properties that are not used, told by name.
_UNUSED_MAX: Final = 10
#: What is told of a visit to programs, without what tells persons.
_TOLD: Final = (
    "zone",
    "zone_kind",
    "state",
    "plate",
    "plate_color",
    "terminal",
    "uncertain",
    "speed_max_kmh",
    "stop_s",
)


@click.group(
    cls=Group,
    epilog=examples("jtgate zones import zones.geojson", "jtgate zones ls", "jtgate zones visits PARK-1 --since 1d"),
)
def zones() -> None:
    """Zones 区域: parks, yards, forbidden areas and roads; who is in them, and who was."""


# ----------------------------------------------------------------------------------------------------- import


@zones.command(
    "import",
    epilog=examples(
        "jtgate zones import zones.geojson --dry-run",
        "jtgate zones import parks.geojson --kind PARK --datum GCJ-02",
        "jtgate zones import zones.csv",
    ),
)
@click.argument("file", type=click.File("rb"))
@click.option("--kind", type=click.Choice(list(_KINDS)), help="Kind of those features that do not say it.")
@click.option(
    "--datum", type=click.Choice(["WGS-84", "GCJ-02"]), help="Of those features that do not say it.  [default: WGS-84]"
)
@click.option("--dry-run", is_flag=True, help="Read and check everything, write nothing.")
@click.option("--skip-bad", is_flag=True, help="Store the good zones although others are refused.")
@click.option("--source", default="", help="Where the zones come from; kept with those that do not say it themselves.")
@click.option("--limit", default=FAULTS_SHOWN, show_default=True, type=click.IntRange(0), help="Most faults shown.")
@with_settings
@json_option
def import_(
    file: BinaryIO,
    kind: str | None,
    datum: str | None,
    source: str,
    limit: int,
    config: Settings,
    *,
    dry_run: bool,
    skip_bad: bool,
    as_json: bool,
) -> None:
    """Read zones from FILE: a GeoJSON FeatureCollection, or what `registry import zones` takes; - for standard input.

    Of a feature the geometry is taken, and those properties that are fields of the registry
    (docs/registry.md), by name or Chinese term; its id is the number of the zone when no property is.
    Importing the same file again changes nothing. Exit code 1: zones were refused.
    """
    name = str(getattr(file, "name", "<stdin>"))
    data = file.read(FILE_BYTES_MAX + 1)
    run = Import(ZONES, source, limit, as_json=as_json)
    try:
        rows = _rows(name, data)
    except FileFault as fault:
        raise Failure(f"{name}: {fault}", "look at: jtgate registry template zones") from fault
    defaults = {"zone_kind": kind, "datum": datum}
    run.run(_with_defaults(rows, defaults), config, dry_run=dry_run, skip_bad=skip_bad)
    if run.counts["refused"]:
        raise SystemExit(EX_FAULTS)


def _rows(name: str, data: bytes) -> Iterator[RawRow]:
    """Rows of a file.

    Raises:
        FileFault: it cannot be read as a whole.
    """
    features = _features(data)
    if features is not None:
        if unused := sorted({key for feature in features for key in _properties(feature) if not _is_field(key)}):
            more = " …" if len(unused) > _UNUSED_MAX else ""
            click.echo(f"note: not used are the properties {', '.join(unused[:_UNUSED_MAX])}{more}", err=True)
        return (_row_of(number, feature) for number, feature in enumerate(features, 1))
    headings, rows = registry_files.read(name, data)
    for heading in headings:
        if fault := heading_fault(ZONES, heading):
            raise FileFault(1, f"the heading {heading!r} {fault}")
    return rows


def _features(data: bytes) -> list[object] | None:
    """Features of a GeoJSON file; None of another file."""
    if len(data) > FILE_BYTES_MAX or data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] != b"{":
        return None
    try:
        found = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None  # lines of JSON, or nothing that can be read: the registry says what is wrong
    if not isinstance(found, Mapping):
        return None
    if found.get("type") == "Feature":
        return [found]
    if found.get("type") != "FeatureCollection":
        return None
    features = found.get("features")
    if not isinstance(features, list):
        raise FileFault(0, "the FeatureCollection has no list of features")
    return features


def _is_field(key: str) -> bool:
    return key.strip() in ZONES.by_heading


def _properties(feature: object) -> Mapping[str, object]:
    found = feature.get("properties") if isinstance(feature, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _row_of(number: int, feature: object) -> RawRow:
    if not isinstance(feature, Mapping) or feature.get("type") != "Feature":
        return RawRow(number, None, "is no feature of GeoJSON")
    values = {key: value for key, value in _properties(feature).items() if _is_field(key) and value is not None}
    values["geometry"] = feature.get("geometry")
    if not any(key.strip() in ("zone", "区域编号") for key in values) and feature.get("id") is not None:
        values["zone"] = str(feature["id"])
    return RawRow(number, values)


def _with_defaults(rows: Iterator[RawRow], defaults: Mapping[str, str | None]) -> Iterator[RawRow]:
    given = {name: value for name, value in defaults.items() if value is not None}
    terms = {name: ZONES.by_heading[name].term for name in given}
    for row in rows:
        if row.values is None or not given:
            yield row
            continue
        values = dict(row.values)
        for name, value in given.items():
            if not values.get(name) and not values.get(terms[name]):
                values[name] = value
        yield row._replace(values=values)


# ---------------------------------------------------------------------------------------------------- reading


@zones.command("ls", epilog=examples("jtgate zones ls", "jtgate zones ls --kind PARK --json"))
@click.option("--kind", type=click.Choice(list(_KINDS)), help="Of this kind only.")
@click.option("--occupied", is_flag=True, help="Only those with a vehicle in them.")
@with_settings
@json_option
def ls(kind: str | None, config: Settings, *, occupied: bool, as_json: bool) -> None:
    """List the zones in force, and how many vehicles are in each now."""
    with store_of(config) as store:
        of = {"zone_kind": kind} if kind else {}
        found = store.registry_rows("zones", at_ms=now_ms(), matching=of, limit=_ZONES_MAX)
        inside = Counter(str(row["zone"]) for row in _visits(store, {"state": "open"}, _VISITS_MAX))
    found = [row for row in found if not occupied or inside[str(row["zone"])]]
    if as_json:
        for row in found:
            print_json({**written(ZONES, row), "vehicles_inside": inside[str(row["zone"])]})
        return
    if not found:
        click.echo(
            "no such zone" if kind or occupied else "there are no zones; bring some with: jtgate zones import FILE"
        )
        return
    print_table(
        ("zone", "name", "kind", "inside", "holds", "stay limit", "valid from"),
        [
            (
                row["zone"],
                row["name"],
                f"{row['zone_kind']} {_KINDS.get(str(row['zone_kind']), '')}",
                inside[str(row["zone"])],
                row["capacity"],
                None if row["stay_limit_min"] is None else f"{row['stay_limit_min']} min",
                local_time(row["valid_from_ms"]),
            )
            for row in found
        ],
        right=("inside", "holds"),
        cut=("name",),
    )


@zones.command("show", epilog=examples("jtgate zones show PARK-1"))
@click.argument("zone")
@with_settings
@json_option
def show(zone: str, config: Settings, *, as_json: bool) -> None:
    """Show a zone as it is in force, and who is in it."""
    with store_of(config) as store:
        found = store.registry_rows("zones", key=(zone,), at_ms=now_ms(), limit=1)
        inside = list(_visits(store, {"zone": zone, "state": "open"}, _PAGE))
    if not found:
        raise Failure(f"no zone {zone} is in force", "list those there are: jtgate zones ls")
    told = written(ZONES, found[0])
    if as_json:
        print_json({**told, "inside": [_told(row) for row in inside]})
        return
    print_facts([(name, registry_files.cell(value)) for name, value in told.items() if value is not None])
    click.echo(f"\ninside 在内: {len(inside)}")
    if inside:
        _print_visits(inside)


@zones.command(
    "visits", epilog=examples("jtgate zones visits PARK-1 --since 1d", "jtgate zones visits --plate 测A12345 --json")
)
@click.argument("zone", default="")
@click.option("--plate", default="", metavar="PLATE", help="Of this vehicle 车牌号.")
@click.option("--since", type=Since(), metavar="TIME", help="Entered then or later: a time, or 30min, 12h, 7d.")
@click.option("--to", type=LocalTime(last=True), metavar="TIME", help="Entered then or before.")
@click.option("--open", "is_open", is_flag=True, help="Only those that last.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="Visits at most.")
@with_settings
@json_option
def visits(
    zone: str,
    plate: str,
    since: int | None,
    to: int | None,
    limit: int,
    config: Settings,
    *,
    is_open: bool,
    as_json: bool,
) -> None:
    """List visits 区域驻留 of ZONE, or of all zones, newest first."""
    of: dict[str, object] = {"zone": zone, "plate": plate}
    of = {name: value for name, value in of.items() if value}
    of["state"] = "open" if is_open else frozenset({"open", "closed"})
    with store_of(config) as store:
        found = list(_visits(store, of, limit, since or 0, to))
    if as_json:
        for row in found:
            print_json(_told(row))
        return
    if not found:
        click.echo("no such visit")
        return
    _print_visits(found)
    if len(found) == limit:
        click.echo(f"the newest {limit}; --limit shows more")


def _visits(
    store: Store, matching: Mapping[str, object], limit: int, from_ms: int = 0, to_ms: int | None = None
) -> Iterator[Row]:
    """Visits, newest first, page by page."""
    before: tuple[int, int] | None = None
    while limit > 0:
        rows = store.page(
            "zone_visits", from_ms=from_ms, to_ms=to_ms, matching=matching, before=before, limit=min(limit, _PAGE)
        )
        yield from rows
        if len(rows) < min(limit, _PAGE):
            return
        limit -= len(rows)
        last: Any = rows[-1]
        before = last["entered_ms"], last["id"]


def _told(row: Row) -> dict[str, object]:
    moments = {name: _moment(row[f"{name}_ms"]) for name in ("entered", "exited")}
    return moments | {name: row[name] for name in _TOLD}


def _moment(ms: object) -> str | None:
    return iso_ms(ms) if isinstance(ms, int) else None


def _print_visits(rows: list[Row]) -> None:
    print_table(
        ("entered", "left", "stayed", "zone", "plate", "terminal", "standing", "max km/h", "sure"),
        [_visit_row(row) for row in rows],
        right=("max km/h",),
    )


def _visit_row(row: Row) -> tuple[object, ...]:
    entered: Any = row["entered_ms"]
    exited: Any = row["exited_ms"]
    standing: Any = row["stop_s"]
    return (
        local_time(entered),
        local_time(exited) or "inside",
        duration(((now_ms() if exited is None else exited) - entered) / 1000),
        row["zone"],
        row["plate"],
        row["terminal"],
        duration(standing),
        row["speed_max_kmh"],
        "no" if row["uncertain"] else "yes",
    )
