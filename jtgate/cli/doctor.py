"""`jtgate doctor`: is this machine fit to serve, is what runs here well, and does the store keep its promises?"""

import itertools
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import click
from rich.text import Text

from jtgate.cli import checks, server_checks
from jtgate.cli.common import (
    EX_FAULTS,
    EX_UNAVAILABLE,
    Failure,
    examples,
    json_option,
    print_json,
    print_table,
    with_settings,
)
from jtgate.cli.progress import progress
from jtgate.settings import Settings
from jtgate.storage.store import StoreError

if TYPE_CHECKING:
    from jtgate.storage.contract import Result

_COLOURS: Final = {checks.OK: "green", checks.WARN: "yellow", checks.FAIL: "bold red"}
_STATE_COLOURS: Final = {"kept": "green", "broken": "bold red", "not tried": "yellow"}


@click.command(
    epilog=examples(
        "jtgate doctor",
        "jtgate doctor --data /var/lib/jtgate --json",
        "jtgate doctor --store-contract",
    )
)
@click.option(
    "--store-contract",
    is_flag=True,
    help="Instead, try every promise of the store out on its server or disk, in a schema jtgate_check_… or a folder "
    "jtgate-check-… that is removed again; the store itself is not touched. Takes half a minute.",
)
@with_settings
@json_option
@click.pass_context
def doctor(ctx: click.Context, config: Settings, *, store_contract: bool, as_json: bool) -> None:
    """Check this machine, the data folder, the database server and what is running.

    Reads the same jtgate.toml and JTGATE_… variables as `jtgate serve`. Exit code 1: something
    failed, or the store broke a promise; warnings alone do not count.
    """
    is_well = _contract(config, as_json=as_json) if store_contract else _checks(config, as_json=as_json)
    if not is_well:
        ctx.exit(EX_FAULTS)


def _checks(config: Settings, *, as_json: bool) -> bool:
    """Make every check and print it; whether none failed."""
    found = [*checks.run(config), *server_checks.run(config)]
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
    return all(check.state != checks.FAIL for check in found)


def _contract(config: Settings, *, as_json: bool) -> bool:
    """Try the store out and print what it promised; whether it kept everything."""
    from jtgate.storage.contract import CHECKS, run
    from jtgate.storage.contract.scratch import scratch_place

    try:
        with scratch_place(config.store, config.data) as (where, place), progress("trying", "promises") as tell:
            click.echo(f"trying {len(CHECKS)} promises of the store in {where}", err=True)
            numbers = itertools.count(1)
            found = run(place, on_result=lambda _result: tell(next(numbers), len(CHECKS)), checks=CHECKS)
    except StoreError as error:
        advice = "look at the rest first: jtgate doctor"
        raise Failure(f"the store cannot be tried out: {error}", advice, EX_UNAVAILABLE) from error
    if as_json:
        for result in found:
            print_json(result._asdict())
    else:
        _print_results(found)
    return all(result.state == "kept" for result in found)


def _print_results(found: Sequence["Result"]) -> None:
    """The promises in a table, and below it what was found instead."""
    rows = [
        (Text(result.state, style=_STATE_COLOURS[result.state]), result.theme, result.promise, f"{result.seconds:.2f}")
        for result in found
    ]
    print_table(("", "theme", "promise…", "s"), rows, right=("s",))
    for result in found:
        if result.fault:
            click.echo(f"{result.state}: {result.theme}, {result.name}: {result.fault}")
    states = Counter(result.state for result in found)
    click.echo(", ".join(f"{number} {state}" for state, number in states.items()))
