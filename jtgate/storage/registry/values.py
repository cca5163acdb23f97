"""Values of a file as values of a row: what people and spreadsheets write is read, what cannot be meant is told.

Every fault of a row is told, with the path of its field ("goods[2].un"), and never the value.
"""

import json
import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any, Final

from jtgate.codecs.timebase import GMT8
from jtgate.storage.registry.codes import CHECKS, DOUBTS
from jtgate.storage.registry.fields import INTEGER_MAX, ITEMS_MAX, TEXT_MAX, Field, RegistryFault, ValueKind
from jtgate.storage.registry.geometry import checked_geometry

#: The day that stands for "without end".
FOREVER: Final = "9999-12-31"
_FOREVER_WORDS: Final = frozenset({"长期", "长期有效", "永久", FOREVER})
_YEARS: Final = range(1900, 2200)
#: Times of files are moments of operation, so of our time.
_TIMES_MS: Final = range(1, 7_258_118_400_000)

_FLAGS: Final = {
    **dict.fromkeys(("1", "true", "yes", "y", "是", "有"), True),
    **dict.fromkeys(("0", "false", "no", "n", "否", "无"), False),
}
_DAY: Final = r"(\d{4})(?:[-/.年](\d{1,2})[-/.月](\d{1,2})日?|(\d{2})(\d{2}))"
_TIME: Final = r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,6}))?)?"
_MOMENT: Final = re.compile(rf"{_DAY}(?:[ T]*{_TIME})?\s*(Z|[+-]\d{{2}}:?\d{{2}})?")
_COMPACT_TIME: Final = re.compile(r"(\d{8})(\d{2})(\d{2})(\d{2})")
_CLOCK: Final = re.compile(r"(\d{1,2}):(\d{2})(?::00)?")
_NUMBER: Final = re.compile(r"[+-]?\d{1,30}(?:\.\d{1,30})?(?:[eE][+-]?\d{1,3})?")
_MILLISECONDS: Final = re.compile(r"\d{12,13}")
_BETWEEN_CODES: Final = re.compile(r"[;；,，、|\s]+")
_BETWEEN_TEXTS: Final = re.compile(r"[;；|\n]+")


class Reader:
    """Reads the values of one row and collects what is wrong with them.

    Args:
        shifted: whether its coordinates are in GCJ-02.
    """

    def __init__(self, *, shifted: bool = False) -> None:
        self.faults: list[RegistryFault] = []
        self.warnings: list[RegistryFault] = []
        self.shifted = shifted

    def read(self, field: Field, raw: object, path: str) -> Any:
        """The value of a field; None when there is none, or it is told as a fault."""
        if isinstance(raw, str):
            raw = raw.strip()
        if raw is None or raw in ("", [], {}):
            self._tell_missing(field, path)
            return None
        if field.kind == "list":
            return self._members(field, raw, path)
        try:
            value: Any = self._geometry(field, raw) if field.kind == "geometry" else _READERS[field.kind](field, raw)
        except ValueError as error:
            self.faults.append(RegistryFault(path, str(error)))
            return None
        if (doubt := DOUBTS.get(field.check)) and (complaint := doubt(value)):
            self.warnings.append(RegistryFault(path, complaint))
        return value

    def read_object(self, fields: tuple[Field, ...], raw: Mapping[str, object], prefix: str) -> dict[str, Any]:
        """The values of several fields by name; a name that none has is a fault."""
        by_heading = {name: field for field in fields for name in (field.name, field.heading, field.term)}
        given: dict[str, object] = {}
        for heading, value in raw.items():
            field = by_heading.get(str(heading).strip())
            if field is None:
                self.faults.append(RegistryFault(f"{prefix}{str(heading)[:40]}", "is no field"))
            elif field.name in given:
                self.faults.append(RegistryFault(f"{prefix}{field.heading}", "is given twice"))
            else:
                given[field.name] = value
        return {field.name: self.read(field, given.get(field.name), f"{prefix}{field.heading}") for field in fields}

    def _tell_missing(self, field: Field, path: str) -> None:
        if field.need in ("key", "must"):
            self.faults.append(RegistryFault(path, "is missing"))
        elif field.need == "should":
            self.warnings.append(RegistryFault(path, "is missing"))

    def _geometry(self, field: Field, raw: object) -> dict[str, Any]:
        return checked_geometry(_from_json(raw, "is no GeoJSON"), field.shapes, shifted=self.shifted)

    def _members(self, field: Field, raw: object, path: str) -> list[Any] | None:
        try:
            members = _listed(field, raw)
        except ValueError as error:
            self.faults.append(RegistryFault(path, str(error)))
            return None
        if len(members) > (most := int(field.most or ITEMS_MAX)):
            self.faults.append(RegistryFault(path, f"has {len(members)} members, {most} is the most"))
            return None
        before = len(self.faults)
        if field.item is not None:
            item = field.item
            values = [self.read(item, member, f"{path}[{at}]") for at, member in enumerate(members, 1)]
            values = list(dict.fromkeys(value for value in values if value is not None))
        else:
            values = []
            for at, member in enumerate(members, 1):
                if isinstance(member, Mapping):
                    told = self.read_object(field.fields, member, f"{path}[{at}].")
                    values.append({name: value for name, value in told.items() if value is not None})
                else:
                    self.faults.append(RegistryFault(f"{path}[{at}]", "is no object"))
        return values if values and len(self.faults) == before else None


def _listed(field: Field, raw: object) -> list[object]:
    """Members of a list that is one, is written as JSON, or stands in a cell with signs in between."""
    if isinstance(raw, list | tuple):
        return list(raw)
    if isinstance(raw, str) and field.item is not None and not raw.startswith("["):
        between = _BETWEEN_TEXTS if field.item.kind == "text" else _BETWEEN_CODES
        return [part for part in between.split(raw) if part.strip()]
    if isinstance(raw, str):
        found = _from_json(raw, "is no JSON")
        if isinstance(found, list):
            return found
    if field.item is not None and isinstance(raw, int):
        return [raw]
    raise ValueError("is no list: write a JSON array" + (", or values with ; between them" if field.item else ""))


def _from_json(raw: object, complaint: str) -> object:
    if not isinstance(raw, str):
        return raw
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        raise ValueError(complaint) from None


def _text(field: Field, raw: object) -> str:
    if isinstance(raw, int) and not isinstance(raw, bool):
        raw = str(raw)
    if not isinstance(raw, str):
        raise ValueError("is no text")  # noqa: TRY004  a fault of the file, not of the program
    text = " ".join(raw.split())
    if field.kind == "code":
        text = unicodedata.normalize("NFKC", text).replace(" ", "")
    if any(unicodedata.category(c) in ("Cc", "Cs") for c in text):
        raise ValueError("has control characters in it")
    if field.check:
        text = CHECKS[field.check](text)
    if len(text) > (most := int(field.most or TEXT_MAX)):
        raise ValueError(f"has {len(text)} characters, {most} is the most")
    return text


def _number(field: Field, raw: object) -> float:
    if isinstance(raw, str) and _NUMBER.fullmatch(plain := unicodedata.normalize("NFKC", raw)):
        raw = float(plain)
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        raise ValueError("is no number: write 12 or 12.5")  # noqa: TRY004  the same
    least = -math.inf if field.least is None else field.least
    most = INTEGER_MAX if field.most is None else field.most
    if not least <= raw <= most:
        raise ValueError(f"is not between {least:,.10g} and {most:,.10g}")
    return float(raw)


def _integer(field: Field, raw: object) -> int:
    number = _number(field, raw)
    if not number.is_integer():
        raise ValueError("is no whole number")
    return int(number)


def _flag(_field: Field, raw: object) -> bool:
    found = _FLAGS.get(unicodedata.normalize("NFKC", str(raw)).strip().lower())
    if found is None:
        raise ValueError("is neither yes nor no: write true or false, 是 or 否")
    return found


def _choice(field: Field, raw: object) -> str | int:
    told = str(raw).strip().casefold()
    for option in field.choices:
        if told in {str(word).casefold() for word in (option.value, option.zh, option.en, *option.also)}:
            return option.value
    raise ValueError(f"is none of {', '.join(f'{option.value} {option.zh}' for option in field.choices)}")


def _date(_field: Field, raw: object) -> str:
    text = str(raw).strip()
    if text in _FOREVER_WORDS:
        return FOREVER
    moment = _moment(text)
    if moment is None or (day := moment.astimezone(GMT8).date()).year not in _YEARS:
        raise ValueError("is no date: write YYYY-MM-DD")
    return day.isoformat()


def _time(_field: Field, raw: object) -> int:
    text = str(raw).strip()
    moment = None if _MILLISECONDS.fullmatch(text) else _moment(text)
    if moment is None and not _MILLISECONDS.fullmatch(text):
        raise ValueError("is no time: write YYYY-MM-DD HH:MM:SS, which is +08:00, or ISO 8601 with an offset")
    at_ms = int(text) if moment is None else round(moment.timestamp() * 1000)
    if at_ms not in _TIMES_MS:
        raise ValueError("is a time before 1970 or after 2199")
    return at_ms


def _moment(text: str) -> datetime | None:
    """A day, or a time of a day; without an offset it is +08:00. None when it is none."""
    if compact := _COMPACT_TIME.fullmatch(text):
        text = f"{compact[1]} {compact[2]}:{compact[3]}:{compact[4]}"
    found = _MOMENT.fullmatch(text)
    if found is None:
        return None
    year, month, day, month2, day2, hour, minute, second, fraction, offset = found.groups()
    if int(year) not in _YEARS:
        return None
    zone: tzinfo = GMT8
    try:
        if offset == "Z":
            zone = UTC
        elif offset:
            minutes = int(offset[1:3]) * 60 + int(offset[-2:])
            zone = timezone(timedelta(minutes=minutes if offset[0] == "+" else -minutes))
        return datetime(
            int(year),
            int(month or month2),
            int(day or day2),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            int((fraction or "0").ljust(6, "0")),
            tzinfo=zone,
        )
    except ValueError:
        return None


def _clock(_field: Field, raw: object) -> str:
    found = _CLOCK.fullmatch(unicodedata.normalize("NFKC", str(raw).strip()))
    if found is None or int(found[2]) > 59 or int(found[1]) * 60 + int(found[2]) > 24 * 60:
        raise ValueError("is no time of a day: write HH:MM")
    return f"{int(found[1]):02}:{found[2]}"


_READERS: Final[Mapping[ValueKind, Callable[[Field, object], Any]]] = {
    "text": _text,
    "code": _text,
    "integer": _integer,
    "number": _number,
    "date": _date,
    "clock": _clock,
    "time": _time,
    "flag": _flag,
    "choice": _choice,
}
