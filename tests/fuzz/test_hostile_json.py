"""JSON to encode with one thing wrong, anywhere: it is refused with words, or becomes frames that are read."""

import copy
import itertools
import json
from collections.abc import Iterator
from typing import Any

from fuzz.hostile import compose
from jtgate.conformance.vectors import files, read_file

#: What stands in the place of a value, in turn.
WRONG = (None, True, -1, 70000, 1e300, float("inf"), float("nan"), "x", "", [], {}, [[]], {"a": 1}, 10**30, "0x12345")
#: How many of them in each place.
EACH = 2
#: Elements of a list that are spoilt.
ELEMENTS = 2

Path = tuple[str | int, ...]


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    """Every place of a JSON value."""
    yield path
    if isinstance(value, dict):
        for key in value:
            yield from places(value[key], (*path, key))
    elif isinstance(value, list):
        for index in range(min(len(value), ELEMENTS)):
            yield from places(value[index], (*path, index))


def spoilt(value: Any, path: Path, wrong: object) -> Any:
    """The value with something else in one place."""
    if not path:
        return wrong
    whole = copy.deepcopy(value)
    part = whole
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = wrong
    return whole


def test_one_wrong_value_anywhere() -> None:
    """A typical object of every message, with each value in turn replaced by what it cannot be."""
    turn = itertools.cycle(WRONG)
    tried = 0
    for path in files():
        good = [vector for vector in read_file(path) if vector.canonical and vector.id.endswith("-typical")]
        for vector in good[:1]:
            given = {**vector.expect[0], "deviations": []}
            for place in places(given):
                for wrong in itertools.islice(turn, EACH):
                    compose(json.dumps(spoilt(given, place, wrong)).encode())
                    tried += 1
    assert tried > 5000
