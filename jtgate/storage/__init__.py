"""What is kept and shared: spool, store, directory, each an interface with its back ends."""

from jtgate.storage.directory import Directory
from jtgate.storage.open import (
    open_directory,
    open_spool_progress,
    open_spool_reader,
    open_spool_writer,
    open_store,
)
from jtgate.storage.spool import SpoolProgress, SpoolReader, SpoolWriter
from jtgate.storage.store import Store

__all__ = [
    "Directory",
    "SpoolProgress",
    "SpoolReader",
    "SpoolWriter",
    "Store",
    "open_directory",
    "open_spool_progress",
    "open_spool_reader",
    "open_spool_writer",
    "open_store",
]
