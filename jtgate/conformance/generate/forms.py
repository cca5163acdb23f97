"""Vectors of one form of a value inside of a message: an item, a parameter, a data block."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jtgate.codecs.declare import Structure
from jtgate.codecs.edition import Edition
from jtgate.codecs.framing import wrap
from jtgate.codecs.groups import OneOf
from jtgate.codecs.structures import Message
from jtgate.codecs.wire import Span
from jtgate.conformance.generate.records import payload, vector
from jtgate.conformance.generate.samples import Sample, is_read_again, profile_of
from jtgate.conformance.generate.values import Place, Style, structure
from jtgate.conformance.vectors import Vector

SERIAL = 258
_NOTES = {
    Style.TYPICAL: "Plausible values.",
    Style.MINIMUM: "The smallest values.",
    Style.MAXIMUM: "The largest values.",
    Style.ESCAPED: "7d and 7e among its bytes.",
}
#: Most truncated values of one form.
_CUTS_MAX = 30
#: Bytes of an item or parameter: the length is a BYTE.
VALUE_BYTES_MAX = 255


class FormVectors:
    """Makes the vectors of one form of a value.

    Args:
        cls: the form.
        name: at the front of the ids.
        edition: of the message around it.
        settings: that choose the form.
        around: the message with a value, or with bytes in its place.
        bytes_max: longest value.
    """

    def __init__(
        self,
        cls: type[Structure],
        name: str,
        edition: Edition,
        settings: Mapping[str, Any],
        around: Callable[[Structure | bytes], Message],
        bytes_max: int = VALUE_BYTES_MAX,
    ) -> None:
        self.cls = cls
        self.name = name
        self.edition = edition
        self.settings = settings
        self.around = around
        self.bytes_max = bytes_max
        self.sample = Sample(cls, edition, self._opens)

    def _opens(self, value: Structure) -> bool:
        size = len(value.encode(self.edition, profile_of(self.settings)))
        return size <= self.bytes_max and is_read_again(self.around(value), self.edition, self.settings)

    def all(self) -> Iterator[Vector]:
        """Every vector."""
        self.sample.fill()
        typical = dict(self.sample.state)
        for style in Style:
            self.sample.state, self.sample.left = dict(typical), []
            if style is not Style.TYPICAL:
                self.sample.restyle(style)
            if style is Style.MAXIMUM:
                self.sample.grow()
            yield self._good(str(style), _NOTES[style], self.sample.build())
        self.sample.state = typical
        yield from self._forms()
        raw = self.sample.build().encode(self.edition, profile_of(self.settings))
        yield from self._truncated(raw)
        yield self._bytes("surplus", "One byte more than the form has.", raw + b"\x00")

    def _forms(self) -> Iterator[Vector]:
        """One vector for each form of a part that has several."""
        for slot in list(self.sample.slots()):
            kind = slot.spec.kind
            if isinstance(kind, OneOf):
                for form in kind.forms[1:]:
                    place = Place(self.edition, Style.TYPICAL, slot.owner, slot.spec)
                    state = slot.put(self.sample.state, structure(form, place))
                    if self.sample.accepts(state):
                        size = form.min_bytes(self.edition)
                        note = f"{slot.spec.term} of {size} bytes ({form.__name__})."
                        yield self._good(f"{slot.spec.name}-{size}", note, self.sample.build(state))

    def _truncated(self, raw: bytes) -> Iterator[Vector]:
        """The value cut where each field begins: not of this form any more, and kept."""
        spans: list[Span] = []
        self.cls.decode(raw, self.edition, [], spans, profile=profile_of(self.settings))
        for span in sorted({span.offset: span for span in spans}.values(), key=lambda span: span.offset)[:_CUTS_MAX]:
            note = f"The value ends before {span.path}, after {span.offset} of {len(raw)} bytes."
            yield self._bytes(f"cut-{span.offset}", note, raw[: span.offset])

    def _good(self, suffix: str, note: str, value: Structure) -> Vector:
        """A value that is read as what was written."""
        message = self.around(value)
        body = message.encode(self.edition, profile_of(self.settings))
        made = self._vector(suffix, note, body, canonical=True)
        if made.deviations or made.expect[0].get("body") != message.to_json():
            raise AssertionError(f"{made.id}: {made.expect} came, {made.deviations}")
        return made

    def _bytes(self, suffix: str, note: str, raw: bytes) -> Vector:
        return self._vector(suffix, note, self.around(raw).encode(self.edition, profile_of(self.settings)))

    def _vector(self, suffix: str, note: str, body: bytes, *, canonical: bool = False) -> Vector:
        msg_id = self.around(b"").INFO.msg_id
        return vector(
            f"{self.name}-{suffix}",
            self.cls.CLAUSE,
            note,
            [wrap(payload(msg_id, body, self.edition, SERIAL))],
            edition=str(self.edition),
            canonical=canonical,
            settings=self.settings,
        )
