"""Which message of a terminal answers which command of ours (JT/T 808 §3.1, §10.3; JT/T 1078 §1; active safety §5.4).

command of ours    0x0001 终端通用应答           a message of its own
most of them       answers it                  —
0x8104, 0x8201 …   only says that it came      answers it (column `answer` of the catalogue)
LATER              says that it will be done   is added when it comes
0x8001, 0x8100 …   —                           — nobody answers them: they are done when they are out
"""

from typing import Final, NamedTuple

from jtgate.codecs.catalogue import CATALOGUE, message_name
from jtgate.codecs.edition import Edition
from jtgate.codecs.header import Header
from jtgate.codecs.profile import Profile
from jtgate.codecs.registry import body_edition, message_class

#: 终端通用应答 and 终端补传分包请求.
GENERAL: Final = 0x0001
PARTS_REQUEST: Final = 0x0005

#: Commands with both: 0x0001 at once, and this one when it is done, which may be long after.
LATER: Final = {
    0x8108: 0x0108,  # an upgrade is reported after the terminal has connected again
    0x8302: 0x0302,  # a driver answers when there is time
    0x8500: 0x0500,
    0x8801: 0x0805,  # either or both (§11 item 49); never from a 2011 terminal
    0x9201: 0x1205,  # by the standard; in practice 0x0001 (1078 §1.8)
    0x9206: 0x1206,  # a file takes its time
}

#: Messages that show that a command was obeyed where nothing else says so (§11 item 49); their body is no answer.
SHOWN_BY: Final = {0x8801: 0x0801}

#: 驾驶员身份库数据下载应答 comes for each picture: total and number of this one stand behind serial and result.
_PICTURES: Final = 0x0E11

#: Meaning of 结果 in 0x0001 (§3.2).
RESULTS: Final = {1: "failure", 2: "message error", 3: "not supported"}

_ANSWERS = frozenset(row.answer for row in CATALOGUE.values() if not row.upward and row.answer is not None)

#: Messages of a terminal that may have to do with a command.
LISTENED: Final[frozenset[int]] = _ANSWERS | {PARTS_REQUEST, *LATER.values(), *SHOWN_BY.values()}

#: Those that come without a command as well, so that nothing is strange about one that belongs to none.
UNSOLICITED: Final = frozenset({0x0108, 0x0702, 0x0801, 0x0A00, 0x0302, 0x1206})


class Heard(NamedTuple):
    """A message of a terminal that may answer a command.

    Args:
        header: of it, or of its first part.
        body: the whole, still encrypted when the header says so.
    """

    header: Header
    body: bytes


class Expected(NamedTuple):
    """What answers a command.

    Args:
        general: 0x0001 with result 0 is the end of it (perhaps after waiting for `specific` for a while).
        specific: 消息ID of the message of its own; None without one.
    """

    general: bool
    specific: int | None

    @property
    def nothing(self) -> bool:
        """Whether nobody answers it."""
        return not self.general and self.specific is None


def expected(msg_id: int, profile: Profile) -> Expected:
    """What answers a command of this id.

    Args:
        msg_id: 消息ID, 0x8000..0xFFFF; ids of nobody get 0x0001.
        profile: of the terminal.
    """
    row = message_name(msg_id)
    if msg_id == 0x8801 and profile.forced_edition is Edition.V2011:
        return Expected(general=True, specific=None)
    if msg_id in LATER:
        return Expected(general=True, specific=LATER[msg_id])
    if row.answer == GENERAL or not row.standard:
        return Expected(general=True, specific=None)
    return Expected(general=False, specific=row.answer)


def answer_serial(heard: Heard, head: bytes, profile: Profile) -> int | None:
    """应答流水号 of an answer; None for one that has none (§10.4: 0x0107, 0x0608, 0x0702, 0x0201 of 2011 …).

    Args:
        heard: the answer.
        head: its body or the beginning of it, decrypted.
        profile: of the terminal.
    """
    cls = message_class(heard.header.msg_id)
    if cls is None or len(head) < 2 or not cls.SPECS or cls.SPECS[0].name != "answer_serial":
        return None
    layout = heard.header.edition
    if len(head) == len(heard.body):  # of an encrypted one only the beginning is there, and its length tells nothing
        layout = body_edition(heard.header.msg_id, head, layout, profile)
    return int.from_bytes(head[:2]) if layout in cls.SPECS[0].editions else None


def is_last(msg_id: int, head: bytes) -> bool:
    """Whether no further answer of this kind belongs to the same command."""
    return msg_id != _PICTURES or len(head) < 5 or head[4] >= head[3]
