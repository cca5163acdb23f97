"""Parquet: every column of a position, typed, compressed with zstd, sorted by terminal and device time.

Columns are called as in the store; a time `x_ms` is here the timestamp `x` in UTC, null where the terminal gave none.
Row groups are bounded, so that neither writing nor reading needs more memory for a longer file.
"""

from collections.abc import Sequence
from typing import BinaryIO, Final

import pyarrow as pa
import pyarrow.parquet as pq

from jtgate.codecs.timebase import iso_ms
from jtgate.storage.export.source import Facts, Vehicle
from jtgate.storage.model import POSITION_COLUMNS
from jtgate.storage.store import Row

#: Rows of a row group.
GROUP_ROWS: Final = 65_536
#: Numbers of terminals that the metadata lists; of more it gives the count.
_TERMINALS_LISTED: Final = 1000

_TIME: Final = pa.timestamp("ms", tz="UTC")
_TYPES: Final = {
    "device_time_ms": _TIME,
    "received_ms": _TIME,
    "time_state": pa.int8(),
    "backfill": pa.bool_(),
    "extra_items": pa.string(),
    **dict.fromkeys(
        ("latitude", "longitude", "speed_kmh", "mileage_km", "fuel_l", "recorder_speed_kmh"),
        pa.float64(),
    ),
    **dict.fromkeys(("serial", "msg_id", "heading_deg"), pa.int32()),
}
SCHEMA: Final = pa.schema(
    [pa.field("terminal", pa.string(), nullable=False)]
    + [pa.field(name.removesuffix("_ms"), _TYPES.get(name, pa.int64())) for name in POSITION_COLUMNS]
)


class ParquetFile:
    """`Writer` of Parquet.

    Args:
        file: is written from its beginning.
        facts: for the metadata of the file.
    """

    def __init__(self, file: BinaryIO, facts: Facts) -> None:
        schema = SCHEMA.with_metadata(_metadata(facts))
        order = [pq.SortingColumn(0), pq.SortingColumn(SCHEMA.get_field_index("device_time"), nulls_first=True)]
        self._sink = pa.PythonFile(file, mode="w")
        self._writer = pq.ParquetWriter(self._sink, schema, compression="zstd", sorting_columns=order)
        self._schema = schema
        self._batches: list[pa.RecordBatch] = []
        self._rows = 0

    def page(self, vehicle: Vehicle, rows: Sequence[Row]) -> None:
        """See Writer."""
        arrays = [pa.array([vehicle.terminal] * len(rows), pa.string())]
        for name in POSITION_COLUMNS:
            values: list[object] = [row[name] for row in rows]
            if name == "device_time_ms":
                values = [value or None for value in values]
            elif name == "backfill":
                values = [bool(value) for value in values]
            arrays.append(pa.array(values, _TYPES.get(name, pa.int64())))
        self._batches.append(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
        self._rows += len(rows)
        if self._rows >= GROUP_ROWS:
            self._write()

    def finish(self) -> None:
        """See Writer."""
        self._write()
        self._writer.close()
        self._sink.flush()

    def _write(self) -> None:
        if self._batches:
            self._writer.write_table(pa.Table.from_batches(self._batches), row_group_size=2 * GROUP_ROWS)
        self._batches.clear()
        self._rows = 0


def _metadata(facts: Facts) -> dict[str, str]:
    selection = facts.selection
    terminals = [vehicle.terminal for vehicle in selection.vehicles]
    listed = ",".join(terminals) if len(terminals) <= _TERMINALS_LISTED else f"{len(terminals)} terminals"
    return {
        "jtgate.version": facts.release,
        "jtgate.terminals": listed,
        "jtgate.from": iso_ms(selection.from_ms) if selection.from_ms else "",
        "jtgate.to": "" if selection.to_ms is None else iso_ms(selection.to_ms),
        "jtgate.datum": selection.datum,
    }
