"""Vectors of framing: flags, escapes, rubbish, cuts (JT/T 808 §1.2, §1.3, §11 items 1 to 9), case by case."""

from collections.abc import Iterator, Sequence

from jtgate.codecs.edition import Edition
from jtgate.codecs.framing import FRAME_BYTES_MAX, check_byte, wrap
from jtgate.codecs.header import BODY_BYTES_MAX
from jtgate.conformance.generate.records import FLAG, bad_check, payload, vector
from jtgate.conformance.vectors import Vector

#: What has to come out: the serial of a good frame, or code and offset of a refusal.
Story = tuple[int | tuple[str, int], ...]

_HEARTBEAT = 0x0002
_ANSWER = 0x0001


def _beat(serial: int) -> bytes:
    """A heartbeat, 15 bytes on the wire."""
    return wrap(payload(_HEARTBEAT, b"", Edition.V2013, serial))


H1, H2, H3 = _beat(1), _beat(2), _beat(3)
#: Serial 7d7e and a body full of escapes.
ESCAPED = wrap(payload(_ANSWER, bytes.fromhex("7d7e810300"), Edition.V2013, 0x7D7E))
_ESCAPED_SERIAL = 0x7D7E
_GARBAGE = b"GET /robots.txt HTTP/1.1\r\n\r\n"


def _literal_escape() -> bytes:
    """A frame whose body holds 7d 05 as it is; the check byte is right."""
    data = payload(_ANSWER, bytes.fromhex("00017d0500"), Edition.V2013, 4)
    return FLAG + data + bytes([check_byte(data)]) + FLAG


def _longest() -> bytes:
    """The longest legal frame: every byte of the body and more has to be escaped."""
    body = b"\x7e" * BODY_BYTES_MAX
    data = payload(0x0900, body, Edition.V2019, 0x7E7E, packet_total=0x7E7E, packet_no=0x7E7E)
    return wrap(data)


#: Name, note, pieces, what comes out.
_CASES: tuple[tuple[str, str, Sequence[bytes], Story], ...] = (
    ("one", "One frame.", [H1], (1,)),
    ("glued", "Two frames behind one another.", [H1 + H2], (1, 2)),
    ("shared-flag", "One flag closes a frame and opens the next.", [H1[:-1] + H2], (1, 2)),
    ("doubled-flags", "Two flags where one would do.", [FLAG + H1 + FLAG + H2 + FLAG], (1, 2)),
    ("fifty-flags", "Flags and nothing between them are no frames.", [FLAG * 50 + H1 + FLAG * 50], (1,)),
    ("only-flags", "Flags alone.", [FLAG * 4], ()),
    ("garbage-before", "Bytes before the first flag.", [_GARBAGE + H1], (("frame.stray", 0), 1)),
    ("garbage-between", "Bytes between two frames.", [H1 + b"\r\n" + H2], (1, ("frame.stray", 15), 2)),
    ("garbage-after", "Bytes behind the last frame.", [H1 + b"+++"], (1, ("frame.stray", 15))),
    ("garbage-only", "No flag at all.", [_GARBAGE], (("frame.stray", 0),)),
    ("unfinished", "The stream ends inside a frame.", [H1 + H2[:8]], (1, ("frame.stray", 16))),
    ("lost-closing-flag", "The closing flag is lost; the next one serves.", [H1[:-1] + H2 + H3], (1, 2, 3)),
    ("lost-opening-flag", "The opening flag is lost; the one before serves.", [H1 + H2[1:] + H3], (1, 2, 3)),
    ("lost-end", "The second half of a frame is lost.", [H1[:7] + H2], (("frame.too_short", 1), 2)),
    (
        "bad-between",
        "One bad frame costs itself only.",
        [H1, bad_check(payload(_HEARTBEAT, b"", Edition.V2013, 9)), H2],
        (1, ("frame.checksum", 28), 2),
    ),
    (
        "checksum",
        "The check byte is wrong.",
        [bad_check(payload(_HEARTBEAT, b"", Edition.V2013, 9)) + H1],
        (("frame.checksum", 13), 1),
    ),
    (
        "too-short",
        "Fewer bytes than a header has.",
        [bytes.fromhex("7e00020000027e") + H1],
        (("frame.too_short", 1), 1),
    ),
    (
        "too-short-good-check",
        "Twelve bytes whose check byte is right.",
        [wrap(bytes(11)) + H1],
        (("frame.too_short", 1), 1),
    ),
    ("escaped", "7d and 7e in serial and body.", [ESCAPED], (_ESCAPED_SERIAL,)),
    (
        "escape-literal",
        "7d 05 escapes nothing; the check byte is right, so the bytes are kept.",
        [_literal_escape()],
        (4,),
    ),
    (
        "escape-bad",
        "7d 05 escapes nothing and the check byte is wrong.",
        [H1[:6] + b"\x7d\x05" + H1[6:] + H2],
        (("frame.escape", 6), 2),
    ),
    ("escape-at-end", "7d stands before the closing flag.", [H1[:-1] + b"\x7d" + FLAG + H2], (("frame.escape", 14), 2)),
    (
        "escape-cut",
        "The network cuts an escape in two.",
        [ESCAPED[: ESCAPED.index(b"\x7d") + 1], ESCAPED[ESCAPED.index(b"\x7d") + 1 :]],
        (_ESCAPED_SERIAL,),
    ),
    ("bytewise", "Byte by byte.", [bytes([byte]) for byte in ESCAPED + H2], (_ESCAPED_SERIAL, 2)),
    ("cut-in-flag", "A piece ends between two flags.", [H1[:-1], FLAG, FLAG + H2[1:4], H2[4:]], (1, 2)),
    ("check-7e", "The check byte is 7e.", [_beat(0x64)], (0x64,)),
    ("longest", "The longest legal frame.", [_longest(), H1], (0x7E7E, 1)),
    (
        "too-long",
        "More bytes than any frame has, without a flag: given up once, then the next frame.",
        [FLAG + b"\x55" * 3000, b"\x55" * 3000, H1],
        (("frame.too_long", 1), 1),
    ),
    (
        "at-the-limit",
        "As many bytes as are waited for, and they are no frame.",
        [FLAG + b"\x55" * (FRAME_BYTES_MAX - 1) + b"\x56" + H1],
        (("frame.checksum", FRAME_BYTES_MAX), 1),
    ),
)


def stream_files() -> Iterator[tuple[str, list[Vector]]]:
    """The file of framing."""
    yield "framing/streams.jsonl", [_vector(*case) for case in _CASES]


def _vector(name: str, note: str, chunks: Sequence[bytes], story: Story) -> Vector:
    made = vector(f"framing-{name}", "§1.2, §1.3, §11", note, chunks)
    told: Story = tuple(
        (one["error"]["code"], one["error"]["offset"]) if one["error"] else one["header"]["serial"]
        for one in made.expect
    )
    if told != story:
        raise AssertionError(f"{made.id}: {story} expected, {told} came")
    return made
