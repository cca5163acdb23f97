"""The parser entries by name."""

from collections.abc import Callable

from fuzz import bodies, hostile, links, streams

#: Name of the entry and of its corpus folder -> what must hold for any bytes; it raises when it does not.
ENTRIES: dict[str, Callable[[bytes], None]] = {
    "framing": streams.framing,
    "header": bodies.header,
    "body": bodies.body,
    "columns": bodies.columns,
    "parts": bodies.parts,
    "wire": streams.wire,
    "jt809": streams.jt809,
    "filestream": links.filestream,
    "filestream_limits": links.filestream_limits,
    "record_file": bodies.record_file,
    "media": links.media,
    "compose": hostile.compose,
}
