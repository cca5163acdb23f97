"""Vectors of sub-packages 分包 in every hard order (JT/T 808 §8.2, §11 items 44, 45 and 50), case by case."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from jtgate.codecs.edition import Edition
from jtgate.codecs.framing import wrap
from jtgate.conformance.generate import chosen
from jtgate.conformance.generate.records import payload, vector
from jtgate.conformance.vectors import Vector

_OTHER_PHONE = "013900139000"
#: 0x0801: head, location, and 64 bytes of a picture.
_PICTURE = (
    bytes.fromhex("00000007 00000101 00000000 000c0003 0260f572 06f015b8 0034 0267 0058 261123102030 ffd8ffe0")
    + bytes(range(0x60, 0x9A))
    + bytes.fromhex("ffd9")
)
#: Another one, as long.
_OTHER_PICTURE = _PICTURE[:3] + b"\x08" + _PICTURE[4:40] + _PICTURE[:39:-1]


class Part(NamedTuple):
    """A part on the wire.

    Args:
        serial: 消息流水号.
        number: 包序号.
        total: 消息总包数.
        body: its bytes.
        phone: of the terminal.
        msg_id: 消息ID.
        edition: decides the header.
    """

    serial: int
    number: int
    total: int
    body: bytes
    phone: str = chosen.PHONE
    msg_id: int = 0x0801
    edition: Edition = Edition.V2013

    def wire(self) -> bytes:
        """The frame."""
        return wrap(
            payload(
                self.msg_id,
                self.body,
                self.edition,
                self.serial,
                self.phone,
                packet_total=self.total,
                packet_no=self.number,
            )
        )


def split(body: bytes, total: int, serial: int, *, step: int = 1, **more: object) -> list[Part]:
    """A message in parts whose serials rise by `step`."""
    size = -(-len(body) // total)
    return [
        Part((serial + step * at) & 0xFFFF, at + 1, total, body[at * size : (at + 1) * size], **more)  # type: ignore[arg-type]
        for at in range(total)
    ]


A = split(_PICTURE, 4, 16)
#: The next message of the same id and total.
B = split(_OTHER_PICTURE, 4, 20)
#: A message of another total.
C = split(_OTHER_PICTURE, 3, 40)
#: Another terminal, the same serials.
D = split(_OTHER_PICTURE, 4, 16, phone=_OTHER_PHONE)
#: All parts with one serial (§11 item 45).
E = split(_PICTURE, 4, 77, step=0)
F = split(_OTHER_PICTURE, 4, 78, step=0)
#: Across the end of the serials.
G = split(_PICTURE, 4, 0xFFFE)
#: 2019.
N = split(_PICTURE, 4, 16, edition=Edition.V2019)
#: 0x0104 in two parts (§11 item 50): the cut goes through a parameter.
P = split(
    bytes.fromhex("0009 02 00000001 04 0000003c 00000013 0f 6770732e6578616d706c652e636f6d"), 2, 255, msg_id=0x0104
)

#: What comes out of a part that completes nothing, and the media id of a whole message.
PART = "part"


def _other(part: Part, **changes: object) -> Part:
    return part._replace(**changes)  # type: ignore[arg-type]


#: Name, note, parts, and what comes out behind each: a part, and after "whole" the media id of the message.
_CASES: tuple[tuple[str, str, Sequence[Part], Sequence[int | str | None]], ...] = (
    ("in-order", "One after the other.", A, (PART, PART, PART, PART, 7)),
    ("reversed", "The last part first.", A[::-1], (PART, PART, PART, PART, 7)),
    ("shuffled", "In any order.", [A[2], A[0], A[3], A[1]], (PART, PART, PART, PART, 7)),
    (
        "duplicated",
        "Every part twice; the message once.",
        [A[0], A[0], A[1], A[1], A[2], A[2], A[3]],
        (PART,) * 7 + (7,),
    ),
    (
        "repeated-after",
        "Parts come again after the message is complete: nothing comes of them.",
        [*A, A[1], A[3]],
        (PART,) * 4 + (7, PART, PART),
    ),
    ("repeated-whole", "The whole message comes again.", [*A, *A], (PART,) * 4 + (7,) + (PART,) * 4 + (7,)),
    (
        "lost-then-repeated",
        "A part is lost, and repeated unchanged when it is asked for.",
        [A[0], A[2], A[3], A[1]],
        (PART,) * 4 + (7,),
    ),
    ("first-lost", "The first part comes last.", [A[1], A[2], A[3], A[0]], (PART,) * 4 + (7,)),
    ("incomplete", "A part never comes: no message.", [A[0], A[1], A[3]], (PART,) * 3),
    (
        "replaced",
        "A part comes again with other bytes: the last one counts.",
        [_other(A[1], body=b"\x00" * 25), *A],
        (PART,) * 5 + (7,),
    ),
    (
        "interleaved",
        "Two messages of one terminal, part by part.",
        [part for pair in zip(A, B, strict=True) for part in pair],
        (PART,) * 7 + (7, PART, 8),
    ),
    (
        "interleaved-totals",
        "Two messages of different totals.",
        [A[0], C[0], A[1], C[1], A[2], C[2], A[3]],
        (PART,) * 6 + (8, PART, 7),
    ),
    (
        "two-terminals",
        "Two terminals with the same serials.",
        [part for pair in zip(A, D, strict=True) for part in pair],
        (PART,) * 7 + (7, PART, 8),
    ),
    ("new-message", "The next message of the same id.", [*A, *B], (PART,) * 4 + (7,) + (PART,) * 4 + (8,)),
    (
        "new-before-end",
        "A new message begins before the old one ends, which then ends.",
        [*A[:3], *B, A[3]],
        (PART,) * 7 + (8, PART, 7),
    ),
    ("equal-serials", "All parts with one serial.", E, (PART,) * 4 + (7,)),
    ("equal-serials-reversed", "All parts with one serial, the last one first.", E[::-1], (PART,) * 4 + (7,)),
    (
        "equal-serials-interleaved",
        "Two such messages, part by part.",
        [part for pair in zip(E, F, strict=True) for part in pair],
        (PART,) * 7 + (7, PART, 8),
    ),
    ("serial-wrap", "Serials 65534, 65535, 0, 1.", G, (PART,) * 4 + (7,)),
    ("serial-wrap-reversed", "The same, backwards.", G[::-1], (PART,) * 4 + (7,)),
    ("total-1", "One part of one is a whole message.", [_other(A[0], number=1, total=1, body=_PICTURE)], (7,)),
    ("number-0", "Part 0 is none; the message comes without it.", [_other(A[0], number=0), *A], (PART,) * 5 + (7,)),
    (
        "number-above-total",
        "Part 5 of 4 is none.",
        [*A[:2], _other(A[0], number=5, serial=20), *A[2:]],
        (PART,) * 5 + (7,),
    ),
    ("total-0", "A total of 0 makes no message.", [_other(A[0], total=0), *A], (PART,) * 5 + (7,)),
    ("2019", "Headers of 21 bytes.", [N[1], N[0], N[3], N[2]], (PART,) * 4 + (7,)),
    ("parameters", "0x0104 in two parts, cut inside of a parameter.", P, (PART, PART, None)),
    ("parameters-reversed", "The same, the second part first.", P[::-1], (PART, PART, None)),
)


def part_files() -> Iterator[tuple[str, list[Vector]]]:
    """The file of sub-packages."""
    yield "parts/orders.jsonl", [_vector(*case) for case in _CASES]


def _vector(name: str, note: str, parts: Sequence[Part], story: Sequence[int | str | None]) -> Vector:
    made = vector(f"parts-{name}", "§2.3, §8.2, §11", note, [part.wire() for part in parts])
    told = [PART if "part" in one["body"] else one["body"].get("media_id") for one in made.expect]
    if made.deviations or told != list(story):
        raise AssertionError(f"{made.id}: {story} expected, {told} came, {made.deviations}")
    return made
