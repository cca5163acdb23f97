"""Following the spool behind the pipeline: what is stored, decoded once more, in the order of its arrival.

The store has positions in the order of their own times, into which late ones are sorted; whoever has to know what is
new reads the spool up to the store's cursor. So nothing is told before it is stored. A report that a terminal sent
twice may be told twice; it has the same key both times.

The spool is not held back by those who follow: what retention has deleted is a gap, and is told as one.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, cast

from jtgate.codecs.opening import Opener
from jtgate.codecs.timebase import now_us
from jtgate.pipeline import CONSUMER
from jtgate.pipeline.compared import StoreAsRead
from jtgate.pipeline.steps import Decoder
from jtgate.profiles import Assignments
from jtgate.storage.model import PartRow, StoreBatch
from jtgate.storage.spool import Group, SpoolReader
from jtgate.storage.store import Store

#: A step ends with the group that reaches one of these.
STEP_GROUPS: Final = 256
STEP_BYTES: Final = 256 << 10
#: Terminals whose numbers are remembered; beyond it one begins anew as soon as no message is incomplete.
TERMINALS_MAX: Final = 500_000

#: Looks at the store's cursor and its incomplete messages until both belong together.
_SNAPSHOT_TRIES: Final = 10


class Step(NamedTuple):
    """One step on the way.

    Args:
        seq: last group that was told.
        resume_seq: where a later follower has to begin to miss nothing: before the first part of an incomplete message.
        groups: how many were told.
        missed: groups that were deleted before they could be told.
    """

    seq: int
    resume_seq: int
    groups: int = 0
    missed: int = 0


class Follower:
    """Follows the spool for one listener.

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
        #: Digits of terminals whose ids were told.
        self.names = StoreAsRead(store, ask_zones=False)
        self._decoder: Decoder | None = None
        self._decoded_seq = -1  # the decoder has seen everything up to here
        self._open: dict[tuple[Any, ...], int] = {}  # parts of messages that are not whole -> their group

    def present(self) -> int:
        """The end of what is stored; who reads on from here also gets messages of which the first parts have come.

        Raises:
            StoreError: the store cannot be read now.
        """
        seq = self._store.cursor(CONSUMER)
        for _ in range(_SNAPSHOT_TRIES):
            parts = self._store.open_parts()
            seq, before = self._store.cursor(CONSUMER), seq
            if seq == before:  # so cursor and parts belong together
                self._decoder = self._new_decoder(parts)
                self._decoded_seq = seq
                break
        return seq

    def step(
        self,
        after_seq: int,
        take: Callable[[StoreBatch], None],
        *,
        groups_max: int = STEP_GROUPS,
        bytes_max: int = STEP_BYTES,
    ) -> Step:
        """Tell what was stored after a group.

        Args:
            after_seq: the last group that is known.
            take: gets each batch; its positions are good until it returns.
            groups_max: groups of this step.
            bytes_max: of their frames.

        Raises:
            StoreError, SpoolError: they cannot be read now; the same call may be repeated.
        """
        stored_seq = self._store.cursor(CONSUMER)
        groups = self._groups(after_seq, stored_seq, groups_max, bytes_max)
        if not groups:
            return Step(after_seq, self._resume_seq(after_seq))
        self._tell(after_seq, groups, take)
        seq = groups[-1].seq
        return Step(seq, self._resume_seq(seq), len(groups), self._missed(groups[0], after_seq))

    def behind(self) -> int:
        """Groups of the spool that the pipeline has not stored yet.

        Raises:
            StoreError, SpoolError: they cannot be read now.
        """
        return max(0, self._reader.last_seq() - self._store.cursor(CONSUMER))

    def lag(self, seq: int) -> tuple[int, float]:
        """How far a place is behind what is stored: groups of the spool, and the age of the first one in seconds.

        Raises:
            StoreError, SpoolError: they cannot be read now.
        """
        behind = self._store.cursor(CONSUMER) - seq
        waiting = self._reader.read(seq, groups_max=1) if behind > 0 else []
        return max(0, behind), max(0, now_us() - waiting[0].at_us) / 1e6 if waiting else 0.0

    def _resume_seq(self, seq: int) -> int:
        return min(self._open.values(), default=seq + 1) - 1

    def _groups(self, after_seq: int, stored_seq: int, groups_max: int, bytes_max: int) -> list[Group]:
        if after_seq >= stored_seq:
            return []
        found = self._reader.read(after_seq, groups_max=groups_max, bytes_max=bytes_max)
        return [group for group in found if group.seq <= stored_seq]

    def _missed(self, first: Group, after_seq: int) -> int:
        """Groups that were deleted; numbers between those that are kept were never given out."""
        if first.seq == after_seq + 1:
            return 0
        kept = self._reader.read(0, groups_max=1)
        return max(0, kept[0].seq - after_seq - 1) if kept else 0

    def _tell(self, after_seq: int, groups: list[Group], take: Callable[[StoreBatch], None]) -> None:
        decoder = self._decoder
        is_full = len(self.names) > TERMINALS_MAX and not self._open
        if decoder is None or self._decoded_seq != after_seq or is_full:
            decoder = self._decoder = self._new_decoder()
        self._decoded_seq = -1  # a failure on the way leaves a decoder that nobody knows
        left = groups
        while left:
            batch, taken = decoder.decode(left)
            left = left[taken:]
            take(batch)
            self._open |= {row[:4]: row.spool_seq for row in batch.parts}
            for key in batch.parts_done:
                self._open.pop(key, None)
        decoder.take_counts()  # the pipeline has counted them
        self._decoded_seq = groups[-1].seq

    def _new_decoder(self, parts: Sequence[PartRow] = ()) -> Decoder:
        self._open = {row[:4]: row.spool_seq for row in parts}
        self.names = StoreAsRead(self._store, ask_zones=False)
        return Decoder(
            cast("Store", self.names),  # all of it that a decoder uses
            parts_bytes_max=self._parts_bytes_max,
            live=False,
            assignments=self._assignments,
            opener=self._opener,
            parts=parts,
        )
