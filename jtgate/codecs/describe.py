"""Frames as JSON objects (design section 5) and as annotated bytes, for people and programs.

A frame that is wrong is described too: the same object with `error` filled in.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from jtgate.codecs.catalogue import message_name
from jtgate.codecs.declare import Structure, bcd, byte, structure, word
from jtgate.codecs.edition import Edition
from jtgate.codecs.errors import BodyError, ChecksumError, EscapeError, FrameError, ProtocolError
from jtgate.codecs.framing import Frame, FrameReader, unescape
from jtgate.codecs.header import BODY_BYTES_MAX, Header, parse_header
from jtgate.codecs.kinds import shorten
from jtgate.codecs.opening import Opener, plain_body
from jtgate.codecs.parts import Complete, PartBuffer
from jtgate.codecs.profile import AUTO, Profile
from jtgate.codecs.registry import body_edition, decode_body
from jtgate.codecs.tables import Bit, Bits
from jtgate.codecs.wire import Span

PROTOCOL = "jt808"

#: Bytes of incomplete sub-packaged messages that `describe_wire` holds.
PARTS_BYTES_MAX = 64 << 20

#: 消息体属性 (§2.2).
PROPERTIES = Bits(
    Bit(0, "消息体长度", "body length", width=BODY_BYTES_MAX.bit_length()),
    Bit(10, "数据加密方式", "encryption", width=3),
    Bit(13, "分包", "sub-packaged"),
    Bit(14, "版本标识", "version flag"),
    # 15 reserved
)


@structure(clause="§2.1")
class HeaderRows(Structure):
    """The header of 2011 and 2013 for the annotated view; `parse_header` is what reads headers."""

    msg_id: int = word("消息ID", as_hex=True)
    properties: int = word("消息体属性", table=PROPERTIES)
    phone: str = bcd("终端手机号", 6)
    serial: int = word("消息流水号")


@structure(clause="§2.1")
class HeaderRows2019(Structure):
    """The header of 2019 for the annotated view."""

    msg_id: int = word("消息ID", as_hex=True)
    properties: int = word("消息体属性", table=PROPERTIES)
    protocol_version: int = byte("协议版本号")
    phone: str = bcd("终端手机号", 10)
    serial: int = word("消息流水号")


@structure(clause="§2.3")
class PackageRows(Structure):
    """The package item 消息包封装项 for the annotated view."""

    packet_total: int = word("消息总包数")
    packet_no: int = word("包序号")


@dataclass(frozen=True)
class Described:
    """A frame, a bad stretch or a whole sub-packaged message.

    Args:
        json: the object of design section 5. A part of a longer message has the body {"part": hex}; a
            body that is encrypted, unknown or wrong has {"raw": hex}.
        header: None when it could not be read.
        body: empty without a header.
        payload: the bytes that offsets in the error count in: header and body of a frame (decrypted if that
            was done), the body of a whole message, the bad stretch as it came.
        position: offset on the wire where the payload begins; None for a whole message.
        error: what is wrong.
        profile: with which the body was read.
        encrypted: nobody could open the body.
    """

    json: dict[str, object]
    header: Header | None
    body: bytes
    payload: bytes
    position: int | None = None
    error: ProtocolError | None = None
    profile: Profile = AUTO
    encrypted: bool = False

    @property
    def is_whole(self) -> bool:
        """True for a message joined from its parts."""
        return self.position is None

    def rows(self) -> list[Span]:
        """The bytes with their meaning, as far as they can be read; offsets count in `payload`."""
        if self.header is None:
            return []
        spans = [] if self.is_whole else _header_rows(self.payload[: self.header.size], self.header)
        base = 0 if self.is_whole else self.header.size
        is_part = self.header.is_part and not self.is_whole
        if is_part or self.encrypted:
            term, name = ("分包数据", "part of a message") if is_part else ("加密消息体", "encrypted body")
            spans.append(Span("part", base, len(self.body), self.body, term, name, shorten(self.body)))
            return spans
        return spans + [
            row._replace(offset=row.offset + base) for row in _body_rows(self.header, self.body, self.profile)
        ]


def walk_wire(
    chunks: Iterable[bytes], *, force: Edition | None = None, profile: Profile = AUTO, opener: Opener | None = None
) -> Iterator[Described]:
    """Describe everything in bytes as they go over the wire.

    Args:
        chunks: the bytes, flags and escapes included, cut anywhere.
        force: the edition to assume for headers whatever the arithmetic says; without it that of the profile.
        profile: how the terminal reads what is open.
        opener: decrypts bodies.

    Yields:
        Each frame and each bad stretch in order, and after the last missing part of a sub-packaged
        message also the whole.
    """
    force = force or profile.forced_edition
    reader = FrameReader(any_checksum=profile.bad_checksum == "accept")
    parts = PartBuffer(PARTS_BYTES_MAX)
    for chunk in chunks:
        yield from _walk(reader.feed(chunk), parts, force, profile, opener)
    yield from _walk(reader.eof(), parts, force, profile, opener)


def _walk(
    events: Iterable[Frame | FrameError],
    parts: PartBuffer,
    force: Edition | None,
    profile: Profile,
    opener: Opener | None,
) -> Iterator[Described]:
    for event in events:
        if isinstance(event, FrameError):
            yield Described(_wrong(event), None, b"", event.raw, _begin(event), event)
            continue
        described = open_frame(
            event.payload,
            force=force,
            position=event.position,
            profile=profile,
            opener=opener,
            tolerated=event.deviation,
        )
        yield described
        header = described.header
        if header is not None and header.is_part:
            outcome = parts.add(header.terminal, header, described.body, 0.0)
            if isinstance(outcome, Complete):
                yield open_whole(outcome.header, outcome.body, profile=profile, opener=opener)


def _begin(error: FrameError) -> int:
    """Where the bad stretch begins on the wire; `offset` is where its fault is."""
    if isinstance(error, ChecksumError):
        return error.offset - len(error.raw) + 1
    if isinstance(error, EscapeError):
        return error.offset - (unescape(error.raw)[1] or 0)
    return error.offset


def open_frame(
    payload: bytes,
    *,
    force: Edition | None = None,
    position: int = 0,
    profile: Profile = AUTO,
    opener: Opener | None = None,
    tolerated: str | None = None,
) -> Described:
    """Describe one frame.

    Args:
        payload: header and body, unescaped, without the check byte.
        force: as in `walk_wire`.
        position: offset on the wire, to be kept.
        profile: as in `walk_wire`.
        opener: as in `walk_wire`.
        tolerated: deviation found when the frame was cut out of the stream.
    """
    try:
        header, body = parse_header(payload, force)
    except ProtocolError as error:
        return Described(_wrong(error), None, b"", payload, position, error)
    if tolerated is not None:
        header = replace(header, deviations=(tolerated, *header.deviations))
    json = _empty(header)
    if header.is_part:
        json["body"] = {"part": body.hex()}
        return Described(json, header, body, payload, position)
    plain, deviation = plain_body(header, body, profile, opener)
    if plain is not None and plain is not body:
        payload = payload[: header.size] + plain
    error_ = _fill_body(json, header, body, plain, deviation, header.size, profile)
    body = body if plain is None else plain
    return Described(json, header, body, payload, position, error_, profile, plain is None)


def open_whole(header: Header, body: bytes, *, profile: Profile = AUTO, opener: Opener | None = None) -> Described:
    """Describe a message joined from its parts.

    Args:
        header: of part 1; packet_no becomes null and body_length that of the whole.
        body: all parts joined; offsets of errors count in it.
        profile: as in `walk_wire`.
        opener: as in `walk_wire`; what is encrypted part by part or as a whole is opened at once.
    """
    json = _empty(header)
    json["header"] = {**header.as_json(), "packet_no": None, "body_length": len(body)}
    plain, deviation = plain_body(header, body, profile, opener)
    error = _fill_body(json, header, body, plain, deviation, 0, profile)
    body = body if plain is None else plain
    return Described(json, header, body, body, None, error, profile, plain is None)


def describe_frame(payload: bytes, *, force: Edition | None = None) -> dict[str, object]:
    """The JSON object of one frame, see `open_frame`."""
    return open_frame(payload, force=force).json


def describe_wire(data: bytes, *, force: Edition | None = None) -> list[dict[str, object]]:
    """The JSON objects of everything in bytes as they go over the wire, see `walk_wire`."""
    return [described.json for described in walk_wire([data], force=force)]


def annotate_frame(payload: bytes, *, force: Edition | None = None) -> list[Span]:
    """The bytes of one frame with their meaning, see `Described.rows`."""
    return open_frame(payload, force=force).rows()


def _header_rows(data: bytes, header: Header) -> list[Span]:
    spans: list[Span] = []
    rows = HeaderRows2019 if header.edition is Edition.V2019 else HeaderRows
    end = rows.min_bytes(header.edition)
    rows.decode(data[:end], spans=spans)
    if header.packet_total is not None:
        PackageRows.decode(data[end:], spans=spans, base=end)
    return spans


def _body_rows(header: Header, body: bytes, profile: Profile) -> list[Span]:
    spans: list[Span] = []
    try:
        decode_body(header.msg_id, body, header.edition, [], spans, profile)
    except BodyError:
        return spans
    if not spans and body:
        spans.append(Span("raw", 0, len(body), body, "消息体", "body", shorten(body)))
    return spans


def _wrong(error: ProtocolError) -> dict[str, object]:
    """The object of bytes that are no frame, or of a frame whose header cannot be read."""
    name = message_name(error.msg_id) if error.msg_id is not None else None
    return {
        "protocol": PROTOCOL,
        "edition": None,
        "message": name.name if name else None,
        "term": name.term if name else None,
        "header": None,
        "body": None,
        "deviations": [],
        "error": error.as_json(),
    }


def _empty(header: Header) -> dict[str, object]:
    name = message_name(header.msg_id)
    return {
        "protocol": PROTOCOL,
        "edition": str(header.edition),
        "message": name.name,
        "term": name.term,
        "header": header.as_json(),
        "body": None,
        "deviations": list(header.deviations),
        "error": None,
    }


def _fill_body(
    json: dict[str, object],
    header: Header,
    received: bytes,
    body: bytes | None,
    deviation: str | None,
    offset: int,
    profile: Profile,
) -> ProtocolError | None:
    """Fill in body, edition, deviations and error; `body` and `deviation` are what `plain_body` gave.

    `offset` is added to that of an error.
    """
    deviations = [*header.deviations, *([] if deviation is None else [deviation])]
    json["deviations"] = deviations
    if body is None:
        json["body"] = {"raw": received.hex()}
        return None
    if body_edition(header.msg_id, body, header.edition, profile) is Edition.V2011:
        json["edition"] = str(Edition.V2011)
    try:
        json["body"] = decode_body(header.msg_id, body, header.edition, deviations, profile=profile).to_json()
    except BodyError as error:
        error.offset += offset
        json["error"] = error.as_json()
        json["body"] = {"raw": body.hex()}
        return error
    return None
