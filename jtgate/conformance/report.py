"""What came out: results, score, verdict, and the same as JSON."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from jtgate.conformance.scenario import Scenario, Severity
from jtgate.conformance.trace import Entry


class Status(StrEnum):
    """How a scenario ended."""

    PASS = "pass"  # noqa: S105  the word, not a password
    FAIL = "fail"
    BLOCKED = "blocked"  # it did not come to the rule: no connection, no login
    SKIPPED = "skipped"  # it does not apply here


class Verdict(StrEnum):
    """The whole in a word."""

    PASS = "pass"  # noqa: S105  every rule holds
    REMARKS = "pass with remarks"  # every must holds, some should does not
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Result:
    """One scenario in one edition over one transport.

    Args:
        scenario: what was played.
        severity: of the scenario, or info when its rule depends on a policy nobody told.
        edition: of the terminal.
        transport: "tcp" or "udp".
        status: how it ended.
        problem: what was expected and what came; why it was not played.
        seconds: how long it took.
        trace: what went over the wire; kept when it did not pass.
        omitted: lines of the trace that were not kept.
    """

    scenario: Scenario
    severity: Severity
    edition: str
    transport: str
    status: Status
    problem: str = ""
    seconds: float = 0.0
    trace: tuple[Entry, ...] = ()
    omitted: int = 0

    @property
    def scored(self) -> bool:
        """Whether it counts."""
        return self.severity is not Severity.INFO and self.status is not Status.SKIPPED

    def to_json(self) -> dict[str, object]:
        """One object."""
        scenario = self.scenario
        return {
            "id": scenario.id,
            "topic": scenario.topic,
            "topic_zh": scenario.topic_zh,
            "title": scenario.title,
            "title_zh": scenario.title_zh,
            "clause": scenario.clause,
            "rule": scenario.rule,
            "severity": self.severity.value,
            "edition": self.edition,
            "transport": self.transport,
            "status": self.status.value,
            "problem": self.problem or None,
            "seconds": round(self.seconds, 3),
            "trace": [entry.to_json() for entry in self.trace],
        }


class Score(NamedTuple):
    """Rules of one severity: how many hold, of how many that were tried."""

    passed: int
    total: int

    def __str__(self) -> str:
        return f"{self.passed}/{self.total}"


@dataclass(slots=True)
class Report:
    """A run of the kit.

    Args:
        role: "server" or "terminal".
        target: what was tested, for people.
        release: of the kit.
        started_at: ISO 8601 with +08:00.
        options: what was asked for, in words.
        seconds: how long it took.
        results: in the order of the scenarios.
        notes: what the reader should know besides.
    """

    role: str
    target: str
    release: str
    started_at: str
    options: str
    seconds: float = 0.0
    results: list[Result] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def score(self, severity: Severity) -> Score:
        """How many rules of this severity hold."""
        mine = [
            result for result in self.results if result.severity is severity and result.status is not Status.SKIPPED
        ]
        return Score(sum(result.status is Status.PASS for result in mine), len(mine))

    @property
    def verdict(self) -> Verdict:
        """Whether the standard is kept; a run in which nothing was tried fails."""
        must, should = self.score(Severity.MUST), self.score(Severity.SHOULD)
        if must.passed < must.total or not must.total + should.total:
            return Verdict.FAIL
        return Verdict.PASS if should.passed == should.total else Verdict.REMARKS

    @property
    def failures(self) -> list[Result]:
        """Scored results that did not pass, must before should."""
        found = [result for result in self.results if result.scored and result.status is not Status.PASS]
        return sorted(found, key=lambda result: result.severity is not Severity.MUST)

    def counts(self) -> Counter[str]:
        """Results by status."""
        return Counter(result.status.value for result in self.results)

    def to_json(self) -> dict[str, object]:
        """The whole run as one object."""
        scores = {severity.value: self.score(severity)._asdict() for severity in Severity}
        return {
            "kit": "jtgate conformance",
            "release": self.release,
            "role": self.role,
            "target": self.target,
            "started_at": self.started_at,
            "seconds": round(self.seconds, 1),
            "options": self.options,
            "verdict": self.verdict.value,
            "score": scores,
            "counts": dict(self.counts()),
            "notes": self.notes,
            "results": [result.to_json() for result in self.results],
        }


def grouped(results: Iterable[Result]) -> dict[str, dict[str, list[Result]]]:
    """Results by topic and by scenario id, in their order."""
    topics: dict[str, dict[str, list[Result]]] = {}
    for result in results:
        topic = f"{result.scenario.topic} {result.scenario.topic_zh}"
        topics.setdefault(topic, {}).setdefault(result.scenario.id, []).append(result)
    return topics
