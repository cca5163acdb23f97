"""The MQTT client against a real broker, in both versions; and its packets, which need none."""

import asyncio
import gc
import secrets
import ssl
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mosquitto_server import MosquittoServer

from jtgate.mqtt.address import MqttAddress, parse_address
from jtgate.mqtt.client import (
    Backoff,
    MqttBusy,
    MqttConnection,
    MqttLost,
    MqttMessage,
    MqttRefused,
    MqttUnreachable,
    keep_connected,
)
from jtgate.mqtt.packets import (
    PacketError,
    PacketReader,
    publish_packet,
    read_publish,
)

VERSIONS = pytest.mark.parametrize("version", ["5", "3.1.1"])
WAIT_S = 10.0


@pytest.fixture
def place() -> str:
    """A topic level and client id of this test."""
    return f"c-{secrets.token_hex(6)}"


@pytest.fixture
def address(mosquitto_url: str) -> MqttAddress:
    """The shared broker."""
    return parse_address(mosquitto_url)


class Heard:
    """Collects messages, and lets a test wait for so many."""

    def __init__(self) -> None:
        self.messages: list[MqttMessage] = []
        self._more = asyncio.Event()

    def __call__(self, message: MqttMessage) -> None:
        """One more."""
        self.messages.append(message)
        self._more.set()

    async def wait(self, count: int) -> list[MqttMessage]:
        """Wait until there are `count`."""
        async with asyncio.timeout(WAIT_S):
            while len(self.messages) < count:
                self._more.clear()
                await self._more.wait()
        return self.messages


@VERSIONS
def test_thousands_of_messages_arrive_in_order(address: MqttAddress, place: str, version: str) -> None:
    """Far more than the window holds, with payloads of every size: each arrives once, in order, acknowledged."""

    async def scene() -> None:
        heard = Heard()
        async with (
            MqttConnection(address, f"{place}-in", version=version, on_message=heard) as reader,
            MqttConnection(address, f"{place}-out", version=version, window=50, waiting_max=5000) as writer,
        ):
            await reader.subscribe(f"{place}/#")
            payloads = [bytes([number & 0xFF]) * (number % 400) for number in range(2000)] + [bytes(200_000)]
            told = [writer.begin_publish(f"{place}/a", payload) for payload in payloads]
            assert writer.unacknowledged == len(payloads)
            for number in range(len(payloads)):
                reader.ack((await heard.wait(number + 1))[number])
            await asyncio.gather(*told)
            assert [message.payload for message in heard.messages] == payloads
            assert writer.unacknowledged == 0

    asyncio.run(scene())


@VERSIONS
def test_what_is_not_acknowledged_comes_again(address: MqttAddress, place: str, version: str) -> None:
    """A persistent session delivers unacknowledged messages before anybody subscribes, and acknowledged ones never."""

    async def scene() -> None:
        first, second, third = Heard(), Heard(), Heard()

        def connection(heard: Heard) -> MqttConnection:
            return MqttConnection(address, place, version=version, is_persistent=True, on_message=heard)

        async with connection(first) as reader:
            assert not reader.is_session_present
            await reader.subscribe(f"{place}/#")
            for number in range(3):
                await reader.publish(f"{place}/x", bytes([number]))
            await first.wait(3)
            reader.ack(first.messages[1])
            await asyncio.sleep(0.1)
            reader.drop()
            assert isinstance(reader.closed().exception(), MqttLost)
        async with connection(second) as reader:
            assert reader.is_session_present
            assert [message.payload for message in await second.wait(2)] == [b"\0", b"\2"]
            for message in second.messages:
                reader.ack(message)
        async with connection(third) as reader:
            await reader.unsubscribe(f"{place}/#")
            assert third.messages == []

    asyncio.run(scene())


def test_the_window_is_bounded(mosquitto: Callable[..., MosquittoServer]) -> None:
    """A broker that does not answer fills window and queue, then sending fails instead of piling up."""
    broker = mosquitto()

    async def scene() -> None:
        async with MqttConnection(parse_address(broker.url), "w", window=5, waiting_max=5) as writer:
            broker.freeze()
            told = [writer.begin_publish("a", b"x") for _ in range(10)]
            with pytest.raises(MqttBusy):
                writer.send("a", b"x")
            broker.thaw()
            await asyncio.gather(*told)
            broker.kill()
            async with asyncio.timeout(WAIT_S):
                with pytest.raises(MqttLost):
                    await writer.closed()
            with pytest.raises(MqttLost):
                writer.send("a", b"x")

    asyncio.run(scene())


def test_a_lost_connection_ends_what_waits(mosquitto: Callable[..., MosquittoServer]) -> None:
    """Publishes that the broker had not acknowledged end with MqttLost."""
    broker = mosquitto()

    async def scene() -> None:
        async with MqttConnection(parse_address(broker.url), "w") as writer:
            broker.freeze()
            told = writer.begin_publish("a", b"x")
            broker.kill()
            with pytest.raises(MqttLost):
                await asyncio.wait_for(told, WAIT_S)

    asyncio.run(scene())


@VERSIONS
def test_a_fault_in_on_message_costs_the_connection(address: MqttAddress, place: str, version: str) -> None:
    """A message that cannot be handled is not acknowledged: it comes again on the next connection."""

    async def scene() -> None:
        heard = Heard()

        def fail(_message: MqttMessage) -> None:
            raise RuntimeError("a bug")

        reader = MqttConnection(address, place, version=version, is_persistent=True, on_message=fail)
        async with reader, MqttConnection(address, f"{place}-out", version=version) as writer:
            await reader.subscribe(place)
            await writer.publish(place, b"x")
            with pytest.raises(MqttLost):
                await asyncio.wait_for(reader.closed(), WAIT_S)
        async with MqttConnection(address, place, version=version, is_persistent=True, on_message=heard) as reader:
            reader.ack((await heard.wait(1))[0])
            await reader.unsubscribe(place)

    asyncio.run(scene())


@VERSIONS
def test_a_message_that_is_too_long_is_cut(
    address: MqttAddress, place: str, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a message beyond the limit only the head is kept, enough to acknowledge it; the next one is whole."""
    monkeypatch.setattr("jtgate.mqtt.client.PACKET_BYTES_MAX", 100_000)

    async def scene() -> None:
        heard = Heard()
        async with (
            MqttConnection(address, place, version=version, on_message=heard) as reader,
            MqttConnection(address, f"{place}-out", version=version) as writer,
        ):
            await reader.subscribe(place)
            await writer.publish(place, bytes(3_000_000))
            await writer.publish(place, b"short")
            long, short = await heard.wait(2)
            assert (long.topic, long.payload, long.is_cut) == (place, b"", True)
            assert (short.payload, short.is_cut) == (b"short", False)
            reader.ack(long)
            reader.ack(short)

    asyncio.run(scene())


def test_nobody_there() -> None:
    """No connection is an error that names the broker and no password."""

    async def scene() -> None:
        async with MqttConnection(parse_address("mqtt://me:s3cret@127.0.0.1:1"), "x"):
            pass

    with pytest.raises(MqttUnreachable, match=r"mqtt://127\.0\.0\.1:1 cannot be reached") as error:
        asyncio.run(scene())
    assert "s3cret" not in str(error.value)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_tls(mosquitto: Callable[..., MosquittoServer], tmp_path: Path) -> None:
    """Over TLS with a certificate that is trusted; without that trust there is no connection."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    broker = mosquitto(tls=(certificate, key), password=True)
    address = parse_address(broker.url)
    assert urlsplit(broker.url).scheme == "mqtts"

    async def scene(tls: ssl.SSLContext | None) -> None:
        heard = Heard()
        async with MqttConnection(address, "t", tls=tls, on_message=heard) as connection:
            await connection.subscribe("a")
            payload = bytes(500_000)  # more than one record of TLS, more than one read
            await connection.publish("a", payload)
            assert [message.payload for message in await heard.wait(1)] == [payload]

    asyncio.run(scene(ssl.create_default_context(cafile=str(certificate))))
    with pytest.raises(MqttUnreachable, match="certificate"):
        asyncio.run(scene(None))
    gc.collect()  # paho leaves the socket of a failed handshake to the collector


def test_a_refused_message(mosquitto: Callable[..., MosquittoServer], tmp_path: Path) -> None:
    """What the broker's rules forbid is an error of the one who waits for the acknowledgement."""
    rules = tmp_path / "acl"
    rules.write_text("topic write a/#\n", encoding="utf-8")
    rules.chmod(0o600)
    broker = mosquitto(settings={"acl_file": str(rules)})

    async def scene() -> None:
        async with MqttConnection(parse_address(broker.url), "x") as connection:
            with pytest.raises(MqttRefused):
                await connection.publish("b", b"x")

    asyncio.run(scene())


def test_kept_connected_through_a_restart(mosquitto: Callable[..., MosquittoServer]) -> None:
    """The work is begun again with every new connection, and the runner ends with it."""
    broker = mosquitto()
    address = parse_address(broker.url)
    begun: list[MqttConnection] = []
    lost: list[str] = []

    async def work(connection: MqttConnection) -> None:
        begun.append(connection)
        if len(begun) == 1:
            await asyncio.to_thread(broker.restart, "kill")
            await connection.closed()

    async def scene() -> None:
        make = lambda: MqttConnection(address, "kept")  # noqa: E731
        backoff = Backoff(0.05, 0.2)
        await asyncio.wait_for(
            keep_connected(make, work, on_lost=lambda error: lost.append(error.code), backoff=backoff), WAIT_S
        )

    asyncio.run(scene())
    assert len(begun) == 2
    assert lost[0] == "mqtt.lost"
    assert set(lost[1:]) <= {"mqtt.unreachable"}


def test_leaving_is_prompt(address: MqttAddress, place: str) -> None:
    """Saying goodbye takes no time, and nothing waits on a connection that was left."""

    async def scene() -> MqttConnection:
        async with MqttConnection(address, place) as connection:
            connection.send(place, b"last words")
            begun = time.monotonic()
        assert time.monotonic() - begun < 1.0
        assert connection.closed().result() is None
        return connection

    assert not asyncio.run(scene()).is_open


# -------------------------------------------------------------------------------------------------- packets


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(codec="utf-8"), min_size=1, max_size=40),
            st.binary(max_size=300),
            st.sampled_from([0, 1]),
            st.booleans(),
            st.integers(1, 65_535),
        ),
        max_size=8,
    ),
    st.booleans(),
    st.integers(1, 50),
)
def test_packets_survive_any_cutting(wanted: list[tuple[str, bytes, int, bool, int]], is_v5: bool, step: int) -> None:
    """What is written is read again, wherever the stream is cut."""
    stream = b"".join(
        publish_packet(topic.encode(), payload, qos=qos, retain=retain, mid=mid, is_v5=is_v5)
        for topic, payload, qos, retain, mid in wanted
    )
    reader = PacketReader(1 << 20)
    packets = [packet for at in range(0, len(stream), step) for packet in reader.feed(stream[at : at + step])]
    messages = [read_publish(packet, is_v5=is_v5) for packet in packets]
    assert messages == [
        MqttMessage(topic, payload, qos, retain, mid if qos else 0) for topic, payload, qos, retain, mid in wanted
    ]


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_packets_or_an_error(data: bytes, is_v5: bool) -> None:
    """A broker that talks nonsense is an error of one kind only."""
    try:
        for packet in PacketReader(64).feed(data):
            read_publish(packet, is_v5=is_v5)
    except PacketError:
        pass
