"""What speaks for whom on a vehicle: overrides, faces, cards, phones, waybills (regulation §6, sources by rank).

Each reader takes rows of the store and gives `Evidence`; `binding` makes intervals of it. Personal numbers stay where
they are: a card that nobody on file has is known by the hash of its number only.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from jtgate.storage.store import Row

DRIVER: Final = "driver"  # 驾驶员
ESCORT: Final = "escort"  # 押运员

#: Sources.
OVERRIDE: Final = "override"
FACE: Final = "face"
FACE_AGAINST: Final = "face_against"
CARD: Final = "card"
CARD_OUT: Final = "card_out"
PHONE: Final = "phone"
PHONE_AGAINST: Final = "phone_against"
WAYBILL: Final = "waybill"
YARD: Final = "yard"
REPORT: Final = "report809"

#: Confidence of each source (§6).
OVERRIDE_CONFIDENCE: Final = 1.0
FACE_CONFIDENCE: Final = {"match": 0.95, "near": 0.60}
CARD_CONFIDENCE: Final = 0.70
PHONE_CONFIDENCE: Final = 0.60
WAYBILL_CONFIDENCE: Final = 0.40
REPORT_CONFIDENCE: Final = 0.60
#: A face that scores at most so much below the threshold of its engine is near.
NEAR_FACE: Final = 0.95

CARD_IN_STATUS: Final = 1
CARD_OUT_STATUS: Final = 2
READ_OK: Final = 0
#: How much of a hash tells one unknown card from another.
_HASH_DIGITS: Final = 16

Fact = str | int | float | None
#: Number of a card, number of an identity card, when: key of the person, or None.
FindPerson = Callable[[str, str, int], str | None]


class Rank(IntEnum):
    """Rank of a source; the lowest wins."""

    OVERRIDE = 0
    FACE = 1
    CARD = 2
    PHONE = 3
    WAYBILL = 4
    REPORT = 5


@dataclass(frozen=True, slots=True)
class Evidence:
    """Something that speaks for a person, or against.

    Args:
        rank: of its source.
        person: key of the registry; "" where nobody is named: a card taken out, a waybill without crew.
        role: DRIVER or ESCORT.
        from_ms: since when.
        until_ms: until when it speaks; None: until something ends it.
        confidence: 0..1; 0 for what speaks for nobody.
        source: one of the names above.
        facts: names and values of what it rests on, sorted; no personal numbers.
    """

    rank: Rank
    person: str
    role: str
    from_ms: int
    until_ms: int | None
    confidence: float
    source: str
    facts: tuple[tuple[str, Fact], ...] = ()

    def order(self) -> tuple[Any, ...]:
        """A place among others that does not depend on how they came."""
        until_ms = -1 if self.until_ms is None else self.until_ms
        return self.from_ms, self.rank, self.source, self.person, until_ms, self.confidence, repr(self.facts)

    def fact(self, name: str) -> Fact:
        """One of its facts, None when it has none of that name."""
        return next((value for key, value in self.facts if key == name), None)

    def told(self) -> dict[str, object]:
        """As JSON tells it."""
        shape: dict[str, object] = {"source": self.source, "rank": int(self.rank), "confidence": self.confidence}
        return shape | {"from_ms": self.from_ms} | dict(self.facts)


def facts_of(**values: Fact) -> tuple[tuple[str, Fact], ...]:
    """Facts in the order of their names; those that are None are left out."""
    return tuple(sorted((name, value) for name, value in values.items() if value is not None))


def card_person(certificate: str, id_number: str) -> str:
    """The key of a person who is not on file: the hash of the number on the card."""
    number = certificate or id_number
    return f"card:{hashlib.sha256(number.encode()).hexdigest()[:_HASH_DIGITS]}"


def face_result(score: float, threshold: float) -> str:
    """What a comparison says: "match" from the threshold on, "near" at most 5 % below it, else "no_match"."""
    if score >= threshold:
        return "match"
    return "near" if score >= threshold * NEAR_FACE else "no_match"


def of_overrides(rows: Iterable[Row]) -> list[Evidence]:
    """Decisions of inspectors: of those with one beginning the newest stands; without a person it takes back."""
    newest: dict[tuple[str, int], Row] = {}
    for row in sorted(rows, key=lambda one: (_number(one, "made_ms"), _text(one, "person"))):
        newest[_text(row, "role"), _number(row, "started_ms")] = row
    return [
        Evidence(
            Rank.OVERRIDE,
            _text(row, "person"),
            role,
            started_ms,
            _moment(row, "ended_ms"),
            OVERRIDE_CONFIDENCE,
            OVERRIDE,
            facts_of(made_ms=_number(row, "made_ms"), made_by=_text(row, "made_by")),
        )
        for (role, started_ms), row in newest.items()
        if row["person"]
    ]


def of_faces(rows: Iterable[Row]) -> Iterator[Evidence]:
    """Comparisons by an engine or by the terminal itself; one that shows somebody else speaks against."""
    for row in rows:
        person, result = _text(row, "person"), row["result"]
        if not person or result is None:
            continue
        facts = facts_of(
            kind=_text(row, "kind"),
            engine=_text(row, "engine") or None,
            score=_float(row, "score"),
            threshold=_float(row, "threshold"),
            image=_text(row, "image_sha256") or None,
            result=str(result),
        )
        at_ms = _number(row, "event_time_ms")
        if result in FACE_CONFIDENCE:
            yield Evidence(Rank.FACE, person, DRIVER, at_ms, None, FACE_CONFIDENCE[str(result)], FACE, facts)
        elif result == "no_match":
            yield Evidence(Rank.FACE, person, DRIVER, at_ms, at_ms, 0.0, FACE_AGAINST, facts)


def of_cards(rows: Iterable[Row], find: FindPerson) -> Iterator[Evidence]:
    """Cards that were put in and read (0x0702 状态 1, 读取结果 0), and cards that were taken out (状态 2).

    The 2011 form has neither state nor result nor time: it tells that a card was read when it came.
    """
    for row in rows:
        at_ms = _number(row, "device_time_ms") or _number(row, "received_ms")
        status, result = row["status"], row["read_result"]
        if status == CARD_OUT_STATUS:
            yield Evidence(Rank.CARD, "", DRIVER, at_ms, at_ms, 0.0, CARD_OUT)
            continue
        if status not in (None, CARD_IN_STATUS) or result not in (None, READ_OK):
            continue
        certificate, id_number = _text(row, "certificate").strip(), _text(row, "id_number").strip()
        if not certificate and not id_number:
            continue
        person = find(certificate, id_number, at_ms) or card_person(certificate, id_number)
        facts = facts_of(expiry=_text(row, "expiry") or None)
        yield Evidence(Rank.CARD, person, DRIVER, at_ms, None, CARD_CONFIDENCE, CARD, facts)


def active_waybills(rows: Iterable[Row]) -> list[tuple[Row, int, int | None]]:
    """Waybills with the time in which each is active: from its departure to its arrival, as planned while not told.

    Where two overlap, the one that departs later takes over.
    """
    dated = [(_moment(row, "depart_ms") or _moment(row, "plan_depart_ms"), row) for row in rows]
    known = sorted(
        ((begin, row) for begin, row in dated if begin and row["state"] != "CANCELLED"),
        key=lambda one: (one[0], _text(one[1], "waybill")),
    )
    found: list[tuple[Row, int, int | None]] = []
    for at, (begin_ms, row) in enumerate(known):
        next_ms = known[at + 1][0] if at + 1 < len(known) else None
        arrival_ms = _moment(row, "arrive_ms") or _moment(row, "plan_arrive_ms")
        ends = [end for end in (arrival_ms, next_ms) if end is not None]
        end_ms = min(ends) if ends else None
        if end_ms is None or end_ms > begin_ms:
            found.append((row, begin_ms, end_ms))
    return found


def of_waybills(rows: Iterable[Row], find: FindPerson) -> Iterator[Evidence]:
    """Drivers and escorts of waybills; one without a role's crew tells so by an empty person."""
    for row, begin_ms, end_ms in active_waybills(rows):
        waybill = _text(row, "waybill")
        for role, name in ((DRIVER, "drivers"), (ESCORT, "escorts")):
            named = [person_of_member(one, find, begin_ms) for one in _members(row, name)]
            unmatched = named.count(None)
            persons = [person for person in named if person is not None]
            for place, person in enumerate(dict.fromkeys(persons)):
                facts = facts_of(waybill=waybill, place=place, unmatched=unmatched)
                yield Evidence(Rank.WAYBILL, person, role, begin_ms, end_ms, WAYBILL_CONFIDENCE, WAYBILL, facts)
            if not persons:
                facts = facts_of(waybill=waybill, unmatched=unmatched)
                yield Evidence(Rank.WAYBILL, "", role, begin_ms, end_ms, 0.0, WAYBILL, facts)


def person_of_member(member: Mapping[str, Any], find: FindPerson, at_ms: int) -> str | None:
    """Who a member of a waybill's crew is: by key, certificate or identity number; None when there is only a name."""
    person = str(member.get("person") or "").strip()
    if person:
        return person
    certificate = str(member.get("certificate") or "").strip()
    id_number = str(member.get("id_number") or "").strip()
    if not certificate and not id_number:
        return None
    return find(certificate, id_number, at_ms) or card_person(certificate, id_number)


def of_reports(reports: Sequence[tuple[str, int]]) -> Iterator[Evidence]:
    """Drivers that another platform told through JT/T 809 (0x120C of its own accord, 0x120A when asked).

    Args:
        reports: person and time of each.
    """
    for person, at_ms in reports:
        yield Evidence(Rank.REPORT, person, DRIVER, at_ms, None, REPORT_CONFIDENCE, REPORT)


def _members(row: Row, name: str) -> list[Mapping[str, Any]]:
    found = row[name]
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _text(row: Row, name: str) -> str:
    value = row.get(name)
    return "" if value is None else str(value)


def _number(row: Row, name: str) -> int:
    value = row.get(name)
    return value if isinstance(value, int) else 0


def _moment(row: Row, name: str) -> int | None:
    value = row.get(name)
    return value if isinstance(value, int) and value else None


def _float(row: Row, name: str) -> float | None:
    value = row.get(name)
    return float(value) if isinstance(value, int | float) else None
