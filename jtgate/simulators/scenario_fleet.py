"""A fleet that is made up for a scenario: what happens to it is known beforehand, so that nothing of it may get lost.

Conditions of one kind lie so far apart that no merge window joins them; whatever is reported of one condition, however
often and in whatever order, is one alarm.
"""

from dataclasses import dataclass
from typing import Final

from jtgate.codecs.edition import Edition
from jtgate.codecs.profile import Dialect
from jtgate.simulators.alarms import ALARM_KINDS
from jtgate.simulators.dice import Dice, Purpose
from jtgate.simulators.scenario_model import DRIVE, PARK, STAND, Alarm, Gap, Move, ScenarioError, Truck

TRUCKS_MAX: Final = 1000
#: Conditions of one kind begin in slots of this length, in the first part of it: the longest window is half an hour.
SLOT_S: Final = 3000
BEGINS_WITHIN_S: Final = 600
#: A trip, the rest after it, and what of the beginning and end of a trip is left without alarms.
TRIP_S: Final = 7200
REST_S: Final = 1800
MARGIN_S: Final = 60
#: Every vehicle is without network once; what it kept is told so much later.
GAP_S: Final = 1500
BACKFILL_AFTER_S: Final = 420
KMH: Final = 55.0

#: Kind -> how long it lasts (a bit or a pair of start and end), or after how long it is reported again.
CONDITIONS: Final[dict[str, tuple[int, tuple[int, ...]]]] = {
    "overspeed": (150, ()),
    "route_deviation": (240, ()),
    "adas_forward_collision": (0, (20, 45)),
    "adas_lane_departure": (0, (30, 60, 100)),
    "adas_headway": (40, ()),
    "dsm_fatigue": (0, (200, 450)),
    "dsm_phone": (0, (70, 160)),
    "dsm_smoking": (90, ()),
}

_TOWNS: Final = ("cust_3", "cust_4", "cust_5", "cust_6", "cust_7")
_DIALECTS: Final = ((Edition.V2013, Dialect.SU), (Edition.V2019, Dialect.GD), (Edition.V2019, Dialect.SU))


@dataclass(frozen=True, slots=True)
class FleetPlan:
    """What the fleet is to be.

    Args:
        trucks: how many.
        from_s: when they are switched on.
        until_s: when they are switched off.
        interval_s: between reports.
        chance: that a kind of condition happens in a slot.
        phone_base: phone of the first terminal; the others follow.
    """

    trucks: int
    from_s: int
    until_s: int
    interval_s: int
    chance: float
    phone_base: int


def made_up(plan: FleetPlan, dice: Dice) -> tuple[Truck, ...]:
    """The vehicles of a plan; seed and plan decide everything.

    Raises:
        ScenarioError: there are too many.
    """
    if not 1 <= plan.trucks <= TRUCKS_MAX:
        raise ScenarioError(f"a fleet has 1 to {TRUCKS_MAX} trucks")
    return tuple(_truck(plan, index, dice) for index in range(plan.trucks))


def _truck(plan: FleetPlan, index: int, dice: Dice) -> Truck:
    edition, dialect = _DIALECTS[index % len(_DIALECTS)]
    moves, trips = _motion(plan, index)
    gap_at_s = plan.from_s + TRIP_S // 2 + (index * 613) % TRIP_S
    gap = Gap(gap_at_s, gap_at_s + GAP_S, gap_at_s + GAP_S + BACKFILL_AFTER_S)
    return Truck(
        phone=str(plan.phone_base + index),
        plate=f"辽L{20_000 + index}",
        plate_color=2,
        edition=edition,
        dialect=dialect,
        terminal_id=f"F{index:06d}",
        from_s=plan.from_s,
        until_s=plan.until_s,
        interval_s=plan.interval_s,
        parked_s=60,
        moves=tuple(moves),
        gaps=(gap,) if gap.backfill_s < plan.until_s else (),
        alarms=tuple(_alarms(plan, index, trips, dice)),
    )


def _motion(plan: FleetPlan, index: int) -> tuple[list[Move], list[tuple[int, int]]]:
    """Trips and rests, one after the other."""
    via = ("yard", _TOWNS[index % len(_TOWNS)], _TOWNS[(index + 1) % len(_TOWNS)])
    moves = [Move(plan.from_s, STAND, place="yard")]
    trips: list[tuple[int, int]] = []
    begin_s = plan.from_s + 600 + index * 7 % 600
    while begin_s + REST_S < plan.until_s:
        end_s = min(begin_s + TRIP_S, plan.until_s - 300)
        moves.append(Move(begin_s, DRIVE, KMH, () if trips else via, loaded=len(trips) % 2 == 0))
        moves.append(Move(end_s, PARK))
        trips.append((begin_s, end_s))
        begin_s = end_s + REST_S
    return moves, trips


def _alarms(plan: FleetPlan, index: int, trips: list[tuple[int, int]], dice: Dice) -> list[Alarm]:
    found = []
    kinds = {kind.name: kind for kind in ALARM_KINDS}
    for number, (name, (lasts_s, again_s)) in enumerate(CONDITIONS.items()):
        for slot, slot_s in enumerate(range(plan.from_s, plan.until_s, SLOT_S)):
            count = (index * len(CONDITIONS) + number) * 1000 + slot
            if dice.roll(Purpose.SCENARIO, 2 * count) >= plan.chance:
                continue
            at_s = slot_s + int(dice.between(Purpose.SCENARIO, 2 * count + 1, 0, BEGINS_WITHIN_S))
            alarm = Alarm(kinds[name], at_s, lasts_s, again_s)
            if any(begin + MARGIN_S <= at_s and alarm.end_s + MARGIN_S <= end for begin, end in trips):
                found.append(alarm)
    return sorted(found, key=lambda alarm: alarm.at_s)
