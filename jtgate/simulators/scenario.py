"""Scenarios 情景: what vehicles, drivers and phones do on a day of their own, read from a TOML file.

A scenario has a clock of its own that begins at `start`. Times in the file are HH:MM or HH:MM:SS after that. Everything
that is sent, arrives or is told on the side follows from the file and its seed; docs/simulator.md describes the format.

    file ─► Scenario ─► scenario_track (where a vehicle is) ─► scenario_run (what is sent, and when it arrives)
                   └──► phones (fixes of phones)          └──► scenario_play (the same over TCP)
"""

import tomllib
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Final

from jtgate.codecs.edition import Edition
from jtgate.codecs.profile import Dialect
from jtgate.simulators.alarms import ALARM_KINDS
from jtgate.simulators.dice import Dice
from jtgate.simulators.scenario_fleet import FleetPlan, made_up
from jtgate.simulators.scenario_model import (
    DRIVE,
    ENGINE,
    PARK,
    STAND,
    TERMINAL,
    Alarm,
    Card,
    Face,
    Gap,
    Move,
    Person,
    PhonePlan,
    Scenario,
    ScenarioError,
    Stay,
    Truck,
    seconds_of,
)
from jtgate.simulators.scenario_table import Table, place_of

#: Largest file, bytes.
FILE_BYTES_MAX: Final = 1 << 20
#: Longest scenario, seconds.
LENGTH_S_MAX: Final = 7 * 86_400
REGISTRIES: Final = ("persons", "vehicles", "waybills", "zones", "enterprises")

_KINDS: Final = {kind.name: kind for kind in ALARM_KINDS}


def shipped() -> list[str]:
    """Names of the scenarios that come with the package."""
    folder = files("jtgate.simulators.scenarios")
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def load(name: str | Path) -> Scenario:
    """Read a scenario.

    Args:
        name: a file, or the name of one that comes with the package.

    Raises:
        ScenarioError: it is none.
        OSError: it cannot be read.
    """
    if str(name) in shipped():
        text = files("jtgate.simulators.scenarios").joinpath(f"{name}.toml").read_text(encoding="utf-8")
        return parse(text, str(name))
    path = Path(name)
    if path.stat().st_size > FILE_BYTES_MAX:
        raise ScenarioError(f"{path.name}: longer than {FILE_BYTES_MAX} bytes")
    try:
        return parse(path.read_text(encoding="utf-8"), path.stem)
    except UnicodeDecodeError as error:
        raise ScenarioError(f"{path.name}: no UTF-8 at byte {error.start}") from error


def parse(text: str, name: str) -> Scenario:
    """Read the text of a scenario.

    Raises:
        ScenarioError: it is none.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{name}: {error}") from error
    top = Table(data, name)
    start = top.take("start", datetime)
    if start.tzinfo is None:
        raise ScenarioError(f"{name}: start has no offset; write for example 2026-05-11T00:00:00+08:00")
    seed = top.take("seed", int, 1)
    repeats = top.number("repeats", 0.0)
    trucks = [_truck(table) for table in top.tables("terminal")]
    fleet = top.take("fleet", dict, {})
    persons = [_person(table) for table in top.tables("person")]
    scenario = Scenario(
        name=name,
        about=top.take("about", str, ""),
        start_ms=round(start.timestamp() * 1000),
        seed=seed,
        repeats=repeats,
        trucks=(*trucks, *(_fleet(Table(fleet, f"{name}: fleet"), Dice(seed, 0)) if fleet else ())),
        persons={person.key: person for person in persons},
        phones=tuple(_phone(table) for table in top.tables("phone")),
        registries={kind: top.rows(kind) for kind in REGISTRIES if kind in data},
        expect=top.take("expect", dict, {}),
    )
    top.done()
    _check(scenario)
    return scenario


def _person(table: Table) -> Person:
    return Person(*(table.take(key, str) for key in ("key", "name", "certificate", "id_number")))


def _truck(table: Table) -> Truck:
    phone = table.take("phone", str)
    if not phone.isdigit():
        raise ScenarioError(f"{table.where}: phone is no number")
    until_s = table.time("until")
    if until_s > LENGTH_S_MAX:
        raise ScenarioError(f"{table.where}: longer than {LENGTH_S_MAX // 86_400} days")
    try:
        edition, dialect = Edition(table.take("edition", str, "2013")), Dialect(table.take("dialect", str, "su"))
    except ValueError as error:
        raise ScenarioError(f"{table.where}: {error}") from error
    return Truck(
        phone=phone,
        plate=table.take("plate", str),
        plate_color=table.take("plate_color", int, 2),
        edition=edition,
        dialect=dialect,
        terminal_id=table.take("terminal_id", str, f"SC{phone[-5:]}"),
        from_s=table.time("from", 0),
        until_s=until_s,
        interval_s=max(1, table.take("interval_s", int, 10)),
        parked_s=max(1, table.take("parked_s", int, 60)),
        moves=tuple(_move(row) for row in table.tables("motion")),
        gaps=tuple(_gap(row) for row in table.tables("blind")),
        cards=tuple(Card(row.time("at"), row.take("person", str, "") or None) for row in table.tables("card")),
        alarms=tuple(_alarm(row) for row in table.tables("alarm")),
        faces=tuple(_face(row) for row in table.tables("face")),
    )


def _move(table: Table) -> Move:
    kind = table.take("do", str)
    if kind not in (PARK, STAND, DRIVE):
        raise ScenarioError(f"{table.where}: do is {PARK}, {STAND} or {DRIVE}")
    via = tuple(place_of(value, table.where) for value in table.take("via", list, []))
    kmh = table.number("kmh", 0.0)
    if (kind == DRIVE) != (kmh > 0):
        raise ScenarioError(f"{table.where}: kmh is for {DRIVE}, and above 0 there")
    return Move(table.time("at"), kind, kmh, via, table.place("place"), table.take("loaded", bool, False))


def _gap(table: Table) -> Gap:
    until_s = table.time("until")
    return Gap(table.time("from"), until_s, table.time("backfill", until_s))


def _alarm(table: Table) -> Alarm:
    name = table.take("kind", str)
    if name not in _KINDS:
        raise ScenarioError(f"{table.where}: no alarm is called {name!r}; there are {', '.join(_KINDS)}")
    again_s = tuple(int(value) for value in table.take("again_s", list, []))
    return Alarm(
        _KINDS[name],
        table.time("at"),
        table.take("lasts_s", int, 0),
        again_s,
        table.take("level", int, 0),
        table.take("files", bool, True),
    )


def _face(table: Table) -> Face:
    by = table.take("by", str, ENGINE)
    if by not in (ENGINE, TERMINAL):
        raise ScenarioError(f"{table.where}: by is {ENGINE} or {TERMINAL}")
    return Face(table.time("at"), table.take("person", str), table.number("score"), table.number("threshold", 0.8), by)


def _phone(table: Table) -> PhonePlan:
    return PhonePlan(
        table.take("person", str),
        max(1, table.take("every_s", int, 60)),
        table.number("accuracy_m", 15.0),
        table.number("lost", 0.0),
        tuple(
            Stay(row.time("from"), row.time("until"), row.take("in", str, ""), row.place("at"))
            for row in table.tables("stay")
        ),
        tuple(seconds_of(str(at)) for at in table.take("check_in", list, [])),
    )


def _fleet(table: Table, dice: Dice) -> tuple[Truck, ...]:
    """Vehicles that are made up: `scenario_fleet`."""
    plan = FleetPlan(
        trucks=table.take("trucks", int),
        from_s=table.time("from"),
        until_s=table.time("until"),
        interval_s=max(1, table.take("interval_s", int, 30)),
        chance=table.number("chance", 0.5),
        phone_base=table.take("phone_base", int, 13_922_000_000),
    )
    table.done()
    return made_up(plan, dice)


def _check(scenario: Scenario) -> None:
    """Refuse what does not fit together."""
    known = set(scenario.persons)
    phones = {truck.phone for truck in scenario.trucks}
    if not scenario.trucks:
        raise ScenarioError(f"{scenario.name}: there is no terminal")
    if len(phones) < len(scenario.trucks):
        raise ScenarioError(f"{scenario.name}: two terminals have one phone number")
    named = [card.person for truck in scenario.trucks for card in truck.cards if card.person]
    named += [face.person for truck in scenario.trucks for face in truck.faces]
    named += [phone.person for phone in scenario.phones]
    if strangers := sorted(set(named) - known):
        raise ScenarioError(f"{scenario.name}: nobody is called {', '.join(strangers)}")
    for phone in scenario.phones:
        for stay in phone.stays:
            if (stay.truck in phones) == (stay.place is not None):
                raise ScenarioError(f"{scenario.name}: a phone is `in` the vehicle of a terminal, or `at` a place")
    for truck in scenario.trucks:
        times = [move.at_s for move in truck.moves]
        if not times or times[0] > truck.from_s or times != sorted(set(times)):
            raise ScenarioError(
                f"{scenario.name}: the motion of {truck.phone} is not told from its beginning, in order"
            )
        if not 0 <= truck.from_s < truck.until_s:
            raise ScenarioError(f"{scenario.name}: {truck.phone} is switched off before it is on")
        for gap in truck.gaps:
            if not gap.from_s < gap.until_s <= gap.backfill_s:
                raise ScenarioError(f"{scenario.name}: a blind area of {truck.phone} ends before it begins")
