"""How much putting alarms together saves, and that no report is lost by it: reports in, episodes out."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from jtgate.pipeline.alarms import SOURCE_FLAG
from jtgate.pipeline.derive import merging
from jtgate.pipeline.derive.facts import AlarmItem, Second
from jtgate.pipeline.derive.flags import WRITE_MS, Alarm, alarms_of
from jtgate.storage.model import EpisodeRow


class Tally(NamedTuple):
    """Alarm reports of one terminal or several, and the episodes they came to."""

    reports: int  # alarms in all reports: a second with three bits is three
    events: int  # items that are no alarms, not among the reports
    counted: int  # reports that episodes tell of, report_count and repeat_count
    waiting: int  # reports of open episodes since these were written last: they are written once a minute
    episodes: int

    @property
    def missing(self) -> int:
        """Reports that are in no episode; below 0, reports that are in two."""
        return self.reports - self.counted - self.waiting

    @property
    def ratio(self) -> float | None:
        """Reports for each episode; None without episodes."""
        return self.reports / self.episodes if self.episodes else None

    def plus(self, other: "Tally") -> "Tally":
        """Of both."""
        return Tally(*(mine + its for mine, its in zip(self, other, strict=True)))


NOTHING = Tally(0, 0, 0, 0, 0)


def tally(seconds: Iterable[Second], items: Iterable[AlarmItem], episodes: Iterable[EpisodeRow]) -> Tally:
    """Compare the facts of one terminal with its episodes.

    Args:
        seconds: every second with a good time, each once, see `facts.second_of`.
        items: every alarm item, each once.
        episodes: of the same terminal and time; withdrawn ones are left out of the count.
    """
    standing = [row for row in episodes if row.state != "withdrawn"]
    reports, late = _of_seconds(seconds, standing)
    events = 0
    for item in items:
        if merging.rule_of(item.source, item.alarm_type).event:
            events += 1
        else:
            reports += 1
    counted = sum(row.report_count + row.repeat_count for row in standing)
    return Tally(reports, events, counted, late, len(standing))


def _of_seconds(seconds: Iterable[Second], episodes: Iterable[EpisodeRow]) -> tuple[int, int]:
    """Alarms of the seconds, and how many of them an episode that goes on has not been written with yet."""
    newest: dict[Alarm, EpisodeRow] = {}
    for row in sorted(episodes, key=lambda row: row.started_ms):
        newest[Alarm(row.source, row.alarm_type)] = row
        if merging.family(row.source) == merging.SOURCE_AREA:  # a report may repeat the bit without its area
            newest[Alarm(SOURCE_FLAG, row.alarm_type)] = row
    found: Counter[bool] = Counter()
    for second in seconds:
        for alarm in alarms_of(second):
            row_of_it = newest.get(alarm)
            found[row_of_it is not None and _is_waiting(row_of_it, second.time_ms)] += 1
    return found.total(), found[True]


def _is_waiting(row: EpisodeRow, at_ms: int) -> bool:
    """Whether a report is too new for its episode as it was written last."""
    return row.ended_by in (None, "instant") and 0 < at_ms - row.last_ms < WRITE_MS
