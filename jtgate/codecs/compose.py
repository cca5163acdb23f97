"""Frames from names and values: the way back from what `describe` prints.

    compose("text_message", {"flags": 8, "text": "测试"}, phone="13800138000").frames
    recompose({"header": {"msg_id": "0x0002", "phone": "013800138000", "serial": 1}, "body": {}})

What is written is read again at once; what a receiver would see otherwise, or note as a deviation, is said in
`remarks`: nothing is refused because a standard forbids it, so that wrong messages can be made on purpose.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Self

from jtgate.codecs import deviations as dev
from jtgate.codecs import header as wire_header
from jtgate.codecs import jsonvalues
from jtgate.codecs.catalogue import CATALOGUE
from jtgate.codecs.deviations import DEVIATIONS
from jtgate.codecs.edition import Edition
from jtgate.codecs.errors import BodyError, EncodeError, in_field
from jtgate.codecs.framing import wrap
from jtgate.codecs.header import BODY_BYTES_MAX, PART_BYTES, build_header, encode_frames
from jtgate.codecs.profile import AUTO, Profile
from jtgate.codecs.registry import UnknownMessage, decode_body, encode_body, message_class
from jtgate.codecs.structures import Message
from jtgate.codecs.tables import is_called, nearest

#: Deviations whose bytes JSON does not carry: what had them is written the way the standard wants it.
LOST_IN_JSON = frozenset(
    {
        wire_header.DEV_VERSION_BIT_SET,
        wire_header.DEV_VERSION_BIT_MISSING,
        wire_header.DEV_PART_BIT_WRONG,
        wire_header.DEV_LENGTH_MISMATCH,
        dev.TEXT_UTF8,
        dev.TEXT_GBK,
        dev.TEXT_NOT_GBK,
        dev.TEXT_PADDING,
        dev.TEXT_FULL_WIDTH,
        dev.TEXT_TOO_LONG,
        dev.TEXT_NOT_UTF16,
        dev.CONTROL_BINARY_NUMBER,
        dev.LOCATION_SIGNED_COORDINATE,  # two's complement under a hemisphere bit, and minus zero
        dev.BATCH_ITEM_OVERRUN,
        dev.ITEM_ONE_BYTE_MORE,
    }
)

#: Sub-packaged messages whose parts `recompose_all` remembers, to know that their whole needs no second writing.
PARTS_REMEMBERED = 4096
#: Values that are read otherwise, told in the remarks of one message.
DIFFERENCES_MAX = 5


class Composed(NamedTuple):
    """What was asked for, on the wire.

    Args:
        msg_id: 消息ID.
        body: the whole body.
        frames: complete frames with flags, one for each part.
        remarks: sentences on what the receiver will read otherwise or note as a deviation.
    """

    msg_id: int
    body: bytes
    frames: list[bytes]
    remarks: tuple[str, ...] = ()


def find_message(which: int | str) -> int:
    """The id that an id ("0x8300", "8300"), an English name or a Chinese term means.

    Raises:
        LookupError: none, or several; the text says what to do.
    """
    if isinstance(which, int):
        if not 0 <= which <= 0xFFFF:
            raise LookupError(f"{which} is no message id; possible is 0 to 0xffff")
        return which
    named = [row for row in CATALOGUE.values() if is_called(which.replace("-", "_"), row.term, row.name)]
    if len(named) == 1:
        return named[0].msg_id
    if named:
        ids = " and ".join(f"0x{row.msg_id:04x} {row.name}" for row in named)
        raise LookupError(f"{which!r} is the name of {ids}; give the id")
    digits = which.lower().removeprefix("0x")
    if 1 <= len(digits) <= 4 and (len(digits) == 4 or which[:2].lower() == "0x"):
        try:
            return int(digits, 16)
        except ValueError:
            pass
    within = [row.name for row in CATALOGUE.values() if which and (which.lower() in row.name or which in row.term)]
    close = f"; did you mean {' or '.join(within[:3])}?" if within else ""
    names = [row.name for row in CATALOGUE.values()]
    hint = close or nearest(which.replace("-", "_"), names) or "; give an id as 0x0200, or a name as location_report"
    raise LookupError(f"no message is called {which!r}{hint}")


def message_from_json(msg_id: int, fields: Mapping[str, object]) -> Message | UnknownMessage:
    """A message from its fields in JSON; {"raw": hex} is a body as it is, and all there is of undeclared ids.

    Raises:
        EncodeError: a field is unknown, missing or wrong.
    """
    cls = message_class(msg_id)
    if set(fields) == {"raw"} and (cls is None or all(spec.name != "raw" for spec in cls.SPECS)):
        with in_field("raw"):
            return UnknownMessage(msg_id, jsonvalues.hex_bytes(fields["raw"]))
    if cls is None:
        raise EncodeError(f"0x{msg_id:04x} has no fields here; give its body as raw=HEX")
    return cls.from_json(fields)


def compose(
    which: int | str,
    fields: Mapping[str, object],
    *,
    edition: Edition = Edition.V2013,
    phone: str = "0",
    serial: int = 0,
    profile: Profile = AUTO,
    part_bytes: int = PART_BYTES,
) -> Composed:
    """Build the frames of a message.

    Args:
        which: id, English name or Chinese term, see `find_message`.
        fields: of the body, see `message_from_json`.
        edition: of header and body; a profile may name another one for the body.
        phone: 终端手机号, padded on the left.
        serial: of the first frame.
        profile: of the terminal that is to read or said to have written it.
        part_bytes: body bytes per part.

    Raises:
        LookupError: there is no such message.
        EncodeError: a field is unknown, missing or wrong.
    """
    msg_id = find_message(which)
    layout = profile.forced_edition or edition
    body, remarks = _body(msg_id, fields, layout, edition, profile)
    frames = encode_frames(msg_id, body, phone=phone, serial=serial, edition=edition, part_bytes=part_bytes)
    return Composed(msg_id, body, frames, remarks)


def recompose(described: Mapping[str, Any], *, profile: Profile = AUTO, part_bytes: int = PART_BYTES) -> Composed:
    """Build the frames of an object as `jtgate decode --json` prints it (design section 5).

    Args:
        described: needs `message` or `header.msg_id`; the rest has defaults.
        profile: as in `compose`.
        part_bytes: body bytes per part, for a message joined from its parts or too long for a frame.

    Raises:
        LookupError: there is no such message.
        EncodeError: something is missing or wrong, or it is a bad frame, whose bytes JSON does not have.
    """
    if described.get("header") is None and described.get("error") is not None:
        raise EncodeError("a bad frame cannot be built again: its bytes are not in the JSON")
    head, deviations = _Head.of(described), _deviations(described)
    given = _mapping(described.get("body") or {}, "body")
    remarks: tuple[str, ...] = ()
    if set(given) == {"part"}:
        with in_field("body.part"):
            body = jsonvalues.hex_bytes(given["part"])
    else:
        if head.encryption and set(given) != {"raw"} and dev.ENCRYPTION_BITS_IGNORED not in deviations:
            raise EncodeError(
                "the body is to be encrypted, which takes a key; with 0 it is written as it is", "header.encryption"
            )
        with in_field("body"):
            body, remarks = _body(head.msg_id, given, head.layout, head.edition, profile, deviations)
    remarks = (*(_lost(name) for name in deviations if name in LOST_IN_JSON), *remarks)
    if head.packet_no is None and (head.packet_total is not None or len(body) > BODY_BYTES_MAX):
        return Composed(head.msg_id, body, head.split(body, part_bytes), remarks)
    return Composed(head.msg_id, body, [head.frame(body)], remarks)


def recompose_all(
    described: Iterable[Mapping[str, Any]], *, profile: Profile = AUTO, part_bytes: int = PART_BYTES
) -> Iterator[Composed | EncodeError | LookupError]:
    """`recompose` of each object; nothing for a message joined from parts that stand before it.

    Yields:
        For each object its frames, or what is wrong with it.
    """
    parts: dict[tuple[object, ...], None] = {}
    for one in described:
        header = one.get("header")
        if isinstance(header, Mapping) and header.get("packet_total") not in (None, 1):
            key = tuple(str(header.get(name)) for name in ("phone", "msg_id", "packet_total"))
            if header.get("packet_no") is not None:
                parts[key] = None
                if len(parts) > PARTS_REMEMBERED:
                    del parts[next(iter(parts))]
            elif key in parts:
                del parts[key]
                continue
        try:
            yield recompose(one, profile=profile, part_bytes=part_bytes)
        except (EncodeError, LookupError) as error:
            yield error


# --------------------------------------------------------------------------------------------------- body


def _body(
    msg_id: int,
    fields: Mapping[str, object],
    layout: Edition,
    header: Edition,
    profile: Profile,
    expected: Collection[str] = (),
) -> tuple[bytes, tuple[str, ...]]:
    """The body, and what its receiver will remark.

    Args:
        msg_id: 消息ID.
        fields: of the body.
        layout: edition to write.
        header: edition of the header it goes under.
        profile: of the terminal.
        expected: deviations that are no news.
    """
    message = message_from_json(msg_id, fields)
    body = encode_body(message, layout, profile)
    if isinstance(message, UnknownMessage):
        return body, ()
    deviations: list[str] = []
    try:
        read = decode_body(msg_id, body, header, deviations, profile=profile)
    except BodyError as error:
        return body, (f"a receiver cannot read it: {error.field}: {error.message}",)
    shown = read.to_json()
    _refuse_contradictions(fields, shown, "")
    different = list(_differences(message.to_json(), shown, ""))
    more = [f"… and {len(different) - DIFFERENCES_MAX} more"] if len(different) > DIFFERENCES_MAX else []
    noted = [f"{name}: {DEVIATIONS.get(name, '')}" for name in deviations if name not in expected]
    return body, (*noted, *different[:DIFFERENCES_MAX], *more)


def _lost(name: str) -> str:
    return f"{name}: its bytes are not in the JSON, it is written the usual way"


def _refuse_contradictions(given: object, read: object, path: str) -> None:
    """Refuse an item whose value is another one than its raw bytes mean: somebody changed one of them."""
    if isinstance(given, Mapping) and isinstance(read, Mapping):
        both = given.get("raw") is not None and given.get("value") is not None
        if both and "value" in read and read["value"] != given["value"]:
            raise EncodeError("value and raw say different things; leave out the one that is old", path)
        for name, value in given.items():
            _refuse_contradictions(value, read.get(name), f"{path}.{name}" if path else name)
    elif isinstance(given, list) and isinstance(read, list):
        for index, (one, other) in enumerate(zip(given, read, strict=False)):
            _refuse_contradictions(one, other, f"{path}[{index}]")


def _differences(sent: object, read: object, path: str) -> Iterator[str]:
    """Sentences on the values that come out otherwise than they went in, rounded for example."""
    if isinstance(sent, Mapping) and isinstance(read, Mapping):
        for name, value in sent.items():
            if name != "raw" and not (name == "value" and value is None):
                yield from _differences(value, read.get(name), f"{path}.{name}" if path else name)
    elif isinstance(sent, list) and isinstance(read, list) and len(sent) == len(read):
        for index, (one, other) in enumerate(zip(sent, read, strict=True)):
            yield from _differences(one, other, f"{path}[{index}]")
    elif sent != read and sent is not None:
        yield f"{path}: {jsonvalues.shown(sent)} is read as {jsonvalues.shown(read)}"


# ------------------------------------------------------------------------------------------------- header


def _mapping(value: object, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise EncodeError(f"{jsonvalues.shown(value)} is no object with fields", name)
    return value


def _deviations(described: Mapping[str, Any]) -> Sequence[str]:
    names = described.get("deviations") or ()
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise EncodeError(f"{jsonvalues.shown(names)} is no list of names", "deviations")
    return names


def _edition(value: object) -> Edition:
    try:
        return Edition(str(value))
    except ValueError:
        raise EncodeError(f"{jsonvalues.shown(value)} is not one of {', '.join(Edition)}", "edition") from None


#: Largest value of the numbers of a header.
_HEADER_LIMITS = {
    "serial": 0xFFFF,
    "encryption": 7,
    "packet_total": 0xFFFF,
    "packet_no": 0xFFFF,
    "protocol_version": 0xFF,
}


class _Head(NamedTuple):
    """What a header needs, from a described frame; `layout` is the edition of the body."""

    msg_id: int
    phone: str
    edition: Edition
    layout: Edition
    serial: int
    encryption: int
    packet_total: int | None
    packet_no: int | None
    protocol_version: int

    @classmethod
    def of(cls, described: Mapping[str, Any]) -> Self:
        header = _mapping(described.get("header") or {}, "header")
        which = header.get("msg_id") or described.get("message")
        if which is None:
            raise EncodeError("is needed, or message", "header.msg_id")
        if not isinstance(which, int | str):
            raise EncodeError(f"{jsonvalues.shown(which)} is neither an id nor a name", "header.msg_id")
        phone = str(header.get("phone", "0"))
        layout = _edition(described.get("edition", Edition.V2013))
        # The edition that is told may be that of the body; the header of 2019 has the longer phone.
        edition = Edition.V2019 if len(phone) > 2 * Edition.V2013.phone_bytes else layout
        deviations = _deviations(described)
        if dev.BODY_OLD_LAYOUT in deviations and layout is Edition.V2019:
            layout = Edition.V2013
        elif dev.BODY_NEW_LAYOUT in deviations:
            edition, layout = layout, Edition.V2019
        numbers = {name: _header_number(header, name, limit) for name, limit in _HEADER_LIMITS.items()}
        version = numbers["protocol_version"]
        return cls(
            find_message(which),
            phone,
            edition,
            layout,
            numbers["serial"] or 0,
            numbers["encryption"] or 0,
            numbers["packet_total"],
            numbers["packet_no"],
            1 if version is None else version,
        )

    def frame(self, body: bytes) -> bytes:
        """One frame, a part if the numbers say so."""
        return wrap(
            build_header(
                self.msg_id,
                len(body),
                phone=self.phone,
                serial=self.serial,
                edition=self.edition,
                protocol_version=self.protocol_version,
                encryption=self.encryption,
                packet_total=self.packet_total,
                packet_no=self.packet_no,
            )
            + body
        )

    def split(self, body: bytes, part_bytes: int) -> list[bytes]:
        """The parts of a long message."""
        return encode_frames(
            self.msg_id,
            body,
            phone=self.phone,
            serial=self.serial,
            edition=self.edition,
            protocol_version=self.protocol_version,
            part_bytes=part_bytes,
        )


def _header_number(header: Mapping[str, object], name: str, limit: int) -> int | None:
    if header.get(name) is None:
        return None
    with in_field(f"header.{name}"):
        number = jsonvalues.whole(header[name])
        if not 0 <= number <= limit:
            raise EncodeError(f"{number} is not between 0 and {limit}")
        return number
