"""How the bytes of a fuzz input become arguments: a few bytes of choices first, then the bytes under test."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")

#: Longest piece of a stream that is cut.
PIECE_BYTES_MAX = 37


class Input:
    """Takes choices from the front of the bytes; a choice beyond the end is 0."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __len__(self) -> int:
        return max(len(self._data) - self._at, 0)

    def number(self, width: int = 1) -> int:
        """A big-endian unsigned integer."""
        taken = self._data[self._at : self._at + width]
        self._at += width
        return int.from_bytes(taken)

    def one_of(self, choices: Sequence[T]) -> T:
        """One byte picks among at most 256 choices."""
        return choices[self.number() % len(choices)]

    def take(self, count: int) -> bytes:
        """So many bytes, or what is left."""
        taken = self._data[self._at : self._at + count]
        self._at += count
        return taken

    def rest(self) -> bytes:
        """Everything that is left."""
        return self.take(len(self))


def cut(data: bytes, step: int) -> Iterator[bytes]:
    """Cut a stream into pieces of 1 to PIECE_BYTES_MAX bytes whose lengths follow from `step`; 0 leaves it whole.

    Args:
        data: the stream.
        step: 0..255.
    """
    if not step:
        yield data
        return
    at = 0
    length = step
    while at < len(data):
        length = (length * 5 + step) % PIECE_BYTES_MAX + 1
        yield data[at : at + length]
        at += length


def stream(given: Input, frame: Callable[[Input, int], bytes]) -> bytes:
    """A stream as it is, or put together of frames and of what stands between them.

    Mutated bytes hardly ever have the right check byte, so frames that are made here are what reaches the parsers
    behind it. The first byte says which of the two it is; each piece begins with a byte of kind (upper two bits: 0
    as it is, else a frame) and size.

    Args:
        given: choices and bytes.
        frame: makes a good frame of at most so many of the bytes.
    """
    if not given.number() & 1:
        return given.rest()
    pieces = []
    while given:
        what = given.number()
        pieces.append(frame(given, what) if what >> 6 else given.take(what & 0x3F))
    return b"".join(pieces)
