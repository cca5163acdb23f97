"""Kinds of fields that are made of others: text with a length, nested structures, lists, items with ids."""
# ruff: noqa: ARG002, D102  the methods of a kind are told by kinds.Kind; not every kind depends on the edition

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from io import BytesIO
from typing import TYPE_CHECKING, Any

import construct

from jtgate.codecs import deviations as dev
from jtgate.codecs import jsonvalues
from jtgate.codecs.edition import Edition
from jtgate.codecs.errors import BodyError, EncodeError, Truncated, in_field
from jtgate.codecs.kinds import ByEdition, Kind, in_edition
from jtgate.codecs.wire import (
    Guarded,
    Scope,
    Wire,
    build,
    build_bytes,
    integer,
    parse,
    parse_inside,
    peek,
    remaining,
)

if TYPE_CHECKING:
    from jtgate.codecs.declare import Structure, TlvItem


#: Name of an integer type by its bytes.
_LENGTH_TYPES = {1: "BYTE", 2: "WORD", 4: "DWORD"}

_INTEGERS = {width: integer(width) for width in _LENGTH_TYPES}


class Counted(Kind):
    """A length followed by that many bytes of another kind (text or raw bytes); with length 0 of 0 bytes, the rest.

    Args:
        prefix: bytes of the length; 0 where an edition has none and the field goes to the end.
        inner: kind of what follows.
    """

    def __init__(self, prefix: int | ByEdition[int], inner: Kind) -> None:
        self.prefix = prefix
        self.inner = inner

    def con(self, edition: Edition) -> Any:
        prefix = in_edition(self.prefix, edition)
        inner = self.inner.con(edition)
        return _CountedCon(integer(prefix), inner) if prefix else inner

    def lead(self, edition: Edition) -> int:
        return in_edition(self.prefix, edition)

    def open_ended(self, edition: Edition) -> bool:
        return not in_edition(self.prefix, edition)

    def types(self) -> frozenset[object]:
        return self.inner.types()

    def min_bytes(self, edition: Edition) -> int:
        return in_edition(self.prefix, edition)

    def text(self, value: Any) -> str:
        return self.inner.text(value)

    def json(self, value: Any) -> object:
        return self.inner.json(value)

    def from_json(self, value: object) -> Any:
        return self.inner.from_json(value)

    def wire_type(self, edition: Edition) -> str:
        prefix = in_edition(self.prefix, edition)
        inner = self.inner.wire_type(edition)
        return f"{_LENGTH_TYPES[prefix]} length, {inner}" if prefix else inner

    def possible(self, edition: Edition) -> str:
        prefix = in_edition(self.prefix, edition)
        return f"at most {(1 << 8 * prefix) - 1} bytes" if prefix else self.inner.possible(edition)


class _CountedCon(Wire):
    def __init__(self, length: Any, inner: Any) -> None:
        super().__init__()
        self.length = length
        self.inner = inner

    def read(self, stream: BytesIO, scope: Scope) -> Any:
        length = _read_length(self.length, stream, scope)
        start = stream.tell()
        value, _ = parse_inside(self.inner, construct.stream_read(stream, length, ""), start, scope)
        return value

    def write(self, value: Any, stream: BytesIO, scope: Scope) -> None:
        data = build_bytes(self.inner, value, scope)
        build(self.length, len(data), stream, scope)
        stream.write(data)


def _read_length(con: Any, stream: BytesIO, scope: Scope) -> int:
    """A length, with a row of its own in the annotated view."""
    start = stream.tell()
    length: int = parse(con, stream, scope)
    with scope.run.inside("length"):
        scope.run.span(stream, start, "长度", "length", value=str(length))
    return length


class Nested(Kind):
    """Another declared structure in the place of a field."""

    leaf = False

    def __init__(self, cls: "type[Structure]") -> None:
        self.cls = cls

    def con(self, edition: Edition) -> Any:
        return self.cls.construct(edition)

    def types(self) -> frozenset[object]:
        return frozenset({self.cls})

    def min_bytes(self, edition: Edition) -> int:
        return self.cls.min_bytes(edition)

    def json(self, value: "Structure") -> object:
        return value.to_json()

    def from_json(self, value: object) -> "Structure":
        return self.cls.from_json(value)

    def wire_type(self, edition: Edition) -> str:
        return self.cls.__name__


class OneOf(Kind):
    """One of several forms of a structure, told apart by the bytes that are left.

    Args:
        base: what the annotation says; every form is a subclass.
        forms: the forms.
        choose: from the bytes left and the scope to the form, None when none fits.
    """

    leaf = False

    def __init__(
        self,
        base: "type[Structure]",
        forms: "tuple[type[Structure], ...]",
        choose: "Callable[[bytes, Scope], type[Structure] | None]",
    ) -> None:
        self.base = base
        self.forms = forms
        self.choose = choose

    def con(self, edition: Edition) -> Any:
        return _OneOfCon(self, edition)

    def types(self) -> frozenset[object]:
        return frozenset({self.base})

    def min_bytes(self, edition: Edition) -> int:
        return min(form.min_bytes(edition) for form in self.forms)

    def json(self, value: "Structure") -> object:
        """The fields; `form` names the form where they would be taken for those of another."""
        fields = value.to_json()
        form = type(value)
        rivals = [other for other in self.forms[: self.forms.index(form)] if _have_same_fields(form, other)]
        return {FORM: form_name(form), **fields} if any(_takes(rival, fields) for rival in rivals) else fields

    def from_json(self, value: object) -> "Structure":
        """The form that `form` names; without it the first one that has the fields and can be written."""
        return from_first(self.forms, value)

    def wire_type(self, edition: Edition) -> str:
        return " or ".join(form.__name__ for form in self.forms)


#: Key that names the form of a structure that has several.
FORM = "form"


def form_name(form: "type[Structure]") -> str:
    """Name of a form: that of its class, lower case with underscores."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", form.__name__).lower()


def from_first(forms: "Iterable[type[Structure]]", value: object) -> "Structure":
    """A structure from JSON: of the form it names, else of the first that takes it and can be written.

    Raises:
        EncodeError: none takes it; the error is that of the form that shares most fields with it.
    """
    candidates = list(forms)
    if isinstance(value, Mapping) and FORM in value:
        name, value = value[FORM], {key: item for key, item in value.items() if key != FORM}
        candidates = [form for form in candidates if form_name(form) == name]
        if not candidates:
            raise EncodeError(f"{name!r} is not one of {', '.join(form_name(form) for form in forms)}", FORM)
    names = set(value) if isinstance(value, Mapping) else set()
    # The sort is stable: of forms with the same fields the first declared comes first.
    candidates.sort(key=lambda form: len(names.symmetric_difference(spec.name for spec in form.SPECS)))
    errors: list[ValueError] = []
    taken: list[Structure] = []
    for form in candidates:
        try:
            taken.append(form.from_json(value))
            taken[-1].encode()
            return taken[-1]
        except ValueError as error:
            errors.append(error)
    if taken:  # what is wrong with it is said when the message is written
        return taken[0]
    raise errors[0] if errors else EncodeError("there is no form to write")


def _have_same_fields(one: "type[Structure]", other: "type[Structure]") -> bool:
    return {spec.name for spec in one.SPECS} == {spec.name for spec in other.SPECS}


def _takes(form: "type[Structure]", fields: object) -> bool:
    try:
        form.from_json(fields).encode()
    except ValueError:
        return False
    return True


class _OneOfCon(Wire):
    def __init__(self, kind: OneOf, edition: Edition) -> None:
        super().__init__()
        self.kind = kind
        self.edition = edition

    def read(self, stream: BytesIO, scope: Scope) -> Any:
        rest = peek(stream)
        form = self.kind.choose(rest, scope)
        if form is None:
            run = scope.run
            message = f"no known form fits the {len(rest)} bytes left"
            raise BodyError(message, offset=run.base + stream.tell(), field=run.where(), raw=rest)
        return parse(form.construct(self.edition), stream, scope)

    def write(self, value: Any, stream: BytesIO, scope: Scope) -> None:
        if type(value) not in self.kind.forms:
            raise ValueError(f"not one of {', '.join(form.__name__ for form in self.kind.forms)}")
        build(type(value).construct(self.edition), value, stream, scope)


class Repeat(Kind):
    """A list of one kind of element.

    Args:
        element: kind of each element.
        counted_by: field before it that holds the number (no number is 0), a fixed number, or None for
            "until the end".
        lenient: until the end, a cut last element is left over as trailing bytes instead of an error.
    """

    def __init__(self, element: Kind, counted_by: str | int | None, *, lenient: bool = False) -> None:
        self.element = element
        self.counted_by = counted_by
        self.lenient = lenient
        self.leaf = element.leaf

    def con(self, edition: Edition) -> Any:
        return _RepeatCon(Guarded(self.element.con(edition), "列表项 list item"), self)

    def open_ended(self, edition: Edition) -> bool:
        return self.counted_by is None

    def types(self) -> frozenset[object]:
        return self.element.types()

    def min_bytes(self, edition: Edition) -> int:
        return self.counted_by * self.element.min_bytes(edition) if isinstance(self.counted_by, int) else 0

    def text(self, value: tuple[Any, ...]) -> str:
        return ", ".join(self.element.text(item) for item in value)

    def json(self, value: tuple[Any, ...]) -> object:
        return [self.element.json(item) for item in value]

    def from_json(self, value: object) -> tuple[Any, ...]:
        """A list; of plain values also as text with commas between."""
        found = []
        for index, item in enumerate(jsonvalues.elements(value)):
            with in_field(f"[{index}]"):
                found.append(self.element.from_json(item))
        return tuple(found)

    def wire_type(self, edition: Edition) -> str:
        number = f"{self.counted_by} × " if isinstance(self.counted_by, int) else "list of "
        return number + self.element.wire_type(edition)


class _RepeatCon(Wire):
    def __init__(self, element: Guarded, kind: Repeat) -> None:
        super().__init__()
        self.element = element
        self.kind = kind

    def read(self, stream: BytesIO, scope: Scope) -> tuple[Any, ...]:
        counted_by = self.kind.counted_by
        total = scope[counted_by] or 0 if isinstance(counted_by, str) else counted_by
        lenient = total is None and self.kind.lenient
        items: list[Any] = []
        # Every element takes a byte at least (checked at declaration), so the body bounds the loop.
        while len(items) < total if total is not None else remaining(stream) > 0:
            scope.index = len(items)
            start = stream.tell()
            try:
                with scope.run.attempt() if lenient else nullcontext(), scope.run.inside(f"[{len(items)}]"):
                    items.append(self.element.read(stream, scope))
            except Truncated:
                if not lenient:
                    raise
                stream.seek(start)
                break
        return tuple(items)

    def write(self, value: tuple[Any, ...], stream: BytesIO, scope: Scope) -> None:
        wanted = self.kind.counted_by
        if isinstance(wanted, int) and len(value) != wanted:
            raise ValueError(f"{wanted} elements wanted, {len(value)} given")
        for item in value:
            self.element.write(item, stream, scope)


class Sized(Kind):
    """A length and a structure of that length; what is no such structure is kept as `fallback`.

    Args:
        prefix: bytes of the length.
        cls: the structure.
        fallback: a structure with one field, the rest as raw bytes.
        overrun: deviation when the length is more than is left; what is left is decoded then.
        undecoded: deviation when the fallback was needed.
    """

    leaf = False

    def __init__(
        self, prefix: int, cls: "type[Structure]", fallback: "type[Structure]", overrun: str, undecoded: str
    ) -> None:
        self.prefix = prefix
        self.cls = cls
        self.fallback = fallback
        self.overrun = overrun
        self.undecoded = undecoded

    def con(self, edition: Edition) -> Any:
        return _SizedCon(self, edition)

    def types(self) -> frozenset[object]:
        return frozenset({self.cls, self.fallback})

    def min_bytes(self, edition: Edition) -> int:
        return self.prefix

    def json(self, value: "Structure") -> object:
        return value.to_json()

    def from_json(self, value: object) -> "Structure":
        return from_first((self.cls, self.fallback), value)

    def wire_type(self, edition: Edition) -> str:
        return f"{_LENGTH_TYPES[self.prefix]} length, {self.cls.__name__}"


class _SizedCon(Wire):
    def __init__(self, kind: Sized, edition: Edition) -> None:
        super().__init__()
        self.kind = kind
        self.edition = edition
        self.length = integer(kind.prefix)

    def read(self, stream: BytesIO, scope: Scope) -> Any:
        kind = self.kind
        length = _read_length(self.length, stream, scope)
        if length > remaining(stream):
            scope.run.note(kind.overrun)
        start = stream.tell()
        data = stream.read(length)
        try:
            with scope.run.attempt():
                return kind.cls.parse_whole(data, start, self.edition, scope)
        except BodyError:
            scope.run.note(kind.undecoded)
            return kind.fallback.parse_whole(data, start, self.edition, scope)

    def write(self, value: "Structure", stream: BytesIO, scope: Scope) -> None:
        data = value.build_whole(self.edition, scope)
        build(self.length, len(data), stream, scope)
        stream.write(data)


class Tlv(Kind):
    """A list of id, length, value until the end; see `declare.TlvItem`.

    An item longer than what is left ends the list, the rest stays unread and becomes `trailing`.
    """

    leaf = False

    def __init__(self, item: "type[TlvItem]") -> None:
        self.item = item

    def con(self, edition: Edition) -> Any:
        return _TlvCon(self.item)

    def open_ended(self, edition: Edition) -> bool:
        return True

    def types(self) -> frozenset[object]:
        return frozenset({self.item})

    def min_bytes(self, edition: Edition) -> int:
        return 0

    def json(self, value: "tuple[TlvItem, ...]") -> object:
        return [item.to_json() for item in value]

    def from_json(self, value: object) -> "tuple[TlvItem, ...]":
        found = []
        for index, item in enumerate(jsonvalues.elements(value)):
            with in_field(f"[{index}]"):
                found.append(self.item.from_json(item))
        return tuple(found)

    def wire_type(self, edition: Edition) -> str:
        id_type, length = _LENGTH_TYPES[self.item.ID_BYTES], _LENGTH_TYPES[self.item.LENGTH_BYTES]
        return f"list of {id_type} id, {length} length, value"


class _TlvCon(Wire):
    def __init__(self, item: "type[TlvItem]") -> None:
        super().__init__()
        self.item = item
        self.widths: tuple[int, int] = (item.ID_BYTES, item.LENGTH_BYTES)

    def read(self, stream: BytesIO, scope: Scope) -> "tuple[TlvItem, ...]":
        items: list[TlvItem] = []
        begin = stream.tell()
        widths = self.item.widths(scope.run.profile)
        one_too_long = self.item.one_too_long(peek(stream)) if widths == self.widths else frozenset()
        id_con, length_con = (_INTEGERS[width] for width in widths)
        while remaining(stream) >= sum(widths):
            start = stream.tell()
            item_id: int = parse(id_con, stream, scope)
            announced: int = parse(length_con, stream, scope)
            length = announced - (start - begin in one_too_long)
            if length > remaining(stream):
                stream.seek(start)
                break
            with scope.run.inside(f"[{len(items)}]"):
                if scope.run.spans is not None:
                    self._annotate(stream, start, scope, widths)
                at = stream.tell()
                item = self.item.read(item_id, stream.read(length), at, scope)
            if length != announced:
                scope.run.note(dev.ITEM_ONE_BYTE_MORE)
                item = dataclasses.replace(item, announced=announced)
            items.append(item)
        return tuple(items)

    def _annotate(self, stream: BytesIO, start: int, scope: Scope, widths: tuple[int, int]) -> None:
        """Rows for id and length: read them once more, each with its place."""
        stream.seek(start)
        item_id = parse(_INTEGERS[widths[0]], stream, scope)
        _, term, english = self.item.names(item_id)
        with scope.run.inside("id"):
            shown = f"0x{item_id:0{2 * widths[0]}x}"
            meaning = f"{term} {english}".strip()
            scope.run.span(stream, start, self.item.ID_TERM, "id", value=shown, meaning=meaning)
        _read_length(_INTEGERS[widths[1]], stream, scope)

    def write(self, value: "tuple[TlvItem, ...]", stream: BytesIO, scope: Scope) -> None:
        id_con, length_con = (_INTEGERS[width] for width in self.item.widths(scope.run.profile))
        for index, item in enumerate(value):
            with scope.run.inside(f"[{index}]"):
                data = item.payload(scope)
            build(id_con, item.id, stream, scope)
            build(length_con, len(data) if item.announced is None else item.announced, stream, scope)
            stream.write(data)
