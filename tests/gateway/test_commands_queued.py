"""Commands that wait, run out, are given up, survive: a real gateway, real sockets, the bus from another process."""

import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Running, running, wait_until
from cryptography.hazmat.primitives.asymmetric import rsa
from office import LOCATION, Driven, Office

from jtgate.codecs.edition import Edition
from jtgate.codecs.encryption import PublicKey, decrypt_body, encrypt_body, public_key
from jtgate.codecs.framing import wrap
from jtgate.codecs.header import build_header
from jtgate.codecs.jt808.rsa import PlatformRsaKey, TerminalRsaKey, key_of
from jtgate.storage.commands import CommandState
from jtgate.storage.open import open_directory

ANSWERED, EXPIRED, OFFLINE = CommandState.ANSWERED, CommandState.EXPIRED, CommandState.OFFLINE
NO_ANSWER, WAITING, SENT = CommandState.NO_ANSWER, CommandState.WAITING, CommandState.SENT
PARAMETERS = bytes.fromhex("02 00000001 04 0000003c 00000055 04 00000064")


@pytest.fixture(scope="module")
def running_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One gateway for the tests here that do not end it; it repeats nothing while they run."""
    data: Path = tmp_path_factory.mktemp("queued") / "data"
    with running(data, command_retry_seconds=20, command_retries=3) as found:
        yield found


@pytest.fixture(scope="module")
def office(running_gateway: Running) -> Iterator[Office]:
    """Who gives the commands."""
    found = Office(running_gateway.data)
    yield found
    found.bus.close()


_numbers = iter(range(10_000))


@pytest.fixture
def phone() -> str:
    """A terminal that was never there."""
    return f"1370000{next(_numbers):04d}"


def test_commands_wait_for_their_terminal(running_gateway: Running, office: Office, phone: str) -> None:
    """In their order, also when it comes with another connection kind and leaves between them."""
    commands = [office.text(phone, f"text {number}") for number in range(6)]
    time.sleep(0.1)
    assert {office.get(command).state for command in commands} == {WAITING}
    terminal = Driven(running_gateway.port, phone, udp=True).go_online()
    bodies = []
    for _ in commands:
        header, body = terminal.command()
        bodies.append(body[1:])
        terminal.general(header)
    assert bodies == [f"text {number}".encode() for number in range(6)]
    assert {office.until(command).state for command in commands} == {ANSWERED}


def test_what_is_not_to_be_queued_ends_at_once(running_gateway: Running, office: Office, phone: str) -> None:
    """OFFLINE while the terminal is away; sent as any other when it is there."""
    command = office.text(phone, is_queued=False)
    assert office.until(command, within_s=1).state is OFFLINE
    terminal = Driven(running_gateway.port, phone).go_online()
    command = office.text(phone, "here", is_queued=False)
    header, body = terminal.command()
    assert body[1:] == b"here"
    terminal.general(header)
    assert office.until(command).state is ANSWERED


def test_it_goes_offline_before_it_answers(running_gateway: Running, office: Office, phone: str) -> None:
    """What is queued stays SENT and comes again, byte for byte; what is not ends, and is not sent again."""
    terminal = Driven(running_gateway.port, phone).go_online()
    queued, unqueued = office.text(phone, "queued"), office.text(phone, "not queued", is_queued=False)
    frames = terminal.commands(2)
    terminal.close()
    done = office.until(unqueued)
    assert (done.state, done.error) == (NO_ANSWER, "it went offline before it answered")
    assert office.get(queued).state is SENT
    terminal = Driven(running_gateway.port, phone).go_online()
    assert terminal.command() == frames[0]
    newer = office.text(phone, "newer")
    header, _ = terminal.command()
    assert header.serial != frames[0][0].serial
    terminal.general(frames[0][0])
    terminal.general(header)
    done = office.until(queued)
    assert (done.state, done.attempts) == (ANSWERED, 2)
    assert office.until(newer).state is ANSWERED


def test_a_new_connection_takes_the_commands_over(running_gateway: Running, office: Office, phone: str) -> None:
    """The older one is closed; the command goes out again on the newer one, whose terminal answers it."""
    older = Driven(running_gateway.port, phone).go_online()
    command = office.text(phone)
    first = older.command()
    newer = Driven(running_gateway.port, phone).go_online()
    assert newer.command() == first
    newer.general(first[0])
    done = office.until(command)
    assert (done.state, done.attempts) == (ANSWERED, 2)


def test_an_answer_on_the_next_connection_counts(running_gateway: Running, office: Office, phone: str) -> None:
    """The terminal obeyed, lost its link, and answers first thing on the next one."""
    terminal = Driven(running_gateway.port, phone).go_online()
    command = office.text(phone)
    header, _ = terminal.command()
    terminal.close()
    terminal = Driven(running_gateway.port, phone)
    terminal.send(0x0200, LOCATION, 1)
    terminal.general(header)
    assert office.until(command).state is ANSWERED


def test_a_change_of_edition_writes_it_anew(running_gateway: Running, office: Office, phone: str) -> None:
    """A terminal that comes back with the header of 2019 cannot take the frames of 2013."""
    terminal = Driven(running_gateway.port, phone).go_online()
    command = office.order(phone, 0x8105, {"raw": "04"})
    terminal.command()
    terminal.close()
    wait_until(lambda: open_directory_count(running_gateway, phone) == 0)
    terminal = Driven(running_gateway.port, phone, edition=Edition.V2019).go_online()
    header, body = terminal.command()
    assert (header.edition, body) == (Edition.V2019, b"\x04")
    terminal.general(header)
    done = office.until(command)
    assert (done.state, done.attempts, done.edition) == (ANSWERED, 2, "2019")


def open_directory_count(running_gateway: Running, phone: str) -> int:
    """Sessions of a terminal."""
    directory = open_directory(running_gateway.data)
    try:
        return 0 if directory.session(phone) is None else 1
    finally:
        directory.close()


def test_nothing_is_sent_after_its_expiry(running_gateway: Running, office: Office, phone: str) -> None:
    """A command that waited too long is not sent, one that is out and not answered ends."""
    command = office.text(phone, expires_s=0.3)
    time.sleep(0.35)
    terminal = Driven(running_gateway.port, phone).go_online()
    assert terminal.hears_nothing(0.2)
    assert office.until(command).state is EXPIRED
    command = office.text(phone, "two", expires_s=0.3)
    terminal.command()
    assert office.until(command).state is EXPIRED


def test_a_cancelled_command_is_not_sent(running_gateway: Running, office: Office, phone: str) -> None:
    """Neither while it waits for its terminal nor while it waits for those before it."""
    early = office.text(phone)
    office.bus.cancel(early, 1)
    terminal = Driven(running_gateway.port, phone).go_online()
    assert terminal.hears_nothing(0.15)
    commands = [office.text(phone, f"text {number}") for number in range(5)]
    headers = [header for header, _ in terminal.commands(4)]
    office.bus.cancel(commands[4], 1)
    time.sleep(0.1)
    terminal.general(headers[0])
    assert terminal.hears_nothing(0.15)
    assert office.get(commands[4]).state is CommandState.CANCELLED


def test_many_terminals_come_at_once(running_gateway: Running, office: Office) -> None:
    """Each has one command waiting, more than are fetched in a round, and gets it once."""
    phones = [f"1360000{number:04d}" for number in range(250)]
    commands = {office.text(phone, phone): phone for phone in phones}
    terminals = [Driven(running_gateway.port, phone) for phone in phones]
    for terminal in terminals:
        terminal.send(0x0200, LOCATION, 1)
    for terminal in terminals:
        header, body = terminal.command()
        assert body[1:].decode() == terminal.phone
        terminal.general(header)
    for command in commands:
        assert office.until(command).state is ANSWERED


def test_what_was_sent_before_a_crash_is_repeated(tmp_path: Path) -> None:
    """SIGKILL between the sending and the answer: the same bytes come again, and the answer to them counts."""
    data = tmp_path / "data"
    phone = "13812345678"
    with running(data) as gateway:
        office = Office(data)
        terminal = Driven(gateway.port, phone).go_online()
        command = office.text(phone)
        unqueued = office.text(phone, "not queued", is_queued=False)
        first = terminal.command()
        terminal.command()
        later = office.text("13812345679")
        gateway.process.kill()
        gateway.process.wait()
    with running(data) as gateway:
        terminal = Driven(gateway.port, phone).go_online()
        assert terminal.command() == first
        terminal.general(first[0])
        done = office.until(command)
        assert (done.state, done.attempts) == (ANSWERED, 2)
        assert office.until(unqueued).state is NO_ANSWER
        other = Driven(gateway.port, "13812345679").go_online()
        header, _ = other.command()
        other.general(header)
        assert office.until(later).state is ANSWERED
        assert gateway.stop() == 0
    office.bus.close()


def test_terminals_of_a_forwarder_get_their_own_commands(tmp_path: Path) -> None:
    """Two of them on one link: each command has the phone of its terminal, each answer finds its command."""
    with running(tmp_path / "data", forwarders=["127.0.0.1"]) as gateway:
        office = Office(tmp_path / "data")
        link = Driven(gateway.port, "13811111111").go_online()
        link.phone = "13822222222"
        link.go_online()
        commands = {phone: office.text(phone, phone) for phone in ("13811111111", "13822222222")}
        for header, body in link.commands(2):
            assert body[1:].decode() == header.terminal
            link.phone = header.terminal
            link.general(header, 0 if header.terminal == "13811111111" else 1)
        assert office.until(commands["13811111111"]).state is ANSWERED
        assert office.until(commands["13822222222"]).state is CommandState.REFUSED
        office.bus.close()


def test_what_is_known_at_the_end_is_kept(tmp_path: Path) -> None:
    """An ordinary stop tells the bus of the answers that have come, and of what is not to be queued."""
    data = tmp_path / "data"
    with running(data) as gateway:
        office = Office(data)
        terminal = Driven(gateway.port, "13812345678").go_online()
        answered, unqueued = office.text("13812345678"), office.text("13812345678", "two", is_queued=False)
        header, _ = terminal.command()
        terminal.general(header)
        terminal.command()
        assert gateway.stop() == 0
    assert (office.get(answered).state, office.get(unqueued).state) == (ANSWERED, NO_ANSWER)
    office.bus.close()


# ------------------------------------------------------------------------------------------------ encryption


def exchange(terminal: Driven, own: rsa.RSAPrivateKey) -> PublicKey:
    """Give the platform a key, take its own."""
    mine = public_key(own)
    body = TerminalRsaKey(exponent=mine.e, modulus=mine.n.to_bytes(128)).encode(terminal.edition)
    header, answer = terminal.ask(0x0A00, body, 3)
    assert header.msg_id == 0x8A00
    return key_of(PlatformRsaKey.decode(answer, terminal.edition))


def test_an_encrypted_command_and_its_encrypted_answer(running_gateway: Running, office: Office, phone: str) -> None:
    """With the key of the terminal; without one it is impossible. Answers that are encrypted are opened."""
    terminal = Driven(running_gateway.port, phone).go_online()
    without = office.until(office.text(phone, is_encrypted=True))
    assert without.state is CommandState.IMPOSSIBLE
    assert "0x0A00" in without.error
    own = rsa.generate_private_key(public_exponent=65_537, key_size=1024)
    theirs = exchange(terminal, own)
    directory = open_directory(running_gateway.data)
    wait_until(lambda: directory.key_of(phone) is not None)
    directory.close()
    command = office.text(phone, "geheim " * 30, is_encrypted=True)
    header, body = terminal.command()
    assert (header.encryption, len(body)) == (1, 256)
    assert decrypt_body(body, own)[1:] == b"geheim " * 30
    secret = header.serial.to_bytes(2) + header.msg_id.to_bytes(2) + b"\0"
    send_encrypted(terminal, 0x0001, encrypt_body(secret, theirs, secrets.token_bytes))
    assert office.until(command).state is ANSWERED
    command = office.order(phone, 0x8104, is_encrypted=True)
    header, body = terminal.command()
    assert (header.encryption, body) == (0, b"")  # there is nothing in it to encrypt
    answer = header.serial.to_bytes(2) + PARAMETERS
    send_encrypted(terminal, 0x0104, encrypt_body(answer, theirs, secrets.token_bytes))
    done = office.until(command)
    assert (done.state, (done.answer or {}).get("count")) == (ANSWERED, 2)


def send_encrypted(terminal: Driven, msg_id: int, body: bytes) -> None:
    """One frame with the encryption bit."""
    head = build_header(msg_id, len(body), phone=terminal.phone, serial=7, edition=terminal.edition, encryption=1)
    terminal.socket.sendall(wrap(head + body))
