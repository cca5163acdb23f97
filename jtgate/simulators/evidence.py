"""The evidence files that a simulated terminal keeps of its alarms, and what becomes of 0x9208 报警附件上传指令.

    alarm with files ─► kept, by 报警标识号 ─► 0x9208 ─► order ─► the shell opens a link and hands them over
                                                                          (`evidence_upload`, `evidence_link`)

Only so many alarms are kept; then the oldest is forgotten, and who asks for it gets result 1.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from jtgate.codecs.edition import Edition
from jtgate.codecs.jsatl12.alarm_number import ALARM_NUMBERS, SIZES_OF, AlarmNumber
from jtgate.codecs.jsatl12.attachments import RequestAttachments
from jtgate.codecs.profile import Dialect
from jtgate.codecs.timebase import WireTime
from jtgate.simulators.answers import FAILED, OK, Reply
from jtgate.simulators.evidence_faults import EvidenceFaultPlan
from jtgate.simulators.evidence_files import FACE_PICTURE_GD, PICTURE, VIDEO, EvidenceFile
from jtgate.simulators.identity import Identity
from jtgate.simulators.messages import read
from jtgate.simulators.tally import Tally

#: Alarms whose files are kept.
ALARMS_MAX = 64
#: Orders that wait for the shell or are being carried out; one more is refused.
ORDERS_MAX = 16
#: Files of one alarm.
FILES_MAX = 20

DRIVER_CHANGE = 0x11
_DSM = 0x65
#: Dialects whose videos are mp4; the others' are h264 (§4.4).
_MP4_DIALECTS = (Dialect.GD,)
_SC_2013_SIZE = 16


@dataclass(frozen=True, slots=True)
class EvidenceRules:
    """Which files terminals have, and how they hand them over.

    Args:
        pictures: of one alarm.
        videos: of one alarm.
        picture_bytes: length of a picture.
        video_bytes: length of a video.
        dialect: decides the length of 报警标识号 and the form of data packets; never auto.
        datagrams: hand over by UDP where the order names a port.
        packet_bytes: data in one packet; UDP sends less.
        answer_wait_s: seconds until a message that is not answered is sent again.
        faults: what they do wrong.
    """

    pictures: int = 1
    videos: int = 1
    picture_bytes: int = 60_000
    video_bytes: int = 1_000_000
    dialect: Dialect = Dialect.SU
    datagrams: bool = False
    packet_bytes: int = 1 << 16
    answer_wait_s: float = 10.0
    faults: EvidenceFaultPlan = field(default_factory=EvidenceFaultPlan)

    def files(self, item: int, kind: int, number: bytes, seed: bytes) -> tuple[EvidenceFile, ...]:
        """The files of an alarm.

        Args:
            item: peripheral, 0x64 or 0x65.
            kind: type byte of the item.
            number: 报警标识号 as it stands in the item.
            seed: whose terminal it is.
        """
        alarm, channel = f"{item:02x}{kind:02x}", int(f"{item:02x}")
        is_face = item == _DSM and kind == DRIVER_CHANGE and self.dialect is Dialect.GD
        picture = FACE_PICTURE_GD if is_face else PICTURE
        video = "mp4" if self.dialect in _MP4_DIALECTS else "h264"
        kinds = [(picture, at, "jpg", self.picture_bytes) for at in range(self.pictures)]
        kinds += [(VIDEO, at, video, self.video_bytes) for at in range(self.videos)]
        return tuple(
            EvidenceFile(file_type, channel, alarm, at, suffix, size, seed + number + bytes((file_type, at)))
            for file_type, at, suffix, size in kinds[:FILES_MAX]
        )


class Order(NamedTuple):
    """An order to hand over the files of an alarm.

    Args:
        number: of the order, from 1.
        phone: of the terminal, digits without leading zeros.
        edition: of its headers.
        rules: how.
        host: where to.
        tcp_port: 0 for none.
        udp_port: 0 for none.
        alarm_number: 报警标识号, byte for byte.
        platform_number: 报警编号.
        files: what there is.
    """

    number: int
    phone: str
    edition: Edition
    rules: EvidenceRules
    host: str
    tcp_port: int
    udp_port: int
    alarm_number: bytes
    platform_number: str
    files: tuple[EvidenceFile, ...]


def number_form(dialect: Dialect, edition: Edition) -> type[AlarmNumber]:
    """The form of 报警标识号 that a dialect has under a header (§1.2)."""
    size = SIZES_OF.get(dialect, (_SC_2013_SIZE,))[0]
    if dialect is Dialect.SC and edition is not Edition.V2019:
        size = _SC_2013_SIZE
    return ALARM_NUMBERS[size]


def alarm_number(form: type[AlarmNumber], terminal_id: str, time: WireTime, sequence: int, count: int) -> AlarmNumber:
    """报警标识号 of an alarm; what is reserved is zero."""
    reserved = {ALARM_NUMBERS[38]: 0, ALARM_NUMBERS[40]: 2}.get(form, 1)
    return form(terminal_id=terminal_id, time=time, sequence=sequence, attachment_count=count, reserved=bytes(reserved))


class EvidenceShelf:
    """The files of one terminal.

    Args:
        identity: whose.
        rules: which files, and how they go out.
        tally: counters of the fleet.
    """

    __slots__ = ("_alarms", "_count", "_identity", "_open", "_tally", "_waiting", "form", "rules")

    def __init__(self, identity: Identity, rules: EvidenceRules, tally: Tally) -> None:
        self.rules = rules
        self.form = number_form(rules.dialect, identity.edition)
        self._identity = identity
        self._tally = tally
        self._alarms: dict[bytes, tuple[EvidenceFile, ...]] = {}
        self._waiting: deque[Order] = deque()
        self._open: set[tuple[bytes, str]] = set()  # alarms and 报警编号 of orders that are not done yet
        self._count = 0

    def number(self, item: int, kind: int, time: WireTime, sequence: int) -> AlarmNumber:
        """报警标识号 of a new alarm, whose files are kept from now on."""
        files = self.rules.pictures + self.rules.videos
        number = alarm_number(self.form, self._identity.terminal_id, time, sequence, min(files, FILES_MAX))
        self.keep(number.encode(), item, kind)
        return number

    def keep(self, number: bytes, item: int, kind: int) -> None:
        """Keep the files of an alarm under its number."""
        self._alarms[number] = self.rules.files(item, kind, number, self._identity.phone.encode())
        if len(self._alarms) > ALARMS_MAX:
            del self._alarms[next(iter(self._alarms))]
            self._tally.evidence["forgotten"] += 1

    @property
    def kept(self) -> Mapping[bytes, tuple[EvidenceFile, ...]]:
        """Files by alarm."""
        return self._alarms

    def asked(self, _serial: int, body: bytes, _now: float) -> Reply:
        """0x9208 报警附件上传指令: result 1 for an alarm without files here, or when too much is asked at once.

        Raises:
            ProtocolError: it cannot be read.
        """
        order = read(RequestAttachments, body, self._identity.edition)
        number = order.alarm_number.encode()
        files = self._alarms.get(number)
        host, platform_number = str(order.address).rstrip("\0 "), str(order.platform_number)
        if files is None or not host:
            self._tally.evidence["unknown"] += 1
            return FAILED
        if (number, platform_number) in self._open:
            self._tally.evidence["asked_again"] += 1
            return OK
        if len(self._open) >= ORDERS_MAX:
            self._tally.evidence["too_many"] += 1
            return FAILED
        self._count += 1
        self._tally.evidence["asked"] += 1
        self._open.add((number, platform_number))
        self._waiting.append(
            Order(
                self._count,
                self._identity.phone,
                self._identity.edition,
                self.rules,
                host,
                order.tcp_port,
                order.udp_port,
                number,
                platform_number,
                files,
            )
        )
        return OK

    def take(self) -> Iterable[Order]:
        """Orders that are new, once."""
        while self._waiting:
            yield self._waiting.popleft()

    def done(self, order: Order) -> None:
        """An order is over, one way or the other; the same may be given again."""
        self._open.discard((order.alarm_number, order.platform_number))
