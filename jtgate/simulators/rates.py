"""Rates of faults as people write them, and the choice of one by chance."""

import re
from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import TypeVar

F = TypeVar("F")
E = TypeVar("E", bound=StrEnum)

_BETWEEN = re.compile("[:=]")


def read_rates(text: str, usual: Mapping[str, float], in_all: Collection[str]) -> dict[str, float]:
    """Read `late,never=0.05` or `all` or `all:0.01`; "" is none. A later word wins over an earlier one.

    Args:
        text: names, each with a rate behind = or : if it is not the usual one.
        usual: every name and its usual rate.
        in_all: the names that `all` stands for.

    Raises:
        ValueError: unknown name or bad rate.
    """
    rates: dict[str, float] = {}
    for word in filter(None, (word.strip() for word in text.split(","))):
        name, *given = _BETWEEN.split(word, 1)
        if name != "all" and name not in usual:
            raise ValueError(f"no fault is called {name!r}; there are: all, {', '.join(usual)}")
        for chosen in in_all if name == "all" else [name]:
            try:
                rates[chosen] = float(given[0]) if given and given[0] else usual[chosen]
            except ValueError:
                raise ValueError(f"{given[0]!r} is no rate; write for example {name}:0.01") from None
    return rates


def check_rates(rates: Mapping[E, float]) -> None:
    """Refuse what is no share.

    Raises:
        ValueError: a rate is out of range.
    """
    for name, rate in rates.items():
        if not 0.0 <= rate <= 1.0:
            raise ValueError(f"rate of {name.value} is {rate}, expected 0 to 1")


def pick(rates: Mapping[F, float], roll: float) -> F | None:
    """The one that a number in [0, 1) falls on, if any."""
    for name, rate in rates.items():
        if roll < rate:
            return name
        roll -= rate
    return None
