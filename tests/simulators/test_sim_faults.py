"""Each fault does to the bytes what its name says, and costs no good frame."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jtgate.codecs.edition import Edition
from jtgate.codecs.errors import ChecksumError, StrayBytes
from jtgate.codecs.framing import Frame, FrameReader, unescape
from jtgate.codecs.header import DEV_LENGTH_MISMATCH, encode_frames, parse_header
from jtgate.simulators import faults
from jtgate.simulators.dice import Dice
from jtgate.simulators.faults import FAULTS, Fault, FaultPlan

BODIES = st.binary(min_size=0, max_size=400)
EDITIONS = st.sampled_from([Edition.V2013, Edition.V2019])
BITS = st.integers(0, 2**64 - 1)


def frame_of(body: bytes, edition: Edition, serial: int = 0x7D7E) -> bytes:
    """A location frame."""
    return encode_frames(0x0200, body, phone="13800138000", serial=serial, edition=edition)[0]


def good(data: bytes) -> list[bytes]:
    """Payloads of the good frames in a stream."""
    return [event.payload for event in FrameReader().feed(data) if isinstance(event, Frame)]


@given(BODIES, EDITIONS, BITS)
def test_a_bad_checksum_damages_the_check_byte_only(body: bytes, edition: Edition, bits: int) -> None:
    """Every byte before the check byte is right; the frame is refused, its correct copy after it is not."""
    frame = frame_of(body, edition)
    damaged = faults.bad_checksum(frame, bits)

    assert unescape(damaged[1:-1])[0][:-1] == unescape(frame[1:-1])[0][:-1]
    events = FrameReader().feed(damaged + frame)
    assert [type(event) for event in events] == [ChecksumError, Frame]


@given(BODIES, EDITIONS)
def test_the_wrong_edition_bit_is_all_that_is_wrong(body: bytes, edition: Edition) -> None:
    """Bit 14 is turned, the check byte fits, and the length arithmetic still finds the edition and the body."""
    frame = frame_of(body, edition)
    payload, wrong = faults.payload_of(frame), good(faults.wrong_edition_bit(frame))[0]

    assert payload[2] ^ wrong[2] == 0x40
    assert payload[:2] + payload[3:] == wrong[:2] + wrong[3:]
    header, found = parse_header(wrong)
    assert (header.edition, found) == (edition, body)


@given(BODIES, EDITIONS, BITS)
def test_the_wrong_length_is_too_large_and_fits_no_header(body: bytes, edition: Edition, bits: int) -> None:
    """The length field is 2 to 4 too large; a tolerant reader still has edition, serial and body."""
    wrong = good(faults.wrong_length(frame_of(body, edition), bits))[0]
    header, found = parse_header(wrong)

    assert header.body_length - len(body) in (2, 3, 4)
    assert DEV_LENGTH_MISMATCH in header.deviations
    assert (header.edition, header.serial, found) == (edition, 0x7D7E, body)


def test_a_length_that_does_not_fit_its_field_is_left_alone() -> None:
    """A body of 1023 bytes cannot announce more."""
    frame = encode_frames(0x0200, bytes(1023), phone="1", serial=0, edition=Edition.V2013, part_bytes=1023)[0]

    assert faults.wrong_length(frame, 1) == frame


@given(BODIES, EDITIONS, BITS)
def test_halves_are_two_pieces_of_one_frame(body: bytes, edition: Edition, bits: int) -> None:
    """Neither is empty; nothing comes of the first, the frame of both."""
    frame = frame_of(body, edition)
    first, second = faults.halves(frame, bits)

    assert first
    assert second
    assert first + second == frame
    reader = FrameReader()
    assert not reader.feed(first)
    assert len(reader.feed(second)) == 1


def test_halves_may_cut_an_escape() -> None:
    """With an odd draw the cut lies between 0x7D and what follows it."""
    first, second = faults.halves(frame_of(b"\x7e", Edition.V2013), 1)

    assert first[-1] == 0x7D
    assert second[0] in (1, 2)


@given(BODIES, EDITIONS, st.booleans())
def test_glued_frames_are_both_there(body: bytes, edition: Edition, shared: bool) -> None:
    """With two flags between them or one."""
    first, second = frame_of(body, edition, 1), frame_of(b"", edition, 2)
    joined = faults.glued(first, second, shared_flag=shared)

    assert len(joined) == len(first) + len(second) - shared
    assert good(joined) == [faults.payload_of(first), faults.payload_of(second)]


@given(BODIES, EDITIONS, st.integers(0, 10_000))
def test_garbage_costs_nothing_but_itself(body: bytes, edition: Edition, count: int) -> None:
    """It holds no flag, is short, and the frame after it arrives, at the beginning and in between."""
    rubbish = faults.garbage(Dice(1, 1), count)
    frame = frame_of(body, edition)

    assert 1 <= len(rubbish) <= faults.GARBAGE_BYTES_MAX
    assert 0x7E not in rubbish
    events = FrameReader().feed(rubbish + frame + rubbish + frame)
    assert [type(event) for event in events] == [StrayBytes, Frame, StrayBytes, Frame]


@given(BODIES, EDITIONS)
def test_drips_are_the_frame_in_small_pieces(body: bytes, edition: Edition) -> None:
    """All of it, in order, no piece above its size."""
    frame = frame_of(body, edition)
    pieces = faults.drips(frame)

    assert b"".join(pieces) == frame
    assert all(1 <= len(piece) <= faults.DRIP_BYTES for piece in pieces)


def test_faults_are_read_with_and_without_rates() -> None:
    """Names, own rates, `all`, and nothing."""
    plan = FaultPlan.parse("half, checksum:0.25,storm")

    assert plan.rates == {Fault.HALF: FAULTS[Fault.HALF].rate, Fault.CHECKSUM: 0.25}
    assert plan.storm == FAULTS[Fault.STORM].rate
    assert set(FaultPlan.parse("all").rates) == set(Fault) - {Fault.STORM}
    assert FaultPlan.parse("all:0.05").rates[Fault.DRIP] == 0.05
    assert not FaultPlan.parse("").rates
    assert Fault.HALF not in FaultPlan.parse("all", datagrams=True).rates


@pytest.mark.parametrize(
    ("text", "datagrams", "told"),
    [
        ("halve", False, "there are: all, half"),
        ("half:often", False, "half:0.01"),
        ("half:2", False, "0 to 1"),
        ("half:0.6,drip:0.6", False, "together exceed 1"),
        ("drip", True, "needs a stream"),
    ],
)
def test_bad_lists_of_faults_are_refused_with_advice(text: str, datagrams: bool, told: str) -> None:
    """The message names what would be right."""
    with pytest.raises(ValueError, match=told):
        FaultPlan.parse(text, datagrams=datagrams)


def test_faults_come_as_often_as_asked() -> None:
    """Within a fifth of the rate over many frames; parts of long messages only get what they can bear."""
    plan = FaultPlan.parse("half:0.1,glue:0.2")
    dice = Dice(1, 1)
    drawn = [plan.draw(dice, count, part=False) for count in range(10_000)]
    parts = {plan.draw(dice, count, part=True) for count in range(1_000)}

    assert 800 < drawn.count(Fault.HALF) < 1200
    assert 1800 < drawn.count(Fault.GLUE) < 2200
    assert parts == {None, Fault.HALF}
