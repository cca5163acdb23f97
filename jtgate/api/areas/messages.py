"""What can be sent to terminals."""

import functools
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from jtgate.api.areas.commands import READERS
from jtgate.api.operations import Asked, Call, Page, ProblemError, operation
from jtgate.codecs.compose import find_message
from jtgate.codecs.reference import MessageRow, message_page, message_rows


class MessageField(msgspec.Struct):
    """A field of a body.

    Args:
        name: as in `fields` of a command.
        term: Chinese term.
        english: English name.
        type: as the standard names it.
        unit: of the value.
        possible: what values can be written.
        condition: when it is there, empty for always.
        editions: that have it.
    """

    name: str
    term: str
    english: str
    type: str
    unit: str
    possible: str
    condition: str
    editions: list[str]


class MessageAnswer(msgspec.Struct):
    """A message of a platform.

    Args:
        id: 消息ID.
        name: English name.
        term: Chinese term.
        standard: that defines it.
        editions: of JT/T 808 that have it.
        answer: 消息ID of what a terminal answers.
        fields: of the body; those inside of others are explained by `jtgate messages ID`.
        example: `fields` of a command that can be sent as they are.
    """

    id: str
    name: str
    term: str
    standard: str
    editions: list[str]
    answer: str | None
    fields: list[MessageField]
    example: dict[str, Any]


class MessagesQuery(Asked):
    """Which messages."""

    message: Annotated[
        str, Meta(max_length=100, description="Id, English name or Chinese term of one; without all.")
    ] = ""


@operation("GET", "/v1/messages", scope=READERS, query=MessagesQuery, answer=Page[MessageAnswer], problems=(404,))
def list_messages(call: Call[MessagesQuery, None]) -> Page[MessageAnswer]:
    """Messages that can be sent to terminals, with their fields; all of them in one page."""
    which = call.query.message.strip()
    rows = [row for row in message_rows() if row.direction == "down" and row.decoded]
    if which:
        try:
            wanted = f"0x{find_message(which):04x}"
        except LookupError as error:
            raise ProblemError(404, "message-not-found", "There is no such message", str(error.args[0])) from None
        rows = [row for row in rows if row.id == wanted]
        if not rows:
            raise ProblemError(404, "message-not-found", "It has no fields here", "give its body as raw")
    return Page([_message(row) for row in rows])


@functools.cache
def _message(row: MessageRow) -> MessageAnswer:
    page = message_page(int(row.id, 16))
    found: dict[str, MessageField] = {}
    for layout in page.page.layouts if page.page else ():
        for one in layout.fields:
            field = MessageField(
                one.name, one.term, one.english, one.type, one.unit, one.possible, one.condition, [*layout.editions]
            )
            if one.name in found:
                found[one.name].editions += layout.editions
            else:
                found[one.name] = field
    example = page.examples[0].given if page.examples else {}
    return MessageAnswer(
        row.id, row.name, row.term, row.standard, [*row.editions], row.answer, [*found.values()], example
    )
