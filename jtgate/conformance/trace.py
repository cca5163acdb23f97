"""What went over the wire in one played scenario, as far as it helps to understand a failure."""

import time
from collections import deque
from dataclasses import dataclass
from typing import Final

from jtgate.codecs import registry
from jtgate.codecs.catalogue import message_name
from jtgate.codecs.errors import ProtocolError
from jtgate.codecs.header import Header

#: Entries kept from the beginning and from the end of a scenario; those between are counted.
HEAD_MAX: Final = 60
TAIL_MAX: Final = 60
#: Bytes shown of one entry.
BYTES_MAX: Final = 400


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the trace.

    Args:
        at_ms: since the scenario began.
        link: name of the connection.
        kind: "sent", "received", "bad" (received, no frame) or "event".
        text: what it is.
        data: the bytes, cut at BYTES_MAX.
        size: how many there were.
    """

    at_ms: int
    link: str
    kind: str
    text: str
    data: bytes = b""
    size: int = 0

    def to_json(self) -> dict[str, object]:
        """One object; bytes as hex."""
        found: dict[str, object] = {"at_ms": self.at_ms, "link": self.link, "kind": self.kind, "text": self.text}
        if self.size:
            found |= {"hex": self.data.hex(), "bytes": self.size}
        return found


class Trace:
    """The lines of one played scenario."""

    def __init__(self) -> None:
        self._began_s = time.monotonic()
        self._head: list[Entry] = []
        self._tail: deque[Entry] = deque(maxlen=TAIL_MAX)
        self._added = 0

    @property
    def elapsed_s(self) -> float:
        """Since the scenario began."""
        return time.monotonic() - self._began_s

    def add(self, link: str, kind: str, text: str, data: bytes = b"") -> None:
        """One more line."""
        entry = Entry(round(self.elapsed_s * 1000), link, kind, text, data[:BYTES_MAX], len(data))
        self._added += 1
        if len(self._head) < HEAD_MAX:
            self._head.append(entry)
        else:
            self._tail.append(entry)

    @property
    def omitted(self) -> int:
        """Lines that are not kept."""
        return self._added - len(self._head) - len(self._tail)

    def entries(self) -> list[Entry]:
        """What is kept, in order; a line says how much is not."""
        if not self.omitted:
            return [*self._head, *self._tail]
        gap = Entry(self._tail[0].at_ms, "", "event", f"{self.omitted} more lines are not shown")
        return [*self._head, gap, *self._tail]


def frame_text(header: Header, body: bytes) -> str:
    """A frame in a few words: id, names, serial, and what an answer says."""
    name = message_name(header.msg_id)
    text = f"0x{header.msg_id:04x} {name.term} serial {header.serial}"
    if header.packet_total is not None:
        text += f" part {header.packet_no}/{header.packet_total}"
    if header.msg_id in (0x0001, 0x8001) and len(body) >= 5:
        return f"{text}: result {body[4]} to 0x{body[2:4].hex()} serial {int.from_bytes(body[:2])}"
    if header.msg_id in (0x8100, 0x8800, 0x8003, 0x8004) and not header.is_part:
        try:
            fields = registry.decode_body(header.msg_id, body, header.edition, []).to_json()
        except ProtocolError as error:
            return f"{text}: {error}"
        told = ", ".join(f"{key} {value}" for key, value in fields.items() if value not in (None, [], ""))
        return f"{text}: {told}"
    return text
