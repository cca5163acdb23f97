"""The schema of the embedded store, see `storage.migrations`."""

from jtgate.storage.migrations import Migration, read


def migrations() -> list[Migration]:
    """All migrations of this release, oldest first."""
    return read(__name__)
