"""Files by their hash: evidence, multimedia, pictures of comparisons.

    <folder>/files/ab/cd/abcd…(64 hex digits).jpg        complete, named by SHA-256 of the bytes; same bytes, one file
    <folder>/files/arriving/…                             on their way, named by us

A name that came over the wire never becomes part of a path; only the suffix, out of a short list, does.
"""

from pathlib import Path
from typing import Protocol


class FileStoreError(Exception):
    """A file could not be kept or read."""

    code = "files"


class FileStoreUnavailable(FileStoreError):
    """Disk full, read-only, or the server is away: try again later."""

    code = "files.unavailable"


class FileMissing(FileStoreError):
    """There is no file of that path."""

    code = "files.missing"


class FileStore(Protocol):
    """Interface of every back end: a folder, or a folder with S3 behind it."""

    def put(self, data: bytes, suffix: str) -> tuple[str, str]:
        """Keep bytes; returns (sha256, path below the folder) when they survive a power cut."""
        ...

    def keep(self, arrived: Path, suffix: str) -> tuple[str, str]:
        """Take a file that has arrived, by renaming; the same returns."""
        ...

    def open(self, path: str) -> Path:
        """A readable local file of what is kept.

        Raises:
            FileMissing: there is none.
        """
        ...

    def delete(self, path: str, *, kept_before_ms: int | None = None) -> bool:
        """Delete what is kept.

        Args:
            path: of `put` or `keep`.
            kept_before_ms: not if the same bytes were kept at this time or later; None deletes in any case.

        Returns:
            False when there was nothing, or nothing was deleted.
        """
        ...
