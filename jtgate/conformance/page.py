"""A report as one HTML file that needs nothing from anywhere else."""

from collections.abc import Iterator, Sequence
from html import escape
from importlib import resources
from string import Template
from typing import Final

from jtgate.conformance.render import OBSERVED
from jtgate.conformance.report import Report, Result, Status, Verdict, grouped
from jtgate.conformance.scenario import Severity
from jtgate.conformance.trace import Entry

_ARROWS: Final = {"sent": "→", "received": "←", "bad": "⇠", "event": "·"}
_VERDICTS: Final = {
    Verdict.PASS: ("pass", "Every rule holds.", "全部规则通过"),
    Verdict.REMARKS: ("remarks", "Every rule of the standard holds; some recommendations do not.", "必须项全部通过"),
    Verdict.FAIL: ("fail", "Rules of the standard do not hold.", "存在不通过的必须项"),
}


def html(report: Report) -> str:
    """The page.

    Args:
        report: what it shows.
    """
    template = Template(resources.files("jtgate.conformance").joinpath("page.html").read_text(encoding="utf-8"))
    state, sentence, sentence_zh = _VERDICTS[report.verdict]
    counts = report.counts()
    return template.substitute(
        target=escape(report.target),
        role="Server" if report.role == "server" else "Terminal",
        role_zh="平台" if report.role == "server" else "终端",
        verdict=escape(report.verdict.value),
        state=state,
        sentence=sentence,
        sentence_zh=sentence_zh,
        meters="".join(_meters(report)),
        facts="".join(
            f"<div><dt>{name}</dt><dd>{escape(value)}</dd></div>"
            for name, value in (
                ("Started", report.started_at),
                ("Took", f"{report.seconds:.1f} s"),
                ("Options", report.options),
                ("Kit", f"jtgate {report.release}"),
            )
        ),
        notes="".join(f'<p class="note">{escape(note)}</p>' for note in report.notes),
        filters="".join(
            f'<button type="button" data-show="{status}" aria-pressed="false">{label} <b>{count}</b></button>'
            for status, label, count in (
                ("all", "All 全部", len(report.results)),
                ("fail", "Failed 未通过", counts["fail"] + counts["blocked"]),
                ("pass", "Passed 通过", counts["pass"]),
                ("skipped", "Skipped 跳过", counts["skipped"]),
            )
        ),
        topics="".join(_topics(report)),
    )


def _meters(report: Report) -> Iterator[str]:
    for severity, label in ((Severity.MUST, "must 必须"), (Severity.SHOULD, "should 建议")):
        score = report.score(severity)
        share = 100 * score.passed / score.total if score.total else 0
        whole = " whole" if score.total and score.passed == score.total else ""
        yield (
            f'<div class="meter{whole}"><span class="name">{label}</span>'
            f'<span class="number">{score.passed}<small>/{score.total}</small></span>'
            f'<span class="bar"><i style="width:{share:.1f}%"></i></span></div>'
        )


def _topics(report: Report) -> Iterator[str]:
    for topic, scenarios in grouped(report.results).items():
        every = [result for results in scenarios.values() for result in results]
        passed = sum(result.status is Status.PASS for result in every if result.severity is not Severity.INFO)
        scored = sum(result.scored for result in every)
        yield f'<section><h2>{escape(topic)} <span class="tally">{passed}/{scored}</span></h2>'
        for results in scenarios.values():
            yield _scenario(results)
        yield "</section>"


def _scenario(results: Sequence[Result]) -> str:
    """One rule: its line, and behind it rule, clause and what went wrong."""
    first, scenario = results[0], results[0].scenario
    info = first.severity is Severity.INFO
    worst = _worst(results)
    states = " ".join(sorted({_filter_of(result) for result in results}))
    chips = "".join(_chip(result, info=info) for result in results)
    failures = "".join(_failure(result) for result in results if result.problem)
    opened = " open" if worst in (Status.FAIL, Status.BLOCKED) and not info else ""
    state = "info" if info else worst.value
    return (
        f'<details class="scenario {state}" data-states="{states}"{opened}><summary>'
        f'<span class="dot" title="{state}"></span><span class="what"><b>{escape(scenario.title)}</b> '
        f"<i>{escape(scenario.title_zh)}</i><code>{escape(scenario.id)}</code></span>"
        f'<span class="severity {first.severity}">{first.severity}</span><span class="chips">{chips}</span></summary>'
        f'<div class="body"><p class="rule">{escape(scenario.rule)}</p>'
        f'<p class="clause">{escape(scenario.clause)}</p>{failures}</div></details>'
    )


def _worst(results: Sequence[Result]) -> Status:
    for status in (Status.FAIL, Status.BLOCKED, Status.PASS):
        if any(result.status is status for result in results):
            return status
    return Status.SKIPPED


def _filter_of(result: Result) -> str:
    """The button that shows a result: observations never count as failures."""
    if result.status in (Status.FAIL, Status.BLOCKED):
        return "fail" if result.scored else "pass"
    return result.status.value


def _chip(result: Result, *, info: bool) -> str:
    word = OBSERVED[result.status] if info else result.status.value
    label = result.edition + ("" if result.transport == "tcp" else f" {result.transport}")
    state = "info" if info else result.status.value
    told = f" {word}" if info or result.status is not Status.PASS else ""
    return f'<span class="chip {state}" title="{word}, {result.seconds:.2f} s">{label}{told}</span>'


def _failure(result: Result) -> str:
    rows = "".join(_entry(entry) for entry in result.trace)
    table = f'<div class="trace"><table><tbody>{rows}</tbody></table></div>' if rows else ""
    note = f'<p class="omitted">{result.omitted} lines are left out.</p>' if result.omitted else ""
    return (
        f'<div class="failure"><h3>edition {result.edition}, {result.transport}: {result.status.value}</h3>'
        f'<p class="found">{escape(result.problem)}</p>{table}{note}</div>'
    )


def _entry(entry: Entry) -> str:
    data = entry.data.hex(" ") + (f" … {entry.size} bytes" if entry.size > len(entry.data) else "")
    shown = f"<code>{data}</code>" if entry.size else ""
    return (
        f'<tr class="{entry.kind}"><td class="at">{entry.at_ms / 1000:.3f}</td>'
        f'<td class="link">{escape(entry.link)}</td>'
        f'<td class="arrow">{_ARROWS[entry.kind]}</td><td>{escape(entry.text)}{shown}</td></tr>'
    )
