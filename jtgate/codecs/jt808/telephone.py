"""Telephone (JT/T 808 §3.6): call back 0x8400, phone book 0x8401."""

from jtgate.codecs import deviations as dev
from jtgate.codecs.declare import (
    Message,
    Structure,
    by_edition,
    byte,
    count_of,
    message,
    of_kind,
    repeat,
    string,
    structure,
)
from jtgate.codecs.edition import ONLY_2011, Edition
from jtgate.codecs.jt808.layouts import DELETE_ALL, Listed, old_layout
from jtgate.codecs.profiled import LimitedText
from jtgate.codecs.tables import Choices

#: 标志 of 0x8400.
CALL_TYPES = Choices((0, "普通通话", "normal call"), (1, "监听", "monitor"))

PHONE_BYTES_MAX = 20

#: 设置类型 of 0x8401.
PHONE_BOOK_ACTIONS = Choices(
    (DELETE_ALL, "删除终端上所有存储的联系人", "delete all"),
    (1, "更新电话本", "replace"),
    (2, "追加电话本", "append"),
    (3, "修改电话本", "modify, by contact"),
)

#: 标志 of a contact.
CALL_DIRECTIONS = Choices((1, "呼入", "incoming"), (2, "呼出", "outgoing"), (3, "呼入/呼出", "both"))


@message(0x8400, clause="§3.6")
class CallBack(Message):
    """0x8400 电话回拨; some platforms fill the number up to its 20 bytes."""

    call_type: int = byte("标志", table=CALL_TYPES)
    phone: str = of_kind("电话号码", LimitedText(PHONE_BYTES_MAX))


@structure(clause="§3.6")
class Contact(Structure):
    """A contact 联系人项 of the phone book."""

    direction: int = byte("标志", table=CALL_DIRECTIONS)
    phone: str = string("电话号码", prefix=1)
    name: str = string("联系人", prefix=1)


_LISTED = Listed(elements="contacts")


def _phone_book_layout(body: bytes, header: Edition) -> Edition:
    return old_layout(SetPhoneBook, body, header)


@message(0x8401, clause="§3.6", detect=_phone_book_layout)
class SetPhoneBook(Message):
    """0x8401 设置电话本; nothing follows the order to delete all."""

    action: int = byte("设置类型", table=PHONE_BOOK_ACTIONS)
    count: int | None = count_of(
        "contacts",
        1,
        "联系人总数",
        wrong=by_edition(None, dev.LIST_WRONG_COUNT, dev.LIST_WRONG_COUNT),
        present=_LISTED,
        default=None,
    )
    package_count: int | None = count_of(
        "contacts",
        1,
        "包联系人数",
        wrong=dev.LIST_WRONG_COUNT,
        editions=ONLY_2011,
        present=_LISTED,
        default=None,
    )
    contacts: tuple[Contact, ...] = repeat("联系人项", Contact, default=())
