"""construct, fitted to declared messages: where a field stands, what was tolerated, typed errors.

Every declared field becomes a `construct` object. The ones here add what construct lacks: they
know the offset of each field in the body, record spans for the annotated view, note deviations
and raise errors of `jtgate.codecs.errors` with offset and path. All of it hangs on one `Run`,
reached through the `Scope` that takes the place of construct's context.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, NamedTuple

import construct

from jtgate.codecs.edition import Edition
from jtgate.codecs.errors import EncodeError, OutOfRange, ProtocolError, Truncated
from jtgate.codecs.profile import AUTO, Profile


class Span(NamedTuple):
    """A stretch of a body and what it means: one row of the annotated view.

    Args:
        path: dotted path of the field, e.g. "items[2].mileage_km".
        offset: bytes from the start of the body (or frame) the spans belong to.
        length: bytes.
        raw: those bytes.
        term: Chinese term of the standard.
        name: English name.
        value: the decoded value as text.
        unit: unit of the value, "" without one.
        meaning: what a code or the set bits mean, Chinese and English, "" for plain values.
        clause: where the standard defines it.
    """

    path: str
    offset: int
    length: int
    raw: bytes
    term: str
    name: str
    value: str = ""
    unit: str = ""
    meaning: str = ""
    clause: str = ""


@dataclass(slots=True)
class Run:
    """One decoding or encoding: edition, and what is gathered on the way.

    Args:
        edition: whose layout applies.
        deviations: names of what was tolerated, each once.
        spans: rows of the annotated view, None when nobody wants them.
        base: offset in the body of the stream now read.
        path: names of the fields now open.
        profile: readings of the terminal where the standard leaves a choice.
    """

    edition: Edition
    deviations: list[str] = field(default_factory=list)
    spans: list[Span] | None = None
    base: int = 0
    path: list[str] = field(default_factory=list)
    profile: Profile = AUTO

    def note(self, deviation: str | None) -> None:
        """Record a deviation, once per message."""
        if deviation is not None and deviation not in self.deviations:
            self.deviations.append(deviation)

    def where(self) -> str:
        """Dotted path of the field now open."""
        return ".".join(self.path).replace(".[", "[")

    @contextmanager
    def inside(self, name: str) -> Iterator[None]:
        """Open a field by name; an error leaves it open so that the path can be reported."""
        self.path.append(name)
        yield
        self.path.pop()

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Take back spans, deviations and path when the decoding inside fails, and let the error pass."""
        depth, base = len(self.path), self.base
        deviations, spans = len(self.deviations), len(self.spans or ())
        try:
            yield
        except ProtocolError:
            del self.path[depth:]
            del self.deviations[deviations:]
            if self.spans is not None:
                del self.spans[spans:]
            self.base = base
            raise

    def span(self, stream: BytesIO, start: int, term: str, name: str, **described: str) -> None:
        """Record the bytes from `start` to where the stream stands, for the field now open."""
        if self.spans is not None:
            raw = bytes(stream.getbuffer()[start : stream.tell()])
            self.spans.append(Span(self.where(), self.base + start, len(raw), raw, term, name, **described))


class Scope:
    """Where a construct stands: the fields of its structure so far, and the structure around it.

    Args:
        run: the decoding or encoding it belongs to.
        values: fields of the structure by name; all of them when encoding, those read so far when decoding.
        parent: scope of the structure around, None outermost.
    """

    __slots__ = ("index", "parent", "run", "values")

    def __init__(self, run: Run, values: dict[str, Any], parent: "Scope | None" = None) -> None:
        self.run = run
        self.values = values
        self.parent = parent
        self.index = 0  # of the element of a list now read

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def find(self, name: str) -> Any:
        """The field of that name in this structure or the nearest one around it, None without one."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.values:
                return scope.values[name]
            scope = scope.parent
        return None


def parse(con: Any, stream: BytesIO, scope: Scope) -> Any:
    """Let a construct read."""
    return con._parsereport(stream, scope, "")  # noqa: SLF001  its public form wants a fresh context


def build(con: Any, value: Any, stream: BytesIO, scope: Scope) -> None:
    """Let a construct write."""
    con._build(value, stream, scope, "")  # noqa: SLF001  the same


def remaining(stream: BytesIO) -> int:
    """Bytes of the stream not read yet."""
    return len(stream.getbuffer()) - stream.tell()


def peek(stream: BytesIO) -> bytes:
    """The bytes of the stream not read yet, without reading them."""
    return bytes(stream.getbuffer()[stream.tell() :])


def integer(width: int, *, signed: bool = False) -> Any:
    """A big-endian integer of `width` bytes."""
    letter = {1: "B", 2: "H", 4: "L", 8: "Q"}.get(width)
    if letter is None:
        return construct.BytesInteger(width, signed=signed)
    return construct.FormatField(">", letter.lower() if signed else letter)


def convert(con: Any, decode: Callable[[Any, Scope], Any], encode: Callable[[Any, Scope], Any]) -> Any:
    """A construct whose value is converted after reading and before writing."""
    return construct.ExprAdapter(con, decode, encode)


def parse_inside(con: Any, data: bytes, start: int, scope: Scope) -> tuple[Any, bytes]:
    """Parse bytes that stand at `start` of the stream now read, as a stream of their own.

    Returns:
        The value and the bytes left over.
    """
    base = scope.run.base
    scope.run.base += start
    stream = BytesIO(data)
    value = parse(con, stream, scope)
    scope.run.base = base
    return value, stream.read()


def build_bytes(con: Any, value: Any, scope: Scope) -> bytes:
    """Build a value into bytes of its own."""
    stream = BytesIO()
    build(con, value, stream, scope)
    return stream.getvalue()


class Wire(construct.Construct):  # type: ignore[misc]
    """Base of our constructs: `read` and `write` with types, in place of construct's hooks."""

    def __init__(self) -> None:
        super().__init__()
        self.flagbuildnone = True

    def read(self, stream: BytesIO, scope: Scope) -> Any:
        """Take a value from the stream."""
        raise NotImplementedError

    def write(self, value: Any, stream: BytesIO, scope: Scope) -> None:
        """Put a value on the stream."""
        raise NotImplementedError

    def _parse(self, stream: BytesIO, context: Scope, _path: str) -> Any:
        return self.read(stream, context)

    def _build(self, obj: Any, stream: BytesIO, context: Scope, _path: str) -> Any:
        self.write(obj, stream, context)
        return obj


class Guarded(Wire):
    """A construct whose failures become errors of ours, with offset and path."""

    def __init__(self, con: Any, term: str, possible: str = "") -> None:
        super().__init__()
        self.con = con
        self.term = term
        self.possible = possible

    def read(self, stream: BytesIO, scope: Scope) -> Any:
        """Parse; raises Truncated or OutOfRange pointing at the start of the field."""
        start = stream.tell()
        try:
            return parse(self.con, stream, scope)
        except construct.StreamError:
            run = scope.run
            rest = bytes(stream.getbuffer()[start:])
            message = f"{self.term} does not fit in the {len(rest)} bytes left"
            raise Truncated(message, offset=run.base + start, field=run.where(), raw=rest) from None
        except construct.ConstructError as error:
            run = scope.run
            message = f"{self.term}: {str(error).splitlines()[-1]}"
            raise OutOfRange(message, offset=run.base + start, field=run.where()) from None

    def write(self, value: Any, stream: BytesIO, scope: Scope) -> None:
        """Build; raises EncodeError naming the field."""
        try:
            build(self.con, value, stream, scope)
        except EncodeError:
            raise
        except (construct.ConstructError, ValueError, TypeError, OverflowError, AttributeError) as error:
            reason = str(error).splitlines()[-1] if str(error) else type(error).__name__
            if self.possible and not isinstance(error, ValueError):  # those say it better themselves
                reason = f"possible is {self.possible}"
            raise EncodeError(f"{scope.run.where()}: {value!r} cannot be sent: {reason}") from error
