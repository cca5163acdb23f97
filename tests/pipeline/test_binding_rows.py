"""Bindings in the store: whatever order and batches evidence comes in, the same stands; closed rows are corrected."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from binding_world import (
    PLATE,
    TERMINAL,
    BindingWorld,
    Piece,
    at,
    card_in,
    card_out,
    decided,
    drives,
    face_of,
    phone_at,
    rests,
    track,
    waybill,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jtgate.pipeline.derive.binding_inputs import Vehicle, terminals_of
from jtgate.pipeline.derive.binding_rows import bound_at, recompute, standing
from jtgate.storage.contract.derived_rows import trip
from jtgate.storage.contract.rows import card


@pytest.fixture
def world(tmp_path: Path) -> Iterator[BindingWorld]:
    """A vehicle that nobody has told anything of."""
    made = BindingWorld.over(tmp_path)
    yield made
    made.close()


#: A day with everything in it: worked out by hand below.
#:
#:   rest to 8:00 · drives 8:00 to 12:00, ignition off 12:02 · drives 13:00 to 17:00, off 17:05
#:   drives 18:00 to 19:00, off 19:02
#:
#: W1 names P1 for the morning, W2 names P1 for the afternoon. P1 drives in the morning. P2 drives in the afternoon with
#: the card of P1, whose phone lies in the yard all day. A camera sees P2 at 13:20, in a blind area: that comes last. In
#: the evening P1's card is put in at 17:58 and taken out at 18:20, on the way.
SHIFTS: list[Piece] = [
    rests(-8, 8, -7),
    drives(8, 12),
    rests(12, 13, 12 + 2 / 60),
    drives(13, 17),
    rests(17, 18, 17 + 5 / 60),
    drives(18, 19),
    rests(19, None, 19 + 2 / 60),
]
CREW: list[Piece] = [
    waybill("W1", 8, 12.5, ["P1"]),
    waybill("W2", 13, 17.5, ["P1"]),
    card_in(1, 7 + 55 / 60),
    card_in(1, 12 + 58 / 60),
    card_in(1, 17 + 58 / 60),
    card_out(18 + 20 / 60),
]
PHONE: list[Piece] = [phone_at("P1", 8 + minutes / 60) for minutes in range(0, 541, 10)]
TRACKS: list[Piece] = [track(8, 12, 0, 60), track(13, 17, 240, -60)]
LATE: Piece = face_of("P2", 13 + 20 / 60)

MORNING = ("P1", 7.9167, 12.0333, 0.82)  # card in at 7:55 to ignition off at 12:02: 1 − 0.3·0.6 with the waybill
EVENING = [("P1", 17.9667, 18.3333, 0.70), ("", 18.3333, 19.0333, 0.0)]  # the card alone; then nobody knows


def test_a_day_worked_out_by_hand(world: BindingWorld) -> None:
    """The intervals and conflicts of §6, before and after what a blind area kept back."""
    world.tell([*SHIFTS, *CREW, *TRACKS, *PHONE])

    # without the picture the card and the waybill agree on P1 in the afternoon: 12:58 to 17:05
    assert world.told() == [MORNING, ("P1", 12.9667, 17.0833, 0.82), *EVENING]
    assert world.told("escort") == [("E1", 8.0, 12.0333, 0.40), ("E1", 13.0, 17.0833, 0.40)]
    # the phone is over 2 km away from 8:10, while it drives; the fix of 12:00 finds it standing. Back again at 17:00.
    away = [("phone_away", "P1", "P1", 8.1667, 11.8333), ("phone_away", "P1", "P1", 13.0, 16.8333)]
    nobody = ("no_binding", "", "", 18.3333, 19.0)
    assert world.conflicts() == [nobody, *away]

    world.tell([LATE])

    # P2 from 13:20: 0.95 · (1 − 0.25 · 0.70) = 0.78375, enough to be charged; P1 may have lent the card
    assert world.told() == [MORNING, ("P1", 12.9667, 13.3333, 0.82), ("P2", 13.3333, 17.0833, 0.78375), *EVENING]
    assert world.conflicts() == [
        ("card_lent", "P2", "P1", 13.3333, 17.0833),
        nobody,
        ("not_on_waybill", "P2", "P1", 13.3333, 17.0833),
        *away,
    ]
    # the closed row of P1 is still there as it was, and a row of revision 1 says what it corrects and why
    rows = [row for row in world.rows() if row["person"] == "P1" and row["started_ms"] == at(12 + 58 / 60)]
    before, after = sorted(rows, key=lambda row: int(str(row["revision"])))
    assert (before["revision"], before["ended_ms"], before["corrects"]) == (0, at(17 + 5 / 60), None)
    assert (after["revision"], after["ended_ms"]) == (1, at(13 + 20 / 60))
    assert json.loads(str(after["corrects"])) == {"person": "P1", "started_ms": at(12 + 58 / 60), "revision": 0}
    assert after["reason"] == "later evidence: it ended at another time"
    assert len(world.rows()) == 8  # four of drivers and two of escorts at first, one correction, one new


def test_nothing_is_written_when_nothing_differs(world: BindingWorld) -> None:
    """Working out again, from any time on, gives no row."""
    world.tell([*SHIFTS, *CREW, LATE])

    for hour in (-24, 8, 13.5, 18, 23):
        assert recompute(world.store, PLATE, 2, at(hour), world.now_ms) == recompute(
            world.store, "测C99999", 2, at(hour), world.now_ms
        )


def test_who_was_bound_when(world: BindingWorld) -> None:
    """For alarms and trips: the best of those who were there at that moment; an unknown driver is an empty person."""
    world.tell([*SHIFTS, *CREW, LATE])

    def who(hour: float, role: str = "driver") -> object:
        row = bound_at(world.rows(), at(hour), role)
        return None if row is None else row["person"]

    assert [who(hour) for hour in (7, 9, 12.5, 13.1, 14, 18.5, 20)] == [None, "P1", None, "P1", "P2", "", None]
    assert who(9, "escort") == "E1"


def test_an_open_interval_is_written_in_place(world: BindingWorld) -> None:
    """While somebody is on board there is one row, whatever is learned; when it has ended it stays as it is."""
    world.now_ms = at(9)
    world.tell([rests(-8, 8, -7), drives(8, 12), card_in(1, 8)])
    assert world.told() == [("P1", 8.0, None, 0.70)]

    world.now_ms = at(10)
    world.tell([waybill("W1", 8, 12.5, ["P1"])])
    assert world.told() == [("P1", 8.0, None, 0.82)]

    world.now_ms = at(13)
    world.tell([rests(12, None, 12)])
    assert world.told() == [("P1", 8.0, 12.0, 0.82)]
    assert [(row["revision"], row["corrects"]) for row in world.rows() if row["role"] == "driver"] == [(0, None)]


def test_a_wrong_interval_is_corrected_to_nothing_and_back(world: BindingWorld) -> None:
    """When its evidence turns out to be about somebody else; rows are never deleted."""
    world.tell([*SHIFTS[:3], card_in(2, 8)])
    world.tell([decided("P3", 7, 14)])
    assert world.told() == [("P3", 7.0, 14.0, 0.99)]

    world.tell([decided("", 7, 14)])  # not newer, so the key is the same: it takes the place

    assert world.told() == [("P2", 8.0, 12.0333, 0.70)]
    chain = sorted(world.rows(), key=lambda row: int(str(row["revision"])))
    assert [(row["person"], row["revision"], row["corrects"] is None) for row in chain] == [
        ("P2", 0, True),
        ("P3", 1, False),
        ("P2", 2, False),
    ]


def test_a_card_that_nobody_has_is_known_by_its_hash(world: BindingWorld) -> None:
    """The number of the card is not in the row; the same card is the same person."""
    number = world.numbers[TERMINAL]
    world.tell([*SHIFTS[:3]])
    world.write(card_events=[card(number, at(8), 1, certificate="999", id_number=None)])
    world.recompute(at(8))

    ((person, *_),) = world.told()
    assert person.startswith("card:")
    assert "999" not in person
    assert all("999" not in str(row) for row in world.rows())


def test_phones_without_consent_are_not_compared(world: BindingWorld) -> None:
    """They are stored and say nothing; with consent the same fixes bind."""
    moving = [phone_at(person, 8 + minutes / 60, minutes) for minutes in range(0, 60, 2) for person in ("P1", "Q1")]
    world.put("persons", person="Q1", name="测试九", roles="DRIVER", enterprise="E001", location_consent="否")

    world.tell([*SHIFTS[:3], TRACKS[0], *moving])

    assert world.told() == [("P1", 8.0, 12.0333, 0.60)]


def test_a_check_in_at_the_vehicle_speaks_as_a_waybill_does(world: BindingWorld) -> None:
    """Within 200 m, at most 30 minutes before the trip."""
    world.tell([*SHIFTS[:3], phone_at("P1", 7.6, 0.15, "check_in:app"), phone_at("P2", 7.4, 0.1, "check_in:app")])
    assert world.told() == [("P1", 8.0, 12.0, 0.40)]

    world.tell([card_in(1, 8)])
    assert world.told() == [("P1", 8.0, 12.0333, 0.82)]


def test_two_vehicles_far_apart_make_both_provisional(world: BindingWorld) -> None:
    """The same card in two vehicles that drive 60 km from each other, whichever of them is worked out first."""
    other = world.numbers["13900139000"]
    far = track(8, 12, 60, 60, "13900139000", 60)
    world.write(
        trips=[trip(other, at(8), ended_ms=at(12), plate="测B00001")],
        card_events=[card(other, at(8), 1, certificate="2111000000000001")],
    )
    world.recompute(at(8), "测B00001")
    assert world.told(plate="测B00001") == [("P1", 8.0, 20.0, 0.70)]

    world.tell([*SHIFTS[:3], TRACKS[0], far, card_in(1, 8)])

    assert world.told() == [("P1", 8.0, 12.0333, 0.69)]
    assert world.told(plate="测B00001") == [("P1", 8.0, 20.0, 0.69)]
    assert world.conflicts()[-1] == ("two_vehicles", "P1", "", 8.0, 12.0333)

    world.tell([face_of("P1", 8, "no_match"), face_of("P2", 8)])  # it was P2 here
    assert world.told(plate="测B00001") == [("P1", 8.0, 20.0, 0.70)]


def test_a_terminal_that_moves_speaks_for_the_vehicle_it_is_in(world: BindingWorld) -> None:
    """By the versions of the registry; other knowledge adds terminals."""
    fitted = terminals_of(world.store, Vehicle(PLATE, 2), ["13700137000", TERMINAL])

    assert [(one.terminal, one.from_ms) for one in fitted] == [(TERMINAL, 0), ("13700137000", 0)]


PIECES: list[Piece] = [
    *SHIFTS,
    *CREW,
    LATE,
    decided("P3", 10, 11),
    face_of("P1", 9, "near"),
    face_of("P1", 16, "no_match"),
]


@pytest.fixture(scope="module")
def tidy(tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    """What stands when everything is there from the beginning."""
    made = BindingWorld.over(tmp_path_factory.mktemp("tidy"))
    made.tell(PIECES)
    found: list[object] = list(made.all_that_stands())
    made.close()
    return found


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_order_repetition_and_batches_change_nothing(
    tmp_path_factory: pytest.TempPathFactory, tidy: list[object], data: st.DataObject
) -> None:
    """Bindings are worked out after every batch of any permutation with repetitions; the same stands in the end."""
    numbers = st.integers(0, len(PIECES) - 1)
    order = data.draw(st.permutations([*range(len(PIECES)), *data.draw(st.lists(numbers, max_size=3))]))
    cuts = sorted(data.draw(st.sets(st.integers(1, len(order) - 1), max_size=len(order) - 1)))
    made = BindingWorld.over(tmp_path_factory.mktemp("mixed"))
    try:
        for begin, end in zip([0, *cuts], [*cuts, len(order)], strict=True):
            made.tell([PIECES[number] for number in order[begin:end]])
        assert list(made.all_that_stands()) == tidy
        stands = standing(made.rows())
        keys = [(row["role"], row["person"], row["started_ms"]) for row in stands]
        assert len(keys) == len(set(keys))
        assert made.recompute(at(0)).bindings == []
    finally:
        made.close()
