"""Speed limits and exceed runs (regulation P5, P6): pure functions over valid points, for the rules of speeding.

limit L = the lowest of the legal one (80 km/h on expressways and where the road is not known, else 60), that of a zone,
          and the posted one; what is not known favours the driver
run     = points with v ≥ 1.10 L, no two more than 60 s apart, for at least 40 s; runs less than 60 s apart are one
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

LEGAL_KMH: Final = {"expressway": 80.0, "unknown": 80.0}
OTHER_KMH: Final = 60.0
RATIO: Final = 1.10
GAP_MS: Final = 60_000
LEAST_MS: Final = 40_000
LEAST_POINTS: Final = 2
#: In runs of so many points the single highest one is left out: it may be a fault of the receiver.
ROBUST_POINTS: Final = 5


class Sample(NamedTuple):
    """A valid point with the limit that holds there.

    Args:
        time_ms: device time.
        speed_kmh: by P3.
        limit_kmh: by P5, above 0.
    """

    time_ms: int
    speed_kmh: float
    limit_kmh: float


class Exceed(NamedTuple):
    """One stretch of speeding.

    Args:
        started_ms: first point of it.
        ended_ms: last point of it.
        ratio: highest v/L − 1.
        points: how many.
    """

    started_ms: int
    ended_ms: int
    ratio: float
    points: int


def limit_kmh(road: str, zone_kmh: float | None = None, posted_kmh: float | None = None) -> float:
    """The limit at a point (P5), km/h.

    Args:
        road: "expressway", "other", or "unknown".
        zone_kmh: the lowest limit of the zones that the point is in.
        posted_kmh: what a sign says, where that is known.
    """
    known = [limit for limit in (zone_kmh, posted_kmh) if limit is not None]
    return min([LEGAL_KMH.get(road, OTHER_KMH), *known])


def exceeds(samples: Iterable[Sample]) -> list[Exceed]:
    """Exceed runs (P6), in the order of time.

    Args:
        samples: valid points, by time.
    """
    runs: list[list[Sample]] = []
    run: list[Sample] = []
    last_ms: int | None = None
    for sample in samples:
        is_over = sample.speed_kmh >= RATIO * sample.limit_kmh
        if run and (not is_over or (last_ms is not None and sample.time_ms - last_ms > GAP_MS)):
            runs.append(run)
            run = []
        if is_over:
            run.append(sample)
        last_ms = sample.time_ms
    if run:
        runs.append(run)
    long_enough = [one for one in runs if len(one) >= LEAST_POINTS and _lasted_ms(one) >= LEAST_MS]
    return [_told(one) for one in _joined(long_enough)]


def _lasted_ms(run: Sequence[Sample]) -> int:
    return run[-1].time_ms - run[0].time_ms


def _joined(runs: Iterable[list[Sample]]) -> list[list[Sample]]:
    """Runs less than 60 s apart are one event."""
    found: list[list[Sample]] = []
    for run in runs:
        if found and run[0].time_ms - found[-1][-1].time_ms < GAP_MS:
            found[-1] = found[-1] + run
        else:
            found.append(run)
    return found


def _told(run: Sequence[Sample]) -> Exceed:
    ratios = sorted(sample.speed_kmh / sample.limit_kmh - 1 for sample in run)
    highest = ratios[-2] if len(run) >= ROBUST_POINTS else ratios[-1]
    return Exceed(run[0].time_ms, run[-1].time_ms, highest, len(run))
