"""The platform that a tested terminal meets: it answers everything rightly, unless a scenario wants it otherwise."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from jtgate.codecs import timebase
from jtgate.codecs.declare import Message
from jtgate.codecs.edition import Edition
from jtgate.codecs.errors import ProtocolError
from jtgate.codecs.framing import wrap
from jtgate.codecs.header import build_header
from jtgate.codecs.jt808 import MediaUpload, MediaUploadAnswer, PlatformGeneralAnswer, RegisterAnswer, TimeAnswer
from jtgate.codecs.parts import Complete, PartBuffer
from jtgate.conformance.link import Link, Received

REGISTER: Final = 0x0100
AUTHENTICATE: Final = 0x0102
#: Answers of a terminal, which nobody answers (§3.1), and its request for parts, which is answered by the parts.
_UNANSWERED: Final = frozenset(
    {0x0001, 0x0005, 0x0104, 0x0107, 0x0201, 0x0500, 0x0608, 0x0700, 0x0802, 0x0805, 0x0A00, 0x1003, 0x1205}
)
#: How a message may be answered on the wish of a scenario.
HOWS: Final = ("rightly", "silence", "result", "wrong_serial", "twice")
#: Memory for the parts of a terminal.
_PARTS_BYTES_MAX: Final = 16 << 20


@dataclass(slots=True)
class Wish:
    """How messages with one id are answered for now.

    Args:
        how: one of HOWS.
        result: with "result".
        left: how many more, None for all.
    """

    how: str
    result: int = 1
    left: int | None = None


class Platform:
    """Answers the terminal under test.

    Args:
        on_login: called when a terminal was let in.
    """

    def __init__(self, on_login: Callable[[Link], None]) -> None:
        self.codes: dict[str, str] = {}
        self.wishes: dict[int, Wish] = {}
        self._on_login = on_login
        self._parts = PartBuffer(_PARTS_BYTES_MAX)

    def answer(self, link: Link, received: Received) -> None:
        """Answer one frame, in the header form it came in."""
        header = received.header
        stamp = link.stamp
        stamp.edition, stamp.phone = header.edition, header.phone
        stamp.version = header.protocol_version or 1
        if received.msg_id in _UNANSWERED or link.closed:
            return
        wish = self._wish(received.msg_id)
        if wish.how == "silence":
            return
        for _ in range(2 if wish.how == "twice" else 1):
            self._answer(link, received, wish)

    def _wish(self, msg_id: int) -> Wish:
        wish = self.wishes.get(msg_id) or self.wishes.get(0)
        if wish is None:
            return Wish("rightly")
        if wish.left is not None:
            if wish.left <= 0:
                return Wish("rightly")
            wish.left -= 1
        return wish

    def _answer(self, link: Link, received: Received, wish: Wish) -> None:
        header = received.header
        result = wish.result if wish.how == "result" else 0
        serial = (header.serial + 1) & 0xFFFF if wish.how == "wrong_serial" else header.serial
        if received.msg_id == REGISTER:
            code = self.codes.setdefault(header.terminal, f"KIT{header.terminal[-8:]}") if result == 0 else None
            self.send(link, RegisterAnswer(answer_serial=serial, result=result, auth_code=code))
            return
        if received.msg_id == 0x0004:
            self.send(link, TimeAnswer(time=timebase.utc_now()))
            return
        self.send(link, PlatformGeneralAnswer(answer_serial=serial, answer_id=received.msg_id, result=result))
        if received.msg_id == AUTHENTICATE and result == 0 and wish.how != "wrong_serial":
            self._on_login(link)
        if received.msg_id == 0x0801 and wish.how == "rightly":
            self._confirm_upload(link, received)

    def _confirm_upload(self, link: Link, received: Received) -> None:
        """0x8800 when all parts of a picture are there."""
        header = received.header
        whole = self._parts.add(header.terminal, header, received.body, received.at_s)
        if not isinstance(whole, Complete):
            return
        try:
            layout = MediaUpload.layout_edition(whole.body, header.edition)
            upload = MediaUpload.decode(whole.body, layout)
        except ProtocolError:
            return  # the terminal waits in vain, and says so by asking again
        if layout is not Edition.V2011:
            self.send(link, MediaUploadAnswer(media_id=upload.media_id))
        elif upload.package_no == upload.package_total:
            self.send(link, MediaUploadAnswer(answer_serial=header.serial, media_id=upload.media_id), layout)

    def send(self, link: Link, message: Message, layout: Edition | None = None) -> None:
        """A message of the platform to the terminal on this link."""
        stamp = link.stamp
        body = message.encode(layout or stamp.edition)
        serial, stamp.serial = stamp.serial, (stamp.serial + 1) & 0xFFFF
        msg_id = message.INFO.msg_id
        form: dict[str, Any] = {"phone": stamp.phone, "edition": stamp.edition, "protocol_version": stamp.version}
        head = build_header(msg_id, len(body), serial=serial, **form)
        link.sent[serial, msg_id] += 1
        told = f" to 0x{message.answer_id:04x}" if isinstance(message, PlatformGeneralAnswer) else ""
        link.write(wrap(head + body), f"0x{msg_id:04x} {message.INFO.term} serial {serial}{told}")
