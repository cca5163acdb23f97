"""CSV: every column of a position, one line each; times in ISO 8601 with +08:00, UTF-8, empty for no value."""

import csv
import io
from collections.abc import Sequence
from typing import BinaryIO, cast

from jtgate.codecs.timebase import iso_ms
from jtgate.storage.export.source import Vehicle
from jtgate.storage.model import POSITION_COLUMNS
from jtgate.storage.store import Row


class CsvFile:
    """`Writer` of CSV.

    Args:
        file: is written from its beginning.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._put([("terminal", *(name.removesuffix("_ms") for name in POSITION_COLUMNS))])

    def page(self, vehicle: Vehicle, rows: Sequence[Row]) -> None:
        """See Writer."""
        self._put([(vehicle.terminal, *(_value(name, row[name]) for name in POSITION_COLUMNS)) for row in rows])

    def finish(self) -> None:
        """See Writer."""

    def _put(self, lines: Sequence[Sequence[object]]) -> None:
        text = io.StringIO(newline="")
        csv.writer(text).writerows(lines)
        self._file.write(text.getvalue().encode())


def _value(name: str, value: object) -> object:
    """What stands in the file: a time as people read it, a place with the digits of the wire."""
    if value is not None and name in ("latitude", "longitude"):
        return f"{value:.6f}"
    if name.endswith("_ms"):
        return iso_ms(cast("int", value)) if value else None
    return value
