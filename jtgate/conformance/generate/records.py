"""From messages and bytes to vectors; what a vector expects is checked against the decoder before it is written."""

from collections.abc import Mapping, Sequence
from typing import Any

from jtgate.codecs.catalogue import MessageName
from jtgate.codecs.describe import PROTOCOL, walk_wire
from jtgate.codecs.edition import Edition
from jtgate.codecs.framing import check_byte, escape, wrap
from jtgate.codecs.header import build_header
from jtgate.conformance.generate import chosen
from jtgate.conformance.generate.samples import header_edition, profile_of
from jtgate.conformance.vectors import Json, Vector

FLAG = b"\x7e"


def phone_of(edition: Edition, phone: str = chosen.PHONE) -> str:
    """Every digit of a phone on the wire."""
    return phone.rjust(2 * header_edition(edition).phone_bytes, "0")


def payload(msg_id: int, body: bytes, edition: Edition, serial: int, phone: str = chosen.PHONE, **more: Any) -> bytes:
    """Header and body."""
    head = header_edition(edition)
    return build_header(msg_id, len(body), phone=phone, serial=serial, edition=head, **more) + body


def bad_check(data: bytes) -> bytes:
    """A frame whose check byte is wrong."""
    return FLAG + escape(data + bytes([check_byte(data) ^ 0x55])) + FLAG


def shown_header(msg_id: int, body: bytes, edition: Edition, serial: int, phone: str = chosen.PHONE) -> dict[str, Any]:
    """The `header` of an object."""
    return {
        "msg_id": f"0x{msg_id:04x}",
        "phone": phone_of(edition, phone),
        "serial": serial,
        "encryption": 0,
        "packet_total": None,
        "packet_no": None,
        "body_length": len(body),
    }


def shown(name: MessageName, edition: str, header: Json, body: Json) -> dict[str, Any]:
    """The object of a good frame (design section 5), without its deviations."""
    return {
        "protocol": PROTOCOL,
        "edition": edition,
        "message": name.name,
        "term": name.term,
        "header": dict(header),
        "body": dict(body),
        "error": None,
    }


def observed(chunks: Sequence[bytes], settings: Mapping[str, Any]) -> tuple[tuple[Json, ...], tuple[str, ...]]:
    """What the decoder makes of bytes: the objects of a vector, and the deviations."""
    objects: list[Json] = []
    names: dict[str, None] = {}
    for described in walk_wire(chunks, profile=profile_of(settings)):
        found = dict(described.json)
        deviations = found.pop("deviations")
        names |= dict.fromkeys(deviations if isinstance(deviations, list) else ())
        error = found["error"]
        if isinstance(error, dict):
            found = {"error": {key: error[key] for key in ("code", "offset", "field")}}
        objects.append(found)
    return tuple(objects), tuple(names)


def vector(
    vector_id: str,
    clause: str,
    note: str,
    chunks: Sequence[bytes],
    *,
    expect: Sequence[Json] | None = None,
    deviations: Sequence[str] | None = None,
    edition: str = "",
    canonical: bool = False,
    settings: Mapping[str, Any] | None = None,
) -> Vector:
    """A vector; what is not given is what the decoder says, and what is given must be.

    Raises:
        AssertionError: the decoder says something else than expected.
    """
    objects, names = observed(chunks, settings or {})
    for wanted, found in ((expect, objects), (deviations, names)):
        if wanted is not None and list(wanted) != list(found):
            raise AssertionError(f"{vector_id}: {wanted} expected, {found} came")
    return Vector(
        vector_id, clause, note, tuple(chunks), objects, edition, names, canonical=canonical, settings=settings or {}
    )


__all__ = ["bad_check", "observed", "payload", "phone_of", "shown", "shown_header", "vector", "wrap"]
