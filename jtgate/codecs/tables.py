"""The two shapes of a table in the standard: codes with a meaning, and bits with a meaning."""

from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import NamedTuple

from jtgate.codecs.edition import ALL_EDITIONS, Edition

#: Words of a table that an error lists.
_WORDS_SHOWN = 8


class Choice(NamedTuple):
    """A row of a table of codes."""

    code: int
    zh: str
    en: str
    editions: tuple[Edition, ...] = ALL_EDITIONS


def _both(zh: str, en: str) -> str:
    """Chinese then English, once where they are the same."""
    return zh if zh == en else f"{zh} {en}"


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
        return _both(row.zh, row.en)

    def code(self, word: str) -> int:
        """The code of a row, from its Chinese or English word or both as `meaning` gives them.

        Raises:
            ValueError: no row is called so, or several with different codes are.
        """
        codes = {row.code for row in self.rows if is_called(word, row.zh, row.en)}
        if len(codes) == 1:
            return codes.pop()
        if codes:
            raise ValueError(f"{word!r} stands for {' and '.join(map(str, sorted(codes)))}; give the code")
        raise ValueError(f"{word!r} is no word of the table{_words(word, self.rows)}")

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
                words.append(_both(row.zh, row.en) + (f" {part}" if row.width > 1 else ""))
            elif row.no in self.clear_shown:
                words.append(_both(row.zh_clear, row.en_clear))
        others = value & ~known
        if others:
            numbers = ",".join(str(no) for no in range(others.bit_length()) if others >> no & 1)
            words.append(f"保留位 reserved bit {numbers}")
        return "; ".join(word for word in words if word)

    def value(self, words: Iterable[str]) -> int:
        """The number whose bits are called so, in the words of `meaning`.

        Raises:
            ValueError: nothing is called so, or several bits are.
        """
        value = 0
        for word in words:
            found = {part for row in self.rows for part in _parts_called(word, row)}
            if not found:
                raise ValueError(f"{word!r} is no word of the table{_words(word, self.rows)}")
            if len(found) > 1:
                raise ValueError(f"{word!r} is the word of several bits; give the number")
            value |= found.pop()
        return value

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


def is_called(word: str, zh: str, en: str) -> bool:
    """True when a word is one of the two names of something, or both with a blank between; case does not matter."""
    return " ".join(word.split()).casefold() in (zh.casefold(), en.casefold(), f"{zh} {en}".casefold())


def nearest(word: str, names: Iterable[str]) -> str:
    """The end of a sentence: "; did you mean …?" where some names are like the word, else ""."""
    close = get_close_matches(word.casefold(), list(names), n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(close)}?" if close else ""


def _words(word: str, rows: Sequence[Choice | Bit]) -> str:
    """The end of a sentence: the words that are like it, or all where they are few."""
    names = list(dict.fromkeys(row.en for row in rows))
    return nearest(word, names) or (f"; there is {', '.join(names)}" if len(names) <= _WORDS_SHOWN else "")


def _parts_called(word: str, row: Bit) -> Iterator[int]:
    """What a word puts into the bits of a row; nothing when it is not about this row."""
    if row.choices is not None:
        yield from (choice.code << row.no for choice in row.choices if is_called(word, choice.zh, choice.en))
    elif row.width == 1 and is_called(word, row.zh, row.en):
        yield 1 << row.no
    elif row.width > 1 and is_called(word.rpartition(" ")[0], row.zh, row.en):
        number = word.rpartition(" ")[2]
        if number.isdecimal() and int(number) < 1 << row.width:
            yield int(number) << row.no
    elif row.zh_clear and is_called(word, row.zh_clear, row.en_clear):
        yield 0
