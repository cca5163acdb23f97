"""The feed: every stored position and alarm event, in the order of their arrival, from any place on.

    spool ─ up to the store's cursor ─► decoder, as the pipeline's ─► positions ─┐
    store ─ alarm events by their rising id ─────────────────────────────────────┴─► pages with a cursor

Positions are read out of the spool once more, because the store has them in the order of their own times, into which
late ones are sorted. Nothing is told before it is stored, so whoever hears of a row finds it. A report that a terminal
sent twice may be told twice; it has the same key both times.

The spool is not held back by those who listen: what retention has deleted is a gap, and is told as one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, cast

from jtgate.codecs.opening import Opener
from jtgate.codecs.timebase import now_us
from jtgate.pipeline import CONSUMER
from jtgate.pipeline.compared import StoreAsRead
from jtgate.pipeline.publish import shapes
from jtgate.pipeline.publish.shapes import Shape, Times
from jtgate.pipeline.steps import Decoder
from jtgate.profiles import Assignments
from jtgate.storage.model import POSITION_COLUMNS, PartRow, PositionRow
from jtgate.storage.spool import Group, SpoolReader
from jtgate.storage.store import Store

#: A page ends with the group that reaches one of these.
PAGE_GROUPS: Final = 256
PAGE_BYTES: Final = 256 << 10
PAGE_ALARMS: Final = 2000
#: Terminals whose numbers are remembered; beyond it one begins anew as soon as no message is incomplete.
TERMINALS_MAX: Final = 500_000

#: Looks at the store's cursor and its incomplete messages until both belong together.
_SNAPSHOT_TRIES: Final = 10

_TERMINAL: Final = POSITION_COLUMNS.index("terminal_id")
_TIME: Final = POSITION_COLUMNS.index("device_time_ms")


class Cursor(NamedTuple):
    """A place in the feed; what comes after it has not been told."""

    spool_seq: int
    alarm_id: int


@dataclass(slots=True)
class Told:
    """One position or alarm event.

    Args:
        kind: "position" or "alarm".
        terminal: digits without leading zeros.
        time_ms: its own time, 0 for none.
        shape: what is told, see `shapes`.
    """

    kind: str
    terminal: str
    time_ms: int
    shape: Shape


@dataclass(slots=True)
class Page:
    """What follows a cursor.

    Args:
        cursor: where the next page of this feed begins.
        resume: where a later feed has to begin to miss nothing: before the first part of a message that is not whole.
        told: in order; positions, then alarm events.
        missed: groups of the spool that were deleted before they could be told.
    """

    cursor: Cursor
    resume: Cursor
    told: list[Told] = field(default_factory=list)
    missed: int = 0


class Feed:
    """Reads the feed for one listener, page after page.

    Args:
        store: for reading.
        reader: the spool.
        parts_bytes_max: memory for incomplete messages.
        assignments: which terminal has which profile.
        opener: decrypts bodies; None where there is no key.
    """

    def __init__(
        self,
        store: Store,
        reader: SpoolReader,
        *,
        parts_bytes_max: int,
        assignments: Assignments | None = None,
        opener: Opener | None = None,
    ) -> None:
        self._store = store
        self._reader = reader
        self._parts_bytes_max = parts_bytes_max
        self._assignments = assignments
        self._opener = opener
        self._names = StoreAsRead(store, ask_zones=False)
        self._decoder: Decoder | None = None
        self._decoded_seq = -1  # the decoder has seen everything up to here
        self._open: dict[tuple[Any, ...], int] = {}  # parts of messages that are not whole -> their group

    def present(self) -> Cursor:
        """The end of the feed now; who reads on from here also gets messages of which the first parts have come.

        Raises:
            StoreError: the store cannot be read now.
        """
        alarm_id = self._store.last_alarm_id()
        seq = self._store.cursor(CONSUMER)
        for _ in range(_SNAPSHOT_TRIES):
            parts = self._store.open_parts()
            seq, before = self._store.cursor(CONSUMER), seq
            if seq == before:  # so cursor and parts belong together
                self._decoder = self._new_decoder(parts)
                self._decoded_seq = seq
                break
        return Cursor(seq, alarm_id)

    def read(self, after: Cursor) -> Page:
        """The page after a cursor; empty when there is nothing new.

        Raises:
            StoreError, SpoolError: they cannot be read now; the same call may be repeated.
        """
        stored_seq = self._store.cursor(CONSUMER)  # first: alarms of what is read below are stored as well
        times = Times()
        groups = self._groups(after.spool_seq, stored_seq)
        told = self._positions(after.spool_seq, groups, times) if groups else []
        alarms = self._store.alarm_events_after(after.alarm_id, limit=PAGE_ALARMS)
        for row in alarms:
            time_ms = cast("int", row["alarm_time_ms"])
            told.append(Told("alarm", str(row["terminal"]), time_ms, shapes.alarm(row, times)))
        seq = groups[-1].seq if groups else after.spool_seq
        cursor = Cursor(seq, cast("int", alarms[-1]["id"]) if alarms else after.alarm_id)
        missed = self._missed(groups[0], after) if groups else 0
        resume = Cursor(min(self._open.values(), default=seq + 1) - 1, cursor.alarm_id)
        return Page(cursor, resume, told, missed)

    def lag(self, at: Cursor) -> tuple[int, float]:
        """How far a place is behind what is stored: groups of the spool, and the age of the first one in seconds.

        Raises:
            StoreError, SpoolError: they cannot be read now.
        """
        behind = self._store.cursor(CONSUMER) - at.spool_seq
        waiting = self._reader.read(at.spool_seq, groups_max=1) if behind > 0 else []
        return max(0, behind), max(0, now_us() - waiting[0].at_us) / 1e6 if waiting else 0.0

    def _groups(self, after_seq: int, stored_seq: int) -> list[Group]:
        if after_seq >= stored_seq:
            return []
        found = self._reader.read(after_seq, groups_max=PAGE_GROUPS, bytes_max=PAGE_BYTES)
        return [group for group in found if group.seq <= stored_seq]

    def _missed(self, first: Group, after: Cursor) -> int:
        """Groups that were deleted; numbers between those that are kept were never given out."""
        if first.seq == after.spool_seq + 1:
            return 0
        kept = self._reader.read(0, groups_max=1)
        return max(0, kept[0].seq - after.spool_seq - 1) if kept else 0

    def _positions(self, after_seq: int, groups: list[Group], times: Times) -> list[Told]:
        decoder = self._decoder
        is_full = len(self._names) > TERMINALS_MAX and not self._open
        if decoder is None or self._decoded_seq != after_seq or is_full:
            decoder = self._decoder = self._new_decoder()
        self._decoded_seq = -1  # a failure on the way leaves a decoder that nobody knows
        told: list[Told] = []
        left = groups
        while left:
            batch, taken = decoder.decode(left)
            left = left[taken:]
            told += self._told(batch.all_positions(), times)
            self._open |= {row[:4]: row.spool_seq for row in batch.parts}
            for key in batch.parts_done:
                self._open.pop(key, None)
        decoder.take_counts()  # the pipeline has counted them
        self._decoded_seq = groups[-1].seq
        return told

    def _new_decoder(self, parts: Sequence[PartRow] = ()) -> Decoder:
        self._open = {row[:4]: row.spool_seq for row in parts}
        self._names = StoreAsRead(self._store, ask_zones=False)
        return Decoder(
            cast("Store", self._names),  # all of it that a decoder uses
            parts_bytes_max=self._parts_bytes_max,
            live=False,
            assignments=self._assignments,
            opener=self._opener,
            parts=parts,
        )

    def _told(self, rows: Iterable[PositionRow], times: Times) -> list[Told]:
        told = []
        for row in rows:
            terminal = self._names.name_of(cast("int", row[_TERMINAL]))
            told.append(Told("position", terminal, cast("int", row[_TIME]), shapes.position(row, terminal, times)))
        return told
