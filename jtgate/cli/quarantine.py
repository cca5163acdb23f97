"""`jtgate quarantine`: messages that could not be decoded, kept as they came."""

from collections.abc import Collection
from typing import Final

import click

from jtgate.cli.common import (
    EX_FAULTS,
    Failure,
    Group,
    examples,
    json_option,
    local_time,
    print_facts,
    print_json,
    print_table,
    store_of,
    terminal_key,
    with_settings,
)
from jtgate.cli.naming import message_title
from jtgate.cli.profiles import profiles_of
from jtgate.codecs.timebase import now_ms
from jtgate.pipeline.replay import replay_quarantine
from jtgate.settings import Settings
from jtgate.storage.rsa_key import PlatformKey
from jtgate.storage.store import Row, Store

_PAGE_ROWS: Final = 1000
_ROW_ID: Final = click.IntRange(1, (1 << 63) - 1)

phone_option = click.option(
    "--phone", default="", metavar="PHONE", help="Only this terminal; leading zeros are ignored."
)


@click.group(cls=Group, epilog=examples("jtgate quarantine ls", "jtgate quarantine replay --all"))
def quarantine() -> None:
    """Messages that cannot be decoded 隔离区."""


@quarantine.command("ls", epilog=examples("jtgate quarantine ls", "jtgate quarantine ls --phone 13800138000 --json"))
@phone_option
@click.option("--all", "include_replayed", is_flag=True, help="Also those that were decoded by a replay since.")
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=100, show_default=True, help="Messages at most.")
@with_settings
@json_option
def ls(phone: str, limit: int, config: Settings, *, include_replayed: bool, as_json: bool) -> None:
    """List quarantined messages, oldest first."""
    with store_of(config) as store:
        rows = store.quarantine(
            terminal=terminal_key(phone) if phone else None, held_only=not include_replayed, limit=limit
        )
    if as_json:
        for row in rows:
            print_json(row)
        return
    if not rows:
        click.echo("nothing is quarantined")
        return
    print_table(
        ("id", "received", "terminal", "message…", "state", "fault", "at", "field…", "what is wrong…"),
        [
            (
                row["id"],
                _received(row),
                row["terminal"],
                _title(row),
                row["state"],
                row["code"],
                row["offset"],
                row["field"],
                row["message"],
            )
            for row in rows
        ],
        right=("id", "at"),
    )


@quarantine.command("show", epilog=examples("jtgate quarantine show 17"))
@click.argument("row_id", metavar="ID", type=_ROW_ID)
@with_settings
@json_option
def show(row_id: int, config: Settings, *, as_json: bool) -> None:
    """Show one message: what is wrong with it, and its bytes."""
    with store_of(config) as store:
        row = _find(store, row_id, config)
    if as_json:
        print_json(row)
        return
    payload = row["payload"]
    print_facts(
        [
            ("received", _received(row)),
            ("terminal", row["terminal"] or None),
            ("message", _title(row)),
            ("session id", row["session_id"]),
            ("state", row["state"]),
            ("fault", f"{row['code']} at byte {row['offset']}" + (f", field {row['field']}" if row["field"] else "")),
            ("what is wrong", row["message"]),
            ("bytes", payload.hex(" ") if isinstance(payload, bytes) else payload),
        ]
    )


@quarantine.command("replay", epilog=examples("jtgate quarantine replay 17 18", "jtgate quarantine replay --all"))
@click.argument("row_ids", metavar="[ID]…", nargs=-1, type=_ROW_ID)
@click.option("--all", "everything", is_flag=True, help="Every message that is held.")
@phone_option
@with_settings
@json_option
@click.pass_context
def replay(
    ctx: click.Context, row_ids: tuple[int, ...], phone: str, config: Settings, *, everything: bool, as_json: bool
) -> None:
    """Decode quarantined messages again and store what succeeds.

    Worth doing after an update, or when a profile was changed. Exit code 1: some still cannot be
    decoded, or are not held.
    """
    if (bool(row_ids), everything, bool(phone)).count(True) != 1:
        raise click.UsageError("name the ids to replay, or --all, or --phone PHONE")
    with store_of(config) as store:
        wanted: Collection[int] | None = row_ids or None
        if phone:
            wanted = _held_of(store, terminal_key(phone))
        report = replay_quarantine(
            store,
            wanted,
            now_ms(),
            assignments=profiles_of(config).assignments,
            opener=PlatformKey(config.data, config.rsa_key).open,
        )
    still_held = sum(report.still_held.values())
    if as_json:
        print_json(report.as_json())
    else:
        click.echo(f"tried {report.tried}, decoded {report.replayed}, still held {still_held}")
        for code, count in report.still_held.most_common():
            click.echo(f"  {count} {code}")
    if still_held or report.tried < len(row_ids):
        ctx.exit(EX_FAULTS)


def _held_of(store: Store, terminal: str) -> list[int]:
    """Ids of everything held of one terminal."""
    ids: list[int] = []
    while rows := store.quarantine(terminal=terminal, after_id=ids[-1] if ids else 0, limit=_PAGE_ROWS):
        ids += [number for row in rows if isinstance(number := row["id"], int)]
    return ids


def _find(store: Store, row_id: int, config: Settings) -> Row:
    rows = store.quarantine(held_only=False, after_id=row_id - 1, limit=1)
    if not rows or rows[0]["id"] != row_id:
        raise Failure(
            f"nothing quarantined has id {row_id}",
            f"list what there is: jtgate quarantine ls --all --data {config.data}",
        )
    return rows[0]


def _received(row: Row) -> str | None:
    at_us = row["received_us"]
    return local_time(at_us // 1000) if isinstance(at_us, int) else None


def _title(row: Row) -> str | None:
    msg_id = row["msg_id"]
    return message_title(msg_id) if isinstance(msg_id, int) else None
