"""The gateway from outside: a real process, real sockets, and what is in the spool afterwards."""

import contextlib
import random
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Running, Terminal, running, wait_until

from jtgate.codecs.edition import Edition
from jtgate.codecs.header import encode_frames, parse_header
from jtgate.storage.open import open_directory

LOCATION = bytes.fromhex("00000000000000030260f57206f015b8003402670058250314150926")
PLATE = b"\x02" + "京A12345".encode("gbk")
REGISTER = bytes.fromhex("000b0064") + b"70111" + b"BSJ-A6".ljust(20, b"\0") + b"0567872" + PLATE


def serials(gateway: Running, msg_id: int = 0x0200) -> list[int]:
    """Serials of the stored frames with one id."""
    headers = [parse_header(payload)[0] for payload in gateway.payloads()]
    return [header.serial for header in headers if header.msg_id == msg_id]


@pytest.mark.parametrize("edition", [Edition.V2013, Edition.V2019])
@pytest.mark.parametrize("udp", [False, True], ids=["tcp", "udp"])
def test_a_terminal_registers_authenticates_and_reports(gateway: Running, udp: bool, edition: Edition) -> None:
    """Every answer comes, in the terminal's own header, and what was answered is in the spool."""
    terminal = Terminal(gateway.port, udp=udp, edition=edition)
    body = REGISTER if edition is Edition.V2013 else bytes(75) + b"\x02" + "京A12345".encode("gbk")
    header, answer = terminal.ask(0x0100, body, 1)
    assert (header.msg_id, header.edition, answer[:3].hex()) == (0x8100, edition, "000100")
    code = answer[3:]
    credential = code if edition is Edition.V2013 else bytes([len(code)]) + code + bytes(35)
    assert terminal.ask(0x0102, credential, 2)[1].hex() == "0002010200"

    for serial in range(3, 203):
        terminal.send(0x0200, LOCATION, serial)
    answers = [terminal.answer() for _ in range(200)]

    assert [body.hex() for _, body in answers] == [f"{serial:04x}020000" for serial in range(3, 203)]
    assert [header.serial for header, _ in answers] == list(range(2, 202))
    assert serials(gateway) == list(range(3, 203))
    online = [facts for event, facts in gateway.events() if event == "online"]
    assert [(facts["how"], facts["transport"]) for facts in online] == [("authenticated", "udp" if udp else "tcp")]


def test_hostile_bytes_cost_themselves_only(gateway: Running) -> None:
    """Between random, mutated, cut and glued bytes every good frame is answered."""
    dice = random.Random(20)
    terminal = Terminal(gateway.port)
    terminal.ask(0x0200, LOCATION, 0)
    for serial in range(1, 201):
        good = terminal.frame(0x0200, LOCATION, serial)
        mutated = bytearray(good)
        mutated[dice.randrange(1, len(good) - 1)] ^= 1 << dice.randrange(8)
        bad = dice.choice(
            [b"", bytes(dice.randbytes(dice.randrange(60))), good[: dice.randrange(len(good))], bytes(mutated)]
        )
        cut = dice.randrange(len(good))
        terminal.socket.sendall(bad + b"\x7e" + good[:cut])
        terminal.socket.sendall(good[cut:])
        answers = [terminal.answer()]
        while answers[-1][1][:4].hex() != f"{serial:04x}0200" or answers[-1][1][4] != 0:
            answers.append(terminal.answer())  # a mutation that is a frame after all (serial or phone changed)

    assert set(range(201)) <= set(serials(gateway))


def test_newest_connection_wins_and_the_late_close_is_harmless(gateway: Running) -> None:
    """The older link is closed by us; its close does not touch the newer session."""
    older, newer = Terminal(gateway.port), Terminal(gateway.port)
    older.ask(0x0200, LOCATION, 1)
    newer.ask(0x0200, LOCATION, 2)

    assert older.is_closed()
    assert newer.ask(0x0200, LOCATION, 3)[1].hex() == "0003020000"
    directory = open_directory(gateway.data)
    wait_until(lambda: directory.count() == 1)
    live = directory.session("13912345678")
    assert live is not None
    assert live.peer.endswith(str(newer.socket.getsockname()[1]))
    newer.close()
    wait_until(lambda: directory.count() == 0)
    directory.close()
    reasons = [facts["reason"] for event, facts in gateway.events() if event == "closed"]
    assert reasons == ["replaced", "peer_closed"]


def test_missing_parts_are_asked_for_and_the_whole_is_answered(gateway: Running) -> None:
    """0x8003 names the missing parts; after they came, 0x8800 closes the upload."""
    terminal = Terminal(gateway.port)
    media = bytes.fromhex("0000000700000102") + LOCATION + bytes(3000)
    parts = encode_frames(0x0801, media, phone=terminal.phone, serial=0xFFFE, edition=Edition.V2013)
    for number in (3, 0):
        terminal.socket.sendall(parts[number])
        assert terminal.answer()[0].msg_id == 0x8001
    terminal.socket.settimeout(15)

    header, body = terminal.answer()
    assert (header.msg_id, body.hex()) == (0x8003, "fffe0200020003")

    terminal.socket.sendall(parts[2] + parts[1])
    answers = [terminal.answer() for _ in range(3)]
    assert [header.msg_id for header, _ in answers] == [0x8001, 0x8001, 0x8800]
    assert answers[-1][1].hex() == "00000007"


def test_a_kick_from_another_process_closes_the_session(gateway: Running) -> None:
    """The directory carries the request and its outcome."""
    terminal = Terminal(gateway.port)
    terminal.ask(0x0200, LOCATION, 1)
    directory = open_directory(gateway.data)

    request = directory.ask_kick("13912345678", "test", 1)

    assert terminal.is_closed()
    wait_until(lambda: directory.outcome(request) == "closed")
    absent = directory.ask_kick("13900000000", "test", 1)
    wait_until(lambda: directory.outcome(absent) == "not_online")
    directory.close()


def test_shutdown_answers_what_was_read_and_names_the_reason(gateway: Running) -> None:
    """SIGTERM: commit, answer, close with a reason, exit 0."""
    terminal = Terminal(gateway.port)
    terminal.ask(0x0200, LOCATION, 1)

    assert gateway.stop() == 0

    assert terminal.is_closed()
    assert [facts["reason"] for event, facts in gateway.events() if event == "closed"] == ["shutdown"]


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[Running]:
    """A gateway with tight limits."""
    with running(
        tmp_path / "data",
        policy="known",
        connections_per_address_max=3,
        auth_seconds=1.0,
        idle_seconds=2.0,
        bad_frames_max=5,
    ) as found:
        yield found


def test_limits_of_connections(strict: Running) -> None:
    """A fourth connection of one address is closed at once; another address is not concerned."""
    kept = [Terminal(strict.port) for _ in range(3)]

    assert Terminal(strict.port).is_closed()
    other = Terminal(strict.port, source="127.0.0.9")
    assert other.ask(0x0200, LOCATION, 1)[1].hex() == "0001020001"
    assert len(kept) == 3


def test_who_does_not_identify_itself_is_closed(strict: Running) -> None:
    """Time to authenticate is limited, also for one who keeps talking."""
    terminal = Terminal(strict.port)
    assert terminal.ask(0x0200, LOCATION, 1)[1][4] == 1

    assert terminal.is_closed(5)
    assert strict.payloads() == []


def test_a_run_of_bad_frames_closes_the_connection(strict: Running) -> None:
    """Scanners go away."""
    terminal = Terminal(strict.port)
    terminal.socket.sendall(b"\x7eGET / HTTP/1.1\x7e" * 10)

    assert terminal.is_closed(0.9)


def test_a_silent_terminal_is_closed_and_a_known_one_may_enter(strict: Running) -> None:
    """Registered by another process while the gateway runs; half-open links are found."""
    directory = open_directory(strict.data)
    directory.add_known(["13912345678"])
    terminal = Terminal(strict.port)
    wait_until(lambda: terminal.ask(0x0100, REGISTER, 1)[1][2] == 0)
    code = terminal.ask(0x0100, REGISTER, 2)[1][3:]
    assert terminal.ask(0x0102, code, 3)[1].hex() == "0003010200"

    assert terminal.is_closed(8)
    wait_until(lambda: [facts["reason"] for event, facts in strict.events() if event == "closed"] == ["idle"])
    directory.close()


def test_forwarders_carry_many_terminals_on_one_link(tmp_path: Path) -> None:
    """From a named address every phone has a session of its own."""
    with running(tmp_path / "data", forwarders=["127.0.0.8"]) as gateway:
        link = Terminal(gateway.port, source="127.0.0.8")
        for number in range(20):
            link.phone = f"139000000{number:02d}"
            assert link.ask(0x0200, LOCATION, number)[1].hex() == f"{number:04x}020000"
        stranger = Terminal(gateway.port, source="127.0.0.7")
        stranger.ask(0x0200, LOCATION, 1)
        stranger.phone = "13900000001"
        assert stranger.ask(0x0200, LOCATION, 2)[1][4] == 1
        assert len({facts["phone"] for event, facts in gateway.events() if event == "online"}) == 21


def test_tls(tmp_path: Path) -> None:
    """The same session over TLS, with a certificate given by the operator."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.create_default_context(cafile=str(certificate))
    with running(tmp_path / "data", tls_cert=str(certificate), tls_key=str(key)) as gateway:
        terminal = Terminal(gateway.tls_port, tls=context)
        assert terminal.ask(0x0200, LOCATION, 1)[1].hex() == "0001020000"
        assert terminal.ask(0x0200, LOCATION, 2)[1].hex() == "0002020000"
        assert [facts["transport"] for event, facts in gateway.events() if event == "online"] == ["tls"]


def test_a_taken_port_is_a_configuration_error(tmp_path: Path) -> None:
    """Exit code 78 and a sentence that says what to do."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        settings = f'{{"data": "{tmp_path / "data"}", "host": "127.0.0.1", "port": {holder.getsockname()[1]}}}'
        ended = subprocess.run(
            [sys.executable, "-m", "jtgate.gateway", "--settings", settings],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False,
        )  # fmt: skip

    assert ended.returncode == 78
    assert "--port" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_sessions_of_a_killed_gateway_are_over(tmp_path: Path) -> None:
    """The next start says so in the spool, and session ids go on rising."""
    data = tmp_path / "data"
    with running(data) as gateway:
        Terminal(gateway.port).ask(0x0200, LOCATION, 1)
        gateway.process.kill()
    with running(data) as gateway:
        Terminal(gateway.port).ask(0x0200, LOCATION, 2)
        records = [record for record in gateway.records() if record[2] in ("gateway_started", "online")]

        assert [record[2] for record in records] == ["gateway_started", "online"] * 2
        ids = [record.session_id for record in records]
        assert ids == sorted(set(ids))


def test_a_full_spool_refuses_and_recovers(tmp_path: Path) -> None:
    """Result 1 when nothing more can be kept; nothing answered 0 is missing."""
    with running(tmp_path / "data", spool_bytes_max=1 << 20) as gateway:
        terminal = Terminal(gateway.port)
        accepted = []
        for serial in range(4000):
            result = terminal.ask(0x0200, LOCATION + bytes.fromhex("e1f0") + bytes(240) * 4, serial)[1][4]
            if result != 0:
                assert result == 1
                break
            accepted.append(serial)
        else:
            pytest.fail("the limit was never felt")

        assert serials(gateway) == accepted


def test_half_closed_connections_are_answered(gateway: Running) -> None:
    """What a terminal sent before it closed its side is stored and answered."""
    terminal = Terminal(gateway.port)
    terminal.send(0x0200, LOCATION, 1)
    terminal.socket.shutdown(socket.SHUT_WR)

    assert terminal.answer()[1].hex() == "0001020000"
    assert terminal.is_closed()


def test_who_does_not_read_is_cut_off_for_good(tmp_path: Path) -> None:
    """No socket stays behind for a peer that sends and never reads."""
    with running(tmp_path / "data", idle_seconds=1.5) as gateway:
        terminal = Terminal(gateway.port)
        terminal.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        frames = terminal.frame(0x0200, LOCATION, 1) * 2000
        terminal.socket.settimeout(0.3)
        with contextlib.suppress(TimeoutError, ConnectionError):
            for _ in range(400):
                terminal.socket.sendall(frames)
        fds = Path(f"/proc/{gateway.process.pid}/fd")
        before = len(list(fds.iterdir()))
        wait_until(
            lambda: [told["reason"] for event, told in gateway.events() if event == "closed"] == ["not_reading"], 15
        )
        wait_until(lambda: len(list(fds.iterdir())) < before)


def test_garbage_datagrams_do_not_use_up_the_connections(tmp_path: Path) -> None:
    """An address that never sent a frame is not remembered."""
    with running(tmp_path / "data", connections_max=20) as gateway:
        for _ in range(60):
            Terminal(gateway.port, udp=True).socket.send(b"?")

        assert Terminal(gateway.port).ask(0x0200, LOCATION, 1)[1].hex() == "0001020000"


def test_a_flood_of_unusual_frames_does_not_hold_up_the_others(gateway: Running) -> None:
    """A link that brings only frames for the session takes turns with the rest (best of three)."""
    flood, other = Terminal(gateway.port), Terminal(gateway.port, "13900000001")
    other.ask(0x0200, LOCATION, 0)
    flood.ask(0x0200, LOCATION, 0)
    waited = []
    for attempt in range(3):
        flood.socket.sendall(b"".join(flood.frame(0x0F99, b"", serial) for serial in range(15_000)))
        started = time.monotonic()
        other.ask(0x0200, LOCATION, attempt + 1)
        waited.append(time.monotonic() - started)
        answers = [flood.answer()[1].hex() for _ in range(15_000)]
        assert answers == [f"{serial:04x}0f9903" for serial in range(15_000)]

    assert min(waited) < 0.1


def test_one_terminal_of_a_forwarder_may_move_to_a_link_of_its_own(tmp_path: Path) -> None:
    """Only that session ends; the others of the forwarder go on."""
    with running(tmp_path / "data", forwarders=["127.0.0.8"]) as gateway:
        link = Terminal(gateway.port, source="127.0.0.8")
        for number in range(3):
            link.phone = f"1390000000{number}"
            link.ask(0x0200, LOCATION, 1)
        direct = Terminal(gateway.port, "13900000000")
        direct.ask(0x0200, LOCATION, 2)

        link.phone = "13900000001"
        assert link.ask(0x0200, LOCATION, 3)[1].hex() == "0003020000"
        closed = [(facts["phone"], facts["reason"]) for event, facts in gateway.events() if event == "closed"]
        assert closed == [("013900000000", "replaced")]


def test_a_terminal_may_register_again_after_it_unregistered(tmp_path: Path) -> None:
    """It has the usual time to identify itself, however old the link is."""
    with running(tmp_path / "data", auth_seconds=1.5) as gateway:
        terminal = Terminal(gateway.port)
        terminal.ask(0x0200, LOCATION, 1)
        time.sleep(2.0)
        terminal.ask(0x0003, b"", 2)
        time.sleep(1.1)

        assert terminal.ask(0x0100, REGISTER, 3)[1][2] == 0
        assert [facts["reason"] for event, facts in gateway.events() if event == "closed"] == ["unregistered"]


def test_a_gateway_whose_spool_is_full_stops_soon(tmp_path: Path) -> None:
    """Shutdown does not wait for a disk that takes nothing."""
    with running(tmp_path / "data", spool_bytes_max=1 << 20) as gateway:
        terminal = Terminal(gateway.port)
        while terminal.ask(0x0200, LOCATION + b"\xe1\xf0" + bytes(960), 1)[1][4] == 0:
            pass
        started = time.monotonic()

        assert gateway.stop() == 0
        assert time.monotonic() - started < 5
