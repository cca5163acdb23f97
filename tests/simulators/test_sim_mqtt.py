"""Fleets whose frames go through an MQTT broker: a real Mosquitto, and a small platform behind it."""

import asyncio
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner
from mosquitto_server import MosquittoServer
from mqtt_platform import MqttPlatform

from jtgate.cli.simulate import MQTT_VARIABLE, simulate
from jtgate.codecs.fingerprint import fingerprint
from jtgate.simulators import mqtt_links, terminal
from jtgate.simulators.faults import FaultPlan
from jtgate.simulators.fleet import Fleet, FleetOptions
from jtgate.simulators.mqtt_options import MqttOptions, check_topic, default_connections
from jtgate.simulators.mqtt_packets import (
    Packet,
    PacketError,
    PacketReader,
    connect_packet,
    puback_packet,
    publish_packet,
    read_message,
    subscribe_packet,
)
from jtgate.simulators.rules import Rules

_prefixes = (f"sim-{number}" for number in itertools.count())


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses that a person would not notice take too much of a test."""
    monkeypatch.setattr(mqtt_links, "BACKOFF_S", (0.1, 0.5))
    monkeypatch.setattr(terminal, "BACKOFF_S", (0.2, 1.0))


def options(url: str, prefix: str, **changes: object) -> FleetOptions:
    """A short, busy run of twenty terminals on three connections."""
    parts = urlsplit(url)
    broker = MqttOptions(
        parts.hostname or "",
        parts.port or 1883,
        3,
        username=parts.username or "",
        password=parts.password or "",
        up=f"{prefix}/{{phone}}/up",
        down=f"{prefix}/{{phone}}/down",
    )
    values: dict[str, object] = {
        "mqtt": broker,
        "terminals": 20,
        "duration_s": 2.0,
        "ramp": 500.0,
        "rules": Rules(interval_s=0.5, answer_wait_s=2.0),
    }
    return FleetOptions(**{**values, **changes})  # type: ignore[arg-type]


def test_a_fleet_registers_reports_and_is_answered(mosquitto_url: str, tmp_path: Path) -> None:
    """Nothing is lost; the ledger has what the platform acknowledged, under the phones and bodies it has seen."""
    ledger = tmp_path / "ledger.jsonl"

    async def live() -> tuple[Fleet, MqttPlatform]:
        prefix = next(_prefixes)
        async with MqttPlatform(mosquitto_url, prefix) as platform:
            plan = FaultPlan.parse("glue:0.05,repeat:0.05,checksum:0.02", datagrams=True)
            rules = Rules(interval_s=0.5, answer_wait_s=2.0, faults=plan)
            fleet = Fleet(options(mosquitto_url, prefix, ledger=ledger, rules=rules))
            await fleet.run()
            return fleet, platform

    fleet, platform = asyncio.run(live())
    lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    seen = {(phone, fingerprint(one.body)) for phone, each in platform.platforms.items() for one in each.seen}

    assert not fleet.failed
    assert fleet.tally.authenticated == len(platform.platforms) == 20
    assert fleet.tally.sent[0x0200] > 30
    assert len(lines) >= fleet.tally.positions_acknowledged > 30
    assert {(line["phone"], line["fingerprint"]) for line in lines if line["msg_id"] == "0x0200"} <= seen
    assert fleet.tally.publishes_dropped == 0


def test_a_broker_restart_loses_nothing(mosquitto: Callable[..., MosquittoServer]) -> None:
    """Every link is lost, the terminals come back and send what was not answered."""

    async def live() -> Fleet:
        broker = mosquitto()
        async with MqttPlatform(broker.url, "sim") as platform:
            rules = Rules(interval_s=0.5, answer_wait_s=1.0)
            fleet = Fleet(options(broker.url, "sim", duration_s=5.0, rules=rules))
            running = asyncio.create_task(fleet.run())
            await asyncio.sleep(1.5)
            before = fleet.tally.positions_acknowledged
            await asyncio.to_thread(broker.kill)
            await asyncio.sleep(1.0)
            assert fleet.online == 0
            await asyncio.to_thread(broker.start)
            await running
            assert before > 0
            assert platform.count()[0x0704] > 0  # made while the broker was away
            return fleet

    fleet = asyncio.run(live())

    assert not fleet.failed
    assert fleet.tally.disconnects["broker lost"] == 20
    assert fleet.tally.positions_lost == fleet.tally.positions_unsent == 0


def test_commands_are_executed_once_however_often_they_come(mosquitto_url: str, tmp_path: Path) -> None:
    """Two copies of a text to every terminal: two answers, one line each."""
    executed = tmp_path / "executed.jsonl"

    async def live() -> MqttPlatform:
        prefix = next(_prefixes)
        async with MqttPlatform(mosquitto_url, prefix) as platform:
            fleet = Fleet(options(mosquitto_url, prefix, commands_ledger=executed))
            running = asyncio.create_task(fleet.run())
            while fleet.online < 20:  # noqa: ASYNC110  the fleet has no event for it
                await asyncio.sleep(0.02)
            for phone in platform.platforms:
                platform.command(phone, 0x8300, b"\x08hello", copies=2)
            await running
            return platform

    platform = asyncio.run(live())
    lines = [json.loads(line) for line in executed.read_text().splitlines()]

    assert sorted(line["phone"] for line in lines) == sorted(platform.platforms)
    assert {(line["msg_id"], line["fingerprint"]) for line in lines} == {("0x8300", fingerprint(b"\x08hello"))}
    assert platform.count()[0x0001] == 40


def test_a_broker_that_stops_reading_makes_terminals_hold_back(
    mosquitto: Callable[..., MosquittoServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Positions go to the memory meanwhile, and out when it reads again."""
    monkeypatch.setattr(mqtt_links, "CONGESTED_ABOVE", 10)
    monkeypatch.setattr(mqtt_links, "RESUMED_BELOW", 5)

    async def live() -> Fleet:
        broker = mosquitto()
        async with MqttPlatform(broker.url, "sim"):
            rules = Rules(interval_s=0.2, answer_wait_s=3.0)
            fleet = Fleet(options(broker.url, "sim", duration_s=4.0, rules=rules))
            running = asyncio.create_task(fleet.run())
            while fleet.online < 20:  # noqa: ASYNC110  the fleet has no event for it
                await asyncio.sleep(0.02)
            broker.freeze()
            await asyncio.sleep(1.2)
            congested = sum(seat.terminal.congested for seat in fleet._seats)
            broker.thaw()
            await running
            assert congested == 20
            return fleet

    fleet = asyncio.run(live())

    assert not fleet.failed
    assert fleet.tally.sent[0x0704] > 0


def test_a_broker_that_refuses_us_is_told_in_the_summary(mosquitto: Callable[..., MosquittoServer]) -> None:
    """A wrong password: no terminal comes up, and the reason stands there."""
    broker = mosquitto(password=True)
    url = f"mqtt://jtgate:wrong@127.0.0.1:{broker.port}"

    async def live() -> Fleet:
        fleet = Fleet(options(url, "sim", duration_s=1.0, drain_s=0.2))
        await fleet.run()
        return fleet

    fleet = asyncio.run(live())

    assert fleet.failed
    assert fleet.tally.connected == 0
    assert set(fleet.tally.refused) == {"broker: not authorized"}


def test_the_command_line_takes_the_broker_from_the_environment(mosquitto: Callable[..., MosquittoServer]) -> None:
    """With its password, which no list of processes shows; nobody answers, so the run ends with 69."""
    broker = mosquitto(password=True)
    command = ["fleet", "--terminals", "2", "--duration", "0.5", "--json", "--answer-timeout", "0.2", "--retries", "0"]
    result = CliRunner().invoke(simulate, command, env={MQTT_VARIABLE: broker.url})
    summary = json.loads(result.stdout)

    assert summary["connected"] >= 2  # the broker let them in
    assert result.exit_code == 69
    assert broker.password not in result.output
    assert f"127.0.0.1:{broker.port} (mqtt)" in result.output


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--mqtt", "http://x"], "neither mqtt:// nor mqtts://"),
        (["--mqtt", "mqtt://127.0.0.1", "--transport", "udp"], "--transport means nothing"),
        (["--mqtt", "mqtt://127.0.0.1", "--mqtt-up", "a/b"], "{phone}"),
        (["--mqtt", "mqtt://127.0.0.1", "--mqtt-up", "a/{phone}", "--mqtt-down", "a/{phone}"], "same topic"),
        (["--mqtt", "mqtt://127.0.0.1", "--faults", "half"], "needs a stream"),
        (["--command-faults", "nonsense"], "no fault is called"),
    ],
)
def test_flags_that_make_no_sense_are_refused(flags: list[str], words: str) -> None:
    """With exit code 2 and what is wrong."""
    result = CliRunner().invoke(simulate, ["fleet", *flags])

    assert result.exit_code == 2
    assert words in result.output


# ---------------------------------------------------------------------------------------------------- packets


def test_packets_are_cut_out_of_any_pieces() -> None:
    """Also a long one, whose length takes two bytes."""
    stream = publish_packet(b"a/b", 7, bytes(300)) + puback_packet(9) + publish_packet(b"c", 65535, b"x")
    for size in (1, 2, 7, 1000):
        reader = PacketReader()
        packets = [packet for at in range(0, len(stream), size) for packet in reader.feed(stream[at : at + size])]
        first, acknowledged, last = packets
        assert read_message(first) == (b"a/b", 7, bytes(300))
        assert (acknowledged.first & 0xF0, acknowledged.body) == (0x40, b"\0\x09")
        assert read_message(last) == (b"c", 65535, b"x")


def test_packets_are_those_of_the_standard() -> None:
    """MQTT 3.1.1, clean session, QoS 1."""
    assert connect_packet("id", "", "", 30).hex() == "100e00044d51545404" + "02" + "001e" + "00026964"
    assert (
        connect_packet("id", "u", "p", 30).hex() == "101400044d51545404" + "c2" + "001e" + "00026964" + "000175000170"
    )
    assert subscribe_packet(3, ["a", "b"]).hex() == "820a0003" + "00016101" + "00016201"
    assert publish_packet(b"a", 1, b"x").hex() == "3206" + "000161" + "0001" + "78"
    assert read_message(Packet(0x30, b"\0\1ahello")) == (b"a", None, b"hello")


@pytest.mark.parametrize("data", [b"\x30\xff\xff\xff\xff\x01", b"\x30\xff\xff\xff\x7f"])
def test_lengths_that_cannot_be_are_refused(data: bytes) -> None:
    """One that does not end, one of 256 MB."""
    with pytest.raises(PacketError):
        PacketReader().feed(data)


def test_a_message_that_is_cut_off_is_refused() -> None:
    """It says QoS 1 and has no number."""
    with pytest.raises(PacketError):
        read_message(Packet(0x32, b"\0\1a"))


def test_topics_and_connections() -> None:
    """One {phone}, no wildcard; one connection for 500 terminals."""
    assert check_topic("a/{phone}/b") == "a/{phone}/b"
    for wrong in ("a", "{phone}/{phone}", "+/{phone}", "a/#/{phone}"):
        with pytest.raises(ValueError, match="it"):
            check_topic(wrong)
    assert [default_connections(terminals) for terminals in (1, 500, 501, 10_000)] == [1, 1, 2, 20]
