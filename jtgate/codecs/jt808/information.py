"""Information for the driver (JT/T 808 §3.5).

2019 drops the bodies of 0x8301 to 0x8304 and 0x0301 to 0x0303 but keeps them in its procedures and its table of ids;
they are read and written there as in 2013 (§13 item 34).
"""

from io import BytesIO

from jtgate.codecs import deviations as dev
from jtgate.codecs.declare import (
    Message,
    Presence,
    Structure,
    by_edition,
    byte,
    count_of,
    message,
    of_kind,
    repeat,
    string,
    structure,
    word,
)
from jtgate.codecs.edition import ONLY_2011, ONLY_2019, Edition
from jtgate.codecs.jt808.layouts import DELETE_ALL, Listed, old_layout
from jtgate.codecs.jt808.tables import TEXT_FLAGS, TEXT_TYPES
from jtgate.codecs.profiled import LimitedText
from jtgate.codecs.tables import Bit, Bits, Choices
from jtgate.codecs.wire import Scope, remaining

#: 终端显示器显示 and 终端TTS播读: several terminals ignore a text whose flags are 0 (§11 item 53).
SHOWN_AND_READ_ALOUD = 0x0C

#: Longest text since 2013; 2011 prints 102.
TEXT_BYTES_MAX = 1024


@message(0x8300, clause="§3.5")
class TextMessage(Message):
    """0x8300 文本信息下发."""

    flags: int = byte("文本信息标志", table=TEXT_FLAGS, default=SHOWN_AND_READ_ALOUD)
    text_type: int | None = byte("文本类型", table=TEXT_TYPES, editions=ONLY_2019, default=None)
    text: str = of_kind("文本信息", LimitedText(TEXT_BYTES_MAX))


# --------------------------------------------------------------------------- events and questions

DELETE_GIVEN = 4

#: 设置类型 of 0x8301.
EVENT_ACTIONS = Choices(
    (DELETE_ALL, "删除终端现有所有事件", "delete all"),
    (1, "更新事件", "replace"),
    (2, "追加事件", "append"),
    (3, "修改事件", "modify"),
    (DELETE_GIVEN, "删除特定几项事件", "delete given"),
)

#: 提问下发标志 of 0x8302.
QUESTION_FLAGS = Bits(
    Bit(0, "紧急", "urgent"),
    # 1–2 reserved
    Bit(3, "终端TTS播读", "read aloud"),
    Bit(4, "广告屏显示", "show on advertising screen"),
    # 5–7 reserved
)

_EVENTS_LISTED, _ITEMS_LISTED = Listed(elements="events"), Listed(elements="items")
#: In 2011 the total may exceed what one package holds.
_WRONG_TOTAL = by_edition(None, dev.LIST_WRONG_COUNT, dev.LIST_WRONG_COUNT)


class _HasContent(Presence):
    """Everywhere but in a list of bare ids to delete, which has one byte for each event that is left."""

    def reading(self, scope: Scope, stream: BytesIO) -> bool:
        """By the bytes left; with lengths of 0 there would be more."""
        if scope.find("action") != DELETE_GIVEN or scope.parent is None:
            return True
        names = ("package_count", "count")
        count = next((value for value in map(scope.find, names) if value is not None), 0)
        return remaining(stream) != count - scope.parent.index - 1

    def writing(self, scope: Scope, value: object) -> bool:
        """By its value where it may be missing."""
        return value is not None or scope.find("action") != DELETE_GIVEN

    def __str__(self) -> str:
        return "unless the events are to be deleted and only their ids are there"


@structure(clause="§3.5")
class EventItem(Structure):
    """An event 事件项 of 0x8301."""

    event_id: int = byte("事件ID")
    content: str | None = string("事件内容", prefix=1, present=_HasContent(), default=None)


def _events_layout(body: bytes, header: Edition) -> Edition:
    return old_layout(SetEvents, body, header)


@message(0x8301, clause="§3.5, §13 item 34", detect=_events_layout)
class SetEvents(Message):
    """0x8301 事件设置; nothing follows the order to delete all, and events to delete need no content."""

    action: int = byte("设置类型", table=EVENT_ACTIONS)
    count: int | None = count_of("events", 1, "设置总数", wrong=_WRONG_TOTAL, present=_EVENTS_LISTED, default=None)
    package_count: int | None = count_of(
        "events",
        1,
        "包设置数",
        wrong=dev.LIST_WRONG_COUNT,
        editions=ONLY_2011,
        present=_EVENTS_LISTED,
        default=None,
    )
    events: tuple[EventItem, ...] = repeat("事件项列表", EventItem, default=())


@message(0x0301, clause="§3.5, §13 item 34")
class EventReport(Message):
    """0x0301 事件报告."""

    event_id: int = byte("事件ID")


@structure(clause="§3.5")
class AnswerItem(Structure):
    """A possible answer 候选答案 of 0x8302."""

    answer_id: int = byte("答案ID")
    content: str = string("答案内容", prefix=2)


@message(0x8302, clause="§3.5, §13 item 34")
class AskQuestion(Message):
    """0x8302 提问下发; the 2011 annex misprints its id (§13 item 26)."""

    flags: int = byte("提问下发标志", table=QUESTION_FLAGS)
    question: str = string("问题", prefix=1)
    answers: tuple[AnswerItem, ...] = repeat("候选答案列表", AnswerItem, default=())


@message(0x0302, clause="§3.5, §13 item 34")
class QuestionAnswer(Message):
    """0x0302 提问应答."""

    answer_serial: int = word("应答流水号")
    answer_id: int = byte("答案ID")


# ------------------------------------------------------------------------- information on demand

#: 设置类型 of 0x8303.
MENU_ACTIONS = Choices(
    (DELETE_ALL, "删除终端全部信息项", "delete all"),
    (1, "更新菜单", "replace"),
    (2, "追加菜单", "append"),
    (3, "修改菜单", "modify"),
)

#: 点播/取消标志 of 0x0303.
DEMANDS = Choices((0, "取消", "cancel"), (1, "点播", "subscribe"))


@structure(clause="§3.5")
class MenuItem(Structure):
    """A kind of information 信息项 of 0x8303."""

    info_type: int = byte("信息类型")
    name: str = string("信息名称", prefix=2)


def _menu_layout(body: bytes, header: Edition) -> Edition:
    return old_layout(SetInformationMenu, body, header)


@message(0x8303, clause="§3.5, §13 item 34", detect=_menu_layout)
class SetInformationMenu(Message):
    """0x8303 信息点播菜单设置; nothing follows the order to delete all."""

    action: int = byte("设置类型", table=MENU_ACTIONS)
    count: int | None = count_of("items", 1, "信息项总数", wrong=_WRONG_TOTAL, present=_ITEMS_LISTED, default=None)
    package_count: int | None = count_of(
        "items",
        1,
        "包信息项数",
        wrong=dev.LIST_WRONG_COUNT,
        editions=ONLY_2011,
        present=_ITEMS_LISTED,
        default=None,
    )
    items: tuple[MenuItem, ...] = repeat("信息项列表", MenuItem, default=())


@message(0x0303, clause="§3.5, §13 item 34")
class InformationDemand(Message):
    """0x0303 信息点播/取消."""

    info_type: int = byte("信息类型")
    demand: int = byte("点播/取消标志", table=DEMANDS)


def _service_layout(body: bytes, header: Edition) -> Edition:
    return old_layout(InformationService, body, header)


@message(0x8304, clause="§3.5, §13 item 34", detect=_service_layout)
class InformationService(Message):
    """0x8304 信息服务; 2011 has the length of the whole text before that of the package."""

    info_type: int = byte("信息类型")
    total_length: int | None = word("信息总长度", editions=ONLY_2011, default=None)
    content: str = string("信息内容", prefix=2)
