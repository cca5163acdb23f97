"""Texts, events, questions, menus, telephone, e-waybill, transparent data, vendors (JT/T 808 §3.5–§3.7, §11, §13)."""

from typing import Any

import pytest

from jtgate.codecs import deviations as dev
from jtgate.codecs.edition import ALL_EDITIONS, Edition
from jtgate.codecs.errors import EncodeError, Truncated
from jtgate.codecs.jt808 import (
    AnswerItem,
    AskQuestion,
    CallBack,
    Contact,
    DownlinkTransparent,
    EventItem,
    EventReport,
    InformationDemand,
    InformationService,
    MenuItem,
    QuestionAnswer,
    SetEvents,
    SetInformationMenu,
    SetPhoneBook,
    TextMessage,
    VendorHeartbeat,
    VendorTextAnswer,
    VendorTextAnswerUtf16,
    VendorTimeAnswer,
    VendorTimeRequest,
    WaybillReport,
)
from jtgate.codecs.jt808.information import DEMANDS, EVENT_ACTIONS, MENU_ACTIONS, QUESTION_FLAGS
from jtgate.codecs.jt808.tables import TEXT_FLAGS, TRANSPARENT_TYPES
from jtgate.codecs.jt808.telephone import CALL_DIRECTIONS, CALL_TYPES, PHONE_BOOK_ACTIONS
from jtgate.codecs.registry import body_edition, decode_body, encode_body
from jtgate.codecs.text import WireText

FIRST, OLD, NEW = ALL_EDITIONS


def decode(msg_id: int, body: bytes, edition: Edition = OLD) -> tuple[Any, list[str]]:
    """The message and the deviations; it goes out as it came."""
    deviations: list[str] = []
    message = decode_body(msg_id, body, edition, deviations)
    assert encode_body(message, body_edition(msg_id, body, edition)) == body
    return message, deviations


# ---------------------------------------------------------------------------------- texts


def test_row_53_of_section_11_a_text_is_shown_and_read_aloud() -> None:
    """§11 item 53: flags of 0 are ignored by several terminals, so a text without flags has bits 2 and 3."""
    assert TextMessage(text="慢").encode(OLD) == b"\x0c" + "慢".encode("gbk")
    assert TextMessage(text="慢", text_type=1).encode(NEW) == b"\x0c\x01" + "慢".encode("gbk")
    assert TEXT_FLAGS.meaning(0x0C, OLD) == "终端显示器显示 show on display; 终端TTS播读 read aloud"
    assert TextMessage(flags=0, text="x").encode(OLD) == b"\0x"


def test_row_54_of_section_11_answers_to_tunnelled_commands() -> None:
    """§11 item 54: GBK in 0x6006, UTF-16BE in 0x1300; what is neither is kept."""
    assert decode(0x6006, "设置成功".encode("gbk")) == (VendorTextAnswer(text="设置成功"), [])
    assert decode(0x1300, "设置成功".encode("utf-16-be")) == (VendorTextAnswerUtf16(text="设置成功"), [])
    padded, deviations = decode(0x1300, "OK\0".encode("utf-16-be"))
    assert (padded.text, deviations) == ("OK", [dev.TEXT_PADDING])
    odd, deviations = decode(0x1300, b"\0O\0K\0")
    assert (odd.text, deviations) == ("OK\ufffd", [dev.TEXT_NOT_UTF16])
    assert VendorTextAnswerUtf16.from_json({"text": "OK"}).encode() == b"\0O\0K"
    assert VendorTextAnswerUtf16.SPECS[0].kind.wire_type(NEW) == "UTF-16BE text"
    assert VendorTextAnswerUtf16(text="OK").to_json() == {"text": "OK"}
    with pytest.raises(ValueError, match="no text"):
        VendorTextAnswerUtf16.from_json({"text": 5})


# --------------------------------------------------------------------- events and questions

EVENTS = (EventItem(event_id=1, content="休息"), EventItem(event_id=2, content=""))
EVENT_BYTES = b"\x01\x04" + "休息".encode("gbk") + b"\x02\x00"


@pytest.mark.parametrize("edition", [OLD, NEW])
def test_row_34_of_section_13_events_in_2019_as_in_2013(edition: Edition) -> None:
    """§13 item 34: the layouts of 2013 hold in 2019, without a deviation."""
    assert decode(0x8301, b"\x02\x02" + EVENT_BYTES, edition) == (SetEvents(action=2, count=2, events=EVENTS), [])
    assert decode(0x0301, b"\x07", edition) == (EventReport(event_id=7), [])
    question = b"\x09\x04" + "到否".encode("gbk") + b"\x01\0\x02" + "是".encode("gbk") + b"\x02\0\0"
    answers = (AnswerItem(answer_id=1, content="是"), AnswerItem(answer_id=2, content=""))
    assert decode(0x8302, question, edition) == (AskQuestion(flags=9, question="到否", answers=answers), [])
    assert decode(0x0302, b"\x12\x34\x01", edition) == (QuestionAnswer(answer_serial=0x1234, answer_id=1), [])
    menu = b"\x01\x01\x05\0\x04" + "天气".encode("gbk")
    assert decode(0x8303, menu, edition) == (
        SetInformationMenu(action=1, count=1, items=(MenuItem(info_type=5, name="天气"),)),
        [],
    )
    assert decode(0x0303, b"\x05\x01", edition) == (InformationDemand(info_type=5, demand=1), [])
    service = b"\x05\0\x02" + "晴".encode("gbk")
    assert decode(0x8304, service, edition) == (InformationService(info_type=5, content="晴"), [])


@pytest.mark.parametrize("header", [FIRST, OLD])
def test_lists_of_2011_have_a_second_count(header: Edition) -> None:
    """Total and number in this package; the layout is found by trying, and the total may be larger."""
    message, deviations = decode(0x8301, b"\x02\x05\x02" + EVENT_BYTES, header)
    assert (message.count, message.package_count, message.events, deviations) == (5, 2, EVENTS, [])
    menu, deviations = decode(0x8303, b"\x01\x01\x01\x05\0\x02" + "晴".encode("gbk"), header)
    assert (menu.package_count, menu.items[0].name, deviations) == (1, "晴", [])
    book, deviations = decode(0x8401, b"\x01\x03\x01\x03\x02" + b"12" + b"\x02AB", header)
    assert (book.count, book.package_count, book.contacts[0].name, deviations) == (3, 1, "AB", [])
    service, deviations = decode(0x8304, b"\x05\0\x09\0\x02" + "晴".encode("gbk"), header)
    assert (service.total_length, service.content, deviations) == (9, "晴", [])
    assert body_edition(0x8304, b"\x05\0\x09\0\x02" + "晴".encode("gbk"), header) is FIRST


def test_lists_of_2011_are_not_taken_for_those_of_2019() -> None:
    """Under a 2019 header the layout is that of 2013, whatever the bytes."""
    with pytest.raises(Truncated):
        decode(0x8301, b"\x02\x05\x02" + EVENT_BYTES, NEW)


@pytest.mark.parametrize("msg_id", [0x8301, 0x8303, 0x8401])
@pytest.mark.parametrize("edition", ALL_EDITIONS)
def test_nothing_follows_the_order_to_delete_all(msg_id: int, edition: Edition) -> None:
    """One byte; a list behind it is read and noted."""
    message, deviations = decode(msg_id, b"\0", edition)
    assert (message.action, message.count, message.trailing, deviations) == (0, None, b"", [])
    assert message.encode(edition) == b"\0"
    if edition is OLD:
        message, deviations = decode(msg_id, b"\0\0", edition)
        assert (message.count, deviations) == (0, [dev.LIST_AFTER_DELETE_ALL])
        message, deviations = decode(msg_id, b"\x01\x05", edition)
        assert deviations == [dev.LIST_WRONG_COUNT]


@pytest.mark.parametrize("edition", ALL_EDITIONS)
def test_events_to_delete_are_bare_ids_or_have_a_length_of_0(edition: Edition) -> None:
    """Both are read, and written again as they came."""
    head = b"\x04\x03" + (b"\x03" if edition is FIRST else b"")
    bare, deviations = decode(0x8301, head + b"\x01\x02\x03", edition)
    assert [(item.event_id, item.content) for item in bare.events] == [(1, None), (2, None), (3, None)]
    assert not deviations
    empty, deviations = decode(0x8301, head + b"\x01\0\x02\0\x03\0", edition)
    assert [(item.event_id, item.content) for item in empty.events] == [(1, ""), (2, ""), (3, "")]
    assert not deviations


def test_events_to_set_need_their_content() -> None:
    """Only an event that is deleted can do without."""
    assert "only their ids" in str(EventItem.SPECS[1].presence)
    with pytest.raises(EncodeError, match="content is needed"):
        SetEvents(action=1, events=(EventItem(event_id=1),)).encode(OLD)
    assert SetEvents(action=4, events=(EventItem(event_id=1),)).encode(OLD) == b"\x04\x01\x01"


def test_an_event_that_is_cut() -> None:
    """The error points into the list."""
    with pytest.raises(Truncated) as caught:
        decode(0x8301, b"\x02\x02" + EVENT_BYTES[:-1])
    assert (caught.value.field, caught.value.offset) == ("events[1].content", 9)


def test_tables_of_information() -> None:
    """Actions, flags and demands, as many as the standard has."""
    assert [row.code for row in EVENT_ACTIONS] == [0, 1, 2, 3, 4]
    assert [row.code for row in MENU_ACTIONS] == [0, 1, 2, 3]
    assert [row.code for row in DEMANDS] == [0, 1]
    assert [row.no for row in QUESTION_FLAGS] == [0, 3, 4]


# ------------------------------------------------------------------------------- telephone


@pytest.mark.parametrize("edition", ALL_EDITIONS)
def test_call_back(edition: Edition) -> None:
    """A number of at most 20 bytes to the end of the body; padded ones are read, longer ones noted."""
    assert decode(0x8400, b"\x01" + b"13912345678", edition) == (CallBack(call_type=1, phone="13912345678"), [])
    message, deviations = decode(0x8400, b"\0" + b"10086".ljust(20, b"\0"), edition)
    assert (message.phone, deviations) == ("10086", [dev.TEXT_PADDING])
    message, deviations = decode(0x8400, b"\0" + b"1" * 21, edition)
    assert (message.phone, deviations) == ("1" * 21, [dev.TEXT_TOO_LONG])
    assert isinstance(message.phone, WireText)
    assert CallBack(call_type=0, phone="1" * 20).encode(edition) == b"\0" + b"1" * 20
    assert CallBack.SPECS[1].possible(edition) == "text of at most 20 bytes in GBK"
    with pytest.raises(EncodeError, match="20 is the limit"):
        CallBack(call_type=0, phone="1" * 21).encode(edition)


def test_phone_book() -> None:
    """Flag, number and contact, each text behind its length."""
    contact = Contact(direction=3, phone="10086", name="调度")
    body = b"\x02\x01\x03\x0510086\x04" + "调度".encode("gbk")
    assert decode(0x8401, body) == (SetPhoneBook(action=2, count=1, contacts=(contact,)), [])
    assert [row.code for row in PHONE_BOOK_ACTIONS] == [0, 1, 2, 3]
    assert [row.code for row in CALL_DIRECTIONS] == [1, 2, 3]
    assert [row.code for row in CALL_TYPES] == [0, 1]


# -------------------------------------------------------------------- e-waybill, transparent


def test_waybill_with_a_right_and_a_wrong_length() -> None:
    """Whatever the length says, the content is what is there."""
    assert decode(0x0701, b"\0\0\0\x02AB") == (WaybillReport(length=2, content=b"AB"), [])
    assert WaybillReport(content=b"AB").encode() == b"\0\0\0\x02AB"
    for length in (1, 9):
        message, deviations = decode(0x0701, bytes([0, 0, 0, length]) + b"AB")
        assert (message.length, message.content, deviations) == (length, b"AB", [dev.WAYBILL_WRONG_LENGTH])
    with pytest.raises(Truncated):
        decode(0x0701, b"\0\0\0")


@pytest.mark.parametrize("msg_id", [0x0900, 0x8900])
def test_transparent_data_in_both_layouts(msg_id: int) -> None:
    """2011 has two lengths before the content; both directions are alike."""
    content = bytes(range(64))
    message, deviations = decode(msg_id, b"\x0b" + content)
    assert (message.data_type, message.data, message.total_length, deviations) == (0x0B, content, None, [])
    old, deviations = decode(msg_id, b"\x41\0\0\0\x09\0\x02" + b"AB")
    assert (old.data_type, old.total_length, old.package_length, old.data) == (0x41, 9, 2, b"AB")
    assert not deviations
    assert DownlinkTransparent(data_type=0x42, data=b"x").encode(NEW) == b"\x42x"


def test_types_of_transparent_data() -> None:
    """GNSS details, IC card, two serial ports, two of active safety."""
    assert [row.code for row in TRANSPARENT_TYPES] == [0x00, 0x0B, 0x41, 0x42, 0xF7, 0xF8]


# --------------------------------------------------------------------------------- vendors


@pytest.mark.parametrize("edition", ALL_EDITIONS)
def test_messages_of_vendors(edition: Edition) -> None:
    """Second heartbeat, request of the time, and its answer in UTC."""
    assert decode(0x0506, b"", edition) == (VendorHeartbeat(), [])
    assert decode(0x0109, b"", edition) == (VendorTimeRequest(), [])
    assert decode(0x0109, b"\1", edition) == (VendorTimeRequest(trailing=b"\1"), [dev.BODY_TRAILING_BYTES])
    answer = VendorTimeAnswer(year=2025, month=3, day=14, hour=15, minute=9, second=26, result=0)
    assert answer.encode(edition) == bytes.fromhex("07e9 03 0e 0f 09 1a 00")
    assert decode(0x8109, bytes.fromhex("07e9 0d 0e 0f 09 1a 00"), edition)[1] == [dev.VALUE_OUT_OF_RANGE]
