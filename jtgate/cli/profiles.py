"""`jtgate profiles`: the profiles there are, and what each of them changes."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import click

from jtgate.cli.common import (
    EX_CONFIG,
    Failure,
    config_option,
    examples,
    json_option,
    load_settings,
    print_facts,
    print_json,
    print_table,
    refuse_settings,
    setting_option,
)
from jtgate.codecs.profile import AUTO, LOCATION_SETTINGS
from jtgate.profiles import Entry, Profiles, ProfilesError, load
from jtgate.profiles.explain import SETTINGS, SettingRow, shown
from jtgate.settings import TABLE, Settings

_PROFILES: Final = next(entry for entry in TABLE if entry.name == "profiles")


@click.command(
    epilog=examples(
        "jtgate profiles", "jtgate profiles seat-belt-export", "jtgate profiles --profiles mine.toml --json"
    )
)
@click.argument("name", default="")
@setting_option(_PROFILES)
@config_option
@json_option
def profiles(name: str, profiles: tuple[str, ...] | None, config: Any, as_json: bool) -> None:
    """List profiles of terminals, or explain one: how a kind of terminal reads what the standards leave open.

    NAME is a profile; without it all are listed, those of your own files included. docs/profiles.md explains every
    setting and how a terminal gets its profile.
    """
    known = profiles_of(load_settings({"profiles": profiles}, config))
    if not name:
        _list(known, as_json=as_json)
        return
    entry = known.entries.get(name)
    if entry is None:
        raise Failure(f"there is no profile {name!r}", "list them with: jtgate profiles", EX_CONFIG)
    if as_json:
        print_json(_as_json(entry, known))
    else:
        _explain(entry, known)


def profiles_of(config: Settings) -> Profiles:
    """The profiles in force, or a Failure."""
    try:
        return load(config.profiles)
    except ProfilesError as error:
        raise refuse_settings(error) from error


def _list(known: Profiles, *, as_json: bool) -> None:
    if as_json:
        for entry in known.entries.values():
            print_json(_as_json(entry, known))
        return
    rows = [
        (entry.name, "" if entry.base == AUTO.name else entry.base, entry.source, entry.description)
        for entry in known.entries.values()
    ]
    print_table(("profile", "base", "source", "description…"), rows)


def _explain(entry: Entry, known: Profiles) -> None:
    facts = [
        ("profile", entry.name),
        ("description", entry.description),
        ("base", entry.base),
        ("source", entry.source),
    ]
    print_facts([*facts, *(("assigned to", row) for row in _assigned(entry, known))])
    changed = [(row, value) for row, value in _changed(entry)]
    if not changed:
        return
    click.echo()
    print_table(
        ("setting", "value", "instead of", "answers…", "meaning…"),
        [(row.name, shown(row.name, value), row.default, row.answers, row.meaning) for row, value in changed],
    )


def _changed(entry: Entry) -> Iterator[tuple[SettingRow, object]]:
    """Settings that differ from the recommended readings, with their values."""
    for row in SETTINGS:
        value = getattr(entry.profile, row.name)
        if value != getattr(AUTO, row.name):
            yield row, value


def _assigned(entry: Entry, known: Profiles) -> Iterator[str]:
    """Who has the profile, a line for each row of the files."""
    for row, _ in known.assignments.rows:
        if row.profile == entry.name:
            told = [("terminal", ", ".join(row.terminals)), ("manufacturer", row.manufacturer)]
            told += [("model", row.model), ("listener", row.listener)]
            yield ", ".join(f"{name} {value}" for name, value in told if value)


def _as_json(entry: Entry, known: Profiles) -> dict[str, object]:
    return {
        "profile": entry.name,
        "description": entry.description,
        "base": entry.base,
        "source": entry.source,
        "settings": {row.name: _plain(value) for row, value in _changed(entry)},
        "assigned": list(_assigned(entry, known)),
    }


def _plain(value: object) -> object:
    return {str(code): item for code, item in value.items()} if isinstance(value, Mapping) else value


# ----------------------------------------------------------------------------------------------------- page

_PAGE_HEAD: Final = """\
# Profiles

A profile says how one kind of terminal reads the points that the standards leave open, or that it got wrong. The
default, `auto`, is the recommended reading of every point and suits most terminals; what differs is data in files, and
nothing in the program knows a model of a terminal.

## A file of one's own

```toml
[profile.fleet-vietnam]
description = "export model with a local clock and seat belt under 0x06"
base = "seat-belt-export"          # any profile, built in or one's own; without it `auto`
time_zone_minutes = 420
alarm_bits = { 15 = -1, 18 = 7 }   # a table replaces that of the base as a whole

[[assign]]
profile = "fleet-vietnam"
terminal = ["13800138000", "1390*"]   # numbers without leading zeros; * stands for any digits

[[assign]]
profile = "gd"
manufacturer = "70111"                # what the registration 0x0100 said; either may be left out
model = "BSJ-*"

[[assign]]
profile = "forced-2013"
listener = "udp"                      # tcp, udp, tls or mqtt
```

Name it with `--profiles FILE`, `JTGATE_PROFILES` or the key `profiles`, several with commas between them, and start
again. `jtgate profiles` lists what there is, `jtgate profiles NAME` tells what one changes and who has it. A mistake
in a file keeps `jtgate serve` from starting; the error names the file and the key.

## Who gets which

The most telling row counts: the number of the terminal, then what it registered as, then its listener, else `auto`.
Among rows of a kind the first one counts, files in the order in which they are named; a number that is written out goes
before patterns. `profile = "auto"` takes a terminal out of a wider row.

A registration holds from the moment it arrives, for the frames behind it; it is known again after a restart.

## What it does

* **Rows.** Columns of positions, alarm events and card events have the values of the profile. The fingerprint in the
  key and the bytes in `extra_items` are what came over the wire. Decode such bytes with `jtgate decode --profile NAME`.
* **A profile that is changed** holds for what is decoded from then on. Rows that are stored stay, and a frame that is
  worked through again adds no second row, even where its time would now be another.
* **Speed.** A profile that changes what a location says (settings marked * below) takes the reports of its terminals
  through the declarations, some 0.2 ms each, in place of the compiled columns. Other terminals are as fast as before.
* **What only a listener can have.** A phone number is known when its header is read, so `edition` forces the form of
  *headers* for a listener only; for a terminal it forces that of bodies. A wrong check byte hides nothing but itself:
  `bad_checksum` works by terminal as well, as long as the phone came through.
* **Answers** are written under the profile too: the zone of 0x8004, widths of counts, layouts of a forced edition.

What is tolerated, by a profile or without one, is counted by name in `jtgate_pipeline_deviations_total`.

## Settings

Numbers are items of what this project follows: JT/T 808 (808), JT/T 1078 (1078) and the active-safety dialects.

| setting | values | default | answers | meaning |
|---|---|---|---|---|
"""


def page() -> str:
    """The text of docs/profiles.md."""
    lines = [_PAGE_HEAD.rstrip("\n")]
    for row in SETTINGS:
        mark = " *" if row.name in LOCATION_SETTINGS else ""
        cells = (f"`{row.name}`{mark}", row.possible, f"`{row.default}`", row.answers, row.meaning)
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", "## Built-in profiles", "", "| profile | what it is for | settings |", "|---|---|---|"]
    for entry in load().entries.values():
        changed = ", ".join(f"`{row.name} = {_toml(row.name, value)}`" for row, value in _changed(entry))
        lines.append(f"| `{entry.name}` | {entry.description} | {changed or 'the recommended readings'} |")
    return "\n".join(lines) + "\n"


def _toml(name: str, value: object) -> str:
    """A value as one writes it into a file."""
    return f'"{value}"' if isinstance(value, str) else shown(name, value)
