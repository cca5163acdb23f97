"""Structures: what every declared message, group and item can do, and how its fields are read and written."""

import dataclasses
from collections.abc import Callable
from io import BytesIO
from typing import Any, ClassVar, Self, dataclass_transform

from jtgate.codecs import deviations as dev
from jtgate.codecs.catalogue import MessageName
from jtgate.codecs.edition import Edition
from jtgate.codecs.errors import BodyError, EncodeError, ProtocolError
from jtgate.codecs.fields import (
    FieldSpec,
    bcd,
    bcd_date,
    bcd_time,
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
from jtgate.codecs.kinds import Number, shorten
from jtgate.codecs.profile import AUTO, Profile
from jtgate.codecs.wire import Guarded, Run, Scope, Span, Wire, build_bytes, parse_inside


@dataclass_transform(
    kw_only_default=True,
    frozen_default=True,
    field_specifiers=(
        byte,
        word,
        dword,
        count_of,
        dword_latitude,
        dword_longitude,
        word_temperature,
        chars,
        string,
        raw,
        bcd,
        bcd_time,
        bcd_date,
        nested,
        one_of,
        repeat,
        tlv,
        qword,
        of_kind,
    ),
)
class _Declared:
    """Tells type checkers that subclasses are dataclasses whose fields are made by the words above."""

    __slots__ = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Structure(_Declared):
    """Base of everything declared.

    Args:
        trailing: bytes after the last field of a whole body, kept so that nothing is lost.
    """

    trailing: bytes = b""

    SPECS: ClassVar[tuple[FieldSpec, ...]] = ()
    COUNTS: ClassVar[tuple[tuple[str, str, bool], ...]] = ()
    LAYOUTS: ClassVar[dict[Edition, tuple[FieldSpec, ...]]] = {}
    CLAUSE: ClassVar[str] = ""
    TRAILING_DEVIATION: ClassVar[str] = dev.BODY_TRAILING_BYTES
    CONSTRUCTS: ClassVar[dict[Edition, Any]] = {}

    def __post_init__(self) -> None:
        """Fill in counts that were left out."""
        for name, counted, always in self.COUNTS:
            if getattr(self, name) is None:
                length = len(getattr(self, counted) or ())
                if always or length:
                    object.__setattr__(self, name, length)

    @classmethod
    def construct(cls, edition: Edition) -> Any:
        """The construct of this structure in one edition."""
        con = cls.CONSTRUCTS.get(edition)
        if con is None:
            con = cls.CONSTRUCTS[edition] = _StructureCon(cls, edition)
        return con

    @classmethod
    def min_bytes(cls, edition: Edition) -> int:
        """Fewest bytes this structure takes in one edition."""
        return sum(spec.kind.min_bytes(edition) for spec in cls.LAYOUTS[edition] if spec.presence_in(edition) is None)

    @classmethod
    def offset_of(cls, name: str, edition: Edition) -> int:
        """Bytes before a field in one edition, when everything before it has its fewest bytes.

        Raises:
            KeyError: the edition has no such field.
        """
        offset = 0
        for spec in cls.LAYOUTS[edition]:
            if spec.name == name:
                return offset
            offset += spec.kind.min_bytes(edition) if spec.presence_in(edition) is None else 0
        raise KeyError(name)

    @classmethod
    def decode(
        cls,
        body: bytes,
        edition: Edition = Edition.V2013,
        deviations: list[str] | None = None,
        spans: list[Span] | None = None,
        base: int = 0,
        profile: Profile = AUTO,
    ) -> Self:
        """Read a whole body in the layout of one edition.

        Args:
            body: all bytes.
            edition: whose layout applies.
            deviations: receives the names of what was tolerated.
            spans: receives the rows of the annotated view.
            base: offset added to every offset.
            profile: how this kind of terminal reads what is open.

        Raises:
            BodyError: the bytes do not have this structure.
        """
        run = Run(edition, [] if deviations is None else deviations, spans, base, profile=profile)
        return cls.parse_whole(body, 0, edition, Scope(run, {}))

    @classmethod
    def parse_whole(cls, data: bytes, start: int, edition: Edition, scope: Scope) -> Self:
        """Read bytes that stand at `start` of the stream now read; what is left over becomes `trailing`."""
        run = scope.run
        value: Self
        value, rest = parse_inside(cls.construct(edition), data, start, scope)
        if not rest:
            return value
        run.note(cls.TRAILING_DEVIATION)
        if run.spans is not None:
            with run.inside("trailing"):
                at = run.base + start + len(data) - len(rest)
                run.spans.append(Span(run.where(), at, len(rest), rest, "多余字节", "trailing bytes", shorten(rest)))
        return dataclasses.replace(value, trailing=rest)

    def encode(self, edition: Edition = Edition.V2013, profile: Profile = AUTO) -> bytes:
        """Write the body in the layout of one edition.

        Raises:
            EncodeError: a value does not fit, is missing, or belongs to another edition.
        """
        return self.build_whole(edition, Scope(Run(edition, profile=profile), {}))

    def build_whole(self, edition: Edition, scope: Scope) -> bytes:
        """Write all fields and the trailing bytes."""
        return build_bytes(self.construct(edition), self, scope) + self.trailing

    def to_json(self) -> dict[str, object]:
        """The fields as JSON values, in the order of the declaration; `trailing` only when there is some."""
        fields: dict[str, object] = {}
        for spec in self.SPECS:
            value = getattr(self, spec.name)
            fields[spec.name] = None if value is None else spec.kind.json(value)
        if self.trailing:
            fields["trailing"] = self.trailing.hex()
        return fields


class Message(Structure):
    """Base of every body with a message id."""

    __slots__ = ()

    INFO: ClassVar[MessageName]
    DETECT: ClassVar[Callable[[bytes, Edition], Edition] | None] = None

    @classmethod
    def layout_edition(cls, body: bytes, header: Edition) -> Edition:
        """The edition whose layout a body has, given what its header says."""
        return header if cls.DETECT is None else cls.DETECT(body, header)


class _FieldCon(Guarded):
    """One field: presence, offset, deviations, span."""

    def __init__(self, spec: FieldSpec, edition: Edition) -> None:
        super().__init__(spec.kind.con(edition), f"{spec.term} {spec.english}")
        self.spec = spec
        self.presence = spec.presence_in(edition)
        self.lead = spec.kind.lead(edition)
        self.takes_none = isinstance(spec.kind, Number) and spec.kind.no_data is not None

    def read(self, stream: BytesIO, scope: Scope) -> Any:
        """Parse the field if it is there, else None."""
        spec = self.spec
        if self.presence is not None and not self.presence.reading(scope, stream):
            return None
        run = scope.run
        run.path.append(spec.name)
        start = stream.tell()
        value = super().read(stream, scope)
        if spec.valid is not None and value is not None and not spec.valid[0] <= value <= spec.valid[1]:
            run.note(dev.VALUE_OUT_OF_RANGE)
        if run.spans is not None and spec.kind.leaf:
            unit = "" if value is None else spec.unit
            text = spec.kind.text(value)
            run.span(stream, start + self.lead, spec.term, spec.english, value=text, unit=unit, clause=spec.clause)
        run.path.pop()
        return value

    def write(self, value: Any, stream: BytesIO, scope: Scope) -> None:
        """Build the field if it belongs there."""
        spec = self.spec
        run = scope.run
        run.path.append(spec.name)
        wanted = self.presence is None or self.presence.writing(scope, value)
        if wanted and value is None and not self.takes_none:
            if spec.counts is None:
                raise EncodeError(f"{run.where()} is needed in edition {run.edition}")
            value = len(scope[spec.counts] or ())
        if not wanted and value is not None:
            raise EncodeError(f"{run.where()} is only sent {self.presence}")
        if wanted:
            super().write(value, stream, scope)
        run.path.pop()


class _StructureCon(Wire):
    """All fields of a structure in one edition, in their order."""

    def __init__(self, cls: type[Structure], edition: Edition) -> None:
        super().__init__()
        layout = cls.LAYOUTS[edition]
        self.cls = cls
        self.edition = edition
        self.fields = tuple((spec.name, _FieldCon(spec, edition)) for spec in layout)
        self.leaves = tuple(spec for spec in layout if spec.kind.leaf)
        self.absent = tuple(spec.name for spec in cls.SPECS if spec not in layout)
        self.counts = tuple((spec.name, spec.counts, spec.wrong_count) for spec in layout if spec.wrong_count)

    def read(self, stream: BytesIO, scope: Scope) -> Structure:
        """Parse every field."""
        run = scope.run
        first = len(run.spans) if run.spans is not None else 0
        values: dict[str, Any] = {}
        inner = Scope(run, values, scope)
        for name, con in self.fields:
            values[name] = con.read(stream, inner)
        structure = self.cls(**values)
        for name, counted, deviation in self.counts:
            if counted is not None and values[name] != len(values[counted] or ()):
                run.note(deviation)
        if run.spans is not None:
            self._add_meanings(run, run.spans, first, structure)
        return structure

    def _add_meanings(self, run: Run, spans: list[Span], first: int, structure: Structure) -> None:
        """Say what codes mean, now that the whole structure is known (tables may depend on a later field)."""
        where = run.where()
        specs = {f"{where}.{spec.name}" if where else spec.name: spec for spec in self.leaves}
        for index in range(first, len(spans)):
            spec = specs.get(spans[index].path)
            if spec is not None:
                meaning = spec.kind.meaning(getattr(structure, spec.name), structure, self.edition)
                spans[index] = spans[index]._replace(meaning=meaning)

    def write(self, value: Structure, stream: BytesIO, scope: Scope) -> None:
        """Build every field."""
        if type(value) is not self.cls:
            raise EncodeError(f"{scope.run.where()}: {self.cls.__name__} wanted, {type(value).__name__} given")
        for name in self.absent:
            if getattr(value, name) not in (None, ()):
                raise EncodeError(f"{self.cls.__name__}.{name} does not exist in edition {self.edition}")
        values = {name: getattr(value, name) for name, _ in self.fields}
        inner = Scope(scope.run, values, scope)
        for name, con in self.fields:
            con.write(values[name], stream, inner)


@dataclasses.dataclass(frozen=True, slots=True)
class TlvItem:
    """An item of a list of id, length, value.

    Args:
        id: which item.
        raw: the value as bytes; it alone is written, so unknown items go out as they came.
        value: what it means, None when the id is unknown or the length fits no known form.
    """

    id: int
    raw: bytes
    value: Any = dataclasses.field(default=None, compare=False)

    ID_BYTES: ClassVar[int] = 1
    LENGTH_BYTES: ClassVar[int] = 1
    ID_TERM: ClassVar[str] = "ID"

    @classmethod
    def names(cls, item_id: int) -> tuple[str, str, str]:
        """Snake-case name, Chinese term and English name of an id; "" when unknown."""
        raise NotImplementedError

    @classmethod
    def read(cls, item_id: int, raw: bytes, at: int, scope: Scope) -> Self:
        """Make an item of received bytes that stand at `at` of the stream now read."""
        raise NotImplementedError

    def own_names(self) -> tuple[str, str, str]:
        """The names of this item, where they depend on its value."""
        return self.names(self.id)

    def to_json(self) -> dict[str, object]:
        """The item as a JSON object."""
        name, term, _ = self.own_names()
        value = self.value.to_json() if isinstance(self.value, Structure) else self.value
        fields: dict[str, object] = {
            "id": f"0x{self.id:0{2 * self.ID_BYTES}x}",
            "name": name or None,
            "term": term or None,
            "value": value,
            "raw": self.raw.hex(),
        }
        if isinstance(value, dict) and "trailing" in value:
            fields["trailing"] = value.pop("trailing")
        return fields


def try_whole(cls: type[Structure], raw: bytes, at: int, scope: Scope) -> Structure | None:
    """Read `raw` as a structure; None when it is not one, and nothing is noted then.

    Bytes left over count as "not one" unless the structure names a deviation of its own for them.
    """
    run = scope.run
    try:
        with run.attempt():
            value = cls.parse_whole(raw, at, run.edition, scope)
            if value.trailing and cls.TRAILING_DEVIATION == dev.BODY_TRAILING_BYTES:
                raise BodyError("bytes are left over", offset=run.base + at)
            return value
    except ProtocolError:
        return None
