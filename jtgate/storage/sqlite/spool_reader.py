"""Following the embedded spool, from this or any other process."""

import os
from bisect import bisect_right
from pathlib import Path

import apsw

from jtgate.storage.spool import Group, SpoolFailed
from jtgate.storage.sqlite.segments import Segment, close_quietly, last_mark, list_segments, open_segment, parse_names

_SELECT = "SELECT seq, at_us, frames, data FROM groups WHERE seq > ? ORDER BY seq LIMIT ?"


class SqliteSpoolReader:
    """`SpoolReader` over the folder of a `SqliteSpoolWriter`, which need not exist yet.

    A poll that finds nothing is one SELECT on an open file and one look at the names in the folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names: list[str] = []
        self._segments: list[Segment] = []
        self._opened: tuple[Segment, apsw.Connection] | None = None

    def read(self, after_seq: int, *, groups_max: int = 256, bytes_max: int = 16 << 20) -> list[Group]:
        """See SpoolReader.

        Raises:
            SpoolFailed: the disk fails.
        """
        try:
            groups = self._read_known(after_seq, groups_max, bytes_max)
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
        return True

    def _read_known(self, after_seq: int, groups_max: int, bytes_max: int) -> list[Group]:
        """Read from the segments of the last look at the folder, passing those that hold nothing more."""
        begin = bisect_right(self._segments, after_seq + 1, key=lambda segment: segment.first_seq)
        for segment in self._segments[max(0, begin - 1) :]:
            connection = self._connection(segment)
            if connection is not None and (groups := _read_groups(connection, after_seq, groups_max, bytes_max)):
                return groups
        return []

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


def _read_groups(connection: apsw.Connection, after_seq: int, groups_max: int, bytes_max: int) -> list[Group]:
    groups: list[Group] = []
    size = 0
    cursor = connection.execute(_SELECT, (after_seq, groups_max))
    try:
        for values in cursor:
            group = Group._make(values)
            size += len(group.data)
            if groups and size > bytes_max:
                break
            groups.append(group)
    finally:
        cursor.close()  # an open cursor would keep the writer from starting its WAL over
    return groups
