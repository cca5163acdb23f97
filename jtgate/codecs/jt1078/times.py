"""Times of JT/T 1078 that may be all zero: no bound, or not used."""
# ruff: noqa: ARG002, D102  the methods of a kind are told by kinds.Kind

from io import BytesIO
from typing import Any

from jtgate.codecs.edition import Edition
from jtgate.codecs.kinds import Time
from jtgate.codecs.timebase import RawTime, WireTime
from jtgate.codecs.wire import Scope, Wire, build, parse, peek

#: Six zero bytes; in JSON "raw:000000000000".
NO_TIME = RawTime(bytes(6))

NO_BOUND = "不限 no bound"
NOT_USED = "无效 not used"


class OpenTime(Time):
    """BCD[6] time whose six zero bytes are a value of the standard, NO_TIME, and no deviation.

    Args:
        zero: what they mean, Chinese and English.
    """

    def __init__(self, zero: str) -> None:
        super().__init__()
        self.zero = zero

    def con(self, edition: Edition) -> Any:
        return _OpenTimeCon(super().con(edition))

    def meaning(self, value: Any, owner: object, edition: Edition) -> str:
        return self.zero if value == NO_TIME else ""


class _OpenTimeCon(Wire):
    def __init__(self, time: Any) -> None:
        super().__init__()
        self.time = time

    def read(self, stream: BytesIO, scope: Scope) -> WireTime:
        if peek(stream).startswith(NO_TIME.raw):
            return RawTime(stream.read(len(NO_TIME.raw)))
        value: WireTime = parse(self.time, stream, scope)
        return value

    def write(self, value: WireTime, stream: BytesIO, scope: Scope) -> None:
        build(self.time, value, stream, scope)
