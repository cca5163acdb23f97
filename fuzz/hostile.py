"""Entries for what people and programs give us to encode: JSON of any shape."""

import json
from typing import Any

from jtgate.codecs.compose import LOST_IN_JSON, recompose
from jtgate.codecs.describe import walk_wire
from jtgate.codecs.errors import EncodeError
from jtgate.codecs.framing import Frame, FrameReader
from jtgate.codecs.header import BODY_BYTES_MAX


def compose(data: bytes) -> None:
    """JSON to frames: EncodeError or LookupError, or frames that are read without a fault of framing.

    What was read from them is written again as the same frames, but for what JSON does not carry.
    """
    given = _json(data)
    if not isinstance(given, dict):
        return
    try:
        made = recompose(given, part_bytes=BODY_BYTES_MAX)
    except (EncodeError, LookupError):
        return
    wire = b"".join(made.frames)
    assert all(isinstance(event, Frame) for event in FrameReader().feed(wire))
    described = list(walk_wire([wire]))
    assert described
    for one in described:
        json.dumps(one.json).encode()
    last = described[-1].json
    if last["error"] is None and not _deviations(last) & LOST_IN_JSON:
        assert recompose(last, part_bytes=BODY_BYTES_MAX).frames == made.frames


def _json(data: bytes) -> object:
    try:
        return json.loads(data.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


def _deviations(described: dict[str, Any]) -> set[str]:
    return set(described["deviations"])
