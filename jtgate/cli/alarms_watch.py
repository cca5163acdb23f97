"""`jtgate alarms watch`: a live table of alarms, or a line of JSON for each change."""

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import click

from jtgate.cli.alarms import CLASSES, lasted, reports
from jtgate.cli.client import Client, with_api
from jtgate.cli.common import EX_UNAVAILABLE, Failure, duration, examples, json_option, print_json, terminal_key
from jtgate.cli.naming import alarm_title
from jtgate.codecs.timebase import iso_ms, now_ms, read_ms

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

#: Rows where there is no screen that says how many it can show; width of a table that goes into a file.
_ROWS: Final = 20
_WIDTH: Final = 120
#: Open alarms shown at first, alarms remembered, changes asked for at once and rounds of one look.
_OPEN_MAX: Final = 200
_KNOWN_MAX: Final = 2000
_CHANGES: Final = 500
_ROUNDS_MAX: Final = 20
#: From this width on there is room for evidence and plate.
_WIDE: Final = 90


class Watcher:
    """Knows the alarms that are open or came lately.

    Args:
        client: of the API.
        terminal: of this one only; "" for all.
        risk: of this risk class only; None for all.
    """

    def __init__(self, client: Client, terminal: str = "", risk: str | None = None) -> None:
        self.url = client.url
        self._client = client
        self._terminal = terminal
        self._risk = risk
        self._known: dict[int, dict[str, Any]] = {}
        self._cursor = ""
        self._begin_ms = now_ms()

    def look(self) -> list[dict[str, Any]]:
        """Alarms that are new or have changed since the last look; at first those that are open or newest.

        Raises:
            Failure: the gateway cannot be reached, or refuses.
        """
        if not self._cursor:
            of: dict[str, Any] = {"terminal": self._terminal or None, "risk_class": self._risk}
            newest = list(self._client.rows("/v1/episodes", limit=_ROWS, **of))
            still_open = list(self._client.rows("/v1/episodes", limit=_OPEN_MAX, state="open", **of))
            first = self._noted([*still_open, *newest])
            self._noted(self._changes())
            return first
        return self._noted(self._changes())

    def alarms(self, rows: int) -> list[dict[str, Any]]:
        """The newest alarms, open ones first."""
        found = [one for one in self._known.values() if one["state"] != "withdrawn"]
        found.sort(key=lambda one: (one["state"] == "open", str(one["started"]), one["id"]), reverse=True)
        return found[:rows]

    @property
    def open_count(self) -> int:
        """Open alarms that are known."""
        return sum(one["state"] == "open" for one in self._known.values())

    def _changes(self) -> Iterator[dict[str, Any]]:
        """What has changed since the last time, and what the API tells once more."""
        for _ in range(_ROUNDS_MAX):
            since = None if self._cursor else iso_ms(self._begin_ms)
            page = self._client.get("/v1/episode-changes", cursor=self._cursor or None, limit=_CHANGES, since=since)
            self._cursor = page["next"]
            yield from page["items"]
            if len(page["items"]) < _CHANGES:
                return

    def _noted(self, found: Iterator[dict[str, Any]] | list[dict[str, Any]]) -> list[dict[str, Any]]:
        changed: dict[int, dict[str, Any]] = {}
        for one in found:
            is_wanted = self._terminal in ("", one["terminal"]) and self._risk in (None, one["risk_class"])
            if is_wanted and self._known.get(one["id"], {}).get("updated") != one["updated"]:
                self._known[one["id"]] = changed[one["id"]] = one
        while len(self._known) > _KNOWN_MAX:
            oldest = min(self._known.values(), key=lambda one: (one["state"] == "open", str(one["updated"])))
            del self._known[oldest["id"]]
        return list(changed.values())


@click.command(
    epilog=examples(
        "jtgate alarms watch",
        "jtgate alarms watch 13800138000 --class fatigue",
        "jtgate alarms watch --json",
        "jtgate alarms watch --once",
    )
)
@click.argument("phone", default="")
@click.option("--class", "risk", type=click.Choice(CLASSES), help="What it endangers.")
@click.option(
    "--interval",
    "interval_s",
    type=click.FloatRange(0.5, 3600),
    default=2.0,
    show_default=True,
    help="Seconds between two looks.",
)
@click.option("--once", is_flag=True, help="Print one table and end; so it is when the output is no terminal.")
@with_api
@json_option
def watch(phone: str, risk: str | None, interval_s: float, client: Client, *, once: bool, as_json: bool) -> None:
    """Watch alarms as they come; Ctrl-C ends it.

    Open ones stand first. PHONE keeps those of one terminal. A gateway that is away for a while is
    asked again until it is back. With --json a line for each alarm that is new or has changed.
    """
    from rich.console import Console

    watcher = Watcher(client, terminal_key(phone) if phone else "", risk)
    target = Console(highlight=False, markup=False, emoji=False)
    with suppress(KeyboardInterrupt):
        if as_json:
            _print_lines(watcher, interval_s, once=once)
        elif once or not target.is_terminal:
            target.width = target.width if target.is_terminal else _WIDTH
            watcher.look()
            with target.capture() as captured:
                target.print(table(watcher, target.width, _ROWS))
            click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))
        else:
            _follow(watcher, interval_s, target)


def _print_lines(watcher: Watcher, interval_s: float, *, once: bool) -> None:
    while True:
        try:
            for one in watcher.look():
                print_json(one)
        except Failure as failure:
            if once or failure.exit_code != EX_UNAVAILABLE:
                raise
            failure.show()
        if once:
            return
        time.sleep(interval_s)


def _follow(watcher: Watcher, interval_s: float, target: "Console") -> None:
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    watcher.look()  # a wrong address or token ends it at once
    outage = ""
    with Live(console=target, screen=True, auto_refresh=False) as live:
        while True:
            width, height = target.size
            head = Text.assemble(("jtgate ", "bold"), (watcher.url, "bold cyan"), f"   {iso_ms(now_ms())[11:19]}   ")
            head.append(f"{watcher.open_count} open", "bold yellow" if watcher.open_count else "dim")
            head.append(f"   {outage}", "bold red")
            live.update(Group(head, Text(), table(watcher, width, max(height - 4, 3))), refresh=True)
            time.sleep(interval_s)
            try:
                watcher.look()
                outage = ""
            except Failure as failure:
                if failure.exit_code != EX_UNAVAILABLE:
                    raise
                outage = "not reachable, trying again"


def table(watcher: Watcher, width: int, rows: int) -> "RenderableType":
    """The table of alarms.

    Args:
        watcher: has looked.
        width: of the screen.
        rows: at most.
    """
    from rich.table import Table
    from rich.text import Text

    found = watcher.alarms(rows)
    if not found:
        return Text("no alarm yet", "dim")
    is_wide = width >= _WIDE
    made = Table(box=None, pad_edge=False, header_style="bold underline", padding=(0, 2, 0, 0), expand=True)
    for name in ("id", "began", "terminal", *(("plate",) if is_wide else ())):
        made.add_column(name, no_wrap=True, justify="right" if name == "id" else "left")
    made.add_column("alarm", no_wrap=True, overflow="ellipsis", ratio=1)
    for name in ("lasted", "reports", *(("evidence",) if is_wide else ())):
        made.add_column(name, no_wrap=True, justify="right" if name == "reports" else "left")
    for one in found:
        made.add_row(*_cells(one, is_wide=is_wide), style=_style(one))
    return made


def _cells(one: Mapping[str, Any], *, is_wide: bool) -> list[str]:
    began = str(one["started"])
    today = iso_ms(now_ms())[:10]
    age_s = max((now_ms() - read_ms(began)) / 1000, 0.0)
    return [
        str(one["id"]),
        began[11:19] if began[:10] == today else f"{began[5:10]} {began[11:19]}",
        str(one["terminal"]),
        *([str(one["plate"] or "")] if is_wide else []),
        alarm_title(one),
        f"open {duration(age_s)}" if one["state"] == "open" else lasted(one),
        reports(one),
        *([str(one["evidence_state"]).replace("none", "-")] if is_wide else []),
    ]


def _style(one: Mapping[str, Any]) -> str:
    if one["state"] == "open":
        return "bold yellow" if (one["level"] or 0) >= 2 else "yellow"
    return "dim" if one["evidence_state"] in ("none", "complete") else ""
