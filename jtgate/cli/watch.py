"""`jtgate sessions watch`: a live screen of sessions, rates and alarms."""

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import click

from jtgate.cli.client import Client, with_api
from jtgate.cli.common import EX_UNAVAILABLE, Failure, examples, json_option, print_json, terminal_key
from jtgate.cli.watch_screen import ONCE_WIDTH, Outage, screen
from jtgate.cli.watching import Watcher

if TYPE_CHECKING:
    from rich.console import Console

#: Rows of sessions and of alarms where there is no terminal that says how many it can show.
_SESSIONS: Final = 20
_ALARMS: Final = 10
#: With --once, between two looks, because one look tells no rates.
_ONCE_S: Final = 1.0


@click.command(
    epilog=examples(
        "jtgate sessions watch",
        "jtgate sessions watch 1380 --interval 5",
        "jtgate sessions watch --once",
        "jtgate sessions watch --api https://gateway.example --token-file ops.token",
    )
)
@click.argument("prefix", default="")
@click.option(
    "--interval",
    "interval_s",
    type=click.FloatRange(0.5, 3600),
    default=2.0,
    show_default=True,
    help="Seconds between two looks.",
)
@click.option("--once", is_flag=True, help="Print one screen and end; so it is when the output is no terminal.")
@with_api
@json_option
def watch(prefix: str, interval_s: float, client: Client, *, once: bool, as_json: bool) -> None:
    """Watch sessions, rates and alarms as they change; Ctrl-C ends it.

    PREFIX keeps terminals whose phone number begins so; the figures in the first lines are those of
    the whole gateway. A gateway that is away for a while is asked again until it is back.

    With --json one line for each look.
    """
    from rich.console import Console

    watcher = Watcher(client, terminal_key(prefix) if prefix else "")
    target = Console(highlight=False, markup=False, emoji=False)
    with suppress(KeyboardInterrupt):
        if as_json:
            _print_lines(watcher, interval_s, once=once)
        elif once or not target.is_terminal:
            if not target.is_terminal:
                target.width = ONCE_WIDTH
            watcher.look(_SESSIONS, _ALARMS)
            time.sleep(min(interval_s, _ONCE_S))
            look = watcher.look(_SESSIONS, _ALARMS)
            for line in screen(watcher, look, None, target.width, _SESSIONS, _ALARMS):
                with target.capture() as captured:
                    target.print(line, no_wrap=True, overflow="ellipsis", crop=True)
                click.echo("\n".join(part.rstrip() for part in captured.get().splitlines()))
        else:
            _follow(watcher, interval_s, target)


def _print_lines(watcher: Watcher, interval_s: float, *, once: bool) -> None:
    watcher.look(_SESSIONS, _ALARMS)
    while True:
        time.sleep(min(interval_s, _ONCE_S) if once else interval_s)
        try:
            print_json(watcher.look(_SESSIONS, _ALARMS).as_json())
        except Failure as failure:
            if once or failure.exit_code != EX_UNAVAILABLE:
                raise
            failure.show()
            watcher.forget_rates()
        if once:
            return


def _follow(watcher: Watcher, interval_s: float, target: "Console") -> None:
    from rich.console import Group
    from rich.live import Live

    look, outage = watcher.look(*_room(target.height)), None  # a wrong address or token ends it at once
    with Live(console=target, screen=True, auto_refresh=False) as live:
        while True:
            width, height = target.size
            lines = screen(watcher, look, outage, width, *_room(height))
            live.update(Group(*lines), refresh=True)
            time.sleep(interval_s)
            try:
                look, outage = watcher.look(*_room(height)), None
            except Failure as failure:
                if failure.exit_code != EX_UNAVAILABLE:
                    raise
                outage = outage or Outage(time.monotonic(), failure.message)
                watcher.forget_rates()


def _room(height: int) -> tuple[int, int]:
    """Rows of sessions and of alarms on a screen of so many lines: seven are figures, headings and between."""
    alarms = max(3, height // 4)
    return max(3, height - alarms - 7), alarms
