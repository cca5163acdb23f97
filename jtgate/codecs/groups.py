"""Kinds of fields that are made of others: text with a length, nested structures, lists, items with ids."""
# ruff: noqa: ARG002, D102  the methods of a kind are told by kinds.Kind; not every kind depends on the edition

from collections.abc import Callable
from contextlib import nullcontext
from io import BytesIO
from typing import TYPE_CHECKING, Any

import construct

from jtgate.codecs.edition import Edition
from jtgate.codecs.errors import BodyError, Truncated
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
        return value.to_json()


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


class _TlvCon(Wire):
    def __init__(self, item: "type[TlvItem]") -> None:
        super().__init__()
        self.item = item
        self.id = integer(item.ID_BYTES)
        self.length = integer(item.LENGTH_BYTES)
        self.head_bytes = item.ID_BYTES + item.LENGTH_BYTES

    def read(self, stream: BytesIO, scope: Scope) -> "tuple[TlvItem, ...]":
        items: list[TlvItem] = []
        while remaining(stream) >= self.head_bytes:
            start = stream.tell()
            item_id: int = parse(self.id, stream, scope)
            length: int = parse(self.length, stream, scope)
            if length > remaining(stream):
                stream.seek(start)
                break
            with scope.run.inside(f"[{len(items)}]"):
                if scope.run.spans is not None:
                    self._annotate(stream, start, scope)
                at = stream.tell()
                items.append(self.item.read(item_id, stream.read(length), at, scope))
        return tuple(items)

    def _annotate(self, stream: BytesIO, start: int, scope: Scope) -> None:
        """Rows for id and length: read them once more, each with its place."""
        stream.seek(start)
        item_id = parse(self.id, stream, scope)
        _, term, english = self.item.names(item_id)
        with scope.run.inside("id"):
            shown = f"0x{item_id:0{2 * self.item.ID_BYTES}x}"
            meaning = f"{term} {english}".strip()
            scope.run.span(stream, start, self.item.ID_TERM, "id", value=shown, meaning=meaning)
        _read_length(self.length, stream, scope)

    def write(self, value: "tuple[TlvItem, ...]", stream: BytesIO, scope: Scope) -> None:
        for item in value:
            build(self.id, item.id, stream, scope)
            build(self.length, len(item.raw), stream, scope)
            stream.write(item.raw)
