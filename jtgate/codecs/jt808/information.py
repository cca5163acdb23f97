"""Information for the driver (JT/T 808 §3.5)."""

from jtgate.codecs.declare import Message, byte, message, string
from jtgate.codecs.edition import ONLY_2019
from jtgate.codecs.jt808.tables import TEXT_FLAGS, TEXT_TYPES


@message(0x8300, clause="§3.5")
class TextMessage(Message):
    """0x8300 文本信息下发."""

    flags: int = byte("文本信息标志", table=TEXT_FLAGS)
    text_type: int | None = byte("文本类型", table=TEXT_TYPES, editions=ONLY_2019, default=None)
    text: str = string("文本信息")
