"""What does not agree about who was on a vehicle, and the supervised items it is a candidate for (regulation §6).

presence, card_lent   somebody else is seen as well, or only the face of somebody else
not_on_waybill        the driver is not on the list of the active waybill (HZ26)
phone_away            the phone of somebody on the waybill is far from the moving vehicle (HZ26, HZ27)
no_binding            the vehicle drives and nobody is known (HZ13)
no_escort             the waybill names no escort, or nobody but the sole driver (HZ27)
two_vehicles          the person is bound to another vehicle far away: found where the store is, in `binding_rows`
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from jtgate.pipeline.derive.binding_intervals import UNKNOWN_DRIVE_MS, Interval, Motion, RoleBinding
from jtgate.pipeline.derive.evidence_of_persons import (
    DRIVER,
    ESCORT,
    FACE_AGAINST,
    PHONE_AGAINST,
    WAYBILL,
    Evidence,
    Rank,
)

_FOREVER_MS: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class Conflict:
    """Evidence about persons that does not agree; see BindingConflictRow."""

    role: str
    kind: str
    person: str
    other: str
    started_ms: int
    ended_ms: int | None
    facts: tuple[tuple[str, Any], ...] = ()

    @property
    def key(self) -> tuple[str, str, str, str, int]:
        """What tells it from others of the vehicle."""
        return self.role, self.kind, self.person, self.other, self.started_ms


@dataclass(frozen=True, slots=True)
class _Waybill:
    """The time in which a waybill is active, and who is on it."""

    waybill: str
    from_ms: int
    until_ms: int
    drivers: tuple[str, ...]
    escorts: tuple[str, ...]
    unmatched: dict[str, int]


def conflicts_of(drivers: RoleBinding, escorts: RoleBinding) -> list[Conflict]:
    """Every conflict of a vehicle.

    Args:
        drivers: intervals of the drivers, with what they rest on.
        escorts: of the escorts.
    """
    waybills = _waybills([*drivers.evidence, *escorts.evidence])
    motion, until_ms = drivers.motion, drivers.until_ms
    found = [
        *_seen_others(drivers),
        *_seen_others(escorts),
        *_refuted(drivers),
        *_not_on_waybill(drivers.intervals, waybills, until_ms),
        *_phones_away(drivers, waybills),
        *_phones_away(escorts, waybills),
        *_unbound(drivers.intervals, motion, until_ms),
        *_escort_missing(drivers.intervals, escorts.intervals, waybills, motion, until_ms),
    ]
    kept = {one.key: one for one in sorted(found, key=lambda one: (one.key, _end(one.ended_ms), repr(one.facts)))}
    return [kept[key] for key in sorted(kept)]


def _seen_others(bound: RoleBinding) -> Iterable[Conflict]:
    """Presence evidence that names different persons; a card under the face of somebody else was lent."""
    for interval in bound.intervals:
        for other in interval.others:
            best = min(one.rank for one in interval.sources)
            is_lent = best < Rank.CARD and any(one.rank == Rank.CARD for one in other.sources)
            yield Conflict(
                bound.role,
                "card_lent" if is_lent else "presence",
                interval.person,
                other.person,
                other.from_ms,
                _ended(other.until_ms, bound.until_ms),
                (
                    ("confidence", interval.confidence),
                    ("sources", [one.told() for one in interval.sources]),
                    ("other_confidence", other.confidence),
                    ("other_sources", [one.told() for one in other.sources]),
                ),
            )


def _refuted(bound: RoleBinding) -> Iterable[Conflict]:
    """Faces that are not of the person who was bound: whose card it is lent it."""
    for one in bound.evidence:
        if one.source != FACE_AGAINST:
            continue
        ended = [
            claim
            for claim in bound.claims
            if claim.evidence.person == one.person and claim.start_ms < claim.end_ms == one.from_ms
        ]
        if not ended:
            continue
        now = next((each for each in bound.intervals if each.started_ms <= one.from_ms < each.end_ms), None)
        later = [each.started_ms for each in bound.intervals if each.person and each.started_ms > one.from_ms]
        end_ms = min([bound.boundary_after(one.from_ms), *later])
        is_lent = any(claim.evidence.rank == Rank.CARD for claim in ended)
        yield Conflict(
            bound.role,
            "card_lent" if is_lent else "presence",
            now.person if now is not None else "",
            one.person,
            one.from_ms,
            _ended(end_ms if now is None else now.end_ms, bound.until_ms),
            (("against", one.told()), ("other_sources", [claim.evidence.told() for claim in ended])),
        )


def _not_on_waybill(intervals: Iterable[Interval], waybills: Iterable[_Waybill], until_ms: int) -> Iterable[Conflict]:
    """Drivers who were seen and are not on the list; a list with a name that fits nobody on file proves nothing."""
    for waybill in waybills:
        if not waybill.drivers or waybill.unmatched.get(DRIVER):
            continue
        for one in intervals:
            if not one.is_presence or one.person in waybill.drivers:
                continue
            if not one.overlaps(waybill.from_ms, waybill.until_ms):
                continue
            yield Conflict(
                DRIVER,
                "not_on_waybill",
                one.person,
                waybill.drivers[0],
                max(one.started_ms, waybill.from_ms),
                _ended(min(one.end_ms, waybill.until_ms), until_ms),
                (("waybill", waybill.waybill), ("drivers", list(waybill.drivers)), ("confidence", one.confidence)),
            )


def _phones_away(bound: RoleBinding, waybills: Iterable[_Waybill]) -> Iterable[Conflict]:
    """Phones of persons on the waybill that are far away while the vehicle moves."""
    for one in bound.evidence:
        if one.source != PHONE_AGAINST:
            continue
        until_ms = one.from_ms + 1 if one.until_ms is None else one.until_ms
        for waybill in waybills:
            listed = waybill.drivers if bound.role == DRIVER else waybill.escorts
            if one.person in listed and waybill.from_ms < until_ms and waybill.until_ms > one.from_ms:
                now = [each.person for each in bound.intervals if each.overlaps(one.from_ms, until_ms)]
                facts = (("waybill", waybill.waybill), *one.facts)
                yield Conflict(
                    bound.role,
                    "phone_away",
                    now[0] if now else "",
                    one.person,
                    one.from_ms,
                    _ended(until_ms, bound.until_ms),
                    facts,
                )


def _unbound(intervals: Sequence[Interval], motion: Motion, until_ms: int) -> Iterable[Conflict]:
    """Parts of trips with at least five minutes of driving in which nobody is bound."""
    named = sorted((one.started_ms, one.end_ms) for one in intervals if one.person)
    for trip in motion.trips:
        at_ms = trip.started_ms
        for begin_ms, end_ms in [*named, (trip.seen_ms, _FOREVER_MS)]:
            gap_end_ms = min(begin_ms, trip.seen_ms)
            if gap_end_ms > at_ms and motion.driven_ms(at_ms, gap_end_ms) >= UNKNOWN_DRIVE_MS:
                is_open = gap_end_ms == trip.seen_ms and trip.ended_ms is None
                ended_ms = None if is_open else _ended(gap_end_ms, until_ms)
                yield Conflict(DRIVER, "no_binding", "", "", at_ms, ended_ms, (("trip_ms", trip.started_ms),))
            at_ms = max(at_ms, end_ms)


def _escort_missing(
    drivers: Sequence[Interval],
    escorts: Sequence[Interval],
    waybills: Iterable[_Waybill],
    motion: Motion,
    until_ms: int,
) -> Iterable[Conflict]:
    """Waybills under way without an escort, or whose only escort is the sole driver."""
    for waybill in waybills:
        runs = [run for run in motion.trips if run.started_ms < waybill.until_ms and run.seen_ms > waybill.from_ms]
        if not runs or waybill.unmatched.get(ESCORT):
            continue
        begin_ms = max(waybill.from_ms, runs[0].started_ms)
        is_open = runs[-1].ended_ms is None and waybill.until_ms > until_ms
        end_ms = min(waybill.until_ms, runs[-1].seen_ms)
        watching = set(waybill.escorts)
        watching |= {one.person for one in escorts if one.is_presence and one.overlaps(begin_ms, end_ms)}
        driving = {one.person for one in drivers if one.is_presence and one.overlaps(begin_ms, end_ms)}
        driving = driving or set(waybill.drivers)
        if watching and not (len(driving) == 1 and watching <= driving):
            continue
        person = min(watching, default="")
        facts = (("waybill", waybill.waybill), ("why", "same as the sole driver" if watching else "none is named"))
        yield Conflict(ESCORT, "no_escort", person, person, begin_ms, None if is_open else end_ms, facts)


def _waybills(evidence: Iterable[Evidence]) -> list[_Waybill]:
    """The waybills behind what they say of persons."""
    members: dict[tuple[str, int, int], dict[str, dict[str, int]]] = {}
    unmatched: dict[tuple[str, int, int], dict[str, int]] = {}
    for one in evidence:
        waybill = one.fact("waybill")
        if one.source != WAYBILL or not isinstance(waybill, str):
            continue
        key = waybill, one.from_ms, _end(one.until_ms)
        crew = members.setdefault(key, {DRIVER: {}, ESCORT: {}})
        if one.person:
            crew[one.role][one.person] = int(str(one.fact("place") or 0))
        unmatched.setdefault(key, {})[one.role] = int(str(one.fact("unmatched") or 0))
    return [
        _Waybill(*key, _listed(members[key][DRIVER]), _listed(members[key][ESCORT]), unmatched[key])
        for key in sorted(members, key=lambda one: (one[1], one[0], one[2]))
    ]


def _listed(crew: dict[str, int]) -> tuple[str, ...]:
    return tuple(sorted(crew, key=lambda person: (crew[person], person)))


def _end(ended_ms: int | None) -> int:
    return _FOREVER_MS if ended_ms is None else ended_ms


def _ended(end_ms: int, until_ms: int) -> int | None:
    return None if end_ms > until_ms else end_ms
