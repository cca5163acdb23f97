"""Positions as files for other programs: Parquet and CSV with every column, GeoJSON and GPX with the way driven.

Everything is written as it is read, by pages of a bounded size, one vehicle after the other: a year of a fleet takes as
much memory as a day of one vehicle. Places are WGS-84, as terminals report them, unless GCJ-02 is asked for.
"""

from jtgate.storage.export.formats import FORMATS, Format, format_of
from jtgate.storage.export.source import Facts, Selection, Vehicle, located, pages
from jtgate.storage.export.target import output

__all__ = ["FORMATS", "Facts", "Format", "Selection", "Vehicle", "format_of", "located", "output", "pages"]
