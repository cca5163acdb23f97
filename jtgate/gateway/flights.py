"""Commands on their way to terminals: what waits, what is in flight, and which one an answer belongs to."""

import asyncio
import math
from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from jtgate.gateway.expected import Expected, Heard
from jtgate.gateway.outgoing import Form

#: Commands that one terminal has not answered yet; the others wait, in order.
IN_FLIGHT_PER_TERMINAL: Final = 4
#: Commands of one terminal held here, waiting or in flight; the others stay in the bus.
HELD_PER_TERMINAL_MAX: Final = 16
#: Ended commands remembered for late answers, of all terminals and of one; the oldest are forgotten.
ENDED_MAX: Final = 20_000
ENDED_PER_TERMINAL_MAX: Final = 16
#: Longest time-out of an answer, seconds (§10.3).
TIMEOUT_MAX_S: Final = 300.0
#: Bytes a command costs beside its body or frames, in the account of what is held.
OVERHEAD_BYTES: Final = 1024


def timeout_s(first_s: float, attempts: int) -> float:
    """T(N+1) = T(N) × (N+1), T(N) being the time-out before (§10.3): T, 2T, 6T, 24T, at most five minutes.

    Args:
        first_s: T.
        attempts: how often it went out, from 1.
    """
    return min(first_s * math.factorial(min(attempts, 20)), TIMEOUT_MAX_S)


@dataclass(slots=True, eq=False)
class Flight:
    """A command that the gateway holds.

    Args:
        command_id: in the bus.
        terminal: digits without leading zeros.
        msg_id: 消息ID.
        expires_ms: nothing is sent after it.
        is_queued: it waits for its terminal.
        form: in which it is written.
        expected: what answers it.
        body: as it goes out; let go once there are frames.
        encryption: of the body.
        frames: complete frames; empty before it is launched.
        serial: of the first frame.
        serial_count: serials of its frames.
        attempts: how often it went out.
        sent_at: when it went out first from here, monotonic seconds; 0 before.
        acknowledged: result of an 0x0001 that did not end it.
        begun: the latest of several answers, while others are to come.
        parts_resent: parts sent again since the last attempt.
        ended: nothing more is done about it here.
        has_answer: the message of its own has come.
    """

    command_id: int
    terminal: str
    msg_id: int
    expires_ms: int
    is_queued: bool
    form: Form
    expected: Expected
    body: bytes = b""
    encryption: int = 0
    frames: tuple[bytes, ...] = ()
    serial: int = -1
    serial_count: int = 1
    attempts: int = 0
    sent_at: float = 0.0
    acknowledged: int | None = None
    parts_resent: int = 0
    begun: Heard | None = None
    ended: bool = False
    has_answer: bool = False
    bytes_held: int = 0
    timer: asyncio.TimerHandle | None = None

    def covers(self, serial: int) -> bool:
        """Whether a serial is one of its frames'."""
        return self.serial >= 0 and (serial - self.serial) & 0xFFFF < self.serial_count

    def overlaps(self, serial: int, count: int) -> bool:
        """Whether a range of serials and its own have one in common."""
        return self.serial >= 0 and (
            (serial - self.serial) & 0xFFFF < self.serial_count or (self.serial - serial) & 0xFFFF < count
        )

    def stop_timer(self) -> None:
        """No time-out any more."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


@dataclass(slots=True, eq=False)
class Outbox:
    """Commands of one terminal that is online.

    Args:
        waiting: in the order of their ids.
        flying: sent, or about to be; by id.
        more: others wait in the bus, and newer ones must not overtake them.
    """

    waiting: deque[Flight] = field(default_factory=deque)
    flying: dict[int, Flight] = field(default_factory=dict)
    more: bool = False

    def __len__(self) -> int:
        """Commands held."""
        return len(self.waiting) + len(self.flying)

    def all(self) -> list[Flight]:
        """All of them, oldest first as far as that is known."""
        return [*self.flying.values(), *self.waiting]


class Ended:
    """Commands that have ended a while ago, or lost their link: their answer may still come."""

    def __init__(self) -> None:
        self._by_id: OrderedDict[int, Flight] = OrderedDict()
        self._by_terminal: dict[str, dict[int, Flight]] = {}

    def add(self, flight: Flight) -> None:
        """Remember one, without its bytes."""
        flight.body, flight.frames = b"", ()
        self.forget(flight.command_id)
        self._by_id[flight.command_id] = flight
        mine = self._by_terminal.setdefault(flight.terminal, {})
        mine[flight.command_id] = flight
        if len(mine) > ENDED_PER_TERMINAL_MAX:
            self.forget(next(iter(mine)))
        if len(self._by_id) > ENDED_MAX:
            self.forget(next(iter(self._by_id)))

    def forget(self, command_id: int) -> None:
        """It is held again, or not of interest any more."""
        flight = self._by_id.pop(command_id, None)
        if flight is not None:
            mine = self._by_terminal[flight.terminal]
            del mine[command_id]
            if not mine:
                del self._by_terminal[flight.terminal]

    def of(self, terminal: str) -> list[Flight]:
        """Those of a terminal, the latest first."""
        return list(self._by_terminal.get(terminal, {}).values())[::-1]


def match_general(flights: Iterable[Flight], msg_id: int, serial: int) -> tuple[Flight | None, bool]:
    """The command that an 0x0001 answers, and whether its serial was wrong (§10.4).

    Args:
        flights: of the terminal.
        msg_id: 应答ID.
        serial: 应答流水号.
    """
    return _by_serial([flight for flight in flights if flight.msg_id == msg_id and flight.attempts], serial)


def match_specific(flights: Iterable[Flight], answer_id: int, serial: int | None) -> tuple[Flight | None, bool]:
    """The command that a message of its own answers, and whether its serial was wrong.

    Args:
        flights: of the terminal, in the order in which they are to be tried.
        answer_id: 消息ID of the answer.
        serial: 应答流水号, None when the message has none: the first one that waits for it is meant.
    """
    those = [
        flight
        for flight in flights
        if flight.expected.specific == answer_id and flight.attempts and not flight.has_answer
    ]
    if serial is None:
        return (those[0] if those else None), False
    return _by_serial(those, serial)


def _by_serial(flights: list[Flight], serial: int) -> tuple[Flight | None, bool]:
    exact = next((flight for flight in flights if flight.covers(serial)), None)
    if exact is not None:
        return exact, False
    return (flights[0], True) if len(flights) == 1 else (None, False)
