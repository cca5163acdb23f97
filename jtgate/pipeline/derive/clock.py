"""Driving clocks and load (regulation P7, P8): pure functions over stretches of driving, for the rules of working time.

A stretch belongs to the driver who was bound with a confidence of at least 0.70, else to the vehicle. The continuous
clock goes back to 0 after one rest of 20 minutes; short stops neither count nor set it back. While another bound driver
drives, the first one rests.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from jtgate.pipeline.derive.track import REST_MS

#: A binding has to be so sure for a stretch to be the driver's (P7).
SURE: Final = 0.70
DAY_MS: Final = 86_400_000
#: A dwell in a loading or unloading zone of so long changes the load (P8).
DWELL_MS: Final = 1_200_000

_LOAD_BITS: Final = 0b11 << 8  # 状态 bits 8 and 9: 00 空车


class Stretch(NamedTuple):
    """Driving without a stop in it.

    Args:
        started_ms: beginning.
        ended_ms: end.
        driver: key of `persons` when bound with at least SURE, else "".
    """

    started_ms: int
    ended_ms: int
    driver: str = ""


class Driven(NamedTuple):
    """The continuous clock of one driver, or of the vehicle.

    Args:
        drive_ms: driven since the end of the last rest (cont_drive).
        since_ms: end of that rest: beginning of the first stretch behind it.
    """

    drive_ms: int
    since_ms: int


def continuous(stretches: Iterable[Stretch], driver: str, at_ms: int) -> Driven:
    """The continuous driving clock at a time (P7).

    Args:
        stretches: of one vehicle or of all vehicles of the driver, by time.
        driver: key of `persons`; "" for the vehicle itself, whoever drove.
        at_ms: when it is read.
    """
    drive_ms, since_ms, rested_from = 0, at_ms, None
    for stretch in stretches:
        if stretch.started_ms >= at_ms:
            break
        if driver and stretch.driver != driver:
            continue  # another one drives: rest for this one
        ended_ms = min(stretch.ended_ms, at_ms)
        if rested_from is None or stretch.started_ms - rested_from >= REST_MS:
            drive_ms, since_ms = 0, stretch.started_ms
        drive_ms += ended_ms - stretch.started_ms
        rested_from = ended_ms
    if rested_from is not None and at_ms - rested_from >= REST_MS:
        return Driven(0, at_ms)
    return Driven(drive_ms, since_ms)


def in_24_hours(stretches: Iterable[Stretch], driver: str, at_ms: int) -> int:
    """Milliseconds driven in (at − 24 h, at] (P7); `driver` as for `continuous`."""
    from_ms = at_ms - DAY_MS
    return sum(
        max(0, min(stretch.ended_ms, at_ms) - max(stretch.started_ms, from_ms))
        for stretch in stretches
        if not driver or stretch.driver == driver
    )


class Dwell(NamedTuple):
    """A visit of a loading or unloading zone.

    Args:
        kind: "LOAD" or "UNLOAD".
        entered_ms: when it came in.
        exited_ms: when it went out; None while it is in it.
    """

    kind: str
    entered_ms: int
    exited_ms: int | None


def laden(at_ms: int, *, has_waybill: bool, status: int | None, dwells: Sequence[Dwell]) -> bool | None:
    """Whether a vehicle is laden (P8): the first that applies; None when nothing does.

    Args:
        at_ms: when.
        has_waybill: whether a waybill in transit covers that time.
        status: 状态 of the report at that time; None when there is none.
        dwells: visits of loading and unloading zones, by time.
    """
    if has_waybill:
        return True
    if status is not None and status & _LOAD_BITS:
        return True
    found: bool | None = None
    for dwell in dwells:
        if dwell.entered_ms > at_ms:
            break
        if dwell.kind == "LOAD" and min(dwell.exited_ms or at_ms, at_ms) - dwell.entered_ms >= DWELL_MS:
            found = True
        elif dwell.kind == "UNLOAD" and found:
            found = None  # unloading has begun: nothing says laden any more
    return found
