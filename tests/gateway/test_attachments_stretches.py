"""Which bytes of a file are there: the set of stretches against a set of numbers."""

from hypothesis import given
from hypothesis import strategies as st

from jtgate.gateway.attachments import stretches as module
from jtgate.gateway.attachments.stretches import Stretches, merge_gaps

SIZE = 60
PAIRS = st.lists(st.tuples(st.integers(0, SIZE), st.integers(0, SIZE)), max_size=30)


def numbers(stretches: list[tuple[int, int]] | tuple[tuple[int, int], ...]) -> set[int]:
    """All bytes in stretches."""
    return {byte for start, end in stretches for byte in range(start, end)}


@given(PAIRS, st.integers(0, SIZE + 10))
def test_a_set_of_stretches_is_a_set_of_bytes(pairs: list[tuple[int, int]], size: int) -> None:
    """In any order, overlapping and repeated: what is in, what is new, what is missing; rising and apart."""
    found, expected = Stretches(), set[int]()
    for start, end in pairs:
        new = set(range(start, end)) - expected
        assert found.add(start, end) == len(new)
        expected |= new
        assert found.covered == len(expected)
    stretches = found.to_tuple()
    assert numbers(stretches) == expected
    assert found.end == max(expected, default=-1) + 1
    flat = [byte for stretch in stretches for byte in stretch]
    assert flat == sorted(set(flat)), "rising, and they do not touch"
    gaps = found.gaps(size)
    assert numbers(gaps) == set(range(size)) - expected
    assert Stretches(stretches).to_tuple() == stretches


@given(PAIRS, st.integers(1, 6))
def test_merged_gaps_hold_every_gap_and_are_few(pairs: list[tuple[int, int]], most: int) -> None:
    """No more than the limit, none lost, none beyond the first and last; nothing is merged without need."""
    held = Stretches(pairs)
    gaps = held.gaps(SIZE)
    merged = merge_gaps(gaps, most)
    assert len(merged) == min(len(gaps), most)
    assert numbers(gaps) <= numbers(merged)
    assert merged == sorted(merged)
    if gaps:
        assert (merged[0][0], merged[-1][1]) == (gaps[0][0], gaps[-1][1])
    if len(gaps) <= most:
        assert merged == gaps


def test_the_nearest_gaps_are_merged() -> None:
    """What is asked for again without need is little."""
    assert merge_gaps([(0, 10), (12, 20), (90, 100)], 2) == [(0, 20), (90, 100)]


def test_only_what_joins_fits_into_a_full_set() -> None:
    """A set as large as it may be takes stretches that touch one of it, and no other."""
    full = Stretches((number * 3, number * 3 + 1) for number in range(module.STRETCHES_MAX))
    assert len(full) == module.STRETCHES_MAX
    assert full.fits(1, 3)
    assert full.fits(0, 10)
    assert not full.fits(module.STRETCHES_MAX * 3 + 1, module.STRETCHES_MAX * 3 + 2)
