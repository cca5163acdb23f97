"""Terminals behind a real broker: what they are answered, what is in the spool, what comes again and what does not."""

import asyncio
import json
import queue
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import Running, Terminal, running, wait_until
from mosquitto_server import MosquittoServer
from mqtt_terminal import MqttTerminal
from office import Office
from prometheus_client import REGISTRY
from test_gateway import LOCATION, REGISTER, serials

from jtgate.api import health
from jtgate.codecs.edition import Edition
from jtgate.codecs.header import parse_header
from jtgate.gateway.server import Gateway
from jtgate.settings import Settings
from jtgate.storage.commands import CommandState
from jtgate.storage.open import open_spool_reader
from jtgate.storage.records import FramesRecord, unpack
from jtgate.storage.spool import SpoolFull, SpoolWriter

Topics = tuple[str, str]


@pytest.fixture
def topics() -> Topics:
    """Topics that no other test uses."""
    place = f"t-{secrets.token_hex(6)}"
    return f"{place}/{{phone}}/up", f"{place}/{{phone}}/down"


def settings_of(url: str, topics: Topics, **more: object) -> dict[str, object]:
    """Settings of a gateway behind a broker."""
    named = {"mqtt": url, "mqtt_up": topics[0], "mqtt_down": topics[1], "mqtt_group": topics[0].split("/")[0]}
    return {**named, **more}


def connected(data: Path) -> int:
    """Connections that the gateway says are subscribed."""
    found = json.loads((data / "run" / "gateway.json").read_text())
    number: int = found.get("mqtt", {}).get("connected", 0)
    return number


@contextmanager
def behind(url: str, topics: Topics, data: Path, **more: object) -> Iterator[Running]:
    """A gateway process that has subscribed at a broker."""
    with running(data, **settings_of(url, topics, **more)) as found:
        wait_until(lambda: connected(data) == more.get("mqtt_subscribers", 2), 10)
        yield found


@pytest.mark.parametrize(
    ("version", "edition"), [("5", Edition.V2013), ("3.1.1", Edition.V2019)], ids=["mqtt5", "mqtt3.1.1"]
)
def test_register_authenticate_report(
    mosquitto_url: str, topics: Topics, tmp_path: Path, version: str, edition: Edition
) -> None:
    """Every answer comes on the down topic, in order and in the terminal's own header; what was answered is kept."""
    with (
        behind(mosquitto_url, topics, tmp_path, mqtt_version=version) as gateway,
        MqttTerminal(mosquitto_url, topics, version=version, edition=edition) as terminal,
    ):
        body = REGISTER if edition is Edition.V2013 else bytes(75) + b"\x02" + "京A12345".encode("gbk")
        header, answer = terminal.ask(0x0100, body, 1)
        assert (header.msg_id, header.edition, answer[:3].hex()) == (0x8100, edition, "000100")
        code = answer[3:]
        credential = code if edition is Edition.V2013 else bytes([len(code)]) + code + bytes(35)
        assert terminal.ask(0x0102, credential, 2)[1].hex() == "0002010200"
        for serial in range(3, 53):
            assert terminal.ask(0x0200, LOCATION, serial)[1].hex() == f"{serial:04x}020000"

        assert serials(gateway) == list(range(3, 53))
        online = [facts for event, facts in gateway.events() if event == "online"]
        assert [(facts["how"], facts["transport"], facts["peer"]) for facts in online] == [
            ("authenticated", "mqtt", terminal.up)
        ]
        assert gateway.stop() == 0


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_command_and_its_answer(mosquitto_url: str, topics: Topics, tmp_path: Path, version: str) -> None:
    """A command goes out on the down topic, and what the terminal answers on the other ends it."""
    with (
        behind(mosquitto_url, topics, tmp_path, mqtt_version=version),
        MqttTerminal(mosquitto_url, topics, version=version) as terminal,
    ):
        office = Office(tmp_path)
        waiting = office.text(terminal.phone, "before it came")
        terminal.send(0x0200, LOCATION, 1)
        heard = dict(terminal.answer() for _ in range(2))
        assert {header.msg_id for header in heard} == {0x8001, 0x8300}
        (command,) = (header for header in heard if header.msg_id == 0x8300)
        terminal.send(0x0001, command.serial.to_bytes(2) + bytes.fromhex("830000"), 2)
        assert office.until(waiting).state is CommandState.ANSWERED
        direct = office.text(terminal.phone, "while it is there")
        header, _ = terminal.answer()
        terminal.send(0x0001, header.serial.to_bytes(2) + bytes.fromhex("830000"), 3)
        assert office.until(direct).state is CommandState.ANSWERED


def test_a_message_may_hold_several_frames_and_garbage(mosquitto_url: str, topics: Topics, tmp_path: Path) -> None:
    """Several frames of one message are answered together; a frame cut by its end, or without flags, is lost alone."""
    with (
        behind(mosquitto_url, topics, tmp_path) as gateway,
        MqttTerminal(mosquitto_url, topics) as terminal,
    ):
        terminal.ask(0x0200, LOCATION, 1)
        terminal.publish(b"".join(terminal.frame(0x0200, LOCATION, serial) for serial in (2, 3, 4)))
        assert terminal.message().count(b"\x7e") == 6  # one message for one commit
        terminal.publish(terminal.frame(0x0200, LOCATION, 5)[:-9])
        terminal.publish(terminal.frame(0x0200, LOCATION, 6)[1:-1])
        terminal.publish(b"")
        terminal.publish(bytes(70_000))
        assert terminal.ask(0x0200, LOCATION, 7)[1].hex() == "0007020000"
        assert serials(gateway) == [1, 2, 3, 4, 7]


def test_a_topic_is_for_one_terminal(mosquitto_url: str, topics: Topics, tmp_path: Path) -> None:
    """A frame of another phone is neither stored nor answered; zeros before a phone say nothing."""
    with (
        behind(mosquitto_url, topics, tmp_path) as gateway,
        MqttTerminal(mosquitto_url, topics, topic_phone="013912345678") as terminal,
        MqttTerminal(mosquitto_url, topics, "13900000000", topic_phone="no-number") as strange,
    ):
        assert terminal.ask(0x0200, LOCATION, 1)[1].hex() == "0001020000"
        terminal.phone = "13912345679"
        terminal.send(0x0200, LOCATION, 2)
        terminal.send(0x0100, REGISTER, 3)
        strange.send(0x0200, LOCATION, 4)
        terminal.phone = "13912345678"
        assert terminal.ask(0x0200, LOCATION, 5)[1].hex() == "0005020000"
        with pytest.raises(queue.Empty):
            strange.message(0.2)
        assert serials(gateway) == [1, 5]
        assert [parse_header(payload)[0].msg_id for payload in gateway.payloads()] == [0x0200, 0x0200]


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_retained_messages_and_those_of_quality_0(
    mosquitto_url: str, topics: Topics, tmp_path: Path, version: str
) -> None:
    """What the broker retained is history and not taken; what comes unacknowledged is taken as a datagram is."""
    with MqttTerminal(mosquitto_url, topics) as terminal:
        terminal.publish(terminal.frame(0x0200, LOCATION, 1), retain=True)
        with behind(
            mosquitto_url, topics, tmp_path, mqtt_version=version, mqtt_group="", mqtt_subscribers=1
        ) as gateway:
            terminal.publish(terminal.frame(0x0200, LOCATION, 2), qos=0)
            assert terminal.answer()[1].hex() == "0002020000"
            terminal.publish(terminal.frame(0x0200, LOCATION, 3), retain=True)  # new: it only stays behind
            assert terminal.answer()[1].hex() == "0003020000"
            assert serials(gateway) == [2, 3]
        terminal.publish(b"", retain=True)


def test_what_came_while_the_gateway_was_away(mosquitto_url: str, topics: Topics, tmp_path: Path) -> None:
    """The broker keeps the messages of a stopped or killed gateway, and the next one takes them, each once."""
    with MqttTerminal(mosquitto_url, topics) as terminal:
        with behind(mosquitto_url, topics, tmp_path) as gateway:
            terminal.ask(0x0200, LOCATION, 1)
            assert gateway.stop() == 0
        terminal.send(0x0200, LOCATION, 2)
        with behind(mosquitto_url, topics, tmp_path) as gateway:
            assert terminal.answer()[1].hex() == "0002020000"
            gateway.process.kill()
            gateway.process.wait()
            for serial in range(3, 40):
                terminal.send(0x0200, LOCATION, serial)
        with behind(mosquitto_url, topics, tmp_path) as gateway:
            answered: set[int] = set()
            while not set(range(3, 40)) <= answered:  # 2 too, when the broker did not know yet that it was taken
                answered.add(int.from_bytes(terminal.answer()[1][:2]))
            taken = serials(gateway)
            assert set(taken) == set(range(1, 40))
            assert sorted(serial for serial in taken if serial > 2) == list(range(3, 40))
            events = [event for event, _ in gateway.events()]
            assert events.count("gateway_started") == 3


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_the_broker_is_restarted(
    mosquitto: Callable[..., MosquittoServer],
    topics: Topics,
    tmp_path: Path,
    version: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The gateway goes on when the broker is back; its terminals were silent, not gone; /health and the log tell."""
    broker = mosquitto()
    with (
        behind(broker.url, topics, tmp_path, mqtt_version=version) as gateway,
        MqttTerminal(broker.url, topics, version=version) as terminal,
    ):
        terminal.ask(0x0200, LOCATION, 1)
        broker.stop()
        wait_until(lambda: connected(tmp_path) == 0)
        told = health.check(Settings(data=tmp_path)).problems
        assert f"0 of 2 connections to mqtt://127.0.0.1:{broker.port} stand" in told
        broker.start()
        terminal.send(0x0200, LOCATION, 2)
        # The broker may have gone before it knew that frame 1 was taken: then it brings it again.
        wait_until(lambda: sorted(set(serials(gateway))) == [1, 2], 30)
        wait_until(lambda: connected(tmp_path) == 2, 10)
        log = capfd.readouterr().err
        assert log.count("mqtt.connected") >= 4
        assert log.count("mqtt.connection_failed") >= 2
        assert [event for event, _ in gateway.events()] == ["gateway_started", "online"]


def test_sessions_of_earlier_settings_are_emptied_and_ended(mosquitto_url: str, topics: Topics, tmp_path: Path) -> None:
    """Fewer connections, or another group: what is left in the old sessions is taken, and they get no more."""
    with MqttTerminal(mosquitto_url, topics) as terminal:
        with behind(mosquitto_url, topics, tmp_path, mqtt_subscribers=3) as gateway:
            assert gateway.stop() == 0
        for serial in range(1, 31):
            terminal.send(0x0200, LOCATION, serial)
        with behind(mosquitto_url, topics, tmp_path, mqtt_subscribers=1, mqtt_group=f"{topics[0][:8]}-x") as gateway:
            wait_until(lambda: sorted(set(serials(gateway))) == list(range(1, 31)), 10)
            wait_until(lambda: len(json.loads((tmp_path / "mqtt.json").read_text())["sessions"]) == 1, 15)
            for serial in range(31, 51):
                terminal.send(0x0200, LOCATION, serial)
            wait_until(lambda: sorted(serials(gateway)) == list(range(1, 51)))


def test_a_broker_that_is_away_holds_up_nobody(topics: Topics, tmp_path: Path) -> None:
    """Terminals on TCP are served while the broker cannot be reached; no password is in the log."""
    with running(tmp_path, **settings_of("mqtt://somebody:s3cret@127.0.0.1:1", topics)) as gateway:
        assert Terminal(gateway.port).ask(0x0200, LOCATION, 1)[1].hex() == "0001020000"
        assert connected(tmp_path) == 0
        assert gateway.stop() == 0


def test_silence_ends_a_session(mosquitto_url: str, topics: Topics, tmp_path: Path) -> None:
    """A broker does not tell when a terminal goes: its time runs out, and the next frame begins a new session."""
    with (
        behind(mosquitto_url, topics, tmp_path, idle_seconds=0.5) as gateway,
        MqttTerminal(mosquitto_url, topics) as terminal,
    ):
        terminal.ask(0x0200, LOCATION, 1)
        wait_until(lambda: [event for event, _ in gateway.events()][-1] == "closed")
        assert gateway.events()[-1][1]["reason"] == "idle"
        assert terminal.ask(0x0200, LOCATION, 2)[1].hex() == "0002020000"


def test_newest_session_wins_over_transports(mosquitto_url: str, topics: Topics, tmp_path: Path) -> None:
    """A terminal that moves from the broker to TCP is one terminal."""
    with (
        behind(mosquitto_url, topics, tmp_path) as gateway,
        MqttTerminal(mosquitto_url, topics) as terminal,
    ):
        terminal.ask(0x0200, LOCATION, 1)
        Terminal(gateway.port).ask(0x0200, LOCATION, 2)
        closed = [facts for event, facts in gateway.events() if event == "closed"]
        assert [facts["reason"] for facts in closed] == ["replaced"]


# ------------------------------------------------------------------------------- inside: a spool that refuses


class StubbornSpool:
    """A spool writer that refuses on demand.

    Args:
        spool: the real one.
    """

    def __init__(self, spool: SpoolWriter) -> None:
        self._spool = spool
        self.is_full = False
        self.refused = 0

    def append(self, data: bytes, frames: int, at_us: int) -> int:
        """Append or refuse."""
        if self.is_full:
            self.refused += frames
            raise SpoolFull("the test says so")
        return self._spool.append(data, frames, at_us)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._spool, name)


def stored(data: Path) -> list[int]:
    """Serials in the spool."""
    reader = open_spool_reader(data)
    records = [record for group in reader.read(0) for record in unpack(group.data)]
    reader.close()
    payloads = [payload for record in records if isinstance(record, FramesRecord) for payload in record.payloads]
    return [parse_header(payload)[0].serial for payload in payloads]


def count(name: str, **labels: str) -> float:
    """A counter of this process."""
    return REGISTRY.get_sample_value(f"jtgate_gateway_{name}_total", labels) or 0.0


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_what_the_spool_refused_comes_again(mosquitto_url: str, topics: Topics, tmp_path: Path, version: str) -> None:
    """No PUBACK for a refused message: the terminal hears "failure", and the broker delivers it again, once it fits."""
    settings = Settings(data=tmp_path, host="127.0.0.1", port=0, tls_port=0, idle_seconds=60)
    values = settings_of(mosquitto_url, topics, mqtt_version=version)
    before = count("mqtt_messages", outcome="refused")

    async def scene() -> None:
        gateway = Gateway(Settings.from_json(json.dumps({**json.loads(settings.to_json()), **values})))
        await gateway.start()
        spool = StubbornSpool(gateway.hub.committer._spool)
        gateway.hub.committer._spool = spool
        try:
            await eventually(lambda: connected(tmp_path) == 2)
            terminal = MqttTerminal(mosquitto_url, topics)
            with terminal:
                ask = asyncio.to_thread
                await ask(terminal.ask, 0x0200, LOCATION, 1)
                spool.is_full = True
                assert (await ask(terminal.ask, 0x0200, LOCATION, 2))[1].hex() == "0002020001"
                await ask(terminal.send, 0x0200, LOCATION, 3)
                await asyncio.sleep(0.3)
                assert stored(tmp_path) == [1]
                spool.is_full = False
                answers = [(await ask(terminal.answer))[1].hex()]
                while sorted(set(answers)) < ["0002020000", "0003020000"]:
                    answers.append((await ask(terminal.answer))[1].hex())
                await eventually(lambda: sorted(stored(tmp_path)) == [1, 2, 3])
        finally:
            await gateway.stop()

    asyncio.run(scene())
    assert spooled_once(stored(tmp_path))
    assert count("mqtt_messages", outcome="refused") > before


def spooled_once(found: list[int]) -> bool:
    """Nothing came again that had been acknowledged."""
    return len(found) == len(set(found))


async def eventually(true: Callable[[], bool], within_s: float = 10.0) -> None:
    """Wait for something that happens elsewhere."""
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.02)
