"""Cutting the reports of a vehicle where it was silent for long."""

from collections.abc import Iterator, Sequence
from typing import cast

from jtgate.storage.export.source import Vehicle
from jtgate.storage.store import Row


class Runs:
    """Tells where a run of reports begins: with another vehicle, or after a gap.

    Args:
        gap_minutes: longer than this without a report is a gap.
    """

    def __init__(self, gap_minutes: float) -> None:
        self._gap_ms = gap_minutes * 60_000
        self._vehicle: Vehicle | None = None
        self._last_ms = 0

    def cut(self, vehicle: Vehicle, rows: Sequence[Row]) -> Iterator[tuple[bool, Row]]:
        """Each row, and whether it begins a run."""
        for row in rows:
            at_ms = cast("int", row["device_time_ms"])
            begins = vehicle != self._vehicle or at_ms - self._last_ms > self._gap_ms
            self._vehicle, self._last_ms = vehicle, at_ms
            yield begins, row
