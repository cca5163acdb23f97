"""A spool with its back end, for tests that know only the interface."""

from contextlib import ExitStack, closing
from pathlib import Path

from jtgate.storage.spool import SpoolProgress, SpoolReader, SpoolWriter
from jtgate.storage.sqlite.progress import FileSpoolProgress
from jtgate.storage.sqlite.spool import SqliteSpoolWriter
from jtgate.storage.sqlite.spool_reader import SqliteSpoolReader


class SpoolUnderTest:
    """Opens the spool of a test."""

    def __init__(self, folder: Path, cleanup: ExitStack) -> None:
        self.folder = folder
        self._cleanup = cleanup

    def writer(self, *, bytes_max: int = 1 << 30, keep_us: int = 10**15, segment_bytes: int = 4096) -> SpoolWriter:
        """The writer; close it before opening another."""
        writer = SqliteSpoolWriter(self.folder, bytes_max=bytes_max, keep_us=keep_us, segment_bytes_max=segment_bytes)
        return self._cleanup.enter_context(closing(writer))

    def reader(self) -> SpoolReader:
        """One more reader."""
        return self._cleanup.enter_context(closing(SqliteSpoolReader(self.folder)))

    def progress(self) -> SpoolProgress:
        """What consumers publish."""
        return FileSpoolProgress(self.folder)
