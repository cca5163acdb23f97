"""Profiles out of files: `[profile.NAME]` tables, one built on another, and `[[assign]]` rows.

[profile.my-model]
description = "what kind of terminal"
base = "gd"                       # any profile of any file; without it the recommended readings
time_zone_minutes = 420           # settings of codecs.profile.Profile

[[assign]]
profile = "my-model"
manufacturer = "70111"            # or terminal = ["13800138000", "1390*"], or listener = "udp"
model = "BSJ-*"
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from jtgate.codecs.profile import AUTO, BadProfile, Profile, profile_from
from jtgate.profiles.assign import Assignment, Assignments
from jtgate.profiles.errors import BadProfileKey, ProfilesFileError, UnknownProfile

#: Files of this package, in the order in which their profiles are listed.
BUILT_IN: Final = ("dialects.toml", "field.toml")

#: Where a built-in profile comes from, for people.
BUILT_IN_SOURCE: Final = "built in"

#: A file larger than this is no file of profiles.
FILE_BYTES_MAX: Final = 4 << 20

#: Profiles built on one another.
BASES_MAX: Final = 32

_NOT_SETTINGS: Final = ("base", "description")


@dataclass(frozen=True, slots=True)
class Entry:
    """A profile as its file has it.

    Args:
        profile: its readings, those of its base included.
        description: one sentence.
        base: the profile it is built on, "auto" for none.
        settings: what it says itself.
        source: the file, or BUILT_IN_SOURCE.
    """

    profile: Profile
    description: str
    base: str
    settings: Mapping[str, Any]
    source: str

    @property
    def name(self) -> str:
        """Name of the profile."""
        return self.profile.name


@dataclass(frozen=True, slots=True)
class Profiles:
    """All profiles, and which terminal has which.

    Args:
        entries: by name, `auto` first.
        assignments: see Assignments.
    """

    entries: Mapping[str, Entry]
    assignments: Assignments

    def named(self, name: str) -> Profile:
        """The profile of a name.

        Raises:
            UnknownProfile: there is none.
        """
        if name not in self.entries:
            raise UnknownProfile(f"there is no profile {name!r}", "list them with: jtgate profiles")
        return self.entries[name].profile


_AUTO_ENTRY: Final = Entry(
    AUTO, "The recommended reading of every point; the default of every terminal", "auto", {}, BUILT_IN_SOURCE
)


def load(paths: Sequence[str | Path] = ()) -> Profiles:
    """Read the built-in profiles and the files of the setting `profiles`.

    Args:
        paths: TOML files, in order; of two assignments that fit a terminal the earlier one counts.

    Raises:
        ProfilesError: a file, a key, a value or a name is wrong.
    """
    loader = _Loader()
    for name in BUILT_IN:
        loader.read(BUILT_IN_SOURCE, (files(__package__) / name).read_bytes())
    for path in map(Path, paths):
        try:
            with path.open("rb") as file:
                data = file.read(FILE_BYTES_MAX + 1)
        except OSError as error:
            raise ProfilesFileError(
                f"--profiles: {path}: {error.strerror}", "name files of profiles that can be read"
            ) from error
        if len(data) > FILE_BYTES_MAX:
            raise ProfilesFileError(f"--profiles: {path} is larger than {FILE_BYTES_MAX} bytes", "name another file")
        loader.read(str(path), data)
    return loader.finished()


class _Loader:
    """Collects the tables of all files, then resolves what refers to what."""

    def __init__(self) -> None:
        self._tables: dict[str, tuple[str, Mapping[str, Any]]] = {}  # name -> source, table
        self._rows: list[tuple[str, Assignment]] = []
        self._entries: dict[str, Entry] = {AUTO.name: _AUTO_ENTRY}

    def read(self, source: str, data: bytes) -> None:
        """Take the tables of one file."""
        try:
            tables = tomllib.loads(data.decode())
        except UnicodeDecodeError as error:
            raise ProfilesFileError(f"{source}: not UTF-8 at byte {error.start}", "save the file as UTF-8") from error
        except tomllib.TOMLDecodeError as error:
            raise ProfilesFileError(f"{source}: {error}", "write it as docs/profiles.md shows") from error
        for key in tables:
            if key not in ("profile", "assign"):
                raise BadProfileKey(
                    f"{source}: {key} is no part of a file of profiles",
                    "it has [profile.NAME] tables and [[assign]] rows",
                )
        for name, table in _mapping(tables.get("profile", {}), source, "profile").items():
            self._take(source, name, _mapping(table, source, f"profile.{name}"))
        rows = tables.get("assign", [])
        if not isinstance(rows, list):
            raise BadProfileKey(f"{source}: assign is no list of rows", "write each row under its own [[assign]]")
        for number, row in enumerate(rows, 1):
            where = f"{source}: assign {number}"
            self._rows.append((where, Assignment.of(_mapping(row, source, f"assign {number}"), where)))

    def _take(self, source: str, name: str, table: Mapping[str, Any]) -> None:
        if name in self._tables or name == AUTO.name:
            before = BUILT_IN_SOURCE if name == AUTO.name else self._tables[name][0]
            raise BadProfileKey(
                f"{source}: profile.{name} is defined already ({before})",
                f'choose another name, and base = "{name}" to build on it',
            )
        for key in _NOT_SETTINGS:
            if not isinstance(table.get(key, ""), str):
                raise BadProfileKey(f"{source}: profile.{name}.{key} is no text", "put it in quotes")
        self._tables[name] = (source, table)

    def finished(self) -> Profiles:
        """All profiles resolved, all assignments checked."""
        for name in self._tables:
            self._resolve(name, ())
        ordered = {name: self._entries[name] for name in (AUTO.name, *self._tables)}
        for where, row in self._rows:
            if row.profile not in ordered:
                raise UnknownProfile(f"{where}: there is no profile {row.profile!r}", "list them with: jtgate profiles")
        found = {name: entry.profile for name, entry in ordered.items()}
        return Profiles(ordered, Assignments((row, found[row.profile]) for _, row in self._rows))

    def _resolve(self, name: str, through: tuple[str, ...]) -> Entry:
        """The entry of a profile, after those it is built on."""
        known = self._entries.get(name)
        if known is not None:
            return known
        source, table = self._tables[name]
        base = table.get("base", AUTO.name)
        if base in (*through, name):
            chain = " → ".join((*through, name, base))
            raise UnknownProfile(f"{source}: profile.{name}.base: {chain} goes in a circle", "build on another profile")
        if len(through) >= BASES_MAX:
            raise BadProfileKey(
                f"{source}: profile.{name}.base: more than {BASES_MAX} profiles built on one another",
                "name the settings",
            )
        if base != AUTO.name and base not in self._tables:
            raise UnknownProfile(
                f"{source}: profile.{name}.base: there is no profile {base!r}", "list them with: jtgate profiles"
            )
        below = self._resolve(base, (*through, name)).profile
        settings = {key: value for key, value in table.items() if key not in _NOT_SETTINGS}
        try:
            profile = profile_from(name, settings, below)
        except BadProfile as error:
            raise BadProfileKey(f"{source}: {error}", "docs/profiles.md lists every setting and its values") from error
        entry = Entry(profile, table.get("description", ""), base, settings, source)
        self._entries[name] = entry
        return entry


def _mapping(value: object, source: str, key: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise BadProfileKey(f"{source}: {key} is no table", f"write its settings under [{key}]")
    return value
