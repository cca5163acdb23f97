"""The header 消息头 of all editions (JT/T 808 §2).

2011 and 2013:  id 2 | properties 2 | phone BCD 6 | serial 2 | [total 2 | number 2]        12 or 16
2019:           id 2 | properties 2 | version 1 | phone BCD 10 | serial 2 | [total 2 | number 2]  17 or 21

Properties 消息体属性: bits 0–9 body length, 10–12 encryption, 13 sub-package, 14 version flag (2019).
Which header it is, is decided by length arithmetic first (§2.4): it repairs terminals that set
bit 14 before an old header, or forget it before a new one.
"""

from dataclasses import dataclass, field

from jtgate.codecs.edition import Edition
from jtgate.codecs.errors import EncodeError, HeaderError
from jtgate.codecs.framing import wrap

BODY_BYTES_MAX = 1023
#: Body bytes per part when we split a long message ourselves (§8.2 recommends at most 1000).
PART_BYTES = 1000

LENGTH_MASK = 0x03FF
ENCRYPTION_SHIFT = 10
PART_BIT = 0x2000
VERSION_BIT = 0x4000

#: Header length -> (is 2019, has a package item).
HEADER_SHAPES = {12: (False, False), 16: (False, True), 17: (True, False), 21: (True, True)}

DEV_VERSION_BIT_SET = "header.version_bit_set"  # bit 14 before a 2013 header
DEV_VERSION_BIT_MISSING = "header.version_bit_missing"  # 2019 header without bit 14
DEV_PART_BIT_WRONG = "header.part_bit_wrong"  # bit 13 contradicts the length
DEV_LENGTH_MISMATCH = "header.length_mismatch"  # the length field fits no header
DEV_PHONE_NOT_BCD = "header.phone_not_bcd"  # nibbles A–F in the phone number


@dataclass(frozen=True, slots=True)
class Header:
    """A header as it stands on the wire.

    Args:
        msg_id: 消息ID, 0..0xFFFF.
        phone: 终端手机号, every digit on the wire (12 or 20 characters, upper-case hex if not BCD).
        serial: 消息流水号, 0..65535.
        edition: V2019 for the long header, else V2013; the body may turn out to be V2011.
        encryption: 数据加密方式, bits 10–12; 0 none, 1 RSA.
        packet_total: 消息总包数, None when not sub-packaged.
        packet_no: 包序号, from 1.
        body_length: the length field, 0..1023, right or wrong.
        protocol_version: 协议版本号 of the 2019 header, 0 in the others.
        size: header bytes, 12, 16, 17 or 21.
        deviations: names of what was tolerated.
    """

    msg_id: int
    phone: str
    serial: int
    edition: Edition = Edition.V2013
    encryption: int = 0
    packet_total: int | None = None
    packet_no: int | None = None
    body_length: int = 0
    protocol_version: int = 0
    size: int = 12
    deviations: tuple[str, ...] = field(default=(), compare=False)

    @property
    def terminal(self) -> str:
        """Key of the terminal: the digits without leading zeros ("" for an all-zero phone), §2.5."""
        return self.phone.lstrip("0")

    @property
    def is_part(self) -> bool:
        """True when the message is sub-packaged 分包 into more than one part."""
        return self.packet_total is not None and self.packet_total != 1

    def as_json(self) -> dict[str, object]:
        """The `header` object of a decoded message; `protocol_version` only when it is not the usual 1."""
        is_usual = self.edition is not Edition.V2019 or self.protocol_version == 1
        version = {} if is_usual else {"protocol_version": self.protocol_version}
        return {
            "msg_id": f"0x{self.msg_id:04x}",
            "phone": self.phone,
            "serial": self.serial,
            "encryption": self.encryption,
            "packet_total": self.packet_total,
            "packet_no": self.packet_no,
            "body_length": self.body_length,
            **version,
        }


def parse_header(payload: bytes, force: Edition | None = None) -> tuple[Header, bytes]:
    """Split the unescaped bytes of a frame (without check byte) into header and body.

    Args:
        payload: header and body, at least 12 bytes.
        force: the edition to assume whatever the arithmetic says (per-device override).

    Returns:
        The header and the body bytes. Tolerated faults are named in `Header.deviations`.

    Raises:
        HeaderError: the payload is shorter than the header it announces.
    """
    if len(payload) < 12:
        raise HeaderError(f"{len(payload)} bytes are less than a header", offset=len(payload), raw=payload)
    msg_id = int.from_bytes(payload[0:2])
    properties = int.from_bytes(payload[2:4])
    body_length = properties & LENGTH_MASK
    is_2019, is_part, size, deviations = _shape(payload, properties, force)
    if len(payload) < size:
        raise HeaderError(
            f"{len(payload)} bytes are less than the {size} bytes of this header",
            offset=len(payload),
            msg_id=msg_id,
            raw=payload,
        )
    phone_at, phone_end = (5, 15) if is_2019 else (4, 10)
    phone = payload[phone_at:phone_end].hex().upper()
    if not phone.isdecimal():
        deviations.append(DEV_PHONE_NOT_BCD)
    item = phone_end + 2
    header = Header(
        msg_id=msg_id,
        phone=phone,
        serial=int.from_bytes(payload[phone_end:item]),
        edition=Edition.V2019 if is_2019 else Edition.V2013,
        encryption=(properties >> ENCRYPTION_SHIFT) & 7,
        packet_total=int.from_bytes(payload[item : item + 2]) if is_part else None,
        packet_no=int.from_bytes(payload[item + 2 : item + 4]) if is_part else None,
        body_length=body_length,
        protocol_version=payload[4] if is_2019 else 0,
        size=size,
        deviations=tuple(deviations),
    )
    return header, payload[size : size + body_length]


def _shape(payload: bytes, properties: int, force: Edition | None) -> tuple[bool, bool, int, list[str]]:
    """Decide edition and package item by length arithmetic, then by the bits (§2.4)."""
    bit_2019 = bool(properties & VERSION_BIT)
    bit_part = bool(properties & PART_BIT)
    size = len(payload) - (properties & LENGTH_MASK)
    deviations: list[str] = []
    shape = HEADER_SHAPES.get(size)
    if shape is not None and shape[0] and not bit_2019 and not 1 <= payload[4] <= 0x0F:
        shape = None  # 17 bytes by accident: no version byte where 2019 has one
    if shape is not None and force is not None and shape[0] != (force is Edition.V2019):
        shape = None
    if shape is None:
        deviations.append(DEV_LENGTH_MISMATCH)
        is_2019 = bit_2019 and 1 <= payload[4] <= 0x0F if force is None else force is Edition.V2019
        is_part = bit_part
        size = (17 if is_2019 else 12) + (4 if is_part else 0)
    else:
        is_2019, is_part = shape
    if bit_2019 and not is_2019:
        deviations.append(DEV_VERSION_BIT_SET)
    elif is_2019 and not bit_2019:
        deviations.append(DEV_VERSION_BIT_MISSING)
    if is_part != bit_part:
        deviations.append(DEV_PART_BIT_WRONG)
    return is_2019, is_part, size, deviations


def build_header(
    msg_id: int,
    body_length: int,
    *,
    phone: str,
    serial: int,
    edition: Edition,
    protocol_version: int = 1,
    encryption: int = 0,
    packet_total: int | None = None,
    packet_no: int | None = None,
) -> bytes:
    """Write a header; `phone` is padded with zeros on the left to the width of the edition.

    Raises:
        EncodeError: a value does not fit its field.
    """
    width = edition.phone_bytes * 2
    if len(phone) > width:
        raise EncodeError(f"phone {phone!r} has more than {width} digits")
    if not 0 <= body_length <= BODY_BYTES_MAX:
        raise EncodeError(f"a body of {body_length} bytes needs sub-packages ({BODY_BYTES_MAX} at most)")
    is_2019 = edition is Edition.V2019
    properties = body_length | (encryption << ENCRYPTION_SHIFT) | (VERSION_BIT if is_2019 else 0)
    item = b""
    if packet_total is not None and packet_no is not None:
        properties |= PART_BIT
        item = packet_total.to_bytes(2) + packet_no.to_bytes(2)
    try:
        number = bytes.fromhex(phone.rjust(width, "0"))
    except ValueError as error:
        raise EncodeError(f"phone {phone!r} is not made of digits") from error
    version = bytes([protocol_version]) if is_2019 else b""
    return msg_id.to_bytes(2) + properties.to_bytes(2) + version + number + serial.to_bytes(2) + item


def encode_frames(
    msg_id: int,
    body: bytes,
    *,
    phone: str,
    serial: int,
    edition: Edition,
    protocol_version: int = 1,
    part_bytes: int = PART_BYTES,
    same_serial: bool = False,
    encryption: int = 0,
) -> list[bytes]:
    """Put a body on the wire: one frame, or as many parts with rising serials as it needs (§8.2).

    Args:
        msg_id: 消息ID.
        body: the whole body, of any length up to 65535 parts.
        phone: 终端手机号, digits; padded on the left.
        serial: serial of the first frame; part k goes out with serial + k - 1, modulo 65536.
        edition: decides the header.
        protocol_version: version byte of the 2019 header.
        part_bytes: body bytes per part, 1..1023; a body no longer than this is not split.
        same_serial: every part goes out with `serial`, see `Profile.part_serials` (§13 item 30).
        encryption: the three bits 数据加密方式, when `body` is encrypted already.

    Returns:
        Complete frames with flags.
    """
    if len(body) <= part_bytes:
        head = build_header(
            msg_id,
            len(body),
            phone=phone,
            serial=serial & 0xFFFF,
            edition=edition,
            protocol_version=protocol_version,
            encryption=encryption,
        )
        return [wrap(head + body)]
    pieces = [body[i : i + part_bytes] for i in range(0, len(body), part_bytes)]
    if len(pieces) > 0xFFFF:
        raise EncodeError(f"{len(body)} bytes need {len(pieces)} parts; 65535 is the limit")
    return [
        wrap(
            build_header(
                msg_id,
                len(piece),
                phone=phone,
                serial=(serial if same_serial else serial + number) & 0xFFFF,
                edition=edition,
                protocol_version=protocol_version,
                encryption=encryption,
                packet_total=len(pieces),
                packet_no=number + 1,
            )
            + piece
        )
        for number, piece in enumerate(pieces)
    ]
