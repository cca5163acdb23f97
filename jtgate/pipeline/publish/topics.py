"""Where a broker finds what: topics, retained messages, formats (docs/mqtt.md).

PREFIX/v1/position/TERMINAL   every stored position; the newest by its own time is retained
PREFIX/v1/alarm/TERMINAL      every stored alarm event
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from jtgate.codecs.timebase import FUTURE_LIMIT_MS, now_ms
from jtgate.pipeline.publish.feed import Told

VERSION: Final = "v1"
DEFAULT_PREFIX: Final = "jtgate"
#: Terminals whose newest position is remembered; of one that was forgotten the next position is retained.
NEWEST_MAX: Final = 500_000

FORMATS: Final[Mapping[str, Callable[[Any], bytes]]] = {
    "json": msgspec.json.Encoder().encode,
    "msgpack": msgspec.msgpack.Encoder().encode,
}


class Message(NamedTuple):
    """A message for a broker."""

    topic: str
    payload: bytes
    retain: bool


class Topics:
    """Makes messages of what is told.

    Args:
        prefix: first levels of every topic.
        format: one of FORMATS.
    """

    def __init__(self, prefix: str, format: str) -> None:  # noqa: A002  the word of the setting
        self._prefix = f"{prefix or DEFAULT_PREFIX}/{VERSION}"
        self._encode = FORMATS[format]
        self._newest: OrderedDict[str, int] = OrderedDict()

    def message(self, told: Told) -> Message:
        """The message of a position or alarm event."""
        retain = told.kind == "position" and self._is_newest(told)
        return Message(f"{self._prefix}/{told.kind}/{told.terminal}", self._encode(told.shape), retain)

    def _is_newest(self, told: Told) -> bool:
        """Whether it is the last position of its terminal: neither sent late nor from the future."""
        time_ms = told.time_ms
        if told.shape["backfill"] or not time_ms or time_ms > now_ms() + FUTURE_LIMIT_MS:
            return False
        if time_ms < self._newest.get(told.terminal, 0):
            return False
        self._newest[told.terminal] = time_ms
        self._newest.move_to_end(told.terminal)
        if len(self._newest) > NEWEST_MAX:
            self._newest.popitem(last=False)
        return True
