"""Scenarios as data: what a scenario is, how its file is read, and what is refused in one.

The format is told in `conformance/README.md`, so that another language can read the same files.
"""

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from jtgate.codecs.edition import Edition
from jtgate.conformance import kit
from jtgate.conformance.kit import KitError

Table = Mapping[str, Any]


class Severity(StrEnum):
    """How much a rule weighs."""

    MUST = "must"  # the standard demands it, or frames are lost without it
    SHOULD = "should"  # real devices in the field need it
    INFO = "info"  # an observation; not scored


class Role(StrEnum):
    """What is tested."""

    SERVER = "server"
    TERMINAL = "terminal"


_FRAME_KEYS: Final = frozenset(
    [
        "message",
        "id",
        "body",
        "fields",
        "edition",
        "layout",
        "serial",
        "phone",
        "version",
        "part",
        "encryption",
        "properties_xor",
        "length_add",
        "check",
        "damage",
        "grow_to",
        "grow_with",
        "as",
        "count",
        "split",
        "same_serial",
    ]
)
_WANTED_KEYS: Final = frozenset(
    ["id", "answer_to", "result", "fields", "clean", "body", "body_length", "header", "closed", "silence"]
)

#: Verb of a step -> keys it may have besides `do` and `on`.
_COMMON_STEPS: Final[dict[str, frozenset[str]]] = {
    "prepare": _FRAME_KEYS,
    "send": _FRAME_KEYS | {"frames", "join", "cut", "gap_ms"},
    "expect": _WANTED_KEYS | {"any", "within_ms", "not_before_ms", "optional", "or_skip", "save", "as", "strict"},
    "answers": frozenset({"to", "result", "order", "within_ms", "quiet_ms"}),
    "silence": frozenset({"ms", "ids"}),
    "closed": frozenset({"within_ms"}),
    "close": frozenset(),
    "kill": frozenset(),
    "wait": frozenset({"ms"}),
    "serials": frozenset({"count", "within_ms", "ids"}),
}
STEPS: Final[dict[Role, dict[str, frozenset[str]]]] = {
    Role.SERVER: _COMMON_STEPS
    | {
        "connect": frozenset({"phone"}),
        "login": frozenset({"phone"}),
        "alive": frozenset(),
        "flood": frozenset({"message", "per_second", "seconds", "within_ms"}),
    },
    Role.TERMINAL: _COMMON_STEPS
    | {
        "online": frozenset({"within_ms", "fresh"}),
        "connected": frozenset({"within_ms"}),
        "answering": frozenset({"id", "how", "result", "times"}),
        "forget": frozenset(),
        "again": frozenset({"of", "within_ms", "not_before_ms", "never"}),
        "headers": frozenset({"count", "within_ms"}),
    },
}

_KEYS: Final = frozenset(
    [
        "id",
        "title",
        "title_zh",
        "clause",
        "rule",
        "severity",
        "editions",
        "transports",
        "policy",
        "phones",
        "alone",
        "changes",
        "steps",
    ]
)
_NEEDED: Final = ("id", "title", "title_zh", "clause", "rule", "severity", "steps")
_EDITIONS: Final = tuple(edition.value for edition in Edition)
_TRANSPORTS: Final = ("tcp", "udp")


@dataclass(frozen=True, slots=True)
class Scenario:
    """One rule and the steps that show whether it holds.

    Args:
        id: name, unique in its role: "framing.glued".
        topic: the group it stands in, English.
        topic_zh: the group in Chinese.
        title: what it is about.
        title_zh: the same in Chinese.
        clause: where the rule comes from.
        rule: what must hold, one or two sentences.
        severity: how much it weighs.
        editions: of JT/T 808 in which it is played.
        transports: "tcp", "udp".
        policy: "strict" when the rule holds only for platforms that check codes; "" for all.
        phones: how many terminals it plays.
        alone: no other scenario may run beside it.
        changes: parameters of the terminal that it changes; the runner sets them back.
        steps: tables with `do` and the keys of STEPS.
    """

    id: str
    topic: str
    topic_zh: str
    title: str
    title_zh: str
    clause: str
    rule: str
    severity: Severity
    editions: tuple[Edition, ...]
    transports: tuple[str, ...]
    policy: str
    phones: int
    alone: bool
    changes: tuple[int, ...]
    steps: tuple[Table, ...]


def load(role: Role, root: Path | None = None) -> list[Scenario]:
    """All scenarios of a role, in the order of the files and in them.

    Args:
        role: server or terminal.
        root: folder with the files; None for that of the kit.

    Raises:
        KitError: a file cannot be read or says something that is no scenario.
    """
    found: list[Scenario] = []
    paths = sorted((root or kit.folder(f"scenarios/{role}")).glob("*.toml"))
    for path in paths:
        data = read_toml(path)
        topic, topic_zh = data.get("topic"), data.get("topic_zh")
        if not topic or not topic_zh:
            raise KitError(f"{path.name}: topic and topic_zh are missing")
        found += [_scenario(role, path.name, topic, topic_zh, raw) for raw in data.get("scenario", ())]
    twice = {scenario.id for scenario in found if sum(other.id == scenario.id for other in found) > 1}
    if twice:
        raise KitError(f"defined twice: {', '.join(sorted(twice))}")
    return found


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a file.

    Raises:
        KitError: it cannot be read.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise KitError(f"{path.name}: {error}") from error


def chosen(scenarios: Iterable[Scenario], patterns: Iterable[str]) -> list[Scenario]:
    """Those whose id or topic matches one of the patterns (`framing.*`); all without patterns.

    Raises:
        KitError: a pattern matches nothing.
    """
    wanted = list(patterns)
    every = list(scenarios)
    for pattern in wanted:
        if not any(_matches(scenario, pattern) for scenario in every):
            raise KitError(f"no scenario is called {pattern!r}; --list shows them")
    return [s for s in every if not wanted or any(_matches(s, pattern) for pattern in wanted)]


def _matches(scenario: Scenario, pattern: str) -> bool:
    return fnmatchcase(scenario.id, pattern) or scenario.id.startswith(pattern + ".")


def _scenario(role: Role, file: str, topic: str, topic_zh: str, raw: Table) -> Scenario:
    where = f"{file}: {raw.get('id', '(without id)')}"
    missing = [key for key in _NEEDED if not raw.get(key)]
    unknown = sorted(set(raw) - _KEYS)
    if missing or unknown:
        raise KitError(f"{where}: " + (f"missing {', '.join(missing)}" if missing else f"unknown {', '.join(unknown)}"))
    editions = _among(where, "editions", raw.get("editions", _EDITIONS), _EDITIONS)
    transports = _among(where, "transports", raw.get("transports", ["tcp"]), _TRANSPORTS)
    (severity,) = _among(where, "severity", [raw["severity"]], tuple(Severity))
    policy = raw.get("policy", "")
    if policy not in ("", "strict"):
        raise KitError(f"{where}: policy is {policy!r}; it can only be strict")
    for number, step in enumerate(raw["steps"], 1):
        _check_step(f"{where}, step {number}", role, step)
    return Scenario(
        id=raw["id"],
        topic=topic,
        topic_zh=topic_zh,
        title=raw["title"],
        title_zh=raw["title_zh"],
        clause=raw["clause"],
        rule=raw["rule"],
        severity=Severity(severity),
        editions=tuple(Edition(name) for name in editions),
        transports=transports,
        policy=policy,
        phones=int(raw.get("phones", 1)),
        alone=bool(raw.get("alone", False)),
        changes=tuple(raw.get("changes", ())),
        steps=tuple(raw["steps"]),
    )


def _among(where: str, key: str, given: Iterable[str], allowed: tuple[str, ...]) -> tuple[str, ...]:
    names = tuple(given)
    wrong = [name for name in names if name not in allowed]
    if wrong or not names:
        raise KitError(f"{where}: {key} is {wrong or 'empty'}; it can be {', '.join(allowed)}")
    return names


def _check_step(where: str, role: Role, step: Table) -> None:
    verb = step.get("do")
    if verb not in STEPS[role]:
        raise KitError(f"{where}: do = {verb!r} is none of {', '.join(STEPS[role])}")
    unknown = set(step) - STEPS[role][verb] - {"do", "on"}
    for wanted in step.get("any", ()):
        unknown |= set(wanted) - _WANTED_KEYS
    if unknown:
        raise KitError(f"{where}: {verb} has no {', '.join(sorted(unknown))}")


def by_topic(scenarios: Iterable[Scenario]) -> Iterator[tuple[str, list[Scenario]]]:
    """Scenarios under "topic 专题", in their order."""
    groups: dict[str, list[Scenario]] = {}
    for scenario in scenarios:
        groups.setdefault(f"{scenario.topic} {scenario.topic_zh}", []).append(scenario)
    yield from groups.items()
