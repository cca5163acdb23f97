"""Telling the layouts of 2011, 2013 and 2019 apart by trying them, where nothing in the body says which it is."""

from dataclasses import dataclass

from jtgate.codecs import deviations as dev
from jtgate.codecs.declare import Message
from jtgate.codecs.edition import Edition
from jtgate.codecs.errors import ProtocolError
from jtgate.codecs.presence import Unless
from jtgate.codecs.wire import Scope

#: 设置类型 of the messages that set a list: forget all, after which nothing follows.
DELETE_ALL = 0


@dataclass(frozen=True)
class Listed(Unless):
    """There unless everything is to be deleted; elements that follow all the same have all their counts.

    Args:
        elements: the list.
    """

    field: str = "action"
    values: tuple[object, ...] = (DELETE_ALL,)
    tolerated: str | None = dev.LIST_AFTER_DELETE_ALL
    elements: str = ""

    def writing(self, scope: Scope, value: object) -> bool:
        """By the action, its value and the list."""
        return super().writing(scope, value) or bool(scope[self.elements])


#: Deviations that say nothing about the layout begin with this.
_TEXT = "text."


def first_clean(cls: type[Message], body: bytes, header: Edition, *others: Edition) -> Edition:
    """The first edition in whose layout a body decodes to its last byte with nothing to remark.

    Args:
        cls: the message.
        body: the whole body.
        header: what the header says; tried first, and the answer when no layout fits.
        others: the other editions to try.
    """
    for edition in dict.fromkeys((header, *others)):
        if _is_clean(cls, body, edition):
            return edition
    return header


def old_layout(cls: type[Message], body: bytes, header: Edition) -> Edition:
    """2011 or 2013 under their common header (§2.4); what 2019 keeps of the list messages is as in 2013."""
    if header is Edition.V2019:
        return header
    return first_clean(cls, body, header, Edition.V2013, Edition.V2011)


def _is_clean(cls: type[Message], body: bytes, edition: Edition) -> bool:
    deviations: list[str] = []
    try:
        cls.decode(body, edition, deviations)
    except ProtocolError:
        return False
    return all(deviation.startswith(_TEXT) for deviation in deviations)
