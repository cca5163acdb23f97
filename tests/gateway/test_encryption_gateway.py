"""Encryption and profiles from outside: a real gateway, real sockets, a real pipeline behind them."""

import json
import secrets
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from conftest import Running, Terminal, running, wait_until
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from jtgate.cli.decode import decode
from jtgate.codecs.edition import Edition
from jtgate.codecs.encryption import PublicKey, encrypt_body, public_key
from jtgate.codecs.framing import wrap
from jtgate.codecs.header import build_header, parse_header
from jtgate.codecs.jt808 import TimeAnswer
from jtgate.codecs.jt808.rsa import PlatformRsaKey, TerminalRsaKey, key_of
from jtgate.codecs.profile import profile_from
from jtgate.codecs.timebase import utc_now
from jtgate.pipeline.worker import Worker
from jtgate.storage import open_spool_progress, open_spool_reader, open_store
from jtgate.storage.open import open_directory
from jtgate.storage.rsa_key import KEY_NAME, PlatformKey, RsaKeyError

LOCATION = bytes.fromhex("00000000000000030260f57206f015b8003402670058250314150926")
PLATE = b"\x02" + "京A12345".encode("gbk")
REGISTER = bytes.fromhex("000b0064") + b"70111" + b"BSJ-A6".ljust(20, b"\0") + b"0567872" + PLATE
PHONE = "13912345678"


@pytest.fixture(scope="module")
def own() -> rsa.RSAPrivateKey:
    """The key of a terminal."""
    return rsa.generate_private_key(public_exponent=65_537, key_size=1024)


@pytest.fixture
def profiled(tmp_path: Path) -> Iterator[Any]:
    """A gateway with a file of profiles."""

    class Started:
        def __call__(self, text: str, **settings: object) -> Any:
            file = tmp_path / "mine.toml"
            file.write_text(text, encoding="utf-8")
            return running(tmp_path / "data", profiles=[str(file)], **settings)

    return Started()  # type: ignore[return-value]


def exchange(terminal: Terminal, own: rsa.RSAPrivateKey) -> PublicKey:
    """Send the terminal's key, take the platform's."""
    mine = public_key(own)
    body = TerminalRsaKey(exponent=mine.e, modulus=mine.n.to_bytes(128)).encode(terminal.edition)
    header, answer = terminal.ask(0x0A00, body, 1)
    assert header.msg_id == 0x8A00
    return key_of(PlatformRsaKey.decode(answer, terminal.edition))


def sealed(terminal: Terminal, msg_id: int, body: bytes, key: PublicKey, serial: int, *, method: int = 1) -> bytes:
    """A frame with an encrypted body."""
    secret = encrypt_body(body, key, secrets.token_bytes)
    head = build_header(
        msg_id, len(secret), phone=terminal.phone, serial=serial, edition=terminal.edition, encryption=method
    )
    return wrap(head + secret)


def ask(terminal: Terminal, frame: bytes) -> tuple[int, bytes]:
    """Send a frame; id and body of the answer."""
    terminal.socket.sendall(frame)
    header, body = terminal.answer()
    return header.msg_id, body


def stored(data: Path, **wanted: Any) -> Any:
    """Let a pipeline catch up with the spool, and give the store."""
    store = open_store("", data)
    store.migrate()
    reader = open_spool_reader(data)
    worker = Worker(store, reader, open_spool_progress(data), parts_bytes_max=1 << 20, **wanted)
    worker.run_until_caught_up()
    reader.close()
    return store


# ------------------------------------------------------------------------------------------------ encryption


@pytest.mark.parametrize("edition", [Edition.V2013, Edition.V2019])
def test_keys_are_exchanged_and_an_encrypted_report_becomes_a_row(
    gateway: Running, own: rsa.RSAPrivateKey, edition: Edition
) -> None:
    """0x0A00 → 0x8A00, an encrypted 0x0200 is answered with success, and the store has its position."""
    terminal = Terminal(gateway.port, edition=edition)
    theirs = exchange(terminal, own)
    assert ask(terminal, sealed(terminal, 0x0200, LOCATION, theirs, 2)) == (0x8001, b"\x00\x02\x02\x00\x00")
    assert ask(terminal, sealed(terminal, 0x0002, b"", theirs, 3)) == (0x8001, b"\x00\x03\x00\x02\x00")
    assert terminal.ask(0x0200, LOCATION, 4)[1][-1] == 0  # plain ones go on as before

    path = gateway.data / KEY_NAME
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    encrypted = [payload for payload in gateway.payloads() if parse_header(payload)[0].encryption]
    assert len(encrypted) == 2
    assert LOCATION not in encrypted[0]
    store = stored(gateway.data, opener=PlatformKey(gateway.data).open)
    (row,) = store.positions()  # the plain report repeats the encrypted one
    assert (row["terminal"], row["serial"], row["speed_kmh"]) == (PHONE, 2, 61.5)
    assert store.quarantine() == []
    store.close()
    directory = open_directory(gateway.data)
    wait_until(lambda: directory.key_of("0" + PHONE) == public_key(own))
    directory.close()


def test_registration_and_authentication_may_be_encrypted(gateway: Running, own: rsa.RSAPrivateKey) -> None:
    """The gateway opens the bodies it decides by."""
    known = Terminal(gateway.port)
    theirs = exchange(known, own)
    terminal = Terminal(gateway.port, "13800138000")
    msg_id, answer = ask(terminal, sealed(terminal, 0x0100, REGISTER, theirs, 1))
    assert (msg_id, answer[:3]) == (0x8100, b"\x00\x01\x00")
    assert ask(terminal, sealed(terminal, 0x0102, answer[3:], theirs, 2)) == (0x8001, b"\x00\x02\x01\x02\x00")
    wait_until(
        lambda: [facts["how"] for event, facts in gateway.events() if event == "online"][-1:] == ["authenticated"]
    )
    directory = open_directory(gateway.data)
    wait_until(lambda: directory.models() == {"13800138000": ("70111", "BSJ-A6")})
    directory.close()
    store = stored(gateway.data, opener=PlatformKey(gateway.data).open)
    assert [row["manufacturer"] for row in store.terminals(prefix="138")] == ["70111"]
    store.close()


def test_what_cannot_be_opened_is_kept_and_told(gateway: Running, own: rsa.RSAPrivateKey) -> None:
    """No key yet or another method: result 3; no whole blocks: result 2. All of it is kept, as is what another
    key has closed, which is seen when it is worked through.
    """
    terminal = Terminal(gateway.port)
    strange = public_key(own)
    assert ask(terminal, sealed(terminal, 0x0200, LOCATION, strange, 1))[1][-1] == 3
    theirs = exchange(terminal, own)
    assert ask(terminal, sealed(terminal, 0x0200, LOCATION, theirs, 2, method=2))[1][-1] == 3
    assert ask(terminal, sealed(terminal, 0x0200, LOCATION, strange, 3))[1][-1] == 0
    head = build_header(0x0200, 28, phone=PHONE, serial=4, edition=Edition.V2013, encryption=1)
    assert ask(terminal, wrap(head + LOCATION))[1][-1] == 2
    assert ask(terminal, sealed(terminal, 0x0102, b"code", theirs, 5, method=4))[1][-1] == 3
    store = stored(gateway.data, opener=PlatformKey(gateway.data).open)
    assert sorted({row["code"] for row in store.quarantine()}) == ["body.encrypted"]
    assert len(store.quarantine()) == 5
    store.close()


def test_an_encrypted_upload_in_parts_is_answered_and_stored(gateway: Running, own: rsa.RSAPrivateKey) -> None:
    """The whole body is encrypted, then split: 0x8800 names the medium, the store has its bytes."""
    terminal = Terminal(gateway.port)
    theirs = exchange(terminal, own)
    media = bytes.fromhex("0000000700000102") + LOCATION + b"\xff\xd8" + bytes(1500)
    secret = encrypt_body(media, theirs, secrets.token_bytes)
    pieces = [secret[at : at + 1000] for at in range(0, len(secret), 1000)]
    for number, piece in enumerate(pieces, 1):
        head = build_header(
            0x0801,
            len(piece),
            phone=PHONE,
            serial=10 + number,
            edition=Edition.V2013,
            encryption=1,
            packet_total=len(pieces),
            packet_no=number,
        )
        terminal.socket.sendall(wrap(head + piece))
        assert terminal.answer()[1][-1] == 0
    assert terminal.answer()[1].hex() == "00000007"
    store = stored(gateway.data, opener=PlatformKey(gateway.data).open)
    (row,) = store.messages(msg_id=0x0801)
    assert (row["raw"], row["parts"]) == (media, len(pieces))
    store.close()


def test_the_key_is_made_once(tmp_path: Path, own: rsa.RSAPrivateKey) -> None:
    """A restart gives the same public key; nothing is made before a terminal asks."""
    found = []
    for _ in range(2):
        with running(tmp_path / "data") as gateway:
            found.append(exchange(Terminal(gateway.port), own))
            gateway.stop()
    assert found[0] == found[1]
    with running(tmp_path / "other") as gateway:
        Terminal(gateway.port).ask(0x0200, LOCATION, 1)
        assert not (gateway.data / KEY_NAME).exists()


def test_a_key_of_ones_own(tmp_path: Path, own: rsa.RSAPrivateKey) -> None:
    """The setting names a file; one that is missing or no key keeps the gateway from starting."""
    file = tmp_path / "own.pem"
    file.write_bytes(own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with running(tmp_path / "data", rsa_key=str(file)) as gateway:
        assert exchange(Terminal(gateway.port), own) == public_key(own)
        assert not (gateway.data / KEY_NAME).exists()
    for name, text in (("absent.pem", None), ("text.pem", "no key"), ("big.pem", 2048)):
        path = tmp_path / name
        if isinstance(text, int):
            big = rsa.generate_private_key(public_exponent=65_537, key_size=text)
            path.write_bytes(big.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        elif text is not None:
            path.write_text(text)
        with pytest.raises(RsaKeyError, match=name):
            PlatformKey(tmp_path, path).check()


def test_an_unusable_key_is_not_remembered(gateway: Running) -> None:
    """A modulus that is none gets our key all the same, and is counted."""
    terminal = Terminal(gateway.port)
    header, _ = terminal.ask(0x0A00, TerminalRsaKey(exponent=3, modulus=bytes(128)).encode(Edition.V2013), 1)
    assert header.msg_id == 0x8A00
    directory = open_directory(gateway.data)
    assert directory.key_of(PHONE) is None
    directory.close()


def test_a_captured_frame_is_decoded_with_the_key(tmp_path: Path, own: rsa.RSAPrivateKey) -> None:
    """`jtgate decode --rsa-key`: the body with its fields; another key leaves it as it is."""
    key = PlatformKey(tmp_path)
    secret = encrypt_body(LOCATION, key.public(), secrets.token_bytes)
    head = build_header(0x0200, len(secret), phone=PHONE, serial=1, edition=Edition.V2013, encryption=1)
    frame = wrap(head + secret).hex()
    opened = CliRunner().invoke(decode, [frame, "--json", "--rsa-key", str(tmp_path / KEY_NAME)])
    found = json.loads(opened.output)
    assert (opened.exit_code, found["body"]["speed_kmh"], found["deviations"]) == (0, 61.5, [])
    assert "61.5" in CliRunner().invoke(decode, [frame, "--rsa-key", str(tmp_path / KEY_NAME)]).output
    other = tmp_path / "other.pem"
    other.write_bytes(own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    closed = json.loads(CliRunner().invoke(decode, [frame, "--json", "--rsa-key", str(other)]).output)
    assert closed["deviations"] == ["body.encrypted"]
    other.write_text("no key")
    assert CliRunner().invoke(decode, [frame, "--rsa-key", str(other)]).exit_code == 2


# -------------------------------------------------------------------------------------------------- profiles


def bad(frame: bytes) -> bytes:
    """The same frame with a wrong check byte."""
    return frame[:-2] + bytes([(frame[-2] ^ 0x11) if frame[-2] ^ 0x11 not in (0x7D, 0x7E) else frame[-2] ^ 0x22, 0x7E])


@pytest.mark.parametrize("udp", [False, True], ids=["tcp", "udp"])
def test_a_wrong_check_byte_is_taken_from_who_is_known_for_it(profiled: Any, udp: bool) -> None:
    """§11 item 9: answered and stored on one session; everybody else's are still refused."""
    with profiled(f'[[assign]]\nprofile = "bad-checksum"\nterminal = "{PHONE}"\n') as gateway:
        terminal = Terminal(gateway.port, udp=udp)
        for serial in range(1, 4):
            terminal.socket.sendall(bad(terminal.frame(0x0200, LOCATION, serial)))
            assert terminal.answer()[1] == serial.to_bytes(2) + b"\x02\x00\x00"
        other = Terminal(gateway.port, "13800138000", udp=udp)
        other.socket.sendall(bad(other.frame(0x0200, LOCATION, 9)) + other.frame(0x0200, LOCATION, 10))
        assert other.answer()[1] == b"\x00\x0a\x02\x00\x00"
        assert [parse_header(payload)[0].serial for payload in gateway.payloads()] == [1, 2, 3, 10]
        assert [event for event, _ in gateway.events()].count("online") == 2


def test_a_wrong_check_byte_is_taken_from_everybody_on_a_listener(profiled: Any) -> None:
    """By listener, and not for a terminal that is named."""
    text = '[[assign]]\nprofile = "bad-checksum"\nlistener = "tcp"\n'
    with profiled(text + f'[[assign]]\nprofile = "auto"\nterminal = "{PHONE}"\n') as gateway:
        terminal, other = Terminal(gateway.port), Terminal(gateway.port, "13800138000")
        for one in (terminal, other):
            one.socket.sendall(bad(one.frame(0x0200, LOCATION, 1)) + one.frame(0x0200, LOCATION, 2))
        assert terminal.answer()[1][:2] == b"\x00\x02"
        assert other.answer()[1][:2] == b"\x00\x01"


def test_stray_encryption_bits_and_the_time_of_the_server(profiled: Any) -> None:
    """§11 item 16 and §13 item 24, chosen by what the registration says of the model."""
    text = (
        '[profile.mine]\nbase = "stray-encryption-bits"\ntime_answer = "local"\ntime_zone_minutes = 420\n'
        '[[assign]]\nprofile = "mine"\nmodel = "BSJ-*"\n'
    )
    with profiled(text) as gateway:
        terminal = Terminal(gateway.port)
        head = build_header(0x0200, 28, phone=PHONE, serial=1, edition=Edition.V2013, encryption=4)
        assert ask(terminal, wrap(head + LOCATION))[1][-1] == 3
        assert terminal.ask(0x0100, REGISTER, 2)[0].msg_id == 0x8100
        assert ask(terminal, wrap(head + LOCATION))[1][-1] == 0
        _, answer = terminal.ask(0x0004, b"", 3)
        time = TimeAnswer.decode(
            answer, Edition.V2013, profile=profile_from("x", {"time_answer": "local", "time_zone_minutes": 420})
        ).time
        assert abs((time - utc_now()).total_seconds()) < 60  # type: ignore[operator]
        directory = open_directory(gateway.data)
        wait_until(lambda: directory.models() == {PHONE: ("70111", "BSJ-A6")})
        directory.close()
        gateway.stop()
    with profiled(text) as gateway:  # it authenticates only, and is still known
        assert ask(Terminal(gateway.port), wrap(head + LOCATION))[1][-1] == 0


def test_a_forced_edition_holds_for_headers_of_a_listener(profiled: Any) -> None:
    """§2.4: a 2013 header with bit 14 and a wrong length, whose first digits look like a version byte."""
    with profiled('[[assign]]\nprofile = "forced-2013"\nlistener = "tcp"\n') as gateway:
        terminal = Terminal(gateway.port, "13800138000")
        head = bytearray(build_header(0x0200, 28, phone=terminal.phone, serial=7, edition=Edition.V2013))
        head[2:4] = (0x4000 | 30).to_bytes(2)
        terminal.socket.sendall(wrap(bytes(head) + LOCATION))
        header, body = terminal.answer()
        assert (header.edition, header.terminal, body.hex()) == (Edition.V2013, "13800138000", "0007020000")


def test_a_bad_file_of_profiles_keeps_the_gateway_from_starting(tmp_path: Path) -> None:
    """Exit code 78, with the file and the key."""
    file = tmp_path / "mine.toml"
    file.write_text("[profile.x]\nspeed = 1\n")
    values = {"data": str(tmp_path / "data"), "host": "127.0.0.1", "port": 0, "profiles": [str(file)]}
    for module in ("jtgate.gateway", "jtgate.pipeline"):
        ended = subprocess.run(
            [sys.executable, "-m", module, "--settings", json.dumps(values)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=20,
            text=True,
        )
        assert ended.returncode == 78
        assert str(file) in ended.stderr
        assert "'speed'" in ended.stderr
