"""Which back end stands behind a setting, and where its files lie in the data folder.

<data>/store.db       the store, unless a URL says otherwise
<data>/spool/         the spool
<data>/directory.db   the directory
<data>/access.db      tokens and the audit log
<data>/commands.db    the command bus, with doorbells in run/bells/
<data>/evidence.db    the desk of evidence
<data>/files/         files by their hash
"""

from pathlib import Path
from typing import NamedTuple

from jtgate.storage.access import Access
from jtgate.storage.commands import CommandBus
from jtgate.storage.directory import Directory
from jtgate.storage.evidence import EvidenceDesk
from jtgate.storage.folder import FolderFiles
from jtgate.storage.s3 import S3Files, parse_s3
from jtgate.storage.spool import SpoolProgress, SpoolReader, SpoolWriter
from jtgate.storage.sqlite.access import SqliteAccess
from jtgate.storage.sqlite.commands import SqliteCommandBus
from jtgate.storage.sqlite.directory import SqliteDirectory
from jtgate.storage.sqlite.evidence import ASKS_MAX, SqliteEvidenceDesk
from jtgate.storage.sqlite.progress import FileSpoolProgress
from jtgate.storage.sqlite.spool import SqliteSpoolWriter
from jtgate.storage.sqlite.spool_reader import SqliteSpoolReader
from jtgate.storage.sqlite.store import SqliteStore
from jtgate.storage.store import Store, StoreUrlError

STORE_NAME = "store.db"
SPOOL_NAME = "spool"
DIRECTORY_NAME = "directory.db"
ACCESS_NAME = "access.db"
COMMANDS_NAME = "commands.db"
BELLS_NAME = "run/bells"
EVIDENCE_NAME = "evidence.db"
FILES_NAME = "files"

_SQLITE = "sqlite:///"
_POSTGRES = ("postgresql", "postgres")
_TIMESCALE = "timescaledb"


def open_store(url: str, data: Path, *, writers: int = 1) -> Store:
    """Open the store of a URL.

    Args:
        url: "" for the embedded store in the data folder; "sqlite:///relative/path" or
            "sqlite:////absolute/path" for one elsewhere; "postgresql://USER@HOST/DATABASE" for a server, whose
            TimescaleDB is used when it has one; "timescaledb://…" when it must have one.
        data: the data folder.
        writers: connections to a server that write positions at the same time, 1..8.

    Raises:
        StoreUrlError: no back end of this release answers to the URL.
        StoreTooNew: a later release wrote the store.
        StoreUnavailable: it cannot be opened now.
    """
    file = store_file(url, data)
    if file is not None:
        return SqliteStore(file)
    server = store_server(url)
    if server is not None:
        from jtgate.storage.postgres.store import PostgresStore  # noqa: PLC0415  who has no server loads no driver

        return PostgresStore(server.url, writers=writers, timescale=server.timescale)
    scheme = url.partition(":")[0]  # the rest may hold a password
    raise StoreUrlError(
        f"no store answers to {scheme}: use sqlite:///PATH, postgresql://USER@HOST/DATABASE, or leave the setting out"
    )


class Server(NamedTuple):
    """A server that a URL names."""

    url: str  # as libpq takes it
    timescale: bool | None  # True: it must have TimescaleDB; None: it is used when it is there


def store_file(url: str, data: Path) -> Path | None:
    """The file of an embedded store; None when the URL names something else."""
    if not url:
        return data / STORE_NAME
    return Path(url.removeprefix(_SQLITE)) if url.startswith(_SQLITE) and len(url) > len(_SQLITE) else None


def store_server(url: str) -> Server | None:
    """The server of a store; None when the URL names something else."""
    scheme, _, rest = url.partition("://")
    if not rest or scheme not in (*_POSTGRES, _TIMESCALE):
        return None
    return Server(f"postgresql://{rest}", True if scheme == _TIMESCALE else None)


def open_directory(data: Path) -> Directory:
    """Open the directory in the data folder.

    Raises:
        DirectoryUnavailable: it cannot be opened now.
    """
    return SqliteDirectory(data / DIRECTORY_NAME)


def open_access(data: Path) -> Access:
    """Open tokens and audit log in the data folder.

    Raises:
        AccessUnavailable: they cannot be opened now.
    """
    return SqliteAccess(data / ACCESS_NAME)


def open_commands(data: Path) -> CommandBus:
    """Open the command bus in the data folder.

    Raises:
        CommandsUnavailable: it cannot be opened now.
    """
    return SqliteCommandBus(data / COMMANDS_NAME, data / BELLS_NAME)


def open_evidence(data: Path, *, asks_max: int = ASKS_MAX) -> EvidenceDesk:
    """Open the desk of evidence in the data folder.

    Args:
        data: the data folder.
        asks_max: open asks of one terminal, for whoever asks.

    Raises:
        EvidenceUnavailable: it cannot be opened now.
    """
    return SqliteEvidenceDesk(data / EVIDENCE_NAME, asks_max=asks_max)


def open_files(data: Path, s3: str = "", *, uploads: bool = False) -> FolderFiles:
    """Open the files in the data folder.

    Args:
        data: the data folder.
        s3: "" or the setting evidence_s3, where copies go.
        uploads: this process makes the copies; one at a time may.

    Raises:
        FileStoreUnavailable: the folder cannot be made.
        ValueError: `s3` is no address of a bucket.
    """
    root = data / FILES_NAME
    return S3Files(root, parse_s3(s3), uploads=uploads) if s3 else FolderFiles(root)


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
