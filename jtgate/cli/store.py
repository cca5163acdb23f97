"""`jtgate store`: what is kept, and how much of it."""

from collections.abc import Iterator, Mapping

import click

from jtgate.cli.common import (
    Group,
    bytes_text,
    examples,
    json_option,
    local_time,
    print_facts,
    print_json,
    store_of,
    with_settings,
)
from jtgate.settings import Settings


@click.group(cls=Group, epilog=examples("jtgate store info"))
def store() -> None:
    """The store 数据存储: what was decoded and kept."""


@store.command("info", epilog=examples("jtgate store info", "jtgate store info --json"))
@with_settings
@json_option
def info(config: Settings, *, as_json: bool) -> None:
    """Say what the store holds, and how far it has followed the spool."""
    with store_of(config) as opened:
        facts = opened.info()
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
        elif name.endswith("_ms"):
            yield path.removesuffix("_ms"), local_time(value)
        elif "bytes" in name:
            yield path, bytes_text(value)
        else:
            yield path, f"{value:,}" if isinstance(value, int) else value
