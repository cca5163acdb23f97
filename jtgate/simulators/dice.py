"""Chance without state: a number that depends on seed, terminal, purpose and count, and on nothing else.

A sequential generator would make every draw depend on what happened to be drawn before, and so on network
timing. Here the 17th report of terminal 42 meets the same fate in every run with the same seed.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import TypeVar

T = TypeVar("T")

_MASK = (1 << 64) - 1
_STEP = 0x9E3779B97F4A7C15  # 2^64 / golden ratio
_UNIT = 1.0 / (1 << 53)


class Purpose(IntEnum):
    """What is being decided; each purpose has a stream of its own."""

    EDITION = 1
    PHASE = 2
    VEHICLE = 3
    ALARM = 4
    ALARM_KIND = 5
    ALARM_LENGTH = 6
    BLIND = 7
    BLIND_LENGTH = 8
    BLIND_KIND = 9
    CARD = 10
    MEDIA = 11
    MEDIA_BYTES = 12
    FAULT = 13
    FAULT_DETAIL = 14
    STORM = 15
    BACKOFF = 16
    BATCH = 17
    SIGNAL = 18
    STEPWISE = 19
    COMMAND_FAULT = 20
    RSA_KEY = 21
    RECORDER = 22
    EVIDENCE_FAULT = 23
    EVIDENCE = 24
    EVIDENCE_ORDER = 25
    SCENARIO = 26
    PHONE = 27


def mix(value: int) -> int:
    """Spread a 64-bit integer over all 64 bits (the finaliser of a splittable generator)."""
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


class Dice:
    """The chances of one terminal.

    Args:
        seed: seed of the run.
        stream: number of the terminal in the fleet, from 0.
    """

    __slots__ = ("_key",)

    def __init__(self, seed: int, stream: int) -> None:
        self._key = mix((mix(seed & _MASK) + (stream + 1) * _STEP) & _MASK)

    def bits(self, purpose: Purpose, count: int) -> int:
        """64 random bits for the `count`-th decision of this purpose."""
        return mix((self._key + purpose * 0xD1342543DE82EF95 + (count + 1) * _STEP) & _MASK)

    def roll(self, purpose: Purpose, count: int) -> float:
        """A number in [0, 1)."""
        return (self.bits(purpose, count) >> 11) * _UNIT

    def between(self, purpose: Purpose, count: int, low: float, high: float) -> float:
        """A number in [low, high)."""
        return low + (high - low) * self.roll(purpose, count)

    def pick(self, purpose: Purpose, count: int, options: Sequence[T]) -> T:
        """One of the options, which must not be empty."""
        return options[self.bits(purpose, count) % len(options)]

    def octets(self, purpose: Purpose, count: int, length: int) -> bytes:
        """`length` random bytes."""
        state = self.bits(purpose, count)
        words = bytearray()
        while len(words) < length:
            state = (state + _STEP) & _MASK
            words += mix(state).to_bytes(8)
        return bytes(words[:length])
