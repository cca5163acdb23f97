"""Who is connected, who was, and terminals as they told of themselves."""

from time import monotonic, sleep
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from jtgate.api.areas.rows import moment
from jtgate.api.context import Api, decode_cursor, encode_cursor
from jtgate.api.operations import (
    INTEGER_MAX,
    Asked,
    Call,
    Moment,
    Page,
    PageQuery,
    ProblemError,
    Scope,
    Terminal,
    operation,
)
from jtgate.codecs.timebase import iso_ms, now_ms
from jtgate.storage.directory import LiveSession
from jtgate.storage.store import Row

#: How long a gateway may take to close a session, and how often one looks.
KICK_WAIT_S: Final = 3.0
KICK_LOOK_S: Final = 0.05

_Place = tuple[Annotated[int, Meta(ge=0, le=INTEGER_MAX)], Annotated[int, Meta(ge=0, le=2**63 - 1)]]
_SessionId = Annotated[int, Meta(ge=0, le=2**63 - 1)]
_Digits = Annotated[str, Meta(pattern="^[0-9]{0,20}$", description="First digits of the number of a terminal.")]


class Session(msgspec.Struct):
    """A terminal that is connected.

    Args:
        session_id: as text: it is too large for the numbers of some readers of JSON.
        phone: every digit on the wire.
        edition: of its headers: "2013" or "2019".
        transport: tcp, udp, tls or mqtt.
        peer: address and port, or topic.
        state: online, registered or connected.
        how: authenticated, unverified or implicit.
        last_message: 消息ID of what it sent last.
    """

    session_id: str
    terminal: str
    phone: str
    edition: str
    transport: str
    peer: str
    state: str
    how: str
    online_since: Moment
    last_received: Moment
    frames: int
    bad_frames: int
    bytes_in: int
    last_message: str


class SessionsQuery(PageQuery):
    """Which sessions."""

    prefix: _Digits = ""
    transport: Annotated[str, Meta(pattern="^(tcp|udp|tls|mqtt)?$", description="tcp, udp, tls or mqtt.")] = ""


class TerminalQuery(Asked):
    """Which terminal."""

    terminal: Terminal


class Kicked(msgspec.Struct):
    """What became of the wish to close a session.

    Args:
        outcome: closed, not_online, or asked: no gateway has said anything yet.
    """

    terminal: str
    outcome: str


class PastSession(msgspec.Struct):
    """A session that is over, or not.

    Args:
        session_id: as text.
        closed: null while it is open.
        reason: why it ended.
    """

    session_id: str
    terminal: str | None
    online: Moment | None
    closed: Moment | None
    transport: str | None
    peer: str | None
    edition: str | None
    how: str | None
    reason: str | None
    frames: int | None
    bad_frames: int | None
    bytes_in: int | None
    last_received: Moment | None


class PastQuery(PageQuery):
    """Which sessions."""

    terminal: Annotated[Terminal | None, Meta(description="Of this terminal only.")] = None
    open_only: Annotated[bool, Meta(description="Without those that have ended.")] = False


def _told(one: LiveSession) -> Session:
    return Session(
        str(one.session_id),
        one.terminal,
        one.phone,
        one.edition,
        one.transport,
        one.peer,
        one.state,
        one.how,
        iso_ms(one.online_since_ms),
        iso_ms(one.last_received_ms),
        one.frames,
        one.bad_frames,
        one.bytes_in,
        f"0x{one.last_msg_id:04x}",
    )


@operation("GET", "/v1/sessions", scope=Scope.READ, query=SessionsQuery, answer=Page[Session])
def list_sessions(call: Call[SessionsQuery, None]) -> Page[Session]:
    """Terminals that are connected now, latest online first."""
    query = call.query
    found = call.api.directory.sessions(
        terminal_prefix=query.prefix,
        terminals=call.api.visible(call.caller),
        transport=query.transport,
        before=decode_cursor(query.cursor, _Place) if query.cursor else None,
        limit=query.limit + 1,
    )
    page = found[: query.limit]
    place = (page[-1].online_since_ms, page[-1].session_id) if len(found) > len(page) else None
    return Page([_told(one) for one in page], encode_cursor(place) if place else None)


@operation("GET", "/v1/sessions/{terminal}", scope=Scope.READ, query=TerminalQuery, answer=Session, problems=(404,))
def get_session(call: Call[TerminalQuery, None]) -> Session:
    """The session of a terminal that is connected."""
    call.api.need_visible(call.caller, call.query.terminal)
    found = call.api.directory.session(call.query.terminal.lstrip("0"))
    if found is None:
        raise ProblemError(404, "not-online", "This terminal is not connected")
    return _told(found)


@operation(
    "DELETE", "/v1/sessions/{terminal}", scope=Scope.COMMAND, query=TerminalQuery, answer=Kicked, problems=(404,)
)
def close_session(call: Call[TerminalQuery, None]) -> Kicked:
    """Close the connection of a terminal; it may come back at once."""
    api, terminal = call.api, call.query.terminal.lstrip("0")
    api.need_visible(call.caller, terminal)
    if api.directory.session(terminal) is None:
        return Kicked(terminal, "not_online")
    request_id = api.directory.ask_kick(terminal, call.caller.name, now_ms())
    deadline = monotonic() + KICK_WAIT_S
    while monotonic() < deadline and not api.stopping.is_set():
        outcome = api.directory.outcome(request_id)
        if outcome is not None:
            return Kicked(terminal, outcome)
        sleep(KICK_LOOK_S)
    return Kicked(terminal, "asked")


@operation("GET", "/v1/session-history", scope=Scope.READ, query=PastQuery, answer=Page[PastSession])
def list_session_history(call: Call[PastQuery, None]) -> Page[PastSession]:
    """Sessions that were, newest first."""
    query = call.query
    with call.api.store() as store:
        found = store.sessions(
            terminal=query.terminal.lstrip("0") if query.terminal else None,
            terminals=call.api.visible(call.caller),
            open_only=query.open_only,
            before=decode_cursor(query.cursor, _SessionId) if query.cursor else None,
            limit=query.limit + 1,
        )
    page = found[: query.limit]
    rows = [_past(row) for row in page]
    return Page(rows, encode_cursor(page[-1]["session_id"]) if len(found) > len(page) else None)


def _past(row: Row) -> PastSession:
    plain: dict[str, Any] = {
        name: row[name] for name in PastSession.__struct_fields__ if name in row and not name.endswith("_ms")
    }
    times = {name: moment(row[f"{name}_ms"]) for name in ("online", "closed", "last_received")}
    return PastSession(**plain | times | {"session_id": str(row["session_id"])})


class KnownTerminal(msgspec.Struct):
    """A terminal with what it told of itself.

    Args:
        phone: every digit on the wire.
        profile: how its frames are read.
        is_online: whether it is connected now.
        device_id: 终端ID.
        plate: 车辆标识 of its registration.
        plate_color: 车牌颜色 of its registration.
    """

    terminal: str
    phone: str | None
    edition: str | None
    profile: str
    is_online: bool
    manufacturer: str | None
    model: str | None
    device_id: str | None
    plate: str | None
    plate_color: int | None
    province: int | None
    city: int | None
    imei: str | None
    software_version: str | None
    registered: Moment | None
    unregistered: Moment | None
    first_seen: Moment | None
    last_seen: Moment | None


class TerminalsQuery(PageQuery):
    """Which terminals."""

    prefix: _Digits = ""


@operation("GET", "/v1/terminals", scope=Scope.READ, query=TerminalsQuery, answer=Page[KnownTerminal])
def list_terminals(call: Call[TerminalsQuery, None]) -> Page[KnownTerminal]:
    """Every terminal that was ever heard of, in the order of their numbers."""
    query, api = call.query, call.api
    with api.store() as store:
        found = store.terminals(
            prefix=query.prefix.lstrip("0"),
            terminals=api.visible(call.caller),
            after=decode_cursor(query.cursor, str) if query.cursor else None,
            limit=query.limit + 1,
        )
    page = found[: query.limit]
    place = encode_cursor(str(page[-1]["terminal"])) if len(found) > len(page) else None
    return Page([_known(api, row) for row in page], place)


@operation(
    "GET", "/v1/terminals/{terminal}", scope=Scope.READ, query=TerminalQuery, answer=KnownTerminal, problems=(404,)
)
def get_terminal(call: Call[TerminalQuery, None]) -> KnownTerminal:
    """What is known of a terminal."""
    api, terminal = call.api, call.query.terminal.lstrip("0")
    api.need_visible(call.caller, terminal)
    with api.store() as store:
        found = store.terminals(terminals=[terminal], limit=1)
    if not found:
        raise ProblemError(404, "terminal-not-found", "There is no such terminal")
    return _known(api, found[0])


def _known(api: Api, row: Row) -> KnownTerminal:
    terminal = str(row["terminal"])
    session = api.directory.session(terminal)
    manufacturer, model = (str(row[name] or "") or None for name in ("manufacturer", "model"))
    profile = api.assignments.choose(terminal, manufacturer, model, session.transport if session else "")
    plain: dict[str, Any] = {name: row[name] for name in KnownTerminal.__struct_fields__ if name in row}
    times = {name: moment(row[f"{name}_ms"]) for name in ("registered", "unregistered", "first_seen", "last_seen")}
    return KnownTerminal(**plain | times | {"profile": profile.name, "is_online": session is not None})
