"""The publisher against a real broker: at least once, whatever is restarted or killed."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgpack
import paho.mqtt.client as paho
import pytest
from mosquitto_server import MosquittoServer
from pipeline_line import PHONE, Line, location, payload, tlv
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from jtgate.codecs.timebase import now_us
from jtgate.settings import Settings

TERMINAL = PHONE.lstrip("0")
pytestmark = pytest.mark.xdist_group("publish")


class Subscriber:
    """A client with a persistent session that collects messages by topic.

    Args:
        url: of the broker.
        topic: filter.
        read: turns a payload into an object.
    """

    def __init__(self, url: str, topic: str, read: Callable[[bytes], Any] = json.loads) -> None:
        self.messages: list[tuple[str, Any, bool]] = []
        self._topic = topic
        self._read = read
        self._subscribed = threading.Event()
        self._client = paho.Client(
            paho.CallbackAPIVersion.VERSION2, client_id="listener", clean_session=False, protocol=paho.MQTTv311
        )
        self._client.on_connect = self._connected
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._received
        self._client.reconnect_delay_set(1, 1)
        parts = urlsplit(url)
        self._client.connect(parts.hostname or "", parts.port or 0)
        self._client.loop_start()
        assert self._subscribed.wait(10)

    def _connected(self, client: paho.Client, *_: object) -> None:
        client.subscribe(self._topic, 1)

    def _received(self, _client: object, _userdata: object, message: paho.MQTTMessage) -> None:
        self.messages.append((message.topic, self._read(message.payload), message.retain))

    def serials(self) -> set[int]:
        """Serials of the positions that came."""
        return {shape["serial"] for topic, shape, _ in list(self.messages) if "/position/" in topic}

    def close(self) -> None:
        """Leave."""
        self._client.disconnect()
        self._client.loop_stop()


@contextmanager
def publishing(line: Line, *urls: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A publisher process that has begun; killed at the end if it still runs."""
    settings = Settings(data=line.data, mqtt_out=urls, log_format="json")
    command = [sys.executable, "-m", "jtgate.pipeline.publish", "--settings", settings.to_json()]
    begun = time.monotonic()
    env = os.environ | environment
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env) as process:
        try:
            while not all(line.store.cursor(f"publish:{name_of(url)}:begun") for url in urls):
                assert process.poll() is None
                assert time.monotonic() - begun < 20
                time.sleep(0.02)
            yield process
        finally:
            process.kill()


def name_of(url: str) -> str:
    """Name of an outlet: that of the query."""
    return url.split("name=")[1].split("&", maxsplit=1)[0]


def wait_for(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    """Until it holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def reports(first: int, count: int) -> list[bytes]:
    """So many reports with serials that rise."""
    return [
        payload(0x0200, location(f"2511232014{number % 60:02d}", status=3 + (number << 8)), serial=number)
        for number in range(first, first + count)
    ]


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    """An empty line whose frames arrive now."""
    with closing(Line(tmp_path)) as made:
        made.now_us = now_us() - 60_000_000
        yield made


def test_everything_is_published_at_least_once_whatever_is_restarted(
    line: Line, mosquitto: Callable[..., MosquittoServer]
) -> None:
    """Broker restarted, broker killed while away, publisher killed: a subscriber with a session gets all of it."""
    broker = mosquitto()
    url = f"{broker.url}/city?name=city"
    subscriber = Subscriber(broker.url, "city/v1/#")
    count = 0

    def more(groups: int) -> None:
        nonlocal count
        for _ in range(groups):
            line.append(reports(count, 50))
            count += 50
        line.run()

    with closing(subscriber):
        with publishing(line, url) as process:
            more(10)
            wait_for(lambda: len(subscriber.serials()) >= 100)
            broker.restart()
            more(10)
            process.send_signal(signal.SIGKILL)
            process.wait(10)
        more(10)
        with publishing(line, url) as process:
            broker.stop()
            more(10)
            time.sleep(0.3)
            broker.start()
            wait_for(lambda: subscriber.serials() == set(range(count)))
            process.terminate()
            assert process.wait(10) == 0

    assert count == 2000
    assert line.store.cursor("publish:city:spool") == line.reader.last_seq()
    with publishing(line, url) as process:
        time.sleep(0.5)
        process.terminate()
        process.wait(10)
    assert subscriber.serials() == set(range(2000))


def test_two_formats_a_retained_position_and_a_new_outlet_that_begins_at_the_present(
    line: Line, mosquitto_url: str
) -> None:
    """What was stored before an outlet was first there is not sent; who subscribes later finds the last position."""
    line.append(reports(0, 5))
    line.run()
    urls = (f"{mosquitto_url}/own-json?name=one", f"{mosquitto_url}/own-packed?name=two&format=msgpack")
    with publishing(line, *urls) as process:
        first = Subscriber(mosquitto_url, "own-json/v1/#")
        line.append([payload(0x0200, location("251123201501", alarm=1), serial=10)])
        line.append([payload(0x0200, location("251123201401"), serial=11)])
        line.run()
        wait_for(lambda: first.serials() == {10, 11})
        wait_for(lambda: len(first.messages) == 3)
        first.close()
        process.terminate()
        assert process.wait(10) == 0

    topics = [topic for topic, _, _ in first.messages]
    assert topics.count(f"own-json/v1/position/{TERMINAL}") == 2
    assert topics.count(f"own-json/v1/alarm/{TERMINAL}") == 1
    for prefix, read in (("own-json", json.loads), ("own-packed", msgpack.unpackb)):
        later = Subscriber(mosquitto_url, f"{prefix}/v1/position/+", read)
        wait_for(lambda later=later: bool(later.messages))  # type: ignore[misc]
        later.close()
        ((_, shape, is_retained),) = later.messages
        assert (shape["serial"], shape["time"], is_retained) == (10, "2025-11-23T20:15:01+08:00", True)


def test_a_message_that_is_too_long_for_the_broker_holds_up_nothing(
    line: Line, mosquitto: Callable[..., MosquittoServer]
) -> None:
    """It is left out and counted; those behind it arrive."""
    broker = mosquitto(settings={"max_packet_size": "600"})
    long = location(items="".join(tlv(0xE1 + number, bytes(30)) for number in range(8)))
    with publishing(line, f"{broker.url}/city?name=city") as process:
        subscriber = Subscriber(broker.url, "city/v1/#")
        line.append([*reports(0, 1), payload(0x0200, long, serial=1), *reports(2, 1)])
        line.run()
        wait_for(lambda: subscriber.serials() == {0, 2})
        wait_for(lambda: line.store.cursor("publish:city:spool") == line.reader.last_seq())
        subscriber.close()
        process.terminate()
        assert process.wait(10) == 0


def test_who_asks_sees_how_far_an_outlet_is_behind(
    line: Line, mosquitto: Callable[..., MosquittoServer], tmp_path: Path
) -> None:
    """Also, and above all, while its broker is away."""
    broker = mosquitto()
    folder = tmp_path / "metrics"
    folder.mkdir()

    def told(name: str) -> float:
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=str(folder))
        return registry.get_sample_value(name, {"outlet": "city"}) or 0.0

    with publishing(line, f"{broker.url}/city?name=city", PROMETHEUS_MULTIPROC_DIR=str(folder)) as process:
        line.append(reports(0, 1))
        line.run()
        wait_for(lambda: line.store.cursor("publish:city:spool") == 1)
        broker.stop()
        for number in range(1, 4):
            line.append(reports(number, 1))
        line.run()
        wait_for(lambda: told("jtgate_publish_lag_groups") == 3)
        assert 30 < told("jtgate_publish_lag_seconds") < 120
        broker.start()
        wait_for(lambda: told("jtgate_publish_lag_groups") == 0)
        process.terminate()
        assert process.wait(10) == 0


@pytest.mark.parametrize(
    ("urls", "said"),
    [
        (("mqtt://x?format=xml",), "format is 'xml'; possible is json, msgpack"),
        (("mqtt://x", "mqtt://x"), "two brokers have the same name"),
    ],
)
def test_outlets_that_cannot_be_told_apart_or_read_are_refused(line: Line, urls: tuple[str, ...], said: str) -> None:
    """Exit code 78, and a sentence."""
    settings = Settings(data=line.data, mqtt_out=urls)
    command = [sys.executable, "-m", "jtgate.pipeline.publish", "--settings", settings.to_json()]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False)

    assert done.returncode == 78
    assert said in done.stderr
