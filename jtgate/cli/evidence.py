"""`jtgate evidence`: files of alarms: what has come, copies of them, asking once more, checking what is kept."""

import hashlib
import re
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import click

from jtgate.cli.alarms_show import FILE_TYPES, file_state, path_of
from jtgate.cli.client import Client, with_api
from jtgate.cli.common import (
    EX_FAULTS,
    Failure,
    Group,
    bytes_text,
    examples,
    json_option,
    print_json,
    print_table,
    terminal_key,
)
from jtgate.cli.progress import Tell, progress
from jtgate.cli.times import LocalTime, Since, asked
from jtgate.cli.who import clock

STATES: Final = ("asked", "arriving", "complete", "incomplete", "refused")
_ENDED: Final = ("complete", "incomplete", "refused")
_KINDS: Final = {"picture": 0, "sound": 1, "video": 2, "text": 3, "other": 4}
#: Between two looks at what a terminal sends, seconds; how long the store may be behind the desk.
_LOOK_S: Final = 1.0
_BEHIND_S: Final = 10.0
#: Files of one `fetch`.
_FILES_MAX: Final = 100_000
#: What is left of a name that a terminal gave, and how much of it.
_STRANGE: Final = re.compile(r"[^A-Za-z0-9_-]")
_NAME_MAX: Final = 80

Told = Mapping[str, Any]


@click.group(
    cls=Group,
    epilog=examples(
        "jtgate evidence ls --since 1d --state incomplete",
        "jtgate evidence fetch 4711 --into /tmp/evidence",
        "jtgate evidence verify",
    ),
)
def evidence() -> None:
    """Evidence 报警附件: pictures, sound and video of alarms, and multimedia of terminals."""


@evidence.command(
    "ls",
    epilog=examples(
        "jtgate evidence ls --since 1d",
        "jtgate evidence ls --terminal 13800138000 --state incomplete",
        "jtgate evidence ls --kind video --json",
    ),
)
@click.option("--terminal", metavar="PHONE", default="", help="Of this terminal; leading zeros are ignored.")
@click.option("--since", type=Since(), metavar="TIME", help="Announced then or later: a time, or 30min, 12h, 7d.")
@click.option("--to", type=LocalTime(last=True), metavar="TIME", help="Announced then or before.")
@click.option("--state", type=click.Choice(STATES), help="How far it has come.")
@click.option("--kind", type=click.Choice(list(_KINDS)), help="What it is.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="Files at most.")
@with_api
@json_option
def ls(
    terminal: str,
    since: int | None,
    to: int | None,
    state: str | None,
    kind: str | None,
    limit: int,
    client: Client,
    *,
    as_json: bool,
) -> None:
    """List files of evidence, newest first, and how much of each has come."""
    wanted: dict[str, Any] = {
        "terminal": terminal_key(terminal) if terminal else None,
        "from": asked(since),
        "to": asked(to),
        "state": state,
        "file_type": None if kind is None else _KINDS[kind],
    }
    found = list(client.rows("/v1/evidence", limit=limit, **wanted))
    if as_json:
        for one in found:
            print_json(one)
        return
    if not found:
        click.echo("no such file")
        return
    print_table(
        ("id", "announced", "terminal", "file", "kind", "state", "size", "path"),
        [_row(one) for one in found],
        right=("id", "size"),
        cut=("file", "path"),
    )
    if len(found) == limit:
        click.echo(f"the newest {limit}; --limit shows more")


def _row(one: Told) -> tuple[object, ...]:
    kind = FILE_TYPES.get(one["file_type"], "-")
    size = one["stored_bytes"] if one["state"] == "complete" else one["announced_bytes"]
    name = one["file_name"] or "not told yet"
    return (
        one["id"],
        clock(one["announced"]),
        one["terminal"],
        name,
        kind,
        file_state(one),
        bytes_text(size),
        path_of(one),
    )


# ----------------------------------------------------------------------------------------------------- fetch


@evidence.command(
    "fetch",
    epilog=examples(
        "jtgate evidence fetch 4711",
        "jtgate evidence fetch 4711 --ask --wait 600",
        "jtgate evidence fetch --since 2026-05-01 --to 2026-05-01 --into /tmp/may",
    ),
)
@click.argument("episode_id", type=click.IntRange(1), metavar="[ID]", required=False)
@click.option(
    "--into", type=click.Path(path_type=Path, file_okay=False), default=Path("evidence"), metavar="FOLDER",
    show_default=True, help="Where the files go; made when it is missing.",
)  # fmt: skip
@click.option("--terminal", metavar="PHONE", default="", help="Without ID: of this terminal.")
@click.option("--since", type=Since(), metavar="TIME", help="Without ID: announced then or later.")
@click.option("--to", type=LocalTime(last=True), metavar="TIME", help="Without ID: announced then or before.")
@click.option("--ask", is_flag=True, help="Ask the terminal for what has not come, and wait for it.")
@click.option(
    "--wait", "wait_s", type=click.FloatRange(1, 86_400), default=300.0, show_default=True, help="With --ask, seconds."
)
@click.option("--partial", is_flag=True, help="Also what there is of incomplete files.")
@with_api
@json_option
def fetch(
    episode_id: int | None,
    into: Path,
    terminal: str,
    since: int | None,
    to: int | None,
    wait_s: float,
    client: Client,
    *,
    ask: bool,
    partial: bool,
    as_json: bool,
) -> None:
    """Copy the files of an alarm, or of a time, into a folder.

    Each file is checked by its hash while it is copied; one that is there already is left alone. The
    audit log notes who fetched it. Exit code 1: not everything could be fetched.
    """
    if (episode_id is None) == (since is None and to is None):
        raise click.UsageError("give the number of an alarm, or --since and --to")
    if ask:
        if episode_id is None:
            raise click.UsageError("--ask goes with the number of an alarm")
        _ask(client, episode_id, wait_s)
    if episode_id is not None:
        files: Sequence[Told] = client.get(f"/v1/episodes/{episode_id}")["evidence"]
    else:
        of: dict[str, Any] = {"terminal": terminal_key(terminal) if terminal else None}
        files = list(client.rows("/v1/evidence", limit=_FILES_MAX, **of, **{"from": asked(since), "to": asked(to)}))
    wanted = [one for one in files if one["path"] and (one["state"] == "complete" or partial)]
    with progress("fetching", "files") as tell:
        counts = _copy_all(client, wanted, into, tell, as_json=as_json)
    left = sum(1 for one in files if one["state"] != "complete")
    if as_json:
        print_json({"summary": {**counts, "not_complete": left}})
    else:
        _say(counts, left, into)
    if counts["failed"] or left:
        raise SystemExit(EX_FAULTS)


def _say(counts: Mapping[str, int], left: int, into: Path) -> None:
    if not any(counts.values()) and not left:
        click.echo("there are no files")
        return
    told = [f"{counts['fetched']} fetched into {into}"]
    told += [f"{counts['present']} there already"] if counts["present"] else []
    told += [f"{counts['failed']} failed"] if counts["failed"] else []
    told += [f"{left} not complete"] if left else []
    click.echo(", ".join(told))


def _copy_all(client: Client, files: Sequence[Told], into: Path, tell: Tell, *, as_json: bool) -> Counter[str]:
    counts: Counter[str] = Counter(fetched=0, present=0, failed=0)
    for done, one in enumerate(files, 1):
        target = into / str(one["terminal"] or "unknown") / _name_for(one)
        outcome, error = _copy(client, one, target)
        counts[outcome] += 1
        if as_json:
            print_json({"id": one["id"], "file": str(target), "outcome": outcome, "error": error or None})
        elif error:
            click.echo(f"file {one['id']}: {error}", err=True)
        tell(done, len(files))
    return counts


def _name_for(one: Told) -> str:
    """A name of our own making: what the terminal called it is part of it, as far as that is harmless."""
    stem = _STRANGE.sub("_", str(one["file_name"]).rpartition(".")[0] or str(one["file_name"]))[:_NAME_MAX]
    return f"{one['id']}_{stem}{Path(str(one['path'])).suffix}"


def _copy(client: Client, one: Told, target: Path) -> tuple[str, str]:
    """Copy a file; what became of it, and what is wrong."""
    if target.is_file() and _hash(target) == one["sha256"]:
        return "present", ""
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f"{target.name}.part")
    found = hashlib.sha256()
    try:
        with beside.open("wb") as file:

            def take(piece: bytes) -> None:
                found.update(piece)
                file.write(piece)

            client.download(f"/v1/evidence/{one['id']}/content", take)
        if found.hexdigest() != one["sha256"]:
            return "failed", "what came has another hash"
        beside.replace(target)
    except Failure as failure:
        return "failed", failure.message
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
    return "fetched", ""


def _hash(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _ask(client: Client, episode_id: int, wait_s: float) -> None:
    """Ask the terminal, and wait until all has come, it was given up, or the time is over."""
    asks = client.ask("POST", "/v1/evidence/asks", body={"episode": episode_id})
    deadline = time.monotonic() + wait_s
    with progress("waiting for the terminal", "bytes") as tell:
        while not all(one["state"] in _ENDED for one in asks) and time.monotonic() < deadline:
            time.sleep(_LOOK_S)
            asks = client.get("/v1/evidence/asks", episode=episode_id)
            files = [file for one in asks for file in one["files"]]
            tell(sum(file["received"] for file in files), sum(file["bytes"] for file in files) or None)
    for one in asks:
        if one["state"] not in _ENDED:
            click.echo(f"still {one['state']} after {wait_s:g} s, sent {one['tries']} times", err=True)
        elif one["state"] != "complete":
            click.echo(f"{one['state']}: {one['reason'] or 'no reason given'}", err=True)
    if all(one["state"] == "complete" for one in asks):
        _await_store(client, episode_id, {file["name"] for one in asks for file in one["files"]})


def _await_store(client: Client, episode_id: int, names: Iterable[str]) -> None:
    """The desk knows first; wait until the store tells the same."""
    missing = set(names)
    deadline = time.monotonic() + _BEHIND_S
    while missing and time.monotonic() < deadline:
        files = client.get(f"/v1/episodes/{episode_id}")["evidence"]
        missing -= {one["file_name"] for one in files if one["state"] == "complete"}
        if missing:
            time.sleep(_LOOK_S)


evidence.add_later("verify", "Check every file on disk against what the store says of it.", "evidence_verify")
