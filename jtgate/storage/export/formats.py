"""The formats, and which of them a file name asks for."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import BinaryIO, Final, Protocol

from jtgate.storage.export.source import Facts, Vehicle
from jtgate.storage.store import Row

#: Minutes without a report that end a line or a segment.
GAP_MINUTES: Final = 10.0


class Writer(Protocol):
    """Writes one file; what was not finished is no file."""

    def page(self, vehicle: Vehicle, rows: Sequence[Row]) -> None:
        """Write rows, at least one; those of a vehicle come together and by device time."""
        ...

    def finish(self) -> None:
        """Write the end; the file itself stays open."""
        ...


@dataclass(frozen=True, slots=True)
class Format:
    """One format.

    Args:
        name: as on the command line.
        suffixes: of file names.
        geometric: whether it holds places only: rows without a fix or a time are left out.
        binary: whether it is nothing for a screen.
    """

    name: str
    suffixes: tuple[str, ...]
    geometric: bool = False
    binary: bool = False

    def writer(self, file: BinaryIO, facts: Facts, *, gap_minutes: float = GAP_MINUTES, points: bool = False) -> Writer:
        """Begin a file.

        Args:
            file: is written from its present place on; need not be able to seek.
            facts: what the file says of itself.
            gap_minutes: minutes without a report that end a line or a segment.
            points: GeoJSON only: a point for every report instead of lines.
        """
        # Only what is asked for is loaded: pyarrow takes a second.
        if self.name == "parquet":
            from jtgate.storage.export.parquet import ParquetFile  # noqa: PLC0415

            return ParquetFile(file, facts)
        if self.name == "csv":
            from jtgate.storage.export.csv_file import CsvFile  # noqa: PLC0415

            return CsvFile(file)
        if self.name == "gpx":
            from jtgate.storage.export.gpx import GpxFile  # noqa: PLC0415

            return GpxFile(file, facts, gap_minutes)
        from jtgate.storage.export.geojson import LineFile, PointFile  # noqa: PLC0415

        return PointFile(file, facts) if points else LineFile(file, facts, gap_minutes)


FORMATS: Final = {
    found.name: found
    for found in (
        Format("parquet", (".parquet",), binary=True),
        Format("geojson", (".geojson", ".json"), geometric=True),
        Format("gpx", (".gpx",), geometric=True),
        Format("csv", (".csv",)),
    )
}


def format_of(path: PurePath) -> Format | None:
    """The format that the end of a file name asks for; None when it asks for none."""
    return next((found for found in FORMATS.values() if path.suffix.lower() in found.suffixes), None)
