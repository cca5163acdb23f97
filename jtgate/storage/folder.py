"""Files in a folder tree by their hash; see `files`.

A file counts when its bytes, its name and the folders above it are on disk. A lock file keeps one process from deleting
what another is about to keep once more.
"""

import fcntl
import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from jtgate.storage.files import FileMissing, FileStoreUnavailable
from jtgate.storage.suffixes import known_suffix

ARRIVING: Final = "arriving"
_LOCK: Final = ".lock"
_PATH: Final = re.compile(r"([0-9a-f]{2})/([0-9a-f]{2})/(([0-9a-f]{64})(\.[a-z0-9]{1,5}))")


class FolderFiles:
    """`FileStore` in a folder.

    Args:
        root: the folder; made when it is missing.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        #: Where files lie that are on their way; on the file system of the others.
        self.arriving = root / ARRIVING
        with _typed():
            self.arriving.mkdir(parents=True, exist_ok=True)

    def put(self, data: bytes, suffix: str) -> tuple[str, str]:
        """See FileStore."""
        beside = self.arriving / f"{secrets.token_hex(8)}.put"
        try:
            with _typed():
                beside.write_bytes(data)
            return self.keep(beside, suffix)
        finally:
            with suppress(OSError):
                beside.unlink(missing_ok=True)

    def keep(self, arrived: Path, suffix: str) -> tuple[str, str]:
        """See FileStore; the file is gone from where it was, also when the same bytes are kept already."""
        with _typed():
            with arrived.open("rb") as file:
                os.fsync(file.fileno())
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            with self._locked():
                return sha256, self._place(arrived, sha256, known_suffix(suffix))

    def open(self, path: str) -> Path:
        """See FileStore."""
        file = self.root / _checked(path)
        if not file.is_file():
            raise FileMissing(f"there is no file {path}")
        return file

    def delete(self, path: str, *, kept_before_ms: int | None = None) -> bool:
        """See FileStore."""
        file = self.root / _checked(path)
        with _typed(), self._locked():
            try:
                kept_ms = file.stat().st_mtime_ns // 1_000_000
            except FileNotFoundError:
                return False
            if kept_before_ms is not None and kept_ms >= kept_before_ms:
                return False
            file.unlink()
            self._deleted(path)
            return True

    def close(self) -> None:
        """Nothing is held open."""

    def _place(self, arrived: Path, sha256: str, suffix: str) -> str:
        """Give a file that is on disk its place; the lock is held."""
        folder = self.root / sha256[:2] / sha256[2:4]
        same = next(iter(folder.glob(f"{sha256}.*")), None)
        if same is not None and same.stat().st_size == arrived.stat().st_size:
            os.utime(same)
            arrived.unlink()
            path = same.relative_to(self.root).as_posix()
            self._kept_again(path)
            return path
        target = same or folder / f"{sha256}{suffix}"
        path = target.relative_to(self.root).as_posix()
        new = [parent for parent in (folder, folder.parent) if not parent.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        self._keeping(path)
        os.utime(arrived)
        arrived.replace(target)
        for parent in (folder, *(one.parent for one in new)):
            sync_folder(parent)
        return path

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One at a time, over all processes and threads."""
        fd = os.open(self.root / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    # What a store behind the folder needs to hear; the lock is held.

    def _keeping(self, path: str) -> None:
        """A file is about to get its place."""

    def _kept_again(self, path: str) -> None:
        """Bytes came that are there already."""

    def _deleted(self, path: str) -> None:
        """A file was deleted."""


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to disk."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def hash_of(path: str) -> str:
    """The hash that a path of ours names.

    Raises:
        FileMissing: it is no path of ours.
    """
    return Path(_checked(path)).name.partition(".")[0]


def _checked(path: str) -> str:
    """A path that we made ourselves, and no other.

    Raises:
        FileMissing: it is none.
    """
    found = _PATH.fullmatch(path)
    if found is None or not found[4].startswith(found[1] + found[2]):
        raise FileMissing("there is no file of that path")
    return path


@contextmanager
def _typed() -> Iterator[None]:
    """Turn errors of the file system into ours."""
    try:
        yield
    except OSError as error:
        raise FileStoreUnavailable(f"cannot keep or read files: {error.strerror or error}") from error
