"""Who was on a vehicle: confidence, conflicts and intervals as regulation §6 has them, each number by hand."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jtgate.pipeline.derive.binding import Conflict, Interval, Motion, Rest, Run, Use, bind, use_of
from jtgate.pipeline.derive.binding_intervals import combined
from jtgate.pipeline.derive.evidence_of_persons import (
    CARD,
    CARD_OUT,
    DRIVER,
    ESCORT,
    FACE,
    FACE_AGAINST,
    OVERRIDE,
    PHONE,
    PHONE_AGAINST,
    REPORT,
    WAYBILL,
    YARD,
    Evidence,
    Rank,
    face_result,
    facts_of,
)

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
#: 2026-05-11 00:00 +08:00.
DAY_MS = 1_778_428_800_000
NIGHT = 24.0


def at(hour: float) -> int:
    """A time of the day."""
    return DAY_MS + round(hour * HOUR_MS)


def face(person: str, hour: float, confidence: float = 0.95) -> Evidence:
    """A face that matched."""
    return Evidence(Rank.FACE, person, DRIVER, at(hour), None, confidence, FACE)


def other_face(person: str, hour: float) -> Evidence:
    """A face that is not of this person."""
    return Evidence(Rank.FACE, person, DRIVER, at(hour), at(hour), 0.0, FACE_AGAINST)


def card(person: str, hour: float) -> Evidence:
    """A card that was put in."""
    return Evidence(Rank.CARD, person, DRIVER, at(hour), None, 0.70, CARD)


def card_out(hour: float) -> Evidence:
    """A card that was taken out."""
    return Evidence(Rank.CARD, "", DRIVER, at(hour), at(hour), 0.0, CARD_OUT)


def phone(person: str, hour: float, near_share: float = 1.0, role: str = DRIVER) -> Evidence:
    """A phone that moved along with the vehicle."""
    facts = facts_of(near_share=near_share)
    return Evidence(Rank.PHONE, person, role, at(hour), at(hour) + 12 * HOUR_MS, 0.60, PHONE, facts)


def phone_away(person: str, begin: float, end: float, role: str = DRIVER) -> Evidence:
    """A phone that was far away."""
    return Evidence(Rank.PHONE, person, role, at(begin), at(end), 0.0, PHONE_AGAINST)


def report(person: str, hour: float) -> Evidence:
    """A driver told by another platform."""
    return Evidence(Rank.REPORT, person, DRIVER, at(hour), None, 0.60, REPORT)


def override(person: str, begin: float, end: float | None, made: float = 23) -> Evidence:
    """A decision of an inspector."""
    until = None if end is None else at(end)
    return Evidence(Rank.OVERRIDE, person, DRIVER, at(begin), until, 1.0, OVERRIDE, facts_of(made_ms=at(made)))


def waybill(
    drivers: Sequence[str], begin: float, end: float, escorts: Sequence[str] = ("E",), name: str = "W1"
) -> list[Evidence]:
    """What a waybill says."""
    found = []
    for role, crew in ((DRIVER, drivers), (ESCORT, escorts)):
        for place, person in enumerate(crew or [""]):
            facts = facts_of(waybill=name, place=place if person else None, unmatched=0)
            c = 0.40 if person else 0.0
            found.append(Evidence(Rank.WAYBILL, person, role, at(begin), at(end), c, WAYBILL, facts))
    return found


def motion(*trips: tuple[float, float], rests: Sequence[tuple[float, float | None]] = ()) -> Motion:
    """Trips and the rests with the ignition off between them."""
    runs = tuple(Run(at(begin), at(end), at(end)) for begin, end in trips)
    return Motion(
        tuple(Rest(at(off), None if on is None else at(on)) for off, on in rests),
        runs,
        tuple((run.started_ms, run.seen_ms) for run in runs),
    )


#: It drives from 8 to 17 and stands from then on, the ignition off.
ONE_TRIP = motion((8, 17), rests=((17, None),))

Told = tuple[str, float, float | None, float]


def told(intervals: Sequence[Interval], role: str = DRIVER) -> list[Told]:
    """Person, begin, end and confidence of intervals, times in hours of the day."""
    return [
        (
            one.person,
            (one.started_ms - DAY_MS) / HOUR_MS,
            None if one.ended_ms is None else (one.ended_ms - DAY_MS) / HOUR_MS,
            one.confidence,
        )
        for one in intervals
        if one.role == role
    ]


def drivers(*evidence: Evidence, moved: Motion = ONE_TRIP, until: float = NIGHT) -> list[Told]:
    """Who drove."""
    return told(bind(evidence, moved, at(until))[0])


def kinds(conflicts: Sequence[Conflict]) -> list[tuple[str, str, str]]:
    """Kind and persons of conflicts, without what every waybill without a trip would tell."""
    return [(one.kind, one.person, one.other) for one in conflicts]


@pytest.mark.parametrize(
    ("evidence", "confidence"),
    [
        ([card("A", 8)], 0.70),
        ([face("A", 8)], 0.95),
        ([face("A", 8, 0.60)], 0.60),
        ([report("A", 8)], 0.60),
        ([card("A", 8), *waybill(["A"], 8, 17)], 0.82),  # 1 − 0.3·0.6
        ([face("A", 8), *waybill(["A"], 8, 17)], 0.97),  # 1 − 0.05·0.6
        ([phone("A", 8), *waybill(["A"], 8, 17)], 0.76),  # 1 − 0.4·0.6
        ([card("A", 8), phone("A", 8)], 0.88),  # 1 − 0.3·0.4
        ([face("A", 8), card("A", 8), phone("A", 8), *waybill(["A"], 8, 17)], 0.99),  # 0.9964, at most 0.99
        ([face("A", 8), face("A", 9, 0.60)], 0.95),  # one source of a rank, the best
        ([override("A", 8, 17)], 0.99),
        ([face("B", 9), card("A", 7.9)], 0.78375),  # 0.95·(1 − 0.25·0.70)
        ([card("A", 8), phone("B", 8)], 0.595),  # 0.70·(1 − 0.25·0.60)
        ([face("B", 9), card("A", 7.9), *waybill(["A"], 8, 17)], 0.78375),  # a waybill weakens nobody
        ([face("B", 9), card("A", 7.9), *waybill(["B"], 8, 17)], 0.80025),  # 0.97·0.825
    ],
)
def test_confidence(evidence: list[Evidence], confidence: float) -> None:
    """Of the last interval of the day."""
    assert drivers(*evidence)[-1][3] == pytest.approx(confidence)


def test_the_uses_of_confidence() -> None:
    """0.70 and more charges the driver, 0.40 and more is provisional, less is for the vehicle only."""
    assert [use_of(c) for c in (0.99, 0.78375, 0.70, 0.6999, 0.595, 0.40, 0.3999, 0.0)] == [
        Use.CHARGE,
        Use.CHARGE,
        Use.CHARGE,
        Use.PROVISIONAL,
        Use.PROVISIONAL,
        Use.PROVISIONAL,
        Use.VEHICLE,
        Use.VEHICLE,
    ]


@given(st.lists(st.sampled_from([0.95, 0.6, 0.7, 0.4, 1.0]), max_size=6))
def test_more_that_agrees_is_never_less_sure(confidences: list[float]) -> None:
    """And never surer than 0.99."""
    assert combined(confidences) <= combined([*confidences, 0.4]) <= 0.99


@pytest.mark.parametrize(
    ("score", "result"),
    [(0.80, "match"), (0.95, "match"), (0.7999, "near"), (0.76, "near"), (0.7599, "no_match"), (0.0, "no_match")],
)
def test_what_a_comparison_says(score: float, result: str) -> None:
    """From the threshold of 0.80 on a match, at most 5 % below it near."""
    assert face_result(score, 0.80) == result


def test_a_lent_card_gives_way_to_the_face() -> None:
    """A's card from 8, B's face at 9: A until then, B from then on, and the suspicion that A lent the card."""
    intervals, conflicts = bind([card("A", 8), face("B", 9)], ONE_TRIP, at(NIGHT))

    assert told(intervals) == [("A", 8, 9, 0.70), ("B", 9, 17, 0.78375)]
    assert ("card_lent", "B", "A") in kinds(conflicts)


def test_a_lower_rank_does_not_take_over() -> None:
    """A's card and B's phone: A stays with less, and the conflict is told."""
    intervals, conflicts = bind([card("A", 8), phone("B", 10)], ONE_TRIP, at(NIGHT))

    assert told(intervals) == [("A", 8, 17, 0.595)]
    assert kinds(conflicts) == [("presence", "A", "B")]
    assert conflicts[0].started_ms == at(10)


def test_start_is_moved_back_to_the_trip() -> None:
    """By ten minutes at most, and only when nobody else is bound."""
    sixth = 1 / 6
    assert drivers(card("A", 8 + sixth))[0][:2] == ("A", 8)
    assert drivers(card("A", 8.2))[0][:2] == ("A", 8.2)
    assert drivers(card("A", 7.9))[0][:2] == ("A", 7.9)
    assert [one[:3] for one in drivers(card("A", 7.9), card("B", 8.1))] == [("A", 7.9, 8.1), ("B", 8.1, 17)]


def test_the_first_end_counts() -> None:
    """Card out; somebody else; a rest with the ignition off; twelve hours."""
    assert drivers(card("A", 8), card_out(10), moved=motion((8, 10)))[0][2] == 10
    assert drivers(card("A", 8), card("B", 11))[0][2] == 11
    assert drivers(card("A", 8))[0][2] == 17
    assert drivers(card("A", 8), moved=motion((8, 23)))[0][2] == 20
    assert drivers(card("A", 8), until=12)[0][2] is None


def test_after_a_rest_only_the_waybill_carries_over() -> None:
    """The card has to be put in again; a rest of over twelve hours ends the waybill as well."""
    moved = motion((8, 12), (13, 17), rests=((12, 13), (17, None)))
    evidence = [card("A", 8), *waybill(["A"], 8, 18)]

    assert drivers(*evidence, moved=moved) == [("A", 8, 12, 0.82), ("A", 13, 17, 0.40)]
    assert drivers(*evidence, card("A", 13.1), moved=moved) == [("A", 8, 12, 0.82), ("A", 13, 17, 0.82)]
    long = motion((8, 10), (22.5, 24), rests=((10, 22.5),))
    assert drivers(card("A", 8), *waybill(["A"], 8, 24), moved=long) == [("A", 8, 10, 0.82)]


def test_unknown_after_the_card_was_taken_out() -> None:
    """Five minutes of driving without new evidence: nobody knows who drives, and the waybill does not say it either."""
    moved = motion((8, 17), rests=((17, None),))
    evidence = [card("A", 8), card_out(10), *waybill(["A"], 8, 18)]

    intervals, conflicts = bind(evidence, moved, at(NIGHT))

    assert told(intervals) == [("A", 8, 10, 0.82), ("", 10, 17, 0.0)]
    assert ("no_binding", "", "") in kinds(conflicts)
    assert drivers(*evidence, card("B", 10 + 4 / 60), moved=moved)[1][:2] == ("B", 10 + 4 / 60)
    assert drivers(*evidence, card("B", 10.1), moved=moved) == [
        ("A", 8, 10, 0.82),
        ("", 10, 10.1, 0.0),
        ("B", 10.1, 17, 0.70),
    ]
    assert drivers(*evidence, moved=motion((8, 17)), until=10.05) == [("A", 8, 10, 0.82)]


def test_a_face_of_somebody_else_ends_a_binding() -> None:
    """Until the person is seen again; the card in the reader was lent then."""
    intervals, conflicts = bind([card("A", 8), other_face("A", 9), face("A", 11)], ONE_TRIP, at(NIGHT))

    assert told(intervals) == [("A", 8, 9, 0.70), ("A", 11, 17, 0.95)]
    assert ("card_lent", "", "A") in kinds(conflicts)
    assert [one[:3] for one in drivers(*waybill(["A"], 8, 17), other_face("A", 9))] == [("A", 8, 9)]


def test_two_phones_stay_candidates_until_another_source_speaks() -> None:
    """Nobody is charged; with a card, or a waybill that names one of them, it is that one."""
    two = [phone("A", 8, 0.9), phone("B", 8, 1.0)]

    assert drivers(*two) == [("B", 8, 17, 0.60), ("A", 8, 17, 0.60)]
    assert drivers(*two, *waybill(["A", "B"], 8, 17)) == [("B", 8, 17, 0.60), ("A", 8, 17, 0.60)]
    assert drivers(*two, *waybill(["A"], 8, 17)) == [("A", 8, 17, 0.76)]
    assert drivers(*two, card("A", 8)) == [("A", 8, 17, 0.88)]


def test_a_phone_far_away_removes_that_source_only() -> None:
    """The card still says it; that the phone of somebody on the waybill is elsewhere is told."""
    evidence = [card("A", 8), phone("A", 8), phone_away("A", 12, 13), *waybill(["A"], 8, 17)]

    intervals, conflicts = bind(evidence, ONE_TRIP, at(NIGHT))

    assert told(intervals) == [("A", 8, 17, 0.928)]  # the phone spoke for it until 12
    assert ("phone_away", "A", "A") in kinds(conflicts)
    assert drivers(phone("A", 8), phone_away("A", 12, 13)) == [("A", 8, 12, 0.60)]


def test_a_check_in_counts_as_a_waybill() -> None:
    """One source of a rank: with a waybill it is still 0.40."""
    yard = Evidence(Rank.WAYBILL, "A", DRIVER, at(8), at(17), 0.40, YARD)

    assert drivers(yard) == [("A", 8, 17, 0.40)]
    assert drivers(yard, *waybill(["A"], 8, 17)) == [("A", 8, 17, 0.40)]
    assert drivers(yard, card("A", 8)) == [("A", 8, 17, 0.82)]


def test_an_inspector_decides() -> None:
    """Over every other source, for the time that was said, and the newest word counts."""
    evidence = [card("A", 8), override("B", 9, 12)]

    assert drivers(*evidence) == [("A", 8, 9, 0.70), ("B", 9, 12, 0.99), ("A", 12, 17, 0.70)]
    assert [one[0] for one in drivers(*evidence, override("C", 8.5, 12, made=23.5))] == ["A", "C", "A"]


def test_the_list_of_the_waybill_is_tested() -> None:
    """A driver who is not on it, an escort who is the sole driver, no escort at all."""
    evidence = [card("B", 8), *waybill(["A"], 8, 17, escorts=["B"])]

    _, conflicts = bind(evidence, ONE_TRIP, at(NIGHT))

    assert kinds(conflicts) == [("not_on_waybill", "B", "A"), ("no_escort", "B", "B")]
    _, conflicts = bind([card("A", 8), *waybill(["A"], 8, 17, escorts=[])], ONE_TRIP, at(NIGHT))
    assert kinds(conflicts) == [("no_escort", "", "")]


def test_an_escort_is_bound_beside_the_driver() -> None:
    """By waybill and phone, whatever the driver's card does."""
    evidence = [card("A", 8), card_out(12), *waybill(["A"], 8, 17), phone("E", 8, role=ESCORT)]

    intervals, _ = bind(evidence, ONE_TRIP, at(NIGHT))

    assert told(intervals, ESCORT) == [("E", 8, 17, 0.76)]


PERSONS = st.sampled_from("ABC")
HOURS = st.integers(28, 80).map(lambda quarters: quarters / 4)
ANY_EVIDENCE = st.one_of(
    st.builds(lambda p, h: [card(p, h)], PERSONS, HOURS),
    st.builds(lambda h: [card_out(h)], HOURS),
    st.builds(lambda p, h, c: [face(p, h, c)], PERSONS, HOURS, st.sampled_from([0.95, 0.6])),
    st.builds(lambda p, h: [other_face(p, h)], PERSONS, HOURS),
    st.builds(lambda p, h: [phone(p, h)], PERSONS, HOURS),
    st.builds(lambda p, h: [phone_away(p, h, h + 0.2)], PERSONS, HOURS),
    st.builds(lambda p, h: [report(p, h)], PERSONS, HOURS),
    st.builds(lambda p, h, n: [override(p, h, h + n)], PERSONS, HOURS, st.integers(1, 4)),
    st.builds(lambda p, h, n: waybill(p, h, h + n), st.lists(PERSONS, max_size=2, unique=True), HOURS, st.just(6)),
)
SOME_EVIDENCE = st.lists(ANY_EVIDENCE, max_size=8).map(lambda groups: [one for group in groups for one in group])
SHIFTS = motion((8, 12), (13, 15.5), (15.8, 19), rests=((12, 13), (15.6, 15.8), (19, None)))


@given(SOME_EVIDENCE, st.data())
def test_order_and_repetition_change_nothing(evidence: list[Evidence], data: st.DataObject) -> None:
    """Any permutation with any piece any number of times."""
    again = data.draw(st.lists(st.sampled_from(evidence), max_size=5) if evidence else st.just([]))
    mixed = data.draw(st.permutations([*evidence, *again]))

    assert bind(mixed, SHIFTS, at(NIGHT)) == bind(evidence, SHIFTS, at(NIGHT))


@given(SOME_EVIDENCE, st.integers(32, 96))
def test_intervals_keep_their_rules(evidence: list[Evidence], quarter: int) -> None:
    """They are not empty; two drivers at once are two candidates, whom nobody charges; none is surer than 0.99."""
    intervals, conflicts = bind(evidence, SHIFTS, at(quarter / 4))

    for one in intervals:
        assert one.started_ms < one.end_ms
        assert one.started_ms <= at(quarter / 4)
        assert 0.0 <= one.confidence <= 0.99
        for other in intervals:
            if other is not one and other.role == one.role == DRIVER and one.overlaps(other.started_ms, other.end_ms):
                assert use_of(min(one.confidence, other.confidence)) is not Use.CHARGE
    assert len({one.key for one in conflicts}) == len(conflicts)
