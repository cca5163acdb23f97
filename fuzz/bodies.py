"""Entries for parsers of whole pieces: header, body, location columns, parts of a message."""

import dataclasses
import importlib
import json
import sys
from pathlib import Path

from fuzz.inputs import Input
from jtgate.codecs import deviations as dev
from jtgate.codecs import profile as profiles
from jtgate.codecs.compose import LOST_IN_JSON, message_from_json
from jtgate.codecs.deviations import DEVIATIONS
from jtgate.codecs.edition import ALL_EDITIONS, Edition
from jtgate.codecs.errors import BodyError, EncodeError, HeaderError
from jtgate.codecs.header import HEADER_SHAPES, Header, build_header, parse_header
from jtgate.codecs.jsatl12.record_file import VehicleRecordFile
from jtgate.codecs.parts import Abandoned, Complete, Missing, PartBuffer, Progress
from jtgate.codecs.profile import AUTO, Profile
from jtgate.codecs.registry import UnknownMessage, body_edition, decode_body, encode_body
from jtgate.codecs.wire import Span

# The slow truth of the columns is where the twins are tested.
sys.path.append(str(Path(__file__).parents[1] / "tests" / "codecs"))

#: The default, and every other reading on its own.
PROFILES: tuple[Profile, ...] = (
    AUTO,
    *(
        profiles.profile_from(f"{name}={value}", {name: value})
        for name, values in profiles.CHOICES.items()
        for value in values
        if value != getattr(AUTO, name)
    ),
)

#: Deviations after which the bytes cannot come out as they went in: a length that was more than what was left.
NOT_GIVEN_BACK = {dev.BATCH_ITEM_OVERRUN}


def header(data: bytes) -> None:
    """A header: only HeaderError; one without deviations is written again byte for byte."""
    given = Input(data)
    force = given.one_of((None, *ALL_EDITIONS))
    payload = given.rest()
    try:
        found, body = parse_header(payload, force)
    except HeaderError as error:
        assert 0 <= error.offset <= len(payload)
        return
    assert found.size in HEADER_SHAPES
    assert body == payload[found.size : found.size + found.body_length]
    assert set(found.deviations) <= set(DEVIATIONS)
    assert len(found.phone) == 2 * found.edition.phone_bytes
    json.dumps(found.as_json())
    if not found.deviations and not payload[2] & 0x80:
        assert payload == _again(found) + body


def _again(found: Header) -> bytes:
    return build_header(
        found.msg_id,
        found.body_length,
        phone=found.phone,
        serial=found.serial,
        edition=found.edition,
        protocol_version=found.protocol_version,
        encryption=found.encryption,
        packet_total=found.packet_total,
        packet_no=found.packet_no,
    )


def body(data: bytes) -> None:
    """A body of any id, edition and profile: BodyError with a place, or a message that goes out as it came."""
    given = Input(data)
    msg_id = given.number(2)
    edition, profile = given.one_of(ALL_EDITIONS), given.one_of(PROFILES)
    check_body(msg_id, given.rest(), edition, profile)


def check_body(msg_id: int, raw: bytes, edition: Edition, profile: Profile) -> None:
    """What must hold for every body."""
    deviations: list[str] = []
    spans: list[Span] = []
    try:
        message = decode_body(msg_id, raw, edition, deviations, spans, profile)
    except BodyError as error:
        assert error.msg_id == msg_id
        assert 0 <= error.offset <= len(raw)
        assert error.field
        return
    assert set(deviations) <= set(DEVIATIONS)
    assert len(set(deviations)) == len(deviations)
    assert decode_body(msg_id, raw, edition, [], profile=profile) == message
    json.dumps(message.to_json()).encode()
    if not isinstance(message, UnknownMessage):
        assert b"".join(span.raw for span in sorted(spans, key=lambda span: span.offset)) == raw
        assert all(span.raw == raw[span.offset : span.offset + span.length] for span in spans)
    layout = body_edition(msg_id, raw, edition, profile)
    if not NOT_GIVEN_BACK & set(deviations):
        assert encode_body(message, layout, profile) == raw
    if not LOST_IN_JSON & set(deviations):
        shown = json.loads(json.dumps(message.to_json()))
        try:
            again = encode_body(message_from_json(msg_id, shown), layout, profile)
        except EncodeError:  # read although it is too long, for instance, but not written
            assert deviations
        else:
            assert again == raw


def record_file(data: bytes) -> None:
    """A file of vehicle records: read whatever it is, and written again as it came."""
    deviations: list[str] = []
    assert VehicleRecordFile.decode(data, deviations=deviations).encode() == data
    assert set(deviations) <= set(DEVIATIONS)


def columns(data: bytes) -> None:
    """A payload with 0x0200 or 0x0704 into columns: compiled, plain and declared say the same."""
    importlib.import_module("test_columns").assert_all_agree(data)


@dataclasses.dataclass
class _Held:
    """What became of a part."""

    body: bytes
    number: int
    over: bool = False


#: Small enough that all limits are met by a short input.
_LIMITS = {"bytes_max": 8000, "parts_max": 9, "open_per_terminal_max": 3, "requests_max": 2, "keep_s": 60.0}


def parts(data: bytes) -> None:
    """Parts in any order, with time passing: each is accounted for once, and a whole is what its parts say."""
    given = Input(data)
    buffer = PartBuffer(
        int(_LIMITS["bytes_max"]),
        int(_LIMITS["parts_max"]),
        int(_LIMITS["open_per_terminal_max"]),
        requests_max=int(_LIMITS["requests_max"]),
        keep_s=_LIMITS["keep_s"],
    )
    held: dict[int, _Held] = {}
    now = 0.0
    while given:
        what = given.number()
        now += (what >> 4 & 3) * 2.5
        if what & 0xC0 == 0xC0:
            now += 30 * (what & 3)
            for event in buffer.due(now):
                _settle(held, event)
        else:
            found = Header(
                msg_id=0x0801 + (what & 1),
                phone=f"{what >> 1 & 1}",
                serial=given.number(2),
                packet_total=given.number() % 12,
                packet_no=given.number() % 12,
            )
            _add(buffer, found, given.take(given.number() % 8), now, held)
        assert 0 <= buffer.bytes_held <= _LIMITS["bytes_max"]
        assert len(buffer) <= 2 * _LIMITS["open_per_terminal_max"]
    for event in buffer.due(now + _LIMITS["keep_s"]):
        _settle(held, event)
    for event in buffer.due(now + _LIMITS["keep_s"]):
        _settle(held, event)
    assert all(part.over for part in held.values())
    assert (buffer.bytes_held, len(buffer)) == (0, 0)


def _add(buffer: PartBuffer, found: Header, part: bytes, now: float, held: dict[int, _Held]) -> None:
    token = len(held)
    held[token] = _Held(part, found.packet_no or 0)
    outcome = buffer.add(found.phone, found, part, now, token)
    if isinstance(outcome, Complete):
        _settle(held, outcome)
        assert held[token].over
    elif isinstance(outcome, Progress):
        assert 1 <= outcome.received < outcome.total
        if not outcome.kept:
            held[token].over = True
        if outcome.replaced is not None:
            _end(held, outcome.replaced)
    else:
        held[token].over = True
        assert not 1 <= held[token].number <= (found.packet_total or 0) or (found.packet_total or 0) > 9


def _end(held: dict[int, _Held], token: object) -> _Held:
    assert isinstance(token, int)
    part = held[token]
    assert not part.over, "a part ended twice"
    part.over = True
    return part


def _settle(held: dict[int, _Held], event: Complete | Missing | Abandoned) -> None:
    if isinstance(event, Missing):
        assert list(event.numbers) == sorted(set(event.numbers))
        assert event.numbers
        return
    ended = [_end(held, token) for token in event.tokens]
    numbers = [part.number for part in ended]
    if isinstance(event, Complete):
        assert event.body == b"".join(part.body for part in ended)
        assert event.parts == len(ended)
        assert event.parts == 1 or numbers == list(range(1, event.parts + 1))
    else:
        assert numbers == sorted(set(numbers))
        assert event.received == len(ended)
