"""Vectors of headers: every form, and what terminals make of them (JT/T 808 §2, §11 items 8 to 17), case by case."""

from collections.abc import Iterator
from typing import NamedTuple

from jtgate.codecs.framing import wrap
from jtgate.conformance.generate.records import vector
from jtgate.conformance.vectors import Vector

_OLD_PHONE = "013800138000"
_NEW_PHONE = "00000000013800138000"
#: 0x0001 终端通用应答 of 5 bytes.
_ID = "0001"
_BODY = "0102810300"

#: Bits of the properties.
_PART = 0x2000
_VERSION = 0x4000


class Case(NamedTuple):
    """One header and what has to be made of it.

    Args:
        name: at the end of the id.
        note: what is special.
        properties: 消息体属性.
        head: what stands between the properties and the serial: version byte and phone, in hex.
        item: package item in hex, "" without one.
        edition: that comes out; "" when the header is refused.
        deviations: that are noted.
        serial: 消息流水号.
        body: in hex.
        cut: bytes of header and body that are there, None for all.
    """

    name: str
    note: str
    properties: int
    head: str
    item: str = ""
    edition: str = "2013"
    deviations: tuple[str, ...] = ()
    serial: int = 258
    body: str = _BODY
    cut: int | None = None

    @property
    def payload(self) -> bytes:
        """Header and body."""
        head = f"{_ID}{self.properties:04x}{self.head}{self.serial:04x}{self.item}"
        return bytes.fromhex(head + self.body)[: self.cut]


_SET = "header.version_bit_set"
_MISSING = "header.version_bit_missing"
_PART_WRONG = "header.part_bit_wrong"
_LENGTH = "header.length_mismatch"
_NOT_BCD = "header.phone_not_bcd"
_ENCRYPTED = "body.encrypted"
_NEW = f"01{_NEW_PHONE}"

_CASES = (
    # §2.1: the four forms
    Case("12", "2011 and 2013.", 5, _OLD_PHONE),
    Case("16", "2011 and 2013, part 1 of 2.", _PART | 5, _OLD_PHONE, "00020001"),
    Case("17", "2019.", _VERSION | 5, _NEW, edition="2019"),
    Case("21", "2019, part 1 of 2.", _VERSION | _PART | 5, _NEW, "00020001", edition="2019"),
    # §2.4: the length decides when the bits say otherwise
    Case("12-bit14", "Bit 14 before an old header.", _VERSION | 5, _OLD_PHONE, deviations=(_SET,)),
    Case(
        "16-bit14",
        "Bit 14 before an old header with a package item.",
        _VERSION | _PART | 5,
        _OLD_PHONE,
        "00020001",
        deviations=(_SET,),
    ),
    Case("17-no-bit14", "A 2019 header without bit 14.", 5, _NEW, edition="2019", deviations=(_MISSING,)),
    Case(
        "21-no-bit14",
        "A 2019 header with a package item, without bit 14.",
        _PART | 5,
        _NEW,
        "00020001",
        edition="2019",
        deviations=(_MISSING,),
    ),
    Case("12-bit13", "Bit 13 without a package item.", _PART | 5, _OLD_PHONE, deviations=(_PART_WRONG,)),
    Case("16-no-bit13", "A package item without bit 13.", 5, _OLD_PHONE, "00020001", deviations=(_PART_WRONG,)),
    Case(
        "17-bit13",
        "Bit 13 without a package item, 2019.",
        _VERSION | _PART | 5,
        _NEW,
        edition="2019",
        deviations=(_PART_WRONG,),
    ),
    Case(
        "21-no-bit13",
        "A package item without bit 13, 2019.",
        _VERSION | 5,
        _NEW,
        "00020001",
        edition="2019",
        deviations=(_PART_WRONG,),
    ),
    Case(
        "12-bits13-14",
        "Bits 13 and 14 before an old header without a package item.",
        _VERSION | _PART | 5,
        _OLD_PHONE,
        deviations=(_SET, _PART_WRONG),
    ),
    # §2.4: a wrong length, the bits decide
    Case("length-long", "The length is one more than there is.", 6, _OLD_PHONE, deviations=(_LENGTH,)),
    Case(
        "length-short",
        "The length is one less than there is: the last byte is cut off.",
        4,
        _OLD_PHONE,
        edition="error",
        deviations=(_LENGTH,),
    ),
    Case("length-largest", "The length is 1023.", 1023, _OLD_PHONE, deviations=(_LENGTH,)),
    Case(
        "length-long-2019",
        "The length is two more than there is, 2019.",
        _VERSION | 7,
        _NEW,
        edition="2019",
        deviations=(_LENGTH,),
    ),
    Case(
        "length-is-16-2019",
        "The length is one more than there is, 2019: it makes an old header with a package item.",
        _VERSION | 6,
        _NEW,
        deviations=(_SET, _PART_WRONG),
    ),
    Case(
        "length-is-17",
        "An old header whose wrong length makes it 17 bytes long; byte 4 is no version.",
        0,
        "861380013800",
        edition="error",
        deviations=(_LENGTH,),
    ),
    Case(
        "length-is-17-version",
        "The same, and byte 4 might be a version: the length is believed.",
        0,
        _OLD_PHONE,
        edition="error",
        deviations=(_MISSING,),
    ),
    Case(
        "length-is-16",
        "An old header whose wrong length makes it 16 bytes long: the length is believed.",
        1,
        _OLD_PHONE,
        deviations=(_PART_WRONG,),
    ),
    Case("short-part", "Too short for the package item it announces.", _PART, _OLD_PHONE, edition="", cut=13),
    Case("short-2019", "Too short for the 2019 header it announces.", _VERSION, _NEW, edition="", cut=14),
    # §2.1: version byte
    Case("version-2", "Protocol version 2.", _VERSION | 5, f"02{_NEW_PHONE}", edition="2019"),
    Case("version-15", "Protocol version 15.", _VERSION | 5, f"0f{_NEW_PHONE}", edition="2019"),
    Case("version-0", "Protocol version 0, with bit 14.", _VERSION | 5, f"00{_NEW_PHONE}", edition="2019"),
    Case(
        "version-0-no-bit14",
        "Seventeen bytes with neither version nor bit 14: an old header of wrong length.",
        5,
        f"00{_NEW_PHONE}",
        deviations=(_LENGTH,),
    ),
    # §2.5: phones
    Case("phone-hex", "An IMEI packed into the phone: nibbles A to F.", 5, "01e240c0ffee", deviations=(_NOT_BCD,)),
    Case(
        "phone-hex-2019",
        "Nibbles A to F in a phone of 2019.",
        _VERSION | 5,
        "01000000000001e240c0ff",
        edition="2019",
        deviations=(_NOT_BCD,),
    ),
    Case("phone-zero", "A phone of zeros.", 5, "0" * 12),
    Case("phone-12-digits", "Twelve digits, the first not zero.", 5, "861380013800"),
    Case("phone-20-digits", "Twenty digits.", _VERSION | 5, "01" + "12345678901234567890", edition="2019"),
    # §2.2: encryption
    Case("rsa", "Bit 10: RSA. The body is left as it is.", 0x0405, _OLD_PHONE, deviations=(_ENCRYPTED,)),
    Case("cipher-2", "Bit 11: a cipher of somebody.", 0x0805, _OLD_PHONE, deviations=(_ENCRYPTED,)),
    Case("cipher-7", "Bits 10 to 12.", 0x1C05, _OLD_PHONE, deviations=(_ENCRYPTED,)),
    Case("bit15", "The reserved bit 15 is set.", 0x8005, _OLD_PHONE),
    # §2.3: numbers
    Case("serial-0", "The first serial.", 5, _OLD_PHONE, serial=0),
    Case("serial-65535", "The last serial.", 5, _OLD_PHONE, serial=0xFFFF),
    Case("total-1", "A package item that says 1 of 1 is a whole message.", _PART | 5, _OLD_PHONE, "00010001"),
    Case("empty-body", "No body where five bytes should be.", 0, _OLD_PHONE, body="", edition="error"),
)


def header_files() -> Iterator[tuple[str, list[Vector]]]:
    """The file of headers."""
    yield "framing/headers.jsonl", [_vector(case) for case in _CASES]


def _vector(case: Case) -> Vector:
    made = vector(f"header-{case.name}", "§2", case.note, [wrap(case.payload)])
    (one,) = made.expect
    if case.edition in ("", "error"):
        found = {"header": "", "body.truncated": "error"}.get(one["error"]["code"], "?")
    else:
        found = one.get("edition", one["error"])
    if (found, made.deviations) != (case.edition, case.deviations):
        raise AssertionError(f"{made.id}: {case.edition} {case.deviations} expected, {found} {made.deviations} came")
    return made
