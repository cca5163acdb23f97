"""`jtgate trips`: runs between rests, with their stops."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import click

from jtgate.cli.client import Client, with_api
from jtgate.cli.common import Group, duration, examples, json_option, print_json, print_table, terminal_key
from jtgate.cli.times import LocalTime, Since, asked
from jtgate.cli.who import clock
from jtgate.codecs.timebase import iso_ms, now_ms, read_ms

LADEN: Final = {1: "重载 laden", 0: "空载 empty"}
#: Stops of one trip that are shown.
_STOPS: Final = 100

Told = Mapping[str, Any]


@click.group(cls=Group, epilog=examples("jtgate trips ls --plate 测A12345 --since 7d --stops"))
def trips() -> None:
    """Trips 行程: from the first moving point after a rest of 20 minutes to the next rest."""


@trips.command(
    "ls",
    epilog=examples(
        "jtgate trips ls --since 1d",
        "jtgate trips ls --plate 测A12345 --since 7d --stops",
        "jtgate trips ls --terminal 13800138000 --open --json",
    ),
)
@click.option("--terminal", metavar="PHONE", default="", help="Of this terminal; leading zeros are ignored.")
@click.option("--plate", default="", metavar="PLATE", help="Of this vehicle 车牌号.")
@click.option("--driver", default="", metavar="KEY", help="Of this driver; the audit log notes it.")
@click.option("--drivers", is_flag=True, help="Say who drove; the audit log notes it.")
@click.option("--since", type=Since(), metavar="TIME", help="Begun then or later: a time, or 30min, 12h, 7d.")
@click.option("--to", type=LocalTime(last=True), metavar="TIME", help="Begun then or before.")
@click.option("--open", "is_open", is_flag=True, help="Only those under way.")
@click.option("--stops", "with_stops", is_flag=True, help="With the stops of each.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="Trips at most.")
@with_api
@json_option
def ls(
    terminal: str,
    plate: str,
    driver: str,
    since: int | None,
    to: int | None,
    limit: int,
    client: Client,
    *,
    drivers: bool,
    is_open: bool,
    with_stops: bool,
    as_json: bool,
) -> None:
    """List trips, newest first."""
    wanted: dict[str, Any] = {
        "terminal": terminal_key(terminal) if terminal else None,
        "plate": plate or None,
        "driver": driver or None,
        "with_persons": "true" if drivers else None,
        "from": asked(since),
        "to": asked(to),
        "state": "open" if is_open else None,
    }
    found = list(client.rows("/v1/trips", limit=limit, **wanted))
    stops = [_stops(client, one) if with_stops else [] for one in found]
    if as_json:
        for one, theirs in zip(found, stops, strict=True):
            print_json(one | ({"stops": theirs} if with_stops else {}))
        return
    if not found:
        click.echo("no such trip")
        return
    has_driver = drivers or bool(driver)
    columns = ("began", "ended", "terminal", "plate", "km", "driving", "standing", "max km/h", "load")
    rows: list[tuple[object, ...]] = []
    for one, theirs in zip(found, stops, strict=True):
        rows.append((*_row(one), *([one["driver"] or "-"] if has_driver else [])))
        rows += [(*_stop_row(stop), *([""] if has_driver else [])) for stop in theirs]
    print_table((*columns, *(("driver",) if has_driver else ())), rows, right=("km", "max km/h"))
    if len(found) == limit:
        click.echo(f"the newest {limit}; --limit shows more")


def _stops(client: Client, trip: Told) -> Sequence[Told]:
    """Stops within a trip, oldest first."""
    to = trip["ended"] or iso_ms(now_ms())
    of: dict[str, Any] = {"terminal": trip["terminal"], "from": trip["started"], "to": to}
    return list(client.rows("/v1/stops", limit=_STOPS, **of))[::-1]


def _row(one: Told) -> tuple[object, ...]:
    return (
        clock(one["started"]),
        clock(one["ended"], one["started"]) if one["ended"] else "under way",
        one["terminal"],
        one["plate"],
        f"{one['distance_km']:.1f}",
        duration(one["drive_s"]),
        duration(one["stop_s"]),
        None if one["speed_max_kmh"] is None else f"{one['speed_max_kmh']:g}",
        LADEN.get(one["laden"], "-"),
    )


def _stop_row(one: Told) -> tuple[object, ...]:
    ended = one["ended"]
    lasted_s = (read_ms(ended) - read_ms(one["started"])) / 1000 if ended else None
    place = "-" if one["latitude"] is None else f"{one['latitude']:.4f}, {one['longitude']:.4f}"
    return (
        f"  stop {clock(one['started'])[11:]}",
        clock(ended, one["started"]) if ended else "still",
        place,
        "",
        "",
        "",
        "open" if lasted_s is None else duration(lasted_s),
        "",
        "休息 rest" if one["is_rest"] else "",
    )
