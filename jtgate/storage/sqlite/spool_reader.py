"""Following the embedded spool, from this or any other process."""

import contextlib
import itertools
import os
from bisect import bisect_right
from pathlib import Path

import apsw
import structlog

from jtgate.storage.spool import Group, SpoolFailed
from jtgate.storage.sqlite.segments import (
    DAMAGE,
    Segment,
    close_quietly,
    last_mark,
    list_segments,
    open_segment,
    parse_names,
)

log = structlog.get_logger(__name__)

#: Above every sequence number.
_SEQ_END = 1 << 62
# Not "> the last one": looking for that would touch the page of the last one, which may be broken.
_SELECT = "SELECT seq, at_us, frames, data FROM groups WHERE seq >= ? ORDER BY seq LIMIT ?"
_SELECT_BACKWARDS = "SELECT seq, data FROM groups WHERE seq > ? ORDER BY seq DESC"


class SqliteSpoolReader:
    """`SpoolReader` over the folder of a `SqliteSpoolWriter`, which need not exist yet.

    A poll that finds nothing is one SELECT on an open file and one look at the names in the folder.

    Of a damaged segment it gives the groups before the first fault and behind the last one, and goes on in the next
    segment. While there is none it fails: a writer begins one at the latest when it starts.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names: list[str] = []
        self._segments: list[Segment] = []
        self._opened: tuple[Segment, apsw.Connection] | None = None
        self._damaged: set[Segment] = set()  # those told of, as far as they are still there
        self.damaged_count = 0  # segments left at a fault

    def read(self, after_seq: int, *, groups_max: int = 256, bytes_max: int = 16 << 20) -> list[Group]:
        """See SpoolReader.

        Raises:
            SpoolFailed: the disk fails, or the newest segment is damaged.
        """
        try:
            try:
                groups = self._read_known(after_seq, groups_max, bytes_max)
            except DAMAGE:
                if not self._look_for_segments():
                    raise
                groups = []
            else:
                if groups or not self._look_for_segments():
                    return groups
            # A segment gets its last group before the next one gets its name. So one that was seen to have a
            # successor *before* it was read, and gave nothing, has nothing more: read again with the new list.
            return self._read_known(after_seq, groups_max, bytes_max)
        except (apsw.Error, OSError) as error:
            self.close()
            raise SpoolFailed(f"the spool cannot be read: {error}") from error

    def last_seq(self) -> int:
        """See SpoolReader.

        Raises:
            SpoolFailed: the disk fails.
        """
        try:
            for segment in reversed(list_segments(self._folder)):
                connection = self._connection(segment)
                if connection is not None:
                    mark = last_mark(connection)
                    return segment.first_seq - 1 if mark is None else mark.seq
        except (apsw.Error, OSError) as error:
            self.close()
            raise SpoolFailed(f"the spool cannot be read: {error}") from error
        return 0

    def close(self) -> None:
        """See SpoolReader."""
        opened, self._opened = self._opened, None
        if opened is not None:
            close_quietly(opened[1])

    def _look_for_segments(self) -> bool:
        """Look at the folder; True when it has changed."""
        try:
            names = os.listdir(self._folder)  # noqa: PTH208  done at every empty poll, names are enough
        except FileNotFoundError:
            return False
        if names == self._names:
            return False
        self._names = names
        self._segments = parse_names(self._folder, names)
        self._damaged.intersection_update(self._segments)
        return True

    def _read_known(self, after_seq: int, groups_max: int, bytes_max: int) -> list[Group]:
        """Read from the segments of the last look at the folder, passing those that hold nothing more."""
        begin = bisect_right(self._segments, after_seq + 1, key=lambda segment: segment.first_seq)
        segments = self._segments[max(0, begin - 1) :]
        for segment, following in itertools.zip_longest(segments, segments[1:]):
            before_seq = following.first_seq if following else _SEQ_END
            try:
                connection = self._connection(segment)
                if connection is None:
                    continue
                if groups := _read_groups(connection, after_seq, before_seq, groups_max, bytes_max):
                    return groups
            except DAMAGE as error:
                if following is None:
                    self.close()
                    raise
                self._note_damage(segment, error)
                groups = self._read_behind_fault(after_seq, before_seq, groups_max, bytes_max)
                self.close()
                if groups:
                    return groups
        return []

    def _read_behind_fault(self, after_seq: int, before_seq: int, groups_max: int, bytes_max: int) -> list[Group]:
        """Groups of the open segment behind its last fault: those that can be reached from its end."""
        if self._opened is None:  # it cannot even be opened
            return []
        connection = self._opened[1]
        first_seq = before_seq
        with contextlib.suppress(*DAMAGE):
            for seq, data in connection.execute(_SELECT_BACKWARDS, (after_seq,)):
                if not after_seq < seq < first_seq or not isinstance(data, bytes):
                    break
                first_seq = seq
        if first_seq == before_seq:
            return []
        try:
            return _read_groups(connection, first_seq - 1, before_seq, groups_max, bytes_max)
        except DAMAGE:
            return []

    def _note_damage(self, segment: Segment, error: apsw.Error) -> None:
        """Tell once of a segment that is left at a fault, unless retention has deleted it meanwhile."""
        if segment in self._damaged or not segment.path.exists():
            return
        self._damaged.add(segment)
        self.damaged_count += 1
        log.error("spool.segment_damaged", segment=segment.path.name, error=str(error))

    def _connection(self, segment: Segment) -> apsw.Connection | None:
        """The open connection of a segment; None when retention has deleted it."""
        if self._opened is not None and self._opened[0] == segment:
            return self._opened[1]
        self.close()
        try:
            connection = open_segment(segment.path)
        except apsw.Error:
            if segment.path.exists():
                raise
            return None
        self._opened = (segment, connection)
        return connection


def _read_groups(
    connection: apsw.Connection, after_seq: int, before_seq: int, groups_max: int, bytes_max: int
) -> list[Group]:
    """Groups of one segment, up to a fault in it.

    Raises:
        DAMAGE: there is a fault before the first group.
    """
    groups: list[Group] = []
    size = 0
    last_seq = after_seq
    cursor = connection.cursor()
    try:
        for values in cursor.execute(_SELECT, (after_seq + 1, groups_max)):
            group = Group._make(values)
            # SQLite does not see every fault: a number from a broken page would send the reader past good groups.
            if not last_seq < group.seq < before_seq or not isinstance(group.data, bytes):
                raise apsw.CorruptError("a group is out of order")
            last_seq = group.seq
            size += len(group.data)
            if groups and size > bytes_max:
                break
            groups.append(group)
    except DAMAGE:
        if not groups:
            raise
    finally:
        cursor.close(force=True)  # an open cursor would keep the writer from starting its WAL over
    return groups
