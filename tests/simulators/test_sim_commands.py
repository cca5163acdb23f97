"""What a simulated terminal does when the platform tells it something."""

import pytest
from terminal_bench import EDITIONS, Bench

from jtgate.codecs import registry
from jtgate.codecs.edition import Edition
from jtgate.codecs.header import encode_frames
from jtgate.codecs.jt808 import Parameter, SetParameters
from jtgate.simulators.rules import Rules


@pytest.mark.parametrize("edition", EDITIONS)
def test_parameters_are_asked_for_and_set(edition: Edition) -> None:
    """0x8104 gives 0x0104 that quotes it; 0x8103 is answered 0 and changes interval and heartbeat."""
    bench = Bench(edition, Rules(interval_s=10))
    bench.run(5)
    wanted = SetParameters(parameters=(Parameter.of(0x0029, 3), Parameter.of(0x0001, 7), Parameter.of(0x0013, "h")))
    serial = bench.command(0x8103, registry.encode_body(wanted, edition))
    assert bench.platform.of(0x0001)[0].body == serial.to_bytes(2) + b"\x81\x03\0"
    serial = bench.command(0x8104)
    answer = registry.decode_body(0x0104, bench.platform.of(0x0104)[0].body, edition, [])
    values = {parameter.id: parameter.value for parameter in answer.parameters}  # type: ignore[union-attr]

    assert answer.answer_serial == serial  # type: ignore[union-attr]
    assert (values[0x0029], values[0x0001], values[0x0013], values[0x0084]) == (3, 7, "h", 2)
    before = bench.tally.sent[0x0200]
    bench.run(30)
    assert bench.tally.sent[0x0200] - before == 10


@pytest.mark.parametrize("edition", EDITIONS)
def test_a_location_query_is_answered_with_the_present_state(edition: Edition) -> None:
    """0x8201 gives 0x0201; asking does not change what is reported later."""
    asked, left_alone = Bench(edition), Bench(edition)
    for bench in (asked, left_alone):
        bench.run(25)
    serial = asked.command(0x8201)
    answer = registry.decode_body(0x0201, asked.platform.of(0x0201)[0].body, edition, [])
    for bench in (asked, left_alone):
        bench.run(200)

    assert answer.answer_serial == (None if edition is Edition.V2011 else serial)  # type: ignore[union-attr]
    assert [seen.body for seen in asked.platform.of(0x0200)] == [seen.body for seen in left_alone.platform.of(0x0200)]


def test_a_text_is_confirmed_and_an_unknown_command_is_not_supported() -> None:
    """0x8300 result 0, an id of nobody result 3, an answer to nothing is never sent."""
    bench = Bench()
    bench.run(5)
    first = bench.command(0x8300, b"\x08hello")
    second = bench.command(0xF123, bytes(132))

    assert [seen.body for seen in bench.platform.of(0x0001)] == [
        first.to_bytes(2) + b"\x83\x00\0",
        second.to_bytes(2) + b"\xf1\x23\3",
    ]
    assert bench.tally.refused["command"] == 1


def answers(bench: Bench) -> list[str]:
    """The general answers so far: serial, id and result."""
    return [seen.body.hex() for seen in bench.platform.of(0x0001)]


@pytest.mark.parametrize("edition", EDITIONS)
def test_only_the_parameters_asked_for_are_told(edition: Edition) -> None:
    """0x8106; one that it does not have is left out."""
    bench = Bench(edition)
    bench.run(5)
    serial = bench.command(0x8106, bytes.fromhex("03 00000029 00000001 0000f000"))
    answer = registry.decode_body(0x0104, bench.platform.of(0x0104)[0].body, edition, [])

    assert answer.answer_serial == serial  # type: ignore[union-attr]
    assert [parameter.id for parameter in answer.parameters] == [0x0001, 0x0029]  # type: ignore[union-attr]


@pytest.mark.parametrize("edition", EDITIONS)
def test_attributes_are_told(edition: Edition) -> None:
    """0x8107 gives 0x0107 with the terminal id of the registration."""
    bench = Bench(edition)
    bench.run(5)
    bench.command(0x8107)
    answer = registry.decode_body(0x0107, bench.platform.of(0x0107)[0].body, edition, [])

    assert answer.terminal_id == "S000003"  # type: ignore[union-attr]


def test_tracking_changes_the_interval_for_a_while() -> None:
    """0x8202: every two seconds for twenty, then as before; 0 ends it at once."""
    bench = Bench(rules=Rules(interval_s=10))
    bench.run(5)
    serial = bench.command(0x8202, bytes.fromhex("0002 00000014"))
    before = bench.tally.sent[0x0200]
    bench.run(20)
    during = bench.tally.sent[0x0200]
    bench.run(100)

    assert answers(bench) == [f"{serial:04x}820200"]
    assert during - before == pytest.approx(10, abs=1)
    assert bench.tally.sent[0x0200] - during == pytest.approx(10, abs=1)

    bench.command(0x8202, bytes.fromhex("0002 00000e10"))
    bench.command(0x8202, bytes.fromhex("0000"))
    before = bench.tally.sent[0x0200]
    bench.run(100)
    assert bench.tally.sent[0x0200] - before == pytest.approx(10, abs=1)


@pytest.mark.parametrize("edition", EDITIONS)
def test_confirmations_and_link_checks_are_answered(edition: Edition) -> None:
    """0x8203 and 0x8204 with result 0."""
    bench = Bench(edition)
    bench.run(5)
    first = bench.command(0x8203, bytes(6))
    second = bench.command(0x8204)

    assert answers(bench) == [f"{first:04x}820300", f"{second:04x}820400"]


@pytest.mark.parametrize("body", ["01 00000029 04 00", "01 0000", "02 00000029 04 00000005 00000001 09"])
def test_a_command_that_cannot_be_read_gets_result_2(body: str) -> None:
    """And nothing of it is done."""
    bench = Bench()
    bench.run(5)
    serial = bench.command(0x8103, bytes.fromhex(body))

    assert answers(bench) == [f"{serial:04x}810302"]
    assert bench.terminal.parameters.interval_s == 10.0
    assert bench.tally.refused["malformed command"] == 1


def parts(bench: Bench) -> list[bytes]:
    """0x8103 in three parts, serials from 500."""
    body = bytes.fromhex("03" + "00000029 04 00000021" * 3)
    header = bench.platform.seen[0].header
    return encode_frames(0x8103, body, phone=header.phone, serial=500, edition=header.edition, part_bytes=12)


@pytest.mark.parametrize("edition", [Edition.V2013, Edition.V2019])
def test_a_command_in_parts_is_put_together(edition: Edition) -> None:
    """In any order; the answer quotes the first part."""
    bench = Bench(edition)
    bench.run(5)
    for number in (2, 0, 0, 1):
        bench.say(parts(bench)[number])

    assert answers(bench) == ["01f4810300"]
    assert bench.terminal.parameters.interval_s == 33.0


def test_missing_parts_are_asked_for_in_2019() -> None:
    """0x0005 with the serial of the first part, three times; then the command is given up."""
    bench = Bench(Edition.V2019)
    bench.run(5)
    bench.say(parts(bench)[0])
    bench.run(90)

    assert [seen.body.hex() for seen in bench.platform.of(0x0005)] == ["01f4000200020003"] * 3
    assert answers(bench) == []
    assert bench.terminal.commands.deadline == float("inf")


def test_missing_parts_are_waited_for_in_2013() -> None:
    """There is no message to ask with; after a minute the parts are forgotten, and with a new link."""
    bench = Bench()
    bench.run(5)
    bench.say(parts(bench)[0])
    bench.run(90)
    assert bench.platform.of(0x0005) == []
    assert bench.terminal.commands.deadline == float("inf")

    bench.say(parts(bench)[0])
    bench.terminal.lost(bench.now, "test")
    bench.up = False
    bench.run(60)
    for number in (1, 2):
        bench.say(parts(bench)[number])
    assert answers(bench) == []
