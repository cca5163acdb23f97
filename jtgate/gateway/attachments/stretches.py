"""Which bytes of a file are there 已接收区间: a set of stretches that neither overlap nor touch.

Received bytes are not counted but placed: terminals send stretches twice, overlapping and in any order.
"""

from bisect import bisect_left
from collections.abc import Iterable
from itertools import pairwise
from typing import Final

#: Stretches of one file; what would make more of them is left out, and asked for again as missing.
STRETCHES_MAX: Final = 10_000

Stretch = tuple[int, int]  # first byte, byte behind the last


class Stretches:
    """A set of bytes.

    Args:
        known: stretches in any order.
    """

    __slots__ = ("_ends", "_starts", "covered")

    def __init__(self, known: Iterable[Stretch] = ()) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        #: Bytes in the set.
        self.covered = 0
        for start, end in known:
            self.add(start, end)

    def __len__(self) -> int:
        """How many stretches."""
        return len(self._starts)

    @property
    def end(self) -> int:
        """The byte behind the last one, 0 for an empty set."""
        return self._ends[-1] if self._ends else 0

    def fits(self, start: int, end: int) -> bool:
        """Whether adding a stretch leaves the set small enough."""
        if len(self) < STRETCHES_MAX:
            return True
        first = bisect_left(self._ends, start)
        return first < len(self) and self._starts[first] <= end

    def add(self, start: int, end: int) -> int:
        """Put a stretch in; how many of its bytes are new."""
        if start >= end:
            return 0
        first = bisect_left(self._ends, start)  # the first that touches it from the left or lies behind
        last = first
        held = 0
        while last < len(self) and self._starts[last] <= end:
            held += self._ends[last] - self._starts[last]
            last += 1
        if last > first:
            start, end = min(start, self._starts[first]), max(end, self._ends[last - 1])
        self._starts[first:last] = [start]
        self._ends[first:last] = [end]
        new = end - start - held
        self.covered += new
        return new

    def to_tuple(self) -> tuple[Stretch, ...]:
        """The stretches, rising."""
        return tuple(zip(self._starts, self._ends, strict=True))

    def gaps(self, size: int) -> list[Stretch]:
        """What is missing of the first `size` bytes, rising."""
        found = []
        at = 0
        for start, end in zip(self._starts, self._ends, strict=True):
            if start >= size:
                break
            if start > at:
                found.append((at, start))
            at = end
        if at < size:
            found.append((at, size))
        return found


def merge_gaps(gaps: list[Stretch], most: int) -> list[Stretch]:
    """At most so many gaps that hold all of these: those with the fewest bytes between them become one.

    Args:
        gaps: rising and apart.
        most: 1 and more; 0x9212 has room for 121 (active-safety §4.3).
    """
    if len(gaps) <= most:
        return gaps
    between = sorted(range(1, len(gaps)), key=lambda at: (gaps[at][0] - gaps[at - 1][1], at))
    kept = sorted(between[len(gaps) - most :])  # borders with the most bytes between
    borders = [0, *kept, len(gaps)]
    return [(gaps[first][0], gaps[behind - 1][1]) for first, behind in pairwise(borders)]
