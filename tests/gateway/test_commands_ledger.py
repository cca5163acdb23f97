"""Queued commands over kills of the gateway: each is obeyed once, and none after its expiry."""

import asyncio
import random
import threading
import time
from collections import Counter as Tally
from contextlib import suppress
from pathlib import Path
from typing import Self

import pytest
from conftest import READY_S, running
from office import LOCATION, Office
from toolbox import free_port

from jtgate.codecs.edition import Edition
from jtgate.codecs.framing import Frame, FrameReader
from jtgate.codecs.header import encode_frames, parse_header
from jtgate.codecs.timebase import now_ms
from jtgate.storage.commands import CommandState

#: From the moment the gateway looks at the clock until the terminal does, on a busy machine.
ON_THE_WAY_MS = 500
#: Every so many commands are worth something for a moment only, and terminals come late.
SHORT_LIVED = 10
SHORT_S = 1.0
#: One answer in so many is never sent: the terminal has obeyed all the same.
FORGETFUL = 20


class Obedient:
    """A terminal that obeys what it has not obeyed before, told by id, serial and body (§10.3); it reconnects."""

    def __init__(self, port: int, phone: str, chance: random.Random) -> None:
        self.port, self.phone, self.chance = port, phone, chance
        self.done: list[tuple[int, int]] = []  # number in the text, and when
        self.repeated = 0
        self._known: set[tuple[int, int, bytes]] = set()

    async def live(self) -> None:
        """Connect again and again."""
        while True:
            with suppress(OSError):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                try:
                    await self._obey(reader, writer)
                finally:
                    writer.close()
            await asyncio.sleep(0.02 + self.chance.random() * 0.1)

    async def _obey(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self._frame(0x0200, LOCATION))
        frames = FrameReader()
        while data := await reader.read(65536):
            for event in frames.feed(data):
                assert isinstance(event, Frame)
                header, body = parse_header(event.payload)
                if header.msg_id == 0x8001:
                    continue
                key = (header.msg_id, header.serial, body)
                if key in self._known:
                    self.repeated += 1
                else:
                    self._known.add(key)
                    self.done.append((int(body[1:]), now_ms()))
                if self.chance.randrange(FORGETFUL):
                    answer = header.serial.to_bytes(2) + header.msg_id.to_bytes(2) + b"\0"
                    writer.write(self._frame(0x0001, answer))

    def _frame(self, msg_id: int, body: bytes) -> bytes:
        return encode_frames(msg_id, body, phone=self.phone, serial=1, edition=Edition.V2013)[0]


class Fleet:
    """Terminals that come one after the other, on a loop of their own."""

    def __init__(self, port: int, count: int, over_s: float) -> None:
        chance = random.Random(11)
        self.terminals = [Obedient(port, f"1350{number:07d}", random.Random(number)) for number in range(count)]
        self._starts = [chance.random() * over_s for _ in range(count)]
        self._over = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    async def _run(self) -> None:
        async def later(terminal: Obedient, delay_s: float) -> None:
            await asyncio.sleep(delay_s)
            await terminal.live()

        tasks = [asyncio.create_task(later(*pair)) for pair in zip(self.terminals, self._starts, strict=True)]
        while not self._over.is_set():
            await asyncio.sleep(0.05)
            for task in tasks:
                if task.done():
                    task.result()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def survive(data: Path, commands: int, terminals: int, kills: int, over_s: float) -> None:
    """Queue commands, let terminals come, kill the gateway meanwhile, and compare who did what."""
    port = free_port()
    settings = {"port": port, "command_retry_seconds": 0.5, "command_retries": 8}
    with running(data, **settings) as gateway:
        office = Office(data)
        expiries: dict[int, int] = {}  # by number
        ids: dict[int, int] = {}
        for number in range(commands):
            is_short = number % SHORT_LIVED == 0
            ids[number] = office.text(
                f"1350{number % terminals:07d}", str(number), expires_s=SHORT_S if is_short else 600
            )
            expiries[number] = office.get(ids[number]).new.expires_ms
        gateway.process.kill()
        gateway.process.wait()
    with Fleet(port, terminals, over_s) as fleet:
        for _ in range(kills):
            with running(data, **settings) as gateway:
                time.sleep(over_s / (kills + 1))
                gateway.process.kill()
                gateway.process.wait()
        with running(data, **settings) as gateway:
            deadline = time.monotonic() + READY_S + commands / 200
            while office.bus.find(states=[CommandState.WAITING, CommandState.SENT], limit=1):
                assert time.monotonic() < deadline, office.bus.counts()
                time.sleep(0.1)
            assert gateway.stop() == 0
    done = [(number, at, terminal) for terminal in fleet.terminals for number, at in terminal.done]
    counts = Tally(number for number, _, _ in done)
    assert [number for number, count in counts.items() if count > 1] == []
    assert [number for number, at, _ in done if at > expiries[number] + ON_THE_WAY_MS] == []
    assert [number for number, _, terminal in done if number % terminals != int(terminal.phone[4:])] == []
    for number in range(commands):
        state = office.get(ids[number]).state
        assert state is CommandState.ANSWERED if number % SHORT_LIVED else state.is_open is False
        if state is CommandState.ANSWERED:
            assert counts[number] == 1, number
    assert CommandState.EXPIRED in {office.get(ids[number]).state for number in range(0, commands, SHORT_LIVED)}
    assert sum(terminal.repeated for terminal in fleet.terminals), "nothing was repeated, so nothing was shown"
    office.bus.close()


def test_queued_commands_survive_kills_of_the_gateway(tmp_path: Path) -> None:
    """1,000 commands for 100 terminals, and three kills, one of them before anybody is there."""
    survive(tmp_path / "data", 1000, 100, kills=2, over_s=2.0)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_ten_thousand_queued_commands_survive_kills_of_the_gateway(tmp_path: Path) -> None:
    """10,000 commands for 1,000 terminals, and six kills."""
    survive(tmp_path / "data", 10_000, 1000, kills=5, over_s=12.0)
