"""Messages of vendors that are met in the field and whose layout is known (JT/T 808 §3.1, §11 items 54 and 56)."""
# ruff: noqa: ARG002, D102  the methods of a kind are told by kinds.Kind

from typing import Any

import construct

from jtgate.codecs import deviations as dev
from jtgate.codecs import jsonvalues
from jtgate.codecs.declare import Message, byte, message, of_kind, string, word
from jtgate.codecs.edition import Edition
from jtgate.codecs.kinds import Kind
from jtgate.codecs.text import WireText
from jtgate.codecs.wire import Scope, convert

_UTF16 = "utf-16-be"


class Utf16Text(Kind):
    """UTF-16BE text to the end of the body; what is not is kept as bytes behind U+FFFD."""

    def con(self, edition: Edition) -> Any:
        return convert(construct.GreedyBytes, self._decode, self._encode)

    def _decode(self, raw: bytes, scope: Scope) -> str:
        try:
            text = raw.decode(_UTF16)
        except UnicodeDecodeError:
            scope.run.note(dev.TEXT_NOT_UTF16)
            return WireText(raw.decode(_UTF16, "replace"), raw)
        stripped = text.strip("\0")
        if stripped == text:
            return text
        scope.run.note(dev.TEXT_PADDING)
        return WireText(stripped, raw)

    def _encode(self, value: str, scope: Scope) -> bytes:
        return value.raw if isinstance(value, WireText) else value.encode(_UTF16)

    def open_ended(self, edition: Edition) -> bool:
        return True

    def types(self) -> frozenset[object]:
        return frozenset({str})

    def min_bytes(self, edition: Edition) -> int:
        return 0

    def json(self, value: str) -> object:
        return str(value)

    def from_json(self, value: object) -> str:
        return jsonvalues.text(value)

    def wire_type(self, edition: Edition) -> str:
        return "UTF-16BE text"


@message(0x0506, clause="§3.1, §11 item 56")
class VendorHeartbeat(Message):
    """0x0506 厂商休眠心跳, sent while the ignition is off."""


@message(0x0109, clause="§3.1")
class VendorTimeRequest(Message):
    """0x0109 厂商校时请求; what it carries is not known and stays `trailing`."""


@message(0x8109, clause="§3.1")
class VendorTimeAnswer(Message):
    """0x8109 厂商校时应答; the time is UTC."""

    year: int = word("年")
    month: int = byte("月", valid=(1, 12))
    day: int = byte("日", valid=(1, 31))
    hour: int = byte("时", valid=(0, 23))
    minute: int = byte("分", valid=(0, 59))
    second: int = byte("秒", valid=(0, 59))
    result: int = byte("结果")


@message(0x6006, clause="§3.5, §11 item 54")
class VendorTextAnswer(Message):
    """0x6006 厂商文本指令应答 to a command tunnelled through 0x8300, in GBK."""

    text: str = string("应答文本")


@message(0x1300, clause="§3.5, §11 item 54")
class VendorTextAnswerUtf16(Message):
    """0x1300 厂商文本指令应答 to a command tunnelled through 0x8300, in UTF-16BE."""

    text: str = of_kind("应答文本", Utf16Text())
