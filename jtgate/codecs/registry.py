"""From message ids to declared messages and back."""

from typing import NamedTuple

import jtgate.codecs.jsatl12.attachments
import jtgate.codecs.jsatl12.identity
import jtgate.codecs.jsatl12.parameters
import jtgate.codecs.jt808
import jtgate.codecs.jt1078  # noqa: F401  these declare the messages
from jtgate.codecs import deviations as dev
from jtgate.codecs.catalogue import CATALOGUE, MessageName, message_name
from jtgate.codecs.declare import MESSAGES, Message
from jtgate.codecs.edition import ALL_EDITIONS, Edition
from jtgate.codecs.errors import ProtocolError
from jtgate.codecs.profile import AUTO, Profile
from jtgate.codecs.wire import Span

__all__ = [
    "BODY_BYTES_MIN",
    "MessageName",
    "UnknownMessage",
    "body_edition",
    "decode_body",
    "encode_body",
    "is_known",
    "message_class",
    "message_name",
]


class UnknownMessage(NamedTuple):
    """The body of an id that is not decoded, kept as it came."""

    msg_id: int
    raw: bytes

    def to_json(self) -> dict[str, object]:
        """The bytes as hex."""
        return {"raw": self.raw.hex()}


def message_class(msg_id: int) -> type[Message] | None:
    """The declared message of an id, None when it is not decoded."""
    return MESSAGES.get(msg_id)


def is_known(msg_id: int) -> bool:
    """True when a standard names the id, whether or not it is decoded here."""
    return msg_id in CATALOGUE


def body_edition(msg_id: int, body: bytes, edition: Edition, profile: Profile = AUTO) -> Edition:
    """The edition whose layout a body has (§2.4): 2011 and 2013 share a header, and some terminals mix.

    Args:
        msg_id: 消息ID.
        body: the whole body.
        edition: what the header says.
        profile: of the terminal; it may name the edition.
    """
    if profile.forced_edition is not None:
        return profile.forced_edition
    cls = MESSAGES.get(msg_id)
    return edition if cls is None else cls.layout_edition(body, edition)


def decode_body(
    msg_id: int,
    body: bytes,
    edition: Edition,
    deviations: list[str],
    spans: list[Span] | None = None,
    profile: Profile = AUTO,
) -> Message | UnknownMessage:
    """Decode a body.

    Args:
        msg_id: 消息ID.
        body: the whole body, all parts joined.
        edition: what the header says; the layout is detected from the body.
        deviations: receives the names of what was tolerated, see `deviations.DEVIATIONS`.
        spans: receives the rows of the annotated view.
        profile: how this kind of terminal reads what is open.

    Raises:
        BodyError: the body does not have the structure of its id; offsets count in the body.
    """
    cls = MESSAGES.get(msg_id)
    if cls is None:
        return UnknownMessage(msg_id, body)
    layout = body_edition(msg_id, body, edition, profile)
    if (layout is Edition.V2019) != (edition is Edition.V2019):
        deviations.append(dev.BODY_NEW_LAYOUT if layout is Edition.V2019 else dev.BODY_OLD_LAYOUT)
    try:
        return cls.decode(body, layout, deviations, spans, profile=profile)
    except ProtocolError as error:
        error.msg_id = msg_id
        raise


def encode_body(message: Message | UnknownMessage, edition: Edition, profile: Profile = AUTO) -> bytes:
    """Encode a body in the layout of one edition.

    Raises:
        EncodeError: a value does not fit, is missing, or belongs to another edition.
    """
    return message.raw if isinstance(message, UnknownMessage) else message.encode(edition, profile)


#: Fewest bytes of a body, over all editions, for messages a terminal sends: a shorter one gets result 2.
BODY_BYTES_MIN: dict[int, int] = {
    msg_id: min(cls.min_bytes(edition) for edition in ALL_EDITIONS)
    for msg_id, cls in sorted(MESSAGES.items())
    if cls.INFO.upward
}
