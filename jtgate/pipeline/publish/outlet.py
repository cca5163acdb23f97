"""One broker that gets everything that is stored, at least once.

    cursor in the store ─► page of the feed ─► publishes, WINDOW of them under way ─► all acknowledged ─► cursor

The cursor is written behind the acknowledgements, about once a second and at the end, so whatever ends in between (the
broker, the connection, this process) costs repetitions and nothing else.
"""

import asyncio
import contextlib
import secrets
from collections import Counter, deque
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from jtgate import logs
from jtgate.mqtt.address import MqttAddress
from jtgate.mqtt.client import MqttConnection, MqttError, MqttRefused, keep_connected
from jtgate.pipeline.backoff import Backoff
from jtgate.pipeline.publish import metrics
from jtgate.pipeline.publish.feed import Cursor, Feed, Page
from jtgate.pipeline.publish.topics import FORMATS, Topics
from jtgate.storage.spool import SpoolError
from jtgate.storage.store import Store, StoreError

log = logs.get_logger("publisher")
T = TypeVar("T")

#: Publishes that the broker may not have acknowledged yet.
WINDOW: Final = 1000
#: How often one looks for news when there were none, and how often the cursor is written.
POLL_S: Final = 0.2
SAVE_S: Final = 1.0
#: How often it is measured how far behind one is.
LAG_S: Final = 1.0
#: How long what is under way is waited for at the end.
LAST_S: Final = 3.0
#: First and longest pause when store or spool cannot be read.
BACKOFF_FIRST_S: Final = 0.2
BACKOFF_MAX_S: Final = 5.0
#: Its name before those of the outlets, where the store keeps cursors.
_CONSUMER: Final = "publish"


@dataclass(frozen=True, slots=True)
class OutletOptions:
    """How an outlet is called and what it says.

    Args:
        name: of the outlet; its cursor is found under it.
        address: of the broker.
        format: one of FORMATS.
        version: of MQTT, "5" or "3.1.1".
    """

    name: str
    address: MqttAddress
    format: str
    version: str

    @classmethod
    def of(cls, address: MqttAddress, version: str) -> "OutletOptions":
        """Options of an address.

        Raises:
            ValueError: half a sentence on what is wrong.
        """
        chosen = address.options.get("format", "json")
        if chosen not in FORMATS:
            raise ValueError(f"format is {chosen!r}; possible is {', '.join(FORMATS)}")
        name = address.options.get("name") or f"{address.host}:{address.port}"
        return cls(name, address, chosen, version)


class Outlet:
    """See the module.

    Args:
        options: see OutletOptions.
        store: for cursors.
        feed: for this outlet alone.
        stop: makes `run` return.
    """

    def __init__(self, options: OutletOptions, store: Store, feed: Feed, stop: asyncio.Event) -> None:
        self._options = options
        self._store = store
        self._feed = feed
        self._stop = stop
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"publish-{options.name}")
        self._topics = Topics(options.address.prefix, options.format)
        self._cursor: Cursor | None = None  # behind what is acknowledged
        self._resume: Cursor | None = None  # to be saved for it
        self._saved: Cursor | None = None
        self._saved_at = 0.0
        self._connection: MqttConnection | None = None  # on which is published now
        self._backoff = Backoff(BACKOFF_FIRST_S, BACKOFF_MAX_S)

    async def run(self) -> None:
        """Publish until `stop` is set."""
        name = self._options.name
        try:
            while self._cursor is None and not self._stop.is_set():
                self._cursor = self._saved = self._resume = await self._guarded(self._load)
            if self._cursor is None:
                return
            watching = asyncio.create_task(self._watch_lag())
            try:
                await self._until_stop(keep_connected(self._make, self._publish, on_lost=self._count_lost))
            finally:
                watching.cancel()
            await self._save(force=True)
        finally:
            self._thread.shutdown()
            log.info("publisher.outlet_stopped", outlet=name)

    def _make(self) -> MqttConnection:
        options = self._options
        client_id = f"jtgate-out-{secrets.token_hex(6)}"  # the broker keeps nothing for us: the cursor is ours
        return MqttConnection(options.address, client_id, version=options.version, window=WINDOW)

    def _count_lost(self, error: MqttError) -> None:
        metrics.LOST.labels(self._options.name, error.code).inc()

    async def _until_stop(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something; when we are told to stop it has LAST_S to end what is under way. What it raises is raised."""
        task = asyncio.create_task(work)
        stopping = asyncio.create_task(self._stop.wait())
        await asyncio.wait((task, stopping), return_when=asyncio.FIRST_COMPLETED)
        if self._connection is not None:
            await asyncio.wait((task,), timeout=LAST_S)
        stopping.cancel()
        if not task.done():
            task.cancel()
            await asyncio.wait((task,))
        if not task.cancelled():
            task.result()

    async def _publish(self, connection: MqttConnection) -> None:
        """Publish page after page on a connection; MqttError when it is lost.

        After a failure the feed begins anew, so it begins where it misses nothing.
        """
        self._cursor = self._resume
        self._connection = connection
        try:
            while not self._stop.is_set():
                page = await self._guarded(lambda: self._feed.read(self._place()))
                if page is None:
                    self._cursor = self._resume
                    continue
                await self._send(connection, page)
                self._count(page)
                self._cursor, self._resume = page.cursor, page.resume
                await self._save()
                if not page.told:
                    if connection.closed().done():
                        connection.closed().result()
                    await self._pause(POLL_S)
        finally:
            self._connection = None

    def _place(self) -> Cursor:
        if self._cursor is None:
            raise RuntimeError("the cursor is loaded before anything is published")
        return self._cursor

    async def _send(self, connection: MqttConnection, page: Page) -> None:
        """Publish a page and wait until all of it is acknowledged.

        What the broker refuses is no different from a broker that is away: it is tried again until it is taken.
        """
        waiting: deque[asyncio.Future[None]] = deque()
        for told in page.told:
            if len(waiting) >= WINDOW:
                await waiting.popleft()
            topic, payload, retain = self._topics.message(told)
            try:
                waiting.append(connection.begin_publish(topic, payload, qos=1, retain=retain))
            except MqttRefused:  # no broker will ever take it, and nothing else would go on
                metrics.TOO_LONG.labels(self._options.name).inc()
                log.warning("publisher.message_too_long", outlet=self._options.name, kind=told.kind, bytes=len(payload))
        while waiting:
            await waiting.popleft()

    def _count(self, page: Page) -> None:
        """What was done with a page."""
        name = self._options.name
        if page.missed:
            metrics.MISSED.labels(name).inc(page.missed)
            log.warning("publisher.gap", outlet=name, groups=page.missed)
        for kind, count in Counter(told.kind for told in page.told).items():
            metrics.PUBLISHED.labels(name, kind).inc(count)

    async def _watch_lag(self) -> None:
        """Measure how far behind we are, above all while the broker is away."""
        name = self._options.name
        loop = asyncio.get_running_loop()
        while True:
            metrics.UNACKNOWLEDGED.labels(name).set(self._connection.unacknowledged if self._connection else 0)
            with contextlib.suppress(StoreError, SpoolError):  # who publishes tells of it
                groups, seconds = await loop.run_in_executor(self._thread, lambda: self._feed.lag(self._place()))
                metrics.LAG_GROUPS.labels(name).set(groups)
                metrics.LAG_SECONDS.labels(name).set(seconds)
            await asyncio.sleep(LAG_S)

    def _load(self) -> Cursor:
        """Where this outlet was; a new one begins at the present."""
        spool, alarms, begun = (self._store.cursor(name) for name in self._names())
        found = Cursor(spool, alarms)
        if not begun:
            found = self._feed.present()
            self._write(found)
        log.info("publisher.outlet_started", outlet=self._options.name, spool_seq=found.spool_seq)
        return found

    async def _save(self, *, force: bool = False) -> None:
        """Write the cursor, when it has moved and it is time."""
        now = asyncio.get_running_loop().time()
        cursor = self._resume
        if cursor is None or cursor == self._saved or (now - self._saved_at < SAVE_S and not force):
            return
        if await self._guarded(lambda: self._write(cursor)):
            self._saved, self._saved_at = cursor, now

    def _write(self, cursor: Cursor) -> bool:
        self._store.move_cursors(dict(zip(self._names(), (*cursor, 1), strict=True)))
        return True

    def _names(self) -> tuple[str, str, str]:
        """Where the cursor stands in the store: place in the spool, last alarm event, and that there is one at all."""
        own = f"{_CONSUMER}:{self._options.name}"
        return f"{own}:spool", f"{own}:alarms", f"{own}:begun"

    async def _guarded(self, work: Callable[[], T]) -> T | None:
        """Disk work on the thread of this outlet; None, after a pause, when store or spool are away."""
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except (StoreError, SpoolError) as error:
            metrics.ERRORS.labels(self._options.name).inc()
            if self._backoff.failures == 0:
                log.warning("publisher.store_unavailable", outlet=self._options.name, code=error.code)
            await self._pause(self._backoff.next_s())
            return None
        if self._backoff.succeeded():
            log.info("publisher.store_available", outlet=self._options.name)
        return found

    async def _pause(self, seconds: float) -> None:
        """Sleep, but not longer than until we are told to stop."""
        try:
            await asyncio.wait_for(self._stop.wait(), seconds)
        except TimeoutError:
            return
