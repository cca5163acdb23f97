"""Which back end stands behind a setting, and where its files lie in the data folder.

<data>/store.db       the store, unless a URL says otherwise
<data>/spool/         the spool
<data>/directory.db   the directory
"""

from pathlib import Path

from jtgate.storage.directory import Directory
from jtgate.storage.spool import SpoolProgress, SpoolReader, SpoolWriter
from jtgate.storage.sqlite.directory import SqliteDirectory
from jtgate.storage.sqlite.progress import FileSpoolProgress
from jtgate.storage.sqlite.spool import SqliteSpoolWriter
from jtgate.storage.sqlite.spool_reader import SqliteSpoolReader
from jtgate.storage.sqlite.store import SqliteStore
from jtgate.storage.store import Store, StoreUrlError

STORE_NAME = "store.db"
SPOOL_NAME = "spool"
DIRECTORY_NAME = "directory.db"

_SQLITE = "sqlite:///"
_NOT_YET = ("postgresql://", "postgres://", "timescaledb://")


def open_store(url: str, data: Path) -> Store:
    """Open the store of a URL.

    Args:
        url: "" for the embedded store in the data folder; "sqlite:///relative/path" or
            "sqlite:////absolute/path" for one elsewhere.
        data: the data folder.

    Raises:
        StoreUrlError: no back end of this release answers to the URL.
        StoreTooNew: a later release wrote the store.
        StoreUnavailable: it cannot be opened now.
    """
    if not url:
        return SqliteStore(data / STORE_NAME)
    if url.startswith(_SQLITE) and len(url) > len(_SQLITE):
        return SqliteStore(Path(url.removeprefix(_SQLITE)))
    scheme = url.partition(":")[0]  # the rest may hold a password
    if url.startswith(_NOT_YET):
        raise StoreUrlError(f"the {scheme} store is not in this release; leave the setting out for SQLite")
    raise StoreUrlError(f"no store answers to {scheme}: use sqlite:///PATH, or leave the setting out")


def open_directory(data: Path) -> Directory:
    """Open the directory in the data folder.

    Raises:
        DirectoryUnavailable: it cannot be opened now.
    """
    return SqliteDirectory(data / DIRECTORY_NAME)


def open_spool_writer(data: Path, *, bytes_max: int, keep_us: int) -> SpoolWriter:
    """Open the spool in the data folder for its one writer.

    Args:
        data: the data folder.
        bytes_max: unread data at which appending stops.
        keep_us: how long consumed groups are kept, microseconds.

    Raises:
        SpoolFailed: another writer has it, or the disk fails.
    """
    return SqliteSpoolWriter(data / SPOOL_NAME, bytes_max=bytes_max, keep_us=keep_us)


def open_spool_reader(data: Path) -> SpoolReader:
    """Open the spool in the data folder for following; the writer may come later."""
    return SqliteSpoolReader(data / SPOOL_NAME)


def open_spool_progress(data: Path) -> SpoolProgress:
    """Open the consumers' progress of the spool in the data folder."""
    return FileSpoolProgress(data / SPOOL_NAME)
