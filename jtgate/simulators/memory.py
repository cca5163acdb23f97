"""What a terminal keeps while it cannot send it: positions of a blind area, and other messages."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from jtgate.codecs.edition import Edition
from jtgate.simulators import messages
from jtgate.simulators.delivery import Position
from jtgate.simulators.dice import Dice, Purpose
from jtgate.simulators.tally import Tally

LOCATION = 0x0200
BATCH = 0x0704

#: Positions kept: two hours at one every 10 s; then the oldest is lost and counted.
POSITIONS_MAX = 720
#: Other messages kept (driver cards, pictures); then the oldest is lost and counted.
TODO_MAX = 16
#: Bytes of a 0x0704 that stays one frame, and positions of one that does not.
BATCH_BYTES = 980
LONG_BATCH_MAX = 40
LONG_BATCH_CHANCE = 0.15


@dataclass(slots=True)
class Todo:
    """A message other than a position that waits for the link.

    Args:
        msg_id: 消息ID.
        body: the whole body.
        media_id: for 0x0801.
    """

    msg_id: int
    body: bytes
    media_id: int | None = None


class Memory:
    """The memory of one terminal.

    Args:
        tally: counters of the fleet.
        dice: chances of this terminal.
    """

    __slots__ = ("_batches", "_dice", "_tally", "blind", "positions", "todo")

    def __init__(self, tally: Tally, dice: Dice) -> None:
        self._tally = tally
        self._dice = dice
        self._batches = 0
        self.positions: deque[Position] = deque()
        self.todo: deque[Todo] = deque()
        self.blind = False  # the positions were made while the link was down: 盲区补报

    def __bool__(self) -> bool:
        return bool(self.positions or self.todo)

    def keep(self, position: Position) -> None:
        """Add the newest position."""
        if len(self.positions) >= POSITIONS_MAX:
            self.positions.popleft()
            self._tally.positions_lost += 1
        self.positions.append(position)

    def take_back(self, positions: Iterable[Position]) -> None:
        """Add positions that were sent and did not arrive; all of them are put in the order of time."""
        everything = sorted((*positions, *self.positions))
        self.positions.clear()
        for position in everything:
            self.keep(position)

    def add(self, todo: Todo) -> None:
        """Add a message other than a position."""
        if len(self.todo) >= TODO_MAX:
            self._tally.messages_lost[self.todo.popleft().msg_id] += 1
        self.todo.append(todo)

    def next_batch(self, edition: Edition) -> tuple[int, bytes, list[Position]]:
        """Take out what goes into the next message: a 0x0704, now and then a long one, or a 0x0200 in 2011.

        Returns:
            Message id, body, and the positions in it; there must be at least one.
        """
        if edition is Edition.V2011:  # it has no 0x0704
            position = self.positions.popleft()
            return LOCATION, position.body, [position]
        self._batches += 1
        long = self._dice.roll(Purpose.BATCH, self._batches) < LONG_BATCH_CHANCE
        chosen: list[Position] = []
        size = messages.BATCH_HEAD_BYTES
        while self.positions and len(chosen) < LONG_BATCH_MAX:
            size += messages.BATCH_ITEM_HEAD_BYTES + len(self.positions[0].body)
            if chosen and size > BATCH_BYTES and not long:
                break
            chosen.append(self.positions.popleft())
        body = messages.batch([position.body for position in chosen], backfill=self.blind)
        if not self.positions:
            self.blind = False
        return BATCH, body, chosen
