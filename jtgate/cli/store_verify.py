"""`jtgate store verify`: does the store have what the spool has?"""

from typing import TYPE_CHECKING, Final

import click

from jtgate.cli.common import (
    EX_FAULTS,
    EX_UNAVAILABLE,
    Failure,
    examples,
    json_option,
    local_time,
    print_json,
    print_table,
    spool_of,
    store_of,
    with_settings,
)
from jtgate.cli.naming import message_title
from jtgate.cli.profiles import profiles_of
from jtgate.cli.progress import progress
from jtgate.cli.store_marks import kept_from_ms
from jtgate.codecs.timebase import now_ms
from jtgate.settings import Settings

if TYPE_CHECKING:
    from jtgate.pipeline.compared import Difference
    from jtgate.pipeline.verify import Report

_LIMIT_MAX: Final = 1_000_000


@click.command(
    "verify",
    epilog=examples("jtgate store verify", "jtgate store verify --both-ways --json", "jtgate store verify --repair"),
)
@click.option("--both-ways", is_flag=True, help="Look too for positions of the store that the spool does not have.")
@click.option("--repair", is_flag=True, help="Store missing rows again; rows that are there are left alone.")
@click.option(
    "--limit", type=click.IntRange(0, _LIMIT_MAX), default=100, show_default=True, help="Differences shown at most."
)
@with_settings
@json_option
@click.pass_context
def verify(ctx: click.Context, limit: int, config: Settings, *, both_ways: bool, repair: bool, as_json: bool) -> None:
    """Compare the spool with the store, and name every difference.

    Reads all that the spool still holds up to what is stored, decodes it again and asks the store for
    every row. Alarm edges and sessions are not compared. May run beside `serve`. Exit code 1: there
    are differences, or the spool is damaged.
    """
    from jtgate.pipeline.verify import OtherSpool, Setup
    from jtgate.pipeline.verify import verify as compare
    from jtgate.pipeline.verify_back import verify_back
    from jtgate.storage.rsa_key import PlatformKey

    with spool_of(config) as reader, store_of(config) as store:
        setup = Setup(
            config.parts_bytes_max,
            profiles_of(config).assignments,
            PlatformKey(config.data, config.rsa_key).open,
            kept_from_ms(store, config, now_ms()),
        )
        try:
            with progress("comparing", "groups") as tell:
                report = compare(store, reader, setup, shown_max=limit, repair=repair, tell=tell)
        except OtherSpool as error:
            raise Failure(
                str(error), f"let it be read: jtgate serve --data {config.data}, then try again", EX_UNAVAILABLE
            ) from error
        if both_ways:
            with progress("the other way", "rows") as tell:
                verify_back(store, reader, setup, report, tell=lambda rows: tell(rows, None))
    if as_json:
        print_json(_json(report, both_ways=both_ways))
    else:
        _print(report, both_ways=both_ways)
    if report.total > report.repaired or report.damaged:
        ctx.exit(EX_FAULTS)


def _json(report: "Report", *, both_ways: bool) -> dict[str, object]:
    facts: dict[str, object] = {
        "groups": report.groups,
        "frames": report.frames,
        "first_seq": report.first_seq,
        "last_seq": report.last_seq,
        "from_ms": report.first_us // 1000,
        "to_ms": report.last_us // 1000,
        "compared": dict(report.compared),
        "differences": dict(report.differences),
        "explained": dict(report.explained),
        "repaired": report.repaired,
        "damaged": report.damaged,
        "parts_compared": report.parts_compared,
        "shown": [difference._asdict() for difference in report.shown],
        "not_shown": report.total - len(report.shown),
    }
    if both_ways:
        facts["scanned"] = {
            "positions": report.scanned,
            "from_ms": report.scanned_from_ms,
            "to_ms": report.scanned_to_ms,
        }
    return facts


def _print(report: "Report", *, both_ways: bool) -> None:
    if not report.groups:
        click.echo("the spool holds nothing that is stored: there is nothing to compare")
        return
    span = f"{local_time(report.first_us // 1000)} to {local_time(report.last_us // 1000)}"
    click.echo(f"{_many(report.groups, 'group')} of the spool, {_many(report.frames, 'frame')}, {span}")
    tables = [name for name in report.compared | report.differences if report.compared[name] + report.differences[name]]
    print_table(
        ("table", "compared", "differences"),
        [(name, f"{report.compared[name]:,}", f"{report.differences[name]:,}") for name in tables],
        right=("compared", "differences"),
    )
    for reason, count in report.explained.most_common():
        click.echo(f"no difference: {count:,} {reason}")
    if both_ways:
        scanned = f"{local_time(report.scanned_from_ms)} to {local_time(report.scanned_to_ms)}"
        click.echo(f"the other way: {report.scanned:,} positions of {scanned} were looked at")
    if not report.parts_compared:
        click.echo("sub-packages were not compared: the pipeline was too busy, try again")
    if report.damaged:
        click.echo(
            f"the spool is damaged in {_many(report.damaged, 'place')}: what lies there was not compared, see the log"
        )
    if report.shown:
        click.echo()
        print_table(
            ("", "table", "terminal", "message…", "serial", "group", "received", "key…"),
            [_row(difference) for difference in report.shown],
            right=("serial", "group"),
        )
    if report.total > len(report.shown):
        click.echo(f"and {report.total - len(report.shown):,} more: see --limit")
    if report.repaired:
        click.echo(f"stored again: {report.repaired:,}")
    click.echo(_verdict(report))


def _verdict(report: "Report") -> str:
    left = report.total - report.repaired
    if not report.total:
        return "no differences"
    return _many(left, "difference") if left > 0 else "no differences are left"


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _row(difference: "Difference") -> tuple[object, ...]:
    title = None if difference.msg_id is None else message_title(difference.msg_id)
    key = " ".join(f"{name}={value}" for name, value in difference.key.items())
    received = local_time(difference.received_ms)
    seq = difference.spool_seq
    return (difference.what, difference.table, difference.terminal, title, difference.serial, seq, received, key)
