"""What cannot be decoded, as rows that can be listed and decoded again later.

The payload of a row is header and body as they came. A message that was reassembled from sub-packages is
kept whole: a header with the package item of part 1, then the whole body (`whole_payload`). The code tells
it from a part of a message that never became complete (`INCOMPLETE`) or that nobody could open (`ENCRYPTED`).
"""

from typing import Final

from jtgate.codecs.edition import Edition
from jtgate.codecs.errors import BodyError, EncryptionError, ProtocolError
from jtgate.codecs.header import BODY_BYTES_MAX, Header, build_header
from jtgate.codecs.twins import load
from jtgate.pipeline.arrived import Origin
from jtgate.storage.model import QuarantineRow

fingerprint = load("columns").fingerprint

INCOMPLETE: Final = "parts.incomplete"
ENCRYPTED: Final = "body.encrypted"
#: A whole message of several parts that our key does not open.
SEALED: Final = EncryptionError.code
#: An all-zero phone is nobody's (§2.5): it must never become a terminal that many share.
NO_PHONE: Final = "header.no_phone"
INTERNAL: Final = "internal"
UNREADABLE_GROUP: Final = "spool.unreadable"


def row(
    origin: Origin,
    payload: bytes,
    code: str,
    message: str,
    *,
    header: Header | None = None,
    offset: int = 0,
    field: str | None = None,
) -> QuarantineRow:
    """A quarantine row.

    Args:
        origin: where the payload came from.
        payload: header and body.
        code: why, as ProtocolError.code or one of this module.
        message: one sentence for a person.
        header: its header, when it could be read.
        offset: of the fault, in the payload.
        field: to blame, if one is.
    """
    return QuarantineRow(
        received_us=origin.received_us,
        fingerprint=fingerprint(payload),
        session_id=origin.session_id,
        spool_seq=origin.spool_seq,
        terminal=header.terminal if header else "",
        msg_id=header.msg_id if header else None,
        code=code,
        offset=offset,
        field=field,
        message=message,
        payload=payload,
    )


def row_of_error(origin: Origin, payload: bytes, error: ProtocolError, header: Header | None) -> QuarantineRow:
    """A quarantine row of a decoding error; faults of a body are counted from the first byte of the header."""
    offset = error.offset + header.size if header and isinstance(error, BodyError) else error.offset
    return row(origin, payload, error.code, error.message, header=header, offset=offset, field=error.field)


def row_of_bug(origin: Origin, payload: bytes, error: Exception, header: Header | None) -> QuarantineRow:
    """A quarantine row of an exception that should not have been."""
    return row(origin, payload, INTERNAL, f"our own fault: {type(error).__name__}", header=header)


def whole_payload(header: Header, body: bytes) -> bytes:
    """Header of part 1 in its plain form, then the whole body of a reassembled message.

    The length field says 0 when the body does not fit it, so that the arithmetic of §2.4 finds no header
    length and the bits decide.
    """
    head = build_header(
        header.msg_id,
        len(body) if len(body) <= BODY_BYTES_MAX else 0,
        phone=header.phone,
        serial=header.serial,
        edition=header.edition,
        protocol_version=header.protocol_version or (1 if header.edition is Edition.V2019 else 0),
        encryption=header.encryption,
        packet_total=header.packet_total,
        packet_no=1,
    )
    return head + body
