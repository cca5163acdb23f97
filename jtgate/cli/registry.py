"""`jtgate registry`: vehicles, persons, enterprises, tanks, policies, waybills and zones, each with its versions."""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, Final

import click

from jtgate.cli import registry_files
from jtgate.cli.common import (
    EX_FAULTS,
    Failure,
    Group,
    examples,
    json_option,
    local_time,
    print_facts,
    print_json,
    print_table,
    store_of,
    with_settings,
)
from jtgate.cli.progress import Tell, progress
from jtgate.cli.registry_files import FileFault, RawRow
from jtgate.cli.times import LocalTime
from jtgate.codecs.timebase import now_ms
from jtgate.settings import Settings
from jtgate.storage.registry import KINDS, Kind, checked, heading_fault, kind_named, written
from jtgate.storage.registry.values import Reader
from jtgate.storage.store import Row, Store

#: Rows of one transaction.
BATCH_ROWS: Final = 1_000
#: Most rows of one listing.
LIST_ROWS_MAX: Final = 100_000
#: Faults shown; the others are counted.
FAULTS_SHOWN: Final = 20

_KIND: Final = click.Choice(list(KINDS))
#: Fields shown by `ls`, besides the key.
_LISTED: Final = ("name", "vehicle_kind", "zone_kind", "state", "enterprise", "county", "terminal", "plate")


@click.group(cls=Group, epilog=examples("jtgate registry kinds", "jtgate registry import vehicles vehicles.csv"))
def registry() -> None:
    """Registries 档案: who and what is supervised, each row with the time it is valid for."""


@registry.command("kinds", epilog=examples("jtgate registry kinds", "jtgate registry kinds --json"))
@json_option
def kinds(*, as_json: bool) -> None:
    """List the registries; docs/registry.md has their fields."""
    for_people = []
    for kind in KINDS.values():
        if as_json:
            print_json({"name": kind.name, "term": kind.term, "key": list(kind.key), "about": kind.about})
        for_people.append((kind.name, kind.term, ", ".join(kind.key), kind.about))
    if not as_json:
        print_table(("name", "term", "key", "about…"), for_people)


@registry.command("template", epilog=examples("jtgate registry template vehicles > vehicles.csv"))
@click.argument("kind", type=_KIND)
@json_option
def template(kind: str, *, as_json: bool) -> None:
    """Print the head of a file of KIND with an example row, as CSV or JSON."""
    declared = kind_named(kind)
    headings = [field.heading for field in declared.fields]
    row = {heading: declared.example.get(heading) for heading in headings}
    if as_json:
        row = {heading: value for heading, value in row.items() if value is not None}
    registry_files.write(sys.stdout, [row], headings, as_json=as_json)


# ---------------------------------------------------------------------------------------------------- import


class Import:
    """An import under way.

    Args:
        kind: the registry.
        source: where the rows come from.
        shown_max: faults that are told one by one.
    """

    def __init__(self, kind: Kind, source: str, shown_max: int, *, as_json: bool) -> None:
        self._kind = kind
        self._source = source
        self._shown_max = shown_max
        self._as_json = as_json
        self._shown = 0
        self.now_ms = now_ms()
        self.counts: Counter[str] = Counter()
        self._lines: dict[tuple[object, ...], int] = {}

    def run(self, raw_rows: Iterator[RawRow], config: Settings, *, dry_run: bool, skip_bad: bool) -> None:
        """Check rows, store them unless some are refused, and say what became of them.

        Args:
            raw_rows: of a file.
            config: where the store is.
            dry_run: store nothing.
            skip_bad: store the good ones although others are refused.
        """
        with progress(f"importing {self._kind.name}", "rows") as tell:
            rows = list(self.rows(raw_rows))
            stored = not dry_run and (skip_bad or not self.counts["refused"])
            if stored:
                with store_of(config) as store:
                    self.store(store, rows, tell)
        self.summary(stored=stored, dry_run=dry_run)

    def rows(self, raw_rows: Iterator[RawRow]) -> Iterator[Row]:
        """The good ones; faults and warnings are told with their line."""
        for raw in raw_rows:
            self.counts["rows"] += 1
            if raw.values is None:
                self.counts["refused"] += 1
                self._tell("fault", raw.line, "", raw.message)
                continue
            found = checked(self._kind.name, raw.values, now_ms=self.now_ms, source=self._source)
            if (
                found.row is not None
                and (first := self._lines.setdefault(self._begin(found.row), raw.line)) != raw.line
            ):
                self.counts["refused"] += 1
                self._tell("fault", raw.line, "", f"repeats key and valid_from of line {first}")
                continue
            for fault in found.faults:
                self._tell("fault", raw.line, fault.field, fault.message)
            for warning in found.warnings:
                self.counts["warnings"] += 1
                self._tell("warning", raw.line, warning.field, warning.message)
            if found.row is None:
                self.counts["refused"] += 1
            else:
                yield found.row

    def store(self, store: Store, rows: Sequence[Row], tell: Tell) -> None:
        """Write rows in transactions of BATCH_ROWS.

        By key and beginning, whatever their order in the file: of a key that crosses a border of transactions the
        older version comes first, so that the same file once more changes nothing.
        """
        rows = sorted(rows, key=self._begin)
        for at in range(0, len(rows), BATCH_ROWS):
            self.counts.update(store.registry_put(self._kind.name, rows[at : at + BATCH_ROWS], self.now_ms))
            tell(min(at + BATCH_ROWS, len(rows)), len(rows))

    def summary(self, *, stored: bool, dry_run: bool) -> None:
        """Say what became of it."""
        hidden = max(0, self._shown - self._shown_max)
        names = ("rows", "new", "changed", "unchanged", "refused", "warnings")
        facts: dict[str, object] = {name: self.counts[name] for name in names}
        if self._as_json:
            print_json({"summary": {**facts, "stored": stored, "dry_run": dry_run, "not_shown": hidden}})
            return
        if hidden:
            click.echo(f"… and {hidden} more; --limit shows more of them")
        click.echo(", ".join(f"{value} {name}" for name, value in facts.items()))
        if dry_run:
            click.echo("nothing was written: --dry-run")
        elif not stored:
            click.echo("nothing was written: correct the rows, or store the good ones with --skip-bad")

    def _begin(self, row: Row) -> tuple[Any, ...]:
        """Key and beginning of a row: no two of a file may share them, or they would correct each other in turns."""
        return (*(row[name] for name in self._kind.key), row["valid_from_ms"])

    def _tell(self, what: str, line: int, field: str, message: str) -> None:
        self._shown += 1
        if self._shown > self._shown_max:
            return
        if self._as_json:
            print_json({what: {"line": line, "field": field or None, "message": message}})
        else:
            click.echo(
                f"line {line}: {f'{field}: ' if field else ''}{message}{' (warning)' if what == 'warning' else ''}"
            )


@registry.command(
    "import",
    epilog=examples(
        "jtgate registry import vehicles vehicles.csv --dry-run",
        "jtgate registry import persons persons.json --source 'feed of the transport bureau'",
        "jtgate registry export zones | jtgate registry import zones -",
    ),
)
@click.argument("kind", type=_KIND)
@click.argument("file", type=click.File("rb"))
@click.option("--dry-run", is_flag=True, help="Read and check everything, write nothing.")
@click.option("--skip-bad", is_flag=True, help="Store the good rows although others are refused.")
@click.option("--source", default="", help="Where the rows come from; kept with those that do not say it themselves.")
@click.option("--limit", default=FAULTS_SHOWN, show_default=True, type=click.IntRange(0), help="Most faults shown.")
@with_settings
@json_option
@click.pass_context
def import_(
    ctx: click.Context,
    kind: str,
    file: BinaryIO,
    source: str,
    limit: int,
    config: Settings,
    *,
    dry_run: bool,
    skip_bad: bool,
    as_json: bool,
) -> None:
    """Read rows of KIND from FILE (CSV or JSON; - for standard input) into the store.

    Headings are the names of the fields or their Chinese terms. Every fault is told with its line. If a row is refused,
    none is stored, unless --skip-bad. Importing the same file again changes nothing. Exit code 1: rows were refused.
    """
    declared = kind_named(kind)
    name = str(getattr(file, "name", "<stdin>"))
    run = Import(declared, source, limit, as_json=as_json)
    try:
        headings, raw_rows = registry_files.read(name, file.read(registry_files.FILE_BYTES_MAX + 1))
    except FileFault as fault:
        raise Failure(f"{name}: {fault}", f"look at: jtgate registry template {kind}") from fault
    for heading in headings:
        if fault_of := heading_fault(declared, heading):
            raise Failure(
                f"{name}: line 1: the heading {heading!r} {fault_of}", f"look at: jtgate registry template {kind}"
            )
    run.run(raw_rows, config, dry_run=dry_run, skip_bad=skip_bad)
    if run.counts["refused"]:
        ctx.exit(EX_FAULTS)


# --------------------------------------------------------------------------------------------------- reading


@registry.command("ls", epilog=examples("jtgate registry ls vehicles", "jtgate registry ls waybills --at 2026-11-01"))
@click.argument("kind", type=_KIND)
@click.option("--at", "at_ms", type=LocalTime(), help="Rows in force at this time; without it those in force now.")
@click.option("--limit", default=1000, show_default=True, type=click.IntRange(1, LIST_ROWS_MAX), help="Most rows.")
@with_settings
@json_option
def ls(kind: str, at_ms: int | None, limit: int, config: Settings, *, as_json: bool) -> None:
    """List the rows of KIND."""
    declared = kind_named(kind)
    with store_of(config) as store:
        rows = store.registry_rows(kind, at_ms=now_ms() if at_ms is None else at_ms, limit=limit)
    if as_json:
        for row in rows:
            print_json(written(declared, row))
        return
    columns = [*declared.key, *(name for name in _LISTED if name in declared.columns and name not in declared.key)]
    print_table(
        (*columns, "valid from"), [(*(row[name] for name in columns), local_time(row["valid_from_ms"])) for row in rows]
    )
    if len(rows) == limit:
        click.echo(f"the first {limit} rows; --limit shows more")


@registry.command(
    "show", epilog=examples("jtgate registry show vehicles 辽L12345 2", "jtgate registry show zones PARK-1")
)
@click.argument("kind", type=_KIND)
@click.argument("key", nargs=-1, required=True)
@click.option("--at", "at_ms", type=LocalTime(), help="Only the version in force at this time.")
@with_settings
@json_option
def show(kind: str, key: tuple[str, ...], at_ms: int | None, config: Settings, *, as_json: bool) -> None:
    """Show every version of a row of KIND, the newest last."""
    declared = kind_named(kind)
    if len(key) > len(declared.key):
        raise click.UsageError(f"the key of {kind} is {' '.join(declared.key)}")
    with store_of(config) as store:
        rows = store.registry_rows(kind, key=_key_values(declared, key), at_ms=at_ms, limit=LIST_ROWS_MAX)
    if not rows:
        raise Failure(f"there is no such row in {kind}", f"list what there is: jtgate registry ls {kind}")
    for number, row in enumerate(rows):
        told = written(declared, row)
        if as_json:
            print_json(told)
            continue
        if number:
            click.echo()
        print_facts([(name, registry_files.cell(value)) for name, value in told.items() if value is not None])


def _key_values(kind: Kind, words: Sequence[str]) -> list[object]:
    """Parts of a key as the store has them: codes made plain, plate colours as numbers.

    Raises:
        click.UsageError: no row can have that key.
    """
    reader = Reader()
    values = [reader.read(field, word, field.heading) for field, word in zip(kind.facts, words, strict=False)]
    if reader.faults:
        raise click.UsageError(str(reader.faults[0]))
    return values


@registry.command("export", epilog=examples("jtgate registry export vehicles > vehicles.csv"))
@click.argument("kind", type=_KIND)
@click.option("--at", "at_ms", type=LocalTime(), help="Only the rows in force at this time; without it every version.")
@with_settings
@json_option
def export(kind: str, at_ms: int | None, config: Settings, *, as_json: bool) -> None:
    """Print the rows of KIND as CSV or JSON, in the form that `import` takes back unchanged."""
    declared = kind_named(kind)
    limit = registry_files.ROWS_MAX
    with store_of(config) as store:
        rows = store.registry_rows(kind, at_ms=at_ms, limit=limit + 1)
    headings = [field.heading for field in declared.fields]
    registry_files.write(sys.stdout, (written(declared, row) for row in rows[:limit]), headings, as_json=as_json)
    if len(rows) > limit:
        raise Failure(
            f"{kind} has more than {limit} rows; only the first {limit} were printed", "narrow it with --at TIME"
        )


# ------------------------------------------------------------------------------------------------ docs/registry.md

_PAGE_HEAD: Final = """# Registries

Who and what is supervised: vehicles, persons, enterprises, tanks, policies, waybills and zones. Each row is valid from
a time on (`valid_from`) until the next version of it begins; what was valid at a time in the past can always be asked.

```
jtgate registry template vehicles > vehicles.csv     the head of a file, with an example row
jtgate registry import vehicles vehicles.csv --dry-run
jtgate registry import vehicles vehicles.csv
jtgate registry show vehicles 辽L12345 2              its versions
jtgate registry export vehicles > all.csv            as import takes it back
```

- **Files** are CSV (UTF-8, or GB18030 as Chinese spreadsheets write it) or JSON (an array, or an object on each line).
  Headings are the names below or the Chinese terms. Dates are `2026-11-23`; times are `2026-11-23 10:20`, in +08:00
  unless they say otherwise. Lists are `a;b` or JSON.
- **Faults** are told with line and field, all of them. If a row is refused nothing is stored, unless with `--skip-bad`.
  A field that *should* be there and is not is a warning: the rules of supervision look at it later.
- **Versions**: a row that says the same as the one in force changes nothing, so a file can be imported again and again.
  A row that differs ends the version in force at its `valid_from` (without one: now) and begins the next. A row for a
  time in the past goes between its neighbours; one with the same `valid_from` corrects what was there.
- **Zones** are GeoJSON in WGS-84; with `datum` GCJ-02 they are converted; `source_datum` keeps where they came from.
- Other programs read them through the views of the same names ([store](store.md)), which leave out what is personal.

Printed from the declarations in `jtgate/storage/registry` by `python -m jtgate.cli.reference`.
"""


def page() -> str:
    """The text of docs/registry.md."""
    lines = [_PAGE_HEAD.rstrip()]
    for kind in KINDS.values():
        key = ", ".join(f"`{name}`" for name in kind.key)
        lines += ["", f"## {kind.name} {kind.term}", "", f"{kind.about} Key: {key}."]
        lines += ["", "| field | term | kind | | meaning |", "|---|---|---|---|---|"]
        for field in kind.fields:
            choices = ", ".join(f"`{choice.value}` {choice.zh}" for choice in field.choices)
            about = f"{field.about} {choices}".strip().replace("|", "\\|")
            lines.append(f"| `{field.heading}` | {field.term} | {field.kind} | {field.need} | {about} |")
    return "\n".join(lines) + "\n"
