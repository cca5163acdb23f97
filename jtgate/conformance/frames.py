"""Frames to send, right ones and deliberately wrong ones (JT/T 808 §1.2, §2)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from operator import xor
from typing import Any, Final

from jtgate.codecs.edition import Edition
from jtgate.codecs.framing import escape
from jtgate.codecs.header import BODY_BYTES_MAX, ENCRYPTION_SHIFT, LENGTH_MASK, PART_BIT, VERSION_BIT
from jtgate.conformance.kit import KitError
from jtgate.conformance.words import Words

#: Frames that one step may make.
FRAMES_MAX: Final = 5_000

_FLAG: Final = b"\x7e"
#: Added to a right check byte to make it wrong.
_CHECK_FAULT: Final = 0x55
#: What escapes nothing, put before the check byte; its XOR is not zero, so no reading of it saves the frame.
_BAD_ESCAPE: Final = b"\x7d\x05"

_DAMAGES: Final = ("checksum", "escape", "no_opening_flag", "no_closing_flag")


@dataclass(frozen=True, slots=True)
class Sent:
    """A frame that is sent or can be.

    Args:
        label: its name in the scenario.
        msg_id: 消息ID.
        serial: 消息流水号.
        wire: the bytes with their flags.
        header: its fields as they went out, to compare answers with.
        damaged: nobody may answer it.
    """

    label: str
    msg_id: int
    serial: int
    wire: bytes
    header: "Stamp"
    damaged: bool = False


@dataclass(slots=True)
class Stamp:
    """What the headers of one sender have in common.

    Args:
        edition: decides the form.
        phone: every digit on the wire.
        version: 协议版本号, the 2019 header only.
        serial: of the next frame.
    """

    edition: Edition
    phone: str
    version: int = 1
    serial: int = 0

    def copy(self) -> "Stamp":
        """The same, to keep."""
        return Stamp(self.edition, self.phone, self.version, self.serial)


def build(spec: Mapping[str, Any], stamp: Stamp, words: Words) -> Iterator[Sent]:
    """Make the frames that a step describes; their labels and serials become known to `words`.

    Args:
        spec: keys of the step (`message`, `id`, `body`, `fields`, `part`, `split`, …; see conformance/README.md).
        stamp: of the sender; its serial moves on.
        words: names of the scenario.

    Raises:
        KitError: the step cannot be carried out as it stands.
    """
    message = {**(words.sample(spec["message"]) if "message" in spec else {}), **_own(spec)}
    if "fields" in spec:
        known = words.sample(spec["message"]).get("fields", {}) if "message" in spec else {}
        message = {**message, "fields": {**known, **spec["fields"]}, "body": None}
    if "id" not in message:
        raise KitError("a frame needs a message or an id")
    edition = Edition(words.value(spec["edition"])) if "edition" in spec else stamp.edition
    layout = Edition(words.value(spec["layout"])) if "layout" in spec else _layout(edition, words.edition)
    label = spec.get("as", spec.get("message", f"0x{message['id']:04x}"))
    count, split = int(spec.get("count", 1)), int(words.value(spec.get("split", 0)))
    if count > FRAMES_MAX:
        raise KitError(f"{count} frames, {FRAMES_MAX} at most in one step")
    if "serial" in spec:
        stamp.serial = int(words.value(spec["serial"])) & 0xFFFF
    for number in range(count):
        body = words.body(message, layout)
        pieces = [body[at : at + split] for at in range(0, len(body), split)] if split else [body]
        if len(pieces) > FRAMES_MAX:
            raise KitError(f"{len(pieces)} parts, {FRAMES_MAX} at most in one step")
        for index, piece in enumerate(pieces):
            part = (len(pieces), index + 1) if split else spec.get("part")
            name = f"{label}.{number * len(pieces) + index + 1}" if count > 1 or split else label
            hold = bool(spec.get("same_serial")) and index < len(pieces) - 1
            yield _frame(name, message["id"], piece, part, edition, spec, stamp, words, hold=hold)


def _layout(header: Edition, spoken: Edition) -> Edition:
    """Layout of bodies: headers of 2011 and 2013 are the same."""
    return header if Edition.V2019 in (header, spoken) else spoken


def _own(spec: Mapping[str, Any]) -> dict[str, Any]:
    """What a step says of the body itself."""
    return {key: spec[key] for key in ("id", "body", "fields", "grow_to", "grow_with") if key in spec}


def _frame(
    label: str,
    msg_id: int,
    body: bytes,
    part: tuple[int, int] | None,
    edition: Edition,
    spec: Mapping[str, Any],
    stamp: Stamp,
    words: Words,
    *,
    hold: bool,
) -> Sent:
    if len(body) > BODY_BYTES_MAX:
        raise KitError(f"{label}: a body of {len(body)} bytes needs split ({BODY_BYTES_MAX} at most in a frame)")
    is_2019 = edition is Edition.V2019
    width = edition.phone_bytes * 2
    phone = str(words.value(spec.get("phone", stamp.phone))).replace("{phone}", stamp.phone).rjust(width, "0")[:width]
    version = int(words.value(spec.get("version", stamp.version)))
    properties = (len(body) + int(spec.get("length_add", 0))) & LENGTH_MASK
    properties |= int(spec.get("encryption", 0)) << ENCRYPTION_SHIFT
    properties |= (PART_BIT if part else 0) | (VERSION_BIT if is_2019 else 0)
    properties ^= int(spec.get("properties_xor", 0))
    lead = msg_id.to_bytes(2) + properties.to_bytes(2) + (bytes([version]) if is_2019 else b"") + bytes.fromhex(phone)
    item = b"".join(int(number).to_bytes(2) for number in part) if part else b""
    if "check" in spec:
        others = reduce(xor, lead + bytes([stamp.serial >> 8]) + item + body, 0)
        stamp.serial = (stamp.serial & 0xFF00) | (others ^ int(spec["check"]))
    serial = stamp.serial
    payload = lead + serial.to_bytes(2) + item + body
    damage = spec.get("damage", "")
    if damage and damage not in _DAMAGES:
        raise KitError(f"damage is {damage!r}; it can be {', '.join(_DAMAGES)}")
    words.serials[label] = serial
    if not hold:
        stamp.serial = (serial + 1) & 0xFFFF
    own = Stamp(edition, phone, version, serial)
    return Sent(label, msg_id, serial, _wire(payload, damage), own, damage in ("checksum", "escape"))


def _wire(payload: bytes, damage: str) -> bytes:
    """Check byte, escapes and flags, with one fault if wanted."""
    check = reduce(xor, payload, 0)
    if damage == "checksum":
        check ^= _CHECK_FAULT
    inner = escape(payload)
    if damage == "escape":
        inner += _BAD_ESCAPE
    inner += escape(bytes([check]))
    before = b"" if damage == "no_opening_flag" else _FLAG
    after = b"" if damage == "no_closing_flag" else _FLAG
    return before + inner + after


def cut(data: bytes, where: Any) -> list[bytes]:
    """Bytes in the pieces in which they are written.

    Args:
        data: all of them.
        where: nothing, a size, offsets, or "after_escape": behind every 0x7D.

    Raises:
        KitError: it is something else.
    """
    if where is None:
        return [data]
    if isinstance(where, int) and where > 0:
        return [data[at : at + where] for at in range(0, len(data), where)]
    if where == "after_escape":
        offsets = [at + 1 for at, byte in enumerate(data) if byte == 0x7D]
    elif isinstance(where, list):
        offsets = [at for at in where if 0 < at < len(data)]
    else:
        raise KitError(f"cut is {where!r}; it can be a size, a list of offsets or after_escape")
    edges = [0, *offsets, len(data)]
    return [data[start:end] for start, end in pairwise(edges) if start < end]
