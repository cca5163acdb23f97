"""Text on the wire (JT/T 808 §1.1, §11 items 51 and 52): GBK, padding, and what terminals send instead.

Decoding never fails and never loses a byte: when writing the text again would give other bytes than
came (odd padding, UTF-8, unreadable bytes), the string is a `WireText` that remembers them.
"""

import enum
from typing import NamedTuple, Self

from jtgate.codecs import deviations as dev

#: Superset of GBK that Python decodes without holes.
CODEC = "gb18030"

_FULL_WIDTH = {0x3000: 0x20, **{code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}}


class WireText(str):
    """Text together with the bytes it came from, when those are not the ones we would write."""

    __slots__ = ("raw",)
    raw: bytes

    def __new__(cls, text: str, raw: bytes) -> Self:
        """Attach the bytes to the text."""
        self = super().__new__(cls, text)
        self.raw = raw
        return self

    def __reduce__(self) -> tuple[type["WireText"], tuple[str, bytes]]:
        return WireText, (str(self), self.raw)


class Pad(enum.Enum):
    """How a fixed field is filled up."""

    NUL_RIGHT = (b"\x00", False)
    NUL_LEFT = (b"\x00", True)
    SPACE_RIGHT = (b" ", False)


class TextRule(NamedTuple):
    """How one text field is written.

    Args:
        width: bytes of a fixed field, None when the length comes from elsewhere.
        pad: filling of a fixed field.
        plate: a number plate: blanks at the ends are dropped and full-width letters made ordinary.
        encoding: auto, gbk or utf8, see `Profile.text_encoding`.
    """

    width: int | None = None
    pad: Pad = Pad.NUL_RIGHT
    plate: bool = False
    encoding: str = "auto"

    def in_encoding(self, encoding: str) -> "TextRule":
        """The same rule for text in another encoding."""
        return self if encoding == self.encoding else self._replace(encoding=encoding)

    @property
    def codec(self) -> str:
        """The encoding we write."""
        return "utf-8" if self.encoding == "utf8" else CODEC


def decode_text(raw: bytes, rule: TextRule) -> tuple[str, str | None]:
    """Read text.

    Returns:
        The text without padding (a WireText when the bytes are not what we would write), and the
        name of the deviation or None.
    """
    text, deviation = _decode(_strip(raw, rule), rule.encoding)
    if rule.plate:
        ordinary = text.translate(_FULL_WIDTH)
        if ordinary != text:
            text, deviation = ordinary.strip(), deviation or dev.TEXT_FULL_WIDTH
    if deviation is None and _fill(text.encode(rule.codec), rule) == raw:
        return text, None
    return WireText(text, raw), deviation or dev.TEXT_PADDING


def encode_text(text: str, rule: TextRule) -> bytes:
    """Write text, filled up to the width of a fixed field; a WireText of that width goes out as it came.

    Raises:
        ValueError: the text does not fit, or begins or ends like the padding of its fixed field.
    """
    if isinstance(text, WireText) and len(text.raw) <= (rule.width or len(text.raw)):
        return text.raw
    raw = text.encode(rule.codec)
    if rule.width is not None and len(raw) > rule.width:
        name = "UTF-8" if rule.encoding == "utf8" else "GBK"
        raise ValueError(f"{text!r} has {len(raw)} bytes in {name}, {rule.width} is the limit")
    filled = _fill(raw, rule)
    if rule.width is not None and _strip(filled, rule) != raw:
        raise ValueError(f"{text!r} begins or ends with what is taken for padding")
    return filled


def _strip(raw: bytes, rule: TextRule) -> bytes:
    """Without padding: in a fixed field and a plate on both sides, else NUL on both and blanks at the end."""
    return raw.strip(b"\x00 ") if rule.width is not None or rule.plate else raw.strip(b"\x00").rstrip(b"\x00 ")


def _fill(raw: bytes, rule: TextRule) -> bytes:
    if rule.width is None:
        return raw
    byte, left = rule.pad.value
    return raw.rjust(rule.width, byte) if left else raw.ljust(rule.width, byte)


def _decode(raw: bytes, encoding: str) -> tuple[str, str | None]:
    """GBK strictly; UTF-8 where GBK fails or yields rare characters and UTF-8 does not (§11 item 51).

    In an encoding that the profile names, and in the other one only where that fails.
    """
    if raw.isascii():
        return raw.decode("ascii"), None
    gbk = _try(raw, CODEC)
    if encoding == "gbk" and gbk is not None:
        return gbk, None
    if encoding == "utf8":
        return _utf8_first(raw, gbk)
    if gbk is not None and _is_common(gbk):
        return gbk, None
    utf8 = _try(raw, "utf-8")
    if utf8 is not None and (gbk is None or _is_chinese(utf8)):
        return utf8, dev.TEXT_UTF8
    if gbk is not None:
        return gbk, None
    return raw.decode(CODEC, "replace"), dev.TEXT_NOT_GBK


def _utf8_first(raw: bytes, gbk: str | None) -> tuple[str, str | None]:
    """UTF-8, or GBK where that fails."""
    utf8 = _try(raw, "utf-8")
    if utf8 is not None:
        return utf8, None
    return (gbk, dev.TEXT_GBK) if gbk is not None else (raw.decode(CODEC, "replace"), dev.TEXT_NOT_GBK)


def _try(raw: bytes, codec: str) -> str | None:
    try:
        return raw.decode(codec)
    except UnicodeDecodeError:
        return None


def _is_common(text: str) -> bool:
    """True when every character is in GB 2312, the characters in daily use."""
    try:
        text.encode("gb2312")
    except UnicodeEncodeError:
        return False
    return True


def _is_chinese(text: str) -> bool:
    """True when everything beyond ASCII is East Asian, so that rare GBK characters are not taken for Cyrillic."""
    return all(char < "\x80" or char >= "\u2e80" for char in text) and _is_common(text)
