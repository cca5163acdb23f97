"""`jtgate store export`: positions as a file for other programs."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, cast

import click

from jtgate import release
from jtgate.cli.common import (
    EX_FAULTS,
    Failure,
    bytes_text,
    examples,
    json_option,
    local_time,
    print_json,
    store_of,
    terminal_key,
    with_settings,
)
from jtgate.cli.progress import progress
from jtgate.cli.times import LocalTime
from jtgate.settings import Settings
from jtgate.storage.store import Row, Store

if TYPE_CHECKING:
    from jtgate.storage.export import Format, Selection, Vehicle

_FORMATS: Final = ("parquet", "geojson", "gpx", "csv")
_STDOUT: Final = "-"
#: Terminals of one export.
_VEHICLES_MAX: Final = 1_000_000

Page = tuple["Vehicle", list[Row]]


class _Counted:
    """Standard output as a file that knows how much was written, which a pipe does not."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._count = 0
        self.closed = False

    def write(self, data: bytes) -> int:
        """Write all of it."""
        self._file.write(data)
        self._count += len(data)
        return len(data)

    def tell(self) -> int:
        """Bytes written."""
        return self._count

    def flush(self) -> None:
        """Let them go."""
        self._file.flush()


@dataclass(slots=True)
class _Done:
    """What was exported."""

    rows: int = 0
    left_out: int = 0  # without a fix or a time, in a format of places
    vehicles: int = 0
    size: int = 0


@click.command(
    "export",
    epilog=examples(
        "jtgate store export track.gpx --phone 13800138000 --from 2026-05-01 --to 2026-05-01",
        "jtgate store export day.parquet --all --from 2026-05-01 --to 2026-05-01",
        "jtgate store export - --format csv --plate 京A12345 --from 2026-05-01T08:00 > track.csv",
    ),
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@click.option("--phone", "phones", multiple=True, metavar="PHONE", help="This terminal; may be repeated.")
@click.option(
    "--plate", "plates", multiple=True, metavar="PLATE", help="Terminals registered for this plate; may be repeated."
)
@click.option("--all", "everything", is_flag=True, help="Every terminal.")
@click.option("--from", "from_ms", type=LocalTime(), metavar="TIME", help="First time of reports; default: the oldest.")
@click.option(
    "--to", "to_ms", type=LocalTime(last=True), metavar="TIME", help="Last time, included; a date means all of its day."
)
@click.option(
    "--format", "format_name", type=click.Choice(_FORMATS), help="What to write; default: what the name of FILE says."
)
@click.option(
    "--gap-minutes",
    type=click.FloatRange(0, min_open=True),
    default=10.0,
    show_default=True,
    metavar="N",
    help="Longer than this without a report ends a line (GeoJSON) or a segment (GPX).",
)
@click.option("--points", is_flag=True, help="GeoJSON: a point for every report instead of lines.")
@click.option(
    "--datum", type=click.Choice(("wgs84", "gcj02")), default="wgs84", show_default=True, help="Datum of the places."
)
@click.option("--force", is_flag=True, help="Replace FILE when it is there.")
@with_settings
@json_option
def export(
    file: Path,
    phones: Sequence[str],
    plates: Sequence[str],
    from_ms: int | None,
    to_ms: int | None,
    format_name: str | None,
    gap_minutes: float,
    datum: str,
    config: Settings,
    *,
    everything: bool,
    points: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Write positions to FILE: Parquet, GeoJSON, GPX or CSV.

    Times are those of the reports, in GMT+8 unless an offset is given (2026-05-01, 2026-05-01T08:00,
    2026-05-01T00:00Z). FILE is there whole or not at all; - is standard output. GeoJSON and GPX hold
    only reports with a fix and a time. Exit code 1: nothing was there to export.
    """
    from jtgate.storage.export import Facts, Selection, located, pages
    from jtgate.storage.export.source import GCJ02, WGS84

    if bool(phones or plates) == everything:
        raise click.UsageError("name terminals with --phone or --plate, or take --all")
    if from_ms is not None and to_ms is not None and to_ms < from_ms:
        raise click.UsageError("--to lies before --from")
    form = _format(file, format_name)
    if points and form.name != "geojson":
        raise click.UsageError("--points is for GeoJSON")
    if str(file) == _STDOUT and form.binary and sys.stdout.isatty():
        raise click.UsageError(f"{form.name} is nothing for a screen: name a file, or send it into one")
    done = _Done()
    with store_of(config) as store, progress("exporting", "rows") as tell:
        vehicles = _vehicles(store, [terminal_key(phone) for phone in phones], plates, config)
        selection = Selection(vehicles, from_ms or 0, to_ms, GCJ02 if datum == "gcj02" else WGS84)
        found = _counted(
            pages(store, selection), located if form.geometric else list, done, tell, _total(store, selection)
        )
        first = next(found, None)
        if first is None:
            raise _nothing(done, selection)
        with _opened(file, force=force) as target:
            writer = form.writer(target, Facts(release(), selection), gap_minutes=gap_minutes, points=points)
            for vehicle, rows in chain((first,), found):
                writer.page(vehicle, rows)
            writer.finish()
            done.size = target.tell()
    _tell(file, form, done, as_json=as_json)


def _format(file: Path, name: str | None) -> "Format":
    from jtgate.storage.export import FORMATS, format_of

    found = FORMATS[name] if name else format_of(file)
    if found is None:
        raise click.UsageError(f"the name {file} does not say what to write: give --format {'|'.join(_FORMATS)}")
    return found


def _vehicles(store: Store, keys: Sequence[str], plates: Sequence[str], config: Settings) -> "list[Vehicle]":
    """The terminals asked for, by number; a Failure when one of them was never heard of."""
    from jtgate.storage.export import Vehicle

    rows = (
        [row for key in keys for row in store.terminals(prefix=key, limit=1) if row["terminal"] == key]
        if keys and not plates
        else store.terminals(limit=_VEHICLES_MAX)
    )
    known = {str(row["terminal"]): Vehicle(str(row["terminal"]), str(row["plate"] or "")) for row in rows}
    if not keys and not plates:
        return sorted(known.values())
    advice = f"list those there are: jtgate terminals ls --data {config.data}"
    wanted = set(keys)
    for key in keys:
        if key not in known:
            raise Failure(f"nobody has ever heard of terminal {key}", advice)
    for plate in plates:
        mine = {vehicle.terminal for vehicle in known.values() if vehicle.plate == plate}
        if not mine:
            raise Failure(f"no terminal is registered for plate {plate}", advice)
        wanted |= mine
    return sorted(known[key] for key in wanted)


def _total(store: Store, selection: "Selection") -> int | None:
    """How many rows there will be, where that is known without counting."""
    if selection.from_ms or selection.to_ms is not None:
        return None
    counts = cast("dict[str, dict[str, int]]", store.info())["rows"]
    return counts["positions"] if len(selection.vehicles) == counts["terminals"] else None


def _counted(
    found: Iterable[Page],
    choose: Callable[[list[Row]], list[Row]],
    done: _Done,
    tell: Callable[[int, int | None], None],
    total: int | None,
) -> Iterator[Page]:
    """What is written of each page, unless that is nothing."""
    before = None
    for vehicle, rows in found:
        chosen = choose(rows)
        done.rows += len(chosen)
        done.left_out += len(rows) - len(chosen)
        tell(done.rows + done.left_out, total)
        if chosen:
            done.vehicles += vehicle != before
            before = vehicle
            yield vehicle, chosen


@contextmanager
def _opened(file: Path, *, force: bool) -> Iterator[BinaryIO]:
    """The file to write, or standard output."""
    from jtgate.storage.export import output

    if str(file) == _STDOUT:
        target = _Counted(sys.stdout.buffer)
        yield cast("BinaryIO", target)
        target.flush()
        return
    try:
        with output(file, force=force) as opened:
            yield opened
    except FileExistsError as error:
        raise Failure(str(error), "name another file, or replace it with --force") from error
    except FileNotFoundError as error:
        raise Failure(f"there is no folder {file.parent}", "make it, or name another file") from error


def _nothing(done: _Done, selection: "Selection") -> Failure:
    since = local_time(selection.from_ms) or "the beginning"
    until = local_time(selection.to_ms) or "now"
    who = f"{len(selection.vehicles)} terminal{'s' if len(selection.vehicles) != 1 else ''}"
    if done.left_out:
        what = f"none of {done.left_out:,} reports of {who} from {since} to {until} has a fix"
        return Failure(what, "Parquet and CSV hold reports without a fix too", EX_FAULTS)
    return Failure(
        f"there is no report of {who} from {since} to {until}", "see what there is: jtgate store info", EX_FAULTS
    )


def _tell(file: Path, form: "Format", done: _Done, *, as_json: bool) -> None:
    """What was done; on standard error when the file went to standard output."""
    is_stdout = str(file) == _STDOUT
    if as_json:
        facts = {
            "file": str(file),
            "format": form.name,
            "rows": done.rows,
            "left_out": done.left_out,
            "terminals": done.vehicles,
            "bytes": done.size,
        }
        print_json(facts, err=is_stdout)
        return
    left_out = f"; {done.left_out:,} without a fix or a time left out" if done.left_out else ""
    said = f"{done.rows:,} reports of {done.vehicles} terminal{'s' if done.vehicles != 1 else ''}{left_out}"
    where = "" if is_stdout else f" in {file}"
    click.echo(f"{said}{where}, {bytes_text(done.size)}", err=is_stdout)
