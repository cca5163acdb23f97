"""An episode on its way: what both machines of alarms keep of one, and the row that it makes."""

import json
from typing import Final

import msgspec

from jtgate.storage.model import ALARM_NUMBERS_MAX, PLACES_MAX, EpisodeRow

TABLE: Final = "episodes"
#: Places kept evenly; beside them the one of the peak and the last one.
_SAMPLES_MAX: Final = PLACES_MAX - 2

Place = tuple[int, float | None, float | None, float | None]  # time_ms, latitude, longitude, speed_kmh


class Report(msgspec.Struct, frozen=True):
    """What one report adds to an episode."""

    time_ms: int
    latitude: float | None
    longitude: float | None
    speed_kmh: float | None
    level: int | None = None
    serial: int | None = None
    alarm_event_id: int | None = None
    alarm_number: str | None = None  # of one that announced files


class Episode(msgspec.Struct, frozen=True):
    """What has come of an episode so far."""

    source: str
    alarm_type: int
    risk: str
    started_ms: int
    last_ms: int
    ended_ms: int | None = None
    ended_by: str | None = None
    level: int | None = None
    reports: int = 0
    repeats: int = 0
    latitude: float | None = None
    longitude: float | None = None
    peak: Place | None = None
    samples: tuple[Place, ...] = ()
    stride: int = 1  # each so many-th report is a sample
    last_place: Place | None = None
    serial: int | None = None
    alarm_event_id: int | None = None
    numbers: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, int, int]:
        """What tells it from others of its terminal."""
        return self.source, self.alarm_type, self.started_ms

    def add(self, report: Report, *, is_repeat: bool = False) -> "Episode":
        """With one report more; it is open again.

        Args:
            report: no older than the last one.
            is_repeat: it says the same once more, as a bit does that waits for its answer.
        """
        place = (report.time_ms, report.latitude, report.longitude, report.speed_kmh)
        samples, stride = _sampled(self.samples, self.stride, self.reports + self.repeats, place)
        return msgspec.structs.replace(
            self,
            last_ms=report.time_ms,
            ended_ms=None,
            ended_by=None,
            level=_graver(self.level, report.level),
            reports=self.reports + (not is_repeat),
            repeats=self.repeats + is_repeat,
            peak=_faster(self.peak, place),
            samples=samples,
            stride=stride,
            last_place=place,
            alarm_event_id=self.alarm_event_id if self.alarm_event_id is not None else report.alarm_event_id,
            numbers=_united(self.numbers, (report.alarm_number,) if report.alarm_number else ()),
        )

    def end(self, at_ms: int, by: str) -> "Episode":
        """Ended."""
        return msgspec.structs.replace(self, ended_ms=at_ms, ended_by=by)

    def repeat(self, level: int | None) -> "Episode":
        """A report has said the same once more, at most that it is graver."""
        return msgspec.structs.replace(self, repeats=self.repeats + 1, level=_graver(self.level, level))

    def absorb(self, later: "Episode") -> "Episode":
        """Together with one that began after it and has turned out to be part of it; when it ended is left open."""
        samples = tuple(sorted((*self.samples, *later.samples), key=lambda place: place[0]))
        while len(samples) > _SAMPLES_MAX:
            samples = samples[::2]
        return msgspec.structs.replace(
            self,
            last_ms=max(self.last_ms, later.last_ms),
            ended_ms=None,
            ended_by=None,
            level=_graver(self.level, later.level),
            reports=self.reports + later.reports,
            repeats=self.repeats + later.repeats,
            peak=_faster(self.peak, later.peak),
            samples=samples,
            stride=max(self.stride, later.stride),
            last_place=later.last_place if later.last_ms > self.last_ms else self.last_place,
            alarm_event_id=self.alarm_event_id if self.alarm_event_id is not None else later.alarm_event_id,
            numbers=_united(self.numbers, later.numbers),
        )

    def row(self, terminal_id: int) -> EpisodeRow:
        """Its row, without what is filled in when it is written."""
        places = {place[0]: place for place in (*self.samples, self.last_place, self.peak) if place is not None}
        return EpisodeRow(
            terminal_id=terminal_id,
            source=self.source,
            alarm_type=self.alarm_type,
            started_ms=self.started_ms,
            ended_ms=self.ended_ms,
            last_ms=self.last_ms,
            state="open" if self.ended_ms is None else "closed",
            ended_by=self.ended_by,
            level=self.level,
            report_count=self.reports,
            repeat_count=self.repeats,
            latitude=self.latitude,
            longitude=self.longitude,
            speed_max_kmh=self.peak[3] if self.peak else None,
            peak_ms=self.peak[0] if self.peak else None,
            places=json.dumps([places[at] for at in sorted(places)], separators=(",", ":")),
            risk_class=self.risk,
            risk_started_ms=self.started_ms,  # until merging.risk_starts is done over both machines
            serial=self.serial,
            alarm_event_id=self.alarm_event_id,
            confirmed_ms=None,
            alarm_number=self.numbers[0] if self.numbers else None,
            alarm_numbers=json.dumps(list(self.numbers)),
            evidence_state="asked" if self.numbers else "none",
            plate=None,
            plate_color=None,
            person=None,
            person_confidence=None,
            waybill=None,
            updated_ms=0,
        )


def begin(source: str, alarm_type: int, risk: str, report: Report) -> Episode:
    """An episode that begins with a report."""
    return Episode(
        source,
        alarm_type,
        risk,
        report.time_ms,
        report.time_ms,
        latitude=report.latitude,
        longitude=report.longitude,
        serial=report.serial,
    ).add(report)


def _graver(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return max(one, other)


def _faster(peak: Place | None, place: Place | None) -> Place | None:
    """The place with the higher speed, the earlier one of equals."""
    if peak is None or place is None or place[3] is None:
        return peak if place is None or place[3] is None else place
    return place if place[3] > (peak[3] or 0.0) else peak


def _united(numbers: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    new = tuple(number for number in more if number not in numbers)
    return (*numbers, *new)[:ALARM_NUMBERS_MAX] if new else numbers


def _sampled(samples: tuple[Place, ...], stride: int, number: int, place: Place) -> tuple[tuple[Place, ...], int]:
    """Every `stride`-th place; when there are too many, every second of them goes and the stride doubles."""
    if number % stride:
        return samples, stride
    if len(samples) < _SAMPLES_MAX:
        return (*samples, place), stride
    halved = samples[::2]
    stride *= 2
    return ((*halved, place) if number % stride == 0 else halved), stride
