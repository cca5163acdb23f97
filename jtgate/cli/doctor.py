"""`jtgate doctor`: is this machine fit to serve, and is what runs here well?"""

from typing import Final

import click
from rich.text import Text

from jtgate.cli import checks
from jtgate.cli.common import EX_FAULTS, examples, json_option, print_json, print_table, with_settings
from jtgate.settings import Settings

_COLOURS: Final = {checks.OK: "green", checks.WARN: "yellow", checks.FAIL: "bold red"}


@click.command(epilog=examples("jtgate doctor", "jtgate doctor --data /var/lib/jtgate --json"))
@with_settings
@json_option
@click.pass_context
def doctor(ctx: click.Context, config: Settings, *, as_json: bool) -> None:
    """Check this machine, the data folder and what is running.

    Reads the same jtgate.toml and JTGATE_… variables as `jtgate serve`. Exit code 1: something
    failed; warnings alone do not count.
    """
    found = list(checks.run(config))
    if as_json:
        for check in found:
            print_json(check._asdict())
    else:
        print_table(
            ("", "check", "found…"),
            [(Text(check.state, style=_COLOURS[check.state]), check.name, check.found) for check in found],
        )
        for check in found:
            if check.advice:
                click.echo(f"{check.state}: {check.name}: {check.advice}")
    if any(check.state == checks.FAIL for check in found):
        ctx.exit(EX_FAULTS)
