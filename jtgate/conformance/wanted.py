"""What a step expects of a frame, and whether a frame that came is it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from jtgate.codecs.catalogue import message_name
from jtgate.codecs.deviations import DEVIATIONS
from jtgate.codecs.edition import Edition
from jtgate.codecs.errors import ProtocolError
from jtgate.codecs.header import VERSION_BIT
from jtgate.conformance.frames import Sent
from jtgate.conformance.kit import KitError
from jtgate.conformance.link import Link, Received
from jtgate.conformance.trace import frame_text
from jtgate.conformance.words import Words, fault, read_body

#: Messages with which a platform or a terminal answers; everything else it sends of its own accord.
ANSWERS: Final = frozenset(
    {0x8001, 0x8100, 0x8004, 0x8800, 0x8003, 0x0001, 0x0104, 0x0107, 0x0201, 0x0608, 0x0700, 0x0802, 0x0805}
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One thing that may come.

    Args:
        ids: message ids; empty with `closed` and `silence`.
        to: the frame it answers, None when it answers none.
        results: allowed results of a general answer.
        fields: conditions by field.
        clean: it is read without any tolerance.
        body: the exact body, None when it does not matter.
        body_length: its allowed lengths, empty when they do not matter.
        same_header: it has the header form of the frame it answers, or of what we send.
        closed: the connection is closed by the other side.
        silence: nothing comes.
        general_id: the general answer of the other side.
        edition: in which the scenario is played.
    """

    ids: frozenset[int] = frozenset()
    to: Sent | None = None
    results: tuple[int, ...] = (0,)
    fields: Mapping[str, Any] | None = None
    clean: bool = False
    body: bytes | None = None
    body_length: tuple[int, ...] = ()
    same_header: bool = False
    closed: bool = False
    silence: bool = False
    general_id: int = 0x8001
    edition: Edition = Edition.V2013

    @classmethod
    def of(cls, table: Mapping[str, Any], words: Words, sent: Mapping[str, Sent], general_id: int) -> "Wanted":
        """Read the keys of an expectation.

        Raises:
            KitError: it expects nothing, or names a frame that is not there.
        """
        if table.get("closed") or table.get("silence"):
            return cls(closed=bool(table.get("closed")), silence=bool(table.get("silence")))
        to = None
        if "answer_to" in table:
            label = table["answer_to"]
            if label not in sent:
                raise KitError(f"no frame is called {label!r}")
            to = sent[label]
        given = words.value(table.get("id", general_id if to is not None else None))
        if given is None:
            raise KitError("an expectation needs an id or answer_to")
        lengths = words.value(table.get("body_length", []))
        return cls(
            ids=frozenset(given if isinstance(given, list) else [given]),
            to=to,
            results=tuple(words.value(table.get("result", [0]))),
            fields=words.value(table["fields"]) if "fields" in table else None,
            clean=bool(table.get("clean")),
            body=words.hex_bytes(words.value(table["body"])) if "body" in table else None,
            body_length=tuple(lengths if isinstance(lengths, list) else [lengths]),
            same_header=table.get("header") == "same",
            general_id=general_id,
            edition=words.edition,
        )

    @property
    def text(self) -> str:
        """What is wanted, in a few words."""
        if self.closed:
            return "the connection is closed"
        if self.silence:
            return "nothing"
        names = " or ".join(f"0x{msg_id:04x} {message_name(msg_id).term}" for msg_id in sorted(self.ids))
        if self.to is None:
            return names
        return f"{names} to 0x{self.to.msg_id:04x} serial {self.to.serial}"

    def concerns(self, received: Received, link: Link) -> bool:
        """Whether this frame is meant to be what is wanted, right or wrong."""
        if received.msg_id not in self.ids:
            return self._is_refusal(received)
        quoted = received.quoted
        if quoted is None or self.to is None:
            return True
        if quoted[0] == self.to.serial and quoted[1] == self.to.msg_id:
            return True
        return quoted not in link.sent  # an answer to what was never sent: the one we wait for, with a fault

    def _is_refusal(self, received: Received) -> bool:
        """A general answer in place of the specific one that is wanted."""
        if self.to is None or received.msg_id != self.general_id or self.general_id in self.ids:
            return False
        return received.quoted == (self.to.serial, self.to.msg_id) and received.body[4] != 0

    def problem(self, received: Received, link: Link) -> str | None:
        """Why a frame that is meant is not what is wanted; None when it is."""
        told = frame_text(received.header, received.body)
        if received.msg_id not in self.ids:
            return f"{told} came in place of {self.text}"
        quoted = received.quoted
        if quoted is not None and self.to is not None:
            if quoted != (self.to.serial, self.to.msg_id):
                return f"{told}: no such frame was sent; expected {self.text}"
            if received.body[4] not in self.results:
                return f"{told}: expected result {' or '.join(str(result) for result in self.results)}"
        if self.body is not None and received.body != self.body:
            return f"{told}: the body is {received.body.hex(' ')}, not {self.body.hex(' ')}"
        if self.body_length and len(received.body) not in self.body_length:
            lengths = " or ".join(str(length) for length in self.body_length)
            return f"{told}: the body has {len(received.body)} bytes, not {lengths}: {received.body.hex(' ')}"
        if self.same_header:
            problem = header_fault(received, link, self.to)
            if problem is not None:
                return f"{told}: {problem}"
        return self._field_fault(received, told) if self.fields is not None or self.clean else None

    def _field_fault(self, received: Received, told: str) -> str | None:
        deviations: list[str] = []
        try:
            values = read_body(received.msg_id, received.body, received.header.edition, self.edition, deviations)
        except ProtocolError as error:
            return f"{told}: {error}"
        if self.clean and deviations:
            return f"{told}: {', '.join(DEVIATIONS.get(name, name) for name in deviations)}"
        for name, condition in (self.fields or {}).items():
            if name not in values:
                return f"{told}: there is no {name}"
            problem = fault(name, values[name], condition)
            if problem is not None:
                return f"{told}: {problem}"
        return None


def decoded(received: Received, spoken: Edition) -> dict[str, Any]:
    """A received body as JSON values.

    Raises:
        ProtocolError: it has not the structure of its id.
    """
    return read_body(received.msg_id, received.body, received.header.edition, spoken)


def header_fault(received: Received, link: Link, to: Sent | None) -> str | None:
    """Why a header is not in the form of ours (§2.4 rule 4); None when it is."""
    ours = to.header if to is not None else link.stamp
    header = received.header
    is_2019 = ours.edition is Edition.V2019
    width = ours.edition.phone_bytes * 2
    if (header.edition is Edition.V2019) != is_2019:
        return f"the header is that of {header.edition}, ours is that of {ours.edition}"
    if bool(int.from_bytes(received.payload[2:4]) & VERSION_BIT) != is_2019:
        return f"bit 14 of the properties is {int(not is_2019)}, ours is {int(is_2019)}"
    if is_2019 and header.protocol_version != ours.version:
        return f"the version byte is {header.protocol_version}, ours is {ours.version}"
    phone = ours.phone.rjust(width, "0")[-width:].upper()
    if header.phone != phone:
        return f"the phone is {header.phone}, ours is {phone}"
    return None
