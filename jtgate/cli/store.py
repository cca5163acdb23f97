"""`jtgate store`: what is kept, how much of it, and its upkeep."""

from collections.abc import Iterator, Mapping
from typing import Final

import click

from jtgate.cli.common import (
    Failure,
    Group,
    bytes_text,
    examples,
    json_option,
    local_time,
    print_facts,
    print_json,
    print_table,
    store_of,
    terminal_key,
    with_settings,
)
from jtgate.cli.progress import progress
from jtgate.cli.store_export import export
from jtgate.cli.store_marks import note_retained
from jtgate.cli.store_verify import verify
from jtgate.cli.times import LocalTime
from jtgate.codecs.timebase import now_ms
from jtgate.settings import EX_CONFIG, Settings
from jtgate.storage.store import Store, StoreError, StoreUnavailable

_DAY_MS: Final = 86_400_000
#: Rows of each table that go in one step, so that writers get in between; and steps of one command.
_STEP_ROWS: Final = 20_000
_STEPS_MAX: Final = 1_000_000
#: Rows of one listing of a view.
_VIEW_ROWS_MAX: Final = 1_000_000


@click.group(cls=Group, epilog=examples("jtgate store info", "jtgate store verify"))
def store() -> None:
    """The store 数据存储: what was decoded and kept."""


@store.command("info", epilog=examples("jtgate store info", "jtgate store info --json"))
@with_settings
@json_option
def info(config: Settings, *, as_json: bool) -> None:
    """Say what the store holds, how it is laid out, and how far it has followed the spool."""
    with store_of(config) as opened:
        facts = {**opened.info(), "views": sorted(opened.views())}
    if as_json:
        print_json(facts)
        return
    print_facts(_flat(facts))


def _flat(facts: Mapping[str, object], group: str = "") -> Iterator[tuple[str, object]]:
    """Nested facts as lines "positions.rows"; times and sizes as people write them."""
    for name, value in facts.items():
        path = f"{group}{name}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{path}.")
        elif isinstance(value, list | tuple):
            yield path, ", ".join(map(str, value))
        elif name.endswith("_ms"):
            yield path.removesuffix("_ms"), local_time(value)
        elif "bytes" in path and isinstance(value, int):
            yield path, bytes_text(value)
        elif isinstance(value, bool):
            yield path, "yes" if value else "no"
        else:
            yield path, f"{value:,}" if isinstance(value, int) else value


@store.command("migrate", epilog=examples("jtgate store migrate --dry-run", "jtgate store migrate"))
@click.option("--dry-run", is_flag=True, help="Only say what would be applied.")
@with_settings
@json_option
def migrate(config: Settings, *, dry_run: bool, as_json: bool) -> None:
    """Bring the schema of the store to this release.

    `jtgate serve` does so by itself at every start. An older release refuses a newer store without
    touching it, so make a back-up first if you may want to go back.
    """
    with store_of(config) as opened:
        names = opened.pending() if dry_run else opened.migrate()
    if as_json:
        print_json({"pending" if dry_run else "applied": names})
        return
    if not names:
        click.echo("the schema is that of this release: nothing to apply")
    for name in names:
        click.echo(f"{'would apply' if dry_run else 'applied'} {name}")


@store.command("views", epilog=examples("jtgate store views", "jtgate store views --json"))
@with_settings
@json_option
def views(config: Settings, *, as_json: bool) -> None:
    """List the views for other programs, with their columns; docs/store.md explains them."""
    with store_of(config) as opened:
        found = opened.views()
    for name, columns in sorted(found.items()):
        if as_json:
            print_json({"view": name, "columns": [{"name": column, "type": kind} for column, kind in columns]})
            continue
        click.echo(name)
        print_facts((f"  {column}", kind) for column, kind in columns)


@store.command(
    "view",
    epilog=examples("jtgate store view last_position", "jtgate store view mileage_per_day --phone 13800138000 --json"),
)
@click.argument("name")
@click.option("--phone", default="", metavar="PHONE", help="Only this terminal; leading zeros are ignored.")
@click.option("--limit", type=click.IntRange(1, _VIEW_ROWS_MAX), default=100, show_default=True, help="Rows at most.")
@with_settings
@json_option
def view(name: str, phone: str, limit: int, config: Settings, *, as_json: bool) -> None:
    """Print rows of the view NAME, as other programs see them."""
    key = terminal_key(phone) if phone else None
    with store_of(config) as opened:
        if name not in opened.views():
            raise Failure(
                f"there is no view {name!r}", f"list them with: jtgate store views --data {config.data}", EX_CONFIG
            )
        try:
            rows = opened.view(name, terminal=key, limit=limit)
        except StoreUnavailable:
            raise
        except StoreError as error:
            raise Failure(str(error), "look at the columns: jtgate store views") from error
    if as_json:
        for row in rows:
            print_json(row)
        return
    if not rows:
        click.echo("no rows")
        return
    print_table([f"{column}…" for column in rows[0]], [tuple(row.values()) for row in rows])


@store.command(
    "retain",
    epilog=examples("jtgate store retain --keep-days 60 --dry-run", "jtgate store retain --before 2026-05-01 --yes"),
)
@click.option("--before", "before_ms", type=LocalTime(), metavar="TIME", help="Delete what was received before.")
@click.option("--keep-days", type=click.FloatRange(0, min_open=True), metavar="N", help="Keep the last N days.")
@click.option("--dry-run", is_flag=True, help="Only say from when on everything would be kept.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_settings
@json_option
def retain(
    before_ms: int | None, keep_days: float | None, config: Settings, *, dry_run: bool, yes: bool, as_json: bool
) -> None:
    """Delete old rows: positions, alarm events, card events, messages, ended sessions, quarantine.

    Positions in PostgreSQL go by whole days. Terminals, registries, open sessions and sub-packages
    of open messages stay. `jtgate serve` deletes by itself what is older than --store-keep-days.
    """
    if (before_ms is None) == (keep_days is None):
        raise click.UsageError("give --before TIME, or --keep-days N")
    if before_ms is None:
        before_ms = now_ms() - int((keep_days or 0) * _DAY_MS)
    if before_ms > now_ms():
        raise click.UsageError("--before lies in the future")
    with store_of(config) as opened:
        if dry_run:
            _tell_retention(opened, before_ms, as_json=as_json)
            return
        if not yes:
            click.confirm(f"Delete what was received before {local_time(before_ms)}?", abort=True, err=True)
        deleted = _retain(opened, before_ms)
    if as_json:
        print_json({"before_ms": before_ms, "deleted": deleted})
    else:
        click.echo(f"{deleted:,} rows deleted")


def _retain(opened: Store, before_ms: int) -> int:
    deleted = 0
    note_retained(opened, before_ms)
    with progress("deleting", "rows") as tell:
        for _ in range(_STEPS_MAX):
            step = opened.retain(before_ms, rows_max=_STEP_ROWS)
            if not step:
                break
            deleted += step
            tell(deleted, None)
    return deleted


def _tell_retention(opened: Store, before_ms: int, *, as_json: bool) -> None:
    facts = opened.info()
    oldest_ms = facts.get("first_position_ms")
    if as_json:
        print_json({"before_ms": before_ms, "first_position_ms": oldest_ms, "deleted": 0})
        return
    click.echo(f"what was received before {local_time(before_ms)} would be deleted")
    click.echo(f"the oldest position is of {local_time(oldest_ms) or 'no time'}; nothing was deleted")


for _command in (verify, export):
    store.add_command(_command)
