"""`jtgate send`: any message of a platform, to one terminal or many."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import click

from jtgate.cli.client import ApiFailure, Client, with_api
from jtgate.cli.common import EX_FAULTS, examples, json_option
from jtgate.cli.field_words import json_objects, put_field, word_pairs
from jtgate.cli.sending import How, finish, submit, tell, wait, with_how

#: Terminals of one call.
PHONES_MAX: Final = 10_000
#: Digits of the id of a message, as 8300.
_ID_DIGITS: Final = 4


@click.command(
    context_settings={"ignore_unknown_options": True},
    epilog=examples(
        "jtgate send 13800138000 link_detection",
        'jtgate send 13800138000 text_message flags=4 text="前方限速60"',
        "jtgate send 13800138000 0x8202 --interval-s 10 --validity-s 600 --wait 5s",
        "jtgate send 13800138000 终端控制 command=4 --queue --expires 2h",
        "jtgate send 13800138000 13800138001 location_query",
        "jtgate send --phones fleet.txt location_query --json",
        "jtgate send 13800138000 0x8900 --raw 00",
    ),
)
@click.argument("words", metavar="PHONE... MESSAGE [FIELD=VALUE]...", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--phones", type=click.Path(path_type=Path, allow_dash=True, dir_okay=False), metavar="FILE|-",
    help="Terminals, one a line, in place of PHONE.",
)  # fmt: skip
@click.option(
    "--fields", "fields_file", type=click.Path(path_type=Path, allow_dash=True, dir_okay=False), metavar="FILE|-",
    help="Fields of the body as a JSON object.",
)  # fmt: skip
@click.option("--raw", metavar="HEX", help="The body as it is.")
@with_how
@with_api
@json_option
def send(
    words: tuple[str, ...],
    phones: Path | None,
    fields_file: Path | None,
    raw: str | None,
    how: How,
    client: Client,
    *,
    as_json: bool,
) -> None:
    """Send a message to terminals and show what they answer.

    PHONE is the number of a terminal; there may be several, or a file of them with --phones.
    MESSAGE is an id, an English name or a Chinese term; `jtgate messages` lists them. Fields are
    written as for `jtgate encode`: FIELD=VALUE or --field VALUE, with paths as areas[0].radius_m.

    Exit code 1: a terminal refused, did not answer or was not online.
    """
    left = list(words)
    wanted = _phones(phones) if phones is not None else [*_leading_phones(left)]
    if not wanted or not left:
        raise click.UsageError("name a terminal and a message: jtgate send PHONE MESSAGE [FIELD=VALUE]...")
    message, *rest = left
    fields = _fields(rest, fields_file, raw)
    sent, not_taken = [], 0
    for phone in wanted:
        own = replace(how, key=f"{how.key}:{phone}") if how.key and len(wanted) > 1 else how
        try:
            sent.append(submit(client, phone, message, fields, own))
        except ApiFailure as failure:
            if len(wanted) == 1 or failure.status in (401, 403):
                raise
            click.echo(f"{phone}  {failure.message}", err=True)
            not_taken += 1
    found = wait(client, sent, how.wait_s)
    for one in found:
        tell(one, as_json=as_json)
    finish(found, how)
    if not_taken:
        raise SystemExit(EX_FAULTS)


def _leading_phones(words: list[str]) -> Iterator[str]:
    """Take numbers of terminals from the front: the first word, and others that are too long for an id of a message."""
    is_first = True
    while words and (is_first or (words[0].isdecimal() and len(words[0]) > _ID_DIGITS)):
        yield words.pop(0)
        is_first = False


def _phones(path: Path) -> list[str]:
    text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    found = [word for line in text.splitlines() if (word := line.partition("#")[0].strip())]
    if not 1 <= len(found) <= PHONES_MAX:
        raise click.UsageError(f"{path} names {len(found)} terminals; possible is 1 to {PHONES_MAX}")
    return found


def _fields(words: list[str], path: Path | None, raw: str | None) -> dict[str, Any]:
    if raw is not None:
        if words or path is not None:
            raise click.UsageError("--raw is the whole body: no fields beside it")
        return {"raw": raw.replace(" ", "")}
    fields: dict[str, Any] = {}
    if path is not None:
        objects = list(json_objects(path))
        if len(objects) != 1:
            raise click.UsageError(f"{path} holds {len(objects)} objects; one is wanted")
        fields = objects[0]
    for name, value in word_pairs(words):
        put_field(fields, name, value)
    return fields
