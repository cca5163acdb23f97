"""Which reports are one and the same alarm: the rules of `merging.toml`, read once and checked."""

import tomllib
from collections.abc import Iterable
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, Final, NamedTuple

import msgspec

from jtgate.pipeline.alarms import SOURCE_FLAG

#: Sources that `alarm_events` does not have: a flag bit with its area, and what a driver did (item 0x18).
SOURCE_AREA: Final = "jt808:area"
SOURCE_DRIVING: Final = "jt1078:driving"

#: Bits that 0x8203 人工确认报警 can confirm (§8.12); no alarm item can be confirmed on the wire.
CONFIRMABLE_BITS: Final = frozenset({0, 3, 20, 21, 22, 27, 28})

#: Risk classes (active-safety §6.2), and those of alarms that are not of active safety.
RISKS: Final = frozenset(
    {"collision", "distraction", "fatigue", "violation", "harsh", "incident", "vehicle", "area", "driving"}
)

#: Episodes of one vehicle and risk class that begin so close together are one risk event (active-safety §6.2).
RISK_GAP_MS: Final = 60_000
RISK_LONGEST_MS: Final = 300_000
#: Sources remembered with their families; areas bring ever new ones.
_FAMILIES_MAX: Final = 4096


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How reports of some types are put together, see merging.toml."""

    source: str
    term: str
    types: tuple[int, ...] = ()
    gap_s: int = 60
    longest_s: int = 300
    silence_s: int = 600
    risk: str = "vehicle"
    fetch: tuple[int, ...] = ()
    handle: tuple[int, ...] = ()
    answered: bool = False
    event: bool = False

    @property
    def gap_ms(self) -> int:
        """See gap_s."""
        return self.gap_s * 1000

    @property
    def longest_ms(self) -> int:
        """See longest_s."""
        return self.longest_s * 1000

    @property
    def silence_ms(self) -> int:
        """See silence_s."""
        return self.silence_s * 1000


class _Rules(NamedTuple):
    by_type: dict[tuple[str, int], Rule]
    by_source: dict[str, Rule]


def read_rules(text: str) -> tuple[Rule, ...]:
    """Rules of a file.

    Raises:
        ValueError: a rule is wrong, or two are about the same.
    """
    raw: dict[str, Any] = tomllib.loads(text)
    rules = msgspec.convert(raw["rule"], tuple[Rule, ...])
    seen: set[tuple[str, int | None]] = set()
    for rule in rules:
        if rule.risk not in RISKS:
            raise ValueError(f"{rule.term}: no risk class is called {rule.risk}")
        if not 1 <= rule.gap_s <= min(rule.longest_s, rule.silence_s):
            raise ValueError(f"{rule.term}: a gap is at least 1 s, and no more than longest_s and silence_s")
        for kind in rule.types or (None,):
            if (rule.source, kind) in seen:
                raise ValueError(f"{rule.source} {kind}: two rules")
            seen.add((rule.source, kind))
    return rules


@cache
def rules() -> tuple[Rule, ...]:
    """The rules of this release, in the order of their file."""
    return read_rules(files("jtgate.pipeline.derive").joinpath("merging.toml").read_text(encoding="utf-8"))


@cache
def _by_key() -> _Rules:
    return _Rules(
        {(rule.source, kind): rule for rule in rules() for kind in rule.types},
        {rule.source: rule for rule in rules() if not rule.types},
    )


@lru_cache(_FAMILIES_MAX)
def family(source: str) -> str:
    """The source that rules are about: "jt808:area" of "jt808:area:17:0"."""
    return ":".join(source.split(":", 2)[:2])


def rule_of(source: str, alarm_type: int) -> Rule:
    """The rule for a source and type; for unknown items that of all alarm items."""
    known = _by_key()
    source = family(source)
    found = known.by_type.get((source, alarm_type)) or known.by_source.get(source)
    return found or known.by_source["jsatl12"]


def wants_evidence(source: str, alarm_type: int, level: int | None) -> bool:
    """Whether the files that an alarm announces are to be asked for."""
    return _rank(level) in rule_of(source, alarm_type).fetch


def needs_handling(source: str, alarm_type: int, level: int | None) -> bool:
    """Whether somebody has to handle an alarm of this level."""
    return _rank(level) in rule_of(source, alarm_type).handle


def _rank(level: int | None) -> int:
    """Level as merging.toml has it: 0 is none; terminals that send 0 mean 1 (active-safety §1.5)."""
    return 0 if level is None else max(level, 1)


def needs_confirmation(source: str, alarm_type: int) -> bool:
    """Whether the terminal waits for a manual confirmation 0x8203 of such an alarm."""
    return family(source) in (SOURCE_FLAG, SOURCE_AREA) and alarm_type in CONFIRMABLE_BITS


def risk_starts(started_ms: Iterable[int]) -> list[int]:
    """Beginning of the risk event of each episode of one vehicle and risk class (active-safety §6.2).

    Both machines bring episodes of one class, so this is done over the rows of both, when they are written.

    Args:
        started_ms: beginnings of the episodes that stand, rising.
    """
    found: list[int] = []
    first = last = 0
    for at_ms in started_ms:
        if not found or at_ms - last > RISK_GAP_MS or at_ms - first > RISK_LONGEST_MS:
            first = at_ms
        last = at_ms
        found.append(first)
    return found
