"""Structures: what every declared message, group and item can do, and how its fields are read and written."""

import dataclasses
import types
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from typing import Any, ClassVar, Self, dataclass_transform

from jtgate.codecs import deviations as dev
from jtgate.codecs import jsonvalues
from jtgate.codecs.catalogue import MessageName
from jtgate.codecs.edition import Edition
from jtgate.codecs.errors import BodyError, EncodeError, ProtocolError, in_field
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
from jtgate.codecs.readings import from_standard_datum, places_of, to_standard_datum
from jtgate.codecs.tables import nearest
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
    def order_of(cls, profile: Profile) -> tuple[str, ...] | None:  # noqa: ARG003
        """Names of the fields as one kind of terminal orders them; None: as they are declared."""
        return None

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

    @classmethod
    def from_json(cls, value: object) -> Self:
        """The structure that `to_json` shows; fields that may be missing and are become what they are by default.

        Args:
            value: field -> value, as JSON has it or as a person would type it, see `Kind.from_json`.

        Raises:
            EncodeError: a field is unknown, missing or cannot have its value; `field` is its path.
        """
        if not isinstance(value, Mapping):
            raise EncodeError(f"{jsonvalues.shown(value)} is no object with fields")
        specs = {spec.name: spec for spec in cls.SPECS}
        for name in value:
            if name not in specs and name != "trailing":
                has = f"; there is {', '.join(specs)}" if specs else "; there are no fields"
                raise EncodeError(f"there is no such field{nearest(str(name), specs) or has}", str(name))
        fields: dict[str, Any] = {}
        # Last those whose words can only be looked up when the other fields are known.
        for name, spec in sorted(specs.items(), key=lambda pair: _needs_owner(pair[1])):
            if name in value:
                with in_field(name):
                    fields[name] = _field_from_json(spec, value[name], fields)
        if "trailing" in value:
            with in_field("trailing"):
                fields["trailing"] = jsonvalues.hex_bytes(value["trailing"])
        needed = [field.name for field in dataclasses.fields(cls) if field.default is dataclasses.MISSING]
        missing = [name for name in needed if name not in fields]
        if missing:
            raise EncodeError("is needed" if len(missing) == 1 else "are needed", ", ".join(missing))
        return cls(**fields)


def _needs_owner(spec: FieldSpec) -> bool:
    return isinstance(spec.kind, Number) and callable(spec.kind.table)


def _field_from_json(spec: FieldSpec, value: object, known: Mapping[str, Any]) -> Any:
    """The value of one field; `known` are the fields read before."""
    if value is None and (spec.optional or spec.counts is not None):
        return None
    if isinstance(spec.kind, Number) and _needs_owner(spec):
        return spec.kind.from_json(value, types.SimpleNamespace(**known))
    return spec.kind.from_json(value)


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

    def __init__(self, spec: FieldSpec, edition: Edition, clause: str) -> None:
        super().__init__(spec.kind.con(edition), f"{spec.term} {spec.english}", spec.possible(edition))
        self.spec = spec
        self.clause = spec.clause or clause
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
        first = len(run.spans or ())
        value = super().read(stream, scope)
        if spec.valid is not None and value is not None and not spec.valid[0] <= value <= spec.valid[1]:
            run.note(dev.VALUE_OUT_OF_RANGE)
        if run.spans is not None and spec.kind.leaf:
            unit = "" if value is None else spec.unit
            text = spec.kind.text(value)
            run.span(stream, start + self.lead, spec.term, spec.english, value=text, unit=unit, clause=self.clause)
        if run.spans is not None:
            for index in range(first, len(run.spans)):
                if not run.spans[index].clause:  # of a length, an id
                    run.spans[index] = run.spans[index]._replace(clause=self.clause)
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
        self.fields = tuple((spec.name, _FieldCon(spec, edition, cls.CLAUSE)) for spec in layout)
        self.leaves = tuple(spec for spec in layout if spec.kind.leaf)
        self.absent = tuple(spec.name for spec in cls.SPECS if spec not in layout)
        self.places = places_of(layout)
        self.counts = tuple(
            (spec.name, spec.counts, spec.wrong_count_in(edition)) for spec in layout if spec.wrong_count is not None
        )

    def read(self, stream: BytesIO, scope: Scope) -> Structure:
        """Parse every field."""
        run = scope.run
        first = len(run.spans) if run.spans is not None else 0
        values: dict[str, Any] = {}
        inner = Scope(run, values, scope)
        for name, con in self._fields_of(run.profile):
            values[name] = con.read(stream, inner)
        if self.places and run.profile.datum == "gcj02":
            to_standard_datum(values, self.places)
        structure = self.cls(**values)
        for name, counted, deviation in self.counts:
            if counted is not None and values[name] not in (None, len(values[counted] or ())):
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
                value = getattr(structure, spec.name)
                meaning = spec.kind.meaning_for(value, structure, self.edition, run.profile)
                spans[index] = spans[index]._replace(meaning=meaning)

    def write(self, value: Structure, stream: BytesIO, scope: Scope) -> None:
        """Build every field."""
        if type(value) is not self.cls:
            raise EncodeError(f"{scope.run.where()}: {self.cls.__name__} wanted, {type(value).__name__} given")
        for name in self.absent:
            if getattr(value, name) not in (None, ()):
                raise EncodeError(f"{self.cls.__name__}.{name} does not exist in edition {self.edition}")
        profile = scope.run.profile
        values = {name: getattr(value, name) for name, _ in self.fields}
        if self.places and profile.datum == "gcj02":
            from_standard_datum(values, self.places)
        inner = Scope(scope.run, values, scope)
        for name, con in self._fields_of(profile):
            con.write(values[name], stream, inner)

    def _fields_of(self, profile: Profile) -> "Sequence[tuple[str, _FieldCon]]":
        """The fields in the order in which this kind of terminal sends them."""
        names = None if profile is AUTO else self.cls.order_of(profile)
        return self.fields if names is None else [(name, dict(self.fields)[name]) for name in names]


#: What an item has in JSON.
ITEM_KEYS = ("id", "name", "term", "value", "raw", "trailing")


@dataclasses.dataclass(frozen=True, slots=True)
class TlvItem:
    """An item of a list of id, length, value.

    Args:
        id: which item.
        raw: the value as bytes; what is there is written, so unknown items go out as they came.
        value: what it means, None when the id is unknown or the length fits no known form. A structure beside
            empty `raw` is written in the edition and profile of the message.
        announced: the length on the wire where it is not that of `raw`, else None.
    """

    id: int
    raw: bytes
    value: Any = dataclasses.field(default=None, compare=False)
    announced: int | None = None

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

    @classmethod
    def widths(cls, profile: Profile) -> tuple[int, int]:  # noqa: ARG003
        """Bytes of id and length as one kind of terminal sends them."""
        return cls.ID_BYTES, cls.LENGTH_BYTES

    @classmethod
    def one_too_long(cls, data: bytes) -> frozenset[int]:  # noqa: ARG003
        """Where items stand in a whole list whose length is one too large; nowhere unless a list knows better."""
        return frozenset()

    def own_names(self) -> tuple[str, str, str]:
        """The names of this item, where they depend on its value."""
        return self.names(self.id)

    def payload(self, scope: Scope) -> bytes:
        """The bytes to write: `raw`, or where that is empty the value in the edition and profile of the run."""
        if self.raw or not isinstance(self.value, Structure):
            return self.raw
        return self.value.build_whole(scope.run.edition, scope)

    @classmethod
    def from_json(cls, value: object) -> Self:
        """The item that `to_json` shows: {"id" or "name", and "value" or "raw"}; raw wins.

        A value that is an object may stand in place of "value": {"id": "0x01", "mileage_km": 1.5}.

        Raises:
            EncodeError: it is no item, or what it names is unknown.
        """
        if not isinstance(value, Mapping):
            raise EncodeError(f"{jsonvalues.shown(value)} is no item; give an object with id and value, or id and raw")
        fields = {key: item for key, item in value.items() if key not in ITEM_KEYS}
        name = value.get("name")
        item_id: int | None = None
        if value.get("id") is not None:
            with in_field("id"):
                item_id = jsonvalues.whole(value["id"])
                if not 0 <= item_id < 1 << 8 * cls.ID_BYTES:
                    raise EncodeError(f"0x{item_id:x} does not fit {cls.ID_BYTES} bytes")
        if value.get("raw") is not None:
            if item_id is None:
                raise EncodeError("is needed beside raw", "id")
            with in_field("raw"):
                return cls(item_id, jsonvalues.hex_bytes(value["raw"]))
        meant = value.get("value")
        if meant is None and fields:
            meant = fields
        elif fields:
            raise EncodeError("an item has id, name, value, raw", next(iter(fields)))
        if value.get("trailing") is not None and isinstance(meant, Mapping):
            meant = {**meant, "trailing": value["trailing"]}
        return cls.of_value(item_id, name if isinstance(name, str) else None, meant)

    @classmethod
    def of_value(cls, item_id: int | None, name: str | None, value: object) -> Self:  # noqa: ARG003
        """The item of an id or a name (or both, or neither where the fields tell) with a value from JSON.

        Raises:
            EncodeError: the value does not fit, or there is nothing of that id or name.
        """
        raise EncodeError("is needed; the value of such an item is not known", "raw")

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
