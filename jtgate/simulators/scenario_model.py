"""What a scenario consists of; `scenario` reads it from a file."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from jtgate.codecs import timebase
from jtgate.codecs.edition import Edition
from jtgate.codecs.profile import Dialect
from jtgate.simulators.alarms import AlarmKind
from jtgate.simulators.dice import Dice

PARK, STAND, DRIVE = "park", "stand", "drive"
ENGINE, TERMINAL = "engine", "terminal"

_TIME: Final = re.compile(r"(\d{1,3}):([0-5]\d)(?::([0-5]\d))?")
_MOMENT: Final = re.compile(r"@(\d{1,3}:[0-5]\d(?::[0-5]\d)?)")

Place = str | tuple[float, float]


class ScenarioError(ValueError):
    """A file that is no scenario; the message says where and what."""


@dataclass(frozen=True, slots=True)
class Person:
    """What of a person stands on a card.

    Args:
        key: of the registry of persons.
        name: on the card.
        certificate: 从业资格证编码.
        id_number: 身份证号.
        issuer: 发证机构.
    """

    key: str
    name: str
    certificate: str
    id_number: str
    issuer: str = "盘锦市交通运输局"


@dataclass(frozen=True, slots=True)
class Move:
    """What a vehicle does from a moment on, until the next.

    Args:
        at_s: since when.
        kind: PARK with ACC off, STAND with ACC on, DRIVE.
        kmh: speed while driving, the same all the time.
        via: places along which it drives, to and fro when they are all passed; empty: on along the way it was on.
        place: where it stands at first.
        loaded: 重载.
    """

    at_s: int
    kind: str
    kmh: float = 0.0
    via: tuple[Place, ...] = ()
    place: Place | None = None
    loaded: bool = False


@dataclass(frozen=True, slots=True)
class Gap:
    """No network 盲区: what is reported between the two is kept, and sent as 0x0704 from `backfill_s` on."""

    from_s: int
    until_s: int
    backfill_s: int


@dataclass(frozen=True, slots=True)
class Card:
    """A card is put in by `person`, or taken out (None)."""

    at_s: int
    person: str | None


@dataclass(frozen=True, slots=True)
class Alarm:
    """A condition that is reported once or often.

    Args:
        kind: what happens.
        at_s: when it begins.
        lasts_s: 0 for a moment.
        again_s: seconds after `at_s` at which the same is reported anew, as an instant.
        level: 报警级别; 0: from the speed.
        files: evidence is announced.
    """

    kind: AlarmKind
    at_s: int
    lasts_s: int = 0
    again_s: tuple[int, ...] = ()
    level: int = 0
    files: bool = True

    @property
    def end_s(self) -> int:
        """When it is over."""
        return self.at_s + max(self.lasts_s, max(self.again_s, default=0))


@dataclass(frozen=True, slots=True)
class Face:
    """A face was compared.

    Args:
        at_s: when.
        person: whom it was compared with.
        score: 0..1.
        threshold: of the engine, 0..1.
        by: ENGINE outside, told on the side and shown by a driver-change event 0x65 0x11 with a picture; or TERMINAL,
            which sends 0x0E10.
    """

    at_s: int
    person: str
    score: float
    threshold: float
    by: str = ENGINE


@dataclass(frozen=True, slots=True)
class Truck:
    """A vehicle with its terminal, and its day."""

    phone: str
    plate: str
    plate_color: int
    edition: Edition
    dialect: Dialect
    terminal_id: str
    from_s: int
    until_s: int
    interval_s: int
    parked_s: int
    moves: tuple[Move, ...]
    gaps: tuple[Gap, ...] = ()
    cards: tuple[Card, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    faces: tuple[Face, ...] = ()


@dataclass(frozen=True, slots=True)
class Stay:
    """Where a phone is for a while: in a vehicle (phone of its terminal), or at a place."""

    from_s: int
    until_s: int
    truck: str = ""
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class PhonePlan:
    """The phone of a person.

    Args:
        person: whose.
        every_s: seconds between fixes.
        accuracy_m: as the phone tells it; fixes scatter by it.
        lost: share of fixes that are never told.
        stays: where it is; at other times it tells nothing.
        check_ins: when its person tells on purpose where it is 打卡.
    """

    person: str
    every_s: int
    accuracy_m: float
    lost: float
    stays: tuple[Stay, ...]
    check_ins: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Scenario:
    """A day, or some hours.

    Args:
        name: of the file.
        about: one sentence.
        start_ms: where its clock begins, ms since 1970.
        seed: decides all that chance decides.
        repeats: share of frames that arrive twice.
        trucks: vehicles.
        persons: by their keys.
        phones: of persons.
        registries: rows by registry, as `jtgate registry import` takes them; times begin with @.
        expect: what must come of it, for tests.
    """

    name: str
    about: str
    start_ms: int
    seed: int
    repeats: float
    trucks: tuple[Truck, ...]
    persons: Mapping[str, Person] = field(default_factory=dict)
    phones: tuple[PhonePlan, ...] = ()
    registries: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)
    expect: Mapping[str, Any] = field(default_factory=dict)

    @property
    def end_s(self) -> int:
        """When the last vehicle is switched off."""
        return max(truck.until_s for truck in self.trucks)

    def time_ms(self, at_s: float) -> int:
        """A moment of it, ms since 1970."""
        return self.start_ms + round(at_s * 1000)

    def dice(self, truck: Truck) -> Dice:
        """The chances of a vehicle."""
        return Dice(self.seed, int(truck.phone) & 0xFFFFFF)

    def registry_rows(self) -> dict[str, list[dict[str, Any]]]:
        """The registries with their times written out."""
        return {name: [self._told(row) for row in rows] for name, rows in self.registries.items()}

    def _told(self, value: Any) -> Any:
        match value:
            case dict():
                return {key: self._told(entry) for key, entry in value.items()}
            case list():
                return [self._told(entry) for entry in value]
            case str() if found := _MOMENT.fullmatch(value):
                return timebase.iso_ms(self.time_ms(seconds_of(found[1])))
            case datetime():
                return value.isoformat()
            case _:
                return value


def seconds_of(text: str) -> int:
    """HH:MM or HH:MM:SS as seconds.

    Raises:
        ScenarioError: it is neither.
    """
    found = _TIME.fullmatch(text)
    if found is None:
        raise ScenarioError(f"{text!r} is no time; write HH:MM or HH:MM:SS")
    return int(found[1]) * 3600 + int(found[2]) * 60 + int(found[3] or 0)
