"""Who was on a vehicle 人车关联: evidence about persons and the motion of the vehicle into intervals (regulation §6).

    evidence ─► claims [from, end) ─► who is best named at each moment: stays ─► moved back to the start of the trip
    ─► what only a waybill says, where nobody is seen ─► unknown drivers after a card was taken out ─► confidence

Everything here is a function of the set of facts: neither their order nor how often they are told changes anything.
The conflicts that follow from the intervals are found in `binding_conflicts`.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Final

from jtgate.pipeline.derive.evidence_of_persons import (
    CARD_OUT,
    FACE_AGAINST,
    OVERRIDE,
    PHONE,
    PHONE_AGAINST,
    Evidence,
    Rank,
)

#: So long evidence holds without being renewed, and so long the ignition may be off for a waybill to carry over.
HOLD_MS: Final = 12 * 3_600_000
#: Evidence that comes so soon after the start of a trip holds from that start on.
BACK_MS: Final = 600_000
#: So long a vehicle drives after the card was taken out until its driver is unknown.
UNKNOWN_DRIVE_MS: Final = 300_000
CEILING: Final = 0.99
#: What a contradiction takes off: c · (1 − CONTRADICTED · c_other).
CONTRADICTED: Final = 0.25
CHARGE: Final = 0.70
PROVISIONAL: Final = 0.40
_FOREVER_MS: Final = 1 << 62
#: Two of the same rank: the newer one ends the older. Phones of two drivers may be on board together.
_SUCCEEDING: Final = frozenset({Rank.FACE, Rank.CARD, Rank.REPORT})

Span = tuple[int, int]


class Use(StrEnum):
    """What an interval may be used for."""

    CHARGE = "charge"
    PROVISIONAL = "provisional"  # the enterprise must confirm in the case
    VEHICLE = "vehicle"  # the vehicle only


@dataclass(frozen=True, slots=True)
class Rest:
    """A stop of 20 minutes 停车休息 with the ignition off: `off_ms` since when, `on_ms` when it drove on."""

    off_ms: int
    on_ms: int | None


@dataclass(frozen=True, slots=True)
class Run:
    """A trip (P9); `seen_ms` is how far it is known, its end when it has ended."""

    started_ms: int
    seen_ms: int
    ended_ms: int | None


@dataclass(frozen=True, slots=True)
class Motion:
    """What the vehicle did, oldest first; `drives` are the trips without the stops in them."""

    rests: tuple[Rest, ...] = ()
    trips: tuple[Run, ...] = ()
    drives: tuple[Span, ...] = ()

    def driven_ms(self, begin_ms: int, end_ms: int) -> int:
        """How long it drove between two times."""
        return sum(max(0, min(end, end_ms) - max(begin, begin_ms)) for begin, end in self.drives)


@dataclass(frozen=True, slots=True)
class Named:
    """Somebody else whom evidence names within an interval."""

    person: str
    confidence: float
    sources: tuple[Evidence, ...]
    from_ms: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class Interval:
    """Who was on board, [started_ms, ended_ms); `person` is empty when the driver is unknown."""

    role: str
    person: str
    started_ms: int
    ended_ms: int | None  # None: still on board
    confidence: float
    sources: tuple[Evidence, ...]
    others: tuple[Named, ...] = ()

    @property
    def end_ms(self) -> int:
        """Its end, far in the future when there is none."""
        return _FOREVER_MS if self.ended_ms is None else self.ended_ms

    @property
    def is_presence(self) -> bool:
        """Whether somebody or something saw the person; a waybill alone is an intention."""
        return bool(self.person) and any(one.rank != Rank.WAYBILL for one in self.sources)

    def overlaps(self, begin_ms: int, end_ms: int) -> bool:
        """Whether some of it lies in [begin_ms, end_ms)."""
        return self.started_ms < end_ms and self.end_ms > begin_ms


@dataclass(frozen=True, slots=True)
class Claim:
    """Evidence of presence, and how long it holds: [start_ms, end_ms)."""

    evidence: Evidence
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class _Stay:
    person: str
    start_ms: int
    end_ms: int
    has_rivals: bool = False  # another phone was on board as well, and the waybill names both


def use_of(confidence: float) -> Use:
    """What an interval of this confidence may be used for."""
    if confidence >= CHARGE:
        return Use.CHARGE
    return Use.PROVISIONAL if confidence >= PROVISIONAL else Use.VEHICLE


def combined(confidences: Iterable[float]) -> float:
    """1 − Π(1 − c), at most CEILING."""
    against = 1.0
    for one in sorted(confidences):
        against *= 1.0 - one
    return round(min(CEILING, 1.0 - against), 6)


def contradicted(confidence: float, others: Iterable[float]) -> float:
    """Confidence in the best named person when evidence names others."""
    for other in sorted(others):
        confidence *= 1.0 - CONTRADICTED * other
    return round(confidence, 6)


class RoleBinding:
    """The intervals of one role.

    Args:
        role: DRIVER or ESCORT.
        evidence: of that role, in any order.
        motion: of the vehicle.
        until_ms: the present; what ends later is still open.
    """

    def __init__(self, role: str, evidence: Iterable[Evidence], motion: Motion, until_ms: int) -> None:
        self.role = role
        self.evidence = sorted({one for one in evidence if one.from_ms <= until_ms}, key=Evidence.order)
        self.motion = motion
        self.until_ms = until_ms
        self._offs = [rest.off_ms for rest in motion.rests]
        self._outs = [one.from_ms for one in self.evidence if one.source == CARD_OUT]
        self.waybills = [one for one in self.evidence if one.rank == Rank.WAYBILL and one.person]
        self.claims = self._claims()
        self._stays = self._moved(self._merged(self._segments()))
        unknown, self._silent = self._unknown()
        seen = [self._interval(stay) for stay in self._stays]
        taken = [(one.started_ms, one.end_ms) for one in (*seen, *unknown)]
        found = [*seen, *unknown, *self._planned(taken)]
        self.intervals = sorted((one for one in found if one.started_ms <= until_ms), key=_place)

    def boundary_after(self, at_ms: int) -> int:
        """The next moment that ends everything but a decision of an inspector: card out, or ignition off for a rest."""
        return min(_after(self._offs, at_ms), _after(self._outs, at_ms))

    def _claims(self) -> list[Claim]:
        """How long each piece of evidence of presence holds."""
        seen = [one for one in self.evidence if one.rank != Rank.WAYBILL and one.confidence > 0]
        refuted: dict[tuple[str, str], list[int]] = {}
        for one in self.evidence:
            if one.source in (FACE_AGAINST, PHONE_AGAINST):
                refuted.setdefault((one.source, one.person), []).append(one.from_ms)
        claims = []
        for one in seen:
            ends = [one.from_ms + HOLD_MS if one.until_ms is None else one.until_ms]
            if one.rank != Rank.OVERRIDE or one.until_ms is None:
                ends.append(self.boundary_after(one.from_ms))
            if one.rank != Rank.OVERRIDE:
                ends.append(_after(refuted.get((FACE_AGAINST, one.person), ()), one.from_ms))
            if one.rank == Rank.PHONE:
                ends.append(_after(refuted.get((PHONE_AGAINST, one.person), ()), one.from_ms))
            if one.rank in _SUCCEEDING:
                ends += [
                    other.from_ms
                    for other in seen
                    if other.rank == one.rank and other.person != one.person and other.from_ms > one.from_ms
                ][:1]
            claims.append(Claim(one, one.from_ms, min(ends)))
        return [claim for claim in claims if claim.end_ms > claim.start_ms]

    def _segments(self) -> list[_Stay]:
        """Who is best named between each two borders."""
        borders = {at for claim in self.claims for at in (claim.start_ms, claim.end_ms)}
        borders |= {at for one in self.waybills for at in (one.from_ms, _until(one))}
        begins: dict[int, list[Claim]] = {}
        for claim in self.claims:
            begins.setdefault(claim.start_ms, []).append(claim)
        ordered = sorted(borders)
        active: list[Claim] = []
        found = []
        for begin, end in pairwise(ordered):
            active = [claim for claim in active if claim.end_ms > begin] + begins.get(begin, [])
            if active:
                persons, has_rivals = self._best(active, begin)
                found += [_Stay(person, begin, end, has_rivals) for person in persons]
        return found

    def _best(self, active: Sequence[Claim], at_ms: int) -> tuple[list[str], bool]:
        """Persons of the best rank: one, or the candidates whose phones are on board."""
        rank = min(claim.evidence.rank for claim in active)
        holders = [claim.evidence for claim in active if claim.evidence.rank == rank]
        if rank != Rank.PHONE:
            return [max(holders, key=_recency).person], False
        persons = sorted({one.person for one in holders})
        spoken = {claim.evidence.person for claim in active if claim.evidence.rank > rank}
        spoken |= {one.person for one in self.waybills if one.from_ms <= at_ms < _until(one)}
        spoken &= set(persons)
        if len(spoken) == 1:
            return sorted(spoken), False
        return persons, len(spoken) > 1

    def _merged(self, segments: Iterable[_Stay]) -> list[_Stay]:
        """Segments of a person that one and the same claim goes through, as one stay."""
        stays: list[_Stay] = []
        last: dict[str, int] = {}
        for one in segments:
            at = last.get(one.person)
            if at is not None and stays[at].end_ms == one.start_ms and self._goes_through(one.person, one.start_ms):
                stays[at] = _Stay(one.person, stays[at].start_ms, one.end_ms, stays[at].has_rivals or one.has_rivals)
                continue
            last[one.person] = len(stays)
            stays.append(one)
        return stays

    def _goes_through(self, person: str, at_ms: int) -> bool:
        return any(one.evidence.person == person and one.start_ms < at_ms < one.end_ms for one in self.claims)

    def _moved(self, stays: Sequence[_Stay]) -> list[_Stay]:
        """Stays that begin within BACK_MS of the start of a trip begin with it, when nobody else is bound then."""
        found = []
        for stay in stays:
            start_ms = stay.start_ms
            for trip in self.motion.trips:
                back_ms = trip.started_ms
                if not back_ms < stay.start_ms <= back_ms + BACK_MS:
                    continue
                before = [one for one in stays if one.start_ms < stay.start_ms and one.end_ms > back_ms]
                if all(one.person == stay.person for one in before):
                    start_ms = max([back_ms, *(one.end_ms for one in before)])
            found.append(_Stay(stay.person, start_ms, stay.end_ms, stay.has_rivals))
        return found

    def _unknown(self) -> tuple[list[Interval], list[Span]]:
        """Unknown drivers after a card was taken out, and when the waybill does not speak because of it."""
        found, silent = [], []
        for out in (one for one in self.evidence if one.source == CARD_OUT):
            out_ms = out.from_ms
            if any(one.start_ms <= out_ms < one.end_ms for one in self._stays):
                continue
            next_ms = min((one.start_ms for one in self._stays if one.start_ms > out_ms), default=_FOREVER_MS)
            next_ms = min(next_ms, _after(self._outs, out_ms), out_ms + HOLD_MS)
            moves_ms = min((max(begin, out_ms) for begin, end in self.motion.drives if end > out_ms), default=next_ms)
            if moves_ms >= next_ms:
                silent.append((out_ms, next_ms))
                continue
            seen_ms = min((one.start_ms for one in self._stays if one.start_ms > moves_ms), default=_FOREVER_MS)
            end_ms = min(seen_ms, self.boundary_after(moves_ms), moves_ms + HOLD_MS)
            silent.append((out_ms, end_ms))
            if self.motion.driven_ms(moves_ms, min(end_ms, self.until_ms)) >= UNKNOWN_DRIVE_MS:
                found.append(Interval(self.role, "", moves_ms, self._ended(end_ms), 0.0, (out,)))
        return found, silent

    def _planned(self, taken: Sequence[Span]) -> list[Interval]:
        """Intervals in which a waybill alone names somebody: while the vehicle is on its way and nobody is seen."""
        found: dict[str, list[Span]] = {}
        for one in self.waybills:
            without = [*taken, *self._silent, *self._refuted(one.person)]
            found.setdefault(one.person, []).extend(_without(self._pieces(one), without))
        return [
            Interval(
                self.role,
                person,
                begin,
                self._ended(end),
                combined([one.confidence for one in sources]),
                sources,
            )
            for person, spans in found.items()
            for begin, end in _joined(spans)
            if self.motion.driven_ms(begin, end)
            for sources in [self._by_rank([self._spoken(person, begin, end)])]
        ]

    def _spoken(self, person: str, begin_ms: int, end_ms: int) -> list[Evidence]:
        return [
            one for one in self.waybills if one.person == person and one.from_ms < end_ms and _until(one) > begin_ms
        ]

    def _pieces(self, waybill: Evidence) -> list[Span]:
        """When a waybill may speak alone: it ends with a rest and goes on after it, if that was not too long."""
        begin_ms, end_ms = waybill.from_ms, _until(waybill)
        found = []
        for rest in self.motion.rests:
            on_ms = _FOREVER_MS if rest.on_ms is None else rest.on_ms
            if on_ms <= begin_ms:
                continue
            if rest.off_ms >= end_ms:
                break
            found.append((begin_ms, min(rest.off_ms, begin_ms + HOLD_MS)))
            if rest.off_ms >= waybill.from_ms and on_ms - rest.off_ms > HOLD_MS:
                begin_ms = end_ms
                break
            begin_ms = on_ms
        found.append((begin_ms, min(end_ms, begin_ms + HOLD_MS)))
        return [(begin, end) for begin, end in found if begin < end]

    def _refuted(self, person: str) -> list[Span]:
        """When a face has shown that it is not this person: until seen again, or the next boundary."""
        found = []
        for one in self.evidence:
            if one.source == FACE_AGAINST and one.person == person:
                starts = sorted(claim.start_ms for claim in self.claims if claim.evidence.person == person)
                found.append((one.from_ms, min(_after(starts, one.from_ms), self.boundary_after(one.from_ms))))
        return found

    def _interval(self, stay: _Stay) -> Interval:
        """A stay with what speaks for it and against it."""
        own = [claim for claim in self.claims if claim.evidence.person == stay.person and _meets(claim, stay)]
        spoken = [] if stay.has_rivals else self._spoken(stay.person, stay.start_ms, stay.end_ms)
        sources = self._by_rank([[claim.evidence for claim in own], spoken])
        others = self._others(stay, any(one.rank == Rank.PHONE for one in sources))
        confidence = combined(one.confidence for one in sources)
        if not any(one.rank == Rank.OVERRIDE for one in sources):
            confidence = contradicted(confidence, [one.confidence for one in others])
        end_ms = self._ended(stay.end_ms)
        return Interval(self.role, stay.person, stay.start_ms, end_ms, confidence, sources, others)

    def _others(self, stay: _Stay, has_phone: bool) -> tuple[Named, ...]:
        """Who else is seen; a second phone on board is no contradiction when that of the person is there as well."""
        found: dict[str, list[Claim]] = {}
        for claim in self.claims:
            other = claim.evidence
            if other.person == stay.person or not _meets(claim, stay) or other.rank == Rank.OVERRIDE:
                continue
            if not (has_phone and other.rank == Rank.PHONE):
                found.setdefault(other.person, []).append(claim)
        named = []
        for person, claims in sorted(found.items()):
            sources = self._by_rank([[claim.evidence for claim in claims]])
            begin_ms = max(stay.start_ms, min(claim.start_ms for claim in claims))
            end_ms = min(stay.end_ms, max(claim.end_ms for claim in claims))
            named.append(Named(person, combined(one.confidence for one in sources), sources, begin_ms, end_ms))
        return tuple(named)

    def _by_rank(self, groups: Iterable[Iterable[Evidence]]) -> tuple[Evidence, ...]:
        """One source of each rank: the best, of equal ones the first."""
        best: dict[Rank, Evidence] = {}
        for one in sorted((one for group in groups for one in group), key=Evidence.order):
            if one.rank not in best or one.confidence > best[one.rank].confidence:
                best[one.rank] = one
        return tuple(best[rank] for rank in sorted(best))

    def _ended(self, end_ms: int) -> int | None:
        return None if end_ms > self.until_ms else end_ms


def _place(one: Interval) -> tuple[int, float, float, str]:
    """In the order of time; candidates by confidence, then by the share of fixes that were near."""
    return one.started_ms, -one.confidence, -near_share(one.sources), one.person


def near_share(sources: Iterable[Evidence]) -> float:
    """Share of the fixes of a phone that were near the vehicle, 0 without a phone."""
    return max((float(str(one.fact("near_share") or 0)) for one in sources if one.source == PHONE), default=0.0)


def _recency(one: Evidence) -> tuple[int, float, str]:
    at_ms = one.fact("made_ms") if one.source == OVERRIDE else None
    return (at_ms if isinstance(at_ms, int) else one.from_ms), one.confidence, one.person


def _meets(claim: Claim, stay: _Stay) -> bool:
    return claim.start_ms < stay.end_ms and claim.end_ms > stay.start_ms


def _until(one: Evidence) -> int:
    return _FOREVER_MS if one.until_ms is None else one.until_ms


def _after(rising: Sequence[int], at_ms: int) -> int:
    """The first of some rising times that is later."""
    at = bisect_right(rising, at_ms)
    return rising[at] if at < len(rising) else _FOREVER_MS


def _joined(spans: Iterable[Span]) -> list[Span]:
    """Spans that touch or overlap, as one."""
    found: list[Span] = []
    for begin, end in sorted(spans):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((begin, end))
    return found


def _without(spans: Iterable[Span], taken: Iterable[Span]) -> list[Span]:
    """What is left of spans."""
    left = list(spans)
    for begin, end in taken:
        left = (
            [
                piece
                for one in left
                for piece in ((one[0], min(one[1], begin)), (max(one[0], end), one[1]))
                if piece[0] < piece[1]
            ]
            if begin < end
            else left
        )
    return left
