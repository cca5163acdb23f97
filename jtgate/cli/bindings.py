"""`jtgate bindings`: who was on which vehicle, how sure that is, and what does not agree."""

from collections.abc import Mapping
from typing import Any, Final

import click

from jtgate.cli.binding_input import import_faces, import_phones, override
from jtgate.cli.client import Client, with_api
from jtgate.cli.common import Group, examples, json_option, print_json, print_table
from jtgate.cli.times import LocalTime, Since, asked
from jtgate.cli.who import CONFLICTS, ROLES, bar, clock, others_told, person_text, sources_told, span
from jtgate.codecs.jt808.tables import PLATE_COLOURS
from jtgate.codecs.timebase import now_ms

#: How far back `show` looks when nobody says.
_DAYS: Final = 7
_DAY_MS: Final = 86_400_000

Told = Mapping[str, Any]


class PlateColor(click.ParamType[int]):
    """车牌颜色: its number, or its name in Chinese or English."""

    name = "color"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read it; what is none is a usage error."""
        text = str(value).strip()
        if text.isdecimal() and int(text) <= 0xFF:
            return int(text)
        found = [row.code for row in PLATE_COLOURS if text.casefold() in (row.zh, row.zh.removesuffix("色"), row.en)]
        if not found:
            self.fail(f"{text!r} is no colour of a plate: write 2, 黄 or yellow", param, ctx)
        return found[0]


@click.group(
    cls=Group, epilog=examples("jtgate bindings show 测A12345", "jtgate bindings conflicts --since 2026-05-01")
)
def bindings() -> None:
    """Who was on which vehicle 人车关联, and how sure that is."""


@bindings.command(
    "show",
    epilog=examples(
        "jtgate bindings show 测A12345",
        "jtgate bindings show 测A12345 --color 黄 --since 2026-05-01 --to 2026-05-02 --names",
        "jtgate bindings show 测A12345 --history --json",
    ),
)
@click.argument("plate")
@click.option("--color", type=PlateColor(), metavar="COLOUR", help="车牌颜色, as 2, 黄 or yellow; without it any.")
@click.option("--since", type=Since(), metavar="TIME", help="From then on: a time, or 12h, 7d.  [default: 7d]")
@click.option("--to", type=LocalTime(last=True), metavar="TIME", help="Until then.")
@click.option("--history", is_flag=True, help="Also what was corrected since, and why.")
@click.option("--names", is_flag=True, help="With names of persons; the audit log notes who asked either way.")
@with_api
@json_option
def show(
    plate: str,
    color: int | None,
    since: int | None,
    to: int | None,
    client: Client,
    *,
    history: bool,
    names: bool,
    as_json: bool,
) -> None:
    """Show who was on a vehicle, how sure that is and by what, and what does not agree.

    Persons are told by their keys of the registry; 未知 is a driver whom nothing names.
    """
    if since is None:
        since = max((now_ms() if to is None else to) - _DAYS * _DAY_MS, 0)
    told = client.get(
        "/v1/binding-timeline",
        plate=plate,
        plate_color=color,
        history="true" if history else None,
        names="true" if names else None,
        **{"from": asked(since), "to": asked(to)},  # type: ignore[arg-type]
    )
    if as_json:
        print_json(told)
        return
    until = clock(asked(to)) if to is not None else "now"
    count = len(told["bindings"])
    click.echo(f"{plate}: {count} interval{'' if count == 1 else 's'} from {clock(asked(since))} to {until}")
    for role in dict.fromkeys((*ROLES, *(one["role"] for one in told["bindings"]))):
        theirs = [one for one in told["bindings"] if one["role"] == role]
        if theirs:
            click.echo(f"\n{ROLES.get(role, role)}")
        for one in theirs:
            _print_interval(one)
    _print_conflicts(told["conflicts"], "\nconflicts 矛盾")
    if told["more"]:
        click.echo("… and more; narrow it with --since and --to")


def _print_interval(one: Told) -> None:
    corrected = "" if one["standing"] else "  ✗ corrected since"
    who = person_text(one["person"], one["name"])
    click.echo(f"  {span(one):<41}  {bar(one['confidence'])}  {who}{corrected}")
    for line in sources_told(one["sources"]):
        click.echo(f"      by {line}")
    for line in others_told(one["conflict"]):
        click.echo(f"      {line}")
    if one["corrects"]:
        of = one["corrects"]
        click.echo(f"      corrects revision {of.get('revision')}: {one['reason'] or 'no reason given'}")


def _print_conflicts(conflicts: list[Told], title: str) -> None:
    if not conflicts:
        return
    click.echo(title)
    print_table(
        ("  when", "kind", "bound", "other named", "state"),
        [
            (
                f"  {span(one)}",
                CONFLICTS.get(one["kind"], one["kind"]),
                person_text(one["person"]),
                person_text(one["other"]) if one["other"] else "-",
                one["state"],
            )
            for one in conflicts
        ],
    )


@bindings.command(
    "conflicts",
    epilog=examples(
        "jtgate bindings conflicts --since 1d",
        "jtgate bindings conflicts --plate 测A12345 --kind card_lent",
        "jtgate bindings conflicts --open --json",
    ),
)
@click.option("--plate", default="", metavar="PLATE", help="Of this vehicle 车牌号.")
@click.option("--person", default="", metavar="KEY", help="While this person was bound.")
@click.option("--kind", type=click.Choice(list(CONFLICTS)), help="What does not agree.")
@click.option("--since", type=Since(), metavar="TIME", help="Begun then or later: a time, or 12h, 7d.")
@click.option("--to", type=LocalTime(last=True), metavar="TIME", help="Begun then or before.")
@click.option("--open", "is_open", is_flag=True, help="Only those that last.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="Conflicts at most.")
@with_api
@json_option
def conflicts(
    plate: str,
    person: str,
    kind: str | None,
    since: int | None,
    to: int | None,
    limit: int,
    client: Client,
    *,
    is_open: bool,
    as_json: bool,
) -> None:
    """List evidence about persons that does not agree, newest first."""
    wanted: dict[str, Any] = {
        "plate": plate or None,
        "person": person or None,
        "kind": kind,
        "from": asked(since),
        "to": asked(to),
        "state": "open" if is_open else None,
    }
    found = list(client.rows("/v1/binding-conflicts", limit=limit, **wanted))
    if as_json:
        for one in found:
            print_json(one)
        return
    if not found:
        click.echo("no such conflict")
        return
    print_table(
        ("when", "plate", "role", "kind", "bound", "other named", "state"),
        [
            (
                span(one),
                one["plate"],
                one["role"],
                CONFLICTS.get(one["kind"], one["kind"]),
                person_text(one["person"]),
                person_text(one["other"]) if one["other"] else "-",
                one["state"],
            )
            for one in found
        ],
    )
    if len(found) == limit:
        click.echo(f"the newest {limit}; --limit shows more")


for _one in (import_faces, import_phones, override):
    bindings.add_command(_one)
