"""What the declarations say, as rows: messages with their layouts, items, parameters, tables of codes, deviations.

Everything is read from the declarations themselves; whoever adds one adds it here. Rendering is the caller's.
"""

import inspect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from jtgate.codecs.catalogue import CATALOGUE, MessageName, message_name
from jtgate.codecs.coordinates import Coordinate
from jtgate.codecs.deviations import DEVIATIONS
from jtgate.codecs.edition import ALL_EDITIONS, Edition
from jtgate.codecs.examples import as_given, example
from jtgate.codecs.fields import FieldSpec
from jtgate.codecs.groups import Nested, Repeat
from jtgate.codecs.header import encode_frames
from jtgate.codecs.items import ITEMS, ItemForm, LocationItem
from jtgate.codecs.jt808.parameters import BLOCKS, PARAMETER_ROWS, Parameter
from jtgate.codecs.kinds import Kind
from jtgate.codecs.registry import message_class
from jtgate.codecs.structures import Message, Structure, TlvItem
from jtgate.codecs.tables import Bits, Choices

#: Header of the frames that are shown as examples.
EXAMPLE_PHONE: Final = "13800138000"
EXAMPLE_SERIAL: Final = 7

_UP: Final = "up"
_DOWN: Final = "down"


@dataclass(frozen=True)
class CodeRow:
    """A row of a table of codes or bits: "0", "3–5" for bits, and what it means in both languages."""

    code: str
    zh: str
    en: str
    editions: tuple[str, ...]


@dataclass(frozen=True)
class Codes:
    """A table of codes or bits.

    Args:
        label: the dialect it belongs to, where a field has several; else "".
        is_bits: bits instead of codes.
        rows: in the order of the standard.
    """

    label: str
    is_bits: bool
    rows: tuple[CodeRow, ...]


@dataclass(frozen=True)
class FieldRow:
    """A field in one edition.

    Args:
        offset: bytes before it: "12", or "after x", "after x + 2".
        type: as the standard names it.
        name: as in JSON.
        term: Chinese term.
        english: English name.
        unit: of the value.
        possible: what values can be written.
        valid: smallest and largest value of the standard, where that is less.
        condition: when it is there, "" for always.
        clause: where it is defined, when not where the message is.
        codes: what codes or bits mean.
        structures: names of the structures it is made of.
        items: "items" or "parameters" where it is a list of those, else "".
    """

    offset: str
    type: str
    name: str
    term: str
    english: str
    unit: str
    possible: str
    valid: tuple[float, float] | None
    condition: str
    clause: str
    codes: tuple[Codes, ...]
    structures: tuple[str, ...]
    items: str


@dataclass(frozen=True)
class Layout:
    """The fields of a structure in the editions that have them so; `bytes` are the fewest."""

    editions: tuple[str, ...]
    bytes: int
    fields: tuple[FieldRow, ...]


@dataclass(frozen=True)
class StructurePage:
    """A structure: a message body, an item, a group, a block."""

    name: str
    text: str
    clause: str
    layouts: tuple[Layout, ...]
    deviations: tuple[str, ...]


@dataclass(frozen=True)
class MessageRow:
    """A row of the list of messages; `decoded` is False for ids that only have a name."""

    id: str
    name: str
    term: str
    direction: str
    standard: str
    editions: tuple[str, ...]
    answer: str | None
    decoded: bool


@dataclass(frozen=True)
class Example:
    """A message as one would give it to be encoded, as JSON shows it, and on the wire."""

    edition: str
    given: dict[str, object]
    body: dict[str, object]
    frames: tuple[str, ...]


@dataclass(frozen=True)
class MessagePage:
    """All about a message; without `page` it is not decoded."""

    row: MessageRow
    page: StructurePage | None
    structures: tuple[StructurePage, ...]
    deviations: tuple[tuple[str, str], ...]
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class ItemRow:
    """A form of an additional item of 0x0200; `bytes` are the fewest."""

    id: str
    name: str
    term: str
    bytes: int
    editions: tuple[str, ...]
    dialects: tuple[str, ...]
    clause: str
    structure: str


@dataclass(frozen=True)
class ItemPage:
    """All about a form of an item; `structures` are what its fields are made of."""

    row: ItemRow
    page: StructurePage
    structures: tuple[StructurePage, ...]


@dataclass(frozen=True)
class ParameterPage:
    """A row of the table of parameters.

    Args:
        forms: of a value that is a block.
        structures: what the fields of the forms are made of.
    """

    id: str
    type: str
    name: str
    term: str
    unit: str
    editions: tuple[str, ...]
    forms: tuple[StructurePage, ...]
    structures: tuple[StructurePage, ...]


# ------------------------------------------------------------------------------------------------ messages


def message_rows() -> list[MessageRow]:
    """Every id that has a name, in the order of the standards."""
    return [_message_row(info) for info in CATALOGUE.values()]


def _message_row(info: MessageName) -> MessageRow:
    return MessageRow(
        f"0x{info.msg_id:04x}",
        info.name,
        info.term,
        _UP if info.upward else _DOWN,
        info.standard,
        tuple(map(str, info.editions)),
        None if info.answer is None else f"0x{info.answer:04x}",
        message_class(info.msg_id) is not None,
    )


def message_page(msg_id: int) -> MessagePage:
    """All that the declaration of a message says."""
    row, cls = _message_row(message_name(msg_id)), message_class(msg_id)
    if cls is None:
        return MessagePage(row, None, (), (), ())
    editions = cls.INFO.editions or ALL_EDITIONS
    inner = _structures_within(cls, editions)
    names = {name for one in (cls, *inner) for name in _deviations_of(one)}
    names |= {name for name in DEVIATIONS if name.partition(".")[0] == row.name}
    return MessagePage(
        row,
        structure_page(cls, editions),
        tuple(structure_page(one, editions) for one in inner),
        tuple((name, text) for name, text in DEVIATIONS.items() if name in names),
        tuple(_examples(cls, editions)),
    )


def _examples(cls: type[Message], editions: Iterable[Edition]) -> Iterator[Example]:
    """One for each layout."""
    seen: set[bytes] = set()
    for edition in reversed(tuple(editions)):
        made = example(cls, edition)
        body = made.encode(edition)
        if body not in seen:
            seen.add(body)
            frames = encode_frames(cls.INFO.msg_id, body, phone=EXAMPLE_PHONE, serial=EXAMPLE_SERIAL, edition=edition)
            yield Example(str(edition), as_given(made), made.to_json(), tuple(frame.hex() for frame in frames))


# ---------------------------------------------------------------------------------------------- structures


def structure_page(cls: type[Structure], editions: tuple[Edition, ...] = ALL_EDITIONS) -> StructurePage:
    """The layouts of a structure; editions with the same fields share one."""
    groups: dict[tuple[FieldRow, ...], list[Edition]] = {}
    for edition in editions:
        groups.setdefault(tuple(_field_rows(cls, edition)), []).append(edition)
    layouts = tuple(Layout(tuple(map(str, of)), cls.min_bytes(of[0]), fields) for fields, of in groups.items())
    text = inspect.cleandoc(cls.__doc__ or "").replace("\n", " ")
    return StructurePage(cls.__name__, text, cls.CLAUSE, layouts, tuple(_deviations_of(cls)))


def _field_rows(cls: type[Structure], edition: Edition) -> Iterator[FieldRow]:
    at: int = 0
    after = ""
    for spec in cls.LAYOUTS[edition]:
        kind = spec.kind
        offset = str(at) if not after else f"after {after}" + (f" + {at}" if at else "")
        presence = spec.presence_in(edition)
        inside = tuple(_inside(kind))
        yield FieldRow(
            offset,
            kind.wire_type(edition),
            spec.name,
            spec.term,
            spec.english,
            spec.unit,
            kind.possible(edition),
            spec.valid,
            "" if presence is None else str(presence),
            spec.clause,
            _codes(spec),
            tuple(dict.fromkeys(one.__name__ for one in inside if _has_fields(one))),
            next((_LISTS[one] for one in inside if one in _LISTS), ""),
        )
        size = fixed_bytes(kind, edition) if presence is None else None
        at, after = (at + size, after) if size is not None else (0, spec.name)


#: Lists of id, length, value -> the page that tells their items.
_LISTS: Final[dict[Any, str]] = {LocationItem: "items", Parameter: "parameters"}


def fixed_bytes(kind: Kind, edition: Edition) -> int | None:
    """Bytes a kind always takes in an edition, None when that varies."""
    if type(kind) is Nested:
        sizes = [
            fixed_bytes(spec.kind, edition) if spec.presence_in(edition) is None else None
            for spec in kind.cls.LAYOUTS[edition]
        ]
        return None if None in sizes else sum(size for size in sizes if size is not None)
    if isinstance(kind, Repeat):
        size = fixed_bytes(kind.element, edition)
        return size * kind.counted_by if size is not None and isinstance(kind.counted_by, int) else None
    if kind.open_ended(edition):
        return None
    try:
        size = kind.con(edition).sizeof()
    except Exception:  # noqa: BLE001  construct has many words for "that varies", and for ours it cannot tell
        return kind.min_bytes(edition) if isinstance(kind, Coordinate) else None
    return int(size)


def _inside(part: Any, depth: int = 4) -> Iterator[Any]:
    """What a kind of field is made of: kinds, structures, items, names of deviations; found by looking."""
    if isinstance(part, str) or (isinstance(part, type) and issubclass(part, Structure | TlvItem)):
        yield part
    elif depth and isinstance(part, Kind):
        for value in vars(part).values():
            yield from _inside(value, depth - 1)
    elif depth and isinstance(part, tuple | list):
        for value in part:
            yield from _inside(value, depth - 1)
    elif depth and isinstance(part, Mapping):
        for value in part.values():
            yield from _inside(value, depth - 1)


def _has_fields(part: object) -> bool:
    """Whether it is a structure; a base without fields of its own is only there for the annotation."""
    return isinstance(part, type) and issubclass(part, Structure) and bool(part.SPECS)


def _structures_within(cls: type[Structure], editions: tuple[Edition, ...]) -> list[type[Structure]]:
    """Structures that fields of a structure are made of, and those of theirs, in the order they are met."""
    found: dict[type[Structure], None] = {}
    queue = [cls]
    while queue:
        for spec in queue.pop(0).SPECS:
            if not set(spec.editions) & set(editions):
                continue
            for part in _inside(spec.kind):
                if _has_fields(part) and part not in found and part is not cls:
                    found[part] = None
                    queue.append(part)
    return list(found)


def _deviations_of(cls: type[Structure]) -> Iterator[str]:
    """Deviations that the declaration names, each once; the others are those of any message."""
    names = [cls.TRAILING_DEVIATION]
    for spec in cls.SPECS:
        names += [part for part in _inside(spec.kind) if isinstance(part, str)]
        for edition in spec.editions:
            presence = spec.presence_in(edition)
            names += [] if presence is None else [value for value in _state(presence) if isinstance(value, str)]
            names += [part for part in _inside(spec.wrong_count) if isinstance(part, str)]
    return iter(dict.fromkeys(name for name in names if name in DEVIATIONS and name != Structure.TRAILING_DEVIATION))


def _state(part: object) -> Iterator[object]:
    """Values of the attributes of a plain object or a frozen dataclass."""
    yield from vars(part).values() if hasattr(part, "__dict__") else ()


# --------------------------------------------------------------------------------------------------- codes


def _codes(spec: FieldSpec) -> tuple[Codes, ...]:
    """The tables of a field, or of the elements of its list."""
    kind = spec.kind
    while isinstance(kind, Repeat):
        kind = kind.element
    table = getattr(kind, "table", None)
    if isinstance(table, Choices | Bits):
        return (_codes_of(table, ""),)
    if not callable(table):
        return ()
    return tuple(_codes_of(one, label) for label, one in _tables_of(table))


def _tables_of(function: Any, depth: int = 4) -> Iterator[tuple[str, Choices | Bits]]:
    """The tables that a function chooses from, with the key of each: what it has closed over."""
    for cell in getattr(function, "__closure__", None) or ():
        value = cell.cell_contents
        if isinstance(value, Mapping):
            yield from ((str(key), one) for key, one in value.items() if isinstance(one, Choices | Bits))
        elif callable(value) and depth:
            yield from _tables_of(value, depth - 1)


def _codes_of(table: Choices | Bits, label: str) -> Codes:
    return Codes(label, isinstance(table, Bits), tuple(_code_rows(table)))


def _code_rows(table: Choices | Bits) -> Iterator[CodeRow]:
    for row in table:
        editions = () if row.editions == ALL_EDITIONS else tuple(map(str, row.editions))
        if isinstance(table, Choices):
            yield CodeRow(str(row.code), row.zh, row.en, editions)
            continue
        yield from _bit_rows(row, editions)


def _bit_rows(row: Any, editions: tuple[str, ...]) -> Iterator[CodeRow]:
    """One row for a bit; for a number of several bits its name or its values."""
    number = str(row.no) if row.width == 1 else f"{row.no}–{row.no + row.width - 1}"
    if row.choices is None:
        clear = (f" ({row.zh_clear})", f" ({row.en_clear})") if row.zh_clear else ("", "")
        yield CodeRow(number, row.zh + clear[0], row.en + clear[1], editions)
        return
    for choice in row.choices:
        yield CodeRow(f"{number} = {choice.code}", choice.zh, choice.en, editions)


# ----------------------------------------------------------------------------------- items and parameters


def item_pages() -> list[ItemPage]:
    """Forms of additional items, by id; forms of one dialect before that of everybody, as they are tried."""
    return [
        ItemPage(_item_row(form), structure_page(form.cls), _pages_within(form.cls))
        for item_id in sorted(ITEMS)
        for form in ITEMS[item_id]
    ]


def _item_row(form: ItemForm) -> ItemRow:
    return ItemRow(
        f"0x{form.id:02x}",
        form.name,
        form.term,
        form.cls.min_bytes(Edition.V2013),
        tuple(map(str, form.editions)),
        tuple(map(str, form.dialects)),
        form.cls.CLAUSE,
        form.cls.__name__,
    )


def parameter_pages() -> list[ParameterPage]:
    """The table of parameters, with the forms of values that are blocks.

    Raises:
        LookupError: a block is declared for an id that is in no row.
    """
    missing = sorted(set(BLOCKS) - {row.id for row in PARAMETER_ROWS})
    if missing:
        raise LookupError(f"blocks of parameters that are in no row: {', '.join(map(hex, missing))}")
    return [
        ParameterPage(
            f"0x{row.id:04x}",
            row.type,
            row.name,
            row.term,
            row.unit,
            tuple(map(str, row.editions)),
            tuple(structure_page(form) for form in BLOCKS.get(row.id, ())),
            tuple(inner for form in BLOCKS.get(row.id, ()) for inner in _pages_within(form)),
        )
        for row in PARAMETER_ROWS
    ]


def _pages_within(cls: type[Structure]) -> tuple[StructurePage, ...]:
    return tuple(structure_page(inner) for inner in _structures_within(cls, ALL_EDITIONS))


# ------------------------------------------------------------------------------------------------ coverage

DECODED: Final = "decode+encode"
NAMED_ONLY: Final = "named only"
NO_SUCH: Final = "–"


def coverage(msg_id: int, edition: Edition) -> str:
    """What can be done with a message in an edition; proven by an example that goes there and back."""
    info, cls = CATALOGUE[msg_id], message_class(msg_id)
    if edition not in info.editions:
        return NO_SUCH
    if cls is None:
        return NAMED_ONLY
    example(cls, edition)  # raises when it does not come back
    return DECODED
