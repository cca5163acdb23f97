"""The spool: every accepted frame, committed before it is answered, kept for a set time (design D5).

One writer (a gateway) appends groups; any number of readers in other processes follow it by
sequence number. A group is the data of one commit: msgpack records, see `records`.
"""

from typing import NamedTuple, Protocol


class SpoolError(Exception):
    """The spool could not do what was asked; nothing of the group was kept."""

    code = "spool"


class SpoolFull(SpoolError):
    """Unread data has reached the size limit; refuse frames until readers catch up."""

    code = "spool.full"


class SpoolFailed(SpoolError):
    """The disk or the database refused (full, read-only, I/O error)."""

    code = "spool.failed"


class Group(NamedTuple):
    """One group commit."""

    seq: int
    at_us: int
    frames: int
    data: bytes


class SpoolInfo(NamedTuple):
    """State of the spool for people and metrics."""

    first_seq: int
    last_seq: int
    bytes_on_disk: int
    bytes_max: int
    segments: int


class SpoolWriter(Protocol):
    """The one writer of a spool. `append` may be called in one thread while `retain` works in another."""

    #: Parts of the spool that were found damaged, since it was opened; what they hold from there on is not read.
    damaged_count: int

    def append(self, data: bytes, frames: int, at_us: int) -> int:
        """Commit one group and return its sequence number, strictly rising from 1, with gaps after failures.

        When this returns, the group survives a SIGKILL and a power cut.

        Args:
            data: records, at least one.
            frames: number of frames in `data`.
            at_us: time of the commit, microseconds since 1970.

        Raises:
            SpoolFull: the limit is reached.
            SpoolFailed: the disk failed; the next append tries again.
        """
        ...

    def retain(self, consumed_seq: int, now_us: int) -> int:
        """Delete what is older than the keep time and at or below `consumed_seq`; bytes freed.

        Data above `consumed_seq` is never deleted. When the size limit is near, consumed data
        goes before its keep time is over.
        """
        ...

    def info(self) -> SpoolInfo:
        """Sequence numbers and sizes."""
        ...

    def close(self) -> None:
        """Give up all files; safe to call twice."""
        ...


class SpoolReader(Protocol):
    """A follower of the spool, in this or another process."""

    #: Parts of the spool that were left at a fault, since it was opened.
    damaged_count: int

    def read(self, after_seq: int, *, groups_max: int = 256, bytes_max: int = 16 << 20) -> list[Group]:
        """Groups with seq > after_seq in order, at least one if there is any; empty when none.

        Groups deleted by retention are skipped.
        """
        ...

    def last_seq(self) -> int:
        """Highest committed sequence number, 0 when the spool is empty."""
        ...

    def close(self) -> None:
        """Give up all files; safe to call twice."""
        ...


class SpoolProgress(Protocol):
    """How far each consumer has stored the spool: published by consumers, read by the writer for `retain`.

    A consumer publishes about once a second, and only what it has durably stored: what lies at or below
    every consumer's number may be deleted. While nobody has ever published, nothing may.
    """

    def set(self, consumer: str, seq: int) -> None:
        """Publish that `consumer` has durably stored everything up to `seq`.

        Args:
            consumer: its name, of a-z, 0-9 and _.
            seq: sequence number of its last stored group.

        Raises:
            SpoolFailed: the disk failed; the last number stands.
        """
        ...

    def all(self) -> dict[str, int]:
        """Sequence number by consumer."""
        ...

    def minimum(self) -> int:
        """What every consumer has stored; 0 when there is none."""
        ...

    def remove(self, consumer: str) -> None:
        """Forget a consumer that will not come back, so that it holds nothing any more."""
        ...
