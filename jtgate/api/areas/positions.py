"""Where vehicles are and were: last positions and tracks."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from jtgate.api.context import decode_cursor, encode_cursor
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
from jtgate.api.times import FromTime, ToTime
from jtgate.pipeline.publish.shapes import Times, position
from jtgate.storage.model import POSITION_COLUMNS
from jtgate.storage.store import Row

#: Pages of the store that are read for one page of a thinned track.
THIN_PAGES_MAX = 20
_STORE_ROWS = 2000

_Number = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
_Place = tuple[Annotated[int, Meta(ge=0, le=INTEGER_MAX)], Annotated[int, Meta(ge=0, le=INTEGER_MAX)], _Number]


class Position(msgspec.Struct, kw_only=True):
    """A position 位置. What is not known is left out; further items of the report stand in `extra_items`.

    Args:
        terminal: 终端手机号, digits without leading zeros.
        time: 时间 of the terminal; null when it gave no calendar time.
        fingerprint: of the report; with terminal and time its key.
        received: when it came.
        message: 0x0200, 0x0201 or 0x0704.
        backfill: 盲区补报, sent later.
        serial: 流水号 of the message.
    """

    terminal: str
    time: Moment | None
    fingerprint: str
    received: Moment
    message: str
    backfill: bool
    serial: int | None = None
    time_state: Annotated[str, Meta(description="not_a_date or in_future; absent for a good time.")] = ""
    alarm_flags: Annotated[int | None, Meta(description="报警标志.")] = None
    status: Annotated[int | None, Meta(description="状态.")] = None
    latitude: Annotated[float | None, Meta(description="纬度, signed degrees, WGS-84.")] = None
    longitude: Annotated[float | None, Meta(description="经度, signed degrees, WGS-84.")] = None
    altitude_m: Annotated[int | None, Meta(description="高程.")] = None
    speed_kmh: Annotated[float | None, Meta(description="速度.")] = None
    heading_deg: Annotated[int | None, Meta(description="方向, 0 is north.")] = None
    mileage_km: Annotated[float | None, Meta(description="里程.")] = None
    fuel_l: Annotated[float | None, Meta(description="油量.")] = None
    recorder_speed_kmh: Annotated[float | None, Meta(description="行驶记录功能获取的速度.")] = None
    alarm_event_id: Annotated[int | None, Meta(description="需要人工确认报警事件的ID.")] = None
    video_alarm_flags: Annotated[int | None, Meta(description="视频相关报警.")] = None
    video_loss_channels: Annotated[int | None, Meta(description="视频信号丢失.")] = None
    video_cover_channels: Annotated[int | None, Meta(description="视频信号遮挡.")] = None
    storage_fault_flags: Annotated[int | None, Meta(description="存储器故障.")] = None
    abnormal_driving_flags: Annotated[int | None, Meta(description="异常驾驶行为.")] = None
    fatigue_degree: Annotated[int | None, Meta(description="疲劳程度, 0..100.")] = None
    vehicle_signals: Annotated[int | None, Meta(description="扩展车辆信号状态位.")] = None
    io_status: Annotated[int | None, Meta(description="IO状态位.")] = None
    analog_0: Annotated[int | None, Meta(description="模拟量 AD0.")] = None
    analog_1: Annotated[int | None, Meta(description="模拟量 AD1.")] = None
    signal_strength: Annotated[int | None, Meta(description="无线通信网络信号强度.")] = None
    satellites: Annotated[int | None, Meta(description="定位卫星数.")] = None
    extra_items: Annotated[list[dict[str, str]], Meta(description="Other items: id and raw bytes as hex.")] = (
        msgspec.field(default_factory=list)
    )


class LastQuery(PageQuery):
    """Which last positions."""

    terminals: Annotated[list[Terminal], Meta(max_length=1000, description="Of these terminals; may be repeated.")] = (
        msgspec.field(default_factory=list)
    )


class TerminalQuery(Asked):
    """Which terminal."""

    terminal: Terminal


class TrackQuery(PageQuery, kw_only=True):
    """Which part of a track."""

    terminal: Terminal
    from_: Annotated[FromTime | None, Meta(description="Begin, included.")] = msgspec.field(name="from", default=None)
    to: Annotated[ToTime | None, Meta(description="End, included.")] = None
    thin: Annotated[float, Meta(ge=0, le=86_400, description="Least time between two points, seconds.")] = 0


def told_position(row: Row, times: Times) -> dict[str, Any]:
    """What is told of a position."""
    return position(tuple(row[name] for name in POSITION_COLUMNS), str(row["terminal"]), times)


@operation("GET", "/v1/positions/last", scope=Scope.READ, query=LastQuery, answer=Page[Position])
def list_last_positions(call: Call[LastQuery, None]) -> Page[Any]:
    """The newest position of each terminal, in the order of their numbers.

    What was sent later from a blind area, and what lies in the future, is not the newest while there is better.
    """
    query = call.query
    visible = call.api.visible(call.caller)
    if query.terminals:
        asked = frozenset(one.lstrip("0") for one in query.terminals)
        visible = asked if visible is None else asked & visible
    with call.api.store() as store:
        after = decode_cursor(query.cursor, str) if query.cursor else None
        found = store.last_positions(terminals=visible, after=after, limit=query.limit + 1)
    rows = found[: query.limit]
    times = Times()
    place = encode_cursor(str(rows[-1]["terminal"])) if len(found) > len(rows) else None
    return Page([told_position(row, times) for row in rows], place)


@operation(
    "GET", "/v1/positions/last/{terminal}", scope=Scope.READ, query=TerminalQuery, answer=Position, problems=(404,)
)
def get_last_position(call: Call[TerminalQuery, None]) -> dict[str, Any]:
    """The newest position of a terminal."""
    terminal = call.query.terminal.lstrip("0")
    call.api.need_visible(call.caller, terminal)
    with call.api.store() as store:
        found = store.last_positions(terminal=terminal, limit=1)
    if not found:
        raise ProblemError(404, "no-position", "There is no position of this terminal")
    return told_position(found[0], Times())


@operation("GET", "/v1/tracks/{terminal}", scope=Scope.READ, query=TrackQuery, answer=Page[Position], problems=(404,))
def get_track(call: Call[TrackQuery, None]) -> Page[Any]:
    """Positions of a terminal by their time, oldest first.

    With `thin` only points that lie so far apart in time; a page of a thinned track may be shorter than asked for.
    """
    query = call.query
    terminal = query.terminal.lstrip("0")
    call.api.need_visible(call.caller, terminal)
    after = decode_cursor(query.cursor, _Place) if query.cursor else None
    from_ms, thin_ms = query.from_ or 0, round(query.thin * 1000)
    rows: list[Row] = []
    next_ms = 0 if after is None or not thin_ms else after[1] + thin_ms
    is_more = True
    with call.api.store() as store:
        for _ in range(THIN_PAGES_MAX if thin_ms else 1):
            limit = _STORE_ROWS if thin_ms else query.limit + 1
            page = store.positions(terminal=terminal, from_ms=from_ms, to_ms=query.to, after=after, limit=limit)
            is_more = len(page) == limit
            for row in page:
                if _time(row) >= next_ms and len(rows) <= query.limit:
                    rows.append(row)
                    next_ms = _time(row) + thin_ms
            if page:
                after = _key(page[-1])
            if not is_more or len(rows) > query.limit:
                break
    if len(rows) > query.limit:
        rows, is_more = rows[: query.limit], True
        after = _key(rows[-1])
    times = Times()
    return Page([told_position(row, times) for row in rows], encode_cursor(after) if is_more and after else None)


def _time(row: Row) -> int:
    value = row["device_time_ms"]
    return value if isinstance(value, int) else 0


def _key(row: Row) -> tuple[int, int, int]:
    terminal_id, fingerprint = row["terminal_id"], row["fingerprint"]
    return int(str(terminal_id)), _time(row), int(str(fingerprint))
