"""Fields of a message from words and JSON: FIELD=VALUE, --field VALUE, paths as areas[0].name, files of objects."""

import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import click

from jtgate.codecs.structures import ITEM_KEYS

#: Steps of a path: a name, or the number of an element.
_STEP: Final = re.compile(r"\.?([^.\[\]=]+)|\[(\d+)\]")
#: Elements of a list that a path may ask for, so that a slip of the keyboard does not fill the memory.
_ELEMENTS_MAX: Final = 4096

Fields = dict[str, Any]


def word_pairs(words: Sequence[str]) -> Iterator[tuple[str, object]]:
    """Paths and values of FIELD=VALUE, --field VALUE, --field=VALUE and --field FIELD=VALUE."""
    left = list(words)
    while left:
        word = left.pop(0)
        name, is_pair, text = word.partition("=")
        if word.startswith("--"):
            if not is_pair:
                if not left:
                    raise click.UsageError(f"{word} needs a value")
                text = left.pop(0)
            name = name[2:].replace("-", "_")
            if name == "field" and "=" in text:
                name, _, text = text.partition("=")
        elif not is_pair:
            raise click.UsageError(f"{word!r} is no FIELD=VALUE")
        yield name.strip(), _value(text)


def _value(text: str) -> object:
    """JSON where it begins like a list, an object or a string, and null; else the text, which the field reads."""
    if text == "null":
        return None
    if text[:1] in ("[", "{", '"'):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def put_field(fields: Fields, path: str, value: object) -> None:
    """Put a value where a path leads, making what is not there on the way."""
    steps = _steps(path)
    here: Any = fields
    for step, following in zip(steps, (*steps[1:], None), strict=True):
        here = _item_part(here, step)
        if isinstance(step, int):
            if not isinstance(here, list) or step > _ELEMENTS_MAX:
                raise click.UsageError(f"{path}: there is no element {step}")
            here.extend({} for _ in range(step + 1 - len(here)))
        elif not isinstance(here, dict):
            raise click.UsageError(f"{path}: there is no {step} in what is no object")
        if following is None:
            here[step] = value
            return
        inner = here[step] if isinstance(step, int) else here.get(step)
        if not isinstance(inner, dict | list) or (not inner and isinstance(following, int)):
            inner = here[step] = [] if isinstance(following, int) else {}
        here = inner


def _steps(path: str) -> list[str | int]:
    """The names and numbers of a path; it begins with a name."""
    steps: list[str | int] = []
    at = 0
    while (found := _STEP.match(path, at)) is not None:
        steps.append(found.group(1) or int(found.group(2)))
        at = found.end()
    if at < len(path) or not steps or not isinstance(steps[0], str):
        raise click.UsageError(f"{path!r} is no path of a field; one looks like location.speed_kmh or items[0].id")
    return steps


def _item_part(here: Any, step: str | int) -> Any:
    """Where a field of an item of a list of id, length, value stands: in its value, if it has one already."""
    if isinstance(here, dict) and isinstance(here.get("value"), dict) and step not in ITEM_KEYS:
        return here["value"]
    return here


# --------------------------------------------------------------------------------------- objects from JSON


def json_objects(path: Path) -> Iterator[Fields]:
    """The objects of a file: JSON lines, or one value that is an object or a list of them."""
    text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    try:
        whole = json.loads(text)
    except ValueError:
        for number, line in enumerate(text.splitlines(), start=1):
            if line.strip():
                yield _object(_loads(line, f"line {number}: "), f"line {number}: ")
        return
    for one in whole if isinstance(whole, list) else [whole]:
        yield _object(one, "")


def _loads(line: str, where: str) -> object:
    try:
        return json.loads(line)
    except ValueError as error:
        raise click.UsageError(f"{where}this is no JSON: {error}") from error


def _object(value: object, where: str) -> Fields:
    if not isinstance(value, dict):
        raise click.UsageError(f"{where}a JSON object is wanted, not {json.dumps(value, ensure_ascii=False)[:60]}")
    return value
