"""The live feed: positions and alarm events as server-sent events, as they are stored.

    feed ─► Newsroom (reads while anybody listens) ─► one bounded queue for each listener ─► GET /v1/live

A listener that knows the id of the last event it had misses nothing: it is told first, by a reader of its own, what
came in between. A listener that cannot keep up is told so and sent away, rather than held in memory.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, NamedTuple
from weakref import WeakKeyDictionary

import msgspec
from msgspec import Meta
from prometheus_client import Counter, Gauge
from starlette.responses import StreamingResponse

from jtgate import logs
from jtgate.api.auth import Doorkeeper
from jtgate.api.context import Api
from jtgate.api.counters import BUSY
from jtgate.api.operations import Asked, Call, ProblemError, Scope, operation
from jtgate.pipeline.publish.feed import Cursor, Feed, Page, Told
from jtgate.storage import open_spool_reader, open_store
from jtgate.storage.access import AccessError
from jtgate.storage.rsa_key import PlatformKey
from jtgate.storage.spool import SpoolError, SpoolReader
from jtgate.storage.store import Store, StoreError

#: Listeners at a time, and events that wait for one of them.
LISTENERS_MAX: Final = 64
EVENTS_MAX: Final = 20_000
#: Events written together.
EVENTS_PER_WRITE: Final = 500
#: How often one looks for news, says that one is still there, and asks whether the token is still good.
POLL_S: Final = 0.1
HEARTBEAT_S: Final = 15.0
RECHECK_S: Final = 5.0
#: After store or spool could not be read.
RETRY_S: Final = 1.0
#: Pages that one listener may be behind when it comes back; who was away for longer reads the store.
PAGES_BEHIND_MAX: Final = 10_000

EVENT_STREAM: Final = "text/event-stream"

LISTENERS = Gauge("jtgate_api_live_listeners", "Listeners to the live feed", multiprocess_mode="livesum")
SENT_AWAY = Counter("jtgate_api_live_sent_away_total", "Listeners sent away", ["reason"])

_log = logs.get_logger("api")
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


class LiveQuery(Asked):
    """What a listener wants to hear."""

    terminals: Annotated[
        list[Annotated[str, Meta(pattern="^[0-9]{1,20}$")]],
        Meta(max_length=1000, description="Of these terminals only; the parameter may be repeated."),
    ] = msgspec.field(default_factory=list)
    kinds: Annotated[
        str,
        Meta(pattern="^(position|alarm|position,alarm|alarm,position)$", description="Of these kinds only."),
    ] = "position,alarm"
    bbox: Annotated[
        str, Meta(max_length=100, description="In this rectangle only: west,south,east,north in degrees.")
    ] = ""
    since: Annotated[
        str, Meta(pattern="^([0-9]{1,18}-[0-9]{1,18})?$", description="Id of the last event that is known.")
    ] = ""


class LiveHeaders(msgspec.Struct):
    """What a browser sends by itself when it comes back."""

    last_event_id: Annotated[
        str, Meta(pattern="^([0-9]{1,18}-[0-9]{1,18})?$", description="Id of the last event that is known.")
    ] = msgspec.field(name="Last-Event-ID", default="")


@dataclass(slots=True)
class Listener:
    """Somebody who listens.

    Args:
        kinds: "position", "alarm".
        terminals: of these; None for all.
        visible: what its token may see; None for all.
        box: in this rectangle; None for everywhere.
    """

    kinds: frozenset[str]
    terminals: frozenset[str] | None
    visible: frozenset[str] | None
    box: Box | None
    queue: asyncio.Queue[bytes] = field(default_factory=lambda: asyncio.Queue(EVENTS_MAX))
    is_slow: bool = False

    def wants(self, told: Told) -> bool:
        """Whether it is to hear of something."""
        if told.kind not in self.kinds:
            return False
        if self.terminals is not None and told.terminal not in self.terminals:
            return False
        if self.visible is not None and told.terminal not in self.visible:
            return False
        return self.box is None or self.box.holds(told.shape.get("longitude"), told.shape.get("latitude"))

    def put(self, text: bytes) -> None:
        """An event for it; when there is no room it is sent away."""
        try:
            self.queue.put_nowait(text)
        except asyncio.QueueFull:
            self.is_slow = True


class Sources:
    """Store and spool of one reader of the feed, opened when they are needed and again after a failure.

    Args:
        api: whose they are.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._store: Store | None = None
        self._reader: SpoolReader | None = None
        self._feed: Feed | None = None

    def feed(self) -> Feed:
        """The feed.

        Raises:
            StoreError, SpoolError: they cannot be opened now.
        """
        if self._feed is None:
            settings = self._api.settings
            self.close()
            self._store = open_store(settings.store, settings.data)
            self._reader = open_spool_reader(settings.data)
            self._feed = Feed(
                self._store,
                self._reader,
                parts_bytes_max=settings.parts_bytes_max,
                assignments=self._api.assignments,
                opener=PlatformKey(settings.data, settings.rsa_key).open,
            )
        return self._feed

    def close(self) -> None:
        """Give up what is open."""
        self._feed = None
        for one in (self._reader, self._store):
            if one is not None:
                one.close()
        self._store = self._reader = None


class Newsroom:
    """Reads the feed once for all listeners, while there are any.

    Args:
        api: where the feed comes from.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self.listeners: list[Listener] = []
        self.cursor: Cursor | None = None  # what all listeners have heard of
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="live")
        self._sources = Sources(api)
        self._task: asyncio.Task[None] | None = None

    async def join(self, listener: Listener) -> Cursor:
        """Begin to tell a listener what is stored from now on, and since when.

        Raises:
            StoreError, SpoolError: the feed cannot be read now.
        """
        if self.cursor is None or self._task is None or self._task.done():
            self.cursor = await self._on_thread(lambda: self._sources.feed().present())
        self.listeners.append(listener)
        LISTENERS.set(len(self.listeners))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._read(), name="api-live")
        return self.cursor

    def leave(self, listener: Listener) -> None:
        """Tell a listener no more."""
        if listener in self.listeners:
            self.listeners.remove(listener)
        LISTENERS.set(len(self.listeners))

    async def _read(self) -> None:
        failing = False
        while self.listeners and not self._api.stopping.is_set():
            try:
                page = await self._on_thread(self._page)
            except (StoreError, SpoolError) as error:
                if not failing:
                    _log.warning("api.live_unavailable", code=error.code)
                failing = True
                await asyncio.sleep(RETRY_S)
                continue
            failing = False
            if page.cursor == self.cursor:
                await asyncio.sleep(POLL_S)
                continue
            self.cursor = page.cursor
            for listener in self.listeners:
                for text in texts(page, listener):
                    listener.put(text)
            await asyncio.sleep(0)
        self.cursor = None
        await self._on_thread(self._sources.close)

    def _page(self) -> Page:
        assert self.cursor is not None  # noqa: S101  whoever listens has joined
        try:
            return self._sources.feed().read(self.cursor)
        except (StoreError, SpoolError):
            self._sources.close()
            raise

    async def _on_thread(self, work: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def texts(page: Page, listener: Listener) -> Iterable[bytes]:
    """What a listener is told of a page; behind it the id from which it would go on."""
    if page.missed:
        yield b'event: gap\ndata: {"groups":%d}\n\n' % page.missed
    for told in page.told:
        if listener.wants(told):
            yield b"event: %s\ndata: %s\n\n" % (told.kind.encode(), _encode(told.shape))
    yield b"id: %d-%d\n\n" % page.resume


@operation(
    "GET",
    "/v1/live",
    scope=Scope.READ,
    query=LiveQuery,
    headers=LiveHeaders,
    answer=str,
    media_type=EVENT_STREAM,
    problems=(503,),
)
async def listen_live(call: Call[LiveQuery, None]) -> StreamingResponse:
    """Positions and alarm events as they are stored, as server-sent events.

    Events `position` and `alarm` carry JSON; `hello` comes first; `gap` tells of something that is no longer there;
    `end` is the last one and says why. Lines `id:` stand behind the events they are about: who sends the last one
    back as `Last-Event-ID`, or as `since`, goes on from there and misses nothing. An event may come twice, with the
    same terminal, time and fingerprint.
    """
    api, query = call.api, call.query
    room = room_of(api)
    if len(room.listeners) >= LISTENERS_MAX:
        BUSY.labels("live").inc()
        raise ProblemError(503, "busy", "Too many listeners", f"at most {LISTENERS_MAX} at a time")
    try:
        box = Box.of(query.bbox) if query.bbox else None
    except ValueError as error:
        raise ProblemError(400, "bad-parameter", "A parameter is not as it must be", str(error), "$.bbox") from None
    listener = Listener(
        frozenset(query.kinds.split(",")),
        frozenset(one.lstrip("0") for one in query.terminals) or None,
        await api.on_thread(api.visible, call.caller),
        box,
    )
    since = query.since or call.headers.get("last-event-id", "")
    events = _events(call, room, listener, since)
    return StreamingResponse(events, headers={"Cache-Control": "no-store"}, media_type=EVENT_STREAM)


async def _events(call: Call[LiveQuery, None], room: Newsroom, listener: Listener, since: str) -> AsyncIterator[bytes]:
    """The stream of one listener."""
    loop = asyncio.get_running_loop()
    door = Doorkeeper(call.api)
    check_at = loop.time() + RECHECK_S
    reason = ""
    try:
        joined = await room.join(listener)
        yield b"event: hello\ndata: {}\n\n" if since else b"event: hello\nid: %d-%d\ndata: {}\n\n" % joined
        if since:
            async for some in _missed(call.api, listener, joined, since):
                yield some
        while not reason:
            text = await _next(call.api, listener)
            if listener.is_slow or not text:
                reason = "slow" if listener.is_slow else "stopping"
                break
            yield text
            if loop.time() >= check_at:
                check_at = loop.time() + RECHECK_S
                reason = await _why_not(call, door, listener)
    except (StoreError, SpoolError) as error:
        _log.warning("api.live_unavailable", code=error.code)
        reason = "unavailable"
    finally:
        room.leave(listener)
    SENT_AWAY.labels(reason).inc()
    yield b'event: end\ndata: {"reason":"%s"}\n\n' % reason.encode()


async def _next(api: Api, listener: Listener) -> bytes:
    """What waits for a listener, or comes next; a comment when that takes long, nothing when the process ends."""
    queue = listener.queue
    if queue.empty():
        waiting = asyncio.ensure_future(queue.get())
        stopping = asyncio.ensure_future(api.stopping.wait())
        try:
            await asyncio.wait((waiting, stopping), timeout=HEARTBEAT_S, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                return b"" if api.stopping.is_set() else b": still here\n\n"
            found = [waiting.result()]
        finally:
            waiting.cancel()
            stopping.cancel()
    else:
        found = []
    while not queue.empty() and len(found) < EVENTS_PER_WRITE:
        found.append(queue.get_nowait())
    return b"".join(found)


async def _missed(api: Api, listener: Listener, joined: Cursor, since: str) -> AsyncIterator[bytes]:
    """What came between the last event that a listener knows and the moment it joined."""
    loop = asyncio.get_running_loop()
    spool_seq, _, alarm_id = since.partition("-")
    cursor = Cursor(int(spool_seq), int(alarm_id))
    sources = Sources(api)
    with ThreadPoolExecutor(1, thread_name_prefix="live-missed") as thread:
        try:
            for _ in range(PAGES_BEHIND_MAX):
                if cursor.spool_seq >= joined.spool_seq and cursor.alarm_id >= joined.alarm_id:
                    return
                page = await loop.run_in_executor(thread, lambda: sources.feed().read(cursor))  # noqa: B023  awaited
                if page.cursor == cursor:
                    return
                cursor = page.cursor
                for text in texts(page, listener):
                    yield text
            yield b'event: gap\ndata: {"reason":"too far behind"}\n\n'
        finally:
            await loop.run_in_executor(thread, sources.close)


async def _why_not(call: Call[LiveQuery, None], door: Doorkeeper, listener: Listener) -> str:
    """Why a listener may listen no longer; "" when it may. What it may see is looked at anew."""
    try:
        caller = await door.caller(call.headers)
        listener.visible = await call.api.on_thread(call.api.visible, caller)
    except ProblemError:
        return "token"
    except (AccessError, StoreError):
        return ""  # it cannot be looked up now: what was found last holds
    return "" if Scope.READ in caller.scopes or Scope.ADMIN in caller.scopes else "token"


#: One for each application.
_ROOMS: Final[WeakKeyDictionary[Api, Newsroom]] = WeakKeyDictionary()


def room_of(api: Api) -> Newsroom:
    """The newsroom of an application."""
    found = _ROOMS.get(api)
    if found is None:
        found = _ROOMS[api] = Newsroom(api)
    return found
