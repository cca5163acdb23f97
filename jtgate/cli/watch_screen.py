"""The screen of `jtgate sessions watch`: figures, a table of sessions, the latest alarms."""

from collections.abc import Iterator, Mapping
from time import monotonic
from typing import Any, Final, NamedTuple

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from jtgate.cli.common import duration
from jtgate.cli.naming import alarm_title, message_title
from jtgate.cli.watching import Look, Watcher
from jtgate.codecs.timebase import iso_ms, now_ms, read_ms

#: Width of a screen that goes into a file.
ONCE_WIDTH: Final = 140
#: From this width on the link, and from this one on the place, have columns of their own.
_WIDE: Final = 100
_WIDER: Final = 130
#: A terminal that was silent for longer than two usual heartbeats is shown dim, seconds; lag from which on it is red.
_SILENT_S: Final = 120.0
_LAG_S: Final = 5.0


class Outage(NamedTuple):
    """The gateway does not answer.

    Args:
        since_s: monotonic clock.
        message: what is wrong.
    """

    since_s: float
    message: str


def screen(
    watcher: Watcher, look: Look, outage: Outage | None, width: int, sessions: int, alarms: int
) -> Iterator[RenderableType]:
    """What is shown, from top to bottom.

    Args:
        watcher: whose gateway it is.
        look: the last one that succeeded.
        outage: why there is no newer one.
        width: of the screen.
        sessions: rows of sessions.
        alarms: rows of alarms.
    """
    yield _head(watcher, look, outage)
    yield _figures(look, is_old=outage is not None)
    yield Text()
    yield _sessions(look, width, sessions)
    yield _more(watcher, look, sessions)
    yield Text()
    yield _alarms(look, alarms)


def _head(watcher: Watcher, look: Look, outage: Outage | None) -> Text:
    line = Text.assemble(("jtgate ", "bold"), (watcher.url, "bold cyan"), f"   {iso_ms(look.at_ms)[11:19]}")
    if outage is not None:
        away = duration(monotonic() - outage.since_s)
        line.append(f"   not reachable for {away}, trying again", "bold red")
    for problem in look.problems if outage is None else ():
        line.append(f"   {problem}", "red")
    return line


def _figures(look: Look, *, is_old: bool) -> Text:
    figures = (
        (f"{look.online:,}", "online", ""),
        (_rate(look.frames_per_s), "frames/s", ""),
        (_rate(look.alarms_per_min), "alarms/min", "yellow" if look.alarms_per_min else ""),
        (f"{look.lag_s:.1f} s", "behind", "red" if look.lag_s > _LAG_S else ""),
    )
    line = Text()
    for value, name, style in figures:
        line.append(value, f"bold {style}" if not is_old else "dim")
        line.append(f" {name}    ", "dim")
    return line


def _rate(value: float | None) -> str:
    return "…" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _sessions(look: Look, width: int, rows: int) -> RenderableType:
    if not look.sessions:
        return Text("no terminal is connected", "dim")
    is_wide, is_wider = width >= _WIDE, width >= _WIDER
    table = _table()
    table.add_column("terminal", no_wrap=True)
    table.add_column("plate", no_wrap=True)
    if is_wide:
        table.add_column("link", no_wrap=True)
    table.add_column("online", no_wrap=True, justify="right")
    table.add_column("heard", no_wrap=True, justify="right")
    table.add_column("frames/s", no_wrap=True, justify="right")
    table.add_column("km/h", no_wrap=True, justify="right")
    if is_wider:
        table.add_column("place", no_wrap=True)
    table.add_column("last message", no_wrap=True, overflow="ellipsis", ratio=1)
    for one in look.sessions[:rows]:
        silent_s = _age_s(one["last_received"])
        place = one["position"] or {}
        cells = [
            one["terminal"],
            one["plate"],
            *([f"{one['transport']} {one['edition']}"] if is_wide else []),
            duration(_age_s(one["online_since"])),
            duration(silent_s),
            f"{one['frames_per_s']:.2f}",
            _speed(place),
            *([_place(place)] if is_wider else []),
            message_title(int(one["last_message"], 16)),
        ]
        table.add_row(*cells, style="dim" if silent_s > _SILENT_S else "")
    return table


def _more(watcher: Watcher, look: Look, rows: int) -> Text:
    """How many sessions did not find a place; nothing when all did."""
    shown = len(look.sessions[:rows])
    if not look.more and shown == len(look.sessions):
        return Text(end="")
    left = look.online - shown
    return Text("… and more" if watcher.prefix or left < 1 else f"… and {left:,} more", "dim")


def _alarms(look: Look, rows: int) -> RenderableType:
    if not look.alarms:
        return Text("no alarm yet", "dim")
    table = _table()
    table.add_column("alarms", no_wrap=True)
    table.add_column("terminal", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("what", no_wrap=True, overflow="ellipsis", ratio=1)
    for one in look.alarms[:rows]:
        style = {"start": "yellow", "end": "dim"}.get(one["phase"] or "", "yellow")
        table.add_row(_clock(one["alarm_time"]), one["terminal"], one["phase"], alarm_title(one), style=style)
    return table


def _table() -> Table:
    return Table(box=None, pad_edge=False, header_style="bold underline", padding=(0, 2, 0, 0), expand=True)


def _age_s(moment: str) -> float:
    return max((now_ms() - read_ms(moment)) / 1000, 0.0)


def _speed(place: Mapping[str, Any]) -> str:
    speed = place.get("speed_kmh")
    return "" if speed is None else f"{speed:.0f}"


def _place(place: Mapping[str, Any]) -> str:
    latitude, longitude = place.get("latitude"), place.get("longitude")
    return "" if latitude is None or longitude is None else f"{latitude:.4f}, {longitude:.4f}"


def _clock(moment: str | None) -> str:
    """Time of day of a moment, with its date when that is another one than today's."""
    if moment is None:
        return "-"
    today = iso_ms(now_ms())[:10]
    return moment[11:19] if moment[:10] == today else f"{moment[5:10]} {moment[11:19]}"
