"""Messages in a style that come out of the decoder as they went in."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from jtgate.codecs.declare import Message, Structure
from jtgate.codecs.edition import Edition
from jtgate.codecs.errors import EncodeError, ProtocolError
from jtgate.codecs.fields import FieldSpec
from jtgate.codecs.groups import Counted, Nested, Repeat, Tlv
from jtgate.codecs.header import BODY_BYTES_MAX
from jtgate.codecs.kinds import Kind, Raw, Text
from jtgate.codecs.profile import AUTO, Profile, profile_from
from jtgate.codecs.registry import decode_body
from jtgate.conformance.generate import chosen
from jtgate.conformance.generate.values import Place, Style, assemble, candidates, elements

State = dict[str, Any]
Path = tuple[str, ...]

#: Most elements or bytes that a list, text or raw field is given to fill a body.
GROWN_MAX = BODY_BYTES_MAX


def header_edition(edition: Edition) -> Edition:
    """The edition whose header a message of an edition has."""
    return edition if edition is Edition.V2019 else Edition.V2013


def profile_of(settings: Mapping[str, Any]) -> Profile:
    """The profile with some settings."""
    return profile_from("vector", settings) if settings else AUTO


@dataclass(frozen=True)
class Slot:
    """A field of a structure or of one nested in it."""

    path: Path
    owner: type[Structure]
    spec: FieldSpec

    def of(self, state: State) -> Any:
        """Its value."""
        for name in self.path[:-1]:
            state = state[name]
        return state.get(self.path[-1])

    def put(self, state: State, value: Any) -> State:
        """The state with another value here."""
        head, *rest = self.path
        if rest:
            value = Slot(tuple(rest), self.owner, self.spec).put(state[head], value)
        return {**state, head: value}

    def before(self, state: State) -> State:
        """The structure it belongs to."""
        for name in self.path[:-1]:
            state = state[name]
        return state


@dataclass
class Sample:
    """A structure in the making.

    Args:
        cls: its class.
        edition: whose layout applies.
        state: its fields; those of nested structures are states of their own.
        opens: whether a structure comes out of the decoder as it went in.
        left: fields that could not have a value of the style.
    """

    cls: type[Structure]
    edition: Edition
    opens: Callable[[Structure], bool]
    state: State = field(default_factory=dict)
    left: list[str] = field(default_factory=list)

    def build(self, state: State | None = None) -> Structure:
        """The structure.

        Raises:
            EncodeError: a field that has to be there is missing.
        """
        return _build(self.cls, self.edition, self.state if state is None else state)

    def accepts(self, state: State) -> bool:
        """Whether the structure of a state can be written and read."""
        try:
            return self.opens(self.build(state))
        except (EncodeError, ProtocolError):
            return False

    def slots(self) -> Iterator[Slot]:
        """Fields in the order of the wire, those of nested structures in their place."""
        yield from _slots(self.cls, self.edition, (), self.state)

    def fill(self) -> None:
        """Typical values; fields that may be missing are there if that can be read again."""
        body = chosen.body_of(self.cls.__name__, self.edition)
        if body is not None:
            known = self.cls.decode(body, self.edition)
            self.state = {spec.name: getattr(known, spec.name) for spec in self.cls.LAYOUTS[self.edition]}
        else:
            self.state = _first(self.cls, self.edition, optional=True)
            if self.accepts(self.state) or self._other_forms():
                return
            self.state = _first(self.cls, self.edition, optional=False)
            if not self.accepts(self.state):
                self._other_forms()
        for slot in list(self.slots()):
            if slot.of(self.state) is None:
                self._try(slot, Style.TYPICAL)
        if not self.accepts(self.state):
            raise AssertionError(f"{self.cls.__name__} {self.edition}: the typical sample is not read again")

    def _other_forms(self) -> bool:
        """Take another form of one field that has several, if the structure can be read so."""
        for slot in self.slots():
            for value in candidates(slot.spec.kind, Place(self.edition, Style.TYPICAL, slot.owner, slot.spec)):
                state = slot.put(self.state, value)
                if slot.of(self.state) is not None and self.accepts(state):
                    self.state = state
                    return True
        return False

    def restyle(self, style: Style) -> None:
        """Values of a style in place of typical ones: all at once if that can be read again, else one by one."""
        whole = self.state
        for slot in self.slots():
            whole = self._restyled(slot, style, whole)
        if self.accepts(whole):
            self.state = whole
            return
        for slot in list(self.slots()):
            self._try(slot, style)

    def _restyled(self, slot: Slot, style: Style, state: State) -> State:
        may_go = style is Style.MINIMUM and slot.spec.presence_in(self.edition) is not None
        if may_go and not chosen.is_there(slot.spec, self.edition, slot.before(state), optional=False):
            return slot.put(state, None)
        if slot.of(state) is None:
            return state
        place = Place(self.edition, style, slot.owner, slot.spec)
        return slot.put(state, next(candidates(slot.spec.kind, place), slot.of(state)))

    def _try(self, slot: Slot, style: Style) -> None:
        """Give one field a value of a style, if the structure can still be read."""
        place = Place(self.edition, style, slot.owner, slot.spec)
        found = list(candidates(slot.spec.kind, place))
        if style is Style.MINIMUM and slot.spec.presence_in(self.edition) is not None:
            found = [None, *found]
        for value in found:
            state = slot.put(self.state, value)
            if self.accepts(state):
                self.state = state
                return
        if found:
            self.left.append(".".join(slot.path))

    def grow(self) -> None:
        """Make lists, texts and raw bytes as long as body and counts allow, one after the other."""
        for slot in list(self.slots()):
            make = _growing(slot, self.edition)
            if make is None or slot.of(self.state) is None:
                continue
            low, high = 0, GROWN_MAX
            while low < high:
                middle = (low + high + 1) // 2
                if self.accepts(slot.put(self.state, make(middle))):
                    low = middle
                else:
                    high = middle - 1
            if low:
                self.state = slot.put(self.state, make(low))


def _growing(slot: Slot, edition: Edition) -> Callable[[int], Any] | None:
    """How to make a value of a size, for fields that can have any."""
    kind: Kind = slot.spec.kind
    place = Place(edition, Style.MAXIMUM, slot.owner, slot.spec)
    if isinstance(kind, Counted):
        kind = kind.inner
    if isinstance(kind, Repeat) and not isinstance(kind.counted_by, int):
        repeated = kind
        return lambda size: tuple(elements(repeated, place, size))
    if isinstance(kind, Tlv):
        items = tuple(next(candidates(kind, place)))
        return lambda size: items[:size]
    if isinstance(kind, Text) and kind.width is None:
        return lambda size: "Z" * size
    if isinstance(kind, Raw) and kind.width is None:
        return lambda size: b"\xff" * size
    return None


def _slots(cls: type[Structure], edition: Edition, path: Path, state: State) -> Iterator[Slot]:
    for spec in cls.LAYOUTS[edition]:
        if spec.counts is not None:
            continue
        inner = state.get(spec.name)
        if isinstance(spec.kind, Nested) and isinstance(inner, dict):
            yield from _slots(spec.kind.cls, edition, (*path, spec.name), inner)
        else:
            yield Slot((*path, spec.name), cls, spec)


def _first(cls: type[Structure], edition: Edition, *, optional: bool) -> State:
    """Typical values of all fields that have to be there."""
    state: State = {}
    for spec in cls.LAYOUTS[edition]:
        if spec.counts is not None:
            continue
        if not chosen.is_there(spec, edition, state, optional=optional):
            state[spec.name] = None
        elif isinstance(spec.kind, Nested) and type(spec.kind) is Nested:
            state[spec.name] = _first(spec.kind.cls, edition, optional=optional)
        else:
            state[spec.name] = next(candidates(spec.kind, Place(edition, Style.TYPICAL, cls, spec)), None)
    return state


def _build(cls: type[Structure], edition: Edition, state: State) -> Structure:
    values: dict[str, Any] = {}
    for spec in cls.LAYOUTS[edition]:
        if spec.counts is None:
            value: Any = state.get(spec.name)
            if isinstance(spec.kind, Nested) and isinstance(value, dict):
                value = _build(spec.kind.cls, edition, value)
            values[spec.name] = value
    return assemble(cls, edition, values)


def is_read_again(message: Message, edition: Edition, settings: Mapping[str, Any]) -> bool:
    """Whether a message fits a frame and is read as what was written."""
    profile = profile_of(settings)
    body = message.encode(edition, profile)
    if len(body) > BODY_BYTES_MAX:
        return False
    deviations: list[str] = []
    read = decode_body(message.INFO.msg_id, body, header_edition(edition), deviations, profile=profile)
    return not deviations and read == message and read.to_json() == message.to_json()


__all__ = ["Sample", "Slot", "Style", "Tlv", "header_edition", "is_read_again", "profile_of"]
