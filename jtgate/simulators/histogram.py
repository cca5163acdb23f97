"""Latencies in fixed memory: buckets whose width grows with the value, about 3 % wide."""

from typing import NamedTuple

_SUB_BITS = 5  # 32 buckets for each doubling: at most 1/32 of the value wide
_SUB = 1 << _SUB_BITS
#: Longest value told apart: 2^36 µs, 19 hours; longer ones count as that.
VALUE_US_MAX = (1 << 36) - 1


class Percentiles(NamedTuple):
    """Milliseconds; None when nothing was measured."""

    p50_ms: float | None
    p90_ms: float | None
    p99_ms: float | None
    max_ms: float | None


def _bucket(value_us: int) -> int:
    shift = max(0, value_us.bit_length() - _SUB_BITS - 1)
    return (shift << _SUB_BITS) + (value_us >> shift)


def _upper_us(bucket: int) -> int:
    """The greatest value of a bucket."""
    if bucket < 2 * _SUB:
        return bucket
    shift = (bucket >> _SUB_BITS) - 1
    return ((bucket - (shift << _SUB_BITS) + 1) << shift) - 1


class Histogram:
    """Counts of durations by size.

    A percentile is the upper end of the bucket it falls in, so it is never told too small.
    """

    __slots__ = ("_counts", "max_us", "total")

    def __init__(self) -> None:
        self._counts = [0] * (_bucket(VALUE_US_MAX) + 1)
        self.total = 0
        self.max_us = 0

    def add(self, seconds: float) -> None:
        """Count one duration in seconds; a negative one counts as 0."""
        value_us = min(max(0, int(seconds * 1e6)), VALUE_US_MAX)
        self._counts[_bucket(value_us)] += 1
        self.total += 1
        self.max_us = max(self.max_us, value_us)

    def percentile_us(self, percent: float) -> int | None:
        """The value that `percent` of all durations do not exceed, in µs; None when there are none."""
        if not self.total:
            return None
        wanted = self.total * percent / 100.0
        seen = 0
        for bucket, count in enumerate(self._counts):
            seen += count
            if count and seen >= wanted:
                return min(_upper_us(bucket), self.max_us)
        return self.max_us

    def percentiles(self) -> Percentiles:
        """p50, p90, p99 and the maximum."""
        values = [self.percentile_us(p) for p in (50, 90, 99)]
        p50, p90, p99 = (None if value is None else value / 1000 for value in values)
        return Percentiles(p50, p90, p99, self.max_us / 1000 if self.total else None)
