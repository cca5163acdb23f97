"""A report as text, for people."""

from collections.abc import Iterator, Sequence
from typing import Final

from jtgate.conformance.report import Report, Result, Status, grouped
from jtgate.conformance.scenario import Severity
from jtgate.conformance.trace import Entry

#: Failures told in full; the others are in the JSON and in the page.
FAILURES_MAX: Final = 40
#: Lines of the trace shown of each, from its end.
TRACE_MAX: Final = 12
#: Bytes shown of a line of the trace.
BYTES_MAX: Final = 60

MARKS: Final = {Status.PASS: "✓", Status.FAIL: "✗", Status.BLOCKED: "■", Status.SKIPPED: "–"}
_ARROWS: Final = {"sent": "→", "received": "←", "bad": "←", "event": "·"}
#: What an observation is called.
OBSERVED: Final = {Status.PASS: "yes", Status.FAIL: "no", Status.BLOCKED: "not known", Status.SKIPPED: "not tried"}


def text(report: Report) -> Iterator[str]:
    """The lines of a report."""
    yield f"{report.role} {report.target}, {report.started_at}"
    yield f"{report.options}; {report.seconds:.1f} s"
    for topic, scenarios in grouped(report.results).items():
        yield ""
        yield topic
        for results in scenarios.values():
            yield _line(results)
    failures = report.failures
    for number, result in enumerate(failures[:FAILURES_MAX], 1):
        yield ""
        yield from _failure(number, result)
    if len(failures) > FAILURES_MAX:
        yield f"… and {len(failures) - FAILURES_MAX} more; --json and --html have all of them"
    yield ""
    for note in report.notes:
        yield f"note: {note}"
    yield from summary(report)


def summary(report: Report) -> Iterator[str]:
    """Score and verdict."""
    must, should, info = (report.score(severity) for severity in Severity)
    skipped = report.counts()[Status.SKIPPED.value]
    yield f"must {must}   should {should}   observed {info.total}" + (f"   skipped {skipped}" if skipped else "")
    yield f"verdict: {report.verdict}"


def _line(results: Sequence[Result]) -> str:
    """One scenario with its editions: "✗ framing.glued  must  2013 ✓  2019 ✗"."""
    first = results[0]
    worst = next((s for s in (Status.FAIL, Status.BLOCKED, Status.PASS) if any(r.status is s for r in results)), None)
    info = first.severity is Severity.INFO
    mark = "i" if info else MARKS[worst or Status.SKIPPED]
    told = f"  {mark} {first.scenario.id:<34} {first.severity:<6} "
    groups: dict[str, list[Result]] = {}
    for result in results:
        groups.setdefault(result.transport, []).append(result)
    parts = []
    for transport, mine in groups.items():
        outcomes = (f"{r.edition} {OBSERVED[r.status] if info else MARKS[r.status]}" for r in mine)
        parts.append((f"{transport} " if len(groups) > 1 or transport != "tcp" else "") + "  ".join(outcomes))
    return told + "   ".join(parts) + f"   {first.scenario.title}"


def _failure(number: int, result: Result) -> Iterator[str]:
    """One failure: rule, clause, what came, and the bytes."""
    scenario = result.scenario
    what = " (not reached)" if result.status is Status.BLOCKED else ""
    yield f"{number}. {scenario.id}  {result.severity}  edition {result.edition}, {result.transport}{what}"
    yield f"   {scenario.title_zh} {scenario.title}"
    yield f"   clause  {scenario.clause}"
    yield f"   rule    {scenario.rule}"
    yield f"   found   {result.problem}"
    entries = result.trace
    if len(entries) > TRACE_MAX:
        yield f"   … {len(entries) - TRACE_MAX + result.omitted} lines before"
    for entry in entries[-TRACE_MAX:]:
        yield "   " + trace_line(entry)


def trace_line(entry: Entry) -> str:
    """Time, direction, bytes and meaning on a line."""
    link = f"{entry.link} " if entry.link else ""
    shown = entry.data[:BYTES_MAX].hex(" ")
    if entry.size > BYTES_MAX:
        shown += f" … {entry.size} bytes"
    return f"{entry.at_ms / 1000:8.3f} {link}{_ARROWS[entry.kind]} {entry.text}" + (
        f"\n{'':>14}{shown}" if shown else ""
    )
