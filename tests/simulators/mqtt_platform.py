"""TinyPlatform behind a broker: one for each terminal, spoken to through another client than the fleet's."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from typing import Self
from urllib.parse import urlsplit

import aiomqtt
from tiny_platform import Seen, TinyPlatform


class MqttPlatform:
    """Answers whatever is published below a prefix, and comes back when the broker does.

    Args:
        url: of the broker.
        prefix: topics are PREFIX/{phone}/up and PREFIX/{phone}/down.
        judge: see TinyPlatform.
    """

    def __init__(self, url: str, prefix: str, judge: Callable[[Seen], list[bytes] | None] | None = None) -> None:
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "", parts.port or 1883
        self.who = {"username": parts.username, "password": parts.password}
        self.prefix = prefix
        self.judge = judge
        self.platforms: dict[str, TinyPlatform] = {}
        self._frames: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
        self._ready = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._live())
        await asyncio.wait_for(self._ready.wait(), 10)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _live(self) -> None:
        while True:
            with suppress(aiomqtt.MqttError):
                async with AsyncExitStack() as stack:
                    client = aiomqtt.Client(self.host, self.port, **self.who)  # type: ignore[arg-type]
                    await stack.enter_async_context(client)
                    await client.subscribe(f"{self.prefix}/+/up", qos=1)
                    self._ready.set()
                    tasks = [asyncio.create_task(self._listen(client)), asyncio.create_task(self._talk(client))]
                    try:
                        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                    finally:
                        for task in tasks:
                            task.cancel()
                        await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.sleep(0.2)

    async def _listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            phone = str(message.topic).split("/")[-2]
            platform = self.platforms.setdefault(phone, TinyPlatform(judge=self.judge))
            assert isinstance(message.payload, bytes)
            for frame in platform.feed(message.payload):
                self._frames.put_nowait((phone, frame))

    async def _talk(self, client: aiomqtt.Client) -> None:
        while True:
            phone, frame = await self._frames.get()
            await client.publish(f"{self.prefix}/{phone}/down", frame, qos=1)

    def command(self, phone: str, msg_id: int, body: bytes, *, copies: int = 1) -> None:
        """A command to a terminal that has been heard of."""
        platform = self.platforms[phone]
        frame = platform.frame(platform.seen[0].header, msg_id, body)
        for _ in range(copies):
            self._frames.put_nowait((phone, frame))

    @property
    def seen(self) -> list[Seen]:
        """Every frame."""
        return [seen for platform in self.platforms.values() for seen in platform.seen]

    def count(self) -> Counter[int]:
        """Frames by message."""
        return Counter(seen.header.msg_id for seen in self.seen)
