"""Who was on a vehicle, how sure that is and why, in words: for `alarms show` and `bindings`."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from jtgate.codecs.timebase import iso_ms

ROLES: Final = {"driver": "驾驶员 driver", "escort": "押运员 escort"}
#: What speaks for a person.
SOURCES: Final = {
    "override": "检查员认定 word of an inspector",
    "face": "人脸比对 face comparison",
    "face_against": "人脸不符 face of somebody else",
    "card": "从业资格卡 driver card",
    "card_out": "拔卡 card taken out",
    "phone": "手机定位 phone in the vehicle",
    "phone_against": "手机不在 phone elsewhere",
    "waybill": "电子运单 waybill",
    "yard": "场站登记 yard",
    "report809": "809平台 report of another platform",
}
#: Kinds of conflicts.
CONFLICTS: Final = {
    "presence": "人证不一致 different persons",
    "card_lent": "借卡 card was lent",
    "not_on_waybill": "不在运单 not on the waybill",
    "phone_away": "手机不在车 phone elsewhere",
    "no_binding": "无驾驶员 nobody bound",
    "no_escort": "无押运员 no escort",
    "two_vehicles": "同时两车 on two vehicles",
}
#: Cells of a bar of confidence.
_BAR: Final = 10
#: Facts of a source that are told, and what stands in their place when they are too long.
_FACTS_MAX: Final = 4
_FACT_CHARS_MAX: Final = 40
#: What is told elsewhere, or means nothing to people.
_QUIET: Final = frozenset({"source", "rank", "confidence", "from_ms"})


def bar(confidence: float) -> str:
    """How sure something is: "████████░░  82 %"."""
    full = min(max(int(confidence * _BAR + 1e-9), 0), _BAR)
    return f"{'█' * full}{'░' * (_BAR - full)} {confidence * 100:3.0f} %"


def person_text(person: object, name: object = None) -> str:
    """Key of a person, with the name when it is told."""
    if not person:
        return "unknown 未知"
    return f"{person} {name}" if name else str(person)


def clock(moment: object, beside: object = None) -> str:
    """A moment of the API for people; without its date when that is the one of `beside`.

    Args:
        moment: ISO 8601 or None.
        beside: what stands before it.
    """
    if not moment:
        return "-"
    text = str(moment)[:19].replace("T", " ")
    return text[11:] if beside and str(beside)[:10] == text[:10] else text


def span(row: Mapping[str, Any]) -> str:
    """From when to when an interval lasts."""
    ended = row["ended"]
    return f"{clock(row['started'])} – {clock(ended, row['started']) if ended else 'now'}"


def sources_told(sources: object) -> Iterator[str]:
    """A line for each source."""
    for one in sources if isinstance(sources, list) else ():
        if isinstance(one, Mapping):
            yield _source(one)


def _source(one: Mapping[str, Any]) -> str:
    name = str(one.get("source", ""))
    if not name:
        return json.dumps(one, ensure_ascii=False)
    told = [SOURCES.get(name, name)]
    if isinstance(one.get("confidence"), int | float):
        told.append(f"{one['confidence'] * 100:.0f} %")
    if isinstance(one.get("from_ms"), int):
        told.append(f"since {clock(iso_ms(one['from_ms']))}")
    facts = [_fact(key, value) for key, value in one.items() if key not in _QUIET and value is not None]
    return ", ".join([*told, *facts[:_FACTS_MAX]])


def _fact(key: str, value: object) -> str:
    if key.endswith("_ms") and isinstance(value, int):
        return f"{key.removesuffix('_ms')} {clock(iso_ms(value))}"
    return f"{key} {_short(value)}"


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _FACT_CHARS_MAX else text[: _FACT_CHARS_MAX - 1] + "…"


def others_told(conflict: object) -> Iterator[str]:
    """Lines for each other person that was named, and by what."""
    for one in conflict if isinstance(conflict, list) else [conflict] if isinstance(conflict, dict) else ():
        if isinstance(one, Mapping):
            sure = f", {one['confidence'] * 100:.0f} %" if isinstance(one.get("confidence"), int | float) else ""
            yield f"also named: {person_text(one.get('person'))}{sure}"
            yield from (f"  by {line}" for line in sources_told(one.get("sources")))


def on_board(rows: Sequence[Mapping[str, Any]]) -> Iterable[tuple[str, object]]:
    """Who was on board, as names and values: role, person, how sure, since when, by what."""
    for row in rows:
        yield (
            f"  {ROLES.get(row['role'], row['role'])}",
            f"{person_text(row['person'], row['name'])}  {bar(row['confidence'])}",
        )
        yield "", f"on board {span(row)}"
        for line in sources_told(row["sources"]):
            yield "", f"by {line}"
        for line in others_told(row["conflict"]):
            yield "", line
        if row["reason"] and row["corrects"]:
            yield "", f"corrected: {row['reason']}"
