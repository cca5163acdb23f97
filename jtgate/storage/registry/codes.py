"""Codes that can be told from a slip of the finger: plates, identity numbers, credit codes, UN numbers and the like.

A wrong check digit of an identity number is a fault: no such number was ever given out, and a driver card would never
meet it. One of a credit code is a doubt only: codes with wrong digits are in use.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Final

_PROVINCES: Final = "京津冀晋蒙辽吉黑沪苏浙皖闽赣鲁豫鄂湘粤桂琼渝川贵云藏陕甘青宁新测"
_PLATE: Final = re.compile(f"[{_PROVINCES}][A-Z][A-Z0-9]{{3,5}}[A-Z0-9挂学警港澳领试超]")
_PLATE_NOISE: Final = re.compile(r"[·•.\-]")
_PHONE: Final = re.compile(r"\+?[0-9][0-9-]{2,18}")
_TERMINAL: Final = re.compile("[0-9A-F]{1,20}")
_COUNTY: Final = re.compile("[1-8][0-9]{5}")
_VIN: Final = re.compile("[A-HJ-NPR-Z0-9]{17}")
_UN: Final = re.compile("(?:UN)?([0-9]{4})")
_UN_RANGE: Final = range(4, 4000)
_SHA256: Final = re.compile("[0-9a-f]{64}")
_LICENCE_CLASS: Final = re.compile("A[123]|B[12]|C[123456]|[DEFMNP]")
_ID_NUMBER: Final = re.compile("[0-9]{17}[0-9X]")
_CREDIT_CODE: Final = re.compile("[0-9A-HJ-NPQRTUWXY]{18}")
#: Characters of a credit code in the order of their values (GB 32100).
_CREDIT_ALPHABET: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"

#: Classes and divisions of dangerous goods (JT/T 617), with the letter of compatibility for explosives.
_CLASS: Final = re.compile(r"1(?:\.[1-6][A-HJKLNS]?)?|2(?:\.[1-3])?|3|4(?:\.[1-3])?|5(?:\.[12])?|6(?:\.[12])?|7|8|9")
#: Scopes of permits that are no class.
_SCOPES: Final = {"剧毒": "TOXIC", "剧毒化学品": "TOXIC", "TOXIC": "TOXIC", "危险废物": "WASTE", "WASTE": "WASTE"}


def _plate(text: str) -> str:
    plate = _PLATE_NOISE.sub("", text.upper())
    if not _PLATE.fullmatch(plate):
        raise ValueError("is no number plate: a province, a letter and 4 to 6 more characters")
    return plate


def _phone(text: str) -> str:
    plain = text.replace("(", "").replace(")", "-")
    if not _PHONE.fullmatch(plain):
        raise ValueError("is no telephone number: 3 to 20 digits, which + may begin and - may part")
    return plain


def _terminal(text: str) -> str:
    number = text.upper().lstrip("0")
    if not _TERMINAL.fullmatch(number):
        raise ValueError("is no phone number of a terminal: 1 to 20 digits, leading zeros are ignored")
    return number


def _vin(text: str) -> str:
    return _matched(_VIN, text.upper(), "is no vehicle identification number: 17 characters without I, O, Q")


def _county(text: str) -> str:
    return _matched(_COUNTY, text, "is no code of a county: 6 digits of GB/T 2260")


def _sha256(text: str) -> str:
    return _matched(_SHA256, text.lower(), "is no SHA-256: 64 hexadecimal digits")


def _licence_class(text: str) -> str:
    return _matched(_LICENCE_CLASS, text.upper(), "is no class of a driving licence: A1 to A3, B1, B2, C1 and so on")


def _matched(pattern: re.Pattern[str], text: str, complaint: str) -> str:
    if not pattern.fullmatch(text):
        raise ValueError(complaint)
    return text


def _un(text: str) -> str:
    found = _UN.fullmatch(text.upper())
    if found is None or int(found[1]) not in _UN_RANGE:
        raise ValueError("is no UN number: 4 digits, 0004 to 3999")
    return found[1]


def _danger_class(text: str) -> str:
    if scope := _SCOPES.get(text.upper()):
        return scope
    plain = re.sub("^第", "", text.upper())
    plain = re.sub("^([1-9])类([1-6])项$", r"\1.\2", plain)
    plain = re.sub("[类项]$", "", plain)
    if not _CLASS.fullmatch(plain):
        raise ValueError("is no class of dangerous goods: 1 to 9, 2.1, 1.4S, TOXIC 剧毒化学品 or WASTE 危险废物")
    return plain


def _id_number(text: str) -> str:
    number = text.upper()
    if not _ID_NUMBER.fullmatch(number):
        raise ValueError("is no identity number: 17 digits and a check digit")
    if birth_of(number) is None:
        raise ValueError("has no day of birth in it")
    digits = [10 if c == "X" else int(c) for c in number]
    if sum(digit * (1 << 17 - at) for at, digit in enumerate(digits)) % 11 != 1:
        raise ValueError("has a wrong check digit (GB 11643)")
    return number


def birth_of(id_number: str) -> str | None:
    """The day of birth in an identity number, YYYY-MM-DD; None when there is none."""
    try:
        return date(int(id_number[6:10]), int(id_number[10:12]), int(id_number[12:14])).isoformat()
    except ValueError:
        return None


def _credit_code(text: str) -> str:
    return _matched(_CREDIT_CODE, text.upper(), "is no unified social credit code: 18 characters without I, O, S, V, Z")


def _doubt_of_credit_code(code: str) -> str:
    values = [_CREDIT_ALPHABET.index(c) for c in code]
    total = sum(value * pow(3, at, 31) for at, value in enumerate(values[:17]))
    return "" if (31 - total % 31) % 31 == values[17] else "has a wrong check digit (GB 32100)"


#: Name in a declaration -> the code as it is stored, or ValueError with what is wrong, without the code.
CHECKS: Final[Mapping[str, Callable[[str], str]]] = {
    "plate": _plate,
    "phone": _phone,
    "terminal": _terminal,
    "vin": _vin,
    "county": _county,
    "sha256": _sha256,
    "licence_class": _licence_class,
    "un": _un,
    "danger_class": _danger_class,
    "id_number": _id_number,
    "credit_code": _credit_code,
}
#: Name in a declaration -> what is doubtful about a code that is stored all the same; "" for nothing.
DOUBTS: Final[Mapping[str, Callable[[str], str]]] = {"credit_code": _doubt_of_credit_code}
