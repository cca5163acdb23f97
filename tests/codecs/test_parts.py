"""Reassembly of sub-packages (JT/T 808 §8.2): any order, loss, repetition, interleaving; limits; requests."""

import tracemalloc
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jtgate.codecs import parts
from jtgate.codecs.edition import Edition
from jtgate.codecs.framing import Frame, FrameReader
from jtgate.codecs.header import Header, encode_frames, parse_header
from jtgate.codecs.parts import Abandoned, Complete, Missing, PartBuffer, Progress, Refused

A = "13800138000"


def part(number: int, total: int, serial: int, msg_id: int = 0x0801) -> Header:
    """A header with a package item."""
    return Header(msg_id, "0" + A, serial & 0xFFFF, packet_total=total, packet_no=number)


def feed(buffer: PartBuffer, header: Header, body: bytes, now: float = 0.0, terminal: str = A) -> object:
    """Add a part whose token is its serial and body."""
    return buffer.add(terminal, header, body, now, token=(header.serial, body))


def message(total: int, serial: int, *, mark: bytes = b"x", constant: bool = False) -> list[tuple[Header, bytes]]:
    """All parts of one message as (header, body)."""
    return [(part(n, total, serial if constant else serial + n - 1), mark + b"-%d." % n) for n in range(1, total + 1)]


def whole(pieces: list[tuple[Header, bytes]]) -> bytes:
    """The body of a message from its parts."""
    return b"".join(body for _, body in pieces)


def completes(buffer: PartBuffer, pieces: list[tuple[Header, bytes]], terminal: str = A) -> list[bytes]:
    """Add parts at second 0; the bodies that became complete."""
    events = [buffer.add(terminal, header, body, 0.0) for header, body in pieces]
    return [event.body for event in events if isinstance(event, Complete)]


def test_parts_that_our_own_splitting_makes_come_together_again() -> None:
    """encode_frames -> framing -> header -> PartBuffer gives the body, with the header of part 1."""
    body = bytes(range(256)) * 12
    stream = b"".join(encode_frames(0x0801, body, phone=A, serial=65534, edition=Edition.V2013))
    buffer = PartBuffer(1 << 20)
    events: list[object] = []
    for frame in FrameReader().feed(stream):
        assert isinstance(frame, Frame)
        header, piece = parse_header(frame.payload)
        events.append(buffer.add(header.terminal, header, piece, 0.0, token=header.serial))
    assert events[:-1] == [Progress(1, 4), Progress(2, 4), Progress(3, 4)]
    done = events[-1]
    assert isinstance(done, Complete)
    assert (done.body, done.header.serial, done.parts, done.tokens) == (body, 65534, 4, (65534, 65535, 0, 1))
    assert len(buffer) == 0
    assert buffer.bytes_held == 0


@st.composite
def traffic(draw: st.DrawFn) -> tuple[list[tuple[Header, bytes]], set[bytes]]:
    """Parts of several messages of one terminal, shuffled and repeated, and the bodies that must come out."""
    serial = draw(st.integers(0, 65535))
    pieces: list[tuple[Header, bytes]] = []
    bodies = set()
    for index in range(draw(st.integers(1, 5))):
        total = draw(st.integers(2, 6))
        # Consecutive senders use each serial once; constant ones are kept further apart than a message is long.
        one = message(total, serial, mark=b"m%d" % index, constant=draw(st.booleans()))
        serial += 20
        bodies.add(whole(one))
        pieces += one
    repeats = draw(st.lists(st.sampled_from(pieces), max_size=10))
    return draw(st.permutations(pieces + repeats)), bodies


@settings(max_examples=300)
@given(traffic())
def test_any_order_repetition_and_interleaving_gives_the_same_bodies(
    given_: tuple[list[tuple[Header, bytes]], set[bytes]],
) -> None:
    """However parts of several messages are mixed and repeated, exactly the sent bodies come out."""
    pieces, bodies = given_
    assert set(completes(PartBuffer(1 << 20), pieces)) == bodies


@given(st.integers(2, 8), st.integers(0, 65535), st.data())
def test_what_is_lost_is_asked_for_and_completes_when_it_comes(total: int, serial: int, data: st.DataObject) -> None:
    """Missing names exactly the lost parts and the serial of part 1; their arrival completes the message."""
    pieces = message(total, serial)
    lost = data.draw(st.sets(st.integers(1, total), min_size=1, max_size=total - 1))
    buffer = PartBuffer(1 << 20)
    came = data.draw(st.permutations([piece for piece in pieces if piece[0].packet_no not in lost]))
    assert completes(buffer, came) == []
    assert buffer.due(4.9) == []
    (ask,) = buffer.due(5.0)
    assert isinstance(ask, Missing)
    assert (ask.terminal, ask.first_serial, ask.numbers) == (A, serial, tuple(sorted(lost)))
    assert ask.header.msg_id == 0x0801
    assert completes(buffer, [piece for piece in pieces if piece[0].packet_no in lost]) == [whole(pieces)]
    assert buffer.due(1000.0) == []


def test_one_serial_for_all_parts_is_that_message() -> None:
    """A sender that stamps all parts with one serial is asked with that serial and reassembled."""
    pieces = message(4, 77, constant=True)
    buffer = PartBuffer(1 << 20)
    assert completes(buffer, [pieces[2], pieces[0]]) == []
    (ask,) = buffer.due(5.0)
    assert isinstance(ask, Missing)
    assert (ask.first_serial, ask.numbers) == (77, (2, 4))
    assert completes(buffer, [pieces[3], pieces[1]]) == [whole(pieces)]


def test_constant_serials_of_two_messages_one_apart_do_not_mix() -> None:
    """Part 2 with serial 6 fits the base of message 5 by arithmetic; the message all of serial 6 gets it."""
    five, six = message(2, 5, mark=b"5", constant=True), message(2, 6, mark=b"6", constant=True)
    assert completes(PartBuffer(1 << 20), [five[0], six[0], six[1], five[1]]) == [whole(six), whole(five)]


def test_message_known_to_have_one_serial_is_not_found_by_arithmetic() -> None:
    """After two parts with serial 5, part 2 with serial 6 (base 5) begins another message."""
    five, six = message(3, 5, mark=b"5", constant=True), message(3, 6, mark=b"6", constant=True)
    came = [five[0], five[1], six[1], six[0], six[2], five[2]]
    assert completes(PartBuffer(1 << 20), came) == [whole(six), whole(five)]


def test_same_part_with_other_bytes_wins_and_gives_back_the_token_of_the_earlier() -> None:
    """Last wins under one number; the caller learns which earlier part no longer counts."""
    buffer = PartBuffer(1 << 20)
    feed(buffer, part(1, 2, 10), b"old")
    assert feed(buffer, part(1, 2, 10), b"old") == Progress(1, 2, duplicate=True, kept=False)
    assert feed(buffer, part(1, 2, 10), b"new") == Progress(1, 2, duplicate=True, replaced=(10, b"old"))
    done = feed(buffer, part(2, 2, 11), b"end")
    assert isinstance(done, Complete)
    assert done.body == b"newend"
    assert done.tokens == ((10, b"new"), (11, b"end"))
    assert buffer.counters["duplicates"] == 2


@pytest.mark.parametrize(("number", "total"), [(0, 2), (3, 2), (1, 0), (0, 0)])
def test_impossible_numbers_are_refused(number: int, total: int) -> None:
    """包序号 0 or above the total never touches an assembly."""
    buffer = PartBuffer(1 << 20)
    refused = buffer.add(A, part(number, total, 1), b"", 0.0)
    assert isinstance(refused, Refused)
    assert refused.code == parts.REFUSED_NUMBER
    assert len(buffer) == 0


def test_too_many_parts_are_refused_and_one_part_is_an_ordinary_message() -> None:
    """The limit of the total is exact, and a total of 1 is complete at once whatever its number says."""
    buffer = PartBuffer(1 << 20, parts_max=3)
    refused = buffer.add(A, part(1, 4, 1), b"", 0.0)
    assert isinstance(refused, Refused)
    assert refused.code == parts.REFUSED_TOTAL
    assert isinstance(buffer.add(A, part(1, 3, 1), b"", 0.0), Progress)
    done = buffer.add(A, part(1, 1, 9), b"alone", 0.0, token="t")
    assert isinstance(done, Complete)
    assert (done.body, done.parts, done.tokens) == (b"alone", 1, ("t",))


def test_requests_end_after_the_limit_and_the_message_is_abandoned() -> None:
    """Five requests five seconds apart, then Abandoned with the tokens of what came, in order."""
    buffer = PartBuffer(1 << 20)
    feed(buffer, part(3, 3, 12), b"c", now=100.0)
    feed(buffer, part(1, 3, 10), b"a", now=100.0)
    asked = [at for at in range(100, 200) for event in buffer.due(float(at)) if isinstance(event, Missing)]
    assert asked == [105, 110, 115, 120, 125]
    buffer = PartBuffer(1 << 20, requests_max=1)
    feed(buffer, part(3, 3, 12), b"c", now=0.0)
    feed(buffer, part(1, 3, 10), b"a", now=0.0)
    assert len(buffer.due(5.0)) == 1
    assert buffer.due(9.9) == []
    (gone,) = buffer.due(10.0)
    assert isinstance(gone, Abandoned)
    assert (gone.reason, gone.received, gone.tokens) == ("unanswered", 2, ((10, b"a"), (12, b"c")))
    assert (len(buffer), buffer.bytes_held) == (0, 0)


def test_request_names_the_lowest_missing_numbers_up_to_its_limit() -> None:
    """255 of 4095 missing, and behind them when they have come."""
    buffer = PartBuffer(1 << 24)
    feed(buffer, part(1, 4096, 0), b"x")
    (ask,) = buffer.due(5.0)
    assert isinstance(ask, Missing)
    assert ask.numbers == tuple(range(2, 2 + parts.NUMBERS_PER_REQUEST_MAX))
    for number in ask.numbers[1:]:
        feed(buffer, part(number, 4096, number - 1), b"x", now=6.0)
    (ask,) = buffer.due(11.0)
    assert isinstance(ask, Missing)
    assert ask.numbers == (2, *range(257, 511))


def test_one_call_asks_for_so_many_messages_and_the_next_for_the_others() -> None:
    """Many messages fall silent at once: in order of their silence, none passed over, none twice in silence_s."""
    count = 2 * parts.REQUESTS_PER_CALL_MAX + 50
    buffer = PartBuffer(1 << 20)
    for n in range(count):
        feed(buffer, part(1, 3, n * 10), b"x", now=n / 1000, terminal=str(n))
    feed(buffer, part(2, 3, 1), b"x", now=1.0, terminal="0")  # now the least silent
    calls = [[event.terminal for event in buffer.due(at)] for at in (6.0, 7.0, 8.0, 10.9)]
    assert [len(call) for call in calls] == [100, 100, 50, 0]
    assert list(chain(*calls)) == [*map(str, range(1, count)), "0"]
    assert [event.terminal for event in buffer.due(11.0)] == calls[0]
    assert buffer.counters["requests"] == count + 100


def test_messages_given_up_for_silence_at_once_are_reported_over_several_calls() -> None:
    """A bounded number in one call, the most silent first; all are reported in the end."""
    count = parts.SILENT_PER_CALL_MAX + 10
    buffer = PartBuffer(1 << 24, requests_max=0)
    for n in range(count):
        feed(buffer, part(1, 2, 0), b"x", now=n / 1e6, terminal=str(n))
    calls = [[event.terminal for event in buffer.due(400.0)] for _ in range(3)]
    assert [len(call) for call in calls] == [parts.SILENT_PER_CALL_MAX, 10, 0]
    assert list(chain(*calls)) == [str(n) for n in range(count)]
    assert (len(buffer), buffer.bytes_held) == (0, 0)


def test_due_is_cheap_with_thousands_of_silent_messages() -> None:
    """8000 messages of up to 4096 parts, one part each: a call takes milliseconds and next to no memory."""
    buffer = PartBuffer(1 << 30)
    for n in range(8000):
        feed(buffer, part(1, 4096 - n % 8, n % 8 * 5000), b"x", terminal=str(n // 8))
    tracemalloc.start()
    events = buffer.due(6.0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(events) == parts.REQUESTS_PER_CALL_MAX
    assert peak < 1 << 20


def test_account_is_about_what_open_messages_really_cost() -> None:
    """One small part each: the memory limit bounds the memory, not a quarter of it."""
    tracemalloc.start()
    buffer = PartBuffer(1 << 30)
    for n in range(2000):
        feed(buffer, part(1, 4096, 0), bytes(20), terminal=str(n))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held <= buffer.bytes_held * 1.5


def test_forgetting_what_is_open_reports_nothing_and_counts() -> None:
    """After forget_open nothing is asked or given up, the memory is free, and all parts must come again."""
    buffer = PartBuffer(1 << 20)
    pieces = message(3, 10)
    assert completes(buffer, pieces[:2]) == []
    feed(buffer, part(1, 2, 50), b"x", terminal="2")
    assert buffer.forget_open() == 2
    assert (len(buffer), buffer.bytes_held, buffer.counters["forgotten"]) == (0, 0, 2)
    assert buffer.due(1000.0) == []
    assert completes(buffer, pieces[2:]) == []
    assert completes(buffer, pieces[:2]) == [whole(pieces)]
    assert buffer.forget_open() == 0


def test_repetition_that_turns_out_to_be_new_is_asked_for_like_any_other() -> None:
    """Known as a repetition it is passed over; a differing part makes it ask, silence_s after that part."""
    pieces = message(3, 10)
    buffer = PartBuffer(1 << 20)
    completes(buffer, pieces)
    feed(buffer, *pieces[0])
    feed(buffer, part(1, 2, 500), b"x", now=1.0)
    assert [event.header.serial for event in buffer.due(6.0)] == [500]
    feed(buffer, pieces[1][0], b"other", now=7.0)
    assert [event.header.serial for event in buffer.due(11.9)] == [500]
    assert [event.header.serial for event in buffer.due(12.0)] == [10]


def test_without_requests_only_silence_ends_an_assembly() -> None:
    """requests_max=0: nothing is asked, keep_s after the last part it is abandoned."""
    buffer = PartBuffer(1 << 20, requests_max=0, keep_s=300.0)
    feed(buffer, part(1, 3, 10), b"a", now=0.0)
    feed(buffer, part(2, 3, 11), b"b", now=200.0)
    assert buffer.due(499.0) == []
    (gone,) = buffer.due(500.0)
    assert isinstance(gone, Abandoned)
    assert gone.reason == "silent"


def test_memory_limit_evicts_the_most_silent_and_never_grows() -> None:
    """Above bytes_max the assembly silent longest goes, is reported, and the account stays below the limit."""
    limit = 20 * (parts.ASSEMBLY_OVERHEAD_BYTES + parts.PART_OVERHEAD_BYTES + 100)
    buffer = PartBuffer(limit, open_per_terminal_max=1000)
    for n in range(100):
        feed(buffer, part(1, 2, n * 10), bytes(100), now=float(n))
        assert buffer.bytes_held <= limit
    assert len(buffer) == 20
    gone = [event for event in buffer.due(99.0) if isinstance(event, Abandoned)]
    assert [event.header.serial for event in gone] == [n * 10 for n in range(80)]
    assert {event.reason for event in gone} == {"memory"}
    assert buffer.counters["abandoned_memory"] == 80


def test_one_terminal_cannot_hold_more_open_messages_than_allowed() -> None:
    """The ninth message of a terminal evicts its most silent one; other terminals are not touched."""
    buffer = PartBuffer(1 << 20)
    feed(buffer, part(1, 2, 5), b"other", terminal="2")
    for n in range(9):
        feed(buffer, part(1, 2, n * 10), b"x", now=float(n))
    (gone,) = buffer.due(1.0)
    assert isinstance(gone, Abandoned)
    assert (gone.terminal, gone.header.serial, gone.reason) == (A, 0, "open_limit")
    assert len(buffer) == 9


def test_forget_drops_everything_of_one_terminal() -> None:
    """After forget nothing of the terminal is asked for, and its memory is free."""
    buffer = PartBuffer(1 << 20)
    feed(buffer, part(1, 2, 1), b"x")
    feed(buffer, part(1, 3, 50), b"x")
    feed(buffer, part(1, 2, 1), b"x", terminal="2")
    assert buffer.forget(A) == 2
    assert buffer.forget(A) == 0
    assert [event.terminal for event in buffer.due(5.0)] == ["2"]


def test_late_repetition_of_a_complete_message_is_no_new_message() -> None:
    """A part repeated after completion is not asked about and ends as "repeated", which is no loss."""
    pieces = message(3, 10)
    buffer = PartBuffer(1 << 20)
    assert completes(buffer, pieces) == [whole(pieces)]
    feed(buffer, *pieces[1])
    assert buffer.due(100.0) == []
    (gone,) = buffer.due(300.0)
    assert isinstance(gone, Abandoned)
    assert gone.reason == parts.ABANDONED_REPEATED


def test_new_message_with_the_serials_of_a_complete_one_is_not_swallowed() -> None:
    """After a restart a terminal may use the same serials; equal first parts belong to the new message too."""
    first, second = message(3, 0, mark=b"1"), message(3, 0, mark=b"2")
    second[0] = first[0]
    buffer = PartBuffer(1 << 20)
    assert completes(buffer, first) == [whole(first)]
    feed(buffer, *second[0])
    assert buffer.due(5.0) == []
    feed(buffer, *second[1], now=5.0)
    (ask,) = buffer.due(10.0)
    assert isinstance(ask, Missing)
    assert ask.numbers == (3,)
    assert completes(buffer, [second[2]]) == [whole(second)]


def test_memory_of_completed_messages_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory of completed messages forgets the oldest."""
    monkeypatch.setattr(parts, "COMPLETED_PARTS_MAX", 10)
    buffer = PartBuffer(1 << 20)
    for n in range(50):
        completes(buffer, message(3, n * 10))
    assert len(buffer._completed) == 3
    assert buffer._completed_parts == 9


def test_without_bodies_only_the_numbers_are_kept() -> None:
    """keep_bodies=False completes with an empty body and holds only the overhead."""
    buffer = PartBuffer(1 << 20, keep_bodies=False)
    feed(buffer, part(1, 2, 1), bytes(1000))
    assert buffer.bytes_held == parts.ASSEMBLY_OVERHEAD_BYTES + parts.PART_OVERHEAD_BYTES
    assert feed(buffer, part(1, 2, 1), bytes(1000)) == Progress(1, 2, duplicate=True, kept=False)
    done = feed(buffer, part(2, 2, 2), bytes(1000))
    assert isinstance(done, Complete)
    assert done.body == b""


def test_after_forgetting_a_repeated_last_part_asks_for_the_others() -> None:
    """The part that completed a message was refused: when it comes again, nothing is taken for granted."""
    buffer = PartBuffer(1 << 20)
    wire = b"".join(encode_frames(0x0801, bytes(500), phone="139", serial=5, edition=Edition.V2013, part_bytes=200))
    parts = [parse_header(event.payload) for event in FrameReader().feed(wire) if isinstance(event, Frame)]
    for header, body in parts:
        buffer.add("139", header, body, 0.0)

    buffer.forget_open()
    buffer.add("139", *parts[2], 1.0)

    (missing,) = buffer.due(10.0)
    assert isinstance(missing, Missing)
    assert missing.numbers == (1, 2)
