"""Commands to connected terminals and their answers: a real gateway, real sockets, the bus from another process."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Running, running, wait_until
from office import LOCATION, Driven, Office

from jtgate.codecs.edition import Edition
from jtgate.codecs.header import Header
from jtgate.storage.commands import CommandState

RETRY_S = 0.4

ANSWERED, REFUSED, NO_ANSWER = CommandState.ANSWERED, CommandState.REFUSED, CommandState.NO_ANSWER
PARAMETERS = bytes.fromhex("02 00000001 04 0000003c 00000055 04 00000064".replace(" ", ""))
SHOT: dict[str, object] = {
    "channel": 1,
    "command": 1,
    "interval_s": 0,
    "save": 0,
    "resolution": 1,
    "quality": 5,
    "brightness": 0,
    "contrast": 0,
    "saturation": 0,
    "chroma": 0,
}


@pytest.fixture(scope="module")
def running_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One gateway for all tests here; each has terminals of its own."""
    data: Path = tmp_path_factory.mktemp("commands") / "data"
    with running(data, command_retry_seconds=RETRY_S, command_retries=1) as found:
        yield found


@pytest.fixture(scope="module")
def office(running_gateway: Running) -> Iterator[Office]:
    """Who gives the commands."""
    found = Office(running_gateway.data)
    yield found
    found.bus.close()


_numbers = iter(range(10_000))


@pytest.fixture
def terminal(running_gateway: Running) -> Driven:
    """A terminal that is online."""
    return Driven(running_gateway.port, f"1390000{next(_numbers):04d}").go_online()


@pytest.mark.parametrize("edition", [Edition.V2013, Edition.V2019])
@pytest.mark.parametrize("udp", [False, True], ids=["tcp", "udp"])
def test_a_command_is_sent_in_the_form_of_the_terminal_and_answered(
    running_gateway: Running, office: Office, udp: bool, edition: Edition
) -> None:
    """0x0001 with result 0 answers it; header, body and serial are of the terminal's edition and link."""
    phone = f"1390000{next(_numbers):04d}"
    terminal = Driven(running_gateway.port, phone, udp=udp, edition=edition).go_online()
    fields: dict[str, object] = {"flags": 8, "text": "测试"}
    if edition is Edition.V2019:
        fields["text_type"] = 1
    command = office.order(phone, 0x8300, fields)
    header, body = terminal.command()
    assert (header.msg_id, header.edition, header.terminal) == (0x8300, edition, phone)
    assert body == (b"\x08" if edition is Edition.V2013 else b"\x08\x01") + "测试".encode("gbk")
    assert office.get(command).state is CommandState.SENT
    terminal.general(header)
    done = office.until(command)
    assert (done.state, done.result, done.answer_id, done.attempts) == (ANSWERED, 0, 0x0001, 1)
    assert (done.edition, done.serial, done.error) == (str(edition), header.serial, "")


def test_the_serials_of_commands_go_on_behind_those_of_answers(office: Office, terminal: Driven) -> None:
    """Both come from one counter of the link (§10.4)."""
    command = office.text(terminal.phone)
    header, _ = terminal.command()
    terminal.general(header)
    office.until(command)
    answer, _ = terminal.ask(0x0200, LOCATION, 3)
    assert answer.serial == header.serial + 1


@pytest.mark.parametrize("result", [1, 2, 3, 77])
def test_a_refusal_is_told_with_its_meaning(office: Office, terminal: Driven, result: int) -> None:
    """0x0001 with another result than 0 ends it, also where a message of its own was expected."""
    commands = [office.text(terminal.phone), office.order(terminal.phone, 0x8104)]
    for header, _ in terminal.commands(2):
        terminal.general(header, result)
    meaning = {1: "failure", 2: "message error", 3: "not supported"}.get(result, "result 77")
    for command in commands:
        done = office.until(command)
        assert (done.state, done.result, done.error) == (REFUSED, result, meaning)


def test_a_message_of_its_own_answers_with_its_fields(office: Office, terminal: Driven) -> None:
    """0x8104 is answered by the 0x0104 that quotes it, and by nothing else."""
    command = office.order(terminal.phone, 0x8104)
    header, body = terminal.command()
    assert (header.msg_id, body) == (0x8104, b"")
    terminal.send(0x0104, header.serial.to_bytes(2) + PARAMETERS, 5)
    done = office.until(command)
    assert (done.state, done.answer_id, done.result) == (ANSWERED, 0x0104, None)
    assert done.answer is not None
    assert done.answer["count"] == 2
    assert [item["id"] for item in done.answer["parameters"]] == ["0x00000001", "0x00000055"]  # type: ignore[attr-defined]


def test_answers_without_a_serial_go_by_their_order(office: Office, terminal: Driven) -> None:
    """Two 0x8201 and the 0x0201 of a 2011 terminal, which has no serial: first asked, first answered."""
    first, second = office.order(terminal.phone, 0x8201), office.order(terminal.phone, 0x8201)
    terminal.commands(2)
    terminal.send(0x0201, LOCATION, 5)
    assert office.until(first).answer is not None
    assert office.get(second).state is CommandState.SENT
    terminal.send(0x0201, LOCATION[:-6] + bytes.fromhex("250314150927"), 6)
    assert office.until(second).answer != office.get(first).answer


def test_an_0x0001_only_acknowledges_what_has_an_answer_of_its_own(office: Office, terminal: Driven) -> None:
    """It is waited for, without a repetition; without it the general result stays."""
    with_answer, without = office.order(terminal.phone, 0x8104), office.order(terminal.phone, 0x8107, expires_s=1.5)
    asked = {header.msg_id: header for header, _ in terminal.commands(2)}
    for header in asked.values():
        terminal.general(header)
    assert terminal.hears_nothing(RETRY_S * 2)
    assert office.get(with_answer).state is CommandState.SENT
    terminal.send(0x0104, asked[0x8104].serial.to_bytes(2) + PARAMETERS, 5)
    done = office.until(with_answer)
    assert (done.state, done.result, done.answer_id) == (ANSWERED, 0, 0x0104)
    done = office.until(without)
    assert (done.state, done.result, done.answer_id, done.answer) == (ANSWERED, 0, 0x0001, None)


def test_both_answers_of_a_vehicle_control_are_kept(office: Office, terminal: Driven) -> None:
    """0x8500 gets 0x0001 at once and 0x0500 a little later (§3.1)."""
    command = office.order(terminal.phone, 0x8500, {"flags": 1})
    header, _ = terminal.command()
    terminal.general(header)
    terminal.send(0x0500, header.serial.to_bytes(2) + LOCATION, 6)
    done = office.until(command)
    assert (done.state, done.result, done.answer_id) == (ANSWERED, 0, 0x0500)
    assert done.answer is not None
    assert "location" in done.answer


def test_a_picture_is_acknowledged_and_its_late_ids_are_added(office: Office, terminal: Driven) -> None:
    """0x8801: the command ends with its 0x0001 when nothing else comes, and takes the 0x0805 that comes after it."""
    command = office.order(terminal.phone, 0x8801, SHOT, expires_s=1)
    header, _ = terminal.command()
    terminal.general(header)
    done = office.until(command)
    assert (done.state, done.result, done.answer) == (ANSWERED, 0, None)
    terminal.send(0x0805, header.serial.to_bytes(2) + b"\0" + b"\0\1" + bytes(3) + b"\7", 6)
    wait_until(lambda: office.get(command).answer is not None)
    assert (office.get(command).answer or {})["media_ids"] == [7]


def test_a_long_answer_in_parts_is_put_together(office: Office, terminal: Driven) -> None:
    """0x0802 in parts, the last one first."""
    fields: dict[str, object] = {
        "media_type": 0,
        "channel": 0,
        "event": 0,
        "start": "000000000000",
        "end": "000000000000",
    }
    command = office.order(terminal.phone, 0x8802, fields)
    header, _ = terminal.command()
    items = b"".join(number.to_bytes(4) + bytes([0, 1, 0]) + LOCATION for number in range(1, 21))
    terminal.in_parts(0x0802, header.serial.to_bytes(2) + (20).to_bytes(2) + items, 300, [2, 0, 1])
    done = office.until(command)
    assert (done.state, done.answer_id) == (ANSWERED, 0x0802)
    assert done.answer is not None
    assert [item["media_id"] for item in done.answer["items"]] == list(range(1, 21))  # type: ignore[attr-defined]


def test_a_wrong_serial_is_forgiven_when_only_one_can_be_meant(office: Office, terminal: Driven) -> None:
    """By id alone when one such command is in flight; with two of them it answers neither (§10.4)."""
    command = office.text(terminal.phone)
    header, _ = terminal.command()
    terminal.general(header, off=1000)
    assert office.until(command).state is ANSWERED
    two = [office.text(terminal.phone, text) for text in ("one", "two")]
    headers = [header for header, _ in terminal.commands(2)]
    terminal.general(headers[0], off=1000)
    terminal.general(headers[1])
    assert office.until(two[1]).state is ANSWERED
    assert office.get(two[0]).state is CommandState.SENT
    terminal.general(headers[0])
    assert office.until(two[0]).state is ANSWERED


def test_a_second_answer_changes_nothing(office: Office, terminal: Driven) -> None:
    """A terminal that answers twice, and the second time otherwise."""
    command = office.text(terminal.phone)
    header, _ = terminal.command()
    terminal.general(header)
    done = office.until(command)
    terminal.general(header, 1)
    terminal.general(header)
    assert terminal.ask(0x0002)[0].msg_id == 0x8001
    assert office.get(command) == done


def test_it_is_repeated_byte_for_byte_until_it_is_answered(office: Office, terminal: Driven) -> None:
    """The same serial and the same bytes after T; the answer to the repetition counts."""
    command = office.text(terminal.phone)
    first = terminal.command()
    assert terminal.command() == first
    terminal.general(first[0])
    done = office.until(command)
    assert (done.state, done.attempts, done.serial) == (ANSWERED, 2, first[0].serial)


def test_one_that_is_never_answered_is_given_up(office: Office, terminal: Driven) -> None:
    """After the repetitions; an answer that comes even later is added to it."""
    command = office.text(terminal.phone)
    header, _ = terminal.command()
    terminal.command()
    done = office.until(command)
    assert (done.state, done.attempts, done.frames) == (NO_ANSWER, 2, ())
    assert "2 times" in done.error
    terminal.general(header)
    wait_until(lambda: office.get(command).answer is not None)
    assert (office.get(command).answer or {}).get("answer_serial") == header.serial


def test_what_nobody_answers_is_done_when_it_is_out(office: Office, terminal: Driven) -> None:
    """0x8003 by hand."""
    command = office.order(terminal.phone, 0x8003, {"first_serial": 1, "part_numbers": [2]})
    assert terminal.command()[0].msg_id == 0x8003
    done = office.until(command)
    assert (done.state, done.result, done.answer) == (ANSWERED, None, None)


def test_a_body_as_it_is(office: Office, terminal: Driven) -> None:
    """{"raw": hex}, of an id that nobody has declared."""
    command = office.order(terminal.phone, 0xF123, {"raw": "7e7d00"})
    header, body = terminal.command()
    assert (header.msg_id, body.hex()) == (0xF123, "7e7d00")
    terminal.general(header)
    assert office.until(command).state is ANSWERED


def test_what_cannot_be_written_says_which_field(office: Office, terminal: Driven) -> None:
    """It ends as IMPOSSIBLE and nothing goes out."""
    command = office.order(terminal.phone, 0x8300, {"flags": 8, "text": "x", "nothing": 1})
    done = office.until(command)
    assert done.state is CommandState.IMPOSSIBLE
    assert "nothing" in done.error
    assert terminal.hears_nothing()


def test_a_picture_that_comes_without_a_word_is_an_answer(office: Office, terminal: Driven) -> None:
    """0x8801 that gets neither 0x0001 nor 0x0805, only the 0x0801 (§11 item 49)."""
    command = office.order(terminal.phone, 0x8801, SHOT)
    terminal.command()
    picture = bytes.fromhex("00000007 00 00 00 01") + LOCATION + bytes(500)
    terminal.in_parts(0x0801, picture, 300)
    done = office.until(command)
    assert (done.state, done.result, done.answer_id, done.answer) == (ANSWERED, None, 0x0801, None)


def test_the_result_of_an_upgrade_comes_on_the_next_link(
    running_gateway: Running, office: Office, terminal: Driven
) -> None:
    """0x0108 has no serial, and comes after the terminal has started anew."""
    command = office.order(terminal.phone, 0x8108, push(10), expires_s=0.6)
    terminal.general(terminal.command()[0])
    assert office.until(command).answer is None
    terminal.close()
    again = Driven(running_gateway.port, terminal.phone).go_online()
    again.send(0x0108, b"\0\0", 9)
    wait_until(lambda: office.get(command).answer is not None)
    done = office.get(command)
    assert (done.state, done.result, done.answer_id) == (ANSWERED, 0, 0x0108)


def test_a_terminal_that_comes_and_goes_uses_the_attempts_up(
    running_gateway: Running, office: Office, terminal: Driven
) -> None:
    """Each link is sent it once more, until the attempts are through."""
    command = office.text(terminal.phone)
    terminal.command()
    again = Driven(running_gateway.port, terminal.phone).go_online()
    again.command()
    last = Driven(running_gateway.port, terminal.phone).go_online()
    done = office.until(command)
    assert (done.state, done.attempts, done.error) == (NO_ANSWER, 2, "no answer, sent 2 times")
    assert last.hears_nothing(0.05)


def test_a_library_of_faces_is_answered_picture_by_picture(office: Office, terminal: Driven) -> None:
    """0x0E11 comes for each; the last one ends the command, and so does a long silence, without a repetition."""
    command = office.order(terminal.phone, 0x8E11, {"raw": "0100"})
    serial = terminal.command()[0].serial.to_bytes(2)
    terminal.send(0x0E11, serial + b"\0\2\1\1A", 5)
    terminal.send(0x0E11, serial + b"\0\2\2\1B", 6)
    done = office.until(command)
    assert (done.state, done.result, done.error, (done.answer or {})["index"]) == (ANSWERED, None, "", 2)
    command = office.order(terminal.phone, 0x8E11, {"raw": "0100"})
    serial = terminal.command()[0].serial.to_bytes(2)
    terminal.send(0x0E11, serial + b"\0\2\1\1A", 7)
    done = office.until(command)
    assert (done.state, done.attempts, (done.answer or {})["index"]) == (ANSWERED, 1, 1)
    assert "last" in done.error


def test_parts_with_one_serial_where_the_profile_says_so(tmp_path: Path) -> None:
    """part_serials = "same": every part carries the serial that the answer quotes (§13 item 30)."""
    profiles = tmp_path / "mine.toml"
    profiles.write_text('[profile.one]\npart_serials = "same"\n[[assign]]\nterminal = "*"\nprofile = "one"\n')
    with running(tmp_path / "data", profiles=[str(profiles)]) as gateway:
        office = Office(tmp_path / "data")
        terminal = Driven(gateway.port, "13800138000").go_online()
        command = office.order(terminal.phone, 0xF123, {"raw": bytes(2500).hex()})
        parts = terminal.commands(3)
        assert len({header.serial for header, _ in parts}) == 1
        terminal.general(parts[0][0])
        assert office.until(command).state is ANSWERED
        office.bus.close()


def push(size: int) -> dict[str, object]:
    """Fields of an 0x8108 of some size."""
    data = bytes(index % 251 for index in range(size))
    return {"upgrade_type": 0, "manufacturer": "70111", "version": "1.0", "data": data.hex()}


def test_a_long_command_goes_in_parts_and_missing_ones_are_sent_again(office: Office, terminal: Driven) -> None:
    """0x0005: exactly the listed parts, unchanged; 0x0001 may quote the serial of any part (§8.2)."""
    command = office.order(terminal.phone, 0x8108, push(4500), expires_s=3)
    parts = terminal.commands(5)
    assert [header.packet_no for header, _ in parts] == [1, 2, 3, 4, 5]
    assert [header.serial - parts[0][0].serial for header, _ in parts] == [0, 1, 2, 3, 4]
    assert max(len(body) for _, body in parts) == 1000
    first = parts[0][0].serial
    terminal.send(0x0005, first.to_bytes(2) + b"\x02" + (4).to_bytes(2) + (2).to_bytes(2), 7)
    assert terminal.commands(2) == [parts[3], parts[1]]
    terminal.send(0x0005, (first + 1).to_bytes(2) + b"\x01" + (4).to_bytes(2), 8)
    assert terminal.hears_nothing(0.1)
    terminal.general(parts[4][0])
    terminal.send(0x0108, b"\0\0", 9)
    done = office.until(command)
    assert (done.state, done.result, done.answer_id) == (ANSWERED, 0, 0x0108)


def test_a_body_of_1023_bytes_is_one_frame(office: Office, terminal: Driven) -> None:
    """And one byte more makes two of them."""
    for size, count in ((1023, 1), (1024, 2)):
        command = office.order(terminal.phone, 0xF123, {"raw": bytes(size).hex()})
        parts = terminal.commands(count)
        assert sum(len(body) for _, body in parts) == size
        terminal.general(parts[0][0])
        assert office.until(command).state is ANSWERED
    assert terminal.hears_nothing(0.05)


def test_few_are_in_flight_and_all_keep_their_order(office: Office, terminal: Driven) -> None:
    """Forty commands of one terminal: four at a time, more than are held here at once."""
    for number in range(40):
        office.text(terminal.phone, f"text {number}")
    seen: list[bytes] = []
    waiting: list[Header] = []
    while len(seen) < 40:
        header, body = terminal.command()
        if body[1:] in seen:
            continue  # this machine was slow, so it came once more
        seen.append(body[1:])
        waiting.append(header)
        if len(waiting) == 4:
            assert len(seen) > 4 or terminal.hears_nothing(0.1)
            while waiting:
                terminal.general(waiting.pop(0))
    assert seen == [f"text {number}".encode() for number in range(40)]


def test_a_cancelled_command_is_not_repeated(office: Office, terminal: Driven) -> None:
    """And its late answer does not bring it back."""
    command = office.text(terminal.phone)
    header, _ = terminal.command()
    from_now = office.bus.cancel(command, 1)
    assert from_now.state is CommandState.CANCELLED
    assert terminal.hears_nothing(RETRY_S * 2)
    terminal.general(header)
    terminal.ask(0x0002)
    assert office.get(command).state is CommandState.CANCELLED


def test_an_unsolicited_answer_is_harmless(office: Office, terminal: Driven) -> None:
    """0x0001, 0x0104 and 0x0005 for nothing that was ever sent, cut ones among them."""
    terminal.send(0x0001, bytes.fromhex("0007830000"), 1)
    terminal.send(0x0104, bytes.fromhex("0007") + PARAMETERS, 2)
    terminal.send(0x0001, b"\0", 3)
    assert terminal.ask(0x0002, serial=4)[1][:2] != b""
    command = office.text(terminal.phone)
    header, _ = terminal.command()
    terminal.general(header)
    assert office.until(command).state is ANSWERED


def test_an_answer_that_cannot_be_read_is_kept_as_it_came(office: Office, terminal: Driven) -> None:
    """The serial in front says what it answers; the rest is hex, and the command says why."""
    command = office.order(terminal.phone, 0x8500, {"flags": 1})
    header, _ = terminal.command()
    body = header.serial.to_bytes(2) + LOCATION[:20]
    terminal.send(0x0500, body, 5)
    done = office.until(command)
    assert (done.state, done.answer) == (ANSWERED, {"raw": body.hex()})
    assert "cannot be read" in done.error
