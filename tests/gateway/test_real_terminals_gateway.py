"""What real terminals do wrong (JT/T 808 §11), row by row, as a real gateway meets it over TCP.

docs/disagreements.md says which test shows which row; rows that other tests of this folder show are not here.
"""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Running, Terminal, running, wait_until

from jtgate.codecs.edition import Edition
from jtgate.codecs.framing import check_byte, escape
from jtgate.codecs.header import build_header, encode_frames, parse_header
from jtgate.storage.open import open_directory

OLD, NEW = Edition.V2013, Edition.V2019
LOCATION = bytes.fromhex("00000000000000030260f57206f015b8003402670058250314150926")
REGISTER_HEAD = bytes.fromhex("000b0064") + b"70111"
REGISTER = REGISTER_HEAD + b"BSJ-A6".ljust(20, b"\0") + b"0567872\x02" + "京A12345".encode("gbk")


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A gateway with policy open; every test has phones of its own on it."""
    with running(tmp_path_factory.mktemp("platform") / "data") as found:
        yield found


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A gateway that closes silent links soon."""
    with running(tmp_path_factory.mktemp("impatient") / "data", auth_seconds=1.0, idle_seconds=1.0) as found:
        yield found


def of_phone(gateway: Running, terminal: str) -> list[tuple[int, int, bytes]]:
    """Message id, serial and body of the stored frames of a terminal, in order."""
    parsed = [parse_header(payload) for payload in gateway.payloads()]
    return [(header.msg_id, header.serial, body) for header, body in parsed if header.terminal == terminal]


def how_online(gateway: Running, phone: str) -> list[object]:
    """How a terminal came online, each time."""
    return [facts["how"] for event, facts in gateway.events() if event == "online" and facts["phone"] == phone]


# --------------------------------------------------------------------------------------------------- frames


@pytest.mark.parametrize(
    "garbage", [b"GET /robots.txt HTTP/1.1\r\nHost: x\r\n\r\n", b"$$\r\nCONNECT\r\n", b"\x00" * 5000]
)
def test_row_1_garbage_before_the_first_frame(platform: Running, garbage: bytes) -> None:
    """§11 item 1: it costs nothing but itself."""
    terminal = Terminal(platform.port, f"1391000{len(garbage):04}")
    terminal.socket.sendall(garbage)
    assert terminal.ask(0x0200, LOCATION, 1)[1].hex() == "0001020000"


def test_row_1_a_scanner_is_closed_in_time(impatient: Running) -> None:
    """§11 item 1: who sends no frame at all is closed after the time to identify oneself."""
    scanner = Terminal(impatient.port)
    scanner.socket.sendall(b"GET /robots.txt HTTP/1.1\r\n\r\n")
    assert scanner.is_closed(5)


def test_row_1_endless_garbage_closes_the_link(platform: Running) -> None:
    """§11 item 1: so many bytes without a frame are enough, long before the time to identify oneself is over."""
    scanner = Terminal(platform.port)
    with contextlib.suppress(OSError):
        for _ in range(20):  # slowly, so that it is one bad stretch in many reads
            scanner.socket.sendall(b"x" * 4000)
            time.sleep(0.01)
    assert scanner.is_closed(10)


def test_rows_2_and_4_cut_escapes_and_shared_flags(platform: Running) -> None:
    """§11 items 2 and 4: a read may end behind 7D, and one flag may end a frame and begin the next."""
    terminal = Terminal(platform.port, "13910010002")
    terminal.ask(0x0200, LOCATION, 1)
    frame = terminal.frame(0x0200, LOCATION, 0x7D7E)
    cut = frame.index(b"\x7d\x01") + 1
    terminal.socket.sendall(frame[:cut])
    time.sleep(0.05)
    terminal.socket.sendall(frame[cut:-1] + terminal.frame(0x0200, LOCATION, 3) + b"\x7e\x7e")
    terminal.send(0x0200, LOCATION, 4)
    answers = [terminal.answer()[1].hex() for _ in range(3)]
    assert answers == ["7d7e020000", "0003020000", "0004020000"]


@pytest.mark.parametrize("bad", [b"\x7e\x00\x02\x7e", b"\x7enot a frame of this protocol at all\x7e"])
def test_row_5_a_bad_frame_in_the_middle(platform: Running, bad: bytes) -> None:
    """§11 item 5: the frames after it are answered on the same connection."""
    terminal = Terminal(platform.port, f"139100500{len(bad):02}")
    for serial in range(5):
        terminal.socket.sendall(bad)
        assert terminal.ask(0x0200, LOCATION, serial)[1].hex() == f"{serial:04x}020000"


def test_row_8_a_wrong_length_field(platform: Running) -> None:
    """§11 item 8: the report is stored and answered."""
    terminal = Terminal(platform.port, "13910080001")
    payload = build_header(0x0200, len(LOCATION) + 3, phone=terminal.phone, serial=5, edition=OLD) + LOCATION
    terminal.socket.sendall(b"\x7e" + escape(payload + bytes([check_byte(payload)])) + b"\x7e")
    assert terminal.answer()[1].hex() == "0005020000"
    assert of_phone(platform, terminal.phone) == [(0x0200, 5, LOCATION)]


# -------------------------------------------------------------------------------------------------- headers


@pytest.mark.parametrize("version", [0, 1, 2, 15])
def test_rows_12_and_13_answers_have_the_header_of_the_terminal(platform: Running, version: int) -> None:
    """§11 items 12 and 13: edition, version byte and digits are those that the terminal sent."""
    terminal = Terminal(platform.port, f"139101300{version:02}", edition=NEW)
    (frame,) = encode_frames(0x0002, b"", phone=terminal.phone, serial=9, edition=NEW, protocol_version=version)
    terminal.socket.sendall(frame)
    header, body = terminal.answer()
    assert (header.edition, header.protocol_version, header.phone) == (NEW, version, "000000000" + terminal.phone)
    assert body.hex() == "0009000200"


def test_row_12_bit_14_before_an_old_header_is_answered_without_it(platform: Running) -> None:
    """§11 items 10 and 12: a terminal of 2013 that sets bit 14 gets the header of 2013."""
    terminal = Terminal(platform.port, "13910120001")
    payload = bytearray(build_header(0x0002, 0, phone=terminal.phone, serial=9, edition=OLD))
    payload[2] |= 0x40
    check = check_byte(bytes(payload))
    terminal.socket.sendall(b"\x7e" + escape(bytes([*payload, check])) + b"\x7e")
    header, body = terminal.answer()
    assert (header.edition, header.size, header.deviations, body.hex()) == (OLD, 12, (), "0009000200")


def test_row_14_zeros_make_no_other_terminal_and_hex_is_a_number(platform: Running) -> None:
    """§11 item 14: with and without leading zeros it is one session; hex digits are taken and echoed."""
    first = Terminal(platform.port, "13910140001")
    first.ask(0x0200, LOCATION, 1)
    second = Terminal(platform.port, "00000000013910140001", edition=NEW)
    second.ask(0x0002, b"", 2)
    assert first.is_closed()

    hexed = Terminal(platform.port, "0318B8F2A4C6")
    header, body = hexed.ask(0x0200, LOCATION, 3)
    assert (header.phone, body.hex()) == ("0318B8F2A4C6", "0003020000")


def test_row_15_another_phone_on_the_link_and_no_session_left_behind(platform: Running) -> None:
    """§11 item 15: refused and not stored, unless the address is a forwarder's; a closed link leaves no session."""
    terminal = Terminal(platform.port, "13910150001")
    terminal.ask(0x0200, LOCATION, 1)
    terminal.phone = "13910150002"
    assert terminal.ask(0x0200, LOCATION, 2)[1].hex() == "0002020001"
    assert of_phone(platform, "13910150002") == []

    directory = open_directory(platform.data)
    wait_until(lambda: directory.session("13910150001") is not None)
    terminal.close()
    wait_until(lambda: directory.session("13910150001") is None)
    directory.close()


def test_row_15_a_forwarder_leaves_no_session_behind(tmp_path: Path) -> None:
    """§11 item 15: the sessions of all its terminals end with its link, however often it comes back."""
    with running(tmp_path / "data", forwarders=["127.0.0.8"]) as gateway:
        directory = open_directory(gateway.data)
        for _ in range(2):
            link = Terminal(gateway.port, source="127.0.0.8")
            for number in range(10):
                link.phone = f"1391015{number:04}"
                link.ask(0x0200, LOCATION, 1)
            wait_until(lambda: directory.count() == 10)
            link.close()
            wait_until(lambda: directory.count() == 0)
        directory.close()


@pytest.mark.parametrize("serials", [[0] * 10, [3, 3, 4, 4, 5, 5, 0, 1, 0, 1], [9, 8, 7, 0, 65535, 1, 2, 0, 0, 1]])
def test_row_17_serials_that_do_not_rise(platform: Running, serials: list[int]) -> None:
    """§11 item 17: always 0, repeated or starting anew: every report is stored and answered with its serial."""
    terminal = Terminal(platform.port, f"1391017{sum(serials) % 10_000:04}")
    bodies = [LOCATION[:-1] + bytes([second]) for second in range(len(serials))]
    answers = [terminal.ask(0x0200, body, serial)[1].hex() for serial, body in zip(serials, bodies, strict=True)]
    assert answers == [f"{serial:04x}020000" for serial in serials]
    assert [(serial, body) for _, serial, body in of_phone(platform, terminal.phone)] == list(
        zip(serials, bodies, strict=True)
    )


# --------------------------------------------------------------------------------- registration and authentication


@pytest.mark.parametrize("msg_id", [0x0002, 0x0200])
def test_row_19_no_registration_at_all(platform: Running, msg_id: int) -> None:
    """§11 item 19: with policy open a terminal that begins with a heartbeat or a report is online."""
    terminal = Terminal(platform.port, f"1391019{msg_id:04}")
    assert terminal.ask(msg_id, LOCATION if msg_id == 0x0200 else b"", 1)[1].hex() == f"0001{msg_id:04x}00"
    assert how_online(platform, "0" + terminal.phone) == ["implicit"]


def test_row_20_registering_again_and_again(platform: Running) -> None:
    """§11 item 20: each 0x8100 quotes its serial, and the code is short ASCII and always the same."""
    terminal = Terminal(platform.port, "13910200001")
    bodies = [terminal.ask(0x0100, REGISTER, serial)[1] for serial in (0, 7, 7, 65535)]
    assert [body[:3].hex() for body in bodies] == ["000000", "000700", "000700", "ffff00"]
    (code,) = {body[3:] for body in bodies}
    assert code.isascii()
    assert len(code) <= 32
    assert terminal.ask(0x0102, code, 9)[1].hex() == "0009010200"


@pytest.mark.parametrize("code", [b"authentication", b"13910210001", b"013910210001", b""])
def test_row_21_codes_of_their_own(platform: Running, tmp_path: Path, code: bytes) -> None:
    """§11 item 21: taken with policy open, and shown as unverified; refused by policy known."""
    terminal = Terminal(platform.port, "13910210001")
    assert terminal.ask(0x0102, code, 1)[1].hex() == "0001010200"
    assert set(how_online(platform, "013910210001")) == {"unverified"}

    if code == b"authentication":
        with running(tmp_path / "data", policy="known") as gateway:
            directory = open_directory(gateway.data)
            directory.add_known([terminal.phone])
            stranger = Terminal(gateway.port, terminal.phone)
            wait_until(lambda: stranger.ask(0x0100, REGISTER, 1)[1][2] == 0)
            assert stranger.ask(0x0102, code, 2)[1].hex() == "0002010201"
            directory.close()


@pytest.mark.parametrize("tail", [None, b"", b"8" * 15, b"12345", b"8" * 15 + b"V1.0"])
def test_row_22_authentication_of_2019_with_less_than_it_should_have(platform: Running, tail: bytes | None) -> None:
    """§11 item 22: the code alone as in 2013 (None), or behind its length with a short tail, is our code."""
    terminal = Terminal(platform.port, f"139102200{len(tail or b''):02}", edition=NEW)
    code = terminal.ask(0x0100, bytes(76), 1)[1][3:]
    body = code if tail is None else bytes([len(code)]) + code + tail
    assert terminal.ask(0x0102, body, 2)[1].hex() == "0002010200"
    assert how_online(platform, "000000000" + terminal.phone)[-1] == "authenticated"


@pytest.mark.parametrize(
    ("number", "body"),
    [
        (1, REGISTER_HEAD + b"BSJ-A6  0567872\x02"),
        (2, REGISTER_HEAD + b"BSJ-A6".ljust(20, b"\0") + bytes.fromhex("00013912345678") + b"\x00"),
        (3, REGISTER_HEAD + b"BSJ-A6".ljust(20, b"\0") + b"0567872\x00" + bytes(17)),
        (4, REGISTER_HEAD + b"BSJ-A6".ljust(20, b" ") + b"0567872\x02" + "京A12345".encode()),
    ],
)
def test_rows_23_and_24_odd_registrations(platform: Running, number: int, body: bytes) -> None:
    """§11 items 23 and 24: no plate, a BCD phone as terminal id, an all-zero VIN, odd padding: all are registered."""
    terminal = Terminal(platform.port, f"1391023000{number}")
    assert terminal.ask(0x0100, body, 1)[1][:3].hex() == "000100"


def test_row_26_attributes_without_a_query(platform: Running) -> None:
    """§11 item 26: 0x0107 right after connecting is stored; it is an answer, so it gets none."""
    terminal = Terminal(platform.port, "13910260001")
    body = bytes.fromhex("0006") + b"70111" + b"BSJ-A6".ljust(20, b"\0") + b"0567872" + bytes(10) + bytes(4)
    terminal.send(0x0107, body, 1)
    assert terminal.ask(0x0002, b"", 2)[1].hex() == "0002000200"
    assert of_phone(platform, terminal.phone)[0] == (0x0107, 1, body)


def test_row_27_logging_out_right_after_registering(platform: Running) -> None:
    """§11 item 27: 0x0003 gets 0x8001, and the terminal may come back with the code it has."""
    terminal = Terminal(platform.port, "13910270001")
    code = terminal.ask(0x0100, REGISTER, 1)[1][3:]
    assert terminal.ask(0x0003, b"", 2)[1].hex() == "0002000300"
    terminal.close()
    again = Terminal(platform.port, terminal.phone)
    assert again.ask(0x0102, code, 3)[1].hex() == "0003010200"


# --------------------------------------------------------------------------------------------- long messages


def parts_of(msg_id: int, body: bytes, phone: str, edition: Edition = OLD, *, same_serial: bool = False) -> list[bytes]:
    """A message in parts of 500 bytes."""
    return encode_frames(
        msg_id, body, phone=phone, serial=100, edition=edition, part_bytes=500, same_serial=same_serial
    )


MEDIA = bytes.fromhex("0000000700000102") + LOCATION + bytes(2000)


@pytest.mark.parametrize("edition", [OLD, NEW])
@pytest.mark.parametrize("waits", [True, False], ids=["part by part", "all at once"])
def test_rows_44_and_46_parts_with_and_without_waiting(platform: Running, waits: bool, edition: Edition) -> None:
    """§11 items 44 and 46: every part is answered at once, and at the end 0x8800 is the media id and nothing else."""
    terminal = Terminal(platform.port, f"1391044{waits:d}{edition}"[:11], edition=edition)
    parts = parts_of(0x0801, MEDIA, terminal.phone, edition)
    if waits:
        for serial, part in enumerate(parts, 100):
            terminal.socket.sendall(part)
            assert terminal.answer()[1].hex() == f"{serial:04x}080100"
    else:
        terminal.socket.sendall(b"".join(parts))
        assert [terminal.answer()[1].hex() for _ in parts] == [f"{100 + n:04x}080100" for n in range(len(parts))]
    header, body = terminal.answer()
    assert (header.msg_id, header.edition, body.hex()) == (0x8800, edition, "00000007")


@pytest.mark.parametrize("order", [[4, 3, 2, 1, 0], [0, 0, 2, 1, 1, 4, 3]])
@pytest.mark.parametrize("same_serial", [False, True])
def test_row_45_parts_out_of_order_repeated_or_of_one_serial(
    platform: Running, order: list[int], same_serial: bool
) -> None:
    """§11 item 45: the message is complete with its last missing part."""
    terminal = Terminal(platform.port, f"13910450{len(order):02}{same_serial:d}")
    parts = parts_of(0x0801, MEDIA, terminal.phone, same_serial=same_serial)
    for number in order:
        terminal.socket.sendall(parts[number])
        assert terminal.answer()[0].msg_id == 0x8001
    assert terminal.answer()[0].msg_id == 0x8800


def test_row_49_any_answer_to_a_command_to_take_a_picture(platform: Running) -> None:
    """§11 item 49: 0x0001, 0x0805 and 0x0801 are all stored; only the picture itself is answered."""
    terminal = Terminal(platform.port, "13910490001")
    terminal.send(0x0001, bytes.fromhex("0007880100"), 1)
    terminal.send(0x0805, bytes.fromhex("000700000100000007"), 2)
    header, body = terminal.ask(0x0801, MEDIA[:536], 3)
    assert (header.msg_id, body.hex()) == (0x8800, "00000007")
    assert [msg_id for msg_id, _, _ in of_phone(platform, terminal.phone)] == [0x0001, 0x0805, 0x0801]


def test_row_50_parameters_in_parts(platform: Running) -> None:
    """§11 item 50: parts of any message are answered and kept, not those of 0x0801 alone."""
    terminal = Terminal(platform.port, "13910500001")
    parts = parts_of(0x0104, bytes.fromhex("000750") + bytes.fromhex("0000000104000000 3c") * 80, terminal.phone)
    terminal.ask(0x0002, b"", 1)
    terminal.socket.sendall(b"".join(parts))
    answers = [terminal.answer()[1].hex() for _ in parts]
    assert answers == ["0064010400", "0065010400"]
    assert len(of_phone(platform, terminal.phone)) == 1 + len(parts)


# -------------------------------------------------------------------------------------------------- heartbeat


@pytest.mark.parametrize(("msg_id", "body"), [(0x0002, "641f01"), (0x0002, "00" * 17), (0x0506, ""), (0x0506, "64")])
def test_rows_55_and_56_odd_heartbeats(platform: Running, msg_id: int, body: str) -> None:
    """§11 items 55 and 56: a heartbeat with a body and that of a vendor are answered like any other."""
    terminal = Terminal(platform.port, f"1391055{len(body):02}{msg_id % 100:02}")
    assert terminal.ask(msg_id, bytes.fromhex(body), 1)[1].hex() == f"0001{msg_id:04x}00"


@pytest.mark.parametrize("msg_id", [0x0200, 0x0506])
def test_row_56_no_heartbeat_is_needed_while_something_comes(impatient: Running, msg_id: int) -> None:
    """§11 item 56, §13 item 27: any frame keeps the session; without any it is closed in the end."""
    terminal = Terminal(impatient.port, f"1391056{msg_id:04}")
    body = LOCATION if msg_id == 0x0200 else b""
    for serial in range(5):
        assert terminal.ask(msg_id, body, serial)[1][4] == 0
        time.sleep(0.4)
    assert terminal.is_closed(6)
