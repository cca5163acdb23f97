"""The two shapes of a table in the standard: codes with a meaning, and bits with a meaning."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from jtgate.codecs.edition import ALL_EDITIONS, Edition


class Choice(NamedTuple):
    """A row of a table of codes."""

    code: int
    zh: str
    en: str
    editions: tuple[Edition, ...] = ALL_EDITIONS


class Choices:
    """A table of codes 代码表; a code may mean different things in different editions.

    Args:
        rows: in the order of the standard.

    Raises:
        ValueError: a code stands twice for the same edition.
    """

    def __init__(self, *rows: Choice | tuple[int, str, str]) -> None:
        self.rows = tuple(Choice(*row) for row in rows)
        self._by_edition = {edition: dict(_unique(self.rows, edition)) for edition in ALL_EDITIONS}

    def __iter__(self) -> Iterator[Choice]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def get(self, code: int, edition: Edition = Edition.V2019) -> Choice | None:
        """The row of a code in one edition, None when the standard does not name it."""
        return self._by_edition[edition].get(code)

    def meaning(self, value: int, edition: Edition = Edition.V2019) -> str:
        """What a value means, Chinese then English; "" when the table does not say."""
        row = self.get(value, edition)
        if row is None:
            return ""
        return row.zh if row.zh == row.en else f"{row.zh} {row.en}"

    def bits_needed(self) -> int:
        """Width of the widest code."""
        return max(row.code.bit_length() for row in self.rows)


class Bit(NamedTuple):
    """A row of a table of bits; `width` > 1 is a small number, its values may be in `choices`."""

    no: int
    zh: str
    en: str
    zh_clear: str = ""
    en_clear: str = ""
    editions: tuple[Edition, ...] = ALL_EDITIONS
    width: int = 1
    choices: Choices | None = None

    @property
    def code(self) -> int:
        """The lowest bit, so that a table of bits is checked like a table of codes."""
        return self.no


class Bits:
    """A table of bits 标志位; bit 0 is the least significant.

    Args:
        rows: in the order of the standard, reserved bits left out.
        clear_shown: bits whose zero is worth a word too (ACC off, not positioned).
    """

    def __init__(self, *rows: Bit, clear_shown: Iterable[int] = ()) -> None:
        self.rows = rows
        self.clear_shown = frozenset(clear_shown)
        for edition in ALL_EDITIONS:
            dict(_unique(rows, edition))

    def __iter__(self) -> Iterator[Bit]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def get(self, no: int, edition: Edition = Edition.V2019) -> Bit | None:
        """The row of a bit in one edition."""
        return next((row for row in self.rows if row.no == no and edition in row.editions), None)

    def meaning(self, value: int, edition: Edition = Edition.V2019) -> str:
        """The set bits of a value, Chinese then English, separated by semicolons."""
        words = []
        known = 0
        for row in self.rows:
            if edition not in row.editions:
                continue
            mask = (1 << row.width) - 1
            known |= mask << row.no
            part = (value >> row.no) & mask
            if row.choices is not None:
                words.append(row.choices.meaning(part, edition))
            elif part:
                words.append(f"{row.zh} {row.en}" + (f" {part}" if row.width > 1 else ""))
            elif row.no in self.clear_shown:
                words.append(f"{row.zh_clear} {row.en_clear}")
        others = value & ~known
        if others:
            numbers = ",".join(str(no) for no in range(others.bit_length()) if others >> no & 1)
            words.append(f"保留位 reserved bit {numbers}")
        return "; ".join(word for word in words if word)

    def bits_needed(self) -> int:
        """Width of the widest bit."""
        return max(row.no + row.width for row in self.rows)


def _unique(rows: Iterable[Choice | Bit], edition: Edition) -> Iterator[tuple[int, Choice]]:
    seen: set[int] = set()
    for row in rows:
        if edition in row.editions:
            if row.code in seen:
                raise ValueError(f"{row.code} stands twice in a table for edition {edition}")
            seen.add(row.code)
            if isinstance(row, Choice):
                yield row.code, row
