"""Messages as declarations: one frozen dataclass per message, one line per field (design D2).

    @message(0x8001, clause="§3.2")
    class PlatformGeneralAnswer(Message):
        answer_serial: int = word("应答流水号")
        answer_id: int = word("应答ID", as_hex=True)
        result: int = byte("结果", table=RESULTS)

The words are those of the standard: byte, word and dword are big-endian integers, `string` is GBK
text, `bcd_time` YYMMDDhhmmss. What differs between editions is said in place: `by_edition(5, 5, 11)`
where the standard has a number, `editions=` where a field exists in some only, `layouts=` where the
order of fields changes. From the declaration come decode, encode, the annotated view and JSON.
A wrong declaration (annotation, order, table too wide, unknown name) fails when the module is imported.
"""

import dataclasses
import re
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

from jtgate.codecs import deviations as dev
from jtgate.codecs.catalogue import message_name
from jtgate.codecs.edition import ALL_EDITIONS, Edition
from jtgate.codecs.fields import (
    UNIT_SUFFIXES,
    FieldSpec,
    bcd,
    bcd_date,
    bcd_time,
    by_edition,
    byte,
    chars,
    count_of,
    dword,
    dword_latitude,
    dword_longitude,
    nested,
    of_kind,
    one_of,
    qword,
    raw,
    repeat,
    string,
    tlv,
    word,
    word_temperature,
)
from jtgate.codecs.groups import Repeat, Tlv
from jtgate.codecs.presence import REST, ByField, BytesLeft, LookAhead, Presence, WhenPresent, unless, when
from jtgate.codecs.structures import Message, Structure, TlvItem, try_whole

__all__ = [
    "MESSAGES",
    "REST",
    "BytesLeft",
    "FieldSpec",
    "LookAhead",
    "Message",
    "Presence",
    "Structure",
    "TlvItem",
    "WhenPresent",
    "bcd",
    "bcd_date",
    "bcd_time",
    "by_edition",
    "byte",
    "chars",
    "count_of",
    "dword",
    "dword_latitude",
    "dword_longitude",
    "message",
    "nested",
    "of_kind",
    "one_of",
    "qword",
    "raw",
    "repeat",
    "string",
    "structure",
    "tlv",
    "try_whole",
    "unless",
    "when",
    "word",
    "word_temperature",
]

C = TypeVar("C", bound="type[Structure]")

#: Every declared message by id.
MESSAGES: dict[int, type[Message]] = {}


def structure(
    *,
    clause: str = "",
    layouts: Mapping[Edition, tuple[str, ...]] | None = None,
    trailing: str = dev.BODY_TRAILING_BYTES,
) -> Callable[[C], C]:
    """Declare a part of messages (an item, a group).

    Args:
        clause: where the standard defines it.
        layouts: names of the fields in order, for editions that do not follow the declaration.
        trailing: deviation to note when bytes are left over.

    Raises:
        TypeError: the declaration contradicts itself.
    """

    def decorate(cls: C) -> C:
        made = cast("C", dataclasses.dataclass(frozen=True, slots=True, kw_only=True)(cls))
        specs = []
        for field in dataclasses.fields(made):
            spec = field.metadata.get("spec")
            if spec is not None:
                spec.name = field.name
                specs.append(spec)
        made.SPECS = tuple(specs)
        editions = {spec.name: spec.editions for spec in specs}
        made.COUNTS = tuple(
            (spec.name, spec.counts, spec.always)
            for spec in specs
            if spec.counts is not None and spec.editions == editions.get(spec.counts)
        )
        made.CLAUSE = clause
        made.TRAILING_DEVIATION = trailing
        made.CONSTRUCTS = {}
        made.LAYOUTS = {edition: _layout(made, edition, layouts or {}) for edition in ALL_EDITIONS}
        _check(made)
        return made

    return decorate


def message(
    msg_id: int,
    *,
    clause: str,
    layouts: Mapping[Edition, tuple[str, ...]] | None = None,
    trailing: str = dev.BODY_TRAILING_BYTES,
    detect: Callable[[bytes, Edition], Edition] | None = None,
) -> Callable[[C], C]:
    """Declare the body of a message; its names come from the catalogue.

    Args:
        msg_id: 消息ID.
        clause: where the standard defines it.
        layouts: as in `structure`.
        trailing: as in `structure`.
        detect: from a body and the edition of its header to the edition whose layout it has.

    Raises:
        TypeError: the declaration contradicts itself, or the id is declared twice.
    """

    def decorate(cls: C) -> C:
        made = structure(clause=clause, layouts=layouts, trailing=trailing)(cls)
        if not issubclass(made, Message):
            raise TypeError(f"{made.__name__} must derive from Message")
        if msg_id in MESSAGES:
            raise TypeError(f"0x{msg_id:04x} is declared twice")
        made.INFO = message_name(msg_id)
        made.DETECT = staticmethod(detect) if detect is not None else None
        MESSAGES[msg_id] = made
        return made

    return decorate


def _layout(
    cls: type[Structure], edition: Edition, layouts: Mapping[Edition, tuple[str, ...]]
) -> tuple[FieldSpec, ...]:
    specs = {spec.name: spec for spec in cls.SPECS}
    names = layouts.get(edition, tuple(name for name, spec in specs.items() if edition in spec.editions))
    unknown = set(names) - set(specs)
    if unknown:
        raise TypeError(f"{cls.__name__}: no field {', '.join(sorted(unknown))}")
    return tuple(specs[name] for name in names)


def _check(cls: type[Structure]) -> None:
    """Refuse a declaration that contradicts itself."""
    hints = typing.get_type_hints(cls)
    declared = {spec.name for spec in cls.SPECS}
    for name in cls.__annotations__:
        if name not in declared:
            raise TypeError(f"{cls.__name__}.{name} is no declared field")
    for spec in cls.SPECS:
        where = f"{cls.__name__}.{spec.name}"
        if not re.fullmatch(r"[a-z][a-z0-9_]*", spec.name):
            raise TypeError(f"{where}: names are lower case with underscores")
        if not spec.term:
            raise TypeError(f"{where}: the Chinese term is missing")
        if spec.unit in UNIT_SUFFIXES and spec.unit != "°" and not spec.name.endswith(UNIT_SUFFIXES[spec.unit]):
            raise TypeError(f"{where}: a value in {spec.unit} has a name ending with {UNIT_SUFFIXES[spec.unit]}")
        _check_annotation(where, spec, hints[spec.name])
    for edition, layout in cls.LAYOUTS.items():
        _check_layout(f"{cls.__name__} {edition}", layout, edition)


def _check_annotation(where: str, spec: FieldSpec, hint: Any) -> None:
    members = _members(hint)
    if spec.optional != (type(None) in members):
        raise TypeError(f"{where}: {'may' if spec.optional else 'cannot'} be None; the annotation says otherwise")
    members -= {type(None)}
    if isinstance(spec.kind, Repeat | Tlv):
        inner = [typing.get_args(member) for member in members if typing.get_origin(member) is tuple]
        if len(members) != 1 or len(inner) != 1 or inner[0][1:] != (...,):
            raise TypeError(f"{where}: the annotation of a list is tuple[…, ...]")
        members = _members(inner[0][0]) - {type(None)}
    if members != spec.kind.types():
        wanted = " | ".join(sorted(getattr(member, "__name__", str(member)) for member in spec.kind.types()))
        raise TypeError(f"{where}: the annotation must be {wanted}")


def _members(hint: Any) -> set[Any]:
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        return set(typing.get_args(hint))
    return {hint}


def _check_layout(where: str, layout: tuple[FieldSpec, ...], edition: Edition) -> None:
    before: set[str] = set()
    for index, spec in enumerate(layout):
        presence = spec.presence_in(edition)
        needed = presence.field if isinstance(presence, ByField | WhenPresent) else None
        if isinstance(presence, BytesLeft):
            needed = presence.after
        if needed is not None and needed not in before:
            raise TypeError(f"{where}: {spec.name} depends on {needed}, which does not come before it")
        if spec.counts is not None and spec.counts not in {later.name for later in layout[index + 1 :]}:
            raise TypeError(f"{where}: {spec.name} counts {spec.counts}, which does not come after it")
        kind = spec.kind
        if isinstance(kind, Repeat):
            if isinstance(kind.counted_by, str) and kind.counted_by not in before:
                raise TypeError(f"{where}: {spec.name} is counted by {kind.counted_by}, which does not come before it")
            if not kind.element.min_bytes(edition):
                raise TypeError(f"{where}: elements of {spec.name} may be empty, so the list may never end")
        if kind.open_ended(edition) and presence is None and index < len(layout) - 1:
            raise TypeError(f"{where}: {spec.name} goes to the end of the body and must be the last field")
        before.add(spec.name)
