"""Who was on a vehicle 人车关联, and what does not agree about it (regulation §6).

evidence (evidence_of_persons, phones) ─► intervals (binding_intervals) ─► conflicts (binding_conflicts)
─► rows with revisions (binding_rows)
"""

from collections.abc import Iterable

from jtgate.pipeline.derive.binding_conflicts import Conflict, conflicts_of
from jtgate.pipeline.derive.binding_intervals import Interval, Motion, Rest, RoleBinding, Run, Use, use_of
from jtgate.pipeline.derive.evidence_of_persons import DRIVER, ESCORT, Evidence

__all__ = ["Conflict", "Interval", "Motion", "Rest", "Run", "Use", "bind", "use_of"]


def bind(evidence: Iterable[Evidence], motion: Motion, until_ms: int) -> tuple[list[Interval], list[Conflict]]:
    """Who was on a vehicle in which role, and what does not agree about it.

    Args:
        evidence: in any order, any of it as often as one likes.
        motion: of the vehicle.
        until_ms: the present, milliseconds since 1970.
    """
    known = set(evidence)
    drivers = RoleBinding(DRIVER, [one for one in known if one.role == DRIVER], motion, until_ms)
    escorts = RoleBinding(ESCORT, [one for one in known if one.role == ESCORT], motion, until_ms)
    return [*drivers.intervals, *escorts.intervals], conflicts_of(drivers, escorts)
