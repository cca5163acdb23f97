"""The schema in PostgreSQL, see `storage.migrations`. Positions are made by the layout, after the first file."""

from jtgate.storage.migrations import Migration, read


def migrations() -> list[Migration]:
    """All migrations of this release, oldest first."""
    return read(__name__)
