"""Terminals that answer commands late, twice, wrongly or never, and what of it is executed."""

import pytest
from terminal_bench import Bench
from tiny_platform import Seen

from jtgate.codecs.edition import Edition
from jtgate.codecs.parts import Complete, PartBuffer
from jtgate.simulators.command_faults import COMMAND_FAULTS, CommandFault, CommandFaultPlan
from jtgate.simulators.dice import Dice
from jtgate.simulators.rules import Rules

TEXT = b"\x08hello"


def faulty(fault: CommandFault, edition: Edition = Edition.V2013, late_s: float = 15.0) -> Bench:
    """A terminal that is logged in and treats every command so."""
    bench = Bench(edition, Rules(answer_wait_s=2.0, command_faults=CommandFaultPlan({fault: 1.0}, late_s)))
    bench.run(5)
    return bench


def again(bench: Bench, msg_id: int, serial: int, body: bytes) -> None:
    """The same command once more."""
    bench.platform.serial = serial
    bench.command(msg_id, body)


def general(bench: Bench) -> list[str]:
    """Every 0x0001 so far."""
    return [seen.body.hex() for seen in bench.platform.of(0x0001)]


def test_late() -> None:
    """Executed at once, answered after so many seconds, each time it comes."""
    bench = faulty(CommandFault.LATE, late_s=4.0)
    serial = bench.command(0x8300, TEXT)
    executed = bench.tally.commands_executed
    bench.run(3.9)
    before = general(bench)
    again(bench, 0x8300, serial, TEXT)
    bench.run(0.2)
    first = general(bench)
    bench.run(10)

    assert (executed, before) == (1, [])
    assert first == [f"{serial:04x}830000"]
    assert general(bench) == [f"{serial:04x}830000"] * 2
    assert bench.tally.commands_executed == 1


def test_a_late_answer_goes_with_its_link() -> None:
    """It is counted as lost, and the next link has nothing of it."""
    bench = faulty(CommandFault.LATE, late_s=4.0)
    bench.command(0x8300, TEXT)
    bench.terminal.lost(bench.now, "test")
    bench.run(60)

    assert general(bench) == []
    assert bench.tally.replies_lost == 1


def test_twice() -> None:
    """The very same frame, 0x0001 or another."""
    bench = faulty(CommandFault.TWICE)
    bench.command(0x8300, TEXT)
    bench.command(0x8104)
    texts, parameters = bench.platform.of(0x0001), bench.platform.of(0x0104)

    assert [len(texts), len(parameters)] == [2, 2]
    assert texts[0].payload == texts[1].payload
    assert parameters[0].payload == parameters[1].payload


def test_never() -> None:
    """Executed, once, and silent however often it comes."""
    bench = faulty(CommandFault.NEVER)
    body = bytes.fromhex("01 00000029 04 00000003")
    serial = bench.command(0x8103, body)
    again(bench, 0x8103, serial, body)
    bench.run(30)
    cards = len(bench.platform.of(0x0702))
    bench.command(0x8702)
    bench.run(2)

    assert general(bench) == []
    assert len(bench.platform.of(0x0702)) == cards
    assert bench.terminal.parameters.interval_s == 3.0
    assert (bench.tally.commands_executed, bench.tally.commands_repeated) == (2, 1)


def test_second() -> None:
    """The first copy is executed in silence, the second one answered, and the third."""
    bench = faulty(CommandFault.SECOND)
    serial = bench.command(0x8300, TEXT)
    first = general(bench)
    for _ in range(2):
        again(bench, 0x8300, serial, TEXT)

    assert first == []
    assert general(bench) == [f"{serial:04x}830000"] * 2
    assert bench.tally.commands_executed == 1


def test_wrong_serial() -> None:
    """0x0001 and answers that quote a serial quote the next one."""
    bench = faulty(CommandFault.WRONG_SERIAL)
    bench.platform.serial = 0xFFFF
    bench.command(0x8300, TEXT)
    serial = bench.command(0x8104)
    bench.command(0x8107)

    assert general(bench) == ["0000830000"]
    assert bench.platform.of(0x0104)[0].body[:2] == (serial + 1).to_bytes(2)
    assert len(bench.platform.of(0x0107)) == 1  # it has no serial: nothing can be wrong


def test_wrong_id() -> None:
    """0x0001 with the right serial for a command that was not sent, in place of everything else."""
    bench = faulty(CommandFault.WRONG_ID)
    first = bench.command(0x8300, TEXT)
    second = bench.command(0x8104)

    assert general(bench) == [f"{first:04x}830100", f"{second:04x}810500"]
    assert bench.platform.of(0x0104) == []


@pytest.mark.parametrize(
    ("fault", "result"),
    [(CommandFault.FAILURE, 1), (CommandFault.MESSAGE_ERROR, 2), (CommandFault.NOT_SUPPORTED, 3)],
)
def test_a_result_other_than_0(fault: CommandFault, result: int) -> None:
    """In place of every answer, and nothing is executed."""
    bench = faulty(fault)
    first = bench.command(0x8103, bytes.fromhex("01 00000029 04 00000003"))
    second = bench.command(0x8201)

    assert general(bench) == [f"{first:04x}81030{result}", f"{second:04x}82010{result}"]
    assert bench.platform.of(0x0201) == []
    assert bench.terminal.parameters.interval_s == 10.0
    assert bench.tally.commands_executed == 0


def joined(seen: list[Seen]) -> list[bytes]:
    """Bodies that are complete when the parts of each message are put together."""
    parts = PartBuffer(1 << 20)
    taken = [parts.add("", one.header, one.body, 0.0) for one in seen]
    return [one.body for one in taken if isinstance(one, Complete)]


@pytest.mark.parametrize("edition", [Edition.V2013, Edition.V2019])
def test_lost_part(edition: Edition) -> None:
    """A short answer too comes in parts; the missing one follows when 0x8003 asks for it."""
    bench = faulty(CommandFault.LOST_PART, edition)
    serial = bench.command(0x8300, TEXT)
    seen = bench.platform.of(0x0001)
    first_serial = seen[0].header.serial
    count = b"\0\1" if edition is Edition.V2019 else b"\1"
    incomplete = joined(seen)
    bench.command(0x8003, first_serial.to_bytes(2) + count + b"\0\2")

    assert [one.header.packet_no for one in seen] == [1, 3]
    assert incomplete == []
    assert joined(bench.platform.of(0x0001)) == [bytes.fromhex(f"{serial:04x}830000")]


def test_lost_part_of_a_command_that_is_repeated() -> None:
    """Then everything comes."""
    bench = faulty(CommandFault.LOST_PART)
    serial = bench.command(0x8104)
    first = joined(bench.platform.of(0x0104))
    again(bench, 0x8104, serial, b"")
    whole = [seen for seen in bench.platform.of(0x0104) if not seen.header.is_part]

    assert first == []
    assert [seen.body[:2] for seen in whole] == [serial.to_bytes(2)]


def test_parts_of_a_long_answer_are_repeated_on_request() -> None:
    """Without any fault, byte for byte; parts of an answer that is long gone are counted as unknown."""
    bench = Bench()
    bench.run(5)
    bench.command(0x8802, bytes.fromhex("00 00 01") + bytes(12))
    sent = bench.platform.of(0x0802)
    first_serial = sent[0].header.serial
    bench.command(0x8003, first_serial.to_bytes(2) + b"\1\0\2")
    repeated = bench.platform.of(0x0802)[len(sent) :]
    bench.command(0x8003, b"\x77\x77\1\0\2")

    assert [seen.payload for seen in repeated] == [sent[1].payload]
    assert bench.tally.requests_unknown == 1


def test_the_fate_of_a_command_depends_on_its_number_and_the_seed_only() -> None:
    """And comes as often as its rate says."""
    plan = CommandFaultPlan.parse("late=0.1,never:0.05,twice")
    fates = [[plan.draw(Dice(seed, 7), count) for count in range(4000)] for seed in (1, 1, 2)]

    assert fates[0] == fates[1] != fates[2]
    for fault, share in ((CommandFault.LATE, 0.1), (CommandFault.NEVER, 0.05), (CommandFault.TWICE, 0.05)):
        assert fates[0].count(fault) / 4000 == pytest.approx(share, abs=0.02)
    assert CommandFault.SECOND not in fates[0]


def test_faults_made_are_counted() -> None:
    """By name, once for each command."""
    bench = faulty(CommandFault.TWICE)
    serial = bench.command(0x8300, TEXT)
    again(bench, 0x8300, serial, TEXT)
    told = bench.tally.as_json()

    assert told["command_faults"] == {"twice": 1}
    assert (told["commands_executed"], told["commands_repeated"]) == (1, 1)


@pytest.mark.parametrize("text", ["nonsense", "late=x", "late=2", "all=0.5", "late=-1"])
def test_a_plan_that_makes_no_sense_is_refused(text: str) -> None:
    """Unknown name, no number, no share, more than all together."""
    with pytest.raises(ValueError, match=r"fault|rate"):
        CommandFaultPlan.parse(text)


def test_all_is_every_fault_at_its_usual_rate() -> None:
    """A name after it has its own."""
    plan = CommandFaultPlan.parse("all,never=0")

    assert plan.rates.keys() == set(CommandFault)
    assert plan.rates[CommandFault.NEVER] == 0
    assert plan.rates[CommandFault.LATE] == COMMAND_FAULTS[CommandFault.LATE].rate
