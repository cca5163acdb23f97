"""The private Mosquitto of the tests is itself tested: what it promises to the tests of faults."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import mosquitto_server as servers
import pytest
from mosquitto_server import MosquittoMissing, MosquittoServer
from postgres_server import is_alive

from jtgate.mqtt.address import parse_address
from jtgate.mqtt.client import MqttConnection, MqttMessage, MqttRefused

GONE_S = 15.0


def test_listens_on_loopback_only(mosquitto: Callable[..., MosquittoServer]) -> None:
    """Nobody outside of this machine can reach the broker."""
    broker = mosquitto()
    told = Path("/proc/net/tcp").read_text(encoding="ascii")
    listening = [line.split()[1] for line in told.splitlines()[1:] if line.split()[3] == "0A"]
    mine = [address for address in listening if int(address.split(":")[1], 16) == broker.port]
    assert mine == [f"0100007F:{broker.port:04X}"]


def test_messages_survive_an_orderly_restart(mosquitto: Callable[..., MosquittoServer]) -> None:
    """A persistent session gets what was published while it was away, although the broker was restarted meanwhile."""
    broker = mosquitto()
    pid, port = broker.pid, broker.port
    address = parse_address(broker.url)
    got: list[MqttMessage] = []

    async def before() -> None:
        async with MqttConnection(address, "reader", is_persistent=True) as reader:
            await reader.subscribe("kept/#")
        async with MqttConnection(address, "writer") as writer:
            await writer.publish("kept/one", b"1")

    async def after() -> None:
        came = asyncio.Event()

        def keep(message: MqttMessage) -> None:
            got.append(message)
            came.set()

        async with MqttConnection(address, "reader", is_persistent=True, on_message=keep) as reader:
            await asyncio.wait_for(came.wait(), GONE_S)
            reader.ack(got[0])

    asyncio.run(before())
    broker.restart()
    assert (broker.port, broker.pid != pid) == (port, True)
    asyncio.run(after())
    assert [message.payload for message in got] == [b"1"]


def test_kill_and_freeze(mosquitto: Callable[..., MosquittoServer]) -> None:
    """A killed broker is gone at once and can be started again; a frozen one can still be stopped."""
    broker = mosquitto()
    pid = broker.pid
    assert pid is not None
    broker.kill()
    assert not is_alive(pid)
    assert broker.pid is None
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", broker.port), 1)
    broker.start()
    broker.freeze()
    broker.stop()
    assert broker.pid is None


def test_password(mosquitto: Callable[..., MosquittoServer]) -> None:
    """Whoever has no password stays out, and errors do not quote the one that is wrong."""
    broker = mosquitto(password=True)

    async def enter(url: str) -> None:
        async with MqttConnection(parse_address(url), "somebody"):
            pass

    asyncio.run(enter(broker.url))
    wrong = broker.url.replace(broker.password, "wrong-password")
    with pytest.raises(MqttRefused) as refused:
        asyncio.run(enter(wrong))
    assert "wrong-password" not in str(refused.value)


def test_goes_with_its_owner() -> None:
    """A test process that is killed leaves neither broker nor folder behind."""
    try:
        servers.program()
    except MosquittoMissing as missing:
        pytest.skip(str(missing))
    script = """
        import sys, time
        import mosquitto_server as servers
        broker = servers.MosquittoServer(servers.program())
        broker.start()
        print(broker.pid, broker.folder, flush=True)
        time.sleep(60)
    """
    owner = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(servers.__file__).parent)},
    )
    assert owner.stdout is not None
    pid, folder = owner.stdout.readline().split()
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    owner.stdout.close()
    deadline = time.monotonic() + GONE_S
    while (is_alive(int(pid)) or Path(folder).exists()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_alive(int(pid))
    assert not Path(folder).exists()


def test_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the program and without apt, the reason names what to install."""
    monkeypatch.setattr(servers, "installed", lambda: None)
    monkeypatch.setattr(servers, "install", lambda _package: "no apt-get")
    with pytest.raises(MosquittoMissing, match=r"no apt-get; install it \(apt-get install mosquitto\)"):
        servers.program()
