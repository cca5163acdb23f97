"""Values of the driving recorder (GB/T 19056-2012) that may be missing: angles, heights, BCD numbers (§9.3)."""
# ruff: noqa: ARG002, D102  the methods of a kind are told by kinds.Kind; not every kind depends on the edition

from typing import Any, NamedTuple

import construct

from jtgate.codecs import deviations as dev
from jtgate.codecs import jsonvalues
from jtgate.codecs.edition import Edition
from jtgate.codecs.kinds import Kind, Number
from jtgate.codecs.wire import Scope, convert

_RAW = "raw:"


class WireNone(NamedTuple):
    """No value, with the bytes that say so where they are not the ones we would write; in JSON "raw:" and hex."""

    raw: bytes

    def __str__(self) -> str:
        return f"{_RAW}{self.raw.hex()}"


#: A value that may be missing; None is written as all FF.
Maybe = float | WireNone | None


def _none_from_json(value: object, width: int) -> WireNone | None:
    """A WireNone from its JSON; None when the value is something else."""
    if not isinstance(value, str) or not value.strip().startswith(_RAW):
        return None
    raw = jsonvalues.hex_bytes(value.strip().removeprefix(_RAW))
    if len(raw) != width:
        raise ValueError(f"{jsonvalues.shown(value)} is not {width} bytes")
    return WireNone(raw)


class _Missing(Number):
    """A signed number whose "no data" firmware writes as all FF or as the largest value."""

    def __init__(self, width: int, scale: float | None) -> None:
        super().__init__(width, scale, signed=True, no_data=-1)
        self.size = width
        self.largest = (1 << 8 * width - 1) - 1

    def _decode(self, raw: int, scope: Scope) -> Any:
        if raw == self.largest:
            return WireNone(raw.to_bytes(self.size))
        return super()._decode(raw, scope)

    def _encode(self, value: Any, scope: Scope) -> int:
        if isinstance(value, WireNone):
            return int.from_bytes(value.raw, signed=True)
        raw = super()._encode(value, scope)
        if raw == self.largest:
            raise ValueError("this value stands for no data; give None")
        return raw

    def types(self) -> frozenset[object]:
        return super().types() | {WireNone}

    def text(self, value: Any) -> str:
        return str(value) if isinstance(value, WireNone) else super().text(value)

    def json(self, value: Any) -> object:
        return str(value) if isinstance(value, WireNone) else super().json(value)

    def from_json(self, value: object, owner: object = None) -> Any:
        return _none_from_json(value, self.size) or super().from_json(value, owner)

    def meaning(self, value: Any, owner: object, edition: Edition) -> str:
        return super().meaning(None if isinstance(value, WireNone) else value, owner, edition)


class Angle(_Missing):
    """Four bytes of 0.0001 minute; all FF or 7FFFFFFF is no position.

    Args:
        limit_deg: largest magnitude that makes sense.
    """

    def __init__(self, limit_deg: int) -> None:
        super().__init__(4, 1 / 600_000)
        self.limit_deg = limit_deg

    def _decode(self, raw: int, scope: Scope) -> Any:
        value = super()._decode(raw, scope)
        if isinstance(value, float) and abs(value) > self.limit_deg:
            scope.run.note(dev.VALUE_OUT_OF_RANGE)
        return value


class Height(_Missing):
    """Two bytes of metres behind an angle `longitude`; FFFF is -1 m where there is a position, else no data."""

    def __init__(self) -> None:
        super().__init__(2, None)

    def _decode(self, raw: int, scope: Scope) -> Any:
        return -1 if raw == -1 and isinstance(scope["longitude"], float) else super()._decode(raw, scope)

    def _encode(self, value: Any, scope: Scope) -> int:
        if not isinstance(scope["longitude"], float):
            return super()._encode(value, scope)
        if value is None:
            raise ValueError("a position has a height")
        return -1 if value == -1 else super()._encode(value, scope)


class BcdNumber(Kind):
    """BCD[4] as a number with one decimal; nibbles A–F make it a WireNone."""

    _WIDTH = 4
    _PER_UNIT = 10

    def con(self, edition: Edition) -> Any:
        return convert(construct.Bytes(self._WIDTH), self._decode, self._encode)

    def _decode(self, raw: bytes, scope: Scope) -> float | WireNone:
        if raw.hex().isdecimal():
            return int(raw.hex()) / self._PER_UNIT
        scope.run.note(dev.BCD_NOT_DIGITS)
        return WireNone(raw)

    def _encode(self, value: float | WireNone, scope: Scope) -> bytes:
        if isinstance(value, WireNone):
            return value.raw
        digits = f"{round(value * self._PER_UNIT):0{2 * self._WIDTH}}"
        if len(digits) > 2 * self._WIDTH or not digits.isdecimal():
            raise ValueError(f"possible is {self.possible(scope.run.edition)}")
        return bytes.fromhex(digits)

    def types(self) -> frozenset[object]:
        return frozenset({float, WireNone})

    def min_bytes(self, edition: Edition) -> int:
        return self._WIDTH

    def json(self, value: float | WireNone) -> object:
        return str(value) if isinstance(value, WireNone) else value

    def from_json(self, value: object) -> float | WireNone:
        return _none_from_json(value, self._WIDTH) or jsonvalues.real(value)

    def wire_type(self, edition: Edition) -> str:
        return f"BCD[{self._WIDTH}]"

    def possible(self, edition: Edition) -> str:
        return "0 to 9999999.9 in steps of 0.1"
