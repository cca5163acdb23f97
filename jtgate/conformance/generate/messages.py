"""Vectors of every declared message in every edition that has it."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from jtgate.codecs.declare import Message, Structure
from jtgate.codecs.edition import ALL_EDITIONS, Edition
from jtgate.codecs.errors import EncodeError, ProtocolError
from jtgate.codecs.framing import check_byte, wrap
from jtgate.codecs.groups import Tlv
from jtgate.codecs.header import BODY_BYTES_MAX
from jtgate.codecs.items import LocationItem
from jtgate.codecs.jt808.parameters import Parameter
from jtgate.codecs.registry import body_edition, decode_body
from jtgate.codecs.wire import Span
from jtgate.conformance.generate import chosen, extra
from jtgate.conformance.generate.records import bad_check, payload, shown, shown_header, vector
from jtgate.conformance.generate.samples import Sample, header_edition, is_read_again, profile_of
from jtgate.conformance.generate.values import Style
from jtgate.conformance.vectors import Vector

#: Serial and phone by style; that of escaped frames is searched.
SERIALS = {Style.TYPICAL: 258, Style.MINIMUM: 0, Style.MAXIMUM: 0xFFFF}
PHONES = {Style.MINIMUM: "1", Style.MAXIMUM: "9" * 12}

_NOTES = {
    Style.TYPICAL: "Plausible values.",
    Style.MINIMUM: "The smallest values, empty texts and lists, nothing that may be missing.",
    Style.MAXIMUM: "The largest values; texts and lists as long as they can be in one frame.",
    Style.ESCAPED: "7d and 7e in the body, the serial and the check byte.",
}
#: Bytes that no field asks for.
_SURPLUS = b"\xee\xff"
#: Ids of nobody, and a value for them.
_UNKNOWN_ITEM = LocationItem(0xD7, bytes.fromhex("0badcafe"))
_UNKNOWN_PARAMETER = Parameter(0xFE01, bytes.fromhex("0badcafe"))
#: Most truncated frames of one sample.
_CUTS_MAX = 40


def editions_of(cls: type[Message]) -> tuple[Edition, ...]:
    """The editions that have a message."""
    return cls.INFO.editions or ALL_EDITIONS


def vectors_of(cls: type[Message]) -> list[Vector]:
    """All vectors of a message; those that two editions share stand once."""
    found: dict[tuple[object, ...], Vector] = {}
    for edition in editions_of(cls):
        for one in _Maker(cls, edition).all():
            key = (one.chunks, repr(sorted(one.settings.items())))
            if key in found:
                earlier = found[key]
                if str(edition) not in earlier.edition.split("/"):
                    found[key] = dataclasses.replace(earlier, edition=f"{earlier.edition}/{edition}")
            else:
                found[key] = one
    return list(found.values())


class _Maker:
    """Makes the vectors of one message in one edition."""

    def __init__(self, cls: type[Message], edition: Edition) -> None:
        self.cls = cls
        self.edition = edition
        self.settings: Mapping[str, Any] = {}
        self.msg_id = cls.INFO.msg_id
        self.typical = self._typical()

    def _typical(self) -> Sample:
        """The typical sample; where its bytes do not say which edition it is, the settings do."""
        wrong: Exception | None = None
        for settings in ({}, {"edition": str(self.edition)}):
            sample = Sample(
                self.cls,
                self.edition,
                lambda message, settings=settings: is_read_again(message, self.edition, settings),  # type: ignore[misc]
            )
            try:
                sample.fill()
            except (AssertionError, ProtocolError, EncodeError, ValueError) as error:
                wrong = error
            else:
                self.settings = settings
                return sample
        raise AssertionError(f"0x{self.cls.INFO.msg_id:04x} {self.edition}: no typical sample is read again") from wrong

    def all(self) -> Iterator[Vector]:
        """Every vector."""
        for style in Style:
            sample = Sample(self.cls, self.edition, self.typical.opens, dict(self.typical.state))
            if style is not Style.TYPICAL:
                sample.restyle(style)
            if style is Style.MAXIMUM:
                sample.grow()
            yield self._good(str(style), _note(style, sample), sample.build(), style)
        for suffix, note, fields in extra.of(self.msg_id, self.edition):
            yield self._good(suffix, note, self._changed(fields), Style.TYPICAL)
        body = self._body(self.typical.build())
        yield from self._truncated(body)
        yield self._wire("checksum", "The check byte is wrong.", bad_check(self._payload(body)))
        yield from self._unknown_items()
        yield from self._surplus(body)

    def _id(self, suffix: str) -> str:
        return f"0x{self.msg_id:04x}-{self.edition}-{suffix}"

    def _body(self, message: Structure) -> bytes:
        return message.encode(self.edition, profile_of(self.settings))

    def _payload(self, body: bytes, serial: int = SERIALS[Style.TYPICAL], phone: str = chosen.PHONE) -> bytes:
        return payload(self.msg_id, body, self.edition, serial, phone)

    def _changed(self, fields: Mapping[str, Any]) -> Structure:
        """The typical message with other fields."""
        known = self.typical.build().to_json()
        counts = {spec.name for spec in self.cls.SPECS if spec.counts}
        given = {name: value for name, value in known.items() if name not in counts}
        there = {spec.name for spec in self.cls.LAYOUTS[self.edition]}
        made = self.cls.from_json({**given, **{name: value for name, value in fields.items() if name in there}})
        # Read once more, because an item that is made of JSON carries its bytes or its value, not both.
        return self.cls.decode(self._body(made), self.edition, profile=profile_of(self.settings))

    def _good(self, suffix: str, note: str, message: Structure, style: Style) -> Vector:
        """A message that is read as what was written."""
        body = self._body(message)
        serial, phone = SERIALS.get(style, 0), PHONES.get(style, chosen.PHONE)
        if style is Style.ESCAPED:
            serial = self._escaped_serial(body)
        wire = wrap(self._payload(body, serial, phone))
        layout = body_edition(self.msg_id, body, header_edition(self.edition), profile_of(self.settings))
        expected = shown(
            self.cls.INFO,
            str(layout if layout is Edition.V2011 else header_edition(self.edition)),
            shown_header(self.msg_id, body, self.edition, serial, phone),
            message.to_json(),
        )
        return vector(
            self._id(suffix),
            self.cls.CLAUSE,
            note,
            [wire],
            expect=[expected],
            edition=str(self.edition),
            canonical=True,
            settings=self.settings,
        )

    def _escaped_serial(self, body: bytes) -> int:
        """A serial beginning with 7d that makes the check byte 7e."""
        return next(serial for serial in range(0x7D00, 0x7E00) if check_byte(self._payload(body, serial)) == 0x7E)

    def _wire(self, suffix: str, note: str, wire: bytes) -> Vector:
        """Bytes of which the decoder says what they are."""
        return vector(
            self._id(suffix), self.cls.CLAUSE, note, [wire], edition=str(self.edition), settings=self.settings
        )

    def _truncated(self, body: bytes) -> Iterator[Vector]:
        """The body cut where each field begins, and before its last byte."""
        spans: list[Span] = []
        decode_body(self.msg_id, body, header_edition(self.edition), [], spans, profile=profile_of(self.settings))
        starts: dict[int, str] = {}
        for span in spans:
            starts.setdefault(span.offset, span.path)
        if body:
            starts.setdefault(len(body) - 1, "the last byte")
        for at in sorted(starts)[:_CUTS_MAX]:
            if at < len(body):
                note = f"The body ends before {starts[at]}, after {at} of {len(body)} bytes."
                yield self._wire(f"cut-{at}", note, wrap(self._payload(body[:at])))

    def _surplus(self, body: bytes) -> Iterator[Vector]:
        """Bytes behind the last field, where the decoder can tell that they are."""
        if len(body) + len(_SURPLUS) > BODY_BYTES_MAX:
            return
        try:
            message = decode_body(
                self.msg_id, body + _SURPLUS, header_edition(self.edition), [], profile=profile_of(self.settings)
            )
        except ProtocolError:
            message = None
        if not isinstance(message, Message) or message.trailing:
            yield self._wire("surplus", "Two bytes follow the last field.", wrap(self._payload(body + _SURPLUS)))

    def _unknown_items(self) -> Iterator[Vector]:
        """Lists of items with one of an unknown id among them, and one whose length is none of its forms."""
        for slot in self.typical.slots():
            if not isinstance(slot.spec.kind, Tlv):
                continue
            known = tuple(slot.of(self.typical.state) or ())
            unknown: Any = _UNKNOWN_PARAMETER if slot.spec.kind.item is Parameter else _UNKNOWN_ITEM
            state = slot.put(self.typical.state, (*known[:1], unknown, *known[1:]))
            yield self._good("unknown", "An item of an unknown id is kept.", self.typical.build(state), Style.TYPICAL)


def _note(style: Style, sample: Sample) -> str:
    left = f" Not {', '.join(sample.left)}: the message would be another one." if sample.left else ""
    return _NOTES[style] + left
