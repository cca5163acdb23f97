"""`jtgate terminals`: who may register under policy `known`, and what registered terminals said of themselves."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import click

from jtgate import runfiles
from jtgate.cli.common import (
    Failure,
    Group,
    ago,
    directory_of,
    examples,
    json_option,
    print_json,
    print_table,
    store_of,
    terminal_key,
    with_settings,
)
from jtgate.settings import EX_CONFIG, Settings
from jtgate.storage.store import Row, StoreUnavailable

#: Terminals of one listing.
_LIMIT_MAX: Final = 1_000_000


@click.group(cls=Group, epilog=examples("jtgate terminals ls", "jtgate terminals add 13800138000"))
def terminals() -> None:
    """Terminals 终端: who may register, and who ever did."""


@terminals.command("ls", epilog=examples("jtgate terminals ls", "jtgate terminals ls 1380 --json"))
@click.argument("prefix", default="")
@click.option("--limit", type=click.IntRange(1, _LIMIT_MAX), default=1000, show_default=True, help="Terminals at most.")
@with_settings
@json_option
def ls(prefix: str, limit: int, config: Settings, *, as_json: bool) -> None:
    """List terminals by phone number.

    PREFIX keeps those that begin so; leading zeros are ignored.
    """
    key = terminal_key(prefix) if prefix else ""
    with directory_of(config) as directory:
        known = directory.known()
    heard = _heard_of(config, key, limit)
    names = sorted({name for name in known if name.startswith(key)} | set(heard))[:limit]
    if as_json:
        for name in names:
            print_json({"terminal": name, "known": name in known, **heard.get(name, {})})
        return
    if not names:
        click.echo(
            "no terminal is known and none was ever heard of" if not key else f"no terminal begins with {prefix}"
        )
        return
    print_table(
        ("terminal", "known", "edition", "plate", "manufacturer", "model…", "device id", "last seen"),
        [_row(name, name in known, heard.get(name, {})) for name in names],
    )


def _heard_of(config: Settings, prefix: str, limit: int) -> dict[str, Row]:
    """What the store knows; nothing before the first `serve`, which makes its tables."""
    with store_of(config) as store:
        try:
            return {str(row["terminal"]): row for row in store.terminals(prefix=prefix, limit=limit)}
        except StoreUnavailable:
            if runfiles.lock_holder(config.data) is not None:
                raise
            return {}


def _row(name: str, is_known: bool, row: Mapping[str, object]) -> tuple[object, ...]:
    told = (row.get(key) or None for key in ("edition", "plate", "manufacturer", "model", "device_id"))
    return (name, "yes" if is_known else "no", *told, ago(row.get("last_seen_ms")))


@terminals.command(
    "add", epilog=examples("jtgate terminals add 13800138000 13800138001", "jtgate terminals add - < phones.txt")
)
@click.argument("phones", nargs=-1, required=True)
@with_settings
@json_option
def add(phones: Sequence[str], config: Settings, *, as_json: bool) -> None:
    """Admit terminals under policy `known`; a running gateway knows at once.

    PHONES are numbers of terminals, leading zeros are ignored; - reads them from standard input,
    one a line.
    """
    keys = list(_keys(phones))
    try:
        config.data.mkdir(parents=True, exist_ok=True)  # before the first `serve` is a good time to add terminals
    except OSError as error:
        raise Failure(f"{config.data}: {error.strerror}", "name another folder with --data DIR", EX_CONFIG) from error
    with directory_of(config) as directory:
        new = directory.add_known(keys)
    if as_json:
        print_json({"added": new, "already_known": len(keys) - new})
    else:
        click.echo(f"added {new}, {len(keys) - new} were known already")


@terminals.command("rm", epilog=examples("jtgate terminals rm 13800138000"))
@click.argument("phones", nargs=-1, required=True)
@with_settings
@json_option
def rm(phones: Sequence[str], config: Settings, *, as_json: bool) -> None:
    """Stop admitting terminals under policy `known`; what they sent is kept.

    A live session goes on: close it with `jtgate sessions kick`. Exit code 1: none of them was known.
    """
    keys = list(_keys(phones))
    with directory_of(config) as directory:
        gone = directory.remove_known(keys)
    if as_json:
        print_json({"removed": gone, "not_known": len(keys) - gone})
    if not gone:
        raise Failure("none of them was known", f"list those that are: jtgate terminals ls --data {config.data}")
    if not as_json:
        click.echo(f"removed {gone}, {len(keys) - gone} were not known")


def _keys(phones: Sequence[str]) -> Iterator[str]:
    """Keys of terminals in the order given, each once."""
    lines = sys.stdin.read().split() if tuple(phones) == ("-",) else phones
    yield from dict.fromkeys(terminal_key(phone) for phone in lines)
