"""Which rows of bindings stand, and who was bound when."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from jtgate.pipeline.derive.evidence_of_persons import DRIVER, PHONE
from jtgate.storage.store import Row

FOREVER_MS: Final = 1 << 62

RowKey = tuple[str, str, int, int]


def standing(rows: Iterable[Row]) -> list[Row]:
    """Rows of bindings that no later revision corrects, without those that are corrected to nothing, by beginning.

    Args:
        rows: every row of some vehicles in a stretch of time; a row may be corrected by one of another person.
    """
    known = list(rows)
    corrected = {(*_place(row), *key) for row in known if (key := corrected_key(row)) is not None}
    found = [row for row in known if (*_place(row), *row_key(row)[1:]) not in corrected and end_of(row) > begin_of(row)]
    return sorted(found, key=lambda row: (begin_of(row), str(row["role"]), str(row["person"])))


def bound_at(rows: Iterable[Row], at_ms: int, role: str = DRIVER) -> Row | None:
    """Who was on board at a time, best first: by confidence, then by the share of fixes of the phone that were near.

    Args:
        rows: bindings of one vehicle, all of them or those that `standing` gives.
        at_ms: when.
        role: DRIVER or ESCORT.

    Returns:
        The row; None when nobody is bound. An empty `person` is an unknown driver.
    """
    there = [row for row in standing(rows) if row["role"] == role and begin_of(row) <= at_ms < end_of(row)]
    return min(there, key=lambda row: (-_confidence(row), -_share(row), str(row["person"])), default=None)


def begin_of(row: Row) -> int:
    """When it began."""
    return int(str(row["started_ms"]))


def end_of(row: Row) -> int:
    """When it ended, far in the future while it has not."""
    ended = row["ended_ms"]
    return ended if isinstance(ended, int) else FOREVER_MS


def row_key(row: Row) -> RowKey:
    """Role, person, beginning and revision: what tells it from others of the vehicle."""
    return str(row["role"]), str(row["person"]), begin_of(row), int(str(row["revision"]))


def corrected_key(row: Row) -> tuple[str, int, int] | None:
    """Person, beginning and revision of the row that one corrects; None when it corrects none."""
    if row["corrects"] is None:
        return None
    found: Mapping[str, Any] = json.loads(str(row["corrects"]))
    return str(found["person"]), int(found["started_ms"]), int(found["revision"])


def _place(row: Row) -> tuple[object, object, object]:
    return row["plate"], row["plate_color"], row["role"]


def _confidence(row: Row) -> float:
    return float(str(row["confidence"]))


def _share(row: Row) -> float:
    sources: list[dict[str, Any]] = json.loads(str(row["sources"]))
    return max((float(one.get("near_share", 0)) for one in sources if one.get("source") == PHONE), default=0.0)
