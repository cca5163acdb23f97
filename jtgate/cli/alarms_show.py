"""`jtgate alarms show`: an alarm with place, evidence, driver and how sure, reports and the frames behind them."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click

from jtgate.cli.alarms import lasted, newest
from jtgate.cli.client import Client, with_api
from jtgate.cli.common import bytes_text, duration, examples, json_option, print_facts, print_json, print_table
from jtgate.cli.naming import alarm_title
from jtgate.cli.text_map import Point, text_map
from jtgate.cli.who import clock, on_board, person_text
from jtgate.codecs.jt808.tables import PLATE_COLOURS
from jtgate.codecs.timebase import iso_ms, read_ms

#: Digits of hex in a line; reports shown, the others are counted.
_HEX_LINE: Final = 88
_REPORTS: Final = 20

ENDED_BY: Final = {
    "end": "the terminal told its end",
    "cleared": "the bit is clear again",
    "instant": "it has no duration",
    "silence": "nothing more was heard of it",
}
FILE_TYPES: Final = {0: "图片 picture", 1: "音频 sound", 2: "视频 video", 3: "文本 text", 4: "其他 other"}

Told = Mapping[str, Any]
Facts = list[tuple[str, object]]


@click.command(
    epilog=examples(
        "jtgate alarms show 4711",
        "jtgate alarms show 13800138000",
        "jtgate alarms show 测A12345 --names",
        "jtgate alarms show 4711 --json",
    )
)
@click.argument("alarm", metavar="ID|PHONE|PLATE")
@click.option("--names", is_flag=True, help="With names of persons; the audit log notes who asked either way.")
@with_api
@json_option
def show(alarm: str, client: Client, *, names: bool, as_json: bool) -> None:
    """Show an alarm with all that belongs to it.

    What it was and where, who was driving, how sure that is and by which sources, the files of its
    evidence, its reports, and the frames behind them as they came, as long as the spool keeps them.
    Of a terminal (a number of ten digits and more) or a plate it is the newest alarm.
    """
    told = client.get(f"/v1/episodes/{newest(client, alarm)}", names="true" if names else None)
    if as_json:
        print_json(told)
        return
    one = told["episode"]
    click.echo(f"alarm {one['id']} {alarm_title(one)}: {_state(one)}")
    _print("what 报警", _what(told))
    _print("where 位置", _where(told))
    for line in text_map(*_places(one)):
        click.echo(f"  {line}")
    _print("on board 在车人员", list(on_board(told["on_board"])) or _nobody(one))
    _print_evidence(one, told["evidence"])
    _print_reports(told)
    _print_frames(told)


def _state(one: Told) -> str:
    if one["state"] == "open":
        return f"open since {clock(one['started'])}"
    if one["state"] == "withdrawn":
        return "withdrawn, later reports have shown that there is no such alarm"
    return f"{'' if lasted(one) == 'instant' else 'lasted '}{lasted(one)}, {ENDED_BY.get(one['ended_by'], 'ended')}"


def _print(title: str, facts: Facts) -> None:
    click.echo(f"\n{title}")
    print_facts(facts)


def _what(told: Told) -> Facts:
    one = told["episode"]
    color = PLATE_COLOURS.get(one["plate_color"] or 0)
    plate = f"{one['plate']}{f' {color.zh}' if color else ''}, " if one["plate"] else ""
    facts: Facts = [
        ("  vehicle", f"{plate}terminal {one['terminal']}"),
        ("  began", clock(one["started"])),
        ("  last report", clock(one["last"], one["started"])),
        ("  reports", _counted(one)),
    ]
    if one["speed_max_kmh"] is not None:
        facts.append(("  fastest", f"{one['speed_max_kmh']:g} km/h at {clock(one['peak'], one['started'])}"))
    facts.append(("  source", f"{one['source']} type {one['alarm_type']}"))
    facts.append(("  risk event", _risk(told)))
    if told["trip"] is not None:
        facts.append(("  trip", _trip(told["trip"])))
    if told["stop"] is not None:
        facts.append(("  standing", f"since {clock(told['stop']['started'], one['started'])}"))
    if one["waybill"]:
        facts.append(("  waybill", one["waybill"]))
    if told["confirmable"]:
        open_text = f"not yet: jtgate alarms confirm {one['id']}"
        facts.append(("  confirmed", clock(one["confirmed"]) if one["confirmed"] else open_text))
    return facts


def _counted(one: Told) -> str:
    repeats = one["repeat_count"]
    more = f", and {repeats} of them once more" if repeats == 1 else f", and {repeats} times one of them once more"
    return f"{one['report_count']}{more if repeats else ''}"


def _risk(told: Told) -> str:
    one, others = told["episode"], told["risk_event"]
    if not others:
        return str(one["risk_class"])
    names = [f"{other['id']} {other['term']} ({_apart(one, other)})" for other in others]
    return f"{one['risk_class']}, with {', '.join(names)}"


def _apart(one: Told, other: Told) -> str:
    seconds = (read_ms(other["started"]) - read_ms(one["started"])) / 1000
    return f"{'-' if seconds < 0 else '+'}{duration(abs(seconds))}"


def _trip(trip: Told) -> str:
    laden = {1: ", laden 重载", 0: ", empty 空载"}.get(trip["laden"], "")
    until = f"to {clock(trip['ended'], trip['started'])}" if trip["ended"] else "still under way"
    return f"from {clock(trip['started'])} {until}, {trip['distance_km']:g} km{laden}"


def _where(told: Told) -> Facts:
    one = told["episode"]
    facts: Facts = []
    if one["latitude"] is None or one["longitude"] is None:
        facts.append(("  began", "no place was told"))
    else:
        place = f"{one['latitude']:.6f},{one['longitude']:.6f}"
        facts.append(("  began", f"{place.replace(',', ', ')}  geo:{place}"))
    points, _peak = _places(one)
    if len(points) > 1 and points[-1] != points[0]:
        last = f"{points[-1][0]:.6f},{points[-1][1]:.6f}"
        facts.append(("  ended", f"{last.replace(',', ', ')}  geo:{last}"))
    for visit in told["zones"]:
        unsure = ", uncertain" if visit["uncertain"] else ""
        facts.append(("  zone", f"{visit['zone']} {visit['zone_kind']}, entered {clock(visit['entered'])}{unsure}"))
    return facts


def _places(one: Told) -> tuple[list[Point], Point | None]:
    """Places of an alarm in the order of time, and where it was fastest."""
    known = [place for place in one["places"] if place[1] is not None and place[2] is not None]
    peak = next((place for place in known if one["peak"] and iso_ms(place[0]) == one["peak"]), None)
    return [(place[1], place[2]) for place in known], (peak[1], peak[2]) if peak is not None else None


def _nobody(one: Told) -> Facts:
    if one["person"]:
        return [("  driver", person_text(one["person"]))]
    return [
        ("  nobody", "nothing tells who was on board" if one["plate"] else "the vehicle of the terminal is not known")
    ]


def _print_evidence(one: Told, files: Sequence[Told]) -> None:
    click.echo(f"\nevidence 报警附件: {one['evidence_state']}")
    print_facts(fact for file in files if file["file_name"] for fact in _file(file))
    if one["evidence_state"] in ("incomplete", "refused"):
        click.echo(f"  ask again with: jtgate evidence fetch {one['id']} --ask")


def _file(file: Told) -> Iterator[tuple[str, object]]:
    kind = FILE_TYPES.get(file["file_type"], "kind not told")
    size = file["stored_bytes"] if file["state"] == "complete" else file["announced_bytes"]
    yield f"  {file['id']}", f"{file['file_name']}  {kind}, {file_state(file)}, {bytes_text(size)}"
    if file["path"]:
        yield "", path_of(file)
    if file["missing"]:
        yield "", f"missing {_missing(file['missing'])}"


def file_state(file: Told) -> str:
    """How far a file is."""
    percent = file["percent"]
    return (
        f"{file['state']} {percent} %"
        if file["state"] in ("arriving", "incomplete") and percent
        else str(file["state"])
    )


def path_of(file: Told) -> str:
    """Where a file lies in the data folder."""
    return str(Path("files") / file["path"]) if file["path"] else "-"


def _missing(ranges: Sequence[Sequence[int]]) -> str:
    told = [f"{offset}–{offset + length - 1}" for offset, length in ranges[:5]]
    total = sum(length for _, length in ranges)
    return f"{bytes_text(total)}, bytes {', '.join(told)}{' …' if len(ranges) > 5 else ''}"


def _print_reports(told: Told) -> None:
    rows = told["reports"]
    click.echo(f"\nreports 报警上报{'' if rows else ': none of its own'}")
    if not rows:
        return
    print_table(
        ("  time", "phase", "level", "serial", "km/h", "place", "files"),
        [
            (
                f"  {clock(row['alarm_time'])}",
                row["phase"],
                row["level"],
                row["serial"],
                None if row["speed_kmh"] is None else f"{row['speed_kmh']:g}",
                None if row["latitude"] is None else f"{row['latitude']:.6f}, {row['longitude']:.6f}",
                row["attachment_count"],
            )
            for row in rows[:_REPORTS]
        ],
        right=("level", "serial", "km/h", "files"),
    )
    if len(rows) > _REPORTS or told["more_reports"]:
        more = "more" if told["more_reports"] else str(len(rows) - _REPORTS)
        click.echo(f"  … and {more}; --json has them")


def _print_frames(told: Told) -> None:
    click.echo(f"\nframes 原始报文{' (without the check byte and its escapes)' if told['frames'] else ': none'}")
    for frame in told["frames"]:
        for line in _frame(frame):
            click.echo(f"  {line}")
    if told["more_frames"]:
        click.echo("  … and more; look with: jtgate tail --from-start --phone PHONE")


def _frame(frame: Told) -> Iterator[str]:
    place = f"serial {frame['serial']}, spool {frame['spool_seq']}"
    if frame["payload"] is None:
        yield f"{place}: the spool does not keep it any more"
        return
    yield f"{place}: {frame['msg_id']} {frame['term']} {frame['message']}, received {clock(frame['received'])}"
    yield from (f"  {line}" for line in textwrap.wrap(frame["payload"], _HEX_LINE))
