"""`jtgate alarms`: alarms, each once: lists, one with all that belongs to it, as they come, confirming by hand."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

import click

from jtgate.cli.client import Client, with_api
from jtgate.cli.common import (
    EX_FAULTS,
    Failure,
    Group,
    duration,
    examples,
    json_option,
    print_json,
    print_table,
    terminal_key,
)
from jtgate.cli.naming import alarm_title
from jtgate.cli.sending import verdict
from jtgate.cli.times import LocalTime, Since, asked
from jtgate.cli.who import clock
from jtgate.codecs.timebase import read_ms

#: What alarms endanger, see docs/alarms.md.
CLASSES: Final = (
    "collision",
    "distraction",
    "fatigue",
    "violation",
    "harsh",
    "incident",
    "vehicle",
    "area",
    "driving",
)
EVIDENCE: Final = ("none", "asked", "arriving", "complete", "incomplete", "refused")
#: How long `confirm` waits for the terminal, seconds.
_CONFIRM_WAIT_S: Final = 15.0
#: Shorter numbers are those of alarms, others those of terminals.
_PHONE_DIGITS_MIN: Final = 10


@click.group(
    cls=Group,
    epilog=examples("jtgate alarms ls --since 1h", "jtgate alarms show 4711", "jtgate alarms watch"),
)
def alarms() -> None:
    """Alarms 报警, each once: reports that are one and the same alarm are put together."""


@alarms.command(
    "ls",
    epilog=examples(
        "jtgate alarms ls --since 1h",
        "jtgate alarms ls --plate 测A12345 --since 2026-05-01 --to 2026-05-02",
        "jtgate alarms ls --open --class fatigue",
        "jtgate alarms ls --type 抽烟 --evidence incomplete --json",
        "jtgate alarms ls --type jsatl12:0x65:2",
    ),
)
@click.option("--terminal", metavar="PHONE", default="", help="Of this terminal; leading zeros are ignored.")
@click.option("--plate", default="", metavar="PLATE", help="Of this vehicle 车牌号.")
@click.option("--person", default="", metavar="KEY", help="While this driver was bound; the audit log notes it.")
@click.option("--since", type=Since(), metavar="TIME", help="Begun then or later: a time, or 30min, 12h, 7d.")
@click.option("--to", type=LocalTime(last=True), metavar="TIME", help="Begun then or before.")
@click.option("--open", "is_open", is_flag=True, help="Only those that last.")
@click.option(
    "--type", "kind", default="", metavar="WORD|SOURCE:TYPE", help="A part of the name, or source and number."
)
@click.option("--class", "risk", type=click.Choice(CLASSES), help="What it endangers.")
@click.option("--evidence", type=click.Choice(EVIDENCE), help="How far its evidence is.")
@click.option("--withdrawn", is_flag=True, help="Only those that later reports have shown to be none.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="Alarms at most.")
@with_api
@json_option
def ls(
    terminal: str,
    plate: str,
    person: str,
    since: int | None,
    to: int | None,
    kind: str,
    risk: str | None,
    evidence: str | None,
    limit: int,
    client: Client,
    *,
    is_open: bool,
    withdrawn: bool,
    as_json: bool,
) -> None:
    """List alarms, newest first."""
    if is_open and withdrawn:
        raise click.UsageError("--open and --withdrawn exclude each other")
    source, number = _source_of(kind)
    wanted: dict[str, Any] = {
        "terminal": terminal_key(terminal) if terminal else None,
        "plate": plate or None,
        "person": person or None,
        "from": asked(since),
        "to": asked(to),
        "state": "open" if is_open else "withdrawn" if withdrawn else None,
        "source": source,
        "alarm_type": number,
        "risk_class": risk,
        "evidence_state": evidence,
    }
    if source is None and kind:  # names are not known to the store
        rows = (one for one in client.rows("/v1/episodes", **wanted) if _is_called(one, kind))
        found = list(islice(rows, limit))
    else:
        found = list(client.rows("/v1/episodes", limit=limit, **wanted))
    if as_json:
        for one in found:
            print_json(one)
        return
    if not found:
        click.echo("no such alarm")
        return
    print_table(
        ("id", "began", "terminal", "plate", "alarm…", "lasted", "reports", "evidence"),
        [_row(one) for one in found],
        right=("id", "reports"),
    )
    if len(found) == limit:
        click.echo(f"the newest {limit}; --limit shows more")


def _source_of(kind: str) -> tuple[str | None, int | None]:
    """Source and type of SOURCE:TYPE; nothing of a word."""
    source, _, number = kind.rpartition(":")
    if not source:
        return None, None
    try:
        return source, int(number, 0)
    except ValueError:
        raise click.UsageError(f"{kind!r} is no type: write a word as 抽烟, or jsatl12:0x65:3, jt808:flag:0") from None


def _is_called(alarm: Mapping[str, Any], word: str) -> bool:
    return word.casefold() in f"{alarm['term']} {alarm['name']}".casefold()


def _row(one: Mapping[str, Any]) -> tuple[object, ...]:
    return (
        one["id"],
        clock(one["started"]),
        one["terminal"],
        one["plate"],
        alarm_title(one),
        lasted(one),
        reports(one),
        one["evidence_state"].replace("none", "-"),
    )


def lasted(one: Mapping[str, Any]) -> str:
    """How long an alarm lasted; whether it still does."""
    if one["state"] == "open":
        return "open"
    if one["state"] == "withdrawn":
        return "withdrawn"
    if one["ended_by"] == "instant" and one["last"] == one["started"]:
        return "instant"
    return duration((read_ms(one["ended"] or one["last"]) - read_ms(one["started"])) / 1000)


def reports(one: Mapping[str, Any]) -> str:
    """Different reports, and repeats of them."""
    return f"{one['report_count']}+{one['repeat_count']}" if one["repeat_count"] else str(one["report_count"])


alarms.add_later("show", "Show an alarm with all that belongs to it.", "alarms_show")
alarms.add_later("watch", "Watch alarms as they come; Ctrl-C ends it.", "alarms_watch")


@alarms.command("confirm", epilog=examples("jtgate alarms confirm 4711"))
@click.argument("episode_id", type=click.IntRange(1), metavar="ID")
@click.option(
    "--wait", "wait_s", type=click.FloatRange(0, 60), default=_CONFIRM_WAIT_S, show_default=True, help="Seconds."
)
@with_api
@json_option
def confirm(episode_id: int, wait_s: float, client: Client, *, as_json: bool) -> None:
    """Confirm an alarm by hand 人工确认报警 (0x8203), for those that wait for it.

    Bits 0, 3, 20, 21, 22, 27 and 28 of 报警标志 do. Exit code 1: the terminal did not answer, or refused.
    """
    told = client.ask("POST", f"/v1/episodes/{episode_id}/confirm", body={"wait_seconds": wait_s}, wait_s=wait_s)
    if as_json:
        print_json(told)
    else:
        command = told["command"]
        click.echo(f"alarm {episode_id} of {command['terminal']}: {command['term']} {verdict(command)}")
        if not told["confirmed"] and command["state"] in ("waiting", "sent"):
            click.echo(f"  look at it later with: jtgate alarms show {episode_id}")
    if not told["confirmed"]:
        raise SystemExit(EX_FAULTS)


def newest(client: Client, words: str) -> int:
    """Id of an alarm that is named by its number, by the phone number of a terminal or by a plate: the newest of it.

    Raises:
        Failure: there is none.
    """
    if words.isdecimal() and len(words) < _PHONE_DIGITS_MIN:
        return int(words)
    of = {"terminal": words.lstrip("0")} if words.isdecimal() else {"plate": words}
    found: Iterator[dict[str, Any]] = client.rows("/v1/episodes", limit=1, **of)
    first = next(found, None)
    if first is None:
        raise Failure(f"there is no alarm of {words}", "list those there are: jtgate alarms ls", EX_FAULTS)
    return int(first["id"])
