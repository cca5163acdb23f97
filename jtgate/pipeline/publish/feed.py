"""The feed: every stored position and alarm event, in the order of their arrival, from any place on.

    spool ─ up to the store's cursor ─► decoder, as the pipeline's ─► positions ─┐
    store ─ alarm events by their rising id ─────────────────────────────────────┴─► pages with a cursor

See `following` for how positions are read, and what becomes of gaps.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple, cast

from jtgate.codecs.opening import Opener
from jtgate.pipeline.following import STEP_BYTES, STEP_GROUPS, Follower
from jtgate.pipeline.publish import shapes
from jtgate.pipeline.publish.shapes import Shape, Times
from jtgate.profiles import Assignments
from jtgate.storage.model import POSITION_COLUMNS, PositionRow, StoreBatch
from jtgate.storage.spool import SpoolReader
from jtgate.storage.store import Store

#: A page ends with the group that reaches one of these.
PAGE_GROUPS: Final = STEP_GROUPS
PAGE_BYTES: Final = STEP_BYTES
PAGE_ALARMS: Final = 2000

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
        self._follower = Follower(
            store, reader, parts_bytes_max=parts_bytes_max, assignments=assignments, opener=opener
        )

    def present(self) -> Cursor:
        """The end of the feed now; who reads on from here also gets messages of which the first parts have come.

        Raises:
            StoreError: the store cannot be read now.
        """
        alarm_id = self._store.last_alarm_id()
        return Cursor(self._follower.present(), alarm_id)

    def read(self, after: Cursor) -> Page:
        """The page after a cursor; empty when there is nothing new.

        Raises:
            StoreError, SpoolError: they cannot be read now; the same call may be repeated.
        """
        told: list[Told] = []
        times = Times()

        def take(batch: StoreBatch) -> None:
            told.extend(self._told(batch.all_positions(), times))

        step = self._follower.step(after.spool_seq, take, groups_max=PAGE_GROUPS, bytes_max=PAGE_BYTES)
        # After the positions: so alarms of what was read are stored as well.
        alarms = self._store.alarm_events_after(after.alarm_id, limit=PAGE_ALARMS)
        for row in alarms:
            time_ms = cast("int", row["alarm_time_ms"])
            told.append(Told("alarm", str(row["terminal"]), time_ms, shapes.alarm(row, times)))
        cursor = Cursor(step.seq, cast("int", alarms[-1]["id"]) if alarms else after.alarm_id)
        return Page(cursor, Cursor(step.resume_seq, cursor.alarm_id), told, step.missed)

    def lag(self, at: Cursor) -> tuple[int, float]:
        """How far a place is behind what is stored: groups of the spool, and the age of the first one in seconds.

        Raises:
            StoreError, SpoolError: they cannot be read now.
        """
        return self._follower.lag(at.spool_seq)

    def _told(self, rows: Iterable[PositionRow], times: Times) -> list[Told]:
        told = []
        for row in rows:
            terminal = self._follower.names.name_of(cast("int", row[_TERMINAL]))
            told.append(Told("position", terminal, cast("int", row[_TIME]), shapes.position(row, terminal, times)))
        return told
