"""What is known of a terminal: two lanes of facts, each with the state before its newest moment and the state with it.

    seconds  ─► flags, track, visits       the newest second stays open, because more reports of it may come;
    items    ─► episodes                   what is older is settled

A fact older than the newest moment of its lane is late: the lane cannot take it, and the terminal is folded anew.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Generic, TypeVar, cast

import msgspec

from jtgate.pipeline.derive.episodes import ItemMachine, ItemsState
from jtgate.pipeline.derive.facts import AlarmItem, Key, Rows, Second, second_of
from jtgate.pipeline.derive.flags import FlagMachine, FlagsState
from jtgate.pipeline.derive.reading import order_of
from jtgate.pipeline.derive.track import TrackMachine, TrackState
from jtgate.pipeline.derive.visits import VisitMachine, VisitsState
from jtgate.pipeline.derive.zones import ZoneMap
from jtgate.storage.model import POSITION_COLUMNS, PositionRow

#: Facts of a lane by which an exact repetition is known without folding anew. About 150 bytes each, of each terminal.
RECENT_MAX: Final = 32
#: Form of the states below; another one is not read.
VERSION: Final = 1

_TIME: Final = POSITION_COLUMNS.index("device_time_ms")
_FINGERPRINT: Final = POSITION_COLUMNS.index("fingerprint")


class SecondsState(msgspec.Struct, frozen=True):
    """States of the machines of seconds."""

    flags: FlagsState
    track: TrackState
    visits: VisitsState


class Kept(msgspec.Struct, frozen=True):
    """What a checkpoint keeps: both lanes as they are settled, each with the time of its newest fact (0 none)."""

    version: int
    seconds_ms: int
    seconds: SecondsState
    items_ms: int
    items: ItemsState


def unpack(data: bytes) -> Kept | None:
    """What a checkpoint keeps; None when another release wrote it."""
    try:
        kept = msgspec.msgpack.decode(data, type=Kept)
    except msgspec.MsgspecError:
        return None
    return kept if kept.version == VERSION else None


class Machines:
    """The machines, for all terminals.

    Args:
        zones: the map of zones.
    """

    def __init__(self, zones: ZoneMap) -> None:
        self.flags = FlagMachine()
        self.track = TrackMachine()
        self.visits = VisitMachine(zones)
        self.items = ItemMachine()

    def use_zones(self, zones: ZoneMap) -> None:
        """Another map of zones."""
        self.visits = VisitMachine(zones)

    def start(self) -> Kept:
        """What is known of a terminal that nothing was heard of."""
        seconds = SecondsState(self.flags.start(), self.track.start(), self.visits.start())
        return Kept(VERSION, 0, seconds, 0, self.items.start())

    def second(self, state: SecondsState, second: Second, rows: Rows, terminal_id: int) -> SecondsState:
        """With one second more."""
        return SecondsState(
            self.flags.step(state.flags, second, rows, terminal_id),
            self.track.step(state.track, second, rows, terminal_id),
            self.visits.step(state.visits, second, rows, terminal_id),
        )

    def held(self, kept: Kept, rows: Rows, terminal_id: int) -> None:
        """Rows of what goes on or may go on, as it was at a checkpoint."""
        self.flags.held(kept.seconds.flags, rows, terminal_id)
        self.track.held(kept.seconds.track, rows, terminal_id)
        self.visits.held(kept.seconds.visits, rows, terminal_id)
        self.items.held(kept.items, rows, terminal_id)


S = TypeVar("S")
F = TypeVar("F")


class Lane(Generic[S, F]):
    """Facts of one kind, folded in the order of their times.

    Args:
        state: so far.
        at_ms: time of the newest fact in it.
        fold: state, all facts of one moment, rows -> state.
        key: time and fingerprint of a fact.
    """

    def __init__(
        self,
        state: S,
        at_ms: int,
        fold: Callable[[S, Sequence[F], Rows], S],
        key: Callable[[F], tuple[int, int]],
    ) -> None:
        self.settled = self.now = state
        self.settled_ms = self.newest_ms = at_ms
        self._fold = fold
        self._key = key
        self._facts: list[F] = []
        self._told: set[tuple[str, Key]] = set()
        self._recent: deque[tuple[int, int]] = deque(maxlen=RECENT_MAX)
        self._known: set[tuple[int, int]] = set()

    def has(self, fact: F) -> bool:
        """Whether this very fact was taken a moment ago."""
        return self._key(fact) in self._known

    def add(self, fact: F, rows: Rows) -> bool:
        """Take a fact; False, and nothing is changed, when it is late."""
        key = self._key(fact)
        if key[0] < self.newest_ms or (key[0] == self.newest_ms and not self._facts):
            return False
        if key[0] > self.newest_ms:
            self.settled, self.settled_ms = self.now, self.newest_ms
            self._facts = [fact]
            self.newest_ms = key[0]
            made = Rows()
            self.now = self._fold(self.settled, self._facts, made)
        else:
            made = Rows()
            facts = [*self._facts, fact]
            now = self._fold(self.settled, facts, made)
            if not self._told <= _keys(made):  # a row was written that is none
                return False
            self._facts, self.now = facts, now
        self._told = _keys(made)
        rows.update(made)
        self._remember(key)
        return True

    def _remember(self, key: tuple[int, int]) -> None:
        if len(self._recent) == RECENT_MAX:
            self._known.discard(self._recent[0])
        self._recent.append(key)
        self._known.add(key)


def _keys(rows: Rows) -> set[tuple[str, Key]]:
    return {(table, key) for table, found in rows.tables.items() for key in found}


class Terminal:
    """What is known of one terminal.

    Args:
        terminal_id: its number.
        machines: see Machines.
        kept: what to begin with.
        loaded_seq: group of the spool up to which the store was read when it was folded.
    """

    def __init__(self, terminal_id: int, machines: Machines, kept: Kept, loaded_seq: int) -> None:
        self.terminal_id = terminal_id
        self._loaded_seq = loaded_seq
        self._since_ms = kept.seconds_ms, kept.items_ms

        def fold_second(state: SecondsState, facts: Sequence[PositionRow], rows: Rows) -> SecondsState:
            return machines.second(state, second_of(facts), rows, terminal_id)

        def fold_items(state: ItemsState, facts: Sequence[AlarmItem], rows: Rows) -> ItemsState:
            for item in sorted(facts, key=order_of):
                state = machines.items.step(state, item, rows, terminal_id)
            return state

        self.seconds = Lane(kept.seconds, kept.seconds_ms, fold_second, _key_of_row)
        self.items = Lane(kept.items, kept.items_ms, fold_items, _key_of_item)
        self._machines = machines
        self._silent: set[tuple[Key, int]] = set()  # ended by silence, as was told

    def has_read(self, seq: int, time_ms: int, *, items: bool) -> bool:
        """Whether a fact was read from the store when the terminal was folded anew: it was there, and not too old.

        Args:
            seq: group of the spool that it came in.
            time_ms: its own time.
            items: it is an alarm item.
        """
        return seq <= self._loaded_seq and time_ms > self._since_ms[items]

    def kept(self) -> Kept:
        """What is settled."""
        return Kept(VERSION, self.seconds.settled_ms, self.seconds.settled, self.items.settled_ms, self.items.settled)

    def settle(self, rows: Rows) -> None:
        """What the time of the newest fact decides: alarms whose end did not come.

        The state stays as it is: an item with an earlier time than the newest second may still come.
        """
        if not any(one.starts for one in self.items.now.current):
            return
        found = Rows()
        now_ms = max(self.seconds.newest_ms, self.items.newest_ms)
        self._machines.items.settle(self.items.now, now_ms, found, self.terminal_id)
        silent = {(key, row.last_ms) for table in found.tables.values() for key, row in table.items()}
        if silent != self._silent:
            self._silent = silent
            rows.update(found)


def _key_of_row(row: PositionRow) -> tuple[int, int]:
    return cast("int", row[_TIME]), cast("int", row[_FINGERPRINT])


def _key_of_item(item: AlarmItem) -> tuple[int, int]:
    return item.time_ms, hash((item.source, item.fingerprint))


def sorted_rows(rows: Iterable[PositionRow]) -> list[PositionRow]:
    """Positions in the order of time and fingerprint."""
    return sorted(rows, key=lambda row: cast("Any", (row[_TIME], row[_FINGERPRINT])))
