"""`jtgate sessions`: who is connected, what a vehicle is doing and why, and closing a connection."""

import getpass
import time
from typing import Final

import click

from jtgate import runfiles
from jtgate.cli import vehicle
from jtgate.cli.common import (
    EX_FAULTS,
    EX_UNAVAILABLE,
    Failure,
    Group,
    directory_of,
    duration,
    examples,
    json_option,
    need_folder,
    print_facts,
    print_json,
    print_table,
    terminal_key,
    with_settings,
)
from jtgate.cli.naming import message_title
from jtgate.codecs.timebase import now_ms
from jtgate.settings import Settings
from jtgate.storage.directory import Directory, LiveSession

#: How long `kick` waits for the gateway, and how often it looks.
KICK_WAIT_S: Final = 3.0
_KICK_LOOK_S: Final = 0.05


@click.group(cls=Group, epilog=examples("jtgate sessions ls", "jtgate sessions show 13800138000"))
def sessions() -> None:
    """Connected terminals 在线终端, and the story of one."""


@sessions.command("ls", epilog=examples("jtgate sessions ls", "jtgate sessions ls 1380 --json"))
@click.argument("prefix", default="")
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=1000, show_default=True, help="Sessions at most.")
@with_settings
@json_option
def ls(prefix: str, limit: int, config: Settings, *, as_json: bool) -> None:
    """List live sessions, latest first.

    PREFIX keeps those whose phone number begins so; leading zeros are ignored.
    """
    need_gateway(config)
    with directory_of(config) as directory:
        found = directory.sessions(terminal_prefix=terminal_key(prefix) if prefix else "", limit=limit)
        total = directory.count()
    if as_json:
        for session in found:
            print_json(vehicle.session_json(session))
        return
    if not found:
        click.echo(f"none of {total} sessions begins with {prefix}" if total else "no terminal is connected")
        return
    print_table(
        ("terminal", "link", "from", "online", "silent", "message", "frames", "bad"),
        [_row(session) for session in found],
        right=("frames", "bad"),
        cut=("message",),
    )
    if len(found) < total:
        click.echo(f"{len(found)} of {total} sessions")


def _row(session: LiveSession) -> tuple[object, ...]:
    """What fits a terminal of 80 columns; --json has the rest."""
    state = "" if session.state == "online" else f" {session.state}"
    return (
        session.terminal,
        f"{session.transport} {session.edition}{state}",
        session.peer,
        duration((now_ms() - session.online_since_ms) / 1000),
        duration((now_ms() - session.last_received_ms) / 1000),
        message_title(session.last_msg_id),
        session.frames,
        session.bad_frames,
    )


@sessions.command(
    "show", epilog=examples("jtgate sessions show 13800138000", "jtgate sessions show 013800138000 --json")
)
@click.argument("phone")
@with_settings
@json_option
def show(phone: str, config: Settings, *, as_json: bool) -> None:
    """Say what a vehicle is doing, and why.

    Its session, its registration, where it was last, which alarms are open, who drives, how its
    last sessions ended. PHONE is the number of the terminal; leading zeros are ignored.
    """
    need_folder(config.data)
    story = vehicle.gather(config, terminal_key(phone))
    if not story.is_known:
        raise Failure(
            f"nobody has ever heard of terminal {story.terminal}",
            f"list those there are: jtgate terminals ls --data {config.data}",
            EX_FAULTS,
        )
    if as_json:
        print_json(vehicle.as_json(story))
        return
    click.echo(vehicle.verdict(story))
    for title, facts in vehicle.sections(story):
        click.echo(f"\n{title}")
        print_facts((f"  {name}", value) for name, value in facts)
    vehicle.print_history(story)


@sessions.command("kick", epilog=examples("jtgate sessions kick 13800138000"))
@click.argument("phone")
@with_settings
@json_option
def kick(phone: str, config: Settings, *, as_json: bool) -> None:
    """Close the connection of a terminal; it may come back at once.

    Waits up to 3 seconds for the gateway. Exit code 1: the terminal was not online; 69: no answer.
    """
    key = terminal_key(phone)
    need_gateway(config)
    with directory_of(config) as directory:
        outcome = _ask(directory, key)
    if as_json:
        print_json({"terminal": key, "outcome": outcome})
    if outcome is None:
        raise Failure(
            f"the gateway did not answer within {KICK_WAIT_S:g} s; it will still do it",
            f"look with: jtgate doctor --data {config.data}",
            EX_UNAVAILABLE,
        )
    if outcome != "closed":
        raise Failure(
            f"terminal {key} is not online",
            f"see when it was: jtgate sessions show {key} --data {config.data}",
            EX_FAULTS,
        )
    if not as_json:
        click.echo(f"closed the connection of terminal {key}")


def _ask(directory: Directory, key: str) -> str | None:
    """Request and outcome; None when nobody took care in time."""
    request = directory.ask_kick(key, f"cli:{getpass.getuser()}", now_ms())
    deadline = time.monotonic() + KICK_WAIT_S
    while (outcome := directory.outcome(request)) is None and time.monotonic() < deadline:
        time.sleep(_KICK_LOOK_S)
    return outcome


def need_gateway(config: Settings) -> None:
    """Fail when no gateway runs: what the directory says would be old news."""
    need_folder(config.data)
    if runfiles.running(config.data, runfiles.GATEWAY) is None:
        raise Failure(
            f"no gateway is running on the data folder {config.data}",
            f"start one: jtgate serve --data {config.data}, or name the right folder with --data DIR",
            EX_UNAVAILABLE,
        )


sessions.add_later("watch", "Watch sessions, rates and alarms as they change; Ctrl-C ends it.")
