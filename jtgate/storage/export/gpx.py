"""GPX 1.1: a track for every vehicle, a segment for every run of reports without a long gap; times in UTC."""

import re
from collections.abc import Sequence
from typing import BinaryIO, Final, cast
from xml.sax.saxutils import escape, quoteattr

from jtgate.codecs.timebase import from_ms
from jtgate.storage.export.runs import Runs
from jtgate.storage.export.source import Facts, Vehicle
from jtgate.storage.store import Row

#: Names the elements that GPX has no word for.
NAMESPACE: Final = "urn:jtgate:gpx:1"

#: What XML 1.0 has no way to write.
_NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_EXTENSIONS: Final = ("speed_kmh", "heading_deg", "mileage_km")


class GpxFile:
    """`Writer` of GPX.

    Args:
        file: is written from its beginning.
        facts: what the file says of itself.
        gap_minutes: longer than this without a report ends a segment.
    """

    def __init__(self, file: BinaryIO, facts: Facts, gap_minutes: float) -> None:
        self._file = file
        self._runs = Runs(gap_minutes)
        self._vehicle: Vehicle | None = None
        self._put(
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f'<gpx version="1.1" creator={quoteattr(_xml(f"jtgate {facts.release}"))} '
            f'xmlns="http://www.topografix.com/GPX/1/1" xmlns:jtgate="{NAMESPACE}">\n'
            f"<metadata><desc>{facts.selection.datum}</desc></metadata>\n"
        )

    def page(self, vehicle: Vehicle, rows: Sequence[Row]) -> None:
        """See Writer."""
        text: list[str] = []
        for begins, row in self._runs.cut(vehicle, rows):
            if vehicle != self._vehicle:
                text.append(self._ended())
                text.append(f"<trk><name>{escape(_xml(vehicle.name))}</name>\n<trkseg>\n")
                self._vehicle = vehicle
            elif begins:
                text.append("</trkseg>\n<trkseg>\n")
            text.append(_point(row))
        self._put("".join(text))

    def finish(self) -> None:
        """See Writer."""
        self._put(self._ended() + "</gpx>\n")

    def _ended(self) -> str:
        return "" if self._vehicle is None else "</trkseg>\n</trk>\n"

    def _put(self, text: str) -> None:
        self._file.write(text.encode())


def _point(row: Row) -> str:
    """One point; its elements stand in the order that the schema of GPX wants."""
    time = from_ms(cast("int", row["device_time_ms"])).isoformat(timespec="seconds").replace("+00:00", "Z")
    height = "" if row["altitude_m"] is None else f"<ele>{row['altitude_m']}</ele>"
    satellites = "" if row["satellites"] is None else f"<sat>{row['satellites']}</sat>"
    more = "".join(f"<jtgate:{name}>{row[name]}</jtgate:{name}>" for name in _EXTENSIONS if row[name] is not None)
    more += "<jtgate:backfill>true</jtgate:backfill>" if row["backfill"] else ""
    extensions = f"<extensions>{more}</extensions>" if more else ""
    return (
        f'<trkpt lat="{row["latitude"]:.6f}" lon="{row["longitude"]:.6f}">'
        f"{height}<time>{time}</time>{satellites}{extensions}</trkpt>\n"
    )


def _xml(text: str) -> str:
    """The text without what XML cannot hold."""
    return _NOT_XML.sub("", text)
