"""Who listens to the live feed, and the one reader that reads it for all of them while there are any.

feed ─► Newsroom (one reader, on a thread) ─► one bounded queue for each Listener ─► jtgate.api.live
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple, TypeVar

import msgspec
from prometheus_client import Counter, Gauge

from jtgate import logs
from jtgate.api.auth import Doorkeeper
from jtgate.api.context import Api
from jtgate.api.counters import BUSY
from jtgate.api.operations import ProblemError
from jtgate.pipeline.publish.feed import Cursor, Feed, Page, Told
from jtgate.storage import open_spool_reader, open_store
from jtgate.storage.rsa_key import PlatformKey
from jtgate.storage.spool import SpoolError, SpoolReader
from jtgate.storage.store import Store, StoreError

#: Listeners at a time, and events that wait for one of them.
LISTENERS_MAX: Final = 64
EVENTS_MAX: Final = 20_000
#: Events written together.
EVENTS_PER_WRITE: Final = 500
#: How often one looks for news when there were none, and after store or spool could not be read.
POLL_S: Final = 0.1
RETRY_S: Final = 1.0

# Why a listener is sent away.
SLOW: Final = "slow"
STOPPING: Final = "stopping"
TOKEN: Final = "token"  # noqa: S105  a reason
UNAVAILABLE: Final = "unavailable"

LISTENERS = Gauge("jtgate_api_live_listeners", "Listeners to the live feed", multiprocess_mode="livesum")
SENT_AWAY = Counter("jtgate_api_live_sent_away_total", "Listeners sent away", ["reason"])

log = logs.get_logger("api")
T = TypeVar("T")
_encode: Final = msgspec.json.Encoder().encode


class Box(NamedTuple):
    """A rectangle of signed degrees."""

    west: float
    south: float
    east: float
    north: float

    @classmethod
    def of(cls, text: str) -> "Box":
        """Read "west,south,east,north".

        Raises:
            ValueError: it is none.
        """
        numbers = [float(part) for part in text.split(",")]
        if len(numbers) != 4:
            raise ValueError("four numbers are needed")
        box = cls(*numbers)
        if not (-180 <= box.west <= box.east <= 180 and -90 <= box.south <= box.north <= 90):
            raise ValueError("west,south,east,north in degrees, west and south first")
        return box

    def holds(self, longitude: object, latitude: object) -> bool:
        """Whether a place lies in it; one that is not known does not."""
        return (
            isinstance(longitude, int | float)
            and isinstance(latitude, int | float)
            and self.west <= longitude <= self.east
            and self.south <= latitude <= self.north
        )


class Listener:
    """Somebody who listens; used on the event loop only.

    Args:
        kinds: "position", "alarm".
        terminals: of these, digits without leading zeros; None for all.
        visible: what its token may see; None for all.
        box: in this rectangle; None for everywhere.
    """

    def __init__(
        self, kinds: frozenset[str], terminals: frozenset[str] | None, visible: frozenset[str] | None, box: Box | None
    ) -> None:
        self.visible = visible
        self.reason = ""  # why it is sent away
        self._kinds = kinds
        self._terminals = terminals
        self._box = box
        self._waiting: deque[bytes] = deque()
        self._news = asyncio.Event()

    def wants(self, told: Told) -> bool:
        """Whether it is to hear of something."""
        if told.kind not in self._kinds:
            return False
        if self._terminals is not None and told.terminal not in self._terminals:
            return False
        if self.visible is not None and told.terminal not in self.visible:
            return False
        return self._box is None or self._box.holds(told.shape.get("longitude"), told.shape.get("latitude"))

    def put(self, text: bytes) -> None:
        """An event for it; when there is no room it is sent away."""
        if self.reason:
            return
        if len(self._waiting) >= EVENTS_MAX:
            self.send_away(SLOW)
            return
        self._waiting.append(text)
        self._news.set()

    def send_away(self, reason: str) -> None:
        """Let it hear no more; what waits for it is thrown away, as it is told from where it can go on."""
        if not self.reason:
            self.reason = reason
            self._waiting.clear()
            self._news.set()

    def take(self) -> bytes:
        """What waits for it, at most EVENTS_PER_WRITE together."""
        count = min(len(self._waiting), EVENTS_PER_WRITE)
        text = b"".join([self._waiting.popleft() for _ in range(count)])
        if not self._waiting and not self.reason:
            self._news.clear()
        return text

    async def has_news(self, seconds: float) -> bool:
        """Wait until something is to be taken, or it is sent away; False when that takes too long."""
        try:
            await asyncio.wait_for(self._news.wait(), seconds)
        except TimeoutError:
            return False
        return True


def event(name: str, data: object) -> bytes:
    """One server-sent event."""
    return b"event: %s\ndata: %s\n\n" % (name.encode(), _encode(data))


def id_line(place: Cursor) -> bytes:
    """What stands behind the events of a page: who sends it back goes on from there."""
    return b"id: %d-%d\n\n" % place


def gap(reason: str, groups: int | None = None) -> bytes:
    """Something is missing here.

    Args:
        reason: in one word or two.
        groups: of the spool that are missing; None when nobody knows.
    """
    return event("gap", {"reason": reason, "groups": groups})


def texts(page: Page, listener: Listener) -> Iterator[bytes]:
    """What one listener is told of a page."""
    if page.missed:
        yield gap("deleted", page.missed)
    for told in page.told:
        if listener.wants(told):
            yield event(told.kind, told.shape)
    yield id_line(page.resume)


def tell(page: Page, listeners: Sequence[Listener]) -> None:
    """The same for many: what several want is put into words once."""
    missing = gap("deleted", page.missed) if page.missed else b""
    place = id_line(page.resume)
    if missing:
        for one in listeners:
            one.put(missing)
    for told in page.told:
        text = b""
        for one in listeners:
            if one.wants(told):
                text = text or event(told.kind, told.shape)
                one.put(text)
    for one in listeners:
        one.put(place)


class FeedReader:
    """A reader of the feed with a thread of its own; it opens store and spool when it needs them.

    Args:
        api: whose they are.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="live")
        self._store: Store | None = None
        self._spool: SpoolReader | None = None
        self._feed: Feed | None = None

    async def present(self) -> Cursor:
        """See Feed.present; also what it raises, and SpoolError."""
        return await self._on_thread(lambda: self._opened().present())

    async def read(self, after: Cursor) -> Page:
        """See Feed.read."""
        return await self._on_thread(lambda: self._opened().read(after))

    def close(self) -> None:
        """Give up what is open as soon as it is done with; nobody waits for that."""
        self._thread.submit(self._shut)
        self._thread.shutdown(wait=False)

    async def _on_thread(self, work: Callable[[], T]) -> T:
        def safely() -> T:
            try:
                return work()
            except BaseException:
                self._shut()  # to be opened again
                raise

        return await asyncio.get_running_loop().run_in_executor(self._thread, safely)

    def _opened(self) -> Feed:
        if self._feed is None:
            settings = self._api.settings
            self._store = open_store(settings.store, settings.data)
            self._spool = open_spool_reader(settings.data)
            self._feed = Feed(
                self._store,
                self._spool,
                parts_bytes_max=settings.parts_bytes_max,
                assignments=self._api.assignments,
                opener=PlatformKey(settings.data, settings.rsa_key).open,
            )
        return self._feed

    def _shut(self) -> None:
        opened, self._feed, self._spool, self._store = (self._spool, self._store), None, None, None
        for one in opened:
            if one is not None:
                one.close()


class Newsroom:
    """Reads the feed once for all listeners, while there are any.

    Args:
        api: where the feed comes from.
    """

    def __init__(self, api: Api) -> None:
        self.door = Doorkeeper(api)
        self._api = api
        self.places = 0  # taken, by listeners that have joined or will
        self._listeners: list[Listener] = []
        self._cursor = Cursor(0, 0)  # what all listeners have heard of
        self._reading: asyncio.Task[None] | None = None
        self._joining = asyncio.Lock()

    def take_place(self) -> None:
        """Take one of LISTENERS_MAX places.

        Raises:
            ProblemError: 503, all are taken.
        """
        if self.places >= LISTENERS_MAX:
            BUSY.labels("live").inc()
            raise ProblemError(503, "busy", "Too many listeners", f"at most {LISTENERS_MAX} at a time")
        self.places += 1
        LISTENERS.set(self.places)

    def leave(self, listener: Listener) -> None:
        """Tell a listener no more, and give its place free."""
        if listener in self._listeners:
            self._listeners.remove(listener)
        self.places -= 1
        LISTENERS.set(self.places)

    async def join(self, listener: Listener) -> Cursor:
        """Tell a listener what is stored from now on, and since when that is.

        Raises:
            StoreError, SpoolError: the feed cannot be read now.
        """
        async with self._joining:
            if self._reading is None:
                reader = FeedReader(self._api)
                try:
                    self._cursor = await reader.present()
                except BaseException:
                    reader.close()
                    raise
                self._reading = asyncio.create_task(self._read(reader, [listener]), name="api-live")
            else:
                self._listeners.append(listener)
            return self._cursor

    async def _read(self, reader: FeedReader, first: list[Listener]) -> None:
        """Read for the listeners until there are none. Between its last look at them and its end nothing is awaited."""
        self._listeners = first
        reason = UNAVAILABLE
        try:
            while self._listeners and not self._api.stopping.is_set():
                await self._page(reader)
            reason = STOPPING
        except Exception as error:  # noqa: BLE001  a bug of ours: whoever listens is to know, and may come again
            log.error("api.live_failed", error=type(error).__name__)  # noqa: TRY400  its text may quote what was found
        finally:
            self._reading = None
            for one in self._listeners:
                one.send_away(reason)
            reader.close()

    async def _page(self, reader: FeedReader) -> None:
        try:
            page = await reader.read(self._cursor)
        except (StoreError, SpoolError) as error:
            log.warning("api.live_unavailable", code=error.code)
            await asyncio.sleep(RETRY_S)
            return
        if page.cursor == self._cursor:
            await asyncio.sleep(POLL_S)
            return
        self._cursor = page.cursor
        tell(page, self._listeners)
