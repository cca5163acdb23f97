"""Values that some terminals mean otherwise than the standard does: units, order of bits, datum of places (§11).

What was received always goes out again as it came, also when the reading cannot be turned round.
"""
# ruff: noqa: D102  the methods of a kind are told by kinds.Kind

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from itertools import pairwise
from typing import Any, Self

from jtgate.codecs.coordinates import Coordinate
from jtgate.codecs.datum import Place, to_gcj02, to_wgs84
from jtgate.codecs.edition import Edition
from jtgate.codecs.fields import FieldSpec
from jtgate.codecs.kinds import Number, Table, WireFloat, in_edition
from jtgate.codecs.profile import AUTO, Profile
from jtgate.codecs.wire import Scope, convert, integer


class WireInt(int):
    """A number together with the integer it came from, when that may be another than we would write."""

    raw: int

    def __new__(cls, value: int, raw: int) -> Self:
        """Attach the integer to the number."""
        self = super().__new__(cls, value)
        self.raw = raw
        return self

    def __reduce__(self) -> tuple[type["WireInt"], tuple[int, int]]:
        return WireInt, (int(self), self.raw)


class Stepped(Number):
    """A number whose unit per step a profile may change (§11 item 39).

    Args:
        width: bytes.
        setting: of the profile; its default is the unit of the standard.
    """

    def __init__(self, width: int, setting: str) -> None:
        self.setting = setting
        self.standard_step: float = getattr(AUTO, setting)
        super().__init__(width, self.standard_step)

    def _decode(self, raw: int, scope: Scope) -> int | float | None:
        step: float = getattr(scope.run.profile, self.setting)
        # Ten decimals hide what a binary fraction adds: 3 steps of 0.001 km are 0.003.
        return super()._decode(raw, scope) if step == self.standard_step else round(raw * step, 10)

    def _encode(self, value: Any, scope: Scope) -> int:
        step: float = getattr(scope.run.profile, self.setting)
        return super()._encode(value, scope) if step == self.standard_step else round(value / step)


class RereadBits(Number):
    """Bits that a kind of terminal numbers otherwise; the value has the bits of the standard.

    Args:
        width: bytes.
        read: from the bits on the wire to those of the standard.
        write: back; raises ValueError where that cannot be.
        table: what the bits mean.
    """

    def __init__(
        self,
        width: int,
        read: Callable[[int, Profile], int],
        write: Callable[[int, Profile], int],
        *,
        table: Table | None = None,
    ) -> None:
        super().__init__(width, table=table)
        self.read = read
        self.write = write

    def con(self, edition: Edition) -> Any:
        return convert(integer(in_edition(self.width, edition)), self._decode, self._encode)

    def _decode(self, raw: int, scope: Scope) -> int:
        profile = scope.run.profile
        return raw if profile is AUTO else WireInt(self.read(raw, profile), raw)

    def _encode(self, value: Any, scope: Scope) -> int:
        return value.raw if isinstance(value, WireInt) else self.write(int(value), scope.run.profile)


def from_alarm_bits(raw: int, profile: Profile) -> int:
    """Alarm flags of the standard from those of a terminal (§11 item 40)."""
    return _moved(raw, profile.alarm_bits) if profile.alarm_bits else raw


def to_alarm_bits(value: int, profile: Profile) -> int:
    """The reverse of `from_alarm_bits`.

    Raises:
        ValueError: this kind of terminal has no bit for one of the flags.
    """
    table = profile.alarm_bits
    if not table:
        return value
    back = {standard: wire for wire, standard in table.items() if standard >= 0}
    for bit in _bits(value):
        if bit not in back and bit in table:
            raise ValueError(f"a terminal of profile {profile.name} has no alarm bit that means bit {bit}")
    return _moved(value, back)


def signals_in_order(value: int, profile: Profile) -> int:
    """The 32 signals of item 0x25 with signal 0 as the least significant bit, and the reverse (§13 item 31)."""
    return int(f"{value:032b}"[::-1], 2) if profile.signal_bits == "msb" else value


def places_of(layout: Sequence[FieldSpec]) -> tuple[tuple[str, str], ...]:
    """Names of the latitudes and longitudes of a structure that belong together: one after the other."""
    return tuple(
        (one.name, other.name)
        for one, other in pairwise(layout)
        if isinstance(one.kind, Coordinate) and isinstance(other.kind, Coordinate)
        if one.kind.limit_deg < other.kind.limit_deg
    )


def to_standard_datum(values: MutableMapping[str, Any], places: Sequence[tuple[str, str]]) -> None:
    """Received places of a terminal that uses GCJ-02 as WGS-84 (§11 item 37)."""
    for names in places:
        received = [values[name] for name in names]
        if None in received:
            continue
        place = Place(*map(float, received))
        moved = to_wgs84(place)
        if moved is not place:  # inside China, so both are positive
            for name, angle, was in zip(names, moved, received, strict=True):
                raw = was.raw if isinstance(was, WireFloat) else round(was * Coordinate.PER_DEGREE)
                values[name] = WireFloat(angle, raw)


def from_standard_datum(values: MutableMapping[str, Any], places: Sequence[tuple[str, str]]) -> None:
    """Places that are sent to a terminal that uses GCJ-02; what came from it goes out as it came."""
    for names in places:
        given = [values[name] for name in names]
        if None in given:
            continue
        for name, angle, was in zip(names, to_gcj02(Place(*map(float, given))), given, strict=True):
            if not isinstance(was, WireFloat):
                values[name] = angle


def _bits(value: int) -> list[int]:
    return [bit for bit in range(value.bit_length()) if value >> bit & 1]


def _moved(value: int, table: Mapping[int, int]) -> int:
    moved = 0
    for bit in _bits(value):
        target = table.get(bit, bit)
        if target >= 0:
            moved |= 1 << target
    return moved
