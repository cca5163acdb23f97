"""Fields joined by ';' to the end of the body, as the parameters of 0x8105 (JT/T 808 §3.3).

2011 and 2013 type the numbers among them as BYTE and WORD and yet join them with ';', 2019 makes everything one
STRING. We write decimal text, and binary numbers for terminals whose profile says so (§13 item 21); both are read.
"""
# ruff: noqa: ARG002, D102  the methods of a kind are told by kinds.Kind; not every kind depends on the edition

import re
from io import BytesIO
from typing import Any, NamedTuple, Self

import construct

from jtgate.codecs import deviations as dev
from jtgate.codecs import jsonvalues
from jtgate.codecs.declare import LookAhead, Structure, of_kind, structure
from jtgate.codecs.edition import Edition
from jtgate.codecs.errors import ProtocolError
from jtgate.codecs.fields import FieldSpec
from jtgate.codecs.groups import Nested
from jtgate.codecs.kinds import Kind, Text
from jtgate.codecs.tables import Choices
from jtgate.codecs.wire import Guarded, Run, Scope, Span, Wire, build_bytes, convert, parse, parse_inside, peek

SEPARATOR = b";"

#: More digits than any number of these lists has.
_DIGITS_MAX = 10
_DECIMAL = re.compile(rb"[0-9]{1,%d}" % _DIGITS_MAX)
#: A list that ends with a decimal number and the zero that terminates a STRING of 2011 (§1.1).
_TERMINATED = re.compile(rb"(?:\A|;)[0-9]{1,%d}\x00\Z" % _DIGITS_MAX)

BINARY = "binary"

#: A number that may be left out; its field is empty then.
FILLED = LookAhead(lambda rest, _: bool(rest), "unless its field is empty")


class WireInt(int):
    """A number together with the bytes it came from, when those are not the ones we would write."""

    raw: bytes

    def __new__(cls, value: int, raw: bytes) -> Self:
        """Attach the bytes to the number."""
        self = super().__new__(cls, value)
        self.raw = raw
        return self

    def __reduce__(self) -> tuple[type["WireInt"], tuple[int, bytes]]:
        return WireInt, (int(self), self.raw)


class JoinedText(Kind):
    """Text between two separators."""

    def con(self, edition: Edition) -> Any:
        return _JoinedTextCon(Text(None).con(edition))

    def types(self) -> frozenset[object]:
        return frozenset({str})

    def min_bytes(self, edition: Edition) -> int:
        return 0

    def json(self, value: str) -> object:
        return str(value)

    def from_json(self, value: object) -> str:
        return jsonvalues.text(value)

    def wire_type(self, edition: Edition) -> str:
        return "STRING to the next ';'"


class _JoinedTextCon(Wire):
    def __init__(self, con: Any) -> None:
        super().__init__()
        self.con = con

    def read(self, stream: BytesIO, scope: Scope) -> str:
        text: str = parse(self.con, stream, scope)
        return text

    def write(self, value: str, stream: BytesIO, scope: Scope) -> None:
        raw = build_bytes(self.con, value, scope)
        if SEPARATOR in raw:
            raise ValueError("it holds the separator ';'")
        stream.write(raw)


class JoinedNumber(Kind):
    """A number between two separators, decimal or binary.

    Args:
        width: bytes of the binary form.
        table: what codes mean.
    """

    def __init__(self, width: int, table: Choices | None = None) -> None:
        self.width = width
        self.table = table

    def con(self, edition: Edition) -> Any:
        return convert(construct.GreedyBytes, self._decode, self._encode)

    def _decode(self, raw: bytes, scope: Scope) -> int:
        is_binary = len(raw) == self.width and (
            scope.run.profile.control_numbers == BINARY or not _DECIMAL.fullmatch(raw)
        )
        if not is_binary and not _DECIMAL.fullmatch(raw):
            raise construct.ConstructError(f"{raw.hex()} is no number")
        value = int.from_bytes(raw) if is_binary else int(raw)
        if not is_binary and value >> 8 * self.width:
            scope.run.note(dev.VALUE_OUT_OF_RANGE)
        elif self._encode(value, scope) == raw:
            return value
        else:
            scope.run.note(dev.CONTROL_BINARY_NUMBER)
        return WireInt(value, raw)

    def _encode(self, value: int, scope: Scope) -> bytes:
        if isinstance(value, WireInt):
            return value.raw
        binary = int(value).to_bytes(self.width)  # also refuses what does not fit
        return binary if scope.run.profile.control_numbers == BINARY else str(int(value)).encode("ascii")

    def end_of_binary(self, rest: bytes, at: int, *, wanted: bool) -> int | None:
        """Where a binary number at `at` ends; None when none is there.

        Args:
            rest: the whole list.
            at: where the field begins.
            wanted: a binary number is expected; else only what cannot be text is one.
        """
        end = at + self.width
        raw = rest[at:end]
        fits = len(raw) == self.width and rest[end : end + 1] in (b"", SEPARATOR)
        if not fits or raw.startswith(SEPARATOR):
            return None
        return end if wanted or not _DECIMAL.fullmatch(raw.partition(SEPARATOR)[0]) else None

    def types(self) -> frozenset[object]:
        return frozenset({int})

    def min_bytes(self, edition: Edition) -> int:
        return 0

    def json(self, value: int) -> object:
        return int(value)

    def from_json(self, value: object) -> int:
        """Numbers, also as text; the words of its table."""
        if self.table is None or jsonvalues.is_number(value):
            return jsonvalues.whole(value)
        return self.table.code(jsonvalues.text(value))

    def meaning(self, value: int, owner: object, edition: Edition) -> str:
        return self.table.meaning(value, edition) if self.table is not None else ""

    def wire_type(self, edition: Edition) -> str:
        return "decimal STRING to the next ';'"

    def possible(self, edition: Edition) -> str:
        return f"0 to {(1 << 8 * self.width) - 1}"


class FieldCount(Kind):
    """How many of the joined fields are there, when the list is shorter than it should be; no bytes of its own."""

    def con(self, edition: Edition) -> Any:
        return construct.Pass

    def types(self) -> frozenset[object]:
        return frozenset({int})

    def min_bytes(self, edition: Edition) -> int:
        return 0

    def from_json(self, value: object) -> int:
        return jsonvalues.whole(value)

    def wire_type(self, edition: Edition) -> str:
        return "no bytes; the fields found"


@structure(clause="§3.3")
class JoinedFields(Structure):
    """Base of lists of joined fields."""

    field_count: int | None = of_kind(
        "字段个数", FieldCount(), present=LookAhead(lambda *_: False, "if some are missing"), default=None
    )

    @classmethod
    def construct(cls, edition: Edition) -> Any:
        """The construct of the list; as it is, `field_count` has no bytes."""
        con = cls.CONSTRUCTS.get(edition)
        if con is None:
            con = cls.CONSTRUCTS[edition] = _JoinedCon(cls, edition)
        return con

    def is_short(self) -> bool:
        """Whether nothing has to follow the first field."""
        return False


class Joined(Nested):
    """JoinedFields, to the end of the body."""

    def min_bytes(self, edition: Edition) -> int:
        return 0

    def open_ended(self, edition: Edition) -> bool:
        return True

    def wire_type(self, edition: Edition) -> str:
        return f"{self.cls.__name__}, joined by ';'"

    def fits(self, rest: bytes, run: Run) -> bool:
        """Whether bytes are such a list."""
        trial = Run(run.edition, profile=run.profile)
        try:
            parse(Guarded(self.con(run.edition), "参数 parameters"), BytesIO(rest), Scope(trial, {}))
        except ProtocolError:
            return False
        return True


class _Piece(NamedTuple):
    """A field on the wire: where it begins, its bytes, and whether a separator follows."""

    at: int
    raw: bytes
    more: bool


class _JoinedCon(Wire):
    def __init__(self, cls: type[JoinedFields], edition: Edition) -> None:
        super().__init__()
        layout = cls.LAYOUTS[edition]
        self.cls = cls
        self.edition = edition
        self.specs = tuple(spec for spec in layout if not isinstance(spec.kind, FieldCount))
        self.fields = tuple(
            (spec, Guarded(spec.kind.con(edition), f"{spec.term} {spec.english}")) for spec in self.specs
        )

    def read(self, stream: BytesIO, scope: Scope) -> JoinedFields:
        run = scope.run
        start = stream.tell()
        binary = run.profile.control_numbers == BINARY
        rest = peek(stream)
        if not binary and _TERMINATED.search(rest):
            rest = rest[:-1]  # the zero is left over
        pieces = self._pieces(rest, binary=binary)
        values: dict[str, Any] = {}
        inner = Scope(run, values, scope)
        for (spec, con), piece in zip(self.fields, pieces, strict=False):
            if piece.raw or not spec.optional:
                with run.inside(spec.name):
                    values[spec.name], _ = parse_inside(con, piece.raw, start + piece.at, inner)
        value = self.cls(**values)
        if len(pieces) != self._expected(value):
            run.note(dev.CONTROL_SHORT if len(pieces) < len(self.specs) else None)
            value = self.cls(**values, field_count=len(pieces))
        for spec, piece in zip(self.specs, pieces, strict=False):
            self._annotate(run, spec, piece, start, value)
        stream.seek(start + len(rest))
        return value

    def _pieces(self, rest: bytes, *, binary: bool) -> list[_Piece]:
        """Cut the list; a binary number may itself hold the separator."""
        pieces: list[_Piece] = []
        at = 0
        for spec in self.specs:
            end = spec.kind.end_of_binary(rest, at, wanted=binary) if isinstance(spec.kind, JoinedNumber) else None
            if end is None:
                found = rest.find(SEPARATOR, at)
                end = len(rest) if found < 0 else found
            pieces.append(_Piece(at, rest[at:end], end < len(rest)))
            if end == len(rest):
                return pieces
            at = end + 1
        raise construct.ConstructError(f"more than {len(self.specs)} fields")

    def _expected(self, value: JoinedFields) -> int:
        return 1 if value.is_short() else len(self.specs)

    def _annotate(self, run: Run, spec: FieldSpec, piece: _Piece, start: int, value: JoinedFields) -> None:
        if run.spans is None:
            return
        found = getattr(value, spec.name)
        raw = piece.raw + SEPARATOR * piece.more
        with run.inside(spec.name):
            at = run.base + start + piece.at
            run.spans.append(
                Span(
                    run.where(),
                    at,
                    len(raw),
                    raw,
                    spec.term,
                    spec.english,
                    "" if found is None else spec.kind.text(found),
                    spec.unit,
                    "" if found is None else spec.kind.meaning(found, value, self.edition),
                    spec.clause or self.cls.CLAUSE,
                )
            )

    def write(self, value: JoinedFields, stream: BytesIO, scope: Scope) -> None:
        inner = Scope(scope.run, {spec.name: getattr(value, spec.name) for spec in self.specs}, scope)
        raws = []
        for spec, con in self.fields:
            with scope.run.inside(spec.name):
                found = getattr(value, spec.name)
                raws.append(b"" if found is None else build_bytes(con, found, inner))
        count = self._expected(value) if value.field_count is None else value.field_count
        if not 1 <= count <= len(raws) or any(raws[count:]):
            raise ValueError(f"{count} fields do not hold what is given")
        stream.write(SEPARATOR.join(raws[:count]))
