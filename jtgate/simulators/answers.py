"""What a simulated terminal says to a command."""

from collections.abc import Callable
from typing import NamedTuple

RESULT_OK, RESULT_FAILURE, RESULT_MESSAGE_ERROR, RESULT_NOT_SUPPORTED = 0, 1, 2, 3


class Answer(NamedTuple):
    """A message of its own that answers a command.

    Args:
        msg_id: 消息ID.
        body: the whole body.
        quotes: it begins with the serial of the command 应答流水号.
        is_report: the platform answers it in turn, as it does when the terminal sends it unasked.
    """

    msg_id: int
    body: bytes
    quotes: bool = True
    is_report: bool = False


class Reply(NamedTuple):
    """Everything that goes out at once.

    Args:
        result: 结果 of 0x0001; None without one.
        answers: what follows it.
    """

    result: int | None
    answers: tuple[Answer, ...] = ()


OK = Reply(RESULT_OK)
FAILED = Reply(RESULT_FAILURE)
NOT_SUPPORTED = Reply(RESULT_NOT_SUPPORTED)

#: Obeys a command: serial, body, monotonic time. Raises ProtocolError when the body cannot be read.
Duty = Callable[[int, bytes, float], Reply]


def told(msg_id: int, body: bytes, *, quotes: bool = True, is_report: bool = False) -> Reply:
    """A message of its own and no 0x0001."""
    return Reply(None, (Answer(msg_id, body, quotes, is_report),))
