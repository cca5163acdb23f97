"""Angles of positions and areas: DWORDs of 1e-6 degrees whose sign stands somewhere else (JT/T 808 §4.1, §7)."""
# ruff: noqa: ARG002, D102  the methods of a kind are told by kinds.Kind

from io import BytesIO
from typing import Any, ClassVar

from jtgate.codecs import deviations as dev
from jtgate.codecs import jsonvalues
from jtgate.codecs.edition import Edition
from jtgate.codecs.kinds import Kind, WireFloat
from jtgate.codecs.wire import Scope, Wire, build, integer, parse

#: Field of a location report whose bits say which hemisphere it is about.
STATUS = "status"


class Coordinate(Kind):
    """A DWORD of 1e-6 degrees whose sign is a bit of another field: the status 状态 of the report around it (§4.1),
    or the attribute of an area or a route segment (§7.1, §7.5). Above 0x7FFFFFFF it is two's complement and the bit
    is ignored; that is also how a negative angle is written where no status is at hand.

    Args:
        hemisphere_bit: bit that means south or west.
        limit_deg: largest magnitude that makes sense.
        flags: the field with that bit, in the same structure or one around it.
        ahead: bytes between this field and the byte of the bit, where that comes after it.
    """

    PER_DEGREE: ClassVar[int] = 1_000_000

    def __init__(self, hemisphere_bit: int, limit_deg: int, flags: str = STATUS, ahead: int | None = None) -> None:
        self.hemisphere_bit = hemisphere_bit
        self.limit_deg = limit_deg
        self.flags = flags
        self.ahead = ahead

    def con(self, edition: Edition) -> Any:
        return _CoordinateCon(self)

    def is_negative(self, flags: int | None, scope: Scope) -> bool:
        """Whether the bit says south or west; a profile may say that those of a status mean nothing (§11 item 36)."""
        ignored = self.flags == STATUS and scope.run.profile.hemisphere == "none"
        return not ignored and bool((flags or 0) >> self.hemisphere_bit & 1)

    def decode(self, raw: int, scope: Scope, *, negative: bool) -> float:
        """The angle of a received integer."""
        if raw > 0x7FFFFFFF:
            scope.run.note(dev.LOCATION_SIGNED_COORDINATE)
            value = (raw - (1 << 32)) / self.PER_DEGREE
        else:
            value = (-raw if negative else raw) / self.PER_DEGREE
        scope.run.note(dev.VALUE_OUT_OF_RANGE if abs(value) > self.limit_deg else None)
        return value if self._steps(value, negative=negative) == raw else WireFloat(value, raw)

    def _steps(self, value: float, *, negative: bool) -> int | None:
        """The integer of an angle, None when its sign is not that of the bit."""
        steps = round(value * self.PER_DEGREE)
        if negative:
            return -steps if steps <= 0 else None
        if steps < 0 and self.flags != STATUS:
            return None
        return steps if steps >= 0 else steps + (1 << 32)

    def encode(self, value: float, *, negative: bool) -> int:
        """The integer of an angle.

        Raises:
            ValueError: the bit says the opposite.
        """
        if isinstance(value, WireFloat):
            return value.raw
        raw = self._steps(value, negative=negative)
        if raw is None:
            raise ValueError(f"{self.flags} bit {self.hemisphere_bit} says {'negative' if negative else 'positive'}")
        return raw

    def types(self) -> frozenset[object]:
        return frozenset({float})

    def min_bytes(self, edition: Edition) -> int:
        return 4

    def text(self, value: float) -> str:
        return f"{value:.6f}"

    def from_json(self, value: object) -> float:
        return jsonvalues.real(value)

    def wire_type(self, edition: Edition) -> str:
        return "DWORD"

    def possible(self, edition: Edition) -> str:
        return f"-{self.limit_deg} to {self.limit_deg} in steps of {1 / self.PER_DEGREE:g}"


class _CoordinateCon(Wire):
    def __init__(self, kind: Coordinate) -> None:
        super().__init__()
        self.kind = kind
        self.integer = integer(4)

    def read(self, stream: BytesIO, scope: Scope) -> float:
        raw: int = parse(self.integer, stream, scope)
        ahead = self.kind.ahead
        flags = scope.find(self.kind.flags) if ahead is None else _byte_ahead(stream, ahead)
        return self.kind.decode(raw, scope, negative=self.kind.is_negative(flags, scope))

    def write(self, value: float, stream: BytesIO, scope: Scope) -> None:
        negative = self.kind.is_negative(scope.find(self.kind.flags), scope)
        build(self.integer, self.kind.encode(value, negative=negative), stream, scope)


def _byte_ahead(stream: BytesIO, ahead: int) -> int:
    """The byte so many behind the next one, 0 where the stream ends before; nothing else of it is copied."""
    return (*stream.getbuffer()[stream.tell() + ahead :][:1], 0)[0]
