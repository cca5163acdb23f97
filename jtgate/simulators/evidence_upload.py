"""How a simulated terminal hands over the files of one alarm (T/JSATL 12 §4.3, §4.6); no socket here.

    0x1210 list ─► 0x8001     per file: 0x1211 ─► 0x8001     data …     0x1212 ─► 0x9212: done, or what is missing

A link is a generator: it yields what is to be done, and is sent what was received. After a drop `link` is called again;
what was finished is not listed any more (§4.6). Faults are made here.
"""

import random
from collections import Counter
from collections.abc import Generator, Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

from jtgate.codecs.edition import Edition
from jtgate.codecs.errors import ProtocolError
from jtgate.codecs.header import Header, encode_frames
from jtgate.codecs.jsatl12.alarm_number import read_alarm_number
from jtgate.codecs.jsatl12.attachments import (
    ALARM_SOURCES,
    COMPLETE,
    AlarmAttachments,
    AttachedFile,
    FileFinished,
    FileFinishedAnswer,
    FileInformation,
)
from jtgate.codecs.jsatl12.filestream import data_packet
from jtgate.codecs.jt808 import Authenticate
from jtgate.simulators import messages
from jtgate.simulators.dice import Dice, Purpose
from jtgate.simulators.evidence import Order
from jtgate.simulators.evidence_faults import EvidenceFault
from jtgate.simulators.evidence_files import EvidenceFile

LIST, FILE, FINISHED, FINISHED_ANSWER, GENERAL = 0x1210, 0x1211, 0x1212, 0x9212, 0x8001

#: A message that is not answered is sent so many times more; then the link is dropped.
RETRIES = 2
#: Messages that do not answer what was asked, before it counts as not answered.
OTHER_ANSWERS_MAX = 16
#: 0x1212 of one file on one link; then the link is dropped.
ROUNDS_MAX = 40
#: Times a terminal that is dropped on purpose is dropped.
DROPS_MAX = 4
#: Data in one packet over UDP.
DATAGRAM_BYTES = 1200
#: Share of packets left out, and copies of those repeated.
SKIPPED = 0.3
COPIES = (2, 3)
#: Bytes by which a wrong length is too long, and how far behind the end a wrong offset lies.
EXCESS_BYTES = 64
BEYOND_BYTES = 1 << 20
#: A terminal that is silent hangs up after so long, seconds.
SILENT_S = 60.0
#: Where the length stands in a data packet, from the end of its head.
_LENGTH_BYTES = 4

#: What no server may take for a path, or break of; {name} is the right one.
HOSTILE_NAMES = (
    "../../../../tmp/{name}",
    "/etc/{name}",
    "..\\..\\{name}",
    "C:{name}",
    "{name}\0\0  ",
    "{name} ; rm -rf .",
    "%2e%2e%2f{name}",
    "附件'{name}\"",
    "{name}" + "x" * 160,
    ".",
    "-rf {name}",
    "<b>{name}</b>",
)


class Ending(StrEnum):
    """How an order ended."""

    COMPLETE = "complete"  # the server has confirmed every file
    REFUSED = "refused"  # the server wants none of it
    NEVER = "never"  # the terminal did not come
    GIVEN_UP = "given_up"  # not even after many links


class Wait(NamedTuple):
    """Wait for a message, at most so long; None is sent back when none came."""

    timeout_s: float


class Drop(NamedTuple):
    """The link is to break now."""


class Received(NamedTuple):
    """A message of the server."""

    header: Header
    body: bytes


#: What a link wants done: bytes to send, a message to wait for, an end.
Step = bytes | Wait | Drop
Link = Generator[Step, Received | None, None]
_Talk = Generator[Step, Received | None, Received | None]


class _Lost(Exception):
    """This link leads nowhere; another one may."""


class Upload:
    """An order on its way.

    Args:
        order: what is to be handed over, and to whom.
        dice: chances of the terminal.
    """

    def __init__(self, order: Order, dice: Dice) -> None:
        self.order = order
        self.fault = order.rules.faults.draw(dice, order.number)
        self.links = 0
        #: Bytes of files that were sent, repetitions too.
        self.data_bytes = 0
        #: Names of the files the server has confirmed.
        self.finished: dict[str, EvidenceFile] = {}
        self.ending: Ending | None = None
        self._chance = random.Random(dice.bits(Purpose.EVIDENCE, order.number))
        self._names = self._named()
        if self.fault is EvidenceFault.FEWER_FILES and len(self._names) > 1:
            self._names.popitem()
        self._reached: Counter[str] = Counter()  # how far each file was sent, when that is remembered
        self._drops = self._chance.randint(1, DROPS_MAX) if self.fault is EvidenceFault.DROP else 0
        self._budget: int | None = None  # bytes of data until the link drops
        self._serial = 0
        self._is_udp = order.rules.datagrams and order.udp_port > 0
        self._spoiled = False  # a fault that happens once has happened

    @property
    def is_udp(self) -> bool:
        """Whether it goes by UDP."""
        return self._is_udp

    @property
    def names(self) -> dict[str, EvidenceFile]:
        """The files it lists, by name."""
        return self._names

    @property
    def delay_s(self) -> float:
        """How long the terminal takes before it connects, seconds."""
        return self.order.rules.faults.late_s if self.fault is EvidenceFault.LATE else 0.0

    def give_up(self) -> None:
        """No link leads anywhere."""
        self.ending = Ending.GIVEN_UP

    def link(self) -> Link:
        """Hand over on a fresh link what is not finished; `ending` is set when there is nothing more to do."""
        if self.fault is EvidenceFault.NEVER:
            self.ending = Ending.NEVER
            return
        self.links += 1
        self._serial = 0
        self._budget = self._draw_budget()
        try:
            if self.fault is EvidenceFault.SILENT and not self._spoiled:
                self._spoiled = True
                yield Wait(SILENT_S)
                return
            if self.fault is EvidenceFault.GREETING:
                yield from self._greet()
            yield from self._announce()
            if self.ending is None:
                for name, file in self._unfinished():
                    yield from self._hand_over(name, file)
                self.ending = Ending.COMPLETE
        except _Lost:
            yield Drop()

    # Steps.

    def _greet(self) -> _Talk:
        edition = self.order.edition
        code = Authenticate(auth_code="0")
        if edition is Edition.V2019:
            code = Authenticate(auth_code="0", imei="0" * 15, software_version="sim")
        yield from self._ask(0x0102, code.encode(edition), GENERAL)
        return (yield from self._ask(0x0002, b"", GENERAL))

    def _announce(self) -> Link:
        """0x1210 报警附件信息消息, with what is not finished."""
        number = read_alarm_number(self.order.alarm_number)
        platform_number = self.order.platform_number
        if self.fault is EvidenceFault.STRANGER:
            platform_number = platform_number[::-1][:31] + "Z"
        source = ALARM_SOURCES[len(self.order.alarm_number)]
        lead = {} if source.offset_of("alarm_number", self.order.edition) == 0 else {"terminal_id": number.terminal_id}
        listed = [AttachedFile(name=name, size_bytes=self._listed_bytes(file)) for name, file in self._unfinished()]
        if self.fault is EvidenceFault.EXTRA_FILE:
            extra = self.order.files[0].name(platform_number).replace("_0_", "_9_", 1)
            listed.append(AttachedFile(name=extra, size_bytes=self.order.files[0].size_bytes))
        message = AlarmAttachments(
            alarm=source(terminal_id=str(lead.get("terminal_id", "")), alarm_number=number),
            platform_number=platform_number,
            info_type=int(self.links > 1),
            files=tuple(listed),
        )
        answer = yield from self._ask(LIST, message.encode(self.order.edition), GENERAL)
        if answer is None:
            raise _Lost
        if answer.body[-1]:
            self.ending = Ending.REFUSED

    def _hand_over(self, name: str, file: EvidenceFile) -> Link:
        """0x1211, data, 0x1212, and again what 0x9212 asks for."""
        told_bytes = self._told_bytes(file)
        if self.fault is not EvidenceFault.BARE:
            information = FileInformation(name=name, file_type=file.file_type, size_bytes=told_bytes)
            answer = yield from self._ask(FILE, information.encode(self.order.edition), GENERAL)
            if answer is None or answer.body[-1]:
                raise _Lost
        yield from self._data(name, file, self._first_packets(name, file))
        finished = FileFinished(name=name, file_type=file.file_type, size_bytes=told_bytes)
        for _ in range(ROUNDS_MAX):
            answer = yield from self._ask(FINISHED, finished.encode(self.order.edition), FINISHED_ANSWER)
            if answer is None:
                raise _Lost
            told = messages.read(FileFinishedAnswer, answer.body, self.order.edition)
            if told.result == COMPLETE:
                self.finished[name] = file
                return
            wanted = [(gap.offset, gap.length) for gap in told.ranges]
            if self.fault is not EvidenceFault.DEAF:
                yield from self._data(name, file, self._cut(wanted, file.size_bytes))
        raise _Lost

    def _data(self, name: str, file: EvidenceFile, packets: Iterable[tuple[int, int]]) -> Link:
        dialect = self.order.rules.dialect
        for offset, length in packets:
            data = file.read(offset, length)
            packet = data_packet(name, offset, data, dialect).encode()
            if self._budget is not None:
                self._budget -= len(data)
                if self._budget < 0:
                    yield packet[: self._chance.randrange(len(packet))]
                    raise _Lost
            if self.fault in (EvidenceFault.LENGTH, EvidenceFault.OFFSET) and not self._spoiled:
                self._spoiled = True
                packet = self._spoil(name, file, packet, len(data))
            copies = self._chance.choice(COPIES) if self.fault is EvidenceFault.REPEAT else 1
            for _ in range(copies):
                self.data_bytes += len(data)
                yield packet
            self._reached[name] = max(self._reached[name], offset + len(data))

    def _ask(self, msg_id: int, body: bytes, answer_id: int) -> _Talk:
        """Say something, again when it is not answered; the answer, or None."""
        order = self.order
        first = self._serial
        frames = encode_frames(msg_id, body, phone=order.phone, serial=first, edition=order.edition)
        self._serial = (first + len(frames)) & 0xFFFF
        last = (first + len(frames) - 1) & 0xFFFF
        for _ in range(RETRIES + 1):
            yield from frames
            for _ in range(OTHER_ANSWERS_MAX):
                answer = yield Wait(order.rules.answer_wait_s)
                if answer is None:
                    break
                if self._answers(answer, msg_id, answer_id, first, last):
                    return answer
        return None

    @staticmethod
    def _answers(answer: Received, msg_id: int, answer_id: int, first: int, last: int) -> bool:
        if answer.header.msg_id != answer_id:
            return False
        if answer_id != GENERAL:
            return True
        try:
            serial, about, result = messages.read_general(answer.body)
        except ProtocolError:
            return False
        mine = (serial - first) & 0xFFFF <= (last - first) & 0xFFFF
        return about == msg_id and mine and (serial == last or result != 0)

    # What is told and sent, and where faults make it wrong.

    def _unfinished(self) -> list[tuple[str, EvidenceFile]]:
        return [(name, file) for name, file in self._names.items() if name not in self.finished]

    def _named(self) -> dict[str, EvidenceFile]:
        """The files by the names they go by."""
        first = self._chance.randrange(len(HOSTILE_NAMES))
        named: dict[str, EvidenceFile] = {}
        for at, file in enumerate(self.order.files):
            name = file.name(self.order.platform_number)
            if self.fault is EvidenceFault.NAMES:
                hostile = HOSTILE_NAMES[(first + at) % len(HOSTILE_NAMES)].format(name=f"{at}_{name}")
                name = name if hostile in named else hostile
            named[name] = file
        return named

    def _told_bytes(self, file: EvidenceFile) -> int:
        """The size that 0x1211 and 0x1212 tell."""
        is_last = file is self.order.files[-1]
        return file.size_bytes + EXCESS_BYTES * (self.fault is EvidenceFault.SHORT_FILE and is_last)

    def _listed_bytes(self, file: EvidenceFile) -> int:
        """The size that 0x1210 tells."""
        if self.fault is EvidenceFault.LIST_SIZE:
            return self._chance.choice((0, file.size_bytes // 2, file.size_bytes * 2 + 1))
        return self._told_bytes(file)

    def _cut(self, ranges: Iterable[tuple[int, int]], size_bytes: int) -> list[tuple[int, int]]:
        """Ranges in pieces that a packet holds; what lies behind the end of the file is nowhere to be found."""
        most = self.order.rules.packet_bytes
        if self._is_udp:
            most = min(most, DATAGRAM_BYTES)
        return [
            (at, min(most, end - at))
            for offset, length in ranges
            for end in [min(offset + length, size_bytes)]
            for at in range(offset, end, most)
        ]

    def _first_packets(self, name: str, file: EvidenceFile) -> Sequence[tuple[int, int]]:
        """The packets of a file as they are sent before anybody asks: after a drop from the beginning, or going on."""
        begin = self._reached[name] if self._chance.random() < 0.5 else 0
        if self.fault in (EvidenceFault.LENGTH, EvidenceFault.OFFSET):
            begin = 0  # the server may have taken something wrong in
        packets = self._cut([(begin, file.size_bytes - begin)], file.size_bytes)
        if self.fault is EvidenceFault.REORDER:
            self._chance.shuffle(packets)
        if self.fault in (EvidenceFault.SKIP, EvidenceFault.DEAF) and packets:
            left_out = self._chance.randrange(len(packets))
            packets = [
                packet for at, packet in enumerate(packets) if at != left_out and self._chance.random() >= SKIPPED
            ]
        return packets

    def _spoil(self, name: str, file: EvidenceFile, packet: bytes, length: int) -> bytes:
        if self.fault is EvidenceFault.OFFSET:
            beyond = file.size_bytes + BEYOND_BYTES
            return data_packet(name, beyond, packet[len(packet) - length :], self.order.rules.dialect).encode()
        at = len(packet) - length - _LENGTH_BYTES
        return packet[:at] + (length + EXCESS_BYTES).to_bytes(_LENGTH_BYTES) + packet[at + _LENGTH_BYTES :]

    def _draw_budget(self) -> int | None:
        """How many bytes of data a link that drops on purpose carries."""
        if self.links > self._drops:
            return None
        left = sum(file.size_bytes - self._reached[name] for name, file in self._unfinished())
        return self._chance.randrange(max(1, left))
