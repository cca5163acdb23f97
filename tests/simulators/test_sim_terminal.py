"""The state machine of a simulated terminal against a platform that answers well, badly or not at all."""

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
from terminal_bench import EDITIONS, Bench, unanswered
from tiny_platform import Seen, TinyPlatform

from jtgate.codecs import registry
from jtgate.codecs.edition import Edition
from jtgate.codecs.framing import wrap
from jtgate.codecs.jt808 import LocationBatch, LocationReport
from jtgate.simulators.alarms import CLEARED_BY_ANSWER
from jtgate.simulators.delivery import Delivery
from jtgate.simulators.dice import Dice
from jtgate.simulators.faults import Fault, FaultPlan
from jtgate.simulators.identity import Identity
from jtgate.simulators.rules import Rules
from jtgate.simulators.states import LinkOrder, State
from jtgate.simulators.tally import Tally

# ------------------------------------------------------------------------------------------ the session


@pytest.mark.parametrize("edition", EDITIONS)
def test_a_terminal_registers_authenticates_and_reports(edition: Edition) -> None:
    """0x0100, 0x0102 with the code of 0x8100, then locations; rising serials from 0."""
    bench = Bench(edition)
    bench.run(35)

    assert bench.terminal.state is State.ONLINE
    ids = [seen.header.msg_id for seen in bench.platform.seen]
    assert ids[:2] == [0x0100, 0x0102]
    assert ids.count(0x0200) in (3, 4)
    assert [seen.header.serial for seen in bench.platform.seen] == list(range(len(ids)))
    assert b"TEST-CODE" in bench.platform.of(0x0102)[0].body
    assert bench.tally.answered == bench.tally.sent
    assert bench.tally.results[0] == len(ids) - 1
    assert bench.tally.latency.total == len(ids)


@pytest.mark.parametrize("edition", EDITIONS)
def test_every_body_sent_is_what_its_declaration_says(edition: Edition) -> None:
    """Decoded strictly with nothing to tolerate, and encoded again to the same bytes."""
    rules = Rules(alarm_rate=0.5, blind_rate=0.02, media_rate=0.05, answer_wait_s=2.0)
    bench = Bench(edition, rules)
    bench.run(3000)
    seen_ids = set()
    for seen in bench.platform.seen:
        if seen.header.is_part:
            continue
        deviations: list[str] = []
        message = registry.decode_body(seen.header.msg_id, seen.body, edition, deviations)
        layout = registry.body_edition(seen.header.msg_id, seen.body, edition)
        assert not deviations, (seen, deviations)
        assert not seen.header.deviations
        assert registry.encode_body(message, layout) == seen.body
        seen_ids.add(seen.header.msg_id)

    assert {0x0100, 0x0102, 0x0200, 0x0702} <= seen_ids
    assert (0x0704 in seen_ids) == (edition is not Edition.V2011)
    assert (0x0800 in seen_ids) == (edition is not Edition.V2011)


def test_a_location_says_what_the_vehicle_does() -> None:
    """Position, speed, mileage and items of the last report are those of the vehicle."""
    bench = Bench(Edition.V2019)
    bench.run(60)
    report = registry.decode_body(0x0200, bench.platform.of(0x0200)[-1].body, Edition.V2019, [])
    assert isinstance(report, LocationReport)
    vehicle = bench.terminal.vehicle
    latitude, longitude, altitude_m = vehicle.position()

    assert report.latitude == pytest.approx(latitude, abs=1e-6)
    assert report.longitude == pytest.approx(longitude, abs=1e-6)
    assert report.altitude_m == round(altitude_m)
    assert report.speed_kmh == pytest.approx(vehicle.speed_kmh, abs=0.06)
    assert bool(report.status & 1) == vehicle.ignition
    assert [item.id for item in report.items] == [0x01, 0x02, 0x03, 0x14, 0x15, 0x25, 0x2A, 0x2B, 0x30, 0x31]
    assert int.from_bytes(report.items[0].raw) == round(vehicle.mileage_m / 100)


def test_reports_stand_on_the_grid_of_the_interval() -> None:
    """Device times are an interval apart, whenever the session came about."""
    bench = Bench(rules=Rules(interval_s=10))
    bench.run(300)
    times = [report_time_s(seen.body) for seen in bench.platform.of(0x0200)]

    assert len(times) >= 29
    assert {round(after - before) for before, after in pairwise(times)} == {10}


def report_time_s(body: bytes) -> float:
    """Device time of a location body."""
    report = registry.decode_body(0x0200, body, Edition.V2013, [])
    assert isinstance(report, LocationReport)
    return report.time.timestamp()  # type: ignore[union-attr]


def test_2013_sends_heartbeats_only_when_it_is_silent() -> None:
    """2019 sends them besides (§10.1)."""
    quiet = Bench(Edition.V2013, Rules(interval_s=1000, heartbeat_s=20))
    busy = Bench(Edition.V2013, Rules(interval_s=5, heartbeat_s=20))
    modern = Bench(Edition.V2019, Rules(interval_s=5, heartbeat_s=20))
    for bench in (quiet, busy, modern):
        bench.run(121)

    assert quiet.tally.sent[0x0002] in (5, 6)
    assert busy.tally.sent[0x0002] == 0
    assert modern.tally.sent[0x0002] == 6


def test_a_refused_registration_is_tried_again_then_the_link_is_closed() -> None:
    """Three times on one connection, counted, then a pause."""
    bench = Bench(
        judge=lambda seen: (
            [bench.platform.frame(seen.header, 0x8100, seen.header.serial.to_bytes(2) + b"\x02")]
            if seen.header.msg_id == 0x0100
            else None
        )
    )
    bench.run(11)

    assert bench.tally.refused["register"] == 3
    assert bench.orders == [LinkOrder.OPEN, LinkOrder.CLOSE]
    assert bench.tally.disconnects == {"refused": 1}
    bench.run(60)
    assert bench.orders[2] is LinkOrder.OPEN
    assert bench.tally.registered == 0


def test_a_refused_authentication_leads_to_a_new_registration() -> None:
    """The code is forgotten; the second registration goes through."""
    judged: list[Seen] = []

    def judge(seen: Seen) -> list[bytes] | None:
        if seen.header.msg_id == 0x0102 and not judged:
            judged.append(seen)
            return [bench.platform.general(seen, result=1)]
        return None

    bench = Bench(judge=judge)
    bench.run(20)

    assert [seen.header.msg_id for seen in bench.platform.seen][:4] == [0x0100, 0x0102, 0x0100, 0x0102]
    assert bench.terminal.state is State.ONLINE
    assert bench.tally.refused["authenticate"] == 1


def test_a_kicked_terminal_comes_back_with_its_code() -> None:
    """No second registration, and what was open when the link broke arrives in a batch."""
    bench = Bench(judge=unanswered(0x0200))
    bench.run(11)
    open_positions = bench.terminal.delivery.in_flight
    assert open_positions >= 1
    bench.platform.judge = None
    bench.up = False
    bench.terminal.lost(bench.now, "closed by platform")
    bench.run(30)

    assert bench.terminal.state is State.ONLINE
    assert len(bench.platform.of(0x0100)) == 1
    assert len(bench.platform.of(0x0102)) == 2
    assert bench.tally.disconnects == {"closed by platform": 1}
    assert bench.tally.carried_over[0x0200] == open_positions
    first_sent = {seen.body for seen in bench.platform.of(0x0200)[:open_positions]}
    assert first_sent <= set(positions_in_batches(bench.platform))
    assert not bench.tally.failed(interrupted=False)


def positions_in_batches(platform: TinyPlatform) -> list[bytes]:
    """Location bodies in all whole 0x0704, cut out by hand."""
    found = []
    for seen in platform.of(0x0704):
        if seen.header.is_part:
            continue
        at = 3
        while at < len(seen.body):
            length = int.from_bytes(seen.body[at : at + 2])
            found.append(seen.body[at + 2 : at + 2 + length])
            at += 2 + length
    return found


# ------------------------------------------------------------------------------------------ retransmission


def test_an_unanswered_report_is_sent_again_after_t_2t_6t_and_given_up() -> None:
    """Byte-identical, T(N+1) = T(N) × (N+1) (§10.3); then the link counts as dead."""
    times: list[float] = []

    def judge(seen: Seen) -> list[bytes] | None:
        if seen.header.msg_id == 0x0200:
            times.append(bench.now)
            return []
        return None

    bench = Bench(rules=Rules(interval_s=1000, answer_wait_s=2.0, retries=3, heartbeat_s=5000), judge=judge)
    bench.run(1000)
    reports = bench.platform.of(0x0200)[:4]

    assert [round(after - before, 3) for before, after in pairwise(times[:4])] == [2, 4, 12]
    assert len({seen.payload for seen in reports}) == 1
    assert bench.tally.resent[0x0200] == 3
    assert bench.tally.unanswered[0x0200] == 1
    assert bench.tally.disconnects["unanswered"] == 1
    assert bench.tally.failed(interrupted=True)


def test_a_late_answer_settles_what_was_sent_twice() -> None:
    """Answered after the first retransmission: one answer, one resent, waited for since the first transmission."""
    bench = Bench(rules=Rules(interval_s=1000, answer_wait_s=2.0, heartbeat_s=5000), judge=unanswered(0x0200))
    bench.run(700)
    while not bench.platform.of(0x0200):
        bench.run(10)
    seen = bench.platform.of(0x0200)[0]
    assert bench.terminal.delivery.in_flight == 1
    bench.run(2.5)
    bench.say(bench.platform.general(seen))

    assert bench.tally.answered[0x0200] == 1
    assert bench.terminal.delivery.in_flight == 0
    assert bench.tally.latency.max_us >= 2_000_000


@pytest.mark.parametrize(
    ("wrong", "counter"),
    [
        (lambda bench, seen: [bench.platform.general(seen), bench.platform.general(seen)], "answers_repeated"),
        (lambda bench, seen: [bench.platform.general(seen, serial=40_000)], "answers_wrong"),
        (lambda bench, seen: [bench.platform.general(seen, msg_id=0x0002)], "answers_wrong"),
    ],
)
def test_odd_answers_are_counted_and_settle_nothing(
    wrong: Callable[["Bench", Seen], list[bytes]], counter: str
) -> None:
    """Twice, for a serial never sent, for another message."""
    bench = Bench(judge=lambda seen: wrong(bench, seen) if seen.header.msg_id == 0x0200 else None)
    bench.run(11)
    sent = bench.tally.sent[0x0200]

    assert sent
    assert getattr(bench.tally, counter) == sent + bench.tally.resent[0x0200]
    assert bench.tally.answered[0x0200] == (sent if counter == "answers_repeated" else 0)


def test_an_answer_after_giving_up_is_late() -> None:
    """It is told apart from a wrong one while the link lasts."""
    tally = Tally()
    delivery = Delivery(Identity(0, "1", Edition.V2013), FaultPlan({}), tally, Dice(1, 1), wait_s=1.0, retries=0)
    delivery.send(0x0200, bytes(28), 0.0)
    assert len(delivery.retransmit(1.0)) == 1
    delivery.answer(0, 0x0200, 0, 1.5)

    assert tally.answers_late == 1
    assert tally.answers_wrong == 0


def test_bad_bytes_from_the_platform_are_counted_and_harm_nothing() -> None:
    """Garbage, a bad check byte, a body that is too short, an empty frame."""
    bench = Bench()
    bench.run(1)
    header = bench.platform.seen[0].header
    good = bench.platform.frame(header, 0x8001, bytes(5))
    bench.say(b"rubbish" + good[:-2] + bytes([good[-2] ^ 1]) + good[-1:])
    bench.say(bench.platform.frame(header, 0x8001, b"\0"))
    bench.say(bench.platform.frame(header, 0x8800, b"\0"))
    bench.say(wrap(bytes(12)))
    bench.run(60)

    assert bench.tally.frames_bad >= 4
    assert bench.terminal.state is State.ONLINE


def test_a_failure_is_sent_again_later_and_a_refusal_is_a_loss() -> None:
    """Result 1 goes back into the memory; results 2 and 3 mean that the platform will never have it."""
    results = iter([1, 2])

    def judge(seen: Seen) -> list[bytes] | None:
        if seen.header.msg_id != 0x0200:
            return None
        return [bench.platform.general(seen, result=next(results, 0))]

    bench = Bench(judge=judge)
    bench.run(60)
    failed, refused = bench.platform.of(0x0200)[:2]

    assert failed.body in positions_in_batches(bench.platform)
    assert refused.body not in positions_in_batches(bench.platform)
    assert bench.tally.positions_lost == 1
    assert bench.platform.of(0x0704)[0].body[2] == 0  # 正常位置批量汇报: the link was never lost
    assert (bench.tally.results[1], bench.tally.results[2]) == (1, 1)


# ------------------------------------------------------------------------------------------ alarms


@pytest.mark.parametrize("edition", EDITIONS)
def test_flags_of_class_a_are_cleared_by_the_answer_and_no_others(edition: Edition) -> None:
    """Table 4.2: bit 3 is A until 2013 and H in 2019, bit 31 is A in 2013 only."""
    bench = Bench(edition, Rules(interval_s=10))
    bench.run(1)
    bench.terminal.alarms.flags = 0xFFFFFFFF
    bench.run(11)

    assert bench.terminal.alarms.flags == 0xFFFFFFFF & ~CLEARED_BY_ANSWER[edition]
    assert bool(CLEARED_BY_ANSWER[edition] & 1 << 3) == (edition is not Edition.V2019)
    assert bool(CLEARED_BY_ANSWER[edition] & 1 << 31) == (edition is Edition.V2013)


def test_a_flag_of_class_a_is_repeated_until_the_answer() -> None:
    """Every report carries it while the platform is silent."""
    bench = Bench(rules=Rules(interval_s=10, answer_wait_s=100), judge=unanswered(0x0200))
    bench.run(1)
    bench.terminal.alarms.flags = 1
    bench.run(30)
    flags = [int.from_bytes(seen.body[:4]) for seen in bench.platform.of(0x0200)]
    assert flags
    assert set(flags) == {1}
    bench.say(bench.platform.general(bench.platform.of(0x0200)[-1]))

    assert bench.terminal.alarms.flags == 0


def test_the_end_of_a_condition_of_class_h_is_reported_at_once() -> None:
    """Between two slots of the grid, with the flag cleared."""
    bench = Bench(rules=Rules(interval_s=50, alarm_rate=1.0))
    bench.run(4000)
    reports = [
        (report_time_s(seen.body), int.from_bytes(seen.body[:4]) & ~CLEARED_BY_ANSWER[Edition.V2013])
        for seen in bench.platform.of(0x0200)
    ]
    ends = [
        (at_s - before_s, before & ~flags) for (before_s, before), (at_s, flags) in pairwise(reports) if before & ~flags
    ]

    assert len(ends) > 5
    assert all(0 <= gap_s < 51 for gap_s, _ in ends)
    assert sum(gap_s < 49 for gap_s, _ in ends) == len(ends)


def test_alarms_of_t_jsatl_12_come_with_number_and_in_pairs() -> None:
    """Items 0x64 and 0x65 decode; each end has a start with the same alarm id; ids count up from 0."""
    bench = Bench(rules=Rules(interval_s=10, alarm_rate=1.0))
    bench.run(6000)
    alarms = []
    for seen in bench.platform.of(0x0200):
        report = registry.decode_body(0x0200, seen.body, Edition.V2013, [])
        assert isinstance(report, LocationReport)
        alarms += [(item.id, item.value) for item in report.items if item.id in (0x64, 0x65)]
    begun = [value.alarm_id for _, value in alarms if value.flag in (0, 1)]
    ended = [value.alarm_id for _, value in alarms if value.flag == 2]

    assert {item_id for item_id, _ in alarms} == {0x64, 0x65}
    assert begun == list(range(begun[0], begun[0] + len(begun)))
    assert set(ended) <= {value.alarm_id for _, value in alarms if value.flag == 1}
    assert ended
    assert all(value.alarm_number.terminal_id == bench.terminal.identity.terminal_id for _, value in alarms)


# ------------------------------------------------------------------------------------------ blind areas


def test_what_was_not_sent_in_a_blind_area_arrives_afterwards_as_a_batch() -> None:
    """Every slot of the grid arrives exactly once, in 0x0200 or in 0x0704 of type 1, none is lost."""
    bench = Bench(rules=Rules(interval_s=10, blind_rate=0.1))
    bench.run(3000)
    bench.terminal.drain(bench.now, flush=True)
    bench.run(60)
    losses = bench.tally.disconnects["network lost (simulated)"]
    bodies = [seen.body for seen in bench.platform.of(0x0200)] + whole_batches(bench.platform)
    times = sorted(report_time_s(body) for body in bodies)

    assert losses > 5
    assert set(bench.orders) >= {LinkOrder.OPEN, LinkOrder.ABORT, LinkOrder.ABANDON}
    assert {round(after - before) for before, after in pairwise(times)} == {10}
    assert {seen.body[2] for seen in bench.platform.of(0x0704) if not seen.header.is_part} == {1}
    assert bench.terminal.quiet
    assert not bench.tally.failed(interrupted=False)


def whole_batches(platform: TinyPlatform) -> list[bytes]:
    """Location bodies in all 0x0704, sub-packaged ones put together."""
    parts: dict[int, dict[int, bytes]] = {}
    bodies = positions_in_batches(platform)
    for seen in platform.of(0x0704):
        if seen.header.packet_no is not None:
            parts.setdefault(seen.header.serial - seen.header.packet_no, {})[seen.header.packet_no] = seen.body
    for pieces in parts.values():
        batch = registry.decode_body(0x0704, b"".join(pieces[n] for n in sorted(pieces)), Edition.V2013, [])
        assert isinstance(batch, LocationBatch)
        bodies += [item.encode() for item in batch.items]
    return bodies


def test_a_2011_terminal_sends_what_it_kept_as_single_reports() -> None:
    """It has no 0x0704."""
    bench = Bench(Edition.V2011, Rules(interval_s=10, blind_rate=0.1))
    bench.run(1500)

    assert bench.tally.disconnects
    assert not bench.platform.of(0x0704)
    times = sorted(report_time_s(seen.body) for seen in bench.platform.of(0x0200))
    assert {round(after - before) for before, after in pairwise(times)} == {10}


def test_the_memory_of_a_terminal_has_an_end_and_what_falls_out_is_counted() -> None:
    """After days without a platform the newest positions are kept, the others are lost."""
    from jtgate.simulators.memory import POSITIONS_MAX

    bench = Bench(rules=Rules(interval_s=10))
    bench.run(20)
    bench.terminal.lost(bench.now, "closed by platform")
    for _ in range(POSITIONS_MAX + 50):
        bench.now += 10
        bench.terminal.tick(bench.now)
        if bench.terminal.take_order() is LinkOrder.OPEN:
            bench.terminal.connect_failed(bench.now)

    assert bench.terminal.unsent == POSITIONS_MAX
    assert 45 <= bench.tally.positions_lost <= 52
    assert bench.tally.connect_failed > 20
    assert bench.tally.failed(interrupted=True)


def test_congestion_fills_the_memory_and_empties_it_again() -> None:
    """While the shell cannot write nothing more is queued; afterwards it goes out as a normal batch."""
    bench = Bench(rules=Rules(interval_s=10))
    bench.run(15)
    sent = bench.tally.sent[0x0200]
    bench.terminal.congested = True
    bench.run(50)
    assert bench.tally.sent[0x0200] == sent
    assert bench.terminal.unsent == 5
    bench.terminal.congested = False
    bench.run(5)

    assert bench.terminal.unsent == 0
    assert [seen.body[:3] for seen in bench.platform.of(0x0704)] == [b"\0\5\0"]


# ------------------------------------------------------------------------------------------ long messages


def picture_bench(judge: Callable[[Seen], list[bytes] | None] | None = None, seed: int = 1) -> Bench:
    """A terminal that takes pictures often."""
    return Bench(rules=Rules(interval_s=10, media_rate=0.5, answer_wait_s=2.0), judge=judge, seed=seed)


@pytest.mark.parametrize("seed", range(4))
def test_a_picture_goes_out_in_parts_and_ends_with_0x8800(seed: int) -> None:
    """Consecutive serials, every part answered, the whole decodes to a picture with its place."""
    bench = picture_bench(seed=seed)
    bench.run(200)
    parts = bench.platform.of(0x0801)
    total = parts[0].header.packet_total
    assert total is not None
    first = parts[:total]

    assert [seen.header.packet_no for seen in first] == list(range(1, total + 1))
    assert [seen.header.serial for seen in first] == list(range(first[0].header.serial, first[0].header.serial + total))
    upload = registry.decode_body(0x0801, b"".join(seen.body for seen in first), Edition.V2013, [])
    assert upload.data[:2] == b"\xff\xd8"  # type: ignore[union-attr]
    assert upload.location is not None  # type: ignore[union-attr]
    assert bench.tally.uploads["complete"] >= bench.tally.uploads["begun"] - 2 > 3
    assert bench.tally.unanswered.total() == 0


def test_parts_asked_for_by_0x8003_are_byte_identical() -> None:
    """The same bytes with the same serials, and only those asked for; unknown ones are counted."""
    bench = picture_bench(judge=unanswered(0x0801))
    while not bench.platform.of(0x0801):
        bench.run(1)
    sent = bench.platform.of(0x0801)
    first = sent[0]
    count = len(bench.platform.seen)
    body = first.header.serial.to_bytes(2) + b"\2" + (1).to_bytes(2) + (200).to_bytes(2)
    bench.command(0x8003, body)
    again = bench.platform.seen[count:]

    assert [seen.payload for seen in again] == [first.payload]
    assert bench.tally.resent_on_request == 1
    assert bench.tally.requests_unknown == 1
    bench.command(0x8003, b"\x99\x99\1\0\1")
    assert bench.tally.requests_unknown == 2


def test_0x8800_with_missing_parts_brings_them_again() -> None:
    """And the picture is complete when they are there."""
    lost: list[Seen] = []

    def judge(seen: Seen) -> list[bytes] | None:
        header = seen.header
        if header.msg_id != 0x0801:
            return None
        if header.packet_no == 2 and not lost:
            lost.append(seen)
            return [bench.platform.general(seen)]
        if header.packet_no == header.packet_total and lost and lost[-1].header.packet_total == header.packet_total:
            missing = bench.platform.media[(header.serial - header.packet_no + 1) & 0xFFFF]  # type: ignore[operator]
            missing[header.packet_no] = seen.body  # type: ignore[index]
            if 2 not in missing:
                return [
                    bench.platform.general(seen),
                    bench.platform.frame(header, 0x8800, missing[1][:4] + b"\1\0\2"),
                ]
        return None

    bench = picture_bench(judge=judge)
    while not bench.tally.uploads["complete"]:
        bench.run(5)
    twos = [seen.payload for seen in bench.platform.of(0x0801) if seen.header.packet_no == 2]

    assert twos[0] == twos[1]
    assert bench.tally.resent_on_request == 1


def test_a_picture_without_0x8800_is_given_up_after_asking() -> None:
    """Every part is answered and the end never comes: the last part is repeated, then it counts as failed."""
    bench = picture_bench(judge=lambda seen: [bench.platform.general(seen)] if seen.header.msg_id == 0x0801 else None)
    while not bench.tally.uploads["given_up"]:
        bench.run(5)

    assert bench.tally.resent[0x0801] == 3
    assert bench.terminal.state is State.ONLINE
    assert bench.tally.failed(interrupted=False)


def test_a_picture_cut_off_by_the_network_is_sent_again_and_completed() -> None:
    """With new serials, once; nothing is left hanging."""
    bench = picture_bench(judge=unanswered(0x0801))
    while not bench.platform.of(0x0801):
        bench.run(0.5)
    bench.platform.judge = None
    bench.up = False
    bench.terminal.lost(bench.now, "reset")
    bench.terminal.drain(bench.now, flush=True)
    bench.run(60)

    assert bench.tally.uploads["complete"] == bench.tally.uploads["begun"] >= 1
    assert bench.terminal.quiet
    assert not bench.tally.failed(interrupted=False)


def test_other_messages_that_do_not_fit_the_memory_are_counted() -> None:
    """Pictures taken during a long loss: the last ones are kept, the others make the run a failure."""
    from jtgate.simulators.memory import TODO_MAX

    bench = picture_bench()
    bench.run(20)
    bench.terminal.lost(bench.now, "reset")
    for _ in range(100):
        bench.now += 10
        bench.terminal.tick(bench.now)
        if bench.terminal.take_order() is LinkOrder.OPEN:
            bench.terminal.connect_failed(bench.now)

    assert len(bench.terminal.memory.todo) == TODO_MAX
    assert bench.tally.messages_lost.total() > 20
    assert bench.tally.failed(interrupted=True)


def test_the_change_of_drivers_is_reported() -> None:
    """A card is inserted at first, and removed when the day is over."""
    bench = Bench(rules=Rules(interval_s=60))
    bench.run(20 * 3600)
    states = [seen.body[0] for seen in bench.platform.of(0x0702)]

    assert {1, 2} == set(states)
    assert all(before != after for before, after in pairwise(states))


# ------------------------------------------------------------------------------------------ faults


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.STORM])
@pytest.mark.parametrize("edition", EDITIONS)
def test_each_fault_on_every_frame_loses_nothing(fault: Fault, edition: Edition) -> None:
    """With a rate of 1 the platform still gets every report with its right body and answers it."""
    rules = Rules(interval_s=10, answer_wait_s=8.0, media_rate=0.03, faults=FaultPlan({fault: 1.0}))
    bench = Bench(edition, rules)
    bench.run(400)
    bench.terminal.drain(bench.now, flush=True)
    bench.run(60)
    clean = Bench(edition, Rules(interval_s=10, media_rate=0.03))
    clean.run(400)
    bodies = list(dict.fromkeys(seen.body for seen in bench.platform.of(0x0200)))

    assert bench.tally.faults[fault] > 20
    assert bench.terminal.quiet
    assert not bench.tally.failed(interrupted=False)
    assert bench.tally.answers_wrong == 0
    assert bench.tally.answered == bench.tally.sent
    expected = [seen.body for seen in clean.platform.of(0x0200)]
    assert bodies[: len(expected)] == expected
    if fault is Fault.CHECKSUM:
        assert bench.tally.resent_after_fault == bench.platform.bad == bench.tally.faults[fault]
    elif fault is Fault.REPEAT:
        assert bench.tally.answers_repeated >= bench.tally.faults[fault] - 5
    elif fault in (Fault.GLUE, Fault.REORDER):
        assert bench.tally.sent[0x0002] >= 20


def test_an_answer_to_a_damaged_frame_is_told() -> None:
    """A platform that answers without looking at the check byte is found out."""
    tally = Tally()
    plan = FaultPlan({Fault.CHECKSUM: 1.0})
    delivery = Delivery(Identity(0, "1", Edition.V2013), plan, tally, Dice(1, 1), wait_s=1.0, retries=3)
    delivery.send(0x0200, bytes(28), 0.0)
    delivery.answer(0, 0x0200, 0, 0.1)

    assert tally.answers_to_damaged == 1
    assert delivery.in_flight == 1
    assert tally.failed(interrupted=True)


def test_the_second_half_follows_later_and_nothing_overtakes_it() -> None:
    """What is sent meanwhile waits behind the half frame."""
    tally = Tally()
    plan = FaultPlan({Fault.HALF: 1.0})
    delivery = Delivery(Identity(0, "1", Edition.V2013), plan, tally, Dice(1, 1), wait_s=5.0, retries=3)
    delivery.send(0x0200, bytes(28), 0.0)
    first = delivery.outbox.take(0.0)
    delivery.reply(0x0001, bytes(5), 0.001)
    assert delivery.outbox.take(0.01) == []
    later = delivery.outbox.take(1.0)

    assert len(first) == 1
    assert len(later) == 2
    platform = TinyPlatform()
    platform.feed(first[0] + later[0] + later[1])
    assert [seen.header.msg_id for seen in platform.seen] == [0x0200, 0x0001]
    assert delivery.outbox.deadline == math.inf


# ------------------------------------------------------------------------------------------ repetition


@pytest.mark.parametrize("edition", EDITIONS)
def test_the_same_seed_gives_the_same_bytes(edition: Edition) -> None:
    """With everything switched on, and another seed gives others."""
    rules = Rules(alarm_rate=0.2, blind_rate=0.05, media_rate=0.05, answer_wait_s=2.0, faults=FaultPlan.parse("all"))
    one, two, other = (Bench(edition, rules, seed=seed) for seed in (4, 4, 5))
    for bench in (one, two, other):
        bench.run(2000)

    assert b"".join(one.pieces) == b"".join(two.pieces)
    assert b"".join(one.pieces) != b"".join(other.pieces)


def test_reports_do_not_depend_on_when_answers_come() -> None:
    """Whether or not the link was up, the n-th slot of a terminal has the same body."""
    prompt, slow = Bench(rules=Rules(interval_s=10)), Bench(rules=Rules(interval_s=10))
    prompt.run(200)
    slow.terminal.tick(slow.now)
    slow.terminal.take_order()
    slow.now += 35
    slow.terminal.connect_failed(slow.now)
    slow.run(165)
    early = {report_time_s(seen.body): seen.body for seen in prompt.platform.of(0x0200)}
    late = {report_time_s(seen.body): seen.body for seen in slow.platform.of(0x0200)}

    assert len(late) > 10
    assert late.items() <= early.items()
