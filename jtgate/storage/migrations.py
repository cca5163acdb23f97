"""Schemas as numbered SQL files that are applied once, in order; each back end has a folder of its own.

A file that has been released is never changed; a change of the schema is a new file.
"""

import re
from importlib import resources
from typing import NamedTuple

_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")


class Migration(NamedTuple):
    """One step of the schema."""

    version: int
    name: str
    sql: str


def read(package: str) -> list[Migration]:
    """All migrations of this release, oldest first.

    Args:
        package: the Python package whose folder holds the files.
    """
    found = [
        Migration(int(match[1]), file.name.removesuffix(".sql"), file.read_text(encoding="utf-8"))
        for file in resources.files(package).iterdir()
        if (match := _NAME.fullmatch(file.name))
    ]
    return sorted(found)
