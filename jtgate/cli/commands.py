"""`jtgate commands`: what terminals were told, and what became of it."""

from typing import Any

import click

from jtgate.cli.client import Client, with_api
from jtgate.cli.common import Group, ago, examples, json_option, print_facts, print_json, print_table
from jtgate.cli.sending import tell, title, verdict
from jtgate.codecs.timebase import read_ms

STATES = ("waiting", "sent", "answered", "refused", "no_answer", "expired", "offline", "cancelled", "impossible")


@click.group(cls=Group, epilog=examples("jtgate commands ls", "jtgate commands cancel 12"))
def commands() -> None:
    """Commands 指令 to terminals, and what has become of them."""


@commands.command(
    "ls", epilog=examples("jtgate commands ls", "jtgate commands ls 13800138000 --state waiting --state sent --json")
)
@click.argument("phone", default="")
@click.option("--state", "states", multiple=True, type=click.Choice(STATES), help="In this state; may be repeated.")
@click.option("--from", "from_", metavar="TIME", help="Submitted then or later.")
@click.option("--to", metavar="TIME", help="Submitted then or before.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="Commands at most.")
@with_api
@json_option
def ls(
    phone: str,
    states: tuple[str, ...],
    from_: str | None,
    to: str | None,
    limit: int,
    client: Client,
    *,
    as_json: bool,
) -> None:
    """List commands, newest first."""
    asked: dict[str, Any] = {"terminal": phone or None, "state": list(states), "from": from_, "to": to}
    found = list(client.rows("/v1/commands", limit=limit, **asked))
    if as_json:
        for one in found:
            print_json(one)
        return
    if not found:
        click.echo("no such command")
        return
    print_table(
        ("id", "terminal", "message…", "by", "since", "what became of it…"),
        [
            (one["id"], one["terminal"], title(one), one["asked_by"], ago(read_ms(one["created"])), verdict(one))
            for one in found
        ],
        right=("id",),
    )


@commands.command("show", epilog=examples("jtgate commands show 12"))
@click.argument("command_id", type=click.IntRange(1), metavar="ID")
@with_api
@json_option
def show(command_id: int, client: Client, *, as_json: bool) -> None:
    """Show a command with its fields and its answer."""
    found = client.get(f"/v1/commands/{command_id}")
    tell(found, as_json=as_json)
    if not as_json:
        print_facts(
            [
                ("  fields", found["fields"] or "none"),
                ("  asked by", f"{found['asked_by']}, {found['created']}"),
                ("  expires", found["expires"]),
                ("  sent", f"{found['sent']} in edition {found['edition']}" if found["sent"] else "not yet"),
                ("  ended", found["finished"] or "not yet"),
            ]
        )


@commands.command("cancel", epilog=examples("jtgate commands cancel 12"))
@click.argument("command_id", type=click.IntRange(1), metavar="ID")
@with_api
@json_option
def cancel(command_id: int, client: Client, *, as_json: bool) -> None:
    """Give up a command that is open; one that is out may still be obeyed."""
    tell(client.ask("DELETE", f"/v1/commands/{command_id}"), as_json=as_json)
