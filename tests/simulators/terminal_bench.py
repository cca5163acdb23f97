"""One simulated terminal and one little platform, with a clock that only the test moves."""

from collections.abc import Callable
from dataclasses import dataclass, field

from tiny_platform import Seen, TinyPlatform

from jtgate.codecs.edition import Edition
from jtgate.simulators.clock import RunClock
from jtgate.simulators.dice import Dice
from jtgate.simulators.identity import Identity
from jtgate.simulators.roads import shipped_graph
from jtgate.simulators.rules import Rules
from jtgate.simulators.states import LinkOrder
from jtgate.simulators.tally import Tally
from jtgate.simulators.terminal import Terminal

START_MS = 1_790_000_000_000  # 2026-09-21
EDITIONS = (Edition.V2011, Edition.V2013, Edition.V2019)


@dataclass
class Bench:
    """One terminal and one platform with a clock that only the test moves."""

    edition: Edition = Edition.V2013
    rules: Rules = field(default_factory=lambda: Rules(answer_wait_s=2.0))
    judge: Callable[[Seen], list[bytes] | None] | None = None
    seed: int = 1
    index: int = 3

    def __post_init__(self) -> None:
        self.now = 1000.0
        self.tally = Tally()
        dice = Dice(self.seed, self.index)
        self.terminal = Terminal(
            Identity(self.index, "13800138003", self.edition),
            self.rules,
            RunClock(self.now, START_MS),
            self.tally,
            dice,
            shipped_graph(),
        )
        self.platform = TinyPlatform(judge=self.judge)
        self.up = False
        self.orders: list[LinkOrder] = []
        self.pieces: list[bytes] = []

    def step(self) -> None:
        """Do what is due now: tick, order, bytes there and back."""
        self.terminal.tick(self.now)
        self.exchange()

    def exchange(self) -> None:
        """Carry bytes both ways until both are silent."""
        while True:
            pieces = self.terminal.output(self.now) if self.up else []
            order = self.terminal.take_order()
            if order is LinkOrder.OPEN:
                self.orders.append(order)
                self.up = True
                self.platform.reader = type(self.platform.reader)()
                self.terminal.connected(self.now)
                continue
            if order is not None:
                self.orders.append(order)
                self.up = False
                return
            if not pieces:
                return
            self.pieces += pieces
            for frame in self.platform.feed(b"".join(pieces)):
                self.terminal.received(frame, self.now)

    def run(self, seconds: float) -> None:
        """Let time pass from deadline to deadline."""
        end = self.now + seconds
        for _ in range(100_000):
            self.step()
            due = self.terminal.deadline
            if due > end:
                self.now = end
                self.step()
                return
            self.now = max(self.now, due)
        raise AssertionError("the terminal is never content: a deadline does not move")

    def say(self, frame: bytes) -> None:
        """A frame from the platform."""
        self.terminal.received(frame, self.now)
        self.exchange()

    def command(self, msg_id: int, body: bytes = b"") -> int:
        """A command from the platform; its serial."""
        serial = self.platform.serial
        self.say(self.platform.frame(self.platform.seen[0].header, msg_id, body))
        return serial


def unanswered(msg_id: int) -> Callable[[Seen], list[bytes] | None]:
    """A judge that never answers one message."""
    return lambda seen: [] if seen.header.msg_id == msg_id else None
