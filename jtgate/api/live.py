"""The live feed: positions and alarm events as server-sent events, as they are stored.

A listener that knows the id of the last event it had misses nothing: it is told first, by a reader of its own, what
came in between. A listener that cannot keep up is told so and sent away, rather than held in memory.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Final
from weakref import WeakKeyDictionary

import msgspec
from msgspec import Meta
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Send
from starlette.types import Scope as Connection

from jtgate.api.context import Api
from jtgate.api.newsroom import (
    SENT_AWAY,
    STOPPING,
    TOKEN,
    UNAVAILABLE,
    Box,
    FeedReader,
    Listener,
    Newsroom,
    event,
    gap,
    log,
    texts,
)
from jtgate.api.operations import Asked, Call, ProblemError, Scope, Terminal, operation
from jtgate.pipeline.publish.feed import Cursor
from jtgate.storage.access import AccessError
from jtgate.storage.spool import SpoolError
from jtgate.storage.store import StoreError

#: How often one says that one is still there, and asks whether the token is still good and for which vehicles.
HEARTBEAT_S: Final = 3.0
#: How long a listener may take to read what was sent to it before its connection is closed without a word.
STUCK_S: Final = 20.0
#: Pages of the feed that a listener may be behind when it comes back; who was away for longer reads the store.
PAGES_BEHIND_MAX: Final = 20_000

EVENT_STREAM: Final = "text/event-stream"
_PLACE: Final = "^([0-9]{1,18}-[0-9]{1,18})?$"


class LiveQuery(Asked):
    """What a listener wants to hear."""

    terminals: Annotated[
        list[Terminal], Meta(max_length=1000, description="Of these terminals only; the parameter may be repeated.")
    ] = msgspec.field(default_factory=list)
    kinds: Annotated[
        str,
        Meta(
            pattern="^(position|alarm|position,alarm|alarm,position)$",
            description="position, alarm, or position,alarm.",
        ),
    ] = "position,alarm"
    bbox: Annotated[
        str, Meta(max_length=100, description="In this rectangle only: west,south,east,north in degrees.")
    ] = ""
    since: Annotated[str, Meta(pattern=_PLACE, description="Id of the last event that is known.")] = ""


class LiveHeaders(msgspec.Struct):
    """What a browser sends by itself when it comes back."""

    last_event_id: Annotated[str, Meta(pattern=_PLACE, description="Id of the last event that is known.")] = (
        msgspec.field(name="Last-Event-ID", default="")
    )


class LiveResponse(StreamingResponse):
    """The stream of one listener, whose place is given free at its end however it comes.

    Args:
        room: where it listens.
        listener: who.
        events: the stream.
    """

    def __init__(self, room: Newsroom, listener: Listener, events: AsyncIterator[bytes]) -> None:
        super().__init__(events, headers={"Cache-Control": "no-store"}, media_type=EVENT_STREAM)
        self._room = room
        self._listener = listener

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        """Send the stream.

        Raises:
            ClientDisconnect: the listener has gone, or reads nothing.
        """

        async def send_in_time(message: Message) -> None:
            try:
                async with asyncio.timeout(STUCK_S):
                    await send(message)
            except TimeoutError:
                SENT_AWAY.labels("stuck").inc()
                raise ClientDisconnect from None

        try:
            await super().__call__(scope, receive, send_in_time)
        finally:
            self._room.leave(self._listener)


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

    `hello` comes first. `position` and `alarm` carry the JSON of one row. `gap` tells of something that is no longer
    there. `end` is the last one and says why: `slow`, `token`, `stopping` or `unavailable`. Lines `id:` stand behind
    the events they are about: who sends the last one back as `Last-Event-ID`, or as `since`, goes on from there and
    misses nothing. An event may come twice, with the same terminal, time and fingerprint.
    """
    api, query = call.api, call.query
    room = room_of(api)
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
    room.take_place()
    return LiveResponse(room, listener, _events(call, room, listener, since))


async def _events(call: Call[LiveQuery, None], room: Newsroom, listener: Listener, since: str) -> AsyncIterator[bytes]:
    """The stream of one listener."""
    check = _Check(call, room, listener)
    try:
        if since:
            yield event("hello", {})
            async for some in _missed(call.api, room, listener, since, check):
                yield some
        else:
            joined = await room.join(listener)
            yield b"id: %d-%d\n" % joined + event("hello", {})
        while not listener.reason:
            if await listener.has_news(HEARTBEAT_S):
                if text := listener.take():
                    yield text
            else:
                yield b": still here\n\n"
            await check.when_due()
    except (StoreError, SpoolError) as error:
        log.warning("api.live_unavailable", code=error.code)
        listener.send_away(UNAVAILABLE)
    SENT_AWAY.labels(listener.reason).inc()
    yield event("end", {"reason": listener.reason})


async def _missed(api: Api, room: Newsroom, listener: Listener, since: str, check: "_Check") -> AsyncIterator[bytes]:
    """What came after the last event that a listener knows, until it has joined the others.

    It joins when it has nearly caught up, so that nothing piles up for it meanwhile.
    """
    spool_seq, _, alarm_id = since.partition("-")
    cursor = Cursor(int(spool_seq), int(alarm_id))
    joined: Cursor | None = None
    reader = FeedReader(api)
    try:
        present = await reader.present()
        if cursor.spool_seq > present.spool_seq:
            yield gap("unknown id")
            cursor = present
        for _ in range(PAGES_BEHIND_MAX):
            page = await reader.read(cursor)
            is_news = page.cursor != cursor
            cursor = page.cursor
            if is_news:
                yield b"".join(texts(page, listener))
            await check.when_due()
            if listener.reason:
                return
            if joined is not None and (not is_news or page.cursor.spool_seq >= joined.spool_seq):
                return
            if not is_news:
                joined = await room.join(listener)
        yield gap("too far behind")
        if joined is None:
            await room.join(listener)
    finally:
        reader.close()


class _Check:
    """Looks from time to time whether a listener may listen on.

    Args:
        call: its request.
        room: where it listens.
        listener: who.
    """

    def __init__(self, call: Call[LiveQuery, None], room: Newsroom, listener: Listener) -> None:
        self._call = call
        self._room = room
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._due = self._loop.time() + HEARTBEAT_S

    async def when_due(self) -> None:
        """Send the listener away when its token has ended or this process does; note what it may see now."""
        if self._call.api.stopping.is_set():
            self._listener.send_away(STOPPING)
        if self._loop.time() < self._due:
            return
        self._due = self._loop.time() + HEARTBEAT_S
        api = self._call.api
        try:
            caller = await self._room.door.caller(self._call.headers)
            self._listener.visible = await api.on_thread(api.visible, caller)
        except ProblemError as error:
            if error.status == 401:  # not 503: it cannot be looked up now
                self._listener.send_away(TOKEN)
        except (AccessError, StoreError):
            return  # what was found last holds


#: One for each application.
_ROOMS: Final[WeakKeyDictionary[Api, Newsroom]] = WeakKeyDictionary()


def room_of(api: Api) -> Newsroom:
    """The newsroom of an application."""
    found = _ROOMS.get(api)
    if found is None:
        found = _ROOMS[api] = Newsroom(api)
    return found
